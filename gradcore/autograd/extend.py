"""Functions whose derivatives the user defines: `primitive`, `defvjp`, `defjvp`."""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from .. import transforms
from ..engine.arrays import is_node, namespace, node_or_array, value_of
from ..engine.modes import is_differentiating
from ..engine.trees import leaves, tree_map
from ..graph import Context, Op, TensorNode
from .boxes import Box, getval, isbox, notrace_primitive
from .leaves import conj, left, value_in_primitive
from .vspaces import VSpace, vspace
from .wrap_util import subval

__all__ = [
    "Box",
    "VSpace",
    "def_linear",
    "defjvp",
    "defjvp_argnum",
    "defjvp_argnums",
    "defvjp",
    "defvjp_argnum",
    "defvjp_argnums",
    "notrace_primitive",
    "primitive",
    "primitive_jvps",
    "primitive_vjps",
    "vspace",
]

Function = Callable[..., Any]

primitive_vjps: dict[Any, Function] = {}  # f: (argnums, ans, args, kwargs) to (g to gradients)
_transposed: ContextVar[frozenset[Any]] = ContextVar("transposed", default=frozenset())
primitive_jvps: dict[Any, Function] = {}  # f: (argnums, gs, ans, args, kwargs) to the derivative


# -- Calls of primitives --------------------------------------------------------------------------


def primitive(f: Function) -> Function:
    """Make f a function that nodes go into as arrays: what f does is not differentiated. `defvjp`
    says what its derivatives are. Arguments and result may be trees.

    Example:
        >>> from gradcore.autograd.extend import defvjp
        >>> cube = primitive(lambda x: x**3)
        >>> defvjp(cube, lambda ans, x: lambda g: g * 3 * x**2)
        >>> print(cube(2.0), gradcore.grad(cube)(2.0))
        8.0 12.0
    """

    class Primitive(Op):
        @staticmethod
        def forward(context: Context, *xs: Any, call: _Call) -> Any:
            with _outside():
                ans = f(*tree_map(left, call.args(xs)), **call.kwargs)
            return call.outputs(context, xs, ans)

        @staticmethod
        def backward(context: Context, *gos: Any) -> Any:
            call = context["call"]
            if any(map(is_node, gos)):
                return call.gradients(context, gos)
            with _outside():
                return tuple([value_of(g) for g in call.gradients(context, gos)])

    @functools.wraps(f, updated=())
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        boxes = {i for i, arg in enumerate(args) if _is_traced(arg)}
        if not boxes:
            return f(*args, **kwargs)
        call = _Call(wrapped, sorted(boxes), args, tree_map(getval, kwargs))
        ys = Primitive.apply(*call.inputs, call=call)
        return call.result(ys if isinstance(ys, tuple) else (ys,))

    Primitive.__name__ = Primitive.__qualname__ = getattr(f, "__name__", type(f).__name__)
    wrapped.fun = f  # type: ignore[attr-defined]
    for name, define in _DEPRECATED.items():
        setattr(wrapped, name, functools.partial(define, wrapped))
    return wrapped


@contextmanager
def _outside() -> Any:
    """Inside, transforms of arrays give arrays, as they do where nothing is differentiated."""
    token = is_differentiating.set(False)
    try:
        yield
    finally:
        is_differentiating.reset(token)


def _is_traced(arg: Any) -> bool:
    return any(isbox(x) for _, x in leaves(arg))


