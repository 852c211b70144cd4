"""`python -m gradcore selftest`, on NumPy: only the device differs elsewhere."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from math import isclose
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import runs

from benchmarks.selftest import Selftest, parts
from benchmarks.selftest.report import Check
from gradcore import TensorNode, __main__
from gradcore.backends import default, get, problem, use_backend


def run(test: Selftest, *chosen: str) -> dict[str, Check]:
    """The checks of these parts by name."""
    test.parts = {part: test.parts[part] for part in chosen}
    test.run()
    return {check.name: check for check in test.report.checks}


def test_trainings_in_this_process() -> None:
    checks = run(Selftest("numpy", quick=True), "capture", "memory", "host reads")
    assert checks.keys() == parts.TRAININGS.keys()
    assert [c.detail for c in checks.values() if not c.passed] == []
    assert all("1 to read the loss" in check.detail for check in checks.values())


def test_what_they_find(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that keeps nodes, looks at its loss, and is not the same twice."""
    kept: list[Any] = []
    make = parts.TRAININGS["convolutions, momentum"]

    def making() -> Any:
        step, batch = make()

        def worse(*arrays: Any) -> Any:
            loss = step(*arrays)
            kept.append(TensorNode(loss))
            float(kept[-1])
            return loss * len(kept)

        return worse, batch

    monkeypatch.setattr(parts, "TRAININGS", {"bad": making})
    test = Selftest("numpy", quick=True)
    run(test, "capture", "memory", "host reads")
    assert [check.passed for check in test.report.checks] == [False, False, False]
    assert "20 nodes" in test.report.checks[1].detail
    assert "1 in a step" in test.report.checks[2].detail


@pytest.mark.parametrize("read", ["item", "get", "__bool__"])
def test_reads_that_do_not_go_through_gradcore(monkeypatch: pytest.MonkeyPatch, read: str) -> None:
    if why := problem("cupy-like"):
        pytest.skip(why)
    make = parts.TRAININGS["MLP with dropout, SGD"]

    def making() -> Any:
        step, batch = make()

        def reading(*arrays: Any) -> Any:
            loss = step(*arrays)
            getattr(loss, read)()
            return loss

        return reading, batch

    monkeypatch.setattr(parts, "TRAININGS", {"good": make, "bad": making})
    checks = run(Selftest("cupy-like", quick=True), "host reads")
    assert checks["good"].passed
    assert checks["bad"].passed is False
    assert checks["bad"].detail == "1 in a step, 1 to read the loss"


