"""Long short-term memory over whole sequences, closed under differentiation."""

from __future__ import annotations

from ..backends import Array, backend_of
from ..engine.arrays import namespace
from ..graph import Context, Op, needs
from .by_definition import differentiated

__all__ = ["Lstm", "LstmGradient"]


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
        (N, H), features = h.shape[-2:], x.shape[-1]
        expected = x.shape[:2], (N, H), (N, H), (4 * H, features), (4 * H, H), (4 * H,)
        arrays = x, h, c, w_ih, w_hh, *b
        shapes = [tuple(a.shape) for a in arrays]
        if (
            x.ndim != 3
            or x.shape[1] != N
            or not x.shape[0]
            or any(a != e for a, e in zip(shapes[1:], expected[1:], strict=False))
        ):
            raise ValueError(
                f"Lstm: x, h, c, w_ih, w_hh and b {', '.join(map(str, shapes))} do not fit; "
                "expected (T, N, I), (N, H), (N, H), (4 H, I), (4 H, H) and (4 H,)"
            )
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
            gx = xp.reshape(xp.matmul(rows, w_ih), x.shape)
        # One product in place of two takes 11 ms in place of 15 ms for (2048, 1024), 64 features
        # and 256 units (one core of an Intel Xeon).
        if needs(context, 3) or needs(context, 4):
            before = xp.concat([xp.expand_dims(h, axis=0), y[:-1, ...]])
            inputs = xp.reshape(xp.concat([x, before], axis=2), (T * N, features + h.shape[1]))
            gw = xp.matmul(rows.T, inputs)
            gw_ih, gw_hh = gw[:, :features], gw[:, features:]
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
