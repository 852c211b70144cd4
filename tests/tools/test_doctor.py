"""`python -m gradcore doctor` tells the truth, and never ends in a traceback."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import gradcore
from gradcore.__main__ import main
from gradcore.tools.command_line import launch
from gradcore.tools.doctor import VARIABLES

ROOT = Path(__file__).parents[2]
FIRST = "trains a network on MNIST, in a minute or two"


@pytest.fixture
def doctor(tmp_path: Path) -> Any:
    """Run it in a process of its own, with some modules on its path."""

    def run(modules: dict[str, str], **variables: str) -> tuple[int, str]:
        for name, text in modules.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GRADCORE_")}
        environment |= {"PYTHONPATH": str(tmp_path), "PATH": str(tmp_path), **variables}
        command = [sys.executable, "-W", "error", "-m", "gradcore", "doctor"]
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert done.stderr == ""
        assert "Traceback" not in done.stdout
        assert "this check failed" not in done.stdout
        return done.returncode, re.sub(r"\s+", " ", done.stdout)

    return run


def test_where_all_is_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    with gradcore.use_backend("numpy"):
        assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    version = importlib.metadata.version
    assert f"gradcore {version('gradcore')} in {Path(gradcore.__file__).parent}\n" in told
    assert f"numpy {version('numpy')}, array-api-compat {version('array-api-compat')}" in told
    assert re.search(r"^  numpy +runs on CPU, by numpy .* with BLAS \w", told, re.MULTILINE)
    assert re.search(r"^  numpy +loss 2\.0113, then 1\.5060: ok$", told, re.MULTILINE)
    assert f"pytest {version('pytest')}" in told
    assert re.search(r"\n(All is well, on|The default backend,) numpy", told)
    assert "\nNext:\n" in told
    assert told.endswith("  `python examples/mnist.py --epochs 2` " + FIRST + "\n")
    assert max(map(len, told.splitlines())) <= 120


def test_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "doctor" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        main(["nonsense"])


def test_a_pipe_that_closes_early() -> None:
    command = [sys.executable, "-m", "gradcore", "doctor"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


BROKEN = {
    "missing": "raise ModuleNotFoundError(\"No module named 'cupy'\", name='cupy')",
    "no library": "raise ImportError('''\n====\nFailed\n\n Original error: libcuda.so.1\n====''')",
    "no access": "raise OSError(13, 'Permission denied')",
    "half": "from numpy import *",
    "two wheels": "import warnings; warnings.warn('two CuPy packages'); raise RuntimeError('both')",
    "syntax": "def",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_cupy_that_is_broken_in_some_way(doctor: Any, kind: str) -> None:
    status, told = doctor({"cupy/__init__.py": BROKEN[kind]})
    assert status == 0, "the default backend is NumPy, which works"
    expected = "cupy is not installed" if kind == "missing" else "importing it failed with "
    assert f"cupy can't run: {expected}" in told
    assert "pip install 'cupy-cuda12x[ctk]'" in told
    assert "default: numpy, chosen by itself" in told
    if kind == "no library":
        assert "Failed Original error: libcuda.so.1;" in told


def test_the_status_is_the_default_backends(doctor: Any) -> None:
    broken = {"cupy.py": BROKEN["missing"]}
    status, told = doctor(broken, GRADCORE_BACKEND="cupy")
    assert status == 0
    assert "default: numpy, in place of GRADCORE_BACKEND=cupy warning: backend 'cupy' can't" in told
    status, told = doctor(broken, GRADCORE_BACKEND="cupy", GRADCORE_FALLBACK="0")
    assert status == 1
    assert "default: none; GRADCORE_BACKEND=cupy: backend 'cupy' can't run here" in told
    *_, last = told.rstrip().partition("The default backend fails. Next: ")
    assert re.fullmatch("set GRADCORE_BACKEND to one that runs: numpy, .*strict; or unset it", last)


NUMBA = {"numba/__init__.py": "raise ImportError('Numba needs NumPy 2.2 or less')"}
NO_CUPY = {"cupy.py": BROKEN["missing"]}


@pytest.mark.parametrize(
    ("modules", "variables", "advice"),
    [
        (NUMBA, {}, "numba is broken: pip install --upgrade numba, or pip uninstall numba"),
        ({}, {"XDG_CACHE_HOME": "/dev/null/x"}, "no dataset can be kept in the cache /dev/null/x"),
        ({}, {"GRADCORE_OFFLIN": "1"}, "did you mean GRADCORE_OFFLINE?"),
    ],
)
def test_the_last_lines_say_what_to_do(
    doctor: Any, modules: dict[str, str], variables: dict[str, str], advice: str
) -> None:
    status, told = doctor({**NO_CUPY, **modules}, **variables)
    assert status == 0
    before, _, last = told.partition(" Next: ")
    assert advice in before
    assert advice in last
    assert before.endswith("The default backend, numpy, works.")
    assert last.rstrip().endswith(FIRST)


PLUGINS = """
import array_api_compat.numpy as xp
import numpy as np
from gradcore.backends import Backend

