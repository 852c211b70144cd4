"""Kernels that numba compiles: when they run, and what happens where numba is missing or broken.

Whether they compute what they should is tested where the kernels of all backends are, on the
backend `numpy-fast` of the matrix. Each test runs in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gradcore.backends.numba import loading
from gradcore.backends.numba.notice import Notice

WORK = """
import sys
import gradcore
import numpy as np

def sigmoid(n):
    return gradcore.sigmoid(gradcore.TensorNode(np.zeros(n, np.float32))).value

small = sigmoid(100)
print("numba" in sys.modules)
assert sigmoid(100_000).min() == 0.5
print("numba" in sys.modules, end="")
"""


@pytest.fixture
def python(tmp_path: Path) -> Any:
    def run(*arguments: str, numba: str | None = None, **variables: str) -> tuple[str, str]:
        """Give the process's output and warnings; `numba` is the text of a module of that name."""
        environment = {k: v for k, v in os.environ.items() if k != "GRADCORE_FAST"}
        environment |= {"GRADCORE_BACKEND": "numpy", **variables}
        if numba is not None:
            (tmp_path / "numba.py").write_text(numba)
            environment["PYTHONPATH"] = str(tmp_path)
        command = [sys.executable, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr

    return run


needs_numba = pytest.mark.skipif(
    loading.find_spec("numba") is None, reason="numba is not installed"
)


@needs_numba
def test_the_first_large_array_imports_numba(python: Any) -> None:
    assert python("-W", "error", "-c", WORK) == ("False\nTrue", "")


def test_a_variable_leaves_them_out(python: Any) -> None:
    told = python("-W", "error", "-c", WORK, GRADCORE_FAST="0")
    assert told == ("False\nFalse", "")


def test_a_numba_that_is_broken_is_one_warning_and_numpy_runs(python: Any) -> None:
    broken = "raise ImportError('Numba needs NumPy 2.0 or less')"
    told, warned = python("-c", WORK + "\nsigmoid(100_000)", numba=broken)
    assert told == "False\nFalse"
    assert warned.count("RuntimeWarning: ") == 1
    for words in ("ImportError: Numba needs NumPy 2.0 or less", "NumPy alone", "GRADCORE_FAST=0"):
        assert words in warned


def test_the_doctor_says_whether_they_are_in_use(python: Any) -> None:
    doctor = "-m", "gradcore", "doctor"
    told = python(*doctor, GRADCORE_FAST="0")[0]
    assert "GRADCORE_FAST=0 (0: NumPy without" in told
    assert "kernels by numba" not in told
    told = " ".join(python(*doctor, numba="raise ImportError('broken')")[0].split())
    assert "none by numba, which fails" in told
    assert "The default backend, numpy, works." in told


HISTORY = """
import sys
import gradcore
import numpy as np
from gradcore import TensorNode, nn

def numbers(n):
    \"""Give bytes of values, gradients and updated weights, for arrays of n elements and fewer.\"""
    rows = np.random.default_rng(0).normal(size=(n // 50, 50)).astype("float32")
    norm, images, results = nn.LayerNorm(50), rows.reshape(-1, 1, 5, 10), []
    heads = rows.reshape(1, 1, -1, 50)
    functions = {
        gradcore.sigmoid: rows, gradcore.gelu: rows, gradcore.relu: rows, gradcore.erf: rows,
        norm: rows, nn.BatchNorm2d(1): images, nn.MaxPool2d(2): images,
        lambda x: gradcore.cross_entropy(x, np.arange(len(rows)) % 50): rows,
        lambda x: gradcore.scaled_dot_product_attention(x, x, x): heads,
    }
    for function, array in functions.items():
        x = TensorNode(array.copy())
        loss = gradcore.sum(function(x) ** 2)
        loss.backward()
        results += [loss.value, x.grad]
    gradcore.optim.Adam(norm.parameters()).step()
    return [y.tobytes() for y in [*results, norm.w.value]]

sizes = 100, 700, 3000, 5000
before = [numbers(n) for n in sizes]
numbers(100_000)
assert "numba" in sys.modules
assert [numbers(n) for n in sizes] == before
"""


@needs_numba
def test_what_ran_before_does_not_change_a_bit(python: Any) -> None:
    python("-W", "error", "-c", HISTORY)


CONVOLVE = """
import os, sys, threading
import numpy as np
from gradcore import TensorNode, conv2d

def convolve():
    w = TensorNode(np.ones((8, 8, 3, 3), np.float32))
    y = conv2d(np.ones((32, 8, 40, 40), np.float32), w, padding=1)
    print(float(y.value[0, 0, 1, 1]), end=" ", flush=True)

convolve()
"""


@needs_numba
def test_threads_go_on_when_the_main_one_has_ended(python: Any) -> None:
    later = """
def wait():
    threading.main_thread().join()
    convolve()

threading.Thread(target=wait).start()
"""
    assert python("-W", "error", "-c", CONVOLVE + later, OMP_NUM_THREADS="2") == ("72.0 72.0 ", "")


@needs_numba
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_threads_after_a_fork(python: Any) -> None:
    # The child prints while the parent waits: two that write to one pipe can mix their lines.
    fork = """
child = os.fork()
if child:
    status = os.waitpid(child, 0)[1]
    convolve()
    sys.exit(os.waitstatus_to_exitcode(status))
convolve()
"""
    told, _ = python("-c", CONVOLVE + fork, OMP_NUM_THREADS="2")
    assert told.split() == ["72.0"] * 3


@needs_numba
def test_without_its_compiler_numpy_runs(python: Any) -> None:
    told = python("-W", "error", "-c", WORK, NUMBA_DISABLE_JIT="1")
    assert told == ("False\nFalse", "")


@needs_numba
def test_the_doctor_names_numbas_version(python: Any) -> None:
    import numba

    told = " ".join(python("-m", "gradcore", "doctor")[0].split())
    assert f"and kernels by numba {numba.__version__}" in told


def test_a_terminal_hears_once_that_kernels_are_compiled(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for shows in (False, True):
        monkeypatch.setattr(sys.stderr, "isatty", lambda shows=shows: shows)
        notice = Notice()
        notice.say()
        notice.say()
        assert capsys.readouterr().err.count("gradcore warm") == shows
