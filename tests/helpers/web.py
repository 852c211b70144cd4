"""For the tests of data: a web server on this machine, with mirrors that answer as a test wants."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from gradcore.data import DataError, download

Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


class Site:
    """A web server that has `files` at several mirrors: `/good/`, and others as a test makes them.

    Attributes:
        answers: by the name of a mirror, what it does when asked for a file.
        requests: the paths that were asked for.
        ranges: from which byte on, for each request.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.answers: dict[str, Answer] = {"good": whole}
        self.requests: list[str] = []
        self.ranges: list[int] = []
        self.end = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.requests.append(self.path)
                site.ranges.append(start(self))
                _, mirror, file = self.path.split("/")
                site.answers[mirror](self, site.files[file])
                self.close_connection = True

            def log_message(self, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *args: Any) -> None:  # the other side hung up, as it may
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.site = self  # type: ignore[attr-defined]
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def mirrors(self, *names: str) -> tuple[str, ...]:
        return tuple(f"http://127.0.0.1:{self.server.server_port}/{name}/" for name in names)


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Site]:
    site = Site(files)
    yield site
    site.end.set()
    site.server.shutdown()
    site.server.server_close()


def start(handler: BaseHTTPRequestHandler) -> int:
    """The byte from which on the file is asked for."""
    return int(re.sub(r"bytes=(\d+)-$", r"\1", handler.headers["Range"] or "bytes=0-"))


def message(error: pytest.ExceptionInfo[DataError], *parts: object) -> None:
    """The message is one line with these parts, in this order."""
    text = str(error.value)
    assert "\n" not in text
    assert re.search(".*".join(re.escape(str(part)) for part in parts), text), text


def be_impatient(monkeypatch: pytest.MonkeyPatch, failure: str) -> None:
    """Shorten the timeout that this failure runs into, and no other."""
    if failure == "hangs":
        monkeypatch.setattr(download, "CONNECT_TIMEOUT", 0.8)
    elif failure == "stalls":
        monkeypatch.setattr(download, "READ_TIMEOUT", 0.8)


# -- Answers ------------------------------------------------------------------------------------


def whole(handler: BaseHTTPRequestHandler, data: bytes, size: int | None = None) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data) if size is None else size))
    handler.end_headers()
    handler.wfile.write(data)


def without_size(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(data)


def half(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    """The connection closes in the middle."""
    whole(handler, data[: len(data) // 2], len(data))


def ranged(handler: BaseHTTPRequestHandler, data: bytes, size: int | None = None) -> None:
    """Send the range that was asked for, or its first `size` bytes."""
    first = start(handler)
    if first >= len(data):
        handler.send_error(416)
        return
    handler.send_response(206)
    handler.send_header("Content-Length", str(len(data) - first))
    handler.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
    handler.end_headers()
    handler.wfile.write(data[first:] if size is None else data[first : first + size])


def redirected(handler: BaseHTTPRequestHandler, data: bytes) -> None:  # noqa: ARG001
    handler.send_response(302)
    handler.send_header("Location", re.sub("^/[^/]+/", "/good/", handler.path))
    handler.end_headers()


def redirected_in_a_circle(handler: BaseHTTPRequestHandler, data: bytes) -> None:  # noqa: ARG001
    handler.send_response(302)
    handler.send_header("Location", handler.path)
    handler.end_headers()


def hang(handler: BaseHTTPRequestHandler, data: bytes) -> None:  # noqa: ARG001
    handler.server.site.end.wait(10)  # type: ignore[attr-defined]


def stall(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    half(handler, data)
    handler.wfile.flush()
    hang(handler, data)
