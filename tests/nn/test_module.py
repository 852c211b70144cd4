"""Modules: what they find, their state, and how they move and print."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from modules import numbers, same

from gradcore import TensorNode, namespace, nn, optim
from gradcore.backends import backend_of, use_backend


class Net(nn.Module):
    """Parameters wherever they may be."""

    def __init__(self) -> None:
        self.scale = TensorNode([2.0])
        self.body = nn.Linear(4, 3)
        self.stack = [nn.Linear(3, 3), (nn.Relu(), nn.Linear(3, 2, bias=False))]
        self.by_name = {"a": TensorNode([1.0, 2.0]), "b": {"c": nn.Linear(1, 1)}}
        self.average = TensorNode([0.5], requires_grad=False)
        self.count = TensorNode([1, 2])
        self.again = self.body
        self.tied = self.body.w
        self.other = [1, "two", None, np.ones(3)]


# -- What is found --------------------------------------------------------------------------------


def test_parameters_are_found_each_once():
    net = Net()
    # A module's own come first, and `tied` is its own here, before it is the submodule's.
    names = ["scale", "by_name.a", "tied", "body.b", "stack.0.w", "stack.0.b", "stack.1.1.w"]
    names += ["by_name.b.c.w", "by_name.b.c.b"]
    assert [name for name, _ in net.named_parameters()] == names
    assert {id(p) for p in net.parameters()} == {id(p) for _, p in net.named_parameters()}
    assert [id(p) for p in net.parameters()] == [id(p) for _, p in net.named_parameters()]
    assert len(net.parameters()) == len(names)


def test_modules_are_found_each_once():
    net = Net()
    assert [name for name, _ in net.named_modules()] == [
        "",
        "body",
        "stack.0",
        "stack.1.0",
        "stack.1.1",
        "by_name.b.c",
    ]
    assert net.modules() == [module for _, module in net.named_modules()]
    assert net.modules()[0] is net
    assert net.modules()[1] is net.body


def test_constants_and_computed_nodes_are_no_parameters():
    net = Net()
    net.cached = net.scale * 2.0
    names = [name for name, _ in net.named_parameters()]
    assert not {"average", "count", "cached"} & {*names}
    assert "cached" not in net.state_dict()
    assert len(net.parameters()) == len(names)
    assert net.state_dict().keys() >= {"tied", "average", "count"}
    assert [name for name, _ in net.named_buffers()] == ["average", "count"]
    assert net.buffers() == [net.average, net.count]


def test_a_module_that_writes_its_own_parameters():
    class Hidden(nn.Module):
        def __init__(self):
            self.a, self.b = TensorNode([1.0]), TensorNode([2.0])
            self.frozen = nn.Linear(2, 3)
            self.elsewhere = SimpleNamespace(c=TensorNode([3.0]))

        def parameters(self):
            return [self.elsewhere.c, self.b]

    class Outer(nn.Module):
        def __init__(self):
            self.hidden = Hidden()
            self.d = TensorNode([4.0])

    assert [float(p.value[0]) for p in Outer().parameters()] == [4.0, 3.0, 2.0]


def test_modules_may_refer_to_one_another():
    net = Net()
    net.stack[1][0].root = net
    assert len(net.modules()) == 6
    assert net.train(False).body.training is False
    assert len(net.state_dict()) == 11
    assert len(net.parameters()) == 9
    assert "root: ..." in repr(net)


def test_an_attribute_may_have_the_name_of_a_method():
    net = nn.Module()
    net.modules = [nn.Linear(2, 3)]
    assert len(net.parameters()) == 2
    assert list(net.state_dict()) == ["modules.0.w", "modules.0.b"]
    assert net.eval().modules[0].training is False


def test_a_dataclass_as_a_module():
    @dataclass
    class Scaled(nn.Module):
        inner: nn.Module
        scale: TensorNode

        def forward(self, x):
            return self.inner(x) * self.scale

    model = Scaled(nn.Linear(3, 2), TensorNode([2.0]))
    assert [name for name, _ in model.named_parameters()] == ["scale", "inner.w", "inner.b"]
    assert model(TensorNode([[1.0, 2.0, 3.0]])).shape == (1, 2)


def test_two_parameters_of_one_name():
    net = nn.Module()
    net.a = {"b.c": TensorNode([1.0]), "b": {"c": TensorNode([2.0])}}
    assert len(net.parameters()) == 2
    with pytest.raises(ValueError, match=r"^Module: two parameters are named a\.b\.c"):
        net.state_dict()


def test_a_module_without_forward():
    class Empty(nn.Module):
        pass

    assert Empty().parameters() == []
    assert repr(Empty()) == "Empty()"
    with pytest.raises(NotImplementedError, match="Empty has no method forward"):
        Empty()(1)


# -- Training -------------------------------------------------------------------------------------


def test_train_and_eval():
    net = Net()
    assert net.training
    assert net.body.training
    assert net.eval() is net
    assert [m.training for m in net.modules()] == [False] * 6
    assert net.train() is net
    assert [m.training for m in net.modules()] == [True] * 6
    assert nn.Module.training


def test_zero_grad():
    net = Net()
    for p in net.parameters():
        p.grad = namespace(p.value).ones_like(p.value)
    net.zero_grad()
    assert not any(p.has_grad for p in net.parameters())


def test_a_deep_copy_is_independent():
    net = Net()
    twin = copy.deepcopy(net)
    twin.scale.value = twin.scale.value * 2.0
    assert float(net.scale.value[0]) == 2.0
    assert twin.tied is twin.body.w
    assert twin.tied is not net.tied


def test_a_deep_copy_has_hooks_and_buffers_of_its_own_and_no_gradients():
    net, calls = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), []
    handle = net.register_forward_hook(lambda *_: calls.append(1))
    x = TensorNode([[1.0, 2.0], [3.0, 5.0]])
    namespace(x).sum(net(x) ** 2.0).backward()
    twin = copy.deepcopy(net)
    assert not any(p.has_grad for p in twin.parameters())
    before = {name: value.copy() for name, value in net.state_dict().items()}
    handle.remove()  # not that of the twin, as in PyTorch
    twin(x)
    assert len(calls) == 2
    assert same(net.state_dict(), before)
    assert not same(twin.state_dict(), before)


# -- State ----------------------------------------------------------------------------------------


def test_state_goes_into_a_twin(backend):
    first, second = Net(), Net()
    state = first.state_dict()
    assert len(state) == 11
    assert not same(state, second.state_dict())
    second.load_state_dict(state)
    assert same(state, second.state_dict())
    assert type(state["body.b"]) in backend.array_types
    assert second.tied is second.body.w


def test_state_is_a_snapshot(backend):
    net = nn.Linear(2, 3)
    state = net.state_dict()
    before = {name: backend.to_numpy(x).copy() for name, x in state.items()}
    optimizer = optim.SGD(net.parameters(), lr=1.0)
    for _ in range(2):
        for p in net.parameters():
            p.grad = namespace(p.value).ones_like(p.value)
        optimizer.step()
    net.load_state_dict(state)
    net.w.value -= net.w.value
    assert same(state, before)
    state = net.state_dict()
    net.b.value -= 1.0
    assert numbers(backend, [net.b]) != backend.to_numpy(state["b"]).tolist()
    assert same(state, {"w": before["w"] * 0, "b": before["b"]})


def test_state_comes_to_where_the_parameters_are(backend, dtype):
    net = nn.Linear(2, 3, dtype=dtype)
    net.load_state_dict({"w": np.ones((3, 2)), "b": np.full((1, 3), 2, "int32")})
    assert backend_of(net.w.value) is backend_of(backend.asarray([1.0]))
    assert net.w.value.device == backend.asarray([1.0]).device
    assert net.w.value.dtype == net.b.value.dtype == backend.dtype(dtype)
    assert numbers(backend, [net.b]) == [[[2.0, 2.0, 2.0]]]
    state = {name: backend.to_numpy(x) for name, x in net.state_dict().items()}
    with use_backend("numpy"):
        other = nn.Linear(2, 3)
        other.load_state_dict(net.state_dict())
        assert same(other.state_dict(), {n: x.astype("float32") for n, x in state.items()})


def test_a_state_that_does_not_fit():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before = net.state_dict()
    state = {**before, "1.c": np.ones(3), "1.w": np.ones((3, 1))}
    state["0.b"] = state["0.b"] + 1
    del state["0.w"]
    expected = (
        r"^Sequential\.load_state_dict: 0\.w is missing; "
        r"1\.c is unexpected; 1\.w has shape \(3, 1\), expected \(1, 3\)$"
    )
    with pytest.raises(ValueError, match=expected):
        net.load_state_dict(state)
    assert same(net.state_dict(), before)
    for wrong, words in (
        ("ones", "is no dense array of numbers: expected an array, not str"),
        (None, "is no dense array of numbers: expected an array, not NoneType"),
        ([["1", "2", "3"]], r"(is <U1|is no dense array)"),
        (np.asarray([["1", "2", "3"]]), r"is <U1 \(1, 3\), expected real numbers"),
        (np.ones((1, 3)) * 1j, r"is complex128 \(1, 3\), expected real numbers"),
    ):
        changed = {**before, "0.b": wrong, "1.b": np.ones((1, 1))}
        with pytest.raises(ValueError, match=rf"^Sequential\.load_.*: 0\.b {words}.*$"):
            net.load_state_dict(changed)
        assert same(net.state_dict(), before)
    for state in (None, [before], "state"):
        with pytest.raises(
            ValueError, match=r"load_state_dict: found a \w+, expected arrays by na"
        ):
            net.load_state_dict(state)


def test_a_count_is_loaded_from_whole_numbers_only():
    net = nn.BatchNorm1d(2)
    state = net.state_dict()
    net.load_state_dict({**state, "num_batches_tracked": np.asarray(3.0)})
    assert net.num_batches_tracked.value == 3
    with pytest.raises(ValueError, match=r"num_batches_tracked is float64 \(\), expected integers"):
        net.load_state_dict({**state, "num_batches_tracked": np.asarray(3.5)})
    assert net.num_batches_tracked.value == 3


def test_states_lie_in_rows_as_files_take_them():
    net = nn.Linear(3, 2)
    net.w.value = np.asfortranarray(net.w.value)
    net.b.value = np.broadcast_to(np.float32(2.0), (1, 2))
    state = net.state_dict()
    assert all(x.flags.c_contiguous and x.flags.owndata for x in state.values())
    assert same(state, {"w": net.w.value, "b": net.b.value})
    for x in nn.torch_state_dict(net).values():
        assert x.flags.c_contiguous
    other = nn.Linear(3, 2)
    other.load_state_dict({"w": np.asfortranarray(net.w.value), "b": net.b.value})
    assert other.w.value.flags.c_contiguous
    optimizer = optim.SGD(net.parameters(), momentum=0.9)
    net.w.grad = np.asfortranarray(net.w.value)
    optimizer.step()
    assert optimizer.state_dict()["state"][0]["velocity"].flags.c_contiguous


def test_tied_weights_are_loaded_from_a_state_that_has_one_of_them():
    class Tied(nn.Module):
        def __init__(self):
            self.first = TensorNode([1.0, 2.0])
            self.second = self.first

    net = Tied()
    assert list(net.state_dict()) == ["first"]
    for state in (
        {"first": [3.0, 4.0]},
        {"second": [3.0, 4.0]},
        {"first": [3, 4], "second": [3, 4]},
    ):
        net.first.value = np.asarray([1.0, 2.0], "float32")
        net.load_state_dict(state)
        assert net.second.value.tolist() == [3.0, 4.0]
    with pytest.raises(ValueError, match=r"second differs from first, with which it is tied$"):
        net.load_state_dict({"first": [3.0, 4.0], "second": [3.0, 5.0]})
    with pytest.raises(ValueError, match=r"first is missing$"):
        net.load_state_dict({})
    assert net.second.value.tolist() == [3.0, 4.0]


def test_to_another_backend_and_dtype():
    net = Net()
    state = net.state_dict()
    net.scale.grad = net.scale.value
    assert net.to("strict", "device2") is net
    for _, p in net.named_parameters():
        assert backend_of(p.value).name == "strict"
        assert "device2" in str(p.value.device)
    assert same(state, net.state_dict())
    assert not net.scale.has_grad
    assert net.to("numpy").astype("float64") is net
    assert {str(p.dtype) for p in net.parameters()} == {"float64"}
    assert str(net.average.dtype) == "float64"
    assert str(net.count.dtype).startswith("int")
    assert net.tied is net.body.w
    with pytest.raises(TypeError, match=r"^Net\.astype: int32 is not real floating"):
        net.astype("int32")


def test_repr():
    class MLP(nn.Module):
        def __init__(self):
            self.scale = TensorNode(np.ones((1, 2)))
            self.body = nn.Sequential(nn.Linear(3, 2), nn.Relu(), nn.Linear(2, 2, bias=False))
            self.average = TensorNode(np.ones(2, "float32"), requires_grad=False)

    assert repr(MLP()) == (
        "MLP(\n"
        "  scale: float64 (1, 2)\n"
        "  body: Sequential(\n"
        "    0: Linear(3, 2)\n"
        "    1: ReLU()\n"
        "    2: Linear(2, 2, bias=False)\n"
        "  )\n"
        "  average: float32 (2,)\n"
        ")"
    )
