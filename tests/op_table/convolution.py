"""The rows of gradcore/ops/convolution.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gradcore import ops

from .rows import Row, case, constant, refuses

ONES, ZEROS = (1, 1), ((0, 0), (0, 0))


def windows(
    x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any = None, around: float = 0.0
) -> Any:
    """What the kernel sees: (N, C, OH, OW, KH, KW), of images."""
    n = len(kernel)
    x = np.pad(x, [(0, 0), (0, 0), *padding], constant_values=around)
    dilation = dilation or (1,) * n
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    views = sliding_window_view(x, spans, tuple(range(2, 2 + n)))
    steps = [slice(None, None, step) for step in (*stride, *dilation)]
    return views[(slice(None), slice(None), *steps)]


LETTERS = {2: ("hw", "ij"), 3: ("dhw", "kij")}  # of the windows, and of the kernel


def _in_groups(equation: str, a: Any, b: Any, of_a: int, of_b: int, groups: int, axis: int) -> Any:
    """An einsum for each group of the axes, the results along an axis."""
    parts = zip(np.split(a, groups, of_a), np.split(b, groups, of_b), strict=True)
    return np.concatenate([np.einsum(equation, *pair) for pair in parts], axis)


def _options(axes: int, **given: Any) -> dict[str, Any]:
    return {"stride": (1,) * axes, "padding": ((0, 0),) * axes, **given}


def convolution(x: Any, w: Any, b: Any = 0.0, groups: int = 1, **given: Any) -> Any:
    n = w.ndim - 2
    seen = windows(x, w.shape[2:], **_options(n, **given))
    places, taps = LETTERS[n]
    y = _in_groups(f"nc{places}{taps},oc{taps}->no{places}", seen, w, 1, 0, groups, 1)
    return y + np.reshape(b, (-1, *[1] * n))


def _input_gradient(go: Any, w: Any, size: Any, groups: int = 1, **options: Any) -> Any:
    shape, axes = (w.shape[1] * groups, *size), list(range(1, go.ndim))
    n = int(np.prod(shape))
    matrix = convolution(np.eye(n).reshape(n, *shape), w, groups=groups, **options)
    return np.tensordot(go, matrix, (axes, axes)).reshape(len(go), *shape)


def _weight_gradient(x: Any, go: Any, kernel: Any, groups: int = 1, **given: Any) -> Any:
    n = len(kernel)
    seen = windows(x, kernel, **_options(n, **given))
    places, taps = LETTERS[n]
    return _in_groups(f"nc{places}{taps},no{places}->oc{taps}", seen, go, 1, 1, groups, 0)


def torch_padded(x: Any, padding: Any, around: float = 0.0) -> Any:
    from torch.nn.functional import pad

    return pad(x, [p for pair in reversed(padding) for p in pair], value=around)


def torch_convolution(x: Any, w: Any, b: Any = None, padding: Any = (), **options: Any) -> Any:
    from torch.nn import functional

    function = getattr(functional, f"conv{w.ndim - 2}d")
    return function(torch_padded(x, padding), w, b, **options)


def torch_gradient(function: Any, shape: Any, *inputs: Any) -> Any:
    """The gradient of the input, of that shape, of a linear function, where the first of these is
    that of the result. Of an empty batch PyTorch's depends on nothing."""
    from torch.autograd import grad

    go = inputs[0]
    x = go.new_zeros(shape).requires_grad_()
    gx = grad(function(x), x, go, create_graph=True)[0]
    return gx if len(go) else gx + 0.0 * sum(x.sum() for x in inputs)


def _torch_input_gradient(go: Any, w: Any, size: Any, **options: Any) -> Any:
    shape = (len(go), w.shape[1] * options.get("groups", 1), *size)
    return torch_gradient(lambda x: torch_convolution(x, w.conj(), **options), shape, go, w)


