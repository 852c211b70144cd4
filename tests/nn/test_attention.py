"""Attention and transformers: layers against PyTorch's twins, and what holds without PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import gradcore
from gradcore import TensorNode, array_api, grad, manual_seed, nn
from gradcore.backends import Backend

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def chosen(*shape: int) -> np.ndarray:
    """True where a query does not look; each query looks at the first key."""
    mask = RNG.uniform(size=shape) < 0.3
    mask[..., 0] = False
    return mask


class Twin(NamedTuple):
    """A layer of the same name in both libraries, its settings and its inputs."""

    name: str
    sizes: tuple[Any, ...]
    settings: dict[str, Any]
    inputs: list[np.ndarray]
    options: Any = None
    copies: int = 1  # how often the input is given, as query, key and value


CAUSAL = np.triu(np.full((5, 5), -np.inf), 1)
X, MEMORY = normal(5, 3, 6), normal(4, 3, 6)
FIRST, MEMORY_FIRST = X.swapaxes(0, 1), MEMORY.swapaxes(0, 1)
PRE = {"norm_first": True, "activation": "gelu", "batch_first": True}
ATTENTION, SIZES = "MultiheadAttention", (6, 2, 7, 0.0)
TWINS = [
    Twin(ATTENTION, (6, 2), {}, [X], copies=3),
    Twin(ATTENTION, (6, 2), {}, [X], {"need_weights": False}, 3),
    Twin(ATTENTION, (6, 2), {}, [X], {"attn_mask": CAUSAL, "is_causal": True}, 3),
    Twin(
        ATTENTION,
        (6, 2),
        {"bias": False},
        [X],
        {"attn_mask": CAUSAL, "is_causal": True, "need_weights": False},
        3,
    ),
    Twin(
        ATTENTION,
        (6, 2),
        {"batch_first": True},
        [FIRST, MEMORY_FIRST, normal(3, 4, 6)],
        {"average_attn_weights": False},
    ),
    Twin(
        ATTENTION,
        (6, 2),
        {"batch_first": True, "kdim": 5, "vdim": 4},
        [FIRST, normal(3, 4, 5), normal(3, 4, 4)],
        {"key_padding_mask": chosen(3, 4)},
    ),
    Twin(
        ATTENTION,
        (6, 3),
        {"bias": False, "add_zero_attn": True},
        [X, MEMORY, normal(4, 3, 6)],
        {"attn_mask": normal(5, 4), "need_weights": False},
    ),
    Twin(
        ATTENTION,
        (6, 3),
        {"add_bias_kv": True, "add_zero_attn": True},
        [X, MEMORY, normal(4, 3, 6)],
        {"attn_mask": chosen(9, 5, 4), "key_padding_mask": chosen(3, 4)},
    ),
    Twin(
        ATTENTION,
        (6, 3),
        {"add_bias_kv": True},
        [X[:, 0], MEMORY[:, 0], normal(4, 6)],
        {"attn_mask": chosen(3, 5, 4), "key_padding_mask": chosen(4)},
    ),
    Twin("TransformerEncoderLayer", SIZES, {}, [X], {"src_mask": CAUSAL, "is_causal": True}),
    Twin("TransformerEncoderLayer", SIZES, {"bias": False, "layer_norm_eps": 1e-3}, [X[:, 0]]),
    Twin("TransformerEncoderLayer", SIZES, PRE, [FIRST], {"src_key_padding_mask": chosen(3, 5)}),
    Twin("TransformerDecoderLayer", SIZES, {}, [X, MEMORY], {"tgt_mask": CAUSAL}),
    Twin("TransformerDecoderLayer", SIZES, {"bias": False}, [X[:, 0], MEMORY[:, 0]]),
    Twin(
        "TransformerDecoderLayer",
        SIZES,
        PRE,
        [FIRST, MEMORY_FIRST],
        {"tgt_mask": CAUSAL, "tgt_is_causal": True, "memory_mask": chosen(5, 4)},
    ),
    Twin("Transformer", (6, 2, 2, 2, 7, 0.0), {}, [MEMORY, X], {"tgt_mask": CAUSAL}),
    Twin("Transformer", (6, 2, 1, 1, 7, 0.0), PRE, [MEMORY_FIRST, FIRST], {"tgt_mask": CAUSAL}),
    Twin("Bilinear", (3, 4, 5), {}, [normal(2, 6, 3), normal(2, 6, 4)]),
    Twin("Linear", (3, 4), {}, [normal(2, 6, 3)]),
    Twin("Linear", (3, 4), {"bias": False}, [normal(3)]),
]


def values(y: Any) -> list[Any]:
    return [x for x in (y if isinstance(y, tuple) else (y,)) if x is not None]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("twin", TWINS, ids=lambda t: f"{t.name}-{'-'.join({**t.settings})}")
def test_layers_against_their_twins(twin: Twin) -> None:
    """Outputs, and gradients of inputs and parameters, from PyTorch's weights."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs = getattr(torch.nn, twin.name)(*twin.sizes, **twin.settings, dtype=torch.float64)
    with torch.no_grad():
        for p in theirs.parameters():
            p += 0.3 * torch.randn(p.shape, dtype=torch.float64)
    ours = getattr(nn, twin.name)(*twin.sizes, **twin.settings, dtype="float64")
    nn.load_torch_state_dict(ours, theirs.state_dict())
    tensors = [torch.tensor(x, requires_grad=True) for x in twin.inputs]
    nodes = [TensorNode(x) for x in twin.inputs]
    given = twin.options or {}
    options = {k: torch.tensor(x) if isinstance(x, np.ndarray) else x for k, x in given.items()}
    expected = values(theirs(*tensors * twin.copies, **options))
    found = values(ours(*nodes * twin.copies, **given))
    assert len(found) == len(expected)
    losses: list[Any] = [0.0, 0.0]
    for y, t in zip(found, expected, strict=True):
        np.testing.assert_allclose(y.value, t.detach().numpy(), atol=1e-12)
        weights = np.cos(np.arange(y.size)).reshape(y.shape)
        losses[0] = losses[0] + array_api.sum(y * weights)
        losses[1] = losses[1] + (t * torch.tensor(weights)).sum()
    for loss in losses:
        loss.backward()
    for node, t in zip(nodes, tensors, strict=True):
        np.testing.assert_allclose(node.grad, t.grad.numpy(), atol=1e-11)
    for (_, node), (name, p) in zip(
        sorted(ours.named_parameters()), sorted(theirs.named_parameters()), strict=True
    ):
        gradient = np.zeros(p.shape) if p.grad is None else p.grad.numpy()
        np.testing.assert_allclose(node.grad.reshape(p.shape), gradient, atol=1e-11, err_msg=name)


