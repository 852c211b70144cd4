"""examples/sweep.py: what it tries, who trains it, what is left of workers that are killed."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import sweep
from harness.errors import UserError
from harness.processes import as_flags
from harness.settings import Choice, choice_of_search, read_by, rows_of_grid
from runs import call, refused

ROOT = Path(sweep.__file__).parents[1]
SMALL = ["--", "--data", "synth", "--limit", "60", "--batch-size", "16", "--hidden", "1"]
SMALL += ["--epochs"]
TWO = ["--grid", "lr=1e-6,1e-5"]
NEEDS_OPTUNA = pytest.mark.skipif(find_spec("optuna") is None, reason="no Optuna here")
SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))

# In place of an example: epochs of no time, each with a line. What it does after the first epoch is
# in the file `fate` beside the folders of the trials.
TRAINER = """
import json, os, sys, time
from pathlib import Path

folder, flags = Path(sys.argv[1]), sys.argv[2:]
settings = {name.strip("-"): x for name, x in zip(flags[::2], flags[1::2])}
checkpoint, fate = folder / "checkpoint.safetensors", folder.parent / "fate"
lines = json.loads(checkpoint.read_text()) if "--resume" in flags else []
for epoch in range(len(lines), int(settings["epochs"])):
    if epoch and fate.exists():
        exec(fate.read_text())
    lines.append({"run": 0, "epoch": epoch, "val_accuracy": float(settings["lr"]) * (1 + epoch)})
    part = checkpoint.with_suffix(".part")  # written whole, as the examples do
    part.write_text(json.dumps(lines))
    part.replace(checkpoint)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\\n" for line in lines))
    print("epoch", epoch, flush=True)
best = lines[-1]["val_accuracy"]
summary = {"final_accuracy": best, "best_accuracy": best, "runs": [{}]}
summary["resumed"] = "--resume" in flags
(folder / "summary.json").write_text(json.dumps(summary))
print("the last line")
"""


@pytest.fixture(autouse=True)
def alone(data_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    for name in ("GRADCORE_DATA", "GRADCORE_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GRADCORE_OFFLINE", "1")
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)  # which a worker replaces


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`trained(*flags)` is a worker in this process, with TRAINER in place of the example."""
    pytest.importorskip("optuna")
    from harness import trials

    def command(_: str, flags: list[str], folder: Path) -> list[str]:
        resume = ["--resume"] if (folder / "checkpoint.safetensors").exists() else []
        return [sys.executable, "-c", TRAINER, str(folder), *flags, *resume]

    monkeypatch.setattr(trials, "command_of", command)
    monkeypatch.setattr(trials, "POLL", 0.01)
    return partial(worker, tmp_path)


def worker(out: Path, *flags: object) -> int:
    return call(sweep, "mnist", *flags, "--join", "--out", out, "--", "--epochs", "3")


def report(out: Path, *flags: object) -> int:
    return call(sweep, "mnist", *flags, "--report", "--out", out, "--", "--epochs", "3")


def fate(out: Path, code: str) -> None:
    out.mkdir(exist_ok=True)
    (out / "fate").write_text(code)


def summaries(out: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(out.glob("mnist-*/summary.json"))]


def table(out: Path) -> list[list[str]]:
    """The cells of the table, without its head."""
    lines = (out / "mnist.md").read_text("utf-8").splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


# -- What it tries --------------------------------------------------------------------------------


def test_grids_are_values_or_pairs_of_values() -> None:
    assert rows_of_grid("lr=0.1,1e-2") == [{"lr": 0.1}, {"lr": 0.01}]
    pairs = [{"batch-size": 4, "optimizer": "sgd"}, {"batch-size": 8, "optimizer": "adam"}]
    assert rows_of_grid("batch_size:optimizer=4:sgd,8:adam") == pairs
    assert rows_of_grid("backend=torch:mps") == [{"backend": "torch:mps"}]
    assert rows_of_grid("augment=,crop flip") == [{"augment": ""}, {"augment": "crop flip"}]


