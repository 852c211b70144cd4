"""What has an optimizer inside, and does more in its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from ..engine.modes import building
from ..graph import TensorNode
from .base import Closure, Optimizer, zero_grad
from .groups import Group, Settings

__all__ = ["OptimizerWrapper"]

Inner = TypeVar("Inner", bound="Optimizer | OptimizerWrapper[Any]")


class OptimizerWrapper(Generic[Inner]):
    """The base of what wraps an optimizer: settings and schedules are those of the one inside.

    A subclass writes `_update`, which calls the step of the optimizer inside.

    Attributes:
        optimizer: the optimizer inside.
        parameters: the parameters, in a list.
    """

    # So that a setting of the optimizer, such as `momentum`, can't be set here without effect.
    __slots__ = ("__weakref__", "optimizer", "parameters")

    optimizer: Inner
    parameters: list[TensorNode]

    # What schedules use of an optimizer:

    @property
    def param_groups(self) -> list[Group]:
        """The groups of the optimizer inside; their "params" are the nodes that it updates."""
        return self.optimizer.param_groups

    @property
    def settings(self) -> Settings:
        """The settings of the optimizer inside."""
        return self.optimizer.settings

    @property
    def lr(self) -> float:
        """The optimizer's learning rate, which may be set here."""
        return self.optimizer.lr

    @lr.setter
    def lr(self, lr: float) -> None:
        self.optimizer.lr = lr

    @property
    def initial_lr(self) -> float:
        """The optimizer's learning rate as set last, which schedules start from."""
        return self.optimizer.initial_lr

    @property
    def initial_lrs(self) -> list[float]:
        """Those of each group."""
        return self.optimizer.initial_lrs

    def follow(
        self,
        schedule: object,
        settings: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        anew: bool = False,
        multiplies: bool = True,
    ) -> None:
        """Take settings from a schedule, as `Optimizer.follow` does."""
        self.optimizer.follow(schedule, settings, anew, multiplies)

    # What trainings use:

    def scaled(self, loss: TensorNode) -> TensorNode:
        """Return the node that the backward pass is to start from."""
        return self.optimizer.scaled(loss)

    def step(self, closure: Closure | None = None) -> Any:
        """Update the parameters that have a gradient.

        Args:
            closure: computes the loss, calls the `backward` of `scaled(loss)`, and returns it.

        Returns:
            What the closure returns, or `None`.
        """
        loss = None
        if closure is not None:
            with building(True):
                loss = closure()
        self._update()
        return loss

    def _update(self) -> None:
        """Do what `step` does, once there are gradients."""
        raise NotImplementedError(f"{type(self).__name__} has no method _update; write one")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients of all parameters to zero, as `Optimizer.zero_grad` does."""
        zero_grad(self.parameters, set_to_none)
