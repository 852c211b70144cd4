"""The functions of the standard's extension, and NumPy's `norm`; see the package."""

from __future__ import annotations

import math
from typing import NamedTuple

from ... import ops
from ...backends import backend_of
from ...backends.types import DType
from ...engine.arrays import (
    integers,
    is_complex,
    is_integer,
    is_node,
    value_of,
    widened,
)
from ...graph import TensorNode
from ...ops.decompositions import adjoint, check_matrices, check_square, decomposed
from ...ops.linalg import cutoff
from .. import elementwise, reductions
from ..common import Axis, NodeOrArray, axes_from_front
from ..constant import count_nonzero, zeros_like
from ..elementwise import where
from ..manipulation import (
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
from ..products import matmul, tensordot, vecdot
from ..views import view

__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
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


class EigResult(NamedTuple):
    eigenvalues: NodeOrArray
    eigenvectors: NodeOrArray


class EighResult(NamedTuple):
    eigenvalues: NodeOrArray
    eigenvectors: NodeOrArray


class QRResult(NamedTuple):
    Q: NodeOrArray
    R: NodeOrArray


class SlogdetResult(NamedTuple):
    sign: NodeOrArray
    logabsdet: NodeOrArray


class SVDResult(NamedTuple):
    U: NodeOrArray
    S: NodeOrArray
    Vh: NodeOrArray


# -- Systems of equations ---------------------------------------------------------------------


def inv(x: NodeOrArray, /) -> NodeOrArray:
    """Invert each matrix (..., M, M).

    Raises:
        ValueError: the matrices are not square, or one is singular.

    Example:
        >>> a = TensorNode([[2.0, 0.0], [1.0, 4.0]])
        >>> print(gradcore.linalg.inv(a).value)
        [[ 0.5    0.   ]
         [-0.125  0.25 ]]
    """
    return ops.Inverse.apply(x)


def det(x: NodeOrArray, /) -> NodeOrArray:
    """Compute the determinant (...) of each matrix (..., M, M).

    Raises:
        ValueError: the matrices are not square.

    Example:
        >>> a = TensorNode([[1.0, 2.0], [3.0, 4.0]])
        >>> d = gradcore.linalg.det(a)
        >>> d.backward()  # to the cofactors
        >>> print(d.value.round(3))
        -2.0
        >>> print(a.grad.round(3))
        [[ 4. -3.]
         [-2.  1.]]
    """
    return ops.Determinant.apply(x)


def solve(x1: NodeOrArray, x2: NodeOrArray, /) -> NodeOrArray:
    """Find the x with x1 @ x = x2, where x1 is (..., M, M), and x2 (..., M, K) or a vector (M,).

    Raises:
        ValueError: the shapes do not fit, or a matrix is singular.

    Example:
        >>> a, b = TensorNode([[2.0, 0.0], [1.0, 4.0]]), TensorNode([2.0, 9.0])
        >>> print(gradcore.linalg.solve(a, b).value)
        [1. 2.]
    """
    return ops.Solve.apply(x1, x2)


def slogdet(x: NodeOrArray, /) -> SlogdetResult:
    """Compute the sign of each determinant, and the logarithm of its absolute value. The sign of
    real numbers has no gradient; that of complex ones is d / |d|. For a singular matrix they are 0
    and -inf, with NaN as the gradient if the loss depends on it.

    Raises:
        ValueError: the matrices are not square.

    Example:
        >>> sign, logarithm = gradcore.linalg.slogdet(TensorNode([[0.0, 2.0], [3.0, 0.0]]))
        >>> print(sign.value, logarithm.value.round(3))
        -1.0 1.792
    """
    return SlogdetResult(*ops.LogDeterminant.apply(x))


def pinv(
    x: NodeOrArray,
    /,
    *,
    atol: float | NodeOrArray | None = None,
    rtol: float | NodeOrArray | None = None,
    hermitian: bool = False,
) -> NodeOrArray:
    """Compute the Moore-Penrose inverse (..., N, M) of each matrix (..., M, N).

    Args:
        atol, rtol: singular values up to `atol`, or up to `rtol` times the largest one, count as 0;
            numbers, or an array (...). Of `rtol`, `None` is the op's choice, and 0 if `atol` is
            given and not 0.
        hermitian: compute it of the symmetric, or Hermitian, part of square matrices.

    Raises:
        ValueError: x is no matrix.

    Example:
        >>> a = TensorNode([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
        >>> print(gradcore.linalg.pinv(a).value.round(3))
        [[1.  0.  0. ]
         [0.  0.5 0. ]]
    """
    if hermitian:
        check_square("pinv", x)
        x = (x + adjoint(x)) * 0.5
    return ops.PseudoInverse.apply(x, rtol=value_of(rtol), atol=value_of(atol))


def matrix_power(x: NodeOrArray, n: int, /) -> NodeOrArray:
    """Multiply each matrix (..., M, M) by itself: x @ x @ ..., n times; for n < 0, its inverse.

    Raises:
        TypeError: n is not an integer.
        ValueError: the matrices are not square.

    Example:
        >>> a = TensorNode([[1.0, 1.0], [0.0, 1.0]])
        >>> print(gradcore.linalg.matrix_power(a, 5).value)
        [[1. 5.]
         [0. 1.]]
    """
    check_square("matrix_power", x)
    if not is_integer(n):
        raise TypeError(f"matrix_power: n must be an integer, not {type(n).__name__}")
    if n == 0:
        eye = zeros_like(x) + 1.0
        return tril(triu(eye))
    result = x = inv(x) if n < 0 else x
    for bit in f"{abs(n):b}"[1:]:  # so far: x to the power of the first digits of n
        result = matmul(result, result)
        result = matmul(result, x) if bit == "1" else result
    return result


# -- Decompositions ---------------------------------------------------------------------------


def eig(x: NodeOrArray, /) -> EigResult:
    """Compute the eigenvalues (..., M), in no order, and the eigenvectors (..., M, M), in columns,
    of each matrix (..., M, M), as complex numbers, on the host.

    Each eigenvector has length 1, and its largest element is real, also after a change of x: so a
    gradient takes it. Eigenvectors of equal eigenvalues have no derivative, nor has the phase of a
    vector of which two elements are the largest: gradients are NaN if they are used.

    Raises:
        ValueError: the matrices are not square.

    Example:
        >>> a = TensorNode([[0.0, -1.0], [1.0, 0.0]])  # a quarter turn
        >>> values, vectors = gradcore.linalg.eig(a)
        >>> print(np.sort(values.value.imag), vectors.shape)
        [-1.  1.] (2, 2)
    """
    return EigResult(*ops.Eig.apply(widened(x)))


def eigvals(x: NodeOrArray, /) -> NodeOrArray:
    """Compute the eigenvalues (..., M), in no order, of each matrix (..., M, M), on the host, as
    complex numbers. Gradients need the eigenvectors too: then this takes as long as `eig`.

    Raises:
        ValueError: the matrices are not square.

    Example:
        >>> a = TensorNode([[2.0, 7.0], [0.0, 3.0]])
        >>> print(np.sort(gradcore.linalg.eigvals(a).value.real))
        [2. 3.]
    """
    check_square("eigvals", x)
    if is_node(x) and x.requires_grad:
        return eig(x).eigenvalues
    raw = widened(value_of(x))
    (w,) = decomposed(backend_of(raw).eigvals, raw)
    return TensorNode(w, requires_grad=False) if is_node(x) else w


def eigvalsh(x: NodeOrArray, /) -> NodeOrArray:
    """Compute the eigenvalues (..., M), ascending, of the symmetric part of each (..., M, M).

    Raises:
        ValueError: the matrices are not square.

    Example:
        >>> print(gradcore.linalg.eigvalsh(TensorNode([[2.0, 1.0], [1.0, 2.0]])).value.round(3))
        [1. 3.]
    """
    return ops.Eigvalsh.apply(x)


def svdvals(x: NodeOrArray, /) -> NodeOrArray:
    """Compute the singular values (..., min(M, N)), descending, of each matrix (..., M, N).

    Raises:
        ValueError: x is no matrix.

    Example:
        >>> print(gradcore.linalg.svdvals(TensorNode([[0.0, 3.0], [2.0, 0.0]])).value.round(3))
        [3. 2.]
    """
    return ops.Svdvals.apply(x)


def cholesky(x: NodeOrArray, /, *, upper: bool = False) -> NodeOrArray:
    """Factor the symmetric part of each matrix (..., M, M) into L @ L^T, with L lower triangular.
    The result is L, or with `upper` L^T. Of complex matrices, read Hermitian part, and L^H.

    Raises:
        ValueError: the matrices are not square, or one is not positive definite.

    Example:
        >>> a = TensorNode([[4.0, 2.0], [2.0, 5.0]])
        >>> print(gradcore.linalg.cholesky(a).value)
        [[2. 0.]
         [1. 2.]]
    """
    y = ops.Cholesky.apply(x)
    return adjoint(y) if upper else y


def eigh(x: NodeOrArray, /) -> EighResult:
    """Compute the eigenvalues (..., M), ascending, and the eigenvectors (..., M, M), in columns, of
    the symmetric part of each matrix.

    Eigenvectors of equal eigenvalues have no derivative: gradients are NaN if they are used. Other
    eigenvectors, and eigenvalues alone, have gradients all the same.

    Raises:
        ValueError: the matrices are not square.

    Example:
        >>> values, vectors = gradcore.linalg.eigh(TensorNode([[2.0, 1.0], [1.0, 2.0]]))
        >>> print(values.value.round(3))
        [1. 3.]
        >>> print(abs(vectors.value).round(3))
        [[0.707 0.707]
         [0.707 0.707]]
    """
    return EighResult(*ops.Eigh.apply(x))


def qr(x: NodeOrArray, /, *, mode: str = "reduced") -> QRResult:
    """Factor each matrix (..., M, N) into Q @ R: Q has orthonormal columns, R is upper triangular.

    Args:
        mode: "reduced": Q is (..., M, K) and R (..., K, N), where K = min(M, N); "complete": Q is
            (..., M, M) and R (..., M, N), and Q has no gradient if M > N.

    Raises:
        ValueError: there is no such mode, or x is no matrix.

    Example:
        >>> q, r = gradcore.linalg.qr(TensorNode([[3.0, 1.0], [4.0, 2.0]]))
        >>> print((q @ r).value.round(3))
        [[3. 1.]
         [4. 2.]]
        >>> print(abs(r.value).round(3))
        [[5.  2.2]
         [0.  0.4]]
    """
    if mode not in ("reduced", "complete"):
        raise ValueError(f"qr: mode is {mode!r}, expected 'reduced' or 'complete'")
    check_matrices("qr", x)
    m, n = x.shape[-2:]
    if m >= n:
        return QRResult(*ops.QR.apply(x, complete=mode == "complete"))
    # The first M columns of x determine Q.
    q, r = ops.QR.apply(x[..., :, :m])
    return QRResult(q, concat([r, matmul(adjoint(q), x[..., :, m:])], axis=-1))


def svd(x: NodeOrArray, /, *, full_matrices: bool = True) -> SVDResult:
    """Factor each matrix (..., M, N) into U @ diag(S) @ Vh, where S is descending.

    Vectors of equal singular values, or of 0, have no derivative: gradients are NaN if they are
    used. Other vectors, and singular values alone, have gradients all the same.

    Args:
        full_matrices: make U (..., M, M) and Vh (..., N, N), which have no gradient unless M is N,
            while S has; otherwise (..., M, K) and (..., K, N), where K = min(M, N).

    Raises:
        ValueError: x is no matrix.

    Example:
        >>> u, s, vh = gradcore.linalg.svd(TensorNode([[0.0], [3.0]]), full_matrices=False)
        >>> print(u.shape, s.value, vh.shape)
        (2, 1) [3.] (1, 1)
    """
    return SVDResult(*ops.SVD.apply(x, full_matrices=full_matrices))


def matrix_rank(
    x: NodeOrArray,
    /,
    *,
    atol: float | NodeOrArray | None = None,
    rtol: float | NodeOrArray | None = None,
) -> NodeOrArray:
    """Count the singular values of each matrix (..., M, N) that are larger than `rtol` times the
    largest one, and than `atol`. Of `rtol`, `None` is max(M, N) times the dtype's epsilon, and 0 if
    `atol` is given and not 0. No gradient flows through.

    Raises:
        ValueError: x is no matrix.

    Example:
        >>> print(gradcore.linalg.matrix_rank(TensorNode([[1.0, 2.0], [2.0, 4.0]])).value)
        1
    """
    check_matrices("matrix_rank", x)
    s = svdvals(x)
    limit = cutoff(value_of(x), value_of(s), value_of(atol), value_of(rtol))
    return count_nonzero(s > limit, axis=-1)


# -- Products and parts -----------------------------------------------------------------------


def cross(x1: NodeOrArray, x2: NodeOrArray, /, *, axis: int = -1) -> NodeOrArray:
    """Compute the cross product of vectors of 3 elements, along `axis`, a negative number.

    Raises:
        ValueError: there are not 3 elements in both along the axis.

    Example:
        >>> x, y = TensorNode([1.0, 0.0, 0.0]), TensorNode([0.0, 1.0, 0.0])
        >>> print(gradcore.linalg.cross(x, y).value)
        [0. 0. 1.]
    """
    if not -min(x1.ndim, x2.ndim) <= axis < 0 or (x1.shape[axis], x2.shape[axis]) != (3, 3):
        raise ValueError(
            f"cross: {tuple(x1.shape)} and {tuple(x2.shape)} along axis {axis}; "
            "expected 3 elements in both, along a negative axis"
        )
    next1, next2 = (roll(x, -1, axis=axis) for x in (x1, x2))
    last1, last2 = (roll(x, 1, axis=axis) for x in (x1, x2))
    return next1 * last2 - last1 * next2


def diagonal(x: NodeOrArray, /, *, offset: int = 0) -> NodeOrArray:
    """Take the diagonal of each matrix (..., M, N). With a positive offset it is a diagonal above
    the main one, with a negative offset one below. What is assigned to the diagonal of a node is
    assigned to the node, as in PyTorch; NumPy's can't be assigned to.

    Raises:
        ValueError: x is no matrix.

    Example:
        >>> a = TensorNode([[1.0, 2.0], [3.0, 4.0]])
        >>> print(gradcore.linalg.diagonal(a).value, gradcore.linalg.diagonal(a, offset=1).value)
        [1. 4.] [2.]
    """
    check_matrices("diagonal", x)
    m, n = x.shape[-2:]
    start = offset if offset >= 0 else -offset * n
    size = max(min(m, n - offset) if offset >= 0 else min(m + offset, n), 0)
    stop = start + (size - 1) * (n + 1) + 1
    flat = view(ops.Reshape, x, shape=(*x.shape[:-2], m * n))
    return flat[..., start : stop : n + 1] if size else flat[..., :0]


def trace(x: NodeOrArray, /, *, offset: int = 0, dtype: DType | None = None) -> NodeOrArray:
    """Sum the diagonal of each matrix; for `offset` see `diagonal`.

    Raises:
        ValueError: x is no matrix.

    Example:
        >>> print(gradcore.linalg.trace(TensorNode([[1.0, 2.0], [3.0, 4.0]])).value)
        5.0
    """
    return reductions.sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def outer(x1: NodeOrArray, x2: NodeOrArray, /) -> NodeOrArray:
    """Multiply each element of x1 (N,) by each of x2 (M,): (N, M).

    Raises:
        ValueError: one is no vector.

    Example:
        >>> print(gradcore.outer(TensorNode([1.0, 2.0]), TensorNode([1.0, 10.0, 100.0])).value)
        [[  1.  10. 100.]
         [  2.  20. 200.]]
    """
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(
            f"outer: {tuple(x1.shape)} and {tuple(x2.shape)}; expected two vectors (N,) and (M,)"
        )
    return expand_dims(x1, axis=1) * x2


# -- Norms ------------------------------------------------------------------------------------


def vector_norm(
    x: NodeOrArray,
    /,
    *,
    axis: Axis = None,
    keepdims: bool = False,
    ord: Ord = 2,  # noqa: A002
) -> NodeOrArray:
    """Compute the norm of all elements, or along `axis`. Several axes count as one vector.

    The gradient of an element that is 0 is 0, also in a vector of zeros. There the second
    derivative is NaN, also that of the norm's square: use `vecdot(x, x)`. As in NumPy and PyTorch,
    powers of elements may be too large or too small for the dtype: of numbers around 1e-30 in
    float32 the norm is 0, and of 1e30 infinite. 16-bit numbers are safe: their powers are float32.

    Args:
        ord: p, for the p-th root of the sum of |x|^p; `inf`, the largest |x|, which is 0 of no
            elements; `-inf`, the smallest |x|; 0, the number of elements that are not 0, which has
            no gradient.

    Raises:
        ValueError: `ord` is not a number.

    Example:
        >>> x = TensorNode([[3.0, 4.0], [6.0, 8.0]])
        >>> print(gradcore.linalg.vector_norm(x, axis=1).value)
        [ 5. 10.]
        >>> print(gradcore.linalg.vector_norm(x, ord=1).value)
        21.0
    """
    if not isinstance(ord, int | float):
        raise ValueError(f"vector_norm: ord is {ord!r}, expected a number; see matrix_norm")
    if is_complex(x):
        if ord == 2:  # not of |x|, which has no second derivative at 0
            return ops.Norm.apply(x, axis=axis, keepdims=keepdims)
        x = elementwise.abs(x)
    y = _norm_of_real(widened(x), axis, keepdims, ord)  # squares of 16 bits overflow
    return astype(y, x.dtype, copy=False)


def _norm_of_real(x: NodeOrArray, axis: Axis, keepdims: bool, ord: float) -> NodeOrArray:  # noqa: A002
    """Compute `vector_norm` in the dtype of x, which is real."""
    if ord == 0:
        return reductions.sum(astype(x != 0, x.dtype), axis=axis, keepdims=keepdims)
    if ord == 2:
        return ops.Norm.apply(x, axis=axis, keepdims=keepdims)
    size = elementwise.abs(x)
    if ord == 1:
        return reductions.sum(size, axis=axis, keepdims=keepdims)
    if ord == math.inf:
        return _largest(size, axis, keepdims)
    if ord == -math.inf:
        return reductions.min(size, axis=axis, keepdims=keepdims)
    if ord > 1:
        powers = size**ord
    else:  # take no power of 0, whose derivative is infinite
        powers = where(x == 0, 0.0 if ord > 0 else math.inf, where(x == 0, 1.0, size) ** ord)
    total = reductions.sum(powers, axis=axis, keepdims=keepdims)
    of_zeros = ops.Norm.apply(x, axis=axis, keepdims=keepdims)  # has the derivatives at a kink
    return where(total == 0, of_zeros, where(total == 0, 1.0, total) ** (1 / ord))


def _largest(sizes: NodeOrArray, axis: Axis, keepdims: bool = False) -> NodeOrArray:
    """Find the largest of numbers that are not negative, which is 0 where there are none."""
    axes = range(sizes.ndim) if axis is None else axes_from_front("vector_norm", axis, sizes.ndim)
    is_empty = 0 in [sizes.shape[a] for a in axes]
    return (reductions.sum if is_empty else reductions.max)(sizes, axis=axis, keepdims=keepdims)


def matrix_norm(x: NodeOrArray, /, *, keepdims: bool = False, ord: Ord = "fro") -> NodeOrArray:  # noqa: A002
    """Compute the norm (...) of each matrix (..., M, N).

    The gradient of a matrix of zeros is 0, and so is the gradient of a singular value that is 0.

    Args:
        ord: 'fro' or `None`, the root of the sum of squares; 'nuc', the sum of the singular values;
            2 and -2, the largest and the smallest singular value; 1 and -1, the largest and the
            smallest sum of absolute values in a column; inf and -inf, the same in a row.

    Raises:
        ValueError: there is no such order, or x is no matrix.

    Example:
        >>> a = TensorNode([[3.0, 0.0], [0.0, 4.0]])
        >>> print(gradcore.linalg.matrix_norm(a).value, gradcore.linalg.matrix_norm(a, ord=2).value)
        5.0 4.0
    """
    check_matrices("matrix_norm", x)
    if ord in ("fro", None):
        return vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord in ("nuc", 2, -2):
        p = {"nuc": 1, 2: math.inf, -2: -math.inf}[ord]
        y = vector_norm(svdvals(x), axis=-1, ord=p)
    elif ord in (1, -1, math.inf, -math.inf):
        y = vector_norm(x, axis=-2 if ord in (1, -1) else -1, ord=1)
        y = _largest(y, -1) if ord > 0 else reductions.min(y, axis=-1)
    else:
        raise ValueError(
            f"matrix_norm: ord is {ord!r}, expected 'fro', 'nuc', 1, -1, 2, -2, inf or -inf"
        )
    return expand_dims(y, axis=(-2, -1)) if keepdims else y


def norm(
    x: NodeOrArray,
    /,
    ord: Ord = None,  # noqa: A002
    axis: Axis = None,
    keepdims: bool = False,
) -> NodeOrArray:
    """Compute the norm of vectors or matrices, as numpy.linalg.norm does
    (https://numpy.org/doc/stable/reference/generated/numpy.linalg.norm.html).

    Args:
        ord: as for `vector_norm` or `matrix_norm`; `None` is the root of the sum of squares.
        axis: the axis of vectors, or the two axes of matrices. `None`: x is one vector or matrix,
            or, if `ord` is `None` too, an array of any shape.

    Raises:
        ValueError: there are more than two axes, or there is no such order.

    Example:
        >>> x = TensorNode([3.0, 4.0])
        >>> y = gradcore.linalg.norm(x)
        >>> y.backward()  # to x / |x|
        >>> print(y.value, x.grad)
        5.0 [0.6 0.8]
    """
    if axis is None and (ord is None or x.ndim == 1):
        return vector_norm(x, keepdims=keepdims, ord=2 if ord is None else ord)
    axes = tuple(range(x.ndim)) if axis is None else integers(axis)
    if len(axes) == 1:
        return vector_norm(x, axis=axes, keepdims=keepdims, ord=2 if ord is None else ord)
    if len(axes) != 2:
        raise ValueError(f"norm: axes {axes} of {tuple(x.shape)}; expected one or two of them")
    y = matrix_norm(moveaxis(x, axes, (-2, -1)), ord=ord)
    if keepdims:
        gone = {a % x.ndim for a in axes}
        y = reshape(y, tuple([1 if a in gone else n for a, n in enumerate(x.shape)]))
    return y
