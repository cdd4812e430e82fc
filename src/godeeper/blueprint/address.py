"""Addresses: parses the names and patterns that users write, and resolves them to tensors.

``parse`` splits text into a name and a channel slice, ``meanings`` returns the table of all names of all tensors,
and ``resolve`` looks up names and expands patterns.  An unknown name raises an error that suggests similar names;
godeeper never guesses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from ..errors import AddressError, AmbiguousAddress, UnknownAddress, nearest, quoted
from .names import Names, NamingConvention
from .names import Stage as Stage  # re-exported: callers import stages from here
from .names.channels import Range, channels_of, format_channels, parse_ranges
from .names.conventions import ASKED_FOR, family_conventions, name_places, prefixes
from .names.inception_v3 import PHOTO_NAMES
from .names.pattern import compile_pattern, is_pattern
from .ops import Blueprint, Conv
from .receptive_field import Field
from .sites import Site, placed, sites

DEFAULT_NETWORK = "inception_v3"

Meaning = tuple[Site, Stage | None]
"""The site and stage that a name refers to."""

LONGEST_NAME = 256  # characters; the longest name of a released graph has 86
LONGEST_SLICE = 12_000  # characters; enough for 2048 channels in any order
MOST_ADDRESSES = 1000  # per request; a network has a few hundred tensors
MOST_PATTERNS = 64  # per request


@dataclass(frozen=True)
class Tensor:
    """The output of a site, or some of its channels.

    ``stage``: the stage of a convolution, None for other sites.  ``channels``: None means all.
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
        """The address without channels."""
        return self.names.first or self.site.address

    @property
    def address(self) -> str:
        """The printed name, with the channels if only some are selected: ``mixed/tower_2/conv[3,7:12]``."""
        return self.name if self.channels is None else f"{self.name}[{format_channels(self.channels)}]"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        if self.channels is None:
            return self.site.shape
        return len(self.channels), *self.site.shape[1:]

    @property
    def filters(self) -> tuple[int, ...]:
        """The index of each channel within the whole tensor."""
        return self.channels if self.channels is not None else tuple(range(self.site.shape[0]))

    @property
    def field(self) -> Field:
        return self.site.field


@dataclass(frozen=True)
class Reference:
    """A parsed address: a name or pattern, and the ranges of its channel slice."""

    text: str
    name: str
    ranges: tuple[Range, ...] | None

    @property
    def is_pattern(self) -> bool:
        return is_pattern(self.name)

    def tensor(self, site: Site, stage: Stage | None) -> Tensor:
        """The tensor of ``site`` at ``stage`` with the channels of this address; raises ``ChannelError``."""
        if self.ranges is None:
            return Tensor(site, stage)
        return Tensor(site, stage, channels_of(self.ranges, site.shape[0], self.text, site.address))


def parse(text: str) -> Reference:
    """Split ``mixed/tower_2/conv:0[3,7:12]`` into name and channels; raises ``AddressError``.

    ``:0`` may be on either side of the slice.
    """
    head, bracket, rest = text.strip().partition("[")
    inside, closing, tail = rest.partition("]")
    name, output = split_output(head)
    check_length(text, name, inside)
    rest_name, rest_output = split_output(tail)
    if not is_name(name) or (bracket and not closing) or rest_name or (output and rest_output):
        raise AddressError(
            f"cannot read the address {quoted(text)}: expected a name like mixed/tower_2/conv:0 or mixed/tower_2/conv[3,7:12]"
        )
    if (output or rest_output) not in ("", ":0"):
        raise AddressError(
            f"{quoted(text)} names output {quoted(output or rest_output)}: every tensor here is output :0 of its operation"
        )
    return Reference(text, name, parse_ranges(inside, text) if bracket else None)


def split_output(text: str) -> tuple[str, str]:
    """Split off an output number: ``mixed/conv:0`` -> (``mixed/conv``, ``:0``)."""
    name, colon, number = text.rpartition(":")
    return (name, f":{number}") if colon and number.isascii() and number.isdecimal() else (text, "")


def is_name(text: str) -> bool:
    """Whether ``text`` consists of words separated by single spaces, without a closing bracket."""
    return bool(text) and "]" not in text and " ".join(text.split()) == text


def check_length(text: str, name: str, inside: str) -> None:
    """Raise ``AddressError`` if a name or a channel slice is too long."""
    if len(name) > LONGEST_NAME:
        raise UnknownAddress(text, (), f"a name has at most {LONGEST_NAME} characters, this one has {len(name)}")
    if len(inside) > LONGEST_SLICE:
        raise AddressError(
            f"the channel slice of {quoted(text)} has {len(inside)} characters: expected at most {LONGEST_SLICE}"
        )


