"""tinygrad by itself: the first steps compile kernels, which `TinyJit` replays."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from tinygrad import Tensor, TinyJit
from tinygrad.helpers import TRAINING
from tinygrad.nn import optim

from . import Step, Table, apply, elbo, of_output

__all__ = ["gradients", "numpy", "train", "wait"]

TRAINING.value = 1  # optimizers ask for it
KEEPS_MEMORY = True


def attention(x: Any, w: Any, b: Any, w_out: Any, b_out: Any, heads: int) -> Any:
    """Causal attention of x (N, T, C)."""
    parts = x.linear(w.T, b).chunk(3, dim=-1)
    q, k, v = (y.reshape(*y.shape[:2], heads, -1).transpose(1, 2) for y in parts)
    y = q.scaled_dot_product_attention(k, v, is_causal=True)
    return y.transpose(1, 2).reshape(*x.shape).linear(w_out.T, b_out)


def batch_norm(x: Any, w: Any, b: Any) -> Any:
    mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
    return x.batchnorm(w, b, mean, (variance + 1e-5).rsqrt())


def gelu(x: Any) -> Any:
    return 0.5 * x * (1 + (x / math.sqrt(2)).erf())


OPS = Table(
    attention=attention,
    average=lambda x: x.mean((2, 3), keepdim=True),
    batch_norm=batch_norm,
    conv2d=lambda x, w, b=None, **options: x.conv2d(w, b, **options),
    exp=Tensor.exp,
    flatten=lambda x: x.flatten(1),
    gelu=gelu,
    layer_norm=lambda x, w, b: x.layernorm(eps=1e-5) * w + b,
    linear=lambda x, w, b: x.linear(w.T, b),
    max_pool2d=lambda x, kernel_size: x.max_pool2d(kernel_size),
    relu=Tensor.relu,
    rows=lambda x: x.flatten(0, 1),
    sigmoid=Tensor.sigmoid,
    sum=Tensor.sum,
    tanh=Tensor.tanh,
    tokens=lambda x, w, places: w[x] + places,
)


def sigmoid_cross_entropy(x: Any, targets: Any) -> Any:
    return (x.softplus() - targets * x).sum()


LOSSES: dict[str, Callable[..., Any]] = {
    "sum": lambda model, x, targets: model(x).cross_entropy(targets, reduction="sum"),
    "mean": lambda model, x, targets: model(x).cross_entropy(targets),
    "elbo": elbo(sigmoid_cross_entropy, Tensor.exp),
}
OPTIMIZERS = Table(
    sgd=optim.SGD,
    momentum=partial(optim.SGD, momentum=0.9),
    adam=optim.Adam,
    adamw=optim.AdamW,
)


def tensor(x: Any) -> Any:
    return Tensor(np.asarray(x, np.int32) if x.dtype.kind == "i" else x).realize()


def gradients(function: Callable[..., Any], arrays: list[Any]) -> Step:
    xs = [tensor(x) for x in arrays]
    go = tensor(of_output(function(OPS, *xs).shape))

    def step() -> list[Any]:
        y = function(OPS, *xs)
        results = [y, *y.gradient(*[x for x in xs if x.is_floating_point()], gradient=go)]
        Tensor.realize(*results)
        return results

    return TinyJit(step)


def train(
    layers: Any, parameters: Any, x: Any, targets: Any, loss: str, optimizer: str, lr: float
) -> Step:
    if any(layer.op == "lstm" for layer in layers):  # there is no loop: each step is a part
        raise NotImplementedError("LSTMs, as it would compile all steps of a sequence as one graph")
    tensors = [tensor(p).is_param_() for p in parameters]
    x, targets = tensor(x), tensor(targets)
    updates = OPTIMIZERS[optimizer](tensors, lr=lr)

    def step() -> list[Any]:
        total = LOSSES[loss](partial(apply, layers, OPS, iter(tensors)), x, targets)
        updates.zero_grad()
        total.backward()
        Tensor.realize(total, *updates.schedule_step())
        return [total]

    return TinyJit(step)


def wait() -> None:
    from tinygrad import Device

    Device.default.synchronize()


def numpy(x: Any) -> Any:
    return x.numpy()
