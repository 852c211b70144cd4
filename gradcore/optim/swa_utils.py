"""Averages of a model's parameters over the steps of its training: exponential ones, and plain ones
(stochastic weight averaging, https://arxiv.org/abs/1803.05407).

    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))
    for batch in batches:
        ...
        optimizer.step()
        averaged.update_parameters(model)
    update_bn(batches, averaged)

Names are those of torch.optim.swa_utils. Functions of averages give new arrays, in place of writing
into those that they are given; only those of `get_ema_multi_avg_fn` may write into the averages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from math import cos, pi
from typing import Any

from ..backends import Array, backend_of, default
from ..engine.arrays import copied, fits, is_floating, namespace, node_or_array
from ..graph import TensorNode
from ..nn.module import Module
from ..nn.normalization import BatchNorm1d, InstanceNorm1d
from .scheduler import LRScheduler, Scheduled, for_each_group

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

Average = Callable[[Array, Array, Array], Array]
Averages = Callable[[list[Array], list[Array], Array], Sequence[Array]]


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """Make the function that gives `decay` times the average plus `1 - decay` times the new value.

    Raises:
        ValueError: `decay` is not in [0, 1].

    Example:
        >>> average = get_ema_avg_fn(decay=0.9)
        >>> print(average(np.array([1.0]), np.array([2.0]), np.array(5)))
        [1.1]
    """
    if not 0 <= decay <= 1:
        raise ValueError(f"get_ema_avg_fn: decay = {decay!r}, expected a number from 0 to 1")
    return lambda average, new, _: average + (new - average) * (1 - decay)


def get_swa_avg_fn() -> Average:
    """Make the function that gives the plain average of all values.

    Example:
        >>> average = get_swa_avg_fn()
        >>> print(average(np.array([1.0]), np.array([2.0]), np.array(4)))  # (4 * 1 + 2) / 5
        [1.2]
    """
    return lambda average, new, count: average + (new - average) / (count + 1)


def get_ema_multi_avg_fn(decay: float = 0.999) -> Averages:
    """Make the function of `get_ema_avg_fn` for lists of arrays, all of one dtype on one device: on
    CuPy it is one launch, which writes into the averages.

    Raises:
        ValueError: `decay` is not in [0, 1].

    Example:
        >>> average = get_ema_multi_avg_fn(decay=0.9)
        >>> print(*average([np.array([1.0])], [np.array([2.0])], np.array(5)))
        [1.1]
    """
    get_ema_avg_fn(decay)  # which checks it
    return lambda averages, news, _: backend_of(averages[0]).lerp_all(averages, news, 1 - decay)


def get_swa_multi_avg_fn() -> Averages:
    """Make the function of `get_swa_avg_fn` for lists of arrays.

    Example:
        >>> average = get_swa_multi_avg_fn()
        >>> print(*average([np.array([1.0])], [np.array([2.0])], np.array(4)))
        [1.2]
    """
    return _of_lists(get_swa_avg_fn())


def _of_lists(function: Average) -> Averages:
    def compute(averages: list[Array], news: list[Array], count: Array) -> list[Array]:
        return [function(x, new, count) for x, new in zip(averages, news, strict=True)]

    return compute


class AveragedModel(Module):
    """Average the parameters of a model: a copy of the model, as `module`, with the averages.

    Args:
        avg_fn: gives the new average from the average, the model's value and how many values the
            average is of: arrays, the last one of no dimensions. `None`: the plain average.
        multi_avg_fn: the same for lists of averages and of values; gives a list.
        use_buffers: whether to average also what belongs to the state but is not trained, such as
            running means. Otherwise, and where it is of integers, it is the model's.

    Attributes:
        module: the copy.
        n_averaged: how many values the averages are of, int64, of no dimensions.

    Raises:
        ValueError: there are both `avg_fn` and `multi_avg_fn`.

    Example:
        >>> model = nn.Linear(1, 1)
        >>> average = AveragedModel(model)
        >>> for value in [1.0, 2.0, 6.0]:
        ...     w = nn.init.constant_(model.w, value)
        ...     average.update_parameters(model)
        ...
        >>> print(average.module.w, average.n_averaged)
        [[3.]] 3
    """

    def __init__(
        self,
        model: Module,
        avg_fn: Average | None = None,
        multi_avg_fn: Averages | None = None,
        use_buffers: bool = False,
    ) -> None:
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("AveragedModel: found avg_fn and multi_avg_fn, expected one of them")
        self.module = deepcopy(model)
        zero = default().asarray(0, "int64")
        self.n_averaged = TensorNode(zero, requires_grad=False)
        self.averages = multi_avg_fn or _of_lists(avg_fn or get_swa_avg_fn())
        self.use_buffers = use_buffers

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return self.module(*inputs, **options)

    def update_parameters(self, model: Module) -> None:
        """Take the values that the model has now into the averages.

        Example:
            >>> model = nn.Linear(1, 1)
            >>> average = AveragedModel(model, avg_fn=get_ema_avg_fn(0.9))
            >>> for value in [1.0, 2.0]:
            ...     w = nn.init.constant_(model.w, value)
            ...     average.update_parameters(model)
            ...
            >>> print(average.module.w)  # 0.9 * 1 + 0.1 * 2
            [[1.1]]
        """
        name = "AveragedModel.update_parameters"
        others: list[tuple[TensorNode, TensorNode]] = []
        pairs = _pairs(name, self.module.parameters(), model.parameters())
        buffers = _pairs(name, self.module.buffers(), model.buffers())
        (pairs if self.use_buffers else others).extend(buffers)
        averaged: dict[Any, list[tuple[TensorNode, TensorNode]]] = {}
        for p, q in pairs:
            if self._has_begun() and is_floating(p.value):
                averaged.setdefault((p.value.dtype, str(p.value.device)), []).append((p, q))
            else:
                others.append((p, q))
        for p, q in others:
            is_alike = fits(q.value, p.value) and q.value.device == p.value.device
            p.value = copied(q.value) if is_alike else copied(q.value, p.value)
        count = self.n_averaged.value
        for pairs in averaged.values():
            old = [p.value for p, _ in pairs]
            new = [q.value for _, q in pairs]
            xp = namespace(old[0])
            n = xp.asarray(count, dtype=old[0].dtype, device=old[0].device)
            for (p, _), x in zip(pairs, self.averages(old, new, n), strict=True):
                p.value = node_or_array(x)
        self.n_averaged.value = node_or_array(count + 1)
        self._begun = True

    def _has_begun(self) -> bool:
        """Whether there are averages; read from the device until there are."""
        return getattr(self, "_begun", False) or int(self.n_averaged) > 0


def _pairs(
    what: str, mine: Sequence[TensorNode], its: Sequence[TensorNode]
) -> list[tuple[TensorNode, TensorNode]]:
    """Pair the nodes of two models; an error begins with `what`."""
    ours, theirs = ([p.shape for p in nodes] for nodes in (mine, its))
    if ours != theirs:
        raise ValueError(f"{what}: found a model of other parameters: {theirs}, expected {ours}")
    return list(zip(mine, its, strict=True))


def update_bn(loader: Iterable[Any], model: Module) -> None:
    """Compute the running means and variances of a model's batch norms anew, over all batches.

    Args:
        loader: the batches; of a batch that is a tuple or list, the first is the model's input.

    Example:
        >>> model = nn.Sequential(nn.BatchNorm1d(2))
        >>> update_bn([TensorNode([[1.0, 10.0], [3.0, 30.0]])], model)
        >>> print(model[0].running_mean)
        [ 2. 20.]
    """
    norms = [
        m
        for m in model.modules()
        if isinstance(m, BatchNorm1d)
        and not isinstance(m, InstanceNorm1d)
        and m.track_running_stats
    ]
    if not norms:
        return
    modes = [(m, m.training) for m in model.modules()]
    momenta = [norm.momentum for norm in norms]
    model.train()
    try:
        for norm in norms:
            start = ((norm.running_mean, 0), (norm.running_var, 1), (norm.num_batches_tracked, 0))
            for node, x in start:
                if node is not None:
                    node.value = namespace(node.value).full_like(node.value, x)
            norm.momentum = None  # the plain average
        for batch in loader:
            model(batch[0] if isinstance(batch, list | tuple) else batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, mode in modes:
            module.training = mode


class SWALR(LRScheduler):
    """Go from the learning rate there is to `swa_lr` in `anneal_epochs` steps, and stay there.

    Args:
        swa_lr: a number, or a list with one for each group.
        anneal_strategy: the way there: "cos" (half a period of the cosine) or "linear".

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> optimizer = optim.SGD([TensorNode([1.0])], lr=1.0)
        >>> schedule = SWALR(optimizer, swa_lr=0.2, anneal_epochs=2, anneal_strategy="linear")
        >>> rates = []
        >>> for _ in range(4):
        ...     rates.append(round(optimizer.lr, 3))
        ...     schedule.step()
        ...
        >>> print(rates)
        [1.0, 0.6, 0.2, 0.2]
    """

    def __init__(
        self,
        optimizer: Scheduled,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        self._require_optimizer(optimizer)
        self.swa_lrs = for_each_group("SWALR", "swa_lr", swa_lr, optimizer)
        for lr in self.swa_lrs:
            self._require_not_negative("swa_lr", lr)
        self._require_one_of("anneal_strategy", anneal_strategy, "cos", "linear")
        self._require_not_negative("anneal_epochs", anneal_epochs)
        self.anneal_epochs, self.anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def done(self, steps: int) -> float:
        """Compute which part of the way is made after so many steps."""
        part = max(0.0, min(1.0, steps / max(1, self.anneal_epochs)))
        return part if self.anneal_strategy == "linear" else (1 - cos(pi * part)) / 2

    def get_lr(self) -> list[float]:
        """Compute the learning rates from those that there are, and what was made of the way."""
        steps = self.last_epoch if self.anneal_epochs else max(1, self.last_epoch)
        before, now = self.done(steps - 1), self.done(steps)
        rates = list[float]()
        for group, end in zip(self.optimizer.param_groups, self.swa_lrs, strict=True):
            start = end if before == 1 else (group["lr"] - before * end) / (1 - before)
            rates.append(end * now + start * (1 - now))
        return rates
