"""gradcore: reverse-mode automatic differentiation, written once for NumPy and CuPy."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("gradcore.backends") is None:
    # In a checkout that is not installed, they lie beside this folder and not in it.
    needed = {"numpy": "numpy", "array_api_compat": "array-api-compat"}
    missing = [package for name, package in needed.items() if not importlib.util.find_spec(name)]
    if missing:
        says = f"gradcore needs more: pip install {' '.join(missing)}"
        if sys.argv[:1] == ["-m"]:  # `python -m gradcore`, for which this line is enough
            sys.exit(says)
        raise ModuleNotFoundError(says)
    spec = importlib.util.spec_from_file_location(
        "gradcore.backends", Path(__file__).parents[1] / "backends" / "__init__.py"
    )
    assert spec
    assert spec.loader
    sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[spec.name])

from . import (
    activations,
    array_api,
    backends,
    convolution,
    data,
    functions,
    linalg,
    losses,
    nn,
    normalization,
    ops,
    optim,
    special,
)
from .activations import *  # noqa: F403
from .backends import use_backend
from .backends.random import manual_seed
from .captured import capture
from .checks import GradientError, check_gradients
from .convolution import *  # noqa: F403
from .data import load_mnist, load_synth
from .debug import AnomalyError, detect_anomaly
from .drawing import draw
from .einsum import einsum
from .engine.arrays import namespace
from .engine.modes import no_grad
from .functions import *  # noqa: F403
from .graph import Context, Op, OpNode, TensorNode, needs
from .losses import *  # noqa: F403
from .nn import Linear, Module
from .normalization import *  # noqa: F403
from .ops import *  # noqa: F403
from .recompute import checkpoint
from .recording import CaptureError
from .special import *  # noqa: F403
from .transforms import (
    custom_gradient,
    grad,
    hessian,
    hessian_vector_product,
    jacobian,
    jvp,
    stop_gradient,
    value_and_grad,
    vjp,
)

__version__ = "0.1.0"

__all__ = [
    "AnomalyError",
    "CaptureError",
    "Context",
    "GradientError",
    "Linear",
    "Module",
    "Op",
    "OpNode",
    "TensorNode",
    "array_api",
    "backends",
    "capture",
    "check_gradients",
    "checkpoint",
    "custom_gradient",
    "data",
    "detect_anomaly",
    "draw",
    "einsum",
    "grad",
    "hessian",
    "hessian_vector_product",
    "jacobian",
    "jvp",
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
    "stop_gradient",
    "use_backend",
    "value_and_grad",
    "vjp",
]
for module in (activations, convolution, functions, losses, normalization, ops, special):
    __all__ += module.__all__
