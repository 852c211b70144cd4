"""Dropout: elements, or whole channels, that become 0 at random in training.

`manual_seed` seeds the random numbers. The same seed gives the same zeros on every backend.
`inplace` is without effect: nothing is changed in place.
"""

from __future__ import annotations

from .. import ops
from ..array_api.common import NodeOrArray
from ..backends import random
from ..engine.arrays import describe, raw_array
from ..graph import TensorNode
from ..ops.dropout import check_probability
from ..replay.recording import number

__all__ = [
    "alpha_dropout",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
]

SATURATED = -1.7580993408473766  # what selu tends to: its scale times its alpha, negative


def dropout(
    x: NodeOrArray, p: float = 0.5, training: bool = True, inplace: bool = False
) -> TensorNode:
    """Set each element of x to 0 with probability p, and divide the others by 1 - p
    (https://jmlr.org/papers/v15/srivastava14a.html). Unless `training`, x stays as it is.

    Raises:
        ValueError: p is not in [0, 1].

    Example:
        >>> y = gradcore.dropout(TensorNode(np.ones(1000)), p=0.5)
        >>> print(np.unique(y.value), bool(400 < (y.value == 0).sum() < 600))
        [0. 2.] True
    """
    return _dropped("dropout", x, p, training)


def dropout1d(
    x: NodeOrArray, p: float = 0.5, training: bool = True, inplace: bool = False
) -> TensorNode:
    """Set each channel of x (N, C, L) or (C, L) to 0 with probability p, and divide the others by
    1 - p (https://arxiv.org/abs/1411.4280). Unless `training`, x stays as it is.

    Raises:
        ValueError: p is not in [0, 1], or x has another number of axes.

    Example:
        >>> y = gradcore.dropout1d(TensorNode(np.ones((8, 4, 5))), p=0.5)
        >>> print(np.unique(y.value.sum(-1)))  # whole channels
        [ 0. 10.]
    """
    return _dropped("dropout1d", x, p, training, (2, 3), 1)


def dropout2d(
    x: NodeOrArray, p: float = 0.5, training: bool = True, inplace: bool = False
) -> TensorNode:
    """Set each channel of x (N, C, H, W) to 0 with probability p, and divide the others by 1 - p,
    as `dropout1d` does. An x of three axes is (N, C, L), as in PyTorch.

    Raises:
        ValueError: p is not in [0, 1], or x has another number of axes.

    Example:
        >>> y = gradcore.dropout2d(TensorNode(np.ones((8, 4, 5, 5))), p=0.5)
        >>> print(np.unique(y.value.sum((-1, -2))))  # whole channels
        [ 0. 50.]
    """
    return _dropped("dropout2d", x, p, training, (3, 4))


def dropout3d(
    x: NodeOrArray, p: float = 0.5, training: bool = True, inplace: bool = False
) -> TensorNode:
    """Set each channel of x (N, C, D, H, W) or (C, D, H, W) to 0 with probability p, and divide the
    others by 1 - p, as `dropout1d` does.

    Raises:
        ValueError: p is not in [0, 1], or x has another number of axes.

    Example:
        >>> y = gradcore.dropout3d(TensorNode(np.ones((8, 4, 2, 5, 5))), p=0.5)
        >>> print(np.unique(y.value.sum((-1, -2, -3))))  # whole channels
        [  0. 100.]
    """
    return _dropped("dropout3d", x, p, training, (4, 5), 3)


def alpha_dropout(
    x: NodeOrArray, p: float = 0.5, training: bool = False, inplace: bool = False
) -> TensorNode:
    """Set each element of x to the limit of `selu` with probability p, then scale and shift x so
    that mean 0 and variance 1 stay what they are (https://arxiv.org/abs/1706.02515). Unless
    `training`, x stays as it is.

    Raises:
        ValueError: p is not in [0, 1].

    Example:
        >>> y = gradcore.alpha_dropout(TensorNode(np.ones(1000)), p=0.5, training=True)
        >>> print(len(np.unique(y.value)))  # two: of those that stay, and of the others
        2
    """
    return _saturated("alpha_dropout", x, p, training, None)


def feature_alpha_dropout(
    x: NodeOrArray, p: float = 0.5, training: bool = False, inplace: bool = False
) -> TensorNode:
    """Set each channel of x (N, C, ...) to the limit of `selu` with probability p, then scale and
    shift x, as `alpha_dropout` does with elements.

    Raises:
        ValueError: p is not in [0, 1], or x has fewer than two axes.

    Example:
        >>> y = gradcore.feature_alpha_dropout(TensorNode(np.ones((8, 4, 5))), training=True)
        >>> print(len(np.unique(y.value)))  # two: of channels that stay, and of the others
        2
    """
    if (raw := raw_array(x)).ndim < 2:
        raise ValueError(f"feature_alpha_dropout: x is {describe(raw)}, expected (N, C, ...)")
    return _saturated("feature_alpha_dropout", x, p, training, 2)


def _dropped(
    name: str,
    x: NodeOrArray,
    p: float,
    training: bool,
    dimensions: tuple[int, int] | None = None,
    axes: int = 0,
) -> TensorNode:
    """Set elements to 0 or, if x is to have one of these numbers of dimensions, whole channels.

    Args:
        axes: how many axes a channel has, if the first number of dimensions is without a batch.
    """
    check_probability(name, p=p)
    raw = raw_array(x)
    if dimensions and raw.ndim not in dimensions:
        expected = " or ".join(map(str, dimensions))
        raise ValueError(f"{name}: x is {describe(raw)}, expected {expected} axes")
    if not training or p == 0:
        return ops.Id.do_forward(x)
    key = number(random.new_key, raw, "uint64")
    if not dimensions:
        return ops.Dropout.do_forward(x, p=p, key=key)
    return ops.Dropout.do_forward(x, p=p, key=key, together=1 if raw.ndim == axes + 1 else 2)


def _saturated(
    name: str, x: NodeOrArray, p: float, training: bool, together: int | None
) -> TensorNode:
    check_probability(name, p=p)
    if not training or p == 0:
        return ops.Id.do_forward(x)
    if p == 1:
        return ops.Multiply.do_forward(x, 0.0)  # as in PyTorch
    # With x in place of x - SATURATED, zeros are what is to be SATURATED.
    kept = ops.Dropout.do_forward(
        ops.Sub.do_forward(x, SATURATED),
        p=p,
        key=number(random.new_key, raw_array(x), "uint64"),
        together=together,
    )
    scale = ((1 - p) * (1 + p * SATURATED**2)) ** -0.5
    return kept * ((1 - p) * scale) + scale * SATURATED * (1 - p)
