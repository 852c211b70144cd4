"""gradcore.linalg, tensordot and vecdot, against NumPy and PyTorch. The op table has the ops."""

from __future__ import annotations

import inspect
import itertools
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
    more = {*linalg.equations.__all__, *linalg.matrices.__all__}  # those of torch.linalg
    assert names | {"eig", "eigvals", "norm"} | more == set(linalg.__all__)
    for name in names:
        ours = [*inspect.signature(getattr(linalg, name)).parameters.values()]
        if ours[0].kind is inspect.Parameter.VAR_POSITIONAL:  # the op itself
            continue
        theirs = [*inspect.signature(getattr(array_api_strict.linalg, name)).parameters.values()]
        expected = [(p.name, p.kind, p.default) for p in theirs]
        found = [(p.name, p.kind, p.default) for p in ours]
        found = [p for p in found if p[0] not in ("atol", "hermitian")]  # PyTorch's
        assert found == expected, name


def test_named_results() -> None:
    x = TensorNode(X)
    assert linalg.eig(x)._fields == linalg.eigh(x)._fields == ("eigenvalues", "eigenvectors")
    assert linalg.qr(x)._fields == ("Q", "R")
    assert linalg.slogdet(x)._fields == ("sign", "logabsdet")
    assert linalg.svd(x)._fields == ("U", "S", "Vh")


# -- Where there is no gradient, or it is a matter of choice ----------------------------------


@pytest.mark.parametrize("p", [1, 2, 3, 1.5, 0.5, -1, -2, INF, -INF])
@pytest.mark.parametrize("values", [[0.0, 0.0, 0.0], [0.0, 3.0, -4.0]])
def test_norms_of_zeros(backend: Backend, p: float, values: list[float]) -> None:
    """Gradients are 0. Second derivatives do not exist at the kink of a norm that is round, nor
    those of |x|^1.5; and the norms of no round balls are linear."""
    x = TensorNode(backend.asarray(values))
    y = linalg.vector_norm(x, ord=p)
    with np.errstate(divide="ignore"):
        assert float(y) == pytest.approx(np.linalg.norm(values, p))
    y.backward(create_graph=True)
    gradient = x.grad
    assert float(gradient[0]) == 0.0
    assert np.isfinite(backend.to_numpy(gradient.value)).all()
    y.zero_grad()
    if gradient.requires_grad:
        with np.errstate(divide="ignore", invalid="ignore"):
            Sum.do_forward(gradient).backward()
    smooth = [values[1] != 0.0 or p in (1, INF, -INF)] * 3
    smooth[0] = smooth[0] and p != 1.5
    assert np.isfinite(backend.to_numpy(x.grad)).tolist() == smooth


def test_the_square_of_a_norm_or_deviation_has_no_second_derivative_at_its_kink(
    backend: Backend, dtype: str
) -> None:
    """It has: 2 I, or none for other norms. But this does not follow from the norm's, so it is NaN,
    and not a wrong number. Other vectors of the same array keep theirs."""
    functions: list[Callable[[Any], Any]] = [
        lambda x: linalg.vector_norm(x, axis=-1),
        lambda x: linalg.vector_norm(x, axis=-1, ord=3),
        lambda x: array_api.std(x, axis=-1) * math.sqrt(2.0),
    ]
    for function, i in itertools.product(functions, range(2)):
        x = backend.asarray([[0.0, 0.0], [-1.0, 1.0]], dtype)

        def squares(x: Any, function: Callable[[Any], Any] = function) -> Any:
            return Sum.do_forward(function(x) ** 2)

        found = backend.to_numpy(gradcore.hessian(squares)(x)[i, ...])
        assert np.isnan(found[:, 0, :]).all() == (i == 0)
        assert np.isfinite(found[:, 1, :]).all()


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


# -- Matrices whose eigenvalues or singular values coincide, or are 0 --------------------------

rotation = np.random.default_rng(5)
P4, P5, P3 = (np.linalg.qr(rotation.normal(size=(n, n)))[0] for n in (4, 5, 3))
C = rotation.normal(size=5)


