"""The report on the assignment: for each question an answer, a picture and a table, from the
results of the trainings."""

from __future__ import annotations

import doctest
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from gradcore import use_backend

from .charts import ACCURACY, LOSS, Measure, Series, draw_dots, draw_lines, moved, save
from .files import replaced
from .page import page, slug
from .record import mean_and_deviation
from .results import DATA, EPOCHS, Result, Training
from .words import MARKED, NOT_RUN, difference, mean, number, points, signed

__all__ = [
    "LAST",
    "Item",
    "Row",
    "Section",
    "activations",
    "between_rows",
    "each_row",
    "longest",
    "nearest",
    "optimizers",
    "printed",
    "ranked",
    "report",
    "seen",
    "session",
    "settings",
    "stays",
]

GUIDE = Path(__file__).parents[2] / "docs" / "tutorials" / "assignment.md"
CLOSE = 30  # %: a loss that is not farther off may be the one that is reported
LAST = 5  # epochs of figures 18 to 24 are printed, the last ones


class Row(NamedTuple):
    """A model, or settings, of an item, and what the assignment reports of them.

    Attributes:
        label: its name in tables and pictures.
        trainings: the runs, which differ in their seeds.
        accuracy: as reported, in %; "" where nothing is reported.
        loss: likewise.
        asked: whether it is what the assignment asks for, and not one beside it.
    """

    label: str
    trainings: tuple[Training, ...]
    accuracy: Sequence[str] = [""] * LAST
    loss: Sequence[str] = [""] * LAST
    asked: bool = True


@dataclass(frozen=True)
class Item:
    """A figure, a table or a question of the assignment.

    Attributes:
        key: its name for --only, and in the names of its pictures.
        write: the function that writes its tables and pictures.
        question: what the assignment asks.
        answer: the function that answers it in words, from the results.
        remarks: a paragraph behind the tables.
        base: the training of the base model, for items that compare with it.
    """

    key: str
    title: str
    write: Callable[[Section], None]
    question: str
    answer: Callable[[Section], str]
    rows: tuple[Row, ...] = ()
    remarks: str = ""
    base: Training | None = None

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
        return replace(self, rows=tuple(rows), base=self.base and self.base.quick())


class Figure(NamedTuple):
    """Pictures side by side, or a table, with a caption.

    Attributes:
        content: Markdown: of pictures a line each.
        caption: what is seen.
    """

    content: str
    caption: str

    def __str__(self) -> str:
        return f"{self.content}\n\n*{self.caption}*"


class Final(NamedTuple):
    """The end of a row's trainings, beside what is reported of it.

    Attributes:
        ours: accuracies in %, one of each training that is done.
        reported: in %, a number, a range, or "".
        loss: ours, one of each training.
        reported_loss: a number, or "".
    """

    row: Row
    ours: list[float]
    reported: str
    loss: list[float]
    reported_loss: str

    @property
    def accuracy(self) -> float:
        return mean_and_deviation(self.ours)[0] or 0.0

    @property
    def difference(self) -> float | None:
        """Ours less the reported, in points; `None` if one of them is missing."""
        return difference(self.accuracy, self.reported) if self.ours and self.reported else None

    def said(self) -> str:
        """Say it: "97.30 %, reported 97.20 % (+0.10 points)"."""
        text = f"{mean(self.ours, 2)} %"
        if self.difference is not None:
            text += f", reported {self.reported} % ({signed(self.difference)} points)"
        return text


