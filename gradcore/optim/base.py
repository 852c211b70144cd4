"""The bases of optimizers: `Optimizer`, and `KernelOptimizer` for formulas of the backends."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from functools import partial
from math import inf, nextafter, prod
from typing import Any, ClassVar

from ..backends import Array, backend_of
from ..backends.types import Number
from ..engine.arrays import (
    copied,
    describe,
    is_complex,
    is_integer,
    loaded,
    namespace,
    node_or_array,
    real,
    wide_dtype,
)
from ..engine.ownership import is_alone
from ..graph import TensorNode
from ..replay.recording import each_replay, fixed, is_held, number, remember

__all__ = ["KernelOptimizer", "Optimizer", "parts", "trainable"]


class Optimizer:
    """Change parameters, by their gradients, so that a loss becomes smaller.

    A subclass writes `update`, and `initial_state` if it keeps a state for each parameter:

        class Plain(Optimizer):
            def update(self, parameters, gradients, states):
                return [p - self.lr * g for p, g in zip(parameters, gradients)]

    Args:
        parameters: TensorNodes that require a gradient; one that is repeated is updated once.
        settings: the learning rate `lr`, and other numbers.

    Attributes:
        parameters: the parameters, in a list.
        settings: the numbers by name. Schedules change them between steps, and so may you.
        state: for each parameter a dictionary, empty before its first update, then with arrays
            and the count of its updates: `{"step": 3, "mean": ..., "square": ...}` with Adam.

    Raises:
        TypeError: a parameter is not a TensorNode, or a setting is not a number.
        ValueError: there are no parameters, one can't have a gradient, or a setting is out of
            range.
    """

    def __init__(self, parameters: Iterable[TensorNode], **settings: Any) -> None:
        self.settings = self.checked(settings)
        self._start: float = self.settings["lr"]  # the learning rate that you set last
        self._scheduled = self._start  # the learning rate that schedules have made of it
        self._factors: dict[object, float] = {}  # what each schedule multiplies it by
        self.parameters = trainable(type(self).__name__, parameters)
        self.state: list[dict[str, Any]] = [{} for _ in self.parameters]
        self._call = object()  # renewed in each step: the key of the numbers that it shares

    @property
    def lr(self) -> float:
        """The learning rate."""
        return self.settings["lr"]

    @lr.setter
    def lr(self, lr: float) -> None:
        self.settings = self.checked({**self.settings, "lr": lr})
        self._start = self._scheduled = self.settings["lr"]

    @property
    def initial_lr(self) -> float:
        """The learning rate that you set last, by `lr` or in the settings: schedules start from
        it."""
        if self.settings["lr"] != self._scheduled:
            self.lr = self.settings["lr"]
        return self._start

    def follow(self, schedule: object, settings: Mapping[str, Any], anew: bool = False) -> None:
        """Take settings from a schedule, which has computed them from `initial_lr`.

        Several schedules multiply the learning rate: it becomes that of `settings`, times what the
        other schedules have made of `initial_lr`. Where it is `initial_lr` itself as the schedule
        comes to its first call, or with `anew`, the schedules before have no say any more.

        Args:
            schedule: the key of the schedule, the same in each call.

        Raises:
            TypeError, ValueError: a setting is out of range; nothing is changed.
        """
        start, new = self.initial_lr, self.checked({**self.settings, **settings})
        if "lr" in settings:
            if anew or (schedule not in self._factors and self.lr == start):
                self._factors.clear()
            others = prod(f for key, f in self._factors.items() if key is not schedule)
            self._factors[schedule] = new["lr"] / start if start else 1.0
            new["lr"] = self._scheduled = new["lr"] * others
        self.settings.update(new)

    def step(self) -> None:
        """Update the parameters that have a gradient.

        A step may write into the array of a parameter. An array that somebody else holds too
        (you, another node, a graph still to be used) stays as it is, and the parameter gets a new
        one.

        Raises:
            TypeError: a parameter would change its dtype, to that of its gradient or state.
            ValueError: the `update` of a subclass returned something else than the new values.
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
            # In a step being captured, the recording holds the value too, and expects the change.
            others = 1 if is_held(p) else 0
            values.append(p.value if is_alone(p, "value", others=others) else copied(p.value))
            if not state:
                state.update(self.initial_state(values[-1]))
        given = self.update(values, gradients, states)
        news = [node_or_array(x) for x in given] if isinstance(given, list | tuple) else []
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
        # Parameters with equal counts share the numbers that follow from the count.
        fixed(f"how {type(self).__name__}'s counts differ", lambda: _differences(states))

    def scaled(self, loss: TensorNode) -> TensorNode:
        """Return the node that backward starts from: the loss itself; see `MixedPrecision`."""
        return loss

    def zero_grad(self) -> None:
        """Set the gradients of all parameters to zero."""
        for p in self.parameters:
            p.zero_grad()

    def initial_state(self, parameter: Array) -> dict[str, Any]:  # noqa: ARG002
        """Make the state of a parameter before its first update: arrays, and the count `step`."""
        return {}

    def update(
        self, parameters: list[Array], gradients: list[Array], states: list[dict[str, Any]]
    ) -> list[Array]:
        """Compute the new values of parameters, and change their `states`.

        The new values may be written into the arrays of the old ones. For `gradcore.capture`,
        numbers that change from step to step go through `gradcore.recording`, as those of
        `self.lr_for(parameter)` do.
        """
        raise NotImplementedError(f"{type(self).__name__} has no method update; write one")

    def lr_for(self, parameter: Array) -> float | Array:
        """Give the learning rate for a parameter: a number or, in a step being captured, an array
        that each replay sets to it. A subclass may give each parameter its own."""
        return number(lambda: self.lr, parameter, wide_dtype(parameter), shared=self._call)

    def of_step(
        self,
        function: Callable[[Number], Number],
        parameter: Array,
        state: dict[str, Any],
        key: float,
    ) -> Number:
        """Compute a function of the number of a parameter's updates, in a step being captured too.

        `MixedPrecision` counts on the device which updates it has skipped, in the node
        `state["skipped"]`; the function then gets an array.

        Args:
            key: what tells this function from others of the optimizer.
        """
        shared, skipped = (self._call, key, state["step"]), state.get("skipped")
        dtype = wide_dtype(parameter)
        if skipped is None:
            return number(lambda: function(state["step"]), parameter, dtype, shared)
        step = number(lambda: state["step"], parameter, dtype, shared)
        return function(step - skipped.value)

    # -- The state --------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Copy all that the next steps depend on, besides the parameters and their gradients.

        Returns:
            "settings": the settings and `initial_lr`, plain numbers by name.
            "state": for each parameter a dictionary of arrays (copies) and the number "step".
        """
        state = []
        for memory in self.state:
            arrays = {n: copied(x) for n, x in memory.items() if n not in ("step", "skipped")}
            if "step" in memory:
                arrays["step"] = memory["step"] - int(memory.get("skipped", 0))
            state.append({name: arrays[name] for name in memory if name in arrays})
        return {"settings": {**self.settings, "initial_lr": self.initial_lr}, "state": state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue as the optimizer that gave this `state_dict`, with steps equal to the bit.

        Raises:
            ValueError: the state is no such state, or of another kind of optimizer or of other
                parameters, or has a setting out of range; nothing is changed.
        """
        self.take(self.read(state))

    def read(self, state: Mapping[str, Any]) -> Optimizer:
        """Make an optimizer like this one, with the state; the errors are those of
        `load_state_dict`."""
        name = f"{type(self).__name__}.load_state_dict"
        settings, given = parts(name, state, len(self.parameters))
        expected = sorted([*self.settings, "initial_lr"])
        if sorted(settings) != expected:
            found = sorted(settings)
            raise ValueError(f"{name}: found settings {found}, expected {expected}")
        read = copy(self)
        try:
            read.lr = settings.pop("initial_lr")
            read.settings = read.checked(settings)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name}: {error}") from None
        read._scheduled = read.lr
        read.state = [
            read._read_memory(f"{name}: parameter {i}", p, of_one) if of_one else {}
            for i, (p, of_one) in enumerate(zip(self.parameters, given, strict=True))
        ]
        return read

    def _read_memory(self, what: str, p: TensorNode, memory: Mapping[str, Any]) -> dict[str, Any]:
        """Check and copy the state of a parameter; an error begins with `what`."""
        fresh = self.initial_state(p.value)
        new = namespace(p.value).zeros_like(p.value, dtype=wide_dtype(p.value))  # as a velocity
        names = fresh.keys()
        later = {"velocity"} & {*getattr(self, "memory", ("velocity",))}  # from its first update on
        if not names <= memory.keys() <= names | later:
            raise ValueError(f"{what} has {sorted(memory)}, expected {sorted(names)}")
        read: dict[str, Any] = {}
        for name, x in memory.items():
            if name != "step":
                read[name] = loaded(f"{what}: {name}", x, fresh.get(name, new))
            elif is_integer(x) and x >= 0:
                read[name] = int(x)
            else:
                raise ValueError(f"{what}: step = {x!r}, expected an integer of at least 0")
        return read

    def take(self, read: Optimizer) -> None:
        """Take over the settings and the state of another optimizer of these parameters."""
        for mine, its in zip(self.state, read.state, strict=True):
            skipped = mine.get("skipped")
            mine.clear()  # and keep the dictionaries, and the node: a captured step holds them
            mine.update(its)
            if skipped is not None:
                skipped.value = namespace(skipped.value).zeros_like(skipped.value)
                mine["skipped"] = skipped
        vars(self).update({**vars(read), "state": self.state})

    # -- Checks of the arguments ------------------------------------------------------------

    def checked(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Check settings, and convert them to Python's own numbers, which keep arrays' dtypes.

        Raises:
            TypeError: a setting is not a number, or `betas` are not two.
            ValueError: a setting is out of range.
        """
        result: dict[str, Any] = {}
        for name, x in settings.items():
            several = "two numbers" if name == "betas" else "a number"
            what = f"{type(self).__name__}: {name} = {x!r}, expected {several}"
            try:
                numbers = tuple([float(n) for n in (x if name == "betas" else [x])])
            except (TypeError, ValueError):
                raise TypeError(what) from None
            if isinstance(x, str) or (name == "betas" and len(numbers) != 2):
                raise TypeError(what)
            least, limit = "of at least 0", inf
            if name == "betas":
                least, limit = "of at least 0 and less than 1", 1.0
            elif name == "alpha":
                least, limit = "from 0 to 1", nextafter(1.0, inf)
            if not all(0 <= n < limit for n in numbers):
                raise ValueError(f"{what} {least}")
            is_flag = isinstance(x, bool) and name != "lr"
            result[name] = x if is_flag else numbers if name == "betas" else numbers[0]
        return result


class KernelOptimizer(Optimizer):
    """An optimizer whose formula is a kernel of the backends.

    Attributes:
        kernel: the name of the kernel in `backends/definitions/updates.py`.
        memory: the names of the arrays of the state that the kernel takes after the parameter and
            the gradient, and gives after the new parameter; in its order.
    """

    kernel: ClassVar[str]
    memory: ClassVar[tuple[str, ...]]

    def settings_for(self, parameter: Array, state: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Make the kernel's settings, for parameters of this type, dtype, device and count."""
        return {**self.settings, "lr": self.lr_for(parameter)}

    def update(
        self, parameters: list[Array], gradients: list[Array], states: list[dict[str, Any]]
    ) -> list[Array]:
        alike: dict[Any, list[int]] = {}
        has_rates = type(self).lr_for is not Optimizer.lr_for  # each parameter may have its own
        for i, (p, state) in enumerate(zip(parameters, states, strict=True)):
            if "step" in state:
                each_replay(partial(_count, state))
            counts = state.get("step"), id(state.get("skipped"))
            kind = type(p), p.dtype, str(p.device), counts, has_rates and i
            alike.setdefault(kind, []).append(i)
        new = parameters.copy()
        for some in alike.values():
            first = some[0]
            arrays = [
                (parameters[i], gradients[i], *[states[i].get(name) for name in self.memory])
                for i in some
            ]
            parts = _parts(arrays) if is_complex(parameters[first]) else [arrays]
            settings = self.settings_for(parts[0][0][0], states[first])
            updates = backend_of(parameters[first]).update_all(self.kernel, parts[0], **settings)
            if len(parts) > 1:
                imag = backend_of(parameters[first]).update_all(self.kernel, parts[1], **settings)
                updates = _joined(updates, imag)
            for i, (new[i], *memory) in zip(some, updates, strict=True):
                results = zip(self.memory, memory, strict=True)
                states[i].update({name: x for name, x in results if x is not None})
        return new


_Arrays = list[tuple[Array | None, ...]]  # of each parameter, as kernels take and give them


def _parts(arrays: _Arrays) -> list[_Arrays]:
    """Make two real parameters of each complex one, as PyTorch does."""
    return [
        [tuple(None if x is None else copied(part(x)) for x in of_one) for of_one in arrays]
        for part in (real, lambda x: namespace(x).imag(x))
    ]


def _joined(reals: _Arrays, imags: _Arrays) -> _Arrays:
    """Undo `_parts`."""
    pairs = zip(reals, imags, strict=True)
    return [
        tuple(None if x is None or y is None else x + 1j * y for x, y in zip(*pair, strict=True))
        for pair in pairs
    ]


def trainable(name: str, parameters: Iterable[TensorNode]) -> list[TensorNode]:
    """Check the parameters of an optimizer, and list each once; an error begins with `name`."""
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
        if not (p.requires_grad or p.is_frozen):
            raise ValueError(f"{name}: parameter {i} has requires_grad=False; leave it out")
    if not nodes:
        raise ValueError(f"{name}: there are no parameters; does the model have any?")
    return list(dict.fromkeys(nodes))


def parts(name: str, state: Any, count: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Give copies of the two parts of an optimizer's `state_dict`, for so many parameters.

    Raises:
        ValueError: the state does not have these parts; the error begins with `name`.
    """
    try:
        settings = dict(state["settings"])
        memories = [dict(of_one) for of_one in state["state"]]
    except (TypeError, ValueError, KeyError, IndexError):
        raise ValueError(
            f"{name}: found {reprlib.repr(state)}, expected 'settings', a dictionary, and 'state', "
            "with a dictionary for each parameter"
        ) from None
    if len(memories) != count:
        raise ValueError(f"{name}: found {len(memories)} parameters, expected {count}")
    return settings, memories


def _count(state: dict[str, Any]) -> None:
    """Count an update of a parameter."""
    state["step"] += 1


def _differences(states: list[dict[str, Any]]) -> list[int]:
    """Subtract the count of the first parameter from all counts."""
    counts = [state["step"] for state in states if "step" in state]
    return [count - counts[0] for count in counts]
