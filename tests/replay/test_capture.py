"""`gradcore.capture`: on NumPy, and on a stand-in for a GPU that records what it is asked to do."""

from __future__ import annotations

import gc
import random
import re
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cupy_on_cpu
import numpy as np
import pytest
from taped import ON_RECORDS, Tape, register

import gradcore
from gradcore import (
    CaptureError,
    Linear,
    MatrixMultiply,
    Module,
    Sum,
    TensorNode,
    capture,
    checkpoint,
    cross_entropy,
    dropout,
    manual_seed,
    nn,
    no_grad,
    optim,
    relu,
    use_backend,
)
from gradcore.backends import BACKEND_OF_TYPE

OPTIMIZERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "sgd": lambda parameters: optim.SGD(parameters, lr=0.1),
    "momentum": lambda parameters: optim.SGD(parameters, lr=0.1, momentum=0.9),
    "nesterov": lambda parameters: optim.SGD(
        parameters, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01
    ),
    "adam": lambda parameters: optim.Adam(parameters, lr=0.01),
    "adamw": lambda parameters: optim.AdamW(parameters, lr=0.01, weight_decay=0.1),
    "adagrad": lambda parameters: optim.Adagrad(parameters, lr=0.1, lr_decay=0.1),
    "rmsprop": lambda parameters: optim.RMSprop(parameters, momentum=0.5, centered=True),
    "amsgrad": lambda parameters: optim.Adam(parameters, lr=0.01, amsgrad=True),
    "nadam": lambda parameters: optim.NAdam(parameters, lr=0.01),
    "radam": lambda parameters: optim.RAdam(parameters, lr=0.01, betas=(0.5, 0.9)),
    "adamax": lambda parameters: optim.Adamax(parameters, lr=0.01),
    "adadelta": optim.Adadelta,
    "rprop": lambda parameters: optim.Rprop(parameters, lr=0.01),
    "asgd": lambda parameters: optim.ASGD(parameters, lr=0.1, lambd=0.1, t0=2.0),
    "adafactor": lambda parameters: optim.Adafactor(parameters, lr=0.1),
    "lion": lambda parameters: optim.Lion(parameters, lr=0.01),
    "muon": lambda parameters: optim.Muon([p for p in parameters if p.ndim == 2], ns_steps=2),
    "groups": lambda parameters: optim.Adam(
        [{"params": parameters[:2], "lr": 0.1, "betas": (0.5, 0.9)}, {"params": parameters[2:]}]
    ),
}


class Net(Module):
    def __init__(self) -> None:
        self.first, self.last = Linear(5, 8), Linear(8, 3)
        self.norm = nn.BatchNorm1d(5)

    def forward(self, x: Any) -> TensorNode:
        return self.last(dropout(relu(self.first(self.norm(x))), 0.25))


def batches(device: Any, steps: int) -> Iterator[tuple[Any, Any]]:
    rng = np.random.default_rng(0)
    for _ in range(steps):
        x = device.asarray(rng.normal(size=(6, 5)).astype("float32"))
        yield x, device.asarray(rng.integers(0, 3, 6))


