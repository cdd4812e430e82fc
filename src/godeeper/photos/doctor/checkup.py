"""The photo doctor: check every file of a folder before training.

A photo is ``used`` unchanged, ``repaired`` in memory and used, or ``quarantined``.  The folder itself is never changed.
Other files, such as ``labels.txt``, get no diagnosis and are only listed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ...errors import PhotoError
from ...natural_order import natural_key
from ...progress import Progress
from ...wording import count_of, first_of
from ..class_names import same_names
from ..sources.folder import Entry
from ..sources.source import Source, open_source
from .fingerprint import edges
from .inspection import BlobStore, DecodeObserver, Finding, Inspect, inspect_all
from .near_duplicates import group
from .usable import UsablePhoto

Status = Literal["used", "repaired", "quarantined"]
STATUSES: tuple[Status, ...] = ("used", "repaired", "quarantined")
NO_CLASS = "has no class: move it into a folder named after its class"
OURS = "a picture that godeeper drew, not a photo: move it out of the photo folder"
SAME_STEM = "_nohash_"
TEST = "test"  # ``Entry.split`` of test photos
ONLY_TEST = "its class has no training photos: add some to train, or remove the class"
ALL_COPIES = (
    "every training photo of its class has the same pixels as a test photo, and test photos are not used for training: "
    "add other photos to train, or remove the copies from test"
)
NONE_TO_LEARN = "none of the training photos of its class can be used: replace the quarantined ones"
MOST_ALIKE = 3  # groups named in the notes; all of them are in the table


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The doctor's result for one file; hash, fingerprint, ``size`` and ``edges`` are missing if it cannot be decoded.

    ``reasons``: why it is quarantined, then the repairs.  ``size``: (width, height).  ``edges``: see ``fingerprint.edges``.
    ``remarks``: quality remarks (dark, blurred, empty, tiny, see ``quality``); they do not change the status.
    """

    entry: Entry
    status: Status
    reasons: tuple[str, ...]
    pixels_sha256: str | None
    fingerprint: int | None
    size: tuple[int, int] | None
    edges: tuple[float, ...] = field(default=(), repr=False)
    remarks: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether it is not quarantined."""
        return self.status != "quarantined"


@dataclass(frozen=True)
class Checkup:
    """The diagnoses of all files of a folder, sorted by class and file name, or of some files in the given order.

    ``groups``: pixel hash -> group number, from 0, for all decoded photos including quarantined ones.  Photos with the
    same number must stay in one set.  ``others``: the files that are not photos.
    """

    folder: Path | str
    verdicts: tuple[Diagnosis, ...]
    groups: dict[str, int]
    notes: tuple[str, ...]
    others: tuple[str, ...] = ()

    @cached_property
    def usable(self) -> tuple[UsablePhoto, ...]:
        """The photos to train on, in the order of the diagnoses; no two have the same pixels."""
        return tuple(
            UsablePhoto(each.entry, each.pixels_sha256, self.groups[each.pixels_sha256], each.edges, each.remarks)
            for each in self.verdicts
            if each.usable and each.pixels_sha256
        )

    @cached_property
    def unusable(self) -> tuple[Diagnosis, ...]:
        """The quarantined photos, without those that have the same pixels as a usable photo."""
        pixels = {verdict.pixels_sha256 for verdict in self.usable}
        return tuple(each for each in self.verdicts if not each.usable and each.pixels_sha256 not in pixels)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The classes with a usable photo, sorted."""
        return tuple(sorted({verdict.entry.label for verdict in self.usable}))

    @property
    def counts(self) -> dict[Status, int]:
        """The number of files of each status."""
        counted = Counter(verdict.status for verdict in self.verdicts)
        return {status: counted[status] for status in STATUSES}

    @property
    def flat(self) -> str | None:
        """The message for a folder that has photos but no class folders; None for other folders."""
        if len(self.verdicts) < 2 or any(verdict.entry.label for verdict in self.verdicts):
            return None
        return (
            f"{count_of(len(self.verdicts), 'photo')} and no class folders: move each photo into a folder named after its class, "
            "or pass a list: a .csv file with the header path,label and one line per photo"
        )

    @cached_property
    def leaks(self) -> tuple[UsablePhoto, ...]:
        """The photos of the user's test set that are in the same group as a training photo."""
        training = {photo.group for photo in self.usable if photo.entry.split != TEST}
        return tuple(photo for photo in self.usable if photo.entry.split == TEST and photo.group in training)

    @cached_property
    def alike(self) -> tuple[tuple[UsablePhoto, ...], ...]:
        """The groups with more than one usable photo."""
        return tuple(tuple(each) for each in by_group(self).values() if len(each) > 1)

    def record(self) -> dict[str, Any]:
        """The checkup as JSON; file names are relative to the folder."""
        counted = Counter(verdict.entry.label for verdict in self.usable)
        return {
            "folder": str(self.folder),
            "photos": dict(self.counts),
            "classes": {label: counted[label] for label in self.classes},
            "files": [self.file_record(verdict) for verdict in self.verdicts],
            "near_duplicates": [[verdict.entry.name for verdict in each] for each in self.alike],
            "others": list(self.others),
            "notes": list(self.notes),
        }

    def file_record(self, verdict: Diagnosis) -> dict[str, Any]:
        """One file as JSON."""
        pixels = verdict.pixels_sha256
        return {
            "file": verdict.entry.name,
            "class": verdict.entry.label or None,
            "status": verdict.status,
            "reasons": list(verdict.reasons),
            "remarks": list(verdict.remarks),
            "size": list(verdict.size) if verdict.size else None,
            "pixels_sha256": pixels,
            "fingerprint": None if verdict.fingerprint is None else f"{verdict.fingerprint:016x}",
            "group": None if pixels is None else self.groups[pixels],
            "set": verdict.entry.split or None,
        }


