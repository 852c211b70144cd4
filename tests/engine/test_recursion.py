"""Rule 2: nothing recurses, so a chain of 200,000 ops runs and is freed."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import total

from gradcore import Id, TensorNode


@pytest.mark.parametrize(
    ("n", "backward", "clear"),
    [(200_000, True, False), (200_000, False, False), (20_000, True, True), (20_000, False, True)],
)
def test_long_chains_run_and_free(n: int, backward: bool, clear: bool) -> None:
    x = TensorNode(np.ones(1))
    y = x
    for _ in range(n):
        y = Id.do_forward(y)
    loss = total(y)
    del y
    if backward:
        loss.backward()
        assert x.grad == 1
        loss.zero_grad()
        assert x.grad == 0
    if clear:
        loss.clear()
    del loss
