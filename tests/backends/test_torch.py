"""The torch backend: its devices, what comes in, whose memory an array is, and updates together."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from small_network import trained

import gradcore
from gradcore import TensorNode, nn, optim
from gradcore.backends import Backend, backend_of, get, use_backend

torch = pytest.importorskip("torch")


@pytest.fixture
def on_torch() -> Iterator[Backend]:
    with use_backend("torch:cpu") as backend:
        yield backend


def test_an_unknown_device_is_an_error_that_names_those_there_are() -> None:
    for name in ("nonsense", "cpu:7", "7"):
        with pytest.raises(ValueError, match=f"torch: no device '{name}'; this machine has cpu"):
            get("torch", name)
    assert get("torch:cpu").device == torch.device("cpu")


def test_what_the_device_tells(on_torch: Backend) -> None:
    assert on_torch.describe_device() == "CPU"
    assert f"torch {torch.__version__}" in on_torch.describe_library()
    assert (on_torch.used_memory(), on_torch.describe_memory()) == (0, "")
    assert on_torch.environment() == {}
    with pytest.raises(ValueError, match="torch can't limit its memory on cpu"):
        on_torch.limit_memory(10**9)


def test_an_old_torch_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    assert get("torch").problem() is None
    monkeypatch.setattr(torch, "__version__", "2.3.1+cu121")
    assert "torch 2.3.1+cu121 is older than 2.6; pip install" in str(get("torch").problem())


def test_tensors_come_in_without_their_graph(on_torch: Backend) -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    for x in (parameter, parameter * 2.0, torch.ones(2, requires_grad=True)):
        y = on_torch.asarray(x)
        assert type(y) is torch.Tensor
        assert not y.requires_grad
        assert y.data_ptr() == x.data_ptr()
    frozen = torch.nn.Parameter(torch.full((2,), 3.0), requires_grad=False)
    node = TensorNode([1.0, 2.0])
    loss = (node * frozen).sum()
    loss.backward()
    assert type(loss.value) is type(node.grad) is torch.Tensor
    np.testing.assert_array_equal(node.grad, [3.0, 3.0])
    for use in (TensorNode, lambda x: node * x, lambda x: x * node):
        for x in (parameter, parameter * 2.0):
            with pytest.raises(TypeError, match=r"has a graph of its own; give x\.detach\(\)"):
                use(x)
    assert backend_of(parameter) is backend_of(torch.ones(1))


@pytest.mark.parametrize("kind", ["float32", "float64", ">f4", "int32", "bool", "uint8"])
def test_arrays_of_numpy_come_in_and_go_out(on_torch: Backend, kind: str) -> None:
    x = np.arange(12).reshape(3, 4).astype(kind)
    read_only = np.broadcast_to(x[:, :1], x.shape)
    for array in (x, x.T, x[::-1, ::-2], read_only, np.array(1, kind)):
        y = on_torch.asarray(array)
        np.testing.assert_array_equal(on_torch.to_numpy(y), array)
        is_shared = np.shares_memory(y.numpy(), array)
        assert is_shared == (array.base is None and x.dtype.isnative)
        assert not is_shared or not on_torch.owns_memory(y)


def test_numbers_of_16_bits_that_numpy_lacks_have_the_methods_of_nodes(on_torch: Backend) -> None:
    x = TensorNode(torch.ones(4, dtype=torch.bfloat16))
    for y in (x.sum(), x.mean(), x.std(), gradcore.numpy.exp(x), gradcore.numpy.add(x, x)):
        assert y.dtype is torch.bfloat16
    (x * x).sum().backward()
    np.testing.assert_array_equal(on_torch.to_numpy(x.grad), np.full(4, 2.0))


@pytest.mark.parametrize("kind", ["uint8", "int8", "int16", "int32"])
def test_indices_may_be_of_all_integer_dtypes(on_torch: Backend, kind: str) -> None:
    x, indices = TensorNode([1.0, 2.0, 3.0]), on_torch.asarray([0, 2], kind)
    for y in (gradcore.take(x, indices), gradcore.take_along_axis(x, indices), x[indices]):
        np.testing.assert_array_equal(y.value, [1.0, 3.0])
    rows = gradcore.embedding(indices, TensorNode([[1.0], [2.0], [3.0]]))
    np.testing.assert_array_equal(rows.value, [[1.0], [3.0]])


def test_a_device_may_be_named(on_torch: Backend) -> None:
    x = TensorNode(on_torch.asarray([1.0, 2.0]))
    assert x.to_device("cpu") is x


def test_what_a_dtype_lacks_is_a_type_error_that_names_the_function(on_torch: Backend) -> None:
    x = on_torch.asarray([1.0])
    with pytest.raises(TypeError, match=r"bitwise_and: .*not implemented for 'Float'"):
        gradcore.bitwise_and(x, x)


def test_memory_that_somebody_else_sees_is_not_owned(on_torch: Backend) -> None:
    owns = on_torch.owns_memory
    x = torch.zeros(3, 4)
    assert owns(x)
    view, detached = x[0], x.detach()
    assert not owns(x)
    assert not owns(view)
    assert not owns(detached)
    del view, detached
    assert owns(x)
    whole = torch.zeros(3, 4)
    view = whole.reshape(12)
    assert not owns(view)
    del whole
    assert owns(view), "nobody else has the whole"
    assert not owns(torch.zeros(1, 4).expand(3, 4))
    assert not owns(torch.zeros(1, 4).expand(3, 4).detach())
    assert not owns(torch.from_numpy(np.zeros(3)))
    array = x.numpy()
    assert not owns(x)
    assert array.shape == x.shape


def test_a_step_does_not_write_into_tensors_that_others_hold(on_torch: Backend) -> None:
    given = torch.ones(3)
    w = TensorNode(given.detach())
    before = w.value.numpy().copy()
    (w * w).sum().backward()
    optim.SGD([w], lr=0.1).step()
    np.testing.assert_array_equal(given, before)
    np.testing.assert_allclose(on_torch.to_numpy(w.value), 0.8 * before, 1e-6)


SETTINGS: list[tuple[str, int, dict[str, Any]]] = [
    ("sgd", 1, {"momentum": 0.0, "weight_decay": 0.0, "nesterov": False}),
    ("sgd", 1, {"momentum": 0.9, "weight_decay": 0.1, "nesterov": False}),
    ("sgd", 1, {"momentum": 0.9, "weight_decay": 0.0, "nesterov": True}),
    ("adam", 3, {"weight_decay": 0.0, "decoupled_weight_decay": False}),
    ("adam", 3, {"weight_decay": 0.1, "decoupled_weight_decay": False}),
    ("adam", 3, {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("nadam", 3, {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("radam", 2, {"weight_decay": 0.1, "decoupled_weight_decay": False}),
    ("adamax", 2, {"weight_decay": 0.1}),
    ("adadelta", 2, {"weight_decay": 0.1}),
    ("lion", 1, {"weight_decay": 0.1}),
    ("adagrad", 1, {"weight_decay": 0.1}),
    ("rmsprop", 3, {"weight_decay": 0.1, "momentum": 0.0}),
    ("rmsprop", 3, {"weight_decay": 0.0, "momentum": 0.9}),
]
MAY_LACK = {"sgd", "adam", "rmsprop"}  # their last array
MORE = {
    "sgd": {"lr": 0.1, "dampening": 0.25},
    "adam": {"lr": 0.1, "corrections": (0.19, 0.002), "betas": (0.9, 0.999), "eps": 1e-3},
    "nadam": {"lr": 0.1, "correction": 0.19, "mus": (0.8, 0.9), "betas": (0.9, 0.9), "eps": 1e-3},
    "radam": {
        "lr": 0.1,
        "correction": 0.19,
        "plain": 0.25,
        "rectified": 0.5,
        "betas": (0.9, 0.9),
        "eps": 1e-3,
    },
    "adamax": {"lr": 0.1, "correction": 0.19, "betas": (0.9, 0.9), "eps": 1e-3},
    "adadelta": {"lr": 0.1, "rho": 0.9, "eps": 1e-3},
    "lion": {"lr": 0.1, "betas": (0.9, 0.99)},
    "adagrad": {"lr": 0.1, "eps": 1e-3},
    "rmsprop": {"lr": 0.1, "alpha": 0.9, "eps": 1e-3},
}


@pytest.mark.parametrize(("kernel", "memory", "settings"), SETTINGS)
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("order", ["C", "F"])
def test_updates_together_are_the_base_definitions(
    on_torch: Backend, kernel: str, memory: int, settings: dict[str, Any], first: bool, order: Any
) -> None:
    """Also of gradients in another order in memory than the parameters."""
    first = first and kernel in MAY_LACK
    rng, settings = np.random.default_rng(0), {**MORE[kernel], **settings}
    arrays = []
    for shape in ((3, 4), (5,), ()):
        p, g, *rest = (rng.uniform(0.5, 2.0, shape) for _ in range(2 + memory))
        rest = rest if first is False else [*rest[:-1], None]
        arrays.append((p, g.copy(order), *rest))
    given, same = (
        [tuple(None if a is None else on_torch.asarray(a.copy("K")) for a in of) for of in arrays]
        for _ in range(2)
    )
    expected = Backend.update_all(on_torch, kernel, same, **settings)
    found = on_torch.update_all(kernel, given, **settings)
    for one, other in zip(found, expected, strict=True):
        for x, y in zip(one, other, strict=True):
            assert (x is None) == (y is None)
            if x is not None:
                np.testing.assert_allclose(x, y, 1e-12)
    for (_, gradient, *_), (_, before, *_) in zip(given, arrays, strict=True):
        np.testing.assert_array_equal(gradient, before)


def test_a_network_trains_as_on_numpy() -> None:
    np.testing.assert_allclose(trained("torch"), trained("numpy"), 1e-4)


# Tensors of "meta" have shapes and dtypes, but no numbers: to read one is an error. So a step that
# runs on them would keep no GPU waiting.


@pytest.fixture
def checks_later() -> Iterator[dict[Any, Any]]:
    from gradcore.backends.torch.indexing import LATER

    LATER.clear()
    yield LATER
    LATER.clear()


@pytest.mark.parametrize("make", [optim.SGD, optim.AdamW, optim.RMSprop, optim.Adafactor])
def test_no_step_reads_from_its_device(
    on_torch: Backend, checks_later: dict[Any, Any], make: Any
) -> None:
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, relu=True), nn.MaxPool2d(2), nn.Flatten(),
              nn.Dropout(0.5), nn.LayerNorm(36), nn.Linear(36, 5)]  # fmt: skip
    net = nn.Sequential(*layers)
    for _, node in [*net.named_parameters(), *net.named_buffers()]:
        node.value = node.value.to("meta")
    optimizer = make(net.parameters(), lr=0.1)
    x, labels = torch.zeros(8, 3, 8, 8, device="meta"), torch.zeros(8, device="meta").long()
    for _ in range(2):
        loss = gradcore.cross_entropy(net(x), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    assert loss.value.device.type == "meta"
    assert len(checks_later) == 1
    with pytest.raises(NotImplementedError, match="no data"):
        on_torch.to_numpy(loss.value)


def test_an_index_out_of_range_on_a_device_is_told_at_the_next_read(
    checks_later: dict[Any, Any],
) -> None:
    from gradcore.backends.torch.indexing import check_later, raise_index_errors

    for indices in ([0, 3], [1, 7], [2]):
        check_later("embedding: indices", torch.tensor(indices), 5, -5)
    assert len(checks_later) == 1
    with pytest.raises(IndexError, match=r"embedding: indices: 7 is out of range; expected -5 to"):
        raise_index_errors()
    raise_index_errors()  # once
    check_later("embedding: indices", torch.tensor([-6, 4], dtype=torch.int8), 5, -5)
    with pytest.raises(IndexError, match="-6 is out of range"):
        raise_index_errors()


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_gelu_of_infinity_and_of_large_numbers_is_the_definition(
    on_torch: Backend, kind: str
) -> None:
    large = np.finfo(kind).max
    for size in (1, 4, 33):
        x = np.resize(np.array([np.inf, large, -large, 1.0], kind), size)
        with np.errstate(all="ignore"):
            expected = get("numpy").gelu(x)
        np.testing.assert_allclose(on_torch.gelu(on_torch.asarray(x)), expected, 1e-6)


@pytest.mark.parametrize(("kind", "least"), [("float32", 1e-42), ("float64", 5e-320)])
def test_remainders_by_denormal_numbers_are_those_of_numpy(
    on_torch: Backend, kind: str, least: float
) -> None:
    a = np.linspace(-9.0, 1e30, 33).astype(kind)
    for b in (np.full(33, least, kind), np.array(-least, kind)):
        x, y = on_torch.asarray(a), on_torch.asarray(b)
        for name in ("mod", "fmod"):
            expected = getattr(np, name)(a, b)
            np.testing.assert_array_equal(getattr(gradcore.numpy, name)(x, y), expected)


def test_integers_have_a_mean_and_a_variance(on_torch: Backend) -> None:
    x = on_torch.asarray([1, 2])
    assert [float(f(x)) for f in (gradcore.mean, gradcore.var, gradcore.std)] == [1.5, 0.25, 0.5]


def test_a_tensor_with_a_graph_is_refused_wherever_it_comes_in(on_torch: Backend) -> None:
    given, parameter = torch.ones(2, requires_grad=True), torch.nn.Parameter(torch.ones(2, 2))
    node = TensorNode([1.0, 2.0])
    node.value = given
    message = r"backward: the \.value .* has a graph of its own; give x\.detach\(\)"
    with pytest.raises(TypeError, match=message):
        (node * node).sum().backward()
    layer = nn.Linear(2, 2)
    with pytest.raises(TypeError, match=r"this Parameter has a graph of its own; give x\.detach"):
        layer(parameter)
    layer.w = parameter
    with pytest.raises(TypeError, match=r"w is a Parameter .*; say nn\.Parameter\(w\.detach\(\)\)"):
        layer.parameters()
    assert not on_torch.asarray(parameter).requires_grad


def test_sparse_and_quantized_tensors_are_refused_in_one_line(on_torch: Backend) -> None:
    for x in (torch.eye(3).to_sparse(), torch.eye(3).to_sparse_coo()):
        for take in (TensorNode, on_torch.asarray, lambda x: TensorNode(torch.eye(3)) * x):
            with pytest.raises(TypeError, match=r"is sparse, expected .*; give x\.to_dense\(\)$"):
                take(x)


def test_float64_on_apples_gpus_is_an_error_that_says_float32(on_torch: Backend) -> None:
    place = torch.device("mps")  # which has no float64, wherever it is
    for x in (np.ones(2), torch.ones(2, dtype=torch.float64), torch.ones(2)):
        with pytest.raises(TypeError, match=r"mps has no float64; give float32"):
            on_torch.xp.asarray(x, dtype=on_torch.xp.float64, device=place)


def test_numbers_are_written_on_a_device_not_copied_there(
    on_torch: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To copy them is an error while a CUDA graph is recorded."""
    x = torch.asarray([-2.0, 0.5, 3.0])
    for name in ("tensor", "as_tensor", "asarray"):
        monkeypatch.setattr(torch, name, None)
    assert on_torch.xp.asarray(2.0, device=x.device) == 2.0
    for low, high in ((x, 1.0), (-1.0, x), (None, x), (-1.0, 1.0)):
        on_torch.xp.clip(x, low, high)
    of_all = "add subtract multiply divide pow remainder maximum minimum where greater less equal"
    of_floats = "atan2 hypot logaddexp copysign nextafter"
    operands = {
        f"{of_all} {of_floats} greater_equal less_equal not_equal": (x, 2.0),
        of_all: (x.abs().ceil().to(torch.int32), 2),
        "logical_and logical_or logical_xor": (x > 0, True),
    }
    for names, (array, number) in operands.items():
        for name in names.split():
            function = getattr(on_torch.xp, name)
            function = partial(function, x > 0) if name == "where" else function
            full = torch.full_like(array, number)
            for y, expected in (
                (function(array, number), function(array, full)),
                (function(number, array), function(full, array)),
            ):
                np.testing.assert_array_equal(y, expected, strict=True)


def test_an_array_of_numpy_in_a_traced_step_is_an_error(
    on_torch: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADCORE_COMPILE", "fx")
    for take in (on_torch.asarray, on_torch.xp.asarray):

        @gradcore.capture
        def step(x: Any, take: Any = take) -> Any:
            return TensorNode(x) + take(np.ones(2, "float32"))

        x = on_torch.asarray([1.0, 2.0])
        with pytest.raises(gradcore.CaptureError, match="nothing can be copied to its device"):
            [step(x) for _ in range(3)]


def test_mixed_precision_does_not_write_into_an_array_that_another_node_has(
    on_torch: Backend,
) -> None:
    w = TensorNode(on_torch.asarray([1.0, 2.0]))
    optimizer = optim.MixedPrecision([w], lambda masters: optim.SGD(masters, lr=0.1))
    average = TensorNode(w.value)
    optimizer.masters[0].value = on_torch.asarray([5.0, 6.0])
    optimizer.round_masters()
    assert (average.value.tolist(), w.value.tolist()) == ([1.0, 2.0], [5.0, 6.0])
