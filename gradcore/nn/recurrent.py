"""Recurrent layers and cells. Weights have PyTorch's names and layouts."""

# ruff: noqa: A002 (torch says `input`)
from __future__ import annotations

import warnings
from functools import partial
from math import sqrt
from typing import Any, ClassVar

from .. import array_api, ops
from ..array_api.common import NodeOrArray
from ..backends import Array, default
from ..backends.random import generator
from ..engine.arrays import (
    describe,
    is_integer,
    is_real_floating,
    namespace,
    node_or_array,
    raw_array,
)
from ..functions import recurrent as cells
from ..functions.dropout import dropout
from ..functions.sizes import sizes
from ..graph import TensorNode
from ..ops.dropout import check_probability
from .module import Module
from .utils.rnn import (
    PackedSequence,
    beside,
    checked_lengths,
    is_inside,
    pack_padded_sequence,
    packed_lengths,
    pad_packed_sequence,
)

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell"]

States = tuple[Any, ...]  # h, or h and c


class RNNBase(Module):
    """What RNN, LSTM and GRU share: the weights of all layers and directions, and the way through
    them.

    Attributes:
        weight_ih_l0, weight_hh_l0: of the first layer, (G, input_size) and (G, hidden_size), where
            G is the hidden size times the number of gates. Those of the next layer end in `_l1`,
            and those of the backward direction in `_reverse`.
        bias_ih_l0, bias_hh_l0: (G,), if there are biases.
        weight_hr_l0: (proj_size, hidden_size), of an LSTM with a projection.

    Example:
        >>> print([name for name, _ in nn.LSTM(3, 5).named_parameters()])
        ['weight_ih_l0', 'weight_hh_l0', 'bias_ih_l0', 'bias_hh_l0']
    """

    gates: ClassVar[int]
    proj_size = 0

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = "float32",
    ) -> None:
        name = type(self).__name__
        (self.input_size,) = sizes(name, 1, input_size=input_size)
        (self.hidden_size,) = sizes(name, 1, hidden_size=hidden_size)
        (self.num_layers,) = sizes(name, 1, num_layers=num_layers)
        check_probability(name, dropout=dropout)
        if dropout and num_layers == 1:
            warnings.warn(
                f"{name}: dropout = {dropout} is between layers, and there is one layer",
                stacklevel=3,
            )
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional = bidirectional
        out = self.proj_size or self.hidden_size
        for names in self._names():
            before = self.input_size if names[0].startswith("weight_ih_l0") else 0
            before = before or out * (1 + bidirectional)
            size = self.gates * self.hidden_size
            shapes: dict[str, tuple[int, ...]] = {"weight_ih": (size, before)}
            shapes |= {"weight_hh": (size, out), "weight_hr": (out, self.hidden_size)}
            for each in names:
                shape = shapes.get(each.partition("_l")[0], (size,))
                setattr(self, each, uniform(name, self.hidden_size, shape, dtype))

    def _names(self) -> list[list[str]]:
        """List the names of the weights of each layer and direction."""
        kinds = ["weight_ih", "weight_hh", *["bias_ih", "bias_hh"] * self.bias]
        kinds += ["weight_hr"] * bool(self.proj_size)
        ends = [
            f"_l{layer}{end}"
            for layer in range(self.num_layers)
            for end in ("", "_reverse")[: 1 + self.bidirectional]
        ]
        return [[kind + end for kind in kinds] for end in ends]

    @property
    def all_weights(self) -> list[list[TensorNode]]:
        """The weights of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._names()]

    def flatten_parameters(self) -> None:
        """Do nothing: weights need not lie together in memory here."""

    def _layer(self, x: NodeOrArray, states: States, weights: Any) -> tuple[Any, ...]:
        """Compute what the states are after each step of x (T, N, I), all (T, N, ...)."""
        raise NotImplementedError

    def _sizes(self) -> tuple[int, ...]:
        """Give the sizes of the states."""
        return (self.hidden_size,)

    def forward(
        self, input: Any, hx: Any = None, lengths: Any = None
    ) -> tuple[TensorNode | PackedSequence, Any]:
        """Go through all steps of the input.

        Args:
            input: (T, N, input_size), or (N, T, input_size) if `batch_first`; (T, input_size) of
                one sequence; or packed sequences, of `gradcore.nn.utils.rnn`.
            hx: the states at the start, (num_layers * directions, N, hidden_size), or without N if
                the input is one sequence; zeros by default.
            lengths: how many steps of each sequence count, N integers; all by default.

        Returns:
            The outputs of the last layer, (T, N, directions * hidden_size), or (N, T, ...) if
            `batch_first`, zeros after the end of a sequence, or packed as the input is; and the
            states at the ends of the sequences, as `hx`. The backward direction starts at the end
            of each sequence.

        Raises:
            ValueError: the shapes do not fit.
            TypeError: the input has not the weights' dtype.
        """
        if isinstance(input, PackedSequence):
            return self._packed(input, hx)
        x = self._checked(node_or_array(input), (2, 3), "(T, N, I)")
        is_one = x.ndim == 2
        if is_one:
            x = array_api.expand_dims(x, axis=1)
            hx = None if hx is None else tuple([h[:, None, ...] for h in self._states(hx, x, 2)])
            hx = hx if hx is None or len(self._sizes()) > 1 else hx[0]
        elif self.batch_first:
            x = array_api.permute_dims(x, (1, 0, 2))
        T, N, _ = x.shape
        if not T:
            raise ValueError(f"{self!r}: input has no steps, expected one or more")
        ends = None
        if lengths is not None:
            ends = checked_lengths(type(self).__name__, lengths, T, N)
        y, last = self._all_layers(x, self._states(hx, x, 3), ends)
        if is_one:
            y, last = y[:, 0, ...], tuple([h[:, 0, ...] for h in last])
        elif self.batch_first:
            y = array_api.permute_dims(y, (1, 0, 2))
        return y, last if len(last) > 1 else last[0]

    def _packed(self, packed: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        """Go through packed sequences, in the order that they have there."""
        self._checked(node_or_array(packed.data), (2,), "packed (K, I)")
        _, sizes, order, back = packed
        lengths = packed_lengths(packed)
        x, _ = pad_packed_sequence(PackedSequence(packed.data, sizes))
        states = self._states(hx, x, 3)
        if order is not None and hx is not None:
            states = tuple([_along(h, order) for h in states])
        y, last = self._all_layers(x, states, lengths)
        y = pack_padded_sequence(y, lengths).data
        if back is not None:
            last = tuple([_along(h, back) for h in last])
        return PackedSequence(y, sizes, order, back), last if len(last) > 1 else last[0]

    def _checked(self, x: Any, dimensions: tuple[int, ...], expected: str) -> Any:
        """Return x if the weights fit it."""
        raw, w = raw_array(x), self.all_weights[0][0].value
        if raw.ndim not in dimensions or raw.shape[-1] != self.input_size:
            expected = expected.replace("T, N", "N, T") if self.batch_first else expected
            one = " or (T, I)" if 3 in dimensions else ""
            raise ValueError(
                f"{self!r}: input is {describe(raw)}, expected {expected}{one} with I = "
                f"{self.input_size}"
            )
        check_dtype(self, raw, w)
        return x

    def _states(self, hx: Any, x: Any, ndim: int) -> States:
        """Give the states at the start, checked."""
        raw, count = raw_array(x), self.num_layers * (1 + self.bidirectional)
        shapes: list[States] = [(count, x.shape[1], size) for size in self._sizes()]
        if hx is None:
            xp = namespace(raw)
            return tuple([xp.zeros(s, dtype=raw.dtype, device=raw.device) for s in shapes])
        given = hx if len(shapes) > 1 else (hx,)
        shapes = shapes if ndim == 3 else [(s[0], s[2]) for s in shapes]
        found = [tuple(getattr(h, "shape", ())) for h in given]
        if not isinstance(given, tuple | list) or found != shapes:
            expected = " and ".join(map(str, shapes))
            raise ValueError(f"{self!r}: hx has shapes {found}, expected {expected}")
        return tuple(map(node_or_array, given))

    def _all_layers(self, x: Any, states: States, ends: list[int] | None) -> tuple[Any, States]:
        """Go through all layers in both directions: x (T, N, I) gives (T, N, ...), and the states
        at the ends."""
        T, directions = x.shape[0], 1 + self.bidirectional
        is_in = None if ends is None or min(ends, default=T) == T else is_inside(ends, T, x)
        turned, last_of = _whole if is_in is None else _some(ends or [], T, x)
        x = x if is_in is None else array_api.where(is_in, x, 0.0)
        parts = list(zip(*[array_api.unstack(s) for s in states], strict=True))
        lasts = []
        for k, weights in enumerate(self.all_weights):
            if k % directions == 0:
                given, outputs = x, []
            back = k % directions == 1
            ys = self._layer(turned(given) if back else given, parts[k], weights)
            lasts.append([last_of(y) for y in ys])
            outputs.append(turned(ys[0]) if back else ys[0])
            if k % directions == directions - 1:
                x = array_api.concat(outputs, axis=2) if directions == 2 else outputs[0]
                if k < len(parts) - 1:
                    x = dropout(x, self.dropout, self.training)
        y = x if is_in is None else array_api.where(is_in, x, 0.0)
        return y, tuple([array_api.stack(hs) for hs in zip(*lasts, strict=True)])

    def __repr__(self) -> str:
        more: dict[str, Any] = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False}
        more |= {"dropout": 0.0, "bidirectional": False}
        pairs = [f", {k}={getattr(self, k)}" for k, v in more.items() if getattr(self, k) != v]
        return f"{type(self).__name__}({self.input_size}, {self.hidden_size}{''.join(pairs)})"


class RNN(RNNBase):
    """Apply a network whose units also see what they were a step before: h = tanh(W_ih x + b_ih +
    W_hh h + b_hh). See `RNNBase` for the weights, and its `forward`.

    Args:
        num_layers: how many layers there are; each is given the outputs of the one before.
        nonlinearity: "tanh" or "relu".
        bias: whether there are biases.
        batch_first: whether inputs and outputs are (N, T, ...), and not (T, N, ...). The states
            stay (layers, N, ...).
        dropout: the probability that an element between two layers becomes 0 in training.
        bidirectional: whether each layer has a second part, which goes from the last step to the
            first.
        dtype: of the weights; the input must have the same.

    Raises:
        ValueError: a size is not positive, there is no such nonlinearity, or `dropout` is not in
            [0, 1].
        TypeError: the dtype is not real floating.

    Example:
        >>> x = gradcore.ones((10, 4, 3))  # 10 steps of 4 sequences
        >>> output, h = nn.RNN(3, 5)(x)
        >>> print(output.shape, h.shape)
        (10, 4, 5) (1, 4, 5)
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: Any = "float32",
    ) -> None:
        self.nonlinearity = checked_nonlinearity("RNN", nonlinearity)
        super().__init__(
            *(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype)
        )

    def _layer(self, x: NodeOrArray, states: States, weights: Any) -> tuple[Any, ...]:
        step = cells.tanh_step if self.nonlinearity == "tanh" else cells.relu_step
        return (cells.recurrence(step, x, states[0], weights),)


