"""From what a person types to the tensors it means.

Three stages, one function each: ``parse`` splits text into a name and a channel slice; ``spellings``
is the table of every name anybody knows a tensor by; ``resolve`` looks up names and expands patterns.
godeeper suggests near names, and never guesses one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ..errors import AddressError, AmbiguousAddress, ChannelError, UnknownAddress
from .conventions import family_conventions, name_places
from .names import Convention, Names
from .names import Stage as Stage  # addresses are what others know stages by
from .names_inception_v3 import PHOTO_NAMES
from .ops import Conv, Network
from .sites import Field, Site, placed, sites

DEFAULT_NETWORK = "inception_v3"


@dataclass(frozen=True)
class Tensor:
    """What a site puts out: at a stage, if it is a convolution, and perhaps only some channels of it.

    ``stage`` is None for sites that have no stages.  ``channels`` None means all.
    """

    site: Site
    stage: Stage | None = None
    channels: tuple[int, ...] | None = None

    @property
    def names(self) -> Names:
        """The name in each convention, at this stage."""
        return stage_names(self.site, self.stage)

    @property
    def name(self) -> str:
        """The address without its channels."""
        return self.names.first or self.site.address

    @property
    def address(self) -> str:
        """The first name, with the channels if they are not all: ``mixed/tower_2/conv[3,7:12]``."""
        return self.name if self.channels is None else f"{self.name}[{format_channels(self.channels)}]"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        if self.channels is None:
            return self.site.shape
        return len(self.channels), *self.site.shape[1:]

    @property
    def filters(self) -> tuple[int, ...]:
        """The number of each channel within the whole tensor."""
        return self.channels if self.channels is not None else tuple(range(self.site.shape[0]))

    @property
    def field(self) -> Field:
        return self.site.field


@dataclass(frozen=True)
class Reference:
    """An address as typed, taken apart: a name or pattern, and the text of its channel slice."""

    text: str
    name: str
    slice: str | None

    @property
    def is_pattern(self) -> bool:
        return any(character in self.name for character in "*?")


def parse(text: str) -> Reference:
    """Split ``mixed/tower_2/conv:0[3,7:12]`` into name and channels; ``:0`` may stand on either side."""
    word, output = r"[^\[\]\s]+?", r":\d+"
    match = re.fullmatch(
        rf"\s*(?P<name>{word}(?: {word})*)(?P<out>{output})?(?:\[(?P<slice>[^\[\]]*)\])?(?P<late>{output})?\s*", text
    )
    if not match:
        raise AddressError(
            f"cannot read the address {text!r}: expected a name like mixed/tower_2/conv:0 or mixed/tower_2/conv[3,7:12]"
        )
    output = match["out"] or match["late"] or ":0"
    if output != ":0":
        raise AddressError(f"{text!r} asks for output {output}: every tensor here is output :0 of its operation")
    return Reference(text, match["name"], match["slice"])


def resolve(network: Network, texts: str | Iterable[str]) -> tuple[Tensor, ...]:
    """The tensors that the addresses or patterns mean, in the order given, each once."""
    found: dict[Tensor, None] = {}
    for text in [texts] if isinstance(texts, str) else texts:
        reference = parse(text)
        for site, stage in match_pattern(network, reference) if reference.is_pattern else [look_up(network, reference)]:
            found[Tensor(site, stage, parse_channels(reference, site))] = None
    return tuple(found)


def resolve_one(network: Network, text: str) -> Tensor:
    """The one tensor that ``text`` means; a pattern that means several is an ``AmbiguousAddress``."""
    tensors = resolve(network, text)
    if len(tensors) > 1:
        few = ", ".join(tensor.address for tensor in tensors[:5])
        raise AmbiguousAddress(
            f"{text!r} means {len(tensors)} tensors ({few}, …) where one is wanted: name one of them"
        )
    return tensors[0]


def look_up(network: Network, reference: Reference) -> tuple[Site, Stage | None]:
    """The site and stage of a plain name."""
    meant = meanings(network).get(reference.name, ())
    if not meant:
        raise UnknownAddress(reference.text, printed_names(network), f"list all with: {listing(network)}")
    if len(meant) > 1:
        few = " and ".join(Tensor(*pair).name for pair in meant)
        raise AmbiguousAddress(f"{reference.text!r} means {few}, by different conventions: use one of these names")
    return meant[0]


def listing(network: Network) -> str:
    """The command that lists what there is to look at in ``network``."""
    return "godeeper tensors" + (f" --network {network.name}" if network.name != DEFAULT_NETWORK else "")


def match_pattern(network: Network, reference: Reference) -> list[tuple[Site, Stage | None]]:
    """Every tensor one of whose names fits: ``*`` stays within a scope, ``**`` crosses scopes.

    Pre-ReLU stages count only where no default tensor fits: ``mixed_4/**`` is the module's sites,
    ``mixed_4/**/Conv2D`` its raw convolutions.
    """
    fits = re.compile(pattern_expression(reference.name)).fullmatch
    found = [
        (site, stage)
        for site in sites(network)
        for stage in stages(site)
        if any(fits(name) for name in known_names(site, stage))
    ]
    if not found:
        raise UnknownAddress(reference.text, (), f"no name fits this pattern; list them with: {listing(network)}")
    return [pair for pair in found if pair[1] in (None, "relu")] or found


def pattern_expression(pattern: str) -> str:
    """A pattern as a regular expression."""
    crossing = {"**": ".*", "*": r"[^/.]*", "?": r"[^/.]"}
    parts = re.split(r"(\*\*|\*|\?)", pattern)
    return "".join(crossing.get(part) or re.escape(part) for part in parts)


def parse_channels(reference: Reference, site: Site) -> tuple[int, ...] | None:
    """``3,7:12`` as channel numbers, ends excluded as in Python; None for no slice."""
    if reference.slice is None:
        return None
    count = site.shape[0]
    chosen: list[int] = []
    for part in reference.slice.split(","):
        match = re.fullmatch(r"\s*(\d*)(?:(:)(\d*))?\s*", part)
        if not match or not (match[1] or match[2]):
            raise ChannelError(
                f"cannot read the channels [{reference.slice}] of {reference.text!r}: expected numbers and ranges like [3,7:12]"
            )
        first = int(match[1] or 0)
        end = int(match[3] or count) if match[2] else first + 1
        if not first < end <= count:
            raise ChannelError(
                f"{reference.text!r}: channel {part.strip()} is out of range: {site.address} has channels 0 to {count - 1}"
            )
        chosen.extend(range(first, end))
    if len(set(chosen)) < len(chosen):
        raise ChannelError(f"{reference.text!r} names a channel twice")
    return tuple(chosen)


def format_channels(channels: Sequence[int]) -> str:
    """Channel numbers as a slice, runs written as ranges: the inverse of ``parse_channels``."""
    parts: list[str] = []
    start = 0
    for end in range(1, len(channels) + 1):
        if end == len(channels) or channels[end] != channels[end - 1] + 1:
            run = channels[start:end]
            parts.append(str(run[0]) if len(run) == 1 else f"{run[0]}:{run[-1] + 1}")
            start = end
    return ",".join(parts)


def stages(site: Site) -> tuple[Stage | None, ...]:
    """The stages a site can be looked at, the default first."""
    if not isinstance(site.op, Conv):
        return (None,)
    return "relu", "batchnorm" if site.op.normalise else "bias", "conv"


def stage_names(site: Site, stage: Stage | None) -> Names:
    """The site's names at ``stage``."""
    if stage is None:
        return site.names
    pairs = zip(family_conventions(site.family), site.names.as_dict().values(), strict=True)
    return Names(tuple((c.name, next(iter(c.staged(name, stage)), None) if name else None) for c, name in pairs))


