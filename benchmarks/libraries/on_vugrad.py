from __future__ import annotations

from typing import Any

import numpy as np
import vugrad

from . import Step, Table

__all__ = ["train"]

LAYERS = Table(
    linear=lambda layer: vugrad.Linear(*layer.shapes[0][::-1]),
    sigmoid=lambda _: vugrad.sigmoid,
)


def train(
    layers: Any, parameters: Any, x: Any, targets: Any, loss: str, optimizer: str, lr: float
) -> Step:
    """As in experiments/train_mlp.py, in float64, which is what its data and weights are."""
    if (loss, optimizer) != ("sum", "sgd"):
        raise NotImplementedError(optimizer)
    built = [LAYERS[layer.op](layer) for layer in layers]
    ours = [p for f in built if isinstance(f, vugrad.Module) for p in f.parameters()]
    for p, value in zip(ours, parameters, strict=True):
        p.value = value.astype(float).reshape(p.value.shape)
    x = x.astype(np.float64)

    def step() -> list[Any]:
        y = vugrad.TensorNode(x)
        for function in built:
            y = function(y)
        total = vugrad.logceloss(vugrad.logsoftmax(y), targets)
        total.backward()
        for p in ours:
            p.value -= lr * p.grad
        total.zero_grad()
        total.clear()
        return [total.value]

    return step
