"""Time gradcore beside its peers, in processes that take turns."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from math import isclose
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from threading import Timer
from typing import Any

from gradcore.backends import Backend, get, problem
from gradcore.backends.numba import loading
from gradcore.tools.command_line import Parser, launch

from . import goals, report
from .libraries import LIBRARIES
from .quiet import OTHERS, Others, is_settled, of_quiet
from .worker import TIMED
from .workloads import NETWORKS, RATES, WORKLOADS, Workload

__all__ = ["Workers", "main", "measure", "parse", "run", "write"]

ROOT = Path(__file__).parents[1]
THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")
PATIENCE, PATIENCE_TO_COMPILE = 300, 150  # seconds for one turn
BUSY = 0.5  # load average of the last minute above which times are noise
ROUNDS, MOST_ROUNDS, GROWTH_ROUNDS = 5, 6, 3


class Worker:
    """A process that times workloads with a library, one after the other (`worker.py`).

    Attributes:
        process: `None` before the first request, and after one that failed.
    """

    def __init__(self, file: str, environment: Mapping[str, str]) -> None:
        self.command = [sys.executable, "-m", "benchmarks.worker", file]
        self.environment = environment
        self.process: subprocess.Popen[str] | None = None

    def ask(self, **request: Any) -> dict[str, Any]:
        """Have the process do a turn, in a new one if there is none."""
        if self.process is None:
            self.told = TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.told,
                text=True,
            )
        process = self.process
        assert process.stdin
        assert process.stdout
        is_late: list[bool] = []

        def end() -> None:
            is_late.append(True)
            process.kill()

        compiles = LIBRARIES[request["library"]].compiles
        patience = PATIENCE_TO_COMPILE if compiles else PATIENCE
        timer = Timer(patience, end)
        timer.start()
        answer = ""
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        timer.cancel()
        if answer:
            result: dict[str, Any] = json.loads(answer)
        elif is_late:
            result = {"missing": f"it took more than {patience} s"}
        else:
            result = {"failed": f"its process ended with status {process.wait()}"}
        if not answer or "failed" in result:
            self.stop()
        return result

    def stop(self) -> None:
        """End the process, and print what it said if it failed."""
        if self.process is None:
            return
        with suppress(BrokenPipeError):
            self.process.communicate(timeout=None if self.process.poll() is not None else 10)
        self.told.seek(0)
        print("".join(self.told.readlines()[-30:]), end="", file=sys.stderr)
        self.told.close()
        self.process = None


class Workers(dict[Any, Worker]):
    """The processes, by file, threads and environment: each library keeps one for all workloads."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args

    @cached_property
    def cache(self) -> TemporaryDirectory[str]:
        """Where PyTorch and tinygrad keep what they compile: each run compiles anew."""
        return TemporaryDirectory(prefix="gradcore-")

    def environment(self, library: str, workload: Workload) -> dict[str, str]:
        args = self.args
        # On a device it makes no difference to chains how many threads there are.
        alone = workload.threads if args.backend == "numpy" else None
        names = [f"{name}_NUM_THREADS" for name in THREADS]
        return {
            **dict.fromkeys(names, str(alone or args.threads)),
            "GRADCORE_BACKEND": args.backend,
            "GRADCORE_FALLBACK": "0",
            "TORCHINDUCTOR_CACHE_DIR": self.cache.name,
            "CACHEDB": str(Path(self.cache.name) / "tinygrad.db"),
            **LIBRARIES[library].environment,
        }

    def ask(self, library: str, workload: Workload) -> dict[str, Any]:
        """Have a library do a turn at a workload."""
        file, more = LIBRARIES[library].file, self.environment(library, workload)
        key = file, *more.items()
        if key not in self:
            self[key] = Worker(file, {**os.environ, **more})
        args = self.args
        given = {"quick": args.quick, "limit": args.seconds}
        return self[key].ask(library=library, workload=workload.name, **given)

    def fresh(self, library: str, workload: Workload, **variables: str) -> dict[str, Any]:
        """Have a library do a turn, with few steps, in a process that has run nothing."""
        command = [sys.executable, "-m", "benchmarks.worker", library, workload.name]
        environment = {**os.environ, **self.environment(library, workload), **variables}
        try:
            done = subprocess.run(
                [*command, "--limit", "0", *["--quick"] * self.args.quick],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=True,
            )
        except subprocess.SubprocessError as error:
            return {"failed": str(error)}
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return result

    def stop(self) -> None:
        for worker in self.values():
            worker.stop()
        if "cache" in vars(self):
            self.cache.cleanup()


