"""`python -m gradcore selftest`, on NumPy: only the device differs elsewhere."""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import subprocess
import sys
from collections import OrderedDict
from contextlib import nullcontext
from math import isclose
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import runs
import troubled_part

from benchmarks.libraries import LIBRARIES
from benchmarks.selftest import parts, repository_tests, smoke, speed, steps, training
from benchmarks.selftest import run as running
from benchmarks.selftest.cases import Found, Given, outcomes
from benchmarks.selftest.parts import PARTS
from benchmarks.selftest.report import Check, PartRun, Report
from benchmarks.workloads import NETWORKS, WORKLOADS
from gradcore import TensorNode, __main__
from gradcore.backends import get, problem, use_backend

ROOT = Path(__file__).parents[2]
TROUBLED = [sys.executable, troubled_part.__file__]


def look(cases: Any, backend: str = "numpy", quick: bool = True) -> dict[str, Found]:
    """What the cases of a part find, by name, in this process."""
    there, found = get(backend), {}
    with use_backend(backend):
        for name, case in cases(Given(there, quick)):
            found |= {result.name or name: result for result in outcomes(case, there)}
    return found


@pytest.fixture
def troubled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The selftest has one part, in which things go wrong; gives the folder of its report."""
    monkeypatch.setattr(running, "PARTS", troubled_part.TROUBLED)
    monkeypatch.setattr(running.Selftest, "child", TROUBLED)
    return tmp_path


def told(folder: Path) -> tuple[dict[str, Any], dict[str, tuple[bool | None, str]]]:
    """The report in JSON, and its checks by name."""
    data = json.loads((folder / "selftest-numpy.json").read_text())
    return data, {check["name"]: (check["passed"], check["detail"]) for check in data["checks"]}


def test_whatever_a_case_does_the_others_run_and_the_report_tells(troubled: Path) -> None:
    assert __main__.main(["selftest", "--backend", "numpy", "--out", str(troubled)]) == 1
    data, checks = told(troubled)
    assert data["state"] == "done"
    assert checks == {
        "good": (True, "fine"),
        "raises": (False, "ValueError: broken"),
        "crashes": (False, "its process ended with SIGSEGV"),
        "hangs": (False, "half of it; then it took more than 3 s"),
        "the last": (True, "all the same"),
    }
    page = (troubled / "selftest-numpy.md").read_text()
    assert "3 of 5 checks FAILED" in page.partition("\n")[0]
    assert 'raise ValueError("broken")' in page
    assert not list(troubled.glob(".*"))  # nothing half written is left


def test_a_signal_leaves_a_report_and_no_process(troubled: Path) -> None:
    seen: list[running.Process] = []
    add = Report.add

    def adding(report: Report, check: Check) -> None:
        add(report, check)
        if check.detail == "half of it":
            seen.extend(test.running)
            os.kill(os.getpid(), signal.SIGTERM)

    test = running.Selftest("numpy", troubled)
    with pytest.MonkeyPatch.context() as patch, running.ending_by_signals():
        patch.setattr(Report, "add", adding)
        with pytest.raises(running.Ended):
            test.run()
    data, checks = told(troubled)
    assert data["state"] == "It was cut off by SIGTERM during trouble."
    assert checks["hangs"] == (True, "half of it")
    assert "cut off by SIGTERM" in (troubled / "selftest-numpy.md").read_text()
    assert [process.process.wait(10) for process in seen] == [-signal.SIGKILL]


def test_a_part_ends_with_its_parent() -> None:
    """Also when the parent was killed: then standard input ends."""
    command = [*TROUBLED, "trouble", "--backend", "numpy", "--skip", "4"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, start_new_session=True, **pipes) as process:
        assert b"hangs" in process.stdout.readline()
        process.stdin.close()
        assert process.wait(20) == -signal.SIGKILL


def test_time_that_is_over(troubled: Path) -> None:
    test = running.Selftest("numpy", troubled, seconds=1.0)
    test.run()
    assert test.report.parts["trouble"].state == "no time was left"
    assert "0 checks passed" in test.report.markdown()


# -- The report ----------------------------------------------------------------------------------


def test_the_first_screen_says_what_decides(tmp_path: Path) -> None:
    report = Report("cupy", False, "python -m gradcore selftest --backend cupy", tmp_path)
    report.parts = {name: PartRun(p.about, p.limit, 1.0, "done") for name, p in PARTS.items()}
    times = {"gradcore": 2e-3, "gradcore-captured": 1e-3, "torch": 4e-3, "torch-captured": 8e-4}
    report.add(Check("facts", "device", True, "NVIDIA H200"))
    report.add(Check("benchmarks", "blitz-4", True, "", {**times, "floor": 5e-4}))
    halves = {re.sub("(core|torch)", r"\1-float16", name): t / 2 for name, t in times.items()}
    report.add(Check("resnet9", "resnet9-512", True, "", {**times, **halves}))
    report.add(Check("smoke", "a | b", False, "a wrong\nnumber", text="Traceback"))
    report.state = "done"
    first, page = report.markdown()[:2500], report.markdown()
    assert first.startswith("# gradcore on NVIDIA H200: 1 of 4 checks FAILED\n")
    assert "| blitz-4 | 2.00 | 1.00 | 4.00 | 0.500 | 0.250 | 1.25 | 2.00 |" in first
    assert "| resnet9-512, float16 | 1.00 | 0.500 | 2.00 | 0.500 | 0.250 | 1.25 | – |" in first  # noqa: RUF001
    assert "| smoke | a \\| b | a wrong number |" in first
    assert "--only smoke` repeats its part" in first
    assert "a \\| b:\n\n```text\nTraceback\n```" in page


def test_what_to_do_next(tmp_path: Path) -> None:
    report = Report("numpy", True, "selftest", tmp_path, state="done")
    report.add(Check("smoke", "a", True))
    assert report.advice() == ["Train: `python examples/mnist.py --epochs 2 --backend numpy`."]
    report.add(Check("tests", "tests", None, "pip install pytest"))
    assert "pip install pytest" in report.advice()[0]
    report.add(Check("smoke", "a", False, "it took more than 3 s"))
    assert "Nothing computed wrong" in report.advice()[0]
    report.parts["smoke"] = PartRun("", 10, 10, "its time was over")
    assert "Run what was cut off, or did not begin: `selftest --only smoke`." in report.advice()


# -- The parts -----------------------------------------------------------------------------------


def test_the_limits_leave_time_for_the_tests() -> None:
    timely = sum(part.limit for part in PARTS.values() if not part.is_last)
    last = max(part.limit for part in PARTS.values() if part.is_last)
    assert timely + last <= parts.SECONDS
    assert list(PARTS)[:3] == ["facts", "smoke", "capture"]
    page = (ROOT / "docs" / "how-to" / "gpu.md").read_text("utf-8")
    for name, part in PARTS.items():
        assert re.search(rf"\| `{name}` \| ({part.limit} )?\|", page), f"{name} in gpu.md"
    kinds = [part.is_last for part in PARTS.values()]
    assert kinds == sorted(kinds)


def test_facts_and_smoke() -> None:
    if why := problem("cupy-like"):
        pytest.skip(why)
    assert look(PARTS["facts"].cases, "cupy-like")["cores"].passed
    backend = get("cupy-like")
    switches = backend.modules["gradcore.backends.cupy.tf32"]
    try:
        found = look(smoke.cases, "cupy-like")
        assert not switches.in_convolutions()  # as results are compared with NumPy's
    finally:
        backend.allow_tf32(convolutions=True)
    assert [(name, f.detail) for name, f in found.items() if f.passed is False] == []
    assert found["convolution, float16, channels last"].passed
    assert found["updates by Adam"].passed


def test_smoke_sees_a_wrong_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = type(get("numpy"))
    right = kind.max_pool2d_gradient
    monkeypatch.setattr(kind, "max_pool2d_gradient", lambda *a, **k: 0 * right(*a, **k))
    strict = get("strict") if not problem("strict") else pytest.skip("no array-api-strict")
    made = smoke.LAYERS["max pool"]
    found = smoke.layer(strict, made, "float32", "N C H W")
    assert found.passed is False


def test_trainings_in_this_process() -> None:
    found = look(steps.capture) | look(steps.steps)
    assert [f.detail for f in found.values() if not f.passed] == []
    assert len(found) == 3 * len(steps.TRAININGS)
    assert "1 to read the loss" in found["host reads: MLP with dropout, SGD"].detail


def test_what_they_find(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that keeps nodes, looks at its loss, and is not the same twice."""
    kept: list[Any] = []
    make = steps.TRAININGS["convolutions, momentum"]

    def making() -> Any:
        step, batch = make()

        def worse(*arrays: Any) -> Any:
            loss = step(*arrays)
            kept.append(TensorNode(loss))
            float(kept[-1])
            return loss * len(kept)

        return worse, batch

    monkeypatch.setattr(steps, "TRAININGS", {"bad": making})
    found = look(steps.capture) | look(steps.steps)
    assert [f.passed for f in found.values()] == [False, False, False]
    assert "20 nodes" in found["memory: bad"].detail
    assert "1 in a step" in found["host reads: bad"].detail


