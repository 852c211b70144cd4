"""`python -m gradcore`: what the command line offers."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from .tools.doctor import doctor

__all__ = ["main"]

ROOT = Path(__file__).parents[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m gradcore",
        description="gradcore: automatic differentiation, written once for NumPy and CuPy",
    )
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    about = "say what runs on this machine, what doesn't, and what to do about it"
    commands.add_parser("doctor", help=about, description=f"doctor: {about}.")
    about = "check a backend, time it, and write a report, in less than 8 minutes"
    test = commands.add_parser("selftest", help=about, description=f"selftest: {about}.")
    test.add_argument("--backend", metavar="NAME", default="cupy", help="(default: %(default)s)")
    device = "of the backend: with cupy, the number of the GPU"
    test.add_argument("--device", metavar="NAME", help=device)
    test.add_argument("--quick", action="store_true", help="a little of each part: does it run?")
    folder = "where to write selftest-NAME.json and .md (default: here)"
    test.add_argument("--out", type=Path, metavar="DIR", default=Path(), help=folder)
    args = parser.parse_args(arguments)
    if args.command == "selftest":
        return selftest(args)
    if args.command == "doctor":
        try:
            return doctor()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if not isinstance(error, BrokenPipeError):  # as in `python -m gradcore doctor | head`
                print(f"doctor: can't print ({error.strerror})", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\ndoctor: interrupted", file=sys.stderr)
            return 130
    parser.print_help()
    return 0


def selftest(args: argparse.Namespace) -> int:
    """Run the selftest, which lies beside this package in a clone of the repository."""
    if not (ROOT / "benchmarks" / "selftest").is_dir():
        told = "selftest: not in an installed package; run it in a clone of gradcore's repository"
        print(told, file=sys.stderr)
        return 2
    sys.path.insert(0, str(ROOT))  # before any other package of the name `benchmarks`
    run = import_module("benchmarks.selftest").selftest
    return int(run(args.backend, args.out, args.quick, args.device))


if __name__ == "__main__":
    sys.exit(main())
