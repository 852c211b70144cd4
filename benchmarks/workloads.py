"""The workloads: the tables at the end, and the functions that make their rows.

A row names a family and a case. A family is a function in the files of `libraries/`, for instance
`train`; a file lacks it if its library can't do it. A case is a function of sizes, which gives the
arguments of the family, and what a step costs at least. All libraries get the same arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np

from . import models
from .models import Cost, Draw, Layer, Shape, conv, dense, norm, parameters, total

__all__ = ["NETWORKS", "RATES", "WORKLOADS", "Workload"]


class Case(NamedTuple):
    given: dict[str, Any]  # the arguments of the family's function; each Draw becomes an array
    forward: Cost = Cost()
    backward: Cost = Cost()  # and the optimizer's update


@dataclass(frozen=True)
class Workload:
    name: str
    family: str
    case: Callable[..., Case]
    sizes: tuple[Any, ...]
    tiny: tuple[Any, ...]  # the sizes with --quick, and in the tests
    threads: int | None = None  # whatever --threads says
    series: str = ""  # a series that shows growth, and the place in it
    at: int = 0

    @property
    def group(self) -> str:
        """One of GROUPS."""
        if self.series:
            return "Growth"
        if self.case is chain:
            return "Chains"
        names = {"train": "Training steps", "update": "Updates", "batches": "Updates"}
        return names.get(self.family, "Kernels")

    def cost(self, quick: bool) -> Cost:
        case = self.case(*(self.tiny if quick else self.sizes))
        return case.forward if self.family == "forward" else total([case.forward, case.backward])

    def arguments(self, quick: bool) -> dict[str, Any]:
        """Draw the arguments of the family's function: the same numbers each time."""
        rng = np.random.default_rng(0)

        def array(draw: Draw) -> np.ndarray:
            if draw.classes:
                return rng.integers(draw.classes, size=draw.shape)
            if not draw.deviation:
                return rng.random(draw.shape, dtype=np.float32)
            x = rng.standard_normal(draw.shape, dtype=np.float32)
            return x * np.float32(draw.deviation) + np.float32(draw.mean)

        def drawn(x: Any) -> Any:
            if isinstance(x, list):
                return [drawn(entry) for entry in x]
            return array(x) if isinstance(x, Draw) else x

        case = self.case(*(self.tiny if quick else self.sizes))
        return {name: drawn(x) for name, x in case.given.items()}


# -- Training ----------------------------------------------------------------------------------

# Reads and writes of an update, for each element: parameter, gradient, and optimizer state.
MOVED = {"sgd": 3, "momentum": 5, "adam": 7, "adamw": 7, "adagrad": 5, "rmsprop": 5}
CLIPPED = {"clipped-adam": 8}  # which reads the gradient once more


def updating(optimizer: str, lr: float, layers: list[Layer]) -> tuple[dict[str, Any], Cost]:
    """Give the arguments for updates of the layers' parameters, and the cost of an update."""
    drawn = parameters(layers)
    moved = (MOVED | CLIPPED)[optimizer] * sum(prod(p.shape) for p in drawn)
    return {"optimizer": optimizer, "lr": lr, "parameters": drawn}, Cost(0, moved)


def training(layers: list[Layer], x: Draw, loss: str, optimizer: str, lr: float) -> Case:
    given, update = updating(optimizer, lr, layers)
    _, forward, backward = models.cost(layers, x.shape, first=True)
    given |= {"layers": layers, "x": x, "targets": Draw(x.shape[:1], classes=10), "loss": loss}
    return Case(given, forward, total([backward, update]))


def mlp(inputs: int, hidden: int, depth: int, batch: int) -> Case:
    # Not from 0 to 255, as in examples/mnist.py: those drive the sigmoids to where numbers become
    # denormal, and the benchmark would time denormal numbers.
    pixels = Draw((batch, inputs), deviation=0.0)
    return training(models.mlp(inputs, hidden, depth), pixels, "sum", "sgd", 0.01 / batch)


def blitz(batch: int) -> Case:
    return training(models.BLITZ, Draw((batch, 3, 32, 32)), "mean", "momentum", 1e-3)


def resnet(width: int, blocks: int, size: int, batch: int) -> Case:
    images = Draw((batch, 3, size, size))
    return training(models.resnet(width, blocks), images, "mean", "momentum", 1e-3)


def resnet9(width: int, size: int, batch: int) -> Case:
    images = Draw((batch, 3, size, size))
    return training(models.resnet9(width), images, "mean", "momentum", 1e-3)


