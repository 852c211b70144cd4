"""Initial weights: the same from one seed everywhere, and spread as they should be."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from modules import numbers

from gradcore import TensorNode, manual_seed, nn
from gradcore.backends import default, get, use_backend
from gradcore.nn.init import initial

INITS = ["glorot", "glorot_uniform", "he", "kaiming_uniform", "normal", "zeros"]


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


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("groups", [1, 4, 64])
def test_the_fans_of_a_convolution_are_those_of_a_group(groups, transposed):
    make = nn.ConvTranspose2d if transposed else nn.Conv2d
    channels = 64, 128
    fan_in, fan_out = (n // groups * 9 for n in channels)
    deviations = {
        "he": (2 / fan_in) ** 0.5,
        "glorot": (2 / (fan_in + fan_out)) ** 0.5,
        "glorot_uniform": (2 / (fan_in + fan_out)) ** 0.5,
        "kaiming_uniform": (1 / 3 / (fan_out if transposed else fan_in)) ** 0.5,  # as PyTorch
        "normal": 1.0,
    }
    manual_seed(0)
    for init, deviation in deviations.items():
        w = make(*channels, 3, groups=groups, bias=False, init=init).w.value
        assert abs(w.std() - deviation) <= 0.06 * deviation, init


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("groups", [1, 4])
def test_default_convolutions_are_drawn_as_torch_draws_them(groups, transposed):
    torch = pytest.importorskip("torch")
    name = "ConvTranspose2d" if transposed else "Conv2d"
    theirs = getattr(torch.nn, name)(32, 64, 3, groups=groups)
    ours = getattr(nn, name)(32, 64, 3, groups=groups)
    for p, q in ((ours.w, theirs.weight), (ours.b, theirs.bias)):
        q = q.detach().numpy()
        assert p.shape == q.shape
        assert abs(abs(p.value).max() - abs(q).max()) < 0.1 * abs(q).max()


def test_an_unknown_init():
    with pytest.raises(ValueError, match=rf"^init = 'xavier', expected one of {', '.join(INITS)}"):
        nn.Linear(3, 2, init="xavier")
    assert initial("he", (4, 3, 2, 2), 12, 16).shape == (4, 3, 2, 2)


# -- torch.nn.init ---------------------------------------------------------------------------------

# What each does, its arguments, and the deviation of what is drawn, of a weight (40, 30, 2, 2).
DRAWS: list[tuple[str, dict[str, Any], float]] = [
    ("uniform_", {"a": -1.0, "b": 3.0}, 4 / 12**0.5),
    ("normal_", {"mean": 2.0, "std": 0.5}, 0.5),
    ("trunc_normal_", {}, 0.8796),
    ("trunc_normal_", {"std": 0.02}, 0.02),
    ("trunc_normal_", {"mean": 1.0, "std": 2.0, "a": 1.5, "b": 2.5}, 0.2857),
    ("trunc_normal_", {"a": 10.0, "b": math.inf}, 0.0985),
    ("xavier_uniform_", {"gain": 2.0}, 2 * (2 / 280) ** 0.5),
    ("xavier_normal_", {}, (2 / 280) ** 0.5),
    ("kaiming_uniform_", {"a": math.sqrt(5)}, (1 / 3 / 120) ** 0.5),
    ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "tanh"}, 5 / 3 / 160**0.5),
    ("kaiming_normal_", {"nonlinearity": "relu"}, (2 / 120) ** 0.5),
    ("orthogonal_", {"gain": 2.0}, 2 / 120**0.5),
]


@pytest.mark.parametrize(("name", "options", "deviation"), DRAWS)
def test_what_is_drawn_is_spread_as_it_should(
    backend: Any, dtype: str, name: str, options: dict[str, Any], deviation: float
) -> None:
    draw = getattr(nn.init, name)
    manual_seed(5)
    with use_backend("numpy"):
        expected = draw(TensorNode(np.zeros((40, 30, 2, 2))), **options).value
    manual_seed(5)
    node = TensorNode(backend.asarray(np.zeros((40, 30, 2, 2)), dtype))
    before = node.value
    assert draw(node, **options) is node
    assert node.value.dtype == backend.dtype(dtype)
    assert np.array_equal(backend.to_numpy(node.value), expected.astype(dtype))  # on each backend
    assert not backend.to_numpy(before).any()  # what shares the array stays as it is
    mean = {"uniform_": 1.0}.get(name, options.get("mean", 0.0))
    if "trunc" not in name:
        assert abs(expected.mean() - mean) < 4 * deviation / expected.size**0.5
    assert abs(expected.std() - deviation) < 0.03 * deviation
    generator = np.random.default_rng(1)
    one = draw(node, **options, generator=generator).value
    two = draw(node, **options, generator=np.random.default_rng(1)).value
    assert np.array_equal(backend.to_numpy(one), backend.to_numpy(two))


def test_a_truncated_normal_distribution_has_its_bounds_and_its_mean() -> None:
    manual_seed(0)
    node = TensorNode(np.zeros(50_000))
    for mean, std, a, b, expected in (
        (0.0, 1.0, -2.0, 2.0, 0.0),
        (0.0, 1.0, 1.0, 1.5, 1.2243),
        (0.0, 1.0, 10.0, math.inf, 10.0981),
        (5.0, 0.1, -math.inf, 0.0, -0.0020),
        (0.0, 1.0, -0.5, 3.0, 0.5037),
    ):
        x = nn.init.trunc_normal_(node, mean, std, a, b).value
        assert x.min() >= a
        assert x.max() <= b
        assert abs(x.mean() - expected) < 0.02 * max(x.std(), 1e-3)


def test_matrices_that_keep_their_inputs(backend: Any) -> None:
    manual_seed(0)
    for shape in ((20, 8), (8, 20), (6, 2, 3), (1, 4)):
        node = TensorNode(backend.asarray(np.zeros(shape, "float32")))
        q = backend.to_numpy(nn.init.orthogonal_(node, gain=3.0).value).reshape(shape[0], -1)
        square = q.T @ q if q.shape[0] >= q.shape[1] else q @ q.T
        np.testing.assert_allclose(square, 9 * np.eye(len(square)), atol=1e-4)
    eye = nn.init.eye_(TensorNode(backend.asarray(np.zeros((3, 5), "float32"))))
    assert np.array_equal(backend.to_numpy(eye.value), np.eye(3, 5))
    layer = nn.Conv2d(4, 4, 3, padding=1, groups=2, bias=False)
    nn.init.dirac_(layer.weight, groups=2)
    x = np.random.default_rng(0).normal(size=(1, 4, 5, 5)).astype("float32")
    assert np.array_equal(backend.to_numpy(layer(backend.asarray(x)).value), x)
    assert not backend.to_numpy(nn.init.zeros_(layer.weight).value).any()
    assert (backend.to_numpy(nn.init.ones_(layer.weight).value) == 1).all()
    assert (backend.to_numpy(nn.init.constant_(layer.weight, 0.5).value) == 0.5).all()


def test_columns_that_are_zero_in_part() -> None:
    manual_seed(0)
    x = nn.init.sparse_(TensorNode(np.zeros((60, 300))), 0.31, std=2.0).value
    assert ((x == 0).sum(axis=0) == 19).all()  # 18.6, rounded up
    assert np.ptp((x == 0).sum(axis=1)) > 20  # not the same rows
    assert abs(x[x != 0].std() - 2.0) < 0.05


def test_gains_are_torchs() -> None:
    torch = pytest.importorskip("torch")
    for name in ("linear", "conv1d", "conv_transpose3d", "sigmoid", "tanh", "relu", "selu"):
        assert nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    for slope in (None, 0, 0.2):
        ours = nn.init.calculate_gain("leaky_relu", slope)
        assert ours == torch.nn.init.calculate_gain("leaky_relu", slope)
    for shape in ((3, 5), (6, 2, 3), (6, 4, 3, 4), (4, 6, 1, 2, 3)):
        for name, options in (("eye_", {}), ("dirac_", {}), ("dirac_", {"groups": 2})):
            if (len(shape) == 2) == (name == "eye_"):
                ours = getattr(nn.init, name)(TensorNode(np.ones(shape)), **options).value
                theirs = getattr(torch.nn.init, name)(torch.ones(shape), **options).numpy()
                assert np.array_equal(ours, theirs)


W = TensorNode(np.ones((3, 2)))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda i: i.normal_(W.value), TypeError, "normal_: expected a node, whose value"),
        (lambda i: i.ones_(W * 2.0), ValueError, "constant_: the node was computed, by Multiply"),
        (lambda i: i.zeros_(TensorNode([1])), TypeError, "constant_: the node is int"),
        (lambda i: i.eye_(TensorNode([1.0])), ValueError, "expected 2 dimensions"),
        (lambda i: i.dirac_(W), ValueError, "dirac_: float64 .3, 2., expected 3 to 5"),
        (lambda i: i.dirac_(TensorNode(np.ones((3, 1, 1))), 2), ValueError, "groups = 2"),
        (lambda i: i.xavier_normal_(TensorNode([1.0])), ValueError, "has no fans"),
        (lambda i: i.kaiming_normal_(W, mode="in"), ValueError, "mode = 'in', expected 'fan_in'"),
        (lambda i: i.orthogonal_(TensorNode([1.0])), ValueError, "expected 2 or more dimensions"),
        (lambda i: i.sparse_(W, 1.5), ValueError, "sparsity = 1.5"),
        (lambda i: i.trunc_normal_(W, a=1.0, b=1.0), ValueError, "expected a < b"),
        (lambda i: i.trunc_normal_(W, std=0.0), ValueError, "positive std"),
        (lambda i: i.calculate_gain("swish"), ValueError, "'swish', expected one of linear"),
        (lambda i: i.calculate_gain("leaky_relu", True), ValueError, "param = True"),
    ],
)
def test_what_init_refuses(call: Any, error: type[Exception], words: str) -> None:
    before = W.value
    with pytest.raises(error, match=words):
        call(nn.init)
    assert W.value is before
