"""airbench.py: its ingredients, and that a run does what its twin in PyTorch does."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import airbench
import cifar10
import numpy as np
import pytest
from harness import session
from harness.record import Epoch
from runs import call, compare_losses, losses, metrics, result, without_times
from safetensors.numpy import load_file

from gradcore import conv2d
from gradcore.data import load_shapes

# Two steps an epoch; the whitening bias freezes after the first.
SMALL = ["--data", "shapes", "--limit", 8, "--batch-size", 4, "--width", 2, "--epochs", 3]
VALIDATED = {"val_loss": 0.0, "val_accuracy": 0.0}
DOUBLE = [*SMALL, "--lr", 500, "--dtype", "float64"]


@pytest.fixture(autouse=True)
def alone(data_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    monkeypatch.delenv("GRADCORE_BACKEND", raising=False)
    monkeypatch.setattr(session, "draw_curves", lambda *_: None)  # which takes longer than a run
    monkeypatch.setattr(cifar10, "load_shapes", partial(load_shapes, 8, 4))
    monkeypatch.setattr(airbench, "WARM_UP", 1)


def outcomes(out: Path) -> list[dict[str, Any]]:
    """The results of each run, but for times."""
    names = ("tta_accuracy", "accuracy", "steps")
    return [{name: x[name] for name in names} for x in result(out)["results"]]


# -- Ingredients ----------------------------------------------------------------------------------


def test_whitening_filters_make_the_covariance_of_patches_the_identity() -> None:
    rng = np.random.default_rng(0)
    smooth = rng.normal(size=(50, 3, 34, 34)).cumsum(2).cumsum(3)[:, :, 2:, 2:]
    images = 3 * smooth / smooth.std() + rng.normal(size=(50, 1, 32, 32))
    filters = airbench.whitening_filters(images)
    np.testing.assert_array_equal(filters[12:], -filters[:12])
    assert np.all(filters[:12, 0, 0, 0] > 0)  # though eigenvectors have no sign
    y = conv2d(images, filters[:12]).value.transpose(1, 0, 2, 3).reshape(12, -1)
    variances = np.diag(y @ y.T / y.shape[1])
    assert np.all(np.diff(variances) < 0)  # the patterns of the largest eigenvalues first
    np.testing.assert_allclose(
        variances[:6], 1, rtol=0.01
    )  # the others have less than WHITENING_EPS
    np.testing.assert_allclose(y @ y.T / y.shape[1], np.diag(variances), atol=1e-9)


def test_a_new_block_passes_on_its_inputs_first() -> None:
    block = airbench.Block(2, 5, "float64", dirac=True)
    x = np.random.default_rng(0).normal(size=(3, 2, 8, 8))
    np.testing.assert_array_equal(block.conv1(x).value[:, :2], x)
    assert block.conv1.w.value[2:].std() > 0.1
    assert [name for name, p in block.named_parameters() if not p.requires_grad] == [
        "norm1.w",
        "norm2.w",
    ]


def test_every_other_epoch_mirrors_all_images(monkeypatch: pytest.MonkeyPatch) -> None:
    flips: list[list[int]] = []

    def spy(_: Any, *given: Any) -> Any:
        flips.append(given[2][:, 2].tolist())
        return np.zeros(())

    monkeypatch.setattr(airbench.Training, "eager_step", spy)
    monkeypatch.setattr(airbench.Training, "validate", lambda *_: VALIDATED)
    monkeypatch.setattr(airbench, "WARM_UP", 0)
    assert call(airbench, *SMALL) == 0
    assert flips == [[0] * 4] * 2 + [[1] * 4] * 2 + [[0] * 4] * 2


# -- Runs -----------------------------------------------------------------------------------------


def test_losses_and_accuracies_are_those_of_pytorch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)  # several wait for one another where others run too
    import airbench_torch

    init = tmp_path / "init.safetensors"
    ours = losses(airbench, *DOUBLE, "--save-init", init, "--out", tmp_path / "a")
    expected = losses(airbench_torch, *DOUBLE, "--init-from", init, "--out", tmp_path / "b")
    assert len(ours) == 6
    np.testing.assert_allclose(ours, expected, rtol=1e-9)
    assert outcomes(tmp_path / "a") == outcomes(tmp_path / "b")
    a, b = ([line["val_loss"] for line in metrics(tmp_path / out)] for out in "ab")
    np.testing.assert_allclose(a, b, rtol=1e-9)  # of running averages, too
    before, after = load_file(init), load_file(tmp_path / "a" / "checkpoint.safetensors")
    for name in ("block1.conv1.weight", "block3.norm2.bias", "linear.weight"):
        assert np.abs(after[f"model.{name}"] - before[name]).max() > 1e-3, name


def test_other_backends_give_the_same_losses(on: Any) -> None:
    compare_losses(airbench, [*SMALL, "--no-mixed-precision", "--lr", 500, "--epochs", 2], on)


def test_an_interrupted_run_in_mixed_precision_is_resumed_to_the_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flags, add = [*SMALL, "--runs", 2], Epoch.add
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    assert call(airbench, *flags, "--out", straight) == 0
    printed = capsys.readouterr().out
    assert "with test-time augmentation" in printed
    assert "seconds: " in printed
    steps = iter(range(100))

    def interrupt(self: Epoch, *args: Any, **options: Any) -> None:
        if next(steps) == 6 + 5:  # in the last epoch of the second run
            raise KeyboardInterrupt
        add(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Epoch, "add", interrupt)
        patch.setattr("signal.signal", lambda *_: None)
        assert call(airbench, *flags, "--out", stopped) == 130
    assert call(airbench, *flags, "--out", stopped, "--resume") == 0
    assert without_times(metrics(straight)) == without_times(metrics(stopped))
    assert outcomes(straight) == outcomes(stopped)
    a, b = (load_file(out / "checkpoint.safetensors") for out in (straight, stopped))
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])
    assert {str(x.dtype) for name, x in a.items() if "conv" in name} == {"float16"}


def test_each_ingredient_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airbench.Training, "validate", lambda *_: VALIDATED)
    monkeypatch.setattr(airbench, "WARM_UP", 0)
    flags = [*DOUBLE, "--limit", 4, "--epochs", 2]
    seen = {losses(airbench, *flags, "--without", x)[-1] for x in airbench.INGREDIENTS}
    assert len({*seen, losses(airbench, *flags)[-1]}) == len(airbench.INGREDIENTS) + 1


def test_quick_is_small_and_in_float32_unless_flags_say_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def parsed(*flags: str) -> tuple[Any, ...]:
        monkeypatch.setattr("sys.argv", ["airbench.py", *flags])
        args = airbench.parse("")
        return args.width, args.mixed_precision, args.batch_size

    assert parsed() == (64, True, 1024)
    assert parsed("--quick", "--width", "3") == (3, False, airbench.QUICK["batch_size"])
    assert parsed("--dtype", "float64") == (64, False, 1024)
