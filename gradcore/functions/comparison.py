"""What losses share: inputs of one shape and dtype, weights, and reductions."""

# ruff: noqa: A001, A002 (torch says `input`)
from __future__ import annotations

from numbers import Number
from typing import Any

from .. import array_api, ops
from ..array_api.common import NodeOrArray
from ..backends import Array, default
from ..engine.arrays import (
    broadcast_shape,
    describe,
    is_discrete,
    is_real_floating,
    namespace,
    node_or_array,
    raw_array,
    widened,
)
from ..graph import TensorNode

__all__ = [
    "as_batch",
    "as_node",
    "class_weight",
    "like_input",
    "nodes",
    "numbers",
    "pair",
    "reduced",
    "times",
    "weighted_each",
]


def nodes(*inputs: Any) -> list[TensorNode]:
    """Make nodes of arrays, numbers and lists. The latter, and integers, get the dtype and device
    of the first real floating array; if there is none, numbers are float32."""
    arrays = [raw_array(x) for x in inputs if not _is_plain(x)]
    like = next((x for x in arrays if is_real_floating(x)), None)
    found = [as_node(numbers(x, like)) for x in inputs]
    if like is None:
        return [array_api.astype(x, default().dtype("float32"), copy=False) for x in found]
    return [array_api.astype(x, like.dtype) if is_discrete(x.value) else x for x in found]


def as_node(x: NodeOrArray) -> TensorNode:
    """Make a node of an array, which is a constant; a node stays."""
    return x if isinstance(x, TensorNode) else TensorNode(x, requires_grad=False)


def numbers(x: Any, like: Array | None = None) -> NodeOrArray:
    """Make an array of a number or of a list, in the dtype and on the device of the floating array
    `like`; `None` is float32 of the default backend. Nodes and arrays stay."""
    if not _is_plain(x):
        return x
    if like is None or not is_real_floating(like):
        return default().asarray(x, "float32")
    return namespace(like).asarray(x, dtype=like.dtype, device=like.device)


def _is_plain(x: Any) -> bool:
    """Whether x is a number or a list of numbers, which has no dtype that counts."""
    return isinstance(x, list | tuple | Number)


def as_batch(input: Any, target: Any) -> tuple[NodeOrArray, NodeOrArray, bool]:
    """Make batches of one of an input (C,) and its target; say whether that was so. A list of
    numbers becomes an array."""
    input = numbers(input)
    is_one = len(raw_array(input).shape) == 1
    if not is_one:
        return input, target, False
    input, target = as_node(input), as_node(node_or_array(target))
    return array_api.expand_dims(input, axis=0), array_api.expand_dims(target, axis=0), True


def pair(name: str, input: Any, target: Any) -> tuple[NodeOrArray, NodeOrArray]:
    """Make arrays of numbers and lists, and check that input and target have one shape.

    Raises:
        ValueError: the shapes differ.
    """
    like = next((raw_array(x) for x in (input, target) if not _is_plain(x)), None)
    input, target = numbers(input, like), numbers(target, like)
    a, b = raw_array(input), raw_array(target)
    if tuple(a.shape) != tuple(b.shape):
        raise ValueError(
            f"{name}: input is {describe(a)} and target {describe(b)}; expected one shape"
        )
    return input, target


def like_input(name: str, what: str, x: Any, like: NodeOrArray) -> NodeOrArray:
    """Make an array of a number or a list, in the dtype and on the device of `like`.

    Raises:
        TypeError: x is an array or a node of another dtype than `like`; the message calls it
            `what`.
    """
    like = raw_array(like)
    x = node_or_array(numbers(x, like))
    if x.dtype != like.dtype:
        found = describe(raw_array(x))
        raise TypeError(f"{name}: {what} is {found}, expected {like.dtype}, as input is")
    return x


def times(name: str, weight: Any, losses: TensorNode) -> TensorNode:
    """Multiply losses by the weight of each element, which is broadcast to their shape."""
    weight = like_input(name, "weight", weight, losses)
    if broadcast_shape(name, weight.shape, losses.shape) != tuple(losses.shape):
        found = f"weight {tuple(weight.shape)} and input {tuple(losses.shape)} do not fit"
        raise ValueError(f"{name}: {found}; expected a weight that can be broadcast to the input")
    return ops.Weighted.do_forward(weight, losses)


def weighted_each(name: str, losses: TensorNode, weight: Any) -> tuple[TensorNode, Any]:
    """Multiply losses by the weight of each element, of their shape; give that weight too.

    Raises:
        ValueError: the weight is of another shape.
    """
    if weight is None:
        return losses, None
    weight = like_input(name, "weight", weight, losses)
    if tuple(weight.shape) != tuple(losses.shape):
        found, expected = tuple(weight.shape), tuple(losses.shape)
        raise ValueError(f"{name}: weight has shape {found}, expected {expected}, as input has")
    return ops.Weighted.do_forward(weight, losses), weight


def class_weight(name: str, weight: Any, input: NodeOrArray) -> Array | None:
    """Convert the weight of each class to an array (C,), for an input (N, C, ...).

    Raises:
        TypeError: the weight is of another dtype than the input.
        ValueError: the weight is of another shape.
    """
    if weight is None:
        return None
    weight = raw_array(like_input(name, "weight", weight, input))
    classes = raw_array(input).shape[1]
    if tuple(weight.shape) != (classes,):
        shape = tuple(weight.shape)
        raise ValueError(f"{name}: weight has shape {shape}, expected ({classes},)")
    return weight


def reduced(
    name: str, losses: TensorNode, reduction: str, shares: NodeOrArray | None = None
) -> TensorNode:
    """Reduce the losses to their sum or mean. With shares, the mean is the sum of the losses
    divided by the sum of the shares.

    Raises:
        ValueError: there is no such reduction.
    """
    if reduction == "none":
        return losses
    if reduction == "sum":
        return array_api.sum(losses)
    if reduction == "mean" and shares is not None:
        mean = array_api.sum(widened(losses)) / namespace(shares).sum(widened(shares))
        return array_api.astype(mean, losses.dtype, copy=False)
    if reduction == "mean":
        return array_api.mean(losses)
    raise ValueError(f"{name}: reduction = {reduction!r}, expected 'mean', 'sum' or 'none'")
