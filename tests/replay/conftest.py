"""The devices whose steps are captured: stand-ins for a GPU and for a library that compiles, and
JAX, where GRADCORE_TEST_BACKENDS names it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from taped import TapedBackend, TracedBackend, register

from gradcore import use_backend
from gradcore.backends import get

KINDS = {"recorded": TapedBackend, "traced": TracedBackend}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    is_given = any(
        "device" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")
    )
    if "device" in metafunc.fixturenames and not is_given:
        compiled = [name for name in metafunc.config.backends if name.startswith("jax")]
        metafunc.parametrize("device", [*KINDS, *compiled], indirect=True)


@pytest.fixture
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    if request.param not in KINDS:
        jax = pytest.importorskip("jax")  # with its 64 bits on or, by the name jax-32, off
        with jax.enable_x64(request.param == "jax"), use_backend("jax"):
            yield get("jax")
        return
    kinds = getattr(request.module, "KINDS", KINDS)
    backend = register(monkeypatch, kinds[request.param])
    with use_backend("taped"):
        yield backend