def trained(
    device: Any,
    make: Callable[[Any], optim.Optimizer],
    captured: bool,
    schedule: Any = None,
    inside: bool = True,
    steps: int = 8,
    model: Callable[[], Module] = Net,
) -> tuple[list[float], dict[str, Any]]:
    """The losses, and the model in the end."""
    manual_seed(1)
    net = model()
    optimizer = make(net.parameters())
    scheduled = schedule(optimizer) if schedule else None

    def step(x: Any, targets: Any) -> Any:
        loss = cross_entropy(net(x), targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if scheduled and inside:
            scheduled.step()
        return loss.value

    does = capture(step, warmup=3) if captured else step
    losses = []
    for x, targets in batches(device, steps):
        losses.append(does(x, targets))
        if scheduled and not inside:
            scheduled.step()
    if captured:
        assert does.is_recorded
        assert [tape.replays for tape in getattr(device, "tapes", [])] in ([steps - 3], [])
    state = {name: device.to_numpy(x) for name, x in net.state_dict().items()}
    return [float(loss) for loss in losses], state


def assert_same(one: Any, other: Any) -> None:
    assert one[0] == pytest.approx(other[0], rel=1e-5)
    assert one[1].keys() == other[1].keys()
    for name, x in one[1].items():
        np.testing.assert_allclose(other[1][name], x, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_replays_are_what_the_step_does(device, name):
    eager = trained(device, OPTIMIZERS[name], captured=False)
    assert_same(eager, trained(device, OPTIMIZERS[name], captured=True))
    assert len({*eager[0]}) == 8
    assert eager[1]["norm.num_batches_tracked"] == 8


def test_replays_do_what_layers_do_with_random_numbers_and_running_averages(device):
    def model() -> Module:
        return nn.Sequential(
            nn.Unflatten(1, (1, 5)),
            nn.InstanceNorm1d(1, affine=True, track_running_stats=True),
            nn.RReLU(),
            nn.PReLU(),
            nn.Dropout1d(0.2),
            nn.LocalResponseNorm(3, alpha=0.5),
            nn.Flatten(),
            nn.AlphaDropout(0.3),
            nn.Hardshrink(0.1),
            nn.Linear(5, 6),
            nn.GLU(),
        )

    make = OPTIMIZERS["momentum"]
    eager = trained(device, make, captured=False, model=model)
    assert_same(eager, trained(device, make, captured=True, model=model))
    assert abs(eager[1]["1.running_mean"]).max() > 0


DRAWS = {
    "rand": lambda _: gradcore.rand(3),
    "randn": lambda _: gradcore.randn(3),
    "randint": lambda _: gradcore.randint(0, 1000, (3,)),
    "randperm": lambda _: gradcore.randperm(30),
    "randn_like": gradcore.randn_like,
}


@pytest.mark.parametrize("name", DRAWS)
def test_random_numbers_are_drawn_anew_in_each_call(device, name):
    def step(x: Any) -> TensorNode:
        return Sum.do_forward(DRAWS[name](x)[:3] * x)

    gradcore.manual_seed(3)
    x, captured = device.asarray([1.0, 10.0, 100.0]), capture(step, warmup=1)
    found = [captured(x).item() for _ in range(4)]
    gradcore.manual_seed(3)
    assert found == pytest.approx([step(x).item() for _ in range(4)])
    assert len({*found}) == 4


@pytest.mark.parametrize("momentum", [0.1, None])
def test_replays_average_what_batch_norm_saw(device, momentum):
    class Block(Module):
        def __init__(self) -> None:
            self.norm = nn.BatchNorm1d(5, momentum=momentum, relu=True)
            self.last = Linear(5, 3)

        def forward(self, x: Any) -> TensorNode:
            return self.last(self.norm(x, residual=x))

    make = OPTIMIZERS["momentum"]
    eager = trained(device, make, captured=False, model=Block)
    assert_same(eager, trained(device, make, captured=True, model=Block))
    assert eager[1]["norm.num_batches_tracked"] == 8


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("name", ["momentum", "adamw", "adagrad", "asgd", "adafactor", "groups"])
def test_schedules_and_counts_go_on(device, name, inside):
    def schedule(optimizer: optim.Optimizer) -> Any:
        return optim.OneCycleLR(optimizer, 0.2, 9, cycle_momentum=False)

    eager = trained(device, OPTIMIZERS[name], False, schedule, inside)
    assert_same(eager, trained(device, OPTIMIZERS[name], True, schedule, inside))


def test_rates_written_into_groups_and_clipped_gradients_go_on(device):
    def run(captured: bool) -> Any:
        manual_seed(1)
        net = Net()
        optimizer = OPTIMIZERS["groups"](net.parameters())
        averaged = optim.swa_utils.AveragedModel(
            net, multi_avg_fn=optim.swa_utils.get_ema_multi_avg_fn(0.5)
        )

        def step(x: Any, targets: Any) -> Any:
            loss = cross_entropy(net(x), targets)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(net.parameters(), 0.1)
            optimizer.step()
            optimizer.zero_grad()
            averaged.update_parameters(net)
            return norm

        does, norms = capture(step, warmup=3) if captured else step, []
        for x, targets in batches(device, 8):
            norms.append(float(does(x, targets)))
            for group in optimizer.param_groups:
                group["lr"] *= 0.5
        return norms, {name: device.to_numpy(x) for name, x in averaged.state_dict().items()}

    assert_same(run(False), run(True))


def test_a_setting_that_replays_cannot_follow(device):
    def schedule(optimizer: optim.Optimizer) -> Any:
        return optim.OneCycleLR(optimizer, 0.2, 9)

    with pytest.raises(CaptureError, match=r"SGD's momentum changed from 0\.\d+ to 0\.\d+ since"):
        trained(device, OPTIMIZERS["momentum"], True, schedule)


def is_compiled(device: Any) -> bool:
    return device.recorder(device.asarray(0).device) is None


def test_a_setting_or_a_group_that_is_changed_once_is_compiled_anew_or_refused(device):
    def run(captured: bool) -> Any:
        p, q = (TensorNode(device.asarray([1.0, 2.0])) for _ in range(2))
        optimizer = optim.SGD([p], lr=0.1, momentum=0.5)

        def step(x: Any) -> None:
            (p * q * x).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
            q.zero_grad()

        does, values = capture(step) if captured else step, []
        for k in range(10):
            if k == 4:
                optimizer.param_groups[0]["momentum"] = 0.25
            if k == 5:
                optimizer.add_param_group({"params": [q], "lr": 0.01})
            does(device.asarray([0.5, 1.0]))
            values.append((device.to_numpy(p.value).tolist(), device.to_numpy(q.value).tolist()))
        assert not captured or len(does._steps) == 3
        return values

    if is_compiled(device):
        np.testing.assert_allclose(run(True), run(False), rtol=1e-6)
    else:
        with pytest.raises(CaptureError, match=r"SGD's momentum changed from 0.5 to 0.25 since"):
            run(True)


SCALE = 1.0


def by_global(run: Callable[[], float]) -> tuple[Callable[[Any], Any], Callable[[float], None]]:
    return (lambda x: run() * scaled_by_global(x)), lambda value: globals().update(SCALE=value)


def scaled_by_global(x: Any) -> Any:
    return SCALE * x


def by_closure(run: Callable[[], float]) -> tuple[Callable[[Any], Any], Callable[[float], None]]:
    scale = 1.0

    def set_scale(value: float) -> None:
        nonlocal scale
        scale = value

    return (lambda x: run() * (lambda: scale * x)()), set_scale


@pytest.mark.parametrize("made_by", [by_global, by_closure])
def test_a_variable_that_the_step_reads_is_given_another_value(device, made_by):
    scale, set_scale = made_by(lambda: 2.0)
    p = TensorNode(device.asarray([1.0, 2.0]))
    step = capture(lambda x: (p * scale(x)).sum())
    x = device.asarray([0.5, 1.0])
    set_scale(1.0)
    assert [step(x).item() for _ in range(6)] == [5.0] * 6
    set_scale(float("1"))  # another object, of the same value
    assert step(x).item() == 5.0
    assert len(step._steps) == 1
    set_scale(3.0)
    if is_compiled(device):
        assert [step(x).item() for _ in range(2)] == [15.0] * 2
        assert len(step._steps) == 2
    else:
        with pytest.raises(
            CaptureError, match=r"variable (SCALE|scale), .* changed from 1.0 to 3.0"
        ):
            step(x)


def test_another_array_in_a_variable_is_noticed(device):
    p, data = TensorNode(device.asarray([1.0, 2.0])), TensorNode(device.asarray([0.5, 1.0]))
    step = capture(lambda: (p * data).sum())
    assert [step().item() for _ in range(6)] == [2.5] * 6
    data = TensorNode(device.asarray([2.0, 2.0]))
    if is_compiled(device):
        assert step().item() == 6.0
    else:
        with pytest.raises(
            CaptureError, match=r"variable data, which .* reads, holds another object"
        ):
            step()


def test_a_variable_that_the_step_itself_assigns_is_no_setting(device):
    count = 0
    p = TensorNode(device.asarray([1.0, 2.0]))

    @capture
    def step(x: Any) -> Any:
        nonlocal count
        count += 1
        return (p * x).sum()

    sizes = (1, 2, 1, 2) if is_compiled(device) else (2,)
    for size in sizes * 5:
        x = device.asarray([1.0, 1.0][:size])
        assert step(x).item() == 3.0
    assert len(step._steps) == len({*sizes})


def test_no_step_has_more_than_16_programs(device):
    runs = list[float]()

    @partial(capture, warmup=1)
    def step(x: Any, factor: float) -> Any:
        runs.append(factor)
        return x * factor

    x = device.asarray(1.0)
    step(x, 0.0)
    if not is_compiled(device):
        step(x, 0.0)
        with pytest.raises(CaptureError, match=r"argument factor is 1.0, and was 0.0"):
            step(x, 1.0)
        return
    for _ in range(2):  # the second time, by the programs
        assert [float(step(x, float(k))) for k in range(16)] == [*range(16)]
    with pytest.raises(CaptureError, match=r"step has 16 programs, and needs another: .* is 16.0,"):
        step(x, 16.0)
    assert float(step(x, 3.0)) == 3.0
    assert list(dict.fromkeys(runs)) == [*range(16)]  # not 16.0
    assert runs == sorted(runs)  # each was compiled once


def modes(device: Any, captured: bool, sets: bool) -> list[Any]:
    """The losses, and the modes, of calls in both modes; or of a step that sets them itself."""
    manual_seed(1)
    net = nn.Sequential(Linear(5, 8), nn.BatchNorm1d(8), nn.Dropout(0.5))

    def step(x: Any) -> Any:
        if not sets:
            return (net(x) ** 2).sum()
        loss = (net.train()(x) ** 2).sum()
        return loss + (net.eval()(x) ** 2).sum()

    does, seen = capture(step) if captured else step, list[Any]()
    for i, (x, _) in enumerate(batches(device, 8)):
        net.train(i not in (5, 7))
        seen += [does(x).item(), net[2].training]
    return seen


def test_replays_set_the_mode_of_modules_as_the_step_does(device):
    assert modes(device, True, True) == pytest.approx(modes(device, False, True), rel=1e-5)


def test_another_mode_of_modules_is_followed_or_refused(device):
    if is_compiled(device):
        assert modes(device, True, False) == pytest.approx(modes(device, False, False), rel=1e-5)
        return
    with pytest.raises(CaptureError, match=r"Sequential had training = True .* has False now"):
        modes(device, True, False)


def test_a_captured_step_inside_of_another_is_a_part_of_it(device):
    w = TensorNode(device.asarray([1.0, 2.0]))
    inner = capture(lambda x: (w * x).sum())

    @capture
    def step(x: Any) -> Any:
        loss = inner(x) ** 2
        loss.backward()
        w.value, w.grad = w.value - 0.1 * w.grad, None
        return loss

    losses = [step(device.asarray([0.5, 0.5])).item() for _ in range(6)]
    assert losses == pytest.approx([2.25 * 0.81**n for n in range(6)], rel=1e-5)
    assert step.is_recorded


def test_without_a_recorder_each_call_runs_the_step():
    calls = []

    @partial(capture, warmup=3)
    def step(x: Any, factor: float = 1.0) -> Any:
        calls.append(x.shape)
        return x * factor

    with use_backend("strict") as strict:
        for n in range(1, 7):  # of any shape
            y = step(strict.asarray(np.ones(n)), factor=float(n))
            assert (strict.to_numpy(y) == np.full(n, n)).all()
    assert calls == [(n,) for n in range(1, 7)]
    assert not step.is_recorded
    assert step.__name__ == "step"


def test_arguments_of_a_library_not_met_so_far(device, monkeypatch):  # noqa: ARG001
    monkeypatch.delitem(BACKEND_OF_TYPE, np.ndarray)
    double = capture(lambda x: x * 2)
    for _ in range(5):
        assert (double(np.ones(3)) == 2).all()
    assert "mul(" in str(double.program)  # NumPy's plan, whatever the default backend


@ON_RECORDS
def test_a_step_on_another_device_too_is_refused(device, monkeypatch):
    from taped import Taped

    places = {}  # by the address of an array
    where = property(lambda x: places.get(x.ctypes.data, "cpu"))
    monkeypatch.setattr(Taped, "device", where, raising=False)
    here, there = (TensorNode(device.asarray(np.ones(3))) for _ in range(2))
    places[there.value.ctypes.data] = "GPU 1"

    @partial(capture, warmup=3)
    def step(x: Any) -> Any:
        return Sum.do_forward(here * x), Sum.do_forward(there * 2.0)

    for _ in range(3):
        step(here.value)
    with pytest.raises(CaptureError, match=r"step computes on GPU 1 too, .* device, here cpu"):
        step(here.value)


def scaled(device: Any, **options: Any) -> tuple[Any, TensorNode, list[int]]:
    """A captured step, its parameter, and a list that its code adds to."""
    p, runs = TensorNode(device.asarray([1.0, 2.0])), []

    def step(x: Any, y: Any = None, factor: float = 1.0) -> Any:  # noqa: ARG001
        runs.append(len(runs))
        loss = Sum.do_forward(p * x * factor)
        loss.backward()
        p.value = p.value - 0.5 * p.grad
        p.zero_grad()
        return {"loss": loss, "p": p.value, "n": 2}

    return capture(step, **options), p, runs


@ON_RECORDS
def test_the_code_runs_while_it_warms_up_and_once_more(device):
    step, p, runs = scaled(device, warmup=2)
    results = [step(device.asarray([k, 1.0])) for k in range(1, 6)]
    assert runs == [0, 1, 2]
    tape = device.tapes[0]
    assert (tape.warm_ups, tape.replays) == (2, 3)
    # What replays give is the caller's own, also after later calls.
    assert [float(r["loss"].value) for r in results] == [3.0, 2.5, -0.5, -7.5, -20.0]
    assert [device.to_numpy(r["p"]).tolist() for r in results[2:4]] == [[-2.0, 0.5], [-4.0, 0.0]]
    assert {r["n"] for r in results} == {2}
    assert isinstance(results[-1]["loss"], TensorNode)
    assert device.to_numpy(p.value).tolist() == [-6.5, -0.5]


@ON_RECORDS
def test_what_changes_between_calls_is_taken_over(device):
    step, p, _ = scaled(device, warmup=1)
    x = device.asarray([1.0, 1.0])
    for _ in range(3):
        step(x)
    p.value = device.asarray([10.0, 20.0])
    assert float(step(x)["loss"].value) == 30.0
    step.step(x)  # not captured: a batch of another size, for example
    assert float(step(x)["loss"].value) == 28.0
    p.value = device.asarray([1.0, 2.0, 3.0])
    with pytest.raises(CaptureError, match=r"float32 \(2,\) of .*float32 \(3,\)"):
        step(x)


@ON_RECORDS
@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        (([1.0, 1.0, 1.0],), {}, r"step: its argument x is float32 \(3,\) .* was float32 \(2,\)"),
        (([1, 1],), {}, r"argument x is int64 \(2,\) .* was float32 \(2,\)"),
        (([1.0, 1.0],), {"factor": 3.0}, r"argument factor is 3.0, and was missing"),
        (([1.0, 1.0], [1.0]), {}, r"argument y is float32 \(1,\) .* was missing"),
        ((), {"x": [1.0, 1.0]}, r"argument x is missing, and was float32"),
    ],
)
def test_other_arguments(device, args, options, message):
    step, p, _ = scaled(device, warmup=1)
    for _ in range(3):
        step(device.asarray([1.0, 1.0]))
    before = device.to_numpy(p.value)
    arrays = [device.asarray(x) for x in args]
    given = {k: device.asarray(x) if isinstance(x, list) else x for k, x in options.items()}
    with pytest.raises(CaptureError, match=message):
        step(*arrays, **given)
    assert (device.to_numpy(p.value) == before).all()


