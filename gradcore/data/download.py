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

    left, failures = list(mirrors), []
    for name, sha256 in hashes.items():
        target = folder / f"{name}.gz"
        while not target.exists():
            if not left:
                raise DataError(f"the download failed ({'; '.join(failures)})")
            url = left[0] + target.name
            try:
                data = _fetch(url, sha256)
            except (OSError, HTTPException, EOFError, zlib.error, ValueError) as error:
                failures.append(f"{url}: {_reason(error)}")
                del left[0]
            else:
                _store(data, target)


def _fetch(url: str, sha256: str) -> bytes:
    """The gzipped file at `url`, if its content has this hash."""
    import gzip

    data, bar = bytearray(), None
    try:
        for piece, size in _stream(url):
            data += piece
            bar = bar or _progress_bar(url, size)
            if bar:
                bar.update(len(piece))
    finally:
        if bar:
            bar.close()
    found = hashlib.sha256(gzip.decompress(data)).hexdigest()
    if found != sha256:
        raise ValueError(f"the content has SHA-256 {found}, expected {sha256}")
    return bytes(data)


def _stream(url: str) -> Iterator[tuple[bytes, int | None]]:
    """The bytes at `url` piece by piece, each with the size of the whole where it is known.

    They come through a thread, as looking up a host's name ignores all timeouts and may take
    half a minute without a network.
    """
    from urllib.request import Request, urlopen

    queue: SimpleQueue[Any] = SimpleQueue()

    def receive() -> None:
        request = Request(url, headers={"User-Agent": "gradcore"})
        try:
            with urlopen(request, timeout=READ_TIMEOUT) as response:
                header = response.headers["Content-Length"]
                missing = size = int(header) if header else None
                queue.put((b"", size))
                while piece := response.read(1 << 16):
                    queue.put((piece, size))
                    missing -= len(piece)
                if missing
        except Exception as error: 
            queue.put(error)

