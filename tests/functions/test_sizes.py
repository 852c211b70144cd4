"""Sizes and axes: integers of Python's and of NumPy's types, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore import TensorNode, nn
from gradcore import array_api as xp

INTEGERS = [int, np.int64, np.int8, np.uint8]

# Each a function of two sizes, which are 1 and 4.
SIZED: dict[str, Any] = {
    "layer_norm": lambda _, n: gradcore.layer_norm(numbers(3, 4), n),
    "rms_norm": lambda _, n: gradcore.rms_norm(numbers(3, 4), (n,)),
    "group_norm": lambda one, _: gradcore.group_norm(numbers(2, 4), one),
    "LayerNorm": lambda _, n: nn.LayerNorm(n, dtype="float64")(numbers(3, 4)),
    "RMSNorm": lambda _, n: nn.RMSNorm((n,), dtype="float64")(numbers(3, 4)),
    "GroupNorm": lambda one, n: nn.GroupNorm(one, n, dtype="float64")(numbers(2, 4)),
    "BatchNorm1d": lambda _, n: nn.BatchNorm1d(n, dtype="float64")(numbers(2, 4)),
    "Linear": lambda one, n: nn.Linear(n, one, dtype="float64")(numbers(2, 4)),
    "Embedding": lambda one, n: nn.Embedding(n, one, padding_idx=one, dtype="float64")([2, 1]),
    "one_hot": lambda _, n: gradcore.one_hot([1, 3], n, "float64"),
    "Conv2d": lambda one, n: nn.Conv2d(n, n, one, one, one, one, groups=n, dtype="float64")(
        numbers(1, 4, 3, 3)
    ),
    "ConvTranspose2d": lambda one, n: nn.ConvTranspose2d(n, one, n, dtype="float64")(
        numbers(1, 4, 3, 3)
    ),
    "conv1d": lambda one, _: gradcore.conv1d(numbers(1, 1, 5), numbers(1, 1, 3), padding=one),
    "max_pool2d": lambda one, n: gradcore.max_pool2d(numbers(1, 1, 9, 9), n, (one, n)),
    "avg_pool2d": lambda one, n: gradcore.avg_pool2d(numbers(1, 1, 9, 9), n, one),
    "adaptive_avg_pool2d": lambda one, n: gradcore.adaptive_avg_pool2d(
        numbers(1, 1, 9, 9), (one, n)
    ),
    "pad by a pair": lambda one, n: gradcore.pad(numbers(3), (one, n)),
    "pad by pairs": lambda one, n: gradcore.pad(numbers(3, 2), ((one, n), (n, one))),
    "pad": lambda one, _: gradcore.pad(numbers(3), one, mode="edge"),
}
# The same of axes and counts, which libraries check themselves.
ALONG = [
    *("sum", "mean", "prod", "max", "min", "std", "var", "flip", "sort", "expand_dims", "diff"),
    "cumulative_sum",
]
MOVED: dict[str, Any] = {
    name: lambda one, _, name=name: getattr(xp, name)(numbers(2, 3), axis=one) for name in ALONG
} | {
    "logsumexp": lambda one, _: gradcore.logsumexp(numbers(2, 3), axis=one),
    "softmax": lambda one, _: gradcore.softmax(numbers(2, 3), one),
    "Sum": lambda one, _: gradcore.Sum.do_forward(numbers(2, 3), axis=one),
    "sum over several": lambda one, _: xp.sum(numbers(2, 3, 4), axis=(one, one - one)),
    "squeeze": lambda one, _: xp.squeeze(numbers(2, 1, 4), axis=one),
    "concat": lambda one, _: xp.concat([numbers(2, 3)] * 2, axis=one),
    "stack": lambda one, _: xp.stack([numbers(2, 3)] * 2, axis=one),
    "repeat": lambda one, n: xp.repeat(numbers(2, 3), n, axis=one),
    "moveaxis": lambda one, _: xp.moveaxis(numbers(2, 3, 4), one, one - one),
    "roll": lambda one, n: xp.roll(numbers(2, 9), n, axis=one),
    "roll flat": lambda _, n: xp.roll(numbers(9), n),
    "roll along several": lambda one, n: xp.roll(numbers(2, 9), (one, n), axis=(0, 1)),
    "tensordot": lambda one, _: xp.tensordot(numbers(2, 3), numbers(3, 2), axes=one),
    "norm": lambda one, _: gradcore.linalg.norm(numbers(2, 3), axis=one),
    "matrix_power": lambda _, n: gradcore.linalg.matrix_power(numbers(2, 2), n),
    "polygamma": lambda _, n: gradcore.polygamma(n, numbers(3)),
    "reshape": lambda _, n: xp.reshape(numbers(2, 6), (n, 3)),
    "broadcast_to": lambda _, n: xp.broadcast_to(numbers(1), (n, n)),
    "zeros": lambda one, n: xp.zeros((one, n)),
    "tile": lambda one, n: xp.tile(numbers(3), (one, n)),
}

made: list[TensorNode] = []


def numbers(*shape: int) -> TensorNode:
    made.append(TensorNode(np.random.default_rng(len(made)).uniform(0.5, 2.0, shape)))
    return made[-1]


def results(call: Any, *given: Any) -> list[Any]:
    """The result, and the gradients of the inputs, of a call from one seed."""
    made.clear()
    gradcore.manual_seed(0)
    y = call(*given)
    if y.requires_grad:
        weights = np.arange(1.0, 1 + np.asarray(y.value).size).reshape(y.shape)
        xp.sum(y * weights).backward()
    return [np.asarray(y.value), *[x.grad for x in made]]


@pytest.mark.parametrize("kind", INTEGERS[1:])
@pytest.mark.parametrize("name", [*SIZED, *MOVED])
def test_an_integer_of_numpys_is_as_good_as_one_of_pythons(name: str, kind: type) -> None:
    call = (SIZED | MOVED)[name]
    if kind is np.uint8 and "several" in name:
        kind = np.uint16
    for found, expected in zip(results(call, kind(1), kind(4)), results(call, 1, 4), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("wrong", [True, 4.0, np.bool_(True), "4", None])
@pytest.mark.parametrize("name", SIZED)
def test_a_size_that_is_no_integer_is_refused_in_one_line(name: str, wrong: Any) -> None:
    if wrong is None and name == "adaptive_avg_pool2d":
        return  # keeps the size of x
    with pytest.raises(ValueError, match=rf"^{name.split()[0]}: .* expected") as caught:
        SIZED[name](wrong, wrong)
    assert "\n" not in str(caught.value)
