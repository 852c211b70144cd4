"""Open files of data, compressed or not."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..files.opening import open_regular
from .errors import wrong

__all__ = ["is_larger", "opened"]


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file, and decompress it if it is gzipped, whatever its name.

    Raises:
        DataError: in the block, too: the file can't be read, or is damaged.
    """
    import gzip

    try:
        with open_regular(path) as file:
            is_gzipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if is_gzipped:
                with gzip.GzipFile(fileobj=file) as content:
                    yield content  # type: ignore[misc]
            else:
                yield file
    except (OSError, EOFError, zlib.error) as error:
        found = getattr(error, "strerror", None) or error
        raise wrong(path, "a readable file", f"this: {found}") from error


def is_larger(file: BinaryIO, size: int) -> bool:
    """Whether a file on the disk is too large to have `size` bytes, even if gzip made it longer.
    Gigabytes behind a gzipped content would be read in search of more content."""
    return os.fstat(file.fileno()).st_size > size + size // 100 + (1 << 16)
