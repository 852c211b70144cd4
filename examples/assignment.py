"""Reproduce the course's assignment: train what its figures and tables show, and report.

    python examples/assignment.py --quick                      # a few minutes
    python examples/assignment.py --out runs/assignment        # hours; the same command continues
    python examples/assignment.py --report --out docs/report   # no training, seconds

Each training is a run of mnist.py or cifar10.py, in a folder of its own in DIR/runs. A training
that is done is not repeated, and one that was interrupted goes on after its last epoch. The report
is DIR/report.md with pictures beside it, and the same on one page, DIR/report.html. The numbers of
all trainings are kept in DIR/results.jsonl, a line each: from this file --report makes the report
again, also where DIR/runs is gone.
"""

from __future__ import annotations

from harness.launch import launch  # before all else, for a Ctrl-C during the imports

# isort: split

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from harness.command_line import complain, path, positive, require
from harness.errors import UserError
from harness.files import locked
from harness.processes import as_flags, command_of, later_signals, shared_cores
from harness.report import (
    Item,
    Row,
    activations,
    between_rows,
    each_row,
    longest,
    nearest,
    optimizers,
    printed,
    ranked,
    report,
    seen,
    session,
    settings,
    stays,
)
from harness.results import FILE, Training, keep, load, training

from gradcore.data import DataError, NotFoundError, find_cifar10, find_mnist
from gradcore.tools.command_line import Parser

SEEDS = 3

# -- The items of the assignment, and what it reports --------------------------------------------


mnist = partial(training, "mnist")


def seeds(example: str, **flags: Any) -> tuple[Training, ...]:
    """Make one training for each of the first SEEDS seeds."""
    return tuple([training(example, **flags, seed=seed) for seed in range(SEEDS)])


def of_settings(lr: float, *reported: str) -> tuple[Row, ...]:
    """Make the rows of a table.

    Args:
        reported: of each row, "BATCH_SIZE EPOCHS ACCURACY LOSS".
    """
    rows = []
    for line in reported:
        n, epochs, accuracy, loss = line.split()
        runs = seeds("cifar10", batch_size=int(n), epochs=int(epochs), lr=lr)
        rows.append(Row(f"{n} / {epochs}", runs, [accuracy], [loss]))
    return tuple(rows)


BASE = mnist()
LAST_EPOCHS = 5  # which the figures 18 to 24 print

