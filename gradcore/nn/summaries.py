"""Summaries of models: layers, shapes, parameters and multiplications."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from inspect import signature
from math import prod
from typing import Any

from ..backends import random as random_numbers
from ..engine.arrays import flat, namespace, raw_array
from ..engine.hooks import watching
from ..engine.modes import no_grad
from ..graph import Op, TensorNode
from .module import Module, members

__all__ = ["Row", "Summary", "summary"]

Shape = tuple[int, ...]


def _convolution(shapes: list[Shape]) -> int:
    y, _, w = shapes[:3]
    return prod(y) * prod(w[1:])


def _transposed_convolution(shapes: list[Shape]) -> int:
    _, x, w = shapes[:3]
    return prod(x) * prod(w[1:])


def _product(shapes: list[Shape]) -> int:
    y, x = shapes[:2]
    return prod(y) * x[-1]


def _attention(shapes: list[Shape]) -> int:
    """For each weight of a value, the product of a query and a key, and one with the value."""
    y, q, k, v = shapes[:4]
    return prod(y[:-1]) * k[-2] * (q[-1] + v[-1])


def _recurrent(states: int, shapes: list[Shape]) -> int:
    """All gates have a product with the input and one with h, for each step and row."""
    x, (w_ih, w_hh) = shapes[1], shapes[2 + states : 4 + states]
    return x[0] * x[1] * (prod(w_ih) + prod(w_hh))


# How many multiplications an op takes, from the shapes of its output and of its inputs; ops that
# are not here have no products of matrices, and count nothing.
MULTIPLICATIONS: dict[str, Callable[[list[Shape]], int]] = {
    "Attention": _attention,
    "BatchMM": _product,
    "Conv2d": _convolution,
    "Conv2dInputGradient": _transposed_convolution,
    "Conv3d": _convolution,
    "Conv3dInputGradient": _transposed_convolution,
    "Gru": partial(_recurrent, 1),
    "Lstm": partial(_recurrent, 2),
    "MatrixMultiply": _product,
}


@dataclass
class Row:
    """A line of a summary.

    Attributes:
        name: of the module, such as `layers.0`; empty for the model itself.
        kind: the name of its class.
        shapes: of the arrays that its last call gave; empty if it was not called.
        parameters: how many numbers its parameters have, with those of the modules in it.
        own: of these, the ones that are in no module inside.
        multiplications: of matrix products and convolutions in its calls.
    """

    name: str
    kind: str
    shapes: list[Shape]
    parameters: int
    own: int
    multiplications: int = 0


@dataclass
class Summary:
    """What `summary` found; `print` shows it as a table.

    Attributes:
        rows: a Row for each module, the model first.
        trainable: how many numbers training changes.
        fixed: how many others the state has: of frozen parameters and running averages.
        size: the bytes of all these.
    """

    rows: list[Row]
    trainable: int
    fixed: int
    size: int

    @property
    def multiplications(self) -> int:
        """How many multiplications of matrix products and convolutions a call takes."""
        return self.rows[0].multiplications

    def __str__(self) -> str:
        lines: list[tuple[str, ...]] = [("layer", "output", "parameters", "multiplications")]
        names = [row.name for row in self.rows]
        for row in self.rows:
            around = [n for n in names if n != row.name and (not n or row.name.startswith(f"{n}."))]
            depth = len(around)
            label = row.name.removeprefix(f"{max(around, key=len)}.") if any(around) else row.name
            shapes = ", ".join(map(str, row.shapes)) or "-"
            numbers = (f"{n:,}" if n else "-" for n in (row.parameters, row.multiplications))
            text = f"{label}: {row.kind}" if label else row.kind
            lines.append(("  " * depth + text, shapes, *numbers))
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = [
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}"
            for a, b, c, d in lines
        ]
        rule = "-" * len(table[0])
        unit, size = ("MB", self.size / 1e6) if self.size >= 1e5 else ("kB", self.size / 1e3)
        total = f"{self.trainable:,} trainable and {self.fixed:,} other numbers, {size:.1f} {unit}"
        return "\n".join([table[0], rule, *table[1:], rule, total])

    __repr__ = __str__


def summary(model: Module, *inputs: Any, **options: Any) -> Summary:
    """Call a model, and list its modules with the shapes of their outputs, their parameters, and
    the multiplications that they take.

        print(gradcore.summary(model, x))

    The model is called as in `eval`, without a graph; its state, its gradients and the random
    numbers of the program stay as they are. Multiplications are those of matrix products,
    convolutions, attention and recurrent layers, each with an addition; element-wise functions
    count nothing. A module that is called several times counts all its calls; its parameters count
    once.

    Args:
        inputs: of the model: arrays, nodes, or what else its `forward` takes.
        options: keyword arguments of its `forward`.

    Raises:
        Exception: what the model's `forward` raises, of inputs that are wrong.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> print(nn.summary(model, gradcore.ones((5, 4))))
        layer        output  parameters  multiplications
        ------------------------------------------------
        Sequential   (5, 3)          67              280
          0: Linear  (5, 8)          40              160
          1: ReLU    (5, 8)           -                -
          2: Linear  (5, 3)          27              120
        ------------------------------------------------
        67 trainable and 0 other numbers, 0.3 kB
    """
    if not isinstance(model, Module):
        kind = type(model).__name__
        raise TypeError(f"summary: model is a {kind}, expected a module: summary(model, x)")
    try:
        signature(model.forward).bind(*inputs, **options)
    except TypeError as error:
        told = "give what the model is called with: summary(model, x)"
        raise TypeError(f"summary: {type(model).__name__}.forward: {error}; {told}") from None
    modes = {module: module.training for module in model.modules()}
    drawn, counter, handles = random_numbers.get_state(), _Counter(), []
    for module in modes:
        handles.append(module.register_forward_pre_hook(counter.enter))
        handles.append(module.register_forward_hook(counter.leave))
    try:
        model.eval()
        with no_grad(), watching(counter):
            model(*inputs, **options)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode
        random_numbers.set_state(drawn)
    rows, nodes = [], dict[TensorNode, None]()
    for name, module in model.named_modules():
        held = [x for _, x in members(module) if isinstance(x, TensorNode)]
        nodes |= dict.fromkeys(held)
        shapes, made = counter.shapes.get(module, []), counter.made.get(module, 0)
        count = _count(module.parameters())
        own = _count(node for node in held if node.requires_grad)
        rows.append(Row(name, type(module).__name__, shapes, count, own, made))
    trainable, size = rows[0].parameters, sum(node.size * _bits(node) // 8 for node in nodes)
    return Summary(rows, trainable, _count(nodes) - trainable, size)


class _Counter:
    """Counts what the ops in each module multiply, and notes the shapes that it gives.

    Attributes:
        inside: the modules that are being called, the innermost last.
        shapes: of the outputs, by module.
        made: the multiplications, by module.
    """

    def __init__(self) -> None:
        self.inside: list[Module] = []
        self.shapes: dict[Module, list[Shape]] = {}
        self.made: dict[Module, int] = {}

    def enter(self, module: Module, _: Any) -> None:
        self.inside.append(module)

    def leave(self, module: Module, _: Any, output: Any) -> None:
        self.inside.pop()
        self.shapes[module] = [tuple(y.shape) for y in flat((output,)) if hasattr(y, "shape")]

    def after_forward(self, op: type[Op], inputs: Any, outputs: Any) -> None:
        if op.__name__ in MULTIPLICATIONS:
            first = outputs[0] if isinstance(outputs, tuple) else outputs
            shapes = [tuple(raw_array(x).shape) for x in (first, *inputs)]
            made = MULTIPLICATIONS[op.__name__](shapes)
            for module in {*self.inside}:
                self.made[module] = self.made.get(module, 0) + made

    def before_backward(self, opnode: Any) -> None: ...
    def after_backward(self, opnode: Any, gos: Any, gradients: Any) -> None: ...
    def after_recomputing(self, call: Any, values: Any) -> None: ...


def _count(nodes: Iterable[TensorNode]) -> int:
    return sum(node.size for node in dict.fromkeys(nodes))


def _bits(node: TensorNode) -> int:
    """How many bits a number of a node has."""
    kind = namespace(node.value).isdtype
    if kind(node.dtype, "bool"):
        return 8
    info = (
        namespace(node.value).iinfo if kind(node.dtype, "integral") else namespace(node.value).finfo
    )
    return info(node.dtype).bits * (2 if kind(node.dtype, "complex floating") else 1)
