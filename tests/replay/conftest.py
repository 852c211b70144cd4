"""The devices whose steps are captured: stand-ins for a GPU, and for a library that compiles."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from taped import TapedBackend, TracedBackend, register

from gradcore import use_backend

KINDS = {"recorded": TapedBackend, "traced": TracedBackend}


@pytest.fixture(params=KINDS)
def device(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TapedBackend]:
    backend = register(monkeypatch, KINDS[request.param])
    with use_backend("taped"):
        yield backend
