"""Convert an op's inputs and outputs to arrays of one backend; name the op and its inputs in
errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..backends import BACKEND_OF_TYPE, Array, backend_of, default, get
from .arrays import (
    NUMBER_TYPES,
    accepted,
    backend_or_none,
    describe,
    flat,
    is_floating,
    is_node,
    node_or_array,
    value_of,
)
from .operators import Operators

__all__ = [
    "EXPLAINED",
    "as_output",
    "explained",
    "memory",
    "op_inputs",
    "op_inputs_and_mask",
]

# The errors of forward that are raised again with the op and its inputs named.
EXPLAINED: tuple[type[Exception], ...]
EXPLAINED = ValueError, TypeError, IndexError, AttributeError, OverflowError, MemoryError
EXPLAINED += (RuntimeError,)  # PyTorch's, of shapes that do not fit
FITTING = "; sizes must be equal, or 1, counted from the last axis"
LESS_MEMORY = (
    "Try smaller batches, gradcore.checkpoint, which computes again what it does not keep, or "
    "float16, as optim.MixedPrecision"
)


def op_inputs_and_mask(op: type | str, inputs: Sequence[Any]) -> tuple[list[Any], list[bool]]:
    """Take the arrays out of an op's inputs, and note which inputs require a gradient.

    This is the fast path, for inputs that are nodes, arrays of one type, and numbers; `op_inputs`
    handles all others.

    Args:
        op: the `Op`, or its name, for errors.

    Returns:
        The inputs as arrays and numbers; and for each, whether it requires a gradient.

    Raises:
        TypeError: an input is neither node nor array nor number, or is a tensor of PyTorch's that
            requires a gradient.
        ValueError: the arrays are of different backends or on different devices.
    """
    arrays, mask = [], []
    kind = None  # the type of the arrays
    for x in inputs:
        if isinstance(x, Operators):
            mask.append(x._requires_grad)  # not the property, which takes longer
            x = x.value
            arrays.append(x)
            if type(x) is kind:
                continue
        else:
            mask.append(False)
            if type(x) in NUMBER_TYPES:
                arrays.append(x)
                continue
            x = accepted(_name(op), x)
            arrays.append(x)
            if type(x) is kind:
                continue
        if kind is not None or type(x) not in BACKEND_OF_TYPE:
            return op_inputs(op, inputs), [is_node(x) and x.requires_grad for x in inputs]
        kind = type(x)
    if len(arrays) > 1 and kind:
        if BACKEND_OF_TYPE[kind].several_devices:
            _check_devices(op, arrays)
        if len(arrays) > 2 or (arrays[0] is arrays[1] and inputs[0] is not inputs[1]):
            _distinct(inputs, arrays)
    return arrays, mask


def op_inputs(op: type | str, inputs: Sequence[Any]) -> list[Any]:
    """Take the arrays out of an op's inputs, and convert NumPy's scalars, other libraries' arrays,
    and lists of numbers. Arguments and errors are those of `op_inputs_and_mask`."""
    arrays = []
    for x in inputs:
        if isinstance(x, Operators):
            if type(x.value) not in BACKEND_OF_TYPE:  # somebody assigned a number to .value
                x.value = node_or_array(x.value)
            x = x.value
        elif isinstance(x, list | tuple):
            x = _from_list(op, x, inputs)
        elif type(x) in BACKEND_OF_TYPE:
            x = accepted(_name(op), x)
        elif type(x) not in NUMBER_TYPES:
            x = _constant(op, x)
        arrays.append(x)
    if not any(type(x) in BACKEND_OF_TYPE for x in arrays):  # NumPy gives scalars for 0-d arrays
        arrays = [
            node_or_array(x) if hasattr(x, "dtype") else a
            for x, a in zip(inputs, arrays, strict=True)
        ]
    _check_devices(op, arrays)
    _distinct(inputs, arrays)
    return arrays


def _distinct(inputs: Sequence[Any], arrays: list[Any]) -> None:
    """Replace the array of all but the first of several inputs that share it by a view of it.

    An op saves arrays in its context under names of its own. For gradients of gradients the engine
    finds the node of a saved array by the array's identity, so two nodes must have two arrays.
    """
    if len({*map(id, arrays)}) == len(arrays):
        return
    for i, a in enumerate(arrays):
        same = [x for x, b in zip(inputs, arrays[:i], strict=False) if b is a]
        if same and type(a) in BACKEND_OF_TYPE and all(x is not inputs[i] for x in same):
            arrays[i] = backend_of(a).alias(a)


def _constant(op: type | str, x: Any) -> Any:
    """Convert an input that is neither a node nor an array of a known type. A NumPy scalar becomes
    a number; a NumPy boolean, as comparing 0-d arrays gives, an array: ops compute with masks. A
    number of a class of its own, as `x.size` is, becomes Python's."""
    if isinstance(x, int | float | complex) and not hasattr(x, "dtype"):
        return +x
    try:
        backend = backend_of(x)
    except TypeError:
        message = f"{_name(op)}: inputs are nodes, arrays and numbers, not {type(x).__name__}"
        raise TypeError(message) from None
    if not isinstance(x, backend.scalar_types):
        return node_or_array(x)
    number = backend.to_numpy(x).item()
    return backend.asarray(x) if isinstance(number, bool) else number


