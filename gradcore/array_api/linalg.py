"""The array API standard's `linalg` extension on nodes, and NumPy's `norm`.

https://data-apis.org/array-api/2024.12/extensions/linear_algebra_functions.html

`namespace(node).linalg` is this module. Arrays alone give arrays. Matrices are the last two axes,
(..., M, N). Errors of a library, as of singular matrices, are a matter of the library: NumPy
raises them; on a GPU, where looking would mean to wait for the result, infinities and NaN come
out.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from .. import ops
from ..engine.arrays import namespace, value_of
from ..ops.decompositions import check_matrices, check_square
from . import elementwise, reductions
from .common import Axis
from .constant import count_nonzero, zeros_like
from .elementwise import sqrt, square, where
from .manipulation import (
    astype,
    concat,
    expand_dims,
    matrix_transpose,
    moveaxis,
    reshape,
    roll,
    tril,
    triu,
)
from .products import matmul, tensordot, vecdot

__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]

Ord = int | float | str | None


class EighResult(NamedTuple):
    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    Q: Any
    R: Any


class SlogdetResult(NamedTuple):
    sign: Any
    logabsdet: Any


class SVDResult(NamedTuple):
    U: Any
    S: Any
    Vh: Any


# -- Systems of equations ---------------------------------------------------------------------


def inv(x: Any, /) -> Any:
    """The inverse of each matrix (..., M, M)."""
    return ops.Inverse.apply(x)


def det(x: Any, /) -> Any:
    """The determinant of each matrix (..., M, M)."""
    return ops.Determinant.apply(x)


def solve(x1: Any, x2: Any, /) -> Any:
    """The x with x1 @ x = x2: x1 (..., M, M) and x2 (..., M, K), or one vector (M,)."""
    return ops.Solve.apply(x1, x2)


def slogdet(x: Any, /) -> SlogdetResult:
    """The sign of the determinant, without a gradient, and the logarithm of its size."""
    return SlogdetResult(*ops.LogDeterminant.apply(x))


def pinv(x: Any, /, *, rtol: Any = None) -> Any:
    """The Moore-Penrose inverse; singular values of at most `rtol` times the largest count as 0."""
    return ops.PseudoInverse.apply(x, rtol=value_of(rtol))


def matrix_power(x: Any, n: int, /) -> Any:
    """x @ x @ ..., n times; of the inverse, where n is negative."""
    check_square("matrix_power", x)
    if not isinstance(n, int):
        raise TypeError(f"matrix_power: n must be an integer, not {type(n).__name__}")
    if n == 0:
        eye = zeros_like(x) + 1.0
        return tril(triu(eye))
    result = x = inv(x) if n < 0 else x
    for bit in f"{abs(n):b}"[1:]:  # the powers by the first digits of n, one more each time
        result = matmul(result, result)
        result = matmul(result, x) if bit == "1" else result
    return result


# -- Decompositions ---------------------------------------------------------------------------


def eigvalsh(x: Any, /) -> Any:
    """The eigenvalues, ascending, of the symmetric part of x."""
    return ops.Eigvalsh.apply(x)


def svdvals(x: Any, /) -> Any:
    """The singular values, descending."""
    return ops.Svdvals.apply(x)


def cholesky(x: Any, /, *, upper: bool = False) -> Any:
    """The lower triangular factor of the symmetric part of x, or its transpose, the `upper`."""
    y = ops.Cholesky.apply(x)
    return matrix_transpose(y) if upper else y


def eigh(x: Any, /) -> EighResult:
    """Eigenvalues, ascending, and eigenvectors of the symmetric part of x. Where eigenvalues are
    equal, eigenvectors have no derivative, and gradients are NaN; `eigvalsh` has them."""
    return EighResult(*ops.Eigh.apply(x))


def qr(x: Any, /, *, mode: str = "reduced") -> QRResult:
    """Orthonormal columns Q and upper triangular R; with mode "complete", Q is square, and has
    no gradient if M > N."""
    if mode not in ("reduced", "complete"):
        raise ValueError(f"qr: mode is {mode!r}, expected 'reduced' or 'complete'")
    check_matrices("qr", x)
    m, n = x.shape[-2:]
    if m >= n:
        return QRResult(*ops.QR.apply(x, complete=mode == "complete"))
    # The first columns determine Q.
    q, r = ops.QR.apply(x[..., :, :m])
    return QRResult(q, concat([r, matmul(matrix_transpose(q), x[..., :, m:])], axis=-1))


def svd(x: Any, /, *, full_matrices: bool = True) -> SVDResult:
    """The singular value decomposition. `full_matrices` have no gradient, unless M is N. Where
    singular values are equal, U and Vh have none, and it is NaN; `svdvals` has one."""
    return SVDResult(*ops.SVD.apply(x, full_matrices=full_matrices))


def matrix_rank(x: Any, /, *, rtol: Any = None) -> Any:
    """How many singular values are larger than `rtol` times the largest; `None` is max(M, N)
    times the dtype's epsilon. Integers, without a gradient."""
    check_matrices("matrix_rank", x)
    s = svdvals(x)
    if rtol is None:
        rtol = max(x.shape[-2:]) * namespace(x).finfo(x.dtype).eps
    elif not isinstance(rtol, int | float):
        rtol = expand_dims(rtol, axis=-1)
    return count_nonzero(s > s[..., :1] * rtol, axis=-1)


