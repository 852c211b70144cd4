"""What the rows of convolutions and of pooling share: windows, and PyTorch's ways of padding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

ONES, ZEROS = (1, 1), ((0, 0), (0, 0))


def windows(
    x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any = ONES, around: float = 0.0
) -> Any:
    """What the kernel sees: (N, C, OH, OW, KH, KW)."""
    x = np.pad(x, [(0, 0), (0, 0), *padding], constant_values=around)
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    views = sliding_window_view(x, spans, (2, 3))
    return views[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]


def torch_padded(x: Any, padding: Any, around: float = 0.0) -> Any:
    from torch.nn.functional import pad

    return pad(x, (*padding[1], *padding[0]), value=around)


def torch_gradient(function: Any, shape: Any, *inputs: Any) -> Any:
    """The gradient of the input, of that shape, of a linear function, where the first of these is
    that of the result. Of an empty batch PyTorch's depends on nothing."""
    from torch.autograd import grad

    go = inputs[0]
    x = go.new_zeros(shape).requires_grad_()
    gx = grad(function(x), x, go, create_graph=True)[0]
    return gx if len(go) else gx + 0.0 * sum(x.sum() for x in inputs)
