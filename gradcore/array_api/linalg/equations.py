"""Systems of equations on nodes: triangular ones, those of factors, least squares. Names and
arguments are those of torch.linalg."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ... import ops
from ...backends import Array, backend_of
from ...engine.arrays import is_node, namespace, value_of
from ...graph import TensorNode
from ...ops.decompositions import adjoint, check_matrices, check_square
from ...ops.linalg import cutoff
from .. import elementwise, reductions
from ..common import NodeOrArray
from ..constant import count_nonzero
from ..elementwise import square, where
from ..indexing import take_along_axis
from ..manipulation import concat, expand_dims, permute_dims, reshape, tril
from ..products import matmul
from .standard import inv, matrix_norm, pinv, solve, svdvals

__all__ = [
    "cholesky_inverse",
    "cholesky_solve",
    "cond",
    "lstsq",
    "lu",
    "lu_factor",
    "lu_solve",
    "solve_triangular",
    "tensorinv",
    "tensorsolve",
]


class LUResult(NamedTuple):
    P: NodeOrArray
    L: NodeOrArray
    U: NodeOrArray


class LUFactors(NamedTuple):
    LU: NodeOrArray
    pivots: NodeOrArray


class LstsqResult(NamedTuple):
    solution: NodeOrArray
    residuals: NodeOrArray
    rank: NodeOrArray
    singular_values: NodeOrArray


def solve_triangular(
    a: NodeOrArray,
    b: NodeOrArray,
    /,
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
) -> NodeOrArray:
    """Find the x with a @ x = b, where a (..., M, M) is triangular, for b (..., M, K). A 0 in the
    diagonal is treated as `solve` treats a singular matrix.

    Args:
        upper: whether the upper triangle of a counts, or the lower one.
        left: with False, find the x with x @ a = b, for b (..., K, M).
        unitriangular: take the diagonal for ones.

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> a, b = TensorNode([[2.0, 0.0], [1.0, 4.0]]), TensorNode([[2.0], [9.0]])
        >>> print(gradcore.linalg.solve_triangular(a, b, upper=False).value)
        [[1.]
         [2.]]
    """
    if not left:
        return solve_triangular(a.mT, b.mT, upper=not upper, unitriangular=unitriangular).mT
    return ops.SolveTriangular.apply(a, b, upper=upper, unitriangular=unitriangular)


def cholesky_solve(b: NodeOrArray, l: NodeOrArray, /, *, upper: bool = False) -> NodeOrArray:  # noqa: E741
    """Find the x with a @ x = b, for b (..., M, K), where a = l @ l^H, as `cholesky` gives the
    lower triangle l; with `upper`, a = l^H @ l.

    Example:
        >>> l = gradcore.linalg.cholesky(TensorNode([[4.0, 0.0], [0.0, 2.0]]))
        >>> print(gradcore.linalg.cholesky_solve(TensorNode([[8.0], [6.0]]), l).value.round(3))
        [[2.]
         [3.]]
    """
    l = adjoint(l) if upper else l  # noqa: E741
    y = solve_triangular(l, b, upper=False)
    return solve_triangular(adjoint(l), y, upper=True)


def cholesky_inverse(l: NodeOrArray, /, *, upper: bool = False) -> NodeOrArray:  # noqa: E741
    """Invert a = l @ l^H, of which `cholesky` gave the lower triangle l (..., M, M); with `upper`,
    a = l^H @ l.

    Raises:
        ValueError: the matrices are not square.

    Example:
        >>> l = gradcore.linalg.cholesky(TensorNode([[4.0, 0.0], [0.0, 2.0]]))
        >>> print(gradcore.linalg.cholesky_inverse(l).value.round(3))
        [[0.25 0.  ]
         [0.   0.5 ]]
    """
    check_square("cholesky_inverse", l)
    raw = value_of(l)
    eye = namespace(raw).eye(raw.shape[-1], dtype=raw.dtype, device=raw.device)
    return cholesky_solve(eye, l, upper=upper)


def lu(a: NodeOrArray, /, *, pivot: bool = True) -> LUResult:
    """Factor each matrix (..., M, N) into P @ L @ U: P (..., M, M) puts rows in another order, L
    (..., M, K) has ones in the diagonal and zeros above, and U (..., K, N) zeros below, where
    K = min(M, N). The gradient of a singular matrix is what `solve_triangular` makes of its U.

    Args:
        pivot: with False, rows keep their order; it takes matrices whose leading parts are regular.

    Example:
        >>> a = TensorNode([[0.0, 2.0], [4.0, 1.0]])
        >>> p, l, u = gradcore.linalg.lu(a)
        >>> print((p @ l @ u).value)
        [[0. 2.]
         [4. 1.]]
        >>> print(u.value)
        [[4. 1.]
         [0. 2.]]
    """
    found = _factors("lu", a, pivot)
    lower, u = ops.LU.apply(a, found=found)
    raw = found[1]
    lib = namespace(raw)
    rows = lib.arange(raw.shape[-1], dtype=raw.dtype, device=raw.device)
    p = lib.astype(rows[:, None] == raw[..., None, :], value_of(lower).dtype)
    return LUResult(TensorNode(p, requires_grad=False) if is_node(a) else p, lower, u)


def _factors(name: str, a: NodeOrArray, pivot: bool) -> tuple[Array, ...]:
    check_matrices(name, a)
    raw = value_of(a)
    return backend_of(raw).lu(raw, pivot)


def lu_factor(a: NodeOrArray, /, *, pivot: bool = True) -> LUFactors:
    """Factor each matrix (..., M, N) as `lu` does.

    Returns:
        L, without its diagonal, and U, in one matrix (..., M, N); and with which row, counted from
        1, each row changed places, one after the other (..., K).

    Example:
        >>> lu, pivots = gradcore.linalg.lu_factor(TensorNode([[0.0, 2.0], [4.0, 1.0]]))
        >>> print(lu.value)
        [[4. 1.]
         [0. 2.]]
        >>> print(pivots.value)
        [2 2]
    """
    found = _factors("lu_factor", a, pivot)
    lower, u = ops.LU.apply(a, found=found)
    pivots = found[2] + 1
    (m, k), n = lower.shape[-2:], u.shape[-1]
    raw = value_of(lower)
    xp = namespace(raw)
    lower = tril(lower, k=-1)
    if n > k:
        more = xp.zeros((*raw.shape[:-1], n - k), dtype=raw.dtype, device=raw.device)
        lower = concat([lower, more], axis=-1)
    if m > k:
        shape = (*raw.shape[:-2], m - k, n)
        more = xp.zeros(shape, dtype=raw.dtype, device=raw.device)
        u = concat([u, more], axis=-2)
    pivots = TensorNode(pivots, requires_grad=False) if is_node(a) else pivots
    return LUFactors(lower + u, pivots)


def lu_solve(
    LU: NodeOrArray,
    pivots: NodeOrArray,
    b: NodeOrArray,
    /,
    *,
    left: bool = True,
    adjoint: bool = False,
) -> NodeOrArray:
    """Find the x with a @ x = b, from what `lu_factor` gave of a (..., M, M), for b (..., M, K).

    Args:
        left: with False, find the x with x @ a = b.
        adjoint: solve the equations of a^H in place of a.

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> lu, pivots = gradcore.linalg.lu_factor(TensorNode([[0.0, 2.0], [4.0, 1.0]]))
        >>> print(gradcore.linalg.lu_solve(lu, pivots, TensorNode([[2.0], [9.0]])).value)
        [[2.]
         [1.]]
    """
    if not left:  # x a = b is a^H x^H = b^H
        return _adjoint(lu_solve(LU, pivots, _adjoint(b), adjoint=not adjoint))
    check_square("lu_solve", LU)
    if b.ndim < 2 or b.shape[-2] != LU.shape[-1]:
        found = f"LU {tuple(LU.shape)} and b {tuple(b.shape)}"
        raise ValueError(f"lu_solve: {found} do not fit; expected (..., M, M) and (..., M, K)")
    order = _order(value_of(pivots), LU.shape[-1])
    if adjoint:
        y = solve_triangular(_adjoint(LU), b, upper=False)
        y = solve_triangular(_adjoint(LU), y, upper=True, unitriangular=True)
        return _rows(y, namespace(order).argsort(order, axis=-1))
    y = solve_triangular(LU, _rows(b, order), upper=False, unitriangular=True)
    return solve_triangular(LU, y, upper=True)


_adjoint = adjoint


def _order(pivots: Array, m: int) -> Array:
    """Find which row is where, after rows changed places with the pivots (..., K) one by one."""
    xp = namespace(pivots)
    places = xp.arange(m, dtype=pivots.dtype, device=pivots.device)
    order = xp.broadcast_to(places, (*pivots.shape[:-1], m))
    for k in range(pivots.shape[-1]):
        p = pivots[..., k : k + 1] - 1
        rows = xp.where(places == k, p, xp.where(places == p, k, places))
        order = xp.take_along_axis(order, rows, axis=-1)
    return order


def _rows(x: NodeOrArray, order: Array) -> NodeOrArray:
    """Put the rows of x (..., M, K) in an order (..., M)."""
    return take_along_axis(x, namespace(order).expand_dims(order, axis=-1), axis=-2)


def lstsq(
    a: NodeOrArray, b: NodeOrArray, /, *, rcond: float | NodeOrArray | None = None
) -> LstsqResult:
    """Find the x (..., N, K) with the smallest sum of squares of b - a @ x, and of several the
    smallest x, for a (..., M, N) and b (..., M, K), or a matrix a and a vector b (M,).

    Args:
        rcond: singular values of a up to `rcond` times the largest one count as 0; `None` is
            max(M, N) times the dtype's epsilon.

    Returns:
        x; the sums of squares (..., K), or if M <= N an empty array; the rank of each matrix (...);
        and its singular values. Gradients are those of `pinv`: right where the rank stays.

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> a = TensorNode([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])  # a line through 3 points
        >>> x, residuals, rank, s = gradcore.linalg.lstsq(a, TensorNode([1.0, 3.0, 5.0]))
        >>> print(x.value.round(3), rank.value)
        [1. 2.] 2
    """
    check_matrices("lstsq", a)
    is_vector = b.ndim == 1
    columns = expand_dims(b, axis=-1) if is_vector else b
    if columns.shape[-2] != a.shape[-2]:
        raise ValueError(
            f"lstsq: a {tuple(a.shape)} and b {tuple(b.shape)} do not fit; "
            "expected (..., M, N) and (..., M, K) or (M,)"
        )
    x = matmul(pinv(a, rtol=rcond), columns)
    s = svdvals(a)
    limit = cutoff(value_of(a), value_of(s), None, value_of(rcond))
    rank = count_nonzero(s > limit, axis=-1)
    rest = columns - matmul(a, x)
    sums = reductions.sum(square(elementwise.abs(rest)), axis=-2)
    if a.shape[-2] <= a.shape[-1]:
        sums = reshape(sums, (-1,))[:0]
    x = x[..., 0] if is_vector else x
    return LstsqResult(x, sums, rank, s)


Ord = int | float | str | None


def cond(x: NodeOrArray, /, p: Ord = None) -> NodeOrArray:
    """Divide the largest by the smallest singular value of each matrix (..., M, N); of a singular
    one this is infinite. Or for the norm of another order p, multiply the norms of each matrix and
    its inverse; see `matrix_norm`.

    Raises:
        ValueError: the matrices are empty; or they are not square, and p is given.

    Example:
        >>> print(gradcore.linalg.cond(TensorNode([[10.0, 0.0], [0.0, 2.0]])).value.round(3))
        5.0
    """
    check_matrices("cond", x)
    if p not in (None, 2, -2):
        check_square("cond", x)
        return matrix_norm(x, ord=p) * matrix_norm(inv(x), ord=p)
    s = svdvals(x)
    if not s.shape[-1]:  # as NumPy and PyTorch: of no elements there is none
        raise ValueError(f"cond: x {tuple(x.shape)} has no singular values")
    most, least = reductions.max(s, axis=-1), reductions.min(s, axis=-1)
    if p == -2:
        return least / most
    raw = value_of(least)
    is_singular = raw == 0
    regular = most / where(is_singular, 1.0, least)
    return where(is_singular, math.inf, regular)


def tensorsolve(a: NodeOrArray, b: NodeOrArray, /, axes: Any = None) -> NodeOrArray:
    """Find the x with tensordot(a, x, x.ndim) = b.

    Args:
        axes: axes of a to be moved to the end first.

    Raises:
        ValueError: the shapes do not fit, or the matrix is singular.

    Example:
        >>> a, b = TensorNode(2.0 * np.eye(6).reshape(2, 3, 6)), TensorNode(np.ones((2, 3)))
        >>> print(gradcore.linalg.tensorsolve(a, b).value)
        [0.5 0.5 0.5 0.5 0.5 0.5]
    """
    if axes is not None:
        gone = [k % a.ndim for k in axes]
        a = permute_dims(a, (*[k for k in range(a.ndim) if k not in gone], *gone))
    shape = tuple(a.shape[b.ndim :])
    a = reshape(a, (math.prod(b.shape), math.prod(shape)))
    return reshape(solve(a, reshape(b, (-1,))), shape)


def tensorinv(a: NodeOrArray, /, ind: int = 2) -> NodeOrArray:
    """Invert a as a matrix, whose rows are the first `ind` axes.

    Raises:
        ValueError: `ind` is not positive, or the matrix is not square, or singular.

    Example:
        >>> a = TensorNode(2.0 * np.eye(6).reshape(2, 3, 6))
        >>> gradcore.linalg.tensorinv(a).shape
        (6, 2, 3)
    """
    if ind < 1:
        raise ValueError(f"tensorinv: ind = {ind}, expected 1 or more")
    left, right = tuple(a.shape[:ind]), tuple(a.shape[ind:])
    inverse = inv(reshape(a, (math.prod(left), math.prod(right))))
    return reshape(inverse, (*right, *left))
