"""What goes in and out of ops: arrays, nodes, numbers and NumPy's scalars."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .backends import Array, backend_of, default, known
from .operators import Operators

# The errors of forward that are raised again with the op and its inputs named.
EXPLAINED = (ValueError, TypeError, IndexError, AttributeError, OverflowError, MemoryError)
LESS_MEMORY = (
    "Try smaller batches, gradcore.checkpoint, which computes again what it does not keep, or "
    "float16, as optim.MixedPrecision"
)

numbers = frozenset({bool, int, float, complex})

_floating: dict[tuple[type, Any], bool] = {}  # by array type and dtype


def is_node(x: Any) -> bool:
    return isinstance(x, Operators)


def is_floating(x: Array) -> bool:
    """Whether the dtype is real floating, and so whether there are gradients."""
    key = type(x), x.dtype
    if key not in _floating:
        _floating[key] = backend_of(x).xp.isdtype(x.dtype, "real floating")
    return _floating[key]


def check_floating(name: str, x: Array) -> None:
    """Raise TypeError unless x is real floating; `name` says for what."""
    if not is_floating(x):
        raise TypeError(
            f"{name}: x is {describe(x)}, expected real floating numbers; convert it, as in "
            "x.astype('float32')"
        )


def is_discrete(x: Array) -> bool:
    """Whether the dtype is of integers or booleans."""
    return backend_of(x).xp.isdtype(x.dtype, ("bool", "integral"))


def describe(x: Any) -> str:
    """Dtype and shape, as in `float32 (3, 4)`; of a number, the number."""
    if type(x) in numbers:
        return repr(x)
    return f"{str(x.dtype).rpartition('.')[2]} {tuple(x.shape)}"


def namespace(*arrays: Any) -> Any:
    """The array API functions for these arrays: those of their library, or gradcore's for nodes.

    Raises:
        TypeError: there is no array among them.
    """
    library = None
    for x in arrays:
        if type(x) in known:
            library = library or known[type(x)].xp
        elif isinstance(x, Operators):
            return x.__array_namespace__()
        elif type(x) not in numbers:
            library = library or backend_of(x).xp
    if library is None:
        raise TypeError("namespace: expected an array or a node, not only numbers")
    return library


def array(x: Any) -> Any:
    """`x` if it is an array or node; NumPy's scalars as 0-d arrays; lists and numbers as an
    array of the default backend."""
    if type(x) in known or is_node(x):
        return x
    if isinstance(x, bool | int | float | complex | list | tuple) and not hasattr(x, "dtype"):
        return default().asarray(x)
    backend = backend_of(x)
    return x if type(x) in known else backend.asarray(x)


def unwrap(x: Any) -> Any:
    """The array in a node; what is no node, as it is."""
    return x.value if is_node(x) else x


def as_array(x: Any) -> Any:
    """The array in a node; what is no node, as an array."""
    return unwrap(array(x))


def arrays_and_mask(op: Any, inputs: Sequence[Any]) -> tuple[list[Any], list[bool]]:
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
            if type(x) is kind or type(x) in numbers:
                continue
        if kind is not None or type(x) not in known:
            return unwrapped(op, inputs), [is_node(x) and x.requires_grad for x in inputs]
        kind = type(x)
    if len(arrays) > 1 and kind:
        if known[kind].several_devices:
            _check_devices(op, arrays)
        if len(arrays) > 2 or arrays[0] is arrays[1]:
            _tell_apart(inputs, arrays)
    return arrays, mask


def unwrapped(op: Any, inputs: Sequence[Any]) -> list[Any]:
    """An op's inputs as arrays and numbers, as above, also where some are to be converted."""
    arrays = []
    for x in inputs:
        if isinstance(x, Operators):
            if type(x.value) not in known:  # assigned: a number, or a NumPy scalar
                x.value = array(x.value)
            x = x.value
        elif type(x) not in known and type(x) not in numbers:
            x = _constant(op, x)
        arrays.append(x)
    _check_devices(op, arrays)
    _tell_apart(inputs, arrays)
    return arrays


def _tell_apart(inputs: Sequence[Any], arrays: list[Any]) -> None:
    """Different inputs with one array get views of it: gradients of gradients tell what an op
    saved by its identity."""
    if len({*map(id, arrays)}) == len(arrays):
        return
    for i, a in enumerate(arrays):
        same = [x for x, b in zip(inputs, arrays[:i], strict=False) if b is a]
        if same and type(a) in known and all(x is not inputs[i] for x in same):
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


def output(op: Any, x: Any, context: dict[str, Any]) -> Array:
    """What an op's forward gave, as an array, here and in its context."""
    if type(x) in known:
        return x
    if type(x) in numbers or is_node(x) or isinstance(x, list):
        raise TypeError(f"{op.__name__}: forward gave a {type(x).__name__}, expected an array")
    as_array = array(x)
    for key, entry in context.items():
        if entry is x:
            context[key] = as_array
    return as_array


