"""Rule 9: `no_grad` builds no graph."""

from __future__ import annotations

import pytest
from graphs import node

from gradcore import no_grad


def test_no_grad_builds_no_graph_and_ends_with_the_block() -> None:
    x = node(3)
    with no_grad():
        y = x * 2.0
        with no_grad():
            pass
        assert (x * 2.0).source is None
    assert y.source is None
    assert not y.requires_grad
    assert (x * 2.0).source is not None
    with pytest.raises(ZeroDivisionError), no_grad():
        raise ZeroDivisionError
    assert (x * 2.0).source is not None
