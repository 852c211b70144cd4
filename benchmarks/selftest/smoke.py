"""What is special about a device, one thing at a time: products, graphs, indices, sums, layouts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from gradcore import TensorNode, cross_entropy, dropout, nn, optim
from gradcore.backends import Backend, backend_of, get, random, use_backend

from .cases import Case, Found, Given, NotHere, wait

__all__ = ["cases"]

# The largest relative error, in the norm of all elements.
NEAR = {"float16": 4e-3, "float32": 2e-5, "float64": 1e-11}
LAYERS: dict[str, Any] = {  # by what they show, how to make them, of images with 16 channels
    "convolution": lambda: nn.Conv2d(16, 24, 3, padding=1),
    "convolution of stride 2": lambda: nn.Conv2d(16, 24, 3, stride=2, padding=1, bias=False),
    "batch norm": lambda: nn.BatchNorm2d(16),
    "batch norm and ReLU": lambda: nn.Sequential(nn.BatchNorm2d(16), nn.Relu()),
    "batch norm with ReLU, fused": lambda: nn.BatchNorm2d(16, relu=True),
    "max pool": lambda: nn.MaxPool2d(2),
    "average pool": lambda: nn.AvgPool2d(2),
}
IMAGES = (8, 16, 12, 12)  # (N, C, H, W)


def cases(given: Given) -> Iterator[Case]:
    backend = given.backend
    backend.allow_tf32(convolutions=False)  # as exact as NumPy; products of matrices are anyway
    yield "a sum", lambda: a_sum(backend)
    for dtype in ("float32", "float16", "float64"):
        yield f"cuBLAS in a graph, {dtype}", partial(cublas_in_a_graph, given, dtype)
    yield "a first kernel inside a capture", lambda: first_kernel_in_a_capture(given)
    yield "a wrong index, by way of pinned memory", lambda: wrong_index(given)
    for axis in (None, 0, 1, (0, 2, 3)):
        yield f"sums over {axis}", partial(sums, backend, axis)
    yield "TF32", lambda: tf32(given)
    yield "ways to convolve", lambda: ways(given)
    yield "scatter_add in float16", lambda: scatter_add(backend)
    yield "random bits are NumPy's", lambda: random_bits(backend)
    yield "batches copied ahead", lambda: copies(backend)
    kinds = [*product(("float32", "float16"), ("N C H W", "channels last"))]
    for name, make in LAYERS.items():
        for dtype, order in kinds[::3] if given.quick else kinds:
            what = f"{name}, {dtype}, {order}"
            yield what, partial(layer, backend, make, dtype, order)
    makes: dict[str, Any] = {"Adam": optim.Adam, "SGD": partial(optim.SGD, momentum=0.9)}
    for name, make in makes.items():
        yield f"updates by {name}", partial(updates, backend, partial(make, lr=0.1))


def drawn(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def error(found: np.ndarray, expected: np.ndarray) -> float:
    """The norm of the difference, relative to that of what is expected."""
    found, expected = found.astype("float64"), expected.astype("float64")
    return float(np.linalg.norm(found - expected)) / max(float(np.linalg.norm(expected)), 1e-30)


def compare(pairs: list[tuple[Any, Any]], dtype: str) -> Found:
    """Compare arrays of NumPy's: found, and expected."""
    worst = max(error(found, expected) for found, expected in pairs)
    return Found(worst <= NEAR[dtype], f"error {worst:.1e} (at most {NEAR[dtype]:.0e})")


def a_sum(backend: Backend) -> str:
    total = float(backend.to_numpy(backend.xp.sum(backend.asarray(np.ones(1000), "float32"))))
    assert total == 1000, total
    return "1000 ones"


def recorder(given: Given) -> Any:
    if not (made := given.backend.recorder(given.backend.device)):
        raise NotHere(f"{given.backend.name} captures no steps")
    return made


def cublas_in_a_graph(given: Given, dtype: str) -> Found:
    given.only_on_cupy()
    from gradcore.backends.cupy.blas import matmul

    a, b = (given.backend.asarray(drawn(s), dtype) for s in ((257, 130), (130, 65)))
    graph = recorder(given)
    with graph.warm_up():
        matmul(a, b)
    with graph.record():
        y, z = matmul(a, b), matmul(b.T, a.T)
    graph.replay()
    wait(given.backend)
    expected = a.get().astype("float64") @ b.get().astype("float64")
    return compare([(y.get(), expected), (z.get().T, expected)], dtype)


def first_kernel_in_a_capture(given: Given) -> str:
    """NVRTC, loading a module and allocating memory must be allowed there."""
    given.only_on_cupy()
    import cupy

    graph, x = recorder(given), cupy.arange(5, dtype="float64")
    with graph.record():  # a name that no cache has
        kernel = cupy.ElementwiseKernel("T x", "T y", "y = x * 3", f"smoke_{os.getpid()}")
        y = kernel(x)
    graph.replay()
    assert y.get().tolist() == [0, 3, 6, 9, 12], y
    return "compiled, loaded and captured"


def wrong_index(given: Given) -> str:
    given.only_on_cupy()
    from gradcore.backends.cupy.indexing import raise_index_errors

    scores = given.backend.asarray(np.zeros((2, 3)), "float32")
    cross_entropy(TensorNode(scores), given.backend.asarray([0, 7]))
    wait(given.backend)
    try:
        raise_index_errors()
    except IndexError as found:
        return str(found)
    raise AssertionError("nobody noticed the label 7 of 3 classes")


