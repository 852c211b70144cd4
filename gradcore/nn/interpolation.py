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
    smaller size; see `gradcore.interpolate`, which has the same arguments and errors."""

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
    """Resize images x (N, C, H, W) by taking the nearest element; see `Upsample`."""

    def __init__(self, size: Size | None = None, scale_factor: Factor | None = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Resize images x (N, C, H, W) bilinearly, with the corners in place; see `Upsample`."""

    def __init__(self, size: Size | None = None, scale_factor: Factor | None = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
