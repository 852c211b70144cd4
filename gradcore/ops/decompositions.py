"""Matrix decompositions, of stacks of matrices (..., M, N).

Gradients of eigenvectors and singular vectors divide by the differences of their own value and
others. Where such a difference is 0 but for rounding, the vector turns freely, and has no
derivative: what depends on it is NaN. All else has its gradient, of the second order too.

Complex vectors turn freely in the complex plane, too: the library chooses their angles. A loss that
depends on this choice has no gradient by these vectors: NaN.

The formulas of complex matrices are those for gradients as people see them: the conjugates of what
comes in, and of what is returned.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..backends import Array, backend_of
from ..engine.arrays import conj, is_complex, namespace, real, value_of
from ..graph import Context, Op, given
from .elementwise import Quotient

__all__ = [
    "QR",
    "SVD",
    "Cholesky",
    "Eig",
    "Eigh",
    "EighGradient",
    "Eigvalsh",
    "SVDGradient",
    "Svdvals",
]


def check_square(op: str, a: Array) -> None:
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError(
            f"{op}: a has shape {tuple(a.shape)}; expected square matrices (..., M, M)"
        )


def check_matrices(op: str, a: Array) -> None:
    if a.ndim < 2:
        raise ValueError(f"{op}: a has shape {tuple(a.shape)}; expected matrices (..., M, N)")


def decomposed(function: Any, a: Array, **settings: Any) -> tuple[Array, ...]:
    """Call a function, or that of `xp.linalg` of this name, with NaN for the matrices that have an
    infinity or NaN.

    LAPACK may never return from such a matrix, or fail the whole stack for it, or find numbers.
    """
    xp = namespace(a)
    finite = xp.all(xp.isfinite(a), axis=(-2, -1))

    def where_finite(y: Array, other: Array | float) -> Array:
        return xp.where(finite[(..., *[None] * (y.ndim - finite.ndim))], y, other)

    eye = xp.eye(*a.shape[-2:], dtype=a.dtype, device=a.device)
    function = getattr(xp.linalg, function) if isinstance(function, str) else function
    parts = function(where_finite(a, eye), **settings)
    parts = parts if isinstance(parts, tuple) else (parts,)
    return tuple([where_finite(y, math.nan) for y in parts])


def adjoint(a: Array) -> Array:
    """Transpose and conjugate each matrix."""
    return conj(a.mT)


def _symmetric(a: Array) -> Array:
    """Take the symmetric part of real matrices, and the Hermitian part of complex ones."""
    return 0.5 * (a + adjoint(a))


def _eye(x: Array) -> Array:
    """Return the identity matrix, as large as the last axis of x."""
    return namespace(x).eye(x.shape[-1], dtype=x.dtype, device=x.device)


def _row(x: Array) -> Array:
    """Make each vector of x a matrix of one row; a matrix times it has its columns scaled."""
    return namespace(x).expand_dims(x, axis=-2)


def _gaps(x: Array) -> Array:
    """Compute x_j - x_i for row i and column j, and infinity for the diagonal."""
    xp = namespace(x)
    return xp.where(value_of(_eye(x)) == 1.0, math.inf, _row(x) - _row(x).mT)


def _vanishes(x: Array, like: Array, size: int) -> Array:
    """Find where x (..., M, N) is 0 but for rounding.

    Args:
        like: sorted numbers (..., K) of matrices that x was computed from; the largest absolute
            value of these, times epsilon, times the matrices' `size`, is how wrong each may be.
    """
    x, like = value_of(x), value_of(like)
    xp, n = namespace(x), like.shape[-1]
    one = min(n, 1)  # slices must not leave an empty axis
    largest = xp.maximum(xp.abs(like[..., :one]), xp.abs(like[..., n - one :]))
    return xp.abs(x) <= _row(largest) * (size * float(xp.finfo(x.dtype).eps))


def _divided(x: Array, s: Array, size: int) -> Array:
    """Divide x (..., K, K) by s_j - s_i for row i and column j, and the diagonal by infinity."""
    gaps = _gaps(s)
    return Quotient.apply(x, gaps, vanishes=_vanishes(gaps, s, size))


def _coincide(s: Array, size: int) -> Array:
    """Find which of the numbers s (..., K) are equal to another one, but for rounding."""
    return namespace(value_of(s)).any(_vanishes(_gaps(s), s, size), axis=-2)


class Cholesky(Op):
    """The lower triangular L with L @ L.mT (of complex matrices, conjugate) the symmetric part of a
    (of complex matrices, the Hermitian part), which is positive definite.

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
        p = xp.matmul(adjoint(y), conj(go))
        p = 0.5 * (xp.tril(p) + xp.tril(p, k=-1))  # the lower triangle, with half of the diagonal
        half = xp.linalg.solve(adjoint(y), p)
        return conj(_symmetric(xp.linalg.solve(adjoint(y), adjoint(half))))