def test_a_causal_transformer_does_not_see_what_comes_later(backend: Backend) -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True, norm_first=True)
    model = nn.TransformerEncoder(layer, 2, nn.LayerNorm(8))
    mask = nn.Transformer.generate_square_subsequent_mask(6)
    x = RNG.normal(size=(2, 6, 8)).astype("float32")
    later = x.copy()
    later[:, 4:] *= -1.0
    for hint in (True, False):
        y, z = (
            backend.to_numpy(model(backend.asarray(a), mask, is_causal=hint).value)
            for a in (x, later)
        )
        np.testing.assert_allclose(y[:, :4], z[:, :4], atol=1e-6)
        assert np.abs(y[:, 4:] - z[:, 4:]).max() > 1e-2


def test_layers_of_a_stack_start_equal_and_are_trained_apart() -> None:
    stack = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 2)
    states = [layer.state_dict() for layer in stack.layers]
    assert all(np.array_equal(states[0][name], states[1][name]) for name in states[0])
    first, second = (layer.self_attn.in_proj_weight for layer in stack.layers)
    assert first is not second
    assert not np.shares_memory(first.value, second.value)


def test_a_transformer_draws_each_matrix_anew() -> None:
    model = nn.Transformer(4, 2, 2, 1, 8)
    weights = [layer.linear1.w.value for layer in model.encoder.layers]
    assert not np.array_equal(*weights)
    assert np.abs(weights[0]).max() <= (6 / 12) ** 0.5
    assert not model.encoder.layers[0].self_attn.out_proj.b.value.any()


