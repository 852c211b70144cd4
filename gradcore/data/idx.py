"""Read IDX, the file format of MNIST: a header with the shape, then the bytes of the array."""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .errors import wrong

__all__ = ["read_bytes", "read_idx"]


def read_idx(path: Path, item: tuple[int, ...] = ()) -> npt.NDArray[np.uint8]:
    """Read the array in an IDX file of bytes, gzipped or not.

    Args:
        path: the file.
        item: the shape that each of its items must have: `(28, 28)` for images, `()` for labels.

    Returns:
        A read-only uint8 array of shape (N, *item), N at least 1.

    Raises:
        DataError: the file can't be read, or is no IDX file of such an array.
    """
    data = read_bytes(path)
    magic = bytes([0, 0, 8, 1 + len(item)])  # 8 stands for bytes; then the number of dimensions
    if not data.startswith(magic):
        raise wrong(path, f"an IDX file that starts with {magic!r}", repr(data[:12]))
    header = 4 * (2 + len(item))
    if len(data) < header:
        raise wrong(path, f"a header of {header} bytes", f"a file of {len(data)}")
    shape = struct.unpack_from(f">{1 + len(item)}I", data, 4)
    if shape[0] == 0 or shape[1:] != item:
        raise wrong(path, f"the shape {('N', *item)}, N > 0".replace("'", ""), f"{shape}")
    size = header + math.prod(shape)
    if len(data) != size:
        raise wrong(path, f"{size} bytes for the shape {shape}", f"{len(data)}")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def read_bytes(path: Path) -> bytes:
    """Read a file, and decompress it if it is gzipped, whatever its name.

    Raises:
        DataError: the file can't be read, or is damaged.
    """
    import gzip

    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
    except (OSError, EOFError, zlib.error) as error:
        found = getattr(error, "strerror", None) or error
        raise wrong(path, "a readable file", f"this: {found}") from error
