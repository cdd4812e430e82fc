"""From what a person types to the tensors it means.

Three stages, one function each: ``parse`` splits text into a name and a channel slice; ``spellings``
is the table of every name anybody knows a tensor by; ``resolve`` looks up names and expands patterns.
godeeper suggests near names, and never guesses one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from ..errors import AddressError, AmbiguousAddress, UnknownAddress, nearest, quoted
from .names import Names, NamingConvention
from .names import Stage as Stage  # addresses are what others know stages by
from .names.channels import Range, channels_of, format_channels, parse_ranges
from .names.conventions import ASKED_FOR, family_conventions, name_places, prefixes
from .names.inception_v3 import PHOTO_NAMES
from .names.pattern import compile_pattern, is_pattern
from .ops import Blueprint, Conv
from .sites import Field, Site, placed, sites

DEFAULT_NETWORK = "inception_v3"

Meaning = tuple[Site, Stage | None]
"""What a name stands for."""

LONGEST_NAME = 256  # characters; the longest name of a released graph has 86
LONGEST_SLICE = 12_000  # characters: room for 2048 channels in any order
MOST_ADDRESSES = 1000  # in one request: every tensor of a network, several times
MOST_PATTERNS = 64  # in one request


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
    """An address as typed, taken apart: a name or pattern, and the ranges of its channel slice."""

    text: str
    name: str
    ranges: tuple[Range, ...] | None

    @property
    def is_pattern(self) -> bool:
        return is_pattern(self.name)

    def tensor(self, site: Site, stage: Stage | None) -> Tensor:
        """That stage of ``site`` with the channels that are asked for; raises ``ChannelError``."""
        if self.ranges is None:
            return Tensor(site, stage)
        return Tensor(site, stage, channels_of(self.ranges, site.shape[0], self.text, site.address))


def parse(text: str) -> Reference:
    """Split ``mixed/tower_2/conv:0[3,7:12]`` into name and channels; ``:0`` may stand on either side."""
    head, bracket, rest = text.strip().partition("[")
    inside, closing, behind = rest.partition("]")
    name, output = split_output(head)
    check_length(text, name, inside)
    late = split_output(behind)
    if not is_name(name) or (bracket and not closing) or late[0] or (output and late[1]):
        raise AddressError(
            f"cannot read the address {quoted(text)}: expected a name like mixed/tower_2/conv:0 or mixed/tower_2/conv[3,7:12]"
        )
    if (output or late[1]) not in ("", ":0"):
        raise AddressError(
            f"{quoted(text)} asks for output {quoted(output or late[1])}: every tensor here is output :0 of its operation"
        )
    return Reference(text, name, parse_ranges(inside, text) if bracket else None)


def split_output(text: str) -> tuple[str, str]:
    """``mixed/conv:0`` -> (``mixed/conv``, ``:0``)."""
    name, colon, number = text.rpartition(":")
    return (name, f":{number}") if colon and number.isascii() and number.isdecimal() else (text, "")


def is_name(text: str) -> bool:
    """Whether ``text`` is words with single spaces between them, without brackets."""
    return bool(text) and "]" not in text and " ".join(text.split()) == text


def check_length(text: str, name: str, inside: str) -> None:
    """Raise where a name or a channel slice is longer than any that there is."""
    if len(name) > LONGEST_NAME:
        raise UnknownAddress(text, (), f"a name has at most {LONGEST_NAME} characters, this one {len(name)}")
    if len(inside) > LONGEST_SLICE:
        raise AddressError(
            f"the channel slice of {quoted(text)} has {len(inside)} characters: expected at most {LONGEST_SLICE}"
        )


def resolve(network: Blueprint, texts: str | Iterable[str]) -> tuple[Tensor, ...]:
    """The tensors that the addresses or patterns mean, in the order given, each once."""
    found: dict[tuple[int, Stage | None, tuple[int, ...] | None], Tensor] = {}
    for reference in parse_all(as_texts(texts)):
        for site, stage in match_pattern(network, reference) if reference.is_pattern else [look_up(network, reference)]:
            tensor = reference.tensor(site, stage)
            found.setdefault((site.index, stage, tensor.channels), tensor)
    return tuple(found.values())


def as_texts(texts: object) -> list[str]:
    """One address or several as a list; raises ``AddressError`` for what is no text."""
    alone = isinstance(texts, (str, bytes))
    found: list[object] = list(texts) if isinstance(texts, Iterable) and not alone else [texts]
    return [as_text(each) for each in found]


def as_text(address: object) -> str:
    """``address`` if it is text; raises ``AddressError``."""
    if not isinstance(address, str):
        raise AddressError(f"{quoted(address)} is no address: expected text, such as 'mixed/tower_2/conv'")
    return address


def parse_all(texts: Iterable[str]) -> list[Reference]:
    """The addresses of one request, each once; raises ``AddressError`` where they are too many."""
    references = [parse(text) for text in dict.fromkeys(texts)]
    patterns = sum(reference.is_pattern for reference in references)
    for what, count, most in (("addresses", len(references), MOST_ADDRESSES), ("patterns", patterns, MOST_PATTERNS)):
        if count > most:
            raise AddressError(f"got {count} {what}: expected at most {most} at a time")
    return references


def resolve_one(network: Blueprint, text: str) -> Tensor:
    """The one tensor that ``text`` means; a pattern that means several is an ``AmbiguousAddress``."""
    tensors = resolve(network, text)
    if len(tensors) > 1:
        few = ", ".join(tensor.address for tensor in tensors[:5])
        raise AmbiguousAddress(
            f"{quoted(text)} means {len(tensors)} tensors ({few}, …) where one is wanted: name one of them"
        )
    return tensors[0]


def look_up(network: Blueprint, reference: Reference) -> Meaning:
    """The site and stage of a plain name, perhaps with its convention before a colon."""
    convention, name = split_convention(network, reference.name)
    known = meanings(network, convention)
    meant = known.get(name) or known.get(name.removeprefix(network.scope), ())
    if not meant:
        raise unknown(network, reference, convention, name)
    if len(meant) > 1:
        few = " and ".join(Tensor(*pair).name for pair in meant)
        raise AmbiguousAddress(
            f"{quoted(reference.text)} means {few}, by different conventions: use one of these names"
        )
    return meant[0]


def split_convention(network: Blueprint, name: str) -> tuple[str | None, str]:
    """``keras2.2:activation_12`` -> (``keras2.2``, ``activation_12``); None where no convention is named."""
    prefix, colon, rest = name.partition(":")
    return (prefix, rest) if colon and prefix in prefixes(network.family) else (None, name)


def unknown(network: Blueprint, reference: Reference, convention: str | None, name: str) -> UnknownAddress:
    """The error for a name that means nothing, with the names nearest to it and what to do."""
    hint = f"list all with: {listing(network)}"
    if convention is None:
        others = [each.name for each in ASKED_FOR.get(network.family, ()) if name in meanings(network, each.name)]
        if others:
            hint = f"for the tensor that {others[0]} calls so, write {others[0]}:{name}; {hint}"
        elif ":" in name:
            hint = f"what stands before a colon is one of {', '.join(prefixes(network.family))}; {hint}"
        return UnknownAddress(reference.text, printed_names(network), hint)
    near = nearest(name, meanings(network, convention))
    return UnknownAddress(reference.text, [f"{convention}:{each}" for each in near], hint)


def listing(network: Blueprint) -> str:
    """The command that lists what there is to look at in ``network``."""
    return "godeeper tensors" + (f" --network {network.name}" if network.name != DEFAULT_NETWORK else "")


def match_pattern(network: Blueprint, reference: Reference) -> list[Meaning]:
    """Every tensor one of whose names fits: ``*`` stays within a scope, ``**`` crosses scopes.

    Pre-ReLU stages count only where no default tensor fits: ``mixed_4/**`` is the module's sites,
    ``mixed_4/**/Conv2D`` its raw convolutions.
    """
    convention, name = split_convention(network, reference.name)
    pattern = compile_pattern(name.removeprefix(network.scope))
    found = [pair for pair, names in pattern_names(network, convention) if any(map(pattern.fits, names))]
    if not found:
        raise UnknownAddress(reference.text, (), f"no name fits this pattern; list them with: {listing(network)}")
    return [pair for pair in found if pair[1] in (None, "relu")] or found


@lru_cache(maxsize=16)
def pattern_names(network: Blueprint, convention: str | None = None) -> tuple[tuple[Meaning, tuple[str, ...]], ...]:
    """Each site at each stage, and the names that patterns are matched with: those we print, or one convention's."""
    if convention is None:
        pairs = [(site, stage) for site in sites(network) for stage in stages(site)]
        return tuple((pair, tuple(known_names(*pair))) for pair in pairs)
    names: dict[tuple[int, Stage | None], tuple[Meaning, list[str]]] = {}
    for name, meant in meanings(network, convention).items():
        for site, stage in meant:
            names.setdefault((site.index, stage), ((site, stage), []))[1].append(name)
    return tuple((pair, tuple(spelled)) for pair, spelled in names.values())


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


