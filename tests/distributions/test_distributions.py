"""Distributions: probabilities, samples and their gradients, divergences."""

from __future__ import annotations

import math
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparing import close
from taped import register

import gradcore
from gradcore import TensorNode, check_gradients, distributions
from gradcore.array_api import special
from gradcore.backends import Backend, get

A, B, C = np.array([0.7, 1.5, 4.0]), np.array([1.2, 0.4, 2.5]), np.array([-0.5, 0.2, 1.0])
P = np.array([0.2, 0.5, 0.9])
ROWS = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]])
FACTOR = np.array([[1.0, 0.0, 0.0], [0.5, 2.0, 0.0], [-0.3, 0.4, 0.7]])
COVARIANCE = FACTOR @ FACTOR.T
REALS, POSITIVE, PROBABILITIES = (
    C[::-1] * 1.7,
    np.array([0.3, 1.1, 2.6]),
    np.array([0.15, 0.6, 0.8]),
)

# The class, its parameters, a value.
Row = tuple[str, dict[str, Any], Any]
CASES: list[Row] = [
    ("Normal", {"loc": C, "scale": A}, REALS),
    ("Laplace", {"loc": C, "scale": A}, REALS),
    ("Cauchy", {"loc": C, "scale": A}, REALS),
    ("Gumbel", {"loc": C, "scale": A}, REALS),
    ("LogNormal", {"loc": C, "scale": A}, POSITIVE),
    ("HalfNormal", {"scale": A}, POSITIVE),
    ("Uniform", {"low": C, "high": C + A}, C + 0.6 * A),
    ("Exponential", {"rate": A}, POSITIVE),
    ("Gamma", {"concentration": A, "rate": B}, POSITIVE),
    ("Chi2", {"df": A}, POSITIVE),
    ("Beta", {"concentration1": A, "concentration0": B}, PROBABILITIES),
    ("StudentT", {"df": A, "loc": C, "scale": B}, REALS),
    ("Dirichlet", {"concentration": np.stack([A, B])}, ROWS),
    ("Bernoulli", {"probs": P}, [0, 1, 1]),
    ("Bernoulli", {"logits": C}, [0, 1, 1]),
    ("Geometric", {"probs": P}, [3, 0, 1]),
    ("Geometric", {"logits": C}, [3, 0, 1]),
    ("Binomial", {"total_count": np.array([4.0, 4.0, 4.0]), "probs": P}, [3, 0, 1]),
    ("Binomial", {"total_count": np.array([2.0, 2.0, 2.0]), "logits": C}, [2, 0, 1]),
    ("Poisson", {"rate": A}, [3, 0, 1]),
    ("Categorical", {"probs": 2 * ROWS}, [2, 0]),
    ("Categorical", {"logits": np.stack([A, B])}, [[2, 0], [1, 1]]),
    ("OneHotCategorical", {"probs": ROWS}, [[0, 0, 1], [1, 0, 0]]),
    ("OneHotCategorical", {"logits": np.stack([A, B])}, [[0, 0, 1], [1, 0, 0]]),
    ("Multinomial", {"total_count": 4, "probs": ROWS}, [[1, 2, 1], [4, 0, 0]]),
    ("Multinomial", {"total_count": 2, "logits": np.stack([A, B])}, [[1, 0, 1], [2, 0, 0]]),
    ("MultivariateNormal", {"loc": C, "covariance_matrix": COVARIANCE}, np.stack([A, B])),
    ("MultivariateNormal", {"loc": C, "precision_matrix": COVARIANCE}, np.stack([A, B])),
    ("MultivariateNormal", {"loc": np.stack([A, B]), "scale_tril": FACTOR}, C),
]
CONTINUOUS = [
    row for row in CASES if getattr(distributions, row[0]).has_rsample or row[0] == "LogNormal"
]


def made(name: str, parameters: dict[str, Any], convert: Callable[[Any], Any] = TensorNode) -> Any:
    """Make a distribution; give its nodes too."""
    given = {k: x if isinstance(x, int) else convert(x) for k, x in parameters.items()}
    return getattr(distributions, name)(**given), [
        x for x in given.values() if isinstance(x, TensorNode)
    ]


def on(backend: Backend, dtype: str) -> Callable[[Any], TensorNode]:
    return lambda x: TensorNode(backend.asarray(x, dtype))


