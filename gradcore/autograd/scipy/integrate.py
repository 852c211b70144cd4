"""autograd.scipy.integrate: ordinary differential equations, by SciPy on the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ... import numpy as np
from ..core import make_vjp
from ..extend import defvjp_argnums, primitive
from ..misc.flatten import flatten
from .host import scipy, there, to_numpy

__all__ = ["odeint"]

Function = Callable[..., Any]


@primitive
def odeint(func: Function, y0: Any, t: Any, args: Any = (), **options: Any) -> Any:
    """Solve dy/dt = func(y, t, *args) from y0 at t[0] on, by scipy.integrate.odeint.

    Args:
        func: a function of y (D,), a time and the `args`, which gives dy/dt (D,).
        y0: (D,).
        t: the times (T,).
        args: a tuple of trees of arrays. Gradients flow to these, to y0 and to t.
        options: SciPy's, such as `rtol`.

    Returns:
        y at these times, (T, D).

    Example:
        >>> decay = lambda y, t, rate: -rate * y
        >>> times = np.array([0.0, 1.0])
        >>> end = lambda rate: odeint(decay, np.array([1.0]), times, (rate,))[-1, 0]
        >>> print(end(1.0).round(3), gradcore.grad(end)(1.0).round(3))  # exp(-rate)
        0.368 -0.368
    """
    back = there(y0, t, args)

    def on_host(y: Any, time: float) -> Any:
        return to_numpy(func(back(y), time, *args))

    solve = scipy("integrate").odeint
    return back(solve(on_host, to_numpy(y0), to_numpy(t), **options))


def _vjps(argnums: Sequence[int], ans: Any, arguments: Any, options: Any) -> Function:
    func, _, t, *rest = arguments
    flat, unflatten = flatten(rest[0] if rest else ())
    steps, size = np.shape(ans)

    def slope(y: Any, time: Any, flat: Any) -> Any:
        return func(y, time, *unflatten(flat))

    # The gradients by y, t and the arguments obey a differential equation too, backwards in time
    # (Froehlich and others, https://arxiv.org/abs/1711.08079, section 2.4.2).
    def parts(state: Any) -> tuple[Any, ...]:
        return state[:size], state[size : 2 * size], state[2 * size], state[2 * size + 1 :]

    def backwards(state: Any, time: Any, flat: Any) -> Any:
        y, by_y, _, _ = parts(state)
        vjp, dy_dt = make_vjp(lambda x: slope(*x), (y, np.asarray(time), flat))
        by_y, by_t, by_flat = vjp(-by_y)
        return np.concatenate([dy_dt, by_y, np.reshape(by_t, (1,)), by_flat])

    def vjp(g: Any) -> list[Any]:
        by_y, by_start, by_flat = g[-1, :], 0.0, np.zeros_like(flat)
        by_times: list[Any] = []
        for i in range(steps - 1, 0, -1):
            by_time = np.dot(slope(ans[i, :], t[i], flat), g[i, :])
            by_times.append(by_time)
            start = np.reshape(by_start - by_time, (1,))
            state = np.concatenate([ans[i, :], by_y, start, by_flat])
            states = odeint(backwards, state, np.stack([t[i], t[i - 1]]), (flat,), **options)
            _, by_y, by_start, by_flat = parts(states[1])
            by_y = by_y + g[i - 1, :]
        by_times.append(by_start)
        found = {1: by_y, 2: np.stack([np.asarray(x) for x in by_times[::-1]])}
        return [unflatten(by_flat) if i == 3 else found[i] for i in argnums]

    return vjp


defvjp_argnums(odeint, _vjps)
