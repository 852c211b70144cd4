"""New nodes and random ones at the root: values, dtypes and places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradcore as g
from gradcore.backends import use_backend

MADE: list[tuple[str, tuple[Any, ...], dict[str, Any], Any, str]] = [
    ("zeros", (2, 3), {}, np.zeros((2, 3)), "float32"),
    ("zeros", ((),), {}, 0.0, "float32"),
    ("ones", ((2, 0),), {"dtype": "int64"}, np.ones((2, 0)), "int64"),
    ("full", ((2,), 1.5), {}, [1.5, 1.5], "float32"),
    ("full", (2, 3), {}, [3, 3], "int64"),
    ("full", (2, True), {}, [True, True], "bool"),
    ("full", (1, 3), {"dtype": "float32"}, [3.0], "float32"),
    ("eye", (2,), {}, np.eye(2), "float32"),
    ("eye", (2, 3), {}, np.eye(2, 3), "float32"),
    ("arange", (3,), {}, [0, 1, 2], "int64"),
    ("arange", (1, 2, 0.25), {}, [1, 1.25, 1.5, 1.75], "float32"),
    ("arange", (5, 1, -2), {"dtype": "float32"}, [5, 3], "float32"),
    ("linspace", (0, 1, 3), {}, [0, 0.5, 1], "float32"),
    ("tensor", ([[1, 2.5]],), {}, [[1, 2.5]], "float32"),
    ("tensor", (3,), {}, 3, "int64"),
    ("tensor", ([1, 2],), {"dtype": "float32"}, [1, 2], "float32"),
    ("tril_indices", (3, 2), {}, np.array(np.tril_indices(3, 0, 2)), "int64"),
    ("triu_indices", (2, 3, 1), {}, np.array(np.triu_indices(2, 1, 3)), "int64"),
]


@pytest.mark.parametrize(("name", "args", "options", "expected", "kind"), MADE)
def test_new_nodes(
    backend: Any, name: str, args: Any, options: Any, expected: Any, kind: str
) -> None:
    with use_backend(backend.name, backend.device):
        y = getattr(g, name)(*args, **options)
    assert isinstance(y.value, backend.array_types)
    assert str(y.dtype).endswith(kind)
    assert not y.requires_grad
    np.testing.assert_array_equal(backend.to_numpy(y.value), expected)


def test_new_nodes_can_be_leaves() -> None:
    makers = [g.zeros, g.ones, g.rand, g.randn, g.empty]
    for x in [*(make(2, requires_grad=True) for make in makers), g.eye(2, requires_grad=True)]:
        g.sum(x * 3.0).backward()
        assert (x.grad == 3.0).all()
    with pytest.raises(TypeError, match=r"requires_grad|floating"):
        g.zeros(2, dtype="int64", requires_grad=True)


def test_a_tensor_is_a_copy() -> None:
    x = np.ones(2)
    y = g.tensor(x, requires_grad=True)
    x[0] = 5.0
    assert y.value.tolist() == [1.0, 1.0]
    assert g.tensor(y).value is not y.value


def test_random_numbers_of_the_shape_of_another(backend: Any, dtype: str) -> None:
    x = g.TensorNode(backend.asarray(np.zeros((200, 5)), dtype))
    for draw, mean, spread in ((g.rand_like, 0.5, 12**-0.5), (g.randn_like, 0.0, 1.0)):
        g.manual_seed(1)
        y = draw(x)
        assert (y.dtype, y.shape, y.requires_grad) == (x.dtype, x.shape, False)
        drawn = backend.to_numpy(y.value)
        np.testing.assert_allclose([drawn.mean(), drawn.std()], [mean, spread], atol=0.06)


def test_gumbel_softmax_draws_classes_with_their_probabilities(backend: Any) -> None:
    probabilities = np.array([0.5, 0.2, 0.3], np.float32)
    logits = g.TensorNode(backend.asarray(np.tile(np.log(probabilities), (4000, 1))))
    g.manual_seed(0)
    y = g.gumbel_softmax(logits, tau=0.5, hard=True)
    drawn = backend.to_numpy(y.value)
    np.testing.assert_allclose(drawn.sum(axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(np.sort(drawn, axis=1)[:, :2], 0.0, atol=1e-6)
    np.testing.assert_allclose(drawn.mean(axis=0), probabilities, atol=0.03)
    g.manual_seed(0)
    soft = g.gumbel_softmax(logits, tau=0.5)
    weights = backend.asarray(np.array([1.0, 2.0, 4.0], np.float32))
    hard, soft = (
        g.grad(lambda x, h=h: g.sum(_again(x, h) * weights))(logits) for h in (True, False)
    )
    np.testing.assert_allclose(*(backend.to_numpy(x.value) for x in (hard, soft)), rtol=1e-5)


def _again(logits: Any, hard: bool) -> Any:
    g.manual_seed(0)
    return g.gumbel_softmax(logits, tau=0.5, hard=hard)


def test_small_names_of_pytorch() -> None:
    x = g.TensorNode([[3.0, 1.0], [2.0, 2.0]])
    least, most = g.aminmax(x, axis=1)
    assert (least.tolist(), most.tolist()) == ([1.0, 2.0], [3.0, 2.0])
    assert g.amax(x, (0, 1)).item() == 3.0
    assert g.dist(x, [[0.0, 1.0], [2.0, 6.0]]).item() == 5.0
    assert g.clone(x).value is not x.value
    assert not g.detach(x).requires_grad
