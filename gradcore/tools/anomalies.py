"""Find the op that made the first NaN or infinity, and arrays that were changed in place."""

from __future__ import annotations

import linecache
import math
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

from ..backends import Array, backend_of
from ..engine.arrays import copied, describe, flat, is_discrete, is_node, raw_array, value_of
from ..engine.hooks import watching
from ..graph import Op, OpNode
from ..transforms.checkpoint import Call, Checkpoint

__all__ = ["AnomalyError", "detect_anomaly"]


class AnomalyError(RuntimeError):
    """An op gave NaN or infinity, or an array that backward needs was changed in place.

    Example:
        >>> try:
        ...     with gradcore.detect_anomaly():
        ...         gradcore.relu(TensorNode([1.0, float("nan")]))
        ... except gradcore.AnomalyError as error:
        ...     print("NaN" in str(error))
        True
    """


def detect_anomaly() -> AbstractContextManager[None]:
    """Inside `with detect_anomaly():`, check each op and each backward step, in all threads.

    The checks take time, as they look at every array on the host. An op that was given infinity
    may return infinity, as with the -inf of a mask.

    Inside, and there only, changes in place are found: of the arrays that backward needs, also in
    passes with `create_graph` and in the passes over what these made; and of all that a function
    under `checkpoint` reads, as its second call then gives other values. What a captured step
    replays is not checked: call the step itself.

    Raises (inside):
        AnomalyError: an op, or its backward, made NaN or infinity from inputs that had none; a
            leaf or constant has NaN; or an array that backward needs was changed in place after
            forward. The message names the op, and the line that called it.

    Example:
        >>> data = TensorNode([1.0, float("nan")], name="data")
        >>> try:
        ...     with gradcore.detect_anomaly():
        ...         loss = (data * 2.0).sum()
        ... except gradcore.AnomalyError as error:
        ...     print(str(error).split(";")[0])
        Multiply: its input 0, 'data', float32 (2,), has NaN
    """
    return watching(_Anomalies())


class _Anomalies:
    """Watch all ops.

    Attributes:
        calls: for each op, where it was called.
        saved: for each op, a fingerprint of each array in its context.
        results: for each call under `checkpoint`, the place of the call, and a copy of its values.
    """

    def __init__(self) -> None:
        self.calls: WeakKeyDictionary[OpNode, str] = WeakKeyDictionary()
        self.saved: WeakKeyDictionary[OpNode, list[int]] = WeakKeyDictionary()
        self.results: WeakKeyDictionary[Call, tuple[str, list[Array]]] = WeakKeyDictionary()

    def after_forward(self, op: type[Op], inputs: Any, outputs: Any) -> None:
        called, name = f"called at {_caller()}", op.__name__
        for i, x in enumerate(inputs):
            if not (is_node(x) and x.source) and "NaN" in _wrong(x):
                raise AnomalyError(f"{name}: its input {i}, {_named(x)}, has NaN; {called}")
        before = _all_wrong(inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        if new := _news(before, _all_wrong(outputs)):
            given = ", ".join(map(_named, inputs))
            raise AnomalyError(f"{name} made {new} of {given}, which had none; {called}")
        if opnode := outputs[0].source:
            self.calls[opnode] = called
            self.saved[opnode] = _fingerprints(opnode)
            if op is Checkpoint:
                values = [copied(y.value) for y in outputs]
                self.results[opnode.context["call"]] = called, values

    def before_backward(self, opnode: OpNode) -> None:
        now = _fingerprints(opnode)
        for i, (old, new) in enumerate(zip(self.saved.get(opnode, now), now, strict=True)):
            if old != new:
                raise AnomalyError(
                    f"{opnode.op.__name__}.backward needs {_role(opnode, i)} as it was in forward, "
                    f"but it was changed in place since; {self.calls[opnode]}. Change it after "
                    "backward(), or give the node a new array: x.value = x.value - ..."
                )

    def after_backward(self, opnode: OpNode, gos: Any, gradients: Any) -> None:
        if new := _news(_all_wrong(gos), _all_wrong(gradients)):
            which = next(i for i, g in enumerate(gradients) if _wrong(g))
            called = self.calls.get(opnode, "called before detect_anomaly()")
            raise AnomalyError(
                f"{opnode.op.__name__}.backward made {new} in the gradient of its input {which}, "
                f"{_named(opnode.inputs[which])}, of gradients that had none; {called}"
            )

    def after_recomputing(self, call: Call, values: list[Array]) -> None:
        called, before = self.results.get(call, ("", values))
        for old, new in zip(before, values, strict=True):
            if _differ(old, new):
                raise AnomalyError(
                    f"checkpoint: its function gave {describe(old)} numbers, and others when the "
                    f"backward pass called it again: an array that it reads was changed in place "
                    f"since, or it does not compute the same in each call; {called}"
                )


def _differ(a: Array, b: Array) -> bool:
    """Whether two arrays differ by more than rounding, as sums in another order have it."""
    xp = backend_of(a).xp
    if not math.prod(a.shape):
        return False
    finite = [xp.where(xp.isfinite(x), x, 0.0) for x in (a, b)]
    near = xp.finfo(a.dtype).eps ** 0.5 * xp.max(xp.abs(finite[0]))
    far = xp.abs(finite[0] - finite[1]) > near
    return bool(xp.any(far | (xp.isfinite(a) != xp.isfinite(b))))


def _wrong(x: Any) -> str:
    """Say which of NaN and infinity an array, node or number has; both are "NaN, infinity"."""
    x = raw_array(0.0 if x is None else x)
    if is_discrete(x):
        return ""
    xp = backend_of(x).xp
    found = {"NaN": xp.any(xp.isnan(x)), "infinity": xp.any(xp.isinf(x))}
    return ", ".join([name for name, yes in found.items() if yes])


def _all_wrong(xs: Iterable[Any]) -> str:
    """Say which of NaN and infinity any of these have."""
    return ", ".join(filter(None, map(_wrong, xs)))


def _news(before: str, after: str) -> str:
    """Say which of NaN and infinity is in `after` and not in `before`."""
    new = [name for name in ("NaN", "infinity") if name in after and name not in before]
    return " and ".join(new)


def _named(x: Any) -> str:
    """Describe an input of an op, with its name if it has one."""
    name = f"{x.name!r}, " if is_node(x) and x.name else ""
    return name + describe(value_of(x))


def _arrays(opnode: OpNode) -> list[Array]:
    """List the arrays in the context."""
    return [x for x in flat((opnode.context or {}).values()) if hasattr(x, "dtype")]


def _fingerprints(opnode: OpNode) -> list[int]:
    """Hash the bytes of each array in the context."""
    return [hash(backend_of(x).to_numpy(x).tobytes()) for x in _arrays(opnode)]


def _role(opnode: OpNode, i: int) -> str:
    """Say what the i-th array of the context is to the op: an input, its output, or another."""
    x = _arrays(opnode)[i]
    for k, (a, node) in enumerate(zip(opnode.arrays, opnode.inputs, strict=True)):
        if a is x:
            return f"its input {k}, {_named(node)},"
    if any(y.value is x for y in opnode.outputs):
        return f"its output, {describe(x)},"
    return f"an array that it keeps, {describe(x)},"


def _caller() -> str:
    """Find the innermost line of code outside of gradcore that is running."""
    frame: FrameType = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == "gradcore":
        frame = frame.f_back
    path, line = frame.f_code.co_filename, frame.f_lineno
    code = linecache.getline(path, line).strip()
    return f"{path}:{line}, in {frame.f_code.co_name}" + (f": {code}" if code else "")
