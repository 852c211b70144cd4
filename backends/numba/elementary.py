"""Functions of one number of float32, for the loops that numba compiles: C's would keep a loop from
taking many elements at a time. Importing this imports numba."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiling import compiled

__all__ = ["exp", "tanh"]

ABOVE = tuple(
    map(
        np.float32,
        (
            *(-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11),
            *(5.12229709037114e-08, 1.48572235717979e-05, 6.37261928875436e-04),
            4.89352455891786e-03,
        ),
    )
)
BELOW = tuple(
    map(
        np.float32,
        (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03),
    )
)


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
    """Compute tanh(x) with a relative error of 3e-7, as a quotient of polynomials: those of Eigen
    (https://gitlab.com/libeigen/eigen, MathFunctionsImpl.h)."""
    far = np.float32(7.90531110763549805)  # from here on it is 1
    x = x if not x > far else far
    x = x if not x < -far else -far
    z, above, below = x * x, np.float32(0.0), np.float32(0.0)
    for c in ABOVE:
        above = above * z + c
    for c in BELOW:
        below = below * z + c
    return x * above / below
