"""Have XLA compile each kernel of the definitions as one program.

JAX compiles each function that it is asked for, such as `add`, by itself, once for each shape, and
asks some 20 us of the host for each call. Compiled as a whole, a kernel is compiled faster than its
parts, is one call, and XLA computes in one pass what it can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import jax
from jax.core import Tracer

from ..base import Backend

__all__ = ["ARRAYS", "compiled", "forget"]

ARRAYS = jax.Array, Tracer
MOST = 16  # programs of a kernel that differ in numbers only, as of a schedule of momentum
FREE = {"lr", "corrections", "correction", "mus", "plain", "rectified", "step", "share", "limit"}

_programs: dict[Any, dict[Any, Callable[..., Any]]] = {}


def compiled(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel for each structure of its arguments, and for all that are neither arrays nor
    named in `FREE`: those may be other numbers in each call."""

    @wraps(kernel)
    def call(self: Backend, *arguments: Any, **options: Any) -> Any:
        free = {name: options.pop(name) for name in FREE & options.keys()}
        leaves, tree = jax.tree.flatten((arguments, options))
        is_array = [isinstance(x, ARRAYS) for x in leaves]
        arrays = [x for x, is_one in zip(leaves, is_array, strict=True) if is_one]
        rest = [(type(x), x) for x, is_one in zip(leaves, is_array, strict=True) if not is_one]
        known = _programs.setdefault((kernel, self, tree, *is_array), {})
        if tuple(rest) not in known:
            if len(known) == MOST:
                return kernel(self, *arguments, **options, **free)
            known[tuple(rest)] = _program(kernel, self, tree, is_array, [x for _, x in rest])
        return known[tuple(rest)](arrays, free)

    return call


def _program(
    kernel: Callable[..., Any], backend: Backend, tree: Any, is_array: list[bool], rest: list[Any]
) -> Callable[..., Any]:
    def run(arrays: Iterable[Any], free: dict[str, Any]) -> Any:
        of_arrays, others = iter(arrays), iter(rest)
        leaves = [next(of_arrays) if is_one else next(others) for is_one in is_array]
        arguments, options = jax.tree.unflatten(tree, leaves)
        return kernel(backend, *arguments, **options, **free)

    return jax.jit(run, inline=True)


def forget() -> None:
    """Have all kernels compiled anew."""
    _programs.clear()
    jax.clear_caches()
