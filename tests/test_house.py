"""The house: which floor may import which, and what `import gradcore` brings along.

The first half reads the source, through benchmarks/imports.py, and runs nothing. Each check takes
the folder of a repository and gives its complaints, each with file and line. Small trees with a
planted fault show that each check sees what it should.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

import gradcore
from benchmarks.imports import arrows, imports, sources

ROOT = Path(__file__).parents[1]

# From the ground up. A file imports from its own room and from floors below its own; rooms of one
# floor don't know each other. Of several entries that a file lies in, the longest is its room.
FLOORS = [
    ["backends"],  # imported as gradcore.backends
    ["gradcore/engine"],
    ["gradcore/graph.py"],
    ["gradcore/ops", "gradcore/replay"],
    ["gradcore/array_api", "gradcore/transforms"],
    ["gradcore/functions", "gradcore/files"],
    ["gradcore/numpy"],
    ["gradcore/nn"],
    [
        "gradcore/autograd",
        "gradcore/data",
        "gradcore/distributions",
        "gradcore/optim",
        "gradcore/tools",
    ],
    ["gradcore/distributed"],
    ["gradcore"],  # __init__.py, and what else lies beside it
    ["examples", "benchmarks"],
    ["gradcore/__main__.py"],
]
PACKAGE = ("gradcore", "backends")  # the folders that are installed
ARRAY_LIBRARIES = {"cupy", "cupyx", "jax", "jaxlib", "numpy", "torch"}
MAY_IMPORT_THEM = {  # by room, folder or file; benchmarks and tests may import all
    "backends": ARRAY_LIBRARIES,
    "gradcore/data": {"numpy"},
    "gradcore/distributed": {"numpy"},  # whose exchanges go by way of the host
    "gradcore/files": {"numpy"},
    "gradcore/numpy": {"numpy"},
    "gradcore/autograd/numpy": {"numpy"},
    "examples/airbench_torch.py": {"torch"},
    "examples/cifar10_torch.py": {"torch"},
}


def innermost(file: str, entries: list[str]) -> str | None:
    """The longest of these paths that the file lies in, or that is the file."""
    around = [entry for entry in entries if f"{file}/".startswith(f"{entry}/")]
    return max(around, key=len, default=None)


# -- The checks -----------------------------------------------------------------------------------


def circles(root: Path) -> list[str]:
    """Circles of imports. Of each, the first import is taken away before the next is looked for."""
    found, left = [], arrows(root, *PACKAGE)
    while circle := one_circle(left):
        steps = list(zip(circle, [*circle[1:], circle[0]], strict=True))
        found.append(", ".join(f"{a}:{left[a][b]} imports {b}" for a, b in steps))
        a, b = steps[0]
        del left[a][b]
    return found


def one_circle(targets: dict[str, dict[str, int]]) -> list[str]:
    """Files of which each imports the next, and the last the first; [] if there is no circle."""
    inside = set(targets)
    while ends := {file for file in inside if not inside & targets[file].keys()}:
        inside -= ends
    path = [min(inside)] if inside else []
    while path:  # everything inside imports something inside
        following = min(inside & targets[path[-1]].keys())
        if following in path:
            return path[path.index(following) :]
        path.append(following)
    return []


def upward(root: Path) -> list[str]:
    """Imports that go up, or to another room of the same floor."""
    floors = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    found = []
    for file, targets in arrows(root, "backends", "gradcore", "examples", "benchmarks").items():
        here = innermost(file, list(floors))
        assert here, f"{file} is on no floor"
        for there, line in targets.items():
            room = innermost(there, list(floors))
            assert room, f"{there} is on no floor"
            if room != here and floors[room] >= floors[here]:
                how = "above" if floors[room] > floors[here] else "beside"
                found.append(f"{file}:{line} imports {there}: {room} is {how} {here}")
    return found


def without_all(root: Path) -> list[str]:
    """Modules that don't say in `__all__` which names are for others."""
    found = []
    for file in sources(root, *PACKAGE):
        body = ast.parse((root / file).read_text("utf-8")).body
        inside = [node for block in body if isinstance(block, ast.If) for node in block.body]
        targets = [
            target
            for node in (*body, *inside)
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        ]
        if "__all__" not in map(ast.unparse, targets):
            found.append(f"{file}:1 has no __all__")
    return found


