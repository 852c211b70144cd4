"""SciPy's functions, which compute on the host, as primitives."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from ...backends import BACKEND_OF_TYPE, backend_of, default
from ...engine.trees import leaves, tree_map
from ..extend import primitive
from ..leaves import value_in_primitive

__all__ = ["on_host", "scipy", "scipy_function", "there", "to_numpy"]


def to_numpy(x: Any) -> Any:
    """Copy an array, or the value of a constant, to the host; anything else stays."""
    x = value_in_primitive(x)
    return backend_of(x).to_numpy(x) if type(x) in BACKEND_OF_TYPE else x


def there(*args: Any) -> Callable[[Any], Any]:
    """Make the function that moves NumPy's arrays to where the first array among the arguments is;
    without one, to the default backend."""
    arrays = [x for _, x in leaves(args) if type(x) in BACKEND_OF_TYPE]
    backend = BACKEND_OF_TYPE[type(arrays[0])] if arrays else default()
    return lambda y: backend.asarray(y) if type(y).__module__ == "numpy" and y.ndim else y


def on_host(f: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of NumPy's arrays take and give arrays of any backend, by way of the host. A
    primitive: what f does is not differentiated."""

    @functools.wraps(f)
    def on_arrays(*args: Any, **kwargs: Any) -> Any:
        result = f(*tree_map(to_numpy, args), **tree_map(to_numpy, kwargs))
        return tree_map(there(args), result)

    return primitive(on_arrays)


def scipy(module: str) -> Any:
    """Import a module of SciPy's, which is needed only where it is used.

    Raises:
        AttributeError: SciPy is not installed.
    """
    try:
        return importlib.import_module(f"scipy.{module}")
    except ImportError as error:
        raise AttributeError(f"autograd.scipy.{module} needs SciPy: {error}") from None


@functools.cache
def scipy_function(module: str, name: str) -> Any:
    """Give SciPy's function of a name as a primitive without derivatives; what is no function, as
    it is.

    Raises:
        AttributeError: SciPy has no such name, or is not installed.
    """
    found = getattr(scipy(module), name)
    return on_host(found) if callable(found) and not isinstance(found, type) else found
