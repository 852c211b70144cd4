"""Schedules that raise and lower the learning rate, and the momentum against it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import floor
from typing import Any

from .scheduler import LRScheduler, Scheduled, cosine, linear, ranges

__all__ = ["CyclicLR", "OneCycleLR"]


class CyclicLR(LRScheduler):
    """Raise the learning rate from `base_lr` to `max_lr` and lower it again, again and again, in
    straight lines (https://arxiv.org/abs/1506.01186). A step is a batch.

    Args:
        base_lr, max_lr: a number, or a list with one for each group.
        step_size_up, step_size_down: the number of steps up, and down (by default the same).
        mode: "triangular", "triangular2" (each cycle is half as high) or "exp_range" (the height
            is multiplied by `gamma` at each step).
        scale_fn: in place of a mode, what the height is multiplied by: a function of the number of
            the cycle, from 1, or with `scale_mode="iterations"` of the number of steps.
        cycle_momentum: whether the momentum, or Adam's first beta, goes down from `max_momentum`
            to `base_momentum` while the learning rate goes up, and up while that goes down.

    Raises:
        ValueError: an argument is out of range, or the optimizer has no momentum to cycle.

    Example:
        >>> optimizer = optim.SGD([TensorNode([1.0])], lr=1.0, momentum=0.9)
        >>> schedule = optim.CyclicLR(optimizer, base_lr=0.1, max_lr=1.1, step_size_up=2)
        >>> rates = []
        >>> for _ in range(5):
        ...     rates.append(round(optimizer.lr, 3))
        ...     schedule.step()
        ...
        >>> print(rates)
        [0.1, 0.6, 1.1, 0.6, 0.1]
    """

    begins_anew, multiplies = True, False

    def __init__(
        self,
        optimizer: Scheduled,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        self._require_optimizer(optimizer)
        self._require_momentum(optimizer, cycle_momentum)
        down = step_size_up if step_size_down is None else step_size_down
        self._require_positive("step_size_up", step_size_up)
        self._require_positive("step_size_down", down)
        self._require_one_of("scale_mode", scale_mode, "cycle", "iterations")
        if scale_fn is None:
            self._require_one_of("mode", mode, "triangular", "triangular2", "exp_range")
            scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.up, self.total = step_size_up, step_size_up + down
        self.mode, self.gamma, self.scale_mode = mode, gamma, scale_mode
        self._scale_fn, self.cycle_momentum = scale_fn, cycle_momentum
        self.rates = ranges(self, optimizer, base_lr=base_lr, max_lr=max_lr)
        self.momenta = ranges(
            self, optimizer, base_momentum=base_momentum, max_momentum=max_momentum
        )
        super().__init__(optimizer, last_epoch)

    def scale_fn(self, x: float) -> float:
        """Compute what the height is multiplied by, in a cycle or after a number of steps."""
        if self._scale_fn is not None:
            return self._scale_fn(x)
        return {"triangular2": 0.5 ** (x - 1), "exp_range": self.gamma**x}.get(self.mode, 1.0)

    def settings(self, steps: float) -> list[dict[str, Any]]:
        cycle, within = floor(steps / self.total), steps % self.total
        up = within <= self.up
        height = within / self.up if up else (self.total - within) / (self.total - self.up)
        height *= self.scale_fn(steps if self.scale_mode == "iterations" else cycle + 1)
        result = [{"lr": low + (high - low) * height} for low, high in self.rates]
        if self.cycle_momentum:
            momenta = [high - (high - low) * height for low, high in self.momenta]
            result = _with_momenta(self.optimizer, result, momenta)
        return result


class OneCycleLR(LRScheduler):
    """Raise the learning rate from `max_lr / div_factor` to `max_lr`, then lower it to
    `max_lr / div_factor / final_div_factor` (https://arxiv.org/abs/1708.07120). A step is a batch.

    Args:
        max_lr: a number, or a list with one for each group; so are the momenta.
        total_steps: the number of batches in the whole training.
        epochs, steps_per_epoch: in place of `total_steps`, whose product they give.
        pct_start: the part of the steps in which the learning rate goes up.
        anneal_strategy: the way up and down: "cos" (half a period of the cosine) or "linear".
        cycle_momentum: whether the momentum, or Adam's first beta, goes down from `max_momentum`
            to `base_momentum` while the learning rate goes up, and up while that goes down.
        three_phase: whether the learning rate first goes down as it has come up, and then on.

    Raises:
        ValueError: an argument is out of range, or the optimizer has no momentum to cycle. Also
            raised by `step`, after more than `total_steps` steps.

    Example:
        >>> optimizer = optim.SGD([TensorNode([1.0])], lr=1.0, momentum=0.9)
        >>> schedule = optim.OneCycleLR(optimizer, max_lr=1.0, total_steps=6)
        >>> rates = []
        >>> for _ in range(5):
        ...     rates.append(round(optimizer.lr, 3))
        ...     schedule.step()
        ...
        >>> print(rates)
        [0.04, 0.994, 0.812, 0.463, 0.133]
    """

    begins_anew, multiplies = True, False

    def __init__(
        self,
        optimizer: Scheduled,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None and (epochs, steps_per_epoch) != (None, None):
            self._require_count("epochs", epochs)
            self._require_count("steps_per_epoch", steps_per_epoch)
            total_steps = (epochs or 0) * (steps_per_epoch or 0)
        self._require_count("total_steps", total_steps)
        count = int(total_steps or 0)
        self._require_number("pct_start", pct_start, lambda n: 0 <= n <= 1, "0 to 1")
        self._require_positive("div_factor", div_factor)
        self._require_positive("final_div_factor", final_div_factor)
        self._require_one_of("anneal_strategy", anneal_strategy, "cos", "linear")
        self._require_optimizer(optimizer)
        self._require_momentum(optimizer, cycle_momentum)
        tops = [top for (top,) in ranges(self, optimizer, max_lr=max_lr)]
        momenta = ranges(self, optimizer, base_momentum=base_momentum, max_momentum=max_momentum)
        self.total_steps, self.cycle_momentum = count, cycle_momentum
        self.between = cosine if anneal_strategy == "cos" else linear
        # The steps at which the ways up and down end; and where these lead, in each group.
        top, last = pct_start * count - 1, count - 1
        self.ends = [top, 2 * top, last] if three_phase else [top, last]
        self.rates, self.momenta = list[list[float]](), list[list[float]]()
        for high, (least, most) in zip(tops, momenta, strict=True):
            first = high / div_factor
            back_to = [(first, most)] if three_phase else []
            way = [(first, most), (high, least), *back_to, (first / final_div_factor, most)]
            self.rates.append([rate for rate, _ in way])
            self.momenta.append([momentum for _, momentum in way])
        super().__init__(optimizer, last_epoch)

    def settings(self, steps: float) -> list[dict[str, Any]]:
        if steps > self.total_steps:
            raise ValueError(
                f"OneCycleLR: step {steps}, but total_steps = {self.total_steps}; "
                "it counts batches, not epochs"
            )
        # The last step comes after the last update of the training, so it changes nothing.
        steps = min(steps, self.ends[-1])
        i = next(k for k, end in enumerate(self.ends) if steps <= end or end == self.ends[-1])
        start, end = (self.ends[i - 1] if i else 0), self.ends[i]
        done = (steps - start) / (end - start) if end > start else 1.0
        rates, momenta = (
            [self.between(way[i], way[i + 1], done) for way in ways]
            for ways in (self.rates, self.momenta)
        )
        result = [{"lr": rate} for rate in rates]
        return _with_momenta(self.optimizer, result, momenta) if self.cycle_momentum else result


def _with_momenta(
    optimizer: Scheduled, settings: list[dict[str, Any]], momenta: Iterable[float]
) -> list[dict[str, Any]]:
    """Add the momenta, or Adam's first betas, to the settings of each group."""
    groups = zip(optimizer.param_groups, settings, momenta, strict=True)
    return [
        {**of_one, "betas": (momentum, *group["betas"][1:])}
        if "betas" in group
        else {**of_one, "momentum": momentum}
        for group, of_one, momentum in groups
    ]
