"""The activation functions, and their modules."""

from __future__ import annotations

import copy
import inspect
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparing import call_is_torchs, close
from modules import numbers

import gradcore
from gradcore import TensorNode, check_gradients, grad, manual_seed, nn, ops
from gradcore.backends import Backend


def sigmoid(x: Any) -> Any:
    return np.where(x < 0, np.exp(np.minimum(x, 0)), 1) / (1 + np.exp(-abs(x)))


def elu(x: Any, alpha: float) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


SCALE, ALPHA = 1.05070098735548049, 1.67326324235437728

# The function's name, PyTorch's, arguments, the module, its repr, and the function in NumPy.
TABLE: list[tuple[str, str, dict[str, Any], type[nn.Activation], str, Callable[[Any], Any]]] = [
    ("sigmoid", "sigmoid", {}, nn.Sigmoid, "Sigmoid()", sigmoid),
    ("tanh", "tanh", {}, nn.Tanh, "Tanh()", np.tanh),
    ("relu", "relu", {}, nn.ReLU, "ReLU()", lambda x: np.maximum(x, 0)),
    ("relu6", "relu6", {}, nn.ReLU6, "ReLU6()", lambda x: np.clip(x, 0, 6)),
    ("leaky_relu", "leaky_relu", {}, nn.LeakyReLU, "LeakyReLU()", lambda x: np.maximum(x, x / 100)),
    (
        "leaky_relu",
        "leaky_relu",
        {"negative_slope": 0.2},
        nn.LeakyReLU,
        "LeakyReLU(negative_slope=0.2)",
        lambda x: np.maximum(x, 0.2 * x),
    ),
    ("elu", "elu", {}, nn.ELU, "ELU()", lambda x: elu(x, 1)),
    ("elu", "elu", {"alpha": 0.5}, nn.ELU, "ELU(alpha=0.5)", lambda x: elu(x, 0.5)),
    ("selu", "selu", {}, nn.SELU, "SELU()", lambda x: SCALE * elu(x, ALPHA)),
    ("celu", "celu", {}, nn.CELU, "CELU()", lambda x: elu(x, 1)),
    ("celu", "celu", {"alpha": 2.0}, nn.CELU, "CELU(alpha=2.0)", lambda x: 2 * elu(x / 2, 1)),
    (
        "gelu",
        "gelu",
        {},
        nn.GELU,
        "GELU()",
        lambda x: x * np.vectorize(math.erfc)(-x / 2**0.5) / 2,
    ),
    (
        "gelu",
        "gelu",
        {"approximate": "tanh"},
        nn.GELU,
        "GELU(approximate='tanh')",
        lambda x: x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3))) / 2,
    ),
    ("silu", "silu", {}, nn.SiLU, "SiLU()", lambda x: x * sigmoid(x)),
    ("mish", "mish", {}, nn.Mish, "Mish()", lambda x: x * np.tanh(np.logaddexp(x, 0))),
    (
        "softplus",
        "softplus",
        {},
        nn.Softplus,
        "Softplus()",
        lambda x: np.where(x > 20, x, np.logaddexp(x, 0)),
    ),
    (
        "softplus",
        "softplus",
        {"beta": 2.0, "threshold": 6.125},
        nn.Softplus,
        "Softplus(beta=2.0, threshold=6.125)",
        lambda x: np.where(2 * x > 6.125, x, np.logaddexp(2 * x, 0) / 2),
    ),
    (
        "log_sigmoid",
        "logsigmoid",
        {},
        nn.LogSigmoid,
        "LogSigmoid()",
        lambda x: -np.logaddexp(-x, 0),
    ),
    ("hardtanh", "hardtanh", {}, nn.Hardtanh, "Hardtanh()", lambda x: np.clip(x, -1, 1)),
    (
        "hardtanh",
        "hardtanh",
        {"min_val": 0.0, "max_val": 3.0},
        nn.Hardtanh,
        "Hardtanh(min_val=0.0, max_val=3.0)",
        lambda x: np.clip(x, 0, 3),
    ),
    (
        "hardsigmoid",
        "hardsigmoid",
        {},
        nn.Hardsigmoid,
        "Hardsigmoid()",
        lambda x: np.clip(x / 6 + 0.5, 0, 1),
    ),
    (
        "hardswish",
        "hardswish",
        {},
        nn.Hardswish,
        "Hardswish()",
        lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    ),
    ("softsign", "softsign", {}, nn.Softsign, "Softsign()", lambda x: x / (1 + abs(x))),
    ("tanhshrink", "tanhshrink", {}, nn.Tanhshrink, "Tanhshrink()", lambda x: x - np.tanh(x)),
    (
        "softshrink",
        "softshrink",
        {"lambd": 0.25},
        nn.Softshrink,
        "Softshrink(lambd=0.25)",
        lambda x: np.sign(x) * np.maximum(abs(x) - 0.25, 0),
    ),
    (
        "hardshrink",
        "hardshrink",
        {},
        nn.Hardshrink,
        "Hardshrink()",
        lambda x: np.where(abs(x) > 0.5, x, 0),
    ),
    (
        "threshold",
        "threshold",
        {"threshold": 0.5, "value": -2.0},
        nn.Threshold,
        "Threshold(threshold=0.5, value=-2.0)",
        lambda x: np.where(x > 0.5, x, -2),
    ),
    (
        "rrelu",
        "rrelu",
        {"lower": 0.25, "upper": 0.75},
        nn.RReLU,
        "RReLU(lower=0.25, upper=0.75)",
        lambda x: np.where(x > 0, x, x / 2),
    ),
]
IDS = [entry[4] for entry in TABLE]
# The kinks of all of them, and what is far away.
X = [-1000.0, -40.0, -25.0, -6.0, -3.0, -1.0, -0.3, 0.0, 0.3, 1.0, 3.0, 3.125, 6.0, 25.0, 1000.0]


