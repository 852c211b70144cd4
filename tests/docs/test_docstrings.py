"""Every public name has a docstring, and in it, under `Example:`, an example that runs.

An example stands in doctest form at the end of the docstring, and runs by itself, on NumPy, from
the seed 0, in an empty folder, with `gradcore`, `np`, `TensorNode`, `nn`, `optim` and the public
names of its package at hand; in gradcore.numpy, `np` is gradcore.numpy. The examples of ops are
made from their rows: see tests/op_table/examples.py.
"""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import pytest
from op_table.examples import example

import gradcore
from gradcore.engine.methods import is_elsewhere
from gradcore.engine.operators import Operators
from gradcore.ops.unary import OfInput, OfOutput

PACKAGES = [
    "gradcore",
    "gradcore.array_api",
    "gradcore.array_api.fft",
    "gradcore.linalg",
    "gradcore.special",
    "gradcore.random",
    "gradcore.backends",
    "gradcore.ops",
    "gradcore.nn",
    "gradcore.nn.init",
    "gradcore.nn.utils",
    "gradcore.nn.utils.rnn",
    "gradcore.optim",
    "gradcore.optim.lr_scheduler",
    "gradcore.optim.swa_utils",
    "gradcore.data",
    "gradcore.distributed",
    "gradcore.distributions",
    "gradcore.distributions.constraints",
    "gradcore.distributions.transforms",
    "gradcore.numpy",
    "gradcore.numpy.fft",
    "gradcore.numpy.linalg",
    "gradcore.numpy.random",
    "gradcore.autograd",
    "gradcore.autograd.extend",
    "gradcore.autograd.test_util",
    "gradcore.autograd.misc.fixed_points",
    "gradcore.autograd.misc.flatten",
    "gradcore.autograd.misc.optimizers",
    "gradcore.autograd.misc.tracers",
    "gradcore.autograd.numpy",
    "gradcore.autograd.scipy.integrate",
    "gradcore.autograd.scipy.linalg",
    "gradcore.autograd.scipy.signal",
    "gradcore.autograd.scipy.special",
    "gradcore.autograd.scipy.stats",
]


# -- What must have an example -----------------------------------------------------------------


def is_documented_here(thing: Any) -> bool:
    """Whether this is a function or a class of gradcore's, and no op, whose example has a row."""
    if isinstance(thing, ModuleType) or not callable(thing) or is_op(thing):
        return False
    return (getattr(thing, "__module__", None) or "gradcore").startswith("gradcore")


def is_op(thing: Any) -> bool:
    return (
        inspect.isclass(thing)
        and issubclass(thing, gradcore.Op)
        and thing not in (gradcore.Op, OfInput, OfOutput)
    )


def public(package: str) -> dict[str, Any]:
    module = importlib.import_module(package)
    return {name: getattr(module, name) for name in module.__all__}


def methods(kind: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties of a class, but for those that a function stands for: they
    name the function, which has an example."""
    for name in dir(kind):
        thing = inspect.getattr_static(kind, name)
        if not name.startswith("_") and not is_elsewhere(kind, name):
            forwards = re.match(r"Compute gradcore\.[\w.]+\(", inspect.getdoc(thing) or "")
            if (callable(thing) or isinstance(thing, property | classmethod)) and not forwards:
                yield f"{kind.__name__}.{name}", thing


def wanted(package: str) -> dict[str, Any]:
    """By its full name, all that must have an example; what has two names, by the first one."""
    found = {n: thing for n, thing in public(package).items() if is_documented_here(thing)}
    if package == "gradcore":
        found |= methods(Operators)  # what a node has besides the graph
    if package == "gradcore.nn":  # which shows `forward` in the examples of its modules
        found |= {n: f for n, f in methods(gradcore.nn.Module) if n != "Module.forward"}
    for kind in [*filter(inspect.isclass, found.values())]:
        for name, thing in vars(kind).items():  # the examples that there are else, of methods
            if isinstance(thing, FunctionType | property) and "Example:" in (thing.__doc__ or ""):
                found[f"{kind.__name__}.{name}"] = thing
    return {f"{package}.{name}": thing for name, thing in found.items()}


def example_of(thing: Any) -> str:
    """What stands under `Example:`, once, after what the thing is; "" if nothing does."""
    text, *examples = re.split(r"^Example:\n", inspect.getdoc(thing) or "", flags=re.M)
    is_right = text and len(examples) == 1 and ">>> " in examples[0]
    return inspect.cleandoc(examples[0]) if is_right else ""


# -- The tests ------------------------------------------------------------------------------------


class Runner(doctest.DocTestRunner):
    """Leaves out the rest of an example that needs a package which is not installed."""

    def report_unexpected_exception(self, out: Any, test: Any, example: Any, error: Any) -> None:
        if issubclass(error[0], ModuleNotFoundError):
            pytest.skip(f"{test.name}: {error[1]}")
        super().report_unexpected_exception(out, test, example, error)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_has_an_example_that_runs(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRADCORE_OFFLINE", "1")
    missing, complaints = [], []
    at_hand = {
        "gradcore": gradcore,
        "TensorNode": gradcore.TensorNode,
        "nn": gradcore.nn,
        "optim": gradcore.optim,
        "np": gradcore.numpy if package.startswith("gradcore.numpy") else np,
    }
    for name, thing in wanted(package).items():
        shown = example_of(thing)
        if not shown:
            missing.append(name)
            continue
        names = {**public(package), **at_hand}
        test = doctest.DocTestParser().get_doctest(shown, names, name, None, None)
        with gradcore.use_backend("numpy"):
            gradcore.manual_seed(0)
            Runner().run(test, out=complaints.append)
    assert not complaints, "".join(complaints)
    assert not missing, f"{len(missing)} have no `Example:` in the docstring: {missing}"


def test_every_op_has_a_docstring_and_an_example_made_from_its_row() -> None:
    complaints: list[str] = []
    ops = [op for op in public("gradcore.ops").values() if is_op(op)]
    assert not [op.__name__ for op in ops if not vars(op).get("__doc__")]
    for op in ops:
        names = {"gradcore": gradcore, "np": np, "TensorNode": gradcore.TensorNode}
        test = doctest.DocTestParser().get_doctest(example(op), names, op.__name__, None, None)
        assert test.examples
        with gradcore.use_backend("numpy"):
            Runner().run(test, out=complaints.append)
    assert not complaints, "".join(complaints)
