"""Files and servers that mean harm, or are damaged in ways that could take all memory or time."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import socket
import struct
import subprocess
import sys
import tarfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import cifar10_files
import mnist_files
import pytest
from web import Site, message, serving, whole, without_size

from gradcore.data import (
    DataError,
    cifar10,
    download,
    load_cifar10,
    load_mnist,
    mnist,
)
from gradcore.data.download import Remote
from gradcore.data.errors import LONGEST, one_line

IMAGES, LABELS = mnist_files.FILES[:2]
N, SIZE = cifar10_files.N, cifar10_files.SIZE
NULLS = gzip.compress(bytes(1 << 24), mtime=0)  # a member of 16 kB, and 16 MB unpacked
BOMB = NULLS * 64  # 1 MB, and 1 GB unpacked


@pytest.fixture(autouse=True)
def small(data_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cifar10, "RECORDS", N)
    monkeypatch.setenv("GRADCORE_OFFLINE", "1")
    return data_cache


def is_cheap(load: Callable[[], object], megabytes: int = 60, seconds: float = 5) -> str:
    """What `load` refuses, with little memory and in little time."""
    start = time.perf_counter()
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as error:
            load()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < megabytes << 20, f"{peak >> 20} MB for: {error.value}"
    assert time.perf_counter() - start < seconds
    assert "\n" not in str(error.value)
    return str(error.value)


# -- MNIST's files ------------------------------------------------------------------------------


def header(*shape: int) -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)


def hostile(file: str, content: bytes, folder: Path) -> Callable[[], object]:
    mnist_files.write(folder, mnist_files.dataset(), gz=False)
    (folder / file).write_bytes(content)
    return lambda: load_mnist(data_dir=folder)


@pytest.mark.parametrize(
    ("file", "content", "expected", "found"),
    [
        (IMAGES, gzip.compress(header(40, 28, 28)) + BOMB, "31376 bytes", "more"),
        (LABELS, gzip.compress(header(40)) + BOMB, "48 bytes", "more"),
        (IMAGES, BOMB, r"starts with b'\x00\x00\x08\x03'", r"b'\x00\x00\x00"),
        (mnist_files.FILES[3], gzip.compress(header(9)) + BOMB, "", "more"),
        (IMAGES, gzip.compress(header(2_600_000, 28, 28)) + BOMB, "N from 1 to 1,000,000", "2600"),
        (IMAGES, gzip.compress(header(2**32 - 1, 28, 28)), "N from 1 to 1,000,000", "4294967295"),
        (IMAGES, header(40, 2**31, 2**31), "(N, 28, 28)", "(40, 2147483648, 2147483648)"),
        (IMAGES, header(999_999, 28, 28), f"{999_999 * 784 + 16} bytes", "found 16;"),
        (IMAGES, gzip.compress(header(999_999, 28, 28)), "bytes for the shape", "found 16;"),
        (IMAGES, b"\x1f\x8b\x08\x08" + bytes(6) + b"name" * 9999, "a readable file", "ended"),
    ],
)
def test_a_file_of_mnist_is_read_as_far_as_its_header_says(
    file: str, content: bytes, expected: str, found: str, tmp_path: Path
) -> None:
    load = hostile(file, content, tmp_path)
    if "t10k" in file:
        load = lambda: load_mnist(True, data_dir=tmp_path)  # noqa: E731
    error = is_cheap(load)
    assert error.startswith(f"{tmp_path / file}: expected ")
    assert expected in error
    assert found in error


@pytest.mark.parametrize("gz", [True, False])
def test_gigabytes_on_the_disk_behind_a_file_of_mnist_are_not_read(
    gz: bool, tmp_path: Path
) -> None:
    """Also not in search of what gzip may have next."""
    content = mnist_files.dataset()[IMAGES]
    load = hostile(IMAGES, gzip.compress(content) if gz else content, tmp_path)
    os.truncate(tmp_path / IMAGES, 5 << 30)
    assert "31376 bytes for the shape (40, 28, 28), found more" in is_cheap(load)


# -- What is no file ----------------------------------------------------------------------------


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_folder(path: Path) -> None:
    path.mkdir()


def make_socket(path: Path) -> None:
    where = Path.cwd()
    os.chdir(path.parent)  # as a socket's name has at most 107 bytes
    with socket.socket(socket.AF_UNIX) as own:
        own.bind(path.name)
    os.chdir(where)


NO_FILES = [
    (make_pipe, "it is a pipe, and no regular file"),
    (make_device, "it is a device, and no regular file"),
    (make_folder, "Is a directory|it is a folder, and no regular file"),
    (make_socket, "No such device or address|Operation not supported"),
]


@pytest.mark.skipif(sys.platform == "win32", reason="has no such files")
@pytest.mark.parametrize(("make", "found"), NO_FILES)
@pytest.mark.parametrize("what", ["mnist", "labels that tell", "cifar10", "archive", "data_dir"])
def test_what_is_no_file_is_refused_and_not_waited_on(
    what: str, make: Callable[[Path], None], found: str, tmp_path: Path
) -> None:
    if what in ("archive", "data_dir"):
        path = tmp_path / cifar10_files.ARCHIVE
        if make is make_folder:
            pytest.skip("is searched for the files")
    elif what == "cifar10":
        path = cifar10_files.write(tmp_path) / cifar10_files.FILES[0]
    else:
        mnist_files.write(tmp_path, mnist_files.dataset(), gz=False)
        path = tmp_path / (IMAGES if what == "mnist" else mnist_files.FILES[3])
    path.unlink(missing_ok=True)
    make(path)
    load: Any = load_mnist if what in ("mnist", "labels that tell") else load_cifar10
    error = is_cheap(lambda: load(data_dir=path if what == "data_dir" else tmp_path))
    assert error.startswith(f"{path}: expected a readable file, found this: ")
    assert any(words in error for words in found.split("|"))


# -- CIFAR-10's archive -------------------------------------------------------------------------


def member(name: str, size: int, kind: bytes = tarfile.REGTYPE, **more: Any) -> bytes:
    """A header. Sizes that octal digits can't say are written as tar does, in base 256."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size if size >= 0 else 0
    for key, x in more.items():
        setattr(info, key, x)
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    if size < 0:
        block[124:136] = size.to_bytes(12, "big", signed=True)
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


