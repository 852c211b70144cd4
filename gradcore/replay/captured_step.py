"""A step that is captured: what it starts from, what it leaves, and the program that does its work.

A step is made a function of arrays: of the state that it finds in nodes and optimizers, of the
numbers that change on the host, and of its arguments. It gives the new state and its results. A
program does the same without the step's Python code: a record of the work of a GPU, or what a
library has compiled.
"""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from inspect import signature
from typing import Any, NamedTuple

from ..backends import BACKEND_OF_TYPE, Array, random
from ..backends.generators import GENERATORS, Generators
from ..backends.types import Compiler, UntraceableError
from ..engine.arrays import backend_or_none, describe, is_node, namespace, node_or_array, value_of
from ..engine.hooks import watching
from ..engine.trees import leaves, tree_map
from ..engine.views import views_kept
from ..graph import TensorNode
from .nodes import SeenInputs, is_array, reached, users_line
from .recording import CaptureError, HostWork, rehearsal

__all__ = ["CapturedStep", "Kind", "NewStateError", "specification"]


class Kind(NamedTuple):
    """How the steps of one device are captured.

    Attributes:
        backend: the name of the backend.
        compiler: makes the programs.
        device: that of the step's arguments.
        is_recorded: whether programs are records of a device's work, with fixed memory.
        warm_up: a context in which the step runs as it is, before it is captured.
        on_device: a context for all calls.
        calls: how many calls run the step as it is.
    """

    backend: str
    compiler: Compiler
    device: Any
    is_recorded: bool = False
    warm_up: Callable[[], AbstractContextManager[object]] = nullcontext
    on_device: Callable[[], AbstractContextManager[object]] = nullcontext
    calls: int = 1

    def has(self, x: Array) -> bool:
        """Whether x is an array of this backend on this device."""
        return BACKEND_OF_TYPE[type(x)].name == self.backend and x.device == self.device


NODE, ARRAY, SCALAR = object(), object(), object()  # these stand for others in a step's results
CONSTANTS = (bool, int, float, complex, str)
MOST_TRIES = 8  # until the traced step has all arguments


class NewStateError(CaptureError):
    """An optimizer updates a parameter for the first time, and its memory of it begins."""


class Again(Exception):  # noqa: N818
    """Tracing has found other numbers or memories than the traced step has as arguments."""