class GRU(RNNBase):
    """Apply gated recurrent units (https://arxiv.org/abs/1406.1078). The rows of the weights are
    those of the reset gate, the update gate and the candidate; see `RNNBase`, and its `forward`.

    Args:
        num_layers, bias, batch_first, dropout, bidirectional, dtype: see `RNN`.

    Example:
        >>> x = gradcore.ones((4, 10, 3))  # 4 sequences of 10 steps
        >>> output, h = nn.GRU(3, 5, num_layers=2, batch_first=True)(x)
        >>> print(output.shape, h.shape)
        (4, 10, 5) (2, 4, 5)
    """

    gates = 3

    def _layer(self, x: NodeOrArray, states: States, weights: Any) -> tuple[Any, ...]:
        return (cells.gru(x, states[0], weights),)


class LSTM(RNNBase):
    """Apply long short-term memory (https://arxiv.org/abs/1402.1128, without peepholes). The rows
    of the weights are those of the input gate, the forget gate, the candidate and the output gate;
    see `RNNBase`, and its `forward`, where `hx` and the states returned are the pair (h, c).

    Args:
        num_layers, bias, batch_first, dropout, bidirectional, dtype: see `RNN`.
        proj_size: if not 0, the size of h, which then is a product of `weight_hr` and what comes
            out of the output gate.

    Raises:
        ValueError: `proj_size` is not from 0 to hidden_size - 1; and as `RNN`.

    Example:
        >>> x = gradcore.ones((4, 10, 3))  # 4 sequences of 10 steps
        >>> output, (h, c) = nn.LSTM(3, 5, batch_first=True, bidirectional=True)(x)
        >>> print(output.shape, h.shape, c.shape)
        (4, 10, 10) (2, 4, 5) (2, 4, 5)
    """

    gates = 4

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        dtype: Any = "float32",
    ) -> None:
        if not is_integer(proj_size) or not 0 <= proj_size < max(hidden_size, 1):
            expected = f"0 to {hidden_size - 1}, less than hidden_size"
            raise ValueError(f"LSTM: proj_size = {proj_size}, expected {expected}")
        self.proj_size = int(proj_size)
        super().__init__(
            *(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, dtype)
        )

    def _sizes(self) -> tuple[int, ...]:
        return self.proj_size or self.hidden_size, self.hidden_size

    def _layer(self, x: NodeOrArray, states: States, weights: Any) -> tuple[Any, ...]:
        layer = cells.projected_lstm if self.proj_size else cells.lstm
        h, c = states
        return layer(x, h, c, weights)


