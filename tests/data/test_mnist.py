"""Finding, downloading, reading and batching datasets."""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from io import StringIO
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
    redirected,
    redirected_in_a_circle,
    serving,
    stall,
    whole,
    without_size,
)

import gradcore
from gradcore.data import (
    Batches,
    DataError,
    download,
    find_mnist,
    load_fashion_mnist,
    load_mnist,
    load_synth,
    mnist,
)

FILES = mnist.FILES
REAL = Path(os.environ.get("GRADCORE_DATA", ""))  # the fixture below hides it from the tests


@pytest.fixture(autouse=True)
def cache(data_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and mirrors that don't answer."""
    for name, source in mnist.SOURCES.items():
        nowhere = tuple(f"http://127.0.0.1:1/{i}/" for i in range(len(source.mirrors)))
        monkeypatch.setitem(mnist.SOURCES, name, source._replace(mirrors=nowhere))
    return data_cache


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def dataset(train: int = 40, test: int = 12) -> dict[str, bytes]:
    """A small dataset: the content of each file."""
    rng = np.random.default_rng(train)
    contents = []
    for n in (train, test):
        contents += [idx(rng.integers(0, 256, (n, 28, 28), np.uint8))]
        contents += [idx(rng.integers(0, 10, n, np.uint8))]
    return dict(zip(FILES, contents, strict=True))


def write(folder: Path, contents: dict[str, bytes], gz: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        path = folder / (f"{name}.gz" if gz else name)
        path.write_bytes(gzip.compress(content, mtime=0) if gz else content)
    return folder


def arrays(contents: dict[str, bytes], part: str) -> tuple[np.ndarray, np.ndarray]:
    images, labels = (contents[name] for name in FILES if name.startswith(part))
    x = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 784).astype(np.float32)
    return x, np.frombuffer(labels, np.uint8, offset=8).astype(np.int64)


# -- Loading ------------------------------------------------------------------------------------


def test_load_mnist(backend: Any, tmp_path: Path) -> None:
    contents = dataset()
    write(tmp_path, contents)
    (xtrain, ytrain), (xval, yval), num_classes = load_mnist(data_dir=tmp_path)
    x, y = arrays(contents, "train")
    assert num_classes == 10
    for array in (xtrain, ytrain, xval, yval):
        assert isinstance(array, backend.array_types)
        assert array.device == backend.asarray([0]).device
    assert xtrain.dtype == xval.dtype == backend.dtype("float32")
    assert ytrain.dtype == yval.dtype == backend.dtype("int64")
    np.testing.assert_array_equal(backend.to_numpy(xtrain), x[:30])
    np.testing.assert_array_equal(backend.to_numpy(ytrain), y[:30])
    np.testing.assert_array_equal(backend.to_numpy(xval), x[30:])
    np.testing.assert_array_equal(backend.to_numpy(yval), y[30:])


def test_final_gives_the_test_set(tmp_path: Path) -> None:
    contents = dataset()
    write(tmp_path, contents)
    with gradcore.use_backend("numpy"):
        train, test, _ = load_mnist(True, data_dir=tmp_path)
    for split, part in ((train, "train"), (test, "t10k")):
        for found, expected in zip(split, arrays(contents, part), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_images_unflattened(backend: Any, tmp_path: Path) -> None:
    contents = dataset()
    write(tmp_path, contents)
    (xtrain, _), (xval, _), _ = load_mnist(False, False, data_dir=tmp_path)
    assert tuple(xtrain.shape) == (30, 1, 28, 28)
    assert tuple(xval.shape) == (10, 1, 28, 28)
    expected = arrays(contents, "train")[0].reshape(-1, 1, 28, 28)
    np.testing.assert_array_equal(backend.to_numpy(xtrain), expected[:30])


def test_arrays_may_be_changed(tmp_path: Path) -> None:
    write(tmp_path, dataset())
    with gradcore.use_backend("numpy"):
        (xtrain, ytrain), (xval, _), _ = load_mnist(data_dir=tmp_path)
    before = xval.copy()
    xtrain /= 255
    ytrain += 1
    np.testing.assert_array_equal(xval, before)


@pytest.mark.parametrize(
    ("train", "validation"), [(4, 1), (7, 1), (19_999, 4_999), (20_004, 5_000)]
)
def test_size_of_the_validation_set(train: int, validation: int, tmp_path: Path) -> None:
    images = struct.pack(">HBB3I", 0, 8, 3, train, 28, 28) + bytes(train * 784)
    small = dataset()
    contents = {FILES[0]: images, FILES[1]: idx(np.zeros(train, np.uint8))}
    write(tmp_path, small | contents, gz=False)
    (_, ytrain), (_, yval), _ = load_mnist(data_dir=tmp_path)
    assert (ytrain.shape[0], yval.shape[0]) == (train - validation, validation)


def test_no_images_to_spare_for_validation(tmp_path: Path) -> None:
    write(tmp_path, dataset(train=3))
    with pytest.raises(DataError) as error:
        load_mnist(data_dir=tmp_path)
    message(error, tmp_path, "expected at least 4", "found 3", "final=True")
    assert load_mnist(final=True, data_dir=tmp_path)[0][0].shape[0] == 3


def test_the_subset_that_ships() -> None:
    with gradcore.use_backend("numpy"):
        (x, y), (xval, yval), _ = load_mnist(final=True)
        (_, ytrain), (_, yheld), _ = load_mnist()
    assert x.shape == (4000, 784)
    assert xval.shape == (1000, 784)
    assert x.min() == xval.min() == 0
    assert x.max() == xval.max() == 255
    assert 30 < x.mean() < 36  # MNIST's is 33.3
    for labels in (y, yval):
        np.testing.assert_array_equal(labels, np.arange(len(labels)) % 10)
    np.testing.assert_array_equal(np.concatenate([ytrain, yheld]), y)
    assert len(yheld) == 1000
    np.testing.assert_array_equal(np.bincount(yheld), np.full(10, 100))
    assert len(np.unique(np.concatenate([x, xval]), axis=0)) == 5000


@pytest.mark.skipif(
    not [*REAL.glob(f"{FILES[0]}*"), *REAL.glob(f"mnist/{FILES[0]}*")],
    reason="GRADCORE_DATA names no folder with the whole of MNIST",
)
def test_the_whole_of_mnist() -> None:
    folder = find_mnist(data_dir=REAL)
    for name, sha256 in mnist.SOURCES["mnist"].sha256.items():
        path = folder / name
        data = (
            path.read_bytes() if path.exists() else gzip.decompress(Path(f"{path}.gz").read_bytes())
        )
        assert hashlib.sha256(data).hexdigest() == sha256
    with gradcore.use_backend("numpy"):
        train, val, _ = load_mnist(data_dir=REAL)
        whole, test, _ = load_mnist(final=True, flatten=False, data_dir=REAL)
    assert [a.shape for a in (*train, *val)] == [(55_000, 784), (55_000,), (5_000, 784), (5_000,)]
    assert [a.shape for a in (*whole, *test)] == [
        (60_000, 1, 28, 28),
        (60_000,),
        (10_000, 1, 28, 28),
        (10_000,),
    ]
    assert train[1][:5].tolist() == [5, 0, 4, 1, 9]
    assert test[1][:5].tolist() == [7, 2, 1, 0, 4]
    np.testing.assert_array_equal(val[0], whole[0][55_000:].reshape(5_000, 784))


# -- Where the files are ------------------------------------------------------------------------


@pytest.mark.parametrize("gz", [True, False], ids=["gzipped", "raw"])
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
@pytest.mark.parametrize("inner", [True, False])
@pytest.mark.parametrize("by", ["data_dir", "GRADCORE_DATA"])
def test_layouts(
    gz: bool, name: str, inner: bool, by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "data" / (name if inner else ""), dataset(), gz)
    if by == "data_dir":
        assert find_mnist(name, str(tmp_path / "data")) == folder
    else:
        monkeypatch.setenv("GRADCORE_DATA", str(tmp_path / "data"))
        assert find_mnist(name) == folder
        load = load_mnist if name == "mnist" else load_fashion_mnist
        assert load()[0][0].shape == (30, 784)


def test_some_gzipped_some_not_whatever_their_names(tmp_path: Path) -> None:
    contents = dataset()
    write(tmp_path, contents)
    (tmp_path / f"{FILES[0]}.gz").rename(tmp_path / FILES[0])  # some browsers do this
    (tmp_path / f"{FILES[1]}.gz").write_bytes(contents[FILES[1]])  # and others this
    with gradcore.use_backend("numpy"):
        (xtrain, ytrain), *_ = load_mnist(data_dir=tmp_path)
    np.testing.assert_array_equal(xtrain, arrays(contents, "train")[0][:30])
    np.testing.assert_array_equal(ytrain, arrays(contents, "train")[1][:30])


def test_order_of_the_search(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for folder in (tmp_path / "argument", tmp_path / "variable", cache):
        write(folder / "mnist", dataset())
    monkeypatch.setenv("GRADCORE_DATA", str(tmp_path / "variable"))
    write(tmp_path / "argument", dataset())
    assert find_mnist(data_dir=tmp_path / "argument") == tmp_path / "argument" / "mnist"
    assert find_mnist() == tmp_path / "variable" / "mnist"
    monkeypatch.delenv("GRADCORE_DATA")
    assert find_mnist() == cache / "mnist"
    assert not caplog.records


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "data", dataset())
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    assert find_mnist(data_dir="~/data") == tmp_path / "data"
    monkeypatch.setenv("GRADCORE_DATA", "~/data")
    assert find_mnist() == tmp_path / "data"


def test_an_explicit_folder_is_never_replaced_by_another(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(cache / "mnist", dataset())
    monkeypatch.setenv("GRADCORE_DATA", str(cache))
    with pytest.raises(DataError) as error:
        load_mnist(data_dir=tmp_path)
    message(error, "data_dir", tmp_path, "expected MNIST", tmp_path / "mnist", "found neither")
    message(error, *FILES, ".gz")
    message(error, "put", "leave data_dir out")


def test_the_folder_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError) as error:
        find_mnist(data_dir=tmp_path / "typo")
    message(error, "data_dir", tmp_path / "typo", "expected a folder", "found nothing", "correct")
    (tmp_path / "file").touch()
    monkeypatch.setenv("GRADCORE_DATA", str(tmp_path / "file"))
    with pytest.raises(DataError) as error:
        find_mnist()
    message(error, "GRADCORE_DATA", tmp_path / "file", "expected a folder", "found a file")


@pytest.mark.parametrize("by", ["data_dir", "GRADCORE_DATA"])
def test_only_some_of_the_files(by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "mnist", dataset())
    for name in FILES[2:]:
        (tmp_path / "mnist" / f"{name}.gz").unlink()
    monkeypatch.setenv("GRADCORE_DATA", str(tmp_path))
    with pytest.raises(DataError) as error:
        find_mnist(data_dir=tmp_path if by == "data_dir" else None)
    message(error, by, tmp_path, *FILES, tmp_path / "mnist", "found no", FILES[2], FILES[3], "add")


def test_a_variable_for_other_data_is_no_error(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(cache / "mnist", dataset())
    for value in (str(tmp_path), ""):
        monkeypatch.setenv("GRADCORE_DATA", value)
        assert find_mnist() == cache / "mnist"


def test_mnist_is_not_taken_for_fashion_mnist(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = dataset()
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    source = mnist.SOURCES["mnist"]._replace(sha256=hashes)
    monkeypatch.setitem(mnist.SOURCES, "mnist", source)
    write(tmp_path / "data", contents)
    assert find_mnist("mnist", tmp_path / "data") == tmp_path / "data"
    with pytest.raises(DataError) as error:
        find_mnist("fashion-mnist", tmp_path / "data")
    message(error, tmp_path / "data", "expected Fashion-MNIST", "found the files of MNIST")
    write(cache / "fashion-mnist", dataset(train=50))
    monkeypatch.setenv("GRADCORE_DATA", str(tmp_path / "data"))
    assert find_mnist("fashion-mnist") == cache / "fashion-mnist"


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match="name = 'cifar', expected 'mnist' or 'fashion-mnist'"):
        load_mnist(name="cifar")


# -- Damaged files ------------------------------------------------------------------------------

IMAGES, LABELS = dataset()[FILES[0]], dataset()[FILES[1]]
HTML = b"<!DOCTYPE html><title>404</title>"
GZIPPED = gzip.compress(IMAGES, mtime=0)


@pytest.mark.parametrize(
    ("file", "content", "expected", "found"),
    [
        (0, b"", r"b'\x00\x00\x08\x03'", "b''"),
        (0, HTML, r"b'\x00\x00\x08\x03'", "b'<!DOCTYPE ht'"),
        (0, LABELS, r"b'\x00\x00\x08\x03'", r"b'\x00\x00\x08\x01"),
        (1, IMAGES, r"b'\x00\x00\x08\x01'", r"b'\x00\x00\x08\x03"),
        (0, b"\0\0\x0d\3" + IMAGES[4:], r"b'\x00\x00\x08\x03'", r"b'\x00\x00\r\x03"),  # floats
        (0, IMAGES[:15], "a header of 16 bytes", "15"),
        (1, LABELS[:7], "a header of 8 bytes", "7"),
        (0, idx(np.zeros((40, 32, 32), np.uint8)), "(N, 28, 28)", "(40, 32, 32)"),
        (0, idx(np.zeros((0, 28, 28), np.uint8)), "N > 0", "(0, 28, 28)"),
        (1, idx(np.zeros(0, np.uint8)), "(N,), N > 0", "(0,)"),
        (0, IMAGES[:-1], f"{len(IMAGES)} bytes", f"{len(IMAGES) - 1};"),
        (1, LABELS + b"\0", "48 bytes", "49;"),
        (0, IMAGES[:4] + b"\xff" * 4 + IMAGES[8:], f"{16 + (2**32 - 1) * 784} bytes", len(IMAGES)),
        (0, GZIPPED[: len(GZIPPED) // 2], "a readable file", "ended before the end"),
        (0, GZIPPED[:2], "a readable file", "ended before the end"),
        (0, GZIPPED[:-8] + bytes(8), "a readable file", "CRC check failed"),
        (0, GZIPPED[:10] + b"\xff" * 50, "a readable file", "invalid"),
        (0, GZIPPED + HTML, "a readable file", "Not a gzipped file"),
        (1, LABELS[:-1] + b"\x0a", "labels from 0 to 9", "10 at 39"),
        (1, idx(np.zeros(39, np.uint8)), "40 labels", "39"),
        (1, idx(np.zeros(41, np.uint8)), "40 labels", "41"),
    ],
)
@pytest.mark.parametrize("part", ["train", "t10k"])
def test_damaged_file(
    part: str, file: int, content: bytes, expected: str, found: object, tmp_path: Path
) -> None:
    contents = dataset(40, 40)
    contents.update(zip(FILES[2:], list(contents.values())[:2], strict=True))
    write(tmp_path, contents, gz=False)
    path = tmp_path / FILES[file + (2 if part == "t10k" else 0)]
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        load_mnist(final=part == "t10k", data_dir=tmp_path)
    message(error, path, "expected", expected, "found", found, "replace the file")


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, dataset(), gz=False)
    path = tmp_path / FILES[0]
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError) as error:
        load_mnist(data_dir=tmp_path)
    message(error, path, "expected a readable file")

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError) as error:
        load_mnist(data_dir=tmp_path)
    message(error, tmp_path, "expected a readable file", "found", "Permission denied")


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


def be_impatient(monkeypatch: pytest.MonkeyPatch, failure: str) -> None:
    """Shorten the timeout that this failure runs into, and no other."""
    if failure == "hangs":
        monkeypatch.setattr(download, "CONNECT_TIMEOUT", 0.8)
    elif failure == "stalls":
        monkeypatch.setattr(download, "READ_TIMEOUT", 0.8)


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


# -- Synthetic data -----------------------------------------------------------------------------


def test_load_synth(backend: Any) -> None:
    gradcore.manual_seed(3)
    (xtrain, ytrain), (xval, yval), num_classes = load_synth(2_000, 100)
    assert num_classes == 2
    assert [tuple(a.shape) for a in (xtrain, ytrain, xval, yval)] == [
        (2_000, 2),
        (2_000,),
        (100, 2),
        (100,),
    ]
    assert xtrain.dtype == xval.dtype == backend.dtype("float32")
    assert ytrain.dtype == yval.dtype == backend.dtype("int64")
    for x, y in ((xtrain, ytrain), (xval, yval)):
        a, b = backend.to_numpy(x).astype(np.float64).T
        expected = a * a + 1.5 * a * b + 0.2 * b * b > 0.6
        np.testing.assert_array_equal(backend.to_numpy(y), expected)
    x = backend.to_numpy(xtrain)
    assert np.all(np.abs(x.mean(axis=0)) < 0.1)
    assert np.all(np.abs(x.std(axis=0) - 1) < 0.1)

    gradcore.manual_seed(3)
    with gradcore.use_backend("numpy"):
        (same, _), *_ = load_synth(2_000, 100)
        (other, _), *_ = load_synth(2_000, 100)
    np.testing.assert_array_equal(x, same)
    assert not np.array_equal(x, other)


def test_load_synth_sizes() -> None:
    assert [tuple(x.shape) for x, _ in load_synth()[:2]] == [(60_000, 2), (10_000, 2)]
    assert tuple(load_synth(5, 0)[1][0].shape) == (0, 2)
    with pytest.raises(ValueError, match="num_train = 5 and num_val = -1"):
        load_synth(5, -1)


# -- Batches ------------------------------------------------------------------------------------


def numbered(backend: Any, n: int) -> tuple[Any, Any]:
    """Instances that tell which they are."""
    return (
        backend.asarray(np.arange(3 * n, dtype=np.float32).reshape(n, 3)),
        backend.asarray(np.arange(n)),
    )


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(("n", "size"), [(10, 4), (12, 4), (3, 8), (5, 1), (1, 1), (0, 2)])
def test_an_epoch_gives_every_instance_once(backend: Any, n: int, size: int, shuffle: bool) -> None:
    x, y = numbered(backend, n)
    batches = Batches(x, y, size, shuffle)
    seen: list[int] = []
    for xbatch, ybatch in batches:
        assert isinstance(xbatch, backend.array_types)
        assert xbatch.device == x.device
        assert ybatch.device == y.device
        assert (xbatch.dtype, ybatch.dtype) == (x.dtype, y.dtype)
        which = backend.to_numpy(ybatch)
        np.testing.assert_array_equal(backend.to_numpy(xbatch)[:, 0], 3 * which)
        seen += which.tolist()
    assert sorted(seen) == list(range(n))
    assert shuffle or seen == sorted(seen)
    sizes = [batch.shape[0] for _, batch in batches]
    assert sizes == [size] * (n // size) + ([n % size] if n % size else [])
    assert len(batches) == len(sizes)


def test_the_seed_decides_the_order_on_every_backend(backend: Any) -> None:
    def epochs(batches: Batches) -> list[list[list[int]]]:
        gradcore.manual_seed(7)
        return [[backend_of(y).to_numpy(y).tolist() for _, y in batches] for _ in range(2)]

    backend_of = gradcore.backends.backend_of
    here = epochs(Batches(*numbered(backend, 50), 8))
    assert here == epochs(Batches(*numbered(gradcore.backends.get("numpy"), 50), 8))
    assert here[0] != here[1]


def test_another_seed_gives_another_order() -> None:
    orders = []
    for seed in (7, 8):
        gradcore.manual_seed(seed)
        [(_, order)] = Batches(np.arange(50), np.arange(50), 50)
        orders.append(order.tolist())
    assert orders[0] != orders[1]


def test_the_order_is_drawn_when_the_epoch_begins() -> None:
    batches = Batches(np.arange(20), np.arange(20), 20)
    gradcore.manual_seed(1)
    first, second = iter(batches), iter(batches)
    later = next(second)[0]
    gradcore.manual_seed(1)
    np.testing.assert_array_equal(
        next(first)[0], gradcore.backends.random.generator().permutation(20)
    )
    np.testing.assert_array_equal(later, gradcore.backends.random.generator().permutation(20))


def test_batches_without_shuffling_draw_nothing_and_copy_nothing() -> None:
    x, y = np.arange(12.0).reshape(6, 2), np.arange(6)
    gradcore.manual_seed(1)
    for xbatch, ybatch in Batches(x, y, 4, shuffle=False):
        assert np.shares_memory(xbatch, x)
        assert np.shares_memory(ybatch, y)
    drawn = gradcore.backends.random.generator().random()
    gradcore.manual_seed(1)
    assert drawn == gradcore.backends.random.generator().random()


def test_batches_do_not_look_at_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """No number is brought to the host, which would make a GPU wait."""
    strict = pytest.importorskip("array_api_strict")

    def refuse(_: object) -> None:
        raise AssertionError("the host has waited for the device")

    x, y = numbered(gradcore.backends.get("strict"), 10)
    for name in ("__bool__", "__int__", "__float__", "__index__", "__array__"):
        monkeypatch.setattr(type(strict.zeros(1)), name, refuse, raising=False)
    for shuffle in (True, False):
        assert len(list(Batches(x, y, 4, shuffle))) == 3


def test_batches_of_images_and_of_other_types() -> None:
    x = np.arange(2 * 3 * 4 * 5, dtype=np.float64).reshape(2, 3, 4, 5)[..., ::-1]
    y = np.asarray([[True, False], [False, True]])
    [(xbatch, ybatch)] = Batches(x, y, 5)
    order = [0, 1] if ybatch[0, 0] else [1, 0]
    np.testing.assert_array_equal(xbatch, x[order])
    np.testing.assert_array_equal(ybatch, y[order])


@pytest.mark.parametrize(
    ("x", "y", "size", "error", "text"),
    [
        (np.ones((4, 2)), np.ones(3), 2, ValueError, r"x has shape \(4, 2\) and y \(3,\)"),
        (np.ones(()), np.ones(3), 2, ValueError, r"x has shape \(\) and y \(3,\)"),
        (np.ones(3), np.ones(()), 2, ValueError, r"x has shape \(3,\) and y \(\)"),
        (np.ones(3), np.ones(3), 0, ValueError, "batch_size = 0, expected at least 1"),
        (np.ones(3), np.ones(3), -5, ValueError, "batch_size = -5, expected at least 1"),
        ([1, 2], np.ones(2), 1, TypeError, "expected an array, not list"),
        (np.ones(2), None, 1, TypeError, "expected an array, not NoneType"),
    ],
)
def test_wrong_batches(x: Any, y: Any, size: int, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        Batches(x, y, size)


def test_importing_is_cheap() -> None:
    heavy = ["urllib.request", "http.client", "tqdm", "gzip", "platformdirs", "cupy"]
    code = f"import sys, gradcore.data; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