# -- Against PyTorch ------------------------------------------------------------------------------


def same(backend: Backend, dtype: str, ours: Any, theirs: Any, nodes: Any, tensors: Any) -> None:
    """Compare two numbers, and their gradients, where PyTorch has one."""
    import torch

    if not bool(theirs.isfinite().all()):
        expected, tolerance = theirs.detach().numpy(), 1e-4 if dtype == "float32" else 1e-9
        np.testing.assert_allclose(backend.to_numpy(ours.value), expected, tolerance, tolerance)
        return
    # PyTorch's digamma function has ten digits, and probabilities are at least an epsilon.
    factor = 20 if dtype == "float32" else 1e5
    close(backend, ours, theirs.detach().numpy(), dtype, factor)
    if not theirs.requires_grad:
        return
    gradcore.Sum.do_forward(ours * ours).backward(retain_graph=True)
    found = torch.autograd.grad(
        (theirs * theirs).sum(), tensors, allow_unused=True, materialize_grads=True,
        retain_graph=True,
    )  # fmt: skip
    for node, expected in zip(nodes, found, strict=True):
        close(backend, node.grad, expected.numpy(), dtype, 100 if dtype == "float32" else 1e4)
        node.zero_grad()


@pytest.mark.parametrize(("name", "parameters", "value"), CASES)
def test_against_torch(
    backend: Backend, dtype: str, name: str, parameters: dict[str, Any], value: Any
) -> None:
    torch = pytest.importorskip("torch")
    d, nodes = made(name, parameters, on(backend, dtype))
    kind = getattr(torch, dtype)
    given = {
        k: x if isinstance(x, int) else torch.tensor(x, dtype=kind, requires_grad=True)
        for k, x in parameters.items()
    }
    tensors = [x for x in given.values() if not isinstance(x, int)]
    twin = getattr(torch.distributions, name)(**given)
    assert d.batch_shape == tuple(twin.batch_shape)
    assert d.event_shape == tuple(twin.event_shape)
    assert d.has_rsample == twin.has_rsample
    x = backend.asarray(value, dtype)
    y = torch.tensor(value, dtype=kind)
    same(backend, dtype, d.log_prob(x), twin.log_prob(y), nodes, tensors)
    if name not in ("StudentT", "Beta"):  # PyTorch has none
        for method, place in (("cdf", x), ("icdf", PROBABILITIES)):
            try:
                expected = getattr(twin, method)(
                    torch.tensor(place if method == "icdf" else value, dtype=kind)
                )
            except NotImplementedError:
                continue
            place = backend.asarray(place, dtype)
            if name in ("Gamma", "Chi2"):
                close(backend, getattr(d, method)(place), expected.detach().numpy(), dtype, 20)
            else:
                same(backend, dtype, getattr(d, method)(place), expected, nodes, tensors)
    for what in ("mean", "variance", "stddev", "mode", "entropy"):
        try:
            expected = getattr(twin, what)
            expected = expected() if what == "entropy" else expected
        except NotImplementedError:
            continue
        found = getattr(d, what)
        found = found() if what == "entropy" else found
        if what == "mode" and found.dtype != backend.dtype(dtype):
            assert backend.to_numpy(found.value).tolist() == expected.tolist()
        elif what == "mode":
            close(backend, found, expected.detach().numpy(), dtype)
        else:
            same(backend, dtype, found, expected, nodes, tensors)


def pairs() -> list[Any]:
    names = {name: parameters for name, parameters, _ in CASES[::-1]}
    others = {
        "Binomial": {"total_count": np.array([4.0, 4.0, 4.0]), "probs": PROBABILITIES},
        "Uniform": {"low": C - 0.1, "high": C + A + 0.1},
    }
    return [
        pytest.param(p, names[p], q, others.get(q, names[q]), id=f"{p}-{q}")
        for p in names
        for q in names
    ]


