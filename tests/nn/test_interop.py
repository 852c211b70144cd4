"""Weights and arrays between gradcore and PyTorch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore import Module, Sum, TensorNode, array_api, nn
from gradcore.nn import load_torch_state_dict, torch_state_dict

torch = pytest.importorskip("torch")

DOCS = (Path(__file__).parents[2] / "docs/how-to/interop.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)


def tensors(state: dict[str, Any]) -> dict[str, Any]:
    """A state as torch has it, on the CPU."""
    to_numpy = gradcore.backends.default().to_numpy
    return {name: torch.from_numpy(to_numpy(x).copy()) for name, x in state.items()}


def randomize(twin: Any, seed: int = 0) -> Any:
    """Other values in everything, also where the same ones are usual."""
    torch.manual_seed(seed)
    state = twin.state_dict()
    for name, x in state.items():
        state[name] = torch.rand(x.shape) if x.is_floating_point() else x + 7
    twin.load_state_dict(state)
    return twin.eval()


# -- Layers -------------------------------------------------------------------------------------

IMAGES, ROWS, INTEGERS = (2, 4, 6, 6), (5, 4), "integers"
LAYERS: dict[str, tuple[Any, Any, Any]] = {
    "Linear": (lambda: nn.Linear(4, 3), lambda: torch.nn.Linear(4, 3), ROWS),
    "Linear(1)": (lambda: nn.Linear(4, 1), lambda: torch.nn.Linear(4, 1), ROWS),
    "Linear without bias": (
        lambda: nn.Linear(4, 3, bias=False),
        lambda: torch.nn.Linear(4, 3, bias=False),
        ROWS,
    ),
    "Embedding": (lambda: nn.Embedding(6, 3), lambda: torch.nn.Embedding(6, 3), INTEGERS),
    "LayerNorm": (lambda: nn.LayerNorm(4), lambda: torch.nn.LayerNorm(4), ROWS),
    "LayerNorm without": (
        lambda: nn.LayerNorm(4, elementwise_affine=False),
        lambda: torch.nn.LayerNorm(4, elementwise_affine=False),
        ROWS,
    ),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), lambda: torch.nn.GroupNorm(2, 4), IMAGES),
    "Conv2d": (
        lambda: nn.Conv2d(4, 6, (3, 2), 2, 1, groups=2),
        lambda: torch.nn.Conv2d(4, 6, (3, 2), 2, 1, groups=2),
        IMAGES,
    ),
    "Conv2d without bias": (
        lambda: nn.Conv2d(4, 3, 3, padding="same", bias=False),
        lambda: torch.nn.Conv2d(4, 3, 3, padding="same", bias=False),
        IMAGES,
    ),
    "Conv1d": (lambda: nn.Conv1d(4, 3, 2), lambda: torch.nn.Conv1d(4, 3, 2), (2, 4, 5)),
    "ConvTranspose2d": (
        lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2),
        lambda: torch.nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2),
        IMAGES,
    ),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4), lambda: torch.nn.BatchNorm1d(4), ROWS),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(4), lambda: torch.nn.BatchNorm2d(4), IMAGES),
    "BatchNorm2d without weights": (
        lambda: nn.BatchNorm2d(4, affine=False),
        lambda: torch.nn.BatchNorm2d(4, affine=False),
        IMAGES,
    ),
    "BatchNorm2d without statistics": (
        lambda: nn.BatchNorm2d(4, track_running_stats=False),
        lambda: torch.nn.BatchNorm2d(4, track_running_stats=False),
        IMAGES,
    ),
    "RMSNorm": (lambda: nn.RMSNorm(4, eps=1e-5), lambda: torch.nn.RMSNorm(4, eps=1e-5), ROWS),
}


def _same(name: str, shape: Any, *args: Any, **options: Any) -> None:
    """Add a layer whose name and arguments are PyTorch's."""
    given = [*map(repr, args), *[f"{k}={x!r}" for k, x in options.items()]]
    LAYERS[f"{name}({', '.join(given)})"] = (
        lambda: getattr(nn, name)(*args, **options),
        lambda: getattr(torch.nn, name)(*args, **options),
        shape,
    )


