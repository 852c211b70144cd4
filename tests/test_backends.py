"""Choosing a backend, moving arrays in and out, and whose array is this?

Where a test depends on what is installed or on environment variables, it runs in a process of its
own. A CuPy that has two GPUs, or that fails in some way, is played by a module on its path.
"""

from __future__ import annotations

import contextlib
import importlib.util
import operator
import os
import re
import subprocess
import sys
import textwrap
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cupy_on_cpu
import numpy as np
import pytest

import gradcore
from gradcore import Add, Multiply, Sigmoid, Sum, TensorNode, use_backend
from gradcore.backends import Backend, backend_of, default, get, names, problem
from gradcore.backends.ownership import holders

ROOT = Path(__file__).parents[1]

# CuPy's ways with devices, on NumPy: new arrays, and all results, are on the current device.
FAKE_CUPY = """
import os
import sys
import types

import numpy
from numpy import *
from numpy import abs, fft, linalg, max, min, round

__version__ = "14.0.0"
__all__ = sorted({*numpy.__all__, "cuda", "ndarray"} - {"fft", "linalg"})
current = 0


class CUDARuntimeError(RuntimeError):
    pass


class Device:
    __hash__ = None

    def __init__(self, device=None):
        self.id = current if device is None else int(device)

    def __int__(self):
        return self.id

    def __eq__(self, other):
        return self.id == other.id

    def __repr__(self):
        return f"<CUDA Device {self.id}>"

    def use(self):
        global current
        current = self.id
        return self

    def __enter__(self):
        self.before = Device()
        return self.use()

    def __exit__(self, *error):
        self.before.use()


class ndarray(numpy.ndarray):
    device = property(lambda self: self._device)

    def __array_finalize__(self, like):
        view = self.base is not None and isinstance(like, ndarray)
        self._device = like._device if view else Device()

    def __array__(self, *arguments, **options):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def get(self):
        if self.device.id != current:
            raise RuntimeError("this runs in another device's stream")
        return self.view(numpy.ndarray).copy()


def asarray(x, dtype=None, order="K"):
    if isinstance(x, ndarray):
        if x.device.id == current:
            x = x if dtype in (None, x.dtype) else x.astype(dtype)
            return x if order == "K" or x.flags.c_contiguous else x.copy()
        if order == "K" and not x.flags.forc:
            raise NotImplementedError("CuPy cannot copy non-contiguous array between devices.")
        x = x.view(numpy.ndarray)
    return numpy.array(x, dtype=dtype, order=order).view(ndarray)


def count():
    if "FAKE_ERROR" in os.environ:
        raise CUDARuntimeError(os.environ["FAKE_ERROR"])
    return int(os.environ.get("FAKE_COUNT", 2))


def ElementwiseKernel(*arguments, **options):
    pass


ReductionKernel = ElementwiseKernel


def nvrtc_version():
    if "FAKE_INCOMPLETE" in os.environ:
        raise RuntimeError("libnvrtc.so.12 not found")
    return 12, 9


runtime = types.SimpleNamespace(
    CUDARuntimeError=CUDARuntimeError,
    getDeviceCount=count,
    getDeviceProperties=lambda number: {"name": f"GPU {number}".encode()},
    runtimeGetVersion=lambda: int(os.environ.get("FAKE_RUNTIME", 12090)),
    driverGetVersion=lambda: int(os.environ.get("FAKE_DRIVER", 13000)),
)
nvrtc = types.SimpleNamespace(getVersion=nvrtc_version)
cuda = types.SimpleNamespace(Device=Device, runtime=runtime, nvrtc=nvrtc)
sys.modules.update({"cupy.cuda": cuda, "cupy.cuda.device": cuda})
sys.modules.update({"cupy.linalg": linalg, "cupy.fft": fft})
# An attribute, not a module that can be imported: where pip put the library, only this finds it.
sys.modules["cupy_backends.cuda.libs"] = types.SimpleNamespace(cublas=cuda)
"""
MISSING = "raise ModuleNotFoundError(\"No module named 'cupy'\", name='cupy')"


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


@pytest.fixture
def numpy_default() -> Iterator[None]:
    with use_backend("numpy"):
        yield


