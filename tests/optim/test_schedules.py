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
    for state in ({}, {"steps": -1}, {"step": 3}):
        with pytest.raises(ValueError, match=r"^StepLR.load_state_dict: found"):
            parts[1].load_state_dict(state)