def test_nodes_are_no_arguments(device):
    step, _, _ = scaled(device, warmup=1)
    step(TensorNode([1.0, 1.0]))
    with pytest.raises(CaptureError, match="argument x is a node; give its value"):
        step(TensorNode([1.0, 1.0]))


@pytest.mark.parametrize("read", [float, bool, int])
def test_a_host_read_says_where_and_leaves_all_as_it_was(device, read):
    net = Net()
    optimizer = optim.Adam(net.parameters())

    def step(x: Any, targets: Any) -> None:
        loss = cross_entropy(net(x), targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        read(loss)  # here

    captured = capture(step, warmup=3)
    for x, targets in batches(device, 3):
        captured(x, targets)
    before = net.state_dict()
    counts = [state["step"] for state in optimizer.state]
    with pytest.raises(CaptureError, match=r"step can't be captured: .*test_capture.py, line") as e:
        captured(x, targets)
    line = int(str(e.value).partition("line ")[2].partition(")")[0])
    assert "# here" in Path(__file__).read_text("utf-8").splitlines()[line - 1]
    for name, value in net.state_dict().items():
        assert (device.to_numpy(value) == device.to_numpy(before[name])).all(), name
    assert [state["step"] for state in optimizer.state] == counts
    step_again = [step(x, targets) for x, targets in batches(device, 1)]
    assert step_again == [None]


def test_an_error_of_the_steps_own_says_nothing_of_reading_on_the_host(device):
    w = TensorNode(device.asarray([[1.0, 2.0]] * 3))

    def step(x: Any) -> Any:
        return MatrixMultiply.do_forward(x[:, :2] if fails else x, w)  # here

    captured, fails = capture(step, warmup=1), False
    x = device.asarray([[1.0, 2.0, 3.0]])
    captured(x)
    fails = True
    with pytest.raises(CaptureError) as e:
        captured(x)
    said = str(e.value)
    assert said.startswith("capture: step fails: ValueError: MatrixMultiply: (1, 2) @ (3, 2) does")
    assert "host" not in said
    line = int(said.rpartition("line ")[2].rstrip(")"))
    assert "# here" in Path(__file__).read_text("utf-8").splitlines()[line - 1]
    assert type(e.value.__cause__) is ValueError


def test_a_step_that_fails_leaves_gradients_as_they_were(device):
    p = TensorNode(device.asarray([1.0, 2.0]))

    @partial(capture, warmup=3)
    def step(x: Any) -> float:
        p.zero_grad()
        Sum.do_forward(p * x).backward()
        return float(p.grad[0])

    for k in range(3):
        step(device.asarray([k, 1.0]))
    with pytest.raises(CaptureError, match=r"can't be read|Abstract tracer value"):
        step(device.asarray([7.0, 1.0]))
    assert device.to_numpy(p.grad).tolist() == [2.0, 1.0]


@pytest.mark.parametrize("schedule", [None, "inside"])
def test_a_step_that_falls_back_loses_no_step_and_does_none_twice(device, schedule):
    """The code of a step that fails runs once more: values, optimizers, schedules and random
    numbers must be as they were."""

    def run(wrap: Callable[[Any], Any]) -> tuple[Any, ...]:
        manual_seed(1)
        net = Net()
        optimizer = optim.Adam(net.parameters(), lr=0.01)
        falling = optim.ExponentialLR(optimizer, 0.5) if schedule else None

        def step(x: Any, targets: Any) -> Any:
            loss = cross_entropy(net(x), targets)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            if falling:
                falling.step()
            float(loss)
            return loss.value

        does = wrap(step)
        losses = [float(does(x, targets)) for x, targets in batches(device, 6)]
        state = {name: device.to_numpy(x) for name, x in net.state_dict().items()}
        steps = {memory["step"] for memory in optimizer.state}
        return losses, state, steps, optimizer.lr, gradcore.random.get_state()

    said: list[str] = []
    eager, fallen = run(lambda step: step), run(lambda step: capture(step, fallback=said.append))
    assert_same(eager, fallen)
    assert eager[2:] == fallen[2:]
    (why,) = said
    assert re.fullmatch(
        r"step runs without capture: .*(, and .*can't be read|traced array with shape float32\[\]) "
        r"\(.*test_capture.py, line \d+\)",
        why,
    )


@ON_RECORDS
def test_with_a_fallback_the_record_is_of_what_most_calls_are(device):
    p, runs = TensorNode(device.asarray([0.0])), []

    def step(x: Any) -> None:
        runs.append(x.shape[0])
        p.value = p.value + x.sum()

    does, said = capture(step, warmup=2, fallback=runs.append), [3, 3, 1] * 3
    for size in said:  # the fourth call would be the record's, and the next the small batch
        does(device.asarray([1.0] * size))
    assert does.is_recorded
    assert runs == [3, 3, 1, 3, 1, 1]
    assert device.to_numpy(p.value).tolist() == [21.0]


def test_what_replays_cannot_follow_is_done_by_the_step(device):
    p, said = TensorNode(device.asarray([4.0])), list[str]()
    optimizer = optim.SGD([p], lr=1.0)

    def step(x: Any) -> None:
        (p * x).sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    does = capture(step, warmup=1, fallback=said.append)
    for decay in (0.0, 0.0, 0.0, 0.5, 0.5):
        optimizer.settings["weight_decay"] = decay
        does(device.asarray([1.0]))
    assert device.to_numpy(p.value).tolist() == [-1.25]
    assert does.is_recorded == is_compiled(device)
    assert len(said) == (not is_compiled(device))
    assert all("SGD's weight_decay changed from 0.0 to 0.5" in why for why in said)


@ON_RECORDS
def test_a_recorder_that_cannot_be_made_is_a_reason(device, monkeypatch):
    def fails(self: Any, device: Any = None) -> Any:  # noqa: ARG001
        raise OSError("no libcublas")

    monkeypatch.setattr(type(device), "recorder", fails)
    said: list[str] = []
    does = capture(lambda x: x * 2, fallback=said.append)
    assert float(does(device.asarray(1.0))) == float(does(device.asarray(1.0))) == 2.0
    assert said == ["<lambda> runs without capture: no libcublas"]
    with pytest.raises(CaptureError, match="capture: no libcublas"):
        capture(lambda x: x)(device.asarray(1.0))


def test_a_record_ends_with_the_function(device):
    """Its memory, on a GPU that of a graph, is free for the next run."""
    gc.disable()
    try:
        step, _, _ = scaled(device, warmup=1)
        for _ in range(3):
            step(device.asarray([1.0, 1.0]))
        record = weakref.ref(step._steps[0])
        del step
        assert record() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_pauses_while_a_step_is_recorded(device, enabled):
    found = []
    step = capture(lambda _: found.append(gc.isenabled()), warmup=1)
    was_enabled = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        for _ in range(3):
            step(device.asarray([1.0]))
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was_enabled else gc.disable)()
    assert found[0] is enabled
    assert not any(found[1:])


