"""A watcher of leaves is told, in each backward pass, when a leaf's gradient is complete."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np

import gradcore
from gradcore import TensorNode
from gradcore.engine.hooks import leaf_watchers, living_leaf_watchers, watch_leaves
from gradcore.engine.traversal import first_uses


class Watcher:
    """Notes what it is told: of a leaf, its gradient at that time."""

    def __init__(self, *leaves: TensorNode) -> None:
        self.leaves, self.told = {*leaves}, list[Any]()
        watch_leaves(self)

    def before_pass(self) -> None:
        self.told.append("before")

    def after_leaf(self, leaf: TensorNode) -> None:
        self.told.append((leaf.name, float(leaf.grad)))

    def after_pass(self) -> None:
        self.told.append("after")


def leaves(*names: str) -> list[TensorNode]:
    return [TensorNode(2.0 + i, name=name) for i, name in enumerate(names)]


def test_each_leaf_is_told_of_once_all_ops_that_use_it_have_added() -> None:
    a, b, c = leaves("a", "b", "c")
    watcher = Watcher(a, b, c)
    y = a * b  # the oldest use of a and b
    z = y * c
    (z * a).backward()  # a is used here first in the pass, and last in y
    assert watcher.told[:2] == ["before", ("c", 2.0 * 3.0 * 2.0)]
    assert sorted(watcher.told[2:4]) == [("a", 2 * 2.0 * 3.0 * 4.0), ("b", 2.0 * 4.0 * 2.0)]
    assert watcher.told[4:] == ["after"]


def test_a_leaf_is_told_of_before_the_pass_goes_on() -> None:
    a, b = leaves("a", "b")
    watcher = Watcher(a, b)

    class Noted(gradcore.Op):
        @staticmethod
        def forward(context: Any, x: Any) -> Any:
            return x + 0

        @staticmethod
        def backward(context: Any, go: Any) -> Any:
            watcher.told.append("an op")
            return go

    (Noted.do_forward(a * 1.0) * b).backward()
    assert watcher.told == ["before", ("b", 2.0), "an op", ("a", 3.0), "after"]


def test_what_a_pass_adds_to_an_earlier_gradient_is_there() -> None:
    (a,) = leaves("a")
    watcher = Watcher(a)
    for _ in range(2):
        (a * 3.0).backward()
    assert watcher.told == ["before", ("a", 3.0), "after", "before", ("a", 6.0), "after"]


def test_hooks_come_before() -> None:
    (a,) = leaves("a")
    watcher = Watcher(a)
    a.register_hook(lambda g: g * 10.0)
    (a * 3.0).backward()
    assert ("a", 30.0) in watcher.told


def test_passes_that_do_not_concern_it() -> None:
    a, b, other = leaves("a", "b", "other")
    watcher = Watcher(a)
    (b * 3.0).backward()
    gradcore.grad(lambda x: x * a)(2.0)
    gradcore.vjp(lambda x: x * 2.0, a)
    assert watcher.told == []
    watcher.leaves = {other}
    (a * other).backward()
    assert watcher.told == ["before", ("other", 2.0), "after"]


def test_a_leaf_that_gets_no_gradient() -> None:
    """The loss does not depend on the part that uses it, as a derivative of 0 with `None` says."""
    a, b = leaves("a", "b")

    class NoGradient(gradcore.Op):
        @staticmethod
        def forward(context: Any, x: Any, y: Any) -> Any:
            return x * 1

        @staticmethod
        def backward(context: Any, go: Any) -> Any:
            return go, None

    watcher = Watcher(a, b)
    NoGradient.do_forward(a, b).backward()
    assert watcher.told[0] == "before"
    assert sorted(watcher.told[1:3]) == [("a", 1.0), ("b", 0.0)]
    assert not b.has_grad


def test_a_checkpointed_function_is_one_op_of_the_pass() -> None:
    a, b = leaves("a", "b")
    watcher = Watcher(a, b)
    y = gradcore.checkpoint(lambda x: x * a * a)(b * 1.0)
    y.backward()
    assert watcher.told == ["before", ("a", 12.0), ("b", 4.0), "after"]


def test_a_watcher_that_nobody_holds_is_gone() -> None:
    (a,) = leaves("a")
    watcher = Watcher(a)
    assert watcher in living_leaf_watchers()
    del watcher
    gc.collect()
    assert not leaf_watchers


def test_gradients_are_the_same_with_and_without(backend: Any, dtype: str) -> None:
    def gradients(watched: bool) -> list[Any]:
        w = TensorNode(backend.asarray(np.arange(6.0).reshape(2, 3), dtype))
        v = TensorNode(backend.asarray(np.ones((1, 3)), dtype))

        class Quiet(Watcher):
            def after_leaf(self, leaf: TensorNode) -> None:
                pass

        watcher = Quiet(w, v) if watched else None
        y = gradcore.tanh(w * v) + w
        (gradcore.sum(y * w) + gradcore.sum(v * v)).backward()
        del watcher
        return [backend.to_numpy(x.grad) for x in (w, v)]

    for mine, yours in zip(gradients(True), gradients(False), strict=True):
        np.testing.assert_array_equal(mine, yours)


def test_the_oldest_use_of_a_leaf() -> None:
    a, b, c = leaves("a", "b", "c")
    y = a * b
    z = y * a
    assert first_uses([z], {a, c}) == {y.source: [a]}
    assert first_uses([z], {y}) == {z.source: [y]}
