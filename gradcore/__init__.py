"""gradcore: reverse-mode automatic differentiation, written once for NumPy and CuPy."""

from __future__ import annotations

import builtins
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import autograd as autograd  # which __getattr__ imports
    from . import distributed as distributed
    from . import distributions as distributions
    from . import numpy as numpy

    __version__: str

# `X as X` tells type checkers that X is public.
from . import (
    _checkout,  # noqa: F401 (first: it makes gradcore.backends importable)
    functions,
    replay,
    tools,
    transforms,
)
from . import array_api as array_api
from . import backends as backends
from . import data as data
from . import nn as nn
from . import ops as ops
from . import optim as optim
from .array_api import *  # noqa: F403 (the functions below have names that some of these have)
from .array_api import fft as fft
from .array_api import linalg as linalg
from .array_api import special as special
from .array_api.namespace import FUNCTIONS, OF_A_BACKEND
from .array_api.special import digamma as digamma
from .array_api.special import erf as erf
from .array_api.special import erfc as erfc
from .array_api.special import lgamma as lgamma
from .array_api.special import polygamma as polygamma
from .backends import random as random
from .backends import use_backend as use_backend
from .backends.random import manual_seed as manual_seed
from .data import load_mnist as load_mnist
from .data import load_synth as load_synth
from .engine.arrays import namespace as namespace
from .engine.methods import point_elsewhere
from .engine.modes import no_grad as no_grad
from .engine.operators import connect
from .files import load as load
from .files import save as save
from .functions import *  # noqa: F403
from .functions import activations as activations
from .functions import convolution as convolution
from .functions import losses as losses
from .functions import normalization as normalization
from .graph import Context as Context
from .graph import Op as Op
from .graph import OpNode as OpNode
from .graph import TensorNode as TensorNode
from .graph import needs as needs
from .nn import Linear as Linear
from .nn import Module as Module
from .nn import summary as summary
from .ops import *  # noqa: F403
from .replay import *  # noqa: F403
from .replay import recording as recording
from .tools import *  # noqa: F403
from .tools.pictures import small_view
from .transforms import *  # noqa: F403

# From here on, `a + b` works on nodes, and `a.gelu()` says what to call.
_places = {"gradcore.linalg": linalg, "gradcore.special": special}
_instead = {  # of names in torch and jax
    "Tensor": "gradcore.TensorNode(x)",
    "as_tensor": "gradcore.asarray(x)",
    "compile": "gradcore.capture(step)",
    "cuda": "gradcore.use_backend('cupy')",
    "device": "gradcore.use_backend('cupy')",
    "from_numpy": "gradcore.asarray(x)",
    "functional": "gradcore.nn.functional",
    "inference_mode": "gradcore.no_grad()",
    "jit": "gradcore.capture(step)",
}
connect(ops, array_api, functions, lambda: import_module(".numpy", __name__))
TensorNode._repr_html_ = small_view  # type: ignore[attr-defined]  # what notebooks show
point_elsewhere(TensorNode, {"gradcore": functions, **_places})
point_elsewhere(TensorNode, {"gradcore": array_api})

# These modules lie in folders; `import gradcore.linalg` finds them all the same.
for _module in (
    activations,
    convolution,
    fft,
    linalg,
    losses,
    normalization,
    random,
    recording,
    special,
):
    sys.modules[f"{__name__}.{_module.__name__.rpartition('.')[2]}"] = _module
sys.modules[f"{__name__}.nn.functional"] = functions


def __getattr__(name: str) -> Any:
    if name == "__version__":  # of the tag that was installed
        try:
            return import_module("importlib.metadata").version(__name__)
        except ModuleNotFoundError:  # these files are imported, but not installed
            return "0+unknown"
    # These take a while to import, and most programs don't need them.
    if name in ("autograd", "distributed", "distributions", "numpy"):
        return import_module(f".{name}", __name__)
    if name in OF_A_BACKEND:  # `zeros`, `float32`: those of the default backend
        return getattr(array_api, name)
    rooms = {**_places, "gradcore.optim": optim, "gradcore.nn": nn}
    places = (place for place, module in rooms.items() if name in module.__all__)
    found = [f"{place}.{name}" for place in places] or [*filter(None, [_instead.get(name)])]
    advice = "".join([f"; say {what}" for what in found][:1])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{advice}")


if not TYPE_CHECKING:  # type checkers read lists of strings only, and know these imports
    __all__ = [
        "Context",
        "Linear",
        "Module",
        "Op",
        "OpNode",
        "TensorNode",
        "array_api",
        "autograd",
        "backends",
        "data",
        "digamma",
        "distributed",
        "distributions",
        "erf",
        "erfc",
        "fft",
        "lgamma",
        "linalg",
        "load",
        "load_mnist",
        "load_synth",
        "manual_seed",
        "namespace",
        "needs",
        "nn",
        "no_grad",
        "numpy",
        "ops",
        "optim",
        "polygamma",
        "random",
        "save",
        "special",
        "summary",
        "use_backend",
    ]
    for _module in (functions, ops, replay, tools, transforms):
        __all__ += _module.__all__
    _of_arrays = [*FUNCTIONS, *OF_A_BACKEND]
    _taken = {*__all__, *vars(builtins)}
    __all__ += [name for name in _of_arrays if name not in _taken]

    def __dir__() -> list[str]:
        return [*__all__, *_of_arrays]
