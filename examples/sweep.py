"""Try settings of an example: all of a grid, or those that Optuna's samplers choose.

    python examples/sweep.py mnist --grid lr=1e-5,1e-4 --grid model=sigmoid,relu -- --epochs 2
    python examples/sweep.py mnist --search lr=1e-5..1e-3:log --trials 20 --pruner median

Each trial is a run of the example, in a process and a folder of its own in DIR. A database, which
Optuna keeps, has what waits, what runs and what came out: DIR/sweep.db, or one on a server.
Workers on one database share the trials. The same command goes on after an interruption, and on
another machine it joins in. It ends with a table, DIR/NAME.md, and a picture, DIR/NAME.png.
"""

from __future__ import annotations

from harness.launch import launch  # before all else, for a Ctrl-C during the imports

# isort: split

import argparse
import io
import re
import subprocess
import sys
import threading
from collections.abc import Iterable
from importlib import import_module
from itertools import chain, product
from pathlib import Path
from typing import Any

from harness.command_line import complain, path, positive, require
from harness.errors import UserError
from harness.files import FREE, replaced
from harness.processes import EXAMPLES, as_flags, later_signals, shared_cores
from harness.schema import CLASSIFIER
from harness.settings import Choice, choice_of_search, read_by, rows_of_grid

from gradcore.tools.command_line import Parser

NAMES = sorted({file.stem for file in EXAMPLES.glob("*.py")} - {"assignment", "sweep"})
TRIALS = 20  # of a search
SAMPLERS = {  # Optuna's names, and what they need
    "tpe": ("TPESampler", "optuna"),
    "random": ("RandomSampler", "optuna"),
    "qmc": ("QMCSampler", "scipy"),
    "cmaes": ("CmaEsSampler", "cmaes"),
}
PRUNERS = {"none": "NopPruner", "median": "MedianPruner", "hyperband": "HyperbandPruner"}


def parse() -> argparse.Namespace:
    program = "python examples/sweep.py"
    parser = Parser(
        description="Try settings of an example: all of a grid, or those that Optuna's samplers "
        "choose. The example's own flags, which all trials have, stand after --.",
        usage=f"{program} EXAMPLE [FLAG ...] [-- FLAG OF THE EXAMPLE ...]",
        examples={
            f"{program} mnist --grid lr=1e-5,1e-4 --grid model=sigmoid,relu": "four trials; the "
            "same command goes on after an interruption",
            f"{program} mnist --grid lr=1e-5,1e-4 -- --epochs 2 --runs 3": "two, each with three "
            "seeds",
            f"{program} cifar10 --grid batch-size:epochs=4:2,12:6,20:10": "three pairs",
            f"{program} mnist --search lr=1e-6..1e-3:log --workers 2": "20 trials, two at a time",
            f"{program} mnist --grid lr=1e-5,1e-4 --storage URL": "on many machines, by the same "
            "command on each",
        },
    )
    flag = parser.add_argument
    flag("example", choices=NAMES, metavar="EXAMPLE", help=f"one of {', '.join(NAMES)}")
    grid = "try each of these values of a flag, with each one of the other grids; NAME:NAME=A:B,C:D"
    grid += " tries pairs; `on` is for a flag without a value, and `off` leaves a flag out"
    flag("--grid", action="append", default=[], metavar="NAME=A,B", help=grid)
    search = "let the sampler choose a flag's value from A to B, or with A..B:log so that powers "
    search += "of 10 are equally likely, or with A,B,C from these"
    flag("--search", action="append", default=[], metavar="NAME=A..B", help=search)
    trials = f"of the search, for each point of the grid (default: {TRIALS})"
    flag("--trials", type=positive, metavar="N", help=trials)
    flag("--sampler", choices=SAMPLERS, default="tpe", help="how the search chooses")
    flag("--pruner", choices=PRUNERS, default="none", help="which trials end early")
    flag("--workers", type=positive, default=1, metavar="N", help="trials side by side, here")
    flag("--join", action="store_true", help="be one worker, without a table in the end")
    flag("--report", action="store_true", help="train nothing; say what has come out so far")
    flag("--quiet", action="store_true", help="print nothing but the table")
    flag("--out", type=path, metavar="DIR", default="runs/sweep", help="folder of all files")
    url = "the database's URL, as SQLAlchemy has it (default: SQLite, in DIR/sweep.db)"
    flag("--storage", metavar="URL", help=url)
    flag("--name", type=word, metavar="NAME", help="of this sweep (default: EXAMPLE)")
    dead = "take up the trial of a worker that has been silent for so long"
    flag("--patience", type=positive, default=60, metavar="SECONDS", help=dead)
    words = [*sys.argv[1:], "--"]
    end = words.index("--")
    args = parser.parse_args(words[:end])
    args.words, args.flags = words[:end], words[end + 1 : -1]
    return args


