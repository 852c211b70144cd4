"""Downloads: mirrors in turn, every file checked, and never half a file under its own name."""

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

CONNECT_TIMEOUT = 5.0  # seconds for a mirror to begin its answer, name resolution included
READ_TIMEOUT = 20.0  # seconds without a byte


class Remote(NamedTuple):
    """A file that mirrors have.

    The digest is of the file as it is, and then a download that broke off is continued later,
    with any mirror. Or it is of what is in the gzipped file, as mirrors compress differently.
    """

    name: str
    algorithm: str  # of hashlib
    digest: str
    of_content: bool


def download(folder: Path, files: Sequence[Remote], mirrors: Sequence[str]) -> None:
    """Download the files that `folder` lacks; make the folder if need be.

    A mirror that fails once is not asked again, so where there is no network this ends within
    `len(mirrors) * CONNECT_TIMEOUT` seconds. Files that arrived whole stay for the next time, and
    so do parts that can be continued.

    Args:
        mirrors: addresses to which a file's name is appended.

    Raises:
        DataError: GRADCORE_OFFLINE is set, the folder can't be written, or every mirror failed;
            the message gives each one's reason.
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
    """Write a file so that nobody, not even after a crash, finds only a part under its name."""
    with _part(target) as part, _writing(target), part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _fetch(url: str, file: Remote, target: Path) -> None:
    """Download `url` to `target`, if it is the file; go on where an earlier download stopped.

    Nothing but the digest says that the part there is of the same file: where that is wrong in
    the end, all is downloaded anew.
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
    """Write to `part` what is at `url`, from byte `start` on; all, where a server can't do that.

    Raises:
        ValueError: the server says that what it has doesn't go on from there.
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
    """The server's answer when asked for what is at `url`, from byte `start` on.

    A thread asks, because no timeout of a socket covers looking up the host's name, which can
    take half a minute where there is no network.
    """
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    headers = {"User-Agent": "gradcore"} | ({"Range": f"bytes={start}-"} if start else {})
    answers: SimpleQueue[Any] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(urlopen(Request(url, headers=headers), timeout=READ_TIMEOUT))
        except Exception as error:  # it is raised below, in the thread of the caller
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
    while piece := response.read1(1 << 16):
        yield piece


def _with_bar(pieces: Iterator[bytes], start: int, size: int | None, title: str) -> Iterator[bytes]:
    """The same pieces, and a progress bar if somebody can see it and tqdm is installed."""
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
    found = _digest(part, file)
    if found != file.digest:
        what = "content" if file.of_content else "file"
        raise ValueError(f"the {what} has {file.algorithm} {found}, expected {file.digest}")


def _digest(part: Path, file: Remote) -> str:
    import gzip

    def new() -> Any:
        return hashlib.new(file.algorithm, usedforsecurity=False)

    with gzip.open(part) if file.of_content else part.open("rb") as data:
        return hashlib.file_digest(data, new).hexdigest()


@contextmanager
def _part(target: Path, keep: bool = False) -> Iterator[Path]:
    """A file to write to, nobody else's, that becomes `target` when the block is done.

    Args:
        keep: where the block breaks off, unless by a ValueError, what is in the file stays, and
            is in that of the next who asks. That is any file to which nothing was written for a
            while: a process that was killed could not say that it lets go. Renaming claims it.
    """
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        others = list(target.parent.glob(f"{target.name}*.part")) if keep else []
        handle, name = tempfile.mkstemp(".part", target.name, target.parent)
        os.close(handle)
    part = Path(name)
    for other in others:
        with suppress(FileNotFoundError):  # it is whole by now, or someone else's
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
        done = isinstance(error, DataError) and target.exists()  # another process was faster
        with suppress(FileNotFoundError):
            if keep and not done and not isinstance(error, ValueError) and part.stat().st_size:
                os.utime(part, (0, 0))  # the next need not wait
            else:
                part.unlink()
        if not done:
            raise


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Have what goes wrong with files told as such, and not as a failure of the mirror."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{target} can't be written ({error.strerror or error})") from error


def _reason(error: Exception) -> str:
    """An error of a download in a few words, on one line."""
    cause = getattr(error, "reason", None)  # where urllib wraps the socket's own error
    if isinstance(cause, OSError):
        error = cause
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())