SEQUENCES, VOLUMES = (2, 4, 5), (2, 4, 3, 2, 3)
_same("LayerNorm", ROWS, 4, bias=False)
_same("GroupNorm", IMAGES, 2, 4, bias=False)
_same("BatchNorm1d", SEQUENCES, 4, momentum=None)
_same("BatchNorm2d", IMAGES, 4, bias=False)
_same("BatchNorm3d", VOLUMES, 4)
for _affine in (False, True):
    for _tracks in (False, True):
        _options = {"affine": _affine, "track_running_stats": _tracks}
        _same("InstanceNorm2d", IMAGES, 4, **_options)
        _same("InstanceNorm1d", SEQUENCES[1:], 4, **_options)
_same("InstanceNorm1d", SEQUENCES, 4, affine=True, bias=False)
_same("InstanceNorm2d", IMAGES[1:], 4)
_same("InstanceNorm3d", VOLUMES, 4, momentum=None, affine=True, track_running_stats=True)
_same("InstanceNorm3d", VOLUMES[1:], 4)
for _size in (1, 2, 5, 9):
    _same("LocalResponseNorm", IMAGES, _size, alpha=0.5, k=0.75)
_same("LocalResponseNorm", SEQUENCES, 3, beta=2.0)
_same("PReLU", IMAGES)
_same("PReLU", VOLUMES, 4)
_same("PReLU", ROWS, 4)
for _name in ("ReLU", "ReLU6", "LeakyReLU", "ELU", "SELU", "CELU", "SiLU", "Mish", "Hardtanh",
              "Hardsigmoid", "Hardswish"):  # fmt: skip
    _same(_name, ROWS, inplace=True)
for _name in ("GELU", "Hardshrink", "Softshrink", "Tanhshrink", "Softsign", "Softplus", "Tanh",
              "Sigmoid", "LogSigmoid", "Identity", "Flatten", "GLU", "Softmax2d"):  # fmt: skip
    _same(_name, IMAGES)
_same("Threshold", ROWS, 0.5, -3.0, inplace=True)
_same("Threshold", ROWS, 0.5, 20.0)
_same("GLU", IMAGES, 1)
for _name in ("Softmin", "Softmax", "LogSoftmax"):
    _same(_name, IMAGES, 1)
_same("Softmax2d", IMAGES[1:])
_same("Identity", ROWS, 54, unused=0.1)
_same("Flatten", IMAGES, 0)
_same("Flatten", IMAGES, 1, 2)
_same("Flatten", IMAGES, -2)
_same("Unflatten", IMAGES, 1, (2, 1, 2))
_same("Unflatten", IMAGES, -1, (3, -1))
for _name, _shape in (("Dropout", ROWS), ("Dropout1d", SEQUENCES), ("Dropout2d", IMAGES),
                      ("Dropout3d", VOLUMES), ("AlphaDropout", ROWS),
                      ("FeatureAlphaDropout", IMAGES)):  # fmt: skip
    _same(_name, _shape, 0.0)


def given(shape: Any) -> np.ndarray:
    rng = np.random.default_rng(0)
    if shape == INTEGERS:
        return rng.integers(0, 6, (5, 2))
    return rng.standard_normal(shape).astype(np.float32)


