"""The devices whose steps are captured: stand-ins for a GPU and for a library that compiles; and,
where GRADCORE_TEST_BACKENDS names them, JAX, and CUDA graphs of PyTorch's played on the CPU."""

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
        named = [name for name in metafunc.config.backends if name.startswith(("jax", "torch"))]
        metafunc.parametrize("device", [*KINDS, *named], indirect=True)


@pytest.fixture
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    if request.param.startswith("jax"):
        with request.config.place(request.param) as place, use_backend(*place) as backend:
            yield backend
        return
    if request.param == "torch":
        import torch_graphs

        backend = torch_graphs.register(monkeypatch)
    else:
        kinds = getattr(request.module, "KINDS", KINDS)
        backend = register(monkeypatch, kinds[request.param])
    with use_backend("taped"):
        yield backend
