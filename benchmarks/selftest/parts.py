"""The parts of the selftest: each looks at a backend in another way, and yields checks."""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from math import isclose
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from gradcore import Sum, TensorNode, capture, nn
from gradcore.backends import default, get, names, problem, random, use_backend

from .report import Check, Report
from .trainings import TRAININGS, Training

__all__ = ["CONVOLUTIONS", "EXAMPLES", "KERNEL_TESTS", "QUICK_EXAMPLES", "WORKLOADS"]
__all__ += ["Selftest", "selftest"]

ROOT = Path(__file__).parents[2]
ISSUES = "https://github.com/gradcore/gradcore/issues"
TOO_SLOW = "its time was over"
NEEDS_PYTEST = "pip install pytest"
# The workloads timed beside PyTorch: networks that people train, and one kernel of each kind.
WORKLOADS = "^(mnist-sigmoid|blitz-(4|32|128|512)|resnet20-64|linear|conv-3x3|max-pool|batch-norm"
WORKLOADS += "|cross-entropy-4096x1000|gelu|chain-tanh|update-adam|update-momentum)$"
# The first is of all kernels in all their types; the others try each kernel in more shapes.
KERNEL_TESTS = [
    "tests/backends/cupy/test_cuda.py::test_kernels_compute_what_the_definitions_say",
    "tests/backends/cupy/test_cudnn.py",
    *(f"tests/backends/test_{name}.py" for name in ("base", "elementwise", "random_bits")),
    "tests/backends/test_kernels.py",
    *(f"tests/functions/test_{name}.py" for name in ("attention", "convolution", "losses")),
    "tests/functions/test_normalization.py",
    "tests/array_api/special",
    "tests/optim/test_updates.py",
]
# The shape of the images, and the options of the layer.
CONVOLUTIONS: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((128, 3, 32, 32), {"out_channels": 6, "kernel_size": 5}),
    ((64, 16, 32, 32), {"out_channels": 16, "kernel_size": 3, "padding": 1}),
    ((64, 64, 32, 32), {"out_channels": 128, "kernel_size": 3, "padding": 1, "stride": 2}),
    ((64, 128, 16, 16), {"out_channels": 128, "kernel_size": 1}),
    ((64, 64, 16, 16), {"out_channels": 64, "kernel_size": 3, "padding": 1, "groups": 64}),
]


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


class Selftest:
    """A test of one backend.

    Args:
        backend, device: as in `use_backend`.
        quick: do a little of each part.

    Attributes:
        report: the results so far.
        parts: by name, a generator of checks, and the seconds that it may take.

    Raises:
        ValueError: the backend has no such device.
    """

    def __init__(self, backend: str, quick: bool = False, device: str | None = None) -> None:
        self.backend = get(backend, device)
        self.quick = quick
        flags = (f" --device {device}" if device else "") + " --quick" * quick
        self.report = Report(self.backend, quick, flags)
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
        """Run the parts one after the other, and fill the report."""
        for part, (checks, budget) in self.parts.items():
            began = time.monotonic()
            self.part, self.end = part, began + budget
            print(part, flush=True)
            try:
                for check in checks():
                    self.report.add(check)
            except Exception as error:  # the other parts run all the same
                said = f"{type(error).__name__}: {error}"
                self.report.add(Check(part, "all of it", False, said))
            self.report.seconds[part] = round(time.monotonic() - began, 1)

    def check(
        self,
        name: str,
        passed: bool | None,
        detail: str = "",
        figures: dict[str, float] | None = None,
    ) -> Check:
        """Make a check of the part that runs."""
        return Check(self.part, name, passed, detail, figures or {})

    # -- In processes of their own ----------------------------------------------------------

    def call(self, *arguments: str, backend: str = "", **options: Any) -> tuple[int | None, str]:
        """Run `python ARGUMENTS` in the repository; return its exit status and what it prints.

        The status is `None` if the time of the part was over before the process ended.
        """
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
            process.send_signal(signal.SIGINT)  # at which pytest and the benchmarks report and end
            try:
                out, _ = process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                out, _ = process.communicate()
            return None, out
        return process.returncode, out

    def tests(self, name: str, *arguments: str) -> Check:
        """Run tests of the repository on this backend.

        Args:
            name: of the check.
            arguments: of pytest.
        """
        if not find_spec("pytest"):
            return self.check(name, None, NEEDS_PYTEST)
        if not (ROOT / "tests").is_dir():
            return self.check(name, None, f"there are no tests in {ROOT}")
        quiet = ["-p", "no:cacheprovider", "--tb=line", "-rf", "--no-header"]
        quiet += ["-o", "console_output_style=count"]
        status, out = self.call("-m", "pytest", *quiet, *arguments)
        counts = {
            word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|error|skipped)", out)
        }
        # A run that was cut off has printed dots, but no counts.
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
        """Compare each kernel of the backend with its base definition."""
        files = ["tests/optim/test_updates.py"] if self.quick else KERNEL_TESTS
        yield self.tests("base definitions", *files, "-k", "definition or kernel")

    def ops(self) -> Iterator[Check]:
        """Run the tests of the op table."""
        chosen = "float32 and (Sigmoid or Sum)" if self.quick else "not torch"
        yield self.tests("the op table", "tests/ops/test_op_table.py", "-k", chosen)

    def examples(self) -> Iterator[Check]:
        """Run the examples from one seed on NumPy and on the backend; compare their losses."""
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
        """Run an example; return its losses (training and validation, epoch by epoch), or the
        reason why there are none."""
        status, out = self.call(*arguments, "--backend", backend, backend=backend)
        if status:
            return f"exit status {status}: {' '.join(out.splitlines()[-1:])}"
        if status is None:
            return TOO_SLOW
        return [float(x) for x in re.findall(r"(?:train|val) loss (\S+)", out)]

    # -- In this process --------------------------------------------------------------------

    def captured(self) -> Iterator[Check]:
        """Run each training twice, as it is and captured; compare losses and times."""
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

    def _trained(
        self, make: Callable[[], Training], captured: bool
    ) -> tuple[list[float], float, bool]:
        """Train; return the losses, the seconds of a step (once all is compiled), and whether the
        steps were replayed."""
        random.manual_seed(0)
        step, batch = make()
        run = capture(step) if captured else step
        losses = [run(*batch()) for _ in range(8)]
        read = [float(loss) for loss in losses]
        given, steps = batch(), 5 if self.quick else 100
        began = time.perf_counter()
        for _ in range(steps):
            loss = run(*given)
        read.append(float(loss))  # waits for the device
        seconds = (time.perf_counter() - began) / steps
        return read, seconds, getattr(run, "is_recorded", False)

    def memory(self) -> Iterator[Check]:
        """Count the nodes and bytes that steps leave behind without the garbage collector."""
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
        """Count how often a step, and then reading its loss, looks at an array on the host."""
        for name, make in TRAININGS.items():
            with use_backend(self.backend.name, self.backend.device):
                step, batch = make()
                for _ in range(3):
                    step(*batch())
                given = batch()
                with self.backend.host_reads() as reads:
                    loss = step(*given)
                    of_step = len(reads)
                    float(TensorNode(loss))
            detail = f"{of_step} in a step, {len(reads) - of_step} to read the loss"
            yield self.check(name, of_step == 0 and len(reads) == 1, detail)

    def convolutions(self) -> Iterator[Check]:
        """Tell which way the backend chooses, by measurement, for each convolution."""
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
        """Run the benchmarks, beside PyTorch if that is installed."""
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
            benchmarks = self.report.benchmarks = json.loads(file.read_text("utf-8"))
        finally:
            file.unlink(missing_ok=True)
        for name, workload in benchmarks["workloads"].items():
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


