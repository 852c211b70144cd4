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
from math import inf, prod
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


def decayed(
    parameter: Array, gradient: Array, lr: Number, weight_decay: float, decoupled: bool
) -> tuple[Array, Array]:
    """Make the parameter smaller if the weight decay is decoupled, else add it to the gradient."""
    if not weight_decay:
        return parameter, gradient
    if decoupled:
        return parameter * (1 - lr * weight_decay), gradient
    return parameter, gradient + weight_decay * parameter


def averaged(
    gradient: Array, mean: Array, square: Array, betas: tuple[float, float]
) -> tuple[Array, Array]:
    """Take the gradient into the averages of gradients and of their squares."""
    beta1, beta2 = betas
    mean = beta1 * mean + (1 - beta1) * gradient
    return mean, beta2 * square + (1 - beta2) * gradient * gradient


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

    def copy_all(
        self,
        arrays: list[Array],
        dtype: DType | None = None,
        into: list[Array] | None = None,  # noqa: ARG002
    ) -> list[Array]:
        """Copy the arrays, in the dtype given or else in their own. An override may write the
        copies into the arrays `into`, of the same shapes, if their dtype is that."""
        return [self.xp.astype(x, x.dtype if dtype is None else dtype) for x in arrays]

    def norm_all(self, arrays: list[Array], order: float = 2.0) -> Array:
        """Compute the norm of the arrays as of one vector, of no dimensions; of arrays of 16 bits
        in float32. The norm of order 0 counts the arrays that are not all zeros."""
        xp, norms = (
            self.xp,
            [self._vector_norm(self._wide(x), order) for x in arrays if prod(x.shape)],
        )
        if not norms:
            return self._vector_norm(self._wide(arrays[0]), 2.0)
        return self._vector_norm(xp.stack([xp.asarray(norm) for norm in norms]), order)

    def _vector_norm(self, x: Array, order: float = 2.0) -> Array:
        xp, x = self.xp, self.xp.reshape(x, (-1,))
        is_complex = xp.isdtype(x.dtype, "complex floating")
        if order == 2:
            return xp.sqrt(xp.real(xp.vecdot(x, x)) if is_complex else xp.vecdot(x, x))
        x = xp.abs(x)
        if order == 0:
            return xp.sum(xp.astype(x != 0, x.dtype))
        if order in (inf, -inf):
            return xp.max(x) if order > 0 else xp.min(x)
        return xp.sum(x**order) ** (1 / order)

    def clip_all(self, arrays: list[Array], norm: Array, most: float) -> list[Array]:
        """Multiply arrays of one dtype, whose norm this is, by `most / (norm + 1e-6)`, if that is
        less than 1. The results may lie in the memory of the arrays."""
        xp, x = self.xp, arrays[0]
        kind = xp.real(x).dtype if xp.isdtype(x.dtype, "complex floating") else x.dtype
        factor = xp.astype(xp.minimum(most / (norm + 1e-6), 1.0), kind, copy=False)
        results = []
        for x in arrays:
            x *= factor  # in place, where arrays can be written to
            results.append(x)
        return results

    def choose_all(self, condition: Array, arrays: list[Array], others: list[Array]) -> list[Array]:
        """Choose the arrays if the condition, of no dimensions, is true, else the others.

        The others have the shapes and dtypes of the arrays. An override may write into the arrays.
        """
        pairs = zip(arrays, others, strict=True)
        return [self.xp.where(condition, x, other) for x, other in pairs]

    def lerp_all(self, arrays: list[Array], ends: list[Array], weight: Number) -> list[Array]:
        """Go the part `weight` of the way from the arrays to the ends: 0 gives exactly the arrays,
        and 1 exactly the ends, which have the shapes and dtypes of the arrays.

        An override may write into the arrays. Those of 16 bits are computed in a wider dtype.
        """
        results = []
        for array, end in zip(arrays, ends, strict=True):
            x, y = self._wide(array), self._wide(end)
            # The first formula rounds less near the arrays, the second near the ends.
            if type(weight) in (int, float):
                z = x + weight * (y - x) if weight < 0.5 else y - (1 - weight) * (y - x)
            else:  # which the host does not read
                near, far = x + weight * (y - x), y - (1 - weight) * (y - x)
                z = self.xp.where(weight < 0.5, near, far)
            results.append(self.xp.astype(z, array.dtype, copy=False))
        return results

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
                added = (1 - dampening) * gradient if dampening else gradient
                velocity = momentum * velocity + added
            gradient = gradient + momentum * velocity if nesterov else velocity
        return parameter - lr * gradient, velocity

    @rounded_once
    def adam(
        self,
        parameter: Array,
        gradient: Array,
        mean: Array,
        square: Array,
        largest: Array | None,
        *,
        lr: Number,
        corrections: tuple[Number, Number],
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        decoupled_weight_decay: bool,
    ) -> tuple[Array, Array, Array, Array | None]:
        """Update by Adam (https://arxiv.org/abs/1412.6980), or by AdamW
        (https://arxiv.org/abs/1711.05101) if the weight decay is decoupled. The `corrections` of
        mean and square in step t, counted from 1, are 1 - beta**t. By AMSGrad
        (https://arxiv.org/abs/1904.09237) if `largest` is an array: the largest square so far."""
        parameter, gradient = decayed(parameter, gradient, lr, weight_decay, decoupled_weight_decay)
        mean, square = averaged(gradient, mean, square, betas)
        divisor = square
        if largest is not None:
            divisor = largest = self.xp.maximum(largest, square)
        scale = self.xp.sqrt(divisor) / corrections[1] ** 0.5 + eps
        return parameter - lr / corrections[0] * (mean / scale), mean, square, largest

    @rounded_once
    def nadam(
        self,
        parameter: Array,
        gradient: Array,
        exp_avg: Array,
        exp_avg_sq: Array,
        mu_product: Array,
        *,
        lr: Number,
        correction: Number,
        mus: tuple[Number, Number],
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        decoupled_weight_decay: bool,
    ) -> tuple[Array, Array, Array, Array]:
        """Update by Adam with Nesterov's momentum
        (https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ). `mus` are the momenta of this step
        and the next; `mu_product`, of no dimensions, is the product of those so far."""
        parameter, gradient = decayed(parameter, gradient, lr, weight_decay, decoupled_weight_decay)
        exp_avg, exp_avg_sq = averaged(gradient, exp_avg, exp_avg_sq, betas)
        mu_product = mu_product * mus[0]
        new, old = (1 - mus[0]) / (1 - mu_product), mus[1] / (1 - mu_product * mus[1])
        scale = self.xp.sqrt(exp_avg_sq / correction) + eps
        step = lr * (new * gradient + old * exp_avg) / scale
        return parameter - step, exp_avg, exp_avg_sq, mu_product

    @rounded_once
    def radam(
        self,
        parameter: Array,
        gradient: Array,
        exp_avg: Array,
        exp_avg_sq: Array,
        *,
        lr: Number,
        correction: Number,
        plain: Number,
        rectified: Number,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        decoupled_weight_decay: bool,
    ) -> tuple[Array, Array, Array]:
        """Update by rectified Adam (https://arxiv.org/abs/1908.03265). In the first steps, whose
        variance is not known, `plain` is 1 and `rectified` 0; then `plain` is 0."""
        parameter, gradient = decayed(parameter, gradient, lr, weight_decay, decoupled_weight_decay)
        exp_avg, exp_avg_sq = averaged(gradient, exp_avg, exp_avg_sq, betas)
        scale = plain + rectified / (self.xp.sqrt(exp_avg_sq) + eps)
        return parameter - lr / correction * (exp_avg * scale), exp_avg, exp_avg_sq

    @rounded_once
    def adamax(
        self,
        parameter: Array,
        gradient: Array,
        exp_avg: Array,
        exp_inf: Array,
        *,
        lr: Number,
        correction: Number,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
    ) -> tuple[Array, Array, Array]:
        """Update by Adam with the largest gradient in place of the root of the average square
        (https://arxiv.org/abs/1412.6980, section 7)."""
        if weight_decay:
            gradient = gradient + weight_decay * parameter
        exp_avg = betas[0] * exp_avg + (1 - betas[0]) * gradient
        exp_inf = self.xp.maximum(betas[1] * exp_inf, self.xp.abs(gradient) + eps)
        return parameter - lr / correction * (exp_avg / exp_inf), exp_avg, exp_inf

    @rounded_once
    def adadelta(
        self,
        parameter: Array,
        gradient: Array,
        square_avg: Array,
        acc_delta: Array,
        *,
        lr: Number,
        rho: float,
        eps: float,
        weight_decay: float,
    ) -> tuple[Array, Array, Array]:
        """Update by Adadelta (https://arxiv.org/abs/1212.5701)."""
        if weight_decay:
            gradient = gradient + weight_decay * parameter
        xp = self.xp
        square_avg = rho * square_avg + (1 - rho) * gradient * gradient
        delta = xp.sqrt(acc_delta + eps) / xp.sqrt(square_avg + eps) * gradient
        acc_delta = rho * acc_delta + (1 - rho) * delta * delta
        return parameter - lr * delta, square_avg, acc_delta

    @rounded_once
    def rprop(
        self,
        parameter: Array,
        gradient: Array,
        prev: Array,
        step_size: Array,
        *,
        etas: tuple[float, float],
        step_sizes: tuple[float, float],
    ) -> tuple[Array, Array, Array]:
        """Update by resilient backpropagation (https://doi.org/10.1109/ICNN.1993.298623): where the
        gradient has changed its sign, it counts as 0, in the next step too."""
        xp, agreement = self.xp, gradient * prev
        back = agreement < 0
        factor = xp.where(back, etas[0], xp.where(agreement > 0, etas[1], xp.ones_like(gradient)))
        step_size = xp.minimum(xp.maximum(step_size * factor, step_sizes[0]), step_sizes[1])
        gradient = xp.where(back, 0.0, gradient)
        return parameter - xp.sign(gradient) * step_size, gradient, step_size

    @rounded_once
    def asgd(
        self,
        parameter: Array,
        gradient: Array,
        eta: Array,
        mu: Array,
        ax: Array,
        *,
        lr: Number,
        step: Number,
        lambd: float,
        alpha: float,
        t0: float,
        weight_decay: float,
    ) -> tuple[Array, Array, Array, Array]:
        """Descend, and average the parameters in `ax` (https://dl.acm.org/doi/10.1137/0330046).
        `eta` and `mu`, of no dimensions, are this step's rate and share in the average."""
        if weight_decay:
            gradient = gradient + weight_decay * parameter
        parameter = parameter * (1 - lambd * eta) - eta * gradient
        ax = self.xp.where(mu == 1.0, parameter, ax + (parameter - ax) * mu)
        zero = self.xp.zeros_like(eta)
        eta = (zero + lr) / (1 + lambd * lr * (zero + step)) ** alpha
        return parameter, eta, 1 / self.xp.maximum(zero + step - t0, 1.0), ax

    @rounded_once
    def lion(
        self,
        parameter: Array,
        gradient: Array,
        exp_avg: Array,
        *,
        lr: Number,
        betas: tuple[float, float],
        weight_decay: float,
    ) -> tuple[Array, Array]:
        """Update by Lion, with the sign of an average (https://arxiv.org/abs/2302.06675)."""
        beta1, beta2 = betas
        if weight_decay:
            parameter = parameter * (1 - lr * weight_decay)
        parameter = parameter - lr * self.xp.sign(beta1 * exp_avg + (1 - beta1) * gradient)
        return parameter, beta2 * exp_avg + (1 - beta2) * gradient

    @rounded_once
    def adafactor(
        self,
        parameter: Array,
        gradient: Array,
        row_var: Array | None,
        col_var: Array | None,
        variance: Array | None,
        *,
        lr: Number,
        share: Number,
        limit: Number,
        eps: tuple[float, float],
        d: float,
        weight_decay: float,
    ) -> tuple[Array, Array | None, Array | None, Array | None]:
        """Update by Adafactor (https://arxiv.org/abs/1804.04235): of matrices, the average squares
        are kept by row and by column. `share` of a new square goes into the averages; `limit` is
        the most that `lr` may be."""
        xp = self.xp
        one = xp.ones((), dtype=parameter.dtype, device=parameter.device)
        rate = xp.minimum(one * lr, one * limit) * xp.maximum(self._rms(parameter), eps[1])
        if weight_decay:
            parameter = parameter * (1 - lr * weight_decay)
        squares = gradient * gradient
        if row_var is None or col_var is None:
            estimate = variance = variance + share * (squares - variance)
        else:
            row_var = row_var + share * (xp.mean(squares, axis=-1, keepdims=True) - row_var)
            col_var = col_var + share * (xp.mean(squares, axis=-2, keepdims=True) - col_var)
            mean = xp.maximum(xp.mean(row_var, axis=-2, keepdims=True), eps[0])
            estimate = row_var * col_var / mean
        update = gradient / xp.sqrt(xp.maximum(estimate, eps[0] ** 2))
        rate = rate / xp.maximum(self._rms(update) / d, 1.0)
        return parameter - rate * update, row_var, col_var, variance

    def _rms(self, x: Array) -> Array:
        """Compute the root of the mean square, of no dimensions."""
        return self._vector_norm(x) / max(prod(x.shape), 1) ** 0.5

    @rounded_once
    def muon(
        self,
        parameter: Array,
        gradient: Array,
        momentum_buffer: Array,
        *,
        lr: Number,
        momentum: float,
        nesterov: bool,
        weight_decay: float,
        ns_coefficients: tuple[float, float, float],
        eps: float,
        ns_steps: int,
        ratio: float,
    ) -> tuple[Array, Array]:
        """Step a matrix along its momentum, made nearly orthogonal
        (https://kellerjordan.github.io/posts/muon/), with `ratio` times the learning rate."""
        xp, (a, b, c) = self.xp, ns_coefficients
        velocity = momentum * momentum_buffer + (1 - momentum) * gradient
        update = momentum * velocity + (1 - momentum) * gradient if nesterov else velocity
        tall = update.shape[0] > update.shape[1]
        x = update.T if tall else update
        x = x / xp.maximum(self._vector_norm(x), eps)
        for _ in range(ns_steps):  # of Newton and Schulz: singular values go to about 1
            gram = x @ x.T
            x = a * x + (b * gram + c * (gram @ gram)) @ x
        x = x.T if tall else x
        return parameter * (1 - lr * weight_decay) - lr * ratio * x, velocity

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
