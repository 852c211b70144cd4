"""CUDA with no GPU: every kernel compiles, and computes what its definition says; the stand-in is
as CuPy is; errors come late; and a step of training does not wait for the device.

`cupy_on_cpu` plays CuPy. Its kernels run here in all their types, and for every one, the table in
docs/explanation/gpu/README.md says how it was checked.
"""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cupy_on_cpu
import numpy as np
import pytest
from cupy_on_cpu import device, instances

import gradcore
from gradcore import TensorNode
from gradcore.backends import Backend, get
from gradcore.replay.recording import HostWork

ROOT = Path(__file__).parents[3]
CUPY = ROOT / "backends" / "cupy"
PAGE = ROOT / "docs" / "explanation" / "gpu" / "README.md"
ARCHITECTURES = "sm_75", "sm_80", "sm_90"
TOLERANCE = {"float16": 2e-3, "float32": 2e-6, "float64": 1e-13}
NO_KERNELS = {  # what else a backend overrides
    *("asarray", "describe_device", "describe_library", "from_numpy", "make_current"),
    *("owns_memory", "problem", "to_numpy", "allow_tf32", "copies", "describe_memory"),
    *("choices", "environment", "host_reads", "limit_memory", "recorder", "store", "text"),
    *("communicator", "device_of", "used_memory"),
}

needs_compiler = pytest.mark.skipif(bool(cupy_on_cpu.problem()), reason=str(cupy_on_cpu.problem()))


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape) + sum(shape)).normal(size=shape)