def strict(device: Any = None) -> Backend:
    pytest.importorskip("array_api_strict")
    return get("strict", device)


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


def test_an_unknown_name_is_an_error_that_lists_what_is_installed(python: Any) -> None:
    done = python("import gradcore; gradcore.use_backend('cupi')")
    assert "ValueError: there is no backend 'cupi'; installed: numpy, cupy (can't" in done.stderr
    assert "cupy is not installed" in done.stderr
    done = python("import gradcore; gradcore.TensorNode([1.0])", GRADCORE_BACKEND="cupi")
    assert "ValueError: GRADCORE_BACKEND=cupi: there is no backend 'cupi'" in done.stderr


@pytest.mark.usefixtures("numpy_default")
def test_use_backend_now_in_a_block_nested_and_after_an_exception() -> None:
    strict()
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


@pytest.mark.usefixtures("numpy_default")
def test_existing_arrays_stay_where_they_are() -> None:
    strict()
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
    strict()
    with pytest.raises(ValueError, match=r"strict: .*'device9'.* device1, device2"):
        get("strict", "device9")


# -- Moving arrays ----------------------------------------------------------------------------


def test_numbers_become_float32_and_arrays_keep_their_dtype() -> None:
    backend = get("numpy")
    for x, dtype in [
        (1.5, "float32"),
        ([[1.0, 2.0]], "float32"),
        ([1, 2], "int64"),
        ([True], "bool"),
        (np.ones(2), "float64"),
        (np.float64(1), "float64"),
        (np.ones(2, "float16"), "float16"),
    ]:
        assert backend.asarray(x).dtype == dtype
        assert isinstance(backend.asarray(x), np.ndarray)
        assert backend.asarray(x, "float64").dtype == np.float64
        assert backend.asarray(x, np.float32).dtype == np.float32
    assert backend.asarray([0.1], "float64")[0] == 0.1
    x = np.ones(3)
    assert backend.asarray(x) is x
    assert backend.owns_memory(x)
    assert not backend.owns_memory(x[1:])
    transposed = np.ones((2, 3)).T
    assert backend.owns_memory(transposed)
    held = transposed.base
    assert not backend.owns_memory(transposed)
    del held


def test_holders_counts_the_owner_and_the_callers_variables() -> None:
    owner = types.SimpleNamespace(array=np.ones(3))
    assert holders(owner, "array") == 1
    x = owner.array
    assert holders(owner, "array") == 2
    several = [x, np.ones(2) + 1]
    assert holders(several, 0, operator.getitem) == 3
    del x, owner
    assert [holders(several, i, operator.getitem) for i in range(2)] == [1, 1]


NO_COUNTS = {
    "no lock": "sys._is_gil_enabled = lambda: False",
    "PyPy": "sys.implementation.name = 'pypy'",
}


@pytest.mark.parametrize("change", NO_COUNTS.values(), ids=NO_COUNTS)
def test_where_nobody_counts_references_an_array_is_never_alone(python: Any, change: str) -> None:
    code = """
    import types
    import numpy as np
    from gradcore.backends import get
    from gradcore.backends.ownership import UNKNOWN, holders

    assert holders(types.SimpleNamespace(array=np.ones(3)), "array") == UNKNOWN
    backend = get("numpy")
    print(backend.owns_memory(np.ones((2, 3)).T), backend.owns_memory(np.ones(3)))
    """
    assert python.printed(f"import sys\n{change}\n{textwrap.dedent(code)}") == "False True"


def test_memory_of_others_is_not_written_to() -> None:
    buffer = bytearray(np.ones(6, np.float32).tobytes())
    for shape in ((6,), (2, 3)):
        p = TensorNode(np.frombuffer(buffer, np.float32).reshape(shape))
        gradcore.Sum.do_forward(p * 2.0).backward()
        gradcore.optim.SGD([p], 0.5).step()
        assert (p.value == 0.0).all()
        assert (np.frombuffer(buffer, np.float32) == 1.0).all()


