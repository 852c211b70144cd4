"""What a part of the selftest consists of: cases, each a name and a function that looks."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from gradcore.backends import Backend

__all__ = ["LOST", "Case", "Found", "Given", "NotHere", "as_json", "is_lost", "outcomes", "wait"]

LOST = 3  # the exit status of a process after a case that has cost it its device

NOTHING: Mapping[str, float] = MappingProxyType({})


class Found(NamedTuple):
    """What a case found.

    Attributes:
        passed: `None` if it could not be looked at; `detail` says why.
        detail: a line.
        figures: numbers by name; times in seconds.
        text: more lines, which the report has below its tables.
        name: of the check, if that is another than the case's. A later check of the same name
            takes its place: so a case can tell what it has so far.
    """

    passed: bool | None = True
    detail: str = ""
    figures: Mapping[str, float] = NOTHING
    text: str = ""
    name: str = ""


Case = tuple[str, Callable[[], Any]]  # which gives a detail, a Found, an iterator of these, or None


def as_json(found: Found, name: str) -> dict[str, Any]:
    return {**found._asdict(), "figures": dict(found.figures), "name": found.name or name}


class NotHere(Exception):  # noqa: N818
    """A case can't be looked at here; the message says why."""


@dataclass
class Given:
    """What a part is given.

    Attributes:
        quick: do a little of the part.
        end: when the part's time is over, on the clock `time.monotonic`.
        shard: which share of the cases, from 0, and of how many.
        tell: tells the parent something at once.
    """

    backend: Backend
    quick: bool = False
    end: float = field(default_factory=lambda: time.monotonic() + 3600)
    shard: tuple[int, int] = (0, 1)
    tell: Callable[..., None] = lambda **_: None

    def only_on_cupy(self) -> None:
        if self.backend.name != "cupy":
            raise NotHere("only on CuPy")


def wait(backend: Backend) -> None:
    """Wait until the device has done all work; an error of this work is raised here."""
    if backend.name == "cupy":
        import cupy

        cupy.cuda.Device(backend.device).synchronize()


def outcomes(run: Callable[[], Any], backend: Backend) -> Iterator[Found]:
    """Run the function of a case, and give what it finds; an exception fails it."""
    try:
        results = run()
        for found in results if isinstance(results, Iterator) else [results]:
            yield found if isinstance(found, Found) else Found(True, str(found or ""))
        wait(backend)
    except NotHere as error:
        yield Found(None, str(error))
    except Exception as error:
        said = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        yield Found(False, said, text="".join(traceback.format_exception(error)[-4:]))


def is_lost(given: Given) -> bool:
    """Whether the device does nothing more in this process, as after an illegal access."""
    try:
        given.backend.to_numpy(given.backend.asarray([1.0]) + 1)
        wait(given.backend)
    except Exception:
        return True
    return False