class CapturedStep:
    """A step as it was captured, for arguments of one kind.

    Args:
        step: the function.
        kind: how it is captured.
        given: the arguments of this call, by position or name.
        before: what the host has done in a call before.

    Attributes:
        calls: how many calls the program has done.

    Raises:
        CaptureError: the step can't be captured; all is as it was before.
    """

    def __init__(
        self, step: Callable[..., Any], kind: Kind, given: dict[Any, Any], before: HostWork
    ) -> None:
        self.step, self.kind, self.calls = step, kind, 0
        self.name = getattr(step, "__name__", "the step")
        for path, x in leaves(given):
            if is_node(x):
                raise CaptureError(f"{self._argument(path)} is a node; give its value, an array")
        self.inputs = tree_map(lambda x: Like(x, kind.is_recorded) if is_array(x) else x, given)
        self.flat = list(leaves(self.inputs))
        self.paths = [path for path, _ in self.flat]
        found = reached(step, given, kinds=(TensorNode, *GENERATORS))
        self.known = {x for x in found if is_node(x) and not x.source}
        self.generators = {x for x in found if not is_node(x)} - {random.generator()}
        for x in self.known:
            if not is_array(x.value):  # somebody assigned a number
                x.value = node_or_array(x.value)
        self.nodes = sorted(
            [x for x in self.known if is_array(x.value) and kind.has(x.value)],
            key=lambda x: getattr(x, "born", 0),
        )
        needs = {x: x.requires_grad for x in self.nodes}
        inputs = [x for _, x in leaves(given) if is_array(x)]
        self.host_work, self.results = before, None
        for _ in range(MOST_TRIES):
            memories = [memory for memory, _ in self.host_work.memories.values()]
            self.places = Places(self.nodes, memories)
            self.state = self.places.take()
            self.likes = [Like(x, kind.is_recorded) for x in self.state]
            tried = nullcontext() if kind.is_recorded else rehearsal()
            try:
                with _collector_paused(), tried:
                    self.program = kind.compiler(
                        self.traced, self.state, self.host_work.current(), inputs
                    )
                self._check_known()
                self._check_drawn()
                break
            except Again:
                continue
            except Exception as error:
                if isinstance(error, CaptureError):
                    raise
                raise CaptureError(*self._explained(error)) from error
        else:
            raise CaptureError(
                f"capture: {self.name} reads other learning rates or counts each time its code "
                "runs, as where a variable that counts says when an optimizer steps; capture a "
                "step for each case"
            )
        self.needs = [(x, needs[x]) for x in self.seen.nodes if x in needs]
        self.others = self.seen.arrays if kind.is_recorded else {}  # held: replays read them
        # These hold arrays that a program may write to.
        del self.state, self.seen, self.known, self.generators

    def traced(
        self, state: list[Array], numbers: dict[str, Array], inputs: list[Array]
    ) -> tuple[list[Array | None], list[Array]]:
        """Run the step as a function of arrays, as `backends.types.Traced` explains; what it has
        changed is as before afterwards."""
        work = self.host_work = HostWork(self.nodes, numbers)
        for memory in self.places.memories:
            work.remember(memory)
        generator, others = random.get_state(), Generators(self.generators)
        self.seen = SeenInputs(self.kind.device if self.kind.is_recorded else None, self.known)
        arrays = iter(inputs)
        given = tree_map(lambda x: next(arrays) if isinstance(x, Like) else x, self.inputs)
        try:
            self.places.put(state)
            with work.active(), watching(self.seen):
                results = self.step(
                    *[x for k, x in given.items() if isinstance(k, int)],
                    **{k: x for k, x in given.items() if isinstance(k, str)},
                )
            if drawn_from := others.drawn_from():
                raise CaptureError(
                    f"capture: {self.name} draws from {drawn_from}, and replays would find the "
                    "same numbers again; draw by gradcore.rand and its like, or before the call, "
                    "and give an argument"
                )
            self.drawn = random.get_state()
            return self._after(work), self._results(results)
        finally:
            work.undo()
            for node in self.nodes:
                node._grad = None
            self.places.put(self.state)
            random.set_state(generator)
            others.restore()

    def _after(self, work: HostWork) -> list[Array | None]:
        """Take the state after the step.

        Raises:
            Again: something that the step asked for was not among the arguments.
            CaptureError: a record can't have this state.
        """
        memories = [memory for memory, _ in work.memories.values()]
        is_new = [any(map(is_array, then.values())) for _, then in work.memories.values()]
        if work.asked_for_others() or any(is_new[len(self.places.memories) :]):
            raise Again
        began = Places(self.nodes, memories).all
        places = {(id(owner), name) for owner, name in self.places.all}
        began = [(owner, name) for owner, name in began if (id(owner), name) not in places]
        self.after = Places(self.nodes, memories, [*self.places.all, *began])
        after = self.after.take()
        for owner, name in began:
            if type(owner) is dict:  # whose counts on the host begin, too
                raise NewStateError(
                    f"capture: an optimizer's {name} begins in the step being captured; update "
                    "all parameters in the calls before it, the warm-up"
                )
        if self.kind.is_recorded:
            if self.seen.elsewhere is not None:
                raise CaptureError(
                    f"capture: {self.name} computes on {self.seen.elsewhere} too, and a record is "
                    f"of the work of one device, here {self.kind.device}; capture a step for each"
                )
            for place, like, x in zip(self.places.all, self.likes, after, strict=False):
                if x is not None and not like.fits(x):
                    what = f"capture: {_named(place)} would change in the step from"
                    raise CaptureError(_unlike(what, like, x))
        return after

    def _results(self, results: Any) -> list[Array]:
        """Take the arrays out of the step's results, and note what is around them.

        Raises:
            CaptureError: something else than arrays is not as when the step was traced before.
        """

        def kind_of(x: Any) -> Any:
            if is_node(x) or is_array(x):
                return NODE if is_node(x) else ARRAY
            backend = backend_or_none(x)
            return SCALAR if backend and backend.name == self.kind.backend else x

        before, self.results = self.results, tree_map(kind_of, results)
        for (path, x), (_, y) in zip(leaves(before), leaves(self.results), strict=False):
            if type(x) in CONSTANTS and type(y) in CONSTANTS and x != y and x == x:
                raise CaptureError(
                    f"capture: the result{path} of {self.name} is {x!r} and then {y!r}, and in "
                    "replays a constant; return an array, or what does not change"
                )
        return [value_of(x) for _, x in leaves(results) if kind_of(x) is not x]

    def _check_known(self) -> None:
        """Refuse nodes that may be older than the step, but were not found before it.

        Nothing tells whether the step has changed such a node before its first op was given it.
        """
        if self.seen.unknown():
            gc.collect()  # Nodes that the step has made may lie in reference cycles.
        # What can be reached only now, the step has made and kept.
        for node in self.seen.unknown() - reached(self.step):
            raise CaptureError(
                f"capture: {self.name} uses TensorNode({node.summary()}), and reaches it in a "
                "way that can't be followed, such as a ContextVar; let the step, or an object that "
                "it uses, hold it in a variable or an attribute"
            )

    def _check_drawn(self) -> None:
        """Refuse a step that draws numbers which replays don't draw."""
        before = random.get_state()
        take_back = self.host_work.before_replay()
        after = random.get_state()
        take_back()
        random.set_state(before)
        if after != self.drawn:
            raise CaptureError(
                f"capture: {self.name} draws from gradcore.random.generator(), as new layers do, "
                "and replays would find the same numbers again; draw by gradcore.rand and its "
                "like, or before the call, and give an argument"
            )

    # -- Calls ------------------------------------------------------------------------------

    def takes(self, given: dict[Any, Any]) -> bool:
        """Whether the arguments differ from those of the captured call in contents only."""
        now = list(leaves(given))
        return [path for path, _ in now] == self.paths and all(
            _fits(x, like) for (_, x), (_, like) in zip(now, self.flat, strict=True)
        )

    def state_for(self, given: dict[Any, Any]) -> list[Array]:
        """Take the state for a call with these arguments.

        Raises:
            CaptureError: more has changed since the step was captured than numbers in arrays; all
                is as before.
        """
        if not self.takes(given):
            raise CaptureError(self._different(list(leaves(given))))
        self.host_work.check_fixed()
        for node, needs in self.needs:
            if node.requires_grad is not needs:
                raise CaptureError(
                    f"capture: TensorNode({node.summary()}) had requires_grad = {needs} as the "
                    f"step was captured, and has {not needs} now; capture a step for each"
                )
        for module, mode in self.host_work.modes.items():
            if module.training is not mode:
                raise CaptureError(
                    f"capture: {type(module).__name__} had training = {mode} as the step was "
                    f"captured, and has {not mode} now; capture a step for each"
                )
        if self.kind.is_recorded:
            self.places.fill_gradients()
        for node in self.places.without_gradient:
            if node._grad is not None and node.has_grad:
                raise CaptureError(
                    f"capture: TensorNode({node.summary()}) has a gradient before the step, "
                    "and had none as the step was captured; call zero_grad() first"
                )
        state = self.places.take()
        for i, like in enumerate(self.likes):
            if not like.fits(state[i]):
                what = f"capture: {_named(self.places.all[i])} was, as the step was captured,"
                raise CaptureError(_unlike(what, like, state[i]))
        for memory, names in zip(self.places.memories, self.places.names, strict=True):
            if memory.keys() != names:
                raise CaptureError(
                    f"capture: an optimizer has {[*memory]} for a parameter now, and had "
                    f"{[*names]} as the step was captured; capture the step anew"
                )
        return state

    def __call__(self, given: dict[Any, Any], state: list[Array]) -> Any:
        """Do the step by the program, from the state of `state_for`."""
        self.calls += 1
        take_back = self.host_work.before_replay()
        inputs = [x for _, x in leaves(given) if is_array(x)]
        try:
            after, outputs = self.program(state, self.host_work.current(), inputs)
        except Exception:  # such as a label that is out of range
            take_back()
            raise
        self.after.put(after)
        arrays = iter(outputs)

        def given_out(x: Any) -> Any:
            if x is NODE:
                return TensorNode(next(arrays), requires_grad=False)
            return next(arrays) if x is ARRAY else next(arrays)[()] if x is SCALAR else x

        return tree_map(given_out, self.results)

    # -- Errors -----------------------------------------------------------------------------

    # Each returns the text of a message.

    def _argument(self, path: str) -> str:
        """Name the argument at a path of `leaves`: `['x'][0]` is "its argument x[0]"."""
        first, end, rest = path.partition("]")
        key = first.removeprefix("[").strip("'")
        names = list(signature(self.step).parameters)
        if key.isdecimal():
            key = names[int(key)] if int(key) < len(names) else f"[{key}]"
        return f"capture: {self.name}: its argument {key}{rest if end else ''}"

    def _different(self, now: list[tuple[str, Any]]) -> str:
        """Say how the first argument that does not fit differs from the captured one."""
        there, then = dict(now), dict(self.flat)
        path = next(
            path
            for path in {**then, **there}
            if path not in there or path not in then or not _fits(there[path], then[path])
        )
        now_is, was = (_said(of[path]) if path in of else "missing" for of in (there, then))
        return (
            f"{self._argument(path)} is {now_is}, and was {was} as the step was captured; replays "
            "have fixed shapes and constants: call the function itself for another batch"
        )

    def _explained(self, error: Exception) -> tuple[str, str]:
        """Say where the step failed; and what a step must not do, unless the error is the step's
        own, or says so itself."""
        what = str(error).partition("\n")[0]
        line = users_line(traceback.walk_tb(error.__traceback__))
        where = f" ({line})" if line else ""
        if _is_own(error):
            return f"capture: {self.name} fails: {type(error).__name__}: {what}{where}", ""
        why = f"capture: {self.name} can't be captured: {what}{where}"
        if isinstance(error, UntraceableError):
            return why, ""
        return (
            why,
            ". A step being captured can't read arrays on the host, as float(x), bool(x), "
            "`if x > 0` and print(x) do, nor bring arrays to the device: give these as arguments, "
            "and read what it returns. Nor can it decompose matrices or solve equations: do that "
            "outside of it",
        )


