"""CUDA graphs of the torch backend: what they ask torch.cuda for, in which order."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from typing import Any

import pytest

from gradcore import CaptureError, TensorNode, capture

torch_graphs: Any = None
pytestmark = pytest.mark.parametrize("device", ["recorded torch"], indirect=True)


@pytest.fixture(autouse=True)
def _if_torch_is_named(request: Any) -> None:
    global torch_graphs
    if "torch" not in request.config.backends:
        pytest.skip("only where GRADCORE_TEST_BACKENDS names torch")
    torch_graphs = pytest.importorskip("torch_graphs")


GIVEN_UP = ["end", "leave pool (0, 1)", "clear workspaces"]


def test_a_graph_is_recorded_on_a_stream_with_memory_of_its_own(device):
    recorder, log = device.recorder(), torch_graphs.Cuda.log
    with recorder.warm_up():
        log.append("work")
    assert log == ["side waits for main", "work", "main waits for side"]
    log.clear()
    with recorder.record():
        log.append("work")
    recorder.replay()
    assert log == [
        "synchronize", "empty cache", "clear workspaces", "begin in pool (0, 1), thread_local",
        "work", "end", "clear workspaces", "replay",
    ]  # fmt: skip


def test_while_it_records_nothing_is_done_and_numbers_are_fixed(device):
    x, recorder, factor = device.asarray([1.0, 2.0]), device.recorder(), 3.0
    with recorder.record():
        x *= factor
        y = x.sum()
    assert x.tolist() == [1.0, 2.0]
    factor = 5.0
    for _ in range(2):
        recorder.replay()
    assert (x.tolist(), y.item()) == ([9.0, 18.0], 27.0)


@pytest.mark.parametrize("is_read", [True, False])
def test_a_recording_that_fails_ends_and_leaves_its_pool(device, is_read):
    recorder, log, x = device.recorder(), torch_graphs.Cuda.log, device.asarray([1.0])
    expected = pytest.raises(RuntimeError if is_read else KeyboardInterrupt)
    with expected as error, recorder.record():
        if is_read:
            x.item()
        raise KeyboardInterrupt
    assert log[4:] == (GIVEN_UP if is_read else [*GIVEN_UP[:1], *GIVEN_UP[2:]])
    assert "\n" not in str(error.value)
    assert torch_graphs.Cuda.current is torch_graphs.Cuda.default


def test_an_error_that_the_step_hides_is_told(device):
    p = TensorNode(device.asarray([1.0]))

    @capture
    def step(x: Any) -> Any:
        with suppress(RuntimeError):
            float((p * x).sum())
        return p * x

    for _ in range(3):
        step(device.asarray([1.0]))
    with pytest.raises(CaptureError, match="operation failed due to a previous error"):
        step(device.asarray([1.0]))


@pytest.mark.parametrize("kind", ["cpu", "mps"])
def test_other_devices_have_no_graphs(device, kind):
    torch = pytest.importorskip("torch")
    recorder = super(type(device), device).recorder
    assert recorder(torch.device(kind)) is None
    with nullcontext(recorder(torch.device("cuda"))) as made:
        assert made.on_device()
