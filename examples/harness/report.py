"""The report on the assignment: read the results, make tables, pictures, and a page of HTML."""

from __future__ import annotations

import base64
import doctest
import html
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from gradcore import use_backend

from .errors import UserError
from .files import read_checkpoint, read_json, replaced
from .pictures import plot_runs
from .record import mean_and_deviation
from .schema import LINE, SUMMARY, check

__all__ = [
    "LAST",
    "Item",
    "Row",
    "Training",
    "activations",
    "epochs",
    "optimizers",
    "read",
    "report",
    "session",
    "settings",
    "training",
]

GUIDE = Path(__file__).parents[2] / "docs" / "tutorials" / "assignment.md"
MARKED = 1.5  # points: a difference of more is bold
NOT_RUN = "not run"
PRINT_EVERY = 2000  # batches: PyTorch's tutorial prints their mean loss
EPOCHS, LAST = 20, 5  # of figures 18 to 24, which print the last ones
DEFAULTS: dict[str, dict[str, Any]] = {  # flags that are so are not in a folder's name
    "mnist": {
        "model": "sigmoid",
        "hidden": 4,
        "init": "glorot",
        "optimizer": "sgd",
        "epochs": EPOCHS,
        "seed": 0,
    },
    "cifar10": {"batch_size": 4, "epochs": 2, "lr": 0.001, "optimizer": "momentum", "seed": 0},
}
DATA = {"mnist": ("mnist", 55_000), "cifar10": ("CIFAR-10", 50_000)}  # name, training instances
QUICK = {"mnist": {"limit": 3000, "epochs": 6}, "cifar10": {"limit": 4000, "epochs": 2}}


@dataclass(frozen=True)
class Training:
    """A run of an example with some flags."""

    example: str
    flags: tuple[tuple[str, Any], ...]

    @property
    def name(self) -> str:
        """The name of its folder: the example and the flags that are not the default."""
        known = DEFAULTS[self.example]
        own = [f"-{key}-{x}" for key, x in self.flags if known.get(key) != x]
        return self.example + "".join(own).replace("_", "-")

    def quick(self) -> Training:
        """Give a training that takes seconds: few instances, few epochs, seed 0."""
        return training(self.example, **{**dict(self.flags), **QUICK[self.example], "seed": 0})


def training(example: str, **flags: Any) -> Training:
    """Make a training with these flags, and the defaults of the example for the others."""
    return Training(example, tuple((DEFAULTS[example] | flags).items()))


class Row(NamedTuple):
    """A model, or settings, of an item, and what the assignment reports of them.

    Attributes:
        label: its name in tables and pictures.
        trainings: the runs, which differ in their seeds.
        accuracy: as reported, in %; "" where nothing is reported.
        loss: likewise.
    """

    label: str
    trainings: tuple[Training, ...]
    accuracy: Sequence[str] = [""] * LAST
    loss: Sequence[str] = [""] * LAST


@dataclass(frozen=True)
class Item:
    """A figure, a table or a question of the assignment.

    Attributes:
        key: its name for --only, and in links.
        write: the function that writes its section.
        text: the paragraph under the title.
    """

    key: str
    title: str
    write: Callable[[Section], None]
    text: str
    rows: tuple[Row, ...] = ()

    def trainings(self) -> list[Training]:
        """Give the first run of each row, then the second of each row, and so on."""
        longest = max((len(row.trainings) for row in self.rows), default=0)
        return [r.trainings[i] for i in range(longest) for r in self.rows if i < len(r.trainings)]

    def quick(self) -> Item:
        """Give the same item with trainings that take seconds."""
        rows = [
            row._replace(trainings=tuple(dict.fromkeys(t.quick() for t in row.trainings)))
            for row in self.rows
        ]
        return replace(self, rows=tuple(rows))


