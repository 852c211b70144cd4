"""Matrix decompositions, of stacks of matrices (..., M, N).

Their gradients divide by differences of eigenvalues or singular values. Where two of these are
equal, the vectors are not differentiable, and the gradients are infinite or NaN, as PyTorch's
are (https://docs.pytorch.org/docs/stable/generated/torch.linalg.eigh.html). `Eigvalsh` and
`Svdvals`, which compute no vectors, have gradients there.
"""

from __future__ import annotations

from ..backends import Array
from ..engine.arrays import namespace
from ..graph import Context, Op

__all__ = ["QR", "SVD", "Cholesky", "Eigh", "Eigvalsh", "Svdvals"]


def check_square(op: str, a: Array) -> None:
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError(
            f"{op}: a has shape {tuple(a.shape)}; expected square matrices (..., M, M)"
        )


def check_matrices(op: str, a: Array) -> None:
    if a.ndim < 2:
        raise ValueError(f"{op}: a has shape {tuple(a.shape)}; expected matrices (..., M, N)")


def _symmetric(a: Array) -> Array:
    return 0.5 * (a + a.mT)


def _eye(x: Array) -> Array:
    """Return the identity matrix, as large as the last axis of x."""
    return namespace(x).eye(x.shape[-1], dtype=x.dtype, device=x.device)


def _row(x: Array) -> Array:
    """Make each vector of x a matrix of one row; a matrix times it has its columns scaled."""
    return namespace(x).expand_dims(x, axis=-2)


def _inverse_gaps(x: Array) -> Array:
    """Compute 1 / (x_j - x_i) for row i and column j, and 0 for the diagonal."""
    return 1.0 / (_row(x) - _row(x).mT + _eye(x)) - _eye(x)


class Cholesky(Op):
    """The lower triangular L with L @ L.mT the symmetric part of a, which is positive definite.

    The gradient is that of Murray 2016, section 3.1, https://arxiv.org/abs/1602.07527
    """

    @staticmethod
    def forward(context: Context, a: Array) -> Array:
        check_square("Cholesky", a)
        context["y"] = namespace(a).linalg.cholesky(_symmetric(a))
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        xp, y = namespace(go), context["y"]
        p = xp.matmul(y.mT, go)
        p = 0.5 * (xp.tril(p) + xp.tril(p, k=-1))  # the lower triangle, with half of the diagonal
        half = xp.linalg.solve(y.mT, p)
        return _symmetric(xp.linalg.solve(y.mT, half.mT))


class Eigh(Op):
    """The eigenvalues (..., M), ascending, and eigenvectors, the columns of (..., M, M), of the
    symmetric part of a. The sign of each eigenvector is the library's choice.

    The gradient is that of Giles 2008, section 3.1, https://people.maths.ox.ac.uk/gilesm/files/NA-08-01.pdf
    """

    @staticmethod
    def forward(context: Context, a: Array) -> tuple[Array, ...]:
        check_square("Eigh", a)
        w, v = namespace(a).linalg.eigh(_symmetric(a))
        context["w"], context["v"] = w, v
        return w, v

    @staticmethod
    def backward(context: Context, gw: Array, gv: Array) -> Array:
        xp, w, v = namespace(gw), context["w"], context["v"]
        inner = _inverse_gaps(w) * xp.matmul(v.mT, gv) + _row(gw) * _eye(w)
        return _symmetric(xp.matmul(xp.matmul(v, inner), v.mT))


class Eigvalsh(Op):
    """The eigenvalues (..., M), ascending, of the symmetric part of a."""

    @staticmethod
    def forward(context: Context, a: Array) -> Array:
        check_square("Eigvalsh", a)
        context["a"] = a
        return namespace(a).linalg.eigvalsh(_symmetric(a))

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        xp = namespace(go)
        v = xp.linalg.eigh(_symmetric(context["a"]))[1]
        return xp.matmul(v * _row(go), v.mT)


