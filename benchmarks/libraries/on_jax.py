"""JAX by itself: a step is one function, compiled by `jax.jit`, which updates in place what it is
given (`donate_argnums`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..models import Layer
from . import Step, Table, of_output

__all__ = ["forward", "gradients", "numpy", "train", "wait"]

EPS = 1e-5  # of norms
UPDATES = {"sgd": 0.0, "momentum": 0.9}  # the optimizers here, and their momentum


def batch_norm(x: Any, w: Any, b: Any, noted: list[Any] | None = None) -> Any:
    mean = jnp.mean(x, (0, 2, 3), keepdims=True)
    variance = jnp.mean(jnp.square(x - mean), (0, 2, 3), keepdims=True)
    if noted is not None:
        noted.append((mean, variance))
    return (x - mean) * (lax.rsqrt(variance + EPS) * w[:, None, None]) + b[:, None, None]


def conv2d(x: Any, w: Any, b: Any = None, stride: int = 1, padding: int = 0) -> Any:
    y = lax.conv_general_dilated(x, w, (stride, stride), [(padding, padding)] * 2)
    return y if b is None else y + b[:, None, None]


def cross_entropy(y: Any, targets: Any, loss: str = "mean") -> Any:
    return -getattr(jnp, loss)(jax.nn.log_softmax(y)[jnp.arange(len(targets)), targets])


def layer_norm(x: Any, w: Any, b: Any) -> Any:
    centered = x - jnp.mean(x, -1, keepdims=True)
    return centered * lax.rsqrt(jnp.mean(jnp.square(centered), -1, keepdims=True) + EPS) * w + b


def max_pool2d(x: Any, kernel_size: int) -> Any:
    window = 1, 1, kernel_size, kernel_size
    return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")


OPS = Table(
    average=lambda x: jnp.mean(x, (2, 3), keepdims=True),
    batch_norm=batch_norm,
    conv2d=conv2d,
    cross_entropy=cross_entropy,
    flatten=lambda x: x.reshape(len(x), -1),
    gelu=lambda x: jax.nn.gelu(x, approximate=False),
    layer_norm=layer_norm,
    linear=lambda x, w, b: x @ w.T + b,
    max_pool2d=max_pool2d,
    relu=jax.nn.relu,
    sigmoid=jax.nn.sigmoid,
    sum=jnp.sum,
    tanh=jnp.tanh,
)


def network(layers: Sequence[Layer], parameters: Iterator[Any], x: Any, noted: list[Any]) -> Any:
    """Apply a network; the means and variances of batch norm go to the end of `noted`."""
    for layer in layers:
        if layer.op == "residual":
            body, shortcut = layer.parts
            y = network(body, parameters, x, noted)
            x = y + network(shortcut, parameters, x, noted)
        else:
            more: dict[str, Any] = {"noted": noted} if layer.op == "batch_norm" else layer.constants
            x = OPS[layer.op](x, *[next(parameters) for _ in layer.shapes], **more)
    return x


def forward(function: Callable[..., Any], arrays: list[Any]) -> Step:
    compiled = jax.jit(lambda *xs: function(OPS, *xs))
    xs = list(map(jnp.asarray, arrays))
    return lambda: [compiled(*xs)]


def gradients(function: Callable[..., Any], arrays: list[Any]) -> Step:
    xs = list(map(jnp.asarray, arrays))
    nodes = [i for i, x in enumerate(xs) if x.dtype.kind == "f"]

    @jax.jit
    def compiled(xs: list[Any], go: Any) -> list[Any]:
        def of_nodes(*changed: Any) -> Any:
            return function(
                OPS, *[dict(zip(nodes, changed, strict=True)).get(i, x) for i, x in enumerate(xs)]
            )

        y, pull = jax.vjp(of_nodes, *[xs[i] for i in nodes])
        return [y, *pull(go)]

    go = jnp.asarray(of_output(jax.eval_shape(lambda *x: function(OPS, *x), *xs).shape))
    return lambda: compiled(xs, go)


def train(
    layers: Any, parameters: Any, x: Any, targets: Any, loss: str, optimizer: str, lr: float
) -> Step:
    if optimizer not in UPDATES:
        raise NotImplementedError(optimizer)
    momentum = UPDATES[optimizer]

    def total(parameters: Any, x: Any, targets: Any) -> Any:
        noted: list[Any] = []
        return cross_entropy(network(layers, iter(parameters), x, noted), targets, loss), noted

    @partial(jax.jit, donate_argnums=0)
    def compiled(state: Any, x: Any, targets: Any) -> Any:
        parameters, velocities, averages = state
        with_gradients = jax.value_and_grad(total, has_aux=True)
        (value, noted), updates = with_gradients(parameters, x, targets)
        if momentum:
            velocities = updates = jax.tree.map(lambda v, g: momentum * v + g, velocities, updates)
        parameters = jax.tree.map(lambda p, u: p - lr * u, parameters, updates)
        averages = jax.tree.map(lambda a, new: 0.9 * a + 0.1 * new, averages, noted)
        return (parameters, velocities, averages), value

    given = list(map(jnp.asarray, parameters))
    x, targets = jnp.asarray(x), jnp.asarray(targets)
    _, averages = jax.eval_shape(total, given, x, targets)
    zeros = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), [given, averages])
    state = [(given, *zeros)]

    def step() -> list[Any]:
        state[0], value = compiled(state[0], x, targets)
        return [value]

    return step


def wait() -> None:
    jax.block_until_ready(jax.live_arrays())


numpy = np.asarray
