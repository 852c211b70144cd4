"""What programs share: help that a newcomer can read, and errors and interrupts of one line."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from argparse import SUPPRESS
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, NoReturn

__all__ = ["Parser", "launch"]

_WIDTH = 79
_LONGEST = 2000  # characters of an error: a message may quote any argument


class Parser(argparse.ArgumentParser):
    """A parser whose help states each default and ends with commands to try, in lines of less than
    80 columns, and whose errors are one line.

    Args:
        examples: commands, with what each does.
    """

    def __init__(self, *args: Any, examples: Mapping[str, str] | None = None, **options: Any):
        if examples:
            lines = [f"  {command}\n      {what}" for command, what in examples.items()]
            options["epilog"] = "\n".join(["examples:", *lines])
        options["description"] = textwrap.fill(options.get("description") or "", _WIDTH)
        super().__init__(*args, **{"formatter_class": _Help, **options})

    def error(self, message: str) -> NoReturn:
        if message.startswith("unrecognized arguments: "):
            unknown = message.split()[2].partition("=")[0]
            near = get_close_matches(unknown, self._option_string_actions, 1)
            message += f"; did you mean {near[0]}?" if near else ""
        text = " ".join(message.split())
        if len(text) > _LONGEST:
            text = f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"
        text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
        self.exit(2, f"{self.prog}: {text} (`{self.command()} --help` lists the flags)\n")

    def command(self) -> str:
        """The command that a user types to run the program."""
        program = sys.argv[0]
        return self.prog if self.prog.startswith("python") else f"python {program}"


class _Help(argparse.RawDescriptionHelpFormatter):
    """States the default of each flag that has one, and wraps lines at 79 columns."""

    def __init__(self, prog: str, **options: Any) -> None:
        options.setdefault("width", _WIDTH)
        super().__init__(prog, **{"max_help_position": 24, **options})

    def _get_help_string(self, action: argparse.Action) -> str:
        text, default = action.help or "", action.default
        has_none = default is None or isinstance(default, bool) or default in ("", [], SUPPRESS)
        return text if "default" in text or has_none else f"{text} (default: %(default)s)"

    def _split_lines(self, text: str, width: int) -> list[str]:
        # Flags such as --batch-size stay whole.
        return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)


def launch(main: Callable[[], int], name: str) -> NoReturn:
    """Run a program and end it with its status: 130, after one line, if it is interrupted; 2, after
    one line, if a file or the terminal fails."""
    try:
        status = main()
        if sys.stdout:  # there is none where the shell closed it
            sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted; the same command starts it anew", file=sys.stderr)
        status = 130
    except OSError as error:
        if not error.filename:  # so that Python doesn't try again to print what is left
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # as in `python -m gradcore doctor | head`
            failed = str(error) if error.filename else f"can't print ({error.strerror})"
            print(f"{name}: {failed}; make room there or choose another place", file=sys.stderr)
        status = 2
    sys.exit(status)