@pytest.mark.parametrize("read", ["item", "get", "__bool__"])
def test_reads_that_do_not_go_through_gradcore(monkeypatch: pytest.MonkeyPatch, read: str) -> None:
    if why := problem("cupy-like"):
        pytest.skip(why)
    make = steps.TRAININGS["MLP with dropout, SGD"]

    def making() -> Any:
        step, batch = make()

        def reading(*arrays: Any) -> Any:
            loss = step(*arrays)
            getattr(loss, read)()
            return loss

        return reading, batch

    monkeypatch.setattr(steps, "TRAININGS", {"good": make, "bad": making})
    found = look(steps.steps, "cupy-like")
    assert found["host reads: good"].passed
    assert found["host reads: bad"].passed is False
    assert found["host reads: bad"].detail == "1 in a step, 1 to read the loss"


def test_what_was_chosen_for_convolutions(monkeypatch: pytest.MonkeyPatch) -> None:
    assert look(steps.convolutions) == {}  # NumPy chooses nothing
    if why := problem("cupy-like"):
        pytest.skip(why)
    few = [((2, 3, 8, 8), {"out_channels": 4, "kernel_size": 3})]
    monkeypatch.setattr(steps, "CONVOLUTIONS", few)
    convolutions = get("cupy-like").modules["gradcore.backends.cupy.convolution"].convolutions
    monkeypatch.setattr(convolutions, "chosen", {})
    found = look(steps.convolutions, "cupy-like", quick=False)
    assert len(found) == 6
    assert all(f.passed and f.detail.startswith("implicit (windows ") for f in found.values())
    kind = type(convolutions.ways[1])
    right = kind.plan

    def doubled(*given: Any, **options: Any) -> Any:
        plan = right(*given, **options)
        return lambda *arrays: plan(*arrays) * 2

    for name, empty in (("chosen", {}), ("plans", OrderedDict())):
        monkeypatch.setattr(convolutions, name, empty)
    monkeypatch.setattr(kind, "plan", doubled)
    found = look(steps.convolutions, "cupy-like", quick=False)
    assert any("implicit differs by" in f.detail for f in found.values())
    assert any(f.passed is False for f in found.values())


