"""A step as it was recorded: what a replay starts from, where it leaves its results.

A record reads and writes fixed arrays. So each call copies its arguments into the arrays that the
record reads, and the record ends by copying what the next step starts from (values, gradients, the
memory of optimizers) back to where the recorded step found it.
"""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from inspect import signature
from types import TracebackType
from typing import Any

from ..backends import Array, backend_of, random
from ..backends.types import Recorder
from ..engine.arrays import copied, describe, is_node, namespace, node_or_array
from ..engine.hooks import watching
from ..engine.trees import leaves, tree_map
from ..engine.views import views_kept
from ..graph import TensorNode
from .nodes import SeenInputs, is_array, libraries, reached
from .recording import CaptureError, HostWork

__all__ = ["Record", "specification"]

Gradients = Mapping[TensorNode, Any]  # an array, a node after `create_graph`, or None


class Record:
    """A step as it was recorded, and the arrays that each replay reads and writes.

    Args:
        step: the function.
        recorder: the backend's, for this device.
        device: the device of the arguments.
        given: the arguments of this call, by position or name.

    Raises:
        CaptureError: the step can't be captured; all is as it was before.
    """

    def __init__(
        self, step: Callable[..., Any], recorder: Recorder, device: Any, given: dict[Any, Any]
    ) -> None:
        self.step, self.recorder, self.device = step, recorder, device
        self.name = getattr(step, "__name__", "the step")
        for path, x in leaves(given):
            if is_node(x):
                raise CaptureError(f"{self._argument(path)} is a node; give its value, an array")
        self.inputs = tree_map(lambda x: copied(x) if is_array(x) else x, given)
        self.flat = list(leaves(self.inputs))
        self.paths = [path for path, _ in self.flat]
        self.take(given)  # so that the kernel that copies is loaded before the recording
        known = {x for x in reached(step, given) if not x.source}
        here = [x for x in known if is_array(x.value) and x.value.device == device]
        self.host_work = HostWork(recorder, {x: x.value for x in here})
        grads = {x: x._grad for x in here}
        needs = {x: x.requires_grad for x in here}
        numbers = random.get_state()
        try:
            with _collector_paused():
                seen = self._record(known, grads)
            self._check_known(seen)
            self.needs = [(x, needs[x]) for x in seen.nodes if x in needs]
        except BaseException as error:
            self._roll_back(grads)
            random.set_state(numbers)
            if isinstance(error, Exception) and not isinstance(error, CaptureError):
                raise CaptureError(*self._explained(error)) from error
            raise
        self.host_work.held = {}
        self.host_work.upload_numbers()

    def _record(self, known: set[TensorNode], grads: Gradients) -> SeenInputs:
        """Record the step, and after it what the next replay needs.

        Args:
            known: the nodes found before the step.
            grads: the gradients of those on the device, as they were before the step.
        """
        seen = SeenInputs(self.device, known)
        with self.recorder.record(), self.host_work.active(), watching(seen):
            outputs = self.step(
                *[x for k, x in self.inputs.items() if isinstance(k, int)],
                **{k: x for k, x in self.inputs.items() if isinstance(k, str)},
            )
            memories = [x for _, of in self.host_work.memories.values() for x in of.values()]
            values = self.host_work.held.values()
            stay = (*[x for _, x in self.flat], *values, *grads.values(), *memories)
            self.buffers = set(map(id, stay))
            self.outputs = tree_map(self._output, outputs)
            self._settle(grads, seen)
        return seen

    def _roll_back(self, grads: Gradients) -> None:
        """Give nodes, optimizers and schedules what they had before the step."""
        self.host_work.undo()
        with views_kept(self.host_work.held):
            for node, value in self.host_work.held.items():
                node.value = value
        for node, grad in grads.items():
            node._grad, node._owned = grad, False
        for memory, before in self.host_work.memories.values():
            memory.clear()
            memory.update(before)

    def _check_known(self, seen: SeenInputs) -> None:
        """Refuse nodes that may be older than the step, but were not found before it.

        Nothing tells whether the step has changed such a node before its first op was given it.
        """
        if seen.unknown():
            gc.collect()  # Nodes that the step has made may lie in reference cycles.
        # What can be reached only now, the step has made and kept.
        for node in seen.unknown() - reached(self.step, self.inputs, self.outputs):
            raise CaptureError(
                f"capture: {self.name} uses TensorNode({node.summary()}), and reaches it in a "
                "way that can't be followed, such as a ContextVar; let the step, or an object that "
                "it uses, hold it in a variable or an attribute"
            )

    def _settle(self, grads: Gradients, seen: SeenInputs) -> None:
        """Copy what the next step starts from to where this step has found it, and note for
        `prepare` which nodes, gradients and memories that concerns.

        For example, a step sets p.value to the new array `new`; before, it was `old`. The record
        then ends with `old[...] = new`, and p.value is `old` again. The next replay reads `old`.
        """
        if seen.elsewhere is not None:
            raise CaptureError(
                f"capture: {self.name} computes on {seen.elsewhere} too, and a record is of the "
                f"work of one device, here {self.device}; capture a step for each"
            )
        self.others = seen.arrays  # held, because replays read them
        self.nodes: list[tuple[TensorNode, Array]] = []
        self.grads: list[tuple[TensorNode, Array | None, Array | None]] = []
        self.memories: list[tuple[dict[str, Any], str, Array]] = []
        copies: list[tuple[Array, Array]] = []  # from, and to

        def back(what: str, now: Any, before: Array) -> Array:
            """Have `now` copied into `before`, which takes its place."""
            if now is not before:
                _check_alike(f"capture: {what} would change in the step from", before, now)
                copies.append((self._apart(now), before))
            return before

        # All known nodes, since nothing tells which values the step reads or writes without an op,
        # as optimizers do: a replay uses their arrays, which must stay, and be those of the nodes.
        with views_kept(self.host_work.held):
            for node, value in self.host_work.held.items():
                if node.value is not value:
                    node.value = back(f"TensorNode({node.summary()})", node.value, value)
                self.nodes.append((node, value))
        for node, before in grads.items():
            if before is not None and node._grad is not None and node._grad is not before:
                node._grad = back(f"a gradient of TensorNode({node.summary()})", node._grad, before)
            if before is not None or node._grad is not None or node in seen.nodes:
                self.grads.append((node, before, node._grad))
        for memory, then in self.host_work.memories.values():
            for name, x in memory.items():
                if is_array(x):
                    if name not in then:
                        raise CaptureError(
                            f"capture: an optimizer's {name} begins in the step being captured; "
                            "update all parameters in the calls before it, the warm-up"
                        )
                    memory[name] = back(f"an optimizer's {name}", x, then[name])
                    self.memories.append((memory, name, then[name]))
        for now, before in copies:
            before[...] = now

    def _apart(self, x: Array) -> Array:
        """Return x if its memory is its own, else a copy. So x keeps its numbers when the copies at
        the end of the record write to the arrays that stay."""
        is_new = id(x) not in self.buffers and backend_of(x).owns_memory(x)
        return x if is_new else copied(x)

    def _output(self, x: Any) -> Any:
        """Make what the record keeps of a leaf of the step's results: no graph."""
        if is_node(x):
            return TensorNode(self._apart(x.value), requires_grad=False)
        return self._apart(x) if is_array(x) else x

    def fits(self, given: dict[Any, Any]) -> bool:
        """Whether the arguments differ from those of the recorded call in contents only."""
        now = list(leaves(given))
        return [path for path, _ in now] == self.paths and all(
            _fits(x, buffer) for (_, x), (_, buffer) in zip(now, self.flat, strict=True)
        )

    def take(self, given: dict[Any, Any]) -> None:
        """Copy the arguments into the arrays that the record reads.

        Raises:
            CaptureError: the arguments differ from those of the recorded call in more than the
                contents of arrays.
        """
        now = list(leaves(given))
        if not self.fits(given):
            raise CaptureError(self._different(now))
        for (_, x), (_, buffer) in zip(now, self.flat, strict=True):
            if x is not buffer and is_array(buffer):
                buffer[...] = x

    def prepare(self) -> None:
        """Take over what has changed since the last call, and do the host's work.

        Where a node, a gradient or a memory now has another array, its contents are copied into
        the array that the record reads, which takes its place.

        Raises:
            CaptureError: something changed that the record can't follow; values, gradients and
                memories are what they were.
        """
        self.host_work.check_fixed()
        for node, needs in self.needs:
            if node.requires_grad is not needs:
                raise CaptureError(
                    f"capture: TensorNode({node.summary()}) had requires_grad = {needs} as the "
                    f"step was captured, and has {not needs} now; capture a step for each"
                )
        copies: dict[int, tuple[Array, Array]] = {}  # by the id of the second: from, and to
        for node, buffer in self.nodes:
            if node.value is not buffer:
                _check_alike("capture: a node was, as the step was captured,", buffer, node.value)
                copies[id(buffer)] = node.value, buffer
        for node, buffer in self.nodes:
            if id(buffer) in copies and copies[id(buffer)][0] is not node.value:
                raise CaptureError(
                    f"capture: TensorNode({node.summary()}) and another node had one array as the "
                    "step was captured, and have two now; capture the step anew"
                )
        for node, before, _ in self.grads:
            now = node._grad
            if before is None:
                if node.has_grad:
                    raise CaptureError(
                        f"capture: TensorNode({node.summary()}) has a gradient before the step, "
                        "and had none as the step was captured; call zero_grad() first"
                    )
            elif now is not before:
                now = namespace(before).zeros_like(before) if now is None else now
                copies[id(before)] = now, before
        for memory, name, buffer in self.memories:
            if memory.get(name) is not buffer:
                if name not in memory:
                    raise CaptureError(
                        f"capture: an optimizer has no {name} now, which it had as the step was "
                        "captured; capture the step anew"
                    )
                _check_alike(f"capture: an optimizer's {name} was", buffer, memory[name])
                copies[id(buffer)] = memory[name], buffer
        # From here on nothing can fail. What was given to another than before is copied first.
        for now, buffer in [(self._apart(now), buffer) for now, buffer in copies.values()]:
            buffer[...] = now
        with views_kept([node for node, _ in self.nodes]):
            for node, buffer in self.nodes:
                node.value = buffer
        for memory, name, buffer in self.memories:
            memory[name] = buffer
        for node, _, after in self.grads:
            node._grad, node._owned = after, False
        self.host_work.before_replay()

    def replay(self) -> Any:
        """Replay the record; return copies of its results, since the next replay changes them."""
        self.recorder.replay()
        return tree_map(_given_out, self.outputs)

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
        """Say how the first argument that does not fit differs from the recorded one."""
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
        """Say where the step failed, and what a step must not do."""
        where = _outside(error.__traceback__)
        return (
            f"capture: {self.name} can't be captured: {error} ({where})",
            ". A step being captured can't read arrays on the host, as float(x), bool(x), "
            "`if x > 0` and print(x) do, nor bring arrays to the device: give these as arguments, "
            "and read what it returns. Nor can it decompose matrices or solve equations: do that "
            "outside of it",
        )


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
    """Give what a record fixes of its arguments: their places, shapes, dtypes and devices, and
    the constants, as a key of dictionaries."""
    return tuple(
        (path, x.shape, str(x.dtype), str(x.device)) if is_array(x) else (path, repr(x))
        for path, x in leaves(given)
    )


