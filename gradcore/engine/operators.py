"""The parts of a TensorNode that every array has: operators, indexing, shape and dtype. Methods
such as `x.sum()` are in methods.py."""

from __future__ import annotations

import math
import operator
import weakref
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from typing import Any, ClassVar, Self

from ..backends import BACKEND_OF_TYPE, backend_of, get
from .methods import Methods, is_elsewhere
from .modes import is_differentiating

__all__ = ["Operators", "Size", "connect"]


class Size(int):
    """The number of elements. The course calls it: `x.size()` is the shape, `x.size(dim)` one of
    its entries."""

    shape: tuple[int, ...]

    def __call__(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[dim]


VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12", "2025.12")  # of the array API standard


class Operators(Methods):
    """The base of TensorNode: `a + b` is `gradcore.ops.Add.do_forward(a, b)`, and so on.

    Either operand may be a node, an array or a number. Comparisons give nodes of booleans,
    through which no gradient flows.
    """

    __slots__ = ("__weakref__", "_view", "_views", "value")

    value: Any
    # Of what the node is a view, and its own views; see engine/views.py.
    _view: Any
    _views: list[weakref.ref[Any]] | None
    source: Any
    name: str | None
    index: int
    requires_grad: bool
    _requires_grad: bool
    _frozen: bool

    # gradcore.ops and gradcore.array_api. Both are built on this class, so this file can't import
    # them; gradcore/__init__.py sets them by `connect`.
    ops: ClassVar[Any] = None
    array_api: ClassVar[Any] = None

    # What NumPy calls for `array + node` and `numpy.sin(node)`, and for `numpy.sum(node)`; and CuPy
    # for `cupy.sin(node)`. (The first is set anew, to save a call.)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        return self.numpy_api.protocols.array_ufunc(self, ufunc, method, *inputs, **keywords)

    def __array_function__(self, function: Any, types: Any, args: Any, keywords: Any) -> Any:
        return self.numpy_api.protocols.array_function(self, function, types, args, keywords)

    def __cupy_override_elementwise_kernel__(
        self, kernel: Any, *inputs: Any, **keywords: Any
    ) -> Any:
        return self.numpy_api.protocols.cupy_kernel(self, kernel, *inputs, **keywords)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """Give the functions of the array API standard, for nodes of this node's backend.

        Raises:
            ValueError: `api_version` is not one of these.
        """
        if api_version is not None and api_version not in VERSIONS:
            raise ValueError(f"array API version {api_version!r}; gradcore has {VERSIONS}")
        return self.array_api.namespace_of(backend_of(self.value))

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of all axes.

        Example:
            >>> TensorNode(np.ones((2, 3))).shape
            (2, 3)
        """
        return tuple(self.value.shape)

    @property
    def ndim(self) -> int:
        """The number of axes.

        Example:
            >>> TensorNode(np.ones((2, 3))).ndim
            2
        """
        return len(self.value.shape)

    @property
    def size(self) -> Size:
        """The number of elements; `size()` is the shape, and `size(i)` the size of axis i.

        Example:
            >>> x = TensorNode(np.ones((2, 3)))
            >>> int(x.size), x.size(), x.size(1)
            (6, (2, 3), 3)
        """
        size = Size(math.prod(self.value.shape))
        size.shape = self.shape
        return size

    @property
    def dtype(self) -> Any:
        """The data type of the value.

        Example:
            >>> print(TensorNode([1.0, 2.0]).dtype, TensorNode([1, 2]).dtype)
            float32 int64
        """
        return self.value.dtype

    @property
    def device(self) -> Any:
        """The device of the value.

        Example:
            >>> print(TensorNode([1.0, 2.0]).device)
            cpu
        """
        return self.value.device

    @property
    def T(self) -> Self:  # noqa: N802 (the standard's name)
        """The transpose: the axes in reverse order.

        Example:
            >>> TensorNode(np.ones((2, 3))).T.shape
            (3, 2)
        """
        return self.array_api.permute_dims(self, tuple(range(self.ndim))[::-1])

    @property
    def mT(self) -> Self:  # noqa: N802
        """Each matrix, of the last two dimensions, transposed.

        Example:
            >>> TensorNode(np.ones((8, 2, 3))).mT.shape
            (8, 3, 2)
        """
        return self.array_api.matrix_transpose(self)

    def __add__(self, other: Any) -> Self:
        return self.ops.Add.do_forward(self, other)

    def __radd__(self, other: Any) -> Self:
        return self.ops.Add.do_forward(other, self)

    def __sub__(self, other: Any) -> Self:
        return self.ops.Sub.do_forward(self, other)

    def __rsub__(self, other: Any) -> Self:
        return self.ops.Sub.do_forward(other, self)

    def __mul__(self, other: Any) -> Self:
        return self.ops.Multiply.do_forward(self, other)

    def __rmul__(self, other: Any) -> Self:
        return self.ops.Multiply.do_forward(other, self)

    def __truediv__(self, other: Any) -> Self:
        return self.ops.Divide.do_forward(self, other)

    def __rtruediv__(self, other: Any) -> Self:
        return self.ops.Divide.do_forward(other, self)

    def __pow__(self, other: Any) -> Self:
        return self.ops.Power.do_forward(self, other)

    def __rpow__(self, other: Any) -> Self:
        return self.ops.Power.do_forward(other, self)

    def __matmul__(self, other: Any) -> Self:
        return self.ops.MatrixMultiply.do_forward(self, other)

    def __rmatmul__(self, other: Any) -> Self:
        return self.ops.MatrixMultiply.do_forward(other, self)

    def matmul(self, other: Any) -> Self:
        """Compute `self @ other`; the course spells it so.

        Example:
            >>> print(TensorNode([[1.0, 2.0]]).matmul(TensorNode([[3.0], [4.0]])).value)
            [[11.]]
        """
        return self @ other

    def __mod__(self, other: Any) -> Self:
        return self.array_api.remainder(self, other)

    def __rmod__(self, other: Any) -> Self:
        return self.array_api.remainder(other, self)

    def __floordiv__(self, other: Any) -> Self:
        return self.array_api.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Self:
        return self.array_api.floor_divide(other, self)

    def __divmod__(self, other: Any) -> tuple[Self, Self]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Self, Self]:
        return other // self, other % self

    def __and__(self, other: Any) -> Self:
        return self.array_api.bitwise_and(self, other)

    def __rand__(self, other: Any) -> Self:
        return self.array_api.bitwise_and(other, self)

    def __or__(self, other: Any) -> Self:
        return self.array_api.bitwise_or(self, other)

    def __ror__(self, other: Any) -> Self:
        return self.array_api.bitwise_or(other, self)

    def __xor__(self, other: Any) -> Self:
        return self.array_api.bitwise_xor(self, other)

    def __rxor__(self, other: Any) -> Self:
        return self.array_api.bitwise_xor(other, self)

    def __lshift__(self, other: Any) -> Self:
        return self.array_api.bitwise_left_shift(self, other)

    def __rlshift__(self, other: Any) -> Self:
        return self.array_api.bitwise_left_shift(other, self)

    def __rshift__(self, other: Any) -> Self:
        return self.array_api.bitwise_right_shift(self, other)

    def __rrshift__(self, other: Any) -> Self:
        return self.array_api.bitwise_right_shift(other, self)

    def __invert__(self) -> Self:
        return self.array_api.bitwise_invert(self)

    def __neg__(self) -> Self:
        return self.ops.Negative.do_forward(self)

    def __pos__(self) -> Self:
        return self.array_api.positive(self)

    def __abs__(self) -> Self:
        return self.ops.Absolute.do_forward(self)

    def __getitem__(self, key: Any) -> Self:
        """Take a part: `key` has integers, slices, `None`, `...`, integer arrays and masks."""
        return self.array_api.getitem(self, key)

    def __setitem__(self, key: Any, value: Any, /) -> None:
        """Give this node another value, and what it is a view of. Nodes computed from it before
        keep their own values."""
        self.array_api.setitem(self, key, value)

    # Each of these computes a new node, and gives this node its value, as NumPy does.

    def __iadd__(self, other: Any) -> Self:
        return self.array_api.update(self, self + other)

    def __isub__(self, other: Any) -> Self:
        return self.array_api.update(self, self - other)

    def __imul__(self, other: Any) -> Self:
        return self.array_api.update(self, self * other)

    def __itruediv__(self, other: Any) -> Self:
        return self.array_api.update(self, self / other)

    def __ipow__(self, other: Any) -> Self:
        return self.array_api.update(self, self**other)

    def __imatmul__(self, other: Any) -> Self:
        return self.array_api.update(self, self @ other)

    def __imod__(self, other: Any) -> Self:
        return self.array_api.update(self, self % other)

    def __ifloordiv__(self, other: Any) -> Self:
        return self.array_api.update(self, self // other)

    def __iand__(self, other: Any) -> Self:
        return self.array_api.update(self, self & other)

    def __ior__(self, other: Any) -> Self:
        return self.array_api.update(self, self | other)

    def __ixor__(self, other: Any) -> Self:
        return self.array_api.update(self, self ^ other)

    def __ilshift__(self, other: Any) -> Self:
        return self.array_api.update(self, self << other)

    def __irshift__(self, other: Any) -> Self:
        return self.array_api.update(self, self >> other)

    def __lt__(self, other: Any) -> Self:
        return self.array_api.less(self, other)

    def __le__(self, other: Any) -> Self:
        return self.array_api.less_equal(self, other)

    def __gt__(self, other: Any) -> Self:
        return self.array_api.greater(self, other)

    def __ge__(self, other: Any) -> Self:
        return self.array_api.greater_equal(self, other)

    def __eq__(self, other: object) -> Self:  # type: ignore[override]
        if other is None or isinstance(other, str):  # as in `node in [None, ...]`
            return NotImplemented
        return self.array_api.equal(self, other)

    def __ne__(self, other: object) -> Self:  # type: ignore[override]
        if other is None or isinstance(other, str):
            return NotImplemented
        return self.array_api.not_equal(self, other)

    __hash__ = object.__hash__

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a node of shape () has no len()")
        return self.shape[0]

    def __iter__(self) -> Iterator[Self]:
        if not self.shape:
            raise TypeError("a node of shape () has one element, and no parts to go through")
        return map(self.__getitem__, range(len(self)))

    def __contains__(self, x: Any) -> bool:
        """Whether an element equals x."""
        found = self == x
        return bool(found.any()) if isinstance(found, Operators) else found

    # -- Numbers and text -------------------------------------------------------------------------

    def __bool__(self) -> bool:
        return bool(self._host())

    def __int__(self) -> int:
        return int(self._host())

    def __index__(self) -> int:
        return operator.index(self._host())

    def __floor__(self) -> int:
        return math.floor(self._host())

    def __ceil__(self) -> int:
        return math.ceil(self._host())

    def __trunc__(self) -> int:
        return int(self)

    def __round__(self, ndigits: int | None = None) -> Any:
        """Round to an integer of Python, or to decimals: to a node, with no gradient."""
        return round(self._host().item()) if ndigits is None else self.round(ndigits)

    def __float__(self) -> float:
        return float(self._number("float({})"))

    def __complex__(self) -> complex:
        return complex(self._number("complex({})"))

    def item(self, *index: Any) -> Any:
        """Give the only element, or the one at the index, as a number of Python.

        Raises:
            TypeError: the node is being differentiated, and a number has no gradient.

        Example:
            >>> x = TensorNode([[1.0, 2.5]])
            >>> x.item(1), x.sum().item()
            (2.5, 3.5)
        """
        return self._number("{}.item()").item(*index)

    def tolist(self) -> Any:
        """Give the elements as numbers of Python in nested lists; errors are those of `item`.

        Example:
            >>> TensorNode([[1.0, 2.5]]).tolist()
            [[1.0, 2.5]]
        """
        return self._number("{}.tolist()").tolist()

    def _number(self, call: str) -> Any:
        if self.requires_grad and is_differentiating.get():
            raise TypeError(
                f"{call.format('x')} makes a number, which has no gradient, of a node that is "
                "being differentiated; compute with the node, or say "
                f"{call.format('stop_gradient(x)')}"
            )
        return self._host()

    def __str__(self) -> str:
        """Print the values, as NumPy prints an array's."""
        return self._text()

    def __format__(self, spec: str) -> str:
        """Format the only element, as in f"{loss:.3f}"; without a format, print all values."""
        if spec and self.size != 1:
            raise TypeError(
                f"a node of shape {self.shape} has no one number to format with {spec!r}; reduce "
                "it first, as in x.mean()"
            )
        return format(self._host().item(), spec) if spec else str(self)

    def _text(self, prefix: str | None = None) -> str:
        x = self.value
        if type(x) not in BACKEND_OF_TYPE:  # somebody assigned a number to .value
            return str(x)
        try:
            return BACKEND_OF_TYPE[type(x)].text(x, prefix)
        except Exception:  # in whatever state the device is: who prints looks for a fault
            return "..."

    def __dir__(self) -> Iterable[str]:
        kind = type(self)
        return [name for name in super().__dir__() if not is_elsewhere(kind, name)]

    # -- Copies, on other devices and for other libraries -----------------------------------------

    def detach(self) -> Self:
        """Give a constant with the same value, in the same memory.

        Example:
            >>> x = TensorNode([1.0, 2.0])
            >>> y = x * x.detach()  # no gradient through the second
            >>> y.sum().backward()
            >>> print(x.grad)
            [1. 2.]
        """
        node: Any = type(self)
        return node(self.value, None, self.name, False)

    def numpy(self) -> Any:
        """Give the value as a NumPy array: where the value lies on the CPU, in the same memory.

        Raises:
            TypeError: the node has a gradient, which a NumPy array has not.

        Example:
            >>> x = TensorNode([1.0, 2.0]) * 3.0
            >>> print(x.detach().numpy())
            [3. 6.]
        """
        if self.requires_grad:
            raise TypeError(
                "x.numpy(): a NumPy array has no gradient, and this node has one; say "
                "x.detach().numpy()"
            )
        return self._host()

    def _leaf_value(self, requires_grad: bool | None) -> Any:
        """Give the value to a new node, through which no gradient comes here."""
        has_gradient = self.requires_grad and self._is_computed
        if has_gradient and requires_grad is not False and is_differentiating.get():
            raise TypeError(
                "TensorNode(x) has no gradient of x, a node that is being differentiated; compute "
                "with x, copy it (namespace(x).asarray(x, copy=True)), or say stop_gradient(x)"
            )
        return self.value

    def _host(self) -> Any:
        """Copy the value to the host."""
        x = self.value
        return BACKEND_OF_TYPE[type(x)].to_numpy(x) if type(x) in BACKEND_OF_TYPE else x

    def to_device(self, device: Any, /, *, stream: Any = None) -> Any:
        """Copy the value to the device, as a constant; a node already there is returned as it is.

        Raises:
            ValueError: a node that has a gradient is elsewhere; or there is a `stream`, which is
                not supported.

        Example:
            >>> x = TensorNode([1.0, 2.0])
            >>> x.to_device(x.device) is x
            True
        """
        if stream is not None:
            raise ValueError(f"to_device: stream = {stream!r}, and only None is supported")
        if device != self.device and self.requires_grad:
            raise ValueError(
                f"to_device: a node that has a gradient can't be moved from {self.device} to "
                f"{device} in a graph; move its .value"
            )
        if device == self.device:
            return self
        moved = get(backend_of(self.value).name, device).asarray(self.value)
        return self.__array_namespace__().asarray(moved)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        # Not `copy=True`, which PyTorch's tensors don't take.
        wishes = {"dtype": dtype, "copy": None if copy else copy}
        wishes = {name: wish for name, wish in wishes.items() if wish is not None}
        advice = ", or call gradcore.numpy, as in gradcore.numpy.array(nodes)"
        array = self._constant("a NumPy array", advice).__array__(**wishes)
        return array.copy() if copy else array

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[Any, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        wishes = {"stream": stream, "max_version": max_version, "dl_device": dl_device}
        wishes = {name: wish for name, wish in {**wishes, "copy": copy}.items() if wish is not None}
        return self._constant("another library's array").__dlpack__(**wishes)

    def __dlpack_device__(self) -> tuple[Any, int]:
        return self.value.__dlpack_device__()

    def _constant(self, what: str, advice: str = "") -> Any:
        """Give the value to code that would ignore the gradient; refuse if there is one."""
        if self.requires_grad:
            raise TypeError(
                f"a node that has a gradient is not {what}; take its .value, which has none{advice}"
            )
        return self.value

    # The copy of a leaf is a leaf of its own, without gradient and hooks, as that of a parameter in
    # PyTorch. The copy of what was computed is computed from it, and so has its gradient.

    def __copy__(self) -> Self:
        return self._copy_of_result() if self._is_computed else self._leaf(self.value)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        if self._is_computed:
            return self._copy_of_result()
        return self._leaf(deepcopy(self.value, memo))

    def _copy_of_result(self) -> Self:
        return self.__array_namespace__().asarray(self, copy=True)

    def _leaf(self, value: Any) -> Self:
        kind: Any = type(self)
        node = kind(value, None, self.name, self.requires_grad or self.is_frozen)
        node.requires_grad = self.requires_grad
        return node

    def __reduce__(self) -> Any:
        """Let pickle take the value, without the gradient."""
        if self._is_computed:
            raise TypeError("a node that was computed can't be pickled; take its .value")
        made = type(self), (self.value, None, self.name, self.requires_grad or self.is_frozen)
        return (*made, (None, {"requires_grad": False})) if self.is_frozen else made

    @property
    def is_frozen(self) -> bool:
        """Whether somebody has set `requires_grad` from True to False: the node is a parameter
        still, and training leaves it as it is. A constant is not frozen.

        Example:
            >>> x = TensorNode([1.0, 2.0])
            >>> x.requires_grad = False
            >>> x.is_frozen, TensorNode([1.0], requires_grad=False).is_frozen
            (True, False)
        """
        return not self._requires_grad and getattr(self, "_frozen", False)

    @property
    def _is_computed(self) -> bool:
        """Whether gradients go on from this node, to what its value was computed from."""
        return self.source is not None


class _Late:
    """Stands for gradcore.numpy until a node needs it."""

    def __init__(self, load: Callable[[], Any]) -> None:
        self.load = load

    def __get__(self, node: Any, kind: type) -> Any:
        Operators.numpy_api = module = self.load()
        Operators.__array_ufunc__ = module.protocols.array_ufunc  # type: ignore[method-assign]
        return module


def connect(ops: Any, array_api: Any, functions: Any, numpy: Callable[[], Any]) -> None:
    """Set the functions behind operators and methods.

    Args:
        ops, array_api, functions: the packages of `gradcore` with these names.
        numpy: a function that imports and gives `gradcore.numpy`.
    """
    Operators.ops, Operators.array_api, Operators.functions = ops, array_api, functions
    Operators.numpy_api = _Late(numpy)
