"""A network in float16 runs channels last, from its first convolution on: no step of it copies
images to another order, forward or backward, and its numbers are those of C order and of NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy_on_cpu
import numpy as np
import pytest

import gradcore
from gradcore import TensorNode, adaptive_avg_pool2d, gelu, max_pool2d, nn, optim, relu
from gradcore.backends import get

N, SIDES = 7, (12, 6, 3)  # no numbers of channels, so that a shape tells what is where
pytestmark = pytest.mark.skipif(bool(cupy_on_cpu.problem()), reason=str(cupy_on_cpu.problem()))


class Residual(nn.Module):
    """As resnet9: blocks of convolution, batch norm and ReLU, a residual, and a mean at the end."""

    def __init__(self) -> None:
        self.convs = nn.ModuleList(
            [nn.Conv2d(*io, 3, padding=1) for io in ((3, 8), (8, 8), (8, 10))]
        )
        self.norms = nn.ModuleList([nn.BatchNorm2d(n) for n in (8, 8, 10)])
        self.dropout, self.linear = nn.Dropout(0.5), nn.Linear(18, 5)

    def forward(self, x: Any) -> TensorNode:
        a, b, c = [
            lambda x, conv=conv, norm=norm: relu(norm(conv(x)))
            for conv, norm in zip(self.convs, self.norms, strict=True)
        ]
        h = max_pool2d(a(x), 2)
        h = h + b(h)
        h = gradcore.concat([self.dropout(h) * 0.5, c(h)], 1)
        return self.linear(adaptive_avg_pool2d(max_pool2d(h, 2), 1).flatten(1))


class Air(nn.Module):
    """As airbench: GELU, and a pool before batch norm; the last pool leaves one pixel."""

    def __init__(self) -> None:
        conv = {"kernel_size": 3, "padding": 1, "bias": False}
        self.whiten, self.conv1 = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 10, **conv)
        self.conv2, self.norm1, self.norm2 = (
            nn.Conv2d(10, 10, **conv),
            *map(nn.BatchNorm2d, (10, 10)),
        )
        self.linear = nn.Linear(10, 5, bias=False)

    def forward(self, x: Any) -> TensorNode:
        h = self.conv1(gelu(self.whiten(x)))
        h = gelu(self.norm2(self.conv2(gelu(self.norm1(max_pool2d(h, 2))))))
        return self.linear(max_pool2d(max_pool2d(h, 2), 3).flatten(1)) * (1 / 9)


NETWORKS = pytest.mark.parametrize("network", [Residual, Air])


def step(backend: Any, network: Callable[[], nn.Module], dtype: str, x: Any) -> list[np.ndarray]:
    """Train for one step; give the loss, and what became of the parameters."""
    gradcore.manual_seed(0)
    with gradcore.use_backend(backend.name):
        model = network()
        nodes, labels = [*model.parameters()], backend.asarray(np.arange(N) % 5)
        if dtype == "float16":
            optimizer: Any = optim.MixedPrecision(nodes, lambda p: optim.SGD(p, 0.1), 8.0)
        else:
            optimizer = optim.SGD(nodes, 0.1)
        xp = gradcore.array_api
        loss = gradcore.cross_entropy(xp.astype(model(x), xp.float32), labels)
        (optimizer.scaled(loss) if dtype == "float16" else loss).backward()
        optimizer.step()
        found = getattr(optimizer, "masters", nodes)
        return [backend.to_numpy(node.value) for node in (loss, *found)]


def images(backend: Any, dtype: str, channels_last: bool = False) -> Any:
    x = np.random.default_rng(0).normal(size=(N, 12, 12, 3)).astype("float32").astype(dtype)
    x = x.transpose(0, 3, 1, 2)
    if channels_last:
        return backend.xp.permute_dims(backend.asarray(x.transpose(0, 2, 3, 1)), (0, 3, 1, 2))
    return backend.asarray(np.ascontiguousarray(x))


@NETWORKS
@pytest.mark.parametrize("way", ["windows", "implicit"])
def test_after_the_first_convolution_nothing_lies_in_c_order(
    network: Any, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADCORE_CONV", way)
    backend = get(cupy_on_cpu.NAME)
    x, wrong, wrap = images(backend, "float16"), list[Any](), cupy_on_cpu.wrap

    def watching(result: Any, given: Any = ()) -> Any:
        """See each new array of images, and each view of one."""
        y = wrap(result, given)
        shape = getattr(y, "shape", ())
        is_image = len(shape) == 4 and shape[0] == N and shape[2] == shape[3] in SIDES
        is_image = is_image and y.dtype != bool  # dropout's choice is the same in every order
        if is_image and shape[1] not in (3, *SIDES) and y.array.flags.c_contiguous:
            wrong.append(shape)
        return y

    monkeypatch.setattr(cupy_on_cpu, "wrap", watching)
    step(backend, network, "float16", x)
    assert wrong == []


@NETWORKS
def test_the_numbers_are_those_of_c_order_and_of_numpy(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADCORE_CONV", "windows")
    backend, numpy = get(cupy_on_cpu.NAME), get("numpy")
    expected = step(numpy, network, "float32", images(numpy, "float32"))
    for dtype, channels_last, limit in (
        ("float32", False, 1e-5),
        ("float32", True, 1e-5),
        ("float16", False, 2e-2),
    ):
        found = step(backend, network, dtype, images(backend, dtype, channels_last))
        for y, z in zip(found, expected, strict=True):
            np.testing.assert_allclose(y, z, limit, limit)
