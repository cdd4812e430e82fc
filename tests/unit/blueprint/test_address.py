"""Addresses as users type them, resolved to tensors."""

from __future__ import annotations

import pytest
from tests.unit.blueprint.fuzzing import count_lines

from godeeper.blueprint.address import pattern_names, resolve, resolve_one
from godeeper.blueprint.inception_v3 import INCEPTION_V3 as NETWORK
from godeeper.blueprint.names.channels import format_channels
from godeeper.errors import AddressError, AmbiguousAddress, ChannelError, UnknownAddress

SAME = [
    "mixed/tower_2/conv:0",
    "mixed/tower_2/conv",
    " mixed/tower_2/conv ",
    "InceptionV3/InceptionV3/Mixed_5b/Branch_3/Conv2d_0b_1x1/Relu",
    "InceptionV3/Mixed_5b/Branch_3/Conv2d_0b_1x1",
    "Mixed_5b/Branch_3/Conv2d_0b_1x1",
    "Mixed_5b.branch_pool",
    "Mixed_5b.branch_pool.relu",
    "activation_11",
    "keras:activation_11",
    "keras2.2:activation_12",
    "activation_11/Relu:0",
    "tf2015:mixed/tower_2/conv",
    "torchvision:Mixed_5b.branch_pool",
    "slim:InceptionV3/Mixed_5b/Branch_3/Conv2d_0b_1x1",
]


@pytest.mark.parametrize("text", SAME)
def test_one_tensor_by_all_its_names(text: str) -> None:
    """All four conventions' names of the blog's first tensor resolve to it."""
    tensor = resolve_one(NETWORK, text)
    assert (tensor.address, tensor.stage, tensor.shape) == ("mixed/tower_2/conv", "relu", (32, 35, 35))


def test_channels() -> None:
    """A slice selects channels in the given order, and is printed the same way."""
    tensor = resolve_one(NETWORK, "activation_11[3,7:12]")
    assert tensor.filters == (3, 7, 8, 9, 10, 11)
    assert tensor.shape == (6, 35, 35)
    assert tensor.address == "mixed/tower_2/conv[3,7:12]"
    assert resolve_one(NETWORK, tensor.address) == tensor


@pytest.mark.parametrize(("text", "channels"), [("[:3]", "0:3"), ("[30:]", "30:32"), ("[5,4]", "5,4"), ("[31]", "31")])
def test_open_ends(text: str, channels: str) -> None:
    """An open end of a range is the tensor's first or last channel."""
    assert format_channels(resolve_one(NETWORK, f"mixed/tower_2/conv{text}").filters) == channels


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("mixed*/join", 11),
        ("mixed_*/join", 10),
        ("mixed/tower_2/*", 2),
        ("mixed_4/*", 2),  # conv and join; only ** matches deeper names
        ("mixed_4/**", 12),
        ("mixed_4/**/Conv2D", 10),
        ("Mixed_6b.*", 11),
        ("activation*", 94),
        ("**/batchnorm", 94),
        ("**", 133),
        ("mixed_?/pool", 2),
        ("keras:activation*", 94),
        ("keras2.2:activation_*", 94),
        ("keras2.2:conv2d_*", 94),
    ],
)
def test_patterns(pattern: str, count: int) -> None:
    """One star stays within a scope, two stars cross scopes, and stages before the ReLU match only if the pattern names them."""
    assert len(resolve(NETWORK, pattern)) == count


def test_pattern_with_channels() -> None:
    """A slice after a pattern applies to each matching tensor."""
    assert [t.address for t in resolve(NETWORK, "mixed/tower_2/*[0]")] == [
        "mixed/tower_2/pool[0]",
        "mixed/tower_2/conv[0]",
    ]


def test_several_addresses_keep_their_order_and_come_once() -> None:
    """A tensor that is named twice is returned once."""
    tensors = resolve(NETWORK, ["mixed_1/join", "conv", "Mixed_5c", "mixed_1/join:0"])
    assert [tensor.address for tensor in tensors] == ["mixed_1/join", "conv"]


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("mixed_4", "mixed_4/join"),
        ("mixed/tower_2/con", "mixed/tower_2/conv"),
        ("Mixed_5b.branch_poll", "Mixed_5b.branch_pool"),
        ("MIXED/TOWER_2/CONV", "mixed/tower_2/conv"),
        ("activation_95", "activation_93"),
        ("mixed/tower_2/cnov[3]", "mixed/tower_2/conv"),
        ("foo", "pool"),
    ],
)
def test_unknown_names_get_suggestions(text: str, offered: str) -> None:
    """An unknown name is an error that suggests similar names; godeeper never guesses."""
    with pytest.raises(UnknownAddress, match="no tensor is called") as caught:
        resolve(NETWORK, text)
    assert offered in caught.value.nearest


@pytest.mark.parametrize("text", ["mixd_*/join", "mixed_4/*/nothing"])
def test_a_pattern_that_fits_nothing(text: str) -> None:
    """A pattern that no name matches is an error, not an empty result."""
    with pytest.raises(UnknownAddress, match="no name matches"):
        resolve(NETWORK, text)


def test_an_ambiguous_pattern() -> None:
    """If one tensor is expected and a pattern matches several, the error lists the first few."""
    with pytest.raises(AmbiguousAddress, match=r"means 11 tensors .*mixed/join"):
        resolve_one(NETWORK, "mixed*/join")


