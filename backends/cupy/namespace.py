"""The array API namespace of the CuPy backend: array_api_compat's, with a product of matrices that
can be captured in a CUDA graph, and CuPy's own sign, for which the host does not wait."""

# ruff: noqa: F403
from array_api_compat.cupy import *
from array_api_compat.cupy import __array_api_version__, fft, linalg
from array_api_compat.cupy._info import __array_namespace_info__
from cupy import sign

from .blas import matmul

__all__ = ["__array_api_version__", "__array_namespace_info__", "fft", "linalg", "matmul", "sign"]
