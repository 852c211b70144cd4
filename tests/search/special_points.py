"""Write the table of docs/explanation/special_points.md: gradcore's numbers, PyTorch's and JAX's.

    python tests/search/special_points.py          needs PyTorch and jax

A cell has the value, the gradient, and the gradient of the sum of that gradient.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "helpers")]
    import program  # noqa: F401

import numpy as np

import gradcore as g
from gradcore import array_api as xp
from gradcore import grad
from gradcore.tools.command_line import Parser

__all__ = ["POINTS", "Point", "cell", "of_gradcore", "row"]

INF, NAN = np.inf, np.nan
L = g.linalg


@dataclass(frozen=True)
class Point:
    name: str
    call: Callable[..., Any]
    at: tuple[Any, ...]
    torch: str  # an expression of x (and y), with torch as t
    jax: str  # an expression of x (and y), with jax, and jax.numpy as j; "" if jax has none
    why: str


def _special(x: Any) -> str:
    """Show numbers with four digits."""
    if np.size(x) == 0:
        return "[]"
    text = np.array2string(np.asarray(x), precision=4, separator=", ", floatmode="maxprec")
    return re.sub(r"\s+", " ", text).replace("[ ", "[")


POINTS = [
    Point("abs(x)", abs, ([-0.0, 0.0, NAN],), "t.abs(x)", "j.abs(x)",
          "0 is the middle of the slopes -1 and 1; NaN stays NaN"),
    Point("relu(x)", g.relu, ([0.0, NAN],), "t.relu(x)", "jax.nn.relu(x)",
          "at the kink, the slope of the left side; NaN stays NaN"),
    Point("elu(x)", g.elu, ([0.0, -INF, NAN],), "t.nn.functional.elu(x)", "jax.nn.elu(x)",
          "at 0 both slopes are 1, and the second derivative is that of the right side"),
    Point("hardtanh(x)", g.hardtanh, ([-1.0, 1.0, NAN],), "t.nn.functional.hardtanh(x)",
          "jax.nn.hard_tanh(x)", "at the bounds, the slope of the flat side"),
    Point("sigmoid(x)", g.sigmoid, ([-1e3, -INF, INF],), "t.sigmoid(x)", "jax.nn.sigmoid(x)",
          "the limits; exp(-1000) is too small for float64"),
    Point("log_sigmoid(x)", g.log_sigmoid, ([-1e3, -INF, INF],), "t.nn.functional.logsigmoid(x)",
          "jax.nn.log_sigmoid(x)", "right where sigmoid(x) is 0; at infinity, the limits"),
    Point("silu(x)", g.silu, ([-1e4, -INF, INF],), "t.nn.functional.silu(x)", "jax.nn.silu(x)",
          "right at -10000, where sigmoid(x) is 0; NaN at infinity, which is multiplied by 0"),
    Point("sqrt(x)", xp.sqrt, ([0.0, -1.0],), "t.sqrt(x)", "j.sqrt(x)",
          "at 0 the limits; a negative number has no real root"),
    Point("log(x)", xp.log, ([0.0, -1.0],), "t.log(x)", "j.log(x)",
          "at 0 the limits; below 0 there is no value, and the slope is that of log(abs(x))"),
    Point("x ** 2", lambda x: x**2, ([0.0],), "x**2", "x**2", "a polynomial"),
    Point("x ** -1", lambda x: x**-1, ([0.0],), "x**-1", "x**-1", "the limits from the right"),
    Point("x ** y", lambda x, y: x**y, ([0.0], [0.0]), "x**y", "x**y",
          "1 is NumPy's value; by y a choice, as 0 ** y has slope 0 for y > 0, and none at y = 0"),
    Point("x ** y", lambda x, y: x**y, ([0.0], [1.0]), "x**y", "x**y",
          "1 by x; 0 by y, as 0 ** y is 0 for each y > 0; the slope by x changes by log(0) with y"),
    Point("x ** y", lambda x, y: x**y, ([-2.0], [3.0]), "x**y", "x**y",
          "between whole numbers y there is no real value, so none of the derivatives by y"),
    Point("atan2(x, y)", xp.atan2, ([0.0], [0.0]), "t.atan2(x, y)", "j.arctan2(x, y)",
          "0 is a choice: the angle has no derivative at the origin"),
    Point("hypot(x, y)", xp.hypot, ([0.0], [0.0]), "t.hypot(x, y)", "j.hypot(x, y)",
          "0, the smallest slope at the tip of a cone; no second derivative"),
    Point("hypot(x, y)", xp.hypot, ([INF], [1.0]), "t.hypot(x, y)", "j.hypot(x, y)",
          "an infinite length may be one that overflowed: NaN"),
    Point("remainder(x, y)", xp.remainder, ([1.0], [0.1]), "t.remainder(x, y)",
          "j.remainder(x, y)", "1 - 9 * 0.1, as the float64 number 0.1 is more than a tenth"),
    Point("maximum(x, y)", xp.maximum, ([1.0], [1.0]), "t.maximum(x, y)", "j.maximum(x, y)",
          "equal numbers share the gradient"),
    Point("maximum(x, y)", xp.maximum, ([NAN], [1.0]), "t.maximum(x, y)", "j.maximum(x, y)",
          "a choice: where the value is NaN, both get the gradient"),
    Point("clip(x, -1, 1)", lambda x: xp.clip(x, -1.0, 1.0), ([-1.0, 1.0, NAN],),
          "t.clamp(x, -1, 1)", "j.clip(x, -1, 1)",
          "what is not changed, bounds and NaN included, gets the gradient"),
    Point("where(x > 0, x, y)", lambda x, y: xp.where(x > 0.0, x, y), ([1.0], [NAN]),
          "t.where(x > 0, x, y)", "j.where(x > 0, x, y)", "what is not taken gets 0"),
    Point("x * where(x > 0, log(x), 0)", lambda x: x * xp.where(x > 0.0, xp.log(x), 0.0), ([0.0],),
          "x * t.where(x > 0, t.log(x), 0.0)", "x * j.where(x > 0, j.log(x), 0.0)",
          "the gradient of log is 0 times 1 / 0: write log(where(x > 0, x, 1))"),
    Point("logaddexp(x, y)", xp.logaddexp, ([-INF], [-INF]), "t.logaddexp(x, y)",
          "j.logaddexp(x, y)", "a half each, as for other equal numbers"),
    Point("logaddexp(x, y)", xp.logaddexp, ([1e15], [1e15]), "t.logaddexp(x, y)",
          "j.logaddexp(x, y)", "a half each"),
    Point("logsumexp(x)", g.logsumexp, ([-INF, -INF],), "t.logsumexp(x, 0)",
          "jax.nn.logsumexp(x)", "0 is a choice: the sum of exp(x) is 0, and nothing shares it"),
    Point("logsumexp(x)", g.logsumexp, ([],), "t.logsumexp(x, 0)", "jax.nn.logsumexp(x)",
          "the logarithm of an empty sum, 0"),
    Point("softmax(x)", lambda x: g.softmax(x), ([-INF, -INF],), "t.softmax(x, 0)",
          "jax.nn.softmax(x)", "0 divided by 0"),
    Point("softmax(x)", lambda x: g.softmax(x), ([-INF, 1.0],), "t.softmax(x, 0)",
          "jax.nn.softmax(x)", "the limits"),
    Point("max(x)", xp.max, ([2.0, 2.0, 1.0],), "t.amax(x)", "j.max(x)",
          "equal maxima share the gradient"),
    Point("prod(x)", xp.prod, ([0.0, 3.0, 0.0],), "t.prod(x)", "j.prod(x)",
          "each gets the product of the others"),
    Point("std(x)", xp.std, ([1.0, 1.0],), "t.std(x, correction=0)", "j.std(x)",
          "0, the smallest slope at a tip; no second derivative"),
    Point("var(x)", xp.var, ([1.0, 1.0],), "t.var(x, correction=0)", "j.var(x)",
          "a polynomial; its second derivatives add up to 0"),
    Point("norm(x)", L.vector_norm, ([0.0, 0.0],), "t.linalg.vector_norm(x)",
          "j.linalg.norm(x)", "0, the smallest slope at a tip; no second derivative"),
    Point("norm(x) ** 2", lambda x: L.vector_norm(x) ** 2, ([0.0, 0.0],),
          "t.linalg.vector_norm(x) ** 2", "j.linalg.norm(x) ** 2",
          "the second derivative is 2, and 0 times infinity this way: write sum(x * x)"),
    Point("unique_values(x)", xp.unique_values, ([2.0, 1.0, 2.0],), "t.unique(x)", "j.unique(x)",
          "the first of equal elements gets the gradient"),
    Point("max_pool2d(x, 2)", lambda x: g.max_pool2d(x, 2), ([[[[1.0, 1.0], [0.0, 1.0]]]],),
          "t.nn.functional.max_pool2d(x, 2)", "", "the first of equal elements gets the gradient"),
    Point("max_pool2d(x, 2, padding=1)", lambda x: g.max_pool2d(x, 2, padding=1), ([[[[-INF]]]],),
          "t.nn.functional.max_pool2d(x, 2, padding=1)", "", "padding is never the maximum"),
    Point("cross_entropy(x, [-100, 1])", lambda x: g.cross_entropy(x, np.array([-100, 1])),
          ([[NAN, 1.0], [0.0, 0.0]],), "t.nn.functional.cross_entropy(x, t.tensor([-100, 1]))", "",
          "a row with the label -100 is ignored, whatever it holds"),
    Point("cross_entropy(x, [[1, 0]])", lambda x: g.cross_entropy(x, np.array([[1.0, 0.0]])),
          ([[0.0, -INF]],), "t.nn.functional.cross_entropy(x, t.tensor([[1.0, 0.0]]).double())", "",
          "a class of probability 0 adds 0"),
    Point("kl_div(x, y)", lambda x, y: g.kl_div(x, y, reduction="sum"), ([-1.0, -INF], [1.0, 0.0]),
          "t.nn.functional.kl_div(x, y, reduction='sum')", "",
          "a target of 0 adds 0; by such a target the slope is infinite, and NaN here"),
    Point("attention(x, x, x), the second row masked",
          lambda x: g.scaled_dot_product_attention(x, x, x, np.array([[True] * 2, [False] * 2])),
          ([[1.0], [2.0]],), "t.nn.functional.scaled_dot_product_attention("
          "x[None], x[None], x[None], t.tensor([[True] * 2, [False] * 2]))[0]", "",
          "a row that may look at nothing is 0, and passes no gradient"),
    Point("det(x)", L.det, ([[1.0, 2.0], [2.0, 4.0]],), "t.linalg.det(x)", "j.linalg.det(x)",
          "a polynomial of the elements"),
    Point("slogdet(x)[1]", lambda x: L.slogdet(x)[1], ([[1.0, 2.0], [2.0, 4.0]],),
          "t.linalg.slogdet(x)[1]", "j.linalg.slogdet(x)[1]",
          "the logarithm of 0, whose slope is infinite and has no sign"),
    Point("eigvalsh(x)", L.eigvalsh, ([[1.0, 0.0], [0.0, 1.0]],), "t.linalg.eigvalsh(x)",
          "j.linalg.eigvalsh(x)", "the sum of equal eigenvalues is smooth: here it is the trace"),
    Point("eigh(x)[1]", lambda x: L.eigh(x)[1], ([[1.0, 0.0], [0.0, 1.0]],), "t.linalg.eigh(x)[1]",
          "j.linalg.eigh(x)[1]", "the vectors of equal eigenvalues jump when x changes"),
    Point("svdvals(x)", L.svdvals, ([[1.0, 0.0], [0.0, 0.0]],), "t.linalg.svdvals(x)",
          "j.linalg.svd(x, compute_uv=False)",
          "a singular value of 0 has a kink, as abs(x): this is the slope of one side"),
]  # fmt: skip


def of_gradcore(point: Point) -> str:
    """What gradcore gives at the point, as the page shows it."""
    inputs = [np.asarray(x, dtype=float) for x in point.at]

    def value(xs: Any) -> Any:
        return point.call(*xs)

    def total(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda xs: xp.sum(f(xs))

    def slope(xs: Any) -> Any:
        found = grad(total(value))(xs)
        return sum((xp.sum(x) for x in found[1:]), start=xp.sum(found[0]))

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cell(value(inputs), grad(total(value))(inputs), grad(slope)(inputs))


def row(point: Point) -> str:
    """The first cells of the point's line: the function, the place, and what gradcore gives."""
    at = "<br>".join(f"`{_special(np.asarray(x, dtype=float))}`" for x in point.at)
    return f"| `{point.name}` | {at} | {of_gradcore(point)}"


