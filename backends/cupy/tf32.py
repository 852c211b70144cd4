"""Which products of float32 may be computed in TF32: two switches, with PyTorch's defaults.

In TF32, tensor cores round the numbers that they multiply to 11 bits, and add up in float32. GPUs
of compute capability 8.0 and more have it.
"""

from __future__ import annotations

from . import private

__all__ = ["allow", "in_convolutions", "in_matmul"]

_convolutions = True


def in_matmul() -> bool:
    """Whether products of matrices may be in TF32: at first they may not, unless CUPY_TF32=1. So
    neither may convolutions that are computed as such products."""
    return private.is_tf32()


def in_convolutions() -> bool:
    """Whether cuDNN may compute convolutions in TF32: at first it may."""
    return _convolutions


def allow(matmul: bool | None, convolutions: bool | None) -> None:
    """Turn the switches; `None` leaves one as it is."""
    global _convolutions
    if matmul is not None:
        private.allow_tf32(matmul)
    if convolutions is not None:
        _convolutions = convolutions
