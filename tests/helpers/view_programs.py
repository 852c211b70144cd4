"""Random programs of views, assignments and arithmetic, which run on NumPy's arrays, on nodes and
on PyTorch's tensors alike."""

from __future__ import annotations

import operator
from collections.abc import Callable
from random import Random
from typing import Any

import array_api_compat.numpy as compat
import numpy as np

from gradcore import TensorNode, namespace
from gradcore.backends import Backend

Step = tuple[str, int, tuple[Any, ...]]  # a method of Arrays, the variable's index, arguments
Program = tuple[list[np.ndarray], list[Step]]  # what to start from, and what to do

FUNCTIONS = {"+": operator.iadd, "-": operator.isub, "*": operator.imul}


class Arrays:
    """NumPy's arrays: what NumPy does is right."""

    def start(self, x: Any) -> Any:
        return x * 1.0

    def constant(self, x: np.ndarray) -> Any:
        return x.copy()

    def function(self, x: Any, name: str, *args: Any) -> list[Any]:
        return [getattr(compat, name)(x, *args)]

    def part(self, x: Any, key: Any) -> list[Any]:
        return [x[key]]

    def squeeze(self, x: Any, axis: int) -> list[Any]:
        return [compat.squeeze(x, axis=axis)]

    def unstack(self, x: Any, axis: int) -> list[Any]:
        return [x[(slice(None),) * axis + (i,)] for i in range(x.shape[axis])]

    def product(self, x: Any, y: Any) -> list[Any]:
        return [np.array(x * y + x, order="C")]

    def assign(self, x: Any, key: Any, y: Any) -> list[Any]:
        x[key] = y
        return []

    def augment(self, x: Any, symbol: str, y: Any) -> list[Any]:
        assert FUNCTIONS[symbol](x, y) is x or x.shape == ()
        return []

    def augment_part(self, x: Any, key: Any, symbol: str, y: Any) -> list[Any]:
        x[key] = FUNCTIONS[symbol](x[key], y)
        return []

    def drop(self, x: Any) -> list[Any]:  # noqa: ARG002
        return []

    def run(self, program: Program) -> list[Any]:
        """The variables in the end; `None` for those dropped."""
        variables: list[Any] = [self.start(x) for x in program[0][:2]]
        variables.append(self.constant(program[0][2]))
        for step in program[1]:
            self.do(variables, step)
        return variables

    def do(self, variables: list[Any], step: Step) -> None:
        name, i, args = step
        # A variable among the arguments is its index in a list.
        args = tuple([variables[a[0]] if isinstance(a, list) else self.operand(a) for a in args])
        variables += getattr(self, name)(variables[i], *args)
        if name == "drop":
            variables[i] = None

    def operand(self, x: Any) -> Any:
        return x


class Nodes(Arrays):
    def __init__(self, backend: Backend, dtype: str = "float64") -> None:
        self.backend, self.dtype = backend, dtype

    def operand(self, x: Any) -> Any:
        if not isinstance(x, np.ndarray):
            return x
        return self.backend.asarray(x.astype(self.dtype) if x.dtype.kind == "f" else x)

    def constant(self, x: np.ndarray) -> Any:
        return TensorNode(self.operand(x.copy()), requires_grad=False)

    def function(self, x: Any, name: str, *args: Any) -> list[Any]:
        return [getattr(namespace(x), name)(x, *args)]

    def squeeze(self, x: Any, axis: int) -> list[Any]:
        return [namespace(x).squeeze(x, axis=axis)]

    def unstack(self, x: Any, axis: int) -> list[Any]:
        return [*namespace(x).unstack(x, axis=axis)]

    def product(self, x: Any, y: Any) -> list[Any]:
        return [x * y + x]


class Tensors(Arrays):
    """PyTorch's tensors. PyTorch refuses gradients where a value that it needs was assigned to
    later, so it gets copies."""

    def __init__(self, torch: Any) -> None:
        self.torch = torch

    def operand(self, x: Any) -> Any:
        return self.torch.tensor(x) if isinstance(x, np.ndarray) else x

    def constant(self, x: np.ndarray) -> Any:
        return self.torch.tensor(x)

    def function(self, x: Any, name: str, *args: Any) -> list[Any]:
        if name == "flip":
            raise NotImplementedError
        name = {"permute_dims": "permute", "expand_dims": "unsqueeze"}.get(name, name)
        return [getattr(x, name)(*args)]

    def squeeze(self, x: Any, axis: int) -> list[Any]:
        return [x.squeeze(axis)]

    def product(self, x: Any, y: Any) -> list[Any]:
        return [(x.clone() * y.clone() + x.clone()).contiguous()]

    def assign(self, x: Any, key: Any, y: Any) -> list[Any]:
        x[key] = y.clone() if hasattr(y, "clone") else y
        return []

    def augment(self, x: Any, symbol: str, y: Any) -> list[Any]:
        y = y.clone() if hasattr(y, "clone") else y
        x.copy_(FUNCTIONS[symbol](x.clone(), y))
        return []

    def augment_part(self, x: Any, key: Any, symbol: str, y: Any) -> list[Any]:
        y = y.clone() if hasattr(y, "clone") else y
        x[key] = FUNCTIONS[symbol](x[key].clone(), y)
        return []


