"""The array API namespace of the CuPy backend.

It is array_api_compat's, but for two functions: a `matmul` that can be captured in a CUDA graph,
and CuPy's own `sign`, for which the host does not wait.
"""

# ruff: noqa: F403
from array_api_compat.cupy import *
from array_api_compat.cupy import __array_api_version__, fft, linalg
from array_api_compat.cupy._info import __array_namespace_info__  # as type checkers find it
from cupy import sign

from .blas import matmul

__all__ = ["__array_api_version__", "__array_namespace_info__", "fft", "linalg", "matmul", "sign"]
