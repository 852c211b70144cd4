"""The devices whose steps are captured: stand-ins for a GPU, and for a library that compiles.

They are NumPy's arrays; where GRADCORE_TEST_BACKENDS names torch, PyTorch's with the recorder and
the compiler that gradcore has for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from taped import TapedBackend, TracedBackend, register

from gradcore import use_backend

KINDS = {"recorded": TapedBackend, "traced": TracedBackend}


def pytest_generate_tests(metafunc: Any) -> None:
    marks = metafunc.definition.iter_markers("parametrize")
    if "device" in metafunc.fixturenames and all(mark.args[0] != "device" for mark in marks):
        names = metafunc.config.backends
        kinds = [f"{kind} torch" for kind in KINDS] if "torch" in names else []
        metafunc.parametrize(
            "device", kinds if names == ["torch"] else [*KINDS, *kinds], indirect=True
        )


@pytest.fixture
def device(request: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The backend, in use as the default."""
    kind, _, is_torch = request.param.partition(" ")
    if is_torch:
        import torch_graphs

        backend = torch_graphs.register(monkeypatch, kind)
    else:
        backend = register(monkeypatch, getattr(request.module, "KINDS", KINDS)[kind])
    with use_backend("taped"):
        yield backend
