"""The page special_points.md shows what gradcore gives now; PyTorch and JAX are not needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from search.special_points import POINTS, Point, row

import gradcore

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "special_points.md"
LINES = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]


@pytest.mark.parametrize(
    ("point", "line"), list(zip(POINTS, LINES, strict=True)), ids=[point.name for point in POINTS]
)
def test_the_page_of_special_points_shows_what_gradcore_gives(point: Point, line: str) -> None:
    with gradcore.use_backend("numpy"):
        assert line.startswith(row(point) + " | "), "write it anew: tests/search/special_points.py"
    assert line.endswith(f" | {point.why} |")
