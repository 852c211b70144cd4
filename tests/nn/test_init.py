"""Initial weights: the same from one seed everywhere, and spread as they should be."""

from __future__ import annotations

import numpy as np
import pytest
from modules import numbers

from gradcore import manual_seed, nn
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
