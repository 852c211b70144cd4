"""Training steps that a device does again without Python: CUDA graphs.

A record has every kernel with its arrays and numbers as they were. So what a step is given is
copied into arrays that stay, what it leaves behind for the next step is copied back to where it
came from, and what changes on the host goes through `gradcore.recording`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

import array_api_compat

from ..backends import backend_of, default
from ..engine.arrays import is_node
from ..engine.trees import leaves
from .nodes import is_array
from .record import Record
from .recording import HostWork

__all__ = ["Captured", "capture"]


def capture(step: Callable[..., Any], warmup: int = 3) -> Captured:
    """A function that does what `step` does, but on a GPU, after some calls, without its Python
    code: the work of one call is captured as a CUDA graph, which each further call replays.

    >>> @gradcore.capture
    ... def step(images, labels):
    ...     loss = cross_entropy(model(images), labels)
    ...     loss.backward()
    ...     optimizer.step()
    ...     optimizer.zero_grad()
    ...     return loss

    Where the backend has nothing of the kind, as NumPy, each call is one of `step`.

    Replays follow learning rates, the counts of optimizers, schedules and the masks of dropout;
    what changed in between of parameters and of optimizers is taken over. They don't see what else
    the step's code would do. docs/gpu/capture.md says what can be captured.

    Args:
        step: given arrays, in trees, and constants, which each call repeats with the same shapes
            and dtypes. What it gives are trees of arrays, nodes and constants; replays give new
            arrays, and nodes without a graph.
        warmup: how many calls run as they are before one is captured: kernels are compiled, and
            optimizers begin their averages. At least 1.

    Raises (in calls):
        CaptureError: the step reads an array on the host, or does something else that can't be
            captured; an argument has another shape, dtype or place than it had; something else
            changed that replays can't follow. The message says what, and where.
    """
    return Captured(step, warmup)


class Captured:
    """What `capture` gives: a function.

    Attributes:
        step: the function captured.
        is_recorded: whether calls replay it.
    """

    def __init__(self, step: Callable[..., Any], warmup: int) -> None:
        if warmup < 1:
            raise ValueError(f"capture: warmup = {warmup}, expected at least 1")
        update_wrapper(self, step)
        self.step, self._left = step, warmup
        self._recorder: Any = None
        self._record: Record | None = None

    @property
    def is_recorded(self) -> bool:
        return self._record is not None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given: dict[Any, Any] = {**dict(enumerate(args)), **kwargs}
        if self._recorder is None:
            self._recorder, self._device = _recorder(given)
        if self._recorder is None:
            return self.step(*args, **kwargs)
        with self._recorder.on_device():
            if self._record is None and self._left:
                self._left -= 1
                # With numbers in arrays as in the record: these may have kernels of their own.
                warmup_work = HostWork(self._recorder, {}, is_warmup=True)
                with self._recorder.warm_up(), warmup_work.active():
                    return self.step(*args, **kwargs)
            if self._record is None:
                self._record = Record(self.step, self._recorder, self._device, given)
            else:
                self._record.take(given)
                self._record.prepare()
            return self._record.replay()


def _recorder(given: dict[Any, Any]) -> tuple[Any, Any]:
    """The recorder of where the arguments are, or new arrays go, and that device."""
    arguments = [x for _, x in leaves(given)]
    for x in arguments:
        if array_api_compat.is_array_api_obj(x) and not is_node(x):
            backend_of(x)  # so that its type is known
    arrays = list(filter(is_array, arguments))
    for x in arrays:
        if recorder := backend_of(x).recorder(x.device):
            return recorder, x.device
    if not arrays and (recorder := default().recorder(default().device)):
        return recorder, default().asarray(0).device
    return None, None
