"""Sizes along the axes of images: kernels, strides, paddings and dilations as users give them."""

from __future__ import annotations

from typing import Any

from ..engine.arrays import is_integer

__all__ = ["Size", "cached", "is_named", "sizes"]

Size = int | tuple[int, ...]  # one for all axes, or one for each: rows, then columns


def sizes(name: str, axes: int | None, least: int = 1, **arguments: Any) -> tuple[int, ...]:
    """Make a tuple of one argument: sizes("conv2d", 2, stride=3) gives (3, 3).

    Sizes may be integers of NumPy's; the results are Python's. A boolean is no size.

    Args:
        name: the function that errors name.
        axes: how many sizes there are; `None`: one or more.
        least: the least size that is right.

    Raises:
        ValueError: the argument is not one integer or a list or tuple of `axes` integers, or one of
            them is less than `least`.
    """
    ((argument, size),) = arguments.items()
    sizes = tuple(size) if isinstance(size, list | tuple) else (size,) * (axes or 1)
    if len(sizes) != (axes or max(len(sizes), 1)) or any(
        not is_integer(n) or n < least for n in sizes
    ):
        what = "a positive integer" if least else "0 or a positive integer"
        counts = {None: ", or several", 1: "", 2: ", or a pair"}
        several = counts.get(axes, f", or {axes} of them")
        raise ValueError(f"{name}: {argument} = {size!r}, expected {what}{several}")
    return tuple(map(int, sizes))


def is_named(padding: Any) -> bool:
    """Whether a padding is "same" or "valid"."""
    return isinstance(padding, str) and padding in ("same", "valid")


def cached(function: Any, *arguments: Any) -> Any:
    """Call a function made by `lru_cache`, with lists among the arguments as tuples.

    An argument that can't be hashed can't be cached. Then the function itself runs, and says in its
    error what it expects.
    """
    try:
        return function(*arguments)
    except TypeError:  # a list can't be hashed
        arguments = tuple([tuple(x) if isinstance(x, list) else x for x in arguments])
    try:
        return function(*arguments)
    except TypeError:
        return function.__wrapped__(*arguments)
