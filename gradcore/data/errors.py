"""What goes wrong with data."""

from pathlib import Path


class DataError(Exception):
    """Data that is missing, damaged or not what its name says, or that can't be downloaded.

    The message is one line: which file or folder, what was expected there, what was found, and
    what to do about it.
    """


class NotFoundError(DataError):
    """A dataset that is in none of the places where it is looked for, and can't be downloaded."""


def wrong(path: Path, expected: str, found: str) -> DataError:
    """The error for a file that isn't what it should be."""
    return DataError(
        f"{path}: expected {expected}, found {found}; replace the file with a good copy "
        "(in gradcore's cache, delete it to have it downloaded again)"
    )
