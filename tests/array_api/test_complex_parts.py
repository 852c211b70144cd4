"""Writes to the real and imaginary parts of complex nodes, which are views, as in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from gradcore import TensorNode, grad
from gradcore import array_api as xp
from gradcore.backends import Backend

Z = np.array([1 + 2j, 3 - 1j, -2 + 0.5j])


def test_a_write_to_a_part_changes_the_whole_and_its_gradient(backend: Backend) -> None:
    z = TensorNode(backend.asarray(Z, backend.dtype("complex64")))
    y = z * 1.0
    part = y.real
    part[1:] = 3.0 * z.imag[1:]
    y.imag[:1] = 0.0
    np.testing.assert_allclose(backend.to_numpy(y.value), [1, -3 - 1j, 1.5 + 0.5j])
    xp.sum(xp.real(y * y)).backward()
    # The sum of re² - im², with re = 3 im of z for two of them, and im = 0 for the first.
    np.testing.assert_allclose(backend.to_numpy(z.grad), [2, -16j, 8j])


def test_parts_may_be_assigned_as_attributes() -> None:
    def loss(z: TensorNode) -> TensorNode:
        y = z * 1.0
        y.imag = z.real
        y.real *= 2.0
        return xp.sum(xp.real(y * y))

    np.testing.assert_allclose(grad(loss)(Z), 6 * Z.real)


def test_the_parts_of_a_whole_that_was_written_to_are_taken_anew() -> None:
    y = TensorNode(Z) * 1.0
    part = y.imag
    y[0] = 5j
    assert part.tolist() == [5.0, -1.0, 0.5]


def test_parts_of_a_leaf_keep_their_values() -> None:
    z = TensorNode(Z)
    with pytest.raises(TypeError, match="keeps its value"):
        z.real[0] = 1.0
    z = TensorNode(Z, requires_grad=False)
    z.real[0] = 7.0
    assert z.tolist()[0] == 7 + 2j
    with pytest.raises(TypeError, match="without imaginary parts"):
        xp.real(z).imag = 1.0
