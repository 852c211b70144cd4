"""Distances and angles between vectors, as modules."""

from __future__ import annotations

from ..functions import distances
from .losses import Comparison

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class CosineSimilarity(Comparison):
    """
    Example:
        >>> x, y = TensorNode([[1.0, 0.0], [3.0, 4.0]]), TensorNode([[1.0, 1.0], [4.0, -3.0]])
        >>> print(nn.CosineSimilarity()(x, y).round(3))
        [0.707 0.   ]
    """

    function = staticmethod(distances.cosine_similarity)


class PairwiseDistance(Comparison):
    """
    Example:
        >>> x, y = TensorNode([[0.0, 0.0], [1.0, 1.0]]), TensorNode([[3.0, 4.0], [1.0, 2.0]])
        >>> print(nn.PairwiseDistance()(x, y).round(3))
        [5. 1.]
    """

    function = staticmethod(distances.pairwise_distance)
