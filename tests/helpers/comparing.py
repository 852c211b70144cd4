"""Comparisons with numbers, with PyTorch, and with expected errors; and that no garbage is left."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore import Sum, TensorNode, nn
from gradcore.backends import Backend

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, "float32")


def close(backend: Backend, found: Any, expected: Any, dtype: str, factor: float = 1.0) -> None:
    found = found.value if isinstance(found, TensorNode) else found
    assert found.dtype == backend.dtype(dtype)
    expected = np.asarray(expected)
    scale = max(0.1, abs(expected).max(initial=0))
    actual = backend.to_numpy(found)
    assert actual.shape == expected.shape
    tolerance = TOLERANCE[dtype] * factor
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * scale)


def raises_in_one_line(call: Callable[[], Any], error: type[Exception], words: str) -> None:
    """The call raises that error, in one line in which these words are."""
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


# -- With PyTorch ---------------------------------------------------------------------------------

Call = tuple[str, tuple[Any, ...], dict[str, Any]]  # a function, the shapes of its inputs, options


def name_of(call: Call) -> str:
    name, shapes, options = call
    return f"{name} {shapes[0]} {options}"


def function_is_torchs(backend: Backend, dtype: str, call: Call) -> None:
    """The result, its gradient by all inputs, and the gradient of that."""
    torch = pytest.importorskip("torch")
    name, shapes, options = call
    inputs = [normal(*shape) if isinstance(shape, tuple) else shape for shape in shapes]
    nodes = [TensorNode(backend.asarray(x, dtype)) if hasattr(x, "shape") else x for x in inputs]
    kind = getattr(torch, dtype)
    tensors = [torch.tensor(x, dtype=kind) if hasattr(x, "shape") else x for x in inputs]
    fixed = np.array([0.5, 1.0, 2.0])
    nodes = [backend.asarray(fixed, dtype) if type(x) is str else x for x in nodes]
    tensors = [torch.tensor(fixed, dtype=kind) if type(x) is str else x for x in tensors]
    given = [t for t, x in zip(tensors, inputs, strict=True) if hasattr(x, "shape")]
    for t in given:
        t.requires_grad_()
    y = getattr(gradcore, name)(*nodes, **options)
    expected = getattr(torch.nn.functional, name)(*tensors, **options)
    close(backend, y, expected.detach().numpy(), dtype)

    nodes = [node for node in nodes if isinstance(node, TensorNode)]
    weights = normal(*y.shape)
    total = Sum.do_forward(y * y * backend.asarray(weights, dtype))
    total.backward(create_graph=True)
    gs = [node.grad for node in nodes]
    total.zero_grad()
    theirs = (expected * expected * torch.tensor(weights, dtype=kind)).sum()
    slopes = torch.autograd.grad(theirs, given, create_graph=True)
    for g, slope in zip(gs, slopes, strict=True):
        close(backend, g, slope.detach().numpy(), dtype, 4.0)
    squares = sum((Sum.do_forward(g * g) for g in gs[1:]), Sum.do_forward(gs[0] * gs[0]))
    squares.backward()
    sum((slope * slope).sum() for slope in slopes).backward()
    for node, t in zip(nodes, given, strict=True):
        close(backend, node.grad, t.grad.numpy(), dtype, 20.0)


def call_is_torchs(
    backend: Backend, dtype: str, name: str, inputs: Any, settings: Any, torchs: Any
) -> None:
    """The values, the gradients by all floating inputs, and the gradients of those.

    PyTorch's function of that name is given the settings `torchs`.
    """
    torch = pytest.importorskip("torch")
    arrays = [x for x in inputs if isinstance(x, np.ndarray)]
    nodes = [TensorNode(backend.asarray(x, dtype if x.dtype == float else None)) for x in arrays]
    real = getattr(torch, dtype)
    tensors = [torch.tensor(x, dtype=real if x.dtype == float else torch.bool) for x in arrays]
    for t in tensors:
        t.requires_grad_(t.is_floating_point())
    left, right = iter(nodes), iter(tensors)
    y = getattr(gradcore, name)(
        *[next(left) if isinstance(x, np.ndarray) else x for x in inputs], **settings
    )
    given = [next(right) if isinstance(x, np.ndarray) else x for x in inputs]
    if name in ("layer_norm", "rms_norm") and isinstance(given[1], int):
        given[1] = (given[1],)
    functions = torch if name == "logsumexp" else torch.nn.functional
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):  # of second order
        expected = getattr(functions, name)(*given, **torchs)
    close(backend, y, expected.detach().numpy(), dtype)

    nodes = [node for node in nodes if node.requires_grad]
    tensors = [t for t in tensors if t.requires_grad]
    weights = np.cos(np.arange(y.size)).reshape(y.shape)
    total = Sum.do_forward(y * y * backend.asarray(weights, dtype))
    total.backward(create_graph=True)
    gs = [node.grad for node in nodes]
    total.zero_grad()
    loss = (expected * expected * torch.tensor(weights)).sum()
    slopes = torch.autograd.grad(loss, tensors, create_graph=True)
    for g, slope in zip(gs, slopes, strict=True):
        close(backend, g, slope.detach().numpy(), dtype)
    second = Sum.do_forward(gs[0] * gs[0])
    for g in gs[1:]:
        second = second + Sum.do_forward(g * g)
    second.backward()
    sum((slope * slope).sum() for slope in slopes).backward()
    for node, t in zip(nodes, tensors, strict=True):
        close(backend, node.grad, t.grad.numpy(), dtype)


def layer_is_torchs(name: str, arguments: Any, options: dict[str, Any], shape: Any) -> None:
    """Made with these arguments and options, and applied to x of that shape."""
    torch = pytest.importorskip("torch")
    ours = getattr(nn, name)(*arguments, **options)
    theirs = getattr(torch.nn, name)(*arguments, **options)
    names = {"w": "weight", "b": "bias"}
    state = theirs.state_dict()
    ours.load_state_dict({k: state[names.get(k, k)].numpy() for k in ours.state_dict()})
    assert len(state) == len(ours.state_dict())
    x = normal(*shape).astype("float32")
    node, tensor = TensorNode(x), torch.tensor(x, requires_grad=True)
    y, expected = ours(node), theirs(tensor)
    np.testing.assert_allclose(y.value, expected.detach(), rtol=1e-5, atol=1e-6, err_msg=name)
    Sum.do_forward(y * y).backward()
    (expected * expected).sum().backward()
    slopes = {names.get(k, k): p.grad for k, p in ours.named_parameters()}
    pairs = [(node.grad, tensor.grad), *((slopes[k], p.grad) for k, p in theirs.named_parameters())]
    for found, slope in pairs:
        np.testing.assert_allclose(found, slope, rtol=1e-4, atol=1e-4, err_msg=name)


# -- Of a batch of size 0 -------------------------------------------------------------------------


def empty_batch_gives(backend: Backend, call: Call, expected: tuple[int, ...]) -> None:
    """The result, of that shape, is empty, and the gradients of parameters are zeros."""
    name, shapes, options = call
    inputs = [s and TensorNode(backend.asarray(np.ones(s, "float32"))) for s in shapes]
    y = getattr(gradcore, name)(*inputs, **options)
    assert y.shape == expected
    Sum.do_forward(y).backward()
    for x in inputs:
        if x is not None:
            assert x.has_grad
            assert backend.to_numpy(x.grad).tolist() == np.zeros(x.shape).tolist()


@contextmanager
def no_garbage() -> Iterator[None]:
    """Check that the block leaves nothing that only the garbage collector frees."""
    while gc.collect():  # what finalizers let go of is garbage only then
        pass
    gc.disable()
    try:
        yield
        assert gc.collect() == 0
    finally:
        gc.enable()
