"""`python -m gradcore warm` compiles all kernels, so that first steps compile none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gradcore.backends.numba import loading
from gradcore.tools.warm import warm

needs_numba = pytest.mark.skipif(bool(loading.problem()), reason="there are no compiled kernels")
by_name = pytest.mark.skipif(
    "numpy-fast" not in os.environ.get("GRADCORE_TEST_BACKENDS", ""),
    reason="compiles all kernels; only by the name numpy-fast in GRADCORE_TEST_BACKENDS",
)

STEPS = """
import numpy as np
import gradcore
from gradcore import nn, optim
from gradcore.__main__ import main
from gradcore.backends.numba import loading

def known():
    loops = loading.kernels()
    kernels = [getattr(loops, n) for n in loops.__all__ if hasattr(getattr(loops, n), "signatures")]
    assert all(f.signatures for f in kernels), [f for f in kernels if not f.signatures]
    return {(f.py_func.__name__, s) for f in kernels for s in f.signatures}

with gradcore.use_backend("numpy"):
    assert main(["warm"]) == 0
    before = known()
    for batch in (4, 32):
        model = nn.Sequential(
            nn.Conv2d(3, 16, 5), nn.Relu(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1),
            nn.BatchNorm2d(32, relu=True), nn.Flatten(), nn.Linear(32 * 14 * 14, 64), nn.Sigmoid(),
            nn.LayerNorm(64), nn.Linear(64, 10),
        )
        images = np.ones((batch, 3, 32, 32), np.uint8).astype(np.float32)
        for make in (optim.SGD, optim.Adam, lambda p: optim.SGD(p, lr=0.1, momentum=0.9)):
            gradcore.cross_entropy(model(images), np.zeros(batch, np.uint8)).backward()
            make(model.parameters()).step()
    assert known() == before, known() - before
"""


@by_name
@needs_numba
def test_after_warm_a_step_compiles_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", STEPS]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, *parts, last = done.stdout.splitlines()
    assert first.startswith("compiling kernels into ")
    assert len(parts) == 10
    assert "compiled, in " in last or "all were there, in " in last


@needs_numba
def test_a_folder_that_cannot_be_written_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file" / "folder"))
    assert warm() == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert "set NUMBA_CACHE_DIR to a folder that can be written" in told.err


def test_without_numba_there_is_nothing_to_compile(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRADCORE_FAST", raising=False)
    monkeypatch.setattr(loading, "find_spec", lambda _: None)
    assert warm() == 0
    assert capsys.readouterr().out.endswith("numba is not installed; pip install numba\n")