def program(seed: int, steps: int, flips: bool) -> Program:
    """Draw a program. With `flips`, there are negative steps, which PyTorch doesn't have."""
    random, rng = Random(seed), np.random.default_rng(seed)
    shapes = [(3, 4), (2, 3, 2), (12,), (2, 6)]
    starts = [rng.normal(size=random.choice(shapes)) for _ in range(3)]
    numpy, done = Arrays(), []
    variables = numpy.run((starts, []))
    while len(done) < steps:
        live = [i for i, x in enumerate(variables) if x is not None]
        i = random.choice(live)
        step = _step(random, rng, variables, i, flips)
        n = len(variables)
        if step is None or (step[0] == "drop" and len(live) < 3):
            continue
        numpy.do(variables, step)
        if [x for x in variables[n:] if not x.shape]:  # a number, and no part of anything
            del variables[n:]
            continue
        done.append(step)
        if [x for x in variables if x is not None and np.abs(x).max(initial=0) > 50]:
            break
    return starts, done


def _step(random: Random, rng: Any, variables: list[Any], i: int, flips: bool) -> Step | None:
    x = variables[i]
    key, axis = _key(random, x.shape, flips), random.randrange(max(x.ndim, 1))
    order = [*range(x.ndim)]
    random.shuffle(order)
    same = [[k] for k, v in enumerate(variables) if v is not None and v.shape == x.shape]
    views: list[Callable[[], Step]] = [
        lambda: ("part", i, (key,)),
        lambda: ("part", i, (key,)),
        lambda: ("function", i, ("reshape", _factors(random, x.size))),
        lambda: ("function", i, ("permute_dims", tuple(order))),
    ]
    if x.ndim < 4:
        views.append(lambda: ("function", i, ("expand_dims", axis)))
    if x.ndim > 1 and 1 in x.shape:
        views.append(lambda: ("squeeze", i, (x.shape.index(1),)))
    if x.ndim > 1:
        views.append(lambda: ("unstack", i, (axis,)))
    if flips:
        views.append(lambda: ("function", i, ("flip",)))
    kind = random.random()
    if kind < 0.45:
        return random.choice(views)()
    if kind < 0.55:
        return "product", i, (random.choice(same),)
    if kind < 0.6:
        return "drop", i, ()
    symbol = random.choice("+-*")
    if kind < 0.72:
        return "augment", i, (symbol, _operand(random, rng, x.shape, same))
    if kind < 0.77 and x.shape[0]:
        indices = np.array([random.randrange(x.shape[0])])
        return "assign", i, (indices, _operand(random, rng, x[indices].shape, []))
    if kind < 0.8:
        return "assign", i, (rng.random(x.shape) < 0.4, 1.5)
    if key is None or (isinstance(key, tuple) and [k for k in key if k is None]):
        return None  # the standard has no assignment with `None`
    taken = x[key]
    fits = [[k] for k, v in enumerate(variables) if v is not None and v.shape == taken.shape]
    y = _operand(random, rng, taken.shape, fits)
    return ("assign", i, (key, y)) if kind < 0.92 else ("augment_part", i, (key, symbol, y))


def _operand(random: Random, rng: Any, shape: tuple[int, ...], variables: list[Any]) -> Any:
    if variables and random.random() < 0.5:
        return random.choice(variables)
    if random.random() < 0.4:
        return round(random.uniform(-2, 2), 2)
    return rng.normal(size=shape[random.randint(0, len(shape)) :])


def _key(random: Random, shape: tuple[int, ...], flips: bool) -> Any:
    entries: list[Any] = []
    for n in shape:
        start, stop = sorted((random.randint(0, n), random.randint(0, n)))
        kinds = [slice(None), slice(start, stop, random.choice([None, 1, 2]))]
        kinds += [random.randrange(-n, n)] if n else []
        kinds += [slice(None, None, -1)] if flips else []
        entries.append(random.choice(kinds))
    if random.random() < 0.2:
        del entries[random.randint(0, len(entries)) :]
    if random.random() < 0.2:
        entries.insert(random.randint(0, len(entries)), None)
    if random.random() < 0.25:
        entries.append(...)
    return entries[0] if len(entries) == 1 else tuple(entries)


def _factors(random: Random, n: int) -> tuple[int, ...]:
    factors = [] if n else [0]
    while n > 1:
        factors.append(random.choice([d for d in range(2, n + 1) if n % d == 0]))
        n //= factors[-1]
    random.shuffle(factors)
    return tuple(factors) or (1,)
