"""Check the gradients of an op, or of any function, by central differences."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from ..backends import Array, backend_of
from ..engine.arrays import (
    describe,
    is_complex,
    is_floating,
    namespace,
    raw_array,
    value_of,
    widest,
)
from ..engine.trees import leaves, tree_map
from ..graph import TensorNode
from ..transforms.derivatives import vjp

__all__ = ["GradientError", "check_gradients"]

_DIRECTIONS = 4  # how many random ones are tried; each involves every element
_ENTRIES = 1000  # how many entries of each array are searched for the worst

# A function of trees of arrays that lists the arrays of its result.
_ListFunction = Callable[..., list[TensorNode | Array]]


class GradientError(AssertionError):
    """A gradient is not what differences of the function's values say.

    Example:
        >>> wrong = gradcore.custom_gradient(lambda x: (x * x, lambda go: go))  # it is 2 x go
        >>> try:
        ...     gradcore.check_gradients(wrong, 3.0)
        ... except gradcore.GradientError:
        ...     print("the gradient is wrong")
        the gradient is wrong
    """


def check_gradients(f: Callable[..., Any], *args: Any, order: int = 2) -> None:
    """Compare the gradients of `f` with central differences along random directions.

    The differences are (f(x + h d) - f(x - h d)) / 2 h, with an error of order h^2 + epsilon / h;
    h is the cube root of epsilon (https://doi.org/10.1137/1.9780898718027, section 8.1).
    Arguments are converted to float64, or complex128: then the directions are complex too. On a
    device without float64 they keep their dtype, and the tolerance is wide enough for float32.

    Args:
        f: a function of trees of arrays, that gives a tree of arrays. It must give the same each
            time, and be differentiable around `args`.
        args: the arguments to check it at. An argument of integers or booleans, or that has
            anything but arrays and numbers, is a constant.
        order: 1 checks gradients; 2, their gradients too; and so on.

    Raises:
        GradientError: a gradient is wrong. The message has the worst entry, what backward and
            the differences gave there, and whether a kink is likely there.
        TypeError: no argument, or none of the results, is floating.
        ValueError: `order` is not a positive integer.

    Example:
        >>> f = lambda x: gradcore.sum(gradcore.tanh(x) ** 2)
        >>> gradcore.check_gradients(f, np.array([0.5, -1.0]))  # an error if they are wrong
    """
    if type(order) is not int or order < 1:
        raise ValueError(f"check_gradients: order is {order!r}, expected 1, 2, ...")
    floating = [_is_floating_tree(x) for x in args]
    if True not in floating:
        what = "no argument is" if args else "there is no argument, and so none is"
        raise TypeError(f"check_gradients: {what} of floating arrays")
    xs = [tree_map(_as_float64, x) for x, yes in zip(args, floating, strict=True) if yes]
    names = [f"argument {i}" for i, yes in enumerate(floating) if yes]
    g = _of_floating(f, args, floating)
    for n in range(1, order + 1):
        rng = random.Random(n)
        values = [value_of(y) for y in g(*xs)]
        if not values:
            raise TypeError("check_gradients: nothing that the function gives is floating")
        go = [_random(y, rng) for y in values]
        _check(_Scalar(g, xs, go), names, n, rng)
        # The gradient is itself a function: of the incoming gradient, and of the same arguments.
        g, xs = _backward_of(g), [[_random(y, rng) for y in values], *xs]
        names = [f"the gradient that comes in (order {n})", *names]


def _of_floating(f: Callable[..., Any], args: Any, floating: list[bool]) -> _ListFunction:
    """Make a function of the floating arguments alone, that lists the floating results."""

    def of_floating(*xs: Any) -> list[TensorNode | Array]:
        rest = iter(xs)
        result = f(*[next(rest) if yes else x for x, yes in zip(args, floating, strict=True)])
        ys = [y for _, y in leaves(tree_map(widest, result))]
        return [y for y in ys if is_floating(value_of(y))]

    return of_floating


def _backward_of(g: _ListFunction) -> _ListFunction:
    """Make a function of an incoming gradient and g's arguments, that lists g's gradients."""

    def backward(go: list[Array], *xs: Any) -> list[TensorNode | Array]:
        return [x for _, x in leaves(vjp(g, *xs)[1](go))]

    return backward


class _Slope(NamedTuple):
    """The derivative of a scalar along a direction, measured in several ways.

    Attributes:
        name: of the direction, for messages.
        backward: the product of gradient and direction.
        differences: the central difference.
        left, right: the differences to one side only.
    """

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


class _Scalar:
    """The scalar `<go, g(xs)>`, and its gradient, around the point `xs`. Of complex arrays <a, b>
    is the real part of the sum of conj(a) b, so that real and imaginary parts are separate numbers.

    Attributes:
        here: the scalar at `xs`.
        h: the step of the differences.
        tolerance: how large the error of a slope may be, relative to the slope.
    """

    def __init__(self, g: _ListFunction, xs: list[Any], go: list[Array]) -> None:
        self.g, self.xs, self.go = g, xs, go
        gradient = vjp(g, *xs)[1](go)
        self.gradients = [gradient] if len(xs) == 1 else list(gradient)
        self.h = max([_epsilon(x) ** (1 / 3) for _, x in leaves(xs)], default=0.0)
        self.tolerance = 300 * self.h**2 if self.h > 1e-3 else 1e-5
        self.here = self.at(xs)

    def at(self, xs: list[Any]) -> float:
        """Compute the scalar at another point."""
        return sum(map(_dot, self.go, self.g(*xs)))

    def slope(self, name: str, direction: list[Any], step: float = 1.0) -> _Slope:
        """Measure the slope along a direction, with a step of so many h."""
        h = step * self.h
        right, left = (
            self.at(tree_map(lambda x, d, s=sign: widest(x + (s * h) * d), self.xs, direction))
            for sign in (1.0, -1.0)
        )
        pairs = zip(leaves(self.gradients), leaves(direction), strict=True)
        return _Slope(
            name,
            direction,
            backward=sum(_dot(g, d) for (_, g), (_, d) in pairs),
            differences=(right - left) / (2 * h),
            left=(self.here - left) / h,
            right=(right - self.here) / h,
        )

    def is_wrong(self, slope: _Slope) -> bool:
        """Whether gradient and differences are further apart than rounding explains."""
        largest = max(1.0, abs(slope.backward), abs(slope.differences), abs(self.here))
        return slope.error == math.inf or not slope.error <= self.tolerance * largest


def _check(scalar: _Scalar, names: list[str], order: int, rng: random.Random) -> None:
    """Raise GradientError if the gradient of a scalar is wrong; `names` are of its arguments."""
    if scalar.here != scalar.at(scalar.xs) and not math.isnan(scalar.here):
        raise GradientError("check_gradients: the function gives something else each time")
    directions = [tree_map(lambda x: _random(x, rng), scalar.xs) for _ in range(_DIRECTIONS)]
    slopes = [scalar.slope("a random direction", direction) for direction in directions]
    if worst := _worst(scalar, slopes):
        entries = (scalar.slope(*entry) for entry in _entries(scalar.xs, names))
        worst = _worst(scalar, entries) or worst
        raise GradientError(
            f"check_gradients: a gradient{' of the gradient' * (order - 1)} is wrong. "
            f"Worst is {worst.name}:\n"
            f"  backward gives  {worst.backward:.10g}\n"
            f"  differences are {worst.differences:.10g}\n"
            f"{_diagnosis(worst, scalar)}"
        )


def _worst(scalar: _Scalar, slopes: Iterable[_Slope]) -> _Slope | None:
    """Find the wrong slope of the largest error, if any is wrong."""
    return max(filter(scalar.is_wrong, slopes), key=lambda slope: slope.error, default=None)


def _entries(xs: list[Any], names: list[str]) -> Iterator[tuple[str, list[Any]]]:
    """Give for each entry of each array its name, and the direction that changes it alone."""
    arrays = [x for _, x in leaves(xs)]
    zeros = [namespace(x).zeros_like(x) for x in arrays]
    places = [f"{name}{path}" for name, x in zip(names, xs, strict=True) for path, _ in leaves(x)]
    for i, (place, x) in enumerate(zip(places, arrays, strict=True)):
        shape = tuple(x.shape)
        for k in range(min(math.prod(shape), _ENTRIES)):
            at = f"{place}, entry {_index(k, shape)} of {describe(x)}"
            for name, unit in (("", 1.0), (" (imaginary part)", 1j))[: 1 + is_complex(x)]:
                rest = iter([*zeros[:i], _one_hot(x, k) * unit, *zeros[i + 1 :]])
                yield at + name, tree_map(lambda _, rest=rest: next(rest), xs)


def _diagnosis(slope: _Slope, scalar: _Scalar) -> str:
    """Say whether the function likely has a kink where the slope was measured.

    Where a function is smooth, the differences to the two sides are h times the second derivative
    apart, and those with half the step are the same. Where a gradient jumps, they are twice as
    large.
    """
    half = scalar.slope(slope.name, slope.direction, 0.5).differences
    gap = max(abs(slope.right - slope.left), abs(half - slope.differences))
    found = (
        f"the differences to the left and to the right are {slope.left:.8g} and "
        f"{slope.right:.8g}, and with half the step {half:.8g}"
    )
    if not math.isfinite(slope.right - slope.left):
        return f"The function is not finite around there: {found}. Check at another point."
    if gap > max(1e-3, 30 * scalar.h) * max(1.0, abs(slope.left), abs(slope.right)):
        return f"A kink is likely there: {found}. Check at another point."
    return f"There is likely no kink: {found}."


def _is_floating_tree(x: Any) -> bool:
    """Whether a tree has arrays or numbers only, at least one, and all of them are floating."""
    found = [a for _, a in leaves(x)]
    ok = [hasattr(a, "dtype") or type(a) in (float, int, bool, complex) for a in found]
    return bool(ok) and all(ok) and all(is_floating(value_of(widest(a))) for a in found)


def _as_float64(x: Any) -> Array:
    """Convert an array, node or number to a float64 or complex128 array, where its device has
    float64."""
    x = value_of(widest(x))
    xp, wide = namespace(x), "complex128" if is_complex(x) else "float64"
    dtypes = xp.__array_namespace_info__().dtypes(device=x.device)
    return xp.astype(x, dtypes[wide]) if wide in dtypes else x


def _epsilon(x: Array) -> float:
    return float(namespace(x).finfo(x.dtype).eps)


def _random(x: Array, rng: random.Random) -> Array:
    """Make an array like x of random numbers, none of them small."""
    xp = namespace(x)
    n = math.prod(x.shape)
    found: list[Any] = [rng.uniform(0.5, 1.5) * rng.choice((-1.0, 1.0)) for _ in range(n)]
    if is_complex(x):
        found = [y + 1j * rng.uniform(0.5, 1.5) * rng.choice((-1.0, 1.0)) for y in found]
    return xp.reshape(xp.asarray(found, dtype=x.dtype, device=x.device), tuple(x.shape))


def _one_hot(x: Array, k: int) -> Array:
    """Make an array like x of zeros, with 1 as element k."""
    xp = namespace(x)
    at = xp.arange(math.prod(x.shape), device=x.device) == k
    return xp.reshape(xp.astype(at, x.dtype), tuple(x.shape))


def _index(k: int, shape: tuple[int, ...]) -> list[int]:
    """Find where element k is in an array of this shape."""
    index: list[int] = []
    for n in reversed(shape):
        k, i = divmod(k, n)
        index.insert(0, i)
    return index


def _dot(a: Any, b: Any) -> float:
    """Compute <a, b>, as in `_Scalar`, in float64 on the host; 0 times infinity is 0."""
    a, b = raw_array(a), raw_array(b)
    pairs = zip(*[backend_of(x).to_numpy(x).ravel().tolist() for x in (a, b)], strict=True)
    products = [(p.conjugate() * q).real for p, q in pairs if q]
    # fsum raises where there are infinities of both signs.
    return math.fsum(products) if all(map(math.isfinite, products)) else sum(products)