class Eig(Op):
    """The eigenvalues w (..., M), in no order, and eigenvectors, the columns of v (..., M, M), of
    square matrices a: complex numbers, also of real matrices. Each vector has length 1, and its
    largest element is real: the gradient is that of vectors whose length, and the phase of whose
    largest element, stay as they are.

    The gradient is that of Boeddeker et al. 2017, https://arxiv.org/abs/1701.00392

    Eigenvalues coincide if they are closer than the errors of rounding that their condition numbers
    let through. Their vectors have no derivative: NaN, unless their part of gv is 0. Nor have those
    that coincide because vectors do, as in [[0, 1], [0, 0]]. The phase of a vector of which two
    elements are the largest has none either; what does not depend on the phase takes no harm.
    """

    @staticmethod
    def forward(context: Context, a: Array) -> tuple[Array, ...]:
        check_square("Eig", a)
        w, v = decomposed(backend_of(a).eig, a)
        context["a"], context["w"], context["v"] = a, w, v
        return w, v

    @staticmethod
    def backward(context: Context, gw: Array, gv: Array) -> Array:
        xp, a, w, v = namespace(gw), context["a"], context["w"], context["v"]
        is_real, eye = not is_complex(a), _eye(w)
        singular, same, defective = _conditions(*map(value_of, (a, w, v)))
        gw = Quotient.apply(gw, xp.ones_like(gw), vanishes=defective)
        inner = _row(gw) * eye
        if given(context, 1):
            fixed = _of_fixed_phase(gv, v, namespace(w).imag(w) == 0.0 if is_real else None)
            turn = Quotient.apply(xp.matmul(v.mT, fixed), _gaps(w), vanishes=same)
            inner = inner + _without_mixed(turn, value_of(gw), namespace(same).any(same, axis=-2))
        # A sum, and no `where`: the second derivative of a singular matrix is NaN as well.
        regular = v + xp.where(singular, value_of(eye) - value_of(v), 0.0)
        g = xp.linalg.solve(regular.mT, xp.matmul(inner, regular.mT))
        return real(g) if is_real else g


def _conditions(a: Array, w: Array, v: Array) -> tuple[Array, ...]:
    """Say how far the eigenvalues w and vectors v, as computed of matrices a, are to be trusted.

    Returns:
        Which matrices v are exactly singular (..., 1, 1); which pairs of eigenvalues coincide but
        for rounding (..., M, M); and which eigenvalues have no derivative, as they coincide because
        their vectors do (..., M).
    """
    xp, eye = namespace(w), _eye(w)
    size, eps = w.shape[-1], float(xp.finfo(w.dtype).eps)
    singular = (xp.linalg.slogdet(v)[0] == 0.0)[..., None, None]
    inverse = xp.linalg.inv(xp.where(singular, eye, v))
    # Of eigenvalue k, what a change of a is multiplied by at most: 1 if a is symmetric.
    condition = xp.minimum(xp.sum(xp.abs(inverse), axis=-1), 1.0 / eps)
    condition = xp.where(singular[..., 0], 1.0 / eps, condition)
    largest = xp.max(xp.abs(a), axis=(-2, -1), keepdims=True) if size else 0.0
    error = _row(condition) * (10.0 * size * eps * largest)
    same = xp.abs(_gaps(w)) <= xp.maximum(error, error.mT)
    return singular, same, xp.any(same, axis=-2) & (condition > eps**-0.25)


