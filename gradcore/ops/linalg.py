"""Linear algebra: products, solving, inverses and determinants."""

from __future__ import annotations

import math

from ..backends import Array, backend_of
from ..engine.arrays import broadcast_shape, conj, is_complex, is_node, namespace, value_of
from ..engine.modes import building
from ..graph import Context, Op, TensorNode, gradients, needs, op_counter
from .decompositions import adjoint, check_matrices, check_square, decomposed
from .elementwise import Id, Quotient
from .reductions import product_of_others

__all__ = [
    "LU",
    "BatchMM",
    "Cofactors",
    "CofactorsAlong",
    "Determinant",
    "Inverse",
    "LogDeterminant",
    "MatrixMultiply",
    "PseudoInverse",
    "Solve",
    "SolveTriangular",
]

Tolerance = Array | float | None


def _stack_product(a: Array, b: Array) -> Array:
    """Compute a @ b. If b is one matrix, multiply it once, by the rows of the whole stack a."""
    xp = namespace(a)
    if a.ndim < 3 or b.ndim != 2:
        return xp.matmul(a, b)
    return xp.reshape(xp.matmul(_rows(a), b), (*a.shape[:-1], b.shape[-1]))


def _rows(a: Array) -> Array:
    """Put all rows of a stack of matrices (..., M, K) into one matrix."""
    return namespace(a).reshape(a, (math.prod(a.shape[:-1]), a.shape[-1]))


def product(a: Array, b: Array) -> Array:
    """Multiply matrices (M, K) and (K, N): arrays by the backend's kernel, nodes by an op."""
    if is_node(a) or is_node(b):
        return namespace(a).matmul(a, b)
    return backend_of(a).product(a, b)


class MatrixMultiply(Op):
    """The matrix product a @ b, of stacks of matrices (..., M, K) and (..., K, N), or vectors."""

    @staticmethod
    def forward(context: Context, a: Array, b: Array) -> Array:
        try:
            fits = a.ndim and b.ndim and a.shape[-1] == b.shape[-2 if b.ndim > 1 else 0]
        except AttributeError:
            raise TypeError("@ multiplies arrays, not numbers; say x * number") from None
        if not fits:
            raise ValueError(
                f"MatrixMultiply: {tuple(a.shape)} @ {tuple(b.shape)} does not fit; "
                "expected (..., M, K) @ (..., K, N)"
            )
        context["a"], context["b"] = a, b
        return _stack_product(a, b)

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        a, b, ga, gb = context["a"], context["b"], None, None
        rows, columns = a.ndim > 1, b.ndim > 1
        # Make a vector a matrix: of one row on the left, of one column on the right.
        if not columns:
            b, go = b[:, None], go[..., None]
        if not rows:
            a, go = a[None, :], go[..., None, :]
        if needs(context, 0):
            ga = _stack_product(go, b.mT)
        if needs(context, 1):
            if b.ndim == 2 and a.ndim > 2:  # one product, not one for each matrix of the stack
                a, go = _rows(a), _rows(go)
            gb = namespace(a).matmul(a.mT, go)
            gb = gb if columns else gb[..., 0]
        return ga, gb


class BatchMM(Op):
    """One matrix (O, I) times each of the vectors (..., I), in one product, plus b (O,) or (1, O)
    if given: (..., O)."""

    @staticmethod
    def forward(context: Context, matrix: Array, vectors: Array, *b: Array) -> Array:
        if matrix.ndim != 2 or not vectors.ndim or matrix.shape[1] != vectors.shape[-1]:
            raise ValueError(
                f"BatchMM: matrix {tuple(matrix.shape)} and vectors {tuple(vectors.shape)} "
                "do not fit; expected (O, I) and (..., I)"
            )
        context["matrix"], context["vectors"] = matrix, vectors
        context["b"] = b[0].shape if b else None
        linear = backend_of(vectors).linear
        if not b:
            return linear(vectors, matrix, None)
        if tuple(b[0].shape) not in (matrix.shape[:1], (1, matrix.shape[0])):
            found, o = tuple(b[0].shape), matrix.shape[0]
            raise ValueError(f"BatchMM: b has shape {found}, expected ({o},) or (1, {o})")
        return linear(vectors, matrix, namespace(vectors).reshape(b[0], (-1,)))

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        matrix, vectors = context["matrix"], context["vectors"]
        gx = BatchMM.apply(matrix.T, go) if needs(context, 1) else None
        if go.ndim != 2:
            go, vectors = _rows(go), _rows(vectors)
        gb: tuple[Array, ...] = ()
        if (shape := context["b"]) is not None:
            sums = namespace(go).sum(go, axis=0)
            gb = (sums if len(shape) == 1 else sums[None, :],)
        return product(go.T, vectors) if needs(context, 0) else None, gx, *gb


