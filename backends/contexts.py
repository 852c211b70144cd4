"""Values that hold inside a `with` block: for the code in the block, and for no other.

A ContextVar has a value for each thread and task. But a generator has none of its own: what it
sets, its caller sees too, when the generator is suspended inside the block. So a `Block` knows the
generator that it is in, and holds while that runs:

    def batches():
        with no_grad():  # holds here ...
            for x in data:
                yield model(x)  # ... and not in the loop that takes the batches

There are generators whose purpose is the opposite, to start something for others. The block of a
function decorated with `contextlib.contextmanager` is in the code that says `with`: whatever runs
in a `__enter__` or `enter_context` begins a block for the caller. For others, such as pytest's
fixtures, who called the generator as the block began tells: a loop over batches still runs when
others compute, and the function of pytest has returned.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar, Token
from functools import partial
from types import CodeType, FrameType
from typing import Any

__all__ = ["Block", "enter", "value_in"]

GENERATOR = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
BEGINS = {"__enter__", "__aenter__", "enter_context", "enter_async_context"}
STEPS = {"__next__", "__anext__"}


class Block:
    """A `with` block in which a variable has a value.

    Until the block ends, the variable has the Block itself, which may be in the variable of another
    thread or task than the one that ends the block. `value_in` finds what holds.

    Args:
        variable: what the block sets.
        value: its value.
        frame: the code that begins the block.
    """

    __slots__ = ("before", "caller", "generator", "is_over", "value", "variable")

    def __init__(self, variable: ContextVar[Any], value: Any, frame: FrameType) -> None:
        self.variable, self.value, self.before = variable, value, variable.get()
        self.is_over = False
        frame = _inside(frame)
        self.generator = frame if frame.f_code.co_flags & GENERATOR else None
        self.caller = _caller(frame) if self.generator else None
        variable.set(self)

    def __bool__(self) -> bool:
        return bool(value_in(self))

    @property
    def holds(self) -> bool:
        """Whether the block holds for the code that asks."""
        if self.is_over or self.generator is None or self.caller is None:
            return not self.is_over
        # A suspended generator has no code that it goes back to.
        return self.generator.f_back is not None or not _runs(self.caller)

    def leave(self) -> None:
        """End the block, from any thread or task, and in any order."""
        self.is_over, self.generator = True, None
        now = self.variable.get()
        if now is self:
            while isinstance(now, Block) and now.is_over:
                now = now.before
            self.variable.set(now)


def value_in(x: Any) -> Any:
    """Find what holds here: the value of the innermost block, if x is a Block; else x."""
    while isinstance(x, Block):
        if x.holds:
            return x.value
        x = x.before
    return x


def enter(variable: ContextVar[Any], value: Any, frame: FrameType) -> Callable[[], None]:
    """Begin a block in the code of `frame`; return what ends it. In a function of its own, and not
    in a generator or for others, the variable gets the value itself, which is read faster than that
    of a Block."""
    if frame.f_code.co_flags & GENERATOR or frame.f_code.co_name in BEGINS:
        return Block(variable, value, frame).leave
    return partial(_reset, variable, variable.set(value))


def _reset(variable: ContextVar[Any], token: Token[Any]) -> None:
    with suppress(ValueError):  # ended in another thread or task, where the variable was not set
        variable.reset(token)


def _inside(frame: FrameType) -> FrameType:
    """Find the code that the block is in: where `frame` begins the block for others, theirs."""
    while caller := frame.f_back:
        begins = caller if frame.f_code.co_flags & GENERATOR else frame
        if begins.f_code.co_name not in BEGINS:
            break
        frame = caller
    return frame


def _caller(frame: FrameType) -> tuple[int, CodeType] | None:
    """Find who called the generator of `frame`, or the generators and iterators around it: the
    height in the stack, and the code. (The caller's frame would hold all its variables.)"""
    caller = frame.f_back
    while caller and (caller.f_code.co_flags & GENERATOR or caller.f_code.co_name in STEPS):
        caller = caller.f_back
    stack = _stack(caller)
    return (len(stack), stack[0]) if stack else None


def _runs(caller: tuple[int, CodeType]) -> bool:
    """Whether the caller is among the functions that run now, in this thread."""
    (height, code), stack = caller, _stack(sys._getframe(1))
    return len(stack) >= height and stack[-height] is code


def _stack(frame: FrameType | None) -> list[CodeType]:
    """List the code of a frame, and of those that it goes back to."""
    codes = []
    while frame:
        codes.append(frame.f_code)
        frame = frame.f_back
    return codes
