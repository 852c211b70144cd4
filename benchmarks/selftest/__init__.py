"""`python -m gradcore selftest`: check that a backend computes what NumPy does, and time it.

`parts` runs the tests of the repository on the backend, then short trainings, captured and not,
and the benchmarks beside PyTorch, if that is installed. A check that fails stops nothing. `report`
writes the results as JSON and as Markdown.
"""

from .parts import Selftest, selftest

__all__ = ["Selftest", "selftest"]
