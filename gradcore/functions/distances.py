"""Distances and angles between vectors, and vectors of length 1.

Names and arguments are those of torch.nn.functional. Each function takes nodes, and as constants
arrays, numbers and lists.
"""

# ruff: noqa: A002 (torch says `input`)
from __future__ import annotations

from .. import array_api, ops
from ..array_api import linalg
from ..array_api.common import Axis, NodeOrArray
from ..engine.arrays import namespace, raw_array, value_of, widened
from ..graph import TensorNode
from .comparison import nodes

__all__ = ["cosine_similarity", "normalize", "pairwise_distance", "pdist"]


def cosine_similarity(
    x1: NodeOrArray, x2: NodeOrArray, axis: int = 1, eps: float = 1e-8
) -> TensorNode:
    """Compute the cosine of the angle between the vectors along the axis of x1 and x2, which are
    broadcast together: (N, D) and (N, D) give (N,).

    Args:
        eps: the least length of a vector; a shorter one is divided by eps. (PyTorch's gradient of
            a shorter one, unless that is 0, is that of another function.)

    Example:
        >>> a, b = TensorNode([[1.0, 0.0], [1.0, 1.0]]), TensorNode([[0.0, 2.0], [3.0, 3.0]])
        >>> print(gradcore.cosine_similarity(a, b).value.round(3))
        [0. 1.]
    """
    x1, x2 = array_api.broadcast_arrays(*nodes(x1, x2))
    a, b = (normalize(x, axis=axis, eps=eps) for x in (x1, x2))
    return array_api.sum(a * b, axis=axis)


def pairwise_distance(
    x1: NodeOrArray, x2: NodeOrArray, p: float = 2.0, eps: float = 1e-6, keepdims: bool = False
) -> TensorNode:
    """Compute the p-norm of x1 - x2 + eps along the last axis: (N, D) and (N, D) give (N,).

    Args:
        x1, x2: vectors, which are broadcast together.
        eps: keeps the gradient of equal vectors finite.
        keepdims: whether the result is (N, 1).

    Example:
        >>> a, b = TensorNode([[0.0, 0.0], [1.0, 1.0]]), TensorNode([[3.0, 4.0], [1.0, 2.0]])
        >>> print(gradcore.pairwise_distance(a, b).value.round(3))
        [5. 1.]
    """
    x1, x2 = nodes(x1, x2)
    return linalg.vector_norm(x1 - x2 + eps, axis=-1, keepdims=keepdims, ord=p)


def pdist(input: NodeOrArray, p: float = 2.0) -> TensorNode:
    """Compute the p-norm of the difference of each two rows of x (N, M): (N (N - 1) / 2,), those
    of row 0 with rows 1, 2, ... first. Equal rows have the gradient 0.

    Raises:
        ValueError: x is no matrix, or p is negative.

    Example:
        >>> x = TensorNode([[0.0, 0.0], [3.0, 4.0], [0.0, 4.0]])
        >>> print(gradcore.pdist(x).value)
        [5. 4. 3.]
    """
    (x,) = nodes(input)
    if x.ndim != 2 or not p >= 0:
        problem = f"x has shape {tuple(x.shape)} and p is {p}, expected (N, M) and p >= 0"
        raise ValueError(f"pdist: {problem}")
    n, xp = x.shape[0], namespace(x.value)
    rows = [i for i in range(n) for _ in range(i + 1, n)]
    columns = [j for i in range(n) for j in range(i + 1, n)]
    two = [xp.asarray(k, dtype=xp.int64, device=x.device) for k in (rows, columns)]
    one, other = (ops.Take.do_forward(x, indices=k, check=False) for k in two)
    return linalg.vector_norm(one - other, axis=-1, ord=p)


def normalize(input: NodeOrArray, p: float = 2.0, axis: Axis = 1, eps: float = 1e-12) -> TensorNode:
    """Divide the vectors along the axis by their p-norm, which then is 1; or by eps, if the norm is
    less.

    Raises:
        ValueError: eps is negative.

    Example:
        >>> print(gradcore.normalize(TensorNode([[3.0, 4.0], [0.0, 2.0]])).value.round(3))
        [[0.6 0.8]
         [0.  1. ]]
    """
    if not eps >= 0:
        raise ValueError(f"normalize: eps = {eps}, expected 0 or a positive number")
    (x,) = nodes(input)
    # Where eps counts, no derivative of the norm must: the second one at 0 is NaN.
    raw = raw_array(widened(x))
    short = value_of(linalg.vector_norm(raw, axis=axis, keepdims=True, ord=p)) < eps
    norm = linalg.vector_norm(array_api.where(short, 1.0, x), axis=axis, keepdims=True, ord=p)
    return x / array_api.where(short, eps, norm)
