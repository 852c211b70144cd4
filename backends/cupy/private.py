"""What gradcore uses of CuPy beside its documented interface, all in one place.

Each function says what it needs the private name for. The names were read in CuPy 14.2.0: look here
first when another CuPy breaks something. They are imported where they are used, so that one that is
gone breaks nothing else.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

__all__ = ["allow_tf32", "host_reads", "is_tf32", "load_cublas"]


def is_tf32() -> bool:
    """Whether `Backend.allow_tf32`, or CUPY_TF32=1, lets products of float32 round their inputs.

    CuPy documents only the variable, which it reads once. gradcore's own calls of cuBLAS and cuDNN
    follow the setting that CuPy's products of matrices follow.
    """
    from cupy._core import _routines_linalg as settings

    return bool(settings.get_compute_type(np.float32) == settings.COMPUTE_TYPE_TF32)


def allow_tf32(whether: bool) -> None:
    """Change that setting, for which CuPy documents no function."""
    from cupy._core import _routines_linalg as settings

    kind = settings.COMPUTE_TYPE_TF32 if whether else settings.COMPUTE_TYPE_DEFAULT
    settings.set_compute_type(np.float32, kind)


@contextmanager
def host_reads() -> Iterator[list[str]]:
    """Inside, a list that gets an entry each time that CuPy makes the host wait for the device.

    CuPy calls `_declare_synchronize` each time. `cupyx.allow_synchronize`, the documented way to
    learn of it, is deprecated, warns, and makes each wait an error.
    """
    from cupy._core import syncdetect

    reads: list[str] = []
    declare = syncdetect._declare_synchronize

    def note() -> None:
        reads.append("a wait for the device")
        declare()

    syncdetect._declare_synchronize = note
    try:
        yield reads
    finally:
        syncdetect._declare_synchronize = declare


def load_cublas() -> None:
    """Load cuBLAS as CuPy's first product of matrices does, or raise what that raises.

    Nothing documented tells whether it is there. Importing the module `cublas` isn't enough: only
    asked for as an attribute does CuPy look where pip puts NVIDIA's libraries.
    """
    importlib.import_module("cupy_backends.cuda.libs").cublas  # noqa: B018
