"""CIFAR-10's two examples: that they learn, stop, go on, and do the same."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import cifar10
import numpy as np
import pytest
from harness import session
from harness.record import Epoch
from matplotlib.figure import Figure
from runs import call, losses, metrics, refused, result, without_times
from safetensors.numpy import load_file, save_file

import gradcore
from gradcore.data import SHAPES_CLASSES, load_shapes
from gradcore.data import cifar10 as files

N = 100  # records in each file
DRAW = session.draw_curves
OPTIMIZERS = ["sgd", "momentum", "adam", "adamw", "adagrad", "rmsprop"]
SHORT = ["--limit", 60, "--batch-size", 8, "--epochs", 2]
TINY = ["--model", "resnet9", "--width", 2, "--augment", "crop", "flip", "cutout"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated images, in the files of CIFAR-10."""
    gradcore.manual_seed(0)
    with gradcore.use_backend("numpy"):
        (x, y), _, _ = load_shapes(6 * N, 0)
    records = np.concatenate([y.astype(np.uint8)[:, None], x.reshape(6 * N, -1)], axis=1)
    folder = tmp_path_factory.mktemp("cifar10")
    for i, name in enumerate(files.FILES):
        (folder / name).write_bytes(records[i * N : (i + 1) * N].tobytes())
    return folder


@pytest.fixture(autouse=True)
def alone(data_cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """The default backend, and no data but these."""
    monkeypatch.delenv("GRADCORE_BACKEND", raising=False)
    monkeypatch.setenv("GRADCORE_OFFLINE", "1")
    monkeypatch.setenv("GRADCORE_DATA", str(folder))
    monkeypatch.setattr(files, "RECORDS", N)
    monkeypatch.setattr(session, "draw_curves", lambda *_: None)  # which takes longer than a run


@pytest.fixture(params=["cifar10", "cifar10_torch"])
def example(request: pytest.FixtureRequest) -> Any:
    return cifar10 if request.param == "cifar10" else twin()


def twin() -> Any:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)  # where others run too, several wait for one another all the time
    import cifar10_torch

    return cifar10_torch


def same_arrays(a: Path, b: Path) -> None:
    first, second = load_file(a), load_file(b)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


# -- Beside PyTorch -----------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-4), ("float64", 1e-9)])
def test_100_steps_beside_pytorch(
    tmp_path: Path, optimizer: str, precision: str, tolerance: float
) -> None:
    """The same losses from the same weights and batches."""
    lr = 0.01 if optimizer == "sgd" else 0.001
    if precision == "float32" and optimizer not in ("sgd", "momentum"):
        # The first steps of these go in the direction of the gradient's sign, as far as the
        # learning rate or (RMSprop) 10 times that. Of gradients near zero the sign is a matter of
        # rounding: with 0.001 PyTorch's own losses depend, for some seeds, on which of its kernels
        # runs, by up to 0.4 % (RMSprop: 8 %).
        lr = 0.00001 if optimizer == "rmsprop" else 0.0001
    flags = ["--limit", 400, "--epochs", 1, "--dtype", precision, "--optimizer", optimizer]
    flags += ["--lr", lr]
    init = tmp_path / "init.safetensors"
    expected = losses(twin(), *flags, "--save-init", init)
    ours = losses(cifar10, *flags, "--init-from", init)
    assert len(ours) == 100
    np.testing.assert_allclose(ours, expected, rtol=tolerance)
    untrained = losses(cifar10, *flags, "--init-from", init, "--lr", 1e-12)
    assert np.max(np.abs(np.divide(ours, untrained) - 1)) > 10 * tolerance


def test_resnet9_beside_pytorch(tmp_path: Path) -> None:
    """With batch norm, augmentation, weight decay, the schedule, and validation."""
    flags = [*TINY, *SHORT, "--dtype", "float64"]
    init = tmp_path / "init.safetensors"
    expected = losses(twin(), *flags, "--save-init", init, "--out", tmp_path / "torch")
    ours = losses(cifar10, *flags, "--init-from", init, "--out", tmp_path / "gradcore")
    np.testing.assert_allclose(ours, expected, rtol=1e-9)
    for a, b in zip(metrics(tmp_path / "gradcore"), metrics(tmp_path / "torch"), strict=True):
        assert a["val_accuracy"] == b["val_accuracy"]
        np.testing.assert_allclose(a["val_loss"], b["val_loss"], rtol=1e-9)
        np.testing.assert_allclose(a["train_loss"], b["train_loss"], rtol=1e-9)
    classes = [result(tmp_path / name)["per_class_accuracy"] for name in ("gradcore", "torch")]
    assert classes[0] == classes[1]