@pytest.mark.parametrize("wrong", ["abs", "float", "no_such", "pi"])
def test_no_such_dtype(wrong: str) -> None:
    with pytest.raises(ValueError, match=f"numpy has no dtype '{wrong}'; try 'float32'"):
        get("numpy").asarray([1.0], wrong)


@pytest.mark.parametrize("x", ["text", ["text"], object(), None])
def test_what_is_no_numbers(x: Any) -> None:
    with pytest.raises(TypeError, match="numpy: expected an array or numbers, not "):
        get("numpy").asarray(x)


@pytest.mark.parametrize("kind", ["bool", "int32", "float32", "float64", "complex64"])
@pytest.mark.parametrize("shape", [(), (0, 2), (2, 3)])
def test_arrays_move_between_backends_and_devices(kind: str, shape: tuple[int, ...]) -> None:
    x = np.arange(np.prod(shape)).reshape(shape).astype(kind)
    backends = [strict("device1"), strict("device2"), get("numpy")]
    if importlib.util.find_spec("torch"):
        import torch

        backends.append(backend_of(torch.ones(())))
    for one in backends:
        for other in backends:
            moved = other.asarray(one.asarray(x))
            assert backend_of(moved).name == other.name
            if other.device:
                assert moved.device == other.device
            back = other.to_numpy(moved)
            np.testing.assert_array_equal(back, x, strict=True)


def test_the_way_in_and_out_changes_no_bits_of_a_strange_array() -> None:
    backward = np.arange(6.0).reshape(2, 3)[::-1, ::-2]
    backward.flags.writeable = False
    for backend in (get("numpy"), strict()):
        x = backend.to_numpy(backend.asarray(backward))
        np.testing.assert_array_equal(x, backward, strict=True)


# -- Whose array is this? ---------------------------------------------------------------------


def test_backend_of_goes_by_the_type(tmp_path: Path) -> None:
    assert backend_of(np.ones(2)) is get("numpy")
    assert backend_of(np.float32(1)) is get("numpy")
    on_disk = np.memmap(tmp_path / "x", np.float32, "w+", shape=(2,))
    assert backend_of(on_disk) is get("numpy")
    there = strict("device2").asarray([1.0])
    assert backend_of(there) is get("strict"), "a backend of its type, on the default device"


@pytest.mark.parametrize("x", [1, 1.5, "text", None, [1.0], {}, object(), np.dtype("int8")])
def test_what_is_no_array(x: Any) -> None:
    with pytest.raises(TypeError, match="expected an array, not "):
        backend_of(x)


def test_a_node_is_no_array() -> None:
    node = TensorNode(np.ones(2))
    for ask in (backend_of, get("numpy").asarray):
        with pytest.raises(TypeError, match=r"not a TensorNode; take its \.value"):
            ask(node)
    assert type(TensorNode(node).value) is np.ndarray


def test_mixed_backends_are_an_error_whose_advice_works() -> None:
    here, there = np.ones(2, np.float32), strict("device2").asarray([1.0, 2.0])
    with pytest.raises(ValueError, match=r"Add: .* move one: gradcore\.backends\.get\(name, devi"):
        Add.do_forward(here, there)
    moved = gradcore.backends.get("strict", there.device).asarray(here)
    np.testing.assert_array_equal(
        get("strict").to_numpy(Add.do_forward(moved, there).value), [2.0, 3.0]
    )