def test_searches_are_ranges_or_values() -> None:
    assert choice_of_search("lr=1e-4..1e-1:log") == ("lr", Choice([1e-4, 1e-1], "float", True))
    assert choice_of_search("hidden=1..8") == ("hidden", Choice([1, 8], "int"))
    assert choice_of_search("decay=0..0.5") == ("decay", Choice([0, 0.5], "float"))
    assert choice_of_search("batch_size=16,32") == ("batch-size", Choice([16, 32]))


@pytest.mark.parametrize(
    ("read", "text", "words"),
    [
        (rows_of_grid, "lr", "expected NAME=A,B"),
        (rows_of_grid, "lr=", "expected NAME=A,B"),
        (rows_of_grid, "=1", "expected NAME=A,B"),
        (rows_of_grid, "lr:epochs=1:2,3", "expected NAME=A,B"),
        (choice_of_search, "lr", "expected NAME=A..B"),
        (choice_of_search, "lr=1..a", "expected numbers with A < B"),
        (choice_of_search, "lr=2..1", "expected numbers with A < B"),
        (choice_of_search, "lr=0..1:log", "expected numbers with 0 < A < B"),
        (choice_of_search, "lr=1..inf", "expected numbers with A < B"),
        (choice_of_search, "lr=1..2:ln", "expected :log or nothing"),
    ],
)
def test_what_is_no_grid_and_no_search(read: Callable[[str], Any], text: str, words: str) -> None:
    with pytest.raises(UserError, match=f" {text}: {words}"):
        read(text)


def test_settings_as_flags() -> None:
    settings = {"lr": 1e-5, "augment": "crop flip", "mixed_precision": "on", "tf32": "off"}
    expected = ["--lr", "1e-05", "--augment", "crop", "flip", "--mixed-precision"]
    assert as_flags(settings) == expected


@pytest.mark.parametrize("name", sweep.NAMES)
def test_every_example_can_be_swept(name: str) -> None:
    if name.endswith("_torch"):
        pytest.importorskip("torch")
    if name == "gp":
        pytest.importorskip("scipy")
    example = importlib.import_module(name)
    settings = read_by(example, ["--seed", "3"])
    assert settings["seed"] == 3
    assert any(metric.best for metric in getattr(example, "METRICS", sweep.CLASSIFIER))


