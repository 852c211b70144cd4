"""Read IDX, the file format of MNIST: a header with the shape, then the bytes of the array."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from .errors import wrong
from .files import is_larger, opened

__all__ = ["read_idx", "sha256"]

MOST = 1_000_000  # items; the largest relative of MNIST, EMNIST, has 814,255
PIECE = 1 << 20  # bytes read at once


def read_idx(path: Path, item: tuple[int, ...] = ()) -> npt.NDArray[np.uint8]:
    """Read the array in an IDX file of bytes, gzipped or not.

    Not more is read than the header announces, and one byte to see that nothing follows.

    Args:
        path: the file.
        item: the shape that each of its items must have: `(28, 28)` for images, `()` for labels.

    Returns:
        A read-only uint8 array of shape (N, *item), N from 1 to MOST.

    Raises:
        DataError: the file can't be read, or is no IDX file of such an array.
    """
    magic = bytes([0, 0, 8, 1 + len(item)])  # 8 stands for bytes; then the number of dimensions
    length = 4 * (2 + len(item))
    with opened(path) as file:
        header = file.read(length)
        if not header.startswith(magic):
            raise wrong(path, f"an IDX file that starts with {magic!r}", repr(header[:12]))
        if len(header) < length:
            raise wrong(path, f"a header of {length} bytes", f"a file of {len(header)}")
        shape = struct.unpack_from(f">{1 + len(item)}I", header, 4)
        if not 0 < shape[0] <= MOST or shape[1:] != item:
            expected = f"the shape {('N', *item)}, N from 1 to {MOST:,}".replace("'", "")
            raise wrong(path, expected, f"{shape}")
        size = math.prod(shape)
        expected = f"{length + size} bytes for the shape {shape}"
        if is_larger(file, length + size):
            raise wrong(path, expected, "more")
        data = b"".join(_pieces(file, size + 1))
    if len(data) != size:
        found = "more" if len(data) > size else f"{length + len(data)}"
        raise wrong(path, expected, found)
    return np.frombuffer(data, np.uint8).reshape(shape)


def sha256(path: Path, size: int) -> str | None:
    """Compute the hash of a file's content, decompressed, or give `None` if the content has more
    than `size` bytes.

    Raises:
        DataError: the file can't be read, or is damaged.
    """
    import hashlib

    with opened(path) as file:
        if is_larger(file, size):
            return None
        data = b"".join(_pieces(file, size + 1))
    return None if len(data) > size else hashlib.sha256(data).hexdigest()


def _pieces(file: BinaryIO, most: int) -> Iterator[bytes]:
    """Read a file piece by piece, and stop after `most` bytes."""
    while most > 0 and (piece := file.read(min(most, PIECE))):
        most -= len(piece)
        yield piece
