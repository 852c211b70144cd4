"""Ops that leave things to chance."""

from __future__ import annotations

from typing import Any

from ..backends import backend_of
from ..engine.arrays import namespace
from ..graph import Context, Op
from .elementwise import Masked


class Dropout(Op):
    """Zeros in the place of elements that are chosen, each with probability p, by the random
    numbers of `key`; the others divided by 1 - p
    (https://jmlr.org/papers/v15/srivastava14a.html).

    Raises:
        ValueError: p is not in [0, 1].
    """

    @staticmethod
    def forward(context: Context, x: Any, *, p: float, key: Any) -> Any:
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p = {p}, expected a probability, from 0 to 1")
        context["scale"] = 1.0 / (1.0 - p) if p < 1 else 0.0
        # Integers are compared, so the choice is the same for every dtype. All are below 2**32.
        backend = backend_of(x)
        bits = backend.random_bits(key, x.size, x.device)
        limit = min(round(p * 2**32), 2**32 - 1)
        keep = bits >= limit if p < 1 else bits < 0
        context["keep"] = namespace(x).reshape(keep, x.shape)
        return backend.masked(x * context["scale"], context["keep"])

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        return Masked.apply(go * context["scale"], mask=context["keep"])
