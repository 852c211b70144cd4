"""The files that a run leaves behind: a checkpoint, metrics and curves."""

from __future__ import annotations

import argparse
import errno
import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, BinaryIO

import gradcore
from gradcore.backends import Array
from gradcore.files import opening, safetensors
from gradcore.files.opening import open_regular
from gradcore.files.safetensors import parsed

from .errors import UserError
from .schema import CHECKPOINT, CLASSIFIER, Metric, check, line

__all__ = [
    "FILES",
    "FREE",
    "as_line",
    "checkpoint_to_resume",
    "locked",
    "must_be_replaceable",
    "read_checkpoint",
    "read_json",
    "read_safetensors",
    "replaced",
    "versions",
    "write_safetensors",
]

FILES = ("checkpoint.safetensors", "metrics.jsonl", "summary.json", "curves.png")  # in --out
BUSY = (errno.EAGAIN, errno.EACCES, errno.EEXIST)  # what `_lock` fails with if others have the lock

# The only flags in which a resumed run may differ from the run that it continues.
FREE = {"backend", "capture", "data_dir", "device", "epochs", "memory_limit", "out", "quiet"}
FREE |= {"resume", "runs", "sample", "save_every", "save_init"}


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """Replace a file, whole: see `gradcore.files.opening.replaced`.

    Raises:
        UserError: the file can't be written.
    """
    with writing(path), opening.replaced(path) as file:
        yield file


def must_be_replaceable(path: Path) -> None:
    """Raise a UserError if a folder, a pipe or a device is in place of a file to write."""
    with writing(path):
        opening.must_be_replaceable(path)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Make an OSError in the block a UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: can't be written ({error.strerror or error})") from None


@contextmanager
def locked(folder: Path, names: Sequence[str] = FILES) -> Iterator[None]:
    """Make a folder, and keep other runs out of it during the block. The lock ends with the
    process, however that ends.

    Args:
        names: of the files that the run writes there.

    Raises:
        UserError: another run has the folder, or it can't be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"--out {folder}: can't write there ({error.strerror})") from None
    try:
        lock = _lock(folder)
    except OSError as error:
        if error.errno not in BUSY:
            lock = os.open(os.devnull, os.O_RDONLY)  # a file system without locks
        else:
            raise UserError(
                f"--out {folder}: another run is writing there; wait for it, or choose another "
                "folder"
            ) from None
    try:
        for name in names:
            for left in folder.glob(f".{name}.*.part"):  # of `replaced` in a killed process
                left.unlink(missing_ok=True)
        yield
    finally:
        os.close(lock)


def _lock(folder: Path) -> int:
    """Open and lock a folder; on Windows, which can't do that, a file in the folder that vanishes
    when the process ends.

    Raises:
        OSError: with an `errno` of BUSY, another process has the lock.
    """
    if sys.platform == "win32":
        return os.open(folder / ".lock", os.O_CREAT | os.O_EXCL | os.O_TEMPORARY)
    from fcntl import LOCK_EX, LOCK_NB, flock

    handle = os.open(folder, os.O_RDONLY)
    try:
        flock(handle, LOCK_EX | LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


def write_safetensors(
    path: Path, arrays: dict[str, Array], facts: dict[str, Any] | None = None
) -> None:
    """Write arrays of any library by name, and facts that JSON can hold.

    Raises:
        UserError: the file can't be written.
    """
    with writing(path):
        safetensors.write_safetensors(path, arrays, facts)


def read_safetensors(path: Path, flag: str) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read a file of `write_safetensors`, or of another program, which has no facts.

    Args:
        flag: which names the file, for errors.

    Returns:
        The facts, and NumPy's arrays by name.

    Raises:
        UserError: the file can't be read, or is no safetensors file, or not as it was written.
    """
    try:
        facts, arrays = safetensors.read_safetensors(path)
    except OSError as error:
        raise UserError(f"{flag}: {path} can't be read ({error.strerror})") from None
    except (MemoryError, ValueError) as error:
        raise UserError(f"{flag}: {error}") from None
    return {} if facts is None else facts, arrays


def read_json(path: Path) -> list[Any]:
    """Read the values in the lines of metrics.jsonl, or the one in summary.json."""
    with open_regular(path) as file:
        data = file.read().decode()
    return list(map(parsed, data.splitlines() if path.suffix == ".jsonl" else [data]))


def read_checkpoint(path: Path, metrics: Sequence[Metric] = CLASSIFIER) -> dict[str, Any]:
    """Read a file of `Session.save`: its facts, and NumPy's arrays under "arrays".

    Args:
        metrics: of the session.

    Raises:
        UserError: the file can't be read, or is no checkpoint.
    """
    facts, arrays = read_safetensors(path, "--resume")
    if isinstance(facts, dict):
        facts.setdefault("position", {})  # those of earlier versions have none
    try:
        check(facts, {**CHECKPOINT, "history": [line(metrics)]}, "checkpoint")
        run, epoch, whole = facts["run"], facts["epoch"], facts["settings"]["epochs"]
        n = run * whole + epoch
        for name, length in (("history", n), ("curves", n), ("per_class", run + bool(epoch))):
            if len(facts[name]) != length:
                found = f"has {len(facts[name])} items, expected {length}"
                raise ValueError(f"checkpoint.{name} {found}")
        for i, of_epoch in enumerate(facts["history"]):
            if (of_epoch["run"], of_epoch["epoch"]) != divmod(i, whole):
                raise ValueError(f"checkpoint.history[{i}] is of another run or epoch")
    except ValueError as error:
        raise UserError(f"--resume: {path} is no checkpoint of this program: {error}") from None
    return {**facts, "arrays": arrays}


def checkpoint_to_resume(
    out: Path, program: str, args: argparse.Namespace, metrics: Sequence[Metric] = CLASSIFIER
) -> dict[str, Any]:
    """Read the checkpoint in `out`, and check that `program` can continue it with these settings.

    Raises:
        UserError: it can't, or the file can't be read.
    """
    checkpoint = read_checkpoint(out / "checkpoint.safetensors", metrics)
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
