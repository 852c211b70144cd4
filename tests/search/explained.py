"""Why gradcore and PyTorch differ where they may: a pattern of names of findings, and the reason.

A name is "step: value lost at inf", for example; `random_programs.py` says of what it is made.
"""

from __future__ import annotations

__all__ = ["EXPLAINED"]

HONEST = "NaN comes of NaN"
INFINITE = "NaN comes of infinity minus infinity, and of 0 times infinity"
OVERFLOW = "products of the largest numbers overflow on the way to the result"
ORDER = "whether a sum of the largest numbers overflows depends on its order"
LIMIT = "gradcore gives the limit, where PyTorch multiplies 0 by infinity"
IGNORED = "what is ignored has no gradient, also where PyTorch gives NaN"
DIVIDES = "PyTorch divides the product by each element"
NO_NUMBER = "neither is a number: NaN in place of infinity, or infinity in place of NaN"
CONE = "at a complex 0 the absolute value is the tip of a cone"
TRIGAMMA = "PyTorch's trigamma has an error of 1e-7"
KINK = "at a kink the second derivative is NaN, or what one side has"
PIECE = "where x is NaN, x is taken to be in a piece of the function that is a polynomial"
ROUNDED_UP = "the largest number is rounded up to infinity"
SQUARES = "squares of the largest are infinite; where these divide, PyTorch has 0"
TINY = "powers of denormal numbers are 0, and so is the norm"
DENORMAL = "a number on the way to the result is denormal, and has few digits"
LARGE = "a factor of the result is too large for the dtype"
ONE = "the deviation of one number is 0, whatever the number"
NO_SUM = "nothing changes the sum of no probability"
MATRIX = "all that comes of a matrix with infinity or NaN is NaN, and of the others nothing"
PADDED = "padding is multiplied too, 0 times infinity; and " + ORDER
ABSENT = "an output without a gradient adds nothing; the reference adds 0 times NaN"
FACTOR = "PyTorch's product of the largest numbers overflows"

