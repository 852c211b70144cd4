"""Run autograd's own examples and tests on gradcore.autograd, and compare what they compute.

    python tests/search/autograd_programs.py                    examples, then tests, on NumPy
    python tests/search/autograd_programs.py --examples         only these
    python tests/search/autograd_programs.py --tests -k jacobian
    python tests/search/autograd_programs.py --backend strict   or cupy-like: another device
    python tests/search/autograd_programs.py --examples --plain `numpy` in place of autograd.numpy

pip fetches autograd's source distribution from PyPI into the cache folder (`--cache`), unless it is
there. Each program is copied twice: as it stands, and with `autograd` replaced by
`gradcore.autograd`. Long loops are shortened in the same way in both copies (SHORTER). Each copy
runs in a process of its own, which records what every gradient function of the program gave. The
records must agree to 1e-10. The programs that read MNIST get the 5,000 images that gradcore ships.

Of the tests those that fail for a reason are in EXPLAINED, with the reason.

Needs `pip install autograd==1.9.1 scipy pytest`, and matplotlib for the plots on NumPy.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import hashlib
import importlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import tempfile
import types
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["compare", "main", "replaced"]

VERSION = "1.9.1"
ROOT = Path(__file__).parents[2]
TOLERANCE = 1e-10
SECONDS = 300  # for one program
MNIST = 1000, 200  # images to train on and to test

# Texts replaced in both copies of the programs: fewer rounds, and a seed where there is none.
SHORTER = [
    (r"num_iters=(1000|2000)", "num_iters=6"),
    (r"num_iters=num_epochs \* num_batches", "num_iters=6"),
    (r"num_iters = 200", "num_iters = 6"),
    (r"num_iters=20\b", "num_iters=3"),
    (r"\"maxiter\": 10\b", '"maxiter": 2'),
    (r"num_tries=15", "num_tries=3"),
    (r"method=\"CG\"\)\.x", 'method="CG", options={"maxiter": 2}).x'),
    (r"num_epochs = 50", "num_epochs = 1"),
    (r"simulation_timesteps = \d+", "simulation_timesteps = 8"),
    (r'"maxiter": (25|50)', '"maxiter": 2'),
    (r'method="(CG|Newton-CG)", callback', r'method="\1", options={"maxiter": 3}, callback'),
    (r'method="Newton-CG",\n', 'method="Newton-CG", options={"maxiter": 3},\n'),
    (r"while different\(x0, x1\)", "for _ in range(3)"),
    (r"max_lines=60", "max_lines=12"),
    (r"num_samples=2000", "num_samples=200"),
    (r"npr\.RandomState\(\)", "npr.RandomState(0)"),
    (r"plt\.pause\([^)]*\)", "plt.draw()"),
    (r"os\.system\(.*\)", "None"),
]

# Away from NumPy: where a program takes NumPy's own arrays from elsewhere, it must move them.
MOVED = [
    (r"import numpy as np\b", "import gradcore.autograd.numpy as np"),
    (r"self\.N \+= np\.prod", "self.N = self.N + np.prod"),  # an array there, changed in place
    (r"import numpy as npo\b", "import gradcore.autograd.numpy as npo"),
    (r"= imread\((.*)\)\[", r"= np.array(imread(\1))["),
]

GRADIENTS = [
    "deriv",
    "elementwise_grad",
    "grad",
    "grad_named",
    "hessian",
    "hessian_tensor_product",
    "hessian_vector_product",
    "holomorphic_grad",
    "jacobian",
    "multigrad_dict",
    "value_and_grad",
]
METHODS = [
    "all",
    "any",
    "argmax",
    "argmin",
    "mean",
    "max",
    "min",
    "ravel",
    "repeat",
    "round",
    "squeeze",
    "std",
    "sum",
    "transpose",
    "var",
]
OPERATORS = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"]
COMPARISONS = ["lt", "le", "gt", "ge", "eq", "ne"]
NOT_PROGRAMS = {"__init__.py", "data.py", "data_mnist.py"}

# Why tests of autograd fail; every other must pass.
_WHERE = "of scalars, NumPy's `where` gives an array, as gradcore's does, and autograd's x or y"
_CONST = "const_graph runs a function that is differentiated in each call"
_COMPLEX = "complex numbers have no order: gradcore refuses, NumPy compares real parts first"
_REAL = "erf and erfc are of real numbers"
EXPLAINED: dict[str, str] = {
    "test_fft::test_rfftn_odd_not_implemented": "odd sizes work, and the test wants an error",
    "test_linalg::test_pinv": "the test calls autograd's private names `_dot` and `T`",
    "test_misc::test_const_graph": _CONST,
    "test_misc::test_const_graph_args": _CONST,
    "test_numpy::test_cast_to_int": "`np.int64(node)`: NumPy's type takes no node; say astype",
    "test_scipy::test_erf": _REAL,
    "test_scipy::test_erfc": _REAL,
    "test_systematic::test_max": _COMPLEX,
    "test_systematic::test_min": _COMPLEX,
    "test_wrappers::test_custom_where_dtypes[int-True-1-2]": _WHERE,
    "test_wrappers::test_custom_where_dtypes[float-True-3.0-4.0]": _WHERE,
    "test_wrappers::test_custom_where_dtypes[float-False-1-2.0]": _WHERE,
    "test_wrappers::test_custom_where_dtypes[list-True-x3-y3]": _WHERE,
}


# -- The archive ----------------------------------------------------------------------------------


def fetched(cache: Path) -> Path:
    """Fetch the source distribution into the folder, unless it is there, and unpack it."""
    folder = cache / f"autograd-{VERSION}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "-q", f"autograd=={VERSION}"]
        subprocess.run([*pip, "--no-deps", "--no-binary", "autograd", "-d", cache], check=True)
        with tarfile.open(cache / f"autograd-{VERSION}.tar.gz") as archive:
            archive.extractall(cache, filter="data")
    return folder


def replaced(text: str, plain: bool = False) -> str:
    """Replace the name autograd in imports, and where a program says `autograd.scipy`.

    Args:
        plain: also replace `autograd.numpy` by NumPy itself.
    """
    if plain:
        text = re.sub(r"\bimport autograd\.numpy(\.random)? as", r"import numpy\1 as", text)
    return re.sub(r"(?<![\w.])autograd(?=\.\w| import)", "gradcore.autograd", text)


def copied(source: Path, target: Path, changes: list[tuple[str, str]], ours: bool, plain: bool):
    """Copy a folder, with changes in its Python files."""
    shutil.copytree(source, target)
    for file in target.rglob("*.py"):
        text = file.read_text("utf-8")
        if file.name in {"lstm.py", "rnn.py", "hmm_em.py"}:  # these learn their own text
            shutil.copy(file, file.with_suffix(".txt"))
            text = re.sub(r'"(lstm|rnn)\.py"', r'"\1.txt"', text)
        for pattern, text_then in changes:
            text = re.sub(pattern, text_then, text)
        file.write_text(replaced(text, plain) if ours else text, "utf-8")


def write_mnist(folder: Path) -> None:
    """Write the four files of MNIST, with the first of the images that gradcore ships."""
    folder.mkdir()
    for part, n in zip(("train", "t10k"), MNIST, strict=True):
        for kind, head, size in (("images-idx3", 16, 784), ("labels-idx1", 8, 1)):
            name = f"{part}-{kind}-ubyte.gz"
            data = gzip.decompress((ROOT / "gradcore" / "data" / "mnist_5k" / name).read_bytes())
            data = data[:4] + n.to_bytes(4, "big") + data[8 : head + n * size]
            (folder / name).write_bytes(gzip.compress(data))


# -- One program, in a process of its own ---------------------------------------------------------


class Recorder:
    """What the gradient functions of a program gave, as arrays of NumPy."""

    def __init__(self) -> None:
        self.results: list[list[float]] = []
        self.depth = 0

    def watch(self, package: types.ModuleType) -> None:
        """Replace the package's functions that make gradient functions."""
        for name in GRADIENTS:
            setattr(package, name, self._making(getattr(package, name)))

    def _making(self, make: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(make)
        def made(*args: Any, **options: Any) -> Any:
            derivative = make(*args, **options)

            @functools.wraps(derivative)
            def recorded(*xs: Any, **constants: Any) -> Any:
                self.depth += 1
                try:
                    result = derivative(*xs, **constants)
                finally:
                    self.depth -= 1
                if self.depth == 0 and not is_traced(result):
                    self.results.append([*numbers(result)])
                return result

            return recorded

        return made


def numbers(x: Any) -> Iterator[float]:
    """Give the numbers in a result one by one; of a complex number, both parts."""
    if isinstance(x, dict):
        for key in sorted(x, key=str):
            yield from numbers(x[key])
    elif isinstance(x, list | tuple):
        for entry in x:
            yield from numbers(entry)
    elif hasattr(x, "alphas"):  # the functions of rkhs.py
        yield from numbers(x.alphas)
    elif x is not None:
        flat = np.ravel(to_numpy(x))
        yield from flat.real.tolist()
        yield from flat.imag.tolist() if np.iscomplexobj(flat) else ()


def is_traced(x: Any) -> bool:
    """Whether there are nodes, or autograd's boxes, in a result."""
    if isinstance(x, list | tuple | dict):
        return any(map(is_traced, x.values() if isinstance(x, dict) else x))
    return hasattr(x, "_node") or hasattr(x, "requires_grad")


def to_numpy(x: Any) -> Any:
    if not isinstance(x, int | float | complex | np.ndarray | np.generic):
        from gradcore.backends import backend_of

        return backend_of(x).to_numpy(x)
    return np.asarray(x)


class Anything:
    """Stands for matplotlib: every attribute and call gives another of these."""

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter([self] * 1000)


def without_plots() -> None:
    """Put a stand-in in the place of matplotlib; only images can be read."""
    nothing = Anything()
    for name in ("matplotlib", "matplotlib.pyplot", "matplotlib.cm", "matplotlib.image"):
        module = types.ModuleType(name)
        module.__getattr__ = lambda name: Anything()  # type: ignore[method-assign]
        sys.modules[name] = module
    try:
        from PIL import Image

        read = lambda file: np.asarray(Image.open(file), dtype="f4") / 255.0  # noqa: E731
    except ImportError:
        read = nothing
    sys.modules["matplotlib.pyplot"].imread = read  # type: ignore[attr-defined]
    for name in ("pyplot", "cm", "image"):
        setattr(sys.modules["matplotlib"], name, sys.modules[f"matplotlib.{name}"])


def child(program: str, package: str, backend: str, out: str) -> None:
    """Run one program, and write what was recorded."""
    sys.path.insert(0, str(Path(program).parent))
    if package == "gradcore.autograd":
        choose(backend)
    if backend != "numpy" or importlib.util.find_spec("matplotlib") is None:
        without_plots()
    recorder = Recorder()
    recorder.watch(importlib.import_module(package))
    np.random.seed(0)
    try:
        runpy.run_path(program, run_name="__main__")
    finally:
        Path(out).write_text(json.dumps(recorder.results))


def choose(backend: str) -> None:
    """Make a backend of the tests' matrix the default one."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "backends" / "cupy")]
    import gradcore

    if backend == "cupy-like":
        import cupy_on_cpu

        cupy_on_cpu.register()
    gradcore.use_backend(backend)
    if backend == "strict":
        with_methods()
    if backend != "numpy":
        optimize_on_host()


def with_methods() -> None:
    """Give array_api_strict's arrays what those of NumPy and CuPy have: methods, operators with
    nodes and numbers of other dtypes, and parts by fewer indices than there are axes."""
    from array_api_strict import asarray

    import gradcore.numpy as gnp

    kind = type(asarray(0))
    for name in METHODS:
        setattr(kind, name, plain(getattr(gnp, name)))
    kind.flatten, kind.dot = kind.ravel, gnp.dot
    kind.reshape = lambda x, *n, **__: gnp.reshape(x, n if isinstance(n[0], int) else n[0])
    kind.astype = gnp.astype
    kind.T = property(gnp.transpose)
    kind.__len__ = lambda x: x.shape[0]
    kind.__iter__ = lambda x: (x[i] if x.ndim == 1 else x[i, ...] for i in range(x.shape[0]))
    kind.__format__ = lambda x, spec: format(to_numpy(x)[()], spec)
    names = [form for name in OPERATORS for form in (name, f"r{name}")]
    for name in [f"__{name}__" for name in [*names, *COMPARISONS]]:
        setattr(kind, name, of_one_dtype(getattr(kind, name)))
    kind.__hash__ = object.__hash__
    kind.__getitem__ = of_all_axes(kind.__getitem__)


def plain(f: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function that can be a method, of what may be a callable object."""
    return lambda x, *args, **options: f(x, *args, **options)


def of_one_dtype(operator: Callable[..., Any]) -> Callable[..., Any]:
    """Have an operator promote integers and floats to floats, and leave nodes to the nodes."""
    from gradcore.numpy.common import floats, promoted

    def apply(x: Any, other: Any) -> Any:
        if hasattr(other, "requires_grad"):
            return NotImplemented
        other = other.item() if isinstance(other, np.generic) else other
        x, other = promoted(x, other)
        return operator(floats(x) if "truediv" in operator.__name__ else x, other)

    return apply


def of_all_axes(getitem: Callable[..., Any]) -> Callable[..., Any]:
    """Have x[i] of a matrix be x[i, ...], which array_api_strict insists on."""

    def get(x: Any, key: Any) -> Any:
        entries = key if isinstance(key, tuple) else (key,)
        is_short = len(entries) < x.ndim and not any(
            k is ... or hasattr(k, "ndim") for k in entries
        )
        return getitem(x, (*entries, ...) if is_short else key)

    return get


def optimize_on_host() -> None:
    """Have SciPy's optimizers start from arrays of a device, and give such arrays."""
    import scipy.optimize

    import gradcore.numpy as gnp

    minimize = scipy.optimize.minimize

    def on_device(f: Any) -> Any:
        def call(*xs: Any) -> Any:
            ys = f(*map(gnp.asarray, xs))
            return (
                tuple(map(to_numpy, ys))
                if isinstance(ys, tuple)
                else ys is not None and to_numpy(ys)
            )

        return call if callable(f) else f

    def moved(f: Any, x0: Any, bounds: Any = None, **options: Any) -> Any:
        bounds = bounds and [tuple(map(float, pair)) for pair in bounds]
        options = {name: on_device(option) for name, option in options.items()}
        result = minimize(on_device(f), to_numpy(x0), bounds=bounds, **options)
        result.x = gnp.asarray(result.x)
        return result

    scipy.optimize.minimize = moved


# -- Examples -------------------------------------------------------------------------------------


def compare(reference: list[list[float]], ours: list[list[float]]) -> tuple[int, float]:
    """Count the records, and give the largest difference, relative to the largest number of a
    record if that is above 1; infinity if one of the two has another number of records."""
    if [*map(len, reference)] != [*map(len, ours)]:
        return len(ours), float("inf")
    worst = 0.0
    for expected, found in zip(map(np.asarray, reference), map(np.asarray, ours), strict=True):
        if expected.size and not np.array_equal(expected, found, equal_nan=True):
            scale = max(1.0, float(np.max(np.abs(expected))))
            difference = float(np.max(np.abs(expected - found))) / scale
            worst = max(worst, difference if difference == difference else float("inf"))
    return len(ours), worst


def environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    fixed = {"PYTHONPATH": path, "MPLBACKEND": "Agg", "GRADCORE_BACKEND": "numpy"}
    return {**os.environ, **fixed, **more}


def run_example(program: Path, package: str, backend: str, work: Path) -> tuple[str, Any]:
    """Run a program; give the last line of its errors, or "", and what was recorded."""
    out = work / f"{program.stem}.{package}.json"
    command = [sys.executable, "-W", "ignore", __file__, "--child", program, package, backend, out]
    folder = program.parent
    try:
        done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True,
                              text=True, timeout=SECONDS)  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"took over {SECONDS} s", []
    error = "" if done.returncode == 0 else (done.stderr.strip() or "?").splitlines()[-1]
    if error and os.environ.get("SHOW"):
        print(done.stderr[-int(os.environ["SHOW"]) :])
    return error, json.loads(out.read_text()) if out.exists() else []


