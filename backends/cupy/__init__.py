"""CuPy: CUDA GPUs. Importing this package needs CuPy installed, but no GPU."""

from .backend import CupyBackend

__all__ = ["CupyBackend"]
