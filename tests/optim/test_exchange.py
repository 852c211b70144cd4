"""States of torch's optimizers, loaded and given; L-BFGS, whose iterates are torch's."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from comparing import no_garbage
from optimizers import GOLDEN, node, parameters

from gradcore import TensorNode, array_api, optim
from gradcore.backends import get
from gradcore.optim import lbfgs

ROWS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.05, "momentum": 0.9}),
    ("Adam", {"amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.05}),
    ("Adagrad", {"lr_decay": 0.2}),
    ("RMSprop", {"centered": True, "momentum": 0.5}),
    ("NAdam", {}),
    ("RAdam", {"betas": (0.5, 0.8)}),
    ("Adamax", {}),
    ("Adadelta", {}),
    ("Rprop", {}),
    ("ASGD", {"t0": 2.0}),
    ("Adafactor", {}),
]


@pytest.mark.parametrize(("name", "settings"), ROWS)
@pytest.mark.parametrize("to_torch", [False, True])
def test_steps_go_on_in_the_other_library(backend, name, settings, to_torch):
    torch = pytest.importorskip("torch")
    made: dict[bool, Any] = {}
    for is_torchs in (False, True):
        nodes: Any = parameters(backend, "float32", GOLDEN["parameters"])
        if is_torchs:
            nodes = [torch.tensor(x).requires_grad_() for x in GOLDEN["parameters"]]
            nodes = [x.detach().float().requires_grad_() for x in nodes]
        kind = getattr(torch.optim if is_torchs else optim, name)
        groups = [{"params": nodes[:1], "lr": 0.02}, {"params": nodes[1:]}]
        made[is_torchs] = nodes, kind(groups, **settings)
        for x in nodes if is_torchs else ():
            x.grad = None

    def step(is_torchs: bool, gradients: list[Any]) -> None:
        nodes, optimizer = made[is_torchs]
        for p, g in zip(nodes, gradients, strict=True):
            new = np.asarray(g, "float32")
            p.grad = torch.tensor(new) if is_torchs else backend.asarray(new)
        optimizer.step()

    first, other = made[not to_torch], made[to_torch]
    for gradients in GOLDEN["gradients"][:4]:
        step(not to_torch, gradients)
    if to_torch:
        state = first[1].torch_state_dict(lambda x: torch.tensor(backend.to_numpy(x)))
    else:
        state = first[1].state_dict()
    for p, q in zip(first[0], other[0], strict=True):
        if to_torch:
            q.data = torch.tensor(backend.to_numpy(p.value))
        else:
            q.value = backend.asarray(p.detach().numpy().copy())
    fresh = type(other[1])([{"params": other[0][:1]}, {"params": other[0][1:]}], lr=0.5)
    made[to_torch] = other[0], fresh
    fresh.load_state_dict(state)
    for gradients in GOLDEN["gradients"][4:10]:
        step(False, gradients)
        step(True, gradients)
    for p, q in zip(made[False][0], made[True][0], strict=True):
        np.testing.assert_allclose(backend.to_numpy(p.value), q.detach().numpy(), 1e-4, 1e-5)


def test_a_state_of_torchs_that_does_not_fit():
    p, q = node(1.0, 2.0), node(1.0)
    optimizer = optim.Adam([p, q])
    state = {0: {"step": 1, "exp_avg": np.zeros(2), "exp_avg_sq": np.zeros(2)}}
    group = {**optimizer.param_groups[0], "params": [0, 1]}
    optimizer.load_state_dict({"state": state, "param_groups": [group]})
    assert [memory.get("step") for memory in optimizer.state] == [1, None]
    for bad, words in (
        ({"state": state, "param_groups": [{**group, "params": [0]}]}, "expected a state of PyT"),
        ({"state": state, "param_groups": [{**group, "params": [1, 0]}]}, "parameter 1: mean has"),
        ({"state": {0: {"exp_avg": 1}}, "param_groups": [group]}, "parameter 0 has"),
        ({"param_groups": [group]}, "expected a state of PyTorch's"),
        ({"state": [], "param_groups": 3}, "expected a state of PyTorch's"),
    ):
        with pytest.raises(ValueError, match=rf"^Adam.load_state_dict: .*{words}") as error:
            optimizer.load_state_dict(bad)
        assert "\n" not in str(error.value)


def test_schedules_go_on_from_the_initial_rate_in_torchs_state():
    torch = pytest.importorskip("torch")
    theirs = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.8)
    their_schedule = torch.optim.lr_scheduler.ExponentialLR(theirs, 0.5)
    ours = optim.SGD([node(1.0)], lr=0.1)
    for _ in range(3):
        theirs.step()
        their_schedule.step()
    ours.load_state_dict(theirs.state_dict())
    assert (ours.lr, ours.initial_lr) == (0.1, 0.8)
    schedule = optim.ExponentialLR(ours, 0.5, last_epoch=2)
    schedule.step()
    assert ours.lr == pytest.approx(0.05)


# -- L-BFGS ---------------------------------------------------------------------------------------


def rosenbrock(x: Any) -> Any:
    return (1 - x[:-1]) ** 2 + 100 * (x[1:] - x[:-1] ** 2) ** 2


START = np.array([0.2, 1.0, 0.7, -0.4, 0.3])


def search(backend: Any, dtype: str, **settings: Any) -> Any:
    p = TensorNode(backend.asarray(START, dtype))
    optimizer = optim.LBFGS([p], **settings)

    def closure() -> TensorNode:
        optimizer.zero_grad()
        loss = array_api.sum(rosenbrock(p))
        loss.backward()
        return loss

    return p, optimizer, closure


@pytest.mark.parametrize(
    "settings",
    [
        {"line_search_fn": "strong_wolfe"},
        {"line_search_fn": "strong_wolfe", "max_iter": 4, "history_size": 3, "lr": 0.5},
        {"lr": 1e-3, "max_iter": 5},
    ],
)
def test_iterates_are_torchs(settings):
    torch = pytest.importorskip("torch")
    p, ours, closure = search(get("numpy"), "float64", **settings)
    t = torch.tensor(START, requires_grad=True)
    theirs = torch.optim.LBFGS([t], **settings)

    def their_closure() -> Any:
        theirs.zero_grad()
        loss = rosenbrock(t).sum()
        loss.backward()
        return loss

    for k in range(7):
        loss, expected = ours.step(closure), theirs.step(their_closure)
        assert float(loss) == pytest.approx(float(expected.detach()), rel=1e-6, abs=1e-12)
        np.testing.assert_allclose(p.value, t.detach().numpy(), rtol=1e-9)
        assert ours.state[0]["func_evals"] == theirs.state[t]["func_evals"]
        if k == 3:  # each goes on with the other's state
            mine = ours.torch_state_dict(torch.from_dlpack)
            ours.load_state_dict(theirs.state_dict())
            theirs.load_state_dict(mine)


def both_searches(torch: Any, a: float, b: float, c: float, lr: float) -> list[list[float]]:
    """Search along a curve with slope -0.2 * c at 0, by our function and torch's."""
    theirs = import_module("torch.optim.lbfgs")._strong_wolfe

    def at(t: Any) -> tuple[float, float]:
        x = float(t)
        value = b * np.cos(a * x) + 0.05 * c * (x - 2) ** 2
        return float(value), float(0.1 * c * (x - 2) - a * b * np.sin(a * x))

    loss, slope = at(0.0)
    d, twin = np.ones(1), torch.ones(1, dtype=torch.float64)

    def ours_at(t: float) -> Any:
        return at(t)[0], d * at(t)[1]

    def theirs_at(_: Any, t: Any, __: Any) -> Any:
        return at(t)[0], twin * at(t)[1]

    found = (
        lbfgs.strong_wolfe(ours_at, lr, d, loss, d * slope, slope, 25, 1e-9),
        theirs(theirs_at, None, lr, twin, loss, twin * slope, twin.sum() * slope),
    )
    return [[f, float(g[0]), float(t), n] for f, g, t, n in found]


