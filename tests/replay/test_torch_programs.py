"""Steps that PyTorch traces on a CPU: which ask for it, and what the programs keep apart."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore import TensorNode, capture, optim


@pytest.fixture
def torch_backend(request: Any) -> Any:
    if "torch" not in request.config.backends:
        pytest.skip("only where GRADCORE_TEST_BACKENDS names torch")
    with gradcore.use_backend("torch", "cpu") as backend:
        yield backend


def scaled(backend: Any) -> tuple[Any, TensorNode]:
    p = TensorNode(backend.asarray([1.0, 2.0]))

    def step(x: Any) -> Any:
        p.value = p.value + x
        return p.value, p.value[:1], x

    return capture(step), p


@pytest.mark.parametrize(("wanted", "is_traced"), [("", False), ("fx", True)])
def test_steps_are_traced_where_the_environment_says_so(
    torch_backend, monkeypatch, wanted, is_traced
):
    monkeypatch.setenv("GRADCORE_COMPILE", wanted)
    step, p = scaled(torch_backend)
    x = torch_backend.asarray([1.0, 1.0])
    for _ in range(3):
        step(x)
    assert step.is_recorded is is_traced
    assert p.value.tolist() == [4.0, 5.0]


def test_results_are_the_callers_own(torch_backend, monkeypatch):
    monkeypatch.setenv("GRADCORE_COMPILE", "fx")
    step, p = scaled(torch_backend)
    x = torch_backend.asarray([1.0, 1.0])
    for _ in range(2):
        value, part, given = step(x)
    for result in (value, part, given):
        result += 10.0
    assert p.value.tolist() == [3.0, 4.0]
    assert (value.tolist(), part.tolist(), x.tolist()) == ([13.0, 14.0], [13.0], [1.0, 1.0])


def test_a_label_out_of_range_is_an_error_that_changes_nothing(torch_backend, monkeypatch):
    monkeypatch.setenv("GRADCORE_COMPILE", "fx")
    p = TensorNode(torch_backend.asarray(np.ones((2, 3), "float32")))

    @capture
    def step(labels: Any) -> Any:
        loss = gradcore.cross_entropy(p, labels)
        loss.backward()
        p.value = p.value - p.grad
        p.zero_grad()
        return loss

    for _ in range(2):
        step(torch_backend.asarray([0, 1]))
    before = p.value.tolist()
    with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
        step(torch_backend.asarray([0, 7]))
    assert p.value.tolist() == before


def test_what_is_not_a_number_passes_relu_in_a_program(torch_backend, monkeypatch):
    """A program can't look for it, as the kernel does that computes at once."""
    monkeypatch.setenv("GRADCORE_COMPILE", "fx")
    values = torch_backend.asarray([-1.0, 0.0, 2.0, float("nan"), float("inf")])
    gradients = torch_backend.asarray([float("nan"), 3.0, -0.0, 5.0, 6.0])

    @capture
    def step(x: Any, go: Any) -> Any:
        node = TensorNode(x)
        (gradcore.relu(node) * go).sum().backward()
        return node.grad

    for _ in range(3):
        found = step(values, gradients)
    assert step.is_recorded
    np.testing.assert_array_equal(found.tolist(), [0.0, 0.0, -0.0, float("nan"), 6.0])
    assert np.signbit(found[2].item())


def test_another_name_is_an_error_at_once(torch_backend, monkeypatch):
    monkeypatch.setenv("GRADCORE_COMPILE", "xla")
    step, _ = scaled(torch_backend)
    message = "GRADCORE_COMPILE=xla, expected fx or inductor; unset it"
    with pytest.raises(gradcore.CaptureError, match=message):
        step(torch_backend.asarray([1.0, 1.0]))
    assert message in str(gradcore.backends.problem("torch"))  # where it is chosen, in doctor


def test_an_optimizer_may_begin_in_a_step_that_is_traced(torch_backend, monkeypatch):
    monkeypatch.setenv("GRADCORE_COMPILE", "fx")
    losses = []
    for captures in (False, True):
        p = TensorNode(torch_backend.asarray([1.0, 2.0]))
        optimizer = optim.SGD([p], lr=0.1)

        def step(x: Any, is_last: bool, p: Any = p, optimizer: Any = optimizer) -> Any:
            loss = (p * x).sum() ** 2
            loss.backward()
            if is_last:
                optimizer.step()
                optimizer.zero_grad()
            return loss

        does = capture(step) if captures else step
        x = torch_backend.asarray([0.5, 0.5])
        losses.append([does(x, n % 2 == 1).item() for n in range(8)])
    assert losses[1] == pytest.approx(losses[0])


def test_threads_may_capture_steps_at_the_same_time(torch_backend, monkeypatch):
    monkeypatch.setenv("GRADCORE_COMPILE", "fx")

    def work(n: int) -> list[float]:
        p = TensorNode(torch_backend.asarray([float(n)]))
        step = capture(lambda x: (gradcore.exp(p * x) + gradcore.sin(x)).sum())
        return [step(torch_backend.asarray([1.0])).item() for _ in range(3)]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(8)))
    assert results == [pytest.approx([np.exp(n) + np.sin(1.0)] * 3) for n in range(8)]