@pytest.mark.parametrize("entry", TABLE, ids=IDS)
def test_values(backend: Backend, dtype: str, entry: Any) -> None:
    name, _, constants, module, text, reference = entry
    function, x = getattr(gradcore, name), backend.asarray(np.array(X), dtype)
    expected = reference(backend.to_numpy(x).astype("float64"))
    layer = module(**constants).eval()
    assert repr(layer) == text
    assert repr(module(*constants.values())) == text
    assert layer.parameters() == []
    assert inspect.signature(module).parameters.keys() >= constants.keys()
    assert repr(pickle.loads(pickle.dumps(copy.deepcopy(layer)))) == text
    tolerance = 1e-6 if dtype == "float32" else 1e-14
    for y in (function(x, **constants), function(TensorNode(x), **constants), layer(x)):
        assert y.value.dtype == backend.dtype(dtype)
        np.testing.assert_allclose(backend.to_numpy(y.value), expected, tolerance, tolerance)


@pytest.mark.parametrize("entry", TABLE, ids=IDS)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_against_torch(entry: Any, precision: str) -> None:
    """Values and gradients, at kinks too, and gradients of gradients where PyTorch has them."""
    torch = pytest.importorskip("torch")
    name, theirs, constants, *_ = entry
    values = np.array(X, dtype=precision)
    x, t = TensorNode(values), torch.tensor(values, requires_grad=True)
    y = getattr(gradcore, name)(x, **constants)
    u = getattr(torch.nn.functional, theirs)(t, **constants)
    tolerance = 2e-6 if precision == "float32" else 1e-13
    if name == "hardsigmoid":  # PyTorch's 1 / 6 is a float32
        tolerance = 1e-7

    def check(ours: Any, expected: Any) -> None:
        expected = expected.detach().numpy()
        assert ours.dtype == expected.dtype
        # PyTorch's second derivative of mish is NaN at 1000, where it is 0.
        np.testing.assert_allclose(ours, np.nan_to_num(expected, nan=0.0), tolerance, tolerance)

    check(y.value, u)
    ops.Sum.do_forward(y).backward(create_graph=True)
    first = x.grad
    (du,) = torch.autograd.grad(u.sum(), t, create_graph=True)
    check(first.value, du)
    if name != "hardsigmoid":  # PyTorch: "derivative for aten::hardsigmoid_backward is not ..."
        x.zero_grad()
        total = ops.Sum.do_forward(first * first)
        (ddu,) = torch.autograd.grad((du * du).sum(), t, allow_unused=True)
        if total.requires_grad:
            total.backward()
        check(x.grad, torch.zeros_like(t) if ddu is None else ddu)


