"""Optimizers count the real and imaginary parts of parameters as parameters of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore import TensorNode, namespace, optim
from gradcore.backends import Backend

START = np.array([1 + 2j, -0.5j, 0.3])
OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.01}),
    ("SGD", {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.1}),
    ("RMSprop", {"lr": 0.1, "momentum": 0.5, "centered": True}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "maximize": True}),
    ("NAdam", {"lr": 0.1}),
    ("RAdam", {"lr": 0.1, "betas": (0.5, 0.9)}),
    ("Adamax", {"lr": 0.1}),
    ("Adadelta", {"lr": 1.0}),
    ("Rprop", {"lr": 0.01}),
    ("ASGD", {"lr": 0.01, "t0": 2.0}),
]


def loss(z: Any, real: Any, absolute: Any) -> Any:
    return absolute(z * z * (1 - 2j) + 1j) + real(z - 3.0) ** 2


@pytest.mark.parametrize(("name", "settings"), OPTIMIZERS)
def test_steps_are_those_of_pytorch(backend: Backend, name: str, settings: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    z, x = (TensorNode(backend.asarray(start, "complex64")) for start in (START, START))
    w = TensorNode(backend.asarray([1.0, 2.0, 3.0]))
    t, u = torch.tensor(START, dtype=torch.complex64), torch.tensor([1.0, 2.0, 3.0])
    for tensor in (t, u):
        tensor.requires_grad_()
    ours = getattr(optim, name)([z, w], **settings)
    theirs = getattr(torch.optim, name)([t, u], **settings)
    xp = namespace(z)
    for step in range(6):
        ours.zero_grad()
        theirs.zero_grad()
        xp.sum(loss(z * w, xp.real, xp.abs)).backward()
        loss(t * u, torch.real, torch.abs).sum().backward()
        if step == 3:  # what is saved goes on as it was
            state = ours.state_dict()
            x.value = z.value
            ours = getattr(optim, name)([x, w], **{**settings, "lr": 1.0})
            ours.load_state_dict(state)
            x.grad, z = z.grad, x
        ours.step()
        theirs.step()
    np.testing.assert_allclose(backend.to_numpy(z.value), t.detach().numpy(), 1e-4, 1e-5)
    np.testing.assert_allclose(backend.to_numpy(w.value), u.detach().numpy(), 1e-4, 1e-5)


def test_gradient_descent_goes_down(backend: Backend) -> None:
    """The gradient is the direction of steepest ascent; its conjugate would go up."""
    z = backend.asarray(START, "complex64")

    def distance(z: Any) -> Any:
        return gradcore.array_api.sum(gradcore.array_api.abs(z - (2 - 1j)))

    for _ in range(100):
        z = z - 0.05 * gradcore.grad(distance)(z)
    np.testing.assert_allclose(backend.to_numpy(z), [2 - 1j] * 3, atol=0.06)
