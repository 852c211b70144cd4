"""Optimizer states sharded over the ranks: parameters are those of the optimizer without shards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from optimizers import ALL, GOLDEN, TOLERANCE, is_close, parameters

import gradcore
from gradcore import CaptureError, TensorNode, cross_entropy, nn, optim
from gradcore.distributed import Communicator, ShardedOptimizer, world
from gradcore.distributed.threads import run_threads

SETTINGS: dict[Any, dict[str, Any]] = {
    optim.SGD: {"momentum": 0.9, "nesterov": True},
    optim.RMSprop: {"momentum": 0.9, "centered": True},
    optim.Adam: {"amsgrad": True, "weight_decay": 0.1},
    optim.AdamW: {"weight_decay": 0.1},
    optim.Adagrad: {"lr_decay": 0.1},
    optim.ASGD: {"t0": 2.0, "lambd": 0.1},
}
RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(12, 5)), RNG.integers(0, 3, 12)


def network() -> nn.Module:
    """With a parameter of no dimensions, and sizes that 2 and 3 ranks do not divide."""
    gradcore.manual_seed(1)
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))
    model.scale = nn.Parameter(np.array(0.5))
    return model.astype("float64")


def part(x: np.ndarray) -> np.ndarray:
    """This rank's part of a batch."""
    here = world()
    return x.reshape(here.size, -1, *x.shape[1:])[here.rank]


Step = Callable[[Any, Any], None]


def trained(make: Any, size: int = 0, steps: int = 4, step: Step | None = None, **more: Any) -> Any:
    """The parameters of a network after some steps, and its optimizer: on so many ranks with their
    parts of the batch, where all ranks have the same; or with 0 without shards."""

    def train() -> tuple[list[np.ndarray], Any]:
        model = network()
        if size:
            if world().rank:  # rank 0's count
                model[0].w.value = model[0].w.value + 1.0
            optimizer = ShardedOptimizer(model.parameters(), make, **more)
        else:
            optimizer = make(list(model.parameters()))
        for _ in range(steps):
            x, labels = (part(X), part(LABELS)) if size else (X, LABELS)
            optimizer.scaled(cross_entropy(model(x) * model.scale, labels)).backward()
            (step or (lambda optimizer, _: optimizer.step()))(optimizer, model)
            optimizer.zero_grad()
        state = optimizer.state_dict()
        return [np.array(p.value) for p in model.parameters()], state

    if not size:
        return train()
    found = run_threads(size, train)
    for values, _ in found[1:]:
        assert all((x == y).all() for x, y in zip(values, found[0][0], strict=True))
    return found[0]


def assert_same(found: Any, expected: Any, tolerance: float = 1e-13) -> None:
    """Compare what `trained` gives."""
    for x, y in zip(found[0], expected[0], strict=True):
        np.testing.assert_allclose(x, y, tolerance, tolerance)
    assert found[1]["settings"] == expected[1]["settings"]
    for of_one, other in zip(found[1]["state"], expected[1]["state"], strict=True):
        assert of_one.keys() == other.keys()
        for name, x in of_one.items():
            assert np.shape(x) == np.shape(other[name]), name
            np.testing.assert_allclose(x, other[name], tolerance, tolerance)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("size", [2, 3])
def test_training_on_several_ranks_is_training_on_one(kind: Any, size: int) -> None:
    def make(nodes: Any) -> Any:
        return kind(nodes, lr=0.05, **SETTINGS.get(kind, {}))

    # Rprop goes by the signs of gradients alone, and Adamax and others divide by tiny ones.
    assert_same(trained(make, size), trained(make), 1e-11)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_the_same_gradients_give_the_same_bits(backend: Any, dtype: str, kind: Any) -> None:
    """They are averaged already, so that nothing is rounded in another order."""
    settings = SETTINGS.get(kind, {})
    expected = parameters(backend, dtype, GOLDEN["parameters"])
    alone = kind(expected, lr=0.05, **settings)

    def run(optimizer: Any, nodes: list[TensorNode]) -> None:
        for gradients in GOLDEN["gradients"][:5]:
            for p, g in zip(nodes, gradients, strict=True):
                p.grad = backend.asarray(np.asarray(g), dtype)
            optimizer.step()
            optimizer.zero_grad()

    def train() -> list[np.ndarray]:
        nodes = parameters(backend, dtype, GOLDEN["parameters"])
        make = lambda shards: kind(shards, lr=0.05, **settings)  # noqa: E731
        run(ShardedOptimizer(nodes, make, reduction="none"), nodes)
        return [backend.to_numpy(p.value) for p in nodes]

    run(alone, expected)
    for found in run_threads(2, train):
        for p, x in zip(expected, found, strict=True):
            assert is_close(backend, p.value, x, TOLERANCE[dtype])
            if not backend.name.startswith(("jax", "torch", "cupy")) and kind is not optim.Lion:
                assert np.array_equal(backend.to_numpy(p.value), x)


