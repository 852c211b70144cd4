"""The launches that the stand-ins count: those that CUDA is asked for, on both of them the same."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import cupy_on_cpu
import numpy as np
import pytest

from gradcore import TensorNode, optim
from gradcore.backends import problem, use_backend

# Expressions of a backend B, its namespace xp, and x (4, 6) of float32; and what they ask CUDA for:
# kernels, products, copies on the device, and zero-fills.
CALLS = {
    "x + 1": 1,
    "x.__iadd__(1)": 1,
    "xp.add(x, x, out=x)": 1,
    "x[:0, :] + 1": 0,
    "B.sigmoid(x)": 1,
    "kernel(B, 'sigmoid')(x, xp.empty_like(x))": 1,
    "kernel(B, 'exponentials')(x, xp.max(x, axis=1, keepdims=True), axis=1)": 2,
    "xp.sum(x, axis=0)": 1,
    "xp.mean(x, axis=0)": 1,
    "xp.var(x, axis=0)": 3,
    "xp.argmax(x, axis=1)": 1,
    "x @ x.T": 1,
    "xp.where(x > 0, x, 0.0)": 2,
    "xp.concat([x, x])": 2,
    "xp.zeros_like(x)": 1,
    "xp.empty_like(x)": 0,
    "xp.arange(5)": 1,
    "x.T[1:, ::2]": 0,
    "xp.reshape(x, (6, 4))": 0,
    "xp.reshape(x.T, (-1,))": 1,
    "xp.astype(x, xp.float16)": 1,
    "xp.astype(x, xp.float32, copy=False)": 0,
    "xp.take(x, xp.arange(2), axis=0)": 2,
    "x.__setitem__(slice(1, 3), 0)": 1,
    "B.asarray(np.ones((3, 2), 'float32'))": 0,
    "B.asarray(3.0, 'float32')": 1,
    "optim.SGD([with_gradient(x + 0), with_gradient(x + 1)], lr=0.1).step()": 5,
}


def with_gradient(x: Any) -> TensorNode:
    node = TensorNode(x)
    node.grad = x * 2
    return node


def kernel(B: Any, name: str) -> Any:
    """One of gradcore's kernels, of the stand-in that the backend B runs on."""
    if B.name == cupy_on_cpu.NAME:
        made = B.kernels
    else:
        made = import_module("gradcore.backends.cupy.kernels").KERNELS.values()
    return next(k for k in made if k.name == f"gradcore_{name}")


NAMES = {"kernel": kernel, "np": np, "optim": optim, "with_gradient": with_gradient}


def counter(name: str) -> Callable[[Callable[[], Any]], int]:
    """Give what counts the launches of a call on this backend; skip where nothing can."""
    if why := problem(name):
        pytest.skip(why)
    if name == cupy_on_cpu.NAME:

        def count(call: Callable[[], Any]) -> int:
            with cupy_on_cpu.device.counted() as counts:
                call()
            return counts.launches

        return count
    if not (cuda := getattr(sys.modules.get("gpu_on_cpu"), "CUDA", None)):
        pytest.skip("nothing counts the launches on a GPU")
    log = ctypes.CDLL(str(cuda)).gpu_on_cpu_log
    log.restype = ctypes.c_char_p

    def count_of_cuda(call: Callable[[], Any]) -> int:
        log(1)
        call()
        kinds = [line.split("\t")[0] for line in log(0).decode().splitlines()]
        return sum(kind in ("kernel", "library", "copy", "fill") for kind in kinds)

    return count_of_cuda


@pytest.mark.parametrize("name", [cupy_on_cpu.NAME, "cupy"])
def test_launches_are_counted_as_cuda_is_asked_for_them(name: str) -> None:
    count, found = counter(name), {}
    with use_backend(name) as B:
        for call in CALLS:
            x = B.asarray(np.arange(24.0).reshape(4, 6) - 10, "float32")
            run = partial(eval, call, {**NAMES, "B": B, "xp": B.xp, "x": x})
            run()  # makes what is made once
            found[call] = count(run)
    assert found == CALLS