class Solve(Op):
    """The solution x of a @ x = b, for a (..., M, M) and b (..., M, K), or one vector (M,).

    The gradient is that of Giles 2008, section 2.3.1,
    https://people.maths.ox.ac.uk/gilesm/files/NA-08-01.pdf
    """

    @staticmethod
    def forward(context: Context, a: Array, b: Array) -> Array:
        check_square("Solve", a)
        xp, is_vector = namespace(a), b.ndim == 1
        columns = xp.expand_dims(b, axis=-1) if is_vector else b
        if columns.ndim < 2 or columns.shape[-2] != a.shape[-1]:
            raise ValueError(
                f"Solve: a {tuple(a.shape)} and b {tuple(b.shape)} do not fit; "
                "expected (..., M, M) and (..., M, K) or (M,)"
            )
        stack = broadcast_shape("Solve", tuple(a.shape[:-2]), tuple(columns.shape[:-2]))
        # CuPy's solve does not broadcast, and fails where there are no columns.
        matrices = xp.broadcast_to(a, (*stack, *a.shape[-2:]))
        columns = xp.broadcast_to(columns, (*stack, *columns.shape[-2:]))
        solve = xp.linalg.solve if columns.shape[-1] else xp.matmul
        x = solve(matrices, columns)
        x = xp.squeeze(x, axis=-1) if is_vector else x
        context["a"], context["x"], context["is_vector"] = a, x, is_vector
        return x

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        xp, a, x = namespace(go), context["a"], context["x"]
        if context["is_vector"]:
            x, go = xp.expand_dims(x, axis=-1), xp.expand_dims(go, axis=-1)
        gb = Solve.apply(a.mT, go)
        ga = -xp.matmul(gb, x.mT) if needs(context, 0) else None
        return ga, xp.squeeze(gb, axis=-1) if context["is_vector"] else gb


class SolveTriangular(Op):
    """The solution x of a @ x = b, for a (..., M, M), of which only the upper or lower triangle is
    read, and b (..., M, K).

    Args:
        upper: which triangle.
        unitriangular: whether the diagonal counts as ones, and is not read.
    """

    @staticmethod
    def forward(
        context: Context, a: Array, b: Array, *, upper: bool, unitriangular: bool = False
    ) -> Array:
        check_square("SolveTriangular", a)
        xp = namespace(a)
        if b.ndim < 2 or b.shape[-2] != a.shape[-1]:
            raise ValueError(
                f"SolveTriangular: a {tuple(a.shape)} and b {tuple(b.shape)} do not fit; "
                "expected (..., M, M) and (..., M, K)"
            )
        stack = broadcast_shape("SolveTriangular", tuple(a.shape[:-2]), tuple(b.shape[:-2]))
        matrices = xp.broadcast_to(a, (*stack, *a.shape[-2:]))
        columns = xp.broadcast_to(b, (*stack, *b.shape[-2:]))
        x = backend_of(a).solve_triangular(matrices, columns, upper, unitriangular)
        context["a"], context["x"], context["of"] = a, x, (upper, unitriangular)
        return x

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        xp, (upper, unitriangular) = namespace(go), context["of"]
        there = {"upper": not upper, "unitriangular": unitriangular}
        gb = SolveTriangular.apply(context["a"].mT, go, **there)
        if not needs(context, 0):
            return None, gb
        first = int(unitriangular)
        ga = -xp.matmul(gb, context["x"].mT)
        return xp.triu(ga, k=first) if upper else xp.tril(ga, k=-first), gb


