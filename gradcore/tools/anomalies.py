"""A mode for finding what went wrong: the first NaN or infinity, and arrays changed in place."""

from __future__ import annotations

import linecache
import sys
from contextlib import AbstractContextManager
from typing import Any
from weakref import WeakKeyDictionary

from ..backends import backend_of
from ..engine.arrays import describe, flat, is_discrete, is_node, node_or_array
from ..engine.hooks import watching
from ..graph import OpNode

__all__ = ["AnomalyError", "detect_anomaly"]


class AnomalyError(RuntimeError):
    """What `detect_anomaly` found."""


def detect_anomaly() -> AbstractContextManager[None]:
    """Inside `with detect_anomaly():` each op and each backward step is checked, in all threads.

    It takes time: a look at every array, on the host. Infinity that goes in may come out, as with
    the -inf of a mask.

    Raises (inside):
        AnomalyError: an op made NaN or infinity of what had none, or its backward did; it was
            given NaN as a leaf or constant; or an array that backward needs was changed in place
            since forward. The message names the op, and where it was called.
    """
    return watching(_Anomalies())


class _Anomalies:
    def __init__(self) -> None:
        self.calls: WeakKeyDictionary[OpNode, str] = WeakKeyDictionary()
        self.saved: WeakKeyDictionary[OpNode, list[int]] = WeakKeyDictionary()

    def after_forward(self, op: Any, inputs: Any, outputs: Any) -> None:
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

    def before_backward(self, opnode: Any) -> None:
        now = _fingerprints(opnode)
        for i, (old, new) in enumerate(zip(self.saved.get(opnode, now), now, strict=True)):
            if old != new:
                raise AnomalyError(
                    f"{opnode.op.__name__}.backward needs {_role(opnode, i)} as it was in forward, "
                    f"but it was changed in place since; {self.calls[opnode]}. Change it after "
                    "backward(), or give the node a new array: x.value = x.value - ..."
                )

    def after_backward(self, opnode: Any, gos: Any, gradients: Any) -> None:
        if new := _news(_all_wrong(gos), _all_wrong(gradients)):
            which = next(i for i, g in enumerate(gradients) if _wrong(g))
            called = self.calls.get(opnode, "called before detect_anomaly()")
            raise AnomalyError(
                f"{opnode.op.__name__}.backward made {new} in the gradient of its input {which}, "
                f"{_named(opnode.inputs[which])}, of gradients that had none; {called}"
            )


def _wrong(x: Any) -> str:
    """Which of NaN and infinity is in an array, node or number; both are "NaN, infinity"."""
    x = node_or_array(0.0 if x is None else x)
    x = x.value if is_node(x) else x
    if is_discrete(x):
        return ""
    xp = backend_of(x).xp
    found = {"NaN": xp.any(xp.isnan(x)), "infinity": xp.any(xp.isinf(x))}
    return ", ".join([name for name, yes in found.items() if yes])


def _all_wrong(xs: Any) -> str:
    return ", ".join(filter(None, map(_wrong, xs)))


def _news(before: str, after: str) -> str:
    """What was not there before: NaN may come of infinity, and infinity of nothing."""
    new = [name for name in ("NaN", "infinity") if name in after and name not in before]
    return " and ".join(new)


def _named(x: Any) -> str:
    name = f"{x.name!r}, " if is_node(x) and x.name else ""
    return name + describe(x.value if is_node(x) else x)


def _arrays(opnode: OpNode) -> list[Any]:
    return [x for x in flat((opnode.context or {}).values()) if hasattr(x, "dtype")]


def _fingerprints(opnode: OpNode) -> list[int]:
    """A number for the contents of each array in the context."""
    return [hash(backend_of(x).to_numpy(x).tobytes()) for x in _arrays(opnode)]


def _role(opnode: OpNode, i: int) -> str:
    """What the i-th array of the context is to the op."""
    x = _arrays(opnode)[i]
    for k, (a, node) in enumerate(zip(opnode.arrays, opnode.inputs, strict=True)):
        if a is x:
            return f"its input {k}, {_named(node)},"
    if any(y.value is x for y in opnode.outputs):
        return f"its output, {describe(x)},"
    return f"an array that it keeps, {describe(x)},"


def _caller() -> str:
    """Where outside of this package we are called from, with the line of code."""
    frame: Any = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == "gradcore":
        frame = frame.f_back
    path, line = frame.f_code.co_filename, frame.f_lineno
    code = linecache.getline(path, line).strip()
    return f"{path}:{line}, in {frame.f_code.co_name}" + (f": {code}" if code else "")
