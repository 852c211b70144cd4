"""NumPy's random numbers, drawn on the host and given as arrays of the default backend.

The functions are those of `numpy.random`, with its state: after `seed(0)`, the numbers are NumPy's
on every device. `default_rng` and `RandomState` give generators with states of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import array_api as xp
from .common import is_array, on_host, placed
from .examples import with_example

__all__ = [
    "Generator",
    "RandomState",
    "beta",
    "binomial",
    "bytes",
    "chisquare",
    "choice",
    "default_rng",
    "dirichlet",
    "exponential",
    "f",
    "gamma",
    "geometric",
    "get_state",
    "gumbel",
    "hypergeometric",
    "laplace",
    "logistic",
    "lognormal",
    "logseries",
    "multinomial",
    "multivariate_normal",
    "negative_binomial",
    "noncentral_chisquare",
    "noncentral_f",
    "normal",
    "pareto",
    "permutation",
    "poisson",
    "power",
    "rand",
    "randint",
    "randn",
    "random",
    "random_integers",
    "random_sample",
    "ranf",
    "rayleigh",
    "sample",
    "seed",
    "set_state",
    "shuffle",
    "standard_cauchy",
    "standard_exponential",
    "standard_gamma",
    "standard_normal",
    "standard_t",
    "triangular",
    "uniform",
    "vonmises",
    "wald",
    "weibull",
    "zipf",
]


def _given(made: Any) -> Any:
    """Make arrays of the default backend of NumPy's arrays; numbers stay."""
    return placed(made) if isinstance(made, np.ndarray) else made


def _of_numpy(of: Any, name: str) -> Callable[..., Any]:
    """Make a function of NumPy's, or a generator's, take and give arrays of every backend."""
    draw = getattr(of, name)

    def function(*args: Any, **keywords: Any) -> Any:
        args = tuple([on_host(x) if is_array(x) else x for x in args])
        return _given(
            draw(*args, **{k: on_host(x) if is_array(x) else x for k, x in keywords.items()})
        )

    function.__name__ = function.__qualname__ = name
    text = f"Call NumPy's random.{name}, and give arrays of the default backend, no gradients."
    if of is np.random:
        page = "https://numpy.org/doc/stable/reference/random/generated"
        text = with_example(f"{text}\n\n{page}/numpy.random.{name}.html", f"random.{name}")
    function.__doc__ = text
    return function


class RandomState:
    """NumPy's RandomState, whose arrays are of the default backend.

    Example:
        >>> a, b = np.random.RandomState(0), np.random.RandomState(0)
        >>> print(np.array_equal(a.normal(size=3), b.normal(size=3)))
        True
    """

    of_numpy: type = np.random.RandomState

    def __init__(self, *args: Any, **keywords: Any) -> None:
        self._generator = self.of_numpy(*args, **keywords)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(self._generator, name)
        return _of_numpy(self._generator, name) if callable(found) else found

    def shuffle(self, x: Any, **keywords: Any) -> None:
        """Put the parts of x along the first axis in another order, in place."""
        _shuffle(self._generator.shuffle, x, **keywords)


class Generator(RandomState):
    """NumPy's Generator, whose arrays are of the default backend.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> print(isinstance(generator, np.random.Generator), generator.normal(size=(2, 3)).shape)
        True (2, 3)
    """

    of_numpy = np.random.Generator


def default_rng(seed: Any = None) -> Generator:
    """Make a generator: `default_rng(0).normal(size=3)`.

    Example:
        >>> a, b = np.random.default_rng(0), np.random.default_rng(0)
        >>> print(np.array_equal(a.normal(size=3), b.normal(size=3)))
        True
    """
    return Generator(np.random.default_rng(seed).bit_generator)


def shuffle(x: Any) -> None:
    """Put the parts of x along the first axis in another order, in place.

    Example:
        >>> x = np.arange(4)
        >>> np.random.shuffle(x)
        >>> print(np.sort(x))
        [0 1 2 3]
    """
    _shuffle(np.random.shuffle, x)


def _shuffle(how: Callable[..., None], x: Any, **keywords: Any) -> None:
    if not is_array(x) or isinstance(x, np.ndarray):
        how(x, **keywords)
        return
    axis = keywords.get("axis", 0)
    order = np.arange(x.shape[axis])
    how(order)
    x[...] = xp.take(x, placed(order), axis=axis)


beta = _of_numpy(np.random, "beta")
binomial = _of_numpy(np.random, "binomial")
bytes = _of_numpy(np.random, "bytes")  # noqa: A001
chisquare = _of_numpy(np.random, "chisquare")
choice = _of_numpy(np.random, "choice")
dirichlet = _of_numpy(np.random, "dirichlet")
exponential = _of_numpy(np.random, "exponential")
f = _of_numpy(np.random, "f")
gamma = _of_numpy(np.random, "gamma")
geometric = _of_numpy(np.random, "geometric")
get_state = _of_numpy(np.random, "get_state")
gumbel = _of_numpy(np.random, "gumbel")
hypergeometric = _of_numpy(np.random, "hypergeometric")
laplace = _of_numpy(np.random, "laplace")
logistic = _of_numpy(np.random, "logistic")
lognormal = _of_numpy(np.random, "lognormal")
logseries = _of_numpy(np.random, "logseries")
multinomial = _of_numpy(np.random, "multinomial")
multivariate_normal = _of_numpy(np.random, "multivariate_normal")
negative_binomial = _of_numpy(np.random, "negative_binomial")
noncentral_chisquare = _of_numpy(np.random, "noncentral_chisquare")
noncentral_f = _of_numpy(np.random, "noncentral_f")
normal = _of_numpy(np.random, "normal")
pareto = _of_numpy(np.random, "pareto")
permutation = _of_numpy(np.random, "permutation")
poisson = _of_numpy(np.random, "poisson")
power = _of_numpy(np.random, "power")
rand = _of_numpy(np.random, "rand")
randint = _of_numpy(np.random, "randint")
randn = _of_numpy(np.random, "randn")
random = _of_numpy(np.random, "random")
random_integers = _of_numpy(np.random, "random_integers")
random_sample = _of_numpy(np.random, "random_sample")
ranf = _of_numpy(np.random, "ranf")
rayleigh = _of_numpy(np.random, "rayleigh")
sample = _of_numpy(np.random, "sample")
seed = _of_numpy(np.random, "seed")
set_state = _of_numpy(np.random, "set_state")
standard_cauchy = _of_numpy(np.random, "standard_cauchy")
standard_exponential = _of_numpy(np.random, "standard_exponential")
standard_gamma = _of_numpy(np.random, "standard_gamma")
standard_normal = _of_numpy(np.random, "standard_normal")
standard_t = _of_numpy(np.random, "standard_t")
triangular = _of_numpy(np.random, "triangular")
uniform = _of_numpy(np.random, "uniform")
vonmises = _of_numpy(np.random, "vonmises")
wald = _of_numpy(np.random, "wald")
weibull = _of_numpy(np.random, "weibull")
zipf = _of_numpy(np.random, "zipf")


def __dir__() -> list[str]:
    return __all__
