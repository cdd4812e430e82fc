"""``NamedPhoto``: the path of a photo with a different name to show in messages."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class NamedPhoto(os.PathLike[str]):
    """A path that is printed as ``shown``, such as ``photos.zip/cat/1.jpg`` for a photo unpacked to a temporary file."""

    path: str
    shown: str

    def __fspath__(self) -> str:
        return self.path

    def __str__(self) -> str:
        return self.shown

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the shown name, like ``Path.parts``."""
        return PurePosixPath(self.shown).parts

    @property
    def name(self) -> str:
        """The last part of the shown name."""
        return self.parts[-1]


PhotoPath = Path | NamedPhoto
