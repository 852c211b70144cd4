"""Datasets, batches of them, and random changes of images."""

from .augment import Augment, cutout, normalize, random_crop, random_flip
from .batches import Batches, DataLoader, default_collate
from .cifar10 import CIFAR10_CLASSES, CIFAR10_MEAN, CIFAR10_STD, find_cifar10, load_cifar10
from .datasets import (
    ConcatDataset,
    Dataset,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
    random_split,
)
from .errors import DataError, NotFoundError
from .mnist import find_mnist, load_fashion_mnist, load_mnist
from .shapes import SHAPES_CLASSES, load_shape_masks, load_shapes
from .synth import load_synth

__all__ = [
    "CIFAR10_CLASSES",
    "CIFAR10_MEAN",
    "CIFAR10_STD",
    "SHAPES_CLASSES",
    "Augment",
    "Batches",
    "ConcatDataset",
    "DataError",
    "DataLoader",
    "Dataset",
    "NotFoundError",
    "Subset",
    "TensorDataset",
    "WeightedRandomSampler",
    "cutout",
    "default_collate",
    "find_cifar10",
    "find_mnist",
    "load_cifar10",
    "load_fashion_mnist",
    "load_mnist",
    "load_shape_masks",
    "load_shapes",
    "load_synth",
    "normalize",
    "random_crop",
    "random_flip",
    "random_split",
]
