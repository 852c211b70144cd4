"""What the rows of the op table are made of.

A row says how its op is called (`cases`), what it computes, in NumPy (`reference`) and in
PyTorch (`torch`), from which numbers its inputs are drawn (`low` to `high`, at least 0.1 from
`avoid`, where a derivative jumps; `prepare` makes of them what the op is for), up to which order
it can be differentiated, what it gives at special points, and what it refuses, with which words.

In a case, a tuple is the shape of a node, a number is that number, and `constant`, `booleans`,
`integers` and `raw` are arrays of the backend, for which there is no gradient:

    case((2, 3), constant((3,)), axis=1)   calls   Op.do_forward(node, array, axis=1)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gradcore import Op


@dataclass(frozen=True)
class Draw:
    """An array of numbers drawn between `low` and `high` (`None`: the row's), all different."""

    shape: tuple[int, ...]
    low: float | None = None
    high: float | None = None
    is_node: bool = False
    kind: type = float


@dataclass(frozen=True)
class Raw:
    """The array of exactly these values, as a constant."""

    values: Any


@dataclass(frozen=True, eq=False)
class Case:
    inputs: tuple[Any, ...]  # Draw, Raw or a number
    constants: dict[str, Any]  # the op's keyword arguments; Draw and Raw become arrays

    @property
    def nodes(self) -> list[int]:
        """Which of the inputs are nodes."""
        return [k for k, x in enumerate(self.inputs) if isinstance(x, Draw) and x.is_node]


class Point(NamedTuple):
    """The values and gradients of an op at special inputs, where the incoming gradients are one."""

    inputs: tuple[Any, ...]  # a list is a node, a number is that number
    value: Any
    gradients: tuple[Any, ...]  # one for each list
    second: tuple[Any, ...] | None = None  # the gradients of the sum of all gradients
    constants: dict[str, Any] | None = None  # the op's keyword arguments


class Refusal(NamedTuple):
    case: Case
    error: Any  # the exception's type, or a tuple of them
    words: tuple[str, ...]  # besides the op's name


@dataclass(frozen=True, eq=False)
class Row:
    op: type[Op]
    reference: Callable[..., Any]
    cases: Sequence[Case]
    torch: Callable[..., Any] | str | None = None  # on tensors; or a function's name in torch
    low: float = -2.0
    high: float = 2.0
    avoid: float | None = None
    order: int = 2
    prepare: Callable[[Any], Any] | None = None  # makes such matrices as the op is for
    # Makes of outputs that are a library's choice, as signs of eigenvectors are, what is the same
    # of all; on nodes, arrays and tensors.
    determined: Callable[..., tuple[Any, ...]] | None = None
    points: Sequence[Point] = ()
    refuses: Sequence[Refusal] = ()
    # Whether the op takes complex numbers, which tests/ops/test_complex.py makes of those drawn;
    # "together": all nodes, but not one alone; "only": and no real ones; "always": of real ones too
    # the results are complex; "results": real ones only, and the results are complex; "inside": as
    # part of other ops, in whose rows it is tested.
    complex: bool | str = False
    # Whether the op takes many steps. To save time, such an op is tested in all ways on NumPy only,
    # and elsewhere its values and gradients, of arrays that lie in rows.
    many_steps: bool = False

    @property
    def is_real(self) -> bool:
        """Whether real numbers give real results."""
        return self.complex not in ("only", "always", "results")


def node(shape: tuple[int, ...], low: float, high: float) -> Draw:
    return Draw(shape, low, high, is_node=True)


def constant(shape: tuple[int, ...], low: float | None = None, high: float | None = None) -> Draw:
    return Draw(shape, low, high)


def booleans(shape: tuple[int, ...]) -> Draw:
    return Draw(shape, -1, 1, kind=bool)


def integers(shape: tuple[int, ...], below: int) -> Draw:
    return Draw(shape, 0, below, kind=int)


def raw(values: Any) -> Raw:
    return Raw(values)


def case(*inputs: Any, **constants: Any) -> Case:
    return Case(
        tuple(Draw(x, is_node=True) if isinstance(x, tuple) else x for x in inputs), constants
    )


def refuses(case: Case, error: Any, *words: str) -> Refusal:
    return Refusal(case, error, words)


UNARY = [case(()), case((1,)), case((3,)), case((2, 3)), case((2, 1, 2)), case((0, 2))]
BINARY = [
    case((2, 3), (2, 3)),
    case((2, 3), (3,)),
    case((1, 2), (3, 1)),
    case((), (2, 3)),
    case((2, 2), ()),
    case((), ()),
    case((1,), (1,)),
    case((0, 3), (3,)),
    case((1, 2), (0, 1)),
    case((2, 3), 1.5),
    case(2, (2, 3)),
    case((), 3),
    case((2, 3), constant((3,))),
    case(constant((2, 1)), (3,)),
]
FEW = [case(()), case((1,)), case((2, 3)), case((0, 2))]
FEW_PAIRS = [
    case((2, 3), (3,)),
    case((), (2, 1)),
    case((1,), (1,)),
    case((0, 3), (3,)),
    case((2, 3), 1.5),
    case(2, (2, 3)),
    case(constant((2, 1)), (3,)),
]
REDUCTIONS = [
    case(()),
    case((1,)),
    case((3,)),
    case((2, 3)),
    case((2, 3), axis=0),
    case((2, 3), axis=-1, keepdims=True),
    case((2, 3, 2), axis=(0, 2)),
    case((2, 3, 2), axis=(-1, 1), keepdims=True),
    case((0, 3), axis=1),
]
SPREADS = [
    case((4,)),
    case((2, 3), axis=0, correction=1),
    case((2, 3), axis=-1, keepdims=True, correction=0.5),
    case((2, 3, 2), axis=(0, 2)),
    case((2, 3, 2), axis=(-1, 1), keepdims=True, correction=1.0),
    case((0, 3), axis=1, correction=1),
]
MISMATCH = refuses(case((2, 3), (4,)), ValueError, "(2, 3)", "(4,)")
ROWS_OF_MATRIX = [case((2, 3)), case((3, 1)), case((1, 1)), case((0, 3)), case((1, 4))]
AXIS = [case((2, 3)), case((3, 2), axis=0), case((2, 3, 2), axis=1), case((2, 2), axis=-2)]
AXIS += [case((1,)), case((3, 1)), case((0, 3)), case((4,), axis=0)]
NO_AXIS = refuses(case((2, 3), axis=2), (ValueError, IndexError), "axis", "(2, 3)")
