"""What all distributions share: parameters, their checks, shapes, and the drawing of samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any, ClassVar, Self

from .. import array_api
from ..array_api.common import NodeOrArray, Shape
from ..backends import backend_of, random
from ..engine.arrays import broadcast_shape, describe, integers, namespace
from ..engine.modes import no_grad
from ..functions.comparison import nodes
from ..graph import TensorNode
from ..replay.recording import drawn
from .constraints import Constraint, independent

__all__ = ["Derived", "Distribution", "Independent", "broadcast", "draws", "noise", "sum_last"]


def broadcast(x: TensorNode, shape: Shape) -> TensorNode:
    """Broadcast x, unless it has the shape: a node that no op computed serves many passes."""
    return x if tuple(x.shape) == shape else array_api.broadcast_to(x, shape)


def sum_last(x: TensorNode, ndim: int) -> TensorNode:
    """Sum over the last `ndim` axes."""
    return array_api.sum(x, axis=tuple(range(x.ndim - ndim, x.ndim))) if ndim else x


def noise(kind: str, shape: Shape, like: TensorNode) -> TensorNode:
    """Draw numbers without parameters by a method of NumPy's generator, such as standard_normal.
    Replays of a captured step draw them anew."""
    numbers = drawn(lambda: getattr(random.generator(), kind)(size=shape), like.value)
    return TensorNode(numbers, requires_grad=False)


def draws(
    draw: Callable[..., Any], shape: Shape, like: TensorNode, *parameters: TensorNode
) -> TensorNode:
    """Draw numbers by `draw(generator, *parameters)`, which gets NumPy's arrays in float64, the
    parameters broadcast to the shape, and gives one."""
    host = []
    for x in parameters:
        x = broadcast(TensorNode(x.value, requires_grad=False), shape).value
        host.append(backend_of(x).to_numpy(x).astype("float64"))
    made = draw(random.generator(), *host)
    made = namespace(like.value).asarray(made, dtype=like.dtype, device=like.device)
    return TensorNode(made, requires_grad=False)


class Derived:
    """A property computed from other parameters, unless the distribution was made with it: then
    the instance has an attribute of this name, which Python finds first."""

    def __init__(self, function: Callable[[Any], TensorNode]) -> None:
        self.function, self.__doc__ = function, function.__doc__

    def __get__(self, owner: Any, kind: type) -> Any:
        return self if owner is None else self.function(owner)


class Distribution:
    """A probability distribution, or a batch of them.

    Parameters are nodes, and as constants arrays, numbers and lists; those of one distribution are
    broadcast to the shape of the batch. All that a distribution computes of them is a node with
    gradients of every order.

    Args:
        batch_shape: the shape of the batch of distributions.
        event_shape: the shape of one sample of one of them.
        validate_args: whether to check parameters and samples, which reads them on the host.
            `None` is what `set_default_validate_args` was given: at first, True.

    Attributes:
        arg_constraints: what the parameters must be, by name.
        support: what samples must be.
        has_rsample: whether samples have gradients with respect to the parameters.
        has_enumerate_support: whether `enumerate_support` lists all that may be drawn.

    Raises:
        ValueError: a parameter or a sample is not what it must be.

    Example:
        >>> d = Normal([0.0, 10.0], [1.0, 2.0])  # a batch of two
        >>> print(isinstance(d, Distribution), d.batch_shape, d.event_shape, d.sample((5,)).shape)
        True (2,) () (5, 2)
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}
    support: Any = None
    has_rsample: bool = False
    has_enumerate_support: ClassVar[bool] = False
    event_ndim: ClassVar[int] = 0  # how many axes of the last parameter are those of an event
    _validate_args: bool = __debug__

    def __init__(
        self,
        batch_shape: Sequence[int] = (),
        event_shape: Sequence[int] = (),
        validate_args: bool | None = None,
    ) -> None:
        self.batch_shape, self.event_shape = tuple(batch_shape), tuple(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            for name, constraint in self.arg_constraints.items():
                if name in vars(self):
                    self._check(name, constraint, vars(self)[name])

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Set whether distributions that are made without `validate_args` check numbers."""
        Distribution._validate_args = bool(value)

    def _set(self, validate_args: bool | None, **parameters: Any) -> None:
        """Make nodes of the parameters that are not `None`, broadcast their batches together, and
        initialize the distribution."""
        name = type(self).__name__
        given = {key: x for key, x in parameters.items() if x is not None}
        found = dict(zip(given, nodes(*given.values()), strict=True))
        events: dict[str, Shape] = {}
        for key, x in found.items():
            ndim = self.arg_constraints[key].event_dim
            if x.ndim < ndim:
                shape = tuple(x.shape)
                raise ValueError(f"{name}: {key} has shape {shape}, expected {ndim} axes or more")
            events[key] = tuple(x.shape[x.ndim - ndim :])
        batches = [tuple(x.shape[: x.ndim - len(events[key])]) for key, x in found.items()]
        batch = broadcast_shape(name, *batches)
        for key, x in found.items():
            setattr(self, key, broadcast(x, batch + events[key]))
        event = next(reversed(events.values()))
        Distribution.__init__(self, batch, event[: self.event_ndim], validate_args)

    def _check(self, what: str, constraint: Constraint, x: TensorNode) -> None:
        """Raise ValueError unless all of x is what the constraint wants."""
        xp, fine = namespace(x.value), constraint.check(x)
        if bool(xp.all(fine)):
            return
        host = backend_of(x.value).to_numpy(x.value)
        bad = host[~backend_of(fine).to_numpy(xp.broadcast_to(fine, fine.shape))]
        found = ", ".join(f"{value:g}" for value in bad.ravel()[:3].tolist())
        name = f"{type(self).__name__}: {what} is {describe(x.value)} and has {found}"
        raise ValueError(f"{name}; expected {constraint}")

    @property
    def _like(self) -> TensorNode:
        """A parameter, whose dtype and device new numbers get."""
        return next(vars(self)[name] for name in self.arg_constraints if name in vars(self))

    def _shape(self, sample_shape: int | Sequence[int]) -> Shape:
        return integers(sample_shape) + self.batch_shape + self.event_shape

    # -- Samples ------------------------------------------------------------------------------

    def sample(self, sample_shape: int | Sequence[int] = ()) -> TensorNode:
        """Draw samples (*sample_shape, *batch_shape, *event_shape), which are constants.

        The generator that `manual_seed` seeds draws on the host: the same on every backend.

        Example:
            >>> print(Normal([0.0, 10.0], 1.0).sample((1000,)).shape)
            (1000, 2)
        """
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: int | Sequence[int] = ()) -> TensorNode:
        """Draw samples as `sample` does, as functions of the parameters, with gradients.

        Example:
            >>> scale = TensorNode(2.0)
            >>> x = Normal(0.0, scale).rsample()
            >>> x.backward()
            >>> print(np.allclose(x.value, 2.0 * scale.grad))  # a sample is scale * z
            True
        """
        raise self._has_no("rsample; its samples have no gradient, see sample")

    def enumerate_support(self, expand: bool = True) -> TensorNode:
        """List all that may be drawn along a new first axis: (K, *batch_shape); without `expand`,
        with sizes of 1 in place of the batch's.

        Example:
            >>> print(Categorical([0.5, 0.25, 0.25]).enumerate_support())
            [0 1 2]
        """
        raise self._has_no("enumerate_support")

    def _enumerated(self, count: int, expand: bool) -> TensorNode:
        xp = namespace(self._like.value)
        values = xp.arange(count, device=self._like.device)
        values = xp.reshape(values, (count, *[1] * len(self.batch_shape)))
        values = xp.broadcast_to(values, (count, *self.batch_shape)) if expand else values
        return TensorNode(values)

    # -- Probabilities ------------------------------------------------------------------------

    def log_prob(self, value: NodeOrArray) -> TensorNode:
        """Compute the logarithm of the probability, or of its density, at the value
        (..., *batch_shape, *event_shape): (..., *batch_shape).

        Raises:
            ValueError: the value is of another shape, or, with `validate_args`, not in `support`.

        Example:
            >>> mean = TensorNode(0.0)
            >>> logp = Normal(mean, 1.0).log_prob([1.0, 2.0])
            >>> (-logp.mean()).backward()
            >>> print(logp.round(3), mean.grad)  # towards the data's mean
            [-1.419 -2.919] -1.5
        """
        return self._log_prob(self._checked(value))

    def prob(self, value: NodeOrArray) -> TensorNode:
        """Compute exp(log_prob(value)).

        Example:
            >>> print(Categorical([0.5, 0.25, 0.25]).prob(1).round(3))
            0.25
        """
        return array_api.exp(self.log_prob(value))

    def cdf(self, value: NodeOrArray) -> TensorNode:
        """Compute the probability of numbers up to the value.

        Example:
            >>> print(Normal(0.0, 1.0).cdf([0.0, 1.96]).round(3))
            [0.5   0.975]
        """
        return self._cdf(self._checked(value))

    def icdf(self, value: NodeOrArray) -> TensorNode:
        """Find the number up to which the probability is the value, in [0, 1].

        Example:
            >>> print(Normal(0.0, 1.0).icdf([0.5, 0.975]).round(2))
            [0.   1.96]
        """
        return self._icdf(nodes(value, self._like)[0])

    def _log_prob(self, x: TensorNode) -> TensorNode:
        raise self._has_no("log_prob")

    def _cdf(self, x: TensorNode) -> TensorNode:
        raise self._has_no("cdf")

    def _icdf(self, p: TensorNode) -> TensorNode:
        raise self._has_no("icdf")

    def _has_no(self, what: str) -> NotImplementedError:
        return NotImplementedError(f"{type(self).__name__} has no {what}")

    def _checked(self, value: NodeOrArray) -> TensorNode:
        """Make a node of a value, in the dtype of the parameters if it has integers."""
        x, name, ndim = nodes(value, self._like)[0], type(self).__name__, len(self.event_shape)
        if tuple(x.shape[x.ndim - ndim :]) != self.event_shape or x.ndim < ndim:
            shape = tuple(x.shape)
            raise ValueError(
                f"{name}: value has shape {shape}, expected (..., *{self.event_shape})"
            )
        broadcast_shape(f"{name}: value", tuple(x.shape[: x.ndim - ndim]), self.batch_shape)
        if self._validate_args and self.support is not None:
            self._check("value", self.support, x)
        return x

    # -- Numbers that describe the distribution -------------------------------------------------

    @property
    def mean(self) -> TensorNode:
        """The means (*batch_shape, *event_shape).

        Example:
            >>> print(Gamma(3.0, 2.0).mean)
            1.5
        """
        raise self._has_no("mean")

    @property
    def mode(self) -> TensorNode:
        """The places of the largest probability, or density, in the shape of the mean.

        Example:
            >>> print(Gamma(3.0, 2.0).mode)
            1.0
        """
        raise self._has_no("mode")

    @property
    def variance(self) -> TensorNode:
        """The variances, in the shape of the mean.

        Example:
            >>> print(Gamma(3.0, 2.0).variance)
            0.75
        """
        raise self._has_no("variance")

    @property
    def stddev(self) -> TensorNode:
        """The standard deviations, in the shape of the mean.

        Example:
            >>> print(Normal(0.0, [1.0, 2.0]).stddev)
            [1. 2.]
        """
        return array_api.sqrt(self.variance)

    def entropy(self) -> TensorNode:
        """Compute the mean of -log_prob (*batch_shape), in nats.

        Example:
            >>> probs = TensorNode([0.5, 0.5])
            >>> print(Categorical(probs).entropy().round(3))  # log(2)
            0.693
        """
        raise self._has_no("entropy")

    def perplexity(self) -> TensorNode:
        """Compute exp(entropy()).

        Example:
            >>> print(Categorical([0.25, 0.25, 0.25, 0.25]).perplexity().round(3))
            4.0
        """
        return array_api.exp(self.entropy())

    def _full(self, number: float) -> TensorNode:
        """Make constants (*batch_shape, *event_shape)."""
        xp, like = namespace(self._like.value), self._like
        shape = self.batch_shape + self.event_shape
        made = xp.full(shape, number, dtype=like.dtype, device=like.device)
        return TensorNode(made, requires_grad=False)

    # -- Batches ------------------------------------------------------------------------------

    def expand(self, batch_shape: Sequence[int]) -> Self:
        """Make a distribution whose parameters are broadcast to the batch shape.

        Example:
            >>> print(Normal(0.0, 1.0).expand((2, 3)).sample().shape)
            (2, 3)
        """
        new, batch = copy(self), tuple(batch_shape)
        for name, constraint in self.arg_constraints.items():
            if name in vars(self):
                x, ndim = vars(self)[name], constraint.event_dim
                setattr(new, name, broadcast(x, batch + tuple(x.shape[x.ndim - ndim :])))
        new.batch_shape = batch
        return new

    def __repr__(self) -> str:
        given = {name: vars(self)[name] for name in self.arg_constraints if name in vars(self)}
        said = [f"{name}: {describe(x.value)}" for name, x in given.items()]
        return f"{type(self).__name__}({', '.join(said)})"


class Independent(Distribution):
    """A distribution whose last `reinterpreted_batch_ndims` axes of the batch are part of the
    event: a batch (N, D) of numbers becomes a batch (N,) of vectors (D,).

    Raises:
        ValueError: the batch has fewer axes.

    Example:
        >>> d = Independent(Normal(np.zeros((4, 3)), np.ones((4, 3))), 1)
        >>> print(d.batch_shape, d.event_shape, d.log_prob(np.zeros((4, 3))).shape)
        (4,) (3,) (4,)
    """

    def __init__(
        self,
        base_distribution: Distribution,
        reinterpreted_batch_ndims: int,
        validate_args: bool | None = None,
    ) -> None:
        base, ndim = base_distribution, reinterpreted_batch_ndims
        shape, cut = base.batch_shape + base.event_shape, len(base.batch_shape) - ndim
        if not 0 <= ndim <= len(base.batch_shape):
            found = f"reinterpreted_batch_ndims = {ndim}, and the batch shape is {base.batch_shape}"
            raise ValueError(f"Independent: {found}")
        self.base_dist, self.reinterpreted_batch_ndims = base, ndim
        super().__init__(shape[:cut], shape[cut:], validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.base_dist.has_rsample

    @property
    def support(self) -> Any:
        """What samples must be."""
        base = self.base_dist.support
        return base if base is None else independent(base, self.reinterpreted_batch_ndims)

    @property
    def _like(self) -> TensorNode:
        return self.base_dist._like

    def sample(self, sample_shape: int | Sequence[int] = ()) -> TensorNode:
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: int | Sequence[int] = ()) -> TensorNode:
        return self.base_dist.rsample(sample_shape)

    def _log_prob(self, x: TensorNode) -> TensorNode:
        return sum_last(self.base_dist._log_prob(x), self.reinterpreted_batch_ndims)

    def entropy(self) -> TensorNode:
        return sum_last(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    @property
    def mean(self) -> TensorNode:
        return self.base_dist.mean

    @property
    def mode(self) -> TensorNode:
        return self.base_dist.mode

    @property
    def variance(self) -> TensorNode:
        return self.base_dist.variance

    def expand(self, batch_shape: Sequence[int]) -> Independent:
        inner = self.base_dist.batch_shape[len(self.batch_shape) :]
        base = self.base_dist.expand((*batch_shape, *inner))
        return Independent(base, self.reinterpreted_batch_ndims, self._validate_args)

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"
