"""The Bessel functions of whole order, https://dlmf.nist.gov/10: J and Y, and the modified I and
K."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ... import ops
from ...graph import Op, TensorNode
from ..common import NodeOrArray
from .common import floating, of_order

__all__ = [
    "bessel_j0",
    "bessel_j1",
    "bessel_y0",
    "bessel_y1",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "iv",
    "ive",
    "j0",
    "j1",
    "jn",
    "jv",
    "k0",
    "k0e",
    "k1",
    "k1e",
    "kn",
    "kv",
    "kve",
    "modified_bessel_i0",
    "modified_bessel_i1",
    "modified_bessel_k0",
    "modified_bessel_k1",
    "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1",
    "y0",
    "y1",
    "yn",
    "yv",
]

OF_J, OF_Y = "the Bessel function J", "the Bessel function Y (-inf at 0, NaN below)"
OF_I = "the modified Bessel function I"
OF_K = "the modified Bessel function K (infinite at 0, NaN below)"


def _of_one_order(
    name: str, op: type[Op], what: str, order: int, example: str, **constants: Any
) -> Callable[[NodeOrArray], TensorNode]:
    """Make a function of x from an op. The example is what is printed of its values at 1 and 2."""

    def function(x: NodeOrArray) -> TensorNode:
        return op.do_forward(floating(x), n=order, **constants)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""Compute {what} of order {order} of x.

    Example:
        >>> print(gradcore.special.{name}([1.0, 2.0]).value.round(3))
        {example}
    """
    return function


j0 = _of_one_order("j0", ops.BesselJ, OF_J, 0, "[0.765 0.224]")
j1 = _of_one_order("j1", ops.BesselJ, OF_J, 1, "[0.44  0.577]")
y0 = _of_one_order("y0", ops.BesselY, OF_Y, 0, "[0.088 0.51 ]")
y1 = _of_one_order("y1", ops.BesselY, OF_Y, 1, "[-0.781 -0.107]")
i0 = _of_one_order("i0", ops.BesselI, OF_I, 0, "[1.266 2.28 ]")
i1 = _of_one_order("i1", ops.BesselI, OF_I, 1, "[0.565 1.591]")
k0 = _of_one_order("k0", ops.BesselK, OF_K, 0, "[0.421 0.114]")
k1 = _of_one_order("k1", ops.BesselK, OF_K, 1, "[0.602 0.14 ]")
i0e = _of_one_order("i0e", ops.BesselI, f"exp(-|x|) times {OF_I}", 0, "[0.466 0.309]", scaled=True)
i1e = _of_one_order("i1e", ops.BesselI, f"exp(-|x|) times {OF_I}", 1, "[0.208 0.215]", scaled=True)
k0e = _of_one_order("k0e", ops.BesselK, f"exp(x) times {OF_K}", 0, "[1.144 0.842]", scaled=True)
k1e = _of_one_order("k1e", ops.BesselK, f"exp(x) times {OF_K}", 1, "[1.636 1.033]", scaled=True)
jn = jv = of_order("jn", ops.BesselJ, OF_J, "[0.115 0.353]")
yn = yv = of_order("yn", ops.BesselY, OF_Y, "[-1.651 -0.617]")
iv = of_order("iv", ops.BesselI, OF_I, "[0.136 0.689]")
kn = kv = of_order("kn", ops.BesselK, OF_K, "[1.625 0.254]")
ive = of_order("ive", ops.BesselI, f"exp(-|x|) times {OF_I}", "[0.05  0.093]", scaled=True)
kve = of_order("kve", ops.BesselK, f"exp(x) times {OF_K}", "[4.417 1.875]", scaled=True)

# PyTorch's names.
bessel_j0, bessel_j1, bessel_y0, bessel_y1 = j0, j1, y0, y1
modified_bessel_i0, modified_bessel_i1, modified_bessel_k0, modified_bessel_k1 = i0, i1, k0, k1
scaled_modified_bessel_k0, scaled_modified_bessel_k1 = k0e, k1e