class SVD(Op):
    """U (..., M, K), S (..., K), descending, and Vh (..., K, N) with a = U @ diag(S) @ Vh and
    K = min(M, N). With `full_matrices`, U is (..., M, M) and Vh is (..., N, N).

    The gradient is that of Townsend 2016, https://j-towns.github.io/papers/svd-derivative.pdf

    Raises (backward):
        ValueError: `full_matrices` is true and M is not N: the vectors added to U or Vh are not
            determined by a, and so have no derivative.
    """

    @staticmethod
    def forward(context: Context, a: Array, *, full_matrices: bool = False) -> tuple[Array, ...]:
        check_matrices("SVD", a)
        u, s, vh = namespace(a).linalg.svd(a, full_matrices=full_matrices)
        context["u"], context["s"], context["vh"] = u, s, vh
        context["undetermined"] = full_matrices and a.shape[-1] != a.shape[-2]
        return u, s, vh

    @staticmethod
    def backward(context: Context, gu: Array, gs: Array, gvh: Array) -> Array:
        xp, u, s, vh = namespace(gs), context["u"], context["s"], context["vh"]
        m, n, k = u.shape[-2], vh.shape[-1], s.shape[-1]
        if context["undetermined"]:
            raise ValueError(
                f"SVD: the full U or Vh of matrices ({m}, {n}) has no gradient, as they do not "
                "determine all of it; take full_matrices=False, or svdvals"
            )
        # Compute s_j^2 - s_i^2 as a product, which has the smaller error.
        f = _inverse_gaps(s) / (_row(s) + _row(s).mT + _eye(s))
        ugu, gvv = xp.matmul(u.mT, gu), xp.matmul(gvh, vh.mT)
        inner = f * (ugu - ugu.mT) * _row(s) + _row(s).mT * f * (gvv.mT - gvv)
        g = xp.matmul(xp.matmul(u, inner + _row(gs) * _eye(s)), vh)
        if m > k:  # add the part of gu outside of the column space of U
            g = g + xp.matmul((gu - xp.matmul(u, ugu)) / _row(s), vh)
        if n > k:
            g = g + xp.matmul(u / _row(s), gvh - xp.matmul(gvv, vh))
        return g


class Svdvals(Op):
    """The singular values (..., K), descending, K = min(M, N)."""

    @staticmethod
    def forward(context: Context, a: Array) -> Array:
        check_matrices("Svdvals", a)
        context["a"] = a
        return namespace(a).linalg.svdvals(a)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        xp = namespace(go)
        u, _, vh = xp.linalg.svd(context["a"], full_matrices=False)
        return xp.matmul(u * _row(go), vh)


class QR(Op):
    """Q (..., M, N) with orthonormal columns and R (..., N, N) upper triangular, with a = Q @ R,
    for M >= N. With `complete`, Q is (..., M, M) and R is (..., M, N).

    The gradient is that of Seeger et al. 2017, https://arxiv.org/abs/1710.08717

    Raises (backward):
        ValueError: `complete` is true and M is not N: the columns added to Q are not determined
            by a, and so have no derivative.
    """

    @staticmethod
    def forward(context: Context, a: Array, *, complete: bool = False) -> tuple[Array, ...]:
        check_matrices("QR", a)
        m, n = a.shape[-2:]
        if m < n:
            raise ValueError(f"QR: a has shape {tuple(a.shape)}; expected (..., M, N) with M >= N")
        q, r = namespace(a).linalg.qr(a, mode="complete" if complete else "reduced")
        context["q"], context["r"] = q, r
        context["undetermined"] = complete and m > n
        return q, r

    @staticmethod
    def backward(context: Context, gq: Array, gr: Array) -> Array:
        xp, q, r = namespace(gq), context["q"], context["r"]
        if context["undetermined"]:
            raise ValueError(
                f"QR: the complete Q of matrices {tuple(r.shape[-2:])} has no gradient, as they "
                "do not determine all of it; take mode='reduced'"
            )
        m = xp.matmul(r, gr.mT) - xp.matmul(gq.mT, q)
        m = xp.tril(m) + xp.tril(m, k=-1).mT  # the lower triangle of m, mirrored
        return xp.linalg.solve(r, (gq + xp.matmul(q, m)).mT).mT
