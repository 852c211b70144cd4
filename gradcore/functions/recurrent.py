"""Recurrent cells, and recurrent layers over whole sequences.

Names, arguments and the order of gates are PyTorch's (`torch.lstm_cell`, `torch.gru_cell`): the
rows of w_ih and w_hh are those of the input gate, forget gate, candidate and output gate of an
LSTM, and of the reset gate, update gate and candidate of a GRU.
"""

# ruff: noqa: A002 (torch says `input`)
from __future__ import annotations

from collections.abc import Callable, Sequence

from .. import array_api, ops
from ..array_api.common import NodeOrArray
from ..engine.arrays import namespace, raw_array
from ..graph import TensorNode
from .activations import relu, tanh

__all__ = ["gru_cell", "lstm_cell", "rnn_relu_cell", "rnn_tanh_cell"]

Weights = Sequence[NodeOrArray]  # w_ih and w_hh; perhaps b_ih and b_hh
Step = Callable[[TensorNode, NodeOrArray, Weights], TensorNode]


def lstm_cell(
    input: NodeOrArray,
    hx: Sequence[NodeOrArray],
    w_ih: NodeOrArray,
    w_hh: NodeOrArray,
    b_ih: NodeOrArray | None = None,
    b_hh: NodeOrArray | None = None,
) -> tuple[TensorNode, TensorNode]:
    """Compute the next h and c (N, H) of an LSTM from input (N, I) and `hx`, the pair of h and c.

    Args:
        w_ih, w_hh: (4 H, I) and (4 H, H).
        b_ih, b_hh: (4 H,), or both `None`.

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> x, h, c = TensorNode(np.ones((8, 10))), np.zeros((8, 20)), np.zeros((8, 20))
        >>> w_ih, w_hh = TensorNode(np.ones((80, 10))), TensorNode(np.ones((80, 20)))
        >>> h, c = gradcore.lstm_cell(x, (h, c), w_ih, w_hh)
        >>> h.shape, c.shape
        ((8, 20), (8, 20))
    """
    h, c = hx
    x = array_api.expand_dims(input, axis=0)
    y, cells = lstm(x, h, c, _given(w_ih, w_hh, b_ih, b_hh))
    return y[0], cells[0]


def gru_cell(
    input: NodeOrArray,
    hx: NodeOrArray,
    w_ih: NodeOrArray,
    w_hh: NodeOrArray,
    b_ih: NodeOrArray | None = None,
    b_hh: NodeOrArray | None = None,
) -> TensorNode:
    """Compute the next h (N, H) of a GRU (https://arxiv.org/abs/1406.1078) from input (N, I) and h.

    The reset gate multiplies the product of h and w_hh, after its bias: as in PyTorch.

    Args:
        w_ih, w_hh: (3 H, I) and (3 H, H).
        b_ih, b_hh: (3 H,), or both `None`.

    Example:
        >>> x, h = TensorNode(np.ones((8, 10))), TensorNode(np.zeros((8, 20)))
        >>> w_ih, w_hh = TensorNode(np.ones((60, 10))), TensorNode(np.ones((60, 20)))
        >>> gradcore.gru_cell(x, h, w_ih, w_hh).shape
        (8, 20)
    """
    return gru(array_api.expand_dims(input, axis=0), hx, _given(w_ih, w_hh, b_ih, b_hh))[0]


def rnn_tanh_cell(
    input: NodeOrArray,
    hx: NodeOrArray,
    w_ih: NodeOrArray,
    w_hh: NodeOrArray,
    b_ih: NodeOrArray | None = None,
    b_hh: NodeOrArray | None = None,
) -> TensorNode:
    """Compute tanh(w_ih input + b_ih + w_hh h + b_hh) (N, H), from input (N, I) and h (N, H).

    Args:
        w_ih, w_hh: (H, I) and (H, H).
        b_ih, b_hh: (H,), or both `None`.

    Example:
        >>> x, h = TensorNode([[1.0, -2.0]]), TensorNode([[0.5]])
        >>> y = gradcore.rnn_tanh_cell(x, h, TensorNode([[1.0, 0.0]]), TensorNode([[2.0]]))
        >>> print(y.value.round(3))  # tanh(1 + 2 * 0.5)
        [[0.964]]
    """
    return _cell(tanh_step, input, hx, _given(w_ih, w_hh, b_ih, b_hh))


