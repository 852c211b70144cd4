"""TODO"""

from __future__ import annotations

from typing import Any

from ..backends import backend_of
from ..engine.arrays import describe, is_node, namespace, node_or_array
from ..engine.inputs import op_inputs
from ..graph import TensorNode
from ..ops import Take
from ..transforms.custom import stop_gradient

__all__ = ["embedding", "one_hot"]


def one_hot(indices: Any, num_classes: int, dtype: Any = "float32") -> TensorNode:
    """For each of the integer indices (...) a row (..., num_classes), of zeros but for a one at
    the index. A constant.

    Raises:
        IndexError: an index is not in [0, num_classes).
        TypeError: the indices are not integers.
    """
    indices = node_or_array(indices)
    indices = indices.value if is_node(indices) else indices
    backend, xp = backend_of(indices), namespace(indices)
    backend.check_indices("one_hot: indices", indices, num_classes)
    classes = xp.arange(num_classes, dtype=indices.dtype, device=indices.device)
    ones = xp.astype(xp.expand_dims(indices, axis=-1) == classes, backend.dtype(dtype))
    return TensorNode(ones, requires_grad=False)


def embedding(indices: Any, weight: Any, padding_idx: int | None = None) -> TensorNode:
    """For each of the integer indices (...) that row of the weight (N, M): (..., M).

    Args:
        padding_idx: the row that gets no gradient; a negative number counts from the end.

    Raises:
        IndexError: an index is not in [0, N).
        TypeError: the indices are not integers.
        ValueError: the weight has not two dimensions; no such `padding_idx`.
    """
    weight, indices = node_or_array(weight), node_or_array(indices)
    if weight.ndim != 2:
        raise ValueError(f"embedding: the weight is {describe(weight)}, expected (N, M)")
    n = weight.shape[0]
    w, indices = op_inputs("embedding", [weight, indices])
    backend_of(w).check_indices("embedding: indices", indices, n)
    y = Take.do_forward(weight, indices=indices, check=False)
    if padding_idx is None:
        return y
    if not -n <= padding_idx < n:
        raise ValueError(f"embedding: padding_idx = {padding_idx}, and the weight has {n} rows")
    is_padding = namespace(w).expand_dims(indices == padding_idx % n, axis=-1)
    return namespace(y).where(is_padding, stop_gradient(y), y)
