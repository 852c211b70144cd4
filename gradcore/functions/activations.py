"""Activation functions, with the names and arguments of torch.nn.functional.

Each takes x of any shape, a node or an array as a constant, and gives a node of this shape. They
are functions of each element by itself, apart from the softmax and its relatives. Integers become
float32. At kinks the gradients are PyTorch's; where x is NaN, so is the gradient. `inplace` is
without effect: nothing is changed in place.
"""

from __future__ import annotations

import math

from .. import ops
from ..array_api.common import NodeOrArray, floating
from ..backends import random
from ..engine.arrays import namespace, raw_array
from ..graph import TensorNode
from ..replay.recording import number

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "logsigmoid",
    "logsoftmax",
    "logsumexp",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "rrelu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
]


def sigmoid(x: NodeOrArray) -> TensorNode:
    """Compute 1 / (1 + exp(-x)), or 0 where that is below the smallest normal number: CPUs are
    slow with such numbers. `log_sigmoid` computes its logarithm everywhere.

    Example:
        >>> x = TensorNode([-1.0, 0.0, 2.0])
        >>> print(gradcore.sigmoid(x).value.round(3))
        [0.269 0.5   0.881]
    """
    return ops.Sigmoid.do_forward(floating(x))


def tanh(x: NodeOrArray) -> TensorNode:
    """Compute the hyperbolic tangent.

    Example:
        >>> x = TensorNode([-1.0, 0.0, 2.0])
        >>> gradcore.tanh(x).sum().backward()
        >>> print(x.grad.round(3))  # 1 - tanh(x)²
        [0.42  1.    0.071]
    """
    return ops.Tanh.do_forward(floating(x))


def relu(x: NodeOrArray, inplace: bool = False) -> TensorNode:
    """Compute max(x, 0). The gradient at 0 is 0.

    Example:
        >>> x = TensorNode([-1.0, 0.0, 2.0])
        >>> y = gradcore.relu(x)
        >>> y.sum().backward()
        >>> print(y.value, x.grad)
        [0. 0. 2.] [0. 0. 1.]
    """
    return ops.Relu.do_forward(floating(x))


def relu6(x: NodeOrArray, inplace: bool = False) -> TensorNode:
    """Compute min(max(x, 0), 6). The gradient at 0 and 6 is 0.

    Example:
        >>> x = TensorNode([-1.0, 2.0, 8.0])
        >>> print(gradcore.relu6(x).value)
        [0. 2. 6.]
    """
    return ops.HardTanh.do_forward(floating(x), min_val=0.0, max_val=6.0)


def leaky_relu(x: NodeOrArray, negative_slope: float = 0.01, inplace: bool = False) -> TensorNode:
    """Compute x, times `negative_slope` where x <= 0. The gradient at 0 is `negative_slope`.

    Example:
        >>> x = TensorNode([-2.0, 3.0])
        >>> y = gradcore.leaky_relu(x, 0.1)
        >>> y.sum().backward()
        >>> print(y.value, x.grad)
        [-0.2  3. ] [0.1 1. ]
    """
    return ops.LeakyRelu.do_forward(floating(x), negative_slope=negative_slope)


def elu(x: NodeOrArray, alpha: float = 1.0, inplace: bool = False) -> TensorNode:
    """Compute x, but alpha (exp(x) - 1) where x <= 0 (https://arxiv.org/abs/1511.07289). The
    gradient at 0 is alpha.

    Example:
        >>> x = TensorNode([-1.0, 0.0, 2.0])
        >>> print(gradcore.elu(x).value.round(3))
        [-0.632  0.     2.   ]
    """
    return ops.Elu.do_forward(floating(x), alpha=alpha)


def selu(x: NodeOrArray, inplace: bool = False) -> TensorNode:
    """Compute the elu with the alpha and the scale that keep mean 0 and variance 1 through layers
    (https://arxiv.org/abs/1706.02515).

    Example:
        >>> x = TensorNode([-1.0, 0.0, 2.0])
        >>> print(gradcore.selu(x).value.round(3))
        [-1.111  0.     2.101]
    """
    return 1.0507009873554805 * elu(x, 1.6732632423543772)


