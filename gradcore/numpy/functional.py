"""Apply functions along axes, and to each element."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import array_api as xp
from ..array_api.common import axis_from_front
from .common import arrays_of, promoted

__all__ = ["apply_along_axis", "apply_over_axes", "vectorize"]


def apply_along_axis(
    func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any
) -> Any:
    """Apply a function of vectors to each vector along `axis`; its result's axes take the place of
    that one.

    Example:
        >>> f = lambda x: np.apply_along_axis(lambda v: v @ v, 1, x)
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> print(f(x), gradcore.grad(lambda x: np.sum(f(x)))(x).tolist())
        [ 5. 25.] [[2.0, 4.0], [6.0, 8.0]]
    """
    (x,) = arrays_of(arr)
    axis = axis_from_front("apply_along_axis", axis, x.ndim)
    x = xp.moveaxis(x, axis, -1)
    rest = tuple(x.shape[:-1])
    rows = xp.unstack(xp.reshape(x, (-1, x.shape[-1])))
    parts = promoted(*arrays_of(*[func1d(row, *args, **kwargs) for row in rows]))
    y = xp.reshape(xp.stack(parts), (*rest, *parts[0].shape))
    new = y.ndim - len(rest)
    return xp.moveaxis(y, tuple(range(len(rest), y.ndim)), tuple(range(axis, axis + new)))


def apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Any:
    """Apply a function `func(a, axis)` for one axis after the other, which stay with size 1.

    Example:
        >>> print(np.apply_over_axes(np.sum, [[1.0, 2.0], [3.0, 4.0]], [0, 1]).tolist())
        [[10.0]]
    """
    (x,) = arrays_of(a)
    for axis in axes if hasattr(axes, "__iter__") else [axes]:
        y = func(x, axis)
        x = (
            y
            if y.ndim == x.ndim
            else xp.expand_dims(y, axis=axis_from_front("apply_over_axes", axis, x.ndim))
        )
    return x


class vectorize:  # noqa: N801 (NumPy's name)
    """A function of numbers, made one of arrays: it is called for the elements one by one.

    Raises:
        ValueError: there is a signature; or the function is called with nothing.

    Example:
        >>> f = np.vectorize(lambda x: x * x if x > 0 else -x)
        >>> x = np.array([-1.0, 3.0])
        >>> print(f(x), gradcore.grad(lambda x: np.sum(f(x)))(x))
        [1. 9.] [-1.  6.]
    """

    def __init__(
        self, pyfunc: Any, otypes: Any = None, doc: Any = None, excluded: Any = None,
        cache: bool = False, signature: Any = None,
    ) -> None:  # fmt: skip
        if signature is not None or excluded:
            raise ValueError("vectorize: signature and excluded are not supported")
        functools.update_wrapper(self, pyfunc, updated=())
        self.pyfunc = pyfunc

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        arrays = xp.broadcast_arrays(*arrays_of(*args))
        shape = tuple(arrays[0].shape)
        rows = [xp.unstack(xp.reshape(x, (-1,))) for x in arrays]
        found = [self.pyfunc(*row, **kwargs) for row in zip(*rows, strict=True)]
        if not found:
            raise ValueError("vectorize: there are no elements to call the function with")
        if isinstance(found[0], tuple):
            return tuple([self._joined(parts, shape) for parts in zip(*found, strict=True)])
        return self._joined(found, shape)

    @staticmethod
    def _joined(parts: Any, shape: tuple[int, ...]) -> Any:
        return xp.reshape(xp.stack(promoted(*arrays_of(*parts))), shape)
