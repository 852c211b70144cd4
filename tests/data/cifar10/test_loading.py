"""CIFAR-10: where its files are found, and how they are read."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cifar10_files import (
    ARCHIVE,
    CONTENTS,
    FILES,
    INNER,
    PACKED,
    SIZE,
    N,
    arrays,
    packed,
    write,
    write_archive,
)
from web import message

import gradcore
from gradcore.data import DataError, cifar10, find_cifar10, load_cifar10

REAL = Path(os.environ.get("GRADCORE_DATA", ""))  # the fixture data_cache hides it from the tests

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
        (b"", "a readable tar archive", "empty file"),
        (b"<!DOCTYPE html>" * 99, "a readable tar archive", "invalid header"),
        (CONTENTS[FILES[0]], "a readable tar archive", "invalid header"),
        (PACKED[: len(PACKED) // 2], "a readable file", "ended before the end"),
        (PACKED[:100], "a readable file", "ended before the end"),
        (gzip.decompress(PACKED)[: 3 * SIZE], "a readable tar archive", "unexpected end of data"),
        (PACKED[:9999] + bytes(999) + PACKED[9999 + 999 :], "a readable file", ""),
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