def of_values(values: list[float], left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """A matrix with these singular values; or eigenvalues, if left and right are the same."""
    m, n = len(left), len(right)
    diagonal = np.zeros((m, n))
    np.fill_diagonal(diagonal, values[: min(m, n)])
    return left @ diagonal @ right.T


def _spectral(x: Any, function: Callable[[Any], Any]) -> Any:
    """The function of a symmetric matrix, by that of the eigenvalues."""
    w, v = linalg.eigh(x)
    return linalg.matmul(v * function(w), linalg.matrix_transpose(v))


def dot(vector: Any, weights: np.ndarray) -> Any:
    """The product of a vector and the first of the weights, squared: the same for -vector."""
    xp = namespace(vector)
    c = weights[: vector.shape[0]].tolist()
    return xp.sum(vector * xp.asarray(c, dtype=vector.dtype, device=vector.device)) ** 2


OF_SYMMETRIC: dict[str, Callable[[Any], Any]] = {
    "an eigenvalue": lambda x: linalg.eigvalsh(x)[-1] ** 3,
    "an eigenvalue of eigh": lambda x: linalg.eigh(x).eigenvalues[-1] ** 2,
    "their sum": lambda x: array_api.sum(linalg.eigvalsh(x)),
    "an eigenvector": lambda x: dot(linalg.eigh(x).eigenvectors[:, -1], C),
    "both": lambda x: dot(linalg.eigh(x)[1][:, -1], C) * linalg.eigh(x)[0][-1],
}
OF_ANY: dict[str, Callable[[Any], Any]] = {
    "a singular value": lambda x: linalg.svdvals(x)[0] ** 3,
    "a singular value of full matrices": lambda x: linalg.svd(x).S[0] ** 2,
    "singular vectors": lambda x: dot(
        linalg.svd(x, full_matrices=False).U[:, 0] * linalg.svd(x)[1][0], C
    ),
    "both sides": lambda x: (
        dot(linalg.svd(x, full_matrices=False).U[:, 0], C)
        + dot(linalg.svd(x, full_matrices=False).Vh[0, :], C) ** 2
    ),
}
DEGENERATE = [
    *[
        (f"{name}, {w}", f, of_values(w, P4, P4))
        for name, f in OF_SYMMETRIC.items()
        for w in ([1.0, 1.0, 3.0, 4.0], [0.0, 0.0, 0.0, 4.0], [1.0, 1.0, 1.0, 4.0])
    ],
    *[
        (f"{name}, {s}, {(len(left), len(right))}", f, of_values(s, left, right))
        for name, f in OF_ANY.items()
        for s in ([4.0, 2.0, 2.0, 2.0], [4.0, 0.0, 0.0, 0.0], [4.0, 3.0, 0.0, 0.0])
        for left, right in ((P4, P4), (P5, P3), (P3, P5))
    ],
    *[
        (f"nuclear norm, {s}, {(len(left), len(right))}", lambda x: linalg.norm(x, "nuc"), a)
        for s in ([2.0, 2.0, 2.0, 2.0], [4.0, 2.0, 2.0, 1.0])
        for left, right in ((P4, P4), (P5, P3), (P3, P5))
        for a in [of_values(s, left, right)]
    ],
]


@pytest.mark.parametrize(
    ("function", "x"), [entry[1:] for entry in DEGENERATE], ids=[entry[0] for entry in DEGENERATE]
)
def test_where_others_coincide_a_value_or_vector_has_both_derivatives(
    backend: Backend, dtype: str, function: Callable[[Any], Any], x: np.ndarray
) -> None:
    step, gradient = 1e-4, gradcore.grad(function)
    along = np.random.default_rng(0).normal(size=x.shape)
    ends = [x + step * along, x - step * along]
    slope = np.subtract(*[float(function(end)) for end in ends]) / (2 * step)
    curve = np.subtract(*[gradient(end) for end in ends]) / (2 * step)
    given, tolerance = backend.asarray(x, dtype), {"float32": 1e-3, "float64": 1e-6}[dtype]
    found = backend.to_numpy(gradient(given))
    np.testing.assert_allclose(np.sum(found * along), slope, tolerance, 10 * tolerance)
    v = backend.asarray(along, dtype)
    second = backend.to_numpy(gradcore.hessian_vector_product(function, given, v))
    np.testing.assert_allclose(second, curve, tolerance, 10 * tolerance)


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda x: Sum.do_forward(linalg.eigh(x).eigenvectors), np.eye(2)),
        (lambda x: linalg.eigh(x).eigenvectors[0, 0], of_values([1.0, 1.0, 3.0, 4.0], P4, P4)),
        (lambda x: Sum.do_forward(_spectral(x, lambda w: w)), np.eye(3)),
        (lambda x: Sum.do_forward(_spectral(x, array_api.log)), np.eye(3)),
        (lambda x: dot(linalg.svd(x).U[:, 0], C), np.eye(3)),
        (lambda x: linalg.svd(x, full_matrices=False).U[0, 1], of_values([4.0, 0.0, 0.0], P5, P3)),
        (lambda x: linalg.svd(x, full_matrices=False).Vh[2, 0], of_values([4.0, 3.0, 0.0], P5, P3)),
        (lambda x: Sum.do_forward(linalg.qr(x).Q), np.ones((3, 2))),
    ],
)
def test_vectors_that_turn_freely_have_no_gradient(
    backend: Backend, dtype: str, function: Callable[[Any], Any], x: np.ndarray
) -> None:
    """NaN, also where the function as a whole would have one, but not one that follows from
    derivatives of the vectors."""
    assert np.isnan(backend.to_numpy(gradcore.grad(function)(backend.asarray(x, dtype)))).any()


