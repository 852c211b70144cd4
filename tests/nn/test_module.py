"""Modules: what they find, their state, and how they move and print."""

from __future__ import annotations

import copy
import pickle
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
    assert net.load_state_dict(net.state_dict()) == ([], [])


def test_attributes_may_have_any_words_as_names():
    class Table(nn.Module):
        def __init__(self):
            super().__init__()
            self.rows, self.optional, self.former = (nn.Linear(2, 2, bias=False) for _ in range(3))
            self.weight, self.names, self.kind = nn.Parameter([1.0]), nn.Linear(1, 1), [1]
            self.register_parameter("bias", None)

    net = Table()
    state = net.state_dict()
    assert list(state) == ["weight", "rows.w", "optional.w", "former.w", "names.w", "names.b"]
    assert net.load_state_dict(state) == nn.load_torch_state_dict(net, nn.torch_state_dict(net))


def test_a_dataclass_as_a_module():
    @dataclass
    class Scaled(nn.Module):
        inner: nn.Module
        scale: TensorNode

        def forward(self, x):
            return self.inner(x) * self.scale

    model = Scaled(nn.Linear(3, 2), TensorNode([2.0]))
    assert [name for name, _ in model.named_parameters()] == ["scale", "inner.w", "inner.b"]
    assert model.load_state_dict(model.state_dict()) == ([], [])
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
    assert isinstance(state["body.b"], backend.array_types)
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

        def extra_repr(self):
            return "classes=2"

    assert repr(MLP()) == (
        "MLP(\n"
        "  classes=2\n"
        "  scale: float64 (1, 2)\n"
        "  body: Sequential(\n"
        "    0: Linear(3, 2)\n"
        "    1: ReLU()\n"
        "    2: Linear(2, 2, bias=False)\n"
        "  )\n"
        "  average: float32 (2,)\n"
        ")"
    )


# -- Parameters, buffers, and what is frozen -------------------------------------------------------


def test_a_parameter_is_a_node_that_is_trained():
    p = nn.Parameter(np.ones(2, "float32"))
    assert type(p) is TensorNode
    assert p.requires_grad
    average = nn.BatchNorm1d(2).running_mean
    frozen = nn.Parameter([1.0], requires_grad=False)
    for x in (p, TensorNode([1.0]), nn.Linear(1, 1).w, frozen, copy.copy(frozen)):
        assert isinstance(x, nn.Parameter)
        assert not isinstance(x, nn.Buffer)
    for x in (TensorNode([1.0], requires_grad=False), average, nn.Buffer([1.0]), TensorNode([1])):
        assert isinstance(x, nn.Buffer)
        assert not isinstance(x, nn.Parameter)
    for x in (p * 2.0, np.ones(2), None):
        assert not isinstance(x, nn.Parameter | nn.Buffer)
    assert not pickle.loads(pickle.dumps(frozen)).requires_grad
    assert isinstance(pickle.loads(pickle.dumps(frozen)), nn.Parameter)
    assert nn.Parameter(p * 2.0).source is None
    with pytest.raises(TypeError, match="only floating values have gradients"):
        nn.Parameter(np.ones(2, "int64"))


def test_a_part_is_frozen_and_trained_again():
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    x = np.asarray([[1.0, 2.0], [3.0, 5.0], [0.0, 1.0]], "float32")

    def step():
        before = net.state_dict()
        optimizer.zero_grad()
        (net(x) ** 2.0).sum().backward()
        optimizer.step()
        after = net.state_dict()
        return [name for name in before if not np.array_equal(before[name], after[name])]

    everything = list(net.state_dict())
    everything.remove("0.b")  # batch norm takes it away again
    assert {*step()} >= {*everything}
    assert net[0].requires_grad_(False) is net[0]
    assert net[0].parameters() == [net[0].w, net[0].b]  # as in PyTorch
    assert not {"0.w", "0.b"} & {*step()}
    assert not net[0].w.has_grad
    copied = copy.deepcopy(net)
    optim.Adam(net.parameters())  # takes frozen parameters
    for model in (net, copied):
        model.requires_grad_()
        assert [p.requires_grad for p in model.parameters()] == [True] * 6
        assert not any(b.requires_grad for b in model.buffers())  # the running averages
    assert "0.w" in step()
    for p in net.parameters():
        p.requires_grad = False
    assert len(net.parameters()) == 6
    with pytest.raises(ValueError, match="depends on nothing that requires a gradient"):
        net(x).sum().backward()