def _of_fixed_phase(gv: Array, v: Array, is_real: Array | None) -> Array:
    """Take from the gradients gv of eigenvectors v what the length of each vector and the phase of
    its largest element would give, as these do not change.

    Args:
        is_real: which vectors stay real: those of real eigenvalues of real matrices.
    """
    xp, size = namespace(gv), v.shape[-1]
    along = xp.sum(gv * v, axis=-2, keepdims=True)
    turn = xp.imag(along)
    if size:
        raw, sizes = namespace(value_of(v)), abs(value_of(v))
        like_zero = float(raw.finfo(sizes.dtype).eps) ** 0.75
        chosen = raw.arange(size, device=v.device)[:, None] == _row(raw.argmax(sizes, axis=-2))
        large = sizes >= (1.0 - like_zero) * raw.max(sizes, axis=-2, keepdims=True)
        total = raw.sum(abs(value_of(gv)) * sizes, axis=-2, keepdims=True)
        loose = raw.any(large & ~chosen, axis=-2, keepdims=True)
        loose = loose & (abs(value_of(turn)) > like_zero * total)
        loose = loose if is_real is None else loose & ~_row(value_of(is_real))
        turn = Quotient.apply(turn, xp.ones_like(turn), vanishes=loose)
        pivot = xp.sum(xp.where(chosen, v, 0.0), axis=-2, keepdims=True)
        gv = gv - xp.where(chosen, 1j * (turn / pivot), 0.0)
    return gv - xp.conj(v) * xp.real(along)


class Eigh(Op):
    """The eigenvalues (..., M), ascending, and eigenvectors, the columns of (..., M, M), of the
    symmetric part of a; of complex matrices, the Hermitian part. The sign of each eigenvector, or
    its angle, is the library's choice."""

    @staticmethod
    def forward(context: Context, a: Array) -> tuple[Array, ...]:
        check_square("Eigh", a)
        w, v = decomposed("eigh", _symmetric(a))
        context["a"], context["w"], context["v"] = a, w, v
        return w, v

    @staticmethod
    def backward(context: Context, gw: Array, gv: Array) -> Array:
        vectors = [gv] if given(context, 1) else []
        return EighGradient.apply(context["a"], context["w"], context["v"], gw, *vectors)


class Eigvalsh(Op):
    """The eigenvalues (..., M), ascending, of the symmetric or Hermitian part of a."""

    @staticmethod
    def forward(context: Context, a: Array) -> Array:
        check_square("Eigvalsh", a)
        context["a"] = a
        return decomposed("eigvalsh", _symmetric(a))[0]

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        a = context["a"]
        return EighGradient.apply(a, *Eigh.apply(a), go)


class EighGradient(Op):
    """The gradient of a (..., M, M), from the gradients gw of its eigenvalues w, and gv of its
    eigenvectors v, where the loss depends on these.

    The gradient is that of Giles 2008, section 3.1, https://people.maths.ox.ac.uk/gilesm/files/NA-08-01.pdf
    The gradient of the gradient is made of the second derivatives of eigenvalues and eigenvectors,
    in which only the gaps between a vector that is asked for and others stand below a line.

    Eigenvalues closer than M times epsilon times the largest are taken to coincide. Their vectors
    turn freely, and have no derivative: NaN, unless their part of gv is 0.
    """

    @staticmethod
    def forward(context: Context, a: Array, w: Array, v: Array, gw: Array, *gv: Array) -> Array:
        xp = namespace(w)
        context["a"], context["w"], context["v"], context["gw"], context["gv"] = a, w, v, gw, gv
        inner = _row(gw) * _eye(w)
        if gv:
            gaps = _gaps(w)
            same = _vanishes(gaps, w, w.shape[-1])
            turn = Quotient.apply(_turns(v, conj(gv[0])), gaps, vanishes=same)
            inner = inner + _without_mixed(turn, gw, xp.any(same, axis=-2))
        return conj(_symmetric(xp.matmul(xp.matmul(v, inner), adjoint(v))))

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        xp, go = namespace(go), _symmetric(go)
        w, v, gw = context["w"], context["v"], context["gw"]
        size = w.shape[-1]

        def times(x: Array) -> Array:
            return xp.matmul(go, x)

        def resolve(x: Array) -> Array:
            return xp.matmul(v, _divided(xp.matmul(adjoint(v), x), w, size))

        change = times(v)
        dv = resolve(change)
        dw = real(xp.sum(conj(v) * change, axis=-2) + 0.0 * xp.sum(dv, axis=-2))
        inner = _divided(xp.matmul(adjoint(v), change) * (_row(gw) - _row(gw).mT), w, size)
        ga = xp.matmul(xp.matmul(v, inner), adjoint(v))
        if not context["gv"]:
            return conj(_symmetric(ga)), None, None, dw
        gv = conj(context["gv"][0])
        left, right = _second(v, gv, dv, times, resolve, _coincide(w, size))
        ga = conj(_symmetric(ga + xp.matmul(left, adjoint(right))))
        return ga, None, _by_angles(v, gv, dv), dw, dv