EXPLAINED: dict[str, str] = {
    # Whole kinds.
    "*: gradient lost at nan": HONEST,
    "*: second lost at nan": HONEST,
    "*: gradient lost at inf": INFINITE,
    "*: second lost at inf": INFINITE,
    "*: second lost at largest": OVERFLOW,
    "*: value not finite otherwise at *": NO_NUMBER,
    "*: gradient not finite otherwise*": NO_NUMBER,
    "*: second not finite otherwise*": NO_NUMBER,
    "*[Nn]orm*: gradient lost at largest": SQUARES,
    "frobenius: gradient lost at largest": SQUARES,
    "Std: * lost at *": SQUARES,
    "3-norm *: value lost at *": SQUARES,
    "GruGradient: value invented at nan": ABSENT,
    "LstmGradient: value invented at nan": ABSENT,
    # Elementwise functions.
    "Absolute: second lost at special": CONE,
    "?-norm *: second lost at special": CONE,
    "inf-norm *: second lost at special": CONE,
    "Phase: gradient lost at special": "x / |x| has no derivative at 0",
    "Acosh: gradient*": "for x < 1 there is no function; PyTorch has a gradient of 0",
    "Asinh: second invented at *": LIMIT,
    "Atan2: * invented at *": LIMIT,
    "Atan2: gradient lost*": LARGE,
    "Atanh: second invented at *": LIMIT,
    "CopySign: gradient invented at *": "the slope is 1 or -1; PyTorch divides infinities",
    "CopySign: second * at *": "the slope is constant; PyTorch divides by 0",
    "Elu: second wrong at nan": PIECE,
    "Elu: second invented at *": LIMIT,
    "Erf: second invented at *": LIMIT,
    "Erfc: second invented at *": LIMIT,
    "GeluTanh: second wrong*": "1 - tanh(z)² is rounded where it is small, by 1e-16",
    "GeluTanh: * invented at *": LIMIT,
    "HardSwish: second wrong at nan": PIECE,
    "HardSwish: value invented at *": FACTOR,
    "Hypot: gradient invented*": "at (0, 0) the gradient is 0; PyTorch has 0 / 0",
    "Hypot: gradient lost at largest": OVERFLOW,
    "Hypot: gradient wrong at *": DENORMAL,
    "LogAddExp: second invented at *": LIMIT,
    "LogAddExp: gradient invented at inf": "equal infinities have half of the gradient each",
    "LogGamma: gradient lost": "at poles there is no slope",
    "LogGamma: second * at *": "at poles gradcore gives infinity; PyTorch's trigamma 1e32 or NaN",
    "LogGamma: second wrong": TRIGAMMA,
    "BetaLn: second wrong*": TRIGAMMA,
    "Mish: second invented at *": LIMIT,
    "Divide: second lost*": LARGE,
    "Polygamma: second lost*": LARGE,
    "Divide: gradient invented at *": FACTOR,
    "Power: gradient lost at *": LARGE,
    "Power: second wrong at special": "PyTorch takes b a^(b - 1) for 0 around b = 0",
    "Power: value invented at special": "0 to the complex power 0 is 1, as to the real one",
    "Power: gradient invented at *": "C's pow(-inf, 0.5) is infinity",
    "Power: second invented*": "gradcore gives the limit as x falls to 0",
    "Polygamma: value invented at *": LIMIT,
    "PowerLog: * invented*": "gradcore gives the limit as x falls to 0, which Power needs",
    "Softplus: * invented at *": LIMIT,
    "celu: value lost at *": ROUNDED_UP,
    "clip*: gradient wrong at nan": "NaN passes, with a slope of 1",
    "hardsigmoid: gradient wrong*": "PyTorch has 1 / 6 in float32",
    "x [*][*] 0.5: gradient invented at *": "C's pow(-inf, 0.5) is infinity",
    "x [*][*] 0.5: value * at *": "C's pow(-inf, 0.5) is infinity, and sqrt(-inf) is NaN",
    # Sums, products and norms.
    "CumulativeProd: * at *": DIVIDES,
    "LogSumExp: gradient invented at *": NO_SUM,
    "Prod: * at *": DIVIDES,
    "Prod: second wrong": DIVIDES,
    "Std: gradient invented at *": ONE,
    "Std: second invented*": ONE,
    "Std: second lost": "of equal numbers the deviation has a kink",
    "Std: gradient wrong at special": DENORMAL,
    "logsumexp *: gradient invented at *": NO_SUM,
    "logsumexp *: gradient wrong at inf": "PyTorch's softmax of the largest numbers adds up to 2",
    "3-norm *: second lost at special": KINK,
    "3-norm *: second wrong*": "of one number the second derivative is 0: terms of 1 / x cancel",
    "3-norm *: gradient wrong at *": TINY,
    "Norm: gradient wrong at *": TINY,
    "Norm: value lost at largest": SQUARES,
    "3-norm *: gradient invented at *": TINY,
    "vector_norm *: gradient wrong at *": TINY,
    "vector_norm *: value lost at *": SQUARES,
    "cross: value *": "PyTorch's products are not rounded (FMA)",
    # Linear algebra.
    "Cholesky: * lost at *": INFINITE,
    "Conv?d*: value * at *": PADDED,
    "Conv?d*: gradient * at *": PADDED,
    "Determinant: * at *": MATRIX,
    "det: * at *": MATRIX,
    "Eigvalsh: * at *": MATRIX,
    "Inverse: value lost at *": MATRIX,
    "Inverse: value wrong at largest": DENORMAL,
    "Solve: second wrong at largest": DENORMAL,
    "LogDeterminant: value lost at *": MATRIX,
    "LogDeterminant: gradient lost at *": OVERFLOW,
    "PseudoInverse: value lost at *": MATRIX,
    "Solve: * invented at *": FACTOR,
    "SolveTriangular: * lost at nan": "LAPACK multiplies by the zeros of the other triangle, too",
    "Square: * invented at *": FACTOR,
    "Svdvals: * at *": MATRIX,
    "Svdvals: second lost": "a product of vectors has singular values of 0, which have kinks",
    "Svdvals: second invented": "PyTorch divides by the singular values that are 0",
    "svdvals: * at *": MATRIX,
    "MatrixMultiply: gradient wrong at *": ORDER,
    "einsum: * invented at *": ORDER,
    "tensordot: * invented at *": ORDER,
    # Normalization, attention, losses.
    "BatchNorm: value * at *": "the variance of infinity or NaN is NaN, and all of its channel",
    "BatchNormInference*: gradient invented at *": FACTOR,
    "LayerNorm: gradient invented at *": FACTOR,
    "LayerNorm: value lost at *": OVERFLOW,
    "LayerNorm: value invented at *": FACTOR,
    "Weighted: * invented at *": "what has no weight does not count",
    "attention: value * at *": "weights of 0 times infinity; scales before the product",
    "group_norm: value lost at *": OVERFLOW,
    "layer_norm: value lost at *": OVERFLOW,
    "mse_loss *: gradient invented at *": FACTOR,
    "rms_norm: gradient invented at *": "squares are infinite, and the result is 0 in both",
    "CrossEntropy*: * invented at *": IGNORED,
    "cross_entropy*: gradient invented at *": IGNORED,
    "* mean: gradient lost": "the mean of nothing is NaN",
    "* mean: second lost": "the mean of nothing is NaN",
    "kl_div *: gradient lost at largest": "a negative target has no logarithm",
    "KlDiv*: value invented at *": "a negative target has no logarithm",
    "kl_div *: value invented at *": "with no probability there is no divergence",
}
