"""The namespace that a node gives: the standard's functions, with gradients."""

from __future__ import annotations

import inspect
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore import Sum, TensorNode, array_api, namespace
from gradcore.array_api.namespace import FUNCTIONS, OF_A_BACKEND
from gradcore.backends import Backend, get

VALUE = {"float32": 1e-6, "float64": 1e-12}
X = np.array([[0.5, -1.25, 2.0], [1.5, 0.25, -0.75]])
Y = np.array([[1.0, -0.5, 0.75], [-2.0, 0.5, 3.0]])

# Functions of one or two arrays of shape (2, 3) that are composed of ops or have own signatures.
DIFFERENTIABLE: list[tuple[str, Callable[..., Any]]] = [
    ("reciprocal", lambda xp, x: xp.reciprocal(x)),
    ("positive", lambda xp, x: xp.positive(x)),
    ("clip", lambda xp, x: xp.clip(x, -1.0, 1.0)),
    ("clip min", lambda xp, x: xp.clip(x, min=0.0)),
    ("clip max", lambda xp, x: xp.clip(x, max=0.0)),
    ("clip arrays", lambda xp, x, y: xp.clip(x, y, y + 1.0)),
    ("sum", lambda xp, x: xp.sum(x, axis=1, dtype=x.dtype, keepdims=True)),
    ("prod", lambda xp, x: xp.prod(x, axis=0, dtype=x.dtype)),
    ("mean", lambda xp, x: xp.mean(x, axis=(0, 1))),
    ("var", lambda xp, x: xp.var(x, axis=1, correction=1.0)),
    ("std", lambda xp, x: xp.std(x, axis=0, keepdims=True)),
    ("max", lambda xp, x: xp.max(x, axis=1)),
    ("min", lambda xp, x: xp.min(x)),
    ("cumulative_sum", lambda xp, x: xp.cumulative_sum(x, axis=1, include_initial=True)),
    ("cumulative_sum of one", lambda xp, x: xp.cumulative_sum(x[0, :], dtype=x.dtype)),
    ("cumulative_prod", lambda xp, x: xp.cumulative_prod(x, axis=1, include_initial=True)),
    ("cumulative_prod of one", lambda xp, x: xp.cumulative_prod(x[0, :], dtype=x.dtype)),
    ("diff", lambda xp, x: xp.diff(x, axis=1)),
    ("diff twice", lambda xp, x, y: xp.diff(x, axis=0, n=2, prepend=y, append=y)),
    ("reshape", lambda xp, x: xp.reshape(x, (3, 2), copy=True)),
    ("moveaxis", lambda xp, x: xp.moveaxis(x, 0, -1)),
    ("moveaxis of 3", lambda xp, x: xp.moveaxis(xp.reshape(x, (1, 2, 3)), (0, 2), (1, 0))),
    ("broadcast_arrays", lambda xp, x, y: xp.broadcast_arrays(x, y[:1, :])[1]),
    ("squeeze", lambda xp, x: xp.squeeze(xp.reshape(x, (1, 6, 1)), (0, -1))),
    ("concat", lambda xp, x, y: xp.concat([x, y, x], axis=1)),
    ("concat flat", lambda xp, x, y: xp.concat((x, y[0, :]), axis=None)),
    ("permute_dims from the end", lambda xp, x: xp.permute_dims(x, (-1, 0))),
    ("stack", lambda xp, x, y: xp.stack([x, y, x], axis=1)),
    ("stack last", lambda xp, x, y: xp.stack((x, y), axis=-1)),
    ("unstack", lambda xp, x: xp.unstack(x, axis=1)[2]),
    ("flip", lambda xp, x: xp.flip(x)),
    ("flip axis", lambda xp, x: xp.flip(x, axis=-1)),
    ("roll", lambda xp, x: xp.roll(x, 2)),
    ("roll axes", lambda xp, x: xp.roll(x, (1, -1), axis=(0, 1))),
    ("tile", lambda xp, x: xp.tile(x, (2, 1, 2))),
    ("tile few", lambda xp, x: xp.tile(x, (2,))),
    ("repeat", lambda xp, x: xp.repeat(x, 2)),
    ("repeat axis", lambda xp, x: xp.repeat(x, 3, axis=-1)),
    ("repeat counts", lambda xp, x: xp.repeat(x, xp.argsort(x)[0, :], axis=1)),
    ("repeat one count", lambda xp, x: xp.repeat(x, xp.argmax(x), axis=0)),
    ("sort", lambda xp, x: xp.sort(x)),
    ("sort axis", lambda xp, x: xp.sort(x, axis=0, descending=True)),
    ("roll twice", lambda xp, x: xp.roll(x, (1, 1), axis=(1, -1))),
    ("diff of order 0", lambda xp, x, y: xp.diff(x, n=0, prepend=y)),
    ("nextafter", lambda xp, x, y: xp.nextafter(x, y)),
    ("unique_values", lambda xp, x: xp.unique_values(x)),
    ("unique_counts", lambda xp, x: xp.unique_counts(x).values),
    ("unique_inverse", lambda xp, x: xp.unique_inverse(x)[0]),
    ("unique_all", lambda xp, x: xp.unique_all(x).values),
    ("take", lambda xp, x: xp.take(x, xp.argsort(x)[0, :] - 3, axis=1)),
    ("take of one", lambda xp, x: xp.take(x[0, :], xp.argsort(x)[1, :])),
    ("take_along_axis", lambda xp, x, y: xp.take_along_axis(x, xp.argsort(y))),
    ("take_along_axis 0", lambda xp, x: xp.take_along_axis(x, xp.argsort(x)[:, :1] % 2, axis=0)),
    ("take_along_axis rows", lambda xp, x: xp.take_along_axis(x, xp.argsort(x)[:1, :] - 3)),
    ("tril", lambda xp, x: xp.tril(x)),
    ("triu", lambda xp, x: xp.triu(x, k=1)),
    ("meshgrid", lambda xp, x, y: xp.meshgrid(x[0, :], y[:, 0])[1]),
    ("meshgrid of a number", lambda xp, x, y: xp.meshgrid(x[0, :], y[0, 0])[1]),
    ("meshgrid ij", lambda xp, x, y: xp.meshgrid(x[0, :], y[:, 0], indexing="ij")[0]),
    ("asarray", lambda xp, x: xp.asarray(x, copy=True)),
    ("astype", lambda xp, x: xp.astype(x, x.dtype, copy=False)),
]
UNARY = """
    sign floor ceil round trunc isnan isinf isfinite signbit argmax argmin argsort count_nonzero
    zeros_like ones_like
"""
BINARY = "equal not_equal less less_equal greater greater_equal floor_divide"
NOT_OURS = {"broadcast_shapes", "isin"}  # these are in the standard of 2025.12
CREATION = {"eye", "full", "linspace", "asarray", "arange"}  # on the default device

