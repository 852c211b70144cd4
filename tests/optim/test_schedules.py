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


FUNCTIONS: list[tuple[str, dict[str, Any]]] = [
    ("LambdaLR", {"lr_lambda": lambda k: min(1.0, (k + 1) / 6) * 0.9**k}),
    ("LambdaLR", {"lr_lambda": [lambda k: 0.9**k, lambda k: 1 / (1 + k)]}),
    ("MultiplicativeLR", {"lr_lambda": lambda k: 0.9 if k % 3 else 0.5}),
    ("OneCycleLR", {"max_lr": [0.5, 0.1], "total_steps": 30}),
    ("CyclicLR", {"base_lr": [0.1, 0.2], "max_lr": 0.5, "step_size_up": 4, "gamma": 0.9}),
    (
        "CyclicLR",
        {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 4, "scale_fn": lambda x: 0.9**x},
    ),
    ("MultiStepLR", {"milestones": [3, 8, 8, 20], "gamma": 0.5}),
    ("PolynomialLR", {"total_iters": 30, "power": 0.5}),
    ("CosineAnnealingLR", {"T_max": 10, "eta_min": 0.01}),
    ("ReduceLROnPlateau", {"patience": 1, "cooldown": 2, "min_lr": [0.01, 0.1]}),
    ("ReduceLROnPlateau", {"patience": 0, "mode": "max", "threshold": 0.5, "factor": 0.9}),
    ("ReduceLROnPlateau", {"patience": 1, "threshold": 0.3, "threshold_mode": "abs"}),
]


def pair(torch: Any) -> tuple[Any, Any]:
    """Our optimizer, and torch's, with two groups."""
    nodes = [[node(1.0)], [node(1.0)]]
    twins = [[torch.zeros(1, requires_grad=True)] for _ in range(2)]
    return tuple(
        library.SGD([{"params": one}, {"params": two, "lr": 0.25}], lr=0.3, momentum=0.9)
        for library, (one, two) in ((optim, nodes), (torch.optim, twins))
    )


@pytest.mark.parametrize(("name", "arguments"), FUNCTIONS)
def test_schedules_of_groups_are_torchs(name, arguments):
    torch = pytest.importorskip("torch")
    ours, theirs = pair(torch)
    one = getattr(optim.lr_scheduler, name)(ours, **arguments)
    other = getattr(torch.optim.lr_scheduler, name)(theirs, **arguments)
    metrics = [3.0, 2.0, 2.0, 2.5, 1.0, 1.0, 1.0, 1.0, 0.9, 0.8, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0] * 2
    for metric in metrics[:28]:
        assert one.get_last_lr() == pytest.approx(other.get_last_lr(), rel=1e-12)
        assert one.last_epoch == other.last_epoch
        for mine, its in zip(ours.param_groups, theirs.param_groups, strict=True):
            assert mine["lr"] == pytest.approx(its["lr"], rel=1e-12)
            assert mine["momentum"] == pytest.approx(its["momentum"], rel=1e-12)
        theirs.step()
        given = (metric,) if name == "ReduceLROnPlateau" else ()
        one.step(*given)
        other.step(*given)
    again = optim.SGD([{"params": [p]} for p in ours.parameters], momentum=0.9)
    resumed = getattr(optim, name)(again, **arguments)
    again.load_state_dict(json.loads(json.dumps(ours.state_dict(), default=lambda _: None)))
    resumed.load_state_dict(json.loads(json.dumps(one.state_dict())))
    for schedule in (one, resumed):
        schedule.step(*given)
    assert resumed.get_last_lr() == one.get_last_lr()
    assert "lr_lambda" in name or repr(one).startswith(f"{name}(")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("StepLR", {"step_size": 3, "gamma": 0.5}),
        ("MultiStepLR", {"milestones": [4, 9]}),
        ("ExponentialLR", {"gamma": 0.9}),
        ("LinearLR", {"total_iters": 12}),
        ("ConstantLR", {"total_iters": 9}),
        ("PolynomialLR", {"total_iters": 30}),
        ("CosineAnnealingLR", {"T_max": 25}),
        ("MultiplicativeLR", {"lr_lambda": lambda k: 0.9 if k % 3 else 0.5}),
    ],
)
def test_rates_that_a_program_writes_go_on_as_torchs(name, arguments):
    torch = pytest.importorskip("torch")
    optimizers = pair(torch)
    schedules = [
        getattr(library, name)(optimizer, **arguments)
        for library, optimizer in zip((optim, torch.optim.lr_scheduler), optimizers, strict=True)
    ]
    for k in range(14):
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            if optimizer is optimizers[1]:
                optimizer.step()
            schedule.step()
            if k in (5, 8):
                for group in optimizer.param_groups:
                    group["lr"] *= 0.5
                optimizer.param_groups[1]["lr"] = 0.07
        ours, theirs = ([group["lr"] for group in o.param_groups] for o in optimizers)
        assert ours == pytest.approx(theirs, rel=1e-12)


def test_the_rate_of_a_plateau_goes_through_other_schedules():
    optimizer = optim.SGD([node(1.0)], lr=1.0)
    decay, plateau = (
        optim.ExponentialLR(optimizer, 0.5),
        optim.ReduceLROnPlateau(optimizer, patience=0),
    )
    for metric in (1.0, 1.0):
        plateau.step(metric)
        decay.step()
    assert optimizer.lr == pytest.approx(0.1 * 0.25)
    plateau.step(float("nan"))
    assert optimizer.lr == pytest.approx(0.01 * 0.25)