ITEMS = [
    Item(
        "q5",
        "Questions 5 to 7: a session",
        session,
        "What do the nodes of `c = a + b` hold, who calls an op's `forward`, and who its "
        "`backward`?",
        seen,
        remarks="`docs/tutorials/assignment.md` explains the session, and derives the gradients "
        "of questions 1 to 4 and 8.",
    ),
    Item(
        "q9",
        "Question 9, figure 16: sigmoid and ReLU",
        activations,
        "How do the accuracies of two multilayer perceptrons on MNIST compare, one with sigmoids "
        "and one with ReLUs?",
        between_rows,
        (
            Row("Sigmoid", seeds("mnist"), ["97.43", "97.67"]),
            Row("ReLU", seeds("mnist", model="relu"), ["96.65", "96.86"]),
        ),
        "Both have one hidden layer, and the same learning rate, which the sigmoid suits better. "
        "What is reported is of one training each.",
    ),
    Item(
        "fig18",
        "Figure 18: the base model",
        printed,
        "How good is the base model, with one hidden layer of sigmoids, on MNIST?",
        each_row,
        (
            Row(
                "The base model",
                (BASE,),
                ["97.08", "97.08", "97.12", "97.16", "97.20"],
                ["0.02315", "0.02135", "0.01984", "0.0185", "0.01732"],
            ),
        ),
    ),
    Item(
        "fig19",
        "Figure 19: one hidden layer more",
        printed,
        "What changes with a second hidden layer of the same width?",
        nearest,
        tuple(
            [
                Row(
                    label,
                    (mnist(model=model),),
                    ["97.72", "97.76", "97.76", "97.78", "97.74"],
                    ["0.02363", "", "", "", "0.01762"],
                    asked=model == "3layer",
                )
                for label, model in (
                    ("Two hidden layers", "3layer"),
                    ("With a residual connection", "residual"),
                )
            ]
        ),
        "The network with a residual connection, which figure 20 is about, stands beside the one "
        "that is asked for, so that the two can be compared.",
        BASE,
    ),
    Item(
        "fig20",
        "Figure 20: a residual connection",
        printed,
        "What changes with a residual connection: what a hidden layer is given is added to what "
        "it gives?",
        nearest,
        tuple(
            [
                Row(
                    label,
                    (mnist(model=model, hidden=hidden),),
                    ["96.40", "96.46", "96.42", "96.56", "96.62"],
                    ["0.08815", "0.08226", "0.07699", "0.07217", "0.06771"],
                    asked=model == "residual",
                )
                for label, model, hidden in (
                    ("4 times as wide", "residual", 4),
                    ("As wide as the input", "residual", 1),
                    ("4 times as wide, no residual", "3layer", 4),
                )
            ]
        ),
        "Which layers these are, and how wide, is not stated. So there are two networks: their two "
        "hidden layers are 4 times as wide as the input, as those of figure 19, or as wide as the "
        "input. The third, the network of figure 19, has no residual connection.",
        BASE,
    ),
    Item(
        "fig22",
        "Figure 22: SGD with momentum 0.9",
        printed,
        "What changes with a momentum of 0.9?",
        each_row,
        (
            Row(
                "As printed",
                (mnist(seed=1),),
                ["97.22", "", "", "", "97.32"],
                ["0.02325", "", "", "", "0.01731"],
            ),
            Row("Momentum that lasts", (mnist(optimizer="momentum"),)),
        ),
        "In the code that the assignment prints, momentum starts anew in every batch, and so it is "
        "plain gradient descent (`docs/tutorials/assignment.md` shows it): the first row is the "
        "base model with another seed. The second row has the momentum that was meant.",
        BASE,
    ),
    Item(
        "fig23",
        "Figure 23: all weights zero",
        printed,
        "What happens if all weights are zero at the start?",
        stays,
        (
            Row(
                "All weights zero",
                (mnist(init="zeros"),),
                ["12 to 32"] * LAST_EPOCHS,
                ["1.757"] * LAST_EPOCHS,
            ),
        ),
        "All hidden units then stay alike, so that the network can tell no more than a single one.",
    ),
    Item(
        "fig24",
        "Figure 24: weights from a standard normal distribution",
        printed,
        "What happens if the weights at the start are from a standard normal distribution?",
        each_row,
        (
            Row(
                "Normal weights",
                (mnist(init="normal"),),
                ["88.38", "", "", "", "88.79"],
                ["1.812", "", "", "", "1.559"],
            ),
        ),
        "The hidden units are saturated from the start. Most gradients are then so close to 0 that "
        "they are denormal numbers, with which CPUs are slow.",
        BASE,
    ),
    Item(
        "fig25",
        "Figures 25 and 26: optimizers",
        optimizers,
        "Which optimizer is the best for the network of PyTorch's tutorial on CIFAR-10, with "
        "batches of 4, after 2 epochs?",
        ranked,
        (
            Row("SGD", seeds("cifar10"), ["53"]),
            Row("Adagrad, 0.01", seeds("cifar10", optimizer="adagrad", lr=0.01), ["51"]),
            Row("Adagrad, 0.001", seeds("cifar10", optimizer="adagrad")),
            Row("Adam", seeds("cifar10", optimizer="adam"), ["53"]),
            Row("RMSprop", seeds("cifar10", optimizer="rmsprop"), ["56"]),
        ),
        "SGD has a momentum of 0.9. Learning rates are not stated: here 0.001, as in table 1, and "
        "for Adagrad also 0.01, PyTorch's default for it. What is reported seems to be of one "
        "training each.",
    ),
    Item(
        "table1",
        "Table 1: batch sizes and epochs, learning rate 0.001",
        settings,
        "Which batch size and number of epochs is the best for the same network, trained by SGD "
        "with momentum?",
        ranked,
        of_settings(
            0.001,
            "4 2 53 1.278",
            "12 6 60 1.003",
            "20 10 62 0.991",
            "24 12 63 0.936",
            "32 16 61 0.986",
        ),
        "What is reported seems to be of one training each. The loss is what PyTorch's tutorial "
        "prints last: the mean of 2,000 batches, up to the last multiple of 2,000 in the last "
        "epoch. Of batches of 32, an epoch has fewer: the mean of all.",
    ),
    Item(
        "table2",
        "Table 2: learning rate 0.003",
        settings,
        "And with a learning rate of 0.003?",
        ranked,
        of_settings(
            0.003,
            "12 6 62 0.875",
            "20 10 63 0.812",
            "24 12 63 0.783",
            "32 16 64 0.681",
        ),
        "The numbers are those of table 1.",
    ),
    Item(
        "table3",
        "Table 3: learning rate 0.003, more epochs",
        settings,
        "And with that rate and more epochs?",
        longest,
        of_settings(
            0.003,
            "24 30 61 0.457",
            "24 50 59 0.446",
            "32 30 62 0.553",
            "32 50 61 0.309",
        ),
        "The numbers are those of table 1.",
    ),
]


# -- Training -----------------------------------------------------------------------------------


