"""Reproduce the course's assignment: train what its figures and tables show, and report.

    python examples/assignment.py --quick
    python examples/assignment.py --out docs/report

Each training is a run of mnist.py or cifar10.py, in a folder of its own in DIR/runs. What is done
there is not trained again, and what was interrupted goes on after its last epoch. The report is
DIR/report.md with pictures beside it, and the same as one page, DIR/report.html.
"""

from __future__ import annotations

import argparse
import doctest
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from common import (
    OneLineParser,
    UserError,
    mean_and_deviation,
    path,
    plot_runs,
    positive,
    read_checkpoint,
    replaced,
    require,
)
from report import (
    MARKED,
    NOT_RUN,
    as_reported,
    difference,
    mean,
    new_figure,
    page,
    save,
    signed,
    table,
)

from gradcore import use_backend
from gradcore.data import DataError, NotFoundError, find_cifar10, find_mnist

EXAMPLES = Path(__file__).parent
GUIDE = EXAMPLES.parent / "docs" / "guide.md"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

EPOCHS, LAST = 20, 5  # of figures 18 to 24, which print the last ones
SEEDS = 3
DEFAULTS: dict[str, dict[str, Any]] = {  # of the examples, which name no folder
    "mnist": {
        "model": "sigmoid",
        "init": "glorot",
        "optimizer": "sgd",
        "epochs": EPOCHS,
        "seed": 0,
    },
    "cifar10": {"batch_size": 4, "epochs": 2, "lr": 0.001, "optimizer": "momentum", "seed": 0},
}
DATA = {"mnist": ("mnist", 55_000), "cifar10": ("CIFAR-10", 50_000)}  # and how many train
QUICK = {"mnist": {"limit": 3000, "epochs": 6}, "cifar10": {"limit": 4000, "epochs": 2}}


@dataclass(frozen=True)
class Training:
    """A run of an example, with these flags."""

    example: str
    flags: tuple[tuple[str, Any], ...]

    @property
    def name(self) -> str:
        """Of its folder."""
        known = DEFAULTS[self.example]
        own = [f"-{key}-{x}" for key, x in self.flags if known.get(key) != x]
        return self.example + "".join(own).replace("_", "-")

    def quick(self) -> Training:
        """Much the same in a moment."""
        return training(self.example, **{**dict(self.flags), **QUICK[self.example], "seed": 0})


def training(example: str, **flags: Any) -> Training:
    return Training(example, tuple((DEFAULTS[example] | flags).items()))


def seeds(example: str, **flags: Any) -> tuple[Training, ...]:
    return tuple([training(example, **flags, seed=seed) for seed in range(SEEDS)])


class Row(NamedTuple):
    """A model, or settings, of an item; what the assignment reports of it, accuracies in %."""

    label: str
    trainings: tuple[Training, ...]
    accuracy: Any = None
    loss: Any = None


@dataclass(frozen=True)
class Item:
    """A figure or table of the assignment, or what it asks."""

    key: str
    title: str
    write: Callable[[Section], None]
    text: str
    rows: tuple[Row, ...] = ()

    def trainings(self) -> list[Training]:
        """The first run of each row, then the second of each, and so on."""
        longest = max((len(row.trainings) for row in self.rows), default=0)
        return [r.trainings[i] for i in range(longest) for r in self.rows if i < len(r.trainings)]

    def quick(self) -> Item:
        rows = [
            row._replace(trainings=tuple(dict.fromkeys(t.quick() for t in row.trainings)))
            for row in self.rows
        ]
        return replace(self, rows=tuple(rows))


class Result(NamedTuple):
    """What a training left: its summary, the lines of its epochs, and its folder."""

    summary: dict[str, Any]
    lines: list[dict[str, Any]]
    folder: Path

    def values(self, key: str) -> list[float]:
        return [line[key] for line in self.lines]

    def losses(self) -> list[float]:
        """The training loss in parts of each epoch."""
        curves = read_checkpoint(self.folder / "checkpoint.safetensors")["curves"]
        return [loss for curve in curves for loss in curve]


