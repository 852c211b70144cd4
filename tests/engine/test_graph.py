"""The engine's rules, one by one: design first, then each bug that was found."""

from __future__ import annotations

import contextvars
import copy
import gc
import pickle
import threading
import tracemalloc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest

import gradcore
from gradcore import (
    Add,
    Exp,
    Id,
    MatrixMultiply,
    Multiply,
    Op,
    Select,
    Sigmoid,
    Sum,
    TensorNode,
    namespace,
    no_grad,
)

Context = dict[str, Any]


def node(*shape: int, seed: int = 0) -> TensorNode:
    return TensorNode(np.random.default_rng(seed).normal(size=shape))


def total(x: TensorNode) -> TensorNode:
    return Sum.do_forward(x)


class Halves(Op):
    """A vector in two halves: an op with two outputs."""

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        n = x.shape[0] // 2
        return x[:n], x[n:]

    @staticmethod
    def backward(context: Context, gleft: Any, gright: Any) -> Any:
        return namespace(gleft).concat([gleft, gright])


class Recorder(Op):
    """The identity; counts its backward passes."""

    calls = 0

    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        return x

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        Recorder.calls += 1
        return go


# -- Rule 1: what is visited, and when ---


def test_diamond_visits_each_opnode_once_after_all_of_its_outputs() -> None:
    x = node(3)
    Recorder.calls = 0
    middle = Recorder.do_forward(x)
    left, right = Exp.do_forward(middle), middle * 3.0
    total(left * right).backward()
    assert Recorder.calls == 1
    v = x.value
    np.testing.assert_allclose(x.grad, 3 * np.exp(v) * (1 + v))


def test_uneven_paths_to_one_node() -> None:
    x = node(3)
    Recorder.calls = 0
    middle = Recorder.do_forward(x)
    far = middle
    for _ in range(5):
        far = Id.do_forward(far)
    total(middle + far).backward()
    assert Recorder.calls == 1
    np.testing.assert_array_equal(x.grad, np.full(3, 2.0))


def test_unused_branch_is_not_visited_and_blocks_nothing() -> None:
    x = node(3)
    middle = x * 2.0
    Recorder.calls = 0
    unused = Recorder.do_forward(middle)
    total(middle).backward()
    assert Recorder.calls == 0
    assert not unused.has_grad
    np.testing.assert_array_equal(x.grad, np.full(3, 2.0))


def test_node_used_twice_by_one_op() -> None:
    x = node(3)
    total(x * x).backward()
    np.testing.assert_allclose(x.grad, 2 * x.value)
    x.zero_grad()
    total(x + x).backward()
    np.testing.assert_array_equal(x.grad, np.full(3, 2.0))


def test_two_losses_over_one_node_add_up() -> None:
    x = node(3)
    shared = Exp.do_forward(x)
    first, second = total(shared), total(shared * 2.0)
    first.backward(retain_graph=True)
    second.backward()
    np.testing.assert_allclose(x.grad, 3 * np.exp(x.value))
    np.testing.assert_allclose(shared.grad, np.full(3, 3.0))


def test_second_loss_gives_the_same_as_alone() -> None:
    """Only this pass's gradient is sent on, not what an earlier pass left in the nodes."""
    x = node(3)
    loss = total(Exp.do_forward(x * x))
    loss.backward(retain_graph=True)
    once = x.grad.copy()
    loss.backward()
    np.testing.assert_allclose(x.grad, 2 * once)


@pytest.mark.parametrize("used", [0, 1])
def test_multi_output_op_with_one_output_unused(used: int) -> None:
    x = node(4)
    halves = Halves.do_forward(x)
    assert len(halves) == 2
    total(halves[used] * 3.0).backward()
    expected = np.zeros(4)
    expected[2 * used : 2 * used + 2] = 3
    np.testing.assert_array_equal(x.grad, expected)


