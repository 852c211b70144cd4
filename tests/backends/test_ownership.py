"""Reference counts: who holds an array, and the safe answer where nobody counts."""

from __future__ import annotations

import operator
import textwrap
import types
from typing import Any

import numpy as np
import pytest

from gradcore.backends.ownership import holders


def test_holders_counts_the_owner_and_the_callers_variables() -> None:
    owner = types.SimpleNamespace(array=np.ones(3))
    assert holders(owner, "array") == 1
    x = owner.array
    assert holders(owner, "array") == 2
    several = [x, np.ones(2) + 1]
    assert holders(several, 0, operator.getitem) == 3
    del x, owner
    assert [holders(several, i, operator.getitem) for i in range(2)] == [1, 1]


NO_COUNTS = {
    "no lock": "sys._is_gil_enabled = lambda: False",
    "PyPy": "sys.implementation.name = 'pypy'",
}


@pytest.mark.parametrize("change", NO_COUNTS.values(), ids=NO_COUNTS)
def test_where_nobody_counts_references_an_array_is_never_alone(python: Any, change: str) -> None:
    code = """
    import types
    import numpy as np
    from gradcore.backends import get
    from gradcore.backends.ownership import UNKNOWN, holders

    assert holders(types.SimpleNamespace(array=np.ones(3)), "array") == UNKNOWN
    backend = get("numpy")
    print(backend.owns_memory(np.ones((2, 3)).T), backend.owns_memory(np.ones(3)))

    from gradcore import TensorNode

    other = x = TensorNode(np.zeros(2), requires_grad=False)
    x += 1.0
    print(other is x)
    """
    printed = python.printed(f"import sys\n{change}\n{textwrap.dedent(code)}")
    assert printed.split() == ["False", "True", "True"]
