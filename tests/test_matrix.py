"""Which tests run by default, and which are left out where they have passed before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

NAMES = ("numpy", "numpy-fast", "strict-no-float64", "cupy-like")


@pytest.fixture
def kept(request: pytest.FixtureRequest) -> Callable[..., list[str]]:
    """`kept(ids, passed)` is what is left of one test for each id and backend."""
    plugin: Any = request.config.pluginmanager.get_plugin(
        str(Path(__file__).parent / "conftest.py")
    )

    def kept(ids: list[str], passed: Path | None = None) -> list[str]:
        items = [
            SimpleNamespace(
                nodeid=f"{name}[{backend}]", callspec=SimpleNamespace(params={"backend": backend})
            )
            for name in ids
            for backend in NAMES
        ]
        hook = SimpleNamespace(pytest_deselected=lambda items: None)  # noqa: ARG005
        plugin.pytest_collection_modifyitems(SimpleNamespace(passed_file=passed, hook=hook), items)
        return [item.nodeid for item in items]

    return kept


def test_a_test_runs_on_numpy_and_on_one_other_in_turn(
    kept: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRADCORE_TEST_BACKENDS", raising=False)
    ids = [f"tests/ops/test_x.py::test_{k}" for k in range(100)]
    found = [name.removesuffix("]").split("[") for name in kept(ids)]
    assert Counter(test for test, _ in found) == dict.fromkeys(ids, 2)
    count = Counter(backend for _, backend in found)
    assert count["numpy"] == 100
    assert min(count[name] for name in NAMES[1:]) > 20
    assert kept(["tests/examples/test_x.py::test"]) == ["tests/examples/test_x.py::test[numpy]"]
    table = "tests/ops/test_op_table.py::test_"
    rows = [
        f"{table}value_and_gradient",
        f"{table}single_derivatives_second_order_and_direct_calls",
    ]
    assert len({name.partition("[")[2] for name in kept(rows)}) == 3  # other ones each
    monkeypatch.setenv("GRADCORE_TEST_BACKENDS", "all")
    assert len(kept(ids)) == 400


def test_what_has_passed_before_is_left_out(
    kept: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRADCORE_TEST_BACKENDS", "all")
    passed = tmp_path / "passed.txt"
    assert len(kept(["a", "b"], passed)) == 8
    passed.write_text("a[numpy]\nb[cupy-like]\n")
    assert {"a[numpy]", "b[cupy-like]"}.isdisjoint(kept(["a", "b"], passed))
    assert len(kept(["a", "b"], passed)) == 6