# -- Tests, times and trainings ------------------------------------------------------------------


def test_shares_of_the_tests_are_all_of_them_once() -> None:
    def item(name: str, **params: Any) -> Any:
        return SimpleNamespace(name=name, callspec=SimpleNamespace(params=params))

    every = [item(f"test_{i}", backend="numpy") for i in range(7)]
    others = [item("test_torch", backend="numpy"), item("test_a", backend="strict")]
    others += [SimpleNamespace(name="test_of_no_backend")]
    shares = []
    for k in range(3):
        items = [*every, *others]
        plugin = repository_tests.Share(Given(get("numpy"), shard=(k, 3)), skip=k == 0)
        plugin.pytest_collection_modifyitems(items)
        shares.append([x.name for x in items])
    assert shares == [["test_3", "test_6"], ["test_1", "test_4"], ["test_2", "test_5"]]


def test_all_files_of_tests_are_there() -> None:
    for file in repository_tests.FILES + repository_tests.QUICK:
        assert (ROOT / file).exists(), file


def test_tests_of_the_repository_run_on_the_backend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In two processes; their counts are added, and one that fails is told with its reason."""
    file = tmp_path / "test_few.py"
    file.write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('on', ['numpy'])\n"
        "@pytest.mark.parametrize('i', range(4))\n"
        "def test_kernel(on, i):\n"
        "    if i == 2: pytest.skip('no')\n"
        "    assert i < 3, 'three'\n"
    )
    code = f"""