PLAIN = gzip.decompress(cifar10_files.PACKED)


def sparse(name: str) -> bytes:
    """A member of SIZE bytes that has none of them in the archive."""
    block = bytearray(member(name, 0, tarfile.GNUTYPE_SPARSE))
    block[483:495] = b"%011o\0" % SIZE
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (gzip.compress(PLAIN, 1) + BOMB, "an archive of at most"),  # behind the last member
        (gzip.compress(member("long", 5 << 30, tarfile.GNUTYPE_LONGNAME)) + BOMB, "at most"),
        (gzip.compress(member("link", 5 << 30, tarfile.GNUTYPE_LONGLINK)) + BOMB, "at most"),
        (gzip.compress(member("pax", 5 << 30, tarfile.XHDTYPE)) + BOMB, "at most"),
        (gzip.compress(member("all", 5 << 30, tarfile.XGLTYPE)) + BOMB, "at most"),
        (gzip.compress(member("readme", 5 << 30)) + BOMB, "at most"),
        (gzip.compress(member(cifar10_files.FILES[0], 5 << 30)) + BOMB, f"{SIZE} bytes"),
        (gzip.compress(member("readme", 2**63)) + BOMB, "at most"),
        (member("first", 0) + member("back", -512), "leads backwards"),
        (member("back", -1024, tarfile.GNUTYPE_LONGNAME), "leads backwards"),
        (member(cifar10_files.FILES[0], -512), f"{SIZE} bytes"),
        (member("name", 512, tarfile.GNUTYPE_LONGNAME) * 2000, "a readable tar archive"),
        (b"".join(map(sparse, cifar10_files.FILES)) + bytes(1024), "found no data_batch_1.bin and"),
        (
            b"".join(
                member(name, 0, kind, linkname="/etc/passwd")
                for name in cifar10_files.FILES
                for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE)
            )
            + bytes(1024),
            "found no data_batch_1.bin and",
        ),
        (
            member("pax", 30, tarfile.XHDTYPE) + b"29 size=999999999999999999999\n".ljust(512),
            "a readable tar archive",
        ),
        (
            member("pax", 16, tarfile.XHDTYPE) + b"16 size=-999999\n".ljust(512, b"\0"),
            "a readable tar archive",
        ),
        (member("pax", 512, tarfile.XHDTYPE) + b"9" * 512, "a readable tar archive"),
    ],
)
def test_an_archive_is_read_no_farther_than_cifar10_goes(
    archive: bytes, words: str, tmp_path: Path
) -> None:
    path = cifar10_files.write_archive(tmp_path / cifar10_files.ARCHIVE, archive)
    error = is_cheap(lambda: load_cifar10(data_dir=tmp_path))
    assert error.startswith(str(path))
    assert words in error


