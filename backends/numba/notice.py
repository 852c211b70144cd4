"""Tell people at a terminal why a first step takes long."""

from __future__ import annotations

import sys

__all__ = ["Notice", "notice"]

TEXT = (
    "gradcore compiles kernels for this machine, which takes up to a minute, and once; "
    "`python -m gradcore warm` compiles all of them"
)


class Notice:
    """Says that kernels are being compiled: once, and to a terminal only.

    Attributes:
        is_due: whether it is still to be said; programs that are to be quiet set it to False.
    """

    is_due = True

    def say(self) -> None:
        if self.is_due and sys.stderr is not None and sys.stderr.isatty():
            print(TEXT, file=sys.stderr, flush=True)
        self.is_due = False


notice = Notice()
