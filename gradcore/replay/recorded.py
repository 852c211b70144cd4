"""Programs that are records of a device's work, as CUDA graphs are: they have fixed memory.

A record reads and writes fixed arrays. So each call copies what it is given into the arrays that
the record reads, and the record ends by copying what the next step starts from back to where the
recorded step found it.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

from ..backends import Array, Backend, backend_of
from ..backends.types import Recorder, Traced
from ..engine.arrays import copied

__all__ = ["Recorded"]


class Recorded:
    """A record of a step, and the arrays that each replay reads and writes: a `Program`, which
    `backends/types.py` explains.

    The arrays of the state are those that the step was recorded with: they become the record's.
    """

    def __init__(
        self,
        backend: Backend,
        recorder: Recorder,
        device: Any,
        traced: Traced,
        state: list[Array],
        numbers: dict[str, Any],
        inputs: list[Array],
    ) -> None:
        self.backend, self.recorder, self.device = backend, recorder, device
        for i, x in enumerate(state):
            if any(x is y for y in state[:i]):  # which the step may set to something else
                state[i] = copied(x)
        self.state, self.inputs = state, [copied(x) for x in inputs]
        self.numbers = {name: self._on_device(name, x) for name, x in numbers.items()}
        self.uploaded = dict(numbers)
        for x, buffer in zip(inputs, self.inputs, strict=True):
            buffer[...] = x  # so that the kernel that copies is loaded before the recording
        self.buffers = {id(x) for x in (*state, *self.inputs, *self.numbers.values())}
        with recorder.record():
            after, outputs = traced(state, self.numbers, self.inputs)
            self.outputs = [self._apart(x) for x in outputs]
            changed = [
                (self._apart(new), old)
                for new, old in zip(after, state, strict=False)
                if new is not None and new is not old
            ]
            # For example, a step sets p.value to the new array `new`; before, it was `old`. The
            # next replay reads `old`, with the new numbers.
            for new, old in changed:
                old[...] = new
        olds = chain(state, after[len(state) :])
        self.after = [None if x is None else old for x, old in zip(after, olds, strict=True)]

    def __call__(
        self, state: list[Array], numbers: dict[str, Any], inputs: list[Array]
    ) -> tuple[list[Array | None], list[Array]]:
        pairs = zip(state, self.state, strict=True)
        # What was given to another than before is copied before one is written to.
        given = [(self._apart(x), buffer) for x, buffer in pairs if x is not buffer]
        for x, buffer in chain(given, zip(inputs, self.inputs, strict=True)):
            buffer[...] = x
        for name, x in numbers.items():
            if x is not self.uploaded[name]:
                self.numbers[name][...] = self._on_device(name, x)
                self.uploaded[name] = x
        self.recorder.replay()
        # Copies, since the next replay changes the results.
        return self.after, [copied(x) for x in self.outputs]

    def _on_device(self, name: str, x: Any) -> Array:
        dtype = self.backend.dtype(name) if isinstance(x, list) else None
        return self.backend.xp.asarray(x, dtype=dtype, device=self.device)

    def _apart(self, x: Array) -> Array:
        """Return x if its memory is its own, else a copy. So x keeps its numbers when the record's
        own arrays are written to."""
        is_new = id(x) not in self.buffers and backend_of(x).owns_memory(x)
        return x if is_new else copied(x)
