"""Losses, as functions and as modules."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from itertools import product
from operator import add
from typing import Any

import numpy as np
import pytest
from comparing import close

import gradcore
from gradcore import TensorNode, check_gradients, grad, nn
from gradcore.backends import Backend, get
from gradcore.backends.numpy import blocks
from gradcore.functions import ctc_loss, losses, margins

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3))
IMAGES, LABELS = RNG.normal(size=(2, 3, 4, 2)), RNG.integers(0, 3, (2, 4, 2))
CLASSES = np.array([0, 2, 1, -100, 2])
WEIGHT = np.array([0.5, 2.0, 1.25])
POSITIVE = RNG.uniform(0.5, 2.0, (5, 3))
SIGNS = RNG.choice([-1, 1], (5, 3)).astype("int8")  # PyTorch wants floating ones
MANY = np.array([[1, 0, -1], [2, -1, 0], [-1, 1, 2], [0, 1, 2], [2, 2, -1]])  # true classes


def softmax(x: np.ndarray, axis: int = 1) -> np.ndarray:
    z = np.exp(x - x.max(axis=axis, keepdims=True))
    return z / z.sum(axis=axis, keepdims=True)


LOGS = np.log(softmax(RNG.normal(size=(7, 2, 4)), 2))
LABELS_OF_PATHS = np.array([[1, 1, 3], [3, 0, 1]])

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
    ("cross_entropy", (X[0], CLASSES[1]), {"weight": WEIGHT, "label_smoothing": 0.2}),
    ("cross_entropy", (X[0], softmax(Y)[0]), {}),
    ("nll_loss", (X[0], CLASSES[1]), {"weight": WEIGHT}),
    ("mse_loss", (X, Y), {"weight": POSITIVE}),
    ("l1_loss", (X, Y), {"weight": POSITIVE}),
    ("huber_loss", (X, Y), {"weight": POSITIVE, "delta": 0.3}),
    ("binary_cross_entropy", (softmax(X), softmax(Y)), {}),
    ("binary_cross_entropy", (softmax(X), softmax(Y)), {"weight": WEIGHT}),
    ("binary_cross_entropy_with_logits", (X, softmax(Y)), {"weight": POSITIVE}),
    ("gaussian_nll_loss", (X, Y, POSITIVE), {}),
    ("gaussian_nll_loss", (X, Y, POSITIVE[:, 0]), {"full": True}),
    ("gaussian_nll_loss", (X, Y, POSITIVE[:, :1]), {"eps": 0.9}),
    ("poisson_nll_loss", (X, 3 * POSITIVE), {"full": True}),
    ("poisson_nll_loss", (POSITIVE, 3 * POSITIVE), {"log_input": False, "eps": 0.1}),
    ("ctc_loss", (LOGS, LABELS_OF_PATHS, [7, 6], [3, 1]), {}),
    ("ctc_loss", (LOGS, LABELS_OF_PATHS.ravel()[:4], [7, 6], [3, 1]), {"blank": 2}),
    ("ctc_loss", (LOGS, LABELS_OF_PATHS, [7, 1], [3, 2]), {"zero_infinity": True}),
    ("ctc_loss", (LOGS, LABELS_OF_PATHS, [7, 5], [0, 3]), {}),
    ("ctc_loss", (LOGS[:, 0], LABELS_OF_PATHS[0], [7], [3]), {}),
    ("margin_ranking_loss", (X, Y, SIGNS), {"margin": 0.3}),
    ("hinge_embedding_loss", (X, SIGNS), {}),
    ("hinge_embedding_loss", (X, SIGNS), {"margin": 0.3}),
    ("cosine_embedding_loss", (X, Y, SIGNS[:, 0]), {"margin": 0.1}),
    ("cosine_embedding_loss", (X[0], Y[0], SIGNS[0, 0]), {}),
    ("triplet_margin_loss", (X, Y, POSITIVE), {}),
    ("triplet_margin_loss", (X, Y, POSITIVE), {"p": 3.0, "swap": True, "margin": 0.5}),
    ("triplet_margin_loss", (X[0], Y[0], POSITIVE[0]), {}),
    ("triplet_margin_with_distance_loss", (X, Y, POSITIVE), {"swap": True}),
    ("multi_margin_loss", (X, CLASSES % 3), {"weight": WEIGHT, "p": 2}),
    ("multi_margin_loss", (X, CLASSES % 3), {"margin": 0.4}),
    ("multi_margin_loss", (X[0], CLASSES[0]), {}),
    ("multi_margin_loss", (X[0], CLASSES[:1]), {"reduction": "none"}),
    ("multilabel_margin_loss", (X, MANY), {}),
    ("multilabel_margin_loss", (X[0], MANY[0]), {}),
    ("multilabel_soft_margin_loss", (X, softmax(Y)), {"weight": WEIGHT}),
    ("multilabel_soft_margin_loss", (X[0], softmax(Y)[0]), {}),
    ("soft_margin_loss", (X, SIGNS), {}),
    ("kl_div", (np.log(softmax(X)), softmax(Y)), {}),
    ("kl_div", (np.log(softmax(X)), np.log(softmax(Y))), {"log_target": True}),
    ("kl_div", (np.log(softmax(X)), softmax(Y)), {"reduction": "batchmean"}),
]


# Losses that PyTorch differentiates once only, or the second time with an epsilon;
# test_gradients_by_differences does it twice.
ONCE = ("binary_cross_entropy", "ctc_loss", "multi_margin_loss", "multilabel_margin_loss")


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")  # torch's, of kl_div
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("name", "inputs", "settings"), CALLS)
def test_against_torch(
    backend: Backend, dtype: str, name: str, inputs: Any, settings: Any, reduction: str
) -> None:
    """The loss, its gradient by all floating inputs, and the gradient of that."""
    torch = pytest.importorskip("torch")
    settings = {"reduction": reduction, **settings}

    def is_float(x: Any) -> bool:
        return isinstance(x, np.ndarray) and x.dtype == float

    def ours(x: Any) -> Any:
        return backend.asarray(x, dtype if is_float(x) else None) if hasattr(x, "dtype") else x

    def theirs(x: Any) -> Any:
        if not isinstance(x, np.ndarray | np.generic):
            return x
        floating = x.dtype in (float, np.int8)
        return torch.tensor(x, dtype=getattr(torch, dtype) if floating else None)

    nodes = [x if isinstance(x, list) else TensorNode(ours(x)) for x in inputs]
    tensors = [theirs(x) for x in inputs]
    floating = [t.requires_grad_() for t, x in zip(tensors, inputs, strict=True) if is_float(x)]
    first = (gradcore.log_softmax(nodes[0]), tensors[0].log_softmax(-1))
    first = first if name == "ctc_loss" else (nodes[0], tensors[0])  # see the docstring of ctc_loss
    y = getattr(gradcore, name)(
        first[0], *nodes[1:], **{key: ours(x) for key, x in settings.items()}
    )
    expected = getattr(torch.nn.functional, name)(
        first[1], *tensors[1:], **{key: theirs(x) for key, x in settings.items()}
    )
    close(backend, y, expected.detach().numpy(), dtype)

    nodes = [node for node in nodes if isinstance(node, TensorNode) and node.requires_grad]
    total = gradcore.Sum.do_forward(y * y)
    total.backward(create_graph=True)
    gs = [node.grad for node in nodes]
    total.zero_grad()
    twice = name not in ONCE
    slopes = torch.autograd.grad((expected * expected).sum(), floating, create_graph=twice)
    for g, slope in zip(gs, slopes, strict=True):
        close(backend, g, slope.detach().numpy(), dtype)
    if not twice:
        return
    reduce(add, [gradcore.Sum.do_forward(g * g) for g in gs]).backward()
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
    check_gradients(losses.binary_cross_entropy, p, softmax(X))
    check_gradients(lambda x: ctc_loss(x, LABELS_OF_PATHS, [7, 5], [3, 2]), LOGS)
    check_gradients(lambda x: gradcore.multi_margin_loss(x, t % 3, p=2, weight=WEIGHT), X)
    check_gradients(lambda x: gradcore.multilabel_margin_loss(x, MANY), X)


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


# -- Connectionist temporal classification --------------------------------------------------------


def collapsed(path: tuple[int, ...], blank: int) -> list[int]:
    """Take repetitions out of a path, and then the blanks."""
    return [c for i, c in enumerate(path) if c != blank and (not i or path[i - 1] != c)]


@pytest.mark.parametrize("blank", [0, 2])
def test_the_ctc_loss_is_the_sum_over_all_paths(backend: Backend, dtype: str, blank: int) -> None:
    p = softmax(RNG.normal(size=(5, 4, 3)), 2)
    labels = [[1, 1], [1, 0] if blank else [1, 2], [1, 1], [1, 1]]
    times, sizes = [5, 4, 3, 2], [2, 2, 1, 0]
    expected = []
    for n in range(4):
        paths = product(range(3), repeat=times[n])
        wanted = [path for path in paths if collapsed(path, blank) == labels[n][: sizes[n]]]
        expected += [-math.log(sum(math.prod(p[t, n, c] for t, c in enumerate(w)) for w in wanted))]
    logs = TensorNode(backend.asarray(np.log(p), dtype))
    row = [c for n in range(4) for c in labels[n][: sizes[n]]]
    for targets in (backend.asarray(labels), row):
        each = gradcore.ctc_loss(logs, targets, times, sizes, blank, "none")
        close(backend, each, np.array(expected), dtype)
    mean = gradcore.ctc_loss(logs, labels, backend.asarray(times), tuple(sizes), blank)
    close(backend, mean, np.mean(np.array(expected) / [2, 2, 1, 1]), dtype)
    for n in range(4):
        one = gradcore.ctc_loss(logs[:, n, :], labels[n], times[n], sizes[n], blank, "none")
        assert one.shape == ()
        close(backend, one, np.array(expected[n]), dtype)
    # Each time that counts, one state is taken; other times have no gradient.
    gradcore.Sum.do_forward(each).backward()
    counts = np.arange(5)[:, None] < np.array(times)
    close(backend, gradcore.Sum.do_forward(TensorNode(logs.grad), axis=2), -1.0 * counts, dtype)


@pytest.mark.parametrize("zero_infinity", [False, True])
def test_what_has_no_path_is_infinite_or_does_not_count(
    backend: Backend, zero_infinity: bool
) -> None:
    """Two equal labels need three times; no time suffices for one label, and for none."""
    logs = TensorNode(backend.asarray(LOGS[:, [0, 0, 1, 1], :], "float32"))
    targets, times, sizes = [[1, 1], [1, 1], [3, 3], [3, 3]], [3, 2, 0, 0], [2, 2, 1, 0]
    settings = {"reduction": "none", "zero_infinity": zero_infinity}
    y = gradcore.ctc_loss(logs, targets, times, sizes, **settings)
    none = 0.0 if zero_infinity else math.inf
    expected = [-LOGS[[0, 1, 2], 0, [1, 0, 1]].sum(), none, none, 0.0]
    np.testing.assert_allclose(backend.to_numpy(y.value), expected, 1e-5)
    gradcore.Sum.do_forward(y).backward()
    nans = np.isnan(backend.to_numpy(logs.grad))
    assert nans.any() == nans[:2, 1].any() == (not zero_infinity)
    assert not nans[2:].any()
    assert not nans[:, [0, 2, 3]].any()


# -- At the ends of the domain -------------------------------------------------------------------


def test_binary_cross_entropy_of_certainties(backend: Backend) -> None:
    x = TensorNode(backend.asarray([0.0, 1.0, 0.0, 1.0, 1.5, -0.1], "float32"))
    t = backend.asarray([0.0, 1.0, 1.0, 0.0, 0.5, 0.5], "float32")
    y = losses.binary_cross_entropy(x, t, reduction="none")
    assert backend.to_numpy(y.value)[:4].tolist() == [0.0, 0.0, 100.0, 100.0]
    assert np.isnan(backend.to_numpy(y.value)[4:]).all()
    gradcore.Sum.do_forward(y[:4]).backward()
    np.testing.assert_array_equal(backend.to_numpy(x.grad)[:4], [1.0, -1.0, 0.0, 0.0])


def test_variances_that_are_small_or_negative(backend: Backend) -> None:
    """A small one counts as eps, and gets the gradient of eps; a negative one gives NaN."""
    var = TensorNode(backend.asarray([0.0, 0.25, -1.0], "float32"))
    x, t = backend.asarray([1.0] * 3, "float32"), backend.asarray([0.0] * 3, "float32")
    y = losses.gaussian_nll_loss(x, t, var, eps=0.25, reduction="none")
    half = 0.5 * (math.log(0.25) + 4.0)
    np.testing.assert_allclose(backend.to_numpy(y.value), [half, half, math.nan], 1e-5)
    gradcore.Sum.do_forward(y[:2]).backward()
    np.testing.assert_allclose(backend.to_numpy(var.grad)[:2], [-6.0, -6.0], 1e-5)


# -- Refusals -------------------------------------------------------------------------------------


def ctc(**changed: Any) -> TensorNode:
    given = {"log_probs": LOGS, "targets": LABELS_OF_PATHS}
    lengths = {"input_lengths": [7, 7], "target_lengths": [3, 3]}
    return ctc_loss(**{**given, **lengths, **changed})


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
        (lambda: ctc(input_lengths=[8, 7]), IndexError, "^ctc_loss: input_lengths: 8 is out of"),
        (lambda: ctc(target_lengths=[3, 4]), IndexError, "^ctc_loss: target_lengths: 4 is out"),
        (lambda: ctc(targets=[[1, 2, 4], [1, 2, 3]]), IndexError, "^ctc_loss: targets: 4 is out"),
        (lambda: ctc(targets=[1, 2, 3]), ValueError, "^ctc_loss: found 3 targets.* sum up to 6"),
        (lambda: ctc(targets=[[1, 2, 3]]), ValueError, r"^ctc_loss: targets have shape \(1, 3\)"),
        (lambda: ctc(targets=[[0.5] * 3] * 2), TypeError, "^ctc_loss: found float"),
        (lambda: ctc(input_lengths=[7]), ValueError, r"^ctc_loss: input_lengths have .*\(2,\)"),
        (lambda: ctc(log_probs=X[0]), ValueError, r"^ctc_loss: log_probs has shape \(3,\)"),
        (lambda: ctc(blank=4), ValueError, "^ctc_loss: blank = 4, expected 0 to 3"),
        (lambda: ctc(reduction="q"), ValueError, "^ctc_loss: reduction = 'q'"),
        (
            lambda: losses.mse_loss(X, Y, weight=WEIGHT),
            ValueError,
            r"^mse_loss: weight has .*\(3,\)",
        ),
        (
            lambda: losses.binary_cross_entropy(X, Y, np.ones((2, 5, 3))),
            ValueError,
            r"^binary_cross_entropy: weight \(2, 5, 3\) and input \(5, 3\)",
        ),
        (
            lambda: losses.gaussian_nll_loss(X, Y, POSITIVE[:2]),
            ValueError,
            r"^gaussian_nll_loss: input \(5, 3\) and var \(2, 3\)",
        ),
        (lambda: losses.gaussian_nll_loss(X, Y, POSITIVE, eps=0), ValueError, "eps = 0, expected"),
        (
            lambda: margins.triplet_margin_loss(X, Y, X, margin=0),
            ValueError,
            "^triplet_margin_loss: margin = 0, expected",
        ),
        (lambda: margins.triplet_margin_loss(X, Y, X[0]), ValueError, r"\(3,\), expected as many"),
        (lambda: margins.multi_margin_loss(X, CLASSES % 3, p=3), ValueError, "p = 3, expected 1"),
        (lambda: margins.multi_margin_loss(X, CLASSES), IndexError, "-100 is out of range"),
        (lambda: margins.multilabel_margin_loss(X, MANY + 1), IndexError, "3 is out of range"),
        (lambda: margins.multilabel_margin_loss(X, MANY[:2]), ValueError, "expected one shape"),
        (
            lambda: margins.cosine_embedding_loss(X, Y, SIGNS),
            ValueError,
            r"^cosine_embedding_loss: shapes .*expected \(N, D\), \(N, D\), \(N,\)",
        ),
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


MODULES: list[tuple[str, str, tuple[Any, ...], dict[str, Any]]] = [
    ("MSELoss", "mse_loss", (X, Y), {}),
    ("L1Loss", "l1_loss", (X, Y), {}),
    ("HuberLoss", "huber_loss", (X, Y), {"delta": 0.3}),
    ("SmoothL1Loss", "smooth_l1_loss", (X, Y), {"beta": 0.3}),
    ("BCELoss", "binary_cross_entropy", (softmax(X), softmax(Y)), {"weight": WEIGHT}),
    (
        "BCEWithLogitsLoss",
        "binary_cross_entropy_with_logits",
        (X, softmax(Y)),
        {"weight": WEIGHT, "pos_weight": WEIGHT},
    ),
    ("KLDivLoss", "kl_div", (X, softmax(Y)), {"log_target": True}),
    ("GaussianNLLLoss", "gaussian_nll_loss", (X, Y, POSITIVE), {"full": True, "eps": 0.9}),
    ("PoissonNLLLoss", "poisson_nll_loss", (POSITIVE, Y), {"log_input": False, "eps": 0.1}),
    ("CTCLoss", "ctc_loss", (LOGS, LABELS_OF_PATHS, [7, 6], [3, 2]), {"blank": 2}),
    ("MarginRankingLoss", "margin_ranking_loss", (X, Y, SIGNS), {"margin": 0.3}),
    ("HingeEmbeddingLoss", "hinge_embedding_loss", (X, SIGNS), {"margin": 0.3}),
    ("CosineEmbeddingLoss", "cosine_embedding_loss", (X, Y, SIGNS[:, 0]), {"margin": 0.3}),
    ("TripletMarginLoss", "triplet_margin_loss", (X, Y, -X), {"p": 1.0, "swap": True}),
    (
        "TripletMarginWithDistanceLoss",
        "triplet_margin_with_distance_loss",
        (X, Y, -X),
        {"distance_function": gradcore.cosine_similarity, "margin": 0.5},
    ),
    ("MultiMarginLoss", "multi_margin_loss", (X, CLASSES % 3), {"p": 2, "weight": WEIGHT}),
    ("MultiLabelMarginLoss", "multilabel_margin_loss", (X, MANY), {}),
    ("MultiLabelSoftMarginLoss", "multilabel_soft_margin_loss", (X, Y), {"weight": WEIGHT}),
    ("SoftMarginLoss", "soft_margin_loss", (X, SIGNS), {}),
    ("NLLLoss", "nll_loss", (X, CLASSES % 3), {"weight": WEIGHT, "ignore_index": 1}),
    (
        "CrossEntropyLoss",
        "cross_entropy",
        (X, CLASSES % 3),
        {"weight": WEIGHT, "ignore_index": 1, "label_smoothing": 0.1},
    ),
]


@pytest.mark.parametrize(("module", "function", "inputs", "settings"), MODULES)
def test_modules(module: str, function: str, inputs: Any, settings: dict[str, Any]) -> None:
    for given in ({}, {"reduction": "sum", **settings}):
        loss = getattr(nn, module)(**given)
        expected = getattr(gradcore, function)(*inputs, **given)
        np.testing.assert_array_equal(loss(*inputs).value, expected.value)
        assert loss.parameters() == []
        assert all(f"{name}" in repr(loss) for name in given), "repr shows what was set"
    if "weight" in settings:
        assert loss.to("strict").weight.value.__class__ in get("strict").array_types


def test_every_loss_is_a_module() -> None:
    functions = {row[1] for row in MODULES} | {"celoss", "logceloss"}
    assert functions == {*losses.__all__, *margins.__all__, "ctc_loss"}
    assert {row[0] for row in MODULES} == {name for name in nn.__all__ if name.endswith("Loss")}


def test_a_setting_that_a_loss_has_not_is_named() -> None:
    with pytest.raises(TypeError, match=r"^HuberLoss: .*'size_average'; expected HuberLoss\("):
        nn.HuberLoss(size_average=True)


def test_modules_have_torchs_defaults() -> None:
    torch = pytest.importorskip("torch")
    for name in nn.__all__:
        if name.endswith("Loss"):
            theirs = getattr(torch.nn, name)()
            for setting, x in vars(getattr(nn, name)()).items():
                if setting != "distance_function":  # PyTorch's is `pairwise_distance`, ours None
                    assert getattr(theirs, setting) == x, (name, setting)