def spellings(network: Blueprint) -> dict[str, Meaning]:
    """Every name that means one tensor, in all conventions and at all stages."""
    return {name: meant[0] for name, meant in meanings(network).items() if len(meant) == 1}


@lru_cache(maxsize=16)
def meanings(network: Blueprint, convention: str | None = None) -> dict[str, tuple[Meaning, ...]]:
    """Every name there is, or every one in one convention, and what it means.

    It means two tensors where conventions contradict each other: torchvision counts GoogLeNet's pools
    from 1, inception5h from 0, and so ``maxpool1`` is the first and the second.
    """
    conventions = family_conventions(network.family) if convention is None else (prefixes(network.family)[convention],)
    table: dict[str, dict[tuple[int, Stage | None], Meaning]] = {}  # an index hashes sooner than a site
    every = sites(network)
    for site, columns in zip(every, name_places(conventions, placed(every)), strict=True):
        for stage in stages(site):
            names = [PHOTO_NAMES[site.kind]] if convention is None and site.kind in PHOTO_NAMES else []
            for each, spelled in zip(conventions, columns, strict=True):
                names += convention_spellings(each, stage, spelled)
            for name in names:
                table.setdefault(name, {})[site.index, stage] = site, stage
    known = {name: tuple(meant.values()) for name, meant in table.items()}
    return known | {alias: known[ours] for alias, ours in network.aliases if ours in known}


def convention_spellings(convention: NamingConvention, stage: Stage | None, spelled: Iterable[str]) -> list[str]:
    """``spelled`` at one stage, with and without the scopes before it."""
    names = [name for each in spelled for name in (convention.staged(each, stage) if stage else (each,))]
    return [scope + name for scope in ("", *convention.scopes) for name in names]


@lru_cache(maxsize=8)
def printed_names(network: Blueprint) -> tuple[str, ...]:
    """The names we print, the default stages first: what is offered when a name is unknown."""
    pairs = [(site, stage) for site in sites(network) for stage in stages(site)]
    pairs.sort(key=lambda pair: pair[1] not in (None, "relu"))
    return tuple(dict.fromkeys(name for pair in pairs for name in known_names(*pair)))
