"""Functions of one number of float32, for the loops that numba compiles: C's would keep a loop from
taking many elements at a time. Importing this imports numba."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiling import compiled

__all__ = ["exp", "tanh"]


@compiled
def exp(x: Any) -> Any:
    """Compute exp(x) with a relative error of 2e-7.

    This is 2**n exp(r), where
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


@compiled
def tanh(x: Any) -> Any:
    """Compute tanh(x) with a relative error of 2e-7: from exp(2 x), but for |x| < 0.625 with the
    polynomial of Cephes' tanhf."""
    one, two, z = np.float32(1.0), np.float32(2.0), x * x
    far = one - two / (exp(two * abs(x)) + one)
    near = np.float32(-5.70498872745e-3) * z + np.float32(2.06390887954e-2)
    near = near * z + np.float32(-5.37397155531e-2)
    near = near * z + np.float32(1.33314422036e-1)
    near = near * z + np.float32(-3.33332819422e-1)
    near = near * z * x + x
    far = far if x > np.float32(0.0) else -far
    return near if abs(x) < np.float32(0.625) else far
