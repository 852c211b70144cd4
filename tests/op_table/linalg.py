"""The rows of gradcore/ops/linalg.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcore import namespace, ops

from .rows import Point, Row, case, constant, refuses

SQUARE = [
    case((0, 0)),
    case((1, 1)),
    case((2, 2)),
    case((3, 3)),
    case((2, 2, 2)),
    case((2, 1, 2, 2)),
]
TALL = [case((0, 0)), case((1, 1)), case((3, 2)), case((2, 2)), case((2, 3, 2))]
ANY = [*TALL, case((2, 3)), case((2, 1, 2))]


SQUARE_ONLY = [
    refuses(case(constant(shape)), ValueError, str(shape), "expected square matrices (..., M, M)")
    for shape in ((2, 3), (3,), (2, 2, 3))
]
NO_MATRICES = [refuses(case((3,)), ValueError, "(3,)", "expected matrices (..., M, N)")]


def conditioned(x: np.ndarray) -> np.ndarray:
    """With singular values between about 1 and 6, apart from one another."""
    m, n = x.shape[-2:]
    return x / 4 + np.eye(m, n) * np.arange(1.5, 1.5 + n * 1.5, 1.5)[:n]


def triangle(a: np.ndarray, upper: bool, unitriangular: bool = False) -> np.ndarray:
    y = np.triu(a) if upper else np.tril(a)
    return np.where(np.eye(a.shape[-1]) == 1, 1, y) if unitriangular else y


def lu(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Factor one matrix after the other, by the textbook."""
    k = min(a.shape[-2:])
    found = np.array(a)
    for at in np.ndindex(a.shape[:-2]):
        x = found[at]
        for i in range(k):
            p = i + abs(x[i:, i]).argmax()
            x[[i, p]] = x[[p, i]]
            x[i + 1 :, i] /= x[i, i]
            x[i + 1 :, i + 1 :] -= np.outer(x[i + 1 :, i], x[i, i + 1 :])
    return np.tril(found[..., :k], -1) + np.eye(a.shape[-2], k), np.triu(found[..., :k, :])


def positive(x: np.ndarray) -> np.ndarray:
    """Symmetric, with eigenvalues between about 1 and 6, apart from one another."""
    y = conditioned(x)
    return (y + np.swapaxes(y, -1, -2)) / 2


def symmetric(x: Any) -> Any:
    """The part of a matrix that the ops of symmetric matrices take."""
    return (x + x.mT.conj()) / 2


def signs(x: Any) -> Any:
    """The signs, or angles, of the last row of a matrix: which vectors a library gives."""
    row = x[..., max(x.shape[-2] - 1, 0) :, :]
    return row.sgn() if hasattr(row, "sgn") else namespace(row).sign(row)


def conj(x: Any) -> Any:
    return x.conj() if hasattr(x, "conj") else namespace(x).conj(x)


def eigenvectors(w: Any, v: Any) -> tuple[Any, ...]:
    return w, v * conj(signs(v))


def singular_vectors(u: Any, s: Any, vh: Any) -> tuple[Any, ...]:
    return u * conj(signs(u)), s, vh * signs(u).mT


def qr_factors(q: Any, r: Any) -> tuple[Any, ...]:
    return q * conj(signs(q)), r * signs(q).mT


def in_torch(name: str) -> Any:
    """A function of torch.linalg."""

    def function(*tensors: Any, **constants: Any) -> Any:
        import torch

        return getattr(torch.linalg, name)(*tensors, **constants)

    return function


def cofactors(a: Any) -> Any:
    """Determinants of the matrices without one row and column, with signs."""
    rows = []
    for i in range(a.shape[-1]):
        for j in range(a.shape[-1]):
            minor = np.delete(np.delete(a, i, axis=-2), j, axis=-1)
            rows.append((-1) ** (i + j) * np.linalg.det(minor))
    return np.stack(rows, axis=-1).reshape(a.shape) if rows else a


def eigh_gradient(a: Any, w: Any, v: Any, gw: Any, gv: Any = None) -> Any:  # noqa: ARG001
    gaps = w - w[:, None] + np.diag(np.full(len(w), np.inf))
    inner = np.diag(gw) + (0.0 if gv is None else v.T @ gv / gaps)
    return symmetric(v @ inner @ v.T)


