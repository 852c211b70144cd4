"""Compile the kernels of the NumPy backend ahead: `python -m gradcore warm`."""

from __future__ import annotations

import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from .. import nn
from ..array_api.special import erf
from ..backends import default, use_backend
from ..backends.numba import loading
from ..backends.numba.notice import notice
from ..functions.activations import gelu, relu, sigmoid
from ..functions.attention import scaled_dot_product_attention
from ..functions.losses import cross_entropy
from ..graph import TensorNode

__all__ = ["PARTS", "warm"]

DTYPES = "float32", "float64"


def warm() -> int:
    """Compile all kernels, and say how long it takes and where they are kept. Return 0, or 2 where
    they can't be kept."""
    if why := loading.problem():
        print(f"warm: nothing to compile: {why}")
        return 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loops = loading.kernels()
    folder = Path(loops.sgd.stats.cache_path) if loops else Path()
    wanted = os.environ.get("NUMBA_CACHE_DIR")
    if loops is None or (wanted and not folder.is_relative_to(Path(wanted).absolute())):
        why = f"no file can be written in NUMBA_CACHE_DIR={wanted}; {loading.KEEP}"
        print(f"warm: {why if loops else caught[-1].message}", file=sys.stderr)
        return 2
    notice.is_due = False
    print(f"compiling kernels into {folder}, which takes up to some minutes", flush=True)
    start = time.perf_counter()
    with use_backend("numpy"):
        for dtype in DTYPES:
            for part in PARTS:
                begin = time.perf_counter()
                part(dtype)
                took = f"{time.perf_counter() - begin:.1f} s"
                print(f"  {dtype} {part.__name__}: {took}", flush=True)
    compiled = sum(sum(kernel.stats.cache_misses.values()) for kernel in loops.KERNELS)
    found = f"{compiled} compiled" if compiled else "all were there"
    print(f"{found}, in {time.perf_counter() - start:.0f} s")
    return 0


# -- What calls each kernel -----------------------------------------------------------------------


def _ones(dtype: str, *shape: int) -> TensorNode:
    return TensorNode(default().xp.ones(shape, dtype=dtype))


def _pass(y: TensorNode) -> None:
    y.backward() if y.size == 1 else (y * y).sum().backward()


def convolutions(dtype: str) -> None:
    x = _ones(dtype, 16, 16, 16, 16)
    for options in ({}, {"stride": 2}, {"bias": False}, {"groups": 2}):
        convolve = nn.Conv2d(16, 16, 3, padding=1, **options).astype(dtype)
        _pass(convolve(convolve(x)))
    _pass(nn.MaxPool2d(2)(convolve(x)))


def normalizations(dtype: str) -> None:
    x = _ones(dtype, 16, 16, 16, 16)
    for rectify in (False, True):
        normalize = nn.BatchNorm2d(16, relu=rectify).astype(dtype)
        _pass(normalize(x))
        _pass(normalize(x, x))
        normalize.eval()(x)
    _pass(nn.LayerNorm(16).astype(dtype)(x))


def activations(dtype: str) -> None:
    x = _ones(dtype, 64, 128)
    for function in (relu, sigmoid, gelu, erf, nn.Dropout()):
        _pass(function(x))
    _pass(cross_entropy(x, default().xp.zeros(64, dtype="int64")))


def sequences(dtype: str) -> None:
    heads, x = _ones(dtype, 4, 2, 64, 32), _ones(dtype, 16, 16, 32)
    _pass(scaled_dot_product_attention(heads, heads, heads))
    for layer in (nn.LSTM, nn.GRU):
        _pass(layer(32, 64).astype(dtype)(x)[0])


def updates(dtype: str) -> None:
    backend = default()
    decay: dict[str, Any] = {"lr": 0.0, "weight_decay": 0.0}
    more: dict[str, Any] = {"dampening": 0.0, "nesterov": False}
    p, g, mean, square = (backend.xp.ones(8192, dtype=dtype) for _ in range(4))
    backend.sgd(p, g, None, momentum=0.0, **more, **decay)
    backend.sgd(p, g, mean, momentum=0.5, **more, **decay)
    settings: dict[str, Any] = {
        "betas": (0.5, 0.5),
        "corrections": (1.0, 1.0),
        "decoupled_weight_decay": True,
    }
    backend.adam(p, g, mean, square, None, eps=1.0, **settings, **decay)
    backend.adagrad(p, g, square, eps=1.0, **decay)
    backend.rmsprop(p, g, square, None, None, eps=1.0, alpha=0.5, momentum=0.0, **decay)


PARTS = convolutions, normalizations, activations, sequences, updates
