"""Linear algebra: products, solving, inverses and determinants."""

from __future__ import annotations

import math

from ..backends import Array, backend_of
from ..engine.arrays import namespace
from ..graph import Context, Op, needs
from .decompositions import check_matrices, check_square
from .reductions import product_of_others

__all__ = [
    "BatchMM",
    "Cofactors",
    "Determinant",
    "Inverse",
    "LogDeterminant",
    "MatrixMultiply",
    "PseudoInverse",
    "Solve",
]


def _product(a: Array, b: Array) -> Array:
    """Compute a @ b. If b is one matrix, multiply it once, by the rows of the whole stack a."""
    xp = namespace(a)
    if a.ndim < 3 or b.ndim != 2:
        return xp.matmul(a, b)
    return xp.reshape(xp.matmul(_rows(a), b), (*a.shape[:-1], b.shape[-1]))


def _rows(a: Array) -> Array:
    """Put all rows of a stack of matrices (..., M, K) into one matrix."""
    return namespace(a).reshape(a, (math.prod(a.shape[:-1]), a.shape[-1]))


def _broadcast_shape(op: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Compute the shape to which stacks of matrices, of these shapes, broadcast."""
    if len({*shapes}) == 1:
        return shapes[0]
    longest = max(map(len, shapes))
    padded = [(1,) * (longest - len(shape)) + tuple(shape) for shape in shapes]
    sizes = [{n for n in column if n != 1} for column in zip(*padded, strict=True)]
    if any(len(column) > 1 for column in sizes):
        raise ValueError(f"{op}: stacks of {' and '.join(map(str, shapes))} do not broadcast")
    return tuple([column.pop() if column else 1 for column in sizes])


class MatrixMultiply(Op):
    """The matrix product a @ b, of stacks of matrices (..., M, K) and (..., K, N), or vectors."""

    @staticmethod
    def forward(context: Context, a: Array, b: Array) -> Array:
        if not (a.ndim and b.ndim) or a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
            raise ValueError(
                f"MatrixMultiply: {tuple(a.shape)} @ {tuple(b.shape)} does not fit; "
                "expected (..., M, K) @ (..., K, N)"
            )
        context["a"], context["b"] = a, b
        return _product(a, b)

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
            ga = _product(go, b.mT)
        if needs(context, 1):
            if b.ndim == 2 and a.ndim > 2:  # one product, not one for each matrix of the stack
                a, go = _rows(a), _rows(go)
            gb = namespace(a).matmul(a.mT, go)
            gb = gb if columns else gb[..., 0]
        return ga, gb


class BatchMM(Op):
    """One matrix (O, I) times each of a batch of vectors (N, I), plus b (O,) or (1, O) if given:
    (N, O)."""

    @staticmethod
    def forward(context: Context, matrix: Array, vectors: Array, *b: Array) -> Array:
        if matrix.ndim != 2 or vectors.ndim != 2 or matrix.shape[1] != vectors.shape[1]:
            raise ValueError(
                f"BatchMM: matrix {tuple(matrix.shape)} and vectors {tuple(vectors.shape)} "
                "do not fit; expected (O, I) and (N, I)"
            )
        context["matrix"], context["vectors"], context["b"] = matrix, vectors, bool(b)
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
        return (
            BatchMM.apply(go.T, vectors.T).T if needs(context, 0) else None,
            BatchMM.apply(matrix.T, go) if needs(context, 1) else None,
            *([go] if context["b"] else []),
        )


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
        stack = _broadcast_shape("Solve", tuple(a.shape[:-2]), tuple(columns.shape[:-2]))
        # CuPy's solve does not broadcast, and fails where there are no columns.
        matrices = xp.broadcast_to(a, (*stack, *a.shape[-2:]))
        columns = xp.broadcast_to(columns, (*stack, *columns.shape[-2:]))
        x = xp.linalg.solve(matrices, columns) if columns.shape[-1] else xp.empty_like(columns)
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


class Inverse(Op):
    """The inverse of each matrix (..., M, M).

    The gradient is that of Giles 2008, section 2.2.3,
    https://people.maths.ox.ac.uk/gilesm/files/NA-08-01.pdf
    """

    @staticmethod
    def forward(context: Context, a: Array) -> Array:
        check_square("Inverse", a)
        context["y"] = namespace(a).linalg.inv(a)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        xp, y = namespace(go), context["y"]
        return -xp.matmul(xp.matmul(y.mT, go), y.mT)


class PseudoInverse(Op):
    """The Moore-Penrose inverse (..., N, M) of each matrix (..., M, N). Singular values of at
    most `rtol` times the largest count as 0. The default is max(M, N) times the dtype's epsilon.

    The gradient, valid where the rank does not change nearby, is that of Golub and Pereyra 1973,
    https://doi.org/10.1137/0710036
    """

    @staticmethod
    def forward(context: Context, a: Array, *, rtol: Array | float | None = None) -> Array:
        check_matrices("PseudoInverse", a)
        xp = namespace(a)
        # Not xp.linalg.pinv, which may make the host wait for the device.
        u, s, vh = xp.linalg.svd(a, full_matrices=False)
        rtol = max(a.shape[-2:]) * float(xp.finfo(a.dtype).eps) if rtol is None else rtol
        if not isinstance(rtol, float | int):
            rtol = xp.asarray(rtol, dtype=a.dtype, device=a.device)[..., None]
        counts = s > rtol * s[..., : min(1, s.shape[-1])]
        inverse = xp.where(counts, 1.0 / xp.where(counts, s, 1.0), 0.0)
        y = xp.matmul(vh.mT * xp.expand_dims(inverse, axis=-2), u.mT)
        context["a"], context["y"] = a, y
        return y

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        a, y, matmul = context["a"], context["y"], namespace(go).matmul
        left = matmul(go.mT, matmul(y, y.mT))
        right = matmul(matmul(y.mT, y), go.mT)
        g = left - matmul(a, matmul(y, left)) + right - matmul(matmul(right, y), a)
        return g - matmul(matmul(y.mT, go), y.mT)


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
    (https://nhigham.com/2020/06/16/what-is-the-adjugate-of-a-matrix/).

    The gradient of the cofactors divides by the determinant: for singular matrices it is NaN.
    """

    @staticmethod
    def forward(context: Context, a: Array) -> Array:
        check_square("Cofactors", a)
        xp = namespace(a)
        u, s, vh = xp.linalg.svd(a, full_matrices=False)
        y = xp.matmul(u * xp.expand_dims(product_of_others(s), axis=-2), vh)
        sign = xp.linalg.det(u) * xp.linalg.det(vh)
        context["a"], context["y"] = a, y * xp.reshape(sign, (*a.shape[:-2], 1, 1))
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        xp, a, y = namespace(go), context["a"], context["y"]
        inner = xp.sum(y * go, axis=(-2, -1), keepdims=True)
        outer = xp.matmul(xp.matmul(y, go.mT), y)
        return (inner * y - outer) / Determinant.apply(a)[..., None, None]


class LogDeterminant(Op):
    """The sign of the determinant of each matrix (..., M, M), and the logarithm of its absolute
    value, even where the determinant itself is too large or too small for the dtype.

    The gradient is that of Giles 2008, section 2.2.4 (no gradient where the determinant is 0),
    https://people.maths.ox.ac.uk/gilesm/files/NA-08-01.pdf
    """

    @staticmethod
    def forward(context: Context, a: Array) -> tuple[Array, ...]:
        check_square("LogDeterminant", a)
        context["a"] = a
        return tuple(namespace(a).linalg.slogdet(a))

    @staticmethod
    def backward(context: Context, _: Array, go: Array) -> Array:
        return go[..., None, None] * namespace(go).linalg.inv(context["a"]).mT