@pytest.mark.parametrize("x", [np.zeros((3, 3)), np.eye(3), of_values([2.0, 2.0, 2.0], P3, P3)])
def test_the_second_derivative_of_coinciding_values_is_nan_unless_it_is_right(
    backend: Backend, dtype: str, x: np.ndarray
) -> None:
    """Of the sum of squares: 2 times what goes in, for a symmetric matrix."""
    direction = np.array([[1.0, 2.0, 0.0], [2.0, -1.0, 1.0], [0.0, 1.0, 3.0]])
    given, along = backend.asarray(x, dtype), backend.asarray(direction, dtype)
    for values in (linalg.eigvalsh, lambda x: linalg.eigh(x).eigenvalues, linalg.svdvals):

        def squares(x: Any, values: Callable[[Any], Any] = values) -> Any:
            return Sum.do_forward(values(x) ** 2)

        found = backend.to_numpy(gradcore.hessian_vector_product(squares, given, along))
        assert np.isnan(found).any() or np.allclose(found, 2.0 * direction, atol=1e-5)


def test_one_singular_matrix_leaves_the_others_of_a_stack_their_gradient(
    backend: Backend, dtype: str
) -> None:
    x = np.stack([np.ones((3, 3)), X[0], np.zeros((3, 3)), X[1]])
    given = backend.asarray(x, dtype)
    for function in (linalg.slogdet, linalg.det, linalg.eigvalsh, linalg.svdvals):

        def total(x: Any, function: Any = function) -> Any:
            y = function(x)[1] if function is linalg.slogdet else function(x)
            return Sum.do_forward(y[1::2, ...])

        found = gradcore.grad(total)(given)
        assert backend.to_numpy(found)[::2].tolist() == np.zeros((2, 3, 3)).tolist()
        assert np.isfinite(backend.to_numpy(found)).all()
    found = gradcore.grad(lambda x: Sum.do_forward(linalg.slogdet(x).logabsdet[1::2]))(given)
    expected = np.linalg.inv(X).mT
    np.testing.assert_allclose(backend.to_numpy(found)[1::2], expected, 1e-4, 1e-5)
    found = gradcore.grad(lambda x: Sum.do_forward(linalg.slogdet(x).logabsdet))(given)
    assert np.isnan(backend.to_numpy(found)).all(axis=(1, 2)).tolist() == [True, False] * 2