def integers(below: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(below).integers(0, below, shape)


def booleans(*shape: int) -> np.ndarray:
    return normal(*shape) > 0


def last(x: np.ndarray) -> np.ndarray:
    """x (N, C, H, W) with its channels last in memory."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def is_last(x: Any) -> bool:
    return x.ndim == 4 and x.strides[1] == x.itemsize and not x.flags.c_contiguous


# -- Each kernel, in all types, against the base definition ---------------------------------------

STEPS = {"stride": (2, 1), "padding": ((1, 0), (1, 1)), "dilation": (1, 2)}
ALIGNED = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1)}
POINTS = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
WINDOWS = {"kernel": (3, 2), **STEPS}
CUTS = {"padding": 2, "cut": 3}
MEANS = {"kernel": (3, 2), "stride": (2, 1), "padding": ((1, 0), (1, 1))}
X, W, GO = normal(3, 4, 7, 6), normal(6, 2, 3, 2), normal(3, 6, 3, 6)
POOLED = normal(3, 4, 3, 6)
VIEWS = np.stack([integers(5, 3), integers(5, 3) ^ 1, [0, 1, 1], [-1, 5, 2], [3, 4, -2]], axis=1)
PLACES = integers(6, 3, 4, 3, 6).astype("uint8")
C = normal(4) ** 2 + 0.5  # of each channel
TALL = normal(2, 1, 41, 53)  # more elements in its channel than a block takes
GATES = normal(20, 2), normal(20, 5)
LOGITS, LABELS = 3 * normal(5, 6, 2), integers(6, 5, 2)
MANY = 3 * normal(4, 300)
P, G, M = (normal(9, 5) + k for k in range(3))
S, SMALL, TOP = P**2 + 1, P / 9, normal(5, 9).T ** 2 + 1
NAN = np.where(np.arange(45).reshape(9, 5) == 7, np.nan, G)
PLAIN = {"lr": 0.1, "weight_decay": 0.0}
DECAY = {"lr": 0.1, "weight_decay": 0.5}
MOMENTUM = {"momentum": 0.9, "dampening": 0.5, "nesterov": False}
NESTEROV = {"momentum": 0.9, "dampening": 0.0, "nesterov": True}
ADAM = {"betas": (0.9, 0.99), "eps": 1e-3, "corrections": (1 - 0.9**3, 1 - 0.99**3)}
ADAMAX = {"betas": (0.9, 0.99), "eps": 1e-3, "correction": 1 - 0.9**3}
RADAM = {**ADAMAX, "plain": 0.0, "rectified": 0.7}
RPROP = {"etas": (0.5, 1.2), "step_sizes": (0.7, 1.5)}
RMS = {"alpha": 0.9, "eps": 1e-3}


def channels_last(x: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


class All(list[Any]):
    """Several arrays, or several of these."""


SIZES = (0, 3), (), (1,), (9, 5), (1023,), (1024,), (1025,), (3, 1024)  # 1024 are a chunk
SETS = {
    "sgd": [(normal(*n), normal(*n) + 1, None if len(n) == 1 else normal(*n) + 2) for n in SIZES],
    "adam": [
        (normal(*n), normal(*n) + 1, normal(*n) + 2, normal(*n) ** 2 + 1)
        + ((normal(*n) ** 2 + 0.9,) if i % 2 else (None,))
        for i, n in enumerate(SIZES)
    ],
    **{
        name: [(normal(*n), normal(*n) + 1, normal(*n) / 2, normal(*n) ** 2 + 1) for n in SIZES]
        for name in ("radam", "adamax", "rprop")
    },
    "adadelta": [(normal(*n), normal(*n) + 1, *[normal(*n) ** 2 + 1] * 2) for n in SIZES],
    "lion": [(normal(*n), normal(*n) + 1, normal(*n) / 2) for n in SIZES],
    "adagrad": [(normal(*n), normal(*n) + 1, normal(*n) ** 2 + 1) for n in SIZES],
    "rmsprop": [
        (normal(*n), normal(*n) + 1, normal(*n) ** 2 + 1, None if i % 2 else normal(*n) + 2)
        + ((normal(*n) / 9,) if i % 3 else (None,))
        for i, n in enumerate(SIZES)
    ],
}
SETTINGS: dict[str, Any] = {
    "sgd": {**DECAY, **MOMENTUM},
    "adam": {**DECAY, **ADAM, "decoupled_weight_decay": True},
    "radam": {**DECAY, **RADAM, "decoupled_weight_decay": True},
    "adamax": {**DECAY, **ADAMAX},
    "adadelta": {**DECAY, "rho": 0.9, "eps": 1e-3},
    "rprop": RPROP,
    "lion": {**DECAY, "betas": (0.9, 0.99)},
    "adagrad": {**DECAY, "eps": 1e-3},
    "rmsprop": {**DECAY, **RMS, "momentum": 0.9},
}


def with_memory(arrays: tuple[Any, ...]) -> All:
    """A parameter, its gradient, and an optimizer's memory, of type W."""
    return All([*arrays[:2], *[x if x is None else [x] for x in arrays[2:]]])


V = object()  # that type

# Methods of a backend, what they are given (in a tuple an array of type V, in a list of W), and
# options, of which those in capitals are variables of the environment.
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("masked", (X, booleans(7, 6)), {}),
    ("sigmoid", (20 * normal(50),), {}),
    ("sigmoid_gradient", (normal(7, 6) ** 2, X), {}),
    ("relu_gradient", (normal(7, 6), X), {}),
    ("gelu", (2 * normal(50),), {}),
    ("gelu_gradient", (2 * normal(50), normal(50)), {}),
    ("erf", (2 * normal(50),), {}),
    ("erfc", (2 * normal(50),), {}),
    ("lgamma", (normal(50) ** 2 * 5 + 0.1,), {}),
    ("random_bits", (2**127 + 5, 101), {}),
    ("check_indices", ("labels", LABELS, 6), {}),
    ("select", (LOGITS, LABELS), {}),
    ("select_gradient", (normal(5, 2), LABELS, 6), {}),
    ("log_softmax", (LOGITS, 1), {}),
    ("log_softmax", (MANY, 1), {}),
    ("log_softmax_gradient", (LOGITS, normal(*LOGITS.shape), 1), {}),
    ("scatter_add", (normal(20, 3), integers(5, 20), 7), {}),
    ("scatter_add", (normal(20, 3), integers(5, 20), 7), {"GRADCORE_DETERMINISTIC": "1"}),
    ("cross_entropy", (LOGITS, LABELS, None), {}),
    ("cross_entropy", (LOGITS, LABELS, booleans(5, 2)), {}),
    ("cross_entropy", (MANY, integers(300, 4), None), {}),
    ("cross_entropy_gradient", (LOGITS, normal(5, 2), LABELS, None), {}),
    ("cross_entropy_gradient", (LOGITS, normal(5, 2), LABELS, booleans(5, 2)), {}),
    ("cross_entropy_gradient", (MANY, normal(4), integers(300, 4), None), {}),
    ("lstm", (normal(3, 4, 2), normal(4, 5), C[:, None] * normal(5), *GATES, normal(20)), {}),
    *[
        (
            "lstm_gradient",
            (normal(4, 5), GATES[1], normal(3, 4, 5), normal(3, 4, 20) / 9, *gos),
            {"given": (len(gos) != 1, len(gos) > 0, False)},
        )
        for gos in ((normal(3, 4, 5), normal(3, 4, 5) + 1), (normal(3, 4, 5),))
    ],
    *[
        (method, arrays, {**options, **STEPS, "GRADCORE_CONV": way})
        for way in ("windows", "implicit")
        for method, arrays, options in (
            ("conv2d", (X, W, normal(6)), {"groups": 2}),
            ("conv2d", (X, normal(6, 4, 1, 1), None), {"groups": 1}),
            ("conv2d_input_gradient", (GO, W), {"size": (7, 6), "groups": 2}),
            ("conv2d_weight_gradient", (X, GO), {"kernel": (3, 2), "groups": 2}),
        )
    ],
    *[  # the products have higher tiles, or sums in parts
        (method, arrays, {"groups": 1, **options, **ALIGNED, "GRADCORE_CONV": "implicit"})
        for method, arrays, options in (
            ("conv2d", (normal(1, 9, 9, 8), normal(65, 9, 3, 3), normal(65)), {}),
            ("conv2d", (normal(2, 1, 33, 20), normal(5, 1, 3, 3), None), {}),
            ("conv2d_input_gradient", (normal(1, 9, 9, 8), normal(9, 65, 3, 3)), {"size": (9, 8)}),
            ("conv2d_input_gradient", (normal(2, 5, 9, 17), normal(5, 3, 3, 3)), {"size": (9, 17)}),
            (
                "conv2d_weight_gradient",
                (normal(2, 8, 17, 17), normal(2, 65, 17, 17)),
                {"kernel": (3, 3)},
            ),
            (
                "conv2d_weight_gradient",
                (normal(1, 32, 5, 4), normal(1, 9, 5, 4)),
                {"kernel": (3, 3)},
            ),
        )
    ],
    ("max_pool2d", (X,), WINDOWS),
    ("max_pool2d", (normal(1, 1, 17, 17),), {**WINDOWS, "kernel": (17, 17), "dilation": (1, 1)}),
    *[
        (f"max_pool2d_{name}", (x, integers(6, 3, 4, 3, 6).astype(places)), {**WINDOWS, **size})
        for name, x, size in (("gradient", POOLED, {"size": (7, 6)}), ("chosen", X, {}))
        for places in ("uint8", "int32")
    ],
    ("avg_pool2d", (X,), MEANS),
    ("avg_pool2d_gradient", (normal(3, 4, 3, 7),), {"size": (7, 6), **MEANS}),
    *[  # images that are channels last
        (method, tuple([last(x) if np.ndim(x) == 4 else x for x in arrays]), options)
        for method, arrays, options in (
            ("max_pool2d", (X,), WINDOWS),
            ("max_pool2d_gradient", (POOLED, PLACES), {**WINDOWS, "size": (7, 6)}),
            ("max_pool2d_chosen", (X, PLACES), WINDOWS),
            ("avg_pool2d", (X,), MEANS),
            ("avg_pool2d_gradient", (normal(3, 4, 3, 7),), {"size": (7, 6), **MEANS}),
            *[
                (method, arrays, {**steps, **options, "groups": groups, "GRADCORE_CONV": way})
                for way in ("windows", "implicit")
                for steps, kernel, go in (
                    (STEPS, (3, 2), GO),
                    (ALIGNED, (3, 3), normal(3, 6, 7, 6)),
                    (POINTS, (1, 1), normal(3, 6, 7, 6)),
                )
                for groups in (1, 2)
                for w in (normal(6, 4 // groups, *kernel),)
                for method, arrays, options in (
                    ("conv2d", (X, w, normal(6)), {}),
                    ("conv2d", (X, w, None), {}),
                    ("conv2d_input_gradient", (go, w), {"size": (7, 6)}),
                    ("conv2d_weight_gradient", (X, go), {"kernel": kernel}),
                )
            ],
            ("masked", (X, booleans(3, 4, 7, 6)), {}),
            ("gelu", (X,), {}),
            ("relu_gradient", (X, X + 1), {}),
        )
    ],
    ("masked", (last(X), booleans(7, 6)), {}),
    ("max_pool2d_gradient", (POOLED, last(PLACES)), {**WINDOWS, "size": (7, 6)}),
    *[
        ("augment", (x, views, [normal(4)], [C]), {**CUTS, "reflects": reflects, "dtype": V})
        for pixels in (integers(256, 3, 4, 7, 6).astype("uint8"), X.astype("float32"))
        for x in (pixels, last(pixels))
        for views, reflects in ((VIEWS, False), (VIEWS, True), (None, False))
    ],
    ("batch_norm", (X, (C,), (normal(4),)), {"eps": 0.1}),
    *[  # with a residual and averages: C order, channels last, rows in two tiles, several parts
        ("batch_norm", (x, w, b, y, [*w], [*w], np.asarray(2)), {"eps": 0.1, **options})
        for x, y, w, b, options in (
            (X, X + 1, (C,), (normal(4),), {"momentum": None}),
            (channels_last(X), X + 1, (C,), (normal(4),), {"momentum": 0.3, "relu": True}),
            (MANY.T, MANY.T / 2, (C,), (normal(4),), {"momentum": 0.5}),
            (normal(3, 40), normal(3, 40) / 2, (normal(40) ** 2,), (normal(40),), {"relu": True}),
            (TALL, TALL / 2, (C[:1],), (C[:1],), {"relu": True}),
        )
    ],
    *[
        ("batch_norm_inference", (x, (C,), (normal(4),), [normal(4) / 2], [C], *more), options)
        for x, more, options in (
            (X, (), {"eps": 0.1}),
            (channels_last(X), (X + 1,), {"eps": 0.1, "relu": True}),
        )
    ],
    *[
        (
            "batch_norm_gradient",
            (x, (w,), [w / 2], [w], x + 1, *some),
            {"eps": 0.1, "given": given, "residual": given[0]},
        )
        for x, w, some, given in (
            (X, C, ([normal(4)], [C / 2]), (False, True, True)),
            (channels_last(X), C, (np.maximum(X - 1, 0), [C / 2]), (True, False, True)),
            (TALL, C[:1], (np.maximum(TALL - 1, 0),), (True, False, False)),
        )
    ],
    *[
        (
            "batch_norm_gradient",
            (X, (C,), [C / 2], [C], X + 1, np.maximum(X - 1, 0)),
            {"eps": 0.1, "given": (True, False, False), "residual": True, "training": False}
            | {"parameters": parameters},
        )
        for parameters in (True, False)
    ],
    *[("channel_sums", (x,), {}) for x in (X, channels_last(X), TALL)],
    ("layer_norm", (normal(7, 6), (normal(6),), (normal(6),)), {"eps": 0.1}),
    *[
        (
            "layer_norm_gradient",
            (normal(n, 6), (normal(6),), normal(n, 6) + 1),
            {"eps": 0.1, "parameters": parameters},
        )
        for n, parameters in ((7, True), (9000, True), (7, False))
    ],
    ("layer_norm", (normal(2, 2100), (normal(2100),), (normal(2100),)), {"eps": 0.1}),
    ("sgd", (P, G, None), {**PLAIN, **MOMENTUM, "momentum": 0.0}),
    ("sgd", (P, G, None), {**DECAY, **MOMENTUM, "momentum": 0.0}),
    ("sgd", (P, G, None), {**DECAY, **NESTEROV}),
    ("sgd", (P, G, [M]), {**DECAY, **MOMENTUM}),
    ("sgd", (P, G, [M]), {**PLAIN, **NESTEROV}),
    *[
        ("adam", (P, G, [M], [S], top), {**decay, **ADAM, "decoupled_weight_decay": decoupled})
        for decay, decoupled, top in (
            (PLAIN, False, None),
            (DECAY, False, [TOP]),
            (DECAY, True, None),
        )
    ],
    ("radam", (P, G, [M], [S]), {**DECAY, **RADAM, "decoupled_weight_decay": False}),
    (
        "radam",
        (P, G, [M], [S]),
        {**DECAY, **RADAM, "plain": 1.0, "rectified": 0.0, "decoupled_weight_decay": True},
    ),
    ("adamax", (P, NAN, [M], [S]), {**PLAIN, **ADAMAX}),
    ("adadelta", (P, G, [S], [S]), {**PLAIN, "rho": 0.9, "eps": 1e-3}),
    ("rprop", (P, NAN, [M], [S]), RPROP),
    ("rprop", (P, 0.0 * G, [M], [S]), RPROP),
    ("lion", (P, NAN, [M]), {**PLAIN, "betas": (0.9, 0.99)}),
    ("adagrad", (P, G, [S]), {**DECAY, "eps": 1e-3}),
    ("rmsprop", (P, G, [S], None, None), {**PLAIN, **RMS, "momentum": 0.0}),
    ("rmsprop", (P, G, [S], None, None), {**DECAY, **RMS, "momentum": 0.9}),
    ("rmsprop", (P, G, [S], [M], [SMALL]), {**DECAY, **RMS, "momentum": 0.9}),
    ("rmsprop", (P, G, [S], None, [SMALL]), {**DECAY, **RMS, "momentum": 0.0}),
    ("unscale_all", (All([P, X, np.asarray([]), MANY]), [np.asarray(8.0)]), {}),
    (
        "unscale_all",
        (All([P, np.asarray([1.0, np.inf]), np.asarray([np.nan])]), [np.asarray(3.0)]),
        {},
    ),
    ("copy_all", (All([P, X, np.asarray([]), MANY]),), {}),
    ("copy_all", (All([P, X.T, MANY]), V), {}),
    ("norm_all", (All([P, X, np.asarray([]), MANY]),), {}),
    ("norm_all", (All([P, X.T]), 1.0), {}),
    *[
        ("clip_all", (All([P, X, MANY]), [np.asarray(norm)], 2.0), {})
        for norm in (4.0, 1.0, np.nan)
    ],
    *[
        ("choose_all", (np.asarray(which), All([P, X, MANY]), All([G, 2 * X, MANY + 1])), {})
        for which in (True, False)
    ],
    *[
        ("lerp_all", (All([P, X, MANY]), All([G, 2 * X, MANY + 1]), weight), {})
        for weight in (0.25, 0.75, 1.0)
    ],
    *[("update_all", (name, All(map(with_memory, SETS[name]))), SETTINGS[name]) for name in SETS],
]


def run(method: str, given: Any, options: Any, dtype: str, v: str, on: str | None) -> list[Any]:
    """What the method gives, as NumPy's arrays: the kernels of that backend, or, if `on` is `None`,
    the definition on NumPy's."""
    backend = get(on or "numpy")

    def array(x: Any) -> Any:
        if type(x) is All:
            return [array(y) for y in x]
        if x is V:
            return backend.dtype(v)
        kinds = {tuple: v, list: "float64" if dtype == "float64" else "float32"}
        kind = kinds.get(type(x), dtype)
        x = x[0] if type(x) in kinds else x
        x = np.asarray(x) if isinstance(x, np.generic) else x  # as those of no dimensions become
        if not isinstance(x, np.ndarray):
            return x
        if is_last(x):
            axes = array(x.transpose(0, 2, 3, 1)), (0, 3, 1, 2)
            return backend.xp.permute_dims(*axes)
        if x.dtype != np.float64:
            return backend.asarray(x)
        x = x.astype(kind)
        # The definition computes with the same numbers, but without the rounding of 16 bits.
        return backend.asarray(x if on or kind != "float16" else x.astype("float32"))

    function = getattr(backend if on else Backend, method)
    with pytest.MonkeyPatch.context() as patch:
        for name in filter(str.isupper, options):
            patch.setenv(name, options[name])
        options = {
            name: backend.dtype("float32" if not on and v == "float16" else v) if x is V else x
            for name, x in options.items()
            if not name.isupper()
        }
        results = function(*[] if on else [backend], *map(array, given), **options)
    if on and len(given) and isinstance(given[0], np.ndarray) and is_last(given[0]):
        for x in flat(results):  # the gradient of weights is in the weights' order
            assert x.ndim != 4 or is_last(x) == (method != "conv2d_weight_gradient"), method
    return [x if x is None else backend.to_numpy(x) for x in flat(results)]


def has_v(given: tuple[Any, ...]) -> bool:
    return any(isinstance(x, tuple) or x is V for x in given)


def flat(x: Any) -> list[Any]:
    return [z for y in x for z in flat(y)] if isinstance(x, tuple | list) else [x]


def pytest_generate_tests(metafunc: Any) -> None:
    """`cupy` is the stand-in for CuPy, and CuPy where there is a GPU."""
    if "cupy" in metafunc.fixturenames:
        names = [name for name in ("cupy-like", "cupy") if name in metafunc.config.backends]
        metafunc.parametrize("cupy", names)


@pytest.mark.parametrize("kind", TOLERANCE)
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0])
def test_kernels_compute_what_the_definitions_say(call: Any, kind: str, cupy: str) -> None:
    for v in TOLERANCE if has_v(call[1]) else (kind,):
        found, expected = (run(*call, kind, v, on) for on in (cupy, None))
        for x, y in zip(found, expected, strict=True):
            assert (x is None) == (y is None)
            if x is not None:
                assert x.dtype.kind != "f" or x.dtype in (kind, v, np.result_type(kind, "f4"))
                limit = max(TOLERANCE[kind], TOLERANCE[str(x.dtype)] if x.dtype.kind == "f" else 0)
                scale = max(0.1, abs(y.astype(float)).max(initial=0))
                np.testing.assert_allclose(x.astype(float), y.astype(float), limit, limit * scale)