def cell(value: Any, gradients: Any, seconds: Any) -> str:
    """Write the three parts of a cell; a zero has no sign, which is not the same everywhere."""
    rows = [_special(getattr(value, "value", value) + 0.0)]
    rows += [", ".join(_special(x + 0.0) for x in xs) for xs in (gradients, seconds)]
    return "<br>".join(f"`{row}`" for row in rows)


def _of_torch(point: Point) -> str:
    import torch as t

    xs = [t.tensor(x, dtype=t.float64, requires_grad=True) for x in point.at]
    value = eval(point.torch, {"t": t}, dict(zip("xy", xs, strict=False)))
    first = t.autograd.grad(value.sum(), xs, create_graph=True)
    second: Any = [t.zeros_like(x) for x in xs]
    if any(f.requires_grad for f in first):
        total: Any = sum(f.sum() for f in first)
        second = t.autograd.grad(total, xs, materialize_grads=True, allow_unused=True)
    return cell(*[_numpy(part) for part in (value, first, second)])


def _numpy(x: Any) -> Any:
    return [_numpy(e) for e in x] if isinstance(x, tuple | list) else x.numpy(force=True)


def _of_jax(point: Point) -> str:
    import jax
    import jax.numpy as j

    jax.config.update("jax_enable_x64", True)
    xs = tuple([j.asarray(x, dtype=float) for x in point.at])

    def value(*xs: Any) -> Any:
        return eval(point.jax, {"jax": jax, "j": j}, dict(zip("xy", xs, strict=False)))

    every = tuple(range(len(xs)))
    first = jax.grad(lambda *xs: value(*xs).sum(), every)
    second = jax.grad(lambda *xs: sum(f.sum() for f in first(*xs)), every)
    return cell(np.asarray(value(*xs)), first(*xs), second(*xs))


MARK = "The numbers here are by PyTorch"  # what follows it on the page is written anew


def main() -> None:
    from importlib.metadata import version

    lines = ["| function | at | gradcore | PyTorch | JAX | why |", "| --- " * 6 + "|"]
    for point in POINTS:
        others = []
        for of in (_of_torch, _of_jax):
            try:
                others.append(of(point) if of is _of_torch or point.jax else "")
            except Exception as error:
                others.append(f"{type(error).__name__}")
        lines.append(f"{row(point)} | {others[0]} | {others[1]} | {point.why} |")
    versions = f"{MARK} {version('torch')} and JAX {version('jax')}.\n\n"
    page = ROOT / "docs" / "explanation" / "special_points.md"
    head, _, _ = page.read_text("utf-8").partition(MARK)
    page.write_text(head + versions + "\n".join(lines) + "\n")


if __name__ == "__main__":
    Parser(
        description="Write docs/explanation/special_points.md anew, with PyTorch and JAX.",
        examples={"python tests/search/special_points.py": "a minute"},
    ).parse_args()
    main()
