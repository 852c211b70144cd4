"""Import the kernels that numba compiles when they are first needed, if numba works here."""

from __future__ import annotations

import gc
import os
import warnings
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from ..numpy.tracer import Loops, recording

__all__ = ["DTYPES", "kernels", "loaded", "problem"]

DTYPES = (np.dtype("float32"), np.dtype("float64"))  # of the arrays that kernels take
KEEP = "set NUMBA_CACHE_DIR to a folder that can be written"


def problem() -> str | None:
    """Say why NumPy runs without compiled kernels, and what to do; `None` if it has them."""
    for variable, off in (("GRADCORE_FAST", "0"), ("NUMBA_DISABLE_JIT", "1")):
        if os.environ.get(variable) == off:
            return f"{variable}={off}"
    return None if find_spec("numba") else "numba is not installed; pip install numba"


def kernels() -> Any:
    """Give the module of the compiled kernels, `None` where numba fails; in a step that is traced,
    what notes each call of them."""
    loops = loaded()
    return loops if loops is None or recording() is None else Loops(loops)


@cache
def loaded() -> Any:
    """Import the module of the compiled kernels; `None`, after a warning, where numba fails."""
    collects = gc.isenabled()
    gc.disable()  # or it visits all that imports make, again and again: 0.2 s in place of 0.26 s
    try:
        from . import loops
    except Exception as error:  # such as a NumPy too new for it
        problem = f"importing numba failed with {type(error).__name__}: {error}"
        if "no locator" in str(error):
            problem = f"numba can write compiled kernels nowhere; {KEEP}"
        warnings.warn(f"{problem}. NumPy alone runs; GRADCORE_FAST=0 hides this", RuntimeWarning, 2)
        return None
    finally:
        if collects:
            gc.enable()
    return loops
