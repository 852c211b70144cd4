"""The text of modules named `cupy`, for processes that have one on their path."""

from __future__ import annotations

# CuPy's ways with devices, on NumPy: new arrays, and all results, are on the current device.
FAKE_CUPY = """
import os
import sys
import types

import numpy
from numpy import *
from numpy import abs, fft, linalg, max, min, round

__version__ = "14.0.0"
__all__ = sorted({*numpy.__all__, "cuda", "ndarray"} - {"fft", "linalg"})
current = 0


class CUDARuntimeError(RuntimeError):
    pass


class Device:
    __hash__ = None

    def __init__(self, device=None):
        self.id = current if device is None else int(device)

    def __int__(self):
        return self.id

    def __eq__(self, other):
        return self.id == other.id

    def __repr__(self):
        return f"<CUDA Device {self.id}>"

    def use(self):
        global current
        current = self.id
        return self

    def __enter__(self):
        self.before = Device()
        return self.use()

    def __exit__(self, *error):
        self.before.use()


class ndarray(numpy.ndarray):
    device = property(lambda self: self._device)

    def __array_finalize__(self, like):
        view = self.base is not None and isinstance(like, ndarray)
        self._device = like._device if view else Device()

    def __array__(self, *arguments, **options):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def get(self):
        if self.device.id != current:
            raise RuntimeError("this runs in another device's stream")
        return self.view(numpy.ndarray).copy()


def asarray(x, dtype=None, order="K"):
    if isinstance(x, ndarray):
        if x.device.id == current:
            x = x if dtype in (None, x.dtype) else x.astype(dtype)
            return x if order == "K" or x.flags.c_contiguous else x.copy()
        if order == "K" and not x.flags.forc:
            raise NotImplementedError("CuPy cannot copy non-contiguous array between devices.")
        x = x.view(numpy.ndarray)
    return numpy.array(x, dtype=dtype, order=order).view(ndarray)


def count():
    if "FAKE_ERROR" in os.environ:
        raise CUDARuntimeError(os.environ["FAKE_ERROR"])
    return int(os.environ.get("FAKE_COUNT", 2))


def ElementwiseKernel(*arguments, **options):
    pass


ReductionKernel = ElementwiseKernel


def nvrtc_version():
    if "FAKE_INCOMPLETE" in os.environ:
        raise RuntimeError("libnvrtc.so.12 not found")
    return 12, 9


runtime = types.SimpleNamespace(
    CUDARuntimeError=CUDARuntimeError,
    getDeviceCount=count,
    getDeviceProperties=lambda number: {"name": f"GPU {number}".encode()},
    runtimeGetVersion=lambda: int(os.environ.get("FAKE_RUNTIME", 12090)),
    driverGetVersion=lambda: int(os.environ.get("FAKE_DRIVER", 13000)),
)
nvrtc = types.SimpleNamespace(getVersion=nvrtc_version)
cuda = types.SimpleNamespace(Device=Device, runtime=runtime, nvrtc=nvrtc)
sys.modules.update({"cupy.cuda": cuda, "cupy.cuda.device": cuda})
sys.modules.update({"cupy.linalg": linalg, "cupy.fft": fft})
# An attribute, not a module that can be imported: where pip put the library, only this finds it.
sys.modules["cupy_backends.cuda.libs"] = types.SimpleNamespace(cublas=cuda)
"""
MISSING = "raise ModuleNotFoundError(\"No module named 'cupy'\", name='cupy')"
