"""The numbers that the cases of the op table are tested with, and how results are compared."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

from .rows import Case, Draw, Raw, Row

GRID = 2.0**-12  # the numbers drawn are multiples of this, so float32 knows them exactly


def each(rows: Sequence[Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows, ids=lambda row: row.op.__name__)


def draw(spec: Draw, row: Row, rng: np.random.Generator) -> np.ndarray:
    """Numbers all different, in random order, on the grid."""
    low = row.low if spec.low is None else spec.low
    high = row.high if spec.high is None else spec.high
    n = math.prod(spec.shape)
    x = low + (high - low) * (rng.permutation(n) + rng.uniform(0.25, 0.75, n)) / max(n, 1)
    if spec.kind is float and row.avoid is not None:
        x = np.where(abs(x - row.avoid) < 0.1, x + 0.2, x)
    x = {bool: x > 0, int: np.floor(x), float: np.round(x / GRID) * GRID}[spec.kind]
    return x.astype(spec.kind).reshape(spec.shape)


@cache
def numbers(row: Row, case: Case) -> tuple[list[Any], dict[str, Any]]:
    """The case's inputs and constants."""
    rng = np.random.default_rng(zlib.crc32(f"{row.op.__name__} {case}".encode()))

    def drawn(x: Any) -> Any:
        if isinstance(x, Draw):
            matrix = draw(x, row, rng)
            is_prepared = row.prepare is not None and x.is_node and matrix.ndim > 1
            return np.round(row.prepare(matrix) / GRID) * GRID if is_prepared else matrix
        return np.asarray(x.values) if isinstance(x, Raw) else x

    return [drawn(x) for x in case.inputs], {key: drawn(x) for key, x in case.constants.items()}


def assert_close(actual: Any, expected: Any, tolerance: float, where: str) -> None:
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, where
    scale = max(0.1, abs(expected).max(initial=0))
    np.testing.assert_allclose(actual, expected, tolerance, tolerance * scale, err_msg=where)


def as_tuple(x: Any) -> tuple[Any, ...]:
    return x if isinstance(x, tuple) else (x,)
