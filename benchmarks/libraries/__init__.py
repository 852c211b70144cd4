"""The workloads as people write them in each library: a file on_NAME.py for each library.

A file has those of the following functions that its library can do. Each takes NumPy's arrays, sets
a workload up, and gives the step to be timed: a function without arguments, which returns a list of
arrays, the same for all libraries.

    forward(function, arrays)      `function(OPS, *arrays)`, with no graph
    gradients(function, arrays)    with a graph, and the gradients of all floating arrays
    train(layers, parameters, x, targets, loss, optimizer, lr)
    update(parameters, gradients, optimizer, lr)
    batches(x, y, size)            an epoch of batches in a random order

Where a library uses a device, the file also has `wait()`, which waits for the device; `numpy(x)`,
which copies an array to NumPy; and `device_peak(step)`, which runs a step, and gives by how many
bytes the device's memory in arrays grew at the highest point (`None` if arrays are on the host).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..models import Layer, Shape

__all__ = ["Step", "Table", "apply", "modules", "of_output", "optimizers"]

Step = Callable[[], list[Any]]


class Table(dict[str, Any]):
    """Functions of a library, by the names that the workloads use. A missing one is a
    NotImplementedError."""

    def __missing__(self, name: str) -> Any:
        raise NotImplementedError(name)


def of_output(shape: Shape) -> np.ndarray:
    """Draw the gradient that a backward pass starts from."""
    return np.asarray(np.random.default_rng(1).standard_normal(shape), np.float32)


def apply(layers: Sequence[Layer], ops: Table, parameters: Iterator[Any], x: Any) -> Any:
    """Apply a network, layer by layer, for libraries that have no modules."""
    for layer in layers:
        x = ops[layer.op](x, *[next(parameters) for _ in layer.shapes], **layer.constants)
    return x


# -- For gradcore and PyTorch, whose names are the same -----------------------------------------


def modules(nn: Any, relu: Any) -> Callable[[Sequence[Layer]], Any]:
    """Give a function that makes a network of modules.

    Args:
        nn: the library's module of layers.
        relu: its layer ReLU.
    """

    class Residual(nn.Module):
        def __init__(self, body: Any, shortcut: Any) -> None:
            super().__init__()
            self.body, self.shortcut = body, shortcut

        def forward(self, x: Any) -> Any:
            return self.body(x) + self.shortcut(x)

    class Recurrent(nn.Module):
        """The outputs of an LSTM, all steps of all sequences as rows."""

        def __init__(self, layer: Layer) -> None:
            super().__init__()
            (_, inputs), (_, hidden), *_ = layer.shapes
            depth = len(layer.shapes) // 4
            self.lstm = nn.LSTM(inputs, hidden, depth, batch_first=True)

        def forward(self, x: Any) -> Any:
            y, _ = self.lstm(x)
            return y.reshape((-1, y.shape[2]))

    def conv2d(layer: Layer) -> Any:
        outputs, inputs, K, _ = layer.shapes[0]
        return nn.Conv2d(inputs, outputs, K, bias=len(layer.shapes) == 2, **layer.constants)

    def network(layers: Sequence[Layer]) -> Any:
        return nn.Sequential(*[table[layer.op](layer) for layer in layers])

    table = Table(
        average=lambda _: nn.AdaptiveAvgPool2d(1),
        batch_norm=lambda layer: nn.BatchNorm2d(*layer.shapes[0]),
        conv2d=conv2d,
        embedding=lambda layer: nn.Embedding(*layer.shapes[0]),
        flatten=lambda _: nn.Flatten(),
        linear=lambda layer: nn.Linear(*layer.shapes[0][::-1]),
        lstm=Recurrent,
        max_pool2d=lambda layer: nn.MaxPool2d(**layer.constants),
        relu=lambda _: relu(),
        residual=lambda layer: Residual(*map(network, layer.parts)),
        sigmoid=lambda _: nn.Sigmoid(),
    )
    return network


def optimizers(optim: Any, nn: Any) -> Table:
    """Give the optimizers of the library's module `optim`."""

    class Clipped:
        """Adam, after gradients are clipped to a norm of 1."""

        def __init__(self, parameters: Any, lr: float) -> None:
            self.parameters = list(parameters)
            self.updates = optim.Adam(self.parameters, lr)

        def step(self) -> None:
            nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.updates.step()

        def zero_grad(self) -> None:
            self.updates.zero_grad()

    return Table(
        {"clipped-adam": Clipped},
        sgd=optim.SGD,
        momentum=partial(optim.SGD, momentum=0.9),
        adam=optim.Adam,
        adamw=optim.AdamW,
        adagrad=optim.Adagrad,
        rmsprop=optim.RMSprop,
    )