CONSTANT: list[tuple[str, Callable[..., Any]]] = [
    *[(name, lambda xp, x, name=name: getattr(xp, name)(x)) for name in UNARY.split()],
    *[(name, lambda xp, x, y, name=name: getattr(xp, name)(x, y)) for name in BINARY.split()],
    ("all", lambda xp, x: xp.all(x > 0, axis=1)),
    ("any", lambda xp, x: xp.any(x > 0, axis=0, keepdims=True)),
    ("logical_not", lambda xp, x: xp.logical_not(x > 0)),
    ("logical_and", lambda xp, x, y: xp.logical_and(x > 0, y > 0)),
    ("searchsorted", lambda xp, x, y: xp.searchsorted(y[1, :], x[0, :])),
    ("full_like", lambda xp, x: xp.full_like(x, 2.0)),
    ("zeros", lambda xp, x: xp.zeros((2, 3), dtype=x.dtype, device=x.device)),
    ("eye", lambda xp, x: xp.eye(2, 3, k=1, dtype=x.dtype)),
    ("full", lambda xp, x: xp.full((2,), 0.5, dtype=x.dtype)),
    ("linspace", lambda xp, x: xp.linspace(0.0, 1.0, 5, dtype=x.dtype)),
    ("arange", lambda xp, x: xp.arange(1, 9, 2, dtype=x.dtype)),
    ("asarray", lambda xp, x: xp.asarray([1.0, 2.0], dtype=x.dtype)),
]