def resolve(blueprint: Blueprint, texts: str | Iterable[str]) -> tuple[Tensor, ...]:
    """The tensors that the addresses and patterns refer to, in the order given, without duplicates."""
    tensors: dict[tuple[int, Stage | None, tuple[int, ...] | None], Tensor] = {}
    for reference in parse_all(as_texts(texts)):
        for site, stage in (
            match_pattern(blueprint, reference) if reference.is_pattern else [look_up(blueprint, reference)]
        ):
            tensor = reference.tensor(site, stage)
            tensors.setdefault((site.index, stage, tensor.channels), tensor)
    return tuple(tensors.values())


def as_texts(texts: object) -> list[str]:
    """A list of one or more addresses; raises ``AddressError`` for anything but text."""
    is_one = isinstance(texts, (str, bytes))
    addresses: list[object] = list(texts) if isinstance(texts, Iterable) and not is_one else [texts]
    return [as_text(each) for each in addresses]


def as_text(address: object) -> str:
    """``address`` unchanged; raises ``AddressError`` if it is not text."""
    if not isinstance(address, str):
        raise AddressError(f"{quoted(address)} is not an address: expected text, such as 'mixed/tower_2/conv'")
    return address


def parse_all(texts: Iterable[str]) -> list[Reference]:
    """The parsed addresses of one request, without duplicates; raises ``AddressError`` if there are too many."""
    references = [parse(text) for text in dict.fromkeys(texts)]
    patterns = sum(reference.is_pattern for reference in references)
    for what, count, most in (("addresses", len(references), MOST_ADDRESSES), ("patterns", patterns, MOST_PATTERNS)):
        if count > most:
            raise AddressError(f"got {count} {what}: expected at most {most} at a time")
    return references


def resolve_one(blueprint: Blueprint, text: str) -> Tensor:
    """The tensor that an address refers to; raises ``AmbiguousAddress`` if there are several."""
    tensors = resolve(blueprint, text)
    if len(tensors) > 1:
        few = ", ".join(tensor.address for tensor in tensors[:5])
        raise AmbiguousAddress(
            f"{quoted(text)} means {len(tensors)} tensors ({few}, …), but one is expected: name one of them"
        )
    return tensors[0]


def look_up(blueprint: Blueprint, reference: Reference) -> Meaning:
    """The site and stage of a name that is not a pattern; it may be prefixed with a convention and a colon."""
    convention, name = split_convention(blueprint, reference.name)
    known = meanings(blueprint, convention)
    meant = known.get(name) or known.get(name.removeprefix(blueprint.scope), ())
    if not meant:
        raise unknown(blueprint, reference, convention, name)
    if len(meant) > 1:
        few = " and ".join(Tensor(*pair).name for pair in meant)
        raise AmbiguousAddress(f"{quoted(reference.text)} means {few} in different conventions: use one of these names")
    return meant[0]


def split_convention(blueprint: Blueprint, name: str) -> tuple[str | None, str]:
    """Split off a convention: ``keras2.2:activation_12`` -> (``keras2.2``, ``activation_12``); None if there is none."""
    prefix, colon, rest = name.partition(":")
    return (prefix, rest) if colon and prefix in prefixes(blueprint.family) else (None, name)


def unknown(blueprint: Blueprint, reference: Reference, convention: str | None, name: str) -> UnknownAddress:
    """The error for an unknown name; it lists similar names and gives advice."""
    hint = f"list all with: {listing(blueprint)}"
    if convention is None:
        others = [each.name for each in ASKED_FOR.get(blueprint.family, ()) if name in meanings(blueprint, each.name)]
        if others:
            hint = f"for the tensor with this name in {others[0]}, write {others[0]}:{name}; {hint}"
        elif ":" in name:
            hint = f"the prefix before a colon is one of {', '.join(prefixes(blueprint.family))}; {hint}"
        return UnknownAddress(reference.text, printed_names(blueprint), hint)
    near = nearest(name, meanings(blueprint, convention))
    return UnknownAddress(reference.text, [f"{convention}:{each}" for each in near], hint)


def listing(blueprint: Blueprint) -> str:
    """The command line that lists the tensors of ``blueprint``."""
    return "godeeper tensors" + (f" --network {blueprint.name}" if blueprint.name != DEFAULT_NETWORK else "")


