"""The array API namespace of the CuPy backend.

It is array_api_compat's, but for a `matmul` that can be captured in a CUDA graph, CuPy's own
`sign`, for which the host does not wait, and functions that leave images in their order in memory.
"""

# ruff: noqa: F403
from array_api_compat import cupy as _compat
from array_api_compat.cupy import *
from array_api_compat.cupy import __array_api_version__, fft, linalg
from array_api_compat.cupy._info import __array_namespace_info__  # as type checkers find it
from cupy import sign as _sign

from .blas import matmul
from .layouts import in_memory_order as _in_memory_order
from .layouts import joined_in_memory_order as _joined

__all__ = ["__array_api_version__", "__array_namespace_info__", "fft", "linalg", "matmul", "sign"]

sign = _in_memory_order(_sign)
concat = _joined(vars(_compat)["concat"])
for _name in """
    abs acos acosh add asin asinh astype atan atan2 atanh bitwise_and bitwise_invert
    bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor ceil conj copysign cos cosh divide
    equal exp expm1 floor floor_divide greater greater_equal hypot isfinite isinf isnan less
    less_equal log log1p log2 log10 logaddexp logical_and logical_not logical_or logical_xor maximum
    minimum multiply negative nextafter not_equal positive pow reciprocal remainder round signbit
    sin sinh sqrt square subtract tan tanh trunc where
""".split():  # noqa: SIM905
    globals()[_name] = _in_memory_order(getattr(_compat, _name))
