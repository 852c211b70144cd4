"""Ways to convolve on CuPy: the implicit products, kernels of blocks, and the fastest way.

On the stand-in for CuPy, whose clock is moved by launches and by nothing else.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import cupy_on_cpu
import numpy as np
import pytest
from cupy_on_cpu import device, module

import gradcore
from gradcore import TensorNode
from gradcore.backends import Backend, get

TOLERANCE = {"float16": 2e-3, "float32": 5e-6, "float64": 1e-13}


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The backend on the stand-in, with nothing chosen so far."""
    if why := cupy_on_cpu.problem():
        pytest.skip(why)
    for known in ("chosen", "plans"):
        monkeypatch.setattr(module("convolution").convolutions, known, {})
    with gradcore.use_backend("cupy-like") as backend:
        yield backend


# -- The implicit products ------------------------------------------------------------------------


def random_case(number: int) -> tuple[Any, ...]:
    """Shapes and options, of which some windows see nothing but padding."""
    rng = np.random.default_rng(number)
    groups, n = (int(rng.choice(few)) for few in ([1, 1, 2, 5], [1, 2, 3, 7]))
    o, c = (groups * int(rng.choice([1, 2, 3, 4, 17, 66 // groups])) for _ in range(2))
    kernel = tuple(int(k) for k in rng.integers(1, 5, 2))
    dilation, stride = (tuple(int(k) for k in rng.integers(1, 4, 2)) for _ in range(2))
    padding = tuple(tuple(int(k) for k in rng.integers(0, 4, 2)) for _ in range(2))
    reach = [d * (k - 1) + 1 - sum(p) for d, k, p in zip(dilation, kernel, padding, strict=True)]
    size = tuple(max(1, least) + int(rng.choice([0, 0, 1, 6])) for least in reach)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return (n, c, *size), (o, c // groups, *kernel), options


def three(way: Any, x: Any, w: Any, b: Any, go: Any, options: dict[str, Any]) -> list[Any]:
    """The convolution and its gradients."""
    return [
        way.plan("conv2d", x, w, b, **options)(x, w, b),
        way.plan("conv2d_input_gradient", go, w, size=x.shape[2:], **options)(go, w),
        way.plan("conv2d_weight_gradient", x, go, kernel=w.shape[2:], **options)(x, go),
    ]


@pytest.mark.parametrize("parts", ["few", "many"])
@pytest.mark.parametrize("number", range(40))
def test_implicit_products_are_the_definitions(
    played: Any, monkeypatch: pytest.MonkeyPatch, number: int, parts: str
) -> None:
    implicit = module("implicit")
    if parts == "many":  # of sums that are long enough
        monkeypatch.setattr(implicit, "LEAST", 1)
    shape, w_shape, options = random_case(number)
    rng = np.random.default_rng(number)
    kind = list(TOLERANCE)[number % 3]
    x, w, b = (rng.normal(size=s).astype(kind) for s in (shape, w_shape, w_shape[:1]))
    wide = [a.astype("float64") for a in (x, w, b)]
    numpy, definition = get("numpy"), Backend.conv2d
    go = rng.normal(size=definition(numpy, *wide, **options).shape).astype(kind)
    plain = module("fastest").Way()
    for name in ("conv2d", "conv2d_input_gradient", "conv2d_weight_gradient"):
        setattr(plain, name, getattr(Backend, name).__get__(numpy))
    expected = three(plain, *wide, go.astype("float64"), options)
    # In other orders in memory, too.
    arrays = [played.asarray(np.asarray(a, order="CF"[number % 2])) for a in (x, w, b, go)]
    found = three(implicit.ImplicitProducts(), *arrays, options)
    for y, z in zip(found, expected, strict=True):
        scale = max(0.1, abs(z).max())
        assert (y.shape, y.dtype) == (z.shape, kind)
        np.testing.assert_allclose(y.get(), z, TOLERANCE[kind], TOLERANCE[kind] * scale)
    again = three(implicit.ImplicitProducts(), *arrays, options)
    assert all((y.get() == z.get()).all() for y, z in zip(found, again, strict=True))


def test_long_sums_of_few_weights_are_made_by_many_blocks(
    played: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    implicit, blocks = module("implicit"), list[int]()

    def counted(planned: Any, count: int, *rest: Any) -> Any:
        blocks.append(count)
        return planned(count, *rest)

    for height, kernel in implicit.weight_gradient.items():
        monkeypatch.setitem(
            implicit.weight_gradient,
            height,
            SimpleNamespace(planned=partial(counted, kernel.planned)),
        )
    x, go = (played.asarray(np.ones((3, c, 40, 40)), "float32") for c in (1, 2))
    plain = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    gw = implicit.ImplicitProducts().conv2d_weight_gradient(x, go, kernel=(1, 1), **plain)(x, go)
    assert blocks == [3 * 40 * 40 // implicit.LEAST]
    assert (gw.get() == 3 * 40 * 40).all()


def guarded(x: np.ndarray, at_end: bool) -> Any:
    """x on the stand-in's device, next to memory that no one may touch."""
    page = mmap.PAGESIZE
    size = -(-x.nbytes // page) * page
    memory = mmap.mmap(-1, size + 2 * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    for address in (start, start + page + size):
        assert protect(ctypes.c_void_p(address), ctypes.c_size_t(page), 0) == 0
    offset = page + (size - x.nbytes if at_end else 0)
    y = np.frombuffer(memory, x.dtype, x.size, offset).reshape(x.shape)
    y[...] = x
    return cupy_on_cpu.wrap(y)


@pytest.mark.skipif(sys.platform != "linux", reason="mprotect")
@pytest.mark.filterwarnings("ignore:.*fork")
@pytest.mark.usefixtures("played")
@pytest.mark.parametrize("at_end", [False, True])
def test_nothing_is_read_outside_of_the_arrays(at_end: bool) -> None:
    cupy_on_cpu.library()
    if child := os.fork():
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        return
    done = 1
    try:  # a crash is this process's own
        for number in range(20):
            shape, w_shape, options = random_case(number)
            x, w, b = (np.ones(s, "float32") for s in (shape, w_shape, w_shape[:1]))
            go = np.ones(Backend.conv2d(get("numpy"), x, w, b, **options).shape, "float32")
            arrays = [guarded(a, at_end) for a in (x, w, b, go)]
            three(module("implicit").ImplicitProducts(), *arrays, options)
        done = 0
    finally:
        os._exit(done)


# -- Threads of a block that work together -------------------------------------------------------

REVERSED = """
__shared__ T shared[THREADS];
shared[threadIdx.x] = x[blockIdx.x * THREADS + threadIdx.x];
BARRIER
y[blockIdx.x * THREADS + threadIdx.x] = shared[THREADS - 1 - threadIdx.x];
"""


@pytest.mark.parametrize(
    ("barrier", "is_right"),
    [
        ("__syncthreads();", True),
        ("", False),
        ("if (threadIdx.x < 5) __syncthreads();", None),
        ("if (threadIdx.x) __syncthreads();", None),
    ],
)
def test_threads_of_a_block_work_together(
    played: Any, monkeypatch: pytest.MonkeyPatch, barrier: str, is_right: bool | None
) -> None:
    launch, types = module("launch"), {"T": "float32"}
    body = REVERSED.replace("BARRIER", barrier) + "// __syncthreads"
    kernel = launch.BlockKernel("reversed", "T x, T y", "", body, 8, {})
    library = cupy_on_cpu.compiled([cupy_on_cpu.source(kernel, types)])
    monkeypatch.setattr(cupy_on_cpu, "library", lambda: library)
    monkeypatch.setattr(device, "ran", set())
    x, y = (played.asarray(np.arange(24) + k, "float32") for k in (0, 100))
    if is_right is None:
        with pytest.raises(AssertionError, match="wait at a barrier that others do not reach"):
            kernel(3, (x, y))
        return
    kernel(3, (x, y))
    expected = np.arange(24).reshape(3, 8)[:, ::-1].ravel()
    assert (y.get() == expected).all() == is_right


# -- The fastest ----------------------------------------------------------------------------------


class Way(module("fastest").Way):
    """A way to double, in so many launches."""

    def __init__(
        self, name: str, launches: int, double: Callable[[Any], Any] | None = None
    ) -> None:
        self.name, self.launches, self.calls = name, launches, 0
        self.double = double or (lambda x: x + x)

    def problem(self) -> str | None:
        return None if self.launches >= 0 else f"{self.name} is not installed"

    def doubled(self, x: Any, **_: Any) -> Any:
        self.calls += 1
        device.launches += self.launches
        return self.double(x)


def failing(_: Any) -> Any:
    raise NotImplementedError("not for this")


@pytest.fixture
def fastest() -> Callable[..., Any]:
    return lambda *ways: module("fastest").Fastest("GRADCORE_CONV", ways, lambda *_, **__: True)


def doubled(x: Any, **_: Any) -> Any:
    """The definition."""
    return 2 * x


def test_the_fastest_is_chosen_once_for_each_case(fastest: Any, played: Any) -> None:
    slow, fast = Way("slow", 5), Way("fast", 2)
    chosen = fastest(slow, fast)
    x = played.asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    cases = [
        (x, {}),
        (x[:1], {}),
        (played.asarray(x, "float64"), {}),
        (x.T.copy().T, {}),  # in another order in memory
        (x, {"stride": (2, 1)}),
    ]
    for number, (given, options) in enumerate(cases):
        with device.counted() as counts:
            y = chosen(doubled, given, **options)
        assert counts.reads
        assert len(chosen.chosen) == number + 1
        assert (y.get() == 2 * given.get()).all()
    slow.calls = fast.calls = 0
    for given, options in cases:
        with device.no_reads():
            chosen(doubled, given, **options)
    assert (slow.calls, fast.calls) == (0, len(cases))
    case, result = next(iter(chosen.chosen.items()))
    assert str(case) == "doubled of float32 (2, 3); TF32 in convolutions"
    told = list(map(str, chosen.chosen))
    assert told[3] == "doubled of float32 (2, 3) with strides (4, 8); TF32 in convolutions"
    assert told[4] == "doubled of float32 (2, 3); stride (2, 1); TF32 in convolutions"
    assert result.told == "fast (slow 6.000 ms, not captured, fast 3.000 ms, not captured)"


def test_the_first_is_as_good(fastest: Any, played: Any) -> None:
    first, second = Way("first", 2), Way("second", 2)
    fastest(first, second)(doubled, played.asarray([1.0]))
    assert (first.calls, second.calls) == (5, 4)


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
@pytest.mark.parametrize("factor", [1.02, np.nan])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_one_that_differs_is_not_used(
    fastest: Any, played: Any, at: int, kind: str, factor: float
) -> None:
    """Wherever it stands among the others, and where two differ, which the definition decides."""
    right, wrong = Way("right", 5), Way("wrong", 0, lambda x: x + factor * x)
    ways = [right, wrong, Way("right too", 6)]
    chosen, x = fastest(*ways[: 3 if at else 2]), played.asarray([1.0, 2.0], kind)
    chosen.known[:] = chosen.known[at:] + chosen.known[:at]
    words = r"^doubled of float\d\d \(2,\).*: wrong differs by .* from what is right, .* report"
    with pytest.warns(RuntimeWarning, match=words):
        y = chosen(doubled, x)
    assert y.get().tolist() == [2.0, 4.0]
    assert chosen(doubled, x).get().tolist() == [2.0, 4.0]
    assert wrong.calls == 1


def test_the_last_bits_are_no_difference(fastest: Any, played: Any) -> None:
    """Sums of the numbers that are compared are exact, in whatever order."""

    def total(x: Any) -> Any:
        return (x @ x)[None]

    def in_other_order(x: Any) -> Any:
        return (x[::-1].reshape(8, -1) ** 2).sum(axis=0).sum(keepdims=True)

    chosen = fastest(Way("right", 5, total), Way("other", 0, in_other_order))
    for size in (80, 80000):
        chosen(doubled, played.asarray(np.ones(size), "float32"))
    rounded = fastest(Way("right", 5), Way("rounded", 0, lambda x: (x + x) * (1 + 2**-22)))
    rounded(doubled, played.asarray(np.ones(80), "float32"))
    for one in (chosen, rounded):
        assert {c.way.name for c in one.chosen.values()} < {"other", "rounded"}


def needing_memory(*_: Any, **__: Any) -> Any:
    raise MemoryError("no room")


def without_room(*_: Any, **__: Any) -> Any:
    """A definition."""
    raise MemoryError("no room")


without_room.__name__ = "doubled"


def test_one_that_fails_is_not_used(fastest: Any, played: Any) -> None:
    x = played.asarray([1.0])
    for bad, why in (failing, "NotImplementedError: not for"), (needing_memory, "MemoryError: no"):
        chosen = fastest(Way("good", 5), Way("bad", 0, bad))
        for _ in range(2):
            assert chosen(doubled, x).get().tolist() == [2.0]
        [result] = chosen.chosen.values()
        assert result.way.name == "good"
        assert f"bad failed: {why}" in result.told
    # Where the first fails, another may not; where all do, or are wrong, there is the definition.
    for bad in (failing, needing_memory):
        chosen = fastest(Way("bad", 0, bad), Way("good", 5))
        assert chosen(doubled, x).get().tolist() == [2.0]
    chosen = fastest(Way("bad", 0, needing_memory), Way("worse", 0, failing))
    assert chosen(doubled, x).get().tolist() == [2.0]
    assert next(iter(chosen.chosen.values())).told.startswith("the definition (bad failed: Memory")
    with pytest.raises(MemoryError, match="no room"):
        fastest(Way("bad", 0, needing_memory), Way("worse", 0, failing))(without_room, x)


def test_after_an_error_of_cuda_nothing_goes_on(fastest: Any, played: Any) -> None:
    error = module("fastest").cupy.cuda.driver.CUDADriverError

    def astray(_: Any) -> Any:
        raise error("an illegal memory access was encountered")

    chosen = fastest(Way("good", 5), Way("bad", 0, astray))
    with pytest.raises(error, match="illegal memory access"):
        chosen(doubled, played.asarray([1.0]))
    assert chosen.chosen == {}


def test_where_there_is_no_memory_nothing_is_measured(
    fastest: Any, played: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module("fastest"), "_of_few_bits", needing_memory)
    first, second = Way("first", 5), Way("second", 0)
    assert fastest(first, second)(doubled, played.asarray([1.0])).get().tolist() == [2.0]
    assert (first.calls, second.calls) == (1, 0)


def test_not_more_than_so_many_cases_are_measured(
    fastest: Any, played: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module("fastest"), "MOST", 3)
    chosen = fastest(Way("first", 5), Way("second", 0))
    for n in range(1, 6):
        x = played.asarray(np.ones(n))
        with device.counted() as counts:
            chosen(doubled, x)
        assert bool(counts.reads) == (n <= 3)
    assert {c.way.name for c in chosen.chosen.values()} == {"second"}


def test_so_many_plans_are_kept_those_used_last(
    fastest: Any, played: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module("fastest"), "KEPT", 3)
    chosen = fastest(Way("only", 1))
    for n in (1, 2, 3, 1, 4, 5):
        chosen(doubled, played.asarray(np.ones(n)))
    assert sorted(key[-1][0] for key in chosen.plans) == [(1,), (4,), (5,)]


def test_a_recorded_graph_keeps_the_plans_it_was_made_of(fastest: Any, played: Any) -> None:
    recorder, chosen = module("recorder"), fastest(Way("only", 1))
    kept: set[Any] = set()
    token = recorder._recording.set(kept)
    chosen(doubled, played.asarray([1.0]))
    recorder._recording.reset(token)
    chosen(doubled, played.asarray([1.0, 2.0]))
    first, _ = chosen.plans.values()
    assert kept == {first}


def test_options_are_told_apart_by_their_names(fastest: Any, played: Any) -> None:
    chosen, x = fastest(Way("only", 1)), played.asarray([1.0])
    chosen(doubled, x, stride=(2, 2), dilation=(1, 1))
    chosen(doubled, x, dilation=(2, 2), stride=(1, 1))
    assert len(chosen.plans) == 2


def test_what_is_not_finite_decides_nothing(fastest: Any, played: Any) -> None:
    chosen = fastest(Way("first", 5), Way("second", 0))
    for wrong in (np.nan, np.inf):
        y = chosen(doubled, played.asarray([1.0, wrong])).get()
        np.testing.assert_equal(y, [2.0, wrong])
    assert [c.way.name for c in chosen.chosen.values()] == ["second"]


def test_while_a_stream_is_captured_nothing_is_measured(
    fastest: Any, played: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Way("first", 5), Way("second", 0)
    chosen, x, new = fastest(first, second), played.asarray([1.0]), played.asarray([1.0, 2.0])
    chosen(doubled, x)
    first.calls = second.calls = 0
    monkeypatch.setattr(device, "is_capturing", True)
    with device.no_reads():
        chosen(doubled, x)
        assert (first.calls, second.calls) == (0, 1)
        chosen(doubled, new)
        assert (first.calls, second.calls) == (1, 1)
    monkeypatch.setattr(device, "is_capturing", False)
    chosen(doubled, new)
    assert len(chosen.chosen) == 2


def test_the_same_bits_every_time(
    fastest: Any, played: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Way("first", 5), Way("second", 0)
    monkeypatch.setenv("GRADCORE_DETERMINISTIC", "1")
    with device.no_reads():
        fastest(first, second)(doubled, played.asarray([1.0]))
    assert (first.calls, second.calls) == (1, 0)


def test_the_environment_names_a_way(played: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x, w = (TensorNode(played.asarray(np.ones(s), "float32")) for s in ((1, 2, 4, 4), (3, 2, 3, 3)))
    for name, kernel in (("windows", "gradcore_columns"), ("implicit", "gradcore_conv2d_64")):
        monkeypatch.setenv("GRADCORE_CONV", name)
        monkeypatch.setattr(device, "ran", set())
        with device.no_reads():
            y = gradcore.conv2d(x, w)
        assert (played.to_numpy(y.value) == 18).all()
        assert {symbol.partition("__")[0] for symbol in device.ran} == {kernel}
    monkeypatch.setenv("GRADCORE_CONV", "winograd")
    words = "GRADCORE_CONV=winograd: there is no such way; expected windows or implicit or cudnn"
    with pytest.raises(ValueError, match=words):
        gradcore.conv2d(x, w)


def test_a_way_that_can_not_be_had(
    fastest: Any, played: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing, x = Way("missing", -1), played.asarray([1.0])
    chosen = fastest(Way("first", 2), missing, Way("second", 1))
    assert chosen(doubled, x).get().tolist() == [2.0]
    assert "missing" not in next(iter(chosen.chosen.values())).told
    monkeypatch.setenv("GRADCORE_CONV", "missing")
    with pytest.raises(RuntimeError, match=r"^GRADCORE_CONV=missing: missing is not installed$"):
        chosen(doubled, x)
    assert missing.calls == 0


def test_what_was_chosen_is_told(played: Any) -> None:
    x, w = (TensorNode(played.asarray(np.ones(s), "float32")) for s in ((1, 2, 4, 4), (3, 2, 3, 3)))
    gradcore.Sum.do_forward(gradcore.conv2d(x, w, padding=1)).backward()
    told = played.choices()
    methods = ["conv2d", "conv2d_input_gradient", "conv2d_weight_gradient"]
    assert [case.partition(" ")[0] for case in told] == methods
    assert "float32 (1, 2, 4, 4), float32 (3, 2, 3, 3); stride" in next(iter(told))
    assert all("implicit (windows " in what and " ms" in what for what in told.values())
    assert get("numpy").choices() == {}