@pytest.mark.parametrize(("p", "of_p", "q", "of_q"), pairs())
def test_divergences_against_torch(p: str, of_p: Any, q: str, of_q: Any) -> None:
    """Each pair that PyTorch has, and no pair that it has not, but for one or two."""
    torch = pytest.importorskip("torch")
    ours, theirs, nodes, tensors = [], [], [], []
    for name, parameters, change in ((p, of_p, 1.0), (q, of_q, 1.1)):
        if name == p == q == "Uniform":
            parameters = of_p if change == 1.0 else of_q
        given = {
            k: x if isinstance(x, int) else x if k == "total_count" else x * change
            for k, x in parameters.items()
        }
        if "probs" in given:
            given["probs"] = given["probs"] / change**2
        d, found = made(name, given)
        ours.append(d)
        nodes += found
        twins = {
            k: x if isinstance(x, int) else torch.tensor(x, requires_grad=True)
            for k, x in given.items()
        }
        tensors += [x for x in twins.values() if not isinstance(x, int)]
        theirs.append(getattr(torch.distributions, name)(**twins))
    try:
        expected = torch.distributions.kl_divergence(*theirs)
    except NotImplementedError:
        if not (p == q and p in ("Multinomial", "StudentT", "Cauchy")):
            with pytest.raises(NotImplementedError, match=f"{p}, {q}|{p}"):
                distributions.kl_divergence(*ours)
        return
    same(get("numpy"), "float64", distributions.kl_divergence(*ours), expected, nodes, tensors)


# -- Samples ------------------------------------------------------------------------------------

MANY = 20_000


@pytest.mark.parametrize(("name", "parameters"), [row[:2] for row in CASES])
def test_samples_have_the_mean_and_the_variance(name: str, parameters: dict[str, Any]) -> None:
    d, _ = made(name, parameters)
    gradcore.manual_seed(1)
    x = d.sample((MANY,))
    assert x.shape == (MANY, *d.batch_shape, *d.event_shape)
    assert not x.requires_grad
    assert np.isfinite(d.log_prob(x).value).all()
    if name == "Categorical":  # whose classes are no numbers
        x = gradcore.one_hot(x, 3)
        d, _ = made("OneHotCategorical", parameters)
    if name == "LogNormal":  # whose variance comes from few large samples
        d, _ = made("Normal", parameters)
        x = TensorNode(np.log(x.value))
    if name in ("Cauchy", "StudentT"):  # which have no mean, or no variance
        np.testing.assert_allclose(np.median(x.value, 0), d.mode.value, atol=0.1)
        return
    mean, deviation = d.mean.value, d.stddev.value
    error = abs(x.value.mean(0) - mean) / (deviation / math.sqrt(MANY))
    assert error.max() < 4.5
    np.testing.assert_allclose(x.value.var(0), deviation**2, rtol=0.25, atol=1e-3)


@pytest.mark.parametrize(("name", "parameters"), [row[:2] for row in CASES])
def test_samples_are_the_same_on_every_backend(
    backend: Backend, name: str, parameters: dict[str, Any]
) -> None:
    found = []
    for convert in (on(backend, "float32"), on(get("numpy"), "float32")):
        d, _ = made(name, parameters, convert)
        gradcore.manual_seed(3)
        x = d.rsample((4, 2)) if d.has_rsample else d.sample((4, 2))
        found.append(x)
    mine, expected = found
    assert mine.dtype == backend.dtype(str(expected.dtype))
    np.testing.assert_allclose(backend.to_numpy(mine.value), expected.value, 1e-5, 1e-6)
    assert mine.requires_grad == d.has_rsample


@pytest.mark.parametrize("name", ["Gamma", "Chi2", "Beta", "StudentT", "Exponential", "Dirichlet"])
def test_samples_move_with_the_parameters_at_a_fixed_probability(name: str) -> None:
    """The gradient of a sample, and that of the gradient, are those of the quantile function."""
    row = next(row for row in CASES if row[0] == name)
    nodes = [TensorNode(x) for x in row[1].values()]

    def sample(*nodes: Any) -> Any:
        gradcore.manual_seed(5)
        return getattr(distributions, name)(*nodes).rsample((4,))

    x = sample(*nodes).value
    if name == "Dirichlet":  # breaks a stick
        c = nodes[0].value
        part = x[..., 1] / (1 - x[..., 0])
        u = [betainc(c[:, 0], c[:, 1:].sum(1), x[..., 0]), betainc(c[:, 1], c[:, 2], part)]

        def quantile(c: Any) -> Any:
            first = special.betaincinv(c[:, 0], c[:, 1] + c[:, 2], u[0])
            rest = 1.0 - first
            second = rest * special.betaincinv(c[:, 1], c[:, 2], u[1])
            return gradcore.array_api.stack([first, second, rest - second], axis=-1)
    elif name == "StudentT":
        gradcore.manual_seed(5)
        generator = gradcore.backends.random.generator()
        z = generator.standard_normal((4, 3))
        df = nodes[0].value
        u = special.gammainc(0.5 * df, generator.standard_gamma(np.broadcast_to(0.5 * df, (4, 3))))

        def quantile(df: Any, loc: Any, scale: Any) -> Any:
            chi2 = 2.0 * special.gammaincinv(0.5 * df, u.value)
            return loc + scale * z * (df / chi2) ** 0.5
    else:
        u = getattr(distributions, name)(*nodes).cdf(x).value

        def quantile(*nodes: Any) -> Any:
            return getattr(distributions, name)(*nodes).icdf(u)

    for order in (1, 2):
        found, expected = (slopes(f, order, [n.value for n in nodes]) for f in (sample, quantile))
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6 * abs(b).max())


