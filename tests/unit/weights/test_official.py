"""The table of official releases is complete, and contains only published facts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from godeeper.weights.official import OFFICIAL, Digests, Release, is_published, pin, pins, recognise

WANTED = {"imagenet-2015", "imagenet-torchvision", "imagenet-timm", "imagenet-keras", "fid-2015"}


def test_every_release_of_the_story_is_there() -> None:
    """The table has all expected releases, and a second file for two of them."""
    assert set(OFFICIAL) >= WANTED
    assert set(OFFICIAL) - WANTED == {"imagenet-timm-gluon", "imagenet-keras-notop"}


@pytest.mark.parametrize("release", OFFICIAL.values(), ids=OFFICIAL)
def test_each_is_encrypted_licensed_and_sourced(release: Release) -> None:
    """Each release has an https address, a licence, and the place where its hash is published."""
    assert release.address.startswith("https://")
    assert release.licence
    assert release.published
    assert re.fullmatch(r"[0-9a-f]{8}|[0-9a-f]{64}|", release.sha256)
    assert re.fullmatch(r"[0-9a-f]{32}|", release.md5)
    assert release.check


@pytest.mark.parametrize(
    "release", [each for each in OFFICIAL.values() if len(each.sha256) == 8], ids=lambda each: each.name
)
def test_short_hashes_are_those_in_the_files_names(release: Release) -> None:
    """torchvision, timm and pytorch-fid publish the first digits of the hash in the file's name."""
    assert release.file_name.endswith(f"-{release.sha256}.pth")


def test_a_file_is_recognised_by_what_is_published() -> None:
    """A file is recognised by a complete SHA-256, its first digits or an MD5, and never if no hash is published."""
    for release in OFFICIAL.values():
        got = Digests(release.sha256.ljust(64, "0"), release.md5, 1)
        assert is_published(release, got) == bool(release.sha256 or release.md5)
    assert recognise(Digests("0" * 64, "0" * 32, 1)) is None
    assert recognise(Digests("6726825d".ljust(64, "0"), "", 1)) is OFFICIAL["fid-2015"]


def test_pins_are_written_once(tmp_path: Path) -> None:
    """The first download's SHA-256 is pinned, unless the publisher states a complete SHA-256."""
    got = Digests("ab" * 32, "", 5)
    assert pin(OFFICIAL["imagenet-2015"], got, tmp_path)
    assert not pin(OFFICIAL["imagenet-2015"], Digests("cd" * 32, "", 5), tmp_path)
    assert not pin(OFFICIAL["imagenet-timm"], got, tmp_path)
    assert {name: entry["sha256"] for name, entry in pins(tmp_path).items()} == {"imagenet-2015": "ab" * 32}
