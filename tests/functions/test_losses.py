"""Losses, as functions and as modules."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparing import close

import gradcore
from gradcore import TensorNode, check_gradients, grad, nn
from gradcore.backends import Backend, get
from gradcore.backends.numpy import blocks
from gradcore.functions import losses

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3))
IMAGES, LABELS = RNG.normal(size=(2, 3, 4, 2)), RNG.integers(0, 3, (2, 4, 2))
CLASSES = np.array([0, 2, 1, -100, 2])
WEIGHT = np.array([0.5, 2.0, 1.25])


def softmax(x: np.ndarray, axis: int = 1) -> np.ndarray:
    z = np.exp(x - x.max(axis=axis, keepdims=True))
    return z / z.sum(axis=axis, keepdims=True)


# -- Against PyTorch ------------------------------------------------------------------------------

# Function, its inputs (a float array is of the dtype tested), its settings.
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("cross_entropy", (X, CLASSES), {}),
    ("cross_entropy", (X, CLASSES), {"weight": WEIGHT}),
    ("cross_entropy", (X, CLASSES), {"weight": WEIGHT, "label_smoothing": 0.2}),
    ("cross_entropy", (X, CLASSES), {"label_smoothing": 0.1}),
    ("cross_entropy", (X, abs(CLASSES) % 3), {"ignore_index": 2}),
    ("cross_entropy", (30 * X, CLASSES), {}),
    ("cross_entropy", (IMAGES, LABELS), {}),
    ("cross_entropy", (IMAGES, LABELS), {"weight": WEIGHT, "ignore_index": 1}),
    ("cross_entropy", (IMAGES, LABELS), {"weight": WEIGHT, "label_smoothing": 0.3}),
    ("cross_entropy", (X, softmax(Y)), {}),
    ("cross_entropy", (X, softmax(Y)), {"weight": WEIGHT, "label_smoothing": 0.1}),
    ("cross_entropy", (IMAGES, softmax(-IMAGES)), {"weight": WEIGHT}),
    ("nll_loss", (np.log(softmax(X)), CLASSES), {}),
    ("nll_loss", (np.log(softmax(X)), CLASSES), {"weight": WEIGHT}),
    ("nll_loss", (np.log(softmax(IMAGES)), LABELS), {"ignore_index": 0}),
    ("mse_loss", (X, Y), {}),
    ("l1_loss", (X, Y), {}),
    ("huber_loss", (X, Y), {}),
    ("huber_loss", (X, Y), {"delta": 0.3}),
    ("smooth_l1_loss", (X, Y), {}),
    ("smooth_l1_loss", (X, Y), {"beta": 0.4}),
    ("smooth_l1_loss", (X, Y), {"beta": 0.0}),
    ("binary_cross_entropy_with_logits", (30 * X, softmax(Y)), {}),
    ("binary_cross_entropy_with_logits", (X, softmax(Y)), {"pos_weight": WEIGHT}),
    ("kl_div", (np.log(softmax(X)), softmax(Y)), {}),
    ("kl_div", (np.log(softmax(X)), np.log(softmax(Y))), {"log_target": True}),
    ("kl_div", (np.log(softmax(X)), softmax(Y)), {"reduction": "batchmean"}),
]


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")  # torch's, of kl_div
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("name", "inputs", "settings"), CALLS)
def test_against_torch(
    backend: Backend, dtype: str, name: str, inputs: Any, settings: Any, reduction: str
) -> None:
    """The loss, its gradient by all floating inputs, and the gradient of that."""
    torch = pytest.importorskip("torch")
    settings = {"reduction": reduction, **settings}

    def ours(x: Any) -> Any:
        is_float = isinstance(x, np.ndarray) and x.dtype == float
        return backend.asarray(x, dtype if is_float else None) if hasattr(x, "dtype") else x

    def theirs(x: Any) -> Any:
        if not isinstance(x, np.ndarray):
            return x
        return torch.tensor(x, dtype=getattr(torch, dtype) if x.dtype == float else None)

    nodes = [TensorNode(ours(x)) for x in inputs]
    tensors = [theirs(x) for x in inputs]
    floating = [t for t in tensors if t.is_floating_point()]
    for t in floating:
        t.requires_grad_()
    y = getattr(gradcore, name)(*nodes, **{key: ours(x) for key, x in settings.items()})
    expected = getattr(torch.nn.functional, name)(
        *tensors, **{key: theirs(x) for key, x in settings.items()}
    )
    close(backend, y, expected.detach().numpy(), dtype)

    nodes = [node for node in nodes if node.requires_grad]
    total = gradcore.Sum.do_forward(y * y)
    total.backward(create_graph=True)
    gs = [node.grad for node in nodes]
    total.zero_grad()
    slopes = torch.autograd.grad((expected * expected).sum(), floating, create_graph=True)
    for g, slope in zip(gs, slopes, strict=True):
        close(backend, g, slope.detach().numpy(), dtype)
    squares = [gradcore.Sum.do_forward(g * g) for g in gs]
    (squares[0] if len(squares) == 1 else squares[0] + squares[1]).backward()
    sum((slope * slope).sum() for slope in slopes).backward()
    for node, t in zip(nodes, floating, strict=True):
        close(backend, node.grad, t.grad.numpy(), dtype)


# -- Without PyTorch ------------------------------------------------------------------------------


def test_cross_entropy_is_what_its_definition_says(backend: Backend, dtype: str) -> None:
    x, t = backend.asarray(X, dtype), backend.asarray(CLASSES)
    kept = CLASSES >= 0
    each = np.where(kept, -np.log(softmax(X)[np.arange(5), CLASSES * kept]), 0.0)
    even = np.where(kept, -np.log(softmax(X)).mean(axis=1), 0.0)
    shares = np.where(kept, WEIGHT[CLASSES * kept], 0.0)
    close(backend, losses.cross_entropy(x, t, reduction="none"), each, dtype)
    close(backend, losses.cross_entropy(x, t, reduction="sum"), each.sum(), dtype)
    close(backend, losses.cross_entropy(x, t), each.sum() / 4, dtype)
    smooth = losses.cross_entropy(x, t, label_smoothing=0.2)
    close(backend, smooth, (0.8 * each + 0.2 * even).sum() / 4, dtype)
    weighted = losses.cross_entropy(x, t, WEIGHT.tolist())
    close(backend, weighted, (shares * each).sum() / shares.sum(), dtype)
    logs = backend.asarray(np.log(softmax(X)), dtype)
    close(backend, losses.nll_loss(logs, t), each.sum() / 4, dtype)
    onehot = backend.asarray(np.eye(3)[CLASSES * kept], dtype)
    both = [losses.cross_entropy(x, target) for target in (onehot, backend.asarray(CLASSES * kept))]
    close(backend, both[0], backend.to_numpy(both[1].value), dtype)


def test_the_courses_losses_are_sums(backend: Backend, dtype: str) -> None:
    x, t = TensorNode(backend.asarray(X, dtype)), backend.asarray(CLASSES % 3)
    expected = backend.to_numpy(losses.cross_entropy(x, t, reduction="sum").value)
    close(backend, gradcore.logceloss(gradcore.logsoftmax(x), t), expected, dtype)
    close(backend, gradcore.celoss(gradcore.softmax(x), t), expected, dtype)


def test_cross_entropy_of_extremes(backend: Backend) -> None:
    def value(x: Any, t: Any) -> list[float]:
        y = losses.cross_entropy(backend.asarray(x), backend.asarray(t), reduction="none")
        return backend.to_numpy(y.value).tolist()

    assert value([[1e4, -1e4], [-1e4, 1e4]], [0, 0]) == [0.0, 2e4]
    assert value([[3.0, -math.inf], [-math.inf, 0.0]], [0, 1]) == [0.0, 0.0]
    assert value([[3.0, -math.inf]], [1]) == [math.inf]
    assert value([[3.0, -math.inf]], [-100]) == [0.0]
    x = TensorNode([[1e4, -1e4, -math.inf], [-1e4, 1e4, -math.inf]])
    losses.cross_entropy(x, backend.asarray([0, 0]), reduction="sum").backward()
    assert backend.to_numpy(x.grad).tolist() == [[0.0, 0.0, 0.0], [-1.0, 1.0, 0.0]]


@pytest.mark.parametrize("kind", ["uint8", "int8", "int32", "int64"])
def test_targets_of_every_integer_dtype(backend: Backend, kind: str) -> None:
    x = backend.asarray(X, "float32")
    whole = [2, 0, 1, 1, 2]
    expected = losses.cross_entropy(x, backend.asarray(whole), ignore_index=1)
    found = losses.cross_entropy(x, backend.asarray(whole, kind), ignore_index=1)
    close(backend, found, backend.to_numpy(expected.value), "float32")
    found = losses.cross_entropy(x, TensorNode(backend.asarray(whole, kind)))
    expected = losses.cross_entropy(x, whole)
    close(backend, found, backend.to_numpy(expected.value), "float32")


def test_gradients_by_differences() -> None:
    """Check broadcast batches, and gradients of the target."""
    t, logs, p = CLASSES, np.log(softmax(X)), softmax(Y)
    check_gradients(lambda x: losses.cross_entropy(x, t, WEIGHT, label_smoothing=0.2), X)
    check_gradients(lambda x: losses.cross_entropy(x, LABELS, reduction="none"), IMAGES)
    check_gradients(losses.cross_entropy, X, p)
    check_gradients(lambda x: losses.nll_loss(x, t), logs)
    check_gradients(losses.huber_loss, X, Y)
    check_gradients(lambda x, y: losses.binary_cross_entropy_with_logits(x, y), X, p)
    check_gradients(losses.kl_div, logs, p)


def test_the_huber_loss_is_a_parabola_at_zero(backend: Backend) -> None:
    for loss, curvature in ((losses.huber_loss, 1.0), (losses.smooth_l1_loss, 2.0)):
        setting = {"delta": 0.5} if loss is losses.huber_loss else {"beta": 0.5}
        zero = backend.asarray(0.0)
        second = grad(grad(lambda x, f=loss, s=setting: f(x, zero * 1.0, **s)))  # noqa: B023
        assert float(second(zero)) == curvature


def test_kl_div_of_an_impossible_class() -> None:
    x = TensorNode(np.log([[0.5, 0.5]]))
    y = losses.kl_div(x, np.array([[0.0, 1.0]]), reduction="sum")
    y.backward()
    np.testing.assert_allclose([y.value, *x.grad[0]], [math.log(2), 0.0, -1.0])


# -- What does not count, and nothing ------------------------------------------------------------

STRANGE = [math.nan, math.inf, -math.inf]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of infinities that are ignored
@pytest.mark.parametrize("strange", STRANGE)
@pytest.mark.parametrize(
    "settings",
    [{}, {"weight": WEIGHT.tolist()}, {"label_smoothing": 0.2}, {"ignore_index": 2}],
    ids=str,
)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.nll_loss])
def test_ignored_rows_of_nan_and_infinity_do_not_count(
    backend: Backend, dtype: str, loss: Any, settings: Any, reduction: str, strange: float
) -> None:
    if loss is losses.nll_loss and "label_smoothing" in settings:
        pytest.skip("nll_loss smooths no labels")
    ignored = settings.get("ignore_index", -100)
    t = np.array([0, ignored, 1, ignored, 0])
    t = backend.asarray(t)
    settings = {**settings, "reduction": reduction}
    for shape in ((5, 3), (5, 3, 1, 1)):
        results = []
        for filling in (0.0, strange):
            numbers = np.log(softmax(X))
            numbers[[1, 3]] = filling
            x = TensorNode(backend.asarray(numbers.reshape(shape), dtype))
            target = backend.xp.reshape(t, (5, *shape[2:]))
            total = gradcore.Sum.do_forward(loss(x, target, **settings))
            total.backward(create_graph=True)
            g = x.grad
            total.zero_grad()
            if g.requires_grad:
                gradcore.Sum.do_forward(g * g).backward()
            results.append([backend.to_numpy(y) for y in (total.value, g.value, x.grad)])
        for expected, found in zip(*results, strict=True):
            np.testing.assert_array_equal(found, expected)
        assert not results[1][1][[1, 3]].any()


@pytest.mark.parametrize("settings", [{}, {"weight": [1.0, 2.0, 0.0]}], ids=str)
def test_a_class_of_probability_zero_does_not_count(backend: Backend, settings: Any) -> None:
    """Its logit, or its own logarithm, may be -inf."""
    x = TensorNode(backend.asarray([[-math.inf, 0.0, 1.0], [2.0, 1.0, -math.inf]]))
    t = backend.asarray([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0]])
    y = losses.cross_entropy(x, t, reduction="none", **settings)
    y[0].backward()
    p = softmax(np.array([[0.0, 1.0]]))[0]
    counts = np.array(settings.get("weight", [1.0] * 3))
    shares = counts[1:] * 0.5
    np.testing.assert_allclose(float(y.value[0]), -(shares * np.log(p)).sum(), 1e-5)
    expected = [0.0, *(shares.sum() * p - shares)]
    np.testing.assert_allclose(backend.to_numpy(x.grad)[0], expected, 1e-5, 1e-6)

    for log_target in (False, True):
        logs = TensorNode(backend.asarray([-math.inf, math.log(0.5), 0.0, -math.inf]))
        q = np.array([0.0, 0.25, 1.0, 0.0])
        with np.errstate(divide="ignore"):
            target = backend.asarray(np.log(q) if log_target else q, "float32")
        y = losses.kl_div(logs, target, reduction="none", log_target=log_target)
        expected = [0.0, -0.25 * math.log(2), 0.0, 0.0]
        np.testing.assert_allclose(backend.to_numpy(y.value), expected, 1e-5)
        gradcore.Sum.do_forward(y).backward()
        np.testing.assert_allclose(backend.to_numpy(logs.grad), -q, 1e-5)


def test_the_divergence_has_no_slope_by_a_probability_of_zero(backend: Backend) -> None:
    """log(t / q) + 1 is infinite there: NaN, and not the number -log(q)."""
    t = TensorNode(backend.asarray([0.0, 0.5]))
    losses.kl_div(backend.asarray([-1.0, -2.0]), t, reduction="sum").backward()
    np.testing.assert_allclose(backend.to_numpy(t.grad), [math.nan, math.log(0.5) + 3.0], 1e-5)


def test_the_courses_loss_of_probabilities_that_are_zero(backend: Backend) -> None:
    p = TensorNode(backend.asarray([[0.0, 1.0], [0.5, 0.5]]))
    y = gradcore.celoss(p, backend.asarray([1, 0]))
    y.backward()
    np.testing.assert_allclose(float(y.value), math.log(2), 1e-6)
    np.testing.assert_allclose(backend.to_numpy(p.grad), [[0.0, -1.0], [-2.0, 0.0]])


LOSSES_OF_PAIRS = [
    (losses.mse_loss, 4.0),
    (losses.l1_loss, 2.0),
    (losses.huber_loss, 1.5),
    (losses.smooth_l1_loss, 1.5),
    (losses.binary_cross_entropy_with_logits, math.log1p(math.exp(-2.0)) - 2.0),
    (losses.kl_div, 2.0),
]


@pytest.mark.parametrize(("loss", "expected"), LOSSES_OF_PAIRS)
def test_losses_of_numbers_and_lists(
    backend: Backend, dtype: str, loss: Any, expected: Any
) -> None:
    target = 1.0 if loss in (losses.kl_div, losses.binary_cross_entropy_with_logits) else 0.0
    expected = math.log1p(math.exp(2.0)) if loss is LOSSES_OF_PAIRS[4][0] else expected
    for x, t in ((-2.0, target), (-2, int(target)), ([-2.0], [target]), ([[-2]], [[int(target)]])):
        y = loss(x, t)
        assert y.dtype == backend.dtype("float32")
        np.testing.assert_allclose(float(y.value), expected, 1e-6)
    x = TensorNode(backend.asarray([-2.0, -2.0], dtype))
    for y in (loss(x, [target, target]), loss(x[0], target)):  # in the dtype of x
        close(backend, y, expected, dtype)


def test_losses_of_classes_take_lists() -> None:
    for y in (
        losses.cross_entropy([[1.0, 2.0]], [1]),
        losses.cross_entropy([[1, 2]], [[0.0, 1.0]]),
        losses.nll_loss([[-3.0, math.log(softmax(np.array([[1.0, 2.0]]))[0, 1])]], [1]),
        gradcore.logceloss([[0.0, math.log(softmax(np.array([[1.0, 2.0]]))[0, 1])]], [1]),
        gradcore.celoss(softmax(np.array([[1.0, 2.0]])).tolist(), [1]),
    ):
        np.testing.assert_allclose(float(y.value), math.log1p(math.exp(-1.0)), 1e-6)


@pytest.mark.parametrize("weight", [3.0, 3, np.float64(3.0), [3.0, 3.0]], ids=repr)
def test_a_number_as_positive_weight_has_the_dtype_of_the_input(
    backend: Backend, dtype: str, weight: Any
) -> None:
    x, t = backend.asarray([1.0, 2.0], dtype), backend.asarray([1.0, 0.0], dtype)
    y = losses.binary_cross_entropy_with_logits(x, t, pos_weight=weight)
    close(backend, y, (3 * math.log1p(math.exp(-1)) + 2 + math.log1p(math.exp(-2))) / 2, dtype)


def test_kl_div_of_a_number_is_divided_by_one(backend: Backend) -> None:
    y = losses.kl_div(backend.asarray(-1.0), backend.asarray(0.3), reduction="batchmean")
    np.testing.assert_allclose(float(y.value), 0.3 * (math.log(0.3) + 1.0), 1e-5)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of the mean of nothing
@pytest.mark.parametrize("loss", [pair[0] for pair in LOSSES_OF_PAIRS])
def test_the_mean_of_nothing_is_nan_and_the_sum_is_zero(backend: Backend, loss: Any) -> None:
    x = TensorNode(backend.asarray(np.zeros((0, 3)), "float32"))
    assert np.isnan(float(loss(x, x.value).value))
    total = loss(x, x.value, reduction="sum")
    assert float(total.value) == 0.0
    total.backward()
    assert x.grad.shape == loss(x, x.value, reduction="none").shape == (0, 3)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_batches_of_nothing_and_of_ignored_instances_give_nan(backend: Backend) -> None:
    x, t = np.zeros((0, 3), "float32"), np.zeros(0, "int64")
    x, t = backend.asarray(x), backend.asarray(t)
    assert np.isnan(float(losses.cross_entropy(x, t).value))
    assert np.isnan(float(losses.nll_loss(x, t).value))
    assert float(losses.cross_entropy(x, t, reduction="sum").value) == 0.0
    assert np.isnan(float(losses.kl_div(x, x, reduction="batchmean").value))
    x, t = backend.asarray([[1.0, 2.0]]), backend.asarray([-100])
    assert np.isnan(float(losses.cross_entropy(x, t).value))
    assert float(losses.cross_entropy(x, t, reduction="sum").value) == 0.0


# -- Refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: losses.mse_loss(X, Y, reduction="avg"), ValueError, "^mse_loss: reduction = 'av"),
        (lambda: losses.cross_entropy(X, CLASSES, reduction=None), ValueError, "reduction = None"),
        (lambda: losses.mse_loss(X, Y[:, :1]), ValueError, r"^mse_loss: .*\(5, 3\).*\(5, 1\)"),
        (lambda: losses.kl_div(X, Y, reduction="q"), ValueError, "^kl_div: .*'q'.*'batchmean'"),
        (lambda: losses.kl_div(X, Y[0]), ValueError, r"^kl_div: .*\(5, 3\).*\(3,\)"),
        (lambda: losses.cross_entropy(X, Y[:, :2]), ValueError, "^cross_entropy: .*one shape"),
        (lambda: losses.cross_entropy(X, [0, 1, 2, 3, 0]), IndexError, "3 is out of.* 0 to 2"),
        (lambda: losses.cross_entropy(X, [0, 1, 2, -1, 0]), IndexError, "-1 is out of.* 0 to 2"),
        (lambda: losses.nll_loss(X, [0, 1, 2, 3, 0]), IndexError, "3 is out of.* 0 to 2"),
        (lambda: losses.cross_entropy(X, [0, 1]), ValueError, r"\(5, 3\) and targets \(2,\)"),
        (lambda: losses.cross_entropy(X, CLASSES, [1.0, 2.0]), ValueError, r"weight has .*\(2,\)"),
        (
            lambda: losses.cross_entropy(X, CLASSES, WEIGHT.astype("float32")),
            TypeError,
            "^cross_entropy: weight is float32.*expected float64",
        ),
        (lambda: losses.cross_entropy(X, CLASSES, label_smoothing=2), ValueError, "smoothing = 2"),
        (lambda: losses.huber_loss(X, Y, delta=0), ValueError, "^huber_loss: delta = 0"),
        (lambda: losses.smooth_l1_loss(X, Y, beta=-1), ValueError, "^smooth_l1_loss: beta = -1"),
    ],
)
def test_refusals(call: Callable[[], Any], error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        call()


# -- Kernels: each override against the base definition -------------------------------------------


@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (40, 11), (6, 3, 4), (3, 5, 2, 2)])
@pytest.mark.parametrize("some", [False, True])
def test_kernels_are_the_base_definition(
    backend: Backend, dtype: str, shape: Any, some: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 64)
    rng = np.random.default_rng(1)
    rows = (shape[0], *shape[2:])
    x, go = backend.asarray(rng.normal(size=shape), dtype), rng.normal(size=rows)
    go, targets = backend.asarray(go, dtype), backend.asarray(rng.integers(0, shape[1], rows))
    ignored = backend.asarray(rng.uniform(size=rows) < 0.5) if some else None
    backwards = backend.asarray(backend.to_numpy(x).T.copy())
    for same in (x, backend.xp.permute_dims(backwards, tuple(range(len(shape)))[::-1])):
        for kernel, arguments in (
            ("cross_entropy", (same, targets, ignored)),
            ("cross_entropy_gradient", (same, go, targets, ignored)),
        ):
            expected = getattr(Backend, kernel)(backend, *arguments)
            found = getattr(backend, kernel)(*arguments)
            close(backend, found, backend.to_numpy(expected), dtype)


def test_no_array_of_one_hot_rows_is_made() -> None:
    """A step needs memory for the gradient and for one block, and no more."""
    import tracemalloc

    x = TensorNode(RNG.normal(size=(4096, 500)).astype("float32"))
    t = RNG.integers(0, 500, 4096)
    losses.cross_entropy(x, t).backward()  # which imports numba, if it is there
    x.zero_grad()
    tracemalloc.start()
    losses.cross_entropy(x, t).backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < x.value.nbytes + 2**21


def test_a_step_waits_for_the_device_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one wait checks the targets' range. Each Python number made of an array is a wait."""
    strict, waits = get("strict"), []
    kind = strict.array_types[0]

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda array: waits.append(function) or function(array)

    for name in ("__bool__", "__int__", "__float__", "__index__"):
        monkeypatch.setattr(kind, name, counted(getattr(kind, name)))
    x = TensorNode(strict.asarray(X))
    weight = strict.asarray(WEIGHT)
    loss = losses.cross_entropy(x, strict.asarray(CLASSES), weight, label_smoothing=0.1)
    loss.backward()
    assert len(waits) == 1


