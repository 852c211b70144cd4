"""Do again, before each replay of a step, what the step does on the host.

A record fixes Python's numbers. So the numbers that change from step to step (learning rates,
counts, keys of random numbers) go through the functions of this module. While `gradcore.capture`
records a step, the functions note what replays must do; otherwise they do next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from ..backends import Array, backend_of, default
from ..backends.definitions.common import is_half
from ..backends.types import Number
from ..engine.arrays import describe, namespace
from ..graph import TensorNode

__all__ = [
    "CaptureError",
    "ChangedSettingError",
    "HostWork",
    "drawn",
    "each_replay",
    "fixed",
    "is_held",
    "is_inside",
    "is_rehearsal",
    "number",
    "rehearsal",
    "remember",
    "set_modes",
    "uses_mode",
]

_current: ContextVar[HostWork | None] = ContextVar("host_work", default=None)
_is_rehearsal: ContextVar[bool] = ContextVar("is_rehearsal", default=False)


class CaptureError(RuntimeError):
    """A step can't be captured, or can't be replayed now; the message says why, and where.

    Attributes:
        reason: the message without advice.

    Example:
        >>> issubclass(gradcore.CaptureError, RuntimeError)
        True
    """

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(reason + advice)
        self.reason = reason.removeprefix("capture: ")


class ChangedSettingError(CaptureError):
    """What a program has fixed of the host has changed, such as an optimizer's setting."""


