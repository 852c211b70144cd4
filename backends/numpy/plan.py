"""Captured steps on NumPy: a plan, which is the list of a step's calls of NumPy's functions and of
kernels, as a function of Python without the step's own code.

The text of the function is made while the step is traced. `print(step.program)` shows it: one line
for each call, with the dtype and shape of what the call gives. Each array is dropped after the last
line that reads it, so a replay takes no more memory than the step itself.

A plan is as good as what was traced. So it is tried before it is used: for two steps, with other
numbers in the second, it must leave the very bits that the step itself leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from keyword import iskeyword
from operator import getitem
from re import fullmatch
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..ownership import holders
from ..registry import BACKEND_OF_TYPE
from ..types import Array, Traced, UntraceableError
from .tracer import GONE, OUTSIDE, STATIC, UNKNOWN, Scalar, Tracer, is_number, tracing

__all__ = ["NumpyProgram", "Plan"]

OF_SHAPES = {"full_like", "ones_like", "zeros_like"}  # functions that read no numbers
MANY = 512  # calls, of a kernel that is noted as one call in place of these
LITERALS = (int, bool, str, type(None), type(...))
WHAT = "the state", "its results"
SHARED = (
    "it assigns into {} {}, whose memory another array of the step has, too; copy one of the two"
)
DIFFERS = (
    "a replay leaves {} in another state than the step does: the step computes with what changes "
    "outside of it, such as np.random or a variable that counts; give that as an argument"
)


class Call(NamedTuple):
    """One line of a plan.

    Attributes:
        text: the call, as Python has it.
        reads: the names of the arrays and numbers that it is given.
        needs: those of them whose contents matter, and not only the shapes.
        target: the left side of the assignment; empty where nothing new comes out.
        made: the names of what comes out new; each with its value, if that is always the same.
        kinds: what comes out, for people.
        writes: the names of the arrays whose memory it writes into.
        kernel: the name of the kernel that makes the call, if that was taken apart.
    """

    text: str
    reads: list[str]
    needs: list[str]
    target: str
    made: dict[str, Any]
    kinds: str
    writes: list[str]
    kernel: str | None


class Plan:
    """Notes the calls of a step, and makes a function of them.

    No tracer is held here: who holds an array tells the engine whether it may write into it.

    Args:
        takes_apart: whether kernels are noted by the calls that they make, where they can be.

    Attributes:
        source: the text of the function, once it is made.
    """

    def __init__(self, takes_apart: bool) -> None:
        self.takes_apart = takes_apart
        self.calls: list[Call] = []
        self.globals: dict[str, Any] = {}  # what the text names, by name
        self.names: dict[Any, str] = {}  # and the names, by the object or its id
        self.roots: dict[str, str] = {}  # for each array what owns its memory
        self.constants: dict[int, Tracer] = {}
        self.assigned = set[str]()  # names of those that the step itself assigns into
        self.fixed = set[str]()  # names of what is the same in each replay, as zeros are
        self.kernel_name: str | None = None  # of the kernel that is being taken apart
        self.errors = np.geterr()
        self.source = ""

    def tracer(self, x: Any, base: Tracer | None = None, owned: bool = True) -> Tracer:
        """Make what stands for x. The name tells arrays, `x1`, from numbers, `n1`."""
        name = f"{'n' if is_number(x) else 'x'}{len(self.roots)}"
        self.roots[name] = name if base is None else self.roots[base.name]
        kind = Scalar if isinstance(x, np.generic) else Tracer
        if base is not None:
            owned, base = base.owned, base if base.base is None else base.base  # as NumPy's views
        return kind(x, name, base, owned, self)

    def constant(self, x: np.ndarray) -> Tracer:
        """Give what stands for an array that every replay finds in its place."""
        if id(x) not in self.constants:
            tracer = self.constants[id(x)] = self.tracer(x, owned=False)
            self.globals[tracer.name] = x
        return self.constants[id(x)]

    # -- Noting calls -----------------------------------------------------------------------

    def call(
        self,
        function: Callable[..., Any],
        args: Any,
        kwargs: dict[str, Any],
        written: list[Tracer] | None,
    ) -> Any:
        """Do what `Recording.call` says."""
        given: list[Tracer] = []
        values = [self._values(x, given) for x in args]
        named = {key: self._values(x, given) for key, x in kwargs.items()}
        if given and all(is_number(x.value) for x in given):
            function = _of_numbers(function)  # what is computed of numbers alone is a number
        if (errors := np.geterr()) != self.errors:
            function = _with(errors, function)
        with tracing(None):
            result = function(*values, **named)
        new: list[Tracer] = []
        results = self._results(result, given, new, function.__name__ in STATIC)
        made = {x.name for x in new}
        if written is None:
            written = [x for x in _flat(results) if x.name not in made]
            if not all(x.owned for x in written):
                raise UntraceableError(OUTSIDE)
        elif self.kernel_name is None:
            self.assigned |= {self.roots[x.name] for x in written}
        needs = [] if function.__name__ in OF_SHAPES else [x.name for x in given]
        if is_fixed := self.fixed.issuperset(needs):
            self.fixed |= made
        if new or written or result is None:
            texts = [self._text(x) for x in args]
            texts += [f"{key}={self._text(x)}" for key, x in kwargs.items()]
            call = Call(
                f"{self._name(function)}({', '.join(texts)})",
                [x.name for x in given],
                needs,
                _pattern(results) if _flat(results) else "",
                {x.name: x.value if is_fixed else None for x in new},
                ", ".join(dict.fromkeys(_kind(x.value) for x in new)),
                [self.roots[x.name] for x in written],
                self.kernel_name,
            )
            self.calls.append(call)
        return results

    def kernel(
        self, apart: Callable[..., Any], whole: Callable[..., Any], args: Any, kwargs: Any
    ) -> Any:
        """Note a kernel by the calls that it makes, so that replays do without its Python code. A
        kernel that chooses by numbers, shares a function among threads, or makes many calls, is
        noted as one call.

        Args:
            apart: the kernel, for tracers.
            whole: notes it as one call.
        """
        if not self.takes_apart:
            return whole(*args, **kwargs)
        count, outer = len(self.calls), self.kernel_name
        self.kernel_name = outer or apart.__name__
        try:
            results = apart(*args, **kwargs)
            if len(self.calls) - count <= MANY:
                return results
        except Exception:  # One of the kernel's own is raised again below.
            pass
        finally:
            self.kernel_name = outer
        del self.calls[count:]
        return whole(*args, **kwargs)

    def _values(self, x: Any, given: list[Tracer]) -> Any:
        """Put arrays and numbers in the places of tracers, which are noted."""
        if isinstance(x, Tracer):
            given.append(self.own(x))
            return x.value
        if isinstance(x, tuple | list):
            return _like(x, [self._values(y, given) for y in x])
        if isinstance(x, slice):
            return slice(*[self._values(y, given) for y in (x.start, x.stop, x.step)])
        return x

    def own(self, x: Tracer) -> Tracer:
        """Give the tracer x of this plan. For what another plan has made, the same in each replay,
        and an object has kept since, give a constant."""
        if x.recording is self:
            return x
        if x.name not in x.recording.fixed:
            raise UntraceableError(GONE)
        return self.constant(x.value)

    def _results(self, x: Any, given: list[Tracer], new: list[Tracer], is_static: bool) -> Any:
        """Give what stands for the results of a call; note the new ones."""
        if isinstance(x, tuple | list):
            return _like(x, [self._results(y, given, new, is_static) for y in x])
        is_array = isinstance(x, np.ndarray | np.generic)
        if is_static or not (is_array or (given and is_number(x))):
            return x
        if isinstance(x, bool):
            raise RuntimeError(UNKNOWN)
        for y in given:
            if y.value is x and isinstance(x, np.ndarray):  # there is but one np.True_
                return y
        base = next((y for y in [*given, *new] if _is_shared(x, y.value)), None)
        new.append(self.tracer(x, base))
        return new[-1]

    def _text(self, x: Any) -> str:
        """Write an argument as Python does; what has no such text gets a name."""
        if isinstance(x, Tracer):
            return self.own(x).name
        if type(x) in (tuple, list):
            inner = ", ".join(map(self._text, x))
            if type(x) is list:
                return f"[{inner}]"
            return f"({inner},)" if len(x) == 1 else f"({inner})"
        if isinstance(x, slice):
            return f"slice({', '.join(map(self._text, (x.start, x.stop, x.step)))})"
        if type(x) in LITERALS or (type(x) is float and np.isfinite(x)):
            return repr(x)
        return self._name(x)

    def _name(self, x: Any) -> str:
        """Name an object, or find the name that it has."""
        key = x if callable(x) else id(x)  # a method is another object each time, and equal
        if key not in self.names:
            given = getattr(x, "__name__", str(x)).strip("_")
            given = given if given.isidentifier() and not iskeyword(given) else "constant"
            name, n = given, 1
            while name in self.globals or fullmatch(r"_|step|[nx]\d+", name):
                name, n = f"{given}_{n}", n + 1
            self.names[key], self.globals[name] = name, x
        return self.names[key]

    # -- Making the function ----------------------------------------------------------------

    def function(self, given: dict[str, list[str]], results: list[list[str | None]]) -> Any:
        """Make the function of the calls that the results need.

        Args:
            given: the names in each argument, which is a list, by the argument's name.
            results: the names in each of the lists that the function gives.
        """
        wanted = [name for some in results for name in some if name]
        calls = self._folded(self._needed(wanted), wanted)
        last = {name: i for i, call in enumerate(calls) for name in call.reads}
        last |= dict.fromkeys(wanted, len(calls))
        lines = [f"def step({', '.join(given)}):"]
        lines += [f"    {', '.join(names)}, = {x}" for x, names in given.items() if names]
        constants = sorted({x for call in calls for x in call.reads} & self.globals.keys())
        lines += [f"    # {x} is a constant: {_kind(self.globals[x])}" for x in constants]
        for i, call in enumerate(calls):
            target = f"{call.target} = " if call.target else ""
            names = [x for x in (*call.reads, *call.made) if x not in self.globals]
            dropped = ", ".join(x for x in dict.fromkeys(names) if last.get(x, i) == i)
            drop = f"; del {dropped}" if dropped else ""
            says = ": ".join(filter(None, (call.kernel, call.kinds)))
            lines.append(f"    {target}{call.text}{drop}" + (f"  # {says}" if says else ""))
        listed = [f"[{', '.join(map(str, names))}]" for names in results]
        self.source = "\n".join([*lines, f"    return {', '.join(listed)}"])
        variables = dict(self.globals)
        exec(compile(self.source, "<plan>", "exec"), variables)
        return variables["step"]

    def _needed(self, wanted: list[str]) -> list[Call]:
        """List the calls that the names depend on, and those that write or check."""
        needed, live = list[Call](), {*wanted}
        for call in reversed(self.calls):
            if not call.made or call.writes or not live.isdisjoint(call.made):
                live.update(call.reads)
                needed.append(call)
        return needed[::-1]

    def _folded(self, calls: list[Call], wanted: list[str]) -> list[Call]:
        """Leave out the calls that give the same in each replay, and make constants of that; unless
        something writes into it, or it is wanted."""
        own = {name for call in calls for name in call.writes} | {self.roots[x] for x in wanted}
        left, fixed = list[Call](), set[str]()
        for call in calls:
            roots = {self.roots[x] for x in call.made}
            if roots and fixed.issuperset(call.needs) and own.isdisjoint(roots):
                self.globals |= call.made
                fixed.update(call.made)
            else:
                left.append(call)
        return left


def _like(x: Any, parts: list[Any]) -> Any:
    """Make a tuple, named tuple or list, as x is, of the parts."""
    return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)


def _of_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    def of_numbers(*args: Any, **kwargs: Any) -> Any:
        x = function(*args, **kwargs)
        return x.item() if isinstance(x, np.generic) else x

    of_numbers.__name__ = function.__name__
    return of_numbers


def _with(errors: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """Have a function warn of what it is called to warn of while the step is traced."""

    def with_errors(*args: Any, **kwargs: Any) -> Any:
        with np.errstate(**errors):
            return function(*args, **kwargs)

    with_errors.__name__ = function.__name__
    return with_errors


def _is_shared(x: Any, y: Any) -> bool:
    return isinstance(x, np.ndarray) and isinstance(y, np.ndarray) and np.may_share_memory(x, y)


def _flat(x: Any) -> list[Tracer]:
    if isinstance(x, tuple | list):
        return [z for y in x for z in _flat(y)]
    return [x] if isinstance(x, Tracer) else []


def _pattern(x: Any) -> str:
    """Write results as the left side of an assignment."""
    if isinstance(x, tuple | list):
        return f"[{', '.join(map(_pattern, x))}]"
    return x.name if isinstance(x, Tracer) else "_"


def _kind(x: Any) -> str:
    return "number" if is_number(x) else f"{x.dtype} {x.shape}"


class Numbers:
    """The numbers of one dtype, as the traced step reads them."""

    def __init__(self, numbers: list[Any]) -> None:
        self.all, self.shape = numbers, (len(numbers),)

    def __getitem__(self, key: tuple[int, Any]) -> Any:
        return self.all[key[0]]


class NumpyProgram:
    """A step as a plan: a `gradcore.backends.types.Program`. `print` shows the plan.

    An array of the state that the plan writes into is copied first, if somebody else holds it.
    """

    def __init__(
        self, traced: Traced, state: list[Array], numbers: dict[str, Any], inputs: list[Array]
    ) -> None:
        self.owns_memory = BACKEND_OF_TYPE[np.ndarray].owns_memory
        # Of `x * y + z` in a kernel, NumPy puts the sum into the memory of `x * y`, in the order of
        # that. In a plan each result has a name, and an order of its own, in which later sums may
        # round otherwise. Then kernels are noted as they are.
        for takes_apart in (True, False):
            self._make(Plan(takes_apart), traced, state, numbers, inputs)
            found = self._difference(traced, [_copied(x) for x in state], numbers, inputs)
            if found is None:
                return
        raise UntraceableError(DIFFERS.format(found))

    def _make(
        self,
        plan: Plan,
        traced: Traced,
        state: list[Array],
        numbers: dict[str, Any],
        inputs: list[Array],
    ) -> None:
        """Trace the step, and make the plan's function."""
        self.plan = plan
        tracers = [plan.tracer(_copied(x)) for x in state]
        given = [plan.tracer(_copied(x), owned=False) for x in inputs]
        sent = {
            name: Numbers(list(map(plan.tracer, x)))
            if isinstance(x, list)
            else plan.tracer(x, owned=False)
            for name, x in numbers.items()
        }
        names = {"state": _names(tracers), "numbers": [], "inputs": _names(given)}
        for x in sent.values():
            names["numbers"] += _names(x.all if isinstance(x, Numbers) else [x])
        self.strides = [[x.strides for x in some] for some in (tracers, given)]
        with tracing(plan):
            results = self._own(names["state"], *traced(tracers, sent, given))
        written = {name for call in plan.calls for name in call.writes}
        self.written = [i for i, name in enumerate(names["state"]) if name in written]
        constants = [x.value for x in plan.constants.values()]
        for i in self.written:
            others = [*state[:i], *state[i + 1 :], *inputs, *constants]
            if names["state"][i] in plan.assigned and any(_is_shared(state[i], x) for x in others):
                raise UntraceableError(SHARED.format(state[i].dtype, state[i].shape))
        self.run = plan.function(names, results)

    def _own(self, state: list[str], after: list[Any], outputs: list[Any]) -> Any:
        """Copy what shares memory with another result, or with what the plan is given; name all."""
        plan, taken = self.plan, {*state}

        def own(x: Any, place: str | None = None) -> str | None:
            if x is None:
                return None
            x = plan.constant(x) if not isinstance(x, Tracer) else plan.own(x)
            if x.name == place:
                return place
            whole = x if x.base is None else x.base
            if not x.owned or whole.name in taken or whole.size != x.size:
                x = whole = plan.call(np.copy, (x,), {}, [])
            elif not isinstance(x.value, np.ndarray):
                x = plan.call(np.asarray, (x,), {}, [])
            taken.add(whole.name)
            return x.name

        places = [*state, *[None] * (len(after) - len(state))]
        return [[*map(own, after, places)], [*map(own, outputs)]]

    def _difference(
        self, traced: Traced, state: list[Array], numbers: dict[str, Any], inputs: list[Array]
    ) -> str | None:
        """Compare replays with the step itself; say what differs, if they do."""
        given = inputs
        for _ in range(2):
            sent = {k: Numbers(x) if isinstance(x, list) else x for k, x in numbers.items()}
            try:
                expected = traced([_copied(x) for x in state], sent, inputs)
            except Exception:
                if inputs is given:
                    raise
                inputs = given  # a definite matrix is none with its rows in another order
                expected = traced([_copied(x) for x in state], sent, inputs)
            found = self([_copied(x) for x in state], numbers, [*inputs])
            for what, some, others in zip(WHAT, found, expected, strict=True):
                for x, y in zip(some, others, strict=True):
                    if not _is_same(x, y):
                        return f"{what} ({_described(x, y)})"
            if len(expected[0]) > len(state) or any(x is None for x in expected[0]):
                return None  # the next step begins with other arrays
            state, inputs = expected[0], [np.roll(x, 1, 0) if x.ndim else x for x in inputs]
            numbers = {name: _changed(x) for name, x in numbers.items()}
        return None

    def __str__(self) -> str:
        return self.plan.source

    def __call__(
        self, state: list[Array], numbers: dict[str, Any], inputs: list[Array]
    ) -> tuple[list[Array | None], list[Array]]:
        for i in self.written:
            if holders(state, i, getitem) > 2 or not self.owns_memory(state[i]):
                state[i] = _copied(state[i])
        for some, strides in zip((state, inputs), self.strides, strict=True):
            for i, x in enumerate(some):
                if x.strides != strides[i]:  # else a view, while tracing, might be a copy
                    some[i] = as_strided(np.empty(x.size, x.dtype), x.shape, strides[i])
                    some[i][...] = x
        flat = [n for x in numbers.values() for n in (x if isinstance(x, list) else [x])]
        return self.run(state, flat, inputs)


def _copied(x: np.ndarray) -> np.ndarray:
    """Copy x, with its elements next to each other in the order that they have in memory."""
    return np.array(x, order="K")


def _names(tracers: list[Tracer]) -> list[str]:
    return [x.name for x in tracers]


def _is_same(x: Array | None, y: Array | None) -> bool:
    if x is None or y is None:
        return x is y
    return x.dtype == y.dtype and np.array_equal(x, y, equal_nan=x.dtype.kind in "fc")


def _described(x: Any, y: Any) -> str:
    return f"{x.dtype} {x.shape}" if x is not None else f"{y.dtype} {y.shape}"


def _changed(x: Any) -> Any:
    """Give other numbers of the same kind: counts and keys that are larger, and smaller rates."""
    if isinstance(x, list):
        return [n + 1 if isinstance(n, int) else 0.5 * n for n in x]
    return np.roll(x, 1, 0) if x.ndim else x
