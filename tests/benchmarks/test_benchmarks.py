"""The benchmarks run, and all libraries compute the same in them."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from contextlib import nullcontext, redirect_stderr, suppress
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from taped import register

from benchmarks import goals, quiet, report
from benchmarks.__main__ import Workers, main, measure, parse
from benchmarks.libraries import LIBRARIES
from benchmarks.worker import library_file, peak_memory, set_up
from benchmarks.workloads import NETWORKS, RATES, WORKLOADS
from gradcore import use_backend
from gradcore.backends.numba import loading

ROOT = Path(__file__).parents[2]
# Where they are tiny; of equal ones the first.
DIFFERENT = {(w.family, w.case, w.tiny): w for w in reversed(WORKLOADS)}.values()


def results(library: str, workload: Any) -> list[list[np.ndarray]]:
    """Give the results of three steps; each depends on the parameters that the last one left."""
    step = set_up(library, workload, quick=True)
    to_numpy = getattr(library_file(library), "numpy", np.array)
    return [[to_numpy(x).copy() for x in step()] for _ in range(3)]


def is_installed(library: str) -> bool:
    """Folders of tests, as tests/autograd, are on the path too; these have no origin."""
    spec = find_spec(library)
    return spec is not None and spec.origin is not None


@pytest.mark.parametrize("library", [x for x in LIBRARIES if x != "torch" and is_installed(x)])
@pytest.mark.parametrize("workload", DIFFERENT, ids=lambda w: w.name)
def test_libraries_compute_the_same(library: str, workload: Any) -> None:
    pytest.importorskip("torch")
    try:
        ours = results(library, workload)
    except NotImplementedError:
        assert library != "gradcore"  # which has everything
        return
    for step, expected in zip(ours, results("torch", workload), strict=True):
        for x, y in zip(step, expected, strict=True):
            np.testing.assert_allclose(x.reshape(y.shape), y, rtol=1e-4, atol=1e-6)
            assert np.any(y)


TRAINED = [w for w in DIFFERENT if w.group in LIBRARIES["gradcore-captured"].groups]


@pytest.mark.parametrize("workload", TRAINED, ids=lambda w: w.name)
def test_captured_steps_compute_the_same(workload: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of them run as they are, and the fourth is captured, and then replayed."""
    device = register(monkeypatch)
    expected = losses("gradcore", workload)
    with use_backend("taped"):
        found = losses("gradcore-captured", workload)
    assert device.tapes[0].replays == 3
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def losses(library: str, workload: Any) -> list[float]:
    step = set_up(library, workload, quick=True)
    return [float(step()[0]) for _ in range(6)]


def test_captured_steps_are_timed_where_they_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    chosen = {name: parse(["--backend", name]).chosen for name in ("numpy", "strict", "taped")}
    assert "gradcore-captured" in chosen["taped"]
    assert "gradcore-captured" not in chosen["strict"]
    found = {"seconds": 1.0, "quartiles": [1.0, 1.0], "memory": 1e6, "ratio": 0.5}
    libraries = dict.fromkeys(("gradcore", "torch", "gradcore-captured"), found)
    assert not {"torch-captured", "gradcore-tf32"} & {*chosen["numpy"]}
    row = {"libraries": libraries, "floor": None}
    page = report.times({"blitz": row}, list(libraries))
    assert "| gradcore / PyTorch | captured / PyTorch |" in page


