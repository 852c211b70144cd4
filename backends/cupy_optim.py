"""The optimizers' updates on CuPy: one launch for a parameter, in place where it has its memory.

The bodies read what they are given before they write, as outputs may be the inputs.
"""

from __future__ import annotations

from typing import Any

import cupy

from .base import Array, Backend
from .cupy_kernels import WIDE, elementwise

DECAYED = f"""
{WIDE}
A step = g;
if (weight_decay != T(0)) step += weight_decay * p;
"""

sgd = elementwise(
    "sgd", "T p, T g, T lr, T weight_decay", "T new_p", f"{DECAYED} new_p = p - lr * step;"
)
momentum_sgd = elementwise(
    "momentum_sgd",
    "T p, T g, T v, T lr, T weight_decay, T momentum, T share, bool is_first, bool nesterov",
    "T new_p, T new_v",
    f"""
{DECAYED}
A velocity = step;
if (!is_first) velocity = momentum * v + share * step;
if (nesterov) step += momentum * velocity;
else step = velocity;
new_v = velocity;
new_p = p - lr * step;
""",
)
adam = elementwise(
    "adam",
    "T p, T g, T m, T s, T lr, T weight_decay, T decay, T beta1, T share1, T beta2, T share2, "
    "T c1, T c2, T eps",
    "T new_p, T new_m, T new_s",
    f"""
{DECAYED}
A mean = beta1 * m + share1 * step, square = beta2 * s + share2 * step * step;
new_m = mean;
new_s = square;
A rate = lr, kept = 1 - rate * decay, root = sqrt(A(c2));
new_p = kept * p - rate / c1 * (mean / (sqrt(square) / root + eps));
""",
)
adagrad = elementwise(
    "adagrad",
    "T p, T g, T s, T lr, T weight_decay, T eps",
    "T new_p, T new_s",
    f"""
{DECAYED}
A square = s + step * step;
new_s = square;
new_p = p - lr * (step / (sqrt(square) + eps));
""",
)
rmsprop = elementwise(
    "rmsprop",
    "T p, T g, T s, T v, T m, T lr, T weight_decay, T alpha, T share, T eps, T momentum, "
    "bool is_centered",
    "T new_p, T new_s, T new_v, T new_m",
    f"""
{DECAYED}
A square = alpha * s + share * step * step, variance = square;
if (is_centered) {{
    A mean = alpha * m + share * step;
    variance -= mean * mean;
    if (variance < 0) variance = 0;
    new_m = mean;
}}
A update = step / (sqrt(variance) + eps);
if (momentum != T(0)) {{
    update += momentum * v;
    new_v = update;
}}
new_s = square;
new_p = p - lr * update;
""",
)


class CupyUpdates(Backend):
    def _place(self, x: Array) -> Array:
        """Where the new x goes: x itself, unless elements of it may share their memory."""
        return x if self.owns_memory(x) else cupy.empty_like(x)

    def sgd(
        self, parameter: Array, gradient: Array, velocity: Array | None, **settings: Any
    ) -> tuple[Array, Array | None]:
        if not _fits(parameter, gradient, velocity):
            return super().sgd(parameter, gradient, velocity, **settings)
        rates, momentum = (settings["lr"], settings["weight_decay"]), settings["momentum"]
        place = self._place(parameter)
        if not momentum:
            return sgd(parameter, gradient, *rates, place), velocity
        is_first = velocity is None
        new_v = cupy.empty_like(parameter) if is_first else self._place(velocity)
        memory = gradient if is_first else velocity
        numbers = momentum, 1 - settings["dampening"], is_first, settings["nesterov"]
        return momentum_sgd(parameter, gradient, memory, *rates, *numbers, place, new_v)

    def adam(
        self, parameter: Array, gradient: Array, mean: Array, square: Array, **settings: Any
    ) -> tuple[Array, Array, Array]:
        arrays = parameter, gradient, mean, square
        if not _fits(*arrays):
            return super().adam(*arrays, **settings)
        beta1, beta2 = settings["betas"]
        decays = settings["weight_decay"], 0.0  # added to the gradient, and of the parameter itself
        rates = settings["lr"], *(decays[::-1] if settings["decoupled"] else decays)
        numbers = beta1, 1 - beta1, beta2, 1 - beta2, *settings["corrections"], settings["eps"]
        return adam(*arrays, *rates, *numbers, *map(self._place, (parameter, mean, square)))

    def adagrad(
        self, parameter: Array, gradient: Array, square: Array, **settings: Any
    ) -> tuple[Array, Array]:
        if not _fits(parameter, gradient, square):
            return super().adagrad(parameter, gradient, square, **settings)
        numbers = settings["lr"], settings["weight_decay"], settings["eps"]
        places = map(self._place, (parameter, square))
        return adagrad(parameter, gradient, square, *numbers, *places)

    def rmsprop(
        self,
        parameter: Array,
        gradient: Array,
        square: Array,
        velocity: Array | None,
        mean: Array | None,
        **settings: Any,
    ) -> tuple[Array, Array, Array | None, Array | None]:
        if not _fits(parameter, gradient, square, velocity, mean):
            return super().rmsprop(parameter, gradient, square, velocity, mean, **settings)
        alpha, momentum = settings["alpha"], settings["momentum"]
        numbers = settings["lr"], settings["weight_decay"], alpha, 1 - alpha, settings["eps"]
        if momentum and velocity is None:
            velocity = cupy.zeros_like(parameter)
        # For what there is not, the parameter stands in, and is neither read nor written.
        arrays = parameter, square, velocity, mean
        p, s, v, m = (parameter if x is None else x for x in arrays)
        new_p, new_s = self._place(p), self._place(s)
        new_v = new_p if velocity is None else self._place(v)
        new_m = new_p if mean is None else self._place(m)
        flags = momentum, mean is not None
        rmsprop(p, gradient, s, v, m, *numbers, *flags, new_p, new_s, new_v, new_m)
        kept = velocity if not momentum else new_v
        return new_p, new_s, kept, None if mean is None else new_m


def _fits(*arrays: Array | None) -> bool:
    """Whether all are there in one floating dtype, as the kernels want them."""
    dtypes = {x.dtype for x in arrays if x is not None}
    return len(dtypes) == 1 and dtypes.pop().kind == "f"