def ids(entry: Any) -> str:
    return entry if isinstance(entry, str) else ""


def inputs(backend: Backend, function: Callable[..., Any], dtype: str) -> list[Any]:
    named = function.__code__.co_varnames[1 : function.__code__.co_argcount]
    arrays = {"x": X, "y": Y}
    return [backend.asarray(arrays[name], dtype) for name in named if name in arrays]


@pytest.mark.parametrize(("name", "function"), DIFFERENTIABLE, ids=ids)
def test_value_and_gradient(
    backend: Backend, dtype: str, name: str, function: Callable[..., Any]
) -> None:
    raw = inputs(backend, function, dtype)
    nodes = [TensorNode(x) for x in raw]
    y = function(namespace(*nodes), *nodes)
    expected = function(backend.xp, *raw)
    assert isinstance(y, TensorNode)
    assert y.dtype == expected.dtype
    assert y.shape == tuple(expected.shape)
    expected = backend.to_numpy(expected)
    np.testing.assert_allclose(backend.to_numpy(y.value), expected, VALUE[dtype], VALUE[dtype])
    if name != "asarray":  # arrays in, arrays out
        again = function(array_api, *raw)
        assert isinstance(again, (*backend.array_types, *backend.scalar_types)), name
        np.testing.assert_allclose(backend.to_numpy(again), expected, VALUE[dtype], VALUE[dtype])

    w = np.random.default_rng(0).uniform(0.5, 1.5, expected.shape)
    Sum.do_forward(y * backend.asarray(w, dtype)).backward()
    reference = [backend.to_numpy(x).astype(np.float64) for x in raw]
    for k, x in enumerate(nodes):
        step = np.random.default_rng(k).uniform(-1e-6, 1e-6, x.shape)
        moved = [
            (function(get("numpy").xp, *reference[:k], reference[k] + d, *reference[k + 1 :]) * w)
            for d in (step, -step)
        ]
        slope = (backend.to_numpy(x.grad) * step).sum()
        assert slope == pytest.approx((moved[0] - moved[1]).sum() / 2, rel=1e-4, abs=1e-10)


@pytest.mark.parametrize(("name", "function"), CONSTANT, ids=ids)
def test_constants(backend: Backend, name: str, function: Callable[..., Any]) -> None:
    raw = inputs(backend, function, "float32")
    nodes = [TensorNode(x) for x in raw]
    y = function(namespace(*nodes), *nodes)
    assert isinstance(y, TensorNode), name
    assert not y.requires_grad
    if name in CREATION:
        expected = function(get("numpy").xp, *inputs(get("numpy"), function, "float32"))
    else:
        expected = backend.to_numpy(function(backend.xp, *raw))
    assert y.device == raw[0].device
    np.testing.assert_array_equal(backend.to_numpy(y.value), expected)


def test_new_arrays_are_where_the_default_backend_makes_them(backend: Backend) -> None:
    x = TensorNode(backend.asarray(X, "float32"))
    for xp in (namespace(x), array_api):
        made = xp.zeros((2,), dtype=xp.float32)
        assert isinstance(made.value, backend.array_types)
        assert made.device == x.device
        assert (x[0, :2] + made).dtype == x.dtype