def counted(counts: Mapping[Any, int]) -> str:
    """Format the numbers of used, repaired and quarantined files.

    >>> counted({"used": 1, "repaired": 154, "quarantined": 3})
    '155 used (154 of them repaired), 3 quarantined'
    """
    among = f" ({counts['repaired']} of them repaired)" if counts["repaired"] else ""
    return f"{counts['used'] + counts['repaired']} used{among}, {counts['quarantined']} quarantined"


def examine(
    folder: str | Path | Source,
    progress: Progress | None = None,
    memory: BlobStore | None = None,
    onlooker: DecodeObserver | None = None,
    inspect: Inspect = inspect_all,
) -> Checkup:
    """Check every file below ``folder``.

    Args:
        folder: a folder with one folder for each class, which may be nested; a list; a zip; or an open ``Source``.
        progress: called with the number of files done and the total.
        memory: stores findings for later runs, keyed by the files' bytes; None stores nothing.
        onlooker: receives each photo that is decoded and has a class.
        inspect: inspects the files.

    Raises:
        OptionError: the folder, or one below it, cannot be read.
        PhotoError: it contains no photo.
    """
    if not isinstance(folder, Source):
        with open_source(folder) as source:
            return examine(source, progress, memory, onlooker, inspect)
    place = folder.place
    checkup = examine_entries(place, folder.entries, progress, memory, onlooker, inspect)
    if not checkup.verdicts:
        raise PhotoError(f"{place}: contains no photos; expected a folder with one folder of photos for each class")
    return replace(checkup, notes=(*folder.notes, *checkup.notes))


def examine_entries(
    folder: Path | str,
    entries: Sequence[Entry],
    progress: Progress | None = None,
    memory: BlobStore | None = None,
    onlooker: DecodeObserver | None = None,
    inspect: Inspect = inspect_all,
) -> Checkup:
    """Check some files of a folder as if there were no others; the diagnoses have the order of ``entries``."""
    findings = list(inspect(entries, progress, memory, onlooker))
    photos = [finding for finding in findings if finding.photo]
    verdicts = tuple(trainable(list(judge(photos))))
    groups = group_photos(photos)
    others = tuple(finding.entry.name for finding in findings if not finding.photo)
    checkup = Checkup(folder, verdicts, groups, (), others)
    return Checkup(folder, verdicts, groups, tuple(remarks(checkup)), others)


def judge(photos: list[Finding]) -> Iterable[Diagnosis]:
    """Yield a diagnosis for each finding.

    Of several photos with the same pixels, one is used if all are in one class; otherwise none is used.
    """
    same: dict[str, list[Entry]] = defaultdict(list)
    for finding in photos:
        if finding.fingerprint and finding.entry.label:
            same[finding.fingerprint.pixels_sha256].append(finding.entry)
    for finding in photos:
        faults = list(faults_of(finding, same))
        status: Status = "quarantined" if faults else "repaired" if finding.notes else "used"
        look = finding.fingerprint
        reasons = (*faults, *finding.notes)
        if look is None:
            yield Diagnosis(finding.entry, status, reasons, None, None, None)
        else:
            colours = tuple(edges(look).tolist())
            yield Diagnosis(
                finding.entry,
                status,
                reasons,
                look.pixels_sha256,
                look.fingerprint,
                look.size,
                colours,
                finding.remarks,
            )


def faults_of(finding: Finding, same: dict[str, list[Entry]]) -> Iterable[str]:
    """Yield the reasons why a file cannot be used."""
    entry = finding.entry
    if finding.error:
        yield finding.error
    elif finding.drawn:
        yield OURS
    if not entry.label:
        yield NO_CLASS
    elif finding.fingerprint:
        twins = same[finding.fingerprint.pixels_sha256]
        elsewhere = [twin for twin in twins if twin.label != entry.label]
        for label in dict.fromkeys(twin.label for twin in elsewhere):
            names = ", ".join(twin.name for twin in elsewhere if twin.label == label)
            yield f"also in class {label!r}: {names}; keep it in one class"
        kept = next((twin for twin in twins if twin.split == TEST), twins[0])
        if not elsewhere and kept is not entry:
            part = ", which is a test photo" if kept.split == TEST != entry.split else ""
            yield f"same pixels as {kept.name}{part}"


