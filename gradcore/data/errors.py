"""Errors about data."""

from pathlib import Path

__all__ = ["DataError", "NotFoundError", "wrong"]


class DataError(Exception):
    """Data is missing, damaged or not what its name says, or can't be downloaded.

    The message is one line: which file or folder, what was expected there, what was found, and
    what to do about it.
    """


class NotFoundError(DataError):
    """A dataset is in none of the places where it is looked for, and can't be downloaded."""


def wrong(path: Path, expected: str, found: str) -> DataError:
    """Make the error for a file whose content is not the expected one."""
    return DataError(
        f"{path}: expected {expected}, found {found}; replace the file with a good copy "
        "(in gradcore's cache, delete it to have it downloaded again)"
    )