def test_a_namespace_for_each_library() -> None:
    strict = TensorNode(get("strict").asarray(X, "float32"))
    numpy = TensorNode(get("numpy").asarray(X, "float32"))
    assert namespace(numpy) is namespace(numpy + 1.0) is not namespace(strict)
    with gradcore.use_backend("numpy"):
        assert isinstance(namespace(strict).ones(2).value, get("strict").array_types)
        assert isinstance(namespace(numpy).ones(2).value, np.ndarray)
        assert array_api.float32 is np.float32 or array_api.float32 == np.float32


def test_dtypes(backend: Backend) -> None:
    x = TensorNode(backend.asarray(X, "float32"))
    xp = namespace(x)
    assert xp.isdtype(x.dtype, kind="real floating")
    assert not xp.isdtype(xp.int32, ("bool", "real floating"))
    assert xp.float32 == x.dtype
    assert xp.result_type(x, xp.float32) == x.dtype
    assert xp.can_cast(x, xp.float64)
    assert xp.finfo(x.dtype).bits == 32
    assert xp.iinfo(xp.int16).max == 2**15 - 1
    assert (xp.newaxis, xp.__array_api_version__) == (None, "2025.12")
    assert (xp.e, xp.pi, xp.inf) == (np.e, np.pi, np.inf)
    assert np.isnan(xp.nan)
    assert xp.__array_namespace_info__().capabilities()


def test_isin_and_searchsorted_take_arrays_and_numbers(backend: Backend) -> None:
    raw = backend.asarray([[1, 2], [3, 2]])
    for x in (raw, TensorNode(raw)):
        some = backend.asarray([2, 5])
        found = [array_api.isin(x, some), array_api.isin(x, 2), array_api.isin(x, 2, invert=True)]
        assert all(type(y) is type(x) for y in found)
        plain = [backend.to_numpy(y.value if isinstance(y, TensorNode) else y) for y in found]
        assert [y.tolist() for y in plain] == [
            [[False, True], [False, True]], [[False, True], [False, True]],
            [[True, False], [True, False]],
        ]  # fmt: skip
        row = x[0, :]
        assert int(array_api.searchsorted(row, 2, side="right")) == 2
        assert array_api.searchsorted(row, 2).shape == ()
    assert bool(array_api.isin(2, TensorNode(some)))


def test_shapes_broadcast_as_numpys() -> None:
    for shapes in [(), ((),), ((3,),), ((3, 1), (4,)), ((1, 0), (2, 1, 1)), ((np.int64(2),), ())]:
        expected = np.broadcast_shapes(*shapes)
        assert array_api.broadcast_shapes(*shapes) == expected
        arrays = [np.zeros(shape) for shape in shapes]
        assert all(y.shape == expected for y in array_api.broadcast_arrays(*arrays))


def test_several_arrays_come_in_a_tuple() -> None:
    x = TensorNode(X)
    for found in (array_api.broadcast_arrays(x, x), array_api.meshgrid(x[0, :], x[0, :])):
        assert type(found) is tuple
        assert len(found) == 2
    assert array_api.meshgrid() == array_api.broadcast_arrays() == ()


@pytest.mark.parametrize("name", ["concatenate", "dot", "einsum"])
def test_names_that_people_look_for_are_in_each_namespace(name: str) -> None:
    function = getattr(gradcore, name)
    assert function is getattr(array_api, name) is getattr(namespace(TensorNode(X)), name)
    assert name in array_api.__all__
    assert name in gradcore.__all__


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ((), (3,)), ((2, 3), ()), ((3,), (3,)), ((2, 3), (3,)), ((2, 3), (3, 4)), ((3,), (3, 2)),
        ((5, 2, 3), (3,)), ((3,), (5, 3, 2)), ((2, 3), (4, 3, 2)), ((5, 2, 3), (4, 3, 2)),
    ],
)  # fmt: skip
def test_dot_is_numpys_and_has_gradients(one: Any, two: Any, backend: Backend) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=one), rng.normal(size=two)
    a, b = backend.asarray(x, "float32"), backend.asarray(y, "float32")
    for found in (array_api.dot(a, b), array_api.dot(TensorNode(a), b).value):
        np.testing.assert_allclose(backend.to_numpy(found), np.dot(x, y), rtol=1e-5, atol=1e-5)
    gradcore.check_gradients(array_api.dot, a, b)


