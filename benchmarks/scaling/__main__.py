"""Measure allreduces and training steps on 1, 2 and 4 processes, beside a model's predictions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gradcore.tools.command_line import Parser, launch

from ..__main__ import THREADS, machine, write
from ..quiet import Others
from .links import SETTINGS, Setting, network
from .page import page, plot

__all__ = ["main"]

ROOT = Path(__file__).parents[2]
MEASURED = Path(__file__).with_name("measured.json")
BATCHES = {"mnist": 128, "blitz": 128, "resnet9": 32}
SIZES = [1 << k for k in range(10, 27, 2)]  # bytes: 1 KiB to 64 MiB
BUCKET = 1 << 16  # bytes: small networks have several buckets, too
PATIENCE = 300  # seconds for one run


def start(setting: Setting, ranks: int, request: dict[str, Any]) -> dict[str, Any]:
    """Have all ranks measure; give what rank 0 found.

    Raises:
        OSError: there can be no such network here.
    """
    command = [sys.executable, "-m", "benchmarks.scaling.rank", json.dumps(request)]
    variables = {**dict.fromkeys([f"{x}_NUM_THREADS" for x in THREADS], "1"), **setting.variables}
    with network(ranks, setting) if setting.delay else nullcontext() as namespaces:
        if namespaces:
            enter = f'exec ip netns exec {namespaces}$PMI_RANK "$@"'
            command = ["sh", "-c", enter, "sh", *command]
        if ranks > 1:
            command = [mpirun(), "-n", str(ranks), *command]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "GRADCORE_BACKEND": "numpy", **variables},
            stdout=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def mpirun() -> str:
    """Find the mpirun beside this Python, or else on the PATH."""
    here = shutil.which("mpirun", path=str(Path(sys.executable).parent))
    return here or shutil.which("mpirun") or "mpirun"


def measure(is_quick: bool) -> dict[str, Any]:
    """Measure with each link: with 2 and with 4 processes, after one process alone."""
    begin, others = time.perf_counter(), Others()
    request: dict[str, Any] = {"sizes": SIZES, "bucket": BUCKET, "seconds": 2.0}
    settings, batches, counts = [*SETTINGS], BATCHES, [2, 4]
    if is_quick:
        request.update(sizes=[SIZES[0], SIZES[-3]], seconds=0.0)
        settings, batches, counts = ["memory", "loopback", "near"], {"blitz": 8}, [2]
    about = machine(["gradcore", "mpi4py", "mpich"])
    results: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": about,
        "bucket": BUCKET,
        "runs": {},
        "missing": {},
    }
    parts = {name: [batch // N for N in (1, *counts)] for name, batch in batches.items()}
    one = start(SETTINGS["memory"], 1, {**request, "batches": parts})
    results["one"] = one["steps"]
    for setting in settings:
        for N in counts:
            parts = {name: [batch // N] for name, batch in batches.items()}
            try:
                found = start(SETTINGS[setting], N, {**request, "batches": parts})
            except OSError as error:
                results["missing"][setting] = str(error)
                break
            except subprocess.SubprocessError as error:  # the others are worth their minutes
                print(f"{SETTINGS[setting].title}: {error}", file=sys.stderr)
                results["missing"][setting] = f"the run with {N} processes failed"
                break
            steps = {name: step for name, each in found["steps"].items() for step in each.values()}
            results["runs"][f"{setting}-{N}"] = {**found, "steps": steps}
            took = time.perf_counter() - begin
            title = SETTINGS[setting].title
            print(f"{title}, {N} processes: done after {took:.0f} s", file=sys.stderr)
    return {**results, "others": others.cores()}


def rounded(x: Any) -> Any:
    """Round all numbers to five digits, which are more than are known."""
    if isinstance(x, dict):
        return {str(key): rounded(each) for key, each in x.items()}
    if isinstance(x, list | tuple):
        return [rounded(each) for each in x]
    return float(f"{x:.5g}") if isinstance(x, float) else x


def main(arguments: Sequence[str] | None = None) -> int:
    program = "python -m benchmarks.scaling"
    parser = Parser(
        program,
        usage=f"{program} [FLAG ...]",
        description=__doc__,
        examples={
            f"{program} --quick": "tiny sizes: does it run?",
            program: "measure, and print the page: 10 minutes on an idle machine",
            f"{program} --docs": "write docs/scaling.md, its plot, and the figures",
            f"{program} --docs --figures {MEASURED.relative_to(ROOT)}": "write, but do not measure",
        },
    )
    flag = parser.add_argument
    flag("--quick", action="store_true", help="tiny sizes, and few of them: does it run?")
    flag("--figures", type=Path, metavar="FILE", help="take figures from there; measure nothing")
    flag("--json", type=Path, metavar="FILE", help="write all figures there")
    flag("--docs", action="store_true", help="write docs/scaling.md and .png, and the figures")
    args = parser.parse_args(arguments)
    if args.quick and args.docs:
        parser.error("--docs is of everything: leave out --quick")
    if args.figures and not args.figures.is_file():
        parser.error(f"--figures: there is no file {args.figures}")
    if not args.figures and not (find_spec("mpi4py") and shutil.which(mpirun())):
        parser.error("mpi4py or mpirun is missing; pip install -e '.[mpi]' brings both")
    results = json.loads(args.figures.read_text()) if args.figures else rounded(measure(args.quick))
    figures = json.dumps(results, indent=1) + "\n"
    if args.json:
        write(args.json, figures)
    if lacking := [x for x in ("memory-2", "loopback-2") if x not in results["runs"]]:
        print(f"{program}: no page without {' and '.join(lacking)}", file=sys.stderr)
        return 1
    text = page(results)
    if args.docs:
        write(MEASURED, figures)
        write(ROOT / "docs" / "scaling.md", text)
        plot(results, ROOT / "docs" / "scaling.png")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    launch(main, "benchmarks.scaling")
