"""What every test of MNIST starts from."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradcore.data import mnist


@pytest.fixture(autouse=True)
def cache(data_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and mirrors that don't answer."""
    for name, source in mnist.SOURCES.items():
        nowhere = tuple(f"http://127.0.0.1:1/{i}/" for i in range(len(source.mirrors)))
        monkeypatch.setitem(mnist.SOURCES, name, source._replace(mirrors=nowhere))
    return data_cache