def test_what_was_chosen_for_convolutions(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(Selftest("numpy", quick=True), "convolutions") == {}  # NumPy chooses nothing
    if why := problem("cupy-like"):
        pytest.skip(why)
    few = [((2, 3, 8, 8), {"out_channels": 4, "kernel_size": 3})]
    monkeypatch.setattr(parts, "CONVOLUTIONS", few)
    convolutions = get("cupy-like").modules["gradcore.backends.cupy.convolution"].convolutions
    monkeypatch.setattr(convolutions, "chosen", {})
    checks = run(Selftest("cupy-like"), "convolutions")
    assert len(checks) == 6
    assert all(c.passed and c.detail.startswith("implicit (windows ") for c in checks.values())
    assert any(re.match(r"conv2d_weight_gradient of float16 \(2, 3, 8, 8\)", n) for n in checks)
    kind = type(convolutions.ways[1])
    right = kind.conv2d
    monkeypatch.setattr(convolutions, "chosen", {})
    monkeypatch.setattr(kind, "conv2d", lambda *a, **k: right(*a, **k) * 2)
    checks = run(Selftest("cupy-like"), "convolutions")
    assert checks["ways that differ"].passed is False
    assert "implicit differs from windows by" in checks["ways that differ"].detail


def test_tests_of_the_repository_run_on_the_backend() -> None:
    test = Selftest("numpy", quick=True)
    test.part, test.end = "ops", parts.time.monotonic() + 300
    good = test.tests(
        "some", "tests/ops/test_op_table.py", "-k", "test_value and float32 and Sigmoid"
    )
    assert good.passed
    assert good.figures["passed"] >= 1
    none = test.tests("none", "tests/ops/test_op_table.py", "-k", "no_such_test")
    assert none.passed is False
    test.end = parts.time.monotonic() + 1.5
    late = test.tests("all", "tests/ops/test_op_table.py")
    assert late.passed is None
    assert "then the time was over" in late.detail


@pytest.mark.parametrize(
    ("status", "out", "passed", "said"),
    [
        (0, "....\n12 passed in 1.2s\n", True, "12 passed"),
        (1, "FAILED tests/a.py::b - no\n1 failed, 2 passed in 1s\n", False, "tests/a.py::b - no"),
        (
            None,
            "..... [ 5/12]\n...s\n",
            None,
            "8 of 12 tests: 8 passed, 0 failed, then the time was over",
        ),
        (
            None,
            "..... [ 5/12]\n!! Interrupted !!\n8 passed in 3s\n",
            None,
            "8 of 12 tests: 8 passed,",
        ),
        (None, "\n", None, "0 passed, 0 failed, then the time was over"),
        (None, "..F.. [ 5/12]\n", False, "then the time was over"),
        (2, "ERROR: nothing runs\n", False, "nothing runs"),
    ],
)
def test_what_pytest_says(
    monkeypatch: pytest.MonkeyPatch, status: Any, out: str, passed: Any, said: str
) -> None:
    test = Selftest("numpy")
    test.part = "ops"
    monkeypatch.setattr(test, "call", lambda *_: (status, out))
    check = test.tests("it", "tests")
    assert check.passed is passed
    assert said in check.detail


@pytest.mark.parametrize(
    ("example", "kernel"),
    [
        (parts.QUICK_EXAMPLES[0], "relu_gradient"),
        (parts.EXAMPLES[0], "relu_gradient"),
        (parts.EXAMPLES[1], "conv2d_input_gradient"),
    ],
    ids=["mnist-quick", "mnist", "cifar10"],
)
def test_examples_learn_less_by_a_wrong_gradient(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, example: Any, kernel: str
) -> None:
    """So much less that the selftest sees it, in mixed precision too."""
    module = importlib.import_module(example.name.removesuffix(".py"))

    def loss() -> float:
        assert runs.call(module, *example.flags.split()) == 0
        return float(re.findall(r"val loss (\S+)", capsys.readouterr().out)[-1])

    right, backend = loss(), type(get("numpy"))
    definition = getattr(backend, kernel)
    monkeypatch.setattr(backend, kernel, lambda *a, **k: 0 * definition(*a, **k))
    assert not isclose(loss(), right, rel_tol=max(example.near, example.near_mixed))


@pytest.mark.parametrize(("difference", "passed"), [(0.0, True), (0.1, False)])
def test_examples_are_compared(
    monkeypatch: pytest.MonkeyPatch, difference: float, passed: bool
) -> None:
    test, calls = Selftest("numpy"), []

    def call(*arguments: str, **_: str) -> tuple[int, str]:
        calls.append(arguments)
        loss = 0.5 + difference * (len(calls) % 4 == 2)
        return 0, f"epoch   0   train loss {loss:.5f}   val loss 0.40000   val accuracy 0.9\n"

    monkeypatch.setattr(test, "call", call)
    checks = run(test, "examples")
    assert checks["mnist.py beside NumPy"].passed is passed
    assert checks["cifar10.py --capture beside NumPy"].passed
    assert len(calls) == 8
    assert {"--capture", "--mixed-precision"} <= {flag for call in calls for flag in call}


def test_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def few(self: Selftest) -> None:
        def bad() -> Iterator[Check]:
            yield self.check("first", True, "a | b", {"ratio": 0.5})
            raise ValueError("broken")

        def other() -> Iterator[Check]:
            yield self.check("second", None, "not here")

        self.parts = {"bad": (bad, 10), "other": (other, 10)}
        run_all(self)

    run_all = Selftest.run
    monkeypatch.setattr(Selftest, "run", few)
    command = ["selftest", "--backend", "numpy", "--out", str(tmp_path / "new"), "--quick"]
    assert __main__.main(command) == 1
    assert "1 of 3 checks failed" in capsys.readouterr().out
    report = json.loads((tmp_path / "new/selftest-numpy.json").read_text())
    assert [(c["name"], c["passed"]) for c in report["checks"]] == [
        ("first", True), ("all of it", False), ("second", None)
    ]  # fmt: skip
    assert report["checks"][0]["figures"] == {"ratio": 0.5}
    assert report["checks"][1]["detail"] == "ValueError: broken"
    assert {"device", "library", "date", "versions"} <= report.keys()
    page = (tmp_path / "new/selftest-numpy.md").read_text()
    assert "1 ok, 1 FAILED, 1 not run" in page
    assert "| first | ok | a \\| b |" in page


def test_the_default_backend_is_tested(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    """And an interrupt leaves a report of what is done."""

    def one(self: Selftest) -> None:
        self.report.add(Check("kernels", "first", True, "it works"))
        if interrupted:
            raise KeyboardInterrupt

    monkeypatch.setattr(Selftest, "run", one)
    command = ["selftest", "--out", str(tmp_path)]
    interrupted = False
    with use_backend("numpy"):
        assert __main__.main(command) == 0
        told = capsys.readouterr().out
        assert "selftest of numpy" in told
        assert told.endswith("Next: `python examples/mnist.py --epochs 2 --backend numpy`\n")
        (tmp_path / "selftest-numpy.md").unlink()
        interrupted = True
        assert __main__.main(command) == 130
    assert "the report has what was done" in capsys.readouterr().err
    report = json.loads((tmp_path / "selftest-numpy.json").read_text())
    assert [check["name"] for check in report["checks"]] == ["first"]
    assert "1 ok" in (tmp_path / "selftest-numpy.md").read_text()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--backend", "none"], "there is no backend 'none'.*; pass one .* --backend numpy"),
        (["--backend", "numpy", "--device", "3"], "not '3'; leave --device out"),
        (["--backend", "numpy", "--out", "/dev/null/x"], "--out /dev/null/x: can't write there"),
    ],
)
def test_what_can_not_run_is_told_with_what_to_do(flags: list[str], told: str, capsys: Any) -> None:
    assert __main__.main(["selftest", *flags]) == 2
    assert re.fullmatch(f"selftest: .*{told}.*\n", capsys.readouterr().err)