def _by_angles(z: Array, gz: Array, dz: Array) -> Array | None:
    """Compute the gradient of <gz, dz> by complex vectors z, the columns, with gz fixed: it depends
    on their angles alone. Added to the gradient by way of gz, it leaves nothing that does."""
    if not is_complex(z):
        return None
    xp = namespace(gz)
    along = xp.sum(xp.imag(conj(dz) * gz), axis=-2, keepdims=True)
    return conj(1j * z * (along / real(xp.sum(conj(z) * z, axis=-2, keepdims=True))))


def _turns(z: Array, gz: Array) -> Array:
    """Compute z^H gz, for gradients gz of vectors z, the columns. Where gz asks for the angle of a
    complex vector, which is the library's choice, its column is NaN."""
    xp = namespace(z)
    y = xp.matmul(adjoint(z), gz)
    if not is_complex(z):
        return y
    along = xp.abs(xp.sum(xp.imag(conj(z) * gz), axis=-2, keepdims=True))
    size = xp.sum(xp.abs(z) * xp.abs(gz), axis=-2, keepdims=True)
    return xp.where(along > size * float(xp.finfo(z.dtype).eps) ** 0.5, math.nan, y)


def _without_mixed(y: Array, gw: Array, blocked: Array) -> Array:
    """Put NaN into the columns of y whose eigenvalue or singular value coincides with another, is
    asked for, and is used together with vectors, as in v diag(log(w)) v^T.

    Such a function may well have a derivative there; it does not follow from those of w and v.
    """
    return namespace(y).where(_row(blocked & (gw != 0.0)), math.nan, y)


def _second(
    z: Array,
    gz: Array,
    dz: Array,
    times: Callable[[Array], Array],
    resolve: Callable[[Array], Array],
    blocked: Array,
) -> tuple[Array, Array]:
    """Differentiate <gz, dz> by the matrix h, where dz is the derivative of eigenvectors z along e.

    The second derivative of a vector z along e and h, with the resolvent R of its eigenvalue, is
    R (e - <e>) R h z + R (h - <h>) R e z - <R e z, R h z> z, where <e> = z^T e z.

    Args:
        z: the eigenvectors, the columns, all of the same length.
        times: multiplies columns by e.
        resolve: multiplies each column by its R.
        blocked: which columns have an eigenvalue that coincides with another (...,).

    Returns:
        Two matrices; the left one times the adjoint of the right one is the gradient.
    """
    xp = namespace(gz)
    y, squares = resolve(gz), real(xp.sum(conj(z) * z, axis=-2, keepdims=True))
    asked = namespace(value_of(gz)).any(value_of(gz) != 0.0, axis=-2, keepdims=True)
    dz = xp.where(_row(blocked) & ~asked, 0.0, dz)

    def along(x: Array) -> Array:
        return real(xp.sum(conj(z) * x, axis=-2, keepdims=True)) / squares

    inner = resolve(times(y) - y * along(times(z)) - dz * along(gz))
    lengths = z * (real(xp.sum(conj(y) * dz, axis=-2, keepdims=True)) / squares)
    return xp.concat([inner - lengths, y], axis=-1), xp.concat([z, dz], axis=-1)


class SVD(Op):
    """U (..., M, K), S (..., K), descending, and Vh (..., K, N) with a = U @ diag(S) @ Vh and
    K = min(M, N). With `full_matrices`, U is (..., M, M) and Vh is (..., N, N).

    Raises (backward):
        ValueError: `full_matrices` is true, M is not N, and the loss depends on U or Vh: the
            vectors added to them are not determined by a, and so have no derivative.
    """

    @staticmethod
    def forward(context: Context, a: Array, *, full_matrices: bool = False) -> tuple[Array, ...]:
        check_matrices("SVD", a)
        u, s, vh = decomposed("svd", a, full_matrices=full_matrices)
        context["a"], context["u"], context["s"], context["vh"] = a, u, s, vh
        return u, s, vh

    @staticmethod
    def backward(context: Context, gu: Array, gs: Array, gvh: Array) -> Array:
        a, u, s, vh = context["a"], context["u"], context["s"], context["vh"]
        k, (m, n) = s.shape[-1], a.shape[-2:]
        vectors = [gu, gvh] if given(context, 0) or given(context, 2) else []
        if u.shape[-1] > k or vh.shape[-2] > k:
            if vectors:
                raise ValueError(
                    f"SVD: the full U or Vh of matrices ({m}, {n}) has no gradient, as they do "
                    "not determine all of it; take full_matrices=False, or svdvals"
                )
            u, vh = u[..., :k], vh[..., :k, :]
        return SVDGradient.apply(a, u, s, vh, gs, *vectors)