def reference(program: Path, archive: Path) -> tuple[str, Any]:
    """Run autograd's own program, once: what it recorded stays beside the archive."""
    key = hashlib.sha256(f"{program.read_text('utf-8')}{MNIST}{SHORTER}".encode()).hexdigest()
    kept = archive.parent / f"{program.stem}-{key[:12]}.json"
    if not kept.exists():
        problem, expected = run_example(program, "autograd", "numpy", archive.parent)
        if problem:
            return problem, expected
        kept.write_text(json.dumps(expected))
    return "", json.loads(kept.read_text())


def run_examples(archive: Path, work: Path, options: argparse.Namespace) -> int:
    """Run the examples on both sides, print a line for each, and count those that are right."""
    on_numpy = options.backend == "numpy"
    source = archive / "examples"
    copied(source, work / "reference", SHORTER, ours=False, plain=False)
    changes = SHORTER if on_numpy else [*SHORTER, *MOVED]
    copied(source, work / "ours", changes, ours=True, plain=options.plain)
    for side in ("reference", "ours"):
        write_mnist(work / side / "data")
    programs = [p for p in sorted((work / "ours").rglob("*.py")) if p.name not in NOT_PROGRAMS]
    programs = [p for p in programs if not options.only or options.only in p.name]
    right = 0
    for program in programs:
        name = program.relative_to(work / "ours")
        error, found = run_example(program, "gradcore.autograd", options.backend, work)
        problem, expected = ("", found) if error else reference(work / "reference" / name, archive)
        count, worst = compare(expected, found)
        fine = not error and not problem and worst <= TOLERANCE
        right += fine
        said = error or (problem and f"autograd: {problem}") or f"{count} gradients, {worst:.0e}"
        print(f"{'right' if fine else 'WRONG':6} {name!s:36} {said}", flush=True)
    print(f"examples on {options.backend}: {right} of {len(programs)} right")
    return len(programs) - right


