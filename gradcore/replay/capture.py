"""Capture training steps: a program then does them again without their Python code.

This file has the function that people call, and what it makes: which program is for a call, when
one is made, and what happens where none can be. `captured_step.py` has the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any

import array_api_compat

from ..backends import backend_of, default
from ..backends.types import Program
from ..engine.arrays import is_node
from ..engine.trees import leaves
from .captured_step import CapturedStep, Kind, NewStateError, specification
from .nodes import is_array
from .recorded import Recorded
from .recording import CaptureError, ChangedSettingError, HostWork, is_inside

__all__ = ["capture"]

MOST = 16  # programs of one step: a number that changes in each call is no constant
MOST_SETTINGS = 2  # programs in a row, of one call each, whose settings have changed: likewise


def capture(
    step: Callable[..., Any],
    warmup: int | None = None,
    fallback: Callable[[str], object] | None = None,
) -> Captured:
    """Make a function that does what `step` does, faster. It captures the work of one call as a
    program; each further call replays the program and runs no Python code of the step.

        @gradcore.capture
        def step(images, labels):
            loss = cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return loss

    On CuPy, and on PyTorch's GPUs, the program is a CUDA graph; on JAX it is what XLA compiles; on
    NumPy a plan, which is a list of calls. On a backend that has none, each call runs `step`.

    Replays follow learning rates, the counts of optimizers, schedules and the masks of dropout.
    They take over changes that you make to parameters and optimizers between calls. A variable
    that the step reads, and that has another value now, needs another program. Replays do nothing
    else that the step's code would do on the host. docs/how-to/capture.md says what can be
    captured.

    Args:
        step: a function of arrays and constants, also in lists, tuples and dictionaries. All calls
            must have equal constants, and arrays of the same shapes and dtypes; where programs are
            no CUDA graphs, of up to 16 kinds. It returns arrays, nodes and constants, in such trees
            too; replays return new arrays, and nodes that have no graph.
        warmup: how many calls run `step` as it is before one is captured, at least 1. Meanwhile
            kernels are compiled, and optimizers begin their averages. `None`: 3 where work is
            recorded, 1 where the step is compiled.
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
        is_recorded: whether calls replay a program.
        program: the program of the latest call, or `None`. On NumPy, printing it shows the calls
            that a replay does.
    """

    def __init__(
        self,
        step: Callable[..., Any],
        warmup: int | None,
        fallback: Callable[[str], object] | None,
    ) -> None:
        if not callable(step):
            raise TypeError(f"capture: step is a {type(step).__name__}, expected a function")
        if warmup is not None and warmup < 1:
            raise ValueError(f"capture: warmup = {warmup}, expected at least 1")
        update_wrapper(self, step)
        self.step, self.warmup, self.fallback = step, warmup, fallback
        self._name = getattr(step, "__name__", "the step")
        self._warm: dict[Any, int] = {}  # the calls so far, by what their arguments are
        self._kind: Kind | None = None
        self._work = HostWork()  # what the host has done in the latest call without a program
        self._steps: list[CapturedStep] = []  # the latest first
        self._has_failed = False

    @property
    def is_recorded(self) -> bool:
        return bool(self._steps)

    @property
    def program(self) -> Program | None:
        return self._steps[0].program if self._steps else None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self._has_failed and not is_inside():  # a part of another step that is captured
            try:
                return self._replayed(args, kwargs)
            except CaptureError as error:
                if self.fallback is None:
                    raise
                why = error.reason
            # All is as it was before this call. The programs' memory is free from here on.
            self._has_failed, self._steps, self._kind = True, [], None
            why = why.removeprefix(f"{self._name} can't be captured: ")
            self.fallback(f"{self._name} runs without capture: {why}")
        return self.step(*args, **kwargs)

    def _replayed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the step as it is, or capture it, or call what does the same.

        Raises:
            CaptureError: all is as it was before.
        """
        given: dict[Any, Any] = {**dict(enumerate(args)), **kwargs}
        self._kind = kind = self._kind or _kind(given)
        if kind is None:
            return self.step(*args, **kwargs)
        with kind.on_device():
            # A record is to be of what most calls are: not of a last batch, which is smaller.
            is_of_most = kind.is_recorded and self.fallback is not None
            if self._steps:
                if is_of_most and not self._steps[0].takes(given):
                    return self.step(*args, **kwargs)
                return self._do_captured(kind, given, args, kwargs)
            key = specification(given) if is_of_most else None
            self._warm[key] = calls = self._warm.get(key, 0) + 1
            if calls <= (self.warmup or kind.calls):
                return self._warmed_up(kind, args, kwargs)
            return self._do_captured(kind, given, args, kwargs)

    def _warmed_up(self, kind: Kind, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the step as it is, before it is captured."""
        # Kernels may differ for numbers in arrays, which a record will have: compile those.
        self._work = HostWork(in_arrays=kind.is_recorded)
        with kind.warm_up(), self._work.active():
            return self.step(*args, **kwargs)

    def _do_captured(
        self, kind: Kind, given: dict[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Do the step that was captured for such arguments and such a state; or capture it."""
        why = None
        for i, step in enumerate(self._steps):
            try:
                state = step.state_for(given)
            except CaptureError as error:
                why = why or error.with_traceback(None)
            else:
                self._steps.insert(0, self._steps.pop(i))
                return step(given, state)
        if why:
            latest = [step.calls for step in self._steps[:MOST_SETTINGS]]
            changes = isinstance(why, ChangedSettingError) and latest == [1] * MOST_SETTINGS
            if kind.is_recorded or changes:
                raise why
            if len(self._steps) == MOST:
                raise CaptureError(
                    f"capture: {self._name} has {MOST} programs, and needs another: {why.reason}",
                    "; call step.step(...) where something changes in each call",
                )
        try:
            step = CapturedStep(self.step, kind, given, self._work)
        except NewStateError:
            if not self._steps:
                raise
            return self._warmed_up(kind, args, kwargs)  # an optimizer has more parameters now
        self._steps.insert(0, step)
        return step(given, step.state_for(given))


def _kind(given: dict[Any, Any]) -> Kind | None:
    """Find how steps are captured on the device of the arguments; without arrays among the
    arguments, on the device that new arrays go to. `None`: they are not.

    Raises:
        CaptureError: the device has a recorder, which fails.
    """
    arguments = [x for _, x in leaves(given)]
    for x in arguments:
        if array_api_compat.is_array_api_obj(x) and not is_node(x):
            backend_of(x)  # which makes its type one that is_array knows
    arrays = list(filter(is_array, arguments))
    try:
        places = [(backend_of(x), x.device) for x in arrays]
        for backend, device in places or [(default(), default().asarray(0).device)]:
            if recorder := backend.recorder(device):
                record = partial(Recorded, backend, recorder, device)
                return Kind(
                    backend.name, record, device, True, recorder.warm_up, recorder.on_device, 3
                )
            if compiler := backend.compiler(device):
                return Kind(backend.name, compiler, device)
    except Exception as error:  # the library's own
        raise CaptureError(f"capture: {error}") from error
    return None
