"""Vectors times matrices: linear and bilinear maps of the last axis."""

from __future__ import annotations

from .. import array_api, ops
from ..array_api.common import NodeOrArray
from ..engine.arrays import describe, node_or_array
from ..graph import TensorNode

__all__ = ["bilinear", "linear"]


def linear(x: NodeOrArray, weight: NodeOrArray, bias: NodeOrArray | None = None) -> TensorNode:
    """Multiply the vectors x (..., in_features) with the weight (out_features, in_features), in one
    product, and add the bias (out_features,): (..., out_features).

    A weight (in_features,), for one number in place of a vector, gives (...), with a bias ().

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> x, weight = TensorNode([[1.0, 2.0]]), TensorNode([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> print(gradcore.linear(x, weight, TensorNode([0.0, 0.0, 10.0])).value)
        [[ 1.  2. 13.]]
    """
    if len(weight.shape) == 1:
        y = ops.MatrixMultiply.do_forward(x, weight)
        return y if bias is None else y + bias
    return ops.BatchMM.do_forward(weight, x, *([] if bias is None else [bias]))


def bilinear(
    x1: NodeOrArray, x2: NodeOrArray, weight: NodeOrArray, bias: NodeOrArray | None = None
) -> TensorNode:
    """Compute x1 W x2 for the vectors x1 (..., I) and x2 (..., J), with each matrix W of the weight
    (O, I, J), and add the bias (O,): (..., O).

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> x1, x2 = TensorNode(np.ones((8, 3))), TensorNode(np.ones((8, 5)))
        >>> gradcore.bilinear(x1, x2, TensorNode(np.ones((10, 3, 5)))).shape
        (8, 10)
    """
    x1, x2, weight = map(node_or_array, (x1, x2, weight))
    shapes = [tuple(x.shape) for x in (x1, x2, weight)]
    fit = len(shapes[2]) == 3 and shapes[0] and shapes[1] and shapes[0][:-1] == shapes[1][:-1]
    if not fit or (shapes[0][-1], shapes[1][-1]) != shapes[2][1:]:
        raise ValueError(
            f"bilinear: x1 is {describe(x1)}, x2 {describe(x2)} and the weight {describe(weight)}, "
            "expected (..., I), (..., J) and (O, I, J)"
        )
    y = array_api.einsum("...i,oij,...j->...o", x1, weight, x2)
    return y if bias is None else y + bias