class HostWork:
    """Collect what the host must do before each replay of a step.

    Args:
        held: the nodes that the step may change, if it is being captured.
        numbers: what the step being captured reads in place of numbers of the host, by name: as
            `current()` gives them. `None`: the step runs as it is, to warm up.
        in_arrays: whether numbers of the host are arrays as the step warms up, too.

    Attributes:
        memories: dictionaries whose arrays the step changes, by id; each with a copy of what was
            in the dictionary before the step, if it is being captured.
        modes: the modules that the step calls, each with its `training` before the step.
        own_modes: the modules whose `training` the step sets itself.
    """

    def __init__(
        self,
        held: Iterable[TensorNode] = (),
        numbers: dict[str, Array] | None = None,
        in_arrays: bool = False,
    ) -> None:
        self.held, self.numbers, self.in_arrays = {*held}, numbers, in_arrays
        self.memories: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
        self.modes: dict[Any, bool] = {}
        self.own_modes = set[Any]()
        self._fixed: list[tuple[str, Callable[[], Any], Any]] = []  # what, how to find it, then
        self._actions: list[Callable[[], object]] = []
        # Called before what the step does, each gives a function that takes it back.
        self._undos: list[Callable[[], Callable[[], object]]] = []
        self._undone_by: list[Callable[[], object]] = []  # such functions, for the step as it is
        self._numbers: dict[str, list[float]] = {}  # as they are now, by dtype
        self._drawn: dict[str, Any] = {}
        self._sent: dict[str, list[float]] = {}  # as they were in the last call
        self._shared: dict[tuple[object, str], Number] = {}  # what stands for them, by key, dtype

    @contextmanager
    def active(self) -> Iterator[None]:
        """Inside, have the functions of this module note their work here."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def check_fixed(self) -> None:
        """Raise CaptureError if something has changed that the program needs unchanged."""
        for what, function, before in self._fixed:
            if (now := function()) != before:
                if isinstance(now, dict):
                    name = next(name for name, x in now.items() if x != before.get(name))
                    what, before, now = f"{what} {name}", before.get(name), now[name]
                raise ChangedSettingError(
                    f"capture: {what} changed from {before} to {now} since the step was captured, "
                    "and replays can't follow that",
                    "; capture the step anew, step = gradcore.capture(step.step), or leave this as "
                    "it was: OneCycleLR(..., cycle_momentum=False)",
                )

    def undo(self) -> None:
        """Take back what the step has done on the host, the newest first."""
        for function in reversed(self._undone_by):
            function()
        for memory, before in self.memories.values():
            memory.clear()
            memory.update(before)

    def before_replay(self) -> Callable[[], None]:
        """Do once more what the step does on the host; give a function that takes it back."""
        undone_by = [undo() for undo in self._undos]
        counts = [  # and no arrays: nobody else holds those that a program writes into
            (memory, {name: x for name, x in memory.items() if isinstance(x, int)})
            for memory, _ in self.memories.values()
        ]
        for action in self._actions:
            action()

        def take_back() -> None:
            for function in reversed(undone_by):
                function()
            for memory, before in counts:
                memory.update(before)

        return take_back

    def current(self) -> dict[str, Any]:
        """Give the numbers as they are now: those of a dtype in a list, by its name, and what was
        drawn. What has not changed is the same object as before."""
        for name, numbers in self._numbers.items():
            if self._sent.get(name) != numbers:
                self._sent[name] = numbers.copy()
        return {**self._sent, **self._drawn}

    def asked_for_others(self) -> bool:
        """Whether the step being captured asked for more or less than `numbers` has."""
        asked, given = {**self._numbers, **self._drawn}, self.numbers or {}
        return asked.keys() != given.keys() or any(
            given[name].shape[0] != len(x) if isinstance(x, list) else given[name].shape != x.shape
            for name, x in asked.items()
        )

    def remember(self, memory: dict[str, Any]) -> None:
        """Note a dictionary, before the step changes it."""
        before = {} if self.numbers is None else dict(memory)
        self.memories.setdefault(id(memory), (memory, before))

    def number(
        self, function: Callable[[], float], like: Array, dtype: str | None, shared: Any
    ) -> Number:
        """Find or make what stands for the number in `number`, below."""
        name = dtype or describe(like).partition(" ")[0]
        name = "float32" if is_half(like) and not dtype else name
        key = (object() if shared is None else shared, name)
        if key not in self._shared:
            numbers = self._numbers.setdefault(name, [])
            i, number = len(numbers), function()
            numbers.append(number)
            self._actions.append(lambda: numbers.__setitem__(i, function()))
            given = (self.numbers or {}).get(name)
            if given is not None and i < given.shape[0]:
                self._shared[key] = given[i, ...]
            else:
                backend = backend_of(like)
                new = (
                    {"dtype": backend.dtype(name), "device": like.device} if self.in_arrays else {}
                )
                self._shared[key] = backend.xp.asarray(number, **new) if new else number
        return self._shared[key]

    def drawn(self, function: Callable[[], Any], like: Array | None, dtype: Any) -> Array:
        """Make the array of `drawn`, below."""
        name = f"drawn {len(self._drawn)}"
        self._drawn[name] = x = function()
        self._actions.append(lambda: self._drawn.__setitem__(name, function()))
        given = (self.numbers or {}).get(name)
        if given is None or given.shape != getattr(x, "shape", ()):
            if self.numbers is None:
                return _from_host(x, like, dtype)
            # Traced in vain, until the array is among the arguments: nothing can be copied now.
            return _zeros(x.shape, like, dtype)
        kind = backend_of(given).dtype(dtype) if like is None else like.dtype
        return namespace(given).astype(given, kind)


def _from_host(x: Any, like: Array | None, dtype: Any) -> Array:
    if like is None:
        return default().asarray(x, dtype)
    return namespace(like).asarray(x, dtype=like.dtype, device=like.device)


def _zeros(shape: Any, like: Array | None, dtype: Any) -> Array:
    if like is None:
        backend = default()
        return backend.xp.zeros(shape, dtype=backend.dtype(dtype), device=backend.device)
    return namespace(like).zeros(shape, dtype=like.dtype, device=like.device)


def is_inside() -> bool:
    """Whether a step that `gradcore.capture` was given is running, to be captured or to warm up."""
    return _current.get() is not None


@contextmanager
def rehearsal() -> Iterator[None]:
    """Inside, a step is compiled, and its program tried: nothing goes to other processes."""
    token = _is_rehearsal.set(True)
    try:
        yield
    finally:
        _is_rehearsal.reset(token)


def is_rehearsal() -> bool:
    """Whether a step runs inside `rehearsal`. What exchanges arrays with other processes gives then
    what it would give if all of them had sent the same: those may try another number of times."""
    return _is_rehearsal.get()


def is_held(node: TensorNode) -> bool:
    """Whether a step is being captured that holds the node's value, besides the node itself."""
    host_work = _current.get()
    return host_work is not None and node in host_work.held


