"""The examples' command line: what it prints, writes and refuses."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import mnist
import numpy as np
import pytest
from harness import session
from runs import call, losses, metrics, refused, result, without_times
from safetensors.numpy import load_file
from taped import register

import gradcore
from gradcore import optim

EXAMPLES = Path(mnist.__file__).parent
SYNTH = ["--data", "synth", "--limit", "500", "--epochs", "2", "--lr", "0.01"]


@pytest.fixture(autouse=True)
def alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No data but what is in the package, and the default backend."""
    if request.function is not test_files_of_a_run:
        monkeypatch.setattr(
            session, "draw_curves", lambda *_: None
        )  # which takes longer than a run
    for name in ("GRADCORE_DATA", "GRADCORE_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GRADCORE_OFFLINE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def run() -> Any:
    """`run(*flags)` is `python examples/mnist.py FLAGS`, in this process; gives the status."""

    return partial(call, mnist)


# -- What a run leaves behind -----------------------------------------------------------------


def test_files_of_a_run(run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "out"
    assert run(*SYNTH, "--out", out) == 0
    assert sorted(p.name for p in out.iterdir()) == [
        "checkpoint.safetensors",
        "curves.png",
        "metrics.jsonl",
        "summary.json",
    ]
    lines = metrics(out)
    assert [list(line) for line in lines] == 2 * [
        [
            "run",
            "epoch",
            "train_loss",
            "val_loss",
            "val_accuracy",
            "seconds",
            "instances_per_second",
        ]
    ]
    assert [(line["run"], line["epoch"]) for line in lines] == [(0, 0), (0, 1)]
    assert lines[1]["train_loss"] < lines[0]["train_loss"]
    summary = result(out)
    assert summary["settings"]["lr"] == 0.01
    assert summary["seed"] == 0
    assert (summary["backend"], summary["device"]) == ("numpy", "CPU")
    assert summary["versions"]["numpy"] == np.__version__
    assert summary["training_instances"] == 500
    assert summary["final_accuracy"] == lines[1]["val_accuracy"]
    assert summary["best_accuracy"] == max(line["val_accuracy"] for line in lines)
    assert len(summary["per_class_accuracy"]) == 2
    assert (out / "curves.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    printed = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("epoch") for line in printed) == 2
    assert f"{lines[1]['val_accuracy']:.4f}" in printed[-1]


def test_quiet_prints_the_result_only(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*SYNTH, "--quiet") == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 1
    assert captured.err == ""


def test_runs_have_seeds_of_their_own(run: Any, tmp_path: Path) -> None:
    assert run(*SYNTH, "--runs", 3, "--seed", 5, "--out", tmp_path / "all") == 0
    assert run(*SYNTH, "--seed", 6, "--out", tmp_path / "one") == 0
    lines = metrics(tmp_path / "all")
    assert [(line["run"], line["epoch"]) for line in lines] == [
        (run, epoch) for run in range(3) for epoch in range(2)
    ]
    summary = result(tmp_path / "all")
    finals = [line["val_accuracy"] for line in lines if line["epoch"] == 1]
    assert [r["seed"] for r in summary["runs"]] == [5, 6, 7]
    assert [r["final_accuracy"] for r in summary["runs"]] == finals
    np.testing.assert_allclose(summary["final_accuracy"], np.mean(finals))
    np.testing.assert_allclose(summary["final_accuracy_deviation"], np.std(finals, ddof=1))


def test_same_seed_same_run(run: Any, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert run(*SYNTH, "--seed", seed, "--out", tmp_path / name) == 0
    a, b, c = (without_times(metrics(tmp_path / name)) for name in "abc")
    assert a == b
    assert a != c


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adamw", "adagrad", "rmsprop"])
def test_every_optimizer_trains_and_resumes_bitwise(
    run: Any, tmp_path: Path, optimizer: str
) -> None:
    flags = [*SYNTH, "--lr", 0.002, "--optimizer", optimizer, "--runs", 2]
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    assert run(*flags, "--epochs", 4, "--out", straight) == 0
    # A run that is killed after it wrote an epoch's line and before its checkpoint leaves this:
    assert run(*flags, "--runs", 1, "--epochs", 1, "--out", stopped) == 0
    with (stopped / "metrics.jsonl").open("a") as file:
        file.write('{"run": 0, "epoch": 1}\n')
    assert run(*flags, "--epochs", 4, "--out", stopped, "--resume") == 0
    lines = metrics(straight)
    assert lines[3]["train_loss"] < lines[0]["train_loss"]
    assert without_times(lines) == without_times(metrics(stopped))
    a, b = (load_file(out / "checkpoint.safetensors") for out in (straight, stopped))
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])


def test_capture_is_the_same_training(run: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """On a device that can, without being asked; the last batch, a smaller one, is not captured."""
    backend = register(monkeypatch)
    flags = [*SYNTH, "--optimizer", "adam", "--lr", 0.002, "--epochs", 2, "--backend", "taped"]
    for name, more in (("eager", ["--no-capture"]), ("captured", ["--tf32"])):
        assert run(*flags, "--limit", 300, "--out", tmp_path / name, *more) == 0
    one, other = (without_times(metrics(tmp_path / name)) for name in ("eager", "captured"))
    for a, b in zip(one, other, strict=True):
        assert a == pytest.approx(b, rel=1e-5)
    tape = backend.tapes[-1]
    assert (tape.warm_ups, tape.replays) == (3 + 1, 2 * (300 // 128) - 3)


def test_a_step_that_reads_the_loss_runs_without_capture_and_a_line_says_why(
    run: Any, monkeypatch: Any, capsys: Any
) -> None:
    register(monkeypatch)
    scaled = optim.SGD.scaled
    monkeypatch.setattr(optim.SGD, "scaled", lambda self, x: scaled(self, x) * (float(x) > 0))
    flags = [*SYNTH, "--limit", 300, "--epochs", 2, "--batch-size", 50, "--backend", "taped"]
    results = []
    for option, lines, status in (([], 1, 0), (["--no-capture"], 0, 0), (["--capture"], 1, 2)):
        assert run(*flags, "--quiet", *option) == status
        out, errors = capsys.readouterr()
        assert errors.count("\n") == lines
        results += [out] if status == 0 else []
        if lines:
            assert "training_step" in errors
            assert "can't be read (" in errors
    assert results[0] == results[1]


def test_mixed_precision_trains_and_resumes_bitwise(run: Any, tmp_path: Path) -> None:
    flags = [*SYNTH, "--optimizer", "adam", "--lr", 0.002, "--mixed-precision"]
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    assert run(*flags, "--epochs", 3, "--out", straight) == 0
    assert run(*flags, "--epochs", 1, "--out", stopped) == 0
    assert run(*flags, "--epochs", 3, "--out", stopped, "--resume") == 0
    lines = metrics(straight)
    assert lines[2]["train_loss"] < lines[0]["train_loss"]
    assert without_times(lines) == without_times(metrics(stopped))
    saved = load_file(straight / "checkpoint.safetensors")
    assert {str(x.dtype) for name, x in saved.items() if name.startswith("model.")} == {"float16"}
    masters = {name: x for name, x in saved.items() if name.endswith(".master")}
    assert {str(x.dtype) for x in masters.values()} == {"float32"}
    # Weights from a file are what is trained from.
    assert run(*flags, "--epochs", 1, "--init-from", straight / "checkpoint.safetensors") == 0


@pytest.mark.parametrize(
    ("model", "init"),
    [("sigmoid", "glorot"), ("relu", "he"), ("3layer", "normal"), ("residual", "zeros")],
)
def test_every_model_and_init_trains(run: Any, tmp_path: Path, model: str, init: str) -> None:
    flags = ["--model", model, "--init", init, "--epochs", 3, "--lr", 0.002]
    assert run(*SYNTH, *flags, "--out", tmp_path) == 0
    losses = [line["train_loss"] for line in metrics(tmp_path)]
    if init == "zeros":  # the hidden units stay all alike, and just the classes' sizes are learnt
        assert abs(losses[2] - math.log(2)) < 0.01
    else:
        assert losses[2] < losses[0]


def test_hidden_is_the_width(run: Any, tmp_path: Path) -> None:
    assert run(*SYNTH, "--model", "residual", "--hidden", 3, "--out", tmp_path) == 0
    shapes = [x.shape for x in load_file(tmp_path / "checkpoint.safetensors").values()]
    inputs = 2
    assert {(3 * inputs, inputs), (3 * inputs, 3 * inputs), (2, 3 * inputs)} <= set(shapes)


def test_a_killed_run_resumes(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "mnist.py"), *SYNTH, "--out", str(tmp_path)]
    process = subprocess.Popen(
        [*command, "--epochs", "100000"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(600):
        if (tmp_path / "metrics.jsonl").exists() and len(metrics(tmp_path)) > 2:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "--resume" in errors
    done = len(metrics(tmp_path))
    assert (tmp_path / "curves.png").exists()
    again = [*command, "--epochs", str(done + 1), "--resume"]
    result = subprocess.run(again, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert [line["epoch"] for line in metrics(tmp_path)] == list(range(done + 1))


# -- The data ---------------------------------------------------------------------------------


def test_mnist_learns_from_the_images_in_the_package(run: Any, tmp_path: Path) -> None:
    assert run("--epochs", 2, "--limit", 2000, "--lr", 0.0003, "--out", tmp_path) == 0
    lines = metrics(tmp_path)
    assert lines[-1]["val_accuracy"] > 0.8
    summary = result(tmp_path)
    assert "mnist_5k" in summary["source"]
    assert len(summary["per_class_accuracy"]) == 10


def test_gpu_stand_in_gives_the_same_losses() -> None:
    # float64, as 100 steps make much of how float32 is rounded, which compiled kernels do otherwise
    flags = ["--limit", 1600, "--batch-size", 16, "--epochs", 1, "--dtype", "float64"]
    expected = losses(mnist, *flags)
    assert len(expected) == 100
    strict = losses(mnist, *flags, "--backend", "strict")
    np.testing.assert_allclose(strict, expected, rtol=1e-9)


def test_defaults_are_the_courses(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(mnist, "run", lambda args, *_, **__: seen.append(vars(args)))
    monkeypatch.setattr(sys, "argv", ["mnist.py"])
    mnist.main()
    expected = {
        "data": "mnist",
        "model": "sigmoid",
        "init": "glorot",
        "optimizer": "sgd",
        "lr": 0.0001,
        "batch_size": 128,
        "epochs": 20,
        "dtype": "float32",
    }
    assert {key: seen[0][key] for key in expected} == expected


# -- What it refuses ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--epochs", 0], "--epochs: '0' is not a whole number of at least 1"),
        (["--batch-size", "x"], "--batch-size: 'x' is not a whole number"),
        (["--seed", "9" * 5000], "is not a whole number"),
        (["--out", ""], "--out: is empty"),
        (["--backend", "strict", "--dtype", "float16"], "no dtype 'float16'"),
        (["--lr", "nan"], "--lr: nan is not positive and finite"),
        (["--lr", "-1"], "--lr: -1 is not positive"),
        (["--optimizer", "sdg"], "invalid choice: 'sdg'"),
        (["--no-such-flag"], "--no-such-flag"),
        (["--backend", "nympy"], "no backend 'nympy'"),
        (["--resume"], "--resume needs --out"),
        (["--device", "1"], "numpy has one device, 'cpu', and not '1'"),
        (["--memory-limit", 4], "numpy can't limit its memory (4 GB)"),
        (
            ["--mixed-precision", "--dtype", "float64"],
            "--mixed-precision and --dtype float64 don't go together",
        ),
        (["--data-dir", "/nowhere"], "--data-dir = /nowhere"),
    ],
)
def test_bad_arguments(
    run: Any, capsys: pytest.CaptureFixture[str], flags: list[Any], words: str
) -> None:
    assert words in refused(capsys, run(*flags))


def test_unwritable_out_is_noticed_before_training(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "train", lambda *_: pytest.fail("trained"))
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        assert f"--out {out}: can't write" in refused(capsys, run(*SYNTH, "--out", out))


def test_nan_stops_with_epoch_step_and_hint(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--data", "synth", "--model", "relu", "--out", tmp_path]
    message = refused(capsys, run(*flags, "--lr", 1e30))
    assert "the loss is nan at epoch 0, step 1; try a smaller --lr than 1e+30" in message
    assert (tmp_path / "checkpoint.safetensors").exists()
    # The learning rate is not to blame alone for an overflow of float16:
    message = refused(capsys, run(*flags, "--lr", 1e30, "--dtype", "float16"))
    assert "try --mixed-precision in place of --dtype float16" in message
    assert "or a smaller --lr than 1e+30" in message
    # The last step of an epoch, which shows in the validation only:
    message = refused(capsys, run(*flags, "--lr", 1e30, "--limit", 100))
    assert "the validation loss is nan after epoch 0, step 0; try a smaller --lr" in message
    assert metrics(tmp_path) == []
    state = load_file(tmp_path / "checkpoint.safetensors")
    assert all(np.isfinite(x).all() for x in state.values())


def test_full_disk_names_the_file(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    message = refused(capsys, run(*SYNTH, "--out", tmp_path))
    assert f"{tmp_path / 'metrics.jsonl'}: can't be written (No space" in message
    assert not list(tmp_path.glob(".*"))


def test_interrupt_before_training_leaves_earlier_results_alone(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(*SYNTH, "--out", tmp_path) == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    def interrupted(_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mnist, "load", interrupted)
        patch.setattr("signal.signal", lambda *_: None)
        assert run(*SYNTH, "--out", tmp_path) == 130
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_new_run_takes_the_place_of_an_earlier_one(run: Any, tmp_path: Path) -> None:
    assert run(*SYNTH, "--out", tmp_path) == 0
    run(*SYNTH, "--model", "relu", "--lr", 1e30, "--out", tmp_path)
    assert not (tmp_path / "summary.json").exists()
    assert not (tmp_path / "curves.png").exists()


def test_resume_refuses_other_settings_and_broken_checkpoints(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*SYNTH, "--quiet", "--out", tmp_path) == 0
    capsys.readouterr()
    message = refused(capsys, run(*SYNTH, "--out", tmp_path, "--resume", "--model", "relu"))
    assert "--model sigmoid, and not --model relu" in message
    message = refused(capsys, run(*SYNTH, "--out", tmp_path, "--resume", "--epochs", 1))
    assert "has done 2 epochs, past --epochs 1" in message
    (tmp_path / "checkpoint.safetensors").write_bytes(b"something else")
    assert "damaged, or no safetensors file" in refused(
        capsys, run(*SYNTH, "--out", tmp_path, "--resume")
    )


def test_resume_refuses_other_data(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = Path(gradcore.__file__).parent / "data" / "mnist_5k"
    other = tmp_path / "other"
    other.mkdir()
    for path in package.glob("*.gz"):
        name = path.name.replace("t10k", "train") if "t10k" in path.name else path.name
        (other / path.name).write_bytes((package / name.replace("train", "t10k")).read_bytes())
    flags = ["--epochs", 1, "--quiet", "--out", tmp_path]
    assert run(*flags) == 0
    capsys.readouterr()
    message = refused(capsys, run(*flags, "--data-dir", other, "--epochs", 2, "--resume"))
    assert "3,000 training instances, not 750" in message
    assert "mnist_5k" in message


def test_resume_of_several_runs_keeps_their_length(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*SYNTH, "--quiet", "--runs", 2, "--out", tmp_path) == 0
    capsys.readouterr()
    flags = [*SYNTH, "--quiet", "--out", tmp_path, "--resume"]
    assert "past --runs 1" in refused(capsys, run(*flags, "--runs", 1))
    message = refused(capsys, run(*flags, "--runs", 2, "--epochs", 3))
    assert "have --epochs 2, not 3" in message
    assert run(*flags, "--runs", 3) == 0
    assert [line["run"] for line in metrics(tmp_path)] == [0, 0, 1, 1, 2, 2]


def test_resume_of_a_finished_run_changes_nothing(run: Any, tmp_path: Path) -> None:
    assert run(*SYNTH, "--out", tmp_path) == 0
    before = metrics(tmp_path), result(tmp_path)
    assert run(*SYNTH, "--out", tmp_path, "--resume") == 0
    after = metrics(tmp_path), result(tmp_path)
    before[1]["settings"]["resume"] = True
    assert before == after


def test_truncated_data_names_the_file(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = Path(gradcore.__file__).parent / "data" / "mnist_5k"
    for path in package.glob("*.gz"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    broken = tmp_path / "train-images-idx3-ubyte.gz"
    broken.write_bytes(broken.read_bytes()[:5000])
    message = refused(capsys, run("--data-dir", tmp_path))
    assert str(broken) in message
