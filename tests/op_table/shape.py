"""The rows of gradcore/ops/shape.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcore import ops

from .rows import NO_AXIS, UNARY, Row, case, constant, refuses


def torch_cat(*arrays: Any, axis: int = 0) -> Any:
    import torch

    return torch.cat(arrays, dim=axis)


ROWS = [
    Row(
        ops.Reshape,
        lambda x, shape: x.reshape(shape),
        [
            case((2, 3), shape=(3, 2)),
            case((2, 3), shape=(-1,)),
            case((4,), shape=(2, 1, -1)),
            case((1, 1), shape=()),
            case((), shape=(1, 1)),
            case((0, 3), shape=(3, 0)),
        ],
        lambda x, shape: x.reshape(shape),
        refuses=[refuses(case((2, 3), shape=(4,)), ValueError, "(2, 3)", "4")],
        complex=True,
    ),
    Row(
        ops.Transpose,
        lambda x, axes: x.transpose(axes),
        [
            case((2, 3), axes=(1, 0)),
            case((2, 3, 4), axes=(1, 2, 0)),
            case((2, 3, 4), axes=(-1, 0, -2)),
            case((2, 3), axes=(0, 1)),
            case((), axes=()),
            case((1,), axes=(0,)),
            case((0, 3), axes=(1, 0)),
        ],
        lambda x, axes: x.permute(axes),
        refuses=[
            refuses(case((2, 3), axes=(1, 1)), ValueError, "(2, 3)"),
            refuses(case((2, 3), axes=(0, 1, 2)), (ValueError, IndexError), "(2, 3)"),
        ],
        complex=True,
    ),
    Row(
        ops.Broadcast,
        np.broadcast_to,
        [
            case((3,), shape=(2, 3)),
            case((2, 1), shape=(2, 3)),
            case((1, 3, 1), shape=(2, 2, 3, 2)),
            case((2, 3), shape=(2, 3)),
            case((), shape=(2, 3)),
            case((1,), shape=(1,)),
            case((1, 3), shape=(0, 3)),
            case((0,), shape=(2, 0)),
        ],
        lambda x, shape: x.broadcast_to(shape),
        refuses=[refuses(case((2, 3), shape=(2, 4)), ValueError, "(2, 3)")],
        complex=True,
    ),
    Row(
        ops.Expand,
        lambda x, dim, repeats: np.repeat(x, repeats, axis=dim),
        [
            case((2, 1), dim=1, repeats=3),
            case((1, 3), dim=0, repeats=2),
            case((2, 1, 3), dim=-2, repeats=2),
            case((1,), dim=0, repeats=1),
            case((1, 2), dim=0, repeats=0),
            case((0, 1), dim=1, repeats=2),
        ],
        lambda x, dim, repeats: x.repeat_interleave(repeats, dim),
        refuses=[refuses(case((2, 3), dim=1, repeats=3), ValueError, "dimension 1", "(2, 3)")],
        complex=True,
    ),
    Row(
        ops.Squeeze,
        lambda x, dim=0: np.squeeze(x, axis=dim),
        [
            case((1, 3)),
            case((2, 1, 3), dim=1),
            case((2, 1), dim=-1),
            case((1,)),
            case((1, 0)),
        ],
        lambda x, dim=0: x.squeeze(dim),
        refuses=[refuses(case((2, 3), dim=1), ValueError, "(2, 3)")],
        complex=True,
    ),
    Row(
        ops.Unsqueeze,
        lambda x, dim=0: np.expand_dims(x, dim),
        [*UNARY, case((2, 3), dim=1), case((2, 3), dim=2), case((2, 3), dim=-1)],
        lambda x, dim=0: x.unsqueeze(dim),
        refuses=[refuses(case((2, 3), dim=4), (ValueError, IndexError), "(2, 3)")],
        complex=True,
    ),
    Row(
        ops.Concat,
        lambda *arrays, axis=0: np.concatenate(arrays, axis=axis),
        [
            case((2, 3), (1, 3)),
            case((2, 1), (2, 3), (2, 2), axis=-1),
            case((2, 3), constant((2, 2)), (2, 1), axis=1),
            case((1,), (1,)),
            case((3,)),
            case((0, 2), (2, 2), axis=0),
            case((2, 0), (2, 0), axis=1),
        ],
        torch_cat,
        refuses=[
            refuses(case((2, 3), (2, 2)), ValueError, "(2, 3)", "(2, 2)"),
            refuses(case((2, 3), (2, 3), axis=2), (ValueError, IndexError), "axis", "(2, 3)"),
        ],
        complex=True,
    ),
    Row(
        ops.Unstack,
        lambda x, axis=0: tuple(np.moveaxis(x, axis, 0)),
        [
            case((3,)),
            case((2, 3), axis=1),
            case((2, 3, 2), axis=-2),
            case((1,)),
            case((2, 0)),
        ],
        lambda x, axis=0: x.unbind(axis),
        refuses=[NO_AXIS],
        complex=True,
    ),
    Row(
        ops.Replace,
        lambda y, _: y,
        [case(shape, constant(shape)) for shape in [(2, 3), (), (1,), (0, 2)]],
        lambda y, _: y.clone(),
        complex=True,
    ),
    Row(
        ops.Tie,
        lambda *xs: xs,
        [case((2, 3)), case((2,), (), (3,)), case((1,), (0, 2))],
        lambda *xs: tuple(x.clone() for x in xs),
        complex=True,
    ),
    Row(
        ops.Roll,
        np.roll,
        [
            case((4,), shift=1, axis=0),
            case((2, 3), shift=-2, axis=-1),
            case((2, 3), shift=(1, 5), axis=(0, 1)),
            case((1,), shift=3, axis=0),
            case((0, 2), shift=1, axis=1),
        ],
        lambda x, shift, axis: x.roll(shift, axis),
        refuses=[refuses(case((2, 3), shift=1, axis=2), (ValueError, IndexError), "axis")],
        complex=True,
    ),
]