def sums(backend: Backend, axis: Any) -> Found:
    """CuPy's reductions: CUB's where it has one, and else its own."""
    pairs = []
    for shape in ((64, 32, 32, 32), (8192, 100, 1, 1)):
        x = drawn(shape).astype("float32")
        found = backend.xp.sum(backend.asarray(x * x), axis=axis)
        pairs.append((backend.to_numpy(found), np.sum(x.astype("float64") ** 2, axis)))
    return compare(pairs, "float32")


def tf32(given: Given) -> Iterator[Found]:
    """Products, and convolutions, with TF32 and without. Where no tensor core rounds, as in another
    way to convolve, the error is the same twice."""
    given.only_on_cupy()
    backend, numpy = given.backend, get("numpy")
    x, w, pictures = (
        drawn(shape).astype("float32") for shape in ((512, 512), (32, 16, 3, 3), IMAGES)
    )
    steps: dict[str, Any]
    steps = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    whole = numpy.conv2d(pictures.astype("float64"), w.astype("float64"), None, **steps)
    computed: dict[str, Any] = {
        "matmul": (lambda x: x @ x, [x], x.astype("float64") @ x),
        "convolutions": (lambda x, w: backend.conv2d(x, w, None, **steps), [pictures, w], whole),
    }
    for name, (function, arrays, expected) in computed.items():
        there, errors = [backend.asarray(a) for a in arrays], []
        for whether in (True, False):
            backend.allow_tf32(**{name: whether})
            errors.append(error(backend.to_numpy(function(*there)), expected))
        passed = errors[1] < 1e-6 and errors[0] < 2e-3
        told = "errors {:.1e} with TF32, {:.1e} without".format(*errors)
        yield Found(passed, told, name=f"TF32 in {name}, and back")


def ways(given: Given) -> str:
    given.only_on_cupy()
    from gradcore.backends.cupy.convolution import convolutions

    told = [f"{way.name} ({way.problem() or 'can run'})" for way in convolutions.known]
    return ", ".join(told)


def scatter_add(backend: Backend) -> str:
    x = backend.asarray(np.ones((1000, 3)), "float16")
    found = backend.to_numpy(backend.scatter_add(x, backend.asarray(np.arange(1000) % 7), 7))
    expected = np.bincount(np.arange(1000) % 7)
    assert (found == expected[:, None]).all(), found
    return "1000 rows into 7"


def random_bits(backend: Backend) -> str:
    masks = []
    for there in (get("numpy"), backend):
        random.manual_seed(3)
        ones = TensorNode(there.asarray(np.ones(1000), "float32"))
        masks.append(there.to_numpy(dropout(ones, 0.5).value))
    assert (masks[0] == masks[1]).all(), "another mask of dropout"
    return "the mask of dropout"


def copies(backend: Backend) -> str:
    batches = [np.full((1 << 16,), i, "float32") for i in range(6)]
    got = [
        float(backend.to_numpy(backend.xp.sum(x))) for (x,) in backend.copies((b,) for b in batches)
    ]
    assert got == [float(i << 16) for i in range(6)], got
    return "6 batches"


def layer(backend: Backend, make: Any, dtype: str, order: str) -> Found:
    """Compare a layer and all its gradients, from images in an order in memory, with NumPy's."""
    results = []
    for there in (get("numpy"), backend):
        with use_backend(there.name, there.device):
            random.manual_seed(1)
            try:
                module = make()
            except TypeError as found:
                raise NotHere(str(found)) from None
            computed = dtype if there is backend else "float32"
            # The same rounded numbers for both.
            x = there.asarray(images(drawn(IMAGES).astype(dtype), order), computed)
            parameters = module.parameters()
            for p in parameters:
                rounded = there.to_numpy(p.value).astype(dtype)
                is_norm = p.value.ndim == 1 and isinstance(module, nn.BatchNorm2d | nn.Sequential)
                p.value = there.asarray(rounded, "float32" if is_norm else computed)
            node = TensorNode(x)
            y = module(node)
            weights = there.asarray(drawn(y.shape, seed=2).astype("float16"), y.dtype)
            (y * weights).sum().backward()
            arrays = [y.value, node.grad, *[p.grad for p in parameters]]
            results.append([backend_of(a).to_numpy(a) for a in arrays])
    return compare(list(zip(results[1], results[0], strict=True)), dtype)


def images(x: np.ndarray, order: str) -> np.ndarray:
    """Images (N, C, H, W) whose elements lie in memory in this order."""
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    return last if order == "channels last" else x


def updates(backend: Backend, make: Any) -> Found:
    pairs = []
    for there in (backend, get("numpy")):
        with use_backend(there.name, there.device):
            nodes = [TensorNode(there.asarray(drawn((n, 3), n), "float32")) for n in (1, 50, 300)]
            optimizer = make(nodes)
            for i in range(3):
                for node in nodes:
                    node.grad = there.asarray(drawn(node.shape, i), "float32")
                optimizer.step()
            pairs.append([there.to_numpy(node.value) for node in nodes])
    return compare(list(zip(*pairs, strict=True)), "float32")
