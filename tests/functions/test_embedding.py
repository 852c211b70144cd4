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


def test_vectors_that_are_there(backend: Backend) -> None:
    given = backend.asarray(np.asarray([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], "float32"))
    for freeze in (True, False):
        module = nn.Embedding.from_pretrained(given, freeze, 1, sparse=True)
        assert module.weight.requires_grad is not freeze
        assert len(module.parameters()) == 1
        assert (module.num_embeddings, module.embedding_dim, module.padding_idx) == (3, 2, 1)
        assert backend.to_numpy(module([2, 1]).value).tolist() == [[5, 6], [3, 4]]
    bag = nn.EmbeddingBag.from_pretrained(given, mode="sum")
    assert backend.to_numpy(bag([[0, 2]]).value).tolist() == [[6, 8]]
    with pytest.raises(ValueError, match=r"^Embedding: embeddings is float32 \(2,\), expected"):
        nn.Embedding.from_pretrained(given[0, :])


def test_no_integers_name_no_vector_that_is_too_long(backend: Backend) -> None:
    module = nn.Embedding(3, 2, max_norm=0.1)
    module.w = TensorNode(backend.asarray(np.ones((3, 2), "float32")))
    assert module(backend.asarray(np.zeros((0, 4), "int64"))).shape == (0, 4, 2)
    assert backend.to_numpy(module.w.value).min() == 1.0


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


# -- Bags, norms and frequencies --------------------------------------------------------------

W = np.array([[1.0, -2.0], [0.5, 3.0], [-1.5, 0.25], [2.0, 1.0]])
BAGS = [[0, 1, 1], [], [2, 3]]  # of the indices 0, 1, 1, 2, 3


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_are_reduced_rows_and_an_empty_one_is_zeros(backend: Backend, mode: str) -> None:
    w = TensorNode(backend.asarray(W, "float32"))
    f = {"sum": np.sum, "mean": np.mean, "max": np.max}[mode]
    expected = [f(W[bag], axis=0) if bag else np.zeros(2) for bag in BAGS]
    y = gradcore.embedding_bag([0, 1, 1, 2, 3], w, [0, 3, 3], mode=mode)
    np.testing.assert_allclose(backend.to_numpy(y.value), expected, 1e-6)
    again = gradcore.embedding_bag(
        [0, 1, 1, 2, 3, 0], w, [0, 3, 3, 5], mode=mode, include_last_offset=True
    )
    np.testing.assert_array_equal(backend.to_numpy(again.value), backend.to_numpy(y.value))
    both = gradcore.embedding_bag([[0, 1], [3, 1]], w, mode=mode, padding_idx=1)
    np.testing.assert_allclose(backend.to_numpy(both.value), W[[0, 3]], 1e-6)
    Sum.do_forward(y).backward()
    expected = {
        "sum": [[1, 1], [2, 2], [1, 1], [1, 1]],
        "mean": np.array([2, 4, 3, 3])[:, None] / 6,
    }
    expected["max"] = [[1, 0], [0, 1], [0, 0], [1, 1]]
    np.testing.assert_allclose(
        backend.to_numpy(w.grad), np.broadcast_to(expected[mode], (4, 2)), 1e-6
    )


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding_idx", [None, -1])
@pytest.mark.parametrize("max_norm", [None, 1.5])
def test_bags_against_torch(mode: str, padding_idx: int | None, max_norm: float | None) -> None:
    torch = pytest.importorskip("torch")
    indices, offsets = np.array([0, 3, 1, 1, 2, 3]), np.array([0, 2, 2, 5])
    settings = {"mode": mode, "padding_idx": padding_idx, "max_norm": max_norm}
    module, twin = nn.EmbeddingBag(4, 2, **settings), torch.nn.EmbeddingBag(4, 2, **settings)
    module.w = TensorNode(W.astype("float32"))
    twin.weight.data = torch.tensor(W, dtype=torch.float32)
    given, theirs = [indices, offsets], [torch.tensor(indices), torch.tensor(offsets)]
    weights, more = np.array([0.5, 2.0, -1.0, 1.0, 3.0, 0.25], "float32"), {}
    if mode == "sum":
        given.append(TensorNode(weights.copy()))
        more["per_sample_weights"] = torch.tensor(weights, requires_grad=True)
    y, z = module(*given), twin(*theirs, **more)
    np.testing.assert_allclose(y.value, z.detach().numpy(), 1e-6)
    np.testing.assert_allclose(module.w.value, twin.weight.detach().numpy(), 1e-6)
    Sum.do_forward(y * y).backward()
    (z * z).sum().backward()
    np.testing.assert_allclose(module.w.grad, twin.weight.grad.numpy(), 1e-5)
    if mode == "sum":
        np.testing.assert_allclose(given[2].grad, more["per_sample_weights"].grad.numpy(), 1e-5)


def test_norms_and_frequencies(backend: Backend) -> None:
    w = TensorNode(backend.asarray(W, "float32"))
    y = gradcore.embedding([[1, 1], [0, 1]], w, scale_grad_by_freq=True)
    np.testing.assert_array_equal(backend.to_numpy(y.value), W[[[1, 1], [0, 1]]])
    Sum.do_forward(y).backward()
    np.testing.assert_allclose(backend.to_numpy(w.grad), [[1, 1], [1, 1], [0, 0], [0, 0]], 1e-6)
    module = nn.Embedding(4, 2, max_norm=1.0, norm_type=1.0)
    module.w = w
    module(backend.asarray(np.array([1, 2]), "int64"))
    expected = np.where([[False], [True], [True], [False]], W / abs(W).sum(1, keepdims=True), W)
    np.testing.assert_allclose(backend.to_numpy(w.value), expected, 1e-5)


def test_bags_refuse_what_does_not_fit(backend: Backend) -> None:
    w = TensorNode(backend.asarray(W, "float32"))
    for given, settings, error, words in [
        (([0, 4], w, [0]), {}, IndexError, "indices: 4"),
        (([0, 1], w, [1]), {}, IndexError, r"offsets\[0\]: 1"),
        (([0, 1], w, [0, 3]), {}, IndexError, "offsets: 3"),
        (([0, 1], w), {}, ValueError, r"expected \(B, K\), or \(L,\) and offsets"),
        (([[0, 1]], w, [0]), {}, ValueError, "leave offsets out"),
        (([[0]], w), {"mode": "least"}, ValueError, "expected sum, mean or max"),
        (([[0]], w), {"per_sample_weights": [[1.0]]}, ValueError, "and 'sum'"),
        (([[0]], w), {"mode": "max", "scale_grad_by_freq": True}, ValueError, "is not for"),
        (([[0]], w * 1.0), {"max_norm": 1.0}, TypeError, "a node of its own"),
    ]:  # fmt: skip
        with pytest.raises(error, match=f"^embedding_bag: .*{words}"):
            gradcore.embedding_bag(*given, **settings)


def test_the_number_of_classes_is_found(backend: Backend) -> None:
    y = gradcore.one_hot(backend.asarray(np.array([2, 0]), "int64"))
    np.testing.assert_array_equal(backend.to_numpy(y.value), [[0, 0, 1], [1, 0, 0]])
    with pytest.raises(ValueError, match="there are no indices"):
        gradcore.one_hot(backend.asarray(np.zeros(0), "int64"))
