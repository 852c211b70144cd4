"""Rule 2: nothing recurses, so a chain of 200,000 ops runs and is freed."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import total

from gradcore import Id, TensorNode


@pytest.mark.parametrize("backward", [True, False])
@pytest.mark.parametrize("clear", [True, False])
def test_200_000_chained_ops_run_and_free(backward: bool, clear: bool) -> None:
    x = TensorNode(np.ones(1))
    y = x
    for _ in range(200_000):
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
