"""Programs in several processes, which `mpirun` starts, and which of them is which rank."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
MARK = "MARK_OF_A_TEST"  # a variable by which the processes of a run are found


def mpirun() -> str | None:
    """The `mpirun` beside this Python, or another; `None` without it or mpi4py."""
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return shutil.which("mpirun", path=folders) if importlib.util.find_spec("mpi4py") else None


def environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "examples"), os.environ.get("PYTHONPATH", "")])
    given = {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "GRADCORE_BACKEND": "numpy"}
    given |= {"GRADCORE_OFFLINE": "1", "MPLBACKEND": "agg", "HYDRA_LAUNCHER": "fork"}
    return {**os.environ, **given, **more}


class Done(NamedTuple):
    status: int
    out: str
    err: str


class Run:
    """A program in `size` processes; in one, it is started without `mpirun`."""

    def __init__(self, size: int, *command: object, **variables: str) -> None:
        self.mark = uuid.uuid4().hex
        launcher = [str(mpirun()), "-n", str(size)] if size > 1 else []
        self.process = subprocess.Popen(
            [*launcher, sys.executable, *map(str, command)],
            env=environment(**{MARK: self.mark}, **variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ranks(self) -> dict[int, int]:
        """The processes' numbers, by rank; empty before they run."""
        found = {}
        for folder in Path("/proc").iterdir():
            try:
                variables = (folder / "environ").read_bytes().split(b"\0")
            except OSError:  # no process, or gone
                continue
            given = dict(x.split(b"=", 1) for x in variables if b"=" in x)
            if given.get(MARK.encode()) == self.mark.encode() and b"PMI_RANK" in given:
                found[int(given[b"PMI_RANK"])] = int(folder.name)
        return found

    def wait(self, seconds: float = 120.0) -> Done:
        out, err = self.process.communicate(timeout=seconds)
        return Done(self.process.returncode, out, err)

    def kill(self) -> None:
        """End what is left, if a test has failed."""
        for number in [*self.ranks().values(), self.process.pid]:
            try:
                os.kill(number, 9)
            except ProcessLookupError:
                continue
        self.process.communicate()


@contextmanager
def started(size: int, *command: object, **variables: str) -> Iterator[Run]:
    run = Run(size, *command, **variables)
    try:
        yield run
    finally:
        if run.process.returncode is None:
            run.kill()


def done(size: int, *command: object, **variables: Any) -> Done:
    with started(size, *command, **variables) as run:
        return run.wait()
