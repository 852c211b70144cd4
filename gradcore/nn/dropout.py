"""Dropout, as modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from .. import functions
from ..backends import Array
from ..graph import TensorNode
from ..ops.dropout import check_probability
from .module import Module

__all__ = [
    "AlphaDropout",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "FeatureAlphaDropout",
]


class Dropout(Module):
    """Set elements of x (...) to 0, each with probability p, and divide the others by 1 - p: see
    `gradcore.dropout`. After `eval()`, leave x as it is.

    Args:
        p: the probability.
        inplace: without effect; nothing is changed in place.

    Raises:
        ValueError: p is not in [0, 1].

    Example:
        >>> x = gradcore.ones(1000)
        >>> layer = nn.Dropout(0.2)
        >>> y = layer(x)
        >>> print(np.unique(y.value), layer.eval()(x).sum())
        [0.   1.25] 1000.0
    """

    function: ClassVar[Callable[..., TensorNode]] = staticmethod(functions.dropout)

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        check_probability(type(self).__name__, p=p)
        self.p, self.inplace = p, inplace

    def forward(self, x: TensorNode | Array) -> TensorNode:
        return type(self).function(x, self.p, self.training)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.p}{', inplace=True' if self.inplace else ''})"


class Dropout1d(Dropout):
    """Set channels of x (N, C, L) or (C, L) to 0, as `Dropout` does elements: see
    `gradcore.dropout1d`.

    Example:
        >>> y = nn.Dropout1d(0.5)(gradcore.ones((2, 3, 5)))
        >>> print(y.shape, np.unique(y.value.mean(axis=2)))  # whole channels are 0 or 2
        (2, 3, 5) [0. 2.]
    """

    function = staticmethod(functions.dropout1d)


class Dropout2d(Dropout):
    """Set channels of x (N, C, H, W) to 0, as `Dropout` does elements: see `gradcore.dropout2d`.

    Example:
        >>> y = nn.Dropout2d(0.5)(gradcore.ones((2, 8, 4, 4)))
        >>> print(y.shape, np.unique(y.value.mean(axis=(2, 3))))  # whole channels are 0 or 2
        (2, 8, 4, 4) [0. 2.]
    """

    function = staticmethod(functions.dropout2d)


class Dropout3d(Dropout):
    """Set channels of x (N, C, D, H, W) or (C, D, H, W) to 0, as `Dropout` does elements: see
    `gradcore.dropout3d`.

    Example:
        >>> y = nn.Dropout3d(0.5)(gradcore.ones((2, 8, 2, 2, 2)))
        >>> print(y.shape, np.unique(y.value.mean(axis=(2, 3, 4))))  # whole channels are 0 or 2
        (2, 8, 2, 2, 2) [0. 2.]
    """

    function = staticmethod(functions.dropout3d)


class AlphaDropout(Dropout):
    """Set elements of x (...) to the limit of `selu`, and keep mean and variance: see
    `gradcore.alpha_dropout`.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.SELU(), nn.AlphaDropout(0.1))
        >>> print(model(gradcore.randn(5, 4)).shape)
        (5, 8)
    """

    function = staticmethod(functions.alpha_dropout)


class FeatureAlphaDropout(Dropout):
    """Set channels of x (N, C, ...) to the limit of `selu`, and keep mean and variance: see
    `gradcore.feature_alpha_dropout`.

    Example:
        >>> y = nn.FeatureAlphaDropout(0.5)(gradcore.ones((2, 8, 4)))
        >>> print(y.shape, len(np.unique(y.value)))  # each channel has one of two values
        (2, 8, 4) 2
    """

    function = staticmethod(functions.feature_alpha_dropout)
