"""Datasets, and batches of them."""

from .batches import Batches
from .cifar10 import CIFAR10_CLASSES, find_cifar10, load_cifar10
from .errors import DataError
from .mnist import find_mnist, load_fashion_mnist, load_mnist
from .synth import load_synth

__all__ = [
    "CIFAR10_CLASSES",
    "Batches",
    "DataError",
    "find_cifar10",
    "find_mnist",
    "load_cifar10",
    "load_fashion_mnist",
    "load_mnist",
    "load_synth",
]
