"""Array libraries behind one interface; nothing here knows of graphs or gradients."""

from .base import Array, Backend
from .registry import backend_of, default, get, known, names, problem, use_backend

__all__ = [
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
