"""The settings that a sweep tries: what --grid and --search say, and what the example takes."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple
from unittest.mock import patch

from .errors import UserError

__all__ = ["Choice", "choice_of_search", "read_by", "rows_of_grid"]

OURS = ("out", "quiet", "resume", "save_init")  # flags of the examples, which the sweep gives them


class Choice(NamedTuple):
    """What a setting can be.

    Attributes:
        values: all of them, or the least and the greatest.
        kind: "categorical", or "int" or "float" for all numbers between the two.
        log: whether powers of 10 are equally likely.
    """

    values: list[Any]
    kind: str = "categorical"
    log: bool = False


def rows_of_grid(text: str) -> list[dict[str, Any]]:
    """Read a --grid: a dictionary of settings for each of its values or pairs of values.

    Raises:
        UserError: it is no grid.
    """
    names, _, values = text.partition("=")
    keys = [flag_name(name) for name in names.split(":")]
    rows = [value.split(":", len(keys) - 1) for value in values.split(",")]
    if not all(keys) or not values or any(len(row) != len(keys) for row in rows):
        raise UserError(f"--grid {text}: expected NAME=A,B,... or, of pairs, NAME:NAME=A:B,C:D,...")
    return [dict(zip(keys, map(value_of, row), strict=True)) for row in rows]


def choice_of_search(text: str) -> tuple[str, Choice]:
    """Read a --search: the name of a setting, and what it can be.

    Raises:
        UserError: it is no search.
    """
    name, _, values = text.partition("=")
    low, dots, rest = values.partition("..")
    high, _, scale = rest.partition(":")
    if not name or not values:
        raise UserError(f"--search {text}: expected NAME=A..B, NAME=A..B:log or NAME=A,B,...")
    if not dots:
        return flag_name(name), Choice([value_of(value) for value in values.split(",")])
    ends = [value_of(low), value_of(high)]
    least = 0 if scale else -math.inf
    if any(isinstance(x, str) for x in ends) or not least < ends[0] < ends[1] < math.inf:
        order = "0 < A < B" if scale else "A < B"
        raise UserError(f"--search {text}: expected numbers with {order} in A..B")
    if scale not in ("", "log"):
        raise UserError(f"--search {text}: expected :log or nothing after A..B")
    kind = "float" if float in map(type, ends) else "int"
    return flag_name(name), Choice(ends, kind, bool(scale))


def flag_name(text: str) -> str:
    return text.removeprefix("--").replace("_", "-")


def value_of(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def read_by(example: Any, flags: Sequence[str]) -> dict[str, Any]:
    """Let an example read its flags, but not train.

    Args:
        example: the module.

    Raises:
        SystemExit: the example has said what is wrong with them.
        UserError: one of them is not for sweeps.
    """
    seen: list[argparse.Namespace] = []
    with (
        patch.object(example, "run", lambda args, *_, **__: seen.append(args)),
        patch.object(sys, "argv", [f"examples/{example.__name__}.py", *flags]),
    ):
        example.main()
    settings = vars(seen[0])
    for name in OURS:
        if settings.get(name):
            flag = name.replace("_", "-")
            raise UserError(f"--{flag} of the example can't be given: the sweep itself gives it")
    return settings
