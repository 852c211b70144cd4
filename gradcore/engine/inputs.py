"""TODO"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..backends import BACKEND_OF_TYPE, Array, backend_of, default
from .arrays import NUMBER_TYPES, describe, is_node, node_or_array
from .operators import Operators

__all__ = [
    "EXPLAINED",
    "LESS_MEMORY",
    "as_output",
    "explained",
    "memory",
    "op_inputs",
    "op_inputs_and_mask",
]

# The errors of forward that are raised again with the op and its inputs named.
EXPLAINED = (ValueError, TypeError, IndexError, AttributeError, OverflowError, MemoryError)
LESS_MEMORY = (
    "Try smaller batches, gradcore.checkpoint, which computes again what it does not keep, or "
    "float16, as optim.MixedPrecision"
)


def op_inputs_and_mask(op: Any, inputs: Sequence[Any]) -> tuple[list[Any], list[bool]]:
    """An op's inputs as arrays and numbers, the arrays all of one backend and device; and which
    of them require a gradient. `op` is an `Op`, or what errors are to name.

    Raises:
        TypeError: an input is none of node, array or number.
        ValueError: they are not all in one place.
    """
    arrays, mask = [], []
    kind = None  # the type of the arrays
    for x in inputs:
        if isinstance(x, Operators):
            mask.append(x.requires_grad)
            x = x.value
            arrays.append(x)
            if type(x) is kind:
                continue
        else:
            mask.append(False)
            arrays.append(x)
            if type(x) is kind or type(x) in NUMBER_TYPES:
                continue
        if kind is not None or type(x) not in BACKEND_OF_TYPE:
            return op_inputs(op, inputs), [is_node(x) and x.requires_grad for x in inputs]
        kind = type(x)
    if len(arrays) > 1 and kind:
        if BACKEND_OF_TYPE[kind].several_devices:
            _check_devices(op, arrays)
        if len(arrays) > 2 or arrays[0] is arrays[1]:
            _distinct(inputs, arrays)
    return arrays, mask


def op_inputs(op: Any, inputs: Sequence[Any]) -> list[Any]:
    """An op's inputs as arrays and numbers, as above, also where some are to be converted."""
    arrays = []
    for x in inputs:
        if isinstance(x, Operators):
            if type(x.value) not in BACKEND_OF_TYPE:  # assigned: a number, or a NumPy scalar
                x.value = node_or_array(x.value)
            x = x.value
        elif type(x) not in BACKEND_OF_TYPE and type(x) not in NUMBER_TYPES:
            x = _constant(op, x)
        arrays.append(x)
    _check_devices(op, arrays)
    _distinct(inputs, arrays)
    return arrays


def _distinct(inputs: Sequence[Any], arrays: list[Any]) -> None:
    """Different inputs with one array get views of it: gradients of gradients tell what an op
    saved by its identity."""
    if len({*map(id, arrays)}) == len(arrays):
        return
    for i, a in enumerate(arrays):
        same = [x for x, b in zip(inputs, arrays[:i], strict=False) if b is a]
        if same and type(a) in BACKEND_OF_TYPE and all(x is not inputs[i] for x in same):
            arrays[i] = a[...]


def _constant(op: Any, x: Any) -> Any:
    """An op's input of another type: an array; a NumPy scalar, which acts as a number; or a
    NumPy boolean, which comparing 0-d arrays gives, as the array that it stands for."""
    try:
        backend = backend_of(x)
    except TypeError:
        message = f"{_name(op)}: inputs are nodes, arrays and numbers, not {type(x).__name__}"
        raise TypeError(message) from None
    if not isinstance(x, backend.scalar_types):
        return x
    number = backend.to_numpy(x).item()
    return backend.asarray(x) if isinstance(number, bool) else number


def as_output(op: Any, x: Any, context: dict[str, Any]) -> Array:
    """What an op's forward gave, as an array, here and in its context."""
    if type(x) in BACKEND_OF_TYPE:
        return x
    if type(x) in NUMBER_TYPES or is_node(x) or isinstance(x, list):
        raise TypeError(f"{op.__name__}: forward gave a {type(x).__name__}, expected an array")
    array = node_or_array(x)
    for key, entry in context.items():
        if entry is x:
            context[key] = array
    return array


def _check_devices(op: Any, arrays: list[Any]) -> None:
    arrays = [x for x in arrays if type(x) not in NUMBER_TYPES]
    if any(type(x) is not type(arrays[0]) or x.device != arrays[0].device for x in arrays):
        places = {(backend_of(x).name, str(x.device)) for x in arrays}
        found = " and ".join(f"{name} on {device}" for name, device in sorted(places))
        raise ValueError(
            f"{_name(op)}: the inputs are arrays of {found}; move one: "
            "gradcore.backends.get(name, device).asarray(array)"
        )


def _name(op: Any) -> str:
    return op if isinstance(op, str) else op.__name__


def explained(error: Exception, op: str, arrays: list[Any]) -> Exception:
    """The error, with the op and its inputs named."""
    kinds = (ValueError, IndexError, OverflowError, MemoryError)
    kind = next((k for k in kinds if isinstance(error, k)), TypeError)
    inputs = ", ".join(map(describe, arrays))
    return kind(f"{op}: {error} (inputs: {inputs}){memory(error, arrays)}")


def memory(error: Exception, arrays: Iterable[Any]) -> str:
    """For an error that says that memory is out: how much is in use, and what to try."""
    if not isinstance(error, MemoryError):
        return ""
    found = (backend_of(x) for x in arrays if type(x) in BACKEND_OF_TYPE)
    says = next(found, default()).describe_memory()
    return f". {f'There are {says}. ' if says else ''}{LESS_MEMORY}"
