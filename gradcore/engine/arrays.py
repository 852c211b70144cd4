"""Arrays, nodes and numbers: what a value is, and how to get from one kind to another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from numbers import Integral
from operator import index
from typing import Any

from ..backends import BACKEND_OF_TYPE, Array, Backend, backend_of, default
from ..backends.definitions.common import is_half
from .operators import Operators

__all__ = [
    "NUMBER_TYPES",
    "accepted",
    "as_value",
    "backend_or_none",
    "broadcast_shape",
    "check_floating",
    "check_gradient",
    "check_numeric",
    "conj",
    "copied",
    "describe",
    "fits",
    "flat",
    "integers",
    "is_complex",
    "is_discrete",
    "is_floating",
    "is_integer",
    "is_node",
    "is_real_floating",
    "loaded",
    "namespace",
    "node_or_array",
    "raw_array",
    "real",
    "real_dtype",
    "value_of",
    "wide_dtype",
    "widened",
    "widest",
    "widest_dtype",
]

_NOT_NUMERIC = frozenset("OSUTMm")  # NumPy's letters for objects, texts and dates
NUMBER_TYPES = frozenset({bool, int, float, complex})


class _OfKind(dict[tuple[type, Any], bool]):
    """Whether arrays of a type and dtype, the key, are of a kind; asked of the library once."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __missing__(self, key: tuple[type, Any]) -> bool:
        library, dtype = key
        self[key] = BACKEND_OF_TYPE[library].xp.isdtype(dtype, self.kind)
        return self[key]


REAL_FLOATING = _OfKind("real floating")
COMPLEX = _OfKind("complex floating")


class _RealDtypes(dict[tuple[type, Any], Any]):
    """The dtype of the real parts of arrays of a type and dtype, the key; found out once."""

    def __missing__(self, key: tuple[type, Any]) -> Any:
        library, dtype = key
        xp = BACKEND_OF_TYPE[library].xp
        self[key] = xp.real(xp.zeros((1,), dtype=dtype)).dtype if COMPLEX[key] else dtype
        return self[key]


REAL_DTYPES = _RealDtypes()


def is_node(x: Any) -> bool:
    return isinstance(x, Operators)


def is_integer(x: Any) -> bool:
    """Whether x is one integer, of Python's or NumPy's types, and not a boolean."""
    return type(x) is int or (isinstance(x, Integral) and not isinstance(x, bool))


def integers(x: Any) -> tuple[int, ...]:
    """Make a tuple of Python's integers of one integer or of several, as axes are given.

    (NumPy's have fewer bits: `-np.uint8(1)` is 255.)
    """
    is_one = isinstance(x, Integral) or getattr(x, "ndim", None) == 0  # an array of a device too
    return (index(x),) if is_one else tuple(map(index, x))


def is_floating(x: Array) -> bool:
    """Whether the dtype is floating, real or complex: only such values have gradients."""
    if type(x) in BACKEND_OF_TYPE:
        return REAL_FLOATING[type(x), x.dtype] or COMPLEX[type(x), x.dtype]
    return backend_of(x).xp.isdtype(x.dtype, ("real floating", "complex floating"))


def is_real_floating(x: Array) -> bool:
    """Whether the dtype is floating, and not complex."""
    if type(x) in BACKEND_OF_TYPE:
        return REAL_FLOATING[type(x), x.dtype]
    return backend_of(x).xp.isdtype(x.dtype, "real floating")


def is_complex(x: Any) -> bool:
    """Whether an array, node or number is complex."""
    x = x.value if isinstance(x, Operators) else x
    if type(x) in BACKEND_OF_TYPE:
        return COMPLEX[type(x), x.dtype]
    if type(x) in NUMBER_TYPES:
        return type(x) is complex
    return backend_of(x).xp.isdtype(x.dtype, "complex floating")


def real_dtype(x: Any) -> Any:
    """Give the dtype of the real parts of the numbers in an array or a node."""
    x = x.value if isinstance(x, Operators) else x
    return REAL_DTYPES[type(x), x.dtype]


def conj(x: Any) -> Any:
    """Conjugate complex arrays and nodes; return real ones, and `None`, as they are."""
    return x if x is None or not is_complex(x) else node_or_array(namespace(x).conj(x))


def real(x: Any) -> Any:
    """Take the real parts of complex arrays and nodes; return real ones as they are."""
    return node_or_array(namespace(x).real(x)) if is_complex(x) else x


