"""Recurrent layers and cells, and packed sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gradcore
from gradcore import Module, TensorNode, nn
from gradcore.array_api import concat, permute_dims, stack
from gradcore.nn.utils import rnn

T, N, M, H = 5, 3, 4, 6
LENGTHS = [3, 5, 1]
LAYERS: list[tuple[str, dict[str, Any]]] = [
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu", "bidirectional": True, "bias": False}),
    ("RNN", {"num_layers": 2, "batch_first": True}),
    ("GRU", {}),
    ("GRU", {"num_layers": 2, "bidirectional": True, "batch_first": True}),
    ("GRU", {"bias": False}),
    ("LSTM", {}),
    ("LSTM", {"num_layers": 2, "bidirectional": True}),
    ("LSTM", {"bias": False, "batch_first": True}),
    ("LSTM", {"proj_size": 2}),
    ("LSTM", {"proj_size": 3, "num_layers": 2, "bidirectional": True, "bias": False}),
]
each_layer = pytest.mark.parametrize(("name", "options"), LAYERS, ids=lambda x: str(x))


def drawn(backend: Any, *shape: int, dtype: Any = "float32", seed: int = 0) -> TensorNode:
    x = np.random.default_rng([seed, *shape]).standard_normal(shape)
    return TensorNode(backend.asarray(x, dtype))


def states_of(backend: Any, layer: Any, dtype: str = "float32", n: int = N) -> Any:
    count = layer.num_layers * (1 + layer.bidirectional)
    h = drawn(backend, count, n, layer.proj_size or H, dtype=dtype)
    return (h, drawn(backend, count, n, H, dtype=dtype, seed=1)) if layer.gates == 4 else h


def each(states: Any) -> tuple[Any, ...]:
    return states if isinstance(states, tuple) else (states,)


def close(backend: Any, x: Any, y: Any, tolerance: float = 2e-5) -> None:
    x, y = (backend.to_numpy(a.value if isinstance(a, TensorNode) else a) for a in (x, y))
    assert x.shape == y.shape
    np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


@each_layer
def test_padded_batch_gives_what_each_sequence_gives_alone(
    backend: Any, name: str, options: dict[str, Any]
) -> None:
    layer = getattr(nn, name)(M, H, **options)
    x, states = drawn(backend, T, N, M), states_of(backend, layer)
    batch = permute_dims(x, (1, 0, 2)) if layer.batch_first else x
    y, last = layer(batch, states, lengths=LENGTHS)
    y = permute_dims(y, (1, 0, 2)) if layer.batch_first else y
    for n, length in enumerate(LENGTHS):
        alone = [s[:, n, :] for s in each(states)]
        expected, ends = layer(x[:length, n, :], tuple(alone) if len(alone) > 1 else alone[0])
        close(backend, y[:length, n, :], expected)
        assert not np.any(backend.to_numpy(y.value)[length:, n])
        for end, state in zip(each(ends), each(last), strict=True):
            close(backend, state[:, n, :], end)


@each_layer
def test_packed_sequences_give_what_padded_ones_give(
    backend: Any, name: str, options: dict[str, Any]
) -> None:
    layer = getattr(nn, name)(M, H, **options)
    x, states = drawn(backend, T, N, M), states_of(backend, layer)
    packed = rnn.pack_padded_sequence(x, LENGTHS, enforce_sorted=False)
    results, last = layer(packed, states)
    y, lengths = rnn.pad_packed_sequence(results, layer.batch_first)
    given = permute_dims(x, (1, 0, 2)) if layer.batch_first else x
    expected, ends = layer(given, states, lengths=LENGTHS)
    assert lengths.tolist() == LENGTHS
    for a, b in zip((y, *each(last)), (expected, *each(ends)), strict=True):
        close(backend, a, b)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_layer_is_its_cell_step_by_step_and_backwards_from_the_last(
    backend: Any, name: str
) -> None:
    layer = getattr(nn, name)(M, H, bidirectional=True)
    x, outputs, ends = drawn(backend, T, N, M), [], []
    for end, order in (("", range(T)), ("_reverse", range(T - 1, -1, -1))):
        cell, h, hs = getattr(nn, f"{name}Cell")(M, H), None, {}
        for node, names in (("weight_ih", "weight_hh"), ("bias_ih", "bias_hh")):
            for part in (node, names):
                getattr(cell, part).value = getattr(layer, f"{part}_l0{end}").value
        for t in order:
            h = cell(x[t, ...], h)
            hs[t] = each(h)[0]
        outputs.append(stack([hs[t] for t in range(T)]))
        ends.append(each(h))
    y, last = layer(x)
    close(backend, y, concat(outputs, axis=2))
    for state, parts in zip(each(last), zip(*ends, strict=True), strict=True):
        close(backend, state, stack(parts))


def test_gru_cell_is_its_formula(backend: Any) -> None:
    cell = nn.GRUCell(2, 3)
    w, v, b, a = (backend.to_numpy(p.value) for p in cell.parameters())
    x, h = np.asarray([[0.5, -1.0]], "f4"), np.asarray([[0.1, 0.2, -0.3]], "f4")
    z, s = np.split(x @ w.T + b, 3, 1), np.split(h @ v.T + a, 3, 1)
    r, u = (1 / (1 + np.exp(-(p + q))) for p, q in zip(z[:2], s[:2], strict=True))
    expected = (1 - u) * np.tanh(z[2] + r * s[2]) + u * h
    close(backend, cell(backend.asarray(x), backend.asarray(h)), backend.asarray(expected))


def test_padding_of_lengths_may_hold_anything(backend: Any) -> None:
    layer, x = nn.LSTM(M, H, bidirectional=True), np.ones((T, N, M), "f4")
    clean = layer(backend.asarray(x), lengths=LENGTHS)[0]
    for n, length in enumerate(LENGTHS):
        x[length:, n] = np.nan
    node = TensorNode(backend.asarray(x))
    y, _ = layer(node, lengths=LENGTHS)
    close(backend, y, clean)
    gradcore.Sum.do_forward(y).backward()
    for gradient in (node.grad, layer.weight_ih_l0.grad, layer.weight_hh_l0_reverse.grad):
        assert np.isfinite(backend.to_numpy(gradient)).all()


def test_initial_weights_are_uniform_up_to_one_over_the_root_of_the_size(backend: Any) -> None:
    for module in (nn.LSTM(3, 64, 2, proj_size=8), nn.GRUCell(3, 64), nn.RNN(5, 64)):
        for p in module.parameters():
            x = backend.to_numpy(p.value)
            assert abs(x).max() <= 1 / 8
            assert x.size < 100 or abs(x).max() > 0.12


def test_dropout_is_between_layers_and_in_training_only(backend: Any) -> None:
    layer, x = nn.GRU(M, H, 2, dropout=1.0), drawn(backend, T, N, M)
    zeroed, whole = layer(x)[0], layer.eval()(x)[0]
    ours = backend.to_numpy(zeroed.value)
    np.testing.assert_array_equal(ours[:, :1], ours[:, 1:2])  # the second layer sees zeros only
    assert np.ptp(backend.to_numpy(whole.value), axis=1).max() > 0.01
    with pytest.warns(UserWarning, match="one layer"):
        nn.LSTM(M, H, dropout=0.5)


def test_gradients_of_two_layers_are_those_of_differences(backend: Any) -> None:
    for name in ("RNN", "GRU", "LSTM"):
        layer = getattr(nn, name)(2, 3, 2, bidirectional=True)
        x = drawn(backend, 3, 2, 2)

        def loss(x: Any, layer: Module = layer) -> Any:
            y, last = layer(x, lengths=[3, 2])
            return gradcore.Sum.do_forward(y * y) + gradcore.Sum.do_forward(each(last)[-1])

        total = loss(x)
        total.backward()
        w = layer.weight_hh_l0_reverse
        for node in (x, w):
            value, gradient = backend.to_numpy(node.value), backend.to_numpy(node.grad)
            along = np.random.default_rng(0).choice([-1.0, 1.0], value.shape)
            ends = []
            for step in (-1e-2, 1e-2):
                node.value = backend.asarray((value + step * along).astype(value.dtype))
                ends.append(float(loss(x)))
            node.value = backend.asarray(value)
            slope = (ends[1] - ends[0]) / 2e-2
            assert abs(slope - (gradient * along).sum()) < 1e-3 * max(1, abs(slope))


def test_one_sequence_needs_no_batch(backend: Any) -> None:
    layer, x = nn.LSTM(M, H, batch_first=True), drawn(backend, T, M)
    h, c = drawn(backend, 1, H), drawn(backend, 1, H, seed=1)
    y, (h_n, c_n) = layer(x, (h, c))
    expected, ends = layer(x[None, ...], (h[:, None, :], c[:, None, :]))
    close(backend, y, expected[0, ...])
    close(backend, h_n, ends[0][:, 0, :])
    assert c_n.shape == (1, H)
    assert nn.LSTMCell(M, H)(x[0, :])[0].shape == (H,)


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "hidden size": (lambda: nn.GRU(3, 0), ValueError, "hidden_size = 0"),
    "layers": (lambda: nn.RNN(3, 2, 0), ValueError, "num_layers = 0"),
    "dropout": (lambda: nn.RNN(3, 2, 2, dropout=1.5), ValueError, "dropout = 1.5"),
    "nonlinearity": (lambda: nn.RNN(3, 2, nonlinearity="elu"), ValueError, "'elu'"),
    "projection": (lambda: nn.LSTM(3, 2, proj_size=2), ValueError, "proj_size = 2"),
    "dtype": (lambda: nn.LSTM(3, 2, dtype="int32"), TypeError, "int32"),
    "features": (lambda: nn.GRU(3, 2)(np.zeros((2, 2, 4), "f4")), ValueError, "I = 3"),
    "axes": (lambda: nn.GRU(3, 2)(np.zeros((3,), "f4")), ValueError, r"\(T, I\)"),
    "no steps": (lambda: nn.LSTM(3, 2)(np.zeros((0, 2, 3), "f4")), ValueError, "steps|Lstm"),
    "no steps of a GRU": (lambda: nn.GRU(3, 2)(np.zeros((0, 2, 3), "f4")), ValueError, "step"),
    "states": (
        lambda: nn.LSTM(3, 2)(np.zeros((1, 2, 3), "f4"), (np.zeros((1, 2, 2), "f4"),)),
        ValueError,
        r"\(1, 2, 2\) and \(1, 2, 2\)",
    ),
    "another dtype": (lambda: nn.RNN(3, 2)(np.zeros((1, 1, 3))), TypeError, "one dtype"),
    "cell": (lambda: nn.LSTMCell(3, 2)(np.zeros((1, 1, 3), "f4")), ValueError, r"\(N, 3\)"),
    "states of a cell": (
        lambda: nn.GRUCell(3, 2)(np.zeros((1, 3), "f4"), np.zeros((1, 3), "f4")),
        ValueError,
        r"\(1, 2\)",
    ),
    "lengths": (
        lambda: nn.GRU(3, 2)(np.zeros((2, 2, 3), "f4"), lengths=[2, 3]),
        ValueError,
        "from 1 to 2",
    ),
    "no length": (
        lambda: rnn.pack_padded_sequence(np.zeros((2, 2, 3)), [2, 0]),
        ValueError,
        "from 1 to 2",
    ),
    "order": (
        lambda: rnn.pack_padded_sequence(np.zeros((2, 2)), [1, 2]),
        ValueError,
        "enforce_sorted=False",
    ),
    "total length": (
        lambda: rnn.pad_packed_sequence(rnn.pack_sequence([np.zeros(3)]), total_length=2),
        ValueError,
        "total_length = 2",
    ),
    "side": (lambda: rnn.pad_sequence([np.zeros(3)], padding_side="up"), ValueError, "'up'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused(case: str) -> None:
    call, error, words = REFUSED[case]
    with pytest.raises(error, match=words):
        call()


# -- Beside PyTorch -----------------------------------------------------------------------------


def twins(dtype: str, name: str, options: dict[str, Any]) -> tuple[Any, Any]:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    twin = getattr(torch.nn, name)(M, H, **options, dtype=getattr(torch, dtype))
    ours = getattr(nn, name)(M, H, **options, dtype=dtype)
    nn.load_torch_state_dict(ours, twin.state_dict())
    assert list(nn.torch_state_dict(ours)) == list(twin.state_dict())
    return ours, twin


def tensors(backend: Any, x: Any) -> Any:
    torch = pytest.importorskip("torch")
    if isinstance(x, tuple):
        return tuple([tensors(backend, a) for a in x])
    return torch.tensor(backend.to_numpy(x.value), requires_grad=True)


@pytest.mark.filterwarnings("ignore:LSTM with projections")  # PyTorch's own
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "packed"])
@each_layer
def test_layer_is_pytorchs(
    backend: Any, dtype: str, name: str, options: dict[str, Any], lengths: Any
) -> None:
    torch = pytest.importorskip("torch")
    ours, twin = twins(dtype, name, options)
    tolerance = 2e-5 if dtype == "float32" else 1e-11
    shape = (N, T, M) if ours.batch_first else (T, N, M)
    x, states = drawn(backend, *shape, dtype=dtype), states_of(backend, ours, dtype)
    x_twin, states_twin = tensors(backend, x), tensors(backend, states)

    def run(layer: Any, utils: Any, x: Any, states: Any) -> tuple[Any, ...]:
        if lengths is None:
            y, last = layer(x, states)
            return y, *each(last)
        packed = utils.pack_padded_sequence(x, lengths, layer.batch_first, enforce_sorted=False)
        y, last = layer(packed, states)
        return utils.pad_packed_sequence(y, layer.batch_first)[0], *each(last)

    results = run(ours, rnn, x, states)
    expected = run(twin, torch.nn.utils.rnn, x_twin, states_twin)
    for y, z in zip(results, expected, strict=True):
        close(backend, y, backend.asarray(z.detach().numpy()), tolerance)
    factors = [drawn(backend, *y.shape, dtype=dtype, seed=7).value for y in results]
    loss = sum(gradcore.Sum.do_forward(y * f) for y, f in zip(results, factors, strict=True))
    loss.backward()
    parts = zip(expected, factors, strict=True)
    sum((z * torch.tensor(backend.to_numpy(f))).sum() for z, f in parts).backward()
    pairs = [(x, x_twin), *zip(each(states), each(states_twin), strict=True)]
    pairs += zip(ours.parameters(), twin.parameters(), strict=True)
    for node, tensor in pairs:
        close(backend, node.grad, backend.asarray(tensor.grad.numpy()), 5 * tolerance)


def test_packed_sequences_are_pytorchs(backend: Any) -> None:
    torch = pytest.importorskip("torch")
    arrays = [np.arange(n * 2, dtype="f4").reshape(n, 2) + n for n in (2, 4, 1)]
    ours = rnn.pack_sequence([backend.asarray(a) for a in arrays], enforce_sorted=False)
    twin = torch.nn.utils.rnn.pack_sequence(list(map(torch.tensor, arrays)), enforce_sorted=False)
    close(backend, ours.data, backend.asarray(twin.data.numpy()))
    for a, b in zip(ours[1:], twin[1:], strict=True):
        np.testing.assert_array_equal(a, b.numpy())
    for options in ({"batch_first": True}, {"padding_value": -1.0, "total_length": 6}):
        y, lengths = rnn.pad_packed_sequence(ours, **options)
        z, expected = torch.nn.utils.rnn.pad_packed_sequence(twin, **options)
        close(backend, y, backend.asarray(z.numpy()))
        assert lengths.tolist() == expected.tolist()
    for side in ("left", "right"):
        y = rnn.pad_sequence([backend.asarray(a) for a in arrays], True, 0.5, side)
        z = torch.nn.utils.rnn.pad_sequence(list(map(torch.tensor, arrays)), True, 0.5, side)
        close(backend, y, backend.asarray(z.numpy()))
    words = rnn.pad_sequence([backend.asarray(np.arange(n)) for n in (3, 2)], True)
    assert words.dtype == backend.dtype("int64")
    assert backend.to_numpy(words.value).tolist() == [[0, 1, 2], [0, 1, 0]]
    for part, array in zip(rnn.unpack_sequence(ours), arrays, strict=True):
        close(backend, part, backend.asarray(array))
