"""From what a person types to the tensors it means.

Three stages, one function each: ``parse`` splits text into a name and a channel slice; ``spellings``
is the table of every name anybody knows a tensor by; ``resolve`` looks up names and expands patterns.
godeeper suggests near names, and never guesses one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ..errors import AddressError, AmbiguousAddress, ChannelError, UnknownAddress
from .names import Names, numbered
from .ops import Network
from .sites import Field, Site, sites

Stage = Literal["conv", "batchnorm", "relu"]

SLIM_SCOPES = ("InceptionV3/InceptionV3/", "InceptionV3/")

ENDINGS: dict[str, dict[Stage, tuple[str, ...]]] = {
    "tf2015": {
        "conv": ("/Conv2D",),
        "batchnorm": ("/batchnorm", "/CheckNumerics", "/control_dependency"),
        "relu": ("",),
    },
    "slim": {
        "conv": ("/Conv2D", "/convolution"),
        "batchnorm": ("/BatchNorm", "/BatchNorm/FusedBatchNorm", "/BatchNorm/FusedBatchNormV3", "/BatchNorm/batchnorm/add_1"),
        "relu": ("", "/Relu"),
    },
    "torchvision": {"conv": (".conv",), "batchnorm": (".bn",), "relu": ("", ".relu")},
}  # fmt: skip
"""What each convention appends to a convolution's name for its three stages; the first is the one we print."""

KERAS_LAYERS: dict[Stage, str] = {"conv": "conv2d", "batchnorm": "batch_normalization", "relu": "activation"}


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
        return self.names.tf2015 or self.site.address

    @property
    def address(self) -> str:
        """The 2015 name, with the channels if they are not all: ``mixed/tower_2/conv[3,7:12]``."""
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
    match = re.fullmatch(r"\s*(?P<name>[^\[\]\s]+?)(?P<out>:\d+)?(?:\[(?P<slice>[^\[\]]*)\])?(?P<late>:\d+)?\s*", text)
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
    table = spellings(network)
    try:
        return table[reference.name]
    except KeyError:
        raise UnknownAddress(reference.text, printed_names(network)) from None


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
        if any(name and fits(name) for name in stage_names(site, stage).as_dict().values())
    ]
    if not found:
        raise UnknownAddress(reference.text, (), "no name fits this pattern; list them with: godeeper tensors")
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
    return ("relu", "batchnorm", "conv") if site.kind == "conv" else (None,)


def stage_names(site: Site, stage: Stage | None) -> Names:
    """The site's four names at ``stage``."""
    if stage is None or stage == "relu":
        return site.names
    endings = {convention: table[stage][0] for convention, table in ENDINGS.items()}
    named = {c: f"{name}{endings[c]}" for c, name in site.names.as_dict().items() if name and c in endings}
    return Names(**named, keras=keras_layer(site, stage))


def keras_layer(site: Site, stage: Stage) -> str:
    """``activation_12`` -> ``conv2d_12``."""
    return f"{KERAS_LAYERS[stage]}_{(site.names.keras or '').rpartition('_')[2]}"


@lru_cache(maxsize=8)
def spellings(network: Network) -> dict[str, tuple[Site, Stage | None]]:
    """Every name a tensor can be called by, in all conventions and at all stages."""
    table: dict[str, tuple[Site, Stage | None]] = {}
    every = sites(network)
    known = [(name, site, stage) for site in every for stage in stages(site) for name in site_spellings(site, stage)]
    for name, site, stage in [*known, *join_spellings(every)]:
        if table.setdefault(name, (site, stage)) != (site, stage):
            raise AssertionError(f"{name} would mean both {table[name][0].address} and {site.address}")
    return table


def site_spellings(site: Site, stage: Stage | None) -> list[str]:
    """The names of one site at one stage: the printed ones first, then those we also understand."""
    names = [name for name in stage_names(site, stage).as_dict().values() if name]
    known = {convention: name for convention, name in site.names.as_dict().items() if name}
    slim = [known["slim"]] if "slim" in known and not stage else []
    if stage:
        names += [name + ending for c, name in known.items() if c in ENDINGS for ending in ENDINGS[c][stage]]
        slim = [known["slim"] + ending for ending in ENDINGS["slim"][stage]]
    names += [scope + name for scope in SLIM_SCOPES for name in slim]
    return list(dict.fromkeys(names))


def join_spellings(every: Sequence[Site]) -> Iterator[tuple[str, Site, None]]:
    """A module's output by slim's end point and by torchvision's fx node: ``Mixed_5b``, ``Mixed_7b.cat_2``."""
    inner: Counter[int | None] = Counter()
    for site in every:
        if site.kind == "concat" and site.place.branch is not None:
            inner[site.place.module] += 1
        elif site.kind == "concat":
            module = str(site.names.torchvision)
            yield f"{module}.{numbered('cat', inner[site.place.module])}", site, None
            for scope in ("", *SLIM_SCOPES):
                yield scope + module, site, None


@lru_cache(maxsize=8)
def printed_names(network: Network) -> tuple[str, ...]:
    """The names we print, the default stages first: what is offered when a name is unknown."""
    pairs = [(site, stage) for site in sites(network) for stage in stages(site)]
    pairs.sort(key=lambda pair: pair[1] not in (None, "relu"))
    return tuple(dict.fromkeys(n for pair in pairs for n in stage_names(*pair).as_dict().values() if n))
