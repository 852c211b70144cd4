"""Captured steps that XLA compiles: a `Program`, as `backends/types.py` explains."""

from __future__ import annotations

from operator import getitem
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun

from ..ownership import holders
from ..registry import backend_of
from ..types import Array, Traced
from .indexing import checks_noted, found, raise_index_errors
from .namespace import has_64_bits

__all__ = ["JitProgram"]


class JitProgram:
    """A traced step, compiled. What the step changes is donated: XLA writes the new arrays where
    the old ones were, and JAX deletes these. An array that somebody else holds is copied first.

    The step's Python code runs once, for a list of XLA's operations. Only that list tells which
    arrays the step changes. So the list is made first, and then compiled with these donated.
    """

    def __init__(
        self, traced: Traced, state: list[Array], numbers: dict[str, Any], inputs: list[Array]
    ) -> None:
        self.sent: dict[str, tuple[Any, np.ndarray]] = {}  # the numbers as they were, and as arrays

        def changed(state: list[Array], numbers: dict[str, Array], inputs: list[Array]) -> Any:
            for x in jax.tree.leaves((state, inputs)):
                backend_of(x)  # types met so far are those of arrays: also as keys, `x[indices]`
            with checks_noted() as ranges:
                after, outputs = traced(state, numbers, inputs)
            now = [*state, *[None] * (len(after) - len(state))]
            self.new = [i for i, x in enumerate(after) if x is not None and x is not now[i]]
            self.gone = [i for i, x in enumerate(after) if x is None]
            self.size, self.checks = len(after), [check for check, _ in ranges]
            in_use = jnp.stack([x for _, x in ranges]) if ranges else None
            return [after[i] for i in self.new], outputs, in_use

        arrays = self._arrays(numbers)
        operations, results = jax.make_jaxpr(changed, return_shape=True)(state, arrays, inputs)
        run = jaxpr_as_fun(operations)
        self.donated = [i for i in self.new if i < len(state)]
        self.kept = [i for i in range(len(state)) if i not in {*self.donated}]

        def step(donated: list[Array], kept: list[Array], *others: Any) -> Any:
            places = [*self.donated, *self.kept]
            before = dict(zip(places, [*donated, *kept], strict=True))
            flat = jax.tree.leaves(([before[i] for i in range(len(before))], *others))
            return jax.tree.unflatten(jax.tree.structure(results), run(*flat))

        donated, kept = ([state[i] for i in places] for places in (self.donated, self.kept))
        lowered = jax.jit(step, donate_argnums=0).lower(donated, kept, arrays, inputs)
        self.compiled = lowered.compile()

    def __call__(
        self, state: list[Array], numbers: dict[str, Any], inputs: list[Array]
    ) -> tuple[list[Array | None], list[Array]]:
        raise_index_errors()
        donated = [
            state[i] if holders(state, i, getitem) == 2 else jnp.copy(state[i])
            for i in self.donated
        ]
        kept = [state[i] for i in self.kept]
        new, outputs, in_use = self.compiled(donated, kept, self._arrays(numbers), inputs)
        if self.checks:
            found.append((self.checks, in_use))
        after: list[Array | None] = [*state, *[None] * (self.size - len(state))]
        for i, x in zip(self.new, new, strict=True):
            after[i] = x
        for i in self.gone:
            after[i] = None
        return after, outputs

    def _arrays(self, numbers: dict[str, Any]) -> dict[str, np.ndarray]:
        """Make arrays of the numbers that have changed. Without 64 bits, each number of uint64 is
        the two halves of its bits, the lower first."""
        for name, x in numbers.items():
            if name not in self.sent or self.sent[name][0] is not x:
                array = np.asarray(x, name if isinstance(x, list) else None)
                if name == "uint64" and not has_64_bits():
                    array = array.astype("<u8").view("<u4").reshape(-1, 2)
                self.sent[name] = x, array
        return {name: array for name, (_, array) in self.sent.items()}
