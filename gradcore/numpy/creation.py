"""Make arrays on the default backend, of numbers, files and functions; or like a given one."""

from __future__ import annotations

from collections.abc import Callable
from operator import index
from typing import Any

import numpy as np

from .. import array_api as xp
from ..backends import default
from ..engine.arrays import integers, is_node, value_of
from ..graph import TensorNode
from .common import (
    HOST,
    alike,
    arrays_of,
    as_node_or_array,
    cast,
    dtype_there,
    floats,
    is_array,
    on_host,
    place_of,
    placed,
    promoted,
)
from .examples import with_example

__all__ = [
    "arange",
    "array",
    "asanyarray",
    "asarray",
    "asarray_chkfinite",
    "ascontiguousarray",
    "asfortranarray",
    "bartlett",
    "blackman",
    "empty",
    "empty_like",
    "eye",
    "from_dlpack",
    "frombuffer",
    "fromfile",
    "fromfunction",
    "fromiter",
    "fromstring",
    "full",
    "full_like",
    "genfromtxt",
    "geomspace",
    "hamming",
    "hanning",
    "identity",
    "kaiser",
    "linspace",
    "load",
    "loadtxt",
    "logspace",
    "ndarray",
    "ones",
    "ones_like",
    "require",
    "save",
    "savetxt",
    "savez",
    "savez_compressed",
    "tri",
    "zeros",
    "zeros_like",
]


class _Arrays(type):
    def __instancecheck__(cls, x: object) -> bool:
        return is_array(x)


class ndarray(metaclass=_Arrays):  # noqa: N801 (NumPy's name)
    """What nodes, and arrays of all backends, are instances of. To make arrays, call `array`,
    `zeros` and so on.

    Example:
        >>> print(isinstance(TensorNode([1.0]), np.ndarray), isinstance([1.0], np.ndarray))
        True False
    """

    def __new__(cls, *args: Any, **keywords: Any) -> Any:
        """Refuse: call `array` or `empty`."""
        raise TypeError("ndarray makes no arrays; call array(...) or empty(shape)")


def array(
    object: Any, dtype: Any = None, *, copy: bool | None = True, order: str = "K",
    subok: bool = False, ndmin: int = 0, ndmax: int = 0, like: Any = None,
) -> Any:  # fmt: skip
    """Make an array of numbers, in NumPy's dtype: floats in float64, or the widest floats that the
    device has. If there are nodes among the numbers, the result is a node, and has their gradients.
    An array of NumPy's goes to the default backend; arrays of other libraries stay.

    Example:
        >>> print(np.array([1, 2]).dtype, np.array([1.0, 2.0]).dtype)
        int64 float64
        >>> x = TensorNode(3.0)
        >>> y = np.array([1.0, x, x * x])  # a node, as there are nodes in the list
        >>> np.sum(y).backward()
        >>> print(y, x.grad)
        [1. 3. 9.] 7.0
    """
    there = type(object) is not np.ndarray or np.ndarray in default().array_types
    x = as_node_or_array(object, dtype) if there else placed(object, None, dtype)
    x = xp.astype(x, x.dtype, copy=True) if copy and x is object else x
    return xp.reshape(x, (1,) * (ndmin - x.ndim) + tuple(x.shape)) if x.ndim < ndmin else x


def asarray(
    a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: bool | None = None,
    like: Any = None,
) -> Any:  # fmt: skip
    """Make an array of numbers, as `array` does; nodes and arrays stay.

    Example:
        >>> x = TensorNode([1.0, 2.0])
        >>> print(np.asarray(x) is x, np.asarray([1.0, 2.0]).dtype)
        True float64
    """
    return array(a, dtype, copy=bool(copy))


asanyarray = asarray


def ascontiguousarray(a: Any, dtype: Any = None, *, like: Any = None) -> Any:
    """Make an array of at least one dimension; nodes and arrays stay.

    Example:
        >>> print(np.ascontiguousarray(5.0), np.ascontiguousarray(TensorNode([1.0, 2.0])))
        [5.] [1. 2.]
    """
    return array(a, dtype, copy=False, ndmin=1)


asfortranarray = ascontiguousarray


def asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Any:
    """Make an array of numbers, and refuse NaN and infinity.

    Raises:
        ValueError: an element is NaN or infinite.

    Example:
        >>> print(np.asarray_chkfinite([1.0, 2.0]))
        [1. 2.]
        >>> np.asarray_chkfinite([1.0, np.nan])
        Traceback (most recent call last):
            ...
        ValueError: asarray_chkfinite: there are NaN or infinite elements
    """
    x = asarray(a, dtype)
    if not xp.all(xp.isfinite(value_of(x))):
        raise ValueError("asarray_chkfinite: there are NaN or infinite elements")
    return x


def require(a: Any, dtype: Any = None, requirements: Any = None, *, like: Any = None) -> Any:
    """Make an array of numbers, as `asarray` does.

    Example:
        >>> print(np.require([1, 2], dtype=np.float32).dtype)
        float32
    """
    return asarray(a, dtype)


def _new(name: str, *inputs: Any, dtype: Any, **options: Any) -> Any:
    """Call the function `name` of the default backend's library."""
    backend, device = place_of()
    wanted = float if dtype is None else dtype
    there = dtype_there(wanted, backend, device, is_asked=True)
    return getattr(backend.xp, name)(*inputs, dtype=there, device=device, **options)


def zeros(
    shape: Any, dtype: Any = None, order: str = "C", *, device: Any = None, like: Any = None
) -> Any:
    """Make an array of zeros.

    Example:
        >>> print(np.zeros((2, 3)).tolist(), np.zeros(2, dtype=np.int64).dtype)
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]] int64
    """
    return _new("zeros", integers(shape), dtype=dtype)


def ones(
    shape: Any, dtype: Any = None, order: str = "C", *, device: Any = None, like: Any = None
) -> Any:
    """Make an array of ones.

    Example:
        >>> print(np.ones((2, 3)).tolist(), np.ones(2, dtype=np.float32).dtype)
        [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]] float32
    """
    return _new("ones", integers(shape), dtype=dtype)


def empty(
    shape: Any, dtype: Any = None, order: str = "C", *, device: Any = None, like: Any = None
) -> Any:
    """Make an array whose elements are to be set.

    Example:
        >>> x = np.empty((2, 3))
        >>> print(x.shape, x.dtype)
        (2, 3) float64
    """
    return _new("empty", integers(shape), dtype=dtype)


