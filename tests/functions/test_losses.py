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
