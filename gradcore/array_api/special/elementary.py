"""Elementary functions that SciPy calls special."""

from __future__ import annotations

import math
from typing import Any

from ... import ops
from ...engine.arrays import namespace
from ...graph import Op, TensorNode
from .. import elementwise
from ..common import NodeOrArray
from ..constant import round as constant_round
from ..elementwise import clip, hypot
from .common import floating, promoted

__all__ = [
    "boxcox",
    "boxcox1p",
    "cbrt",
    "cosdg",
    "cosm1",
    "cotdg",
    "entr",
    "exp2",
    "exp10",
    "expit",
    "expm1",
    "exprel",
    "huber",
    "inv_boxcox",
    "inv_boxcox1p",
    "kl_div",
    "log1p",
    "log_expit",
    "log_softmax",
    "logaddexp",
    "logit",
    "logsumexp",
    "powm1",
    "pseudo_huber",
    "radian",
    "rel_entr",
    "round",
    "sinc",
    "sindg",
    "softmax",
    "tandg",
    "xlog1py",
    "xlogy",
]

# The standard's functions, of numbers and lists too.
expm1, log1p = promoted(elementwise.expm1), promoted(elementwise.log1p)
logaddexp = promoted(elementwise.logaddexp)
round = promoted(constant_round)  # noqa: A001


# -- Exponential functions and logarithms ----------------------------------------------------------


def expit(x: NodeOrArray) -> TensorNode:
    """Compute the logistic sigmoid, 1 / (1 + exp(-x)).

    Example:
        >>> print(gradcore.special.expit([-1.0, 0.0, 2.0]).value.round(3))
        [0.269 0.5   0.881]
    """
    return ops.Sigmoid.do_forward(floating(x))


def log_expit(x: NodeOrArray) -> TensorNode:
    """Compute log(expit(x)), also where expit(x) is close to 0 or 1.

    Example:
        >>> print(gradcore.special.log_expit([-100.0, 0.0, 2.0]).value.round(3))
        [-100.      -0.693   -0.127]
    """
    x = ops.Negative.do_forward(floating(x))
    return -ops.Softplus.do_forward(x, beta=1.0, threshold=math.inf)


def logit(x: NodeOrArray) -> TensorNode:
    """Compute log(x / (1 - x)), the inverse of `expit`: infinite at 0 and 1, NaN beyond.

    Example:
        >>> print(gradcore.special.logit([0.0, 0.5, 0.9]).value.round(3))
        [ -inf 0.    2.197]
    """
    return ops.Logit.do_forward(floating(x))


@promoted
def exp2(x: NodeOrArray) -> TensorNode:
    """Compute 2 to the power x.

    Example:
        >>> print(gradcore.special.exp2([-1.0, 3.0]).value)
        [0.5 8. ]
    """
    return ops.Power.apply(2.0, x)


@promoted
def exp10(x: NodeOrArray) -> TensorNode:
    """Compute 10 to the power x.

    Example:
        >>> print(gradcore.special.exp10([0.0, 1.0, 3.0]).value)
        [   1.   10. 1000.]
    """
    return ops.Power.apply(10.0, x)


def exprel(x: NodeOrArray) -> TensorNode:
    """Compute (exp(x) - 1) / x, which is 1 at 0.

    Example:
        >>> print(gradcore.special.exprel([0.0, 1.0]).value.round(3))
        [1.    1.718]
    """
    return ops.Exprel.do_forward(floating(x))


def cbrt(x: NodeOrArray) -> TensorNode:
    """Compute the real cube root. At 0 its derivative is infinite.

    Example:
        >>> print(gradcore.special.cbrt([-8.0, 27.0]).value)
        [-2.  3.]
    """
    return ops.Cbrt.do_forward(floating(x))


@promoted
def powm1(x: NodeOrArray, y: NodeOrArray) -> TensorNode:
    """Compute x ** y - 1, exactly even where the power is close to 1.

    Example:
        >>> print(gradcore.special.powm1([4.0, 9.0], 0.5).value)
        [1. 2.]
    """
    xp = namespace(x)
    log = y * xp.log(xp.where(x > 0, x, 1.0))
    is_near = (x > 0) & (xp.abs(log) < 0.5)
    return xp.where(is_near, xp.expm1(xp.where(is_near, log, 0.0)), x**y - 1)