def _from_list(op: type | str, x: Any, inputs: Sequence[Any]) -> Array:
    """Convert (nested) lists of numbers, which change no dtype, to an array where the first array
    among the inputs is."""
    arrays = [a for a in map(value_of, inputs) if type(a) in BACKEND_OF_TYPE]
    entries = list(flat(x))
    if not arrays or not all(type(n) in NUMBER_TYPES for n in entries):
        raise TypeError(
            f"{_name(op)}: inputs are nodes, arrays and numbers, not {type(x).__name__}; of nodes, "
            "stack(nodes) is a node"
        )
    like, backend = arrays[0], backend_of(arrays[0])
    is_real = complex not in map(type, entries)
    dtype = like.dtype if is_real and is_floating(like) else None
    return get(backend.name, like.device if backend.several_devices else None).asarray(x, dtype)


def as_output(op: type, x: Any, context: dict[str, Any]) -> Array:
    """Convert the result of an op's forward to an array, and replace it in the context too."""
    if type(x) in BACKEND_OF_TYPE:
        return x
    if type(x) in NUMBER_TYPES or is_node(x) or isinstance(x, list) or not backend_or_none(x):
        raise TypeError(f"{op.__name__}: forward gave a {type(x).__name__}, expected an array")
    array = node_or_array(x)
    for key, entry in context.items():
        if entry is x:
            context[key] = array
    return array


def _check_devices(op: type | str, arrays: list[Any]) -> None:
    kind = device = None
    for x in arrays:
        if type(x) in NUMBER_TYPES:
            continue
        if kind is None:
            kind, device = type(x), x.device
        elif type(x) is not kind or x.device != device:
            break
    else:
        return
    arrays = [x for x in arrays if type(x) not in NUMBER_TYPES]
    places = {(backend_of(x).name, str(x.device)) for x in arrays}
    # An array that stands for others while a library traces a function has no device.
    known = [(name, device) for name, device in places if device != "None"]
    if len({name for name, _ in places}) == 1 and len(known) < 2:
        return
    found = " and ".join(f"{name} on {device}" for name, device in sorted(places))
    raise ValueError(
        f"{_name(op)}: the inputs are arrays of {found}; move one: "
        "gradcore.backends.get(name, device).asarray(array)"
    )


def _name(op: type | str) -> str:
    return op if isinstance(op, str) else op.__name__


def explained(error: Exception, op: str, arrays: list[Any]) -> Exception:
    """Make an error of the same kind, with the op and its inputs named. A RuntimeError that the
    backend takes for nothing else is raised as it is."""
    found = (backend_of(x) for x in arrays if type(x) in BACKEND_OF_TYPE)
    error = next(found, default()).error(error)
    if isinstance(error, RuntimeError):
        raise error
    kinds = (ValueError, IndexError, OverflowError, MemoryError)
    kind = next((k for k in kinds if isinstance(error, k)), TypeError)
    inputs = ", ".join(map(describe, arrays))
    advice = FITTING if "could not be broadcast" in str(error) else ""
    return kind(f"{op}: {error} (inputs: {inputs}){memory(error, arrays)}{advice}")


def memory(error: Exception, arrays: Iterable[Any]) -> str:
    """Describe the memory in use and what to try, if the error is a MemoryError; else return ""."""
    if not isinstance(error, MemoryError):
        return ""
    found = (backend_of(x) for x in arrays if type(x) in BACKEND_OF_TYPE)
    says = next(found, default()).describe_memory()
    return f". {f'There are {says}. ' if says else ''}{LESS_MEMORY}"
