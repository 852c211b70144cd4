from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gradcore
from gradcore import TensorNode, backends, nn, no_grad, optim
from gradcore.array_api import exp
from gradcore.data import Batches
from gradcore.functions import losses
from gradcore.graph import backpropagate

from . import Step, Table, elbo, modules, of_output, optimizers

__all__ = [
    "batches",
    "captured",
    "configure",
    "device_peak",
    "forward",
    "free",
    "gradients",
    "numpy",
    "train",
    "update",
    "wait",
]

OPTIONS = {"dtype": "float32"}


def configure(captured: bool = False, tf32: str = "none", dtype: str = "float32") -> None:  # noqa: ARG001
    """Set options.

    Args:
        captured: whether steps will be captured, which needs nothing here.
        tf32: what may use TF32: "none", "convolutions" (as gradcore comes), or "all".
        dtype: "float16" trains in mixed precision.
    """
    backends.default().allow_tf32(matmul=tf32 == "all", convolutions=tf32 != "none")
    OPTIONS.update(dtype=dtype)


captured = gradcore.capture


def tensor(x: Any) -> Any:
    return backends.default().asarray(x.copy())


OPS = Table(
    batch_norm=lambda x, w, b: gradcore.batch_norm(x, None, None, w, b, training=True),
    conv2d=gradcore.conv2d,
    cross_entropy=losses.cross_entropy,
    gelu=gradcore.gelu,
    layer_norm=lambda x, w, b: gradcore.layer_norm(x, w.shape, w, b),
    linear=lambda x, w, b: gradcore.BatchMM.do_forward(w, x, b),
    max_pool2d=gradcore.max_pool2d,
    relu=gradcore.relu,
    sum=gradcore.Sum.do_forward,
    tanh=gradcore.tanh,
)
NETWORK, OPTIMIZERS = modules(nn, nn.Relu, fuses=True), optimizers(optim, nn)


def single(y: Any) -> Any:
    """Outputs in half precision, which losses get as float32."""
    return y.astype("float32") if OPTIONS["dtype"] == "float16" else y


LOSSES: dict[str, Callable[..., Any]] = {
    # As in examples/mnist.py, examples/cifar10.py and examples/vae.py.
    "sum": lambda model, x, t: gradcore.logceloss(gradcore.logsoftmax(single(model(x))), t),
    "mean": lambda model, x, targets: losses.cross_entropy(single(model(x)), targets),
    "elbo": elbo(partial(losses.binary_cross_entropy_with_logits, reduction="sum"), exp),
}


def forward(function: Callable[..., Any], arrays: list[Any]) -> Step:
    xs = [tensor(x) for x in arrays]

    def step() -> list[Any]:
        with no_grad():
            return [function(OPS, *xs).value]

    return step


def gradients(function: Callable[..., Any], arrays: list[Any]) -> Step:
    xs = [TensorNode(tensor(x)) if x.dtype.kind == "f" else tensor(x) for x in arrays]
    nodes = [x for x in xs if isinstance(x, TensorNode)]
    with no_grad():
        go = tensor(of_output(function(OPS, *xs).shape))

    def step() -> list[Any]:
        y = function(OPS, *xs)
        backpropagate([(y, go)], False, False)  # as y.backward(), which starts from 1
        results = [y.value, *[x.grad for x in nodes]]
        for x in nodes:
            x.zero_grad()
        return results

    return step


def train(
    layers: Any,
    parameters: Any,
    x: Any,
    targets: Any,
    loss: str,
    optimizer: str,
    lr: float,
    wrap: Callable[[Any], Any] = lambda model: model,
) -> Step:
    model = NETWORK(layers)
    for p, value in zip(model.parameters(), parameters, strict=True):
        p.value = tensor(value.reshape(p.shape))
    model = wrap(model)  # for benchmarks.scaling
    x, targets, compute = tensor(x), tensor(targets), LOSSES[loss]
    make = partial(OPTIMIZERS[optimizer], lr=lr)
    is_half = OPTIONS["dtype"] == "float16"
    x = backends.default().asarray(x, "float16") if is_half else x
    updates = (
        optim.MixedPrecision(model.parameters(), make) if is_half else make(model.parameters())
    )

    def step() -> list[Any]:
        total = compute(model, x, targets)
        (updates.scaled(total) if is_half else total).backward()
        updates.step()
        updates.zero_grad()
        return [total.value]

    return step


def update(parameters: Any, gradients: Any, optimizer: str, lr: float) -> Step:
    nodes = [TensorNode(tensor(p)) for p in parameters]
    for node, gradient in zip(nodes, gradients, strict=True):
        node.grad = tensor(gradient)
    updates = OPTIMIZERS[optimizer](nodes, lr)

    def step() -> list[Any]:
        updates.step()
        return [node.value for node in nodes]

    return step


def batches(x: Any, y: Any, size: int) -> Step:
    loader = Batches(tensor(x), tensor(y), size)

    def step() -> list[Any]:
        for images, labels in loader:
            last = images, labels
        return [last[0].sum(), last[1].sum()]

    return step


def wait() -> None:
    if backends.default().name == "cupy":
        import cupy

        cupy.cuda.get_current_stream().synchronize()
    elif backends.default().name == "jax":
        import jax

        jax.block_until_ready(jax.live_arrays())


def free() -> None:
    if backends.default().name == "cupy":
        import cupy

        cupy.get_default_memory_pool().free_all_blocks()


def device_peak(step: Callable[[], Any]) -> int | None:
    if backends.default().name != "cupy":
        return None
    import cupy

    used = cupy.get_default_memory_pool().used_bytes
    peak = before = used()

    class Peak(cupy.cuda.MemoryHook):  # type: ignore[misc]
        name = "peak"

        def malloc_postprocess(self, **_: Any) -> None:
            nonlocal peak
            peak = max(peak, used())

    with Peak():
        step()
    return peak - before


def numpy(x: Any) -> Any:
    return backends.default().to_numpy(x)