def array_libraries(root: Path) -> list[str]:
    """Imports of array libraries, where they should be reached by way of a backend."""
    found = []
    for file in sources(root, *PACKAGE, "examples"):
        allowed = MAY_IMPORT_THEM.get(innermost(file, list(MAY_IMPORT_THEM)) or "", set())
        for line, name in imports(root, file):
            library = name.partition(".")[0]
            if library in ARRAY_LIBRARIES - allowed:
                found.append(f"{file}:{line} imports {library}")
    return found


Check = Callable[[Path], list[str]]
CHECKS: list[Check] = [circles, upward, without_all, array_libraries]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_house_is_in_order(check: Check) -> None:
    complaints = check(ROOT)
    assert not complaints, "\n".join(["", *complaints])


# -- Planted faults -------------------------------------------------------------------------------

Tree = dict[str, str]  # what stands in each file

PLANTED: dict[str, tuple[Check, Tree, list[str]]] = {
    "two modules import each other": (
        circles,
        {
            "gradcore/engine/a.py": "from .b import x",
            "gradcore/engine/b.py": "\nfrom . import a",
            "gradcore/engine/c.py": "from . import a, b",
        },
        [
            "gradcore/engine/a.py:1 imports gradcore/engine/b.py, "
            "gradcore/engine/b.py:2 imports gradcore/engine/a.py"
        ],
    ),
    "a lazy import closes a circle of three": (
        circles,
        {
            "gradcore/graph.py": "def late():\n    from .ops.x import X\n    return X",
            "gradcore/ops/x.py": "import gradcore.ops.y",
            "gradcore/ops/y.py": "from ..graph import Op",
        },
        [
            "gradcore/graph.py:2 imports gradcore/ops/x.py, "
            "gradcore/ops/x.py:1 imports gradcore/ops/y.py, "
            "gradcore/ops/y.py:1 imports gradcore/graph.py"
        ],
    ),
    "a circle by way of import_module and a package": (
        circles,
        {
            "backends/__init__.py": "from .registry import get",
            "backends/registry.py": "import importlib\nimportlib.import_module('.cupy.blas', 'x')",
            "backends/cupy/__init__.py": "",
            "backends/cupy/blas.py": "if True:\n    from gradcore.backends import get",
        },
        [
            "backends/__init__.py:1 imports backends/registry.py, "
            "backends/registry.py:2 imports backends/cupy/blas.py, "
            "backends/cupy/blas.py:2 imports backends/__init__.py"
        ],
    ),
    "two circles are two complaints": (
        circles,
        {
            "gradcore/nn/a.py": "from . import b",
            "gradcore/nn/b.py": "from . import a",
            "gradcore/optim/a.py": "from . import b",
            "gradcore/optim/b.py": "from . import a",
        },
        [
            "gradcore/nn/a.py:1 imports gradcore/nn/b.py, "
            "gradcore/nn/b.py:1 imports gradcore/nn/a.py",
            "gradcore/optim/a.py:1 imports gradcore/optim/b.py, "
            "gradcore/optim/b.py:1 imports gradcore/optim/a.py",
        ],
    ),
    "imports for types close no circle, those in their else do": (
        circles,
        {
            "gradcore/engine/a.py": "if TYPE_CHECKING:\n    from .b import x",
            "gradcore/engine/b.py": "from .a import x",
            "gradcore/ops/c.py": "if typing.TYPE_CHECKING:\n    0\nelse:\n    from .d import x",
            "gradcore/ops/d.py": "from .c import x",
        },
        [
            "gradcore/ops/c.py:4 imports gradcore/ops/d.py, "
            "gradcore/ops/d.py:1 imports gradcore/ops/c.py"
        ],
    ),
    "the engine imports the graph": (
        upward,
        {
            "gradcore/engine/hooks.py": "def late():\n    from ..graph import TensorNode",
            "gradcore/graph.py": "from .engine.hooks import Hook",
        },
        [
            "gradcore/engine/hooks.py:2 imports gradcore/graph.py: "
            "gradcore/graph.py is above gradcore/engine"
        ],
    ),
    "a backend imports the engine": (
        upward,
        {
            "backends/numpy/backend.py": "from ..base import Backend\nfrom ...engine import x",
            "backends/base.py": "",
            "gradcore/engine/__init__.py": "",
        },
        [
            "backends/numpy/backend.py:2 imports gradcore/engine/__init__.py: "
            "gradcore/engine is above backends"
        ],
    ),
    "rooms of one floor import each other, and what is missing is the package's": (
        upward,
        {
            "gradcore/__init__.py": "from . import data, optim",
            "gradcore/data/__init__.py": "from ..optim import SGD",
            "gradcore/optim/__init__.py": "from .. import special",
        },
        [
            "gradcore/data/__init__.py:1 imports gradcore/optim/__init__.py: "
            "gradcore/optim is beside gradcore/data",
            "gradcore/optim/__init__.py:1 imports gradcore/__init__.py: "
            "gradcore is above gradcore/optim",
        ],
    ),
    "what is below may be imported": (
        upward,
        {
            "examples/mnist.py": "import gradcore\nfrom gradcore.nn import Linear",
            "benchmarks/selftest/__init__.py": "from gradcore.backends import get",
            "gradcore/__init__.py": "from . import nn",
            "gradcore/nn/__init__.py": "from ..functions import relu\nfrom ..ops import Relu",
            "gradcore/functions/__init__.py": "from ..ops import Relu",
            "gradcore/ops/__init__.py": "",
            "gradcore/__main__.py": "from . import nn\nimport_module('benchmarks.selftest')",
        },
        [],
    ),
    "a module without __all__": (
        without_all,
        {
            "gradcore/ops/a.py": "def f():\n    __all__ = []",
            "gradcore/ops/b.py": "__all__ = ['x']\nx = 1",
            "gradcore/ops/c.py": "__all__: list[str] = []",
            "backends/base.py": "__all__ += []",
        },
        ["backends/base.py:1 has no __all__", "gradcore/ops/a.py:1 has no __all__"],
    ),
    "array libraries imported directly": (
        array_libraries,
        {
            "backends/cupy/blas.py": "import cupy",
            "gradcore/data/idx.py": "import numpy\nimport torch",
            "gradcore/nn/init.py": "x = 1\ndef f():\n    import numpy.linalg as la",
            "examples/mnist.py": "from jax import numpy",
            "examples/cifar10_torch.py": "import torch",
        },
        [
            "gradcore/data/idx.py:2 imports torch",
            "gradcore/nn/init.py:3 imports numpy",
            "examples/mnist.py:1 imports jax",
        ],
    ),
}