def test_memory_of_a_step_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the counts of a pool of memory in the place of CuPy's and PyTorch's."""
    kept, used, hooks = [0], [1000], []

    class MemoryHook:
        def __enter__(self) -> None:
            hooks.append(self)

        def __exit__(self, *error: object) -> None:
            hooks.remove(self)

    def take(size: int) -> None:
        used[0] += size
        kept[0] = max(kept[0], used[0])
        for hook in hooks:
            hook.malloc_postprocess(size=size)

    def step() -> None:
        for size in (300, 500, -700, 200, -300):
            take(size)

    pool = SimpleNamespace(used_bytes=lambda: used[0])
    fake = ModuleType("cupy")
    vars(fake).update(
        get_default_memory_pool=lambda: pool, cuda=SimpleNamespace(MemoryHook=MemoryHook)
    )
    monkeypatch.setitem(sys.modules, "cupy", fake)
    on_gradcore = library_file("gradcore")
    assert on_gradcore.device_peak(step) is None  # on NumPy
    there = SimpleNamespace(default=lambda: SimpleNamespace(name="cupy"))
    monkeypatch.setattr(on_gradcore, "backends", there)
    assert peak_memory(step, on_gradcore.device_peak) == 800
    assert hooks == []

    torch = pytest.importorskip("torch")
    on_torch = library_file("torch")
    assert on_torch.device_peak(step) is None
    monkeypatch.setattr(on_torch, "DEVICE", "cuda")
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: used[0])
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: kept[0])
    reset = lambda: kept.__setitem__(0, used[0])  # noqa: E731
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", reset)
    kept[0] = 10_000
    assert peak_memory(step, on_torch.device_peak) == 800


def test_what_torch_may_round_to_tf32() -> None:
    torch = pytest.importorskip("torch")
    for name, convolutions, products in (
        ("torch-defaults", True, False), ("torch-tf32", True, True), ("torch", False, False)
    ):  # fmt: skip
        set_up(name, WORKLOADS[0], quick=True)
        assert torch.backends.cudnn.allow_tf32 is convolutions
        assert torch.backends.cuda.matmul.allow_tf32 is products


def test_torch_captures_the_steps_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a graph in the place of CUDA's, which counts its replays. Adam counts its steps on the
    device, so that replays go on counting."""
    torch = pytest.importorskip("torch")
    replays: list[int] = []
    graph = SimpleNamespace(replay=lambda: replays.append(1))
    stream = SimpleNamespace(wait_stream=lambda _: None)
    for name, value in {
        "CUDAGraph": lambda: graph, "Stream": lambda: stream, "current_stream": lambda: stream,
        "stream": nullcontext, "graph": nullcontext,
    }.items():  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, value)
    (blitz,) = [w for w in WORKLOADS if w.name == "blitz-4"]
    step = set_up("torch-captured", blitz, quick=True)
    assert [step()[0].shape for _ in range(2)] == [(), ()]
    assert len(replays) == 2
    with pytest.raises(NotImplementedError):
        set_up("torch-captured", RATES[0], quick=True)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the first scale of the loss is too large
def test_half_precision_learns_as_single() -> None:
    (resnet9,) = NETWORKS
    single, half = losses("gradcore", resnet9), losses("gradcore-float16", resnet9)
    skipped = half.count(half[0]) - 1  # steps whose gradients overflow
    assert 0 < skipped < 5
    np.testing.assert_allclose(half[skipped:], single[: 6 - skipped], rtol=0.02)
    losses("gradcore", resnet9)  # sets the option back


def answers(monkeypatch: pytest.MonkeyPatch, told: dict[str, list[Any]]) -> Workers:
    """Workers that give these answers, by library, and raise those that are errors."""

    def ask(_: Any, library: str, __: Any) -> Any:
        answer = told[library].pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    monkeypatch.setattr(Workers, "ask", ask)
    fresh = lambda *_: {"first": 9.0, "memory": 7}  # noqa: E731
    monkeypatch.setattr(Workers, "fresh", fresh)
    return Workers(parse(["--rounds", "2"]))


def turn(seconds: float) -> dict[str, Any]:
    return {"seconds": [seconds] * 3, "first": 1.0, "memory": None}


def test_processes_take_turns_and_each_turn_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"gradcore": [turn(1.0), turn(3.0)], "torch": [turn(2.0), KeyboardInterrupt()]}
    seen = []
    with suppress(KeyboardInterrupt):
        for results in measure(WORKLOADS[0], ["gradcore", "torch"], answers(monkeypatch, told)):
            seen += [json.loads(json.dumps(results))]
    assert [r["gradcore"]["rounds"] for r in seen] == [[1.0], [1.0], [1.0, 3.0]]
    assert seen[-1]["gradcore"]["ratio"] == 0.5  # of the round that both have
    assert seen[0]["torch"] == {"missing": "not timed yet"}
    told = {"gradcore": [turn(1.0)] * 2, "torch": [{"failed": "it broke"}]}
    *_, last = measure(WORKLOADS[0], ["gradcore", "torch"], answers(monkeypatch, told))
    assert last["torch"] == {"failed": "it broke"}
    assert (last["gradcore"]["first"], last["gradcore"]["memory"]) == (9.0, 7)  # fresh


