"""Layers that make images columns of windows and back, and channels pixels and back; arguments are
those of torch.nn."""

from __future__ import annotations

from ..functions import unfolding
from .activations import Function

__all__ = ["ChannelShuffle", "Fold", "PixelShuffle", "PixelUnshuffle", "Unfold"]


class Unfold(Function):
    function = staticmethod(unfolding.unfold)


class Fold(Function):
    function = staticmethod(unfolding.fold)


class PixelShuffle(Function):
    function = staticmethod(unfolding.pixel_shuffle)


class PixelUnshuffle(Function):
    function = staticmethod(unfolding.pixel_unshuffle)


class ChannelShuffle(Function):
    function = staticmethod(unfolding.channel_shuffle)