def read(runs: Path, training: Training) -> Result | None:
    """The result of a training, or `None` if that is not done.

    Raises:
        UserError: a file is damaged.
    """
    folder = runs / training.name
    try:
        summary = json.loads((folder / "summary.json").read_text())
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        if sum(run["epochs"] for run in summary["runs"]) < dict(training.flags)["epochs"]:
            return None  # it was interrupted
        return Result(summary, lines, folder)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError) as error:
        raise UserError(f"{folder} is damaged ({error}); delete it to train that again") from None


class Section:
    """The part of the report about an item.

    Attributes:
        results: of each row, what is there.
        blocks: of Markdown.
        differences: of accuracies from those reported, in points.
    """

    def __init__(self, item: Item, out: Path) -> None:
        self.item, self.out = item, out
        self.results = [
            [result for t in row.trainings if (result := read(out / "runs", t))]
            for row in item.rows
        ]
        self.blocks = [f'## <a id="{item.key}"></a>{item.title}', item.text]
        self.differences: list[float] = []
        self.blocks += self.limits()
        item.write(self)

    def limits(self) -> list[str]:
        """What must be said above the tables: that data or runs are not all there."""
        done = [result for results in self.results for result in results]
        blocks, planned = [], len({t for row in self.item.rows for t in row.trainings})
        if len(done) < planned:
            blocks.append(f"*{len({r.folder for r in done})} of {planned} trainings have run.*")
        for result in done:
            facts = result.summary
            name, full = DATA[facts["program"].partition(".")[0]]
            n, epochs = facts["training_instances"], facts["settings"]["epochs"]
            if n < full or facts["data"] != name:
                data = "" if facts["data"] == name else f" of {facts['data']}"
                blocks.append(
                    f"*Limited data: trained for {epochs} epochs on {n:,} instances{data}, not on "
                    f"{full:,} of {name}; what is reported is not to be expected.*"
                )
        return list(dict.fromkeys(blocks))

    def compare(self, accuracies: Sequence[float], reported: Any) -> list[str]:
        """The cells of a mean accuracy, in %, of that reported and of the difference."""
        cells = [mean([100 * a for a in accuracies], 2), as_reported(reported), ""]
        if accuracies and reported is not None:
            average, _ = mean_and_deviation([100 * a for a in accuracies])
            self.differences.append(difference(average, reported))
            cells[2] = signed(self.differences[-1])
        return cells

    def picture(self, figure: Any, text: str) -> None:
        path = self.out / f"{self.item.key}.svg"
        save(figure, path)
        self.blocks.append(f"![{text}]({path.name})")

    def plot(self, text: str, *curves: Curve) -> None:
        """A picture with a part for each of the curves, if anything has run."""
        if not any(self.results):
            return
        figure = new_figure()
        parts = figure.subplots(1, len(curves), squeeze=False)[0]
        for axes, curve in zip(parts, curves, strict=True):
            for i, (row, results) in enumerate(zip(self.item.rows, self.results, strict=True)):
                if not results:
                    continue
                runs, color = [curve.values(result) for result in results], f"C{i}"
                epochs = len(results[0].lines)
                each = len(runs[0]) / epochs
                xs = [(i + curve.place) / each for i in range(len(runs[0]))]
                plot_runs(axes, xs, runs, color=color, label=row.label)
                if epochs == EPOCHS and (known := curve.reported(row)):
                    axes.plot(*zip(*known, strict=True), "x", color=color, label="reported")
            axes.set(xlabel="epochs", ylabel=curve.label)
            axes.grid(alpha=0.3)
            axes.legend(fontsize="small")
        self.picture(figure, text)


