"""Intel's dpnp: NumPy's functions on any device that SYCL has, such as Intel's GPUs and CPUs."""

from .backend import DpnpBackend

__all__ = ["DpnpBackend"]
