"""Find the files of a dataset, or have them downloaded."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from .errors import DataError, NotFoundError

__all__ = ["Folder", "find", "must_be_folder"]

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
    """Find a dataset: return its folder, or its archive.

    If `data_dir` is given, the dataset is looked for there and nowhere else. If not, it is looked
    for in the folder that GRADCORE_DATA names, and then in the user's cache; a dataset that is in
    neither is downloaded to the cache.

    Args:
        title: the dataset's name for people.
        name: the name of its folder in the cache.
        search: looks in a folder that the user named. Called with the folder and the name of the
            setting that named it; returns the dataset's place or `None`, and raises a DataError
            if a part of the dataset is there and a part is missing.
        instead: says in words what a folder holds in place of the dataset.
        fetch: given the dataset's folder in the cache, downloads what is missing, and returns the
            dataset's place.
        files: says in words which files the dataset consists of.

    Raises:
        NotFoundError: the dataset is nowhere and the download failed.
        DataError: `data_dir` doesn't hold the dataset; GRADCORE_DATA names no folder, or a folder
            with only a part of the dataset.
    """
    if data_dir is not None:
        folder = _expanded(data_dir, "data_dir")
        if found := search(folder, "data_dir"):
            return found
        raise DataError(
            f"data_dir = {folder}: expected {title} there or in {folder / name}, found "
            f"{instead(folder)}; put {files} there, or leave data_dir out to have them downloaded"
        )
    looked = []
    if variable := os.environ.get("GRADCORE_DATA"):
        folder = _expanded(variable, "GRADCORE_DATA")
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


def _expanded(folder: str | os.PathLike[str], origin: str) -> Path:
    """Replace a `~` at the start of the folder that the setting `origin` names."""
    try:
        return Path(folder).expanduser()
    except RuntimeError as error:  # there is no such user, or no HOME
        raise DataError(
            f"{origin} = {os.fspath(folder)}: expected a folder, found no home folder for its ~; "
            "write the path in full"
        ) from error


def must_be_folder(folder: Path, origin: str) -> None:
    """Raise a DataError unless the folder, which the setting `origin` names, exists."""
    if not os.path.isdir(folder):
        found = "a file" if os.path.exists(folder) else "nothing"
        raise DataError(f"{origin} = {folder}: expected a folder, found {found}; correct the path")