def special(precision: str) -> list[float]:
    """Numbers where activations may fail: the ends of the dtype, and what is around 0."""
    of = np.finfo(precision)
    ends = [float(of.max), float(of.tiny), float(of.smallest_subnormal)]
    between = [12.0, 20.0, 87.0, 100.0, 300.0, 2000.0, 60000.0]
    return [0.0, -0.0, *ends, *[-x for x in ends], *between, *[-x for x in between]]


@pytest.mark.parametrize("entry", TABLE, ids=IDS)
@pytest.mark.parametrize("precision", ["float16", "float32", "float64"])
@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered")
def test_tails_and_the_ends_of_a_dtype_are_torchs_in_float64(entry: Any, precision: str) -> None:
    torch = pytest.importorskip("torch")
    name, theirs, constants, *_ = entry
    values = np.array(special(precision) * 3, precision)  # enough for compiled kernels
    x, t = TensorNode(values), torch.tensor(values.astype("float64"), requires_grad=True)
    y = getattr(gradcore, name)(x, **constants)
    ops.Sum.do_forward(y).backward()
    u = getattr(torch.nn.functional, theirs)(t, **constants)
    u.sum().backward()
    of = np.finfo(precision)
    # 1 + erf(z), and 1 - y in gradients, are exact to a unit of 1; the others where small, too.
    tail = 2 * of.smallest_subnormal if precision == "float16" else 200 * of.tiny
    tail = of.eps if name == "gelu" else tail
    for ours, exact, absolute in ((y.value, u, tail), (x.grad, t.grad, 16 * of.eps)):
        right = exact.detach().numpy()
        known = np.isfinite(right)  # not PyTorch's 0 times infinity, and 6 times the largest number
        assert ours.dtype == precision
        assert not np.isnan(ours).any()
        relative = 1e-7 if name == "hardsigmoid" else 0.0  # PyTorch's 1 / 6 is a float32
        np.testing.assert_allclose(
            ours[known], right.astype(precision)[known], max(relative, 4 * of.eps), absolute
        )


@pytest.mark.parametrize("size", [6, 400])  # small and large arrays have kernels of their own
@pytest.mark.parametrize("entry", TABLE, ids=IDS)
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_values_and_gradients_at_nan_are_nan(
    backend: Backend, dtype: str, entry: Any, size: int
) -> None:
    """PyTorch's gradients of relu, hardtanh and leaky_relu are finite there."""
    name, constants = entry[0], entry[2]
    numbers = np.ones(size)
    numbers[::3] = math.nan
    x = TensorNode(backend.asarray(numbers, dtype))
    y = getattr(gradcore, name)(x, **constants)
    ops.Sum.do_forward(y * 2.0).backward()
    for array in (y.value, x.grad):
        assert np.array_equal(np.isnan(backend.to_numpy(array)), np.isnan(numbers))


@pytest.mark.parametrize("entry", TABLE, ids=IDS)
def test_integers_become_float32(backend: Backend, entry: Any) -> None:
    function, integers = getattr(gradcore, entry[0]), np.array([-3, 0, 2])
    for kind in ("int64", "int32", "bool"):
        x = backend.asarray(integers.astype(kind))
        expected = function(backend.asarray(integers.astype(kind).astype("float32")), **entry[2])
        for given in (x, TensorNode(x)):
            y = function(given, **entry[2])
            assert y.dtype == backend.dtype("float32")
            assert np.array_equal(backend.to_numpy(y.value), backend.to_numpy(expected.value))


def test_the_op_sigmoid_refuses_integers(backend: Backend) -> None:
    with pytest.raises(TypeError, match=r"^Sigmoid: x is int64, expected real floating numbers;"):
        ops.Sigmoid.do_forward(backend.asarray(np.array([1, 2])))