def betainc(a: Any, b: Any, x: Any) -> Any:
    return special.betainc(a, b, x).value


def slopes(f: Callable[..., Any], order: int, values: list[Any]) -> list[Any]:
    """The gradient of a sum of the results, weighted; or that of the sum of its squares."""
    nodes = [TensorNode(x) for x in values]
    y = f(*nodes)
    weights = np.linspace(0.5, 1.5, math.prod(y.shape)).reshape(y.shape)
    total = gradcore.Sum.do_forward(y * weights)
    total.backward(create_graph=order > 1)
    gs = [node.grad for node in nodes]
    if order > 1:
        total.zero_grad()
        sum((gradcore.Sum.do_forward(g * g) for g in gs), TensorNode(0.0)).backward()
        gs = [node.grad for node in nodes]
    return [np.asarray(g) for g in gs]


def test_gradients_of_samples_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    c, d = np.array([0.05, 0.7, 2.0, 30.0, 300.0]), np.array([0.3, 1.0, 0.1, 20.0, 5.0])
    a, b = TensorNode(c), TensorNode(d)
    x = distributions.Gamma(a, 1.0).rsample((20,))
    gradcore.Sum.do_forward(x).backward()
    of_torch = [torch.tensor(z) for z in (np.broadcast_to(c, (20, 5)).copy(), x.value)]
    expected = torch._standard_gamma_grad(*of_torch).sum(0).numpy()
    np.testing.assert_allclose(a.grad, expected, 1e-3)  # PyTorch approximates
    a.zero_grad()
    x = distributions.Beta(a, b).rsample((20,))
    gradcore.Sum.do_forward(x).backward()
    for node, y, alpha in ((a, x.value, c), (b, 1 - x.value, d)):
        sizes = [torch.tensor(np.broadcast_to(z, (20, 5)).copy()) for z in (y, alpha, c + d)]
        found = (torch._dirichlet_grad(*sizes).numpy() * (1 - y)).sum(0)
        np.testing.assert_allclose(node.grad, found if node is a else -found, 5e-3)


def test_samples_close_to_the_ends_stay_inside(backend: Backend) -> None:
    """Concentrations of 0.001 give numbers that are too small for float32."""
    gradcore.manual_seed(0)
    c = TensorNode(backend.asarray([0.001, 0.001, 0.002], "float32"))
    gamma = distributions.Gamma(c, 1.0).rsample((50,))
    beta = distributions.Beta(c, c).rsample((50,))
    dirichlet = distributions.Dirichlet(c).rsample((50,))
    gradcore.Sum.do_forward(gamma + beta + dirichlet).backward()
    for x in (gamma, beta, dirichlet):
        host = backend.to_numpy(x.value)
        assert (host >= 0).all()
        assert np.isfinite(host).all()
    assert (backend.to_numpy(gamma.value) > 0).all()
    np.testing.assert_allclose(backend.to_numpy(dirichlet.value).sum(1), 1.0, 1e-5)
    assert np.isfinite(backend.to_numpy(c.grad)).all()


# -- Without PyTorch ------------------------------------------------------------------------------