def rnn_relu_cell(
    input: NodeOrArray,
    hx: NodeOrArray,
    w_ih: NodeOrArray,
    w_hh: NodeOrArray,
    b_ih: NodeOrArray | None = None,
    b_hh: NodeOrArray | None = None,
) -> TensorNode:
    """Compute what `rnn_tanh_cell` does, with relu in place of tanh.

    Example:
        >>> x, h = TensorNode([[1.0, -2.0]]), TensorNode([[0.5]])
        >>> print(gradcore.rnn_relu_cell(x, h, TensorNode([[1.0, 0.0]]), TensorNode([[2.0]])).value)
        [[2.]]
    """
    return _cell(relu_step, input, hx, _given(w_ih, w_hh, b_ih, b_hh))


def _given(*weights: NodeOrArray | None) -> list[NodeOrArray]:
    return [w for w in weights if w is not None]


def _cell(step: Step, x: NodeOrArray, h: NodeOrArray, weights: Weights) -> TensorNode:
    return step(ops.BatchMM.do_forward(weights[0], x, *weights[2:3]), h, weights)


# -- One step, from the product with the input ----------------------------------------------------


def tanh_step(z: TensorNode, h: NodeOrArray, weights: Weights) -> TensorNode:
    """Compute the next h of a network of tanh units from z, the product of w_ih and the input."""
    return tanh(z + ops.BatchMM.do_forward(weights[1], h, *weights[3:4]))


def relu_step(z: TensorNode, h: NodeOrArray, weights: Weights) -> TensorNode:
    """Compute the next h of a network of relu units from z, the product of w_ih and the input."""
    return relu(z + ops.BatchMM.do_forward(weights[1], h, *weights[3:4]))


# -- All steps ------------------------------------------------------------------------------------


def recurrence(step: Step, x: NodeOrArray, h: NodeOrArray, weights: Weights) -> TensorNode:
    """Apply a step for each of x (T, N, I), from h (N, H) on: what h is after each (T, N, H)."""
    T, N, features = x.shape
    rows = array_api.reshape(x, (T * N, features))
    z = ops.BatchMM.do_forward(weights[0], rows, *weights[2:3])
    hs: list[TensorNode] = []
    for part in array_api.unstack(array_api.reshape(z, (T, N, z.shape[1]))):
        h = step(part, h, weights)
        hs.append(h)
    return array_api.stack(hs)


def gru(x: NodeOrArray, h: NodeOrArray, weights: Weights) -> TensorNode:
    """Compute what h of a GRU is after each step of x (T, N, I): (T, N, H).

    Args:
        weights: w_ih and w_hh; perhaps b_ih and b_hh.
    """
    y, _ = ops.Gru.do_forward(x, h, *weights)
    return y


def lstm(
    x: NodeOrArray, h: NodeOrArray, c: NodeOrArray, weights: Weights
) -> tuple[TensorNode, TensorNode]:
    """Compute what h and c of an LSTM are after each step of x (T, N, I), both (T, N, H).

    Args:
        weights: w_ih and w_hh; perhaps b_ih and b_hh.
    """
    w_ih, w_hh, *biases = weights
    b = [biases[0] + biases[1]] if biases else []
    y, cells, _ = ops.Lstm.do_forward(x, h, c, w_ih, w_hh, *b)
    return y, cells


def projected_lstm(
    x: NodeOrArray, h: NodeOrArray, c: NodeOrArray, weights: Weights
) -> tuple[TensorNode, TensorNode]:
    """Compute an LSTM whose h (N, P) is the product of w_hr (P, H), the last of the weights, and
    what comes out of the output gate (https://arxiv.org/abs/1402.1128).

    What comes out of the gate is an LSTM without a projection: w_hh w_hr takes the place of its
    w_hh. Only at the first step w_hh meets an h that is no such product: there h is a part of x.
    """
    w_ih, w_hh, *biases, w_hr = weights
    like, (T, N, _) = raw_array(x), x.shape
    xp = namespace(like)
    start = array_api.expand_dims(h, axis=0)
    later = xp.zeros((T - 1, N, w_hr.shape[0]), dtype=like.dtype, device=like.device)
    x = array_api.concat([x, array_api.concat([start, later])], axis=2)
    w_ih = array_api.concat([w_ih, w_hh], axis=1)
    inside = xp.zeros_like(raw_array(c))
    y, cells = lstm(x, inside, c, [w_ih, ops.MatrixMultiply.do_forward(w_hh, w_hr), *biases])
    rows = ops.BatchMM.do_forward(w_hr, array_api.reshape(y, (T * N, y.shape[2])))
    return array_api.reshape(rows, (T, N, w_hr.shape[0])), cells
