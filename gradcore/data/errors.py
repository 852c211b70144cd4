"""What goes wrong with data."""


class DataError(Exception):
    """Data that is missing, damaged or not what its name says, or that can't be downloaded.

    The message is one line: which file or folder, what was expected there, what was found, and
    what to do about it.
    """
