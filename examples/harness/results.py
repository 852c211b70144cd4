"""The trainings of the assignment, and their results: read from the folders of runs, kept in a file
of one line per training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from .errors import UserError
from .files import as_line, read_checkpoint, read_json, replaced
from .schema import LINE, RESULT, SUMMARY, check

__all__ = ["DATA", "EPOCHS", "FILE", "Result", "Training", "keep", "load", "training"]

FILE = "results.jsonl"  # beside the report
EPOCHS = 20  # of the trainings on MNIST
DEFAULTS: dict[str, dict[str, Any]] = {  # flags that are so are not in a training's name
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
PER_EPOCH = ("train_loss", "val_loss", "val_accuracy", "seconds")
CURVES = 2  # epochs, the last ones, of which the loss is kept in parts
RUN = "run"  # the origin of results that a training left
DIGITS = 6  # of what is kept
PRINT_EVERY = 2000  # batches: PyTorch's tutorial prints their mean loss


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


class Result(NamedTuple):
    """The result of a training.

    Attributes:
        facts: a line of the file, as the table RESULT of the schema has it. The numbers of each
            epoch are under PER_EPOCH; "curves" has the training loss in parts of the last epochs.
    """

    facts: dict[str, Any]

    @property
    def name(self) -> str:
        return self.facts["training"]

    @property
    def is_of_run(self) -> bool:
        """Whether a training left these numbers, and not something else."""
        return self.facts["origin"] == RUN

    def values(self, key: str) -> list[float]:
        """Give a number of each epoch."""
        return self.facts[key]

    def seconds(self) -> float:
        """Give how long the training took, as far as that is known."""
        return sum(x or 0.0 for x in self.facts["seconds"])

    def accuracies(self) -> list[float]:
        """Give the validation accuracy after each epoch, in %."""
        return [100 * x for x in self.values("val_accuracy")]

    def losses(self) -> list[float]:
        """Give the training loss in all parts of the last epochs, in one list."""
        return [loss for curve in self.facts["curves"] for loss in curve]

    def printed_loss(self) -> float:
        """Give the loss that PyTorch's tutorial prints last: the mean of the 2,000 batches before
        the last multiple of 2,000. Where an epoch has fewer batches, take the mean of all."""
        size, curve = self.facts["batch_size"], self.facts["curves"][-1]
        batches = -(-self.facts["training_instances"] // size)
        stop = batches // PRINT_EVERY * PRINT_EVERY or batches
        low, high = (
            len(curve) * max(stop - PRINT_EVERY, 0) // batches,
            -(-len(curve) * stop // batches),
        )
        return sum(curve[low:high]) / (high - low)


def load(trainings: Iterable[Training], *folders: Path) -> dict[str, Result]:
    """Find the results of finished trainings, by name, in FOLDER/runs and FOLDER/results.jsonl.

    Args:
        trainings: to look for in the folders of runs; the files are read whole.
        folders: where one training has several results, that of a later folder counts, and that of
            a run more than that of the file beside it.

    Raises:
        UserError: a file is damaged.
    """
    results: dict[str, Result] = {}
    for folder in folders:
        results |= read_file(folder / FILE)
        for t in trainings:
            if result := read_run(folder / "runs", t):
                results[t.name] = result
    return results


def read_file(path: Path) -> dict[str, Result]:
    """Read the results in a file, by name; none if there is no file.

    Raises:
        UserError: the file is damaged.
    """
    try:
        lines = read_json(path)
        check(lines, [RESULT], path.name)
        for i, line in enumerate(lines):
            lengths = {len(line[key]) for key in PER_EPOCH}
            curves = line["curves"] if line["origin"] == RUN else [[0.0]]
            if len(lengths) != 1 or 0 in lengths or not curves or not all(curves):
                raise ValueError(f"{path.name}[{i}] lacks numbers of an epoch")
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise UserError(f"{path} is damaged ({error}); restore or delete it") from None
    return {line["training"]: Result(line) for line in lines}


def read_run(runs: Path, training: Training) -> Result | None:
    """Read the result of a training from its folder, or return `None` if it is not done.

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
        curves = read_checkpoint(folder / "checkpoint.safetensors")["curves"]
    except FileNotFoundError:
        return None
    except (UserError, ValueError, OSError) as error:
        raise UserError(f"{folder} is damaged ({error}); delete it to train that again") from None
    same = ("program", "data", "backend", "device", "versions", "training_instances")
    facts = {
        "training": training.name,
        "origin": RUN,
        "flags": dict(training.flags),
        **{key: summary[key] for key in same},
        "batch_size": summary["settings"]["batch_size"],
        "classes": summary.get("classes", []),
        "per_class_accuracy": summary["per_class_accuracy"],
        **{key: [rounded(line[key]) for line in lines] for key in PER_EPOCH},
        "curves": [[rounded(loss) for loss in curve] for curve in curves[-CURVES:]],
    }
    return Result(facts)


def rounded(x: float) -> float:
    return float(f"{x:.{DIGITS}g}")


def keep(results: dict[str, Result], folder: Path) -> None:
    """Write the results to FOLDER/results.jsonl, in the order of their names.

    Raises:
        UserError: the file can't be written.
    """
    with replaced(folder / FILE) as file:
        for name in sorted(results):
            file.write(as_line(results[name].facts).encode())
