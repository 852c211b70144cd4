"""Compute attention by kernels that numba compiles: each head's by one thread."""

from __future__ import annotations

import numpy as np

from ..numpy.attention import Parts
from ..numpy.backend import NumpyBackend
from ..numpy.blocks import contiguous
from ..numpy.threads import shared
from .loading import kernels

__all__ = ["FastAttention"]

WORK = 1 << 12  # scores: compiled loops run, and numba is imported, for so many


class FastAttention(NumpyBackend):
    """Wrap NumPy, with compiled attention."""

    # For (32, 4, 64, 32), causal, 2.5 ms of one core in place of 3.3 ms, and the gradient 3.9 ms in
    # place of 5.7 ms; and a head is one thread's.
    def attention(
        self,
        q: np.ndarray,
        k: np.ndarray,
        v: np.ndarray,
        mask: np.ndarray | None = None,
        *,
        causal: bool,
        scale: float,
    ) -> np.ndarray:
        if not _is_fit(q, k, v, mask):
            return super().attention(q, k, v, mask, causal=causal, scale=scale)
        parts = Parts(mask, q, k, v)
        y = parts.empty(parts.L, v.shape[-1], q.dtype)
        _run("attention", parts, causal, scale, y)
        return parts.full(y)

    def attention_gradient(
        self,
        q: np.ndarray,
        k: np.ndarray,
        v: np.ndarray,
        go: np.ndarray,
        mask: np.ndarray | None = None,
        *,
        causal: bool,
        scale: float,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if not _is_fit(q, k, v, mask, go):
            return super().attention_gradient(q, k, v, go, mask, causal=causal, scale=scale)
        parts = Parts(mask, q, k, v, go)
        sizes = (parts.L, q.shape[-1]), (parts.S, q.shape[-1]), (parts.S, v.shape[-1])
        gradients = [parts.empty(*size, q.dtype) for size in sizes]
        _run("attention_gradient", parts, causal, scale, *gradients)
        gq, gk, gv = map(parts.full, gradients)
        return gq, gk, gv


def _is_fit(q: np.ndarray, k: np.ndarray, *others: np.ndarray | None) -> bool:
    """Say whether the compiled loops can take these arrays, and are worth a call."""
    if any(x is not None and x.dtype != np.float32 for x in (q, k, *others)):
        return False
    scores = q.size // max(q.shape[-1], 1) * k.shape[-2]
    return scores >= WORK and kernels() is not None


def _run(kernel: str, parts: Parts, causal: bool, scale: float, *results: np.ndarray) -> None:
    mask = np.empty((0, 0, 0, 0), np.float32) if parts.mask is None else parts.mask
    arrays = map(contiguous, parts.arrays)  # compiled loops are faster, and one fits all
    outs = [y.transpose(0, 2, 1, 3) for y in results]
    arguments = *arrays, mask, causal, float(scale), *outs
    work = parts.A * parts.H * parts.L * parts.S * parts.arrays[0].shape[-1]
    shared(work, getattr(kernels(), kernel), parts.A * parts.H, *arguments)