def test_they_run_on_a_gpu_where_there_is_one() -> None:
    chosen: dict[str, Any] = {}
    pytest_generate_tests(
        SimpleNamespace(
            fixturenames=["call", "kind", "cupy"],
            config=SimpleNamespace(backends=["numpy", "cupy"]),
            parametrize=lambda name, values: chosen.update({name: values}),
        )
    )
    assert chosen == {"cupy": ["cupy"]}


def overrides() -> set[str]:
    """The kernels that gradcore's CuPy backend has versions of."""
    parts = [c for c in type(get("cupy-like")).__mro__ if ".cupy" in c.__module__]
    found = {n for c in parts for n, f in vars(c).items() if callable(f) and hasattr(Backend, n)}
    return {n for n in found if n[0] != "_"} - NO_KERNELS


@functools.cache
def users() -> dict[str, set[str]]:
    """By a kernel and its types, as one symbol, the methods that ran it in CALLS."""
    found: dict[str, set[str]] = {}
    for method, given, options in CALLS:
        for kind in TOLERANCE:
            for v in TOLERANCE if has_v(given) else (kind,):
                device.ran.clear()
                run(method, given, options, kind, v, "cupy-like")
                for symbol in device.ran:
                    found.setdefault(symbol, set()).add(method)
    return found


