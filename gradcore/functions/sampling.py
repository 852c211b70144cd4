"""Random numbers, drawn on the host by the generator that `manual_seed` starts: the same on every
backend. They are constants."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from ..array_api.common import NodeOrArray
from ..backends import backend_of
from ..backends.random import generator
from ..engine.arrays import describe, integers, is_integer, namespace, raw_array
from ..graph import TensorNode
from ..replay.recording import drawn
from ..transforms.custom import stop_gradient
from .activations import softmax

__all__ = ["bernoulli", "gumbel_softmax", "multinomial", "rand", "rand_like", "randint", "randn",
           "randn_like", "randperm"]  # fmt: skip


def _drawn(function: Callable[[], Any], dtype: Any, requires_grad: bool = False) -> TensorNode:
    return TensorNode(drawn(function, dtype=dtype), requires_grad=requires_grad)


def _shape(shape: tuple[Any, ...]) -> tuple[int, ...]:
    return integers(shape[0]) if len(shape) == 1 else integers(shape)


def rand(*shape: Any, dtype: Any = "float32", requires_grad: bool = False) -> TensorNode:
    """Draw numbers from 0 to 1: `rand(2, 3)` or `rand((2, 3))`.

    Example:
        >>> x = gradcore.rand(2, 3)
        >>> print(x.shape, bool((x.value >= 0).all() and (x.value < 1).all()))
        (2, 3) True
    """
    return _drawn(lambda: generator().random(_shape(shape)), dtype, requires_grad)


def randn(*shape: Any, dtype: Any = "float32", requires_grad: bool = False) -> TensorNode:
    """Draw numbers from the normal distribution of mean 0 and deviation 1: `randn(2, 3)`.

    Example:
        >>> x = gradcore.randn(1000)
        >>> print(x.shape, bool(abs(x.value.mean()) < 0.2))
        (1000,) True
    """
    return _drawn(lambda: generator().normal(size=_shape(shape)), dtype, requires_grad)


def rand_like(x: NodeOrArray) -> TensorNode:
    """Draw numbers from 0 to 1, of the shape and dtype of x, and on its device.

    Example:
        >>> gradcore.rand_like(TensorNode([[1.0, 2.0, 3.0]])).shape
        (1, 3)
    """
    like = raw_array(x)
    x = drawn(lambda: generator().random(tuple(like.shape)), like)
    return TensorNode(x, requires_grad=False)


def randn_like(x: NodeOrArray) -> TensorNode:
    """Draw numbers from the normal distribution of mean 0 and deviation 1, of the shape and dtype
    of x, and on its device.

    Example:
        >>> gradcore.randn_like(TensorNode([[1.0, 2.0, 3.0]])).shape
        (1, 3)
    """
    like = raw_array(x)
    x = drawn(lambda: generator().normal(size=tuple(like.shape)), like)
    return TensorNode(x, requires_grad=False)


def gumbel_softmax(
    logits: NodeOrArray, tau: float = 1.0, hard: bool = False, axis: int = -1
) -> TensorNode:
    """Draw one of the classes along the axis, in a way that has a gradient: the softmax of
    (logits + noise) / tau (https://arxiv.org/abs/1611.01144).

    Args:
        tau: the smaller, the nearer the result is to a 1 among zeros.
        hard: whether the result is a 1 among zeros, with the gradient of the soft one.

    Example:
        >>> y = gradcore.gumbel_softmax(TensorNode([[1.0, 2.0, 3.0]]), tau=0.5, hard=True)
        >>> print(y.shape, y.value.sum())
        (1, 3) 1.0
    """
    like = raw_array(logits)
    noise = drawn(lambda: generator().gumbel(size=tuple(like.shape)), like)
    y = softmax((logits + TensorNode(noise, requires_grad=False)) / tau, axis)
    if not hard:
        return y
    lib = namespace(like)
    shape = tuple([-1 if i == axis % like.ndim else 1 for i in range(like.ndim)])
    classes = lib.reshape(lib.arange(like.shape[axis], device=like.device), shape)
    chosen = classes == lib.argmax(y.value, axis=axis, keepdims=True)
    return (y - stop_gradient(y)) + lib.astype(chosen, like.dtype)


def randint(low: int, high: int, shape: Any, dtype: Any = "int64") -> TensorNode:
    """Draw integers from `low` to `high`, which is none of them.

    Example:
        >>> x = gradcore.randint(1, 7, (100,))  # as many throws of a die
        >>> print(x.value.min(), x.value.max())
        1 6
    """
    return _drawn(lambda: generator().integers(low, high, integers(shape)), dtype)


def randperm(n: int, dtype: Any = "int64") -> TensorNode:
    """Put 0, 1, ..., n - 1 in a random order.

    Example:
        >>> print(np.sort(gradcore.randperm(5).value))
        [0 1 2 3 4]
    """
    return _drawn(lambda: generator().permutation(n), dtype)


def bernoulli(p: NodeOrArray) -> TensorNode:
    """Draw 1 with the probability p of each element, else 0, in the dtype of p.

    Example:
        >>> print(gradcore.bernoulli(TensorNode([0.0, 0.5, 1.0])).value[[0, 2]])
        [0. 1.]
    """
    p = raw_array(p)
    chosen = drawn(lambda: generator().random(tuple(p.shape)), p) < p
    return TensorNode(namespace(p).astype(chosen, p.dtype), requires_grad=False)


def multinomial(weights: NodeOrArray, num_samples: int, replacement: bool = False) -> TensorNode:
    """Draw indices of the weights (M,) or (N, M), in each row by themselves, each with the
    probability that its weight is of the sum: (num_samples,) or (N, num_samples).

    The host reads the weights, and draws.

    Args:
        replacement: whether an index may be drawn again.

    Raises:
        ValueError: a weight is negative or not finite, a row has only zeros; or without
            replacement, a row has fewer weights that are not 0 than there are samples.

    Example:
        >>> chosen = gradcore.multinomial(TensorNode([0.0, 1.0, 0.0]), 4, replacement=True)
        >>> print(chosen.value)
        [1 1 1 1]
    """
    weights = raw_array(weights)
    host = backend_of(weights).to_numpy(weights)
    lib = namespace(host)
    w = lib.astype(host, lib.float64)
    if w.ndim not in (1, 2) or not w.shape[-1]:
        raise ValueError(f"multinomial: weights {describe(weights)}, expected (M,) or (N, M)")
    if not (is_integer(num_samples) and num_samples > 0):
        raise ValueError(f"multinomial: num_samples = {num_samples}, expected a positive integer")
    if lib.any(~lib.isfinite(w)) or lib.any(w < 0) or lib.any(lib.sum(w, axis=-1) <= 0):
        raise ValueError("multinomial: weights must be finite, not negative, and not all 0")
    least = int(lib.min(lib.sum(lib.astype(w > 0, lib.int64), axis=-1))) if prod(w.shape) else 0
    if not replacement and prod(w.shape) and num_samples > least:
        raise ValueError(
            f"multinomial: {num_samples} samples of {least} weights that are not 0; say "
            "replacement=True"
        )
    if replacement:
        sums = lib.cumulative_sum(w, axis=-1)
        at = generator().random((*w.shape[:-1], num_samples)) * sums[..., -1:]
        found = lib.sum(at[..., None] >= sums[..., None, :], axis=-1)
    else:  # the first to come, of waiting times with these rates
        waits = generator().exponential(size=w.shape) / lib.where(w > 0, w, 1.0)
        waits = lib.where(w > 0, waits, lib.inf)
        found = lib.argsort(waits, axis=-1)[..., :num_samples]
    found = namespace(weights).asarray(lib.astype(found, lib.int64), device=weights.device)
    return TensorNode(found, requires_grad=False)
