"""What the other files of this folder share: arrays of whatever is given, NumPy's dtypes, `out`."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from .. import array_api as xp
from ..array_api.common import axis_from_front
from ..backends import BACKEND_OF_TYPE, Backend, backend_of, default
from ..engine.arrays import NUMBER_TYPES, flat, is_node, value_of
from ..engine.operators import Operators
from ..graph import TensorNode

__all__ = [
    "HOST",
    "NOTHING",
    "Place",
    "alike",
    "arrays_of",
    "as_inputs",
    "as_node_or_array",
    "cast",
    "counting",
    "dtype_there",
    "filled",
    "flat_or_along",
    "floats",
    "is_array",
    "numpy_dtype",
    "on_host",
    "place_of",
    "placed",
    "promoted",
    "result_dtype",
]

NOTHING: Any = np._NoValue  # NumPy's "not given", where None means something
Place = tuple[Backend, Any]  # a backend and a device
HOST: Any = np  # for calls with whatever was given, of which type checkers know no overload


def is_array(x: Any) -> bool:
    """Whether x is a node or an array of a library; lists, numbers and NumPy's scalars are not."""
    if isinstance(x, Operators) or type(x) in BACKEND_OF_TYPE:
        return True
    is_other = hasattr(x, "__dlpack__") and not isinstance(x, np.generic)
    return is_other and backend_of(x) is not None  # the first array of its library


def place_of(*xs: Any) -> Place:
    """Find the backend and device of the first node or array, also inside lists; without one, they
    are the default."""
    for x in flat(xs):
        if is_array(x):
            x = value_of(x)
            return backend_of(x), x.device
    backend = default()
    return backend, backend.device


# -- Dtypes ---------------------------------------------------------------------------------------


def numpy_dtype(dtype: Any) -> np.dtype[Any]:
    """Find NumPy's dtype of the same name as a library's. NumPy lacks bfloat16 and float8: float32
    stands for them."""
    return dtype if isinstance(dtype, np.dtype) else _named(dtype.__class__, dtype)


@cache  # by type too: comparing dtypes of two libraries may warn
def _named(kind: Any, dtype: Any) -> np.dtype[Any]:
    name = str(dtype).rpartition(".")[2]
    return np.dtype("float32" if name.startswith(("bfloat", "float8")) else name)


def dtype_there(dtype: Any, backend: Backend, device: Any, is_asked: bool = False) -> Any:
    """Find the library's dtype for one given as NumPy takes it: a dtype, a type or a name. Where
    the device has none of 64 bits, that is its widest float; where it has none of 16, float32.

    Args:
        is_asked: whether a caller asks for this dtype, and not NumPy's rules. `float` and `complex`
            say nothing about bits.

    Raises:
        TypeError: the library has the dtype that is asked for, but not now: JAX's 64 bits are off.
    """
    named = numpy_dtype_of(dtype)
    is_asked = is_asked and dtype is not float and dtype is not complex
    key = named, backend.name, str(device), backend.has_64_bits, is_asked
    if key not in _dtypes:
        if is_asked and not backend.has_64_bits:
            backend.dtype(named.name)
        narrower = {"float64": "float32", "complex128": "complex64", "float16": "float32"}
        if not backend.has_64_bits:
            narrower |= {"int64": "int32", "uint64": "uint32"}
        known = backend.xp.__array_namespace_info__().dtypes(device=device)
        name = named.name
        if not (name in known or (name == "float16" and hasattr(backend.xp, name))):
            name = narrower.get(name, name)
        if name not in known and name != "float16":
            raise TypeError(f"{backend.name} has no dtype {named.name!r}")
        _dtypes[key] = getattr(backend.xp, name)
    return _dtypes[key]


_dtypes: dict[Any, Any] = {}  # what `dtype_there` found


def cast(x: Any, dtype: Any, is_asked: bool = True) -> Any:
    """Convert a node or an array to a dtype, given as NumPy takes it; `None` leaves x. See
    `dtype_there` for `is_asked`."""
    if dtype is None:
        return x
    if isinstance(dtype, np.dtype) and numpy_dtype(x.dtype) == dtype:
        return x
    there = dtype_there(dtype, *place_of(x), is_asked)
    if numpy_dtype(x.dtype).kind == "c" and numpy_dtype_of(dtype).kind == "b":
        return xp.not_equal(x, 0.0)
    return x if x.dtype == there else xp.astype(x, there)


def result_dtype(*xs: Any) -> np.dtype[Any]:
    """Find the dtype that NumPy gives what is computed of these arrays, nodes and numbers."""
    return np.result_type(*[x if type(x) in NUMBER_TYPES else numpy_dtype(x.dtype) for x in xs])


def promoted(*xs: Any) -> list[Any]:
    """Convert arrays and nodes to their common dtype. Numbers, which decide with them, stay."""
    arrays = [x for x in xs if type(x) not in NUMBER_TYPES]
    if len(arrays) == len(xs) and all(x.dtype == arrays[0].dtype for x in arrays):
        return [*xs]
    dtype = result_dtype(*xs)
    return [x if type(x) in NUMBER_TYPES else cast(x, dtype, is_asked=False) for x in xs]


def floats(x: Any) -> Any:
    """Convert integers and booleans to float64, as NumPy does for means and roots."""
    return cast(x, np.float64, is_asked=False) if numpy_dtype(x.dtype).kind in "biu" else x


# -- Axes -----------------------------------------------------------------------------------------


