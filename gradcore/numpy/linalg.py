"""NumPy's `linalg`: equations, decompositions and norms."""

from __future__ import annotations

from typing import Any

from .. import array_api as xp
from .common import as_inputs, as_node_or_array, floats, promoted

__all__ = [
    "cholesky",
    "det",
    "eigh",
    "eigvalsh",
    "inv",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
]


def _matrix(a: Any) -> Any:
    return floats(as_node_or_array(a))


def inv(a: Any) -> Any:
    """Invert each matrix (..., M, M)."""
    return xp.linalg.inv(_matrix(a))


def det(a: Any) -> Any:
    """Compute the determinant (...) of each matrix (..., M, M)."""
    return xp.linalg.det(_matrix(a))


def slogdet(a: Any) -> Any:
    """Compute sign and logarithm of the absolute value of each determinant."""
    return xp.linalg.slogdet(_matrix(a))


def solve(a: Any, b: Any) -> Any:
    """Find the x with a @ x = b."""
    a, b = promoted(*[floats(x) for x in as_inputs(a, b)])
    return xp.linalg.solve(a, b)


def eigh(a: Any, UPLO: str = "L") -> Any:
    """Compute the eigenvalues and eigenvectors of symmetric matrices."""
    return xp.linalg.eigh(_matrix(a))


def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """Compute the eigenvalues of symmetric matrices."""
    return xp.linalg.eigvalsh(_matrix(a))


def svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """Factor each matrix into U @ diag(S) @ Vh."""
    if not compute_uv:
        return xp.linalg.svdvals(_matrix(a))
    return xp.linalg.svd(_matrix(a), full_matrices=full_matrices)


def qr(a: Any, mode: str = "reduced") -> Any:
    """Factor each matrix into Q @ R."""
    return xp.linalg.qr(_matrix(a), mode=mode)


def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """Factor each symmetric positive matrix into L @ L^T."""
    return xp.linalg.cholesky(_matrix(a), upper=upper)


def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """Compute the Moore-Penrose inverse of each matrix."""
    return xp.linalg.pinv(_matrix(a), rtol=rcond if rtol is None else rtol)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A002
    """Compute the norm of vectors or matrices."""
    return xp.linalg.norm(_matrix(x), ord, axis, keepdims)