def measure(
    workload: Workload, libraries: Sequence[str], workers: Workers
) -> Iterator[dict[str, Any]]:
    """Time a workload with each library in turn, round after round, until PyTorch's time is
    settled.

    Yields, after each turn:
        For each library its medians, quartiles and ratio so far; or what is "missing", or has
        "failed".
    """
    rounds: dict[str, list[Any]] = {library: [] for library in libraries}
    results: dict[str, Any] = {library: {"missing": "not timed yet"} for library in libraries}
    least = most = workers.args.rounds
    if least is None:
        least, most = (GROWTH_ROUNDS,) * 2 if workload.series else (ROUNDS, MOST_ROUNDS)
    for done in range(most):
        if done >= least and is_settled(results.get("torch", {}).get("rounds", [])):
            break
        for library in libraries:
            if "failed" in results[library] or (rounds[library] and "missing" in results[library]):
                continue
            if done >= (LIBRARIES[library].rounds or most):
                continue
            reported = workers.ask(library, workload)
            rounds[library].append(reported)
            results[library] = summary(rounds[library]) if "seconds" in reported else reported
            for name, reports in rounds.items():
                if why := differs(name, reports, rounds.get("torch", [])):
                    results[name] = {"failed": why}
            for name, result in results.items():
                base = results.get(LIBRARIES[name].base, {})
                if {"seconds"} <= result.keys() & base.keys():
                    result["ratio"] = result["seconds"] / base["seconds"]
            yield results
    for library, result in results.items():
        # Of the host. What peers need of it is told of the training steps, and in their process if
        # they compile.
        is_peer = LIBRARIES[library].rounds is not None
        left_out = LIBRARIES[library].compiles or (is_peer and workload.group != "Training steps")
        if "rounds" in result and result["memory"] is None and not left_out:
            alone = workers.fresh(library, workload)
            result |= {name: alone.get(name) for name in ("first", "memory")}
            yield results


def differs(library: str, reported: list[Any], by_torch: list[Any]) -> str | None:
    """Say how the losses of the first steps, from the same weights, differ from PyTorch's."""
    ours, theirs = ((x[0] if x else {}).get("losses", []) for x in (reported, by_torch))
    # Those of a GPU alone may begin with steps that warm up, or that overflow in half precision.
    is_other = LIBRARIES[library].place == "gpu"
    if is_other or all(isclose(a, b, rel_tol=0.02) for a, b in zip(ours, theirs, strict=False)):
        return None
    found, expected = (", ".join(f"{x:.5g}" for x in losses) for losses in (ours, theirs))
    return f"it computes other losses than PyTorch: {found} and not {expected}"


def summary(reported: list[Any]) -> dict[str, Any]:
    """Sum up the turns of one library at one workload."""
    every = [r["seconds"] for r in reported]
    # Quantiles over the steps of all turns; each turn counts the same, however many steps it did.
    even = [x for some in every for x in statistics.quantiles(some, n=100, method="inclusive")]
    low, _, high = statistics.quantiles(even, method="inclusive")
    return {
        "seconds": of_quiet(even),
        "quartiles": [low, high],
        "fastest": min(map(min, every)),
        "first": reported[0]["first"],
        "rounds": [*map(of_quiet, every)],
        "memory": reported[0]["memory"],
    }


def compiling(workload: Workload, workers: Workers) -> float | None:
    """Time gradcore's first step with an empty cache of compiled kernels; return the seconds, or
    `None` if it fails, or no kernel is compiled."""
    if loading.problem() or workers.args.backend != "numpy":
        return None
    with TemporaryDirectory(prefix="gradcore-") as cache:
        return workers.fresh("gradcore", workload, NUMBA_CACHE_DIR=cache).get("first")


def rates(workers: Workers) -> dict[str, float]:
    """Measure how fast this machine multiplies matrices and copies, with NumPy or PyTorch; on a
    GPU with PyTorch only, and nothing without it."""
    best = {}
    libraries = ["numpy"] * (workers.args.backend == "numpy")
    libraries += ["torch"] * ("torch" in workers.args.chosen)
    for workload in RATES:
        *_, measured = measure(workload, libraries, workers) if libraries else [{}]
        flops, elements = workload.cost(workers.args.quick)
        if found := [r["fastest"] for r in measured.values() if "fastest" in r]:
            best[workload.name] = (flops or 4 * elements) / min(found)
    return best


