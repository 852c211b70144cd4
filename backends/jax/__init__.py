"""JAX's arrays, on any device that JAX has; its transformations take no part."""

from .backend import JaxBackend

__all__ = ["JaxBackend"]