# -- Cells ----------------------------------------------------------------------------------------


class _Cell(Module):
    """One step of a recurrent layer.

    Attributes:
        weight_ih, weight_hh: (G, input_size) and (G, hidden_size), where G is the hidden size times
            the number of gates.
        bias_ih, bias_hh: (G,), or `None`.
    """

    gates: ClassVar[int]

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, dtype: Any = "float32"
    ) -> None:
        name = type(self).__name__
        (self.input_size,) = sizes(name, 1, input_size=input_size)
        (self.hidden_size,) = sizes(name, 1, hidden_size=hidden_size)
        size = self.gates * self.hidden_size
        make = partial(uniform, name, self.hidden_size, dtype=dtype)
        self.weight_ih, self.weight_hh = make((size, input_size)), make((size, hidden_size))
        self.bias = bias
        self.bias_ih, self.bias_hh = (make((size,)) if bias else None for _ in range(2))

    def _step(self, function: Any, x: Any, hx: Any, count: int) -> tuple[TensorNode, ...]:
        """Apply the function to x (N, I) or (I,), and to the states, zeros by default."""
        x, name = node_or_array(x), f"{self!r}"
        raw = raw_array(x)
        if raw.ndim not in (1, 2) or raw.shape[-1] != self.input_size:
            expected = f"(N, {self.input_size}) or ({self.input_size},)"
            raise ValueError(f"{name}: input is {describe(raw)}, expected {expected}")
        check_dtype(self, raw, self.weight_ih.value)
        shape, xp = (*raw.shape[:-1], self.hidden_size), namespace(raw)
        if hx is None:
            hx = [xp.zeros(shape, dtype=raw.dtype, device=raw.device)] * count
        found = [tuple(getattr(h, "shape", ())) for h in hx]
        if found != [shape] * count:
            raise ValueError(f"{name}: hx has shapes {found}, expected {shape} each")
        states = [node_or_array(h) for h in hx]
        if raw.ndim == 1:
            x, *states = (array_api.expand_dims(a, axis=0) for a in (x, *states))
        weights = self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh
        ys = function(x, states if count > 1 else states[0], *weights)
        ys = ys if isinstance(ys, tuple) else (ys,)
        return tuple([y[0, ...] for y in ys]) if raw.ndim == 1 else ys

    def __repr__(self) -> str:
        bias = "" if self.bias else ", bias=False"
        return f"{type(self).__name__}({self.input_size}, {self.hidden_size}{bias})"


