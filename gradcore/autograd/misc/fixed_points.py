"""Fixed points, differentiated by the implicit function theorem."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core import make_vjp
from ..extend import defvjp, primitive, vspace

__all__ = ["fixed_point"]

Function = Callable[..., Any]


@primitive
def fixed_point(f: Function, a: Any, x0: Any, distance: Function, tol: float) -> Any:
    """Repeat `x = f(a)(x)` from x0 on, until `distance(x, previous x)` is at most `tol`. The
    gradient by the parameters `a` is right at the fixed point, from wherever x0 starts.

    Example:
        >>> newton = lambda a: lambda x: 0.5 * (x + a / x)  # for the square root of a
        >>> distance = lambda x, y: abs(x - y)
        >>> root = lambda a: fixed_point(newton, a, 1.0, distance, 1e-9)
        >>> print(root(4.0), gradcore.grad(root)(4.0))
        2.0 0.25
    """
    step = f(a)
    x, previous = step(x0), x0
    while distance(x, previous) > tol:
        x, previous = step(x), x
    return x


def _vjp(ans: Any, f: Function, a: Any, x0: Any, distance: Function, tol: float) -> Function:
    # The gradient u at the fixed point is a fixed point itself: of u to u^T df/dx + g.
    def steps(parameters: Any) -> Function:
        a, x, g = parameters
        vjp, _ = make_vjp(f(a), x)
        return lambda u: vspace(x).add(vjp(u), g)

    vjp_of_a, _ = make_vjp(lambda a: f(a)(ans), a)
    zeros = vspace(x0).zeros()
    return lambda g: vjp_of_a(fixed_point(steps, (a, ans, g), zeros, distance, tol))


defvjp(fixed_point, None, _vjp, None)
