"""Training in float16 with float32 masters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from taped import register

from gradcore import (
    Linear,
    Sum,
    TensorNode,
    capture,
    cross_entropy,
    manual_seed,
    namespace,
    nn,
    optim,
    use_backend,
)
from gradcore.backends import get
from gradcore.optim import MixedPrecision

OPTIMIZERS: dict[str, Any] = {
    "momentum": lambda parameters: optim.SGD(parameters, lr=0.1, momentum=0.9),
    "adam": lambda parameters: optim.Adam(parameters, lr=0.01),
    "rmsprop": lambda parameters: optim.RMSprop(parameters, lr=0.01, centered=True, momentum=0.5),
}


def model() -> nn.Module:
    return nn.Sequential(Linear(5, 16), nn.BatchNorm1d(16), nn.Relu(), Linear(16, 3))


def trained(make: Any, dtype: str, device: Any = None, steps: int = 40) -> list[float]:
    """The losses; on a device that can, the step is captured."""
    manual_seed(3)
    net, backend = model(), device or get("numpy")
    mixed = dtype == "float16"
    optimizer = MixedPrecision(net.parameters(), make) if mixed else make(net.parameters())

    def step(x: Any, targets: Any) -> Any:
        outputs = net(x)
        xp = namespace(outputs)
        loss = cross_entropy(xp.astype(outputs, xp.float32), targets)
        optimizer.scaled(loss).backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.value

    does = capture(step) if device else step
    rng, losses = np.random.default_rng(0), []
    for _ in range(steps):
        x = rng.normal(size=(32, 5))
        targets = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)
        losses.append(float(does(backend.asarray(x, dtype), backend.asarray(targets))))
    if mixed:
        assert all(p.dtype == np.float16 for p in net.parameters())
        assert all(m.dtype == np.float32 for m in optimizer.masters)
    return losses


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_trains_as_float32_does(name):
    single, mixed = (trained(OPTIMIZERS[name], dtype) for dtype in ("float32", "float16"))
    assert mixed[-1] < 0.6 * mixed[0]
    np.testing.assert_allclose(mixed, single, atol=0.02)
    assert mixed != single


def test_small_updates_are_not_lost():
    """0.5 has no neighbour in float16 nearer than 0.0002."""
    p = TensorNode([0.5])
    optimizer = MixedPrecision([p], lambda masters: optim.SGD(masters, lr=1e-5))
    for _ in range(50):
        optimizer.scaled(Sum.do_forward(single(p))).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert optimizer.masters[0].value.item() == pytest.approx(0.5 - 50e-5, rel=3e-6)
    assert p.value.item() == np.float16(optimizer.masters[0].value.item()) < 0.5


def single(node: TensorNode) -> TensorNode:
    xp = namespace(node)
    return xp.astype(node, xp.float32)


def test_small_gradients_are_not_lost():
    p = TensorNode([1.0])
    optimizer = MixedPrecision([p], lambda masters: optim.SGD(masters, lr=1e6))
    loss = Sum.do_forward(single(p) * 1e-8)  # float16 begins at 6e-8
    optimizer.scaled(loss).backward()
    optimizer.step()
    assert 1 - optimizer.masters[0].value.item() == pytest.approx(0.01, rel=1e-3)
    assert float(p.grad[0]) == pytest.approx(1e-8 * 2**15, rel=1e-3)


@pytest.mark.parametrize("wrong", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_overflow_leaves_all_but_the_scale(name, wrong):
    p, q = TensorNode([1.0, 2.0]), TensorNode([[3.0]])
    optimizer = MixedPrecision([p, q], OPTIMIZERS[name], scale=8.0)

    def step(of_p: Any, of_q: Any) -> None:
        p.grad, q.grad = np.asarray(of_p, np.float16), np.asarray(of_q, np.float16)
        optimizer.step()
        optimizer.zero_grad()

    step([1.0, 1.0], [[wrong]])  # the first: what it begins, it begins at zero
    assert float(optimizer.scale) == 4.0
    assert p.value.tolist() == [1.0, 2.0]
    assert q.value.tolist() == [[3.0]]
    memories = optimizer.optimizer.state
    assert not any(np.any(x) for memory in memories for k, x in memory.items() if k != "step")
    step([1.0, 1.0], [[1.0]])
    before = [m.value.copy() for m in optimizer.masters]
    memory = [{k: np.array(x) for k, x in m.items()} for m in memories]
    step([1.0, wrong], [[1.0]])
    assert float(optimizer.scale) == 2.0
    assert all((m.value == b).all() for m, b in zip(optimizer.masters, before, strict=True))
    assert (p.value == before[0].astype(np.float16)).all()
    for now, then in zip(memories, memory, strict=True):
        assert all((now[k] == x).all() for k, x in then.items() if k != "step")
    step([1.0, 1.0], [[1.0]])
    assert all((m.value < b).all() for m, b in zip(optimizer.masters, before, strict=True))


def test_good_steps_double_the_scale():
    p = TensorNode([1.0])
    make = OPTIMIZERS["momentum"]
    optimizer = MixedPrecision([p], make, scale=4.0, growth_interval=3)
    scales = []
    for gradient in (1.0, 1.0, np.inf, 1.0, 1.0, 1.0, 1.0):
        p.grad = np.asarray([gradient], np.float16)
        optimizer.step()
        scales.append(float(optimizer.scale))
    assert scales == [4.0, 4.0, 2.0, 2.0, 2.0, 4.0, 4.0]


def test_a_step_reads_nothing_on_the_host_and_can_be_captured(monkeypatch):
    device = register(monkeypatch)
    eager = trained(OPTIMIZERS["adam"], "float16", steps=8)
    with use_backend("taped"):
        captured = trained(OPTIMIZERS["adam"], "float16", device, steps=8)
    assert device.tapes[0].replays == 5
    np.testing.assert_allclose(captured, eager, atol=2e-3)


def test_state():
    def run(resume: bool) -> Any:
        p = TensorNode([1.0, 2.0])
        optimizer = MixedPrecision([p], OPTIMIZERS["adam"], scale=8.0, growth_interval=2)
        for k in range(6):
            if resume and k == 3:
                state = optimizer.state_dict()
                p = TensorNode([5.0, 5.0])
                optimizer = MixedPrecision([p], OPTIMIZERS["adam"], growth_interval=2)
                optimizer.load_state_dict(state)
            p.grad = np.asarray([k, 1.0], np.float16)
            optimizer.step()
        return optimizer.state_dict(), p.value.tolist(), optimizer.masters[0].value.tolist()

    (one, *values), (other, *again) = run(False), run(True)
    assert values == again
    assert one["settings"] == other["settings"]
    assert one["settings"]["scale"] == 64.0


def test_what_does_not_fit():
    with pytest.raises(TypeError, match=r"parameter 1 is float64 \(1,\), expected float32"):
        MixedPrecision([TensorNode([1.0]), TensorNode(np.ones(1))], OPTIMIZERS["adam"])
    p = TensorNode([1.0])
    optimizer = MixedPrecision([p], OPTIMIZERS["adam"])
    with pytest.raises(TypeError, match=r"scaled: the loss is float16 \(\), expected float32"):
        optimizer.scaled(Sum.do_forward(p))
    with pytest.raises(ValueError, match="training without MixedPrecision"):
        optimizer.load_state_dict(optim.Adam([TensorNode([1.0])]).state_dict())
