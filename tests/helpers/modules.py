"""What tests of modules share: their numbers on the host, and whether two states are the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcore.backends import backend_of


def numbers(backend: Any, nodes: Any) -> list[Any]:
    return [backend.to_numpy(node.value).tolist() for node in nodes]


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return first.keys() == second.keys() and all(
        np.array_equal(backend_of(x).to_numpy(x), backend_of(second[name]).to_numpy(second[name]))
        for name, x in first.items()
    )
