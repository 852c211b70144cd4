"""What tests of exchanges between processes share: processes that meet in a folder, and what each
exchange must give."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["FolderHost", "check_exchanges", "free_port", "in_processes"]

ROOT = Path(__file__).parents[2]


class FolderHost:
    """A host transport for objects only: each rank writes its own into a folder, and waits for
    those of the others."""

    def __init__(self, folder: str, rank: int, size: int) -> None:
        self.folder, self.rank, self.size, self.count = Path(folder), rank, size, 0

    def allgather_object(self, x: Any) -> list[Any]:
        self.count += 1
        files = [self.folder / f"{self.count}-{rank}" for rank in range(self.size)]
        new = self.folder / f"new-{self.rank}"
        new.write_bytes(pickle.dumps(x))
        new.rename(files[self.rank])
        end = time.monotonic() + 60
        while not all(file.exists() for file in files):
            assert time.monotonic() < end, "the other rank did not come"
            time.sleep(0.005)
        return [pickle.loads(file.read_bytes()) for file in files]

    def barrier(self) -> None:
        self.allgather_object(None)

    def abort(self, why: str) -> None:
        raise SystemExit(why)


def check_exchanges(exchange: Any, backend: Any, kinds: list[str]) -> None:
    """Compare each exchange of arrays of the backend with NumPy; all ranks call this."""
    rank, size = exchange.rank, exchange.size
    assert exchange.allgather_object({"rank": rank}) == [{"rank": r} for r in range(size)]
    exchange.barrier()
    for kind in kinds:
        arrays = [
            (np.arange(6 * size).reshape(2 * size, 3) * (r + 1) - r).astype(kind)
            for r in range(size)
        ]

        def mine(arrays: list[np.ndarray] = arrays) -> Any:
            return backend.asarray(arrays[rank].copy())  # torch shares the memory

        total = np.sum(arrays, axis=0, dtype=kind)
        expected: list[tuple[Any, np.ndarray]] = [
            (exchange.allreduce(mine()), total),
            (exchange.iallreduce(mine()).wait(), total),
            (exchange.reduce_scatter(mine()), total[2 * rank : 2 * rank + 2]),
            (exchange.allgather(mine()), np.concatenate(arrays)),
            (exchange.broadcast(mine(), size - 1), arrays[-1]),
            (exchange.allreduce(mine()[0, 0]), total[0, 0]),
            (exchange.allreduce(mine().T), total.T),  # whose elements lie in another order
            (exchange.allgather(mine()[:, 1:2]), np.concatenate([x[:, 1:2] for x in arrays])),
        ]
        if not kind.startswith("complex"):
            for op, function in (("max", np.max), ("min", np.min)):
                expected.append((exchange.allreduce(mine(), op), function(arrays, axis=0)))
        given = mine()
        exchange.allreduce(given)
        expected.append((given, arrays[rank]))  # not written to
        for i, (x, y) in enumerate(expected):
            found = backend.to_numpy(x)
            assert type(x) is type(mine()), (i, kind)
            assert found.dtype == y.dtype, (i, kind)
            np.testing.assert_array_equal(found, y, f"{i}, {kind}")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def in_processes(folder: Path, code: str, size: int = 2, **variables: str) -> list[str]:
    """Run a program as several processes, with a `host` that connects them; give what they print.

    The program finds the modules of tests/helpers/.
    """
    head = "import sys; from exchanges import *; host = FolderHost(sys.argv[1], int(sys.argv[2]), "
    file = folder / "program.py"
    file.write_text(f"{head}{size})\n{textwrap.dedent(code)}", "utf-8")
    paths = [str(ROOT), str(ROOT / "tests" / "helpers")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    meeting = folder / "meeting"
    meeting.mkdir()
    processes = [
        subprocess.Popen(
            [sys.executable, str(file), str(meeting), str(rank)],
            env={**environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    try:
        printed = [process.communicate(timeout=120) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, errors) in zip(processes, printed, strict=True):
        assert process.returncode == 0, errors
    return [text for text, _ in printed]