@ON_RECORDS
def test_arrays_can_not_be_brought_to_the_device(device):
    if device.name == "jax":
        pytest.skip("JAX makes constants of them, as docs/how-to/capture.md says")

    @partial(capture, warmup=3)
    def step(x: Any) -> Any:
        return x * device.asarray([1.0, 2.0])

    for _ in range(3):
        step(device.asarray([1.0, 1.0]))
    with pytest.raises(CaptureError, match="nothing can be copied to it"):
        step(device.asarray([1.0, 1.0]))


def test_state_that_begins_in_the_captured_step(device):
    p = TensorNode([1.0])
    optimizer = optim.Adam([p])
    calls = []

    @partial(capture, warmup=3)
    def step(x: Any) -> None:
        calls.append(1)
        Sum.do_forward(p * x).backward()
        if len(calls) > 3:
            optimizer.step()

    for _ in range(3):
        step(device.asarray([1.0]))
    with pytest.raises(CaptureError, match="mean begins in the step being captured"):
        step(device.asarray([1.0]))
    assert optimizer.state == [{}]


@pytest.mark.parametrize("where", ["before", "after", "outside", "never"])
def test_gradients(device, where):
    """Set to zero at any place, or added up over the steps."""

    def run(captured: bool) -> list[Any]:
        p = TensorNode(device.asarray([1.0, 2.0]))

        def step(x: Any) -> Any:
            if where == "before":
                p.zero_grad()
            loss = Sum.do_forward(p * p * x)
            loss.backward()
            total = p.grad + 0.0
            if where == "after":
                p.zero_grad()
            return total

        does = capture(step, warmup=2) if captured else step
        results = []
        for k in range(6):
            results += [device.to_numpy(does(device.asarray([1.0 + k, 2.0]))).tolist()]
            results += [device.to_numpy(p.grad).tolist()]
            if where == "outside":
                p.zero_grad()
            if where == "never" and k == 4:
                p.zero_grad()
        return results

    assert run(True) == run(False)


