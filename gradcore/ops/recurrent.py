"""Recurrent layers over whole sequences, closed under differentiation."""

from __future__ import annotations

from typing import Any

from ..backends import Array, backend_of
from ..engine.arrays import namespace
from ..graph import Context, Op, needs
from .by_definition import differentiated
from .linalg import product

__all__ = ["Gru", "GruGradient", "Lstm", "LstmGradient"]


class Lstm(Op):
    """An LSTM (https://arxiv.org/abs/1402.1128, without peepholes) over the T steps of x (T, N, I),
    from h and c (N, H), with w_ih (4 H, I), w_hh (4 H, H) and b (4 H,), if given, in the order of
    PyTorch: input gate, forget gate, candidate, output gate.

    Three outputs: y (T, N, H), what h is after each step; what c is, (T, N, H); and the gates
    (T, N, 4 H), for the gradient.

    Raises:
        ValueError: the shapes do not fit, or there is no step.
    """

    real_only = True
    takes_none = True

    @staticmethod
    def forward(
        context: Context, x: Array, h: Array, c: Array, w_ih: Array, w_hh: Array, *b: Array
    ) -> tuple[Array, Array, Array]:
        check_shapes("Lstm", 4, x, (h, c), w_ih, w_hh, b)
        y, cells, gates = backend_of(x).lstm(x, h, c, w_ih, w_hh, *(b or (None,)))
        context["inputs"], context["outputs"] = (x, h, c, w_ih, w_hh), (y, cells, gates)
        context["has_b"] = bool(b)
        return y, cells, gates

    @staticmethod
    def backward(context: Context, *gos: Array | None) -> tuple[Array | None, ...]:
        (x, h, c, w_ih, w_hh), (y, cells, gates) = context["inputs"], context["outputs"]
        there = tuple([go is not None for go in gos])
        some = [go for go in gos if go is not None]
        gz, gh, gc = LstmGradient.apply(c, w_hh, cells, gates, *some, given=there)
        xp, (T, N, features), gx, gb = namespace(gz), x.shape, None, None
        gw_ih = gw_hh = None
        rows = xp.reshape(gz, (T * N, w_hh.shape[0]))
        if needs(context, 0):
            gx = xp.reshape(product(rows, w_ih), x.shape)
        if needs(context, 3):
            gw_ih = product(rows.T, xp.reshape(x, (T * N, features)))
        if needs(context, 4):
            gw_hh = product(rows.T, rows_before(xp, h, y))
        if not context["has_b"]:
            return gx, gh, gc, gw_ih, gw_hh
        if needs(context, 5):
            gb = xp.sum(rows, axis=0)
        return gx, gh, gc, gw_ih, gw_hh, gb


class LstmGradient(Op):
    """The gradients of what an Lstm computes its gates from, (T, N, 4 H), and of its h and c
    (N, H), from its c and w_hh, its outputs cells and gates, and the gradients of its outputs, as
    far as they are `given`."""

    real_only = True

    @staticmethod
    def forward(
        context: Context, *inputs: Array, given: tuple[bool, bool, bool]
    ) -> tuple[Array, ...]:
        context["inputs"], context["given"] = inputs, given
        return backend_of(inputs[0]).lstm_gradient(*inputs, given=given)

    @staticmethod
    def backward(context: Context, *gos: Array) -> tuple[Array | None, ...]:
        inputs, there = context["inputs"], context["given"]
        return differentiated("lstm_gradient", inputs, gos, given=there)