# -- Modules --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "function", "settings"),
    [
        (
            "CrossEntropyLoss",
            "cross_entropy",
            {"weight": WEIGHT, "ignore_index": 1, "label_smoothing": 0.1, "reduction": "sum"},
        ),
        ("NLLLoss", "nll_loss", {"weight": WEIGHT, "ignore_index": 1, "reduction": "sum"}),
        ("MSELoss", "mse_loss", {"reduction": "sum"}),
        ("L1Loss", "l1_loss", {"reduction": "sum"}),
        ("HuberLoss", "huber_loss", {"delta": 0.3, "reduction": "sum"}),
        ("SmoothL1Loss", "smooth_l1_loss", {"beta": 0.3, "reduction": "sum"}),
        (
            "BCEWithLogitsLoss",
            "binary_cross_entropy_with_logits",
            {"pos_weight": WEIGHT, "reduction": "sum"},
        ),
        ("KLDivLoss", "kl_div", {"log_target": True, "reduction": "sum"}),
    ],
)
def test_modules(module: str, function: str, settings: dict[str, Any]) -> None:
    target = CLASSES % 3 if function in ("cross_entropy", "nll_loss") else softmax(Y)
    for given in ({}, settings):
        loss = getattr(nn, module)(**given)
        expected = getattr(losses, function)(X, target, **given)
        np.testing.assert_array_equal(loss(X, target).value, expected.value)
        assert loss.parameters() == []
    if "weight" in settings:
        assert loss.to("strict").weight.value.__class__ in get("strict").array_types


def test_modules_have_torchs_defaults() -> None:
    torch = pytest.importorskip("torch")
    for name in nn.__all__:
        if name.endswith("Loss"):
            theirs = getattr(torch.nn, name)()
            for setting, x in vars(getattr(nn, name)()).items():
                assert getattr(theirs, setting) == x, (name, setting)
