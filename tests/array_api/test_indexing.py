"""Parts taken by arrays of indices and masks; padding, one-hot rows and embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore import Sum, TensorNode, array_api, nn
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


# -- The kernel -------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0, 2), (1,), (5, 3), (64, 2, 3), (200,), (3, 0)])
@pytest.mark.parametrize("kind", ["float32", "int32", "float16", "complex64"])
def test_scatter_add(backend: Backend, kind: str, shape: tuple[int, ...]) -> None:
    """The definition and the backend's own: sums of integers are exact in any order."""
    if not hasattr(backend.xp, kind):
        pytest.skip(f"no {kind}")
    rng = np.random.default_rng(0)
    numbers, indices = rng.integers(-9, 9, shape), rng.integers(0, 7, shape[0])
    expected = np.zeros((8, *shape[1:]), int)
    np.add.at(expected, indices, numbers)
    x = backend.xp.astype(backend.asarray(numbers), backend.dtype(kind))
    for kernel in (Backend.scatter_add, type(backend).scatter_add):
        y = kernel(backend, x, backend.asarray(indices), 8)
        assert (y.dtype, y.device) == (x.dtype, x.device)
        np.testing.assert_array_equal(backend.to_numpy(y), expected)


def test_scatter_add_keeps_rows_apart(backend: Backend) -> None:
    """NaN and infinity stay in their own rows."""
    x = backend.asarray([np.nan, 1.0, np.inf, 2.0, 4.0])
    for kernel in (Backend.scatter_add, type(backend).scatter_add):
        y = kernel(backend, x, backend.asarray(np.array([2, 1, 0, 1, 1])), 4)
        np.testing.assert_array_equal(backend.to_numpy(y), [np.inf, 7.0, np.nan, 0.0])


# -- Sorting ----------------------------------------------------------------------------------


def test_sorting_keeps_the_order_of_equals(backend: Backend) -> None:
    """Their gradients say which is which."""
    for descending, expected in ((False, [[3, 1, 4, 2]]), (True, [[1, 3, 2, 4]])):
        x = TensorNode(backend.asarray([[2.0, 1.0, 2.0, 1.0]]))
        y = array_api.sort(x, axis=1, descending=descending)
        Sum.do_forward(y * backend.asarray([[1.0, 2.0, 3.0, 4.0]])).backward()
        np.testing.assert_array_equal(backend.to_numpy(x.grad), expected)


def test_several_constants_at_once(backend: Backend) -> None:
    x = TensorNode(backend.asarray([[0.0, 2.0], [2.0, 1.0]]))
    rows, columns = array_api.nonzero(x)
    np.testing.assert_array_equal(backend.to_numpy(rows.value), [0, 1, 1])
    np.testing.assert_array_equal(backend.to_numpy(columns.value), [1, 0, 1])
    values, counts = array_api.unique_counts(x)
    np.testing.assert_array_equal(backend.to_numpy(values.value), [0.0, 1.0, 2.0])
    np.testing.assert_array_equal(backend.to_numpy(counts.value), [1, 1, 2])
    found = array_api.unique_all(x)
    np.testing.assert_array_equal(backend.to_numpy(found.inverse_indices.value), [[0, 2], [2, 1]])
    inverse = array_api.unique_inverse(x).inverse_indices
    np.testing.assert_array_equal(backend.to_numpy(values[inverse].value), [[0, 2], [2, 1]])
    assert not any(y.requires_grad for y in (rows, values, counts, *found))


# -- Padding ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
@pytest.mark.parametrize(
    ("shape", "width"),
    [
        ((3, 4), 1),
        ((3, 4), (2, 0)),
        ((3, 4), ((1, 2), (0, 3))),
        ((3, 2), ((0, 0), (7, 8))),  # further than x is long
        ((1,), (2, 1)),
        ((2, 3), ((1, 2),)),
        ((), ()),
        ((2, 0), ((1, 1), (0, 0))),
    ],
    ids=str,
)
def test_pad(backend: Backend, dtype: str, mode: str, shape: tuple[int, ...], width: Any) -> None:
    x = TensorNode(backend.asarray(np.random.default_rng(0).normal(size=shape), dtype))
    array = backend.to_numpy(x.value)
    y, expected = gradcore.pad(x, width, mode), np.pad(array, width or 0, mode)
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(backend.to_numpy(y.value), expected, strict=True)
    w = 1.0 + np.arange(expected.size).reshape(expected.shape)
    Sum.do_forward(y * y * backend.asarray(w, dtype)).backward()
    places = np.pad(np.arange(array.size).reshape(shape), width or 0, mode, **none(mode))
    sums = [(2 * w * expected)[places == i].sum() for i in range(array.size)]
    gradient = backend.to_numpy(x.grad)
    np.testing.assert_allclose(gradient, np.reshape(sums, shape), 1e-5, 1e-5)


def none(mode: str) -> dict[str, int]:
    return {"constant_values": -1} if mode == "constant" else {}


def test_pad_with_a_value(backend: Backend) -> None:
    x = TensorNode(backend.asarray([-0.0, 0.1]))
    y = gradcore.pad(x, (1, 2), value=-np.inf)
    np.testing.assert_array_equal(
        backend.to_numpy(y.value), np.array([-np.inf, -0.0, 0.1, -np.inf, -np.inf], np.float32)
    )
    Sum.do_forward(y[1:3] * 2.0).backward()
    np.testing.assert_array_equal(backend.to_numpy(x.grad), [2.0, 2.0])
    assert not gradcore.pad(backend.asarray([1, 2]), 1).requires_grad


def test_pad_takes_widths_from_numpy() -> None:
    for width in (np.int64(1), np.array([1, 2]), np.array([[1, 2]])):
        y = gradcore.pad(TensorNode([1.0]), width)
        np.testing.assert_array_equal(y.value, np.pad(np.ones(1), width))


@pytest.mark.parametrize(
    ("shape", "width", "mode", "words"),
    [
        ((2,), 1, "circular", "mode = 'circular', expected constant"),
        ((2,), -1, "edge", "pad_width = -1"),
        ((2, 2), ((1, 1), (1, 1), (1, 1)), "edge", ".* each of 2"),
        ((2, 0), 1, "edge", "axis 1 .* nothing to repeat"),
    ],
)
def test_pad_refusals(shape: tuple[int, ...], width: Any, mode: str, words: str) -> None:
    with pytest.raises(ValueError, match=rf"^pad: {words}"):
        gradcore.pad(np.ones(shape), width, mode)


# -- One-hot rows and embeddings --------------------------------------------------------------


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
