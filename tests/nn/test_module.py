"""Modules and layers."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from comparing import no_garbage

import gradcore
from gradcore import Sum, TensorNode, manual_seed, namespace, nn, no_grad, ops, optim
from gradcore.backends import backend_of, default, get, use_backend
from gradcore.nn.init import initial

INITS = ["glorot", "glorot_uniform", "he", "kaiming_uniform", "normal", "zeros"]


@pytest.fixture(autouse=True)
def seed() -> None:
    manual_seed(0)


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


def numbers(backend: Any, nodes: Any) -> list[Any]:
    return [backend.to_numpy(node.value).tolist() for node in nodes]


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return first.keys() == second.keys() and all(
        np.array_equal(backend_of(x).to_numpy(x), backend_of(second[name]).to_numpy(second[name]))
        for name, x in first.items()
    )


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


def test_frozen_and_computed_nodes_are_no_parameters():
    net = Net()
    net.body.w.requires_grad = False
    net.cached = net.scale * 2.0
    names = [name for name, _ in net.named_parameters()]
    assert "body.w" not in names
    assert "tied" not in names
    assert "cached" not in names
    assert "cached" not in net.state_dict()
    assert len(net.parameters()) == len(names)
    assert net.state_dict().keys() >= {"tied", "average", "count"}


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
    state = {**before, "layers.1.c": np.ones(3), "layers.1.w": np.ones((3, 1))}
    state["layers.0.b"] = state["layers.0.b"] + 1
    del state["layers.0.w"]
    expected = (
        r"^Sequential\.load_state_dict: layers\.0\.w is missing; "
        r"layers\.1\.c is unexpected; layers\.1\.w has shape \(3, 1\), expected \(1, 3\)$"
    )
    with pytest.raises(ValueError, match=expected):
        net.load_state_dict(state)
    assert same(net.state_dict(), before)
    with pytest.raises(TypeError):
        net.load_state_dict({**before, "layers.0.b": "ones", "layers.1.b": np.ones((1, 1))})
    assert same(net.state_dict(), before)


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
        "    layers.0: Linear(3, 2)\n"
        "    layers.1: Relu()\n"
        "    layers.2: Linear(2, 2, bias=False)\n"
        "  )\n"
        "  average: float32 (2,)\n"
        ")"
    )


# -- Linear ---------------------------------------------------------------------------------------


def test_linear(backend, dtype):
    layer = nn.Linear(3, 2, dtype=dtype)
    assert (layer.w.shape, layer.b.shape) == ((2, 3), (1, 2))
    assert layer.w.dtype == layer.b.dtype == backend.dtype(dtype)
    assert numbers(backend, [layer.b]) == [[[0.0, 0.0]]]
    layer.b.value = backend.asarray(np.asarray([[1.0, -1.0]]), dtype)
    x = np.asarray([[1.0, 2.0, 3.0], [0.5, -1.0, 0.0]])
    w, b = (backend.to_numpy(p.value) for p in (layer.w, layer.b))
    node = TensorNode(backend.asarray(x, dtype))
    y = layer(node)
    np.testing.assert_allclose(backend.to_numpy(y.value), x @ w.T + b, rtol=1e-5, atol=1e-6)
    Sum.do_forward(y * y).backward()
    go = 2 * (x @ w.T + b)
    for p, expected in ((layer.w, go.T @ x), (layer.b, go.sum(0, keepdims=True)), (node, go @ w)):
        np.testing.assert_allclose(backend.to_numpy(p.grad), expected, rtol=1e-5, atol=1e-6)


def test_linear_of_an_array_takes_it_as_a_constant(backend):
    layer = nn.Linear(3, 2)
    x = backend.asarray([[1.0, 2.0, 3.0]])
    y = layer(x)
    assert np.array_equal(backend.to_numpy(y.value), backend.to_numpy(layer(TensorNode(x)).value))
    assert y.source is not None
    with no_grad():
        assert layer([[1.0, 2.0, 3.0]]).source is None


def test_linear_without_bias():
    layer = nn.Linear(3, 2, bias=False)
    assert layer.b is None
    assert layer.parameters() == [layer.w]
    y = layer(np.ones((4, 3), "float32")).value
    np.testing.assert_allclose(y, np.ones((4, 3)) @ layer.w.value.T, rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("shape", [(3,), (4, 2), (2, 3, 1), (), (3, 4)])
def test_linear_of_a_wrong_shape(shape):
    layer = nn.Linear(3, 2)
    for x in (np.ones(shape, "float32"), TensorNode(np.ones(shape, "float32"))):
        expected = f"Linear(3, 2): x is float32 {shape}, expected (N, 3), as w is (2, 3)"
        with pytest.raises(ValueError, match="Linear") as raised:
            layer(x)
        assert str(raised.value).startswith(expected)
        assert ("Flatten" in str(raised.value)) == (shape == (2, 3, 1))


@pytest.mark.parametrize("other", ["float64", "uint8", "int64"])
def test_linear_of_another_dtype(backend, other):
    if other == "float64" and "no_float64" in str(backend.device):
        return
    layer = nn.Linear(3, 2)
    x = backend.asarray(np.ones((4, 3), other))
    for given in (x, TensorNode(x)):
        message = rf"^Linear\(3, 2\): x is {other} \(4, 3\) and w float32 \(2, 3\); give both"
        with pytest.raises(TypeError, match=message):
            layer(given)


def test_linear_of_another_backend():
    layer = nn.Linear(3, 2).to("strict")
    with pytest.raises(ValueError, match="move one"):
        layer(np.ones((4, 3), "float32"))


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (-1, 2)])
def test_linear_of_no_size(sizes):
    with pytest.raises(ValueError, match=r"^Linear: (in|out)put_size = (0|-1), expected a posi"):
        nn.Linear(*sizes)


def test_linear_against_torch():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Tanh(), torch.nn.Linear(4, 3))
    ours = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))
    state = {
        name.replace("weight", "w").replace("bias", "b"): p.detach().numpy()
        for name, p in theirs.named_parameters()
    }
    ours.load_state_dict(
        {f"layers.{n}": x.reshape(1, -1) if n.endswith("b") else x for n, x in state.items()}
    )
    x = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
    result, expected = ours(x), theirs(torch.tensor(x))
    np.testing.assert_allclose(result.value, expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    Sum.do_forward(result * result).backward()
    (expected * expected).sum().backward()
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.reshape(q.shape), q.grad, rtol=1e-4, atol=1e-5)


# -- Initial weights ------------------------------------------------------------------------------


@pytest.mark.parametrize("init", INITS)
def test_the_same_seed_gives_the_same_weights(backend, dtype, init):
    manual_seed(3)
    with use_backend("numpy"):
        reference = nn.Linear(50, 30, init=init, dtype="float64")
        following = nn.Linear(2, 2)
    manual_seed(3)
    layer = nn.Linear(50, 30, init=init, dtype=dtype)
    for p, expected in ((layer.w, reference.w), (layer.b, reference.b)):
        assert p.value.device == default().asarray([1.0]).device
        assert np.array_equal(backend.to_numpy(p.value), expected.value.astype(dtype))
    assert numbers(backend, [nn.Linear(2, 2).w]) == numbers(get("numpy"), [following.w])


def test_initial_weights_are_spread_as_they_should():
    manual_seed(0)
    fan_in, fan_out = 300, 200
    deviations = {
        "glorot": (2 / 500) ** 0.5,
        "glorot_uniform": (2 / 500) ** 0.5,
        "he": (2 / 300) ** 0.5,
        "kaiming_uniform": (1 / 3 / 300) ** 0.5,
        "normal": 1.0,
        "zeros": 0.0,
    }
    assert list(deviations) == INITS
    for init, deviation in deviations.items():
        layer = nn.Linear(fan_in, fan_out, init=init, dtype="float64")
        w = layer.w.value
        assert abs(w.std() - deviation) <= 0.01 * deviation, init
        assert abs(w.mean()) <= 0.02 * deviation
        if init.endswith("uniform"):
            limit = deviation * 3**0.5
            assert 0.999 * limit < abs(w).max() <= limit
        elif init != "zeros":
            assert abs(w).max() > 3.5 * deviation
        if init == "kaiming_uniform":
            assert 0.9 * limit < abs(layer.b.value).max() <= limit
        else:
            assert not layer.b.value.any()
    assert not np.signbit(nn.Linear(5, 5, init="zeros").w.value).any()


def test_torchs_default_initialization_is_kaiming_uniform():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Linear(400, 300)
    ours = nn.Linear(400, 300, init="kaiming_uniform")
    for p, q in ((ours.w, theirs.weight), (ours.b, theirs.bias)):
        q = q.detach().numpy()
        assert abs(abs(p.value).max() - abs(q).max()) < 0.02 * abs(q).max()
        assert abs(p.value.std() - q.std()) < 0.12 * q.std()


def test_an_unknown_init():
    with pytest.raises(ValueError, match=rf"^init = 'xavier', expected one of {', '.join(INITS)}"):
        nn.Linear(3, 2, init="xavier")
    assert initial("he", (4, 3, 2, 2), 12, 16).shape == (4, 3, 2, 2)


# -- Sequential and activations -------------------------------------------------------------------


def test_sequential(backend):
    model = nn.Sequential(nn.Linear(3, 4), gradcore.sigmoid, nn.Linear(4, 2), nn.LogSoftmax())
    x = backend.asarray([[1.0, 2.0, 3.0]])
    expected = model[3](model[2](gradcore.sigmoid(model[0](x))))
    assert numbers(backend, [model(x)]) == numbers(backend, [expected])
    assert len(model) == 4
    assert [type(layer) for layer in model][::2] == [nn.Linear, nn.Linear]
    assert model[-1] is model.layers[3]
    assert type(model[:2]) is nn.Sequential
    assert model[:2].layers == model.layers[:2]
    assert [name for name, _ in model.named_parameters()][2:] == ["layers.2.w", "layers.2.b"]
    same_node = TensorNode(x)
    assert nn.Sequential()(same_node) is same_node


def test_sequential_of_what_is_no_function():
    with pytest.raises(TypeError, match=r"^Sequential: argument 0 is a list.*\(\*modules\)"):
        nn.Sequential([nn.Relu(), nn.Relu()])
    with pytest.raises(TypeError, match=r"^Sequential: argument 1 is a int, expected a module"):
        nn.Sequential(nn.Relu(), 3)


def test_activations(backend, dtype):
    x = TensorNode(backend.asarray(np.asarray([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]]), dtype))
    for module, op in (
        (nn.Sigmoid(), ops.Sigmoid),
        (nn.Relu(), ops.Relu),
        (nn.Tanh(), ops.Tanh),
        (nn.Softmax(), ops.Softmax),
        (nn.LogSoftmax(), ops.LogSoftmax),
    ):
        assert numbers(backend, [module(x)]) == numbers(backend, [op.do_forward(x)])
        assert module(x).source.op is op
        assert module.parameters() == []
    columns = backend.to_numpy(nn.Softmax(axis=0)(x).value).sum(0)
    np.testing.assert_allclose(columns, 1, rtol=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3), (5,), (0, 2, 3)])
def test_flatten(backend, shape):
    x = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    for given in (backend.asarray(x), TensorNode(backend.asarray(x))):
        y = nn.Flatten()(given)
        expected = x.reshape(shape[0], int(np.prod(shape[1:])))
        assert np.array_equal(backend.to_numpy(y.value), expected)


# -- The course's way -----------------------------------------------------------------------------


class CourseMLP(gradcore.Module):
    """As the course's experiments/train_mlp.py has it."""

    def __init__(self, input_size, output_size, hidden_mult=4):
        super().__init__()
        hidden_size = hidden_mult * input_size
        self.layer1 = gradcore.Linear(input_size, hidden_size)
        self.layer2 = gradcore.Linear(hidden_size, output_size)

    def forward(self, input):  # noqa: A002
        assert len(input.size()) == 2
        hidden = gradcore.sigmoid(self.layer1(input))
        return gradcore.logsoftmax(self.layer2(hidden))

    def parameters(self):
        return self.layer1.parameters() + self.layer2.parameters()