def test_a_grid_tries_each_point_once(
    trained: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--grid", "lr=0.01,0.02", "--grid", "optimizer=sgd,adam"]
    assert trained(*flags) == 0
    assert capsys.readouterr().out.count("validation accuracy") == 4
    assert report(tmp_path, *flags) == 0
    assert capsys.readouterr().out == (tmp_path / "mnist.md").read_text("utf-8")
    rows = table(tmp_path)
    assert [row[3] for row in rows] == ["0.0600", "0.0600", "0.0300", "0.0300"]  # best first
    points = {(row[1], row[2]) for row in rows}
    assert points == {("0.01", "sgd"), ("0.01", "adam"), ("0.02", "sgd"), ("0.02", "adam")}
    assert (tmp_path / "mnist.png").read_bytes()[:4] == b"\x89PNG"
    said = (tmp_path / "mnist-0" / "log.txt").read_text().splitlines()
    assert said == ["epoch 0", "epoch 1", "epoch 2", "the last line"]


def test_a_search_has_as_many_trials_as_asked_for(trained: Any, tmp_path: Path) -> None:
    flags = ["--search", "lr=0.001..0.1:log", "--search", "hidden=1..8", "--sampler", "random"]
    assert trained(*flags, "--trials", 3) == 0
    assert trained(*flags, "--trials", 9) == 0  # six more
    assert len(summaries(tmp_path)) == 9
    assert report(tmp_path, *flags) == 0
    rows = table(tmp_path)
    assert len(rows) == 9
    assert all(0.001 <= float(row[1]) <= 0.1 and row[2] in "12345678" for row in rows)
    assert len({row[1] for row in rows}) == 9


@pytest.mark.parametrize("sampler", sweep.SAMPLERS)
def test_samplers_choose_within_the_limits(trained: Any, tmp_path: Path, sampler: str) -> None:
    pytest.importorskip(sweep.SAMPLERS[sampler][1])
    flags = ["--search", "lr=0.001..0.1:log", "--search", "hidden=1..8", "--sampler", sampler]
    assert trained(*flags, "--pruner", "hyperband", "--trials", 4) == 0
    assert len(list(tmp_path.glob("mnist-*"))) == 4
    for trial in open_study(tmp_path).trials:
        assert 0.001 <= trial.params["lr"] <= 0.1
        assert 1 <= trial.params["hidden"] <= 8


def test_a_search_goes_on_at_each_point_of_a_grid(trained: Any, tmp_path: Path) -> None:
    flags = ["--grid", "optimizer=sgd,adam", "--search", "lr=0.001..0.1", "--trials", 2]
    assert trained(*flags) == 0
    assert report(tmp_path, *flags) == 0
    assert sorted(row[1] for row in table(tmp_path)) == ["adam", "adam", "sgd", "sgd"]


def test_a_pruner_ends_trials_early(trained: Any, tmp_path: Path) -> None:
    values = ",".join(f"{x / 100}" for x in range(20, 10, -1))  # ever worse; five are waited for
    flags = ["--grid", f"lr={values}", "--pruner", "median"]
    assert trained(*flags) == 0
    assert report(tmp_path, *flags) == 0
    outcomes = [row[2] for row in table(tmp_path)]
    assert outcomes[4] == "0.4800"
    assert all(", ended early after epoch " in outcome for outcome in outcomes[5:])


def test_runs_give_a_mean_and_a_deviation(trained: Any, tmp_path: Path) -> None:
    assert trained("--grid", "lr=0.01") == 0
    from harness import outcome, trials

    class Trial:
        number, value, duration, params = 0, 0.5, None, {"lr": 0.01}
        state = trials.TrialState.COMPLETE
        user_attrs = {"task": 0, "best": 0.6, "deviation": 0.02}  # noqa: RUF012

    plan = trials.Sweep(
        "mnist", "mnist", [], [{}], {"lr": Choice([0.01])}, sweep.CLASSIFIER[1], tmp_path, 9
    )
    assert outcome.cells(Trial(), plan) == ["0", "0.01", "0.5000 ± 0.0200", "0.6000", ""]


# -- Failures, kills and interruptions ------------------------------------------------------------


def test_a_training_that_fails_is_told_and_the_others_go_on(
    trained: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "if settings['lr'] == '0.01': print('mnist.py: the loss is nan'); sys.exit(2)"
    fate(tmp_path, code)
    assert trained("--grid", "lr=0.01,0.02") == 0
    assert "failed: mnist.py: the loss is nan" in capsys.readouterr().out
    assert report(tmp_path, "--grid", "lr=0.01,0.02") == 0
    assert [row[2] for row in table(tmp_path)] == ["0.0600", "failed: mnist.py: the loss is nan"]
    assert len(list(tmp_path.glob("mnist-*"))) == 2  # it isn't tried again


def test_nothing_but_failures_is_a_failure(trained: Any, tmp_path: Path) -> None:
    fate(tmp_path, "sys.exit(2)")
    assert trained("--grid", "lr=0.01,0.02") == 0
    assert report(tmp_path, "--grid", "lr=0.01,0.02") == 2


def test_a_training_that_is_killed_goes_on(trained: Any, tmp_path: Path) -> None:
    fate(tmp_path, "fate.unlink(); os.kill(os.getpid(), 9)")
    assert trained("--grid", "lr=0.01") == 0
    assert [s["resumed"] for s in summaries(tmp_path)] == [True]
    assert report(tmp_path, "--grid", "lr=0.01") == 0
    assert [row[:3] for row in table(tmp_path)] == [["1", "0.01", "0.0300"]]


def test_a_training_that_is_killed_each_time_is_given_up(trained: Any, tmp_path: Path) -> None:
    fate(tmp_path, "os.kill(os.getpid(), 9)")
    assert trained("--grid", "lr=0.01") == 0
    assert report(tmp_path, "--grid", "lr=0.01") == 2
    assert [row[:3] for row in table(tmp_path)] == [["2", "0.01", "killed, try 3"]]


def test_the_same_command_goes_on_after_an_interruption(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness import trials

    def interrupt(*call: Any) -> None:
        call[2].stdout.readline()  # after an epoch
        raise KeyboardInterrupt

    flags = ["--search", "lr=0.01..0.02", "--trials", 2]
    monkeypatch.setattr(trials, "ignore_interrupts", lambda: None)
    monkeypatch.setattr(trials, "TRIES", 1)  # which interruptions don't count as
    fate(tmp_path, "time.sleep(1)")
    for _ in range(2):  # one trial, then the other
        with monkeypatch.context() as patch:
            patch.setattr(trials, "follow", interrupt)
            assert trained(*flags) == 130
    assert not summaries(tmp_path)
    (tmp_path / "fate").unlink()
    assert trained(*flags) == 0
    assert [s["resumed"] for s in summaries(tmp_path)] == [True, True]
    for before, after in ((0, 2), (1, 3)):  # with the settings that the sampler chose at first
        first, last = (
            json.loads((tmp_path / f"mnist-{n}" / "checkpoint.safetensors").read_text())
            for n in (before, after)
        )
        assert (len(first), len(last)) == (1, 3)
        assert first[0] == last[0]
        assert last[1]["val_accuracy"] == 2 * last[0]["val_accuracy"]


def open_study(out: Path) -> Any:
    optuna = pytest.importorskip("optuna")
    return optuna.load_study(study_name="mnist", storage=f"sqlite:///{out / 'sweep.db'}")


def test_of_two_trials_of_a_task_one_is_trained(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if two workers had put a task into the queue at the same moment."""
    from harness import trials

    def enqueue(study: Any, plan: Any, enqueue: Any = trials.enqueue) -> None:
        if not study.get_trials():
            study.enqueue_trial({"lr": 0.01}, {"task": 0, "tries": 1})
            study.enqueue_trial({"lr": 0.01}, {"task": 0, "tries": 1})
        enqueue(study, plan)

    monkeypatch.setattr(trials, "enqueue", enqueue)
    assert trained("--grid", "lr=0.01,0.02") == 0
    folders = sorted(path.name for path in tmp_path.glob("mnist-*"))
    assert folders == ["mnist-0", "mnist-2"]
    assert report(tmp_path, "--grid", "lr=0.01,0.02") == 0
    assert [row[:2] for row in table(tmp_path)] == [["2", "0.02"], ["0", "0.01"]]


def test_a_worker_that_was_taken_for_dead_goes_on(trained: Any, tmp_path: Path) -> None:
    """As a laptop that slept: another worker has declared its trial failed."""
    lines = [
        "fate.unlink()",
        "import optuna",
        "url = f'sqlite:///{folder.parent}/sweep.db'",
        "study = optuna.load_study(study_name='mnist', storage=url)",
        "study.tell(0, state=optuna.trial.TrialState.FAIL)",
    ]
    fate(tmp_path, "; ".join(lines))
    assert trained("--grid", "lr=0.01,0.02") == 0
    assert report(tmp_path, "--grid", "lr=0.01,0.02") == 0
    assert [row[:3] for row in table(tmp_path)] == [
        ["1", "0.02", "0.0600"],
        ["2", "0.01", "0.0300"],
    ]


def test_a_storage_that_is_lost_ends_the_worker(
    trained: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fate(tmp_path, "(folder.parent / 'sweep.db').write_bytes(b'nothing' * 9999); time.sleep(9)")
    said = refused(capsys, trained("--grid", "lr=0.01"))
    assert f"--storage sqlite:///{tmp_path}/sweep.db: " in said
    assert "Traceback" not in said


def test_a_worker_that_was_killed_before_its_first_heartbeat_is_seen(
    trained: Any, tmp_path: Path
) -> None:
    flags = ["--grid", "lr=0.01", "--patience", 1]
    assert report(tmp_path, *flags) == 2
    study = open_study(tmp_path)
    study.enqueue_trial({"lr": 0.01}, {"task": 0, "tries": 1})
    study.ask()  # and no more is heard of it
    assert trained(*flags) == 0
    assert report(tmp_path, *flags) == 0
    assert [row[:3] for row in table(tmp_path)] == [["1", "0.01", "0.0300"]]


# -- Processes ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a database of a PostgreSQL server, which runs as long as this module's tests."""
    if not SERVERS or find_spec("psycopg") is None:
        pytest.skip("no PostgreSQL here: install postgresql, by apt, and psycopg[binary], by pip")
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # a socket's path must be short
    options: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL}
    if os.getuid() == 0:  # whom PostgreSQL doesn't run for
        shutil.chown(folder, "postgres")
        options |= {"user": "postgres"}
    made = [str(SERVERS[-1].with_name("initdb")), "-A", "trust", "-U", "sweep", "-D", "data", "-N"]
    subprocess.run(made, check=True, **options)
    run = [str(SERVERS[-1]), "-D", "data", "-k", str(folder), "-c", "listen_addresses="]
    ready = SERVERS[-1].with_name("pg_isready")
    with subprocess.Popen([*run, "-F"], stderr=subprocess.DEVNULL, **options) as process:
        while subprocess.run([str(ready), "-q", "-h", str(folder)]).returncode:
            assert process.poll() is None
            time.sleep(0.05)
        yield f"postgresql+psycopg://sweep@/postgres?host={folder}"
        process.send_signal(signal.SIGINT)
        process.wait(30)
    shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest) -> list[str]:
    """The flags of a database."""
    if request.param == "sqlite":
        return []
    return ["--storage", request.getfixturevalue("server")]


def started(out: Path, *flags: object) -> Any:
    command = [sys.executable, sweep.__file__, "mnist", "--out", str(out), *map(str, flags)]
    pipe = subprocess.PIPE
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, env=environment, start_new_session=True
    )


def wait_for(found: Callable[[], Any], process: Any) -> Any:
    while not (x := found()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    return x


@NEEDS_OPTUNA
def test_a_worker_that_is_killed_leaves_its_trial_to_another(
    tmp_path: Path, storage: list[str]
) -> None:
    flags = [*storage, *TWO, "--patience", "3", *SMALL, "40"]
    join = [*flags[: flags.index("--")], "--join", *flags[flags.index("--") :]]
    first = started(tmp_path, *join)
    wait_for(lambda: list(tmp_path.glob("mnist-0/metrics.jsonl")), first)
    wait_for(lambda: len((tmp_path / "mnist-0" / "metrics.jsonl").read_text().splitlines()), first)
    first.kill()
    first.communicate()
    second = started(tmp_path, *flags)  # which makes the table, too
    said, errors = second.communicate(timeout=300)
    assert (second.returncode, errors) == (0, "")
    assert "resumed after" in (tmp_path / "mnist-2" / "log.txt").read_text()
    assert [row[0] for row in sorted(table(tmp_path))] == ["1", "2"]
    assert said.count("validation accuracy") == 3  # two trials, and the table's head


@NEEDS_OPTUNA
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no groups of processes here")
def test_its_end_is_that_of_workers_and_trainings(tmp_path: Path) -> None:
    with started(tmp_path, *TWO, "--workers", "2", *SMALL, "5000") as process:
        wait_for(lambda: len(list(tmp_path.glob("mnist-*/metrics.jsonl"))) == 2, process)
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "\nsweep.py: interrupted; the same command goes on\n"
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


@NEEDS_OPTUNA
def test_two_workers_share_a_grid_of_three_seeds(tmp_path: Path) -> None:
    flags = [*TWO, "--workers", "2", "--quiet", *SMALL, "1", "--runs", "3"]
    said, errors = started(tmp_path, *flags).communicate(timeout=300)
    assert errors == ""
    assert said == (tmp_path / "mnist.md").read_text("utf-8")
    assert [" ± " in row[2] for row in table(tmp_path)] == [True, True]


# -- What it refuses ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["mnits", *TWO], "argument EXAMPLE: invalid choice: 'mnits'"),
        (["assignment", *TWO], "argument EXAMPLE: invalid choice: 'assignment'"),
        (["mnist", "--epochs", 2], "unrecognized arguments: --epochs 2"),
        (["mnist", *TWO, "--workers", 0], "--workers: '0' is not a whole number of at least 1"),
    ],
)
def test_bad_flags(capsys: pytest.CaptureFixture[str], flags: list[Any], words: str) -> None:
    assert words in refused(capsys, call(sweep, *flags))