def flat_or_along(name: str, x: Any, axis: Any) -> tuple[Any, int]:
    """Flatten x, if the axis is `None`; else count the axis from the front. As in NumPy, a number
    has an axis 0 too."""
    if axis is None or (x.ndim == 0 and axis in (0, -1)):
        return xp.reshape(x, (-1,)), 0
    return x, axis_from_front(name, axis, x.ndim)


# -- Arrays ---------------------------------------------------------------------------------------


def as_node_or_array(
    x: Any, dtype: Any = None, place: Place | None = None, is_asked: bool = True
) -> Any:
    """Make an array of numbers, lists and NumPy's scalars, with the dtype that NumPy gives them,
    and a node if there are nodes in the lists. Nodes and arrays stay.

    Args:
        dtype: the dtype wanted, as NumPy takes it.
        place: the backend and device of what is no array; `None` asks the arrays in the lists, and
            then the default.
        is_asked: as `dtype_there` has it.
    """
    if is_array(x):
        return cast(x, dtype, is_asked)
    place = place or place_of(x)
    if isinstance(x, list | tuple) and any(map(is_array, flat(x))):
        parts = promoted(*[as_node_or_array(entry, None, place) for entry in x])
        return cast(xp.stack(parts), dtype, is_asked)
    host = np.asarray(x, None if dtype is None else numpy_dtype_of(dtype))
    return placed(host, place, dtype if is_asked else None)


def placed(x: Any, place: Place | None = None, dtype: Any = None) -> Any:
    """Move what NumPy computed on the host to a place, which is at first the default one."""
    x = np.asarray(x)
    if x.dtype.kind not in "biufc":
        raise TypeError(f"expected numbers, not {x.dtype}")
    backend, device = place or place_of()
    wanted = x.dtype if dtype is None else dtype
    there = dtype_there(wanted, backend, device, is_asked=dtype is not None)
    return backend.xp.asarray(backend.from_numpy(x, there), dtype=there, device=device)


def numpy_dtype_of(dtype: Any) -> np.dtype[Any]:
    """Find NumPy's dtype for one given as NumPy takes it, or as a dtype of another library."""
    return np.dtype(dtype) if isinstance(dtype, type | str) else numpy_dtype(dtype)


def as_inputs(*xs: Any) -> list[Any]:
    """Make arrays, at the place of the arrays among them, of all that is no node, no array and no
    Python number; and of the numbers too, if there are only numbers."""
    if all(map(is_node, xs)):
        return [*xs]
    place = place_of(*xs)
    found = [x if type(x) in NUMBER_TYPES else as_node_or_array(x, None, place) for x in xs]
    if any(map(is_array, found)):
        return found
    return [as_node_or_array(x, None, place) for x in found]


def arrays_of(*xs: Any) -> list[Any]:
    """Make arrays, at the place of the arrays among them, of all that is no node and no array."""
    if all(map(is_node, xs)):
        return [*xs]
    place = place_of(*xs)
    return _of_a_kind([as_node_or_array(x, None, place) for x in xs])


def alike(*xs: Any) -> list[Any]:
    """Make arrays of one dtype, that which NumPy computes in; a number has what others have."""
    place = place_of(*xs)
    found = as_inputs(*xs)
    dtype = result_dtype(*found)
    return _of_a_kind([as_node_or_array(x, dtype, place, is_asked=False) for x in found])


def _of_a_kind(xs: list[Any]) -> list[Any]:
    """Make nodes of the arrays, if some are nodes: not every library's arrays take nodes as right
    operands."""
    if not any(map(is_node, xs)) or all(map(is_node, xs)):
        return xs
    return [x if is_node(x) else TensorNode(x, requires_grad=False) for x in xs]


def on_host(x: Any) -> np.ndarray:
    """Copy what is no array too to a NumPy array, as a constant."""
    if isinstance(x, list | tuple):
        return np.asarray([on_host(entry) for entry in x])
    x = value_of(x)
    return backend_of(x).to_numpy(x) if is_array(x) else np.asarray(x)


def counting(x: Any, n: int) -> Any:
    """Make the array 0, 1, ..., n - 1, where x is."""
    backend, device = place_of(x)
    return backend.xp.arange(n, device=device)


def filled(name: str, out: Any, y: Any) -> Any:
    """Write the result y of the function `name` to `out`, as `out[...] = y` does; without `out`,
    give y.

    Raises:
        TypeError: `out` is an array and y has a gradient, which the array can't keep; or numbers
            with fractions would go to integers.
        ValueError: the shapes differ.
    """
    if isinstance(out, tuple) and len(out) == 1:
        out = out[0]
    if out is None:
        return y
    if not is_array(out):
        raise TypeError(f"{name}: out is a {type(out).__name__}, expected a node or an array")
    if is_node(y) and not is_node(out):
        if y.requires_grad:
            raise TypeError(
                f"{name}: out is an array, which keeps no gradient; write y = {name}(...), or make "
                "out a TensorNode"
            )
        y = value_of(y)
    if tuple(out.shape) != tuple(y.shape):
        raise ValueError(f"{name}: out has shape {tuple(out.shape)}, the result {tuple(y.shape)}")
    if not np.can_cast(numpy_dtype(y.dtype), numpy_dtype(out.dtype), "same_kind"):
        raise TypeError(f"{name}: the result, {y.dtype}, can't be written to out, {out.dtype}")
    out[...] = cast(y, out.dtype)
    return out
