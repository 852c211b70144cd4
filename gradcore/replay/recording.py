"""What a step being recorded, to be done again without its Python code, must do on the host.

Python's numbers are fixed in a record. What changes from step to step goes through the functions
here: learning rates, counts and keys of random numbers. Outside of a recording they do next to
nothing. `gradcore.capture` makes recordings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ..backends import Array, Backend, backend_of

__all__ = [
    "NUMBERS",
    "CaptureError",
    "HostWork",
    "each_replay",
    "fixed",
    "is_held",
    "number",
    "remember",
]

NUMBERS = 256  # in an array of them: all that changed go to the device in one copy

_current: ContextVar[HostWork | None] = ContextVar("recording", default=None)


class CaptureError(RuntimeError):
    """A step can't be captured, or can't be replayed now; the message says why, and where."""


class HostWork:
    """What is to be done on the host before each replay.

    Attributes:
        recorder: the backend's.
        held: the values of nodes, by node, which are held here besides.
        is_warmup: numbers go to the device at once, as the work is done and not recorded.
        memories: by id, dictionaries with arrays that go from step to step, and what was in them.
    """

    def __init__(self, recorder: Any, held: dict[Any, Array], is_warmup: bool = False) -> None:
        self.recorder, self.held, self.is_warmup = recorder, held, is_warmup
        self.memories: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
        self._fixed: list[tuple[str, Callable[[], Any], Any]] = []
        self._actions: list[Callable[[], object]] = []
        self._numbers: dict[tuple[Any, str], list[_Numbers]] = {}
        self._shared: dict[Any, Array] = {}

    @contextmanager
    def active(self) -> Iterator[None]:
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def check_fixed(self) -> None:
        """Raise CaptureError if what a record has as fixed has changed."""
        for what, function, before in self._fixed:
            if (now := function()) != before:
                raise CaptureError(
                    f"capture: {what} changed from {before} to {now} since the step was captured, "
                    "and replays can't follow that; capture the step anew"
                )

    def do_again(self) -> None:
        """Do what the step does on the host, once more, and bring the numbers to the device."""
        for action in self._actions:
            action()
        self.upload_numbers()

    def upload_numbers(self) -> None:
        for of_dtype in self._numbers.values():
            for numbers in of_dtype:
                numbers.upload()

    def _follow(
        self, function: Callable[[], float], like: Array, dtype: str | None, shared: Any
    ) -> Array:
        backend = backend_of(like)
        of = like.dtype if dtype is None else backend.dtype(dtype)
        key = (object() if shared is None else shared, str(of), str(like.device))
        if key not in self._shared:
            self._shared[key] = self._new(function, backend, of, like.device)
        return self._shared[key]

    def _new(self, function: Callable[[], float], backend: Backend, of: Any, device: Any) -> Array:
        of_dtype = self._numbers.setdefault((str(of), str(device)), [])
        if not of_dtype or len(of_dtype[-1].host) == NUMBERS:
            with self.recorder.apart():
                of_dtype.append(_Numbers(backend, of, device))
        numbers = of_dtype[-1]
        i = len(numbers.host)
        numbers.host.append(function())
        self._actions.append(lambda: numbers.host.__setitem__(i, function()))
        if self.is_warmup:
            numbers.upload()
        return numbers.device[i, ...]


class _Numbers:
    """Numbers on the host, and on the device as they were when last brought there."""

    def __init__(self, backend: Backend, dtype: Any, device: Any) -> None:
        self.backend, self.host, self.there = backend, list[float](), list[float]()
        # Not zeros: filling it would be recorded, and done again after each upload.
        self.device = backend.xp.empty((NUMBERS,), dtype=dtype, device=device)

    def upload(self) -> None:
        if self.host != self.there:
            self.there = self.host.copy()
            numbers = self.there + [0] * (NUMBERS - len(self.there))
            like = {"dtype": self.device.dtype, "device": self.device.device}
            self.device[...] = self.backend.xp.asarray(numbers, **like)


def is_held(node: Any) -> bool:
    """Whether a recording holds the node's value besides the node."""
    recording = _current.get()
    return recording is not None and node in recording.held


def number(
    function: Callable[[], Any], like: Array, dtype: str | None = None, shared: Any = None
) -> Any:
    """What the function gives, a number. In a step being recorded, an array of no dimensions that
    each replay finds with what the function gives then.

    Args:
        like: an array, on whose device that one is, in its dtype or else `dtype`.
        shared: unless `None`, a key: calls with an equal one get the same array, whose number is
            what the first one's function gives.
    """
    recording = _current.get()
    return function() if recording is None else recording._follow(function, like, dtype, shared)


def each_replay(function: Callable[[], object]) -> None:
    """Call the function, now and in each replay: for what a step changes on the host."""
    function()
    if (recording := _current.get()) is not None:
        recording._actions.append(function)


def remember(memory: dict[str, Any]) -> None:
    """Have the arrays in the dictionary stay where they are, in a step being recorded."""
    if (recording := _current.get()) is not None:
        recording.memories.setdefault(id(memory), (memory, dict(memory)))


def fixed(what: str, function: Callable[[], Any]) -> None:
    """Have replays raise CaptureError once the function gives something else than now."""
    if (recording := _current.get()) is not None:
        recording._fixed.append((what, function, function()))
