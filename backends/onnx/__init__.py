"""The ONNX backend: arrays that record what is computed, of which `gradcore.export` writes a file."""

from .backend import OnnxBackend

__all__ = ["OnnxBackend"]
