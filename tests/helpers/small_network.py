"""A small convolutional network and its training, to compare backends by."""

from __future__ import annotations

from typing import Any

import numpy as np

import gradcore
from gradcore import nn, optim, use_backend

__all__ = ["network", "trained"]


def network() -> nn.Module:
    gradcore.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 4, 3, stride=2), nn.GELU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(4, 3)),
    )


def trained(backend: Any, make: Any = optim.AdamW) -> list[float]:
    """The losses of a few steps, by the optimizer that `make` makes."""
    with use_backend(backend) as chosen:
        rng, model = np.random.default_rng(0), network()
        x = chosen.asarray(rng.normal(size=(16, 1, 8, 8)).astype("float32"))
        labels = chosen.asarray(rng.integers(0, 3, 16))
        optimizer, losses = make(model.parameters(), lr=0.01), []
        for _ in range(4):
            loss = gradcore.cross_entropy(model(x), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(float(loss))
        return losses
