"""Linear, Sequential, Flatten and the activations as layers."""

from __future__ import annotations

import numpy as np
import pytest
from modules import numbers

import gradcore
from gradcore import Sum, TensorNode, nn, no_grad, ops

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
@pytest.mark.parametrize("shape", [(2,), (4, 2), (2, 3, 1), (), (3, 4)])
def test_linear_of_a_wrong_shape(shape):
    layer = nn.Linear(3, 2)
    for x in (np.ones(shape, "float32"), TensorNode(np.ones(shape, "float32"))):
        expected = f"Linear(3, 2): x is float32 {shape}, expected (..., 3), as w is (2, 3)"
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
    assert [name for name, _ in model.named_parameters()][2:] == ["2.w", "2.b"]
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


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (nn.Flatten(0), (2, 3, 4), (24,)),
        (nn.Flatten(1, 2), (2, 3, 4, 5), (2, 12, 5)),
        (nn.Flatten(-2), (2, 3, 4), (2, 12)),
        (nn.Flatten(0), (), (1,)),
        (nn.Unflatten(1, (3, 2)), (2, 6, 4), (2, 3, 2, 4)),
        (nn.Unflatten(-1, [2, -1]), (3, 6), (3, 2, 3)),
        (nn.Unflatten(0, (0, 2)), (0, 3), (0, 2, 3)),
        (nn.Identity(3, name="any"), (2, 3), (2, 3)),
    ],
)
def test_shapes(backend, layer, shape, expected):
    x = np.arange(np.prod(shape, dtype=int), dtype="float32").reshape(shape)
    y = layer(TensorNode(backend.asarray(x)))
    assert np.array_equal(backend.to_numpy(y.value), x.reshape(expected))


@pytest.mark.parametrize(
    ("layer", "shape", "error", "words"),
    [
        (nn.Flatten(3), (2, 3), IndexError, "^flatten: axis 3 is out of range for 2 dim"),
        (nn.Flatten(2, 1), (2, 3, 4), ValueError, "the first axis comes after the last"),
        (
            nn.Unflatten(1, (4, 2)),
            (2, 6),
            ValueError,
            "x .2, 6. to .4, 2., exp.* 8 elements, not 6",
        ),
        (nn.Unflatten(1, (4, -1)), (2, 6), ValueError, "expected a multiple of 4 elem"),
        (nn.Unflatten(2, (1, 1)), (2, 6), IndexError, "axis 2 is out of range"),
        (
            nn.InstanceNorm1d(3, affine=True),
            (2, 4, 5),
            ValueError,
            r"expected \(N, C, L\) or \(C, L",
        ),
        (nn.InstanceNorm2d(3), (2, 4), ValueError, r"^InstanceNorm2d: .* \(N, C, H, W\) or \(C, H"),
        (nn.InstanceNorm2d(3), (2, 3, 1, 1), ValueError, "of one there is no variance"),
        (nn.BatchNorm3d(3), (2, 3, 4, 5), ValueError, r"expected \(N, C, D, H, W\), where C = 3"),
        (nn.LocalResponseNorm(2), (2, 3), ValueError, r"^local_response_norm: x is float32 \(2, 3"),
    ],
)
def test_shapes_that_do_not_fit(layer, shape, error, words):
    with pytest.raises(error, match=words):
        layer(TensorNode(np.ones(shape, "float32")))


def test_layers_of_what_their_functions_compute(backend, dtype):
    """Values of modules, from NumPy."""
    x = np.random.default_rng(0).normal(size=(2, 4, 3, 5))
    exp = np.exp(x)
    e = np.exp(-x)
    mean, variance = x.mean(axis=(2, 3), keepdims=True), x.var(axis=(2, 3), keepdims=True)
    everywhere = x.mean(axis=(0, 2, 3), keepdims=True), x.var(axis=(0, 2, 3), keepdims=True)
    for layer, expected in (
        (nn.Softmax2d(), exp / exp.sum(axis=1, keepdims=True)),
        (nn.Softmin(1), e / e.sum(axis=1, keepdims=True)),
        (nn.GLU(1), x[:, :2] / (1 + e[:, 2:])),
        (nn.PReLU(4, dtype=dtype), np.where(x > 0, x, x / 4)),
        (nn.InstanceNorm2d(4, dtype=dtype), (x - mean) / np.sqrt(variance + 1e-5)),
        (nn.InstanceNorm2d(4, affine=True, dtype=dtype), (x - mean) / np.sqrt(variance + 1e-5)),
        (
            nn.BatchNorm2d(4, bias=False, dtype=dtype),
            (x - everywhere[0]) / np.sqrt(everywhere[1] + 1e-5),
        ),
    ):
        y = layer(TensorNode(backend.asarray(x, dtype)))
        np.testing.assert_allclose(backend.to_numpy(y.value), expected, rtol=1e-4, atol=1e-5)
    layer = nn.InstanceNorm2d(4, momentum=1.0, track_running_stats=True, dtype=dtype)
    for training in (True, False):
        layer.train(training)(TensorNode(backend.asarray(x, dtype)))
        found = backend.to_numpy(layer.running_mean.value)
        np.testing.assert_allclose(found, mean.mean(axis=0).ravel(), rtol=1e-4, atol=1e-5)
