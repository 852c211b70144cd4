"""Clipped gradients, and parameters as one vector."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcore import Sum, TensorNode, nn
from gradcore.nn import utils

SHAPES = [(3, 4), (5,), (), (0, 2)]
ORDERS = [2, 2.0, 1, 3.5, float("inf"), 0, -1, float("-inf")]


def with_gradients(backend: Any, dtype: str, scale: float = 1.0) -> tuple[list[TensorNode], Any]:
    """Parameters, of which the last but one has no gradient, and their gradients."""
    rng = np.random.default_rng(0)
    gradients = [scale * rng.normal(size=shape) for shape in SHAPES]
    nodes = [TensorNode(backend.asarray(np.zeros(shape), dtype)) for shape in (*SHAPES, (2,))]
    for p, g in zip(nodes, gradients, strict=False):
        p.grad = backend.asarray(g, dtype)
    return nodes[::-1], gradients


@pytest.mark.parametrize("order", [order for order in ORDERS if order])
def test_the_norm_is_that_of_one_vector(backend, dtype, order):
    nodes, gradients = with_gradients(backend, dtype)
    x = np.concatenate([g.reshape(-1) for g in gradients])
    expected = np.linalg.norm(x, order)
    mine = [p.grad for p in nodes if p.has_grad]
    before = [backend.to_numpy(g).copy() for g in mine]
    norm = utils.clip_grad_norm_(iter(nodes), 0.5, order)
    assert isinstance(norm, backend.array_types)
    assert float(norm) == pytest.approx(expected, rel=1e-5)
    clipped = np.concatenate([backend.to_numpy(p.grad).reshape(-1) for p in nodes[:0:-1]])
    factor = min(1.0, 0.5 / (expected + 1e-6))
    np.testing.assert_allclose(clipped, x * factor, rtol=1e-5)
    for g, b in zip(mine, before, strict=True):  # which the test holds too
        assert np.array_equal(backend.to_numpy(g), b)
    assert all(p.grad.dtype == p.value.dtype for p in nodes)
    assert not nodes[0].has_grad
    norm = float(utils.clip_grad_norm_(nodes, 1e9, order))
    assert norm == pytest.approx(expected * factor, rel=1e-4)


@pytest.mark.parametrize("order", ORDERS)
def test_norms_are_torchs(order):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    nodes = [TensorNode(rng.normal(size=shape)) for shape in SHAPES[:3]]
    twins = [torch.tensor(p.value, requires_grad=True) for p in nodes]
    for p, t in zip(nodes, twins, strict=True):
        p.grad = np.asarray(rng.normal(size=p.shape))
        t.grad = torch.tensor(p.grad)
    norm = utils.clip_grad_norm_(nodes, 1.0, order)
    expected = torch.nn.utils.clip_grad_norm_(twins, 1.0, order)
    assert float(norm) == pytest.approx(float(expected), rel=1e-12)
    for p, t in zip(nodes, twins, strict=True):
        np.testing.assert_allclose(p.grad, t.grad.numpy(), rtol=1e-12)
    assert float(utils.get_total_norm([p.grad for p in nodes], order)) == pytest.approx(
        float(torch.nn.utils.get_total_norm([t.grad for t in twins], order)), rel=1e-12
    )


def test_gradients_that_nobody_else_holds_are_clipped_in_place():
    p = TensorNode(np.ones(1000))
    Sum.do_forward(p * 3.0).backward()
    place = p.grad.__array_interface__["data"][0]
    utils.clip_grad_norm_(p, 1.0)
    assert p.grad.__array_interface__["data"][0] == place
    assert np.linalg.norm(p.grad) == pytest.approx(1.0)


def test_what_is_not_finite(backend):
    for bad in (np.inf, np.nan):
        p = TensorNode(backend.asarray([1.0, 2.0]))
        p.grad = backend.asarray([bad, 1.0])
        with pytest.raises(
            RuntimeError, match=r"^get_total_norm: the norm of order 2 is (inf|nan)"
        ):
            utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
        assert float(p.grad[1]) == 1.0
        with np.errstate(invalid="ignore"):
            assert not np.isfinite(float(utils.clip_grad_norm_([p], 1.0)))
        assert float(p.grad[1]) != 1.0  # as in PyTorch: 0, or NaN
    assert float(utils.clip_grad_norm_([], 1.0)) == 0.0
    assert float(utils.get_total_norm(TensorNode([3.0, 4.0]))) == 5.0


def test_gradients_of_float16_have_a_norm_in_float32(backend):
    if not hasattr(backend.xp, "float16"):
        pytest.skip("no float16")
    p = TensorNode(backend.asarray(np.ones(4), "float16"))
    p.grad = backend.asarray(np.full(4, 3e4), "float16")
    assert float(utils.clip_grad_norm_([p], 1.0)) == pytest.approx(6e4, rel=1e-3)
    assert p.grad.dtype == backend.xp.float16
    np.testing.assert_allclose(backend.to_numpy(p.grad), 0.5, rtol=1e-3)


def test_values_of_gradients_are_clipped(backend, dtype):
    nodes, gradients = with_gradients(backend, dtype, 3.0)
    utils.clip_grad_value_(nodes, 1.5)
    for p, g in zip(nodes[:0:-1], gradients, strict=True):
        np.testing.assert_allclose(backend.to_numpy(p.grad), np.clip(g, -1.5, 1.5), rtol=1e-6)
        assert p.grad.dtype == p.value.dtype
    assert not nodes[0].has_grad
    z = TensorNode(np.ones(2) * 1j)
    z.grad = np.ones(2) * 1j
    with pytest.raises(TypeError, match=r"^clip_grad_value_: a gradient is complex"):
        utils.clip_grad_value_(z, 1.0)
    assert float(utils.clip_grad_norm_(z, 10.0)) == pytest.approx(2**0.5)


def test_parameters_are_one_vector(backend, dtype):
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    for p in model.parameters():
        p.value = backend.asarray(np.random.default_rng(0).normal(size=p.shape), dtype)
    vector = utils.parameters_to_vector(model.parameters())
    assert vector.shape == (13,)
    Sum.do_forward(vector * vector).backward()
    p = model.parameters()[0]
    np.testing.assert_allclose(backend.to_numpy(p.grad), 2 * backend.to_numpy(p.value), rtol=1e-6)
    utils.vector_to_parameters(vector.value * 2, model.parameters())
    twice = utils.parameters_to_vector(model.parameters())
    given = backend.to_numpy(vector.value)
    np.testing.assert_allclose(backend.to_numpy(twice.value), 2 * given, rtol=1e-6)
    with pytest.raises(
        ValueError, match=r"^vector_to_parameters: vec has shape \(12,\), expected "
    ):
        utils.vector_to_parameters(vector.value[1:], model.parameters())