def test_the_courses_training_loop(backend):
    manual_seed(0)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    x = rng.normal(size=(60, 2)) + 2 * y[:, None]
    xtrain, ytrain = backend.asarray(x, "float32"), backend.asarray(y)
    mlp = CourseMLP(input_size=2, output_size=2)
    assert len(mlp.parameters()) == 4
    losses = []
    for _ in range(15):
        cl = 0.0
        for fr in range(0, 60, 16):
            to = min(fr + 16, 60)
            batch = gradcore.TensorNode(value=xtrain[fr:to, :])
            loss = gradcore.logceloss(mlp(batch), ytrain[fr:to])
            cl += loss.value
            loss.backward()
            for parm in mlp.parameters():
                parm.value -= 0.05 * parm.grad
            loss.zero_grad()
            loss.clear()
        losses.append(float(cl) / 60)
    assert not any(p.has_grad for p in mlp.parameters())
    assert losses[-1] < 0.5 * losses[0]
    assert len(mlp.state_dict()) == 4


def test_sgd_is_the_courses_update(backend):
    manual_seed(0)
    first, second = CourseMLP(3, 2), CourseMLP(3, 2)
    second.load_state_dict(first.state_dict())
    optimizer = optim.SGD(second.parameters(), lr=0.1)
    x = backend.asarray(np.random.default_rng(0).normal(size=(8, 3)), "float32")
    t = backend.asarray(np.arange(8) % 2)
    for _ in range(5):
        for mlp in (first, second):
            gradcore.logceloss(mlp(TensorNode(x)), t).backward()
        for parm in first.parameters():
            parm.value -= 0.1 * parm.grad
        optimizer.step()
        first.zero_grad()
        optimizer.zero_grad()
    assert same(first.state_dict(), second.state_dict())


