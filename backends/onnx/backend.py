"""The ONNX backend: the way in and out of ndonnx's arrays."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import numpy as np

from ..types import Array, DType
from . import namespace as xp
from .convolution import OnnxConvolutions
from .elementwise import OnnxElementwise
from .normalization import OnnxNorms
from .recurrent import OnnxRecurrent

__all__ = ["NO_RANDOM", "OnnxBackend"]

UNKNOWN = (
    "these numbers are known only when the file runs, and can't be read, as by float(x) and "
    "`if x > 0`; choose by gradcore.where(condition, a, b), or read what the model returns"
)
MASK = "a shape depends on numbers, as that of x[x > 0] does; use gradcore.where(x > 0, x, 0.0)"
ELSEWHERE = (
    "an input is an array of another library, which the file would not have; hold it in an "
    "attribute of a module, or in a TensorNode"
)
NO_RANDOM = (
    "random numbers have no place in a file; give them as an input, or draw in training only: "
    "`if self.training:`"
)
SHAPES = re.compile(
    r"op_type:(\w+).*\[ShapeInferenceError\] (?!Inference)(.*?)\s*-- for .*inputs \[(.*)\] &", re.S
)


class OnnxBackend(OnnxElementwise, OnnxConvolutions, OnnxNorms, OnnxRecurrent):
    """Arrays of ndonnx: a placeholder has no numbers, and each function of it is noted as operators
    of ONNX. Constants have numbers."""

    name = "onnx"
    xp: ClassVar[Any] = xp
    array_types = (xp.Array,)
    several_devices = False

    def from_numpy(self, x: np.ndarray, dtype: DType | None = None) -> Array:
        return xp.asarray(np.ascontiguousarray(x).reshape(x.shape), dtype=dtype)

    def to_numpy(self, x: Array) -> np.ndarray:
        """Give the numbers of a constant.

        Raises:
            ValueError: x is computed from a placeholder.
        """
        return x.unwrap_numpy()

    def error(self, error: Exception) -> Exception:
        text = str(error)
        if "no propagated value" in text:
            return ValueError(UNKNOWN)
        if "not 'NoneType'" in text:  # a size that is not known
            return ValueError(MASK)
        if found := SHAPES.search(text):
            return ValueError(f"ONNX's {found[1]}: {found[2]} ({found[3]})")
        if found := re.match("loop of ufunc does not .* type Array .* no callable (\\w+)", text):
            return TypeError(
                f"np.{found[1]} takes no array of this backend; take a node, np.{found[1]}("
                f"TensorNode(x)), or gradcore.numpy.{found[1]}(x)"
            )
        if found := re.fullmatch(r"module '.*' has no attribute '(\w+)'", text):
            return TypeError(f"ndonnx, which writes ONNX, has no {found[1]}")
        if found := re.match(r"(\w+: )the inputs are arrays of", text):
            return ValueError(f"{found[1]}{ELSEWHERE}")
        return error

    def random_bits(self, *_: Any) -> Array:
        """Refuse: a file has no generator with gradcore's numbers."""
        raise ValueError(NO_RANDOM)

    def check_indices(self, what: str, indices: Array, size: int, start: int = 0) -> None:
        """Check constants. What runs the file checks all others, in its own way."""
        if xp.known(indices) is None:
            self.check_integers(what, indices)
        else:
            super().check_indices(what, indices, size, start)

    def select(self, x: Array, indices: Array) -> Array:
        return super().select(x, xp.astype(indices, xp.int64))
