"""`python -m gradcore selftest`: whether a backend computes what NumPy does, and how fast it is.

It runs the tests of the repository it lies in on the backend, then short trainings, captured and
not, and the benchmarks beside PyTorch, if that is installed. A check that fails stops nothing. What
comes out is a report in JSON and in Markdown.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib import metadata
from importlib.util import find_spec
from math import isclose
from pathlib import Path
from typing import Any

from . import nn, optim
from .array_api import namespace_of
from .backends import Backend, backend_of, get, problem, random, use_backend
from .captured import capture
from .functions import dropout
from .graph import TensorNode
from .losses import cross_entropy
from .operators import Operators
from .ops import Relu, Sum

ROOT = Path(__file__).parents[1]
PACKAGES = ["numpy", "array-api-compat", "pytest", "torch", "cupy-cuda12x", "cupy-cuda13x"]
PACKAGES += ["nvidia-cudnn-frontend"]
# What is timed beside PyTorch: what people train, and one of each kind of kernel.
WORKLOADS = "^(mnist-sigmoid|blitz-(4|32|128|512)|resnet20-64|linear|conv-3x3|max-pool|batch-norm"
WORKLOADS += "|cross-entropy-4096x1000|gelu|chain-tanh|update-adam|update-momentum)$"
# Of all kernels in all their types the first; the others of each in more shapes.
KERNEL_TESTS = ["tests/test_cuda.py::test_kernels_compute_what_the_definitions_say"]
KERNEL_TESTS += [
    f"tests/test_{name}.py"
    for name in ("optim", "losses", "conv", "cudnn", "functions", "special", "backends")
]
# Of images of these shapes, by layers with these options.
CONVOLUTIONS: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((128, 3, 32, 32), {"out_channels": 6, "kernel_size": 5}),
    ((64, 16, 32, 32), {"out_channels": 16, "kernel_size": 3, "padding": 1}),
    ((64, 64, 32, 32), {"out_channels": 128, "kernel_size": 3, "padding": 1, "stride": 2}),
    ((64, 128, 16, 16), {"out_channels": 128, "kernel_size": 1}),
    ((64, 64, 16, 16), {"out_channels": 64, "kernel_size": 3, "padding": 1, "groups": 64}),
]
WORDS = {True: "ok", False: "FAILED", None: "not run"}


@dataclass
class Example:
    """A run of an example, long enough that its losses tell whether it learns.

    Attributes:
        near: how far losses may be from NumPy's, relative to these.
        near_mixed: the same in mixed precision, which looks for its scale in the first steps.
    """

    name: str
    flags: str
    near: float
    near_mixed: float


MNIST = "--data synth --model relu --optimizer adam --lr 0.01 --seed 1 --epochs 2 --limit "
EXAMPLES = [
    Example("mnist.py", MNIST + "20000", near=2e-3, near_mixed=0.05),
    # Rounding in another order moves its loss by 3 %, one gradient of zeros by a third.
    Example(
        "cifar10.py",
        "--data shapes --limit 6000 --epochs 1 --batch-size 32 --optimizer adam --lr 0.002",
        near=0.1,
        near_mixed=0.2,
    ),
]
QUICK_EXAMPLES = [Example("mnist.py", MNIST + "2000", near=2e-3, near_mixed=0.15)]


@dataclass
class Check:
    """One thing that was looked at.

    Attributes:
        passed: `None`: it could not be run here, as `detail` says.
        figures: numbers by name; times in seconds.
    """

    part: str
    name: str
    passed: bool | None
    detail: str = ""
    figures: dict[str, float] = field(default_factory=dict)


class Selftest:
    """The parts, each a generator of checks, with the seconds that it may take."""

    def __init__(self, backend: str, quick: bool = False, device: str | None = None) -> None:
        self.backend: Backend = get(backend, device)
        self.quick = quick
        self.flags = (f" --device {device}" if device else "") + " --quick" * quick
        self.checks: list[Check] = []
        self.seconds: dict[str, float] = {}
        self.benchmarks: dict[str, Any] = {}
        self.parts: dict[str, tuple[Callable[[], Iterator[Check]], int]] = {
            "kernels": (self.kernels, 105),
            "ops": (self.ops, 110),
            "examples": (self.examples, 75),
            "capture": (self.captured, 35),
            "memory": (self.memory, 10),
            "host reads": (self.reads, 10),
            "convolutions": (self.convolutions, 8),
            "benchmarks": (self.timed, 125),
        }

    def run(self) -> None:
        for part, (checks, budget) in self.parts.items():
            began = time.monotonic()
            self.part, self.end = part, began + budget
            print(part, flush=True)
            try:
                for check in checks():
                    self._add(check)
            except Exception as error:  # what is broken must not hide the rest
                self._add(Check(part, "all of it", False, f"{type(error).__name__}: {error}"))
            self.seconds[part] = round(time.monotonic() - began, 1)

    def _add(self, check: Check) -> None:
        self.checks.append(check)
        print(f"  {WORDS[check.passed]:8} {check.name}: {check.detail}", flush=True)

    def check(self, name: str, passed: bool | None, detail: str = "", figures: Any = None) -> Check:
        return Check(self.part, name, passed, detail, figures or {})

    # -- In processes of their own ----------------------------------------------------------

    def call(self, *arguments: str, backend: str = "", **options: Any) -> tuple[int | None, str]:
        """What Python prints, started with these arguments in the repository, and its exit status,
        `None` if the part's time was over before."""
        name = backend or self.backend.name
        environment = {**os.environ, "GRADCORE_BACKEND": name, "GRADCORE_FALLBACK": "0"}
        environment |= {"GRADCORE_TEST_BACKENDS": name, "GRADCORE_OFFLINE": "1"}
        environment |= self.backend.environment()
        environment["PYTHONPATH"] = os.pathsep.join(
            filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
        )
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )
        try:
            out, _ = process.communicate(timeout=max(1.0, self.end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # they report what they have done by then
            try:
                out, _ = process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                out, _ = process.communicate()
            return None, out
        return process.returncode, out

    def tests(self, name: str, *arguments: str) -> Check:
        """Tests of the repository, on this backend."""
        if not find_spec("pytest"):
            return self.check(name, None, "pip install pytest")
        if not (ROOT / "tests").is_dir():
            return self.check(name, None, f"there are no tests beside {Path(__file__).parent}")
        quiet = ["-p", "no:cacheprovider", "--tb=line", "-rf", "--no-header"]
        quiet += ["-o", "console_output_style=count"]
        status, out = self.call("-m", "pytest", *quiet, *arguments)
        counts = {
            word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|error|skipped)", out)
        }
        # A run that was cut off has printed its dots, and no counts.
        if not counts.get("passed"):
            lines = re.findall(r"^([.sFEx]+)(?: +\[ *\d+/\d+\])?$", out, re.MULTILINE)
            marks = "".join(lines)
            counts = {"passed": marks.count("."), "failed": marks.count("F") + marks.count("E")}
        wrong = re.findall(r"^(?:FAILED|ERROR) (.*)$", out, re.MULTILINE)[:10]
        said = ", ".join(f"{n} {word}" for word, n in counts.items())
        failed = counts.get("failed", 0) + counts.get("error", 0)
        passed = None if status is None and not failed else status == 0 and counts["passed"] > 0
        if status is None:
            every = re.search(r"\[ *\d+/(\d+)\]$", out, re.MULTILINE)
            of_all = f"{sum(counts.values())} of {every[1]} tests: " if every else ""
            said = f"{of_all}{said}, then the time was over"
        elif not passed and not wrong:
            wrong = out.strip().splitlines()[-3:]
        return self.check(name, passed, "; ".join([said, *wrong]), counts)

    def kernels(self) -> Iterator[Check]:
        """Each kernel of the backend beside the base definition."""
        files = ["tests/test_optim.py"] if self.quick else KERNEL_TESTS
        yield self.tests("base definitions", *files, "-k", "definition or kernel")

    def ops(self) -> Iterator[Check]:
        chosen = "float32 and (Sigmoid or Sum)" if self.quick else "not torch"
        yield self.tests("the op table", "tests/test_ops.py", "-k", chosen)

    def examples(self) -> Iterator[Check]:
        """From one seed, on NumPy and on the backend."""
        for example in QUICK_EXAMPLES if self.quick else EXAMPLES:
            arguments = [f"examples/{example.name}", *example.flags.split()]
            expected = self._losses(arguments, "numpy")
            ways = {
                "": example.near,
                " --capture": example.near,
                " --mixed-precision": example.near_mixed,
            }
            for way, near in ways.items():
                found = self._losses([*arguments, *way.split()], self.backend.name)
                what = f"{example.name}{way} beside NumPy"
                if isinstance(expected, str) or isinstance(found, str):
                    wrong = found if isinstance(found, str) else expected
                    yield self.check(what, False, str(wrong))
                    continue
                same = len(found) == len(expected) > 0 and all(
                    isclose(a, b, rel_tol=near) for a, b in zip(found, expected, strict=True)
                )
                yield self.check(what, same, f"losses {found}, by NumPy {expected}")

    def _losses(self, arguments: list[str], backend: str) -> list[float] | str:
        """The losses of training and of validation in each epoch, or why there are none."""
        status, out = self.call(*arguments, "--backend", backend, backend=backend)
        if status:
            return f"exit status {status}: {' '.join(out.splitlines()[-1:])}"
        if status is None:
            return "its time was over"
        return [float(x) for x in re.findall(r"(?:train|val) loss (\S+)", out)]

    # -- In this process --------------------------------------------------------------------

    def captured(self) -> Iterator[Check]:
        """The same training twice: as it is, and captured."""
        for name, make in TRAININGS.items():
            with use_backend(self.backend.name, self.backend.device):
                (eager, slow, _), (replayed, fast, is_recorded) = (
                    self._trained(make, captured) for captured in (False, True)
                )
            same = all(isclose(a, b, rel_tol=1e-3) for a, b in zip(eager, replayed, strict=True))
            recorded = is_recorded or self.backend.recorder(self.backend.device) is None
            detail = f"{1e3 * slow:.3f} ms a step, {1e3 * fast:.3f} captured"
            if not is_recorded:
                detail += " (this backend runs the step)"
            if not same:
                detail += f"; losses {eager} and {replayed}"
            yield self.check(name, same and recorded, detail, {"eager": slow, "captured": fast})

    def _trained(self, make: Callable[[], Any], captured: bool) -> tuple[list[float], float, bool]:
        """Of a new training: the losses, the seconds of a step in the end, and whether its steps
        were replayed."""
        random.manual_seed(0)
        step, batch = make()
        does = capture(step) if captured else step
        losses = [does(*batch()) for _ in range(8)]
        read = [float(loss) for loss in losses]
        given, steps = batch(), 5 if self.quick else 100
        began = time.perf_counter()
        for _ in range(steps):
            loss = does(*given)
        read.append(float(loss))  # which waits for the device
        return read, (time.perf_counter() - began) / steps, captured and does.is_recorded

    def memory(self) -> Iterator[Check]:
        """What steps leave behind, without the garbage collector."""
        for name, make in TRAININGS.items():
            with use_backend(self.backend.name, self.backend.device):
                step, batch = make()
                given = batch()
                for _ in range(4):
                    step(*given)
                gc.collect()
                gc.disable()
                try:
                    before = self._in_use()
                    for _ in range(20):
                        step(*given)
                    after = self._in_use()
                finally:
                    gc.enable()
            grown = [b - a for a, b in zip(before, after, strict=True)]
            detail = f"{grown[0]} nodes and {grown[1]} bytes of the device more after 20 steps"
            yield self.check(name, grown == [0, 0], detail)

    def _in_use(self) -> tuple[int, int]:
        nodes = sum(issubclass(type(x), TensorNode) for x in gc.get_objects())
        return nodes, self.backend.used_memory()

    def reads(self) -> Iterator[Check]:
        """How often a step, and reading its loss, looks at an array on the host."""
        for name, make in TRAININGS.items():
            with use_backend(self.backend.name, self.backend.device):
                step, batch = make()
                for _ in range(3):
                    step(*batch())
                given = batch()
                with self.backend.host_reads() or _reads_by_gradcore(type(self.backend)) as reads:
                    loss = step(*given)
                    of_step = len(reads)
                    float(TensorNode(loss))
            detail = f"{of_step} in a step, {len(reads) - of_step} to read the loss"
            yield self.check(name, of_step == 0 and len(reads) == 1, detail)

    def convolutions(self) -> Iterator[Check]:
        """Which way each is computed, of those that the backend chooses from by measurement."""
        cases = [(c, dtype) for dtype in ("float32", "float16") for c in CONVOLUTIONS]
        with (
            warnings.catch_warnings(record=True) as caught,
            use_backend(self.backend.name, self.backend.device),
        ):
            warnings.simplefilter("always")
            for (shape, options), dtype in cases[:1] if self.quick else cases:
                x = TensorNode(self.backend.asarray(random.generator().normal(size=shape), dtype))
                y = nn.Conv2d(shape[1], dtype=dtype, **options)(x)
                Sum.do_forward(y * y).backward()
                if time.monotonic() > self.end or not self.backend.choices():
                    break
        for warning in caught:
            yield self.check("ways that differ", False, str(warning.message))
        for case, chosen in self.backend.choices().items():
            wrong = " failed: " in chosen or " differs by " in chosen
            yield self.check(case, not wrong, chosen)

    def timed(self) -> Iterator[Check]:
        if not find_spec("benchmarks") and not (ROOT / "benchmarks").is_dir():
            yield self.check("benchmarks", None, "there is no folder benchmarks")
            return
        libraries = "gradcore,torch" if find_spec("torch") else "gradcore"
        file = Path(f".selftest-{os.getpid()}.json").absolute()
        only = "^(mnist-sigmoid|chain-tanh)$" if self.quick else WORKLOADS
        command = ["-m", "benchmarks", "--backend", self.backend.name, "--libraries", libraries]
        command += ["--only", only, "--rounds", "1", "--json", str(file)]
        try:
            status, out = self.call(*command, *["--quick"] * self.quick)
            if not file.exists():
                yield self.check("benchmarks", False, " ".join(out.splitlines()[-3:]))
                return
            self.benchmarks = json.loads(file.read_text("utf-8"))
        finally:
            file.unlink(missing_ok=True)
        for name, workload in self.benchmarks["workloads"].items():
            ours, theirs = (workload["libraries"].get(n, {}) for n in ("gradcore", "torch"))
            if "seconds" not in ours:
                yield self.check(name, False, str(ours.get("failed", ours.get("missing"))))
                continue
            figures = {"seconds": ours["seconds"]}
            detail = f"{1e3 * ours['seconds']:.3f} ms"
            if "seconds" in theirs:
                figures |= {"torch": theirs["seconds"], "ratio": ours["ratio"]}
                detail += f", PyTorch {1e3 * theirs['seconds']:.3f}, ratio {ours['ratio']:.2f}"
            if workload["floor"]:
                figures["floor"] = workload["floor"]
                detail += f", floor {1e3 * workload['floor']:.3f}"
            yield self.check(name, True, detail, figures)
        if status is None:
            yield self.check("the others", None, "the time was over")

    # -- The report -------------------------------------------------------------------------

    def facts(self) -> dict[str, Any]:
        versions = {"python": platform.python_version()}
        for package in PACKAGES:
            try:
                versions[package] = metadata.version(package)
            except metadata.PackageNotFoundError:
                continue
        return {
            "backend": self.backend.name,
            "device": self.backend.describe_device(),
            "library": self.backend.describe_library(),
            "memory": self.backend.describe_memory(),
            "system": platform.platform(),
            "date": time.strftime("%Y-%m-%d"),
            "versions": versions,
            "quick": self.quick,
        }

    def markdown(self) -> str:
        facts = self.facts()
        versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
        counts = {word: sum(c.passed is p for c in self.checks) for p, word in WORDS.items()}
        lines = [
            f"# gradcore on {facts['device']}",
            "",
            f"`python -m gradcore selftest --backend {facts['backend']}"
            f"{self.flags}`, {facts['date']}: "
            + ", ".join(f"{n} {word}" for word, n in counts.items())
            + f", in {sum(self.seconds.values()):.0f} s.",
            "",
            f"{facts['library']}; {versions}; {facts['system']}.",
        ]
        for part, seconds in self.seconds.items():
            lines += ["", f"## {part.capitalize()} ({seconds:g} s)", ""]
            lines += ["| check | | |", "| --- | --- | --- |"]
            for check in self.checks:
                if check.part == part:
                    detail = check.detail.replace("|", "\\|").replace("\n", " ")
                    lines.append(f"| {check.name} | {WORDS[check.passed]} | {detail} |")
        if rates := self.benchmarks.get("rates"):
            lines += [
                "",
                f"Floors are of {rates['matmul'] / 1e9:,.0f} GFLOP/s in large products of "
                f"matrices, and {rates['copy'] / 1e9:,.0f} GB/s in large copies, the best seen "
                "here. Ratios are of gradcore's time to PyTorch's, not compiled, and without TF32.",
            ]
        return "\n".join(lines) + "\n"


def selftest(backend: str, out: Path, quick: bool = False, device: str | None = None) -> int:
    """Run all parts and write the report. Gives 0 if no check failed, 1 if one did, and 2 if the
    backend can't run here, or has no such device."""
    if why := problem(backend):
        print(f"selftest: backend {backend!r} can't run here: {why}", file=sys.stderr)
        return 2
    try:
        test = Selftest(backend, quick, device)
    except ValueError as error:
        print(f"selftest: --device {device}: {error}", file=sys.stderr)
        return 2
    out.mkdir(parents=True, exist_ok=True)
    test.run()
    report = {
        **test.facts(),
        "seconds": test.seconds,
        "checks": [asdict(check) for check in test.checks],
        "benchmarks": test.benchmarks,
    }
    files = [out / f"selftest-{backend}.{end}" for end in ("json", "md")]
    files[0].write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    files[1].write_text(test.markdown(), "utf-8")
    failed = [check for check in test.checks if check.passed is False]
    for check in failed:
        print(f"FAILED {check.part}, {check.name}: {check.detail}")
    print(f"{len(failed)} of {len(test.checks)} checks failed; {files[0]} and {files[1]}")
    return int(bool(failed))


@contextmanager
def _reads_by_gradcore(kind: type[Backend]) -> Iterator[list[str]]:
    """In the block, a list of the reads of arrays on the host that go through gradcore: for a
    library that doesn't tell of all."""
    reads: list[str] = []
    depth = 0  # one may call another

    def noting(function: Any, name: str) -> Any:
        def call(*args: Any) -> Any:
            nonlocal depth
            if not depth and not isinstance(args[-1], kind.scalar_types):  # a number is here
                reads.append(name)
            depth += 1
            try:
                return function(*args)
            finally:
                depth -= 1

        return call

    places: list[tuple[Any, str]] = [(kind, "to_numpy")]
    places += [(Operators, name) for name in ("__float__", "__bool__", "__int__", "__index__")]
    before = [vars(owner).get(name) for owner, name in places]
    for owner, name in places:
        setattr(owner, name, noting(getattr(owner, name), name))
    try:
        yield reads
    finally:
        for (owner, name), function in zip(places, before, strict=True):
            if function is None:
                delattr(owner, name)
            else:
                setattr(owner, name, function)


# -- What is trained: each gives a step, and a function that draws what it is given ---------------


def _training(
    model: nn.Module, shape: tuple[int, ...], make: Callable[..., Any], mixed: bool = False
) -> tuple[Callable[..., Any], Callable[[], tuple[Any, Any]]]:
    here = random.generator()
    optimizer = (
        optim.MixedPrecision(model.parameters(), make) if mixed else make(model.parameters())
    )
    backend = backend_of(model.parameters()[0].value)

    def step(x: Any, targets: Any) -> Any:
        outputs = model(x)
        xp = namespace_of(backend)
        loss = cross_entropy(xp.astype(outputs, backend.xp.float32), targets)
        (optimizer.scaled(loss) if mixed else loss).backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.value

    def batch() -> tuple[Any, Any]:
        x = backend.asarray(here.normal(size=shape), "float16" if mixed else "float32")
        return x, backend.asarray(here.integers(0, 10, shape[0]))

    return step, batch


class _MLP(nn.Module):
    def __init__(self) -> None:
        self.first, self.last = nn.Linear(64, 256), nn.Linear(256, 10)

    def forward(self, x: Any) -> TensorNode:
        return self.last(dropout(Relu.do_forward(self.first(x)), 0.1))


def _convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.Relu(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 8 * 8, 10),
    )


IMAGES = (32, 3, 16, 16)
TRAININGS: dict[str, Callable[[], Any]] = {
    "MLP with dropout, SGD": lambda: _training(
        _MLP(), (128, 64), lambda parameters: optim.SGD(parameters, lr=0.05)
    ),
    "MLP with dropout, Adam": lambda: _training(
        _MLP(), (128, 64), lambda parameters: optim.Adam(parameters, lr=0.001)
    ),
    "convolutions, momentum": lambda: _training(
        _convolutional(), IMAGES, lambda parameters: optim.SGD(parameters, lr=0.01, momentum=0.9)
    ),
    "convolutions, momentum, mixed precision": lambda: _training(
        _convolutional(),
        IMAGES,
        lambda parameters: optim.SGD(parameters, lr=0.01, momentum=0.9),
        mixed=True,
    ),
}