class Section:
    """The part of the report about an item.

    Attributes:
        results: for each row, the results of the trainings that are done.
        finals: of each row.
        blocks: of Markdown, and figures.
        inputs: of the session, how many give what is shown, and how many there are.
    """

    def __init__(self, item: Item, results: Mapping[str, Result], out: Path) -> None:
        self.item, self.out = item, out
        self.base = results.get(item.base.name) if item.base else None
        self.results = [
            [results[t.name] for t in row.trainings if t.name in results] for row in item.rows
        ]
        self.finals: list[Final] = []
        self.blocks: list[str | Figure] = []
        self.inputs = (0, 0)
        item.write(self)
        head = [f"## {item.title}", f"**Question.** {item.question}"]
        missing = item.rows and not any(self.results)
        answer = "Not trained yet." if missing else item.answer(self)
        remarks = [f"**Remarks.** {item.remarks}"] if item.remarks else []
        self.blocks = [*head, f"**Answer.** {answer}", *self.limits(), *self.blocks, *remarks]

    def limits(self) -> list[str]:
        """Say which runs are missing and which had less data."""
        done = {result.name: result for results in self.results for result in results}
        blocks, planned = [], len({t for row in self.item.rows for t in row.trainings})
        if len(done) < planned:
            blocks.append(f"*{len(done)} of {planned} trainings have run.*")
        for result in done.values():
            facts = result.facts
            name, full = DATA[facts["program"].partition(".")[0]]
            n, epochs = facts["training_instances"], len(facts["val_accuracy"])
            if n < full or facts["data"] != name:
                of = f"of {full:,}" if facts["data"] == name else f"of {facts['data']}"
                blocks.append(
                    f"*Limited: trained on {n:,} instances {of}, for {epochs} epochs. What is "
                    "reported is not to be expected.*"
                )
        return list(dict.fromkeys(blocks))

    def done(self) -> list[Final]:
        """Give the rows of which a training is done."""
        return [final for final in self.finals if final.ours]

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> None:
        """Add a table."""
        self.blocks.append(Figure(table(header, rows), caption))

    def picture(self, caption: str, *panels: tuple[Measure, bool, list[Series]]) -> None:
        """Add a picture of some panels, each in a file of its own, if there is anything to show.

        Args:
            panels: of each, what it shows, whether as dots, and of which rows.
        """
        lines = []
        for measure, dots, series in panels:
            if series:
                figure, text = (draw_dots if dots else draw_lines)(series, measure)
                path = self.out / f"{self.item.key}-{measure.key}.svg"
                save(figure, path)
                lines.append(f"![{text}]({path.name})")
        if lines:
            self.blocks.append(Figure("\n".join(lines), caption))

    def curves(
        self, measure: Measure, values: Callable[[Result], list[float]], place: float
    ) -> list[Series]:
        """Give the values of each row over the epochs.

        Args:
            values: gives the values of a result, equally many for each epoch.
            place: where in its part of an epoch a value belongs: 0 is the start, 1 the end.
        """
        series = []
        for row, results in zip(self.item.rows, self.results, strict=True):
            if results:
                runs = [values(result) for result in results]
                epochs = len(results[0].values("seconds"))
                xs = [(i + place) * epochs / len(runs[0]) for i in range(len(runs[0]))]
                texts = row.accuracy if measure is ACCURACY else row.loss
                known = places(texts, place if measure is LOSS else 0) if epochs == EPOCHS else ()
                series.append(Series(row.label, xs, runs, known))
        return series

    def dots(self, measure: Measure) -> list[Series]:
        """Give the ends of all rows."""
        series = []
        for final in self.done():
            ours, reported = (
                (final.ours, final.reported)
                if measure is ACCURACY
                else (final.loss, final.reported_loss)
            )
            known = [(0.0, float(reported))] if reported else []
            series.append(Series(final.row.label, [0.0], [[y] for y in ours], known))
        return series


def seen_of(series: Sequence[Series]) -> str:
    """Say how the curves of the accuracy go, for a caption."""
    said = ", ".join([moved(s, ACCURACY) for s in series])
    return f"{said}. " if said else ""


def crosses(series: Sequence[Series]) -> str:
    """Explain the crosses, if there are any, for a caption."""
    return " Crosses are what the assignment reports." * any(s.reported for s in series)


def over(section: Section) -> str:
    """Say how often our accuracy is over the reported one, for a caption."""
    known = [f.difference for f in section.done() if f.difference is not None]
    above = sum(d > 0 for d in known)
    return f"Our mean accuracy is above the reported one in {above} of {len(known)}"


def places(values: Sequence[str], shift: float) -> list[tuple[float, float]]:
    """Give places and values of the epochs which the assignment prints, where it prints a number.

    Args:
        shift: where in an epoch its value belongs: 0 is the start, 1 the end.
    """
    first = EPOCHS - len(values)
    pairs = enumerate(values, first)
    return [(epoch + shift, float(y)) for epoch, y in pairs if y and " to " not in y]


