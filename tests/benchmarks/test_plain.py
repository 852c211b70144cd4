"""A plain copy of the repository, where nothing but NumPy, array-api-compat and pytest is
installed: what the command line needs on a machine with a GPU."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from benchmarks.selftest.repository_tests import FILES

ROOT = Path(__file__).parents[2]
NEEDED = ("numpy", "array-api-compat", "pytest", "iniconfig", "packaging", "pluggy", "pygments")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run Python with some arguments in such a copy; gives its status and what it prints."""
    if sys.platform == "win32":
        pytest.skip("links to packages")
    folder = tmp_path_factory.mktemp("plain")
    for name in ("gradcore", "backends", "benchmarks", "docs", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    venv.create(folder / "venv", symlinks=True)
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    for name in NEEDED:
        try:
            files = metadata.files(name) or ()
        except metadata.PackageNotFoundError:
            assert name == "pygments"  # which pytest does not need before 8.3
            continue
        for top in {f.parts[0] for f in files} - {"..", "__pycache__"}:
            where = metadata.distribution(name).locate_file(top)
            (packages / top).symlink_to(Path(str(where)).resolve())

    def run(*arguments: str) -> tuple[int, str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("GRADCORE", "PY"))}
        done = subprocess.run(
            [str(folder / "venv/bin/python"), *arguments],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    run.packages = packages  # type: ignore[attr-defined]
    return run


def test_doctor(run: Any) -> None:
    status, told = run("-m", "gradcore", "doctor")
    assert status == 0, told
    assert "this check failed" not in told
    assert "gradcore itself is not installed" in told
    assert "pip install platformdirs" in told
    assert "None" not in told


def test_selftest(run: Any, tmp_path: Path) -> None:
    flags = ["--backend", "numpy", "--quick", "--only", "facts,tests", "--out", str(tmp_path)]
    status, told = run("-m", "gradcore", "selftest", *flags, "--jobs", "1")
    assert status == 0, told
    checks = json.loads((tmp_path / "selftest-numpy.json").read_text())["checks"]
    (tests,) = [check for check in checks if check["name"] == "all files"]
    assert tests["passed"], tests
    assert tests["detail"].split()[0] != "0"


def test_all_that_the_selftest_runs_is_there(run: Any) -> None:
    status, told = run("-m", "pytest", "--collect-only", "-p", "no:cacheprovider", *FILES)
    assert status == 0, told


def test_array_api_compat_is_missing(run: Any) -> None:
    (there,) = run.packages.glob("array_api_compat")
    away = there.rename(there.with_name("away"))
    try:
        for command in ("doctor", "selftest"):
            status, told = run("-m", "gradcore", command)
            assert status == 1
            assert told == "gradcore needs more: pip install array-api-compat\n"
        assert "ModuleNotFoundError: gradcore needs more" in run("-c", "import gradcore")[1]
    finally:
        away.rename(there)
