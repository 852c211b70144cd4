"""Initial weights, drawn from the distributions that people train with.

The functions whose names end in `_` are those of torch.nn.init: each gives a node, such as
`layer.w`, a new value of the same shape, dtype and place, and returns the node. All draw on the
host in float64 and then round, so that the same seed gives the same weights on every backend.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, erf, inf, prod, sqrt
from typing import Any

from ..backends import Array, default, get
from ..backends.random import generator as default_generator
from ..engine.arrays import copied, describe, is_real_floating, namespace
from ..graph import TensorNode

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "initial",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]


def initial(
    init: str, shape: tuple[int, ...], fan_in: int, fan_out: int, dtype: Any = "float32"
) -> Array:
    """Draw initial weights of this shape, an array of the default backend.

    Args:
        init: "glorot" or "glorot_uniform" (https://proceedings.mlr.press/v9/glorot10a.html), "he"
            (https://arxiv.org/abs/1502.01852), "normal" (of mean 0 and deviation 1), "zeros", or
            "kaiming_uniform", as PyTorch draws those of its layers by default (`a=sqrt(5)`).
        fan_in: how many inputs each output depends on.
        fan_out: how many outputs depend on each input.

    Raises:
        ValueError: there is no such `init`.
        TypeError: the dtype is not real floating.
    """
    if not is_real_floating(default().asarray([0.0], dtype)):
        raise TypeError(f"weights: dtype = {dtype!r}, expected real floating, such as 'float32'")
    deviations = {  # of normal distributions
        "glorot": sqrt(2 / (fan_in + fan_out)),
        "he": sqrt(2 / fan_in),
        "normal": 1.0,
        "zeros": 0.0,
    }
    limits = {  # of uniform distributions
        "glorot_uniform": sqrt(6 / (fan_in + fan_out)),
        "kaiming_uniform": 1 / sqrt(fan_in),
    }
    if init in deviations:
        drawn = default_generator().normal(0.0, deviations[init], shape)
    elif init in limits:
        drawn = default_generator().uniform(-limits[init], limits[init], shape)
    else:
        expected = ", ".join(sorted(deviations | limits))
        raise ValueError(f"init = {init!r}, expected one of {expected}")
    return default().asarray(drawn, dtype)


# -- torch.nn.init ---------------------------------------------------------------------------------


def _filled(
    name: str,
    node: TensorNode,
    draw: Callable[[tuple[int, ...]], Array],
    dimensions: tuple[int, float] = (0, inf),
) -> TensorNode:
    """Give the node the value that is drawn for its shape.

    Raises:
        TypeError: it is no node, or not of real floating numbers.
        ValueError: an op computed it, or it has fewer or more dimensions.
    """
    if not isinstance(node, TensorNode):
        kind = type(node).__name__
        raise TypeError(f"{name}: expected a node, whose value can be replaced, not {kind}")
    if node.source is not None:
        op = node.source.op.__name__
        raise ValueError(f"{name}: the node was computed, by {op}; give the parameter itself")
    if not is_real_floating(node.value):
        raise TypeError(f"{name}: the node is {describe(node.value)}, expected real floating")
    least, most = dimensions
    if not least <= node.value.ndim <= most:
        expected = f"{least} or more" if most == inf else f"{least} to {most}"
        expected = str(least) if least == most else expected
        raise ValueError(f"{name}: {describe(node.value)}, expected {expected} dimensions")
    node.value = copied(draw(tuple(node.value.shape)), node.value)
    return node


def uniform_(
    tensor: TensorNode, a: float = 0.0, b: float = 1.0, generator: Any = None
) -> TensorNode:
    """Draw from the uniform distribution from a to b.

    Args:
        tensor: a node of any shape.
        generator: of NumPy, to draw from; by default the one that `manual_seed` seeds.

    Raises:
        TypeError: it is no node of real floating numbers. ValueError: an op computed it.
    """
    rng = generator or default_generator()
    return _filled("uniform_", tensor, lambda shape: rng.uniform(a, b, shape))


def normal_(
    tensor: TensorNode, mean: float = 0.0, std: float = 1.0, generator: Any = None
) -> TensorNode:
    """Draw from the normal distribution; arguments and errors as those of `uniform_`."""
    rng = generator or default_generator()
    return _filled("normal_", tensor, lambda shape: rng.normal(mean, std, shape))


def trunc_normal_(
    tensor: TensorNode,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> TensorNode:
    """Draw from the normal distribution, of which only the part from a to b is kept.

    Raises:
        ValueError: a is not below b, or `std` is not positive; and as `uniform_`.
    """
    if not (a < b and 0 < std < inf and -inf < mean < inf):
        raise ValueError(
            f"trunc_normal_: mean {mean}, std {std}, from a = {a} to b = {b}; expected a < b, and "
            "a positive std"
        )
    rng, host = generator or default_generator(), get("numpy").xp
    mode = max(a, min(mean, b))
    # Beyond this there is nothing to be drawn.
    reach = 40 * std / max(1.0, abs(mode - mean) / std)
    low, high = max(a, mode - reach), min(b, mode + reach)
    part = (erf((b - mean) / std / sqrt(2)) - erf((a - mean) / std / sqrt(2))) / 2

    def draw(shape: tuple[int, ...]) -> Array:
        drawn = host.empty(prod(shape))
        open_places = host.arange(drawn.size)
        while open_places.size:  # draw again where what was drawn is refused
            n = open_places.size
            if part > 0.3:
                new = rng.normal(mean, std, n)
                accepted = (new >= a) & (new <= b)
            else:
                new = rng.uniform(low, high, n)
                height = (((mode - mean) / std) ** 2 - ((new - mean) / std) ** 2) / 2
                accepted = host.log1p(-rng.random(n)) <= height
            drawn[open_places] = new
            open_places = open_places[~accepted]
        return host.reshape(drawn, shape)

    return _filled("trunc_normal_", tensor, draw)


def constant_(tensor: TensorNode, val: float) -> TensorNode:
    """Set all elements to the number `val`; errors as those of `uniform_`."""
    return _filled("constant_", tensor, lambda shape: get("numpy").xp.full(shape, float(val)))


def ones_(tensor: TensorNode) -> TensorNode:
    """Set all elements to 1; errors as those of `uniform_`."""
    return constant_(tensor, 1.0)


def zeros_(tensor: TensorNode) -> TensorNode:
    """Set all elements to 0; errors as those of `uniform_`."""
    return constant_(tensor, 0.0)


def eye_(tensor: TensorNode) -> TensorNode:
    """Set a matrix (N, M) to ones on the diagonal and zeros elsewhere, so that a Linear gives its
    inputs.

    Raises:
        ValueError: it has not two dimensions; and as `uniform_`.
    """
    return _filled("eye_", tensor, lambda shape: get("numpy").xp.eye(*shape), (2, 2))


def dirac_(tensor: TensorNode, groups: int = 1) -> TensorNode:
    """Set the weights (O, C, K, ...) of a convolution to ones at the middle of the kernel from each
    channel to the same channel, and zeros elsewhere, so that it gives its inputs, in each group.

    Raises:
        ValueError: the weights have fewer than three dimensions or more than five, or O is no
            multiple of `groups`; and as `uniform_`.
    """

    def draw(shape: tuple[int, ...]) -> Array:
        outputs, inputs, *kernel = shape
        if groups < 1 or outputs % groups:
            raise ValueError(f"dirac_: shape {shape}, expected a multiple of groups = {groups}")
        y = get("numpy").xp.zeros(shape)
        for i in range(outputs):
            channel = i % (outputs // groups)
            if channel < inputs:
                y[(i, channel, *[k // 2 for k in kernel])] = 1.0
        return y

    return _filled("dirac_", tensor, draw, (3, 5))


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Give the factor for the deviation of weights before a nonlinearity, which keeps the variance.

    Args:
        nonlinearity: "linear", "conv2d" and the like, "sigmoid", "tanh", "relu", "leaky_relu" or
            "selu".
        param: the negative slope of "leaky_relu", by default 0.01.

    Raises:
        ValueError: there is no such nonlinearity, or `param` is no number.
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, int | float):
            raise ValueError(f"calculate_gain: param = {param!r}, expected a negative slope")
        return sqrt(2 / (1 + slope**2))
    layers = ["linear", *[f"conv{t}{n}d" for t in ("", "_transpose") for n in (1, 2, 3)]]
    gains = {**dict.fromkeys([*layers, "sigmoid"], 1.0)}
    gains |= {"tanh": 5 / 3, "relu": sqrt(2), "selu": 3 / 4}
    if nonlinearity not in gains:
        expected = ", ".join([*gains, "leaky_relu"])
        raise ValueError(f"calculate_gain: {nonlinearity!r}, expected one of {expected}")
    return gains[nonlinearity]


def _fans(name: str, tensor: TensorNode) -> tuple[int, int]:
    """Read fan-in and fan-out off the shape of weights (O, C, ...), as PyTorch does."""
    shape = tuple(getattr(tensor, "shape", ()))
    if len(shape) < 2:
        raise ValueError(f"{name}: shape {shape} has no fans, expected two or more dimensions")
    return shape[1] * prod(shape[2:]), shape[0] * prod(shape[2:])


def xavier_uniform_(tensor: TensorNode, gain: float = 1.0, generator: Any = None) -> TensorNode:
    """Draw weights (O, C, ...) from the uniform distribution of deviation gain times
    sqrt(2 / (fan_in + fan_out)) (https://proceedings.mlr.press/v9/glorot10a.html).

    Raises:
        ValueError: they have fewer than two dimensions; and as `uniform_`.
    """
    limit = gain * sqrt(6 / max(sum(_fans("xavier_uniform_", tensor)), 1))
    return uniform_(tensor, -limit, limit, generator)


def xavier_normal_(tensor: TensorNode, gain: float = 1.0, generator: Any = None) -> TensorNode:
    """Draw weights as `xavier_uniform_` does, from a normal distribution."""
    std = gain * sqrt(2 / max(sum(_fans("xavier_normal_", tensor)), 1))
    return normal_(tensor, 0.0, std, generator)


def _kaiming_deviation(
    name: str, tensor: TensorNode, a: float, mode: str, nonlinearity: str
) -> float:
    fans = dict(zip(("fan_in", "fan_out"), _fans(name, tensor), strict=True))
    if mode not in fans:
        raise ValueError(f"{name}: mode = {mode!r}, expected 'fan_in' or 'fan_out'")
    return calculate_gain(nonlinearity, a) / sqrt(max(fans[mode], 1))


def kaiming_uniform_(
    tensor: TensorNode,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> TensorNode:
    """Draw weights (O, C, ...) from the uniform distribution of deviation gain / sqrt(fan)
    (https://arxiv.org/abs/1502.01852).

    Args:
        a: the negative slope, for "leaky_relu".
        mode: which fan: "fan_in" or "fan_out".
        nonlinearity: what follows the layer, see `calculate_gain`.

    Raises:
        ValueError: there is no such mode or nonlinearity, or the weights have fewer than two
            dimensions; and as `uniform_`.
    """
    limit = sqrt(3) * _kaiming_deviation("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -limit, limit, generator)


def kaiming_normal_(
    tensor: TensorNode,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> TensorNode:
    """Draw weights as `kaiming_uniform_` does, from a normal distribution."""
    std = _kaiming_deviation("kaiming_normal_", tensor, a, mode, nonlinearity)
    return normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor: TensorNode, gain: float = 1, generator: Any = None) -> TensorNode:
    """Draw weights (O, ...), as a matrix of O rows, whose rows or, if there are more of them, whose
    columns are orthogonal and of length gain (https://arxiv.org/abs/1312.6120).

    Raises:
        ValueError: the weights have fewer than two dimensions; and as `uniform_`.
    """
    rng = generator or default_generator()

    def draw(shape: tuple[int, ...]) -> Array:
        x = rng.normal(size=(shape[0], prod(shape[1:])))
        xp = namespace(x)
        if not x.size:
            return xp.reshape(x, shape)
        q, r = xp.linalg.qr(x if x.shape[0] >= x.shape[1] else x.T)
        q = q * xp.sign(xp.linalg.diagonal(r))  # https://arxiv.org/abs/math-ph/0609050
        return gain * xp.reshape(q if x.shape[0] >= x.shape[1] else q.T, shape)

    return _filled("orthogonal_", tensor, draw, (2, inf))


def sparse_(
    tensor: TensorNode, sparsity: float, std: float = 0.01, generator: Any = None
) -> TensorNode:
    """Draw a matrix (N, M) from a normal distribution, with zeros in each column
    (https://www.cs.toronto.edu/~jmartens/docs/Deep_HessianFree.pdf).

    Args:
        sparsity: the part of each column that is zeros, rounded up.

    Raises:
        ValueError: the matrix has not two dimensions, or `sparsity` is not from 0 to 1; and as
            `uniform_`.
    """
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_: sparsity = {sparsity}, expected a part, from 0 to 1")
    rng = generator or default_generator()

    def draw(shape: tuple[int, ...]) -> Array:
        x = rng.normal(0.0, std, shape)
        ranks = rng.random(shape).argsort(axis=0)  # each column a random order
        return namespace(x).where(ranks < ceil(sparsity * shape[0]), 0.0, x)

    return _filled("sparse_", tensor, draw, (2, 2))
