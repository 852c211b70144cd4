"""Small helpers that programs import from `autograd.util`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from .test_util import check_grads
from .wrap_util import subval, subvals

__all__ = ["func", "quick_grad_check", "subval", "subvals"]

T = TypeVar("T")


def func(f: T) -> T:
    """Return f: in Python 2 this took the function out of a method."""
    return f


def quick_grad_check(
    f: Callable[..., Any], arg0: Any, extra_args: Any = (), kwargs: Any = None, **_: Any
) -> None:
    """Check the gradient of f with respect to its first argument; `check_grads` is its name now."""
    warnings.warn("quick_grad_check is called check_grads now", DeprecationWarning, stacklevel=2)
    check_grads(lambda x: f(x, *extra_args, **(kwargs or {})), modes=["rev"], order=1)(arg0)