class Places:
    """Where a step's state is: values and gradients of nodes, and entries of dictionaries.

    Attributes:
        all: pairs of a node and the name of an attribute, or of a dictionary and a key.
    """

    def __init__(
        self,
        nodes: list[TensorNode],
        memories: list[dict[str, Any]],
        places: list[tuple[Any, str]] | None = None,
    ) -> None:
        self.nodes, self.memories = nodes, memories
        self.names = [{*memory} for memory in memories]
        self.all: list[tuple[Any, str]] = places or [
            *[(x, "value") for x in nodes],
            *[(x, "_grad") for x in nodes if x._grad is not None],
            *[(of, name) for of in memories for name, x in of.items() if is_array(x)],
        ]
        has = {id(owner) for owner, name in self.all if name == "_grad"}
        self.without_gradient = [x for x in nodes if id(x) not in has]

    def take(self) -> list[Array]:
        """List what is there: arrays, and `None` for what is gone."""
        return [
            owner.get(name)
            if type(owner) is dict
            else owner.value
            if name == "value"
            else value_of(owner._grad)
            for owner, name in self.all
        ]

    def put(self, arrays: Iterable[Array | None]) -> None:
        """Put arrays there; in the place of `None`, nothing."""
        with views_kept(self.nodes):
            for (owner, name), x in zip(self.all, arrays, strict=True):
                if type(owner) is not dict:
                    setattr(owner, name, x)
                    if name == "_grad":
                        owner._owned = False
                elif x is None:
                    owner.pop(name, None)
                else:
                    owner[name] = x

    def fill_gradients(self) -> None:
        """Set gradients that are gone to zeros."""
        for owner, name in self.all:
            if name == "_grad" and owner._grad is None:
                owner._grad = namespace(owner.value).zeros_like(owner.value)