def test_buffers_and_parameters_are_registered():
    net = nn.Module()
    net.register_buffer("mask", np.tril(np.ones((2, 2))))
    net.register_buffer("cache", TensorNode([1.0]), persistent=False)
    net.register_buffer("none", None)
    net.register_parameter("w", nn.Parameter([2.0]))
    net.register_parameter("b", None)
    net.add_module("inner", nn.Linear(1, 1))
    net.register_module("empty", None)
    assert net.none is net.b is net.empty is None
    assert [name for name, _ in net.named_buffers()] == ["mask", "cache"]
    assert list(net.state_dict()) == ["mask", "w", "inner.w", "inner.b"]
    assert list(nn.torch_state_dict(net)) == ["mask", "w", "inner.weight", "inner.bias"]
    assert not net.cache.requires_grad
    assert list(net.state_dict(prefix="net.")) == [
        "net.mask",
        "net.w",
        "net.inner.w",
        "net.inner.b",
    ]
    with pytest.raises(ValueError, match="cache is unexpected"):
        net.load_state_dict({**net.state_dict(), "cache": [3.0]})
    assert str(net.double().cache.dtype) == "float64"
    assert str(net.half().inner.w.dtype) == "float16"
    assert str(net.float().w.dtype) == "float32"
    net.register_buffer("cache", [5.0])  # anew, and now it is kept
    assert "cache" in net.state_dict()
    for call, error, words in (
        (lambda: net.register_buffer("forward", [1.0]), KeyError, "an attribute 'forward'"),
        (lambda: net.register_buffer("a.b", [1.0]), KeyError, "expected a word without dots"),
        (lambda: net.register_parameter("c", np.ones(1)), TypeError, "expected a Parameter"),
        (lambda: net.register_parameter("c", net.w * 2.0), ValueError, "computed, by Multiply"),
        (lambda: net.add_module("c", 3), TypeError, "c is a int, expected a Module"),
    ):
        with pytest.raises(error, match=words):
            call()


def test_what_is_held_is_found_by_name():
    net = Net()
    assert [name for name, _ in net.named_children()] == [
        "body", "stack.0", "stack.1.0", "stack.1.1", "by_name.b.c"
    ]  # fmt: skip
    assert net.children()[0] is net.body
    assert net.get_submodule("") is net
    assert net.get_submodule("stack.1.1") is net.stack[1][1]
    assert net.get_parameter("stack.1.1.weight") is net.stack[1][1].w
    assert net.get_parameter("again.bias") is net.body.b
    assert net.get_buffer("average") is net.average
    for get, target, what in (
        (net.get_submodule, "stack", "module"),
        (net.get_submodule, "tied", "module"),
        (net.get_parameter, "body", "parameter"),
        (net.get_parameter, "average", "parameter"),
        (net.get_buffer, "scale", "buffer"),
    ):
        with pytest.raises(AttributeError, match=rf"^Net has no {what} '{target}'$"):
            get(target)
    seen = []
    assert net.apply(seen.append) is net
    assert seen[-1] is net
    assert len(seen) == len(net.modules())
    two = nn.Sequential(nn.Sequential(nn.ReLU()), nn.Tanh())
    seen.clear()
    two.apply(lambda module: seen.append(type(module).__name__))
    assert seen == ["ReLU", "Sequential", "Tanh", "Sequential"]


def test_lists_of_parameters_and_modules_are_limited_and_named():
    net = Net()
    assert net.parameters(recurse=False) == [net.scale, net.by_name["a"], net.tied]
    assert net.named_parameters(prefix="net", recurse=False)[0] == ("net.scale", net.scale)
    every = [name for name, _ in net.named_parameters(remove_duplicate=False)]
    assert {"tied", "body.w"} <= {*every}
    assert net.buffers(recurse=False) == [net.average, net.count]
    assert net.named_modules(prefix="net")[0][0] == "net"
    found = net.parameters()
    assert next(found) is net.scale  # as from PyTorch's generators
    assert next(found) is net.by_name["a"]
    assert next(net.modules()) is net
    assert len(found) == len(list(found)) == 9


def test_weight_and_bias_are_second_names_of_w_and_b():
    layer, other = nn.Linear(2, 3), nn.Linear(2, 3, bias=False)
    assert layer.weight is layer.w
    assert layer.bias is layer.b
    assert other.bias is None
    layer.weight = other.weight
    assert layer.w is other.w
    assert len(layer.state_dict()) == 2
    assert (
        nn.LayerNorm(2, bias=False).bias is nn.LayerNorm(2, elementwise_affine=False).weight is None
    )


def test_a_state_that_fits_in_part():
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    state = net.state_dict()
    weight, bias = np.full((3, 2), 2.0), np.full(3, 3.0)
    found = net.load_state_dict(
        {"0.weight": weight, "0.bias": bias, "2.weight": bias}, strict=False
    )
    assert type(found).__name__ == "IncompatibleKeys"
    assert found.missing_keys == ["1.w", "1.b", "1.running_mean", "1.running_var"]
    assert found.unexpected_keys == ["2.weight"]
    assert net[0].w.value.tolist() == weight.tolist()
    assert net[0].b.value.tolist() == [bias.tolist()]
    del state["1.num_batches_tracked"]  # older states of PyTorch's have no count
    net[1].num_batches_tracked.value += 5
    assert net.load_state_dict(state) == ([], [])
    assert net[1].num_batches_tracked.value == 5
    with pytest.raises(ValueError, match=r"0\.weight has shape \(1,\), expected \(3, 2\)$"):
        net.load_state_dict({"0.weight": [1.0]}, strict=False)


def test_states_of_gradcores_own_names_of_before_are_read():
    with use_backend("numpy"):
        net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Sequential(nn.Linear(3, 1)))
        state = net.state_dict()
        assert list(state) == ["0.w", "0.b", "2.0.w", "2.0.b"]
        renamed = ["layers.0.w", "layers.0.b", "layers.2.layers.0.w", "layers.2.layers.0.b"]
        before = {new: x + 1 for new, x in zip(renamed, state.values(), strict=True)}
        assert net.load_state_dict(before) == ([], [])
        for x, y in zip(net.state_dict().values(), before.values(), strict=True):
            np.testing.assert_array_equal(x, y)
