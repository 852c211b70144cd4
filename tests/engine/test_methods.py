"""The methods of nodes, numbers and text made of them, and attributes that are not there."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from engine.test_operators import X, check, node

import gradcore
import gradcore.numpy as gnp
from gradcore import TensorNode, namespace, nn
from gradcore.backends import Backend
from gradcore.engine.methods import INSTEAD, Elsewhere, Methods

Function = Callable[[Any], Any]

WITH_GRADIENT: list[Function] = [
    lambda x: x.sum(),
    lambda x: x.sum(axis=(0, 1), keepdims=True),
    lambda x: x.mean(1),
    lambda x: x.max(axis=0) + x.min(0),
    lambda x: x.var(axis=1, ddof=1) + x.std(1),
    lambda x: x.prod(axis=-1),
    lambda x: x.cumsum() + x.cumprod(axis=None),
    lambda x: x.cumsum(1) + x.cumprod(axis=1),
    lambda x: x.reshape(3, 2) + x.reshape((3, 2)) + x.reshape(3, -1),
    lambda x: x.reshape(-1) + x.ravel() + x.flatten(),
    lambda x: x[None].squeeze(0) + x[:, None].squeeze(axis=1),
    lambda x: x.T + x.transpose() + x.transpose(1, 0) + x.transpose((1, 0)) + x.swapaxes(0, 1),
    lambda x: x.copy() * x.astype(x.dtype),
    lambda x: x.clip(0.8, 1.4) + x.clip(min=0.8) + x.clip(max=1.4),
    lambda x: x.dot(x.T).trace() + x.dot(x[0]).sum(),
    lambda x: x.diagonal() + x.diagonal(1),
    lambda x: x.take([0, 5, 5]) + x.take([0, 1, 1], axis=1)[0],
    lambda x: x.repeat(2, axis=1),
    lambda x: x.conj() + x.conjugate() + x.real + x.imag,
]
WITHOUT: list[Function] = [
    lambda x: x.round() + x.round(1),
    lambda x: x.argmax() + x.argmax(axis=1) + x.argmin(0)[0],
    lambda x: x.argsort(axis=0),
    lambda x: (x > 1.0).any(axis=0),
    lambda x: (x > 1.0).all(),
    lambda x: (x > 1.0).nonzero()[1],
    lambda x: x[0].searchsorted(1.0),
]


@pytest.mark.parametrize("f", WITH_GRADIENT)
def test_methods_compute_what_those_of_numpy_do_and_have_gradients(
    backend: Backend, dtype: str, f: Function
) -> None:
    x = node(backend, X, dtype)
    check(backend, f(x), f, x)


@pytest.mark.parametrize("f", WITHOUT)
def test_methods_without_gradient_give_constants(backend: Backend, f: Function) -> None:
    y = f(node(backend, X, "float32"))
    assert not y.requires_grad
    np.testing.assert_allclose(backend.to_numpy(y.value), f(X))


def of_torch(x: Any) -> list[tuple[Any, Any]]:
    """Calls of methods with PyTorch's names, and the same in NumPy's."""
    y, n = x * 2.0, np.array([[0, 1, 1], [1, 0, 1]])
    mask = x > 0.0
    at = namespace(x.value).asarray(n, device=x.device)
    size = x.abs() + 1.0
    return [
        (x.view(3, -1), x.reshape(3, 2)),
        (x.view_as(y.T), x.reshape(3, 2)),
        (x.reshape_as(y.T), x.reshape((3, 2))),
        (x.permute(1, 0) + x.permute((-1, 0)), x.T * 2.0),
        (x.unsqueeze(0).expand(4, -1, -1), x + np.zeros((4, 2, 3), np.float32).tolist()),
        (x[0].expand_as(x) - x[0].expand((2, 3)), x * 0.0),
        (x.flatten(1) + x[None].flatten(0, 1), y),
        (x.unflatten(1, (3, 1)), x[:, :, None]),
        (x.masked_fill(mask, 0.0), gnp.where(mask, 0.0, x)),
        (x.masked_select(mask), x[mask]),
        (x.gather(1, at), gnp.take_along_axis(x, at, 1)),
        (x.scatter(1, at[:, :1], 0.0), x * [[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]]),
        (x.scatter_add(1, at[:, :1], y), x + y[:, :1] * [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
        (x.index_select(0, [1, 1]), x[[1, 1]]),
        (x.index_add(0, [1], y[:1]), x + y[:1] * [[0.0], [1.0]]),
        (x.index_fill(1, [1], 0.0), x * [1.0, 0.0, 1.0]),
        (x.select(1, 2), x[:, 2]),
        (x.narrow(1, 1, 2), x[:, 1:]),
        (x.softmax(-1), gnp.exp(x) / gnp.exp(x).sum(-1, keepdims=True)),
        (x.log_softmax(1), gnp.log(x.softmax(1))),
        (x.logsumexp(1), gnp.log(gnp.exp(x).sum(1))),
        (x.topk(1).values, x.max(1, keepdims=True)),
        (x.cummax(1).values, gnp.maximum.accumulate(x, 1)),
        (x.median(1).values, x.quantile(0.5, 1)),
        (sum(x.chunk(3, 1)) + sum(x.split(1, 1)), y.sum(1, keepdims=True)),
        (sum(x.unbind(1)), x.sum(1)),
        (x.unique(), gnp.unique(x)),
        (x.t() + x.clone().contiguous().T, y.T),
        (x.mm(x.t()) + x[None].bmm(x[None].mT)[0], (x @ x.T) * 2.0),
        (x.add(x).sub(y).mul(x).neg() + x.abs().div(size), gnp.abs(x) / size),
        (size.log() + size.log1p() + size.log2(), gnp.log(size * (1.0 + size)) + gnp.log2(size)),
        (size.sqrt() * size.rsqrt() + x.square() + x.pow(2), 1.0 + y * x),
        (x.exp() + x.sin() + x.cos(), gnp.exp(x) + gnp.sin(x) + gnp.cos(x)),
        (x.tanh() + x.sigmoid() + x.relu(), gnp.tanh(x) + 1 / (1 + gnp.exp(-x)) + x.clamp(0.0)),
        (x.tril() + x.triu(1), x),
        (x.flip(axis=1).roll(1, axis=1), x[:, [0, 2, 1]]),
        (x.float().double().half().type_as(x) - x, x * 0.0),
        (x.floor() + x.ceil() + x.sign(), gnp.floor(x) + gnp.ceil(x) + gnp.sign(x)),
        ((x.eq(y) | x.ne(y)).float() + x.isnan().int().float(), gnp.ones(x.shape)),
        ((x.lt(y) | x.gt(y) | x.le(y) | x.ge(y)).long(), gnp.ones(x.shape)),
        (mask.bool(), mask),
        ([x.dim(), x.numel(), x.size(-1), x.detach().requires_grad_().requires_grad], [2, 6, 3, 1]),
    ]


def test_methods_with_names_of_pytorch(backend: Backend) -> None:
    x = node(backend, X, "float32")
    for i, pair in enumerate(of_torch(x)):
        arrays = [gnp.asarray(y) for y in pair]
        arrays = [backend.to_numpy(getattr(y, "value", y)) for y in arrays]
        np.testing.assert_allclose(*arrays, 2e-3, 1e-5, err_msg=f"{i}")
    assert x.softmax(-1).requires_grad


def test_where_pytorch_means_something_else_errors_say_what_to_write() -> None:
    x = TensorNode(np.ones((2, 3, 4)))
    with pytest.raises(ValueError, match=r"axes \(1, 2\) of 3, expected all; x\.swapaxes\(1, 2\)"):
        x.transpose(1, 2)


def test_every_method_is_in_these_tests() -> None:
    called = {n for f in (*WITH_GRADIENT, *WITHOUT, of_torch) for n in f.__code__.co_names}
    apis = {"array_api", "functions", "numpy_api"}
    assert {n for n in vars(Methods) if not n.startswith("_")} - called == {*apis, "sort"}


def test_sorting_in_place_takes_the_gradients_along(backend: Backend) -> None:
    x = node(backend, X, "float32")

    def ordered(x: Any) -> Any:
        y = x * 1.0
        assert y.sort(axis=0) is None
        return y

    check(backend, ordered(x), ordered, x)
    with pytest.raises(TypeError, match="keeps its value"):
        x.sort()


def test_the_transpose_of_any_dimension_reverses_the_axes(backend: Backend) -> None:
    for shape in ((), (3,), (2, 3), (2, 3, 1)):
        x = node(backend, np.ones(shape), "float32")
        assert x.T.shape == x.transpose().shape == shape[::-1]
    assert x.transpose(1, 2, 0).shape == x.transpose((1, 2, 0)).shape == (3, 1, 2)


# -- Numbers ----------------------------------------------------------------------------------


def test_numbers_of_python_where_no_gradient_is_lost(backend: Backend) -> None:
    x = node(backend, [[2.5, -1.25]], "float32")
    assert (x[0, 0].item(), x.item(1), x.item(0, 1)) == (2.5, -1.25, -1.25)
    assert x.tolist() == [[2.5, -1.25]]
    assert math.sin(x[0, 0]) == math.sin(2.5)
    for call in (lambda y: y.item(), lambda y: y.tolist(), math.sin, float, complex):
        with pytest.raises(TypeError, match=r"makes a number.*stop_gradient\(x\)"):
            gradcore.grad(lambda y, call=call: y * call(y))(x.value[0, 0])


def test_integers_of_python_have_no_gradient_to_lose(backend: Backend) -> None:
    x = node(backend, -1.5, "float32")
    found = []

    def f(y: Any) -> Any:
        found.extend([round(y), math.floor(y), math.ceil(y), math.trunc(y), int(y)])
        return y

    gradcore.grad(f)(x.value)
    assert found == [-2, -2, -1, -1, -1]
    assert round(node(backend, 2.125, "float32"), 2).item() == pytest.approx(2.12)


def test_quotient_and_remainder_and_what_is_in_a_node(backend: Backend) -> None:
    x = node(backend, X, "float32")
    for found, expected in zip(divmod(x, 0.75), divmod(X, 0.75), strict=True):
        np.testing.assert_array_equal(backend.to_numpy(found.value), expected)
    assert backend.to_numpy(divmod(7.0, x)[0].value).tolist() == (7.0 // X).tolist()
    assert 1.25 in x
    assert 9.0 not in x
    assert None not in x
    assert [float(row.sum()) for row in reversed(x)] == [3.25, 3.75]


# -- Ways out ---------------------------------------------------------------------------------


def test_detach_gives_a_constant_in_the_same_memory(backend: Backend) -> None:
    x = node(backend, X, "float32")
    y = (x * 2.0).detach()
    assert (y.requires_grad, y.source) == (False, None)
    assert x.detach().value is x.value
    assert isinstance(y.numpy(), np.ndarray)
    np.testing.assert_array_equal(y.numpy(), 2 * X)
    with pytest.raises(TypeError, match=r"x\.detach\(\)\.numpy\(\)"):
        x.numpy()


# -- Text -------------------------------------------------------------------------------------


def test_a_node_is_printed_as_numpy_prints_an_array_with_what_else_a_node_is() -> None:
    x = TensorNode(np.array([[1.0, -2.5], [10.0, 0.125]]), name="w")
    assert repr(x) == (
        "TensorNode([[ 1.   , -2.5  ],\n"
        "            [10.   ,  0.125]], name 'w', float64 (2, 2))"
    )  # fmt: skip
    assert repr(x.sum()) == "TensorNode(8.625, float64 (), source Sum)"
    assert (str(x), str(x.sum() / 3.0)) == (str(x.value), "2.875")
    assert str(x[0, 0] / 3.0) == "0.3333333333333333"
    assert f"loss {x.mean():.3f}, {x[1, :1]:>7}" == "loss 2.156,    10.0"
    assert f"{x}" == str(x)
    with pytest.raises(TypeError, match=r"shape \(2, 2\) has no one number.*'\.3f'"):
        f"{x:.3f}"
    assert repr(TensorNode(np.ones((3, 0)))) == "TensorNode([], float64 (3, 0))"
    x.value = 2.0
    assert repr(x) == "TensorNode(2.0, name 'w', float32 ())"


def test_the_text_says_where_a_node_is(backend: Backend) -> None:
    x = node(backend, [1.0, 2.0], "float32")
    place = "" if backend.name == "numpy" else f", {backend.name} on {x.device}"
    assert repr(x * 2.0) == f"TensorNode([2., 4.], float32 (2,){place}, source Multiply)"


def test_text_does_not_stop_a_derivative() -> None:
    texts = []

    def f(x: Any) -> Any:
        texts.extend([f"{x.sum():.1f}", repr(x), str(x)])
        return x.sum()

    np.testing.assert_array_equal(gradcore.grad(f)(np.ones(2)), np.ones(2))
    assert texts == ["2.0", "TensorNode([1., 1.], float64 (2,))", "[1. 1.]"]


@pytest.mark.parametrize("shape", [(1001,), (40, 40), (9, 3, 80), (2000, 7, 1), (6, 200)])
def test_the_corners_of_a_large_array_are_printed_as_numpy_does(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    assert str(TensorNode(x)) == str(x)
    with np.printoptions(edgeitems=1, threshold=5, precision=2, linewidth=60):
        assert str(TensorNode(x)) == str(x)
        assert f"{TensorNode(x)!r}".startswith(repr(x).replace("array", "TensorNode")[:28])


def test_only_the_corners_of_a_large_array_are_copied_to_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, copied = TensorNode(np.ones((3000, 2000))), []
    kind = type(gradcore.backends.backend_of(x.value))
    read = kind.to_numpy
    monkeypatch.setattr(kind, "to_numpy", lambda self, x: [copied.append(x.size), read(self, x)][1])
    assert "..." in repr(x)
    assert copied == [49]


def test_text_where_the_values_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    x = TensorNode([1.0])

    def lost(*_: Any) -> Any:
        raise RuntimeError("an illegal memory access was encountered")

    monkeypatch.setattr(type(gradcore.backends.backend_of(x.value)), "to_numpy", lost)
    assert repr(x) == "TensorNode(..., float32 (1,))"


# -- What is not there ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("gelu", r"gradcore\.gelu\(x\)"),
        ("expm1", r"gradcore\.expm1\(x\)"),
        ("svd", r"gradcore\.linalg\.svd\(x\)"),
        ("norm", r"gradcore\.linalg\.norm\(x\)"),
        ("grad_fn", r"x\.source"),
    ],
)
def test_an_attribute_that_is_not_there_says_what_to_call(name: str, advice: str) -> None:
    x = TensorNode([1.0])
    with pytest.raises(AttributeError, match=f"TensorNode: a node has no '{name}'; say {advice}"):
        getattr(x, name)
    assert not hasattr(x, name)
    assert name not in dir(x)
    assert name not in dir(TensorNode)  # which the tab key and help() look at, too
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        x.nonsense  # noqa: B018


def test_names_that_modules_lack_say_where_they_are() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'svd'; say gradcore\.linalg\.svd"):
        gradcore.svd  # noqa: B018
    with pytest.raises(AttributeError, match=r"'polydiv', but numpy\.polydiv takes x\.value"):
        gradcore.numpy.polydiv  # noqa: B018
    for module in (gradcore, gradcore.numpy):
        with pytest.raises(AttributeError, match=r"has no attribute 'nonsense'$"):
            module.nonsense  # noqa: B018
    assert gradcore.autograd.grad(lambda x: x**2)(3.0) == 6.0
    assert {"autograd", "numpy", "special"} <= {*dir(gradcore)}


def test_names_of_pytorch_say_what_to_write() -> None:
    x = TensorNode(np.ones((2, 2)))
    for call in (lambda: x.sum(dim=0), lambda: x.softmax(dim=0)):
        with pytest.raises(TypeError, match=r"'dim'; say axis for dim$"):
            call()
    with pytest.raises(TypeError, match=r"'nonsense'$"):
        x.sum(nonsense=0)
    with pytest.raises(AttributeError, match=r"no attribute 'Adam'; say gradcore\.optim\.Adam$"):
        gradcore.Adam  # noqa: B018
    model = gradcore.Linear(2, 3)
    with pytest.raises(AttributeError, match=r"a module has no 'cuda'; say model\.to\('cupy'\)"):
        model.cuda()
    with pytest.raises(TypeError, match=r"expected a name.*model\.astype\(dtype\)"):
        model.to(np.float32)
    with pytest.raises(TypeError, match=r"Linear\.forward: missing .*summary\(model, x\)"):
        gradcore.summary(model)


def test_a_node_without_axes_has_no_parts() -> None:
    with pytest.raises(TypeError, match="has one element, and no parts"):
        iter(TensorNode(2.0))


def test_what_attributes_that_are_not_there_say_can_be_called() -> None:
    values = {"gradcore": gradcore, "x": TensorNode(np.ones((2, 2)))}
    texts = [x.advice for x in vars(TensorNode).values() if isinstance(x, Elsewhere)]
    assert len(texts) > 100
    for text in texts:
        for part in text.split(" or "):
            eval(part.partition("(")[0].partition(" ")[0].partition("[")[0], values)
    assert {*INSTEAD} <= {x.name for x in vars(TensorNode).values() if isinstance(x, Elsewhere)}


def test_a_node_of_a_users_class_may_have_these_attributes() -> None:
    class Parameter(TensorNode):
        def elu(self) -> Any:
            return gradcore.relu(self)

        def __init__(self, value: Any) -> None:
            super().__init__(value)
            self.norm = "mine"

    assert (Parameter([-1.0]).elu() + 1.0).tolist() == [1.0]
    assert Parameter([-1.0]).norm == "mine"
    assert repr(Parameter([2.0])) == "TensorNode([2.], float32 (1,))"
    assert repr(nn.Linear(1, 1).b) == "TensorNode([[0.]], float32 (1, 1))"
