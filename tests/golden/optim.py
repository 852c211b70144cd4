"""Write tests/golden/optim.json: what torch.optim does, for tests that run without it.

Run `python tests/golden/optim.py` after a change to the tables here, with torch installed.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

PATH = Path(__file__).with_name("optim.json")
SHAPES = [(3, 4), (5,), ()]
STEPS = 25

OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {}),
    ("SGD", {"lr": 0.05, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"lr": 0.05, "betas": [0.8, 0.95], "eps": 1e-3}),
    ("Adam", {"lr": 0.05, "weight_decay": 0.1}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.05, "betas": [0.0, 0.5], "weight_decay": 0.3}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.0}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.2, "eps": 1e-3}),
    ("Adagrad", {"lr": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.02, "alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.02, "momentum": 0.9}),
    ("RMSprop", {"lr": 0.02, "centered": True}),
    ("RMSprop", {"lr": 0.02, "centered": True, "momentum": 0.5, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1, "maximize": True}),
    ("Adam", {"lr": 0.05, "amsgrad": True, "betas": [0.5, 0.6]}),
    ("Adam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {"lr": 0.05, "amsgrad": True, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.05, "betas": [0.8, 0.95], "eps": 1e-3, "weight_decay": 0.1}),
    (
        "NAdam",
        {"momentum_decay": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
    ("RAdam", {}),
    ("RAdam", {"lr": 0.05, "betas": [0.8, 0.95], "eps": 1e-3, "weight_decay": 0.1}),
    ("RAdam", {"betas": [0.5, 0.5], "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.05, "betas": [0.8, 0.95], "eps": 1e-3, "weight_decay": 0.1}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.05, "etas": [0.3, 1.7], "step_sizes": [0.01, 0.2]}),
    ("ASGD", {}),
    ("ASGD", {"lr": 0.05, "lambd": 0.1, "alpha": 0.5, "t0": 5.0, "weight_decay": 0.1}),
    ("Adafactor", {}),
    ("Adafactor", {"lr": 0.3, "beta2_decay": -0.5, "eps": [1e-3, 0.1], "d": 2.0}),
    ("Adafactor", {"lr": 0.3, "weight_decay": 0.1, "maximize": True}),
]

# The optimizer, and the schedule or schedules; the milestones of SequentialLR are numbers.
SCHEDULES: list[tuple[str, list[Any]]] = [
    ("SGD", ["StepLR", {"step_size": 7}]),
    ("SGD", ["StepLR", {"step_size": 1, "gamma": 0.9}]),
    ("SGD", ["LinearLR", {}]),
    ("SGD", ["LinearLR", {"start_factor": 0.5, "end_factor": 0.1, "total_iters": 12}]),
    ("SGD", ["CosineAnnealingLR", {"T_max": 24}]),
    ("SGD", ["CosineAnnealingLR", {"T_max": 10, "eta_min": 0.01}]),
    ("SGD", ["OneCycleLR", {"max_lr": 0.5, "total_steps": 25}]),
    ("Adam", ["OneCycleLR", {"max_lr": 0.5, "total_steps": 30, "anneal_strategy": "linear"}]),
    (
        "RMSprop",
        [
            "OneCycleLR",
            {
                "max_lr": 0.5,
                "total_steps": 25,
                "pct_start": 0.0,
                "base_momentum": 0.5,
                "max_momentum": 0.7,
                "div_factor": 3.0,
                "final_div_factor": 10.0,
            },
        ],
    ),
    ("Adagrad", ["OneCycleLR", {"max_lr": 0.5, "total_steps": 25, "cycle_momentum": False}]),
    ("SGD", ["OneCycleLR", {"max_lr": 0.5, "epochs": 5, "steps_per_epoch": 5}]),
    (
        "Adam",
        ["OneCycleLR", {"max_lr": 0.5, "total_steps": 26, "three_phase": True, "pct_start": 0.4}],
    ),
    ("SGD", ["MultiStepLR", {"milestones": [3, 8, 8, 20], "gamma": 0.5}]),
    ("SGD", ["ConstantLR", {}]),
    ("SGD", ["ConstantLR", {"factor": 0.5, "total_iters": 9}]),
    ("SGD", ["ExponentialLR", {"gamma": 0.9}]),
    ("SGD", ["PolynomialLR", {}]),
    ("SGD", ["PolynomialLR", {"total_iters": 20, "power": 2.5}]),
    ("SGD", ["CosineAnnealingWarmRestarts", {"T_0": 7}]),
    ("SGD", ["CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.01}]),
    ("SGD", ["CyclicLR", {"base_lr": 0.01, "max_lr": 0.5, "step_size_up": 4}]),
    (
        "Adam",
        [
            "CyclicLR",
            {
                "base_lr": 0.01,
                "max_lr": 0.5,
                "step_size_up": 4,
                "step_size_down": 3,
                "mode": "triangular2",
                "base_momentum": 0.5,
            },
        ],
    ),
    (
        "Adagrad",
        [
            "CyclicLR",
            {
                "base_lr": 0.01,
                "max_lr": 0.5,
                "step_size_up": 5,
                "mode": "exp_range",
                "gamma": 0.9,
                "cycle_momentum": False,
            },
        ],
    ),
    ("SGD", ["LinearLR", {}, 5, "CosineAnnealingLR", {"T_max": 20}]),
    ("SGD", ["ConstantLR", {}, 4, "ExponentialLR", {"gamma": 0.9}, 14, "PolynomialLR", {}]),
    ("SGD", ["LinearLR", {}, 3, "StepLR", {"step_size": 4}, 15, "LinearLR", {"end_factor": 0.5}]),
]


def numbers(seed: int, steps: int, shapes: list[tuple[int, ...]]) -> tuple[list[Any], list[Any]]:
    """Initial parameters, and their gradients at each step; the second ones are tiny."""
    rng = np.random.default_rng(seed)
    parameters = [rng.normal(size=shape).round(6) for shape in shapes]
    scales = [1.0, 1e-6, 10.0]
    gradients = [
        [
            (scale * rng.normal(0.1, 1.0, shape)).round(9)
            for scale, shape in zip(scales, shapes, strict=True)
        ]
        for _ in range(steps)
    ]
    return parameters, gradients


def trained(
    name: str, settings: dict[str, Any], dtype: str, parameters: list[Any], gradients: list[Any]
) -> list[list[np.ndarray]]:
    """The parameters after each of torch's steps."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))  # of the numbers that some states have
    try:
        nodes = [torch.tensor(p, dtype=getattr(torch, dtype)).requires_grad_() for p in parameters]
        optimizer = getattr(torch.optim, name)(nodes, **settings)
        history = []
        for of_step in gradients:
            for node, gradient in zip(nodes, of_step, strict=True):
                node.grad = torch.tensor(gradient, dtype=node.dtype)
            optimizer.step()
            history.append([node.detach().numpy().copy() for node in nodes])
        return history
    finally:
        torch.set_default_dtype(before)