def selftest(backend: str | None, out: Path, quick: bool = False, device: str | None = None) -> int:
    """Run all parts and write the report to the folder `out`; after an interrupt, that of the parts
    that are done.

    Args:
        backend: `None` for the default one.

    Returns:
        The exit status: 0 if no check failed, 1 if one did, 2 if the backend can't run here or has
        no such device or nothing can be written to the folder, 130 if it was interrupted.
    """
    try:
        name = backend or default().name
        test = Selftest(name, quick, device)
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out):  # now, and not after 8 minutes
            pass
    except (ValueError, RuntimeError) as error:
        runs = [name for name in names() if not problem(name)]
        told = f"pass one that runs here, such as --backend {runs[0]}"
        if device and backend in runs:
            told = "leave --device out for the first one"
        flag = f"--device {device}: " if device else ""
        print(f"selftest: {flag}{error}; {told}", file=sys.stderr)
        return 2
    except OSError as error:
        why = error.strerror or error
        told = f"--out {out}: can't write there ({why}); pass another folder"
        print(f"selftest: {told}", file=sys.stderr)
        return 2
    print(f"selftest of {name}: at most {2 if quick else 8} minutes")
    is_whole = True
    try:
        test.run()
    except KeyboardInterrupt:
        is_whole = False
    written = test.report.write(out)
    checks = test.report.checks
    failed = [check for check in checks if check.passed is False]
    for check in failed:
        print(f"FAILED {check.part}, {check.name}: {check.detail}")
    missing = [check for check in checks if check.passed is None]
    print(f"{len(failed)} of {len(checks)} checks failed, {len(missing)} were not run")
    print(f"The report: {written[0]} and {written[1]}")
    if not is_whole:
        print(
            "selftest: interrupted; the report has what was done, the same command starts anew",
            file=sys.stderr,
        )
        return 130
    if failed and all(check.detail == TOO_SLOW for check in failed):
        print("Next: start it again when the machine has less to do: nothing computed wrong")
    elif failed:
        print(f"Next: attach {written[1]} to an issue at {ISSUES}")
    elif any(check.detail == NEEDS_PYTEST for check in missing):
        print(f"Next: {NEEDS_PYTEST}, and start it again: the tests were not run")
    else:
        print(f"All is well. Next: `python examples/mnist.py --epochs 2 --backend {name}`")
    return int(bool(failed))