@ON_RECORDS
def test_a_gradient_that_was_not_there(device):
    step, p, _ = scaled(device, warmup=1)
    for _ in range(3):
        step(device.asarray([1.0, 1.0]))
    p.grad = device.asarray([1.0, 1.0])
    with pytest.raises(CaptureError, match="has a gradient before the step, and had none"):
        step(device.asarray([1.0, 1.0]))


def test_an_optimizer_loaded_in_between(device):
    p = TensorNode(device.asarray([1.0, 2.0]))
    optimizer = optim.Adam([p], lr=0.1)

    def step(x: Any) -> None:
        Sum.do_forward(p * x).backward()
        optimizer.step()
        optimizer.zero_grad()

    captured = capture(step, warmup=3)
    x = device.asarray([1.0, -1.0])
    for _ in range(4):
        captured(x)
    state, value = optimizer.state_dict(), device.to_numpy(p.value)
    captured(x)
    expected = device.to_numpy(p.value)
    for _ in range(3):
        captured(device.asarray([5.0, 5.0]))
    optimizer.load_state_dict(state)
    p.value = device.asarray(value)
    captured(x)
    np.testing.assert_allclose(device.to_numpy(p.value), expected, rtol=1e-6)
    assert optimizer.state[0]["step"] == 5


def test_counts_that_differ_otherwise_than_before(device):
    """What follows from a count is shared by the parameters that have it."""

    def run(captured: bool) -> Any:
        manual_seed(0)
        net, losses = Net(), list[float]()
        optimizer = optim.Adam(net.parameters())

        def step(x: Any, targets: Any) -> Any:
            loss = cross_entropy(net(x), targets)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return loss

        does = capture(step, warmup=3) if captured else step
        for x, targets in batches(device, 5):
            does(x, targets)
        for state in optimizer.state:
            state["step"] += 7
        losses.append(does(x, targets).item())
        optimizer.state[1]["step"] += 1
        losses.append(does(x, targets).item())
        return losses, {name: device.to_numpy(x) for name, x in net.state_dict().items()}

    if is_compiled(device):
        assert_same(run(False), run(True))
    else:
        with pytest.raises(CaptureError, match="how Adam's counts differ changed"):
            run(True)


