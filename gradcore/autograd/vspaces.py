"""Vector spaces: what gradients of a value are like, for arrays, for trees, and for classes of the
user's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from .. import numpy as np
from ..backends import backend_of
from ..engine.arrays import is_floating, value_of
from ..engine.trees import leaves, tree_map
from .boxes import Box
from .leaves import conj, entered, is_complex, left
from .numpy import random

__all__ = ["VSpace", "vspace"]


class VSpace:
    """A vector space. Subclass it for a class of your own: define `zeros`, `_add`, `_scalar_mul`
    and `_inner_prod`, and `register` the class.

    Example:
        >>> space = vspace({"w": np.zeros((2, 3)), "b": 0.0})
        >>> print(isinstance(space, VSpace), space.size, space.zeros()["w"].shape)
        True 7 (2, 3)
    """

    mappings: ClassVar[dict[type, Callable[[Any], VSpace]]] = {}
    iscomplex = False

    def __init__(self, value: Any) -> None: ...

    def zeros(self) -> Any:
        raise NotImplementedError

    ones = standard_basis = randn = zeros

    def add(self, x: Any, y: Any) -> Any:
        return self._add(x, y)

    def mut_add(self, x: Any, y: Any) -> Any:
        return y if x is None else self._add(x, y)

    def scalar_mul(self, x: Any, a: Any) -> Any:
        return self._scalar_mul(x, a)

    def inner_prod(self, x: Any, y: Any) -> Any:
        return self._inner_prod(x, y)

    def covector(self, x: Any) -> Any:
        return self._covector(x)

    def _add(self, x: Any, y: Any) -> Any:
        return x + y

    def _scalar_mul(self, x: Any, a: Any) -> Any:
        return x * a

    def _inner_prod(self, x: Any, y: Any) -> Any:
        raise NotImplementedError

    def _covector(self, x: Any) -> Any:
        return x

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"{type(self).__name__}_{self.__dict__}"

    @classmethod
    def register(cls, value_type: type, maker: Callable[[Any], VSpace] | None = None) -> None:
        """Have `vspace(value)` be `maker(value)`, or `cls(value)`, for values of this type."""
        VSpace.mappings[value_type] = maker or cls


class _Arrays(VSpace):
    """The arrays of a shape and dtype, on one device."""

    def __init__(self, value: Any) -> None:
        x = value_of(value)
        self._like = x
        self.shape, self.dtype, self.ndim = tuple(x.shape), x.dtype, x.ndim
        self.iscomplex = is_complex(x)
        self.size = math.prod(self.shape) * (1 + self.iscomplex)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Arrays) and repr(self) == repr(other)

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"VSpace({self.dtype} {self.shape})"

    def _filled(self, number: complex) -> Any:
        return left(np.full_like(self._like, number))

    def zeros(self) -> Any:
        return self._filled(0.0)

    def ones(self) -> Any:
        return self._filled(1.0 + 1.0j if self.iscomplex else 1.0)

    def standard_basis(self) -> Iterator[Any]:
        xp, n = backend_of(self._like).xp, math.prod(self.shape)
        places = xp.arange(n, device=self._like.device)
        for k in range(n):
            one_hot = xp.reshape(xp.astype(places == k, self.dtype), self.shape)
            yield left(one_hot)
            if self.iscomplex:
                yield left(one_hot * 1.0j)

    def randn(self) -> Any:
        x = np.asarray(random.randn(*self.shape))
        x = x + 1.0j * np.asarray(random.randn(*self.shape)) if self.iscomplex else x
        return left(np.astype(x, self.dtype))

    def _inner_prod(self, x: Any, y: Any) -> Any:
        product = np.sum(conj(np.asarray(x)) * y)
        return np.real(product) if self.iscomplex else product

    def _covector(self, x: Any) -> Any:
        return conj(x)


class _Trees(VSpace):
    """Trees like one, whose leaves are of the vector spaces in `shape`."""

    def __init__(self, value: Any) -> None:
        self.shape = tree_map(vspace, value)

    @property
    def size(self) -> int:
        return sum(space.size for _, space in leaves(self.shape))

    def zeros(self) -> Any:
        return tree_map(lambda space: space.zeros(), self.shape)

    def ones(self) -> Any:
        return tree_map(lambda space: space.ones(), self.shape)

    def randn(self) -> Any:
        return tree_map(lambda space: space.randn(), self.shape)

    def standard_basis(self) -> Iterator[Any]:
        spaces = [space for _, space in leaves(self.shape)]
        for i, space in enumerate(spaces):
            for x in space.standard_basis():
                entries = iter([x if k == i else s.zeros() for k, s in enumerate(spaces)])
                yield tree_map(lambda _, entries=entries: next(entries), self.shape)

    def _add(self, x: Any, y: Any) -> Any:
        return tree_map(lambda space, a, b: space.add(a, b), self.shape, x, y)

    def _scalar_mul(self, x: Any, a: Any) -> Any:
        return tree_map(lambda space, b: space.scalar_mul(b, a), self.shape, x)

    def _inner_prod(self, x: Any, y: Any) -> Any:
        products = tree_map(lambda space, a, b: space.inner_prod(a, b), self.shape, x, y)
        return sum((product for _, product in leaves(products)), 0.0)

    def _covector(self, x: Any) -> Any:
        return tree_map(lambda space, a: space.covector(a), self.shape, x)


def vspace(value: Any) -> Any:
    """Give the vector space of a value: of an array or a node, of a float, of a tree of them, or of
    an object whose class is registered.

    Raises:
        TypeError: the value is of integers, or there is no vector space for it.

    Example:
        >>> space = vspace({"w": np.zeros((2, 3)), "b": 0.0})
        >>> print(space.size)
        7
    """
    if type(value) in Box.types:
        value = value._value
    if maker := VSpace.mappings.get(type(value)):
        return maker(value)
    if isinstance(value, dict | list | tuple):
        return _Trees(value)
    try:
        x = entered(value)
    except TypeError as error:
        found = type(value).__name__
        raise TypeError(f"no vector space for {value!r} of type {found}: {error}") from None
    if not (is_floating(value_of(x)) or is_complex(x)):
        raise TypeError(f"no vector space for {x.dtype} numbers: gradients are of floating numbers")
    return _Arrays(x)
