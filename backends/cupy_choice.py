"""Which of several ways to compute something is the fastest: measured, once for each case."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from functools import cached_property
from math import isfinite
from statistics import median
from typing import Any, ClassVar, NamedTuple

import cupy
import numpy as np

from .base import Array
from .cupy_blas import is_tf32

REPEATS = 5  # of which the median counts

# How far from the first way another may be, relative to the largest sum that there is if no numbers
# have signs: what is left of large ones that cancel out says nothing of how exact they are.
NEAR = {np.dtype("float16"): 1e-4, np.dtype("float32"): 1e-4, np.dtype("float64"): 1e-12}
NEAR_TF32 = 1e-3
ROUNDING = 8  # of the result itself, in units of its last place


class Case(NamedTuple):
    """What a choice was made for."""

    method: str
    arrays: tuple[tuple[tuple[int, ...], tuple[int, ...], Any] | None, ...]  # shape, strides, dtype
    options: tuple[tuple[str, Any], ...]
    device: int
    tf32: bool

    def __str__(self) -> str:
        arrays = [f"{kind} {shape}" for shape, _, kind in filter(None, self.arrays)]
        options = [f"{name} {value}" for name, value in self.options]
        return f"{self.method} of {', '.join(arrays)}; {', '.join(options)}" + ", TF32" * self.tf32


class Way:
    """A way to compute something: its subclasses have the methods that do."""

    name: ClassVar[str]

    def problem(self) -> str | None:
        """Why it can't be had here, and what to do about it; `None`: it can."""
        return None


class Chosen(NamedTuple):
    way: Way
    told: str  # for people: its name, and what was found of each


class Choice:
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
            chosen = self._measured(case, arrays, options)
            if chosen is None:
                return self.ways[0]
            self.chosen[case] = chosen
        return self.chosen[case].way

    def _named(self, name: str) -> Way:
        for way in self.known:
            if way.name == name:
                if way not in self.ways:
                    raise RuntimeError(f"{self.variable}={name}: {way.problem()}")
                return way
        names = " or ".join(way.name for way in self.known)
        raise ValueError(f"{self.variable}={name}: there is no such way; expected {names}")

    def _measured(self, case: Case, arrays: Any, options: dict[str, Any]) -> Chosen | None:
        """The fastest; `None` if all fail, or there are no finite numbers to compare."""
        times: dict[Way, float] = {}
        told: list[str] = []
        expected, limit, first = None, 0.0, ""
        for way in self.ways:
            run = getattr(way, case.method)
            try:
                found, off = run(*arrays, **options), 0.0
                if expected is None:
                    limit = _limit(found, run(*map(_absolute, arrays), **options), case.tf32)
                    if not isfinite(limit):
                        return None
                    expected, first = found, way.name
                else:
                    off = _largest(cupy.subtract(found, expected, out=found))
                if is_near := off <= limit:
                    times[way] = _seconds(run, arrays, options)
            except Exception as error:  # it can't do the case, or has no memory for it
                told.append(f"{way.name} failed: {type(error).__name__}: {error}")
                continue
            if is_near:
                told.append(f"{way.name} {1e3 * times[way]:.3f} ms")
            else:
                told.append(f"{way.name} differs by {off:.1e}")
                what = f"{case}: {way.name} differs from {first} by {off:.1e}, more than"
                what += f" {limit:.1e}, and is not used; please report it"
                warnings.warn(what, RuntimeWarning, stacklevel=2)
        if not times:
            return None  # for the first to fail again, in the open
        best = min(times, key=lambda way: times[way])
        return Chosen(best, f"{best.name} ({', '.join(told)})")


def _absolute(x: Array | None) -> Array | None:
    """Its numbers without signs, in a dtype for sums."""
    return x if x is None else abs(x.astype(np.result_type(x.dtype, np.float32), copy=False))


def _largest(x: Array) -> float:
    """The largest distance from 0; NaN if a number is."""
    return max(float(x.max()), -float(x.min()))


def _limit(found: Array, unsigned: Array, tf32: bool) -> float:
    """How far another result may be from this one."""
    near = NEAR_TF32 if tf32 and found.dtype == np.float32 else NEAR[found.dtype]
    rounding = ROUNDING * float(np.finfo(found.dtype).eps)
    return near * _largest(unsigned) + rounding * _largest(found)


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