def test_gigabytes_on_the_disk_behind_an_archive_are_not_read(tmp_path: Path) -> None:
    path = cifar10_files.write_archive(tmp_path / cifar10_files.ARCHIVE)
    os.truncate(path, 5 << 30)
    assert "an archive of at most" in is_cheap(lambda: load_cifar10(data_dir=path))
    path.write_bytes(PLAIN)
    os.truncate(path, 5 << 30)
    assert "an archive of at most" in is_cheap(lambda: load_cifar10(data_dir=path))


def test_no_bit_of_an_archives_headers_gives_another_error(tmp_path: Path) -> None:
    """What flips in a header is refused in one line, or changes nothing that is read."""
    path, data = tmp_path / "a.tar", bytearray(PLAIN)
    expected, _, _ = load_cifar10(data_dir=cifar10_files.write_archive(path, bytes(data)))
    for i in range(0, 512, 2):
        data[i] ^= 1 << i % 8
        path.write_bytes(data)
        with suppress(DataError):
            found, _, _ = load_cifar10(data_dir=path)
            assert (found[0] == expected[0]).all()
        data[i] ^= 1 << i % 8


LIMITED = """
import resource, sys
from pathlib import Path
from gradcore.data import DataError, load_cifar10, load_mnist
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
for load, folder in ((load_mnist, sys.argv[1]), (load_cifar10, sys.argv[2])):
    try:
        load(data_dir=folder)
    except DataError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory in its own way")
def test_bombs_with_the_real_sizes_need_less_than_2_gigabytes(tmp_path: Path) -> None:
    (tmp_path / "cifar10").mkdir()
    hostile(IMAGES, gzip.compress(header(60_000, 28, 28)) + BOMB, tmp_path / "mnist")
    long = gzip.compress(member("long", 5 << 30, tarfile.GNUTYPE_LONGNAME)) + BOMB
    cifar10_files.write_archive(tmp_path / "cifar10" / cifar10_files.ARCHIVE, long)
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "mnist"), str(tmp_path / "cifar10")]
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "GRADCORE_BACKEND": "numpy"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=True)
    images, archive = done.stdout.splitlines()
    assert "expected 47040016 bytes for the shape (60000, 28, 28), found more" in images
    assert "expected an archive of at most" in archive


def test_a_home_that_nobody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError) as error:
        load_mnist(data_dir="~nobody-of-this-name/x")
    message(error, "data_dir = ~nobody-of-this-name/x: expected a folder", "in full")
    monkeypatch.setenv("GRADCORE_DATA", "~nobody-of-this-name/x")
    with pytest.raises(DataError, match="GRADCORE_DATA = ~nobody"):
        load_cifar10()


# -- Servers ------------------------------------------------------------------------------------

CONTENT = b"content" * 1000
REMOTE = Remote("file", "sha256", "0" * 64, len(CONTENT), of_content=False)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.delenv("GRADCORE_OFFLINE", raising=False)
    with serving({"file": CONTENT}) as site:
        yield site


def refused(site: Site, folder: Path, remote: Remote = REMOTE) -> str:
    """What the download says; it leaves nothing."""
    with pytest.raises(DataError) as error:
        download.download(folder, [remote], site.mirrors("bad"))
    message(error, "the download failed (")
    assert not list(folder.glob(f"{remote.name}*"))
    return str(error.value)


def endless(handler: Any, data: bytes) -> None:
    without_size(handler, b"")
    while True:  # until the other side hangs up
        handler.wfile.write(data)


def test_a_server_that_announces_too_much(site: Site, tmp_path: Path) -> None:
    site.answers["bad"] = lambda h, d: whole(h, d, 10**15)
    expected = f"the server has {10**15} bytes, expected at most {REMOTE.most}"
    assert expected in refused(site, tmp_path)


@pytest.mark.parametrize("of_content", [True, False])
def test_a_server_that_does_not_end(of_content: bool, site: Site, tmp_path: Path) -> None:
    site.answers["bad"] = endless
    remote = REMOTE._replace(of_content=of_content)
    assert f"the server sent more than {REMOTE.most} bytes" in refused(site, tmp_path, remote)


def test_a_server_that_sends_a_bomb(site: Site, tmp_path: Path) -> None:
    site.answers["bad"] = lambda h, _: whole(h, NULLS * 4)
    remote = REMOTE._replace(of_content=True)
    assert f"the content has more than {REMOTE.most} bytes" in refused(site, tmp_path, remote)


def drip(handler: Any, data: bytes) -> None:
    whole(handler, b"", len(data))
    for i in range(len(data)):
        handler.wfile.write(data[i : i + 1])
        time.sleep(0.05)


def drip_trailers(handler: Any, data: bytes) -> None:  # noqa: ARG001
    """An answer in chunks, after whose last one lines follow without an end."""
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"1\r\nc\r\n0\r\n")
    while True:
        handler.wfile.write(b"x: y\r\n")
        time.sleep(0.05)


@pytest.mark.parametrize("answer", [drip, drip_trailers])
def test_a_server_that_takes_for_ever(
    answer: Any, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes in time, and all together do not."""
    monkeypatch.setattr(download, "GRACE", 0.5)
    monkeypatch.setattr(download, "SLOWEST", 1e9)
    site.answers["bad"] = answer
    remote = REMOTE._replace(of_content=True)
    start = time.perf_counter()
    assert "not done after 0.5" in refused(site, tmp_path, remote)
    assert time.perf_counter() - start < 3