class Like:
    """What a captured step fixes of an array: its type, shape and dtype; of a record, the device.
    (What a library has compiled says itself that an array is elsewhere.)"""

    __slots__ = ("device", "dtype", "kind", "shape")

    def __init__(self, x: Array, has_device: bool = True) -> None:
        self.kind, self.shape, self.dtype = type(x), x.shape, x.dtype
        self.device = x.device if has_device else None

    def fits(self, x: Any) -> bool:
        return (
            type(x) is self.kind
            and x.shape == self.shape
            and x.dtype == self.dtype
            and (self.device is None or x.device == self.device)
        )

    def __str__(self) -> str:
        where = "" if self.device is None else f" on {self.device}"
        return f"{describe(self)} of {BACKEND_OF_TYPE[self.kind].name}{where}"


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Inside, keep Python's garbage collector from running.

    Otherwise it may free, during the recording, arrays that earlier work of the device still uses.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def specification(given: dict[Any, Any]) -> tuple[Any, ...]:
    """Give what a captured step fixes of its arguments: their places, shapes, dtypes and devices,
    and the constants, as a key of dictionaries."""
    return tuple((path, str(Like(x)) if is_array(x) else repr(x)) for path, x in leaves(given))


def _fits(x: Any, then: Any) -> bool:
    """Whether a captured step takes `x`, an array or a constant, in the place of `then`."""
    if isinstance(then, Like):
        return then.fits(x)
    return type(x) is type(then) and bool(x == then)


def _said(x: Any) -> str:
    return str(Like(x)) if is_array(x) else str(x) if isinstance(x, Like) else repr(x)


def _named(place: tuple[Any, str]) -> str:
    owner, name = place
    if type(owner) is dict:
        return f"an optimizer's {name}"
    return f"{'a gradient of ' if name == '_grad' else ''}TensorNode({owner.summary()})"


def _unlike(what: str, then: Like, now: Any) -> str:
    return (
        f"{what} {then}, and is {_said(now)} now, which replays can't follow; capture the step anew"
    )


OWN_ERRORS = {"builtins", "numpy", __name__.partition(".")[0]}  # whose classes they have


def _is_own(error: BaseException | None) -> bool:
    """Whether an error is one that the step raises without capture, too. What a library says of
    arrays that it can't read or copy now is a RuntimeError, or has a class of the library's."""
    if isinstance(error, RuntimeError):
        return False
    while error is not None and type(error).__module__.partition(".")[0] in OWN_ERRORS:
        error = error.__cause__
    return error is None