def gpt(classes: int, width: int, heads: int, depth: int, length: int, batch: int) -> Case:
    layers = models.gpt(classes, width, heads, depth, length)
    case = training(layers, Draw((batch, length), classes=classes), "mean", "adamw", 1e-3)
    case.given["targets"] = Draw((batch * length,), classes=classes)
    return case


def char_lstm(classes: int, width: int, hidden: int, depth: int, batch: int, steps: int) -> Case:
    layers = models.char_lstm(classes, width, hidden, depth)
    characters = Draw((batch, steps), classes=classes)
    case = training(layers, characters, "mean", "clipped-adam", 2e-3)
    case.given["targets"] = Draw((batch * steps,), classes=classes)
    return case


def vae(pixels: int, hidden: int, latent: int, batch: int) -> Case:
    images = Draw((batch, pixels), deviation=0.0)
    case = training(models.vae(pixels, hidden, latent), images, "elbo", "adam", 1e-3)
    case.given["targets"] = Draw((batch, latent))  # the noise
    return case


def update(optimizer: str, inputs: int, hidden: int) -> Case:
    given, update = updating(optimizer, 0.01, models.mlp(inputs, hidden, 2))
    return Case({**given, "gradients": [Draw(p.shape) for p in given["parameters"]]}, update)


def batches(n: int, m: int, size: int) -> Case:
    """An epoch of batches, in a random order."""
    given = {"x": Draw((n, m), deviation=0.0), "y": Draw((n,), classes=10), "size": size}
    return Case(given, Cost(0, 2 * n * m))


# -- Single ops --------------------------------------------------------------------------------


def single(op: str, *arrays: Draw, **constants: Any) -> dict[str, Any]:
    """Give the arguments of `forward` and `gradients`: a function of ops and arrays, and arrays."""
    return {"function": lambda ops, *xs: ops[op](*xs, **constants), "arrays": list(arrays)}


def layer(make: Callable[..., Layer], shape: Shape, *sizes: int) -> Case:
    """Time one layer, as a function of its input and its parameters.

    Args:
        make: makes the layer of `sizes`.
        shape: of the input.
    """
    one = make(*sizes)
    given = single(one.op, Draw(shape), *parameters([one]), **one.constants)
    return Case(given, *models.cost([one], shape)[1:])


def max_pool(*shape: int) -> Case:
    return layer(lambda: models.POOL, shape)


def elementwise(op: str, x: Shape, *others: Draw) -> Case:
    """Time an op whose forward reads x and writes y, and whose backward reads x and the gradient
    of y, and writes that of x."""
    return Case(single(op, Draw(x), *others), Cost(0, 2 * prod(x)), Cost(0, 3 * prod(x)))


def layer_norm(N: int, M: int) -> Case:
    return elementwise("layer_norm", (N, M), Draw((M,), 0.1, mean=1.0), Draw((M,), 0.1))


def cross_entropy(N: int, C: int) -> Case:
    given = single("cross_entropy", Draw((N, C)), Draw((N,), classes=C))
    return Case(given, Cost(0, N * C), Cost(0, 2 * N * C))


def matmul(n: int) -> Case:
    return Case(single("matmul", Draw((n, n)), Draw((n, n))), Cost(2 * n**3))


def copy(n: int) -> Case:
    return Case(single("copy", Draw((n,)), Draw((n,))), Cost(0, 2 * n))


# For each chain: how many ops a link has; the link, a function of the 4x4 array y so far, the start
# x and the library's ops; and the mean of x. Over 1,000 ops, numbers and gradients become neither
# too small nor too large.
CHAINS: dict[str, tuple[int, Callable[[Any, Any, Any], Any], float]] = {
    "scale": (1, lambda y, *_: y * 1.0001, 0.5),
    "multiply-add": (2, lambda y, x, _: y * x + x, 0.99),
    "subtract-scale": (2, lambda y, x, _: (y - x) * -0.999, 0.5),
    "tanh": (1, lambda y, _, ops: ops["tanh"](y), 0.5),
    "relu": (1, lambda y, _, ops: ops["relu"](y), 0.5),
    "matmul": (1, lambda y, x, _: y @ x, 0.25),
}


