"""The backends that the tests run on, and what all tests share.

The folders are those of the package: tests/engine/ tests gradcore/engine/ and gradcore/graph.py,
tests/data/ tests gradcore/data/. tests/op_table/ has a row for each op, which tests/ops/ drives on
every backend. tests/helpers/ and tests/backends/cupy/ are on the path: `from comparing import
close` is tests/helpers/comparing.py, and `cupy_on_cpu` plays CuPy where no GPU is. tests/golden/
has numbers computed elsewhere, beside the scripts that compute them.

A test that takes the fixture `backend` runs on each backend of the matrix, which is the default
one meanwhile: `TensorNode([1.0])` lives there, `backend.asarray(x)` makes an array there of a
NumPy array, and `backend.to_numpy(array)` brings it back. A test that takes `dtype` too runs
for "float32" and "float64", or for one of them on some backends: see ONE_DTYPE.

    def test_exp(backend, dtype):
        x = TensorNode(backend.asarray(np.ones(3), dtype))

A test that takes the fixture `on` runs for each backend but NumPy's: to compare the two.

By default a test runs on NumPy, and on one other of the matrix in turn: see IN_TURN.
GRADCORE_TEST_BACKENDS=all runs all of the matrix that can, but those in BY_NAME;
GRADCORE_TEST_BACKENDS=torch,strict runs these only, and may name a backend of another package.
GRADCORE_TEST_PASSED names a file: the tests in it are left out, and those that pass are added, so
that .ci/run runs none of them twice.
"""

from __future__ import annotations

import functools
import itertools
import os
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cupy_on_cpu
import numpy as np
import pytest
from op_table import all_ops

import gradcore
from gradcore.backends import Backend, get, problem
from gradcore.backends import names as registered
from gradcore.backends.numba import backend as numba_backend
from gradcore.backends.numba import loading, products, recurrent

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # SciPy looks as the first of all imports it

MATRIX = {  # name: (backend, device)
    "numpy": ("numpy", None),
    "numpy-readonly": ("numpy", None),  # no op can write to what it was given, or has given
    "numpy-fast": ("numpy", None),  # every array that a compiled kernel is for goes to it
    "strict": ("strict", "device1"),
    "strict-no-float64": ("strict", "no_float64"),
    "cupy-like": ("cupy-like", None),  # gradcore's CuPy backend, on a stand-in for CuPy
    "cupy": ("cupy", None),
    "torch": ("torch", "cpu"),
    "jax": ("jax", "cpu"),  # with JAX's 64 bits on
    "jax-32": ("jax", "cpu"),  # as JAX is by itself
    "mlx": ("mlx", None),
    "dpnp": ("dpnp", None),
}
LIMITS = {"COPIED", "COPY", "FEW", "LANES", "LARGE", "RUN", "SHARED", "SMALL", "WORK"}
ONE_DTYPE = {
    "strict": "float64",  # strict-no-float64 is the same in float32
    "strict-no-float64": "float32",
    "cupy-like": "float32",  # to save time, as for the next one
    "numpy-readonly": "float32",
    "jax-32": "float32",
    "mlx": "float32",  # the only one it has
}
# To save time, where GRADCORE_TEST_BACKENDS does not name the backends: float32 on NumPy is what
# others compute in, and numpy-fast is slow to compile. Of compiled kernels and the stand-ins for
# GPUs a test runs on one in turn, chosen by its name. A test of an example runs on none of them.
BY_DEFAULT = {"numpy": "float64", "numpy-fast": "float32"}
IN_TURN = {"numpy-fast", "strict-no-float64", "cupy-like"}
IF_ASKED = {"numpy-readonly", "strict"}
BY_NAME = {"torch", "jax", "jax-32", "mlx", "dpnp"}  # whole libraries, which .ci/run has steps for
MOST_OF_JAX = 100  # tests, until JAX forgets its programs, which take some 12 MB a test
_passed: list[str] = []
_on_jax = itertools.count(1)