class TestUnregisteredLibrary:
    """torch's tensors work as they are: array_api_compat knows them."""

    @pytest.fixture(autouse=True)
    def _torch(self) -> None:
        self.torch = pytest.importorskip("torch")

    def test_gradients(self) -> None:
        torch = self.torch
        a, b = torch.tensor([[1.0, -2.0], [3.0, 0.5]]), torch.tensor([[0.5], [-1.0]])
        x, w = TensorNode(a), TensorNode(b)
        loss = Sum.do_forward(Sigmoid.do_forward(x @ w) * w)
        loss.backward()
        expected = [t.clone().requires_grad_() for t in (a, b)]
        (torch.sigmoid(expected[0] @ expected[1]) * expected[1]).sum().backward()
        for node, tensor in zip((x, w), expected, strict=True):
            assert type(node.grad) is torch.Tensor
            torch.testing.assert_close(node.grad, tensor.grad)

    def test_it_can_be_asked_for_once_it_was_met(self) -> None:
        backend = backend_of(self.torch.ones(2))
        assert get("torch") is backend
        assert "torch" in names()
        assert problem("torch") is None
        assert backend.describe_library() == f"torch {self.torch.__version__}"
        parameter = self.torch.nn.Parameter(self.torch.ones(2), requires_grad=False)
        assert backend_of(parameter) is backend
        assert backend.asarray(parameter).data_ptr() == parameter.data_ptr()
        with use_backend("torch"):
            assert type(TensorNode([1.0]).value) is self.torch.Tensor

    def test_it_takes_arrays_that_are_read_only_or_run_backwards(self) -> None:
        backend = backend_of(self.torch.ones(2))
        x = np.broadcast_to(np.arange(3.0)[::-1], (2, 3))
        np.testing.assert_array_equal(backend.to_numpy(backend.asarray(x)), x)
        assert backend.asarray(np.array(2.0)).shape == ()

    def test_mixing(self) -> None:
        with pytest.raises(ValueError, match=r"Add: .*numpy on cpu and torch on cpu"):
            Add.do_forward(np.ones(2), self.torch.ones(2))


# -- CuPy -------------------------------------------------------------------------------------


def test_cupy_makes_its_device_the_current_one(python: Any) -> None:
    code = """
    import cupy, numpy
    from gradcore import TensorNode
    from gradcore.backends import use_backend

    with use_backend("cupy", device=1) as backend:
        x = TensorNode([[1.0, 2.0], [3.0, 4.0]])
        y = x * x
        assert x.value.device.id == y.value.device.id == cupy.current == 1
        assert type(y.value) is cupy.ndarray and y.dtype == numpy.float32
        with use_backend("numpy"), use_backend("cupy", 0):
            assert cupy.current == 0
        assert cupy.current == 1
        assert backend.describe_device() == "GPU 1"
        assert backend.describe_library() == "cupy 14.0.0 for CUDA 12.9"
    assert cupy.current == 0
    use_backend("cupy", cupy.cuda.Device(1))
    assert cupy.current == 1 and use_backend("cupy").backend.describe_device() == "GPU 1"
    """
    python.printed(code, FAKE_CUPY)


def test_cupy_moves_arrays(python: Any) -> None:
    code = """
    import cupy, numpy
    from gradcore.backends import backend_of, get

    x = numpy.arange(6.0).reshape(2, 3)
    zero, one = get("cupy", 0), get("cupy", "1")
    there = one.asarray(x.astype(">f8"), "float32")
    assert there.device.id == 1 and there.dtype == numpy.float32 and cupy.current == 0
    turned = there.T[1:]
    assert one.asarray(there) is there and one.asarray(turned) is turned
    assert turned.device.id == 1 and not turned.flags.forc
    here = zero.asarray(turned)
    assert here.device.id == 0 and type(here) is cupy.ndarray and cupy.current == 0
    for array in (turned, here):
        back = backend_of(array).to_numpy(array)
        assert type(back) is numpy.ndarray
        numpy.testing.assert_array_equal(back, x.T[1:])
        numpy.testing.assert_array_equal(get("numpy").asarray(array), x.T[1:])
    assert get("cupy").asarray([1.0]).device.id == 0
    assert one.asarray([1, 2], dtype="float64").dtype == numpy.float64
    windows = one.asarray(x).copy()
    assert one.owns_memory(windows) and not one.owns_memory(windows[1:])
    for device in (2, -1, "gpu", cupy.cuda.Device(7)):
        try:
            get("cupy", device)
        except ValueError as error:
            assert str(error) == f"cupy: no device {device!r}; this machine has 0 to 1"
        else:
            raise AssertionError(device)
    """
    python.printed(code, FAKE_CUPY)


