"""Kernels of the optimizers' updates: each override against the base definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from optimizers import is_close, read_only

from gradcore.backends import Backend, get
from gradcore.backends.numpy import blocks

ADAM: dict[str, Any] = {"corrections": (0.271, 0.0297), "betas": (0.9, 0.99), "eps": 1e-8}
KERNELS: list[tuple[str, list[str | None], dict[str, Any]]] = [  # with what is remembered
    ("sgd", [None], {"momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False}),
    ("sgd", [None], {"momentum": 0.9, "dampening": 0.1, "weight_decay": 0.1, "nesterov": False}),
    ("sgd", ["any"], {"momentum": 0.9, "dampening": 0.1, "weight_decay": 0.1, "nesterov": False}),
    ("sgd", ["any"], {"momentum": 0.9, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False}),
    ("sgd", ["any"], {"momentum": 0.9, "dampening": 0.0, "weight_decay": 0.1, "nesterov": True}),
    ("sgd", [None], {"momentum": 0.9, "dampening": 0.0, "weight_decay": 0.0, "nesterov": True}),
    ("sgd", ["any"], {"momentum": 0.0, "dampening": 0.0, "weight_decay": 0.1, "nesterov": False}),
    *[
        ("adam", ["any", "positive", largest], {**ADAM, **options})
        for largest in (None, "positive")
        for options in (
            {"weight_decay": 0.0, "decoupled_weight_decay": False},
            {"weight_decay": 0.1, "decoupled_weight_decay": False},
            {"weight_decay": 0.1, "decoupled_weight_decay": True},
        )
    ],
    ("adagrad", ["positive"], {"eps": 1e-8, "weight_decay": 0.0}),
    ("adagrad", ["positive"], {"eps": 1e-8, "weight_decay": 0.1}),
    *[
        ("rmsprop", memory, {"alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1, "momentum": momentum})
        for memory, momentum in (
            (["positive", None, None], 0.0),
            (["positive", None, "small"], 0.0),
            (["positive", None, None], 0.9),
            (["positive", "any", "small"], 0.9),
        )
    ],
]


def drawn(shape: tuple[int, ...], dtype: str, seed: int = 0, kind: str | None = "any") -> Any:
    if kind is None:
        return None
    x = np.random.default_rng(seed).normal(size=shape).astype(dtype)
    return {"any": x, "positive": x * x + 1, "small": x / 100}[kind]


@pytest.mark.parametrize(("kernel", "memory", "settings"), KERNELS)
@pytest.mark.parametrize("shape", [(), (0,), (7,), (40, 11), (3, 4, 5), (1, 300)])
def test_kernels_are_the_base_definition(
    backend, dtype, kernel, memory, settings, shape, monkeypatch
):
    monkeypatch.setattr(blocks, "BLOCK", 64)
    given = [drawn(shape, dtype, i, k) for i, k in enumerate(["any", "any", *memory])]
    base = [None if x is None else backend.asarray(x.copy()) for x in given]
    expected = getattr(Backend, kernel)(backend, *base, lr=0.1, **settings)
    ours = [None if x is None else backend.asarray(x.copy()) for x in given]
    results = getattr(backend, kernel)(*ours, lr=0.1, **settings)
    assert len(results) == len(expected) == len(memory) + 1
    for x, e in zip(results, expected, strict=True):
        assert (x is None) == (e is None)
        if x is not None:
            assert x.dtype == backend.dtype(dtype)
            assert is_close(backend, x, backend.to_numpy(e), 2e-7 if dtype == "float32" else 1e-15)
            assert x is not ours[1]
    assert np.array_equal(backend.to_numpy(ours[1]), given[1])  # the gradient
    assert not settings.get("momentum") or not any(
        np.shares_memory(backend.to_numpy(x), backend.to_numpy(ours[1]))
        for x in results
        if x is not None
    )


@pytest.mark.parametrize(("kernel", "memory", "settings"), KERNELS)
def test_numpy_kernels_of_any_layout(kernel, memory, settings, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 64)
    backend = get("numpy")
    given = [drawn((20, 30), "float64", i, k) for i, k in enumerate(["any", "any", *memory])]
    expected = getattr(Backend, kernel)(backend, *given, lr=0.1, **settings)
    for layout in (np.asfortranarray, lambda x: np.repeat(x, 2, axis=1)[:, ::2], read_only):
        arrays = [None if x is None else layout(x.copy()) for x in given]
        before = [None if x is None else x.copy() for x in arrays]
        results = getattr(backend, kernel)(*arrays, lr=0.1, **settings)
        for x, e in zip(results, expected, strict=True):
            assert x is None or np.allclose(x, e, rtol=1e-14, atol=1e-14)
        if layout is read_only:
            assert all(x is None or (x == b).all() for x, b in zip(arrays, before, strict=True))


# -- float16 --------------------------------------------------------------------------------------


def in_half(backend: Any) -> Any:
    if not hasattr(backend.xp, "float16"):
        pytest.skip("no float16")
    return backend.xp.float16


@pytest.mark.parametrize(("kernel", "memory", "settings"), KERNELS)
def test_parameters_of_float16_are_updated_in_float32_and_rounded_once(
    backend, kernel, memory, settings
):
    half = in_half(backend)
    given = [drawn((40, 11), "float32", i, k) for i, k in enumerate(["any", "any", *memory])]
    given[:2] = [x.astype("float16") for x in given[:2]]
    settings = {"lr": 0.1, **settings, **({"eps": 1e-8} if "eps" in settings else {})}

    def arrays() -> list[Any]:
        return [None if x is None else backend.asarray(x.copy()) for x in given]

    new, *kept = getattr(backend, kernel)(*arrays(), **settings)
    wide = [None if x is None else backend.xp.astype(x, backend.xp.float32) for x in arrays()]
    expected, *expected_kept = getattr(backend, kernel)(*wide, **settings)
    assert new.dtype == half
    rounded = backend.to_numpy(expected).astype("float16")
    assert np.array_equal(backend.to_numpy(new), rounded)
    for x, e in zip(kept, expected_kept, strict=True):
        assert (x is None) == (e is None)
        assert x is None or x.dtype == backend.xp.float32
        assert x is None or is_close(backend, x, backend.to_numpy(e), 2e-7)
