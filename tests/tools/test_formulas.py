"""The formulas that `show` writes beside the ops: each equation that Python can read is computed,
and compared with the op and its gradient."""

# ruff: noqa: RUF001 (signs of mathematics)
from __future__ import annotations

import inspect
import re
from functools import partial
from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore import TensorNode
from gradcore.tools.formulas import FORMULAS

SIGNS = {"·": "*", "−": "-", "²": "**2", "³": "**3", "√": "sqrt", "∛": "cbrt"}
SIGNS |= {"eˣ": "exp(x)", "e⁻ˣ": "exp(-x)", "aᵇ⁻¹": "a**(b - 1)", "aᵇ": "a**b"}
SIGNS |= {"⁻ᵀ": ".I.T", "⁻¹": ".I", "ᵀ": ".T", "₂": "2", "₁₀": "10", "≥": ">="}
AXIS = {"LayerNorm": 0, "BatchNorm": 0, "BatchMM": 0}  # of Σ; the last in others
SHAPES = {"BatchNorm": [(5, 1), (1,), (1,)], "LayerNorm": [(1, 5), (5,), (5,)]}
SHAPES |= {name: [(1, 5)] for name in ("Sum", "Mean", "Var", "Std", "Norm", "LogSumExp")}
SHAPES |= {name: [(1, 5)] for name in ("Max", "Min")}
SHAPES["BatchMM"] = [(3, 3), (3, 3), (3,)]
CONSTANTS: dict[str, dict[str, Any]] = {
    "LeakyRelu": {"negative_slope": 0.3},
    "Elu": {"alpha": 0.7},
    "Softplus": {"beta": 1.5, "threshold": 20.0},
    "HardTanh": {"min_val": -0.5, "max_val": 0.5},
    "Threshold": {"threshold": 0.4, "value": 2.0},
    "Attention": {"scale": 0.6},
    "Var": {"correction": 0.5},
    "Std": {"correction": 0.5},
    "LayerNorm": {"eps": 0.1},
    "BatchNorm": {"eps": 0.1},
    "Masked": {"mask": np.eye(3, dtype=bool)},
    "CrossEntropy": {"targets": np.array([2, 0, 1])},
    "SolveTriangular": {"upper": True},
}
NUMPY = "abs acos acosh asin asinh atan atanh cbrt cos cosh exp log log10 log2 sign sin sinh"
NUMPY += " sqrt tan tanh triu where"
POSITIVE = {"Log", "Log1p", "Log2", "Log10", "Sqrt", "Power", "Logit", "Entropy", "LogGamma"}


class Array(np.ndarray):
    """A matrix, which may be called if it is a mean."""

    I = property(np.linalg.inv)  # noqa: E741

    def __call__(self, x: Any) -> Any:
        return x.mean()


def python(text: str) -> str:
    """Write an equation as Python has it."""
    text = re.sub(r"= (.*), in the triangle", r"= triu(\1)", text)
    text = re.sub(r"( over|,? repeated|, for) .*", "", text)
    text = re.sub(r"= (.*) where (.*), else (.*)", r"= where(\2, \1, \3)", text)
    text = re.sub(r"= (.*) where (.*)", r"= where(\2, \1, 0)", text)
    text = re.sub(r"Σ (\w+\(\w+\)|\w+)", r"Σ(\1)", text)
    text = re.sub(r"(\w+) < (\w) < (\w+)", r"(\1 < \2) & (\2 < \3)", text)
    text = re.sub(r"\|(\w+)\|", r"abs(\1)", text)
    for sign, code in SIGNS.items():
        text = text.replace(sign, code)
    return text


def computed(equations: str, known: dict[str, Any]) -> dict[str, Any]:
    """Compute what equations define, as far as they are Python; some may need later ones."""
    found: dict[str, Any] = {}
    pieces = [python(piece).partition(" = ") for piece in equations.split(",  ")]
    for _ in pieces:
        for name, _sign, code in pieces:
            try:
                found[name] = eval(code, {}, known | found)
            except (NameError, SyntaxError):
                continue  # words, or a name that a later equation defines
    return found


