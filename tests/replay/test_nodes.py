"""Which nodes a captured step finds, and how: its own, however it holds them, and no others."""

from __future__ import annotations

import functools
import gc
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gradcore import CaptureError, Sum, TensorNode, capture
from gradcore.replay import nodes
from gradcore.replay.nodes import libraries, reached

Step = Callable[[Any], Any]


def add(node: TensorNode, x: Any) -> None:
    """Change the node's value; no op is given the node."""
    node.value = node.value + x


# -- Ways to a node -------------------------------------------------------------------------------

GLOBAL: Any = None
SPACE: Any = SimpleNamespace()


def by_global(node: TensorNode) -> Step:
    globals()["GLOBAL"] = node
    return lambda x: add(GLOBAL, x)


def through_a_function_that_is_a_global(node: TensorNode) -> Step:
    globals()["GLOBAL"] = node
    return lambda x: add_to_global(x)


def add_to_global(x: Any) -> None:
    add(GLOBAL, x)


def in_a_function_inside(node: TensorNode) -> Step:
    SPACE.node = node
    return lambda x: [add(n, x) for n in (lambda: [SPACE.node])()]


def by_self(node: TensorNode) -> Step:
    return Trainer(node).step


def by_calling_an_object(node: TensorNode) -> Step:
    return Trainer(node)


class Trainer:
    __slots__ = ("node",)

    def __init__(self, node: TensorNode) -> None:
        self.node = node

    def step(self, x: Any) -> None:
        add(self.node, x)

    __call__ = step


def by_class(node: TensorNode) -> Step:
    class Holder:
        nodes = (node,)

        @property
        def first(self) -> TensorNode:
            return self.nodes[0]

    return lambda x: add(Holder().first, x)


def by_default(node: TensorNode) -> Step:
    def step(x: Any, nodes: Any = ({"a": [node]},), *, more: Any = (node,)) -> None:
        add(nodes[0]["a"][0], x / 2)
        add(more[0], x / 2)

    return step


def by_partial(node: TensorNode) -> Step:
    return functools.partial(add, node)


def by_decorator(node: TensorNode) -> Step:
    @functools.wraps(add)
    def step(x: Any) -> None:
        step.node.value = step.node.value + x  # type: ignore[attr-defined]

    step.node = node  # type: ignore[attr-defined]
    return step


def by_cache(node: TensorNode) -> Step:
    holder = [node]
    make = functools.lru_cache(None)(lambda: holder.pop())
    make()
    return lambda x: add(make(), x)


def by_weak_reference(node: TensorNode) -> Step:
    find = weakref.ref(node)
    return lambda x: add(find(), x)


def by_generator(node: TensorNode) -> Step:
    def forever(node: TensorNode) -> Iterator[TensorNode]:
        while True:
            yield node

    nodes = forever(node)
    next(nodes)
    return lambda x: add(next(nodes), x)


def by_import(node: TensorNode) -> Step:
    sys.modules["a_module_with_state"] = module = ModuleType("a_module_with_state")
    module.node = node  # type: ignore[attr-defined]

    def step(x: Any) -> None:
        from a_module_with_state import node

        add(node, x)

    return step


def in_a_module_named_like_one_of_pythons(node: TensorNode) -> Step:
    module = ModuleType("code")
    module.__file__ = "/home/me/code.py"
    module.node = node  # type: ignore[attr-defined]
    return lambda x: add(module.node, x)


def by_graph(node: TensorNode) -> Step:
    y = node * 1.0
    return lambda x: add(y.source.inputs[0], x)


