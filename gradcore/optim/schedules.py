"""Schedules: change learning rates, and some the momentum too, from step to step.

    optimizer = SGD(model.parameters(), lr=0.1)
    schedule = CosineAnnealingLR(optimizer, T_max=100)
    for epoch in range(100):
        ...
        schedule.step()

Names and definitions are those of torch.optim.lr_scheduler, in closed form. To begin with a
warm-up:

    warmup, decay = LinearLR(optimizer, total_iters=5), CosineAnnealingLR(optimizer, T_max=95)
    schedule = SequentialLR(optimizer, [warmup, decay], milestones=[5])

Several schedules of one optimizer, each with its own steps, multiply the learning rate. (PyTorch's
`CosineAnnealingLR` multiplies only what is above `eta_min`; with others beside it, the two differ
where `eta_min` is not 0, and after `T_max` steps.) `OneCycleLR`, `CyclicLR` and `SequentialLR` take
the place of those made before them; at each of their steps, as at those of `LambdaLR` and
`CosineAnnealingWarmRestarts`, the learning rate is theirs alone.

A learning rate that you write into `optimizer.param_groups` is the one from which the schedules go
on: half the rate stays half of what it would have been. (PyTorch's `LambdaLR` and
`CosineAnnealingWarmRestarts` forget it in their next step.) One that you set by `optimizer.lr` is
the `initial_lr` that they start from.
"""

from __future__ import annotations

import reprlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import floor, inf
from typing import Any

from ..engine.arrays import is_integer
from ..replay.recording import each_replay
from .scheduler import LRScheduler, Scheduled, cosine, for_each_group, linear, ranges

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]