@NEEDS_OPTUNA
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "there is nothing to try: give --grid or --search"),
        (["--grid", "lr"], "--grid lr: expected NAME=A,B"),
        ([*TWO, "--trials", 3], "--trials counts those of a --search"),
        ([*TWO, "--search", "lr=1..2"], "--lr is given twice"),
        ([*TWO, "--", "--lr=1"], "--lr is given twice"),
        (["--grid", "lrr=1"], "unrecognized arguments: --lrr 1; did you mean --lr?"),
        (["--grid", "lr=1,-1"], "--lr: -1 is not positive and finite"),
        (["--grid", "lr=1,a"], "--lr: 'a' is not a number"),
        (["--search", "model=relu,rule"], "--model: invalid choice: 'rule'"),
        ([*TWO, "--", "--epoch", "x"], "--epochs: 'x' is not a whole number"),
        ([*TWO, "--", "--out", "x"], "--out of the example can't be given"),
        (["--grid", "quiet=on,off"], "--quiet of the example can't be given"),
        ([*TWO, "--storage", "x"], "--storage x: Could not parse"),
        ([*TWO, "--storage", "nosql://x"], "--storage nosql://x: "),
        ([*TWO, "--storage", "sqlite:////nowhere/x.db"], "unable to open database file"),
    ],
)
def test_bad_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[Any], words: str
) -> None:
    if "--" not in flags:
        flags = [*flags, "--"]
    own, rest = flags[: flags.index("--")], flags[flags.index("--") :]
    assert words in refused(capsys, call(sweep, "mnist", *own, "--out", tmp_path, *rest))


