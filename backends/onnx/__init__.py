"""The ONNX backend: arrays that note what is computed, for the files of `gradcore.export`."""

from .backend import OnnxBackend

__all__ = ["OnnxBackend"]
