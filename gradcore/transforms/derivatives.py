"""Derivatives of functions: gradients, Jacobians, Hessians, and products with them.

Each transform takes a function and gives its derivative. Arguments and results are trees: arrays,
nodes and numbers, in dictionaries, lists and tuples, however deep. A Python float becomes an array
of float64, where the default backend's device has float64; arrays and nodes keep their dtype. If
any argument is a node, the results are nodes, which can be differentiated further; if all are
arrays, so are the results. Inside a function that a transform differentiates, results always are
nodes.

No transform changes the `.grad` of a node or computes a gradient that nobody asked for.

The gradient by complex numbers has as its real part the derivative by their real parts, and as its
imaginary part that by their imaginary parts. docs/explanation/complex.md has more.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any

from ..backends import Array, backend_of
from ..engine.arrays import (
    NUMBER_TYPES,
    conj,
    copied,
    describe,
    is_complex,
    is_floating,
    is_node,
    is_real_floating,
    namespace,
    value_of,
    widest,
)
from ..engine.modes import building, differentiating, is_building, is_differentiating
from ..engine.ownership import is_alone
from ..engine.traversal import ancestors
from ..engine.trees import leaves, tree_map
from ..graph import TensorNode, gradients, op_counter
from ..ops import Id

__all__ = [
    "Argument",
    "Function",
    "Pullback",
    "from_outside",
    "grad",
    "hessian",
    "hessian_vector_product",
    "jacobian",
    "jvp",
    "value_and_grad",
    "vjp",
]

Function = Callable[..., Any]  # of trees, positional or by keyword, to a tree
Pullback = Callable[[Any], Any]  # of a gradient of the value, to that of the arguments


def grad(f: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """Make a function that computes the gradient of the scalar function `f`.

    Args:
        f: a function of trees that gives one number, an array or node of one element.
        argnums: the positions of the arguments to differentiate with respect to.

    Returns:
        A function of the same arguments. It gives a tree like the argument at `argnums`, or, for
        several positions, a tuple of such trees. Where `f` does not depend on an array, the
        array's gradient is zeros. Keyword arguments are constants.

    Raises (when called):
        TypeError: an array to differentiate with respect to is not floating, or the result is not
            real floating.
        ValueError: the result has more than one element, or there is no argument at `argnums`.

    Example:
        >>> print(gradcore.grad(lambda x: x**2)(3.0))
        6.0
        >>> def f(w, x):
        ...     return (w * x).sum()
        >>> print(gradcore.grad(f, argnums=1)(np.array([1.0, 2.0]), np.array([3.0, 4.0])))
        [1. 2.]
    """

    @functools.wraps(f)
    def gradient(*args: Any, **constants: Any) -> Any:
        return _value_and_grad("grad", f, argnums, args, constants)[1]

    return gradient


def value_and_grad(f: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """Make a function that gives a pair: the value of `f`, and what `grad` gives.

    Example:
        >>> value, gradient = gradcore.value_and_grad(lambda x: (x**2).sum())(np.array([1.0, 3.0]))
        >>> print(value, gradient)
        10.0 [2. 6.]
    """

    @functools.wraps(f)
    def both(*args: Any, **constants: Any) -> Any:
        return _value_and_grad("value_and_grad", f, argnums, args, constants)

    return both


def _value_and_grad(
    name: str,
    f: Function,
    argnums: int | tuple[int, ...],
    args: tuple[Any, ...],
    constants: dict[str, Any],
) -> tuple[Any, Any]:
    value, pull = _vjp(name, f, argnums, args, constants)
    if not hasattr(value, "shape") or math.prod(value.shape) != 1:
        found = describe(value) if hasattr(value, "shape") else f"a {type(value).__name__}"
        advice = "sum it, or use vjp or jacobian"
        raise ValueError(f"{name}: the function gave {found}, expected a scalar; {advice}")
    if not is_real_floating(value_of(value)):
        advice = "; take abs or real of it, or use vjp, jvp or jacobian" * is_complex(value)
        found = f"{describe(value)}, expected real floating{advice}"
        raise TypeError(f"{name}: the function gave {found}")
    return value, pull([namespace(value_of(value)).ones_like(value_of(value))], retain=False)


def vjp(f: Function, *xs: Any) -> tuple[Any, Pullback]:
    """Compute `f(*xs)`, and make its pullback, which multiplies a vector by the Jacobian: u to
    u^T J.

    Returns:
        The value, and the pullback, which can be called any number of times. The pullback takes
        the gradient of some scalar with respect to the value, a tree like the value. It gives the
        gradient of the scalar with respect to x, a tree like x; for several arguments, a tuple of
        such trees.

    For complex arrays the pullback multiplies by the conjugate of the Jacobian, so that gradients
    go through the pullback to gradients.

    Raises:
        TypeError: an array in `xs` is not floating.
        ValueError: from the pullback: the gradient does not fit the value.

    Example:
        >>> value, pullback = gradcore.vjp(lambda x: x**2, np.array([1.0, 3.0]))
        >>> print(value, pullback(np.array([1.0, 10.0])))
        [1. 9.] [ 2. 60.]
    """
    value, pull = _vjp("vjp", f, 0 if len(xs) == 1 else tuple(range(len(xs))), xs, {})

    def pullback(cotangent: Any) -> Any:
        return pull(_like("vjp: the gradient of the value", value, cotangent))

    return value, pullback


def jvp(f: Function, xs: Any, vs: Any) -> tuple[Any, Any]:
    """Compute the value of `f` at `xs`, and its derivative along `vs`: the Jacobian times a vector.

    The pullback of `f` takes u to u^T J. The pullback is linear, so the pullback of the pullback
    takes v to J v at every u; here u is zero
    (https://j-towns.github.io/2017/06/12/A-new-trick.html). All ops in `f` must have a gradient of
    their gradient.

    Args:
        xs: a tuple of the arguments of `f`; or its only argument, if that is not a tuple.
        vs: the direction, a tree like `xs`.

    Returns:
        The value, and the derivative, a tree like the value. For complex arrays too, that is the
        derivative of f(xs + t vs) by the real number t.

    Raises:
        TypeError: an array in `xs` or in the value is not floating.
        ValueError: `vs` is not like `xs`.

    Example:
        >>> x, v = np.array([0.0, 1.0]), np.array([1.0, 10.0])
        >>> value, derivative = gradcore.jvp(gradcore.sin, x, v)
        >>> print(value.round(3), derivative.round(3))
        [0.    0.841] [1.    5.403]
    """
    several = isinstance(xs, tuple)
    _like("jvp: the direction", xs, vs)
    value, pullback = vjp(f, *xs) if several else vjp(f, xs)
    for path, y in leaves(value):
        if not is_floating(value_of(y)):
            found = f"{describe(y)} in {path}" if path else describe(y)
            raise TypeError(f"jvp: the function gave {found}, expected floating")
    zeros = tree_map(lambda y: namespace(value_of(y)).zeros_like(value_of(y)), value)
    if any(is_node(v) for _, v in leaves((xs, vs))):
        zeros = tree_map(TensorNode, zeros)
    derivative = vjp(pullback, zeros)[1](vs[0] if several and len(xs) == 1 else vs)
    if not any(is_node(x) and x.requires_grad for _, x in leaves((value, vs))):
        derivative = tree_map(lambda x: _Kind.of(is_node(x), False).convert(x), derivative)
    return value, derivative


def hessian_vector_product(f: Function, x: Any, v: Any) -> Any:
    """Multiply the Hessian of the scalar function `f` at x by v, without computing the Hessian.

    The Hessian is symmetric, so the product is the vjp of the gradient, which takes two backward
    passes. See also https://doi.org/10.1162/neco.1994.6.1.147 (Pearlmutter, 1994).

    Args:
        x: the argument of `f`, a tree.
        v: a tree like x.

    Returns:
        A tree like x.

    Raises:
        TypeError: as `grad`.
        ValueError: as `grad`; or v is not like x.

    Example:
        >>> f = lambda x: x[0] ** 2 * x[1]
        >>> print(gradcore.hessian_vector_product(f, np.array([3.0, 5.0]), np.array([1.0, 0.0])))
        [10.  6.]
    """
    _like("hessian_vector_product: v", x, v)
    return vjp(grad(f), x)[1](v)


def jacobian(f: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """Make a function that computes the Jacobian of `f`, in a backward pass for each element of
    the value.

    Returns:
        A function of the same arguments. For an x of shape T and a value of shape S it gives an
        array of shape (*S, *T). For trees it gives a tree like the value, with a tree like x in
        place of each array of the value. For several `argnums` a tuple of trees like the arguments
        stands there.

        Of a real value, the derivatives by complex numbers are gradients, as of `grad`. A complex
        value takes two passes for each element. Its derivatives are complex: by complex numbers,
        those of a holomorphic function, with no conjugate (f(x + v) is about f(x) + J v).

    Raises (when called):
        TypeError: as `grad`; or the value is not floating.
        ValueError: there is no argument at `argnums`; or the value and an argument are complex, and
            the function is not holomorphic, as abs(x) * x is not: so it has no such derivative.

    Example:
        >>> polar = lambda x: gradcore.stack([x[0] * gradcore.cos(x[1]), x[0] * gradcore.sin(x[1])])
        >>> print(gradcore.jacobian(polar)(np.array([2.0, 0.0])))
        [[1. 0.]
         [0. 2.]]
    """

    @functools.wraps(f)
    def derivatives(*args: Any, **constants: Any) -> Any:
        value, pull = _vjp("jacobian", f, argnums, args, constants)
        ys = [value_of(y) for _, y in leaves(value)]
        found = iter([_rows(ys, i, pull) for i in range(len(ys))])
        return tree_map(lambda _: next(found), value)

    return derivatives


def hessian(f: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """Make a function that computes the Hessian of the scalar function `f`: the Jacobian of its
    gradient.

    Returns:
        A function of the same arguments. For an x of shape T it gives shape (*T, *T); for trees
        and several `argnums`, the result of `jacobian(grad(f, argnums), argnums)`.

    Raises (when called):
        TypeError, ValueError: as `grad`.

    Example:
        >>> print(gradcore.hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 5.0])))
        [[10.  6.]
         [ 6.  0.]]
    """
    return jacobian(grad(f, argnums), argnums)


# -- What all of them are made of ----------------------------------------------------------------

Pull = Callable[..., Any]  # (gradients of the leaves of a value, retain=True) to those of the xs


class _Kind(IntEnum):
    """What a transform gives for the arrays in its results."""

    ARRAYS = 0
    CONSTANTS = 1  # nodes without a graph: nodes were given, and none requires a gradient
    NODES = 2  # nodes of a graph that further derivatives go through

    @classmethod
    def of(cls, has_nodes: bool, has_graph: bool) -> _Kind:
        """The kind, here and now, for inputs that have nodes among them, or have none, and what is
        computed from nodes that require a gradient, or is not."""
        if not (has_nodes or is_differentiating.get()):
            return cls.ARRAYS
        return cls.NODES if has_graph and is_building.get() else cls.CONSTANTS

    def convert(self, x: TensorNode | Array) -> TensorNode | Array:
        """Convert x to this kind."""
        if self is _Kind.ARRAYS:
            return value_of(x)
        if self is _Kind.NODES and is_node(x):
            return x
        return TensorNode(value_of(x), requires_grad=False)


def _vjp(
    name: str,
    f: Function,
    argnums: int | tuple[int, ...],
    args: tuple[Any, ...],
    constants: dict[str, Any],
) -> tuple[Any, Pull]:
    """Compute the value of `f`, and make its pullback.

    The pullback takes a list: for each leaf of the value its gradient, or `None` for zero. With
    `retain=False` it can be called once.
    """
    if not callable(f):
        raise TypeError(f"{name}: f is a {type(f).__name__}, expected a function")
    positions = argnums if isinstance(argnums, tuple) else (argnums,)
    chosen = [_position(name, i, args) for i in positions]
    starts = {i: tree_map(functools.partial(_start, name), args[i]) for i in chosen}
    wanted = [x for _, x in leaves(list(starts.values()))]
    first = next(op_counter)
    with differentiating():
        result = f(*[starts.get(i, x) for i, x in enumerate(args)], **constants)
    try:
        result = tree_map(widest, result)
    except TypeError as error:
        raise TypeError(f"{name}: in what the function gave: {error}") from None
    # A start that is linked to no node is where its graph ends: nobody differentiates further.
    used = from_outside([y for _, y in leaves(result)], first)
    has_graph = any(not isinstance(x, Argument) or x not in {*wanted} for x in used)
    kind = _Kind.of(any(is_node(x) for _, x in leaves((args, constants))), has_graph)

    def pull(gos: list[Any], retain: bool = True) -> Any:
        # Gradients are nodes also where the value was not, if they are computed from nodes.
        nodes = [go for go in gos if is_node(go)]
        leads_on = has_graph or any(go.requires_grad for go in nodes)
        out = max(kind, _Kind.of(kind > _Kind.ARRAYS or bool(nodes), leads_on))
        create = out is _Kind.NODES
        pairs = zip([y for _, y in leaves(result)], gos, strict=True)
        with building(create):  # outside of passes, gradients are conjugate
            seeds = [
                (y, conj(go if create else value_of(go)))
                for y, go in pairs
                if go is not None and is_node(y)
            ]
            inside = gradients(seeds, wanted, create, retain)
            found = dict(zip(wanted, map(conj, inside), strict=True))
        taken = {id(value_of(go)) for go in gos}

        def gradient(x: TensorNode) -> TensorNode | Array:
            g = found[x]
            g = namespace(x.value).zeros_like(x.value) if g is None else g
            raw = value_of(g)
            if create and (id(raw) in taken or not backend_of(raw).owns_memory(raw)):
                with building(True):
                    g = namespace(g).asarray(g, copy=True)
            taken.add(id(value_of(g)))
            return out.convert(g)

        trees = tuple([tree_map(gradient, starts[i]) for i in chosen])
        return trees if isinstance(argnums, tuple) else trees[0]

    def value(y: TensorNode | Array) -> TensorNode | Array:
        if kind is _Kind.NODES and is_node(y):
            return y
        # In memory of its own: y may be an argument, or what the pullback reads later.
        is_new = is_node(y) and y.source is not None and y.source.order > first
        return kind.convert(y if is_new and is_alone(y, "value") else copied(value_of(y)))

    return tree_map(value, result), pull


def _position(name: str, i: Any, args: Sequence[Any]) -> int:
    """Count the position of an argument from the front.

    Raises:
        ValueError: there is no argument at this position.
    """
    if type(i) is not int or not -len(args) <= i < len(args):
        raise ValueError(f"{name}: argnums has {i!r}, but there are {len(args)} arguments")
    return i % len(args)


def _start(name: str, x: Any) -> TensorNode:
    """Make a new node with the value of x, where the derivative ends. If x is a node, the new node
    is computed from x, so that further derivatives go on to x.

    Raises:
        TypeError: x is not a floating array.
    """
    try:
        x = widest(x)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    if not is_floating(value_of(x)):
        raise TypeError(
            f"{name}: gradients are of floating arrays, not of {describe(x)}; convert it, "
            "as in float(x) or x.astype('float64'), or leave it out by argnums"
        )
    linked = is_node(x) and x.requires_grad and is_building.get()
    return Id.do_forward(x) if linked else Argument(value_of(x))


class Argument(TensorNode):
    """A node that stands for an argument, where the gradients of a function end.

    It is a leaf, but whoever differentiates the function goes on from there: a copy of the node
    is computed from it, as a copy of what an op computed.
    """

    __slots__ = ()

    @property
    def _is_computed(self) -> bool:
        return True


def from_outside(ys: Sequence[Any], first: int) -> list[TensorNode]:
    """Find the nodes that require a gradient and are used in a call, but not computed there.

    Args:
        ys: what the call gave.
        first: an order. All OpNodes that the call made have a higher one.
    """
    nodes = [y for y in ys if is_node(y)]
    nodes += [x for opnode in ancestors(nodes, first) for x in opnode.inputs if is_node(x)]
    found = dict.fromkeys(x for x in nodes if x.requires_grad)
    return [x for x in found if x.source is None or x.source.order < first]


def _like(what: str, tree: Any, other: Any) -> list[TensorNode | Array]:
    """List the leaves of `other`, a tree like `tree`, as arrays or nodes. Numbers become arrays of
    the dtype that `tree` has in their place.

    Raises:
        ValueError: the trees differ in structure, or in the shape or dtype of a leaf.
    """
    found: list[TensorNode | Array] = []

    def check(x: Any, y: Any) -> None:
        x = widest(x)
        if type(y) in NUMBER_TYPES:
            y = namespace(value_of(x)).asarray(y, dtype=x.dtype, device=x.device)
        y = widest(y)
        if describe(x) != describe(y):
            raise ValueError(f"{what} is {describe(y)}, expected {describe(x)}")
        found.append(y)

    tree_map(check, tree, other)
    return found


def _rows(ys: list[Array], i: int, pull: Pull) -> Any:
    """Compute the derivatives of all elements of ys[i], each in a backward pass of its own."""
    y = ys[i]
    if not is_floating(y):
        raise TypeError(f"jacobian: the function gave {describe(y)}, expected floating")
    xp, shape, n = namespace(y), tuple(y.shape), math.prod(y.shape)
    # An empty array has no elements. Take one row, of zeros, for the shape of the rows, and let
    # `_stacked` drop it.
    places = [xp.arange(n, device=y.device) == k for k in range(n)] or [xp.zeros_like(y)]

    def rows_by(factor: complex) -> Any:
        passes = []
        for at in places:
            one_hot = xp.reshape(xp.astype(at, y.dtype), shape)
            one_hot = one_hot if factor == 1 else one_hot * factor
            passes.append(pull([one_hot if j == i else None for j in range(len(ys))]))
        return tree_map(lambda *rows: _stacked(rows, n, shape), *passes)

    by_real = rows_by(1)
    return tree_map(_holomorphic, by_real, rows_by(1j)) if is_complex(y) else by_real


def _holomorphic(g: TensorNode | Array, h: TensorNode | Array) -> TensorNode | Array:
    """Compute the derivatives of complex numbers, of the gradients g of their real parts and h of
    their imaginary parts.

    Raises:
        ValueError: the derivatives are by complex numbers, and depend on their direction.
    """
    if not is_complex(g):
        return g + 1j * h
    a, b = (0.5 * (g + factor * h) for factor in (-1j, 1j))  # conj(df/dx), and df/dconj(x)
    rest, size = abs(value_of(b)), abs(value_of(a)) + abs(value_of(b))
    xp = namespace(size)
    if math.prod(size.shape) and bool(xp.max(rest) > xp.finfo(g.dtype).eps ** 0.5 * xp.max(size)):
        raise ValueError(
            "jacobian: the function is not holomorphic, so no complex matrix is its derivative; "
            "take the Jacobians of its real and imaginary parts, or vjp or jvp"
        )
    return conj(a)


def _stacked(
    rows: Sequence[TensorNode | Array], n: int, shape: tuple[int, ...]
) -> TensorNode | Array:
    """Stack the first n rows, all of one shape T, in shape (*shape, *T)."""
    xp, inner = namespace(*rows), tuple(rows[0].shape)
    return xp.reshape(xp.stack(rows, axis=0)[:n, ...], (*shape, *inner))
