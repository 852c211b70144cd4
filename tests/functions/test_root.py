"""Functions at the root of gradcore: against the same in NumPy, by way of gradients, and against
PyTorch."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparing import close, raises_in_one_line

import gradcore as g
from gradcore import TensorNode, array_api
from gradcore.backends import Backend

A = np.array([[1.5, -2.0, 0.25, 3.0], [0.5, 4.0, -1.25, 2.0], [-0.75, 2.5, 0.9, -3.5]])
B = np.array([[0.5, 1.0, -1.5, 2.0], [3.0, -0.25, 0.75, -1.0], [1.25, -2.5, 2.0, 0.1]])
AT = np.array([[0, 2, 1, 2], [1, 0, 2, 0]])
INDEX = AT.tolist()
S = B @ B.T + np.eye(3)
NAN = np.where(A > 2.4, np.nan, A)


def last(_: Any, b: Any) -> Any:
    return b


def scattered(x: Any, at: Any, y: Any, f: Any) -> Any:
    z = x.copy()
    for (i, k), n in np.ndenumerate(at):
        z[n, k] = f(z[n, k], y[i, k])
    return z


def put(x: Any, y: Any) -> Any:
    z = x.copy()
    z[AT[0, :3], AT[1, :3]] = y[0, :3]
    return z


def masked(x: Any, y: Any) -> Any:
    z = x.copy()
    z[x > 1] = y.ravel()[: (x > 1).sum()]
    return z


Row = tuple[str, Callable[..., Any], Callable[..., Any], Any]  # what, ours, NumPy's, inputs

ROWS: list[Row] = [
    ("gather", lambda x: g.gather(x, 0, INDEX), lambda x: np.take_along_axis(x, AT, 0), [A]),
    (
        "gather a part",
        lambda x: g.gather(x, 1, [[0, 2], [1, 0]]),
        lambda x: x[[[0], [1]], AT[:, :2]],
        [A],
    ),
    (
        "scatter",
        lambda x, y: g.scatter(x, 0, INDEX, y),
        lambda x, y: scattered(x, AT, y, last),
        [A, B],
    ),
    (
        "scatter_add",
        lambda x, y: g.scatter_add(x, 0, INDEX, y),
        lambda x, y: scattered(x, AT, y, np.add),
        [A, B],
    ),
    (
        "prod",
        lambda x, y: g.scatter_reduce(x, 0, INDEX, y, "prod"),
        lambda x, y: scattered(x, AT, y, np.multiply),
        [A, B],
    ),
    (
        "amax",
        lambda x, y: g.scatter_reduce(x, 0, INDEX, y, "amax"),
        lambda x, y: scattered(x, AT, y, np.maximum),
        [A, B],
    ),
    (
        "amin",
        lambda x, y: g.scatter_reduce(x, 0, INDEX, y, "amin"),
        lambda x, y: scattered(x, AT, y, np.minimum),
        [A, B],
    ),
    (
        "index_add",
        lambda x, y: g.index_add(x, 0, [1, 1, 0], y, alpha=2),
        lambda x, y: x + 2 * np.stack([y[2], y[0] + y[1], 0 * y[0]]),
        [A, B],
    ),
    (
        "index_copy",
        lambda x, y: g.index_copy(x, 0, [1, 1, 0], y),
        lambda x, y: np.stack([y[2], y[1], x[2]]),
        [A, B],
    ),
    (
        "index_fill",
        lambda x: g.index_fill(x, 1, [0, -0], 2.5),
        lambda x: np.concatenate([0 * x[:, :1] + 2.5, x[:, 1:]], 1),
        [A],
    ),
    (
        "index_put",
        lambda x, y: g.index_put(x, ([0, 2, 1], [1, 0, 2]), y[0, :3]),
        lambda x, y: put(x, y),
        [A, B],
    ),
    (
        "index_put adds",
        lambda x: g.index_put(x, ([0, 0], [1, 1]), 2.0, accumulate=True),
        lambda x: x + 4.0 * (np.arange(12) == 1).reshape(3, 4),
        [A],
    ),
    ("masked_fill", lambda x: g.masked_fill(x, x > 1, 0.5), lambda x: np.where(x > 1, 0.5, x), [A]),
    (
        "masked_scatter",
        lambda x, y: g.masked_scatter(x, x > 1, y),
        lambda x, y: masked(x, y),
        [A, B],
    ),
    ("masked_select", lambda x: g.masked_select(x, x > 1), lambda x: x[x > 1], [A]),
    ("topk", lambda x: g.topk(x, 2).values, lambda x: np.sort(x)[:, :-3:-1], [A]),
    ("smallest", lambda x: g.topk(x, 2, 0, largest=False).values, lambda x: np.sort(x, 0)[:2], [A]),
    ("kthvalue", lambda x: g.kthvalue(x, 2).values, lambda x: np.sort(x)[:, 1], [A]),
    ("median", lambda x: g.median(x, 1).values, lambda x: np.sort(x)[:, 1], [A]),
    ("median of all", g.median, lambda x: np.sort(x, None)[5], [A]),
    ("nanmedian", g.nanmedian, lambda x: np.sort(x[~np.isnan(x)])[4], [NAN]),
    (
        "quantile",
        lambda x: g.quantile(x, [0.1, 0.75], 1),
        lambda x: np.quantile(x, [0.1, 0.75], 1),
        [A],
    ),
    (
        "nanquantile",
        lambda x: g.nanquantile(x, 0.3, interpolation="higher"),
        lambda x: np.nanquantile(x, 0.3, method="higher"),
        [NAN],
    ),
    ("nanmean", lambda x: g.nanmean(x, 0), lambda x: np.nanmean(x, 0), [NAN]),
    (
        "nansum",
        lambda x: g.nansum(x, 1, keepdims=True),
        lambda x: np.nansum(x, 1, keepdims=True),
        [NAN],
    ),
    ("nan_to_num", lambda x: g.nan_to_num(x, 1.5), lambda x: np.nan_to_num(x, nan=1.5), [NAN]),
    ("cummax", lambda x: g.cummax(x, 1).values, lambda x: np.maximum.accumulate(x, 1), [A]),
    ("cummin", lambda x: g.cummin(x, 0).values, lambda x: np.minimum.accumulate(x, 0), [A]),
    ("logcumsumexp", lambda x: g.logcumsumexp(x, 1), lambda x: np.logaddexp.accumulate(x, 1), [A]),
    ("cov", g.cov, np.cov, [A]),
    (
        "cov with weights",
        lambda x: g.cov(x, correction=0, fweights=[1, 2, 1, 3], aweights=(A[1] ** 2).tolist()),
        lambda x: np.cov(x, ddof=0, fweights=[1, 2, 1, 3], aweights=A[1] ** 2),
        [A],
    ),
    ("corrcoef", g.corrcoef, np.corrcoef, [A]),
    ("bincount", lambda w: g.bincount(INDEX[0], w), lambda w: np.bincount(AT[0], w), [A[0]]),
    (
        "cdist",
        lambda x, y: g.cdist(x, y),
        lambda x, y: np.linalg.norm(x[:, None] - y, axis=-1),
        [A, B],
    ),
    ("lerp", lambda x, y: g.lerp(x, y, 0.25), lambda x, y: 0.75 * x + 0.25 * y, [A, B]),
    (
        "addmm",
        lambda x, y: g.addmm(x[:, :3], x, y.mT, beta=0.5, alpha=2),
        lambda x, y: 0.5 * x[:, :3] + 2 * x @ y.T,
        [A, B],
    ),
    (
        "addmm of nothing",
        lambda x, y: g.addmm(np.nan, x, y.mT, beta=0),
        lambda x, y: x @ y.T,
        [A, B],
    ),
    (
        "fmod",
        lambda x: g.fmod(x, 1.7) + g.frac(x * 1.01),
        lambda x: np.fmod(x, 1.7) + np.fmod(x * 1.01, 1),
        [A],
    ),
    ("heaviside", lambda x, y: g.heaviside(x * 0.0, y) * x, lambda x, y: x * y, [A, B]),
    (
        "split",
        lambda x: sum(g.split(x, 2, 1)) + sum(g.split(x, (2, 2), -1)),
        lambda x: 2 * (x[:, :2] + x[:, 2:]),
        [A],
    ),
    ("chunk", lambda x: g.hstack(g.chunk(x, 3, 1)[::-1]), lambda x: x[:, [2, 3, 0, 1]], [A]),
    (
        "tensor_split",
        lambda x: g.dstack(g.tensor_split(x, 2, 1)),
        lambda x: np.dstack(np.split(x, 2, 1)),
        [A],
    ),
    (
        "stacks",
        lambda x: g.vstack([x[0], g.column_stack([x[0], x[1]]).mT]),
        lambda x: x[[0, 0, 1]],
        [A],
    ),
    ("expand", lambda x: g.expand(x, (2, -1, 4)), lambda x: np.stack([x, x]), [A]),
    (
        "unflatten",
        lambda x: g.flatten(g.unflatten(x, 1, (2, -1)), 0, 1),
        lambda x: x.reshape(6, 2),
        [A],
    ),
    ("transpose", lambda x: g.transpose(x, 0, -1) + g.permute(x, (-1, 0)), lambda x: 2 * x.T, [A]),
    (
        "unique",
        lambda x: g.unique(g.concat([x, x[:1]]), axis=0),
        lambda x: np.unique(x, axis=0),
        [A],
    ),
    (
        "unique_consecutive",
        lambda x: g.unique_consecutive(g.repeat_interleave(x, 2)),
        lambda x: x.ravel(),
        [A],
    ),
    (
        "solve_triangular",
        lambda a, b: g.linalg.solve_triangular(a, b, upper=True),
        lambda a, b: np.linalg.solve(np.triu(a), b),
        [S, A],
    ),
    (
        "from the right",
        lambda a, b: g.linalg.solve_triangular(a, b.mT, upper=False, left=False),
        lambda a, b: np.linalg.solve(np.tril(a).T, b).T,
        [S, A],
    ),
    (
        "cholesky_solve",
        lambda a, b: g.linalg.cholesky_solve(b, g.linalg.cholesky(a)),
        lambda a, b: np.linalg.solve((a + a.T) / 2, b),
        [S, A],
    ),
    (
        "cholesky_inverse",
        lambda a: g.linalg.cholesky_inverse(g.linalg.cholesky(a, upper=True), upper=True),
        lambda a: np.linalg.inv((a + a.T) / 2),
        [S],
    ),
    ("lu", lambda a: (lambda p, low, u: p @ (low @ u))(*g.linalg.lu(a.mT)), lambda a: a.T, [A]),
    (
        "lu_solve",
        lambda a, b: g.linalg.lu_solve(*g.linalg.lu_factor(a[::-1, :]), b),
        lambda a, b: np.linalg.solve(a[::-1], b),
        [S, A],
    ),
    (
        "lu_solve of the adjoint",
        lambda a, b: g.linalg.lu_solve(
            *g.linalg.lu_factor(a[::-1, :]), b.mT, left=False, adjoint=True
        ),
        lambda a, b: np.linalg.solve(a[::-1], b).T,
        [S, A],
    ),
    (
        "lstsq",
        lambda a, b: g.linalg.lstsq(a.mT, b.mT).solution,
        lambda a, b: np.linalg.lstsq(a.T, b.T)[0],
        [A, B],
    ),
    ("cond", g.linalg.cond, np.linalg.cond, [A]),
    ("cond of order 1", lambda a: g.linalg.cond(a, 1), lambda a: np.linalg.cond(a, 1), [S]),
    (
        "matrix_exp",
        lambda a: g.linalg.matrix_exp(a) @ g.linalg.matrix_exp(-a),
        lambda a: np.eye(3) + 0 * a,
        [S / 4],
    ),
    ("kron", g.linalg.kron, np.kron, [A[:2, :2], B]),
    (
        "diag",
        lambda x: g.linalg.diag(x, -1) + g.linalg.diag_embed(x[None], -1)[0],
        lambda x: 2 * np.diag(x, -1),
        [A[0]],
    ),
    (
        "block_diag",
        lambda x, y: g.linalg.block_diag(x, y[0]),
        lambda x, y: np.block([[x, 0 * x], [0 * y[:1], y[:1]]]),
        [A, B],
    ),
    (
        "multi_dot",
        lambda x, y: g.linalg.multi_dot([x[0], y.mT, x]),
        lambda x, y: x[0] @ y.T @ x,
        [A, B],
    ),
    (
        "vander",
        lambda x: g.linalg.vander(x, N=3),
        lambda x: np.vander(x, 3, increasing=True),
        [A[0]],
    ),
    (
        "pinv",
        lambda x: g.linalg.pinv(x, atol=0.5) + x.mT @ g.linalg.pinv(x @ x.mT, hermitian=True),
        lambda x: np.linalg.pinv(x) + x.T @ np.linalg.pinv(x @ x.T),
        [A],
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_values_are_those_of_numpy_and_gradients_those_of_differences(
    backend: Backend, dtype: str, row: Row
) -> None:
    _, ours, theirs, inputs = row
    nodes = [TensorNode(backend.asarray(x, dtype)) for x in inputs]
    inputs = [np.asarray(backend.to_numpy(node.value), "float64") for node in nodes]
    y, expected = ours(*nodes), theirs(*inputs)
    close(backend, y, expected, dtype, 20.0)
    weights = np.cos(np.arange(expected.size)).reshape(expected.shape)
    g.Sum.do_forward(y * backend.asarray(weights, dtype)).backward()
    ways = [np.sin(1 + np.arange(x.size)).reshape(x.shape) for x in inputs]
    ways = [np.where(np.isnan(x), 0.0, way) for x, way in zip(inputs, ways, strict=True)]
    step, both = 1e-6, []
    for sign in (1, -1):
        moved = [x + sign * step * way for x, way in zip(inputs, ways, strict=True)]
        both.append((theirs(*moved) * weights).sum())
    along = sum(
        (backend.to_numpy(node.grad) * way).sum() for node, way in zip(nodes, ways, strict=True)
    )
    slope = (both[0] - both[1]) / (2 * step)
    assert along == pytest.approx(slope, rel=2e-3 if dtype == "float32" else 1e-6, abs=1e-4)


CONSTANTS: list[tuple[Callable[..., Any], Any]] = [
    (lambda x: g.topk(x, 2, axis=0).indices, [[0, 1, 2, 0], [1, 2, 0, 1]]),
    (lambda x: g.median(x, 1).indices, [2, 0, 0]),
    (lambda x: g.mode(g.floor(x[1:, ...] / 2), 1).indices, [2, 3]),
    (lambda x: g.cummax(g.sign(x), 1).indices, [[0, 0, 2, 3], [0, 1, 1, 3], [0, 1, 2, 2]]),
    (lambda x: g.searchsorted(g.sort(x), x[:, :2]), [[2, 0], [1, 3], [1, 3]]),
    (lambda x: g.searchsorted(g.sort(x), x[:, :2], right=True), [[3, 1], [2, 4], [2, 4]]),
    (lambda x: g.bucketize(x[0], x[1, :2]), [1, 0, 0, 1]),
    (lambda x: g.unique(g.sign(x[0]), return_inverse=True, return_counts=True)[1], [1, 0, 1, 1]),
    (lambda x: g.unique(g.sign(x), return_counts=True, axis=1)[1], [1, 1, 2]),
    (lambda x: g.unique_consecutive(g.sign(x[2]), return_counts=True)[1], [1, 2, 1]),
    (lambda x: g.histc(x, 4, -2, 2), [2, 1, 3, 2]),
    (lambda _: g.bincount(INDEX[0], minlength=5), [1, 1, 2, 0, 0]),
    (lambda x: g.isclose(x[0], x[0] * 1.000001), [True] * 4),
    (lambda x: g.linalg.lstsq(x, x).rank, 3),
    (lambda x: g.linalg.lu_factor(x).pivots, [1, 2, 3]),
    (lambda x: g.div(x[0], 0.4, rounding_mode="trunc"), [3, -5, 0, 7]),
]


@pytest.mark.parametrize(("f", "expected"), CONSTANTS)
def test_indices_and_counts_are_constants(backend: Backend, f: Any, expected: Any) -> None:
    y = f(TensorNode(backend.asarray(A, "float32")))
    assert not getattr(y, "requires_grad", False)
    np.testing.assert_array_equal(backend.to_numpy(getattr(y, "value", y)), expected)


def test_special_numbers(backend: Backend) -> None:
    x = TensorNode(backend.asarray([[1.0, np.nan, 3.0], [np.nan] * 3], "float32"))
    for y, expected in [
        (g.median(x, 1).values, [np.nan, np.nan]),
        (g.nanmedian(x, 1).values, [1.0, np.nan]),
        (g.nanmean(x, 1), [2.0, np.nan]),
        (g.nanquantile(x, 0.5, 1), [2.0, np.nan]),
        (g.quantile(x[0, ::2], backend.asarray([0.5, 1.5], "float32")), [2.0, np.nan]),
        (g.topk(x, 1).values[:, 0], [np.nan, np.nan]),
        (g.cummax(x[0], 0).values, [1.0, np.nan, np.nan]),
        (g.astype(g.cummin(x[0], 0).indices, g.float32), [0.0, 1.0, 1.0]),
        (g.heaviside(x[0], 0.5), [1.0, np.nan, 1.0]),
        (g.linalg.matrix_exp(g.stack([x[:1, :1], x[1:, :1]])), [[[np.e]], [[np.nan]]]),
        (g.linalg.matrix_exp(x[:1, :1] * 80.0), [[np.exp(80.0)]]),
        (g.linalg.cond(g.linalg.diag(x[0, ::2] * backend.asarray([1.0, 0.0], "float32"))), np.inf),
        (g.nan_to_num(x[0] * np.inf, np.inf, -np.inf), [-np.inf, np.inf, -np.inf]),
        (g.lerp(x[0, :1] * 1e8, x[0, 2:], 1.0), [3.0]),
        (g.lerp(x[0, :1] * 1e8, x[0, 2:], backend.asarray([1.0], "float32")), [3.0]),
        (g.histc(x, 2), [np.nan, np.nan]),
        (g.histc(x, 2, 0, 4), [1.0, 1.0]),
    ]:
        np.testing.assert_allclose(backend.to_numpy(y.value), expected, 2e-4)


def test_integers_are_exact(backend: Backend) -> None:
    def array(*numbers: float, dtype: str = "int8") -> Any:
        return backend.asarray(np.array(numbers, dtype))

    for y, expected in [
        (g.fmod(array(-128, -7, 127), array(3, -128, -128)), [-2, -7, 127]),
        (g.div(array(-128, -128, 7), array(2, 3, -2), rounding_mode="trunc"), [-64, -42, -3]),
        (
            g.searchsorted(array(1, 2, 3)[None, :], array(1.5, 2.5, dtype="float32")[None, :]),
            [[1, 2]],
        ),
    ]:
        np.testing.assert_array_equal(backend.to_numpy(getattr(y, "value", y)), expected)


def test_equal_elements_share_or_the_last_counts() -> None:
    x = TensorNode([2.0, 2.0, 1.0])
    g.median(x).backward()
    assert x.grad.tolist() == [0.5, 0.5, 0.0]
    x = TensorNode([2.0, 2.0, 1.0])
    g.scatter_reduce(g.full((1,), -1.0, dtype=g.float32), 0, [0, 0, 0], x, "amax").backward()
    assert x.grad.tolist() == [0.5, 0.5, 0.0]
    x = TensorNode([2.0, 2.0, 1.0])
    g.scatter(g.zeros((2,), dtype=g.float32), 0, [1, 1, 1], x).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 1.0]


def test_gradients_of_gradients() -> None:
    y = np.array([[0.5, 2.0], [1.5, -1.0]])
    for f in (
        lambda x: g.scatter_reduce(x, 0, [[0, 1], [0, 0]], x * y, "prod"),
        lambda x: g.scatter_reduce(x**2, 0, [[0, 1], [0, 0]], x * y, "amax"),
        lambda x: g.logcumsumexp(x * x, 0) + g.cummax(x**3, 1).values + g.quantile(x**2, 0.3),
        lambda x: g.linalg.solve_triangular(x, x @ y, upper=True),
        lambda x: g.concat(list(g.linalg.lu(x)[1:])) * 1.5,
        lambda x: g.linalg.matrix_exp(x),
        lambda x: g.linalg.pinv(x, atol=0.1) * g.linalg.cond(x),
        lambda x: g.linalg.lstsq(x, y @ x).residuals.sum() + g.linalg.lstsq(x, y).solution,
        lambda x: g.cdist(x, y) + g.cov(x),
        lambda x: g.linalg.householder_product(x, x[0]) + g.linalg.vander(x[0]),
    ):
        g.check_gradients(f, np.array([[1.0, 0.3], [-0.7, 2.0]]), order=2)


def test_refusals_in_one_line(backend: Backend) -> None:
    x = TensorNode(backend.asarray(A, "float32"))
    for call, error, words in [
        (lambda: g.gather(x, 0, [[3, 0, 0, 0]]), IndexError, "gather: index: 3 .* 0 to 2"),
        (lambda: g.gather(x, 0, [[-1, 0, 0, 0]]), IndexError, "gather: index: -1"),
        (lambda: g.gather(x, 0, [0]), ValueError, r"gather: x \(3, 4\) and index \(1,\)"),
        (lambda: g.scatter(x, 0, [[0] * 4] * 4, x), ValueError, "nowhere smaller"),
        (lambda: g.scatter_add(x, 0, [[0]], [[1]]), TypeError, "give both one dtype"),
        (lambda: g.scatter_reduce(x, 0, [[0]], x, "max"), ValueError, "expected sum, prod"),
        (lambda: g.index_copy(x, 0, [0], x), ValueError, r"source \(3, 4\), expected \(1, 4\)"),
        (lambda: g.masked_fill(x, x, 0.0), TypeError, "expected booleans"),
        (lambda: g.topk(x, 5), ValueError, "topk: k = 5, of 4 elements"),
        (lambda: g.quantile(x, 1.5), ValueError, "quantile: q is 1.5"),
        (lambda: g.quantile(x, "half"), TypeError, "q is 'half', expected a number, or several"),
        (lambda: g.histc(x, 2, 0.0, np.inf), ValueError, "2 bins from 0.0 to inf, expected"),
        (lambda: g.split(x, (1, 1)), ValueError, "expected a sum of 3"),
        (lambda: g.narrow(x, 1, 3, 2), IndexError, "2 parts from 3 on, of 4"),
        (lambda: g.expand(x, (-1, 3, 4)), ValueError, "-1 is for axes that x has"),
        (lambda: g.bmm(x, x), ValueError, "expected .*3, 3"),
        (lambda: g.cov(x, fweights=x[0]), TypeError, "expected integers"),
        (lambda: g.multinomial(x, 2), ValueError, "not negative"),
        (lambda: g.linalg.block_diag(x[None]), ValueError, "at most 2 dimensions"),
        (lambda: g.linalg.multi_dot([x]), ValueError, "expected at least 2"),
        (lambda: g.linalg.lstsq(x, x[:2]), ValueError, "do not fit"),
    ]:  # fmt: skip
        raises_in_one_line(call, error, words)


# -- Names ------------------------------------------------------------------------------------


def test_the_root_has_the_names_of_the_standard_and_no_copies(backend: Backend) -> None:
    for name in ("exp", "sum", "mean", "max", "reshape", "concat", "where", "matmul", "sort"):
        assert getattr(g, name) is getattr(array_api, name)
    assert (g.cat, g.clamp, g.unsqueeze) == (g.concat, g.clip, g.expand_dims)
    assert g.float32 == backend.dtype("float32")
    assert not g.arange(3).requires_grad
    assert g.stack([g.ones(2), g.zeros(2)], 1).shape == (2, 2)
    assert g.mean(g.ones((2, 3)), 1).shape == g.argmax(g.ones((2, 3)), 1).shape == (2,)


def test_a_star_import_leaves_builtins_alone() -> None:
    assert not {*g.__all__} & {*dir(builtins)}
    assert {"exp", "mean", "zeros", "topk", "concat"} <= {*g.__all__}
    assert {"sum", "max", "abs"} <= {*dir(g)} | {*dir(array_api)}


def test_random_numbers_are_the_hosts(backend: Backend) -> None:
    g.manual_seed(1)
    drawn = [g.rand(2, 3), g.randn((4,)), g.randint(0, 5, (3,)), g.randperm(4)]
    assert [y.shape for y in drawn] == [(2, 3), (4,), (3,), (4,)]
    expected = np.random.default_rng(1)
    np.testing.assert_allclose(backend.to_numpy(drawn[0].value), expected.random((2, 3)), 1e-6)
    w = backend.asarray([[0.0, 3.0, 1.0], [1.0, 0.0, 0.0]], "float32")
    y = backend.to_numpy(g.multinomial(w, 4000, replacement=True).value)
    assert abs((y[0] == 1).mean() - 0.75) < 0.04
    assert not y[1].any()
    firsts = [backend.to_numpy(g.multinomial(w[0, ...], 2).value) for _ in range(400)]
    assert {*map(tuple, firsts)} == {(1, 2), (2, 1)}
    assert abs(np.mean([y[0] == 1 for y in firsts]) - 0.75) < 0.08
    assert 0.2 < float(g.bernoulli(g.full((500,), 0.3)).mean()) < 0.4


def test_zeros_take_sizes_as_pytorchs_do() -> None:
    for make in (g.zeros, g.ones, g.empty):
        assert make(2, 3, dtype=g.float32).shape == make((2, 3)).shape == (2, 3)
        assert make(2).shape == (2,)


def test_names_of_pytorchs_say_what_to_call() -> None:
    raises_in_one_line(lambda: g.from_numpy(A), AttributeError, r"say gradcore\.asarray\(x\)")
    raises_in_one_line(lambda: TensorNode(A).add_(1.0), AttributeError, r"say x\.value = x\.value")
