"""Steps of random programs that compute with complex numbers, made of those of real numbers.

A step takes two real numbers in place of each complex one, and gives two: so programs, special
numbers and comparisons are those of real numbers, and each step is differentiated with respect to
real and imaginary parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from op_table import ROWS, Case, Draw, Row
from search.functions import FUNCTIONS, Function

from gradcore import array_api

__all__ = ["Parts", "complex_steps"]

FUNCTIONS_TOO = {
    "reciprocal", "x * x", "x ** 3", "x ** 0.5", "x ** -2", "2 ** x", "1 / x", "vecdot", "tile",
    "repeat", "tril", "triu", "trace", "outer", "tensordot", "einsum", "cross", "matrix_power",
    "frobenius", "det", "svdvals", "pad", "diff", "flip", "stack", "vector_norm", "1-norm",
    "3-norm", "inf-norm",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Parts:
    """A step of real and imaginary parts; what it says of numbers is what its row says."""

    name: str
    call: Callable[..., Any]
    torch: Callable[..., Any]
    cases: Sequence[Case]
    low: float
    high: float
    avoid: float | None
    prepare: Callable[[Any], Any] | None
    order: int
    specials: tuple[float, ...] = (0.0, -0.0, 1.0, -1.0)  # infinities multiply in two ways


def complex_steps() -> Iterator[Parts]:
    """All ops and functions of complex numbers that PyTorch has too."""
    import torch

    left_out = {"AvgPool2d", "AvgPool2dGradient", "Dropout"}  # PyTorch's are of real numbers
    for row in ROWS:
        if row.complex and row.torch and not row.determined and row.op.__name__ not in left_out:
            theirs = getattr(torch, row.torch) if isinstance(row.torch, str) else row.torch
            yield _of_parts(row.op.__name__, row.op.do_forward, theirs, row)
    for function in FUNCTIONS:
        if function.name in FUNCTIONS_TOO or function.name.rpartition(" ")[0] in FUNCTIONS_TOO:
            yield _of_parts(function.name, function.call, function.torch, function)


def _of_parts(name: str, ours: Any, theirs: Any, row: Row | Function) -> Parts:
    prepare = getattr(row, "prepare", None)
    size = 0.25 if prepare else 1.0  # so that matrices stay what they are prepared to be

    def call(*parts: Any, at: tuple[int, ...], **constants: Any) -> list[Any]:
        ys = ours(*_joined(parts, at, size, array_api.tril), **constants)
        xp = array_api
        return [
            part
            for y in (ys if isinstance(ys, tuple | list) else (ys,))
            for part in ((xp.real(y), xp.imag(y)) if "complex" in str(y.dtype) else (y,))
        ]

    def torch(*parts: Any, at: tuple[int, ...], **constants: Any) -> list[Any]:
        xs = list(_joined(parts, at, size, lambda x: x.tril()))
        try:
            ys = theirs(*xs, **constants)
        except RuntimeError:  # of inputs of two dtypes
            ys = theirs(*[x + 0j if hasattr(x, "tril") else x for x in xs], **constants)
        return [
            part
            for y in (ys if isinstance(ys, tuple | list) else (ys,))
            for part in ((y.real, y.imag) if y.is_complex() else (y,))
        ]

    cases = [
        _doubled(case, at)
        for case in row.cases
        for at in {tuple(case.nodes), *[(k,) for k in case.nodes]}
        if "dtype" not in case.constants and at
        if not (getattr(row, "complex", True) == "together" and len(at) < len(_floating(case)))
    ]
    avoid, order = getattr(row, "avoid", None), row.order
    return Parts(f"complex {name}", call, torch, cases, row.low, row.high, avoid, prepare, order)


def _floating(case: Case) -> list[int]:
    return [k for k, x in enumerate(case.inputs) if isinstance(x, Draw) and x.kind is float]


def _doubled(case: Case, at: tuple[int, ...]) -> Case:
    """The case with two nodes in place of each of those `at` these places."""
    inputs = [x for k, x in enumerate(case.inputs) for _ in range(1 + (k in at))]
    return Case(tuple(inputs), {**case.constants, "at": at})


def _joined(
    parts: Sequence[Any], at: tuple[int, ...], size: float, tril: Callable[[Any], Any]
) -> Iterator[Any]:
    """The inputs, complex at these places. The imaginary parts of prepared matrices are small, and
    not symmetric."""
    rest = iter(parts)
    for k, x in enumerate(rest):
        if k in at:
            y = next(rest)
            yield x + (1j * y if size == 1.0 else (size * 1j) * (tril(y) if y.ndim > 1 else y))
        else:
            yield x
