"""Files of weights and of whole training states."""

from .states import load, save

__all__ = ["load", "save"]
