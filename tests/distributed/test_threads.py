"""Exchanges and data-parallel training, in threads that stand for processes.

What N ranks compute with their parts of each batch is what one process computes with the whole
batch: the tests train both ways, in float64, and compare.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import char_gpt
import numpy as np
import pytest
from cifar10 import ResNet9

import gradcore
from gradcore import TensorNode, nn, optim
from gradcore.backends import backend_of, random
from gradcore.data import Augment, Batches, DataLoader
from gradcore.distributed import (
    Communicator,
    DataParallel,
    OtherRankError,
    RanksDifferError,
    from_rank_0,
    must_agree,
    run_threads,
    synchronize_norms,
    world,
)

DTYPES = ["float16", "float32", "float64", "int64"]


# -- Exchanges ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("name", DTYPES)
def test_every_exchange(size: int, name: str) -> None:
    parts = [np.arange(6 * size).reshape(2 * size, 3).astype(name) * (r + 1) for r in range(size)]
    total = sum(x.astype("float64") for x in parts).astype(name)

    def exchange() -> None:
        here = world()
        x = parts[here.rank]
        given = x.copy()
        np.testing.assert_array_equal(here.allreduce(x), total)
        np.testing.assert_array_equal(here.allreduce(x, "max"), np.max(parts, axis=0))
        np.testing.assert_array_equal(here.allreduce(x, "min"), np.min(parts, axis=0))
        np.testing.assert_array_equal(here.reduce_scatter(x), np.split(total, size)[here.rank])
        np.testing.assert_array_equal(here.allgather(x), np.concatenate(parts))
        for root in range(size):
            np.testing.assert_array_equal(here.broadcast(x, root), parts[root])
        requests = [here.iallreduce(x.copy()), here.iallreduce(x.copy() * 2)]
        assert np.array_equal(requests[1].wait(), total * 2)  # in another order than they began
        assert np.array_equal(requests[0].wait(), total)
        assert here.allreduce(np.asarray(x[0, 0])).shape == ()
        here.barrier()
        facts = here.allgather_object({"rank": here.rank, "more": "x" * 100 * here.rank})
        assert [fact["rank"] for fact in facts] == [*range(size)]
        assert here.broadcast_object(("of", here.rank), size - 1) == ("of", size - 1)
        assert all(y.dtype == x.dtype for y in (here.allreduce(x), here.allgather(x)))
        np.testing.assert_array_equal(x, given)

    run_threads(size, exchange)


def test_exchanges_give_arrays_of_the_same_backend(backend: Any, dtype: str) -> None:
    def exchange() -> None:
        here = world()
        x = backend.asarray(np.full((2, 3), 1.0 + here.rank), dtype)
        results = [here.allreduce(x), here.reduce_scatter(x), here.allgather(x), here.broadcast(x)]
        results.append(here.iallreduce(x).wait())
        for y in results:
            assert type(y) is type(x)
            assert y.device == x.device
            assert y.dtype == x.dtype
        sums = backend.to_numpy(results[-1])
        np.testing.assert_array_equal(sums, np.full((2, 3), 3.0))

    run_threads(2, exchange)


def test_a_first_axis_that_the_ranks_do_not_divide() -> None:
    expected = r"reduce_scatter: x has shape \(3,\), expected a first axis that 2 ranks divide"
    with pytest.raises(ValueError, match=expected):
        run_threads(2, lambda: world().reduce_scatter(np.ones(3)))


def test_a_single_process_is_a_world_of_its_own() -> None:
    here = world()
    assert type(here) is Communicator
    assert (here.rank, here.size, here.allgather_object("x")) == (0, 1, ["x"])


# -- Training -------------------------------------------------------------------------------------

Make = Callable[[], nn.Module]
Run = Callable[[nn.Module], list[float]]

N, STEPS = 12, 8


def mlp() -> nn.Module:
    layers = [nn.Linear(5, 16, dtype="float64"), nn.Tanh(), nn.Linear(16, 3, dtype="float64")]
    return nn.Sequential(*layers)


def twins(make: Make, train: Run, size: int = 2, loss: Any = "mean", **options: Any) -> None:
    """Train a model in one process, and one in several ranks; both are equal at the end."""
    straight = trained(make, train, None, loss, options)
    for found in run_threads(size, lambda: trained(make, train, world(), loss, options)):
        for name, x in straight.items():
            np.testing.assert_allclose(found[name], x, rtol=1e-11, atol=1e-12, err_msg=name)


def trained(make: Make, train: Run, here: Any, loss: Any, options: Any) -> dict[str, np.ndarray]:
    gradcore.manual_seed(3)
    model = make()
    if here:
        DataParallel(model, here, loss=loss, **options)
        synchronize_norms(model, here, loss)
    losses = train(model)
    state = {n: backend_of(x).to_numpy(x) for n, x in model.state_dict().items()}
    if here and loss == "mean":
        losses = here.allreduce(np.asarray(losses)) / here.size
    elif here:
        losses = here.allreduce(np.asarray(losses))
    return {**state, "the losses": np.asarray(losses)}


def share() -> dict[str, Any]:
    return {"rank": world().rank, "world_size": world().size, "split_batches": True}


def instances(n: int = N) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(n, 5))
    return x, (x[:, 0] > x[:, 1]).astype("int64") + (x[:, 2] > 1)


def epochs(step: Callable[..., float], n: int = N, batch: int = 6) -> list[float]:
    losses = []
    batches = Batches(*instances(n), batch, **share())
    for _ in range(STEPS):
        losses += [step(x, y) for x, y in batches]
    return losses


def by(
    make_optimizer: Callable[..., Any], clip: float | None = None, reduction: str = "mean"
) -> Run:
    """A training of the MLP by this optimizer."""

    def train(model: nn.Module) -> list[float]:
        optimizer = make_optimizer(model.parameters())

        def step(x: Any, y: Any) -> float:
            loss = gradcore.cross_entropy(model(x), y, reduction=reduction)
            loss.backward()
            if clip:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            optimizer.zero_grad()
            return loss.item()

        return epochs(step)

    return train


def sgd(parameters: Any) -> Any:
    return optim.SGD(parameters, lr=0.5, momentum=0.9)


def adam(parameters: Any) -> Any:
    return optim.Adam(parameters, lr=0.05)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("bucket_bytes", [1, 300, 1 << 20])
def test_ranks_train_as_one_process_does(size: int, bucket_bytes: int) -> None:
    twins(mlp, by(sgd), size, bucket_bytes=bucket_bytes)


def test_with_clipping_by_the_norm() -> None:
    twins(mlp, by(adam, clip=0.05))


def test_with_a_summed_loss() -> None:
    twins(mlp, by(lambda p: optim.SGD(p, lr=0.05), reduction="sum"), loss="sum")


@pytest.mark.parametrize("loss", ["mean", "sum"])
@pytest.mark.parametrize("n", [13, 15, 17])  # the last batches have 1, 3 and 5 instances
def test_a_last_batch_that_the_ranks_do_not_divide(loss: str, n: int) -> None:
    def train(model: nn.Module) -> list[float]:
        optimizer = optim.SGD(model.parameters(), lr=0.05)

        def step(x: Any, y: Any) -> float:
            with np.errstate(invalid="ignore", divide="ignore"):  # a mean of no instances
                gradcore.cross_entropy(model(x), y, reduction=loss).backward()
            optimizer.step()
            optimizer.zero_grad()
            return 0.0

        return epochs(step, n)

    twins(mlp, train, loss=loss)
    twins(mlp, train, 3, loss=loss)


@pytest.mark.parametrize("loss", ["mean", "sum"])
@pytest.mark.parametrize("waits", [True, False], ids=["no_sync", "each pass is exchanged"])
def test_gradients_accumulated_over_batches(loss: Any, waits: bool) -> None:
    def make() -> nn.Module:
        model = mlp()
        return DataParallel(model, world(), loss=loss) if world().size > 1 else DataParallel(model)

    def train(model: nn.Module) -> list[float]:
        optimizer, count = optim.SGD(model.parameters(), lr=0.02), 0

        def step(x: Any, y: Any) -> float:
            nonlocal count
            count += 1
            is_last = count % 2 == 0
            with nullcontext() if is_last or not waits else model.no_sync():
                value = gradcore.cross_entropy(model(x), y, reduction=loss)
                value.backward()
            if is_last:
                optimizer.step()
                optimizer.zero_grad()
            return value.item()

        return epochs(step)

    def once() -> np.ndarray:
        gradcore.manual_seed(3)
        model = make()
        train(model)
        return nn.utils.parameters_to_vector(model.parameters()).value

    straight = once()
    for found in run_threads(2, once):
        np.testing.assert_allclose(found, straight, rtol=1e-11, atol=1e-12)


def test_mixed_precision_skips_a_step_in_all_ranks_if_one_overflows() -> None:
    def train() -> list[float]:
        gradcore.manual_seed(0)
        model = nn.Linear(3, 2)
        optimizer = optim.MixedPrecision(model.parameters(), sgd, scale=128.0)
        DataParallel(model)
        scales = []
        for i in range(3):
            x = np.full((4, 3), 1.0, "float16")
            if i == 1 and world().rank == 1:
                x[0, 0] = 60000.0
            loss = gradcore.sum(gradcore.astype(model(x), np.float32)) / 4
            with np.errstate(over="ignore", invalid="ignore"):
                optimizer.scaled(loss).backward()
                optimizer.step()
            optimizer.zero_grad()
            scales += [float(optimizer.scale), *optimizer.masters[0].value.ravel().tolist()]
        return scales

    first, second = run_threads(2, train)
    assert first == second
    assert (first[0], first[7], first[14]) == (128.0, 64.0, 64.0)  # the second step was skipped
    assert first[1:7] == first[8:14] != first[15:]


def test_steps_that_are_captured() -> None:
    programs = []

    def train(model: nn.Module) -> list[float]:
        optimizer = sgd(model.parameters())

        @gradcore.capture
        def step(x: Any, y: Any) -> Any:
            loss = gradcore.cross_entropy(model(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.2)
            optimizer.step()
            optimizer.zero_grad()
            return loss.value

        losses = epochs(lambda x, y: float(step(x, y)), 15)  # a last batch of 3
        programs.append(str(step.program))
        return losses

    with np.errstate(all="ignore"):
        straight = trained(mlp, train, None, "mean", {})
        found = run_threads(2, lambda: trained(mlp, train, world(), "mean", {"bucket_bytes": 300}))
    del straight["the losses"]  # of which a mean over ranks is none with a last batch of 3
    for one in found:
        for name, x in straight.items():
            np.testing.assert_allclose(one[name], x, rtol=1e-11, atol=1e-12)
    assert "start_allreduce" not in programs[0]
    assert programs[1].count("start_allreduce") > 1  # and the first is before the end of the pass
    assert "matmul" in programs[1].partition("start_allreduce")[2]


def test_a_convolutional_network_with_synchronized_norms() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 3, 32, 32)), rng.integers(10, size=8)

    def train(model: nn.Module) -> list[float]:
        optimizer, losses = optim.SGD(model.parameters(), lr=0.05), []
        for _ in range(3):
            for images, labels in Batches(x, y, 4, **share()):
                loss = gradcore.cross_entropy(model(images), labels)
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                losses.append(loss.item())
        return losses

    twins(lambda: ResNet9(10, 2, "float64"), train)


def test_a_gpt() -> None:
    rng = np.random.default_rng(0)
    text = rng.integers(90, size=(8, 9))

    def train(model: nn.Module) -> list[float]:
        optimizer, losses = optim.SGD(model.parameters(), lr=0.1, momentum=0.9), []
        for _ in range(3):
            for x, y in Batches(text[:, :-1].copy(), text[:, 1:].copy(), 4, **share()):
                loss = char_gpt.loss_of(model, x, y)
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                losses.append(loss.item())
        return losses

    twins(lambda: char_gpt.GPT(8, 2, 2, 8, "float64"), train)


def test_synchronized_norms_of_unequal_parts() -> None:
    """One of the ranks has one instance, the other two; running statistics are equal, too."""
    x = np.random.default_rng(0).normal(size=(3, 4, 5))
    y = np.array([0.5, -1.0, 2.0])

    def train(model: nn.Module) -> list[float]:
        for rows, target in Batches(x, y, 4, shuffle=False, **share()):
            output = gradcore.sum(model(rows) ** 2, axis=(1, 2))
            ((output - target) ** 2).mean().backward()
        for p in model.parameters():
            p.value = p.value - 0.01 * p.grad
        return []

    def make() -> nn.Module:
        model = nn.Sequential(
            nn.BatchNorm1d(4, dtype="float64"), nn.BatchNorm1d(4, dtype="float64")
        )
        model[0].w.value *= 2.0
        return model

    twins(make, train)


class Branches(nn.Module):
    """Parameters that are used twice, once, by some instances only, by none, and frozen."""

    def __init__(self) -> None:
        self.twice, self.rarely, self.never, self.frozen = (
            nn.Parameter(np.array([1.0, 2.0]) + i) for i in range(4)
        )
        self.frozen.requires_grad = False

    def forward(self, x: Any) -> TensorNode:
        y = (x * self.twice + self.twice) * self.frozen
        if (x[:, 0] > 2).any():
            y = y + self.rarely * np.maximum(x - 2, 0)
        return y


def test_parameters_without_a_gradient_in_some_ranks() -> None:
    x = np.array([[1.0, 1.0], [4.0, 5.0]])  # only rank 1 has an instance above 2

    def gradients() -> list[Any]:
        model = Branches()
        DataParallel(model, bucket_bytes=1)
        here = world()
        gradcore.sum(model(x[here.rank :: here.size]), axis=1).mean().backward()
        return [p.grad.tolist() if p.has_grad else None for p in model.parameters()]

    expected = gradients()
    assert expected[2:] == [None, None]
    assert run_threads(2, gradients) == [expected, expected]


def test_a_checkpointed_block() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            self.inner = mlp()

        def forward(self, x: Any) -> Any:
            return gradcore.checkpoint(self.inner)(x)

    twins(Block, by(sgd))


def test_buckets_are_sent_while_the_pass_goes_on() -> None:
    events: list[str] = []

    class Spy(Communicator):
        size = 2

        def iallreduce(self, x: Any) -> Any:
            events.append(f"sent {x.shape[0]}")
            return super().iallreduce(x)

        def allgather_object(self, x: Any) -> list[Any]:
            return [x, x]

    class Noted(gradcore.Op):
        @staticmethod
        def forward(context: Any, x: Any) -> Any:
            return x + 0

        @staticmethod
        def backward(context: Any, go: Any) -> Any:
            events.append("an op")
            return go

    a, b = (nn.Linear(3, 3) for _ in range(2))
    model = nn.Sequential(a, b)
    DataParallel(model, Spy(), bucket_bytes=1)
    Noted.do_forward(b(Noted.do_forward(a(np.ones((2, 3), "float32"))))).sum().backward()
    # Each bucket has its gradient, the weight of that, and the weight of the rank.
    assert events == ["an op", "sent 5", "sent 11", "an op", "sent 5", "sent 11"]
    events.clear()
    gradcore.grad(lambda x: model(x).sum())(np.ones((2, 3), "float32"))  # leaves `.grad` alone
    assert events == []


def test_gradients_with_a_graph_are_refused() -> None:
    def step() -> None:
        model = nn.Linear(2, 1)
        DataParallel(model)
        model(np.ones((2, 2), "float32")).sum().backward(create_graph=True)

    with pytest.raises(RuntimeError, match="called with create_graph=True; ranks exchange"):
        run_threads(2, step)


def test_ranks_begin_alike_and_dropout_differs() -> None:
    def begin() -> tuple[Any, ...]:
        gradcore.manual_seed(world().rank)  # by mistake
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        model[1].running_mean.value = np.full(4, float(world().rank), "float32")
        DataParallel(model)
        order = next(iter(DataLoader(np.arange(100), 100, shuffle=True))).tolist()
        mask = gradcore.dropout(TensorNode(np.ones(64)), 0.5, training=True)
        return model.state_dict(), order, mask.value.tolist()

    (state, order, mask), (other_state, other_order, other_mask) = run_threads(2, begin)
    for name, x in state.items():
        np.testing.assert_array_equal(x, other_state[name])
    assert order == other_order
    assert mask != other_mask


# -- Data -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_split_batches_are_those_of_one_process(size: int, shuffle: bool) -> None:
    def loaders(n: int) -> list[Any]:
        options = {"shuffle": shuffle, "seed": 5, "split_batches": True, "world_size": n}
        return [DataLoader(np.arange(22), 8, rank=r, **options) for r in range(n)]

    (whole,), parts = loaders(1), loaders(size)
    for batch, *mine in zip(whole, *parts, strict=True):
        assert np.concatenate(mine).tolist() == batch.tolist()
        assert [loader.part[2] for loader in parts] == [len(batch)] * size
        assert parts[-1].part[1] == len(batch)
        assert all(loader.state_dict()["given"] == whole.state_dict()["given"] for loader in parts)


def test_an_epoch_is_resumed_with_another_number_of_ranks() -> None:
    gradcore.manual_seed(0)
    one = DataLoader(np.arange(20), 4, shuffle=True)
    batches = iter(one)
    next(batches), next(batches)
    state = one.state_dict()
    two = [
        DataLoader(np.arange(20), 4, shuffle=True, rank=r, world_size=2, split_batches=True)
        for r in range(2)
    ]
    for loader in two:
        loader.load_state_dict(state)
    rest = [np.concatenate(parts).tolist() for parts in zip(*two, strict=True)]
    assert rest == [batch.tolist() for batch in batches]


def test_a_batch_that_the_ranks_do_not_divide() -> None:
    expected = "DataLoader: batch_size = 5 is no multiple of world_size = 2, so its processes"
    with pytest.raises(ValueError, match=expected):
        DataLoader(np.arange(9), 5, world_size=2, split_batches=True)


def test_views_of_a_part_are_those_of_the_whole_batch() -> None:
    augment, x = Augment(0.0, 1.0, padding=2, flip=0.5, cutout=3), np.zeros((6, 1, 8, 8))
    with random.apart():
        whole = augment.draw(x)
    with random.apart():
        part = augment.draw(x[2:5], (2, 5, 6))
    np.testing.assert_array_equal(part, whole[2:5])


# -- Failures -------------------------------------------------------------------------------------


def test_a_rank_that_raises_ends_the_others() -> None:
    def work() -> None:
        if world().rank == 1:
            raise ZeroDivisionError("of rank 1")
        world().barrier()

    with pytest.raises(ZeroDivisionError) as caught:
        run_threads(3, work)
    assert caught.value.__notes__ == ["in rank 1 of 3"]


def test_a_rank_that_ends_early() -> None:
    with pytest.raises(OtherRankError, match="rank 1 has ended, and rank 0 waits for it"):
        run_threads(2, lambda: world().barrier() if world().rank == 0 else None)


def test_a_rank_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADCORE_STALL", "0.2")
    start = time.monotonic()
    with pytest.raises(OtherRankError, match=r"rank 2 did not come to an exchange within 0\.2 sec"):
        run_threads(3, lambda: time.sleep(1) if world().rank == 2 else world().barrier())
    assert time.monotonic() - start < 5


def test_ranks_at_different_exchanges() -> None:
    def work() -> None:
        world().allreduce(np.ones(2 + world().rank))

    expected = r"rank 0 came to allreduce \(sum\) of float64 \(2,\), and rank 1 to allreduce"
    with pytest.raises(OtherRankError, match=expected):
        run_threads(2, work)


def test_a_limit_that_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADCORE_STALL", "soon")
    with pytest.raises(ValueError, match="GRADCORE_STALL=soon: expected a positive number"):
        run_threads(1, world)


def test_ranks_that_differ() -> None:
    def settings() -> None:
        must_agree(world(), {"--lr": 0.1 * (1 + world().rank), "--seed": 0})

    with pytest.raises(RanksDifferError, match=r"differ in --lr: rank 0 has 0\.1, rank 1 has 0\.2"):
        run_threads(2, settings)
    with pytest.raises(RanksDifferError, match=r"differ in w: rank 0 has .*\(2, 3\).*\(2, 4\)"):
        run_threads(2, lambda: DataParallel(nn.Linear(3 + world().rank, 2)))
    with pytest.raises(RanksDifferError, match="the number of parameters and buffers"):
        run_threads(2, lambda: DataParallel(nn.Linear(3, 2, bias=world().rank == 0)))


def test_ranks_on_different_backends() -> None:
    pytest.importorskip("array_api_strict")

    def begin() -> None:
        with gradcore.use_backend("strict" if world().rank else "numpy"):
            DataParallel(nn.Linear(3, 2))

    with pytest.raises(RanksDifferError, match=r"of numpy, rank 1 has .* of strict"):
        run_threads(2, begin)


def test_an_error_of_rank_0_is_one_of_all() -> None:
    assert run_threads(2, lambda: from_rank_0(world(), lambda: world().rank)) == [0, 0]

    def fails() -> None:
        raise FileNotFoundError("no data")

    def work() -> str:
        try:
            from_rank_0(world(), fails)
        except FileNotFoundError as error:
            return str(error)
        return "nothing"

    assert run_threads(2, work) == ["no data", "no data"]
