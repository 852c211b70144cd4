"""The examples' pictures: what their axes show."""

from __future__ import annotations

import io
from typing import Any

import pytest
from harness import pictures, schema


@pytest.mark.parametrize(
    ("kind", "values", "axis"),
    [
        (schema.fraction, [0.971, 0.974], (0.9, 1)),
        (schema.fraction, [0.1, 0.974], (0, 1)),
        (schema.number, [1.2, 1.3], (0, None)),  # from 0
        (schema.number, [-95.0, -94.0], (-104, -85)),
    ],
)
def test_noise_looks_small_in_curves(
    monkeypatch: pytest.MonkeyPatch, kind: Any, values: list[float], axis: tuple[float, float]
) -> None:
    figure = pictures.new_figure(9, 3.8)
    monkeypatch.setattr(pictures, "new_figure", lambda *_: figure)
    lines = [{"curve": [2.0, 1.0], "val_loss": 1.0, "x": x} for x in values]
    metrics = [schema.Metric("val_loss", "loss"), schema.Metric("x", "x", kind=kind)]
    pictures.draw_curves([lines], "title", io.BytesIO(), metrics)
    loss, axes = figure.axes
    assert loss.get_ylim()[0] == 0
    low, high = axes.get_ylim()
    assert low == pytest.approx(axis[0], rel=0.02)
    assert axis[1] is None or high == pytest.approx(axis[1], rel=0.02)
    assert [a.get_xlabel() for a in figure.axes] == ["epochs", "epochs"]
    assert [a.get_ylabel() for a in figure.axes] == ["loss per instance", "x"]