def test_concatenate_takes_the_axis_where_numpy_has_it() -> None:
    found = array_api.concatenate([TensorNode(X), Y], 1)
    np.testing.assert_array_equal(found.value, np.concatenate([X, Y], 1))
    np.testing.assert_array_equal(array_api.concatenate([X, Y]), np.concatenate([X, Y]))
    gradcore.check_gradients(lambda x, y: array_api.concatenate((x, y), None), X, Y)


def test_unknown_names() -> None:
    assert not hasattr(array_api, "no_such_function")


def test_clip_at_its_bounds(backend: Backend) -> None:
    x = TensorNode(backend.asarray([-2.0, -1.0, 0.0, 1.0, 2.0]))
    Sum.do_forward(array_api.clip(x, -1.0, 1.0)).backward()
    np.testing.assert_array_equal(backend.to_numpy(x.grad), [0.0, 1.0, 1.0, 1.0, 0.0])


def test_clip_by_nan_is_nan(backend: Backend) -> None:
    nan, numbers = math.nan, [2.0, math.nan, -1.0]
    some = [nan, 0.0, 1.0]
    bounds = [(nan, None), (None, nan), (0.0, nan), (nan, 1.0), (None, some), (some, None)]
    for low, high in [*bounds, (0.0, some), (some, 3.0), (0.0, 1.0)]:
        x = TensorNode(backend.asarray(numbers))
        limits = [backend.asarray(b) if isinstance(b, list) else b for b in (low, high)]
        expected = np.clip(np.array(numbers), low, high)
        for given in (x, x.value):
            y = array_api.clip(given, *limits)
            y = y.value if given is x else y
            np.testing.assert_array_equal(backend.to_numpy(y), expected)


