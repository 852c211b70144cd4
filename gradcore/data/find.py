"""Where datasets are looked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from .errors import DataError, NotFoundError

Folder = str | os.PathLike[str] | None


def find(
    title: str,
    name: str,
    data_dir: Folder,
    *,
    search: Callable[[Path, str], Path | None],
    instead: Callable[[Path], str],
    fetch: Callable[[Path], Path],
    files: str,
) -> Path:
    """The place of a dataset.

    It is looked for in `data_dir`, and nowhere else if that is given; then in the folder that
    GRADCORE_DATA names; then in the user's cache, where it is downloaded to.

    Args:
        title: the dataset's name for people.
        name: the name of its folder.
        search: where it is in a folder that the user named, if it is. Called with the folder and
            the name that the user knows it by; raises a DataError if some of it is missing.
        instead: what there is in a folder in its place, in words.
        fetch: where it is in its folder of the cache, downloaded if it isn't there.
        files: what it consists of, in words.

    Raises:
        NotFoundError: it is nowhere and the download failed.
        DataError: `data_dir` doesn't hold it; GRADCORE_DATA names no folder, or one with only
            some of it.
    """
    if data_dir is not None:
        folder = Path(data_dir).expanduser()
        if found := search(folder, "data_dir"):
            return found
        raise DataError(
            f"data_dir = {folder}: expected {title} there or in {folder / name}, found "
            f"{instead(folder)}; put {files} there, or leave data_dir out to have them downloaded"
        )
    looked = []
    if variable := os.environ.get("GRADCORE_DATA"):
        folder = Path(variable).expanduser()
        if found := search(folder, "GRADCORE_DATA"):
            return found
        looked.append(f"GRADCORE_DATA ({folder})")

    from platformdirs import user_cache_dir

    cache = Path(user_cache_dir("gradcore")) / name
    looked.append(f"the cache ({cache})")
    try:
        return fetch(cache)
    except DataError as error:
        raise NotFoundError(
            f"{title} is not in {' or '.join(looked)}, and {error}; let it download once, or put "
            f"{files} in a folder and set GRADCORE_DATA to it"
        ) from error


def must_be_folder(folder: Path, origin: str) -> None:
    """Raise a DataError unless the folder that the user named exists."""
    if not os.path.isdir(folder):
        found = "a file" if os.path.exists(folder) else "nothing"
        raise DataError(f"{origin} = {folder}: expected a folder, found {found}; correct the path")
