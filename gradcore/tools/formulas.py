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
    "Power": ("y = aᵇ", "ga = go · b · aᵇ⁻¹,  gb = go · y · log a"),
    "Square": ("y = x²", "gx = go · 2x"),
    "Absolute": ("y = |x|", "gx = go · sign(x)"),
    "Id": ("y = x", "gx = go"),
    "Maximum": ("y = max(a, b)", "ga = go where a > b,  gb = go where b > a;  half where equal"),
    "Minimum": ("y = min(a, b)", "ga = go where a < b,  gb = go where b < a;  half where equal"),
    "Where": ("y = a where condition, else b", "ga = go where condition,  gb = go elsewhere"),
    "Masked": ("y = x where mask, else 0", "gx = go where mask, else 0"),
    # Functions of one array
    "Exp": ("y = eˣ", "gx = go · y"),
    "Expm1": ("y = eˣ − 1", "gx = go · (y + 1)"),
    "Log": ("y = log x", "gx = go / x"),
    "Log1p": ("y = log(1 + x)", "gx = go / (1 + x)"),
    "Log2": ("y = log₂ x", "gx = go / (x log 2)"),
    "Log10": ("y = log₁₀ x", "gx = go / (x log 10)"),
    "Sqrt": ("y = √x", "gx = go / 2y"),
    "Sin": ("y = sin x", "gx = go · cos x"),
    "Cos": ("y = cos x", "gx = −go · sin x"),
    "Tan": ("y = tan x", "gx = go · (1 + y²)"),
    "Tanh": ("y = tanh x", "gx = go · (1 − y²)"),
    "Sinh": ("y = sinh x", "gx = go · cosh x"),
    "Cosh": ("y = cosh x", "gx = go · sinh x"),
    "Erf": ("y = erf x", "gx = go · 2/√π · exp(−x²)"),
    # Activations
    "Sigmoid": ("y = 1 / (1 + e⁻ˣ)", "gx = go · y · (1 − y)"),
    "Relu": ("y = max(x, 0)", "gx = go where y > 0, else 0"),
    "LeakyRelu": ("y = x where x > 0, else slope · x", "gx = go where x > 0, else slope · go"),
    "Elu": ("y = x where x > 0, else α (eˣ − 1)", "gx = go where x > 0, else go · α eˣ"),
    "Gelu": ("y = x · Φ(x)", "gx = go · (Φ(x) + x · φ(x))"),
    "Silu": ("y = x · σ(x)", "gx = go · (σ(x) + x · σ(x) (1 − σ(x)))"),
    "Softplus": ("y = log(1 + exp(βx)) / β", "gx = go · σ(βx)"),
    "Softmax": ("y = exp(x) / Σ exp(x)", "gx = y · (go − Σ go · y)"),
    "LogSoftmax": ("y = x − log Σ exp(x)", "gx = go − exp(y) · Σ go"),
    "Dropout": ("y = x · mask / (1 − p)", "gx = go · mask / (1 − p)"),
    # Products
    "MatrixMultiply": ("y = a @ b", "ga = go @ bᵀ,  gb = aᵀ @ go"),
    "BatchMM": (
        "y = vectors @ matrixᵀ + b",
        "gmatrix = goᵀ @ vectors,  gvectors = go @ matrix,  gb = Σ go over the rows",
    ),
    "Attention": (
        "y = p @ v,  p = softmax(scale · q @ kᵀ + mask)",
        "gv = pᵀ @ go,  gp = go @ vᵀ,  gs = p · (gp − Σ gp · p),  "
        "gq = scale · gs @ k,  gk = scale · gsᵀ @ q",
    ),
    "Conv2d": (
        "y = x ⋆ w + b  (each output pixel: the sum of a window of x times w)",
        "gx = go spread over the windows by w,  gw = x ⋆ go,  gb = Σ go over N, H, W",
    ),
    "MaxPool2d": ("y = the maximum of each window", "gx = go at each window's maximum, else 0"),
    "AvgPool2d": ("y = the mean of each window", "gx = go / window size, spread over the window"),
    # Reductions
    "Sum": ("y = Σ x", "gx = go, repeated along the summed axes"),
    "Mean": ("y = Σ x / n", "gx = go / n, repeated along the reduced axes"),
    "Max": ("y = max x", "gx = go at the maximum, shared between equal ones, else 0"),
    "Min": ("y = min x", "gx = go at the minimum, shared between equal ones, else 0"),
    "Prod": ("y = Π x", "gx = go · (the product of the others)"),
    "Var": ("y = Σ (x − mean)² / (n − correction)", "gx = go · 2 (x − mean) / (n − correction)"),
    "Std": ("y = √Var(x)", "gx = go · (x − mean) / ((n − correction) · y)"),
    "Norm": ("y = √(Σ x²)", "gx = go · x / y"),
    "LogSumExp": ("y = log Σ exp(x)", "gx = go · exp(x − y)"),
    "RowMax": ("y = the maximum of each row", "gx = go at the maximum, else 0"),
    "RowSum": ("y = the sum of each row", "gx = go, repeated along the row"),
    # Losses and normalization
    "CrossEntropy": (
        "y = −log softmax(x)[target], for each row",
        "gx = go · (softmax(x) − onehot(target))",
    ),
    "BatchNorm": (
        "y = w · z + b,  z = (x − mean) / √(var + ε), for each channel",
        "gx = w / √(var + ε) · (go − mean(go) − z · mean(go · z)),  gw = Σ go · z,  gb = Σ go",
    ),
    "LayerNorm": (
        "y = w · z + b,  z = (x − mean) / √(var + ε), for each row",
        "gx = (h − mean(h) − z · mean(h · z)) / √(var + ε),  h = go · w,  "
        "gw = Σ go · z,  gb = Σ go",
    ),
    "Normalize": ("y = x / Σ x, for each row", "gx = (go − Σ go · y) / Σ x"),
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
    "Take": ("y = the parts of x at the indices", "gx = zeros, with go added at the indices"),
    "Select": ("y = one element of each row, x[i, index[i]]", "gx = zeros, with go at the index"),
    "Cast": ("y = x in another dtype", "gx = go in the dtype of x"),
}  # fmt: skip
