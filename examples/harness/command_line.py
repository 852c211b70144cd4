"""The command line of the examples: flags, errors of one line, and the exit status."""

from __future__ import annotations

import argparse
import io
import math
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import gradcore
from gradcore import TensorNode, optim
from gradcore.data import DataError
from gradcore.data.errors import one_line
from gradcore.distributed import RanksDifferError, world
from gradcore.tools.command_line import Parser as BaseParser

from .errors import UserError
from .launch import ignore_interrupts
from .ranks import in_turn, must_have_equal

__all__ = [
    "OPTIMIZERS",
    "Parser",
    "UserError",
    "add_device_flags",
    "complain",
    "path",
    "positive",
    "positive_float",
    "require",
    "run",
    "size",
    "warn",
]

OPTIMIZERS: dict[str, Callable[[list[TensorNode], float], optim.Optimizer]] = {
    "sgd": optim.SGD,
    "momentum": lambda parameters, lr: optim.SGD(parameters, lr, momentum=0.9),
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "adagrad": optim.Adagrad,
    "rmsprop": optim.RMSprop,
}


LARGEST = 1_000_000  # size of a layer
OWN = {"data_dir", "device", "out", "save_init"}  # flags in which processes may differ


class Parser(BaseParser):
    """The flags of every example that trains, in groups; below them, commands to try."""

    def __init__(
        self,
        description: str,
        *,
        epochs: int,
        batch_size: int | None = None,
        lr: float | None = None,
        optimizer: str | None = None,
        limit: int | None = None,
        dtype: str = "float32",
        dtypes: Sequence[str] = ("float16", "float32", "float64"),
        without: Sequence[str] = (),
        first: str = "",
    ):
        """Args: the defaults, where `None` leaves a flag out; the flags `without` are left out too,
        such as "--data-dir"; the flags `first` of the command to try first, and how long it takes.
        """
        name = Path(sys.argv[0]).name
        program, folder = f"python examples/{name}", f"runs/{Path(name).stem}"
        flags, _, takes = first.partition(": ")
        examples = {f"{program} {flags}".strip(): takes or "the whole training"}
        examples[f"{program} --out {folder}"] = "keep curves, metrics and a checkpoint there"
        examples[f"{program} --out {folder} --resume"] = "go on where that run was interrupted"
        if "--backend" not in without:
            examples[f"{program} --backend cupy"] = "on an NVIDIA GPU, with CuPy"
        usage = f"{program} [FLAG ...]"
        super().__init__(description=description, examples=examples, usage=usage)
        self._optionals.title = "options of this example"
        self.training = self.add_argument_group("the training")
        self.files = self.add_argument_group("files")
        self.device = self.add_argument_group("where it runs")
        own = {"--batch-size": batch_size, "--lr": lr, "--optimizer": optimizer}
        self.without = {*without, *[name for name, x in own.items() if x is None]}
        flag = partial(self.flag, self.training)
        flag("--epochs", type=positive, default=epochs, metavar="N", help="passes over the data")
        size = "instances in a step"
        flag("--batch-size", type=positive, default=batch_size, metavar="N", help=size)
        flag("--lr", type=positive_float, default=lr, metavar="X", help="learning rate")
        flag("--optimizer", choices=OPTIMIZERS, default=optimizer, help="how a step is taken")
        flag("--seed", type=natural, default=0, metavar="N", help="of all random numbers")
        flag("--runs", type=positive, default=1, metavar="N", help="repeat, with the next seeds")
        least = "only the first N training instances" + ("" if limit else " (default: all)")
        flag("--limit", type=positive, default=limit, metavar="N", help=least)
        flag("--dtype", choices=dtypes, default=dtype, help="of the parameters")
        flag = partial(self.flag, self.files)
        data = "where the data is (default: GRADCORE_DATA, else the cache)"
        flag("--data-dir", type=path, metavar="DIR", help=data)
        out = "write curves, metrics and a checkpoint there (default: write nothing)"
        flag("--out", type=path, metavar="DIR", help=out)
        flag("--resume", action="store_true", help="continue the run in --out")
        often = "seconds between checkpoints within an epoch (default: %(default)g)"
        flag("--save-every", type=positive_float, default=60.0, metavar="X", help=often)
        flag("--init-from", type=path, metavar="FILE", help="initial weights (safetensors)")
        flag("--save-init", type=path, metavar="FILE", help="write (the first run's) there")
        flag("--quiet", action="store_true", help="print nothing but the result")
        backend = "numpy, cupy, ... (default: GRADCORE_BACKEND, else doctor's choice)"
        self.flag(self.device, "--backend", metavar="NAME", help=backend)

    def flag(self, group: Any, name: str, **options: Any) -> None:
        """Add a flag to a group, unless the example is without it; then it is `None`."""
        if name in self.without:
            self.set_defaults(**{name.removeprefix("--").replace("-", "_"): None})
        else:
            group.add_argument(name, **options)


