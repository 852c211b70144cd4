"""NumPy's `linalg`: equations, decompositions, norms and products."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from .. import array_api as xp
from ..engine.arrays import value_of
from . import products
from .common import (
    NOTHING,
    arrays_of,
    filled,
    floats,
    numpy_dtype,
    promoted,
)
from .manipulation import matrix_transpose

__all__ = [
    "LinAlgError",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "trace",
    "vecdot",
    "vector_norm",
]

matmul, tensordot, vecdot = products.matmul, products.tensordot, products.vecdot


def _matrices(a: Any) -> Any:
    """Make an array of floating numbers."""
    return floats(arrays_of(a)[0])


def _symmetric(name: str, a: Any, UPLO: str) -> Any:
    """Fill the other triangle by the one that UPLO names."""
    x = _matrices(a)
    if UPLO.upper() not in ("L", "U"):
        raise ValueError(f"{name}: UPLO = {UPLO!r}, expected 'L' or 'U'")
    part, rest = (
        (xp.tril(x), xp.tril(x, k=-1)) if UPLO.upper() == "L" else (xp.triu(x), xp.triu(x, k=1))
    )
    return part + xp.conj(matrix_transpose(rest))


def inv(a: Any) -> Any:
    """Invert each matrix (..., M, M).

    Example:
        >>> print(np.linalg.inv([[2.0, 0.0], [0.0, 4.0]]).tolist())
        [[0.5, 0.0], [0.0, 0.25]]
    """
    return xp.linalg.inv(_matrices(a))


def det(a: Any) -> Any:
    """Compute the determinant (...) of each matrix (..., M, M).

    Example:
        >>> x = np.array([[1.0, 2.0], [3.0, 5.0]])
        >>> print(np.linalg.det(x).round(6), gradcore.grad(np.linalg.det)(x).round(6).tolist())
        -1.0 [[5.0, -3.0], [-2.0, 1.0]]
    """
    return xp.linalg.det(_matrices(a))


def slogdet(a: Any) -> Any:
    """Compute the sign, without a gradient, and the logarithm of the absolute value of each
    determinant.

    Example:
        >>> sign, logarithm = np.linalg.slogdet([[0.0, 2.0], [3.0, 0.0]])
        >>> print(sign, np.exp(logarithm).round(6))
        -1.0 6.0
    """
    return xp.linalg.slogdet(_matrices(a))


def solve(a: Any, b: Any) -> Any:
    """Find the x with a @ x = b, where b is a vector (M,), or matrices (..., M, K).

    Example:
        >>> a, b = np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([2.0, 8.0])
        >>> print(np.linalg.solve(a, b))
        [1. 2.]
        >>> print(gradcore.grad(lambda b: np.sum(np.linalg.solve(a, b)))(b))
        [0.5  0.25]
    """
    a, b = promoted(*map(floats, arrays_of(a, b)))
    return xp.linalg.solve(a, b)


def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """Factor each symmetric, positive definite matrix into L @ L^T, of which L is given.

    Example:
        >>> print(np.linalg.cholesky([[4.0, 2.0], [2.0, 5.0]]).tolist())
        [[2.0, 0.0], [1.0, 2.0]]
    """
    return xp.linalg.cholesky(_matrices(a), upper=upper)


def qr(a: Any, mode: str = "reduced") -> Any:
    """Factor each matrix (..., M, N) into Q @ R; with the mode "r", give R.

    Example:
        >>> q, r = np.linalg.qr([[3.0, 1.0], [4.0, 2.0]])
        >>> print((q @ r).round(6).tolist(), abs(r).round(6).tolist())
        [[3.0, 1.0], [4.0, 2.0]] [[5.0, 2.2], [0.0, 0.4]]
    """
    if mode == "r":
        return xp.linalg.qr(_matrices(a)).R
    return xp.linalg.qr(_matrices(a), mode=mode)


def svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """Factor each matrix (..., M, N) into U @ diag(S) @ Vh, where S is descending; without
    `compute_uv`, give S.

    Example:
        >>> u, s, vh = np.linalg.svd(np.array([[3.0, 0.0], [0.0, -4.0]]))
        >>> print(s, (u * s @ vh).round(6).tolist())
        [4. 3.] [[3.0, 0.0], [0.0, -4.0]]
    """
    if not compute_uv:
        return xp.linalg.svdvals(_matrices(a))
    return xp.linalg.svd(_matrices(a), full_matrices=full_matrices)


def svdvals(x: Any, /) -> Any:
    """Compute the singular values of each matrix, descending.

    Example:
        >>> print(np.linalg.svdvals([[3.0, 0.0], [0.0, -4.0]]))
        [4. 3.]
    """
    return xp.linalg.svdvals(_matrices(x))


def eigh(a: Any, UPLO: str = "L") -> Any:
    """Compute the eigenvalues, ascending, and the eigenvectors, in columns, of each symmetric
    matrix, of which the triangle UPLO counts.

    Example:
        >>> values, vectors = np.linalg.eigh([[2.0, 1.0], [1.0, 2.0]])
        >>> print(values.round(6), np.abs(vectors).round(3).tolist())
        [1. 3.] [[0.707, 0.707], [0.707, 0.707]]
    """
    return xp.linalg.eigh(_symmetric("eigh", a, UPLO))


def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """Compute the eigenvalues, ascending, of each symmetric matrix; see `eigh`.

    Example:
        >>> x = np.array([[2.0, 0.0], [0.0, 3.0]])
        >>> print(np.linalg.eigvalsh(x))
        [2. 3.]
        >>> print(gradcore.grad(lambda x: np.linalg.eigvalsh(x)[-1])(x).tolist())
        [[0.0, 0.0], [0.0, 1.0]]
    """
    return xp.linalg.eigvalsh(_symmetric("eigvalsh", a, UPLO))


def eig(a: Any) -> Any:
    """Compute the eigenvalues and eigenvectors, in columns, of each matrix (..., M, M). They are
    complex, also where NumPy finds that all are real, and makes them so.

    Example:
        >>> values, vectors = np.linalg.eig([[0.0, -1.0], [1.0, 0.0]])
        >>> print(np.sort(np.imag(values)).round(6))
        [-1.  1.]
    """
    return xp.linalg.eig(_matrices(a))


def eigvals(a: Any) -> Any:
    """Compute the eigenvalues of each matrix (..., M, M), as complex numbers; see `eig`.

    Example:
        >>> print(np.sort(np.real(np.linalg.eigvals([[2.0, 1.0], [0.0, 3.0]]))))
        [2. 3.]
    """
    return xp.linalg.eigvals(_matrices(a))


def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = NOTHING) -> Any:
    """Compute the Moore-Penrose inverse of each matrix. Singular values up to `rtol` (or `rcond`,
    which is 1e-15) times the largest count as 0.

    Example:
        >>> print(np.linalg.pinv([[1.0, 1.0], [1.0, 1.0]]).round(3).tolist())
        [[0.25, 0.25], [0.25, 0.25]]
    """
    limit = (1e-15 if rcond is None else rcond) if rtol is NOTHING else rtol
    return xp.linalg.pinv(_matrices(a), rtol=limit)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Compute the norm of vectors or matrices.

    Example:
        >>> x = np.array([3.0, 4.0])
        >>> print(np.linalg.norm(x), gradcore.grad(np.linalg.norm)(x))
        5.0 [0.6 0.8]
    """
    return xp.linalg.norm(_matrices(x), ord, axis, keepdims)


