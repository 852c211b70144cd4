"""Convolutions by cuDNN: what it is asked for, on the stand-in for CuPy, with a cuDNN written in
NumPy; that the real one plans all of it, where it is installed; and its results, on a GPU."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cupy_on_cpu
import numpy as np
import pytest
from cudnn_plans import CASES, KINDS, PLAIN, channels_last
from cupy_on_cpu import wrap

from gradcore.backends import Backend, get
from gradcore.backends.definitions.convolution import output_size
from gradcore.tools.doctor import _cudnn

cudnn = cupy_on_cpu.module("cudnn")

ROOT = Path(__file__).parents[3]
TOLERANCE = {"float16": 2e-3, "float32": 1e-5, "float64": 1e-13}
METHODS = ["conv2d", "biased", "conv2d_input_gradient", "conv2d_weight_gradient"]
SMALL = [case for case in CASES if np.prod(case[0]) < 70_000]


class Names:
    """An enumeration whose members are their names."""

    def __getattr__(self, name: str) -> str:
        return name


class Tensor(SimpleNamespace):
    def __getattr__(self, name: str) -> Any:
        """The setters, which give the tensor itself."""
        if not name.startswith("set_"):
            raise AttributeError(name)

        def setter(value: Any) -> Tensor:
            setattr(self, name.removeprefix("set_"), value)
            return self

        return setter

    def array(self, places: dict[int, int]) -> np.ndarray:
        """What is there, as the tensor describes it."""
        dtype = np.dtype({"HALF": "e", "FLOAT": "f", "DOUBLE": "d"}[self.data_type])
        steps = [n * dtype.itemsize for n in self.stride]
        assert places[self.uid] % 16 == 0
        size = sum((n - 1) * s for n, s in zip(self.dim, steps, strict=True)) + dtype.itemsize
        assert size == np.prod(self.dim) * dtype.itemsize
        memory = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(places[self.uid]))
        return np.lib.stride_tricks.as_strided(memory.view(dtype), self.dim, steps)


class Graph:
    """A `cudnn.pygraph` whose execution is the definition's."""

    def __init__(self, library: Library, **options: Any) -> None:
        self.library, self.options = library, options
        self.bias_of: Any = None
        self.steps: list[str] = []
        library.graphs.append(self)

    def tensor(self, **given: Any) -> Tensor:
        return Tensor(**given)

    def _operation(self, method: str, first: Tensor, second: Tensor, attributes: Any) -> Tensor:
        pads = attributes.pop("pre_padding"), attributes.pop("post_padding")
        self.attributes = {**attributes, "padding": tuple(zip(*pads, strict=True))}
        self.method, self.first, self.second, self.result = method, first, second, Tensor()
        return self.result

    def conv_fprop(self, image: Tensor, weight: Tensor, **attributes: Any) -> Tensor:
        return self._operation("conv2d", image, weight, attributes)

    def conv_dgrad(self, loss: Tensor, filter: Tensor, **attributes: Any) -> Tensor:  # noqa: A002
        return self._operation("conv2d_input_gradient", loss, filter, attributes)

    def conv_wgrad(self, image: Tensor, loss: Tensor, **attributes: Any) -> Tensor:
        return self._operation("conv2d_weight_gradient", image, loss, attributes)

    def bias(self, input: Tensor, bias: Tensor) -> Tensor:  # noqa: A002
        assert input is self.result
        self.bias_of, self.result = bias, Tensor()
        return self.result

    def __getattr__(self, name: str) -> Any:
        """The steps of planning, which are noted."""
        return lambda *given: self.steps.append(name) or setattr(self, f"given_to_{name}", given)

    def get_workspace_size(self) -> int:
        return self.library.workspace

    # The parts of front end 1.28 that `private.call_of` uses.
    _plan_index = 3

    @property
    def _lowered_graph(self) -> Graph:
        return self

    def _materialize_backend_plan(self, index: int) -> SimpleNamespace:
        return SimpleNamespace(cpp_index=10 * index)

    def _execute_plan_at_index(
        self, places: dict[int, int], workspace: int, index: int, handle: int
    ) -> None:
        assert index == 10 * self._plan_index
        assert self.steps[-1] == "build_plans"
        assert all(type(place) is int for place in places.values())
        self.library.ran.append((self, places, workspace, handle, self.library.streams[handle]))
        y, numpy = self.result.array(places), get("numpy")
        wide = "d" if self.options["compute_data_type"] == "DOUBLE" else "f"
        a, b = (t.array(places).astype(wide) for t in (self.first, self.second))
        if self.method == "conv2d":
            bias = self.bias_of and self.bias_of.array(places).astype(wide)[0, :, 0, 0]
            groups = a.shape[1] // b.shape[1]
            y[...] = Backend.conv2d(numpy, a, b, bias, groups=groups, **self.attributes)
        elif self.method == "conv2d_input_gradient":
            options = {"size": y.shape[2:], "groups": y.shape[1] // b.shape[1]}
            y[...] = Backend.conv2d_input_gradient(numpy, a, b, **options, **self.attributes)
        else:
            options = {"kernel": y.shape[2:], "groups": a.shape[1] // y.shape[1]}
            y[...] = Backend.conv2d_weight_gradient(numpy, a, b, **options, **self.attributes)


class Library(ModuleType):
    """The module cudnn."""

    __version__ = "1.28"
    data_type = numerical_note = heur_mode = Names()

    def __init__(self) -> None:
        super().__init__("cudnn")
        self.graphs: list[Graph] = []
        self.ran: list[Any] = []
        self.streams: dict[int, int] = {}  # by handle
        self.workspace = 0

    def pygraph(self, **options: Any) -> Graph:
        return Graph(self, **options)

    def create_handle(self) -> int:
        self.streams[len(self.streams) + 1] = 0
        return len(self.streams)

    def set_stream(self, handle: int, stream: int) -> None:
        self.streams[handle] = stream

    def backend_version(self) -> int:
        return 92800

    def backend_version_string(self) -> str:
        return "9.28"


@pytest.fixture
def library(monkeypatch) -> Library:
    library = Library()
    monkeypatch.setitem(sys.modules, "cudnn", library)
    monkeypatch.setattr(cudnn.cupy.cuda.Device, "compute_capability", "90")
    return library


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def gaps(x: Any) -> Any:
    return np.repeat(x, 2, axis=-1)[..., ::2]


def misplaced(x: Any) -> Any:
    """x, where cuDNN would not take it."""
    y = np.empty(x.size + 1, x.dtype)[1:].reshape(x.shape)
    y[...] = x
    return y


def arguments(method: str, case: Any, kind: str, lie: Any = np.asarray) -> tuple[Any, Any]:
    """Arrays for a method, lying in memory as `lie` has them, and its options."""
    x, w, groups, steps = case
    y = x[0], w[0], *output_size(x[2:], w[2:], **steps)
    x, w, y, b = (normal(*shape).astype(kind) for shape in (x, w, y, w[:1]))
    given, more = {
        "conv2d": ((x, w, None), {}),
        "biased": ((x, w, b), {}),
        "conv2d_input_gradient": ((y, w), {"size": x.shape[2:]}),
        "conv2d_weight_gradient": ((x, y), {"kernel": w.shape[2:]}),
    }[method]
    given = [x if x is None or x.ndim == 1 else lie(x) for x in given]
    return given, {**more, "groups": groups, **steps}


def call(how: Any, method: str, given: Any, options: Any) -> Any:
    return how.plan(method.replace("biased", "conv2d"), *given, **options)(*given)


def on_host(given: Any) -> Any:
    return [x if x is None else wrap(x) for x in given]


def expected(method: str, given: Any, options: Any) -> np.ndarray:
    given = [x if x is None else x.astype("d") for x in given]
    return getattr(Backend, method.replace("biased", "conv2d"))(get("numpy"), *given, **options)


def close(x: Any, y: Any, kind: str) -> None:
    x = x if isinstance(x, np.ndarray) else x.get()
    assert x.dtype == kind
    scale = max(0.1, abs(y).max())
    np.testing.assert_allclose(x.astype("d"), y, TOLERANCE[kind], TOLERANCE[kind] * scale)


# -- What cuDNN is asked for ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", TOLERANCE)
@pytest.mark.parametrize("lie", [np.asarray, channels_last, gaps, misplaced])
@pytest.mark.parametrize("method", METHODS)
def test_results(library, method: str, lie: Any, kind: str) -> None:
    how = cudnn.Cudnn()
    for case in SMALL:
        given, options = arguments(method, case, kind, lie)
        close(call(how, method, on_host(given), options), expected(method, given, options), kind)
    assert len(library.graphs) == len(library.ran) == len(SMALL) >= 4


@pytest.mark.parametrize("method", METHODS)
def test_what_lies_well_is_not_copied(library, method: str) -> None:
    how = cudnn.Cudnn()
    for lie in (np.asarray, channels_last):
        given, options = arguments(method, SMALL[0], "float32", lie)
        y = call(how, method, on_host(given), options)
        there = [x.data.ptr for x in (*on_host(given), y) if x is not None]
        assert sorted(library.ran[-1][1].values()) == sorted(there)
        is_last = lie is channels_last and method != "conv2d_weight_gradient"
        assert y.flags.c_contiguous != is_last
        assert y.transpose(0, 2, 3, 1).flags.c_contiguous == is_last


def test_a_graph_is_planned_once_for_each_case(library, monkeypatch) -> None:
    how, case = cudnn.Cudnn(), SMALL[0]

    def planned(
        method: str = "conv2d", case: Any = case, kind: str = "float32", **rest: Any
    ) -> int:
        before = len(library.graphs)
        given, options = arguments(method, case, kind, **rest)
        call(how, method, on_host(given), options)
        return len(library.graphs) - before

    x, w, groups, steps = case
    others: list[dict[str, Any]] = [
        {},
        *({"method": method} for method in METHODS[1:]),
        {"kind": "float16"},
        {"lie": channels_last},
        {"case": ((3, *x[1:]), w, groups, steps)},
        {"case": (x, w, groups, {**steps, "stride": (1, 2)})},
        {"case": (x, w, groups, {**steps, "dilation": (2, 1)})},
        {"case": (x, w, groups, {**steps, "padding": ((1, 2), (0, 0))})},
        {"case": (x, w, groups, {**steps, "padding": ((2, 1), (0, 0))})},
    ]
    for expected in (1, 0):
        assert [planned(**other) for other in others] == [expected] * len(others)
    monkeypatch.setattr(cudnn, "in_convolutions", lambda: False)
    assert (planned(), planned()) == (1, 0)
    monkeypatch.setattr(cudnn.cupy.cuda.runtime, "getDevice", lambda: 1)
    assert (planned(), planned()) == (1, 0)
    assert [ran[3] for ran in library.ran[-4:]] == [1, 1, 2, 2]  # a handle for each device
    assert [graph.options["handle"] for graph in library.graphs[-2:]] == [1, 2]


def test_on_the_current_stream_with_memory_from_cupy(library, monkeypatch) -> None:
    library.workspace, cuda = 1000, cudnn.cupy.cuda
    sizes: list[int] = []
    monkeypatch.setattr(cuda, "alloc", lambda size: sizes.append(size) or SimpleNamespace(ptr=4096))
    how, (given, options) = cudnn.Cudnn(), arguments("conv2d", SMALL[0], "float32")
    for stream in (0, 77, 0):
        monkeypatch.setattr(cuda.get_current_stream(), "ptr", stream)
        call(how, "conv2d", on_host(given), options)
        _, _, workspace, _, ran_on = library.ran[-1]
        assert (workspace, ran_on) == (4096, stream)
    assert sizes == [1000] * 3


def test_nothing_is_planned_while_a_stream_is_captured(library, monkeypatch) -> None:
    how, (given, options) = cudnn.Cudnn(), arguments("conv2d", SMALL[0], "float32")
    monkeypatch.setattr(cupy_on_cpu.device, "is_capturing", True)
    with pytest.raises(RuntimeError, match="plan a new conv_fprop during a capture"):
        call(how, "conv2d", on_host(given), options)
    assert (library.graphs, library.streams) == ([], {})
    monkeypatch.setattr(cupy_on_cpu.device, "is_capturing", False)
    call(how, "conv2d", on_host(given), options)
    monkeypatch.setattr(cupy_on_cpu.device, "is_capturing", True)
    close(
        call(how, "conv2d", on_host(given), options), expected("conv2d", given, options), "float32"
    )


@pytest.mark.parametrize(("kind", "is_tf32"), KINDS)
def test_float32_is_not_rounded_unless_tf32_is_allowed(
    library, monkeypatch, kind: str, is_tf32: bool
) -> None:
    monkeypatch.setattr(cudnn, "in_convolutions", lambda: is_tf32)
    given, options = arguments("conv2d", SMALL[0], kind)
    call(cudnn.Cudnn(), "conv2d", on_host(given), options)
    [graph] = library.graphs
    [(barred,)] = [graph.given_to_deselect_numeric_notes]
    is_exact = kind == "float32" and not is_tf32
    always = {"NONDETERMINISTIC", "FFT", "WINOGRAD", "REDUCED_PRECISION_REDUCTION"}
    always |= {"DOWN_CONVERT_INPUTS"}
    assert set(barred) == always | ({"TENSOR_CORE"} if is_exact else set())
    # Plans have to be there to be deselected, and are to be so before one is built.
    order = ["create_execution_plans", "deselect_numeric_notes", "check_support", "build_plans"]
    assert graph.steps[-4:] == order
    wide = "DOUBLE" if kind == "float64" else "FLOAT"
    assert graph.options["compute_data_type"] == graph.options["intermediate_data_type"] == wide


def test_refusals(library) -> None:
    how, x, w = (
        cudnn.Cudnn(),
        wrap(np.ones((2, 3, 5, 5), "f")),
        wrap(np.ones((4, 3, 3, 3), "f")),
    )
    options = {"groups": 1, **PLAIN}
    for given in ((x, w.astype("d"), None), (x, w, wrap(np.ones(4, "d")))):
        with pytest.raises(TypeError, match="one dtype, not float32, float64"):
            call(how, "conv2d", given, options)
    with pytest.raises(TypeError, match="floating arrays of one dtype, not int32"):
        call(how, "conv2d", (x.astype("i"), w.astype("i"), None), options)
    for given in ((x[:0], w, None), (x[..., :2], w, None)):
        with pytest.raises(ValueError, match="no empty arrays"):
            call(how, "conv2d", given, options)
    assert library.graphs == []


# -- Where it can be had --------------------------------------------------------------------------


def test_it_can_be_had_or_there_is_a_reason(library, monkeypatch) -> None:
    assert cudnn.Cudnn().problem() is None
    monkeypatch.setattr(cudnn.cupy.cuda, "Device", lambda: SimpleNamespace(compute_capability="70"))
    assert "compute capability 7.5 or more, not 7.0" in str(cudnn.Cudnn().problem())

    def missing() -> None:
        raise RuntimeError("Unable to find symbol cudnnGetVersion")

    monkeypatch.setattr(library, "backend_version", missing)
    assert "finds no cuDNN (Unable to find symbol" in str(cudnn.Cudnn().problem())
    assert "nvidia-cudnn-cu12" in str(cudnn.Cudnn().problem())
    monkeypatch.setitem(sys.modules, "cudnn", None)
    assert str(cudnn.Cudnn().problem()).startswith("nvidia-cudnn-frontend is not installed; pip")


def test_not_on_the_stand_in_for_cupy(monkeypatch) -> None:
    """Where the real cuDNN would take addresses of the host for its own."""
    monkeypatch.setitem(sys.modules, "cudnn", Library())
    assert str(cudnn.Cudnn().problem()).endswith("or more, not 0.0")


def test_a_front_end_that_lacks_packages(monkeypatch, tmp_path) -> None:
    monkeypatch.delitem(sys.modules, "cudnn", raising=False)
    (tmp_path / "cudnn.py").write_text("import cutlass_of_nobody")
    monkeypatch.syspath_prepend(tmp_path)
    assert "lacks cutlass_of_nobody; pip install" in str(cudnn.Cudnn().problem())


def test_the_packages_named_are_those_of_the_extras() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]
    for cuda in ("12", "13"):
        named = cudnn.PACKAGES.format(cuda=cuda)
        assert [p.split(">")[0] for p in extras[f"cuda{cuda}"][1:]] == [
            p.strip("'").split(">")[0] for p in named.split()
        ]
        assert extras[f"cuda{cuda}"][1] in named


@pytest.mark.usefixtures("library")
def test_doctor_says_whether_it_is_there(monkeypatch) -> None:
    for name in ("gradcore.backends.cupy", cudnn.__name__):
        monkeypatch.setitem(sys.modules, name, get("cupy-like").modules[name])
    assert _cudnn() == "cuDNN 9.28 (front end 1.28) computes convolutions where it is the fastest"
    monkeypatch.setitem(sys.modules, "cudnn", None)
    advice = "convolutions are slower than with cuDNN: nvidia-cudnn-frontend is not installed; pip"
    assert _cudnn().startswith(advice)


def test_cudnn_is_not_imported_before_a_convolution() -> None:
    pytest.importorskip("cupy")
    code = "import sys, gradcore.backends.cupy.cudnn; print('cudnn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# -- The real one ---------------------------------------------------------------------------------


def test_cudnn_plans_all_of_it() -> None:
    done = subprocess.run(
        [sys.executable, "tests/backends/cupy/cudnn_plans.py", "sm_90"],
        capture_output=True, text=True, timeout=900, cwd=ROOT, check=False,
    )  # fmt: skip
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", TOLERANCE)
@pytest.mark.parametrize("method", METHODS)
def test_results_are_the_definitions_on_a_gpu(method: str, kind: str, request) -> None:
    if "cupy" not in request.config.backends:
        pytest.skip("no GPU")
    from gradcore.backends.cupy.cudnn import Cudnn

    if why := Cudnn().problem():
        pytest.skip(why)
    how, cupy = Cudnn(), get("cupy")
    for case in SMALL:
        for lie in (np.asarray, channels_last):
            given, options = arguments(method, case, kind, lie)
            there = [x if x is None else cupy.asarray(x) for x in given]
            found = cupy.to_numpy(call(how, method, there, options))
            again = cupy.to_numpy(call(how, method, there, options))
            assert found.tobytes() == again.tobytes()
            close(found, expected(method, given, options), kind)
