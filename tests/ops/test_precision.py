"""Where numbers have 16 bits, sums, products and squares are in float32, and rounded once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from op_table import reductions
from op_table.rows import Case

import gradcore
from gradcore import Sum, TensorNode, array_api, linalg, nn, ops
from gradcore.backends import Backend

Function = Callable[..., Any]
RNG = np.random.default_rng(0)


@pytest.fixture
def half(backend: Backend) -> Backend:
    if not hasattr(backend.xp, "float16"):
        pytest.skip("no float16")
    if backend.name == "cupy-like":
        pytest.skip("the stand-in for CuPy sums as NumPy does; CuPy sums float16 in float32")
    return backend


def numbers(*shape: int) -> np.ndarray:
    """Numbers around 1 that float16 has."""
    return RNG.uniform(0.5, 2, shape).astype("float16")


def results(backend: Backend, f: Function, x: np.ndarray, dtype: str) -> list[np.ndarray]:
    """The value of f and its gradient, where the incoming gradients are of both signs."""
    node = TensorNode(backend.asarray(x, dtype))
    y = f(node)
    go = np.where(np.arange(y.size) % 3 == 1, -0.75, 0.375).reshape(y.shape)
    Sum.do_forward(y * backend.asarray(go, dtype)).backward()
    assert [y.dtype, node.grad.dtype] == [backend.dtype(dtype)] * 2
    return [backend.to_numpy(a) for a in (y.value, node.grad)]


SUMS = {row.op for row in reductions.ROWS} - {ops.RowMax, ops.NormGradient}


@pytest.mark.parametrize("op", sorted(SUMS, key=lambda op: op.__name__), ids=lambda op: op.__name__)
def test_reductions_in_float16_are_those_in_float32_rounded(half: Backend, op: Any) -> None:
    (row,) = [row for row in reductions.ROWS if row.op is op]
    cases = [case for case in row.cases if case.inputs[0].shape]
    long = {} if op is ops.RowSum else {"axis": 0}
    for case in [*cases, Case((), long)]:
        shape = case.inputs[0].shape if case.inputs else (3000, 2)
        x = (
            numbers(*shape)
            if op not in (ops.Prod, ops.CumulativeProd)
            else 1 + numbers(*shape) / 4096
        )
        f = functools.partial(op.do_forward, **case.constants)
        with np.errstate(all="ignore"):  # what overflows in float16, and spreads of nothing
            found, exact = (results(half, f, x, t) for t in ("float16", "float32"))
            for y, z in zip(found, exact, strict=True):
                np.testing.assert_allclose(y, z.astype("float16"), 1e-3, 6e-8, err_msg=str(case))


# Functions of x (N, 2), for a large N, with sums along the first axis.
ALONG = {"axis": 0}
LONG: list[Function] = [
    lambda x: array_api.sum(x, **ALONG),
    lambda x: gradcore.softmax(x, **ALONG),
    lambda x: gradcore.logsoftmax(x, **ALONG),
    lambda x: gradcore.logsumexp(x, **ALONG),
    lambda x: array_api.max(x - gradcore.stop_gradient(x), **ALONG),  # all are equal
    lambda x: array_api.min(x - gradcore.stop_gradient(x), **ALONG),
    lambda x: array_api.cumulative_sum(x, **ALONG) / 4096.0,
    lambda x: ops.Normalize.do_forward(x.T),
    lambda x: array_api.vecdot(x, x, axis=-2),
    lambda x: gradcore.einsum("ij,ij->j", x, x),
    lambda x: x.T @ x,
    lambda x: linalg.vector_norm(100.0 * x, axis=0),
    lambda x: linalg.vector_norm(x, axis=0, ord=3),
    lambda x: linalg.norm(100.0 * x),
    lambda x: array_api.var(100.0 * x, axis=0),
    lambda x: array_api.std(300.0 * x, axis=0),
    lambda x: gradcore.rms_norm(300.0 * x, 2),
    lambda x: gradcore.cross_entropy(x, gradcore.zeros(x.shape[0], dtype="int64")),
    lambda x: gradcore.cross_entropy(x.T, gradcore.zeros(2, dtype="int64")),
    lambda x: gradcore.scaled_dot_product_attention(x, x, x),
]


@pytest.mark.parametrize("f", LONG)
def test_functions_of_many_float16(half: Backend, f: Function) -> None:
    x = numbers(9000, 2)
    x = x[:2500] if f is LONG[-1] else x
    found, exact = (results(half, f, x, t) for t in ("float16", "float32"))
    for y, z in zip(found, exact, strict=True):
        scale = abs(z).max() or 1.0
        np.testing.assert_allclose(y / scale, z / scale, 1e-2, 1e-2)


def test_gradients_of_what_was_broadcast_are_summed_in_float32(half: Backend) -> None:
    layer = nn.Linear(2, 3)
    for p in layer.parameters():
        p.value = half.asarray(half.to_numpy(p.value), "float16")
    array_api.mean(layer(half.asarray(np.ones((16384, 2)), "float16"))).backward()
    np.testing.assert_allclose(half.to_numpy(layer.b.grad), np.full((1, 3), 1 / 3), rtol=2e-3)


@pytest.mark.parametrize("create", [False, True])
def test_gradients_of_many_uses_are_summed_in_float32(half: Backend, create: bool) -> None:
    x = TensorNode(half.asarray(np.ones(2), "float16"))
    y = 1.0 * x
    total = array_api.stack([node[0] for node in (x, y) for _ in range(2500)])
    array_api.sum(total).backward(create_graph=create)
    gradient = x.grad.value if create else x.grad
    assert gradient.dtype == half.dtype("float16")
    np.testing.assert_allclose(half.to_numpy(gradient), [5000.0, 0.0], rtol=2e-3)


@pytest.mark.parametrize("create", [False, True])
def test_gradients_of_many_uses_that_broadcast_are_summed_in_float32(
    half: Backend, create: bool
) -> None:
    x, ones = TensorNode(half.asarray(np.ones(1), "float16")), half.asarray(np.ones(2), "float16")
    y = 1.0 * x
    total = array_api.stack([node * ones for node in (x, y) for _ in range(2500)])
    array_api.sum(total).backward(create_graph=create)
    gradient = x.grad.value if create else x.grad
    np.testing.assert_allclose(half.to_numpy(gradient), [10000.0], rtol=2e-3)


def test_gradients_at_one_place_are_summed_in_float32(half: Backend) -> None:
    x = TensorNode(half.asarray(np.ones((3, 2)), "float16"))
    y = array_api.take(x, half.asarray(np.ones(4096, "int64")), axis=0)
    Sum.do_forward(y).backward()
    assert half.to_numpy(x.grad).tolist() == [[0, 0], [4096, 4096], [0, 0]]


def test_gradients_of_windows_that_overlap_are_summed_in_float32(half: Backend) -> None:
    x = TensorNode(half.asarray(np.arange(3600.0).reshape(1, 1, 60, 60) % 7, "float16"))
    for pool in (gradcore.avg_pool2d, gradcore.max_pool2d):
        x.zero_grad()
        Sum.do_forward(pool(x, 48, 1)).backward()
        assert float(half.xp.sum(x.grad, dtype=half.dtype("float32"))) == pytest.approx(
            169, rel=1e-3
        )


def test_a_mean_of_large_losses_is_no_infinity(half: Backend) -> None:
    x = TensorNode(half.asarray(np.tile([[16.0, 0.0]], (8192, 1)), "float16"))
    y = gradcore.cross_entropy(x, half.asarray(np.ones(8192, "int64")))
    assert float(y) == 16.0


def test_second_derivatives_in_float16(half: Backend) -> None:
    """They go through what was rounded: inputs, outputs and the first derivatives."""
    x = np.asarray([0.5, 1.0, 2.0], "float16")
    for f in (
        lambda x: array_api.var(x),
        lambda x: array_api.std(x),
        lambda x: array_api.prod(x),
        lambda x: gradcore.logsumexp(x, axis=0),
        lambda x: gradcore.softmax(x, axis=0)[0],
        lambda x: gradcore.logsoftmax(x, axis=0)[0],
        lambda x: array_api.cumulative_prod(x)[2],
        lambda x: linalg.vector_norm(x),
        lambda x: array_api.vecdot(x, x * x),
        lambda x: gradcore.rms_norm(x, 3)[0],
    ):
        found, exact = (
            half.to_numpy(gradcore.hessian(f)(half.asarray(x, t))) for t in ("float16", "float32")
        )
        assert found.dtype == np.float16
        np.testing.assert_allclose(found, exact, rtol=1e-2, atol=4e-3)