class Svdvals(Op):
    """The singular values (..., K), descending, K = min(M, N)."""

    @staticmethod
    def forward(context: Context, a: Array) -> Array:
        check_matrices("Svdvals", a)
        context["a"] = a
        return decomposed("svdvals", a)[0]

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        a = context["a"]
        return SVDGradient.apply(a, *SVD.apply(a), go)


class SVDGradient(Op):
    """The gradient of a (..., M, N), from the gradients gs of its singular values s, and gu and gvh
    of its singular vectors u (..., M, K) and vh (..., K, N), where the loss depends on these.

    The pairs (u_i, v_i) are eigenvectors of the Hermitian matrix [[0, a], [a^H, 0]], for s_i, and
    so are (u_i, -v_i), for -s_i. The gradients are those of `EighGradient` for that matrix.

    Singular values closer than max(M, N) times epsilon times the largest are taken to coincide, and
    so are those closer to 0 with 0. Their vectors have no derivative: NaN, unless their parts of gu
    and gvh are 0.
    """

    @staticmethod
    def forward(
        context: Context, a: Array, u: Array, s: Array, vh: Array, gs: Array, *vectors: Array
    ) -> Array:
        context["a"], context["u"], context["s"], context["vh"] = a, u, s, vh
        context["gs"], context["vectors"] = gs, vectors
        xp = namespace(s)
        if not vectors:
            return conj(xp.matmul(u * _row(gs), vh))
        gu, gv = conj(vectors[0]), vectors[1].mT
        p, q, left, right, same = _resolved(u, s, vh, gu, gv)
        zero = _vanishes(_row(s), s, max(a.shape[-2:]))[..., 0, :]
        p = _without_mixed(p, gs, xp.any(same, axis=-2) | zero)
        if is_complex(u):  # the pairs (u_i, v_i) turn freely
            p = p + 0.0 * _turns(xp.concat([u, adjoint(vh)], axis=-2), xp.concat([gu, gv], axis=-2))
        inner = p + adjoint(p) + q - adjoint(q) + _row(gs) * _eye(s)
        g = xp.matmul(xp.matmul(u, inner) + left, vh)
        g = g + xp.matmul(u, adjoint(right)) if vh.shape[-1] > vh.shape[-2] else g
        return conj(g)

    @staticmethod
    def backward(context: Context, go: Array) -> tuple[Array | None, ...]:
        xp, u, s, vh, gs = namespace(go), *[context[key] for key in ("u", "s", "vh", "gs")]
        v, m, size = adjoint(vh), u.shape[-2], max(go.shape[-2:])

        def times(x: Array) -> Array:
            return xp.concat(
                [xp.matmul(go, x[..., m:, :]), xp.matmul(adjoint(go), x[..., :m, :])], axis=-2
            )

        def resolve(x: Array) -> Array:
            p, q, left, right, _ = _resolved(u, s, vh, x[..., :m, :], x[..., m:, :])
            return xp.concat([xp.matmul(u, p + q) + left, xp.matmul(v, p - q) + right], axis=-2)

        z = xp.concat([u, v], axis=-2)
        change = times(z)
        dz = resolve(change)
        ds = real(0.5 * xp.sum(conj(z) * change, axis=-2) + 0.0 * xp.sum(dz, axis=-2))
        e = xp.matmul(adjoint(u), change[..., :m, :])
        inner = _divided(_symmetric(e) * (_row(gs) - _row(gs).mT), s, size)
        skew = 0.5 * (e - adjoint(e))
        inner = inner + _divided_by_sums(skew * (_row(gs) + _row(gs).mT), s, size)
        more = change * _row(gs)
        left = xp.matmul(u, inner) + _outside(u, s, more[..., :m, :], size)
        ga = xp.matmul(left, vh) + xp.matmul(u, adjoint(_outside(v, s, more[..., m:, :], size)))
        if not context["vectors"]:
            return conj(ga), None, None, None, ds
        gu, gvh = context["vectors"]
        blocked = _coincide(s, size) | _vanishes(_row(s), s, size)[..., 0, :]
        gz = xp.concat([conj(gu), gvh.mT], axis=-2)
        left, right = _second(z, gz, dz, times, resolve, blocked)
        ga = ga + xp.matmul(left[..., :m, :], adjoint(right[..., m:, :]))
        ga = ga + xp.matmul(right[..., :m, :], adjoint(left[..., m:, :]))
        by_z = _by_angles(z, gz, dz)
        by_u = None if by_z is None else by_z[..., :m, :]
        by_vh = None if by_z is None else adjoint(by_z[..., m:, :])
        return conj(ga), by_u, None, by_vh, ds, dz[..., :m, :], adjoint(dz[..., m:, :])


