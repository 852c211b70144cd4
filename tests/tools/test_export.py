"""Files of ONNX: what ONNX Runtime computes from them is what the model computes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import char_gpt
import char_rnn
import cifar10
import mnist
import numpy as np
import pytest

import gradcore
from benchmarks import models
from benchmarks.libraries.on_gradcore import NETWORK
from gradcore import ExportError, Module, TensorNode, export, nn, optim
from gradcore.engine.arrays import flat, raw_array

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
pytest.importorskip("ndonnx")


def trained(model: nn.Module) -> nn.Module:
    """The model with averages and norms that are not those at the start."""
    for x in (*model.parameters(), *model.buffers()):
        if x.value.dtype.kind == "f":
            shift = np.random.default_rng(x.size).uniform(0.0, 0.1, x.shape)
            x.value = (x.value + (shift if x.ndim == 1 else 0.0)).astype(x.value.dtype)
    return model


def drawn(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    rng = np.random.default_rng(sum(shape))
    if np.dtype(dtype).kind == "i":
        return rng.integers(0, 60, shape).astype(dtype)
    return rng.normal(size=shape).astype(dtype)


def agrees(
    path: Path, model: Callable[..., Any], *shapes: tuple[int | str, ...], dtype: str = "float32"
) -> None:
    """The file gives what the model gives, at three sizes of the batch, which is "n" in shapes."""
    session = runtime.InferenceSession(path)
    for n in (1, 5, 97):
        inputs = [drawn(tuple(n if m == "n" else m for m in shape), dtype) for shape in shapes]  # type: ignore[misc]
        names = [x.name for x in session.get_inputs()]
        found = session.run(None, dict(zip(names, inputs, strict=True)))
        expected = [raw_array(y) for y in flat([model(*inputs)])]
        for y, z in zip(found, expected, strict=True):
            assert (y.shape, y.dtype) == (z.shape, z.dtype)
            np.testing.assert_allclose(y, z, rtol=1e-5, atol=1e-2 if dtype == "float16" else 1e-5)


IMAGES, TOKENS = ("n", 3, 32, 32), ("n", 8)
MODELS: dict[str, tuple[Callable[[], nn.Module], Any, str]] = {
    "mlp": (
        lambda: mnist.MLP(784, 10, hidden=1, **mnist.MODELS["sigmoid"]),
        ("n", 784),
        "2 Gemm, LogSoftmax, Sigmoid",
    ),
    "blitz": (
        lambda: cifar10.Blitz(10, "float32"),
        IMAGES,
        "2 Conv, 3 Gemm, 2 MaxPool, 4 Relu, Reshape",
    ),
    "resnet9": (
        lambda: cifar10.ResNet9(10, 4, "float32"),
        IMAGES,
        "2 Add, 8 BatchNormalization, 8 Conv, Gemm, 3 MaxPool, ReduceMean, 8 Relu, Reshape",
    ),
    "resnet20": (
        lambda: NETWORK(models.resnet(4, 3)),
        IMAGES,
        "9 Add, 21 BatchNormalization, 21 Conv, Gemm, ReduceMean, 19 Relu, Reshape",
    ),
    "lstm": (
        lambda: char_rnn.Reader("lstm", 1, 16, "float32"),
        TOKENS,
        "Add, Concat, 4 Gather, Gemm, LSTM, 3 Reshape, Squeeze, 2 Transpose",
    ),
    "gpt": (
        lambda: char_gpt.GPT(8, 1, 2, 16, "float32"),
        TOKENS,
        "9 Add, 5 Gather, Gelu, 3 LayerNormalization, 7 MatMul, Mul, 4 Reshape, Softmax, "
        "8 Transpose",
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_models_of_the_examples_become_operators_and_agree(name: str, tmp_path: Path) -> None:
    make, shape, operators = MODELS[name]
    gradcore.manual_seed(0)
    model, path = trained(make()), tmp_path / "model.onnx"
    dtype = "int64" if shape is TOKENS else "float32"
    export(model, np.zeros([3 if n == "n" else n for n in shape], dtype), path)
    agrees(path, model.eval(), shape, dtype=dtype)
    counts = Counter(node.op_type for node in onnx.load(path).graph.node)
    assert operators == ", ".join(f"{n} {op}" if n > 1 else op for op, n in sorted(counts.items()))


def test_a_file_names_inputs_outputs_weights_and_who_wrote_it(tmp_path: Path) -> None:
    model, path = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)), tmp_path / "m.onnx"
    export(model, {"x": np.zeros((2, 4), "float32")}, path)
    file = onnx.load(path)
    onnx.checker.check_model(file, full_check=True)
    assert [o.version for o in file.opset_import if not o.domain] == [21]
    assert (file.producer_name, file.producer_version) == ("gradcore", gradcore.__version__)
    values = [*file.graph.input, *file.graph.output]
    sizes = [[d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in values]
    assert [v.name for v in values] == ["x", "output"]
    assert sizes == [["batch", 4], ["batch", 3]]
    weights = {x.name: onnx.numpy_helper.to_array(x) for x in file.graph.initializer}
    state = model.state_dict()
    assert [*weights] == [*state]
    for key, x in state.items():
        np.testing.assert_array_equal(weights[key], x.reshape(weights[key].shape))
    assert [node.name for node in file.graph.node] == ["0/BatchMM", "1/Relu", "output"]
    again = tmp_path / "again.onnx"
    export(model, np.ones((7, 4), "float32"), again, input_names=["a"], output_names=["b"])
    assert [v.name for v in runtime.InferenceSession(again).get_inputs()] == ["a"]
    assert [v.name for v in runtime.InferenceSession(again).get_outputs()] == ["b"]


def test_a_model_in_training_is_exported_as_in_use_and_stays_as_it_was(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    calls = []
    model[1].register_forward_hook(lambda *_: calls.append(1))
    model[0].eval()
    before = {name: vars(m).copy() for name, m in model.named_modules()}
    values = {x: x.value for x in (*model.parameters(), *model.buffers())}
    export(model, np.zeros((2, 4), "float32"), tmp_path / "m.onnx")
    with pytest.raises(ExportError):
        export(lambda x: float(model(x).sum()), np.zeros((2, 4), "float32"), tmp_path / "no.onnx")
    assert {name: vars(m) for name, m in model.named_modules()} == before
    assert [m.training for m in model.modules()] == [True, False, True, True]
    assert all(x.value is value for x, value in values.items())
    assert os.listdir(tmp_path) == ["m.onnx"]
    assert len(calls) == 4
    agrees(tmp_path / "m.onnx", model.eval(), ("n", 4))


class Reader(nn.Module):
    """Goes on from a state."""

    def __init__(self, kind: type[nn.LSTM | nn.GRU], dtype: str = "float32") -> None:
        self.layers = kind(3, 4, 2, dtype=dtype)

    def forward(self, x: Any, *state: Any) -> Any:
        y, new = self.layers(x, state if len(state) > 1 else state[0] if state else None)
        return {"y": y, "state": new}


def test_a_state_is_an_input_and_an_output_with_the_batch_in_another_axis(tmp_path: Path) -> None:
    path, state = tmp_path / "m.onnx", ("n", 4)
    for kind, count in ((nn.LSTM, 2), (nn.GRU, 1), (nn.LSTM, 0)):
        model, shapes = Reader(kind), [(5, "n", 3), *[(2, *state)] * count]
        example = tuple(np.zeros([7 if n == "n" else n for n in s], "float32") for s in shapes)
        export(model, example, path, batch_axis=1)
        agrees(path, model, *shapes)
        outputs = {0: 2, 1: 1, 2: 2}[count]
        names = ["y", *(["state"] if outputs == 1 else ["state_0", "state_1"])]
        if count == 2:  # the names that the inputs have
            names[1:] = ["state_0_out", "state_1_out"]
        assert [v.name for v in runtime.InferenceSession(path).get_outputs()] == names


def test_a_function_is_a_model_too(tmp_path: Path) -> None:
    layer, norm = nn.Linear(3, 3), nn.BatchNorm1d(3)
    w, hidden = TensorNode(drawn((3, 3), "float32")), [TensorNode(drawn((3,), "float32"))]

    def model(a: Any, b: Any) -> Any:
        return norm(layer(a)) @ w + hidden[0], (gradcore.relu(TensorNode(b) * a),)

    export(model, (np.zeros((2, 3), "float32"),) * 2, tmp_path / "m.onnx")
    norm.eval()
    agrees(tmp_path / "m.onnx", model, ("n", 3), ("n", 3))
    names = {x.name for x in onnx.load(tmp_path / "m.onnx").graph.initializer}
    assert {"layer.w", "norm.running_mean", "w"} <= names


SIZED: dict[str, Callable[[Any], Any]] = {
    "the mean over the batch": lambda x: x - x.mean(axis=0),
    "a division by its size": lambda x: x.sum(axis=0) / x.shape[0],
    "rows repeated": lambda x: gradcore.concat([x, gradcore.ones((x.shape[0], 2))], axis=1),
    "the numbers of the rows": lambda x: x + gradcore.arange(x.shape[0])[:, None],
    "twice as many rows": lambda x: gradcore.concat([x, x * 2.0]).reshape((2 * x.shape[0], 4)),
    "an einsum, which may drop axes of one row": lambda x: gradcore.einsum("bi,bj->bij", x, x),
    "two axes of one": lambda x: x.reshape((x.shape[0], 2, 2)) @ x.reshape((x.shape[0], 2, 2)),
}


@pytest.mark.parametrize("name", SIZED)
def test_what_depends_on_the_size_of_the_batch_is_computed_from_it(
    name: str, tmp_path: Path
) -> None:
    def model(x: Any) -> Any:
        return SIZED[name](TensorNode(x))

    export(model, np.zeros((2, 4), "float32"), tmp_path / "m.onnx")
    agrees(tmp_path / "m.onnx", model, ("n", 4))


class Part(nn.Module):
    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x)


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a number read on the host": (
        lambda x: x * float(x.sum()),
        r"inner.0: these numbers are known .* can't be read.* \(.*test_export.py, line \d+, for",
    ),
    "a branch on numbers": (lambda x: x if (x > 0).all() else -x, "known only when the file runs"),
    "a mask": (
        lambda x: x[x > 0],
        r"inner.0: Take: a shape depends on numbers, as that of x\[x > 0\]",
    ),
    "a branch on the batch": (
        lambda x: x * 2.0 if x.shape[0] > 100 else x + 2.0,
        r"Add of inner.0 \(.*test_export.py, line \d+\): the model computes something else of a "
        "batch of 97 than of one of 2520, as an `if`",
    ),
    "a branch on few rows": (
        lambda x: x * 2.0 if x.shape[0] > 10 else x + 2.0,
        "Multiply of inner.0 .*: the model computes something else of a batch of .* of one of 1,",
    ),
    "a branch on rows that are multiples of three": (
        lambda x: x * 2.0 if x.shape[0] % 3 == 0 else x + 2.0,
        "something else of a batch of 97 than of one of 2520",
    ),
    "half as many rows": (
        lambda x: x.reshape((x.shape[0] // 2, 8)),
        r"Reshape of inner.0 .*: a constant of Reshape is, by the size of the batch, \[48  8\] for "
        r"97, \[1260    8\] for 2520, \[0 8\] for 1; .* batch_axis=None makes a file for the size",
    ),
    "rows that do not fit": (
        lambda x: x.reshape((-1, 8)),
        r"ONNX's Reshape: .*incompatible shapes \(data: float32\[97\]\[4\], shape: int64\[2\]\) \(",
    ),
    "a mean over at least ten rows": (
        lambda x: x / max(x.shape[0], 10),
        "a constant of Div is, by the size of the batch, 97.0 for 97, 2520.0 for 2520, 10.0 for 1",
    ),
    "a loop over the batch": (
        lambda x: gradcore.stack([x[i] for i in range(1 + x.shape[0] // 90)]),
        "computes something else of a batch of 97",
    ),
    "one more than the batch": (
        lambda x: x / (x.shape[0] + 1),
        "Divide of inner.0 .*: a constant of Div is, by the size of the batch, 98.0 for 97, 2521.0",
    ),
    "half of the batch": (
        lambda x: x[::2],
        "output has along axis 0, by the size of the batch, the sizes 49 for 97, 1260 for 2520",
    ),
    "a random mask": (
        lambda x: gradcore.dropout(x, 0.5),
        "inner.0: random numbers have no place in a file; give them as an input, or draw in",
    ),
    "random numbers": (
        lambda x: x + gradcore.randn(4),
        r"inner.0: random numbers have no place in a file.* \(.*test_export.py, line \d+, for a",
    ),
    "NumPy's random numbers": (
        lambda x: x + TensorNode(gradcore.backends.default().asarray(np.random.rand(4))),
        r"Add of inner.0 .*: a constant of Add is, by the size of the batch, \[",
    ),
    "a function of NumPy's of an array": (
        lambda x: TensorNode(np.sin(x.value)),
        r"inner.0: np.sin takes no array of this backend; take a node, np.sin\(TensorNode",
    ),
    "a function that ONNX lacks": (
        lambda x: gradcore.fft.rfft(x),
        "inner.0: RFFT: ndonnx, which writes ONNX, has no fft",
    ),
    "arrays of another library": (
        lambda x: x * np.ones(4, "float32"),
        "inner.0: Multiply: an input is an array of another library",
    ),
    "no arrays": (lambda x: (x, 3), "the result '1' is of type int, expected a node, or an array"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_equivalent_is_refused_by_name(name: str, tmp_path: Path) -> None:
    function, words = REFUSED[name]

    class Outer(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Sequential(Part(function))

        def forward(self, x: Any) -> Any:
            return self.inner(TensorNode(x))

    state = gradcore.random.get_state()
    with pytest.raises(ExportError, match=words) as error:
        export(Outer(), np.zeros((2, 4), "float32"), tmp_path / "m.onnx")
    assert not os.listdir(tmp_path)
    assert "\n" not in str(error.value)
    assert gradcore.random.get_state() == state


@pytest.mark.parametrize("kind", ["float16", "float64"])
def test_models_of_other_dtypes(kind: str, tmp_path: Path) -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 2, 3, dtype=kind),
        nn.BatchNorm2d(2, dtype=kind),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(2, 4, dtype=kind),
        nn.LayerNorm(4, dtype=kind),
        nn.Softmax(-1),
    )
    export(model, np.zeros((2, 3, 6, 6), kind), tmp_path / "m.onnx")
    agrees(tmp_path / "m.onnx", model.eval(), ("n", 3, 6, 6), dtype=kind)
    layers = Reader(nn.LSTM, kind)
    export(layers, np.zeros((5, 2, 3), kind), tmp_path / "m.onnx", batch_axis=1)
    agrees(tmp_path / "m.onnx", layers, (5, "n", 3), dtype=kind)


def test_arrays_that_modules_hold_are_in_the_file(tmp_path: Path) -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            self.mean, self.scales = np.arange(4.0, dtype="float32"), [np.ones(4, "float32") * 2]

        def forward(self, x: Any) -> Any:
            return (TensorNode(x) - self.mean) * self.scales[0]

    model = Scaled()
    export(model, np.zeros((2, 4), "float32"), tmp_path / "m.onnx")
    assert type(model.mean) is np.ndarray
    agrees(tmp_path / "m.onnx", model, ("n", 4))


def test_opsets_and_sizes_that_do_not_fit_are_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, path = np.zeros((2, 4), "float32"), tmp_path / "m.onnx"
    export(nn.Sequential(nn.Linear(4, 2), nn.LayerNorm(2)), x, path, opset=18)
    assert [o.version for o in onnx.load(path).opset_import if not o.domain] == [18]
    with pytest.raises(ExportError, match=r"opset 18 can't say this: .*Gelu"):
        export(nn.GELU(), x, path, opset=18)
    for options, words in (
        (
            {"input_names": ["a", "b"]},
            "input_names = .* a name of its own for each of x",
        ),
        ({"output_names": ["x"]}, "expected 1 that differ from one another and from those of"),
        ({"batch_axis": 2}, r"input 'x' is float32 \(2, 4\), and has no axis 2 for the batch"),
        ({"opset": 3}, "opset = 3, expected 17 to"),
        ({"opset": "21"}, "opset = '21', expected 17 to"),
        ({"input_names": [""]}, "input_names = .* a name of its own for each of x"),
        ({"batch_axis": "x"}, r"input 'x' is float32 \(2, 4\), and has no axis 'x' for"),
        ({"batch_axis": {"y": 0}}, "batch_axis: no input 'y', there are"),
    ):
        with pytest.raises(ValueError, match=words):
            export(lambda x: x * 2.0, x, path, **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="model is of type SGD, expected a module or a function"):
        export(optim.SGD([TensorNode([1.0])], lr=0.1), x, path)  # type: ignore[arg-type]
    with pytest.raises(ExportError, match="the result is None, expected a node or an array"):
        export(lambda x: None, x, path)  # noqa: ARG005
    with pytest.raises(ExportError, match=r"input 'x' is complex64 .*, and ONNX has no complex64"):
        export(lambda x: x * 2.0, np.zeros((2, 4), "complex64"), path)
    monkeypatch.setattr("gradcore.backends.onnx.program.MOST_BYTES", 10)
    with pytest.raises(ExportError, match=r"the weights take .* GB, and a file of ONNX"):
        export(nn.Linear(4, 2), x, path)


def test_a_weight_may_have_the_name_of_an_output(tmp_path: Path) -> None:
    class Scaled(Module):
        def __init__(self) -> None:
            self.output = TensorNode([2.0])

        def forward(self, x: Any) -> TensorNode:
            return TensorNode(x) * self.output

    export(Scaled(), np.zeros((2, 4), "float32"), tmp_path / "m.onnx")
    assert [x.name for x in onnx.load(tmp_path / "m.onnx").graph.output] == ["output_out"]


def test_threads_may_export_one_model(tmp_path: Path) -> None:
    model, x = (
        nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)),
        np.ones((2, 4), "float32"),
    )
    before = {name: np.array(w) for name, w in model.state_dict().items()}
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: export(model, x, tmp_path / f"{n}.onnx"), range(8)))
    for name, w in model.state_dict().items():
        np.testing.assert_array_equal(w, before[name])
    assert len({(tmp_path / f"{n}.onnx").read_bytes() for n in range(8)}) == 1


def test_without_its_packages_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        gradcore.backends.registry._loaded, "onnx", ModuleNotFoundError("no ndonnx")
    )
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'gradcore\[onnx\]'"):
        export(nn.ReLU(), np.zeros((2, 4), "float32"), tmp_path / "m.onnx")
