"""Differentiate the functions of array-api-extra as they are.

    python tests/search/extra_functions.py                   all
    python tests/search/extra_functions.py --only at         some; --show prints tracebacks
    python tests/search/extra_functions.py --backend strict  nodes of another library's arrays

rows.py says what the words mean. Needs `pip install array-api-extra`. Functions of integers
(`isin`, `unravel_index`, `tril_indices`, ...) are used to choose elements of x.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    tests = Path(__file__).parents[1]
    sys.path[:0] = [str(tests.parent), str(tests), str(tests / "helpers")]
    import program  # noqa: F401

import array_api_extra as xpx
import numpy as np
from search.rows import Row, like, main

from gradcore import namespace

__all__ = ["EXPLAINED", "ROWS"]

RNG = np.random.default_rng(3)
V = np.array([0.9, -1.7, 0.4, 2.2, -0.3, 1.1])
M = RNG.normal(size=(4, 3))
N = RNG.normal(size=(2, 3))
HOLES = np.where(M > 0.8, np.nan, M)  # with NaN
W = RNG.uniform(0.5, 1.5, size=3)
COUNTS = np.array([1, 3, 2])


def at(name: str, how: str, key: Any, y: Any = 2.0) -> Row:
    """Change a copy of x, by a number or by what is computed of x."""

    def call(x: Any) -> Any:
        k = key(x) if callable(key) else key
        z = y(x) if callable(y) else y
        return getattr(xpx.at(x, k), how)(z, copy=True)

    return Row(f"at.{how} {name}", call, M)


def filled(name: str, how: str, key: Any) -> Row:
    """Change constants by x, in place."""

    def call(x: Any) -> Any:
        xp = namespace(x)
        y = xp.ones((5, 3), dtype=x.dtype, device=x.device)
        return getattr(xpx.at(y)[key(x) if callable(key) else key], how)(x[0, :], copy=False)

    return Row(f"at.{how} in place, {name}", call, M)


def taken(name: str, find: Callable[[Any, Any], Any]) -> Row:
    """The elements of x at places that the function finds; x is a matrix (4, 3)."""
    return Row(name, lambda x: x[find(x, namespace(x))], M)


def mask(x: Any) -> Any:
    return x > 0.1


# fmt: off
ROWS = [
    at("number", "set", (1, 2)), at("slice", "set", slice(1, 3)), at("mask", "set", mask),
    at("mask, by x", "set", (0, slice(None)), lambda x: x[1, :] ** 2),
    at("slice, by x", "set", (slice(None, None, 2), 1), lambda x: x[:2, 0]),
    at("mask, by a number of x", "set", mask, lambda x: namespace(x).sum(x)),
    at("array", "set", lambda x: like(x, [0, 2]), lambda x: x[1:3, :]),
    *[at("slice, by x", how, slice(1, 3), lambda x: 1.5 + x[:2, :] ** 2)
      for how in ("add", "subtract", "multiply", "divide", "min", "max")],
    at("slice, by x", "power", slice(1, 3)),
    at("mask", "add", mask), at("mask", "multiply", mask), at("mask", "min", mask),
    filled("row", "set", 2), filled("column", "add", slice(1, 4)),
    filled("mask", "multiply", lambda x: like(x, [True, False, True, True, False])),
    Row("angle", lambda x: xpx.angle(x), V),
    Row("apply_where", lambda x: xpx.apply_where(x > 0, x, lambda x: x**2, lambda x: -(x**3)), V),
    Row("apply_where, filled", lambda x: xpx.apply_where(
        x > 0, x, lambda x: namespace(x).log(x), fill_value=0.0), V),
    Row("apply_where of two", lambda x: xpx.apply_where(
        x > 0, (x, x[::-1]), lambda x, y: x * y, lambda x, y: x - y), V),
    taken("argpartition", lambda x, xp: xpx.argpartition(x[:, 0], 1)),
    Row("atleast_nd", lambda x: xpx.atleast_nd(x, ndim=3), V),
    Row("cov", lambda x: xpx.cov(x), M), Row("cov of a vector", lambda x: xpx.cov(x), V),
    Row("cov, weighted", lambda x: xpx.cov(
        x, fweights=like(x, COUNTS), aweights=like(x, W)), M),
    Row("cov by weights", lambda w: xpx.cov(like(w, M), aweights=w), W),
    Row("cov along an axis", lambda x: xpx.cov(x, axis=0, correction=0), M),
    Row("create_diagonal", lambda x: xpx.create_diagonal(x, offset=1), V),
    Row("create_diagonal of a stack", lambda x: xpx.create_diagonal(x, offset=-1), M),
    Row("default_dtype", lambda x: namespace(x).astype(
        x, xpx.default_dtype(namespace(x), "real floating")), V),
    Row("deg2rad", lambda x: xpx.deg2rad(x), V), Row("rad2deg", lambda x: xpx.rad2deg(x), V),
    taken("diag_indices", lambda x, xp: xpx.diag_indices(3, xp=xp)),
    taken("tril_indices", lambda x, xp: xpx.tril_indices(3, xp=xp)),
    taken("triu_indices", lambda x, xp: xpx.triu_indices(3, offset=1, xp=xp)),
    taken("isclose", lambda x, xp: xpx.isclose(x, x[:, :1])),
    taken("isin", lambda x, xp: xpx.isin(like(x, [1, 2, 3, 4]), like(x, [2, 4]))),
    Row("kron", lambda x: xpx.kron(x, like(x, N)), M),
    Row("kron with itself", lambda x: xpx.kron(x, x), V),
    Row("lazy_apply", lambda x: xpx.lazy_apply(lambda a: a**2, x), V),
    Row("lazy_apply of NumPy's", lambda x: xpx.lazy_apply(lambda a: a**2, x, as_numpy=True), V),
    Row("nan_to_num", lambda x: xpx.nan_to_num(x, fill_value=0.5), HOLES),
    *[Row(f.__name__, lambda x, f=f: f(x, axis=1), HOLES)
      for f in (xpx.nanmax, xpx.nanmin, xpx.nanmean, xpx.nansum)],
    Row("nansum of all", lambda x: xpx.nansum(x), HOLES),
    taken("nunique", lambda x, xp: int(xpx.nunique(like(x, COUNTS)))),
    Row("one_hot", lambda x: xpx.one_hot(like(x, COUNTS), 4, dtype=x.dtype) * x[:3, None], V),
    Row("pad", lambda x: xpx.pad(x, ((1, 2), (0, 1)), constant_values=3.0), M),
    Row("pad by one number", lambda x: xpx.pad(x, 1), M),
    Row("partition", lambda x: namespace(x).sort(xpx.partition(x, 2)), V),
    Row("partition along an axis", lambda x: xpx.partition(x, 1, axis=0)[1, :], M),
    taken("searchsorted", lambda x, xp: xpx.searchsorted(like(x, [-0.5, 0.5]), x[:, 0])),
    Row("setdiff1d", lambda x: xpx.setdiff1d(x, x[:2]), V),
    Row("sinc", lambda x: xpx.sinc(x), V),
    Row("sinc at 0", lambda x: xpx.sinc(x), np.array([0.0, 0.5])),
    Row("union1d", lambda x: xpx.union1d(x, like(x, [0.1, 0.2])), V),
    taken("unravel_index", lambda x, xp: xpx.unravel_index(like(x, [5, 7, 11]), (4, 3))),
]
# fmt: on

EXPLAINED = [
    ("lazy_apply of NumPy's", "the function is asked to compute with NumPy's arrays"),
]

if __name__ == "__main__":
    raise SystemExit(main(f"array-api-extra {xpx.__version__}", ROWS, EXPLAINED))