@pytest.mark.parametrize(("check", "tree", "expected"), PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_fault_is_seen(
    check: Check, tree: Tree, expected: list[str], tmp_path: Path
) -> None:
    for file, text in tree.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(f"{text}\n", "utf-8")
    assert sorted(check(tmp_path)) == sorted(expected)


def test_the_checks_see_the_real_house() -> None:
    found = arrows(ROOT, *PACKAGE)
    assert {"backends/__init__.py"} < found["gradcore/graph.py"].keys()
    assert "gradcore/graph.py" in found["gradcore/__init__.py"]
    assert sum(map(len, found.values())) > 300


# -- What is offered ------------------------------------------------------------------------------


OFFERED = ["", ".array_api", ".array_api.fft", ".linalg", ".special"]
OFFERED += [".numpy", ".numpy.fft", ".numpy.linalg", ".numpy.random"]


@pytest.mark.parametrize("name", [f"gradcore{name}" for name in OFFERED])
def test_nothing_leaks(name: str) -> None:
    """`dir()` shows public names that are in `__all__`, submodules, and nothing else."""
    module = importlib.import_module(name)
    public = {name for name in dir(module) if not name.startswith("_")}
    modules = {
        name
        for name in public
        if isinstance(value := getattr(module, name), ModuleType)
        and value.__name__.startswith(f"{module.__name__}.")
    }
    shadows = {name for name in dir(builtins) if hasattr(gradcore, name)}  # `gradcore.sum`
    assert public - modules - shadows - set(module.__all__) == set()


DOCUMENTED = [*OFFERED, ".autograd", ".data", ".distributed", ".distributions", ".nn", ".nn.init"]
DOCUMENTED += [
    ".nn.utils",
    ".nn.utils.rnn",
    ".optim",
    ".optim.lr_scheduler",
    ".optim.swa_utils",
    ".tools",
]
FORMULAS = {"forward", "backward", "function", "gradient"}  # of ops and modules, which say what


def _offered(name: str) -> Iterator[tuple[str, Any]]:
    """Give what a module offers, and the public methods of its classes, by their names."""
    module = importlib.import_module(name)
    for name in module.__all__:
        x = getattr(module, name)
        yield name, x
        for kind in inspect.getmro(x) if isinstance(x, type) else ():
            if kind.__module__.startswith("gradcore"):
                public = [m for m in vars(kind) if not m.startswith("_") and m not in FORMULAS]
                for method in public:
                    made = vars(kind)[method]
                    yield f"{name}.{method}", getattr(made, "__func__", made)


@pytest.mark.parametrize("name", [f"gradcore{name}" for name in DOCUMENTED])
def test_what_is_offered_has_a_docstring(name: str) -> None:
    kinds = type, FunctionType, property
    found = [(name, x) for name, x in _offered(name) if isinstance(x, kinds)]
    assert found
    assert sorted({name for name, x in found if not inspect.getdoc(x)}) == []


@pytest.mark.parametrize("name", [f"gradcore{name}" for name in DOCUMENTED if "numpy" not in name])
def test_an_axis_is_never_called_dim(name: str) -> None:
    """But for sizes, such as `embedding_dim`, and for `TensorNode.size`, as the course has it."""
    for called, x in _offered(name):
        if isinstance(x, type | FunctionType) and not called.endswith(".size"):
            with suppress(ValueError):  # what is made elsewhere may have no signature
                names = {*inspect.signature(x).parameters}
                assert names.isdisjoint({"dim", "dims", "keepdim", "start_dim"}), called


@pytest.mark.parametrize("name", ["dropout", "einsum", "embedding"])
def test_functions_win_over_files_of_their_name(name: str) -> None:
    """`gradcore/functions/dropout.py` is a file, and `gradcore.functions.dropout` its function."""
    assert getattr(gradcore, name) is getattr(gradcore.functions, name)
    assert not isinstance(getattr(gradcore, name), ModuleType)


# -- What an import brings along ------------------------------------------------------------------

# fmt: off
LATER = [
    "array_api_strict", "cudnn", "cupy", "gradcore.distributed", "gradcore.numpy", "matplotlib",
    "mpi4py", "ndonnx", "numba", "onnx",
    "pytest", "safetensors", "torch", "tqdm", "urllib.request",
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


def test_importing_is_cheap() -> None:
    names = """cupy email gzip http.client importlib.metadata logging platformdirs socket
        subprocess tarfile tempfile tqdm urllib.request zipfile"""
    heavy = names.split()
    code = f"import sys, gradcore.data; print([m for m in {heavy} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_top_of_the_repository() -> None:
    try:
        command = ["git", "ls-files", "-z"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git repository")
    top = {name.partition("/")[0] for name in listed.stdout.split("\0") if name}
    required = {"pyproject.toml", "README.md", "gradcore", "backends", "examples", "tests"}
    may = {
        "LICENSE",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CITATION.cff",
        "benchmarks",
        "docs",
    }
    assert {name for name in top if not name.startswith(".")} <= required | may


def test_what_was_importable_by_statement_stays() -> None:
    """The files lie in folders now; scripts that name them go on."""
    for module, name in {
        "activations": "relu",
        "convolution": "max_pool2d",
        "fft": "rfft",
        "linalg": "svd",
        "losses": "cross_entropy",
        "normalization": "layer_norm",
        "recording": "number",
        "special": "erf",
    }.items():
        assert callable(getattr(importlib.import_module(f"gradcore.{module}"), name))


def test_the_drawing_of_the_house_has_these_floors() -> None:
    drawing = (ROOT / "docs" / "explanation" / "house.svg").read_text("utf-8")
    drawn: dict[str, set[str]] = {}
    for height, room in re.findall(r'<text x="\d+" y="(\d+)"[^>]*monospace[^>]*>(.*?)<', drawing):
        drawn.setdefault(height, set()).add(room.removesuffix("/"))
    rooms = [{Path(room).name for room in floor} for floor in reversed(FLOORS)]
    beside = [{"__main__.py"}, {"gradcore"}]  # the files at the root
    assert [*drawn.values()] == [floor for floor in rooms if floor not in beside]