def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """Compute the norm of vectors.

    Example:
        >>> print(np.linalg.vector_norm([[3.0, 4.0], [6.0, 8.0]], axis=1))
        [ 5. 10.]
    """
    return xp.linalg.vector_norm(_matrices(x), axis=axis, keepdims=keepdims, ord=ord)


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """Compute the norm of matrices.

    Example:
        >>> print(np.linalg.matrix_norm([[3.0, 0.0], [0.0, 4.0]]))
        5.0
    """
    return xp.linalg.matrix_norm(_matrices(x), keepdims=keepdims, ord=ord)


def matrix_power(a: Any, n: int) -> Any:
    """Multiply each matrix by itself, n times in all; for n < 0, its inverse.

    Example:
        >>> print(np.linalg.matrix_power([[1.0, 1.0], [0.0, 1.0]], 3).tolist())
        [[1.0, 3.0], [0.0, 1.0]]
    """
    return xp.linalg.matrix_power(arrays_of(a)[0] if n >= 0 else _matrices(a), n)


def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """Count the singular values that are larger than `tol`, or than `rtol` times the largest.

    Example:
        >>> print(np.linalg.matrix_rank([[1.0, 2.0], [2.0, 4.0]]))
        1
    """
    x = _matrices(A)
    if x.ndim < 2:
        return int(bool(xp.any(value_of(x) != 0)))
    if tol is None:
        return xp.linalg.matrix_rank(x, rtol=rtol)
    return xp.linalg.matrix_rank(x, atol=tol, rtol=0.0)


