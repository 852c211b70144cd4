"""What every backend has: kernels, which docs/how-to/backends.md names, and memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradcore.backends import Backend, get

ROOT = Path(__file__).parents[2]


PAGE = (ROOT / "docs" / "how-to" / "backends.md").read_text("utf-8")


def test_the_page_names_every_kernel() -> None:
    methods = {n for n in dir(Backend) if callable(getattr(Backend, n)) and n[0] != "_"}
    missing = {name for name in methods if f"`{name}`" not in PAGE}
    assert not missing, f"docs/how-to/backends.md should say what these are for: {missing}"


def test_numpy_has_no_memory_of_its_own() -> None:
    backend = get("numpy")
    assert (backend.describe_memory(), backend.used_memory()) == ("", 0)
    with pytest.raises(ValueError, match=r"numpy can't limit its memory \(2\.5 GB\)"):
        backend.limit_memory(2_500_000_000)
    backend.allow_tf32(matmul=True, convolutions=False)  # and does nothing
