"""Download files: try mirrors in turn, check each file, and leave no half file under its name."""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from ..files.opening import sync_folder
from .errors import DataError, one_line

__all__ = ["Remote", "download", "store", "writing"]

CONNECT_TIMEOUT = 5.0  # seconds until a mirror begins its answer, name resolution included
READ_TIMEOUT = 20.0  # seconds that may pass without a byte
GRACE = 60.0  # seconds that an answer may take, and then so many more as SLOWEST gives it
SLOWEST = 20_000.0  # bytes per second; the slowest mirror sends 60,000
# What a mirror's failure raises; a RuntimeError where no thread can be started, as in a browser.
FAILURES = (OSError, EOFError, RuntimeError, ValueError, zlib.error)


class Remote(NamedTuple):
    """A file that mirrors have.

    Attributes:
        name: the file's name.
        algorithm: the name of a hash in hashlib.
        digest: the hash of the file, or of its content.
        size: how many bytes the file or its content has. Not much more is received, for not much
            longer than so many bytes take.
        of_content: whether the digest is of the decompressed content, as mirrors may compress
            differently. If it is of the file as it is, a download that broke off can be continued
            later, from any mirror.
    """

    name: str
    algorithm: str
    digest: str
    size: int
    of_content: bool

    @property
    def most(self) -> int:
        """How many bytes may be received: all, even if gzip made the content longer."""
        return self.size + self.size // 100 + (1 << 16)


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
            import logging

            logging.getLogger("gradcore").warning(
                "Downloading %s; if it breaks off, the next time goes on from there.", target
            )
        while not target.exists():
            if not left:
                raise DataError(f"the download failed ({'; '.join(failures)})")
            url = left[0] + file.name
            try:
                _fetch(url, file, target)
            except (*FAILURES, HTTPException) as error:
                failures.append(f"{url}: {_reason(error)}")
                del left[0]


def store(data: bytes, target: Path) -> None:
    """Write a file whole or not at all: even after a crash, no half file is under its name."""
    with _part(target) as part, writing(target), part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _fetch(url: str, remote: Remote, target: Path) -> None:
    """Download `url` to `target` and check it; continue where an earlier download stopped.

    Only the digest tells whether the earlier part is of the same file: if it is wrong in the end,
    the whole file is downloaded anew.
    """
    with _part(target, 0 if remote.of_content else remote.most) as part:
        start = part.stat().st_size
        if start and _digest(part, remote) == remote.digest:
            return
        try:
            _receive(url, part, start, target, remote)
            _check(part, remote)
        except ValueError:
            if not start:
                raise
            _receive(url, part, 0, target, remote)
            _check(part, remote)


def _receive(url: str, part: Path, start: int, target: Path, remote: Remote) -> None:
    """Write the file at `url` to `part`, from byte `start` on, or whole if the server can't.

    Raises:
        ValueError: the server's file has no byte `start`, it sent another range, or too much.
        TimeoutError: the server is slower than SLOWEST.
    """
    seconds = GRACE + remote.size / SLOWEST
    with _open(url, start) as response, _hung_up(response, seconds), part.open("r+b") as file:
        length = response.headers["Content-Length"]
        size = int(length) if length else None
        if response.status == 206:
            given = response.headers["Content-Range"]
            if not str(given).startswith(f"bytes {start}-"):
                raise ValueError(f"the server gave the range {given}, not from byte {start} on")
            size = None if size is None else start + size
        else:
            start = 0
        if size is not None and size > remote.most:
            raise ValueError(f"the server has {size} bytes, expected at most {remote.most}")
        file.seek(start)
        file.truncate()
        for piece in _with_bar(_pieces(response), start, size, target.name):
            if file.tell() + len(piece) > remote.most:
                raise ValueError(f"the server sent more than {remote.most} bytes")
            with writing(target):
                file.write(piece)
                file.flush()
        with writing(target):
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
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class Redirects(HTTPRedirectHandler):
        def redirect_request(
            self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
        ) -> Request | None:
            if not newurl.startswith(("https://", f"{req.type}://")):
                why = f"the server leads to {newurl}, expected https"
                raise HTTPError(req.full_url, code, why, headers, fp)
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    headers = {"User-Agent": "gradcore"} | ({"Range": f"bytes={start}-"} if start else {})
    answers: SimpleQueue[Any] = SimpleQueue()

    def ask() -> None:
        try:
            request = Request(url, headers=headers)
            answers.put(build_opener(Redirects).open(request, timeout=READ_TIMEOUT))
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


@contextmanager
def _hung_up(response: Any, seconds: float) -> Iterator[None]:
    """Hang up if the block takes longer: a socket's timeout begins anew with each byte, so a server
    that sends a byte now and then would never end.

    Raises:
        TimeoutError: the block took longer.
    """
    import socket

    late = threading.Event()

    def hang_up() -> None:
        late.set()
        with suppress(AttributeError, OSError, ValueError):  # closed meanwhile
            own = socket.fromfd(response.fileno(), socket.AF_INET, socket.SOCK_STREAM)
            with own:
                own.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        if not late.is_set():
            raise
    finally:
        timer.cancel()
    if late.is_set():
        raise TimeoutError(f"not done after {seconds:g} seconds")


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


def _check(part: Path, remote: Remote) -> None:
    """Raise a ValueError unless the digest of `part` is that of the file."""
    found, what = _digest(part, remote), "content" if remote.of_content else "file"
    if not found:
        raise ValueError(f"the {what} has more than {remote.most} bytes")
    if found != remote.digest:
        raise ValueError(f"the {what} has {remote.algorithm} {found}, expected {remote.digest}")


def _digest(part: Path, remote: Remote) -> str:
    """Compute the digest of `part`, as it is or decompressed; "" if that has too many bytes."""
    import gzip
    import hashlib

    digest, left = hashlib.new(remote.algorithm, usedforsecurity=False), remote.most
    with gzip.open(part) if remote.of_content else part.open("rb") as data:
        while piece := data.read(1 << 16):
            left -= len(piece)
            if left < 0:
                return ""
            digest.update(piece)
    return digest.hexdigest()


@contextmanager
def _part(target: Path, keep: int = 0) -> Iterator[Path]:
    """Give a file of one's own to write to, which is renamed to `target` when the block is done.

    Args:
        keep: if not 0, go on with the file of an earlier block that broke off, if that has no more
            bytes than this. The file begins with the longest one to which nothing was written for
            a while, as a process that was killed leaves its file; renaming it claims it. Where
            this block breaks off, unless by a ValueError, its file stays for the next one.
    """
    import tempfile

    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        others = list(target.parent.glob(f"{target.name}*.part")) if keep else []
        handle, name = tempfile.mkstemp(".part", target.name, target.parent)
        os.close(handle)
    part = Path(name)
    for other in others:
        with suppress(FileNotFoundError):  # whole by now, or claimed by another process
            found = other.lstat()
            if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
                continue  # a link, through which another file would be written
            if time.time() - found.st_mtime > 2 * READ_TIMEOUT:
                if part.stat().st_size < found.st_size <= keep:
                    os.utime(other)
                    os.replace(other, part)
                else:
                    other.unlink()
    try:
        yield part
        with writing(target):
            os.replace(part, target)
            sync_folder(target.parent)
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
def writing(target: Path) -> Iterator[None]:
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
    return one_line(" ".join(text.split())[:300])
