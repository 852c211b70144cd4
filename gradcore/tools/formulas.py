"""The formulas of ops, as `show` writes them beside the source.

The names are those of the op's `forward`: a, b, x are inputs, y is the output, `go` the gradient of
the loss with respect to y, and `gx` that with respect to x. Products are elementwise; `@` is the
matrix product and ᵀ transposes. The engine sums gradients over broadcast axes.
"""
# ruff: noqa: RUF001 (signs of mathematics)

from __future__ import annotations

__all__ = ["FORMULAS"]

FORMULAS: dict[str, tuple[str, str]] = {
    # Arithmetic
    "Add": ("y = a + b", "ga = go,  gb = go"),
    "Sub": ("y = a − b", "ga = go,  gb = −go"),
    "Multiply": ("y = a · b", "ga = go · b,  gb = go · a"),
    "Divide": ("y = a / b", "ga = go / b,  gb = −go · y / b"),
    "Negative": ("y = −x", "gx = −go"),
    "Power": ("y = aᵇ", "ga = go · b · aᵇ⁻¹,  gb = go · y · log(a)"),
    "Square": ("y = x²", "gx = go · 2 · x"),
    "Absolute": ("y = |x|", "gx = go · sign(x)"),
    "Id": ("y = x", "gx = go"),
    "Maximum": ("y = max(a, b)", "ga = go where a > b,  gb = go where b > a;  half where equal"),
    "Minimum": ("y = min(a, b)", "ga = go where a < b,  gb = go where b < a;  half where equal"),
    "Where": ("y = a where condition, else b", "ga = go where condition,  gb = go elsewhere"),
    "Remainder": ("y = a − q · b,  for a whole number q", "ga = go,  gb = −go · q"),
    "Hypot": ("y = √(a² + b²)", "ga = go · a / y,  gb = go · b / y"),
    "LogAddExp": ("y = log(exp(a) + exp(b))", "ga = go · exp(a − y),  gb = go · exp(b − y)"),
    "Real": ("y = the real part of x", "gx = go"),
    "Conjugate": ("y = the complex conjugate of x", "gx = the complex conjugate of go"),
    "Masked": ("y = x where mask, else 0", "gx = go where mask, else 0"),
    # Functions of one array
    "Exp": ("y = eˣ", "gx = go · y"),
    "Expm1": ("y = eˣ − 1", "gx = go · (y + 1)"),
    "Log": ("y = log(x)", "gx = go / x"),
    "Log1p": ("y = log(1 + x)", "gx = go / (1 + x)"),
    "Log2": ("y = log₂(x)", "gx = go / (x · log(2))"),
    "Log10": ("y = log₁₀(x)", "gx = go / (x · log(10))"),
    "Sqrt": ("y = √(x)", "gx = go / (2 · y)"),
    "Sin": ("y = sin(x)", "gx = go · cos(x)"),
    "Cos": ("y = cos(x)", "gx = −go · sin(x)"),
    "Tan": ("y = tan(x)", "gx = go · (1 + y²)"),
    "Tanh": ("y = tanh(x)", "gx = go · (1 − y²)"),
    "Asin": ("y = asin(x)", "gx = go / √(1 − x²)"),
    "Acos": ("y = acos(x)", "gx = −go / √(1 − x²)"),
    "Atan": ("y = atan(x)", "gx = go / (1 + x²)"),
    "Atan2": (
        "y = the angle of the point (b, a)",
        "ga = go · b / (a² + b²),  gb = −go · a / (a² + b²)",
    ),
    "Sinh": ("y = sinh(x)", "gx = go · cosh(x)"),
    "Cosh": ("y = cosh(x)", "gx = go · sinh(x)"),
    "Asinh": ("y = asinh(x)", "gx = go / √(x² + 1)"),
    "Acosh": ("y = acosh(x)", "gx = go / √(x² − 1)"),
    "Atanh": ("y = atanh(x)", "gx = go / (1 − x²)"),
    "Cbrt": ("y = ∛(x)", "gx = go / (3 · y²)"),
    "Erf": ("y = erf(x)", "gx = go · 2/√(π) · exp(−x²)"),
    "Erfc": ("y = 1 − erf(x)", "gx = −go · 2/√(π) · exp(−x²)"),
    "LogGamma": ("y = log |Γ(x)|", "gx = go · ψ(x),  ψ = the derivative of log Γ"),
    "Logit": ("y = log(x / (1 − x))", "gx = go / (x · (1 − x))"),
    "Entropy": ("y = −x · log(x)", "gx = −go · (1 + log(x))"),
    # Activations
    "Sigmoid": ("y = 1 / (1 + e⁻ˣ)", "gx = go · y · (1 − y)"),
    "Relu": ("y = max(x, 0)", "gx = go where y > 0, else 0"),
    "LeakyRelu": ("y = x where x > 0, else slope · x", "gx = go where x > 0, else slope · go"),
    "Elu": ("y = x where x > 0, else α · (eˣ − 1)", "gx = go where x > 0, else go · α · eˣ"),
    "Gelu": ("y = x · Φ(x)", "gx = go · (Φ(x) + x · φ(x))"),
    "Silu": ("y = x · σ(x)", "gx = go · (σ(x) + x · σ(x) · (1 − σ(x)))"),
    "Prelu": (
        "y = x where x > 0, else slope · x",
        "gx = go where x > 0, else slope · go,  gslope = 0 where x > 0, else go · x",
    ),
    "GeluTanh": (
        "y = 0.5 · x · (1 + tanh(u)),  u = √(2/π) · (x + 0.044715 · x³)",
        "gx = go · 0.5 · (1 + tanh(u) + x · (1 − tanh(u)²) · √(2/π) · (1 + 3 · 0.044715 · x²))",
    ),
    "Mish": ("y = x · t,  t = tanh(log(1 + eˣ))", "gx = go · (t + x · (1 − t²) · σ(x))"),
    "HardTanh": ("y = min(max(x, low), high)", "gx = go where low < x < high, else 0"),
    "HardSwish": (
        "y = x · min(max(x + 3, 0), 6) / 6",
        "gx = go · (x/3 + 1/2) where |x| < 3,  go where x ≥ 3,  else 0",
    ),
    "Threshold": ("y = x where x > threshold, else value", "gx = go where x > threshold, else 0"),
    "Softplus": ("y = log(1 + exp(β · x)) / β", "gx = go · σ(β · x)"),
    "Softmax": ("y = exp(x) / Σ exp(x)", "gx = y · (go − Σ(go · y))"),
    "LogSoftmax": ("y = x − log(Σ exp(x))", "gx = go − exp(y) · Σ go"),
    "Dropout": ("y = x · mask / (1 − p)", "gx = go · mask / (1 − p)"),
    # Products
    "MatrixMultiply": ("y = a @ b", "ga = go @ bᵀ,  gb = aᵀ @ go"),
    "BatchMM": (
        "y = vectors @ matrixᵀ + b",
        "gmatrix = goᵀ @ vectors,  gvectors = go @ matrix,  gb = Σ go over the rows",
    ),
    "Attention": (
        "y = p @ v,  p = softmax(scale · q @ kᵀ + mask)",
        "gv = pᵀ @ go,  gp = go @ vᵀ,  gs = p · (gp − Σ(gp · p)),  "
        "gq = scale · gs @ k,  gk = scale · gsᵀ @ q,  gmask = gs",
    ),
    "Conv2d": (
        "y = x ⋆ w + b  (each output pixel: the sum of a window of x times w)",
        "gx = go spread over the windows by w,  gw = x ⋆ go,  gb = Σ go over N, H, W",
    ),
    "Conv3d": (
        "y = x ⋆ w + b  (each output voxel: the sum of a window of x times w)",
        "gx = go spread over the windows by w,  gw = x ⋆ go,  gb = Σ go over N, D, H, W",
    ),
    "Unfold": ("y = the windows of x, side by side", "gx = go, each element added where it was"),
    "Fold": ("y = the windows in x, added where they belong", "gx = the windows of go"),
    "Solve": ("y = a⁻¹ @ b", "gb = a⁻ᵀ @ go,  ga = −gb @ yᵀ"),
    "SolveTriangular": (
        "y = a⁻¹ @ b,  a triangular",
        "gb = a⁻ᵀ @ go,  ga = −gb @ yᵀ, in the triangle",
    ),
    "Inverse": ("y = a⁻¹", "ga = −yᵀ @ go @ yᵀ"),
    "Determinant": ("y = det(a)", "ga = go · y · a⁻ᵀ"),
    "LogDeterminant": ("y₀ = the sign of det(a),  y₁ = log |det(a)|", "ga = go₁ · a⁻ᵀ"),
    "MaxPool2d": (
        "y = the maximum of each window",
        "gx = go at each window's (first) maximum, else 0",
    ),
    "AvgPool2d": ("y = the mean of each window", "gx = go / window size, spread over the window"),
    # Recurrent layers
    "Lstm": (
        "i, f, g, o = σ, σ, tanh, σ of (x_t @ w_ihᵀ + h_{t−1} @ w_hhᵀ + b),  "
        "c_t = f · c_{t−1} + i · g,  h_t = o · tanh(c_t)",
        "from the last t to the first:  gc_t += gh_t · o · (1 − tanh²(c_t)),  "
        "gc_{t−1} = gc_t · f,  gz = the gradient of what is in the brackets,  "
        "gx_t = gz @ w_ih,  gh_{t−1} += gz @ w_hh,  "
        "gw_ih = Σ gzᵀ @ x_t,  gw_hh = Σ gzᵀ @ h_{t−1},  gb = Σ gz",
    ),
    "Gru": (
        "r, z = σ of (x_t @ w_ihᵀ + b0 + h_{t−1} @ w_hhᵀ + b1),  "
        "n = tanh(x_t @ w_ihᵀ + b0 + r · (h_{t−1} @ w_hhᵀ + b1)),  h_t = (1 − z) · n + z · h_{t−1}",
        "from the last t to the first, as in an LSTM",
    ),
    # Reductions
    "Sum": ("y = Σ x", "gx = go, repeated along the summed axes"),
    "Mean": ("y = Σ x / n", "gx = go / n, repeated along the reduced axes"),
    "Max": ("y = max(x)", "gx = go at the maximum, shared between equal ones, else 0"),
    "Min": ("y = min(x)", "gx = go at the minimum, shared between equal ones, else 0"),
    "Prod": ("y = Π x", "gx = go · (the product of the others)"),
    "Var": ("y = Σ((x − mean)²) / (n − correction)", "gx = go · 2 · (x − mean) / (n − correction)"),
    "Std": ("y = √(Var(x))", "gx = go · (x − mean) / ((n − correction) · y)"),
    "Norm": ("y = √(Σ(x²))", "gx = go · x / y"),
    "LogSumExp": ("y = log(Σ exp(x))", "gx = go · exp(x − y)"),
    "CumulativeSum": (
        "y = x₀, x₀ + x₁, x₀ + x₁ + x₂, …",
        "gx = the sums of go from each place to the end",
    ),
    "RowMax": ("y = the maximum of each row", "gx = go at the (first) maximum, else 0"),
    "RowSum": ("y = the sum of each row", "gx = go, repeated along the row"),
    # Losses and normalization
    "Weighted": ("y = w · x", "gw = go · x,  gx = go · w"),
    "CrossEntropy": (
        "y = −log(softmax(x)[target]), for each row",
        "gx = go · (softmax(x) − onehot(target))",
    ),
    "BatchNorm": (
        "y = w · z + b,  z = (x − mean) / √(var + ε), for each channel",
        "gx = w / √(var + ε) · (go − mean(go) − z · mean(go · z)),  gw = Σ(go · z),  gb = Σ go",
    ),
    "LayerNorm": (
        "y = w · z + b,  z = (x − mean) / √(var + ε), for each row",
        "gx = (h − mean(h) − z · mean(h · z)) / √(var + ε),  h = go · w,  "
        "gw = Σ(go · z),  gb = Σ go",
    ),
    "Normalize": ("y = x / Σ x, for each row", "gx = (go − Σ(go · y)) / Σ x"),
    # Shapes and indices
    "Reshape": ("y = x in another shape", "gx = go in the shape of x"),
    "Transpose": ("y = x with its axes in another order", "gx = go with the axes put back"),
    "Squeeze": ("y = x without an axis of size 1", "gx = go with the axis put back"),
    "Unsqueeze": ("y = x with a new axis of size 1", "gx = go without the axis"),
    "Broadcast": ("y = x repeated to fill the shape", "gx = Σ go over the repeated axes"),
    "Expand": ("y = x repeated along an axis", "gx = Σ go along the axis"),
    "Concat": ("y = the inputs joined along an axis", "each input gets its part of go"),
    "Unstack": ("y₀, y₁, … = the parts of x along an axis", "gx = the go of the parts, joined"),
    "GetItem": ("y = x[key]", "gx = zeros, with go at the key"),
    "SetItem": (
        "a copy of x, with y at the key",
        "gy = go at the key,  gx = go, with 0 at the key",
    ),
    "Take": ("y = the parts of x at the indices", "gx = zeros, with go added at the indices"),
    "Select": ("y = one element of each row, x[i, index[i]]", "gx = zeros, with go at the index"),
    "ScatterAdd": ("y = zeros, with x added at the indices", "gx = go at the indices"),
    "Roll": ("y = x moved round along an axis", "gx = go moved back"),
    "Tie": ("the outputs are the inputs", "the gradients of the inputs are those of the outputs"),
    "Cast": ("y = x in another dtype", "gx = go in the dtype of x"),
}  # fmt: skip
