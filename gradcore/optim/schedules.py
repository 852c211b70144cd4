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
where `eta_min` is not 0.) `OneCycleLR`, `CyclicLR` and `SequentialLR` take the place of those made
before them; at each of their steps, as at those of `LambdaLR` and `CosineAnnealingWarmRestarts`,
the learning rate is theirs alone.

A learning rate that you write into `optimizer.param_groups` is the one from which the schedules go
on: half the rate stays half of what it would have been. (PyTorch's `LambdaLR` and
`CosineAnnealingWarmRestarts` forget it in their next step.) One that you set by `optimizer.lr` is
the `initial_lr` that they start from.
"""

from __future__ import annotations

import reprlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import cos, floor, inf, isfinite, pi
from numbers import Real
from typing import Any, ClassVar

from ..engine.arrays import is_integer
from ..replay.recording import each_replay
from .base import Optimizer
from .mixed import MixedPrecision

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "Scheduled",
    "SequentialLR",
    "StepLR",
    "cosine",
    "for_each_group",
    "linear",
]

Scheduled = Optimizer | MixedPrecision


class LRScheduler:
    """Change the settings of an optimizer when the schedule is made, and at each of its steps.

    A subclass writes `factor`, which multiplies the learning rate of each group:

        class Halving(LRScheduler):
            def factor(self, steps):
                return 0.5**steps

    or `settings`, or `get_lr`, as in PyTorch: the learning rates of all groups, in a list, from
    `self.last_epoch` and `self.base_lrs`, or from the rates that there are.

    Args:
        last_epoch: how many steps were made, less 1: to go on with a schedule.

    Attributes:
        optimizer: the optimizer.
        last_epoch: how many steps were made; `steps` is the same.
        begins_anew: whether this schedule takes the place of those made before it, in place of
            multiplying what they give.
        multiplies: whether others multiply what a step of this schedule gives.

    Raises:
        TypeError: `optimizer` is none.
    """

    begins_anew: ClassVar[bool] = False
    multiplies: ClassVar[bool] = True
    kept: ClassVar[tuple[str, ...]] = ()  # attributes that belong to the state, besides the steps
    _get_lr_called_within_step = True  # what subclasses written for PyTorch look at in get_lr

    def __init__(self, optimizer: Scheduled, last_epoch: int = -1) -> None:
        self._require_optimizer(optimizer)
        self._require(is_integer(last_epoch) and last_epoch >= -1, "last_epoch", last_epoch,
                      "an integer of at least -1")  # fmt: skip
        self.optimizer = optimizer
        self.last_epoch: int = last_epoch
        self._key = object()  # which the optimizer may hold without a reference cycle
        self._is_torchs = type(self).get_lr is not LRScheduler.get_lr
        self._apply(last_epoch + 1, self.begins_anew)

    @property
    def steps(self) -> int:
        """How many steps were made."""
        return self.last_epoch

    @property
    def base_lrs(self) -> list[float]:
        """The learning rates that the schedule starts from, of each group."""
        return self.optimizer.initial_lrs

    def factor(self, steps: float) -> float:  # noqa: ARG002
        """Compute what `initial_lr` is multiplied by after `steps` steps."""
        name = type(self).__name__
        raise NotImplementedError(f"{name} has no method settings; write one, or a method factor")

    def settings(self, steps: float) -> Any:
        """Compute settings of the optimizer after `steps` steps, from its `initial_lr`: for all
        groups, or in a list for each."""
        factor = self.factor(steps)
        return [{"lr": start * factor} for start in self.base_lrs]

    def get_lr(self) -> list[float]:
        """Compute the learning rates of all groups after `last_epoch` steps."""
        settings = self.settings(self.last_epoch)
        if isinstance(settings, Mapping):
            settings = [settings] * len(self.optimizer.param_groups)
        return [of_one["lr"] for of_one in settings]

    def get_last_lr(self) -> list[float]:
        """Give the learning rates of all groups, as the last step left them."""
        return self._last_lr.copy()

    def step(self, epoch: float | None = None) -> None:
        """Go on by one step: an epoch or a batch, whichever the schedule's numbers count.

        Args:
            epoch: go to this step, which may be a fraction, in place of the next.
        """
        each_replay(lambda: self._apply(self.last_epoch + 1 if epoch is None else epoch))

    def state_dict(self) -> dict[str, Any]:
        """Give the number of steps. The rates to start from are in the optimizer's `state_dict`."""
        return {"steps": self.last_epoch, **{name: getattr(self, name) for name in self.kept}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict`: set the number of steps and the optimizer's settings.

        Load the optimizer's own state before this.

        Raises:
            ValueError: `state` is no `state_dict` of a schedule; nothing is changed.
        """
        steps = self._checked_state(state)["steps"]
        if self._is_torchs:  # get_lr may start from the rates that there are
            self.last_epoch = steps
        else:
            self._apply(steps)
        vars(self).update({name: state[name] for name in self.kept})

    def _checked_state(self, state: Any) -> dict[str, Any]:
        names = ["steps", *self.kept]
        fits = isinstance(state, Mapping) and sorted(state) == sorted(names)
        if not fits or not is_integer(state["steps"]) or state["steps"] < 0:
            more = f", and {', '.join(self.kept)}" if self.kept else ""
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: found {reprlib.repr(state)}, "
                f"expected 'steps' and an integer of at least 0{more}"
            )
        return {**state, "steps": int(state["steps"])}

    def _apply(self, steps: float, anew: bool = False) -> None:
        before, self.last_epoch = self.last_epoch, floor(steps)
        try:
            new = [{"lr": lr} for lr in self.get_lr()] if self._is_torchs else self.settings(steps)
            self.optimizer.follow(self._key, new, anew, self.multiplies and not self._is_torchs)
        except BaseException:
            self.last_epoch = before
            raise
        self._note_rates()

    def _note_rates(self) -> None:
        self._last_lr: list[float] = [group["lr"] for group in self.optimizer.param_groups]

    def __repr__(self) -> str:
        shown = {n: x for n, x in vars(self).items() if n[0] != "_" and n != "optimizer"}
        if "_last_lr" in vars(self):
            shown["lr"] = self._last_lr
        return f"{type(self).__name__}({', '.join(f'{n}={x!r}' for n, x in shown.items())})"

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

    def _require_not_negative(self, name: str, x: Any) -> None:
        self._require_number(name, x, lambda n: n >= 0, "a number of at least 0")

    def _require_count(self, name: str, x: Any) -> None:
        self._require(is_integer(x) and x > 0, name, x, "a positive integer")

    def _require_one_of(self, name: str, x: Any, *known: str) -> None:
        self._require(x in known, name, x, " or ".join(map(repr, known)))

    def _require_momentum(self, optimizer: Scheduled, cycle_momentum: bool) -> None:
        has_momentum = not optimizer.settings.keys().isdisjoint({"momentum", "betas"})
        expected = f"False, as {type(optimizer).__name__} has no momentum"
        holds = has_momentum or not cycle_momentum
        self._require(holds, "cycle_momentum", cycle_momentum, expected)


class LambdaLR(LRScheduler):
    """Multiply the initial learning rate by `lr_lambda(steps)`, or that of each group by the
    function for this group in a list.

    Raises:
        ValueError: there are not as many functions as groups.
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
    function for this group in a list."""

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
        self.rates = _ranges(self, optimizer, base_lr=base_lr, max_lr=max_lr)
        self.momenta = _ranges(
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
        self._require_number("pct_start", pct_start, lambda n: 0 <= n <= 1, "0 to 1")
        self._require_positive("div_factor", div_factor)
        self._require_positive("final_div_factor", final_div_factor)
        self._require_one_of("anneal_strategy", anneal_strategy, "cos", "linear")
        self._require_optimizer(optimizer)
        self._require_momentum(optimizer, cycle_momentum)
        tops = [top for (top,) in _ranges(self, optimizer, max_lr=max_lr)]
        momenta = _ranges(self, optimizer, base_momentum=base_momentum, max_momentum=max_momentum)
        self.total_steps, self.cycle_momentum = total_steps, cycle_momentum
        self.between = cosine if anneal_strategy == "cos" else linear
        # The steps at which the ways up and down end; and where these lead, in each group.
        top, last = pct_start * total_steps - 1, total_steps - 1
        self.ends = [top, 2 * top, last] if three_phase else [top, last]
        self.rates, self.momenta = [], []
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


class SequentialLR(LRScheduler):
    """Follow several schedules, one after the other. Each begins at its milestone (the first at
    0), and counts its steps from there.

    Raises:
        ValueError: the milestones are not one less than the schedules, or no ascending integers; or
            a schedule is of another optimizer.
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
        each_replay(self._note_rates)

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
        self.min_lrs = [least for (least,) in _ranges(self, optimizer, min_lr=min_lr)]
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


def cosine(start: float, end: float, done: float) -> float:
    """Go from `start`, at done = 0, to `end`, at done = 1, along half a period of the cosine."""
    return end + (start - end) * (1 + cos(pi * done)) / 2


def linear(start: float, end: float, done: float) -> float:
    """Go from `start`, at done = 0, to `end`, at done = 1, in a straight line."""
    return start + (end - start) * done


def for_each_group(schedule: str, name: str, x: Any, optimizer: Scheduled) -> list[Any]:
    """List an argument for each group, if it is not such a list; errors begin with `schedule`."""
    count = len(optimizer.param_groups)
    if not isinstance(x, list | tuple):
        return [x] * count
    if len(x) != count:
        expected = f"one, or one for each of the {count} groups of parameters"
        raise ValueError(f"{schedule}: {name} = {x!r}, expected {expected}")
    return list(x)


def _ranges(schedule: LRScheduler, optimizer: Scheduled, **numbers: Any) -> list[tuple[float, ...]]:
    """Give for each group its numbers, of those that may be lists. Momenta are less than 1."""
    for name, x in numbers.items():
        is_momentum = name.endswith("momentum")
        expected = "at least 0 and less than 1" if is_momentum else "a number of at least 0"
        for n in x if isinstance(x, list | tuple) else [x]:
            holds = (lambda n: 0 <= n < 1) if is_momentum else (lambda n: n >= 0)
            schedule._require_number(name, n, holds, expected)
    kind = type(schedule).__name__
    lists = [for_each_group(kind, name, x, optimizer) for name, x in numbers.items()]
    return list(zip(*lists, strict=True))


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


def _require_schedules(schedule: LRScheduler, inner: Sequence[Any], optimizer: Any) -> None:
    """Check that these are schedules of the optimizer, with a `step` that takes no metric."""
    for i, one in enumerate(inner):
        ours = isinstance(one, LRScheduler) and one.optimizer is optimizer
        schedule._require(ours, f"schedulers[{i}]", one, "one of the same optimizer")
        plain = not isinstance(one, ReduceLROnPlateau | ChainedScheduler)
        schedule._require(plain, f"schedulers[{i}]", one, "one whose step needs nothing else")
