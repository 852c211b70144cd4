"""The base of schedules: `LRScheduler`, which changes settings of an optimizer step by step."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from math import cos, floor, isfinite, pi
from numbers import Real
from typing import Any, ClassVar

from ..engine.arrays import is_integer
from ..replay.recording import each_replay
from .base import Optimizer
from .wrapper import OptimizerWrapper

__all__ = ["LRScheduler", "Scheduled", "cosine", "for_each_group", "linear", "ranges"]

Scheduled = Optimizer | OptimizerWrapper[Any]


class LRScheduler:
    """Change the settings of an optimizer when the schedule is made, and at each of its steps.

    A subclass writes `factor`, which multiplies the learning rate of each group; or `settings`; or
    `get_lr`, as in PyTorch: the learning rates of all groups, in a list, from `self.last_epoch` and
    `self.base_lrs`, or from the rates that there are.

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

    Example:
        >>> class Halving(optim.LRScheduler):
        ...     def factor(self, steps):
        ...         return 0.5**steps
        ...
        >>> optimizer = optim.SGD([TensorNode([1.0])], lr=0.8)
        >>> schedule = Halving(optimizer)
        >>> schedule.step()
        >>> print(optimizer.lr)
        0.4
    """

    begins_anew: ClassVar[bool] = False
    multiplies: ClassVar[bool] = True
    kept: ClassVar[tuple[str, ...]] = ()  # attributes that belong to the state, besides the steps
    _get_lr_called_within_step = True  # what subclasses written for PyTorch look at in get_lr

    _last_lr: list[float]

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
        """Give the learning rates of all groups, as the last step left them.

        Example:
            >>> optimizer = optim.SGD([TensorNode([1.0])], lr=1.0)
            >>> schedule = optim.ExponentialLR(optimizer, gamma=0.5)
            >>> schedule.step()
            >>> print(schedule.get_last_lr())
            [0.5]
        """
        return self._last_lr.copy()

    def step(self, epoch: float | None = None) -> None:
        """Go on by one step: an epoch or a batch, whichever the schedule's numbers count.

        Args:
            epoch: go to this step, which may be a fraction, in place of the next.

        Example:
            >>> optimizer = optim.SGD([TensorNode([1.0])], lr=1.0)
            >>> schedule = optim.ExponentialLR(optimizer, gamma=0.5)
            >>> for epoch in range(2):
            ...     schedule.step()  # after the epoch's steps of the optimizer
            ...
            >>> print(optimizer.lr, schedule.steps)
            0.25 2
        """
        each_replay(
            lambda: self._apply(self.last_epoch + 1 if epoch is None else epoch), self._undo
        )

    def state_dict(self) -> dict[str, Any]:
        """Give the number of steps. The rates to start from are in the optimizer's `state_dict`.

        Example:
            >>> optimizer = optim.SGD([TensorNode([1.0])], lr=1.0)
            >>> schedule = optim.ExponentialLR(optimizer, gamma=0.5)
            >>> schedule.step()
            >>> print(schedule.state_dict())
            {'steps': 1}
        """
        return {"steps": self.last_epoch, **{name: getattr(self, name) for name in self.kept}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict`: set the number of steps and the optimizer's settings.

        Load the optimizer's own state before this.

        Raises:
            ValueError: `state` is no `state_dict` of a schedule; nothing is changed.

        Example:
            >>> optimizer = optim.SGD([TensorNode([1.0])], lr=1.0)
            >>> schedule = optim.ExponentialLR(optimizer, gamma=0.5)
            >>> schedule.load_state_dict({"steps": 3})
            >>> print(optimizer.lr)
            0.125
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

    def _undo(self) -> Callable[[], None]:
        """Give a function that takes back what is done from now on."""
        state, rates = self.state_dict(), self._last_lr

        def undo() -> None:
            self.load_state_dict(state)
            if self._is_torchs:
                self.optimizer.follow(self._key, [{"lr": lr} for lr in rates], multiplies=False)
            self._last_lr = rates

        return undo

    def _note_rates(self) -> None:
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def __repr__(self) -> str:
        shown = {n: x for n, x in vars(self).items() if n[0] != "_" and n != "optimizer"}
        if "_last_lr" in vars(self):
            shown["lr"] = self._last_lr
        return f"{type(self).__name__}({', '.join(f'{n}={x!r}' for n, x in shown.items())})"

    # Each of these checks an argument, and raises ValueError if it is not what is expected.

    def _require_optimizer(self, optimizer: Any) -> None:
        if not isinstance(optimizer, Optimizer | OptimizerWrapper):
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


def for_each_group(schedule: str, name: str, x: Any, optimizer: Scheduled) -> list[Any]:
    """List an argument for each group, if it is not such a list; errors begin with `schedule`."""
    count = len(optimizer.param_groups)
    if not isinstance(x, list | tuple):
        return [x] * count
    if len(x) != count:
        expected = f"one, or one for each of the {count} groups of parameters"
        raise ValueError(f"{schedule}: {name} = {x!r}, expected {expected}")
    return list(x)


def ranges(schedule: LRScheduler, optimizer: Scheduled, **numbers: Any) -> list[tuple[float, ...]]:
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


def cosine(start: float, end: float, done: float) -> float:
    """Go from `start`, at done = 0, to `end`, at done = 1, along half a period of the cosine."""
    return end + (start - end) * (1 + cos(pi * done)) / 2


def linear(start: float, end: float, done: float) -> float:
    """Go from `start`, at done = 0, to `end`, at done = 1, in a straight line."""
    return start + (end - start) * done
