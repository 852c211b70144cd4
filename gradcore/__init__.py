"""gradcore: reverse-mode automatic differentiation, written once for NumPy and CuPy."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from . import (
    _checkout,  # noqa: F401 (first: it makes gradcore.backends importable)
    array_api,
    backends,
    data,
    functions,
    nn,
    ops,
    optim,
    replay,
    tools,
    transforms,
)
from .array_api import linalg, special
from .array_api.special import *  # noqa: F403
from .backends import use_backend
from .backends.random import manual_seed
from .data import load_mnist, load_synth
from .engine.arrays import namespace
from .engine.modes import no_grad
from .engine.operators import connect
from .functions import *  # noqa: F403
from .functions import activations, convolution, losses, normalization
from .graph import Context, Op, OpNode, TensorNode, needs
from .nn import Linear, Module
from .ops import *  # noqa: F403
from .replay import *  # noqa: F403
from .replay import recording
from .tools import *  # noqa: F403
from .transforms import *  # noqa: F403

__version__ = "0.1.0"

connect(ops, array_api)  # from here on, `a + b` works on nodes

# These modules lie in folders; `import gradcore.linalg` finds them all the same.
for _module in (activations, convolution, linalg, losses, normalization, recording, special):
    sys.modules[f"{__name__}.{_module.__name__.rpartition('.')[2]}"] = _module

if not TYPE_CHECKING:  # type checkers read lists of strings only, and know these imports
    __all__ = [
        "Context",
        "Linear",
        "Module",
        "Op",
        "OpNode",
        "TensorNode",
        "array_api",
        "backends",
        "data",
        "linalg",
        "load_mnist",
        "load_synth",
        "manual_seed",
        "namespace",
        "needs",
        "nn",
        "no_grad",
        "ops",
        "optim",
        "use_backend",
    ]
    for _module in (functions, ops, replay, special, tools, transforms):
        __all__ += _module.__all__


def __dir__() -> list[str]:
    return __all__
