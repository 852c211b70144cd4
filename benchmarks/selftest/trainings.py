"""The trainings that the selftest runs: each makes a training step, and a function that draws
the arrays that the step takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gradcore import TensorNode, cross_entropy, dropout, namespace, nn, optim, relu
from gradcore.backends import Array, backend_of, random

__all__ = ["TRAININGS", "Training"]

IMAGES = (32, 3, 16, 16)  # (N, C, H, W)
Training = tuple[Callable[..., Array], Callable[[], tuple[Array, ...]]]


def training(
    model: nn.Module,
    shape: tuple[int, ...],
    make: Callable[[list[TensorNode]], optim.Optimizer],
    mixed: bool = False,
) -> Training:
    """Make the step that trains `model`, and the function that draws a batch.

    Args:
        shape: of the inputs of a batch.
        make: makes an optimizer of parameters.
        mixed: whether to train in mixed precision.
    """
    rng = random.generator()
    parameters = model.parameters()
    optimizer = optim.MixedPrecision(parameters, make) if mixed else make(parameters)
    backend = backend_of(parameters[0].value)

    def step(x: Array, targets: Array) -> Array:
        outputs = model(x)
        xp = namespace(outputs)
        loss = cross_entropy(xp.astype(outputs, xp.float32), targets)
        optimizer.scaled(loss).backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.value

    def batch() -> tuple[Array, Array]:
        x = backend.asarray(rng.normal(size=shape), "float16" if mixed else "float32")
        return x, backend.asarray(rng.integers(0, 10, shape[0]))

    return step, batch


class MLP(nn.Module):
    def __init__(self) -> None:
        self.first, self.last = nn.Linear(64, 256), nn.Linear(256, 10)

    def forward(self, x: TensorNode | Array) -> TensorNode:  # (N, 64)
        return self.last(dropout(relu(self.first(x)), 0.1))


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.Relu(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 8 * 8, 10),
    )


momentum = partial(optim.SGD, lr=0.01, momentum=0.9)

TRAININGS: dict[str, Callable[[], Training]] = {
    "MLP with dropout, SGD": lambda: training(MLP(), (128, 64), partial(optim.SGD, lr=0.05)),
    "MLP with dropout, Adam": lambda: training(MLP(), (128, 64), partial(optim.Adam, lr=0.001)),
    "convolutions, momentum": lambda: training(convolutional(), IMAGES, momentum),
    "convolutions, momentum, mixed precision": lambda: training(
        convolutional(), IMAGES, momentum, mixed=True
    ),
}