def kernels() -> dict[str, tuple[list[str], list[str]]]:
    """By name, the letters of each kernel's types, and all its symbols."""
    backend = get("cupy-like")
    return {
        k.name: (k.letters, [k.symbol(types) for types in instances(k.letters, backend.letters)])
        for k in backend.kernels
    }


@needs_compiler
def test_every_kernel_is_compared_in_all_types() -> None:
    assert {method for method, _, _ in CALLS} == overrides()
    symbols = {symbol for _, several in kernels().values() for symbol in several}
    assert symbols == set(users())


def test_kernels_are_made_in_one_place() -> None:
    """Where the tests find them."""
    makers = re.compile(r"(?<!class )\b\w+Kernel\(|\bRawModule\(|rawkernel|cupy.fuse")
    found = {p.name: set(makers.findall(p.read_text())) for p in CUPY.glob("*.py")}
    assert {name: those for name, those in found.items() if those} == {
        "kernels.py": {f"{k}Kernel(" for k in ("Elementwise", "Reduction", "MultiArray", "Block")},
        "launch.py": {"RawKernel("},  # CuPy's, by which the last two run
    }


def table() -> str:
    """How each kernel was checked, for docs/explanation/gpu/README.md."""
    rows = ["| kernel | of types | instances | compared with |", "| --- | --- | --- | --- |"]
    for name, (letters, symbols) in kernels().items():
        methods = sorted({method for symbol in symbols for method in users()[symbol]})
        definitions = ", ".join(f"`Backend.{method}`" for method in methods)
        cells = name.removeprefix("gradcore_"), " ".join(letters), str(len(symbols)), definitions
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


