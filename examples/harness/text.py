"""What the examples about text share: the text, and its characters as numbers."""

from __future__ import annotations

import argparse
import sysconfig
from pathlib import Path
from typing import Any

from gradcore import backends
from gradcore.backends import Array, random

from .command_line import Parser, path, size
from .errors import UserError

__all__ = ["CHARACTERS", "add_text_flags", "decoded", "draw", "encoded", "load_windows"]

CHARACTERS = "\n" + "".join(map(chr, range(32, 127)))  # all others are read as "?"
KNOWN = {ord(character): i for i, character in enumerate(CHARACTERS)}
NUMBERS = bytes([KNOWN.get(i, KNOWN[ord("?")]) for i in range(256)])  # of the characters of ASCII
HELD_OUT = 10  # one file, or part of a file, of so many is for validation
MOST_HELD_OUT = 500  # windows


def add_text_flags(parser: Parser) -> None:
    """Add the flags about the text."""
    flag, default = parser.add_argument, "(default: %(default)s)"
    flag("--text", type=path, metavar="FILE", help="(default: the standard library's sources)")
    flag("--context", type=size, default=64, metavar="N", help=f"characters in a window {default}")
    flag("--sample", type=size, default=600, metavar="N", help=f"characters to make up {default}")


def load_windows(args: argparse.Namespace) -> tuple[Any, Any, dict[str, Any]]:
    """Cut the text into windows of `args.context` characters.

    Returns:
        The windows for training, those for validation, each as a pair of arrays (N, T) of the
        backend: the characters' numbers, and those of the characters that follow; and the facts
        that `Session.begin` takes.

    Raises:
        UserError: the text can't be read, or is too short.
    """
    source = Path(args.text or sysconfig.get_paths()["stdlib"])
    parts = texts(source)
    held_out = parts[HELD_OUT - 1 :: HELD_OUT]
    training = [part for i, part in enumerate(parts, 1) if i % HELD_OUT]
    both = []
    for part, most in ((training, args.limit), (held_out, MOST_HELD_OUT)):
        text = "\n".join(part).expandtabs(4)
        n = min((len(text) - 1) // args.context, most or len(text))
        if n < 1:
            expected = 2 * HELD_OUT * args.context
            raise UserError(f"--text {source}: is too short, expected {expected:,} characters")
        whole = backends.default().asarray(encoded(text[: n * args.context + 1]), "int64")
        xp = backends.default().xp
        both.append([xp.reshape(x, (n, args.context)) for x in (whole[:-1], whole[1:])])
    sizes = [x.shape[0] for x, _ in both]
    return *both, {
        "data": Path(args.text).name if args.text else "Python's standard library",
        "source": str(source),
        "unit": "windows",
        "training_instances": sizes[0],
        "validation_instances": sizes[1],
    }


def texts(source: Path) -> list[str]:
    """Read the files of a folder, as the standard library's, or a file in 100 parts."""
    files = sorted(source.glob("*.py")) if source.is_dir() else [source]
    try:
        read = [file.read_text("utf-8", errors="replace") for file in files]
    except OSError as error:
        raise UserError(f"--text {source}: can't be read ({error.strerror})") from None
    if len(read) == 1:
        whole, cut = read[0], -(-len(read[0]) // 100)
        read = [whole[i : i + cut] for i in range(0, len(whole), cut or 1)]
    return read


def encoded(text: str) -> list[int]:
    """Give the numbers of the characters."""
    return list(text.expandtabs(4).encode("ascii", "replace").translate(NUMBERS))


def decoded(numbers: list[int]) -> str:
    return "".join([CHARACTERS[i] for i in numbers])


def draw(logits: Array, temperature: float = 0.8) -> int:
    """Draw the number of a character, whose logits (C,) are divided by the temperature first: the
    colder, the more likely are likely characters."""
    # In float64, so that the weights sum to 1 to the last digit that NumPy asks for.
    scores = backends.default().to_numpy(logits).astype("float64") / temperature
    weights = 2.718281828459045 ** (scores - scores.max())
    return int(random.generator().choice(len(weights), p=weights / weights.sum()))
