"""Open files of data, and nothing that is none: no pipe, no device, no folder."""

from __future__ import annotations

import errno
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .errors import wrong

__all__ = ["is_larger", "must_be_regular", "open_regular", "opened", "sync_folder"]

KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file to read its bytes. A pipe, which may never have a byte, is refused and
    not waited on; so is a device, which may have no end.

    Raises:
        OSError: the file can't be opened, or is no regular file; `strerror` says which.
    """

    def opened(name: str, flags: int) -> int:
        handle = os.open(name, flags | getattr(os, "O_NONBLOCK", 0))  # Windows has no such pipes
        try:
            must_be_regular(path, os.fstat(handle))
        except OSError:
            os.close(handle)
            raise
        return handle

    return open(path, "rb", opener=opened)


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


def must_be_regular(path: Path, status: os.stat_result) -> None:
    """Raise an OSError unless this is the status of a regular file."""
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise OSError(errno.EINVAL, f"it is {kind}, and no regular file", str(path))


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk: a file just renamed keeps its new name when the power
    fails. Does nothing where folders can't be opened, as on Windows."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:  # some file systems can't
        pass
    finally:
        os.close(handle)