@promoted
def xlogy(x: NodeOrArray, y: NodeOrArray) -> TensorNode:
    """Compute x log(y), which is 0 where x is 0, unless y is NaN. The gradient of x is log(y), also
    where both are 0.

    Example:
        >>> print(gradcore.special.xlogy([0.0, 2.0], [0.0, 3.0]).value.round(3))  # 0, and 2 log(3)
        [0.    2.197]
    """
    return ops.XLogY.do_forward(x, y)


@promoted
def xlog1py(x: NodeOrArray, y: NodeOrArray) -> TensorNode:
    """Compute x log(1 + y), which is 0 where x is 0, unless y is NaN.

    Example:
        >>> print(gradcore.special.xlog1py([0.0, 2.0], [-1.0, 1.0]).value.round(3))
        [0.    1.386]
    """
    return ops.XLog1py.do_forward(x, y)


@promoted
def boxcox(x: NodeOrArray, lmbda: NodeOrArray) -> TensorNode:
    """Compute (x ** lmbda - 1) / lmbda, which is log(x) where lmbda is 0.

    Example:
        >>> print(gradcore.special.boxcox(4.0, [0.0, 0.5, 1.0]).value.round(3))  # the first: log(4)
        [1.386 2.    3.   ]
    """
    return ops.BoxCox.do_forward(namespace(x).log(x), lmbda)


@promoted
def boxcox1p(x: NodeOrArray, lmbda: NodeOrArray) -> TensorNode:
    """Compute `boxcox(1 + x, lmbda)`, exactly even for small x.

    Example:
        >>> print(gradcore.special.boxcox1p([0.0, 3.0], 0.5).value)
        [0. 2.]
    """
    return ops.BoxCox.do_forward(log1p(x), lmbda)


@promoted
def inv_boxcox(y: NodeOrArray, lmbda: NodeOrArray) -> TensorNode:
    """Compute the x with boxcox(x, lmbda) = y.

    Example:
        >>> print(gradcore.special.inv_boxcox([0.0, 2.0], 0.5).value)
        [1. 4.]
    """
    return namespace(y).exp(ops.BoxCoxInverse.do_forward(y, lmbda))


@promoted
def inv_boxcox1p(y: NodeOrArray, lmbda: NodeOrArray) -> TensorNode:
    """Compute the x with boxcox1p(x, lmbda) = y.

    Example:
        >>> print(gradcore.special.inv_boxcox1p([0.0, 2.0], 0.5).value)
        [0. 3.]
    """
    return expm1(ops.BoxCoxInverse.do_forward(y, lmbda))


# -- Entropies and losses --------------------------------------------------------------------------


def entr(x: NodeOrArray) -> TensorNode:
    """Compute -x log(x), whose sum is the entropy: 0 at 0, where its derivative is infinite, and
    -inf below 0.

    Example:
        >>> print(gradcore.special.entr([0.25, 0.75]).value.round(3))
        [0.347 0.216]
    """
    return ops.Entropy.do_forward(floating(x))


@promoted
def rel_entr(x: NodeOrArray, y: NodeOrArray) -> TensorNode:
    """Compute x log(x / y): 0 where x is 0 and y is not negative, infinite where one is negative,
    or only y is 0.

    Example:
        >>> print(gradcore.special.rel_entr([0.25, 0.75], 0.5).value.round(3))
        [-0.173  0.304]
    """
    return ops.RelativeEntropy.do_forward(x, y)


@promoted
def kl_div(x: NodeOrArray, y: NodeOrArray) -> TensorNode:
    """Compute x log(x / y) - x + y, without a loss of digits where x is close to y: y where x is 0
    and y is not negative, infinite where one is negative, or only y is 0.

    Example:
        >>> print(gradcore.special.kl_div([0.0, 1.0, 2.0], 1.0).value.round(3))
        [1.    0.    0.386]
    """
    return ops.KlDiv.do_forward(x, y)


@promoted
def huber(delta: NodeOrArray, r: NodeOrArray) -> TensorNode:
    """Compute r² / 2 where |r| <= delta, else delta (|r| - delta / 2); infinite for delta < 0.

    Example:
        >>> print(gradcore.special.huber(1.0, [0.5, 3.0]).value)
        [0.125 2.5  ]
    """
    c = clip(r, -delta, delta)
    return namespace(r).where(delta < 0, math.inf, c * (r - 0.5 * c))