class Result(NamedTuple):
    """The results of a training: its summary, the lines of its epochs, and its folder."""

    summary: dict[str, Any]
    lines: list[dict[str, Any]]
    folder: Path

    def values(self, key: str) -> list[float]:
        """Give a number of each epoch's line."""
        return [line[key] for line in self.lines]

    def curves(self) -> list[list[float]]:
        """Read from the checkpoint, for each epoch, the training loss in its parts."""
        curves: list[list[float]] = read_checkpoint(self.folder / "checkpoint.safetensors")[
            "curves"
        ]
        return curves

    def losses(self) -> list[float]:
        """Give the training loss in all parts of all epochs, in one list."""
        return [loss for curve in self.curves() for loss in curve]

    def printed_loss(self) -> float:
        """Give the loss that PyTorch's tutorial prints last: the mean of the 2,000 batches before
        the last multiple of 2,000. Where an epoch has fewer batches, take the mean of all."""
        size = self.summary["settings"]["batch_size"]
        batches, curve = -(-self.summary["training_instances"] // size), self.curves()[-1]
        stop = batches // PRINT_EVERY * PRINT_EVERY or batches
        low, high = (
            len(curve) * max(stop - PRINT_EVERY, 0) // batches,
            -(-len(curve) * stop // batches),
        )
        return sum(curve[low:high]) / (high - low)


def read(runs: Path, training: Training) -> Result | None:
    """Read the result of a training, or return `None` if the training is not done.

    Raises:
        UserError: a file is damaged.
    """
    folder = runs / training.name
    try:
        [summary], lines = (read_json(folder / name) for name in ("summary.json", "metrics.jsonl"))
        check(summary, SUMMARY, "summary.json")
        check(lines, [LINE], "metrics.jsonl")
        if sum(run["epochs"] for run in summary["runs"]) < dict(training.flags)["epochs"]:
            return None  # it was interrupted
        return Result(summary, lines, folder)
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise UserError(f"{folder} is damaged ({error}); delete it to train that again") from None


class Section:
    """The part of the report about an item.

    Attributes:
        results: for each row, the results of the trainings that are done.
        blocks: of Markdown, which the functions below add.
        differences: our accuracies less the reported ones, in points.
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
        """Say, for the top of the section, which runs are missing and which had less data."""
        done = [result for results in self.results for result in results]
        blocks, planned = [], len({t for row in self.item.rows for t in row.trainings})
        if len(done) < planned:
            blocks.append(f"*{len({r.folder for r in done})} of {planned} trainings have run.*")
        for result in done:
            facts = result.summary
            name, full = DATA[facts["program"].partition(".")[0]]
            n, epochs = facts["training_instances"], facts["settings"]["epochs"]
            if n < full or facts["data"] != name:
                of = f"of {full:,}" if facts["data"] == name else f"of {facts['data']}"
                blocks.append(
                    f"*Limited: trained on {n:,} instances {of}, for {epochs} epochs. What is "
                    "reported is not to be expected.*"
                )
        return list(dict.fromkeys(blocks))

    def compare(self, accuracies: Sequence[float], reported: str) -> list[str]:
        """Make the cells of a mean accuracy, the reported one, and their difference.

        Args:
            accuracies: ours, from 0 to 1.
            reported: in %: a number, a range such as "12 to 32", or "".
        """
        cells = [mean([100 * a for a in accuracies], 2), reported, ""]
        if accuracies and reported:
            average, _ = mean_and_deviation([100 * a for a in accuracies])
            self.differences.append(difference(average, reported))
            cells[2] = signed(self.differences[-1])
        return cells

    def picture(self, figure: Any, text: str) -> None:
        """Save the figure, and add it to the section.

        Args:
            text: for readers who don't see the picture.
        """
        path = self.out / f"{self.item.key}.svg"
        save(figure, path)
        self.blocks.append(f"![{text}]({path.name})")

    def plot(self, text: str, *curves: Curve) -> None:
        """Add a picture with one plot for each curve, if any training is done."""
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
            values = [y for line in axes.lines for y in line.get_ydata()]
            if min(values) * 10 < max(values):
                axes.set_yscale("log")
            axes.grid(alpha=0.3)
            axes.legend(fontsize="small")
        self.picture(figure, text)


class Curve(NamedTuple):
    """A curve over the epochs.

    Attributes:
        label: of the y axis.
        values: gives the values of a result, equally many for each epoch.
        place: where in its part of an epoch a value belongs: 0 is the start, 1 the end.
        reported: gives what is reported of a row, as pairs of a place and a value.
    """

    label: str
    values: Callable[[Result], list[float]]
    place: float
    reported: Callable[[Row], list[tuple[float, float]]] = lambda _: []


def printed(values: Sequence[str], shift: float) -> list[tuple[float, float]]:
    """Give places and values of the epochs which the assignment prints, where it prints a number.

    Args:
        shift: where in an epoch its value belongs: 0 is the start, 1 the end.
    """
    pairs = zip(range(EPOCHS - LAST, EPOCHS), values, strict=False)
    return [(epoch + shift, float(y)) for epoch, y in pairs if y and " to " not in y]


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
    """Run the sessions in the guide, and show them."""
    blocks = re.findall(r"^```python\n(>>> .*?)^```", GUIDE.read_text("utf-8"), re.M | re.S)
    code, complaints = "".join(blocks), []
    test = doctest.DocTestParser().get_doctest(code, {}, GUIDE.name, None, None)
    with use_backend("numpy"):
        failed, n = doctest.DocTestRunner().run(test, out=complaints.append)
    section.blocks += [f"```python\n{code}```", f"{n - failed} of {n} inputs give what is shown."]
    if complaints:
        section.blocks.append("```\n" + "".join(complaints) + "```")


def activations(section: Section) -> None:
    """Question 9: show the accuracies of each epoch, over several runs."""
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
    curve = ACCURACY._replace(reported=lambda row: [(EPOCHS, float(row.accuracy[0]))])
    section.plot("Validation accuracy after each epoch, mean and standard deviation", curve, LOSS)
    if all(each):
        labels = [f"{row.label}, %" for row in section.item.rows]
        numbered = ([str(i), *cells] for i, cells in enumerate(zip(*each, strict=True), 1))
        section.blocks.append(table(["epochs", *labels], numbered))


def epochs(section: Section) -> None:
    """Figures 18 to 24: show what the course's library prints of the last epochs."""
    for row, results in zip(section.item.rows, section.results, strict=True):
        if len(section.item.rows) > 1:
            section.blocks.append(f"{row.label}:")
        lines = results[0].lines if results else []
        n, cells = len(lines) or EPOCHS, []
        for i in range(LAST):
            epoch = n - LAST + i
            before = [lines[epoch - 1]["val_accuracy"]] if lines else []
            ours = f"{lines[epoch]['train_loss']:.5f}" if lines else NOT_RUN
            cells.append([str(epoch), *section.compare(before, row.accuracy[i]), ours, row.loss[i]])
        reported = "reported" + f", {EPOCHS - LAST} to {EPOCHS - 1}" * (n != EPOCHS)
        header = ["epoch", "accuracy, %", reported, "difference", "loss", reported]
        section.blocks.append(table(header, cells))
    section.plot("Accuracy and loss over the epochs", ACCURACY, LOSS)


def settings(section: Section) -> None:
    """Tables 1 to 3: show accuracy and loss at the end, for each choice of settings."""
    cells = []
    for row, results in zip(section.item.rows, section.results, strict=True):
        last = [result.lines[-1] for result in results]
        accuracy = section.compare([line["val_accuracy"] for line in last], *row.accuracy)
        loss = mean([result.printed_loss() for result in results], 3)
        cells.append([row.label, *accuracy, loss, *row.loss])
    header = ["batch / epochs", "accuracy, %", "reported", "difference", "loss", "reported"]
    section.blocks.append(table(header, cells))


def optimizers(section: Section) -> None:
    """Figures 25 and 26: show the accuracy of each class, and the curves of the loss."""
    columns = []
    for row, results in zip(section.item.rows, section.results, strict=True):
        overall = section.compare([r.lines[-1]["val_accuracy"] for r in results], row.accuracy[0])
        of_runs = [r.summary["per_class_accuracy"] for r in results]
        classes = [mean_and_deviation(xs)[0] for xs in zip(*of_runs, strict=True)]
        columns.append([*overall, *(f"{100 * x:.1f}" for x in classes)])
    names = next((r[0].summary["classes"] for r in section.results if r), [])
    labels = ["all", "reported", "difference", *names]
    cells = [[c[i] if i < len(c) else NOT_RUN for c in columns] for i in range(len(labels))]
    header = ["accuracy, %", *(row.label for row in section.item.rows)]
    rows = [[label, *line] for label, line in zip(labels, cells, strict=True)]
    section.blocks.append(table(header, rows))
    section.plot("Training loss of the optimizers, in 50 parts of each epoch", LOSS_WITHIN)


# -- Numbers, tables, pictures ---------------------------------------------------------------------


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Make a table in Markdown, whose first column is of text and the others of numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def difference(ours: float, reported: str) -> float:
    """Subtract what is reported, a number or a range such as "12 to 32", from ours. Inside the
    range the difference is 0."""
    low, *high = map(float, reported.split(" to "))
    return ours - min(max(ours, low), *(high or [low]))


def signed(points: float) -> str:
    """Write a difference with its sign; bold if it is large."""
    text = f"{points:+.2f}"
    return f"**{text}**" if abs(points) > MARKED else text


def mean(values: Sequence[float], digits: int) -> str:
    """Write the mean, and of several values the standard deviation; of none, "not run"."""
    average, deviation = mean_and_deviation(values)
    if average is None:
        return NOT_RUN
    spread = f" ± {deviation:.{digits}f}" if len(values) > 1 else ""
    return f"{average:.{digits}f}{spread}"


def new_figure() -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(8.5, 3.4), layout="constrained")


def save(figure: Any, path: Path) -> None:
    """Save as SVG; the same figure gives the same bytes."""
    import matplotlib as mpl

    with (
        mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "gradcore"}),
        replaced(path) as file,
    ):
        figure.savefig(file, format="svg", metadata={"Date": None})


