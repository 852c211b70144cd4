"""MNIST: downloads into the cache, and what happens where there is no network."""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from mnist_files import FILES, HTML, arrays, dataset
from web import (
    Answer,
    Site,
    be_impatient,
    half,
    hang,
    message,
    redirected,
    redirected_in_a_circle,
    serving,
    stall,
    whole,
    without_size,
)

import gradcore
from gradcore.data import DataError, download, find_mnist, load_fashion_mnist, load_mnist, mnist

# -- Downloading --------------------------------------------------------------------------------


@pytest.fixture
def site() -> Iterator[Site]:
    """Mirrors of a small dataset."""
    contents = dataset()
    files = {f"{name}.gz": gzip.compress(content, 1, mtime=0) for name, content in contents.items()}
    with serving(files) as site:
        yield site


def serve(site: Site, monkeypatch: pytest.MonkeyPatch, *mirrors: str) -> None:
    """Have these mirrors used for both datasets."""
    hashes = {name: hashlib.sha256(c).hexdigest() for name, c in contents(site).items()}
    source = mnist.Source("MNIST", site.mirrors(*mirrors), hashes)
    monkeypatch.setitem(mnist.SOURCES, "mnist", source)
    monkeypatch.setitem(mnist.SOURCES, "fashion-mnist", source._replace(title="Fashion-MNIST"))


def contents(site: Site) -> dict[str, bytes]:
    return {name.removesuffix(".gz"): gzip.decompress(x) for name, x in site.files.items()}


