"""autograd.scipy.signal: convolution along some axes, and products along others."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from string import ascii_letters
from typing import Any

from ... import numpy as np
from ...ops import PutItem

__all__ = ["convolve"]


def convolve(
    A: Any,
    B: Any,
    axes: Any = None,
    dot_axes: Sequence[Sequence[int]] = ((), ()),
    mode: str = "full",
) -> Any:
    """Convolve A and B along pairs of axes, and sum their products along others.

    Args:
        axes: a pair of lists, the axes of A and those of B to convolve along; `None`: all.
        dot_axes: a pair of lists, the axes of A and those of B to sum products along.
        mode: "full"; "same", as large as A; or "valid", where the smaller of the two lies inside
            the larger.

    Returns:
        An array of the other axes of A, the other axes of B, and the axes convolved along.

    Raises:
        ValueError: the mode is another; or it is "valid", and neither of the two fits into the
            other.

    Example:
        >>> print(convolve(np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.5])))
        [1.  2.5 4.  1.5]
    """
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"convolve: mode is {mode!r}, expected 'full', 'same' or 'valid'")
    A, B = np.asarray(A), np.asarray(B)
    axes = [range(A.ndim), range(B.ndim)] if axes is None else axes
    letters = iter(ascii_letters)
    dots = [next(letters) for _ in dot_axes[0]]
    outs, shifts = ([next(letters) for _ in axes[0]] for _ in range(2))
    (A, others_a), (B, others_b) = (
        _sorted(x, [*x_dots], [*along], letters)
        for x, x_dots, along in zip((A, B), dot_axes, axes, strict=True)
    )
    terms = [*dots, *others_a], [*dots, *others_b]
    n = len(outs)
    a, b = A.shape[A.ndim - n :], B.shape[B.ndim - n :]
    if mode != "same" and prod(b) > prod(a):  # these two modes are symmetric
        A, B, a, b, terms = B, A, b, a, terms[::-1]
    if mode == "valid" and any(size < k for size, k in zip(a, b, strict=True)):
        raise ValueError(f"convolve: neither of the sizes {a} and {b} fits into the other")
    if mode != "valid":
        starts = [k - 1 if mode == "full" else k // 2 for k in b]
        key = (..., *[slice(start, start + size) for start, size in zip(starts, a, strict=True)])
        ends = [size + (k - 1) * (1 + (mode == "full")) for size, k in zip(a, b, strict=True)]
        A = PutItem.apply(A, key=key, shape=(*A.shape[: A.ndim - n], *ends))
    for i, k in reversed([*enumerate(b)]):  # windows of k elements, in two axes in place of one
        axis = A.ndim - 2 * (n - 1 - i) - 1
        starts = np.arange(A.shape[axis] - k + 1)
        A = np.take(A, starts[:, None] + np.arange(k), axis=axis)
    B = np.flip(B, tuple(range(B.ndim - n, B.ndim)))
    pairs = [letter for pair in zip(outs, shifts, strict=True) for letter in pair]
    windows, kernel = "".join([*terms[0], *pairs]), "".join([*terms[1], *shifts])
    return np.einsum(f"{windows},{kernel}->{''.join([*others_a, *others_b, *outs])}", A, B)


def _sorted(x: Any, dots: list[int], along: list[int], letters: Any) -> tuple[Any, list[str]]:
    """Move the axes to sum along to the front, and those to convolve along to the end; give a
    letter for each of the others."""
    others = [i for i in range(x.ndim) if i not in {*dots, *along}]
    return np.transpose(x, (*dots, *others, *along)), [next(letters) for _ in others]
