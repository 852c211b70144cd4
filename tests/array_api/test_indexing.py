"""Parts taken by arrays of indices and masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcore import Sum, TensorNode
from gradcore.backends import Backend, get

X = np.random.default_rng(0).normal(size=(3, 4, 2))
I, J = np.array([0, 2, -3, 2]), np.array([[1], [-1]])  # noqa: E741
MASK = np.array([[1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 0]], dtype=bool)

KEYS: list[Any] = [  # of X
    I,
    np.array(1),
    (I, J),
    (I, slice(1, 3)),
    (I, ..., np.array([0, 1, 1, 0])),  # not next to each other: their axes come first
    (slice(None), I),
    (..., np.array([1, 0, 1])),
    (slice(None, None, -1), I, J[:1] % 2),
    (0, I),
    (1, slice(None), np.array([0, 0])),
    (slice(None), I, 1),
    (I, None, -1),
    (None, I, None, ..., None),
    (..., I, J, J % 2),
    [0, 2, 2],
    ([0, -1], [1, 1]),
    (slice(2), []),
    np.zeros((0, 2), dtype=np.int8),
    I.astype(np.int8),
    MASK,
    MASK[:, 0],
    (slice(None), MASK[0]),
    (MASK, 0),
    (MASK[:, 0], I[:2]),
    [True, False, True],
    np.zeros((3, 4), dtype=bool),
    np.zeros((0, 4), dtype=bool),
    np.array(True),
    np.array(False),
]


def there(backend: Backend, key: Any, nodes: bool = False) -> Any:
    """The key with arrays, or nodes, of the backend."""
    if isinstance(key, tuple):
        return tuple([there(backend, k, nodes) for k in key])
    if not isinstance(key, np.ndarray):
        return key
    return TensorNode(backend.asarray(key)) if nodes else backend.asarray(key)


def check(backend: Backend, y: TensorNode, expected: np.ndarray) -> None:
    assert y.shape == expected.shape
    np.testing.assert_allclose(backend.to_numpy(y.value), expected, 1e-6, 1e-6)


@pytest.mark.parametrize("nodes", [False, True])
@pytest.mark.parametrize("key", KEYS, ids=str)
def test_parts_as_in_numpy(backend: Backend, dtype: str, key: Any, nodes: bool) -> None:
    x = TensorNode(backend.asarray(X, dtype))
    y, expected = x[there(backend, key, nodes)], X.astype(dtype)[key]
    assert (y.dtype, y.device) == (x.dtype, x.device)
    np.testing.assert_array_equal(backend.to_numpy(y.value), expected, strict=True)
    w = 1.0 + np.arange(expected.size).reshape(expected.shape)
    Sum.do_forward(y * y * backend.asarray(w, dtype)).backward(create_graph=True)
    first = np.zeros(X.shape)
    np.add.at(first, key, 2 * w * X[key])
    check(backend, x.grad, first)  # repeated ones add up
    gradient = x.grad
    x.zero_grad()
    Sum.do_forward(gradient * backend.asarray(X, dtype)).backward()
    second = np.zeros(X.shape)
    np.add.at(second, key, 2 * w)
    check(backend, TensorNode(x.grad), second * X)


def test_random_keys() -> None:
    """Arrays among integers, slices, None and ..., in any order."""
    rng = np.random.default_rng(1)
    shapes: list[tuple[int, ...]] = [(), (1,), (3,), (2, 1)]
    tried = 0
    for _ in range(600):
        n, key = rng.integers(1, 4), []
        for size in X.shape[:n]:
            part = slice(*sorted(rng.integers(0, size + 1, 2)))
            array = rng.integers(-size, size, shapes[rng.integers(4)])
            key.append([int(rng.integers(size)), part, array, array][rng.integers(4)])
        if rng.integers(2):
            key.insert(rng.integers(n + 1), None)
        if n == X.ndim and rng.integers(2):
            key.insert(rng.integers(len(key) + 1), ...)
        try:
            expected = X[tuple(key)]
        except IndexError:  # shapes that can't be broadcast
            continue
        y = TensorNode(X.copy())[tuple(key)]
        np.testing.assert_array_equal(y.value, expected, strict=True, err_msg=str(key))
        tried += 1
    assert tried > 300


@pytest.mark.parametrize(
    ("key", "error", "words"),
    [
        (np.array([0, 3]), IndexError, r"^x\[\.\.\.\]: indices 0: 3 .* -3 to 2"),
        ((0, np.array([-5])), IndexError, r"^x\[\.\.\.\]: indices 0: -5 .* -4 to 3"),
        ((np.array([0]), 4), IndexError, "^GetItem: "),
        ((I, 0, 0, 0), IndexError, r"^x\[\.\.\.\]: 4 entries .* 3 axes"),
        ((..., I, ...), IndexError, r"^x\[\.\.\.\]: .* several"),
        (MASK[:2], IndexError, r"^x\[\.\.\.\]: a mask of shape \(2, 4\) .* \(3, 4\)"),
        ((I, [0, 0]), IndexError, r"^x\[\.\.\.\]: .* \(4,\) and \(2,\), .* broadcast"),
        (np.array([0.0]), TypeError, r"^x\[\.\.\.\]: indices 0 must be integers"),
        ((I, 1.0), TypeError, "^GetItem: .*float"),
        (["a"], TypeError, r"^x\[\.\.\.\]: indices 0 must be integers"),
    ],
    ids=str,
)
def test_wrong_keys(key: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        TensorNode(X.copy())[key]


def test_a_key_of_another_library() -> None:
    x = TensorNode(get("strict").asarray(X))
    with pytest.raises(ValueError, match=r"^x\[\.\.\.\]: the inputs are arrays of numpy.* strict"):
        x[I]


def test_tuples_within_a_key_are_indices_as_in_numpy(backend: Any) -> None:
    x = np.arange(24.0, dtype="float32").reshape(2, 3, 4)
    node = TensorNode(backend.asarray(x))
    y = node[(0, 1, 0), (2, 1, 1)]
    np.testing.assert_array_equal(backend.to_numpy(y.value), x[(0, 1, 0), (2, 1, 1)])