def test_numbers_lists_and_shapes() -> None:
    d = distributions.Normal(0.0, [1.0, 2.0])
    assert (d.batch_shape, d.event_shape) == ((2,), ())
    assert d.loc.dtype == np.float32
    assert d.sample(3).shape == (3, 2)
    assert d.log_prob(1).shape == (2,)
    assert repr(d) == "Normal(loc: float32 (2,), scale: float32 (2,))"
    np.testing.assert_allclose(d.prob([0.0, 0.0]).value, [0.398942, 0.199471], 1e-5)
    np.testing.assert_allclose(d.perplexity().value, np.exp(d.entropy().value))
    wide = d.expand((3, 2))
    assert wide.batch_shape == wide.mean.shape == (3, 2)
    vectors = distributions.Independent(wide, 1)
    assert (vectors.batch_shape, vectors.event_shape) == ((3,), (2,))
    x = vectors.sample((5,))
    np.testing.assert_allclose(vectors.log_prob(x).value, wide.log_prob(x).value.sum(-1), 1e-5)
    assert vectors.expand((4, 3)).sample().shape == (4, 3, 2)
    other = distributions.Independent(distributions.Normal(np.ones((3, 2), "float32"), 1.0), 1)
    expected = distributions.kl_divergence(wide, other.base_dist).value.sum(-1)
    np.testing.assert_allclose(distributions.kl_divergence(vectors, other).value, expected, 1e-5)


@pytest.mark.parametrize(("name", "parameters", "value"), CASES)
def test_expanded_distributions_are_the_same(
    name: str, parameters: dict[str, Any], value: Any
) -> None:
    d, _ = made(name, parameters)
    wide = d.expand((2, *d.batch_shape))
    assert wide.sample((3,)).shape == (3, 2, *d.batch_shape, *d.event_shape)
    expected = np.broadcast_to(d.log_prob(value).value, wide.log_prob(value).shape)
    np.testing.assert_allclose(wide.log_prob(value).value, expected, 1e-14)


def test_the_factor_of_a_normal_distribution_is_not_repeated_for_each_sample() -> None:
    """For 2,000 samples of 50 numbers, 2,000 factors would take 40 MB."""
    loc, factor = np.zeros(50), np.eye(50) + np.tri(50)
    d = distributions.MultivariateNormal(loc, scale_tril=TensorNode(factor))
    x = d.sample((2, 1000))
    tracemalloc.start()
    logs = d.log_prob(x)
    logs.sum().backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 15e6
    squares = (np.linalg.solve(factor, x.value[1, 7]) ** 2).sum()
    expected = -0.5 * (50 * np.log(2 * np.pi) + squares) - np.log(np.diagonal(factor)).sum()
    np.testing.assert_allclose(logs.value[1, 7], expected)


def test_transforms() -> None:
    """A logistic distribution, as the logit of a uniform one, and by tanh; the order turns once."""
    base = distributions.Normal(TensorNode(C), TensorNode(A))
    turned = distributions.AffineTransform(0.1, -0.5)
    for last in (distributions.SigmoidTransform(), distributions.TanhTransform()):
        d = distributions.TransformedDistribution(base, [turned, last])
        x = d.rsample((4,))
        assert x.requires_grad
        x, step = d.icdf(np.array([[0.1], [0.5], [0.8]])), 1e-6
        density = (d.cdf(x.value + step).value - d.cdf(x.value - step).value) / (2 * step)
        np.testing.assert_allclose(d.prob(x.value).value, density, 1e-2)
        np.testing.assert_allclose(d.cdf(d.icdf(PROBABILITIES)).value, PROBABILITIES, 1e-9)
        same_kind = distributions.TransformedDistribution(
            distributions.Normal(C, 2 * A), [distributions.AffineTransform(0.1, -0.5), last]
        )
        found = distributions.kl_divergence(d, same_kind).value
        expected = distributions.kl_divergence(base, same_kind.base_dist).value
        np.testing.assert_array_equal(found, expected)
    plain = distributions.TransformedDistribution(base, turned)
    normal = distributions.Normal(0.1 - 0.5 * C, 0.5 * A)
    np.testing.assert_allclose(plain.log_prob(REALS).value, normal.log_prob(REALS).value)


