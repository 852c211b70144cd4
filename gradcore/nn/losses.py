"""Losses as modules: the functions of `gradcore.losses`, with their settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from ..backends import BACKEND_OF_TYPE, Array
from ..functions import ctc, losses, margins
from ..graph import TensorNode
from .module import Module

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
    is called with; the others are the arguments of the module, and its attributes:

        class HuberLoss(Comparison):
            function = staticmethod(losses.huber_loss)  # (input, target, reduction, delta, weight)

        HuberLoss(delta=0.5)(input, target)

    Weights become nodes, which move with the module, but are no parameters.
    """

    function: ClassVar[Callable[..., TensorNode]]
    without: ClassVar[tuple[str, ...]] = ()  # arguments of the function that the module has not
    __signature__: ClassVar[inspect.Signature]  # found by `inspect.signature(cls)`

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...  # the settings

    def __init_subclass__(cls) -> None:
        if not hasattr(cls, "function"):
            return
        parameters = inspect.signature(cls.function).parameters.values()
        settings = [p for p in parameters if p.default is not p.empty and p.name not in cls.without]
        cls.__signature__ = inspect.Signature(settings)
        cls.__doc__ = cls.__doc__ or cls.function.__doc__

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
    function = staticmethod(losses.cross_entropy)


class NLLLoss(Comparison):
    function = staticmethod(losses.nll_loss)


class MSELoss(Comparison):
    function, without = staticmethod(losses.mse_loss), ("weight",)


class L1Loss(Comparison):
    function, without = staticmethod(losses.l1_loss), ("weight",)


class HuberLoss(Comparison):
    function, without = staticmethod(losses.huber_loss), ("weight",)


class SmoothL1Loss(Comparison):
    function = staticmethod(losses.smooth_l1_loss)


class BCELoss(Comparison):
    function = staticmethod(losses.binary_cross_entropy)


class BCEWithLogitsLoss(Comparison):
    function = staticmethod(losses.binary_cross_entropy_with_logits)


class KLDivLoss(Comparison):
    function = staticmethod(losses.kl_div)


class GaussianNLLLoss(Comparison):
    function = staticmethod(losses.gaussian_nll_loss)


class PoissonNLLLoss(Comparison):
    function = staticmethod(losses.poisson_nll_loss)


class CTCLoss(Comparison):
    function = staticmethod(ctc.ctc_loss)


class MarginRankingLoss(Comparison):
    function = staticmethod(margins.margin_ranking_loss)


class HingeEmbeddingLoss(Comparison):
    function = staticmethod(margins.hinge_embedding_loss)


class CosineEmbeddingLoss(Comparison):
    function = staticmethod(margins.cosine_embedding_loss)


class TripletMarginLoss(Comparison):
    function = staticmethod(margins.triplet_margin_loss)


class TripletMarginWithDistanceLoss(Comparison):
    function = staticmethod(margins.triplet_margin_with_distance_loss)


class MultiMarginLoss(Comparison):
    function = staticmethod(margins.multi_margin_loss)


class MultiLabelMarginLoss(Comparison):
    function = staticmethod(margins.multilabel_margin_loss)


class MultiLabelSoftMarginLoss(Comparison):
    function = staticmethod(margins.multilabel_soft_margin_loss)


class SoftMarginLoss(Comparison):
    function = staticmethod(margins.soft_margin_loss)
