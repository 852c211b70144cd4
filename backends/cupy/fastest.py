"""Choose the fastest of several ways to compute something: measure all of them, once per case."""

from __future__ import annotations

import os
import warnings
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from itertools import accumulate
from operator import mul
from statistics import median
from typing import Any, ClassVar, NamedTuple

import cupy
import numpy as np

from ..types import Array
from .recorder import CupyRecorder, keep
from .tf32 import in_convolutions, in_matmul

__all__ = ["Fastest", "Way"]

REPEATS = 5  # measurements of a way, of which the median counts
LONG, CALLS = 1e-3, 16  # a measurement is of calls for so many seconds, but not of more calls

# How far the results of two ways may be apart: so many units in the last place of the largest
# number.
NEAR = 8
# Data of ever new shapes would be measured in each call, and fill the memory with plans: so many
# cases are measured, and so many plans are kept, those used last.
MOST, KEPT = 256, 4096
FACTORS = 2654435761, 2246822519, 3266489917  # multipliers that mix bits, one for each array

Plan = Callable[..., Array]  # computes a case's result from its arrays
Layout = tuple[tuple[int, ...], tuple[int, ...], np.dtype]  # shape, strides and dtype


class Case(NamedTuple):
    """All that a choice depends on; as a string, for people."""

    method: str
    arrays: tuple[Layout | None, ...]
    options: tuple[tuple[str, Any], ...]
    device: int
    tf32: str  # in which products it is allowed

    def __str__(self) -> str:
        arrays = [_described(*array) for array in filter(None, self.arrays)]
        options = [f"{name} {value}" for name, value in self.options]
        where = f"GPU {self.device}" if self.device else ""
        tf32 = f"TF32 in {self.tf32}" if self.tf32 else ""
        said = f"{self.method} of {', '.join(arrays)}", ", ".join(options), tf32, where
        return "; ".join(filter(None, said))


def _described(shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype) -> str:
    in_c_order = tuple(accumulate(shape[:0:-1], mul, initial=dtype.itemsize))[::-1]
    return f"{dtype} {shape}" + f" with strides {strides}" * (strides != in_c_order)


class Way:
    """A way to compute something; subclasses add the methods that compute."""

    name: ClassVar[str]

    def problem(self) -> str | None:
        """Say why this way can't be used here and what to do about it; `None`: it can."""
        return None

    def plan(self, method: str, *arrays: Array | None, **options: Any) -> Plan:  # noqa: ARG002
        """Prepare calls of a method with these options, and with arrays that lie in memory as those
        given. What follows from all this can be computed here once."""
        return partial(getattr(self, method), **options)


class Chosen(NamedTuple):
    """The way chosen for a case; `None`: the definition."""

    way: Way | None
    told: str  # for people: the way's name, and what was measured of each way


