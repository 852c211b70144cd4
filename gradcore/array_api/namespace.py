"""The array API of nodes: gradcore's differentiable functions, with the dtypes of one backend and
functions that make nodes of this backend's arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from math import e, inf, nan, pi
from types import ModuleType
from typing import Any

from ..backends import BACKEND_OF_TYPE, Backend
from ..backends.types import DType
from ..engine.arrays import flat, is_node, value_of
from ..graph import TensorNode
from . import (
    assignment,
    constant,
    elementwise,
    fft,
    indexing,
    linalg,
    manipulation,
    products,
    reductions,
    special,
)
from .common import Device, check_device, device_of_new, documented
from .einsum import einsum
from .manipulation import astype, stack

__all__ = [
    "FUNCTIONS",
    "OF_A_BACKEND",
    "VERSION",
    "e",
    "inf",
    "namespace_of",
    "nan",
    "newaxis",
    "pi",
]

VERSION = "2025.12"  # of the standard
newaxis = None

_FILES = (assignment, constant, elementwise, indexing, manipulation, products, reductions)
FUNCTIONS = {name: getattr(file, name) for file in _FILES for name in file.__all__}
FUNCTIONS["einsum"] = einsum

_CREATION = ("arange", "empty", "eye", "full", "linspace", "ones", "zeros")
_SHAPES = ("empty", "ones", "zeros")  # of these, functions of a shape alone
_ABOUT_DTYPES = ("can_cast", "finfo", "iinfo", "isdtype", "result_type")
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_DTYPES = ("bool", *_INTEGERS, "float32", "float64", "complex64", "complex128")
_OTHERS = ("asarray", "from_dlpack", "__array_namespace_info__")
# The names that mean something else in the namespace of each backend.
OF_A_BACKEND = frozenset({*_CREATION, *_ABOUT_DTYPES, *_DTYPES, *_OTHERS})

_namespaces: dict[Backend, ModuleType] = {}


def namespace_of(backend: Backend) -> ModuleType:
    """Make the namespace of a backend's nodes, once: a module with the functions of
    gradcore.array_api, the backend's dtypes, and functions such as `zeros` that make its nodes.

    Example:
        >>> xp = gradcore.array_api.namespace_of(gradcore.backends.get("numpy"))
        >>> print(xp.exp(xp.zeros(2)).value)
        [1. 1.]
    """
    if backend not in _namespaces:
        xp, made = backend.xp, ModuleType("gradcore.array_api", __doc__)
        entries = FUNCTIONS | {"e": e, "inf": inf, "nan": nan, "newaxis": newaxis, "pi": pi}
        entries["fft"] = _fft(backend)
        entries |= {"linalg": linalg, "special": special, "__array_api_version__": VERSION}
        entries |= {name: getattr(xp, name) for name in _DTYPES if hasattr(xp, name)}
        entries |= {name: _on_raw(name, getattr(xp, name)) for name in _ABOUT_DTYPES}
        entries |= {name: _creation(backend, getattr(xp, name)) for name in _CREATION}
        entries |= {"asarray": _asarray(backend), "from_dlpack": _from_dlpack(backend)}
        entries["__array_namespace_info__"] = xp.__array_namespace_info__
        vars(made).update(entries)
        _namespaces[backend] = made
    return _namespaces[backend]


def _on_raw(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a library's function take nodes too, of which it gets the arrays."""

    @wraps(function)
    def on_nodes(*inputs: Any, **constants: Any) -> Any:
        return function(*map(value_of, inputs), **constants)

    return documented(on_nodes, name, "of which nothing has a gradient")


def _creation(backend: Backend, function: Callable[..., Any]) -> Callable[..., TensorNode]:
    """Make a library's function, such as `zeros`, give constants in place of arrays."""

    @wraps(function)
    def create(*inputs: Any, device: Device | None = None, **constants: Any) -> TensorNode:
        for x in (*inputs, *constants.values()):
            if is_node(x) and x.requires_grad:
                raise TypeError(
                    f"{function.__name__} makes constants, of numbers, not of a node that has a "
                    "gradient; broadcast_to(x, shape) keeps the gradient"
                )
        if len(inputs) > 1 and function.__name__ in _SHAPES:
            inputs = (inputs,)  # zeros(2, 3), as in PyTorch
        raw = [value_of(x) for x in inputs]
        constants = {key: value_of(x) for key, x in constants.items()}
        made = function(*raw, device=device_of_new(backend, device), **constants)
        return TensorNode(made, requires_grad=False)

    return create


def _fft(backend: Backend) -> ModuleType:
    """Make the extension `fft`, which has functions that make new nodes."""
    made = ModuleType("gradcore.array_api.fft", fft.__doc__)
    vars(made).update({name: getattr(fft, name) for name in ("__all__", *fft.__all__)})
    for creation in (fft.fftfreq, fft.rfftfreq):
        setattr(made, creation.__name__, wraps(creation)(partial(creation, backend=backend)))
    return made


def _asarray(backend: Backend) -> Callable[..., Any]:
    def asarray(
        obj: Any,
        /,
        *,
        dtype: DType | None = None,
        device: Device | None = None,
        copy: bool | None = None,
    ) -> Any:
        """Convert numbers and arrays to constants of the backend. Nodes keep their gradients, also
        in lists.

        Args:
            dtype: of the result; `None` is that of the array, or the backend's own of the numbers.
            copy: whether to copy; `None` copies where it must.

        Raises:
            ValueError: `copy=False`, and the dtype is another one.

        Example:
            >>> x = gradcore.asarray([1.0, 2.0])
            >>> print(x.value, x.requires_grad)
            [1. 2.] False
        """
        x = obj
        if isinstance(x, list | tuple) and [entry for entry in flat(x) if is_node(entry)]:
            x = stack([asarray(entry) for entry in x])
        if is_node(x):
            check_device("asarray", x, device)
            same = dtype is None or dtype == x.dtype
            if copy is False and not same:
                raise ValueError(f"asarray: {x.dtype} becomes {dtype} only in a copy")
            return x if same and not copy else astype(x, x.dtype if same else dtype)
        owner = BACKEND_OF_TYPE.get(type(x))
        if owner is None or owner.name != backend.name:  # its own arrays stay where they are
            device = device_of_new(backend, device)
        made = backend.xp.asarray(x, dtype=dtype, device=device, copy=copy)
        return TensorNode(made, requires_grad=False)

    return asarray


def _from_dlpack(backend: Backend) -> Callable[..., TensorNode]:
    def from_dlpack(
        x: Any, /, *, device: Device | None = None, copy: bool | None = None
    ) -> TensorNode:
        """Make a constant of another library's array, in its memory where possible.

        Example:
            >>> print(gradcore.from_dlpack(np.array([1.0, 2.0])).value)
            [1. 2.]
        """
        asked = {"device": device, "copy": copy}
        asked = {key: wish for key, wish in asked.items() if wish is not None}
        made = backend.xp.from_dlpack(value_of(x), **asked)
        return TensorNode(made, requires_grad=False)

    return from_dlpack