@promoted
def pseudo_huber(delta: NodeOrArray, r: NodeOrArray) -> TensorNode:
    """Compute delta² (sqrt(1 + (r / delta)²) - 1), a smooth `huber`; infinite for delta < 0.

    Example:
        >>> print(gradcore.special.pseudo_huber(1.0, [0.5, 3.0]).value.round(3))
        [0.118 2.162]
    """
    xp = namespace(r)
    below = delta + hypot(delta, r)
    y = r * (r * delta / xp.where(below == 0, 1.0, below))
    return xp.where(delta < 0, math.inf, y)


# -- Angles ----------------------------------------------------------------------------------------


def sinc(x: NodeOrArray) -> TensorNode:
    """Compute sin(pi x) / (pi x), which is 1 at 0 and exactly 0 at other whole numbers.

    Example:
        >>> print(gradcore.special.sinc([0.0, 0.5, 1.0]).value.round(3))
        [1.    0.637 0.   ]
    """
    return ops.Sinc.do_forward(floating(x))


def sindg(x: NodeOrArray) -> TensorNode:
    """Compute the sine of x degrees, exactly 0 at multiples of 180.

    Example:
        >>> print(gradcore.special.sindg([0.0, 30.0, 90.0]).value.round(3))
        [0.  0.5 1. ]
    """
    return ops.SinDegrees.do_forward(floating(x))


def cosdg(x: NodeOrArray) -> TensorNode:
    """Compute the cosine of x degrees, exactly 0 at 90 and 270.

    Example:
        >>> print(gradcore.special.cosdg([0.0, 60.0, 90.0]).value.round(3))
        [1.  0.5 0. ]
    """
    return ops.CosDegrees.do_forward(floating(x))


@promoted
def tandg(x: NodeOrArray) -> TensorNode:
    """Compute the tangent of x degrees.

    Example:
        >>> print(gradcore.special.tandg([0.0, 45.0]).value.round(3))
        [0. 1.]
    """
    return sindg(x) / cosdg(x)


@promoted
def cotdg(x: NodeOrArray) -> TensorNode:
    """Compute the cotangent of x degrees.

    Example:
        >>> print(gradcore.special.cotdg([45.0, 90.0]).value.round(3))
        [1. 0.]
    """
    return cosdg(x) / sindg(x)


@promoted
def radian(d: NodeOrArray, m: NodeOrArray, s: NodeOrArray) -> TensorNode:
    """Convert an angle of d degrees, m minutes and s seconds to radians.

    Example:
        >>> print(gradcore.special.radian(180.0, 30.0, 0.0).value.round(3))
        3.15
    """
    return (math.pi / 180 / 3600) * (60.0 * (60.0 * d + m) + s)


@promoted
def cosm1(x: NodeOrArray) -> TensorNode:
    """Compute cos(x) - 1, exactly even for small x.

    Example:
        >>> print(gradcore.special.cosm1(1e-8).value.round(20))  # where cos(x) - 1 is 0
        -5e-17
    """
    sine = namespace(x).sin(0.5 * x)
    return -2.0 * sine * sine


# -- Along axes ------------------------------------------------------------------------------------


def logsumexp(x: NodeOrArray, axis: Any = None, keepdims: bool = False) -> TensorNode:
    """Compute log(sum(exp(x))) of all elements, or along the axis, without overflow.

    Example:
        >>> print(gradcore.special.logsumexp([1000.0, 1000.0]).value.round(3))
        1000.693
    """
    return ops.LogSumExp.do_forward(floating(x), axis=axis, keepdims=keepdims)


def softmax(x: NodeOrArray, axis: int | None = None) -> TensorNode:
    """Compute exp(x), divided by its sum over all elements, or along the axis.

    Example:
        >>> print(gradcore.special.softmax([1.0, 2.0, 3.0]).value.round(3))
        [0.09  0.245 0.665]
    """
    return _along(ops.Softmax, floating(x), axis)


def log_softmax(x: NodeOrArray, axis: int | None = None) -> TensorNode:
    """Compute log(softmax(x, axis)), also where a probability is too small for its dtype.

    Example:
        >>> print(gradcore.special.log_softmax([1.0, 2.0, 3.0]).value.round(3))
        [-2.408 -1.408 -0.408]
    """
    return _along(ops.LogSoftmax, floating(x), axis)


def _along(op: type[Op], x: NodeOrArray, axis: int | None) -> TensorNode:
    """Apply an op along the axis, or to all elements as to one row."""
    if axis is not None:
        return op.do_forward(x, axis=axis)
    y = op.do_forward(namespace(x).reshape(x, (-1,)), axis=0)
    return namespace(y).reshape(y, tuple(x.shape))