def test_cupy_says_why_it_cannot_run_and_what_to_do(python: Any) -> None:
    cases = {
        "None": {},
        "no NVIDIA driver answers": {"FAKE_ERROR": "35", "FAKE_DRIVER": "0"},
        "this CuPy is for CUDA 12, but the NVIDIA driver knows nothing newer than CUDA 11: "
        "update the driver to 525 or newer": {"FAKE_ERROR": "35", "FAKE_DRIVER": "11080"},
        "update the driver to 580 or newer, or change to a CuPy for CUDA 12: "
        "pip uninstall cupy-cuda13x, then pip install 'cupy-cuda12x[ctk]'": {
            "FAKE_ERROR": "35",
            "FAKE_DRIVER": "12080",
            "FAKE_RUNTIME": "13000",
        },
        "it gives no GPU, with CUDA_VISIBLE_DEVICES='-1' (CUDA says cudaErrorNoDevice)": {
            "FAKE_ERROR": "cudaErrorNoDevice",
            "CUDA_VISIBLE_DEVICES": "-1",
        },
        "there is an NVIDIA driver, but it gives no GPU": {"FAKE_COUNT": "0"},
        "(libnvrtc.so.12 not found); pip install 'cupy-cuda12x[ctk]'": {"FAKE_INCOMPLETE": "1"},
    }
    code = f"""
    import os
    from gradcore.backends import problem
    for variables in {list(cases.values())}:
        os.environ.update(variables)
        print(problem("cupy"))
        for variable in variables:
            del os.environ[variable]
    """
    told = python.printed(code, FAKE_CUPY).splitlines()
    assert len(told) == len(cases), "one line each"
    for line, expected in zip(told, cases, strict=True):
        assert expected in line


@pytest.mark.skipif(problem("cupy") is not None, reason="no CuPy that runs")
def test_cupy_itself() -> None:
    from cupy.lib import stride_tricks

    backend = get("cupy")
    assert backend.describe_device()
    for x in (np.float32(1.5), np.ones((0, 2)), np.arange(6.0).reshape(2, 3)[::-1, ::-2]):
        there = backend.asarray(x)
        assert backend_of(there) is backend
        np.testing.assert_array_equal(backend.to_numpy(there), x, strict=True)
        np.testing.assert_array_equal(get("numpy").asarray(there), x)
        assert backend.asarray(there) is there
    x = backend.asarray(np.ones((4, 4)))
    assert backend.owns_memory(x)
    assert not backend.owns_memory(x[1:])
    windows = stride_tricks.as_strided(x, (2, 3, 4), (32, 32, 8))
    assert not backend.owns_memory(windows), "it has no base"
    with pytest.raises(ValueError, match="cupy: no device 1000"):
        get("cupy", 1000)


# -- Backends of other packages ---------------------------------------------------------------


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
    metadata.entry_points = lambda **group: calls.append(1) or search(**group)
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


# -- docs/backends.md -------------------------------------------------------------------------


PAGE = (ROOT / "docs" / "backends.md").read_text("utf-8")


def test_the_page_names_every_kernel() -> None:
    methods = {n for n in dir(Backend) if callable(getattr(Backend, n)) and n[0] != "_"}
    missing = {name for name in methods if f"`{name}`" not in PAGE}
    assert not missing, f"docs/backends.md should say what these are for: {missing}"


# -- Memory, and data that stay on the host -------------------------------------------------------


def test_out_of_memory_says_what_and_what_to_try() -> None:
    class Large(gradcore.Op):
        @staticmethod
        def forward(context: Any, x: Any) -> Any:
            if x.shape == (3,):
                raise MemoryError("no room for 9 GB")
            return x

        @staticmethod
        def backward(context: Any, go: Any) -> Any:
            raise MemoryError("no room for 8 GB")

    with pytest.raises(
        MemoryError, match=r"Large: no room for 9 GB \(inputs: float32 \(3,\)\)"
    ) as e:
        Large.do_forward(TensorNode([1.0, 2.0, 3.0]))
    assert "Try smaller batches" in str(e.value)
    with pytest.raises(MemoryError, match="8 GB") as e:
        gradcore.Sum.do_forward(Large.do_forward(TensorNode([1.0]))).backward()
    (note,) = e.value.__notes__
    assert note.startswith("in Large.backward. Try smaller batches")


