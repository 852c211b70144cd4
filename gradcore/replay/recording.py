"""Do again, before each replay of a step, what the step does on the host.

A record fixes Python's numbers. So the numbers that change from step to step (learning rates,
counts, keys of random numbers) go through the functions of this module. While `gradcore.capture`
records a step, the functions note what replays must do; otherwise they do next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ..backends import Array, Backend, backend_of
from ..backends.types import DType, Number, Recorder
from ..engine.arrays import namespace
from ..graph import TensorNode

__all__ = [
    "CaptureError",
    "HostWork",
    "drawn",
    "each_replay",
    "fixed",
    "is_held",
    "number",
    "remember",
]

COUNT = 256  # numbers in one array: all that have changed go to the device in one copy

_current: ContextVar[HostWork | None] = ContextVar("host_work", default=None)


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


class HostWork:
    """Collect what the host must do before each replay of a step.

    Args:
        recorder: the recorder of the step.
        held: the nodes that the step may change, each with its value before the step.
        is_warmup: whether the step runs as it is. Numbers then go to the device at once.

    Attributes:
        memories: dictionaries whose arrays the step changes, by id; each with a copy of what was
            in the dictionary before the step.
    """

    def __init__(
        self, recorder: Recorder, held: dict[TensorNode, Array], is_warmup: bool = False
    ) -> None:
        self.recorder, self.held, self.is_warmup = recorder, held, is_warmup
        self.memories: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
        self._fixed: list[tuple[str, Callable[[], Any], Any]] = []  # what, how to find it, then
        self._actions: list[Callable[[], object]] = []
        self._undos: list[Callable[[], object]] = []
        self._numbers: dict[tuple[str, str], list[_Numbers]] = {}  # by dtype and device
        self._shared: dict[tuple[object, str, str], Array] = {}  # by key, dtype and device

    @contextmanager
    def active(self) -> Iterator[None]:
        """Inside, have the functions of this module note their work here."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def check_fixed(self) -> None:
        """Raise CaptureError if something has changed that the record needs unchanged."""
        for what, function, before in self._fixed:
            if (now := function()) != before:
                raise CaptureError(
                    f"capture: {what} changed from {before} to {now} since the step was captured, "
                    "and replays can't follow that; capture the step anew"
                )

    def undo(self) -> None:
        """Take back what the step has done on the host, the newest first."""
        for function in reversed(self._undos):
            function()

    def before_replay(self) -> None:
        """Do once more what the step does on the host, and upload the numbers."""
        for action in self._actions:
            action()
        self.upload_numbers()

    def upload_numbers(self) -> None:
        """Copy the numbers that have changed to the device."""
        for numbers in self._numbers.values():
            for some in numbers:
                some.upload()

    def _number(self, function: Callable[[], float], like: Array, dtype: Any, shared: Any) -> Array:
        """Find or make the array of `number`, below."""
        backend = backend_of(like)
        kind = like.dtype if dtype is None else backend.dtype(dtype)
        key = (object() if shared is None else shared, str(kind), str(like.device))
        if key not in self._shared:
            self._shared[key] = self._new_number(function, backend, kind, like.device)
        return self._shared[key]

    def drawn(self, make: Callable[[], Array]) -> Array:
        """Make the array of `drawn`, below."""
        with self.recorder.apart():
            x = make()
        self._actions.append(lambda: x.__setitem__(..., make()))
        return x

    def _new_number(
        self, function: Callable[[], float], backend: Backend, dtype: DType, device: Any
    ) -> Array:
        alike = self._numbers.setdefault((str(dtype), str(device)), [])
        if not alike or len(alike[-1].host) == COUNT:
            with self.recorder.apart():
                alike.append(_Numbers(backend, dtype, device))
        numbers = alike[-1]
        i = len(numbers.host)
        numbers.host.append(function())
        self._actions.append(lambda: numbers.host.__setitem__(i, function()))
        if self.is_warmup:
            numbers.upload()
        return numbers.device[i, ...]


class _Numbers:
    """Numbers of one dtype, on the host and on one device.

    Attributes:
        host: the numbers as they are now.
        uploaded: the numbers as they were at the last upload.
        device: the array that the step reads, with room for `COUNT` numbers.
    """

    def __init__(self, backend: Backend, dtype: DType, device: Any) -> None:
        self.backend, self.host, self.uploaded = backend, list[float](), list[float]()
        # Not zeros: the filling would be recorded, and a replay would fill after the upload.
        self.device = backend.xp.empty((COUNT,), dtype=dtype, device=device)

    def upload(self) -> None:
        """Copy the numbers to the device, unless they are there."""
        if self.host != self.uploaded:
            self.uploaded = self.host.copy()
            numbers = self.uploaded + [0] * (COUNT - len(self.uploaded))
            like = {"dtype": self.device.dtype, "device": self.device.device}
            self.device[...] = self.backend.xp.asarray(numbers, **like)


def is_held(node: TensorNode) -> bool:
    """Whether a step is being recorded that holds the node's value, besides the node itself."""
    host_work = _current.get()
    return host_work is not None and node in host_work.held


def number(
    function: Callable[[], float], like: Array, dtype: Any = None, shared: Any = None
) -> Number:
    """Call the function, which returns a number. In a step being recorded, make an array of no
    dimensions instead; before each replay, the array is set to what the function then returns.

    >>> lr = number(lambda: optimizer.lr, parameter)

    Args:
        function: returns the number.
        like: an array, whose device and dtype the new array gets.
        dtype: another dtype for the new array, or its name.
        shared: a key, unless `None`: calls with an equal key get the same array, which is set to
            what the function of the first call returns.
    """
    host_work = _current.get()
    return function() if host_work is None else host_work._number(function, like, dtype, shared)


def drawn(function: Callable[[], Any], like: Array) -> Array:
    """Make an array, of the dtype and on the device of `like`, of what the function draws on the
    host: NumPy's array. In a step being recorded, each replay finds new numbers in the array.

    >>> noise = drawn(lambda: random.generator().normal(size=3), parameter)
    """

    def make() -> Array:
        return namespace(like).asarray(function(), dtype=like.dtype, device=like.device)

    host_work = _current.get()
    return make() if host_work is None else host_work.drawn(make)


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
            host_work._undos.append(undo())
    function()


def remember(memory: dict[str, Any]) -> None:
    """Have a step being recorded carry on the arrays in the dictionary: each replay finds what
    the replay before it has left, in the arrays that are there now."""
    if (host_work := _current.get()) is not None:
        host_work.memories.setdefault(id(memory), (memory, dict(memory)))


def fixed(what: str, function: Callable[[], Any]) -> None:
    """Have replays raise CaptureError when the function returns something else than now.

    Args:
        what: names, in the message, what the function returns.
        function: returns something that `==` compares.
    """
    if (host_work := _current.get()) is not None:
        host_work._fixed.append((what, function, function()))
