"""Hooks on modules: what they see and replace, forward and backward."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from comparing import no_garbage

import gradcore
from gradcore import Sum, TensorNode, nn


class Scale(nn.Module):
    def __init__(self, factor: float) -> None:
        self.factor = TensorNode([factor])

    def forward(self, x: Any, y: Any = 0.0) -> Any:
        return x * self.factor + y * x


def test_forward_hooks_see_and_replace(backend: Any) -> None:
    scale, seen = Scale(2.0), []
    x = TensorNode(backend.asarray(np.array([1.0, 3.0]), "float32"))
    before = scale.register_forward_pre_hook(lambda _, inputs: (inputs[0] + 1.0,))
    after = scale.register_forward_hook(
        lambda module, inputs, output: seen.append((module, inputs[0].shape)) or output * 10.0
    )
    assert backend.to_numpy(scale(x).value).tolist() == [40.0, 80.0]
    assert seen == [(scale, (2,))]
    before.remove()
    assert backend.to_numpy(scale(x).value).tolist() == [20.0, 60.0]
    after.remove()
    assert backend.to_numpy(scale(x).value).tolist() == [2.0, 6.0]
    assert [p is scale.factor for p in scale.parameters()] == [True]
    assert list(scale.state_dict()) == ["factor"]


def test_backward_hook_has_all_gradients_at_once() -> None:
    scale, seen = Scale(2.0), []

    def hook(module: nn.Module, grad_input: Any, grad_output: Any) -> None:
        assert module is scale
        seen.append(([g if g is None else g.tolist() for g in grad_input], grad_output[0].tolist()))

    x, y = TensorNode([1.0, 3.0]), TensorNode([5.0, 7.0])
    with scale.register_full_backward_hook(hook):
        Sum.do_forward(scale(x, y) * 3.0 + x).backward()
        Sum.do_forward(scale(x, np.array([5.0, 7.0], np.float32))).backward()
        Sum.do_forward(scale(np.array([1.0, 3.0], np.float32))).backward()
        with gradcore.no_grad():
            scale(x, y)
    Sum.do_forward(scale(x, y)).backward()  # it is off
    assert seen == [
        ([[21.0, 27.0], [3.0, 9.0]], [3.0, 3.0]),
        ([[7.0, 9.0], None], [1.0, 1.0]),
        ([None], [1.0, 1.0]),
    ]


def test_backward_hook_replaces_and_leaves_values_and_gradients_alone() -> None:
    scale = Scale(2.0)
    x = TensorNode([1.0, 3.0])
    with scale.register_full_backward_hook(lambda _module, grad_input, _: (-grad_input[0],)):
        Sum.do_forward(scale(x) * 3.0).backward()
    assert x.grad.tolist() == [-6.0, -6.0]
    assert scale.factor.grad.tolist() == [12.0]
    scale.register_full_backward_hook(lambda *_: np.zeros(5))
    with pytest.raises(ValueError, match=r"grad is float64 \(5,\) .* expected float32 \(2,\)"):
        Sum.do_forward(scale(x)).backward()


def test_backward_hooks_leave_nothing_to_the_garbage_collector() -> None:
    scale = Scale(2.0)
    with scale.register_full_backward_hook(lambda *_: None), no_garbage():
        Sum.do_forward(scale(TensorNode([1.0]))).backward()
