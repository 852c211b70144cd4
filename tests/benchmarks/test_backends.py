"""What `python -m benchmarks.backends` counts, and what `python -m benchmarks.losses` says."""

from __future__ import annotations

import pytest

from benchmarks import losses
from benchmarks.backends import SECOND, TABLE, Found, cell

VALUE = f"{TABLE}::test_value_and_gradient"


@pytest.mark.parametrize(
    ("column", "expected"),
    [("op table", "1 of 3"), ("order 2", "1 of 2"), ("layers", "1 of 2"), ("capture", "–")],  # noqa: RUF001
)
def test_a_row_counts_where_all_its_tests_passed(column: str, expected: str) -> None:
    tests = [
        Found(f"{VALUE}[Exp]", "passed", "Exp", 2),
        Found(f"{TABLE}::{SECOND}[Exp]", "passed", "Exp", 2),
        Found(f"{VALUE}[Log]", "passed", "Log", 2),
        Found(f"{TABLE}::{SECOND}[Log]", "failed", "Log", 2),
        Found(f"{VALUE}[Fft]", "failed", "Fft", 1),
        Found(f"{TABLE}::{SECOND}[Fft]", "passed", "Fft", 1),
        Found("tests/nn/test_layers.py::test_linear", "passed"),
        Found("tests/nn/test_layers.py::test_large", "skipped"),
        Found("tests/functions/test_losses.py::test_ctc", "failed"),
    ]
    assert cell(column, tests) == expected


def test_losses_stand_side_by_side_with_their_largest_difference() -> None:
    same = {"weights": 1, "batches": 2, "masks": 3}
    runs = {
        "numpy": losses.Run([2.0, 1.0, 0.5], same),
        "torch": losses.Run([2.0, 1.1, 0.5], {**same, "masks": 4}),
    }
    page = losses.page("blitz", runs)
    assert "| blitz | numpy | torch |" in page
    assert "| step 3 | 0.5 | 0.5 |" in page
    assert "| largest difference of 3 steps |  | 1.0e-01 |" in page
    assert "Bits that are the same: weights, batches; that differ: masks." in page
