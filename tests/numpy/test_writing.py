"""What writes to arrays, draws, reads and makes them; and errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparing import close, raises_in_one_line

import gradcore
import gradcore.numpy as gnp
from gradcore import TensorNode, check_gradients, grad
from gradcore.backends import Backend
from gradcore.engine.arrays import is_node, value_of

X = np.array([[0.3, 0.5, 0.2], [0.9, 0.1, 0.4]])
MASK = np.array([[True, False, True], [False, False, True]])

WRITES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "copyto": lambda np, a, y: np.copyto(a, y[0]),
    "copyto where": lambda np, a, y: np.copyto(a, y[1], where=MASK),
    "putmask": lambda np, a, y: np.putmask(a, MASK, y),
    "place": lambda np, a, y: np.place(a, MASK, y[:2]),
    "put": lambda np, a, y: np.put(a, [0, 4, -1], y),
    "put with one": lambda np, a, y: np.put(a, [0, 2], 5.0),
    "put_along_axis": lambda np, a, y: np.put_along_axis(
        a, np.argmax(a, 1)[:, None], y[:2, None], 1
    ),
    "fill_diagonal": lambda np, a, y: np.fill_diagonal(a, y[0]),
    "add.at": lambda np, a, y: np.add.at(a, ([0, 1, 0], [2, 1, 2]), y),
    "subtract.at": lambda np, a, y: np.subtract.at(a, [1, 1], y),
    "sin out": lambda np, a, y: np.sin(y, out=a[0]),
    "sum out": lambda np, a, y: np.sum(a * y, axis=0, out=a[1]),
    "add where out": lambda np, a, y: np.add(a, y, out=a, where=MASK),
    "cumsum out": lambda np, a, y: np.cumsum(y, out=a[1]),
    "clip out": lambda np, a, y: np.clip(a, 0.25, 0.6, out=a),
    "concatenate out": lambda np, a, y: np.concatenate([y[:1], y[:2]], out=a[0]),
}


def written(np: Any, x: Any, y: Any, write: Callable[[Any, Any, Any], Any]) -> Any:
    a = np.array(x, copy=True) * 1.0
    write(np, a, y)
    return a


@pytest.mark.parametrize("name", WRITES)
def test_writes_are_numpys_and_have_gradients(name: str) -> None:
    y = np.array([1.5, -2.5, 0.7])
    expected = written(np, X, y, WRITES[name])
    np.testing.assert_allclose(written(gnp, X, y, WRITES[name]), expected)
    np.testing.assert_allclose(
        value_of(written(gnp, TensorNode(X), TensorNode(y), WRITES[name])), expected
    )
    check_gradients(lambda x, y: written(gnp, x, y, WRITES[name]), X, y, order=1)


NUMPY_REFUSES = ("putmask", "place")  # numbers of a wider dtype


@pytest.mark.parametrize("name", [name for name in WRITES if name not in NUMPY_REFUSES])
def test_what_is_written_to_keeps_its_dtype(name: str) -> None:
    x, y = np.asarray(X, np.float32), np.array([1.5, -2.5, 0.7])
    expected = written(np, x, y, WRITES[name])
    for array in (written(gnp, x, y, WRITES[name]), written(gnp, TensorNode(x), y, WRITES[name])):
        assert value_of(array).dtype == expected.dtype
        np.testing.assert_allclose(value_of(array), expected, rtol=1e-6)


def test_where_leaves_out_nan_in_the_gradient_too() -> None:
    def f(x: Any) -> Any:
        return gnp.sum(gnp.log(x, where=x > 0, out=gnp.zeros_like(x)))

    np.testing.assert_allclose(grad(f)(np.array([-1.0, 0.0, 2.0])), [0.0, 0.0, 0.5])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: gnp.sin(x, out=np.zeros(3)), TypeError, "out is an array, which keeps no grad"),
        (lambda x: gnp.sum(x, out=np.zeros(2)), TypeError, "out is an array"),
        (lambda x: gnp.sin(1.0, out=np.zeros(3)), ValueError, r"out has shape \(3,\)"),
        (lambda x: gnp.add(np.ones(3), 0.5, out=np.zeros(3, int)), TypeError, "written to out"),
        (lambda x: gnp.sin(x, order="F"), TypeError, "order = 'F' is not supported"),
        (lambda x: gnp.sin(x, what=1), TypeError, "what = 1 is not supported"),
        (lambda x: gnp.sin(x, x, x), TypeError, "one array as out|takes 1"),
        (lambda x: gnp.divide.reduce(x), TypeError, "divide.reduce is not there"),
        (lambda x: gnp.multiply.at(x, [0], 2.0), TypeError, "multiply.at is not there"),
        (lambda x: gnp.add.at([1.0], [0], 2.0), TypeError, "expected a node or an array"),
        (lambda x: gnp.add.at(np.ones(3, int), [0], 0.5), TypeError, "can't be written"),
        (lambda x: gnp.max(x, where=x > 0), ValueError, "`initial`"),
        (lambda x: gnp.quantile(x, 1.5), ValueError, "fractions of 1"),
        (lambda x: gnp.quantile(x, 0.5, method="inverted_cdf"), ValueError, "expected one of"),
        (lambda x: gnp.array(["a"]), TypeError, "expected numbers"),
        (lambda x: gnp.ndarray((3,)), TypeError, "call array"),
        (lambda x: gnp.pad(x, 1, mode="mean"), ValueError, "mode = 'mean'"),
        (lambda x: gnp.unique(gnp.ones((2, 2)), True, axis=0), ValueError, "along axis 0"),
        (lambda x: gnp.convolve(x, x, "most"), ValueError, "mode = 'most'"),
        (lambda x: gnp.linalg.eigh(gnp.eye(2), UPLO="M"), ValueError, "UPLO"),
        (lambda x: gnp.r_["r", x], ValueError, "'r'"),
        (lambda x: gnp.split(x, 2), ValueError, "equal parts"),
        (lambda x: gnp.asarray_chkfinite([np.inf]), ValueError, "infinite"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(call: Any, error: Any, words: str) -> None:
    raises_in_one_line(lambda: call(TensorNode(np.ones(3))), error, words)


def test_numbers_and_lists_go_to_the_default_backend_in_numpys_dtypes(backend: Backend) -> None:
    wide = str(gnp.zeros(1).dtype).rpartition(".")[2]
    for made in (gnp.array([1.0, 2.0]), gnp.ones(2), gnp.linspace(0, 1, 2), gnp.eye(1, 2)[0, :]):
        assert isinstance(made, backend.array_types)
        assert made.dtype == backend.dtype(wide)
    moved = gnp.array(np.ones(2, "float32"))
    assert isinstance(moved, backend.array_types)
    assert moved.dtype == backend.dtype("float32")
    assert isinstance(moved, gnp.ndarray)
    assert isinstance(TensorNode(moved), gnp.ndarray)
    assert not isinstance([1.0], gnp.ndarray)


def test_lists_with_nodes_become_nodes(backend: Backend) -> None:
    a = TensorNode(backend.asarray(np.float32(2.0)))
    y = gnp.array([[a, 1.0], [a * a, a]])
    gnp.sum(y).backward()
    assert is_node(y)
    close(backend, a.grad, np.float32(6.0), "float32")


def test_random_numbers_are_numpys_on_every_backend(backend: Backend) -> None:
    gnp.random.seed(3)
    found = [gnp.random.randn(2, 3), gnp.random.uniform(size=4), gnp.random.normal(0, 1, 2)]
    order = gnp.random.permutation(5)
    np.random.seed(3)
    expected = [np.random.randn(2, 3), np.random.uniform(size=4), np.random.normal(0, 1, 2)]
    for a, b in zip(found, expected, strict=True):
        assert isinstance(a, backend.array_types)
        np.testing.assert_allclose(backend.to_numpy(a), b, rtol=1e-6)
    np.testing.assert_array_equal(backend.to_numpy(order), np.random.permutation(5))
    assert isinstance(gnp.random.rand(), float)
    rng, theirs = gnp.random.default_rng(5), np.random.default_rng(5)
    np.testing.assert_allclose(
        backend.to_numpy(rng.normal(size=3)), theirs.normal(size=3), rtol=1e-6
    )
    state, theirs_too = gnp.random.RandomState(5), np.random.RandomState(5)
    np.testing.assert_array_equal(
        backend.to_numpy(state.randint(9, size=4)), theirs_too.randint(9, size=4)
    )


def test_shuffle_is_in_place(backend: Backend) -> None:
    x = backend.asarray(np.arange(6.0, dtype="float32"))
    gnp.random.seed(1)
    gnp.random.shuffle(x)
    values = backend.to_numpy(x)
    assert sorted(values) == [*range(6)]
    assert [*values] != [*range(6)]


def test_files_are_read_to_the_default_backend(backend: Backend, tmp_path: Path) -> None:
    x = TensorNode(backend.asarray(np.arange(3.0, dtype="float32")))
    gnp.save(tmp_path / "x.npy", x)
    gnp.savetxt(tmp_path / "x.txt", x)
    gnp.savez(tmp_path / "x.npz", x=x)
    close(backend, gnp.load(tmp_path / "x.npy"), np.arange(3.0), "float32")
    wide = str(gnp.zeros(1).dtype).rpartition(".")[2]
    close(backend, gnp.loadtxt(tmp_path / "x.txt"), np.arange(3.0), wide)
    np.testing.assert_array_equal(gnp.load(tmp_path / "x.npz")["x"], np.arange(3.0))


def test_names_that_are_not_called_in_the_table() -> None:
    x = np.arange(6.0).reshape(2, 3)
    assert gnp.ascontiguousarray(2.0).shape == (1,)
    assert gnp.can_cast(TensorNode(x), "float32") is False
    assert gnp.issubdtype(gnp.float32, gnp.floating)
    assert [(i, float(v)) for i, v in gnp.ndenumerate(x)] == [*np.ndenumerate(x)]
    assert gnp.fromiter([1, 2], dtype=float)[1] == 2.0
    with gnp.errstate(divide="raise"), pytest.raises(FloatingPointError):
        np.divide(np.ones(1), 0.0)
    assert gradcore.numpy is gnp