def _choose(wanted: str | None) -> tuple[list[str], dict[str, str]]:
    """The names in the matrix that run, and why the others don't."""
    cupy_on_cpu.register()
    problems = {name: p for name, (backend, _) in MATRIX.items() if (p := problem(backend))}
    if why := loading.problem():
        problems["numpy-fast"] = why
    if not wanted:
        problems |= dict.fromkeys(IF_ASKED - problems.keys(), "only by GRADCORE_TEST_BACKENDS=all")
    if wanted in (None, "", "all"):
        problems |= dict.fromkeys(
            BY_NAME - problems.keys(), "only by its name in GRADCORE_TEST_BACKENDS"
        )
        return [name for name in MATRIX if name not in problems], problems
    names = [name.strip() for name in wanted.split(",")]
    for name in names:
        if name in registered() and name not in MATRIX and (why := problem(name)):
            problems[name] = why
        if name not in {*MATRIX, *registered()}:
            known = ", ".join(MATRIX)
            raise pytest.UsageError(f"GRADCORE_TEST_BACKENDS: no {name!r}; there are {known}")
        if name in problems:
            raise pytest.UsageError(f"GRADCORE_TEST_BACKENDS: {name} can't run: {problems[name]}")
    others = {name: "not in GRADCORE_TEST_BACKENDS" for name in MATRIX if name not in names}
    return names, others


def pytest_configure(config: Any) -> None:
    gradcore.use_backend("numpy")  # for tests that choose none, also where a GPU is
    os.environ["GRADCORE_BACKEND"] = "numpy"  # in processes that they start
    # These compile the package once, and not each of them, which takes longer than what they do.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    wanted = os.environ.get("GRADCORE_TEST_BACKENDS")
    config.backends, config.not_backends = _choose(wanted)
    config.place = _place
    if "cupy" in config.backends:  # whose results are compared as exact ones
        get("cupy").allow_tf32(matmul=False, convolutions=False)
    config.one_dtype = ONE_DTYPE if wanted else ONE_DTYPE | BY_DEFAULT
    config.passed_file = os.environ.get("GRADCORE_TEST_PASSED")


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    """Leave out the backends whose turn it is not, and what has passed before."""
    out = set()
    os.environ.pop("GRADCORE_TEST_PASSED", None)  # tests that run pytest don't mean it
    if config.passed_file and Path(config.passed_file).exists():
        out.update(Path(config.passed_file).read_text().splitlines())
    if not os.environ.get("GRADCORE_TEST_BACKENDS"):
        tests: dict[str, list[str]] = defaultdict(list)  # by their names without the stand-in's
        for item in items:
            values = item.callspec.params if hasattr(item, "callspec") else {}
            name = values.get("backend", values.get("on"))
            if name in IN_TURN and item.nodeid.startswith("tests/examples/"):
                out.add(item.nodeid)
            elif name in IN_TURN:
                tests[item.nodeid.replace(name, "", 1)].append(item.nodeid)
        for test, ids in tests.items():
            # The tests of a row of the op table meet different ones: the sums of theirs differ.
            kept = ids[sum(zlib.crc32(part.encode()) for part in test.split("[")) % len(ids)]
            out.update(set(ids) - {kept})
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in out])
    items[:] = [item for item in items if item.nodeid not in out]


def pytest_runtest_logreport(report: Any) -> None:
    if report.when == "call" and report.passed:
        _passed.append(report.nodeid)


def pytest_sessionfinish(session: Any) -> None:
    is_worker = hasattr(session.config, "workerinput")  # of xdist's
    if session.config.passed_file and not is_worker:
        with Path(session.config.passed_file).open("a") as file:
            file.writelines(f"{name}\n" for name in _passed)


def pytest_terminal_summary(terminalreporter: Any, config: Any) -> None:
    why: dict[str, list[str]] = {}
    for name, reason in config.not_backends.items():
        why.setdefault(reason, []).append(name)
    others = [f"; not {', '.join(names)} ({reason})" for reason, names in why.items()]
    terminalreporter.write_line(f"backends: {', '.join(config.backends)}{''.join(others)}")