def svd_gradient(
    a: Any,  # noqa: ARG001
    u: Any,
    s: Any,
    vh: Any,
    gs: Any,
    gu: Any = 0.0,
    gvh: Any = 0.0,
) -> Any:
    """By the formula of Townsend 2016, https://j-towns.github.io/papers/svd-derivative.pdf"""
    gu, gvh = gu + 0.0 * u, gvh + 0.0 * vh
    f = 1.0 / (s**2 - s[:, None] ** 2 + np.diag(np.full(len(s), np.inf)))
    x, y = u.T @ gu, vh @ gvh.T
    inner = f * (x - x.T) * s + s[:, None] * f * (y - y.T) + np.diag(gs)
    g = u @ inner @ vh
    if u.shape[0] > len(s):
        g = g + (gu - u @ x) / s @ vh
    if vh.shape[1] > len(s):
        g = g + u / s @ (gvh.T - vh.T @ y).T
    return g


ROWS = [
    Row(
        ops.MatrixMultiply,
        np.matmul,
        [
            case((2, 3), (3, 4)),
            case((3,), (3, 2)),
            case((2, 3), (3,)),
            case((3,), (3,)),
            case((2, 2, 3), (3, 2)),
            case((3, 1, 2), (2, 2)),
            case((2, 3), (2, 3, 2)),
            case((2, 1, 2, 3), (2, 3, 1)),
            case((3,), (2, 3, 2)),
            case((2, 2, 3), (3,)),
            case((2, 3), constant((3, 2))),
            case(constant((3,)), (3, 2)),
            case((1, 1), (1, 1)),
            case((0, 3), (3, 2)),
            case((2, 0), (0, 3)),
            case((2, 4, 5), (5, 0)),
            case((2, 0, 5), (5, 3)),
            case((0, 4, 5), (5, 3)),
            case((2, 4, 0), (0, 3)),
        ],
        "matmul",
        refuses=[
            refuses(case((2, 3), (2, 3)), ValueError, "(2, 3) @ (2, 3)", "expected"),
            refuses(case((2, 3), (2,)), ValueError, "(2, 3) @ (2,)"),
            refuses(case((), (2, 3)), ValueError, "() @ (2, 3)"),
            refuses(case((2, 2, 3), (3, 3, 2)), ValueError, "(2, 2, 3)", "(3, 3, 2)"),
        ],
        complex=True,
    ),
    Row(
        ops.BatchMM,
        lambda matrix, vectors, b=0.0: vectors @ matrix.T + b,
        [
            case((2, 3), (4, 3)),
            case((2, 3), (4, 3), (2,)),
            case((2, 3), (0, 3), (1, 2)),
            case((2, 3), (2, 2, 3), (1, 2)),
            case((2, 3), (3,), (2,)),
            case(constant((2, 3)), (2, 0, 3), (2,)),
            case(constant((2, 3)), constant((1, 3)), (1, 2)),
            case((2, 3), constant((2, 3))),
            case(constant((2, 3)), (1, 3)),
            case((1, 1), (1, 1)),
            case((2, 3), (0, 3)),
        ],
        lambda matrix, vectors, b=0.0: vectors @ matrix.T + b,
        refuses=[
            refuses(case((2, 3), (4, 3), (3,)), ValueError, "(3,)", "(2,)", "(1, 2)"),
            refuses(case((2, 3), (4, 2)), ValueError, "(2, 3)", "(4, 2)", "expected"),
            refuses(case((2, 3), (2,)), ValueError, "(2, 3)", "(2,)", "expected"),
        ],
        complex=True,
    ),
    Row(
        ops.Inverse,
        np.linalg.inv,
        SQUARE,
        in_torch("inv"),
        prepare=conditioned,
        refuses=SQUARE_ONLY,
        complex=True,
    ),
    Row(
        ops.Solve,
        np.linalg.solve,
        [
            case((2, 2), (2, 3)),
            case((2, 2), (2,)),
            case((2, 2, 2), (2, 2, 1)),
            case((2, 2, 2), (2,)),
            case((2, 2), (2, 2, 1)),
            case((2, 1, 2, 2), (3, 2, 1)),
            case((2, 2), constant((2, 2))),
            case((1, 1), (1, 1)),
            case((1, 1), (1,)),
            case((0, 0), (0, 2)),
            case((2, 2), (2, 0)),
            case((2, 2, 2), (2, 2, 0)),
        ],
        in_torch("solve"),
        prepare=lambda x: conditioned(x) if x.shape[-1] == x.shape[-2] else x,
        refuses=[
            refuses(case((2, 3), (2, 3)), ValueError, "(2, 3)", "expected square matrices"),
            refuses(case((2, 2), (3, 2)), ValueError, "a (2, 2) and b (3, 2)", "expected"),
            refuses(case((2, 2), (3,)), ValueError, "a (2, 2) and b (3,)", "expected"),
            refuses(case((2, 2), ()), ValueError, "a (2, 2) and b ()", "expected"),
            refuses(case((2, 2, 2), (3, 2, 1)), ValueError, "(2,) and (3,)", "broadcast"),
        ],
        complex=True,
    ),
    Row(
        ops.SolveTriangular,
        lambda a, b, **of: np.linalg.solve(triangle(a, **of), b),
        [
            case((2, 2), (2, 3), upper=True),
            case((3, 3), (3, 1), upper=False),
            case((2, 3, 3), (3, 2), upper=True, unitriangular=True),
            case((3, 3), (2, 3, 2), upper=False, unitriangular=True),
            case((34, 34), (34, 1), upper=True),  # in two halves
            case((0, 0), (0, 2), upper=True),
            case((1, 1), (1, 1), upper=True),
            case((2, 2), (2, 0), upper=False),
            case((2, 2), constant((2, 2)), upper=True),
        ],
        in_torch("solve_triangular"),
        prepare=lambda x: conditioned(x) if x.shape[-1] == x.shape[-2] else x,
        refuses=[
            refuses(case((2, 3), (2, 3), upper=True), ValueError, "(2, 3)", "square matrices"),
            refuses(case((2, 2), (3, 2), upper=True), ValueError, "a (2, 2) and b (3, 2)"),
            refuses(case((2, 2), (2,), upper=True), ValueError, "a (2, 2) and b (2,)"),
        ],
        complex="together",
    ),
    Row(
        ops.LU,
        lambda a, **_: lu(a),
        [*ANY, case((2, 2), pivot=False), case((3, 2, 2))],
        lambda a, **_: in_torch("lu")(a)[1:],
        prepare=conditioned,
        refuses=NO_MATRICES,
        complex=True,
    ),
    Row(
        ops.PseudoInverse,
        np.linalg.pinv,
        [*ANY, case((3, 2), rtol=1e-3)],
        in_torch("pinv"),
        prepare=conditioned,
        refuses=NO_MATRICES,
        complex=True,
    ),
    Row(
        ops.Determinant,
        np.linalg.det,
        SQUARE,
        "det",
        prepare=conditioned,
        points=[  # singular
            Point(
                ([[1.0, 2.0], [2.0, 4.0]],),
                0.0,
                ([[4.0, -2.0], [-2.0, 1.0]],),
                ([[1.0, -1.0], [-1.0, 1.0]],),
            ),
            Point((np.diag([2.0, 0.0, 3.0]).tolist(),), 0.0, (np.diag([0.0, 6.0, 0.0]),)),
            Point((np.zeros((3, 3)).tolist(),), 0.0, (np.zeros((3, 3)),), (np.zeros((3, 3)),)),
        ],
        refuses=SQUARE_ONLY,
        complex=True,
    ),
    Row(ops.Cofactors, cofactors, SQUARE, prepare=conditioned, refuses=SQUARE_ONLY, complex=True),
    Row(
        ops.CofactorsAlong,
        lambda a, b: (cofactors(a + b) - cofactors(a - b)) / 2,  # exact up to degree 2
        [
            case((0, 0), (0, 0)),
            case((1, 1), (1, 1)),
            case((2, 2), (2, 2)),
            case((3, 3), (3, 3)),
            case((2, 2, 2), (2, 2, 2)),
            case((2, 1, 3, 3), (2, 1, 3, 3)),
        ],
        prepare=conditioned,
        points=[  # singular, of rank 0
            Point(
                (np.zeros((3, 3)).tolist(), np.eye(3).tolist()),
                np.zeros((3, 3)),
                (3.0 * np.eye(3) - np.ones((3, 3)), np.zeros((3, 3))),
            ),
        ],
        refuses=[
            refuses(case((2, 3), (2, 3)), ValueError, "(2, 3)", "expected square matrices"),
        ],
        complex=True,
    ),
    Row(
        ops.LogDeterminant,
        lambda a: tuple(np.linalg.slogdet(a)),
        SQUARE,
        in_torch("slogdet"),
        prepare=conditioned,
        refuses=SQUARE_ONLY,
        complex=True,
    ),
    Row(
        ops.Cholesky,
        lambda a: np.linalg.cholesky(symmetric(a)),
        SQUARE,
        lambda a: in_torch("cholesky")(symmetric(a)),
        prepare=positive,
        refuses=SQUARE_ONLY,
        complex=True,
    ),
    Row(
        ops.Eig,
        lambda a: tuple(np.linalg.eig(a)),
        SQUARE,
        in_torch("eig"),
        prepare=conditioned,
        determined=lambda w, v: (w, abs(v)),  # PyTorch refuses what depends on the phase
        refuses=SQUARE_ONLY,
        complex="always",
    ),
    Row(
        ops.Eigh,
        lambda a: tuple(np.linalg.eigh(symmetric(a))),
        SQUARE,
        lambda a: in_torch("eigh")(symmetric(a)),
        prepare=positive,
        determined=eigenvectors,
        refuses=SQUARE_ONLY,
        complex=True,
    ),
    Row(
        ops.EighGradient,  # by a, in the rows of Eigh and Eigvalsh
        eigh_gradient,
        [
            case(*map(constant, ((n, n), (n,), (n, n))), (n,), *vectors)
            for n in (0, 1, 3)
            for vectors in ((), ((n, n),))
        ],
        complex="inside",
    ),
    Row(
        ops.Eigvalsh,
        lambda a: np.linalg.eigvalsh(symmetric(a)),
        SQUARE,
        lambda a: in_torch("eigvalsh")(symmetric(a)),
        prepare=positive,
        points=[Point((np.eye(3).tolist(),), np.ones(3), (np.eye(3),))],  # all the same
        refuses=SQUARE_ONLY,
        complex=True,
    ),
    Row(
        ops.SVD,
        lambda a, full_matrices=False: tuple(np.linalg.svd(a, full_matrices)),
        [*TALL, case((2, 3)), case((2, 1, 2)), case((2, 2), full_matrices=True)],
        lambda a, full_matrices=False: in_torch("svd")(a, full_matrices=full_matrices),
        prepare=conditioned,
        determined=singular_vectors,
        refuses=NO_MATRICES,
        complex=True,
    ),
    Row(
        ops.SVDGradient,  # by a, in the rows of SVD and Svdvals
        svd_gradient,
        [
            case(
                *map(constant, ((m, n), (m, k))),
                constant((k,), 0.5, 3.0),
                constant((k, n)),
                (k,),
                *vectors,
            )
            for m, n, k in ((0, 0, 0), (1, 1, 1), (3, 3, 3), (3, 2, 2), (2, 3, 2))
            for vectors in ((), ((m, k), (k, n)))
        ],
        complex="inside",
    ),
    Row(
        ops.Svdvals,
        lambda a: np.linalg.svd(a, compute_uv=False),
        ANY,
        in_torch("svdvals"),
        prepare=conditioned,
        points=[Point((np.eye(2, 3).tolist(),), np.ones(2), (np.eye(2, 3),))],  # all the same
        refuses=NO_MATRICES,
        complex=True,
    ),
    Row(
        ops.QR,
        lambda a, **_: tuple(np.linalg.qr(a)),
        [*TALL, case((2, 2), complete=True)],
        lambda a, **_: in_torch("qr")(a),
        prepare=conditioned,
        determined=qr_factors,
        refuses=[
            *NO_MATRICES,
            refuses(case((2, 3)), ValueError, "(2, 3)", "expected (..., M, N) with M >= N"),
        ],
        complex=True,
    ),
]
