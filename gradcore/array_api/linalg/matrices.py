"""Matrices made of others, on nodes: diagonals, blocks, products, powers and the exponential. Names
and arguments are PyTorch's, but `axis` in place of `dim`."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

from ... import ops
from ...engine.arrays import conj, is_floating, namespace, value_of, widened
from ...ops.decompositions import check_square
from ..common import NodeOrArray, axis_from_front
from ..elementwise import real, where
from ..manipulation import astype, broadcast_to, concat, expand_dims, moveaxis, reshape
from ..products import matmul
from ..reductions import cumulative_prod
from ..reductions import sum as total
from .standard import diagonal, matrix_norm, solve

__all__ = [
    "block_diag",
    "diag",
    "diag_embed",
    "householder_product",
    "kron",
    "matrix_exp",
    "multi_dot",
    "vander",
]


def diag(x: NodeOrArray, /, k: int = 0) -> NodeOrArray:
    """Take diagonal k of a matrix, or make a matrix with the vector x in diagonal k.

    Raises:
        ValueError: x is neither.

    Example:
        >>> print(gradcore.linalg.diag(TensorNode([1.0, 2.0])).value)
        [[1. 0.]
         [0. 2.]]
        >>> print(gradcore.linalg.diag(TensorNode([[1.0, 2.0], [3.0, 4.0]])).value)
        [1. 4.]
    """
    if x.ndim == 2:
        return diagonal(x, offset=k)
    if x.ndim != 1:
        raise ValueError(f"diag: x has shape {tuple(x.shape)}, expected a vector or a matrix")
    return diag_embed(x, k)


def diag_embed(x: NodeOrArray, /, offset: int = 0, axis1: int = -2, axis2: int = -1) -> NodeOrArray:
    """Make matrices with the vectors x (..., N) in a diagonal, `offset` above the main one, and
    zeros elsewhere: (..., N + |offset|, N + |offset|).

    Args:
        axis1, axis2: which axes of the result are rows and columns.

    Example:
        >>> gradcore.linalg.diag_embed(TensorNode(np.ones((8, 3)))).shape
        (8, 3, 3)
    """
    *stack, size = x.shape
    n = size + abs(offset)
    start = offset if offset >= 0 else -offset * n
    # The diagonal, in each matrix made flat.
    key = (..., slice(start, min(start + size * (n + 1), n * n), n + 1))
    y = ops.PutItem.apply(x, key=key, shape=(*stack, n * n))
    y, ndim = reshape(y, (*stack, n, n)), len(stack) + 2
    axes = tuple([axis_from_front("diag_embed", a, ndim) for a in (axis1, axis2)])
    return y if axes == (ndim - 2, ndim - 1) else moveaxis(y, (-2, -1), axes)


def block_diag(*xs: NodeOrArray) -> NodeOrArray:
    """Make one matrix, with the matrices in its diagonal and zeros elsewhere. A vector is a row,
    and a number a matrix (1, 1).

    Raises:
        ValueError: one has more than two dimensions, or there is none.

    Example:
        >>> a = TensorNode([[1.0, 2.0], [3.0, 4.0]])
        >>> print(gradcore.linalg.block_diag(a, TensorNode(9.0)).value)
        [[1. 2. 0.]
         [3. 4. 0.]
         [0. 0. 9.]]
    """
    xs = tuple([reshape(x, (1,) * (2 - x.ndim) + tuple(x.shape)) if x.ndim < 2 else x for x in xs])
    if [x for x in xs if x.ndim != 2] or not xs:
        found = ", ".join([str(tuple(x.shape)) for x in xs])
        raise ValueError(f"block_diag: expected one or more of at most 2 dimensions, not {found}")
    width, at, rows = int(math.fsum([x.shape[1] for x in xs])), 0, []
    for x in xs:
        m, n = x.shape
        key = (..., slice(at, at + n))
        rows.append(ops.PutItem.apply(x, key=key, shape=(m, width)))
        at += n
    return concat(rows, axis=0)


def kron(a: NodeOrArray, b: NodeOrArray, /) -> NodeOrArray:
    """Put b, multiplied by each element of a, in the element's place.

    Example:
        >>> print(gradcore.linalg.kron(TensorNode([[1.0, 10.0]]), TensorNode([[1.0, 2.0]])).value)
        [[ 1.  2. 10. 20.]]
    """
    n = max(a.ndim, b.ndim)
    a, b = (reshape(x, (1,) * (n - x.ndim) + tuple(x.shape)) for x in (a, b))
    apart = [tuple([m for pair in zip(*sides, strict=True) for m in pair]) for sides in
             ((a.shape, [1] * n), ([1] * n, b.shape))]  # fmt: skip
    y = ops.Multiply.apply(reshape(a, apart[0]), reshape(b, apart[1]))
    return reshape(y, tuple([i * j for i, j in zip(a.shape, b.shape, strict=True)]))


def multi_dot(arrays: Sequence[NodeOrArray], /) -> NodeOrArray:
    """Multiply two or more matrices, of which the first and the last may be vectors, in the order
    that takes least.

    Raises:
        ValueError: there are fewer than two, one is no matrix, or the shapes do not fit.

    Example:
        >>> a, b, c = [TensorNode(np.ones(shape)) for shape in ((10, 100), (100, 5), (5, 50))]
        >>> gradcore.linalg.multi_dot([a, b, c]).shape
        (10, 50)
    """
    parts = [*arrays]
    if len(parts) < 2:
        raise ValueError(f"multi_dot: {len(parts)} matrices, expected at least 2")
    first, last = parts[0].ndim == 1, parts[-1].ndim == 1
    parts[0] = expand_dims(parts[0], axis=0) if first else parts[0]
    parts[-1] = expand_dims(parts[-1], axis=1) if last else parts[-1]
    if [x for x in parts if x.ndim != 2]:
        found = ", ".join([str(tuple(x.shape)) for x in arrays])
        raise ValueError(f"multi_dot: {found}; expected matrices, the first and last also vectors")
    sizes = [parts[0].shape[0], *[x.shape[1] for x in parts]]

    @functools.cache
    def best(i: int, j: int) -> tuple[float, int]:
        """Give the cost of the product of parts i to j, and after which one it is split."""
        if i == j:
            return 0.0, i
        costs = [
            best(i, k)[0] + best(k + 1, j)[0] + sizes[i] * sizes[k + 1] * sizes[j + 1]
            for k in range(i, j)
        ]
        return min(costs), i + costs.index(min(costs))

    def product(i: int, j: int) -> NodeOrArray:
        if i == j:
            return parts[i]
        k = best(i, j)[1]
        return matmul(product(i, k), product(k + 1, j))

    y = product(0, len(parts) - 1)
    y = y[0, ...] if first else y
    return y[..., 0] if last else y


def vander(x: NodeOrArray, /, *, N: int | None = None) -> NodeOrArray:
    """Make the powers 0 to N - 1 of each element: of x (..., M) the matrices (..., M, N); N is M if
    not given.

    Raises:
        ValueError: x is a number.

    Example:
        >>> print(gradcore.linalg.vander(TensorNode([1.0, 2.0, 3.0])).value)
        [[1. 1. 1.]
         [1. 2. 4.]
         [1. 3. 9.]]
    """
    if x.ndim < 1:
        raise ValueError("vander: x is a number, expected vectors (..., M)")
    n = x.shape[-1] if N is None else N
    if n < 2:
        return broadcast_to(expand_dims(x, axis=-1), (*x.shape, 1))[..., :n] * 0 + 1
    factors = broadcast_to(expand_dims(x, axis=-1), (*x.shape, n - 1))
    return cumulative_prod(factors, axis=-1, include_initial=True)


def householder_product(a: NodeOrArray, tau: NodeOrArray, /) -> NodeOrArray:
    """Multiply the reflections I - tau_k v_k v_k^H, k = 1 to K, and take the first N columns of the
    product (..., M, N): where v_k is column k of a (..., M, N), with 1 in row k and 0 above, and
    tau (..., K).

    Raises:
        ValueError: the shapes do not fit; M >= N >= K.

    Example:
        >>> a, tau = TensorNode([[1.0], [1.0]]), TensorNode([1.0])  # I - v v^T, first column
        >>> print(gradcore.linalg.householder_product(a, tau).value)
        [[ 0.]
         [-1.]]
    """
    (m, n), k = a.shape[-2:], tau.shape[-1]
    if not m >= n >= k:
        raise ValueError(
            f"householder_product: a {tuple(a.shape)} and tau {tuple(tau.shape)}; expected "
            "(..., M, N) and (..., K) with M >= N >= K"
        )
    raw = value_of(a)
    xp = namespace(raw)
    y = xp.broadcast_to(xp.eye(m, n, dtype=raw.dtype, device=raw.device), raw.shape)
    places = xp.arange(m, device=raw.device)[:, None]
    for i in range(k - 1, -1, -1):
        v = where(places == i, 1.0, where(places < i, 0.0, a[..., :, i : i + 1]))
        along = total(ops.Multiply.apply(conj(v), y), axis=-2, keepdims=True)
        y = ops.Sub.apply(y, tau[..., i : i + 1][..., None] * (v * along))
    return y


# The Padé approximation of degree 13 (Higham 2005, https://doi.org/10.1137/04061101X), which is
# exact to float64 for matrices of a norm up to LARGEST.
_PADE = [math.comb(13, k) * math.factorial(26 - k) / math.factorial(26) for k in range(14)]
LARGEST = 5.37


def matrix_exp(x: NodeOrArray, /) -> NodeOrArray:
    """Compute the exponential I + x + x @ x / 2 + ... of each matrix (..., M, M), with gradients of
    every order. The host reads the largest norm, which says how many products it takes. Where a
    matrix is not finite, its exponential is NaN.

    Raises:
        ValueError: the matrices are not square.
        TypeError: x is not floating.

    Example:
        >>> turn = TensorNode([[0.0, -np.pi / 2], [np.pi / 2, 0.0]])  # a quarter turn's generator
        >>> print(abs(gradcore.linalg.matrix_exp(turn).value).round(3))
        [[0. 1.]
         [1. 0.]]
    """
    check_square("matrix_exp", x)
    raw = value_of(x)
    if not is_floating(raw):
        raise TypeError(f"matrix_exp: x is {raw.dtype}, expected floating numbers")
    if not math.prod(raw.shape):
        return x * 1
    x, dtype = widened(x), x.dtype
    raw = value_of(x)
    xp = namespace(raw)
    norm = real(matrix_norm(raw, ord=1, keepdims=True))
    is_finite = xp.isfinite(norm)
    norm = xp.where(is_finite, norm, xp.zeros_like(norm))
    most = float(xp.max(norm))
    halvings = max(0, math.ceil(math.log2(most / LARGEST))) if most else 0
    steps = xp.zeros_like(norm)  # how often each matrix is to be halved
    for k in range(halvings):
        steps = steps + xp.astype(norm > LARGEST * 2.0**k, norm.dtype)
    a = where(is_finite, x, 0.0) * xp.astype(2.0**-steps, raw.dtype)
    eye = xp.eye(raw.shape[-1], dtype=raw.dtype, device=raw.device)
    b = _PADE
    a2 = matmul(a, a)
    a4 = matmul(a2, a2)
    a6 = matmul(a4, a2)
    inner = matmul(a6, a6 * b[13] + a4 * b[11] + a2 * b[9])
    u = matmul(a, inner + a6 * b[7] + a4 * b[5] + a2 * b[3] + b[1] * eye)
    inner = matmul(a6, a6 * b[12] + a4 * b[10] + a2 * b[8])
    v = inner + a6 * b[6] + a4 * b[4] + a2 * b[2] + b[0] * eye
    y = solve(v - u, v + u)
    for k in range(halvings):
        y = where(steps > k, matmul(y, y), y)
    return astype(where(is_finite, y, math.nan), dtype, copy=False)