def compare(accuracies: Sequence[float], reported: str) -> list[str]:
    """Make the cells of a difference, of our mean accuracy, and of the reported one.

    Args:
        accuracies: ours, in %.
        reported: a number, a range such as "12 to 32", or "".
    """
    average, _ = mean_and_deviation(accuracies)
    missing = average is None or not reported
    points = "" if missing else signed(difference(average, reported), mark=True)
    return [points, mean(accuracies, 2), reported]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Make a table in Markdown, whose first column is of text and the others of numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# -- The tables and pictures of each kind of item ----------------------------------------------


def session(section: Section) -> None:
    """Run the sessions in the guide, and show them."""
    blocks = re.findall(r"^```python\n(>>> .*?)^```", GUIDE.read_text("utf-8"), re.M | re.S)
    code, complaints = "".join(blocks), []
    test = doctest.DocTestParser().get_doctest(code, {}, GUIDE.name, None, None)
    with use_backend("numpy"):
        failed, n = doctest.DocTestRunner().run(test, out=complaints.append)
    section.inputs = (n - failed, n)
    section.blocks.append(f"```python\n{code}```")
    if complaints:
        section.blocks.append("```\n" + "".join(complaints) + "```")


def activations(section: Section) -> None:
    """Question 9: show the accuracies of each epoch, over several runs."""
    rows, of_epochs = [], []
    for row, results in zip(section.item.rows, section.results, strict=True):
        accuracies = [result.accuracies() for result in results]
        last, top = row.accuracy
        ends, losses = [a[-1] for a in accuracies], [r.values("train_loss")[-1] for r in results]
        section.finals.append(Final(row, ends, last, losses, ""))
        rows.append([f"{row.label}, last epoch", *compare(ends, last)])
        rows.append([f"{row.label}, best epoch", *compare([max(a) for a in accuracies], top)])
        of_epochs.append([mean(a, 2) for a in zip(*accuracies, strict=True)])
    accuracy = section.curves(ACCURACY, Result.accuracies, 1)
    for i, series in enumerate(accuracy):  # here what is reported is that after the last epoch
        row = next(row for row in section.item.rows if row.label == series.label)
        known = [(EPOCHS, float(row.accuracy[0]))] if len(series.xs) == EPOCHS else []
        accuracy[i] = series._replace(reported=known)
    loss = section.curves(LOSS, lambda result: result.values("train_loss"), 0.5)
    section.picture(
        f"{seen_of(accuracy)}Accuracy on the validation images after each epoch, and loss on the "
        "training images during it: means over the seeds, in bands of one standard deviation."
        f"{crosses(accuracy)}",
        (ACCURACY, False, accuracy),
        (LOSS, False, loss),
    )
    section.table(
        ["accuracy, %", "difference", "ours", "reported"],
        rows,
        "Accuracy at the end, and in the best epoch of each training.",
    )
    if all(of_epochs):
        labels = [f"{row.label}, %" for row in section.item.rows]
        numbered = ([str(i), *cells] for i, cells in enumerate(zip(*of_epochs, strict=True), 1))
        section.table(["epochs", *labels], numbered, "Accuracy after each epoch.")


def printed(section: Section) -> None:
    """Figures 18 to 24: show what the course's library prints of the last epochs."""
    accuracy = section.curves(ACCURACY, Result.accuracies, 1)
    loss = section.curves(LOSS, lambda result: result.values("train_loss"), 0.5)
    section.picture(
        f"{seen_of(accuracy)}Accuracy on the validation images after each epoch, and loss on the "
        f"training images during it.{crosses([*accuracy, *loss])}",
        (ACCURACY, False, accuracy),
        (LOSS, False, loss),
    )
    for row, results in zip(section.item.rows, section.results, strict=True):
        accuracies = results[0].accuracies() if results else []
        losses = results[0].values("train_loss") if results else []
        n, cells = len(losses) or EPOCHS, []
        for i in range(LAST):
            epoch = n - LAST + i
            before = accuracies[epoch - 1 : epoch]
            ours = f"{losses[epoch]:.5f}" if losses else NOT_RUN
            cells.append([str(epoch), *compare(before, row.accuracy[i]), ours, row.loss[i]])
        section.finals.append(Final(row, before, row.accuracy[-1], losses[-1:], row.loss[-1]))
        reported = "reported" + f", {EPOCHS - LAST} to {EPOCHS - 1}" * (n != EPOCHS)
        header = ["epoch", "difference", "accuracy, %", reported, "loss", reported]
        section.table(
            header,
            cells,
            f"{row.label}: accuracy before the epoch's updates, and mean loss during the epoch.",
        )