def train(
    trainings: list[Training], done: Sequence[str], out: Path, jobs: int, data_dir: str | None
) -> int:
    """Run the trainings that are not done, `jobs` at a time.

    Args:
        done: the names of those that are done.

    Returns:
        How many failed; the reasons are on stderr.
    """
    runs = out / "runs"
    waiting = [t for t in trainings if t.name not in done]
    n, failed = len(trainings), 0
    print(f"{n - len(waiting)} of {n} trainings are done", flush=True)
    environment = {**shared_cores(jobs), "GRADCORE_OFFLINE": "1"}
    running: dict[Training, Any] = {}
    started: dict[Training, float] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                t = waiting.pop(0)
                started[t] = time.perf_counter()
                with later_signals():  # else one could come before `running` knows the process
                    running[t] = start(t, runs / t.name, data_dir, environment)
            time.sleep(0.05)
            for t in [t for t, process in running.items() if process.poll() is not None]:
                code = running.pop(t).returncode
                said = (runs / t.name / "log.txt").read_text().splitlines() or ["nothing"]
                seconds = time.perf_counter() - started[t]
                if code:
                    failed += 1
                    print(f"{t.name} failed: {said[-1]}", file=sys.stderr)
                else:
                    print(f"{t.name}: {said[-1]}, {seconds:.0f} s", flush=True)
    finally:
        for process in running.values():
            process.terminate()  # its checkpoint, of the last epoch, stays
            process.wait()
    return failed


def start(t: Training, folder: Path, data_dir: str | None, environment: dict[str, str]) -> Any:
    """Start the process of a training, whose output goes to log.txt in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    data = ["--data-dir", data_dir] if data_dir else []
    command = command_of(t.example, ["--quiet", *as_flags(dict(t.flags)), *data], folder)
    with (folder / "log.txt").open("w") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def find_data(trainings: list[Training], data_dir: str | None) -> None:
    """Find the data, or download them, once, before each training looks for them."""
    examples = {t.example for t in trainings}
    if "mnist" in examples:
        find_mnist("mnist", data_dir)
    if "cifar10" in examples:
        with suppress(NotFoundError):  # then cifar10.py trains on generated images
            find_cifar10(data_dir)


def parse() -> argparse.Namespace:
    program = "python examples/assignment.py"
    parser = Parser(
        description="Reproduce the figures and tables of the assignment.",
        usage=f"{program} [FLAG ...]",
        examples={
            f"{program} --quick": "a little of each, in a few minutes",
            f"{program} --only fig18 q9": "two of them, whole",
            program: "all of them; the same command goes on after an interruption",
        },
    )
    flag = parser.add_argument
    flag("--quick", action="store_true", help="a few minutes: few images, few epochs, one seed")
    keys = [item.key for item in ITEMS]
    flag(
        "--only",
        nargs="+",
        choices=keys,
        metavar="ITEM",
        help=f"train these (default: all): {', '.join(keys)}",
    )
    flag("--report", action="store_true", help="train nothing: report what is done")
    flag(
        "--from",
        dest="others",
        nargs="+",
        type=path,
        default=[],
        metavar="DIR",
        help=f"take finished trainings from DIR/runs and DIR/{FILE}, too; they count more",
    )
    cores = os.cpu_count() or 1
    flag(
        "--jobs",
        type=positive,
        default=min(cores, 4),
        metavar="N",
        help="trainings side by side, which share the cores",
    )
    data = "where the data is (default: GRADCORE_DATA, else the cache)"
    flag("--data-dir", type=path, metavar="DIR", help=data)
    flag("--note", metavar="TEXT", help="say this, too, at the top of the report")
    flag(
        "--out",
        type=path,
        metavar="DIR",
        help="folder of the report and the trainings (default: runs/assignment, "
        "with --quick runs/quick)",
    )
    return parser.parse_args()


def run(args: argparse.Namespace) -> int:
    """Train and report; return the exit status: 0 done, 2 failed, 130 interrupted."""
    items = [item.quick() if args.quick else item for item in ITEMS]
    everything = all_trainings(items)
    chosen = all_trainings([item for item in items if not args.only or item.key in args.only])
    out = Path(args.out or ("runs/quick" if args.quick else "runs/assignment"))
    folders, failed = [out, *map(Path, args.others)], 0
    name = Path(sys.argv[0]).name
    try:
        require("matplotlib.figure", "the report")
        require("safetensors.numpy", "the report")
        require("markdown_it", "the report")
        for folder in folders[1:]:
            if not (folder / "runs").is_dir() and not (folder / FILE).is_file():
                raise UserError(f"--from {folder}: has neither runs/ nor {FILE}")
        if not args.report:
            find_data(chosen, args.data_dir)
        with locked(out):
            results = load(everything, *folders)
            if not args.report:
                done = [name for name, result in results.items() if result.is_of_run]
                failed = train(chosen, done, out, args.jobs, args.data_dir)
                results = load(everything, *folders)
            keep(results, out)
            command = f"Made by `python examples/assignment.py{' --quick' if args.quick else ''}`."
            report(items, results, out, " ".join(filter(None, [command, args.note])))
    except (UserError, DataError, OSError, MemoryError) as error:
        return complain(error)
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted; the same command continues", file=sys.stderr)
        return 130
    return 2 if failed else 0


def all_trainings(items: list[Item]) -> list[Training]:
    """Give the trainings of the items, each once."""
    return list(dict.fromkeys(t for item in items for t in item.trainings()))


def main() -> int:
    return run(parse())


if __name__ == "__main__":
    launch(main)
