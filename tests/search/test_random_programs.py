"""Random programs agree with PyTorch: a few here, for long by random_programs.py."""

from __future__ import annotations

import numpy as np
import pytest

from gradcore import ops
from gradcore.backends import get
from gradcore.backends.numba import loading

pytest.importorskip("torch")

from search.random_programs import compile_everything, search

PROGRAMS = 150


def assert_all_agree(precision: str, programs: int, seed: int) -> None:
    found = search(get("numpy"), precision, 60.0, seed, count=programs)
    unexplained = [f for f in found if f and not f.reason]
    assert not unexplained, "\n\n".join(map(str, unexplained[:3]))


@pytest.mark.parametrize("precision", ["float16", "float32", "float64"])
def test_random_programs_agree_with_pytorch(precision: str) -> None:
    assert_all_agree(precision, PROGRAMS, 1)


def test_random_programs_of_complex_numbers_agree_with_pytorch() -> None:
    found = search(get("numpy"), "float64", 60.0, 3, count=60, is_complex=True)
    unexplained = [f for f in found if f and not f.reason]
    assert not unexplained, "\n\n".join(map(str, unexplained[:3]))


@pytest.mark.skipif(bool(loading.problem()), reason="there are no compiled kernels")
def test_random_programs_of_compiled_kernels_agree_with_pytorch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compile_everything(monkeypatch.setattr)
    assert_all_agree("float32", PROGRAMS, 2)


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
    assert any(f.kind.startswith("value invented") and not f.reason for f in found)
