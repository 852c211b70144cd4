"""Rule 9: `no_grad` builds no graph."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from graphs import node

from gradcore import no_grad


def builds() -> bool:
    return (node(3) * 2.0).requires_grad


def suspended() -> Iterator[int]:
    with no_grad():
        for i in range(2):
            assert not builds()
            yield i
            assert not builds()
    assert builds()


def test_no_grad_builds_no_graph_and_ends_with_the_block() -> None:
    x = node(3)
    with no_grad():
        y = x * 2.0
        with no_grad():
            pass
        assert (x * 2.0).source is None
    assert y.source is None
    assert not y.requires_grad
    assert (x * 2.0).source is not None
    with pytest.raises(ZeroDivisionError), no_grad():
        raise ZeroDivisionError
    assert (x * 2.0).source is not None


def test_a_block_in_a_generator_is_not_for_the_loop_that_takes_what_it_yields() -> None:
    for _ in suspended():
        assert builds()
    for _ in (i for i in suspended()):  # a generator around it
        assert builds()
    for _ in Iterating(suspended()):
        assert builds()
    assert builds()


def test_generators_in_turns_and_closed_in_any_order_leave_nothing_behind() -> None:
    first, second = suspended(), suspended()
    next(first), next(second), next(first)
    assert builds()
    first.close()  # type: ignore[attr-defined]
    next(second)
    assert builds()
    second.close()  # type: ignore[attr-defined]
    assert builds()


def test_a_generator_closed_in_another_thread_leaves_nothing_behind() -> None:
    steps = suspended()
    next(steps)
    failed: list[Any] = []
    thread = threading.Thread(target=steps.close)  # type: ignore[attr-defined]
    threading.excepthook, hook = failed.append, threading.excepthook
    try:
        thread.start()
        thread.join()
    finally:
        threading.excepthook = hook
    assert not failed
    assert builds()
    with no_grad():
        assert not builds()
    assert builds()


def test_a_dropped_generator_leaves_nothing_behind() -> None:
    def peek() -> int:
        steps = suspended()
        return next(steps)

    peek()
    assert builds()


def test_a_generator_that_begins_a_block_for_others_does_so() -> None:
    def fixture() -> Iterator[None]:  # as pytest's
        with no_grad():
            yield

    def call() -> Iterator[None]:
        steps = fixture()
        next(steps)
        return steps

    with evaluating():
        assert not builds()
    assert builds()
    steps = call()
    assert not builds()
    steps.close()  # type: ignore[attr-defined]
    assert builds()


class Iterating:
    def __init__(self, steps: Iterator[Any]) -> None:
        self.steps = steps

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self.steps)


class Evaluating:
    def __enter__(self) -> None:
        self.block = no_grad()
        self.block.__enter__()

    def __exit__(self, *error: object) -> None:
        self.block.__exit__(*error)


@contextlib.contextmanager
def evaluating() -> Iterator[None]:
    with no_grad():
        yield


@contextlib.contextmanager
def evaluating_more() -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        stack.enter_context(evaluating())
        yield


@pytest.mark.parametrize("block", [Evaluating, evaluating, evaluating_more])
def test_a_block_that_a_generator_begins_by_another_is_for_the_generator(block: Any) -> None:
    def steps() -> Iterator[bool]:
        with block():
            yield builds()
            yield builds()

    def steps_of_a_stack() -> Iterator[bool]:
        with contextlib.ExitStack() as stack:
            stack.enter_context(block())
            yield builds()
            yield builds()

    for function in (steps, steps_of_a_stack):
        assert [(inside, builds()) for inside in function()] == [(False, True)] * 2
        dropped = function()
        next(dropped)
        assert builds()
        del dropped
        assert builds()
    with contextlib.ExitStack() as stack:
        stack.enter_context(block())
        assert not builds()
    assert builds()


def test_no_grad_decorates_functions_generators_and_coroutines() -> None:
    @no_grad()
    def function(x: int) -> tuple[int, bool]:
        return x, builds()

    @no_grad()
    def generator() -> Any:
        got = yield builds()
        try:
            yield got, builds()
        except KeyError:
            return builds()

    @no_grad()
    async def coroutine() -> bool:
        await asyncio.sleep(0)
        return builds()

    assert function(3) == (3, False)
    assert function.__name__ == "function"
    steps = generator()
    assert next(steps) is False
    assert builds()
    assert steps.send(5) == (5, False)
    assert builds()
    with pytest.raises(StopIteration) as end:
        steps.throw(KeyError())
    assert end.value.value is False
    assert asyncio.run(coroutine()) is False
    assert builds()

    async def both() -> Any:
        yield 1

    with pytest.raises(TypeError, match="both yields and awaits; say `with no_grad"):
        no_grad()(both)


def test_tasks_and_asynchronous_generators_have_their_own_blocks() -> None:
    async def steps() -> Any:
        with no_grad():
            yield builds()
            await asyncio.sleep(0)
            yield builds()

    async def inside() -> None:
        with no_grad():
            await asyncio.sleep(0)
            assert not builds()

    async def loop() -> None:
        async for found in steps():
            assert not found
            await asyncio.sleep(0)
            assert builds()

    async def main() -> None:
        await asyncio.gather(inside(), loop(), inside())
        assert builds()

    asyncio.run(main())


def test_one_no_grad_may_be_entered_again_and_inside_itself() -> None:
    block = no_grad()
    for _ in range(2):
        with block:
            with block:
                assert not builds()
            assert not builds()
        assert builds()
