"""Parameter groups: parameters with settings of their own, and what schedules make of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from math import inf, nextafter, prod
from typing import Any

from ..engine.arrays import is_integer
from ..graph import TensorNode

__all__ = [
    "AT_LEAST_0",
    "RANGES",
    "Group",
    "Rate",
    "Settings",
    "as_groups",
    "trainable",
    "within_range",
]

Group = dict[str, Any]  # "params", a list of nodes, the settings by name, and what users add

# How many numbers (0: one integer), from, to less than, and this in words.
Range = tuple[int, float, float, str]

AT_LEAST_0: Range = 1, 0.0, inf, "a number of at least 0"
AT_LEAST_1: Range = 1, 1.0, inf, "a number of at least 1"
FROM_0_TO_1: Range = 1, 0.0, nextafter(1.0, inf), "a number from 0 to 1"
ANY: Range = 1, -inf, inf, "a number"
COUNT: Range = 0, 0.0, inf, "an integer of at least 0"
RANGES: dict[str, Range] = {  # of settings by name; `AT_LEAST_0` of all others
    "betas": (2, 0.0, 1.0, "two numbers of at least 0 and less than 1"),
    "alpha": FROM_0_TO_1,
    "rho": FROM_0_TO_1,
    "beta2_decay": (1, -inf, nextafter(0.0, inf), "a number up to 0"),
    "d": AT_LEAST_1,
    "etas": (2, 0.0, inf, "two numbers of at least 0"),
    "step_sizes": (2, 0.0, inf, "two numbers of at least 0"),
    "ns_coefficients": (3, -inf, inf, "three numbers"),
    "ns_steps": (0, 0.0, 100.0, "an integer from 0 to 99"),
    "max_iter": COUNT,
    "max_eval": COUNT,
    "history_size": COUNT,
    "t0": ANY,
    "lambd": ANY,
    "tolerance_change": ANY,
    "tolerance_grad": ANY,
}


def within_range(optimizer: str, name: str, x: Any, limits: Range) -> Any:
    """Convert a setting to Python's own numbers, which keep arrays' dtypes: one, or a tuple.

    Raises:
        TypeError: it is no number, or not so many numbers.
        ValueError: a number is out of range.
    """
    count, least, limit, words = limits
    what = f"{optimizer}: {name} = {x!r}, expected {words}"
    try:
        numbers = tuple([float(n) for n in (x if count > 1 else [x])])
    except (TypeError, ValueError):
        raise TypeError(what) from None
    if isinstance(x, str) or len(numbers) != max(count, 1):
        raise TypeError(what)
    if not all(least <= n < limit for n in numbers):
        raise ValueError(what)
    if not count:
        if not is_integer(x):
            raise TypeError(what)
        return int(x)
    is_flag = isinstance(x, bool) and name != "lr"
    return x if is_flag else numbers if count > 1 else numbers[0]


class Settings(MutableMapping[str, Any]):
    """Show the settings of all groups of an optimizer as those of one: what is read is of one
    group, and what is written goes to all. A learning rate is then one that you set: schedules
    start from it."""

    __slots__ = ("_names", "_rate", "_rates")

    def __init__(self, names: Iterable[str], rate: Rate, rates: Sequence[Rate]) -> None:
        self._names, self._rate, self._rates = names, rate, rates

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        return self._rate.group[name]

    def __setitem__(self, name: str, x: Any) -> None:
        if name not in self._names:
            raise KeyError(f"{name}; there are {', '.join(self._names)}")
        for rate in self._rates:
            rate.group[name] = x
            if name == "lr":
                rate.begin(x)

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"settings stay; {name} can't be deleted")

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len([*self._names])

    def __repr__(self) -> str:
        return repr(dict(self))


class Rate:
    """Follow what schedules make of a group's learning rate: a product of their factors and of
    the rate that they start from, which is the group's "initial_lr".

    Attributes:
        group: the group.
        scheduled: the learning rate as schedules, or `begin`, have left it.
        factors: what each schedule multiplies by; its key is an object of the schedule's.
    """

    __slots__ = ("factors", "group", "scheduled")

    def __init__(self, group: Group, factors: Mapping[object, float] | None = None) -> None:
        self.group = group
        self.scheduled = group["lr"]
        self.factors = dict(factors or {})

    def begin(self, lr: Any) -> None:
        """Take the group's new learning rate for what schedules start from."""
        self.group["lr"] = self.group["initial_lr"] = self.scheduled = lr

    @property
    def start(self) -> float:
        """The learning rate that schedules start from. Where somebody has written another rate into
        the group, it is what gives that rate now: schedules go on from there."""
        lr = self.group["lr"]
        if lr != self.scheduled:
            made = prod(f for f in self.factors.values() if f)
            self.group["initial_lr"], self.scheduled = lr / made, lr
        start: Any = self.group.setdefault("initial_lr", lr)
        return start

    def follow(self, schedule: object, lr: float, anew: bool, multiplies: bool) -> None:
        """Set the learning rate that a schedule gives; see `Optimizer.follow`."""
        start, factors = self.start, self.factors
        if anew or (schedule not in factors and self.group["lr"] == start):
            factors.clear()
        others = prod(f for key, f in factors.items() if key is not schedule)
        alone = start if multiplies else start * others  # what the schedule's factor multiplies
        factors[schedule] = lr / alone if alone else 1.0
        self.group["lr"] = self.scheduled = lr * others if multiplies else lr


def as_groups(name: str, params: Any) -> list[Mapping[str, Any]]:
    """Make a list of groups of what an optimizer is given: nodes, perhaps with names, or groups."""
    if isinstance(params, TensorNode):
        raise TypeError(f"{name}: parameters is one TensorNode, expected a list; write [node]")
    if hasattr(params, "parameters"):
        kind = type(params).__name__
        raise TypeError(f"{name}: parameters is a {kind}, expected nodes; give its .parameters()")
    if not isinstance(params, Iterable):
        kind = type(params).__name__
        raise TypeError(f"{name}: parameters is a {kind}, expected nodes, as model.parameters()")
    entries = list(params)
    if entries and all(isinstance(entry, Mapping) for entry in entries):
        return entries
    return [{"params": entries}]


def trainable(name: str, params: Any, first: int = 0) -> tuple[list[TensorNode], list[str] | None]:
    """Check the parameters of an optimizer, and list each once.

    Args:
        name: the error begins with this.
        params: the nodes, or pairs of name and node; or one node.
        first: the number of the first parameter in errors.

    Returns:
        The nodes; and their names, if they have names.
    """
    given = [params] if isinstance(params, TensorNode) else list(params)
    names: dict[TensorNode, str] = {}
    nodes = list[TensorNode]()
    for i, p in enumerate(given, first):
        label = None
        if isinstance(p, tuple) and len(p) == 2 and isinstance(p[0], str):
            label, p = p
        if not isinstance(p, TensorNode):
            raise TypeError(
                f"{name}: parameter {i} is a {type(p).__name__}, expected a TensorNode, "
                "as model.parameters() gives"
            )
        if p.source is not None:
            raise ValueError(
                f"{name}: parameter {i} was computed, by {p.source.op.__name__}; give the nodes "
                "that it was computed from"
            )
        if not (p.requires_grad or p.is_frozen):
            raise ValueError(f"{name}: parameter {i} has requires_grad=False; leave it out")
        if label is not None:
            names.setdefault(p, label)
        nodes.append(p)
    nodes = list(dict.fromkeys(nodes))
    if names and len(names) < len(nodes):
        raise ValueError(f"{name}: some parameters have names, expected names for all or for none")
    return nodes, [names[p] for p in nodes] if names else None
