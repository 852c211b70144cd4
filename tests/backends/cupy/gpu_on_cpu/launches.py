"""Print what a training step asks of the device, and what time the host takes for that.

    FOLDER/bin/python tests/backends/cupy/gpu_on_cpu/launches.py [STEP ...] [--kernels]

It runs in the environment that `make.py FOLDER` has made, on any branch: the checkout that this
file lies in is the one that is measured. Each step runs eagerly and captured (`gradcore.capture`),
with kernels that do nothing (`GPU_ON_CPU_NOOP`), so all numbers are garbage, memory is never
touched, and a step of any size takes the time of the host only. The columns:

    kernels    launches of kernels, copies among them not counted
    products   calls of cuBLAS, each of which is one kernel or two
    copies     kernels and calls that only copy arrays on the device: orders, dtypes, repeats
    fills      calls and kernels that write one number everywhere, such as zeros
    uploads    copies from the host, downloads: copies to it
    waits      of the host for the device
    mallocs    of memory from CUDA rather than from a pool
    host       microseconds of the host's CPU time: the least of several steps

What a graph replays is in the columns of a captured step; beside it stands what the host does for
the replay, in the column `outside`: everything but the graph, launched once. GRADCORE_CONV says
which way convolutions go; without it, this command takes "implicit", one launch each.
`--kernels` lists the launches of each step by name, most frequent first.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

ENVIRONMENT = {"GPU_ON_CPU_NOOP": "1", "GPU_ON_CPU_EAGER": "1", "GPU_ON_CPU_MB": "1000000"}
if __name__ == "__main__" and any(os.environ.get(k) != x for k, x in ENVIRONMENT.items()):
    DEFAULTS = {"GRADCORE_CONV": "implicit"}
    os.execve(
        sys.executable, [sys.executable, *sys.argv], DEFAULTS | dict(os.environ) | ENVIRONMENT
    )

ROOT = Path(__file__).resolve().parents[4]
sys.path[:0] = [str(ROOT), str(ROOT / "examples")]

import airbench  # noqa: E402
import cifar10  # noqa: E402
import cupy  # noqa: E402
import gpu_on_cpu  # noqa: E402
import numpy as np  # noqa: E402

import gradcore  # noqa: E402
from benchmarks.libraries import on_gradcore  # noqa: E402
from benchmarks.workloads import WORKLOADS  # noqa: E402
from gradcore import backends, cross_entropy  # noqa: E402
from gradcore.backends.cupy.blas import Cublas  # noqa: E402

Cublas.check = lambda _: None  # type: ignore[method-assign]  # where kernels do nothing
COLUMNS = ["kernels", "products", "copies", "fills", "uploads", "downloads", "waits", "mallocs"]
KINDS = {"kernel": "kernels", "library": "products", "copy": "copies", "fill": "fills"}
KINDS |= {name[:-1]: name for name in COLUMNS[4:]}
SECONDS = 2.0  # for which steps are timed
Step = Callable[[], Any]


def workload(name: str) -> Callable[[], Step]:
    """A step of the benchmarks."""
    (found,) = (w for w in WORKLOADS if w.name == name)
    return lambda: on_gradcore.train(**found.arguments(quick=False))


def data(N: int, dtype: str) -> tuple[Any, Any]:
    place = backends.default()
    return place.asarray(np.zeros((N, 3, 32, 32)), dtype), place.asarray(np.zeros(N, "int64"))


def resnet9(dtype: str, N: int = 512) -> Step:
    """A step of `examples/cifar10.py --model resnet9`; in float16 with --mixed-precision."""
    model = cifar10.ResNet9(10, 32, "float32")
    args = argparse.Namespace(optimizer="momentum", lr=0.05, mixed_precision=dtype == "float16")
    optimizer = cifar10.make_optimizer(args, model)
    x, y = data(N, "float32")

    def step() -> Any:
        loss = cross_entropy(model(x), y)
        optimizer.scaled(loss).backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.value

    return step


def airbench_1024(dtype: str) -> Step:
    """A step of `examples/airbench.py`; in float16 in mixed precision."""
    args = argparse.Namespace(**airbench.FULL, lr=11.5, dtype="float32", without=None)
    args.capture, args.mixed_precision = False, dtype == "float16"
    training: Any = airbench.Training(args, (None, None, {"classes": range(10)}), Any)
    training.make_model()
    training.make_optimizer()
    images, labels = data(args.batch_size, "uint8")
    views = training.augment.draw(images)
    return lambda: training.eager_step(images, labels, views)


STEPS: dict[str, Callable[[], Step]] = {
    **{name: workload(name) for name in ("mnist-sigmoid", "blitz-4", "blitz-128", "resnet20-64")},
    "resnet9-512": lambda: resnet9("float32"),
    "resnet9-512-mixed": lambda: resnet9("float16"),
    "airbench-1024": lambda: airbench_1024("float32"),
    "airbench-1024-mixed": lambda: airbench_1024("float16"),
}

_log = ctypes.CDLL(str(gpu_on_cpu.CUDA)).gpu_on_cpu_log
_log.restype = ctypes.c_char_p


def logged(step: Step) -> list[tuple[str, ...]]:
    """Run a step and give (kind, name) of all that it asked for; "node kind" is of a graph."""
    _log(1)
    kept = step()  # freed after the log
    lines = _log(0).decode().splitlines()
    del kept
    return [tuple(line.split("\t")) for line in lines]


def column(kind: str, name: str) -> str | None:
    if kind == "kernel" and name.startswith("cupy_copy"):
        return "copies"
    if kind == "kernel" and name.startswith("cupy_fill"):
        return "fills"
    return KINDS.get(kind)


def counted(notes: list[tuple[str, ...]]) -> dict[str, Any]:
    counts = Counter(column(*note) for note in notes)
    names = Counter(name for kind, name in notes if column(kind, name) in COLUMNS[:4])
    return {**{name: counts[name] for name in COLUMNS}, "names": dict(names.most_common())}


def measured(make: Callable[[], Step]) -> dict[str, Any]:
    """Count and time a step, eager and captured."""
    result = {}
    for mode in ("eager", "captured"):
        step = make() if mode == "eager" else gradcore.capture(make())
        for _ in range(5):  # which also measures ways, warms up and records
            step()
        notes = logged(step)
        nodes = [(kind.removeprefix("node "), x) for kind, x in notes if kind.startswith("node ")]
        outside = [note for note in notes if not note[0].startswith("node ")]
        found = counted(nodes or outside)
        found["outside"] = counted(outside) if nodes else None
        found["is_replayed"] = bool(nodes)
        times, end = [], time.monotonic() + SECONDS
        while len(times) < 3 or time.monotonic() < end:
            begin = time.process_time()
            step()
            times.append(1e6 * (time.process_time() - begin))
        cupy.cuda.Device().synchronize()
        result[mode] = {**found, "host": round(min(times), 1)}
    return result


def table(results: dict[str, Any]) -> str:
    lines = ["| step | mode | all | " + " | ".join([*COLUMNS, "host µs"]) + " |"]
    lines.append("| --- | --- |" + " ---: |" * (len(COLUMNS) + 2))
    for name, modes in results.items():
        for mode, found in modes.items():
            rows = [(mode, found, f"{found['host']:,.0f}")]
            if found["outside"]:
                rows.append(("outside", found["outside"], ""))
            for what, counts, host in rows:
                numbers = [counts[c] for c in COLUMNS]
                cells = [name, what, sum(numbers[:4]), *numbers, host]
                lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"of {', '.join(STEPS)}")
    parser.add_argument("--kernels", action="store_true", help="list launches by name")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there, too")
    args = parser.parse_args()
    if unknown := set(args.steps) - STEPS.keys():
        parser.error(f"no step {', '.join(unknown)}; expected some of {', '.join(STEPS)}")
    gradcore.use_backend("cupy")
    results = {name: measured(STEPS[name]) for name in args.steps or STEPS}
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    print(table(results))
    for name, modes in results.items() if args.kernels else ():
        print(f"\n{name}, eager")
        for kernel, count in modes["eager"]["names"].items():
            print(f"{count:5} {kernel}")


if __name__ == "__main__":
    main()