class Gru(Op):
    """A GRU (https://arxiv.org/abs/1406.1078) over the T steps of x (T, N, I), from h (N, H), with
    w_ih (3 H, I), w_hh (3 H, H), and b_ih and b_hh (3 H,), if given, in the order of PyTorch: reset
    gate, update gate, candidate. The reset gate multiplies the product with w_hh, and its bias.

    Two outputs: y (T, N, H), what h is after each step; and (T, N, 4 H), for the gradient: what the
    reset gate multiplies, the two gates and the candidate.

    Raises:
        ValueError: the shapes do not fit, or there is no step.
    """

    real_only = True
    takes_none = True

    @staticmethod
    def forward(
        context: Context, x: Array, h: Array, w_ih: Array, w_hh: Array, *b: Array
    ) -> tuple[Array, Array]:
        check_shapes("Gru", 3, x, (h,), w_ih, w_hh, b)
        y, gates = backend_of(x).gru(x, h, w_ih, w_hh, *(b or (None, None)))
        context["inputs"], context["outputs"] = (x, h, w_ih, w_hh), (y, gates)
        context["has_b"] = bool(b)
        return y, gates

    @staticmethod
    def backward(context: Context, *gos: Array | None) -> tuple[Array | None, ...]:
        (x, h, w_ih, w_hh), (y, gates) = context["inputs"], context["outputs"]
        there = tuple([go is not None for go in gos])
        some = [go for go in gos if go is not None]
        gz, gh = GruGradient.apply(h, w_hh, y, gates, *some, given=there)
        xp, (T, N, features), H = namespace(gz), x.shape, h.shape[1]
        gx = gw_ih = gw_hh = gb_ih = gb_hh = None
        rows = xp.reshape(gz, (T * N, 4 * H))
        of_h, of_x = rows[:, : 3 * H], rows[:, H:]  # the first begins with the candidate
        if needs(context, 0):
            gx = xp.reshape(product(of_x, w_ih), x.shape)
        if needs(context, 2):
            gw_ih = product(of_x.T, xp.reshape(x, (T * N, features)))
        if needs(context, 3):
            gw_hh = xp.roll(product(of_h.T, rows_before(xp, h, y)), -H, axis=0)
        if not context["has_b"]:
            return gx, gh, gw_ih, gw_hh
        if needs(context, 4) or needs(context, 5):
            sums = xp.sum(rows, axis=0)
            gb_ih, gb_hh = sums[H:], xp.roll(sums[: 3 * H], -H)
        return gx, gh, gw_ih, gw_hh, gb_ih, gb_hh


class GruGradient(Op):
    """The gradients (T, N, 4 H) of what a Gru computes from its products, and of its h (N, H), from
    its h and w_hh, its outputs, and the gradients of its outputs, as far as they are `given`."""

    real_only = True

    @staticmethod
    def forward(context: Context, *inputs: Array, given: tuple[bool, bool]) -> tuple[Array, ...]:
        context["inputs"], context["given"] = inputs, given
        return backend_of(inputs[0]).gru_gradient(*inputs, given=given)

    @staticmethod
    def backward(context: Context, *gos: Array) -> tuple[Array | None, ...]:
        inputs, there = context["inputs"], context["given"]
        return differentiated("gru_gradient", inputs, gos, given=there)


def rows_before(xp: Any, h: Any, y: Any) -> Any:
    """Give what h was before each step, (T N, H), from y (T, N, H)."""
    before = xp.concat([xp.expand_dims(h, axis=0), y[:-1, ...]])
    return xp.reshape(before, (y.shape[0] * y.shape[1], y.shape[2]))


def check_shapes(
    name: str,
    gates: int,
    x: Array,
    states: tuple[Array, ...],
    w_ih: Array,
    w_hh: Array,
    biases: tuple[Array, ...],
) -> None:
    """Raise ValueError unless x is (T, N, I), with one step or more, and the others fit it."""
    H, (N, features) = states[0].shape[-1], x.shape[-2:]
    G = gates * H
    expected = [*[(N, H)] * len(states), (G, features), (G, H), *[(G,)] * len(biases)]
    shapes = [tuple(a.shape) for a in (*states, w_ih, w_hh, *biases)]
    if x.ndim != 3 or not x.shape[0] or shapes != expected:
        states_of = "h and c (N, H)" if len(states) > 1 else "h (N, H)"
        raise ValueError(
            f"{name}: x, states, weights and biases have shapes "
            f"{', '.join(map(str, [tuple(x.shape), *shapes]))}; expected x (T, N, I), {states_of}, "
            f"w_ih ({gates} H, I), w_hh ({gates} H, H) and biases ({gates} H,)"
        )
