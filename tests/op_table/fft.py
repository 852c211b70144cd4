"""The rows of gradcore/ops/fft.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcore import ops

from .rows import Row, case

# The input's shape, the axis, and the number of entries that are transformed: all; odd and even
# numbers, to which the input is cut off or filled up; and one.
ALONG = [
    ((4,), 0, 4),
    ((5,), 0, 5),
    ((1,), 0, 1),
    ((0, 3), 1, 3),
    ((2, 3), 1, 5),
    ((3, 2), 0, 6),
    ((6,), 0, 4),
    ((5, 2), 0, 3),
    ((3, 2), 0, 1),
]
SETTINGS: list[dict[str, Any]] = [
    {"norm": "backward"},
    {"norm": "ortho"},
    {"norm": "backward", "inverse": True},
    {"norm": "forward", "inverse": True},
]


def in_torch(name: str) -> Any:
    """A function of torch.fft, for each axis or for several."""

    def function(x: Any, inverse: bool = False, norm: str = "backward", **sizes: Any) -> Any:
        import torch

        turned = {"fftn": "ifftn", "rfft": "ihfft", "hfft": "irfft"}
        names = {"axis": "dim", "axes": "dim", "sizes": "s", "n": "n"}
        given = {names[key]: size for key, size in sizes.items()}
        transform = getattr(torch.fft, turned[name] if inverse else name)
        if x.numel():
            return transform(x, norm=norm, **given)
        one = torch.nn.functional.pad(x, (0, 0, 0, 1))  # as MKL takes no rows for an error
        return transform(one, norm=norm, **given)[:-1]

    return function


ROWS = [
    Row(
        ops.FFT,
        lambda x, sizes, axes, norm, inverse=False: (np.fft.ifftn if inverse else np.fft.fftn)(
            x, sizes, axes, norm
        ),
        [
            *[
                case(shape, sizes=(n,), axes=(axis,), **settings)
                for shape, axis, n in ALONG
                for settings in SETTINGS
            ],
            case((2, 3), sizes=(3, 4), axes=(1, 0), norm="backward"),
            case((2, 1, 3), sizes=(1, 2), axes=(0, 2), norm="ortho"),
            case((2, 2), sizes=(), axes=(), norm="ortho"),
        ],
        in_torch("fftn"),
        complex="always",
    ),
    Row(
        ops.RFFT,
        lambda x, n, axis, norm, inverse=False: (np.fft.ihfft if inverse else np.fft.rfft)(
            x, n, axis, norm
        ),
        [
            case(shape, n=n, axis=axis, **settings)
            for shape, axis, n in ALONG
            for settings in SETTINGS
        ],
        in_torch("rfft"),
        complex="results",
    ),
    Row(
        ops.HFFT,
        lambda x, n, axis, norm, inverse=False: (np.fft.irfft if inverse else np.fft.hfft)(
            x, n, axis, norm
        ),
        [
            case(shape, n=n, axis=axis, **settings)
            for shape, axis, n in [*ALONG, ((3,), 0, 4), ((3,), 0, 5)]
            for settings in SETTINGS
        ],
        in_torch("hfft"),
        complex=True,
    ),
]
