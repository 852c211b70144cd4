"""MNIST and Fashion-MNIST: where their files are found, and how they are read."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mnist_files import FILES, HTML, arrays, dataset, idx, write
from web import message

import gradcore
from gradcore.data import DataError, find_mnist, load_fashion_mnist, load_mnist, mnist

REAL = Path(os.environ.get("GRADCORE_DATA", ""))  # the fixture data_cache hides it from the tests

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
        (0, idx(np.zeros((0, 28, 28), np.uint8)), "N from 1", "(0, 28, 28)"),
        (1, idx(np.zeros(0, np.uint8)), "(N,), N from 1", "(0,)"),
        (0, IMAGES[:-1], f"{len(IMAGES)} bytes", f"{len(IMAGES) - 1};"),
        (1, LABELS + b"\0", "48 bytes", "more;"),
        (0, IMAGES[:4] + b"\xff" * 4 + IMAGES[8:], "N from 1 to 1,000,000", "(4294967295, 28, 28)"),
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

    def refuse(path: str, flags: int) -> int:  # noqa: ARG001
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(DataError) as error:
        load_mnist(data_dir=tmp_path)
    message(error, tmp_path, "expected a readable file", "found", "Permission denied")
