"""Captured steps on NumPy: plans. What captured steps have in common is tested in tests/replay/."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore import CaptureError, TensorNode, capture, manual_seed, nn, optim
from gradcore.graph import gradients


def images(n: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 3, 12, 12)).astype("float32"), rng.integers(0, 4, n)


class Recurrent(nn.Module):
    """An LSTM over the rows of images, and attention over what it gives."""

    def __init__(self) -> None:
        self.lstm = nn.LSTM(36, 8, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.last = nn.Linear(8, 4)

    def forward(self, x: Any) -> TensorNode:
        rows = gradcore.reshape(x, (len(x), 12, 36))
        y, _ = self.lstm(rows)
        y, _ = self.attention(y, y, y)
        return self.last(gradcore.mean(y, axis=1))


NETWORKS: dict[str, Callable[[], Any]] = {
    "convolutions": lambda: nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.Dropout(0.2), nn.Flatten(), nn.Linear(216, 4),
    ),
    "layer-norm": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(432, 16), nn.LayerNorm(16), nn.GELU(), nn.Linear(16, 4)
    ),
    "recurrent": Recurrent,
}  # fmt: skip
OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda p: optim.SGD(p, 0.05, momentum=0.9, weight_decay=0.01),
    "adamw": lambda p: optim.AdamW(p, 0.01),
}


def trained(network: str, optimizer: str, captured: bool) -> list[bytes]:
    """The losses and, at the end, the parameters, to the last bit."""
    manual_seed(3)
    model = NETWORKS[network]()
    updates = OPTIMIZERS[optimizer](model.parameters())
    schedule = optim.CosineAnnealingLR(updates, 10)

    def step(x: Any, targets: Any) -> Any:
        loss = gradcore.cross_entropy(model(x), targets, label_smoothing=0.1)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        updates.step()
        updates.zero_grad()
        schedule.step()
        return loss

    does = capture(step) if captured else step
    x, targets = images()
    losses = [does(np.roll(x, i, 0), np.roll(targets, i)).value for i in range(7)]
    assert not captured or "def step(" in str(does.program)
    return [value.tobytes() for value in (*losses, *[p.value for p in model.parameters()])]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("network", NETWORKS)
def test_replays_give_the_bits_of_the_step(network, optimizer):
    assert trained(network, optimizer, True) == trained(network, optimizer, False)


def test_a_pass_may_start_from_an_array_from_outside():
    w, x, go = np.random.default_rng(1).normal(size=(3, 3, 3))

    def step(x: Any) -> Any:
        node = TensorNode(x)
        return gradients([(-(node @ w @ node), go)], [node])

    does = capture(step)
    for _ in range(3):
        np.testing.assert_array_equal(does(x), step(x))
        go += 1.0  # and is read where it is


def scaled() -> tuple[Any, TensorNode]:
    w = TensorNode(np.ones(3, "float32"))

    @capture
    def step(x: Any) -> Any:
        loss = gradcore.sum(w * x)
        loss.backward()
        w.value -= np.float32(0.5) * w.grad
        w.zero_grad()
        return loss

    return step, w


def test_a_plan_is_read_as_python():
    step, _ = scaled()
    for _ in range(2):
        step(np.ones(3, "float32"))
    lines = str(step.program).splitlines()
    assert lines[0] == "def step(state, numbers, inputs):"
    assert any(line.split("#")[0].strip().startswith("x2 = multiply(x0, x1)") for line in lines)
    assert lines[-1].startswith("    return [x0], [x")


def test_values_that_somebody_holds_stay_and_others_are_written_to():
    step, w = scaled()
    x = np.ones(3, "float32")
    for _ in range(3):
        step(x)
    place = w.value.ctypes.data
    step(x)
    assert w.value.ctypes.data == place
    held = w.value
    before = held.copy()
    step(x)
    np.testing.assert_array_equal(held, before)
    assert w.value.ctypes.data != place


def test_results_do_not_share_memory_with_later_ones():
    step, _ = scaled()
    losses = [step(np.full(3, k, "float32")).value for k in range(5)]
    expected, now = [], np.ones(3, "float32")
    for k in range(5):
        expected.append(float((now * k).sum()))
        now -= 0.5 * k
    assert [float(loss) for loss in losses] == expected


def test_results_of_replays_are_arrays_of_their_own():
    """Arguments, values of nodes, and parts of either or of other results: who writes into one of
    the results changes nothing else."""
    w = TensorNode(np.ones(3, "float32"))

    @capture
    def step(x: Any) -> Any:
        w.value = w.value + x
        doubled = x * 2.0
        return x, x[1:], w.value, w.value[1:], doubled, doubled[:1]

    for k in range(5):
        x = np.full(3, k, "float32")
        results = step(x)
        for i, result in enumerate(results if k else ()):  # the first call runs the step as it is
            others = [x, w.value, *results[:i], *results[i + 1 :]]
            before = [y.copy() for y in others]
            result += 100.0
            for y, z in zip(before, others, strict=True):
                np.testing.assert_array_equal(y, z)


def test_other_orders_in_memory_give_the_same():
    w = TensorNode(np.arange(12.0).reshape(3, 4))

    def step(x: Any) -> Any:
        y = gradcore.reshape(w * x, (-1,)) * 2.0  # of one order a view, of the other a copy
        gradcore.sum(y * y).backward()
        w.value -= 0.01 * w.grad
        w.zero_grad()
        return y

    captured = capture(step)
    x = np.random.default_rng(0).normal(size=(3, 4))
    wide = np.zeros((6, 8))
    wide[::2, ::2] = x
    for given in (x, x, np.asfortranarray(x), wide[::2, ::2], x[::-1][::-1], x):
        before = w.value.copy()
        found, after = captured(given).value, w.value
        w.value = before
        expected = step(given).value
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(after, w.value)


def test_functions_of_numpy_in_a_step_are_replayed():
    @capture
    def step(x: Any) -> Any:
        return np.where(x > 0, np.clip(x, 0.5, 2.0), x.mean(axis=0)), np.add(x, 1.0)[::-1].copy()

    for k in range(4):
        x = np.linspace(-k, k, 6).reshape(3, 2)
        y, z = step(x)
        np.testing.assert_array_equal(y, np.where(x > 0, np.clip(x, 0.5, 2.0), x.mean(axis=0)))
        np.testing.assert_array_equal(z, (x + 1.0)[::-1])


def test_arrays_from_outside_are_read_where_they_are():
    outside = np.ones(3)

    @capture
    def step(x: Any) -> Any:
        return x * outside + TensorNode(outside).exp()

    for k in range(4):
        outside[...] = k
        np.testing.assert_array_equal(step(np.ones(3)).value, k + np.exp(np.full(3, float(k))))


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a read": (lambda x: x * float(x.sum()), "can't be read"),
    "a branch": (lambda x: x if x[0] > 0 else -x, "can't be read"),
    "a mask": (lambda x: x[x > 0], r"x\[mask\] gives an array whose shape depends"),
    "a search": (lambda x: np.nonzero(x)[0], "nonzero gives an array whose shape depends"),
    "a copy": (lambda x: np.copyto(x, 0.0), "it would write into an array that"),
    "random numbers": (lambda x: x * np.random.default_rng().random(), "changes outside of it"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_plan_cannot_replay_is_refused(what):
    function, message = REFUSED[what]
    step = capture(function)
    step(np.array([1.0, -2.0, 3.0]))
    with pytest.raises(CaptureError, match=message) as caught:
        step(np.array([1.0, -2.0, 3.0]))
    assert "test_plan.py, line" in str(caught.value) or what == "random numbers"


def test_what_changes_outside_is_found_as_the_plan_is_tried():
    calls = []

    @capture
    def step(x: Any) -> Any:
        calls.append(x)
        return x * float(len(calls))

    step(np.ones(2))
    with pytest.raises(CaptureError, match=r"its results \(float64 \(2,\)\).* give that as an arg"):
        step(np.ones(2))


def test_an_array_from_outside_is_not_written_to():
    total = np.zeros(2)

    @capture
    def step(x: Any) -> Any:
        np.add(total, x, out=total)

    step(np.ones(2))
    with pytest.raises(CaptureError, match="it would write into an array that is neither"):
        step(np.ones(2))


def test_after_a_label_out_of_range_training_goes_on_as_without_capture():
    def trained(captured: bool) -> Any:
        manual_seed(0)
        model = nn.Linear(3, 2)
        optimizer = optim.Adam(model.parameters(), 0.1)
        schedule = optim.ExponentialLR(optimizer, 0.5)

        def step(x: Any, targets: Any) -> Any:
            gradcore.cross_entropy(model(x), targets).backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()

        does = capture(step) if captured else step
        x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
        for k in range(6):
            targets = np.array([0, 1, 1, 7 if k == 3 else 0])
            if k == 3:
                with pytest.raises(IndexError, match="7 is out of range"):
                    does(x, targets)
            else:
                does(x, targets)
        return model.w.value.tolist(), optimizer.state[0]["step"], optimizer.lr

    assert trained(True) == trained(False)


def test_a_replay_takes_no_more_memory_than_the_step():
    w = TensorNode(np.ones((1000, 100)))

    def step(x: Any) -> Any:
        y = w * x
        for _ in range(6):
            y = gradcore.exp(y * 0.1)
        loss = gradcore.sum(y)
        loss.backward()
        w.zero_grad()
        return loss

    captured, x = capture(step), np.ones((1000, 100))
    peaks = []
    for does in (step, captured):
        for _ in range(3):
            does(x)
        tracemalloc.start()
        does(x)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.01 * peaks[0]


def test_an_object_may_keep_what_it_makes_in_the_first_plan():
    """As `data.Augment` keeps its mean."""
    kept: dict[type, Any] = {}

    @capture
    def step(x: Any) -> Any:
        if type(x) not in kept:
            kept[type(x)] = gradcore.namespace(x).asarray([1.0, 2.0])
        return x + kept[type(x)]

    for shape in ((3, 2), (3, 2), (4, 2), (4, 2)):  # a plan for each shape
        np.testing.assert_array_equal(step(np.zeros(shape)), np.broadcast_to([1.0, 2.0], shape))


FOLLOWED: dict[str, Callable[[Any, Any], Any]] = {  # of x and an array made of it
    "clip into y": lambda _, y: np.clip(y, 0.0, 2.5, out=y),
    "clip into y by position": lambda _, y: np.clip(y, 0.0, 2.5, y),
    "clip into y as a method": lambda _, y: y.clip(0.0, 2.5, out=y),
    "nan_to_num": lambda _, y: np.nan_to_num(y, copy=False),
    "add.at": lambda x, y: np.add.at(y, [0, 0], x[:2]),
    "copyto": lambda x, y: np.copyto(y, x[::-1], where=y > 2.0),
    "booleans, of which there are two": lambda x, y: y.__imul__((x[0] > 0) & (x[1] < 2.5)),
}


@pytest.mark.parametrize("what", FOLLOWED)
def test_what_changes_nothing_as_it_is_captured_is_replayed(what):
    def step(x: Any) -> Any:
        y = x * 1.0
        FOLLOWED[what](x, y)
        return y

    captured = capture(step)
    for k in range(6):
        x = np.array([1.0, k / 2 + 0.5, np.nan if k == 5 else 0.25])
        np.testing.assert_array_equal(captured(x), step(x))


def test_numbers_of_numpy_round_as_in_the_step():
    def step(x: Any) -> Any:
        loss = gradcore.mean(TensorNode(x) ** 2) ** 0.5  # of an array a square root
        return loss, x.mean() ** 0.5

    captured = capture(step)
    for k in range(40):
        x = 0.37 * abs(np.random.default_rng(k).normal(size=5))
        (loss, mean), (expected, expected_mean) = captured(x), step(x)
        assert (loss.item(), mean) == (expected.item(), expected_mean)
        assert type(mean) is np.float64


def test_a_write_that_is_refused_is_not_done():
    total = np.zeros(2)

    @capture
    def step(x: Any) -> Any:
        node = TensorNode(total)
        node.value += x

    step(np.ones(2))
    with pytest.raises(CaptureError, match="it would write into an array that is neither"):
        step(np.ones(2))
    assert total.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("other", ["a node", "a variable"])
def test_an_assignment_into_memory_that_another_array_has_is_refused(other):
    given = np.zeros(3)
    w, view = (
        TensorNode(given),
        TensorNode(given[:2].copy() if other == "a variable" else given[:2]),
    )

    @capture
    def step(x: Any) -> Any:
        w.value += x
        return (view if other == "a node" else TensorNode(given)) * 2.0

    step(np.ones(3))
    with pytest.raises(CaptureError, match=r"assigns into float64 \(3,\), whose memory another"):
        step(np.ones(3))


def test_inputs_are_changed_only_as_the_step_takes_them():
    step = capture(lambda x: gradcore.linalg.cholesky(TensorNode(x)))
    for k in range(3):
        x = np.diag([2.0, 1.0, 3.0 + k]) + np.diag([1.0, 0.0], 1) + np.diag([1.0, 0.0], -1)
        np.testing.assert_array_equal(step(x).value, np.linalg.cholesky(x))


def test_what_a_step_keeps_says_so_when_it_is_read():
    losses = []

    @capture
    def step(x: Any) -> Any:
        losses.append(TensorNode(x).sum())

    for _ in range(2):
        step(np.ones(2))
    with pytest.raises(RuntimeError, match=r"kept of a step as it was captured.* return it"):
        losses[1].item()


def test_an_argument_in_another_order_than_the_captured_one_is_not_written_to():
    """Of one order `reshape` gives a copy, which the step may change; of the other, a view."""

    @capture
    def step(x: Any) -> Any:
        y = np.reshape(x, (-1,))
        y += 1.0
        return y

    x = np.arange(6.0).reshape(2, 3)
    for _ in range(3):
        step(np.asfortranarray(x))
    np.testing.assert_array_equal(step(x), np.arange(6.0) + 1.0)
    np.testing.assert_array_equal(x, np.arange(6.0).reshape(2, 3))
