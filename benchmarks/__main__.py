"""Time gradcore beside its peers, in fresh processes that take turns."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gradcore.backends import Backend, get, problem
from gradcore.backends.numba import loading
from gradcore.tools.command_line import Parser, launch

from . import report
from .workloads import RATES, WORKLOADS, Workload

__all__ = ["LIBRARIES", "main", "parse"]

ROOT = Path(__file__).parents[1]
LIBRARIES = tuple(report.NAMES)
THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")
PATIENCE = 600  # seconds for one process
BUSY = 0.5  # load average of the last minute above which times are noise


def work(
    library: str, workload: Workload, args: argparse.Namespace, **variables: str
) -> dict[str, Any]:
    """Run a worker, with these environment variables, and return its report on the library."""
    environment = dict(os.environ)
    threads = str(workload.threads or args.threads)
    environment |= {f"{name}_NUM_THREADS": threads for name in THREADS}
    environment |= {"GRADCORE_BACKEND": args.backend, "GRADCORE_FALLBACK": "0", **variables}
    package = library.replace("-", "_")
    if library == "gradcore-numpy":  # without compiled kernels
        package, environment["GRADCORE_FAST"] = "gradcore", "0"
    command = [sys.executable, "-m", "benchmarks.worker", package, workload.name]
    try:
        done = subprocess.run(
            command + ["--quick"] * args.quick,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"it took more than {PATIENCE} s"}
    result: dict[str, Any] = {"failed": f"exit status {done.returncode}"}
    if done.returncode == 0:
        result = json.loads(done.stdout.splitlines()[-1])
    if "failed" in result:
        print(done.stderr, file=sys.stderr)
    return result


def measure(
    workload: Workload, libraries: Sequence[str], args: argparse.Namespace
) -> dict[str, Any]:
    """Time a workload with each library in turn.

    Returns:
        For each library its medians, quartiles and ratio; or what is "missing", or has "failed".
    """
    rounds: dict[str, list[Any]] = {library: [] for library in libraries}
    results: dict[str, Any] = {}
    for _ in range(args.rounds):
        for library in libraries:
            if library not in results:
                reported = work(library, workload, args)
                rounds[library].append(reported)
                if "seconds" not in reported:
                    results[library] = reported
    for library in set(libraries) - set(results):
        medians = [statistics.median(r["seconds"]) for r in rounds[library]]
        every = [r["seconds"] for r in rounds[library]]
        # Quartiles over the steps of all processes; each process counts the same, however many
        # steps it did.
        even = [x for some in every for x in statistics.quantiles(some, n=100, method="inclusive")]
        low, _, high = statistics.quantiles(even, method="inclusive")
        memory = [r["memory"] for r in rounds[library] if r["memory"] is not None]
        results[library] = {
            "seconds": statistics.median(medians),
            "quartiles": [low, high],
            "fastest": min(map(min, every)),
            "first": statistics.median(r["first"] for r in rounds[library]),
            "rounds": medians,
            "memory": statistics.median(memory) if memory else None,
        }
    # Compare the two processes of each round, which ran one after the other; take the median.
    base = results.get("torch", {}).get("rounds", [])
    for result in results.values():
        if base and "rounds" in result:
            pairs = zip(result["rounds"], base, strict=True)
            result["ratio"] = statistics.median(a / b for a, b in pairs)
    return {library: results[library] for library in libraries}


def compiling(workload: Workload, args: argparse.Namespace) -> float | None:
    """Time gradcore's first step with an empty cache of compiled kernels; return the seconds, or
    `None` if it fails, or no kernel is compiled."""
    if loading.problem() or args.backend != "numpy":
        return None
    with tempfile.TemporaryDirectory(prefix="gradcore-") as cache:
        return work("gradcore", workload, args, NUMBA_CACHE_DIR=cache).get("first")


def rates(args: argparse.Namespace) -> dict[str, Any]:
    """Measure how fast this machine multiplies matrices and copies, with NumPy or PyTorch."""
    best = {}
    for workload in RATES:
        measured = measure(workload, ["numpy", *{"torch"} & {*args.chosen}], args)
        seconds = min(r["fastest"] for r in measured.values() if "fastest" in r)
        flops, elements = workload.cost(args.quick)
        best[workload.name] = (flops or 4 * elements) / seconds
    return best


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
    if library == "gradcore-captured":
        return type(get(backend)).recorder is not Backend.recorder
    return not loading.problem() if library == "gradcore-numpy" else bool(find_spec(library))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    program = "python -m benchmarks"
    parser = Parser(
        program,
        usage=f"{program} [FLAG ...]",
        description=(__doc__ or "").partition("\n")[0],
        examples={
            f"{program} --quick --only mnist": "one workload of a tiny size: a minute",
            f"{program} --only 'mnist|blitz'": "those whose name matches",
            program: "everything: most of an hour",
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
    flag("--rounds", type=int, metavar="N", default=5, help="processes of each library")
    flag("--quick", action="store_true", help="tiny sizes and one round: does it run?")
    flag("--json", type=Path, metavar="FILE", help="write all figures there")
    flag("--docs", action="store_true", help="write docs/explanation/benchmarks.md and .png")
    flag("--list", action="store_true", help="name the workloads")
    args = parser.parse_args(arguments)
    try:
        args.workloads = [w for w in WORKLOADS if re.search(args.only, w.name)]
    except re.error as error:
        parser.error(f"--only: {args.only!r} is no regular expression ({error})")
    if not args.workloads:
        parser.error(f"--only: {args.only!r} is in no workload's name; --list has them")
    if min(args.threads, args.rounds) < 1:
        parser.error("--threads and --rounds are at least 1")
    if args.docs and (args.quick or args.only or args.libraries):
        parser.error("--docs is of everything: leave out --quick, --only and --libraries")
    if args.json and not args.json.parent.is_dir():
        parser.error(f"--json: there is no folder {args.json.parent}; make it first")
    if why := problem(args.backend):
        parser.error(f"--backend: {why}")
    chosen = args.libraries.split(",") if args.libraries else LIBRARIES
    for name in chosen:
        if name not in LIBRARIES:
            parser.error(f"--libraries: {name!r}, expected some of {','.join(LIBRARIES)}")
        if args.libraries and not is_there(name, args.backend):
            missing = f"{name} is not installed; try pip install -e '.[bench]'"
            if name == "gradcore-captured":
                missing = f"{args.backend} can't capture steps; try --backend cupy"
            parser.error(f"--libraries: {missing}")
    args.chosen = [name for name in chosen if is_there(name, args.backend)]
    args.rounds = 1 if args.quick else args.rounds
    return args


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse(arguments)
    if args.list:
        print(*[w.name for w in args.workloads], sep="\n")
        return 0
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > BUSY:
        print(f"this machine is busy (load {load:.1f}): the figures are noise", file=sys.stderr)
    results: dict[str, Any] = {
        "machine": machine(args.chosen),
        "date": time.strftime("%Y-%m-%d"),
        "backend": args.backend,
        "load": load,
        "threads": args.threads,
        "rounds": args.rounds,
        "rates": rates(args),
        "workloads": {},
    }
    try:
        for workload in args.workloads:
            measured = measure(workload, args.chosen, args)
            flops, elements = workload.cost(args.quick)
            at = results["rates"]
            floor = flops / at["matmul"] + 4 * elements / at["copy"]
            results["workloads"][workload.name] = {
                "threads": workload.threads or args.threads,
                "floor": floor or None,
                "series": workload.series,
                "at": workload.at,
                "libraries": measured,
            }
            if "gradcore" in measured and workload.family == "train" and not workload.series:
                results["workloads"][workload.name]["compiling"] = compiling(workload, args)
            print(report.line(workload.name, measured), file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("interrupted: these are all that is done", file=sys.stderr)
    text = report.markdown(results)
    print(text)  # first, as the file may not be writable
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    if args.docs:
        (ROOT / "docs" / "explanation" / "benchmarks.md").write_text(text)
        report.plot(results, ROOT / "docs" / "explanation" / "benchmarks.png")
    ours = [w["libraries"].get("gradcore", {}) for w in results["workloads"].values()]
    return int(any("failed" in x for x in ours))


if __name__ == "__main__":
    launch(main, "benchmarks")