def test_slogdet_of_a_singular_matrix_has_no_second_derivative_and_says_so(
    backend: Backend, dtype: str
) -> None:
    def slope(x: Any) -> Any:
        total = gradcore.grad(lambda x: Sum.do_forward(linalg.slogdet(x).logabsdet))
        return Sum.do_forward(total(x) * backend.asarray(X[0], dtype))

    given = backend.asarray(np.stack([np.ones((3, 3)), X[0]]), dtype)
    found = backend.to_numpy(gradcore.grad(slope)(given))
    inverse = np.linalg.inv(X[0]).T
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1], -inverse @ X[0].T @ inverse, 1e-3, 1e-3)


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_the_determinant_is_a_polynomial(backend: Backend, dtype: str, rank: int) -> None:
    """Also of singular matrices: to the third order, against the sum over permutations."""
    x = np.round(8 * P3[:, :rank] @ P3[:rank, :])
    expected = np.zeros((3,) * 6)
    slopes = np.zeros((3,) * 4)
    for p, q in itertools.product(itertools.permutations(range(3)), repeat=2):
        sign = np.linalg.det(np.eye(3)[list(p)]) * np.linalg.det(np.eye(3)[list(q)])
        expected[p[0], q[0], p[1], q[1], p[2], q[2]] = sign
        slopes[p[0], q[0], p[1], q[1]] = sign * x[p[2], q[2]]
    given = backend.asarray(x, dtype)
    second = backend.to_numpy(gradcore.hessian(linalg.det)(given))
    np.testing.assert_allclose(second, slopes, 1e-5, 1e-5)
    v, w = (backend.asarray(np.random.default_rng(i).normal(size=(3, 3)), dtype) for i in (0, 1))

    def along(x: Any) -> Any:
        return Sum.do_forward(gradcore.hessian_vector_product(linalg.det, x, v) * w)

    third = np.tensordot(backend.to_numpy(v), expected, 2)
    third = np.tensordot(backend.to_numpy(w), third, 2)
    found = backend.to_numpy(gradcore.grad(along)(given))
    np.testing.assert_allclose(found, third, 1e-4, 1e-4)


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
        (again := TensorNode(x.value)), Sum.do_forward(linalg.svd(again).S).backward()
        expected = gradcore.grad(lambda x: Sum.do_forward(linalg.svdvals(x)))(x.value)
        expected = backend.to_numpy(expected)
        np.testing.assert_allclose(backend.to_numpy(again.grad), expected, 1e-5, 1e-5)
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
    for p in (1, 2, math.inf):
        with pytest.raises(IndexError, match="axis 0 is out of range for 0 dimensions"):
            linalg.vector_norm(TensorNode(np.array(2.0)), axis=0, ord=p)
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


# -- Eigenvalues of any matrices --------------------------------------------------------------

GENERAL = np.random.default_rng(6).normal(size=(2, 3, 3))
ROTATION = np.array([[0.0, -1.0], [1.0, 0.0]])  # eigenvectors (1, i) and (1, -i): both are large
JORDAN = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 3.0]])  # of vectors that coincide
TURNED = P3 @ JORDAN @ P3.T  # the same, but for rounding


@pytest.mark.parametrize("x", [GENERAL, GENERAL + 1j * GENERAL.mT], ids=["real", "complex"])
def test_eig_of_any_matrices(backend: Backend, dtype: str, x: np.ndarray) -> None:
    x = x.astype({"float32": "complex64", "float64": "complex128"}[dtype]) if x.imag.any() else x
    given = backend.asarray(x, None if x.imag.any() else dtype)
    for node in (TensorNode(given), TensorNode(given, requires_grad=False), given):
        w, v = linalg.eig(node)
        assert isinstance(w, TensorNode) == isinstance(node, TensorNode)
        w, v, alone = (
            backend.to_numpy(y.value if isinstance(y, TensorNode) else y)
            for y in (w, v, linalg.eigvals(node))
        )
        assert str(w.dtype) == str(v.dtype) == {"float32": "complex64"}.get(dtype, "complex128")
        np.testing.assert_allclose(x @ v, v * w[:, None, :], atol=VALUE[dtype])
        np.testing.assert_allclose(np.sort(alone), np.sort(w), atol=VALUE[dtype])
    check_gradients(lambda x: [*linalg.eig(x)], x)
    check_gradients(linalg.eigvals, x)


def test_eig_of_16_bits_is_computed_in_32() -> None:
    x = TensorNode(GENERAL.astype("float16"))
    w, v = linalg.eig(x)
    assert w.dtype == v.dtype == np.complex64
    Sum.do_forward(abs(w) + Sum.do_forward(abs(v))).backward()
    assert x.grad.dtype == np.float16


def test_eig_has_pytorchs_gradients_of_what_does_not_depend_on_phases() -> None:
    torch = pytest.importorskip("torch")
    x, tensor = TensorNode(GENERAL), torch.tensor(GENERAL, requires_grad=True)
    w, v = linalg.eig(x)
    weights = np.cos(np.arange(18.0)).reshape(2, 3, 3)
    Sum.do_forward(abs(w) ** 2 + Sum.do_forward(weights * abs(v) ** 2)).backward()
    w, v = torch.linalg.eig(tensor)
    ((abs(w) ** 2).sum() + 6 * (torch.tensor(weights) * abs(v) ** 2).sum()).backward()
    np.testing.assert_allclose(x.grad, tensor.grad.numpy(), 1e-9, 1e-9)


