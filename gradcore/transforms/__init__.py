"""Functions that make functions: derivatives of every order, gradients of one's own, and
checkpointing."""

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