def wide_dtype(x: Array) -> Any:
    """Give the dtype to keep sums of numbers like those of x in: float32 if x has 16 bits."""
    return namespace(x).float32 if is_half(x) else x.dtype


def check_floating(name: str, x: Array) -> None:
    """Raise TypeError unless x is real floating; the error begins with `name`."""
    if not is_real_floating(x):
        raise TypeError(
            f"{name}: x is {describe(x)}, expected real floating numbers; convert it, as in "
            "x.astype('float32')"
        )


def is_discrete(x: Array) -> bool:
    """Whether the dtype is integer or boolean."""
    return backend_of(x).xp.isdtype(x.dtype, ("bool", "integral"))


def accepted(name: str, x: Any) -> Any:
    """Give the array x as it takes part in a graph; give anything else as it is.

    Raises:
        TypeError: it can't take part, as a tensor of PyTorch's that requires a gradient there. The
            message begins with `name`.
    """
    if type(x) not in BACKEND_OF_TYPE and not getattr(x, "requires_grad", False):
        return x
    try:
        return backend_of(x).accepted(x)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None


def describe(x: Any) -> str:
    """Say dtype and shape, as in `float32 (3, 4)`; of a number, the number."""
    if type(x) in NUMBER_TYPES:
        return repr(x)
    return f"{str(x.dtype).rpartition('.')[2]} {tuple(x.shape)}"


def namespace(*arrays: Any) -> Any:
    """Give the array API functions for these arrays: those of their library; gradcore's for nodes.

    Raises:
        TypeError: there is no array among the arguments.

    Example:
        >>> x = np.array([1.0, 4.0])
        >>> print(gradcore.namespace(x).sqrt(x))  # by NumPy
        [1. 2.]
        >>> print(gradcore.namespace(TensorNode(x)).sqrt(TensorNode(x)).value)  # by gradcore
        [1. 2.]
    """
    if len(arrays) == 1 and type(arrays[0]) in BACKEND_OF_TYPE:  # most calls; saves a quarter
        return BACKEND_OF_TYPE[type(arrays[0])].xp
    library = None
    for x in arrays:
        if type(x) in BACKEND_OF_TYPE:
            library = library or BACKEND_OF_TYPE[type(x)].xp
        elif isinstance(x, Operators):
            return x.__array_namespace__()
        elif type(x) not in NUMBER_TYPES:
            library = library or backend_of(x).xp
    if library is None:
        raise TypeError("namespace: expected an array or a node, not only numbers")
    return library


def widened(x: Any) -> Any:
    """Give an array or a node in a dtype for sums: float32 if it has 16 bits, else its own."""
    return namespace(x).astype(x, namespace(x).float32) if is_half(x) else x


def node_or_array(x: Any) -> Any:
    """Return arrays and nodes as they are, NumPy's scalars as 0-d arrays, and lists and numbers as
    arrays of the default backend."""
    if type(x) in BACKEND_OF_TYPE or is_node(x):
        return x
    if isinstance(x, bool | int | float | complex | list | tuple) and not hasattr(x, "dtype"):
        return default().asarray(x)
    backend = backend_of(x)
    x = backend.accepted(x)  # `asarray` would leave out a graph of PyTorch's
    return x if type(x) in BACKEND_OF_TYPE else backend.asarray(x)


def as_value(x: Any) -> Array:
    """Make the value of a node of an array, a number, or lists of numbers.

    Raises:
        TypeError, ValueError: it is none of these, or the lists are of unequal lengths.
    """
    try:
        return node_or_array(x)
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        raise ValueError("TensorNode: the lists in value are not of equal lengths") from None
    except TypeError as error:
        expected = "an array, a number, or lists of numbers"
        raise TypeError(f"TensorNode: value: {error}; give {expected}") from None


def check_numeric(x: Array) -> None:
    """Raise TypeError of an array of texts, dates or objects of Python."""
    if getattr(x.dtype, "kind", "") in _NOT_NUMERIC:
        kind = f"TensorNode: value is {describe(x)}, expected numbers"
        raise TypeError(f"{kind}; convert it, as in x.astype('float32')")


def widest(x: Any) -> Any:
    """Do as `node_or_array`, but make of a Python float an array of the widest dtype that there is:
    float64, where the default backend's device has float64. So transforms take numbers."""
    if not isinstance(x, float) or hasattr(x, "dtype"):  # NumPy's scalars have a dtype of their own
        return node_or_array(x)
    backend = default()
    return backend.asarray(x, dtype=widest_dtype(backend.asarray(0.0)))


