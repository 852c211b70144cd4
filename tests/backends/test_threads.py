"""Kernels that threads share: the same numbers for any number of threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from comparing import normal

import gradcore
from gradcore.backends import Backend, ownership
from gradcore.backends.numba.backend import FastNumpyBackend
from gradcore.backends.numba.loading import problem
from gradcore.backends.numpy import memory, products, threads
from gradcore.backends.numpy.backend import NumpyBackend


def _normal(*shape: int) -> np.ndarray:
    return normal(*shape).astype(np.float32)


# Of so many elements that threads share them, and parts are not all as large.
X, W, B = _normal(517, 301), _normal(301), _normal(301)
LAST_FIRST = _normal(33, 35, 9, 53).T
HEADS = _normal(3, 5, 3, 130, 32)
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("gelu", (X,), {}),
    ("gelu_gradient", (X, X), {}),
    ("layer_norm", (X, W, B), {"eps": 1e-5}),
    ("layer_norm_gradient", (X, W, X), {"eps": 1e-5}),
    ("cross_entropy", (X, np.arange(517) % 301, None), {}),
    ("cross_entropy_gradient", (X, _normal(517), np.arange(517) % 301, None), {}),
    ("attention", tuple(HEADS), {"causal": True, "scale": 0.2}),
    ("attention_gradient", (*HEADS, HEADS[0]), {"causal": False, "scale": 0.2}),
    ("attention", (_normal(1, 1, 700, 8),) * 3, {"causal": True, "scale": 0.2}),
    ("add", (LAST_FIRST, LAST_FIRST), {}),
    ("relu", (LAST_FIRST,), {}),
]
IMAGES = _normal(16, 9, 33, 35)
STATISTICS = _normal(9), abs(_normal(9))
COMPILED: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("sigmoid", (X,), {}),
    ("sigmoid_gradient", (X, X), {}),
    ("batch_norm", (IMAGES, *STATISTICS), {"eps": 1e-5, "relu": True}),
    ("batch_norm_gradient", (IMAGES, *STATISTICS, abs(STATISTICS[0]), IMAGES), {"eps": 1e-5}),
]
BACKENDS = [NumpyBackend] if problem() else [NumpyBackend, FastNumpyBackend]
KERNELS = [(b, *c) for b in BACKENDS for c in (*CALLS, *COMPILED)]
PRODUCTS = [((517, 301), 203, True), ((2, 301, 203), 71, True), ((71, 203), 519, False)]


@pytest.fixture
def three_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "count", lambda: 3)
    threads.pool.cache_clear()


def _outputs(y: Any) -> tuple[np.ndarray, ...]:
    return y if isinstance(y, tuple) else (y,)


@pytest.mark.parametrize(
    ("kind", "kernel", "arrays", "options"),
    KERNELS,
    ids=[f"{b.__name__}-{kernel}" for b, kernel, *_ in KERNELS],
)
def test_a_kernel_gives_the_same_bits_for_any_number_of_threads(
    kind: type[Backend], kernel: str, arrays: Any, options: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outputs(count: int) -> tuple[np.ndarray, ...]:
        monkeypatch.setattr(threads, "count", lambda: count)
        threads.pool.cache_clear()
        y = _outputs(getattr(kind(), kernel)(*arrays, **options))
        return tuple([x for x in y if x is not None])

    definition = _outputs(getattr(Backend, kernel)(NumpyBackend(), *arrays, **options))
    definition = tuple([x for x in definition if x is not None])
    for one, three, right in zip(outputs(1), outputs(3), definition, strict=True):
        np.testing.assert_array_equal(one, three)
        np.testing.assert_allclose(three, right, 2e-5, 2e-5 * abs(right).max())


@pytest.mark.usefixtures("three_threads")
def test_a_thread_that_is_slow_to_forget_its_work_holds_no_array(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool, kept = ThreadPoolExecutor(2), []

    def submit(*work: Any) -> Any:
        kept.append(work)
        return ThreadPoolExecutor.submit(pool, *work)

    monkeypatch.setattr(pool, "submit", submit)
    monkeypatch.setattr(threads, "pool", lambda: pool)
    node = gradcore.TensorNode(X.copy())
    y = gradcore.gelu(node)
    assert kept
    assert ownership.holders(y, "value") == 1
    gradcore.sum(y).backward()
    assert ownership.holders(node, "grad") == 1


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize(("shape", "outputs", "bias"), PRODUCTS)
def test_threads_share_a_product_along_its_longer_side(
    shape: Any, outputs: int, bias: bool
) -> None:
    x, w = _normal(*shape), _normal(outputs, shape[-1])
    b = _normal(outputs) if bias else None
    y = NumpyBackend().linear(x, w, b)
    right = x.astype(np.float64) @ w.T + (0 if b is None else b)
    assert y.dtype == x.dtype
    np.testing.assert_allclose(y, right, 1e-4, 1e-4)


@pytest.mark.skipif(products.setting() is None, reason="NumPy's BLAS is not OpenBLAS")
def test_blas_has_its_threads_again_after_a_product_and_after_an_error() -> None:
    get, set_to = products.setting()  # type: ignore[misc]
    before = get()
    try:
        set_to(2)
        with products.alone:
            with products.alone:
                assert get() == 1
            assert get() == 1  # another thread is still inside
        assert get() == 2
        with pytest.raises(ZeroDivisionError), products.alone:
            raise ZeroDivisionError
        assert get() == 2
    finally:
        set_to(before)


@pytest.mark.usefixtures("three_threads")
def test_the_callers_floating_point_settings_hold_in_all_threads() -> None:
    def loop(start: int, stop: int) -> None:
        _ = np.zeros(stop - start) / 0.0

    with np.errstate(invalid="ignore"):
        threads.share(loop, 24)
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
        threads.share(loop, 24)


def test_large_arrays_start_at_a_line_of_the_cache_and_own_their_memory() -> None:
    backend = NumpyBackend()
    image = memory.zeros((5, 7, 11, 13), np.float32).transpose(3, 0, 1, 2)
    for x in (image, memory.empty_like(image)):
        assert x.strides == image.strides
        assert x.ctypes.data % memory.LINE == 0
        assert backend.owns_memory(x)
    view = x[:]
    assert not backend.owns_memory(x)
    del view
    assert backend.owns_memory(x)
