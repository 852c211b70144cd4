"""autograd.scipy.special's names: those of gradcore.special, for numbers too. What is not there is
SciPy's own, on the host, without a gradient."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ... import numpy as np
from ...array_api import special as _ours
from ...backends import BACKEND_OF_TYPE
from ...engine.arrays import is_node, value_of
from ...ops import LogSumExp
from ..extend import defvjp
from ..leaves import left
from .host import scipy_function

__all__ = ["logsumexp"]


def logsumexp(x: Any, axis: Any = None, b: Any = None, keepdims: bool = False) -> Any:
    """Compute log(sum(b * exp(x))), of all or along `axis`.

    Example:
        >>> print(logsumexp(np.array([1000.0, 1000.0])).round(3))
        1000.693
        >>> print(gradcore.grad(logsumexp)(np.array([0.0, 0.0])))
        [0.5 0.5]
    """
    x = np.asarray(x)
    log_sum = LogSumExp.apply(x, axis=axis, keepdims=keepdims)
    if b is None:
        return left(log_sum)
    parts = np.exp(x - LogSumExp.apply(x, axis=axis, keepdims=True))
    return log_sum + np.log(np.sum(b * parts, axis=axis, keepdims=keepdims))


Function = Callable[..., Any]
_OURS = frozenset(vars(_ours)["__all__"])  # type checkers know no list of them


def _of_any_order(name: str, sign: float, factor: Function) -> Function:
    """Make a Bessel function of real orders, by SciPy. Its derivative is the mean of those of the
    orders before and after (https://dlmf.nist.gov/10.6, https://dlmf.nist.gov/10.29)."""
    by_scipy = scipy_function("special", name)

    def gradient(ans: Any, n: Any, x: Any) -> Function:
        mean = (by_scipy(n - 1, x) + sign * by_scipy(n + 1, x)) / 2.0
        return lambda g: g * (mean - factor(ans, x))

    defvjp(by_scipy, None, gradient)

    def bessel(n: Any, x: Any) -> Any:
        whole = isinstance(n, int | float) and n == round(n)
        return _of_numbers_too(name)(int(n), x) if whole else by_scipy(n, x)

    return bessel


_REAL_ORDERS: dict[str, tuple[float, Function]] = {
    "jv": (-1.0, lambda y, x: 0.0),
    "yv": (-1.0, lambda y, x: 0.0),
    "iv": (1.0, lambda y, x: 0.0),
    "ive": (1.0, lambda y, x: y * np.sign(x)),
}


def _is_array(x: Any) -> bool:
    return is_node(x) or type(x) in BACKEND_OF_TYPE


def _of_numbers_too(name: str) -> Function:
    function = getattr(_ours, name)

    @functools.wraps(function)
    def of_numbers_too(*xs: Any, **options: Any) -> Any:
        if not any(map(_is_array, xs)):
            xs = tuple([np.asarray(x) for x in xs])
        y = function(*[np.asarray(x) if hasattr(x, "dtype") else x for x in xs], **options)
        return y if any(map(is_node, xs)) else left(value_of(y))

    return of_numbers_too


@functools.cache
def _made(name: str) -> Any:
    if name in _REAL_ORDERS:
        return _of_any_order(name, *_REAL_ORDERS[name])
    if name in _OURS:
        return _of_numbers_too(name)
    return scipy_function("special", name)


def __getattr__(name: str) -> Any:  # no cache here: type checkers look for a plain function
    return _made(name)