# -- Tests ----------------------------------------------------------------------------------------


def function_of(name: str) -> str:
    return name.partition("[")[0]


def run_tests(archive: Path, work: Path, options: argparse.Namespace) -> int:
    """Run autograd's tests on gradcore, print those that fail, and count those not explained."""
    folder = work / "tests"
    copied(archive / "tests", folder, [], ours=True, plain=False)
    (work / "pytest.ini").write_text("[pytest]\n")
    (work / "on_backend.py").write_text(
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        f"import autograd_programs; autograd_programs.choose({options.backend!r})\n"
    )
    report = work / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-c", work / "pytest.ini", "-p", "on_backend"]
    command += ["--continue-on-collection-errors", "-p", "no:cacheprovider"]
    command += [f"--junitxml={report}", *options.pytest, folder]
    env = environment(PYTHONPATH=os.pathsep.join([str(work), str(ROOT)]))
    done = subprocess.run(command, cwd=work, env=env, capture_output=True, text=True)
    if os.environ.get("SHOW"):
        print(done.stdout[-int(os.environ["SHOW"]) :])
    passed, skipped, failed, names = 0, 0, {}, []
    for case in ElementTree.parse(report).iter("testcase"):
        problem = case.find("failure") if case.find("error") is None else case.find("error")
        name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
        if problem is not None:
            failed[name] = (problem.get("message") or problem.text or "?").splitlines()[0]
        elif case.find("skipped") is not None:
            skipped += 1
            continue
        else:
            passed += 1
        names.append(name)
    for name, message in failed.items():
        print(f"{'for a reason' if name in EXPLAINED else 'FAILED':13} {name:52} "
              f"{EXPLAINED.get(name, message)[:150]}")  # fmt: skip
    total = passed + skipped + len(failed)
    print(f"tests on {options.backend}: {passed} of {total} pass, {skipped} skipped")
    functions, wrong = set(map(function_of, names)), set(map(function_of, failed))
    print(f"as functions, whatever their parameters: {len(functions - wrong)} of {len(functions)}")
    return len(failed.keys() - EXPLAINED.keys())


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    cache, backends = (
        Path(tempfile.gettempdir()) / "autograd",
        ["numpy", "strict", "cupy-like", "cupy"],
    )
    parser.add_argument("--cache", type=Path, default=cache)
    parser.add_argument("--backend", default="numpy", choices=backends)
    parser.add_argument("--examples", action="store_true", help="run only these")
    parser.add_argument("--tests", action="store_true", help="run only these")
    parser.add_argument("--plain", action="store_true", help="NumPy itself as autograd.numpy")
    parser.add_argument("--only", help="examples whose name has this text")
    options, options.pytest = parser.parse_known_args(arguments)
    archive = fetched(options.cache)
    with tempfile.TemporaryDirectory() as work:
        wrong = 0
        if options.examples or not options.tests:
            wrong += run_examples(archive, Path(work), options)
        if options.tests or not options.examples:
            wrong += run_tests(archive, Path(work), options)
    return 1 if wrong else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        sys.exit(main(sys.argv[1:]))