def _divided_by_sums(x: Array, s: Array, size: int) -> Array:
    """Divide x (..., K, K) by s_i + s_j."""
    sums = _row(s) + _row(s).mT
    return Quotient.apply(x, sums, vanishes=_vanishes(sums, s, size))


def _outside(u: Array, s: Array, x: Array, size: int) -> Array:
    """Take the part of x (..., M, K) outside of the column space of u, and divide columns by s."""
    if u.shape[-2] == u.shape[-1]:  # there is nothing but errors of rounding
        return namespace(x).zeros_like(x)
    rest = x - namespace(x).matmul(u, namespace(x).matmul(adjoint(u), x))
    return Quotient.apply(rest, _row(s), vanishes=_vanishes(_row(s), s, size))


def _resolved(u: Array, s: Array, vh: Array, xu: Array, xv: Array) -> tuple[Array, ...]:
    """Multiply columns (xu_i, xv_i) by the pseudo-inverse of s_i - [[0, a], [a^H, 0]].

    Returns:
        The coefficients p of the vectors (u_k, v_k) in the result, q of (u_k, -v_k), and what is
        outside of these, above and below; and which singular values coincide.
    """
    xp, size = namespace(xu), max(u.shape[-2], vh.shape[-1])
    alpha, beta = xp.matmul(adjoint(u), xu), xp.matmul(vh, xv)
    gaps = _gaps(s)
    same = _vanishes(gaps, s, size)
    p = Quotient.apply(0.5 * (alpha + beta), gaps, vanishes=same)
    q = _divided_by_sums(0.5 * (alpha - beta), s, size)
    return p, q, _outside(u, s, xu, size), _outside(adjoint(vh), s, xv, size), same


class QR(Op):
    """Q (..., M, N) with orthonormal columns and R (..., N, N) upper triangular, with a = Q @ R,
    for M >= N. With `complete`, Q is (..., M, M) and R is (..., M, N).

    The gradient is that of Seeger et al. 2017, https://arxiv.org/abs/1710.08717

    Where a column of a depends on those before it, a column of Q turns freely: the gradient is NaN.

    Raises (backward):
        ValueError: `complete` is true, M is not N, and the loss depends on Q: the columns added to
            Q are not determined by a, and so have no derivative.
    """

    @staticmethod
    def forward(context: Context, a: Array, *, complete: bool = False) -> tuple[Array, ...]:
        check_matrices("QR", a)
        m, n = a.shape[-2:]
        if m < n:
            raise ValueError(f"QR: a has shape {tuple(a.shape)}; expected (..., M, N) with M >= N")
        q, r = namespace(a).linalg.qr(a, mode="complete" if complete else "reduced")
        context["q"], context["r"] = q, r
        return q, r

    @staticmethod
    def backward(context: Context, gq: Array, gr: Array) -> Array:
        xp, q, r = namespace(gq), context["q"], context["r"]
        size, n = r.shape[-2:]
        if size > n and q.shape[-1] > n:
            if given(context, 0):
                raise ValueError(
                    f"QR: the complete Q of matrices {(size, n)} has no gradient, as they do not "
                    "determine all of it; take mode='reduced'"
                )
            q, r, gq, gr = q[..., :n], r[..., :n, :], gq[..., :n], gr[..., :n, :]
        pivots = namespace(value_of(r)).sort(abs(_diagonal(value_of(r))), axis=-1)
        singular = _vanishes(pivots[..., None, : min(n, 1)], pivots, q.shape[-2])
        gq, gr = conj(gq), conj(gr)
        m = xp.matmul(r, adjoint(gr)) - xp.matmul(adjoint(gq), q)
        m = _symmetric(xp.tril(m) + xp.tril(m, k=-1))  # the lower triangle of m, mirrored
        right = xp.where(singular, _eye(r), r)
        g = conj(adjoint(xp.linalg.solve(right, adjoint(gq + xp.matmul(q, m)))))
        regular = namespace(singular).astype(~singular, r.dtype)
        return Quotient.apply(g, regular, vanishes=singular)


def _diagonal(x: Array) -> Array:
    return namespace(x).sum(x * _eye(x), axis=-1)
