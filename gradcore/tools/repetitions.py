"""Find the repetitions in a sequence, such as the equal blocks of a network one after the other.

In the text "abcbcbcd" the piece "bc" stands three times. The search for it tries each length of a
piece: where the letters stay equal to those one piece earlier, pieces repeat. In a drawing a
letter is an op or a box, and letters that look alike are not enough: each must also take its
inputs from places like those of its counterpart one piece earlier. In `sin(sin(x))` the second
`sin` takes the first one's result; in `[sin(x), sin(x)]` both take `x`; and both repeat `sin`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Item", "Repetition", "repetitions"]

_LONGEST = 64  # the longest piece that the search looks for, in items


class Item(NamedTuple):
    """An op or a box in the sequence.

    Attributes:
        look: a hash of what items must have in common to repeat each other.
        sources: for each input the place of the item that computed it; -1 if it is data.
        is_box: whether the item is a box, and not an op.
    """

    look: int
    sources: list[int]
    is_box: bool


class Repetition(NamedTuple):
    """A piece that stands several times, one after the other.

    Attributes:
        start: the place of the first item.
        period: how many items the piece has.
        times: how many times the piece stands there.
        is_chain: whether the second piece takes a result of the first, and is not parallel to it.
    """

    start: int
    period: int
    times: int
    is_chain: bool


def repetitions(items: Sequence[Item]) -> list[Repetition]:
    """Find the repetitions from left to right; none overlaps another."""
    found, place = [], 0
    while place < len(items):
        if longest := _longest_at(items, place):
            found.append(longest)
            place += longest.period * longest.times
        else:
            place += 1
    return found


def _longest_at(items: Sequence[Item], start: int) -> Repetition | None:
    """Find the repetition from `start` that covers most items, with the shortest piece."""
    longest, length = None, 0
    for period in range(1, min(_LONGEST, (len(items) - start) // 2) + 1):
        if items[start].look == items[start + period].look:
            times = _times(items, start, period)
            if times > 1 and times * period > length:
                found = Repetition(start, period, times, _is_chain(items, start, period))
                if _is_worth_it(items, found):
                    longest, length = found, times * period
        if length > 4 * _LONGEST:  # try no longer piece, to save time
            break
    return longest


def _times(items: Sequence[Item], start: int, period: int) -> int:
    """Count how many times the piece at `start` stands there, one after the other."""
    end = start + period
    while end < len(items) and _repeats(items, end, start, period):
        end += 1
    return (end - start) // period


def _repeats(items: Sequence[Item], place: int, start: int, period: int) -> bool:
    """Whether an item repeats its counterpart one piece earlier: whether they look alike, and
    each source is the same for both, or is one piece later too.

    The first piece may take anything from before `start`, where the second piece takes results of
    the first: the first block of a network takes the data.
    """
    item, earlier = items[place], items[place - period]
    if item.look != earlier.look:
        return False
    in_second = place < start + 2 * period
    for a, b in zip(item.sources, earlier.sources, strict=True):
        if not (a in (b, b + period) or (in_second and b < start <= a)):
            return False
    return True


def _is_chain(items: Sequence[Item], start: int, period: int) -> bool:
    """Whether the second piece takes a result of the first."""
    second = items[start + period : start + 2 * period]
    return any(start <= source < start + period for item in second for source in item.sources)


def _is_worth_it(items: Sequence[Item], found: Repetition) -> bool:
    """Whether the pieces are so many that a drawing is clearer with only the first of them."""
    is_box = found.period == 1 and items[found.start].is_box
    return found.times >= (4 if not found.is_chain else 2 if is_box else 3)
