"""Watch the variables outside a step that its functions read: a program has the values that they
had as it was made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import FunctionType
from typing import Any

from .nodes import INSTALLED, instructions
from .recording import ChangedSettingError

__all__ = ["CONSTANTS", "Variables"]

CONSTANTS = (bool, int, float, complex, str)
GONE = object()  # stands for the value of a variable that has none


class Variables:
    """The variables that functions read, and none of them assigns: globals, and those of functions
    around them. Functions of Python's library and of installed packages are left out.

    Args:
        functions: those that a step may call.
    """

    def __init__(self, functions: Iterable[FunctionType]) -> None:
        found: dict[tuple[int, str], Callable[[], Any]] = {}
        assigned = set[tuple[int, str]]()
        for function in functions:
            if not str(function.__globals__.get("__file__", "")).startswith(INSTALLED):
                for place, name, read, is_assigned in _outside(function):
                    found[id(place), name] = read
                    assigned |= {(id(place), name)} if is_assigned else set()
        self.values = [(at[1], read, read()) for at, read in found.items() if at not in assigned]

    def check(self, step: str) -> None:
        """Raise ChangedSettingError if a variable that the step reads has another value now."""
        for name, read, then in self.values:
            now = read()
            if now is then or (type(now) is type(then) in CONSTANTS and now == then):
                continue
            changed = "holds another object now"
            if {type(then), type(now)} <= {*CONSTANTS}:
                changed = f"changed from {then!r} to {now!r}"
            raise ChangedSettingError(
                f"capture: the variable {name}, which {step} reads, {changed} since the step was "
                "captured, and replays can't follow that",
                f"; make {name} an argument of the step",
            )


def _outside(function: FunctionType) -> Iterator[tuple[object, str, Callable[[], Any], bool]]:
    """List the variables outside a function that its code names: the dictionary or cell that holds
    each, its name, how to read it, and whether the code assigns it."""
    loaded, stored = set[str](), set[str]()
    for at in instructions(function):
        if at.opname in ("STORE_GLOBAL", "STORE_DEREF"):
            stored.add(at.argval)
        elif at.opname == "LOAD_GLOBAL":
            loaded.add(at.argval)
    variables = function.__globals__
    for name in (loaded | stored) & variables.keys():
        yield variables, name, partial(variables.get, name, GONE), name in stored
    cells = function.__closure__ or ()
    for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
        yield cell, name, partial(_content, cell), name in stored


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # nothing is assigned yet, or no longer
        return GONE