@pytest.mark.parametrize("model", ["blitz", "resnet9"])
def test_weights_go_both_ways(tmp_path: Path, model: str) -> None:
    flags = ["--model", model, "--width", 2, "--limit", 8, "--epochs", 1]
    a, b, c = (tmp_path / f"{name}.safetensors" for name in "abc")
    call(cifar10, *flags, "--save-init", a)
    call(twin(), *flags, "--seed", 1, "--init-from", a, "--save-init", b)
    call(cifar10, *flags, "--seed", 2, "--init-from", b, "--save-init", c)
    same_arrays(a, b)
    same_arrays(a, c)


def test_weights_saved_of_several_runs_are_the_first_ones(example: Any, tmp_path: Path) -> None:
    for runs in (1, 2):
        call(example, *SHORT, "--runs", runs, "--save-init", tmp_path / str(runs))
    same_arrays(tmp_path / "1", tmp_path / "2")


def test_weights_from_pytorch_itself(tmp_path: Path) -> None:
    model, path = twin().Blitz(10), tmp_path / "init.safetensors"
    save_file({name: x.detach().numpy() for name, x in model.state_dict().items()}, path)
    call(cifar10, *SHORT, "--init-from", path, "--save-init", tmp_path / "again.safetensors")
    same_arrays(path, tmp_path / "again.safetensors")


def test_weights_from_a_checkpoint(example: Any, tmp_path: Path) -> None:
    """Training goes on from there, in another run, and with either library."""
    assert call(example, *SHORT, "--out", tmp_path) == 0
    checkpoint = tmp_path / "checkpoint.safetensors"
    trained = {n: x for n, x in load_file(checkpoint).items() if n.startswith("model.")}
    for other in (cifar10, twin()):
        again = tmp_path / "again.safetensors"
        flags = ["--optimizer", "adam", "--init-from", checkpoint, "--save-init", again]
        assert call(other, *SHORT, *flags) == 0
        read = load_file(again)
        assert {f"model.{n}" for n in read} == trained.keys()
        for name, x in read.items():
            np.testing.assert_array_equal(x, trained[f"model.{name}"])


# -- Runs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_trains_and_resumes_bitwise(
    example: Any, tmp_path: Path, optimizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if optimizer == "sgd":
        monkeypatch.setattr(session, "draw_curves", DRAW)
    flags = [*SHORT, "--optimizer", optimizer, "--runs", 2]
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    assert call(example, *flags, "--out", straight) == 0
    assert call(example, *flags, "--runs", 1, "--epochs", 1, "--out", stopped) == 0
    assert call(example, *flags, "--out", stopped, "--resume") == 0
    assert without_times(metrics(straight)) == without_times(metrics(stopped))
    same_arrays(straight / "checkpoint.safetensors", stopped / "checkpoint.safetensors")
    assert (straight / "curves.png").read_bytes() == (stopped / "curves.png").read_bytes()


