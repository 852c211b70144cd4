"""What the README says works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_first_example_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    exec(BLOCKS[0], {})
    expected = re.search(r"print\(x.grad\)  # (.*)", BLOCKS[0])
    assert expected
    assert capsys.readouterr().out.split() == expected[1].split()


def test_derivatives_are_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    exec(BLOCKS[1], {})
    expected = re.findall(r"-?\d+\.\d*", "".join(re.findall(r"print.*# (.*)", BLOCKS[1])))
    assert re.findall(r"-?\d+\.\d*", capsys.readouterr().out) == expected
    assert len(expected) == 6


def test_op_has_gradients_of_gradients() -> None:
    names: dict[str, Any] = {}
    exec(BLOCKS[2], names)
    np.testing.assert_array_equal(names["y"].value, [0.0, 2.0])
    x = names["TensorNode"](np.array(3.0))
    names["Relu"].do_forward(x * x).backward(create_graph=True)
    gradient = x.grad
    x.zero_grad()
    gradient.backward()
    assert gradient.value == 6
    assert x.grad == 2


def test_backend_runs() -> None:
    torch = pytest.importorskip("torch")
    names: dict[str, Any] = {}
    exec(BLOCKS[3], names)
    backend = names["TorchBackend"]()
    x = backend.asarray([1.0, 2.0])
    assert isinstance(x, torch.Tensor)
    np.testing.assert_allclose(backend.to_numpy(backend.xp.exp(x)), np.exp([1, 2]), rtol=1e-6)


def test_paths_exist() -> None:
    for path in re.findall(r"`((?:gradcore|backends|examples|tests|docs)/[\w./]*)`", README):
        assert (ROOT / path).exists(), path
    for path in re.findall(r"\]\((?!http)([^)]*)\)", README):
        assert (ROOT / path).exists(), path