# -- Products and parts -----------------------------------------------------------------------


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The cross product of vectors of 3 elements along `axis`, which is counted from the end."""
    if not -min(x1.ndim, x2.ndim) <= axis < 0 or (x1.shape[axis], x2.shape[axis]) != (3, 3):
        raise ValueError(
            f"cross: {tuple(x1.shape)} and {tuple(x2.shape)} along axis {axis}; "
            "expected 3 elements in both, along a negative axis"
        )
    next1, next2 = (roll(x, -1, axis=axis) for x in (x1, x2))
    last1, last2 = (roll(x, 1, axis=axis) for x in (x1, x2))
    return next1 * last2 - last1 * next2


def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """The diagonal of each matrix; with a positive offset one above it, with a negative below."""
    check_matrices("diagonal", x)
    m, n = x.shape[-2:]
    start = offset if offset >= 0 else -offset * n
    size = max(min(m, n - offset) if offset >= 0 else min(m + offset, n), 0)
    stop = start + (size - 1) * (n + 1) + 1
    flat = reshape(x, (*x.shape[:-2], m * n))
    return flat[..., start : stop : n + 1] if size else flat[..., :0]


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """The sum of the diagonal."""
    return reductions.sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def outer(x1: Any, x2: Any, /) -> Any:
    """The product of each element of x1 (N,) and each of x2 (M,): (N, M)."""
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(
            f"outer: {tuple(x1.shape)} and {tuple(x2.shape)}; expected two vectors (N,) and (M,)"
        )
    return expand_dims(x1, axis=1) * x2


# -- Norms ------------------------------------------------------------------------------------


def vector_norm(x: Any, /, *, axis: Axis = None, keepdims: bool = False, ord: Ord = 2) -> Any:  # noqa: A002
    """The norm of all elements, or along `axis`, as if these were one vector.

    Args:
        ord: p, for the p-th root of the sum of |x|^p; `inf` and `-inf` are the largest and the
            smallest |x|; 0 is how many are not 0, which has no gradient.

    Where an element is 0, its gradient is 0, and so it is of a vector of zeros.
    """
    if not isinstance(ord, int | float):
        raise ValueError(f"vector_norm: ord is {ord!r}, expected a number; see matrix_norm")
    if namespace(x).isdtype(x.dtype, "complex floating"):
        x = elementwise.abs(x)
    if ord == 0:
        return reductions.sum(astype(x != 0, x.dtype), axis=axis, keepdims=keepdims)
    if ord == 2:
        total = reductions.sum(square(x), axis=axis, keepdims=keepdims)
        return where(total == 0, 0.0, sqrt(where(total == 0, 1.0, total)))
    size = elementwise.abs(x)
    if ord == 1:
        return reductions.sum(size, axis=axis, keepdims=keepdims)
    if ord in (math.inf, -math.inf):
        return (reductions.max if ord > 0 else reductions.min)(size, axis=axis, keepdims=keepdims)
    # No power of a 0: its derivative may be infinite.
    powers = where(x == 0, 0.0 if ord > 0 else math.inf, where(x == 0, 1.0, size) ** ord)
    total = reductions.sum(powers, axis=axis, keepdims=keepdims)
    return where(total == 0, 0.0, where(total == 0, 1.0, total) ** (1 / ord))


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Ord = "fro") -> Any:  # noqa: A002
    """The norm of each matrix.

    Args:
        ord: 'fro' or `None`, the root of the sum of squares; 'nuc', the sum of the singular
            values; 2 and -2, the largest and the smallest of these; 1 and -1, the largest and the
            smallest sum of absolute values of a column; inf and -inf, of a row.

    The gradient of a matrix of zeros is 0, and so it is of a singular value that is 0.
    """
    check_matrices("matrix_norm", x)
    if ord in ("fro", None):
        return vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord in ("nuc", 2, -2):
        p = {"nuc": 1, 2: math.inf, -2: -math.inf}[ord]
        y = vector_norm(svdvals(x), axis=-1, ord=p)
    elif ord in (1, -1, math.inf, -math.inf):
        y = vector_norm(x, axis=-2 if ord in (1, -1) else -1, ord=1)
        y = (reductions.max if ord > 0 else reductions.min)(y, axis=-1)
    else:
        raise ValueError(
            f"matrix_norm: ord is {ord!r}, expected 'fro', 'nuc', 1, -1, 2, -2, inf or -inf"
        )
    return expand_dims(y, axis=(-2, -1)) if keepdims else y


def norm(x: Any, /, ord: Ord = None, axis: Axis = None, keepdims: bool = False) -> Any:  # noqa: A002
    """A vector's or a matrix's norm, as numpy.linalg.norm:
    https://numpy.org/doc/stable/reference/generated/numpy.linalg.norm.html

    Args:
        ord: as in `vector_norm` or `matrix_norm`; `None` is the root of the sum of squares.
        axis: an integer for vectors, two for matrices; `None` for the whole x: a vector or
            matrix, or of any shape if `ord` is `None` too.
    """
    if axis is None and (ord is None or x.ndim == 1):
        return vector_norm(x, keepdims=keepdims, ord=2 if ord is None else ord)
    axes = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else axis
    if len(axes) == 1:
        return vector_norm(x, axis=axes, keepdims=keepdims, ord=2 if ord is None else ord)
    if len(axes) != 2:
        raise ValueError(f"norm: axes {axes} of {tuple(x.shape)}; expected one or two of them")
    y = matrix_norm(moveaxis(x, axes, (-2, -1)), ord=ord)
    if keepdims:
        gone = {a % x.ndim for a in axes}
        y = reshape(y, tuple([1 if a in gone else n for a, n in enumerate(x.shape)]))
    return y


def __dir__() -> list[str]:
    return __all__