def add_device_flags(parser: Parser) -> None:
    """Add the flags about the device, for examples that run on gradcore."""
    flag = partial(parser.flag, parser.device)
    device = "of the backend: with cupy, the number of the GPU (default: the first)"
    flag("--device", metavar="NAME", help=device)
    replay = "replay the training step without its Python code (default: where that works)"
    flag("--capture", action=argparse.BooleanOptionalAction, help=replay)
    if "--capture" in parser.without:
        parser.set_defaults(capture=False)
    flag("--memory-limit", type=positive_float, metavar="GB", help="on the GPU (default: none)")
    flag("--mixed-precision", action="store_true", help="float16, with float32 master weights")
    tf32 = "products in TF32 on NVIDIA GPUs: faster, less exact (default: only of convolutions)"
    flag("--tf32", action=argparse.BooleanOptionalAction, help=tf32)


# -- Types of flags: each takes the text of a flag, and raises ArgumentTypeError ------------------


def path(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("is empty")
    return text


def natural(text: str, least: int = 0, most: int = 10**18 - 1) -> int:
    if not text.isdecimal() or len(text) > 18 or not least <= int(text) <= most:
        expected = f"of at least {least}" if most > LARGEST else f"from {least} to {most:,}"
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {expected}")
    return int(text)


def positive(text: str) -> int:
    return natural(text, least=1)


def size(text: str) -> int:
    """Of a layer: arrays of such sizes may not fit in memory, but their sizes fit in 64 bits."""
    return natural(text, least=1, most=LARGEST)


def positive_float(text: str, or_zero: bool = False) -> float:
    try:
        x = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not (0 < x < math.inf or (or_zero and x == 0)):
        expected = "0 or positive" if or_zero else "positive"
        raise argparse.ArgumentTypeError(f"{text} is not {expected} and finite")
    return x


def require(module: str, flag: str, extra: str = "examples") -> None:
    """Raise UserError if a module that the flag needs, and that the extra brings, can't be
    imported."""
    try:
        import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        install = f"pip install 'gradcore[{extra}]'"
        raise UserError(f"{flag} needs {package}: {install} ({error})") from None
    except ValueError as error:  # as matplotlib's, of MPLBACKEND
        raise UserError(f"{flag} needs {module}, which fails: {error}") from None


def complain(error: Exception) -> int:
    """Print an error for the user, on one line whatever it holds; give the exit status. Of several
    processes one prints it, and all end."""
    text = str(error).replace("data_dir", "--data-dir")
    if isinstance(error, MemoryError):
        text = f"not enough memory{f' ({text})' if text else ''}; try fewer or smaller layers"
    world().fail(one_line(f"{Path(sys.argv[0]).name}: {text}"), 2)
    return 2


def warn(text: str) -> None:
    """Print a line on stderr, in rank 0."""
    if world().rank == 0:
        print(one_line(f"{Path(sys.argv[0]).name}: {text}"), file=sys.stderr)


def run(
    args: argparse.Namespace,
    load: Callable[..., Any],
    train: Callable[..., None],
    new_session: Callable[..., Any],
    several: bool = False,
) -> int:
    """Load the data and train `args.runs` times.

    Args:
        load: called with `args`; returns the data.
        train: called with `args`, the data and the session.
        new_session: called with `args`; returns a `Session`.
        several: whether processes that `mpirun` has started can train together.

    Returns:
        The exit status: 0 done, 2 bad arguments or input, 130 interrupted.
    """
    name = Path(sys.argv[0]).name
    warnings.formatwarning = lambda message, *_, **__: f"{one_line(f'{name}: {message}')}\n"
    # An overflow ends as a loss that is not finite, about which `Epoch` raises one line.
    numbers = "(overflow|invalid value|divide by zero) encountered"
    warnings.filterwarnings("ignore", numbers, RuntimeWarning)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for folders whose name is no UTF-8
    try:
        if world().size > 1 and not several:
            raise UserError("trains in one process; mpirun is for mnist.py, cifar10.py and char_*")
        with new_session(args) as session:
            try:
                gradcore.manual_seed(args.seed)
                data = in_turn(lambda: load(args))
                must_have_equal({k: x for k, x in vars(args).items() if k not in OWN}, data)
                for number in range(session.run, args.runs):
                    session.start(number)
                    train(args, data, session)
                session.finish()
            except KeyboardInterrupt:
                ignore_interrupts()  # so that the files below get written
                if world().rank:  # which leaves it to rank 0 to say so and to write
                    return 130
                print(file=sys.stderr)  # after the terminal's ^C
                advice = ""
                if session.out and session.facts:
                    session.finish()
                    advice = "; --resume continues from the last epoch"
                print(f"{name}: interrupted{advice}", file=sys.stderr)
                return 130
    except BrokenPipeError:  # as in `python examples/mnist.py | head`
        return 2
    except (UserError, DataError, RanksDifferError, OSError, MemoryError) as error:
        return complain(error)
    return 0
