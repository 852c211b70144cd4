"""Make one vector of parameters, and set parameters from one."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

from ...array_api.manipulation import concat, reshape
from ...engine.arrays import copied, namespace, raw_array
from ...graph import TensorNode

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[TensorNode]) -> Any:
    """Join the parameters, each row by row, to one vector: a node that depends on them.

    Example:
        >>> layer = nn.Linear(3, 2)  # 2 * 3 weights and 2 biases
        >>> print(nn.utils.parameters_to_vector(layer.parameters()).shape)
        (8,)
    """
    return concat([reshape(p, (-1,)) for p in parameters])


def vector_to_parameters(vec: Any, parameters: Iterable[TensorNode]) -> None:
    """Set the parameters to the elements of a vector, as `parameters_to_vector` joins them.

    Raises:
        ValueError: the vector has another number of elements; nothing is changed.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> nn.utils.vector_to_parameters(TensorNode([1.0, 2.0, 3.0]), layer.parameters())
        >>> print(layer.w, layer.b)
        [[1. 2.]] [[3.]]
    """
    nodes, x = list(parameters), raw_array(vec)
    sizes = [prod(p.shape) for p in nodes]
    if tuple(x.shape) != (sum(sizes),):
        found, expected = tuple(x.shape), (sum(sizes),)
        raise ValueError(f"vector_to_parameters: vec has shape {found}, expected {expected}")
    xp, first = namespace(x), 0
    for p, size in zip(nodes, sizes, strict=True):
        part = xp.reshape(x[first : first + size], tuple(p.shape))
        p.value = copied(part) if part.dtype == p.dtype else xp.astype(part, p.dtype)
        first += size