def test_a_node_that_no_op_sees_is_kept(device):
    """An average of the weights, as users write it."""
    p, average = TensorNode(device.asarray([1.0])), TensorNode(device.asarray([1.0]))

    def step(x: Any) -> None:
        p.value = p.value + x
        average.value = 0.5 * average.value + 0.5 * p.value

    captured = capture(step, warmup=1)
    for _ in range(5):
        captured(device.asarray([1.0]))
    assert device.to_numpy(p.value).tolist() == [6.0]
    assert device.to_numpy(average.value).tolist() == [5.03125]


def test_views_are_written_to_in_the_step_and_afterwards(device):
    def run(captured: bool) -> list[Any]:
        state = TensorNode(device.asarray([[1.0, 2.0], [3.0, 4.0]]), requires_grad=False)
        row = state[0]

        def step(x: Any) -> Any:
            with no_grad():
                row[...] = row * 0.5 + x
                state[1][1:] = row[:1]
                return state * 1.0

        does = capture(step, warmup=1) if captured else step
        results = [device.to_numpy(does(device.asarray([float(k)])).value) for k in range(5)]
        row[0] = 9.0
        return [x.tolist() for x in (*results, *map(device.to_numpy, (state.value, row.value)))]

    assert run(True) == run(False)


def test_values_that_change_places(device):
    def number(x: Any) -> float:
        return device.to_numpy(x).item()

    def run(captured: bool) -> list[Any]:
        a, b, last = (TensorNode(device.asarray([k])) for k in (1.0, 2.0, 3.0))

        def step(x: Any) -> Any:
            before = a.value
            last.value = a.value
            a.value, b.value = b.value, a.value + x
            return before, b

        does = capture(step, warmup=1) if captured else step
        results = []
        for k in range(6):
            before, node = does(device.asarray([float(k)]))
            results += (
                [number(x) for x in (a.value, b.value, last.value, before, node.value)] if k else []
            )
        return results

    assert run(True) == run(False)


