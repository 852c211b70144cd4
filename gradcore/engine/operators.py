"""The parts of a TensorNode that every array has: operators, indexing, shape and dtype."""

from __future__ import annotations

import math
import operator
import weakref
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, ClassVar, Self

from ..backends import BACKEND_OF_TYPE, backend_of, get
from .modes import is_differentiating

__all__ = ["Operators", "Size", "connect"]


class Size(int):
    """The number of elements. The course calls it: `x.size()` is the shape, `x.size(dim)` one of
    its entries."""

    shape: tuple[int, ...]

    def __call__(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[dim]


VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12", "2025.12")  # of the array API standard


class Operators:
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

    # gradcore.ops and gradcore.array_api. Both are built on this class, so this file can't import
    # them; gradcore/__init__.py sets them by `connect`.
    ops: ClassVar[Any] = None
    array_api: ClassVar[Any] = None
    # Tells NumPy's arrays to leave `array + node` to the node.
    __array_ufunc__ = None

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
        return tuple(self.value.shape)

    @property
    def ndim(self) -> int:
        return len(self.value.shape)

    @property
    def size(self) -> Size:
        size = Size(math.prod(self.value.shape))
        size.shape = self.shape
        return size

    @property
    def dtype(self) -> Any:
        return self.value.dtype

    @property
    def device(self) -> Any:
        return self.value.device

    @property
    def T(self) -> Self:  # noqa: N802 (the standard's name)
        """The transpose of a matrix."""
        if self.ndim != 2:
            raise ValueError(f"x.T needs two dimensions, not shape {self.shape}; see x.mT")
        return self.mT

    @property
    def mT(self) -> Self:  # noqa: N802
        """Each matrix, of the last two dimensions, transposed."""
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
        """Compute `self @ other`; the course spells it so."""
        return self @ other

    def __mod__(self, other: Any) -> Self:
        return self.array_api.remainder(self, other)

    def __rmod__(self, other: Any) -> Self:
        return self.array_api.remainder(other, self)

    def __floordiv__(self, other: Any) -> Self:
        return self.array_api.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Self:
        return self.array_api.floor_divide(other, self)

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
        return map(self.__getitem__, range(len(self)))

    def __bool__(self) -> bool:
        return bool(self._host())

    def __int__(self) -> int:
        return int(self._host())

    def __float__(self) -> float:
        return float(self._number("float"))

    def _number(self, kind: str) -> Any:
        if self.requires_grad and is_differentiating.get():
            raise TypeError(
                f"{kind}(x) makes a number, which has no gradient, of a node that is being "
                f"differentiated; compute with the node, or say {kind}(stop_gradient(x))"
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

    def __complex__(self) -> complex:
        return complex(self._number("complex"))

    def __index__(self) -> int:
        return operator.index(self._host())

    def to_device(self, device: Any, /, *, stream: Any = None) -> Any:
        """Copy the value to the device, as a constant; a node already there is returned as it is.

        Raises:
            ValueError: a node that has a gradient is elsewhere; or there is a `stream`, which is
                not supported.
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
        wishes = {"copy": copy} if dtype is None else {"dtype": dtype, "copy": copy}
        return self._constant("a NumPy array").__array__(**wishes)  # of NumPy 2.1, None is float64

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

    def _constant(self, what: str) -> Any:
        """Give the value to code that would ignore the gradient; refuse if there is one."""
        if self.requires_grad:
            raise TypeError(f"a node that has a gradient is not {what}; take its .value")
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
        node: Any = type(self)
        return node(value, None, self.name, self.requires_grad)

    def __reduce__(self) -> Any:
        """Let pickle take the value, without the gradient."""
        if self._is_computed:
            raise TypeError("a node that was computed can't be pickled; take its .value")
        return type(self), (self.value, None, self.name, self.requires_grad)

    @property
    def _is_computed(self) -> bool:
        """Whether gradients go on from this node, to what its value was computed from."""
        return self.source is not None


def connect(ops: Any, array_api: Any) -> None:
    """Set the functions behind the operators: the packages `gradcore.ops` and
    `gradcore.array_api`."""
    Operators.ops, Operators.array_api = ops, array_api