def test_logarithms_of_sigmoids_are_right_or_infinite(backend: Backend, dtype: str) -> None:
    numbers = np.array([-1e4, -1000.0, -80.0, -30.0, 0.0, 30.0, 1e4])
    x = TensorNode(backend.asarray(numbers, dtype))
    y = gradcore.sigmoid(x).value
    with np.errstate(divide="ignore"):
        logarithms = np.log(backend.to_numpy(y))
    finite = np.isfinite(logarithms)
    expected = -np.logaddexp(0, -numbers)
    np.testing.assert_allclose(logarithms[finite], expected[finite], 1e-6, 1e-7)
    assert (logarithms[:2] == -math.inf).all()
    exact = gradcore.log_sigmoid(x)
    np.testing.assert_allclose(backend.to_numpy(exact.value), expected, 1e-6)
    ops.Sum.do_forward(exact).backward()
    np.testing.assert_allclose(backend.to_numpy(x.grad), [1, 1, 1, 1, 0.5, 0, 0], 1e-6, 1e-12)


@pytest.mark.parametrize("name", ["relu", "relu6", "hardtanh", "hardsigmoid", "hardswish"])
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_infinite_gradients_do_not_pass_where_the_function_is_flat(
    backend: Backend, dtype: str, name: str
) -> None:
    x = TensorNode(backend.asarray([-9.0, -50.0], dtype))
    y = getattr(gradcore, name)(x)
    go = backend.asarray([math.inf, 1.0], dtype)
    ops.Sum.do_forward(y * go).backward()
    assert backend.to_numpy(x.grad).tolist() == [0.0, 0.0]


def test_what_is_refused() -> None:
    x = TensorNode([1.0])
    with pytest.raises(ValueError, match=r"^gelu: approximate = 'erf', expected 'none' or 'tanh'"):
        gradcore.gelu(x, "erf")
    with pytest.raises(ValueError, match=r"^celu: alpha is 0"):
        gradcore.celu(x, 0)
    with pytest.raises(ValueError, match=r"^celu: alpha is -1, expected a positive number$"):
        gradcore.celu(x, -1)
    with pytest.raises(ValueError, match=r"^Softplus: beta is 0"):
        gradcore.softplus(x, beta=0)
    with pytest.raises(ValueError, match=r"^HardTanh: min_val = 2 is larger than max_val = 1.0"):
        gradcore.hardtanh(x, 2)
    with pytest.raises(TypeError, match=r"^GELU: .*'alpha'; expected GELU\(approximate: 'str' ="):
        nn.GELU(alpha=1.0)
    with pytest.raises(TypeError, match=r"^ReLU: too many positional arguments; expected ReLU\("):
        nn.ReLU(True, 1)


def test_an_activation_of_ones_own() -> None:
    class Cube(nn.Activation):
        """x³, times `scale`."""

        function = staticmethod(lambda x, scale=1.0: scale * x * x * x)

    assert repr(Cube()) == "Cube()"
    assert repr(Cube(2.0)) == "Cube(scale=2.0)"
    assert Cube(2.0)(TensorNode([3.0])).value.tolist() == [54.0]
    assert Cube.__doc__ == "x³, times `scale`."
    of_function, of_module = (f.__doc__.partition("Example:") for f in (gradcore.gelu, nn.GELU))
    assert of_module[0] == of_function[0]  # each has an example of its own
    assert "gradcore.gelu(" in of_function[2]
    assert "nn.GELU()" in of_module[2]


# -- Softmax and its logarithm ------------------------------------------------------------------

