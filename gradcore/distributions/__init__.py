"""Probability distributions, with the names and arguments of torch.distributions.

>>> from gradcore.distributions import Normal
>>> loc = TensorNode([0.0, 1.0])
>>> x = Normal(loc, 1.0).rsample((100,))  # (100, 2), with gradients of loc
"""

from . import constraints as constraints
from .discrete import Bernoulli as Bernoulli
from .discrete import Binomial as Binomial
from .discrete import Categorical as Categorical
from .discrete import Geometric as Geometric
from .discrete import Multinomial as Multinomial
from .discrete import OneHotCategorical as OneHotCategorical
from .discrete import Poisson as Poisson
from .distribution import Distribution as Distribution
from .distribution import Independent as Independent
from .divergences import kl_divergence as kl_divergence
from .divergences import register_kl as register_kl
from .gamma import Beta as Beta
from .gamma import Chi2 as Chi2
from .gamma import Dirichlet as Dirichlet
from .gamma import Exponential as Exponential
from .gamma import Gamma as Gamma
from .gamma import StudentT as StudentT
from .gamma import Uniform as Uniform
from .location_scale import Cauchy as Cauchy
from .location_scale import Gumbel as Gumbel
from .location_scale import Laplace as Laplace
from .location_scale import Normal as Normal
from .multivariate_normal import MultivariateNormal as MultivariateNormal
from .transforms import AffineTransform as AffineTransform
from .transforms import ExpTransform as ExpTransform
from .transforms import HalfNormal as HalfNormal
from .transforms import LogNormal as LogNormal
from .transforms import SigmoidTransform as SigmoidTransform
from .transforms import TanhTransform as TanhTransform
from .transforms import Transform as Transform
from .transforms import TransformedDistribution as TransformedDistribution

__all__ = [
    "AffineTransform",
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Cauchy",
    "Chi2",
    "Dirichlet",
    "Distribution",
    "ExpTransform",
    "Exponential",
    "Gamma",
    "Geometric",
    "Gumbel",
    "HalfNormal",
    "Independent",
    "Laplace",
    "LogNormal",
    "Multinomial",
    "MultivariateNormal",
    "Normal",
    "OneHotCategorical",
    "Poisson",
    "SigmoidTransform",
    "StudentT",
    "TanhTransform",
    "Transform",
    "TransformedDistribution",
    "Uniform",
    "constraints",
    "kl_divergence",
    "register_kl",
]