def word(text: str) -> str:
    """Read the name of a sweep, which is a part of names of files."""
    if not re.fullmatch(r"\w[\w.-]*", text):
        raise argparse.ArgumentTypeError(f"{text!r} has more than letters, digits, -, _ and .")
    return text


def plan(args: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """Give the sweep, and the settings that all its workers must have, once the example has read
    all of them.

    Raises:
        SystemExit: the example has said what is wrong with them.
        UserError: they can't be followed.
    """
    from harness.trials import Sweep  # which imports Optuna

    grids = list(map(rows_of_grid, args.grid))
    searches = list(map(choice_of_search, args.search))
    known = [(key, Choice(unique(row[key] for row in rows))) for rows in grids for key in rows[0]]
    known += searches
    choices = dict(known)
    if not choices:
        raise UserError("there is nothing to try: give --grid or --search")
    if args.trials and not searches:
        raise UserError("--trials counts those of a --search; a grid has one trial for each point")
    given = [f"--{name}" for name, _ in known]
    given += unique(flag.partition("=")[0] for flag in args.flags)
    for name in choices:
        if given.count(f"--{name}") > 1:
            raise UserError(f"--{name} is given twice: by --grid, by --search or after --")
    try:
        example = import_module(args.example)
    except ImportError as error:
        raise UserError(f"{args.example}.py can't run here: {error}") from None
    settings = read_by(example, args.flags)
    first = {name: choice.values[0] for name, choice in choices.items()}
    ends = [{name: x} for name, choice in searches for x in choice.values]
    for row in [*chain(*grids), *ends]:
        read_by(example, [*args.flags, *as_flags(first | row)])
    points = [{key: x for row in rows for key, x in row.items()} for rows in product(*grids)]
    sweep = Sweep(
        name=args.name or args.example,
        example=args.example,
        flags=args.flags,
        tasks=points * (args.trials or TRIALS) if searches else points,
        choices=choices,
        metric=next(m for m in getattr(example, "METRICS", CLASSIFIER) if m.best),
        out=Path(args.out),
        patience=args.patience,
    )
    own = {"example": args.example, "--grid": args.grid, "--search": args.search}
    free = FREE - {"epochs", "runs"}  # the others may differ from machine to machine
    flags = {f"--{key.replace('_', '-')}": x for key, x in settings.items() if key not in free}
    return sweep, {**own, "--patience": args.patience, **flags}


def unique(xs: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(xs))


def run(args: argparse.Namespace) -> int:
    """Work on the sweep, and say what came out; return the exit status: 0 done, 2 failed, 130
    interrupted."""
    try:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # for "±"
        require("optuna", "sweep.py", "sweep")
        require("matplotlib.figure", "the picture")
        sampler, needed = SAMPLERS[args.sampler]
        require(needed, f"--sampler {args.sampler}", "sweep")
        from harness import outcome, trials

        sweep, settings = plan(args)
        sweep.out.mkdir(parents=True, exist_ok=True)
        folder = str(sweep.out.resolve()).replace("{", "{{").replace("}", "}}")  # Optuna formats it
        url = args.storage or f"sqlite:///{folder}/sweep.db?timeout=60"
        classes = sampler, PRUNERS[args.pruner]
        with trials.storage_errors(url):
            study = trials.open_study(sweep, url, settings, *classes)
            if args.join:
                threading.excepthook = lambda _: None  # Optuna's heartbeat: `work` fails, too
                trials.work(study, sweep, lambda t: tell(args, outcome.spoken(t, sweep)))
                return 0
            if not args.report and not trials.finished(study, sweep):
                start_workers(args)
            table = outcome.table(study, sweep)
            print(table, end="")
            with replaced(sweep.out / f"{sweep.name}.md") as file:
                file.write(table.encode())
            if results := outcome.results(study):
                with replaced(sweep.out / f"{sweep.name}.png") as file:
                    outcome.draw(study, sweep, results, file)
            if not args.report and not trials.finished(study, sweep):
                raise UserError("not all workers came to the end; the same command goes on")
    except BrokenPipeError:  # as in `python examples/sweep.py ... | head`
        return 2
    except (UserError, OSError, MemoryError) as error:
        return complain(error)
    except KeyboardInterrupt:
        if not args.join:
            program = Path(sys.argv[0]).name
            print(f"\n{program}: interrupted; the same command goes on", file=sys.stderr)
        return 130
    return 0 if results else 2


def tell(args: argparse.Namespace, text: str) -> None:
    if not args.quiet:
        print(text, flush=True)


def start_workers(args: argparse.Namespace) -> None:
    """Start the workers of this machine, which join in, and wait until they end."""
    command = [sys.executable, __file__, *args.words, "--join", "--", *args.flags]
    workers: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(args.workers):
            with later_signals():  # else one could come before `workers` has the process
                workers.append(subprocess.Popen(command, env=shared_cores(args.workers)))
        for worker in workers:
            worker.wait()
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait()


def main() -> int:
    return run(parse())


if __name__ == "__main__":
    launch(main)
