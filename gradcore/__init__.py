"""gradcore: reverse-mode automatic differentiation, written once for NumPy and CuPy."""

from . import array_api, backends, ops
from .backends import use_backend
from .backends.random import manual_seed
from .functions import celoss, logceloss, logsoftmax, sigmoid, softmax
from .graph import Context, Op, OpNode, TensorNode, namespace, needs, no_grad
from .ops import *  # noqa: F403

__version__ = "0.1.0"

__all__ = [
    "Context",
    "Op",
    "OpNode",
    "TensorNode",
    "array_api",
    "backends",
    "celoss",
    "logceloss",
    "logsoftmax",
    "manual_seed",
    "namespace",
    "needs",
    "no_grad",
    "ops",
    "sigmoid",
    "softmax",
    "use_backend",
]
__all__ += ops.__all__