def trainable(verdicts: Sequence[Diagnosis]) -> Iterable[Diagnosis]:
    """Yield the diagnoses, but quarantine the photos of classes without a usable training photo."""
    training: dict[str, list[Diagnosis]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.entry.split != TEST:
            training[verdict.entry.label].append(verdict)
    tested = {verdict.pixels_sha256 for verdict in verdicts if verdict.usable and verdict.entry.split == TEST}
    reasons = {verdict.entry.label: why_untrained(training[verdict.entry.label], tested) for verdict in verdicts}
    for verdict in verdicts:
        reason = reasons[verdict.entry.label]
        lost = verdict.usable and reason
        yield replace(verdict, status="quarantined", reasons=(reason, *verdict.reasons)) if lost else verdict


def why_untrained(training: Sequence[Diagnosis], tested: Set[str | None]) -> str:
    """The reason why a class has no photo to train on; empty if it has one.

    ``training``: the diagnoses of the class's photos outside the test set.  ``tested``: the pixel hashes of the usable
    test photos.
    """
    if any(verdict.usable for verdict in training):
        return ""
    if not training:
        return ONLY_TEST
    copies = all(verdict.pixels_sha256 and verdict.pixels_sha256 in tested for verdict in training)
    return ALL_COPIES if copies else NONE_TO_LEARN


def group_photos(photos: list[Finding]) -> dict[str, int]:
    """Pixel hash -> group number; groups come from pixels, from lists, and within a class from ``_nohash_`` in file names."""
    fingerprints = {finding.fingerprint.pixels_sha256: finding.fingerprint for finding in photos if finding.fingerprint}
    hashes = sorted(fingerprints)
    index = {pixels: number for number, pixels in enumerate(hashes)}
    families: dict[tuple[str, str], list[int]] = defaultdict(list)
    for finding in photos:
        stem, marker, _ = finding.entry.file.partition(SAME_STEM)
        if finding.fingerprint and marker:
            families[finding.entry.label, stem].append(index[finding.fingerprint.pixels_sha256])
        if finding.fingerprint and finding.entry.group:
            families["", f"/{finding.entry.group}"].append(index[finding.fingerprint.pixels_sha256])
    numbers = group([fingerprints[pixels] for pixels in hashes], families.values())
    return dict(zip(hashes, numbers, strict=True))


def by_group(checkup: Checkup) -> dict[int, list[UsablePhoto]]:
    """The usable photos of each group."""
    groups: dict[int, list[UsablePhoto]] = defaultdict(list)
    for photo in checkup.usable:
        groups[photo.group].append(photo)
    return dict(groups)


def remarks(checkup: Checkup) -> Iterable[str]:
    """Yield notes on the folder as a whole."""
    if not checkup.classes:
        yield "no photo can be used"
    if len(checkup.classes) == 1:
        yield f"there is only one class, {checkup.classes[0]!r}; training needs two"
    lost = {verdict.entry.label for verdict in checkup.verdicts} - set(checkup.classes) - {""}
    if lost:
        names = first_of([repr(label) for label in sorted(lost, key=natural_key)])
        yield f"class{'es' * (len(lost) > 1)} {names} {'have' if len(lost) > 1 else 'has'} no usable photo"
    yield from same_names(checkup.classes)
    if checkup.leaks:
        tests = sum(verdict.entry.split == TEST for verdict in checkup.usable)
        names = first_of([verdict.entry.name for verdict in checkup.leaks])
        yield (
            f"{len(checkup.leaks)} of {tests} test photos are near-duplicates of training photos, or in a group with one: {names}; the split is kept, "
            "so the accuracy on them is too high"
        )
    straddling = [each for each in checkup.alike if len({verdict.entry.label for verdict in each}) > 1]
    for alike in straddling[:MOST_ALIKE]:
        what = "photos of one group" if of_one_group(alike) else "near-duplicates"
        yield f"{what} in several classes: {first_of([verdict.entry.name for verdict in alike])}"
    if len(straddling) > MOST_ALIKE:
        yield f"near-duplicates, or photos of one group, in several classes: {len(straddling) - MOST_ALIKE} more"
    if checkup.others:
        yield f"ignored, not photos: {first_of(checkup.others)}"


def of_one_group(alike: Iterable[UsablePhoto]) -> bool:
    """Whether a list assigns all these photos to one group."""
    groups = {verdict.entry.group for verdict in alike}
    return len(groups) == 1 and "" not in groups
