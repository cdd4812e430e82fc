"""All errors that godeeper raises on purpose.

::

    GodeeperError
    ├── UnknownName         a name that does not exist, such as of weights, a scale or a colour
    ├── AddressError        a tensor's address that cannot be used
    │   ├── UnknownAddress      no such tensor; the nearest names are listed
    │   ├── AmbiguousAddress    several tensors where one is expected
    │   └── ChannelError        a channel the tensor does not have
    ├── PhotoError          a photo that cannot be decoded, or is refused
    ├── WeightsError        a weights file that is damaged, foreign or incomplete
    │   └── DownloadError       weights that cannot be downloaded, or differ from the published ones
    ├── ClassifierError     a classifier's file that is damaged, or needs other weights than those installed
    ├── IndexFileError      a filter index that is damaged, or made with other weights
    ├── ParityError         an export whose results differ from the classifier's
    ├── ClusterError        a Ray cluster that cannot be reached, stops, or has other versions
    ├── FeedError           values fed to a run that do not fit, or are not enough
    ├── OptionError         an option whose value is not allowed
    ├── MissingExtra        an optional package that is needed and not installed; also an ImportError
    └── OutputError         a file that cannot be written

Each message is one line that states what was wrong, what was received, what was expected, and what to do.  The command
line prints it and exits with 2; the web server sends it with a 4xx status.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

LONGEST_QUOTE = 80  # characters of an input that a message quotes


class GodeeperError(Exception):
    """Base class of all errors that input causes, as opposed to bugs in godeeper.

    >>> import godeeper
    >>> try:
    ...     godeeper.load("inception_v33")
    ... except godeeper.GodeeperError as error:
    ...     print(error)
    unknown architecture 'inception_v33': expected one of googlenet, inception_v3, inception_v4; did you mean inception_v3?
    """


class UnknownName(GodeeperError):
    """A name that does not exist (of weights, a scale, a colour, a dialect)."""

    def __init__(self, what: str, got: str, known: Iterable[str]) -> None:
        names = list(known)
        super().__init__(f"unknown {what} {quoted(got)}: expected one of {', '.join(names)}{meant(got, names)}")


class AddressError(GodeeperError):
    """A tensor's address that cannot be used."""


class UnknownAddress(AddressError):
    """No tensor has this address."""

    def __init__(self, got: str, known: Iterable[str], hint: str = "list all with: godeeper tensors") -> None:
        self.nearest = nearest(got, known)
        offer = f"; nearest: {', '.join(self.nearest)}" if self.nearest else ""
        super().__init__(f"no tensor is called {quoted(got)}{offer}; {hint}")


class AmbiguousAddress(AddressError):
    """A pattern that matches several tensors where one is expected, or a name of different tensors in two conventions."""


class ChannelError(AddressError):
    """A channel slice that does not fit the tensor."""


class PhotoError(GodeeperError):
    """A photo that cannot be decoded, or is refused."""


class WeightsError(GodeeperError):
    """A weights file that is damaged, of another architecture, or incomplete."""


class DownloadError(WeightsError):
    """Weights that cannot be downloaded from their official address, or differ from the published ones."""


class ClassifierError(GodeeperError):
    """A classifier's file that is damaged, of another version, or made with other weights than those installed."""


class IndexFileError(GodeeperError):
    """A filter index that is damaged, of another version, or made with other weights."""


class ParityError(GodeeperError):
    """An export whose results differ from the classifier's; it is not written."""


class ClusterError(GodeeperError):
    """A Ray cluster that cannot be reached, stops during the work, or has another version of godeeper."""


class FeedError(GodeeperError):
    """Values fed to a run that do not fit, or are not enough for the fetched tensors."""


class OptionError(GodeeperError):
    """An option whose value is not allowed."""


class MissingExtra(GodeeperError, ImportError):
    """An optional package that is needed and not installed."""

    def __init__(self, package: str) -> None:
        super().__init__(f"{package} is not installed: {install_line(package)}")


def install_line(extra: str) -> str:
    """The instructions to install an extra, from the clone or from a package index."""
    return (
        f"run pip install -e '.[{extra}]' in the clone of godeeper that you installed from "
        f"(or pip install 'godeeper[{extra}]' if it came from a package index)"
    )


class OutputError(GodeeperError):
    """A file or folder that cannot be written."""


def quoted(text: object) -> str:
    """A value or path in quotes, for a message; control characters are escaped, and long text is truncated."""
    text = os.fspath(text) if isinstance(text, os.PathLike) else text
    whole = str(text)
    if len(whole) <= LONGEST_QUOTE:
        return repr(text)
    return f"{whole[:LONGEST_QUOTE]!r}… ({len(whole)} characters)"


def meant(got: str, known: Iterable[str], likeness: float = 0.7) -> str:
    """``; did you mean X?``, or an empty string if no name is similar enough to ``got``.

    >>> meant("Sharde", ["shared", "filter"])
    '; did you mean shared?'
    """
    import difflib

    names = {name.casefold(): name for name in known}
    matches = difflib.get_close_matches(got[:LONGEST_QUOTE].casefold(), names, 1, likeness)  # quadratic time
    return f"; did you mean {names[matches[0]]}?" if matches else ""


def nearest(got: str, known: Iterable[str], most: int = 5) -> list[str]:
    """At most ``most`` of the ``known`` names that extend or resemble ``got``, nearest first."""
    import difflib

    names = {name.casefold(): name for name in reversed(list(known))}
    wanted = got.partition("[")[0].removesuffix(":0").casefold()[:LONGEST_QUOTE]  # quadratic time
    longer = [name for name in (f"{wanted}/join", f"{wanted}/conv") if name in names]
    similar = difflib.get_close_matches(wanted, names, most, 0.6) or difflib.get_close_matches(wanted, names, 3, 0.2)
    return [names[name] for name in dict.fromkeys([*longer, *similar])][:most]
