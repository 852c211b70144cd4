"""What every test of CIFAR-10 starts from."""

from __future__ import annotations

from pathlib import Path

import pytest
from cifar10_files import N

from gradcore.data import cifar10


@pytest.fixture(autouse=True)
def cache(data_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Small files; an empty cache, whose folder is given; and mirrors that don't answer."""
    monkeypatch.setattr(cifar10, "RECORDS", N)
    monkeypatch.setattr(cifar10, "MIRRORS", ("http://127.0.0.1:1/a/", "http://127.0.0.1:1/b/"))
    return data_cache / "cifar10"
