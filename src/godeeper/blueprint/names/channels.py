"""Parses and formats channel slices such as ``3,7:12``."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import ChannelError, quoted

Range = tuple[int, int | None]
"""The first channel and the exclusive end; None means the end of the tensor."""

MOST_DIGITS = 9


def parse_ranges(text: str, address: str) -> tuple[Range, ...]:
    """The ranges in a slice such as ``3,7:12``, with exclusive ends; ``address`` is for messages.  Raises ``ChannelError``."""
    return tuple(parse_range(part.strip(), text, address) for part in text.split(","))


def parse_range(part: str, text: str, address: str) -> Range:
    """One range: ``7:12``, ``7:``, ``:12``, ``:`` or ``7``."""
    first, colon, end = part.partition(":")
    if not (first or colon) or not all(number.isascii() and number.isdecimal() for number in (first, end) if number):
        raise ChannelError(
            f"cannot read the channels {quoted(f'[{text}]')} of {quoted(address)}: expected numbers and ranges like [3,7:12]"
        )
    if max(len(first), len(end)) > MOST_DIGITS:
        raise ChannelError(f"{quoted(address)}: a channel has at most {MOST_DIGITS} digits, got {quoted(part)}")
    return int(first or 0), (int(end) if end else None) if colon else int(first) + 1


def channels_of(ranges: Sequence[Range], count: int, address: str, name: str) -> tuple[int, ...]:
    """The channel numbers in ``ranges``, in the order given; raises ``ChannelError``.

    ``count``: the number of channels of the tensor.  ``address`` and ``name`` are for messages.
    """
    closed = [(first, count if end is None else end) for first, end in ranges]
    for first, end in closed:
        if not first < end <= count:
            got = f"{first}:{end}" if end != first + 1 else str(first)
            wrong = "is empty" if end <= first < count else "is out of range"
            raise ChannelError(f"{quoted(address)}: channel {got} {wrong}: {name} has channels 0 to {count - 1}")
    if sum(end - first for first, end in closed) > count:  # checked first, because the list could be huge
        raise ChannelError(f"{quoted(address)} names a channel twice")
    chosen = tuple(number for first, end in closed for number in range(first, end))
    if len(set(chosen)) < len(chosen):
        raise ChannelError(f"{quoted(address)} names a channel twice")
    return chosen


def format_channels(channels: Sequence[int]) -> str:
    """The slice that selects these channels, with consecutive numbers as a range: ``3,7:12``."""
    parts: list[str] = []
    start = 0
    for end in range(1, len(channels) + 1):
        if end == len(channels) or channels[end] != channels[end - 1] + 1:
            run = channels[start:end]
            parts.append(str(run[0]) if len(run) == 1 else f"{run[0]}:{run[-1] + 1}")
            start = end
    return ",".join(parts)
