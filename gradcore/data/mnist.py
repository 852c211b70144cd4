"""Find and read MNIST and Fashion-MNIST, of four files each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..backends import default
from .download import Remote, download
from .errors import DataError, NotFoundError, wrong
from .find import Folder, find, must_be_folder
from .idx import read_idx, sha256
from .splits import Splits

__all__ = ["find_mnist", "load_fashion_mnist", "load_mnist"]

SUBSET = Path(__file__).parent / "mnist_5k"

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
SIZES = {  # of the published files, decompressed: a header, then a byte for each pixel or label
    FILES[0]: 16 + 60_000 * 28 * 28,
    FILES[1]: 8 + 60_000,
    FILES[2]: 16 + 10_000 * 28 * 28,
    FILES[3]: 8 + 10_000,
}
FOUR = f"{', '.join(FILES[:-1])} and {FILES[-1]} (each as it is, or as .gz)"


class Source(NamedTuple):
    """Where a dataset comes from."""

    title: str
    mirrors: tuple[str, ...]
    sha256: dict[str, str]  # of each file, decompressed


SOURCES = {
    "mnist": Source(
        "MNIST",
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        {
            FILES[0]: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            FILES[1]: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            FILES[2]: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            FILES[3]: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    ),
    "fashion-mnist": Source(
        "Fashion-MNIST",
        (
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        ),
        {
            FILES[0]: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            FILES[1]: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            FILES[2]: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            FILES[3]: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        },
    ),
}


def load_mnist(
    final: bool = False,
    flatten: bool = True,
    *,
    name: str = "mnist",
    data_dir: Folder = None,
) -> Splits:
    """Load MNIST: 28 x 28 images of handwritten digits.

    Args:
        final: whether to validate on the test set, the 10,000 images that are kept for the very
            end. If not, the last 5,000 of the 60,000 training images are for validation; of a
            training set with fewer than 20,000 images, the last quarter.
        flatten: whether images have the shape (N, 784); if not, (N, 1, 28, 28).
        name: "mnist" or "fashion-mnist".
        data_dir: the folder with the files; see `find_mnist` for where else they are looked for.

    Returns:
        `(xtrain, ytrain), (xval, yval), 10`, arrays of the default backend: pixels 0 to 255 in
        float32, and labels 0 to 9 of shape (N,) in int64.

    Raises:
        DataError: the files are missing or damaged, or there is no such folder.
        ValueError: there is no dataset of this name.

    Example:
        >>> from gradcore.data.mnist import SUBSET  # 5,000 images, which come with gradcore
        >>> (xtrain, ytrain), (xval, yval), num_classes = load_mnist(data_dir=SUBSET)
        >>> print(xtrain.shape, ytrain.shape, xval.shape, num_classes)
        (3000, 784) (3000,) (1000, 784) 10
    """
    folder = find_mnist(name, data_dir)
    images, labels = _read(folder, "train")
    if final:
        test = _read(folder, "t10k")
    else:
        if len(labels) < 4:
            raise DataError(
                f"{folder}: expected at least 4 training images, to spare some for validation, "
                f"found {len(labels)}; add images, or load with final=True"
            )
        n = len(labels) - min(5_000, len(labels) // 4)
        images, labels, test = images[:n], labels[:n], (images[n:], labels[n:])

    backend = default()
    shape = (-1, 784) if flatten else (-1, 1, 28, 28)
    x, y = (
        (backend.store(pixels.reshape(shape), "float32"), backend.asarray(digits, "int64"))
        for pixels, digits in ((images, labels), test)
    )
    return x, y, 10


def load_fashion_mnist(
    final: bool = False,
    flatten: bool = True,
    *,
    data_dir: Folder = None,
) -> Splits:
    """Load Fashion-MNIST: photographs of 10 kinds of clothes; otherwise as `load_mnist`.

    Example:
        >>> (xtrain, ytrain), (xval, yval), _ = load_fashion_mnist()  # doctest: +SKIP
        >>> try:
        ...     xtrain = load_fashion_mnist(data_dir="nowhere")
        ... except DataError as error:
        ...     print(error)
        ...
        data_dir = nowhere: expected a folder, found nothing; correct the path
    """
    return load_mnist(final, flatten, name="fashion-mnist", data_dir=data_dir)


def find_mnist(name: str = "mnist", data_dir: Folder = None) -> Path:
    """Find the folder that holds the four IDX files of MNIST or Fashion-MNIST, gzipped or not.

    If `data_dir` is given, the files are looked for there and nowhere else. If not, they are
    looked for in the folder that GRADCORE_DATA names, and then in the user's cache; files that
    are in neither are downloaded to the cache, unless GRADCORE_OFFLINE=1. Where the download of
    MNIST fails, a subset that ships with gradcore takes its place, 4,000 training and 1,000 test
    images, and a warning in the log "gradcore" says so.

    Args:
        name: "mnist" or "fashion-mnist".
        data_dir: a folder that holds the files, or has a folder `name` that holds them.

    Raises:
        DataError: `data_dir` doesn't hold the files; GRADCORE_DATA names no folder, or a folder
            with only some of the files; Fashion-MNIST is nowhere and the download failed.
        ValueError: there is no dataset of this name.

    Example:
        >>> from gradcore.data.mnist import SUBSET  # 5,000 images, which come with gradcore
        >>> print(find_mnist(data_dir=SUBSET).name)
        mnist_5k
    """
    if name not in SOURCES:
        raise ValueError(f"find_mnist: name = {name!r}, expected {' or '.join(map(repr, SOURCES))}")
    title, mirrors, hashes = SOURCES[name]

    def fetch(cache: Path) -> Path:
        if _missing(cache):
            files = [
                Remote(f"{file}.gz", "sha256", hashes[file], SIZES[file], of_content=True)
                for file in FILES
            ]
            download(cache, files, mirrors)
        return cache

    try:
        return find(
            title,
            name,
            data_dir,
            search=lambda folder, origin: _search(folder, name, origin),
            instead=_instead,
            fetch=fetch,
            files=FOUR,
        )
    except NotFoundError as error:
        if name != "mnist":
            raise
        import logging

        logging.getLogger("gradcore").warning(
            "Using the 5,000 of MNIST's 70,000 images that ship with gradcore: %s.", error
        )
        return SUBSET


def _search(folder: Path, name: str, origin: str) -> Path | None:
    """Find this dataset in `folder/name` or `folder`."""
    must_be_folder(folder, origin)
    candidates = (folder / name, folder)
    for candidate in candidates:
        if not _missing(candidate) and _identified(candidate) in (name, None):
            return candidate
    for candidate in candidates:
        missing = _missing(candidate)
        if 0 < len(missing) < len(FILES):
            raise DataError(
                f"{origin} = {folder}: expected {FOUR} in {candidate}, found no "
                f"{' and no '.join(missing)}; add what is missing"
            )
    return None


def _instead(folder: Path) -> str:
    """Say what a folder without this dataset holds: the other dataset, or neither."""
    other = None if _missing(folder) else _identified(folder)
    return f"the files of {SOURCES[other].title}" if other else "neither"


def _missing(folder: Path) -> list[str]:
    """List the files that a folder lacks."""
    return [file for file in FILES if not os.path.exists(_path(folder, file))]


def _path(folder: Path, file: str) -> Path:
    """Give the path of a file in a folder: the file itself if it exists, else the gzipped one."""
    raw = folder / file
    return raw if os.path.exists(raw) else folder / f"{file}.gz"


def _identified(folder: Path) -> str | None:
    """Name the dataset that a folder holds, by a hash, as both have the same file names; `None` if
    it is no published one."""
    found = sha256(_path(folder, FILES[-1]), SIZES[FILES[-1]])
    return next((name for name, s in SOURCES.items() if s.sha256[FILES[-1]] == found), None)


def _read(folder: Path, part: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Read images (N, 28, 28) and labels (N,) of the training set "train" or test set "t10k"."""
    x_path, y_path = (_path(folder, file) for file in FILES if file.startswith(part))
    images, labels = read_idx(x_path, (28, 28)), read_idx(y_path)
    if len(images) != len(labels):
        raise wrong(y_path, f"{len(images)} labels, as {x_path.name} has images", f"{len(labels)}")
    if labels.max() > 9:
        raise wrong(y_path, "labels from 0 to 9", f"{labels.max()} at {labels.argmax()}")
    return images, labels
