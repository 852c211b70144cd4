"""autograd.scipy's modules. SciPy is needed for what runs on the host: ODEs, some of `linalg`."""

from __future__ import annotations

from . import integrate as integrate
from . import linalg as linalg
from . import signal as signal
from . import special as special
from . import stats as stats

__all__ = ["integrate", "linalg", "signal", "special", "stats"]
