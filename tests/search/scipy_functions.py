"""SciPy's functions on nodes, with SciPy 1.17: `python tests/search/scipy_functions.py`.

Each call of the tables below is made with NumPy's arrays and with nodes, in SciPy's array API mode,
and inside a loss in which each number of the result counts differently. The values must be equal,
and the gradient must be that of central differences. A call then is

    right     so, or without a gradient where the differences are 0
    NaN       right, but for a gradient of NaN: the function masks numbers that are NaN
    SciPy     of another value than with NumPy's arrays, which array_api_strict's arrays have too
    refuses   an error in one line, by gradcore or SciPy, that says what is not supported
    fails     any other error
    WRONG     a value, a gradient, or a gradient that is missing

The counts by module come first, and then the calls that are not right.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

os.environ["SCIPY_ARRAY_API"] = "1"  # SciPy looks when it is imported
sys.path[:0] = [str(Path(__file__).parents[2])]
if __name__ == "__main__":
    import program  # noqa: F401

import numpy as np
import scipy.constants
from scipy import (
    differentiate,
    fft,
    integrate,
    interpolate,
    linalg,
    ndimage,
    optimize,
    signal,
    spatial,
    special,
    stats,
)
from scipy.cluster import hierarchy, vq
from scipy.optimize import elementwise
from scipy.signal import windows
from scipy.spatial import distance, transform

import gradcore
from gradcore import TensorNode
from gradcore.tools.command_line import Parser

STEP = 1e-5
TOLERANCE = 1e-5  # of gradients, along a direction
MESSAGES = re.compile(  # of refusals
    r"has a gradient|has no gradient|no gradient|which has no counterpart|makes a number|"
    r"Multiple namespaces|[Nn]ot supported|[Uu]nsupported|only supports|does not support|"
    r"NumPy array|numpy array|not implemented for|cannot be used with|a node has no|"
    r"gradcore.numpy has no|could not convert|assign to a copy",
)


class Call(NamedTuple):
    name: str
    function: Callable[..., Any]  # of arrays or nodes
    inputs: tuple[Any, ...]  # arrays of floating numbers, which become nodes


def call(name: str, function: Callable[..., Any], *inputs: Any) -> Call:
    return Call(name, function, inputs)


def each(module: Any, names: str, function: Callable[..., Any], *inputs: Any) -> list[Call]:
    """The same call of several functions; `function` is given the function first."""

    def one(name: str) -> Call:
        short = module.__name__.removeprefix("scipy.")
        f = getattr(module, name)
        return call(f"{short}.{name}", lambda *xs: function(f, *xs), *inputs)

    return [one(name) for name in names.split()]


def like(x: Any, numbers: Any) -> Any:
    """Numbers in the library of x."""
    return gradcore.namespace(x).asarray(numbers, dtype=x.dtype)


def sections(x: Any) -> Any:
    """Second-order sections of rows b0 b1 b2 a1 a2; a0 is 1."""
    xp = gradcore.namespace(x)
    return xp.concat([x[:, :3], xp.ones_like(x[:, :1]), x[:, 3:]], axis=1)


rng = np.random.default_rng(0)
X = np.array([0.9, 1.7, 0.4, 2.2, 1.3, 3.1])
Y = np.array([1.1, 0.3, 2.0, 0.7, 1.9, 1.4])
T = np.array([0.0, 0.5, 1.2, 1.9, 2.5, 3.6])
LONG = np.cos(np.arange(32.0) ** 1.3) + 0.1 * np.arange(32.0)
TALL = rng.uniform(0.3, 2.0, (7, 3))
M = np.array([[0.7, 1.9, 0.3], [1.1, 0.4, 1.6], [0.5, 1.2, 0.8], [1.8, 0.9, 1.4]])
SQUARE = np.array([[2.1, 0.3, -0.4], [0.5, 1.4, 0.2], [-0.3, 0.6, 3.2]])
POSITIVE = SQUARE @ SQUARE.T
Z = X + 1j * Y
IMAGE = rng.permutation(np.arange(30.0)).reshape(6, 5) / 10
PAIRS = rng.uniform(0.0, 3.0, (6, 2))

# -- The calls, a table for each module -----------------------------------------------------------

# fmt: off
FFT = [
    *each(fft, "fft ifft hfft", lambda f, x: f(x, n=7), Z),
    *each(fft, "fft ifft rfft ihfft", lambda f, x: f(x, norm="ortho"), X),
    *each(fft, "irfft", lambda f, x: f(x), Z),
    *each(fft, "fft2 ifft2 fftn ifftn irfft2 irfftn hfft2 hfftn", lambda f, x: f(x), M + 1j * M**2),
    *each(fft, "fft2 fftn rfft2 rfftn ihfft2 ihfftn", lambda f, x: f(x), M),
    *each(fft, "dct idct dst idst", lambda f, x: f(x, type=2), X),
    *each(fft, "dctn idctn dstn idstn", lambda f, x: f(x), M),
    *each(fft, "fht ifht", lambda f, x: f(x, 0.1, 1.0), X),
    *each(fft, "fftshift ifftshift", lambda f, x: f(x), X),
]

B, A = np.array([0.5, 0.3, 0.2]), np.array([1.2, -0.4, 0.1])
SOS = np.array([[0.5, 0.3, 0.2, -0.4, 0.1], [1.0, 0.2, 0.1, 0.3, 0.2]])
ZEROS, POLES = np.array([-1.2 + 0.4j, -1.2 - 0.4j]), np.array([-0.5 + 0.3j, -0.5 - 0.3j])
SIGNAL = [
    *each(signal, "convolve correlate fftconvolve oaconvolve", lambda f, x, y: f(x, y), LONG, B),
    *each(signal, "convolve correlate fftconvolve oaconvolve",
          lambda f, x, y: f(x, y, mode="same"), IMAGE, M),
    *each(signal, "convolve correlate", lambda f, x, y: f(x, y, method="fft"), LONG, B),
    *each(signal, "convolve correlate", lambda f, x, y: f(x, y, method="direct"), LONG, B),
    *each(signal, "convolve2d correlate2d", lambda f, x, y: f(x, y), IMAGE, M),
    *each(signal, "detrend", lambda f, x: f(x), LONG),
    call("signal.detrend (constant)", lambda x: signal.detrend(x, type="constant"), LONG),
    *each(signal, "hilbert hilbert2 envelope", lambda f, x: f(x), IMAGE),
    call("signal.hilbert of one", lambda x: signal.hilbert(x), LONG),
    call("signal.envelope of one", lambda x: signal.envelope(x), LONG),
    *each(signal, "lfilter filtfilt", lambda f, b, a, x: f(b, a, x), B, A, LONG),
    call("signal.lfilter (by x)", lambda x: signal.lfilter(like(x, B), like(x, A), x), LONG),
    *each(signal, "sosfilt sosfiltfilt", lambda f, s, x: f(sections(s), x), SOS, LONG),
    *each(signal, "lfilter_zi", lambda f, b, a: f(b, a), B, A),
    *each(signal, "lfiltic", lambda f, b, a, y: f(b, a, y), B, A, X[:2]),
    *each(signal, "sosfilt_zi", lambda f, s: f(sections(s)), SOS),
    *each(signal, "medfilt order_filter wiener", lambda f, x: f(x, *(
        [like(x, np.ones((3, 3))), 1] if f is signal.order_filter else [3])), IMAGE),
    *each(signal, "medfilt2d", lambda f, x: f(x), IMAGE),
    *each(signal, "savgol_filter", lambda f, x: f(x, 5, 2), LONG),
    *each(signal, "resample", lambda f, x: f(x, 20), LONG),
    *each(signal, "resample", lambda f, x: f(x, 20, axis=1), IMAGE),
    *each(signal, "resample_poly", lambda f, x: f(x, 3, 2), LONG),
    *each(signal, "upfirdn", lambda f, h, x: f(h, x, 2), B, LONG),
    *each(signal, "decimate", lambda f, x: f(x, 2), LONG),
    *each(signal, "deconvolve", lambda f, x, y: f(x, y), X, B),
    *each(signal, "czt zoom_fft", lambda f, x: f(x, *([] if f is signal.czt else [[0.1, 0.5]])), X),
    *each(signal, "periodogram welch", lambda f, x: f(x), LONG),
    *each(signal, "csd coherence", lambda f, x, y: f(x, y, nperseg=16), LONG, LONG[::-1].copy()),
    *each(signal, "spectrogram stft", lambda f, x: f(x, nperseg=16), LONG),
    *each(signal, "lombscargle", lambda f, x, y: f(x, y, like(x, [0.5, 1.0])), T, Y),
    *each(signal, "vectorstrength", lambda f, x: f(x, 2.0), X),
    *each(signal, "cspline1d qspline1d gauss_spline", lambda f, x: f(
        x, *([2] if f is signal.gauss_spline else [])), X),
    *each(signal, "cspline1d_eval qspline1d_eval", lambda f, c, x: f(c, x), X, T),
    *each(signal, "cspline2d spline_filter qspline2d", lambda f, x: f(x), np.tile(IMAGE, (6, 6))),
    *each(signal, "sepfir2d", lambda f, x, h: f(x, h, h), IMAGE, B),
    *each(signal, "symiirorder1 symiirorder2", lambda f, x: f(x, 0.5, 0.3), np.tile(LONG, 4)),
    *each(signal, "sosfreqz", lambda f, s: f(sections(s), worN=8), SOS),
    *each(signal, "freqz_sos", lambda f, s: f(sections(s), worN=8), SOS),
    *each(signal, "freqz", lambda f, b, a: f(b, a, worN=8), B, A),
    *each(signal, "freqs", lambda f, b, a, w: f(b, a, worN=w), B, A, X),
    *each(signal, "freqz_zpk", lambda f, z, p: f(z, p, 1.5, worN=8), ZEROS, POLES),
    *each(signal, "freqs_zpk", lambda f, z, p, w: f(z, p, 1.5, worN=w), ZEROS, POLES, X),
    *each(signal, "group_delay", lambda f, b, a: f((b, a), w=8), B, A),
    *each(signal, "tf2zpk tf2sos tf2ss normalize bilinear", lambda f, b, a: f(b, a), B, A),
    *each(signal, "residue residuez", lambda f, b, a: f(b, a), B, A),
    *each(signal, "sos2tf sos2zpk", lambda f, s: f(sections(s)), SOS),
    *each(signal, "zpk2tf zpk2sos zpk2ss", lambda f, z, p: f(z, p, 1.5), ZEROS, POLES),
    *each(signal, "lp2lp lp2hp", lambda f, b, a: f(b, a, 2.0), B, A),
    *each(signal, "lp2bp lp2bs", lambda f, b, a: f(b, a, 2.0, 0.5), B, A),
    *each(signal, "lp2lp_zpk lp2hp_zpk", lambda f, z, p: f(z, p, 1.5, 2.0), ZEROS, POLES),
    *each(signal, "lp2bp_zpk lp2bs_zpk", lambda f, z, p: f(z, p, 1.5, 2.0, 0.5), ZEROS, POLES),
    *each(signal, "bilinear_zpk", lambda f, z, p: f(z, p, 1.5, 2.0), ZEROS, POLES),
    *each(signal, "minimum_phase", lambda f, h: f(h), np.array([0.2, 0.9, 1.5, 0.9, 0.2])),
    *each(signal, "savgol_coeffs", lambda f, d: f(5, 2, deriv=1, delta=d), np.array(0.7)),
    *each(signal, "unique_roots", lambda f, x: f(x), X),
    *each(signal, "chirp", lambda f, t: f(t, 0.2, 3.0, 0.6), T),
    *each(signal, "gausspulse sawtooth square", lambda f, t: f(t), T + 0.1),
    *each(signal, "abcd_normalize", lambda f, a: f(a, a, a, a), SQUARE),
    *each(signal, "place_poles", lambda f, a, b: f(a, b, [-1.0, -2.0, -3.0]), SQUARE, SQUARE),
    *each(signal, "firwin", lambda f, c: f(5, c), np.array(0.3)),
    *each(signal, "firwin2", lambda f, g: f(5, like(g, [0.0, 0.5, 1.0]), g),
          np.array([1.0, 0.8, 0.1])),
    *each(signal, "firls", lambda f, g: f(5, like(g, [0.0, 0.3, 0.5, 1.0]), g),
          np.array([1.0, 0.9, 0.1, 0.0])),
    *each(signal, "butter bessel", lambda f, w: f(2, w), np.array(0.3)),
    *each(signal, "cheby1 cheby2", lambda f, w: f(2, 1.0, w), np.array(0.3)),
    *each(signal, "ellip", lambda f, w: f(2, 1.0, 20.0, w), np.array(0.3)),
    *each(signal, "iirnotch iirpeak", lambda f, w: f(w, 30.0), np.array(0.3)),
    *each(signal, "gammatone", lambda f, w: f(w, "iir", fs=100.0), np.array(10.0)),
    *each(signal, "buttord", lambda f, w: f(w, 0.6, 1.0, 20.0), np.array(0.3)),
    *each(signal, "find_peaks argrelmax argrelmin", lambda f, x: f(x)[0], LONG),
    *each(signal, "peak_prominences peak_widths", lambda f, x: f(x, [4])[0], LONG),
]

WINDOWS = [
    *each(windows, "general_cosine", lambda f, a: f(7, a), X[:3]),
    *each(windows, "general_hamming gaussian kaiser tukey chebwin exponential",
          lambda f, a: f(7, **{{"gaussian": "std", "kaiser": "beta", "chebwin": "at",
                                "exponential": "tau"}.get(f.__name__, "alpha"): a}), np.array(0.7)),
    *each(windows, "general_gaussian", lambda f, a: f(7, 1.5, a), np.array(0.7)),
]

LINALG = [
    *each(linalg, "inv det norm expm logm sqrtm sinm cosm tanm sinhm coshm tanhm signm eigvals "
          "eig schur hessenberg lu lu_factor qr rq svd svdvals pinv orth null_space polar "
          "matrix_balance cho_factor bandwidth issymmetric ishermitian expm_cond companion"
          .replace("companion", ""), lambda f, x: f(x), SQUARE),
    *each(linalg, "cholesky eigh eigvalsh pinvh ldl", lambda f, x: f(x), POSITIVE),
    *each(linalg, "solve lstsq solve_triangular solve_sylvester", lambda f, a, b: f(
        a, b, *([b] if f is linalg.solve_sylvester else [])), SQUARE, SQUARE + 1.0),
    *each(linalg, "solve_continuous_lyapunov solve_discrete_lyapunov", lambda f, a, q: f(a, q),
          SQUARE / 5, POSITIVE),
    *each(linalg, "solve_continuous_are solve_discrete_are", lambda f, a, b: f(
        a, b, like(a, np.eye(3)), like(a, np.eye(3))), SQUARE / 5, POSITIVE),
    *each(linalg, "expm_frechet", lambda f, a, b: f(a, b), SQUARE, POSITIVE),
    *each(linalg, "fractional_matrix_power", lambda f, a: f(a, 0.5), SQUARE),
    *each(linalg, "circulant toeplitz hankel leslie companion fiedler fiedler_companion dft "
          "convolution_matrix".replace(" dft", ""), lambda f, x: f(
        x, *{"leslie": [x[:-1]], "convolution_matrix": [3]}.get(f.__name__, [])), X),
    *each(linalg, "solve_circulant solve_toeplitz matmul_toeplitz", lambda f, c, b: f(c, b), X, Y),
    *each(linalg, "block_diag", lambda f, x, y: f(x, y), SQUARE, M),
    *each(linalg, "khatri_rao", lambda f, x, y: f(x, y), SQUARE, M),
    *each(linalg, "subspace_angles", lambda f, x, y: f(x, y), TALL, np.cos(3.0 * TALL)),
    *each(linalg, "orthogonal_procrustes", lambda f, x, y: f(x, y), TALL, np.cos(3.0 * TALL)),
    *each(linalg, "eigh_tridiagonal eigvalsh_tridiagonal", lambda f, d, e: f(d, e), X, Y[:-1]),
    *each(linalg, "qz cdf2rdf cossin qr_multiply", lambda f, a, b: f(a, b), SQUARE, POSITIVE)[:1],
    *each(linalg, "tril triu".replace("tril triu", ""), lambda f, x: f(x), SQUARE),
    *each(linalg, "diagsvd", lambda f, s: f(s, 3, 3), X[:3]),
]

INTEGRATE = [
    *each(integrate, "trapezoid simpson cumulative_trapezoid cumulative_simpson",
          lambda f, y, x: f(y, x=x), X, T),
    *each(integrate, "trapezoid simpson romb cumulative_trapezoid cumulative_simpson",
          lambda f, y: f(y, dx=0.5), X[:5]),
    call("integrate.tanhsinh", lambda a: integrate.tanhsinh(
        lambda t, a: gradcore.namespace(a).exp(-t * a), like(a, 0.0), like(a, 1.0),
        args=(a,)).integral, X),
    call("integrate.tanhsinh (limits)", lambda b: integrate.tanhsinh(
        lambda t: gradcore.namespace(t).exp(-t), like(b, 0.0), b).integral, X),
    call("integrate.cubature", lambda a: integrate.cubature(
        lambda t, a: gradcore.namespace(a).exp(-t * a), like(a, [0.0]), like(a, [1.0]),
        args=(a,), rtol=1e-4).estimate, X),
    call("integrate.nsum", lambda a: integrate.nsum(
        lambda k, a: 1 / (k * k + a), like(a, 1.0), like(a, np.inf), args=(a,)).sum, X[:2]),
    call("integrate.nsum (finite)", lambda a: integrate.nsum(
        lambda k, a: 1 / (k * k + a), like(a, 1.0), like(a, 20.0), args=(a,)).sum, X[:2]),
    call("integrate.quad", lambda a: integrate.quad(lambda t: t * a, 0.0, 1.0)[0], np.array(2.0)),
    call("integrate.quad_vec", lambda a: integrate.quad_vec(lambda t: t * a, 0.0, 1.0)[0], X),
    call("integrate.fixed_quad", lambda a: integrate.fixed_quad(
        lambda t: t**2 * a, 0.0, 1.0)[0], np.array(2.0)),
    call("integrate.qmc_quad", lambda a: integrate.qmc_quad(
        lambda t: t[0] * a, 0.0, 1.0, qrng=stats.qmc.Halton(1, rng=1)).integral, np.array(2.0)),
    call("integrate.solve_ivp", lambda y: integrate.solve_ivp(
        lambda t, y: -y, (0.0, 1.0), y).y[:, -1], X[:2]),
    call("integrate.odeint", lambda y: integrate.odeint(lambda y, t: -y, y, [0.0, 1.0]), X[:2]),
]

OPTIMIZE = [
    *each(optimize, "rosen rosen_der rosen_hess", lambda f, x: f(x), X),
    *each(optimize, "rosen_hess_prod", lambda f, x, p: f(x, p), X, Y),
    call("optimize.elementwise.find_root", lambda a: elementwise.find_root(
        lambda x, a: x**3 - a, (like(a, 0.0), like(a, 4.0)), args=(a,)).x, X),
    call("optimize.elementwise.find_minimum", lambda a: elementwise.find_minimum(
        lambda x, a: (x - a)**2, (like(a, -1.0), like(a, 1.0), like(a, 5.0)), args=(a,)).x, X),
    call("optimize.elementwise.find_minimum (f_x)", lambda a: elementwise.find_minimum(
        lambda x, a: (x - 1)**2 * a + a, (like(a, -1.0), like(a, 0.5), like(a, 5.0)),
        args=(a,)).f_x, X),
    call("optimize.elementwise.bracket_root", lambda a: elementwise.bracket_root(
        lambda x, a: x - a, like(a, 0.0), args=(a,)).f_bracket[0], X),
    call("optimize.elementwise.bracket_minimum", lambda a: elementwise.bracket_minimum(
        lambda x, a: (x - a)**2, like(a, 0.1), args=(a,)).f_bracket[0], X),
    call("optimize.minimize", lambda a: optimize.minimize(
        lambda x: ((x - 1.0)**2).sum(), a).x, X),
    call("optimize.brentq", lambda a: optimize.brentq(lambda x: x - a, 0.0, 5.0), np.array(2.0)),
    call("optimize.nnls", lambda a, b: optimize.nnls(a, b)[0], SQUARE, X[:3]),
]

DIFFERENTIATE = [
    call("differentiate.derivative", lambda x: differentiate.derivative(
        lambda a: gradcore.namespace(a).exp(a), x).df, X),
    call("differentiate.jacobian", lambda x: differentiate.jacobian(
        lambda a: gradcore.namespace(a).exp(a) * a[:1], x).df, X[:3]),
    call("differentiate.hessian", lambda x: differentiate.hessian(
        lambda a: gradcore.namespace(a).sum(a**3, axis=0), x).ddf, X[:2]),
]

Q, P = np.array([0.1, 0.5, -0.3, 0.8]), np.array([0.3, -0.5, 0.2, 0.9])
QS = np.array([[0.1, 0.5, -0.3, 0.8], [0.3, -0.5, 0.2, 0.9], [0.4, 0.1, 0.7, -0.2]])
R, RT = transform.Rotation, transform.RigidTransform
AXES = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])


def rotation(name: str, f: Callable[..., Any], *inputs: Any) -> Call:
    return call(f"spatial.transform.Rotation.{name}", f, *inputs)


def rigid(name: str, f: Callable[..., Any], *inputs: Any) -> Call:
    return call(f"spatial.transform.RigidTransform.{name}", f, *inputs)


TRANSFORM = [
    rotation("as_matrix", lambda q: R.from_quat(q).as_matrix(), Q),
    rotation("as_quat", lambda q: R.from_quat(q).as_quat(canonical=True), QS),
    rotation("as_rotvec", lambda q: R.from_quat(q).as_rotvec(), QS),
    rotation("as_rotvec (degrees)", lambda q: R.from_quat(q).as_rotvec(degrees=True), Q),
    rotation("as_mrp", lambda q: R.from_quat(q).as_mrp(), QS),
    rotation("as_euler", lambda q: R.from_quat(q).as_euler("xyz"), QS),
    rotation("as_euler (zxz)", lambda q: R.from_quat(q).as_euler("ZXZ"), Q),
    rotation("as_davenport", lambda q: R.from_quat(q).as_davenport(
        like(q, AXES), "extrinsic"), Q),
    rotation("from_matrix", lambda m: R.from_matrix(m).as_quat(), SQUARE),
    rotation("from_rotvec", lambda v: R.from_rotvec(v).as_matrix(), M),
    rotation("from_mrp", lambda v: R.from_mrp(v).as_matrix(), M / 4),
    rotation("from_euler", lambda a: R.from_euler("xyz", a).as_quat(), M),
    rotation("from_euler of one", lambda a: R.from_euler("z", a).as_matrix(), np.array(0.3)),
    rotation("from_davenport", lambda a: R.from_davenport(
        like(a, AXES), "intrinsic", a).as_quat(), Y[:3]),
    rotation("apply", lambda q, v: R.from_quat(q).apply(v), Q, M),
    rotation("apply (inverse)", lambda q, v: R.from_quat(q).apply(v, inverse=True), Q, Y[:3]),
    rotation("__mul__", lambda q, p: (R.from_quat(q) * R.from_quat(p)).as_matrix(), Q, P),
    rotation("__pow__", lambda q: (R.from_quat(q) ** 3).as_matrix(), Q),
    rotation("__pow__ (fraction)", lambda q: (R.from_quat(q) ** 0.4).as_matrix(), Q),
    rotation("inv", lambda q: R.from_quat(q).inv().as_matrix(), QS),
    rotation("magnitude", lambda q: R.from_quat(q).magnitude(), QS),
    rotation("approx_equal", lambda q, p: R.from_quat(q).approx_equal(R.from_quat(p)), Q, P),
    rotation("mean", lambda q: R.from_quat(q).mean().as_matrix(), QS),
    rotation("reduce", lambda q: R.from_quat(q).reduce(R.from_quat(q[:2, ...])).as_matrix(), QS),
    rotation("__getitem__", lambda q: R.from_quat(q)[1].as_matrix(), QS),
    rotation("concatenate", lambda q, p: R.concatenate(
        [R.from_quat(q), R.from_quat(p)]).as_matrix(), Q, P),
    rotation("align_vectors", lambda a, b: R.align_vectors(a, b)[0].as_matrix(), M, np.cos(M)),
    call("spatial.transform.Slerp", lambda q: transform.Slerp([0.0, 1.0, 2.0], R.from_quat(q))(
        [0.5, 1.5]).as_matrix(), QS),
    call("spatial.transform.RotationSpline", lambda q: transform.RotationSpline(
        [0.0, 1.0, 2.0], R.from_quat(q))([0.5, 1.5]).as_matrix(), QS),
    rigid("from_translation", lambda s, v: RT.from_translation(s).apply(v), Y[:3], M),
    rigid("from_rotation", lambda q, v: RT.from_rotation(R.from_quat(q)).apply(v), Q, M),
    rigid("from_components", lambda s, q, v: RT.from_components(s, R.from_quat(q)).apply(v),
          Y[:3], Q, M),
    rigid("from_exp_coords", lambda x, v: RT.from_exp_coords(x).apply(v), X, M),
    rigid("from_dual_quat", lambda x, v: RT.from_dual_quat(x).apply(v),
          np.concatenate([Q, P]), M),
    rigid("from_matrix", lambda q, s: RT.from_matrix(
        RT.from_components(s, R.from_quat(q)).as_matrix()).as_dual_quat(), Q, Y[:3]),
    rigid("as_exp_coords", lambda s, q: RT.from_components(
        s, R.from_quat(q)).as_exp_coords(), Y[:3], Q),
    rigid("as_dual_quat", lambda s, q: RT.from_components(
        s, R.from_quat(q)).as_dual_quat(), Y[:3], Q),
    rigid("as_components", lambda s, q: RT.from_components(
        s, R.from_quat(q)).as_components()[0], Y[:3], Q),
    rigid("__mul__", lambda s, q: (RT.from_components(s, R.from_quat(q))
                                   * RT.from_translation(s)).as_matrix(), Y[:3], Q),
    rigid("__pow__", lambda s, q: (RT.from_components(s, R.from_quat(q)) ** 2.5).as_matrix(),
          Y[:3], Q),
    rigid("inv", lambda s, q: RT.from_components(s, R.from_quat(q)).inv().as_matrix(), Y[:3], Q),
    rigid("mean", lambda q: RT.from_rotation(R.from_quat(q)).mean().as_matrix(), QS),
]

DISTANCE = [
    *each(distance, "braycurtis canberra chebyshev cityblock correlation cosine euclidean "
          "jensenshannon minkowski sqeuclidean", lambda f, x, y: f(x, y), X, Y),
    *each(distance, "mahalanobis seuclidean", lambda f, x, y: f(
        x, y, like(x, np.eye(6) if f is distance.mahalanobis else np.ones(6))), X, Y),
    *each(distance, "pdist", lambda f, x: f(x), M),
    *each(distance, "cdist", lambda f, x, y: f(x, y), M, np.cos(M)),
    *each(distance, "directed_hausdorff", lambda f, x, y: f(x, y)[0], M, np.cos(M)),
    *each(distance, "squareform", lambda f, x: f(x), X),
    *each(spatial, "distance_matrix minkowski_distance minkowski_distance_p procrustes",
          lambda f, x, y: f(x, y), M, np.cos(M)),
    *each(spatial, "geometric_slerp", lambda f, x, y: f(x, y, like(x, [0.2, 0.6])),
          np.array([0.6, 0.8]), np.array([0.8, -0.6])),
]

K = np.array([0.5, 0.9, 2.0])
INTERPOLATE = [
    *[call(f"interpolate.{name} ({what})", f, *inputs)
      for name in ("CubicSpline", "PchipInterpolator", "Akima1DInterpolator", "make_interp_spline",
                   "BarycentricInterpolator", "KroghInterpolator", "FloaterHormannInterpolator",
                   "interp1d", "make_smoothing_spline")
      for what, f, inputs in (
          ("values", lambda y, k, n=name: getattr(interpolate, n)(like(y, T), y)(k), (X, K)),
          ("points", lambda k, n=name: getattr(interpolate, n)(like(k, T), like(k, X))(k), (K,)),
      )],
    call("interpolate.CubicHermiteSpline", lambda y, d, k: interpolate.CubicHermiteSpline(
        like(y, T), y, d)(k), X, Y, K),
    call("interpolate.BSpline", lambda c, k: interpolate.BSpline(
        like(c, [0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 3.0, 3.0, 3.0]), c, 2)(k), X, K),
    call("interpolate.PPoly", lambda c, k: interpolate.PPoly(c, like(c, [0.0, 1.0, 2.0, 3.0]))(k),
         SQUARE, K),
    call("interpolate.BPoly", lambda c, k: interpolate.BPoly(c, like(c, [0.0, 1.0, 2.0, 3.0]))(k),
         SQUARE, K),
    call("interpolate.RBFInterpolator", lambda y, d: interpolate.RBFInterpolator(
        y, d, kernel="gaussian", epsilon=1.0)(y[:2] + 0.1), PAIRS, X),
    call("interpolate.RBFInterpolator (points)", lambda k: interpolate.RBFInterpolator(
        like(k, PAIRS), like(k, X))(k), PAIRS[:2] + 0.1),
    call("interpolate.RegularGridInterpolator", lambda v, k: interpolate.RegularGridInterpolator(
        (like(v, np.arange(4.0)), like(v, np.arange(3.0))), v)(k), M, np.array([[0.3, 1.2]])),
    call("interpolate.interpn", lambda v: interpolate.interpn(
        (np.arange(4.0), np.arange(3.0)), v, [[0.3, 1.2]]), M),
    call("interpolate.griddata", lambda v: interpolate.griddata(PAIRS, v, [[1.5, 1.5]]), X),
    *each(interpolate, "barycentric_interpolate krogh_interpolate pchip_interpolate",
          lambda f, y: f(like(y, T), y, like(y, K)), X),
    call("interpolate.lagrange", lambda y: interpolate.lagrange(T[:3], y).coef, X[:3]),
]

NDIMAGE = [
    *each(ndimage, "gaussian_filter gaussian_laplace gaussian_gradient_magnitude",
          lambda f, x: f(x, 1.0), IMAGE),
    *each(ndimage, "gaussian_filter1d", lambda f, x: f(x, 1.0), LONG),
    *each(ndimage, "laplace prewitt sobel uniform_filter spline_filter", lambda f, x: f(x), IMAGE),
    *each(ndimage, "maximum_filter minimum_filter median_filter grey_closing grey_dilation "
          "grey_erosion grey_opening white_tophat black_tophat morphological_gradient "
          "morphological_laplace", lambda f, x: f(x, size=3), IMAGE),
    *each(ndimage, "percentile_filter rank_filter", lambda f, x: f(x, 2, size=3), IMAGE),
    *each(ndimage, "uniform_filter1d maximum_filter1d minimum_filter1d",
          lambda f, x: f(x, 3), LONG),
    *each(ndimage, "spline_filter1d", lambda f, x: f(x), LONG),
    *each(ndimage, "convolve correlate", lambda f, x, w: f(x, w), IMAGE, SQUARE),
    *each(ndimage, "convolve1d correlate1d", lambda f, x, w: f(x, w), LONG, B),
    *each(ndimage, "affine_transform", lambda f, x: f(x, like(x, [0.9, 1.1])), IMAGE),
    *each(ndimage, "rotate", lambda f, x: f(x, 20.0), IMAGE),
    *each(ndimage, "shift zoom", lambda f, x: f(x, 1.3), IMAGE),
    *each(ndimage, "map_coordinates", lambda f, x, k: f(x, k), IMAGE,
          np.array([[1.2, 2.3], [0.4, 3.1]])),
    *each(ndimage, "fourier_gaussian fourier_shift fourier_uniform fourier_ellipsoid",
          lambda f, x: f(x, 1.5), IMAGE + 1j * IMAGE**2),
    *each(ndimage, "sum sum_labels mean variance standard_deviation minimum maximum median "
          "extrema center_of_mass", lambda f, x: f(x), IMAGE),
    *each(ndimage, "maximum_position minimum_position", lambda f, x: f(x), IMAGE),
    *each(ndimage, "distance_transform_edt distance_transform_bf distance_transform_cdt label "
          "binary_erosion binary_dilation", lambda f, x: f(x > 1.05), IMAGE),
    *each(ndimage, "histogram", lambda f, x: f(x, 0.0, 3.0, 4), IMAGE),
]

CLUSTER = [
    *each(vq, "whiten", lambda f, x: f(x), M),
    *each(vq, "vq", lambda f, x, c: f(x, c), M, M[:2] + 0.1),
    *each(vq, "kmeans kmeans2", lambda f, x: f(x, 2, rng=1), M),
    *each(hierarchy, "average centroid complete single ward weighted median linkage",
          lambda f, x: f(x), PAIRS),
]

CONSTANTS = [
    *each(scipy.constants, "lambda2nu nu2lambda", lambda f, x: f(x) / 1e8, X),
    call("constants.convert_temperature", lambda x: scipy.constants.convert_temperature(
        x, "Celsius", "Fahrenheit"), X),
]

U, V = X / 4, Y / 4  # from 0 to 1
SPECIAL = [
    *each(special, "cbrt cosdg cosm1 cotdg entr erf erfc erfcx exp1 exp10 exp2 expi expit exprel "
          "gamma gammaln gammasgn i0 i0e i1 i1e j0 j1 k0 k0e k1 k1e log_ndtr loggamma ndtr psi "
          "rgamma sinc sindg spence tandg y0 y1 zetac", lambda f, x: f(x), X),
    *each(special, "ellipk ellipkm1 erfinv logit ndtri", lambda f, x: f(x), U),
    *each(special, "betaln binom boxcox boxcox1p chdtr chdtrc gammainc gammaincc huber inv_boxcox "
          "inv_boxcox1p kl_div pdtr pdtrc poch pseudo_huber rel_entr stdtr xlog1py xlogy",
          lambda f, x, y: f(x, y), X, Y),
    *each(special, "chdtri gammaincinv gammainccinv stdtrit", lambda f, x, p: f(x, p), X, V),
    *each(special, "betainc betaincc betaincinv", lambda f, a, b, p: f(a, b, p), X, Y, U),
    *each(special, "fdtr fdtrc gdtr gdtrc hyp1f1 radian", lambda f, a, b, x: f(a, b, x), X, Y, U),
    *each(special, "fdtri", lambda f, a, b, p: f(a, b, p), X, Y, U),
    *each(special, "bdtr bdtrc bdtri", lambda f, k, p: f(k, 5, p), X, U),
    *each(special, "nbdtr nbdtrc nbdtri", lambda f, p: f(2, 3, p), U),
    *each(special, "pdtri expn yn polygamma", lambda f, x: f(2, x), U),
    *each(special, "multigammaln", lambda f, a: f(a, 2), X + 2.0),
    *each(special, "lpmv", lambda f, x: f(1, 2, x), U),
    *each(special, "zeta", lambda f, x, q: f(x, q), X + 1.0, Y),
    *each(special, "logsumexp softmax log_softmax", lambda f, x: f(x, axis=1), M),
]

NUMBERS = np.array([0.31, 1.93, 0.82, 2.64, 1.25, 0.13])  # other numbers than X and Y have
STATS = [
    *each(stats, "gmean hmean moment skew kurtosis variation sem zscore gstd tmean tvar tstd tsem "
          "tmin tmax kstat kstatvar iqr median_abs_deviation describe circmean circvar circstd "
          "entropy directional_stats lmoment rankdata mode gzscore",
          lambda f, x: f(x), M),
    *each(stats, "skew kurtosis moment sem describe iqr rankdata", lambda f, x: f(x, axis=1), M),
    *each(stats, "differential_entropy", lambda f, x: f(x), X),
    *each(stats, "pmean", lambda f, x: f(x, 1.5), M),
    *each(stats, "zmap", lambda f, x, y: f(x, y), X, Y),
    *each(stats, "entropy", lambda f, x, y: f(x, y), X, Y),
    *each(stats, "quantile", lambda f, x: f(x, like(x, [0.3, 0.6])), X),
    *each(stats, "trim_mean", lambda f, x: f(x, 0.2), X),
    *each(stats, "sigmaclip", lambda f, x: f(x), X),
    *each(stats, "boxcox_llf yeojohnson_llf", lambda f, x: f(0.7, x), X),
    *each(stats, "ttest_1samp", lambda f, x: f(x, 1.0), M),
    *each(stats, "ttest_ind ttest_rel pearsonr spearmanrho wilcoxon mannwhitneyu ansari mood "
          "brunnermunzel cramervonmises_2samp epps_singleton_2samp chatterjeexi",
          lambda f, x, y: f(x, y), X, Y),
    *each(stats, "ttest_ind pearsonr", lambda f, x, y: f(x, y, alternative="less"), X, Y),
    call("stats.ttest_ind (Welch)", lambda x, y: stats.ttest_ind(x, y, equal_var=False), X, Y),
    call("stats.ttest_ind (trim)", lambda x, y: stats.ttest_ind(x, y, trim=0.2), X, Y),
    call("stats.ttest_ind interval", lambda x, y: [
        *stats.ttest_ind(x, y).confidence_interval(0.9)], X, Y),
    call("stats.pearsonr interval", lambda x, y: [
        *stats.pearsonr(x, y).confidence_interval(0.9)], X, Y),
    *each(stats, "ttest_ind_from_stats", lambda f, a, b: f(a, b, 10, b, a, 12), X[:2], Y[:2]),
    *each(stats, "f_oneway kruskal alexandergovern bartlett levene friedmanchisquare",
          lambda f, x, y, z: f(x, y, z), X, Y, NUMBERS),
    *each(stats, "fligner", lambda f, x, y, z: f(x, y, z, center="mean"), X, Y, NUMBERS),
    *each(stats, "normaltest skewtest kurtosistest jarque_bera", lambda f, x: f(x), LONG),
    *each(stats, "chisquare power_divergence", lambda f, x: f(x), X),
    call("stats.power_divergence (likelihood)", lambda x: stats.power_divergence(
        x, lambda_="log-likelihood"), X),
    *each(stats, "ks_1samp cramervonmises", lambda f, x: f(x - 1.0, special.ndtr), X),
    *each(stats, "false_discovery_control", lambda f, p: f(p), U),
    *[call(f"stats.combine_pvalues ({m})", lambda p, m=m: stats.combine_pvalues(p, method=m), U)
      for m in ("fisher", "pearson", "tippett", "stouffer", "mudholkar_george")],
    call("stats.bootstrap", lambda x: [*stats.bootstrap(
        (x,), lambda a, axis: gradcore.namespace(a).mean(a, axis=axis), n_resamples=50,
        method="percentile", rng=np.random.default_rng(1)).confidence_interval], np.sqrt(X)),
    call("stats.permutation_test", lambda x, y: stats.permutation_test(
        (x, y), lambda a, b, axis: a.mean(axis) - b.mean(axis), n_resamples=50,
        rng=np.random.default_rng(1)).statistic, X, Y),
    call("stats.monte_carlo_test", lambda x: stats.monte_carlo_test(
        x, lambda size: like(x, np.random.default_rng(1).normal(size=size)),
        lambda a, axis: gradcore.namespace(a).mean(a, axis=axis), n_resamples=50).statistic, X),
]
# fmt: on

TABLES: dict[str, list[Call]] = {
    "fft": FFT,
    "signal": SIGNAL,
    "signal.windows": WINDOWS,
    "linalg": LINALG,
    "integrate": INTEGRATE,
    "optimize": OPTIMIZE,
    "differentiate": DIFFERENTIATE,
    "spatial.transform": TRANSFORM,
    "spatial.distance": DISTANCE,
    "interpolate": INTERPOLATE,
    "ndimage": NDIMAGE,
    "cluster": CLUSTER,
    "constants": CONSTANTS,
    "special": SPECIAL,
    "stats": STATS,
}


# -- One call -------------------------------------------------------------------------------------


def numbers(result: Any) -> Iterator[Any]:
    """The nodes, arrays and numbers in a result, also in the attributes of an object."""
    if isinstance(result, bool | int | float | complex) or hasattr(result, "dtype"):
        yield result
    elif isinstance(result, tuple | list):
        for entry in result:
            yield from numbers(entry)
    elif isinstance(result, dict) or hasattr(result, "__dict__"):
        entries = result if isinstance(result, dict) else vars(result)
        for key in sorted(entries):
            yield from numbers(entries[key])


def value(x: Any) -> np.ndarray:
    return np.asarray(x.value if isinstance(x, TensorNode) else x)


def weights(y: np.ndarray) -> np.ndarray:
    w = np.cos(np.arange(float(y.size)) + 0.3).reshape(y.shape) + 1.5
    return w * (1.0 - 0.7j) if y.dtype.kind == "c" else w


def loss(ys: list[Any]) -> Any:
    """A real number in which each of the floating numbers counts differently."""
    total: Any = 0.0
    for y in ys:
        w = weights(value(y))
        if isinstance(y, TensorNode) and y.requires_grad:
            xp = gradcore.namespace(y)
            product = y * w
            total = total + xp.sum(xp.real(product) if w.dtype.kind == "c" else product)
        elif value(y).dtype.kind in "fc":
            finite = np.where(np.isfinite(value(y)), value(y), 0.0)
            total = total + float((finite * w).sum().real)
    return total


def verdict(c: Call) -> tuple[str, str]:
    """What comes of the call, and the reason."""
    try:
        expected = [value(y) for y in numbers(c.function(*[x.copy() for x in c.inputs]))]
    except Exception as error:
        return "NO CALL", f"NumPy: {type(error).__name__}: {error}".partition("\n")[0]
    found: list[Any] = []

    def total(*nodes: TensorNode) -> Any:
        found[:] = numbers(c.function(*nodes))
        return loss(found) + 0.0 * gradcore.namespace(nodes[0]).sum(abs(nodes[0]))

    try:
        gradients = gradcore.grad(total, tuple(range(len(c.inputs))))(*[x.copy() for x in c.inputs])
    except Exception as error:
        text = str(error)
        refused = isinstance(error, AttributeError | TypeError | ValueError | RuntimeError)
        refused = refused and "\n" not in text and MESSAGES.search(text)
        return "refuses" if refused else "fails", f"{type(error).__name__}: {text}"
    values = list(map(value, found))
    if not same(values, expected):
        kind = "SciPy" if same(values, strictly(c)) else "WRONG"
        pairs = zip(values, expected, strict=False)
        y, e = next(((y, e) for y, e in pairs if not same([y], [e])), (values, expected))
        return kind, f"value {y}, expected {e}"
    random = np.random.default_rng(1)
    for _ in range(2):
        along = [direction(x, random) for x in c.inputs]
        pairs = zip(gradients, along, strict=True)
        slope = sum(float((g.conj() * d).sum().real) for g, d in pairs)
        ends = []
        for step in (STEP, -STEP):
            moved = [x + step * d for x, d in zip(c.inputs, along, strict=True)]
            ends.append(loss([value(y) for y in numbers(c.function(*moved))]))
        difference = (ends[0] - ends[1]) / (2 * STEP)
        scale = max(1.0, abs(difference), *[float(abs(g).sum()) for g in gradients])
        if not np.isfinite(slope):
            return "NaN", f"gradient {slope}, expected {difference:.6g}"
        if not abs(slope - difference) <= TOLERANCE * scale:
            return "WRONG", f"gradient {slope:.6g}, expected {difference:.6g}"
    return "right", ""


def same(ys: list[np.ndarray], others: list[np.ndarray]) -> bool:
    """Whether the numbers are the same, but for rounding."""

    def close(y: np.ndarray, e: np.ndarray) -> bool:
        size = abs(np.where(np.isfinite(e), e, 0)).max(initial=1.0)
        return y.shape == e.shape and np.allclose(y, e, 1e-9, 1e-10 * size, equal_nan=True)

    return len(ys) == len(others) and all(map(close, ys, others))


def strictly(c: Call) -> list[np.ndarray]:
    """What the call gives for arrays of array_api_strict."""
    backend = gradcore.backends.get("strict", "CPU_DEVICE")
    try:
        return [value(y) for y in numbers(c.function(*map(backend.asarray, c.inputs)))]
    except Exception:
        return []


def direction(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    d = random.normal(size=x.shape)
    return d + 1j * random.normal(size=x.shape) if x.dtype.kind == "c" else d


KINDS = ("right", "NaN", "SciPy", "refuses", "fails", "WRONG", "NO CALL")


def described(counts: Counter[str]) -> str:
    return ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind])


def main() -> None:
    parser = Parser(
        description=__doc__.partition("\n")[0],
        examples={"python tests/search/scipy_functions.py special --only gamma": "a few calls"},
    )
    parser.add_argument("modules", nargs="*", help=f"of {', '.join(TABLES)}; default: all")
    parser.add_argument("--only", default="", help="calls with this in the name")
    arguments = parser.parse_args()
    others = []
    total: Counter[str] = Counter()
    for module in arguments.modules or TABLES:
        counts: Counter[str] = Counter()
        for c in TABLES[module]:
            if arguments.only in c.name:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    kind, why = verdict(c)
                counts[kind] += 1
                others += [] if kind == "right" else [(KINDS.index(kind), c.name, why)]
        print(f"{module:18} {counts.total():4} calls:", described(counts))
        total += counts
    for index, name, why in sorted(others):
        print(f"{KINDS[index]:8} {name}: {' '.join(why.split())[:150]}")
    print(f"{total.total()} calls:", described(total))


if __name__ == "__main__":
    main()
