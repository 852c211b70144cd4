"""The files that a run of an example leaves behind: a checkpoint, metrics and curves."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import Any

from command_line import UserError

import gradcore
from gradcore.backends import Array, backend_of

# A resumed run may differ from the one that it continues in these, and in nothing else.
FREE = {"backend", "capture", "data_dir", "device", "epochs", "memory_limit", "out", "quiet"}
FREE |= {"resume", "runs", "save_init"}
POINTS = 50  # of the training loss in the curves, per epoch


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A temporary path to write; it becomes `path` when all is written, or else goes."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"{path}: can't be written ({error.strerror or error})") from None
    finally:
        temporary.unlink(missing_ok=True)


def write_safetensors(
    path: Path, arrays: dict[str, Array], facts: dict[str, Any] | None = None
) -> None:
    """Write arrays of any library, and what JSON can hold."""
    from safetensors.numpy import save

    # The memory is written as it lies, so it must be contiguous.
    host = {name: backend_of(x).to_numpy(x).copy(order="C") for name, x in arrays.items()}
    with replaced(path) as temporary:
        temporary.write_bytes(save(host, {"gradcore": json.dumps(facts)} if facts else None))


def read_safetensors(path: Path, flag: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """What `write_safetensors` wrote: the facts, none in a file from elsewhere, and the arrays,
    as NumPy's.

    Raises:
        UserError: the file can't be read, or is something else.
    """
    from safetensors import SafetensorError, safe_open

    try:
        path.open("rb").close()
    except OSError as error:
        raise UserError(f"{flag}: {path} can't be read ({error.strerror})") from None
    try:
        with safe_open(path, framework="numpy") as file:
            facts = json.loads((file.metadata() or {}).get("gradcore", "{}"))
            return facts, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, TypeError, ValueError) as error:
        raise UserError(f"{flag}: {path} is damaged, or no safetensors file ({error})") from None


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What `Session.save` wrote; the arrays, as NumPy's, under `arrays`.

    Raises:
        UserError: the file can't be read, or is something else.
    """
    facts, arrays = read_safetensors(path, "--resume")
    if facts.keys() >= {"program", "settings", "run", "epoch", "optimizer", "facts", "curves"}:
        return {**facts, "arrays": arrays}
    raise UserError(f"--resume: {path} is no checkpoint of this program")


def checkpoint_to_resume(out: Path, program: str, args: argparse.Namespace) -> dict[str, Any]:
    """The checkpoint in `out`, of a run that the program can continue with these settings.

    Raises:
        UserError: it can't; or as `read_checkpoint`.
    """
    checkpoint = read_checkpoint(out / "checkpoint.safetensors")
    if checkpoint["program"] != program:
        raise UserError(f"--resume: the run in {out} is one of {checkpoint['program']}")
    before, now = checkpoint["settings"], vars(args)
    for key in sorted((before.keys() | now.keys()) - FREE):
        if before.get(key) != now.get(key):
            a, b = (f"--{key.replace('_', '-')} {x.get(key, '')}" for x in (before, now))
            raise UserError(f"--resume: the run in {out} has {a}, and not {b}")
    index, done = checkpoint["run"], checkpoint["epoch"]
    if args.runs <= index:
        raise UserError(f"--resume: {out} is in run {index + 1}, past --runs {args.runs}")
    if args.epochs < done:
        raise UserError(f"--resume: {out} has done {done} epochs, past --epochs {args.epochs}")
    if index and args.epochs != before["epochs"]:
        raise UserError(
            f"--resume: the runs that {out} has finished have --epochs {before['epochs']}, "
            f"not {args.epochs}"
        )
    return checkpoint


def as_line(record: dict[str, Any]) -> str:
    return json.dumps(record, allow_nan=False) + "\n"


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of gradcore, of Python, and of these as far as they are installed."""
    found = {"python": platform.python_version(), "gradcore": gradcore.__version__}
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def draw_curves(runs: list[list[dict[str, Any]]], title: str, path: Path) -> None:
    """Loss and accuracy over the epochs; of several runs the mean, in a band of the deviation."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    n, points = min(map(len, runs)), len(runs[0][0]["curve"])
    within = [(i + 0.5) / points for i in range(n * points)]
    training = [[y for line in lines[:n] for y in line["curve"]] for lines in runs]
    loss, accuracy = (
        [[line[key] for line in lines[:n]] for lines in runs]
        for key in ("val_loss", "val_accuracy")
    )
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    figure.suptitle(title)
    left, right = figure.subplots(1, 2)
    after = range(1, n + 1)
    plot_runs(left, within, training, color="C0", label="training (running)")
    plot_runs(left, after, loss, color="C1", marker=".", label="validation")
    plot_runs(right, after, accuracy, color="C1", marker=".", label="validation")
    left.set(xlabel="epochs", ylabel="loss per instance")
    right.set(xlabel="epochs", ylabel="accuracy")
    for axes in (left, right):
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, format="png", dpi=150)


def plot_runs(axes: Any, xs: Iterable[float], runs: list[list[float]], **style: Any) -> None:
    """The mean of what several runs had at these places, in a band of the standard deviation."""
    xs, pairs = list(xs), [mean_and_deviation(list(ys)) for ys in zip(*runs, strict=True)]
    axes.plot(xs, [mean for mean, _ in pairs], **style)
    if len(runs) > 1:
        low, high = ([mean + sign * deviation for mean, deviation in pairs] for sign in (-1, 1))
        axes.fill_between(xs, low, high, color=style["color"], alpha=0.25, linewidth=0)


def means_of_parts(sums: list[float], sizes: list[int]) -> list[float]:
    """The means in POINTS parts of what was summed over so many instances, or in fewer."""
    n = len(sums)
    points = min(n, POINTS)
    cuts = pairwise(n * i // points for i in range(points + 1))
    return [math.fsum(sums[i:j]) / sum(sizes[i:j]) for i, j in cuts]


def mean_and_deviation(xs: list[float]) -> tuple[float | None, float | None]:
    """The mean and the standard deviation (of the sample, 0 for one number)."""
    if not xs:
        return None, None
    return statistics.fmean(xs), statistics.stdev(xs) if len(xs) > 1 else 0.0