class LU(Op):
    """L (..., M, K) with ones in the diagonal and U (..., K, N), K = min(M, N), with
    a[order, :] = L @ U, for a (..., M, N) and an order of its rows.

    The gradient is that of de Hoog, Anderssen and Lukas 2011, https://doi.org/10.1016/j.laa.2010.10.010

    Args:
        pivot: put the largest element of each column first; else rows keep their order.
        found: what the kernel `lu` of the backend gave of a, if that is known, with the order.
    """

    @staticmethod
    def forward(
        context: Context, a: Array, *, pivot: bool = True, found: tuple[Array, ...] | None = None
    ) -> tuple[Array, ...]:
        check_matrices("LU", a)
        xp, k = namespace(a), min(a.shape[-2:])
        lu, order, _ = found or backend_of(a).lu(a, pivot)
        eye = xp.eye(a.shape[-2], k, dtype=a.dtype, device=a.device)
        low, u = xp.tril(lu[..., :k], k=-1) + eye, xp.triu(lu[..., :k, :])
        context["l"], context["u"], context["inverse"] = low, u, xp.argsort(order, axis=-1)
        return low, u

    @staticmethod
    def backward(context: Context, gl: Array, gu: Array) -> Array:
        xp, whole, u = namespace(gl), context["l"], context["u"]
        k, unit = whole.shape[-1], {"unitriangular": True, "upper": True}
        low, high = whole[..., :k, :], u[..., :, :k]
        below = right = None
        if whole.shape[-2] > k:  # rows of L below are rows of a, times the inverse of U
            below = _over(gl[..., k:, :], high)
            gu = gu - xp.matmul(whole[..., k:, :].mT, below)
        if u.shape[-1] > k:  # columns of U behind are the inverse of L, times columns of a
            right = SolveTriangular.apply(low.mT, gu[..., k:], **unit)
            gl = gl - xp.matmul(right, u[..., k:].mT)
        inner = xp.tril(xp.matmul(low.mT, gl[..., :k, :]), k=-1)
        inner = inner + xp.triu(xp.matmul(gu[..., :k], high.mT))
        inner = SolveTriangular.apply(low.mT, inner, **unit)
        g = _over(inner, high)
        g = g if right is None else xp.concat([g, right], axis=-1)
        g = g if below is None else xp.concat([g, below], axis=-2)
        rows = namespace(context["inverse"]).broadcast_to(context["inverse"][..., None], g.shape)
        return xp.take_along_axis(g, rows, axis=-2)


def _over(x: Array, u: Array) -> Array:
    """Compute x @ inv(u).mT, for u upper triangular."""
    return SolveTriangular.apply(u, x.mT, upper=True).mT


class Inverse(Op):
    """The inverse of each matrix (..., M, M).

    The gradient is that of Giles 2008, section 2.2.3,
    https://people.maths.ox.ac.uk/gilesm/files/NA-08-01.pdf
    """

    @staticmethod
    def forward(context: Context, a: Array) -> Array:
        check_square("Inverse", a)
        (context["y"],) = decomposed("inv", a)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        xp, y = namespace(go), context["y"]
        return -xp.matmul(xp.matmul(y.mT, go), y.mT)


class PseudoInverse(Op):
    """The Moore-Penrose inverse (..., N, M) of each matrix (..., M, N). Singular values of at
    most `rtol` times the largest, or of at most `atol`, count as 0. The default of `rtol` is
    max(M, N) times the dtype's epsilon; with an `atol` above 0, it is 0.

    The gradient, valid where the rank does not change nearby, is that of Golub and Pereyra 1973,
    https://doi.org/10.1137/0710036
    """

    @staticmethod
    def forward(
        context: Context,
        a: Array,
        *,
        rtol: Tolerance = None,
        atol: Tolerance = None,
    ) -> Array:
        check_matrices("PseudoInverse", a)
        xp = namespace(a)
        # Not xp.linalg.pinv, which may make the host wait for the device.
        u, s, vh = decomposed("svd", a, full_matrices=False)
        counts = s > cutoff(a, s, atol, rtol)
        inverse = xp.where(counts, 1.0 / xp.where(counts, s, 1.0), 0.0)
        y = xp.matmul(adjoint(vh) * xp.expand_dims(inverse, axis=-2), adjoint(u))
        context["a"], context["y"] = a, y
        return y

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        a, y, matmul = context["a"], context["y"], namespace(go).matmul
        left = matmul(go.mT, matmul(y, adjoint(y)))
        right = matmul(matmul(adjoint(y), y), go.mT)
        g = left - matmul(a, matmul(y, left)) + right - matmul(matmul(right, y), a)
        return conj(g) - matmul(matmul(y.mT, go), y.mT)


