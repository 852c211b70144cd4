"""The search for what repeats, which drawings of large graphs use."""

from __future__ import annotations

from gradcore.tools.repetitions import Item, Repetition, repetitions


def chain(looks: str) -> list[Item]:
    """Items of which each takes the result of the one before; capital letters are boxes."""
    return [Item(ord(look), [n - 1], look.isupper()) for n, look in enumerate(looks)]


def test_a_piece_that_stands_several_times() -> None:
    assert repetitions(chain("abcbcbcd")) == [Repetition(1, 2, 3, True)]
    assert repetitions(chain("aaaxbbbb")) == [Repetition(0, 1, 3, True), Repetition(4, 1, 4, True)]


def test_two_boxes_are_enough_and_two_ops_are_not() -> None:
    assert repetitions(chain("xAAx")) == [Repetition(1, 1, 2, True)]
    assert repetitions(chain("xaax")) == repetitions(chain("xabab")) == []


def test_the_longest_repetition_wins() -> None:
    assert repetitions(chain("aaab" * 3)) == [Repetition(0, 4, 3, True)]


def test_items_that_take_the_same_are_parallel() -> None:
    same = [Item(0, [-1], False)] * 4
    assert repetitions(same) == [Repetition(0, 1, 4, False)]
    assert repetitions(same[:3]) == []


def test_items_that_look_alike_must_be_linked_alike() -> None:
    items = chain("aaaa")
    items[3] = items[3]._replace(sources=[0])  # and not 2
    assert repetitions(items) == [Repetition(0, 1, 3, True)]
    items = chain("abababab")
    items[7] = items[7]._replace(sources=[5])  # and not 6
    assert repetitions(items) == [Repetition(0, 2, 3, True)]


def test_the_second_piece_takes_nothing_new_from_before_the_first() -> None:
    def two_boxes(*sources: int) -> list[Item]:
        return [*chain("xy"), Item(0, [0, 1], True), Item(0, [*sources], True)]

    assert repetitions(two_boxes(2, 1)) == [Repetition(2, 1, 2, True)]
    assert repetitions(two_boxes(2, 0)) == []
