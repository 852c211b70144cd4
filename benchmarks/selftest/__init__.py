"""`python -m gradcore selftest`: check that a backend computes what NumPy does, and time it.

`parts` is the table of the parts. Each part runs in a process of its own (`child`), which tells of
each check as soon as it is done; `run` starts the processes, ends those whose time is over, and
after each check writes the report (`report`). So whatever ends the selftest, the report has what
was found until then. The checks are in `facts`, `smoke`, `steps`, `speed`, `training` and
`repository_tests`.
"""

from .run import Selftest, selftest

__all__ = ["Selftest", "selftest"]