def celu(x: NodeOrArray, alpha: float = 1.0, inplace: bool = False) -> TensorNode:
    """Compute x, but alpha (exp(x / alpha) - 1) where x <= 0 (https://arxiv.org/abs/1704.07483).

    Raises:
        ValueError: alpha is not positive, where x / alpha would have another sign than x.

    Example:
        >>> x = TensorNode([-1.0, 0.0, 2.0])
        >>> print(gradcore.celu(x, alpha=2.0).value.round(3))
        [-0.787  0.     2.   ]
    """
    if not alpha > 0:
        limit = "; relu(x) is the limit" if alpha == 0 else ""
        raise ValueError(f"celu: alpha is {alpha}, expected a positive number{limit}")
    return alpha * elu(ops.Divide.do_forward(floating(x), alpha))


def gelu(x: NodeOrArray, approximate: str = "none") -> TensorNode:
    """Compute x Phi(x), where Phi is the distribution function of the standard normal distribution
    (https://arxiv.org/abs/1606.08415).

    Args:
        approximate: "none", or "tanh" for the approximation of the paper.

    Raises:
        ValueError: `approximate` is neither "none" nor "tanh".

    Example:
        >>> x = TensorNode([-1.0, 0.0, 2.0])
        >>> print(gradcore.gelu(x).value.round(3))
        [-0.159  0.     1.954]
    """
    chosen = {"none": ops.Gelu, "tanh": ops.GeluTanh}
    if approximate not in chosen:
        raise ValueError(f"gelu: approximate = {approximate!r}, expected 'none' or 'tanh'")
    return chosen[approximate].do_forward(floating(x))


def silu(x: NodeOrArray, inplace: bool = False) -> TensorNode:
    """Compute x sigmoid(x), also named swish (https://arxiv.org/abs/1702.03118). At -inf the result
    is NaN, as 0 times infinity is.

    Example:
        >>> x = TensorNode([-1.0, 0.0, 2.0])
        >>> print(gradcore.silu(x).value.round(3))
        [-0.269  0.     1.762]
    """
    return ops.Silu.do_forward(floating(x))


def mish(x: NodeOrArray, inplace: bool = False) -> TensorNode:
    """Compute x tanh(softplus(x)) (https://arxiv.org/abs/1908.08681).

    Example:
        >>> x = TensorNode([-1.0, 0.0, 2.0])
        >>> print(gradcore.mish(x).value.round(3))
        [-0.303  0.     1.944]
    """
    return ops.Mish.do_forward(floating(x))


def softplus(x: NodeOrArray, beta: float = 1.0, threshold: float = 20.0) -> TensorNode:
    """Compute log(1 + exp(beta x)) / beta without overflow; where beta x > threshold, x.

    Raises:
        ValueError: beta is 0.

    Example:
        >>> x = TensorNode([-1.0, 0.0, 2.0])
        >>> print(gradcore.softplus(x).value.round(3))
        [0.313 0.693 2.127]
    """
    return ops.Softplus.do_forward(floating(x), beta=beta, threshold=threshold)


def log_sigmoid(x: NodeOrArray) -> TensorNode:
    """Compute log(sigmoid(x)), exactly even where the sigmoid is close to 0 or 1.

    Example:
        >>> x = TensorNode([-100.0, 0.0, 2.0])
        >>> print(gradcore.log_sigmoid(x).value.round(3))
        [-100.      -0.693   -0.127]
    """
    return -softplus(ops.Negative.do_forward(floating(x)), threshold=math.inf)


logsigmoid = log_sigmoid  # PyTorch's name