class Curve(NamedTuple):
    """What to plot over the epochs.

    Attributes:
        values: of a result, as many for each epoch.
        place: of a value within its part of the epochs: 1 is its end.
        reported: of a row, pairs of a place and a value.
    """

    label: str
    values: Callable[[Result], list[float]]
    place: float
    reported: Callable[[Row], list[tuple[float, float]]] = lambda _: []


def printed(values: Any, shift: float) -> list[tuple[float, float]]:
    """The places and values that are known of the epochs which the assignment prints."""
    pairs = zip(range(EPOCHS - LAST, EPOCHS), values or (), strict=False)
    return [(epoch + shift, y) for epoch, y in pairs if isinstance(y, float)]


ACCURACY = Curve(
    "validation accuracy, %",
    lambda result: [100 * x for x in result.values("val_accuracy")],
    1,
    lambda row: printed(row.accuracy, 0),  # before the epoch's updates
)
LOSS = Curve(
    "training loss", lambda r: r.values("train_loss"), 0.5, lambda row: printed(row.loss, 0.5)
)
LOSS_WITHIN = Curve("training loss", Result.losses, 0.5)


# -- How each kind of item is written ----------------------------------------------------------


def session(section: Section) -> None:
    """The sessions in the guide, run here and now."""
    blocks = re.findall(r"^```python\n(>>> .*?)^```", GUIDE.read_text("utf-8"), re.M | re.S)
    code, complaints = "".join(blocks), []
    test = doctest.DocTestParser().get_doctest(code, {}, GUIDE.name, None, None)
    with use_backend("numpy"):
        failed, n = doctest.DocTestRunner().run(test, out=complaints.append)
    section.blocks += [f"```python\n{code}```", f"{n - failed} of {n} inputs give what is shown."]
    if complaints:
        section.blocks.append("```\n" + "".join(complaints) + "```")


def activations(section: Section) -> None:
    """Question 9: of several runs, the accuracies of each epoch."""
    rows, each = [], []
    for row, results in zip(section.item.rows, section.results, strict=True):
        accuracies = [result.values("val_accuracy") for result in results]
        last, best = row.accuracy
        rows.append(
            [f"{row.label}, last epoch", *section.compare([a[-1] for a in accuracies], last)]
        )
        rows.append(
            [f"{row.label}, best epoch", *section.compare([max(a) for a in accuracies], best)]
        )
        each.append(
            [mean([100 * a for a in of_epoch], 2) for of_epoch in zip(*accuracies, strict=True)]
        )
    section.blocks.append(table(["accuracy", "ours, %", "reported", "difference"], rows))
    section.plot(
        "Validation accuracy after each epoch, mean and standard deviation", ACCURACY, LOSS
    )
    if all(each):
        labels = [f"{row.label}, %" for row in section.item.rows]
        numbered = ([str(i), *cells] for i, cells in enumerate(zip(*each, strict=True), 1))
        section.blocks.append(table(["epochs", *labels], numbered))


def epochs(section: Section) -> None:
    """Figures 18 to 24: what the course's library prints of the last epochs."""
    for row, results in zip(section.item.rows, section.results, strict=True):
        if len(section.item.rows) > 1:
            section.blocks.append(f"{row.label}:")
        lines = results[0].lines if results else []
        n, cells = len(lines) or EPOCHS, []
        for i in range(LAST):
            epoch = n - LAST + i
            accuracy, loss = (known[i] if known else None for known in (row.accuracy, row.loss))
            before = [lines[epoch - 1]["val_accuracy"]] if lines else []
            ours = f"{lines[epoch]['train_loss']:.5f}" if lines else NOT_RUN
            cells.append([str(epoch), *section.compare(before, accuracy), ours, as_reported(loss)])
        header = ["epoch", "accuracy, %", "reported", "difference", "loss", "reported"]
        section.blocks.append(table(header, cells))
    section.plot("Accuracy and loss over the epochs", ACCURACY, LOSS)