def test_a_server_that_does_not_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("optuna")
    pytest.importorskip("psycopg")
    url = "postgresql+psycopg://me:secret@127.0.0.1:1/x"
    said = refused(capsys, call(sweep, "mnist", *TWO, "--out", tmp_path, "--storage", url))
    assert "--storage postgresql+psycopg://...@127.0.0.1:1/x: " in said
    assert "secret" not in said


def test_a_driver_that_is_not_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna")
    monkeypatch.setitem(sys.modules, "pymysql", None)
    flags = [*TWO, "--out", tmp_path, "--storage", "mysql+pymysql://me@host/x"]
    said = refused(capsys, call(sweep, "mnist", *flags))
    assert "install it, as for postgresql+psycopg: pip install" in said


def test_without_optuna(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    said = refused(capsys, call(sweep, "mnist", *TWO))
    assert "sweep.py needs optuna: pip install 'gradcore[sweep]'" in said


def test_another_sweep_of_this_name(
    trained: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert trained(*TWO) == 0
    capsys.readouterr()
    said = refused(capsys, trained("--grid", "lr=1e-6"))
    assert "the study 'mnist' in sqlite:///" in said
    assert "has --grid lr=1e-6,1e-5, and not --grid lr=1e-6; " in said
    assert trained("--grid", "lr=1e-6", "--name", "another") == 0
    said = refused(capsys, call(sweep, "mnist", *TWO, "--join", "--out", tmp_path))
    assert "has --epochs 3, and not --epochs 20" in said


def test_help_has_the_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(sweep, "--help") == 0
    said = capsys.readouterr().out
    assert "python examples/sweep.py mnist --search" in said
    assert max(map(len, said.splitlines())) < 120
    assert call(sweep, "mnist", *TWO, "--", "--help") == (0 if find_spec("optuna") else 2)
