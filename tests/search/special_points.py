"""Write docs/special_points.md: what gradcore gives at special points, beside PyTorch and JAX.

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

import numpy as np

import gradcore as g
from gradcore import array_api as xp
from gradcore import grad

__all__ = ["POINTS", "Point", "cell", "of_gradcore"]

INF, NAN = np.inf, np.nan
L = g.linalg


@dataclass(frozen=True)
class Point:
    name: str
    call: Callable[..., Any]
    at: tuple[Any, ...]
    torch: str  # an expression of x (and y), with torch as t
    jax: str  # an expression of x (and y), with jax, and jax.numpy as j
    why: str


def _special(x: Any) -> str:
    text = np.array2string(np.asarray(x), precision=4, separator=", ", floatmode="maxprec")
    return re.sub(r"\s+", " ", text).replace("[ ", "[")


POINTS = [
    Point("abs(x)", abs, ([-0.0, 0.0, NAN],), "t.abs(x)", "j.abs(x)",
          "the middle of the slopes -1 and 1"),
    Point("relu(x)", g.relu, ([0.0, NAN],), "t.relu(x)", "jax.nn.relu(x)",
          "the slope of the left side, as everywhere"),
    Point("elu(x)", g.elu, ([0.0, -INF, NAN],), "t.nn.functional.elu(x)", "jax.nn.elu(x)",
          "at 0 both slopes are 1"),
    Point("hardtanh(x)", g.hardtanh, ([-1.0, 1.0, NAN],), "t.nn.functional.hardtanh(x)",
          "jax.nn.hard_tanh(x)", "0 at the bounds, where the function stops to rise"),
    Point("silu(x)", g.silu, ([-INF, -1e4, INF],), "t.nn.functional.silu(x)", "jax.nn.silu(x)",
          "the limits"),
    Point("sqrt(x)", xp.sqrt, ([0.0, -1.0],), "t.sqrt(x)", "j.sqrt(x)",
          "the slope grows without bound"),
    Point("log(x)", xp.log, ([0.0, -1.0],), "t.log(x)", "j.log(x)",
          "the limit; a negative number has no real logarithm"),
    Point("x ** 2", lambda x: x**2, ([0.0],), "x**2", "x**2", "a polynomial"),
    Point("x ** -1", lambda x: x**-1, ([0.0],), "x**-1", "x**-1", "the limit from the right"),
    Point("x ** y", lambda x, y: x**y, ([0.0], [0.0]), "x**y", "x**y",
          "0 ** 0 is 1; the slope by y is log(0), or 0 along x = 0 for y > 0"),
    Point("x ** y", lambda x, y: x**y, ([0.0], [1.0]), "x**y", "x**y",
          "1 by x; 0 by y, as 0 ** y is 0 for each y > 0"),
    Point("x ** y", lambda x, y: x**y, ([-2.0], [3.0]), "x**y", "x**y",
          "by y there is no real derivative"),
    Point("atan2(x, y)", xp.atan2, ([0.0], [0.0]), "t.atan2(x, y)", "j.arctan2(x, y)",
          "the angle has no derivative at the origin"),
    Point("hypot(x, y)", xp.hypot, ([0.0], [0.0]), "t.hypot(x, y)", "j.hypot(x, y)",
          "the smallest slope of a cone's tip"),
    Point("remainder(x, y)", xp.remainder, ([1.0], [0.1]), "t.remainder(x, y)",
          "j.remainder(x, y)", "1 - 9 * 0.1, as in binary 0.1 is more than a tenth"),
    Point("maximum(x, y)", xp.maximum, ([1.0], [1.0]), "t.maximum(x, y)", "j.maximum(x, y)",
          "equal numbers share the gradient"),
    Point("maximum(x, y)", xp.maximum, ([NAN], [1.0]), "t.maximum(x, y)", "j.maximum(x, y)",
          "NaN stays NaN"),
    Point("clip(x, -1, 1)", lambda x: xp.clip(x, -1.0, 1.0), ([-1.0, 1.0, NAN],),
          "t.clamp(x, -1, 1)", "j.clip(x, -1, 1)", "at a bound x still counts"),
    Point("logaddexp(x, y)", xp.logaddexp, ([-INF], [-INF]), "t.logaddexp(x, y)",
          "j.logaddexp(x, y)", "nothing changes the sum of no probability"),
    Point("logaddexp(x, y)", xp.logaddexp, ([1e15], [1e15]), "t.logaddexp(x, y)",
          "j.logaddexp(x, y)", "a half each"),
    Point("max(x)", xp.max, ([2.0, 2.0, 1.0],), "t.amax(x)", "j.max(x)",
          "equal maxima share the gradient"),
    Point("prod(x)", xp.prod, ([0.0, 3.0, 0.0],), "t.prod(x)", "j.prod(x)",
          "each gets the product of the others"),
    Point("std(x)", xp.std, ([1.0, 1.0],), "t.std(x, correction=0)", "j.std(x)",
          "0, the smallest slope of a tip"),
    Point("norm(x)", L.vector_norm, ([0.0, 0.0],), "t.linalg.vector_norm(x)",
          "j.linalg.norm(x)", "0, the smallest slope of a tip; no second derivative"),
    Point("norm(x) ** 2", lambda x: L.vector_norm(x) ** 2, ([0.0, 0.0],),
          "t.linalg.vector_norm(x) ** 2", "j.linalg.norm(x) ** 2",
          "the second derivative, 2, is 0 times infinity here; say sum(x * x)"),
    Point("logsumexp(x)", g.logsumexp, ([-INF, -INF],), "t.logsumexp(x, 0)",
          "jax.nn.logsumexp(x)", "nothing changes the sum of no probability"),
    Point("softmax(x)", lambda x: g.softmax(x), ([-INF, -INF],), "t.softmax(x, 0)",
          "jax.nn.softmax(x)", "0 divided by 0"),
    Point("softmax(x)", lambda x: g.softmax(x), ([-INF, 1.0],), "t.softmax(x, 0)",
          "jax.nn.softmax(x)", "the limit"),
    Point("det(x)", L.det, ([[1.0, 2.0], [2.0, 4.0]],), "t.linalg.det(x)", "j.linalg.det(x)",
          "a polynomial of the elements"),
    Point("eigvalsh(x)", L.eigvalsh, ([[1.0, 0.0], [0.0, 1.0]],), "t.linalg.eigvalsh(x)",
          "j.linalg.eigvalsh(x)", "the sum of equal eigenvalues has a derivative, and it is right"),
    Point("svdvals(x)", L.svdvals, ([[1.0, 0.0], [0.0, 0.0]],), "t.linalg.svdvals(x)",
          "j.linalg.svd(x, compute_uv=False)", "a singular value of 0 is the tip of abs(x)"),
    Point("x * where(x > 0, log(x), 0)", lambda x: x * xp.where(x > 0, xp.log(x), 0.0), ([0.0],),
          "x * t.where(x > 0, t.log(x), 0.0)", "x * j.where(x > 0, j.log(x), 0.0)",
          "the branch not taken is computed: say log(where(x > 0, x, 1))"),
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


def cell(value: Any, gradients: Any, seconds: Any) -> str:
    rows = [_special(getattr(value, "value", value))]
    rows += [", ".join(_special(x) for x in xs) for xs in (gradients, seconds)]
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


HEAD = """# Special points

This table shows what gradcore gives where a function has a kink, a tip, a pole or a limit, beside
PyTorch and JAX. A cell has the value, the gradient of its sum by each input, and the gradient of
the sum of these gradients, in float64.

A gradient is what mathematics gives; or a choice, which the last column names; or NaN, or infinity,
or an error; but never a finite number that is wrong. `tests/op_table/` has more points.

<!-- not run: needs PyTorch and jax -->
```sh
pip install torch jax
python tests/search/special_points.py  # writes this page
```

"""


def main() -> None:
    from importlib.metadata import version

    lines = ["| function | at | gradcore | PyTorch | JAX | why |", "| --- " * 6 + "|"]
    for point in POINTS:
        at = "<br>".join(f"`{_special(x)}`" for x in point.at)
        others = []
        for of in (_of_torch, _of_jax):
            try:
                others.append(of(point))
            except Exception as error:
                others.append(f"{type(error).__name__}")
        lines.append(
            f"| `{point.name}` | {at} | {of_gradcore(point)} | "
            f"{others[0]} | {others[1]} | {point.why} |"
        )
    versions = f"With PyTorch {version('torch')} and JAX {version('jax')}.\n\n"
    (ROOT / "docs" / "special_points.md").write_text(HEAD + versions + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