class _Call:
    """One call of a primitive.

    Attributes:
        inputs: the nodes in the arguments, in order; of a box, its node without content.
        argnums: which arguments have nodes.
    """

    def __init__(self, f: Function, argnums: Sequence[int], args: Any, kwargs: Any) -> None:
        self.f, self.argnums, self.kwargs = f, argnums, kwargs
        self.given = args
        self.boxes: list[Any] = [x for _, x in leaves(args) if isbox(x)]
        self.inputs = [x if is_node(x) else x._node for x in self.boxes]
        self.ans: Any = None  # of the call, with None in place of arrays
        self.out: Any = None  # the box of the result, if the result is no tree of arrays

    def args(self, xs: Sequence[Any]) -> tuple[Any, ...]:
        """The arguments, with the xs in place of the nodes, and values in place of boxes."""
        rest = iter(xs)

        def entry(x: Any) -> Any:
            if not isbox(x):
                return x
            y = next(rest)
            return y if is_node(x) else x._value

        return tuple([tree_map(entry, arg) for arg in self.given])

    def outputs(self, context: Context, xs: Sequence[Any], ans: Any) -> Any:
        """List the arrays of the result, and save what backward needs."""
        context["xs"], context["call"] = xs, self
        if kind := Box.type_mappings.get(type(ans)):
            self.out = kind(ans, None, None)
            ys = [namespace(*xs).zeros_like(xs[0])]
        else:
            self.ans = tree_map(lambda _: 0, ans)
            ys = [value_in_primitive(_array(y, xs[0])) for _, y in leaves(ans)]
        context["ys"] = tuple(ys)
        return context["ys"] if len(ys) != 1 else ys[0]

    def result(self, ys: Sequence[TensorNode]) -> Any:
        if self.out is not None:
            self.out._node = ys[0]
            return self.out
        rest = iter(ys)
        return tree_map(lambda _: next(rest), self.ans)

    def gradients(self, context: Context, gos: Sequence[Any]) -> tuple[Any, ...]:
        """Compute the gradient of each input by the functions that `defvjp` was given."""
        xs, args = context["xs"], self.args(context["xs"])
        if self.out is not None:
            ans, g = self.out._value, self.out._gradient
        else:
            ys, rest = iter(context["ys"]), iter(gos)
            ans = tree_map(lambda _: left(next(ys)), self.ans)
            g = tree_map(lambda _: left(next(rest)), self.ans)
        vjp = _vjpmaker(self.f)(tuple(self.argnums), ans, args, self.kwargs)
        found: list[Any] = []

        def take(x: Any, part: Any = None) -> None:
            if is_node(x):
                found.append(part)
            elif isbox(x):
                space = vspace(x._value)
                x._gradient = part if x._gradient is None else space.add(x._gradient, part)
                found.append(None)

        for i, part in zip(self.argnums, vjp(g), strict=True):
            arg = self.given[i]
            tree_map(take, arg, *([] if part is None else [part]))
        return tuple([None if g is None else _array(g, x) for g, x in zip(found, xs, strict=True)])


def _array(y: Any, like: Any) -> Any:
    """Make an array or node of a result or gradient, which may be a number: one like `like`."""
    if isinstance(y, bool | int | float | complex) and not hasattr(y, "dtype"):
        xp, like = namespace(like), value_of(like)
        if isinstance(y, complex) or xp.isdtype(like.dtype, "complex floating"):
            return xp.asarray(y, device=like.device)
        return xp.asarray(y, dtype=like.dtype, device=like.device)
    return node_or_array(y)


# -- Definitions ----------------------------------------------------------------------------------


def _vjpmaker(f: Function) -> Function:
    """Find the vjps of a primitive; without any, transpose its jvps, which are linear."""
    if f in primitive_vjps:
        return primitive_vjps[f]
    if f not in primitive_jvps or f in _transposed.get():  # the latter: its jvp calls f itself
        raise NotImplementedError(f"no derivative of {getattr(f, '__name__', f)}; say defvjp")

    def vjps(argnums: Sequence[int], ans: Any, args: Any, kwargs: Any) -> Function:
        def transposed(i: int, g: Any) -> Any:
            along = lambda t: primitive_jvps[f]((i,), (t,), ans, args, kwargs)  # noqa: E731
            zeros = vspace(args[i]).zeros()
            token = _transposed.set(_transposed.get() | {f})
            try:
                return tree_map(conj, transforms.vjp(along, zeros)[1](tree_map(conj, g)))
            finally:
                _transposed.reset(token)

        return lambda g: [transposed(i, g) for i in argnums]

    return vjps


