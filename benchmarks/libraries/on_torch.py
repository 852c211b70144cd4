from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn, optim
from torch.nn import functional

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

DEVICE = "cuda" if os.environ.get("GRADCORE_BACKEND") == "cupy" else "cpu"
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or torch.get_num_threads()))
OPTIONS: dict[str, Any] = {"captured": False, "compiled": False, "dtype": "float32"}


def configure(
    captured: bool = False, compiled: bool = False, tf32: str = "none", dtype: str = "float32"
) -> None:
    """Set options.

    Args:
        captured: whether steps will be captured.
        compiled: whether `torch.compile` compiles the steps of training: the network with its loss
            and their gradients, and the update.
        tf32: what may use TF32: "none", "convolutions" (as PyTorch comes), or "all".
        dtype: of products and convolutions in training; "float16" is by `torch.autocast`.

    Raises:
        NotImplementedError: the others compute on a GPU, and this PyTorch can't.
    """
    if DEVICE == "cuda" and not torch.cuda.is_available():
        raise NotImplementedError("this PyTorch sees no GPU")
    torch.backends.cudnn.allow_tf32 = tf32 != "none"
    torch.backends.cuda.matmul.allow_tf32 = tf32 == "all"
    OPTIONS.update(captured=captured, compiled=compiled, dtype=dtype)


def captured(step: Step) -> Step:
    """Capture a step as a CUDA graph, after a warm-up on a stream of its own
    (https://docs.pytorch.org/docs/stable/notes/cuda.html#whole-network-capture)."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = step()

    def replay() -> list[Any]:
        graph.replay()
        return results

    return replay


def tensor(x: Any) -> Any:
    return torch.tensor(x, device=DEVICE)


OPS = Table(
    batch_norm=lambda x, w, b: functional.batch_norm(x, None, None, w, b, training=True),
    conv2d=functional.conv2d,
    copy=lambda x, y: y.copy_(x),
    cross_entropy=functional.cross_entropy,
    gelu=functional.gelu,
    layer_norm=lambda x, w, b: functional.layer_norm(x, w.shape, w, b),
    linear=functional.linear,
    matmul=torch.matmul,
    max_pool2d=functional.max_pool2d,
    relu=torch.relu,
    sum=torch.sum,
    tanh=torch.tanh,
)
NETWORK, OPTIMIZERS = modules(nn, nn.ReLU), optimizers(optim, nn)
LOSSES: dict[str, Callable[..., Any]] = {
    "sum": lambda model, x, targets: functional.cross_entropy(
        model(x).float(), targets, reduction="sum"
    ),
    "mean": lambda model, x, targets: functional.cross_entropy(model(x).float(), targets),
    "elbo": elbo(partial(functional.binary_cross_entropy_with_logits, reduction="sum"), torch.exp),
}


def forward(function: Callable[..., Any], arrays: list[Any]) -> Step:
    xs = [tensor(x) for x in arrays]

    def step() -> list[Any]:
        with torch.no_grad():
            return [function(OPS, *xs)]

    return step


def gradients(function: Callable[..., Any], arrays: list[Any]) -> Step:
    xs = [tensor(x) for x in arrays]
    floating = [x.requires_grad_() for x in xs if x.is_floating_point()]
    with torch.no_grad():
        go = tensor(of_output(function(OPS, *xs).shape))

    def step() -> list[Any]:
        y = function(OPS, *xs)
        return [y.detach(), *torch.autograd.grad(y, floating, go)]

    return step


def train(
    layers: Any, parameters: Any, x: Any, targets: Any, loss: str, optimizer: str, lr: float
) -> Step:
    model = NETWORK(layers).to(DEVICE)
    for p, value in zip(model.parameters(), parameters, strict=True):
        p.data.copy_(tensor(value))  # in place: an LSTM's parameters stay one piece of memory
    x, targets = tensor(x), tensor(targets)
    updates = OPTIMIZERS[optimizer](model.parameters(), lr)
    for group in getattr(updates, "updates", updates).param_groups:
        if "capturable" in group:  # its count of steps is then on the device
            group["capturable"] = OPTIONS["captured"]
    is_half = OPTIONS["dtype"] == "float16"
    if is_half and x.ndim == 4:  # as tensor cores want them
        model, x = (y.to(memory_format=torch.channels_last) for y in (model, x))

    compute, update = LOSSES[loss], updates.step
    if OPTIONS["compiled"]:
        torch._dynamo.reset()  # so that code is of these shapes, not for those of the last step too
        compute, update = (torch.compile(f, dynamic=False) for f in (compute, update))

    def step() -> list[Any]:
        # A graph can't use casted weights that autocast keeps from one step to the next.
        with torch.autocast(DEVICE, torch.float16, is_half, cache_enabled=not OPTIONS["captured"]):
            total = compute(model, x, targets)
        total.backward()
        update()
        updates.zero_grad()
        return [total.detach()]

    return step


def update(parameters: Any, gradients: Any, optimizer: str, lr: float) -> Step:
    tensors = [tensor(p).requires_grad_() for p in parameters]
    for p, gradient in zip(tensors, gradients, strict=True):
        p.grad = tensor(gradient)
    updates = OPTIMIZERS[optimizer](tensors, lr)

    def step() -> list[Any]:
        updates.step()
        return [p.detach() for p in tensors]

    return step


def batches(x: Any, y: Any, size: int) -> Step:
    """Slice by hand: PyTorch's DataLoader takes many times as long."""
    x, y = tensor(x), tensor(y)

    def step() -> list[Any]:
        order = torch.randperm(len(x), device=DEVICE)
        for i in range(0, len(x), size):
            last = x[order[i : i + size]], y[order[i : i + size]]
        return [last[0].sum(), last[1].sum()]

    return step


def wait() -> None:
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def free() -> None:
    if DEVICE == "cuda":
        torch.cuda.empty_cache()


def device_peak(step: Callable[[], Any]) -> int | None:
    if DEVICE != "cuda":
        return None
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    return torch.cuda.max_memory_allocated() - before


def numpy(x: Any) -> Any:
    return x.cpu().numpy()
