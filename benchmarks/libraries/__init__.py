"""The workloads as people write them in each library: one file for each, on_NAME.py.

A file has what its library can do of these. Each sets a workload up, with NumPy's arrays, and gives
the step to be timed: a function without arguments, whose results, in a list, are the same for all.

    forward(function, arrays)      `function(OPS, *arrays)`, with no graph
    gradients(function, arrays)    with a graph, and the gradients of all floating arrays
    train(layers, parameters, x, targets, loss, optimizer, lr)
    update(parameters, gradients, optimizer, lr)
    batches(x, y, size)            an epoch of batches in a random order

Where there is a device, `wait()` waits for it, `numpy(x)` is an array in NumPy, and
`device_peak(step)` runs a step and gives by how many bytes arrays took more of the device's memory
at the highest point than before, or `None` where they are in the host's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..models import Layer, Shape

Step = Callable[[], list[Any]]


class Table(dict[str, Any]):
    """What a library has, by the names that the workloads use."""

    def __missing__(self, name: str) -> Any:
        raise NotImplementedError(name)


def of_output(shape: Shape) -> np.ndarray:
    """A gradient to start a backward pass from."""
    return np.asarray(np.random.default_rng(1).standard_normal(shape), np.float32)


def apply(layers: Sequence[Layer], ops: Table, parameters: Iterator[Any], x: Any) -> Any:
    """A network as functions of its parameters, where the library has no modules."""
    for layer in layers:
        x = ops[layer.op](x, *[next(parameters) for _ in layer.shapes], **layer.constants)
    return x


# What has the same names in gradcore and in PyTorch.


def modules(nn: Any, relu: Any) -> Callable[[Sequence[Layer]], Any]:
    """A function that makes a network of modules."""

    class Residual(nn.Module):
        def __init__(self, body: Any, shortcut: Any) -> None:
            super().__init__()
            self.body, self.shortcut = body, shortcut

        def forward(self, x: Any) -> Any:
            return self.body(x) + self.shortcut(x)

    def conv2d(layer: Layer) -> Any:
        outputs, inputs, K, _ = layer.shapes[0]
        return nn.Conv2d(inputs, outputs, K, bias=len(layer.shapes) == 2, **layer.constants)

    def network(layers: Sequence[Layer]) -> Any:
        return nn.Sequential(*[table[layer.op](layer) for layer in layers])

    table = Table(
        average=lambda _: nn.AdaptiveAvgPool2d(1),
        batch_norm=lambda layer: nn.BatchNorm2d(*layer.shapes[0]),
        conv2d=conv2d,
        flatten=lambda _: nn.Flatten(),
        linear=lambda layer: nn.Linear(*layer.shapes[0][::-1]),
        max_pool2d=lambda layer: nn.MaxPool2d(**layer.constants),
        relu=lambda _: relu(),
        residual=lambda layer: Residual(*map(network, layer.parts)),
        sigmoid=lambda _: nn.Sigmoid(),
    )
    return network


def optimizers(optim: Any) -> Table:
    return Table(
        sgd=optim.SGD,
        momentum=partial(optim.SGD, momentum=0.9),
        adam=optim.Adam,
        adamw=optim.AdamW,
        adagrad=optim.Adagrad,
        rmsprop=optim.RMSprop,
    )
