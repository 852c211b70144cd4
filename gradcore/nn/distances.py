"""Distances and angles between vectors, as modules."""

from __future__ import annotations

from ..functions import distances
from .losses import Comparison

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class CosineSimilarity(Comparison):
    function = staticmethod(distances.cosine_similarity)


class PairwiseDistance(Comparison):
    function = staticmethod(distances.pairwise_distance)
