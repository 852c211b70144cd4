"""What gradcore uses of CuPy, and of cuDNN's front end, beside their documented interfaces.

Each function says what it needs the private name for. The names were read in CuPy 14.2.0 and in
versions 1.27 and 1.28 of the front end: look here first when others break something. They are
imported where they are used, so that one that is gone breaks nothing else.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

__all__ = ["allow_tf32", "call_of", "host_reads", "is_tf32", "load_cublas"]


def is_tf32() -> bool:
    """Whether CuPy's products of float32 matrices may be in TF32, as CUPY_TF32=1 has them.

    CuPy documents only the variable, which it reads once. gradcore's own calls of cuBLAS follow the
    setting that CuPy's products follow.
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


def call_of(graph: Any) -> Callable[[dict[int, int], int, Any], None]:
    """The call that runs a planned graph of cuDNN: with addresses by number, the workspace's
    address, and a handle.

    `graph.execute` does the same, but first looks at what it is given, which is written in Python
    and takes about 25 microseconds.
    """
    # The plan that was built is the first that could be: its place is counted by cuDNN, too.
    lowered, place = graph._lowered_graph, graph._materialize_backend_plan(graph._plan_index)
    run, index = lowered._execute_plan_at_index, place.cpp_index

    def call(places: dict[int, int], workspace: int, handle: Any) -> None:
        # Since 1.28, a handle is an object that has cuDNN's.
        run(places, workspace, index, getattr(handle, "backend_handle", handle))

    return call
