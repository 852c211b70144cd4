"""`python -m benchmarks.reading` counts what is there, and the README quotes its figures."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.reading import lines, rooms, steps

ROOT = Path(__file__).parents[2]


def number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    assert found, f"no {pattern!r} in {text}"
    return int(found[1].replace(",", ""))


def test_the_command_and_the_page_of_the_house_agree() -> None:
    command = [sys.executable, "-m", "benchmarks.reading"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    core = done.stdout[done.stdout.index("core:") : done.stdout.index("walk:")]
    files = re.findall(r"^ +(\d+) (gradcore/\S+)$", core, re.MULTILINE)
    assert {"gradcore/graph.py", "gradcore/engine/gradients.py"} <= {file for _, file in files}
    assert all(int(count) == lines(ROOT / file) for count, file in files)
    total = number(r"([\d,]+) in the \d+ files", core)
    assert total == sum(int(count) for count, _ in files)
    assert number(r"(\d+) of them in functions", core) < total

    at_root = len(list((ROOT / "gradcore").glob("*.py")))
    assert number(r"root: (\d+) files", done.stdout) == at_root
    # The least there is: an op of the layer, and the five ops from the images to the loss.
    assert number(r"Linear forward: (\d+) calls", done.stdout) > 5
    assert number(r"backward of the MNIST network: (\d+) calls", done.stdout) > 25

    page = (ROOT / "docs" / "explanation" / "house.md").read_text("utf-8")
    assert "\npython -m benchmarks.reading\n" in page
    graph, ran = number(r"core: (\d+) lines", core), number(r"(\d+) of them in functions", core)
    assert number(r"backward pass in about ([\d,]+) lines", page) == pytest.approx(graph, 0.05)
    assert number(r"together about ([\d,]+) lines", page) == pytest.approx(total, 0.05)
    assert number(r"about ([\d,]+) lines lie in functions", page) == pytest.approx(ran, 0.05)


def test_steps() -> None:
    code = test_steps.__code__
    calls = [(file, code) for file in ("a.py", "a.py", "b.py", "c.py", "a.py")]
    says = "walk: x: 5 calls in 3 files, 3 changes of file; 3 of the calls in a.py"
    assert steps("x", calls) == says


def test_rooms(tmp_path: Path) -> None:
    for file, text in {
        "backends/a.py": "from . import b",
        "backends/b.py": "",
        "examples/c.py": "import gradcore\nfrom gradcore.graph import x",
        "gradcore/__init__.py": "from . import graph, nn",
        "gradcore/graph.py": "def f():\n    from .backends import a\n    from .backends import b",
        "gradcore/nn/d.py": "from .. import graph\nfrom ..backends.b import x",
    }.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(f"{text}\n", "utf-8")
    assert rooms(tmp_path) == "rooms: 4, with 4 arrows between them"
