"""Adam and its relatives: steps along an average gradient, divided by the root of an average of
its square.

See optimizers.py for what all optimizers share.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from ..backends import Array
from ..backends.types import Number
from ..engine.arrays import namespace
from .base import Params
from .kernels import KernelOptimizer, arguments, correction, filled, number_for

__all__ = ["Adam", "AdamW", "Adamax", "NAdam", "RAdam"]


class Adam(KernelOptimizer):
    """Step along the average gradient, divided by the root of its average square
    (https://arxiv.org/abs/1412.6980).

    Args:
        betas: the parts of the two averages that are kept at each step.
        eps: is added to the root.
        weight_decay: this times the parameter is added to its gradient.
        amsgrad: whether to divide by the root of the largest average square so far
            (https://arxiv.org/abs/1904.09237); to be set before the first step.
        decoupled_weight_decay: whether the weight decay is as `AdamW` has it.

    Example:
        >>> w = TensorNode([1.0, 2.0])
        >>> optimizer = optim.Adam([w], lr=0.1)
        >>> for _ in range(2):
        ...     (w * w).sum().backward()
        ...     optimizer.step()
        ...     optimizer.zero_grad()
        ...
        >>> print(w.round(2))  # two steps of about 0.1 each
        [0.8 1.8]
    """

    kernel, memory = "adam", ("mean", "square", "largest")
    hidden = ("amsgrad",)  # the kernel sees it by whether there is a largest square
    torch_names: ClassVar = {"mean": "exp_avg", "square": "exp_avg_sq", "largest": "max_exp_avg_sq"}

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
        **unused: Any,
    ) -> None:
        super().__init__(**arguments(locals()))

    def initial_state(self, parameter: Array) -> dict[str, Any]:
        names = self.memory if self._now["amsgrad"] else self.memory[:2]
        return {"step": 0, **{name: filled(parameter) for name in names}}

    def settings_for(self, parameter: Array, state: dict[str, Any]) -> dict[str, Any]:
        if self._now["amsgrad"] != ("largest" in state):
            expected = "expected it as it was in the first step"
            problem = f"amsgrad = {self._now['amsgrad']}"
            raise ValueError(f"{type(self).__name__}: {problem}, {expected}")
        settings = super().settings_for(parameter, state)
        corrections = [self.correction(beta, parameter, state) for beta in settings["betas"]]
        return {**settings, "corrections": tuple(corrections)}


class AdamW(Adam):
    """Step as Adam, but multiply the parameter itself by `1 - lr * weight_decay`, in place of
    adding the weight decay to the gradient (https://arxiv.org/abs/1711.05101).

    Example:
        >>> w = TensorNode([1.0, 2.0])
        >>> optimizer = optim.AdamW([w], lr=0.1, weight_decay=0.1)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> print(w.round(3))  # 0.99 w - 0.1
        [0.89 1.88]
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        **unused: Any,
    ) -> None:
        super().__init__(**arguments(locals()), decoupled_weight_decay=True)


class NAdam(KernelOptimizer):
    """Step as Adam, with Nesterov's momentum (https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ).

    Args:
        momentum_decay: how fast the momentum comes to the first beta.
        decoupled_weight_decay: whether the weight decay is as `AdamW` has it.

    Example:
        >>> w = TensorNode([1.0, 2.0])
        >>> optimizer = optim.NAdam([w], lr=0.1)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> print(w.round(3))
        [0.894 1.894]
    """

    kernel, memory = "nadam", ("exp_avg", "exp_avg_sq", "mu_product")
    hidden = ("momentum_decay",)

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **unused: Any,
    ) -> None:
        super().__init__(**arguments(locals()))

    def initial_state(self, parameter: Array) -> dict[str, Any]:
        averages = {name: filled(parameter) for name in self.memory[:2]}
        return {"step": 0, "mu_product": number_for(parameter, 1.0), **averages}

    def settings_for(self, parameter: Array, state: dict[str, Any]) -> dict[str, Any]:
        settings, decay = super().settings_for(parameter, state), self._now["momentum_decay"]
        beta = settings["betas"][0]

        def momentum(ahead: int, step: Number) -> Number:
            return beta * (1 - 0.5 * 0.96 ** ((step + ahead) * decay))

        mus = [
            self.of_step(partial(momentum, k), parameter, state, ("mu", k, beta, decay))
            for k in (0, 1)
        ]
        correction = self.correction(settings["betas"][1], parameter, state)
        return {**settings, "mus": tuple(mus), "correction": correction}


class RAdam(KernelOptimizer):
    """Step as Adam, but without the division while the average square is of too few gradients
    (https://arxiv.org/abs/1908.03265).

    Args:
        decoupled_weight_decay: whether the weight decay is as `AdamW` has it.

    Example:
        >>> w = TensorNode([1.0, 2.0])
        >>> optimizer = optim.RAdam([w], lr=0.1)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> print(w.round(3))
        [0.8 1.6]
    """

    kernel, memory = "radam", ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **unused: Any,
    ) -> None:
        super().__init__(**arguments(locals()))

    def initial_state(self, parameter: Array) -> dict[str, Any]:
        return {"step": 0, **{name: filled(parameter) for name in self.memory}}

    def settings_for(self, parameter: Array, state: dict[str, Any]) -> dict[str, Any]:
        settings = super().settings_for(parameter, state)
        beta1, beta2 = settings["betas"]
        plain, rectified = (
            self.of_step(partial(f, beta2), parameter, state, (f, beta2))
            for f in (_is_plain, _rectified)
        )
        correction = self.correction(beta1, parameter, state)
        return {**settings, "correction": correction, "plain": plain, "rectified": rectified}


class Adamax(KernelOptimizer):
    """Step as Adam, but divide by the largest gradient, which fades as `betas[1]` says, in place of
    the root of the average square (https://arxiv.org/abs/1412.6980, section 7).

    Example:
        >>> w = TensorNode([1.0, 2.0])
        >>> optimizer = optim.Adamax([w], lr=0.1)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> print(w.round(3))
        [0.9 1.9]
    """

    kernel, memory = "adamax", ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        **unused: Any,
    ) -> None:
        super().__init__(**arguments(locals()))

    def initial_state(self, parameter: Array) -> dict[str, Any]:
        return {"step": 0, **{name: filled(parameter) for name in self.memory}}

    def settings_for(self, parameter: Array, state: dict[str, Any]) -> dict[str, Any]:
        settings = super().settings_for(parameter, state)
        return {**settings, "correction": self.correction(settings["betas"][0], parameter, state)}


def _length(beta: float, step: Number) -> tuple[Number, float]:
    """Compute of how many gradients, in effect, an average is now, and in the end."""
    most = 2 / (1 - beta) - 1
    part = correction(beta, step)
    return most - 2 * step * (1 - part) / part, most


def _is_plain(beta: float, step: Number) -> Number:
    """Give 1.0 while an average square is of 5 gradients or less, then 0.0."""
    length, _ = _length(beta, step)
    if isinstance(length, float):
        return float(length <= 5)
    xp = namespace(length)
    return xp.astype(length <= 5, length.dtype)


def _rectified(beta: float, step: Number) -> Number:
    """Give what the root of the average square is divided into, or 0.0 while `_is_plain` is 1.0."""
    length, most = _length(beta, step)
    if most <= 5:
        return 0.0 * length
    is_number = isinstance(length, float)
    known = max(length, 5.0) if is_number else namespace(length).maximum(length, 5.0)
    share = (known - 4) * (known - 2) * most / ((most - 4) * (most - 2) * known)
    return (1 - _is_plain(beta, step)) * (share * correction(beta, step)) ** 0.5