def _fits(x: Any, buffer: Any) -> bool:
    """Whether a record can take `x`, an array or a constant, where it was made with `buffer`."""
    if type(x) is not type(buffer):
        return False
    if not is_array(x):
        return bool(x == buffer)
    return x.shape == buffer.shape and x.dtype == buffer.dtype and x.device == buffer.device


def _said(x: Any) -> str:
    return f"{describe(x)} of {backend_of(x).name} on {x.device}" if is_array(x) else repr(x)


def _check_alike(what: str, before: Array, now: Any) -> None:
    """Raise CaptureError unless `now` has the shape, dtype and device of `before`."""
    now = node_or_array(now)
    if not _fits(now, before):
        raise CaptureError(
            f"{what} {_said(before)}, and is {_said(now)} now, which replays can't follow; capture "
            "the step anew"
        )


def _given_out(x: Any) -> Any:
    """Copy a leaf of the record's results, for the caller to keep."""
    if is_node(x):
        return TensorNode(copied(x.value), requires_grad=False)
    return copied(x) if is_array(x) else x


def _outside(tb: TracebackType | None) -> str:
    """Say where the user's own code failed: the last line that is in no library."""
    names_of_libraries = libraries()
    frames = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(tb)
        if frame.f_globals.get("__name__", "").partition(".")[0] not in names_of_libraries
        and not frame.f_code.co_filename.endswith(".pyx")  # libraries' parts in Cython
    ]
    return "{}, line {}".format(*frames[-1]) if frames else "in no line of yours"
