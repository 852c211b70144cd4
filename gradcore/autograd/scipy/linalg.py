"""autograd.scipy.linalg: square roots and equations of matrices. What is not here is SciPy's own,
on the host, without gradients."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ... import numpy as np
from ..extend import defvjp, defvjp_argnum
from .host import scipy_function

__all__ = ["solve_banded", "solve_triangular"]

Function = Callable[..., Any]


def _sqrtm_gradient(y: Any, A: Any) -> Function:
    return lambda g: _made("solve_sylvester")(y.T, y.T, g)


def _sylvester_gradient(i: int, y: Any, args: Any, kwargs: Any) -> Function:
    a, b, _ = args

    def gradient(g: Any) -> Any:
        by_q = _made("solve_sylvester")(a.T, b.T, g)
        return [lambda: -by_q @ y.T, lambda: -y.T @ by_q, lambda: by_q][i]()

    return gradient


@functools.cache
def _made(name: str) -> Any:
    found = scipy_function("linalg", name)
    if name == "sqrtm":  # y @ y = A
        defvjp(found, _sqrtm_gradient)
    elif name == "solve_sylvester":  # a @ y + y @ b = q
        defvjp_argnum(found, _sylvester_gradient)
    return found


def __getattr__(name: str) -> Any:  # no cache here: type checkers look for a plain function
    return _made(name)


def solve_triangular(
    a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False, **_: Any
) -> Any:
    """Solve a x = b for x, by the upper or lower triangle of a; or, by `trans`, with a transposed
    (1, "T") or conjugated too (2, "C").

    Example:
        >>> a = np.array([[2.0, 1.0], [0.0, 4.0]])
        >>> print(solve_triangular(a, np.array([4.0, 8.0])))
        [1. 2.]
    """
    a = np.tril(a) if lower else np.triu(a)
    if unit_diagonal:
        a = a - np.diag(np.diag(a)) + np.eye(a.shape[0])
    a = a if trans in (0, "N") else np.transpose(a)
    return np.linalg.solve(np.conj(a) if trans in (2, "C") else a, b)


def solve_banded(l_and_u: tuple[int, int], a: Any, b: Any) -> Any:
    """Solve for x with the matrix whose diagonals are the rows of a, the highest first.

    Args:
        l_and_u: how many diagonals lie below and above the main one.
        a: (l + u + 1, N); element (i, j) of the matrix is a[u + i - j, j].
        b: (N,) or (N, K).

    Example:
        >>> a = np.array([[0.0, 1.0], [2.0, 4.0]])  # the rows above, and on, the diagonal
        >>> print(solve_banded((0, 1), a, np.array([4.0, 8.0])))
        [1. 2.]
    """
    below, above = l_and_u
    n = a.shape[1]
    rows = np.arange(n)[:, None] - np.arange(n)[None, :] + above
    inside = (rows >= 0) & (rows <= below + above)
    picked = a[np.where(inside, rows, 0), np.arange(n)[None, :]]
    return np.linalg.solve(np.where(inside, picked, 0.0), b)
