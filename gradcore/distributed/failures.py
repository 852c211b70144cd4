"""What goes wrong between processes: ranks that differ, fail, or do not come."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from .communicator import Communicator

__all__ = [
    "OtherRankError",
    "RanksDifferError",
    "code",
    "from_rank_0",
    "must_agree",
    "stall_limit",
    "who_is_missing",
]

T = TypeVar("T")
STALL = 60.0  # seconds


class OtherRankError(RuntimeError):
    """This rank can't go on, since another has failed, or does not come.

    Example:
        >>> issubclass(gradcore.distributed.OtherRankError, RuntimeError)
        True
    """


class RanksDifferError(ValueError):
    """The ranks have different code, settings or data. All ranks raise this error.

    Example:
        >>> issubclass(gradcore.distributed.RanksDifferError, ValueError)
        True
    """


def stall_limit() -> float:
    """Read how many seconds a rank waits for another: GRADCORE_STALL, or a minute."""
    text = os.environ.get("GRADCORE_STALL") or str(STALL)
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not 0 < limit < float("inf"):
        raise ValueError(f"GRADCORE_STALL={text}: expected a positive number of seconds")
    return limit


def who_is_missing(ranks: Iterable[int], seconds: float) -> str:
    """Say that these ranks did not come to an exchange."""
    numbers = [str(rank) for rank in ranks]
    who = f"rank {numbers[0]}" if len(numbers) == 1 else f"ranks {', '.join(numbers)}"
    return (
        f"{who} did not come to an exchange within {seconds:g} seconds: stopped, or busy; if "
        "busy, set GRADCORE_STALL to more seconds"
    )


def must_agree(communicator: Communicator, facts: dict[str, Any]) -> None:
    """Check that all ranks have the same facts: numbers, texts and such, by name.

    Raises:
        RanksDifferError: they have not. The message names the first fact that differs.

    Example:
        >>> here = gradcore.distributed.world()
        >>> gradcore.distributed.must_agree(here, {"the learning rate": 0.1})
    """
    of_ranks = communicator.allgather_object(facts)
    for name in {name: None for of_one in of_ranks for name in of_one}:
        for rank, of_one in enumerate(of_ranks):
            first, other = (of.get(name, "nothing") for of in (of_ranks[0], of_one))
            if first != other:
                raise RanksDifferError(
                    f"the ranks differ in {name}: rank 0 has {first}, rank {rank} has {other}"
                )


@cache
def code() -> dict[str, str]:
    """Give short hashes of the code that this process runs, for `must_agree`."""
    package = Path(__file__).parents[1]
    backends = Path(sys.modules[f"{package.name}.backends"].__file__ or "").parent
    ours = [file for folder in (package, backends) for file in sorted(folder.rglob("*.py"))]
    script = Path(sys.argv[0])
    return {
        f"the files of {package.name}": _hash(ours),
        f"the program {script.name}": _hash([script] if script.is_file() else []),
    }


def _hash(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def from_rank_0(communicator: Communicator, function: Callable[[], T]) -> T:
    """Call the function in rank 0 alone, as to download a file; give all ranks what it returns,
    which is pickled, or raise in all ranks the error that it raises.

    Example:
        >>> here = gradcore.distributed.world()
        >>> gradcore.distributed.from_rank_0(here, lambda: "a folder")
        'a folder'
    """
    result, error = None, None
    if communicator.rank == 0:
        try:
            result = function()
        except Exception as raised:
            error = raised
    result, error = communicator.broadcast_object((result, error))
    if error is not None:
        raise error
    return result
