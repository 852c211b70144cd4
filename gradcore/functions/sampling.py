"""Random numbers, drawn on the host by the generator that `manual_seed` starts: the same on every
backend. They are constants."""

from __future__ import annotations

from math import prod
from typing import Any

from ..array_api.common import NodeOrArray
from ..backends import backend_of, default
from ..backends.random import generator
from ..engine.arrays import describe, integers, is_integer, namespace, raw_array
from ..graph import TensorNode
from ..replay.recording import drawn

__all__ = ["bernoulli", "multinomial", "rand", "randint", "randn", "randperm"]


def _constant(host: Any, dtype: Any) -> TensorNode:
    return TensorNode(default().asarray(host, dtype), requires_grad=False)


def _shape(shape: tuple[Any, ...]) -> tuple[int, ...]:
    return integers(shape[0]) if len(shape) == 1 else integers(shape)


def rand(*shape: Any, dtype: Any = "float32") -> TensorNode:
    """Draw numbers from 0 to 1: `rand(2, 3)` or `rand((2, 3))`."""
    return _constant(generator().random(_shape(shape)), dtype)


def randn(*shape: Any, dtype: Any = "float32") -> TensorNode:
    """Draw numbers from the normal distribution of mean 0 and deviation 1: `randn(2, 3)`."""
    return _constant(generator().normal(size=_shape(shape)), dtype)


def randint(low: int, high: int, shape: Any, dtype: Any = "int64") -> TensorNode:
    """Draw integers from `low` to `high`, which is none of them."""
    return _constant(generator().integers(low, high, integers(shape)), dtype)


def randperm(n: int, dtype: Any = "int64") -> TensorNode:
    """Put 0, 1, ..., n - 1 in a random order."""
    return _constant(generator().permutation(n), dtype)


def bernoulli(p: NodeOrArray) -> TensorNode:
    """Draw 1 with the probability p of each element, else 0, in the dtype of p. Replays of a
    captured step draw anew."""
    p = raw_array(p)
    uniform = drawn(lambda: generator().random(tuple(p.shape)), p)
    return TensorNode(namespace(p).astype(uniform < p, p.dtype), requires_grad=False)


def multinomial(weights: NodeOrArray, num_samples: int, replacement: bool = False) -> TensorNode:
    """Draw indices of the weights (M,) or (N, M), in each row by themselves, each with the
    probability that its weight is of the sum: (num_samples,) or (N, num_samples).

    The host reads the weights, and draws.

    Args:
        replacement: whether an index may be drawn again.

    Raises:
        ValueError: a weight is negative or not finite, a row has only zeros; or without
            replacement, a row has fewer weights that are not 0 than there are samples.
    """
    weights = raw_array(weights)
    backend = backend_of(weights)
    host = backend.to_numpy(weights)
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
        uniform = generator().random((*w.shape[:-1], num_samples)) * sums[..., -1:]
        found = lib.sum(uniform[..., None] >= sums[..., None, :], axis=-1)
    else:  # the first to come, of waiting times with these rates
        waits = generator().exponential(size=w.shape) / lib.where(w > 0, w, 1.0)
        waits = lib.where(w > 0, waits, lib.inf)
        found = lib.argsort(waits, axis=-1)[..., :num_samples]
    made = namespace(weights).asarray(lib.astype(found, lib.int64), device=weights.device)
    return TensorNode(made, requires_grad=False)
