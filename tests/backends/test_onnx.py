"""The ONNX backend's kernels, on constants, which ONNX Runtime computes: each against its
definition on NumPy's arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from comparing import normal

from gradcore.backends import Backend, get
from tests.backends.test_kernels import ATTENTIONS, CONVOLUTIONS, PLAIN, POOLS

pytest.importorskip("ndonnx")
pytest.importorskip("onnxruntime")

CASES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("softmax", (normal(3, 4),), {"axis": 0}),
    ("softmax", (normal(1)[0],), {"axis": None}),
    ("log_softmax", (normal(3, 4),), {"axis": -1}),
    ("sigmoid", (normal(3, 4),), {}),
    ("gelu", (normal(3, 4),), {}),
    ("erf", (normal(3, 4),), {}),
    ("linear", (normal(3, 4), normal(2, 4), normal(2)), {}),
    ("linear", (normal(3, 5, 4), normal(2, 4), None), {}),
    ("layer_norm", (normal(3, 4), normal(4), normal(4)), {"eps": 0.1}),
]
for shape in ((5, 3), (2, 3, 4, 5)):
    x, c = normal(*shape), [normal(3), normal(3), normal(3), normal(3) ** 2]
    CASES.append(("batch_norm_inference", (x, *c), {"eps": 0.1}))
    CASES.append(("batch_norm_inference", (x, *c, x), {"eps": 0.1, "relu": True}))
for shape, w_shape, given in CONVOLUTIONS:
    if math.prod(shape) * math.prod(w_shape) and w_shape[0] < 1000:
        options = {**PLAIN, "groups": 1, **given}
        x, w = normal(*shape), normal(*w_shape)
        go = normal(*Backend.conv2d(get("numpy"), x, w, None, **options).shape)
        CASES.append(("conv2d", (x, w, normal(w_shape[0])), options))
        CASES.append(("conv2d_input_gradient", (go, w), {**options, "size": shape[2:]}))
for shape, given in POOLS:
    if math.prod(shape):
        options = {**PLAIN, **given}
        sides = zip(options["padding"], options["kernel"], strict=True)
        if all(max(p) < k for p, k in sides):  # what ONNX Runtime has
            CASES.append(("max_pool2d", (normal(*shape),), dict(options)))
        if options.pop("dilation") == (1, 1):
            CASES.append(("avg_pool2d", (normal(*shape),), options))
for lead, L, S, mask in ATTENTIONS:
    if math.prod(lead):
        inputs = normal(*lead, L, 4), normal(*lead, S, 4), normal(*lead, S, 6)
        masks = [np.where(normal(*mask) > -2, 0.0, -np.inf)] if mask else []
        more = [{"causal": causal, "scale": 0.5} for causal in (True, False)]
        CASES += [("attention", (*inputs, *masks), options) for options in more]
for of in ("lstm", "gru"):
    T, N, M, H, G = 3, 4, 2, 5, {"lstm": 20, "gru": 15}[of]
    weights, biases = (normal(G, M), normal(G, H)), [normal(G)] * (1 if of == "lstm" else 2)
    states = [normal(N, H)] * (3 - len(biases))
    CASES.append((of, (normal(T, N, M), *states, *weights, *biases), {}))
    nothing = [np.zeros((N, H))] * len(states), [None] * len(biases)
    CASES.append((of, (normal(T, N, M), *nothing[0], *weights, *nothing[1]), {}))


@pytest.mark.parametrize(("kernel", "arrays", "options"), CASES)
def test_a_kernel_is_its_definition(kernel: str, arrays: Any, options: Any) -> None:
    backend, arrays = get("onnx"), [a if a is None else a.astype("float32") for a in arrays]
    here = [a if a is None else backend.asarray(a) for a in arrays]
    found = getattr(backend, kernel)(*here, **options)
    expected = getattr(Backend, kernel)(get("numpy"), *arrays, **options)
    if kernel == "max_pool2d":  # places of maxima are counted in several ways
        size = {"size": arrays[0].shape[2:]}
        found = [*found, backend.max_pool2d_indices(found[1], **size, **options)]
        found.append(backend.max_pool2d_chosen(here[0], found.pop(1), **options))
        chosen = Backend.max_pool2d_chosen(get("numpy"), arrays[0], expected[1], **options)
        indices = Backend.max_pool2d_indices(get("numpy"), expected[1], **size, **options)
        expected = [expected[0], indices, chosen]
    if kernel in ("lstm", "gru"):  # which give besides what only gradients need
        found, expected = ([y[0], *[c[-1, ...] for c in y[1:-1]]] for y in (found, expected))
        found.append(backend.getitem(getattr(backend, kernel)(*here)[0], -1))
        expected.append(expected[0][-1])
    if not isinstance(found, list):
        found, expected = [found], [expected]
    for y, z in zip(found, expected, strict=True):
        y = backend.to_numpy(y)
        assert (y.dtype, y.shape) == (z.dtype, z.shape)
        np.testing.assert_allclose(y, z, rtol=1e-4, atol=2e-5)


def test_a_reshaped_array_is_not_changed_by_what_is_assigned_to_its_origin_later() -> None:
    backend = get("onnx")
    x = backend.asarray(np.zeros((2, 3)))
    y = backend.xp.reshape(x, (6,))
    x[0, 0] = 1.0
    z = backend.xp.reshape(y, (3, 2))
    np.testing.assert_array_equal(backend.to_numpy(z), np.zeros((3, 2)))
    y[0] = 2.0
    np.testing.assert_array_equal(backend.to_numpy(backend.xp.reshape(y, (2, 3)))[0], [2, 0, 0])


def test_products_of_negative_numbers_are_right() -> None:
    backend, x = get("onnx"), np.array([[2.0, -3.0, 4.0], [0.0, 1.0, -1.0]])
    for axis in (0, 1):
        y = backend.xp.cumulative_prod(backend.asarray(x), axis=axis)
        np.testing.assert_array_equal(backend.to_numpy(y), np.cumprod(x, axis=axis))
    y = backend.xp.cumulative_prod(backend.asarray(x), axis=1, include_initial=True)
    np.testing.assert_array_equal(backend.to_numpy(y)[0], [1.0, 2.0, -6.0, -24.0])