def test_formulas_are_what_the_ops_compute() -> None:
    special = pytest.importorskip("scipy.special", reason="computes functions to compare with")
    functions: dict[str, Any] = {name: getattr(np, name) for name in NUMPY.split()}
    functions |= {"erf": special.erf, "σ": special.expit, "Φ": special.ndtr, "ψ": special.digamma}
    functions |= {"π": np.pi, "φ": lambda x: np.exp(-x * x / 2) / np.sqrt(2 * np.pi)}
    functions |= {"softmax": lambda x: special.softmax(x, axis=-1), "det": np.linalg.det}
    functions |= {"max": lambda *x: np.maximum(*x) if len(x) > 1 else x[0].max()}
    functions |= {"min": lambda *x: np.minimum(*x) if len(x) > 1 else x[0].min()}
    functions |= {"onehot": lambda t: np.eye(3)[t], "Var": lambda x: x.var(ddof=0.5)}
    rng, checked = np.random.default_rng(0), []
    for name, formulas in FORMULAS.items():
        op, constants = getattr(gradcore.ops, name), CONSTANTS.get(name, {})
        parameters = list(inspect.signature(op.forward).parameters.values())[1:]
        names = [p.name for p in parameters if p.kind < p.KEYWORD_ONLY and p.default is p.empty]
        if name in ("Lstm", "Gru", "Conv2d", "Conv3d"):
            continue  # of which the formulas are no single line of Python
        shapes = SHAPES.get(name, [(3, 3)] * len(names))
        names = names[: len(shapes)]  # without what may be given besides
        low = 1.2 if name == "Acosh" else 0.1 if name in POSITIVE else -0.9
        arrays = [rng.uniform(low, low + (0.8 if low > 0 else 1.8), shape) for shape in shapes]
        if name == "Where":
            arrays[0] = arrays[0] > 0
        if name == "SolveTriangular":
            arrays[0] = np.triu(arrays[0]) + np.eye(3)
        nodes = [TensorNode(x) if x.dtype != bool else x for x in arrays]
        try:
            y = op.do_forward(*nodes, **constants)
        except (TypeError, ValueError):  # it needs other arguments; its formulas are words
            continue
        y = y[0] if isinstance(y, tuple) else y
        go = rng.uniform(0.5, 1.5, y.shape)
        gradcore.sum(y * go).backward()
        x = arrays[0]
        known = {n: a.view(Array) for n, a in zip(names, arrays, strict=True)} | functions
        known["Σ"] = partial(np.sum, axis=AXIS.get(name, -1), keepdims=True)
        known |= {"n": x.size, "mean": np.asarray(x.mean()).view(Array), "var": x.var(), "ε": 0.1}
        known |= {"α": 0.7, "β": 1.5, "slope": known.get("slope", 0.3), "low": -0.5, "high": 0.5}
        known |= {"target": constants.get("targets"), **constants, "y": y.value.view(Array)}
        known["go"] = (go[:, None] if go.ndim == 1 else go).view(Array)  # of rows
        there = computed(formulas[0], known)
        back = computed(formulas[1], known | there)
        if "y" in there and name != "CrossEntropy":
            assert np.allclose(there["y"], y.value), f"{name}: {formulas[0]}"
            checked.append(f"{name} y")
        for node, n in zip(nodes, names, strict=True):
            if f"g{n}" in back:
                assert np.allclose(back[f"g{n}"], node.grad), f"{name}: g{n} of {formulas[1]}"
                checked.append(f"{name} g{n}")
    assert len(checked) >= 172


def test_formulas_name_ops_and_their_inputs() -> None:
    between = {"Attention": {"gp", "gs"}, "Lstm": {"gz", "gc_t", "gx_t"}}
    for name, (_, backward) in FORMULAS.items():
        op = getattr(gradcore.ops, name)
        inputs = {f"g{x}" for x in inspect.signature(op.forward).parameters}
        assert set(re.findall(r"(g\w+) \+?=", backward)) <= inputs | between.get(name, set()), name