class RNNCell(_Cell):
    """Compute one step of an `RNN`: of input (N, input_size) and hx (N, hidden_size), zeros by
    default, the next hx. Without N, of one sequence.

    Args:
        nonlinearity: "tanh" or "relu".

    Example:
        >>> h = nn.RNNCell(3, 5)(gradcore.ones((4, 3)))
        >>> print(h.shape)
        (4, 5)
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        dtype: Any = "float32",
    ) -> None:
        self.nonlinearity = checked_nonlinearity("RNNCell", nonlinearity)
        super().__init__(input_size, hidden_size, bias, dtype)

    def forward(self, input: Any, hx: Any = None) -> TensorNode:
        cell = cells.rnn_tanh_cell if self.nonlinearity == "tanh" else cells.rnn_relu_cell
        return self._step(cell, input, hx if hx is None else (hx,), 1)[0]


class GRUCell(_Cell):
    """Compute one step of a `GRU`: of input (N, input_size) and hx (N, hidden_size), zeros by
    default, the next hx. Without N, of one sequence.

    Example:
        >>> cell, h = nn.GRUCell(3, 5), gradcore.zeros((4, 5))
        >>> for x in gradcore.randn(10, 4, 3):
        ...     h = cell(x, h)
        ...
        >>> print(h.shape)
        (4, 5)
    """

    gates = 3

    def forward(self, input: Any, hx: Any = None) -> TensorNode:
        return self._step(cells.gru_cell, input, hx if hx is None else (hx,), 1)[0]


class LSTMCell(_Cell):
    """Compute one step of an `LSTM`: of input (N, input_size) and hx, the pair of h and c (N,
    hidden_size), zeros by default, the next h and c. Without N, of one sequence.

    Example:
        >>> cell = nn.LSTMCell(3, 5)
        >>> h, c = cell(gradcore.ones((4, 3)))
        >>> h, c = cell(gradcore.ones((4, 3)), (h, c))
        >>> print(h.shape, c.shape)
        (4, 5) (4, 5)
    """

    gates = 4

    def forward(self, input: Any, hx: Any = None) -> tuple[TensorNode, ...]:
        return self._step(cells.lstm_cell, input, hx, 2)


# -- Their parts ----------------------------------------------------------------------------------


def uniform(name: str, hidden_size: int, shape: tuple[int, ...], dtype: Any) -> TensorNode:
    """Draw weights, evenly from -1 / sqrt(hidden_size) to 1 / sqrt(hidden_size)."""
    if not is_real_floating(default().asarray([0.0], dtype)):
        raise TypeError(f"{name}: dtype = {dtype!r}, expected real floating, such as 'float32'")
    bound = 1 / sqrt(hidden_size)
    return TensorNode(default().asarray(generator().uniform(-bound, bound, shape), dtype))


def checked_nonlinearity(name: str, nonlinearity: str) -> str:
    """Return "tanh" or "relu"."""
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"{name}: nonlinearity = {nonlinearity!r}, expected 'tanh' or 'relu'")
    return nonlinearity


def check_dtype(module: Module, x: Array, w: Array) -> None:
    """Raise TypeError unless x has the dtype of the weights."""
    if type(x) is type(w) and x.dtype != w.dtype:
        raise TypeError(
            f"{module!r}: input is {describe(x)} and the weights {describe(w)}; give both one "
            f"dtype, as in x.astype('float32') or {type(module).__name__}(..., dtype='float64')"
        )


def _along(h: Any, order: Any) -> Any:
    """Reorder the sequences of states (layers, N, ...)."""
    return ops.Take.do_forward(h, indices=beside(order, h), axis=1, check=False)


# Two functions of y (T, N, ...): the same from the last step to the first, and the last step.
_whole = partial(array_api.flip, axis=0), lambda y: y[-1, ...]


def _some(ends: list[int], T: int, x: Any) -> Any:
    """Give the two functions for sequences with these ends: the first turns each sequence around by
    itself, and leaves what comes after its end."""
    N, places = len(ends), range(len(ends))
    rows = [[(e - 1 - t if t < e else t) * N + n for n, e in enumerate(ends)] for t in range(T)]
    lasts = [(ends[n] - 1) * N + n for n in places]
    rows, lasts = (beside(a, x) for a in (rows, lasts))

    def taken(indices: Array, y: Any) -> Any:
        flat = array_api.reshape(y, (T * N, y.shape[2]))
        return ops.Take.do_forward(flat, indices=indices, check=False)

    return partial(taken, rows), partial(taken, lasts)
