"""autograd's optimizers: functions of a gradient function, which give the optimized tree."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ... import numpy as np
from .flatten import flatten

__all__ = ["adam", "rmsprop", "sgd", "unflatten_optimizer"]

Optimizer = Callable[..., Any]


def unflatten_optimizer(optimize: Optimizer) -> Optimizer:
    """Make an optimizer of vectors take trees: dictionaries, lists and tuples of arrays.

    Example:
        >>> @unflatten_optimizer
        ... def descend(grad, x, callback=None):
        ...     for i in range(100):
        ...         x = x - 0.1 * grad(x, i)
        ...     return x
        ...
        >>> gradient = gradcore.grad(lambda p, i: np.sum((p["w"] - 3.0) ** 2))
        >>> print(descend(gradient, {"w": np.zeros(2)})["w"].round(3))
        [3. 3.]
    """

    @functools.wraps(optimize)
    def of_trees(grad: Any, x0: Any, callback: Any = None, *args: Any, **options: Any) -> Any:
        flat, unflatten = flatten(x0)

        def flat_grad(x: Any, i: int) -> Any:
            return flatten(grad(unflatten(x), i))[0]

        def flat_callback(x: Any, i: int, g: Any) -> None:
            if callback:
                callback(unflatten(x), i, unflatten(g))

        return unflatten(optimize(flat_grad, flat, flat_callback, *args, **options))

    return of_trees


@unflatten_optimizer
def sgd(
    grad: Any,
    x: Any,
    callback: Any = None,
    num_iters: int = 200,
    step_size: float = 0.1,
    mass: float = 0.9,
) -> Any:
    """Descend along `grad(x, i)`, smoothed with the weight `mass`.

    Example:
        >>> gradient = gradcore.grad(lambda x, i: np.sum((x - 3.0) ** 2))
        >>> print(sgd(gradient, np.zeros(2)).round(1))
        [3. 3.]
    """
    velocity = np.zeros_like(x)
    for i in range(num_iters):
        g = grad(x, i)
        callback(x, i, g)
        velocity = mass * velocity - (1.0 - mass) * g
        x = x + step_size * velocity
    return x


@unflatten_optimizer
def rmsprop(
    grad: Any,
    x: Any,
    callback: Any = None,
    num_iters: int = 100,
    step_size: float = 0.1,
    gamma: float = 0.9,
    eps: float = 1e-8,
) -> Any:
    """Descend along `grad(x, i)`, divided by the root of its mean square.

    Example:
        >>> gradient = gradcore.grad(lambda x, i: np.sum((x - 3.0) ** 2))
        >>> print(rmsprop(gradient, np.zeros(2)).round(1))
        [3. 3.]
    """
    squares = np.ones_like(x)
    for i in range(num_iters):
        g = grad(x, i)
        callback(x, i, g)
        squares = squares * gamma + g**2 * (1 - gamma)
        x = x - step_size * g / (np.sqrt(squares) + eps)
    return x


@unflatten_optimizer
def adam(
    grad: Any,
    x: Any,
    callback: Any = None,
    num_iters: int = 100,
    step_size: float = 0.001,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
) -> Any:
    """Descend by Adam (http://arxiv.org/abs/1412.6980) with the gradients `grad(x, i)`.

    Example:
        >>> gradient = gradcore.grad(lambda x, i: np.sum((x - 3.0) ** 2))
        >>> print(adam(gradient, np.zeros(2), step_size=0.5).round(1))
        [3. 3.]
    """
    m, v = np.zeros_like(x), np.zeros_like(x)
    for i in range(num_iters):
        g = grad(x, i)
        callback(x, i, g)
        m = (1 - b1) * g + b1 * m
        v = (1 - b2) * (g**2) + b2 * v
        mean, square = m / (1 - b1 ** (i + 1)), v / (1 - b2 ** (i + 1))
        x = x - step_size * mean / (np.sqrt(square) + eps)
    return x
