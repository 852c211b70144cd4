"""Which backend is the default, how one is chosen, and those that other packages register.

Where a test depends on what is installed or on environment variables, it runs in a process of its
own. A CuPy that has two GPUs, or that fails in some way, is played by a module on its path.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_cupy import FAKE_CUPY

from gradcore import Multiply, Sum, TensorNode, use_backend
from gradcore.backends import backend_of, default, get

# -- Which backend is the default -------------------------------------------------------------


WHICH = "import gradcore; print(gradcore.backends.default())"


@pytest.mark.parametrize(
    ("variable", "cupy_module", "expected"),
    [
        (None, "raise OSError('libcuda.so.1 is missing')", "numpy"),
        (None, FAKE_CUPY, "cupy"),
        ("", FAKE_CUPY, "cupy"),
        ("numpy", FAKE_CUPY, "numpy"),
    ],
)
def test_the_variable_names_the_default(
    python: Any, variable: str | None, cupy_module: str, expected: str
) -> None:
    variables = {} if variable is None else {"GRADCORE_BACKEND": variable}
    assert python.printed(WHICH, cupy_module, **variables) == expected


def test_auto_takes_cupy_where_a_gpu_answers(python: Any) -> None:
    code = """
    import os
    from gradcore.backends import use_backend
    for count in "0", "2":
        os.environ["FAKE_COUNT"] = count
        print(use_backend("auto").backend, use_backend("auto", 1).backend, end="; ")
    """
    assert python.printed(code, FAKE_CUPY, FAKE_COUNT="0") == "numpy numpy; cupy cupy (1);"


def test_a_name_may_have_the_device_in_it(python: Any) -> None:
    assert python.printed(WHICH, FAKE_CUPY, GRADCORE_BACKEND="cupy:1") == "cupy (1)"
    code = """
    from gradcore.backends import get, use_backend
    print(use_backend("cupy:1").backend is get("cupy", 1) is get("cupy:1", 1))
    get("cupy:1", 0)
    """
    done = python(code, FAKE_CUPY)
    assert done.stdout == "True\n"
    assert "ValueError: backend 'cupy:1' names a device, and device=0 another" in done.stderr
    done = python(WHICH, FAKE_CUPY, GRADCORE_BACKEND="cupy:7")
    assert "ValueError: GRADCORE_BACKEND=cupy:7: cupy: no device '7'" in done.stderr


FALLBACK = """\
import warnings
import gradcore
warnings.simplefilter("always")
x = gradcore.TensorNode([1.0])
gradcore.use_backend("cupy")
with gradcore.use_backend("cupy", device=1) as backend:
    print(backend, type(x.value).__module__)
