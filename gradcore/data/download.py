"""Download files: try mirrors in turn, check each file, and leave no half file under its name."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from .errors import DataError

__all__ = ["Remote", "download", "store"]

CONNECT_TIMEOUT = 5.0  # seconds until a mirror begins its answer, name resolution included
READ_TIMEOUT = 20.0  # seconds that may pass without a byte


class Remote(NamedTuple):
    """A file that mirrors have.

    Attributes:
        name: the file's name.
        algorithm: the name of a hash in hashlib.
        digest: the hash of the file, or of its content.
        of_content: whether the digest is of the decompressed content, as mirrors may compress
            differently. If it is of the file as it is, a download that broke off can be continued
            later, from any mirror.
    """

    name: str
    algorithm: str
    digest: str
    of_content: bool


def download(folder: Path, files: Sequence[Remote], mirrors: Sequence[str]) -> None:
    """Download the files that `folder` lacks; make the folder if it does not exist.

    A mirror that fails once is not asked again, so without a network this ends within
    `len(mirrors) * CONNECT_TIMEOUT` seconds. Where the download of some file fails, whole files
    stay for the next time, and so do parts that can be continued.

    Args:
        mirrors: addresses; the file's name is appended.

    Raises:
        DataError: GRADCORE_OFFLINE is set, the folder can't be written, or every mirror failed;
            the message gives the reason of each.
    """
    if os.environ.get("GRADCORE_OFFLINE", "0") not in ("", "0"):
        raise DataError("GRADCORE_OFFLINE forbids a download")
    from http.client import HTTPException

    left = list(mirrors)
    failures: list[str] = []
    for file in files:
        target = folder / file.name
        if not file.of_content and not target.exists():
            logging.getLogger("gradcore").warning(
                "Downloading %s; if it breaks off, the next time goes on from there.", target
            )
        while not target.exists():
            if not left:
                raise DataError(f"the download failed ({'; '.join(failures)})")
            url = left[0] + file.name
            try:
                _fetch(url, file, target)
            except (OSError, HTTPException, EOFError, ValueError, zlib.error) as error:
                failures.append(f"{url}: {_reason(error)}")
                del left[0]


def store(data: bytes, target: Path) -> None:
    """Write a file whole or not at all: even after a crash, no half file is under its name."""
    with _part(target) as part, _writing(target), part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _fetch(url: str, file: Remote, target: Path) -> None:
    """Download `url` to `target` and check it; continue where an earlier download stopped.

    Only the digest tells whether the earlier part is of the same file: if it is wrong in the end,
    the whole file is downloaded anew.
    """
    with _part(target, keep=not file.of_content) as part:
        start = part.stat().st_size
        if start and _digest(part, file) == file.digest:
            return
        try:
            _receive(url, part, start, target)
            _check(part, file)
        except ValueError:
            if not start:
                raise
            _receive(url, part, 0, target)
            _check(part, file)


def _receive(url: str, part: Path, start: int, target: Path) -> None:
    """Write the file at `url` to `part`, from byte `start` on, or whole if the server can't.

    Raises:
        ValueError: the server's file has no byte `start`, or it sent another range.
    """
    with _open(url, start) as response, part.open("r+b") as file:
        length = response.headers["Content-Length"]
        size = int(length) if length else None
        if response.status == 206:
            given = response.headers["Content-Range"]
            if not str(given).startswith(f"bytes {start}-"):
                raise ValueError(f"the server gave the range {given}, not from byte {start} on")
            size = None if size is None else start + size
        else:
            start = 0
        file.seek(start)
        file.truncate()
        for piece in _with_bar(_pieces(response), start, size, target.name):
            with _writing(target):
                file.write(piece)
                file.flush()
        with _writing(target):
            os.fsync(file.fileno())
        end = file.tell()
    if size is not None and end != size:
        raise EOFError(f"the connection closed after {end} of {size} bytes")


def _open(url: str, start: int) -> Any:
    """Ask for the file at `url`, from byte `start` on, and return the server's answer.

    A thread asks, because a socket's timeout does not cover looking up the host's name, which can
    take half a minute without a network.
    """
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    headers = {"User-Agent": "gradcore"} | ({"Range": f"bytes={start}-"} if start else {})
    answers: SimpleQueue[Any] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(urlopen(Request(url, headers=headers), timeout=READ_TIMEOUT))
        except Exception as error:  # raised below, in the thread of the caller
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=CONNECT_TIMEOUT)
    except Empty:
        raise TimeoutError(f"no answer for {CONNECT_TIMEOUT:g} seconds") from None
    if isinstance(answer, HTTPError):
        answer.close()
        if answer.code == 416:
            raise ValueError(f"the file has no byte {start}")
    if isinstance(answer, Exception):
        raise answer
    return answer


def _pieces(response: Any) -> Iterator[bytes]:
    """Read an answer piece by piece, each as soon as it has come."""
    while piece := response.read1(1 << 16):
        yield piece


def _with_bar(pieces: Iterator[bytes], start: int, size: int | None, title: str) -> Iterator[bytes]:
    """Pass the pieces on, with a progress bar if tqdm is installed and a terminal shows it."""
    try:
        from tqdm import tqdm
    except ImportError:
        tqdm = None
    if tqdm is None or sys.stderr is None or not sys.stderr.isatty():
        yield from pieces
        return
    options = {"unit": "B", "unit_scale": True, "leave": False}
    with tqdm(desc=title, initial=start, total=size, **options) as bar:
        for piece in pieces:
            bar.update(len(piece))
            yield piece


def _check(part: Path, file: Remote) -> None:
    """Raise a ValueError unless the digest of `part` is that of the file."""
    found = _digest(part, file)
    if found != file.digest:
        what = "content" if file.of_content else "file"
        raise ValueError(f"the {what} has {file.algorithm} {found}, expected {file.digest}")


def _digest(part: Path, file: Remote) -> str:
    """Compute the digest of `part`, as it is or decompressed."""
    import gzip

    def new() -> Any:
        return hashlib.new(file.algorithm, usedforsecurity=False)

    with gzip.open(part) if file.of_content else part.open("rb") as data:
        return hashlib.file_digest(data, new).hexdigest()


@contextmanager
def _part(target: Path, keep: bool = False) -> Iterator[Path]:
    """Give a file of one's own to write to, which is renamed to `target` when the block is done.

    Args:
        keep: whether to go on with the file of an earlier block that broke off. The file begins
            with the longest one to which nothing was written for a while, as a process that was
            killed leaves its file; renaming it claims it. Where this block breaks off, unless by
            a ValueError, its file stays for the next one.
    """
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        others = list(target.parent.glob(f"{target.name}*.part")) if keep else []
        handle, name = tempfile.mkstemp(".part", target.name, target.parent)
        os.close(handle)
    part = Path(name)
    for other in others:
        with suppress(FileNotFoundError):  # whole by now, or claimed by another process
            found = other.stat()
            if time.time() - found.st_mtime > 2 * READ_TIMEOUT:
                if found.st_size > part.stat().st_size:
                    os.utime(other)
                    os.replace(other, part)
                else:
                    other.unlink()
    try:
        yield part
        with _writing(target):
            os.replace(part, target)
    except BaseException as error:
        done = isinstance(error, DataError) and target.exists()  # by a faster process
        with suppress(FileNotFoundError):
            if keep and not done and not isinstance(error, ValueError) and part.stat().st_size:
                os.utime(part, (0, 0))  # old, so that the next block need not wait
            else:
                part.unlink()
        if not done:
            raise


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Turn errors of files into a DataError, so that they do not count as the mirror's."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{target} can't be written ({error.strerror or error})") from error


def _reason(error: Exception) -> str:
    """Describe the error of a download in a few words, on one line."""
    cause = getattr(error, "reason", None)  # the socket's own error, where urllib wraps it
    if isinstance(cause, OSError):
        error = cause
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())
