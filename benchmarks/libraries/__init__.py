"""The workloads as people write them in each library: a file on_NAME.py for each library.

A file has those of the following functions that its library can do. Each takes NumPy's arrays, sets
a workload up, and gives the step to be timed: a function without arguments, which returns a list of
arrays, the same for all libraries.

    forward(function, arrays)      `function(OPS, *arrays)`, with no graph
    gradients(function, arrays)    with a graph, and the gradients of all floating arrays
    train(layers, parameters, x, targets, loss, optimizer, lr)
                                   the loss is cross-entropy, "mean" or "sum" of the instances; or
                                   "elbo", a VAE's, whose `targets` are standard normal numbers
    update(parameters, gradients, optimizer, lr)
    batches(x, y, size)            an epoch of batches in a random order

Where a library uses a device, the file also has `wait()`, which waits for the device; `numpy(x)`,
which copies an array to NumPy; `device_peak(step)`, which runs a step, and gives by how many
bytes the device's memory in arrays grew at the highest point (`None` if arrays are on the host);
and `free()`, which gives kept memory back. Where a library has options, `configure(captured,
compiled, tf32, dtype)` sets them for the steps made from then on, and `captured(step)` makes a step
that is captured and replayed. `KEEPS_MEMORY` says that steps keep all memory from the first one on:
what a later step needs can't be seen.

LIBRARIES is the table of what can be timed: a file, and options.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from ..models import Layer, Shape

__all__ = [
    "GROUPS",
    "LIBRARIES",
    "Library",
    "Step",
    "Table",
    "apply",
    "elbo",
    "modules",
    "of_output",
    "optimizers",
]

# The groups of workloads: `Workload.group` says which one a workload is of.
GROUPS = "Training steps", "Chains", "Kernels", "Updates", "Growth"
Step = Callable[[], list[Any]]
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Library(NamedTuple):
    """A library, as it is timed.

    Attributes:
        title: its name in tables.
        file: what its file's name has after `on_`.
        options: what `configure` of its file is given.
        environment: variables of its process.
        place: "cpu" or "gpu", where it is timed only there.
        is_extra: whether it is timed only where it is asked for.
        base: the library whose times its ratios are of.
        groups: the groups of workloads that it is timed with.
        rounds: how many turns it has at most; `None`: as many as PyTorch.
        compiles: whether it compiles a step when the step first runs, so that its process keeps the
            step from one turn to the next.
        needs: a program that it runs.
    """

    title: str
    file: str
    options: Mapping[str, Any] = NOTHING
    environment: Mapping[str, str] = NOTHING
    place: str = ""
    is_extra: bool = False
    base: str = "torch"
    groups: tuple[str, ...] = GROUPS
    rounds: int | None = None
    compiles: bool = False
    needs: str = ""

    @property
    def backend(self) -> str | None:
        """The backend of gradcore that it always has."""
        return self.environment.get("GRADCORE_BACKEND")


ON_TORCH, ON_JAX = {"GRADCORE_BACKEND": "torch"}, {"GRADCORE_BACKEND": "jax"}
BY_FX = ON_TORCH | {"GRADCORE_COMPILE": "fx"}  # which counts on a CPU only
ALONE = {"GRADCORE_FAST": "0"}
CAPTURED, TF32, HALF = {"captured": True}, {"tf32": "all"}, {"dtype": "float16"}
STEPS, SINGLE = GROUPS[:2], GROUPS[:4]  # what is captured or compiled, and all but growth

LIBRARIES = {
    "gradcore": Library("gradcore", "gradcore"),
    "torch": Library("PyTorch", "torch"),
    "gradcore-captured": Library("captured", "gradcore", CAPTURED, groups=STEPS),
    "gradcore-numpy": Library("NumPy alone", "gradcore", NOTHING, ALONE, "cpu"),
    "gradcore-numpy-captured": Library(
        "NumPy alone, captured", "gradcore", CAPTURED, ALONE, "cpu", groups=STEPS
    ),
    "jax": Library("JAX with jit", "jax", place="cpu", groups=SINGLE, rounds=3, compiles=True),
    "torch-compiled": Library(
        "torch.compile",
        "torch",
        {"compiled": True},
        place="cpu",
        groups=GROUPS[:1],
        rounds=3,
        compiles=True,
        needs="g++",
    ),
    "tinygrad": Library(
        "tinygrad",
        "tinygrad",
        NOTHING,
        {"DEV": "CPU"},
        "cpu",
        groups=GROUPS[:1],
        rounds=1,
        compiles=True,
        needs="clang",
    ),
    "autograd": Library("autograd", "autograd", groups=SINGLE, rounds=2),
    "mygrad": Library("MyGrad", "mygrad", groups=SINGLE, rounds=2),
    "vugrad": Library("vugrad", "vugrad", groups=SINGLE, rounds=2),
    "torch-captured": Library("PyTorch, CUDA graph", "torch", CAPTURED, place="gpu", groups=STEPS),
    # As both come, their convolutions use TF32.
    "torch-defaults": Library(
        "PyTorch as it comes", "torch", {"tf32": "convolutions"}, place="gpu"
    ),
    "gradcore-defaults": Library(
        "gradcore as it comes", "gradcore", {"tf32": "convolutions"}, place="gpu"
    ),
    "torch-tf32": Library("PyTorch, TF32", "torch", TF32, place="gpu"),
    "numpy": Library("NumPy", "numpy", is_extra=True),  # for the machine's rates
    "gradcore-torch": Library("gradcore on torch", "gradcore", NOTHING, ON_TORCH, is_extra=True),
    "gradcore-torch-captured": Library(
        "captured on torch", "gradcore", CAPTURED, BY_FX, is_extra=True, groups=STEPS
    ),
    "gradcore-jax-captured": Library(
        "captured on JAX", "gradcore", CAPTURED, ON_JAX, is_extra=True, base="jax", groups=STEPS
    ),
    "gradcore-jax": Library(
        "gradcore on JAX", "gradcore", NOTHING, ON_JAX, is_extra=True, base="gradcore"
    ),
}
for precision, options in {"tf32": TF32, "float16": HALF}.items():
    for file in ("gradcore", "torch"):
        for end, more in {"": NOTHING, "-captured": CAPTURED}.items():
            name = f"{file}-{precision}{end}"
            title = f"{LIBRARIES[file + end].title}, {precision.replace('tf', 'TF')}"
            extra = Library(title, file, {**options, **more}, place="gpu", is_extra=True)
            LIBRARIES.setdefault(name, extra._replace(groups=LIBRARIES[file + end].groups))


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

    def own(layer: Layer) -> list[Any]:
        return [next(parameters) for _ in layer.shapes]

    for layer in layers:
        if layer.op == "residual":
            body, shortcut = layer.parts
            y = apply(body, ops, parameters, x)
            x = y + apply(shortcut, ops, parameters, x)
        elif layer.op == "block":
            attention, up, down, before, between = map(own, layer.parts[0])
            y = ops["layer_norm"](x, *before)
            x = x + ops["attention"](y, *attention, heads=layer.constants["heads"])
            y = ops["linear"](ops["layer_norm"](x, *between), *up)
            x = x + ops["linear"](ops["gelu"](y), *down)
        elif layer.op == "vae":
            images, noise = x
            encoder, *heads, decoder = layer.parts
            hidden = apply(encoder, ops, parameters, images)
            mean, log_variance = (apply(head, ops, parameters, hidden) for head in heads)
            z = mean + ops["exp"](0.5 * log_variance) * noise
            x = apply(decoder, ops, parameters, z), mean, log_variance
        else:
            x = ops[layer.op](x, *own(layer), **layer.constants)
    return x


# A loss is a function of a model, its input, and the targets; here, of a VAE.


def elbo(cross_entropy: Callable[[Any, Any], Any], exp: Callable[[Any], Any]) -> Callable[..., Any]:
    """Give a VAE's loss, as in examples/vae.py: what a code of the images costs.

    Args:
        cross_entropy: the library's sum of binary cross-entropies, of logits and targets.
        exp: the library's.
    """

    def loss(model: Callable[[Any], Any], images: Any, noise: Any) -> Any:
        logits, mean, log_variance = model((images, noise))
        divergence = -0.5 * (1 + log_variance - mean * mean - exp(log_variance)).sum()
        return cross_entropy(logits, images) + divergence

    return loss


# -- For gradcore and PyTorch, whose names are the same -----------------------------------------


def modules(nn: Any, relu: Any, fuses: bool = False) -> Callable[[Sequence[Layer]], Any]:
    """Give a function that makes a network of modules.

    Args:
        nn: the library's module of layers.
        relu: its layer ReLU.
        fuses: whether its batch norm takes a residual, and may end with a ReLU: `relu=True`.
    """

    class Residual(nn.Module):  # type: ignore[misc]
        def __init__(self, body: Any, shortcut: Any) -> None:
            super().__init__()
            self.body, self.shortcut = body, shortcut

        def forward(self, x: Any) -> Any:
            return self.body(x) + self.shortcut(x)

    class Fused(nn.Module):  # type: ignore[misc]
        """A residual block whose body ends with batch norm, and a ReLU."""

        def __init__(self, body: Any, norm: Any, shortcut: Any) -> None:
            super().__init__()
            self.body, self.norm, self.shortcut = body, norm, shortcut

        def forward(self, x: Any) -> Any:
            return self.norm(self.body(x), self.shortcut(x))

    class Tokens(nn.Module):  # type: ignore[misc]
        def __init__(self, classes: int, width: int, length: int) -> None:
            super().__init__()
            self.token, self.place = nn.Embedding(classes, width), nn.Embedding(length, width)

        def forward(self, x: Any) -> Any:
            return self.token(x) + self.place.weight

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self, width: int, heads: int, length: int) -> None:
            super().__init__()
            settings = {"activation": "gelu", "batch_first": True, "norm_first": True}
            self.layer = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, **settings)
            self.mask = nn.Transformer.generate_square_subsequent_mask(length)

        def forward(self, x: Any) -> Any:
            return self.layer(x, self.mask, is_causal=True)

    def tokens(layer: Layer) -> Any:
        (classes, width), (length, _) = layer.shapes
        return Tokens(classes, width, length)

    def block(layer: Layer) -> Any:
        return Block(layer.parts[0][0].shapes[-1][0], **layer.constants)

    class Recurrent(nn.Module):  # type: ignore[misc]
        """The outputs of an LSTM, all steps of all sequences as rows."""

        def __init__(self, layer: Layer) -> None:
            super().__init__()
            (_, inputs), (_, hidden), *_ = layer.shapes
            depth = len(layer.shapes) // 4
            self.lstm = nn.LSTM(inputs, hidden, depth, batch_first=True)

        def forward(self, x: Any) -> Any:
            y, _ = self.lstm(x)
            return y.reshape((-1, y.shape[2]))

    class Vae(nn.Module):  # type: ignore[misc]
        """Gives logits of pixels, means and logarithms of variances, of images and noise."""

        def __init__(self, *parts: Any) -> None:
            super().__init__()
            self.encoder, self.mean, self.log_variance, self.decoder = parts

        def forward(self, x: Any) -> Any:
            images, noise = x
            hidden = self.encoder(images)
            mean, log_variance = self.mean(hidden), self.log_variance(hidden)
            z = mean + (0.5 * log_variance).exp() * noise
            return self.decoder(z), mean, log_variance

    def conv2d(layer: Layer) -> Any:
        outputs, inputs, K, _ = layer.shapes[0]
        return nn.Conv2d(inputs, outputs, K, bias=len(layer.shapes) == 2, **layer.constants)

    def network(layers: Sequence[Layer]) -> Any:
        made: list[Any] = []
        for i, layer in enumerate(layers):
            before, after = layers[i - 1 : i], layers[i + 1 : i + 2]
            if layer.op == "relu" and any(map(ends_with_norm, before)):
                continue  # it is part of the layer before
            if ends_with_norm(layer) and after and after[0].op == "relu":
                made.append(with_relu(layer))
            else:
                made.append(table[layer.op](layer))
        return nn.Sequential(*made)

    def ends_with_norm(layer: Layer) -> bool:
        last = layer.parts[0][-1] if layer.op == "residual" else layer
        return fuses and last.op == "batch_norm"

    def with_relu(layer: Layer) -> Any:
        if layer.op == "batch_norm":
            return nn.BatchNorm2d(*layer.shapes[0], relu=True)
        (*body, norm), shortcut = layer.parts
        return Fused(network(body), with_relu(norm), network(shortcut))

    table = Table(
        average=lambda _: nn.AdaptiveAvgPool2d(1),
        batch_norm=lambda layer: nn.BatchNorm2d(*layer.shapes[0]),
        block=block,
        conv2d=conv2d,
        embedding=lambda layer: nn.Embedding(*layer.shapes[0]),
        flatten=lambda _: nn.Flatten(),
        layer_norm=lambda layer: nn.LayerNorm(layer.shapes[0]),
        linear=lambda layer: nn.Linear(*layer.shapes[0][::-1]),
        lstm=Recurrent,
        max_pool2d=lambda layer: nn.MaxPool2d(**layer.constants),
        relu=lambda _: relu(),
        residual=lambda layer: Residual(*map(network, layer.parts)),
        rows=lambda _: nn.Flatten(0, 1),
        sigmoid=lambda _: nn.Sigmoid(),
        tokens=tokens,
        vae=lambda layer: Vae(*map(network, layer.parts)),
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
