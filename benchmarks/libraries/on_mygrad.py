from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mygrad
import numpy as np
from mygrad import nnet

from . import Step, Table, apply, of_output

__all__ = ["forward", "gradients", "train"]


def conv2d(x: Any, w: Any, b: Any = None, stride: int = 1, padding: int = 0) -> Any:
    if any((n + 2 * padding - k) % stride for n, k in zip(x.shape[2:], w.shape[2:], strict=True)):
        raise NotImplementedError("convolutions whose windows leave a part of the image out")
    y = nnet.conv_nd(x, w, stride=stride, padding=padding)
    return y if b is None else y + b.reshape(1, -1, 1, 1)


OPS = Table(
    batch_norm=lambda x, w, b: nnet.batchnorm(x, gamma=w, beta=b, eps=1e-5),
    conv2d=conv2d,
    cross_entropy=nnet.softmax_crossentropy,
    flatten=lambda x: x.reshape(len(x), -1),
    linear=lambda x, w, b: mygrad.matmul(x, w.T) + b,
    max_pool2d=lambda x, kernel_size: nnet.max_pool(x, (kernel_size,) * 2, kernel_size),
    relu=nnet.relu,
    sigmoid=nnet.sigmoid,
    sum=mygrad.sum,
    tanh=mygrad.tanh,
)


MOMENTA = {"sgd": 0.0, "momentum": 0.9}  # of the optimizers


def forward(function: Callable[..., Any], arrays: list[Any]) -> Step:
    xs = [mygrad.tensor(x) for x in arrays]

    def step() -> list[Any]:
        with mygrad.no_autodiff:
            return [function(OPS, *xs).data]

    return step


def gradients(function: Callable[..., Any], arrays: list[Any]) -> Step:
    xs = [mygrad.tensor(x) if x.dtype.kind == "f" else x for x in arrays]
    tensors = [x for x in xs if isinstance(x, mygrad.Tensor)]
    with mygrad.no_autodiff:
        go = of_output(function(OPS, *xs).shape)

    def step() -> list[Any]:
        y = function(OPS, *xs)
        y.backward(go)
        results = [y.data, *[x.grad for x in tensors]]
        for x in tensors:
            x.null_grad()
        return results

    return step


def train(
    layers: Any, parameters: Any, x: Any, targets: Any, loss: str, optimizer: str, lr: float
) -> Step:
    if optimizer not in MOMENTA:
        raise NotImplementedError(optimizer)
    momentum = MOMENTA[optimizer]
    tensors = [mygrad.tensor(p) for p in parameters]
    velocities = [np.zeros_like(p) for p in parameters]

    def step() -> list[Any]:
        y = apply(layers, OPS, iter(tensors), x)
        total = nnet.softmax_crossentropy(y, targets) * (len(x) if loss == "sum" else 1)
        total.backward()
        for p, velocity in zip(tensors, velocities, strict=True):
            if momentum:
                velocity *= momentum
                velocity += p.grad
            p.data -= lr * (velocity if momentum else p.grad)
            p.null_grad()
        return [total.data]

    return step
