"""The dpnp backend: its devices, what dpnp computes wrong, and a training."""

from __future__ import annotations

import numpy as np
import pytest
from comparing import raises_in_one_line
from small_network import trained

from gradcore.backends import get, problem, use_backend

dpnp = pytest.importorskip("dpnp")
pytestmark = pytest.mark.skipif(bool(problem("dpnp")), reason="SYCL has no device here")


def test_an_unknown_device_is_an_error_that_names_those_there_are() -> None:
    raises_in_one_line(lambda: get("dpnp", "mps"), ValueError, "dpnp: no device 'mps'; this mach")
    name = get("dpnp").environment()["GRADCORE_BACKEND"]
    assert get(*name.split(":", 1)).device == get("dpnp").asarray([1.0]).device


def test_where_chooses_from_flipped_arrays() -> None:
    """dpnp's own gives numbers of others' memory."""
    with use_backend("dpnp") as backend:
        x = np.arange(6.0).reshape(2, 3)[::-1, ::-1]
        y = backend.asarray(x[::-1, ::-1].copy())[::-1, ::-1]
        for a, b in ((x[0], y[0]), (0.5, 0.5)):
            found = backend.to_numpy(backend.xp.where(y > 2.5, y, b))
            np.testing.assert_array_equal(found, np.where(x > 2.5, x, a))


def test_a_network_trains_as_on_numpy() -> None:
    np.testing.assert_allclose(trained("dpnp"), trained("numpy"), 1e-4)
