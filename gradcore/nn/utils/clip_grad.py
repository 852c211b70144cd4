"""Make gradients smaller where they are too large, between the backward pass and the step.

    loss.backward()
    norm = clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()

Nothing here waits for the device, unless it is to raise an error. With `optim.MixedPrecision`, see
there where to clip.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite, prod
from typing import Any

from ...backends import Array, backend_of, default
from ...engine.arrays import (
    copied,
    is_complex,
    namespace,
    node_or_array,
    raw_array,
    real_dtype,
    wide_dtype,
)
from ...engine.ownership import is_alone
from ...graph import TensorNode

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]

Nodes = TensorNode | Iterable[TensorNode]


def clip_grad_norm_(
    parameters: Nodes,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,  # noqa: ARG001
) -> Array:
    """Multiply the gradients of the parameters so that their norm, as of one vector, is at most
    `max_norm`.

    Args:
        parameters: nodes, or one; those without a gradient don't count.
        norm_type: 2, or any other p of a p-norm; infinity for the largest element; 0 counts the
            gradients that are not all zeros, as in PyTorch.
        foreach: has no effect.

    Returns:
        The norm before, an array of no dimensions; of gradients of 16 bits in float32.

    Raises:
        RuntimeError: with `error_if_nonfinite`, the norm is not finite; no gradient is changed.

    Example:
        >>> w = TensorNode([1.0, 1.0])
        >>> (3.0 * w[0] + 4.0 * w[1]).backward()
        >>> print(nn.utils.clip_grad_norm_([w], max_norm=1.0), w.grad.round(3))
        5.0 [0.6 0.8]
    """
    nodes = _with_gradients(parameters)
    gradients = [p.grad for p in nodes]
    norm = get_total_norm(gradients, norm_type, error_if_nonfinite)
    del gradients  # which would be another holder of the arrays
    clip_grads_with_norm_(nodes, max_norm, norm)
    return norm


def get_total_norm(
    tensors: Any,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,  # noqa: ARG001
) -> Array:
    """Compute the norm of arrays or nodes, or of one, as of one vector: an array of no dimensions.

    Raises:
        RuntimeError: with `error_if_nonfinite`, the norm is not finite.

    Example:
        >>> print(nn.utils.get_total_norm([np.array([3.0]), np.array([[0.0, 4.0]])]))
        5.0
    """
    is_one = isinstance(tensors, TensorNode) or hasattr(tensors, "dtype")
    given = [x for x in map(raw_array, [tensors] if is_one else tensors) if prod(x.shape)]
    if not given:
        return default().asarray(0.0)
    order, first = float(norm_type), given[0]
    if len(set(map(_kind, given))) > 1:  # of several dtypes or devices
        norms = [backend_of(x).norm_all([x], order) for x in given]
        like = {"dtype": namespace(first).result_type(*norms), "device": first.device}
        given = [namespace(first).asarray(norm, **like) for norm in norms]
    total = backend_of(first).norm_all(given, order)
    if error_if_nonfinite and not isfinite(float(total)):
        raise RuntimeError(
            f"get_total_norm: the norm of order {order:g} is {float(total)}, expected a finite "
            "number; look for NaN and infinity in the gradients, or say error_if_nonfinite=False"
        )
    return node_or_array(total)


def clip_grads_with_norm_(
    parameters: Nodes,
    max_norm: float,
    total_norm: Any,
    foreach: bool | None = None,  # noqa: ARG001
) -> None:
    """Multiply the gradients of the parameters by `max_norm / (total_norm + 1e-6)`, if that is less
    than 1.

    Example:
        >>> w = TensorNode([1.0, 1.0])
        >>> (3.0 * w[0] + 4.0 * w[1]).backward()
        >>> nn.utils.clip_grads_with_norm_([w], max_norm=1.0, total_norm=10.0)
        >>> print(w.grad.round(3))
        [0.3 0.4]
    """
    nodes = _with_gradients(parameters)
    if not nodes:
        return
    alike: dict[object, list[TensorNode]] = {}
    for p in nodes:
        alike.setdefault(_kind(p.value), []).append(p)
    for some in alike.values():
        x = some[0].value
        dtype = real_dtype(x) if is_complex(x) else wide_dtype(x)
        norm = namespace(x).asarray(raw_array(total_norm), dtype=dtype, device=x.device)
        gradients = [
            p._grad
            if is_alone(p, "_grad") and not isinstance(p._grad, TensorNode)
            else copied(raw_array(p.grad))
            for p in some
        ]
        results = backend_of(x).clip_all(gradients, norm, float(max_norm))
        for p, gradient in zip(some, results, strict=True):
            p.grad = gradient


def clip_grad_value_(
    parameters: Nodes,
    clip_value: float,
    foreach: bool | None = None,  # noqa: ARG001
) -> None:
    """Set the elements of gradients that are above `clip_value` to it, and those below
    `-clip_value` to that.

    Raises:
        TypeError: a gradient is complex.

    Example:
        >>> w = TensorNode([1.0, 1.0])
        >>> (3.0 * w[0] - 0.5 * w[1]).backward()
        >>> nn.utils.clip_grad_value_([w], 1.0)
        >>> print(w.grad)
        [ 1.  -0.5]
    """
    for p in _with_gradients(parameters):
        if is_complex(p.value):
            raise TypeError("clip_grad_value_: a gradient is complex, expected real numbers")
        xp, limit = namespace(p.value), float(clip_value)
        p.grad = xp.minimum(xp.maximum(raw_array(p.grad), -limit), limit)


def _kind(x: Array) -> object:
    return type(x), x.dtype, str(x.device)


def _with_gradients(parameters: Nodes) -> list[TensorNode]:
    """List the nodes that have a gradient, each once."""
    nodes = [parameters] if isinstance(parameters, TensorNode) else parameters
    return [p for p in dict.fromkeys(nodes) if p.has_grad]