def test_multi_output_op_with_one_output_dropped() -> None:
    x = node(4)
    _, right = Halves.do_forward(x)
    del _
    total(right).backward()
    np.testing.assert_array_equal(x.grad, [0, 0, 1, 1])


def test_results_of_several_threads() -> None:
    x = node(3)
    parts: list[TensorNode] = []
    threads = [
        threading.Thread(target=contextvars.copy_context().run, args=(lambda: parts.append(x * x),))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total(parts[3] + parts[2] + parts[1] + parts[0]).backward()
    np.testing.assert_allclose(x.grad, 8 * x.value)


# -- Rule 2: no recursion ---


@pytest.mark.parametrize("backward", [True, False])
@pytest.mark.parametrize("clear", [True, False])
def test_200_000_chained_ops_run_and_free(backward: bool, clear: bool) -> None:
    x = TensorNode(np.ones(1))
    y = x
    for _ in range(200_000):
        y = Id.do_forward(y)
    loss = total(y)
    del y
    if backward:
        loss.backward()
        assert x.grad == 1
        loss.zero_grad()
        assert x.grad == 0
    if clear:
        loss.clear()
    del loss


# -- Rule 3: no reference cycles ---


def growth(work: Callable[[], None]) -> int:
    """By how many bytes three times `work` makes memory grow, without the garbage collector."""
    work()
    gc.collect()
    gc.disable()
    try:
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(3):
            work()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        gc.enable()


@pytest.mark.parametrize("retain_graph", [True, False, None])
def test_memory_returns_without_the_garbage_collector(retain_graph: bool | None) -> None:
    x = TensorNode(np.ones(100_000))

    def work() -> None:
        hidden = Sigmoid.do_forward(x * 2.0)
        left, right = Halves.do_forward(hidden)
        loss = total(left * right)
        if retain_graph is not None:
            loss.backward(retain_graph=retain_graph)
        x.zero_grad()

    assert growth(work) < 100_000  # less than one of the arrays


def test_create_graph_frees_after_zero_grad() -> None:
    x = TensorNode(np.ones(100_000))

    def work() -> None:
        loss = total(Sigmoid.do_forward(x * x) * x)
        loss.backward(create_graph=True)
        loss.zero_grad()

    assert growth(work) < 100_000


# -- Rule 4: release ---


def test_a_gradient_that_an_op_keeps_is_not_given_away() -> None:
    kept = np.full(2, 3.0, np.float32)

    class Triple(gradcore.Op):
        @staticmethod
        def forward(context: Any, x: Any) -> Any:
            return 3.0 * x

        @staticmethod
        def backward(context: Any, go: Any) -> Any:
            return kept

    x = TensorNode([1.0, 2.0])
    gradcore.Sum.do_forward(Triple.do_forward(x)).backward()
    x.grad *= 5.0
    assert kept.tolist() == [3.0, 3.0]


def test_released_graph_keeps_gradients_of_held_nodes_only() -> None:
    x = node(3)
    held = x * 2.0
    dropped = Exp.do_forward(held)
    loss = total(dropped)
    source, watched = loss.source, weakref.ref(dropped)
    assert source is not None
    del dropped
    assert watched() is not None
    loss.backward()
    assert watched() is None
    assert source.context is None
    np.testing.assert_allclose(held.grad, np.exp(2 * x.value))
    np.testing.assert_allclose(x.grad, 2 * np.exp(2 * x.value))
    np.testing.assert_array_equal(loss.grad, 1.0)


def test_values_are_let_go_of_during_the_pass() -> None:
    """When the first ops' backward runs, what came later is gone already."""
    alive: list[bool] = []

    class Look(Id):
        @staticmethod
        def backward(context: Context, go: Any) -> Any:
            alive.append(watched() is not None)
            return go

    first = Look.do_forward(node(3))
    later = Exp.do_forward(first)
    watched = weakref.ref(later.value)
    loss = total(later)
    del later
    loss.backward()
    assert alive == [False]


def test_retain_graph_keeps_all() -> None:
    x = node(3)
    loss = total(Exp.do_forward(x))
    loss.backward(retain_graph=True)
    assert loss.source is not None
    assert loss.source.inputs[0].source.context
    loss.backward()


def test_second_pass_over_a_released_graph_is_an_error() -> None:
    x = node(3)
    shared = Exp.do_forward(x)
    loss, other = total(shared), total(shared * 2.0)
    loss.backward()
    with pytest.raises(RuntimeError, match=r"Sum .*earlier backward pass.*retain_graph=True"):
        loss.backward()
    with pytest.raises(RuntimeError, match=r"Exp .*earlier backward pass"):
        other.backward()
    with pytest.raises(RuntimeError, match="released"):
        total(shared * 3.0).backward()


@pytest.mark.parametrize("retain_graph", [True, False])
def test_zero_grad_and_clear_after_a_pass(retain_graph: bool) -> None:
    x, y = node(3), node(3, seed=1)
    held = x * y
    loss = total(Exp.do_forward(held))
    loss.backward(retain_graph=retain_graph)
    loss.zero_grad()
    for n in (x, y, held, loss):
        assert not n.has_grad
        np.testing.assert_array_equal(n.grad, np.zeros(n.shape))
    loss.clear()
    assert loss.source is None
    assert held.source is None
    assert x.value.shape == (3,)


def test_zero_grad_does_not_touch_what_the_loss_does_not_depend_on() -> None:
    x, y = node(3), node(3)
    total(y * 2.0).backward()
    loss = total(x)
    loss.backward()
    loss.zero_grad()
    assert y.has_grad
    assert not x.has_grad


# -- Rule 5: broadcasting, shapes and dtypes of gradients ---


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3, 4), (4,)),
        ((3, 4), (3, 1)),
        ((3, 4), ()),
        ((2, 1, 4), (3, 1)),
        ((1, 1), (5,)),
        ((0, 3), (3,)),
    ],
)
def test_gradients_are_summed_over_broadcast_axes(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    x, y = node(*a), node(*b, seed=1)
    weight = np.random.default_rng(2).normal(size=np.broadcast_shapes(a, b))
    total(x * y * weight).backward()
    for n, other in ((x, y), (y, x)):
        full = np.broadcast_to(other.value, weight.shape) * weight
        extra = tuple(range(full.ndim - n.ndim))
        kept = tuple(i for i, size in enumerate(n.shape) if size == 1)
        expected = full.sum(axis=extra).sum(axis=kept, keepdims=True)
        np.testing.assert_allclose(n.grad, expected)
        assert n.grad.shape == n.shape
        assert isinstance(n.grad, np.ndarray)


def wrong(gradient: Any) -> type[Op]:
    class Wrong(Op):
        @staticmethod
        def forward(context: Context, x: Any) -> Any:
            return x * 1

        @staticmethod
        def backward(context: Context, go: Any) -> Any:
            return gradient(go)

    return Wrong


@pytest.mark.parametrize(
    ("gradient", "error", "message"),
    [
        (lambda go: go[:1], ValueError, r"Wrong.backward .*shape \(1,\).*expected \(3,\)"),
        (lambda go: go[None, :2], ValueError, r"Wrong.backward .*shape \(1, 2\)"),
        (lambda go: np.sum(go), ValueError, r"Wrong.backward .*shape \(\)"),
        (
            lambda go: go.astype(np.float32),
            TypeError,
            r"Wrong.backward .*float32, expected float64",
        ),
        (lambda go: go > 0, TypeError, r"Wrong.backward .*bool, expected float64"),
        (lambda go: (go, go), ValueError, r"Wrong.backward gave 2 gradients for 1 inputs"),
        (lambda _: 1.0, TypeError, r"Wrong.backward gave .*float"),
        (lambda _: "one", TypeError, r"Wrong.backward gave .*str"),
        (lambda go: strict.asarray(go), TypeError, r"Wrong.backward gave array_api_strict"),
    ],
)
def test_wrong_gradient_names_the_op(gradient: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        total(wrong(gradient).do_forward(node(3))).backward()


def test_an_error_inside_backward_names_the_op() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        total(wrong(lambda _: 1 // 0).do_forward(node(3))).backward()
    assert caught.value.__notes__ == ["in Wrong.backward"]


def test_no_gradient_stands_for_zero() -> None:
    x = node(3)
    total(wrong(lambda _: None).do_forward(x)).backward()
    assert not x.has_grad


def test_promotion_of_dtypes_is_undone() -> None:
    x, y = TensorNode(np.ones(3, np.float32)), TensorNode(np.ones((2, 3)))
    total(x * y).backward()
    assert x.grad.dtype == np.float32
    assert y.grad.dtype == np.float64
    np.testing.assert_array_equal(x.grad, np.full(3, 2, np.float32))


# -- Rule 6: in place only in the engine's own memory ---


def test_leaves_do_not_share_gradients() -> None:
    a, b = node(3), node(3)
    held = a + b
    loss = total(held)
    loss.backward()
    a.grad[:] = 7
    np.testing.assert_array_equal(b.grad, np.ones(3))
    np.testing.assert_array_equal(held.grad, np.ones(3))


def test_accumulation_leaves_what_an_op_gave_alone() -> None:
    given: list[Any] = []

    class Keeps(Op):
        @staticmethod
        def forward(context: Context, x: Any) -> Any:
            return x + 0

        @staticmethod
        def backward(context: Context, go: Any) -> Any:
            given.append(go * 2)
            return given[-1]

    x = node(3)
    loss = total(Keeps.do_forward(x) + Keeps.do_forward(x) + Keeps.do_forward(x))
    loss.backward(retain_graph=True)
    loss.backward()
    assert len(given) == 6
    for g in given:
        np.testing.assert_array_equal(g, np.full(3, 2.0))
    np.testing.assert_array_equal(x.grad, np.full(3, 12.0))


def test_gradient_that_an_op_saved_in_its_context_is_not_shared() -> None:
    class Saves(Op):
        @staticmethod
        def forward(context: Context, x: Any) -> Any:
            context["ones"] = np.ones_like(x)
            return x + 0

        @staticmethod
        def backward(context: Context, go: Any) -> Any:
            return context["ones"]

    x = node(3)
    loss = total(Saves.do_forward(x))
    loss.backward(retain_graph=True)
    x.grad *= 5
    loss.backward()
    np.testing.assert_array_equal(x.grad, np.full(3, 6.0))


def test_read_only_inputs_and_gradients_work() -> None:
    w = node(3)
    w.value.flags.writeable = False
    total(w * w + w).backward()
    np.testing.assert_allclose(w.grad, 2 * w.value + 1)


# -- Rule 7: gradients of gradients ---


def test_derivatives_of_every_order() -> None:
    x = TensorNode(np.array(2.0))
    derivative = x**5
    for expected in (5 * 2.0**4, 20 * 2.0**3, 60 * 2.0**2, 120 * 2.0, 120.0, 0.0):
        x.zero_grad()
        derivative.backward(create_graph=True)
        derivative = x.grad
        assert isinstance(derivative, TensorNode)
        np.testing.assert_allclose(derivative.value, expected)
    x.zero_grad()


def test_gradient_penalty_of_a_small_network() -> None:
    """d/dw of |d loss / dx|^2, against central differences."""
    rng = np.random.default_rng(0)
    start, data, targets = (
        rng.normal(size=(3, 4)),
        rng.normal(size=(5, 4)),
        np.array([0, 2, 1, 1, 0]),
    )

    def penalty(w: TensorNode) -> TensorNode:
        x = TensorNode(data)
        loss = gradcore.logceloss(gradcore.logsoftmax(gradcore.sigmoid(x @ w.T)), targets)
        loss.backward(create_graph=True)
        g, x.grad = x.grad, None
        w.grad = None
        return total(g * g)

    w = TensorNode(start)
    penalty(w).backward()
    direction, h = rng.normal(size=(3, 4)), 1e-5
    plus, minus = (
        penalty(TensorNode(start + h * direction)),
        penalty(TensorNode(start - h * direction)),
    )
    np.testing.assert_allclose(
        np.sum(w.grad * direction), (plus.value - minus.value) / (2 * h), rtol=1e-7
    )


def test_saved_intermediate_is_an_error_on_second_order_and_not_on_first() -> None:
    class Square(Op):
        @staticmethod
        def forward(context: Context, x: Any) -> Any:
            context["twice"] = 2 * x
            return x * x

        @staticmethod
        def backward(context: Context, go: Any) -> Any:
            return go * context["twice"]

    x = node(3)
    total(Square.do_forward(x)).backward()
    np.testing.assert_allclose(x.grad, 2 * x.value)
    with pytest.raises(RuntimeError, match=r"Square .*'twice'"):
        total(Square.do_forward(x)).backward(create_graph=True)


def test_intermediate_in_a_dictionary_is_an_error_on_second_order() -> None:
    class Square(Op):
        @staticmethod
        def forward(context: Context, x: Any) -> Any:
            context["saved"] = {"inside": [x, 2 * x]}
            return x * x

        @staticmethod
        def backward(context: Context, go: Any) -> Any:
            return go * context["saved"]["inside"][1]

    with pytest.raises(RuntimeError, match="'saved'"):
        total(Square.do_forward(node(3))).backward(create_graph=True)


def test_second_order_after_a_value_was_replaced_is_an_error() -> None:
    x = TensorNode(np.array(3.0))
    y = x * x
    x.value = np.array(5.0)
    y.backward(retain_graph=True)
    assert x.grad == 6  # forward was at 3
    with pytest.raises(RuntimeError, match="input of Multiply was given another value"):
        y.backward(create_graph=True)


def test_gradient_of_a_linear_function_is_a_constant() -> None:
    x = node(3)
    total(x * 3.0).backward(create_graph=True)
    assert not x.grad.requires_grad


def test_second_order_through_a_dropped_output() -> None:
    class Both(Op):
        """exp(x) and x^2, where the gradient of the second uses the first output's node."""

        @staticmethod
        def forward(context: Context, x: Any) -> Any:
            context["x"], context["y"] = x, namespace(x).exp(x)
            return context["y"], x * x

        @staticmethod
        def backward(context: Context, gexp: Any, gsquare: Any) -> Any:
            return gexp * context["y"] + gsquare * 2.0 * context["x"]

    x = TensorNode(np.array([0.5]))
    exp, square = Both.do_forward(x)
    del square
    total(exp).backward(create_graph=True)
    g = x.grad
    x.zero_grad()
    total(g).backward()
    np.testing.assert_allclose(x.grad, np.exp([0.5]))

    x.zero_grad()
    exp, square = Both.do_forward(x)
    del exp
    total(square).backward(create_graph=True)
    g = x.grad
    x.zero_grad()
    total(g).backward()
    np.testing.assert_allclose(x.grad, [2.0])


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("other", ["array", "constant node", "node", "itself"])
def test_second_order_where_two_inputs_share_an_array(other: str, swap: bool) -> None:
    x = TensorNode(np.array(3.0))
    y = {
        "array": x.value,
        "constant node": TensorNode(x.value, requires_grad=False),
        "node": TensorNode(x.value),
        "itself": x,
    }[other]
    Multiply.do_forward(*((y, x) if swap else (x, y))).backward(create_graph=True)
    first = x.grad
    x.zero_grad()
    if first.requires_grad:
        first.backward()
    assert first == (6 if other == "itself" else 3)
    assert x.grad == (2 if other == "itself" else 0)


class Triple(Op):
    """a b c"""

    @staticmethod
    def forward(context: Context, a: Any, b: Any, c: Any) -> Any:
        context["abc"] = a, b, c
        return a * b * c

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        a, b, c = context["abc"]
        return go * b * c, go * a * c, go * a * b


def test_second_order_where_three_inputs_share_an_array() -> None:
    a = TensorNode(np.array(3.0))
    b = TensorNode(a.value)
    Triple.do_forward(a, b, a.value).backward(create_graph=True)
    (ga, gb), a.grad, b.grad = (a.grad, b.grad), None, None
    (ga + gb).backward()  # ga = b c and gb = a c, with c a constant
    assert (a.grad, b.grad) == (3, 3)


def test_scalar_intermediate_is_an_error_on_second_order() -> None:
    class Square(Op):
        @staticmethod
        def forward(context: Context, x: Any) -> Any:
            context["twice"] = 2.0 * x  # of a 0-d array, NumPy's scalar
            return x * x

        @staticmethod
        def backward(context: Context, go: Any) -> Any:
            return go * context["twice"]

    with pytest.raises(RuntimeError, match="'twice'"):
        Square.do_forward(TensorNode(np.array(3.0))).backward(create_graph=True)


def test_gradient_is_not_an_input_that_an_op_saved() -> None:
    class Swapped(Op):
        @staticmethod
        def forward(context: Context, a: Any, b: Any) -> Any:
            context["ab"] = a, b
            return a * b

        @staticmethod
        def backward(context: Context, go: Any) -> Any:
            a, b = context["ab"]
            return b, a

    a, b = node(3), node(3, seed=1)
    before = b.value.copy()
    total(Swapped.do_forward(a, b)).backward()
    a.grad *= 0
    np.testing.assert_array_equal(b.value, before)


def test_create_graph_works_under_no_grad() -> None:
    x = TensorNode(np.array(3.0))
    y = x * x
    with no_grad():
        y.backward(create_graph=True)
    g = x.grad
    x.zero_grad()
    g.backward()
    assert x.grad == 2


# -- Rule 8: constants cost nothing ---


def test_no_gradient_is_computed_for_constants() -> None:
    asked: list[list[bool]] = []

    class Product(MatrixMultiply):
        @staticmethod
        def backward(context: Context, go: Any) -> Any:
            asked.append([gradcore.needs(context, i) for i in range(2)])
            return MatrixMultiply.backward(context, go)

    images, w = np.ones((2, 3)), node(3, 4)
    total(Product.do_forward(images, w)).backward()
    total(Product.do_forward(TensorNode(images, requires_grad=False), w)).backward()
    total(Product.do_forward(w.T, w)).backward()
    assert asked == [[False, True], [False, True], [True, True]]


def test_what_depends_on_no_parameter_builds_no_graph() -> None:
    x = TensorNode(np.ones(3), requires_grad=False)
    y = Exp.do_forward(x * 2.0)
    assert y.source is None
    assert not y.requires_grad
    with pytest.raises(ValueError, match="requires a gradient"):
        total(y).backward()


# -- Rule 9: no_grad ---


def test_no_grad_builds_no_graph_and_ends_with_the_block() -> None:
    x = node(3)
    with no_grad():
        y = x * 2.0
        with no_grad():
            pass
        assert (x * 2.0).source is None
    assert y.source is None
    assert not y.requires_grad
    assert (x * 2.0).source is not None
    with pytest.raises(ZeroDivisionError), no_grad():
        raise ZeroDivisionError
    assert (x * 2.0).source is not None


# -- The rest of the vocabulary ---------------------------------------------------------------


def test_backward_from_a_non_scalar_says_so() -> None:
    with pytest.raises(ValueError, match=r"scalar.*shape \(3,\)"):
        (node(3) * 2.0).backward()
    x = node(1, 1)
    (x * 3.0).backward()  # one element is a scalar, as in the course
    np.testing.assert_array_equal(x.grad, [[3.0]])


def test_gradient_reads_as_zeros_before_any_pass() -> None:
    x = TensorNode(np.ones((2, 3), np.float32))
    assert not x.has_grad
    assert x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad, np.zeros((2, 3)))
    assert not x.has_grad


def test_gradient_that_is_set_must_fit() -> None:
    x = TensorNode(np.ones(3, np.float32))
    x.grad = np.full(3, 2, np.float32)
    total(x * 3.0).backward()
    np.testing.assert_array_equal(x.grad, np.full(3, 5, np.float32))
    for wrong_gradient in (np.ones(2, np.float32), np.ones(3), 0.0, strict.ones(3)):
        with pytest.raises(ValueError, match=r"expected float32 \(3,\) of numpy"):
            x.grad = wrong_gradient
    x.grad = None
    assert not x.has_grad


def test_value_of_a_derived_array_type(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "x", np.float64, "w+", shape=3)
    mapped[:] = [1, 2, 3]
    x = TensorNode(mapped)
    total(x * x).backward()
    np.testing.assert_array_equal(x.grad, [2, 4, 6])


def test_value_may_be_changed_between_passes() -> None:
    x = node(3)
    total(x * x).backward()
    x.value -= 0.1 * x.grad
    x.zero_grad()
    total(x * x).backward()
    np.testing.assert_allclose(x.grad, 2 * x.value)
    x.value = np.ones(3)
    x.zero_grad()
    total(x * x).backward()
    np.testing.assert_array_equal(x.grad, np.full(3, 2.0))


def test_numbers_may_be_assigned_to_a_value() -> None:
    x = TensorNode(np.array(2.0))
    x.value = x.value - 0.5 * 1.0  # NumPy's scalar
    (x * x).backward()
    assert x.grad == 3


def test_copies_are_parameters_of_their_own() -> None:
    x = TensorNode(np.ones(3), name="x", requires_grad=False)
    for y in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert (y.name, y.requires_grad, y.source) == ("x", False, None)
        np.testing.assert_array_equal(y.value, x.value)
    assert copy.copy(x).value is x.value
    assert copy.deepcopy(x).value is not x.value
    x = node(3)
    total(x * x).backward()
    y = copy.copy(x)
    total(y * 3.0).backward()
    np.testing.assert_allclose(x.grad, 2 * x.value)
    for function in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match=r"take its \.value"):
            function(x * 2.0)


def test_outputs_that_are_a_list_are_an_error() -> None:
    class Twice(Op):
        @staticmethod
        def forward(context: Context, x: Any) -> Any:
            return [x, x + 0]

    with pytest.raises(TypeError, match="Twice: forward gave a list"):
        Twice.do_forward(node(3))


def test_node_keeps_backend_dtype_and_name() -> None:
    value = np.ones((2, 3), np.float16)
    x = TensorNode(value, name="images")
    assert x.value is value
    assert x.source is None
    assert repr(x) == "TensorNode(images, float16 (2, 3))"
    assert repr(x * 2.0) == "TensorNode(float16 (2, 3), source Multiply)"
    assert TensorNode([1.0, 2.0]).dtype == np.float32
    assert TensorNode(3).dtype == np.int64
    assert TensorNode(np.float64(3)).value.shape == ()


def test_integers_and_booleans_have_no_gradient() -> None:
    for value in (np.arange(3), np.ones(3, bool)):
        assert not TensorNode(value).requires_grad
        with pytest.raises(TypeError, match="floating"):
            TensorNode(value, requires_grad=True)


def test_graph_can_be_walked() -> None:
    a, b = TensorNode(np.ones((2, 2))), TensorNode(np.ones((2, 2)))
    c = a + b
    assert c.source is not None
    assert c.source.op is Add
    assert c.source.inputs[0].value is a.value
    assert c.source.outputs == (c,)
    assert repr(c.source) == "OpNode(Add)"
    assert a.source is None


def test_op_called_directly_with_a_plain_dictionary() -> None:
    context: Context = {}
    y = Multiply.forward(context, np.array([2.0]), np.array([3.0]))
    ga, gb = Multiply.backward(context, np.array([1.0]))
    assert (y, ga, gb) == (6, 3, 2)


def test_forward_errors_name_op_and_shapes() -> None:
    with pytest.raises(ValueError, match=r"^Add: .*float64 \(3, 4\), float64 \(5,\)"):
        node(3, 4) + node(5)
    with pytest.raises(ValueError, match=r"^MatrixMultiply: \(3, 4\) @ \(5, 2\) does not fit"):
        node(3, 4) @ node(5, 2)
    with pytest.raises(TypeError, match=r"^BatchMM: .* \(inputs: float64 \(3, 4\), 3.0\)"):
        gradcore.BatchMM.do_forward(node(3, 4), 3.0)
    with pytest.raises(TypeError, match="Add: inputs are nodes, arrays and numbers, not str"):
        node(3) + "x"
    with pytest.raises(IndexError, match=r"Select: indices: 9 is out of range; expected 0 to 3"):
        Select.do_forward(node(2, 4), indices=np.array([0, 9]))
    with pytest.raises(IndexError, match="-1 is out of range"):
        Select.do_forward(node(2, 4), indices=np.array([0, -1]))


class Float(Op):
    @staticmethod
    def forward(context: Context, x: Any) -> Any:
        return 1.0


def test_forward_that_gives_no_array_names_the_op() -> None:
    with pytest.raises(TypeError, match="Float: forward gave a float, expected an array"):
        Float.do_forward(node(3))


def test_mixed_backends_and_devices_name_both_sides() -> None:
    here, there = TensorNode(np.ones(3)), strict.ones(3, device=strict.Device("device1"))
    with pytest.raises(ValueError, match=r"Add: .*numpy on cpu and strict on .*device1.*asarray"):
        here + TensorNode(there)
    other = TensorNode(strict.ones(3, device=strict.Device("device2")))
    with pytest.raises(ValueError, match=r"Multiply: .*device1.* and .*device2"):
        other * there


def test_zero_dimensional_results_are_arrays() -> None:
    x = TensorNode(np.array(2.0))
    y = Exp.do_forward(x * x + x)
    y.backward()
    for n in (x, y):
        assert isinstance(n.value, np.ndarray)
        assert isinstance(n.grad, np.ndarray)
    x.zero_grad()
    y = Exp.do_forward(x)
    y.backward(create_graph=True)  # the saved output is the node's value
    np.testing.assert_allclose(x.grad.value, np.exp(2.0))


def test_course_style_numpy_op() -> None:
    class Clip(Op):
        @staticmethod
        def forward(context: Context, x: Any) -> Any:
            context["inside"] = x > 0
            return np.maximum(x, 0)

        @staticmethod
        def backward(context: Context, go: Any) -> Any:
            return go * context["inside"]

    x = TensorNode(np.array([-1.0, 2.0], np.float32))
    total(Clip.do_forward(x)).backward()
    np.testing.assert_array_equal(x.grad, [0, 1])
    assert x.grad.dtype == np.float32


def test_intermediate_nodes_are_let_go_of_before_their_op_is_visited() -> None:
    """Or each would get a gradient, a copy, that nobody asks for."""
    alive, refs = [], []

    class Probe(Op):
        @staticmethod
        def forward(context: Any, x: Any) -> Any:
            return x * 1.0

        @staticmethod
        def backward(context: Any, go: Any) -> Any:
            alive.append(sum(ref() is not None for ref in refs))
            return go

    y = TensorNode([1.0])
    for _ in range(4):
        y = Probe.do_forward(y)
        refs.append(weakref.ref(y))
    loss = Sum.do_forward(y)
    del y
    loss.backward()
    assert alive == [3, 2, 1, 0]
