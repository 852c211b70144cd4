"""The rows of docs/how-to/from-pytorch.md: both cells give the same, one by PyTorch, the other by
gradcore."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore import TensorNode, data, nn, optim

torch = pytest.importorskip("torch")
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "from-pytorch.md"
NUMBERS = np.array([[1.0, 4.0], [3.0, 2.0]], "float32")
ROWS = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| .*\|$", PAGE.read_text("utf-8"), re.MULTILINE)


def run(code: str, names: dict[str, Any]) -> list[Any]:
    """Run statements; give the value of a last expression, x, its gradient, and the parameters."""
    *before, last = ast.parse(code).body
    if not isinstance(last, ast.Expr):
        before, (last,) = [*before, last], ast.parse("None").body
    exec(compile(ast.Module(before, []), code, "exec"), names)
    value = eval(compile(ast.Expression(last.value), code, "eval"), names)
    x, parameters = names["x"], names["model"].parameters()
    gradient = x.grad if x.grad is not None else 0 * x  # which PyTorch doesn't have before a pass
    return [plain(y) for y in (value, x, gradient, *parameters)]


def plain(x: Any) -> Any:
    """Turn what holds numbers into an array, without axes of size 1."""
    if isinstance(x, torch.Tensor):
        x = x.detach().numpy()
    x = x.value if isinstance(x, TensorNode) else x
    return x if x is None or isinstance(x, str | bool) else np.squeeze(np.asarray(x))


@pytest.mark.parametrize(("theirs", "ours"), ROWS)
def test_both_cells_of_a_row_give_the_same(theirs: str, ours: str) -> None:
    torch.manual_seed(0)  # so that no weight happens to be nearly what is subtracted from it
    twin, model = torch.nn.Linear(2, 3), nn.Linear(2, 3)
    nn.load_torch_state_dict(model, twin.state_dict())
    by_torch = {
        "torch": torch,
        "nn": torch.nn,
        "F": torch.nn.functional,
        "optim": torch.optim,
        "data": torch.utils.data,
        "model": twin,
        "optimizer": torch.optim.SGD(twin.parameters(), lr=0.1),
        "x": torch.tensor(NUMBERS, requires_grad=True),
        "y": torch.tensor([0, 1]),
        "a": NUMBERS.copy(),
    }
    by_gradcore = {
        "gradcore": gradcore,
        "TensorNode": TensorNode,
        "nn": nn,
        "F": nn.functional,
        "optim": optim,
        "data": data,
        "model": model,
        "optimizer": optim.SGD(model.parameters(), lr=0.1),
        "x": TensorNode(NUMBERS.copy()),
        "y": np.array([0, 1]),
        "a": NUMBERS.copy(),
    }
    with gradcore.use_backend("numpy"):
        for found, expected in zip(run(ours, by_gradcore), run(theirs, by_torch), strict=True):
            if isinstance(expected, np.ndarray) and expected.dtype.kind in "fi":
                np.testing.assert_allclose(found, expected, rtol=1e-6)
                assert found.dtype == expected.dtype
            else:
                np.testing.assert_array_equal(found, expected)


def test_the_page_has_rows() -> None:
    assert len(ROWS) > 50