def test_new_arrays_of_nodes(backend: Backend) -> None:
    """An array made of a node has a gradient, or is refused."""
    a = TensorNode(backend.asarray(2.0))
    xp = namespace(a)
    total = Sum.do_forward(xp.asarray([a, 1.0, a]) * 2.0)
    total = total + Sum.do_forward(xp.full_like(backend.asarray(X, "float32"), a))
    total.backward()
    assert float(a.grad) == 2 * 2 + 6
    with pytest.raises(TypeError, match=r"^full makes constants.*broadcast_to"):
        xp.full((2,), a)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda x: array_api.repeat(x, x),
            TypeError,
            r"^repeat: .* float64 \(2, 3\), expected one",
        ),
        (lambda x: array_api.repeat(x, [1, 2], axis=1), TypeError, r"^repeat: .*\(2,\).* or 3"),
        (lambda x: array_api.repeat(x, [1, -2], axis=0), ValueError, "^repeat: .* -2"),
        (lambda x: array_api.take(x, [0]), ValueError, r"^take: .*\(2, 3\) needs an axis"),
        (lambda x: array_api.take_along_axis(x, x.value), TypeError, "^take_along_axis: .* integ"),
        (lambda x: array_api.take_along_axis(x, np.array([0])), ValueError, r"^take_al.*\(1,\)"),
        (lambda x: array_api.take_along_axis(x, np.array([[3]])), IndexError, "^take_al.* 3 .*-3"),
        (lambda x: array_api.cumulative_prod(x), ValueError, r"^cumulative_prod: .*\(2, 3\)"),
        (lambda x: array_api.repeat(x, 2, axis=2), IndexError, "^repeat: axis 2 .* 2 dim"),
        (lambda x: array_api.squeeze(x, (0, 1)), ValueError, r"^squeeze: .*\(2, 3\)"),
        (lambda x: array_api.expand_dims(x, axis=(0, 0)), ValueError, "^expand_dims: .* twice"),
        (lambda x: array_api.squeeze(x[:1, :], (0, -2)), ValueError, "^squeeze: .* twice"),
        (lambda x: array_api.flip(x, axis=(1, -1)), ValueError, r"^flip: axis \(1, -1\) .* twice"),
        (lambda x: array_api.flip(x, axis=-3), IndexError, "^flip: axis -3"),
        (lambda x: array_api.moveaxis(x, 2, 0), IndexError, "^moveaxis: axis 2"),
        (lambda x: array_api.cumulative_sum(x), ValueError, r"^cumulative_sum: .*\(2, 3\)"),
        (lambda x: array_api.astype(x, x.dtype, device="moon"), ValueError, "^astype: .* moon"),
        (lambda x: array_api.sum(x[0, 0], axis=-1), IndexError, "^Sum: axis -1 .* 0 dimensions"),
        (lambda x: array_api.cumulative_sum(x[0, 0], axis=0), IndexError, "^cumulative_sum: ax"),
        (lambda x: array_api.take(x, [0], axis=2), IndexError, "^Take: axis 2 .* 2 dimensions"),
        (
            lambda x: array_api.take_along_axis(x, np.zeros((2, 3), int), axis=None),
            TypeError,
            "^take_along_axis: axis is None, expected an integer",
        ),
        (
            lambda x: array_api.take_along_axis(x, np.zeros((2, 3), int), axis=2),
            IndexError,
            "^take_along_axis: axis 2 .* 2 dimensions",
        ),
        (
            lambda x: array_api.sort(x, axis=None),
            TypeError,
            "^sort: axis is None, expected an integer",
        ),
        (lambda x: array_api.sort(x, axis=2), IndexError, "^sort: axis 2 .* 2 dimensions"),
        (lambda x: array_api.argmax(x, axis=2), ValueError, r"^argmax: .*2.*float64 \(2, 3\)"),
        (lambda x: x & x, TypeError, r"^bitwise_and: .*float64 \(2, 3\)"),
        (lambda x: array_api.clip(x, x[:, :2]), ValueError, r"^less: .*\(2, 2\)"),
        (lambda x: array_api.broadcast_arrays(x, x[:, :2]), ValueError, r"^broadcast_arr.*\(2, 2"),
        (
            lambda _: array_api.broadcast_shapes((2, 3), (2,)),
            ValueError,
            r"^broadcast_shapes: shapes \(2, 3\) and \(2,\)",
        ),
        (lambda x: array_api.dot(x, x), ValueError, r"^MatrixMultiply: .*\(2, 3\)"),
        (lambda x: array_api.permute_dims(x, (0,)), ValueError, r"^Transpose: .*\(2, 3\)"),
        (lambda x: x[0, :].mT, ValueError, r"^matrix_transpose: .*\(3,\), expected matrices"),
        (lambda x: array_api.tril(x[0, :]), ValueError, r"^tril: .*\(3,\), expected matrices"),
        (lambda _: array_api.stack([]), ValueError, "^Concat: no arrays"),
        (lambda x: array_api.moveaxis(x, (0, 1), (0,)), ValueError, r"^moveaxis: .*\(0, 1\)"),
        (lambda x: array_api.moveaxis(x, (0, 1), (0, -2)), ValueError, "^moveaxis: .* twice"),
        (lambda x: array_api.meshgrid(x), ValueError, r"^meshgrid: .*\(2, 3\), expected vectors"),
        (lambda x: array_api.meshgrid(x[0, :], indexing="i"), ValueError, "^meshgrid: .*'xy'"),
        (lambda x: array_api.diff(x, n=-1), ValueError, "^diff: n = -1"),
        (lambda x: array_api.flip(x, axis=(1, -1)), ValueError, r"^flip: .*\(1, -1\).* twice"),
        (lambda x: array_api.squeeze(x[None], (0, -3)), ValueError, r"^squeeze: .* twice"),
        (lambda x: array_api.expand_dims(x, (0, 0)), ValueError, r"^expand_dims: .* twice"),
        (lambda x: array_api.sum(x, axis=(1, -1)), ValueError, r"^Sum: .*\(2, 3\)"),
        (lambda x: array_api.var(x, axis=(1, -1)), ValueError, r"^Var: .* twice"),
        (
            lambda x: array_api.tensordot(x, x, axes=((0, 0), (0, 0))),
            ValueError,
            r"^tensordot: .* twice",
        ),
        (lambda x: array_api.reshape(x.mT, (6,), copy=False), ValueError, "^reshape: .*(3, 2)"),
    ],
)
def test_refusals(call: Callable[..., Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call(TensorNode(X))


def test_diff_of_few(backend: Backend) -> None:
    """The result is empty once there are no neighbours left."""
    for n, times in ((0, 1), (1, 1), (1, 3), (3, 2), (3, 5)):
        x = TensorNode(backend.asarray(np.arange(2.0 * n).reshape(2, n), "float32"))
        assert array_api.diff(x, n=times).shape == (2, max(n - times, 0))


def test_differences_of_order_zero_are_x_without_what_was_to_go_around_it(backend: Backend) -> None:
    x = TensorNode(backend.asarray([1.0, 2.0]))
    y = array_api.diff(x, n=0, prepend=x[:1], append=x[:1])
    assert backend.to_numpy(y.value).tolist() == [1.0, 2.0]


def test_triangles_keep_the_dtype(backend: Backend) -> None:
    for dtype in ("bool", "int8", "float32"):
        x = TensorNode(backend.asarray(np.ones((2, 3)), dtype))
        for name in ("tril", "triu"):
            y = getattr(array_api, name)(x)
            assert y.dtype == x.dtype
            expected = getattr(np, name)(np.ones((2, 3)))
            np.testing.assert_array_equal(backend.to_numpy(y.value), expected)


def test_reshape_without_a_copy(backend: Backend) -> None:
    x = TensorNode(backend.asarray(X, "float32"))
    assert array_api.reshape(x, (3, 2), copy=False).shape == (3, 2)


def test_repeat_counts_need_no_repeat_of_arrays(backend: Backend, monkeypatch: Any) -> None:
    """CuPy has none."""
    monkeypatch.delattr(backend.xp, "repeat")
    x = TensorNode(backend.asarray(X[0], "float32"))
    for counts in ([2, 0, 1], [0, 0, 0], [3]):
        y = array_api.repeat(x, backend.asarray(np.array(counts, np.uint8)))
        np.testing.assert_array_equal(
            backend.to_numpy(y.value), np.repeat(X[0], counts).astype("float32")
        )
    assert array_api.repeat(x[:0], backend.asarray(np.zeros(0, np.int64))).shape == (0,)


def test_float16_means(backend: Backend) -> None:
    if not hasattr(backend.xp, "float16"):
        pytest.skip("no float16")
    x = TensorNode(backend.asarray(np.full(100_000, 2.0), "float16"))
    y = namespace(x).mean(x)
    y.backward()
    assert float(y) == 2.0
    assert float(x.grad[0]) == pytest.approx(1e-5, rel=0.01)


# -- As the standard has it -------------------------------------------------------------------


def test_signatures_and_descriptions() -> None:
    """Each function takes what the strict library's takes, by the same names."""
    strict = get("strict").xp
    others = {*NOT_OURS, *OF_A_BACKEND}
    checked = 0
    pairs = [(strict, name, array_api) for name in strict.__all__]
    pairs += [(strict.linalg, name, array_api.linalg) for name in strict.linalg.__all__]
    for theirs, name, module in pairs:
        function, ours = getattr(theirs, name), getattr(module, name, None)
        if not inspect.isfunction(function) or "flags" in name or name in others:
            continue
        assert ours is not None, name
        assert ours.__name__ == name
        assert ours.__doc__, name
        found, expected = (inspect.signature(f).parameters.values() for f in (ours, function))
        places = [(p.kind, p.name) for p in found]
        for i, p in enumerate(expected):
            if p.kind is p.POSITIONAL_ONLY:
                assert places[i][0] is p.kind, f"{name}: {p}"
            elif p.kind is p.KEYWORD_ONLY:
                kinds = [kind for kind, its_name in places if its_name == p.name]
                assert kinds, f"{name}: {p}"  # an axis may also be given without its name
                assert kinds[0] in (p.kind, p.POSITIONAL_OR_KEYWORD), f"{name}: {p}"
            else:
                assert places[i] == (p.kind, p.name), f"{name}: {p}"
        checked += 1
    assert checked > 120


def test_complex_numbers(backend: Backend) -> None:
    """They have the functions of the standard."""
    if not hasattr(backend.xp, "complex64"):
        pytest.skip("no complex64")
    z = TensorNode(backend.asarray(np.array([3 + 4j, -1j], np.complex64)))
    xp = namespace(z)
    assert z.requires_grad
    for y, expected in (
        (xp.real(z), [3, 0]),
        (xp.imag(z), [4, -1]),
        (xp.conj(z), [3 - 4j, 1j]),
        (xp.abs(z), [5, 1]),
        (z * (1 + 2j), [-5 + 10j, 2 - 1j]),
        (xp.full_like(z, 2j), [2j, 2j]),
        (xp.vecdot(z, z), 26),
        (xp.linalg.vector_norm(z), 26**0.5),
    ):
        np.testing.assert_allclose(backend.to_numpy(y.value), expected, 1e-6)
    assert complex(z.value[0]) == complex(z[0]) == 3 + 4j
    x = TensorNode(backend.asarray([2.0]))
    (xp.real(x) + 2 * xp.conj(x) + xp.imag(x)).backward()
    assert float(x.grad[0]) == 3.0


def test_complex_numbers_made_of_what_is_differentiated_have_its_gradient() -> None:
    """The gradients of the parts of a complex result, by a real number, are real."""
    x = np.array(-2.0)
    assert gradcore.grad(lambda x: abs(x * 1j))(x) == -1.0
    slope = gradcore.grad(lambda x: array_api.real(array_api.exp(1j * x)))(x)
    np.testing.assert_allclose(slope, -np.sin(x))


@pytest.mark.parametrize("name", ["sum", "prod", "cumulative_sum", "cumulative_prod"])
def test_a_dtype_that_is_asked_for(backend: Backend, name: str) -> None:
    for given, asked in (("uint8", "uint8"), ("int8", "int16"), ("int32", "float32")):
        x = TensorNode(backend.asarray(np.array([3, 2]), given))
        y = getattr(array_api, name)(x, dtype=backend.dtype(asked))
        assert y.dtype == backend.dtype(asked)


def test_its_functions_can_be_pickled() -> None:
    for name in FUNCTIONS:
        function = getattr(array_api, name)
        assert pickle.loads(pickle.dumps(function)) is function


@pytest.mark.parametrize("name", ["asarray", "astype", "positive", "reshape"])
def test_a_copy_of_an_array_has_memory_of_its_own(name: str) -> None:
    x = X.copy()
    copy = {
        "asarray": lambda x: namespace(TensorNode(x)).asarray(x, copy=True),
        "astype": lambda x: array_api.astype(x, x.dtype, copy=True),
        "positive": array_api.positive,
        "reshape": lambda x: array_api.reshape(x, (6,), copy=True),
    }[name]
    copy(x)[...] = 0.0
    np.testing.assert_array_equal(x, X)
    assert not np.shares_memory(copy(TensorNode(x)).value, x)


def test_asarray_brings_numpys_array_to_the_default_device_whatever_ran_before() -> None:
    TensorNode(X)  # from now on the type of NumPy's arrays is a known one
    with gradcore.use_backend("strict") as backend:
        assert gradcore.asarray(X).device == backend.device
        elsewhere = backend.xp.asarray(X, device=backend.xp.Device("CPU_DEVICE"))
        assert gradcore.asarray(elsewhere).device == elsewhere.device
