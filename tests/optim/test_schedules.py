"""Learning-rate schedules: torch.optim's numbers, resuming, and refusals."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from optimizers import GOLDEN, node

from gradcore import optim


@pytest.mark.parametrize("row", range(len(GOLDEN["schedules"])))
def test_torchs_schedules(row):
    name, parts, history = GOLDEN["schedules"][row]
    optimizer = getattr(optim, name)([node(1.0)], lr=0.1)
    it = built(optimizer, parts)
    ours = []
    for _ in history:
        momentum = optimizer.settings.get("momentum", optimizer.settings.get("betas", [None])[0])
        ours.append([optimizer.lr] if momentum is None else [optimizer.lr, momentum])
        it.step()
    np.testing.assert_allclose(ours, history, rtol=1e-12, atol=1e-16)
    assert all(type(x) in (float, bool, tuple) for x in optimizer.settings.values())


def built(optimizer: optim.Optimizer, parts: list[Any]) -> optim.LRScheduler:
    milestones = [x for x in parts if isinstance(x, int)]
    rest = [x for x in parts if not isinstance(x, int)]
    schedules = [
        getattr(optim, name)(optimizer, **arguments)
        for name, arguments in zip(rest[::2], rest[1::2], strict=True)
    ]
    if len(schedules) == 1:
        return schedules[0]
    return optim.SequentialLR(optimizer, schedules, milestones)


@pytest.mark.parametrize("row", range(len(GOLDEN["schedules"])))
def test_resumed_schedules(row):
    name, parts, history = GOLDEN["schedules"][row]
    first, second = (getattr(optim, name)([node(1.0)], lr=0.1) for _ in range(2))
    one, other = built(first, parts), built(second, parts)
    for _ in range(9):
        one.step()
    if row % 2:
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    other.load_state_dict(json.loads(json.dumps(one.state_dict())))
    for _ in range(len(history) - 10):
        assert second.settings == first.settings
        one.step()
        other.step()


def test_a_learning_rate_set_by_hand_is_what_schedules_scale():
    optimizer = optim.SGD([node(1.0)], lr=0.1)
    schedule = optim.StepLR(optimizer, 1, gamma=0.5)
    schedule.step()
    assert optimizer.lr == 0.05
    optimizer.lr = 1.0
    schedule.step()
    assert optimizer.lr == 0.25


def test_a_schedule_starts_from_the_rate_that_is_set_wherever_it_is_set():
    for late in (False, True):
        optimizer = optim.SGD([node(1.0)], lr=0.1)
        schedule = optim.StepLR(optimizer, 1, gamma=0.5) if late else None
        optimizer.settings["lr"] = 0.5
        if schedule:
            schedule.step()
            assert optimizer.lr == 0.25
        else:
            optim.StepLR(optimizer, 10)
            assert optimizer.lr == optimizer.initial_lr == 0.5
    optimizer.settings["lr"] = -1.0
    with pytest.raises(ValueError, match=r"^SGD: lr = -1.0, expected"):
        schedule.step()
    assert schedule.steps == 1


def test_a_new_schedule_goes_on_from_where_one_before_has_stopped():
    optimizer = optim.SGD([node(1.0)], lr=0.1)
    schedule = optim.StepLR(optimizer, 1)
    schedule.step()
    del schedule
    optim.LinearLR(optimizer, 0.5, 1.0, 2)
    assert optimizer.lr == pytest.approx(0.005)  # as in PyTorch
    optimizer.lr = 0.1  # from here on, nothing before counts
    optim.LinearLR(optimizer, 0.5, 1.0, 2)
    assert optimizer.lr == pytest.approx(0.05)


CHAINS: list[Any] = [
    [("StepLR", {"step_size": 3, "gamma": 0.5}), ("StepLR", {"step_size": 4, "gamma": 0.7})],
    [("LinearLR", {"start_factor": 0.25, "total_iters": 7}), ("StepLR", {"step_size": 5})],
    [("CosineAnnealingLR", {"T_max": 20}), ("LinearLR", {"start_factor": 0.1, "total_iters": 6})],
    [
        ("LinearLR", {"start_factor": 0.5, "end_factor": 0.2, "total_iters": 9}),
        ("CosineAnnealingLR", {"T_max": 300}),
        ("StepLR", {"step_size": 60, "gamma": 0.9}),
    ],
]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("chain", CHAINS)
def test_schedules_of_one_optimizer_multiply_as_torchs_do(chain, backwards):
    torch = pytest.importorskip("torch")
    schedulers = torch.optim.lr_scheduler
    theirs = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    ours = optim.SGD([node(1.0)], lr=0.3)
    order = -1 if backwards else 1
    their_schedules = [getattr(schedulers, name)(theirs, **kwargs) for name, kwargs in chain]
    our_schedules = [getattr(optim, name)(ours, **kwargs) for name, kwargs in chain]
    for _ in range(19 if any("T_max" in kw and kw["T_max"] == 20 for _, kw in chain) else 250):
        assert ours.lr == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-11)
        theirs.step()
        for one, other in zip(our_schedules[::order], their_schedules[::order], strict=True):
            one.step()
            other.step()
    again = optim.SGD([node(1.0)], lr=7.0)
    resumed = [getattr(optim, name)(again, **kwargs) for name, kwargs in chain]
    again.load_state_dict(ours.state_dict())
    for one, other in zip(our_schedules, resumed, strict=True):
        other.load_state_dict(one.state_dict())
    for _ in range(5):
        assert again.lr == pytest.approx(ours.lr, rel=1e-12)
        for one in (*our_schedules, *resumed):
            one.step()


def test_schedules_that_take_the_place_of_others():
    optimizer = optim.SGD([node(1.0)], lr=0.1, momentum=0.9)
    optim.StepLR(optimizer, 1, gamma=0.5).step()
    optim.OneCycleLR(optimizer, 1.0, 10, div_factor=10.0)
    assert optimizer.lr == pytest.approx(0.1)
    parts = [optim.LinearLR(optimizer, 0.5, total_iters=2), optim.StepLR(optimizer, 1)]
    optim.SequentialLR(optimizer, parts, [2])
    assert optimizer.lr == pytest.approx(0.05)


def test_one_cycle_at_its_ends():
    optimizer = optim.SGD([node(1.0)], lr=0.1)
    for pct_start in (0.0, 0.1, 0.3, 1.0):  # 0.1 * 10 - 1 = 0: at the top from the start
        schedule = optim.OneCycleLR(optimizer, 1.0, 10, pct_start, div_factor=10.0)
        rates = [optimizer.lr]
        for _ in range(9):
            schedule.step()
            rates.append(optimizer.lr)
        assert max(rates) <= 1.0
        assert min(rates) >= 1e-5 * 0.999
        assert pct_start < 0.1 or 1.0 in rates
        schedule.step()
        assert optimizer.lr == rates[-1]
        with pytest.raises(ValueError, match=r"OneCycleLR: step 11, but total_steps = 10"):
            schedule.step()
    optim.OneCycleLR(optimizer, 1.0, 1).step()


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (optim.StepLR, {"step_size": 2.5}, "StepLR: step_size = 2.5, expected a positive integer"),
        (optim.StepLR, {"step_size": True}, "StepLR: step_size = True, expected"),
        (optim.StepLR, {"step_size": None}, "StepLR: step_size = None, expected"),
        (optim.StepLR, {"step_size": 1, "gamma": -1.0}, "StepLR: gamma = -1.0, expected a number"),
        (optim.StepLR, {"step_size": 1, "gamma": np.nan}, "StepLR: gamma = nan, expected"),
        (optim.StepLR, {"step_size": 1, "gamma": "0.1"}, "StepLR: gamma = '0.1', expected"),
        (optim.LinearLR, {"start_factor": np.nan}, "LinearLR: start_factor = nan, expected"),
        (optim.LinearLR, {"total_iters": np.inf}, "LinearLR: total_iters = inf, expected"),
        (optim.CosineAnnealingLR, {"T_max": np.nan}, "CosineAnnealingLR: T_max = nan, expected"),
        (optim.CosineAnnealingLR, {"T_max": "9"}, "CosineAnnealingLR: T_max = '9', expected"),
        (
            optim.CosineAnnealingLR,
            {"T_max": 1, "eta_min": np.inf},
            "CosineAnnealingLR: eta_min = inf",
        ),
        (
            optim.OneCycleLR,
            {"max_lr": np.nan, "total_steps": 9},
            "OneCycleLR: max_lr = nan, expected",
        ),
        (optim.OneCycleLR, {"max_lr": 1, "total_steps": 9.5}, "OneCycleLR: total_steps = 9.5"),
        *[
            (
                optim.OneCycleLR,
                {"max_lr": 1, "total_steps": 9, "cycle_momentum": False, name: x},
                f"OneCycleLR: {name} = {x}, expected",
            )
            for name, x in {
                "div_factor": 0.0,
                "final_div_factor": -1.0,
                "base_momentum": 1.0,
                "max_momentum": -0.5,
            }.items()
        ],
        (optim.StepLR, {"step_size": 0}, "StepLR: step_size = 0, expected"),
        (optim.LinearLR, {"start_factor": 0}, "LinearLR: start_factor = 0, expected"),
        (optim.LinearLR, {"start_factor": 1.1}, "LinearLR: start_factor = 1.1, expected"),
        (optim.LinearLR, {"end_factor": -0.1}, "LinearLR: end_factor = -0.1, expected"),
        (optim.LinearLR, {"total_iters": 0}, "LinearLR: total_iters = 0, expected"),
        (optim.CosineAnnealingLR, {"T_max": 0}, "CosineAnnealingLR: T_max = 0, expected"),
        (optim.CosineAnnealingLR, {"T_max": 1, "eta_min": -1}, "CosineAnnealingLR: eta_min = -1"),
        (optim.OneCycleLR, {"max_lr": 1, "total_steps": 0}, "OneCycleLR: total_steps = 0"),
        (optim.OneCycleLR, {"max_lr": -1, "total_steps": 9}, "OneCycleLR: max_lr = -1"),
        (
            optim.OneCycleLR,
            {"max_lr": 1, "total_steps": 9, "pct_start": 2},
            "OneCycleLR: pct_start = 2, expected 0 to 1",
        ),
        (
            optim.OneCycleLR,
            {"max_lr": 1, "total_steps": 9, "anneal_strategy": "cosine"},
            "OneCycleLR: anneal_strategy = 'cosine', expected 'cos' or 'linear'",
        ),
        (optim.SequentialLR, {"schedulers": [], "milestones": []}, r"SequentialLR: milestones = "),
    ],
)
def test_schedules_out_of_range(make, arguments, message):
    optimizer = optim.SGD([node(1.0)], lr=0.1)
    with pytest.raises(ValueError, match=f"^{message}"):
        make(optimizer, **arguments)
    assert optimizer.lr == 0.1


def test_schedules_that_do_not_fit_together():
    optimizer, other = (optim.SGD([node(1.0)], lr=0.1) for _ in range(2))
    parts = [optim.LinearLR(optimizer), optim.StepLR(optimizer, 3), optim.StepLR(other, 3)]
    with pytest.raises(ValueError, match=r"milestones = \[5, 3\], expected ascending"):
        optim.SequentialLR(optimizer, [*parts[:2], parts[1]], [5, 3])
    with pytest.raises(ValueError, match=r"schedulers\[1\] = .* expected one of the same"):
        optim.SequentialLR(optimizer, parts[::2], [5])
    adagrad = optim.Adagrad([node(1.0)])
    with pytest.raises(ValueError, match="expected False, as Adagrad has no momentum"):
        optim.OneCycleLR(adagrad, 1.0, 10)
    with pytest.raises(ValueError, match=r"milestones = \[5.5\], expected ascending integers"):
        optim.SequentialLR(optimizer, parts[:2], [5.5])
    with pytest.raises(ValueError, match=r"schedulers\[1\] = 3, expected one of the same"):
        optim.SequentialLR(optimizer, [parts[0], 3], [5])
    for make in (optim.StepLR, optim.OneCycleLR):
        with pytest.raises(TypeError, match=r"LR: optimizer is a list, expected an optimizer"):
            make([node(1.0)], 3, 3)
    for state in ({}, {"steps": -1}, {"step": 3}, {"steps": "3"}, {"steps": 2.5}, {"steps": True},
                  {"steps": None}, None, 3, [("steps", 3)]):  # fmt: skip
        with pytest.raises(ValueError, match=r"^StepLR.load_state_dict: found"):
            parts[1].load_state_dict(state)
