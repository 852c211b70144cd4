"""Layers that resize sequences, images and volumes; arguments are those of torch.nn."""

from __future__ import annotations

from ..backends import Array
from ..functions.interpolation import Factor, interpolate
from ..functions.sizes import Size
from ..graph import TensorNode
from .module import Module

__all__ = ["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]


class Upsample(Module):
    """Resize sequences x (N, C, L), images (N, C, H, W) or volumes (N, C, D, H, W), also to a
    smaller size; see `gradcore.interpolate`, which has the same arguments and errors.

    Example:
        >>> print(nn.Upsample(scale_factor=2)(TensorNode([[[1.0, 2.0]]])))
        [[[1. 1. 2. 2.]]]
        >>> larger = nn.Upsample(size=(64, 64), mode="bilinear")
        >>> print(larger(gradcore.ones((8, 3, 32, 32))).shape)
        (8, 3, 64, 64)
    """

    def __init__(
        self,
        size: Size | None = None,
        scale_factor: Factor | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        self.size, self.scale_factor, self.mode = size, scale_factor, mode
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def forward(self, x: TensorNode | Array) -> TensorNode:
        settings = self.align_corners, self.recompute_scale_factor
        return interpolate(x, self.size, self.scale_factor, self.mode, *settings)

    def __repr__(self) -> str:
        names = ("size", "scale_factor", "mode", "align_corners", "recompute_scale_factor")
        settings = [(name, getattr(self, name)) for name in names]
        given = ", ".join(f"{name}={x!r}" for name, x in settings if x is not None)
        return f"{type(self).__name__}({given})"


class UpsamplingNearest2d(Upsample):
    """Resize images x (N, C, H, W) by taking the nearest element; see `Upsample`.

    Example:
        >>> print(nn.UpsamplingNearest2d(scale_factor=2)(TensorNode([[[[1.0, 2.0]]]])).tolist())
        [[[[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]]]
    """

    def __init__(self, size: Size | None = None, scale_factor: Factor | None = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Resize images x (N, C, H, W) bilinearly, with the corners in place; see `Upsample`.

    Example:
        >>> print(nn.UpsamplingBilinear2d(size=(1, 3))(TensorNode([[[[1.0, 2.0]]]])))
        [[[[1.  1.5 2. ]]]]
    """

    def __init__(self, size: Size | None = None, scale_factor: Factor | None = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
