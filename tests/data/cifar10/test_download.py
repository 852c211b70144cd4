"""CIFAR-10: downloads into the cache, and how they are continued."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cifar10_files import ARCHIVE, CONTENTS, FILES, INNER, PACKED, arrays, write, write_archive
from web import (
    Answer,
    Site,
    be_impatient,
    half,
    hang,
    message,
    ranged,
    redirected,
    serving,
    stall,
    start,
    whole,
    without_size,
)

import gradcore
from gradcore.data import DataError, cifar10, download, find_cifar10, load_cifar10

# -- Downloading --------------------------------------------------------------------------------


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Mirrors of the archive; `serve` has them used."""
    archive = cifar10.ARCHIVE._replace(digest=md5(PACKED))
    monkeypatch.setattr(cifar10, "ARCHIVE", archive)
    with serving({ARCHIVE: PACKED}) as site:
        site.answers |= {"ranged": ranged, "half": half}
        yield site


def serve(site: Site, monkeypatch: pytest.MonkeyPatch, *mirrors: str) -> None:
    monkeypatch.setattr(cifar10, "MIRRORS", site.mirrors(*mirrors))


def check_cache(cache: Path) -> None:
    """The cache holds the files and nothing else."""
    found = {str(p.relative_to(cache)): p.read_bytes() for p in cache.rglob("*") if p.is_file()}
    assert found == {os.path.join(INNER, name): content for name, content in CONTENTS.items()}


