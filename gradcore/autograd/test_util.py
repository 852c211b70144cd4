"""Check gradients against differences, as `autograd.test_util` does."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from .core import make_jvp, make_vjp, vspace
from .wrap_util import get_name, unary_to_nary

__all__ = ["check_equivalent", "check_grads", "check_jvp", "check_vjp", "combo_check"]
__all__ += ["scalar_close"]

STEP = TOLERANCE = 1e-6

Function = Callable[..., Any]


def scalar_close(a: Any, b: Any) -> bool:
    """Whether two numbers agree, to 1e-6 absolute or relative.

    Example:
        >>> print(scalar_close(1.0, 1.0 + 1e-9), scalar_close(1.0, 1.1))
        True False
    """
    return bool(abs(a - b) < TOLERANCE or abs(a - b) < TOLERANCE * abs(a + b))


def _numerical_jvp(f: Function, x: Any, v: Any) -> Any:
    xs, ys = vspace(x), vspace(f(x))
    ahead, behind = (f(xs.add(x, xs.scalar_mul(v, h))) for h in (STEP / 2, -STEP / 2))
    return ys.scalar_mul(ys.add(ahead, ys.scalar_mul(behind, -1.0)), 1.0 / STEP)


def check_vjp(f: Function, x: Any) -> None:
    """Raise AssertionError unless the vjp agrees with differences, along random directions.

    Example:
        >>> check_vjp(np.sin, np.array([1.0, 2.0]))
    """
    vjp, y = make_vjp(f, x)
    xs, ys = vspace(x), vspace(y)
    v, u = xs.randn(), ys.randn()
    g = xs.covector(vjp(ys.covector(u)))
    assert vspace(g) == xs, f"the gradient is of {vspace(g)}, the argument of {xs}"
    exact, numeric = xs.inner_prod(v, g), ys.inner_prod(u, _numerical_jvp(f, x, v))
    assert scalar_close(numeric, exact), (
        f"Derivative (VJP) check of {get_name(f)} failed with arg {x}:\n"
        f"analytic: {exact}\nnumeric:  {numeric}"
    )


def check_jvp(f: Function, x: Any) -> None:
    """Raise AssertionError unless the jvp agrees with differences, along a random direction.

    Example:
        >>> check_jvp(np.sin, np.array([1.0, 2.0]))
    """
    v = vspace(x).randn()
    check_equivalent(make_jvp(f, x)(v)[1], _numerical_jvp(f, x, v))


def check_equivalent(x: Any, y: Any) -> None:
    """Raise AssertionError unless x and y are of one vector space, and agree.

    Example:
        >>> check_equivalent(np.array([1.0, 2.0]), np.array([1.0, 2.0 + 1e-9]))
    """
    xs, ys = vspace(x), vspace(y)
    assert xs == ys, f"VSpace mismatch:\nx: {xs}\ny: {ys}"
    v = xs.randn()
    close = scalar_close(xs.inner_prod(x, v), xs.inner_prod(y, v))
    assert close, f"Value mismatch:\nx: {x}\ny: {y}"


@unary_to_nary
def check_grads(f: Function, x: Any, modes: Sequence[str] = ("fwd", "rev"), order: int = 2) -> None:
    """Raise AssertionError unless the derivatives of `f`, forward and in reverse, agree with
    differences; of order 2, those of the derivatives too.

    Example:
        >>> check_grads(lambda x: np.sin(x) * x)(np.array([1.0, 2.0]))  # they agree
    """
    for mode in modes:
        if mode == "fwd":
            check_jvp(f, x)
            derivative = lambda x, v: make_jvp(f, x)(v)[1]  # noqa: E731
        else:
            check_vjp(f, x)
            derivative = lambda x, v: make_vjp(f, x)[0](v)  # noqa: E731
        if order > 1:
            derivative.__name__ = f"{'jvp' if mode == 'fwd' else 'vjp'}_{get_name(f)}"
            v = vspace(x if mode == "fwd" else f(x)).randn()
            check_grads(derivative, (0, 1), modes, order=order - 1)(x, v)


def combo_check(f: Function, *settings: Any, **options: Any) -> Function:
    """Make a function that checks the gradients of `f` for all combinations of arguments: it takes
    a list of values for each.

    Example:
        >>> combo_check(np.sum, [0])([np.ones(3), np.ones((2, 3))], axis=[None, 0])
    """

    def check(*lists: Any, **named: Any) -> None:
        for args in itertools.product(*lists):
            for values in itertools.product(*named.values()):
                constants = dict(zip(named, values, strict=True))
                check_grads(f, *settings, **options)(*args, **constants)

    return check
