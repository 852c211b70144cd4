"""The base of optimizers."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from functools import partial
from itertools import accumulate
from operator import is_
from typing import Any, ClassVar

from ..backends import BACKEND_OF_TYPE, Array
from ..backends.types import Number
from ..engine.arrays import (
    copied,
    describe,
    is_integer,
    loaded,
    namespace,
    node_or_array,
    value_of,
    wide_dtype,
)
from ..engine.hooks import Handle
from ..engine.modes import building
from ..engine.ownership import is_alone
from ..engine.trees import tree_map
from ..graph import TensorNode
from ..replay.recording import fixed, is_held, is_inside, number, remember
from .groups import (
    AT_LEAST_0,
    RANGES,
    Group,
    Range,
    Rate,
    Settings,
    as_groups,
    trainable,
    within_range,
)

__all__ = ["Closure", "Optimizer", "Params", "parts", "zero_grad"]

Params = Iterable[TensorNode | tuple[str, TensorNode] | Mapping[str, Any]]
Closure = Callable[[], Any]
StepHook = Callable[[Any, tuple[Any, ...], dict[str, Any]], object]


class Optimizer:
    """Change parameters, by their gradients, so that a loss becomes smaller.

    A subclass writes `update`, and `initial_state` if it keeps a state for each parameter.

    Parameters may come in groups, each with settings of its own:

        optimizer = SGD([{"params": biases, "weight_decay": 0.0}, {"params": weights}], lr=0.1)
        for group in optimizer.param_groups:
            group["lr"] *= 0.5

    Args:
        params: TensorNodes that require a gradient; one that is repeated is updated once. Or pairs
            of a name and a node, as `model.named_parameters()` gives. Or groups: dictionaries with
            such "params", and with the settings that are not to be those of all groups.
        defaults: the settings, in a dictionary, as PyTorch's subclasses give them.
        settings: the learning rate `lr`, and other numbers.

    Attributes:
        param_groups: the groups: a list of dictionaries with "params" and the settings by name,
            which you may change between steps.
        defaults: the settings of groups that have no others.
        parameters: the parameters of all groups, in a list.
        state: for each parameter a dictionary, empty before its first update, then with arrays
            and the count of its updates: `{"step": 3, "mean": ..., "square": ...}` with Adam.

    Raises:
        TypeError: a parameter is not a TensorNode, or a setting is not a number.
        ValueError: there are no parameters, one can't have a gradient or is in two groups, or a
            setting is out of range.

    Example:
        >>> class Plain(optim.Optimizer):
        ...     def update(self, parameters, gradients, states):
        ...         return [p - self.lr * g for p, g in zip(parameters, gradients)]
        ...
        >>> w = TensorNode([1.0, 2.0])
        >>> (w * w).sum().backward()
        >>> Plain([w], lr=0.1).step()
        >>> print(w)
        [0.8 1.6]
    """

    ranges: ClassVar[Mapping[str, Range]] = RANGES  # what numbers settings may be
    others: ClassVar[Mapping[str, tuple[Any, ...]]] = {}  # settings that are no numbers
    elementwise: ClassVar[bool] = False  # is an element updated alone, so that parts may be, too?

    def __init__(
        self, params: Params, defaults: Mapping[str, Any] | None = None, **settings: Any
    ) -> None:
        self.defaults = self.checked({**(defaults or {}), **settings})
        self.param_groups: list[Group] = []
        self.parameters: list[TensorNode] = []
        self.state: list[dict[str, Any]] = []
        self._rates: list[Rate] = []  # of each group
        self._known: list[tuple[Group, Group]] = []  # its settings as given, and as checked
        self._at = 0  # the group whose settings count now; these, as checked
        self._now: Group = self.defaults
        self._call = object()  # renewed in each step: the key of the numbers that it shares
        self._before: dict[object, StepHook] = {}
        self._after: dict[object, StepHook] = {}
        for group in as_groups(type(self).__name__, params):
            self.add_param_group(group)
        if not self.parameters:
            name = type(self).__name__
            raise ValueError(f"{name}: there are no parameters; does the model have any?")

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add a group: a dictionary with "params", and with settings other than the defaults.

        Raises:
            TypeError, ValueError: as when the optimizer is made; nothing is added.

        Example:
            >>> weights, biases = TensorNode([[1.0, 2.0]]), TensorNode([0.0])
            >>> optimizer = optim.SGD([weights], lr=0.1, weight_decay=0.01)
            >>> optimizer.add_param_group({"params": [biases], "weight_decay": 0.0})
            >>> print([group["weight_decay"] for group in optimizer.param_groups])
            [0.01, 0.0]
        """
        name = type(self).__name__
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            found = reprlib.repr(param_group)
            raise TypeError(f"{name}: found {found}, expected a dictionary with 'params'")
        nodes, names = trainable(name, param_group["params"], len(self.parameters))
        if not {*self.parameters}.isdisjoint(nodes):
            i = self.parameters.index(next(p for p in nodes if p in {*self.parameters}))
            raise ValueError(f"{name}: parameter {i} is in more than one group")
        given = {n: param_group.get(n, default) for n, default in self.defaults.items()}
        group = {**param_group, "params": nodes, **self.checked(given)}
        if names:
            group["param_names"] = names
        if nodes and any(bool(names) != ("param_names" in other) for other in self.param_groups):
            raise ValueError(f"{name}: expected names for the parameters of all groups or of none")
        self.param_groups.append(group)
        self._rates.append(Rate(group))
        self._known.append(({}, {}))
        self.parameters += nodes
        self.state += [{} for _ in nodes]

    # -- Settings ---------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The settings, by name: reading gives those of the first group (in `update`, those of the
        group being updated); writing sets those of all groups.

        Example:
            >>> optimizer = optim.SGD([TensorNode([1.0])], lr=0.1, momentum=0.9)
            >>> optimizer.settings["momentum"] = 0.8
            >>> print(optimizer.settings["momentum"], optimizer.settings["lr"])
            0.8 0.1
        """
        return Settings(self.defaults, self._rates[self._at], self._rates)

    @property
    def lr(self) -> float:
        """The learning rate, of the first group; setting it sets that of all groups.

        Example:
            >>> optimizer = optim.SGD([TensorNode([1.0])], lr=0.1)
            >>> optimizer.lr *= 0.5
            >>> print(optimizer.lr)
            0.05
        """
        lr: float = self.param_groups[self._at]["lr"]
        return lr

    @lr.setter
    def lr(self, lr: float) -> None:
        self.settings["lr"] = self.checked({**self.settings, "lr": lr})["lr"]

    @property
    def initial_lr(self) -> float:
        """The learning rate that schedules start from, of the first group: that which you set last,
        by `lr` or in the settings."""
        return self.initial_lrs[self._at]

    @property
    def initial_lrs(self) -> list[float]:
        """The learning rates that schedules start from, of each group."""
        for k in range(len(self.param_groups)):
            self._settings_of(k)  # which checks the rates
        return [float(rate.start) for rate in self._rates]

    def follow(
        self,
        schedule: object,
        settings: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        anew: bool = False,
        multiplies: bool = True,
    ) -> None:
        """Take settings from a schedule, which has computed them from `initial_lrs`.

        Several schedules multiply the learning rate: it becomes that of `settings`, times what the
        other schedules have made of `initial_lr`. Where it is `initial_lr` itself as the schedule
        comes to its first call, or with `anew`, the schedules before have no say any more.

        Args:
            schedule: the key of the schedule, the same in each call.
            settings: for all groups, or a list with those for each.
            multiplies: if False, the learning rate becomes that of `settings` itself.

        Raises:
            TypeError, ValueError: a setting is out of range; nothing is changed.
        """
        groups = self.param_groups
        given = [settings] * len(groups) if isinstance(settings, Mapping) else settings
        if len(given) != len(groups):
            raise ValueError(
                f"{type(self).__name__}: settings for {len(given)} groups, expected {len(groups)}"
            )
        news = [self.checked({**self._settings_of(k), **new}) for k, new in enumerate(given)]
        for group, rate, new, names in zip(groups, self._rates, news, given, strict=True):
            group.update({name: new[name] for name in names if name != "lr"})
            if "lr" in names:
                rate.follow(schedule, new["lr"], anew, multiplies)

    def _settings_of(self, k: int) -> Group:
        """Check the settings of group k, unless they are as before, and convert them."""
        group = self.param_groups[k]
        given = {name: group[name] for name in self.defaults}
        if given != self._known[k][0]:
            self._known[k] = given, self.checked(given)
        return self._known[k][1]

    def _rate_of(self, k: int) -> float:
        """Give the learning rate of group k, checked."""
        before, checked = self._known[k]
        is_as_before = self.param_groups[k]["lr"] is before.get("lr")
        lr: float = (checked if is_as_before else self._settings_of(k))["lr"]
        return lr

    # -- Steps ------------------------------------------------------------------------------

    def step(self, closure: Closure | None = None) -> Any:
        """Update the parameters that have a gradient.

        A step may write into the array of a parameter. An array that somebody else holds too
        (you, another node, a graph still to be used) stays as it is, and the parameter gets a new
        one.

        Args:
            closure: computes the loss, calls its `backward`, and returns it.

        Returns:
            What the closure returns, or `None`.

        Raises:
            TypeError: a parameter would change its dtype, to that of its gradient or state; or a
                setting is no number.
            ValueError: the `update` of a subclass returned something else than the new values; or
                a setting is out of range.

        Example:
            >>> w = TensorNode([1.0, 2.0])
            >>> optimizer = optim.SGD([w], lr=0.1)
            >>> (w * w).sum().backward()
            >>> optimizer.step()
            >>> print(w)
            [0.8 1.6]
        """
        arguments = (self,) if closure is None else (self, closure)
        for hook in [*self._before.values()]:
            hook(self, arguments, {})
        loss = self.do_step(closure)
        for hook in [*self._after.values()]:
            hook(self, arguments, {})
        return loss

    def do_step(self, closure: Closure | None) -> Any:
        """Do what `step` does between its hooks."""
        loss = None
        if closure is not None:
            with building(True):
                loss = closure()
        name, first = type(self).__name__, 0
        fixed(f"{name}'s", self._all_but_rates)
        self._call = object()
        updated, states = list[tuple[int, Array, Array]](), list[dict[str, Any]]()
        try:
            for k, group in enumerate(self.param_groups):
                self._at, self._now = k, self._settings_of(k)
                last = first + len(group["params"])
                chosen = [i for i in range(first, last) if self.parameters[i].has_grad]
                states += [self.state[i] for i in chosen]
                updated += self._updates(chosen)
                first = last
        finally:
            self._at = 0
        for i, new, gradient in updated:
            if new.dtype != (value := self.parameters[i].value).dtype:
                raise TypeError(
                    f"{name}: parameter {i} is {describe(value)}, but would "
                    f"become {describe(new)}; its gradient is {describe(gradient)}. After "
                    "Module.to or Module.astype, make a new optimizer"
                )
        for i, new, _ in updated:
            self.parameters[i].value = new
        # Parameters with equal counts share the numbers that follow from the count.
        fixed(f"how {name}'s counts differ", lambda: _differences(states))
        state = [*self.state]
        fixed(f"whether {name}'s parameters and state are those it had", partial(self._has, state))
        return loss

    def _has(self, state: list[dict[str, Any]]) -> bool:
        """Whether the state is of these dictionaries, in which a captured step finds arrays."""
        return len(self.state) == len(state) and all(map(is_, self.state, state))

    def _updates(self, chosen: list[int]) -> list[tuple[int, Array, Array]]:
        """Update parameters of one group: give the number, the new value and the gradient."""
        if not chosen:
            return []
        states = [self.state[i] for i in chosen]
        values, gradients, is_captured = list[Array](), list[Array](), is_inside()
        for i, state in zip(chosen, states, strict=True):
            p, others = self.parameters[i], 0
            if is_captured:  # the recording may hold the value too, and expects the change
                remember(state)
                others = int(is_held(p))
            gradients.append(value_of(p.grad))
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
        return list(zip(chosen, news, gradients, strict=True))

    def begin(self, i: int) -> dict[str, Any]:
        """Give the state of parameter i; if it has none, make the first."""
        if not self.state[i]:
            with self._in_group_of(i):
                self.state[i].update(self.initial_state(self.parameters[i].value))
        return self.state[i]

    @contextmanager
    def _in_group_of(self, i: int) -> Iterator[None]:
        """Inside, `settings` and `lr` are those of the group of parameter i."""
        ends = accumulate(len(group["params"]) for group in self.param_groups)
        self._at = next(k for k, end in enumerate(ends) if i < end)
        self._now = self._settings_of(self._at)
        try:
            yield
        finally:
            self._at = 0

    def _all_but_rates(self) -> dict[str, Any]:
        """Give the number of groups and the settings of each, by their names for people."""
        found: dict[str, Any] = {"number of parameter groups": len(self.param_groups)}
        for k, group in enumerate(self.param_groups):
            where = f" of group {k}" if k else ""
            found |= {f"{name}{where}": group[name] for name in self.defaults if name != "lr"}
        return found

    def register_step_pre_hook(self, hook: StepHook) -> Handle:
        """Call `hook(optimizer, arguments, {})` before each step. The handle's `remove()`, or the
        end of a `with` block, takes the hook off.

        Example:
            >>> w = TensorNode([1.0, 2.0])
            >>> optimizer = optim.SGD([w], lr=0.1)
            >>> clip = lambda *_: nn.utils.clip_grad_value_([w], 1.0)
            >>> handle = optimizer.register_step_pre_hook(clip)
            >>> (w * w).sum().backward()
            >>> optimizer.step()
            >>> print(w)
            [0.9 1.9]
        """
        return Handle(self._before, hook)

    def register_step_post_hook(self, hook: StepHook) -> Handle:
        """Call `hook(optimizer, arguments, {})` after each step.

        Example:
            >>> w = TensorNode([1.0, 2.0])
            >>> optimizer = optim.SGD([w], lr=0.1)
            >>> handle = optimizer.register_step_post_hook(lambda *_: print("a step"))
            >>> (w * w).sum().backward()
            >>> optimizer.step()
            a step
        """
        return Handle(self._after, hook)

    def scaled(self, loss: TensorNode) -> TensorNode:
        """Return the node that backward starts from: the loss itself; see `MixedPrecision`."""
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients of all parameters to zero. Then a step does not update them; unless
        `set_to_none` is False, so that gradients there were are arrays of zeros.

        Example:
            >>> w = TensorNode([1.0, 2.0])
            >>> optimizer = optim.SGD([w], lr=0.1)
            >>> (w * w).sum().backward()
            >>> optimizer.zero_grad()
            >>> print(w.has_grad)
            False
        """
        zero_grad(self.parameters, set_to_none)

    def initial_state(self, parameter: Array) -> dict[str, Any]:  # noqa: ARG002
        """Make the state of a parameter before its first update: arrays, and the count `step`."""
        return {}

    def update(
        self, parameters: list[Array], gradients: list[Array], states: list[dict[str, Any]]
    ) -> list[Array]:
        """Compute the new values of parameters of one group, and change their `states`.

        The new values may be written into the arrays of the old ones. For `gradcore.capture`,
        numbers that change from step to step go through `gradcore.recording`, as those of
        `self.lr_for(parameter)` do.
        """
        raise NotImplementedError(f"{type(self).__name__} has no method update; write one")

    def lr_for(self, parameter: Array) -> float | Array:
        """Give the learning rate for a parameter: a number or, in a step being captured, an array
        that each replay sets to it. A subclass may give each parameter its own."""
        k = self._at
        return number(lambda: self._rate_of(k), parameter, shared=(self._call, k))

    def of_step(
        self,
        function: Callable[[Number], Number],
        parameter: Array,
        state: dict[str, Any],
        key: object,
    ) -> Number:
        """Compute a function of the number of a parameter's updates, in a step being captured too.

        `MixedPrecision` counts on the device which updates it has skipped, in the node
        `state["skipped"]`; the function then gets an array.

        Args:
            key: what tells this function from others of the optimizer.
        """
        shared, skipped = (self._call, key, state["step"]), state.get("skipped")
        if skipped is None:
            return number(lambda: function(state["step"]), parameter, shared=shared)
        step = number(lambda: state["step"], parameter, shared=shared)
        return function(step - skipped.value)

    # -- The state --------------------------------------------------------------------------

    # The names that arrays of the state have in PyTorch, where they are others than here.
    torch_names: ClassVar[Mapping[str, str]] = {}

    def state_dict(self) -> dict[str, Any]:
        """Copy all that the next steps depend on, besides the parameters and their gradients.

        Returns:
            A dictionary. Its "settings" are the settings and `initial_lr`, plain numbers by name;
            of several groups a list, where "params" are the numbers of the group's parameters. Its
            "state" is for each parameter a dictionary of arrays (copies) and the number "step".

        Example:
            >>> w = TensorNode([1.0, 2.0])
            >>> optimizer = optim.SGD([w], lr=0.1, momentum=0.9)
            >>> (w * w).sum().backward()
            >>> optimizer.step()
            >>> print(optimizer.state_dict()["state"][0]["velocity"])
            [2. 4.]
        """
        settings, first = list[Group](), 0
        for k, (group, start) in enumerate(zip(self.param_groups, self.initial_lrs, strict=True)):
            last = first + len(group["params"])
            numbers = {"params": [*range(first, last)]} if len(self.param_groups) > 1 else {}
            settings.append({**self._settings_of(k), "initial_lr": start, **numbers})
            first = last
        state = [self._copied_memory(memory) for memory in self.state]
        return {"settings": settings if len(settings) > 1 else settings[0], "state": state}

    def _copied_memory(self, memory: dict[str, Any]) -> dict[str, Any]:
        """Copy the state of a parameter, with the updates that count."""
        arrays = {n: copied(x) for n, x in memory.items() if n not in ("step", "skipped")}
        if "step" in memory:
            arrays["step"] = memory["step"] - int(memory.get("skipped", 0))
        return {name: arrays[name] for name in memory if name in arrays}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue as the optimizer that gave this `state_dict`, with steps equal to the bit.

        A state of the optimizer of this name in PyTorch is read as well, with tensors or arrays.

        Raises:
            ValueError: the state is no such state, or of another kind of optimizer or of other
                parameters, or has a setting out of range; nothing is changed.

        Example:
            >>> w = TensorNode([1.0, 2.0])
            >>> state = optim.Adam([w], lr=0.5).state_dict()
            >>> optimizer = optim.Adam([w])
            >>> optimizer.load_state_dict(state)
            >>> print(optimizer.lr)
            0.5
        """
        self.take(self.read(state))

    def torch_state_dict(self, convert: Callable[[Array], Any] = lambda x: x) -> dict[str, Any]:
        """Copy the state as the optimizer of this name in PyTorch has it. That one takes tensors:

            twin.load_state_dict(optimizer.torch_state_dict(torch.from_dlpack))

        Args:
            convert: is applied to each array.

        Example:
            >>> w = TensorNode([1.0, 2.0])
            >>> optimizer = optim.Adam([w])
            >>> (w * w).sum().backward()
            >>> optimizer.step()
            >>> print([*optimizer.torch_state_dict()["state"][0]])
            ['step', 'exp_avg', 'exp_avg_sq']
        """

        def converted(x: Any) -> Any:
            return convert(x) if type(x) in BACKEND_OF_TYPE else x

        state, settings = self.state_dict()["state"], list[Group]()
        first = 0
        for group in self.param_groups:
            last = first + len(group["params"])
            settings.append({**group, "params": [*range(first, last)]})
            first = last
        memories = {
            i: {
                self.torch_names.get(name, name): tree_map(converted, x)
                for name, x in memory.items()
            }
            for i, memory in enumerate(state)
            if memory
        }
        return {"state": memories, "param_groups": settings}

    def _from_torch(self, name: str, state: Mapping[str, Any]) -> dict[str, Any]:
        """Make of a state of PyTorch's one of this class."""
        ours = {theirs: mine for mine, theirs in self.torch_names.items()}
        try:
            groups = [dict(group) for group in state["param_groups"]]
            order = [i for group in groups for i in group["params"]]
            memories = [dict(state["state"].get(i, {})) for i in order]
            for memory, p in zip(memories, self.parameters, strict=True):
                if "step" in memory:
                    memory["step"] = int(float(memory["step"]))
                    if "step" not in self.initial_state(p.value):
                        del memory["step"]
        except (AttributeError, KeyError, TypeError, ValueError):
            found, expected = reprlib.repr(state), f"of {len(self.parameters)} parameters"
            problem = f"found {found}, expected a state of PyTorch's, {expected}"
            raise ValueError(f"{name}: {problem}") from None
        names = [*self.defaults, "params"]
        return {
            "settings": [
                {n: x for n, x in group.items() if n in names}
                | {"initial_lr": group.get("initial_lr", group.get("lr"))}
                for group in groups
            ],
            "state": [
                {ours.get(n, n): x for n, x in memory.items() if x is not None}
                for memory in memories
            ],
        }

    def read(self, state: Mapping[str, Any]) -> Optimizer:
        """Make an optimizer like this one, with the state; the errors are those of
        `load_state_dict`."""
        name = f"{type(self).__name__}.load_state_dict"
        if isinstance(state, Mapping) and "param_groups" in state:
            state = self._from_torch(name, state)
        settings, given = parts(name, state, len(self.parameters))
        if len(settings) != len(self.param_groups):
            found, groups = len(settings), len(self.param_groups)
            raise ValueError(f"{name}: found {found} groups of parameters, expected {groups}")
        read = copy(self)
        read.param_groups = [
            self._read_group(f"{name}: group {k}" if k else name, group, of_one)
            for k, (group, of_one) in enumerate(zip(self.param_groups, settings, strict=True))
        ]
        read._rates = [
            Rate(group, rate.factors)
            for group, rate in zip(read.param_groups, self._rates, strict=True)
        ]
        read._known = [({}, {}) for _ in read.param_groups]
        read.state = []
        for i, (p, of_one) in enumerate(zip(self.parameters, given, strict=True)):
            with read._in_group_of(i):
                what = f"{name}: parameter {i}"
                read.state.append(read._read_memory(what, p, of_one) if of_one else {})
        return read

    def _read_group(self, what: str, group: Group, settings: Group) -> Group:
        """Make a group like this one with settings that were saved; an error begins with `what`.

        A flag that the state lacks is of a later version, and stays as it is.
        """
        numbers = settings.pop("params", group["params"])
        if len(numbers) != len(group["params"]):
            counts = (
                f"found {len(numbers)} parameters in the group, expected {len(group['params'])}"
            )
            raise ValueError(f"{what}: {counts}")
        flags = {n: x for n, x in group.items() if isinstance(x, bool) and n in self.defaults}
        found, settings = sorted(settings), flags | settings
        if sorted(settings) != (expected := sorted([*self.defaults, "initial_lr"])):
            raise ValueError(f"{what}: found settings {found}, expected {expected}")
        try:
            start = self.checked({**self.defaults, "lr": settings.pop("initial_lr")})["lr"]
            return {**group, **self.checked(settings), "initial_lr": start}
        except (TypeError, ValueError) as error:
            raise ValueError(f"{what}: {error}") from None

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
            if skipped is not None and "step" in its:
                skipped.value = namespace(skipped.value).zeros_like(skipped.value)
                mine["skipped"] = skipped
        for rate, new in zip(self._rates, read.param_groups, strict=True):
            rate.group.update(new)
            rate.scheduled = new["lr"]

    # -- Checks of the arguments ------------------------------------------------------------

    def checked(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Check settings, and convert them to Python's own numbers, which keep arrays' dtypes.

        Raises:
            TypeError: a setting is not a number, or `betas` are not two.
            ValueError: a setting is out of range.
        """
        name, result = type(self).__name__, dict[str, Any]()
        for key, x in settings.items():
            if key not in self.others:
                result[key] = within_range(name, key, x, self.ranges.get(key, AT_LEAST_0))
            elif x in self.others[key]:
                result[key] = x
            else:
                known = " or ".join(map(repr, self.others[key]))
                raise ValueError(f"{name}: {key} = {x!r}, expected {known}")
        return result

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for k, group in enumerate(self.param_groups):
            names = sorted(name for name in group if name not in ("params", "param_names"))
            lines += [f"Parameter Group {k}", *[f"    {name}: {group[name]}" for name in names]]
        return "\n".join([*lines, ")"])


def zero_grad(parameters: Iterable[TensorNode], set_to_none: bool) -> None:
    """Set gradients to zero; see `Optimizer.zero_grad`."""
    for p in parameters:
        zeros = not set_to_none and p.has_grad
        p.zero_grad()
        if zeros:
            p.grad = namespace(p.value).zeros_like(p.value)


def parts(name: str, state: Any, count: int) -> tuple[list[Group], list[dict[str, Any]]]:
    """Give copies of the two parts of an optimizer's `state_dict`, for so many parameters; the
    first is a list with the settings of each group.

    Raises:
        ValueError: the state does not have these parts; the error begins with `name`.
    """
    try:
        settings = state["settings"]
        groups = [
            dict(of_one) for of_one in (settings if isinstance(settings, list) else [settings])
        ]
        memories = [dict(of_one) for of_one in state["state"]]
    except (TypeError, ValueError, KeyError, IndexError):
        raise ValueError(
            f"{name}: found {reprlib.repr(state)}, expected 'settings', a dictionary, and 'state', "
            "with a dictionary for each parameter"
        ) from None
    if len(memories) != count:
        raise ValueError(f"{name}: found {len(memories)} parameters, expected {count}")
    return groups, memories


def _differences(states: list[dict[str, Any]]) -> list[int]:
    """Subtract the count of the first parameter from all counts."""
    counts = [state["step"] for state in states if "step" in state]
    return [count - counts[0] for count in counts]
