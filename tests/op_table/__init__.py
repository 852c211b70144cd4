"""One row for each op; `ops/test_op_table.py` drives every row on every backend and dtype."""

from __future__ import annotations

from gradcore import Op

from . import (
    activations,
    attention,
    checkpoint,
    convolution,
    dropout,
    elementwise,
    fft,
    indexing,
    linalg,
    losses,
    normalization,
    pooling,
    recurrent,
    reductions,
    shape,
    special,
    unfolding,
)
from .rows import Case, Draw, Raw, Row

ROWS = [
    *elementwise.ROWS,
    *activations.ROWS,
    *special.ROWS,
    *reductions.ROWS,
    *shape.ROWS,
    *indexing.ROWS,
    *linalg.ROWS,
    *fft.ROWS,
    *convolution.ROWS,
    *pooling.ROWS,
    *unfolding.ROWS,
    *normalization.ROWS,
    *recurrent.ROWS,
    *losses.ROWS,
    *dropout.ROWS,
    *attention.ROWS,
    *checkpoint.ROWS,
]


def all_ops() -> list[type[Op]]:
    """Every op that the package defines, in the modules that are imported. (The adapter for
    autograd makes an op of each `primitive`, whose inputs are not fixed.)"""
    found, stack = [], [Op]
    while stack:
        subclasses = stack.pop().__subclasses__()
        stack += subclasses
        ops = [op for op in subclasses if op.forward is not Op.forward]  # no bases of ops
        found += [
            op
            for op in ops
            if op.__module__.startswith("gradcore.")
            and not {"autograd", "distributed"} & {*op.__module__.split(".")}
        ]
    return found


__all__ = ["ROWS", "Case", "Draw", "Raw", "Row", "all_ops"]
