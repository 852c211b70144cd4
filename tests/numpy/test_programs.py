"""Small programs of plain NumPy, differentiated as they stand."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np
import pytest

import gradcore
import gradcore.numpy
from gradcore import TensorNode
from gradcore.backends import Backend

Program = Callable[..., Any]
rng = np.random.default_rng(0)
X, LABELS = rng.normal(size=(12, 3)), np.arange(12) % 2.0
TIMES = np.linspace(0.0, 2.0, 8)


def logistic_regression(w: Any, X: Any, labels: Any) -> Any:
    z = X @ w[:-1] + w[-1]
    return np.mean(np.logaddexp(0.0, z) - labels * z) + 0.01 * np.sum(w[:-1] ** 2)


def mixture(p: Any, x: Any) -> Any:
    """The negative log-likelihood of a mixture of three normal distributions."""
    weights, means, logs = p[:3], p[3:6], p[6:]
    z = (x[:, None] - means) / np.exp(logs)
    densities = weights - np.log(np.sum(np.exp(weights))) - 0.5 * z**2 - logs
    top = densities.max(axis=1, keepdims=True)
    return -(top[:, 0] + np.log(np.exp(densities - top).sum(axis=1))).sum()


def pendulum(p: Any, times: Any) -> Any:
    """Euler's method, from a state that the parameters give."""
    angle, speed = p[0], 0.0 * p[0]
    energies = []
    for i in range(1, times.shape[0]):
        h = times[i] - times[i - 1]
        angle, speed = angle + h * speed, speed - h * (p[1] * np.sin(angle) + p[2] * speed)
        energies.append(0.5 * np.square(speed) - p[1] * np.cos(angle))
    return np.stack(energies).std()


def gaussian_process(p: Any, x: Any, y: Any) -> Any:
    """The negative log marginal likelihood of a Gaussian process."""
    amplitude, length, noise = np.exp(p)
    differences = (x[:, None] - x[None, :]) / length
    K = amplitude**2 * np.exp(-0.5 * differences**2) + noise**2 * np.eye(len(x))
    L = np.linalg.cholesky(K)
    return 0.5 * np.dot(y, np.linalg.solve(K, y)) + np.log(np.diag(L)).sum()


def kalman_filter(p: Any, observed: Any) -> Any:
    """The negative log-likelihood of a random walk with a speed, seen with noise."""
    Q, r = np.exp(p[0]) * np.array([[0.25, 0.5], [0.5, 1.0]]), np.exp(p[1])
    F, H = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([1.0, 0.0])
    mean, P, loss = np.zeros(2), np.eye(2), 0.0
    for y in observed:
        mean, P = F @ mean, F @ P @ F.T + Q
        variance = H @ P @ H + r
        error, gain = y - H @ mean, P @ H / variance
        mean, P = mean + gain * error, P - np.outer(gain, gain) * variance
        loss += 0.5 * (np.log(2 * np.pi * variance) + error**2 / variance)
    return loss


def spline(knots: Any, t: Any, y: Any) -> Any:
    """The error of a cubic through knots at 0, 1, 2, ... (Catmull and Rom's)."""
    i = np.clip(np.floor(t).astype(int), 1, len(knots) - 3)
    u = t - i
    p0, p1, p2, p3 = knots[i - 1], knots[i], knots[i + 1], knots[i + 2]
    a, b = 1.5 * (p1 - p2) + 0.5 * (p3 - p0), p0 - 2.5 * p1 + 2 * p2 - 0.5 * p3
    return np.linalg.norm(((a * u + b) * u + 0.5 * (p2 - p0)) * u + p1 - y)


PROGRAMS: list[tuple[Program, np.ndarray, tuple[np.ndarray, ...]]] = [
    (logistic_regression, rng.normal(size=4), (X, LABELS)),
    (mixture, rng.normal(size=9), (X[:, 0],)),
    (pendulum, np.array([1.0, 2.0, 0.3]), (TIMES,)),
    (gaussian_process, np.array([0.1, -0.3, -1.0]), (TIMES, np.sin(TIMES))),
    (kalman_filter, np.array([-1.0, 0.2]), (np.cumsum(X[:, 0]),)),
    (spline, rng.normal(size=8), (np.linspace(1.1, 5.9, 10), np.cos(np.arange(10.0)))),
]
ONLY_NODES = PROGRAMS[:3]  # NumPy makes no arrays in these
programs = pytest.mark.parametrize(("f", "p", "data"), PROGRAMS)


@programs
def test_gradients_are_those_of_differences(f: Program, p: Any, data: Any) -> None:
    value, gradient = gradcore.value_and_grad(f)(p, *data)
    assert (type(gradient), gradient.dtype) == (np.ndarray, np.float64)
    np.testing.assert_allclose(value, f(p, *data), rtol=1e-12)
    steps = 1e-6 * np.eye(p.size)
    differences = [(f(p + s, *data) - f(p - s, *data)) / 2e-6 for s in steps]
    np.testing.assert_allclose(gradient, differences, rtol=1e-7, atol=1e-8)


@programs
def test_second_derivatives_are_those_of_differences(f: Program, p: Any, data: Any) -> None:
    step = 1e-5 * np.cos(np.arange(p.size))
    product = gradcore.hessian_vector_product(lambda p: f(p, *data), p, step)
    gradient = gradcore.grad(f)
    differences = (gradient(p + step, *data) - gradient(p - step, *data)) / 2
    np.testing.assert_allclose(product, differences, rtol=1e-6, atol=1e-12)


@programs
def test_with_gradcore_numpy_in_place_of_numpy_the_gradients_are_the_same(
    f: FunctionType, p: Any, data: Any
) -> None:
    twin = FunctionType(f.__code__, {**f.__globals__, "np": gradcore.numpy})
    same = gradcore.grad(twin)(p, *data)
    np.testing.assert_allclose(gradcore.grad(f)(p, *data), same, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(("f", "p", "data"), ONLY_NODES)
def test_functions_of_numpy_on_nodes_of_every_backend(
    backend: Backend, f: Program, p: Any, data: Any
) -> None:
    arrays = [TensorNode(backend.asarray(x, "float32"), requires_grad=False) for x in data]
    gradient = gradcore.grad(f)(backend.asarray(p, "float32"), *arrays)
    assert gradient.dtype == backend.dtype("float32")
    expected = gradcore.grad(f)(p, *data)
    np.testing.assert_allclose(backend.to_numpy(gradient.value), expected, rtol=1e-4, atol=1e-5)
