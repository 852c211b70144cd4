"""The ops, each defined once."""

from .elementwise import (
    Absolute,
    Add,
    Cast,
    Divide,
    Exp,
    Id,
    Log,
    Multiply,
    Negative,
    Power,
    Relu,
    Sigmoid,
    Sqrt,
    Sub,
    Tanh,
    Where,
)
from .indexing import GetItem, PutItem, Select
from .linalg import BatchMM, MatrixMultiply
from .normalization import LogSoftmax, Normalize, Softmax
from .reduction import RowMax, RowSum, Sum
from .shape import Broadcast, Expand, Reshape, Squeeze, Transpose, Unsqueeze

__all__ = [
    "Absolute",
    "Add",
    "BatchMM",
    "Broadcast",
    "Cast",
    "Divide",
    "Exp",
    "Expand",
    "GetItem",
    "Id",
    "Log",
    "LogSoftmax",
    "MatrixMultiply",
    "Multiply",
    "Negative",
    "Normalize",
    "Power",
    "PutItem",
    "Relu",
    "Reshape",
    "RowMax",
    "RowSum",
    "Select",
    "Sigmoid",
    "Softmax",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Tanh",
    "Transpose",
    "Unsqueeze",
    "Where",
]