@pytest.mark.parametrize("channels", ["32", "0:33", "5:5", "7:3", "-1", "a", "", "1:2:3", "3,3"])
def test_channels_out_of_range(channels: str) -> None:
    """A channel that the tensor does not have is refused, and the error states the valid range."""
    with pytest.raises(ChannelError):
        resolve(NETWORK, f"mixed/tower_2/conv[{channels}]")


@pytest.mark.parametrize("text", ["", "a b", "mixed/join:1", "mixed/join[1", "[3]"])
def test_invalid_addresses(text: str) -> None:
    """Text that is not a valid address is refused with an error that says so."""
    with pytest.raises(AddressError):
        resolve(NETWORK, text)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "\t\n", "a b", "a  b", "mixed/join:1", "mixed/join[1", "mixed/join]", "[3]", "[]", ":0", ":1", ":0:0",
        "mixed/join:0:0", "mixed/join:0[1]:0", "mixed/join:0[1]:1", "mixed/join[1]:1", "mixed/join[1]x", "mixed/join [1]",
        "mixed/join[[1]]", "mixed/join[1][2]", "mixed/join:٠", "\x00", "mixed/join\x1b[31m", "mixed/join\u202e",
        "x" * 257, "*" * 257, "mixed/join[" + "1," * 10_000 + "1]", "mixed/join:" + "0" * 5000, "mixed/join:" + "9" * 5000,
    ],
)  # fmt: skip
def test_damaged_addresses_get_one_short_line(text: str) -> None:
    """Any damaged address gives one line of bounded length without control characters."""
    with pytest.raises(AddressError) as caught:
        resolve(NETWORK, text)
    message = str(caught.value)
    assert len(message) < 600
    assert message.isprintable()


@pytest.mark.parametrize(
    "channels",
    [
        "", " ", ",", "3,", ",3", "-1", "+1", "1.0", "1e3", "0x1", "1_0", "٣", "²", "3:1", "3:3", ":0", "32:", "0:999999999999999",
        "999999999999999", "9" * 5000, ":" + "9" * 5000, "1,1,1", ",".join("1" * 3000), "0:32,0:32", "1:2:3", "::", "\x1b", "1 2",
        ",".join([":"] * 4000),
    ],
)  # fmt: skip
def test_damaged_slices_get_one_short_line(channels: str) -> None:
    """Numbers of any length, signs, non-ASCII digits and repeats are refused before any channel is listed."""
    with pytest.raises(ChannelError) as caught:
        resolve(NETWORK, f"mixed/tower_2/conv[{channels}]")
    message = str(caught.value)
    assert len(message) < 400
    assert message.isprintable()


def test_a_slice_of_all_channels_in_any_order_is_read_back() -> None:
    """The longest meaningful slice, all channels in any order, is still accepted."""
    channels = (*range(1, 2048, 2), *range(0, 2048, 2))
    tensor = resolve_one(NETWORK, f"mixed_10/join[{format_channels(channels)}]")
    assert tensor.filters == channels
    assert resolve_one(NETWORK, tensor.address) == tensor


def test_the_number_of_addresses_is_bounded() -> None:
    """Repeats count once, and more than a thousand names or patterns are refused."""
    names = [f"mixed_10/join[{channel}]" for channel in range(1001)]
    assert len(resolve(NETWORK, names[:1000])) == 1000
    assert len(resolve(NETWORK, ["conv"] * 5000)) == 1
    with pytest.raises(AddressError, match="got 1001 addresses: expected at most 1000"):
        resolve(NETWORK, names)
    patterns = [f"conv{'*' * count}" for count in range(1, 66)]
    assert len(resolve(NETWORK, patterns[:64])) > 4
    with pytest.raises(AddressError, match="got 65 patterns: expected at most 64"):
        resolve(NETWORK, patterns)


@pytest.mark.parametrize("text", ["*" * 250 + "a", "*?" * 125, "**?" * 80, "**a*" * 60, "**/" * 80, "*a" * 128])
def test_a_pattern_costs_as_much_as_names_are_long(text: str) -> None:
    """Even the slowest pattern runs a bounded number of lines of code for each character of the network's names."""
    resolve(NETWORK, "**")  # builds the tables, which happens once
    characters = sum(len(name) for _, names in pattern_names(NETWORK) for name in names)
    assert count_lines(NETWORK, text) < 10 * characters + 20_000


def test_comparing_with_near_names_is_bounded() -> None:
    """Only the first characters of an unknown name are compared with known names, so a long name takes no longer."""
    with pytest.raises(UnknownAddress) as caught:
        resolve(NETWORK, "mixed_4/tower_1/" + "conv_4/" * 30)
    assert len(caught.value.nearest) <= 5


@pytest.mark.parametrize("wrong", [None, 5, b"mixed/join", 1.5, ["mixed/join", 5], {"mixed/join": 1}.values()])
def test_addresses_that_are_not_text(wrong: object) -> None:
    """An address that is not a string is refused with a one-line error."""
    with pytest.raises(AddressError, match="is not an address: expected text"):
        resolve(NETWORK, wrong)  # type: ignore[arg-type]  # the test passes a wrong type on purpose
