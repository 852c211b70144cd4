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

    Example:
        >>> w = nn.init.initial("he", (100, 200), fan_in=200, fan_out=100)
        >>> print(w.shape, w.dtype, w.std().round(2))  # sqrt(2 / 200)
        (100, 200) float32 0.1
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

    Example:
        >>> w = nn.init.uniform_(nn.Linear(200, 100).w, -0.1, 0.1)
        >>> print(w.value.min().round(2), w.value.max().round(2))
        -0.1 0.1
    """
    rng = generator or default_generator()
    return _filled("uniform_", tensor, lambda shape: rng.uniform(a, b, shape))


def normal_(
    tensor: TensorNode, mean: float = 0.0, std: float = 1.0, generator: Any = None
) -> TensorNode:
    """Draw from the normal distribution; arguments and errors as those of `uniform_`.

    Example:
        >>> w = nn.init.normal_(nn.Linear(200, 100).w, std=0.02)
        >>> print(w.value.std().round(3))
        0.02
    """
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

    Example:
        >>> w = nn.init.trunc_normal_(nn.Linear(200, 100).w, std=0.02, a=-0.04, b=0.04)
        >>> print(w.value.min() >= -0.04, w.value.max() <= 0.04)
        True True
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
    """Set all elements to the number `val`; errors as those of `uniform_`.

    Example:
        >>> layer = nn.Linear(2, 3)
        >>> print(nn.init.constant_(layer.b, 0.1))
        [[0.1 0.1 0.1]]
    """
    return _filled("constant_", tensor, lambda shape: get("numpy").xp.full(shape, float(val)))


def ones_(tensor: TensorNode) -> TensorNode:
    """Set all elements to 1; errors as those of `uniform_`.

    Example:
        >>> print(nn.init.ones_(nn.Linear(2, 3).b))
        [[1. 1. 1.]]
    """
    return constant_(tensor, 1.0)


def zeros_(tensor: TensorNode) -> TensorNode:
    """Set all elements to 0; errors as those of `uniform_`.

    Example:
        >>> print(nn.init.zeros_(nn.Linear(2, 3).b))
        [[0. 0. 0.]]
    """
    return constant_(tensor, 0.0)


def eye_(tensor: TensorNode) -> TensorNode:
    """Set a matrix (N, M) to ones on the diagonal and zeros elsewhere, so that a Linear gives its
    inputs.

    Raises:
        ValueError: it has not two dimensions; and as `uniform_`.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> w = nn.init.eye_(layer.w)
        >>> print(layer(TensorNode([[3.0, 4.0]])))
        [[3. 4.]]
    """
    return _filled("eye_", tensor, lambda shape: get("numpy").xp.eye(*shape), (2, 2))


def dirac_(tensor: TensorNode, groups: int = 1) -> TensorNode:
    """Set the weights (O, C, K, ...) of a convolution to ones at the middle of the kernel from each
    channel to the same channel, and zeros elsewhere, so that it gives its inputs, in each group.

    Raises:
        ValueError: the weights have fewer than three dimensions or more than five, or O is no
            multiple of `groups`; and as `uniform_`.

    Example:
        >>> layer = nn.Conv2d(3, 3, kernel_size=3, padding=1, bias=False)
        >>> w = nn.init.dirac_(layer.w)
        >>> x = gradcore.randn(1, 3, 8, 8)
        >>> print(np.allclose(layer(x).value, x.value))
        True
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

    Example:
        >>> print(round(nn.init.calculate_gain("relu"), 3))
        1.414
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

    Example:
        >>> w = nn.init.xavier_uniform_(nn.Linear(200, 100).w)
        >>> print(w.value.max().round(2))  # sqrt(3) sqrt(2 / 300)
        0.14
    """
    limit = gain * sqrt(6 / max(sum(_fans("xavier_uniform_", tensor)), 1))
    return uniform_(tensor, -limit, limit, generator)


def xavier_normal_(tensor: TensorNode, gain: float = 1.0, generator: Any = None) -> TensorNode:
    """Draw weights as `xavier_uniform_` does, from a normal distribution.

    Example:
        >>> w = nn.init.xavier_normal_(nn.Linear(200, 100).w)
        >>> print(w.value.std().round(2))  # sqrt(2 / 300)
        0.08
    """
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

    Example:
        >>> w = nn.init.kaiming_uniform_(nn.Linear(200, 100).w, nonlinearity="relu")
        >>> print(w.value.max().round(2))  # sqrt(3) sqrt(2 / 200)
        0.17
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
    """Draw weights as `kaiming_uniform_` does, from a normal distribution.

    Example:
        >>> w = nn.init.kaiming_normal_(nn.Linear(200, 100).w, nonlinearity="relu")
        >>> print(w.value.std().round(2))  # sqrt(2 / 200)
        0.1
    """
    std = _kaiming_deviation("kaiming_normal_", tensor, a, mode, nonlinearity)
    return normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor: TensorNode, gain: float = 1, generator: Any = None) -> TensorNode:
    """Draw weights (O, ...), as a matrix of O rows, whose rows or, if there are more of them, whose
    columns are orthogonal and of length gain (https://arxiv.org/abs/1312.6120).

    Raises:
        ValueError: the weights have fewer than two dimensions; and as `uniform_`.

    Example:
        >>> w = nn.init.orthogonal_(nn.Linear(4, 2).w)  # (2, 4)
        >>> print(np.allclose(w.value @ w.value.T, np.eye(2), atol=1e-5))
        True
    """
    rng = generator or default_generator()

    def draw(shape: tuple[int, ...]) -> Array:
        x = rng.normal(size=(shape[0], prod(shape[1:])))
        xp = namespace(x)
        if not prod(x.shape):
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

    Example:
        >>> w = nn.init.sparse_(nn.Linear(5, 10).w, sparsity=0.3)  # (10, 5)
        >>> print((w.value == 0).sum(axis=0))
        [3 3 3 3 3]
    """
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_: sparsity = {sparsity}, expected a part, from 0 to 1")
    rng = generator or default_generator()

    def draw(shape: tuple[int, ...]) -> Array:
        x = rng.normal(0.0, std, shape)
        ranks = rng.random(shape).argsort(axis=0)  # each column a random order
        return namespace(x).where(ranks < ceil(sparsity * shape[0]), 0.0, x)

    return _filled("sparse_", tensor, draw, (2, 2))
