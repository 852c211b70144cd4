"""Optimizers: each changes parameters, by their gradients, so that a loss becomes smaller.

    optimizer = SGD(model.parameters(), lr=0.01)
    for batch in batches:
        loss = ...
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

Names, defaults and formulas are torch.optim's. The formulas are in `backends/updates.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from copy import copy
from functools import partial
from math import inf
from types import SimpleNamespace
from typing import Any, ClassVar

from ..backends import Array, backend_of
from ..graph import TensorNode
from ..recording import fixed, is_held, number, remember, repeat
from ..state import copied
from ..values import array, describe, namespace


class Optimizer:
    """What optimizers have in common. A subclass writes `update`, and `initial_state` if it
    remembers something of each parameter:

        class Plain(Optimizer):
            def update(self, parameters, gradients, states):
                return [p - self.lr * g for p, g in zip(parameters, gradients)]

    Args:
        parameters: TensorNodes that require a gradient; each is updated once, also if repeated.
        settings: the learning rate `lr`, and other numbers.

    Attributes:
        parameters: the parameters, in a list.
        settings: the numbers by name. Schedules change them, and so may you, between steps.
        initial_lr: the learning rate that you set last, which schedules start from.
        state: for each parameter what is remembered of it, empty before its first update.

    Raises:
        TypeError: a parameter is not a TensorNode, or a setting is not a number.
        ValueError: there are no parameters, one can't have a gradient, or a setting is out of
            range.
    """

    def __init__(self, parameters: Iterable[TensorNode], **settings: Any) -> None:
        self.settings = self.checked(settings)
        self.initial_lr: float = self.settings["lr"]
        self.parameters = self._nodes(parameters)
        self.state: list[dict[str, Any]] = [{} for _ in self.parameters]
        self._call = object()  # another in each step: learning rates may change in between

    @property
    def lr(self) -> float:
        """The learning rate."""
        return self.settings["lr"]

    @lr.setter
    def lr(self, lr: float) -> None:
        self.settings = self.checked({**self.settings, "lr": lr})
        self.initial_lr = self.settings["lr"]

    def step(self) -> None:
        """Update the parameters that have a gradient.

        Their arrays may be written to, but one that somebody else holds too (you, another node,
        a graph still to be used) stays as it is, and the parameter gets another.

        Raises:
            TypeError: a parameter would get another dtype, that of its gradient or state.
        ValueError: `update` of a class of your own gave something else than new values.
        """
        fixed(f"{type(self).__name__}'s settings but lr", lambda: {**self.settings, "lr": None})
        self._call = object()
        chosen = [i for i, p in enumerate(self.parameters) if p.has_grad]
        states = [self.state[i] for i in chosen]
        values, gradients = list[Array](), list[Array]()
        for i, state in zip(chosen, states, strict=True):
            remember(state)
            p = self.parameters[i]
            gradients.append(p.grad.value if isinstance(p.grad, TensorNode) else p.grad)
            values.append(p.value if _is_alone(p) else copied(p.value))
            if not state:
                state.update(self.initial_state(values[-1]))
        given = self.update(values, gradients, states)
        news = [array(x) for x in given] if isinstance(given, list | tuple) else []
        shapes, expected = ([tuple(x.shape) for x in some] for some in (news, values))
        if shapes != expected:
            found = f"shapes {shapes}" if news else repr(given)
            raise ValueError(
                f"{type(self).__name__}.update: gave {found}, expected the new values of all "
                f"parameters in a list, of shapes {expected}"
            )
        for i, new, gradient in zip(chosen, news, gradients, strict=True):
            if new.dtype != (value := self.parameters[i].value).dtype:
                raise TypeError(
                    f"{type(self).__name__}: parameter {i} is {describe(value)}, but would "
                    f"become {describe(new)}; its gradient is {describe(gradient)}. After "
                    "Module.to or Module.astype, make a new optimizer"
                )
        for i, new in zip(chosen, news, strict=True):
            self.parameters[i].value = new
        # Parameters of one count share the numbers that follow from it.
        fixed(f"how {type(self).__name__}'s counts differ", lambda: _differences(states))

    def scaled(self, loss: TensorNode) -> TensorNode:
        """Return the node that backward starts from: the loss itself; see `MixedPrecision`."""
        return loss

    def zero_grad(self) -> None:
        """Set the gradients of all parameters to zero."""
        for p in self.parameters:
            p.zero_grad()

    def initial_state(self, parameter: Array) -> dict[str, Any]:  # noqa: ARG002
        """What is remembered of a parameter before its first update: arrays, and the `step`."""
        return {}

    def update(
        self, parameters: list[Array], gradients: list[Array], states: list[dict[str, Any]]
    ) -> list[Array]:
        """The new values of parameters, which may be in the arrays of the old. Changes `states`.

        For `gradcore.capture`, numbers that change from step to step go through
        `gradcore.recording`, as `self.lr_for(parameter)` does.
        """
        raise NotImplementedError(f"{type(self).__name__} has no method update; write one")

    def lr_for(self, parameter: Array) -> Any:
        """The learning rate: a number or, in a step being captured, an array that follows it. A
        subclass may give each parameter another."""
        return number(lambda: self.lr, parameter, shared=self._call)

    # -- Its state --------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """A snapshot of all that the next steps depend on, besides the parameters.

        Returns:
            "settings": the settings and `initial_lr`, plain numbers by name.
            "state": for each parameter a dictionary of arrays (copies) and the number "step".
        """
        state = [
            {name: x if name == "step" else copied(x) for name, x in of_one.items()}
            for of_one in self.state
        ]
        return {"settings": {**self.settings, "initial_lr": self.initial_lr}, "state": state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on as the optimizer that gave this `state_dict`: all steps are the same to the bit.

        Raises:
            ValueError: it is of another kind of optimizer or of other parameters, or it has a
                setting out of range; nothing was changed then.
        """
        found = f"{type(self).__name__}.load_state_dict: found"
        settings, given = dict(state["settings"]), state["state"]
        expected = sorted([*self.settings, "initial_lr"])
        if sorted(settings) != expected:
            raise ValueError(f"{found} settings {sorted(settings)}, expected {expected}")
        if len(given) != len(self.parameters):
            raise ValueError(f"{found} {len(given)} parameters, expected {len(self.parameters)}")
        loaded = copy(self)
        loaded.lr = settings.pop("initial_lr")
        loaded.settings = self.checked(settings)
        loaded.state = []
        for i, (p, of_one) in enumerate(zip(self.parameters, given, strict=True)):
            names = loaded.initial_state(p.value).keys()
            if of_one and not names <= of_one.keys() <= names | {"velocity"}:
                wrong = f"{sorted(of_one)}, expected {sorted(names)}"
                raise ValueError(f"{found} of parameter {i} {wrong}")
            for name, x in of_one.items():
                if name != "step" and tuple(x.shape) != p.shape:
                    wrong = f"{name} of shape {tuple(x.shape)}, expected {p.shape}"
                    raise ValueError(f"{found} of parameter {i} {wrong}")
            loaded.state.append(
                {n: int(x) if n == "step" else copied(x, like=p.value) for n, x in of_one.items()}
            )
        for mine, its in zip(self.state, loaded.state, strict=True):
            mine.clear()  # the same dictionaries: a captured step goes by them
            mine.update(its)
        vars(self).update({**vars(loaded), "state": self.state})

    # -- What it is given -------------------------------------------------------------------

    def checked(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The settings as Python's own numbers, which leave the dtype of arrays as it is.

        Raises:
            TypeError: one is not a number, or of `betas` not two.
            ValueError: one is out of range.
        """
        result: dict[str, Any] = {}
        for name, x in settings.items():
            several, limit = ("two numbers", 1) if name == "betas" else ("a number", inf)
            what = f"{type(self).__name__}: {name} = {x!r}, expected {several}"
            try:
                numbers = tuple([float(n) for n in (x if name == "betas" else [x])])
            except (TypeError, ValueError):
                raise TypeError(what) from None
            if name == "betas" and len(numbers) != 2:
                raise TypeError(what)
            if not all(0 <= n < limit for n in numbers):
                raise ValueError(f"{what} of at least 0{' and less than 1' if limit == 1 else ''}")
            result[name] = x if isinstance(x, bool) else numbers if name == "betas" else numbers[0]
        return result

    def _nodes(self, parameters: Iterable[TensorNode]) -> list[TensorNode]:
        name = type(self).__name__
        if isinstance(parameters, TensorNode):
            raise TypeError(f"{name}: parameters is one TensorNode, expected a list; write [node]")
        nodes = list(parameters)
        for i, p in enumerate(nodes):
            if not isinstance(p, TensorNode):
                raise TypeError(
                    f"{name}: parameter {i} is a {type(p).__name__}, expected a TensorNode, "
                    "as model.parameters() gives"
                )
            if p.source is not None:
                raise ValueError(f"{name}: parameter {i} was computed, by {p.source.op.__name__}")
            if not p.requires_grad:
                raise ValueError(f"{name}: parameter {i} has requires_grad=False; leave it out")
        if not nodes:
            raise ValueError(f"{name}: there are no parameters; does the model have any?")
        return list(dict.fromkeys(nodes))


class KernelOptimizer(Optimizer):
    """An optimizer whose formula is a kernel of the backends."""

    kernel: ClassVar[str]
    memory: ClassVar[tuple[str, ...]]  # what the kernel is given and gives after the parameter

    def settings_for(self, parameter: Array, state: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """The kernel's settings for a parameter, and others of its kind and count of steps."""
        return {**self.settings, "lr": self.lr_for(parameter)}

    def update(
        self, parameters: list[Array], gradients: list[Array], states: list[dict[str, Any]]
    ) -> list[Array]:
        alike: dict[Any, list[int]] = {}
        has_rates = type(self).lr_for is not Optimizer.lr_for  # maybe for each another
        for i, (p, state) in enumerate(zip(parameters, states, strict=True)):
            if "step" in state:
                repeat(partial(_count, state))
            kind = type(p), p.dtype, str(p.device), state.get("step"), has_rates and i
            alike.setdefault(kind, []).append(i)
        new = parameters.copy()
        for some in alike.values():
            first = some[0]
            arrays = [
                (parameters[i], gradients[i], *[states[i].get(name) for name in self.memory])
                for i in some
            ]
            settings = self.settings_for(parameters[first], states[first])
            updates = backend_of(parameters[first]).update_all(self.kernel, arrays, **settings)
            for i, (new[i], *memory) in zip(some, updates, strict=True):
                results = zip(self.memory, memory, strict=True)
                states[i].update({name: x for name, x in results if x is not None})
        return new


class SGD(KernelOptimizer):
    """Gradient descent, on batches drawn at random (stochastic); with momentum if that is not 0
    (https://proceedings.mlr.press/v28/sutskever13.html).

    Args:
        dampening: momentum takes the part `1 - dampening` of each gradient but the first.
        weight_decay: what of the parameter is added to its gradient.
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
        super().__init__(
            parameters,
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
        )

    def checked(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        result = super().checked(settings)
        if result.get("nesterov") and (result["momentum"] == 0 or result["dampening"] != 0):
            raise ValueError(
                f"SGD: nesterov=True with momentum = {settings['momentum']} and dampening = "
                f"{settings['dampening']}, expected momentum and no dampening"
            )
        return result


class Adam(KernelOptimizer):
    """Steps along the average gradient, divided by the root of its average square
    (https://arxiv.org/abs/1412.6980).

    Args:
        betas: how much of the two averages is kept at each step.
        eps: is added to the root.
        weight_decay: what of the parameter is added to its gradient.
    """

    kernel, memory = "adam", ("mean", "square")
    decoupled: ClassVar[bool] = False  # the weight decay

    def __init__(
        self,
        parameters: Iterable[TensorNode],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def initial_state(self, parameter: Array) -> dict[str, Any]:
        zeros_like = namespace(parameter).zeros_like
        return {"step": 0, "mean": zeros_like(parameter), "square": zeros_like(parameter)}

    def settings_for(self, parameter: Array, state: dict[str, Any]) -> dict[str, Any]:
        first, second = (
            number(
                partial(_correction, beta, state),
                parameter,
                shared=(self._call, beta, state["step"]),
            )
            for beta in self.settings["betas"]
        )
        return {
            **super().settings_for(parameter, state),
            "corrections": (first, second),
            "decoupled": self.decoupled,
        }


class AdamW(Adam):
    """Adam, with a weight decay that makes the parameter itself smaller, by the part
    `lr * weight_decay` (https://arxiv.org/abs/1711.05101)."""

    decoupled = True

    def __init__(
        self,
        parameters: Iterable[TensorNode],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay)


class Adagrad(KernelOptimizer):
    """Divides the gradient by the root of the sum of all its squares
    (https://jmlr.org/papers/v12/duchi11a.html).

    Args:
        lr_decay: at step t the learning rate is `lr / (1 + (t - 1) * lr_decay)`.
        weight_decay: what of the parameter is added to its gradient.
        initial_accumulator_value: what the sums start from.
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
        super().__init__(
            parameters,
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
        )

    def initial_state(self, parameter: Array) -> dict[str, Any]:
        start = self.settings["initial_accumulator_value"]
        return {"step": 0, "square": namespace(parameter).full_like(parameter, start)}

    def settings_for(self, parameter: Array, state: dict[str, Any]) -> dict[str, Any]:
        decay = self.settings["lr_decay"]
        decayed = number(
            lambda: self.lr / (1 + (state["step"] - 1) * decay),
            parameter,
            shared=(self._call, state["step"]),
        )
        return {"lr": decayed, **{name: self.settings[name] for name in ("eps", "weight_decay")}}


class RMSprop(KernelOptimizer):
    """Divides the gradient by the root of its average square (https://arxiv.org/abs/1308.0850).

    Args:
        alpha: how much of the average is kept at each step.
        eps: is added to the root.
        weight_decay: what of the parameter is added to its gradient.
        momentum: how much of the velocity, what the parameter last changed by, is kept.
        centered: whether to divide by the deviation, from an average of the gradient.
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
        super().__init__(
            parameters,
            lr=lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
        )

    def initial_state(self, parameter: Array) -> dict[str, Any]:
        names = ("square", "mean") if self.settings["centered"] else ("square",)
        return {name: namespace(parameter).zeros_like(parameter) for name in names}

    def settings_for(self, parameter: Array, state: dict[str, Any]) -> dict[str, Any]:
        settings = super().settings_for(parameter, state)
        del settings["centered"]  # whether there is a mean
        return settings


def _count(state: dict[str, Any]) -> None:
    state["step"] += 1


def _differences(states: list[dict[str, Any]]) -> list[int]:
    """How far the counts of parameters are from the first one's."""
    counts = [state["step"] for state in states if "step" in state]
    return [count - counts[0] for count in counts]


def _correction(beta: float, state: dict[str, Any]) -> float:
    """How much of an average that started from zeros is of gradients."""
    return 1 - beta ** state["step"]


# May a kernel write into the node's array? If nobody could see that who holds it, or a view of it.


def _is_alone(node: TensorNode) -> bool:
    alone = _references(node) == _ALONE + is_held(node)
    return alone and backend_of(node.value).owns_memory(node.value)


def _references(holder: Any) -> int:
    return sys.getrefcount(holder.value)


_ALONE = _references(SimpleNamespace(value=object()))  # what is counted where only one holds it