def test_certain_and_impossible_outcomes(backend: Backend) -> None:
    p = backend.asarray([0.0, 1.0], "float32")
    d = distributions.Bernoulli(p)
    for x, expected in (([0, 1], [0.0, 0.0]), ([1, 0], [-math.inf, -math.inf])):
        assert backend.to_numpy(d.log_prob(x).value).tolist() == expected
    assert backend.to_numpy(d.entropy().value).tolist() == [0.0, 0.0]
    one = distributions.Categorical(p)
    assert backend.to_numpy(one.log_prob([0, 1]).value).tolist() == [-math.inf, 0.0]
    assert float(one.entropy().value) == 0.0
    even = distributions.Categorical(backend.asarray([0.5, 0.5], "float32"))
    assert float(distributions.kl_divergence(even, one).value) == math.inf
    np.testing.assert_allclose(float(distributions.kl_divergence(one, even).value), math.log(2))
    assert backend.to_numpy(one.sample((9,)).value).tolist() == [1] * 9


def test_enumerated_supports_have_probability_1(backend: Backend) -> None:
    for d in (
        distributions.Bernoulli(backend.asarray(P, "float32")),
        distributions.Categorical(backend.asarray(ROWS, "float32")),
        distributions.OneHotCategorical(logits=backend.asarray(ROWS, "float32")),
    ):
        for expand in (True, False):
            total = gradcore.Sum.do_forward(d.prob(d.enumerate_support(expand)), axis=0)
            np.testing.assert_allclose(backend.to_numpy(total.value), np.ones(d.batch_shape), 1e-5)


def test_gradients_of_every_order() -> None:
    """A node made of parameters that many passes use is not released by the first."""
    loc, scale = TensorNode(C), TensorNode(A)
    d = distributions.Normal(loc, scale)
    for _ in range(2):
        gradcore.Sum.do_forward(d.log_prob(REALS)).backward()
    np.testing.assert_allclose(loc.grad, 2 * (REALS - C) / A**2)
    for name, parameters, value in CASES:
        given = {k: x for k, x in parameters.items() if k != "total_count"}
        if "covariance_matrix" in given or "precision_matrix" in given:
            continue  # not symmetric any more, when one number changes
        count = {k: x for k, x in parameters.items() if k == "total_count"}

        def log_prob(*xs: Any, name: str = name, given: Any = given, count: Any = count) -> Any:
            both = {**count, **dict(zip(given, xs, strict=True)), "validate_args": False}
            return getattr(distributions, name)(**both).log_prob(value)  # noqa: B023

        check_gradients(log_prob, *given.values())


