"""Moving arrays in and out, and whose array is this?"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore import Add, Sigmoid, Sum, TensorNode, use_backend
from gradcore.backends import Backend, backend_of, get, names, problem


def strict(device: Any = None) -> Backend:
    pytest.importorskip("array_api_strict")
    return get("strict", device)


# -- Moving arrays ----------------------------------------------------------------------------


def test_numbers_become_float32_and_arrays_keep_their_dtype() -> None:
    backend = get("numpy")
    for x, dtype in [
        (1.5, "float32"),
        ([[1.0, 2.0]], "float32"),
        ([1, 2], "int64"),
        ([True], "bool"),
        (np.ones(2), "float64"),
        (np.float64(1), "float64"),
        (np.ones(2, "float16"), "float16"),
    ]:
        assert backend.asarray(x).dtype == dtype
        assert isinstance(backend.asarray(x), np.ndarray)
        assert backend.asarray(x, "float64").dtype == np.float64
        assert backend.asarray(x, np.float32).dtype == np.float32
    assert backend.asarray([0.1], "float64")[0] == 0.1
    x = np.ones(3)
    assert backend.asarray(x) is x
    assert backend.owns_memory(x)
    assert not backend.owns_memory(x[1:])
    transposed = np.ones((2, 3)).T
    assert backend.owns_memory(transposed)
    held = transposed.base
    assert not backend.owns_memory(transposed)
    del held


def test_memory_of_others_is_not_written_to() -> None:
    buffer = bytearray(np.ones(6, np.float32).tobytes())
    for shape in ((6,), (2, 3)):
        p = TensorNode(np.frombuffer(buffer, np.float32).reshape(shape))
        gradcore.Sum.do_forward(p * 2.0).backward()
        gradcore.optim.SGD([p], 0.5).step()
        assert (p.value == 0.0).all()
        assert (np.frombuffer(buffer, np.float32) == 1.0).all()


@pytest.mark.parametrize("wrong", ["abs", "float", "no_such", "pi"])
def test_no_such_dtype(wrong: str) -> None:
    with pytest.raises(ValueError, match=f"numpy has no dtype '{wrong}'; try 'float32'"):
        get("numpy").asarray([1.0], wrong)


@pytest.mark.parametrize("x", ["text", ["text"], object(), None])
def test_what_is_no_numbers(x: Any) -> None:
    with pytest.raises(TypeError, match="numpy: expected an array or numbers, not "):
        get("numpy").asarray(x)


@pytest.mark.parametrize("kind", ["bool", "int32", "float32", "float64", "complex64"])
@pytest.mark.parametrize("shape", [(), (0, 2), (2, 3)])
def test_arrays_move_between_backends_and_devices(kind: str, shape: tuple[int, ...]) -> None:
    x = np.arange(np.prod(shape)).reshape(shape).astype(kind)
    backends = [strict("device1"), strict("device2"), get("numpy")]
    if importlib.util.find_spec("torch"):
        import torch

        backends.append(backend_of(torch.ones(())))
    for one in backends:
        for other in backends:
            moved = other.asarray(one.asarray(x))
            assert backend_of(moved).name == other.name
            if other.device:
                assert moved.device == other.device
            back = other.to_numpy(moved)
            np.testing.assert_array_equal(back, x, strict=True)


def test_the_way_in_and_out_changes_no_bits_of_a_strange_array() -> None:
    backward = np.arange(6.0).reshape(2, 3)[::-1, ::-2]
    backward.flags.writeable = False
    for backend in (get("numpy"), strict()):
        x = backend.to_numpy(backend.asarray(backward))
        np.testing.assert_array_equal(x, backward, strict=True)


# -- Whose array is this? ---------------------------------------------------------------------


def test_backend_of_goes_by_the_type(tmp_path: Path) -> None:
    assert backend_of(np.ones(2)) is get("numpy")
    assert backend_of(np.float32(1)) is get("numpy")
    on_disk = np.memmap(tmp_path / "x", np.float32, "w+", shape=(2,))
    assert backend_of(on_disk) is get("numpy")
    there = strict("device2").asarray([1.0])
    assert backend_of(there) is get("strict"), "a backend of its type, on the default device"


@pytest.mark.parametrize("x", [1, 1.5, "text", None, [1.0], {}, object(), np.dtype("int8")])
def test_what_is_no_array(x: Any) -> None:
    with pytest.raises(TypeError, match="expected an array, not "):
        backend_of(x)


def test_a_node_is_no_array() -> None:
    node = TensorNode(np.ones(2))
    for ask in (backend_of, get("numpy").asarray):
        with pytest.raises(TypeError, match=r"not a TensorNode; take its \.value"):
            ask(node)
    assert type(TensorNode(node).value) is np.ndarray


def test_mixed_backends_are_an_error_whose_advice_works() -> None:
    here, there = np.ones(2, np.float32), strict("device2").asarray([1.0, 2.0])
    with pytest.raises(ValueError, match=r"Add: .* move one: gradcore\.backends\.get\(name, devi"):
        Add.do_forward(here, there)
    moved = gradcore.backends.get("strict", there.device).asarray(here)
    np.testing.assert_array_equal(
        get("strict").to_numpy(Add.do_forward(moved, there).value), [2.0, 3.0]
    )


class TestUnregisteredLibrary:
    """torch's tensors work as they are: array_api_compat knows them."""

    @pytest.fixture(autouse=True)
    def _torch(self) -> None:
        self.torch = pytest.importorskip("torch")

    def test_gradients(self) -> None:
        torch = self.torch
        a, b = torch.tensor([[1.0, -2.0], [3.0, 0.5]]), torch.tensor([[0.5], [-1.0]])
        x, w = TensorNode(a), TensorNode(b)
        loss = Sum.do_forward(Sigmoid.do_forward(x @ w) * w)
        loss.backward()
        expected = [t.clone().requires_grad_() for t in (a, b)]
        (torch.sigmoid(expected[0] @ expected[1]) * expected[1]).sum().backward()
        for node, tensor in zip((x, w), expected, strict=True):
            assert type(node.grad) is torch.Tensor
            torch.testing.assert_close(node.grad, tensor.grad)

    def test_it_can_be_asked_for_once_it_was_met(self) -> None:
        backend = backend_of(self.torch.ones(2))
        assert get("torch") is backend
        assert "torch" in names()
        assert problem("torch") is None
        assert backend.describe_library() == f"torch {self.torch.__version__}"
        parameter = self.torch.nn.Parameter(self.torch.ones(2), requires_grad=False)
        assert backend_of(parameter) is backend
        assert backend.asarray(parameter).data_ptr() == parameter.data_ptr()
        with use_backend("torch"):
            assert type(TensorNode([1.0]).value) is self.torch.Tensor

    def test_it_takes_arrays_that_are_read_only_or_run_backwards(self) -> None:
        backend = backend_of(self.torch.ones(2))
        x = np.broadcast_to(np.arange(3.0)[::-1], (2, 3))
        np.testing.assert_array_equal(backend.to_numpy(backend.asarray(x)), x)
        assert backend.asarray(np.array(2.0)).shape == ()

    def test_mixing(self) -> None:
        with pytest.raises(ValueError, match=r"Add: .*numpy on cpu and torch on cpu"):
            Add.do_forward(np.ones(2), self.torch.ones(2))


def test_numpys_product_of_an_array_and_a_node_is_a_node() -> None:
    x, w = np.ones((2, 3)), TensorNode(np.ones((3, 2)))
    assert isinstance(gradcore.namespace(x).matmul(x, w), TensorNode)
