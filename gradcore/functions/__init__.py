"""Functions of nodes, by topic, with the names and arguments of torch.nn.functional where it has
them. Each takes nodes, and arrays as constants, and gives a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..array_api import einsum as einsum  # a neighbour of matmul there
from . import (
    activations,
    adaptive_pooling,
    arithmetic,
    attention,
    convolution,
    creation,
    ctc,
    distances,
    interpolation,
    losses,
    margins,
    normalization,
    ordering,
    padding,
    pooling,
    recurrent,
    sampling,
    selection,
    shaping,
    statistics,
    unfolding,
    unpooling,
)
from .activations import *  # noqa: F403
from .adaptive_pooling import *  # noqa: F403
from .arithmetic import *  # noqa: F403
from .attention import *  # noqa: F403
from .convolution import *  # noqa: F403
from .creation import *  # noqa: F403
from .ctc import *  # noqa: F403
from .distances import *  # noqa: F403
from .dropout import alpha_dropout as alpha_dropout
from .dropout import dropout as dropout
from .dropout import dropout1d as dropout1d
from .dropout import dropout2d as dropout2d
from .dropout import dropout3d as dropout3d
from .dropout import feature_alpha_dropout as feature_alpha_dropout
from .embedding import embedding as embedding
from .embedding import embedding_bag as embedding_bag
from .embedding import one_hot as one_hot
from .interpolation import *  # noqa: F403
from .linear import bilinear as bilinear
from .linear import linear as linear
from .losses import *  # noqa: F403
from .margins import *  # noqa: F403
from .normalization import *  # noqa: F403
from .ordering import *  # noqa: F403
from .padding import *  # noqa: F403
from .pooling import *  # noqa: F403
from .recurrent import *  # noqa: F403
from .sampling import *  # noqa: F403
from .selection import *  # noqa: F403
from .shaping import *  # noqa: F403
from .statistics import *  # noqa: F403
from .unfolding import *  # noqa: F403
from .unpooling import *  # noqa: F403

# The files dropout.py, embedding.py and linear.py have the names of functions. An import from such
# a file binds the name to the file, and then to the function: `functions.dropout` is the function.
if not TYPE_CHECKING:  # type checkers read lists of strings only, and know these imports
    _FILES = (
        activations,
        adaptive_pooling,
        arithmetic,
        attention,
        convolution,
        creation,
        ctc,
        distances,
        interpolation,
        losses,
        margins,
        normalization,
        ordering,
        padding,
        pooling,
        recurrent,
        sampling,
        selection,
        shaping,
        statistics,
        unfolding,
        unpooling,
    )
    __all__ = [name for file in _FILES for name in file.__all__]
    __all__ += ["bilinear", "dropout", "einsum", "embedding", "embedding_bag", "linear", "one_hot"]
    __all__ += ["alpha_dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]
