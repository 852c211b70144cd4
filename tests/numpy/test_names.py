"""NumPy's names against NumPy: values, dtypes, gradients, signatures, and what is missing."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import gradcore.numpy as gnp
from gradcore import TensorNode, check_gradients
from gradcore.backends import Backend, backend_of
from gradcore.engine.arrays import value_of

from .table import CONSTANT, DIFFERENTIABLE, arrays

ROUGH = {"float32": 2e-5, "float64": 1e-11}


def calls(text: str) -> Iterator[str]:
    """The calls in a text, between which are spaces outside of brackets."""
    depth, start = 0, 0
    for i, c in enumerate(text):
        depth += (c in "([") - (c in ")]")
        if c.isspace() and not depth:
            if text[start:i].strip():
                yield text[start:i].strip()
            start = i
    assert not depth


def evaluate(call: str, module: Any, given: dict[str, Any]) -> Any:
    return eval(call, {name: getattr(module, name) for name in module.__all__} | given)


def parts(x: Any) -> list[Any]:
    return [part for p in x for part in parts(p)] if isinstance(x, tuple | list) else [x]


def expected_dtype(kind: str) -> str:
    """NumPy's dtype, or the widest that the backend's device has."""
    narrow = {"float64": "float32", "complex128": "complex64", "float16": "float32"}
    there = gnp.zeros(0, kind).dtype
    return kind if str(there).rpartition(".")[2] == kind else narrow[kind]


def compare(found: Any, wanted: Any, dtype: str) -> str:
    """What is different, in words."""
    found, wanted = parts(found), parts(wanted)
    if len(found) != len(wanted):
        return f"{len(found)} results, not {len(wanted)}"
    for a, b in zip(found, wanted, strict=True):
        a = value_of(a)
        if isinstance(a, type) or not hasattr(a, "dtype"):
            if a != b:
                return f"{a!r}, not {b!r}"
            continue
        b = np.asarray(b)
        kind = str(a.dtype).rpartition(".")[2]
        a = backend_of(a).to_numpy(a)
        if kind != expected_dtype(b.dtype.name):
            return f"dtype {kind}, not {b.dtype}"
        if a.shape != b.shape:
            return f"shape {a.shape}, not {b.shape}"
        rough = ROUGH["float32" if kind in ("float32", "complex64") else dtype]
        scale = max(1.0, float(np.abs(b[np.isfinite(b)]).max(initial=0)))
        if not np.allclose(a, b, rtol=rough, atol=rough * scale, equal_nan=True):
            return f"{a}, not {b}"
    return ""


@pytest.mark.parametrize("kind", ["arrays", "nodes"])
def test_values_and_dtypes_are_numpys(backend: Backend, dtype: str, kind: str) -> None:
    host = arrays(dtype)
    there = {name: backend.asarray(x) for name, x in host.items()}
    if kind == "nodes":
        there = {name: TensorNode(x) for name, x in there.items()}
    wrong = []
    for call in [*calls(DIFFERENTIABLE), *calls(CONSTANT)]:
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            wanted = evaluate(call, np, host)
        try:
            found = evaluate(call, gnp, there)
            problem = compare(found, wanted, dtype)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        if problem:
            wrong.append(f"{call}: {problem}")
    assert not wrong, f"{len(wrong)}\n" + "\n".join(wrong)


def test_gradients_are_central_differences() -> None:
    host = arrays("float64")
    floats = [name for name, x in host.items() if x.dtype.kind in "fc"]
    wrong = []
    for call in calls(DIFFERENTIABLE):
        used = [name for name in floats if name in named(call)]

        def f(*xs: Any, call: str = call, used: list[str] = used) -> Any:
            found = evaluate(call, gnp, host | dict(zip(used, xs, strict=True)))
            return [y for y in parts(found) if hasattr(y, "dtype")]

        try:
            check_gradients(f, *[host[name] for name in used], order=1)
        except Exception as error:
            wrong.append(f"{call}: {type(error).__name__}: {error}")
    assert not wrong, f"{len(wrong)}\n" + "\n".join(wrong)


def named(call: str) -> set[str]:
    return set(compile(call, "", "eval").co_names) | {
        name
        for c in compile(call, "", "eval").co_consts
        if hasattr(c, "co_names")
        for name in c.co_names
    }