# -- The whole ----------------------------------------------------------------------------------


def report(items: list[Item], out: Path, *remarks: str) -> None:
    """Write report.md, its pictures, and report.html.

    Args:
        out: the folder of the report, with the trainings in `out/runs`.
        remarks: paragraphs for the top of the report.
    """
    sections = [Section(item, out) for item in items]
    everything = {r.folder: r for s in sections for results in s.results for r in results}
    blocks = [
        "# The assignment, reproduced",
        f"Differences are in points, ours less what is reported; of more than {MARKED} **bold**. "
        "In figures 18 to 24 accuracy is that before the epoch's updates, and loss the mean "
        "during the epoch, as the course's library prints them.",
        *remarks,
    ]
    for result in list(everything.values())[:1]:
        facts = result.summary
        versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
        minutes = sum(sum(r.values("seconds")) for r in everything.values()) / 60
        duration = f"{minutes:.0f} minutes" if minutes < 60 else f"{minutes / 60:.1f} hours"
        blocks.append(
            f"{len(everything)} trainings, {duration} one after the other, on "
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
    with replaced(out / "report.md") as file:
        file.write(text.encode())
    with replaced(out / "report.html") as file:
        file.write(page(text, out).encode())
    print(out / "report.html")


def page(markdown: str, folder: Path) -> str:
    """Make the report one page of HTML, with the pictures of the folder inside."""
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark").enable("table")
    tokens = reader.parse(markdown)
    for token in tokens:
        for part in token.children or ():
            if part.type == "image":
                picture = base64.b64encode((folder / str(part.attrs["src"])).read_bytes())
                part.attrs["src"] = f"data:image/svg+xml;base64,{picture.decode()}"
    title = markdown.partition("\n")[0].lstrip("# ")
    body = reader.renderer.render(tokens, reader.options, {})
    return PAGE.format(title=html.escape(title), body=body)


PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{
  color-scheme: light dark;
  --text: #1f2328; --background: #ffffff; --line: #d5d9de; --soft: #f4f5f7; --mark: #ffdfa8;
}}
@media (prefers-color-scheme: dark) {{
  :root {{
    --text: #dde1e6; --background: #1a1a1a; --line: #41464c; --soft: #26292d; --mark: #6e4b0c;
  }}
  img {{ filter: invert(0.9) hue-rotate(180deg) }} /* white becomes the page's background */
}}
body {{
  max-width: 52rem; margin: 0 auto; padding: 1rem;
  font: 1rem/1.5 system-ui, sans-serif; color: var(--text); background: var(--background);
}}
h2 {{ margin-top: 2.5rem; border-bottom: 1px solid var(--line) }}
table {{
  display: block; overflow-x: auto; border-collapse: collapse; font-variant-numeric: tabular-nums;
}}
th, td {{ padding: 0.15rem 0.7rem; border: 1px solid var(--line) }}
th, pre {{ background: var(--soft) }}
td strong {{ padding: 0 0.3em; border-radius: 0.2em; background: var(--mark) }}
pre {{ padding: 0.7rem; overflow-x: auto }}
p:has(img) {{ overflow-x: auto }}
img {{ width: 100%; min-width: 34rem }} /* legible on phones */
a {{ color: inherit }}
</style>
<main>
{body}</main>
</html>
"""