Y = np.random.default_rng(0).normal(size=(2, 4, 3))
# Name, inputs, and what PyTorch calls the settings.
SOFTMAXES: list[tuple[str, tuple[Any, ...], dict[str, Any], dict[str, Any]]] = [
    ("softmax", (Y,), {"axis": 1}, {"dim": 1}),
    ("log_softmax", (Y,), {}, {"dim": -1}),
    ("softmax", (np.ones((3, 0)),), {"axis": 1}, {"dim": 1}),
    ("log_softmax", (np.ones(0),), {}, {"dim": -1}),
    ("logsumexp", (Y,), {"axis": (0, 2), "keepdims": True}, {"dim": (0, 2), "keepdim": True}),
    ("softmin", (Y,), {"axis": 1}, {"dim": 1}),
    ("glu", (Y,), {"axis": 1}, {"dim": 1}),
    ("glu", (Y,), {"axis": 0}, {"dim": 0}),
    ("prelu", (Y, np.asarray([0.25])), {}, {}),
    ("prelu", (Y, np.asarray([0.25, -1.0, 0.0, 3.0])), {}, {}),
    ("prelu", (Y[0, 0], np.asarray([0.25])), {}, {}),
]


@pytest.mark.parametrize(("name", "inputs", "settings", "torchs"), SOFTMAXES)
def test_softmaxes_against_torch(
    backend: Backend, dtype: str, name: str, inputs: Any, settings: Any, torchs: Any
) -> None:
    call_is_torchs(backend, dtype, name, inputs, settings, torchs)


def test_gradients_of_logsumexp_by_differences() -> None:
    check_gradients(lambda x: gradcore.logsumexp(x, axis=1), Y)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_the_softmax_of_one_number_has_derivatives_of_both_orders(
    name: str, backend: Backend
) -> None:
    f = getattr(gradcore, name)
    x = backend.asarray(2.0, "float32")
    assert float(f(x, axis=0).value) == {"softmax": 1.0, "log_softmax": 0.0}[name]
    assert float(grad(f)(x)) == float(grad(grad(f))(x)) == 0.0


def test_random_slopes_are_the_same_everywhere_and_spread_evenly(
    backend: Backend, dtype: str
) -> None:
    manual_seed(3)
    with gradcore.use_backend("numpy"):
        expected = gradcore.rrelu(np.full((100, 50), -1.0), 0.25, 0.75, training=True).value
    manual_seed(3)
    x = TensorNode(backend.asarray(np.full((100, 50), -1.0), dtype))
    y = gradcore.rrelu(x, 0.25, 0.75, training=True)
    close(backend, y, expected, dtype)
    ops.Sum.do_forward(y).backward()
    close(backend, x.grad, -expected, dtype)
    assert expected.max() < -0.25
    assert expected.min() >= -0.75
    assert abs(expected.mean() + 0.5) < 0.01
    assert abs(expected.std() - 0.5 / 12**0.5) < 0.005
    layer = nn.RReLU()
    again = gradcore.rrelu(x, 0.25, 0.75, training=True)
    assert numbers(backend, [again]) != numbers(backend, [y])
    assert numbers(backend, [layer.eval()(x)]) == numbers(backend, [layer(x)])
    manual_seed(3)
    first = layer.train()(x)
    manual_seed(3)
    close(backend, first, backend.to_numpy(gradcore.rrelu(x, training=True).value), dtype)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: gradcore.glu(x), ValueError, "axis 2 of x .2, 4, 3. has an odd number"),
        (lambda x: gradcore.glu(x, 3), IndexError, "x .2, 4, 3. has no axis 3"),
        (lambda x: gradcore.softshrink(x, -1), ValueError, "Shrink: lambd = -1"),
        (lambda x: gradcore.rrelu(x, 0.5, 0.25), ValueError, "slopes from 0.5 to 0.25"),
        (lambda x: gradcore.prelu(x, np.ones(3)), ValueError, r"weight has shape \(3,\)"),
        (lambda x: gradcore.prelu(x, np.ones(1, "int64")), TypeError, "weight int64; give one"),
        (lambda x: nn.Softmax2d()(x[0]), ValueError, "Softmax2d: x is float64 .4, 3., expected"),
        (lambda _: nn.PReLU(0), ValueError, "PReLU: num_parameters = 0"),
    ],
)
def test_refusals(call: Any, error: type[Exception], words: str) -> None:
    with gradcore.use_backend("numpy"), pytest.raises(error, match=words):
        call(TensorNode(Y))