def chain(kind: str, length: int) -> Case:
    """Time the engine: the arithmetic of 4x4 arrays takes next to no time."""
    ops_in_step, step, mean = CHAINS[kind]

    def function(ops: Any, x: Any) -> Any:
        y = x
        for _ in range(length // ops_in_step):
            y = step(y, x, ops)
        return ops["sum"](y)

    return Case({"function": function, "arrays": [Draw((4, 4), 0.001, mean)]})


# -- The tables --------------------------------------------------------------------------------

RATES = [  # from which floors are computed; the copy is larger than most caches
    Workload("matmul", "forward", matmul, (2048,), (64,)),
    Workload("copy", "forward", copy, (1 << 25,), (4096,)),
]

NETWORKS = [  # for a GPU: on a CPU a step takes minutes
    Workload("resnet9-512", "train", resnet9, (32, 32, 512), (2, 8, 2)),
]

LINEAR = (dense, (128, 784), 784, 3136), (dense, (3, 4), 4, 5)
CONV_5X5 = (conv, (128, 6, 14, 14), 6, 16, 5), (conv, (2, 2, 6, 6), 2, 3, 5)
CONV_3X3 = (conv, (64, 16, 32, 32), 16, 16, 3, 1, 1), (conv, (2, 2, 4, 4), 2, 2, 3, 1, 1)
CONV_WIDE = (conv, (32, 256, 8, 8), 256, 256, 3, 1, 1), (conv, (2, 2, 4, 4), 2, 2, 3, 1, 1)
CONV_STRIDED = (conv, (64, 16, 32, 32), 16, 32, 3, 2, 1), (conv, (2, 2, 4, 4), 2, 3, 3, 2, 1)
BATCH_NORM = (norm, (64, 16, 32, 32), 16), (norm, (2, 3, 4, 4), 3)

WORKLOADS = [
    Workload("mnist-sigmoid", "train", mlp, (784, 3136, 2, 128), (6, 24, 2, 5)),
    Workload("mnist-3layer", "train", mlp, (784, 3136, 3, 128), (6, 24, 3, 5)),
    *[Workload(f"blitz-{n}", "train", blitz, (n,), (2,)) for n in (4, 32, 128, 512)],
    Workload("resnet20-64", "train", resnet, (16, 3, 32, 64), (2, 1, 8, 2)),
    Workload("mnist-vae", "train", vae, (784, 400, 20, 128), (6, 5, 2, 3)),
    Workload("gpt-small", "train", gpt, (100, 128, 4, 4, 64, 32), (5, 8, 2, 2, 6, 3)),
    Workload("char-lstm", "train", char_lstm, (96, 64, 256, 1, 32, 64), (5, 3, 4, 1, 2, 3)),
    Workload("char-lstm-2layer", "train", char_lstm, (96, 64, 256, 2, 32, 64), (5, 3, 4, 2, 2, 3)),
    *[Workload(f"chain-{k}", "gradients", chain, (k, 1000), (k, 6), threads=1) for k in CHAINS],
    Workload("cross-entropy-128x10", "gradients", cross_entropy, (128, 10), (3, 4)),
    Workload("cross-entropy-4096x1000", "gradients", cross_entropy, (4096, 1000), (5, 3)),
    Workload("linear-forward", "forward", layer, *LINEAR),
    Workload("linear", "gradients", layer, *LINEAR),
    Workload("conv-5x5-forward", "forward", layer, *CONV_5X5),
    Workload("conv-5x5", "gradients", layer, *CONV_5X5),
    Workload("conv-3x3-forward", "forward", layer, *CONV_3X3),
    Workload("conv-3x3", "gradients", layer, *CONV_3X3),
    Workload("conv-3x3-wide", "gradients", layer, *CONV_WIDE),
    Workload("conv-3x3-stride-2", "gradients", layer, *CONV_STRIDED),
    Workload("max-pool", "gradients", max_pool, (128, 6, 28, 28), (2, 3, 4, 4)),
    Workload("batch-norm", "gradients", layer, *BATCH_NORM),
    Workload("layer-norm", "gradients", layer_norm, (4096, 1000), (3, 5)),
    Workload("gelu", "gradients", elementwise, ("gelu", (1_000_000,)), ("gelu", (7,))),
    *[Workload(f"update-{o}", "update", update, (o, 784, 3136), (o, 6, 5)) for o in MOVED],
    Workload("batches", "batches", batches, (60_000, 784, 128), (6, 5, 6)),
]
for n in (100, 1000, 10_000, 100_000):
    link = ("tanh", n), ("tanh", 6)
    WORKLOADS.append(Workload(f"depth-{n}", "gradients", chain, *link, 1, "depth", n))
for n in (128, 256, 512, 1024, 2048):
    sizes = (n, n, 3, 128), (6, 24, 3, 5)
    WORKLOADS.append(Workload(f"width-{n}", "train", mlp, *sizes, None, "width", n))
for n in (16, 64, 256, 1024, 4096):
    sizes = (784, 3136, 2, n), (6, 24, 2, 5)
    WORKLOADS.append(Workload(f"batch-{n}", "train", mlp, *sizes, None, "batch", n))
