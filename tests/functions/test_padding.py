"""Padding: constants, edges, reflections and repetitions."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore import Sum, TensorNode, nn
from gradcore.backends import Backend


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
@pytest.mark.parametrize(
    ("shape", "width"),
    [
        ((3, 4), 1),
        ((3, 4), ((2, 0),)),
        ((3, 4), ((1, 2), (0, 3))),
        ((3, 2), ((0, 0), (7, 8))),  # further than x is long
        ((1,), (2, 1)),
        ((2, 3), ((1, 2),)),
        ((), ()),
        ((2, 0), ((1, 1), (0, 0))),
    ],
    ids=str,
)
def test_pad(backend: Backend, dtype: str, mode: str, shape: tuple[int, ...], width: Any) -> None:
    x = TensorNode(backend.asarray(np.random.default_rng(0).normal(size=shape), dtype))
    array = backend.to_numpy(x.value)
    y, expected = gradcore.pad(x, width, mode), np.pad(array, width or 0, mode)
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(backend.to_numpy(y.value), expected, strict=True)
    w = 1.0 + np.arange(expected.size).reshape(expected.shape)
    Sum.do_forward(y * y * backend.asarray(w, dtype)).backward()
    places = np.pad(np.arange(array.size).reshape(shape), width or 0, mode, **none(mode))
    sums = [(2 * w * expected)[places == i].sum() for i in range(array.size)]
    gradient = backend.to_numpy(x.grad)
    np.testing.assert_allclose(gradient, np.reshape(sums, shape), 1e-5, 1e-5)


def none(mode: str) -> dict[str, int]:
    return {"constant_values": -1} if mode == "constant" else {}


def test_pad_with_a_value(backend: Backend) -> None:
    x = TensorNode(backend.asarray([-0.0, 0.1]))
    y = gradcore.pad(x, (1, 2), value=-np.inf)
    np.testing.assert_array_equal(
        backend.to_numpy(y.value), np.array([-np.inf, -0.0, 0.1, -np.inf, -np.inf], np.float32)
    )
    Sum.do_forward(y[1:3] * 2.0).backward()
    np.testing.assert_array_equal(backend.to_numpy(x.grad), [2.0, 2.0])
    assert not gradcore.pad(backend.asarray([1, 2]), 1).requires_grad


def test_pad_takes_widths_from_numpy() -> None:
    for width in (np.int64(1), np.array([1, 2]), np.array([[1, 2]])):
        y = gradcore.pad(TensorNode([1.0]), width)
        np.testing.assert_array_equal(y.value, np.pad(np.ones(1), width))


@pytest.mark.parametrize(
    ("shape", "width", "mode", "words"),
    [
        ((2,), 1, "mirror", "mode = 'mirror', expected constant, reflect, replicate or circular"),
        ((2,), -2, "edge", r"pad = -2 cuts off more of axis 0 than there is \(x \(2,\)\)$"),
        ((2, 2), ((1, 1), (1, 1), (1, 1)), "edge", ".*, expected integers, before and after along"),
        ((2, 2), (1, 1, 1), "constant", r"pad = \(1, 1, 1\), expected integers, before and after"),
        ((2,), (1, 1, 1, 1), "constant", r"pad = \(1, 1, 1, 1\), expected .*, of x \(2,\)$"),
        ((2,), (1.0, 1), "constant", r"pad = \(1.0, 1\), expected integers"),
        ((2, 0), 1, "edge", "axis 1 .* nothing to repeat"),
        ((2,), (-2, 1), "circular", "axis 0 .* nothing to repeat"),
    ],
)
def test_pad_refusals(shape: tuple[int, ...], width: Any, mode: str, words: str) -> None:
    with pytest.raises(ValueError, match=rf"^pad: {words}"):
        gradcore.pad(np.ones(shape), width, mode)


def test_widths_may_be_integers_of_numpy() -> None:
    two = np.int64(2)
    for width in (two, (two, two), ((two, two),), tuple(np.array([2, 2])), np.array([2, 2])):
        np.testing.assert_array_equal(gradcore.pad(np.ones(1), width).value, [0, 0, 1, 0, 0])


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize(
    ("shape", "pad"),
    [
        ((2, 3, 5), (1, 2)),
        ((2, 3, 5), (-1, 2)),
        ((2, 3, 5), (2, -1)),
        ((2, 3, 5, 6), (1, 2, 3, 1)),
        ((2, 3, 5, 6), (2, -1, -2, -1)),
        ((2, 3, 4, 5, 3), (1, 1, 2, 0, 0, 3)),
        ((2, 4, 5, 3), (1, -1, -2, 2, -1, 1)),
    ],
    ids=str,
)
def test_against_torch(backend: Backend, dtype: str, mode: str, shape: Any, pad: Any) -> None:
    """The last axis comes first; negative numbers cut off."""
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=shape)
    value = 2.5 if mode == "constant" else None
    node = TensorNode(backend.asarray(x, dtype))
    tensor = torch.tensor(x, dtype=getattr(torch, dtype), requires_grad=True)
    y = gradcore.pad(node, pad, mode, value)
    expected = torch.nn.functional.pad(tensor, pad, mode, value)
    np.testing.assert_array_equal(backend.to_numpy(y.value), expected.detach().numpy())
    w = 1.0 + np.arange(y.size).reshape(y.shape)
    total = Sum.do_forward(y * y * backend.asarray(w, dtype))
    total.backward(create_graph=True)
    g = node.grad
    total.zero_grad()
    (slope,) = torch.autograd.grad(
        (expected * expected * torch.tensor(w, dtype=tensor.dtype)).sum(), tensor, create_graph=True
    )
    np.testing.assert_allclose(backend.to_numpy(g.value), slope.detach().numpy(), 1e-5, 1e-5)
    Sum.do_forward(g * g).backward()
    (slope * slope).sum().backward()
    np.testing.assert_allclose(backend.to_numpy(node.grad), tensor.grad.numpy(), 1e-5, 1e-5)


def test_a_pair_of_numbers_is_of_the_last_axis_and_pairs_are_of_all() -> None:
    x = np.arange(4.0).reshape(2, 2)
    assert gradcore.pad(x, (1, 2)).shape == (2, 5)
    assert gradcore.pad(x, (1, 2, 0, 3)).shape == (5, 5)
    assert gradcore.pad(x, ((1, 2),)).shape == (5, 5)
    assert gradcore.pad(x, ((0, 3), (1, 2))).shape == (5, 5)
    assert gradcore.pad(x, 1).shape == (4, 4)
    assert gradcore.pad(x, ()).shape == (2, 2)
    assert gradcore.pad(x, (-1, 0, 0, -1)).value.tolist() == [[1.0]]


LAYERS: list[Any] = [
    ("ConstantPad", (2.5,), "constant"),
    ("ZeroPad", (), "constant"),
    ("ReflectionPad", (), "reflect"),
    ("ReplicationPad", (), "replicate"),
    ("CircularPad", (), "circular"),
]


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(("name", "more", "mode"), LAYERS)
def test_layers_put_elements_around(name: str, more: Any, mode: str, axes: int) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 3)[: axes + 2]).astype("float32")
    several = (1, 2, 0, 1, 2, 1)[: 2 * axes]
    for padding in (1, several):
        layer = getattr(nn, f"{name}{axes}d")(padding, *more)
        pads = [(0, 0), (0, 0)]
        both = (1,) * 2 * axes if padding == 1 else several
        pads += [(both[k], both[k + 1]) for k in range(2 * axes - 2, -1, -2)]
        known = {"replicate": "edge", "circular": "wrap"}.get(mode, mode)
        settings = {"constant_values": more[0]} if more else {}
        expected = np.pad(x, pads, known, **settings)
        np.testing.assert_array_equal(layer(x).value, expected)
        np.testing.assert_array_equal(layer(x[0]).value, expected[0])
        if torch := importable("torch"):
            theirs = getattr(torch.nn, f"{name}{axes}d")(padding, *more)
            np.testing.assert_array_equal(theirs(torch.tensor(x)).numpy(), expected)
    assert repr(layer).startswith(f"{name}{axes}d({several}")


def importable(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def test_layers_refuse_wrong_paddings_and_shapes() -> None:
    for call, words in [
        (
            lambda: nn.ReflectionPad2d((1, 2)),
            r"^ReflectionPad2d: padding = \(1, 2\), expected an int",
        ),
        (
            lambda: nn.ZeroPad1d(0.5),
            "^ZeroPad1d: padding = 0.5, expected an integer, or 2 of them$",
        ),
        (
            lambda: nn.CircularPad1d(1)(np.ones((1, 1, 3, 3))),
            r"^CircularPad1d: x has shape \(1, 1, 3, 3\), expected \(N, C, L\) or \(C, L\)$",
        ),
    ]:
        with pytest.raises(ValueError, match=words):
            call()
