"""Arrays, numbers and NumPy's scalars: what an op is given, and what it gives."""

from __future__ import annotations

from typing import Any

from .backends import Array, backend_of, default, known

numbers = frozenset({bool, int, float, complex})

_kinds: dict[tuple[Any, str], bool] = {}


def is_kind(x: Array, *kinds: str) -> bool:
    """Whether the dtype is of one of these kinds, named as in the standard's `isdtype`."""
    key = (x.dtype, kinds[0])
    if key not in _kinds:
        _kinds[key] = backend_of(x).xp.isdtype(x.dtype, kinds)
    return _kinds[key]


def describe(x: Any) -> str:
    """Dtype and shape, as in `float32 (3, 4)`; of a number, the number."""
    if type(x) in numbers:
        return repr(x)
    return f"{str(x.dtype).rpartition('.')[2]} {tuple(x.shape)}"


def array(x: Any) -> Any:
    """`x` if it is an array or node; NumPy's scalars as 0-d arrays; lists and numbers as an
    array of the default backend."""
    if type(x) in known or hasattr(x, "array_api"):
        return x
    if isinstance(x, bool | int | float | list | tuple) and not hasattr(x, "dtype"):
        return default().asarray(x)
    backend = backend_of(x)
    return x if type(x) in known else backend.asarray(x)


def constant(op: str, x: Any) -> Any:
    """An op's input that is neither node nor number: an array; a NumPy scalar as a number."""
    try:
        backend = backend_of(x)
    except TypeError:
        message = f"{op}: inputs are nodes, arrays and numbers, not {type(x).__name__}"
        raise TypeError(message) from None
    return x.item() if isinstance(x, backend.scalar_types) else x


def output(op: str, x: Any, context: dict[str, Any]) -> Array:
    """What an op's forward gave, as an array, here and in its context."""
    if type(x) in numbers or hasattr(x, "array_api"):
        raise TypeError(f"{op}: forward gave a {type(x).__name__}, expected an array")
    as_array = array(x)
    for key, entry in context.items():
        if entry is x:
            context[key] = as_array
    return as_array


def check_devices(op: str, arrays: list[Any]) -> None:
    """Raise ValueError unless all arrays are of one backend and on one device."""
    places = {(backend_of(x).name, str(x.device)) for x in arrays if type(x) not in numbers}
    if len(places) > 1:
        found = " and ".join(f"{name} on {device}" for name, device in sorted(places))
        raise ValueError(
            f"{op}: the inputs are arrays of {found}; move one: "
            "gradcore.backends.get(name, device).asarray(array)"
        )


def explained(error: Exception, op: str, arrays: list[Any]) -> Exception:
    """The error, with the op and its inputs named."""
    kind = next(k for k in (ValueError, TypeError, IndexError) if isinstance(error, k))
    return kind(f"{op}: {error} (inputs: {', '.join(map(describe, arrays))})")
