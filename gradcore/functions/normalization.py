"""Normalization: numbers brought to mean 0 and variance 1, over instances or over features.

The names and arguments are those of torch.nn.functional. Each function takes nodes, and arrays as
constants.
"""

from __future__ import annotations

from math import inf, isfinite, prod
from numbers import Real
from typing import Any

from .. import array_api, ops
from ..array_api.common import NodeOrArray, Shape
from ..backends import Array
from ..engine.arrays import (
    check_floating,
    copied,
    describe,
    is_node,
    namespace,
    node_or_array,
    raw_array,
    widened,
)
from ..engine.inputs import op_inputs_and_mask
from ..engine.modes import is_recomputing
from ..engine.ownership import is_alone
from ..graph import TensorNode
from ..replay.recording import is_held
from .padding import pad
from .sizes import sizes

__all__ = [
    "batch_norm",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "rms_norm",
]


def layer_norm(
    x: NodeOrArray,
    normalized_shape: int | Shape,
    weight: NodeOrArray | None = None,
    bias: NodeOrArray | None = None,
    eps: float = 1e-5,
) -> TensorNode:
    """Bring x (..., *normalized_shape) to mean 0 and variance 1 over its last axes, multiply by the
    weight and add the bias, in the dtype of x (https://arxiv.org/abs/1607.06450).

    Args:
        normalized_shape: the shape of the last axes, the weight and the bias; or the size of the
            last axis.
        weight, bias: nodes, arrays or lists.
        eps: a number added to the variance.

    Raises:
        ValueError: the shapes do not fit, or eps is negative or not a number.
        TypeError: x, the weight or the bias is not real floating.

    Example:
        >>> x = TensorNode([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])
        >>> print(gradcore.layer_norm(x, 3).value.round(3))
        [[-1.225  0.     1.225]
         [-1.225  0.     1.225]]
    """
    check_numbers("layer_norm", eps)
    weight, bias = _arrays(raw_array(x), weight, bias)
    axes = _last_axes("layer_norm", x, normalized_shape, weight=weight, bias=bias)
    size = prod(raw_array(x).shape[-len(axes) :])
    weight, bias = (None if p is None else array_api.reshape(p, (size,)) for p in (weight, bias))
    return _of_rows(x, size, weight, bias, eps)


def rms_norm(
    x: NodeOrArray,
    normalized_shape: int | Shape,
    weight: NodeOrArray | None = None,
    eps: float | None = None,
) -> TensorNode:
    """Divide x (..., *normalized_shape) by the root of its mean square over its last axes, and
    multiply by the weight, in the dtype of x (https://arxiv.org/abs/1910.07467).

    Args:
        normalized_shape: as for `layer_norm`.
        eps: a number added to the mean square; `None` is the `finfo` eps of the dtype in which the
            mean is computed: that of x, but float32 for 16 bits, as in PyTorch.

    Raises:
        ValueError, TypeError: as `layer_norm`.

    Example:
        >>> x = TensorNode([[3.0, 4.0], [6.0, 8.0]])
        >>> print(gradcore.rms_norm(x, 2).value.round(3))
        [[0.849 1.131]
         [0.849 1.131]]
    """
    check_numbers("rms_norm", 0.0 if eps is None else eps)
    raw = raw_array(x)
    (weight,) = _arrays(raw, weight)
    axes = _last_axes("rms_norm", x, normalized_shape, weight=weight)
    wide = widened(node_or_array(x))
    if eps is None:
        eps = float(namespace(raw).finfo(wide.dtype).eps)
    square = array_api.mean(ops.Square.do_forward(wide), axis=axes, keepdims=True)
    y = ops.Divide.do_forward(wide, array_api.sqrt(square + eps))
    return array_api.astype(_scaled(y, weight, None), raw.dtype, copy=False)


