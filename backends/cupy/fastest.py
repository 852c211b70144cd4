"""Choose the fastest of several ways to compute something: measure all of them, once per case."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import accumulate
from operator import mul
from statistics import median
from typing import Any, ClassVar, NamedTuple

import cupy
import numpy as np

from ..types import Array
from .private import is_tf32

__all__ = ["Fastest", "Way"]

REPEATS = 5  # measurements of a way, of which the median counts

# How far the results of two ways may be apart: so many units in the last place of the largest
# number.
NEAR = 8
MOST = 256  # cases that are measured; else data of ever new shapes would be measured in each call
FACTORS = 2654435761, 2246822519, 3266489917  # multipliers that mix bits, one for each array

Layout = tuple[tuple[int, ...], tuple[int, ...], np.dtype]  # shape, strides and dtype


class Case(NamedTuple):
    """All that a choice depends on; as a string, for people."""

    method: str
    arrays: tuple[Layout | None, ...]
    options: tuple[tuple[str, Any], ...]
    device: int
    tf32: bool

    def __str__(self) -> str:
        arrays = [_described(*array) for array in filter(None, self.arrays)]
        options = [f"{name} {value}" for name, value in self.options]
        where = f", GPU {self.device}" if self.device else ""
        said = f"{self.method} of {', '.join(arrays)}; {', '.join(options)}"
        return said + ", TF32" * self.tf32 + where


def _described(shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype) -> str:
    in_c_order = tuple(accumulate(shape[:0:-1], mul, initial=dtype.itemsize))[::-1]
    return f"{dtype} {shape}" + f" with strides {strides}" * (strides != in_c_order)


class Way:
    """A way to compute something; subclasses add the methods that compute."""

    name: ClassVar[str]

    def problem(self) -> str | None:
        """Say why this way can't be used here and what to do about it; `None`: it can."""
        return None


class Chosen(NamedTuple):
    """The way chosen for a case."""

    way: Way
    told: str  # for people: the way's name, and what was measured of each way