def widest_dtype(x: Array) -> Any:
    """Give the widest real floating dtype of the device of x, which has `x.dtype`."""
    dtypes = namespace(x).__array_namespace_info__().dtypes(device=x.device, kind="real floating")
    return dtypes.get("float64", x.dtype)


def value_of(x: Any) -> Any:
    """Take the array out of a node; return anything else as it is."""
    return x.value if is_node(x) else x


def raw_array(x: Any) -> Any:
    """Take the array out of a node; convert anything else to an array."""
    return value_of(node_or_array(x))


def check_gradient(g: Any, value: Array) -> None:
    """Raise ValueError unless `g` has the value's backend, shape and dtype; `None` passes."""
    if g is None or fits(value_of(g), value):
        return
    found, expected = (_described(x) for x in (value_of(g), value))
    if found != expected:
        raise ValueError(f"grad is {found}, expected {expected}, as the value is")


def broadcast_shape(name: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Compute the shape that arrays of these shapes are broadcast to: of (3, 1) and (4,), (3, 4).

    Raises:
        ValueError: there is none; the message begins with `name`.
    """
    if len({*shapes}) == 1:
        return shapes[0]
    longest = max(map(len, shapes), default=0)
    padded = [(1,) * (longest - len(shape)) + tuple(shape) for shape in shapes]
    sizes = [{n for n in column if n != 1} for column in zip(*padded, strict=True)]
    if any(len(column) > 1 for column in sizes):
        raise ValueError(f"{name}: shapes {' and '.join(map(str, shapes))} do not broadcast")
    return tuple([column.pop() if column else 1 for column in sizes])


def fits(x: Any, value: Array) -> bool:
    """Whether x has the value's type, shape and dtype."""
    return type(x) is type(value) and x.shape == value.shape and x.dtype == value.dtype


def backend_or_none(x: Any) -> Backend | None:
    """Find the backend of an array; of anything else, `None`."""
    try:
        return None if type(x) in NUMBER_TYPES else backend_of(x)
    except TypeError:
        return None


def _described(x: Any) -> str:
    """Say dtype, shape and backend of an array; of anything else, its type."""
    backend = backend_or_none(x)
    return f"{describe(x)} of {backend.name}" if backend else f"a {type(x).__name__}"


def flat(entries: Iterable[Any]) -> Iterator[Any]:
    """Give the entries one by one, and in place of a tuple, list or dictionary its own entries."""
    for entry in entries:
        if isinstance(entry, tuple | list):
            yield from flat(entry)
        elif isinstance(entry, dict):
            yield from flat(entry.values())
        else:
            yield entry


def copied(x: Array, like: Array | None = None) -> Array:
    """Copy the array `x` to memory of its own, row by row, as formats of files take it.

    Args:
        x: an array of any backend.
        like: an array whose device and dtype the copy gets; `None`: those of `x`.
    """
    if like is None:
        like = x
    else:
        x = backend_of(x).to_numpy(x)
    xp = namespace(x)
    rows = xp.reshape(xp.reshape(x, (-1,)), tuple(x.shape))  # a view, where x is in rows already
    return namespace(like).asarray(rows, dtype=like.dtype, device=like.device, copy=True)


def loaded(what: str, x: Any, like: Array) -> Array:
    """Copy x, an entry of a state that was saved, to memory like that of the array `like`.

    Args:
        what: names the entry at the beginning of errors.
        x: an array of any library, of real numbers in any precision, or (nested) lists; if `like`
            is complex, of complex numbers too. A tensor of PyTorch may require a gradient: its
            values count, not its graph.

    Raises:
        ValueError: x is something else, or has another shape than `like`; or it has fractions, and
            `like` is of integers.
    """
    try:
        x = raw_array(x.detach() if hasattr(x, "detach") else x)
        host = backend_of(x).to_numpy(x)
        kinds = "biufc" if is_complex(like) else "biuf"
        is_plain = host.dtype.kind in kinds or str(host.dtype).startswith(("bfloat", "float"))
    except (TypeError, ValueError, RuntimeError, BufferError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{what} is no dense array of numbers: {reason}") from None
    if not is_plain:
        raise ValueError(f"{what} is {describe(host)}, expected real numbers")
    if tuple(host.shape) != tuple(like.shape):
        found, expected = tuple(host.shape), tuple(like.shape)
        raise ValueError(f"{what} has shape {found}, expected {expected}")
    xp = namespace(host)
    if is_discrete(like) and not is_discrete(host) and not xp.all(xp.round(host) == host):
        raise ValueError(f"{what} is {describe(host)}, expected integers")
    return copied(host, like)