def test_losses_that_differ_from_those_of_torch_are_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = {
        "gradcore": [turn(1.0) | {"losses": [2.0, 1.5]}],
        "torch": [turn(1.0) | {"losses": [2.0, 1.0]}] * 2,
    }
    *_, last = measure(WORKLOADS[0], [*told], answers(monkeypatch, told))
    assert last["gradcore"]["failed"].endswith("than PyTorch: 2, 1.5 and not 2, 1")
    assert len(last["torch"]["rounds"]) == 2


def test_rounds_go_on_until_the_time_of_torch_is_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most turns are disturbed: the time is known all the same."""
    noisy = [turn(x) for x in (2.0, 1.01, 2.1, 1.0, 1.02, 9.0)]
    told = {"torch": noisy, "autograd": [turn(4.0)] * 9}
    workers = answers(monkeypatch, told)
    workers.args.rounds = None
    *_, last = measure(WORKLOADS[0], [*told], workers)
    assert (len(last["torch"]["rounds"]), len(last["autograd"]["rounds"])) == (5, 2)
    assert last["torch"]["seconds"] == 1.0
    assert quiet.is_settled([])
    assert not quiet.is_settled([1.0, 1.2, 1.0, 1.1])


def test_figures_of_a_busy_machine_are_no_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = tmp_path / "docs" / "explanation"
    docs.mkdir(parents=True)
    used = [1.0]

    def run(_: Any, results: dict[str, Any]) -> Any:
        results["workloads"]["mnist-sigmoid"] = {"libraries": {}}
        yield "mnist-sigmoid"

    program = sys.modules[main.__module__]
    for name, value in {
        "ROOT": tmp_path, "run": run, "BUSY": 1e9,
        "Others": lambda: SimpleNamespace(cores=lambda: used[0]),
    }.items():  # fmt: skip
        monkeypatch.setattr(program, name, value)
    monkeypatch.setattr(report, "markdown", lambda _: "")
    monkeypatch.setattr(report, "plot", lambda *_: None)
    told = io.StringIO()
    with redirect_stderr(told):
        assert main(["--docs"]) == 1
    assert "other processes used 1.0 cores" in told.getvalue()
    assert not [*docs.iterdir()]
    used[0] = 0.0
    assert main(["--docs"]) == 0
    assert (docs / "benchmarks.md").exists()
    monkeypatch.setattr(program, "BUSY", -1.0)
    assert main(["--docs"]) == 2


def test_processor_time_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """20 seconds of this machine, in hundredths: half a core, of which this process had 0.2."""
    stat, own = tmp_path / "stat", [0.0]
    monkeypatch.setattr(quiet, "STAT", stat)
    monkeypatch.setattr(quiet.os, "times", lambda: (own[0], 0.0, 0.0, 0.0, 9.0))
    monkeypatch.setattr(quiet.os, "sysconf", lambda _: 100, raising=False)
    monkeypatch.setattr(quiet.time, "monotonic", lambda: 20.0 * bool(own[0]))
    stat.write_text("cpu  100 0 50 9000 7 0 0 0 0 0\ncpu0 1\n")
    others = quiet.Others()
    stat.write_text("cpu  700 200 150 9999 8 20 30 50 0 0\ncpu0 1\n")
    own[0] = 4.0
    assert others.cores() == pytest.approx(0.3)


def test_goals_stand_beside_what_was_measured() -> None:
    rows = {
        "blitz-4": {"group": "Training steps", "libraries": {
            "gradcore": {"ratio": 1.2, "memory": 2e6}, "torch": {"memory": 4e6},
            "gradcore-captured": {"ratio": 0.4},
        }},
        "batches": {"group": "Updates", "libraries": {}},
    }  # fmt: skip
    *_, row = report.goals(rows).splitlines()
    rows["blitz-4"]["is_settled"] = False
    assert "| blitz-4 ~ | **1.20** of 0.9 |" in report.goals(rows)
    assert row == "| blitz-4 | **1.20** of 0.9 | 0.400 of 0.45 | – | 0.500 of 1.0 | – | – |"  # noqa: RUF001
    named = {w.name for w in WORKLOADS}
    assert all(any(re.fullmatch(g, name) for name in named) for g in goals.GOALS)


def test_a_process_is_kept_and_one_that_crashes_is_started_anew() -> None:
    (quick, other) = [w for w in WORKLOADS if w.name in ("chain-scale", "update-sgd")]
    workers = Workers(parse(["--quick", "--seconds", "0"]))
    assert "seconds" in workers.ask("gradcore", quick)
    (worker,) = workers.values()
    first = worker.process
    assert "seconds" in workers.ask("gradcore", quick)
    assert worker.process is first
    first.kill()
    assert workers.ask("gradcore", quick)["failed"].startswith("its process ended with status -9")
    assert "seconds" in workers.ask("gradcore", quick)
    assert worker.process is not first
    assert "missing" in workers.ask("numpy", other)
    workers.stop()
    assert all(worker.process is None for worker in workers.values())


def test_it_runs(tmp_path: Path) -> None:
    file, command = tmp_path / "all.json", [sys.executable, "-m", "benchmarks", "--quick"]
    command += [
        "--only",
        "^chain-tanh|^depth|blitz-4",
        "--libraries",
        "gradcore",
        "--json",
        str(file),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    figures = json.loads(file.read_text())
    for name in ("chain-tanh", "depth-100", "depth-100000"):
        measured = figures["workloads"][name]["libraries"]["gradcore"]
        low, high = measured["quartiles"]
        assert 0 < low <= high
        assert report.number(1e3 * measured["seconds"]) in done.stdout
    blitz = figures["workloads"]["blitz-4"]
    times = [blitz["libraries"]["gradcore"]["first"]]
    times += [blitz["compiling"]] if not loading.problem() else []
    cells = [f"{t:.3g}"[:4] for t in reversed(times)]  # the table shows three digits, too
    row = done.stdout.partition("## The first step")[2].partition("| blitz-4 | ")[2]
    assert all(cell in row.partition("\n")[0] for cell in cells)
    report.plot(figures, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size


def test_cost_of_a_step() -> None:
    """By hand: per image 1.3 million operations forward, and twice that backward but for the
    gradient of the image, by 0.7 million less."""
    (blitz,) = [w for w in WORKLOADS if w.name == "blitz-128"]
    per_image = 2 * (28**2 * 6 * 75 + 10**2 * 16 * 150 + 400 * 120 + 120 * 84 + 84 * 10)
    assert blitz.cost(quick=False).flops == 128 * (3 * per_image - 2 * 28**2 * 6 * 75)


def test_cost_of_a_transformer() -> None:
    """By hand: each token meets each weight of the matrices once, and half of the keys and values
    in each block; twice that backward."""
    (small,) = [w for w in WORKLOADS if w.name == "gpt-small"]
    tokens, weights, attention = 32 * 64, 4 * 12 * 128**2 + 128 * 100, 4 * 2 * 128 * 65 / 2
    assert small.cost(quick=False).flops == 3 * 2 * tokens * (weights + attention)


def test_slope_of_growth() -> None:
    assert report.slope({10: 0.1, 100: 1.0, 1000: 10.0}, "seconds") == "1.00"
    assert report.slope({10: 1e3, 100: 1e7, 1000: 1e9}, "memory") == "2.00"  # 1 kB is noise


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--only", "no-such"], "'no-such' is in no workload's name"),
        (["--only", "("], "'(' is no regular expression"),
        (["--libraries", "nograd"], "'nograd', expected some of gradcore"),
        (["--libraries", "torch-captured"], "torch-captured is of a GPU; try --backend cupy"),
        (
            ["--backend", "strict", "--libraries", "gradcore-captured"],
            "strict can't capture steps; try --backend cupy",
        ),
        (["--backend", "nympy"], "there is no backend 'nympy'"),
        (["--docs", "--quick"], "--docs is of everything"),
        (["--threads", "0"], "at least 1"),
    ],
)
def test_bad_arguments(flags: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(flags)
    assert words in capsys.readouterr().err


def test_the_page_has_the_words_that_its_program_writes() -> None:
    page = (ROOT / "docs" / "explanation" / "benchmarks.md").read_text("utf-8")
    for words in re.split(r"\{.*?\}", report.PAGE):
        assert " ".join(words.split()) in " ".join(page.split())
