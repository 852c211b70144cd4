"""Count what a reader of gradcore needs, and how far a value walks through the files.

    python -m benchmarks.reading
    python -m benchmarks.reading ../older  # another checkout

It measures with Python's profiler, on the course's MNIST network (two linear layers with a sigmoid
between them, examples/mnist.py's default), with NumPy and without compiled kernels. The figures:

root: the Python files in gradcore/ itself, where a reader begins.
core: the lines of graph.py, and those of graph.py with the files of gradcore/engine/ that the first
    training step enters; then how many of these lines lie in functions that ran. (A checkout that
    has no engine/: the files that graph.py imports.)
walk: how many Python functions of gradcore/ and backends/ are called, in how many files, and how
    often a call is in another file than the call before it. A generator counts again each time it
    goes on. Python 3.12 and newer count fewer, as their comprehensions are no calls.
rooms: the folders of gradcore/ and the files beside them except `__init__.py`, which gathers the
    names of all; with backends/, benchmarks/ and examples/. An arrow: one room imports another.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import CodeType
from typing import Any

from benchmarks.imports import arrows

__all__ = ["main"]

GRAPH, ENGINE, INIT = "gradcore/graph.py", "gradcore/engine/", "gradcore/__init__.py"
BATCH, SIZES = 128, (784, 3136, 10)

Walk = list[tuple[str, CodeType]]  # the file and the code of each call, in order


def walk(root: Path, run: Callable[[], object]) -> Walk:
    """Run a function, and list the calls of Python functions of gradcore/ and backends/."""
    found: Walk = []
    folders = tuple(f"{root / folder}{os.sep}" for folder in ("gradcore", "backends"))

    def note(frame: Any, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(folders):
            found.append((Path(code.co_filename).relative_to(root).as_posix(), code))

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    return found


def walks(root: Path) -> tuple[Walk, Walk, Walk]:
    """Walk through `forward` of a linear layer, and `forward` and `backward` of the network."""
    import numpy as np

    from gradcore import Linear, logceloss, logsoftmax, sigmoid

    layer, small = Linear(3, 2), np.ones((4, 3), np.float32)
    layer.forward(small)  # what happens only once per process does not count
    first, last = (Linear(m, n) for m, n in pairwise(SIZES))
    images, labels = np.ones((BATCH, SIZES[0]), np.float32), np.zeros(BATCH, np.int64)
    losses: list[Any] = []

    def forward() -> None:
        losses.append(logceloss(logsoftmax(last(sigmoid(first(images)))), labels))

    network = walk(root, forward)
    return walk(root, lambda: layer.forward(small)), network, walk(root, losses[0].backward)


def lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def core(root: Path, step: Walk) -> str:
    """Count the lines of the core's files that a training step enters."""
    imported = {GRAPH, *(file for file in arrows(root, "gradcore")[GRAPH])}
    entered = {file for file, _ in step if file.startswith(ENGINE) or file in imported}
    files = sorted(file for file in entered if file.startswith("gradcore/"))
    total = sum(lines(root / file) for file in files)
    ran = {
        (file, line)
        for file, code in step
        if file in files
        for line in range(code.co_firstlineno, 1 + max(n or 0 for *_, n in code.co_lines()))
    }
    each = "\n".join(f"  {lines(root / file):5} {file}" for file in files)
    return (
        f"core: {lines(root / GRAPH)} lines in graph.py, {total:,} in the {len(files)} files that "
        f"a training step enters, {len(ran)} of them in functions that ran\n{each}"
    )


def steps(name: str, calls: Walk) -> str:
    """Say how far a walk went."""
    files = [file for file, _ in calls]
    changes = sum(a != b for a, b in pairwise(files))
    (most, times), *_ = Counter(files).most_common(1)
    return (
        f"walk: {name}: {len(calls)} calls in {len(set(files))} files, {changes} changes of file; "
        f"{times} of the calls in {most}"
    )


def rooms(root: Path) -> str:
    """Count the rooms, and the arrows between them."""

    def room(file: str) -> str:
        first, second, *_ = Path(file).parts
        return f"{first}/{second}" if first == "gradcore" else first

    imported = arrows(root, "backends", "benchmarks", "examples", "gradcore")
    found = {(room(a), room(b)) for a in imported for b in imported[a] if INIT not in (a, b)}
    count = len({room(file) for file in imported if file != INIT})
    return f"rooms: {count}, with {sum(a != b for a, b in found)} arrows between them"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reading",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    here = Path(__file__).parents[1]
    parser.add_argument("checkout", nargs="?", type=Path, default=here, help="(default: this one)")
    root = parser.parse_args(arguments).checkout.resolve()
    if not (root / GRAPH).is_file():
        parser.error(f"{root} has no {GRAPH}; give the folder of a checkout")
    os.environ["GRADCORE_BACKEND"], os.environ["GRADCORE_FAST"] = "numpy", "0"
    sys.path.insert(0, str(root))  # before gradcore is imported, and not as pip has installed it
    sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in getattr(f, "__module__", "")]
    linear, forward, backward = walks(root)
    at_root = sorted(path.name for path in (root / "gradcore").glob("*.py"))
    print(f"gradcore in {root}, on Python {platform.python_version()}")
    print(f"root: {len(at_root)} files: {', '.join(at_root)}")
    print(core(root, forward + backward))
    print(steps("Linear forward", linear))
    print(steps("backward of the MNIST network", backward))
    print(rooms(root))


if __name__ == "__main__":
    main(sys.argv[1:])
