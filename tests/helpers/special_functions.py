"""Checks of the kernels of special functions, for each topic: exact as the golden values say, the
definition's on every backend, and in 16 bits those of float32, rounded once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradcore.backends import Backend

BITS = {"float16": 2.0**-11, "float32": 2.0**-24, "float64": 2.0**-53}


def kernel(owner: Any, name: str, *first: Any) -> Any:
    """The kernel of that name, or of "polygamma 2", as a function of its arrays; `owner` may be the
    class that defines it."""
    function, _, n = name.partition(" ")
    return lambda *x: getattr(owner, function)(*first, *([int(n)] if n else []), *x)


def has(backend: Backend, precision: str) -> bool:
    known = backend.xp.__array_namespace_info__().dtypes(device=backend.device)
    return precision in known or (precision == "float16" and hasattr(backend.xp, precision))


def check_values(backend: Backend, dtype: str, topic: str, name: str, allowed: float = 8) -> None:
    """Allow so many units in the last place of the scale that tests/golden/special/ has: the value
    or, say, the larger term of a reflection."""
    path = Path(__file__).parents[1] / "golden" / "special" / f"{topic}.json"
    limits = np.finfo(dtype)
    table = np.array(json.loads(path.read_text())[name])
    scale = table[:, -1]
    table = table[(scale < limits.max) & (scale > 1e3 * limits.tiny)]
    assert len(table) > 50
    *x, y, scale = table.T
    found = kernel(backend, name)(*(backend.asarray(a, dtype) for a in x))
    assert found.dtype == backend.dtype(dtype)
    errors = abs(backend.to_numpy(found).astype("float64") - y) / (scale * limits.eps)
    assert errors.max() < allowed, (errors.max(), [a[errors.argmax()] for a in x])


def check_points(backend: Backend, dtype: str, name: str, *given: list[float]) -> None:
    """The last list has the values where the others are the arguments; any NaN is right for NaN."""
    *arrays, expected = (np.array(g).reshape(1, -1, 1) for g in given)
    y = kernel(backend, name)(*(backend.asarray(a, dtype) for a in arrays))
    np.testing.assert_array_equal(backend.to_numpy(y), expected)


def check_definition(backend: Backend, dtype: str, name: str, *x: np.ndarray) -> None:
    """A backend's own kernel is close to the definition."""
    arrays = [backend.asarray(a, dtype) for a in x]
    found, base = (
        backend.to_numpy(kernel(*o)(*arrays)) for o in ((backend, name), (Backend, name, backend))
    )
    np.testing.assert_allclose(found, base, 1e-3 if dtype == "float32" else 1e-11)


def check_float16(backend: Backend, name: str, *x: np.ndarray) -> None:
    if not has(backend, "float16"):
        pytest.skip("no float16")
    halves = [a.astype("float16") for a in x]
    function = kernel(backend, name)
    with np.errstate(over="ignore", invalid="ignore"):
        found = function(*(backend.asarray(a) for a in halves))
        wide = function(*(backend.asarray(a.astype("float32")) for a in halves))
        expected = backend.to_numpy(wide).astype("float16")
    assert found.dtype == backend.dtype("float16")
    np.testing.assert_array_equal(backend.to_numpy(found), expected)