def number(
    function: Callable[[], float], like: Array, dtype: str | None = None, shared: Any = None
) -> Number:
    """Call the function, which returns a number. In a step being recorded, make an array of no
    dimensions instead; before each replay, the array is set to what the function then returns.

    >>> lr = number(lambda: optimizer.lr, parameter)

    Args:
        function: returns the number.
        like: an array, whose device and dtype the new array gets; float32, if that has 16 bits.
        dtype: the name of another dtype for the new array.
        shared: a key, unless `None`: calls with an equal key get the same array, which is set to
            what the function of the first call returns.
    """
    host_work = _current.get()
    return function() if host_work is None else host_work.number(function, like, dtype, shared)


def drawn(function: Callable[[], Any], like: Array | None = None, dtype: Any = None) -> Array:
    """Make an array of what the function draws on the host: NumPy's array. In a step being
    captured, each replay finds new numbers in the array.

    >>> noise = drawn(lambda: random.generator().normal(size=3), parameter)

    Args:
        like: an array, whose dtype and device the new array gets; `None` is the default device.
        dtype: that of the new array, where `like` is `None`.
    """
    host_work = _current.get()
    if host_work is None:
        return _from_host(function(), like, dtype)
    return host_work.drawn(function, like, dtype)


def each_replay(
    function: Callable[[], object], undo: Callable[[], Callable[[], object]] | None = None
) -> None:
    """Call the function now and before each replay: for what a step changes on the host.

    >>> each_replay(schedule.count)

    Args:
        undo: called before the function in a step being recorded; gives a function that takes back
            what the first has done, should the recording fail. `None`: memories of `remember`, and
            the state of the random numbers, are taken back anyway.
    """
    host_work = _current.get()
    if host_work is not None:
        host_work._actions.append(function)
        if undo is not None:
            host_work._undos.append(undo)
            host_work._undone_by.append(undo())
    function()


def remember(memory: dict[str, Any]) -> None:
    """Have a step being recorded carry on the arrays in the dictionary: each replay finds what
    the replay before it has left, in the arrays that are there now."""
    if (host_work := _current.get()) is not None:
        host_work.remember(memory)


def uses_mode(module: Any) -> None:
    """Note that the step computes what the module's `training` says, unless the step has set it."""
    host_work = _current.get()
    if host_work is not None and module not in host_work.own_modes:
        host_work.modes.setdefault(module, module.training)


def set_modes(modes: dict[Any, bool]) -> None:
    """Set `training` of modules; in a step being captured, before each replay, too."""
    before = {module: module.training for module in modes}
    each_replay(partial(_set, modes), lambda: partial(_set, before))
    if (host_work := _current.get()) is not None:
        host_work.own_modes.update(modes)


def _set(modes: dict[Any, bool]) -> None:
    for module, training in modes.items():
        module.training = training


def fixed(what: str, function: Callable[[], Any]) -> None:
    """Have replays raise CaptureError when the function returns something else than now.

    Args:
        what: names, in the message, what the function returns.
        function: returns something that `==` compares; of a dictionary, the message names the first
            entry that has changed.
    """
    if (host_work := _current.get()) is not None:
        host_work._fixed.append((what, function, function()))
