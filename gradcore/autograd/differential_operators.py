"""autograd's operators on functions: `grad` and its kin, by gradcore's transforms."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .. import numpy as np
from ..engine.trees import leaves
from ..transforms import checkpoint as _checkpoint
from . import core
from .core import vspace
from .leaves import is_complex
from .wrap_util import unary_to_nary

__all__ = [
    "checkpoint",
    "deriv",
    "elementwise_grad",
    "grad",
    "grad_and_aux",
    "grad_named",
    "hessian",
    "hessian_tensor_product",
    "hessian_vector_product",
    "holomorphic_grad",
    "jacobian",
    "make_ggnvp",
    "make_hvp",
    "make_jvp",
    "make_jvp_reversemode",
    "make_vjp",
    "multigrad_dict",
    "tensor_jacobian_product",
    "value_and_grad",
    "vector_jacobian_product",
]

Function = Callable[..., Any]

make_vjp = unary_to_nary(core.make_vjp)
make_jvp = unary_to_nary(core.make_jvp)
make_jvp_reversemode = unary_to_nary(core.make_jvp)
make_jvp_reversemode.__name__ = "make_jvp_reversemode"


@unary_to_nary
def grad(f: Function, x: Any) -> Any:
    """
    Returns a function which computes the gradient of `f`, one real number, with respect to the
    argument at `argnum`: a tree like the argument; for several in a tuple, a tuple of such trees.

    Example:
        >>> print(grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0])))
        [2. 4.]
        >>> print(grad(lambda a, b: a * b**2, argnum=1)(3.0, 2.0))
        12.0
    """
    return core.gradient(f, x)


@unary_to_nary
def value_and_grad(f: Function, x: Any) -> tuple[Any, Any]:
    """Make a function that gives a pair: the value of `f`, and what `grad` gives.

    Example:
        >>> value, gradient = value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
        >>> print(value, gradient)
        5.0 [2. 4.]
    """
    return core.value_and_gradient(f, x)


@unary_to_nary
def elementwise_grad(f: Function, x: Any) -> Any:
    """Make a function that computes the sum of the rows of the Jacobian, in one pass: of a function
    of each element by itself, the derivatives.

    Raises:
        TypeError: f gives complex numbers.

    Example:
        >>> print(elementwise_grad(np.sin)(np.array([0.0, np.pi])))
        [ 1. -1.]
    """
    vjp, y = core.make_vjp(f, x)
    if any(is_complex(leaf) for _, leaf in leaves(y)):
        raise TypeError("elementwise_grad: the function gave complex numbers, expected real ones")
    return vjp(vspace(y).ones())


@unary_to_nary
def deriv(f: Function, x: Any) -> Any:
    """Make a function that computes the derivative along ones.

    Example:
        >>> print(deriv(np.sin)(0.0))
        1.0
    """
    return core.make_jvp(f, x)(vspace(x).ones())[1]


@unary_to_nary
def jacobian(f: Function, x: Any) -> Any:
    """Make a function that computes the Jacobian of `f`: for an array x of shape T and a value of
    shape S, an array of shape (*S, *T).

    Example:
        >>> print(jacobian(np.cumsum)(np.array([1.0, 2.0])))
        [[1. 0.]
         [1. 1.]]
    """
    return core.jacobian(f, x)


@unary_to_nary
def hessian(f: Function, x: Any) -> Any:
    """Make a function that computes the Hessian of `f`, the Jacobian of its Jacobian.

    Example:
        >>> print(hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0])))
        [[4. 2.]
         [2. 0.]]
    """
    return core.jacobian(jacobian(f), x)


@unary_to_nary
def holomorphic_grad(f: Function, x: Any) -> Any:
    """Make a function that computes the derivative of a holomorphic function.

    Example:
        >>> print(holomorphic_grad(lambda z: z**2)(1 + 2j))
        (2+4j)
    """
    return core.gradient(lambda z: np.real(f(z)), x)


@unary_to_nary
def make_hvp(f: Function, x: Any) -> tuple[Function, Any]:
    """Make a function that multiplies the Hessian by a vector, at a point.

    Example:
        >>> hvp, value = make_hvp(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
        >>> print(hvp(np.array([1.0, 1.0])))
        [ 6. 12.]
    """
    return core.make_vjp(grad(f), x)


@unary_to_nary
def grad_and_aux(f: Function, x: Any) -> tuple[Any, Any]:
    """Make a function that computes the gradient of the first of two results of `f`, and the
    second result.

    Example:
        >>> def loss(w):
        ...     errors = w - 1.0
        ...     return np.sum(errors**2), errors
        ...
        >>> print(*grad_and_aux(loss)(np.array([1.0, 3.0])))
        [0. 4.] [0. 2.]
    """
    vjp, (y, aux) = core.make_vjp(f, x)
    return vjp(type(f(x))((vspace(y).ones(), vspace(aux).zeros()))), aux


def grad_named(f: Function, argname: str) -> Function:
    """Make a function that computes the gradient with respect to the argument of this name.

    Example:
        >>> print(grad_named(lambda a, b: a * b**2, "b")(3.0, 2.0))
        12.0
    """
    return grad(f, list(inspect.signature(f).parameters).index(argname))


def multigrad_dict(f: Function) -> Function:
    """Make a function that computes the gradients with respect to all arguments: a dictionary of
    them by the arguments' names.

    Example:
        >>> gradients = multigrad_dict(lambda a, b: a * b**2)(3.0, 2.0)
        >>> print(gradients["a"], gradients["b"])
        4.0 12.0
    """
    signature = inspect.signature(f)

    def gradients(*args: Any, **kwargs: Any) -> dict[str, Any]:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()

        def of_dict(arguments: dict[str, Any]) -> Any:
            new = inspect.BoundArguments(signature, arguments)
            return f(*new.args, **new.kwargs)

        return core.gradient(of_dict, dict(bound.arguments))

    return gradients


def hessian_tensor_product(f: Function, argnum: int = 0) -> Function:
    """Make a function that multiplies the Hessian by a tensor like the argument at `argnum`. The
    tensor follows the arguments of `f`.

    Example:
        >>> f = lambda x: np.sum(x**3)
        >>> print(hessian_vector_product(f)(np.array([1.0, 2.0]), np.array([1.0, 1.0])))
        [ 6. 12.]
    """

    def along(*args: Any, **kwargs: Any) -> Any:
        *xs, vector = args
        return np.tensordot(grad(f, argnum)(*xs, **kwargs), vector, np.ndim(vector))

    return grad(along, argnum)


hessian_vector_product = hessian_tensor_product


def tensor_jacobian_product(f: Function, argnum: int = 0) -> Function:
    """Make a function that multiplies a tensor by the Jacobian. The tensor follows the arguments of
    `f`.

    Example:
        >>> f = lambda x: x**2
        >>> print(vector_jacobian_product(f)(np.array([1.0, 3.0]), np.array([1.0, 1.0])))
        [2. 6.]
    """

    def along(*args: Any, **kwargs: Any) -> Any:
        *xs, vector = args
        return np.tensordot(vector, f(*xs, **kwargs), np.ndim(vector))

    return jacobian(along, argnum)


vector_jacobian_product = tensor_jacobian_product


def _half_squares(y: Any) -> Any:
    return 0.5 * np.sum(y**2, axis=-1)


def make_ggnvp(f: Function, g: Function = _half_squares, f_argnum: int = 0) -> Function:
    """Make a function that multiplies by the generalized Gauss-Newton matrix of g(f(x)), J^T H J
    for the Jacobian J of f and the Hessian H of g, at a point.

    Example:
        >>> ggnvp = make_ggnvp(lambda x: x**2)(np.array([1.0, 2.0]))
        >>> print(ggnvp(np.array([1.0, 1.0])))  # J^T J v, where J is diag(2 x)
        [ 4. 16.]
    """

    @unary_to_nary
    def ggnvp_of(f: Function, x: Any) -> Function:
        vjp, y = core.make_vjp(f, x)
        hvp, _ = core.make_vjp(grad(g), y)
        jvp = core.make_jvp(f, x)
        return lambda v: vjp(hvp(jvp(v)[1]))

    return ggnvp_of(f, f_argnum)


def checkpoint(f: Function) -> Function:
    """Make `f` keep no intermediate values: the backward pass computes these again.

    Example:
        >>> f = checkpoint(lambda x: np.sum(np.sin(x) ** 2))
        >>> print(grad(f)(np.array([0.0, np.pi / 4])).round(3))
        [0. 1.]
    """
    return _checkpoint(f)
