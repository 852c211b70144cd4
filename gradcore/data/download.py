"""Downloads: mirrors in turn, every file checked, and never half a file under its own name."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from .errors import DataError

CONNECT_TIMEOUT = 5.0  # seconds for a mirror to begin its answer, name resolution included
READ_TIMEOUT = 20.0  # seconds without a byte

Pieces = Iterator[tuple[bytes, int | None]]  # each with the size of the whole, where it is known


def download(folder: Path, hashes: Mapping[str, str], mirrors: Sequence[str]) -> None:
    """Download the gzipped files that `folder` lacks; make the folder if need be.

    A mirror that fails once is not asked again, so where there is no network this ends within
    `len(mirrors) * CONNECT_TIMEOUT` seconds. Files that arrived whole stay for the next time.

    Args:
        folder: where `<name>.gz` goes, for each name in `hashes`.
        hashes: the SHA-256 of each file's content, decompressed: mirrors compress differently.
        mirrors: addresses to which `<name>.gz` is appended.

    Raises:
        DataError: GRADCORE_OFFLINE is set, the folder can't be written, or every mirror failed;
            the message gives each one's reason.
    """
    if os.environ.get("GRADCORE_OFFLINE", "0") not in ("", "0"):
        raise DataError("GRADCORE_OFFLINE forbids a download")
    from http.client import HTTPException

    left = list(mirrors)
    failures: list[str] = []
    for name, sha256 in hashes.items():
        target = folder / f"{name}.gz"
        while not target.exists():
            if not left:
                raise DataError(f"the download failed ({'; '.join(failures)})")
            url = left[0] + target.name
            try:
                data = _fetch(url, sha256)
            except (OSError, HTTPException, EOFError, ValueError, zlib.error) as error:
                failures.append(f"{url}: {_reason(error)}")
                del left[0]
            else:
                _store(data, target)


def _fetch(url: str, sha256: str) -> bytes:
    """The gzipped file at `url`, if its content has this hash."""
    import gzip

    pieces, sizes = zip(*_with_bar(_stream(url), url.rpartition("/")[2]), strict=True)
    data, size = b"".join(pieces), sizes[0]
    if size is not None and len(data) != size:
        raise EOFError(f"the connection closed after {len(data)} of {size} bytes")
    found = hashlib.sha256(gzip.decompress(data)).hexdigest()
    if found != sha256:
        raise ValueError(f"the content has SHA-256 {found}, expected {sha256}")
    return data


def _stream(url: str) -> Pieces:
    """The bytes at `url`, as they come.

    They come through a thread, because no timeout of a socket covers looking up the host's name,
    which can take half a minute where there is no network.
    """
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    queue: SimpleQueue[Any] = SimpleQueue()

    def receive() -> None:
        request = Request(url, headers={"User-Agent": "gradcore"})
        try:
            with urlopen(request, timeout=READ_TIMEOUT) as response:
                length = response.headers["Content-Length"]
                size = int(length) if length else None
                queue.put((b"", size))
                while piece := response.read(1 << 16):
                    queue.put((piece, size))
            queue.put(None)
        except Exception as error:  # it is raised below, in the thread of the caller
            if isinstance(error, HTTPError):
                error.close()
            queue.put(error)

    threading.Thread(target=receive, daemon=True).start()
    timeout = CONNECT_TIMEOUT
    while True:
        try:
            item = queue.get(timeout=timeout)
        except Empty:
            raise TimeoutError(f"no answer for {timeout:g} seconds") from None
        if item is None:
            return
        if isinstance(item, Exception):
            raise item
        yield item
        timeout = READ_TIMEOUT


def _with_bar(pieces: Pieces, title: str) -> Pieces:
    """The same pieces, and a progress bar if somebody can see it and tqdm is installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        tqdm = None
    if tqdm is None or sys.stderr is None or not sys.stderr.isatty():
        yield from pieces
        return
    with tqdm(desc=title, unit="B", unit_scale=True, leave=False) as bar:
        for piece, size in pieces:
            bar.total = size
            bar.update(len(piece))
            yield piece, size


def _store(data: bytes, target: Path) -> None:
    """Write a file so that nobody, not even after a crash, finds only a part under its name."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(".part", target.name, target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(handle)
            os.replace(part, target)
        except BaseException:
            os.unlink(part)
            raise
    except OSError as error:
        if not target.exists():  # it does if another process was faster, on Windows
            reason = error.strerror or error
            raise DataError(f"{target} can't be written ({reason})") from error


def _reason(error: Exception) -> str:
    """An error of a download in a few words, on one line."""
    cause = getattr(error, "reason", None)  # where urllib wraps the socket's own error
    if isinstance(cause, OSError):
        error = cause
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())
