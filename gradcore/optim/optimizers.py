"""The optimizers: each changes parameters, by their gradients, so that a loss becomes smaller.

    optimizer = SGD(model.parameters(), lr=0.01)
    for batch in batches:
        loss = ...
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

Names, defaults and formulas are torch.optim's. `backends/definitions/updates.py` has the formulas.
Parameters of float16 are updated in float32 and rounded once; their states are float32. An update
smaller than half of a parameter's last digit is lost even so: see `MixedPrecision`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, ClassVar

from ..backends import Array
from ..backends.types import Number
from ..engine.arrays import is_complex, namespace, wide_dtype
from ..graph import TensorNode
from .base import KernelOptimizer

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "RMSprop"]


class SGD(KernelOptimizer):
    """Step along the negative gradient, of a batch drawn at random (stochastic gradient descent);
    with momentum, along the velocity (https://proceedings.mlr.press/v28/sutskever13.html).

    Args:
        momentum: the part of the velocity that is kept at each step; 0 for none.
        dampening: the velocity takes the part `1 - dampening` of each gradient but the first.
        weight_decay: this times the parameter is added to its gradient.
        nesterov: whether to look one step of the momentum ahead.

    Raises:
        ValueError: `nesterov` without momentum, or with dampening.
    """

    kernel, memory = "sgd", ("velocity",)

    def __init__(
        self,
        parameters: Iterable[TensorNode],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(**_arguments(locals()))

    def checked(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        result = super().checked(settings)
        if result.get("nesterov") and (result["momentum"] == 0 or result["dampening"] != 0):
            raise ValueError(
                f"SGD: nesterov=True with momentum = {settings['momentum']} and dampening = "
                f"{settings['dampening']}, expected momentum and no dampening"
            )
        return result


class Adam(KernelOptimizer):
    """Step along the average gradient, divided by the root of its average square
    (https://arxiv.org/abs/1412.6980).

    Args:
        betas: the parts of the two averages that are kept at each step.
        eps: is added to the root.
        weight_decay: this times the parameter is added to its gradient.
    """

    kernel, memory = "adam", ("mean", "square")
    decoupled: ClassVar[bool] = False  # whether the weight decay is: see AdamW

    def __init__(
        self,
        parameters: Iterable[TensorNode],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(**_arguments(locals()))

    def initial_state(self, parameter: Array) -> dict[str, Any]:
        return {"step": 0, "mean": _filled(parameter), "square": _filled(parameter)}

    def settings_for(self, parameter: Array, state: dict[str, Any]) -> dict[str, Any]:
        corrections = [
            self.of_step(partial(_correction, beta), parameter, state, beta)
            for beta in self.settings["betas"]
        ]
        return {
            **super().settings_for(parameter, state),
            "corrections": tuple(corrections),
            "decoupled": self.decoupled,
        }


class AdamW(Adam):
    """Step as Adam, but multiply the parameter itself by `1 - lr * weight_decay`, in place of
    adding the weight decay to the gradient (https://arxiv.org/abs/1711.05101)."""

    decoupled = True

    def __init__(
        self,
        parameters: Iterable[TensorNode],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(**_arguments(locals()))


class Adagrad(KernelOptimizer):
    """Divide the gradient by the root of the sum of all its squares so far
    (https://jmlr.org/papers/v12/duchi11a.html).

    Args:
        lr_decay: at step t the learning rate is `lr / (1 + (t - 1) * lr_decay)`.
        weight_decay: this times the parameter is added to its gradient.
        initial_accumulator_value: the sums start from this.
        eps: is added to the root.
    """

    kernel, memory = "adagrad", ("square",)

    def __init__(
        self,
        parameters: Iterable[TensorNode],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
    ) -> None:
        super().__init__(**_arguments(locals()))

    def initial_state(self, parameter: Array) -> dict[str, Any]:
        start = self.settings["initial_accumulator_value"]
        return {"step": 0, "square": _filled(parameter, start)}

    def settings_for(self, parameter: Array, state: dict[str, Any]) -> dict[str, Any]:
        lr, decay = self.lr_for(parameter), self.settings["lr_decay"]
        if decay:
            lr = lr / self.of_step(lambda step: 1 + (step - 1) * decay, parameter, state, decay)
        return {"lr": lr, **{name: self.settings[name] for name in ("eps", "weight_decay")}}


class RMSprop(KernelOptimizer):
    """Divide the gradient by the root of its average square (https://arxiv.org/abs/1308.0850).

    Args:
        alpha: the part of the average that is kept at each step.
        eps: is added to the root.
        weight_decay: this times the parameter is added to its gradient.
        momentum: the part of the velocity that is kept at each step; 0 for none.
        centered: whether to divide by the deviation of the gradient from its average instead.
    """

    kernel, memory = "rmsprop", ("square", "velocity", "mean")

    def __init__(
        self,
        parameters: Iterable[TensorNode],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        super().__init__(**_arguments(locals()))

    def initial_state(self, parameter: Array) -> dict[str, Any]:
        names = ("square", "mean") if self.settings["centered"] else ("square",)
        return {name: _filled(parameter) for name in names}

    def settings_for(self, parameter: Array, state: dict[str, Any]) -> dict[str, Any]:
        settings = super().settings_for(parameter, state)
        del settings["centered"]  # the kernel sees it by whether there is a mean
        return settings


def _arguments(names: dict[str, Any]) -> dict[str, Any]:
    """Pick the arguments of an `__init__` from its `locals()`, so that it lists them only once."""
    return {name: x for name, x in names.items() if name not in ("self", "__class__")}


def _filled(parameter: Array, x: complex = 0.0) -> Array:
    """Make an array of the parameter's shape, full of x: of float32, if the parameter has 16 bits,
    as squares of small gradients would be 0 in float16."""
    x = x + 1j * x if is_complex(parameter) else x
    return namespace(parameter).full_like(parameter, x, dtype=wide_dtype(parameter))


def _correction(beta: float, step: Number) -> Number:
    """Compute how much of an average that started from zeros is of gradients: 1 - beta**step, as
    exactly of an array of float32."""
    exponent = step * (math.log(beta) if beta else -math.inf)
    return -(math if isinstance(exponent, float) else namespace(exponent)).expm1(exponent)