@needs_compiler
def test_the_page_says_how_each_kernel_was_checked() -> None:
    page = PAGE.read_text("utf-8")
    assert table() in page, "put the table right: python tests/backends/cupy/test_cuda.py"
    assert all(architecture in page for architecture in ARCHITECTURES)
    for letter, types in get("cupy-like").letters.items():
        assert f"| {letter} | {', '.join(types)} |" in page


# -- The compilers --------------------------------------------------------------------------------


def nvrtc(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=900, cwd=ROOT,
        check=False,
    )  # fmt: skip
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    return done


def test_every_kernel_compiles_for_gpus() -> None:
    done = nvrtc("tests/backends/cupy/nvrtc.py", *ARCHITECTURES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("body", "says"), [("y = x +;", "expected an expression"), ("y = z;", "is undefined")]
)
def test_a_kernel_that_is_wrong_does_not_compile(body: str, says: str) -> None:
    code = f"""
import sys
sys.path.insert(0, "tests/backends/cupy")
import nvrtc
from gradcore.backends.cupy.kernels import KERNELS, elementwise
KERNELS.clear()
elementwise("right", "T x", "T y", "y = x;")
elementwise("wrong", "T x", "T y", "{body}")
sys.exit(nvrtc.main(["sm_90"]))
"""
    done = nvrtc("-c", code)
    assert done.returncode == 1, done.stderr
    assert "gradcore_wrong(" in done.stdout
    assert says in done.stdout
    assert "gradcore_right" not in done.stdout


@needs_compiler
def test_a_kernel_that_is_wrong_does_not_compile_here() -> None:
    wrong = cupy_on_cpu.ElementwiseKernel("T x", "T y", "y = x +;", "wrong")
    with pytest.raises(AssertionError, match=r"wrong:1:.* error"):
        cupy_on_cpu.compiled([wrong.source({"T": "float16"})])


# -- The stand-in is as CuPy is -------------------------------------------------------------------


@pytest.fixture
def played() -> Iterator[Any]:
    """The backend on the stand-in for CuPy, as the default."""
    if cupy_on_cpu.problem():
        pytest.skip(str(cupy_on_cpu.problem()))
    with gradcore.use_backend("cupy-like") as backend:
        yield backend


def test_arrays_of_the_device_and_numpys_do_not_mix(played: Any) -> None:
    x, y = played.asarray([1.0, 2.0]), np.ones(2, "float32")
    for mix in (
        lambda: x + y,
        lambda: y + x,
        lambda: x.__iadd__(y),
        lambda: np.asarray(x),
        lambda: np.exp(x),
        lambda: played.xp.add(x, y),
        lambda: played.xp.stack([x, y]),
        lambda: played.masked(x, y > 0),
        lambda: x.__setitem__(0, y),
    ):
        with pytest.raises(TypeError):
            mix()


def test_results_of_no_dimensions_stay_arrays(played: Any) -> None:
    x = played.asarray([1.0, 2.0])
    for y in (x[0], x.sum(), played.xp.max(x), x[0] + x[1], -x[0], played.xp.exp(x[0])):
        assert type(y) is cupy_on_cpu.ndarray
        assert y.shape == ()
    assert played.to_numpy(x.sum()) == 3


def test_indices_out_of_range_wrap(played: Any) -> None:
    x, indices = played.asarray([1.0, 2.0, 3.0]), played.asarray([3, -4])
    for y in (played.xp.take(x, indices), x[indices], played.xp.take_along_axis(x, indices)):
        assert played.to_numpy(y).tolist() == [1.0, 3.0]


@pytest.mark.parametrize(
    "read",
    [
        bool,
        float,
        int,
        lambda x: x.item(),
        lambda x: x.tolist(),
        lambda x: x.get(),
        lambda x: range(10)[x.astype(int)],
        lambda x: np.ones(3) if x else None,
        lambda x: gradcore.array_api.nonzero(x[None]),
        lambda x: TensorNode(x[None])[x[None] > 0],
        lambda x: float(TensorNode(x)),
    ],
)
def test_reading_from_the_device_is_noticed(played: Any, read: Callable[..., Any]) -> None:
    x = played.asarray(1.0)
    with device.counted() as counts:
        read(x)
    assert counts.reads
    with device.no_reads(), pytest.raises(cupy_on_cpu.HostReadError):
        read(x)


def test_cupy_tells_of_its_reads() -> None:
    """As it does before it asks the driver, which need not be there."""
    cupy = pytest.importorskip("cupy")
    from gradcore.backends.cupy import CupyBackend

    host = np.zeros(1, "float32")
    memory = cupy.cuda.UnownedMemory(host.ctypes.data, 4, host, 0)
    x = cupy.ndarray((1,), host.dtype, cupy.cuda.MemoryPointer(memory, 0))
    with CupyBackend.host_reads(object()) as reads:
        for number in (1, 2):
            with suppress(cupy.cuda.runtime.CUDARuntimeError):
                x.get(stream=cupy.cuda.Stream.null)
            assert len(reads) == number
    with suppress(cupy.cuda.runtime.CUDARuntimeError):
        x.get(stream=cupy.cuda.Stream.null)
    assert len(reads) == 2


def test_the_stand_in_has_nothing_that_cupy_has_not() -> None:
    cupy = pytest.importorskip("cupy")
    modules = cupy_on_cpu._modules()
    for name, theirs in (("cupy", cupy), ("cupy.linalg", cupy.linalg), ("cupy.fft", cupy.fft)):
        functions = {
            n for n, x in vars(modules[name]).items() if callable(x) and not isinstance(x, type)
        }
        assert not {n for n in functions if n[0] != "_" and not hasattr(theirs, n)}
    methods = {n for n in vars(cupy_on_cpu.ndarray) if not n.startswith("_") and n != "array"}
    assert methods <= set(dir(cupy.ndarray))


# -- Errors that come late ------------------------------------------------------------------------


