"""Are the gradients of an op, or of any function, right? Central differences know."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ..backends import backend_of
from ..engine.arrays import describe, is_floating, is_node, namespace, node_or_array, raw_array
from ..engine.trees import leaves, tree_map
from ..transforms.derivatives import vjp

__all__ = ["DIRECTIONS", "ENTRIES", "GradientError", "check_gradients"]

DIRECTIONS = 4  # random ones; each involves every element
ENTRIES = 1000  # that are looked through, of each argument, for the worst


class GradientError(AssertionError):
    """A gradient is not what differences of the function's values say."""


def check_gradients(f: Callable[..., Any], *args: Any, order: int = 2) -> None:
    """Compare the gradients of `f` with central differences along random directions.

    The differences are (f(x + h d) - f(x - h d)) / 2 h, with an error of order h^2 + epsilon / h;
    h is the cube root of epsilon (https://doi.org/10.1137/1.9780898718027, section 8.1).
    Arguments are converted to float64, unless their device has none: then it is checked
    with the tolerance that float32 needs.

    Args:
        f: a function of trees of arrays, that gives a tree of arrays. It must give the same each
            time, and be differentiable around `args`.
        args: what to check it at. Where integer and boolean arrays, and what is no array, are
            arguments of their own, they are constants.
        order: 1 checks gradients; 2, their gradients too; and so on.

    Raises:
        GradientError: a gradient is wrong. The message has the worst entry, what backward and
            what the differences gave there, and whether it is likely at a kink.
        TypeError: no argument, or none of the results, is real floating.
        ValueError: `order` is not a positive integer.
    """
    if type(order) is not int or order < 1:
        raise ValueError(f"check_gradients: order is {order!r}, expected 1, 2, ...")
    floating = [_is_floating_tree(x) for x in args]
    if True not in floating:
        what = "no argument is" if args else "there is no argument, and so none is"
        raise TypeError(f"check_gradients: {what} of real floating arrays")
    chosen = [tree_map(_as_float64, x) for x, yes in zip(args, floating, strict=True) if yes]

    def of_floating(*xs: Any) -> Any:
        rest = iter(xs)
        result = f(*[next(rest) if yes else x for x, yes in zip(args, floating, strict=True)])
        ys = [y for _, y in leaves(tree_map(node_or_array, result))]
        return [y for y in ys if is_floating(y.value if is_node(y) else y)]

    names = [f"argument {i}" for i, yes in enumerate(floating) if yes]
    g: Callable[..., Any] = of_floating
    for n in range(1, order + 1):
        rng = random.Random(n)
        value = [y.value if is_node(y) else y for y in g(*chosen)]
        if not value:
            raise TypeError("check_gradients: nothing that the function gives is real floating")
        _check(g, chosen, names, [_random(y, rng) for y in value], rng, n)
        # The gradient is itself a function: of the same, and of the gradient that comes in.
        g, chosen = _backward_of(g), [[_random(y, rng) for y in value], *chosen]
        names = [f"the gradient that comes in (order {n})", *names]


def _backward_of(g: Callable[..., Any]) -> Callable[..., Any]:
    def backward(go: Any, *xs: Any) -> Any:
        return [x for _, x in leaves(vjp(g, *xs)[1](go))]

    return backward


class _Entry(NamedTuple):
    name: str
    direction: list[Any]
    backward: float
    differences: float
    left: float
    right: float

    @property
    def error(self) -> float:
        error = abs(self.backward - self.differences)
        return error if math.isfinite(error) else math.inf


