"""Functions of SciPy and array-api-extra, differentiated as they are.

They know nothing of gradcore: they ask their arguments for `__array_namespace__`, which SciPy does
where SCIPY_ARRAY_API=1 was set when it was imported.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

from gradcore import TensorNode, check_gradients, grad, hessian, namespace
from gradcore.backends import Backend
from gradcore.engine.trees import leaves

if "scipy" in sys.modules and os.environ.get("SCIPY_ARRAY_API") != "1":
    pytest.skip("SciPy was imported without SCIPY_ARRAY_API=1", allow_module_level=True)
with pytest.MonkeyPatch.context() as patch:
    patch.setenv("SCIPY_ARRAY_API", "1")
    pytest.importorskip("scipy", minversion="1.17")
    import scipy.constants
    from scipy import differentiate, fft, integrate, optimize, signal, special, stats
    from scipy.cluster import vq
    from scipy.spatial.transform import RigidTransform, Rotation
xpx: Any = pytest.importorskip("array_api_extra")
torch: Any = None
with contextlib.suppress(ImportError):
    import torch

X = np.array([0.9, 1.7, 0.4, 2.2, 1.3, 3.1])
Y = np.array([1.1, 0.3, 2.0, 0.7, 1.9, 1.4])
T = np.array([0.0, 0.5, 1.2, 1.9, 2.5, 3.6])
M = np.array([[0.7, 1.9, 0.3], [1.1, 0.4, 1.6], [0.5, 1.2, 0.8], [1.8, 0.9, 1.4]])
N = np.array([[1.3, 0.6, 1.7], [0.2, 1.5, 0.9]])
QUATERNION = np.array([0.1, 0.5, -0.3, 0.8])
OTHER = np.array([0.3, -0.5, 0.2, 0.9])


class Row(NamedTuple):
    name: str
    call: Callable[..., Any]  # of arrays or nodes
    inputs: tuple[np.ndarray, ...]
    formula: Callable[..., Any] | None = None  # of torch's tensors


def row(name: str, call: Callable[..., Any], *inputs: np.ndarray, formula: Any = None) -> Row:
    return Row(name, call, inputs, formula)


def like(x: Any, numbers: Any) -> Any:
    return namespace(x).asarray(numbers, dtype=x.dtype, device=x.device)


def central(x: Any, k: int) -> Any:
    return ((x - x.mean(0)) ** k).mean(0)


def angle(x: Any) -> Any:
    return torch.atan2(torch.sin(x).mean(0), torch.cos(x).mean(0)) % (2 * np.pi)


def resultant(x: Any) -> Any:
    return torch.hypot(torch.sin(x).mean(0), torch.cos(x).mean(0))


def rosen(x: Any) -> Any:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def rosen_derivative(name: str, x: Any) -> Any:
    return getattr(torch.autograd.functional, name)(rosen, x, create_graph=True)


def skew_matrix(v: Any) -> Any:
    zero = v[0] * 0
    rows = [[zero, -v[2], v[1]], [v[2], zero, -v[0]], [-v[1], v[0], zero]]
    return torch.stack([torch.stack(entries) for entries in rows])


def rotated(q: Any, v: Any) -> Any:
    q = q / torch.linalg.vector_norm(q)
    t = 2 * torch.linalg.cross(q[:3], v)
    return v + q[3] * t + torch.linalg.cross(q[:3], t)


# fmt: off
ROWS = [
    row("special.logsumexp", lambda x: special.logsumexp(x, axis=1), M,
        formula=lambda x: torch.logsumexp(x, 1)),
    row("special.logsumexp b", lambda x, b: special.logsumexp(x, b=b), X, Y,
        formula=lambda x, b: torch.log((b * torch.exp(x)).sum())),
    row("special.softmax", lambda x: special.softmax(x, axis=1), M,
        formula=lambda x: torch.softmax(x, 1)),
    row("special.log_softmax", lambda x: special.log_softmax(x, axis=0), M,
        formula=lambda x: torch.log_softmax(x, 0)),
    row("special.xlogy", lambda x, y: special.xlogy(x, y), X, Y,
        formula=lambda x, y: x * torch.log(y)),
    row("special.rel_entr", lambda x, y: special.rel_entr(x, y), X, Y,
        formula=lambda x, y: x * torch.log(x / y)),
    row("special.entr", lambda x: special.entr(x), X, formula=lambda x: torch.special.entr(x)),
    row("special.expit", lambda x: special.expit(x), X, formula=lambda x: torch.special.expit(x)),
    row("special.erf", lambda x: special.erf(x), X, formula=lambda x: torch.special.erf(x)),
    row("special.erfc", lambda x: special.erfc(x), X, formula=lambda x: torch.special.erfc(x)),
    row("special.gammaln", lambda x: special.gammaln(x), X,
        formula=lambda x: torch.special.gammaln(x)),
    row("special.psi", lambda x: special.psi(x), X, formula=lambda x: torch.special.psi(x)),
    row("special.digamma", lambda x: special.digamma(x), X,
        formula=lambda x: torch.special.digamma(x)),
    row("special.polygamma", lambda x: special.polygamma(2, x), X),
    row("special.ndtr", lambda x: special.ndtr(x), X,
        formula=lambda x: torch.special.ndtr(x)),
    row("special.log_ndtr", lambda x: special.log_ndtr(-x), X,
        formula=lambda x: torch.special.log_ndtr(-x)),
    row("special.ndtri", lambda x: special.ndtri(x / 4), X,
        formula=lambda x: torch.special.ndtri(x / 4)),
    row("special.erfcx", lambda x: special.erfcx(x), X,
        formula=lambda x: torch.special.erfcx(x)),
    row("special.i0e", lambda x: special.i0e(x), X, formula=lambda x: torch.special.i0e(x)),
    row("special.j1", lambda x: special.j1(x), X),
    row("special.yn", lambda x: special.yn(2, x), X),
    row("special.k0", lambda x: special.k0(x), X),
    row("special.logit", lambda x: special.logit(x / 4), X,
        formula=lambda x: torch.special.logit(x / 4)),
    row("special.xlog1py", lambda x, y: special.xlog1py(x, y), X, Y,
        formula=lambda x, y: torch.special.xlog1py(x, y)),
    row("special.boxcox", lambda x, y: special.boxcox(x, y), X, Y,
        formula=lambda x, y: (x**y - 1) / y),
    row("special.huber", lambda x, y: special.huber(x, y), X, Y,
        formula=lambda x, y: torch.where(y <= x, y * y / 2, x * (y - x / 2))),
    row("special.kl_div", lambda x, y: special.kl_div(x, y), X, Y,
        formula=lambda x, y: x * torch.log(x / y) - x + y),
    row("special.sinc", lambda x: special.sinc(x), X, formula=lambda x: torch.sinc(x)),
    row("special.ellipk", lambda x: special.ellipk(x / 4), X),
    row("special.exp1", lambda x: special.exp1(x), X),
    row("integrate.trapezoid", lambda y, x: integrate.trapezoid(y, x=x), X, T,
        formula=lambda y, x: torch.trapezoid(y, x)),
    row("integrate.cumulative_trapezoid",
        lambda y, x: integrate.cumulative_trapezoid(y, x=x), X, T,
        formula=lambda y, x: torch.cumulative_trapezoid(y, x)),
    row("integrate.cumulative_simpson", lambda y: integrate.cumulative_simpson(y, dx=0.5), X),
    row("integrate.cumulative_simpson x",
        lambda y, x: integrate.cumulative_simpson(y, x=x), X, T),
    row("integrate.tanhsinh", lambda a: integrate.tanhsinh(
            lambda t, a: namespace(a).exp(-t * a), like(a, 0.0), like(a, 1.0), args=(a,)).integral,
        X, formula=lambda a: (1 - torch.exp(-a)) / a),
    row("integrate.cubature", lambda a: integrate.cubature(
            lambda t, a: namespace(a).exp(-t * a), like(a, [0.0]), like(a, [1.0]),
            args=(a,), rtol=1e-4).estimate,
        X, formula=lambda a: (1 - torch.exp(-a)) / a),
    row("stats.gmean", lambda x: stats.gmean(x), M, formula=lambda x: x.log().mean(0).exp()),
    row("stats.gmean weights", lambda x, w: stats.gmean(x, weights=w), X, Y,
        formula=lambda x, w: ((w * x.log()).sum() / w.sum()).exp()),
    row("stats.hmean", lambda x: stats.hmean(x), M, formula=lambda x: 1 / (1 / x).mean(0)),
    row("stats.pmean", lambda x: stats.pmean(x, 1.5), M,
        formula=lambda x: (x**1.5).mean(0) ** (1 / 1.5)),
    row("stats.moment", lambda x: stats.moment(x, 3), M, formula=lambda x: central(x, 3)),
    row("stats.skew", lambda x: stats.skew(x), M,
        formula=lambda x: central(x, 3) / central(x, 2) ** 1.5),
    row("stats.skew unbiased", lambda x: stats.skew(x, bias=False), M,
        formula=lambda x: central(x, 3) / central(x, 2) ** 1.5 * 12**0.5 / 2),
    row("stats.kurtosis", lambda x: stats.kurtosis(x), M,
        formula=lambda x: central(x, 4) / central(x, 2) ** 2 - 3),
    row("stats.variation", lambda x: stats.variation(x), M,
        formula=lambda x: x.std(0, correction=0) / x.mean(0)),
    row("stats.sem", lambda x: stats.sem(x), M, formula=lambda x: x.std(0) / 2),
    row("stats.zscore", lambda x: stats.zscore(x), M,
        formula=lambda x: (x - x.mean(0)) / x.std(0, correction=0)),
    row("stats.zmap", lambda x, y: stats.zmap(x, y), X, Y,
        formula=lambda x, y: (x - y.mean()) / y.std(correction=0)),
    row("stats.gzscore", lambda x: stats.gzscore(x), X,
        formula=lambda x: (x.log() - x.log().mean()) / x.log().std(correction=0)),
    row("stats.gstd", lambda x: stats.gstd(x), X, formula=lambda x: x.log().std().exp()),
    row("stats.tmean", lambda x: stats.tmean(x, (0.5, 3.0)), X,
        formula=lambda x: x[(x > 0.5) & (x < 3.0)].mean()),
    row("stats.tvar", lambda x: stats.tvar(x), M, formula=lambda x: x.var(0)),
    row("stats.tstd", lambda x: stats.tstd(x), M, formula=lambda x: x.std(0)),
    row("stats.tsem", lambda x: stats.tsem(x), M, formula=lambda x: x.std(0) / 2),
    row("stats.tmax", lambda x: stats.tmax(x), M, formula=lambda x: x.amax(0)),
    row("stats.kstat", lambda x: stats.kstat(x, 2), X, formula=lambda x: x.var()),
    row("stats.kstatvar", lambda x: stats.kstatvar(x, 1), X, formula=lambda x: x.var() / 6),
    row("stats.iqr", lambda x: stats.iqr(x), X,
        formula=lambda x: torch.quantile(x, 0.75) - torch.quantile(x, 0.25)),
    row("stats.quantile", lambda x: stats.quantile(x, namespace(x).asarray([0.3, 0.6])), X,
        formula=lambda x: torch.quantile(x, torch.tensor([0.3, 0.6], dtype=x.dtype))),
    row("stats.median_abs_deviation", lambda x: stats.median_abs_deviation(x), X,
        formula=lambda x: torch.quantile(abs(x - torch.quantile(x, 0.5)), 0.5)),
    row("stats.describe", lambda x: stats.describe(x)[2:], M,
        formula=lambda x: torch.stack([
            x.mean(0), x.var(0), central(x, 3) / central(x, 2) ** 1.5,
            central(x, 4) / central(x, 2) ** 2 - 3,
        ])),
    row("stats.ttest_1samp", lambda x: stats.ttest_1samp(x, 0.5).pvalue, X),
    row("stats.ttest_ind", lambda x, y: stats.ttest_ind(x, y, equal_var=False).pvalue, X, Y),
    row("stats.pearsonr", lambda x, y: stats.pearsonr(x, y).pvalue, X, Y),
    row("stats.f_oneway", lambda x, y: stats.f_oneway(x, y).pvalue, X, Y),
    row("stats.bartlett", lambda x, y: stats.bartlett(x, y).pvalue, X, Y),
    row("stats.circmean", lambda x: stats.circmean(x), X, formula=angle),
    row("stats.circvar", lambda x: stats.circvar(x), X, formula=lambda x: 1 - resultant(x)),
    row("stats.circstd", lambda x: stats.circstd(x), X,
        formula=lambda x: (-2 * resultant(x).log()) ** 0.5),
    row("stats.entropy", lambda x, y: stats.entropy(x, y), X, Y,
        formula=lambda x, y: (x / x.sum() * torch.log(x / x.sum() / (y / y.sum()))).sum()),
    row("stats.entropy of one", lambda x: stats.entropy(x), X,
        formula=lambda x: -(x / x.sum() * torch.log(x / x.sum())).sum()),
    row("stats.differential_entropy", lambda x: stats.differential_entropy(x), X),
    row("stats.directional_stats", lambda x: stats.directional_stats(x).mean_direction, M,
        formula=lambda x: torch.nn.functional.normalize(
            torch.nn.functional.normalize(x, dim=1).mean(0), dim=0)),
    row("stats.lmoment", lambda x: stats.lmoment(x), X),
    row("stats.boxcox_llf", lambda x: stats.boxcox_llf(0.7, x), X,
        formula=lambda x: -0.3 * x.log().sum() - 3 * (x**0.7 / 0.7).var(correction=0).log()),
    row("stats.yeojohnson_llf", lambda x: stats.yeojohnson_llf(0.7, x - 1.0), X),
    row("optimize.rosen", lambda x: optimize.rosen(x), X, formula=rosen),
    row("optimize.rosen_der", lambda x: optimize.rosen_der(x), X,
        formula=lambda x: rosen_derivative("jacobian", x)),
    row("optimize.rosen_hess", lambda x: optimize.rosen_hess(x), X,
        formula=lambda x: rosen_derivative("hessian", x)),
    row("optimize.rosen_hess_prod", lambda x, p: optimize.rosen_hess_prod(x, p), X, Y,
        formula=lambda x, p: rosen_derivative("hessian", x) @ p),
    row("cluster.vq.whiten", lambda x: vq.whiten(x), M,
        formula=lambda x: x / x.std(0, correction=0)),
    row("fft.rfft", lambda x: abs(fft.rfft(x, n=8, norm="ortho")), X,
        formula=lambda x: abs(torch.fft.rfft(x, n=8, norm="ortho"))),
    row("fft.irfft", lambda x: fft.irfft(x + 1j * x**2), X,
        formula=lambda x: torch.fft.irfft(torch.complex(x, x**2))),
    row("fft.fft2", lambda x: abs(fft.fft2(x)), M, formula=lambda x: abs(torch.fft.fft2(x))),
    row("fft.fht", lambda x: fft.fht(x, 0.1, 1.0), X),
    row("signal.fftconvolve", lambda x, y: signal.fftconvolve(x, y), X, Y,
        formula=lambda x, y: torch.conv1d(x[None], y.flip(0)[None, None], padding=5)[0]),
    row("signal.hilbert", lambda x: abs(signal.hilbert(x)), X),
    row("signal.resample", lambda x: signal.resample(x, 9), X),
    row("signal.freqz", lambda b, a: abs(signal.freqz(b, a, worN=4)[1]), X[:3], Y[:3]),
    row("signal.lp2lp", lambda b, a: signal.lp2lp(b, a, 2.0), X[:3], Y[:3]),
    row("signal.lp2hp", lambda b, a: signal.lp2hp(b, a, 2.0), X[:3], Y[:3]),
    row("signal.lp2bp", lambda b, a: signal.lp2bp(b, a, 2.0, 0.5), X[:3], Y[:3]),
    row("signal.normalize", lambda b, a: signal.normalize(b, a), X[:3], Y[:3],
        formula=lambda b, a: torch.stack([b / a[0], a / a[0]])),
    row("signal.windows.general_cosine", lambda a: signal.windows.general_cosine(7, a), X[:3]),
    row("spatial.Rotation.apply", lambda q, v: Rotation.from_quat(q).apply(v), QUATERNION, X[:3],
        formula=rotated),
    row("spatial.Rotation.from_rotvec", lambda v: Rotation.from_rotvec(v).as_matrix(), Y[:3],
        formula=lambda v: torch.linalg.matrix_exp(skew_matrix(v))),
    row("spatial.Rotation.from_euler", lambda a: Rotation.from_euler("xyz", a).as_quat(), Y[:3]),
    row("spatial.Rotation.as_euler", lambda q: Rotation.from_quat(q).as_euler("xyz"), QUATERNION),
    row("spatial.Rotation.__mul__",
        lambda q, r: (Rotation.from_quat(q) * Rotation.from_quat(r)).as_rotvec(),
        QUATERNION, OTHER),
    row("spatial.RigidTransform",
        lambda s, v: RigidTransform.from_translation(s).apply(v), X[:3], Y[:3],
        formula=lambda s, v: s + v),
    row("differentiate.derivative",
        lambda x: differentiate.derivative(lambda a: namespace(a).exp(a), x).df, X,
        formula=lambda x: torch.exp(x)),
    row("constants.convert_temperature",
        lambda x: scipy.constants.convert_temperature(x, "Celsius", "Fahrenheit"), X,
        formula=lambda x: 1.8 * x + 32),
    row("constants.lambda2nu", lambda x: scipy.constants.lambda2nu(x) / 1e8, X,
        formula=lambda x: 2.99792458 / x),
    row("array_api_extra.cov", lambda x: xpx.cov(x), M, formula=lambda x: torch.cov(x)),
    row("array_api_extra.kron", lambda x, y: xpx.kron(x, y), M, N,
        formula=lambda x, y: torch.kron(x, y)),
    row("array_api_extra.sinc", lambda x: xpx.sinc(x), X, formula=lambda x: torch.sinc(x)),
    row("array_api_extra.create_diagonal", lambda x: xpx.create_diagonal(x, offset=1), X,
        formula=lambda x: torch.diag(x, 1)),
    row("array_api_extra.pad", lambda x: xpx.pad(x, 2), X,
        formula=lambda x: torch.nn.functional.pad(x, (2, 2))),
    row("array_api_extra.nan_to_num", lambda x: xpx.nan_to_num(x), X, formula=lambda x: 1 * x),
    row("array_api_extra.apply_where",
        lambda x: xpx.apply_where(x > 1.0, x, lambda a: a**3, lambda a: -a), X,
        formula=lambda x: torch.where(x > 1.0, x**3, -x)),
    row("array_api_extra.at",
        lambda x, y: xpx.at(xpx.at(x)[1:3].multiply(y[:2], copy=True))[0].set(y[0]), X, Y,
        formula=lambda x, y: torch.cat([y[:1], x[1:3] * y[:2], x[3:]])),
]
# fmt: on


NUMPY_ONLY = {
    "differentiate.derivative",
    "fft.fht",
    "integrate.cubature",
    "integrate.tanhsinh",
    "stats.lmoment",
}


def flat(result: Any) -> Iterator[Any]:
    """The arrays of a result, also where it is an object with several."""
    return (y for _, y in leaves(tuple(result) if isinstance(result, tuple) else result))


def weighted(result: Any) -> Any:
    """A scalar in which each element of the result counts differently."""
    total: Any = 0.0
    for y in flat(result):
        w = np.cos(np.arange(float(np.prod(tuple(y.shape))))).reshape(tuple(y.shape)) + 1.5
        if isinstance(y, TensorNode):
            xp = namespace(y)
            total = total + xp.sum(y * xp.asarray(w.tolist(), dtype=y.dtype, device=y.device))
        elif isinstance(y, np.ndarray | np.generic):
            total = total + (y * w).sum()
        else:
            total = total + (y * y.new_tensor(w)).sum()
    return total


rows = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


@rows
def test_value_and_gradients(row: Row) -> None:
    found = list(flat(row.call(*[TensorNode(x.copy()) for x in row.inputs])))
    expected = list(flat(row.call(*[x.copy() for x in row.inputs])))
    for y, e in zip(found, expected, strict=True):
        assert isinstance(y, TensorNode)
        assert y.requires_grad
        assert y.dtype == e.dtype
        np.testing.assert_allclose(y.value, e, rtol=1e-12, atol=1e-14)
    check_gradients(lambda *xs: list(flat(row.call(*xs))), *row.inputs, order=2)


@pytest.mark.parametrize("row", [r for r in ROWS if r.formula], ids=lambda row: row.name)
def test_against_torch(row: Row) -> None:
    if torch is None:
        pytest.skip("PyTorch is not installed")
    tensors = [torch.from_numpy(x.copy()) for x in row.inputs]
    argnums = tuple(range(len(tensors)))

    def ours(*xs: Any) -> Any:
        return weighted(row.call(*xs))

    def theirs(*xs: Any) -> Any:
        return weighted(stacked(row, row.formula(*xs)))

    functional = torch.autograd.functional
    for derivative, reference in ((grad, functional.jacobian), (hessian, functional.hessian)):
        found = derivative(ours, argnums)(*row.inputs)
        expected = reference(theirs, tuple(tensors))
        for (_, g), (_, e) in zip(leaves(found), leaves(expected), strict=True):
            np.testing.assert_allclose(g, e.numpy(), rtol=1e-9, atol=1e-9 * abs(e).max().item())


def stacked(row: Row, y: Any) -> Any:
    """A call may give several arrays: the formula gives them stacked."""
    return tuple(y.unbind()) if isinstance(row.call(*row.inputs), tuple) else y


@rows
def test_backends(backend: Backend, row: Row) -> None:
    """Check float32, on a device whose arrays NumPy can't read by itself."""
    dtypes = backend.xp.__array_namespace_info__().dtypes(device=backend.device)
    if "float64" not in dtypes or (backend.name != "numpy" and row.name in NUMPY_ONLY):
        pytest.skip("SciPy itself can't")

    def scalar(*xs: Any) -> Any:
        return weighted(row.call(*xs))

    argnums = tuple(range(len(row.inputs)))
    expected = grad(scalar, argnums)(*row.inputs)
    found = grad(scalar, argnums)(*[backend.asarray(x.astype("float32")) for x in row.inputs])
    for g, e in zip(found, expected, strict=True):
        assert g.dtype == backend.dtype("float32")
        np.testing.assert_allclose(backend.to_numpy(g), e, rtol=1e-3, atol=1e-4 * abs(e).max())


REFUSED = {  # as docs/reference/array_api.md says
    "fft.dct": lambda x: fft.dct(x),
    "signal.lfilter": lambda x: signal.lfilter(x[:2], x[2:], x),
    "special.hyp1f1": lambda x: special.hyp1f1(x, x, x),
    "stats.ks_1samp": lambda x: stats.ks_1samp(x, special.ndtr),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_numpy_arrays_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=r"a node that has a gradient is not a NumPy array"):
        REFUSED[name](TensorNode(X))


def test_numbers_made_of_what_is_differentiated_are_refused() -> None:
    with pytest.raises(TypeError, match=r"float\(x\) makes a number, which has no gradient"):
        grad(lambda a: stats.boxcox_llf(a, like(a, X)))(np.array(0.7))  # it calls math.log(a)