def settings(section: Section) -> None:
    """Tables 1 to 3: accuracy and loss at the end, of each choice of settings."""
    cells = []
    for row, results in zip(section.item.rows, section.results, strict=True):
        last = [result.lines[-1] for result in results]
        accuracy = section.compare([line["val_accuracy"] for line in last], row.accuracy)
        loss = mean([line["train_loss"] for line in last], 3)
        cells.append([row.label, *accuracy, loss, as_reported(row.loss)])
    header = ["batch / epochs", "accuracy, %", "reported", "difference", "loss", "reported"]
    section.blocks.append(table(header, cells))


def optimizers(section: Section) -> None:
    """Figures 25 and 26: accuracies of the classes, and the curves of the loss."""
    columns = []
    for row, results in zip(section.item.rows, section.results, strict=True):
        overall = section.compare([r.lines[-1]["val_accuracy"] for r in results], row.accuracy)
        of_runs = [r.summary["per_class_accuracy"] for r in results]
        classes = [mean_and_deviation(list(xs))[0] for xs in zip(*of_runs, strict=True)]
        columns.append([*overall, *(f"{100 * x:.1f}" for x in classes)])
    names = next((r[0].summary["classes"] for r in section.results if r), [])
    labels = ["all", "reported", "difference", *names]
    cells = [[c[i] if i < len(c) else NOT_RUN for c in columns] for i in range(len(labels))]
    header = ["accuracy, %", *(row.label for row in section.item.rows)]
    rows = [[label, *line] for label, line in zip(labels, cells, strict=True)]
    section.blocks.append(table(header, rows))
    section.plot("Training loss of the optimizers, in 50 parts of each epoch", LOSS_WITHIN)


# -- What the assignment has, and reports --------------------------------------------------------


mnist, cifar10 = partial(training, "mnist"), partial(training, "cifar10")


def of_settings(lr: float, reported: Iterable[tuple[int, int, float, float]]) -> tuple[Row, ...]:
    """Rows of batch size, epochs, accuracy and loss."""
    return tuple(
        [
            Row(f"{n} / {epochs}", seeds("cifar10", batch_size=n, epochs=epochs, lr=lr), *values)
            for n, epochs, *values in reported
        ]
    )


