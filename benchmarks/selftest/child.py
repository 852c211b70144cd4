"""A process that looks at the cases of one part: `python -m benchmarks.selftest.child PART`.

It prints a line of JSON before each case and for each thing found, for `run`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from gradcore.backends import get, use_backend

from .cases import LOST, Given, as_json, is_lost, outcomes
from .parts import PARTS

__all__ = ["main"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selftest.child")
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--backend", required=True)
    parser.add_argument("--device")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--skip", type=int, default=0, metavar="N", help="the first N cases")
    parser.add_argument("--shard", default="0/1", metavar="K/N")
    args = parser.parse_args()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is not for the parent
    if not sys.stdin.isatty():
        threading.Thread(target=die_with_parent, daemon=True).start()

    def tell(**told: Any) -> None:
        print(json.dumps(told), file=out, flush=True)

    backend = get(args.backend, args.device)
    shard, shards = map(int, args.shard.split("/"))
    given = Given(backend, args.quick, time.monotonic() + args.seconds, (shard, shards), tell)
    part = PARTS[args.part]
    if part.runs_itself:
        return int(part.cases(given, args.skip))
    with use_backend(args.backend, args.device):
        for i, (name, run) in enumerate(part.cases(given)):
            if i < args.skip:
                continue
            tell(begin=name)
            passed: bool | None = True
            for found in outcomes(run, backend):
                tell(check=as_json(found, name))
                passed = found.passed
            if passed is False and is_lost(given):
                return LOST
    return 0


def die_with_parent() -> None:
    """Wait for the end of standard input, which is the end of the parent, and end this process and
    those that it has started."""
    with suppress(OSError, ValueError):
        while os.read(0, 4096):
            pass
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
