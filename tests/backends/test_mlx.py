"""The mlx backend: what its arrays lack, its dtypes, and that no step waits to be computed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from comparing import raises_in_one_line
from small_network import trained

import gradcore
from gradcore import TensorNode, nn, optim
from gradcore.backends import Backend, get, use_backend

mx = pytest.importorskip("mlx.core")


@pytest.fixture
def on_mlx() -> Iterator[Backend]:
    with use_backend("mlx") as backend:
        yield backend


def test_an_unknown_device_is_an_error_that_names_those_there_are() -> None:
    raises_in_one_line(lambda: get("mlx", "mps"), ValueError, "mlx: no device 'mps'; this machine")
    assert get("mlx:cpu").environment() == {"GRADCORE_BACKEND": "mlx:cpu"}


def test_an_index_out_of_range_reads_nobody_elses_memory(on_mlx: Backend) -> None:
    x = TensorNode([1.0, 2.0, 3.0])
    for key in (3, -4, (0, 0)):
        with pytest.raises(IndexError, match=r"GetItem: .*(out of bounds|too many indices)"):
            x[key]
    with pytest.raises(IndexError, match="out of bounds"):
        on_mlx.setitem(on_mlx.asarray([1.0]), 1, 2.0)


def test_float64_is_refused_by_name_as_mlx_computes_it_in_32_bits(on_mlx: Backend) -> None:
    x = np.array(mx.exp(mx.array([1.0], dtype=mx.float64)))
    assert abs(x - np.exp(1.0)) > 1e-9, "if MLX has become exact, the backend may have float64"
    raises_in_one_line(lambda: on_mlx.asarray([1.0], "float64"), ValueError, "mlx has no dtype")
    for name in ("float64", "complex128"):
        with pytest.raises(TypeError, match=f"mlx has no {name}; convert the array"):
            on_mlx.asarray(np.ones(2, name))
    assert on_mlx.asarray(np.ones(2), "float32").dtype == mx.float32


def test_a_step_leaves_nothing_to_compute(on_mlx: Backend, tmp_path: Path) -> None:
    """Else the graph of all steps would be kept where nobody reads a loss."""
    norm = nn.BatchNorm1d(4)
    net = nn.Sequential(nn.Linear(4, 4), norm)
    step = optim.Adam(net.parameters())
    for _ in range(3):
        gradcore.sum(net(on_mlx.xp.ones((8, 4)))).backward()
        step.step()
    for x in (*[p.value for p in net.parameters()], norm.running_mean, norm.running_var):
        mx.export_to_dot(str(tmp_path / "waiting.dot"), getattr(x, "value", x))
        assert "->" not in (tmp_path / "waiting.dot").read_text()
    mx.export_to_dot(str(tmp_path / "waiting.dot"), mx.ones(3) + 1)
    assert "->" in (tmp_path / "waiting.dot").read_text()


def test_a_network_trains_as_on_numpy() -> None:
    np.testing.assert_allclose(trained("mlx"), trained("numpy"), 1e-4)