def settings(section: Section) -> None:
    """Tables 1 to 3: show accuracy and loss at the end, for each choice of settings."""
    cells = []
    for row, results in zip(section.item.rows, section.results, strict=True):
        ends = [result.accuracies()[-1] for result in results]
        losses = [result.printed_loss() for result in results]
        section.finals.append(Final(row, ends, row.accuracy[0], losses, row.loss[0]))
        cells.append([row.label, *compare(ends, row.accuracy[0]), mean(losses, 3), row.loss[0]])
    section.picture(
        f"{over(section)} settings. Accuracy on the validation images, and loss on the training "
        "images, at the end of each setting (batch size / epochs): small dots are trainings, the "
        "large dot and its bar are their mean and standard deviation, the cross is what the "
        "assignment reports.",
        (ACCURACY, True, section.dots(ACCURACY)),
        (LOSS, True, section.dots(LOSS)),
    )
    header = ["setting", "difference", "accuracy, %", "reported", "loss", "reported"]
    section.table(header, cells, "Batch size / epochs: mean and standard deviation over the seeds.")


def optimizers(section: Section) -> None:
    """Figures 25 and 26: show the accuracy of each class, and the curves of the loss."""
    rows = []
    for row, results in zip(section.item.rows, section.results, strict=True):
        ends = [result.accuracies()[-1] for result in results]
        of_runs = [result.facts["per_class_accuracy"] for result in results]
        classes = [mean_and_deviation(xs)[0] for xs in zip(*of_runs, strict=True)]
        losses = [result.printed_loss() for result in results]
        section.finals.append(Final(row, ends, row.accuracy[0], losses, ""))
        rows.append(
            [row.label, *compare(ends, row.accuracy[0]), *(f"{100 * x:.1f}" for x in classes)]
        )
    names = next((r[0].facts["classes"] for r in section.results if r), [])
    cells = [[*row, *[NOT_RUN] * (4 + len(names) - len(row))] for row in rows]
    section.picture(
        f"{over(section)} rows. Accuracy at the end: small dots are trainings, the large "
        "dot and its bar are their mean and standard deviation, the cross is what the assignment "
        "reports. Loss in 50 parts of "
        "each epoch: mean over the seeds, in a band of one standard deviation.",
        (ACCURACY, True, section.dots(ACCURACY)),
        (LOSS, False, section.curves(LOSS, Result.losses, 0.5)),
    )
    header = ["accuracy, %", "difference", "all", "reported", *names]
    section.table(header, cells, "Accuracy on all images, and on those of each class.")


# -- The answers: made from the results, so that they can't say anything else ---------------------


def seen(section: Section) -> str:
    right, n = section.inputs
    return (
        "A node holds its value, its gradient and its source. The source is the `OpNode` of the "
        "op that computed the node, and knows the nodes that went in; a node that was given has "
        "none. `do_forward` calls the op's `forward`, and the backward pass calls its `backward`. "
        f"The session below was run for this page: {right} of {n} inputs give what is shown."
    )


def each_row(section: Section) -> str:
    """Say how each row ends, and how far it then is from the base model."""
    sentences = []
    for final in section.done():
        text = f"“{final.row.label}” ends"
        if section.base and final.row.asked:
            more = final.accuracy - section.base.accuracies()[-2]  # before the last epoch, too
            text += f" {beside(more)} the base model of figure 18,"
        sentences.append(f"{text} at {final.said()}.")
    return " ".join(sentences)