def eye(
    N: int, M: int | None = None, k: int = 0, dtype: Any = float, order: str = "C", *,
    device: Any = None, like: Any = None,
) -> Any:  # fmt: skip
    """Make a matrix (N, M) with ones in diagonal k.

    Example:
        >>> print(np.eye(2, 3).tolist())
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    return _new("eye", index(N), None if M is None else index(M), k=k, dtype=dtype)


def identity(n: int, dtype: Any = None, *, like: Any = None) -> Any:
    """Make the identity matrix (n, n).

    Example:
        >>> print(np.identity(2).tolist())
        [[1.0, 0.0], [0.0, 1.0]]
    """
    return eye(n, dtype=dtype)


def full(
    shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", *, device: Any = None,
    like: Any = None,
) -> Any:  # fmt: skip
    """Make an array of one value, or of values that are broadcast; of a node, a node.

    Example:
        >>> print(np.full((2, 2), 7.0).tolist())
        [[7.0, 7.0], [7.0, 7.0]]
        >>> x = TensorNode(3.0)
        >>> np.sum(np.full((2, 2), x)).backward()
        >>> print(x.grad)
        4.0
    """
    return _filled(as_node_or_array(fill_value, dtype), integers(shape))


def _filled(value: Any, shape: tuple[int, ...]) -> Any:
    """Repeat the value to fill the shape, in memory that may be written to."""
    if is_node(value):
        return xp.astype(xp.broadcast_to(value, shape), value.dtype, copy=True)
    lib = place_of(value)[0].xp
    return lib.asarray(lib.broadcast_to(value, shape), copy=True)


def _like(a: Any, value: Any, dtype: Any, shape: Any) -> Any:
    """Make an array with the shape, dtype and place of a, unless told otherwise; of a node, a
    node, which is a constant until something is written to it."""
    (a,) = arrays_of(a)
    value = as_node_or_array(value, a.dtype if dtype is None else dtype, place_of(a))
    y = _filled(value, tuple(a.shape) if shape is None else integers(shape))
    return TensorNode(y, requires_grad=False) if is_node(a) and not is_node(y) else y


def zeros_like(
    a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *,
    device: Any = None,
) -> Any:  # fmt: skip
    """Make an array of zeros like a.

    Example:
        >>> print(np.zeros_like(TensorNode([1.0, 2.0])))
        [0. 0.]
    """
    return _like(a, 0, dtype, shape)


def ones_like(
    a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *,
    device: Any = None,
) -> Any:  # fmt: skip
    """Make an array of ones like a.

    Example:
        >>> print(np.ones_like(TensorNode([1.0, 2.0])))
        [1. 1.]
    """
    return _like(a, 1, dtype, shape)


def empty_like(
    prototype: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *,
    device: Any = None,
) -> Any:  # fmt: skip
    """Make an array like the prototype, whose elements are to be set.

    Example:
        >>> print(np.empty_like(TensorNode([[1.0, 2.0]])).shape)
        (1, 2)
    """
    return _like(prototype, 0, dtype, shape)


def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True,
    shape: Any = None, *, device: Any = None,
) -> Any:  # fmt: skip
    """Make an array like a, of one value, or of values that are broadcast; of a node, a node.

    Example:
        >>> print(np.full_like([1.0, 2.0, 3.0], 7.0))
        [7. 7. 7.]
    """
    return _like(a, fill_value, dtype, shape)


def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False,
    dtype: Any = None, axis: int = 0, *, device: Any = None,
) -> Any:  # fmt: skip
    """Make `num` numbers from start to stop, at equal distances, which `retstep` gives too.

    Example:
        >>> print(np.linspace(0.0, 1.0, 5))
        [0.   0.25 0.5  0.75 1.  ]
        >>> print(gradcore.grad(lambda stop: np.sum(np.linspace(0.0, stop, 5)))(1.0))
        2.5
    """
    if not (is_array(start) or is_array(stop)):
        made = HOST.linspace(start, stop, num, endpoint, retstep, dtype, axis)
        y = placed(made[0] if retstep else made, None, dtype)
        return (y, float(made[1])) if retstep else y
    start, stop = map(floats, alike(start, stop))
    parts = num - 1 if endpoint else num
    step = (stop - start) / max(parts, 1)
    t = placed(np.arange(num), place_of(start, stop), start.dtype)
    start, stop = xp.broadcast_arrays(start, stop)
    t = xp.reshape(t, (-1, *[1] * start.ndim))
    y = xp.where(t == parts, stop, start + step * t) if parts else start + step * t
    y = cast(xp.moveaxis(y, 0, axis), dtype)
    return (y, step) if retstep else y


def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0,
    dtype: Any = None, axis: int = 0,
) -> Any:  # fmt: skip
    """Make `num` powers of the base, with exponents from start to stop at equal distances.

    Example:
        >>> print(np.logspace(0.0, 3.0, 4))
        [   1.   10.  100. 1000.]
    """
    if not any(map(is_array, (start, stop, base))):
        return placed(np.logspace(start, stop, num, endpoint, base, dtype, axis), None, dtype)
    return cast(xp.pow(base, linspace(start, stop, num, endpoint, axis=axis)), dtype)


def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    """Make `num` numbers from start to stop, each the same multiple of the one before.

    Example:
        >>> print(np.geomspace(1.0, 1000.0, 4))
        [   1.   10.  100. 1000.]
    """
    if not (is_array(start) or is_array(stop)):
        return placed(np.geomspace(start, stop, num, endpoint, dtype, axis), None, dtype)
    start, stop = map(floats, promoted(*arrays_of(start, stop)))
    t = placed(np.linspace(0, 1, num, endpoint), place_of(start, stop), start.dtype)
    t = xp.reshape(t, (-1, *[1] * max(start.ndim, stop.ndim)))
    return cast(xp.moveaxis(start * xp.pow(stop / start, t), 0, axis), dtype)


def fromfunction(
    function: Any, shape: Any, *, dtype: Any = float, like: Any = None, **kwargs: Any
) -> Any:
    """Call a function with the indices of a grid, one array for each axis.

    Example:
        >>> print(np.fromfunction(lambda i, j: 10 * i + j, (2, 3)))
        [[ 0.  1.  2.]
         [10. 11. 12.]]
    """
    grid = np.indices(integers(shape), dtype=dtype)
    return function(*[placed(k, None, dtype) for k in grid], **kwargs)


def _of_host(name: str) -> Callable[..., Any]:
    """Make the function of NumPy `name`, of numbers or files, give an array of the default
    backend."""

    def function(*args: Any, **keywords: Any) -> Any:
        given = [on_host(x) if is_array(x) else x for x in args]
        return placed(getattr(np, name)(*given, **keywords), None, keywords.get("dtype"))

    function.__name__ = function.__qualname__ = name
    page = f"https://numpy.org/doc/stable/reference/generated/numpy.{name}.html"
    text = f"Make the array of NumPy's {name} on the default backend.\n\n{page}"
    function.__doc__ = with_example(text, name)
    return function


arange = _of_host("arange")
bartlett = _of_host("bartlett")
blackman = _of_host("blackman")
frombuffer = _of_host("frombuffer")
fromfile = _of_host("fromfile")
fromiter = _of_host("fromiter")
fromstring = _of_host("fromstring")
genfromtxt = _of_host("genfromtxt")
hamming = _of_host("hamming")
hanning = _of_host("hanning")
kaiser = _of_host("kaiser")
loadtxt = _of_host("loadtxt")
tri = _of_host("tri")


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Any:
    """Make an array of the default backend in the memory of another library's array.

    Example:
        >>> import numpy
        >>> x = numpy.array([1.0, 2.0])
        >>> y = np.from_dlpack(x)
        >>> x[0] = 5.0
        >>> print(y)
        [5. 2.]
    """
    asked = {"device": device, "copy": copy}
    return default().xp.from_dlpack(x, **{k: v for k, v in asked.items() if v is not None})


def load(file: Any, *args: Any, **keywords: Any) -> Any:
    """Read an array from a .npy file; of an archive, .npz, NumPy's object, with arrays of NumPy.

    Example:
        >>> np.save("x.npy", TensorNode([1.0, 2.0]))
        >>> print(np.load("x.npy"))
        [1. 2.]
    """
    found = np.load(file, *args, **keywords)
    return placed(found) if isinstance(found, np.ndarray) else found


def save(file: Any, arr: Any, *args: Any, **keywords: Any) -> None:
    """Write the values to a .npy file.

    Example:
        >>> np.save("x.npy", TensorNode([1.0, 2.0]))
        >>> print(np.load("x.npy"))
        [1. 2.]
    """
    np.save(file, on_host(arr), *args, **keywords)


def savez(file: Any, *args: Any, **keywords: Any) -> None:
    """Write the values of several arrays to an .npz file.

    Example:
        >>> np.savez("xy.npz", x=TensorNode([1.0, 2.0]), y=np.zeros(3))
        >>> with np.load("xy.npz") as archive:
        ...     print(archive["x"], archive["y"])
        ...
        [1. 2.] [0. 0. 0.]
    """
    HOST.savez(file, *map(on_host, args), **{k: on_host(x) for k, x in keywords.items()})


def savez_compressed(file: Any, *args: Any, **keywords: Any) -> None:
    """Write the values of several arrays to an .npz file, compressed.

    Example:
        >>> np.savez_compressed("x.npz", x=TensorNode([1.0, 2.0]))
        >>> with np.load("x.npz") as archive:
        ...     print(archive["x"])
        ...
        [1. 2.]
    """
    HOST.savez_compressed(file, *map(on_host, args), **{k: on_host(x) for k, x in keywords.items()})


def savetxt(fname: Any, X: Any, *args: Any, **keywords: Any) -> None:
    """Write the values to a text file.

    Example:
        >>> from pathlib import Path
        >>> np.savetxt("x.txt", TensorNode([[1.0, 2.0], [3.0, 4.0]]), fmt="%g")
        >>> print(Path("x.txt").read_text().splitlines())
        ['1 2', '3 4']
    """
    np.savetxt(fname, on_host(X), *args, **keywords)
