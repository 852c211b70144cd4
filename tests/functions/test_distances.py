"""Distances and angles between vectors, as functions and as modules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparing import close

import gradcore
from gradcore import TensorNode, check_gradients, nn
from gradcore.backends import Backend

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))
X[3] = 0.0
CUBES = RNG.normal(size=(2, 3, 2))

# Function, inputs, PyTorch's settings (`dim` is `axis` here, `keepdim` is `keepdims`).
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("cosine_similarity", (X, Y), {}),
    ("cosine_similarity", (CUBES, CUBES[:, :1]), {"dim": 2}),
    ("cosine_similarity", (X[0], Y[0]), {"dim": 0, "eps": 1e-3}),
    ("pairwise_distance", (X, Y), {}),
    ("pairwise_distance", (X, Y[0]), {"p": 1.0, "keepdim": True}),
    ("pairwise_distance", (X[0], Y[0]), {"p": float("inf")}),
    ("pdist", (X[:3],), {}),
    ("pdist", (X,), {"p": 3.0}),
    ("normalize", (X,), {}),
    ("normalize", (CUBES,), {"dim": 2, "p": 1.0}),
    ("normalize", (CUBES,), {"dim": 0, "p": 3.0, "eps": 1.5}),
]


@pytest.mark.parametrize(("name", "inputs", "settings"), CALLS)
def test_against_torch(backend: Backend, dtype: str, name: str, inputs: Any, settings: Any) -> None:
    torch = pytest.importorskip("torch")
    ours = {"dim": "axis", "keepdim": "keepdims"}
    nodes = [TensorNode(backend.asarray(x, dtype)) for x in inputs]
    tensors = [torch.tensor(x, dtype=getattr(torch, dtype), requires_grad=True) for x in inputs]
    y = getattr(gradcore, name)(*nodes, **{ours.get(k, k): v for k, v in settings.items()})
    expected = getattr(torch.nn.functional, name)(*tensors, **settings)
    close(backend, y, expected.detach().numpy(), dtype)
    weights = np.linspace(0.5, 1.5, expected.numel()).reshape(expected.shape)
    gradcore.Sum.do_forward(y * backend.asarray(weights, dtype)).backward()
    (expected * torch.tensor(weights)).sum().backward()
    for node, t in zip(nodes, tensors, strict=True):
        close(backend, node.grad, t.grad.numpy(), dtype)


def test_gradients_by_differences() -> None:
    """The second ones too, where a vector is zero or shorter than eps."""
    check_gradients(lambda x: gradcore.cosine_similarity(x, Y, eps=0.1), X + 0.01)
    check_gradients(lambda x: gradcore.normalize(x, eps=0.1), X)
    check_gradients(lambda x: gradcore.normalize(x, p=3, axis=(1, 2)), CUBES)
    check_gradients(gradcore.pairwise_distance, X, Y)
    check_gradients(gradcore.pdist, Y)


def test_equal_rows_have_the_distance_and_the_gradient_0(backend: Backend) -> None:
    x = TensorNode(backend.asarray([[1.0, 2.0], [1.0, 2.0], [4.0, 6.0]]))
    y = gradcore.pdist(x)
    assert backend.to_numpy(y.value).tolist() == [0.0, 5.0, 5.0]
    y[0].backward()
    assert not backend.to_numpy(x.grad).any()


def test_normalized_vectors_have_length_1(backend: Backend, dtype: str) -> None:
    x = backend.asarray(X, dtype)
    squares = gradcore.normalize(x) * gradcore.normalize(x)
    close(backend, gradcore.Sum.do_forward(squares, axis=1), np.array([1.0, 1.0, 1.0, 0.0]), dtype)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gradcore.normalize(X, eps=-1), "^normalize: eps = -1"),
        (lambda: gradcore.pdist(X[0]), r"^pdist: x has shape \(3,\)"),
        (lambda: gradcore.pdist(X, -1), "p is -1"),
    ],
)
def test_refusals(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_modules() -> None:
    module = nn.CosineSimilarity(axis=0, eps=0.5)
    np.testing.assert_array_equal(
        module(X, Y).value, gradcore.cosine_similarity(X, Y, 0, 0.5).value
    )
    assert repr(module) == "CosineSimilarity(axis=0, eps=0.5)"
    expected = gradcore.pairwise_distance(X, Y, p=1.0).value
    np.testing.assert_array_equal(nn.PairwiseDistance(1.0)(X, Y).value, expected)