def outermost(x: Any) -> tuple[Any, Any]:
    """The largest of the real parts of eigenvalues, and its vector."""
    w, v = linalg.eig(x)
    k = int(array_api.argmax(array_api.real(w)))
    return w[k], v[:, k]


def innermost(x: Any) -> tuple[Any, Any]:
    return tuple(-y for y in outermost(-x))


def together(x: Any) -> Any:
    w, v = linalg.eig(x)
    return Sum.do_forward(v * array_api.log(w + 1.0))


def whirling(x: Any) -> Any:
    """What does not depend on the phase of the vector of the largest imaginary part, but for
    rounding."""
    w, v = linalg.eig(x)
    vector, xp = v[:, int(array_api.argmax(array_api.imag(w)))], namespace(v)
    weights = xp.asarray(C[:3].tolist(), dtype=array_api.real(v).dtype, device=v.device)
    return abs(Sum.do_forward(vector * weights)) ** 2


WITHOUT_DERIVATIVE: dict[str, tuple[Callable[[Any], Any], np.ndarray]] = {
    "vectors of one value": (lambda x: innermost(x)[1][0], of_values([1.0, 1.0, 3.0], P3, P3)),
    "the phase of large elements": (lambda x: (1 + 1j) * linalg.eig(x)[1][0, 0], ROTATION),
    "values whose vectors coincide": (lambda x: Sum.do_forward(linalg.eigvals(x) ** 2), JORDAN),
    "the same, but for rounding": (lambda x: innermost(x)[0] ** 2, TURNED),
    "a function of coinciding ones": (together, np.eye(3)),
}


@pytest.mark.parametrize("name", WITHOUT_DERIVATIVE)
def test_where_eig_has_no_derivative_it_is_nan(backend: Backend, dtype: str, name: str) -> None:
    function, x = WITHOUT_DERIVATIVE[name]
    found = gradcore.grad(lambda x: array_api.real(function(x)))(backend.asarray(x, dtype))
    assert np.isnan(backend.to_numpy(found)).any()


WITH_DERIVATIVE: dict[str, tuple[Callable[[Any], Any], np.ndarray]] = {
    "the sum of coinciding values": (lambda x: Sum.do_forward(linalg.eigvals(x)), np.eye(3)),
    "a value apart from them": (lambda x: outermost(x)[0] ** 2, JORDAN),
    "a vector apart from them": (lambda x: dot(outermost(x)[1], C), of_values([1, 1, 3], P3, P3)),
    "large elements, but not their phase": (lambda x: abs(linalg.eig(x)[1][0, 0]) ** 2, ROTATION),
    "the same, but for rounding": (whirling, np.roll(np.eye(3), 1, axis=0)),
    "real vectors, which have no phase": (
        lambda x: dot(outermost(x)[1], C) + array_api.imag(outermost(x)[1][0]),
        np.array([[2.0, 1.0], [1.0, 2.0]]),
    ),
}


@pytest.mark.parametrize("name", WITH_DERIVATIVE)
def test_where_eig_has_a_derivative_it_is_right(backend: Backend, dtype: str, name: str) -> None:
    function, x = WITH_DERIVATIVE[name]

    def real(x: Any) -> Any:
        return array_api.real(function(x))

    along, step = np.random.default_rng(0).normal(size=x.shape), 1e-6
    ends = [float(TensorNode(real(x + s * along)).value) for s in (step, -step)]
    slope = (ends[0] - ends[1]) / (2 * step)
    found = backend.to_numpy(gradcore.grad(real)(backend.asarray(x, dtype)))
    tolerance = {"float32": 1e-4, "float64": 1e-6}[dtype]
    np.testing.assert_allclose(np.sum(found * along), slope, tolerance, tolerance)


def test_lu_solve_refuses_right_sides_of_another_height(backend: Backend) -> None:
    lu, pivots = linalg.lu_factor(TensorNode(backend.asarray(np.eye(2), "float32")))
    for shape in ((3, 1), (1, 1), (2,)):
        b = TensorNode(backend.asarray(np.ones(shape), "float32"))
        with pytest.raises(ValueError, match=r"lu_solve: .* do not fit"):
            linalg.lu_solve(lu, pivots, b)


def test_pinv_and_matrix_rank_take_integers_as_the_other_functions_do() -> None:
    x = np.array([[1, 2], [2, 4]])
    np.testing.assert_allclose(linalg.pinv(x), np.linalg.pinv(x), atol=1e-12)
    assert linalg.matrix_rank(x) == 1
