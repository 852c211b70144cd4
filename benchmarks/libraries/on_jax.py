"""JAX by itself: a step is one function, compiled by `jax.jit`, which updates in place what it is
given (`donate_argnums`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from . import Step, Table, apply, elbo, of_output

__all__ = ["forward", "gradients", "numpy", "train", "update", "wait"]

EPS = 1e-5  # of norms


def attention(x: Any, w: Any, b: Any, w_out: Any, b_out: Any, heads: int) -> Any:
    """Causal attention of x (N, T, C)."""
    parts = jnp.split(x @ w.T + b, 3, axis=-1)
    q, k, v = (y.reshape(*y.shape[:2], heads, -1) for y in parts)  # (N, T, heads, C / heads)
    y = jax.nn.dot_product_attention(q, k, v, is_causal=True)
    return y.reshape(x.shape) @ w_out.T + b_out


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


def lstm(x: Any, *parameters: Any) -> Any:
    """Give the outputs of an LSTM for x (N, T, C), all steps of all sequences as rows."""
    x = jnp.swapaxes(x, 0, 1)
    for i in range(0, len(parameters), 4):
        w, u, b, c = parameters[i : i + 4]

        def step(state: Any, y: Any, u: Any = u) -> Any:
            h, cell = state
            i, f, g, o = jnp.split(y + h @ u.T, 4, axis=-1)
            cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(cell)
            return (h, cell), h

        zeros = jnp.zeros((x.shape[1], u.shape[1]), x.dtype)
        _, x = lax.scan(step, (zeros, zeros), x @ w.T + (b + c))
    return jnp.swapaxes(x, 0, 1).reshape(-1, x.shape[-1])


def max_pool2d(x: Any, kernel_size: int) -> Any:
    window = 1, 1, kernel_size, kernel_size
    return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")


OPS = Table(
    attention=attention,
    average=lambda x: jnp.mean(x, (2, 3), keepdims=True),
    batch_norm=batch_norm,
    conv2d=conv2d,
    cross_entropy=cross_entropy,
    embedding=lambda x, w: w[x],
    exp=jnp.exp,
    flatten=lambda x: x.reshape(len(x), -1),
    gelu=lambda x: jax.nn.gelu(x, approximate=False),
    layer_norm=layer_norm,
    linear=lambda x, w, b: x @ w.T + b,
    lstm=lstm,
    max_pool2d=max_pool2d,
    relu=jax.nn.relu,
    rows=lambda x: x.reshape(-1, x.shape[-1]),
    sigmoid=jax.nn.sigmoid,
    sum=jnp.sum,
    tanh=jnp.tanh,
    tokens=lambda x, w, places: w[x] + places,
)


def sigmoid_cross_entropy(x: Any, targets: Any) -> Any:
    return jnp.sum(jax.nn.softplus(x) - targets * x)


LOSSES: dict[str, Callable[..., Any]] = {
    "sum": lambda model, x, targets: cross_entropy(model(x), targets, "sum"),
    "mean": lambda model, x, targets: cross_entropy(model(x), targets),
    "elbo": elbo(sigmoid_cross_entropy, jnp.exp),
}


# -- Updates: each takes the count of steps, a parameter, its gradient, and the optimizer's averages
# of it, and gives the parameter and the averages anew -------------------------------------------


def sgd(_: Any, p: Any, g: Any, lr: float) -> Any:
    return (p - lr * g,)


def momentum(_: Any, p: Any, g: Any, v: Any, lr: float) -> Any:
    v = 0.9 * v + g
    return p - lr * v, v


def adam(t: Any, p: Any, g: Any, m: Any, v: Any, lr: float, decay: float = 0.0) -> Any:
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    change = m / (1 - 0.9**t) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return p * (1 - lr * decay) - lr * change, m, v


def adagrad(_: Any, p: Any, g: Any, v: Any, lr: float) -> Any:
    v = v + g * g
    return p - lr * g / (jnp.sqrt(v) + 1e-10), v


def rmsprop(_: Any, p: Any, g: Any, v: Any, lr: float) -> Any:
    v = 0.99 * v + 0.01 * g * g
    return p - lr * g / (jnp.sqrt(v) + 1e-8), v


UPDATES: dict[str, tuple[int, Callable[..., Any]]] = {  # how many averages, and the function
    "sgd": (0, sgd),
    "momentum": (1, momentum),
    "adam": (2, adam),
    "adamw": (2, partial(adam, decay=0.01)),
    "adagrad": (1, adagrad),
    "rmsprop": (1, rmsprop),
    "clipped-adam": (2, adam),
}


def updated(optimizer: str, lr: float, state: Any, gradients: list[Any]) -> Any:
    """Give the count of steps, the parameters and the averages after an update."""
    t, parameters, averages = state
    if optimizer == "clipped-adam":
        norm = jnp.sqrt(sum(jnp.sum(g * g) for g in gradients))
        gradients = [g * jnp.minimum(1.0, 1.0 / (norm + 1e-6)) for g in gradients]
    function = UPDATES[optimizer][1]
    found = [
        function(t + 1, p, g, *own, lr=lr)
        for p, g, own in zip(parameters, gradients, averages, strict=True)
    ]
    return t + 1, [p for p, *_ in found], [own for _, *own in found]


def beginning(optimizer: str, parameters: Any) -> Any:
    """Give the state before the first update."""
    given = list(map(jnp.asarray, parameters))
    return 0.0, given, [[jnp.zeros_like(p) for _ in range(UPDATES[optimizer][0])] for p in given]


# -- The families -----------------------------------------------------------------------------


def forward(function: Callable[..., Any], arrays: list[Any]) -> Step:
    compiled = jax.jit(lambda *xs: function(OPS, *xs))
    xs = list(map(jnp.asarray, arrays))
    return lambda: [compiled(*xs)]


def gradients(function: Callable[..., Any], arrays: list[Any]) -> Step:
    xs = list(map(jnp.asarray, arrays))
    nodes = [i for i, x in enumerate(xs) if x.dtype.kind == "f"]

    def results(xs: list[Any], go: Any) -> list[Any]:
        def of_nodes(*changed: Any) -> Any:
            return function(
                OPS, *[dict(zip(nodes, changed, strict=True)).get(i, x) for i, x in enumerate(xs)]
            )

        y, pull = jax.vjp(of_nodes, *[xs[i] for i in nodes])
        return [y, *pull(go)]

    compiled = jax.jit(results)
    go = jnp.asarray(of_output(jax.eval_shape(lambda *x: function(OPS, *x), *xs).shape))
    return lambda: compiled(xs, go)


def train(
    layers: Any, parameters: Any, x: Any, targets: Any, loss: str, optimizer: str, lr: float
) -> Step:
    def total(parameters: Any, x: Any, targets: Any) -> Any:
        noted: list[Any] = []
        ops = Table({**OPS, "batch_norm": partial(batch_norm, noted=noted)})
        return LOSSES[loss](partial(apply, layers, ops, iter(parameters)), x, targets), noted

    def step_of(state: Any, averages: Any, x: Any, targets: Any) -> Any:
        with_gradients = jax.value_and_grad(total, has_aux=True)
        (value, noted), gradients = with_gradients(state[1], x, targets)
        averages = jax.tree.map(lambda a, new: 0.9 * a + 0.1 * new, averages, noted)
        return updated(optimizer, lr, state, gradients), averages, value

    compiled = jax.jit(step_of, donate_argnums=(0, 1))
    state, x, targets = beginning(optimizer, parameters), jnp.asarray(x), jnp.asarray(targets)
    _, shapes = jax.eval_shape(total, state[1], x, targets)
    averages = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shapes)  # of batch norm

    def step() -> list[Any]:
        nonlocal state, averages
        state, averages, value = compiled(state, averages, x, targets)
        return [value]

    return step


def update(parameters: Any, gradients: Any, optimizer: str, lr: float) -> Step:
    state, given = beginning(optimizer, parameters), list(map(jnp.asarray, gradients))
    compiled = jax.jit(partial(updated, optimizer, lr), donate_argnums=0)

    def step() -> list[Any]:
        nonlocal state
        state = compiled(state, given)
        return state[1]

    return step


def wait() -> None:
    jax.block_until_ready(jax.live_arrays())


numpy = np.asarray
