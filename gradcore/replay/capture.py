"""Capture training steps: a GPU then does them again without their Python code.

A record of a step has fixed arrays and numbers. So each call copies its arguments into the arrays
that the record reads; the record copies what the next step starts from back to where it was; and
what changes on the host goes through `recording.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import array_api_compat

from ..backends import backend_of, default
from ..backends.types import Recorder
from ..engine.arrays import is_node
from ..engine.trees import leaves
from .captured_step import Record, specification
from .nodes import is_array
from .recording import CaptureError, HostWork

__all__ = ["capture"]


def capture(
    step: Callable[..., Any], warmup: int = 3, fallback: Callable[[str], object] | None = None
) -> Captured:
    """Make a function that does what `step` does, faster. On a GPU it captures the work of one
    call as a CUDA graph; each further call replays the graph and runs no Python code of the step.

        @gradcore.capture
        def step(images, labels):
            loss = cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return loss

    On a backend that can't record, such as NumPy, each call runs `step`.

    Replays follow learning rates, the counts of optimizers, schedules and the masks of dropout.
    They take over changes that you make to parameters and optimizers between calls. They do nothing
    else that the step's code would do on the host. docs/how-to/capture.md says what can be
    captured.

    Args:
        step: a function of arrays and constants, also in lists, tuples and dictionaries. All calls
            must have equal constants, and arrays of the same shapes and dtypes. It returns arrays,
            nodes and constants, in such trees too; replays return new arrays, and nodes that have
            no graph.
        warmup: how many calls run `step` as it is before one is captured, at least 1. Meanwhile
            kernels are compiled, and optimizers begin their averages.
        fallback: a function that takes a text, such as `warnings.warn`. With it, nothing raises
            CaptureError: where the step can't be captured or replayed, `fallback` is called once,
            with the reason, and this call and all further ones run `step` as it is. Calls with
            other shapes or constants than most run `step`, too.

    Raises (in calls):
        CaptureError: the step reads an array on the host, or does something else that can't be
            captured; or an argument has another shape, dtype or device than before; or something
            else has changed that replays can't follow. The message says what, and where.

    Example:
        >>> w = TensorNode([1.0, 2.0])
        >>> @gradcore.capture
        ... def step(x):
        ...     loss = ((w * x).sum() - 1) ** 2
        ...     loss.backward()
        ...     w.value -= 0.1 * w.grad
        ...     loss.zero_grad()
        ...     return loss
        >>> print([round(step(np.array([1.0, 1.0], "float32")).item(), 3) for _ in range(4)])
        [4.0, 1.44, 0.518, 0.187]
    """
    return Captured(step, warmup, fallback)


class Captured:
    """A function that `capture` has made of a step.

    Attributes:
        step: the step itself, not captured.
        is_recorded: whether calls replay a record.
    """

    def __init__(
        self, step: Callable[..., Any], warmup: int, fallback: Callable[[str], object] | None
    ) -> None:
        if not callable(step):
            raise TypeError(f"capture: step is a {type(step).__name__}, expected a function")
        if warmup < 1:
            raise ValueError(f"capture: warmup = {warmup}, expected at least 1")
        update_wrapper(self, step)
        self.step, self.warmup, self.fallback = step, warmup, fallback
        self._warm: dict[Any, int] = {}  # the calls so far, by what their arguments are
        self._recorder: Recorder | None = None
        self._device: Any = None
        self._record: Record | None = None
        self._has_failed = False

    @property
    def is_recorded(self) -> bool:
        return self._record is not None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self._has_failed:
            try:
                return self._replayed(args, kwargs)
            except CaptureError as error:
                if self.fallback is None:
                    raise
                why = error.reason
            # All is as it was before this call. The record's memory is free from here on.
            self._has_failed, self._record, self._recorder = True, None, None
            name = getattr(self.step, "__name__", "the step")
            why = why.removeprefix(f"{name} can't be captured: ")
            self.fallback(f"{name} runs without capture: {why}")
        return self.step(*args, **kwargs)

    def _replayed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the step as it is, or record it, or replay the record.

        Raises:
            CaptureError: all is as it was before.
        """
        given: dict[Any, Any] = {**dict(enumerate(args)), **kwargs}
        if self._recorder is None:
            self._recorder, self._device = _recorder(given)
        if self._recorder is None:
            return self.step(*args, **kwargs)
        with self._recorder.on_device():
            if self._record is not None:
                if self.fallback and not self._record.fits(given):
                    return self.step(*args, **kwargs)
                self._record.take(given)
                self._record.prepare()
                return self._record.replay()
            # The record is to be of what most calls are: not of a last batch, which is smaller.
            kind = specification(given) if self.fallback else None
            self._warm[kind] = calls = self._warm.get(kind, 0) + 1
            if calls <= self.warmup:
                # Kernels may differ for numbers in arrays, which the record will have: compile
                # those.
                warmup_work = HostWork(self._recorder, {}, is_warmup=True)
                with self._recorder.warm_up(), warmup_work.active():
                    return self.step(*args, **kwargs)
            self._record = Record(self.step, self._recorder, self._device, given)
            return self._record.replay()


def _recorder(given: dict[Any, Any]) -> tuple[Recorder | None, Any]:
    """Find the recorder for the device of the arguments, and that device; without arrays among
    the arguments, for the device that new arrays go to.

    Raises:
        CaptureError: the device has a recorder, which fails.
    """
    arguments = [x for _, x in leaves(given)]
    for x in arguments:
        if array_api_compat.is_array_api_obj(x) and not is_node(x):
            backend_of(x)  # which makes its type one that is_array knows
    arrays = list(filter(is_array, arguments))
    try:
        for x in arrays:
            if recorder := backend_of(x).recorder(x.device):
                return recorder, x.device
        if not arrays and (recorder := default().recorder(default().device)):
            return recorder, default().asarray(0).device
    except Exception as error:  # the library's own
        raise CaptureError(f"capture: {error}") from error
    return None, None
