"""gradcore: reverse-mode automatic differentiation, written once for NumPy and CuPy."""

import os

# In a checkout that is not installed, backends/ lies beside this folder and not in it.
if not os.path.isdir(os.path.join(__path__[0], "backends")):
    __path__.append(os.path.dirname(__path__[0]))

from . import array_api, backends, data, nn, ops, optim
from .backends import use_backend
from .backends.random import manual_seed
from .data import load_mnist, load_synth
from .functions import celoss, logceloss, logsoftmax, relu, sigmoid, softmax
from .graph import Context, Op, OpNode, TensorNode, namespace, needs, no_grad
from .nn import Linear, Module
from .ops import *  # noqa: F403

__version__ = "0.1.0"

__all__ = [
    "Context",
    "Linear",
    "Module",
    "Op",
    "OpNode",
    "TensorNode",
    "array_api",
    "backends",
    "celoss",
    "data",
    "load_mnist",
    "load_synth",
    "logceloss",
    "logsoftmax",
    "manual_seed",
    "namespace",
    "needs",
    "nn",
    "no_grad",
    "ops",
    "optim",
    "relu",
    "sigmoid",
    "softmax",
    "use_backend",
]
__all__ += ops.__all__
