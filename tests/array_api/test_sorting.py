"""Sorting, and functions that give several constants."""

from __future__ import annotations

import numpy as np

from gradcore import Sum, TensorNode, array_api
from gradcore.backends import Backend


def test_sorting_keeps_the_order_of_equals(backend: Backend) -> None:
    """Their gradients say which is which."""
    for descending, expected in ((False, [[3, 1, 4, 2]]), (True, [[1, 3, 2, 4]])):
        x = TensorNode(backend.asarray([[2.0, 1.0, 2.0, 1.0]]))
        y = array_api.sort(x, axis=1, descending=descending)
        Sum.do_forward(y * backend.asarray([[1.0, 2.0, 3.0, 4.0]])).backward()
        np.testing.assert_array_equal(backend.to_numpy(x.grad), expected)


def test_several_constants_at_once(backend: Backend) -> None:
    x = TensorNode(backend.asarray([[0.0, 2.0], [2.0, 1.0]]))
    rows, columns = array_api.nonzero(x)
    np.testing.assert_array_equal(backend.to_numpy(rows.value), [0, 1, 1])
    np.testing.assert_array_equal(backend.to_numpy(columns.value), [1, 0, 1])
    values, counts = array_api.unique_counts(x)
    np.testing.assert_array_equal(backend.to_numpy(values.value), [0.0, 1.0, 2.0])
    np.testing.assert_array_equal(backend.to_numpy(counts.value), [1, 1, 2])
    found = array_api.unique_all(x)
    np.testing.assert_array_equal(backend.to_numpy(found.inverse_indices.value), [[0, 2], [2, 1]])
    inverse = array_api.unique_inverse(x).inverse_indices
    np.testing.assert_array_equal(backend.to_numpy(values[inverse].value), [[0, 2], [2, 1]])
    assert not any(y.requires_grad for y in (rows, columns, counts, *found[1:]))


def test_the_first_of_equal_elements_gets_the_gradient_of_a_unique_value(backend: Backend) -> None:
    x = TensorNode(backend.asarray([[3.0, 1.0], [1.0, 3.0]]))
    for values in (
        array_api.unique_values(x),
        array_api.unique_counts(x).values,
        array_api.unique_inverse(x).values,
        array_api.unique_all(x).values,
    ):
        x.zero_grad()
        Sum.do_forward(values * values).backward()
        np.testing.assert_array_equal(backend.to_numpy(x.grad), [[6.0, 2.0], [0.0, 0.0]])