def nearest(section: Section) -> str:
    """Say how each row ends, and which has the loss that is nearest to the reported one."""
    text, done = each_row(section), section.done()
    if len(done) == len(section.item.rows):
        final = min(done, key=lambda final: abs(off_by(final)))
        text += (
            f" The loss nearest to the reported {final.reported_loss} is that of "
            f"“{final.row.label}”: {number(final.loss[0], 5)} ({signed(off_by(final), 1)} %)."
        )
        if not final.row.asked and abs(off_by(final)) < CLOSE:
            text += " This is not what is asked for: figures 19 and 20 seem to be exchanged."
    return text


def stays(section: Section) -> str:
    """Say between which accuracies the network is in the last epochs."""
    accuracies = section.results[0][0].accuracies()[-LAST - 1 : -1]
    low, high = (number(f(accuracies), 2) for f in (min, max))
    reported = section.finals[0].reported
    return (
        f"In the last {LAST} epochs the network is right on {low} to {high} % of the validation "
        f"images; reported are {reported} %. One class of ten would be 10 %."
    )


def between_rows(section: Section) -> str:
    """Compare the two rows of question 9."""
    done = section.done()
    if len(done) < 2:
        return each_row(section)
    a, b = done
    reported = beside(float(b.reported) - float(a.reported))
    return (
        f"{b.row.label} ends {beside(b.accuracy - a.accuracy)} {a.row.label}; in the assignment it "
        f"ends {reported}. {a.row.label}: {a.said()}. {b.row.label}: {b.said()}."
    )


def ranked(section: Section) -> str:
    """Say which row is the best, ours and as reported, and how far all are from the reported."""
    best, *others = sorted(section.done(), key=lambda final: -final.accuracy)
    text = f"Best is {best.row.label}, with {best.said()}."
    if others:
        second, gap = others[0], best.accuracy - others[0].accuracy
        _, deviation = mean_and_deviation(best.ours)
        text += f" {second.row.label} is next, {points(gap)} behind"
        if len(best.ours) > 1:
            than = "less" if gap < deviation else "more"
            text += f", {than} than the deviation between seeds"
        text += "."
    known = [final for final in section.finals if final.reported]
    top = max(known, key=lambda final: float(final.reported))
    text += f" In the assignment the best is {top.row.label}, with {top.reported} %."
    differences = [f.difference for f in section.done() if f.difference is not None]
    if len(differences) > 1:
        low, high = signed(min(differences)), signed(max(differences))
        text += f" Ours differ from the reported accuracies by {low} to {high} points."
    return text


def longest(section: Section) -> str:
    """Rank the rows, and say what more epochs change for each size of batches."""
    text, worse = ranked(section), []
    of_size: dict[str, list[Final]] = {}
    for final in section.done():
        of_size.setdefault(final.row.label.partition(" / ")[0], []).append(final)
    for first, *more in of_size.values():
        if more:
            gain = more[-1].accuracy - first.accuracy
            before, after = (mean_and_deviation(f.loss)[0] or 0.0 for f in (first, more[-1]))
            worse.append(gain < 0 and after < before)
            text += (
                f" From {first.row.label} to {more[-1].row.label} the accuracy changes by "
                f"{signed(gain)} points, and the training loss from {number(before, 3)} to "
                f"{number(after, 3)}."
            )
    if worse and all(worse):
        text += (
            " So longer trainings fit their own images better and new images worse: overfitting."
        )
    return text


def beside(difference: float) -> str:
    """Write a difference in points as "0.91 points below"."""
    if not round(difference, 2):
        return "level with"
    return f"{points(difference)} {'above' if difference > 0 else 'below'}"


def off_by(final: Final) -> float:
    """Give the distance of the loss from the reported one, in %; 0 where none is reported."""
    return 100 * (final.loss[0] / float(final.reported_loss) - 1) if final.reported_loss else 0.0


# -- The whole ----------------------------------------------------------------------------------


