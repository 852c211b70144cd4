"""Runs of the examples, in this process, and what they leave behind."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness.record import Epoch

import gradcore
from gradcore.backends import get


def call(example: Any, *flags: object, on: tuple[str, Any] = ("numpy", None)) -> int:
    """`python examples/EXAMPLE.py FLAGS`, on that backend and device; gives the exit status."""
    with pytest.MonkeyPatch.context() as patch, gradcore.use_backend(*on):
        patch.setattr(sys, "argv", [f"{example.__name__}.py", *map(str, flags)])
        try:
            return example.main()
        except SystemExit as stop:
            return int(str(stop.code))


def losses(example: Any, *flags: object, on: tuple[str, Any] = ("numpy", None)) -> list[float]:
    """The loss of each step of such a run."""
    seen: list[float] = []
    add = Epoch.add

    def spy(self: Any, loss: Any, *args: Any, **options: Any) -> None:
        seen.append(float(loss))
        add(self, loss, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Epoch, "add", spy)
        assert call(example, "--quiet", *flags, on=on) == 0
    return seen


def compare_losses(example: Any, flags: list[Any], on: tuple[str, Any]) -> None:
    """See that such a run gives NumPy's losses on that backend: in float64, if it is there."""
    backend = get(*on)
    has = backend.xp.__array_namespace_info__().dtypes(device=backend.device)
    if example.__name__ == "gp" and "float64" not in has:
        pytest.skip("it computes in float64 only")
    dtype, rtol = ("float64", 1e-6) if "float64" in has else ("float32", 1e-3)
    ours, theirs = (losses(example, *flags, "--dtype", dtype, on=x) for x in (on, ("numpy", None)))
    np.testing.assert_allclose(ours, theirs, rtol=rtol)


def refused(capsys: pytest.CaptureFixture[str], status: int) -> str:
    """The one line on stderr."""
    errors = capsys.readouterr().err
    assert status == 2
    assert errors.count("\n") == 1, errors
    assert errors.partition(": ")[0].endswith(".py")
    return errors


def metrics(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def result(out: Path) -> dict[str, Any]:
    return json.loads((out / "summary.json").read_text())


def without_times(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    times = {"seconds", "instances_per_second"}
    return [{k: v for k, v in line.items() if k not in times} for line in lines]
