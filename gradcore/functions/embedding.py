"""Rows chosen by integers: of zeros with a one, and of a weight."""

from __future__ import annotations

from .. import ops
from ..array_api.common import NodeOrArray
from ..backends import backend_of
from ..backends.types import DType
from ..engine.arrays import describe, namespace, node_or_array, raw_array
from ..engine.inputs import op_inputs
from ..graph import TensorNode
from ..transforms.custom import stop_gradient
from .sizes import sizes

__all__ = ["embedding", "one_hot"]


def one_hot(indices: NodeOrArray, num_classes: int, dtype: DType | str = "float32") -> TensorNode:
    """Make a row for each of the integer indices (...): zeros, with a one at the index
    (..., num_classes). No gradient flows through.

    Raises:
        IndexError: an index is not in [0, num_classes).
        TypeError: the indices are not integers.
        ValueError: `num_classes` is not an integer of at least 0.
    """
    (num_classes,) = sizes("one_hot", 1, num_classes=num_classes, least=0)
    indices = raw_array(indices)
    backend, xp = backend_of(indices), namespace(indices)
    backend.check_indices("one_hot: indices", indices, num_classes)
    classes = xp.arange(num_classes, dtype=indices.dtype, device=indices.device)
    ones = xp.astype(xp.expand_dims(indices, axis=-1) == classes, backend.dtype(dtype))
    return TensorNode(ones, requires_grad=False)


def embedding(
    indices: NodeOrArray, weight: NodeOrArray, padding_idx: int | None = None
) -> TensorNode:
    """Take the row of the weight (N, M) at each of the integer indices (...): (..., M).

    Args:
        padding_idx: a row that gets no gradient. A negative number counts from the end.

    Raises:
        IndexError: an index is not in [0, N).
        TypeError: the indices are not integers.
        ValueError: the weight does not have two dimensions, or no row at `padding_idx`.
    """
    weight, indices = node_or_array(weight), node_or_array(indices)
    if weight.ndim != 2:
        raise ValueError(f"embedding: the weight is {describe(weight)}, expected (N, M)")
    n = weight.shape[0]
    w, indices = op_inputs("embedding", [weight, indices])
    backend_of(w).check_indices("embedding: indices", indices, n)
    y = ops.Take.do_forward(weight, indices=indices, check=False)
    if padding_idx is None:
        return y
    if not -n <= padding_idx < n:
        raise ValueError(f"embedding: padding_idx = {padding_idx}, and the weight has {n} rows")
    is_padding = namespace(w).expand_dims(indices == padding_idx % n, axis=-1)
    return namespace(y).where(is_padding, stop_gradient(y), y)