FAILURES: dict[str, tuple[Answer, str]] = {
    "404": (lambda h, _: h.send_error(404), "HTTP Error 404: Not Found"),
    "500": (lambda h, _: h.send_error(500), "HTTP Error 500: Internal Server Error"),
    "nothing": (lambda *_: None, "closed connection without response"),
    "no HTTP": (lambda h, _: h.wfile.write(b"220 smtp\r\n"), "220 smtp"),
    "bad size": (lambda h, d: whole(h, d, -1), "the connection closed after"),
    "size in words": (
        lambda h, _: h.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Length: all\r\n\r\n"),
        "invalid literal for int() with base 10: 'all'",
    ),
    "cut off": (half, "the connection closed after"),
    "cut off, without size": (lambda h, d: without_size(h, d[: len(d) // 2]), "end-of-stream"),
    "size too small": (lambda h, d: whole(h, d, len(d) - 9), "end-of-stream"),
    "empty": (lambda h, _: whole(h, b""), "the content has sha256 e3b0"),
    "web page": (lambda h, _: whole(h, HTML), "Not a gzipped file"),
    "damaged": (lambda h, d: whole(h, d[:10] + b"\xff" * 9 + d[19:]), "invalid"),
    "damaged at the end": (lambda h, d: whole(h, d[:-8] + bytes(8)), "CRC check failed"),
    "another file": (
        lambda h, _: whole(h, gzip.compress(b"other", mtime=0)),
        f"sha256 {hashlib.sha256(b'other').hexdigest()}, expected ",
    ),
    "circle": (redirected_in_a_circle, "would lead to an infinite loop"),
    "hangs": (hang, "no answer for 0.8 seconds"),
    "stalls": (stall, ""),  # either the socket's own timeout or that of the one who waits
}


def check_cache(folder: Path, contents: dict[str, bytes]) -> None:
    """The folder holds these files and nothing else."""
    found = {path.name: gzip.decompress(path.read_bytes()) for path in folder.iterdir()}
    assert found == {f"{name}.gz": content for name, content in contents.items()}


@pytest.mark.parametrize("answer", [whole, without_size, redirected])
def test_download(
    answer: Answer,
    site: Site,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    site.answers["a"] = answer
    serve(site, monkeypatch, "a", "good")
    with gradcore.use_backend("numpy"):
        (x, _), *_ = load_mnist()
    np.testing.assert_array_equal(x, arrays(contents(site), "train")[0][:30])
    check_cache(cache / "mnist", contents(site))
    asked = len(site.requests)
    assert find_mnist() == cache / "mnist"  # now from the cache
    assert len(site.requests) == asked
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("failure", FAILURES)
def test_a_mirror_that_fails_is_replaced_by_the_next(
    failure: str, site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_impatient(monkeypatch, failure)
    site.answers["bad"] = FAILURES[failure][0]
    serve(site, monkeypatch, "bad", "good")
    assert find_mnist("fashion-mnist") == cache / "fashion-mnist"
    check_cache(cache / "fashion-mnist", contents(site))
    assert {path for path in site.requests if "bad" in path} == {f"/bad/{FILES[0]}.gz"}


@pytest.mark.parametrize("failure", FAILURES)
def test_all_mirrors_fail(
    failure: str, site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_impatient(monkeypatch, failure)
    answer, reason = FAILURES[failure]
    site.answers.update(bad=answer, gone=FAILURES["404"][0])
    serve(site, monkeypatch, "bad", "gone")
    with pytest.raises(DataError) as error:
        load_fashion_mnist()
    bad, gone = (f"{url}{FILES[0]}.gz" for url in site.mirrors("bad", "gone"))
    message(error, "Fashion-MNIST is not in the cache", cache / "fashion-mnist", "download failed")
    message(error, f"({bad}: ", reason, f"; {gone}: HTTP Error 404: Not Found); ")
    message(error, *FILES, ".gz", "in a folder", "GRADCORE_DATA")
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_what_arrived_whole_is_kept(
    site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = 2

    def two(handler: BaseHTTPRequestHandler, data: bytes) -> None:
        nonlocal left
        left -= 1
        whole(handler, data if left >= 0 else data[:50])

    site.answers["two"] = two
    serve(site, monkeypatch, "two")
    with pytest.raises(DataError, match=f"two/{FILES[2]}.gz: "):
        find_mnist("fashion-mnist")
    check_cache(cache / "fashion-mnist", {name: contents(site)[name] for name in FILES[:2]})
    site.requests.clear()
    serve(site, monkeypatch, "good")
    find_mnist("fashion-mnist")
    check_cache(cache / "fashion-mnist", contents(site))
    assert site.requests == [f"/good/{name}.gz" for name in FILES[2:]]


def test_mirrors_may_fail_at_different_files(
    site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.answers["first"] = lambda h, d: whole(h, d) if FILES[0] in h.path else h.send_error(404)
    site.answers["bad"] = FAILURES["500"][0]
    serve(site, monkeypatch, "first", "bad", "good")
    find_mnist("fashion-mnist")
    check_cache(cache / "fashion-mnist", contents(site))


@pytest.mark.parametrize("how", [KeyboardInterrupt, OSError])
def test_nothing_partial_is_left(
    how: type[BaseException], site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(site, monkeypatch, "good")

    def fail(part: str, target: Path) -> None:  # noqa: ARG001
        raise how(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises((KeyboardInterrupt, DataError)) as error:
        find_mnist("fashion-mnist")
    if how is OSError:
        message(error, cache / "fashion-mnist" / FILES[0], "can't be written", "No space left")
    assert list((cache / "fashion-mnist").iterdir()) == []


def test_a_file_of_a_killed_download_is_no_data(
    site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cache / "mnist").mkdir(parents=True)
    (cache / "mnist" / f"{FILES[0]}.gzabcd.part").write_bytes(b"half")
    serve(site, monkeypatch, "good")
    assert load_mnist()[0][0].shape == (30, 784)


def test_a_cache_that_cannot_be_written(
    site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache.parent.touch()
    serve(site, monkeypatch, "good")
    assert find_mnist() == mnist.SUBSET
    assert str(cache / "mnist" / FILES[0]) in caplog.text
    assert "can't be written" in caplog.text


def test_several_at_once(site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(5, timeout=10)
    replace, parts, found = os.replace, [], []

    def answer(handler: BaseHTTPRequestHandler, data: bytes) -> None:
        if FILES[0] in handler.path:
            together.wait()
        whole(handler, data)

    def record(part: str, target: Path) -> None:
        parts.append(part)
        replace(part, target)

    monkeypatch.setattr(os, "replace", record)
    site.answers["a"] = answer
    serve(site, monkeypatch, "a")
    threads = [threading.Thread(target=lambda: found.append(find_mnist())) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [cache / "mnist"] * 5
    check_cache(cache / "mnist", contents(site))
    assert len(parts) >= 5
    assert len(set(parts)) == len(parts)  # nobody writes to another's file


# -- Without a network --------------------------------------------------------------------------


def test_the_subset_is_announced(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert find_mnist() == mnist.SUBSET
    [record] = caplog.records
    assert (record.name, record.levelno) == ("gradcore", logging.WARNING)
    text = record.getMessage()
    assert "\n" not in text
    for part in ("5,000", "70,000", str(cache / "mnist"), "download failed", "GRADCORE_DATA"):
        assert part in text
    for i in range(2):
        assert f"http://127.0.0.1:1/{i}/{FILES[0]}.gz: " in text
    for name in FILES:
        assert name in text
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_only_mnist_has_a_subset() -> None:
    with pytest.raises(DataError, match="Fashion-MNIST is not in the cache"):
        load_fashion_mnist()


@pytest.mark.parametrize("hanging", [True, False])
def test_no_name_is_resolved(hanging: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    end = threading.Event()

    def resolve(host: str, *_: object, **__: object) -> None:
        asked.append(host)
        if hanging:
            end.wait(10)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    if hanging:
        monkeypatch.setattr(download, "CONNECT_TIMEOUT", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    source = mnist.SOURCES["fashion-mnist"]
    mirrors = ("http://a.invalid/", "http://b.invalid/")
    monkeypatch.setitem(mnist.SOURCES, "fashion-mnist", source._replace(mirrors=mirrors))
    start = time.perf_counter()
    with pytest.raises(DataError) as error:
        find_mnist("fashion-mnist")
    assert time.perf_counter() - start < (3 if hanging else 1)
    end.set()
    assert asked == ["a.invalid", "b.invalid"]  # each once, not for each file
    message(error, "no answer for" if hanging else ": Temporary failure in name resolution;")


def test_offline(
    site: Site,
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    serve(site, monkeypatch, "good")
    monkeypatch.setenv("GRADCORE_OFFLINE", "1")
    monkeypatch.setenv("GRADCORE_DATA", str(tmp_path))
    assert find_mnist() == mnist.SUBSET
    [record] = caplog.records
    assert f"GRADCORE_DATA ({tmp_path})" in record.getMessage()
    assert "GRADCORE_OFFLINE forbids a download" in record.getMessage()
    with pytest.raises(DataError) as error:
        load_fashion_mnist()
    message(error, "Fashion-MNIST", "GRADCORE_OFFLINE forbids", "GRADCORE_DATA")
    assert site.requests == []
    monkeypatch.setenv("GRADCORE_OFFLINE", "0")
    assert find_mnist() == cache / "mnist"
    assert len(site.requests) == 4
    monkeypatch.setenv("GRADCORE_OFFLINE", "1")
    assert find_mnist() == cache / "mnist"


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("answer", [whole, without_size])
def test_progress_bar(answer: Answer, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm")
    site.answers["a"] = answer
    serve(site, monkeypatch, "a")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    find_mnist()
    for name in FILES:
        assert f"{name}.gz" in terminal.getvalue()


def test_no_tqdm_no_bar(site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(site, monkeypatch, "good")
    monkeypatch.setitem(sys.modules, "tqdm", None)
    terminal = Terminal()
    for stderr in (terminal, None):  # None: a program without a console on Windows
        monkeypatch.setattr(sys, "stderr", stderr)
        assert find_mnist() == cache / "mnist"
        for path in (cache / "mnist").iterdir():
            path.unlink()
    assert terminal.getvalue() == ""
    assert len(site.requests) == 8