def cutoff(a: Array, s: Array, atol: Tolerance, rtol: Tolerance) -> Array:
    """Compute up to which size (..., 1) singular values s (..., K) of matrices a count as 0; see
    `PseudoInverse`."""
    xp = namespace(s)
    atol, rtol = (
        None if t is None else xp.asarray(t, dtype=s.dtype, device=s.device)[..., None]
        for t in (atol, rtol)
    )
    if rtol is None:
        eps = max(a.shape[-2:]) * float(xp.finfo(s.dtype).eps)
        eps = xp.asarray(eps, dtype=s.dtype, device=s.device)
        rtol = eps if atol is None else xp.where(atol > 0.0, xp.zeros_like(atol), eps)
    limit = rtol * s[..., : min(1, s.shape[-1])]
    return limit if atol is None else xp.maximum(limit, atol)


class Determinant(Op):
    """The determinant of each matrix (..., M, M).

    The gradient is that of Giles 2008, section 2.2.4, with cofactors in place of the inverse, so
    that singular matrices have a gradient too, https://people.maths.ox.ac.uk/gilesm/files/NA-08-01.pdf
    """

    @staticmethod
    def forward(context: Context, a: Array) -> Array:
        check_square("Determinant", a)
        context["a"] = a
        return namespace(a).linalg.det(a)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return go[..., None, None] * Cofactors.apply(context["a"])


class Cofactors(Op):
    """The cofactors of each matrix (..., M, M): the gradient of the determinant, det(a) inv(a).mT,
    defined for singular matrices too
    (https://nhigham.com/2020/06/16/what-is-the-adjugate-of-a-matrix/)."""

    @staticmethod
    def forward(context: Context, a: Array) -> Array:
        check_square("Cofactors", a)
        xp = namespace(a)
        u, s, vh, sign = _signed_svd(a)
        context["a"] = a
        return sign * conj(xp.matmul(u * xp.expand_dims(product_of_others(s), axis=-2), vh))

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return CofactorsAlong.apply(context["a"], go)


class CofactorsAlong(Op):
    """The derivative of the cofactors of each matrix a (..., M, M) along b, of the same shape.

    For the diagonal matrix of the singular values s, element (i, k) is the product of all s but
    s_i and s_k, times -b_ki, or, on the diagonal, the sum of these products times b_kk over k.
    Derivatives of this one are those of a polynomial, in M^4 steps.
    """

    @staticmethod
    def forward(context: Context, a: Array, b: Array) -> Array:
        check_square("CofactorsAlong", a)
        xp = namespace(a)
        context["a"], context["b"] = a, b
        eye = xp.eye(a.shape[-1], dtype=a.dtype, device=a.device)
        # Below 3 x 3 the products have no factors, and any basis does. This one rounds nothing.
        small = (eye, xp.ones(a.shape[:-1], dtype=a.dtype, device=a.device), eye, 1.0)
        u, s, vh, sign = _signed_svd(a) if a.shape[-1] > 2 else small
        rows = xp.where(eye == 1.0, 1.0, xp.expand_dims(s, axis=-2))  # in row i all but s_i
        others = xp.where(eye == 1.0, 0.0, product_of_others(rows))
        b = xp.matmul(xp.matmul(adjoint(u), b), adjoint(vh))
        inner = eye * xp.matmul(others, xp.sum(eye * b, axis=-1, keepdims=True)) - others * b.mT
        return sign * xp.matmul(xp.matmul(conj(u), inner), conj(vh))

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        a, b = context["a"], context["b"]
        if not needs(context, 0):
            ga = None
        else:  # below 3 x 3 the determinant has no third derivative
            ga = _third(a, b, go) if a.shape[-1] > 2 else namespace(a).zeros_like(a)
        return ga, CofactorsAlong.apply(a, go)


