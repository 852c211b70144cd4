"""Op: what `forward` may give, inputs that are refused, and ops in the style of the course."""

from __future__ import annotations

from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
from graphs import Context, node, total

import gradcore
from gradcore import Multiply, Op, Select, TensorNode
from gradcore.backends import get


def test_outputs_that_are_a_list_are_an_error() -> None:
    class Twice(Op):
        @staticmethod
        def forward(context: Context, x: Any) -> Any:
            return [x, x + 0]

    with pytest.raises(TypeError, match="Twice: forward gave a list"):
        Twice.do_forward(node(3))


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


def test_out_of_memory_says_what_and_what_to_try() -> None:
    class Large(gradcore.Op):
        @staticmethod
        def forward(context: Any, x: Any) -> Any:
            if x.shape == (3,):
                raise MemoryError("no room for 9 GB")
            return x

        @staticmethod
        def backward(context: Any, go: Any) -> Any:
            raise MemoryError("no room for 8 GB")

    with pytest.raises(
        MemoryError, match=r"Large: no room for 9 GB \(inputs: float32 \(3,\)\)"
    ) as e:
        Large.do_forward(TensorNode([1.0, 2.0, 3.0]))
    assert "Try smaller batches" in str(e.value)
    with pytest.raises(MemoryError, match="8 GB") as e:
        gradcore.Sum.do_forward(Large.do_forward(TensorNode([1.0]))).backward()
    (note,) = e.value.__notes__
    assert note.startswith("in Large.backward. Try smaller batches")


def test_arrays_of_two_devices_name_the_op_both_and_what_moves_one() -> None:
    one, other = (TensorNode(get("strict", f"device{i}").asarray([1.0])) for i in (1, 2))
    with pytest.raises(ValueError, match=r"^Multiply: the inputs are arrays of ") as error:
        one * other
    for part in ("'device1'", "'device2'", "gradcore.backends.get(name, device).asarray(array)"):
        assert part in str(error.value)
    moved = get("strict", other.device).asarray(one.value)
    assert (other * moved).device == other.device
