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


def arrays(memory: dict[str, Any]) -> dict[str, Any]:
    return {name: x for name, x in memory.items() if name not in ("step", "skipped")}


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
    assert not any(np.any(x) for memory in memories for x in arrays(memory).values())
    step([1.0, 1.0], [[1.0]])
    before = [m.value.copy() for m in optimizer.masters]
    memory = [{k: np.array(x) for k, x in arrays(m).items()} for m in memories]
    step([1.0, wrong], [[1.0]])
    assert float(optimizer.scale) == 2.0
    assert all((m.value == b).all() for m, b in zip(optimizer.masters, before, strict=True))
    assert (p.value == before[0].astype(np.float16)).all()
    for now, then in zip(memories, memory, strict=True):
        assert all((now[k] == x).all() for k, x in then.items())
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


COUNTING: dict[str, Any] = {
    "adam": lambda parameters: optim.Adam(parameters, lr=0.1),
    "adamw": lambda parameters: optim.AdamW(parameters, lr=0.1, betas=(0.0, 0.99)),
    "adagrad": lambda parameters: optim.Adagrad(
        parameters, lr=0.1, lr_decay=0.5, initial_accumulator_value=0.25
    ),
    "amsgrad": lambda parameters: optim.Adam(parameters, lr=0.1, amsgrad=True),
    "nadam": lambda parameters: optim.NAdam(parameters, lr=0.1, momentum_decay=0.1),
    "radam": lambda parameters: optim.RAdam(parameters, lr=0.1, betas=(0.5, 0.9)),
    "adamax": lambda parameters: optim.Adamax(parameters, lr=0.1),
    "asgd": lambda parameters: optim.ASGD(parameters, lr=0.1, lambd=0.1, t0=1.0),
    "adafactor": lambda parameters: optim.Adafactor(parameters, lr=0.5),
}


@pytest.mark.parametrize("name", COUNTING)
def test_skipped_steps_do_not_count(name):
    """The masters go where float32 parameters go that never saw the bad gradients."""
    p, q = TensorNode([1.0, 2.0]), TensorNode([3.0])
    mixed = MixedPrecision([p, q], COUNTING[name], scale=1.0)
    plain = [TensorNode([1.0, 2.0]), TensorNode([3.0])]
    reference = COUNTING[name](plain)
    for k, good in enumerate([False, False, True, True, False, True, True, False, True]):
        both = k % 2 == 0  # q has a gradient in every second step
        gradient = 1.0 + k if good else np.inf
        p.grad = np.asarray([gradient * float(mixed.scale), 0.5 * float(mixed.scale)], np.float16)
        q.grad = np.asarray([float(mixed.scale)], np.float16) if both else None
        mixed.step()
        mixed.zero_grad()
        if good:
            plain[0].grad = np.asarray([gradient, 0.5], np.float32)
            plain[1].grad = np.ones(1, np.float32) if both else None
            reference.step()
            reference.zero_grad()
        for master, expected in zip(mixed.masters, plain, strict=True):
            np.testing.assert_allclose(master.value, expected.value, rtol=1e-5)
    found = [memory["step"] for memory in mixed.state_dict()["state"]]
    assert found == [memory["step"] for memory in reference.state_dict()["state"]] == [5, 3]


def test_parameters_updated_together_share_one_count_of_skipped_steps():
    p, q, r = (TensorNode([1.0]) for _ in range(3))
    mixed = MixedPrecision([p, q, r], COUNTING["adam"])
    for some in ([p, q, r], [p, q], [p, q]):
        for node in some:
            node.grad = np.asarray([np.inf], np.float16)
        mixed.step()
        mixed.zero_grad()
    counts = [memory["skipped"] for memory in mixed.optimizer.state]
    assert counts[0] is counts[1]
    assert [float(count) for count in counts] == [3.0, 3.0, 1.0]


def test_the_scale_has_a_floor_and_recovers():
    p = TensorNode([1.0])
    mixed = MixedPrecision([p], OPTIMIZERS["momentum"], scale=2.0**-23, growth_interval=2)
    for _ in range(50):
        p.grad = np.asarray([np.nan], np.float16)
        mixed.step()
    assert float(mixed.scale) == 2.0**-24
    for _ in range(2):
        p.grad = np.asarray([2.0**-24], np.float16)
        mixed.step()
    assert float(mixed.scale) == 2.0**-23
    assert float(mixed.masters[0].value[0]) == pytest.approx(1 - 0.1 - 0.19)


def test_its_learning_rate_is_the_optimizers():
    mixed = MixedPrecision(nn.Linear(2, 2).parameters(), lambda p: optim.SGD(p, lr=0.1))
    assert mixed.lr == 0.1
    mixed.lr = 0.5
    assert mixed.optimizer.lr == mixed.initial_lr == 0.5
    with pytest.raises(ValueError, match=r"^SGD: lr = -1, expected"):
        mixed.lr = -1
    for name in ("momentum", "learning_rate"):
        with pytest.raises(AttributeError, match=name):
            setattr(mixed, name, 0.9)


