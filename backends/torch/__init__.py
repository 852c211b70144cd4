"""PyTorch's tensors as arrays, on any device that PyTorch has; its autograd takes no part."""

from .backend import TorchBackend

__all__ = ["TorchBackend"]
