"""Datasets, and batches of them."""

from .batches import Batches
from .errors import DataError
from .mnist import find_mnist, load_fashion_mnist, load_mnist
from .synth import load_synth

__all__ = [
    "Batches",
    "DataError",
    "find_mnist",
    "load_fashion_mnist",
    "load_mnist",
    "load_synth",
]
