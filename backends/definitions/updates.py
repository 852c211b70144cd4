"""Define the optimizers' updates, by the formulas of torch.optim.

An update takes a parameter, its gradient, and the arrays that the optimizer keeps for this
parameter (such as a velocity). It returns the new parameter and the new arrays. An override may
write the results into the arrays it was given, but never into the gradient. A velocity is `None`
before the first step with momentum.

A parameter of 16 bits is updated in float32 and rounded once, and its arrays are float32: the
squares of small gradients, and most eps, are 0 in float16.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from ..types import Array, DType, Number
from .common import Definitions

__all__ = ["OptimizerUpdates"]

Update = TypeVar("Update", bound=Callable[..., Any])


def rounded_once(update: Update) -> Update:
    """Have an update compute a parameter of 16 bits in float32, by the backend's own update, and
    round the parameter."""

    @wraps(update)
    def compute(
        self: Definitions, parameter: Array, *arrays: Array | None, **settings: Any
    ) -> tuple[Array | None, ...]:
        wide = self._wide(parameter)
        if wide is parameter:
            return update(self, parameter, *arrays, **settings)
        others = [x if x is None else self._wide(x) for x in arrays]
        new, *memory = getattr(self, update.__name__)(wide, *others, **settings)
        return self.xp.astype(new, parameter.dtype), *memory

    return cast(Update, compute)


class OptimizerUpdates(Definitions):
    """Compute a step of an optimizer, for one parameter or for several."""

    def update_all(
        self, kernel: str, arrays: list[tuple[Array | None, ...]], **settings: Any
    ) -> list[tuple[Array | None, ...]]:
        """Update several parameters, on one device and of one dtype.

        Args:
            kernel: the name of the update, such as "adam".
            arrays: for each parameter the arrays that the update takes.
            settings: those of the update.

        Returns:
            For each parameter the arrays that the update gives.
        """
        update = getattr(self, kernel)
        return [update(*of_one, **settings) for of_one in arrays]

    def unscale_all(self, arrays: list[Array], scale: Array) -> tuple[list[Array], Array]:
        """Divide arrays of 16 bits by the scale, in the dtype of the scale.

        Returns:
            The results, with 0 in place of what is not finite; and whether all was finite, as an
            array of no dimensions.
        """
        xp, results = self.xp, []
        good = xp.ones((), dtype=xp.bool, device=scale.device)
        for x in arrays:
            finite = xp.isfinite(x)
            good = good & xp.all(finite)
            wide = xp.astype(x, scale.dtype, copy=False)
            results.append(xp.where(finite, wide, 0.0) / scale)
        return results, good

    def copy_all(self, arrays: list[Array], dtype: DType | None = None) -> list[Array]:
        """Copy the arrays, in the dtype given or else in their own."""
        return [self.xp.astype(x, x.dtype if dtype is None else dtype) for x in arrays]

    def choose_all(self, condition: Array, arrays: list[Array], others: list[Array]) -> list[Array]:
        """Choose the arrays if the condition, of no dimensions, is true, else the others.

        The others have the shapes and dtypes of the arrays. An override may write into the arrays.
        """
        pairs = zip(arrays, others, strict=True)
        return [self.xp.where(condition, x, other) for x, other in pairs]

    @rounded_once
    def sgd(
        self,
        parameter: Array,
        gradient: Array,
        velocity: Array | None,
        *,
        lr: Number,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
    ) -> tuple[Array, Array | None]:
        """Descend along the gradient
        (https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html), or with momentum
        (https://proceedings.mlr.press/v28/sutskever13.html) along a velocity, which starts as the
        first gradient, not dampened."""
        if weight_decay:
            gradient = gradient + weight_decay * parameter
        if momentum:
            if velocity is None:
                velocity = self.xp.asarray(gradient, device=gradient.device, copy=True)
            else:
                velocity = momentum * velocity + (1 - dampening) * gradient
            gradient = gradient + momentum * velocity if nesterov else velocity
        return parameter - lr * gradient, velocity

    @rounded_once
    def adam(
        self,
        parameter: Array,
        gradient: Array,
        mean: Array,
        square: Array,
        *,
        lr: Number,
        corrections: tuple[Number, Number],
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        decoupled: bool,
    ) -> tuple[Array, Array, Array]:
        """Update by Adam (https://arxiv.org/abs/1412.6980), or by AdamW
        (https://arxiv.org/abs/1711.05101) if the weight decay is `decoupled`. The `corrections` of
        mean and square in step t, counted from 1, are 1 - beta**t."""
        beta1, beta2 = betas
        if weight_decay and decoupled:
            parameter = parameter * (1 - lr * weight_decay)
        elif weight_decay:
            gradient = gradient + weight_decay * parameter
        mean = beta1 * mean + (1 - beta1) * gradient
        square = beta2 * square + (1 - beta2) * gradient * gradient
        scale = self.xp.sqrt(square) / corrections[1] ** 0.5 + eps
        return parameter - lr / corrections[0] * (mean / scale), mean, square

    @rounded_once
    def adagrad(
        self,
        parameter: Array,
        gradient: Array,
        square: Array,
        *,
        lr: Number,
        eps: float,
        weight_decay: float,
    ) -> tuple[Array, Array]:
        """Update by Adagrad (https://jmlr.org/papers/v12/duchi11a.html); `lr` comes decayed."""
        if weight_decay:
            gradient = gradient + weight_decay * parameter
        square = square + gradient * gradient
        return parameter - lr * (gradient / (self.xp.sqrt(square) + eps)), square

    @rounded_once
    def rmsprop(
        self,
        parameter: Array,
        gradient: Array,
        square: Array,
        velocity: Array | None,
        mean: Array | None,
        *,
        lr: Number,
        alpha: float,
        eps: float,
        weight_decay: float,
        momentum: float,
    ) -> tuple[Array, Array, Array | None, Array | None]:
        """Update by RMSprop (https://arxiv.org/abs/1308.0850); centered if `mean` is an array."""
        if weight_decay:
            gradient = gradient + weight_decay * parameter
        square = alpha * square + (1 - alpha) * gradient * gradient
        variance = square
        if mean is not None:
            mean = alpha * mean + (1 - alpha) * gradient
            # Rounding could make this negative, and its root NaN.
            variance = self.xp.maximum(square - mean * mean, 0.0)
        update = gradient / (self.xp.sqrt(variance) + eps)
        if momentum:
            velocity = update = update if velocity is None else momentum * velocity + update
        return parameter - lr * update, square, velocity, mean
