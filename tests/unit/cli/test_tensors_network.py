"""``godeeper tensors --network``: the JSON, and the error for an unknown network."""

from __future__ import annotations

import json

import pytest

from godeeper.cli.main import main


@pytest.mark.parametrize(
    ("network", "pattern", "conventions"),
    [
        ("inception_v3", "mixed/join", ["tf2015", "slim", "torchvision", "keras"]),
        ("googlenet", "mixed3a", ["bvlc", "inception5h", "torchvision", "paper"]),
        ("inception_v4", "Mixed_5b", ["slim", "timm"]),
    ],
)
def test_json(capsys: pytest.CaptureFixture[str], network: str, pattern: str, conventions: list[str]) -> None:
    """The JSON document states the network, and the names of each tensor in that network's conventions."""
    assert main(["tensors", pattern, "--network", network, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["network"] == network
    assert [list(tensor["names"]) for tensor in document["tensors"]] == [conventions]


def test_unknown_network(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown network is refused with a one-line error that lists the known ones."""
    assert main(["tensors", "--network", "vgg"]) == 2
    expected = "godeeper: unknown network 'vgg': expected one of googlenet, inception_v3, inception_v4\n"
    assert capsys.readouterr().err == expected