def test_attention_of_a_query_that_looks_at_no_key_is_the_bias(backend: Backend) -> None:
    layer = nn.MultiheadAttention(4, 2)
    x = backend.asarray(RNG.normal(size=(3, 1, 4)).astype("float32"))
    mask = backend.asarray(np.array([[False] * 3, [True] * 3, [False] * 3]))
    for needed in (True, False):
        y, weights = layer(x, x, x, attn_mask=mask, need_weights=needed)
        np.testing.assert_array_equal(backend.to_numpy(y.value)[1], np.zeros((1, 4)))
        assert weights is None or not backend.to_numpy(weights.value)[0, 1].any()


def test_attention_drops_weights_in_training_only() -> None:
    manual_seed(0)
    layer, x = nn.MultiheadAttention(4, 1, dropout=0.5), np.ones((100, 1, 4), "float32")
    _, weights = layer(x, x, x)
    assert set((weights.value * 100).round(5).ravel()) == {0.0, 2.0}
    _, weights = layer.eval()(x, x, x)
    np.testing.assert_allclose(weights.value, 0.01, rtol=1e-5)


def test_second_derivatives_through_a_transformer_layer() -> None:
    """The gradient of a squared gradient, against differences."""
    layer = nn.TransformerEncoderLayer(4, 2, 6, 0.0, activation="gelu", dtype="float64")
    x, direction = RNG.normal(size=(3, 2, 4)), RNG.normal(size=(3, 2, 4))
    weights = np.sin(np.arange(24.0)).reshape(3, 2, 4)
    gradient = grad(lambda x: array_api.sum(layer(x) * weights))

    def slope(x: Any) -> Any:
        return array_api.sum(gradient(x) ** 2)

    def value(x: np.ndarray) -> float:
        return float(slope(TensorNode(x)))

    found = np.sum(grad(slope)(TensorNode(x)).value * direction)
    h = 1e-5
    expected = (value(x + h * direction) - value(x - h * direction)) / (2 * h)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_linear_takes_pytorchs_names_of_its_sizes() -> None:
    layer = nn.Linear(in_features=3, out_features=2)
    assert (layer.in_features, layer.out_features) == (layer.input_size, layer.output_size)
    assert layer.w.shape == (2, 3)
    with pytest.raises(TypeError, match="Linear: input_size is given twice"):
        nn.Linear(3, 2, in_features=3)
    with pytest.raises(ValueError, match=r"Linear: input_size = None"):
        nn.Linear()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nn.MultiheadAttention(5, 2), "embed_dim = 5, expected a multiple of num_heads"),
        (lambda: nn.MultiheadAttention(4, 0), "num_heads = 0"),
        (lambda: nn.MultiheadAttention(4, 2, 1.5), "dropout = 1.5"),
        (lambda: nn.MultiheadAttention(6, 2)(X, MEMORY, X), r"query .*\(5, 3, 6\).*\(4, 3, 6\)"),
        (
            lambda: nn.MultiheadAttention(6, 2, dtype="float64")(X, X, X, is_causal=True),
            "is_causal says that attn_mask is causal, and there is none",
        ),
        (
            lambda: nn.MultiheadAttention(6, 2, dtype="float64")(X, X, X, attn_mask=CAUSAL[:3]),
            r"attn_mask is float64 \(3, 5\), expected \(5, 5\) or \(6, 5, 5\)",
        ),
        (
            lambda: nn.MultiheadAttention(6, 2, dtype="float64")(X, X, X, chosen(5, 3)),
            r"key_padding_mask is float64 \(5, 3\), expected \(3, 5\)",
        ),
        (lambda: nn.TransformerEncoderLayer(4, 2, activation="tanh"), "activation = 'tanh'"),
        (lambda: nn.Transformer(6, 2, 1, 1)(X, MEMORY[:, :2]), r"src is .*\(5, 3, 6\) and tgt"),
        (lambda: gradcore.bilinear(X, MEMORY, normal(2, 6, 6)), r"bilinear: x1 .*\(4, 3, 6\)"),
    ],
)
def test_refusals(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        call()
    assert "\n" not in str(error.value)


def test_masks_of_integers_are_refused() -> None:
    layer = nn.MultiheadAttention(6, 2, dtype="float64")
    with pytest.raises(TypeError, match="attn_mask is int64"):
        layer(X, X, X, attn_mask=np.ones((5, 5), "int64"))