# -- Hooks ------------------------------------------------------------------------------------


class Scale(nn.Module):
    def __init__(self, factor: float) -> None:
        self.factor = TensorNode([factor])

    def forward(self, x: Any, y: Any = 0.0) -> Any:
        return x * self.factor + y * x


def test_forward_hooks_see_and_replace(backend: Any) -> None:
    scale, seen = Scale(2.0), []
    x = TensorNode(backend.asarray(np.array([1.0, 3.0]), "float32"))
    before = scale.register_forward_pre_hook(lambda _, inputs: (inputs[0] + 1.0,))
    after = scale.register_forward_hook(
        lambda module, inputs, output: seen.append((module, inputs[0].shape)) or output * 10.0
    )
    assert backend.to_numpy(scale(x).value).tolist() == [40.0, 80.0]
    assert seen == [(scale, (2,))]
    before.remove()
    assert backend.to_numpy(scale(x).value).tolist() == [20.0, 60.0]
    after.remove()
    assert backend.to_numpy(scale(x).value).tolist() == [2.0, 6.0]
    assert [p is scale.factor for p in scale.parameters()] == [True]
    assert list(scale.state_dict()) == ["factor"]


def test_backward_hook_has_all_gradients_at_once() -> None:
    scale, seen = Scale(2.0), []

    def hook(module: nn.Module, grad_input: Any, grad_output: Any) -> None:
        assert module is scale
        seen.append(([g if g is None else g.tolist() for g in grad_input], grad_output[0].tolist()))

    x, y = TensorNode([1.0, 3.0]), TensorNode([5.0, 7.0])
    with scale.register_full_backward_hook(hook):
        Sum.do_forward(scale(x, y) * 3.0 + x).backward()
        Sum.do_forward(scale(x, np.array([5.0, 7.0], np.float32))).backward()
        Sum.do_forward(scale(np.array([1.0, 3.0], np.float32))).backward()
        with gradcore.no_grad():
            scale(x, y)
    Sum.do_forward(scale(x, y)).backward()  # it is off
    assert seen == [
        ([[21.0, 27.0], [3.0, 9.0]], [3.0, 3.0]),
        ([[7.0, 9.0], None], [1.0, 1.0]),
        ([None], [1.0, 1.0]),
    ]


def test_backward_hook_replaces_and_leaves_values_and_gradients_alone() -> None:
    scale = Scale(2.0)
    x = TensorNode([1.0, 3.0])
    with scale.register_full_backward_hook(lambda _module, grad_input, _: (-grad_input[0],)):
        Sum.do_forward(scale(x) * 3.0).backward()
    assert x.grad.tolist() == [-6.0, -6.0]
    assert scale.factor.grad.tolist() == [12.0]
    scale.register_full_backward_hook(lambda *_: np.zeros(5))
    with pytest.raises(ValueError, match=r"grad is float64 \(5,\) .* expected float32 \(2,\)"):
        Sum.do_forward(scale(x)).backward()


def test_backward_hooks_leave_nothing_to_the_garbage_collector() -> None:
    scale = Scale(2.0)
    with scale.register_full_backward_hook(lambda *_: None), no_garbage():
        Sum.do_forward(scale(TensorNode([1.0]))).backward()