def test_groups_and_schedules_change_the_masters_rates():
    nodes = [TensorNode([1.0]) for _ in range(2)]
    mixed = MixedPrecision(
        nodes, lambda m: optim.SGD([{"params": m[:1], "lr": 0.5}, {"params": m[1:]}], lr=0.25)
    )
    schedule = optim.ExponentialLR(mixed, 0.5)
    schedule.step()
    for group in mixed.param_groups:
        group["lr"] *= 0.5
    schedule.step()
    assert schedule.get_last_lr() == [0.0625, 0.03125]
    for p in nodes:
        p.grad = np.asarray([mixed.scale.value.item()], np.float16)
    mixed.step()
    assert [m.value.item() for m in mixed.masters] == [0.9375, 0.96875]
    again = MixedPrecision([TensorNode([1.0]), TensorNode([1.0])], lambda m: optim.SGD(
        [{"params": m[:1]}, {"params": m[1:]}]))  # fmt: skip
    again.load_state_dict(mixed.state_dict())
    assert [group["lr"] for group in again.param_groups] == [0.0625, 0.03125]
    assert [p.value.item() for p in again.parameters] == [0.9375, 0.96875]


def test_gradients_are_clipped_before_the_masters_change():
    p = TensorNode([1.0, 1.0])
    mixed = MixedPrecision([p], lambda m: optim.SGD(m, lr=1.0), scale=8.0)

    def clip(*_: Any) -> None:
        nn.utils.clip_grad_norm_(mixed.masters, 0.5)

    mixed.optimizer.register_step_pre_hook(clip)
    loss = mixed.step(lambda: mixed.scaled(Sum.do_forward(single(p) * np.float32([3.0, 4.0]))))
    assert loss.value == 56.0
    assert p.value.tolist() == [1.0, 1.0]  # nobody called backward
    loss.backward()
    mixed.step()
    np.testing.assert_allclose(mixed.masters[0].value, [0.7, 0.6], rtol=1e-5)


def test_a_schedule_changes_what_it_wraps():
    mixed = MixedPrecision([TensorNode([1.0])], lambda p: optim.SGD(p, lr=0.1))
    schedule, other = optim.StepLR(mixed, 1, gamma=0.5), optim.LinearLR(mixed, 0.5, 1.0, 2)
    rates = [mixed.lr]
    for _ in range(2):
        schedule.step()
        other.step()
        rates.append(mixed.optimizer.lr)
    np.testing.assert_allclose(rates, [0.1 * 0.5, 0.1 * 0.5 * 0.75, 0.1 * 0.25])
    mixed.settings["lr"] = 1.0
    schedule.step()
    other.step()
    assert mixed.lr == pytest.approx(0.125)


def test_masters_that_make_leaves_out_are_not_trained():
    p, q, r = (TensorNode([float(k)]) for k in (1, 2, 3))
    mixed = MixedPrecision([p, q, r], lambda m: optim.SGD([m[2], m[0]], lr=1.0), scale=1.0)
    p.grad, q.grad, r.grad = (np.asarray([x], np.float16) for x in (0.25, np.inf, 0.5))
    mixed.step()
    assert [x.value.item() for x in (p, q, r)] == [0.75, 2.0, 2.5]
    assert all(x.dtype == np.float16 for x in (p, q, r))
    state = mixed.state_dict()
    again = MixedPrecision(
        [TensorNode([0.0]) for _ in range(3)], lambda m: optim.SGD([m[2], m[0]], lr=1.0)
    )
    again.load_state_dict(state)
    assert [x.value.item() for x in again.parameters] == [0.75, 0.0, 2.5]


def test_a_skipped_first_step_leaves_what_the_optimizer_starts_from():
    p = TensorNode([1.0])
    mixed = MixedPrecision([p], COUNTING["adagrad"])
    p.grad = np.asarray([np.inf], np.float16)
    mixed.step()
    assert mixed.optimizer.state[0]["square"].tolist() == [0.25]


