"""Ops of linear algebra."""

from __future__ import annotations

from typing import Any

from ..graph import Context, Op, needs
from ..values import namespace


class MatrixMultiply(Op):
    """The matrix product a @ b, of stacks of matrices (..., M, K) and (..., K, N), or vectors."""

    @staticmethod
    def forward(context: Context, a: Any, b: Any) -> Any:
        if not (a.ndim and b.ndim) or a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
            raise ValueError(
                f"MatrixMultiply: {tuple(a.shape)} @ {tuple(b.shape)} does not fit; "
                "expected (..., M, K) @ (..., K, N)"
            )
        context["a"], context["b"] = a, b
        return namespace(a).matmul(a, b)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        a, b, xp, ga, gb = context["a"], context["b"], namespace(go), None, None
        rows, columns = a.ndim > 1, b.ndim > 1
        # A vector is a matrix of one row (left) or one column (right).
        if not columns:
            b, go = xp.expand_dims(b, axis=1), xp.expand_dims(go, axis=-1)
        if not rows:
            a, go = xp.expand_dims(a, axis=0), xp.expand_dims(go, axis=-2)
        if needs(context, 0):
            ga = xp.matmul(go, b.mT)
        if needs(context, 1):
            if b.ndim == 2 and a.ndim > 2:  # one product, not one for each matrix of the stack
                a = xp.reshape(a, (-1, a.shape[-1]))
                go = xp.reshape(go, (-1, go.shape[-1]))
            gb = xp.matmul(a.mT, go)
            gb = gb if columns else xp.squeeze(gb, axis=-1)
        return ga, gb


class BatchMM(Op):
    """One matrix (O, I) times each of a batch of vectors (N, I), to (N, O)."""

    @staticmethod
    def forward(context: Context, matrix: Any, vectors: Any) -> Any:
        if matrix.ndim != 2 or vectors.ndim != 2 or matrix.shape[1] != vectors.shape[1]:
            raise ValueError(
                f"BatchMM: matrix {tuple(matrix.shape)} and vectors {tuple(vectors.shape)} "
                "do not fit; expected (O, I) and (N, I)"
            )
        context["matrix"], context["vectors"] = matrix, vectors
        return namespace(matrix).matmul(vectors, matrix.T)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        matrix, vectors, xp = context["matrix"], context["vectors"], namespace(go)
        return (
            xp.matmul(go.T, vectors) if needs(context, 0) else None,
            xp.matmul(go, matrix) if needs(context, 1) else None,
        )
