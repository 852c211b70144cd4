"""The row of gradcore/transforms/checkpoint.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcore import TensorNode, array_api
from gradcore.transforms.checkpoint import Call, Checkpoint

from .rows import Row, case


def _call(n: int) -> Call:
    """The call of a function of n nodes; of which, is said when it is made again."""

    def f(*xs: Any) -> Any:
        return sum(map(array_api.sin, xs)), xs[0] * xs[-1]

    return Call(f, [TensorNode([0.0]) for _ in range(n)], {})


ROWS = [
    Row(
        Checkpoint,
        lambda *xs, call: (sum(map(np.sin, xs)), xs[0] * xs[-1]),  # noqa: ARG005
        [
            case((2, 3), call=_call(1)),
            case((2, 3), (3,), call=_call(2)),
            case((1,), (), (2, 1), call=_call(3)),
            case((0, 2), (2,), call=_call(2)),
        ],
        complex=True,
    )
]
