"""A process of its own, for tests that depend on what is installed or on the environment."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_cupy import MISSING


@pytest.fixture
def python(tmp_path: Path) -> Any:
    """Run some lines of Python in a process of their own, where `cupy` is `cupy_module`."""

    def run(
        code: str,
        cupy_module: str = MISSING,
        flags: Sequence[str] = ("-W", "error"),
        **variables: str,
    ) -> subprocess.CompletedProcess[str]:
        (tmp_path / "cupy.py").write_text(cupy_module, "utf-8")
        (tmp_path / "user.py").write_text(textwrap.dedent(code), "utf-8")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GRADCORE_")}
        environment |= {"PYTHONPATH": str(tmp_path), **variables}
        command = [sys.executable, *flags, str(tmp_path / "user.py")]
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )

    def printed(code: str, *arguments: Any, **options: Any) -> str:
        done = run(code, *arguments, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    run.printed = printed  # type: ignore[attr-defined]
    return run
