"""The methods that nodes share with arrays. All but a few call the function of their name in
gradcore.numpy: `x.sum(axis=0)` is `gradcore.numpy.sum(x, axis=0)`.

The names are those that arrays of NumPy, CuPy and PyTorch have in common, with NumPy's arguments,
and what else NumPy's programs call. A name that only one library has (`x.relu()`, `x.unsqueeze(0)`)
is an AttributeError that says what to call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Protocol, Self, TypeVar

__all__ = ["INSTEAD", "Elsewhere", "Listed", "Methods", "is_elsewhere", "point_elsewhere"]

Node = TypeVar("Node")


class _Method(Protocol):
    """What type checkers know of a method: any arguments, and the result is a node."""

    def __get__(self, node: Node, kind: Any = None, /) -> Callable[..., Node]: ...


def _method(name: str) -> _Method:
    def function(self: Methods, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.numpy_api, name)(self, *args, **kwargs)

    method: Any = function

    method.__name__, method.__qualname__ = name, f"Methods.{name}"
    method.__doc__ = f"Compute gradcore.numpy.{name}(x, ...)."
    return method


class Methods:
    """The base of Operators."""

    __slots__ = ()

    numpy_api: ClassVar[Any] = None  # gradcore.numpy, or what imports it; see `operators.connect`

    all = _method("all")
    any = _method("any")
    argmax = _method("argmax")
    argmin = _method("argmin")
    argsort = _method("argsort")
    clip = _method("clip")
    conj = _method("conj")
    conjugate = _method("conjugate")
    copy = _method("copy")
    cumprod = _method("cumprod")
    cumsum = _method("cumsum")
    diagonal = _method("diagonal")
    dot = _method("dot")
    max = _method("max")
    mean = _method("mean")
    min = _method("min")
    prod = _method("prod")
    ravel = _method("ravel")
    repeat = _method("repeat")
    round = _method("round")
    searchsorted = _method("searchsorted")
    squeeze = _method("squeeze")
    std = _method("std")
    sum = _method("sum")
    swapaxes = _method("swapaxes")
    take = _method("take")
    trace = _method("trace")
    var = _method("var")

    def reshape(self, *shape: Any, **kwargs: Any) -> Self:
        """Compute gradcore.numpy.reshape(x, shape): `x.reshape(2, 3)` or `x.reshape((2, 3))`."""
        given = shape[:1] if len(shape) == 1 else (shape,) if shape else ()
        return self.numpy_api.reshape(self, *given, **kwargs)

    def transpose(self, *axes: Any) -> Self:
        """Compute gradcore.numpy.transpose(x, axes): `x.transpose(1, 0)` or
        `x.transpose((1, 0))`; without axes, reverse their order."""
        return self.numpy_api.transpose(self, axes[0] if len(axes) == 1 else axes or None)

    def flatten(self, order: str = "C") -> Self:
        """Copy x as a vector."""
        return self.numpy_api.copy(self.numpy_api.ravel(self, order))

    def astype(
        self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True,
        copy: bool = True,
    ) -> Self:  # fmt: skip
        """Convert x to a dtype, given as an object or by name; with `copy=False`, give x itself if
        it has the dtype."""
        del order, subok  # how NumPy's arrays lie in memory, and of which class they are
        if casting != "unsafe":
            raise ValueError(f"astype: casting = {casting!r} is not supported; leave casting out")
        return self.numpy_api.astype(self, dtype, copy=copy)

    def nonzero(self) -> tuple[Self, ...]:
        """Find the indices of the elements that are not zero: for each axis one vector."""
        return self.numpy_api.nonzero(self)

    def sort(self: Any, axis: int = -1, **kwargs: Any) -> None:
        """Sort the elements along `axis` in place, as NumPy does; `gradcore.numpy.sort(x)` gives a
        new node."""
        self[...] = self.numpy_api.sort(self, axis, **kwargs)

    @property
    def real(self) -> Self:
        """The real parts of complex numbers; real numbers themselves."""
        return self.numpy_api.real(self)

    @real.setter
    def real(self: Any, y: Any) -> None:
        self.real[...] = y

    @property
    def imag(self) -> Self:
        """The imaginary parts of complex numbers; of real numbers, zeros."""
        return self.numpy_api.imag(self)

    @imag.setter
    def imag(self: Any, y: Any) -> None:
        if not self.numpy_api.iscomplexobj(self):
            raise TypeError(f"x.imag = y: x has {self.dtype} numbers, without imaginary parts")
        self.imag[...] = y


# -- What is not there ----------------------------------------------------------------------------

# What to say in place of attributes that arrays of one library have.
INSTEAD = {
    "bmm": "x @ y",
    "clone": "x.copy()",
    "cpu": "x.numpy()",
    "cuda": "x.to_device(device)",
    "data": "x.value",
    "dim": "x.ndim",
    "double": "x.astype('float64')",
    "expand": "gradcore.numpy.broadcast_to(x, shape)",
    "fill": "x[...] = value",
    "fill_": "x[...] = value",
    "flags": "x.value.flags",
    "flat": "x.ravel()",
    "float": "x.astype('float32')",
    "get": "x.numpy()",
    "getitem": "x[key]",
    "grad_fn": "x.source",
    "half": "x.astype('float16')",
    "int": "x.astype('int32')",
    "is_leaf": "x.source is None",
    "long": "x.astype('int64')",
    "masked_fill": "gradcore.numpy.where(mask, value, x)",
    "mm": "x @ y",
    "namespace_of": "gradcore.namespace(x)",
    "norm": "gradcore.numpy.linalg.norm(x)",
    "numel": "x.size",
    "permute": "x.transpose(axes)",
    "requires_grad_": "x.requires_grad = True",
    "resize": "x.reshape(shape)",
    "setitem": "x[key] = value",
    "strides": "x.value.strides",
    "t": "x.T",
    "to": "x.astype(dtype) or x.to_device(device)",
    "tobytes": "x.numpy().tobytes()",
    "tofile": "x.numpy().tofile(file)",
    "type": "x.astype(dtype)",
    "unsqueeze": "gradcore.numpy.expand_dims(x, axis)",
    "update": "x[...] = value",
    "view": "x.reshape(shape)",
    "zero_": "x[...] = 0",
}


class Elsewhere:
    """An attribute that nodes don't have. (A `__getattr__` that knew the names would make each
    attribute of nodes 0.03 us slower in Python 3.11, and an op of small arrays 5 %.)"""

    def __init__(self, name: str, advice: str) -> None:
        self.name, self.advice = name, advice
        self.__doc__ = f"Not an attribute of nodes; say {advice}."

    def __get__(self, node: Any, kind: type) -> Any:
        raise AttributeError(f"{kind.__name__}: a node has no {self.name!r}; say {self.advice}")


def is_elsewhere(kind: type, name: str) -> bool:
    """Say whether the class has this name only to point elsewhere."""
    found = next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)
    return isinstance(found, Elsewhere)


class Listed(type):
    """The class of TensorNode: `dir`, `help` and the tab key leave out what nodes don't have.
    (Were it that of Operators too, each `isinstance(x, Operators)` would take twice as long.)"""

    def __dir__(cls) -> Iterable[str]:
        return [name for name in super().__dir__() if not is_elsewhere(cls, name)]


def point_elsewhere(kind: type, places: Mapping[str, Any]) -> None:
    """Have attributes that nodes of this class lack, and that are in INSTEAD or are functions of
    these modules, say what to call.

    Args:
        places: for the name of a module that is to be told, a module that has its functions. The
            first one that has a function counts.
    """
    advice = dict(INSTEAD)
    for place, module in places.items():
        for name in module.__all__:
            if name.islower() and callable(getattr(module, name)):
                advice.setdefault(name, f"{place}.{name}(x)")
    for name in advice.keys() - {*dir(kind)}:
        setattr(kind, name, Elsewhere(name, advice[name]))