def match_pattern(blueprint: Blueprint, reference: Reference) -> list[Meaning]:
    """The tensors with a name that matches the pattern: ``*`` stays within a scope, ``**`` crosses scopes.

    Stages before the ReLU are included only if no other tensor matches: ``mixed_4/**`` matches the outputs of the
    module's sites, and ``mixed_4/**/Conv2D`` its raw convolutions.
    """
    convention, name = split_convention(blueprint, reference.name)
    pattern = compile_pattern(name.removeprefix(blueprint.scope))
    matches = [pair for pair, names in pattern_names(blueprint, convention) if any(map(pattern.fits, names))]
    if not matches:
        raise UnknownAddress(reference.text, (), f"no name matches this pattern; list them with: {listing(blueprint)}")
    return [pair for pair in matches if pair[1] in (None, "relu")] or matches


@lru_cache(maxsize=16)
def pattern_names(blueprint: Blueprint, convention: str | None = None) -> tuple[tuple[Meaning, tuple[str, ...]], ...]:
    """All tensors with the names that patterns are matched against.

    These are the names that godeeper prints or, if ``convention`` is given, all names in that convention.
    """
    if convention is None:
        pairs = [(site, stage) for site in sites(blueprint) for stage in stages(site)]
        return tuple((pair, tuple(known_names(*pair))) for pair in pairs)
    names: dict[tuple[int, Stage | None], tuple[Meaning, list[str]]] = {}
    for name, meant in meanings(blueprint, convention).items():
        for site, stage in meant:
            names.setdefault((site.index, stage), ((site, stage), []))[1].append(name)
    return tuple((pair, tuple(spelled)) for pair, spelled in names.values())


def stages(site: Site) -> tuple[Stage | None, ...]:
    """The stages of a site, the default first."""
    if not isinstance(site.op, Conv):
        return (None,)
    return "relu", "batchnorm" if site.op.normalise else "bias", "conv"


def stage_names(site: Site, stage: Stage | None) -> Names:
    """The name of ``site`` at ``stage`` in each convention."""
    if stage is None:
        return site.names
    pairs = zip(family_conventions(site.family), site.names.as_dict().values(), strict=True)
    return Names(tuple((c.name, next(iter(c.staged(name, stage)), None) if name else None) for c, name in pairs))


def known_names(site: Site, stage: Stage | None) -> list[str]:
    """The names that godeeper prints for a tensor, its address first."""
    tensor = Tensor(site, stage)
    return list(dict.fromkeys([tensor.name, *filter(None, tensor.names.as_dict().values())]))


@lru_cache(maxsize=16)
def meanings(blueprint: Blueprint, convention: str | None = None) -> dict[str, tuple[Meaning, ...]]:
    """Name -> its meanings, for all conventions or only ``convention``.

    A name has two meanings if conventions contradict each other.  In GoogLeNet, torchvision counts pools from 1 and
    inception5h from 0, so ``maxpool1`` is the first pool in torchvision and the second in inception5h.
    """
    conventions = (
        family_conventions(blueprint.family) if convention is None else (prefixes(blueprint.family)[convention],)
    )
    table: dict[str, dict[tuple[int, Stage | None], Meaning]] = {}  # by index, which hashes faster than a site
    all_sites = sites(blueprint)
    for site, columns in zip(all_sites, name_places(conventions, placed(all_sites)), strict=True):
        for stage in stages(site):
            names = [PHOTO_NAMES[site.kind]] if convention is None and site.kind in PHOTO_NAMES else []
            for each, spelled in zip(conventions, columns, strict=True):
                names += convention_spellings(each, stage, spelled)
            for name in names:
                table.setdefault(name, {})[site.index, stage] = site, stage
    known = {name: tuple(meant.values()) for name, meant in table.items()}
    return known | {alias: known[ours] for alias, ours in blueprint.aliases if ours in known}


def convention_spellings(convention: NamingConvention, stage: Stage | None, spelled: Iterable[str]) -> list[str]:
    """All spellings of a name at one stage, with and without the scopes of the convention."""
    names = [name for each in spelled for name in (convention.staged(each, stage) if stage else (each,))]
    return [scope + name for scope in ("", *convention.scopes) for name in names]


@lru_cache(maxsize=8)
def printed_names(blueprint: Blueprint) -> tuple[str, ...]:
    """All names that godeeper prints; suggestions are taken from them.  Default stages come first."""
    pairs = [(site, stage) for site in sites(blueprint) for stage in stages(site)]
    pairs.sort(key=lambda pair: pair[1] not in (None, "relu"))
    return tuple(dict.fromkeys(name for pair in pairs for name in known_names(*pair)))
