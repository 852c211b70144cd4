"""gradcore.linalg, tensordot and vecdot, against NumPy and PyTorch. The op table has the ops."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import array_api_strict
import numpy as np
import pytest

import gradcore
from gradcore import Sum, TensorNode, array_api, check_gradients, namespace
from gradcore.array_api import linalg
from gradcore.backends import Backend, get

VALUE = {"float32": 5e-6, "float64": 1e-12}
INF = math.inf

rng = np.random.default_rng(0)
V, W = rng.uniform(-1.0, 1.0, (2, 3))
X = rng.uniform(-1.0, 1.0, (2, 3, 3)) + 2.0 * np.diag([1.0, 2.0, 3.0])
Y = rng.uniform(-1.0, 1.0, (2, 3, 3))
S = X + X.mT
Z = ((rng.permutation(18) + 3.0) * rng.choice([-0.1, 0.1], 18)).reshape(2, 3, 3)  # far from 0
TALL = rng.uniform(0.5, 1.0, (2, 4, 3)) * rng.choice([-1, 1], (2, 4, 3)) * [1.0, 2.0, 3.0]
TALL *= np.array([[1.0], [1.5], [2.0], [2.5]])  # no two columns or rows of the same norm
TALL += 4.0 * np.eye(4, 3)
WIDE = TALL.mT.copy()

# Calls of NumPy's and gradcore's linalg, and torch's where torch spells them otherwise.
FUNCTIONS: list[tuple[str, Callable[..., Any], list[Any], Any]] = [
    ("inv", lambda la, x: la.inv(x), [X], "same"),
    ("det", lambda la, x: la.det(x), [X], "same"),
    ("slogdet", lambda la, x: la.slogdet(-x).logabsdet, [X], "same"),
    ("solve", lambda la, x, y: la.solve(x, y), [X, Y], "same"),
    ("solve vector", lambda la, x, y: la.solve(x, y), [X, V], "same"),
    ("solve one", lambda la, x, y: la.solve(x, y), [X[0], Y], "same"),
    ("pinv", lambda la, x: la.pinv(x), [TALL], "same"),
    ("pinv wide", lambda la, x: la.pinv(x, rtol=1e-3), [WIDE], "same"),
    ("matrix_power", lambda la, x: la.matrix_power(x, 1), [X], "same"),
    ("matrix_power 6", lambda la, x: la.matrix_power(x, 6), [X / 4], "same"),
    ("matrix_power -3", lambda la, x: la.matrix_power(x, -3), [X], "same"),
    ("cholesky", lambda la, x: la.cholesky(x), [S], "same"),
    ("cholesky upper", lambda la, x: la.cholesky(x, upper=True), [S], "same"),
    ("eigvalsh", lambda la, x: la.eigvalsh(x), [S], "same"),
    ("eigh", lambda la, x: la.eigh((x + x.mT) / 2)[1] ** 2, [S], "same"),
    ("svdvals", lambda la, x: la.svdvals(x), [WIDE], "same"),
    ("svd", lambda la, x: la.svd(x, full_matrices=False).U ** 2, [TALL], "same"),
    ("svd square", lambda la, x: la.svd(x).Vh ** 2, [X], "same"),
    ("qr", lambda la, x: la.qr(x).Q ** 2, [TALL], "same"),
    ("qr R", lambda la, x: la.qr(x).R ** 2, [TALL], "same"),
    ("qr wide", lambda la, x: la.qr(x).R ** 2, [WIDE], "same"),
    ("qr wide complete", lambda la, x: la.qr(x, mode="complete").R ** 2, [WIDE], "same"),
    ("cross", lambda la, x, y: la.cross(x, y), [X, Y], "same"),
    ("cross broadcast", lambda la, x, y: la.cross(x, y, axis=-2), [X, V[:, None]], None),
    ("diagonal", lambda la, x: la.diagonal(x), [TALL], "same"),
    ("diagonal above", lambda la, x: la.diagonal(x, offset=2), [TALL], "same"),
    ("diagonal below", lambda la, x: la.diagonal(x, offset=-2), [WIDE], "same"),
    ("diagonal outside", lambda la, x: la.diagonal(x, offset=3), [TALL], "same"),
    ("trace", lambda la, x: la.trace(x), [TALL], None),
    ("trace above", lambda la, x: la.trace(x, offset=1, dtype=x.dtype), [WIDE], None),
    ("outer", lambda la, x, y: la.outer(x, y), [V, W[:2]], None),
    ("matmul", lambda la, x, y: la.matmul(x, y), [TALL, Y[0]], "same"),
    ("matrix_transpose", lambda la, x: la.matrix_transpose(x), [TALL], None),
    ("tensordot", lambda la, x, y: la.tensordot(x, y), [Y, Y[0]], None),
    ("tensordot 1", lambda la, x, y: la.tensordot(x, y, axes=1), [TALL, Y[0]], None),
    ("tensordot 0", lambda la, x, y: la.tensordot(x, y, axes=0), [V, W], None),
    (
        "tensordot axes",
        lambda la, x, y: la.tensordot(x, y, axes=([0, -1], [0, 1])),
        [TALL, Y],
        None,
    ),
    ("vecdot", lambda la, x, y: la.vecdot(x, y), [X, V], "same"),
    ("vecdot axis", lambda la, x, y: la.vecdot(x, y, axis=-2), [X, Y], None),
    *[
        (f"vector_norm {p}", lambda la, x, p=p: la.vector_norm(x, ord=p, axis=-1), [Z], None)
        for p in (1, 2, 3, 0.5, -1, -2.5, INF, -INF)
    ],
    ("vector_norm all", lambda la, x: la.vector_norm(x, keepdims=True), [Y], "same"),
    ("vector_norm axes", lambda la, x: la.vector_norm(x, axis=(0, 2), ord=4), [Y], None),
    *[
        (f"matrix_norm {p}", lambda la, x, p=p: la.matrix_norm(x, ord=p, keepdims=True), [x], None)
        for p in ("fro", "nuc", 1, -1, 2, -2, INF, -INF)
        for x in (TALL, WIDE)
    ],
    ("norm", lambda la, x: la.norm(x), [Y], "same"),
    ("norm keepdims", lambda la, x: la.norm(x, keepdims=True), [Y], None),
    ("norm of a vector", lambda la, x: la.norm(x, 3), [V], "same"),
    ("norm of a matrix", lambda la, x: la.norm(x, "nuc"), [Y[0]], "same"),
    ("norm axis", lambda la, x: la.norm(x, axis=1, keepdims=True), [Y], None),
    ("norm axes", lambda la, x: la.norm(x, INF, axis=(2, 0)), [TALL], None),
    ("norm axes keepdims", lambda la, x: la.norm(x, 2, (-1, 0), True), [TALL], None),
    ("norm axes fro", lambda la, x: la.norm(x, axis=(0, 1)), [TALL], None),
]
NAMES = [f[0] for f in FUNCTIONS]
IN_TORCH = [f for f in FUNCTIONS if f[3]]
every_function = pytest.mark.parametrize(
    ("function", "inputs"), [f[1:3] for f in FUNCTIONS], ids=NAMES
)


@every_function
def test_value(
    backend: Backend, dtype: str, function: Callable[..., Any], inputs: list[Any]
) -> None:
    expected = function(get("numpy").xp.linalg, *inputs)
    raw = [backend.asarray(x, dtype) for x in inputs]
    y = function(linalg, *map(TensorNode, raw))
    assert isinstance(y, TensorNode)
    assert y.dtype == raw[0].dtype
    assert y.device == raw[0].device
    again = function(linalg, *raw)  # arrays in, arrays out
    assert isinstance(again, (*backend.array_types, *backend.scalar_types))
    for found in (y.value, again):
        found = backend.to_numpy(found)
        assert found.shape == np.shape(expected)
        np.testing.assert_allclose(found, expected, VALUE[dtype], VALUE[dtype])


@every_function
def test_gradients(backend: Backend, function: Callable[..., Any], inputs: list[Any]) -> None:
    xs = [backend.asarray(x, "float32") for x in inputs]
    check_gradients(lambda *nodes: function(linalg, *nodes), *xs, order=2)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(
    ("function", "inputs", "in_torch"), [f[1:] for f in IN_TORCH], ids=[f[0] for f in IN_TORCH]
)
def test_against_torch(
    precision: str, function: Callable[..., Any], inputs: list[Any], in_torch: Any
) -> None:
    torch = pytest.importorskip("torch")
    given = [x.astype(precision) for x in inputs]
    tensors = [torch.tensor(x, requires_grad=True) for x in given]
    expected = (function if in_torch == "same" else in_torch)(torch.linalg, *tensors)
    nodes = [TensorNode(x) for x in given]
    y = function(linalg, *nodes)
    w = np.random.default_rng(1).uniform(0.5, 1.5, y.shape).astype(precision)
    (expected * torch.tensor(w)).sum().backward()
    Sum.do_forward(y * w).backward()
    tolerance = {"float32": 1e-4, "float64": 1e-11}[precision]
    np.testing.assert_allclose(y.value, expected.detach().numpy(), tolerance, tolerance)
    for x, tensor in zip(nodes, tensors, strict=True):
        np.testing.assert_allclose(x.grad, tensor.grad.numpy(), tolerance, tolerance)


# -- The namespace ----------------------------------------------------------------------------


def test_it_is_the_extension_of_every_namespace(backend: Backend) -> None:
    x = TensorNode(backend.asarray(X, "float32"))
    assert namespace(x).linalg is array_api.linalg is gradcore.linalg
    assert (namespace(x).tensordot, namespace(x).vecdot) == (linalg.tensordot, linalg.vecdot)


def test_it_has_the_standards_functions_and_signatures() -> None:
    names = set(array_api_strict.linalg.__all__)
    assert names | {"norm"} == set(linalg.__all__)
    for name in names:
        ours = [*inspect.signature(getattr(linalg, name)).parameters.values()]
        if ours[0].kind is inspect.Parameter.VAR_POSITIONAL:  # the op itself
            continue
        theirs = [*inspect.signature(getattr(array_api_strict.linalg, name)).parameters.values()]
        expected = [(p.name, p.kind, p.default) for p in theirs]
        assert [(p.name, p.kind, p.default) for p in ours] == expected, name


def test_named_results() -> None:
    x = TensorNode(X)
    assert linalg.eigh(x)._fields == ("eigenvalues", "eigenvectors")
    assert linalg.qr(x)._fields == ("Q", "R")
    assert linalg.slogdet(x)._fields == ("sign", "logabsdet")
    assert linalg.svd(x)._fields == ("U", "S", "Vh")


# -- Where there is no gradient, or it is a matter of choice ----------------------------------


@pytest.mark.parametrize("p", [1, 2, 3, 1.5, 0.5, -1, -2, INF, -INF])
@pytest.mark.parametrize("values", [[0.0, 0.0, 0.0], [0.0, 3.0, -4.0]])
def test_norms_of_zeros(backend: Backend, p: float, values: list[float]) -> None:
    x = TensorNode(backend.asarray(values))
    y = linalg.vector_norm(x, ord=p)
    with np.errstate(divide="ignore"):
        assert float(y) == pytest.approx(np.linalg.norm(values, p))
    y.backward(create_graph=True)
    gradient = x.grad
    assert float(gradient[0]) == 0.0
    y.zero_grad()
    if gradient.requires_grad:
        Sum.do_forward(gradient).backward()
    both = [backend.to_numpy(g) for g in (gradient.value, x.grad)]
    assert np.isfinite(both).all()


def test_norms_of_nothing(backend: Backend) -> None:
    """They are 0, but for the smallest of nothing, which does not exist."""
    for p in (0, 1, 2, 3, INF):
        for shape, axis in (((0,), None), ((2, 0), 1), ((2, 0), None), ((0, 2), 0)):
            x = backend.asarray(np.zeros(shape), "float32")
            y = backend.to_numpy(linalg.vector_norm(x, axis=axis, ord=p))
            assert y.tolist() == np.zeros(2 if axis is not None else ()).tolist()
    for p in ("fro", "nuc", 1, 2, INF):
        for shape in ((0, 3), (3, 0), (2, 0, 3), (0, 2, 2)):
            x = TensorNode(backend.asarray(np.zeros(shape), "float32"))
            y = linalg.matrix_norm(x, ord=p)
            assert backend.to_numpy(y.value).tolist() == np.zeros(shape[:-2]).tolist()
            Sum.do_forward(y).backward()
            assert x.grad.shape == shape
    with pytest.raises(ValueError, match=r"^Min: "):
        linalg.vector_norm(TensorNode(backend.asarray(np.zeros(0), "float32")), ord=-INF)


def test_zeroth_norm(backend: Backend) -> None:
    x = TensorNode(backend.asarray([[0.0, 2.0], [1.0, -3.0]]))
    y = linalg.vector_norm(x, ord=0, axis=1)
    assert backend.to_numpy(y.value).tolist() == [1.0, 2.0]
    assert not y.requires_grad


@pytest.mark.parametrize("p", ["fro", "nuc", 1, -1, 2, -2, INF, -INF])
def test_norms_of_zero_matrices(backend: Backend, p: Any) -> None:
    x = TensorNode(backend.asarray(np.zeros((2, 3)), "float32"))
    y = linalg.norm(x, p)
    y.backward()
    assert float(y) == 0.0
    assert backend.to_numpy(x.grad).tolist() == np.zeros((2, 3)).tolist()


def test_nuclear_norm_where_singular_values_are_equal(backend: Backend) -> None:
    x = TensorNode(backend.asarray(np.eye(3), "float32"))
    linalg.matrix_norm(x, ord="nuc").backward()
    np.testing.assert_allclose(backend.to_numpy(x.grad), np.eye(3), atol=1e-6)


def test_eigenvectors_of_equal_eigenvalues_have_no_gradient() -> None:
    x = TensorNode(np.eye(2))
    with np.errstate(divide="ignore", invalid="ignore"):
        Sum.do_forward(linalg.eigh(x).eigenvectors).backward()
    assert not np.isfinite(x.grad).all()


@pytest.mark.parametrize("order", [3, 4])
def test_third_and_fourth_derivatives(order: int) -> None:
    check_gradients(linalg.det, X[0], order=order)
    check_gradients(linalg.inv, X[0], order=order)
    check_gradients(linalg.cholesky, S[0], order=order)


def test_symmetric_gradients() -> None:
    for function in (linalg.cholesky, linalg.eigvalsh, lambda x: linalg.eigh(x).eigenvectors):
        x = TensorNode(S)
        y = function(x)
        Sum.do_forward(y * np.arange(y.size, dtype=float).reshape(y.shape)).backward()
        np.testing.assert_allclose(x.grad, x.grad.mT, 1e-12, 1e-12)


def test_full_matrices(backend: Backend) -> None:
    """They have values; gradients only where all of them is determined."""
    for raw, wide in ((TALL, False), (WIDE, True)):
        x = TensorNode(backend.asarray(raw, "float32"))
        u, s, vh = linalg.svd(x)
        m, n = raw.shape[-2:]
        assert (u.shape, s.shape, vh.shape) == ((2, m, m), (2, 3), (2, n, n))
        with pytest.raises(ValueError, match=r"^SVD: .*full_matrices=False"):
            Sum.do_forward(vh if wide else u).backward()
    q, r = linalg.qr(TensorNode(backend.asarray(TALL, "float32")), mode="complete")
    assert (q.shape, r.shape) == ((2, 4, 4), (2, 4, 3))
    with pytest.raises(ValueError, match=r"^QR: the complete Q of matrices \(4, 3\).*reduced"):
        Sum.do_forward(q).backward()


def test_matrix_rank(backend: Backend) -> None:
    x = np.stack([np.diag([3.0, 2.0, 1.0]), np.ones((3, 3)), np.zeros((3, 3))])
    given = TensorNode(backend.asarray(x, "float32"))
    rank = linalg.matrix_rank(given)
    assert backend.to_numpy(rank.value).tolist() == [3, 1, 0]
    assert not rank.requires_grad
    assert backend.to_numpy(linalg.matrix_rank(given.value, rtol=0.5)).tolist() == [2, 1, 0]
    each = backend.asarray([0.1, 2.0, 0.1], "float32")
    assert backend.to_numpy(linalg.matrix_rank(given, rtol=each).value).tolist() == [3, 0, 0]


def test_arrays_of_another_backend_than_the_default() -> None:
    x = get("strict").asarray(np.eye(2, 3), "float32")
    with gradcore.use_backend("numpy"):
        for given in (x, TensorNode(x)):
            assert int(linalg.matrix_rank(given)) == 2
            assert float(linalg.norm(given, "nuc")) == pytest.approx(2.0)
            assert namespace(given).linalg.pinv(given).shape == (3, 2)


def test_zeroth_power(backend: Backend) -> None:
    y = linalg.matrix_power(TensorNode(backend.asarray(X, "float32")), 0)
    assert backend.to_numpy(y.value).tolist() == [np.eye(3).tolist()] * 2
    assert not y.requires_grad


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: linalg.matrix_power(x, 2), r"^matrix_power: .*\(2, 3\); expected square"),
        (lambda x: linalg.diagonal(x[0, :]), r"^diagonal: .*\(3,\); expected matrices"),
        (lambda x: linalg.matrix_norm(x[0, :]), r"^matrix_norm: .*\(3,\); expected matrices"),
        (lambda x: linalg.matrix_norm(x, ord=3), "^matrix_norm: ord is 3, expected 'fro'"),
        (lambda x: linalg.vector_norm(x, ord="fro"), "^vector_norm: ord is 'fro'.*matrix_norm"),
        (lambda x: linalg.norm(x[None, ...], 2), r"^norm: axes \(0, 1, 2\).*one or two"),
        (lambda x: linalg.qr(x, mode="r"), "^qr: mode is 'r', expected 'reduced' or 'complete'"),
        (lambda x: linalg.outer(x, x), r"^outer: \(2, 3\) and \(2, 3\); expected two vectors"),
        (lambda x: linalg.cross(x, x, axis=-2), r"^cross: .*axis -2; expected 3 elements"),
        (lambda x: linalg.cross(x, x, axis=1), r"^cross: .*axis 1; .*negative"),
        (lambda x: linalg.tensordot(x, x, axes=1), r"^tensordot: axes \[1\] .* \[0\].*differ"),
        (lambda x: linalg.tensordot(x, x, axes=3), r"^tensordot: \(2, 3\) .*not 3 axes"),
        (lambda x: linalg.vecdot(x, x[:, :2]), r"^vecdot: \(2, 3\) and \(2, 2\) differ"),
    ],
)
def test_refusals(call: Callable[..., Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call(TensorNode(np.arange(6.0).reshape(2, 3)))


def test_other_refusals() -> None:
    with pytest.raises(TypeError, match=r"^matrix_power: n must be an integer, not float"):
        linalg.matrix_power(TensorNode(X), 0.5)
    with pytest.raises(IndexError, match=r"^vecdot: axis 0 .*negative"):
        linalg.vecdot(TensorNode(X), V, axis=0)
    with pytest.raises(ValueError, match=r"^Inverse: .*ingular.*\(2, 2\)"):
        linalg.inv(TensorNode(np.ones((2, 2))))
    with pytest.raises(ValueError, match=r"^Cholesky: .*positive definite"):
        linalg.cholesky(TensorNode(-np.eye(2)))


def test_pinv_with_a_tolerance_for_each_matrix(backend: Backend) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 2)).astype("float32")
    expected = np.linalg.pinv(x, rtol=np.array([1e-3, 0.9]))
    for rtol in ([1e-3, 0.9], backend.asarray([1e-3, 0.9], "float32")):
        y = linalg.pinv(TensorNode(backend.asarray(x)), rtol=rtol)
        np.testing.assert_allclose(backend.to_numpy(y.value), expected, 1e-4, 1e-5)
