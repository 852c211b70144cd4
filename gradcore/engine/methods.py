"""The methods that nodes share with arrays. All but a few call the function of their name.

The names are those that NumPy's programs call, with NumPy's arguments, also where PyTorch's methods
of these names take others: `x.sum(axis=0)` is `gradcore.numpy.sum(x, axis=0)`. Names that only
PyTorch has, and that its programs call most, are those of gradcore: `x.softmax(-1)` is
`gradcore.softmax(x, -1)`. Other names are an AttributeError that says what to call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Protocol, Self, TypeVar

__all__ = ["INSTEAD", "Elsewhere", "Listed", "Methods", "is_elsewhere", "point_elsewhere"]

Node = TypeVar("Node")


class _Method(Protocol):
    """What type checkers know of a method: any arguments, and the result is a node."""

    def __get__(self, node: Node, kind: Any = None, /) -> Callable[..., Node]: ...


def _method(name: str, api: str = "numpy_api") -> _Method:
    def function(self: Methods, *args: Any, **kwargs: Any) -> Any:
        try:
            return getattr(getattr(self, api), name)(self, *args, **kwargs)
        except TypeError as error:
            if names := [f"{kwarg} for {k}" for k in kwargs if (kwarg := KEYWORDS.get(k))]:
                raise TypeError(f"{error}; say {', '.join(names)}") from None
            raise

    method: Any = function

    method.__name__, method.__qualname__ = name, f"Methods.{name}"
    place = "gradcore.numpy" if api == "numpy_api" else "gradcore"
    method.__doc__ = f"Compute {place}.{name}(x, ...)."
    return method


def _of_functions(name: str) -> Any:
    return _method(name, "functions")


def _of_array_api(name: str) -> _Method:
    return _method(name, "array_api")


def _cast(name: str, dtype: str) -> Any:
    def cast(self: Methods) -> Any:
        return self.astype(dtype)

    cast.__doc__ = f"""Convert x to {dtype}.

        Example:
            >>> print(TensorNode([1.0, 0.0]).{name}().dtype)
            {dtype}
        """
    return cast


class Methods:
    """The base of Operators."""

    __slots__ = ()

    # gradcore.numpy, or what imports it, and two packages of gradcore; see `operators.connect`
    numpy_api: ClassVar[Any] = None
    array_api: ClassVar[Any] = None
    functions: ClassVar[Any] = None

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
        """Compute gradcore.numpy.reshape(x, shape): `x.reshape(2, 3)` or `x.reshape((2, 3))`.

        Example:
            >>> TensorNode(np.ones((8, 3))).reshape(4, -1).shape
            (4, 6)
        """
        given = shape[:1] if len(shape) == 1 else (shape,) if shape else ()
        return self.numpy_api.reshape(self, *given, **kwargs)

    def transpose(self: Any, *axes: Any) -> Any:
        """Compute gradcore.numpy.transpose(x, axes): `x.transpose(1, 0)` or
        `x.transpose((1, 0))`; without axes, reverse their order.

        Raises:
            ValueError: these are not all axes; `x.swapaxes(0, 1)` exchanges two.

        Example:
            >>> TensorNode(np.ones((8, 3, 5))).transpose(0, 2, 1).shape
            (8, 5, 3)
        """
        if len(axes) == 2 != self.ndim:
            found = f"axes {axes} of {self.ndim}"
            raise ValueError(f"transpose: {found}, expected all; x.swapaxes{axes} exchanges two")
        return self.numpy_api.transpose(self, axes[0] if len(axes) == 1 else axes or None)

    def flatten(self, *axes: Any, order: str = "C") -> Self:
        """Copy x as a vector; or `x.flatten(1)` or `x.flatten(1, 2)`: make one axis of those from
        the first to the last that are named.

        Example:
            >>> x = TensorNode(np.ones((8, 3, 5)))
            >>> x.flatten().shape, x.flatten(1).shape
            ((120,), (8, 15))
        """
        if axes and not isinstance(axes[0], str):
            return self.functions.flatten(self, *axes)
        return self.numpy_api.copy(self.numpy_api.ravel(self, *axes or (order,)))

    def astype(
        self, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True,
        copy: bool = True,
    ) -> Self:  # fmt: skip
        """Convert x to a dtype, given as an object or by name; with `copy=False`, give x itself if
        it has the dtype.

        Raises:
            ValueError: `casting` is not "unsafe".

        Example:
            >>> print(TensorNode([1.0, 2.7]).astype("int64").value)
            [1 2]
        """
        del order, subok  # how NumPy's arrays lie in memory, and of which class they are
        if casting != "unsafe":
            raise ValueError(f"astype: casting = {casting!r} is not supported; leave casting out")
        return self.numpy_api.astype(self, dtype, copy=copy)

    def nonzero(self) -> tuple[Self, ...]:
        """Find the indices of the elements that are not zero: for each axis one vector.

        Example:
            >>> rows, columns = TensorNode([[0.0, 5.0], [7.0, 0.0]]).nonzero()
            >>> print(rows.value, columns.value)
            [0 1] [1 0]
        """
        return self.numpy_api.nonzero(self)

    def sort(self: Any, axis: int = -1, **kwargs: Any) -> None:
        """Sort the elements along `axis` in place, as NumPy does; `gradcore.numpy.sort(x)` gives a
        new node.

        Example:
            >>> x = TensorNode([3.0, 1.0, 2.0]) * 1.0  # a result: leaves keep their values
            >>> x.sort()
            >>> print(x.value)
            [1. 2. 3.]
        """
        self[...] = self.numpy_api.sort(self, axis, **kwargs)

    @property
    def real(self) -> Self:
        """The real parts of complex numbers; real numbers themselves.

        Example:
            >>> print(TensorNode(np.array([1 + 2j, 3 - 4j])).real.value)
            [1. 3.]
        """
        return self.numpy_api.real(self)

    @real.setter
    def real(self: Any, y: Any) -> None:
        self.real[...] = y

    @property
    def imag(self) -> Self:
        """The imaginary parts of complex numbers; of real numbers, zeros.

        Example:
            >>> print(TensorNode(np.array([1 + 2j, 3 - 4j])).imag.value)
            [ 2. -4.]
        """
        return self.numpy_api.imag(self)

    @imag.setter
    def imag(self: Any, y: Any) -> None:
        if not self.numpy_api.iscomplexobj(self):
            raise TypeError(f"x.imag = y: x has {self.dtype} numbers, without imaginary parts")
        self.imag[...] = y

    # -- As in PyTorch ----------------------------------------------------------------------------

    abs = _of_array_api("abs")
    add = _of_array_api("add")
    ceil = _of_array_api("ceil")
    cos = _of_array_api("cos")
    exp = _of_array_api("exp")
    flip = _of_array_api("flip")
    floor = _of_array_api("floor")
    isnan = _of_array_api("isnan")
    log = _of_array_api("log")
    log1p = _of_array_api("log1p")
    log2 = _of_array_api("log2")
    pow = _of_array_api("pow")
    roll = _of_array_api("roll")
    sign = _of_array_api("sign")
    sin = _of_array_api("sin")
    sqrt = _of_array_api("sqrt")
    square = _of_array_api("square")
    tril = _of_array_api("tril")
    triu = _of_array_api("triu")
    bmm = _of_functions("bmm")
    chunk = _of_functions("chunk")
    clamp = _of_functions("clamp")
    cummax = _of_functions("cummax")
    div = _of_functions("div")
    eq = _of_functions("eq")
    gather = _of_functions("gather")
    ge = _of_functions("ge")
    gt = _of_functions("gt")
    index_add = _of_functions("index_add")
    index_fill = _of_functions("index_fill")
    index_select = _of_functions("index_select")
    le = _of_functions("le")
    log_softmax = _of_functions("log_softmax")
    logsumexp = _of_functions("logsumexp")
    lt = _of_functions("lt")
    masked_fill = _of_functions("masked_fill")
    masked_select = _of_functions("masked_select")
    median = _of_functions("median")
    mm = _of_functions("mm")
    mul = _of_functions("mul")
    narrow = _of_functions("narrow")
    ne = _of_functions("ne")
    neg = _of_functions("neg")
    numel = _of_functions("numel")
    quantile = _of_functions("quantile")
    relu = _of_functions("relu")
    rsqrt = _of_functions("rsqrt")
    scatter = _of_functions("scatter")
    scatter_add = _of_functions("scatter_add")
    select = _of_functions("select")
    sigmoid = _of_functions("sigmoid")
    softmax = _of_functions("softmax")
    split = _of_functions("split")
    sub = _of_functions("sub")
    t = _of_functions("t")
    tanh = _of_functions("tanh")
    topk = _of_functions("topk")
    unbind = _of_functions("unbind")
    unflatten = _of_functions("unflatten")
    unique = _of_functions("unique")
    unsqueeze = _of_functions("unsqueeze")
    view = reshape

    def expand(self, *shape: Any) -> Self:
        """Compute gradcore.expand(x, shape): `x.expand(2, -1)` or `x.expand((2, -1))`.

        Example:
            >>> TensorNode([[1.0], [2.0]]).expand(-1, 3).shape
            (2, 3)
        """
        return self.functions.expand(self, *shape if len(shape) == 1 else (shape,))

    def permute(self, *axes: Any) -> Self:
        """Compute gradcore.permute(x, axes): `x.permute(1, 0)` or `x.permute((1, 0))`.

        Example:
            >>> TensorNode(np.ones((8, 3, 5))).permute(0, 2, 1).shape
            (8, 5, 3)
        """
        return self.functions.permute(self, *axes if len(axes) == 1 else (axes,))

    def expand_as(self, other: Any) -> Self:
        """Repeat x to fill the shape of the other.

        Example:
            >>> print(TensorNode([[1.0], [2.0]]).expand_as(TensorNode(np.ones((2, 3)))).value)
            [[1. 1. 1.]
             [2. 2. 2.]]
        """
        return self.array_api.broadcast_to(self, tuple(other.shape))

    def reshape_as(self, other: Any) -> Self:
        """Arrange the elements in the shape of the other.

        Example:
            >>> print(TensorNode([1.0, 2.0]).reshape_as(TensorNode([[0.0], [0.0]])).value)
            [[1.]
             [2.]]
        """
        return self.array_api.reshape(self, tuple(other.shape))

    view_as = reshape_as

    def type_as(self, other: Any) -> Self:
        """Convert x to the dtype of the other.

        Example:
            >>> print(TensorNode([1.0, 2.0]).type_as(TensorNode(np.ones(3))).dtype)
            float64
        """
        return self.astype(other.dtype)

    def contiguous(self) -> Self:
        """Give x itself: how it lies in memory is the library's choice.

        Example:
            >>> x = TensorNode([1.0, 2.0])
            >>> x.contiguous() is x
            True
        """
        return self

    def clone(self) -> Self:
        """Copy x, with its gradient.

        Example:
            >>> x = TensorNode([1.0, 2.0])
            >>> y = x.clone()
            >>> y[0] = 9.0
            >>> print(x.value, y.value)
            [1. 2.] [9. 2.]
        """
        return self.numpy_api.copy(self)

    def dim(self: Any) -> Any:
        """Count the axes.

        Example:
            >>> TensorNode(np.ones((8, 3, 5))).dim()
            3
        """
        return self.ndim

    def requires_grad_(self: Any, requires_grad: Any = True) -> Any:
        """Set `x.requires_grad`, and give x.

        Example:
            >>> x = TensorNode([1.0, 2.0]).requires_grad_(False)
            >>> print((x * 2.0).requires_grad)
            False
        """
        self.requires_grad = requires_grad
        return self

    bool = _cast("bool", "bool")
    double = _cast("double", "float64")
    float = _cast("float", "float32")
    half = _cast("half", "float16")
    int = _cast("int", "int32")
    long = _cast("long", "int64")


# -- What is not there ----------------------------------------------------------------------------

# The keywords that stand for those of PyTorch.
KEYWORDS = {"dim": "axis", "keepdim": "keepdims", "unbiased": "ddof"}

# What to say in place of attributes that arrays of one library have.
INSTEAD = {
    "add_": "x.value = x.value + y",
    "copy_": "x.value = y, an array",
    "cpu": "x.numpy()",
    "cuda": "gradcore.use_backend('cupy'), before data are made",
    "data": "x.value",
    "fill": "x[...] = value",
    "fill_": "x[...] = value",
    "flags": "x.value.flags",
    "flat": "x.ravel()",
    "get": "x.numpy()",
    "getitem": "x[key]",
    "grad_fn": "x.source",
    "is_cuda": "x.device",
    "is_leaf": "x.source is None",
    "mul_": "x.value = x.value * y",
    "namespace_of": "gradcore.namespace(x)",
    "new_ones": "gradcore.ones(shape, dtype=x.dtype)",
    "new_tensor": "gradcore.asarray(y, dtype=x.dtype)",
    "new_zeros": "gradcore.zeros(shape, dtype=x.dtype)",
    "norm": "gradcore.linalg.norm(x)",
    "normal_": "gradcore.nn.init.normal_(x)",
    "resize": "x.reshape(shape)",
    "setitem": "x[key] = value",
    "strides": "x.value.strides",
    "retain_grad": "x.grad, which a node that is held has after a pass",
    "to": "x.astype(dtype) or x.to_device(device)",
    "tobytes": "x.numpy().tobytes()",
    "tofile": "x.numpy().tofile(file)",
    "sub_": "x.value = x.value - y",
    "type": "x.astype(dtype)",
    "uniform_": "gradcore.nn.init.uniform_(x)",
    "update": "x[...] = value",
    "zero_": "x[...] = 0",
}


class Elsewhere:
    """An attribute that nodes, or modules, don't have. (A `__getattr__` that knew the names would
    make each attribute of nodes 0.03 us slower in Python 3.11, and an op of small arrays 5 %.)"""

    def __init__(self, name: str, advice: str, owner: str = "node") -> None:
        self.name, self.advice, self.owner = name, advice, owner
        self.__doc__ = f"Not an attribute of {owner}s; say {advice}."

    def __get__(self, node: Any, kind: type) -> Any:
        has = f"{kind.__name__}: a {self.owner} has no {self.name!r}"
        raise AttributeError(f"{has}; say {self.advice}")


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