"""


def test_a_missing_cupy_is_one_warning_and_numpy_runs(python: Any) -> None:
    done = python(FALLBACK, flags=(), GRADCORE_BACKEND="cupy")
    assert done.stdout.split() == ["numpy", "numpy"], done.stderr
    assert done.stderr.count("Warning") == 1
    # The user's line, the reason, the fix and the way to forbid it.
    assert re.search(r"user\.py:4: RuntimeWarning: .*'cupy' can't run here", done.stderr)
    assert "cupy is not installed; pip install 'cupy-cuda12x[ctk]'" in done.stderr
    assert "GRADCORE_FALLBACK=0" in done.stderr


def test_the_fallback_can_be_forbidden(python: Any) -> None:
    code = """
    import gradcore
    print(gradcore.use_backend("auto").backend)  # which asks for nothing
    gradcore.use_backend("cupy")
    """
    done = python(code, GRADCORE_FALLBACK="0")
    assert done.stdout == "numpy\n"
    assert "RuntimeError: backend 'cupy' can't run here: cupy is not installed" in done.stderr
    done = python(WHICH, GRADCORE_FALLBACK="0", GRADCORE_BACKEND="cupy")
    assert "RuntimeError: GRADCORE_BACKEND=cupy: backend 'cupy' can't run here" in done.stderr


@pytest.mark.parametrize("error", ["ImportError", "AttributeError"])
def test_what_an_import_raised_is_kept_and_shown(python: Any, error: str) -> None:
    broken = f"print('tried')\ntry:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise {error}"
    broken = f"{broken}('=====\\n CuPy failed\\nto load ') from OSError('no libcuda')"
    code = """
    import gradcore
    for _ in range(3):
        print(gradcore.backends.problem("cupy"))
    gradcore.backends.get("cupy")
    """
    done = python(code, broken)
    tried, *told = done.stdout.splitlines()
    assert tried == "tried", "a broken library is imported once"
    assert len(told) == 3
    assert told[0].startswith("importing it failed with OSError: no libcuda")
    assert "CuPy failed" in done.stderr, "the traceback goes back to the import"
    assert "backend 'cupy' can't run here: importing it failed" in done.stderr


def test_an_unknown_name_is_an_error_that_says_what_was_meant_or_what_runs(python: Any) -> None:
    done = python("import gradcore; gradcore.use_backend('cupi')")
    assert "ValueError: there is no backend 'cupi'; did you mean 'cupy'? (`python" in done.stderr
    for name, meant in (("gpu", "did you mean 'cupy'"), ("mps", "did you mean 'torch:mps'")):
        with pytest.raises(ValueError, match=meant):
            get(name)
    with pytest.raises(ValueError, match=r"'tensorflow'; these run here: numpy, .*doctor` says"):
        get("tensorflow")
    done = python("import gradcore; gradcore.TensorNode([1.0])", GRADCORE_BACKEND="cupi")
    assert "ValueError: GRADCORE_BACKEND=cupi: there is no backend 'cupi'" in done.stderr


def test_a_backend_that_computes_nothing_is_no_default(python: Any) -> None:
    done = python("import gradcore; gradcore.TensorNode([1.0])", GRADCORE_BACKEND="onnx")
    assert "GRADCORE_BACKEND=onnx: arrays of 'onnx' only note what a file is to" in done.stderr
    with pytest.raises(ValueError, match=r"write the file by gradcore.export\(model, example"):
        use_backend("onnx")


@pytest.fixture
def numpy_default() -> Iterator[None]:
    with use_backend("numpy"):
        yield


@pytest.mark.usefixtures("numpy_default")
def test_use_backend_now_in_a_block_nested_and_after_an_exception() -> None:
    pytest.importorskip("array_api_strict")
    assert default() is get("numpy")
    using = use_backend("strict")
    assert default() is using.backend is get("strict")
    with use_backend("numpy") as backend:
        assert default() is backend is get("numpy")
        with contextlib.suppress(ZeroDivisionError), use_backend("strict", device="device2"):
            assert default() is get("strict", "device2")
            assert "device2" in str(TensorNode([1.0]).value.device)
            raise ZeroDivisionError
        assert default() is get("numpy")
        with pytest.raises(ValueError, match="nonsense"):
            use_backend("nonsense")
        assert default() is get("numpy")
    assert default() is get("strict")
    use_backend("numpy")
    for _ in range(2):
        with using:
            assert default() is get("strict")
        assert default() is get("numpy")


def test_blocks_of_several_threads_in_turns_leave_the_default_as_it_was() -> None:
    pytest.importorskip("array_api_strict")
    before, found = default(), []
    first_in, second_in, first_out = (threading.Event() for _ in range(3))

    def first() -> None:
        with use_backend("strict"):
            first_in.set()
            second_in.wait(10)
            found.append(default())
        first_out.set()

    def second() -> None:
        first_in.wait(10)
        using = use_backend("numpy")
        with using:
            second_in.set()
            first_out.wait(10)
            found.append(default())

    threads = [threading.Thread(target=function) for function in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [get("strict"), get("numpy")]
    assert default() is before


def test_a_block_in_a_generator_is_for_the_generator() -> None:
    pytest.importorskip("array_api_strict")
    before = default()

    def steps() -> Iterator[object]:
        with use_backend("strict"):
            yield default()
            yield default()

    for inside in steps():
        assert inside is get("strict")
        assert default() is before
    closed = steps()
    next(closed)
    thread = threading.Thread(target=closed.close)  # type: ignore[attr-defined]
    thread.start()
    thread.join()
    assert default() is before


def test_a_call_outside_of_blocks_is_for_all_threads_and_keeps_no_earlier_ones(python: Any) -> None:
    code = """
    import threading
    from gradcore.backends import default, registry, use_backend
    use_backend("strict")
    seen = []
    thread = threading.Thread(target=lambda: seen.append(default().name))
    thread.start(), thread.join()
    for _ in range(100):
        use_backend("numpy")
    print(*seen, default(), len(registry._choices) < 4)
    """
    assert python.printed(code) == "strict numpy True"


@pytest.mark.usefixtures("numpy_default")
def test_existing_arrays_stay_where_they_are() -> None:
    pytest.importorskip("array_api_strict")
    x = TensorNode([1.0, 2.0])
    with use_backend("strict"):
        y = Sum.do_forward(Multiply.do_forward(x, 3.0))
        y.backward()
        assert backend_of(TensorNode([1.0]).value).name == "strict"
    assert type(x.grad) is np.ndarray
    np.testing.assert_array_equal(x.grad, [3.0, 3.0])


def test_no_such_device() -> None:
    with pytest.raises(ValueError, match="numpy has one device, 'cpu', and not 1"):
        use_backend("numpy", device=1)
    pytest.importorskip("array_api_strict")
    with pytest.raises(ValueError, match=r"strict: .*'device9'.* device1, device2"):
        get("strict", "device9")


# -- Backends of other packages ---------------------------------------------------------------


TESTS = Path(__file__).parents[1]
THIRD_PARTY = """
import numpy
import array_api_compat.numpy as xp
from gradcore.backends import Backend

