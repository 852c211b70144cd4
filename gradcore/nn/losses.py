"""Losses as modules: the functions of `gradcore.losses`, with their settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from ..backends import BACKEND_OF_TYPE, Array
from ..functions import ctc, losses, margins
from ..graph import TensorNode
from .module import Module
from .signatures import LateSignature, begin_docstring

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CTCLoss",
    "Comparison",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]


class Comparison(Module):
    """A function that compares its inputs, as a module: a loss, or a distance.

    A subclass names its `function`. Arguments of the function without a default are what the module
    is called with; the others are the arguments of the module, and its attributes.

    Weights become nodes, which move with the module, but are no parameters.

    Example:
        >>> class Absolute(nn.Comparison):
        ...     function = staticmethod(lambda x, y, scale=1.0: scale * gradcore.abs(x - y).sum())
        ...
        >>> print(Absolute(scale=10.0)(TensorNode([1.0, 2.0]), [1.0, 4.0]))
        20.0
    """

    function: ClassVar[Callable[..., TensorNode]]
    without: ClassVar[tuple[str, ...]] = ()  # arguments of the function that the module has not
    __signature__ = LateSignature(
        lambda cls, parameters: [
            p for p in parameters if p.default is not p.empty and p.name not in cls.without
        ]
    )

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...  # the settings

    def __init_subclass__(cls) -> None:
        if hasattr(cls, "function"):
            begin_docstring(cls)

    def __init__(self, *args: Any, **settings: Any) -> None:
        try:
            given = self.__signature__.bind(*args, **settings)
        except TypeError as error:
            expected = f"expected {type(self).__name__}{self.__signature__}"
            raise TypeError(f"{type(self).__name__}: {error}; {expected}") from None
        given.apply_defaults()
        for name, x in given.arguments.items():
            is_weight = isinstance(x, TensorNode | list | tuple) or type(x) in BACKEND_OF_TYPE
            setattr(self, name, TensorNode(x, requires_grad=False) if is_weight else x)

    def forward(self, *inputs: TensorNode | Array) -> TensorNode:
        settings = {name: getattr(self, name) for name in self.__signature__.parameters}
        return type(self).function(*inputs, **settings)

    def __repr__(self) -> str:
        values = {name: getattr(self, name) for name in self.__signature__.parameters}
        changed = [
            f"{name}={x!r}"
            for name, x in values.items()
            if not isinstance(x, TensorNode) and x != self.__signature__.parameters[name].default
        ]
        name, _, inside = super().__repr__().partition("(")
        return f"{name}({', '.join(changed)}{inside}"


class CrossEntropyLoss(Comparison):
    """
    Example:
        >>> scores = TensorNode([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]])  # of 2 instances, 3 classes
        >>> loss = nn.CrossEntropyLoss()(scores, [0, 2])
        >>> loss.backward()
        >>> print(loss.round(3))
        0.669
        >>> print(scores.grad.round(3))
        [[-0.107  0.053  0.053]
         [ 0.167  0.167 -0.333]]
    """

    function = staticmethod(losses.cross_entropy)


class NLLLoss(Comparison):
    """
    Example:
        >>> logprobs = gradcore.log_softmax(TensorNode([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
        >>> print(nn.NLLLoss()(logprobs, [0, 2]).round(3))
        0.669
    """

    function = staticmethod(losses.nll_loss)


class MSELoss(Comparison):
    """
    Example:
        >>> x = TensorNode([1.0, 3.0])
        >>> loss = nn.MSELoss()(x, [1.0, 1.0])
        >>> loss.backward()
        >>> print(loss, x.grad)
        2.0 [0. 2.]
    """

    function, without = staticmethod(losses.mse_loss), ("weight",)


class L1Loss(Comparison):
    """
    Example:
        >>> x = TensorNode([1.0, 4.0])
        >>> loss = nn.L1Loss()(x, [1.0, 1.0])
        >>> loss.backward()
        >>> print(loss, x.grad)
        1.5 [0.  0.5]
    """

    function, without = staticmethod(losses.l1_loss), ("weight",)


class HuberLoss(Comparison):
    """
    Example:
        >>> x = TensorNode([0.5, 4.0])
        >>> loss = nn.HuberLoss(reduction="none")(x, [0.0, 0.0])
        >>> loss.sum().backward()
        >>> print(loss, x.grad)
        [0.125 3.5  ] [0.5 1. ]
    """

    function, without = staticmethod(losses.huber_loss), ("weight",)


class SmoothL1Loss(Comparison):
    """
    Example:
        >>> print(nn.SmoothL1Loss(beta=2.0, reduction="none")(TensorNode([1.0, 4.0]), [0.0, 0.0]))
        [0.25 3.  ]
    """

    function = staticmethod(losses.smooth_l1_loss)


class BCELoss(Comparison):
    """
    Example:
        >>> p = TensorNode([0.5, 0.8])
        >>> loss = nn.BCELoss()(p, [1.0, 1.0])
        >>> loss.backward()
        >>> print(loss.round(3), p.grad)
        0.458 [-1.    -0.625]
    """

    function = staticmethod(losses.binary_cross_entropy)


class BCEWithLogitsLoss(Comparison):
    """
    Example:
        >>> logits = TensorNode([0.0, 100.0])
        >>> loss = nn.BCEWithLogitsLoss()(logits, [1.0, 1.0])
        >>> loss.backward()
        >>> print(loss.round(3), logits.grad)
        0.347 [-0.25  0.  ]
    """

    function = staticmethod(losses.binary_cross_entropy_with_logits)


class KLDivLoss(Comparison):
    """
    Example:
        >>> q, p = TensorNode([[0.5, 0.5]]).log(), TensorNode([[0.9, 0.1]])
        >>> print(nn.KLDivLoss(reduction="batchmean")(q, p).round(3))
        0.368
    """

    function = staticmethod(losses.kl_div)


class GaussianNLLLoss(Comparison):
    """
    Example:
        >>> mean, variance = TensorNode([1.0, 2.0]), TensorNode([1.0, 4.0])
        >>> loss = nn.GaussianNLLLoss()(mean, [1.0, 4.0], variance)
        >>> loss.backward()
        >>> print(loss.round(3), mean.grad)
        0.597 [ 0.   -0.25]
    """

    function = staticmethod(losses.gaussian_nll_loss)


class PoissonNLLLoss(Comparison):
    """
    Example:
        >>> log_rate = TensorNode([0.0, 1.0])
        >>> loss = nn.PoissonNLLLoss()(log_rate, [1.0, 3.0])
        >>> loss.backward()
        >>> print(loss.round(3), log_rate.grad.round(3))  # (rate - target) / 2
        0.359 [ 0.    -0.141]
    """

    function = staticmethod(losses.poisson_nll_loss)


class CTCLoss(Comparison):
    """
    Example:
        >>> logprobs = gradcore.log_softmax(gradcore.zeros((3, 1, 2)))  # 3 times, 1 instance
        >>> loss = nn.CTCLoss()(logprobs, [[1]], [3], [1])
        >>> print(loss.round(3), np.log(8 / 6).round(3))  # 6 of the 8 paths spell the label 1
        0.288 0.288
    """

    function = staticmethod(ctc.ctc_loss)


class MarginRankingLoss(Comparison):
    """
    Example:
        >>> first, second = TensorNode([3.0, 1.0]), TensorNode([1.0, 2.0])
        >>> print(nn.MarginRankingLoss()(first, second, [1.0, 1.0]))
        0.5
    """

    function = staticmethod(margins.margin_ranking_loss)


class HingeEmbeddingLoss(Comparison):
    """
    Example:
        >>> print(nn.HingeEmbeddingLoss()(TensorNode([0.2, 0.4]), [1.0, -1.0]))
        0.4
    """

    function = staticmethod(margins.hinge_embedding_loss)


class CosineEmbeddingLoss(Comparison):
    """
    Example:
        >>> a, b = TensorNode([[1.0, 0.0], [1.0, 0.0]]), TensorNode([[1.0, 0.0], [1.0, 1.0]])
        >>> print(nn.CosineEmbeddingLoss(reduction="none")(a, b, [1.0, -1.0]).round(3))
        [0.    0.707]
    """

    function = staticmethod(margins.cosine_embedding_loss)


class TripletMarginLoss(Comparison):
    """
    Example:
        >>> anchor, near = TensorNode([[0.0, 0.0]]), TensorNode([[0.0, 1.0]])
        >>> print(nn.TripletMarginLoss()(anchor, near, TensorNode([[1.5, 0.0]])).round(3))
        0.5
    """

    function = staticmethod(margins.triplet_margin_loss)


class TripletMarginWithDistanceLoss(Comparison):
    """
    Example:
        >>> loss = nn.TripletMarginWithDistanceLoss(
        ...     distance_function=lambda a, b: gradcore.abs(a - b).sum(axis=1)
        ... )
        >>> anchor, near = TensorNode([[0.0, 0.0]]), TensorNode([[0.0, 1.0]])
        >>> print(loss(anchor, near, TensorNode([[1.5, 0.0]])))
        0.5
    """

    function = staticmethod(margins.triplet_margin_with_distance_loss)


class MultiMarginLoss(Comparison):
    """
    Example:
        >>> scores = TensorNode([[0.0, 0.5, 3.0]])
        >>> print(nn.MultiMarginLoss()(scores, [1]).round(3))  # (0.5 + 3.5) / 3
        1.333
    """

    function = staticmethod(margins.multi_margin_loss)


class MultiLabelMarginLoss(Comparison):
    """
    Example:
        >>> scores = TensorNode([[2.0, 0.5, 1.5]])  # only class 0 is true
        >>> print(nn.MultiLabelMarginLoss()(scores, [[0, -1, -1]]).round(3))  # 0.5 / 3
        0.167
    """

    function = staticmethod(margins.multilabel_margin_loss)


class MultiLabelSoftMarginLoss(Comparison):
    """
    Example:
        >>> logits = TensorNode([[0.0, 100.0]])
        >>> print(nn.MultiLabelSoftMarginLoss()(logits, [[1.0, 1.0]]).round(3))
        0.347
    """

    function = staticmethod(margins.multilabel_soft_margin_loss)


class SoftMarginLoss(Comparison):
    """
    Example:
        >>> print(nn.SoftMarginLoss()(TensorNode([0.0, 100.0]), [1.0, 1.0]).round(3))
        0.347
    """

    function = staticmethod(margins.soft_margin_loss)
