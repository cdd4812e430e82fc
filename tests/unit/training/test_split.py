"""A photo stays in its set if it is renamed or other photos change, and near-duplicates are in one set."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
from tests.unit.photos.scenes import cropped, jpeg, scene, write

from godeeper.photos.doctor.checkup import Checkup, Diagnosis, examine
from godeeper.photos.sources.folder import Entry
from godeeper.training.split import (
    CROSS_VALIDATION,
    ENOUGH,
    SETS,
    TEST_SET,
    assign,
    fraction,
    hold_out,
    set_of,
    too_few_reasons,
)

SMALL = (64, 48)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of thirty photos each."""
    for number in range(60):
        write(tmp_path / "photos" / "ab"[number % 2] / f"{number}.png", scene(number, SMALL))
    return tmp_path / "photos"


def made_up(groups: dict[str, list[int]]) -> Checkup:
    """Return a checkup without files; ``groups`` has, for each class, the group number of each photo."""
    rows = [(label, number) for label, numbers in groups.items() for number in numbers]
    hashes = [f"{index:064x}" for index in range(len(rows))]
    verdicts = [
        Diagnosis(Entry(label, f"{index}.jpg", label), "used", (), pixels, index, (1, 1))
        for index, ((label, _), pixels) in enumerate(zip(rows, hashes, strict=True))
    ]
    return Checkup(Path(), tuple(verdicts), {p: number for p, (_, number) in zip(hashes, rows, strict=True)}, ())


def test_every_photo_has_a_set(folder: Path) -> None:
    """Every photo is in a set, and most are in training."""
    assigned = assign(examine(folder))
    assert len(assigned) == 60
    assert set(assigned.values()) == set(SETS)
    assert Counter(assigned.values()).most_common(1)[0][0] == "train"


def test_shares_are_about_right() -> None:
    """In a large folder, about a tenth of the photos are for testing and a tenth for validation."""
    counts = Counter(set_of(f"{number:064x}") for number in range(10_000))
    assert (abs(counts["test"] - 1000) < 100, abs(counts["validation"] - 1000) < 100) == (True, True)


def test_fractions_are_pinned() -> None:
    """The set of a photo is the same in every version, so these values must never change."""
    marks = "".join(str(SETS.index(set_of(64 * digit))) for digit in "0123456789abcdef")
    assert marks == "0100000002000000"
    assert 0 <= fraction("") < 1


def test_moving_the_folder(folder: Path, tmp_path: Path) -> None:
    """A folder that is moved, or whose path is typed differently, gives the same split."""
    before = assign(examine(folder))
    moved = tmp_path / "elsewhere" / "фото"
    shutil.copytree(folder, moved)
    assert assign(examine(moved)) == before
    assert assign(examine(folder / ".." / folder.name)) == before


def test_renaming_and_converting(folder: Path) -> None:
    """Renaming files and classes and converting photos to another lossless format do not change the split."""
    before = assign(examine(folder))
    for number, path in enumerate(sorted(folder.glob("a/*.png"))):
        write(folder / "renamed class" / f"IMG_{1000 - number}.tiff", scene(int(path.stem), SMALL))
        path.unlink()
    assert assign(examine(folder)) == before


def test_moving_between_classes(folder: Path) -> None:
    """A photo that is moved to another class stays in the same set."""
    before = assign(examine(folder))
    (folder / "a" / "0.png").rename(folder / "b" / "0.png")
    assert assign(examine(folder)) == before


def test_growing(folder: Path) -> None:
    """New photos, a new class and damaged files do not move existing photos."""
    before = assign(examine(folder))
    for number in range(100, 160):
        write(folder / "abc"[number % 3] / f"{number}.png", scene(number, SMALL))
    (folder / "a" / "empty.jpg").touch()
    after = assign(examine(folder))
    assert {pixels: after[pixels] for pixels in before} == before
    assert len(after) == 120


def test_shrinking(folder: Path) -> None:
    """Removing photos does not move the remaining photos to another set."""
    before = assign(examine(folder))
    for number in range(0, 60, 3):
        (folder / "ab"[number % 2] / f"{number}.png").unlink()
    after = assign(examine(folder))
    assert {pixels: before[pixels] for pixels in after} == after
    assert len(after) == 40


