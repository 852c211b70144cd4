"""check_gradients finds what is wrong, and only that."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcore import GradientError, Op, Select, TensorNode, check_gradients, namespace, relu
from gradcore.backends import Backend


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0.5, 1.5, size=shape)


class Cube(Op):
    """x cubed, with a gradient that is wrong in one entry, or only at the second order."""

    @staticmethod
    def forward(context: Any, x: Any, *, wrong: str) -> Any:
        context["x"], context["wrong"] = x, wrong
        return x * x * x

    @staticmethod
    def backward(context: Any, go: Any) -> Any:
        x, xp = context["x"], namespace(go)
        if context["wrong"] == "entry":
            i = np.arange(6).reshape(2, 3)
            return 3.0 * go * x * x + xp.where(i == 4, 0.25, xp.where(i == 1, 0.125, 0.0 * x))
        if context["wrong"] == "second":
            x = x.value if isinstance(x, TensorNode) else x  # cuts the graph
        return 3.0 * go * x * x


@pytest.mark.parametrize("order", [1, 2, 3])
def test_right_gradients_pass(backend: Backend, dtype: str, order: int) -> None:
    def f(p: Any, x: Any, name: str) -> Any:
        xp = namespace(p["w"])
        assert name == "f"
        return {"y": xp.tanh(xp.matmul(x, p["w"]) + p["b"]), "discrete": p["b"] > 0.0}

    p = {
        "w": backend.asarray(numbers(3, 2), dtype),
        "b": TensorNode(backend.asarray(numbers(2), dtype)),
    }
    assert check_gradients(f, p, backend.asarray(numbers(4, 3), dtype), "f", order=order) is None


def test_integers_are_constants() -> None:
    check_gradients(lambda x, i: Select.do_forward(x, indices=i), numbers(2, 3), np.array([0, 2]))


def test_worst_entry_is_named_with_both_values() -> None:
    x = {"x": [np.ones((2, 3))]}
    with pytest.raises(GradientError) as error:
        check_gradients(lambda t: Cube.do_forward(t["x"][0], wrong="entry"), x)
    message = str(error.value)
    assert "a gradient is wrong" in message
    assert "argument 0['x'][0], entry [1, 1] of float64 (2, 3)" in message
    lines = [float(line.split()[-1]) for line in message.splitlines()[1:3]]
    assert abs(abs(lines[0] - lines[1]) - 0.25) < 1e-6
    assert "likely no kink" in message


def test_wrong_second_order() -> None:
    f = lambda x: Cube.do_forward(x, wrong="second")  # noqa: E731
    check_gradients(f, numbers(2), order=1)
    with pytest.raises(
        GradientError, match=r"(?s)gradient of the gradient is wrong.*argument 0, entry"
    ):
        check_gradients(f, numbers(2))
    check_gradients(lambda x: Cube.do_forward(x, wrong=""), numbers(2), order=3)


def test_kink_is_named() -> None:
    with pytest.raises(GradientError, match=r"(?s)entry \[1\].*kink is likely"):
        check_gradients(relu, np.array([1.0, 0.0, -1.0]))


def test_kink_is_named_where_it_is_in_the_gradient() -> None:
    """|x - 1| passes order 1 at 1, where both its gradient and central differences are 0."""
    f = lambda x: abs(x - 1.0)  # noqa: E731
    check_gradients(f, np.array([1.0, 2.0]), order=1)
    with pytest.raises(GradientError, match=r"(?s)gradient of the.*entry \[0\].*kink is likely"):
        check_gradients(f, np.array([1.0, 2.0]))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_infinite_gradient_is_wrong() -> None:
    sqrt = lambda x: namespace(x).sqrt(x)  # noqa: E731
    with pytest.raises(GradientError, match=r"(?s)entry \[1\].*gives +inf\n.*not finite around"):
        check_gradients(sqrt, np.array([1.0, 0.0]))
    with pytest.raises(GradientError, match="not finite around"):
        check_gradients(sqrt, np.zeros(9))


def test_random_function_is_named() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(GradientError, match="something else each time"):
        check_gradients(lambda x: x * rng.normal(), numbers(3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: check_gradients(relu, numbers(2), order=0), ValueError, "order is 0"),
        (lambda: check_gradients(relu, numbers(2), order=1.5), ValueError, "order is 1.5"),
        (lambda: check_gradients(relu), TypeError, "no argument"),
        (lambda: check_gradients(relu, np.array([1, 2])), TypeError, "of floating arrays"),
        (lambda: check_gradients(lambda x: x > 0.0, numbers(2)), TypeError, "nothing that"),
    ],
)
def test_bad_arguments(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
