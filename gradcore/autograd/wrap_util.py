"""Make functions of a function and one argument into functions of a function and `argnum`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["get_name", "subval", "subvals", "unary_to_nary"]


def get_name(f: Any) -> str:
    return str(getattr(f, "__name__", "[unknown name]"))


def unary_to_nary(operator: Callable[..., Any]) -> Callable[..., Any]:
    """Make of `operator(f, x, ...)` an operator of autograd's signature: `op(f, argnum, ...)` is a
    function of the arguments of f. For several `argnum`, in a tuple or list, x is the tuple of
    these arguments."""

    @functools.wraps(operator)
    def nary(f: Callable[..., Any], argnum: Any = 0, *settings: Any, **options: Any) -> Any:
        several = isinstance(argnum, tuple | list)
        if not (several or isinstance(argnum, int)):
            raise TypeError(f"{get_name(operator)}: argnum is {argnum!r}, expected an integer or "
                            "several in a tuple")  # fmt: skip

        def of_f(*args: Any, **constants: Any) -> Any:
            @functools.wraps(f, updated=())
            def unary(x: Any) -> Any:
                chosen = zip(argnum, x, strict=True) if several else [(argnum, x)]
                return f(*subvals(args, chosen), **constants)

            x = tuple([args[i] for i in argnum]) if several else args[argnum]
            return operator(unary, x, *settings, **options)

        of_f.__name__ = f"{get_name(operator)}_of_{get_name(f)}_wrt_argnum_{argnum}"
        of_f.__doc__ = (
            f"    {get_name(operator)} of function {get_name(f)} with respect to argument number "
            f"{argnum}: takes the arguments of {get_name(f)}.\n{getattr(f, '__doc__', '') or ''}"
        )
        return of_f

    return nary


def subvals(xs: Iterable[Any], pairs: Iterable[tuple[int, Any]]) -> tuple[Any, ...]:
    """Make a tuple of the xs, with other entries at some positions: pairs (position, entry)."""
    entries = list(xs)
    for i, x in pairs:
        entries[i] = x
    return tuple(entries)


def subval(xs: Iterable[Any], i: int, x: Any) -> tuple[Any, ...]:
    """Make a tuple of the xs, with x at position i."""
    return subvals(xs, [(i, x)])
