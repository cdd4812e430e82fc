"""A photo's file, and the name that people know it by."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class NamedPhoto(os.PathLike[str]):
    """The file at ``path``; as text it is ``shown``: ``photos.zip/cat/1.jpg`` for one that was unpacked."""

    path: str
    shown: str

    def __fspath__(self) -> str:
        return self.path

    def __str__(self) -> str:
        return self.shown

    @property
    def parts(self) -> tuple[str, ...]:
        """Of the name that is shown, as a path has them."""
        return PurePosixPath(self.shown).parts

    @property
    def name(self) -> str:
        """The last part."""
        return self.parts[-1]


PhotoPath = Path | NamedPhoto