def test_line_searches_are_torchs():
    """On curves with many valleys, which need all that the search can do."""
    torch = pytest.importorskip("torch")
    rng, many = np.random.default_rng(0), 0
    for _ in range(300):
        a, b, c, lr = rng.uniform(0.1, 3, 4)
        ours, theirs = both_searches(torch, a, b, c, lr * 10.0 ** rng.integers(-2, 2))
        assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-8)
        many += ours[-1] > 3
    assert many > 20


def test_it_finds_the_minimum_and_resumes(backend, dtype):
    p, optimizer, closure = search(backend, dtype, line_search_fn="strong_wolfe", max_iter=7)
    for _ in range(3):
        optimizer.step(closure)
    q, resumed, its_closure = search(backend, dtype, line_search_fn="strong_wolfe", max_iter=7)
    resumed.load_state_dict(optimizer.state_dict())
    q.value = p.value
    for _ in range(9):
        loss = optimizer.step(closure)
        resumed.step(its_closure)
    assert float(loss) < 1e-8
    np.testing.assert_allclose(backend.to_numpy(p.value), 1.0, atol=1e-3)
    assert np.array_equal(backend.to_numpy(p.value), backend.to_numpy(q.value))


def test_complex_parameters_are_two_real_ones_and_no_cycle_stays():
    def run() -> tuple[Any, Any]:
        z, w = TensorNode(np.array([1 + 2j, -0.5j])), TensorNode(np.ones((1, 2)))
        optimizer = optim.LBFGS([z, w], line_search_fn="strong_wolfe")

        def closure() -> TensorNode:
            optimizer.zero_grad()
            far = array_api.abs(z - (3 - 1j)) ** 2 + (w - 2.0) ** 2
            loss = array_api.sum(far)
            loss.backward()
            return loss

        optimizer.step(closure)
        return z.value, w.value

    with no_garbage():
        z, w = run()
    np.testing.assert_allclose(z, [3 - 1j] * 2, atol=1e-6)
    np.testing.assert_allclose(w, [[2.0, 2.0]], atol=1e-6)


def test_what_lbfgs_refuses():
    p, q = node(1.0), node(2.0)
    with pytest.raises(ValueError, match=r"^LBFGS: found a second group of parameters"):
        optim.LBFGS([{"params": p}, {"params": q}])
    optimizer = optim.LBFGS([p])
    with pytest.raises(ValueError, match=r"^LBFGS.step: found no closure; give a function"):
        optimizer.step()
    state = optimizer.state_dict()
    with pytest.raises(ValueError, match=r"^LBFGS.load_state_dict: parameter 0 has \['n_iter'\]"):
        optimizer.load_state_dict({**state, "state": [{"n_iter": 3}]})
