"""The base of optimizers whose formulas are kernels of the backends, and what these share."""

from __future__ import annotations

import math
from difflib import get_close_matches
from functools import partial
from typing import Any, ClassVar

from ..backends import BACKEND_OF_TYPE, Array, backend_of
from ..backends.types import Number
from ..engine.arrays import (
    copied,
    describe,
    is_complex,
    namespace,
    node_or_array,
    real,
    real_dtype,
    wide_dtype,
)
from ..replay.recording import each_replay
from .base import Optimizer

__all__ = [
    "KernelOptimizer",
    "arguments",
    "correction",
    "filled",
    "number_for",
    "refuse_complex",
]


class KernelOptimizer(Optimizer):
    """An optimizer whose formula is a kernel of the backends.

    Attributes:
        kernel: the name of the kernel in `backends/definitions/updates.py`.
        memory: the names of the arrays of the state that the kernel takes after the parameter and
            the gradient, and gives after the new parameter; in its order.
        hidden: the names of settings that the kernel does not take.
    """

    kernel: ClassVar[str]
    memory: ClassVar[tuple[str, ...]]
    hidden: ClassVar[tuple[str, ...]] = ()
    elementwise = True

    def settings_for(self, parameter: Array, state: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Make the kernel's settings, for parameters of this type, dtype, device and count."""
        settings = self._now.copy()
        for name in ("maximize", *self.hidden):
            settings.pop(name, None)
        if "lr" in settings:
            settings["lr"] = self.lr_for(parameter)
        return settings

    def correction(self, beta: float, parameter: Array, state: dict[str, Any]) -> Number:
        """Compute how much of an average is of gradients; see the function `correction`."""
        return self.of_step(partial(correction, beta), parameter, state, beta)

    def update(
        self, parameters: list[Array], gradients: list[Array], states: list[dict[str, Any]]
    ) -> list[Array]:
        if self._now.get("maximize"):
            gradients = [node_or_array(-g) for g in gradients]
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
                updates = _joined(updates, imag, arrays)
            for i, (new[i], *memory) in zip(some, updates, strict=True):
                results = zip(self.memory, memory, strict=True)
                states[i].update(
                    {  # with arrays, and no NumPy's scalar in place of one
                        name: x if type(x) in BACKEND_OF_TYPE else node_or_array(x)
                        for name, x in results
                        if x is not None
                    }
                )
        return new


def correction(beta: float, step: Number) -> Number:
    """Compute how much of an average that started from zeros is of gradients: 1 - beta**step, as
    exactly of an array of float32."""
    exponent = step * (math.log(beta) if beta else -math.inf)
    return -(math if isinstance(exponent, float) else namespace(exponent)).expm1(exponent)


def _count(state: dict[str, Any]) -> None:
    """Count an update of a parameter."""
    state["step"] += 1


_Arrays = list[tuple[Array | None, ...]]  # of each parameter, as kernels take and give them


def _parts(arrays: _Arrays) -> list[_Arrays]:
    """Make two real parameters of each complex one, as PyTorch does. What is real is for both."""

    def imag(x: Array) -> Array:
        return namespace(x).imag(x) if is_complex(x) else x

    return [
        [tuple(None if x is None else copied(part(x)) for x in of_one) for of_one in arrays]
        for part in (real, imag)
    ]


def _joined(reals: _Arrays, imags: _Arrays, before: _Arrays) -> _Arrays:
    """Undo `_parts`, for what the kernel has made of the arrays before."""

    def joined(x: Array | None, y: Array | None, old: Array | None) -> Array | None:
        if x is None or y is None or (old is not None and not is_complex(old)):
            return x
        return x + 1j * y

    return [
        tuple(map(joined, x, y, (parameter, *memory)))
        for x, y, (parameter, _, *memory) in zip(reals, imags, before, strict=True)
    ]


# -- For subclasses ------------------------------------------------------------------------------


UNUSED = {"foreach", "fused", "capturable", "differentiable"}


def arguments(names: dict[str, Any]) -> dict[str, Any]:
    """Pick the arguments of an `__init__` from its `locals()`, so that it lists them only once.

    Raises:
        TypeError: an argument is unknown, or `differentiable` is True.
    """
    unused, name = names.get("unused", {}), type(names["self"]).__name__
    if wrong := sorted(unused.keys() - UNUSED):
        known = [n for n in names if n not in ("self", "__class__", "unused", "params")]
        near = get_close_matches(wrong[0], known, 1)
        meant = f"did you mean {near[0]}?" if near else f"expected some of {', '.join(known)}"
        raise TypeError(f"{name}: there is no setting {wrong[0]}; {meant}")
    if unused.get("differentiable"):
        raise TypeError(f"{name}: differentiable = True; steps have no gradients here")
    return {n: x for n, x in names.items() if n not in ("self", "__class__", "unused")}


def filled(parameter: Array, x: complex = 0.0) -> Array:
    """Make an array of the parameter's shape, full of x: of float32, if the parameter has 16 bits,
    as squares of small gradients would be 0 in float16."""
    x = x + 1j * x if is_complex(parameter) else x
    return namespace(parameter).full_like(parameter, x, dtype=wide_dtype(parameter))


def number_for(parameter: Array, x: float) -> Array:
    """Make a real array of no dimensions, for the state of the parameter."""
    xp, dtype = namespace(parameter), wide_dtype(parameter)
    dtype = real_dtype(parameter) if is_complex(parameter) else dtype
    return xp.full((), x, dtype=dtype, device=parameter.device)


def refuse_complex(name: str, parameter: Array) -> None:
    """Raise TypeError if the parameter is complex; the error begins with `name`."""
    if is_complex(parameter):
        raise TypeError(f"{name}: a parameter is {describe(parameter)}, expected real numbers")
