"""CIFAR-10: finding, downloading and reading it."""

from __future__ import annotations

import gzip
import hashlib
import io
import logging
import os
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from web import (
    Answer,
    Site,
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
from gradcore.data import (
    CIFAR10_CLASSES,
    DataError,
    cifar10,
    download,
    find_cifar10,
    load_cifar10,
)

FILES = cifar10.FILES
INNER, ARCHIVE = "cifar-10-batches-bin", "cifar-10-binary.tar.gz"
REAL = Path(os.environ.get("GRADCORE_DATA", ""))  # the fixture below hides it from the tests
N = 20  # records in each file
SIZE = N * 3073


@pytest.fixture(autouse=True)
def cache(data_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Small files; an empty cache, whose folder is given; and mirrors that don't answer."""
    monkeypatch.setattr(cifar10, "RECORDS", N)
    monkeypatch.setattr(cifar10, "MIRRORS", ("http://127.0.0.1:1/a/", "http://127.0.0.1:1/b/"))
    return data_cache / "cifar10"


def dataset() -> dict[str, bytes]:
    """The content of each file."""
    rng = np.random.default_rng(0)
    records = rng.integers(0, 256, (6, N, 3073), np.uint8)
    records[:, :, 0] %= 10
    return {name: part.tobytes() for name, part in zip(FILES, records, strict=True)}


CONTENTS = dataset()
META = {"batches.meta.txt": "\n".join(CIFAR10_CLASSES).encode(), "readme.html": b"<html>"}


def packed(contents: dict[str, bytes], prefix: str = f"{INNER}/") -> bytes:
    """The archive, its files not in their order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for name in sorted(contents, key=lambda name: name[::-1]):
            member = tarfile.TarInfo(prefix + name)
            member.size = len(contents[name])
            archive.addfile(member, io.BytesIO(contents[name]))
    return buffer.getvalue()


PACKED = packed(CONTENTS | META)


def write(folder: Path, contents: dict[str, bytes] = CONTENTS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def write_archive(path: Path, data: bytes = PACKED) -> Path:
    write(path.parent, {path.name: data})
    return path


def arrays(*names: str) -> tuple[np.ndarray, np.ndarray]:
    data = b"".join(CONTENTS[name] for name in names)
    records = np.frombuffer(data, np.uint8).reshape(-1, 3073)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64)


# -- Loading ------------------------------------------------------------------------------------


@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize("form", ["folder", "archive"])
def test_load_cifar10(backend: Any, final: bool, form: str, tmp_path: Path) -> None:
    if form == "folder":
        write(tmp_path)
    else:
        write_archive(tmp_path / ARCHIVE)
    (xtrain, ytrain), (xval, yval), num_classes = load_cifar10(final, data_dir=tmp_path)
    x, y = arrays(*FILES)
    assert num_classes == 10
    for array in (xtrain, ytrain, xval, yval):
        assert isinstance(array, backend.array_types)
        assert array.device == backend.asarray([0]).device
    assert xtrain.dtype == xval.dtype == backend.dtype("uint8")
    assert ytrain.dtype == yval.dtype == backend.dtype("int64")
    n, m = (5 * N, 6 * N) if final else (5 * N - N // 2, 5 * N)
    np.testing.assert_array_equal(backend.to_numpy(xtrain), x[:n])
    np.testing.assert_array_equal(backend.to_numpy(ytrain), y[:n])
    np.testing.assert_array_equal(backend.to_numpy(xval), x[n:m])
    np.testing.assert_array_equal(backend.to_numpy(yval), y[n:m])


def test_pixels_in_another_dtype(backend: Any, tmp_path: Path) -> None:
    write(tmp_path)
    (xtrain, _), (xval, _), _ = load_cifar10(data_dir=tmp_path, dtype="float32")
    assert xtrain.dtype == xval.dtype == backend.dtype("float32")
    expected = arrays(*FILES)[0][: xtrain.shape[0]].astype(np.float32)
    np.testing.assert_array_equal(backend.to_numpy(xtrain), expected)


@pytest.mark.parametrize("form", ["folder", "archive"])
def test_arrays_may_be_changed(form: str, tmp_path: Path) -> None:
    place = write(tmp_path) if form == "folder" else write_archive(tmp_path / ARCHIVE)
    with gradcore.use_backend("numpy"):
        (xtrain, ytrain), (xval, _), _ = load_cifar10(data_dir=place)
    before = xval.copy()
    xtrain += 1
    ytrain += 1
    np.testing.assert_array_equal(xval, before)


@pytest.mark.parametrize("prefix", ["", "./", f"./{INNER}/", "../../", "/tmp/"])
def test_archives_are_read_wherever_their_paths_lead(prefix: str, tmp_path: Path) -> None:
    place = write_archive(tmp_path / "renamed.tgz", packed(CONTENTS, prefix))
    with gradcore.use_backend("numpy"):
        (xtrain, _), _, _ = load_cifar10(True, data_dir=place)
    np.testing.assert_array_equal(xtrain, arrays(*cifar10.TRAIN)[0])
    assert list(tmp_path.iterdir()) == [place]


def test_an_archive_that_a_browser_decompressed(tmp_path: Path) -> None:
    for name in ("cifar-10-binary.tar", ARCHIVE):
        place = write_archive(tmp_path / name, gzip.decompress(PACKED))
        assert load_cifar10(data_dir=place)[0][0].shape[0] == 5 * N - N // 2


@pytest.mark.skipif(
    not [*REAL.glob(f"{INNER}/{FILES[0]}"), *REAL.glob(f"cifar10/{INNER}/{FILES[0]}")],
    reason="GRADCORE_DATA names no folder with CIFAR-10",
)
def test_the_whole_of_cifar10(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar10, "RECORDS", 10_000)
    with gradcore.use_backend("numpy"):
        (xtrain, ytrain), (xtest, ytest), _ = load_cifar10(True, data_dir=REAL)
        (_, ymost), (xval, yval), _ = load_cifar10(data_dir=REAL)
    assert [a.shape for a in (xtrain, xtest)] == [(50_000, 3, 32, 32), (10_000, 3, 32, 32)]
    np.testing.assert_array_equal(np.bincount(ytrain), np.full(10, 5_000))
    np.testing.assert_array_equal(np.bincount(ytest), np.full(10, 1_000))
    np.testing.assert_array_equal(np.concatenate([ymost, yval]), ytrain)
    np.testing.assert_array_equal(xval, xtrain[45_000:])
    channels = xtrain.reshape(50_000, 3, -1)
    np.testing.assert_allclose(channels.mean(axis=(0, 2)), cifar10.CIFAR10_MEAN, atol=1)
    np.testing.assert_allclose(channels.std(axis=(0, 2)), cifar10.CIFAR10_STD, atol=1)


# -- Where the files are ------------------------------------------------------------------------


@pytest.mark.parametrize("inner", ["", INNER, "cifar10", f"cifar10/{INNER}"])
@pytest.mark.parametrize("by", ["data_dir", "GRADCORE_DATA"])
def test_layouts(inner: str, by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "data" / inner)
    if by == "data_dir":
        assert find_cifar10(str(tmp_path / "data")) == folder
    else:
        monkeypatch.setenv("GRADCORE_DATA", str(tmp_path / "data"))
        assert find_cifar10() == folder


@pytest.mark.parametrize("inner", [ARCHIVE, f"cifar10/{ARCHIVE}"])
@pytest.mark.parametrize("by", ["data_dir", "GRADCORE_DATA", "file"])
def test_archives(inner: str, by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = write_archive(tmp_path / inner)
    if by == "GRADCORE_DATA":
        monkeypatch.setenv("GRADCORE_DATA", str(tmp_path))
        assert find_cifar10() == archive
    else:
        assert find_cifar10(tmp_path if by == "data_dir" else archive) == archive


def test_files_before_the_archive_but_only_if_all_are_there(tmp_path: Path) -> None:
    archive, folder = write_archive(tmp_path / ARCHIVE), write(tmp_path / INNER)
    assert find_cifar10(tmp_path) == folder
    (folder / FILES[0]).unlink()
    assert find_cifar10(tmp_path) == archive


def test_order_of_the_search(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for folder in (tmp_path / "argument", tmp_path / "variable", cache):
        write(folder / INNER)
    monkeypatch.setenv("GRADCORE_DATA", str(tmp_path / "variable"))
    assert find_cifar10(tmp_path / "argument") == tmp_path / "argument" / INNER
    assert find_cifar10() == tmp_path / "variable" / INNER
    monkeypatch.setenv("GRADCORE_DATA", str(tmp_path))  # other data is there
    assert find_cifar10() == cache / INNER
    monkeypatch.delenv("GRADCORE_DATA")
    assert find_cifar10() == cache / INNER
    assert not caplog.records


def test_an_explicit_folder_is_never_replaced_by_another(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(cache / INNER)
    monkeypatch.setenv("GRADCORE_DATA", str(cache))
    with pytest.raises(DataError) as error:
        load_cifar10(data_dir=tmp_path)
    message(error, "data_dir", tmp_path, "expected CIFAR-10", tmp_path / "cifar10", "found neither")
    message(error, "put", FILES[0], FILES[-1], ARCHIVE, "there", "leave data_dir out")


@pytest.mark.parametrize("name", ["cifar-10-batches-py", "cifar-10-python.tar.gz"])
def test_the_python_version_is_told(name: str, tmp_path: Path) -> None:
    (tmp_path / "cifar10" / name).mkdir(parents=True)
    with pytest.raises(DataError) as error:
        find_cifar10(tmp_path)
    message(error, "found the Python version", tmp_path / "cifar10" / name, "pickles", "not read")


def test_the_folder_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError) as error:
        find_cifar10(tmp_path / "typo")
    message(error, "data_dir", tmp_path / "typo", "expected a folder", "found nothing", "correct")
    monkeypatch.setenv("GRADCORE_DATA", str(tmp_path / "typo"))
    with pytest.raises(DataError, match="GRADCORE_DATA"):
        find_cifar10()


@pytest.mark.parametrize("by", ["data_dir", "GRADCORE_DATA"])
def test_only_some_of_the_files(by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / INNER)
    for name in FILES[4:]:
        (folder / name).unlink()
    monkeypatch.setenv("GRADCORE_DATA", str(tmp_path))
    with pytest.raises(DataError) as error:
        find_cifar10(tmp_path if by == "data_dir" else None)
    message(error, by, tmp_path, FILES[0], folder, "found no", FILES[4], "no", FILES[5], "add")


# -- Damaged files ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected", "found"),
    [
        (b"", f"{SIZE} bytes", "0;"),
        (CONTENTS[FILES[0]][:-1], f"{SIZE} bytes", f"{SIZE - 1};"),
        (CONTENTS[FILES[0]][: SIZE // 2], f"{SIZE} bytes", f"{SIZE // 2};"),
        (CONTENTS[FILES[0]] + b"\0", f"{SIZE} bytes", f"{SIZE + 1};"),
        (CONTENTS[FILES[0]][:3073] + b"\x0a" * (SIZE - 3073), "labels", "10 in record 1;"),
    ],
)
@pytest.mark.parametrize("name", [FILES[0], FILES[3], FILES[-1]])
@pytest.mark.parametrize("form", ["folder", "archive"])
def test_damaged_file(
    form: str, name: str, content: bytes, expected: str, found: str, tmp_path: Path
) -> None:
    contents = CONTENTS | {name: content}
    if form == "folder":
        place = write(tmp_path, contents)
    else:
        place = write_archive(tmp_path / ARCHIVE, packed(contents))
    with pytest.raises(DataError) as error:
        load_cifar10(True, data_dir=tmp_path)
    message(error, place / name, "expected", expected, "found", found, "replace the file")


def test_unreadable_file(tmp_path: Path) -> None:
    path = write(tmp_path) / FILES[2]
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(DataError) as error:
        load_cifar10(data_dir=tmp_path)
    message(error, "found no", FILES[2])


LINKS = io.BytesIO()
with tarfile.open(fileobj=LINKS, mode="w") as links:
    for link in FILES:
        member = tarfile.TarInfo(f"{INNER}/{link}")
        member.type, member.linkname, member.size = tarfile.SYMTYPE, "/etc/passwd", SIZE
        links.addfile(member)


@pytest.mark.parametrize(
    ("data", "expected", "found"),
    [
        (b"", "a readable tar archive", "file could not be opened"),
        (b"<!DOCTYPE html>" * 99, "a readable tar archive", "file could not be opened"),
        (CONTENTS[FILES[0]], "a readable tar archive", "file could not be opened"),
        (PACKED[: len(PACKED) // 2], "a readable tar archive", "ended before the end"),
        (PACKED[:100], "a readable tar archive", ""),
        (gzip.decompress(PACKED)[: 3 * SIZE], "a readable tar archive", "unexpected end of data"),
        (PACKED[:9999] + bytes(999) + PACKED[9999 + 999 :], "a readable tar archive", ""),
        (packed({FILES[0]: CONTENTS[FILES[0]]}), "the binary version", f"no {FILES[1]} and no"),
        (packed({"train.bin": b"1", "test.bin": b"2"}), "the binary version", f"no {FILES[0]}"),
        (LINKS.getvalue(), "", ""),
    ],
)
def test_damaged_archive(data: bytes, expected: str, found: str, tmp_path: Path) -> None:
    place = write_archive(tmp_path / ARCHIVE, data)
    with pytest.raises(DataError) as error:
        load_cifar10(True, data_dir=tmp_path)
    message(error, place, "expected", expected, "found", found, "; replace the file")


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


def be_impatient(monkeypatch: pytest.MonkeyPatch, failure: str) -> None:
    """Shorten the timeout that this failure runs into, and no other."""
    if failure == "hangs":
        monkeypatch.setattr(download, "CONNECT_TIMEOUT", 0.8)
    elif failure == "stalls":
        monkeypatch.setattr(download, "READ_TIMEOUT", 0.8)


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
    """As if it were the start of another version of the file."""
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
