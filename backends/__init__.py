"""Wrap array libraries behind one interface. Nothing here knows of graphs or gradients."""

from .base import Backend
from .registry import BACKEND_OF_TYPE, backend_of, default, get, names, problem, use_backend
from .types import Array

known = BACKEND_OF_TYPE  # its public name

__all__ = [
    "BACKEND_OF_TYPE",
    "Array",
    "Backend",
    "backend_of",
    "default",
    "get",
    "known",
    "names",
    "problem",
    "use_backend",
]