def _signed_svd(a: Array) -> tuple[Array, ...]:
    """Decompose a into u @ diag(s) @ vh, and compute the determinant of u @ vh (..., 1, 1)."""
    xp = namespace(a)
    u, s, vh = decomposed("svd", a, full_matrices=False)
    return u, s, vh, (xp.linalg.det(u) * xp.linalg.det(vh))[..., None, None]


def _third(a: Array, b: Array, c: Array) -> Array:
    """Compute the gradient of the second derivative of the determinant of a along b and c."""
    create, since = any(map(is_node, (a, b, c))), next(op_counter)
    # The passes below end at a new node. If it is made by Id, it is linked to the node a.
    start = Id.do_forward(a) if is_node(a) else TensorNode(a)
    with building(True):
        y = _determinant(start)
        for direction in (b, c):
            (g,) = gradients([(y, _ones(y))], [start], create=True, since=since)
            y = namespace(g).sum(g * direction, axis=(-2, -1))
    (g,) = gradients([(y, _ones(y))], [start], create, retain=create, since=since)
    return g


def _ones(y: TensorNode) -> Array:
    return namespace(y.value).ones_like(y.value)


def _determinant(a: TensorNode) -> TensorNode:
    """Compute the determinant without division, by Bird's algorithm
    (https://doi.org/10.1016/j.ipl.2011.08.006), which differentiates the polynomial as it is.

    In the basis of the singular vectors the algorithm adds up one product, so no digits cancel.
    """
    u, _, vh, sign = _signed_svd(a.value)
    xp, n = namespace(a), a.shape[-1]
    a = xp.matmul(xp.matmul(adjoint(u), a), adjoint(vh))
    ones = namespace(u).ones((n, n), dtype=u.dtype, device=u.device)
    eye, above = namespace(u).tril(namespace(u).triu(ones)), namespace(u).triu(ones, k=1)
    x = a
    for _ in range(n - 1):
        later = xp.matmul(above, xp.sum(x * eye, axis=-1, keepdims=True))
        x = xp.matmul(later * eye - x * above, a)
    return x[..., 0, 0] * sign[..., 0, 0]


class LogDeterminant(Op):
    """The sign of the determinant of each matrix (..., M, M), and the logarithm of its absolute
    value, even where the determinant itself is too large or too small for the dtype. The sign of a
    complex determinant is the complex number of length 1 in its direction.

    The gradient is that of Giles 2008, section 2.2.4,
    https://people.maths.ox.ac.uk/gilesm/files/NA-08-01.pdf
    The gradient of a singular matrix is NaN, unless the loss does not depend on its logarithm,
    -inf: then it is 0. Other matrices of a batch are not touched.
    """

    @staticmethod
    def forward(context: Context, a: Array) -> tuple[Array, ...]:
        check_square("LogDeterminant", a)
        context["a"] = a
        context["sign"], y = decomposed("slogdet", a)
        return context["sign"], y

    @staticmethod
    def backward(context: Context, gsign: Array, go: Array) -> Array:
        xp, a, sign = namespace(go), context["a"], context["sign"]
        singular = value_of(sign) == 0.0
        eye = xp.eye(a.shape[-1], dtype=a.dtype, device=a.device)
        # A sum, and no `where`: the second derivative of a singular matrix is NaN as well.
        regular = a + xp.where(singular[..., None, None], eye - value_of(a), 0.0)
        go = Quotient.apply(go, abs(sign), vanishes=singular)
        if is_complex(sign):  # which turns as the determinant does
            turn = Quotient.apply(gsign, abs(sign), vanishes=singular) * sign
            go = go + 1j * xp.imag(turn)
        return go[..., None, None] * Inverse.apply(regular).mT
