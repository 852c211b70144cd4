"""Averages of models: torch's numbers, and what is averaged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcore import nn, optim
from gradcore.optim import swa_utils

AVERAGES: list[tuple[str, dict[str, Any], Any]] = [
    ("plain", {}, lambda xs: np.mean(xs, axis=0)),
    ("exponential", {"avg_fn": ("get_ema_avg_fn", 0.75)}, lambda xs: smoothed(xs, 0.75)),
    (
        "with buffers",
        {"multi_avg_fn": ("get_ema_multi_avg_fn", 0.75), "use_buffers": True},
        lambda xs: smoothed(xs, 0.75),
    ),
]


def smoothed(xs: list[Any], decay: float) -> Any:
    average = xs[0]
    for x in xs[1:]:
        average = decay * average + (1 - decay) * x
    return average


def changed(model: Any, backend: Any, k: int) -> None:
    rng = np.random.default_rng(k)
    for p in (*model.parameters(), model[1].running_mean):
        p.value = backend.asarray(rng.normal(size=p.shape), "float32")


def arguments(library: Any, given: dict[str, Any]) -> dict[str, Any]:
    return {
        name: getattr(library, x[0])(x[1]) if isinstance(x, tuple) else x
        for name, x in given.items()
    }


@pytest.mark.parametrize(("name", "given", "expected"), AVERAGES)
def test_averages_of_parameters(backend, name, given, expected):
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    averaged = swa_utils.AveragedModel(model, **arguments(swa_utils, given))
    history = []
    for k in range(5):
        changed(model, backend, k)
        history.append({n: backend.to_numpy(x).copy() for n, x in model.state_dict().items()})
        averaged.update_parameters(model)
    assert int(averaged.n_averaged) == 5
    for n, x in averaged.module.state_dict().items():
        values = [state[n] for state in history]
        is_averaged = n.endswith((".w", ".b")) or (name == "with buffers" and "mean" in n)
        wanted = expected(values) if is_averaged else values[-1]
        np.testing.assert_allclose(backend.to_numpy(x), wanted, rtol=1e-5, atol=1e-6, err_msg=n)
    again = swa_utils.AveragedModel(model, **arguments(swa_utils, given))
    again.load_state_dict(averaged.state_dict())
    for one in (averaged, again):
        one.update_parameters(model)
    for n, x in again.state_dict().items():
        assert np.array_equal(backend.to_numpy(x), backend.to_numpy(averaged.state_dict()[n])), n


@pytest.mark.parametrize(("name", "given", "expected"), AVERAGES)
def test_averages_and_batch_norms_are_torchs(name, given, expected):  # noqa: ARG001
    torch = pytest.importorskip("torch")
    theirs_utils = torch.optim.swa_utils
    twin = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).double()
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).astype("float64")
    nn.load_torch_state_dict(model, twin.state_dict())
    ours = swa_utils.AveragedModel(model, **arguments(swa_utils, given))
    theirs = theirs_utils.AveragedModel(twin, **arguments(theirs_utils, given))
    batches = [np.random.default_rng(k).normal(size=(8, 3)) for k in range(5)]
    for x in batches:
        model(x)
        twin(torch.tensor(x))
        for p, t in zip(model.parameters(), twin.parameters(), strict=True):
            p.value = p.value * 0.5
            t.data.mul_(0.5)
        ours.update_parameters(model)
        theirs.update_parameters(twin)

    def compare() -> None:
        expected = theirs.module.state_dict()
        for n, x in nn.torch_state_dict(ours.module).items():
            if not n.endswith("tracked"):
                np.testing.assert_allclose(x, expected[n].numpy(), rtol=1e-12, err_msg=n)

    compare()
    ours.eval()
    swa_utils.update_bn(((x, None) for x in batches), ours)
    theirs_utils.update_bn([torch.tensor(x) for x in batches], theirs)
    compare()
    assert not ours.training
    assert ours.module[1].momentum == 0.1


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [5, 0])
def test_the_rate_goes_to_that_of_averaging_as_torchs_does(strategy, epochs):
    torch = pytest.importorskip("torch")
    twin = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    ours = optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    pairs = [
        (optimizer, decay(optimizer, 0.8), kind(optimizer, 0.02, epochs, strategy))
        for optimizer, decay, kind in (
            (ours, optim.ExponentialLR, swa_utils.SWALR),
            (twin, torch.optim.lr_scheduler.ExponentialLR, torch.optim.swa_utils.SWALR),
        )
    ]
    for k in range(12):
        for optimizer, decay, averaging in pairs:
            if optimizer is twin:
                optimizer.step()
            (decay if k < 4 else averaging).step()
        assert ours.lr == pytest.approx(twin.param_groups[0]["lr"], rel=1e-12)


def test_what_averages_refuse():
    model = nn.Linear(2, 3)
    with pytest.raises(ValueError, match=r"^AveragedModel: found avg_fn and multi_avg_fn"):
        swa_utils.AveragedModel(model, lambda *_: None, lambda *_: None)
    with pytest.raises(ValueError, match=r"^AveragedModel.update_parameters: found a model of oth"):
        swa_utils.AveragedModel(model).update_parameters(nn.Linear(3, 3))
    with pytest.raises(ValueError, match=r"^get_ema_avg_fn: decay = 2, expected a number from 0"):
        swa_utils.get_ema_multi_avg_fn(2)
    optimizer = optim.SGD(model.parameters())
    with pytest.raises(ValueError, match=r"^SWALR: swa_lr = -1, expected"):
        swa_utils.SWALR(optimizer, -1)
    with pytest.raises(
        ValueError, match=r"^SWALR: swa_lr = \[0.1, 0.2\], expected one, or one for"
    ):
        swa_utils.SWALR(optimizer, [0.1, 0.2])
    with pytest.raises(ValueError, match=r"^SWALR: anneal_strategy = 'up', expected 'cos' or 'lin"):
        swa_utils.SWALR(optimizer, 0.1, anneal_strategy="up")