def cond(x: Any, p: Any = None) -> Any:
    """Divide the largest by the smallest singular value; or multiply the norms, of order p, of each
    matrix and its inverse.

    Example:
        >>> print(np.linalg.cond([[4.0, 0.0], [0.0, 2.0]]))
        2.0
    """
    return xp.linalg.cond(_matrices(x), p)


def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """Find the x with the smallest sum of squares of b - a @ x; and these sums, the rank of a, and
    its singular values.

    The sums are an empty array where NumPy's are: if a (M, N) has M <= N or a smaller rank than N.

    Example:
        >>> a, b = [[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]], [1.0, 3.0, 5.0]
        >>> x, sums, rank, singular = np.linalg.lstsq(a, b)
        >>> print(x.round(3), rank)  # the line 2 t + 1
        [2. 1.] 2
    """
    a, b = promoted(*map(floats, arrays_of(a, b)))
    (m, n), eps = a.shape, float(np.finfo(numpy_dtype(a.dtype)).eps)
    found = xp.linalg.lstsq(a, b, rcond=eps if rcond == -1 else rcond)
    rank, sums = int(found.rank), found.residuals
    if rank < n or m <= n:
        return found.solution, value_of(found.singular_values)[:0], rank, found.singular_values
    return found.solution, sums, rank, found.singular_values


def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    """Multiply matrices, of which the first and the last may be vectors, in the order that takes
    least.

    Example:
        >>> a, b, c = np.ones((2, 10)), np.ones((10, 3)), np.ones((3, 4))
        >>> print(np.linalg.multi_dot([a, b, c]).shape)
        (2, 4)
    """
    return filled("multi_dot", out, xp.linalg.multi_dot(promoted(*arrays_of(*arrays))))


def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """Find the x with tensordot(a, x, x.ndim) = b.

    Example:
        >>> a = np.reshape(2.0 * np.eye(4), (4, 2, 2))
        >>> print(np.linalg.tensorsolve(a, np.arange(4.0)).tolist())
        [[0.0, 0.5], [1.0, 1.5]]
    """
    a, b = promoted(*map(floats, arrays_of(a, b)))
    return xp.linalg.tensorsolve(a, b, axes=axes)


def tensorinv(a: Any, ind: int = 2) -> Any:
    """Invert a as a matrix, whose rows are the first `ind` axes.

    Example:
        >>> x = np.linalg.tensorinv(np.reshape(np.eye(6) * 2.0, (2, 3, 6)), ind=2)
        >>> print(x.shape, np.sum(x))
        (6, 2, 3) 3.0
    """
    return xp.linalg.tensorinv(_matrices(a), ind)


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Compute the cross product of vectors of 3 elements.

    Example:
        >>> print(np.linalg.cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]))
        [0. 0. 1.]
    """
    return products.cross(x1, x2, axis=axis)


def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """Take the diagonal of each matrix, of the last two axes.

    Example:
        >>> print(np.linalg.diagonal([[1.0, 2.0], [3.0, 4.0]], offset=1))
        [2.]
    """
    return xp.linalg.diagonal(arrays_of(x)[0], offset=offset)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """Sum the diagonal of each matrix, of the last two axes.

    Example:
        >>> print(np.linalg.trace([[1.0, 2.0], [3.0, 4.0]]))
        5.0
    """
    return products.trace(x, offset, -2, -1, dtype)


def outer(x1: Any, x2: Any, /) -> Any:
    """Multiply each element of a vector by each of another.

    Example:
        >>> print(np.linalg.outer([1.0, 2.0], [3.0, 4.0]).tolist())
        [[3.0, 4.0], [6.0, 8.0]]
    """
    return xp.linalg.outer(*promoted(*arrays_of(x1, x2)))


def __dir__() -> list[str]:
    return __all__