def test_an_interrupted_schedule_is_resumed(
    example: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = [*TINY, *SHORT, "--epochs", 3]
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    assert call(example, *flags, "--out", straight) == 0
    add, steps = Epoch.add, 0

    def interrupt(*args: Any, **options: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == 12:  # in the second epoch, of eight steps
            raise KeyboardInterrupt
        add(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Epoch, "add", interrupt)
        patch.setattr("signal.signal", lambda *_: None)
        assert call(example, *flags, "--out", stopped) == 130
    assert len(metrics(stopped)) == 1
    assert call(example, *flags, "--out", stopped, "--resume") == 0
    assert without_times(metrics(straight)) == without_times(metrics(stopped))
    same_arrays(straight / "checkpoint.safetensors", stopped / "checkpoint.safetensors")


def test_a_schedule_keeps_its_length(
    example: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [*TINY, *SHORT, "--quiet", "--out", tmp_path, "--epochs"]
    assert call(example, *flags, 1) == 0
    capsys.readouterr()
    message = refused(capsys, call(example, *flags, 2, "--resume"))
    assert "follows --epochs 1, and not 2" in message
    assert len(metrics(tmp_path)) == 1


@pytest.mark.parametrize("model", [["--model", "blitz"], TINY], ids=["blitz", "resnet9"])
def test_gpu_stand_in_gives_the_same_losses(model: list[Any]) -> None:
    flags = [*model, "--limit", 40, "--batch-size", 8, "--epochs", 2]
    expected = losses(cifar10, *flags)
    assert len(expected) == 10
    np.testing.assert_allclose(losses(cifar10, *flags, "--backend", "strict"), expected, rtol=1e-4)


def test_blitz_learns(example: Any, tmp_path: Path) -> None:
    flags = ["--optimizer", "adam", "--epochs", 6, "--batch-size", 16, "--out", tmp_path]
    assert call(example, *flags) == 0
    losses = [line["train_loss"] for line in metrics(tmp_path)]
    assert losses[-1] < losses[0] - 0.15


def test_resnet9_learns(example: Any, tmp_path: Path) -> None:
    flags = ["--model", "resnet9", "--width", 8, "--epochs", 4, "--batch-size", 20, "--lr", 0.01]
    assert call(example, *flags, "--augment", "--out", tmp_path) == 0
    losses = [line["train_loss"] for line in metrics(tmp_path)]
    assert losses[-1] < losses[0] - 0.2


def test_training_loss_is_the_mean_over_instances(example: Any, tmp_path: Path) -> None:
    """The same holds where the last batch is smaller."""
    seen = losses(example, *SHORT, "--epochs", 1, "--out", tmp_path)
    sizes = [8] * 7 + [4]
    expected = np.dot(seen, sizes) / 60
    np.testing.assert_allclose(metrics(tmp_path)[0]["train_loss"], expected, rtol=1e-12)


def test_accuracy_of_each_class(
    example: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(example, "--runs", 2, *SHORT, "--out", tmp_path) == 0
    summary, printed = result(tmp_path), capsys.readouterr().out.splitlines()
    assert summary["classes"] == list(files.CIFAR10_CLASSES)
    table = [line.split() for line in printed[-11:-1]]
    accuracies = summary["per_class_accuracy"]
    assert table == [[n, f"{a:.4f}"] for n, a in zip(summary["classes"], accuracies, strict=True)]
    # Weighted by how many there are of each, they are the accuracy.
    labels = np.frombuffer((Path(summary["source"]) / files.TEST[0]).read_bytes(), np.uint8)[::3073]
    counts = np.bincount(labels, minlength=10)
    np.testing.assert_allclose(counts @ accuracies / N, summary["final_accuracy"])
    assert printed[-1].startswith(f"validation accuracy {summary['final_accuracy']:.4f}")


def test_quiet_prints_the_result_only(example: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(example, *SHORT, "--quiet") == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 1
    assert captured.err == ""


def test_seeds(example: Any, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert call(example, *SHORT, "--seed", seed, "--out", tmp_path / name) == 0
    a, b, c = (without_times(metrics(tmp_path / name)) for name in "abc")
    assert a == b
    assert a != c


# -- The data -----------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [False, True])
def test_generated_images_are_labelled(
    example: Any,
    asked: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Shapes are used where there are no other images, and where they are asked for."""
    if not asked:
        monkeypatch.delenv("GRADCORE_DATA")
    monkeypatch.setattr(cifar10, "load_shapes", partial(load_shapes, 80, 20))
    titles: list[str] = []
    monkeypatch.setattr(Figure, "suptitle", lambda _, title: titles.append(title))
    monkeypatch.setattr(session, "draw_curves", DRAW)
    flags = ["--data", "shapes"] if asked else []
    assert call(example, *SHORT, *flags, "--out", tmp_path) == 0
    captured = capsys.readouterr()
    assert "generated shapes, not CIFAR-10: 60 training" in captured.out
    assert f"{SHAPES_CLASSES[0]} " in captured.out
    assert ("Training on generated shapes, not CIFAR-10: " in captured.err) is not asked
    assert titles == ["generated shapes, not CIFAR-10"]
    assert result(tmp_path)["data"] == "generated shapes, not CIFAR-10"


def test_whole_sets(example: Any, tmp_path: Path) -> None:
    """All training images, and the test set."""
    flags = ["--batch-size", 100, "--epochs", 1, "--out", tmp_path]
    assert call(example, *flags) == 0
    summary = result(tmp_path)
    assert (summary["training_instances"], summary["validation_instances"]) == (5 * N, N)


# -- The flags ----------------------------------------------------------------------------------


def parsed(monkeypatch: pytest.MonkeyPatch, *flags: str) -> dict[str, Any]:
    monkeypatch.setattr(sys, "argv", ["cifar10.py", *flags])
    return vars(cifar10.parse("")).copy()


def test_defaults_are_the_tutorials(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {
        "model": "blitz",
        "optimizer": "momentum",
        "lr": 0.001,
        "batch_size": 4,
        "epochs": 2,
        "weight_decay": None,
        "augment": [],
        "dtype": "float32",
    }
    found = parsed(monkeypatch)
    assert {key: found[key] for key in expected} == expected


def test_resnet9_has_defaults_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    found = parsed(monkeypatch, "--model", "resnet9")
    assert {key: found[key] for key in cifar10.DEFAULTS["resnet9"]} == cifar10.DEFAULTS["resnet9"]
    flags = ["--lr", "0.2", "--weight-decay", "0", "--augment"]
    found = parsed(monkeypatch, *flags, "--model", "resnet9")
    assert (found["lr"], found["weight_decay"], found["augment"]) == (0.2, 0.0, [])
    assert found["epochs"] == cifar10.DEFAULTS["resnet9"]["epochs"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--model", "vgg"], "invalid choice: 'vgg'"),
        (["--augment", "blur"], "invalid choice: 'blur'"),
        (["--weight-decay", "-1"], "--weight-decay: -1 is not 0 or positive and finite"),
        (["--width", 0], "--width: '0' is not a whole number from 1 to 1,000,000"),
        (["--backend", "nympy"], "nympy"),
        (["--data-dir", "/nowhere"], "--data-dir = /nowhere"),
        (["--init-from", "/nowhere"], "--init-from: /nowhere can't be read"),
        (["--save-init", "/nowhere/x"], "/nowhere/x: can't be written"),
        (["--lr", 1e30], "the loss is nan at epoch 0, step"),
    ],
)
def test_bad_arguments(
    example: Any, capsys: pytest.CaptureFixture[str], flags: list[Any], words: str
) -> None:
    assert words in refused(capsys, call(example, *flags))


def test_weights_of_another_network(
    example: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, resnet9 = tmp_path / "init.safetensors", ["--model", "resnet9", "--width", 2]
    assert call(example, *SHORT, *resnet9, "--save-init", path) == 0
    capsys.readouterr()
    message = refused(capsys, call(example, "--init-from", path))
    assert f"--init-from: {path} does not fit: expected conv1.weight (6, 3, 5, 5), fou" in message
    message = refused(capsys, call(example, *resnet9, "--width", 3, "--init-from", path))
    assert "expected block1.conv.weight (3, 3, 3, 3), found (2, 3, 3, 3)" in message


def test_what_is_no_weights(
    example: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "init.pt").write_bytes(b"PK" + bytes(1000))
    message = refused(capsys, call(example, "--init-from", tmp_path / "init.pt"))
    assert "init.pt is damaged, or no safetensors file" in message


def test_a_batch_file_cut_short(
    example: Any, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in files.FILES:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    broken = tmp_path / files.TRAIN[2]
    broken.write_bytes(broken.read_bytes()[:5000])
    message = refused(capsys, call(example, "--data-dir", tmp_path))
    assert str(broken) in message
    assert "found 5000" in message


def test_runs_of_the_other_example_are_not_resumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(twin(), *SHORT, "--out", tmp_path) == 0
    capsys.readouterr()
    message = refused(capsys, call(cifar10, *SHORT, "--out", tmp_path, "--resume"))
    assert "is one of cifar10_torch.py" in message


def test_without_pytorch(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\")")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import cifar10_torch"
    where = Path(cifar10.__file__).parent
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "needs PyTorch: pip install torch" in done.stderr
