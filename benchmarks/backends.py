"""Count what works on each backend, by the repository's tests.

    python -m benchmarks.backends numpy strict cupy-like torch jax
    python -m benchmarks.backends torch --columns 'op table' 'order 2'
    python -m benchmarks.backends jax --keep jax.jsonl  # again after a stop: runs what is left

A row of the op table counts if all its tests passed, which compare values and gradients in four
orders of memory, special points and refusals. In the column "order 2" it counts if its gradient of
the gradient passed. The other columns count tests: those that run on a backend, and are compared
with NumPy. What did not pass is named below the table, and runs again with the same --keep.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from .report import NONE, table
from .selftest.repository_tests import runs_on

__all__ = ["COLUMNS", "Found", "cell", "main", "outcomes"]

ROOT = Path(__file__).parents[1]
TABLE = "tests/ops/test_op_table.py"
SECOND = "test_single_derivatives_second_order_and_direct_calls"
COLUMNS = {  # the tests that a column counts
    "op table": (TABLE,),
    "order 2": (TABLE,),
    "layers": ("tests/functions", "tests/nn"),
    "optimizers": ("tests/optim",),
    "examples": ("tests/examples",),
    "capture": ("tests/replay",),
}


class Found(NamedTuple):
    """What came of a test.

    Attributes:
        row: the name of the op, where the test is of a row of the op table.
        order: how often that op can be differentiated.
    """

    name: str
    outcome: str
    row: str = ""
    order: int = 0


class Outcomes:
    """A plugin of pytest: runs the tests that run on a backend, and keeps their outcomes.

    Args:
        keep: a file of outcomes, to which it adds; tests that did not fail there are left out.
    """

    def __init__(self, backend: str, keep: Path) -> None:
        self.backend, self.keep = backend, keep
        self.rows: dict[str, Any] = {}
        self.found: dict[str, Found] = {}
        for line in keep.read_text().splitlines() if keep.exists() else ():
            whose, *test = json.loads(line)
            if whose == backend:
                self.found[test[0]] = Found(*test)

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        known = {name for name, test in self.found.items() if test.outcome != "failed"}
        items[:] = [
            item for item in items if runs_on(item, self.backend) and item.nodeid not in known
        ]
        self.rows = {item.nodeid: item.callspec.params.get("row") for item in items}

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" or not report.passed:
            row = self.rows[report.nodeid]
            of_row = (row.op.__name__, row.order) if hasattr(row, "op") else ()
            self.found[report.nodeid] = found = Found(report.nodeid, report.outcome, *of_row)
            with self.keep.open("a") as file:
                print(json.dumps([self.backend, *found]), file=file)


def outcomes(backend: str, files: list[str], keep: Path) -> list[Found]:
    """Run the tests in these files on a backend, in this process."""
    os.environ["GRADCORE_TEST_BACKENDS"] = backend
    os.chdir(ROOT)
    plugin = Outcomes(backend, keep)
    import_module("pytest").main(["-p", "no:cacheprovider", *files], plugins=[plugin])
    return list(plugin.found.values())


def cell(column: str, tests: list[Found]) -> str:
    """Count those that passed, of those that were not skipped."""
    groups: dict[str, list[bool]] = defaultdict(list)
    for test in tests:
        in_column = test.name.startswith(COLUMNS[column]) and test.outcome != "skipped"
        if in_column and (column != "order 2" or (test.order >= 2 and SECOND in test.name)):
            groups[test.row or test.name].append(test.outcome == "passed")
    return f"{sum(map(all, groups.values())):,} of {len(groups):,}" if groups else NONE


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.backends",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("backends", nargs="+", help="as GRADCORE_TEST_BACKENDS names them")
    parser.add_argument("--columns", nargs="+", choices=COLUMNS, default=list(COLUMNS))
    parser.add_argument("--keep", type=Path, default=Path(os.devnull), help="a file of outcomes")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), metavar="N")
    args = parser.parse_args()
    files = list(dict.fromkeys(file for column in args.columns for file in COLUMNS[column]))
    spawn = multiprocessing.get_context("spawn")  # each starts with its backend's variables
    with ProcessPoolExecutor(args.processes, spawn, max_tasks_per_child=1) as pool:
        found = pool.map(partial(outcomes, files=files, keep=args.keep.resolve()), args.backends)
        tests = dict(zip(args.backends, found, strict=True))
    rows = [[name, *[cell(c, tests[name]) for c in args.columns]] for name in args.backends]
    print(table(["", *args.columns], rows))
    for name, here in tests.items():
        for test in here:
            if test.outcome == "failed" and test.name.startswith(tuple(files)):
                print(f"failed on {name}: {test.name}")


if __name__ == "__main__":
    main()