@pytest.mark.parametrize(
    ("there", "reason"),
    [
        ("ftp://127.0.0.1:1/file", "the server leads to ftp://127.0.0.1:1/file, expected https"),
        ("file:///etc/passwd", "file:///etc/passwd"),
        ("gopher://127.0.0.1/", "gopher://127.0.0.1/"),
    ],
)
def test_redirections_to_other_schemes(there: str, reason: str, site: Site, tmp_path: Path) -> None:
    def elsewhere(handler: Any, data: bytes) -> None:  # noqa: ARG001
        handler.send_response(302)
        handler.send_header("Location", there)
        handler.end_headers()

    site.answers["bad"] = elsewhere
    assert reason in refused(site, tmp_path)


def test_https_is_never_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A redirection from https to http, without a server of https: its answer is made up."""
    from urllib.request import HTTPSHandler
    from urllib.response import addinfourl

    class Answer(addinfourl):
        msg = "Found"

    def answer(_: Any, request: Any) -> Any:
        headers = {"location": "http://127.0.0.1:1/plain"}
        return Answer(io.BytesIO(), headers, request.full_url, 302)  # type: ignore[arg-type]

    monkeypatch.setattr(HTTPSHandler, "https_open", answer)
    with pytest.raises(OSError, match=r"302: the server leads to http://127\.0\.0\.1:1/plain"):
        download._open("https://example.invalid/file", 0)


def test_all_mirrors_are_https() -> None:
    mirrors = [*cifar10.MIRRORS, *(m for source in mnist.SOURCES.values() for m in source.mirrors)]
    assert all(mirror.startswith("https://") for mirror in mirrors)


def test_a_servers_control_characters_are_not_printed(site: Site, tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\x9b1m\u202e" + "x" * 1000
    site.answers["bad"] = lambda h, _: h.wfile.write(
        f"HTTP/1.0 404 {evil}\r\n\r\n".encode("latin-1", "replace")
    )
    error = refused(site, tmp_path)
    assert error.isprintable()
    assert r"HTTP Error 404: \x1b]0;owned\x07" in error
    assert len(error) < 600


@pytest.mark.skipif(sys.platform == "win32", reason="needs rights to make links")
@pytest.mark.parametrize("make", [os.symlink, os.link])
def test_a_link_in_place_of_a_part_is_not_written_through(
    make: Any, site: Site, tmp_path: Path
) -> None:
    precious, folder = tmp_path / "precious", tmp_path / "cache"
    folder.mkdir()
    precious.write_bytes(b"precious")
    os.utime(precious, (0, 0))
    make(precious, folder / "fileabc.part")
    os.utime(folder / "fileabc.part", (0, 0), follow_symlinks=False)
    remote = REMOTE._replace(digest=hashlib.sha256(CONTENT).hexdigest())
    download.download(folder, [remote], site.mirrors("good"))
    assert (folder / "file").read_bytes() == CONTENT
    assert not (folder / "file").is_symlink()
    assert precious.read_bytes() == b"precious"


def test_a_part_that_is_too_long_is_not_continued(site: Site, tmp_path: Path) -> None:
    part = tmp_path / "fileabc.part"
    part.touch()
    os.truncate(part, 1 << 40)
    os.utime(part, (0, 0))
    site.answers["bad"] = lambda h, _: h.send_error(404)
    assert "404" in refused(site, tmp_path)
    assert site.ranges == [0]


# -- Messages -----------------------------------------------------------------------------------


def test_one_line() -> None:
    assert one_line("naïve 数") == "naïve 数"
    assert one_line("a\nb\tc\x1b[0m\udcff") == r"a\nb\tc\x1b[0m\udcff"
    assert len(one_line("x" * 10**6)) < LONGEST + 10
    assert str(DataError("a\nb")) == r"a\nb"