class Array(numpy.ndarray):  # a NumPy array too: the more special type counts
    pass

class Unknown(numpy.ndarray):
    pass

class Other(Backend):
    name = "other"
    xp = xp
    array_types = (Array,)

    def from_numpy(self, x, dtype=None):
        return numpy.array(x, dtype).view(Array)
"""


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """An installed package that registers a backend."""
    info = tmp_path / "other_backend-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-backend\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[gradcore.backends]\nother = other_backend:Other\n")
    module = tmp_path / "other_backend.py"
    module.write_text(THIRD_PARTY)
    return module


@pytest.mark.usefixtures("other")
def test_another_package_registers_a_backend(python: Any) -> None:
    code = """
    import sys
    import numpy
    from gradcore import TensorNode
    from gradcore.backends import backend_of, default, names

    TensorNode(numpy.ones(2))
    assert "other" in names() and "other_backend" not in sys.modules, "not before it is needed"
    import other_backend
    assert backend_of(numpy.ones(2).view(other_backend.Array)).name == "other"
    assert backend_of(numpy.ones(2).view(other_backend.Unknown)).name == "numpy"
    x = TensorNode([1.0, 2.0])
    print(default(), type(x.value).__name__, default().describe_library())
    """
    assert python.printed(code, GRADCORE_BACKEND="other") == "other Array other_backend"


@pytest.mark.usefixtures("other")
def test_the_tests_run_on_the_backend_of_another_package(python: Any) -> None:
    code = f"""
    import sys
    sys.path[:0] = {[str(TESTS / each) for each in ("", "helpers", "backends/cupy")]}
    import conftest
    print(conftest._choose("other")[0], "other" in conftest._choose(None)[0])
    """
    assert python.printed(code) == "['other'] False"


def test_its_mistakes_are_told_and_hurt_nobody_else(python: Any, other: Path) -> None:
    modules = {
        "import1": ("1 / 0", "importing it failed with ZeroDivisionError: division by zero"),
        "import2": ("import no_such", "ModuleNotFoundError: No module named 'no_such'"),
        "number": ("Other = 3", "expected a subclass of gradcore.backends.Backend, found 3"),
        "misnamed": (THIRD_PARTY, "expected Other.name = 'misnamed'"),
        "problem": (
            THIRD_PARTY.replace('"other"', '"problem"')
            + "\n    @classmethod\n    def problem(cls):\n        1 / 0",
            "its check of this machine failed with ZeroDivisionError",
        ),
    }
    points = [f"{name} = bad_{name}:Other" for name in modules]
    points_file = other.parent / "other_backend-1.0.dist-info" / "entry_points.txt"
    points_file.write_text("\n".join(["[gradcore.backends]", *points, "other=other_backend:Other"]))
    for name, (module, _) in modules.items():
        (other.parent / f"bad_{name}.py").write_text(module)
    code = f"""
    from gradcore.backends import backend_of, problem, use_backend
    class Strange: pass
    try:
        backend_of(Strange())
    except TypeError as error:
        assert str(error) == "expected an array, not Strange"
    for name in {list(modules)}:
        why = problem(name)
        print(why)
        try:
            use_backend(name)
        except RuntimeError as error:
            assert str(error).startswith(f"backend {{name!r}} can't run here: {{why}}"), error
    print(use_backend("other"))
    """
    *told, last = python.printed(code).splitlines()
    for line, (_, expected) in zip(told, modules.values(), strict=True):
        assert expected in line
    assert last == "using other"


def test_packages_are_searched_for_backends_only_when_needed_and_once(python: Any) -> None:
    code = """
    import importlib.metadata as metadata
    calls, search = [], metadata.entry_points
    def counted(**of):
        calls.extend([1] * (of["group"] == "gradcore.backends"))  # PyTorch has a search of its own
        return search(**of)
    metadata.entry_points = counted
    import numpy, gradcore
    from gradcore.backends import backend_of, names, problem
    gradcore.TensorNode(numpy.ones(2))
    gradcore.TensorNode([numpy.float64(1)])
    print(len(calls), end=" ")
    class Strange: pass
    for _ in range(2):
        names(), problem("numpy"), problem("no such")
        try: backend_of(Strange())
        except TypeError: pass
    print(len(calls))
    """
    assert python.printed(code) == "0 1"
