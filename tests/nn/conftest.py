"""What every test of modules starts from."""

from __future__ import annotations

import pytest

from gradcore import manual_seed


@pytest.fixture(autouse=True)
def seed() -> None:
    manual_seed(0)