def test_numpy_has_no_memory_of_its_own() -> None:
    backend = get("numpy")
    assert (backend.describe_memory(), backend.used_memory()) == ("", 0)
    with pytest.raises(ValueError, match=r"numpy can't limit its memory \(2\.5 GB\)"):
        backend.limit_memory(2_500_000_000)
    backend.allow_tf32(True)  # and does nothing


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    """CuPy's backend, with 8 GB of which 6 are free, 1 in its pool and another 0.5 free there."""
    from types import SimpleNamespace

    backend = cupy_on_cpu.module("backend")
    limits = [0]
    pool = SimpleNamespace(
        used_bytes=lambda: 10**9,
        free_bytes=lambda: 5 * 10**8,
        get_limit=lambda: limits[-1],
        set_limit=lambda size: limits.append(size),
    )
    fake = SimpleNamespace(
        cuda=SimpleNamespace(Device=contextlib.nullcontext), get_default_memory_pool=lambda: pool
    )
    memory = SimpleNamespace(memGetInfo=lambda: (6 * 10**9, 8 * 10**9))
    monkeypatch.setattr(backend, "cupy", fake)
    monkeypatch.setattr(backend, "runtime", memory)
    gpu = backend.CupyBackend()
    monkeypatch.setattr(gpu, "asarray", lambda x, dtype=None: ("there", x, dtype))
    return gpu


def test_memory_of_a_gpu(gpu: Any) -> None:
    said = "1.00 GB in arrays and 0.50 GB kept for new ones; 6.00 GB of the GPU's 8.00 GB free"
    assert gpu.describe_memory() == said
    gpu.limit_memory(4 * 10**9)
    assert gpu.describe_memory() == f"{said}; limit 4.00 GB"


def test_a_set_of_data_goes_to_the_gpu_where_it_fits(gpu: Any) -> None:
    small = np.ones(10, np.uint8)
    assert gpu.store(small)[0] == "there"
    large = np.broadcast_to(np.uint8(0), (4 * 10**9,))
    assert gpu.store(large) is large


def test_tf32_is_off_unless_asked_for() -> None:
    pytest.importorskip("cupy")
    from cupy._core import _routines_linalg as settings

    from gradcore.backends.cupy import CupyBackend

    backend = CupyBackend()
    before = settings.get_compute_type(np.float32)
    backend.allow_tf32(False)
    assert settings.get_compute_type(np.float32) == settings.COMPUTE_TYPE_DEFAULT == before


def test_arrays_of_two_devices_name_the_op_both_and_what_moves_one() -> None:
    one, other = (TensorNode(strict(name).asarray([1.0])) for name in ("device1", "device2"))
    with pytest.raises(ValueError, match=r"^Multiply: the inputs are arrays of ") as error:
        one * other
    for part in ("'device1'", "'device2'", "gradcore.backends.get(name, device).asarray(array)"):
        assert part in str(error.value)
    moved = get("strict", other.device).asarray(one.value)
    assert (other * moved).device == other.device


def test_batches_go_from_the_host_to_a_device() -> None:
    x, y = np.arange(12.0, dtype=np.float32).reshape(6, 2), np.arange(6)
    to = strict("device2")
    for shuffle in (False, True):
        gradcore.manual_seed(0)
        here = list(gradcore.data.Batches(x, y, 4, shuffle))
        gradcore.manual_seed(0)
        there = list(gradcore.data.Batches(x, y, 4, shuffle, to=to))
        assert [len(batch) for batch in there] == [2, 2]
        for ours, theirs in zip(here, there, strict=True):
            for a, b in zip(ours, theirs, strict=True):
                assert b.device == to.device
                np.testing.assert_array_equal(to.to_numpy(b), a, strict=True)
    for data in (to.asarray(x), to.asarray(y)), (strict("device1").asarray(x), to.asarray(y)):
        for place in (to, get("strict", "device1"), get("strict", "device2")):
            for batch in gradcore.data.Batches(*data, 4, False, to=place):
                assert {a.device for a in batch} == {place.asarray([0]).device}
    already = gradcore.data.Batches(to.asarray(x), to.asarray(y), 4, to=to)
    assert already.to is None
    assert gradcore.data.Batches(x, y, 4, to=get("numpy")).to is None