class LambdaLR(LRScheduler):
    """Multiply the initial learning rate by `lr_lambda(steps)`, or that of each group by the
    function for this group in a list.

    Raises:
        ValueError: there are not as many functions as groups.

    Example:
        >>> optimizer = optim.SGD([TensorNode([1.0])], lr=1.0)
        >>> schedule = optim.LambdaLR(optimizer, lambda steps: 1 / (1 + steps))
        >>> rates = []
        >>> for _ in range(4):
        ...     rates.append(round(optimizer.lr, 3))
        ...     schedule.step()
        ...
        >>> print(rates)
        [1.0, 0.5, 0.333, 0.25]
    """

    multiplies = False

    def __init__(
        self,
        optimizer: Scheduled,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self._require_optimizer(optimizer)
        self.lr_lambdas = for_each_group(type(self).__name__, "lr_lambda", lr_lambda, optimizer)
        for function in self.lr_lambdas:
            if not callable(function):
                given = type(function).__name__
                raise TypeError(f"{type(self).__name__}: lr_lambda is a {given}, not a function")
        super().__init__(optimizer, last_epoch)

    def settings(self, steps: float) -> list[dict[str, Any]]:
        pairs = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [{"lr": start * factor(steps)} for start, factor in pairs]


class MultiplicativeLR(LambdaLR):
    """Multiply the learning rate by `lr_lambda(steps)` at each step, or that of each group by the
    function for this group in a list.

    Example:
        >>> optimizer = optim.SGD([TensorNode([1.0])], lr=1.0)
        >>> schedule = optim.MultiplicativeLR(optimizer, lambda steps: 0.5)
        >>> rates = []
        >>> for _ in range(4):
        ...     rates.append(optimizer.lr)
        ...     schedule.step()
        ...
        >>> print(rates)
        [1.0, 0.5, 0.25, 0.125]
    """

    multiplies = True
    _products: tuple[int, list[float]] | None = None  # after how many steps, and for each group

    def settings(self, steps: float) -> list[dict[str, Any]]:
        done, products = self._products or (0, [1.0] * len(self.lr_lambdas))
        if done > steps:
            done, products = 0, [1.0] * len(self.lr_lambdas)
        for k in range(done + 1, floor(steps) + 1):
            products = [x * f(k) for x, f in zip(products, self.lr_lambdas, strict=True)]
        self._products = floor(steps), products
        pairs = zip(self.base_lrs, products, strict=True)
        return [{"lr": start * product} for start, product in pairs]


class StepLR(LRScheduler):
    """Multiply the learning rate by `gamma` every `step_size` steps.

    Raises:
        ValueError: `step_size` is no positive integer, or `gamma` negative.

    Example:
        >>> optimizer = optim.SGD([TensorNode([1.0])], lr=1.0)
        >>> schedule = optim.StepLR(optimizer, step_size=2, gamma=0.1)
        >>> rates = []
        >>> for _ in range(5):
        ...     rates.append(round(optimizer.lr, 3))
        ...     schedule.step()
        ...
        >>> print(rates)
        [1.0, 1.0, 0.1, 0.1, 0.01]
    """

    def __init__(
        self, optimizer: Scheduled, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self._require_count("step_size", step_size)
        self._require_not_negative("gamma", gamma)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, steps: float) -> float:
        return self.gamma ** (steps // self.step_size)


class MultiStepLR(LRScheduler):
    """Multiply the learning rate by `gamma` at each of the milestones.

    Raises:
        ValueError: a milestone is no integer, or `gamma` negative.

    Example:
        >>> optimizer = optim.SGD([TensorNode([1.0])], lr=1.0)
        >>> schedule = optim.MultiStepLR(optimizer, milestones=[1, 3], gamma=0.1)
        >>> rates = []
        >>> for _ in range(5):
        ...     rates.append(round(optimizer.lr, 3))
        ...     schedule.step()
        ...
        >>> print(rates)
        [1.0, 0.1, 0.1, 0.01, 0.01]
    """

    def __init__(
        self,
        optimizer: Scheduled,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones = sorted(milestones)
        all_are = all(map(is_integer, self.milestones))
        self._require(all_are, "milestones", self.milestones, "integers")
        self._require_not_negative("gamma", gamma)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, steps: float) -> float:
        return self.gamma ** bisect_right(self.milestones, steps)


class ConstantLR(LRScheduler):
    """Multiply the learning rate by `factor` in the first `total_iters` steps.

    Raises:
        ValueError: the factor is not in [0, 1], or `total_iters` negative.

    Example:
        >>> optimizer = optim.SGD([TensorNode([1.0])], lr=1.0)
        >>> schedule = optim.ConstantLR(optimizer, factor=0.1, total_iters=2)
        >>> rates = []
        >>> for _ in range(4):
        ...     rates.append(round(optimizer.lr, 4))
        ...     schedule.step()
        ...
        >>> print(rates)
        [0.1, 0.1, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Scheduled,
        factor: float = 1 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self._require_number("factor", factor, lambda n: 0 <= n <= 1, "0 to 1")
        self._require_not_negative("total_iters", total_iters)
        self.first_factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def factor(self, steps: float) -> float:
        return 1.0 if steps >= self.total_iters else self.first_factor


class LinearLR(LRScheduler):
    """Multiply the learning rate by a factor that goes from `start_factor` to `end_factor` in
    `total_iters` steps, in a straight line: a warm-up.

    Raises:
        ValueError: a factor is not in [0, 1], `start_factor` is 0, or `total_iters` not positive.

    Example:
        >>> optimizer = optim.SGD([TensorNode([1.0])], lr=1.0)
        >>> schedule = optim.LinearLR(optimizer, start_factor=0.25, total_iters=3)
        >>> rates = []
        >>> for _ in range(5):
        ...     rates.append(round(optimizer.lr, 3))
        ...     schedule.step()
        ...
        >>> print(rates)
        [0.25, 0.5, 0.75, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Scheduled,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        expected = "more than 0, up to 1"
        self._require_number("start_factor", start_factor, lambda n: 0 < n <= 1, expected)
        self._require_number("end_factor", end_factor, lambda n: 0 <= n <= 1, "0 to 1")
        self._require_positive("total_iters", total_iters)
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def factor(self, steps: float) -> float:
        return linear(self.start_factor, self.end_factor, min(steps / self.total_iters, 1))


class ExponentialLR(LRScheduler):
    """Multiply the learning rate by `gamma` at each step.

    Raises:
        ValueError: `gamma` is negative.

    Example:
        >>> optimizer = optim.SGD([TensorNode([1.0])], lr=1.0)
        >>> schedule = optim.ExponentialLR(optimizer, gamma=0.5)
        >>> rates = []
        >>> for _ in range(4):
        ...     rates.append(optimizer.lr)
        ...     schedule.step()
        ...
        >>> print(rates)
        [1.0, 0.5, 0.25, 0.125]
    """

    def __init__(self, optimizer: Scheduled, gamma: float, last_epoch: int = -1) -> None:
        self._require_not_negative("gamma", gamma)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, steps: float) -> float:
        return self.gamma**steps


class PolynomialLR(LRScheduler):
    """Lower the learning rate to 0 in `total_iters` steps, as a power of the steps that are left.

    Raises:
        ValueError: `total_iters` is not positive, or `power` no number.

    Example:
        >>> optimizer = optim.SGD([TensorNode([1.0])], lr=1.0)
        >>> schedule = optim.PolynomialLR(optimizer, total_iters=4)
        >>> rates = []
        >>> for _ in range(5):
        ...     rates.append(round(optimizer.lr, 3))
        ...     schedule.step()
        ...
        >>> print(rates)
        [1.0, 0.75, 0.5, 0.25, 0.0]
    """

    def __init__(
        self,
        optimizer: Scheduled,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        self._require_positive("total_iters", total_iters)
        self._require_not_negative("power", power)
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def factor(self, steps: float) -> float:
        return (1.0 - min(steps / self.total_iters, 1.0)) ** self.power


class CosineAnnealingLR(LRScheduler):
    """Lower the learning rate to `eta_min` in `T_max` steps, along half a period of the cosine,
    and then raise it again, along the other half (https://arxiv.org/abs/1608.03983).

    Raises:
        ValueError: `T_max` is not positive, or `eta_min` negative.

    Example:
        >>> optimizer = optim.SGD([TensorNode([1.0])], lr=1.0)
        >>> schedule = optim.CosineAnnealingLR(optimizer, T_max=4)
        >>> rates = []
        >>> for _ in range(5):
        ...     rates.append(round(optimizer.lr, 3))
        ...     schedule.step()
        ...
        >>> print(rates)
        [1.0, 0.854, 0.5, 0.146, 0.0]
    """

    def __init__(
        self, optimizer: Scheduled, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self._require_positive("T_max", T_max)
        self._require_not_negative("eta_min", eta_min)
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def settings(self, steps: float) -> list[dict[str, Any]]:
        done = steps / self.T_max
        return [{"lr": cosine(start, self.eta_min, done)} for start in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Lower the learning rate to `eta_min` along half a period of the cosine, begin anew, and so on
    (https://arxiv.org/abs/1608.03983). `step(epoch + i / batches)` goes to fractions of epochs.

    Args:
        T_0: the number of steps to the first restart.
        T_mult: the factor by which the number of steps to the next restart grows.

    Raises:
        ValueError: `T_0` or `T_mult` is no positive integer, or `eta_min` negative.

    Example:
        >>> optimizer = optim.SGD([TensorNode([1.0])], lr=1.0)
        >>> schedule = optim.CosineAnnealingWarmRestarts(optimizer, T_0=2)
        >>> rates = []
        >>> for _ in range(5):
        ...     rates.append(round(optimizer.lr, 3))
        ...     schedule.step()
        ...
        >>> print(rates)
        [1.0, 0.5, 1.0, 0.5, 1.0]
    """

    multiplies = False

    def __init__(
        self,
        optimizer: Scheduled,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        self._require_count("T_0", T_0)
        self._require_count("T_mult", T_mult)
        self._require_not_negative("eta_min", eta_min)
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        super().__init__(optimizer, last_epoch)

    def settings(self, steps: float) -> list[dict[str, Any]]:
        self._require_not_negative("epoch", steps)
        length: float = self.T_0
        if self.T_mult == 1:
            steps %= length
        while steps >= length:
            steps, length = steps - length, length * self.T_mult
        return [{"lr": cosine(start, self.eta_min, steps / length)} for start in self.base_lrs]


class SequentialLR(LRScheduler):
    """Follow several schedules, one after the other. Each begins at its milestone (the first at
    0), and counts its steps from there.

    Raises:
        ValueError: the milestones are not one less than the schedules, or no ascending integers; or
            a schedule is of another optimizer.

    Example:
        >>> optimizer = optim.SGD([TensorNode([1.0])], lr=1.0)
        >>> warmup = optim.LinearLR(optimizer, start_factor=0.5, total_iters=2)
        >>> decay = optim.ExponentialLR(optimizer, gamma=0.5)
        >>> schedule = optim.SequentialLR(optimizer, [warmup, decay], milestones=[2])
        >>> rates = []
        >>> for _ in range(5):
        ...     rates.append(round(optimizer.lr, 3))
        ...     schedule.step()
        ...
        >>> print(rates)
        [0.5, 0.75, 1.0, 0.5, 0.25]
    """

    begins_anew, multiplies = True, False

    def __init__(
        self,
        optimizer: Scheduled,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        schedulers, milestones = list(schedulers), list(milestones)
        self._require(
            len(milestones) == len(schedulers) - 1,
            "milestones",
            milestones,
            f"one less than the {len(schedulers)} schedulers",
        )
        ascending = all(map(is_integer, milestones)) and all(
            a < b for a, b in zip([0, *milestones], milestones, strict=False)
        )
        self._require(ascending, "milestones", milestones, "ascending integers, more than 0")
        _require_schedules(self, schedulers, optimizer)
        self.schedulers, self.milestones = schedulers, milestones
        super().__init__(optimizer, last_epoch)

    def settings(self, steps: float) -> Any:
        i = bisect_right(self.milestones, steps)
        one, since = self.schedulers[i], steps - [0, *self.milestones][i]
        one.last_epoch = floor(since)
        return [{"lr": lr} for lr in one.get_lr()] if one._is_torchs else one.settings(since)


class ChainedScheduler(LRScheduler):
    """Make the steps of several schedules together; their factors multiply.

    Raises:
        ValueError: there are no schedules, or one is of another optimizer.

    Example:
        >>> optimizer = optim.SGD([TensorNode([1.0])], lr=1.0)
        >>> warmup = optim.ConstantLR(optimizer, factor=0.1, total_iters=2)
        >>> decay = optim.ExponentialLR(optimizer, gamma=0.5)
        >>> schedule = optim.ChainedScheduler([warmup, decay])
        >>> rates = []
        >>> for _ in range(4):
        ...     rates.append(round(optimizer.lr, 4))
        ...     schedule.step()
        ...
        >>> print(rates)
        [0.1, 0.05, 0.25, 0.125]
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Scheduled | None = None
    ) -> None:
        self.schedulers = list(schedulers)
        self._require(len(self.schedulers) > 0, "schedulers", schedulers, "one or more")
        optimizer = (
            getattr(self.schedulers[0], "optimizer", None) if optimizer is None else optimizer
        )
        _require_schedules(self, self.schedulers, optimizer)
        self.optimizer = self.schedulers[0].optimizer
        self._note_rates()

    def step(self, epoch: float | None = None) -> None:
        for schedule in self.schedulers:
            schedule.step(epoch)
        each_replay(self._note_rates, lambda: partial(setattr, self, "_last_lr", self._last_lr))

    def state_dict(self) -> dict[str, Any]:
        return {"schedulers": [schedule.state_dict() for schedule in self.schedulers]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        states = state.get("schedulers") if isinstance(state, Mapping) else None
        if not isinstance(states, list) or len(states) != len(self.schedulers):
            expected = f"expected the states of {len(self.schedulers)} 'schedulers'"
            found = reprlib.repr(state)
            raise ValueError(f"ChainedScheduler.load_state_dict: found {found}, {expected}")
        for schedule, of_one in zip(self.schedulers, states, strict=True):
            schedule._checked_state(of_one)
        for schedule, of_one in zip(self.schedulers, states, strict=True):
            schedule.load_state_dict(of_one)
        self._note_rates()


class ReduceLROnPlateau(LRScheduler):
    """Multiply the learning rate by `factor` where a metric, such as the validation loss, has not
    become better for more than `patience` steps: `schedule.step(loss)`, outside of captured steps.

    Args:
        mode: "min" if less is better, or "max".
        threshold: better is by more than this part of the best so far; with
            `threshold_mode="abs"`, by more than this.
        cooldown: for how many steps after a change nothing counts as bad.
        min_lr: the least learning rate, or a list with one for each group.
        eps: smaller changes of a learning rate are not made.

    Raises:
        ValueError: an argument is out of range, or `step` was given NaN in place of a number.

    Example:
        >>> optimizer = optim.SGD([TensorNode([1.0])], lr=1.0)
        >>> schedule = optim.ReduceLROnPlateau(optimizer, factor=0.1, patience=1)
        >>> rates = []
        >>> for loss in [3.0, 2.0, 2.0, 2.0, 2.0]:
        ...     schedule.step(loss)
        ...     rates.append(round(optimizer.lr, 3))
        ...
        >>> print(rates)
        [1.0, 1.0, 1.0, 0.1, 0.1]
    """

    kept = "best", "num_bad_epochs", "cooldown_counter"

    def __init__(
        self,
        optimizer: Scheduled,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        self._require_optimizer(optimizer)
        self._require_one_of("mode", mode, "min", "max")
        self._require_number("factor", factor, lambda n: 0 <= n < 1, "at least 0 and less than 1")
        self._require_one_of("threshold_mode", threshold_mode, "rel", "abs")
        self.optimizer, self.mode, self.threshold_mode = optimizer, mode, threshold_mode
        self.reduction, self.patience, self.threshold = factor, patience, threshold
        self.cooldown, self.eps = cooldown, eps
        self.min_lrs = [least for (least,) in ranges(self, optimizer, min_lr=min_lr)]
        self.best = inf if mode == "min" else -inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0
        self._note_rates()

    def step(self, metrics: Any) -> None:  # type: ignore[override]
        """Note the metric, and lower the learning rate if it is time. NaN is not better."""
        x = float(metrics)
        self.last_epoch += 1
        if self._is_better(x):
            self.best, self.num_bad_epochs = x, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                new = max(group["lr"] * self.reduction, least)
                if group["lr"] - new > self.eps:
                    group["lr"] = new
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._note_rates()

    def _is_better(self, x: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        if self.threshold_mode == "rel":
            return sign * x > sign * self.best * (1 + sign * self.threshold)
        return sign * x > sign * self.best + self.threshold

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        checked = self._checked_state(state)
        self.last_epoch = checked["steps"]
        vars(self).update({name: state[name] for name in self.kept})
        self._note_rates()


def _require_schedules(schedule: LRScheduler, inner: Sequence[Any], optimizer: Any) -> None:
    """Check that these are schedules of the optimizer, with a `step` that takes no metric."""
    for i, one in enumerate(inner):
        ours = isinstance(one, LRScheduler) and one.optimizer is optimizer
        schedule._require(ours, f"schedulers[{i}]", one, "one of the same optimizer")
        plain = not isinstance(one, ReduceLROnPlateau | ChainedScheduler)
        schedule._require(plain, f"schedulers[{i}]", one, "one whose step needs nothing else")