ITEMS = [
    Item(
        "q5",
        "Questions 5 to 7: a session",
        session,
        "Answers to what is in a graph, and who calls `forward` and `backward` (`docs/guide.md`).",
    ),
    Item(
        "q9",
        "Question 9, figure 16: sigmoid and ReLU",
        activations,
        f"Multilayer perceptrons on MNIST, {SEEDS} runs each.",
        (
            Row("sigmoid", seeds("mnist"), (97.43, 97.67)),
            Row("ReLU", seeds("mnist", model="relu"), (96.65, 96.86)),
        ),
    ),
    Item(
        "fig18",
        "Figure 18: the base model",
        epochs,
        "One hidden layer of sigmoids.",
        (
            Row(
                "base model",
                (mnist(),),
                [97.08, 97.08, 97.12, 97.16, 97.20],
                [0.02315, 0.02135, 0.01984, 0.0185, 0.01732],
            ),
        ),
    ),
    Item(
        "fig19",
        "Figure 19: one hidden layer more",
        epochs,
        "Two hidden layers, of the same width.",
        (
            Row(
                "two hidden layers",
                (mnist(model="3layer"),),
                [97.72, 97.76, 97.76, 97.78, 97.74],
                [0.02363, None, None, None, 0.01762],
            ),
        ),
    ),
    Item(
        "fig20",
        "Figure 20: a residual connection",
        epochs,
        "Two hidden layers, with a residual connection between them.",
        (
            Row(
                "residual connection",
                (mnist(model="residual"),),
                [96.40, 96.46, 96.42, 96.56, 96.62],
                [0.08815, 0.08226, 0.07699, 0.07217, 0.06771],
            ),
        ),
    ),
    Item(
        "fig22",
        "Figure 22: SGD with momentum 0.9",
        epochs,
        "As printed, momentum starts anew in every batch, and so it is plain gradient descent "
        "(`docs/guide.md` shows it): the losses are those of figure 18 to three digits. Momentum "
        "that lasts is the second table.",
        (
            Row(
                "as printed",
                (mnist(seed=1),),
                [97.22, None, None, None, 97.32],
                [0.02325, None, None, None, 0.01731],
            ),
            Row("momentum that lasts", (mnist(optimizer="momentum"),)),
        ),
    ),
    Item(
        "fig23",
        "Figure 23: all weights zero",
        epochs,
        "All hidden units then stay alike, so that the network can tell no more than a single one.",
        (Row("zeros", (mnist(init="zeros"),), [(12, 32)] * LAST, [1.757] * LAST),),
    ),
    Item(
        "fig24",
        "Figure 24: weights from a standard normal distribution",
        epochs,
        "The hidden units are saturated from the start.",
        (
            Row(
                "normal",
                (mnist(init="normal"),),
                [88.38, None, None, None, 88.79],
                [1.812, None, None, None, 1.559],
            ),
        ),
    ),
    Item(
        "fig25",
        "Figures 25 and 26: optimizers",
        optimizers,
        f"PyTorch's tutorial network on CIFAR-10, batches of 4, 2 epochs, {SEEDS} runs each.",
        (
            Row("SGD", seeds("cifar10"), 53),
            Row("Adagrad", seeds("cifar10", optimizer="adagrad", lr=0.01), 51),
            Row("Adam", seeds("cifar10", optimizer="adam"), 53),
            Row("RMSprop", seeds("cifar10", optimizer="rmsprop"), 56),
        ),
    ),
    Item(
        "table1",
        "Table 1: batch sizes and epochs, learning rate 0.001",
        settings,
        "The same network, SGD with momentum. The loss is the mean of the last epoch.",
        of_settings(
            0.001,
            [
                (4, 2, 53, 1.278),
                (12, 6, 60, 1.003),
                (20, 10, 62, 0.991),
                (24, 12, 63, 0.936),
                (32, 16, 61, 0.986),
            ],
        ),
    ),
    Item(
        "table2",
        "Table 2: learning rate 0.003",
        settings,
        "As table 1.",
        of_settings(
            0.003,
            [(12, 6, 62, 0.875), (20, 10, 63, 0.812), (24, 12, 63, 0.783), (32, 16, 64, 0.681)],
        ),
    ),
    Item(
        "table3",
        "Table 3: learning rate 0.003, more epochs",
        settings,
        "As table 1.",
        of_settings(
            0.003,
            [(24, 30, 61, 0.457), (24, 50, 59, 0.446), (32, 30, 62, 0.553), (32, 50, 61, 0.309)],
        ),
    ),
]


# -- Training -----------------------------------------------------------------------------------


def train(trainings: list[Training], out: Path, jobs: int, data_dir: str | None) -> int:
    """Run those that are not done, some at a time.

    Returns:
        How many failed; why is on stderr.
    """
    runs = out / "runs"
    waiting = [t for t in trainings if not read(runs, t)]
    n, failed = len(trainings), 0
    print(f"{n} trainings, of which {n - len(waiting)} are done", flush=True)
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    environment = {**dict.fromkeys(THREADS, threads), **os.environ, "GRADCORE_OFFLINE": "1"}
    running: dict[Training, Any] = {}
    started: dict[Training, float] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                t = waiting.pop(0)
                started[t] = time.perf_counter()
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
            process.terminate()  # the checkpoint of its last epoch stays
            process.wait()
    return failed


