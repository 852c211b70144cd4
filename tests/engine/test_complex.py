"""Complex gradients: what people see is PyTorch's, and what ops see has no conjugates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from comparing import raises_in_one_line

import gradcore
from gradcore import Op, Sum, TensorNode, array_api, namespace, ops
from gradcore.array_api import abs, conj, imag, real, sum  # noqa: A004
from gradcore.backends import Backend

Z = np.array([1 + 2j, -0.5 + 0.25j, 3j])
REALS = np.array([1.0, 2.0, 3.0])


def node(backend: Backend, x: Any, dtype: str = "complex64") -> TensorNode:
    return TensorNode(backend.asarray(np.asarray(x), dtype))


def test_the_gradient_is_the_direction_of_steepest_ascent(backend: Backend) -> None:
    z = node(backend, Z)
    sum(abs(z) ** 2 + real(z)).backward()
    assert z.grad.dtype == z.dtype
    np.testing.assert_allclose(backend.to_numpy(z.grad), 2 * Z + 1, 1e-6)


def test_passes_add_up_and_each_node_that_is_held_has_its_gradient(backend: Backend) -> None:
    z = node(backend, Z)
    w = z * (1 + 1j)
    loss = sum(imag(w * w))
    loss.backward(retain_graph=True)
    once = np.conj(2 * Z * 2j * -1j)  # the derivative of (z (1 + i))² is 4 i z
    np.testing.assert_allclose(backend.to_numpy(z.grad), once, 1e-6)
    np.testing.assert_allclose(backend.to_numpy(w.grad), np.conj(2 * Z * (1 + 1j) * -1j), 1e-6)
    loss.backward()
    np.testing.assert_allclose(backend.to_numpy(z.grad), 2 * once, 1e-6)


def test_hooks_see_and_give_what_grad_has(backend: Backend) -> None:
    z, seen = node(backend, Z), []
    w = z * (1 + 2j)
    w.register_hook(lambda g: seen.append(backend.to_numpy(g)))
    z.register_hook(lambda g: g * (3 + 1j))
    sum(real(w * w)).backward()
    slope = np.conj(2 * (1 + 2j) * Z)
    np.testing.assert_allclose(seen[0], slope, 1e-6)
    np.testing.assert_allclose(backend.to_numpy(z.grad), slope * (1 - 2j) * (3 + 1j), 1e-6)


def test_ops_see_gradients_without_conjugates(backend: Backend) -> None:
    seen = []

    class Cube(Op):
        @staticmethod
        def forward(context: dict[str, Any], z: Any) -> Any:
            context["z"] = z
            return z * z * z

        @staticmethod
        def backward(context: dict[str, Any], go: Any) -> Any:
            seen.append(go)
            return go * 3.0 * context["z"] * context["z"]

    z = node(backend, Z)
    sum(imag(Cube.do_forward(z))).backward()
    np.testing.assert_allclose(backend.to_numpy(seen[0]), [-1j] * 3)
    np.testing.assert_allclose(backend.to_numpy(z.grad), np.conj(-3j * Z * Z), 1e-6)
    gradcore.check_gradients(Cube.do_forward, z.value)


def test_a_real_input_gets_the_real_part_in_memory_of_its_own(backend: Backend) -> None:
    x, z = node(backend, REALS, "float32"), node(backend, Z)
    y = x + z
    w = x * 1j
    assert y.dtype == w.dtype == backend.dtype("complex64")
    sum(real(y * y)).backward(retain_graph=True)
    np.testing.assert_allclose(backend.to_numpy(x.grad), 2 * (Z.real + REALS), 1e-6)
    before = backend.to_numpy(z.grad).copy()
    sum(abs(w) + real(x * 1j) + x).backward()  # adds to x.grad, and not to what z.grad is
    np.testing.assert_allclose(backend.to_numpy(x.grad), 2 * (Z.real + REALS) + 2, 1e-6)
    np.testing.assert_array_equal(backend.to_numpy(z.grad), before)


def test_precisions_mix(backend: Backend) -> None:
    if "complex128" not in backend.xp.__array_namespace_info__().dtypes(device=backend.device):
        pytest.skip("no complex128")
    for low, high in (("float32", "complex128"), ("complex64", "float64")):
        x, y = node(backend, [2.0], low), node(backend, [3.0], high)
        sum(real(x * y * x)).backward()
        assert (x.grad.dtype, y.grad.dtype) == (x.dtype, y.dtype)
        assert [complex(x.grad[0]), complex(y.grad[0])] == [12.0, 4.0]


def test_gradients_of_gradients_are_nodes_that_people_see(backend: Backend) -> None:
    z = node(backend, Z)
    loss = sum(real(z * z * z))
    loss.backward(create_graph=True)
    slope = z.grad
    loss.zero_grad()
    np.testing.assert_allclose(backend.to_numpy(slope.value), np.conj(3 * Z * Z), 1e-6)
    sum(real(slope) + 2.0 * imag(slope)).backward()
    # Re(conj(3 z²)) + 2 Im(conj(3 z²)) = Re((1 + 2i) 3 z²)
    np.testing.assert_allclose(backend.to_numpy(z.grad), np.conj((1 + 2j) * 6 * Z), 1e-6)


def test_a_complex_loss_is_refused() -> None:
    z = TensorNode(np.array(1 + 1j))
    raises_in_one_line((z * z).backward, ValueError, r"real number.*take abs\(x\) or .* real\(x\)")
    for f in (gradcore.grad, gradcore.value_and_grad, gradcore.hessian):
        raises_in_one_line(lambda f=f: f(lambda z: z * z)(z), TypeError, "take abs or real of it")


def test_what_has_no_order_is_refused() -> None:
    z = TensorNode(Z)
    for call in (
        lambda: array_api.sort(z),
        lambda: array_api.clip(z, 0.0, 1.0),
        lambda: array_api.max(z),
        lambda: array_api.maximum(z, 0.0),
        lambda: gradcore.relu(z),
        lambda: gradcore.softmax(z),
        lambda: gradcore.layer_norm(z, 3),
        lambda: array_api.astype(z, np.dtype("float32")),
    ):
        raises_in_one_line(call, TypeError, "complex")
    x = TensorNode(np.ones(3)) * 1.0
    with pytest.raises(TypeError, match="complex"):
        x[0] = z[0]


def test_transforms_have_the_convention_of_grad(backend: Backend) -> None:
    z, v = backend.asarray(Z, "complex64"), backend.asarray(Z[::-1].copy(), "complex64")

    def f(z: Any) -> Any:
        return z * z * conj(z)

    value, pull = gradcore.vjp(f, z)
    derivative = gradcore.jvp(f, z, v)[1]
    to_numpy = backend.to_numpy
    along = 2 * Z * Z.conj() * Z[::-1] + Z * Z * Z[::-1].conj()
    np.testing.assert_allclose(to_numpy(derivative), along, 1e-5)
    # <u, J v> is <J* u, v>, with <a, b> the real part of the sum of conj(a) b.
    sides = np.vdot(to_numpy(value), along).real, np.vdot(to_numpy(pull(value)), Z[::-1]).real
    np.testing.assert_allclose(*sides, 1e-5)
    slope = gradcore.grad(lambda z: sum(abs(z) ** 2))(z)
    np.testing.assert_allclose(to_numpy(slope), 2 * Z, 1e-5)
    times = gradcore.hessian_vector_product(lambda z: sum(real(z * z * z)), z, v)
    np.testing.assert_allclose(to_numpy(times), np.conj(6 * Z * Z[::-1]), 1e-5)


def test_jacobians_of_complex_functions_are_those_of_holomorphic_ones() -> None:
    x = np.array([0.5, 2.0])
    found = gradcore.jacobian(lambda z: z * z * z)(Z)
    np.testing.assert_allclose(found, np.diag(3 * Z * Z), atol=1e-12)
    found = gradcore.jacobian(lambda x: array_api.exp(1j * x))(x)
    np.testing.assert_allclose(found, np.diag(1j * np.exp(1j * x)), atol=1e-12)
    np.testing.assert_allclose(gradcore.jacobian(abs)(Z), np.diag(Z / np.abs(Z)), atol=1e-12)
    for f in (conj, lambda z: z * abs(z), lambda z: real(z) + 0j):
        raises_in_one_line(lambda f=f: gradcore.jacobian(f)(Z), ValueError, "not holomorphic")
    again = gradcore.jacobian(lambda z: gradcore.jacobian(lambda z: z * z * z)(z))(Z)
    np.testing.assert_allclose(np.einsum("iii->i", again), 6 * Z)


def test_a_function_with_its_own_gradient_has_that_of_grad() -> None:
    @gradcore.custom_gradient
    def square(z: Any) -> Any:
        return z * z, lambda go: go * conj(2.0 * z)

    loss = lambda f: lambda z: sum(imag(f(z) * (1 + 3j)))  # noqa: E731
    ours, theirs = (gradcore.grad(loss(f))(Z) for f in (square, lambda z: z * z))
    np.testing.assert_allclose(ours, theirs)
    gradcore.check_gradients(square, Z)


def test_check_gradients_finds_an_op_that_conjugates() -> None:
    class Wrong(ops.Square):
        @staticmethod
        def backward(context: dict[str, Any], go: Any) -> Any:
            return 2.0 * go * namespace(go).conj(context["x"])

    with pytest.raises(gradcore.GradientError, match="is wrong"):
        gradcore.check_gradients(Wrong.do_forward, Z)


@pytest.mark.parametrize("name", ["asin", "acos", "acosh", "asinh", "sqrt", "log", "atanh", "atan"])
def test_on_a_branch_cut_the_gradient_is_that_of_the_side_of_the_value(name: str) -> None:
    """The side is told by the sign of a part that is 0."""
    function, h = getattr(array_api, name), 1e-6
    cuts = [complex(sign * 2.0, zero) for sign in (1, -1) for zero in (0.0, -0.0)]
    cuts += [complex(zero, sign * 2.0) for sign in (1, -1) for zero in (0.0, -0.0)]
    for z in cuts:
        on_reals = z.imag == 0  # where the parts are steps along the cut
        step = h if on_reals else 1j * h
        points = [complex(z.real + h * s, z.imag) if on_reals else complex(z.real, z.imag + h * s)
                  for s in (1, -1)]  # fmt: skip
        right, left = (complex(function(np.array([p]))[0]) for p in points)
        found = gradcore.jacobian(function)(np.array([z]))[0, 0]
        np.testing.assert_allclose(found, (right - left) / (2 * step), 1e-6, err_msg=f"{name}({z})")


def test_at_0_there_is_no_second_derivative_of_a_cone(backend: Backend) -> None:
    """NaN, and no number, though that of abs(z)² is 2."""
    z = node(backend, [0.0, 3 + 4j])
    for f, slope in (
        (lambda z: sum(abs(z)), [0.0, 0.6 + 0.8j]),
        (lambda z: gradcore.linalg.vector_norm(z), [0.0, 0.6 + 0.8j]),
        (lambda z: sum(abs(z) ** 2), [0.0, 6 + 8j]),
    ):
        np.testing.assert_allclose(backend.to_numpy(gradcore.grad(f)(z.value)), slope, 1e-6)
    for f in (lambda z: sum(abs(z)), lambda z: sum(abs(z) ** 2)):
        times = gradcore.hessian_vector_product(f, z.value, z.value * 0.0 + 1.0)
        assert np.isnan(backend.to_numpy(times)[0])
        assert np.isfinite(backend.to_numpy(times)[1])
    smooth = lambda z: sum(real(z * conj(z)))  # noqa: E731
    times = gradcore.hessian_vector_product(smooth, z.value, z.value * 0.0 + 1.0)
    np.testing.assert_allclose(backend.to_numpy(times), [2.0, 2.0])


def test_what_depends_on_the_angle_of_eigenvectors_has_no_gradient() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))
    linalg, weights = gradcore.linalg, rng.normal(size=(3, 3))

    def free(vectors: Any) -> Any:
        return sum(real(vectors) * weights)

    def fixed(vectors: Any) -> Any:
        return sum(abs(vectors) * weights)

    for decomposition in (
        lambda a: linalg.eigh(a).eigenvectors,
        lambda a: linalg.svd(a).U,
        lambda a: array_api.matrix_transpose(linalg.svd(a).Vh),
    ):
        gradient = gradcore.grad(lambda a, d=decomposition: free(d(a)))(a)
        assert np.isnan(gradient).all()
        gradcore.check_gradients(lambda a, d=decomposition: fixed(d(a)), a)
    gradcore.check_gradients(unitary_factor, a)


def unitary_factor(a: Any) -> Any:
    """That of the polar decomposition, in which the angles of U and Vh cancel."""
    u, _, vh = gradcore.linalg.svd(a)
    return u @ vh


def test_numbers_and_lists_become_complex64(backend: Backend) -> None:
    for x in (TensorNode(1 + 2j), TensorNode([1j, 2.0])):
        assert x.dtype == backend.dtype("complex64")
        assert x.requires_grad


def test_a_mean_of_nothing_and_a_variance_of_one_are_those_of_reals() -> None:
    with np.errstate(invalid="ignore", divide="ignore"):
        assert math.isnan(float(array_api.var(TensorNode(Z[:1]), correction=1)))
    assert float(array_api.std(TensorNode(Z[:1]))) == 0.0
    assert Sum.do_forward(TensorNode(Z)).dtype == np.complex128
