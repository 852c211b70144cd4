"""CuPy's backend: its devices, its memory, arrays moved in and out, and why it can't run."""

from __future__ import annotations

import contextlib
from typing import Any

import cupy_on_cpu
import numpy as np
import pytest
from fake_cupy import FAKE_CUPY

import gradcore
from gradcore import TensorNode
from gradcore.backends import backend_of, get, problem


def test_cupy_makes_its_device_the_current_one(python: Any) -> None:
    code = """
    import cupy, numpy
    from gradcore import TensorNode
    from gradcore.backends import use_backend

    with use_backend("cupy", device=1) as backend:
        x = TensorNode([[1.0, 2.0], [3.0, 4.0]])
        y = x * x
        assert x.value.device.id == y.value.device.id == cupy.current == 1
        assert type(y.value) is cupy.ndarray and y.dtype == numpy.float32
        with use_backend("numpy"), use_backend("cupy", 0):
            assert cupy.current == 0
        assert cupy.current == 1
        assert backend.describe_device() == "GPU 1"
        assert backend.describe_library() == "cupy 14.0.0 for CUDA 12.9"
    assert cupy.current == 0
    use_backend("cupy", cupy.cuda.Device(1))
    assert cupy.current == 1 and use_backend("cupy").backend.describe_device() == "GPU 1"
    """
    python.printed(code, FAKE_CUPY)


def test_cupy_moves_arrays(python: Any) -> None:
    code = """
    import cupy, numpy
    from gradcore.backends import backend_of, get

    x = numpy.arange(6.0).reshape(2, 3)
    zero, one = get("cupy", 0), get("cupy", "1")
    there = one.asarray(x.astype(">f8"), "float32")
    assert there.device.id == 1 and there.dtype == numpy.float32 and cupy.current == 0
    turned = there.T[1:]
    assert one.asarray(there) is there and one.asarray(turned) is turned
    assert turned.device.id == 1 and not turned.flags.forc
    here = zero.asarray(turned)
    assert here.device.id == 0 and type(here) is cupy.ndarray and cupy.current == 0
    for array in (turned, here):
        back = backend_of(array).to_numpy(array)
        assert type(back) is numpy.ndarray
        numpy.testing.assert_array_equal(back, x.T[1:])
        numpy.testing.assert_array_equal(get("numpy").asarray(array), x.T[1:])
    assert get("cupy").asarray([1.0]).device.id == 0
    assert one.asarray([1, 2], dtype="float64").dtype == numpy.float64
    windows = one.asarray(x).copy()
    assert one.owns_memory(windows) and not one.owns_memory(windows[1:])
    for device in (2, -1, "gpu", cupy.cuda.Device(7)):
        try:
            get("cupy", device)
        except ValueError as error:
            assert str(error) == f"cupy: no device {device!r}; this machine has 0 to 1"
        else:
            raise AssertionError(device)
    """
    python.printed(code, FAKE_CUPY)


def test_cupy_says_why_it_cannot_run_and_what_to_do(python: Any) -> None:
    cases = {
        "None": {},
        "no NVIDIA driver answers": {"FAKE_ERROR": "35", "FAKE_DRIVER": "0"},
        "this CuPy is for CUDA 12, but the NVIDIA driver knows nothing newer than CUDA 11: "
        "update the driver to 525 or newer": {"FAKE_ERROR": "35", "FAKE_DRIVER": "11080"},
        "update the driver to 580 or newer, or change to a CuPy for CUDA 12: "
        "pip uninstall cupy-cuda13x, then pip install 'cupy-cuda12x[ctk]'": {
            "FAKE_ERROR": "35",
            "FAKE_DRIVER": "12080",
            "FAKE_RUNTIME": "13000",
        },
        "it gives no GPU, with CUDA_VISIBLE_DEVICES='-1' (CUDA says cudaErrorNoDevice)": {
            "FAKE_ERROR": "cudaErrorNoDevice",
            "CUDA_VISIBLE_DEVICES": "-1",
        },
        "there is an NVIDIA driver, but it gives no GPU": {"FAKE_COUNT": "0"},
        "(libnvrtc.so.12 not found); pip install 'cupy-cuda12x[ctk]'": {"FAKE_INCOMPLETE": "1"},
    }
    code = f"""
    import os
    from gradcore.backends import problem
    for variables in {list(cases.values())}:
        os.environ.update(variables)
        print(problem("cupy"))
        for variable in variables:
            del os.environ[variable]
    """
    told = python.printed(code, FAKE_CUPY).splitlines()
    assert len(told) == len(cases), "one line each"
    for line, expected in zip(told, cases, strict=True):
        assert expected in line


