"""Small graphs for the tests of the engine: nodes, a loss, and an op with two outputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcore import (
    Op,
    Sum,
    TensorNode,
    namespace,
)

Context = dict[str, Any]


def node(*shape: int, seed: int = 0) -> TensorNode:
    return TensorNode(np.random.default_rng(seed).normal(size=shape))


def total(x: TensorNode) -> TensorNode:
    return Sum.do_forward(x)


class Halves(Op):
    """A vector in two halves: an op with two outputs."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        n = x.shape[0] // 2
        return x[:n], x[n:]

    @staticmethod
    def backward(context: Context, gleft: Any, gright: Any) -> Any:
        return namespace(gleft).concat([gleft, gright])
