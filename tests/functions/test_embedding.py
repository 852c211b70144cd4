"""One-hot rows and embeddings, as functions and as modules."""

from __future__ import annotations

import numpy as np
import pytest

import gradcore
from gradcore import Sum, TensorNode, nn
from gradcore.backends import Backend


def test_one_hot(backend: Backend) -> None:
    y = gradcore.one_hot(backend.asarray(np.array([[2, 0], [1, 1]])), 3)
    assert (y.dtype, y.requires_grad) == (backend.dtype("float32"), False)
    np.testing.assert_array_equal(backend.to_numpy(y.value), np.eye(3)[[[2, 0], [1, 1]]])
    assert gradcore.one_hot(TensorNode([1]), 2, dtype="int32").dtype == backend.dtype("int32")
    for wrong in (3, -1):
        with pytest.raises(IndexError, match=rf"^one_hot: indices: {wrong} .* 0 to 2"):
            gradcore.one_hot([0, wrong], 3)


@pytest.mark.parametrize("padding_idx", [None, 1, -1])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_embedding_against_torch(precision: str, padding_idx: int | None) -> None:
    torch = pytest.importorskip("torch")
    weight = np.random.default_rng(0).normal(size=(4, 3)).astype(precision)
    indices = np.array([[0, 1, 1], [3, 1, 0]])
    w, v = TensorNode(weight.copy()), torch.tensor(weight, requires_grad=True)
    y = gradcore.embedding(indices, w, padding_idx)
    z = torch.nn.functional.embedding(torch.tensor(indices), v, padding_idx)
    np.testing.assert_array_equal(y.value, z.detach().numpy(), strict=True)
    Sum.do_forward(y * y).backward()
    (z * z).sum().backward()
    np.testing.assert_allclose(w.grad, v.grad.numpy(), 1e-6)


def test_embedding_refusals(backend: Backend) -> None:
    w = TensorNode(backend.asarray(np.ones((4, 2), np.float32)))
    for wrong in (4, -1):
        with pytest.raises(IndexError, match=rf"^embedding: indices: {wrong} .* 0 to 3"):
            gradcore.embedding([0, wrong], w)
    with pytest.raises(TypeError, match=r"^embedding: indices must be integers"):
        gradcore.embedding([0.0], w)
    with pytest.raises(ValueError, match=r"^embedding: the weight is float32 \(2,\)"):
        gradcore.embedding([0], w[0])
    with pytest.raises(ValueError, match=r"^embedding: padding_idx = 4"):
        gradcore.embedding([0], w, padding_idx=4)


def test_the_module(backend: Backend) -> None:
    gradcore.manual_seed(3)
    module = nn.Embedding(500, 20, padding_idx=-1)
    assert repr(module) == "Embedding(500, 20, padding_idx=499)"
    w = backend.to_numpy(module.w.value)
    np.testing.assert_array_equal(w[499], 0.0)
    assert w.dtype == np.float32
    assert abs(w.mean()) < 0.04
    assert abs(w[:499].std() - 1.0) < 0.03
    x = backend.asarray(np.array([[1, 499], [1, 2]]))
    Sum.do_forward(module(x)).backward()
    rows = backend.to_numpy(module.w.grad).sum(axis=1)
    assert {i: rows[i] for i in np.flatnonzero(rows)} == {1: 40.0, 2: 20.0}
    for sizes in ((0, 3), (3, -1)):
        with pytest.raises(ValueError, match=r"^Embedding: .*positive"):
            nn.Embedding(*sizes)
    with pytest.raises(ValueError, match=r"^Embedding: padding_idx = 3"):
        nn.Embedding(3, 2, padding_idx=3)
