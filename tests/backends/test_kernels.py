"""Kernels of convolutions, pooling and batch norm: each override against the base definition."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparing import normal

from gradcore.backends import Backend, get
from gradcore.backends.numpy import blocks, convolution

TOLERANCE = {"float16": 4e-3, "float32": 2e-6, "float64": 1e-13}


def _same_memory(x: np.ndarray) -> np.ndarray:
    return x


def _inside_out(x: np.ndarray) -> np.ndarray:
    """With the instances next to each other in memory."""
    return np.ascontiguousarray(np.moveaxis(x, 0, -1)).transpose(-1, *range(x.ndim - 1))


def _channels_last(x: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def _with_gaps(x: np.ndarray) -> np.ndarray:
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1] + 1), x.dtype)
    wide[..., 1::2] = x
    return wide[..., 1::2]


def _backwards(x: np.ndarray) -> np.ndarray:
    return x[::-1, :, ::-1].copy()[::-1, :, ::-1]


LAYOUTS = [_same_memory, _inside_out, _channels_last, _with_gaps, _backwards]

# The shapes of x and w, and options.
CONVOLUTIONS: list[tuple[Any, Any, dict[str, Any]]] = [
    ((3, 2, 7, 6), (4, 2, 3, 2), {}),
    ((1, 2, 7, 6), (4, 2, 3, 2), {"padding": ((1, 0), (2, 1))}),
    ((3, 4, 8, 7), (6, 2, 3, 3), {"stride": (2, 3), "padding": ((1, 1), (0, 2)), "groups": 2}),
    ((2, 3, 9, 8), (2, 3, 3, 2), {"dilation": (2, 3)}),
    (
        (2, 2, 9, 8),
        (3, 2, 2, 3),
        {"dilation": (3, 2), "stride": (2, 1), "padding": ((4, 3), (3, 0))},
    ),
    ((3, 4, 5, 5), (8, 1, 3, 3), {"groups": 4, "padding": ((1, 1), (1, 1))}),
    ((3, 4, 5, 6), (3, 4, 1, 1), {}),
    ((3, 4, 5, 6), (6, 2, 1, 1), {"groups": 2}),
    ((3, 4, 5, 6), (3, 4, 1, 1), {"stride": (2, 3)}),
    ((3, 4, 5, 6), (3, 4, 1, 1), {"padding": ((1, 0), (0, 2))}),
    ((2, 3, 4, 5), (4, 3, 4, 5), {}),
    ((2, 3, 6, 5), (4, 3, 2, 2), {"padding": ((3, 3), (2, 2))}),
    ((2, 1, 1, 9), (2, 1, 1, 4), {"padding": ((0, 0), (1, 2))}),
    ((3, 5, 7, 6), (9, 5, 3, 3), {"padding": ((1, 2), (2, 1)), "dilation": (1, 2)}),
    ((2, 5, 9, 8), (10, 5, 3, 2), {"padding": ((1, 1), (1, 0)), "stride": (2, 1)}),
    ((40, 5, 4, 6), (9, 5, 3, 3), {"padding": ((1, 1), (1, 1))}),
    ((2, 5, 4, 2), (3, 5, 3, 3), {"padding": ((1, 1), (1, 1))}),  # no window sees no padding
    ((2, 8, 4, 3), (4100, 8, 3, 2), {}),  # more sums than a block has
    ((2, 3, 9, 8), (4, 3, 2, 3), {"stride": (3, 2), "padding": ((2, 1), (0, 1))}),
    ((0, 3, 4, 5), (4, 3, 2, 2), {}),
    ((2, 3, 4, 5), (0, 3, 2, 2), {}),
    ((2, 0, 4, 5), (3, 0, 2, 2), {}),
]
POOLS: list[tuple[Any, dict[str, Any]]] = [
    ((2, 3, 6, 8), {"kernel": (2, 2), "stride": (2, 2)}),
    ((3, 2, 7, 5), {"kernel": (2, 2), "stride": (2, 2)}),
    ((3, 2, 7, 5), {"kernel": (3, 2), "stride": (1, 2), "padding": ((1, 0), (0, 1))}),
    ((3, 2, 7, 5), {"kernel": (1, 1), "stride": (2, 1)}),
    ((1, 2, 7, 9), {"kernel": (2, 3), "stride": (3, 4), "padding": ((0, 2), (1, 1))}),
    ((2, 2, 9, 8), {"kernel": (3, 2), "stride": (2, 1), "dilation": (2, 3)}),
    ((1, 1, 17, 16), {"kernel": (16, 16), "stride": (1, 1)}),
    ((1, 1, 17, 17), {"kernel": (17, 17), "stride": (1, 1)}),
    ((0, 2, 4, 4), {"kernel": (2, 2), "stride": (2, 2)}),
]
PLAIN = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}


# The leading axes, numbers of queries and keys, and the shape of the mask.
ATTENTIONS: list[tuple[Any, int, int, Any]] = [
    ((2, 3), 7, 7, None),
    ((2, 3), 9, 5, (2, 1, 9, 5)),
    ((), 5, 9, (5, 9)),
    ((2,), 70, 100, (2, 70, 100)),
    ((2, 2, 3), 8, 8, (1, 8)),
    ((1, 2), 150, 130, None),
    ((1, 1), 70, 3000, None),
    ((2, 0), 4, 5, None),
]


def compare_kernels(
    backend: Backend, dtype: str, kernel: str, arrays: Any, options: dict[str, Any]
) -> None:
    """What the backend's own gives, in every layout of the arrays, is what the definition gives;
    of float16 in dtype, and in value what the definition gives of these numbers in float32."""
    if getattr(type(backend), kernel) is getattr(Backend, kernel):
        return  # it has none of its own

    def given(dtype: str, layout: Callable[..., Any] = _same_memory) -> list[Any]:
        typed = [x if x is None or x.dtype.kind != "f" else x.astype(dtype) for x in rounded]
        typed = [x if x is None or x.ndim != 4 else layout(x) for x in typed]
        return [x if x is None else backend.asarray(x) for x in typed]

    def outputs(kind: type[Backend], *arrays: Any) -> tuple[Any, ...]:
        y = getattr(kind, kernel)(backend, *arrays, **options)
        if kernel == "max_pool2d":  # a backend may count places in its own way
            size = tuple(arrays[0].shape[2:])
            y = y[0], kind.max_pool2d_indices(backend, y[1], size=size, **options)
        return tuple(part for part in (y if isinstance(y, tuple) else (y,)) if part is not None)

    rounded = [x if x is None or x.dtype.kind != "f" else x.astype(dtype) for x in arrays]
    exact = outputs(Backend, *given("float32" if dtype == "float16" else dtype))
    kinds = [y.dtype for y in outputs(Backend, *given(dtype))]
    for layout in LAYOUTS:
        inputs = given(dtype, layout)
        before = [x if x is None else backend.to_numpy(x).copy() for x in inputs]
        found = outputs(type(backend), *inputs)
        for x, y in zip(inputs, before, strict=True):
            if x is not None:
                np.testing.assert_array_equal(backend.to_numpy(x), y)
        assert [y.dtype for y in found] == kinds
        for y, z in zip(found, exact, strict=True):
            y, z = (backend.to_numpy(part).astype("float64") for part in (y, z))
            assert y.shape == z.shape
            scale = max(0.1, abs(z).max(initial=0, where=np.isfinite(z)))
            message, tolerance = f"{kernel}, {layout.__name__}", TOLERANCE[dtype]
            np.testing.assert_allclose(y, z, tolerance, tolerance * scale, err_msg=message)


def dtypes(backend: Backend, dtype: str) -> list[str]:
    """The dtype, and with float32 also float16, where the library has it."""
    return [dtype, "float16"] if dtype == "float32" and hasattr(backend.xp, "float16") else [dtype]


def compare_convolution(backend: Backend, dtype: str, call: Any) -> None:
    shape, w_shape, given = call
    options = {**PLAIN, "groups": 1, **given}
    x, w, b = normal(*shape), normal(*w_shape), normal(w_shape[0])
    go = normal(*Backend.conv2d(get("numpy"), x, w, b, **options).shape)
    size, kernel = {"size": shape[2:]}, {"kernel": w_shape[2:]}
    compare_kernels(backend, dtype, "conv2d", (x, w, b), options)
    compare_kernels(backend, dtype, "conv2d", (x, w, None), options)
    compare_kernels(backend, dtype, "conv2d_input_gradient", (go, w), {**options, **size})
    compare_kernels(backend, dtype, "conv2d_weight_gradient", (x, go), {**options, **kernel})
    wanted = {"wanted": (True, True, True)}
    compare_kernels(backend, dtype, "conv2d_gradient", (x, w, go), {**options, **wanted})


def compare_pooling(backend: Backend, dtype: str, call: Any) -> None:
    shape, given = call
    options, size = {**PLAIN, **given}, {"size": shape[2:]}
    x = normal(*shape).astype("float16").astype("float64")  # the same in every dtype
    y, places = Backend.max_pool2d(get("numpy"), x, **options)
    go, strange = normal(*y.shape), x.copy()
    special = [math.nan, math.inf, -math.inf, -math.inf][: go.size]
    go.ravel()[: len(special)] = strange.ravel()[: 3 * len(special) : 3] = special
    for numbers in (x, x.round(), strange, np.full_like(x, -math.inf)):
        compare_kernels(backend, dtype, "max_pool2d", (numbers,), options)
    compare_kernels(backend, dtype, "max_pool2d_gradient", (go, places), {**options, **size})
    compare_kernels(backend, dtype, "max_pool2d_chosen", (x, places), options)
    _, own = backend.max_pool2d(backend.asarray(x, dtype), **options)  # with its own places, too
    for kernel, a, more in (("gradient", go, size), ("chosen", x, {})):
        name, a = f"max_pool2d_{kernel}", backend.asarray(a, dtype)
        found = backend.to_numpy(getattr(backend, name)(a, own, **options, **more))
        a = backend.asarray(backend.to_numpy(a).astype("float32" if dtype == "float16" else dtype))
        defined = getattr(Backend, name)(backend, a, backend.asarray(places), **options, **more)
        np.testing.assert_allclose(found, backend.to_numpy(defined), *[TOLERANCE[dtype]] * 2)
    if options.pop("dilation") == (1, 1):
        go = normal(*y.shape)
        compare_kernels(backend, dtype, "avg_pool2d", (x,), options)
        compare_kernels(backend, dtype, "avg_pool2d_gradient", (go,), {**options, **size})


def compare_batch_norm(backend: Backend, dtype: str, shape: Any) -> None:
    c = shape[1:2]
    x, go, w, b, mean, g, h = (normal(*s) for s in (shape, shape, c, c, c, c, c))
    for more, relu in (((), False), ((go,), True)):
        options = {"eps": 0.1, "relu": relu}
        compare_kernels(backend, dtype, "batch_norm", (x, w, b, *more), options)
        statistics = mean, 1 + mean**2
        arrays = (x, w, b, *statistics, *more)
        compare_kernels(backend, dtype, "batch_norm_inference", arrays, options)
        options = {"eps": 0.1, "given": (relu, relu, True), "residual": relu}
        some = (np.maximum(x - go, 0), g, h) if relu else (h,)
        arrays = (x, w, *statistics, go, *some)
        compare_kernels(backend, dtype, "batch_norm_gradient", arrays, options)
        options |= {"given": (relu, False, False), "training": False, "parameters": not relu}
        arrays = arrays[: 5 + relu]
        compare_kernels(backend, dtype, "batch_norm_gradient", arrays, options)
    compare_kernels(backend, dtype, "channel_sums", (x,), {})


@pytest.mark.parametrize(  # of NumPy how many columns at a time, of CuPy which way
    ("columns", "way"), [(1, "windows"), (300, "implicit"), (1 << 17, "windows")]
)
@pytest.mark.parametrize("call", CONVOLUTIONS, ids=str)
def test_kernels_of_convolutions_are_the_base_definitions(
    backend: Backend,
    dtype: str,
    call: Any,
    columns: int,
    way: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(convolution, "COLUMNS", columns)
    monkeypatch.setenv("GRADCORE_CONV", way)
    for kind in dtypes(backend, dtype):
        compare_convolution(backend, kind, call)


@pytest.mark.parametrize("call", POOLS, ids=str)
def test_kernels_of_pooling_are_the_base_definitions(
    backend: Backend, dtype: str, call: Any
) -> None:
    for kind in dtypes(backend, dtype):
        compare_pooling(backend, kind, call)


@pytest.mark.parametrize("block", [1, 500, 1 << 17])
@pytest.mark.parametrize("shape", [(6, 3), (1, 2, 5), (4, 3, 9, 4), (5, 7, 4, 4), (3, 1, 1, 1)])
def test_kernels_of_batch_norm_are_the_base_definitions(
    backend: Backend, dtype: str, shape: Any, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK", block)
    for kind in dtypes(backend, dtype):
        compare_batch_norm(backend, kind, shape)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("lead", "L", "S", "masked"), ATTENTIONS)
def test_attention(
    backend: Backend, dtype: str, lead: Any, L: int, S: int, masked: Any, causal: bool
) -> None:
    rng = np.random.default_rng(0)
    sizes = (L, 4), (S, 4), (S, 6), (L, 6)
    q, k, v, go = (rng.normal(size=(*lead, *size)) for size in sizes)
    mask = []
    if masked:
        mask = [np.where(rng.uniform(size=masked) < 0.6, rng.normal(size=masked), -np.inf)]
        mask[0][..., 0, : S // 2] = -np.inf
    options = {"causal": causal, "scale": 0.5}
    compare_kernels(backend, dtype, "attention", (q, k, v, *mask), options)
    compare_kernels(backend, dtype, "attention_gradient", (q, k, v, go, *mask), options)


def test_recurrence(backend: Backend, dtype: str) -> None:
    for T, N, M, H in ((3, 4, 2, 5), (2, 19, 7, 40), (4, 1, 3, 1)):  # sequences in several parts
        x, h, c, b = normal(T, N, M), normal(N, H), 3 * normal(N, H), normal(4 * H)
        w_ih, w_hh = normal(4 * H, M), normal(4 * H, H)
        gates = normal(T, N, 4 * H) / 9
        for kind in dtypes(backend, dtype):
            compare_kernels(backend, kind, "lstm", (x, h, c, w_ih, w_hh, b), {})
            compare_kernels(backend, kind, "lstm", (40 * x, h, c, w_ih, w_hh, None), {})
            for given in ((True, False, False), (False, True, False), (True, True, True)):
                gos = [g for g, there in zip((x[..., :1] + h, c + x[..., :1], gates), given,
                                             strict=True) if there]  # fmt: skip
                inputs = c, w_hh / 9, c + x[..., :1], gates, *gos
                compare_kernels(backend, kind, "lstm_gradient", inputs, {"given": given})
            three = w_ih[H:], w_hh[H:]
            compare_kernels(backend, kind, "gru", (x, h, *three, b[H:], b[:-H]), {})
            compare_kernels(backend, kind, "gru", (40 * x, h, *three, None, None), {})
            for given in ((True, False), (False, True), (True, True)):
                gos = [g for g, there in zip((x[..., :1] + h, gates), given, strict=True) if there]
                inputs = h, w_hh[H:] / 9, c + x[..., :1], gates, *gos
                compare_kernels(backend, kind, "gru_gradient", inputs, {"given": given})


def test_factors_of_matrices(backend: Backend, dtype: str) -> None:
    dtype = "float32" if dtype == "float16" else dtype
    for shape in ((70, 70), (2, 40, 75), (75, 40), (3, 2, 2), (0, 3, 3), (2, 0, 3)):
        singular = normal(*shape)
        singular[..., : shape[-2] // 2, :2] = 0
        for a, pivot in ((normal(*shape), True), (singular, True), (singular, False)):
            a = a if pivot else a + 50 * np.eye(*shape[-2:])  # which needs no pivots
            compare_kernels(backend, dtype, "lu", (a,), {"pivot": pivot})
    compare_kernels(backend, dtype, "lu", (np.zeros((2, 3, 3)),), {"pivot": False})