def test_an_index_out_of_range_is_an_error_as_soon_as_something_is_read(played: Any) -> None:
    x, targets = TensorNode([[1.0, 2.0], [3.0, 4.0]]), played.asarray([0, 2])
    with device.no_reads():
        loss = gradcore.cross_entropy(x, targets, reduction="sum")
        loss.backward()
    words = "CrossEntropy: targets: 2 is out of range; expected 0 to 1"
    with pytest.raises(IndexError, match=words):
        float(loss)
    assert np.isnan(float(loss))  # and it is told once
    wrong, right = played.asarray([-3, 0]), played.asarray([1, 1])
    with device.no_reads():
        gradcore.ops.Take.do_forward(x, indices=wrong)
        with pytest.raises(IndexError, match="Take: indices: -3 is out of range"):
            gradcore.ops.Take.do_forward(x, indices=right)


def test_with_cuda_launch_blocking_an_error_comes_at_once(
    played: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(played), "checks_wait", True)
    with pytest.raises(IndexError, match="Select: indices: 7 is out of range; expected 0 to 1"):
        gradcore.ops.Select.do_forward(TensorNode([[1.0, 2.0]]), indices=played.asarray([7]))


def test_while_a_stream_is_captured_no_number_comes_to_the_device(
    played: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "is_capturing", True)
    monkeypatch.setattr(type(played), "checks_wait", True)
    for x in (2.0, np.array(3), np.float32(1)):
        with pytest.raises(RuntimeError, match="stream is capturing, so H2D transfers are disall"):
            played.asarray(x)
    with device.no_reads():
        played.check_indices("labels", played.asarray([0, 1]), 2)


# -- Kernels of several sets of arrays ------------------------------------------------------------


def sets_of(backend: Backend, name: str, dtype: str = "float32") -> list[tuple[Any, ...]]:
    return [
        tuple(
            x if x is None else backend.asarray(x, dtype if k < 2 else np.result_type(dtype, "f4"))
            for k, x in enumerate(arrays)
        )
        for arrays in SETS[name]
    ]


def bits(results: Any) -> list[Any]:
    return [x if x is None else (x.shape, x.dtype, x.get().tobytes()) for x in flat(results)]


NUMBERS = {"lr", "correction", "corrections", "plain", "rectified"}  # that change from step to step


@pytest.mark.parametrize("kind", TOLERANCE)
@pytest.mark.parametrize("name", [name for name in SETS if name != "rprop"])  # which has none
def test_numbers_may_be_on_the_device(played: Any, name: str, kind: str) -> None:
    wide = np.result_type(kind, "float32")

    def on_device(x: Any) -> Any:
        return tuple(map(on_device, x)) if isinstance(x, tuple) else played.asarray(x, wide)

    settings = SETTINGS[name]
    there = {k: on_device(settings[k]) for k in settings.keys() & NUMBERS}
    expected = played.update_all(name, sets_of(played, name, kind), **settings)
    arrays = sets_of(played, name, kind)
    begins = name == "rmsprop"  # velocities that begin are zeros
    with device.counted() as counts:
        found = played.update_all(name, arrays, **{**settings, **there})
    assert (counts.reads, counts.uploads, counts.launches > 1) == ([], 0, begins)
    assert bits(found) == bits(expected)
    half = {**settings, "lr": played.asarray(settings["lr"] / 2, wide)}
    assert bits(found) != bits(played.update_all(name, sets_of(played, name, kind), **half))


