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

With `maximize=True` an optimizer makes the loss larger. PyTorch's `foreach`, `fused` and
`capturable` say how to compute, and are taken without effect; `differentiable=True` is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

from ..backends import Array
from ..backends.types import Number
from ..engine.arrays import describe, namespace, wide_dtype
from .base import Params
from .groups import ANY, AT_LEAST_0, RANGES, within_range
from .kernels import KernelOptimizer, arguments, filled, number_for, refuse_complex

__all__ = [
    "ASGD",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Lion",
    "Muon",
    "RMSprop",
    "Rprop",
]


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

    Example:
        >>> w = TensorNode([1.0, 2.0])
        >>> optimizer = optim.SGD([w], lr=0.1)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> print(w)  # w - 0.1 * 2 w
        [0.8 1.6]
    """

    kernel, memory = "sgd", ("velocity",)
    torch_names: ClassVar = {"velocity": "momentum_buffer"}

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        **unused: Any,
    ) -> None:
        super().__init__(**arguments(locals()))

    def checked(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        result = super().checked(settings)
        if result.get("nesterov") and (result["momentum"] == 0 or result["dampening"] != 0):
            raise ValueError(
                f"SGD: nesterov=True with momentum = {settings['momentum']} and dampening = "
                f"{settings['dampening']}, expected momentum and no dampening"
            )
        return result


class Adadelta(KernelOptimizer):
    """Divide the gradient by the root of its average square, and multiply by that of the steps so
    far (https://arxiv.org/abs/1212.5701).

    Args:
        rho: the part of the averages that is kept at each step.

    Example:
        >>> w = TensorNode([1.0, 2.0])
        >>> optimizer = optim.Adadelta([w])
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> print(w.round(3))
        [0.997 1.997]
    """

    kernel, memory = "adadelta", ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        **unused: Any,
    ) -> None:
        super().__init__(**arguments(locals()))

    def initial_state(self, parameter: Array) -> dict[str, Any]:
        return {"step": 0, **{name: filled(parameter) for name in self.memory}}


class Adagrad(KernelOptimizer):
    """Divide the gradient by the root of the sum of all its squares so far
    (https://jmlr.org/papers/v12/duchi11a.html).

    Args:
        lr_decay: at step t the learning rate is `lr / (1 + (t - 1) * lr_decay)`.
        weight_decay: this times the parameter is added to its gradient.
        initial_accumulator_value: the sums start from this.
        eps: is added to the root.

    Example:
        >>> w = TensorNode([1.0, 2.0])
        >>> optimizer = optim.Adagrad([w], lr=0.1)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> print(w.round(3))
        [0.9 1.9]
    """

    kernel, memory = "adagrad", ("square",)
    hidden = "lr_decay", "initial_accumulator_value"
    torch_names: ClassVar = {"square": "sum"}

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        **unused: Any,
    ) -> None:
        super().__init__(**arguments(locals()))

    def initial_state(self, parameter: Array) -> dict[str, Any]:
        start = self._now["initial_accumulator_value"]
        return {"step": 0, "square": filled(parameter, start)}

    def settings_for(self, parameter: Array, state: dict[str, Any]) -> dict[str, Any]:
        settings, decay = super().settings_for(parameter, state), self._now["lr_decay"]
        if decay:
            slower = self.of_step(lambda step: 1 + (step - 1) * decay, parameter, state, decay)
            settings["lr"] = settings["lr"] / slower
        return settings


class RMSprop(KernelOptimizer):
    """Divide the gradient by the root of its average square (https://arxiv.org/abs/1308.0850).

    Args:
        alpha: the part of the average that is kept at each step.
        eps: is added to the root.
        weight_decay: this times the parameter is added to its gradient.
        momentum: the part of the velocity that is kept at each step; 0 for none.
        centered: whether to divide by the deviation of the gradient from its average instead.

    Example:
        >>> w = TensorNode([1.0, 2.0])
        >>> optimizer = optim.RMSprop([w], lr=0.01)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> print(w.round(3))
        [0.9 1.9]
    """

    kernel, memory = "rmsprop", ("square", "velocity", "mean")
    hidden = ("centered",)  # the kernel sees it by whether there is a mean
    torch_names: ClassVar = {
        "square": "square_avg",
        "velocity": "momentum_buffer",
        "mean": "grad_avg",
    }

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
        **unused: Any,
    ) -> None:
        super().__init__(**arguments(locals()))

    def initial_state(self, parameter: Array) -> dict[str, Any]:
        names = ("square", "mean") if self._now["centered"] else ("square",)
        return {name: filled(parameter) for name in names}

    def torch_state_dict(self, convert: Callable[[Array], Any] = lambda x: x) -> dict[str, Any]:
        result = super().torch_state_dict(convert)
        for memory in result["state"].values():
            memory["step"] = 0  # which PyTorch counts here, and does not use
        return result


class Rprop(KernelOptimizer):
    """Step by the sign of the gradient (resilient backpropagation,
    https://doi.org/10.1109/ICNN.1993.298623): the length of an element's step grows while the
    sign stays, and shrinks where it changes. For gradients of all data at once.

    Args:
        lr: the length of the first steps.
        etas: the factors by which a length shrinks, and grows.
        step_sizes: the least and the greatest length.

    Raises:
        ValueError: the first of the etas is not between 0 and 1, or the second not above 1.

    Example:
        >>> w = TensorNode([1.0, -2.0])
        >>> optimizer = optim.Rprop([w], lr=0.1)
        >>> for _ in range(2):
        ...     (w * w).sum().backward()
        ...     optimizer.step()
        ...     optimizer.zero_grad()
        ...
        >>> print(w.round(3))  # steps of 0.1 and, as the signs stayed, of 0.12
        [ 0.78 -1.78]
    """

    kernel, memory = "rprop", ("prev", "step_size")
    hidden = ("lr",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        maximize: bool = False,
        **unused: Any,
    ) -> None:
        super().__init__(**arguments(locals()))

    def checked(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        result = super().checked(settings)
        if not 0 < result["etas"][0] < 1 < result["etas"][1]:
            expected = "expected one between 0 and 1, and one above 1"
            raise ValueError(f"Rprop: etas = {settings['etas']!r}, {expected}")
        return result

    def initial_state(self, parameter: Array) -> dict[str, Any]:
        lengths = filled(parameter, self._now["lr"])
        return {"step": 0, "prev": filled(parameter), "step_size": lengths}


class ASGD(KernelOptimizer):
    """Descend along the gradient, and average the parameters, as "ax" of their state
    (https://dl.acm.org/doi/10.1137/0330046).

    Args:
        lambd: this, times the learning rate, is the part of a parameter that each step takes off.
        alpha: the power by which the learning rate falls.
        t0: the step after which the average begins.

    Example:
        >>> w = TensorNode([1.0, 2.0])
        >>> optimizer = optim.ASGD([w], lr=0.1, t0=0)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> print(w.round(3))
        [0.8 1.6]
    """

    kernel, memory = "asgd", ("eta", "mu", "ax")
    ranges: ClassVar = {**RANGES, "alpha": ANY}

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        **unused: Any,
    ) -> None:
        super().__init__(**arguments(locals()))

    def initial_state(self, parameter: Array) -> dict[str, Any]:
        rate, share = (number_for(parameter, x) for x in (self._now["lr"], 1.0))
        return {"step": 0, "eta": rate, "mu": share, "ax": filled(parameter)}

    def settings_for(self, parameter: Array, state: dict[str, Any]) -> dict[str, Any]:
        step = self.of_step(lambda n: n * 1.0, parameter, state, "step")
        return {**super().settings_for(parameter, state), "step": step}


class Adafactor(KernelOptimizer):
    """Divide the gradient by the root of its average square, of which for matrices only the means
    by row and by column are kept (https://arxiv.org/abs/1804.04235); the learning rate is relative
    to the parameter.

    Args:
        lr: the most that the relative rate may be; in step t it is at most `t**-0.5`.
        beta2_decay: the power of t, up to 0, that tells the part that step t has in the averages.
        eps: the least root of a square, `None` for the dtype's eps; and the least size of the
            parameter, to which the rate is relative.
        d: the greatest size of an update, in multiples of the rate.

    Raises:
        TypeError: a parameter is complex.

    Example:
        >>> w = TensorNode([[1.0, 2.0], [3.0, 4.0]])
        >>> optimizer = optim.Adafactor([w])
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> print(w.round(2))
        [[0.98 1.97]
         [2.97 3.97]]
    """

    kernel, memory, elementwise = "adafactor", ("row_var", "col_var", "variance"), False
    hidden = ("beta2_decay",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        **unused: Any,
    ) -> None:
        super().__init__(**arguments(locals()))

    def checked(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        what = f"Adafactor: eps = {settings['eps']!r}, expected None or a number, and a number"
        try:
            eps1, eps2 = settings["eps"]
        except (TypeError, ValueError):
            raise TypeError(what) from None
        first = eps1 if eps1 is None else within_range("Adafactor", "eps", eps1, AT_LEAST_0)
        pair = first, within_range("Adafactor", "eps", eps2, AT_LEAST_0)
        rest = super().checked({name: x for name, x in settings.items() if name != "eps"})
        return {name: pair if name == "eps" else rest[name] for name in settings}

    def initial_state(self, parameter: Array) -> dict[str, Any]:
        refuse_complex("Adafactor", parameter)
        if parameter.ndim < 2:
            return {"step": 0, "variance": filled(parameter)}
        rows, columns = (*parameter.shape[:-1], 1), (*parameter.shape[:-2], 1, parameter.shape[-1])
        zeros, like = namespace(parameter).zeros, {"dtype": wide_dtype(parameter)}
        like["device"] = parameter.device
        return {"step": 0, "row_var": zeros(rows, **like), "col_var": zeros(columns, **like)}

    def settings_for(self, parameter: Array, state: dict[str, Any]) -> dict[str, Any]:
        settings, power = super().settings_for(parameter, state), self._now["beta2_decay"]
        share, limit = (
            self.of_step(partial(_power, k), parameter, state, ("power", k)) for k in (power, -0.5)
        )
        eps = settings["eps"][0]
        if eps is None:
            eps = float(namespace(parameter).finfo(parameter.dtype).eps)
        return {**settings, "share": share, "limit": limit, "eps": (eps, settings["eps"][1])}


class Lion(KernelOptimizer):
    """Step by the sign of an average of gradients (https://arxiv.org/abs/2302.06675), with
    decoupled weight decay. The learning rate is to be 3 to 10 times less than AdamW's, and the
    weight decay as much more.

    Args:
        betas: the part of the average in the sign's argument, and that kept at each step.

    Example:
        >>> w = TensorNode([1.0, -2.0])
        >>> optimizer = optim.Lion([w], lr=0.1)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> print(w.round(3))  # by the sign of the gradient
        [ 0.9 -1.9]
    """

    kernel, memory = "lion", ("exp_avg",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        **unused: Any,
    ) -> None:
        super().__init__(**arguments(locals()))

    def initial_state(self, parameter: Array) -> dict[str, Any]:
        return {"exp_avg": filled(parameter)}


class Muon(KernelOptimizer):
    """Step matrices along their momentum, made nearly orthogonal by iterations of Newton and Schulz
    (https://kellerjordan.github.io/posts/muon/). For the weights of hidden layers; use AdamW for
    the others.

    PyTorch iterates in bfloat16, so its steps are these to about 1 %.

    Args:
        weight_decay: decoupled, as AdamW's.
        ns_coefficients: a, b, c of an iteration X to (a + b XX' + c XX'XX') X.
        eps: the least norm to divide by.
        ns_steps: the number of iterations.
        adjust_lr_fn: "original" or `None` multiplies the learning rate for a matrix of shape (A, B)
            by the root of max(1, A / B), and "match_rms_adamw" by 0.2 times that of max(A, B).

    Raises:
        ValueError: a parameter is no matrix.
        TypeError: a parameter is complex.

    Example:
        >>> w = TensorNode([[1.0, 0.0], [0.0, 2.0]])
        >>> optimizer = optim.Muon([w], lr=0.1, weight_decay=0.0)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> print(w.round(1))  # the step is nearly 0.1 times an orthogonal matrix
        [[0.9 0. ]
         [0.  1.9]]
    """

    kernel, memory, elementwise = "muon", ("momentum_buffer",), False
    hidden = ("adjust_lr_fn",)
    others: ClassVar = {"adjust_lr_fn": (None, "original", "match_rms_adamw")}

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
        **unused: Any,
    ) -> None:
        super().__init__(**arguments(locals()))

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        super().add_param_group(param_group)
        for i, p in enumerate(self.parameters):
            refuse_complex("Muon", p.value)
            if p.ndim != 2:
                expected = "expected a matrix; use AdamW for the others"
                raise ValueError(f"Muon: parameter {i} is {describe(p.value)}, {expected}")

    def initial_state(self, parameter: Array) -> dict[str, Any]:
        return {"momentum_buffer": filled(parameter)}

    def update(
        self, parameters: list[Array], gradients: list[Array], states: list[dict[str, Any]]
    ) -> list[Array]:
        """Update matrices one by one, as their shapes give each its own learning rate."""
        one_by_one = zip(parameters, gradients, states, strict=True)
        return [super(Muon, self).update([p], [g], [state])[0] for p, g, state in one_by_one]

    def settings_for(self, parameter: Array, state: dict[str, Any]) -> dict[str, Any]:
        rows, columns = parameter.shape
        ratio = math.sqrt(max(1, rows / max(columns, 1)))
        if self._now["adjust_lr_fn"] == "match_rms_adamw":
            ratio = 0.2 * math.sqrt(max(rows, columns))
        return {**super().settings_for(parameter, state), "ratio": ratio}


def _power(k: float, step: Number) -> Number:
    return step**k
