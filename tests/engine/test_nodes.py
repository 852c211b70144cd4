"""TensorNode: its value, its gradient, copies, and the graph behind it."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
from graphs import node, total

from gradcore import Add, Exp, TensorNode


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
    with pytest.raises(TypeError, match=r"take its \.value"):
        pickle.dumps(x * 2.0)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copies_of_what_was_computed_have_its_gradient_and_memory_of_their_own(copied: Any) -> None:
    x = node(3)
    y = x * 2.0
    z = copied(y)
    z[0] = 7.0
    np.testing.assert_array_equal(y.value, x.value * 2.0)
    assert not np.shares_memory(y.value, z.value)
    total(y + z * z).backward()
    np.testing.assert_allclose(x.grad, 2.0 + 8.0 * x.value * [0, 1, 1])
    assert copied(y > 0.0).dtype == np.bool_


def test_a_deep_copy_has_no_gradient_and_no_hooks_and_stays_tied() -> None:
    x, calls = node(3), []
    x.register_hook(calls.append)
    total(x * x).backward()
    twin = copy.deepcopy({"first": x, "again": x})
    y = twin["first"]
    assert twin["again"] is y
    assert not y.has_grad
    total(y * y).backward()
    assert len(calls) == 1
    np.testing.assert_array_equal(y.grad, x.grad)


def test_requires_grad_that_is_set_later_is_checked() -> None:
    for value in (np.arange(3), np.ones(3, bool)):
        x = TensorNode(value)
        with pytest.raises(TypeError, match="only floating values have gradients"):
            x.requires_grad = True
        x.requires_grad = False
        assert not x.requires_grad
    y = node(3) * 2.0
    y.requires_grad = True  # as it is
    with pytest.raises(ValueError, match=r"Multiply computed this node.*say stop_gradient\(x\)"):
        y.requires_grad = False
    assert y.requires_grad
    x = TensorNode(np.ones(3), requires_grad=np.False_)  # type: ignore[arg-type]
    x.requires_grad = 1  # type: ignore[assignment]
    assert (x * 2.0).requires_grad is True


def test_requires_grad_set_after_an_op_does_not_change_what_the_op_took_the_node_for() -> None:
    x, w = TensorNode(np.ones(3), requires_grad=False), node(3)
    early = x * w + x
    x.requires_grad = True
    loss = total(early + x * 5.0)
    x.requires_grad = False
    later = total(x * w)
    x.requires_grad = True
    loss.backward()  # as in PyTorch: of what was computed as a constant there is no part
    np.testing.assert_array_equal(x.grad, np.full(3, 5.0))
    np.testing.assert_array_equal(w.grad, np.ones(3))
    later.backward()
    np.testing.assert_array_equal(x.grad, np.full(3, 5.0))


def test_a_parameter_frozen_before_the_pass_gets_no_gradient_of_any_op() -> None:
    x, w = node(3), node(3)
    loss = total(x * w + x)
    x.requires_grad = False
    loss.backward()
    assert not x.has_grad
    np.testing.assert_array_equal(w.grad, x.value)


def test_a_gradient_that_is_written_to_before_any_pass_stays() -> None:
    x, y = node(3), node(3)
    x.grad[...] = 5.0
    assert x.has_grad
    assert not y.grad.any()
    assert not y.has_grad  # it was only read
    total(x * 2.0 + y).backward()
    np.testing.assert_array_equal(x.grad, np.full(3, 7.0))
    np.testing.assert_array_equal(y.grad, np.ones(3))
    x.zero_grad()
    x.grad += 1.0
    assert x.has_grad
    y.zero_grad()
    assert y.grad.shape == (3,)
    y.value = np.ones((2, 3), np.float32)  # zeros that were only read follow the value
    assert (y.grad.shape, y.grad.dtype) == ((2, 3), np.float32)
    y.value = np.ones(3)
    total(y * 1.0).backward()
    np.testing.assert_array_equal(y.grad, np.ones(3))
    y.zero_grad()
    y.grad[0] = np.nan
    assert y.has_grad


def test_no_gradient_is_rounded_to_the_integers_of_a_value() -> None:
    x = node(3)
    x.value = np.arange(3)
    with pytest.raises(TypeError, match=r"Multiply\.backward: its input has int64 numbers"):
        total(x * 0.5).backward()


def test_node_keeps_backend_dtype_and_name() -> None:
    value = np.ones((2, 3), np.float16)
    x = TensorNode(value, name="images")
    assert x.value is value
    assert x.source is None
    assert x.summary() == "name 'images', float16 (2, 3)"
    assert (x * 2.0).summary() == "float16 (2, 3), source Multiply"
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