def test_several_updates_in_one_step(device):
    def run(captured: bool) -> Any:
        p = TensorNode(device.asarray([1.0, 2.0]))
        optimizer = optim.Adam([p], lr=0.1)
        schedule = optim.StepLR(optimizer, 1, 0.8)

        def step(x: Any) -> None:
            for _ in range(2):
                Sum.do_forward(p * p * x).backward()
                optimizer.step()
                optimizer.zero_grad()
                schedule.step()

        does = capture(step, warmup=3) if captured else step
        for k in range(6):
            does(device.asarray([1.0, float(k)]))
        memory = optimizer.state[0]
        return [device.to_numpy(x).tolist() for x in (p.value, memory["mean"])], memory["step"]

    (values, steps), (expected, count) = run(True), run(False)
    assert steps == count == 12
    np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_masks_of_a_checkpoint_are_the_same_again(device):
    def run(captured: bool) -> list[list[float]]:
        manual_seed(2)
        p = TensorNode(device.asarray(np.ones(20, np.float32)))

        def step(x: Any) -> Any:
            y = checkpoint(lambda p: dropout(p * x, 0.5))(p)
            Sum.do_forward(y).backward()
            gradient = p.grad
            p.zero_grad()
            return {"y": y.value, "gradient": gradient}

        does, x = capture(step) if captured else step, device.asarray([1.0])
        results = [does(x) for _ in range(6)]
        for result in results:
            same = (device.to_numpy(result[k]) != 0 for k in ("y", "gradient"))
            assert np.array_equal(*same)
        return [device.to_numpy(result["y"]).tolist() for result in results]

    assert run(True) == run(False)


def test_warmup_is_at_least_one():
    with pytest.raises(ValueError, match="warmup = 0, expected at least 1"):
        capture(lambda: None, warmup=0)


@ON_RECORDS
def test_the_tape_is_a_stand_in(device):
    """While it records nothing is done, and numbers are fixed: what the tests above rely on."""
    x, tape, factor = device.asarray([1.0, 2.0]), Tape(), 3.0
    with tape.record():
        x[...] = x * factor
        y = device.xp.sum(x)
    assert device.to_numpy(x).tolist() == [1.0, 2.0]
    factor = 5.0
    for _ in range(2):
        tape.replay()
    assert device.to_numpy(x).tolist() == [9.0, 18.0]
    assert float(y) == 27.0


def test_capture_is_in_the_package():
    assert gradcore.capture is capture


@pytest.mark.parametrize("page", ["how-to/capture.md", "explanation/which-backend.md"])
def test_what_the_pages_say_runs_where_steps_are_recorded(monkeypatch, capsys, page):
    register(monkeypatch)
    page = Path(__file__).parents[2] / "docs" / page
    names: dict[str, Any] = {}
    with use_backend("taped"):
        first, *others = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
        exec(first, names)
        assert names["step"].is_recorded
        for block in others:
            exec(block, names)
    assert capsys.readouterr().out == "True\n"  # replays train as well as steps do


# -- CUDA graphs, with what they ask CuPy for -----------------------------------------------------