def start(t: Training, folder: Path, data_dir: str | None, environment: dict[str, str]) -> Any:
    """The process of a training; what it says goes to log.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(EXAMPLES / f"{t.example}.py"), "--quiet", "--out", str(folder)]
    for key, x in t.flags:
        command += [f"--{key.replace('_', '-')}", str(x)]
    if data_dir:
        command += ["--data-dir", data_dir]
    if (folder / "checkpoint.safetensors").exists():
        command.append("--resume")
    with (folder / "log.txt").open("w") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


# -- The report ---------------------------------------------------------------------------------


def report(items: list[Item], out: Path, quick: bool) -> None:
    """Write report.md, its pictures, and report.html."""
    sections = [Section(item, out) for item in items]
    everything = {r.folder: r for s in sections for results in s.results for r in results}
    blocks = [
        "# The assignment, reproduced",
        f"Made by `python examples/assignment.py{' --quick' if quick else ''}`. Differences are "
        f"in points, ours less what the assignment reports; of more than {MARKED} **bold**. "
        "In figures 18 to 24 accuracy is that before the epoch's updates, and loss the mean "
        "during the epoch, as the course's library prints them.",
    ]
    for result in list(everything.values())[:1]:
        facts = result.summary
        versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
        hours = sum(sum(r.values("seconds")) for r in everything.values()) / 3600
        blocks.append(
            f"{len(everything)} trainings, {hours:.1f} hours one after the other, on "
            f"{facts['backend']} ({facts['device']}); {versions}."
        )
    overview = []
    for section in sections:
        item, farthest = section.item, max(section.differences, key=abs, default=None)
        planned = len({t for row in item.rows for t in row.trainings})
        done = len({r.folder for results in section.results for r in results})
        overview.append(
            [
                f"[{item.title}](#{item.key})",
                f"{done} of {planned}" if planned else "",
                "" if farthest is None else signed(farthest),
            ]
        )
    blocks.append(table(["", "trainings", "largest difference"], overview))
    text = "\n\n".join([*blocks, *(b for section in sections for b in section.blocks)]) + "\n"
    with replaced(out / "report.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    with replaced(out / "report.html") as temporary:
        temporary.write_text(page(text, out), encoding="utf-8")
    print(out / "report.html")


def find_data(trainings: list[Training], data_dir: str | None) -> None:
    """Find, or download, the data once before the trainings look for them."""
    examples = {t.example for t in trainings}
    if "mnist" in examples:
        find_mnist("mnist", data_dir)
    if "cifar10" in examples:
        with suppress(NotFoundError):  # it trains on generated images then
            find_cifar10(data_dir)


def parse() -> argparse.Namespace:
    parser = OneLineParser(description="Reproduce the figures and tables of the assignment.")
    flag = parser.add_argument
    flag("--quick", action="store_true", help="a few minutes: few images, few epochs, one seed")
    keys = [item.key for item in ITEMS]
    flag("--only", nargs="+", choices=keys, metavar="ITEM", help=f"train these: {', '.join(keys)}")
    cores = os.cpu_count() or 1
    flag(
        "--jobs",
        type=positive,
        default=min(cores, 4),
        metavar="N",
        help="trainings side by side, which share the cores (default: %(default)s)",
    )
    flag("--data-dir", type=path, metavar="DIR", help="where the data is (or GRADCORE_DATA)")
    flag("--out", type=path, metavar="DIR", help="(default: runs/assignment or runs/quick)")
    return parser.parse_args()


def main() -> int:
    args = parse()
    items = [item.quick() if args.quick else item for item in ITEMS]
    chosen = [item for item in items if not args.only or item.key in args.only]
    trainings = list(dict.fromkeys(t for item in chosen for t in item.trainings()))
    out = Path(args.out or ("runs/quick" if args.quick else "runs/assignment"))
    name = Path(sys.argv[0]).name
    try:
        require("matplotlib.figure", "the report")
        require("safetensors.numpy", "the report")
        require("markdown_it", "the report")
        find_data(trainings, args.data_dir)
        out.mkdir(parents=True, exist_ok=True)
        failed = train(trainings, out, args.jobs, args.data_dir)
        report(items, out, args.quick)
    except (UserError, DataError, OSError) as error:
        print(f"{name}: {str(error).replace('data_dir', '--data-dir')}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted; the same command continues", file=sys.stderr)
        return 130
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
