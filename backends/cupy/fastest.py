"""Which of several ways to compute something is the fastest: measured, once for each case."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from operator import mul
from statistics import median
from typing import Any, ClassVar, NamedTuple

import cupy
import numpy as np

from ..types import Array
from .private import is_tf32

REPEATS = 5  # of which the median counts

NEAR = 8  # units in the last place of the largest number, that ways may differ
MOST = 256  # cases that are measured; data of ever new shapes would have each call do so
FACTORS = 2654435761, 2246822519, 3266489917  # which mix the bits of what they multiply


class Case(NamedTuple):
    """What a choice was made for."""

    method: str
    arrays: tuple[tuple[tuple[int, ...], tuple[int, ...], Any] | None, ...]  # shape, strides, dtype
    options: tuple[tuple[str, Any], ...]
    device: int
    tf32: bool

    def __str__(self) -> str:
        arrays = [_said(*array) for array in filter(None, self.arrays)]
        options = [f"{name} {value}" for name, value in self.options]
        where = f", GPU {self.device}" if self.device else ""
        said = f"{self.method} of {', '.join(arrays)}; {', '.join(options)}"
        return said + ", TF32" * self.tf32 + where


class Way:
    """A way to compute something: its subclasses have the methods that do."""

    name: ClassVar[str]

    def problem(self) -> str | None:
        """Why it can't be had here, and what to do about it; `None`: it can."""
        return None


def _said(shape: tuple[int, ...], strides: tuple[int, ...], dtype: Any) -> str:
    plain = tuple(accumulate(shape[:0:-1], mul, initial=dtype.itemsize))[::-1]
    return f"{dtype} {shape}" + f" with strides {strides}" * (strides != plain)


class Chosen(NamedTuple):
    way: Way
    told: str  # for people: its name, and what was found of each


class Fastest:
    """Calls the fastest of several ways for each case, which the first call of that case finds out:
    it runs all, and leaves out those that fail, or differ from the first.

    Args:
        variable: of the environment, which may name one to use always.
        ways: all have the same methods. One that can't do a case raises an exception.
    """

    def __init__(self, variable: str, ways: Sequence[Way]) -> None:
        self.variable, self.known = variable, list(ways)
        self.chosen: dict[Case, Chosen] = {}

    @cached_property
    def ways(self) -> list[Way]:
        """Those that can be had here, which is found out by the first call."""
        return [way for way in self.known if not way.problem()]

    def __call__(self, method: str, *arrays: Array | None, **options: Any) -> Array:
        """The result of that method.

        Raises:
            RuntimeError: the variable names a way that can't be had here.
            ValueError: it names no way there is.
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
            if cupy.cuda.get_current_stream().is_capturing():  # where nothing can be measured
                return self.ways[0]
            self.chosen[case] = (
                self._measured(case, arrays, options)
                if len(self.chosen) < MOST
                else Chosen(self._usual(method), "as most others were chosen")
            )
        return self.chosen[case].way

    def _usual(self, method: str) -> Way:
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

    def _measured(self, case: Case, arrays: Any, options: dict[str, Any]) -> Chosen:
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
                raise  # after these the device is of no more use to this process
            except Exception as error:  # it can't do the case, or has no memory for it
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
    """Other numbers in the same memory order: multiples of 1/8, from -1 on, which products of
    float32 in TF32 keep, too. Sums of hundreds of thousands of their products are exact in float32,
    in whatever order they are added up; and what isn't finite in x decides nothing."""
    if x is None:
        return None
    mixed = cupy.arange(x.size, dtype=np.uint32)
    mixed *= np.uint32(factor)
    mixed >>= np.uint32(28)  # the first bits vary most
    y = cupy.empty_like(x)
    y[...] = mixed.reshape(x.shape)
    y /= 8
    y -= 1
    return y


def _largest(x: Array) -> float:
    """The largest distance from 0; NaN if a number is."""
    return max(float(x.max()), -float(x.min()))


def _seconds(run: Any, arrays: Any, options: dict[str, Any]) -> float:
    """How long the device takes, as the host launches it now."""
    found = []
    for _ in range(REPEATS):
        begin, end = cupy.cuda.Event(), cupy.cuda.Event()
        begin.record()
        run(*arrays, **options)
        end.record()
        end.synchronize()
        found.append(cupy.cuda.get_elapsed_time(begin, end) / 1e3)
    return median(found)