def test_the_nearest_formula_of_base_classes_is_used() -> None:
    class Mine(distributions.Normal):
        pass

    p, q = Mine(C, A), distributions.Normal(C, B)
    expected = distributions.kl_divergence(distributions.Normal(C, A), q).value
    np.testing.assert_array_equal(distributions.kl_divergence(p, q).value, expected)

    @distributions.register_kl(Mine, distributions.Normal)
    def divergence(p: Any, q: Any) -> Any:  # noqa: ARG001
        return "mine"

    assert distributions.kl_divergence(p, q) == "mine"
    assert distributions.kl_divergence(q, q) != "mine"


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda D: D.Normal(0.0, [1.0, -2.0]),
            ValueError,
            r"^Normal: scale is float32 \(2,\) and has -2; expected positive numbers$",
        ),
        (lambda D: D.Normal([1.0, 2.0], [1.0] * 3), ValueError, r"^Normal: shapes .* broadcast"),
        (lambda D: D.Normal(math.nan, 1.0), ValueError, "has nan; expected real numbers"),
        (lambda D: D.Bernoulli([0.5, 1.5]), ValueError, "has 1.5; expected numbers from 0 to 1"),
        (lambda D: D.Bernoulli(), ValueError, "^Bernoulli: expected either probs or logits"),
        (lambda D: D.Bernoulli(0.5, 0.5), ValueError, "^Bernoulli: expected either"),
        (lambda D: D.Bernoulli(0.5).log_prob(2), ValueError, "value.* has 2; expected zeros and"),
        (lambda D: D.Categorical([[0.0, 0.0]]), ValueError, "sum of probs.* has 0"),
        (lambda D: D.Categorical(0.5), ValueError, r"probs has shape \(\), expected 1 axes"),
        (lambda D: D.Categorical([0.5, 0.5]).log_prob(2), ValueError, "whole numbers from 0 to 1"),
        (lambda D: D.Dirichlet([1.0, 2.0]).log_prob([1.0, 1.0]), ValueError, "sum up to 1"),
        (lambda D: D.Dirichlet([1.0, 2.0]).log_prob([1.0]), ValueError, r"has shape \(1,\)"),
        (lambda D: D.Uniform(1.0, 1.0), ValueError, "^Uniform: low is not below high"),
        (lambda D: D.Uniform(0.0, 1.0).log_prob(2.0), ValueError, "the lower or upper bound"),
        (lambda D: D.Binomial(2, 0.5).log_prob(3), ValueError, "has 3; expected whole"),
        (lambda D: D.Multinomial(2, [0.5, 0.5]).log_prob([1, 2]), ValueError, "sum up to 2"),
        (lambda D: D.Multinomial(0.5, [0.5, 0.5]), ValueError, "total_count is 0.5"),
        (lambda D: D.Poisson(2.0).log_prob(0.5), ValueError, "has 0.5; expected counts"),
        (lambda D: D.Poisson(2.0).rsample(), NotImplementedError, "^Poisson has no rsample"),
        (lambda D: D.Poisson(2.0).cdf(1), NotImplementedError, "^Poisson has no cdf"),
        (lambda D: D.MultivariateNormal([0.0]), ValueError, "expected one of .*, not neither"),
        (
            lambda D: D.MultivariateNormal([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]]),
            ValueError,
            "covariance_matrix .*expected symmetric matrices with positive eigenvalues",
        ),
        (
            lambda D: D.MultivariateNormal([0.0, 0.0], scale_tril=[[1.0, 2.0], [0.0, 1.0]]),
            ValueError,
            "scale_tril .*expected lower triangles",
        ),
        (
            lambda D: D.MultivariateNormal([0.0, 0.0], scale_tril=[[1.0]]),
            ValueError,
            r"scale_tril has shape \(1, 1\), expected \(..., 2, 2\)",
        ),
        (lambda D: D.Independent(D.Normal(0.0, 1.0), 1), ValueError, "^Independent: reinterp"),
        (
            lambda D: D.kl_divergence(D.Cauchy(0.0, 1.0), D.Normal(0.0, 1.0)),
            NotImplementedError,
            r"no formula for Cauchy, Normal; see register_kl\(Cauchy, Normal\)",
        ),
        (lambda D: D.register_kl(int, D.Normal), TypeError, "^register_kl: .*int.* no subclass"),
    ],
)
def test_refusals(call: Callable[[Any], Any], error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        call(distributions)


def test_checks_can_be_turned_off() -> None:
    assert float(distributions.Normal(0.0, -1.0, validate_args=False).mean.value) == 0.0
    distributions.Distribution.set_default_validate_args(False)
    try:
        d = distributions.Exponential(-1.0)
    finally:
        distributions.Distribution.set_default_validate_args(True)
    assert float(d.mean.value) == -1.0


def test_distributions_are_imported_when_they_are_named() -> None:
    code = "import gradcore, sys; assert not [m for m in sys.modules if 'distributions' in m]"
    run = subprocess.run([sys.executable, "-c", f"{code}; gradcore.distributions.Normal"])
    assert run.returncode == 0


def test_captured_steps_draw_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise that has no parameters. What is drawn from parameters, which the host must read, is
    an error."""
    device = register(monkeypatch)
    found = []
    for captured in (False, True):
        gradcore.manual_seed(2)
        loc = TensorNode(device.asarray(C.astype("float32")))

        def step(scale: Any, loc: TensorNode = loc) -> Any:
            d = distributions.Normal(loc, scale, validate_args=False)
            x = d.rsample((2,))
            total = gradcore.Sum.do_forward(x * x)
            total.backward()
            loc.value, gradient = loc.value - 0.1 * loc.grad, loc.grad
            loc.zero_grad()
            return gradient

        run = gradcore.capture(step) if captured else step
        scale = device.asarray(A.astype("float32"))
        found.append([device.to_numpy(run(scale)) for _ in range(5)])
    np.testing.assert_allclose(found[1], found[0], 1e-5)
    assert len({x.tobytes() for x in found[1]}) == 5

    gamma = gradcore.capture(lambda c: distributions.Gamma(c, c, validate_args=False).sample())
    with pytest.raises(gradcore.CaptureError, match="read"):
        [gamma(scale) for _ in range(4)]
