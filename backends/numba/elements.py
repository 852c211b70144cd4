"""Functions of one number of float32, compiled by numba, that several loops call."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiling import compiled

__all__ = ["exp"]


@compiled
def exp(x: Any) -> Any:
    """Compute exp(x) with a relative error of 2e-7.

    With C's function a loop could not take many elements at a time. This is 2**n exp(r), where
    |r| <= log(2) / 2, with the polynomial of Cephes' expf (https://www.netlib.org/cephes/). 2**n is
    multiplied in two parts, so that the result can overflow to infinity or vanish to 0.
    """
    x = x if not x > np.float32(89.0) else np.float32(89.0)
    x = x if not x < np.float32(-104.0) else np.float32(-104.0)
    n = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    r = x - n * np.float32(0.693359375) + n * np.float32(2.12194440e-4)
    y = np.float32(1.9875691500e-4) * r + np.float32(1.3981999507e-3)
    y = y * r + np.float32(8.3334519073e-3)
    y = y * r + np.float32(4.1665795894e-2)
    y = y * r + np.float32(1.6666665459e-1)
    y = y * r + np.float32(5.0000001201e-1)
    y = y * r * r + r + np.float32(1.0)
    half = np.int32(n) >> np.int32(1)
    rest = np.int32(n) - half
    first = np.int32((half + np.int32(127)) << np.int32(23)).view(np.float32)
    return y * first * np.int32((rest + np.int32(127)) << np.int32(23)).view(np.float32)