def test_an_installed_package_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(__main__, "ROOT", tmp_path)
    assert __main__.main(["selftest", "--backend", "numpy"]) == 2
    told = capsys.readouterr().err
    assert "git clone" in told
    assert told.count("\n") == 1


def test_a_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("array_api_strict")
    seen: list[Any] = []

    def making() -> Any:
        seen.append(default().device)
        return lambda: None, lambda: ()

    monkeypatch.setattr(parts, "TRAININGS", {"none": making})
    monkeypatch.setattr(type(get("strict")), "environment", lambda self: {"HERE": str(self.device)})
    test = Selftest("strict", True, "device2")
    assert run(test, "memory")["none"].passed
    assert seen == [get("strict", "device2").device]
    status, told = test.call("-c", "import os; print(os.environ['HERE'])")
    assert (status, "device2" in told) == (0, True)
    assert "selftest --backend strict --device device2 --quick`" in test.report.markdown()
    command = ["selftest", "--backend", "strict", "--out", str(tmp_path), "--device", "gpu"]
    assert __main__.main(command) == 2
    told = capsys.readouterr().err
    assert told.startswith("selftest: --device gpu: strict: ")
    assert told.count("\n") == 1


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


def test_budgets_are_less_than_eight_minutes() -> None:
    assert sum(seconds for _, seconds in Selftest("numpy").parts.values()) < 480


def test_every_workload_that_it_times_is_one() -> None:
    workloads = pytest.importorskip("benchmarks.workloads").WORKLOADS
    found = [w.name for w in workloads if re.search(parts.WORKLOADS, w.name)]
    assert len(found) == 15


def test_all_kernels_are_run_in_all_types(monkeypatch: pytest.MonkeyPatch) -> None:
    test, calls = Selftest("numpy"), []
    monkeypatch.setattr(test, "call", lambda *arguments: calls.append(arguments) or (0, "1 passed"))
    assert run(test, "kernels")["base definitions"].passed
    of_cuda = "test_cuda.py::test_kernels_compute_what_the_definitions_say"
    assert f"tests/backends/cupy/{of_cuda}" in calls[0]


def test_mixed_precision_is_among_the_trainings() -> None:
    step, batch = parts.TRAININGS["convolutions, momentum, mixed precision"]()
    x, targets = batch()
    assert str(x.dtype) == "float16"
    assert str(step(x, targets).dtype) == "float32"