def known_names(site: Site, stage: Stage | None) -> list[str]:
    """The names we print for a tensor, its address first."""
    tensor = Tensor(site, stage)
    return list(dict.fromkeys([tensor.name, *filter(None, tensor.names.as_dict().values())]))


def spellings(network: Network) -> dict[str, tuple[Site, Stage | None]]:
    """Every name that means one tensor, in all conventions and at all stages."""
    return {name: meant[0] for name, meant in meanings(network).items() if len(meant) == 1}


@lru_cache(maxsize=8)
def meanings(network: Network) -> dict[str, tuple[tuple[Site, Stage | None], ...]]:
    """Every name there is, and what it means.

    It means two tensors where conventions contradict each other: torchvision counts GoogLeNet's pools
    from 1, inception5h from 0, and so ``maxpool1`` is the first and the second.
    """
    table: dict[
        str, dict[tuple[int, Stage | None], tuple[Site, Stage | None]]
    ] = {}  # an index hashes sooner than a site
    every = sites(network)
    for site, columns in zip(every, name_places(network.family, placed(every)), strict=True):
        for stage in stages(site):
            for name in site_spellings(site, stage, columns):
                table.setdefault(name, {})[site.index, stage] = site, stage
    return {name: tuple(meant.values()) for name, meant in table.items()}


def site_spellings(site: Site, stage: Stage | None, columns: Sequence[tuple[str, ...]]) -> list[str]:
    """The names of one site at one stage, out of its spellings in each convention."""
    names = [PHOTO_NAMES[site.kind]] if site.kind in PHOTO_NAMES else []
    for convention, spelled in zip(family_conventions(site.family), columns, strict=True):
        names += convention_spellings(convention, stage, spelled)
    return names


def convention_spellings(convention: Convention, stage: Stage | None, spelled: Iterable[str]) -> list[str]:
    """``spelled`` at one stage, with and without the scopes before it."""
    names = [name for each in spelled for name in (convention.staged(each, stage) if stage else (each,))]
    return [scope + name for scope in ("", *convention.scopes) for name in names]


@lru_cache(maxsize=8)
def printed_names(network: Network) -> tuple[str, ...]:
    """The names we print, the default stages first: what is offered when a name is unknown."""
    pairs = [(site, stage) for site in sites(network) for stage in stages(site)]
    pairs.sort(key=lambda pair: pair[1] not in (None, "relu"))
    return tuple(dict.fromkeys(name for pair in pairs for name in known_names(*pair)))