def test_a_subclass_written_for_torch():
    torch = pytest.importorskip("torch")

    def warmup(base: Any) -> Any:
        class Warmup(base):
            def __init__(self, optimizer: Any, steps: int, last_epoch: int = -1) -> None:
                self.warmup = steps
                super().__init__(optimizer, last_epoch)

            def get_lr(self) -> list[float]:
                assert self._get_lr_called_within_step
                if self.last_epoch < self.warmup:
                    return [lr * (self.last_epoch + 1) / self.warmup for lr in self.base_lrs]
                return [group["lr"] * 0.9 for group in self.optimizer.param_groups]

        return Warmup

    ours, theirs = pair(torch)
    one, other = (
        warmup(library.LRScheduler)(optimizer, 4)
        for library, optimizer in ((optim.lr_scheduler, ours), (torch.optim.lr_scheduler, theirs))
    )
    steps = optim.StepLR(ours, 3), torch.optim.lr_scheduler.StepLR(theirs, 3)
    for _ in range(9):
        assert [g["lr"] for g in ours.param_groups] == pytest.approx(
            [g["lr"] for g in theirs.param_groups], rel=1e-12
        )
        theirs.step()
        for schedule in (one, other, *steps):
            schedule.step()
    again = optim.SGD([{"params": [p]} for p in ours.parameters], momentum=0.9)
    resumed = warmup(optim.LRScheduler)(again, 4)
    again.load_state_dict(ours.state_dict())
    resumed.load_state_dict(one.state_dict())
    one.step()
    resumed.step()
    assert resumed.get_last_lr() == one.get_last_lr()


def test_fractions_of_epochs_and_last_epoch():
    torch = pytest.importorskip("torch")
    ours, theirs = pair(torch)
    one, other = (
        library.CosineAnnealingWarmRestarts(optimizer, 3, 2)
        for library, optimizer in ((optim, ours), (torch.optim.lr_scheduler, theirs))
    )
    for epoch in (0.25, 1.5, 2.75, 3.5, 8.9, 9.0, 14.0):
        for schedule in (one, other):
            schedule.step(epoch)
        assert one.get_last_lr() == pytest.approx(other.get_last_lr(), rel=1e-12)
        assert one.last_epoch == other.last_epoch
    optimizer = optim.SGD([node(1.0)], lr=0.8)
    assert optim.StepLR(optimizer, 2, 0.5, last_epoch=3).last_epoch == 4
    assert optimizer.lr == pytest.approx(0.2)


def test_chained_schedules_make_their_steps_together():
    torch = pytest.importorskip("torch")
    optimizers = pair(torch)
    chains = [
        library.ChainedScheduler(
            [library.ConstantLR(o, 0.5, 4), library.ExponentialLR(o, 0.9), library.StepLR(o, 3)]
        )
        for library, o in zip((optim, torch.optim.lr_scheduler), optimizers, strict=True)
    ]
    for _ in range(9):
        assert chains[0].get_last_lr() == pytest.approx(chains[1].get_last_lr(), rel=1e-12)
        optimizers[1].step()
        for chain in chains:
            chain.step()
    state = chains[0].state_dict()
    again = optim.SGD([{"params": [p]} for p in optimizers[0].parameters], momentum=0.9)
    parts = [
        optim.ConstantLR(again, 0.5, 4),
        optim.ExponentialLR(again, 0.9),
        optim.StepLR(again, 3),
    ]
    resumed = optim.ChainedScheduler(parts, again)
    again.load_state_dict(optimizers[0].state_dict())
    resumed.load_state_dict(state)
    assert resumed.get_last_lr() == pytest.approx(chains[0].get_last_lr(), rel=1e-12)
    for wrong in ({}, {"schedulers": state["schedulers"][:1]}, None):
        with pytest.raises(ValueError, match=r"^ChainedScheduler.load_state_dict: found"):
            resumed.load_state_dict(wrong)
    with pytest.raises(ValueError, match=r"schedulers\[0\] = .*, expected one whose step needs"):
        optim.ChainedScheduler([optim.ReduceLROnPlateau(again)])
    with pytest.raises(ValueError, match=r"schedulers = \[\], expected one or more"):
        optim.ChainedScheduler([])


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
        (
            optim.LambdaLR,
            {"lr_lambda": [abs, abs]},
            "LambdaLR: lr_lambda = .*, expected one, or one",
        ),
        (optim.MultiStepLR, {"milestones": [1.5]}, r"MultiStepLR: milestones = \[1.5\], expected"),
        (optim.ConstantLR, {"factor": 2}, "ConstantLR: factor = 2, expected 0 to 1"),
        (optim.ExponentialLR, {"gamma": -1}, "ExponentialLR: gamma = -1, expected"),
        (optim.PolynomialLR, {"total_iters": 0}, "PolynomialLR: total_iters = 0, expected"),
        (
            optim.CosineAnnealingWarmRestarts,
            {"T_0": 0},
            "CosineAnnealingWarmRestarts: T_0 = 0, expected a positive integer",
        ),
        (
            optim.CyclicLR,
            {"base_lr": 0.1, "max_lr": 1, "mode": "up", "cycle_momentum": False},
            "CyclicLR: mode = 'up', expected 'triangular' or",
        ),
        (optim.OneCycleLR, {"max_lr": 1}, "OneCycleLR: total_steps = None, expected a positive"),
        (optim.OneCycleLR, {"max_lr": 1, "epochs": 3}, "OneCycleLR: steps_per_epoch = None, exp"),
        (optim.ReduceLROnPlateau, {"factor": 1.0}, "ReduceLROnPlateau: factor = 1.0, expected at"),
        (optim.ReduceLROnPlateau, {"mode": "up"}, "ReduceLROnPlateau: mode = 'up', expected 'min'"),
        (optim.StepLR, {"step_size": 1, "last_epoch": -2}, "StepLR: last_epoch = -2, expected"),
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