import sys
from benchmarks.selftest import child, repository_tests
repository_tests.FILES = [{str(file)!r}]
sys.exit(child.main())
"""
    (tmp_path / "child.py").write_text(code)
    monkeypatch.setattr(running.Selftest, "child", [sys.executable, str(tmp_path / "child.py")])
    test = running.Selftest("numpy", tmp_path, only=["tests"], jobs=2)
    test.run()
    checks = {check.name: check for check in test.report.checks.values()}
    assert checks["all files"].detail == "4 of 4 tests were run"
    (counted,) = [c for name, c in checks.items() if name.endswith("test_few.py")]
    assert counted.figures == {"passed": 2, "skipped": 1, "failed": 1}
    (failed,) = [c for name, c in checks.items() if "[3" in name or "3]" in name]
    assert "three" in failed.detail


def test_every_workload_that_it_times_is_one() -> None:
    names = {w.name for w in WORKLOADS + NETWORKS}
    assert {*speed.WORKLOADS_TIMED, *speed.PROFILED} <= names
    pairs = {"gradcore-tf32-captured", "torch-tf32-captured", "torch-float16"}
    assert pairs <= LIBRARIES.keys()


def test_rows_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each turn is told at once, and a library that fails is named."""
    answers = {"seconds": [1e-3] * 3, "first": 0.1, "memory": 5}

    ask = lambda _, library, __: {"failed": "it broke"} if library == "torch" else answers  # noqa: E731
    monkeypatch.setattr(speed.timing.Workers, "ask", ask)
    workers = speed.timing.Workers(speed.timing.parse(["--rounds", "1"]))
    rates = {"matmul": 1e9, "copy": 1e9}
    rows = list(speed.row(WORKLOADS[0], ["gradcore", "torch"], workers, rates))
    assert len(rows) == 2
    assert rows[-1].detail.startswith("ms: gradcore 1, PyTorch fails: it broke, floor ")
    assert rows[-1].passed
    assert rows[-1].figures["gradcore"] == 1e-3


@pytest.mark.parametrize(("difference", "passed"), [(0.0, True), (0.1, False)])
def test_examples_are_compared(
    monkeypatch: pytest.MonkeyPatch, difference: float, passed: bool
) -> None:
    calls: list[tuple[str, ...]] = []

    def call(_: Any, *arguments: str, **__: str) -> str:
        calls.append(arguments)
        loss = 0.5 + difference * (len(calls) % 3 == 2)
        return f"epoch   0   train loss {loss:.5f}   val loss 0.40000   val accuracy 0.9\n"

    monkeypatch.setattr(training, "call", call)
    found = look(training.examples, quick=False)
    assert found["mnist.py --no-capture beside NumPy"].passed is passed
    assert found["cifar10.py --mixed-precision beside NumPy"].passed
    assert len(calls) == 6


def test_accuracies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "call", lambda *_: "val accuracy 0.3\nval accuracy 0.93\n")
    monkeypatch.setattr(training, "find_mnist", lambda *_: Path("mnist_5k"))

    def missing(*_: Any) -> Path:
        raise OSError

    monkeypatch.setattr(training, "find_cifar10", missing)
    found = look(training.accuracy, quick=False)
    assert found["MNIST"].figures["accuracy"] == 0.93
    assert found["MNIST"].passed
    assert found["CIFAR-10"].passed is None
    assert "GRADCORE_DATA" in found["CIFAR-10"].detail
    monkeypatch.setattr(training, "find_mnist", lambda *_: Path("mnist"))
    assert look(training.accuracy, quick=False)["MNIST"].passed is False  # less than of all images


