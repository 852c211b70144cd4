"""Scaled dot-product attention."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparing import call_is_torchs, close

import gradcore
from gradcore import Sum, TensorNode, check_gradients, manual_seed
from gradcore.backends import Backend

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


Q, K, V = normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 6)
Q3 = normal(3, 3, 4)
BOOLEANS = RNG.uniform(size=(2, 3, 5)) < 0.6
BOOLEANS[0, 1] = False  # a query that looks at no key
ADDED = np.where(BOOLEANS, normal(2, 3, 5), -np.inf)
CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((Q, K, V), {}),
    ((Q[0], K[0], V[0]), {"scale": 0.3}),
    ((normal(2, 2, 3, 4), normal(2, 2, 5, 4), normal(2, 2, 5, 4)), {"is_causal": True}),
    ((normal(2, 5, 4), normal(2, 3, 4), normal(2, 3, 4)), {"is_causal": True}),
    ((Q, K, V, BOOLEANS), {}),
    ((Q, K, V, BOOLEANS[0]), {}),
    ((Q, K, V, BOOLEANS[:, :, :1]), {}),
    ((Q, K, V, normal(3, 5)), {}),
    ((Q, K[:, :0], V[:, :0]), {}),
]


@pytest.mark.parametrize(("inputs", "settings"), CALLS)
def test_against_torch(backend: Backend, dtype: str, inputs: Any, settings: Any) -> None:
    name = "scaled_dot_product_attention"
    call_is_torchs(backend, dtype, name, inputs, settings, settings)


def test_a_mask_of_minus_infinities_against_torch(backend: Backend, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    nodes = [TensorNode(backend.asarray(x, dtype)) for x in (Q, K, V)]
    tensors = [torch.tensor(x, dtype=getattr(torch, dtype), requires_grad=True) for x in (Q, K, V)]
    y = gradcore.scaled_dot_product_attention(*nodes, backend.asarray(ADDED, dtype))
    expected = torch.nn.functional.scaled_dot_product_attention(
        *tensors, torch.tensor(ADDED, dtype=getattr(torch, dtype))
    )
    close(backend, y, expected.detach().numpy(), dtype)
    Sum.do_forward(y * y).backward()
    (expected * expected).sum().backward()
    for node, t in zip(nodes, tensors, strict=True):
        close(backend, node.grad, t.grad.numpy(), dtype)


@pytest.mark.parametrize("heads", [1, 2, 6])
def test_queries_may_share_keys_and_values(backend: Backend, dtype: str, heads: int) -> None:
    """`enable_gqa`: each head of keys and values counts for a group of heads of the query."""
    q, k, v = normal(2, 6, 3, 4), normal(2, heads, 5, 4), normal(2, heads, 5, 3)
    groups = 6 // heads
    nodes = [TensorNode(backend.asarray(x, dtype)) for x in (q, k, v)]
    mask = backend.asarray(RNG.uniform(size=(3, 5)) < 0.7)
    y = gradcore.scaled_dot_product_attention(*nodes, mask, enable_gqa=True)
    alone = [
        TensorNode(backend.asarray(x, dtype))
        for x in (q, *(np.repeat(x, groups, 1) for x in (k, v)))
    ]
    expected = gradcore.scaled_dot_product_attention(*alone, mask)
    close(backend, y, backend.to_numpy(expected.value), dtype)
    for z in (y, expected):
        Sum.do_forward(z * z).backward()
    for node, other in zip(nodes, alone, strict=True):
        gradient = backend.to_numpy(other.grad)
        gradient = gradient.reshape(2, node.shape[1], -1, *node.shape[2:]).sum(axis=2)
        close(backend, node.grad, gradient, dtype)


def test_long_sequences_keep_no_weights() -> None:
    """Scores of 64 MB, of which each array at a time is a part."""
    for n in (128, 4096):  # the first one compiles kernels
        q = TensorNode(RNG.normal(size=(1, 1, n, 8)).astype("float32"))
        tracemalloc.start()
        y = gradcore.scaled_dot_product_attention(q, q, q, is_causal=True)
        Sum.do_forward(y * y).backward()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert np.isfinite(q.grad).all()
    assert peak < 8e6


def test_attention_is_what_its_definition_says(backend: Backend, dtype: str) -> None:
    scores = np.where(BOOLEANS, np.exp(Q @ K.mT / 2), 0.0)
    total = scores.sum(axis=-1, keepdims=True)
    expected = scores / np.where(total == 0, 1.0, total) @ V
    q, k, v = (backend.asarray(x, dtype) for x in (Q, K, V))
    found = gradcore.scaled_dot_product_attention(q, k, v, backend.asarray(BOOLEANS))
    close(backend, found, expected, dtype)
    assert not backend.to_numpy(found.value)[0, 1].any()


def test_attention_drops_weights() -> None:
    manual_seed(0)
    ones, keys, values = np.ones((1, 1, 4)), np.ones((1, 1000, 4)), np.eye(1000)[None]
    y = gradcore.scaled_dot_product_attention(ones, keys, values, dropout_p=0.5)
    assert set((y.value * 1000).round(9).ravel()) == {0.0, 2.0}


def test_gradients_by_differences() -> None:
    check_gradients(lambda *x: gradcore.scaled_dot_product_attention(*x, BOOLEANS), Q, K, V)
    check_gradients(gradcore.scaled_dot_product_attention, Q, K, V, normal(3, 5))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: gradcore.scaled_dot_product_attention(Q, K, V, BOOLEANS, is_causal=True),
            "is_causal and attn_mask",
        ),
        (
            lambda: gradcore.scaled_dot_product_attention(Q, Q3, Q3, enable_gqa=True),
            r"dividing those of the query; found query \(2, 3, 4\)",
        ),
        (lambda: gradcore.scaled_dot_product_attention(Q, K, V, dropout_p=2), "dropout_p = 2"),
        (lambda: gradcore.scaled_dot_product_attention(Q[0, 0], K, V), r"query is .*\(4,\)"),
        (lambda: gradcore.scaled_dot_product_attention(Q, V, V), r"\(2, 3, 4\).*\(2, 5, 6\)"),
    ],
)
def test_refusals(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_a_head_of_size_zero_looks_at_all_keys_alike(backend: Backend, dtype: str) -> None:
    q, v = backend.asarray(np.zeros((1, 2, 0)), dtype), backend.asarray([[[1.0, 2.0], [3.0, 4.0]]])
    v = TensorNode(backend.asarray(v, dtype))
    y = gradcore.scaled_dot_product_attention(q, q, v)
    close(backend, y, np.array([[[2.0, 3.0], [2.0, 3.0]]]), dtype)
    Sum.do_forward(y).backward()
    close(backend, v.grad, np.ones((1, 2, 2)), dtype)


@pytest.mark.parametrize("mask", [[[1, 0], [1, 1]], np.array([[1, 0], [1, 1]], "uint8")], ids=repr)
def test_a_mask_of_integers_is_refused(mask: Any) -> None:
    """They could be meant as booleans, or as numbers to add."""
    q = np.ones((1, 2, 4))
    with pytest.raises(TypeError, match=r"^scaled_dot_product_attention: attn_mask is u?int") as e:
        gradcore.scaled_dot_product_attention(q, q, q, mask)
    assert "\n" not in str(e.value)


def test_masks_may_be_lists() -> None:
    q = np.random.default_rng(0).normal(size=(1, 2, 4))
    y = gradcore.scaled_dot_product_attention(q, q, q, [[True, False], [False, False]])
    np.testing.assert_allclose(y.value, [[q[0, 0], np.zeros(4)]])
    added = gradcore.scaled_dot_product_attention(q, q, q, [[0.0, -np.inf], [-np.inf, -np.inf]])
    np.testing.assert_allclose(added.value, y.value)


def test_dropout_of_all_weights_and_of_none() -> None:
    q = TensorNode(np.random.default_rng(0).normal(size=(1, 2, 4)))
    for p, expected in ((1.0, np.zeros((1, 2, 4))), (0.0, None)):
        y = gradcore.scaled_dot_product_attention(q, q, q, dropout_p=p)
        if expected is None:
            expected = gradcore.scaled_dot_product_attention(q, q, q).value
        np.testing.assert_array_equal(y.value, expected)
        q.zero_grad()
        Sum.do_forward(y).backward()
        assert np.isfinite(q.grad).all()
