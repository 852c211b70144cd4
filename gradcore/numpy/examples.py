"""The examples of functions that have no `def` of their own, by name: `ufuncs.py`, `fft.py` and
`creation.py` put them into the docstrings of the functions that they make."""

from __future__ import annotations

import inspect

__all__ = ["EXAMPLES", "with_example"]


def with_example(docstring: str, name: str) -> str:
    """End a docstring with the example of the function `name`, in place of the one there."""
    docstring = inspect.cleandoc(docstring).partition("\n\nExample:")[0]
    return f"{docstring}\n\nExample:{EXAMPLES[name]}" if name in EXAMPLES else docstring


# In these, np is gradcore.numpy.
EXAMPLES = {
    "absolute": """
    >>> print(np.absolute([-2.0, 3.0]), gradcore.grad(np.absolute)(-2.0))
    [2. 3.] -1.0
""",
    "add": """
    >>> x, y = TensorNode([[1.0], [2.0]]), TensorNode([10.0, 20.0])  # (2, 1) and (2,)
    >>> np.sum(np.add(x, y)).backward()
    >>> print(np.add(x, y).tolist(), x.grad.tolist())
    [[11.0, 21.0], [12.0, 22.0]] [[2.0], [2.0]]
""",
    "arange": """
    >>> print(np.arange(3), np.arange(0.0, 1.0, 0.25))
    [0 1 2] [0.   0.25 0.5  0.75]
""",
    "arccos": """
    >>> print(np.arccos([1.0, 0.0]).round(3), gradcore.grad(np.arccos)(0.0))
    [0.    1.571] -1.0
""",
    "arccosh": """
    >>> print(np.arccosh([1.0, 2.0]).round(3), gradcore.grad(np.arccosh)(2.0).round(3))
    [0.    1.317] 0.577
""",
    "arcsin": """
    >>> print(np.arcsin([0.0, 1.0]).round(3), gradcore.grad(np.arcsin)(0.0))
    [0.    1.571] 1.0
""",
    "arcsinh": """
    >>> print(np.arcsinh([0.0, 1.0]).round(3), gradcore.grad(np.arcsinh)(0.0))
    [0.    0.881] 1.0
""",
    "arctan": """
    >>> print(np.arctan([0.0, 1.0]).round(3), gradcore.grad(np.arctan)(1.0))
    [0.    0.785] 0.5
""",
    "arctan2": """
    >>> print(np.arctan2([1.0, -1.0], [0.0, 1.0]).round(3))  # arctan2(y, x)
    [ 1.571 -0.785]
    >>> print(gradcore.grad(np.arctan2)(0.0, 2.0))
    0.5
""",
    "arctanh": """
    >>> print(np.arctanh([0.0, 0.5]).round(3), gradcore.grad(np.arctanh)(0.0))
    [0.    0.549] 1.0
""",
    "bartlett": """
    >>> print(np.bartlett(5))
    [0.  0.5 1.  0.5 0. ]
""",
    "bitwise_and": """
    >>> print(np.bitwise_and([12, 10], 6))  # 1100 & 0110 and 1010 & 0110
    [4 2]
""",
    "bitwise_or": """
    >>> print(np.bitwise_or([12, 10], 6))  # 1100 | 0110 and 1010 | 0110
    [14 14]
""",
    "bitwise_xor": """
    >>> print(np.bitwise_xor([12, 10], 6))  # 1100 ^ 0110 and 1010 ^ 0110
    [10 12]
""",
    "blackman": """
    >>> print(np.blackman(5).round(2) + 0.0)
    [0.   0.34 1.   0.34 0.  ]
""",
    "cbrt": """
    >>> print(np.cbrt([-8.0, 27.0]), gradcore.grad(np.cbrt)(8.0).round(3))
    [-2.  3.] 0.083
""",
    "ceil": """
    >>> print(np.ceil([-1.5, 1.2]), gradcore.grad(np.ceil)(1.2))
    [-1.  2.] 0.0
""",
    "conjugate": """
    >>> print(np.conjugate([1 + 2j, 3.0]))
    [1.-2.j 3.-0.j]
""",
    "copysign": """
    >>> print(np.copysign([1.0, -2.0], [-1.0, 1.0]), gradcore.grad(np.copysign)(1.0, -3.0))
    [-1.  2.] -1.0
""",
    "cos": """
    >>> print(np.cos([0.0, np.pi]), gradcore.grad(np.cos)(np.pi / 2))
    [ 1. -1.] -1.0
""",
    "cosh": """
    >>> print(np.cosh([0.0, 1.0]).round(3), gradcore.grad(np.cosh)(0.0))
    [1.    1.543] 0.0
""",
    "deg2rad": """
    >>> print(np.deg2rad([0.0, 180.0]).round(3), gradcore.grad(np.deg2rad)(90.0).round(5))
    [0.    3.142] 0.01745
""",
    "divide": """
    >>> print(np.divide([1, 6], 4), gradcore.grad(np.divide)(6.0, 4.0))
    [0.25 1.5 ] 0.25
""",
    "equal": """
    >>> print(np.equal(TensorNode([1.0, 2.0]), [1.0, 3.0]))
    [ True False]
""",
    "exp": """
    >>> print(np.exp([0.0, 1.0]).round(3), gradcore.grad(np.exp)(0.0))
    [1.    2.718] 1.0
""",
    "exp2": """
    >>> print(np.exp2([0.0, 3.0]), gradcore.grad(np.exp2)(0.0).round(3))
    [1. 8.] 0.693
""",
    "expm1": """
    >>> print(np.expm1([0.0, 1e-12]), gradcore.grad(np.expm1)(0.0))
    [0.e+00 1.e-12] 1.0
""",
    "fabs": """
    >>> print(np.fabs([-2, 3]), gradcore.grad(np.fabs)(-2.0))
    [2. 3.] -1.0
""",
    "fft.fft": """
    >>> print(np.fft.fft([1.0, 2.0, 3.0, 4.0]))
    [10.+0.j -2.+2.j -2.+0.j -2.-2.j]
""",
    "fft.fft2": """
    >>> print(np.fft.fft2([[1.0, 2.0], [3.0, 4.0]]).tolist())
    [[(10+0j), (-2+0j)], [(-4+0j), 0j]]
""",
    "fft.fftn": """
    >>> print(np.fft.fftn([[1.0, 2.0], [3.0, 4.0]]).tolist())
    [[(10+0j), (-2+0j)], [(-4+0j), 0j]]
""",
    "fft.hfft": """
    >>> print(np.fft.hfft([1.0, 1j, 0.0]))
    [ 1.  3.  1. -1.]
""",
    "fft.ifft": """
    >>> print(np.fft.ifft([4.0, 0.0, 0.0, 0.0]))
    [1.+0.j 1.+0.j 1.+0.j 1.+0.j]
""",
    "fft.ifft2": """
    >>> print(np.fft.ifft2([[10.0, -2.0], [-4.0, 0.0]]).tolist())
    [[(1+0j), (2+0j)], [(3+0j), (4+0j)]]
""",
    "fft.ifftn": """
    >>> print(np.fft.ifftn([[10.0, -2.0], [-4.0, 0.0]]).tolist())
    [[(1+0j), (2+0j)], [(3+0j), (4+0j)]]
""",
    "fft.ihfft": """
    >>> print(np.real(np.fft.ihfft([4.0, 0.0, 0.0, 0.0])))
    [1. 1. 1.]
""",
    "fft.irfft": """
    >>> print(np.fft.irfft([10.0, -2 + 2j, -2.0]))
    [1. 2. 3. 4.]
""",
    "fft.irfft2": """
    >>> x = np.ones((4, 6))
    >>> print(np.allclose(np.fft.irfft2(np.fft.rfft2(x)), x))
    True
""",
    "fft.irfftn": """
    >>> x = np.ones((2, 4, 6))
    >>> print(np.allclose(np.fft.irfftn(np.fft.rfftn(x)), x))
    True
""",
    "fft.rfft": """
    >>> x = np.array([1.0, 2.0, 3.0, 4.0])
    >>> print(np.fft.rfft(x))
    [10.+0.j -2.+2.j -2.+0.j]
    >>> print(gradcore.grad(lambda x: np.sum(np.abs(np.fft.rfft(x)) ** 2))(x))
    [12. 20. 20. 28.]
""",
    "fft.rfft2": """
    >>> print(np.fft.rfft2(np.ones((4, 6))).shape)
    (4, 4)
""",
    "fft.rfftn": """
    >>> print(np.fft.rfftn(np.ones((2, 4, 6))).shape)
    (2, 4, 4)
""",
    "float_power": """
    >>> print(np.float_power([2, 3], -1).round(3), gradcore.grad(np.float_power)(3.0, 2.0))
    [0.5   0.333] 6.0
""",
    "floor": """
    >>> print(np.floor([-1.5, 1.2]), gradcore.grad(np.floor)(1.2))
    [-2.  1.] 0.0
""",
    "floor_divide": """
    >>> print(np.floor_divide([7, -7], 2))
    [ 3 -4]
""",
    "fmax": """
    >>> print(np.fmax([1.0, np.nan], [2.0, 0.0]), gradcore.grad(np.fmax)(3.0, np.nan))
    [2. 0.] 1.0
""",
    "fmin": """
    >>> print(np.fmin([1.0, np.nan], [2.0, 0.0]), gradcore.grad(np.fmin)(3.0, np.nan))
    [1. 0.] 1.0
""",
    "fmod": """
    >>> print(np.fmod([7.0, -7.0], 3.0), np.remainder([7.0, -7.0], 3.0))
    [ 1. -1.] [1. 2.]
""",
    "frombuffer": """
    >>> print(np.frombuffer(b"\\x01\\x02\\x03", dtype=np.uint8))
    [1 2 3]
""",
    "fromfile": """
    >>> np.array([1.0, 2.0]).tofile("x.bin")
    >>> print(np.fromfile("x.bin"))
    [1. 2.]
""",
    "fromiter": """
    >>> print(np.fromiter((k * k for k in range(4)), dtype=float))
    [0. 1. 4. 9.]
""",
    "fromstring": """
    >>> print(np.fromstring("1 2 3", sep=" "))
    [1. 2. 3.]
""",
    "genfromtxt": """
    >>> import io
    >>> print(np.genfromtxt(io.StringIO("1,2\\n3,"), delimiter=",").tolist())
    [[1.0, 2.0], [3.0, nan]]
""",
    "greater": """
    >>> print(np.greater(TensorNode([1.0, 2.0, 3.0]), 2.0))
    [False False  True]
""",
    "greater_equal": """
    >>> print(np.greater_equal(TensorNode([1.0, 2.0, 3.0]), 2.0))
    [False  True  True]
""",
    "hamming": """
    >>> print(np.hamming(3).round(2))
    [0.08 1.   0.08]
""",
    "hanning": """
    >>> print(np.hanning(5))
    [0.  0.5 1.  0.5 0. ]
""",
    "heaviside": """
    >>> print(np.heaviside([-1.0, 0.0, 2.0], 0.5))
    [0.  0.5 1. ]
""",
    "hypot": """
    >>> print(np.hypot(3.0, [4.0, 0.0]), gradcore.grad(np.hypot)(3.0, 4.0))
    [5. 3.] 0.6
""",
    "invert": """
    >>> print(np.invert([0, 5]), np.invert([True, False]))
    [-1 -6] [False  True]
""",
    "isfinite": """
    >>> print(np.isfinite([1.0, np.inf, np.nan]))
    [ True False False]
""",
    "isinf": """
    >>> print(np.isinf([1.0, -np.inf, np.nan]))
    [False  True False]
""",
    "isnan": """
    >>> print(np.isnan([1.0, np.inf, np.nan]))
    [False False  True]
""",
    "kaiser": """
    >>> print(np.kaiser(3, 0.0))
    [1. 1. 1.]
""",
    "left_shift": """
    >>> print(np.left_shift([1, 3], 2))
    [ 4 12]
""",
    "less": """
    >>> print(np.less(TensorNode([1.0, 2.0, 3.0]), 2.0))
    [ True False False]
""",
    "less_equal": """
    >>> print(np.less_equal(TensorNode([1.0, 2.0, 3.0]), 2.0))
    [ True  True False]
""",
    "loadtxt": """
    >>> import io
    >>> print(np.loadtxt(io.StringIO("1 2\\n3 4")).tolist())
    [[1.0, 2.0], [3.0, 4.0]]
""",
    "log": """
    >>> print(np.log([1.0, np.e]), gradcore.grad(np.log)(2.0))
    [0. 1.] 0.5
""",
    "log10": """
    >>> print(np.log10([1.0, 1000.0]), gradcore.grad(np.log10)(1.0).round(3))
    [0. 3.] 0.434
""",
    "log1p": """
    >>> print(np.log1p([0.0, 1e-12]), gradcore.grad(np.log1p)(0.0))
    [0.e+00 1.e-12] 1.0
""",
    "log2": """
    >>> print(np.log2([1.0, 8.0]), gradcore.grad(np.log2)(1.0).round(3))
    [0. 3.] 1.443
""",
    "logaddexp": """
    >>> print(np.logaddexp(1000.0, 1000.0).round(3), gradcore.grad(np.logaddexp)(0.0, 0.0))
    1000.693 0.5
""",
    "logaddexp2": """
    >>> print(np.logaddexp2([0.0, 1000.0], 0.0), gradcore.grad(np.logaddexp2)(0.0, 0.0))
    [   1. 1000.] 0.5
""",
    "logical_and": """
    >>> print(np.logical_and([True, True], [True, False]))
    [ True False]
""",
    "logical_not": """
    >>> print(np.logical_not([True, False]))
    [False  True]
""",
    "logical_or": """
    >>> print(np.logical_or([False, False], [True, False]))
    [ True False]
""",
    "logical_xor": """
    >>> print(np.logical_xor([True, True], [True, False]))
    [False  True]
""",
    "matmul": """
    >>> w, x = TensorNode([[1.0, 2.0], [3.0, 4.0]]), TensorNode([1.0, -1.0])
    >>> np.sum(np.matmul(w, x)).backward()
    >>> print(np.matmul(w, x), w.grad.tolist(), x.grad)
    [-1. -1.] [[1.0, -1.0], [1.0, -1.0]] [4. 6.]
""",
    "maximum": """
    >>> print(np.maximum([1.0, 5.0], 2.0), gradcore.grad(np.maximum)(5.0, 2.0))
    [2. 5.] 1.0
""",
    "minimum": """
    >>> print(np.minimum([1.0, 5.0], 2.0), gradcore.grad(np.minimum)(5.0, 2.0))
    [1. 2.] 0.0
""",
    "multiply": """
    >>> x = TensorNode([1.0, 2.0, 3.0])
    >>> np.sum(np.multiply(x, [4.0, 5.0, 6.0])).backward()
    >>> print(x.grad)
    [4. 5. 6.]
""",
    "negative": """
    >>> print(np.negative([1.0, -2.0]), gradcore.grad(np.negative)(1.0))
    [-1.  2.] -1.0
""",
    "nextafter": """
    >>> print(np.nextafter(1.0, 2.0) - 1.0)
    2.220446049250313e-16
""",
    "not_equal": """
    >>> print(np.not_equal(TensorNode([1.0, 2.0]), [1.0, 3.0]))
    [False  True]
""",
    "positive": """
    >>> print(np.positive([1.0, -2.0]), gradcore.grad(np.positive)(1.0))
    [ 1. -2.] 1.0
""",
    "power": """
    >>> print(np.power([2.0, 3.0], 2), gradcore.grad(np.power)(3.0, 2.0))
    [4. 9.] 6.0
""",
    "rad2deg": """
    >>> print(np.rad2deg([0.0, np.pi]), gradcore.grad(np.rad2deg)(0.0).round(3))
    [  0. 180.] 57.296
""",
    "random.beta": """
    >>> print(np.random.beta(2.0, 2.0, size=10_000).mean().round(1))
    0.5
""",
    "random.binomial": """
    >>> print(np.random.binomial(10, 0.5, size=10_000).mean().round())
    5.0
""",
    "random.bytes": """
    >>> print(len(np.random.bytes(4)))
    4
""",
    "random.chisquare": """
    >>> print(np.random.chisquare(3.0, size=10_000).mean().round())
    3.0
""",
    "random.choice": """
    >>> print(np.sort(np.random.choice([10, 20, 30], size=3, replace=False)))
    [10 20 30]
""",
    "random.dirichlet": """
    >>> x = np.random.dirichlet([1.0, 2.0, 5.0], size=4)
    >>> print(x.shape, x.sum(axis=1).round(3))
    (4, 3) [1. 1. 1. 1.]
""",
    "random.exponential": """
    >>> print(np.random.exponential(3.0, size=10_000).mean().round())
    3.0
""",
    "random.f": """
    >>> print(np.random.f(5.0, 100.0, size=10_000).mean().round())
    1.0
""",
    "random.gamma": """
    >>> print(np.random.gamma(3.0, 2.0, size=10_000).mean().round())
    6.0
""",
    "random.geometric": """
    >>> print(np.random.geometric(0.5, size=10_000).mean().round())
    2.0
""",
    "random.get_state": """
    >>> state = np.random.get_state()
    >>> x = np.random.normal(size=3)
    >>> np.random.set_state(state)
    >>> print(np.array_equal(np.random.normal(size=3), x))
    True
""",
    "random.gumbel": """
    >>> print(np.random.gumbel(0.0, 1.0, size=100_000).mean().round(1))
    0.6
""",
    "random.hypergeometric": """
    >>> print(np.random.hypergeometric(5, 5, 4, size=10_000).mean().round())
    2.0
""",
    "random.laplace": """
    >>> print(np.random.laplace(3.0, 1.0, size=10_000).mean().round())
    3.0
""",
    "random.logistic": """
    >>> print(np.random.logistic(3.0, 1.0, size=10_000).mean().round())
    3.0
""",
    "random.lognormal": """
    >>> print(np.random.lognormal(0.0, 0.1, size=10_000).mean().round())
    1.0
""",
    "random.logseries": """
    >>> print(np.random.logseries(0.5, size=4).shape)
    (4,)
""",
    "random.multinomial": """
    >>> print(np.random.multinomial(10, [0.5, 0.25, 0.25]).sum())
    10
""",
    "random.multivariate_normal": """
    >>> x = np.random.multivariate_normal([3.0, 5.0], [[1.0, 0.0], [0.0, 1.0]], size=10_000)
    >>> print(x.shape, x.mean(axis=0).round())
    (10000, 2) [3. 5.]
""",
    "random.negative_binomial": """
    >>> print(np.random.negative_binomial(3, 0.5, size=10_000).mean().round())
    3.0
""",
    "random.noncentral_chisquare": """
    >>> print(np.random.noncentral_chisquare(2.0, 1.0, size=10_000).mean().round())
    3.0
""",
    "random.noncentral_f": """
    >>> print(np.random.noncentral_f(5.0, 100.0, 5.0, size=10_000).mean().round())
    2.0
""",
    "random.normal": """
    >>> x = np.random.normal(5.0, 2.0, size=10_000)
    >>> print(x.shape, x.mean().round(), x.std().round())
    (10000,) 5.0 2.0
""",
    "random.pareto": """
    >>> print(np.random.pareto(11.0, size=10_000).mean().round(1))
    0.1
""",
    "random.permutation": """
    >>> print(np.sort(np.random.permutation(4)))
    [0 1 2 3]
""",
    "random.poisson": """
    >>> print(np.random.poisson(3.0, size=10_000).mean().round())
    3.0
""",
    "random.power": """
    >>> print(np.random.power(4.0, size=10_000).mean().round(1))
    0.8
""",
    "random.rand": """
    >>> print(np.random.rand(2, 3).shape)
    (2, 3)
""",
    "random.randint": """
    >>> x = np.random.randint(0, 3, size=1000)
    >>> print(np.unique(x))
    [0 1 2]
""",
    "random.randn": """
    >>> print(np.random.randn(2, 3).shape)
    (2, 3)
""",
    "random.random": """
    >>> x = np.random.random((2, 3))
    >>> print(x.shape, np.all((x >= 0) & (x < 1)))
    (2, 3) True
""",
    "random.random_integers": """
    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # NumPy advises randint in its place
    ...     x = np.random.random_integers(1, 3, size=1000)
    ...
    >>> print(np.unique(x))
    [1 2 3]
""",
    "random.random_sample": """
    >>> print(np.random.random_sample((2, 3)).shape)
    (2, 3)
""",
    "random.ranf": """
    >>> print(np.random.ranf((2, 3)).shape)
    (2, 3)
""",
    "random.rayleigh": """
    >>> print(np.random.rayleigh(4.0, size=10_000).mean().round())
    5.0
""",
    "random.sample": """
    >>> print(np.random.sample((2, 3)).shape)
    (2, 3)
""",
    "random.seed": """
    >>> np.random.seed(0)
    >>> x = np.random.normal(size=3)
    >>> np.random.seed(0)
    >>> print(np.array_equal(np.random.normal(size=3), x))
    True
""",
    "random.set_state": """
    >>> state = np.random.get_state()
    >>> x = np.random.normal(size=3)
    >>> np.random.set_state(state)
    >>> print(np.array_equal(np.random.normal(size=3), x))
    True
""",
    "random.standard_cauchy": """
    >>> print(np.abs(np.median(np.random.standard_cauchy(10_000))).round())
    0.0
""",
    "random.standard_exponential": """
    >>> print(np.random.standard_exponential(10_000).mean().round())
    1.0
""",
    "random.standard_gamma": """
    >>> print(np.random.standard_gamma(3.0, size=10_000).mean().round())
    3.0
""",
    "random.standard_normal": """
    >>> print(np.random.standard_normal(10_000).std().round())
    1.0
""",
    "random.standard_t": """
    >>> print(np.abs(np.random.standard_t(10.0, size=10_000).mean()).round())
    0.0
""",
    "random.triangular": """
    >>> print(np.random.triangular(0.0, 1.0, 2.0, size=10_000).mean().round())
    1.0
""",
    "random.uniform": """
    >>> x = np.random.uniform(2.0, 4.0, size=10_000)
    >>> print(x.mean().round(1), np.all((x >= 2.0) & (x < 4.0)))
    3.0 True
""",
    "random.vonmises": """
    >>> print(np.abs(np.random.vonmises(0.0, 4.0, size=10_000).mean()).round())
    0.0
""",
    "random.wald": """
    >>> print(np.random.wald(3.0, 9.0, size=10_000).mean().round())
    3.0
""",
    "random.weibull": """
    >>> print(np.random.weibull(1.0, size=10_000).mean().round())
    1.0
""",
    "random.zipf": """
    >>> print(np.random.zipf(4.0, size=1000).min())
    1
""",
    "reciprocal": """
    >>> print(np.reciprocal([2.0, 4.0]), gradcore.grad(np.reciprocal)(2.0))
    [0.5  0.25] -0.25
""",
    "remainder": """
    >>> print(np.remainder([7.0, -7.0], 3.0), gradcore.grad(np.remainder)(7.0, 3.0))
    [1. 2.] 1.0
""",
    "right_shift": """
    >>> print(np.right_shift([8, 5], 2))
    [2 1]
""",
    "rint": """
    >>> print(np.rint([0.5, 1.5, 2.4]), gradcore.grad(np.rint)(2.4))
    [0. 2. 2.] 0.0
""",
    "sign": """
    >>> print(np.sign([-2.0, 0.0, 3.0]), gradcore.grad(np.sign)(3.0))
    [-1.  0.  1.] 0.0
""",
    "signbit": """
    >>> print(np.signbit([-2.0, -0.0, 3.0]))
    [ True  True False]
""",
    "sin": """
    >>> print(np.sin([0.0, 1.0]).round(3), gradcore.grad(np.sin)(0.0))
    [0.    0.841] 1.0
""",
    "sinh": """
    >>> print(np.sinh([0.0, 1.0]).round(3), gradcore.grad(np.sinh)(0.0))
    [0.    1.175] 1.0
""",
    "sqrt": """
    >>> print(np.sqrt([1.0, 4.0]), gradcore.grad(np.sqrt)(4.0))
    [1. 2.] 0.25
""",
    "square": """
    >>> print(np.square([2.0, -3.0]), gradcore.grad(np.square)(-3.0))
    [4. 9.] -6.0
""",
    "subtract": """
    >>> x, y = TensorNode([5.0, 7.0]), TensorNode(1.0)
    >>> np.sum(np.subtract(x, y)).backward()
    >>> print(np.subtract(x, y), x.grad, y.grad)
    [4. 6.] [1. 1.] -2.0
""",
    "tan": """
    >>> print(np.tan([0.0, 1.0]).round(3), gradcore.grad(np.tan)(0.0))
    [0.    1.557] 1.0
""",
    "tanh": """
    >>> print(np.tanh([0.0, 1.0]).round(3), gradcore.grad(np.tanh)(0.0))
    [0.    0.762] 1.0
""",
    "tri": """
    >>> print(np.tri(3).tolist())
    [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]
""",
    "trunc": """
    >>> print(np.trunc([-1.5, 1.2]), gradcore.grad(np.trunc)(1.2))
    [-1.  1.] 0.0
""",
    "vecdot": """
    >>> print(np.vecdot([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0]))  # one product for each row
    [3. 7.]
""",
}
