"""Random programs agree with PyTorch: a few here, for long by random_programs.py."""

from __future__ import annotations

import numpy as np
import pytest

from gradcore import ops
from gradcore.backends import get

pytest.importorskip("torch")

from search.random_programs import search

PROGRAMS = 250


@pytest.mark.parametrize("precision", ["float16", "float32", "float64"])
def test_random_programs_agree_with_pytorch(precision: str) -> None:
    found = [
        f for f in search(get("numpy"), precision, 60.0, 1, count=PROGRAMS) if f and not f.reason
    ]
    assert not found, "\n".join(map(str, found[:3]))


def test_the_search_finds_a_wrong_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops.Exp, "backward", staticmethod(lambda context, go: go * 1.001))
    found = [f for f in search(get("numpy"), "float64", 60.0, 1, only="Exp", most=1, count=20) if f]
    assert {"gradient wrong"} <= {f.kind for f in found}


def test_the_search_finds_a_number_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(context: dict[str, object], x: np.ndarray) -> np.ndarray:
        context["y"] = y = np.nan_to_num(np.sqrt(x))
        return y

    monkeypatch.setattr(ops.Sqrt, "forward", staticmethod(forward))
    found = [
        f for f in search(get("numpy"), "float64", 60.0, 1, only="Sqrt", most=1, count=60) if f
    ]
    assert "value invented" in {f.kind for f in found}