def report(items: list[Item], results: Mapping[str, Result], out: Path, *remarks: str) -> None:
    """Write report.md, its pictures, and report.html.

    Args:
        results: of the trainings that are done, by their names.
        out: the folder of the report.
        remarks: paragraphs for the top of the report.
    """
    sections = [Section(item, results, out) for item in items]
    used = {r.name: r for s in sections for rows in s.results for r in rows}
    blocks: list[str | Figure] = ["# The assignment, reproduced", opening(sections, used)]
    blocks += [overview(sections), *remarks, *circumstances(list(used.values()))]
    blocks += [block for section in sections for block in section.blocks]
    text = "\n\n".join(map(str, blocks)) + "\n"
    with replaced(out / "report.md") as file:
        file.write(text.encode())
    with replaced(out / "report.html") as file:
        file.write(page(blocks, out).encode())
    print(out / "report.html")


def opening(sections: Sequence[Section], used: Mapping[str, Result]) -> str:
    """Say in three sentences what was reproduced, and how well."""
    planned = {t.name for s in sections for row in s.item.rows for t in row.trainings}
    text = (
        "This report repeats the figures and tables of a deep learning course's assignment with "
        f"gradcore: {len(used)} of {len(planned)} trainings on MNIST and CIFAR-10 have run."
    )
    known = [(abs(f.difference), f, s) for s, f in asked(sections) if f.difference is not None]
    if not known:
        return text
    near = sum(distance <= MARKED for distance, _, _ in known)
    average = number(sum(distance for distance, _, _ in known) / len(known), 2)
    _, final, section = max(known, key=lambda x: x[0])
    title = section.item.title.partition(":")[0]
    return (
        f"{text} Of {len(known)} reported accuracies, ours come within {MARKED} points of "
        f"{near}; the mean distance is {average} points. The largest difference is that of "
        f"“{final.row.label}” ({title}): {final.said()}."
    )


def asked(sections: Sequence[Section]) -> list[tuple[Section, Final]]:
    """Give the rows that the assignment asks for, of all sections."""
    return [(s, final) for s in sections for final in s.finals if final.row.asked]


def overview(sections: Sequence[Section]) -> Figure:
    """Make the table that sums up: a line for each item with trainings."""
    lines = []
    for section in sections:
        finals = [final for s, final in asked([section]) if final.reported]
        if finals:
            known = [final for final in finals if final.difference is not None]
            differences = [final.difference or 0.0 for final in known]
            ours, reported = (
                [number(f.accuracy, 2) for f in known],
                [f.reported for f in known or finals],
            )
            lines.append(
                [
                    f"[{section.item.title}](#{slug(section.item.title)})",
                    to([signed(d, mark=True) for d in sorted(differences)]),
                    to(sorted(ours)) or NOT_RUN,
                    to(sorted(reported)),
                ]
            )
    caption = (
        "Accuracy at the end of the trainings: ours (means over the seeds) less what is reported, "
        f"in points. Differences of more than {MARKED} points are bold."
    )
    return Figure(table(["question", "difference", "ours, %", "reported, %"], lines), caption)


def to(texts: Sequence[str]) -> str:
    """Write the first and the last of some values as a range."""
    return " to ".join(dict.fromkeys([texts[0], texts[-1]])) if texts else ""


def circumstances(results: Sequence[Result]) -> list[str]:
    """Say on what the trainings ran, and for how long."""
    if not results:
        return []
    minutes = sum(result.seconds() for result in results) / 60
    duration = f"{minutes:.0f} minutes" if minutes < 60 else f"{minutes / 60:.1f} hours"
    places = {f"{r.facts['backend']} ({r.facts['device']})" for r in results}
    versions: dict[str, set[str]] = {}
    for result in results:
        for name, version in result.facts["versions"].items():
            versions.setdefault(name, set()).add(version)
    said = ", ".join(f"{name} {' and '.join(sorted(v))}" for name, v in versions.items())
    text = (
        f"The trainings took {duration} one after the other, on {' and '.join(sorted(places))}; "
        f"{said}. All their numbers are in `results.jsonl`."
    )
    others = Counter(result.facts["origin"] for result in results if not result.is_of_run)
    for origin, n in others.items():
        text += f" The numbers of {n} trainings, whose files are lost, are from {origin}."
    return [text]
