"""autograd.scipy.special's names: those of gradcore.special. The Bessel functions of any order, and
what has no gradient, are SciPy's own, on the host."""

from __future__ import annotations

from collections.abc import Callable
from math import log, pi
from typing import Any

from ... import numpy as np
from ...array_api import special as _ours
from ...ops import LogSumExp
from ..extend import defvjp
from .host import scipy_function

__all__ = ["logsumexp", "multigammaln"]

Function = Callable[..., Any]


def logsumexp(x: Any, axis: Any = None, b: Any = None, keepdims: bool = False) -> Any:
    """Compute log(sum(b * exp(x))), of all or along `axis`."""
    x = np.asarray(x)
    if b is None:
        return LogSumExp.apply(x, axis=axis, keepdims=keepdims)
    log_sum = LogSumExp.apply(x, axis=axis, keepdims=True)
    weight = np.log(np.sum(b * np.exp(x - log_sum), axis=axis, keepdims=keepdims))
    return weight + (log_sum if keepdims else np.reshape(log_sum, np.shape(weight)))


def multigammaln(a: Any, d: int) -> Any:
    """Compute the logarithm of the gamma function of d dimensions."""
    terms = _ours.gammaln(np.expand_dims(np.asarray(a), -1) - np.arange(d) / 2.0)
    return np.sum(terms, -1) + d * (d - 1) / 4.0 * log(pi)


def _difference(name: str, sign: float) -> Function:
    """The derivative of a Bessel function by those of the orders before and after."""

    def gradient(ans: Any, n: Any, x: Any) -> Function:
        f = __getattr__(name)
        return lambda g: g * (f(n - 1, x) + sign * f(n + 1, x)) / 2.0

    return gradient


def _ive_gradient(ans: Any, n: Any, x: Any) -> Function:
    f = __getattr__("ive")
    return lambda g: g * ((f(n - 1, x) + f(n + 1, x)) / 2.0 - ans * np.sign(x))


def _of_order(name: str, n: int) -> Function:
    """The derivative of a Bessel function of a fixed order, 0 or 1."""
    sign = 1.0 if name == "i" else -1.0
    first, all_orders = f"{name}1", {"j": "jn", "y": "yn", "i": "iv"}[name]

    def gradient(ans: Any, x: Any) -> Function:
        if n == 0:
            return lambda g: g * sign * __getattr__(first)(x)
        zeroth, higher = __getattr__(f"{name}0"), __getattr__(all_orders)
        return lambda g: g * (zeroth(x) + sign * higher(2, x)) / 2.0

    return gradient


# Of SciPy's functions on the host: https://dlmf.nist.gov/10.6, https://dlmf.nist.gov/10.29
_GRADIENTS: dict[str, tuple[Function | None, ...]] = {
    "jn": (None, _difference("jn", -1.0)),
    "jv": (None, _difference("jv", -1.0)),
    "yn": (None, _difference("yn", -1.0)),
    "yv": (None, _difference("yv", -1.0)),
    "iv": (None, _difference("iv", 1.0)),
    "ive": (None, _ive_gradient),
    "gammasgn": (None,),
    **{f"{name}{n}": (_of_order(name, n),) for name in "jyi" for n in (0, 1)},
}


def __getattr__(name: str) -> Any:
    if hasattr(_ours, name):
        return getattr(_ours, name)
    found = scipy_function("special", name)
    if name in _GRADIENTS:
        defvjp(found, *_GRADIENTS[name])
    return found
