"""What a newcomer is told: help, errors of one line, and what to do."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradcore
from benchmarks.__main__ import parse as parse_benchmarks
from gradcore import Op, Sum, TensorNode, __main__, nn, optim
from gradcore.tools.command_line import Parser, launch

EXAMPLES = ["assignment", "char_gpt", "char_rnn", "cifar10", "gp", "mnist", "pinn", "reinforce"]
EXAMPLES += ["unet", "vae"]
PROGRAMS: dict[str, Any] = {
    "gradcore": lambda: __main__.main(["--help"]),
    "doctor": lambda: __main__.main(["doctor", "--help"]),
    "selftest": lambda: __main__.main(["selftest", "--help"]),
    "benchmarks": lambda: parse_benchmarks(["--help"]),
    **{name: lambda name=name: importlib.import_module(name).main() for name in EXAMPLES},
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_ends_with_commands_in_lines_of_a_terminal(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [f"examples/{name}.py", "--help"])
    with pytest.raises(SystemExit, match="0"):
        PROGRAMS[name]()
    told = capsys.readouterr().out
    commands = told.partition("\nexamples:\n")[2].splitlines()
    assert commands[0].strip().startswith(("python ", "GRADCORE_"))
    assert max(map(len, told.splitlines())) < 80
    assert "default: None" not in told
    assert "default: False" not in told


def test_defaults_are_stated_and_typing_errors_seen(capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser("program", examples={"program --seed 1": "another seed"})
    parser.add_argument("--seed", type=int, default=0, help="of all numbers")
    assert "of all numbers (default: 0)" in parser.format_help()
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(["--sead=1\n\x1b[2J"])
    told = capsys.readouterr().err
    assert "did you mean --seed?" in told
    assert told.count("\n") == 1
    assert "\x1b" not in told


def test_a_file_that_can_not_be_written_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        launch(lambda: Path("/no/such/folder/file").write_text(""), "program")
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "/no/such/folder/file" in told


# -- The library's errors: each ends with what to do ----------------------------------------------


def x() -> TensorNode:
    return TensorNode(np.ones((3, 4), "float32"))


def labels(dtype: str = "int64", *shape: int) -> np.ndarray:
    return np.zeros(shape or 3, dtype)


class NoBackward(Op):
    @staticmethod
    def forward(context: Any, x: Any) -> Any:
        return x * 2


def load_other(into: Any, saved: Any) -> None:
    gradcore.save("file.safetensors", saved)
    gradcore.load("file.safetensors", into)


def load_of_torch() -> None:
    Path("model.pt").write_bytes(b"PK\x03\x04" + bytes(50))
    gradcore.load("model.pt", nn.Linear(4, 2))


ERRORS: list[tuple[Any, str]] = [
    (lambda: x() + np.ones((5, 4), "float32"), "Add: .*sizes must be equal, or 1"),
    (lambda: gradcore.cross_entropy(x(), labels("float32")), "target.astype\\('int64'\\)"),
    (lambda: gradcore.logceloss(x(), labels("int64", 3, 4)), "take argmax\\(axis=1\\)"),
    (lambda: TensorNode("text"), "TensorNode: value: .*give an array, a number, or lists"),
    (lambda: TensorNode([[1, 2], [3]]), "lists in value are not of equal lengths"),
    (lambda: TensorNode(np.array(["a"])), "expected numbers; convert it"),
    (lambda: Sum(x()), "say Sum.do_forward"),
    (lambda: Sum.do_forward(NoBackward.do_forward(x())).backward(), "without backward.*write one"),
    (lambda: Sum.do_forward(TensorNode([1])).backward(), "from a floating TensorNode"),
    (lambda: load_other(nn.Linear(5, 2), nn.Linear(4, 2)), "make the thing as it was"),
    (lambda: load_other(nn.Linear(4, 2), {"net": nn.Linear(4, 2)}), "say load\\(path, {'net': ..."),
    (lambda: load_other({"net": nn.Linear(4, 2)}, nn.Linear(4, 2)), "load.'file.safetensors', net"),
    (lambda: load_other({"nut": nn.Linear(4, 2)}, {"net": nn.Linear(4, 2)}), "did you mean 'net'"),
    (load_of_torch, "read it by torch.load"),
    (lambda: gradcore.save("no/file", x()), "make its folder first: 'no/file'"),
    (lambda: gradcore.save(x(), "file"), "save: path is a TensorNode.*; save\\(path, state\\)"),
    (lambda: optim.SGD(nn.Linear(4, 2), 0.1), "is a Linear.*give its .parameters\\(\\)"),
    (lambda: optim.Adam([x() * 2]), "was computed, by Multiply; give the nodes"),
    (lambda: optim.Adam([x()], beta=0.9), "no setting beta; did you mean betas"),
    (lambda: gradcore.use_backend("numpi"), "did you mean 'numpy'"),
    (lambda: gradcore.use_backend("gpu"), "did you mean 'cupy'"),
    (lambda: gradcore.grad(3)(1.0), "grad: f is a int, expected a function"),
    (lambda: gradcore.capture(3), "capture: step is a int, expected a function"),
    (lambda: gradcore.summary(x(), nn.Linear(4, 2)), "expected a module: summary\\(model, x"),
    (lambda: gradcore.manual_seed(-1), "manual_seed: seed = -1, expected an integer of at least 0"),
]


@pytest.mark.parametrize(("wrong", "told"), ERRORS)
def test_an_error_says_what_to_do(
    wrong: Any, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kinds = (TypeError, ValueError, OSError, NotImplementedError)
    with gradcore.use_backend("numpy"), pytest.raises(kinds, match=told) as caught:
        wrong()
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob(".*")), "no temporary file is left"
