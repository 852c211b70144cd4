"""Functions that make functions: derivatives of every order, and what steers them.

Their arguments and results are trees: dictionaries, lists and tuples, in one another, of arrays,
nodes and numbers. Where any argument is a node, results are nodes, which can be differentiated
further; where all are arrays, arrays. So it is for what the outermost transform is given: inside
of the function that it differentiates, results are nodes.

No transform changes the `.grad` of a node, and none computes a gradient that was not asked for.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from ..engine.arrays import (
    NUMBER_TYPES,
    describe,
    is_floating,
    is_node,
    namespace,
    node_or_array,
    value_of,
)
from ..engine.modes import differentiating, is_building, is_differentiating
from ..engine.trees import leaves, tree_map
from ..graph import TensorNode, gradients
from ..ops import Id

__all__ = [
    "Function",
    "Pullback",
    "grad",
    "hessian",
    "hessian_vector_product",
    "jacobian",
    "jvp",
    "value_and_grad",
    "vjp",
]

Function = Callable[..., Any]
Pullback = Callable[[Any], Any]


# -- Derivatives ------------------------------------------------------------------------------


def grad(f: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """The gradient of `f`, a function that gives a scalar.

    Args:
        f: a function of trees.
        argnums: which of the positional arguments to differentiate with respect to.

    Returns:
        A function of the same arguments, that gives a tree like argument `argnums`, or a tuple
        with one for each of them. What `f` does not depend on has zeros.

    Raises (when called):
        TypeError: an array to differentiate with respect to, or the result, is not real floating.
        ValueError: the result has more than one element; there is no such argument.
    """

    @functools.wraps(f)
    def gradient(*args: Any, **constants: Any) -> Any:
        return _value_and_grad("grad", f, argnums, args, constants)[1]

    return gradient


def value_and_grad(f: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """Like `grad`, but the function gives a pair: the value of `f`, and the gradient."""

    @functools.wraps(f)
    def both(*args: Any, **constants: Any) -> Any:
        return _value_and_grad("value_and_grad", f, argnums, args, constants)

    return both


def _value_and_grad(name: str, f: Function, argnums: Any, args: Any, constants: Any) -> Any:
    value, pull = _vjp(name, f, argnums, args, constants)
    if not hasattr(value, "shape") or math.prod(value.shape) != 1:
        found = describe(value) if hasattr(value, "shape") else f"a {type(value).__name__}"
        advice = "sum it, or use vjp or jacobian"
        raise ValueError(f"{name}: the function gave {found}, expected a scalar; {advice}")
    if not is_floating(value_of(value)):
        raise TypeError(f"{name}: the function gave {describe(value)}, expected real floating")
    return value, pull([namespace(value_of(value)).ones_like(value_of(value))], retain=False)


def vjp(f: Function, *xs: Any) -> tuple[Any, Pullback]:
    """The value of `f(*xs)`, and its pullback: the product of a vector and the Jacobian.

    Returns:
        The value, and a function that can be called repeatedly. It takes the gradient of some
        scalar with respect to the value, a tree like the value, and gives that with respect to
        x, or for several arguments a tuple of these.

    Raises:
        TypeError: an array in `xs` is not real floating.
        ValueError (from the pullback): a gradient does not fit the value.
    """
    value, pull = _vjp("vjp", f, 0 if len(xs) == 1 else tuple(range(len(xs))), xs, {})

    def pullback(cotangent: Any) -> Any:
        return pull(_like("vjp: the gradient of the value", value, cotangent))

    return value, pullback


def _vjp(name: str, f: Function, argnums: Any, args: Any, constants: Any) -> tuple[Any, Any]:
    """The value, and a function of a list: the gradient, or `None`, of each leaf in the value."""
    several = isinstance(argnums, tuple)
    chosen = [_position(name, i, args) for i in (argnums if several else [argnums])]
    nodes_in = is_differentiating.get() or any(is_node(x) for _, x in leaves((args, constants)))
    further = nodes_in and is_building.get()  # can there be more derivatives?
    starts = {i: tree_map(functools.partial(_start, name), args[i]) for i in chosen}
    with differentiating():
        result = f(*[starts.get(i, x) for i, x in enumerate(args)], **constants)
    try:
        result = tree_map(node_or_array, result)
    except TypeError as error:
        raise TypeError(f"{name}: in what the function gave: {error}") from None

    def handed_over(x: Any) -> Any:
        if not nodes_in:
            return value_of(x)
        return x if is_node(x) and further else TensorNode(value_of(x), requires_grad=False)

    def pull(gos: list[Any], retain: bool = True) -> Any:
        nodes_out = nodes_in or is_differentiating.get() or any(map(is_node, gos))
        create = further or (nodes_out and is_building.get())
        pairs = zip([y for _, y in leaves(result)], gos, strict=True)
        seeds = [
            (y, go if create else value_of(go)) for y, go in pairs if go is not None and is_node(y)
        ]
        wanted = [x for _, x in leaves(list(starts.values()))]
        found = dict(zip(wanted, gradients(seeds, wanted, create, retain), strict=True))

        def gradient(x: TensorNode) -> Any:
            g = namespace(x.value).zeros_like(x.value) if found[x] is None else found[x]
            return TensorNode(g, requires_grad=False) if nodes_out and not is_node(g) else g

        trees = tuple([tree_map(gradient, starts[i]) for i in chosen])
        return trees if several else trees[0]

    return tree_map(handed_over, result), pull


def _position(name: str, i: Any, args: Sequence[Any]) -> int:
    if type(i) is not int or not -len(args) <= i < len(args):
        raise ValueError(f"{name}: argnums has {i!r}, but there are {len(args)} arguments")
    return i % len(args)


def _start(name: str, x: Any) -> TensorNode:
    """A new node for x. As it is apart from x, this derivative ends here; and as it is made of
    x, further derivatives go on."""
    try:
        x = node_or_array(x)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    if not is_floating(value_of(x)):
        raise TypeError(
            f"{name}: gradients are of real floating arrays, not of {describe(x)}; convert it, "
            "or leave it out by argnums"
        )
    linked = is_node(x) and x.requires_grad and is_building.get()
    return Id.do_forward(x) if linked else TensorNode(value_of(x))


def _like(what: str, tree: Any, other: Any) -> list[Any]:
    """The leaves of `other`, a tree like `tree`, as arrays or nodes; numbers in the dtypes there.

    Raises:
        ValueError: it differs in structure, or in the shape or dtype of a leaf.
    """
    found: list[Any] = []

    def check(x: Any, y: Any) -> None:
        x = node_or_array(x)
        if type(y) in NUMBER_TYPES:
            y = namespace(value_of(x)).asarray(y, dtype=x.dtype, device=x.device)
        y = node_or_array(y)
        if describe(x) != describe(y):
            raise ValueError(f"{what} is {describe(y)}, expected {describe(x)}")
        found.append(y)

    tree_map(check, tree, other)
    return found


def jvp(f: Function, xs: Any, vs: Any) -> tuple[Any, Any]:
    """The value of `f`, and its derivative along `vs`: the product of the Jacobian and a vector.

    The pullback, u to u^T J, is linear, so its own pullback takes v to J v, wherever it is taken
    (https://j-towns.github.io/2017/06/12/A-new-trick.html); here, at zero. All ops in `f` need a
    gradient of their gradient.

    Args:
        xs: a tuple of the arguments of `f`; or its one argument, if that is no tuple.
        vs: a direction; a tree like `xs`.

    Returns:
        The value, and a tree like it.

    Raises:
        TypeError: as `vjp`; or the function gave something else than real floating arrays.
        ValueError: `vs` is not like `xs`.
    """
    several = isinstance(xs, tuple)
    _like("jvp: the direction", xs, vs)
    value, pullback = vjp(f, *xs) if several else vjp(f, xs)
    for path, y in leaves(value):
        if not is_floating(value_of(y)):
            found = f"{describe(y)} in {path}" if path else describe(y)
            raise TypeError(f"jvp: the function gave {found}, expected real floating")
    zeros = tree_map(lambda y: namespace(value_of(y)).zeros_like(value_of(y)), value)
    if any(is_node(v) for _, v in leaves((xs, vs))):
        zeros = tree_map(TensorNode, zeros)
    return value, vjp(pullback, zeros)[1](vs[0] if several and len(xs) == 1 else vs)


def hessian_vector_product(f: Function, x: Any, v: Any) -> Any:
    """The Hessian of the scalar function `f` at x, times v, without computing the Hessian.

    As that is symmetric, it is the vjp of the gradient: two backward passes. See also
    https://doi.org/10.1162/neco.1994.6.1.147 (Pearlmutter, 1994).

    Args:
        x: the argument of `f`, a tree.
        v: a tree like x.

    Returns:
        A tree like x.

    Raises:
        TypeError, ValueError: as `grad`; v is not like x.
    """
    _like("hessian_vector_product: v", x, v)
    return vjp(grad(f), x)[1](v)


def jacobian(f: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """The Jacobian of `f`: one backward pass for each element of its value.

    Returns:
        A function of the same arguments, that gives a tree like the value of `f`; in it, in place
        of an array of shape S, a tree like argument `argnums`; and in that, in place of an array
        of shape T, the derivatives, of shape (*S, *T). For several argnums, a tuple of such trees
        stands in place of each array of the value.

    Raises (when called):
        TypeError: as `grad`.
        ValueError: there is no such argument.
    """

    @functools.wraps(f)
    def derivatives(*args: Any, **constants: Any) -> Any:
        value, pull = _vjp("jacobian", f, argnums, args, constants)
        ys = [value_of(y) for _, y in leaves(value)]
        found = iter([_rows(ys, i, pull) for i in range(len(ys))])
        return tree_map(lambda _: next(found), value)

    return derivatives


def _rows(ys: list[Any], i: int, pull: Pullback) -> Any:
    """The derivatives of the elements of ys[i]."""
    y = ys[i]
    if not is_floating(y):
        raise TypeError(f"jacobian: the function gave {describe(y)}, expected real floating")
    xp, shape, n = namespace(y), tuple(y.shape), math.prod(y.shape)
    # An empty array has no rows; a row of zeros says what they would be like.
    places = [xp.arange(n, device=y.device) == k for k in range(n)] or [xp.zeros_like(y)]
    passes = []
    for at in places:
        one_hot = xp.reshape(xp.astype(at, y.dtype), shape)
        passes.append(pull([one_hot if j == i else None for j in range(len(ys))]))
    return tree_map(lambda *rows: _stacked(rows, n, shape), *passes)


def _stacked(rows: Sequence[Any], n: int, shape: tuple[int, ...]) -> Any:
    """The first n rows, arrays or nodes of one shape T, as one of shape (*shape, *T)."""
    xp, inner = namespace(*rows), tuple(rows[0].shape)
    return xp.reshape(xp.stack(rows, axis=0)[:n, ...], (*shape, *inner))


def hessian(f: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """The Hessian of the scalar function `f`: the Jacobian of its gradient.

    Returns:
        A function of the same arguments. For an x of shape T it gives shape (*T, *T); for trees,
        and several argnums, what `jacobian` makes of what `grad` gives.

    Raises (when called):
        TypeError, ValueError: as `grad`.
    """
    return jacobian(grad(f, argnums), argnums)
