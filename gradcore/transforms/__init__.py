"""Transforms take a function and make another: its derivatives of every order, the function with
a gradient of one's own, or the function with less memory for its backward pass."""

from __future__ import annotations

from .checkpoint import checkpoint
from .custom import custom_gradient, stop_gradient
from .derivatives import (
    grad,
    hessian,
    hessian_vector_product,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)

__all__ = [
    "checkpoint",
    "custom_gradient",
    "grad",
    "hessian",
    "hessian_vector_product",
    "jacobian",
    "jvp",
    "stop_gradient",
    "value_and_grad",
    "vjp",
]
