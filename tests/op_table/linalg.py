"""The rows of gradcore/ops/linalg.py."""

from __future__ import annotations

import numpy as np

from gradcore import ops

from .rows import Row, case, constant, refuses

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
            case((2, 3), (2, 3, 2)),
            case((2, 1, 2, 3), (2, 3, 1)),
            case((3,), (2, 3, 2)),
            case((2, 2, 3), (3,)),
            case((2, 3), constant((3, 2))),
            case(constant((3,)), (3, 2)),
            case((1, 1), (1, 1)),
            case((0, 3), (3, 2)),
            case((2, 0), (0, 3)),
        ],
        "matmul",
        refuses=[
            refuses(case((2, 3), (2, 3)), ValueError, "(2, 3) @ (2, 3)", "expected"),
            refuses(case((2, 3), (2,)), ValueError, "(2, 3) @ (2,)"),
            refuses(case((), (2, 3)), ValueError, "() @ (2, 3)"),
            refuses(case((2, 2, 3), (3, 3, 2)), ValueError, "(2, 2, 3)", "(3, 3, 2)"),
        ],
    ),
    Row(
        ops.BatchMM,
        lambda matrix, vectors: vectors @ matrix.T,
        [
            case((2, 3), (4, 3)),
            case((2, 3), constant((2, 3))),
            case(constant((2, 3)), (1, 3)),
            case((1, 1), (1, 1)),
            case((2, 3), (0, 3)),
        ],
        lambda matrix, vectors: vectors @ matrix.T,
        refuses=[
            refuses(case((2, 3), (4, 2)), ValueError, "(2, 3)", "(4, 2)", "expected"),
            refuses(case((2, 3), (3,)), ValueError, "(2, 3)", "(3,)", "expected"),
        ],
    ),
]