def defvjp_argnums(f: Function, vjpmaker: Function) -> None:
    """Define the vjps of a primitive: `vjpmaker(argnums, ans, args, kwargs)` gives a function of
    the gradient g of `ans`, which gives the gradients of these arguments.

    Example:
        >>> product = primitive(lambda x, y: x * y)
        >>> vjps = lambda argnums, ans, args, kwargs: lambda g: [g * args[1 - k] for k in argnums]
        >>> defvjp_argnums(product, vjps)
        >>> print(gradcore.grad(product)(3.0, 5.0))
        5.0
    """
    primitive_vjps[f] = vjpmaker


def defvjp_argnum(f: Function, vjpmaker: Function) -> None:
    """Define the vjps of a primitive: `vjpmaker(argnum, ans, args, kwargs)` gives a function of the
    gradient g of `ans`, which gives the gradient of this argument.

    Example:
        >>> product = primitive(lambda x, y: x * y)
        >>> vjp = lambda argnum, ans, args, kwargs: lambda g: g * args[1 - argnum]
        >>> defvjp_argnum(product, vjp)
        >>> print(gradcore.grad(product)(3.0, 5.0))
        5.0
    """

    def vjps(argnums: Sequence[int], ans: Any, args: Any, kwargs: Any) -> Function:
        made = [vjpmaker(i, ans, args, kwargs) for i in argnums]
        return lambda g: [vjp(g) for vjp in made]

    defvjp_argnums(f, vjps)


def defvjp(f: Function, *vjpmakers: Any, argnums: Any = None) -> None:
    """Define the vjps of a primitive: for each argument a `vjpmaker(ans, *args, **kwargs)`, which
    gives a function of the gradient g of `ans` that gives the argument's gradient; or `None` for a
    gradient of zero.

    Args:
        argnums: the positions of the arguments, if they are not the first ones.

    Example:
        >>> cube = primitive(lambda x: x**3)
        >>> defvjp(cube, lambda ans, x: lambda g: g * 3 * x**2)
        >>> print(cube(2.0), gradcore.grad(cube)(2.0))
        8.0 12.0
    """
    makers = dict(zip(itertools.count() if argnums is None else argnums, vjpmakers, strict=False))

    def vjpmaker(i: int, ans: Any, args: Any, kwargs: Any) -> Function:
        if i not in makers:
            name = getattr(f, "__name__", f)
            raise NotImplementedError(f"no derivative of {name} by argument {i}; say defvjp")
        return makers[i](ans, *args, **kwargs) if makers[i] else lambda g: None

    defvjp_argnum(f, vjpmaker)


def defjvp_argnums(f: Function, jvpmaker: Function) -> None:
    """Define the jvps of a primitive: `jvpmaker(argnums, gs, ans, args, kwargs)` gives the
    derivative of `ans` if these arguments change along the gs. Where there is no vjp, gradients
    are by the transposed of the jvp.

    Example:
        >>> product = primitive(lambda x, y: x * y)
        >>> def jvp(argnums, gs, ans, args, kwargs):
        ...     return sum(g * args[1 - k] for k, g in zip(argnums, gs))
        ...
        >>> defjvp_argnums(product, jvp)
        >>> value, derivative = gradcore.autograd.make_jvp(product)(3.0, 5.0)(1.0)
        >>> print(value, derivative)
        15.0 5.0
    """
    primitive_jvps[f] = jvpmaker


def defjvp_argnum(f: Function, jvpmaker: Function) -> None:
    """Define the jvps of a primitive: `jvpmaker(argnum, g, ans, args, kwargs)`.

    Example:
        >>> product = primitive(lambda x, y: x * y)
        >>> defjvp_argnum(product, lambda argnum, g, ans, args, kwargs: g * args[1 - argnum])
        >>> value, derivative = gradcore.autograd.make_jvp(product)(3.0, 5.0)(1.0)
        >>> print(value, derivative)
        15.0 5.0
    """

    def jvps(argnums: Sequence[int], gs: Any, ans: Any, args: Any, kwargs: Any) -> Any:
        parts = [jvpmaker(i, g, ans, args, kwargs) for i, g in zip(argnums, gs, strict=True)]
        return functools.reduce(vspace(ans).add, parts)

    defjvp_argnums(f, jvps)


