"""Ops that measure how far predictions are from the truth."""

from __future__ import annotations

import math

from ..backends import Array, backend_of
from ..engine.arrays import namespace, value_of
from ..graph import Context, Op, needs
from .activations import Softmax
from .by_definition import differentiated
from .elementwise import Multiply
from .indexing import Select

__all__ = ["CTC", "CTCGradient", "CrossEntropy", "CrossEntropyGradient", "Weighted"]


class Weighted(Multiply):
    """w * x, but 0 where w is 0 and x infinite: what has no weight does not count."""

    @staticmethod
    def forward(context: Context, w: Array, x: Array) -> Array:
        context["a"], context["b"], xp = w, x, namespace(w, x)
        return w * xp.where((w == 0) & (abs(x) == math.inf), 0.0, x)


class CrossEntropy(Op):
    """The cross-entropy of softmax(x), over the classes of axis 1, and the true classes: x
    (N, C, ...) and integer targets (N, ...) give (N, ...), with 0 where `ignored` (N, ...) is true.

    Raises:
        IndexError: a target is not in [0, C), even if it is ignored.
        TypeError: the targets are not integers.
        ValueError: the shapes do not fit.
    """

    real_only = True

    @staticmethod
    def forward(
        context: Context, x: Array, *, targets: Array, ignored: Array | None = None
    ) -> Array:
        if x.ndim < 2 or tuple(targets.shape) != (x.shape[0], *x.shape[2:]):
            raise ValueError(
                f"CrossEntropy: x {tuple(x.shape)} and targets {tuple(targets.shape)} do not "
                "fit; expected (N, C, ...) and (N, ...)"
            )
        backend = backend_of(x)
        backend.check_indices("CrossEntropy: targets", targets, x.shape[1])
        context["x"], context["targets"], context["ignored"] = x, targets, ignored
        return backend.cross_entropy(x, targets, ignored)

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        targets, ignored = context["targets"], context["ignored"]
        return CrossEntropyGradient.apply(context["x"], go, targets=targets, ignored=ignored)


class CrossEntropyGradient(Op):
    """The gradient of CrossEntropy's x: (softmax(x) - onehot(targets)) * go, for go (N, ...)."""

    real_only = True

    @staticmethod
    def forward(
        context: Context, x: Array, go: Array, *, targets: Array, ignored: Array | None = None
    ) -> Array:
        context["x"], context["go"] = x, go
        context["targets"], context["ignored"] = targets, ignored
        return backend_of(x).cross_entropy_gradient(x, go, targets, ignored)

    @staticmethod
    def backward(context: Context, ggo: Array) -> tuple[Array | None, ...]:
        xp, ignored, gx, g = namespace(ggo), context["ignored"], None, None
        p = Softmax.apply(context["x"], axis=1)
        product = p * ggo
        total = xp.sum(product, axis=1, keepdims=True)
        if needs(context, 0):
            gx = xp.expand_dims(context["go"], axis=1) * (product - p * total)
            gx = gx if ignored is None else xp.where(xp.expand_dims(ignored, axis=1), 0.0, gx)
        if needs(context, 1):
            chosen = Select.apply(ggo, indices=context["targets"])
            g = xp.squeeze(total, axis=1) - chosen
            g = g if ignored is None else xp.where(ignored, 0.0, g)
        return gx, g


class CTC(Op):
    """Minus the logarithm of the probability of all paths through the states of each instance: x
    (T, N, S) gives (N,). `LossKernels` in backends/definitions says what a path is, and what the
    constants `skips` (N, S), `input_lengths` (N,) and `last` (N,) are. They are not checked here.

    Where there is no path, y is infinite, and the gradient of x is NaN, unless `go` is 0.
    """

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array, **paths: Array) -> Array:
        context["x"], context["paths"] = x, paths
        context["y"] = backend_of(x).ctc(x, **paths)
        return context["y"]

    @staticmethod
    def backward(context: Context, go: Array) -> Array:
        impossible = value_of(context["y"]) == math.inf
        go = namespace(go).where(impossible & (value_of(go) != 0), math.nan, go)
        return CTCGradient.apply(context["x"], go, **context["paths"])


class CTCGradient(Op):
    """The gradient of CTC's x (T, N, S), from go (N,)."""

    real_only = True

    @staticmethod
    def forward(context: Context, x: Array, go: Array, **paths: Array) -> Array:
        context["x"], context["go"], context["paths"] = x, go, paths
        return backend_of(x).ctc_gradient(x, go, **paths)

    @staticmethod
    def backward(context: Context, ggo: Array) -> tuple[Array | None, ...]:
        inputs = context["x"], context["go"]
        return differentiated("ctc_gradient", inputs, (ggo,), **context["paths"])
