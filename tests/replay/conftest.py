"""The stand-ins for GPUs on which the tests of captured steps run: NumPy with a tape, and, where
GRADCORE_TEST_BACKENDS names torch, gradcore's CUDA graphs of PyTorch on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import taped

import gradcore


def pytest_generate_tests(metafunc: Any) -> None:
    marks = metafunc.definition.iter_markers("parametrize")
    if "device" in metafunc.fixturenames and all(mark.args[0] != "device" for mark in marks):
        names = [name for name in ("numpy", "torch") if name in metafunc.config.backends]
        metafunc.parametrize("device", names or ["numpy"], indirect=True)


@pytest.fixture
def device(request: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The stand-in's backend, in use as the default."""
    if request.param == "torch":
        import torch_graphs

        backend = torch_graphs.register(monkeypatch)
    else:
        kind = getattr(request.module, "InPlace", taped.TapedBackend)
        backend = taped.register(monkeypatch, kind)
    with gradcore.use_backend("taped"):
        yield backend