def test_a_rank_keeps_its_part_of_the_states_only() -> None:
    def count(size: int) -> list[int]:
        def train() -> int:
            w, b = TensorNode(np.ones((64, 30))), TensorNode(np.ones(30))
            make = lambda shards: optim.Adam(shards)  # noqa: E731
            optimizer = ShardedOptimizer([w, b], make)
            w.grad, b.grad = np.ones((64, 30)), np.ones(30)
            optimizer.step()
            optimizer.zero_grad()
            assert all(np.shares_memory(s.value, w.value) for s in optimizer.shards[:1])
            memories = optimizer.optimizer.state
            return sum(x.nbytes for m in memories for x in m.values() if not isinstance(x, int))

        return run_threads(size, train)

    whole = 2 * 8 * (64 * 30 + 30)
    assert count(1) == [whole]
    assert count(2) == [whole // 2] * 2
    assert count(4) == [2 * 8 * (64 * 30 // 4 + 8)] * 4  # of 30 elements, each has 8


def test_groups_have_their_settings_and_schedules_change_them() -> None:
    def groups(model: nn.Module) -> list[dict[str, Any]]:
        weights = [(name, p) for name, p in model.named_parameters() if p.ndim == 2]
        others = [(name, p) for name, p in model.named_parameters() if p.ndim != 2]
        return [{"params": others, "lr": 0.2, "weight_decay": 0.0}, {"params": weights}]

    def train(size: int = 0) -> Any:
        model = network()
        make = lambda given: optim.AdamW(given, lr=0.1, weight_decay=0.3)  # noqa: E731
        given = groups(model)
        optimizer = ShardedOptimizer(given, make) if size else make(given)
        schedule = optim.StepLR(optimizer, 2, gamma=0.5)
        for _ in range(5):
            x, labels = (part(X), part(LABELS)) if size else (X, LABELS)
            cross_entropy(model(x) * model.scale, labels).backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
        assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.025]
        assert "param_names" in optimizer.param_groups[0]
        optimizer.lr = 0.5
        return [np.array(p.value) for p in model.parameters()], optimizer.state_dict()

    for found in run_threads(2, lambda: train(2)):
        assert_same(found, train(), 1e-12)


def adamw(nodes: Any) -> Any:
    return optim.AdamW(nodes, lr=0.05)


@pytest.mark.parametrize("order", [2.0, 1.0, np.inf])
def test_gradients_are_clipped_by_their_norm_over_all_ranks(order: float) -> None:
    norms = list[float]()

    def alone(optimizer: Any, model: nn.Module) -> None:
        norms.append(float(nn.utils.clip_grad_norm_(model.parameters(), 0.1, order)))
        optimizer.step()

    make = lambda nodes: optim.SGD(nodes, lr=1.0)  # noqa: E731
    expected = trained(make, step=alone)
    found = list[Any]()

    def step(optimizer: Any, _: nn.Module) -> None:
        found.append((world().rank, float(optimizer.clip_grad_norm_(0.1, order))))
        optimizer.step()

    assert_same(trained(make, 3, step=step), expected)
    for rank in range(3):
        np.testing.assert_allclose([norm for r, norm in found if r == rank], norms, 1e-12)


def test_one_bucket_for_each_parameter_is_the_same() -> None:
    assert_same(trained(adamw, 2, bucket_bytes=1), trained(adamw, 2), 0.0)


def test_a_bucket_takes_about_so_many_bytes() -> None:
    class Counting(Communicator):
        count = 0

        def allgather(self, x: Any) -> Any:
            self.count += 1
            return x

    for size, count in ((1, 3), (1700, 2), (1 << 20, 1)):
        here, nodes = Counting(), [TensorNode(np.ones(100)) for _ in range(3)]
        optimizer = ShardedOptimizer(nodes, adamw, here, bucket_bytes=size)
        for p in nodes:
            p.grad = np.ones(100)
        optimizer.step()
        assert here.count == count


def test_a_parameter_without_a_gradient_stays_unless_another_rank_has_one() -> None:
    def train(size: int) -> list[list[float]]:
        p, q, r = (TensorNode(np.ones(3)) for _ in range(3))
        optimizer: Any = ShardedOptimizer([p, q, r], adamw)
        for _ in range(2):
            p.grad = np.ones(3)
            if world().rank == size - 1:
                q.grad = np.ones(3)
            optimizer.step()
            optimizer.zero_grad()
        steps = [memory.get("step", 0) for memory in optimizer.state_dict()["state"]]
        assert steps == [2, 2, 0]
        return [node.value.tolist() for node in (p, q, r)]

    found = run_threads(2, lambda: train(2))
    assert found[0] == found[1]
    assert found[0][2] == [1.0] * 3  # also of weight decay
    assert run_threads(1, lambda: train(1))[0][0] == found[0][0]


# -- Checkpoints ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "after"), [(2, 3), (3, 0), (0, 2), (2, 2)])
@pytest.mark.parametrize("kind", [optim.NAdam, optim.SGD, optim.Rprop])
def test_training_goes_on_with_another_number_of_ranks(kind: Any, before: int, after: int) -> None:
    def make(nodes: Any) -> Any:
        return kind(nodes, lr=0.05, **SETTINGS.get(kind, {}))

    values, state = trained(make, before, 3)

    def resumed(optimizer: Any, model: nn.Module) -> None:
        if model.training:
            model.eval()
            for p, x in zip(model.parameters(), values, strict=True):
                p.value = x.copy()
            optimizer.load_state_dict(state)
        else:
            optimizer.step()

    assert_same(trained(make, after, 4, step=resumed), trained(make, 0, 6), 1e-11)


def test_a_state_of_pytorch_is_read() -> None:
    alone = trained(adamw, steps=2)
    nodes = list(network().parameters())
    twin = adamw(nodes)
    twin.load_state_dict(alone[1])
    file = twin.torch_state_dict()

    def load() -> Any:
        optimizer = ShardedOptimizer(network().parameters(), adamw)
        optimizer.load_state_dict(file)
        return alone[0], optimizer.state_dict()

    for found in run_threads(2, load):
        assert_same(found, alone, 0.0)


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    state = trained(adamw, steps=2)[1]

    def load() -> None:
        optimizer = ShardedOptimizer(network().parameters(), adamw)
        before = optimizer.state_dict()
        wrong = [dict(memory) for memory in state["state"]]
        wrong[1]["mean"] = np.ones((4, 4))
        message = (
            r"^ShardedOptimizer.load_state_dict: parameter 1: mean has shape \(4, 4\), expected"
        )
        with pytest.raises(ValueError, match=message):
            optimizer.load_state_dict({**state, "state": wrong})
        with pytest.raises(ValueError, match="found 2 parameters, expected 5"):
            optimizer.load_state_dict({**state, "state": wrong[:2]})
        assert_same(([], optimizer.state_dict()), ([], before))

    run_threads(2, load)


# -- Mixed precision ------------------------------------------------------------------------------


def mixed(nodes: Any) -> Any:
    return optim.MixedPrecision(nodes, lambda masters: optim.Adam(masters, lr=0.01), scale=8.0)


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_masters_are_shared_out_and_all_ranks_skip_a_step_that_overflows(reduction: Any) -> None:
    rng = np.random.default_rng(0)
    starts = [rng.normal(size=shape).astype("float32") for shape in ((4, 3), (5,), ())]
    gradients = [[rng.normal(size=x.shape).astype("float16") for x in starts] for _ in range(6)]
    gradients[2][1][4] = np.inf  # in the last shard

    def run(make: Any) -> Any:
        nodes = [TensorNode(x.copy()) for x in starts]
        optimizer = make(nodes)
        scales = []
        for of_step in gradients:
            for p, g in zip(nodes, of_step, strict=True):
                p.grad = g.copy()
            optimizer.step()
            optimizer.zero_grad()
            inside = getattr(optimizer, "optimizer", optimizer)
            scales.append(float(getattr(inside, "scale", optimizer.lr)))
        assert all(p.dtype == np.float16 for p in nodes)
        return [np.array(p.value) for p in nodes], optimizer.state_dict()

    expected = run(mixed)
    assert expected[1]["settings"]["scale"] == 4.0
    make = lambda nodes: ShardedOptimizer(nodes, mixed, reduction=reduction)  # noqa: E731
    for found in run_threads(2, lambda: run(make)):
        assert_same(found, expected, 0.0)


def test_an_overflow_on_one_rank_is_one_of_all() -> None:
    def run() -> tuple[float, list[float]]:
        p = TensorNode(np.ones(4, "float32"))
        optimizer: Any = ShardedOptimizer([p], mixed)
        p.grad = np.full(4, 1.0, "float16")
        if world().rank == 1:
            p.grad[0] = np.nan  # of the shard of rank 0
        optimizer.step()
        return float(optimizer.optimizer.scale), p.value.tolist()

    assert run_threads(2, run) == [(4.0, [1.0] * 4)] * 2


def test_a_state_in_mixed_precision_goes_on_elsewhere() -> None:
    def run(make: Any, state: Any = None) -> Any:
        p = TensorNode(np.linspace(1.0, 2.0, 5, dtype="float32"))
        optimizer = make([p])
        if state is not None:
            optimizer.load_state_dict(state)
        for _ in range(2):
            optimizer.scaled((p.astype("float32") ** 2).sum()).backward()
            optimizer.step()
            optimizer.zero_grad()
        return [np.array(p.value)], optimizer.state_dict()

    shard = lambda nodes: ShardedOptimizer(nodes, mixed)  # noqa: E731
    first, second = run(mixed), run_threads(2, lambda: run(shard))[1]
    assert_same(second, first, 0.0)
    expected = run(mixed, first[1])
    assert_same(run(mixed, second[1]), expected, 0.0)
    assert_same(run_threads(3, lambda: run(shard, first[1]))[2], expected, 0.0)


def test_masters_gradients_are_clipped_in_a_hook() -> None:
    def run(is_sharded: bool) -> Any:
        p = TensorNode(np.linspace(1.0, 2.0, 5, dtype="float32"))
        optimizer: Any = ShardedOptimizer([p], mixed) if is_sharded else mixed([p])
        inner = optimizer.optimizer if is_sharded else optimizer

        def clip(*_: Any) -> None:
            if is_sharded:
                optimizer.clip_grad_norm_(0.5)
            else:
                nn.utils.clip_grad_norm_(inner.masters, 0.5)

        optimizer.scaled((p.astype("float32") ** 2).sum()).backward()
        if is_sharded:
            with pytest.raises(ValueError, match="masters have no gradients yet"):
                optimizer.clip_grad_norm_(0.5)
        inner.optimizer.register_step_pre_hook(clip)
        optimizer.step()
        return [np.array(p.value)], optimizer.state_dict()

    for found in run_threads(2, lambda: run(True)):
        assert_same(found, run(False), 1e-6)


# -- On backends, and what is refused ------------------------------------------------------------


def test_it_runs_on_each_backend(backend: Any, dtype: str) -> None:
    def train() -> list[np.ndarray]:
        p, q = (TensorNode(backend.asarray(np.ones(s), dtype)) for s in ((3, 2), (5,)))
        make = lambda shards: optim.AdamW(shards, lr=0.1)  # noqa: E731
        optimizer = ShardedOptimizer([p, q], make)
        for _ in range(2):
            loss = (p * p).sum() * (world().rank + 1.0) + (q * q * q).sum()
            loss.backward()
            optimizer.clip_grad_norm_(1.0)
            optimizer.step()
            optimizer.zero_grad()
        assert type(p.value) is type(backend.asarray(np.ones(1), dtype))
        optimizer.load_state_dict(optimizer.state_dict())
        return [backend.to_numpy(x.value) for x in (p, q)]

    first, second = run_threads(2, train)
    assert all(np.array_equal(x, y) for x, y in zip(first, second, strict=True))
    np.testing.assert_allclose(first[0], 0.8, 0.01)


def test_values_assigned_to_parameters_between_steps_count() -> None:
    def train() -> list[float]:
        p = TensorNode(np.ones(3))
        optimizer = ShardedOptimizer([p], lambda shards: optim.SGD(shards, lr=0.5))
        for _ in range(2):
            p.value = np.full(3, 10.0)
            p.grad = np.ones(3)
            optimizer.step()
        return p.value.tolist()

    assert run_threads(2, train) == [[9.5] * 3] * 2


class Own(optim.Optimizer):
    def update(self, parameters, gradients, states):  # noqa: ARG002
        return [p - self.lr * g for p, g in zip(parameters, gradients, strict=True)]


class OwnElementwise(Own):
    elementwise = True


W = [TensorNode(np.ones((2, 2)))]
REFUSED: list[tuple[Any, Any, type[Exception], str]] = [
    (W, lambda s: optim.Muon(s), ValueError, "^ShardedOptimizer: Muon: parameter 0 is float64 "),
    (W, lambda s: optim.Adafactor(s), ValueError, "^ShardedOptimizer: Adafactor updates an ele"),
    (W, lambda s: optim.LBFGS(s), ValueError, "^ShardedOptimizer: LBFGS updates an element by "),
    (W, lambda s: Own(s, lr=0.1), ValueError, "^ShardedOptimizer: Own .* say elementwise = True"),
    (W, lambda _: optim.SGD(W), ValueError, "an optimizer of other nodes than the shards, which "),
    (W, lambda s: s, TypeError, "^ShardedOptimizer: make gave a list, expected an optimizer$"),
    ([], optim.SGD, ValueError, "^ShardedOptimizer: there are no parameters, expected each of"),
    ([{"params": W}, {"params": W}], optim.SGD, ValueError, "a parameter is in two groups, exp"),
    (W, lambda s: optim.SGD(s, lr=-1), ValueError, "^ShardedOptimizer: SGD: lr = -1, expected "),
]  # fmt: skip


@pytest.mark.parametrize(("nodes", "make", "kind", "message"), REFUSED)
def test_what_is_refused(nodes: Any, make: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        ShardedOptimizer(nodes, make)


def test_an_optimizer_of_your_own_may_say_that_it_is_elementwise() -> None:
    def train() -> list[float]:
        p = TensorNode(np.ones(3))
        optimizer = ShardedOptimizer([p], lambda shards: OwnElementwise(shards, lr=0.5))
        p.grad = np.ones(3)
        optimizer.step()
        return p.value.tolist()

    assert run_threads(2, train) == [[0.5] * 3] * 2


def test_a_step_is_not_captured_and_the_error_is_one_line() -> None:
    p = TensorNode(np.ones(3))
    optimizer = ShardedOptimizer([p], lambda shards: optim.SGD(shards, lr=0.5))

    @gradcore.capture
    def step() -> None:
        (p * p).sum().backward()
        optimizer.step()

    with pytest.raises(CaptureError, match=r"^capture: the step of a ShardedOptimizer, where "):
        [step() for _ in range(3)]


def test_a_closure_is_called_and_norm_type_0_refused() -> None:
    p = TensorNode(np.ones(2))
    optimizer = ShardedOptimizer([p], lambda shards: optim.SGD(shards, lr=0.5))

    def closure() -> TensorNode:
        loss = (p * p).sum()
        loss.backward()
        return loss

    assert float(optimizer.step(closure)) == 2.0
    assert p.value.tolist() == [0.0, 0.0]
    assert repr(optimizer).startswith("ShardedOptimizer(rank 0 of 1, SGD (")
    with pytest.raises(ValueError, match="norm_type = 0, expected another one"):
        optimizer.clip_grad_norm_(1.0, 0)


def test_losses_that_are_sums_have_their_gradients_summed() -> None:
    def train() -> list[float]:
        p = TensorNode(np.ones(3))
        make = lambda shards: optim.SGD(shards, lr=0.5)  # noqa: E731
        optimizer = ShardedOptimizer([p], make, reduction="sum")
        p.grad = np.full(3, 1.0 + world().rank)
        optimizer.step()
        return p.value.tolist()

    assert run_threads(2, train) == [[-0.5] * 3] * 2
    with pytest.raises(ValueError, match="reduction = 'average', expected 'mean', 'sum' or 'none'"):
        ShardedOptimizer(W, optim.SGD, reduction="average")  # type: ignore[arg-type]
