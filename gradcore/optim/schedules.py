"""Schedules: change the learning rate, and with OneCycleLR the momentum, from step to step.

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
where `eta_min` is not 0.) `OneCycleLR` and `SequentialLR` take the place of those made before them.
"""

from __future__ import annotations

import reprlib
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from math import cos, isfinite, pi
from numbers import Real
from typing import Any, ClassVar

from ..engine.arrays import is_integer
from ..replay.recording import each_replay
from .base import Optimizer
from .mixed import MixedPrecision

__all__ = [
    "CosineAnnealingLR",
    "LRScheduler",
    "LinearLR",
    "OneCycleLR",
    "SequentialLR",
    "StepLR",
]

Scheduled = Optimizer | MixedPrecision


class LRScheduler:
    """Change the settings of an optimizer when the schedule is made, and at each of its steps.

    A subclass writes `settings`:

        class Halving(LRScheduler):
            def settings(self, steps):
                return {"lr": self.optimizer.initial_lr / 2**steps}

    Attributes:
        optimizer: the optimizer.
        steps: how many steps were made.
        begins_anew: whether this schedule takes the place of those made before it, in place of
            multiplying what they give.

    Raises:
        TypeError: `optimizer` is none.
    """

    begins_anew: ClassVar[bool] = False

    def __init__(self, optimizer: Scheduled) -> None:
        self._require_optimizer(optimizer)
        self.optimizer = optimizer
        self._key = object()  # which the optimizer may hold without a reference cycle
        self._apply(0, self.begins_anew)

    def settings(self, steps: int) -> dict[str, Any]:
        """Compute settings of the optimizer after `steps` steps, from its `initial_lr`."""
        raise NotImplementedError(f"{type(self).__name__} has no method settings; write one")

    def step(self) -> None:
        """Go on by one step: an epoch or a batch, whichever the schedule's numbers count."""
        each_replay(lambda: self._apply(self.steps + 1))

    def state_dict(self) -> dict[str, int]:
        """Give the number of steps. The rate to start from is in the optimizer's `state_dict`."""
        return {"steps": self.steps}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Continue from a `state_dict`: set the number of steps and the optimizer's settings.

        Load the optimizer's own state before this.

        Raises:
            ValueError: `state` is no `state_dict` of a schedule; nothing is changed.
        """
        steps: Any = (
            state["steps"] if isinstance(state, Mapping) and [*state] == ["steps"] else None
        )
        if not is_integer(steps) or steps < 0:
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: found {reprlib.repr(state)}, "
                "expected 'steps' and an integer of at least 0"
            )
        self._apply(int(steps))

    def _apply(self, steps: int, anew: bool = False) -> None:
        self.optimizer.follow(self._key, self.settings(steps), anew)
        self.steps = steps

    # Each of these checks an argument, and raises ValueError if it is not what is expected.

    def _require_optimizer(self, optimizer: Any) -> None:
        if not isinstance(optimizer, Scheduled):
            name, given = type(self).__name__, type(optimizer).__name__
            raise TypeError(f"{name}: optimizer is a {given}, expected an optimizer")

    def _require(self, holds: bool, name: str, x: Any, expected: str) -> None:
        if not holds:
            raise ValueError(f"{type(self).__name__}: {name} = {x!r}, expected {expected}")

    def _require_number(
        self, name: str, x: Any, holds: Callable[[float], bool], expected: str
    ) -> None:
        is_number = isinstance(x, Real) and not isinstance(x, bool) and isfinite(x)
        self._require(is_number and holds(x), name, x, expected)

    def _require_positive(self, name: str, x: Any) -> None:
        self._require_number(name, x, lambda n: n > 0, "a positive number")

    def _require_count(self, name: str, x: Any) -> None:
        self._require(is_integer(x) and x > 0, name, x, "a positive integer")


class StepLR(LRScheduler):
    """Multiply the learning rate by `gamma` every `step_size` steps.

    Raises:
        ValueError: `step_size` is no positive integer, or `gamma` negative.
    """

    def __init__(self, optimizer: Scheduled, step_size: int, gamma: float = 0.1) -> None:
        self._require_count("step_size", step_size)
        self._require_number("gamma", gamma, lambda n: n >= 0, "a number of at least 0")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def settings(self, steps: int) -> dict[str, Any]:
        return {"lr": self.optimizer.initial_lr * self.gamma ** (steps // self.step_size)}


class LinearLR(LRScheduler):
    """Multiply the learning rate by a factor that goes from `start_factor` to `end_factor` in
    `total_iters` steps, in a straight line: a warm-up.

    Raises:
        ValueError: a factor is not in [0, 1], `start_factor` is 0, or `total_iters` not positive.
    """

    def __init__(
        self,
        optimizer: Scheduled,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
    ) -> None:
        expected = "more than 0, up to 1"
        self._require_number("start_factor", start_factor, lambda n: 0 < n <= 1, expected)
        self._require_number("end_factor", end_factor, lambda n: 0 <= n <= 1, "0 to 1")
        self._require_positive("total_iters", total_iters)
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = total_iters
        super().__init__(optimizer)

    def settings(self, steps: int) -> dict[str, Any]:
        done = min(steps / self.total_iters, 1)
        factor = self.start_factor + (self.end_factor - self.start_factor) * done
        return {"lr": self.optimizer.initial_lr * factor}


class CosineAnnealingLR(LRScheduler):
    """Lower the learning rate to `eta_min` in `T_max` steps, along half a period of the cosine,
    and then raise it again, along the other half (https://arxiv.org/abs/1608.03983).

    Raises:
        ValueError: `T_max` is not positive, or `eta_min` negative.
    """

    def __init__(self, optimizer: Scheduled, T_max: int, eta_min: float = 0.0) -> None:
        self._require_positive("T_max", T_max)
        self._require_number("eta_min", eta_min, lambda n: n >= 0, "a number of at least 0")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

    def settings(self, steps: int) -> dict[str, Any]:
        return {"lr": _cosine(self.optimizer.initial_lr, self.eta_min, steps / self.T_max)}


class OneCycleLR(LRScheduler):
    """Raise the learning rate from `max_lr / div_factor` to `max_lr`, then lower it to
    `max_lr / div_factor / final_div_factor` (https://arxiv.org/abs/1708.07120). A step is a batch.

    Args:
        total_steps: the number of batches in the whole training.
        pct_start: the part of the steps in which the learning rate goes up.
        anneal_strategy: the way up and down: "cos" (half a period of the cosine) or "linear".
        cycle_momentum: whether the momentum, or Adam's first beta, goes down from `max_momentum`
            to `base_momentum` while the learning rate goes up, and up while that goes down.

    Raises:
        ValueError: an argument is out of range, or the optimizer has no momentum to cycle. Also
            raised by `step`, after more than `total_steps` steps.
    """

    begins_anew = True

    def __init__(
        self,
        optimizer: Scheduled,
        max_lr: float,
        total_steps: int,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ) -> None:
        self._require_number("max_lr", max_lr, lambda n: n >= 0, "a number of at least 0")
        self._require_count("total_steps", total_steps)
        self._require_number("pct_start", pct_start, lambda n: 0 <= n <= 1, "0 to 1")
        self._require_positive("div_factor", div_factor)
        self._require_positive("final_div_factor", final_div_factor)
        expected = "at least 0 and less than 1"
        self._require_number("base_momentum", base_momentum, lambda n: 0 <= n < 1, expected)
        self._require_number("max_momentum", max_momentum, lambda n: 0 <= n < 1, expected)
        known = "'cos' or 'linear'"
        self._require(
            anneal_strategy in ("cos", "linear"), "anneal_strategy", anneal_strategy, known
        )
        self._require_optimizer(optimizer)
        has_momentum = not optimizer.settings.keys().isdisjoint({"momentum", "betas"})
        self._require(
            has_momentum or not cycle_momentum,
            "cycle_momentum",
            cycle_momentum,
            f"False, as {type(optimizer).__name__} has no momentum",
        )
        self.total_steps, self.cycle_momentum = total_steps, cycle_momentum
        self.top = pct_start * total_steps - 1  # the step at which the learning rate is highest
        self.between = _cosine if anneal_strategy == "cos" else _linear
        first = max_lr / div_factor
        self.rates = first, max_lr, first / final_div_factor
        self.momenta = max_momentum, base_momentum, max_momentum
        super().__init__(optimizer)

    def settings(self, steps: int) -> dict[str, Any]:
        if steps > self.total_steps:
            raise ValueError(
                f"OneCycleLR: step {steps}, but total_steps = {self.total_steps}; "
                "it counts batches, not epochs"
            )
        # The last step comes after the last update of the training, so it changes nothing.
        last = self.total_steps - 1
        steps = min(steps, last)
        up = steps <= self.top
        start, end = (0, self.top) if up else (self.top, last)
        done = (steps - start) / (end - start) if end > start else 1.0
        i = 0 if up else 1
        result: dict[str, Any] = {"lr": self.between(self.rates[i], self.rates[i + 1], done)}
        if self.cycle_momentum:
            momentum = self.between(self.momenta[i], self.momenta[i + 1], done)
            if "betas" in self.optimizer.settings:
                result["betas"] = momentum, self.optimizer.settings["betas"][1]
            else:
                result["momentum"] = momentum
        return result


class SequentialLR(LRScheduler):
    """Follow several schedules, one after the other. Each begins at its milestone (the first at
    0), and counts its steps from there.

    Raises:
        ValueError: the milestones are not one less than the schedules, or no ascending integers; or
            a schedule is of another optimizer.
    """

    begins_anew = True

    def __init__(
        self, optimizer: Scheduled, schedulers: Sequence[LRScheduler], milestones: Sequence[int]
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
        for i, scheduler in enumerate(schedulers):
            ours = isinstance(scheduler, LRScheduler) and scheduler.optimizer is optimizer
            self._require(ours, f"schedulers[{i}]", scheduler, "one of the same optimizer")
        self.schedulers, self.milestones = schedulers, milestones
        super().__init__(optimizer)

    def settings(self, steps: int) -> dict[str, Any]:
        i = bisect_right(self.milestones, steps)
        return self.schedulers[i].settings(steps - ([0, *self.milestones][i]))


def _cosine(start: float, end: float, done: float) -> float:
    """Go from `start`, at done = 0, to `end`, at done = 1, along half a period of the cosine."""
    return end + (start - end) * (1 + cos(pi * done)) / 2


def _linear(start: float, end: float, done: float) -> float:
    """Go from `start`, at done = 0, to `end`, at done = 1, in a straight line."""
    return start + (end - start) * done