def _check_devices(op: Any, arrays: list[Any]) -> None:
    arrays = [x for x in arrays if type(x) not in numbers]
    if any(type(x) is not type(arrays[0]) or x.device != arrays[0].device for x in arrays):
        places = {(backend_of(x).name, str(x.device)) for x in arrays}
        found = " and ".join(f"{name} on {device}" for name, device in sorted(places))
        raise ValueError(
            f"{_name(op)}: the inputs are arrays of {found}; move one: "
            "gradcore.backends.get(name, device).asarray(array)"
        )


def _name(op: Any) -> str:
    return op if isinstance(op, str) else op.__name__


def flat(entries: Iterable[Any]) -> Iterator[Any]:
    """The entries, and those of tuples and lists among them."""
    for entry in entries:
        if isinstance(entry, tuple | list):
            yield from flat(entry)
        elif isinstance(entry, dict):
            yield from flat(entry.values())
        else:
            yield entry


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
    found = (backend_of(x) for x in arrays if type(x) in known)
    says = next(found, default()).describe_memory()
    return f". {f'There are {says}. ' if says else ''}{LESS_MEMORY}"


def check_gradient(g: Any, value: Array) -> None:
    """Raise ValueError unless `g` is of the value's backend, shape and dtype; `None` passes."""
    if g is None:
        return
    found, expected = (_described(x) for x in (unwrap(g), value))
    if found != expected:
        raise ValueError(f"grad is {found}, expected {expected}, as the value is")


def _backend(x: Any) -> Any:
    """The backend of an array; of anything else, `None`."""
    try:
        return None if type(x) in numbers else backend_of(x)
    except TypeError:
        return None


def _described(x: Any) -> str:
    """Dtype, shape and backend of an array; of anything else, its type."""
    backend = _backend(x)
    return f"{describe(x)} of {backend.name}" if backend else f"a {type(x).__name__}"


def fitted(op: type, g: Any, value: Array, gos: list[Any]) -> Any:
    """The gradient `g` in shape and dtype of the input's value: undoes broadcasting and promotion.

    Raises:
        ValueError, TypeError: the gradient of the op does not fit, whatever was broadcast.
    """
    if type(g) is type(value) and g.shape == value.shape and g.dtype == value.dtype:
        return g
    raw = g.value if is_node(g) else g
    if type(raw) is not type(value):
        if _backend(raw) is not backend_of(value):
            raise TypeError(
                f"{op.__name__}.backward gave {type(raw).__module__}.{type(raw).__name__}, "
                f"expected an array of {backend_of(value).name}"
            )
        g = g if is_node(g) else array(g)
        raw = raw if is_node(g) else g
    shape, dtype = tuple(value.shape), value.dtype
    if tuple(raw.shape) != shape:
        added = len(raw.shape) - len(shape)
        if added < 0 or any(m not in (1, n) for m, n in zip(shape, raw.shape[added:], strict=True)):
            raise ValueError(
                f"{op.__name__}.backward gave a gradient of shape {tuple(raw.shape)}; "
                f"expected {shape}, or what that was broadcast to"
            )
        xp, lead = namespace(g), tuple(range(added))
        g = xp.sum(g, axis=lead) if added else g
        axes = tuple([i for i, n in enumerate(shape) if n != g.shape[i]])
        g = array(xp.sum(g, axis=axes, keepdims=True) if axes else g)
    if raw.dtype != dtype:
        # Right if the op promoted this input to what its output has, and wrong otherwise.
        if all(go.dtype == dtype for go in gos) or all(go.dtype != raw.dtype for go in gos):
            raise TypeError(
                f"{op.__name__}.backward gave a gradient of {raw.dtype}, expected {dtype}"
            )
        g = namespace(g).astype(g, dtype)
    return g


def accumulate(node: Any, gradient: Any, keep: bool, owned: bool) -> None:
    """Add to `node.grad`. A first gradient becomes it, without a copy if we may `keep` it."""
    if node._grad is None and (keep or is_node(gradient)):
        node._grad, node._owned = gradient, owned
    elif node._grad is None:
        xp = namespace(gradient)
        node._grad = xp.asarray(gradient, device=gradient.device, copy=True)
        node._owned = True
    elif node._owned and not is_node(gradient):
        node._grad += gradient
    else:
        node._grad, node._owned = array(node._grad + gradient), True


def is_only(g: Any) -> bool:
    """Whether nobody holds the gradient `g` but who asks: not the op, as a result for another
    input or anywhere else, and not whoever gave it to the op."""
    return _holders(g) == _ALONE and backend_of(g).owns_memory(g)


def _holders(g: Any) -> int:
    return sys.getrefcount(g)


def _holders_of_new() -> int:
    """What `is_only` counts of what nobody holds but a loop like that of the backward pass."""

    def asked(g: Any) -> int:
        return _holders(g)

    given: Any = (object(),)
    for _, g in zip((None,), given):  # noqa: B905
        return asked(g)
    raise AssertionError


_ALONE = _holders_of_new()


def with_zeros(opnode: Any, gos: list[Any]) -> list[Any]:
    """The gradients of several outputs, with zeros where the loss does not depend on one."""
    xp, pairs = namespace(*opnode.arrays), zip(gos, opnode.specs, strict=True)
    return [xp.zeros(s[1], dtype=s[2], device=s[3]) if g is None else g for g, s in pairs]