class Array(np.ndarray):
    pass

class Wrong(Backend):
    name = "wrong"
    xp = xp
    array_types = (Array,)

    def from_numpy(self, x, dtype=None):
        return 2 * x if x.dtype.kind == "f" else x

class Broken(Wrong):
    name = "broken"

    def describe_device(self):
        raise OSError("the cable is out")

    def from_numpy(self, x, dtype=None):
        raise OSError("the cable is out")
"""


def test_backends_that_fail_or_compute_nonsense(doctor: Any) -> None:
    modules = {
        "plugins.py": PLUGINS,
        "plugins-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: plugins\nVersion: 1\n",
        "plugins-1.dist-info/entry_points.txt": (
            "[gradcore.backends]\nwrong=plugins:Wrong\nbroken=plugins:Broken\n"
        ),
    }
    status, told = doctor(modules, GRADCORE_BACKEND="wrong")
    assert status == 1
    assert "broken can't start: OSError: the cable is out" in told
    assert "broken failed: OSError: the cable is out" in told
    assert re.search(r"wrong loss [\d.]+, then [\d.]+: WRONG", told)
    assert "numpy loss 2.0113, then 1.5060: ok" in told


# -- What it says of the GPU ------------------------------------------------------------------


@pytest.fixture
def gpu_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Any:
    """Give the section for an answer of `nvidia-smi` and for installed packages."""
    if sys.platform in ("darwin", "win32"):
        pytest.skip("needs a shell script called nvidia-smi, and a system that has CUDA")

    def section(answers: str | None, *packages: str) -> str:
        if answers is not None:
            command = tmp_path / "nvidia-smi"
            command.write_text(f"#!/bin/sh\ncase $1 in\n{answers}\nesac\n")
            command.chmod(0o755)
        for package in packages:
            info = tmp_path / f"{package.replace('-', '_')}-14.0.0.dist-info"
            info.mkdir()
            text = f"Metadata-Version: 2.1\nName: {package}\nVersion: 14.0.0\n"
            (info / "METADATA").write_text(text)
        monkeypatch.setenv("PATH", str(tmp_path))
        find = importlib.metadata.distributions
        with monkeypatch.context() as patch:
            patch.setattr(importlib.metadata, "distributions", lambda: find(path=[str(tmp_path)]))
            patch.setattr(importlib.metadata, "version", lambda _: "14.0.0")
            with gradcore.use_backend("numpy"):
                main(["doctor"])
        told = capsys.readouterr().out
        section = re.sub(r"\s+", " ", told.partition("GPU\n")[2].partition("Environment")[0])
        assert "this check failed" not in section
        return section

    return section


def smi(driver: str, capability: str = "9.0") -> str:
    return f"*compute_cap*) echo {capability};;\n*) echo NVIDIA H100, {driver};;"


@pytest.mark.parametrize(
    ("answers", "packages", "expected"),
    [
        (None, [], "there is no `nvidia-smi`, so probably no NVIDIA driver without an NVIDIA GPU"),
        (smi("580.65.06"), [], "CuPy is not installed: pip install 'cupy-cuda13x[ctk]'"),
        (smi("580.65.06", "6.1"), [], "CuPy is not installed: pip install 'cupy-cuda12x[ctk]'"),
        (smi("580.65.06", "[N/A]"), [], "CuPy is not installed: pip install 'cupy-cuda13x[ctk]'"),
        (
            smi("535.129"),
            [],
            "H100, NVIDIA driver 535.129 CuPy is not installed: pip install",
        ),
        (
            smi("470.82"),
            [],
            "too old for CuPy: update it to 525 or newer, then pip install",
        ),
        (smi("580.65"), ["cupy-cuda12x"], "cupy-cuda12x 14.0.0 is installed "),
        (
            smi("535.129"),
            ["cupy-cuda13x"],
            "too new for this driver or GPU: pip uninstall -y cupy-cuda13x, then pip install "
            "'cupy-cuda12x[ctk]'",
        ),
        (
            smi("580.65"),
            ["cupy-cuda12x", "cupy", "not-cupy"],
            "cupy and cupy-cuda12x are installed and break one another: pip uninstall -y cupy "
            "cupy-cuda12x, then pip install 'cupy-cuda13x[ctk]'",
        ),
        (
            "*) echo Driver/library version mismatch; exit 18;;",
            [],
            "failed: Driver/library",
        ),
        ("*) exit 0;;", [], "`nvidia-smi` shows no GPU"),
    ],
)
def test_the_cupy_that_fits(
    gpu_section: Any, answers: str | None, packages: list[str], expected: str
) -> None:
    assert expected in gpu_section(answers, *packages)


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        ("torch is not installed", "pip install torch, then GRADCORE_"),
        (None, "GRADCORE_BACKEND=torch:"),
    ],
)
def test_pytorch_is_not_to_be_installed_where_it_runs(
    monkeypatch: pytest.MonkeyPatch, problem: str | None, expected: str
) -> None:
    module = sys.modules["gradcore.tools.doctor"]
    monkeypatch.setattr(module, "problem", lambda name: problem if name == "torch" else None)
    assert f"the backend torch computes: {expected}" in module._other_gpus()


# -- Variables --------------------------------------------------------------------------------


def test_it_knows_every_variable_that_gradcore_reads() -> None:
    folders = ("gradcore", "backends", "examples", "tests")
    used = {
        name
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if path != Path(__file__)
        for name in re.findall(r"\bGRADCORE_[A-Z_]*[A-Z]\b", path.read_text("utf-8"))
    }
    assert used <= set(VARIABLES)


def test_variables_that_are_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mnist" / "raw").mkdir(parents=True)
    (tmp_path / "fashion-mnist").mkdir()  # empty, as a download that failed leaves it
    monkeypatch.setenv("GRADCORE_DATA", str(tmp_path))
    monkeypatch.setenv("GRADCORE_BAKCEND", "cupy")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with gradcore.use_backend("numpy"):
        main(["doctor"])
    told = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert f"GRADCORE_DATA={tmp_path} (a folder with datasets)" in told
    assert f"GRADCORE_DATA: {tmp_path} (mnist)" in told
    assert (
        told.count("GRADCORE_BAKCEND=cupy is unknown to gradcore; did you mean GRADCORE_BACKEND?")
        == 2
    )
    assert "OMP_NUM_THREADS=1" in told
    assert "not set: GRADCORE_BACKEND (" in told or "GRADCORE_BACKEND=" in told


def test_control_characters_and_a_home_that_nobody_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a\x1b[2J" / "raw").mkdir(parents=True)
    monkeypatch.setenv("GRADCORE_DATA", str(tmp_path))
    monkeypatch.setenv("GRADCORE_BACKEND", "numpy")
    main(["doctor"])
    told = capsys.readouterr().out
    assert r"a\x1b[2J" in told
    assert "\x1b" not in told
    monkeypatch.setenv("GRADCORE_DATA", "~nobody-of-this-name/x")
    main(["doctor"])
    assert "GRADCORE_DATA: ~nobody-of-this-name/x (Could not" in capsys.readouterr().out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_disk_that_is_full() -> None:
    command = [sys.executable, "-m", "gradcore", "doctor"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    told = (
        "gradcore: can't print (No space left on device); make room there or choose another place\n"
    )
    assert (done.returncode, done.stderr) == (2, told)


def test_an_interrupt(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit, match="130"):
        launch(interrupted, "doctor")
    told = capsys.readouterr().err
    assert told == "\ndoctor: interrupted; the same command starts it anew\n"