def pytest_generate_tests(metafunc: Any) -> None:
    names = metafunc.config.backends
    if "dtype" in metafunc.fixturenames:
        pairs = [
            (name, dtype)
            for name in names
            for dtype in ("float32", "float64")
            if dtype == metafunc.config.one_dtype.get(name, dtype)
        ]
        metafunc.parametrize(("backend", "dtype"), pairs, indirect=["backend"])
    elif "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", names, indirect=True)
    elif "on" in metafunc.fixturenames:
        others = [name for name in names if not name.startswith("numpy")]
        metafunc.parametrize("on", others, indirect=True)


@pytest.fixture
def backend(request: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    """A backend of the matrix, in use as the default."""
    if request.param == "numpy-readonly":
        # All of them first: where a method is a class method, an op that inherits it has its own.
        methods = [(op, n, getattr(op, n)) for op in all_ops() for n in ("forward", "backward")]
        for op, name, method in methods:
            monkeypatch.setattr(op, name, _read_only(method))
    if request.param == "numpy-fast":
        for module in (numba_backend, products, recurrent):
            for limit in LIMITS & vars(module).keys():
                monkeypatch.setattr(module, limit, 1)
    with _place(request.param) as place, gradcore.use_backend(*place) as chosen:
        if hasattr(chosen, "checks_wait"):  # CuPy's: an index out of range is an error at once
            monkeypatch.setattr(type(chosen), "checks_wait", True)
        yield chosen


@pytest.fixture
def on(request: Any) -> Iterator[tuple[str, Any]]:
    """The name and the device of a backend of the matrix that is not NumPy's."""
    with _place(request.param) as place:
        yield place


@contextmanager
def _place(name: str) -> Iterator[tuple[str, Any]]:
    """Give the name and the device of a backend of the matrix; in the block, JAX has its 64 bits
    where the matrix says so."""
    place = MATRIX.get(name, (name, None))
    if place[0] != "jax":
        yield place
        return
    config = pytest.importorskip("jax").config
    before = config.jax_enable_x64
    config.update("jax_enable_x64", name == "jax")
    yield place
    config.update("jax_enable_x64", before)
    if next(_on_jax) % MOST_OF_JAX == 0:
        from gradcore.backends.jax import compiled

        compiled.forget()


@pytest.fixture
def data_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an empty cache for datasets; the environment names no other."""
    for name in ("GRADCORE_DATA", "GRADCORE_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "*")
    platformdirs = pytest.importorskip("platformdirs")
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda app: str(tmp_path / "cache" / app))
    return tmp_path / "cache" / "gradcore"


@functools.cache
def _read_only(function: Callable[..., Any]) -> staticmethod[..., Any]:
    """An op's forward or backward, where it can't write to inputs, outputs and gradients.

    What it is given can be written to again after the call: it may be a parameter.
    """

    @functools.wraps(function)
    def call(context: Any, *arrays: Any, **constants: Any) -> Any:
        given = [x for x in _arrays([context, arrays, constants]) if x.flags.writeable]
        given.sort(key=lambda x: x.base is not None)  # a view is writeable only after its base
        for x in given:
            x.flags.writeable = False
        try:
            result = function(context, *arrays, **constants)
            for x in _arrays([result, context]):
                x.flags.writeable = False
            return result
        finally:
            for x in given:
                x.flags.writeable = True

    return staticmethod(call)


def _arrays(x: Any) -> Iterator[np.ndarray]:
    if isinstance(x, np.ndarray):
        yield x
    elif isinstance(x, dict):
        yield from _arrays(list(x.values()))
    elif isinstance(x, tuple | list):
        for entry in x:
            yield from _arrays(entry)


def pytest_make_parametrize_id(val: Any, argname: str) -> str | None:
    """Call bytes by their argument's name: archives contain the time, so two processes would give
    the same test different names."""
    return argname if isinstance(val, bytes) else None
