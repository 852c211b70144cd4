"""Run kernels on parts of their arrays, so that what they compute on the way stays in the cache,
and threads can share them. Results do not depend on the number of threads.

Times are of float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from types import EllipsisType
from typing import Any

import numpy as np

from ..base import Backend
from .memory import empty_like, largest_first
from .threads import MANY, in_parts, share

__all__ = [
    "BLOCK",
    "SOME",
    "blocks",
    "by_channels",
    "by_elements",
    "contiguous",
    "each",
    "flat",
    "for_each",
    "in_blocks",
    "is_solid",
    "writeable",
]

BLOCK = 1 << 17  # elements: half a megabyte of float32
SOME = 1 << 16  # elements, of which a kernel keeps dozens of intermediate results


def in_blocks(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Make an optimizer's update work block by block, and write into the arrays it was given, but
    for those of another shape than the parameter: such numbers count for all of its elements.

    No intermediate result then needs memory of the parameter's size. For 2.5 million parameters,
    Adam takes 11 ms in training in place of 28 ms (two cores of an AMD EPYC; in a loop of nothing
    but updates 6.3 ms in place of 7.9 ms).
    """

    @wraps(kernel)
    def update(
        self: Backend, parameter: np.ndarray, gradient: np.ndarray, *memory: Any, **settings: Any
    ) -> tuple[Any, ...]:
        if parameter.itemsize < 4:  # the definition computes in float32, by this again
            return kernel(self, parameter, gradient, *memory, **settings)
        shape = parameter.shape
        results = [writeable(x) for x in (parameter, *memory)]
        numbers: dict[int, Any] = {}
        for block in blocks(parameter):
            parts: Any = memory
            if block is not ...:
                parts = [x if x is None or x.shape != shape else x[block] for x in memory]
            new = kernel(self, parameter[block], gradient[block], *parts, **settings)
            for i, x in enumerate(new):
                if x is not None:
                    if results[i] is None:
                        results[i] = np.empty_like(parameter)
                    if results[i].shape == shape:
                        results[i][block] = x
                    else:
                        numbers[i] = np.asarray(x)
        return tuple([numbers.get(i, x) for i, x in enumerate(results)])

    return update


def blocks(x: np.ndarray) -> list[EllipsisType | slice]:
    """List the indices of parts of x, along its first axis, of about BLOCK elements."""
    if x.size <= BLOCK:
        return [...]
    rows = max(1, BLOCK * len(x) // x.size)
    return [slice(i, i + rows) for i in range(0, len(x), rows)]


def for_each(compute: Callable[[Any], Any], parts: Sequence[Any], elements: int) -> list[Any]:
    """List the results of a function for each part, in their order; threads share the parts if
    there are many elements in all. In parts of fewer than 2**16 elements, threads would wait for
    Python's lock, and two take longer than one."""
    results: list[Any] = [None] * len(parts)

    def some(first: int, last: int) -> None:
        for i in range(first, last):
            results[i] = compute(parts[i])

    share(some, len(parts), alone=elements < MANY)
    return results


def by_channels(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Make a kernel of batch norm work on some channels at a time.

    For (64, 64, 32, 32), it takes 10 ms in place of 18 ms, and the gradient 14 ms in place of 27 ms
    (one core of an Intel Xeon).
    """

    @wraps(kernel)
    def compute(self: Backend, *arrays: np.ndarray | None, **options: Any) -> Any:
        x: Any = arrays[0]
        size = x.shape[1] * BLOCK // max(x.size, 1)
        if size >= x.shape[1] or abs(x.strides[1]) < 64:  # bytes: a line of the cache
            return kernel(self, *arrays, **options)

        def like(y: np.ndarray) -> np.ndarray:
            return np.empty_like(x, y.dtype) if y.ndim > 1 else np.empty(x.shape[1], y.dtype)

        results: list[Any] = []
        for i in range(0, x.shape[1], max(size, 1)):
            part = slice(i, i + max(size, 1))
            some = [a if a is None or not a.ndim else a[_of_channels(a, part)] for a in arrays]
            new = kernel(self, *some, **options)
            each = new if isinstance(new, tuple) else (new,)
            if not results:
                results = [y if y is None or not y.ndim else like(y) for y in each]
            for y, whole in zip(each, results, strict=True):
                if y is not None and y.ndim:
                    whole[_of_channels(y, part)] = y
        return tuple(results) if isinstance(new, tuple) else results[0]

    return compute


def _of_channels(x: np.ndarray, part: slice) -> tuple[slice, ...]:
    """Give the index of some channels: of x (N, C, ...), or of one number for each, (C,)."""
    return (slice(None), part) if x.ndim > 1 else (part,)


def by_elements(kernel: Callable[..., Any], size: int = SOME) -> Callable[..., Any]:
    """Make a kernel that computes each element by itself work on `size` elements at a time.

    The incomplete functions keep 35 to 47 arrays otherwise, of a million float64 numbers 0.3 GB.
    """

    @wraps(kernel)
    def compute(self: Backend, *inputs: Any) -> np.ndarray:
        shape = np.broadcast_shapes(*[x.shape for x in inputs if type(x) is not int])
        if math.prod(shape) <= size:
            return kernel(self, *inputs)
        flat = [
            x if type(x) is int or x.size == 1 else np.broadcast_to(x, shape).reshape(-1)
            for x in inputs
        ]
        dtype = np.result_type(*[x.dtype for x in flat if type(x) is not int])
        y = np.empty(math.prod(shape), dtype)

        def write(part: slice) -> None:
            some = [x if type(x) is int or x.size == 1 else x[part] for x in flat]
            y[part] = kernel(self, *some).reshape(-1)

        for_each(write, [slice(i, i + size) for i in range(0, y.size, size)], y.size)
        return y.reshape(shape)

    return compute


def each(loop: Callable[..., None], *arrays: np.ndarray, many: int = MANY) -> np.ndarray | None:
    """Run a loop over the elements of arrays of one shape, into a new array like the first; `None`
    if the arrays are not in one order in memory.

    Args:
        many: several threads share a loop over so many elements.
    """
    y = empty_like(arrays[0])
    views = flat(*arrays, y)
    if views is None:
        return None
    in_parts(loop, *views, size=y.size, many=many)
    return y


def flat(*arrays: np.ndarray) -> list[np.ndarray] | None:
    """Give views (size,) of all arrays with their elements in one order, that of the memory;
    `None` if the arrays are in different orders."""
    if not arrays[0].flags.c_contiguous:
        axes = largest_first(arrays[0].strides)
        arrays = tuple([x.transpose(axes) for x in arrays])
    return [x.reshape(-1) for x in arrays] if is_solid(*arrays) else None


def is_solid(*arrays: np.ndarray) -> bool:
    """Say whether all arrays are contiguous."""
    return all(x.flags.c_contiguous for x in arrays)


def contiguous(x: np.ndarray) -> np.ndarray:
    """Give x, or if its elements are not next to each other a copy; threads share a large copy."""
    if x.flags.c_contiguous:
        return x
    y = np.empty(x.shape, x.dtype)
    for_each(lambda part: np.copyto(y[part], x[part]), blocks(y), y.size)
    return y


def writeable(x: Any) -> Any:
    """Give x, or if x is read-only a copy; `None` passes through."""
    return x if x is None or x.flags.writeable else np.array(x)
