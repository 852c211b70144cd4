"""Ops that draw random numbers."""

from __future__ import annotations

from math import prod
from typing import Any

from ..backends import Array, backend_of
from ..engine.arrays import namespace
from ..graph import Context, Op
from .elementwise import Masked

__all__ = ["Dropout", "UniformScale"]


class Dropout(Op):
    """x with each element set to 0 with probability p, and the others divided by 1 - p
    (https://jmlr.org/papers/v15/srivastava14a.html). The same `key` chooses the same elements.

    Args:
        together: on how many axes from the front the choice depends; elements that differ only
            along the others become 0 together. `None`: each element by itself.

    Raises:
        ValueError: p is not in [0, 1].
    """

    @staticmethod
    def forward(
        context: Context, x: Array, *, p: float, key: Any, together: int | None = None
    ) -> Array:
        check_probability("Dropout", p=p)
        context["scale"] = 1.0 / (1.0 - p) if p < 1 else 0.0
        # Compare integers, below 2**32, so that the choice is the same for every dtype.
        backend = backend_of(x)
        shape = x.shape if together is None else (*x.shape[:together], *[1] * (x.ndim - together))
        bits = backend.random_bits(key, prod(shape), x.device)
        # Where dtypes are NumPy's, of the same one: JAX takes an int for one of 32 bits and a sign.
        limit = getattr(bits.dtype, "type", int)(min(round(p * 2**32), 2**32 - 1))
        keep = bits >= limit if p < 1 else bits < 0
        context["keep"] = namespace(x).reshape(keep, shape)
        scaled = namespace(x).multiply(x, context["scale"])
        return backend.masked(scaled, context["keep"])

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        scaled = namespace(go).multiply(go, context["scale"])
        return Masked.apply(scaled, mask=context["keep"])


class UniformScale(Op):
    """x times random numbers from `low` to `high`, one for each element. The same `key` gives the
    same numbers."""

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array, *, low: float, high: float, key: Any) -> Array:
        context["options"] = {"low": low, "high": high, "key": key}
        backend, xp = backend_of(x), namespace(x)
        bits = backend.random_bits(key, prod(x.shape), x.device)
        part = xp.astype(xp.astype(bits >> 8, xp.float32) * 2.0**-24, x.dtype, copy=False)
        return x * xp.reshape(low + (high - low) * part, x.shape)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        return UniformScale.apply(go, **context["options"])


def check_probability(name: str, **probability: Any) -> None:
    """Check one argument: `check_probability("dropout", p=p)`.

    Raises:
        ValueError: it is not from 0 to 1, or is a boolean; the message begins with `name`.
    """
    ((argument, p),) = probability.items()
    if isinstance(p, bool) or not 0 <= p <= 1:
        raise ValueError(f"{name}: {argument} = {p}, expected a probability, from 0 to 1")