def _check(
    g: Callable[..., Any], xs: list[Any], names: list[str], go: list[Any], rng: Any, order: int
) -> None:
    """Check the gradient of `<go, g(xs)>`, a scalar."""

    def scalar(points: list[Any]) -> float:
        return sum(map(_dot, go, g(*points)))

    gradient = vjp(g, *xs)[1](go)
    gradients = [gradient] if len(xs) == 1 else list(gradient)
    flat = [x for _, x in leaves(xs)]
    steps = [_epsilon(x) ** (1 / 3) for x in flat]
    h = max(steps, default=0.0)
    tolerance = 300 * h * h if h > 1e-3 else 1e-5
    here = scalar(xs)
    if here != scalar(xs) and not math.isnan(here):
        raise GradientError("check_gradients: the function gives something else each time")

    def compare(name: str, direction: list[Any], h: float = h) -> _Entry:
        after, before = (
            scalar(tree_map(lambda x, d, s=sign: x + (s * h) * d, xs, direction))
            for sign in (1.0, -1.0)
        )
        along = sum(
            _dot(g, d) for (_, g), (_, d) in zip(leaves(gradients), leaves(direction), strict=True)
        )
        left, right = (here - before) / h, (after - here) / h
        return _Entry(name, direction, along, (after - before) / (2 * h), left, right)

    def wrong(e: _Entry) -> bool:
        largest = max(1.0, abs(e.backward), abs(e.differences), abs(here))
        return e.error == math.inf or not e.error <= tolerance * largest

    def each_entry() -> Iterator[_Entry]:
        zeros = tree_map(lambda x: 0.0 * _random(x, rng), xs)
        for i, name in enumerate(names):
            for position, (path, x) in enumerate(leaves(xs[i])):
                for k in range(min(math.prod(x.shape), ENTRIES)):
                    direction = list(zeros)
                    places = [z for _, z in leaves(zeros[i])]
                    places[position] = _one_hot(x, k)
                    rest = iter(places)
                    direction[i] = tree_map(lambda _, rest=rest: next(rest), zeros[i])
                    where = list(_index(k, tuple(x.shape)))
                    yield compare(f"{name}{path}, entry {where} of {describe(x)}", direction)

    directions = [tree_map(lambda x: _random(x, rng), xs) for _ in range(DIRECTIONS)]
    failed = [e for d in directions if wrong(e := compare("a random direction", d))]
    if not failed:
        return
    worst = max(filter(wrong, each_entry()), key=lambda e: e.error, default=None)
    worst = worst or max(failed, key=lambda e: e.error)
    half = compare(worst.name, worst.direction, h / 2).differences
    # Where it is smooth, the one-sided differences are h times the second derivative apart, and
    # those with half the step are the same; where a gradient jumps, they are twice as large.
    gap = max(abs(worst.right - worst.left), abs(half - worst.differences))
    found = (
        f"the differences to the left and to the right are {worst.left:.8g} and "
        f"{worst.right:.8g}, and with half the step {half:.8g}"
    )
    if not math.isfinite(worst.right - worst.left):
        verdict = f"The function is not finite around there: {found}. Check at another point."
    elif gap > max(1e-3, 30 * h) * max(1.0, abs(worst.left), abs(worst.right)):
        verdict = f"A kink is likely there: {found}. Check at another point."
    else:
        verdict = f"There is likely no kink: {found}."
    raise GradientError(
        f"check_gradients: a gradient{' of the gradient' * (order - 1)} is wrong. "
        f"Worst is {worst.name}:\n"
        f"  backward gives  {worst.backward:.10g}\n"
        f"  differences are {worst.differences:.10g}\n"
        f"{verdict}"
    )


def _is_floating_tree(x: Any) -> bool:
    found = [a for _, a in leaves(x)]
    ok = [hasattr(a, "dtype") or type(a) in (float, int, bool) for a in found]
    return bool(ok) and all(ok) and all(is_floating(raw_array(a)) for a in found)


def _as_float64(x: Any) -> Any:
    x = raw_array(x)
    xp = namespace(x)
    dtypes = xp.__array_namespace_info__().dtypes(device=x.device, kind="real floating")
    return xp.astype(x, dtypes["float64"]) if "float64" in dtypes else x


def _epsilon(x: Any) -> float:
    return float(namespace(x).finfo(x.dtype).eps)


def _random(x: Any, rng: random.Random) -> Any:
    """Numbers like x, none of them small."""
    xp = namespace(x)
    found = [rng.uniform(0.5, 1.5) * rng.choice((-1.0, 1.0)) for _ in range(math.prod(x.shape))]
    return xp.reshape(xp.asarray(found, dtype=x.dtype, device=x.device), tuple(x.shape))


def _one_hot(x: Any, k: int) -> Any:
    xp = namespace(x)
    at = xp.arange(math.prod(x.shape), device=x.device) == k
    return xp.reshape(xp.astype(at, x.dtype), tuple(x.shape))


def _index(k: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Where element k is in an array of that shape."""
    index: list[int] = []
    for n in reversed(shape):
        k, i = divmod(k, n)
        index.insert(0, i)
    return tuple(index)


def _dot(a: Any, b: Any) -> float:
    """The sum of the products, in float64 on the host; 0 times infinity is 0."""
    a, b = raw_array(a), raw_array(b)
    pairs = zip(*[backend_of(x).to_numpy(x).ravel().tolist() for x in (a, b)], strict=True)
    products = [p * q for p, q in pairs if q]
    # fsum raises where there are infinities of both signs.
    return math.fsum(products) if all(map(math.isfinite, products)) else sum(products)
