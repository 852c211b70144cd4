"""What the examples reach on the backend: accuracies on real images, and losses beside NumPy's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from math import isclose
from pathlib import Path

from gradcore.data import find_cifar10, find_mnist
from gradcore.data.mnist import SUBSET

from .cases import Case, Found, Given, NotHere

__all__ = ["EXAMPLES", "QUICK_EXAMPLES", "Example", "accuracy", "airbench", "examples"]

ROOT = Path(__file__).parents[2]


@dataclass
class Example:
    """A run of an example, long enough that its losses tell whether it learns.

    Attributes:
        near: the largest allowed difference of a loss from NumPy's, relative to NumPy's.
        near_mixed: the same in mixed precision, which looks for its scale in the first steps.
    """

    name: str
    flags: str
    near: float
    near_mixed: float


MNIST = "--data synth --model relu --optimizer adam --lr 0.01 --seed 1 --epochs 2 --limit "
EXAMPLES = [
    Example("mnist.py", MNIST + "20000", near=2e-3, near_mixed=0.05),
    # Rounding in another order moves its loss by 3 %; a gradient set to zero, by a third.
    Example(
        "cifar10.py",
        "--data shapes --limit 6000 --epochs 1 --batch-size 32 --optimizer adam --lr 0.002",
        near=0.1,
        near_mixed=0.2,
    ),
]
QUICK_EXAMPLES = [Example("mnist.py", MNIST + "2000", near=2e-3, near_mixed=0.15)]


def call(given: Given, *arguments: str, backend: str = "") -> str:
    """Run `python ARGUMENTS` in the repository on the backend, and return what it prints.

    Raises:
        RuntimeError: it fails; the message has the end of what it prints.
    """
    name = backend or given.backend.name
    environment = {**os.environ, "GRADCORE_BACKEND": name, "GRADCORE_FALLBACK": "0"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        said = " ".join(done.stdout.strip().splitlines()[-1:])
        raise RuntimeError(f"exit status {done.returncode}: {said}")
    return done.stdout


# -- On real images ------------------------------------------------------------------------------


def accuracy(given: Given) -> Iterator[Case]:
    yield "MNIST", lambda: mnist(given)
    if not given.quick:
        yield "CIFAR-10", lambda: cifar10(given)


def reached(given: Given, least: float, *arguments: str) -> Found:
    """Run an example; its validation accuracy must reach `least`."""
    began = time.monotonic()
    out = call(given, *arguments, "--backend", given.backend.name)
    seconds = time.monotonic() - began
    found = [float(x) for x in re.findall(r"val accuracy ([\d.]+)", out)]
    if not found:
        raise RuntimeError(f"no accuracy in what {arguments[0]} prints")
    detail = f"validation accuracy {found[-1]:.4f} in {len(found)} epochs, {seconds:.1f} s in all"
    detail += f" (`{' '.join(arguments)}`)"
    figures = {"accuracy": found[-1], "seconds": seconds}
    return Found(found[-1] >= least, f"{detail}; at least {least} expected", figures)


def mnist(given: Given) -> Found:
    """All of MNIST where it is found without a network, or else the images in the package."""
    os.environ["GRADCORE_OFFLINE"] = "1"
    # Without platformdirs nothing knows where the cache would be.
    nowhere = not (find_spec("platformdirs") or os.environ.get("GRADCORE_DATA"))
    folder = SUBSET if nowhere else find_mnist("mnist", None)
    is_all = Path(folder).name != SUBSET.name
    if is_all:
        epochs, least = ("1" if given.quick else "3"), 0.96
    else:
        epochs, least = ("2", 0.85) if given.quick else ("10", 0.88)
    flags = ["examples/mnist.py", "--model", "relu", "--optimizer", "adam", "--lr", "0.001"]
    found = reached(given, least, *flags, "--epochs", epochs, "--data-dir", str(folder))
    what = "60,000 images" if is_all else "the 5,000 images in the package"
    return found._replace(detail=f"{what}: {found.detail}")


def data_of_cifar10() -> Path:
    os.environ["GRADCORE_OFFLINE"] = "1"
    try:
        return find_cifar10(None)  # which needs platformdirs where GRADCORE_DATA names no folder
    except Exception as error:
        told = "set GRADCORE_DATA to a folder with cifar-10-batches-bin"
        raise NotHere(f"CIFAR-10 is not here ({type(error).__name__}); {told}") from None


def cifar10(given: Given) -> Found:
    data_of_cifar10()
    flags = ["examples/cifar10.py", "--optimizer", "adam", "--lr", "0.001", "--batch-size", "128"]
    return reached(given, 0.5, *flags, "--epochs", "3")


def airbench(given: Given) -> Iterator[Case]:
    for name in ("airbench.py", "airbench_torch.py"):
        yield name, partial(to_94, given, name)


def to_94(given: Given, name: str) -> Found:
    """Run airbench94; what it prints last is the accuracy and the time."""
    if not (ROOT / "examples" / name).exists():
        raise NotHere(f"there is no examples/{name}")
    if given.backend.name == "numpy":
        raise NotHere("on a CPU it takes hours")
    if "torch" in name and not find_spec("torch"):
        raise NotHere("PyTorch is not installed")
    data_of_cifar10()
    out = call(given, f"examples/{name}", "--backend", given.backend.name)
    found = re.search(r"([\d.]+) with test-time augmentation.*?; ([\d.]+)\s+s", out, re.DOTALL)
    if not found:
        raise RuntimeError(f"no accuracy in what {name} prints")
    figures = dict(zip(("accuracy", "seconds"), map(float, found.groups()), strict=True))
    told = f"accuracy {figures['accuracy']:.4f} in {figures['seconds']:.2f} s; 0.93 expected"
    return Found(figures["accuracy"] >= 0.93, told, figures, out.strip()[-1500:])


# -- Beside NumPy --------------------------------------------------------------------------------


def examples(given: Given) -> Iterator[Case]:
    """Run the examples from one seed on NumPy and on the backend; compare their losses."""
    for example in QUICK_EXAMPLES if given.quick else EXAMPLES:
        arguments = [f"examples/{example.name}", *example.flags.split(), "--no-tf32"]
        expected: list[float] = []
        yield f"{example.name} on NumPy", partial(on_numpy, given, arguments, expected)
        ways = {" --no-capture": example.near, " --mixed-precision": example.near_mixed}
        if given.backend.recorder(given.backend.device):
            ways[" --capture"] = example.near
        for way, near in ways.items():
            what = f"{example.name}{way} beside NumPy"
            yield what, partial(beside, given, [*arguments, *way.split()], expected, near)


def losses(given: Given, arguments: list[str], backend: str) -> list[float]:
    """The losses that an example prints: training and validation, epoch by epoch."""
    out = call(given, *arguments, "--backend", backend, backend=backend)
    return [float(x) for x in re.findall(r"(?:train|val) loss (\S+)", out)]


def on_numpy(given: Given, arguments: list[str], expected: list[float]) -> str:
    expected += losses(given, arguments, "numpy")
    return f"losses {expected}"


def beside(given: Given, arguments: list[str], expected: list[float], near: float) -> Found:
    if not expected:  # another process of this part has computed them, and is gone
        expected += losses(given, [x for x in arguments if x not in WAYS], "numpy")
    found = losses(given, arguments, given.backend.name)
    same = len(found) == len(expected) > 0 and all(
        isclose(a, b, rel_tol=near) for a, b in zip(found, expected, strict=True)
    )
    return Found(same, f"losses {found}, by NumPy {expected}")


WAYS = ("--no-capture", "--capture", "--mixed-precision")