@pytest.mark.skipif(problem("cupy") is not None, reason="no CuPy that runs")
def test_cupy_itself() -> None:
    from cupy.lib import stride_tricks

    backend = get("cupy")
    assert backend.describe_device()
    for x in (np.float32(1.5), np.ones((0, 2)), np.arange(6.0).reshape(2, 3)[::-1, ::-2]):
        there = backend.asarray(x)
        assert backend_of(there) is backend
        np.testing.assert_array_equal(backend.to_numpy(there), x, strict=True)
        np.testing.assert_array_equal(get("numpy").asarray(there), x)
        assert backend.asarray(there) is there
    x = backend.asarray(np.ones((4, 4)))
    assert backend.owns_memory(x)
    assert not backend.owns_memory(x[1:])
    windows = stride_tricks.as_strided(x, (2, 3, 4), (32, 32, 8))
    assert not backend.owns_memory(windows), "it has no base"
    transposed = backend.asarray(np.ones((2, 3))).T
    assert backend.owns_memory(transposed)
    held = transposed.base
    assert not backend.owns_memory(transposed)
    del held
    with pytest.raises(ValueError, match="cupy: no device 1000"):
        get("cupy", 1000)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    """CuPy's backend, with 8 GB of which 6 are free, 1 in its pool and another 0.5 free there."""
    from types import SimpleNamespace

    backend = cupy_on_cpu.module("backend")
    limits = [0]
    pool = SimpleNamespace(
        used_bytes=lambda: 10**9,
        free_bytes=lambda: 5 * 10**8,
        get_limit=lambda: limits[-1],
        set_limit=lambda size: limits.append(size),
    )
    fake = SimpleNamespace(
        cuda=SimpleNamespace(Device=contextlib.nullcontext), get_default_memory_pool=lambda: pool
    )
    memory = SimpleNamespace(memGetInfo=lambda: (6 * 10**9, 8 * 10**9))
    monkeypatch.setattr(backend, "cupy", fake)
    monkeypatch.setattr(backend, "runtime", memory)
    gpu = backend.CupyBackend()
    monkeypatch.setattr(gpu, "asarray", lambda x, dtype=None: ("there", x, dtype))
    return gpu


def test_memory_of_a_gpu(gpu: Any) -> None:
    said = "1.00 GB in arrays and 0.50 GB kept for new ones; 6.00 GB of the GPU's 8.00 GB free"
    assert gpu.describe_memory() == said
    gpu.limit_memory(4 * 10**9)
    assert gpu.describe_memory() == f"{said}; limit 4.00 GB"


def test_a_set_of_data_goes_to_the_gpu_where_it_fits(gpu: Any) -> None:
    small = np.ones(10, np.uint8)
    assert gpu.store(small)[0] == "there"
    large = np.broadcast_to(np.uint8(0), (4 * 10**9,))
    assert gpu.store(large) is large


def test_text_reads_nothing_while_a_graph_is_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = get("cupy-like")
    if why := cupy_on_cpu.problem():
        pytest.skip(why)
    x = TensorNode(backend.asarray(np.ones(3)))
    assert repr(x) == f"TensorNode([1., 1., 1.], float64 (3,), cupy-like on {x.device})"
    monkeypatch.setattr(cupy_on_cpu.device, "is_capturing", True)
    with cupy_on_cpu.device.no_reads():
        assert repr(x) == f"TensorNode(..., float64 (3,), cupy-like on {x.device})"


def test_tf32_is_off_unless_asked_for() -> None:
    pytest.importorskip("cupy")
    from cupy._core import _routines_linalg as settings

    from gradcore.backends.cupy import CupyBackend

    backend = CupyBackend()
    before = settings.get_compute_type(np.float32)
    backend.allow_tf32(False)
    assert settings.get_compute_type(np.float32) == settings.COMPUTE_TYPE_DEFAULT == before


def test_a_weight_gradient_on_the_device_is_the_product_itself() -> None:
    """It lies as the weights do, and no copy is made of it: of MNIST's network 10 MB a step."""
    if why := problem("cupy-like"):
        pytest.skip(why)
    with gradcore.use_backend("cupy-like") as backend:
        layer = gradcore.nn.Linear(5, 3)
        (layer(backend.asarray(np.ones((4, 5), "float32"))) ** 2).sum().backward()
        gradient = layer.w.grad
        assert gradient.base is None
        assert gradient.flags.c_contiguous
        assert layer.w.value.flags.c_contiguous
        assert backend.owns_memory(gradient)
        view = gradient.T  # another holder of the memory
        assert not backend.owns_memory(view)
        del view