WAYS = [
    by_global,
    through_a_function_that_is_a_global,
    in_a_function_inside,
    by_self,
    by_calling_an_object,
    by_class,
    by_default,
    by_partial,
    by_decorator,
    by_cache,
    by_weak_reference,
    by_generator,
    by_import,
    in_a_module_named_like_one_of_pythons,
    by_graph,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_node_is_found_however_the_step_holds_it(device, way, monkeypatch):
    monkeypatch.setitem(sys.modules, "a_module_with_state", None)
    node = TensorNode(device.asarray([1.0]))
    step = capture(way(node), warmup=1)
    for _ in range(4):
        step(device.asarray([1.0]))
    node.value = device.asarray([10.0])
    step(device.asarray([2.0]))
    assert device.to_numpy(node.value).tolist() == [12.0]


def test_only_what_the_step_reaches_is_found():
    mine, other = TensorNode([1.0]), TensorNode([2.0])
    assert reached(lambda: (mine, np.sum, sys.modules, functools.reduce)) == {mine}
    assert reached(other, [other]) == {other}


@pytest.mark.parametrize("uses_gradcore", [True, False])
def test_of_installed_packages_only_those_that_use_gradcore_are_searched(
    uses_gradcore: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In others no nodes are, but thousands of objects: a search takes seconds."""
    monkeypatch.setattr(nodes, "INSTALLED", (str(tmp_path),))
    package = ModuleType("a_package")
    package.__file__ = str(tmp_path / "a_package.py")
    package.node = node = TensorNode(1.0)  # type: ignore[attr-defined]
    if not uses_gradcore:  # so that only a list tells of the node
        package.node = [node]  # type: ignore[attr-defined]
    exec("def step(x): return node", vars(package))
    monkeypatch.setitem(sys.modules, "a_package", package)
    found = {node} if uses_gradcore else set()
    assert reached(vars(package)["step"]) == reached(package) == found


def test_an_attribute_of_the_name_of_a_module_is_no_way_to_the_module(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = ModuleType("momentum")
    module.node = TensorNode(1.0)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "momentum", module)
    assert reached(lambda optimizer: optimizer.momentum) == set()


def test_nodes_that_the_garbage_collector_was_told_to_forget_are_found(device):
    """After `gc.freeze()`, `gc.get_objects()` does not list them."""
    node = TensorNode(device.asarray([1.0]))
    step = capture(by_self(node), warmup=1)
    gc.freeze()
    try:
        for _ in range(4):
            step(device.asarray([1.0]))
    finally:
        gc.unfreeze()
    assert device.to_numpy(node.value).tolist() == [5.0]


# -- Nodes that can't be found, and nodes of the step itself ---------------------------------------


def test_a_node_that_only_an_op_meets_is_refused_and_all_is_as_it_was(device):
    hidden, average = TensorNode(device.asarray([3.0])), TensorNode(device.asarray([1.0]))
    variable = ContextVar[TensorNode]("variable")
    variable.set(hidden)

    @functools.partial(capture, warmup=3)
    def step(x: Any) -> None:
        add(average, x)
        Sum.do_forward(variable.get() * x)

    for _ in range(3):
        step(device.asarray([1.0]))
    with pytest.raises(
        CaptureError, match=r"step uses TensorNode\(float32 \(1,\).*\), and reaches"
    ):
        step(device.asarray([1.0]))
    assert device.to_numpy(average.value).tolist() == [4.0]
    assert device.to_numpy(hidden.value).tolist() == [3.0]


def attack(x: Any) -> Any:
    """A node that the step makes, changes, and gives."""
    node = TensorNode(x)
    for _ in range(2):
        Sum.do_forward(node * node).backward()
        node.value = node.value - 0.1 * node.grad
        node.zero_grad()
    return node


def penalty(x: Any) -> Any:
    """A node in a reference cycle: its gradient has a graph that begins at the node."""
    node = TensorNode(x)
    Sum.do_forward(node * node * node).backward(create_graph=True)
    return Sum.do_forward(node.grad * node.grad)


def kept(x: Any) -> Any:
    """A node that the step makes and keeps."""
    SPACE.kept = TensorNode(x)
    return Sum.do_forward(SPACE.kept * 2.0)


@pytest.mark.parametrize("step", [attack, penalty, kept])
def test_nodes_that_the_step_makes_are_its_own(device, step):
    captured = capture(step, warmup=1)
    for k in range(4):
        x = device.asarray([1.0, k])
        expected, found = step(x).value, captured(x).value
        np.testing.assert_allclose(device.to_numpy(found), device.to_numpy(expected), rtol=1e-6)


def test_nodes_of_another_backend_are_left_alone(device):
    p, elsewhere = TensorNode(device.asarray([1.0])), TensorNode(np.ones(3, "float32"))

    def step(x: Any) -> Any:
        return Sum.do_forward(p * x), elsewhere.requires_grad

    captured, before = capture(step, warmup=1), elsewhere.value
    for _ in range(3):
        captured(device.asarray([2.0]))
        assert elsewhere.value is before


def test_other_threads_go_on(device):
    """The nodes that their ops are given are no concern of the step's."""
    p = TensorNode(device.asarray([1.0]))
    asked, done, over = threading.Semaphore(0), threading.Semaphore(0), []

    def work() -> None:
        node = TensorNode(np.ones(2))
        while asked.acquire(timeout=60) and not over:
            Sum.do_forward(node)
            done.release()

    def step(x: Any) -> Any:
        asked.release()
        assert done.acquire(timeout=60), "work() has ended"
        return Sum.do_forward(p * x)

    thread = threading.Thread(target=work)
    thread.start()
    captured = capture(step, warmup=1)
    for _ in range(3):
        captured(device.asarray([2.0]))
    over.append(True)  # until then, work() holds the node
    asked.release()
    thread.join()
    assert captured.is_recorded


def test_a_users_array_type_makes_no_library_of_the_users_code() -> None:
    class Mine(np.ndarray):
        pass

    assert type(TensorNode(np.ones(2).view(Mine)).value) is Mine  # gradcore knows the type now
    assert Mine.__module__.partition(".")[0] not in libraries()
    assert {"gradcore", "numpy"} <= libraries()
