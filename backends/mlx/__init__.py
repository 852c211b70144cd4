"""Apple's MLX: arrays on the GPU of a Mac, in float32."""

from .backend import MlxBackend

__all__ = ["MlxBackend"]