def _torch_weight_gradient(x: Any, go: Any, kernel: Any, groups: int = 1, **options: Any) -> Any:
    shape = (go.shape[1], x.shape[1] // groups, *kernel)
    options["groups"] = groups
    return torch_gradient(lambda w: torch_convolution(x.conj(), w, **options), shape, go, x)


def gradients(of_input: Any, of_weight: Any) -> Any:
    """Give a function for those gradients of a convolution's inputs that are wanted."""

    def wanted_gradients(x: Any, w: Any, go: Any, wanted: Any, **options: Any) -> tuple[Any, ...]:
        found = (
            lambda: of_input(go, w, tuple(x.shape[2:]), **options),
            lambda: of_weight(x, go, tuple(w.shape[2:]), **options),
            lambda: go.sum((0, *range(2, go.ndim))),
        )
        return tuple([find() for find, is_wanted in zip(found, wanted, strict=False) if is_wanted])

    return wanted_gradients


ODD = {"stride": (2, 1), "padding": ((1, 0), (0, 2)), "dilation": (1, 2)}
ODD_DEPTH = {
    "stride": (1, 2, 1), "padding": ((1, 0), (0, 0), (0, 1)), "dilation": (2, 1, 1)
}  # fmt: skip

ROWS = [
    Row(
        ops.Conv2d,
        convolution,
        [
            case((2, 2, 3, 4), (3, 2, 2, 3)),
            case((1, 2, 4, 3), (2, 2, 3, 2), (2,), **ODD),
            case((1, 4, 3, 2), (2, 2, 2, 1), (2,), groups=2, padding=((1, 1), (0, 0))),
            case((1, 2, 2, 2), (2, 1, 1, 1), groups=2, stride=(2, 2)),
            case(constant((2, 1, 2, 2)), (1, 1, 2, 2), constant((1,))),
            case((1, 1, 1, 1), (1, 1, 1, 1), (1,)),
            case((0, 2, 3, 3), (1, 2, 2, 2), (1,)),
        ],
        torch_convolution,
        refuses=[
            refuses(case((8, 3, 9, 9), (5, 4, 3, 3)), ValueError, "3 channels", "expects 4"),
            refuses(case((1, 4, 3, 3), (4, 1, 1, 1), groups=2), ValueError, "2 in 2 groups"),
            refuses(case((1, 3, 3, 3), (4, 1, 1, 1), groups=2), ValueError, "groups = 2", "(1, 3"),
            refuses(case((1, 4, 3, 3), (3, 2, 1, 1), groups=2), ValueError, "groups = 2", "(3, 2"),
            refuses(case((1, 1, 3, 3), (1, 1, 1, 1), groups=0), ValueError, "groups = 0"),
            refuses(case((1, 3, 3), (1, 3, 1, 1)), ValueError, "(N, C, H, W)", "(1, 3, 3)"),
            refuses(case((1, 1, 3, 3), (2, 1, 1, 1), (3,)), ValueError, "b has shape (3,)", "(2,)"),
            refuses(case((1, 1, 3, 3), (1, 1, 4, 1)), ValueError, "kernel (4, 1)", "(3, 3)"),
            refuses(
                case((1, 1, 3, 3), (1, 1, 2, 2), dilation=(3, 1)), ValueError, "(4, 2) with", "(3,"
            ),
            refuses(case((1, 1, 3, 3), (1, 1, 1, 1), stride=(0, 1)), ValueError, "stride (0, 1)"),
            refuses(
                case((1, 1, 3, 3), (1, 1, 1, 1), padding=((0, 0), (-1, 0))), ValueError, "(-1, 0)"
            ),
            refuses(case((1, 1, 3, 3), (1, 1, 0, 1)), ValueError, "kernel (0, 1)"),
        ],
        complex="together",
    ),
    Row(
        ops.Conv2dGradient,
        gradients(_input_gradient, _weight_gradient),
        [
            case((2, 2, 3, 4), (3, 2, 2, 3), (2, 3, 2, 2), wanted=(True, True, True)),
            case(
                constant((1, 2, 4, 3)),
                (2, 2, 3, 2),
                (1, 2, 2, 3),
                wanted=(True, False, True),
                **ODD,
            ),
            case(
                (1, 4, 3, 2), constant((2, 2, 2, 1)), (1, 2, 2, 2), wanted=(False, True), groups=2
            ),
            case(*[constant((1, 1, 1, 1))] * 2, (1, 1, 1, 1), wanted=(False, False, True)),
            case((0, 2, 3, 3), (1, 2, 2, 2), (0, 1, 2, 2), wanted=(True, True)),
        ],
        gradients(_torch_input_gradient, _torch_weight_gradient),
        refuses=[
            refuses(
                case((1, 2, 3, 3), (3, 2, 2, 2), (1, 3, 3, 3), wanted=(True, True)),
                ValueError,
                "(1, 3, 2, 2)",
            ),
        ],
        complex="together",
    ),
    Row(
        ops.Conv2dInputGradient,
        _input_gradient,
        [
            case((2, 3, 2, 2), (3, 2, 2, 3), size=(3, 4)),
            case((1, 2, 2, 1), (2, 2, 3, 2), size=(4, 1), **ODD),
            case((1, 2, 2, 2), (2, 1, 2, 1), size=(3, 2), groups=2),
            case((1, 1, 1, 1), (1, 1, 1, 1), size=(2, 2), stride=(2, 2)),
            case((0, 2, 2, 2), (2, 1, 2, 2), size=(3, 3)),
        ],
        _torch_input_gradient,
        refuses=[
            refuses(case((1, 2, 2, 2), (3, 1, 2, 2), size=(3, 3)), ValueError, "(1, 3, 2, 2)"),
            refuses(case((1, 3, 2, 2), (3, 1, 2, 2), size=(4, 3)), ValueError, "(1, 3, 3, 2)"),
            refuses(case((2, 2), (3, 1, 2, 2), size=(4, 3)), ValueError, "(2, 2)"),
        ],
        complex="together",
    ),
    Row(
        ops.Conv2dWeightGradient,
        _weight_gradient,
        [
            case((2, 2, 3, 4), (2, 3, 2, 2), kernel=(2, 3)),
            case((1, 2, 4, 3), (1, 2, 2, 3), kernel=(3, 2), **ODD),
            case((1, 4, 3, 2), (1, 2, 2, 2), kernel=(2, 1), groups=2),
            case((1, 1, 1, 1), (1, 1, 1, 1), kernel=(1, 1)),
            case((0, 2, 3, 3), (0, 1, 2, 2), kernel=(2, 2)),
        ],
        _torch_weight_gradient,
        refuses=[
            refuses(case((1, 2, 3, 3), (1, 3, 3, 3), kernel=(2, 2)), ValueError, "(1, 3, 2, 2)"),
        ],
        complex="together",
    ),
    Row(
        ops.Conv3d,
        convolution,
        [
            case((2, 2, 2, 3, 2), (2, 2, 2, 2, 1), (2,)),
            case((1, 2, 3, 3, 2), (2, 1, 2, 2, 2), groups=2, **ODD_DEPTH),
            case((1, 1, 1, 1, 1), (1, 1, 1, 1, 1)),
            case((0, 1, 2, 2, 2), (1, 1, 2, 1, 1), (1,)),
        ],
        torch_convolution,
        refuses=[
            refuses(case((1, 3, 2, 2, 2), (1, 2, 1, 1, 1)), ValueError, "3 channels", "expects 2"),
            refuses(case((1, 3, 2, 2), (1, 3, 1, 1)), ValueError, "(N, C, D, H, W)", "KD, KH"),
            refuses(case((1, 1, 2, 2, 2), (1, 1, 3, 1, 1)), ValueError, "kernel (3, 1, 1)"),
        ],
        complex="together",
    ),
    Row(
        ops.Conv3dGradient,
        gradients(_input_gradient, _weight_gradient),
        [
            case((2, 2, 2, 3, 2), (2, 2, 2, 2, 1), (2, 2, 1, 2, 2), wanted=(True, True, True)),
            case(
                *((1, 2, 3, 3, 2), (2, 1, 2, 2, 2), (1, 2, 2, 1, 2)),
                wanted=(True, True),
                groups=2,
                **ODD_DEPTH,
            ),
            case((1, 1, 1, 1, 1), constant((1, 1, 1, 1, 1)), (1, 1, 1, 1, 1), wanted=(False, True)),
            case((0, 1, 2, 2, 2), (1, 1, 2, 1, 1), (0, 1, 1, 2, 2), wanted=(True, True, True)),
        ],
        gradients(_torch_input_gradient, _torch_weight_gradient),
        refuses=[
            refuses(
                case((1, 1, 2, 2, 2), (1, 1, 2, 2, 2), (1, 1, 2, 2, 2), wanted=(True, True)),
                ValueError,
                "(1, 1, 1, 1, 1",
            ),
        ],
        complex="together",
    ),
    Row(
        ops.Conv3dInputGradient,
        _input_gradient,
        [
            case((2, 2, 1, 2, 2), (2, 1, 2, 2, 1), size=(2, 3, 2)),
            case((1, 2, 2, 1, 2), (2, 1, 2, 2, 2), size=(3, 3, 2), groups=2, **ODD_DEPTH),
            case((1, 1, 1, 1, 1), (1, 1, 1, 1, 1), size=(1, 1, 2), stride=(1, 1, 2)),
            case((0, 1, 1, 2, 2), (1, 1, 2, 1, 1), size=(2, 2, 2)),
        ],
        _torch_input_gradient,
        refuses=[
            refuses(
                case((1, 2, 2, 2, 2), (2, 1, 2, 2, 2), size=(2, 2, 2)), ValueError, "(1, 2, 1, 1, 1"
            ),
        ],
        complex="together",
    ),
    Row(
        ops.Conv3dWeightGradient,
        _weight_gradient,
        [
            case((2, 2, 2, 3, 2), (2, 1, 1, 2, 2), kernel=(2, 2, 1)),
            case((1, 2, 3, 3, 2), (1, 2, 2, 1, 2), kernel=(2, 2, 2), groups=2, **ODD_DEPTH),
            case((1, 1, 1, 1, 1), (1, 1, 1, 1, 1), kernel=(1, 1, 1)),
            case((0, 1, 2, 2, 2), (0, 1, 1, 2, 2), kernel=(2, 1, 1)),
        ],
        _torch_weight_gradient,
        refuses=[
            refuses(
                case((1, 1, 2, 2, 2), (1, 1, 2, 2, 2), kernel=(2, 2, 2)),
                ValueError,
                "(1, 1, 1, 1, 1",
            ),
        ],
        complex="together",
    ),
]
