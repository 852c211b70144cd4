"""`python -m gradcore`: what the command line offers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import gradcore

from .tools.command_line import Parser, launch
from .tools.doctor import doctor
from .tools.warm import warm

__all__ = ["main"]

ROOT = Path(__file__).parents[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    program = "python -m gradcore"
    parser = Parser(
        prog=program,
        description="gradcore: automatic differentiation, written once for many array libraries.",
        examples={
            f"{program} doctor": "what runs here, and what to do next: a few seconds",
            f"{program} selftest --quick": "whether it computes right here: about a minute",
            f"{program} warm": "compile kernels ahead, so that first steps don't wait",
        },
    )
    version = f"gradcore {gradcore.__version__}"
    parser.add_argument("--version", action="version", version=version, help="say it, and exit")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    about = "say what runs on this machine, what doesn't, and what to do next"
    commands.add_parser(
        "doctor",
        help=about,
        description=f"doctor: {about} (a few seconds).",
        examples={
            f"{program} doctor": "the report",
            f"GRADCORE_BACKEND=cupy {program} doctor": "the same, with another default backend",
        },
    )
    about = "compile the kernels of the NumPy backend ahead"
    commands.add_parser(
        "warm",
        help=about,
        description=f"warm: {about}, for images of containers (up to some minutes).",
        examples={
            f"{program} warm": "compile what is not compiled yet",
            f"NUMBA_CACHE_DIR=/opt/kernels {program} warm": "the same, kept in this folder",
        },
    )
    about = "check that a backend computes right, time it, and write a report"
    test = commands.add_parser(
        "selftest",
        help=about,
        description=f"selftest: {about} (at most 8 minutes).",
        examples={
            f"{program} selftest --quick": "the default backend, a little of each part",
            f"{program} selftest --backend cupy": "all parts, on a GPU",
        },
    )
    chosen = "(default: the one that doctor names as the default)"
    test.add_argument("--backend", metavar="NAME", help=f"numpy, cupy, ... {chosen}")
    device = "of the backend: with cupy, the number of the GPU"
    test.add_argument("--device", metavar="NAME", help=f"{device} (default: the first)")
    test.add_argument("--quick", action="store_true", help="a little of each part: does it run?")
    folder = "where to write selftest-NAME.json and .md (default: here)"
    test.add_argument("--out", type=Path, metavar="DIR", default=Path(), help=folder)
    test.add_argument(
        "--seconds", type=float, metavar="N", help="for all of it (default: 480; 120 with --quick)"
    )
    test.add_argument("--only", metavar="PARTS", default="", help="some parts, with commas")
    test.add_argument("--jobs", type=int, metavar="N", help="processes that run tests at once")
    args = parser.parse_args(arguments)
    if args.command == "selftest":
        return selftest(args)
    if args.command in ("doctor", "warm"):
        return doctor() if args.command == "doctor" else warm()
    parser.print_help()
    return 0


def selftest(args: argparse.Namespace) -> int:
    """Run the selftest, which lies beside this package in a clone of the repository."""
    if not (ROOT / "benchmarks" / "selftest").is_dir():
        told = (
            "selftest: it is not in an installed package; run `git clone "
            "https://github.com/gradcore/gradcore`, and the same command in that folder"
        )
        print(told, file=sys.stderr)
        return 2
    sys.path.insert(0, str(ROOT))  # before any other package of the name `benchmarks`
    run = import_module("benchmarks.selftest").selftest
    only = [name.strip() for name in args.only.split(",") if name.strip()]
    given = args.seconds, only, args.jobs
    return int(run(args.backend, args.out, args.quick, args.device, *given))


if __name__ == "__main__":
    launch(main, "gradcore")
