"""Layers that make images columns of windows and back, and channels pixels and back; arguments are
those of torch.nn."""

from __future__ import annotations

from ..functions import unfolding
from .activations import Function

__all__ = ["ChannelShuffle", "Fold", "PixelShuffle", "PixelUnshuffle", "Unfold"]


class Unfold(Function):
    """
    Example:
        >>> x = gradcore.arange(9.0).reshape(1, 1, 3, 3)
        >>> print(nn.Unfold(2)(x)[0, :, 0])  # of 4 windows of 2 * 2 elements, the first
        [0. 1. 3. 4.]
    """

    function = staticmethod(unfolding.unfold)


class Fold(Function):
    """
    Example:
        >>> windows = nn.Unfold(2, stride=2)(gradcore.ones((1, 3, 4, 4)))
        >>> print(windows.shape, nn.Fold((4, 4), 2, stride=2)(windows).shape)
        (1, 12, 4) (1, 3, 4, 4)
    """

    function = staticmethod(unfolding.fold)


class PixelShuffle(Function):
    """
    Example:
        >>> print(nn.PixelShuffle(2)(gradcore.ones((8, 12, 4, 4))).shape)
        (8, 3, 8, 8)
    """

    function = staticmethod(unfolding.pixel_shuffle)


class PixelUnshuffle(Function):
    """
    Example:
        >>> print(nn.PixelUnshuffle(2)(gradcore.ones((8, 3, 8, 8))).shape)
        (8, 12, 4, 4)
    """

    function = staticmethod(unfolding.pixel_unshuffle)


class ChannelShuffle(Function):
    """
    Example:
        >>> print(nn.ChannelShuffle(2)(gradcore.arange(4.0).reshape(1, 4, 1)).reshape(-1))
        [0. 2. 1. 3.]
    """

    function = staticmethod(unfolding.channel_shuffle)