@pytest.mark.parametrize("name", SETS)
def test_blocks_go_on_to_other_chunks(
    played: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernels = played.modules["gradcore.backends.cupy.launch"]
    assert kernels.CHUNK == 1024  # which SIZES are around
    expected = played.update_all(name, sets_of(played, name), **SETTINGS[name])
    monkeypatch.setattr(kernels, "MOST_BLOCKS", 3)
    assert bits(played.update_all(name, sets_of(played, name), **SETTINGS[name])) == bits(expected)


ROOM = {"sgd": 83, "adam": 70, "radam": 81, "adamax": 82, "adadelta": 83, "rprop": 83, "lion": 99}
ROOM |= {"adagrad": 101, "rmsprop": 71}  # parameters of one launch


@pytest.mark.parametrize("name", SETS)
def test_more_parameters_than_one_launch_takes(played: Any, name: str) -> None:
    room = ROOM[name]
    page = (ROOT / "docs" / "how-to" / "backends.md").read_text("utf-8")
    assert f"| {name} | {room} |" in page.lower()
    for count, launches in ((room, 1), (2 * room, 2), (2 * room + 1, 3)):
        arrays = [
            tuple(played.asarray(np.full(1 + k % 5, k / 9 + j), "float32") for j in range(5))
            for k in range(count)
        ]
        arrays = [of_one[: len(SETS[name][0])] for of_one in arrays]
        definition = getattr(Backend, name)
        expected = [definition(played, *of_one, **SETTINGS[name]) for of_one in arrays]
        empty = [tuple(played.asarray(np.zeros(0), "float32") for _ in arrays[0])]
        with device.counted() as counts:
            found = played.update_all(name, empty + arrays, **SETTINGS[name])
        assert counts.launches == launches
        for x, y in zip(flat(found[1:]), flat(expected), strict=True):
            np.testing.assert_allclose(x.get(), y.get(), 1e-5, 1e-6)


def in_order(backend: Backend, x: np.ndarray, order: str) -> Any:
    return backend.asarray(np.asarray(x, "float32", order=order))


def test_updates_are_in_place_where_all_is_in_one_order(played: Any) -> None:
    settings = {**DECAY, **MOMENTUM}
    for order in "CF":
        arrays = [tuple(in_order(played, x, order) for x in (P, G, M)) for _ in range(3)]
        expected = Backend.sgd(played, *arrays[0], **settings)
        with device.counted() as counts:
            found = played.update_all("sgd", arrays, **settings)
        assert counts.launches == 1
        for (p, _, v), (new_p, new_v) in zip(arrays, found, strict=True):
            assert new_p is p
            assert new_v is v
            for x, y in zip((p, v), expected, strict=True):
                np.testing.assert_allclose(x.get(), y.get(), 1e-5, 1e-6)


def test_arrays_in_other_orders_are_copied(played: Any) -> None:
    for orders in ("CFC", "FCF", "CCF", "FFC"):
        arrays = [in_order(played, x, o) for x, o in zip((P, G, M), orders, strict=True)]
        before = arrays[1].get()
        expected = Backend.sgd(played, *arrays, **DECAY, **MOMENTUM)
        with device.counted() as counts:
            found = played.sgd(*arrays, **DECAY, **MOMENTUM)
        assert counts.launches > 1
        assert (arrays[1].get() == before).all()
        assert found[0] is arrays[0]
        for x, y in zip(found, expected, strict=True):
            np.testing.assert_allclose(x.get(), y.get(), 1e-5, 1e-6)


def test_updates_leave_memory_that_is_shared(played: Any) -> None:
    whole = [in_order(played, np.stack([x, x + 1]), "C") for x in (P, G, M, S, TOP)]
    before, arrays = [x.get() for x in whole], [x[0, ...] for x in whole]
    strided = [x[0, :, ::2] for x in whole]
    settings = {**DECAY, **ADAM, "decoupled_weight_decay": False}
    some = [tuple(arrays), tuple(strided)]
    expected = [Backend.adam(played, *of_one, **settings) for of_one in some]
    found = played.update_all("adam", some, **settings)
    assert all((x.get() == y).all() for x, y in zip(whole, before, strict=True))
    for x, y in zip(flat(found), flat(expected), strict=True):
        np.testing.assert_allclose(x.get(), y.get(), 1e-5, 1e-6)


def test_what_no_kernel_is_for_is_by_definition(played: Any) -> None:
    """A gradient in another dtype, or of another shape, between two parameters as usual."""
    usual = [tuple(played.asarray(x, "float32") for x in (P, G, M)) for _ in range(2)]
    others = [
        tuple(played.asarray(x, t) for x, t in zip((P, g, M), types, strict=True))
        for g, types in (
            (G, ("float32", "float64", "float32")),
            (G[0], ("float32",) * 3),
            (G, ("complex64",) * 3),
        )
    ]
    arrays = [usual[0], *others, usual[1]]
    expected = [Backend.sgd(played, *of_one, **DECAY, **MOMENTUM) for of_one in arrays]
    found = played.update_all("sgd", arrays, **DECAY, **MOMENTUM)
    assert found[0][0] is usual[0][0]
    assert found[-1][0] is usual[1][0]
    for x, y in zip(flat(found), flat(expected), strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_allclose(x.get(), y.get(), 1e-5, 1e-6)


# -- Training -------------------------------------------------------------------------------------


OPTIMIZERS: dict[str, Any] = {
    "momentum": functools.partial(gradcore.optim.SGD, momentum=0.9),
    **{n: getattr(gradcore.optim, n) for n in ("SGD", "Adam", "AdamW", "Adagrad", "RMSprop")},
}

WITH_KERNELS = OPTIMIZERS | {
    "amsgrad": functools.partial(gradcore.optim.Adam, amsgrad=True),
    **{n: getattr(gradcore.optim, n) for n in ("RAdam", "Adamax", "Adadelta", "Rprop", "Lion")},
}


@pytest.mark.parametrize("optimizer", WITH_KERNELS)
def test_a_step_waits_for_the_device_only_if_the_loss_is_read(played: Any, optimizer: str) -> None:
    gradcore.manual_seed(0)
    net = gradcore.nn.Sequential(
        gradcore.nn.Conv2d(3, 4, 3),
        gradcore.nn.BatchNorm2d(4),
        gradcore.relu,
        gradcore.nn.MaxPool2d(2),
        gradcore.nn.Flatten(),
        gradcore.nn.Dropout(0.5),
        gradcore.nn.Linear(36, 5),
    )
    update = WITH_KERNELS[optimizer](net.parameters(), 0.01)
    batches = gradcore.data.Batches(
        played.asarray(normal(24, 3, 8, 8), "float32"), played.asarray(integers(5, 24)), 8
    )
    for number, (images, labels) in enumerate(batches):
        with device.counted() as step:
            loss = gradcore.cross_entropy(net(images), labels)
            loss.backward()
            with device.counted() as last:
                update.step()
            update.zero_grad()
        assert number == 0 or step.reads == []  # the first measures which convolutions are fast
        assert number == 0 or step.uploads == 0
        assert number == 0 or last.launches == 1
        with device.counted() as read:
            assert np.isfinite(float(loss))
        assert len(read.reads) == 1


@pytest.mark.parametrize("residual", [False, True])
def test_batch_norm_with_all_that_follows_is_two_launches_each_way(
    played: Any, residual: bool
) -> None:
    layer = gradcore.nn.BatchNorm2d(3, relu=True)
    x, more, go = (played.asarray(normal(2, 3, 4, 4) + k, "float32") for k in range(3))
    statistics = [id(s.value) for s in (layer.running_mean, layer.running_var)]
    with device.counted() as forward:
        layer(x, *[more][:residual])
    assert (forward.launches, forward.uploads) == (2, 0)
    assert [id(s.value) for s in (layer.running_mean, layer.running_var)] == statistics
    context: dict[str, Any] = {}
    parameters = layer.w.value, layer.b.value
    norm = gradcore.ops.BatchNorm
    norm.forward(context, x, *parameters, *[more][:residual], eps=0.1, relu=True)
    with device.counted() as backward:
        norm.backward(context, go, None, None)
    assert (backward.launches, backward.uploads) == (2, 0)
    with device.counted() as evaluation:
        layer.eval()(x, *[more][:residual])
    assert evaluation.launches == 1


@pytest.mark.parametrize(
    ("layer", "saved"),
    [
        (lambda: gradcore.nn.BatchNorm1d(3, relu=True).eval(), 1),
        (lambda: gradcore.nn.LayerNorm(3), 3),
    ],
)
def test_gradients_of_frozen_weights_of_norms_are_not_computed(
    played: Any, layer: Callable[[], Any], saved: int
) -> None:
    launches = {}
    for asked in (True, False):
        norm = layer().requires_grad_(asked)
        loss = gradcore.Sum.do_forward(norm(TensorNode(played.asarray(normal(5, 3), "float32"))))
        with device.counted() as backward:
            loss.backward()
        launches[asked] = backward.launches
        assert all(p.has_grad == asked for p in norm.parameters())
    assert launches[True] - launches[False] >= saved  # and copies into `.grad`


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_captured_update_is_one_launch_too_and_shares_its_numbers(
    played: Any, optimizer: str
) -> None:
    nodes = [TensorNode(played.asarray(np.ones(5), "float32")) for _ in range(10)]
    update = OPTIMIZERS[optimizer](nodes, 0.01)
    recording = HostWork(numbers={"float32": played.asarray(np.ones(9), "float32")})

    def step() -> Any:
        for p in nodes:
            p.grad = played.asarray(np.ones(5), "float32")
        with recording.active(), device.counted() as counts:
            update.step()
        return counts.launches

    step()  # which begins the averages, and the array of numbers
    before = len(recording._actions)
    assert step() == 1
    counts = len(nodes) if optimizer in ("Adam", "AdamW", "Adagrad") else 0
    numbers = 3 if "Adam" in optimizer else 1
    assert len(recording._actions) - before == counts + numbers


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_launches_of_mixed_precision_do_not_grow_with_the_parameters(
    played: Any, optimizer: str
) -> None:
    page = (ROOT / "docs" / "how-to" / "backends.md").read_text("utf-8")
    words = "a step of 1 to 40 parameters is 16 launches, 18 with Adagrad and 26 with Adam"
    assert words in " ".join(page.split())
    launches = {"Adagrad": 18, "Adam": 26, "AdamW": 26}.get(optimizer, 16)
    for count in (1, 40):
        nodes = [TensorNode(played.asarray(np.ones(5), "float32")) for _ in range(count)]
        update = gradcore.optim.MixedPrecision(nodes, lambda p: OPTIMIZERS[optimizer](p, 0.01))
        for number in range(3):
            for p in nodes:
                p.grad = played.asarray(np.ones(5), "float16")
            with device.counted() as counts:
                update.step()
            update.zero_grad()
            assert number == 0 or (counts.launches, counts.uploads) == (launches, 0)
            assert counts.reads == []


def test_clipping_is_three_launches_whatever_the_number_of_parameters(played: Any) -> None:
    for count in (1, 40):
        nodes = [TensorNode(played.asarray(np.ones(5), "float32")) for _ in range(count)]
        for number in range(2):
            for p in nodes:
                p.grad = played.asarray(np.full(5, 2.0), "float32")
            with device.counted() as counts:
                norm = gradcore.nn.utils.clip_grad_norm_(nodes, 1.0)
            assert number == 0 or (counts.launches, counts.uploads, counts.reads) == (3, 0, [])
        assert float(norm) == pytest.approx(2.0 * (5 * count) ** 0.5)
        np.testing.assert_allclose(played.to_numpy(nodes[0].grad), (5 * count) ** -0.5, rtol=1e-5)


@pytest.mark.parametrize("optimizer", WITH_KERNELS)
def test_mixed_precision_is_as_on_numpy(played: Any, optimizer: str) -> None:
    def trained(backend: Backend) -> list[Any]:
        nodes = [TensorNode(backend.asarray(x, "float32")) for x in (P, P[0], MANY)]
        update = gradcore.optim.MixedPrecision(nodes, lambda p: WITH_KERNELS[optimizer](p, 0.01))
        for wrong in (np.inf, 0.0, 0.0, np.nan, 0.0):  # of the first, in a step
            for p, x in zip(nodes, (G, G[0], MANY), strict=True):
                p.grad = backend.asarray(x + (wrong if p is nodes[0] else 0.0), "float16")
            update.step()
            update.zero_grad()
        state = update.state_dict()
        found = [x for memory in state["state"] for _, x in sorted(memory.items())]
        values = [update.scale.value, *[node.value for node in nodes]]
        return [x if isinstance(x, int) else backend.to_numpy(x) for x in (*found, *values)]

    for x, y in zip(trained(played), trained(get("numpy")), strict=True):
        np.testing.assert_allclose(x, y, 1e-5, 1e-7)


def test_copies_and_averages_are_written_where_nobody_else_sees_them(played: Any) -> None:
    x, half = played.asarray(P, "float32"), played.asarray(G, "float16")
    [copy] = played.copy_all([x], half.dtype, [half])
    assert copy is half
    np.testing.assert_array_equal(half.get(), P.astype("float16"))
    for into in (
        played.asarray(G, "float32"),
        played.asarray(np.hstack([G, G]), "float16")[:, : G.shape[1]],
    ):
        kept = into.get().copy()
        [copy] = played.copy_all([x], half.dtype, [into])
        np.testing.assert_array_equal(copy.get(), half.get())
        np.testing.assert_array_equal(into.get(), kept)
    [mean] = played.lerp_all([x], [played.asarray(G, "float32")], 1.0)
    assert mean is x
    np.testing.assert_array_equal(x.get(), G.astype("float32"))
    [mean] = played.lerp_all([x], [half], 0.5)
    assert mean is not x
    assert mean.dtype == x.dtype


def test_where_mixed_precision_has_no_kernel(played: Any) -> None:
    """Numbers that are not floating, arrays with gaps or in several orders, or one twice."""
    whole = [played.asarray(np.arange(12), "int32"), played.asarray(P, "float32")]
    gaps = [played.asarray(P, "float32")[:, ::2] for _ in range(2)]
    for arrays in (whole, gaps):
        for x, y in zip(played.copy_all(arrays), arrays, strict=True):
            assert (x.get() == y.get()).all()
            assert not np.shares_memory(x.array, y.array)
    found, good = played.unscale_all(gaps, played.asarray(2.0))
    assert good.get()
    assert (found[1].get() == gaps[1].get() / 2).all()
    x, y = in_order(played, P, "C"), in_order(played, G, "F")
    for which, expected in ((True, P), (False, G)):
        [z] = played.choose_all(played.asarray(which), [x], [y])
        assert (z.get() == expected.astype("float32")).all()
    y = in_order(played, G, "C")
    again = played.choose_all(played.asarray(False), [x, x], [y, x])
    assert all((z.get() == w.astype("float32")).all() for z, w in zip(again, (G, P), strict=True))


if __name__ == "__main__":
    cupy_on_cpu.register()
    page = re.sub(r"\| kernel \|.*(\n\|.*)*", lambda _: table(), PAGE.read_text("utf-8"))
    PAGE.write_text(page, "utf-8")
