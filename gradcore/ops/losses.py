"""Ops that measure how far predictions are from the truth."""

from __future__ import annotations

from typing import Any

from ..backends import backend_of
from ..graph import Context, Op, needs
from ..values import namespace
from .activations import Softmax
from .indexing import Select


class CrossEntropy(Op):
    """The cross-entropy of softmax(x), over the classes of axis 1, and the true classes: x
    (N, C, ...), integer targets (N, ...), to (N, ...). Where `ignored` (N, ...) holds, 0.

    Raises:
        IndexError: a target is not in [0, C); those that are ignored must be, too.
        TypeError: the targets are not integers.
        ValueError: the shapes do not fit.
    """

    @staticmethod
    def forward(context: Context, x: Any, *, targets: Any, ignored: Any = None) -> Any:
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
    def backward(context: Context, go: Any) -> Any:
        targets, ignored = context["targets"], context["ignored"]
        return CrossEntropyGradient.apply(context["x"], go, targets=targets, ignored=ignored)


class CrossEntropyGradient(Op):
    """CrossEntropy's gradient, (softmax(x) - onehot(targets)) * go: x (N, C, ...), go (N, ...)."""

    @staticmethod
    def forward(context: Context, x: Any, go: Any, *, targets: Any, ignored: Any = None) -> Any:
        context["x"], context["go"] = x, go
        context["targets"], context["ignored"] = targets, ignored
        return backend_of(x).cross_entropy_gradient(x, go, targets, ignored)

    @staticmethod
    def backward(context: Context, ggo: Any) -> Any:
        xp, ignored, gx, g = namespace(ggo), context["ignored"], None, None
        p = Softmax.apply(context["x"], axis=1)
        product = p * ggo
        total = xp.sum(product, axis=1, keepdims=True)
        if needs(context, 0):
            go = context["go"]
            go = go if ignored is None else xp.where(ignored, 0.0, go)
            gx = xp.expand_dims(go, axis=1) * (product - p * total)
        if needs(context, 1):
            chosen = Select.apply(ggo, indices=context["targets"])
            g = xp.squeeze(total, axis=1) - chosen
            g = g if ignored is None else xp.where(ignored, 0.0, g)
        return gx, g
