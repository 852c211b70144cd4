"""Captured steps on a CPU: PyTorch traces a step to a graph of its own functions, of which it makes
a program without gradcore's Python code.

GRADCORE_COMPILE says what becomes of the graph: `fx`, functions that are called one after the
other; or `inductor`, code in C++ in which many functions are one loop. Without it, steps run as
they are: tracing takes seconds, and compiling takes minutes, which only long trainings win back.
"""

from __future__ import annotations

import operator
import os
import warnings
from threading import Lock
from typing import Any

import torch

from ..registry import BACKEND_OF_TYPE
from ..types import Array, Compiler, Traced
from .tracing import UNKNOWN, tracing

__all__ = ["TorchProgram", "compiler", "problem"]

aten = torch.ops.aten
one_at_a_time = Lock()  # PyTorch traces in one thread at a time
SAME = {  # what these give is what they are given, where shape, order in memory and dtype agree
    aten.alias.default,
    aten.clone.default,
    aten.detach.default,
    aten.expand.default,
    aten.view.default,
    aten._to_copy.default,
}


def problem() -> str | None:
    """Say what is wrong with GRADCORE_COMPILE; `None` if nothing is."""
    wanted = os.environ.get("GRADCORE_COMPILE", "")
    if wanted in ("", "fx", "inductor"):
        return None
    return f"GRADCORE_COMPILE={wanted}, expected fx or inductor; unset it to run steps as they are"


def compiler() -> Compiler | None:
    """Give what GRADCORE_COMPILE names; `None` where it names nothing.

    Raises:
        ValueError: it names something else.
    """
    if why := problem():
        raise ValueError(why)
    return TorchProgram if os.environ.get("GRADCORE_COMPILE") else None


class TorchProgram:
    """A step as a graph of PyTorch's functions: a `gradcore.backends.types.Program`.

    The graph is a pure function: what it is given stays as it is.

    Attributes:
        graph: the graph, a `torch.fx.GraphModule`.
    """

    def __init__(
        self, traced: Traced, state: list[Array], numbers: dict[str, Any], inputs: list[Array]
    ) -> None:
        # Here, since it takes half a second, also where nothing is traced.
        from torch._subclasses.fake_tensor import (
            DataDependentOutputException,
            DynamicOutputShapeException,
            FakeTensor,
        )
        from torch.fx.experimental.proxy_tensor import make_fx
        from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

        unknown = (
            DataDependentOutputException,
            DynamicOutputShapeException,
            GuardOnDataDependentSymNode,
        )
        BACKEND_OF_TYPE.setdefault(FakeTensor, BACKEND_OF_TYPE[torch.Tensor])
        self.uploaded: dict[str, tuple[Any, Array]] = {}
        self.is_there: list[bool] = []

        def flat(*arrays: Array) -> tuple[Array, ...]:
            some, n, m = list(arrays), len(state), len(numbers)
            sent = dict(zip(numbers, some[n : n + m], strict=True))
            after, outputs = traced(some[:n], sent, some[n + m :])
            self.is_there = [x is not None for x in after]
            return (*[x for x in after if x is not None], *outputs)

        # Two nodes with one array may have two later.
        state = [x.clone() if any(x is y for y in state[:i]) else x for i, x in enumerate(state)]
        inputs = [x.clone() for x in inputs]
        # Fake tensors have no numbers, so to read one is an error. What kernels write in place, the
        # graph gives as new tensors.
        pure = torch.func.functionalize(flat, remove="mutations")
        traces = make_fx(pure, tracing_mode="fake", _allow_non_fake_inputs=True)
        with one_at_a_time, tracing(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self.graph = traces(*state, *self._sent(numbers), *inputs)
            except unknown as error:
                raise RuntimeError(UNKNOWN).with_traceback(error.__traceback__) from None
        _clean(self.graph.graph, sum(self.is_there))
        self.graph.recompile()
        is_compiled = os.environ.get("GRADCORE_COMPILE") == "inductor"
        self.run: Any = torch.compile(self.graph, dynamic=False) if is_compiled else self.graph

    def __call__(
        self, state: list[Array], numbers: dict[str, Any], inputs: list[Array]
    ) -> tuple[list[Array | None], list[Array]]:
        left = iter(self.run(*state, *self._sent(numbers), *inputs))
        after = [next(left) if is_there else None for is_there in self.is_there]
        return after, list(left)

    def _sent(self, numbers: dict[str, Any]) -> list[Array]:
        """Give the numbers as tensors, new ones where they have changed."""
        for name, x in numbers.items():
            if name not in self.uploaded or self.uploaded[name][0] is not x:
                is_list = isinstance(x, list)
                new = torch.tensor(x, dtype=getattr(torch, name)) if is_list else torch.tensor(x)
                self.uploaded[name] = x, new
        return [self.uploaded[name][1] for name in numbers]


def _clean(graph: Any, count: int) -> None:
    """Take out of the graph what does nothing, and copy results that are not new.

    Args:
        count: how many of the results are the state after the step; the rest is the caller's.
    """
    for node in graph.nodes:  # what was written into the state is among the results, too
        if node.target is aten.copy_.default and node.args[0].op == "placeholder":
            node.replace_all_uses_with(node.args[1])
            graph.erase_node(node)
    is_pure = not any(_schema(node).is_mutable for node in graph.nodes if _schema(node))
    for node in graph.nodes:
        if is_pure and node.target in SAME:
            source = node.args[0]
            while node.target is source.target is aten.view.default:
                source = source.args[0]
            x, y = source.meta["val"], node.meta["val"]
            if (x.shape, x.stride(), x.dtype) == (y.shape, y.stride(), y.dtype):
                node.replace_all_uses_with(source)
    graph.eliminate_dead_code()
    output = next(iter(reversed(graph.nodes)))
    results, known = list(output.args[0]), set()
    with graph.inserting_before(output):
        for i, x in enumerate(results):
            whole = _whole(x)
            if i >= count and (whole in known or whole.op != "call_function"):
                results[i] = graph.call_function(aten.clone.default, (x,))
            known.add(whole)
    output.args = (results,)


def _schema(node: Any) -> Any:
    return getattr(node.target, "_schema", None)


def _whole(node: Any) -> Any:
    """Find the node whose memory this one's result is in."""
    while node.target is operator.getitem or (
        (schema := _schema(node)) and any(r.alias_info for r in schema.returns)
    ):
        if node.target is operator.getitem and not _is_view(node.args[0]):
            return node
        node = node.args[0]
    return node


def _is_view(node: Any) -> bool:
    schema = _schema(node)
    return bool(schema and any(r.alias_info for r in schema.returns))