def test_an_example_learns_less_by_a_wrong_gradient(
    monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """So much less that the selftest sees it, in mixed precision too."""
    (example,) = training.QUICK_EXAMPLES
    module = importlib.import_module(example.name.removesuffix(".py"))

    def loss() -> float:
        assert runs.call(module, *example.flags.split()) == 0
        return float(re.findall(r"val loss (\S+)", capsys.readouterr().out)[-1])

    right, backend = loss(), type(get("numpy"))
    definition = backend.relu_gradient
    monkeypatch.setattr(backend, "relu_gradient", lambda *a, **k: 0 * definition(*a, **k))
    assert not isclose(loss(), right, rel_tol=max(example.near, example.near_mixed))


# -- The command ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--backend", "none"], "there is no backend 'none'.*; pass one .* --backend numpy"),
        (["--backend", "numpy", "--device", "3"], "not '3'; leave --device out"),
        (["--backend", "numpy", "--out", "/dev/null/x"], "--out /dev/null/x: can't write there"),
        (["--backend", "numpy", "--only", "smok"], "--only: there is no part 'smok'; there are"),
    ],
)
def test_what_can_not_run_is_told_with_what_to_do(
    flags: list[str], words: str, capsys: Any
) -> None:
    assert __main__.main(["selftest", *flags]) == 2
    assert re.fullmatch(f"selftest: .*{words}.*\n", capsys.readouterr().err)


def test_an_installed_package_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(__main__, "ROOT", tmp_path)
    assert __main__.main(["selftest", "--backend", "numpy"]) == 2
    told = capsys.readouterr().err
    assert "git clone" in told
    assert told.count("\n") == 1


def test_a_device(tmp_path: Path) -> None:
    pytest.importorskip("array_api_strict")
    test = running.Selftest("strict", tmp_path, True, "device2")
    assert test.flags[-2:] == ["--device", "device2"]
    assert "selftest --backend strict --quick --device device2" in test.report.command


@pytest.mark.parametrize(
    ("device", "visible", "expected"),
    [
        (None, "4, 7", {}),
        (1, None, {"CUDA_VISIBLE_DEVICES": "1"}),
        (1, "4, 7", {"CUDA_VISIBLE_DEVICES": "7"}),
    ],
)
def test_other_processes_use_the_same_gpu(
    monkeypatch: pytest.MonkeyPatch, device: Any, visible: Any, expected: Any
) -> None:
    pytest.importorskip("cupy")
    from gradcore.backends.cupy import CupyBackend

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert CupyBackend.environment(SimpleNamespace(device=device)) == expected


def test_mixed_precision_is_among_the_trainings() -> None:
    step, batch = steps.TRAININGS["convolutions, momentum, mixed precision"]()
    x, targets = batch()
    assert str(x.dtype) == "float16"
    assert str(step(x, targets).dtype) == "float32"


def test_a_step_by_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """With events in the place of CUPTI's: calls of the driver, on the host, are no kernels."""
    torch = pytest.importorskip("torch")
    from torch.autograd import DeviceType
    from torch.autograd.profiler_util import FunctionEventAvg

    def event(key: str, kind: Any, microseconds: float, count: int) -> Any:
        made = FunctionEventAvg()
        made.key, made.device_type, made.count = key, kind, count
        made.self_device_time_total = microseconds
        return made

    events = [
        event("cudaLaunchKernel", DeviceType.CPU, 0.0, 30),
        event("Memset (Device)", DeviceType.CUDA, 10.0, 10),
        event("cupy_add", DeviceType.CUDA, 90.0, 20),
    ]
    seen = SimpleNamespace(key_averages=lambda: events)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.profiler, "profile", lambda activities: nullcontext(seen))  # noqa: ARG005
    steps: list[int] = []
    found, why = speed.by_kernel(lambda: steps.append(1), lambda: None)
    assert (found, why) == ([(9.0, 2.0, "cupy_add"), (1.0, 1.0, "Memset (Device)")], "")
    assert len(steps) == speed.STEPS
    events.clear()
    assert speed.by_kernel(lambda: None, lambda: None) == ([], "which may not read CUPTI here")


def test_the_first_screen_names_what_is_not_finished_and_cudnn(tmp_path: Path) -> None:
    report = Report("cupy", False, "selftest", tmp_path, planned=["smoke", "tests"], state="done")
    report.parts["smoke"] = PartRun("", 10, 1, "done")
    told = "windows (can run), cudnn (nvidia-cudnn-frontend is not installed; pip install it)"
    report.add(Check("smoke", "ways to convolve", True, told))
    title = report.markdown().partition("\n")[0]
    assert title == "# gradcore on unknown: 1 checks passed; 1 of 2 parts are not finished"
    assert "For faster convolutions, by cuDNN: `pip install it`." in report.advice()