def group_norm(
    x: NodeOrArray,
    num_groups: int,
    weight: NodeOrArray | None = None,
    bias: NodeOrArray | None = None,
    eps: float = 1e-5,
) -> TensorNode:
    """Bring x (N, C, ...) to mean 0 and variance 1, in each instance over each group of channels;
    multiply by the weight (C,) and add the bias (C,), in the dtype of x
    (https://arxiv.org/abs/1803.08494).

    Groups are of neighbouring channels. With `num_groups=C`, this is instance normalization
    (https://arxiv.org/abs/1607.08022).

    Raises:
        ValueError: C is not a multiple of `num_groups`, the shapes do not fit, or eps is negative
            or not a number.
        TypeError: x, the weight or the bias is not real floating.

    Example:
        >>> x = TensorNode([[1.0, 3.0, 10.0, 30.0]])  # (N, C)
        >>> print(gradcore.group_norm(x, 2).value.round(3))
        [[-1.  1. -1.  1.]]
    """
    (num_groups,) = sizes("group_norm", 1, num_groups=num_groups)
    check_floating("group_norm", raw_array(x))
    check_numbers("group_norm", eps)
    shape = tuple(raw_array(x).shape)
    if len(shape) < 2 or shape[1] % num_groups:
        raise ValueError(
            f"group_norm: x has shape {shape}, expected (N, C, ...), where C is a multiple of "
            f"num_groups = {num_groups}"
        )
    weight, bias = _arrays(raw_array(x), weight, bias)
    _check_shapes("group_norm", shape[1:2], weight=weight, bias=bias)
    each = (-1, *[1] * (len(shape) - 2))
    weight, bias = (None if p is None else array_api.reshape(p, each) for p in (weight, bias))
    return _scaled(_of_rows(x, prod(shape[1:]) // num_groups, None, None, eps), weight, bias)


def batch_norm(
    x: NodeOrArray,
    running_mean: TensorNode | None = None,
    running_var: TensorNode | None = None,
    weight: NodeOrArray | None = None,
    bias: NodeOrArray | None = None,
    training: bool = False,
    momentum: float | Array | None = 0.1,
    eps: float = 1e-5,
    *,
    residual: NodeOrArray | None = None,
    relu: bool = False,
    batches: TensorNode | None = None,
) -> TensorNode:
    """Bring each channel of x (N, C, ...) to mean 0 and variance 1, multiply by the weight (C,) and
    add the bias (C,) (https://arxiv.org/abs/1502.03167).

    A residual and a ReLU are computed by the same kernels: as ops of their own, they would read and
    write all numbers once more.

    Args:
        running_mean: (C,), a node that requires no gradient. In training, its value is replaced by
            (1 - momentum) * value + momentum * mean. Otherwise it is used as the mean.
        running_var: the same for the variance. It is updated with the unbiased variance.
        training: use the mean and the variance of x.
        momentum: a number, or an array of one number; or `None`: 1 / batches, so that the running
            mean and variance are the averages over all batches.
        eps: a number added to the variance, not negative.
        residual: is added to the result; of the shape of x.
        relu: put 0 in place of what is then negative.
        batches: an integer node of no dimensions; in training, 1 is added to its value.

    Raises:
        ValueError: the shapes do not fit; in training, there is only one value for each channel;
            outside of training, the running mean or variance is `None`; or momentum or eps is not
            such a number.
        TypeError: x is not real floating; or in training, the running mean or variance is not a
            node.

    Example:
        >>> x = TensorNode([[1.0, 10.0], [3.0, 30.0]])  # (N, C)
        >>> print(gradcore.batch_norm(x, training=True).value.round(3))
        [[-1. -1.]
         [ 1.  1.]]
    """
    raw = raw_array(x)
    check_floating("batch_norm", raw)
    check_numbers("batch_norm", eps, 0.0 if momentum is None and batches is not None else momentum)
    shape = tuple(raw.shape)
    if len(shape) < 2:
        raise ValueError(f"batch_norm: x has shape {shape}, expected (N, C, ...)")
    running_mean, running_var, weight, bias = _arrays(raw, running_mean, running_var, weight, bias)
    running = {"running_mean": running_mean, "running_var": running_var}
    _check_shapes("batch_norm", shape[1:2], **running, weight=weight, bias=bias)
    for name, statistic in running.items():
        if statistic is None and not training:
            raise ValueError(f"batch_norm: {name} is None, and so training must be True")
        if training and not (statistic is None or is_node(statistic)):
            raise TypeError(f"batch_norm: in training {name} must be a node, whose value changes")
    weight, bias = _given(raw, shape[1], weight, bias)
    more = () if residual is None else (array_api.astype(residual, raw.dtype, copy=False),)
    options: dict[str, Any] = {"eps": eps, "relu": relu}
    if not training:
        given = running_mean, running_var
        return ops.BatchNormInference.do_forward(x, weight, bias, *given, *more, **options)
    if (n := shape[0] * prod(shape[2:])) == 1:
        raise ValueError(
            f"batch_norm: x has shape {shape}, and so one value per channel, of which there is no "
            "variance; train with larger batches, or call eval() first"
        )
    if n == 0:  # there are no statistics
        ones, zeros = _given(raw, shape[1], None, None)
        return ops.BatchNormInference.do_forward(x, weight, bias, zeros, ones, *more, **options)
    nodes = (None, None, None) if is_recomputing.get() else (running_mean, running_var, batches)
    noted = [s for s in nodes if s is not None]
    op_inputs_and_mask("batch_norm", (raw, *noted))  # raises if they are not in one place
    arrays = [None if s is None else _own(s) for s in nodes]
    options |= {"running": arrays, "momentum": momentum}
    y, _, _ = ops.BatchNorm.do_forward(x, weight, bias, *more, **options)
    for node, value in zip(nodes, arrays, strict=True):
        if node is not None:
            node.value = value
    return y


def instance_norm(
    x: NodeOrArray,
    running_mean: TensorNode | None = None,
    running_var: TensorNode | None = None,
    weight: NodeOrArray | None = None,
    bias: NodeOrArray | None = None,
    use_input_stats: bool = True,
    momentum: float | Array = 0.1,
    eps: float = 1e-5,
) -> TensorNode:
    """Bring each channel of each instance of x (N, C, L, ...) to mean 0 and variance 1, multiply by
    the weight (C,) and add the bias (C,) (https://arxiv.org/abs/1607.08022).

    Args:
        running_mean, running_var: (C,), nodes that require no gradient. With `use_input_stats`,
            they are updated as by `batch_norm`, with the means over the instances. Otherwise they
            are used as the mean and variance.
        use_input_stats: use the means and variances of x.
        momentum, eps: as for `batch_norm`.

    Raises:
        ValueError, TypeError: as `batch_norm`.

    Example:
        >>> x = TensorNode([[[1.0, 3.0], [10.0, 30.0]]])  # (N, C, L)
        >>> print(gradcore.instance_norm(x).value.round(3))
        [[[-1.  1.]
          [-1.  1.]]]
    """
    if not use_input_stats:
        return batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    raw = raw_array(x)
    xp, shape = namespace(raw), tuple(raw.shape)
    if len(shape) < 3 or prod(shape[2:]) == 1:
        raise ValueError(
            f"instance_norm: x has shape {shape}, expected (N, C, L, ...) with several values in "
            "each channel: of one there is no variance"
        )
    n, c = shape[:2]
    weight, bias = _arrays(raw, weight, bias)
    running = {"running_mean": running_mean, "running_var": running_var}
    _check_shapes("instance_norm", (c,), **running, weight=weight, bias=bias)
    # Each channel of each instance is a channel of one batch.
    mean, variance = (
        None
        if s is None
        else TensorNode(xp.reshape(xp.broadcast_to(s.value, (n, c)), (n * c,)), requires_grad=False)
        for s in running.values()
    )
    rows = array_api.reshape(x, (1, n * c, *shape[2:]))
    y = batch_norm(rows, mean, variance, None, None, True, momentum, eps)
    for old, new in zip(running.values(), (mean, variance), strict=True):
        if old is not None and new is not None and n and not is_recomputing.get():
            old.value = xp.mean(xp.reshape(new.value, (n, c)), axis=0)
    each = (-1, *[1] * (len(shape) - 2))
    weight, bias = (None if p is None else array_api.reshape(p, each) for p in (weight, bias))
    return _scaled(array_api.reshape(y, shape), weight, bias)


def local_response_norm(
    x: NodeOrArray, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> TensorNode:
    """Divide x (N, C, L, ...) by (k + alpha m) ** beta, where m is the mean of the squares of
    `size` neighbouring channels, with zeros beyond the first and the last
    (https://papers.nips.cc/paper/4824).

    Raises:
        ValueError: x has fewer than three axes, or `size` is not positive.
        TypeError: x is not real floating.

    Example:
        >>> x = TensorNode(np.ones((2, 8, 16, 16)))
        >>> gradcore.local_response_norm(x, size=5).shape
        (2, 8, 16, 16)
    """
    (size,) = sizes("local_response_norm", 1, size=size)
    raw = raw_array(x)
    check_floating("local_response_norm", raw)
    if raw.ndim < 3:
        raise ValueError(f"local_response_norm: x is {describe(raw)}, expected (N, C, L, ...)")
    wide, channels = widened(node_or_array(x)), raw.shape[1]
    pads = [(0, 0), (size // 2, (size - 1) // 2), *[(0, 0)] * (raw.ndim - 2)]
    squares = pad(ops.Square.do_forward(wide), pads)
    parts = [squares[:, i : i + channels] for i in range(size)]
    total = sum(parts[1:], parts[0])
    y = ops.Divide.do_forward(wide, (k + (alpha / size) * total) ** beta)
    return array_api.astype(y, raw.dtype, copy=False)


def check_numbers(name: str, eps: Any, momentum: Any = 0.0) -> None:
    """Raise ValueError unless eps and momentum are right for `batch_norm`."""
    if not (isinstance(eps, Real) and 0 <= float(eps) < inf):
        raise ValueError(f"{name}: eps = {eps!r}, expected 0 or a positive number")
    is_number = isinstance(momentum, Real) and isfinite(momentum)
    if not is_number and not hasattr(momentum, "dtype"):
        raise ValueError(f"{name}: momentum = {momentum!r}, expected a number")


def _own(statistic: TensorNode) -> Array:
    """Give the statistic's value if nobody else sees its array, which may then be written to, else
    a copy."""
    # In a step being captured, the recording holds the value too, and expects the change.
    others = 1 if is_held(statistic) else 0
    alone = is_alone(statistic, "value", others=others)
    return statistic.value if alone else copied(statistic.value)


def _last_axes(
    name: str, x: NodeOrArray, shape: int | Shape, **parameters: NodeOrArray | None
) -> tuple[int, ...]:
    """Check that the last axes of x, and the parameters, have this shape. Give the axes: -2 and -1,
    if there are two.

    Raises:
        ValueError: x or a parameter does not have the shape.
        TypeError: x or a parameter is not real floating.
    """
    shape, raw = sizes(name, None, normalized_shape=shape, least=0), raw_array(x)
    check_floating(name, raw)
    if tuple(raw.shape[-len(shape) :]) != shape:
        raise ValueError(
            f"{name}: x is {describe(raw)}, expected its last axes to be normalized_shape = {shape}"
        )
    _check_shapes(name, shape, **parameters)
    return tuple(range(-len(shape), 0))


def _check_shapes(name: str, shape: Shape, **parameters: NodeOrArray | None) -> None:
    """Raise ValueError or TypeError unless all parameters but `None` are real floating and have the
    shape."""
    for parameter, p in parameters.items():
        if p is not None and tuple(raw_array(p).shape) != shape:
            found = tuple(raw_array(p).shape)
            raise ValueError(f"{name}: {parameter} has shape {found}, expected {shape}")
        if p is not None:
            check_floating(f"{name}: {parameter}", raw_array(p))


def _arrays(like: Array, *parameters: Any) -> list[Any]:
    """Make arrays of lists, of the dtype and on the device of `like`; all else stays."""
    xp, of = namespace(like), {"dtype": like.dtype, "device": like.device}
    return [xp.asarray(p, **of) if isinstance(p, list | tuple) else p for p in parameters]


def _given(
    like: Array, size: int, weight: NodeOrArray | None, bias: NodeOrArray | None
) -> tuple[NodeOrArray, NodeOrArray]:
    """Give the weight and the bias, with ones and zeros (size,) in place of `None`."""
    xp, of = namespace(like), {"dtype": like.dtype, "device": like.device}
    return (
        xp.ones((size,), **of) if weight is None else weight,
        xp.zeros((size,), **of) if bias is None else bias,
    )


def _of_rows(
    x: NodeOrArray, size: int, weight: NodeOrArray | None, bias: NodeOrArray | None, eps: float
) -> TensorNode:
    """Normalize each `size` neighbouring elements of x, as the rows of a matrix."""
    raw = raw_array(x)
    if not size:
        return ops.Id.do_forward(x)  # nothing
    given, shape = _given(raw, size, weight, bias), (prod(raw.shape) // size, size)
    if tuple(raw.shape) == shape:
        return ops.LayerNorm.do_forward(x, *given, eps=eps)
    y = ops.LayerNorm.do_forward(array_api.reshape(x, shape), *given, eps=eps)
    return array_api.reshape(y, tuple(raw.shape))


def _scaled(y: TensorNode, weight: NodeOrArray | None, bias: NodeOrArray | None) -> TensorNode:
    """Multiply y by the weight and add the bias, in y's dtype."""
    scaled = y if weight is None else y * weight
    scaled = scaled if bias is None else scaled + bias
    return array_api.astype(scaled, y.dtype, copy=False)
