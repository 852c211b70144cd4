"""Small datasets in the files of MNIST."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

from gradcore.data import mnist

FILES = mnist.FILES
HTML = b"<!DOCTYPE html><title>404</title>"  # what some servers send for a file


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def dataset(train: int = 40, test: int = 12) -> dict[str, bytes]:
    """A small dataset: the content of each file."""
    rng = np.random.default_rng(train)
    contents = []
    for n in (train, test):
        contents += [idx(rng.integers(0, 256, (n, 28, 28), np.uint8))]
        contents += [idx(rng.integers(0, 10, n, np.uint8))]
    return dict(zip(FILES, contents, strict=True))


def write(folder: Path, contents: dict[str, bytes], gz: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        path = folder / (f"{name}.gz" if gz else name)
        path.write_bytes(gzip.compress(content, mtime=0) if gz else content)
    return folder


def arrays(contents: dict[str, bytes], part: str) -> tuple[np.ndarray, np.ndarray]:
    images, labels = (contents[name] for name in FILES if name.startswith(part))
    x = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784).astype(np.float32)
    return x, np.frombuffer(labels, np.uint8, offset=8).astype(np.int64)
