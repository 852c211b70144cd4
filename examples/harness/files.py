"""The files that a run leaves behind: a checkpoint, metrics and curves."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import gradcore
from gradcore.backends import Array, backend_of

from .command_line import UserError
from .record import mean_and_deviation

__all__ = [
    "as_line",
    "checkpoint_to_resume",
    "draw_curves",
    "plot_runs",
    "read_checkpoint",
    "read_safetensors",
    "replaced",
    "versions",
    "write_safetensors",
]

# The only flags in which a resumed run may differ from the run that it continues.
FREE = {"backend", "capture", "data_dir", "device", "epochs", "memory_limit", "out", "quiet"}
FREE |= {"resume", "runs", "save_init"}


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """In the block, write to a temporary path; it replaces `path` after the block, or is deleted
    if the block raises.

    Raises:
        UserError: the file can't be written.
    """
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
    """Write arrays of any library by name, and facts that JSON can hold.

    Raises:
        UserError: the file can't be written.
    """
    from safetensors.numpy import save

    # safetensors writes the memory as it lies, so each array must be contiguous.
    host = {name: backend_of(x).to_numpy(x).copy(order="C") for name, x in arrays.items()}
    with replaced(path) as temporary:
        temporary.write_bytes(save(host, {"gradcore": json.dumps(facts)} if facts else None))


def read_safetensors(path: Path, flag: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read a file of `write_safetensors`, or of another program, which has no facts.

    Args:
        flag: which names the file, for errors.

    Returns:
        The facts, and NumPy's arrays by name.

    Raises:
        UserError: the file can't be read, or is no safetensors file.
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
    """Read a file of `Session.save`: its facts, and NumPy's arrays under "arrays".

    Raises:
        UserError: the file can't be read, or is no checkpoint.
    """
    facts, arrays = read_safetensors(path, "--resume")
    if facts.keys() >= {"program", "settings", "run", "epoch", "optimizer", "facts", "curves"}:
        return {**facts, "arrays": arrays}
    raise UserError(f"--resume: {path} is no checkpoint of this program")


def checkpoint_to_resume(out: Path, program: str, args: argparse.Namespace) -> dict[str, Any]:
    """Read the checkpoint in `out`, and check that `program` can continue it with these settings.

    Raises:
        UserError: it can't, or the file can't be read.
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
    """Write a line of metrics.jsonl."""
    return json.dumps(record, allow_nan=False) + "\n"


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Give the versions of Python, of gradcore, and of those packages that are installed."""
    found = {"python": platform.python_version(), "gradcore": gradcore.__version__}
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def draw_curves(runs: list[list[dict[str, Any]]], title: str, path: Path) -> None:
    """Plot loss and accuracy over the epochs; of several runs, the mean and the deviation.

    Args:
        runs: of each run, the lines of its epochs, with their curves.
        path: of the picture (PNG).
    """
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
    """Plot the mean of several runs, in a band of the standard deviation.

    Args:
        axes: matplotlib's.
        runs: of each run, the values at the places `xs`.
        style: of matplotlib's `plot`.
    """
    xs, pairs = list(xs), [mean_and_deviation(ys) for ys in zip(*runs, strict=True)]
    axes.plot(xs, [mean for mean, _ in pairs], **style)
    if len(runs) > 1:
        low, high = ([mean + sign * deviation for mean, deviation in pairs] for sign in (-1, 1))
        axes.fill_between(xs, low, high, color=style["color"], alpha=0.25, linewidth=0)
