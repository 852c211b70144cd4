"""What the distributions share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .... import numpy as np
from ....engine.arrays import is_node, namespace

__all__ = ["arrays", "exp_of", "inside"]


def arrays(*xs: Any) -> list[Any]:
    """Make arrays of lists; nodes, arrays and numbers stay. If there is a node, make constants of
    all others, so that operators between them are gradcore's."""
    xs = tuple([x if isinstance(x, int | float) else np.asarray(x) for x in xs])
    nodes = [x for x in xs if is_node(x)]
    return [_constant(x, nodes[0]) if nodes and not is_node(x) else x for x in xs]


def _constant(x: Any, like: Any) -> Any:
    is_number = isinstance(x, int | float)
    return namespace(like).asarray(x, dtype=like.dtype if is_number else None, device=like.device)


def inside(support: Any, x: Any, safe: float, logpdf: Callable[[Any], Any]) -> Any:
    """Compute `logpdf(x)` where x is in the support, and -inf elsewhere, with gradients of 0.

    Args:
        support: booleans like x.
        safe: a number in the support, for which `logpdf` is computed in place of other x.
    """
    return np.where(support, logpdf(np.where(support, x, safe)), -np.inf)


def exp_of(logpdf: Callable[..., Any], doc: str) -> Callable[..., Any]:
    """Make the density of its logarithm."""

    def pdf(*args: Any, **kwargs: Any) -> Any:
        return np.exp(logpdf(*args, **kwargs))

    pdf.__doc__ = doc
    return pdf