def defjvp(f: Function, *jvpmakers: Any, argnums: Any = None) -> None:
    """Define the jvps of a primitive: for each argument a `jvpmaker(g, ans, *args, **kwargs)`;
    "same" for an argument that f is linear in; or `None` for zero.

    Example:
        >>> square = primitive(lambda x: x**2)
        >>> defjvp(square, lambda g, ans, x: 2 * x * g)
        >>> value, derivative = gradcore.autograd.make_jvp(square)(3.0)(1.0)
        >>> print(value, derivative)
        9.0 6.0
    """
    makers = dict(zip(itertools.count() if argnums is None else argnums, jvpmakers, strict=False))

    def jvpmaker(i: int, g: Any, ans: Any, args: Any, kwargs: Any) -> Any:
        if i not in makers:
            name = getattr(f, "__name__", f)
            raise NotImplementedError(f"no derivative of {name} by argument {i}; say defjvp")
        if makers[i] is None:
            return vspace(ans).zeros()
        if makers[i] == "same":
            return f(*subval(args, i, g), **kwargs)
        return makers[i](g, ans, *args, **kwargs)

    defjvp_argnum(f, jvpmaker)


def def_linear(f: Function) -> None:
    """Say that a primitive is linear in each argument.

    Example:
        >>> double = primitive(lambda x: 2 * x)
        >>> defvjp(double, lambda ans, x: lambda g: 2 * g)
        >>> def_linear(double)
        >>> value, derivative = gradcore.autograd.make_jvp(double)(3.0)(1.0)
        >>> print(value, derivative)
        6.0 2.0
    """
    defjvp_argnum(f, lambda i, g, ans, args, kwargs: f(*subval(args, i, g), **kwargs))


# -- How it was said before autograd 1.2 ----------------------------------------------------------


def _old(name: str, define: Function) -> Function:
    @functools.wraps(define)
    def warned(f: Function, *args: Any, **options: Any) -> None:
        warnings.warn(f"{name} is called defvjp now", DeprecationWarning, stacklevel=2)
        return define(f, *args, **options)

    return warned


def _more(f: Function, argnum: int, vjpmaker: Any) -> None:
    """Define the vjp by one argument, beside those defined before."""
    before = primitive_vjps.get(f)

    def vjps(argnums: Sequence[int], ans: Any, args: Any, kwargs: Any) -> Function:
        def gradient(i: int, g: Any) -> Any:
            if i != argnum:
                assert before is not None, f"no derivative by argument {i}; say defvjp"
                return next(iter(before((i,), ans, args, kwargs)(g)))
            return vjpmaker(ans, *args, **kwargs)(g) if vjpmaker else None

        return lambda g: [gradient(i, g) for i in argnums]

    defvjp_argnums(f, vjps)


def _defgrad(f: Function, gradfun: Any, argnum: int = 0) -> None:
    _more(f, argnum, gradfun)


def _defvjp(f: Function, vjpfun: Any, argnum: int = 0) -> None:
    def vjpmaker(ans: Any, *args: Any, **kwargs: Any) -> Function:
        return lambda g: vjpfun(g, ans, vspace(args[argnum]), vspace(g), *args, **kwargs)

    _more(f, argnum, vjpmaker)


def _defvjp_is_zero(f: Function, argnums: Sequence[int] = (0,)) -> None:
    for i in argnums:
        _more(f, i, None)


_DEPRECATED = {
    "defgrad": _old("defgrad", _defgrad),
    "defvjp": _old("defvjp", _defvjp),
    "defvjp_is_zero": _old("defvjp_is_zero", _defvjp_is_zero),
}
