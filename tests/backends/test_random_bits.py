"""Random bits: each override against the base definition, NumPy's Philox and its test vector."""

from __future__ import annotations

import numpy as np
import pytest

from gradcore.backends import Backend


@pytest.mark.parametrize("key", [0, 5, 2**63 - 1, 2**64 + 3, 2**128 - 7])
def test_random_bits_are_the_base_definition_and_numpys(backend: Backend, key: int) -> None:
    for n in (0, 1, 3, 8, 1001):
        words = np.random.Philox(key=key).random_raw((n + 1) // 2)
        expected = np.stack([words & 0xFFFFFFFF, words >> 32], axis=1).ravel()[:n]
        kernels = [backend.random_bits, lambda *x: Backend.random_bits(backend, *x)]
        for kernel in kernels if backend.has_64_bits else kernels[:1]:
            bits = kernel(key, n, backend.asarray(0.0).device)
            assert backend.xp.isdtype(bits.dtype, "integral")
            assert bits.device == backend.asarray(0.0).device
            np.testing.assert_array_equal(backend.to_numpy(bits), expected)


def test_random_bits_are_those_of_the_published_test_vector() -> None:
    """Philox4x64-10 of counter and key 0 (Random123's kat_vectors); 1 comes first here."""
    numpys = np.random.Philox(key=0, counter=2**256 - 1).random_raw(4)
    published = [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B]
    assert numpys.tolist() == published
