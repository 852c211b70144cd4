"""Networks as lists of layers, which each library builds in its own way, and their least cost.

The cost counts the multiplications and additions of matrix products and convolutions, and the
elements read or written: each operation reads its inputs once and writes its outputs once.
Activations, and the sum at the end of a residual block, count nothing: a library can compute them
while it reads or writes for another operation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from typing import NamedTuple

__all__ = [
    "BLITZ",
    "POOL",
    "Cost",
    "Draw",
    "Layer",
    "Shape",
    "char_lstm",
    "conv",
    "cost",
    "dense",
    "gpt",
    "mlp",
    "norm",
    "parameters",
    "resnet",
    "resnet9",
    "total",
    "vae",
]

Shape = tuple[int, ...]


class Draw(NamedTuple):
    """An array to be drawn at random: normal with this mean and deviation; if the deviation is 0,
    uniform from 0 to 1; if there are classes, integers below their number."""

    shape: Shape
    deviation: float = 1.0
    mean: float = 0.0
    classes: int = 0


class Cost(NamedTuple):
    flops: float = 0.0
    elements: float = 0.0  # of float32, read or written


def total(costs: Iterable[Cost]) -> Cost:
    flops, elements = zip(*costs, strict=True)
    return Cost(sum(flops), sum(elements))


@dataclass(frozen=True)
class Layer:
    op: str
    shapes: tuple[Shape, ...] = ()  # of the parameters
    constants: dict[str, int] = field(default_factory=dict)
    parts: tuple[tuple[Layer, ...], ...] = ()  # such as a residual block's body and shortcut


RELU, SIGMOID, FLATTEN, AVERAGE = map(Layer, ("relu", "sigmoid", "flatten", "average"))
POOL = Layer("max_pool2d", constants={"kernel_size": 2})


def dense(inputs: int, outputs: int) -> Layer:
    return Layer("linear", ((outputs, inputs), (outputs,)))


def conv(
    inputs: int, outputs: int, K: int, stride: int = 1, padding: int = 0, bias: bool = False
) -> Layer:
    shapes = (outputs, inputs, K, K), (outputs,)
    return Layer("conv2d", shapes[: 1 + bias], {"stride": stride, "padding": padding})


def norm(C: int) -> Layer:
    return Layer("batch_norm", ((C,), (C,)))


def mlp(inputs: int, hidden: int, depth: int) -> list[Layer]:
    """The layers of examples/mnist.py."""
    hiddens = pairwise([inputs, *[hidden] * (depth - 1)])
    return [*[x for m, n in hiddens for x in (dense(m, n), SIGMOID)], dense(hidden, 10)]


def char_lstm(classes: int, width: int, hidden: int, depth: int) -> list[Layer]:
    """A model of text that predicts the next of its characters."""
    recurrent: list[Shape] = []
    for n in (width, *[hidden] * (depth - 1)):
        recurrent += [(4 * hidden, n), (4 * hidden, hidden), (4 * hidden,), (4 * hidden,)]
    embedding = Layer("embedding", ((classes, width),))
    return [embedding, Layer("lstm", tuple(recurrent)), dense(hidden, classes)]


# https://docs.pytorch.org/tutorials/beginner/blitz/cifar10_tutorial.html
BLITZ = [
    *(conv(3, 6, 5, bias=True), RELU, POOL),
    *(conv(6, 16, 5, bias=True), RELU, POOL, FLATTEN),
    *(dense(400, 120), RELU, dense(120, 84), RELU, dense(84, 10)),
]


def resnet(width: int, blocks: int) -> list[Layer]:
    """A residual network with projections where the shape changes. With width 16 and 3 blocks it
    is ResNet-20 for CIFAR-10 (https://arxiv.org/abs/1512.03385, section 4.2)."""
    layers = [conv(3, width, 3, padding=1), norm(width), RELU]
    before = width
    for C in (width, 2 * width, 4 * width):
        for _ in range(blocks):
            stride = 1 if before == C else 2
            body = (conv(before, C, 3, stride, 1), norm(C), RELU, conv(C, C, 3, 1, 1), norm(C))
            shortcut = () if before == C else (conv(before, C, 1, stride), norm(C))
            layers += [Layer("residual", parts=(body, shortcut)), RELU]
            before = C
    return [*layers, AVERAGE, FLATTEN, dense(before, 10)]


def resnet9(width: int) -> list[Layer]:
    """The residual network of examples/cifar10.py."""

    def block(inputs: int, outputs: int) -> tuple[Layer, ...]:
        return conv(inputs, outputs, 3, padding=1), norm(outputs), RELU

    def residual(C: int) -> Layer:
        return Layer("residual", parts=(block(C, C) * 2, ()))

    two, four, eight = 2 * width, 4 * width, 8 * width
    layers = [*block(3, width), *block(width, two), POOL, residual(two), *block(two, four), POOL]
    layers += [*block(four, eight), POOL, residual(eight), AVERAGE, FLATTEN]
    return [*layers, dense(eight, 10)]


def gpt(classes: int, width: int, heads: int, depth: int, length: int) -> list[Layer]:
    """A language model as GPT-2: the sum of two embeddings, blocks of causal attention and two
    linear layers, each with the norm before it, and a prediction at each place."""
    attention = Layer("attention", ((3 * width, width), (3 * width,), (width, width), (width,)))
    layer_norm = Layer("layer_norm", ((width,), (width,)))
    inside = attention, dense(width, 4 * width), dense(4 * width, width), layer_norm, layer_norm
    block = Layer("block", constants={"heads": heads, "length": length}, parts=(inside,))
    tokens = Layer("tokens", ((classes, width), (length, width)))
    return [tokens, *[block] * depth, layer_norm, dense(width, classes), Layer("rows")]


def vae(pixels: int, hidden: int, latent: int) -> list[Layer]:
    """The variational autoencoder of examples/vae.py: its encoder, the two layers that give the
    means and the logarithms of the variances, and its decoder."""
    head = (dense(hidden, latent),)
    decoder = dense(latent, hidden), RELU, dense(hidden, pixels)
    return [Layer("vae", parts=((dense(pixels, hidden), RELU), head, head, decoder))]


def parameters(layers: Sequence[Layer]) -> list[Draw]:
    """Give the parameters in the order in which a library's modules have them: weights so large
    that outputs are about as large as inputs, and biases that are not zeros."""
    found: list[Draw] = []
    for layer in layers:
        for i, shape in enumerate(layer.shapes):
            if layer.op in ("batch_norm", "layer_norm"):
                found.append(Draw(shape, 0.1, mean=1.0 - i))
            elif layer.op == "embedding":
                found.append(Draw(shape))
            elif layer.op == "lstm":
                found.append(Draw(shape, 0.5 * layer.shapes[1][1] ** -0.5))
            elif len(shape) == 1:
                found.append(Draw(shape, 0.01))
            else:
                found.append(Draw(shape, (2 / prod(shape[1:])) ** 0.5))
        for part in layer.parts:
            found += parameters(part)
    return found


def output_shape(layer: Layer, shape: Shape) -> Shape:
    """Give the shape of a layer's output for an input of this shape."""
    if layer.op in ("embedding", "tokens"):
        return *shape, layer.shapes[0][1]
    if layer.op == "lstm":  # all steps of all sequences as rows
        return shape[0] * shape[1], layer.shapes[1][1]
    if layer.op == "linear":
        return *shape[:-1], layer.shapes[0][0]
    if layer.op == "rows":
        return prod(shape[:-1]), shape[-1]
    if layer.op in ("attention", "layer_norm"):
        return shape
    N, C, *sizes = shape
    if layer.op == "conv2d":
        (outputs, _, K, _), constants = layer.shapes[0], layer.constants
        more = 2 * constants["padding"] - K
        return N, outputs, *[(n + more) // constants["stride"] + 1 for n in sizes]
    if layer.op == "max_pool2d":
        return N, C, *[n // layer.constants["kernel_size"] for n in sizes]
    if layer.op == "average":
        return N, C, 1, 1
    return (N, prod(shape[1:])) if layer.op == "flatten" else shape


def cost(layers: Sequence[Layer], shape: Shape, first: bool = False) -> tuple[Shape, Cost, Cost]:
    """Give the shape of the output, the cost of forward, and that of backward.

    Args:
        shape: of the input.
        first: whether the input needs no gradient.
    """
    forward, backward = [Cost()], [Cost()]

    def add(part: Sequence[Layer], shape: Shape, first: bool = False) -> Shape:
        y, *costs = cost(part, shape, first)
        for kind, found in zip((forward, backward), costs, strict=True):
            kind.append(found)
        return y

    for i, layer in enumerate(layers):
        if layer.op == "block":
            add(layer.parts[0], shape)
            continue
        if layer.op == "vae":
            encoder, *heads, decoder = layer.parts
            hidden = add(encoder, shape, first and i == 0)
            latent, _ = [add(head, hidden) for head in heads]
            shape = add(decoder, latent)
            continue
        if layer.parts:
            shape, *_ = [add(part, shape) for part in layer.parts]
            continue
        y = output_shape(layer, shape)
        moved = prod(shape) + prod(y)
        if layer.op == "lstm":
            weights = sum(map(prod, layer.shapes))
            once = Cost(2 * prod(y[:1]) * weights, moved + weights)
            forward.append(once)
            backward += [once] * 2
        elif layer.op == "embedding":
            forward.append(Cost(0, 2 * prod(y)))
            backward.append(Cost(0, 2 * prod(y)))
        elif layer.op in ("linear", "conv2d"):
            w = layer.shapes[0]
            once = Cost(2 * prod(y) * prod(w[1:]), moved + prod(w))
            forward.append(once)
            backward += [once] * (1 if first and i == 0 else 2)
        elif layer.op == "attention":
            length, width = shape[-2:]
            products = [dense(width, 3 * width), dense(width, width)]
            scores = 2 * prod(shape) * (length + 1)  # and means, for half of the keys on average
            forward += [cost(products[:1], shape)[1], cost(products[1:], shape)[1]]
            forward.append(Cost(scores, 4 * prod(shape)))
            backward += [cost(products[:1], shape)[2], cost(products[1:], shape)[2]]
            backward.append(Cost(2 * scores, 7 * prod(shape)))
        elif layer.op in ("batch_norm", "layer_norm", "max_pool2d", "average", "tokens"):
            again = prod(shape) if "norm" in layer.op else 0  # its input, read once more
            forward.append(Cost(0, moved))
            backward.append(Cost(0, moved + again))
        shape = y
    return shape, total(forward), total(backward)