def break_off(site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A download stops in the middle; the part that is left."""
    serve(site, monkeypatch, "half")
    with pytest.raises(DataError, match=f"closed after {len(PACKED) // 2} of {len(PACKED)} bytes"):
        find_cifar10()
    [part] = cache.iterdir()
    assert part.name.startswith(ARCHIVE)
    assert part.name.endswith(".part")
    assert part.read_bytes() == PACKED[: len(PACKED) // 2]
    site.requests.clear()
    site.ranges.clear()
    return part


@pytest.mark.parametrize("answer", [whole, without_size, redirected, ranged])
def test_download(
    answer: Answer,
    site: Site,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    site.answers["a"] = answer
    serve(site, monkeypatch, "a")
    with gradcore.use_backend("numpy"):
        (xtrain, _), _, _ = load_cifar10(True)
    np.testing.assert_array_equal(xtrain, arrays(*cifar10.TRAIN)[0])
    check_cache(cache)
    [record] = caplog.records
    assert (record.name, record.levelno) == ("gradcore", logging.WARNING)
    assert str(cache / ARCHIVE) in record.getMessage()
    asked = len(site.requests)
    assert find_cifar10() == cache / INNER  # now from the cache
    assert len(site.requests) == asked
    assert len(caplog.records) == 1


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


OTHER = PACKED[:-1] + b"\1"
FAILURES: dict[str, tuple[Answer, str]] = {
    "404": (lambda h, _: h.send_error(404), "HTTP Error 404: Not Found"),
    "cut off": (half, f"the connection closed after {len(PACKED) // 2} of {len(PACKED)} bytes"),
    "cut off, without size": (lambda h, d: without_size(h, d[:999]), "the file has md5"),
    "another file": (
        lambda h, _: whole(h, OTHER),
        f"the file has md5 {md5(OTHER)}, expected {md5(PACKED)}",
    ),
    "hangs": (hang, "no answer for 0.8 seconds"),
    "stalls": (stall, "timed out"),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("good", ["good", "ranged"])
def test_a_mirror_that_fails_is_replaced_by_the_next(
    good: str, failure: str, site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_impatient(monkeypatch, failure)
    site.answers["bad"] = FAILURES[failure][0]
    serve(site, monkeypatch, "bad", good)
    assert find_cifar10() == cache / INNER
    check_cache(cache)
    assert site.requests == [f"/bad/{ARCHIVE}", f"/{good}/{ARCHIVE}"]
    kept = failure in ("cut off", "stalls")
    assert site.ranges == [0, len(PACKED) // 2 if kept else 0]  # continued from another mirror


@pytest.mark.parametrize("failure", FAILURES)
def test_all_mirrors_fail(
    failure: str, site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_impatient(monkeypatch, failure)
    answer, reason = FAILURES[failure]
    site.answers.update(bad=answer, gone=FAILURES["404"][0])
    serve(site, monkeypatch, "bad", "gone")
    with pytest.raises(DataError) as error:
        load_cifar10()
    bad, gone = (f"{url}{ARCHIVE}" for url in site.mirrors("bad", "gone"))
    message(error, "CIFAR-10 is not in the cache", cache, "download failed", f"({bad}: ", reason)
    message(error, f"; {gone}: HTTP Error 404: Not Found); ", FILES[0], "GRADCORE_DATA")
    parts = [path.read_bytes() for path in cache.iterdir()]
    assert parts == ([PACKED[: len(PACKED) // 2]] if failure in ("cut off", "stalls") else [])


def test_slow_is_not_hanging(site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All takes longer than a piece may."""

    def drip(handler: Any, data: bytes) -> None:
        whole(handler, b"", len(data))
        for i in range(0, len(data), len(data) // 8):
            handler.wfile.write(data[i : i + len(data) // 8])
            handler.wfile.flush()
            time.sleep(0.2)

    monkeypatch.setattr(download, "READ_TIMEOUT", 1.0)
    site.answers["slow"] = drip
    serve(site, monkeypatch, "slow")
    begin = time.perf_counter()
    find_cifar10()
    assert time.perf_counter() - begin > 1.0
    check_cache(cache)


def test_offline(
    site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    serve(site, monkeypatch, "good")
    monkeypatch.setenv("GRADCORE_OFFLINE", "1")
    with pytest.raises(DataError) as error:
        find_cifar10()
    message(error, "CIFAR-10 is not in the cache", "GRADCORE_OFFLINE forbids", "GRADCORE_DATA")
    write_archive(cache / ARCHIVE)  # as where the unpacking was interrupted
    write(cache / INNER, {FILES[0]: CONTENTS[FILES[0]]})
    assert find_cifar10() == cache / INNER
    check_cache(cache)
    assert site.requests == []
    assert not caplog.records


# -- Downloads that are continued ---------------------------------------------------------------


def test_a_download_is_continued(site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    break_off(site, cache, monkeypatch)
    site.answers["quarter"] = lambda h, d: ranged(h, d, len(d) // 4)
    serve(site, monkeypatch, "quarter")
    with pytest.raises(DataError, match="closed after"):
        find_cifar10()
    serve(site, monkeypatch, "ranged")
    assert find_cifar10() == cache / INNER
    check_cache(cache)
    assert site.ranges == [len(PACKED) // 2, len(PACKED) // 2 + len(PACKED) // 4]


def test_a_part_that_is_continued_is_not_given_to_another(
    site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(handler: Any, data: bytes) -> None:
        if start(handler):  # the first one waits for this answer
            find_cifar10()
        ranged(handler, data)

    break_off(site, cache, monkeypatch)
    site.answers["meanwhile"] = meanwhile
    serve(site, monkeypatch, "meanwhile")
    find_cifar10()
    check_cache(cache)
    assert site.ranges == [len(PACKED) // 2, 0]


@pytest.mark.parametrize("answer", [whole, without_size])
def test_a_server_that_knows_no_ranges_sends_all(
    answer: Answer, site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_off(site, cache, monkeypatch)
    site.answers["a"] = answer
    serve(site, monkeypatch, "a")
    find_cifar10()
    check_cache(cache)
    assert site.ranges == [len(PACKED) // 2]


def damage(part: Path) -> None:
    """Change the part, so that it starts another version of the file."""
    part.write_bytes(b"\0" * part.stat().st_size)
    os.utime(part, (0, 0))


def lengthen(part: Path) -> None:
    part.write_bytes(PACKED + b"\0" * 99)
    os.utime(part, (0, 0))


@pytest.mark.parametrize("change", [damage, lengthen])
def test_a_part_of_another_file_is_given_up(
    change: Any, site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(break_off(site, cache, monkeypatch))
    serve(site, monkeypatch, "ranged")
    find_cifar10()
    check_cache(cache)
    assert site.ranges[1:] == [0]
    assert site.ranges[0] > 0


@pytest.mark.parametrize("given", [f"bytes 0-{len(PACKED) - 1}/{len(PACKED)}", None, "bytes */1"])
def test_a_server_that_gives_another_range(
    given: str | None, site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(handler: Any, data: bytes) -> None:
        if not start(handler):
            whole(handler, data)
            return
        handler.send_response(206)
        if given:
            handler.send_header("Content-Range", given)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()  # and nothing is to wait for what follows
        hang(handler, data)

    break_off(site, cache, monkeypatch)
    site.answers["other"] = other
    serve(site, monkeypatch, "other")
    find_cifar10()
    check_cache(cache)
    assert site.ranges == [len(PACKED) // 2, 0]


def test_a_whole_part_needs_no_server(
    site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = break_off(site, cache, monkeypatch)
    part.write_bytes(PACKED)
    os.utime(part, (0, 0))
    find_cifar10()
    check_cache(cache)
    assert site.requests == []


def test_a_part_that_may_still_grow_is_left_alone(
    site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed process's part is continued once it is seen that nobody writes to it."""
    part = break_off(site, cache, monkeypatch)
    os.utime(part)
    serve(site, monkeypatch, "half")
    with pytest.raises(DataError):
        find_cifar10()
    assert site.ranges == [0]
    assert len(list(cache.iterdir())) == 2
    minute = time.time() - 60
    os.utime(part, (minute, minute))
    serve(site, monkeypatch, "ranged")
    find_cifar10()
    check_cache(cache)
    assert site.ranges == [0, len(PACKED) // 2]


@pytest.mark.parametrize("how", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_download_is_continued(
    how: type[BaseException], site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = download._pieces

    def interrupted(response: Any) -> Iterator[bytes]:
        yield next(pieces(response))
        raise how

    monkeypatch.setattr(download, "_pieces", interrupted)
    serve(site, monkeypatch, "ranged")
    with pytest.raises(how):
        find_cifar10()
    [part] = cache.iterdir()
    size = part.stat().st_size
    assert 0 < size < len(PACKED)
    monkeypatch.setattr(download, "_pieces", pieces)
    find_cifar10()
    check_cache(cache)
    assert site.ranges == [0, size]


def test_a_disk_that_is_full(site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: object, target: object) -> None:  # noqa: ARG001
        raise OSError(28, "No space left on device")

    serve(site, monkeypatch, "ranged", "good")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(DataError) as error:
            find_cifar10()
    message(error, cache / ARCHIVE, "can't be written", "No space left on device")
    assert site.requests == [f"/ranged/{ARCHIVE}"]  # it is not the mirror's fault
    find_cifar10()
    check_cache(cache)
    assert site.requests == [f"/ranged/{ARCHIVE}"]


def test_several_at_once(site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(4, timeout=10)
    found = []

    def answer(handler: Any, data: bytes) -> None:
        together.wait()
        whole(handler, data)

    site.answers["a"] = answer
    serve(site, monkeypatch, "a")
    threads = [threading.Thread(target=lambda: found.append(find_cifar10())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [cache / INNER] * 4
    check_cache(cache)


def test_progress_bar_starts_where_the_download_goes_on(
    site: Site, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tqdm = pytest.importorskip("tqdm")
    break_off(site, cache, monkeypatch)
    bars: list[dict[str, Any]] = []
    real = tqdm.tqdm

    def record(**options: Any) -> Any:
        bars.append(options)
        return real(**options)

    monkeypatch.setattr(tqdm, "tqdm", record)
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    serve(site, monkeypatch, "ranged")
    find_cifar10()
    assert [(bar["initial"], bar["total"]) for bar in bars] == [(len(PACKED) // 2, len(PACKED))]
    assert ARCHIVE in terminal.getvalue()