def schedule(optimizer: Any, parts: list[Any], library: Any) -> Any:
    """The schedule of a row of SCHEDULES, from torch.optim.lr_scheduler or gradcore.optim."""
    milestones = [x for x in parts if isinstance(x, int)]
    rest = [x for x in parts if not isinstance(x, int)]
    schedules = [
        getattr(library, name)(optimizer, **arguments)
        for name, arguments in zip(rest[::2], rest[1::2], strict=True)
    ]
    if len(schedules) == 1:
        return schedules[0]
    return library.SequentialLR(optimizer, schedules, milestones)


def scheduled(name: str, parts: list[Any], steps: int) -> list[list[float]]:
    """The learning rate, and the momentum or first beta if there is one, before each step."""
    node = torch.zeros(1, requires_grad=True)
    optimizer = getattr(torch.optim, name)([node], lr=0.1)
    group = optimizer.param_groups[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its SequentialLR warns of its own calls
        it = schedule(optimizer, parts, torch.optim.lr_scheduler)
        history = []
        for _ in range(steps):
            momentum = group["betas"][0] if "betas" in group else group.get("momentum")
            history.append([group["lr"], momentum] if momentum is not None else [group["lr"]])
            optimizer.step()
            it.step()
    return history


def main() -> None:
    parameters, gradients = numbers(0, STEPS, SHAPES)
    optimizers = []
    for name, settings in OPTIMIZERS:
        for dtype in ("float32", "float64"):
            history = trained(name, settings, dtype, parameters, gradients)
            after = {str(n): [p.tolist() for p in history[n - 1]] for n in (1, STEPS)}
            optimizers.append([name, settings, dtype, after])
    content = {
        "made by": f"torch {torch.__version__}",
        "parameters": [p.tolist() for p in parameters],
        "gradients": [[g.tolist() for g in of_step] for of_step in gradients],
        "optimizers": optimizers,
        "schedules": [[*row, scheduled(*row, STEPS)] for row in SCHEDULES],
    }
    rows = (f'"{key}": {_lines(x)}' for key, x in content.items())
    PATH.write_text("{\n" + ",\n".join(rows) + "\n}\n")


def _lines(x: Any) -> str:
    """JSON with a line for each entry of a list."""
    if not isinstance(x, list):
        return json.dumps(x)
    return "[\n" + ",\n".join(json.dumps(entry) for entry in x) + "\n]"


if __name__ == "__main__":
    main()
