"""New nodes, with the names and arguments of PyTorch's functions, on the default backend. Floating
ones are float32 unless `dtype` says otherwise, as parameters are."""

from __future__ import annotations

from typing import Any

from .. import array_api as xp
from ..backends import backend_of, default
from ..engine.arrays import copied, integers, is_integer, raw_array
from ..graph import TensorNode

__all__ = ["arange", "empty", "eye", "full", "linspace", "ones", "tensor", "tril_indices",
           "triu_indices", "zeros"]  # fmt: skip


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> TensorNode:
    """Make a node of a copy of a number, (nested) lists, an array or a node. Python's floats become
    float32; an array keeps its dtype and its backend.

    Args:
        requires_grad: whether it is a leaf that gets a gradient.

    Example:
        >>> w = gradcore.tensor([1.0, 2.0], requires_grad=True)
        >>> (w * w).sum().backward()
        >>> print(w.grad)
        [2. 4.]
    """
    x = raw_array(data)
    if dtype is not None:
        x = backend_of(x).xp.astype(x, backend_of(x).dtype(dtype))
    return TensorNode(copied(x), requires_grad=requires_grad)


def zeros(*shape: Any, dtype: Any = "float32", requires_grad: bool = False) -> TensorNode:
    """Make zeros: `zeros(2, 3)` or `zeros((2, 3))`.

    Example:
        >>> print(gradcore.zeros(2, 3).value)
        [[0. 0. 0.]
         [0. 0. 0.]]
    """
    return _made(xp.zeros(_shape(shape), dtype=_dtype(dtype)), requires_grad)


def ones(*shape: Any, dtype: Any = "float32", requires_grad: bool = False) -> TensorNode:
    """Make ones: `ones(2, 3)` or `ones((2, 3))`.

    Example:
        >>> print(gradcore.ones(2, 3).value)
        [[1. 1. 1.]
         [1. 1. 1.]]
    """
    return _made(xp.ones(_shape(shape), dtype=_dtype(dtype)), requires_grad)


def empty(*shape: Any, dtype: Any = "float32", requires_grad: bool = False) -> TensorNode:
    """Make an array that has whatever was in the memory: `empty(2, 3)` or `empty((2, 3))`.

    Example:
        >>> gradcore.empty(2, 3).shape
        (2, 3)
    """
    return _made(xp.empty(_shape(shape), dtype=_dtype(dtype)), requires_grad)


def full(
    shape: Any, fill_value: complex, dtype: Any = None, requires_grad: bool = False
) -> TensorNode:
    """Make an array full of a number: of float32, or int64 or bool if the number is of these.

    Example:
        >>> print(gradcore.full((2, 3), 0.5).value)
        [[0.5 0.5 0.5]
         [0.5 0.5 0.5]]
    """
    dtype = default().asarray(fill_value).dtype if dtype is None else _dtype(dtype)
    return _made(xp.full(integers(shape), fill_value, dtype=dtype), requires_grad)


def eye(
    n: int, m: int | None = None, dtype: Any = "float32", requires_grad: bool = False
) -> TensorNode:
    """Make an identity matrix (n, n), or (n, m).

    Example:
        >>> print(gradcore.eye(2, 3).value)
        [[1. 0. 0.]
         [0. 1. 0.]]
    """
    return _made(xp.eye(n, m, dtype=_dtype(dtype)), requires_grad)


def arange(
    start: float,
    end: float | None = None,
    step: float = 1,
    dtype: Any = None,
    requires_grad: bool = False,
) -> TensorNode:
    """Count from `start` up to `end`, which is not reached: `arange(3)` is 0, 1, 2. Integers give
    int64, other numbers float32.

    Example:
        >>> print(gradcore.arange(0, 1, 0.25).value)
        [0.   0.25 0.5  0.75]
    """
    if dtype is None:
        dtype = "int64" if all(map(is_integer, (start, end or 0, step))) else "float32"
    start, end = (0, start) if end is None else (start, end)
    return _made(xp.arange(start, end, step, dtype=_dtype(dtype)), requires_grad)


def linspace(
    start: float, end: float, steps: int, dtype: Any = "float32", requires_grad: bool = False
) -> TensorNode:
    """Give `steps` numbers at equal distances, from `start` to `end`.

    Example:
        >>> print(gradcore.linspace(0, 1, 5).value)
        [0.   0.25 0.5  0.75 1.  ]
    """
    return _made(xp.linspace(start, end, steps, dtype=_dtype(dtype)), requires_grad)


def tril_indices(row: int, col: int, offset: int = 0) -> TensorNode:
    """Give the rows and the columns of the elements in the lower triangle of a matrix (row, col):
    (2, N).

    Args:
        offset: of the diagonal up to which the triangle goes, from the main one.

    Example:
        >>> rows, columns = gradcore.tril_indices(2, 2)
        >>> print(rows.value, columns.value)
        [0 1 1] [0 0 1]
    """
    return _places(xp.tril(ones(row, col, dtype="int64"), k=offset))


def triu_indices(row: int, col: int, offset: int = 0) -> TensorNode:
    """Give the rows and the columns of the elements in the upper triangle, as `tril_indices`.

    Example:
        >>> rows, columns = gradcore.triu_indices(2, 2)
        >>> print(rows.value, columns.value)
        [0 0 1] [0 1 1]
    """
    return _places(xp.triu(ones(row, col, dtype="int64"), k=offset))


def _places(triangle: TensorNode) -> TensorNode:
    return xp.stack(xp.nonzero(triangle))


def _shape(shape: tuple[Any, ...]) -> tuple[int, ...]:
    return integers(shape[0]) if len(shape) == 1 else integers(shape)


def _dtype(dtype: Any) -> Any:
    return default().dtype(dtype)


def _made(node: Any, requires_grad: bool) -> TensorNode:
    return TensorNode(node.value, requires_grad=requires_grad)
