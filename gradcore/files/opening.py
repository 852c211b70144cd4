"""Open regular files, and replace them so that a file is always whole."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["must_be_regular", "must_be_replaceable", "open_regular", "replaced", "sync_folder"]

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
def replaced(path: Path) -> Iterator[BinaryIO]:
    """In the block, write to a temporary file; after the block, the file is on the disk and
    replaces `path`, whole even if the power fails. If the block raises, the file is deleted.

    Raises:
        OSError: the file can't be written.
    """
    # Each writer has a name of its own: threads may write to one path, and computers that share a
    # disk may have processes of one number. Of a long name, a part: 255 bytes are the most.
    temporary = path.with_name(f".{path.name[:50]}.{os.urandom(8).hex()}.part")
    must_be_replaceable(path)
    if not path.parent.exists():
        raise FileNotFoundError(errno.ENOENT, "make its folder first", str(path))
    try:
        with _opened(temporary, path) as file:  # x: never through a link that stands there
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def _opened(temporary: Path, path: Path) -> BinaryIO:
    """Create a temporary file; an error names the file that the user asked for."""
    try:
        return temporary.open("xb")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def must_be_replaceable(path: Path) -> None:
    """Raise an OSError if a folder, a pipe or a device is in place of a file to write."""
    if path.exists():
        must_be_regular(path, path.stat())


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