def floor(workload: Workload, quick: bool, rates: Mapping[str, float]) -> float | None:
    """How many seconds a step takes at least; `None`: that is not known, or next to nothing."""
    flops, elements = workload.cost(quick)
    if len(rates) < len(RATES):
        return None
    return flops / rates["matmul"] + 4 * elements / rates["copy"] or None


def machine(libraries: Sequence[str]) -> dict[str, Any]:
    """Describe the machine, Python, and the libraries."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    versions = {}
    for library in libraries:
        versions[library] = ""
        with suppress(PackageNotFoundError):
            versions[library] = version(library)
    return {
        "processor": found[1] if found else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} on {platform.machine()}",
        "python": platform.python_version(),
        "numpy": get("numpy").describe_library(),
        "versions": versions,
    }


def is_there(library: str, backend: str) -> bool:
    """Whether a library can be timed here."""
    known = LIBRARIES[library]
    if "GRADCORE_FAST" in known.environment and loading.problem():
        return False
    if known.place and (known.place == "cpu") != (backend == "numpy"):
        return False
    if known.needs and not shutil.which(known.needs):
        return False
    backend = known.backend or backend
    if known.file == "gradcore" and problem(backend):
        return False
    if known.file == "gradcore" and known.options.get("captured"):
        kind = type(get(backend))
        return kind.recorder is not Backend.recorder or kind.compiler is not Backend.compiler
    return bool(find_spec(known.file))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    program = "python -m benchmarks"
    parser = Parser(
        program,
        usage=f"{program} [FLAG ...]",
        description=(__doc__ or "").partition("\n")[0],
        examples={
            f"{program} --quick --only mnist": "one workload of a tiny size: a minute",
            f"{program} --only 'mnist|blitz'": "those whose name matches",
            program: "everything: 40 minutes",
            f"{program} --goals": "what the project's goals are of, beside the goals: 20 minutes",
            f"{program} --docs": "write docs/explanation/benchmarks.md and its plot",
        },
    )
    flag = parser.add_argument
    flag(
        "--only",
        metavar="PATTERN",
        default="",
        help="workloads whose name this is found in (default: all)",
    )
    libraries = f"some of these, with commas: {', '.join(LIBRARIES)} (default: all there)"
    flag("--libraries", metavar="NAMES", help=libraries)
    backend = "gradcore's (default: numpy); with cupy, PyTorch runs on the GPU too"
    flag("--backend", metavar="NAME", default="numpy", help=backend)
    flag("--threads", type=int, metavar="N", default=os.cpu_count(), help="of every library")
    until = f"{ROUNDS}, and up to {MOST_ROUNDS} until PyTorch's time is settled"
    flag("--rounds", type=int, metavar="N", help=f"turns of each library (default: {until})")
    flag("--seconds", type=float, metavar="X", default=TIMED, help="that steps fill in a turn")
    flag("--quick", action="store_true", help="tiny sizes and one round: does it run?")
    flag("--json", type=Path, metavar="FILE", help="write all figures there")
    flag("--docs", action="store_true", help="write docs/explanation/benchmarks.md and .png")
    flag("--goals", action="store_true", help="only the workloads that have goals, beside these")
    flag("--list", action="store_true", help="name the workloads")
    args = parser.parse_args(arguments)
    try:
        known = WORKLOADS if args.backend == "numpy" else WORKLOADS + NETWORKS
        args.workloads = [w for w in known if re.search(args.only, w.name)]
    except re.error as error:
        parser.error(f"--only: {args.only!r} is no regular expression ({error})")
    if not args.workloads:
        parser.error(f"--only: {args.only!r} is in no workload's name; --list has them")
    if min(args.threads, args.rounds or 1) < 1:
        parser.error("--threads and --rounds are at least 1")
    if args.docs and (args.quick or args.only or args.libraries or args.goals):
        parser.error("--docs is of everything: leave out --quick, --only, --libraries and --goals")
    if args.goals:
        args.workloads = [w for w in args.workloads if goals.of_row(w.name, w.group)]
        args.libraries = args.libraries or ",".join(
            x for x in ("torch", *goals.COLUMNS) if is_there(x, args.backend)
        )
    if args.json and not args.json.parent.is_dir():
        parser.error(f"--json: there is no folder {args.json.parent}; make it first")
    if why := problem(args.backend):
        parser.error(f"--backend: {why}")
    chosen = [name for name, library in LIBRARIES.items() if not library.is_extra]
    chosen = args.libraries.split(",") if args.libraries else chosen
    for name in chosen:
        if name not in LIBRARIES:
            parser.error(f"--libraries: {name!r}, expected some of {','.join(LIBRARIES)}")
        if args.libraries and not is_there(name, args.backend):
            missing = f"{name} is not installed; try pip install -e '.[bench]'"
            needs = LIBRARIES[name].needs
            if args.backend == "numpy" and LIBRARIES[name].place == "gpu":
                missing = f"{name} is of a GPU; try --backend cupy"
            elif needs and not shutil.which(needs):
                missing = f"{name} needs {needs}, which is not installed"
            elif LIBRARIES[name].options.get("captured"):
                missing = f"{LIBRARIES[name].backend or args.backend} can't capture steps"
                missing += "; try --backend cupy" * (LIBRARIES[name].backend is None)
            parser.error(f"--libraries: {missing}")
    args.chosen = [name for name in chosen if is_there(name, args.backend)]
    args.rounds = 1 if args.quick else args.rounds
    return args


def run(args: argparse.Namespace, results: dict[str, Any]) -> Iterator[str]:
    """Time the workloads, and fill `results`; yield the name of the workload after each turn."""
    workers = Workers(args)
    try:
        results["rates"] = rates(workers)
        for workload in args.workloads:
            row = results["workloads"][workload.name] = {
                "threads": workload.threads or args.threads,
                "floor": floor(workload, args.quick, results["rates"]),
                "group": workload.group,
                "series": workload.series,
                "at": workload.at,
                "libraries": {},
                "is_settled": True,
            }
            libraries = [x for x in args.chosen if workload.group in LIBRARIES[x].groups]
            for row["libraries"] in measure(workload, libraries, workers):
                yield workload.name
            torch = row["libraries"].get("torch", {}).get("rounds", [])
            row["is_settled"] = bool(workload.series) or is_settled(torch)
            if "gradcore" in args.chosen and workload.family == "train" and not workload.series:
                row["compiling"] = compiling(workload, workers)
            print(report.line(workload.name, row["libraries"]), file=sys.stderr, flush=True)
            yield workload.name
    finally:
        workers.stop()


def write(path: Path, text: str) -> None:
    """Write a file, at once as a whole."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, "utf-8")
    part.replace(path)


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse(arguments)
    if args.list:
        print(*[w.name for w in args.workloads], sep="\n")
        return 0
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > BUSY:
        print(f"this machine is busy (load {load:.1f}): the figures are noise", file=sys.stderr)
        if args.docs:
            print(
                "the page is of a quiet machine: run --docs again when it is one", file=sys.stderr
            )
            return 2
    results: dict[str, Any] = {
        "machine": machine(args.chosen),
        "date": time.strftime("%Y-%m-%d"),
        "backend": args.backend,
        "load": load,
        "threads": args.threads,
        "rounds": args.rounds or ROUNDS,
        "most": args.rounds or MOST_ROUNDS,
        "others": 0.0,
        "rates": {},
        "workloads": {},
    }
    before, others, is_whole = signal.signal(signal.SIGTERM, interrupted), Others(), False
    try:
        for _ in run(args, results):
            if args.json:
                write(args.json, json.dumps(results, indent=1) + "\n")
        is_whole = True
    except KeyboardInterrupt:
        print("interrupted: these are all that is done", file=sys.stderr)
    finally:
        signal.signal(signal.SIGTERM, before)
    results["others"] = others.cores()
    text = report.goals(results["workloads"]) if args.goals else report.markdown(results)
    print(text)  # first, as the file may not be writable
    if args.json:
        write(args.json, json.dumps(results, indent=1) + "\n")
    is_noise = results["others"] > OTHERS and not args.quick
    if is_noise:
        used = f"other processes used {results['others']:.1f} cores"
        print(f"the figures are noise: {used}", file=sys.stderr)
    if args.docs and (is_noise or not is_whole):
        print("the page is not written: run --docs again", file=sys.stderr)
        return 1
    if args.docs:
        (ROOT / "docs" / "explanation" / "benchmarks.md").write_text(text)
        report.plot(results, ROOT / "docs" / "explanation" / "benchmarks.png")
    ours = [w["libraries"].get("gradcore", {}) for w in results["workloads"].values()]
    return int(any("failed" in x for x in ours))


if __name__ == "__main__":
    launch(main, "benchmarks")
