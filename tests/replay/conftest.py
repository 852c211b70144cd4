"""The devices whose steps are captured: stand-ins for a GPU and for a library that compiles; and,
where GRADCORE_TEST_BACKENDS names them, JAX, and PyTorch with its own recorder and compiler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from taped import TapedBackend, TracedBackend, register

from gradcore import use_backend

KINDS = {"recorded": TapedBackend, "traced": TracedBackend}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    is_given = any(
        "device" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")
    )
    if "device" in metafunc.fixturenames and not is_given:
        names = metafunc.config.backends
        compiled = [name for name in names if name.startswith("jax")]
        of_torch = [f"{kind} torch" for kind in KINDS if "torch" in names]
        metafunc.parametrize("device", [*KINDS, "numpy", *compiled, *of_torch], indirect=True)


@pytest.fixture
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    kind, _, is_torch = request.param.partition(" ")
    if kind not in KINDS:
        with request.config.place(kind) as place, use_backend(*place) as backend:
            yield backend
        return
    if is_torch:
        import torch_graphs

        backend = torch_graphs.register(monkeypatch, kind)
    else:
        backend = register(monkeypatch, getattr(request.module, "KINDS", KINDS)[kind])
    with use_backend("taped"):
        yield backend