def test_near_duplicates_never_straddle(folder: Path) -> None:
    """Cropped, scaled and recompressed copies in any class are in the set of their original."""
    originals = {photo.entry.path.stem: photo.pixels_sha256 for photo in examine(folder).usable}
    for number in range(60):
        image = scene(number, SMALL)
        copies = [jpeg(image, 60), cropped(image, 0.04), image.resize((48, 36))]
        for kind, copy in enumerate(copies):
            write(folder / "ba"[number % 2] / f"{number}_copy{kind}.png", copy)
    checkup = examine(folder)
    assigned = assign(checkup)
    for photo in checkup.usable:
        original = originals[photo.entry.path.stem.partition("_")[0]]
        assert assigned[photo.pixels_sha256] == assigned[original], photo.entry.name
    assert len(assigned) == 240


def test_nohash_names_share_a_set(tmp_path: Path) -> None:
    """Twenty different photos called x_nohash_1 to x_nohash_20 are in one set."""
    for number in range(20):
        write(tmp_path / "a" / f"x_nohash_{number}.png", scene(number, SMALL))
    assert len(set(assign(examine(tmp_path)).values())) == 1


def test_classes_with_few_photos_are_listed_in_one_line() -> None:
    """One note names the classes with fewer than ten groups, smallest first, even if these groups contain many photos."""
    checkup = made_up({"a": [0] * 20, "b10": [*range(1, 10)], "b2": [*range(11, 20)], "c": [*range(20, 30)]})
    assert too_few_reasons(checkup) == (
        (
            "3 of 4 classes have few different photos: 'a' has 1, 'b2' has 9, 'b10' has 9; "
            "expected at least 10 per class"
        ),
    )


def test_a_note_on_many_classes_is_short() -> None:
    """A note on 168 classes names only a few of them."""
    (line,) = too_few_reasons(made_up({f"class {number}": [2 * number, 2 * number + 1] for number in range(168)}))
    assert line.startswith("168 of 168 classes have few different photos: 'class 0' has 2, 'class 1' has 2,")
    assert len(line) < 300


def test_enough_photos_need_no_note() -> None:
    """Ten different photos per class give no note."""
    assert too_few_reasons(made_up({"a": [*range(10)], "b": [*range(10, 30)]})) == ()


@pytest.mark.parametrize("each", [2, 16, 18, 20, 50, 400])
def test_cross_validation_until_a_test_set_is_large(each: int) -> None:
    """With fewer than about a thousand photos, all of them are tested by cross-validation."""
    held = hold_out(made_up({"a": [*range(each)], "b": [*range(each, 2 * each)]}))
    assert held.by == CROSS_VALIDATION
    assert held.counts == {"train": 2 * each}
    assert f"expected at least {ENOUGH}" in held.why


def test_a_large_folder_has_a_test_set() -> None:
    """A large folder has a test set, which consists of the photos selected by their hashes."""
    checkup = made_up({"a": [*range(800)], "b": [*range(800, 1600)]})
    held = hold_out(checkup)
    assert held.by == TEST_SET
    assert held.sets == assign(checkup)
    assert list(held.counts) == list(SETS)


def test_near_duplicates_make_no_test_set() -> None:
    """Sixteen hundred photos in groups of eight count as two hundred, which is too few for a test set."""
    held = hold_out(made_up({"a": [*range(100)] * 8, "b": [*range(100, 200)] * 8}))
    assert held.by == CROSS_VALIDATION


def test_a_class_outside_the_test_set_means_cross_validation() -> None:
    """If a class has no test photo by chance, cross-validation is used, and no note reports a fault."""
    checkup = made_up({"a": [*range(1600)], "b": [*range(1600, 1620)]})
    sets = assign(checkup)
    kept = tuple(
        verdict
        for verdict in checkup.verdicts
        if verdict.entry.label == "a" or sets[verdict.pixels_sha256 or ""] != "test"
    )
    held = hold_out(Checkup(Path(), kept, checkup.groups, ()))
    assert held.by == CROSS_VALIDATION
    assert "class 'b'" in held.why
    assert too_few_reasons(Checkup(Path(), kept, checkup.groups, ())) == ()
