"""Groups of parameters, closures, hooks and names: what programs do with `param_groups`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from optimizers import ALL, GOLDEN, TOLERANCE, is_close, node, parameters

from gradcore import Sum, TensorNode, nn, no_grad, optim

SETTINGS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("SGD", {"lr": 0.1, "momentum": 0.9}, {"lr": 0.01, "momentum": 0.0, "maximize": True}),
    ("Adam", {"lr": 0.1, "amsgrad": True}, {"betas": (0.5, 0.6), "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.1}, {"centered": True, "lr": 0.01}),
    ("Rprop", {"lr": 0.1}, {"lr": 0.01, "etas": (0.3, 1.7)}),
    ("Adafactor", {"lr": 0.1}, {"eps": (1e-3, 0.1)}),
]


@pytest.mark.parametrize(("name", "settings", "others"), SETTINGS)
def test_groups_have_torchs_steps(backend, dtype, name, settings, others):
    torch = pytest.importorskip("torch")
    nodes = parameters(backend, dtype, GOLDEN["parameters"])
    twins = [torch.tensor(x, dtype=getattr(torch, dtype)) for x in GOLDEN["parameters"]]
    for twin in twins:
        twin.requires_grad_()
    ours, theirs = (
        kind([{"params": some[1:2], **others}, {"params": some[2:]}], **settings)
        for kind, some in ((getattr(optim, name), nodes), (getattr(torch.optim, name), twins))
    )
    for optimizer, some in ((ours, nodes), (theirs, twins)):
        optimizer.add_param_group({"params": some[0], "lr": 0.2, "name": "last"})
    assert ours.parameters == [nodes[1], nodes[2], nodes[0]]
    for k, gradients in enumerate(GOLDEN["gradients"][:20]):
        for p, twin, g in zip(nodes, twins, gradients, strict=True):
            p.grad = backend.asarray(np.asarray(g), dtype)
            twin.grad = torch.tensor(g, dtype=twin.dtype)
        if k == 8:  # what programs write
            for optimizer in (ours, theirs):
                optimizer.param_groups[2]["lr"] = 0.05
                for group in optimizer.param_groups:
                    group["lr"] *= 0.5
        if k == 12:
            file = ours.state_dict()
            ours = getattr(optim, name)([{"params": p} for p in ours.parameters])
            ours.load_state_dict(file)
        ours.step()
        theirs.step()
    for p, twin in zip(nodes, twins, strict=True):
        assert is_close(backend, p.value, twin.detach().numpy(), 2 * TOLERANCE[dtype])


def test_a_group_shows_its_settings_and_what_the_program_has_put_there():
    p, q = node(1.0), node(2.0)
    optimizer = optim.SGD([{"params": [p], "lr": 0.5, "name": "head"}, {"params": q}], lr=0.1)
    first, second = optimizer.param_groups
    assert first["params"] == [p]
    assert second["params"] == [q]
    assert (first["lr"], second["lr"], first["name"], second["momentum"]) == (0.5, 0.1, "head", 0.0)
    assert optimizer.lr == 0.5
    assert optimizer.settings["lr"] == 0.5
    optimizer.settings["weight_decay"] = 0.25
    optimizer.lr = 0.75
    assert [(g["lr"], g["weight_decay"]) for g in optimizer.param_groups] == [(0.75, 0.25)] * 2
    assert repr(optimizer).splitlines()[:5] == [
        "SGD (",
        "Parameter Group 0",
        "    dampening: 0.0",
        "    initial_lr: 0.75",
        "    lr: 0.75",
    ]
    with pytest.raises(KeyError, match="beta; there are lr, momentum"):
        optimizer.settings["beta"] = 1.0


def test_numbers_written_into_a_group_keep_the_parameters_dtype():
    for make in ALL:
        p = TensorNode(np.ones(2, "float32"))
        optimizer = make([p])
        for lr in (np.float64(0.1), np.asarray(0.1), TensorNode(0.1)):
            optimizer.param_groups[0]["lr"] = lr
            p.grad = np.ones(2, "float32")
            optimizer.step()
        assert p.dtype == np.float32
    for wrong, error in ((-1.0, ValueError), ("fast", TypeError), (float("nan"), ValueError)):
        optimizer.param_groups[0]["lr"] = wrong
        before = p.value.copy()
        with pytest.raises(error, match=r"^Lion: lr = .*, expected a number"):
            optimizer.step()
        assert (p.value == before).all()


def test_names_of_parameters_are_kept():
    model = nn.Linear(2, 3)
    optimizer = optim.Adam(model.named_parameters())
    assert optimizer.parameters == [*model.parameters()]
    assert optimizer.param_groups[0]["param_names"] == [n for n, _ in model.named_parameters()]
    optimizer.load_state_dict(optimizer.state_dict())
    p, q = node(1.0), node(1.0)
    with pytest.raises(ValueError, match=r"^Adam: some parameters have names, expected"):
        optim.Adam([("p", p), q])
    grouped = optim.SGD([{"params": [("p", p)]}, {"params": [("q", q)]}])
    assert [group["param_names"] for group in grouped.param_groups] == [["p"], ["q"]]
    with pytest.raises(ValueError, match=r"^SGD: expected names for the parameters of all groups"):
        grouped.add_param_group({"params": [node(1.0)]})


def test_what_is_no_group():
    p, q = node(1.0), node(1.0)
    optimizer = optim.SGD([p])
    with pytest.raises(ValueError, match=r"^SGD: parameter 0 is in more than one group"):
        optimizer.add_param_group({"params": [q, p]})
    with pytest.raises(
        TypeError, match=r"^SGD: found \{'lr': 0.1\}, expected a dictionary with 'pa"
    ):
        optimizer.add_param_group({"lr": 0.1})
    with pytest.raises(TypeError, match=r"^SGD: found \[.*, expected a dictionary with 'params'"):
        optimizer.add_param_group([q])
    with pytest.raises(ValueError, match=r"^SGD: lr = -1, expected a number of at least 0"):
        optimizer.add_param_group({"params": [q], "lr": -1})
    with pytest.raises(ValueError, match=r"^SGD: there are no parameters"):
        optim.SGD([{"params": []}])
    assert (len(optimizer.param_groups), optimizer.parameters) == (1, [p])
    one, two = optim.SGD([p, q]), optim.SGD([{"params": [p]}, {"params": [q]}])
    with pytest.raises(ValueError, match=r"found 2 groups of parameters, expected 1"):
        one.load_state_dict(two.state_dict())
    with pytest.raises(ValueError, match=r"found 1 groups of parameters, expected 2"):
        two.load_state_dict(one.state_dict())
    three = optim.SGD([{"params": [p, q]}, {"params": [node(1.0)]}])
    other = optim.SGD([{"params": [p]}, {"params": [q, node(1.0)]}])
    with pytest.raises(ValueError, match=r"found 1 parameters in the group, expected 2"):
        three.load_state_dict(other.state_dict())


def test_a_subclass_has_the_settings_of_the_group_that_it_updates():
    class Sign(optim.Optimizer):
        def update(self, parameters, gradients, states):  # noqa: ARG002
            scale = self.lr * self.settings["scale"]
            return [p - scale * np.sign(g) for p, g in zip(parameters, gradients, strict=True)]

    p, q = (TensorNode(np.ones(1)) for _ in range(2))
    optimizer = Sign([{"params": p}, {"params": q, "scale": 3.0}], {"lr": 0.1, "scale": 1.0})
    p.grad, q.grad = np.ones(1), np.ones(1)
    optimizer.step()
    np.testing.assert_allclose([p.value.item(), q.value.item()], [0.9, 0.7])


@pytest.mark.usefixtures("backend")
def test_a_step_calls_the_closure_and_the_hooks():
    p, calls = node(2.0), list[Any]()
    optimizer = optim.SGD([p], lr=0.5)
    optimizer.register_step_pre_hook(lambda o, args, kwargs: calls.append(("pre", o, args, kwargs)))
    with optimizer.register_step_post_hook(lambda *_: calls.append("post")):
        with no_grad():

            def closure() -> TensorNode:
                optimizer.zero_grad()
                loss = Sum.do_forward(p * p)
                loss.backward()
                calls.append("closure")
                return loss

            assert float(optimizer.step(closure)) == 4.0
        assert float(p.value[0]) == 0.0
        assert calls == [("pre", optimizer, (optimizer, closure), {}), "closure", "post"]
    optimizer.step()
    assert len(calls) == 4


def test_zeros_in_place_of_no_gradients_let_the_momentum_go_on():
    p, q = node(1.0), node(1.0)
    q.zero_grad()
    optimizer = optim.SGD([p, q], lr=0.5, momentum=0.5)
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)
    assert p.has_grad
    assert not q.has_grad
    optimizer.step()
    assert float(p.value[0]) == 0.25
    optimizer.zero_grad()
    optimizer.step()
    assert float(p.value[0]) == 0.25
