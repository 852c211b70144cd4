"""`python -m gradcore`: what the command line offers."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m gradcore",
        description="gradcore: automatic differentiation, written once for NumPy and CuPy",
    )
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    about = "say what runs on this machine, what doesn't, and what to do about it"
    commands.add_parser("doctor", help=about, description=f"doctor: {about}.")
    command = parser.parse_args(arguments).command
    if command == "doctor":
        from .doctor import doctor

        try:
            return doctor()
        except BrokenPipeError:  # as in `python -m gradcore doctor | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
    parser.print_help()
    return 0


if __name__ == "__main__":
    sys.exit(main())
