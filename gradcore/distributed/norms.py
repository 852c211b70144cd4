"""Batch norm with the statistics of all ranks."""

from __future__ import annotations

from functools import cache
from math import prod
from typing import Any

from .. import array_api
from ..backends import Array
from ..engine.arrays import namespace, raw_array, widened
from ..engine.modes import is_recomputing
from ..graph import Context, Op, TensorNode
from ..nn import BatchNorm1d, Module
from ..nn.normalization import InstanceNorm1d
from ..ops import BatchNormInference
from .communicator import Communicator
from .parallel import Loss
from .world import world

__all__ = ["AllReduce", "synchronize_norms"]


class AllReduce(Op):
    """The sum of x over all ranks, on each rank; a part of what all of them compute.

    Its gradient is the sum of the ranks' gradients, of which each counts by its `weight`: as the
    loss of the rank does in the loss of all. What `DataParallel` averages later has that weight
    then, so the gradient is divided by this rank's.
    """

    @staticmethod
    def forward(
        context: Context, x: Array, *, communicator: Communicator, weight: float = 1.0
    ) -> Array:
        context["communicator"], context["weight"] = communicator, weight
        return communicator.allreduce(x)

    @staticmethod
    def backward(context: Context, go: Any) -> Any:
        weight, xp = context["weight"], namespace(go)
        weighted = go * weight if weight else xp.zeros_like(go)  # of no instances, it is NaN
        return AllReduce.apply(weighted, communicator=context["communicator"]) / (weight or 1.0)


class Synchronized(BatchNorm1d):
    """A batch norm whose mean and variance, in training, are those of all ranks' instances."""

    communicator: Communicator
    loss: Loss

    def forward(
        self, x: TensorNode | Array, residual: TensorNode | Array | None = None
    ) -> TensorNode:
        if not self.training and self.running_mean is not None:
            return super().forward(x, residual)
        raw = raw_array(x)
        n, axes = raw.shape[0] * prod(raw.shape[2:]), (0, *range(2, raw.ndim))
        each, wide = (-1, *[1] * (raw.ndim - 2)), widened(x)
        among = {
            "communicator": self.communicator,
            "weight": float(n) if self.loss == "mean" else 1.0,
        }
        kind = {"dtype": raw_array(wide).dtype, "device": raw.device}
        counted = array_api.concat(
            [array_api.sum(wide, axis=axes), namespace(raw).full((1,), float(n), **kind)]
        )
        sums = AllReduce.do_forward(counted, **among)
        total = sums[-1:]
        mean = sums[:-1] / total
        centered = wide - array_api.reshape(mean, each)
        squares = array_api.sum(centered * centered, axis=axes)
        variance = AllReduce.do_forward(squares, **among) / total
        self._follow(mean.value, variance.value, total.value)
        ones = namespace(raw).ones_like(mean.value)
        w, b = (ones if self.w is None else self.w), (0.0 * ones if self.b is None else self.b)
        more = () if residual is None else (residual,)
        options: dict[str, Any] = {"eps": self.eps, "relu": self.relu}
        return BatchNormInference.do_forward(x, w, b, mean, variance, *more, **options)

    def _follow(self, mean: Array, variance: Array, total: Array) -> None:
        """Update the running mean and variance, the latter with the unbiased variance."""
        if is_recomputing.get() or self.running_mean is None:
            return
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        xp = namespace(mean)
        self.num_batches_tracked.value = self.num_batches_tracked.value + 1
        part: Any = self.momentum
        if part is None:
            part = 1.0 / xp.astype(self.num_batches_tracked.value, mean.dtype)
        unbiased = variance * (total / (total - 1.0))
        for node, new in ((self.running_mean, mean), (self.running_var, unbiased)):
            node.value = node.value + (xp.astype(new, node.value.dtype) - node.value) * part


def synchronize_norms(
    module: Module, communicator: Communicator | None = None, loss: Loss = "mean"
) -> Module:
    """Have the batch norms in a module compute the mean and variance of all ranks' instances, as
    one process with the whole batch does; their gradients, too. The module is changed, and given
    back.

    Args:
        communicator: of the ranks; `None`: `world()`.
        loss: as for `DataParallel`.

    Example:
        >>> def normalized():
        ...     norm = gradcore.distributed.synchronize_norms(nn.BatchNorm1d(1))
        ...     rank = gradcore.distributed.world().rank
        ...     return norm(np.array([[2.0 * rank], [2.0 * rank]], "float32")).value[0, 0].round(3)
        >>> print(*gradcore.distributed.run_threads(2, normalized))  # of 0, 0, 2, 2
        -1.0 1.0
    """
    here = communicator or world()
    for norm in module.modules():
        is_one = isinstance(norm, BatchNorm1d) and not isinstance(norm, InstanceNorm1d)
        if is_one and here.size > 1:
            kind: Any = type(norm)
            norm.__class__ = _synchronized(kind)
            vars(norm).update(communicator=here, loss=loss)
    return module


@cache
def _synchronized(kind: Any) -> type[Synchronized]:
    """Make the class of such layers whose norm is synchronized."""
    if issubclass(kind, Synchronized):
        return kind
    return type(f"Synchronized{kind.__name__}", (Synchronized, kind), {})
