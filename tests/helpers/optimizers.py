"""What tests of optimizers and schedules share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from gradcore import TensorNode, namespace, optim
from gradcore.backends import default

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "optim.json").read_text())
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}
ALL = [
    *(optim.SGD, optim.Adam, optim.AdamW, optim.Adagrad, optim.RMSprop, optim.NAdam, optim.RAdam),
    *(optim.Adamax, optim.Adadelta, optim.Rprop, optim.ASGD, optim.Lion),
]


def node(*values: float) -> TensorNode:
    """A parameter on the default backend, whose gradient is all ones."""
    p = TensorNode(default().asarray(list(values)))
    p.grad = namespace(p.value).ones_like(p.value)
    return p


def is_close(backend: Any, value: Any, expected: Any, tolerance: float) -> bool:
    expected = np.asarray(expected)
    limit = tolerance * (abs(expected) + abs(expected).max(initial=0))
    return bool(np.all(abs(backend.to_numpy(value) - expected) <= limit))


def run(optimizer: Any, backend: Any, dtype: str, gradients: list[Any]) -> None:
    for of_step in gradients:
        for p, gradient in zip(optimizer.parameters, of_step, strict=True):
            p.grad = backend.asarray(np.asarray(gradient), dtype)
        optimizer.step()


def parameters(backend: Any, dtype: str, values: list[Any]) -> list[TensorNode]:
    return [TensorNode(backend.asarray(np.asarray(value), dtype)) for value in values]


def read_only(x: np.ndarray) -> np.ndarray:
    x.flags.writeable = False
    return x
