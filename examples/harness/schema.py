"""What the files of a run must hold: tables that say it, and one function that checks it."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

__all__ = [
    "CHECKPOINT",
    "CLASSIFIER",
    "LINE",
    "POSITION",
    "RESULT",
    "SUMMARY",
    "Metric",
    "anything",
    "check",
    "fraction",
    "line",
    "natural",
    "number",
    "text",
]


class Kind(NamedTuple):
    """A kind of values: its name, and whether a value is one."""

    name: str
    has: Callable[[Any], bool]


anything = Kind("anything", lambda x: True)  # noqa: ARG005
text = Kind("a text", lambda x: isinstance(x, str))
natural = Kind("a whole number of at least 0", lambda x: type(x) is int and x >= 0)
positive = Kind("a whole number of at least 1", lambda x: type(x) is int and x >= 1)
number = Kind(
    "a finite number",
    lambda x: (type(x) is int and abs(x) < 2**63) or (type(x) is float and math.isfinite(x)),
)
fraction = Kind("a number from 0 to 1", lambda x: number.has(x) and 0 <= x <= 1)
fraction_or_null = Kind("a number from 0 to 1, or null", lambda x: x is None or fraction.has(x))
number_or_null = Kind("a finite number, or null", lambda x: x is None or number.has(x))
count_or_null = Kind("a whole number, or null", lambda x: x is None or natural.has(x))

# A table is a kind, or a list of one table for all items, or a dictionary of tables by key, in
# which `...` stands for all other keys.


class Metric(NamedTuple):
    """What an example measures after each epoch.

    Attributes:
        name: of its column in metrics.jsonl. "val_loss" is drawn beside the training loss.
        label: its name in the result and in curves.png.
        best: `max` or `min`, if the example's result is this metric; or `None`.
        kind: what values it can have.
        format: of its values in what is printed.
    """

    name: str
    label: str
    best: Callable[[list[float]], float] | None = None
    kind: Kind = number
    format: str = ".5f"


CLASSIFIER = (
    Metric("val_loss", "validation loss"),
    Metric("val_accuracy", "validation accuracy", max, fraction, ".4f"),
)


def line(metrics: Iterable[Metric]) -> dict[str, Kind]:
    """Give the table of a line of metrics.jsonl."""
    return {
        "run": natural,
        "epoch": natural,
        "train_loss": number,
        **{metric.name: metric.kind for metric in metrics},
        "seconds": number,
        "instances_per_second": number,
    }


LINE = line(CLASSIFIER)

CHECKPOINT = {  # the facts beside the arrays
    "program": text,
    "settings": {
        "epochs": positive,
        ...: anything,
    },  # the flags; those of a resumed run are compared
    "run": natural,
    "epoch": natural,
    "optimizer": {"settings": anything, "state": [{...: count_or_null}]},
    "random": {
        "bit_generator": text,
        "state": {"state": natural, "inc": natural},
        "has_uint32": natural,
        "uinteger": natural,
    },
    "facts": {
        "source": text,
        "training_instances": positive,
        "validation_instances": positive,
        "parameters": natural,
        ...: anything,
    },
    "history": [LINE],  # of a classifier; other examples have lines of their own
    "curves": [[number]],
    "per_class": [[fraction_or_null]],
    "position": {...: anything},  # empty between two epochs, else a POSITION
}

POSITION = {  # within an epoch; the order of its batches is an array
    "loader": {"epoch": natural, "given": natural},
    "epoch": {"sums": [number], "sizes": [natural], "seconds": number},
}

SUMMARY = {  # what the report reads of summary.json
    "program": text,
    "data": text,
    "backend": text,
    "device": text,
    "versions": {...: text},
    "settings": {"batch_size": positive, "epochs": positive, ...: anything},
    "training_instances": positive,
    "per_class_accuracy": [fraction_or_null],
    "runs": [{"epochs": natural, ...: anything}],
    ...: anything,
}

RESULT = {  # a line of results.jsonl, which keeps a training's result without its folder
    "training": text,  # its name
    "origin": text,  # "run", or where else the numbers are from
    "flags": {...: anything},
    "program": text,
    "data": text,
    "backend": text,
    "device": text,
    "versions": {...: text},
    "training_instances": positive,
    "batch_size": positive,
    "classes": [text],
    "per_class_accuracy": [fraction_or_null],
    "train_loss": [number],
    "val_loss": [number_or_null],
    "val_accuracy": [fraction],
    "seconds": [number_or_null],
    "curves": [[number]],
}


def check(x: Any, table: Any, where: str) -> None:
    """Check a value that was read from JSON.

    Args:
        where: names the value, for errors.

    Raises:
        ValueError: the value is not what the table says.
    """
    if isinstance(table, Kind):
        if not table.has(x):
            raise ValueError(f"{where} is {reprlib.repr(x)}, expected {table.name}")
    elif isinstance(table, list):
        if not isinstance(x, list):
            raise ValueError(f"{where} is {reprlib.repr(x)}, expected a list")
        for i, item in enumerate(x):
            check(item, table[0], f"{where}[{i}]")
    else:
        if not isinstance(x, dict):
            raise ValueError(f"{where} is {reprlib.repr(x)}, expected an object")
        for key in table:
            if key not in x and key != ...:
                raise ValueError(f"{where} has no {key!r}")
        for key, item in x.items():
            if key not in table and ... not in table:
                raise ValueError(f"{where} has {reprlib.repr(key)}, which has no meaning there")
            check(item, table.get(key, table.get(...)), f"{where}.{key}")
