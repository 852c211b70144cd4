"""Errors about data."""

from pathlib import Path

__all__ = ["DataError", "NotFoundError", "one_line", "wrong"]

LONGEST = 4000  # characters of a message; one that names all files and all mirrors has 1,500


class DataError(Exception):
    """Data is missing, damaged or not what its name says, or can't be downloaded.

    The message is one line: which file or folder, what was expected there, what was found, and
    what to do about it.

    Example:
        >>> try:
        ...     xtrain = load_mnist(data_dir="nowhere")
        ... except DataError as error:
        ...     print(error)
        ...
        data_dir = nowhere: expected a folder, found nothing; correct the path
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class NotFoundError(DataError):
    """A dataset is in none of the places where it is looked for, and can't be downloaded.

    Example:
        >>> print(issubclass(NotFoundError, DataError))  # so `except DataError` catches both
        True
    """


def wrong(path: Path, expected: str, found: str) -> DataError:
    """Make the error for a file whose content is not the expected one."""
    return DataError(
        f"{path}: expected {expected}, found {found}; replace the file with a good copy "
        "(in gradcore's cache, delete it to have it downloaded again)"
    )


def one_line(text: str) -> str:
    """Make a text safe to print on one line, whatever a file or a server has put into it: control
    characters, which could move a terminal's cursor or break the line, are escaped as in Python,
    and of more than LONGEST characters the middle is left out."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
