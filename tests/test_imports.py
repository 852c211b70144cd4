"""Who may import what, and what `import gradcore` leaves alone."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ARRAY_LIBRARIES = {"numpy", "cupy", "cupyx", "torch"}
MAY_IMPORT_THEM = {"examples/cifar10_torch.py": {"torch"}}

# What each layer may import: itself and what is below.
LAYERS = [
    ("backends",),
    (
        *(f"gradcore/{name}.py" for name in ("graph", "higher", "hooks", "modes", "operators")),
        *("gradcore/values.py", "gradcore/walks.py"),
    ),
    ("gradcore/ops",),
    # The functions and tools built on ops.
    ("gradcore/*.py",),
    ("gradcore/nn", "gradcore/optim", "gradcore/data"),
    tuple(f"gradcore/{name}.py" for name in ("__init__", "__main__", "doctor")),
    ("examples",),
]


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def layer(path: Path) -> int:
    """The number of a file's layer: the most specific entry counts."""
    relative = path.relative_to(ROOT)
    found = {
        len(entry): number
        for number, entries in enumerate(LAYERS)
        for entry in entries
        if relative.match(entry) or entry in map(str, relative.parents)
    }
    return found[max(found)]


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and absolute name of each import that runs; of `from a import b`, `a.b`."""
    relative = path.relative_to(ROOT).with_suffix("")
    package = list(relative.parts[:-1])
    if package[:1] == ["backends"]:  # it is installed as gradcore.backends
        package.insert(0, "gradcore")
    tree = ast.parse(path.read_text("utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*start, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield node.lineno, ast.unparse(node.args[0]).strip("'")


def target(name: str) -> Path | None:
    """The file of this project that `import name` reads, if it is one."""
    parts = name.split(".")
    if parts[0] != "gradcore":
        return None
    where = ROOT / "gradcore"
    for i, part in enumerate(parts[1:], 1):
        folder = ROOT / "backends" if parts[: i + 1] == ["gradcore", "backends"] else where / part
        if folder.with_suffix(".py").is_file():
            return folder.with_suffix(".py")
        if not folder.is_dir():
            break
        where = folder
    return where / "__init__.py"


@pytest.mark.parametrize("path", sources("gradcore", "examples"), ids=lambda p: p.name)
def test_no_array_library_is_imported_directly(path: Path) -> None:
    relative = path.relative_to(ROOT).as_posix()
    if relative.startswith("gradcore/data/"):
        return
    allowed = MAY_IMPORT_THEM.get(relative, set())
    for line, name in imports(path):
        library = name.partition(".")[0]
        assert library not in ARRAY_LIBRARIES - allowed, f"{relative}:{line} imports {library}"


@pytest.mark.parametrize(
    "path", sources("gradcore", "backends", "examples"), ids=lambda p: f"{p.parent.name}-{p.name}"
)
def test_imports_go_one_way(path: Path) -> None:
    here = layer(path)
    for line, name in imports(path):
        file = target(name)
        if file is None:
            continue
        there = layer(file)
        where = f"{path.relative_to(ROOT)}:{line}"
        assert there <= here, f"{where} imports {name}, of a layer above its own"
        # A package's __init__ is for those outside of it: inside, it makes a circle.
        if file.name == "__init__.py" and file.parent != ROOT / "backends":
            assert file.parent not in path.parents, f"{where} imports {name} of its own package"


def test_the_layers_are_told_apart() -> None:
    """The two tests above see what they should."""
    graph, functions = ROOT / "gradcore/graph.py", ROOT / "gradcore/functions.py"
    assert layer(ROOT / "backends/base.py") < layer(graph) < layer(ROOT / "gradcore/ops/linalg.py")
    assert layer(ROOT / "gradcore/ops/linalg.py") < layer(functions)
    assert layer(functions) < layer(ROOT / "gradcore/nn/__init__.py")
    assert layer(ROOT / "gradcore/nn/__init__.py") < layer(ROOT / "gradcore/__init__.py")
    assert target("gradcore.graph.TensorNode") == graph
    assert target("gradcore.TensorNode") == ROOT / "gradcore/__init__.py"
    assert target("gradcore.backends.base.Backend") == ROOT / "backends/base.py"
    assert target("numpy.random") is None
    assert "gradcore.backends.known" in {name for _, name in imports(graph)}
    assert "numpy" in {name for _, name in imports(ROOT / "backends/base.py")}


# fmt: off
LATER = [
    "array_api_strict", "cudnn", "cupy", "matplotlib", "numba", "pytest", "safetensors", "torch",
    "tqdm", "urllib.request",
]
# fmt: on


@pytest.mark.parametrize(
    "code",
    [
        "import gradcore",
        "import gradcore; gradcore.TensorNode([1.0]).size",
        "import contextlib, io, gradcore.__main__ as main\n"
        "with contextlib.redirect_stdout(io.StringIO()): main.main([])",
    ],
    ids=["import", "node", "main"],
)
def test_nothing_is_imported_before_it_is_needed(code: str) -> None:
    code += f"\nimport sys; print(*[name for name in {LATER} if name in sys.modules])"
    environment = {**os.environ, "GRADCORE_BACKEND": "numpy"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_the_top_of_the_repository() -> None:
    try:
        command = ["git", "ls-files", "-z"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git repository")
    top = {name.partition("/")[0] for name in listed.stdout.split("\0") if name}
    required = {"pyproject.toml", "README.md", "gradcore", "backends", "examples", "tests"}
    may = {"LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "benchmarks", "docs"}
    assert {name for name in top if not name.startswith(".")} <= required | may
