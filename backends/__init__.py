"""Array libraries behind one interface; nothing here knows of graphs or gradients."""

from .base import Backend
from .registry import backend_of, default, get, known, names, problem, use_backend
from .types import Array

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
