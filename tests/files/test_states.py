"""Save and load: what comes back, what is refused, and what an interrupted write leaves."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import gradcore
from gradcore import TensorNode, nn, optim
from gradcore.backends import default, use_backend


def training() -> tuple[nn.Module, optim.Optimizer, Callable[[], float]]:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2), nn.Dropout(0.5))
    optimizer = optim.Adam(model.parameters())

    def step() -> float:
        x = default().asarray(np.arange(15.0, dtype=np.float32).reshape(5, 3))
        loss = gradcore.cross_entropy(model(x), default().asarray(np.array([0, 1, 0, 1, 1])))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return float(loss)

    return model, optimizer, step


def test_a_training_goes_on_to_the_bit(backend: Any, tmp_path: Path) -> None:
    with use_backend(backend.name):
        gradcore.manual_seed(0)
        model, optimizer, step = training()
        schedule = optim.StepLR(optimizer, 2)
        step()
        schedule.step()
        state = {"model": model, "optimizer": optimizer, "schedule": schedule}
        state["random"] = gradcore.random
        gradcore.save(tmp_path / "run", {**state, "epoch": 3})
        expected = [step() for _ in range(3)]
        gradcore.manual_seed(9)
        model, optimizer, step = training()
        schedule = optim.StepLR(optimizer, 2)
        state |= {"model": model, "optimizer": optimizer, "schedule": schedule}
        assert gradcore.load(tmp_path / "run", into=state) == {"epoch": 3}
        assert schedule.steps == 1
        assert [step() for _ in range(3)] == expected


def test_weights_are_a_file_of_their_names(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    gradcore.save(tmp_path / "w.safetensors", model)
    found = safetensors.numpy.load_file(tmp_path / "w.safetensors")
    assert {name: x.tolist() for name, x in found.items()} == {
        "w": model.w.value.tolist(),
        "b": model.b.value.tolist(),
    }
    other = nn.Linear(3, 2)
    assert gradcore.load(tmp_path / "w.safetensors", into=other) is None
    np.testing.assert_array_equal(other.w.value, model.w.value)
    safetensors.numpy.save_file(found, tmp_path / "foreign")
    assert gradcore.load(tmp_path / "foreign")["w"].tolist() == model.w.value.tolist()


STATES = [
    {"a": [1, 2.5, None, True, "text", -0.0], "b": {}, "c": [], "d": (1, (2,))},
    {1: "a", (2, "b"): {"$array": "x", "": 1}, None: 1j},
    None,
    {"__metadata__": np.arange(2), "\ud800": np.arange(3)},  # no UTF-8 has this half of a character
    float("inf"),
    2**100,
    {"a.b": np.zeros(2), "a": {"b": np.ones(2), "b'": np.full(2, 2.0)}},
    np.arange(3),
    [np.array([1 + 2j, complex(np.nan, -np.inf)], dtype) for dtype in ("complex64", "complex128")],
    np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1)[::-1, :, ::2],
    [np.zeros((0, 3)), np.array(5, "uint8"), np.array([True, False]), np.ones((), "complex64")],
]


@pytest.mark.parametrize("state", STATES, ids=ascii)
def test_a_tree_comes_back(tmp_path: Path, state: Any) -> None:
    gradcore.save(tmp_path / "x", state)

    def described(x: Any) -> Any:
        if isinstance(x, dict):
            return {key: described(entry) for key, entry in x.items()}
        if isinstance(x, list | tuple):
            return type(x)(map(described, x))
        return (x.dtype, x.shape, repr(x.tolist())) if isinstance(x, np.ndarray) else repr(x)

    assert described(gradcore.load(tmp_path / "x")) == described(state)


def test_numbers_of_numpy_and_nodes_are_saved(tmp_path: Path) -> None:
    gradcore.save(tmp_path / "x", [np.int64(3), np.float64(2.5), TensorNode([1.0]), np.float32(2)])
    i, f, node, g = gradcore.load(tmp_path / "x")
    assert (i, f, type(i), type(f)) == (3, 2.5, int, float)
    assert (node.tolist(), g.dtype, float(g)) == ([1.0], "float32", 2.0)


def test_bfloat16_of_other_programs_becomes_float32(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    save_file({"x": torch.tensor([1.0, -2.5, 3e38], dtype=torch.bfloat16)}, tmp_path / "x")
    found = gradcore.load(tmp_path / "x")["x"]
    assert (found.dtype, found[:2].tolist()) == ("float32", [1.0, -2.5])


def test_what_can_not_be_saved_is_named(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"save: a\.1\.b is a set, expected arrays, numbers"):
        gradcore.save(tmp_path / "x", {"a": [1, {"b": {2}}]})
    for state, problem in [
        ({"a": np.array([None])}, r"save: a is object \(1,\), expected numbers"),
        ({"m": nn.Linear}, "save: m is a type, expected arrays"),
    ]:
        with pytest.raises(TypeError, match=problem):
            gradcore.save(tmp_path / "x", state)
    itself: dict[str, Any] = {}
    itself["me"] = [itself]
    with pytest.raises(ValueError, match="nested over 100 deep, or contains itself"):
        gradcore.save(tmp_path / "x", itself)
    assert not list(tmp_path.iterdir())


def test_arrays_come_back_in_their_order(tmp_path: Path) -> None:
    state = {f"{i:x}": np.full(i % 3, i, np.float32) for i in (9, 3, 12, 5, 1, 7, 2)}
    gradcore.save(tmp_path / "x", state)
    assert [*gradcore.load(tmp_path / "x")] == [*state]


def test_saving_takes_the_memory_of_one_array(tmp_path: Path) -> None:
    state = {str(i): np.ones(250_000) for i in range(8)}  # of 2 MB
    gradcore.save(tmp_path / "x", state)
    tracemalloc.start()
    gradcore.save(tmp_path / "x", state)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3e6


def test_threads_may_save_to_one_path(tmp_path: Path) -> None:
    """Each file is whole, whoever comes last."""
    path = tmp_path / f"{'long' * 60}"

    def write(i: int) -> None:
        for _ in range(10):
            gradcore.save(path, np.full(10_000, i))
            assert len({*gradcore.load(path).tolist()}) == 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert [*tmp_path.iterdir()] == [path]


def test_a_state_that_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    model, optimizer, step = training()
    step()
    gradcore.save(tmp_path / "x", {"model": model, "optimizer": optim.SGD(model.parameters(), 0.1)})
    kept = model.state_dict()
    step()
    before = model.state_dict()
    into = {"model": model, "optimizer": optimizer}
    with pytest.raises(ValueError, match=r"x: optimizer: Adam\.load_state_dict: found settings"):
        gradcore.load(tmp_path / "x", into=into)
    for name, x in model.state_dict().items():
        np.testing.assert_array_equal(x, before[name])
    assert any((kept[name] != before[name]).any() for name in kept)
    with pytest.raises(ValueError, match=r"x has no 'schedule': it has \['model', 'optimizer'\]"):
        gradcore.load(tmp_path / "x", into={"schedule": model})
    gradcore.save(tmp_path / "x", [1])
    with pytest.raises(ValueError, match="x is no dictionary"):
        gradcore.load(tmp_path / "x", into={"model": model})


def test_each_damage_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "x"
    gradcore.save(path, {"a": np.arange(4), "n": 1})
    data = path.read_bytes()
    for i in range(len(data)):
        path.write_bytes(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :])
        with pytest.raises(ValueError, match="damaged, or no safetensors file"):
            gradcore.load(path)
    for left in (0, 5, 20, len(data) - 1):
        path.write_bytes(data[:left])
        with pytest.raises(ValueError, match="damaged, or no safetensors file"):
            gradcore.load(path)
    with pytest.raises(FileNotFoundError):
        gradcore.load(tmp_path / "missing")


def test_an_interrupted_write_leaves_the_earlier_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gradcore.save(tmp_path / "x", 1)

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            gradcore.save(tmp_path / "x", 2)
    assert gradcore.load(tmp_path / "x") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    with pytest.raises(OSError, match="it is a folder, and no regular file"):
        gradcore.save(tmp_path, 1)