class Fastest:
    """Calls the fastest of several ways.

    The first call with new shapes, strides, dtypes or options runs all ways and measures them. It
    leaves out a way that fails, and one whose result is wrong. Later calls of the same case use
    what was the fastest.

    >>> convolutions = Fastest("GRADCORE_CONV", [ColumnProducts(), ImplicitProducts()], takes)
    >>> y = convolutions(Backend.conv2d, x, w, None, groups=1, **steps)

    Args:
        variable: a variable of the environment that may name one way, which is then always used.
        ways: all have the same methods. A way that can't do a case raises an exception.
        takes: says of a method's name, arrays and options whether the ways can do the case.
    """

    def __init__(self, variable: str, ways: Sequence[Way], takes: Callable[..., bool]) -> None:
        self.variable, self.known, self.takes = variable, list(ways), takes
        self.chosen: dict[Case, Chosen] = {}
        # By all that a call depends on, those used last at the end.
        self.plans: OrderedDict[tuple[Any, ...], Plan] = OrderedDict()

    @cached_property
    def ways(self) -> list[Way]:
        """The ways that can be used here; found out when a call first needs them."""
        return [way for way in self.known if not way.problem()]

    def __call__(self, definition: Plan, *arrays: Array | None, **options: Any) -> Array:
        """Call the method of the definition's name, of the fastest way.

        Raises:
            RuntimeError: the variable names a way that can't be used here.
            ValueError: the variable names a way that does not exist.
        """
        get, device = os.environ.get, cupy.cuda.runtime.getDevice()
        settings = get(self.variable), get("GRADCORE_DETERMINISTIC"), in_convolutions(), in_matmul()
        layouts = [x if x is None else (x.shape, x.strides, x.dtype) for x in arrays]
        key = (definition.__name__, device, settings, *options.items(), *layouts)
        plan, is_final = self.plans.pop(key, None), True
        if plan is None:
            plan, is_final = self._planned(definition, arrays, options)
        if is_final:
            self.plans[key] = plan  # at the end, as the one used last
            if len(self.plans) > KEPT:
                self.plans.popitem(last=False)
        keep(plan)
        return plan(*arrays)

    def _planned(
        self, definition: Plan, arrays: tuple[Array | None, ...], options: dict[str, Any]
    ) -> tuple[Plan, bool]:
        """Plan a case, and say whether its later calls can use the same plan."""
        method, by_definition = definition.__name__, partial(definition, **options)
        name = os.environ.get(self.variable)
        named = self._named(name) if name else None
        if not self.takes(method, *arrays, **options):
            return by_definition, True
        if named is None and len(self.ways) > 1 and os.environ.get("GRADCORE_DETERMINISTIC") != "1":
            case = self._case(method, arrays, options)
            if case not in self.chosen and cupy.cuda.get_current_stream().is_capturing():
                return self.ways[0].plan(method, *arrays, **options), False  # nothing is measured
            if case not in self.chosen and len(self.chosen) < MOST:
                self.chosen[case] = self._measured(case, definition, arrays, options)
            chosen = self.chosen.get(case) or self._usual(case)
            if (named := chosen.way) is None:
                return by_definition, True
        return (named or self.ways[0]).plan(method, *arrays, **options), True

    def _case(self, method: str, arrays: tuple[Array | None, ...], options: dict[str, Any]) -> Case:
        layouts = tuple([x if x is None else (x.shape, x.strides, x.dtype) for x in arrays])
        allowed = {"convolutions": in_convolutions(), "matmul": in_matmul()}
        tf32 = " and ".join(products for products, is_allowed in allowed.items() if is_allowed)
        if next(x.dtype for x in arrays if x is not None) != np.float32:
            tf32 = ""
        return Case(method, layouts, tuple(options.items()), cupy.cuda.runtime.getDevice(), tf32)

    def _usual(self, case: Case) -> Chosen:
        """The way that was chosen for most cases of the same method."""
        found = Counter(c.way for known, c in self.chosen.items() if known.method == case.method)
        way = max(found, key=lambda way: found[way], default=self.ways[0])
        return Chosen(way, "as most others were chosen")

    def _named(self, name: str) -> Way:
        for way in self.known:
            if way.name == name:
                if way not in self.ways:
                    raise RuntimeError(f"{self.variable}={name}: {way.problem()}")
                return way
        names = " or ".join(way.name for way in self.known)
        raise ValueError(f"{self.variable}={name}: there is no such way; expected {names}")

    def _measured(
        self,
        case: Case,
        definition: Plan,
        arrays: tuple[Array | None, ...],
        options: dict[str, Any],
    ) -> Chosen:
        """Run and compare all ways on numbers made for that, and time those that are right on the
        arrays given."""
        try:
            plans, told = self._right(case, definition, arrays, options)
        except MemoryError:
            return Chosen(self.ways[0], "not measured for want of memory")
        times = dict[Way, Time]()
        for way, plan in plans.items():
            try:
                times[way] = _time(plan, arrays)
                told.append(f"{way.name} {times[way]}")
            except MemoryError as error:
                told.append(f"{way.name} failed: {type(error).__name__}: {error}")
        if not times:
            return Chosen(None, f"the definition ({', '.join(told)})")
        best = min(times, key=lambda way: times[way])
        return Chosen(best, f"{best.name} ({', '.join(told)})")

    def _right(
        self,
        case: Case,
        definition: Plan,
        arrays: tuple[Array | None, ...],
        options: dict[str, Any],
    ) -> tuple[dict[Way, Plan], list[str]]:
        """Compare all ways on numbers made for that: the plans of those that are right, and what is
        to be told of the others.

        Raises:
            MemoryError: there is none for the numbers, for any way, or for comparing.
        """
        results, plans, told = dict[Way, Array](), dict[Way, Plan](), list[str]()
        numbers = [_of_few_bits(*pair) for pair in zip(arrays, FACTORS, strict=False)]
        for way in self.ways:
            try:
                plans[way] = way.plan(case.method, *numbers, **options)
                results[way] = plans[way](*numbers)
            except (cupy.cuda.runtime.CUDARuntimeError, cupy.cuda.driver.CUDADriverError):
                raise  # after these, this process can't use the device any more
            except Exception as error:  # the way can't do this case, or there is no memory for it
                told.append(f"{way.name} failed: {type(error).__name__}: {error}")
        expected = _judged(list(results.values()), partial(definition, *numbers, **options))
        limit, right = _limit(expected), dict[Way, Plan]()
        for way, found in results.items():
            if (off := _apart(found, expected)) <= limit:
                right[way] = plans[way]
                continue
            told.append(f"{way.name} differs by {off:.1e}")
            what = f"{case}: {told[-1]} from what is right, more than {limit:.1e}, and is not used"
            warnings.warn(f"{what}; please report it", RuntimeWarning, stacklevel=5)
        return right, told


