"""The examples on other backends: the losses are NumPy's, and no step waits for the device."""

from __future__ import annotations

import functools
from typing import Any

import cifar10
import mnist
import numpy as np
import pytest
from cupy_on_cpu import device
from harness.record import Epoch
from runs import call

import gradcore
from gradcore.backends import backend_of
from gradcore.data import load_shapes

LOADERS = {"synth": gradcore.load_synth, "shapes": load_shapes}
OPTIMIZERS = ["momentum", "adam", "adamw", "adagrad", "rmsprop"]
MNIST = ["--data", "synth", "--batch-size", 32, "--epochs", 2, "--lr", 0.01]
CIFAR10 = ["--data", "shapes", "--batch-size", 4, "--epochs", 2, "--lr", 0.01]
AUGMENTED = ["--width", 2, "--augment", "crop", "flip", "cutout"]
RUNS: list[tuple[Any, list[Any]]] = [
    *[(mnist, [*MNIST, "--model", model]) for model in mnist.MODELS],
    *[(mnist, [*MNIST, "--optimizer", name]) for name in OPTIMIZERS],
    *[(cifar10, [*CIFAR10, "--optimizer", name]) for name in ("sgd", *OPTIMIZERS)],
    (cifar10, [*CIFAR10, "--model", "resnet9", *AUGMENTED]),
]


def trained(example: Any, flags: list[Any], on: Any, patch: pytest.MonkeyPatch) -> list[Any]:
    """The loss of each step, as arrays of the backend; none may wait for the device."""
    losses: list[Any] = []
    reads: list[int] = []
    add = Epoch.add

    def spy(self: Any, loss: Any, *arguments: Any, **options: Any) -> None:
        add(self, loss, *arguments, **options)
        losses.append(loss)
        reads.append(len(device.reads))

    patch.setattr(Epoch, "add", spy)
    load = functools.partial(LOADERS[flags[1]], *((64, 16) if example is mnist else (8, 4)))
    patch.setattr(example, f"load_{flags[1]}", load)
    assert call(example, "--quiet", *flags, on=on) == 0
    half = len(reads) // 2  # between two epochs, the validation is read
    assert reads[0] == reads[half - 1]
    assert reads[half] == reads[-1]
    return losses


@functools.cache
def expected(number: int) -> list[float]:
    with pytest.MonkeyPatch.context() as patch:
        return [float(x) for x in trained(*RUNS[number], ("numpy", None), patch)]


@pytest.mark.parametrize("number", range(len(RUNS)), ids=lambda k: " ".join(map(str, RUNS[k][1])))
def test_the_examples_on_other_backends(
    number: int, on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADCORE_OFFLINE", "1")
    losses = trained(*RUNS[number], on, monkeypatch)
    found = [float(backend_of(x).to_numpy(x)) for x in losses]
    np.testing.assert_allclose(found, expected(number), rtol=1e-3)