class Fastest:
    """Calls the fastest of several ways.

    The first call with new shapes, strides, dtypes or options runs all ways and measures them. It
    leaves out a way that fails, and one whose result differs from that of the first way. Later
    calls of the same case use what was the fastest.

    >>> convolutions = Fastest("GRADCORE_CONV", [ColumnProducts(), ImplicitProducts()])
    >>> y = convolutions("conv2d", x, w, None, groups=1, **steps)

    Args:
        variable: a variable of the environment that may name one way, which is then always used.
        ways: all have the same methods. A way that can't do a case raises an exception.
    """

    def __init__(self, variable: str, ways: Sequence[Way]) -> None:
        self.variable, self.known = variable, list(ways)
        self.chosen: dict[Case, Chosen] = {}

    @cached_property
    def ways(self) -> list[Way]:
        """The ways that can be used here; found out when a call first needs them."""
        return [way for way in self.known if not way.problem()]

    def __call__(self, method: str, *arrays: Array | None, **options: Any) -> Array:
        """Call this method of the fastest way.

        Raises:
            RuntimeError: the variable names a way that can't be used here.
            ValueError: the variable names a way that does not exist.
        """
        return getattr(self._way(method, arrays, options), method)(*arrays, **options)

    def _way(self, method: str, arrays: tuple[Array | None, ...], options: dict[str, Any]) -> Way:
        if name := os.environ.get(self.variable):
            return self._named(name)
        if len(self.ways) == 1 or os.environ.get("GRADCORE_DETERMINISTIC") == "1":
            return self.ways[0]
        case = Case(
            method,
            tuple([x if x is None else (x.shape, x.strides, x.dtype) for x in arrays]),
            tuple(options.items()),
            cupy.cuda.Device().id,
            is_tf32(),
        )
        if case not in self.chosen:
            if cupy.cuda.get_current_stream().is_capturing():  # so nothing can be measured
                return self.ways[0]
            self.chosen[case] = (
                self._measured(case, arrays, options)
                if len(self.chosen) < MOST
                else Chosen(self._usual(method), "as most others were chosen")
            )
        return self.chosen[case].way

    def _usual(self, method: str) -> Way:
        """The way that was chosen for most cases of this method."""
        found = Counter(chosen.way for case, chosen in self.chosen.items() if case.method == method)
        return max(found, key=lambda way: found[way], default=self.ways[0])

    def _named(self, name: str) -> Way:
        for way in self.known:
            if way.name == name:
                if way not in self.ways:
                    raise RuntimeError(f"{self.variable}={name}: {way.problem()}")
                return way
        names = " or ".join(way.name for way in self.known)
        raise ValueError(f"{self.variable}={name}: there is no such way; expected {names}")

    def _measured(
        self, case: Case, arrays: tuple[Array | None, ...], options: dict[str, Any]
    ) -> Chosen:
        """Run and compare all ways on numbers made for that, and time them on the arrays given."""
        cuda, times, told = cupy.cuda, dict[Way, float](), list[str]()
        try:
            numbers = [_of_few_bits(*pair) for pair in zip(arrays, FACTORS, strict=False)]
        except MemoryError:
            return Chosen(self.ways[0], "not measured for want of memory")
        expected, limit, first = None, 0.0, ""
        for way in self.ways:
            run = getattr(way, case.method)
            try:
                found, off = run(*numbers, **options), 0.0
                if expected is None:
                    expected, first = found, way.name
                    limit = NEAR * float(np.finfo(found.dtype).eps) * _largest(found)
                else:
                    off = _largest(cupy.subtract(found, expected, out=found))
                if is_near := off <= limit:
                    times[way] = _seconds(run, arrays, options)
            except (cuda.runtime.CUDARuntimeError, cuda.driver.CUDADriverError):
                raise  # after these, this process can't use the device any more
            except Exception as error:  # the way can't do this case, or there is no memory for it
                if way is self.ways[0] and not isinstance(error, MemoryError):
                    raise
                told.append(f"{way.name} failed: {type(error).__name__}: {error}")
                continue
            if is_near:
                told.append(f"{way.name} {1e3 * times[way]:.3f} ms")
            else:
                told.append(f"{way.name} differs by {off:.1e}")
                what = f"{case}: {way.name} differs from {first} by {off:.1e}, more than"
                what += f" {limit:.1e}, and is not used; please report it"
                warnings.warn(what, RuntimeWarning, stacklevel=2)
        best = min(times, key=lambda way: times[way], default=self.ways[0])
        return Chosen(best, f"{best.name} ({', '.join(told)})")


def _of_few_bits(x: Array | None, factor: int) -> Array | None:
    """Make an array like x, in the same memory order, of multiples of 1/8 from -1 to 7/8.

    Sums of hundreds of thousands of products of such numbers are exact in float32, in whatever
    order they are added up, and TF32 does not round them. So ways that are right agree. Infinities
    and NaNs of x play no part.
    """
    if x is None:
        return None
    mixed = cupy.arange(x.size, dtype=np.uint32)
    mixed *= np.uint32(factor)
    mixed >>= np.uint32(28)  # keep the highest 4 bits, which vary most
    y = cupy.empty_like(x)
    y[...] = mixed.reshape(x.shape)
    y /= 8
    y -= 1
    return y


def _largest(x: Array) -> float:
    """The largest absolute value in x; NaN if x has a NaN."""
    return max(float(x.max()), -float(x.min()))


def _seconds(
    run: Callable[..., Array], arrays: tuple[Array | None, ...], options: dict[str, Any]
) -> float:
    """Measure a call on the device, including the time that the host takes to launch it."""
    found = []
    for _ in range(REPEATS):
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        begin.record()
        run(*arrays, **options)
        end.record()
        end.synchronize()
        found.append(cupy.cuda.get_elapsed_time(begin, end) / 1e3)
    return median(found)