class Time(NamedTuple):
    """What a call takes. Ways that can be captured are better than all others, as steps are."""

    is_not_captured: bool
    seconds: float

    def __str__(self) -> str:
        return f"{1e3 * self.seconds:.3f} ms" + ", not captured" * self.is_not_captured


def _time(plan: Plan, arrays: tuple[Array | None, ...]) -> Time:
    """Measure a call on the device.

    A graph of several calls is replayed, which leaves out the time that the host takes to launch
    them, and shows the time of short ones. Where no graph can be made, that time is in it.
    """

    def call() -> None:
        plan(*arrays)

    call()
    calls = max(1, min(CALLS, int(LONG / max(_seconds(call), 1e-9))))
    try:
        recorder = CupyRecorder(cupy.cuda.runtime.getDevice())
        with recorder.warm_up():
            call()
        with recorder.record():
            for _ in range(calls):
                call()
        recorder.graph.launch()
        found = median(_seconds(recorder.graph.launch) for _ in range(REPEATS)) / calls
        recorder.pool.free_all_blocks()
        return Time(False, found)
    except Exception:  # if the device can't be used any more, the next call says so
        return Time(True, median(_seconds(call) for _ in range(REPEATS)))


def _seconds(call: Callable[[], object]) -> float:
    """What the device takes from before a call to after it."""
    begin, end = cupy.cuda.Event(), cupy.cuda.Event()
    begin.record()
    call()
    end.record()
    end.synchronize()
    return cupy.cuda.get_elapsed_time(begin, end) / 1e3


def _judged(results: list[Array], definition: Callable[[], Array]) -> Array:
    """Find the right one among the results of several ways: one that another agrees with, else what
    the definition gives."""
    for number, one in enumerate(results):
        limit = _limit(one)
        if any(_apart(other, one) <= limit for other in results[number + 1 :]):
            return one
    return definition()


def _limit(x: Array) -> float:
    """How far another result may be from x; NaN if x has a NaN."""
    return NEAR * float(np.finfo(x.dtype).eps) * _largest(x)


def _apart(x: Array, y: Array) -> float:
    """The largest difference; NaN if there is a NaN."""
    return _largest(x - y)


def _largest(x: Array) -> float:
    """The largest absolute value in x; NaN if x has a NaN."""
    return max(float(x.max()), -float(x.min()))


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