def hardtanh(
    x: NodeOrArray, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> TensorNode:
    """Compute min(max(x, min_val), max_val). The gradient at both bounds is 0.

    Raises:
        ValueError: `min_val` is larger than `max_val`.

    Example:
        >>> x = TensorNode([-3.0, 0.5, 2.0])
        >>> y = gradcore.hardtanh(x)
        >>> y.sum().backward()
        >>> print(y.value, x.grad)
        [-1.   0.5  1. ] [0. 1. 0.]
    """
    return ops.HardTanh.do_forward(floating(x), min_val=min_val, max_val=max_val)


def hardsigmoid(x: NodeOrArray, inplace: bool = False) -> TensorNode:
    """Compute min(max(x + 3, 0), 6) / 6. The gradient at -3 and 3 is 0.

    Example:
        >>> x = TensorNode([-4.0, 0.0, 1.5])
        >>> print(gradcore.hardsigmoid(x).value)
        [0.   0.5  0.75]
    """
    return relu6(ops.Add.do_forward(floating(x), 3.0)) / 6.0


def hardswish(x: NodeOrArray, inplace: bool = False) -> TensorNode:
    """Compute x hardsigmoid(x) (https://arxiv.org/abs/1905.02244). The gradient at -3 is 0, and at
    3 it is 1.

    Example:
        >>> x = TensorNode([-4.0, -1.5, 0.0, 4.0])
        >>> print(gradcore.hardswish(x).value)
        [-0.    -0.375  0.     4.   ]
    """
    return ops.HardSwish.do_forward(floating(x))


def softsign(x: NodeOrArray) -> TensorNode:
    """Compute x / (1 + |x|).

    Example:
        >>> x = TensorNode([-1.0, 0.0, 3.0])
        >>> print(gradcore.softsign(x).value)
        [-0.5   0.    0.75]
    """
    x = floating(x)
    return ops.Divide.do_forward(x, 1.0 + abs(x))


def tanhshrink(x: NodeOrArray) -> TensorNode:
    """Compute x - tanh(x).

    Example:
        >>> x = TensorNode([-1.0, 0.0, 2.0])
        >>> print(gradcore.tanhshrink(x).value.round(3))
        [-0.238  0.     1.036]
    """
    x = floating(x)
    return ops.Sub.do_forward(x, ops.Tanh.do_forward(x))


def softshrink(x: NodeOrArray, lambd: float = 0.5) -> TensorNode:
    """Bring x closer to 0 by lambd, at most to 0. The gradient at lambd and -lambd is 0.

    Raises:
        ValueError: lambd is negative.

    Example:
        >>> x = TensorNode([-2.0, 0.3, 1.0])
        >>> print(gradcore.softshrink(x).value)
        [-1.5  0.   0.5]
    """
    return ops.Shrink.do_forward(floating(x), lambd=lambd, bias=lambd)


def hardshrink(x: NodeOrArray, lambd: float = 0.5) -> TensorNode:
    """Compute x, but 0 from -lambd to lambd. The gradient at lambd and -lambd is 0.

    Raises:
        ValueError: lambd is negative.

    Example:
        >>> x = TensorNode([-2.0, 0.3, 1.0])
        >>> print(gradcore.hardshrink(x).value)
        [-2.  0.  1.]
    """
    return ops.Shrink.do_forward(floating(x), lambd=lambd, bias=0.0)


def threshold(x: NodeOrArray, threshold: float, value: float, inplace: bool = False) -> TensorNode:
    """Compute x where x > threshold, and `value` elsewhere. The gradient at the threshold is 0.

    Example:
        >>> x = TensorNode([0.5, 1.0, 2.0])
        >>> print(gradcore.threshold(x, 1.0, -9.0).value)
        [-9. -9.  2.]
    """
    return ops.Threshold.do_forward(floating(x), threshold=threshold, value=value)


def prelu(x: NodeOrArray, weight: NodeOrArray) -> TensorNode:
    """Compute x, times the weight where x <= 0 (https://arxiv.org/abs/1502.01852). The gradient at
    0 is the weight.

    Args:
        x: (N, C, ...), or of any shape if the weight is one number.
        weight: (C,), or one number of shape () or (1,).

    Raises:
        ValueError: the weight has neither of these shapes.
        TypeError: x and the weight have different dtypes.

    Example:
        >>> x, weight = TensorNode([-2.0, -1.0, 3.0]), TensorNode([0.25])
        >>> y = gradcore.prelu(x, weight)
        >>> y.sum().backward()
        >>> print(y.value, weight.grad)
        [-0.5  -0.25  3.  ] [-3.]
    """
    x, w = floating(x), raw_array(weight)
    shape = tuple(raw_array(x).shape)
    if math.prod(w.shape) != 1 and (w.ndim != 1 or len(shape) < 2 or w.shape[0] != shape[1]):
        raise ValueError(
            f"prelu: weight has shape {tuple(w.shape)} and x {shape}, expected (1,), or (C,) "
            "with x (N, C, ...)"
        )
    if w.dtype != raw_array(x).dtype:
        raise TypeError(f"prelu: x is {raw_array(x).dtype} and weight {w.dtype}; give one dtype")
    each = (w.shape[0], *[1] * (len(shape) - 2)) if math.prod(w.shape) != 1 else ()
    return ops.Prelu.do_forward(x, ops.Reshape.do_forward(weight, shape=each))


def rrelu(
    x: NodeOrArray,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
) -> TensorNode:
    """Compute x, times a slope where x <= 0 (https://arxiv.org/abs/1505.00853): in training, each
    element has one of its own from [lower, upper); else it is their mean.

    `manual_seed` seeds the random numbers. The same seed gives the same slopes on every backend.

    Raises:
        ValueError: lower is larger than upper, or one of them is not finite.

    Example:
        >>> x = TensorNode([-1.0, 2.0])
        >>> print(gradcore.rrelu(x, 0.2, 0.4).value.round(3))  # not training: the slope is 0.3
        [-0.3  2. ]
    """
    if not -math.inf < lower <= upper < math.inf:
        raise ValueError(f"rrelu: slopes from {lower} to {upper}, expected lower <= upper")
    if not training:
        return leaky_relu(x, (lower + upper) / 2)
    x = floating(x)
    raw = raw_array(x)
    key, ones = number(random.new_key, raw, "uint64"), namespace(raw).ones_like(raw)
    return ops.Prelu.do_forward(
        x, ops.UniformScale.do_forward(ones, low=lower, high=upper, key=key)
    )


# -- Along an axis ---------------------------------------------------------------------------------


def softmax(x: NodeOrArray, axis: int = -1) -> TensorNode:
    """Compute exp(x), divided by its sum along the axis: each row of a matrix (N, M) becomes
    probabilities.

    Example:
        >>> x = TensorNode([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]])
        >>> print(gradcore.softmax(x).value.round(3))
        [[0.09  0.245 0.665]
         [0.333 0.333 0.333]]
    """
    return ops.Softmax.do_forward(floating(x), axis=axis)


def log_softmax(x: NodeOrArray, axis: int = -1) -> TensorNode:
    """Compute log(softmax(x, axis)), also where a probability is too small for its dtype.

    Example:
        >>> x = TensorNode([[1.0, 2.0, 3.0]])
        >>> print(gradcore.log_softmax(x).value.round(3))
        [[-2.408 -1.408 -0.408]]
    """
    return ops.LogSoftmax.do_forward(floating(x), axis=axis)


def softmin(x: NodeOrArray, axis: int = -1) -> TensorNode:
    """Compute softmax(-x, axis).

    Example:
        >>> x = TensorNode([[1.0, 2.0, 3.0]])
        >>> print(gradcore.softmin(x).value.round(3))
        [[0.665 0.245 0.09 ]]
    """
    return softmax(ops.Negative.do_forward(floating(x)), axis)


def glu(x: NodeOrArray, axis: int = -1) -> TensorNode:
    """Multiply the first half of x along the axis by the sigmoid of the second half
    (https://arxiv.org/abs/1612.08083): (..., 2 M, ...) becomes (..., M, ...).

    Raises:
        IndexError: x has no such axis.
        ValueError: the axis has an odd number of elements.

    Example:
        >>> x = TensorNode([[1.0, 2.0, 0.0, 9.0]])  # 0 lets half through, 9 nearly all
        >>> print(gradcore.glu(x).value.round(3))
        [[0.5 2. ]]
    """
    x = floating(x)
    shape = tuple(raw_array(x).shape)
    if not -len(shape) <= axis < len(shape):
        raise IndexError(f"glu: x {shape} has no axis {axis}")
    axis %= len(shape)
    if shape[axis] % 2:
        raise ValueError(f"glu: axis {axis} of x {shape} has an odd number of elements")
    half, before = shape[axis] // 2, (slice(None),) * axis
    first = ops.GetItem.do_forward(x, key=(*before, slice(None, half)))
    return first * sigmoid(ops.GetItem.do_forward(x, key=(*before, slice(half, None))))


logsoftmax = log_softmax  # the course's name


def logsumexp(
    x: NodeOrArray, axis: int | tuple[int, ...] | None = None, keepdims: bool = False
) -> TensorNode:
    """Compute log(sum(exp(x))) over all elements, or along the axis, without overflow.

    Example:
        >>> x = TensorNode([1000.0, 1000.0])  # where exp(x) overflows
        >>> print(gradcore.logsumexp(x).value.round(3))
        1000.693
    """
    return ops.LogSumExp.do_forward(floating(x), axis=axis, keepdims=keepdims)