def test_states_that_do_not_fit_leave_all_as_it_was():
    net = nn.Linear(4, 8)
    mixed = MixedPrecision(net.parameters(), COUNTING["adam"], scale=64.0)
    for p in mixed.parameters:
        p.grad = np.ones(p.shape, np.float16)
    mixed.step()

    def bad(place: Any = None, **changes: Any) -> dict[str, Any]:
        state = mixed.state_dict()
        target = state["settings"] if place is None else state["state"][place]
        target.update(changes)
        return state

    cases = [
        (
            bad(0, master=np.zeros((2, 2))),
            r"parameter 0: master has shape \(2, 2\), expected \(8, 4",
        ),
        (bad(1, master=None), r"parameter 1: master is no dense array of numbers"),
        (bad(1, master=np.ones((1, 8)) * 1j), r"master is complex128 \(1, 8\), expected real"),
        (bad(1, mean=np.zeros(3)), r"parameter 1: mean has shape \(3,\)"),
        (bad(1, step=-1), r"parameter 1: step = -1, expected an integer of at least 0"),
        (bad(1, step="2"), r"parameter 1: step = '2', expected an integer"),
        (bad(scale=0.0), r"scale = 0.0, expected a number from"),
        (bad(scale=float("inf")), r"scale = inf, expected a number from"),
        (bad(scale="8"), r"scale = '8', expected a number from"),
        (bad(good=-1.0), r"good = -1.0, expected a number from"),
        (bad(lr=-1.0), r"lr = -1.0, expected"),
        (bad(lr=None), r"lr = None, expected"),
        (bad(more=1.0), r"found settings \[.*'more'"),
        ({"settings": {}, "state": 3}, r"found \{.*\}, expected 'settings', a dictionary"),
        ({**mixed.state_dict(), "state": [{}]}, r"found 1 parameters, expected 2"),
        (None, r"found None, expected 'settings'"),
        ([], r"found \[\], expected 'settings'"),
    ]
    before = mixed.state_dict()
    for state, words in cases:
        with pytest.raises(ValueError, match=words) as error:
            mixed.load_state_dict(state)
        assert "\n" not in str(error.value)
        now = mixed.state_dict()
        assert now["settings"] == before["settings"]
        for memory, then in zip(now["state"], before["state"], strict=True):
            assert all(np.array_equal(x, then[name]) for name, x in memory.items())
        assert net.w.shape == (8, 4)
    mixed.load_state_dict(before)


def test_a_captured_step_counts_good_steps_also_after_a_state_is_loaded(monkeypatch):
    register(monkeypatch)

    def run(captured: bool) -> list[float]:
        p = TensorNode([1.0])
        mixed = MixedPrecision([p], COUNTING["adam"], scale=1.0)

        def step(gradient: Any) -> Any:
            p.grad = gradient
            mixed.step()
            mixed.zero_grad()
            return mixed.masters[0].value

        does = capture(step) if captured else step
        values, kept = [], None
        for k, x in enumerate([1.0, np.inf, 2.0, np.inf, 3.0, np.nan, 1.0, 2.0, np.inf, 4.0, 1.0]):
            if k == 6:
                kept = mixed.state_dict()
            if k == 9:
                mixed.load_state_dict(kept)
            gradient = get("taped" if captured else "numpy").asarray([x], "float16")
            values.append(float(does(gradient)[0]))
        return values

    eager = run(False)
    with use_backend("taped"):
        np.testing.assert_allclose(run(True), eager, rtol=1e-6)
    assert len(set(eager)) == 7


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
            p.grad = np.asarray([k, np.inf if k == 1 else 1.0], np.float16)
            optimizer.step()
        return optimizer.state_dict(), p.value.tolist(), optimizer.masters[0].value.tolist()

    (one, *values), (other, *again) = run(False), run(True)
    assert values == again
    assert one["settings"] == other["settings"]
    assert one["settings"]["scale"] == 16.0
    assert one["state"][0]["step"] == other["state"][0]["step"] == 5


def test_what_does_not_fit():
    with pytest.raises(TypeError, match=r"parameter 1 is float64 \(1,\), expected float32"):
        MixedPrecision([TensorNode([1.0]), TensorNode(np.ones(1))], OPTIMIZERS["adam"])
    p = TensorNode([1.0])
    frozen = TensorNode([1.0], requires_grad=False)
    for settings in ({"scale": 0.0}, {"scale": -1.0}, {"scale": np.inf}, {"scale": np.nan},
                     {"scale": 2.0**25}, {"scale": "8"}, {"growth_interval": 0},
                     {"growth_interval": 2.5}, {"growth_interval": True}):  # fmt: skip
        (name,) = settings
        with pytest.raises(ValueError, match=rf"^MixedPrecision: {name} = .*, expected a "):
            MixedPrecision([p], OPTIMIZERS["adam"], **settings)
    for given, words in (
        ([], "there are no parameters"),
        ([frozen], "parameter 0 has requires_grad=False"),
        ([p * 2.0], "parameter 0 was computed, by Multiply"),
    ):
        with pytest.raises(ValueError, match=f"^MixedPrecision: {words}"):
            MixedPrecision(given, OPTIMIZERS["adam"])
    with pytest.raises(ValueError, match="make gave an optimizer of other nodes than the masters"):
        MixedPrecision([p], lambda _: optim.SGD([p]))
    with pytest.raises(TypeError, match="make gave a list, expected an optimizer"):
        MixedPrecision([p], list)
    assert p.dtype == np.float32
    optimizer = MixedPrecision([p], OPTIMIZERS["adam"])
    with pytest.raises(TypeError, match=r"scaled: the loss is float16 \(\), expected float32"):
        optimizer.scaled(Sum.do_forward(p))
    with pytest.raises(ValueError, match="training without MixedPrecision"):
        optimizer.load_state_dict(optim.Adam([TensorNode([1.0])]).state_dict())