def _runs_alike(backend: Any, ours: Any, twin: Any, x: np.ndarray) -> None:
    """Compare values and gradients of a module and its twin, and their states afterwards."""
    node = TensorNode(backend.asarray(x))
    tensor = torch.from_numpy(x.copy()).requires_grad_(node.requires_grad)
    y = ours(node)
    # PyTorch changes no leaf in place.
    expected = twin(tensor * 1 if node.requires_grad else tensor)
    close = {"rtol": 2e-4, "atol": 2e-5}
    np.testing.assert_allclose(backend.to_numpy(y.value), expected.detach().numpy(), **close)
    ours.zero_grad()
    twin.zero_grad()
    go = np.random.default_rng(1).standard_normal(expected.shape).astype(np.float32)
    Sum.do_forward(y * backend.asarray(go)).backward()
    (expected * torch.from_numpy(go)).sum().backward()
    theirs = dict(twin.named_parameters())
    pairs = [(ours.get_parameter(name), p) for name, p in theirs.items()]
    assert len(ours.parameters()) == len(pairs)
    for p, q in [*pairs, *([(node, tensor)] if node.requires_grad else [])]:
        found = backend.to_numpy(p.grad).reshape(q.shape)
        np.testing.assert_allclose(found, q.grad.numpy(), **close)
    state = torch_state_dict(ours)
    for name, q in twin.state_dict().items():
        np.testing.assert_allclose(backend.to_numpy(state[name]), q.numpy(), **close)


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_there_and_back(backend: Any, layer: str) -> None:
    make, make_twin, shape = LAYERS[layer]
    ours, twin = make().eval(), randomize(make_twin())
    load_torch_state_dict(ours, twin.state_dict())
    x = given(shape)
    for training in (True, False):
        _runs_alike(backend, ours.train(training), twin.train(training), x)
    expected = twin(torch.from_numpy(x.copy())).detach().numpy()

    state = torch_state_dict(ours)
    assert list(state) == list(twin.state_dict())
    assert all(isinstance(array, backend.array_types) for array in state.values())
    other = make_twin().eval()
    other.load_state_dict(tensors(state), strict=True)
    found = other(torch.from_numpy(x.copy())).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def images() -> tuple[Any, Any]:
    """A network of convolutions, with a part in another, and its twin."""
    ours = nn.Sequential(
        nn.Conv2d(4, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.Relu(),
        nn.Sequential(nn.ConvTranspose2d(4, 6, 2, 2), nn.BatchNorm2d(6, momentum=None)),
        nn.MaxPool2d(3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    )
    twin = torch.nn.Sequential(
        torch.nn.Conv2d(4, 4, 3, padding=1, bias=False),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.Sequential(
            torch.nn.ConvTranspose2d(4, 6, 2, 2), torch.nn.BatchNorm2d(6, momentum=None)
        ),
        torch.nn.MaxPool2d(3),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(6, 3),
    )
    return ours, twin


def test_training_goes_on_in_the_other_library(backend: Any) -> None:
    """Batch norm's statistics and counts go along, from PyTorch and back."""
    (ours, twin), (_, other) = images(), images()
    x = given(IMAGES)
    tensor = torch.from_numpy(x)
    twin(tensor), twin(2 * tensor)
    load_torch_state_dict(ours, twin.state_dict())
    y, expected = ours(backend.asarray(3 * x)), twin(3 * tensor).detach().numpy()
    np.testing.assert_allclose(backend.to_numpy(y.value), expected, rtol=1e-4, atol=1e-5)

    other.load_state_dict(tensors(torch_state_dict(ours)), strict=True)
    assert other[1].num_batches_tracked == 3
    for name, value in twin.state_dict().items():
        np.testing.assert_allclose(other.state_dict()[name], value, rtol=1e-4, atol=1e-5)
    expected = twin.eval()(tensor).detach().numpy()
    np.testing.assert_allclose(other.eval()(tensor).detach().numpy(), expected, 1e-4, 1e-5)
    y = ours.eval()(backend.asarray(x))
    np.testing.assert_allclose(backend.to_numpy(y.value), expected, rtol=1e-4, atol=1e-5)


# -- Modules ------------------------------------------------------------------------------------


class Block(Module):
    def __init__(self) -> None:
        self.norm = nn.LayerNorm(4)
        self.layers = [nn.Linear(4, 4), nn.Linear(4, 4)]


class Net(Module):
    """Submodules in attributes, lists and dictionaries, and values: all that a module can hold."""

    def __init__(self) -> None:
        self.embedding = nn.Embedding(6, 4)
        self.blocks = [Block(), Block()]
        self.head = nn.Sequential(nn.Linear(4, 8), nn.Relu(), nn.Sequential(nn.Linear(8, 2)))
        self.by_name = {"a": nn.Linear(2, 2), "b": nn.Linear(2, 3, bias=False)}
        self.scale = TensorNode([1.0, 2.0])
        self.count = TensorNode([0], requires_grad=False)


class TwinBlock(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.LayerNorm(4)
        self.layers = torch.nn.ModuleList([torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)])


class Twin(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(6, 4)
        self.blocks = torch.nn.ModuleList([TwinBlock(), TwinBlock()])
        inner = torch.nn.Sequential(torch.nn.Linear(8, 2))
        self.head = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), inner)
        linear = torch.nn.Linear(2, 3, bias=False)
        self.by_name = torch.nn.ModuleDict({"a": torch.nn.Linear(2, 2), "b": linear})
        self.scale = torch.nn.Parameter(torch.ones(2))
        self.register_buffer("count", torch.zeros(1, dtype=torch.int64))


def test_names_of_nested_modules(backend: Any) -> None:
    twin, net = randomize(Twin()), Net()
    state = torch_state_dict(net)
    assert state.keys() == twin.state_dict().keys()
    for name, x in twin.state_dict().items():
        assert tuple(state[name].shape) == tuple(x.shape)
        assert str(x.dtype).endswith(str(backend.to_numpy(state[name]).dtype))
    load_torch_state_dict(net, twin.state_dict())
    for name, x in torch_state_dict(net).items():
        np.testing.assert_array_equal(backend.to_numpy(x), twin.state_dict()[name].numpy())
    assert tuple(net.head[0].b.shape) == (1, 8)


def test_both_are_copies() -> None:
    with gradcore.use_backend("numpy"):
        net, twin = Net(), randomize(Twin())
        state = {name: x.numpy().copy() for name, x in twin.state_dict().items()}
        load_torch_state_dict(net, twin.state_dict())
        for x in torch_state_dict(net).values():
            x += 1
        for node in net.parameters():
            node.value += 1
    for name, x in twin.state_dict().items():
        np.testing.assert_array_equal(x.numpy(), state[name])


def test_each_parameter_keeps_dtype_and_place(backend: Any) -> None:
    net, twin = nn.Linear(4, 3), randomize(torch.nn.Linear(4, 3).double())
    load_torch_state_dict(net, twin.state_dict())
    for node in net.parameters():
        assert node.value.dtype == backend.dtype("float32")
        assert node.value.device == backend.asarray([0]).device
    expected = twin.weight.detach().numpy().astype(np.float32)
    np.testing.assert_array_equal(backend.to_numpy(net.w.value), expected)


class Tied(Module):
    def __init__(self) -> None:
        self.embedding = nn.Embedding(6, 4)
        self.output = nn.Linear(4, 6, bias=False)
        self.output.w = self.embedding.w
        self.again = self.output


class TwinTied(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(6, 4)
        self.output = torch.nn.Linear(4, 6, bias=False)
        self.output.weight = self.embedding.weight
        self.again = self.output


def test_what_is_shared_has_all_its_names() -> None:
    with gradcore.use_backend("numpy"):
        tied, twin = Tied(), randomize(TwinTied())
        load_torch_state_dict(tied, twin.state_dict())
        assert tied.output.w is tied.embedding.w
        np.testing.assert_array_equal(tied.output.w.value, twin.output.weight.detach().numpy())
        TwinTied().load_state_dict(tensors(torch_state_dict(tied)), strict=True)


def test_a_module_that_holds_one_around_it() -> None:
    net = Block()
    net.norm.owner = net  # type: ignore[attr-defined]
    assert torch_state_dict(net).keys() == TwinBlock().state_dict().keys()


def test_what_does_not_fit() -> None:
    net, state = Net(), dict(torch_state_dict(Net()))
    before = net.state_dict()
    del state["embedding.weight"]
    state["head.0.bias"] = state["head.0.bias"][:-1]
    state["head.0.v"] = state["scale"]
    with pytest.raises(ValueError, match=r"^load_torch_state_dict: Net: ") as error:
        load_torch_state_dict(net, state)
    for part in (
        "embedding.weight is missing",
        "head.0.bias has shape (1, 7), expected (1, 8)",
        "head.0.v is unexpected",
    ):
        assert part in str(error.value)
    for name, x in net.state_dict().items():
        array = gradcore.backends.default().to_numpy
        np.testing.assert_array_equal(array(x), array(before[name]))


class Own(nn.Module):
    """A module whose attributes have the names that layers have for weight and bias."""

    def __init__(self) -> None:
        self.w, self.b = TensorNode([1.0, 2.0]), TensorNode([3.0])
        self.inner = nn.Linear(2, 3)


class TwinOwn(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor([4.0, 5.0]))
        self.b = torch.nn.Parameter(torch.tensor([6.0]))
        self.inner = torch.nn.Linear(2, 3)


def test_a_module_of_ones_own_may_name_its_parameters_w_and_b() -> None:
    with gradcore.use_backend("numpy"):
        own, twin = Own(), TwinOwn()
        load_torch_state_dict(own, twin.state_dict())
        assert own.w.value.tolist() == [4.0, 5.0]
        assert own.b.value.tolist() == [6.0]
        assert list(torch_state_dict(own)) == ["w", "b", "inner.weight", "inner.bias"]
        TwinOwn().load_state_dict(tensors(torch_state_dict(own)), strict=True)
        state = dict(twin.state_dict())
        state["weight"], state["bias"] = state.pop("w") + 1, state.pop("b") + 1
        load_torch_state_dict(own, state)
        assert own.w.value.tolist() == [5.0, 6.0]
        own.weight = TensorNode([[7.0]])  # type: ignore[attr-defined]
        assert torch_state_dict(own)["weight"].tolist() == [[7.0]]
        load_torch_state_dict(own, torch_state_dict(own))


@pytest.mark.parametrize(
    "precision", ["bfloat16", "float16", "float64", "float8_e4m3fn", "float8_e5m2", "int8"]
)
def test_a_state_of_any_precision_is_read_exactly(precision: str) -> None:
    with gradcore.use_backend("numpy"):
        net, twin = nn.Linear(3, 2), torch.nn.Linear(3, 2)
        state = {name: x.to(getattr(torch, precision)) for name, x in twin.state_dict().items()}
        load_torch_state_dict(net, state)
        np.testing.assert_array_equal(net.w.value, state["weight"].float().numpy())
        net.load_state_dict({"w": state["weight"], "b": state["bias"][None]})
        np.testing.assert_array_equal(net.b.value[0], state["bias"].float().numpy())


def test_parameters_of_torch_are_read_without_their_graph() -> None:
    with gradcore.use_backend("numpy"):
        net, twin = nn.Linear(3, 2), torch.nn.Linear(3, 2)
        for state in (
            dict(twin.named_parameters()),
            twin.state_dict(keep_vars=True),
            {name: x * 2.0 for name, x in twin.named_parameters()},
        ):
            load_torch_state_dict(net, state)
            np.testing.assert_array_equal(net.w.value, state["weight"].detach().numpy())


@pytest.mark.filterwarnings("ignore")
def test_a_tensor_that_is_no_dense_array_is_named() -> None:
    with gradcore.use_backend("numpy"):
        net, state = nn.Linear(3, 2), torch.nn.Linear(3, 2).state_dict()
        before = net.w.value.copy()
        w = state["weight"]
        for wrong in (
            w.to_sparse(),
            w.to_sparse_csr(),
            w.to("meta"),
            torch.quantize_per_tensor(w, 0.1, 0, torch.qint8),
            w.to(torch.complex64),
            "weight",
        ):
            with pytest.raises(ValueError, match=r"^load_torch.*: Linear: weight is .*$") as error:
                load_torch_state_dict(net, {**state, "weight": wrong})
            assert "\n" not in str(error.value)
            assert (net.w.value == before).all()


def test_tied_weights_from_a_file_that_has_one_of_them() -> None:
    with gradcore.use_backend("numpy"):
        full = dict(randomize(TwinTied()).state_dict())
        for left in range(len(full)):
            tied, name = Tied(), list(full)[left]
            load_torch_state_dict(tied, {name: full[name]})
            np.testing.assert_array_equal(tied.embedding.w.value, full[name].numpy())
        with pytest.raises(ValueError, match=r"differs from .*, with which it is tied"):
            load_torch_state_dict(Tied(), {**full, name: full[name] + 1})


def test_two_of_one_name() -> None:
    net = nn.Linear(4, 3)
    vars(net)["weight"] = TensorNode([1.0])
    with pytest.raises(ValueError, match="Linear: two parameters would be named weight"):
        torch_state_dict(net)


# -- Arrays -------------------------------------------------------------------------------------


def test_a_tensor_and_a_node_in_the_same_memory() -> None:
    tensor = torch.zeros(2, 3)
    for node in (
        TensorNode(tensor),
        TensorNode(np.from_dlpack(tensor)),
        array_api.from_dlpack(np.from_dlpack(tensor)),
    ):
        back = torch.from_dlpack(node.value)
        assert back.data_ptr() == tensor.data_ptr()
        tensor += 1
        assert float(back[0, 0]) == float(node.value[1, 2]) == float(tensor[0, 0])
    node = TensorNode(tensor)
    assert node.value is tensor


def test_what_a_convolution_gives_in_the_same_memory() -> None:
    """Arrays of any memory order move both ways."""
    tensor = torch.arange(96.0).reshape(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    x, w = TensorNode(np.from_dlpack(tensor)), TensorNode(np.ones((2, 3, 1, 1), "float32"))
    y = gradcore.conv2d(x, w)
    back = torch.from_dlpack(y.value)
    assert back.data_ptr() == y.value.ctypes.data
    assert torch.equal(back, tensor.sum(1, keepdim=True).expand(2, 2, 4, 4))
    Sum.do_forward(y).backward()
    assert torch.equal(torch.from_dlpack(x.grad), torch.full((2, 3, 4, 4), 2.0))


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_an_array_and_a_tensor_in_the_same_memory(kind: str) -> None:
    """The other way round; and a gradient."""
    x = np.arange(6, dtype=kind).reshape(2, 3)[:, ::2]
    node = TensorNode(x)
    tensor = torch.from_dlpack(node.value)
    tensor *= 2
    np.testing.assert_array_equal(x, [[0, 4], [6, 10]])
    Sum.do_forward(node * node).backward()
    gradient = torch.from_dlpack(node.grad)
    gradient += 1
    np.testing.assert_array_equal(node.grad, 2 * x + 1)
    constant = TensorNode(x, requires_grad=False)
    assert torch.from_dlpack(constant).data_ptr() == x.ctypes.data


def test_what_has_gradients_is_no_array_of_another_library() -> None:
    with pytest.raises(TypeError, match=r"take its \.value"):
        torch.from_dlpack(TensorNode(np.ones(2)))


def test_a_tensor_with_a_graph_of_its_own_is_no_value_of_a_node() -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    for tensor in (parameter, parameter * 2.0, torch.ones(2, requires_grad=True)):
        with pytest.raises(TypeError, match=r"has a graph of its own; give x\.detach\(\)$"):
            TensorNode(tensor)
        assert TensorNode(tensor.detach()).value.data_ptr() == tensor.data_ptr()


LABELLED: dict[str, Any] = {
    "cross_entropy": lambda x, t: gradcore.cross_entropy(x, t),
    "nll_loss": lambda x, t: gradcore.nll_loss(x, t),
    "logceloss": lambda x, t: gradcore.logceloss(x, t),
    "celoss": lambda x, t: gradcore.celoss(x, t),
    "Select": lambda x, t: gradcore.Select.do_forward(x, indices=t),
    "embedding": lambda x, t: gradcore.embedding(t, x),
    "Embedding": lambda _, t: nn.Embedding(3, 2)(t),
    "take": lambda x, t: array_api.take(x, t, axis=0),
    "x[t]": lambda x, t: x[t],
    "mse_loss": lambda x, t: gradcore.mse_loss(x[:, 0], t),
}


@pytest.mark.parametrize("name", LABELLED)
def test_labels_of_another_library_are_named_with_the_call_that_moves_them(name: str) -> None:
    with gradcore.use_backend("numpy"):
        x = TensorNode(np.full((2, 3), 0.25))
        with pytest.raises((TypeError, ValueError), match=r"torch.*move (it|one): .*asarray") as e:
            LABELLED[name](x, torch.tensor([0, 1]))
        assert "\n" not in str(e.value)
        moved = gradcore.backends.get("numpy").asarray(torch.tensor([0, 1]))
        LABELLED[name](x, moved)


# -- The documentation --------------------------------------------------------------------------


def test_docs_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with gradcore.use_backend("numpy"):
        names: dict[str, Any] = {}
        exec(BLOCKS[0], names)
        net, twin = names["net"], names["twin"]
        x = given((5, 784))
        expected = twin(torch.from_numpy(x)).detach().numpy()
        np.testing.assert_allclose(net(x).value, expected, rtol=1e-4, atol=1e-5)

        safetensors = pytest.importorskip("safetensors.torch")
        expected = randomize(twin).layer1.weight.detach().numpy().copy()
        exec(BLOCKS[1], names)
        np.testing.assert_array_equal(net.layer1.w.value, expected)
        for name, tensor in safetensors.load_file("net.safetensors").items():
            assert torch.equal(twin.state_dict()[name], tensor)


def test_docs_arrays() -> None:
    names: dict[str, Any] = {}
    exec(BLOCKS[2], names)
    np.testing.assert_array_equal(names["x"].value, np.full((2, 3), 2.0))
    assert torch.equal(names["gradient"], torch.full((2, 3), 2.0))