class Cuda:
    """CuPy's streams, graphs and memory as a list of what they were asked for."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    def said(self, *what: Any) -> Any:
        self.log.append(what if len(what) > 1 else what[0])
        return SimpleNamespace(launch=lambda: self.said("launch"), record=lambda: "event")

    @contextmanager
    def inside(self, what: str) -> Iterator[None]:
        self.log.append(f"{what} {{")
        yield
        self.log.append("}")

    def pool(self, allocate: Any) -> Any:
        self.allocate, self.limits = allocate, []
        return SimpleNamespace(malloc="the pool's", set_limit=lambda size: self.limits.append(size))

    def memory(self, size: int) -> str:
        if size > 100:
            raise ArithmeticError("cudaErrorMemoryAllocation: out of memory")
        return f"{size} bytes"

    def stream(self, name: str) -> Any:
        cuda = self

        class Stream:
            def __enter__(self) -> None:
                cuda.said(f"{name} {{")

            def __exit__(self, *error: Any) -> None:
                cuda.said("}")

            def record(self) -> str:
                cuda.said(f"{name}.record")
                return f"of {name}"

            def wait_event(self, event: str) -> None:
                cuda.said(f"{name}.wait {event}")

            def begin_capture(self) -> None:
                cuda.said("begin")

            def end_capture(self) -> Any:
                return cuda.said("end")

        return Stream()


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    recorder = cupy_on_cpu.module("recorder")
    log = Cuda()
    names = iter(["side", "other", "third"])
    current = log.stream("main")
    fake = SimpleNamespace(
        cuda=SimpleNamespace(
            Device=lambda device: nullcontext(SimpleNamespace(id=device)),
            Stream=lambda non_blocking: log.stream(next(names)) if non_blocking else None,
            MemoryPool=log.pool,
            get_allocator=lambda: "others'",
            using_allocator=lambda malloc: log.inside(f"memory {malloc}"),
            get_current_stream=lambda: current,
            Memory=log.memory,
            MemoryPointer=lambda memory, offset: (memory, offset),
            runtime=SimpleNamespace(CUDARuntimeError=ArithmeticError),
        ),
        get_default_memory_pool=lambda: SimpleNamespace(free_all_blocks=lambda: log.said("free")),
    )
    monkeypatch.setattr(recorder, "cupy", fake)
    cublas = SimpleNamespace(active=lambda: log.inside("cublas"), check=lambda: None)
    monkeypatch.setattr(recorder, "Cublas", lambda _: cublas)
    log.recorder = recorder.CupyRecorder(0)
    log.log.clear()
    log.fake = fake
    return log


def test_a_graph_is_recorded_on_a_stream_with_memory_of_its_own(cuda):
    with cuda.recorder.record():
        cuda.said("work")
    inside = ["side {", "memory the pool's {", "cublas {", "free", "begin", "work", "end"]
    assert cuda.log == [*inside, *["}"] * 3]
    cuda.log.clear()
    cuda.recorder.replay()
    assert cuda.log == ["launch"]


def test_a_recording_that_fails_ends(cuda):
    with pytest.raises(KeyboardInterrupt), cuda.recorder.record():
        raise KeyboardInterrupt
    assert cuda.log[4:6] == ["begin", "end"]


def test_a_graphs_pool_never_frees_what_it_has(cuda):
    """As CuPy's do at a limit, and at CUDA's own error that there is no memory."""
    assert cuda.limits == [0]
    assert cuda.allocate(100) == ("100 bytes", 0)
    with pytest.raises(MemoryError, match=r"no room for the graph's memory: .*out of memory"):
        cuda.allocate(101)


def test_an_index_that_a_replay_found_out_of_range_is_told_by_the_next(cuda, monkeypatch):
    indexing = cupy_on_cpu.module("indexing")
    with cuda.recorder.record():
        pass
    cuda.recorder.replay()
    errors = object.__new__(indexing.IndexErrors)
    errors.host = np.array([1, 9])  # as the device writes
    errors.checks = {("Loss: targets", 5, 0): 1}
    monkeypatch.setitem(indexing.INDEX_ERRORS, 0, errors)
    with pytest.raises(IndexError, match="Loss: targets: 9 is out of range; expected 0 to 4"):
        cuda.recorder.replay()
    cuda.recorder.replay()
    assert cuda.log.count("launch") == 2


def test_streams_wait_for_each_other_around_the_warm_up(cuda):
    with pytest.raises(ZeroDivisionError), cuda.recorder.warm_up():
        1 / 0  # noqa: B018
    assert cuda.log[:2] == ["main.record", "side.wait of main"]
    assert cuda.log[-2:] == ["side.record", "main.wait of side"]


def test_the_next_batch_is_copied_before_this_one_is_used(cuda, monkeypatch):
    backend = cupy_on_cpu.module("backend")
    monkeypatch.setattr(backend, "cupy", cuda.fake)
    gpu = backend.CupyBackend()
    monkeypatch.setattr(gpu, "asarray", lambda x: cuda.said("copy", x) and x)
    seen = []
    for batch in gpu.copies(iter([(1, 2), (3, 4), (5, 6)])):
        cuda.said("use", *batch)
        seen.append(batch)
    assert seen == [(1, 2), (3, 4), (5, 6)]
    words = [w for w in cuda.log if isinstance(w, tuple) or ".wait" in w]
    assert words == [
        "other.wait of main", ("copy", 1), ("copy", 2),
        "other.wait of main", ("copy", 3), ("copy", 4), "main.wait of other", ("use", 1, 2),
        "other.wait of main", ("copy", 5), ("copy", 6), "main.wait of other", ("use", 3, 4),
        "main.wait of other", ("use", 5, 6),
    ]  # fmt: skip
    # Between GPUs CuPy sees to the order itself.
    monkeypatch.setattr(gpu, "array_types", (int,))
    cuda.log.clear()
    assert list(gpu.copies([(7, 8)])) == [(7, 8)]
    assert cuda.log == [("copy", 7), ("copy", 8)]


GENERATORS: dict[str, Any] = {
    "np.random": np.random,
    "Python's random": random,
    "a numpy.random": np.random.default_rng(0),
    "a random": random.Random(0),
    "gradcore.random.generator": gradcore.random.generator,
}


@pytest.mark.parametrize("name", GENERATORS)
def test_numbers_that_replays_would_not_draw_are_refused(device, name):
    """Also where all calls of the step draw alike, as of a coin."""
    generator = GENERATORS[name]

    def step(x: Any) -> Any:
        drawn = generator() if callable(generator) else generator
        return x * 2.0 if drawn.random() < 2.0 else x

    captured = capture(step, warmup=1)
    captured(device.asarray([1.0]))
    np.random.seed(0)
    random.seed(0)
    with pytest.raises(CaptureError, match=f"step draws from {name}"):
        captured(device.asarray([1.0]))
    state = random.Random(0).getstate(), np.random.RandomState(0).random_sample()
    assert (random.getstate(), np.random.random_sample()) == state


def test_a_result_that_is_no_array_and_changes_is_refused():
    calls: list[Any] = []

    @capture
    def step(x: Any) -> Any:
        calls.append(x)
        return {"loss": x * 2.0, "calls": len(calls)}

    step(np.ones(2))
    with pytest.raises(CaptureError, match=r"result\['calls'\] of step is 2 and then 3"):
        step(np.ones(2))


def test_a_step_that_updates_in_every_second_call_is_refused(device):
    """Each run of its code asks for other numbers than the one before."""
    w, calls = TensorNode(device.asarray([1.0])), []
    optimizer = optim.SGD([w], 0.1)

    def step(x: Any) -> None:
        (w * x).sum().backward()
        calls.append(0)
        if len(calls) % 2 == 0:
            optimizer.step()

    captured, x = capture(step, warmup=2), device.asarray([1.0])
    captured(x)
    captured(x)
    with pytest.raises(CaptureError, match="step reads other learning rates or counts each time"):
        captured(x)


def test_a_constant_result_that_changes_its_type_is_refused():
    @capture
    def step(x: Any) -> Any:
        try:
            return float(x.sum())
        except RuntimeError:
            return -1

    step(np.ones(2))
    with pytest.raises(CaptureError, match=r"result of step is -1 and then 2.0"):
        step(np.ones(2))
