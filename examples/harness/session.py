"""A run of an example: its backend, seeds and checkpoints, and what it prints and writes."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar, Literal

import gradcore
from gradcore import backends, nn
from gradcore.backends import Array, random
from gradcore.backends.numba.notice import notice
from gradcore.data import DataLoader
from gradcore.distributed import DataParallel, from_rank_0, synchronize_norms, world

from .command_line import require
from .errors import UserError
from .files import (
    FILES,
    as_line,
    checkpoint_to_resume,
    locked,
    must_be_replaceable,
    read_safetensors,
    replaced,
    versions,
    write_safetensors,
)
from .pictures import DPI, draw_curves
from .record import Epoch, Record
from .schema import CLASSIFIER, POSITION, Metric, check

__all__ = ["Session"]

ORDER = 2**63  # more than any seed
ORDER_OF_BATCHES = "order"  # the name of that array in a checkpoint
# What loading a state raises that is not of this model and optimizer
UNFIT = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)


class Session:
    """Leads through one or several runs, and reports on the terminal and in the folder `--out`,
    which no other session has meanwhile. Of several processes that `mpirun` has started, the first
    reports, and all train the model together.

        with Session(args) as session:
            session.begin(model, optimizer, ...)
            for epoch in session.epochs():
                for images, labels in session.progress(batches):
                    ...  # a training step
                    epoch.add(loss, instances)
                epoch.stop()
                session.end_epoch(epoch, val_loss=..., val_accuracy=...)

    Args:
        args: the command line.
        metrics: what the example measures after each epoch.
        files: what the example itself writes in `--out`, by `write` and `draw`.

    Attributes:
        program: the name of the script.
        out: the folder of `--out`, or `None`, as in all ranks but the first.
        run: the number of the run, from 0.
        epochs_done: of this run.
        record: the measurements of all runs.
        facts: what `begin` was told, and the number of parameters.
        checkpoint: the one to resume, until `begin` has.
        model, optimizer: of this run.
        share: the arguments of a `DataLoader` that gives this rank's part of each batch.

    Raises:
        UserError: `--out`, `--resume` or the flags about the device can't be followed, or the ranks
            can't share a batch evenly.
    """

    # Packages whose versions a result may depend on.
    packages: ClassVar[tuple[str, ...]] = (
        "numpy",
        "array-api-compat",
        "cupy-cuda12x",
        "cupy-cuda13x",
        "torch",
        "jax",
    )

    def __init__(
        self,
        args: argparse.Namespace,
        metrics: Sequence[Metric] = CLASSIFIER,
        files: Sequence[str] = (),
    ) -> None:
        self.args, self.metrics, self.own_files = args, metrics, files
        self.program = Path(sys.argv[0]).name
        here = world()
        self.is_first = here.rank == 0
        self.share = {"rank": here.rank, "world_size": here.size, "split_batches": True}
        notice.is_due &= not args.quiet and self.is_first
        self.use_backend()
        self.out = Path(args.out) if args.out and self.is_first else None
        self.run = self.epochs_done = 0
        self.record = Record(metrics)
        self.facts: dict[str, Any] = {}
        self.checkpoint: dict[str, Any] | None = None
        self._position: dict[str, Any] = {}  # in an epoch begun: of the loader and the `Epoch`
        self._saved = 0.0  # when the last checkpoint was written
        self._held = ExitStack()
        if args.resume and not args.out:
            raise UserError("--resume needs --out, the folder of the run to continue")
        if args.batch_size and args.batch_size % here.size:
            problem = f"is no multiple of the {here.size} processes, which share each batch"
            raise UserError(f"--batch-size {args.batch_size} {problem}")
        if self.out and args.save_init:
            path = Path(args.save_init)
            if path.name in (*FILES, *files) and path.resolve().parent == self.out.resolve():
                raise UserError(f"--save-init {path}: the run writes a file of this name itself")

    def __enter__(self) -> Session:
        """Find out before the training what would go wrong after it; read the checkpoint."""
        self.checkpoint = from_rank_0(world(), lambda: self.out and self._opened(self.out))
        if self.checkpoint:
            self.run = self.checkpoint["run"]
            known = [self.checkpoint[k] for k in ("history", "curves", "per_class")]
            self.record = Record(self.metrics, *known)
        return self

    def _opened(self, out: Path) -> dict[str, Any] | None:
        """Take the folder, and give the checkpoint to resume, if there is one."""
        require("matplotlib.figure", "--out")
        require("safetensors.numpy", "--out")
        checkpoint = None
        with ExitStack() as stack:
            stack.enter_context(locked(out, (*FILES, *self.own_files)))
            if self.args.resume:
                checkpoint = self._found_checkpoint(out)
            for name in (*FILES, *self.own_files):  # before any of them is deleted or written
                must_be_replaceable(out / name)
            self._held = stack.pop_all()
        return checkpoint

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def _found_checkpoint(self, out: Path) -> dict[str, Any] | None:
        """Read the checkpoint to resume, if there is one."""
        if not os.path.lexists(out / "checkpoint.safetensors"):  # nor a link that leads nowhere
            print(f"no checkpoint in {out}; starting anew", file=sys.stderr)
            return None
        return checkpoint_to_resume(out, self.program, self.args, self.metrics)

    def start(self, run: int) -> None:
        """Start a run: its seed decides all random numbers."""
        self.run = run
        self.seed(self.args.seed + run)

    def say(self, text: str) -> None:
        """Print, unless --quiet was given, or another rank does."""
        if self.is_first and not self.args.quiet:
            print(text, flush=True)

    def begin(
        self,
        model: Any,
        optimizer: Any,
        *,
        is_scheduled: bool = False,
        unit: str = "instances",
        loss: Literal["mean", "sum"] = "mean",
        **facts: Any,
    ) -> None:
        """Begin the training of a new model: write the first checkpoint, or go on from the one
        to resume.

        Args:
            optimizer: or `None`, if it has no state.
            unit: what the instances are called in what is printed.
            is_scheduled: whether --epochs decides the learning rate of a step.
            loss: what the training's loss is of those of its instances.
            facts: more for the summary: `data`, the name of the data set; `source`, where it was
                found; the numbers of `training_instances` and `validation_instances`; maybe
                `classes`, their names, whose accuracies are then printed at the end.

        Raises:
            UserError: the checkpoint, or a file of weights, does not fit; or the example trains in
                one process only.
        """
        self.model, self.optimizer, self.unit = model, optimizer, unit
        self.epochs_done, self._position = 0, {}
        parameters = self.count_parameters()
        backend, device = self.describe_backend()
        self.facts = {**facts, "parameters": parameters}
        self.say(
            f"{facts['data']}: {facts['training_instances']:,} training and "
            f"{facts['validation_instances']:,} validation {unit} ({facts['source']})\n"
            f"{parameters:,} parameters, {self.args.dtype}, {backend} ({device}), "
            f"{self.describe_steps()}{self.describe_ranks()}seed {self.args.seed + self.run}"
        )
        # Seed again: the batches must not depend on how many random numbers the weights took.
        gradcore.manual_seed(ORDER + self.args.seed + self.run)
        if self.checkpoint:
            before, now = self.checkpoint["settings"]["epochs"], self.args.epochs
            if is_scheduled and before != now:
                raise UserError(
                    f"--resume: the learning rate of the run in {self.out} follows "
                    f"--epochs {before}, and not {now}"
                )
            for key in ("training_instances", "validation_instances", "parameters"):
                before, now = self.checkpoint["facts"][key], self.facts[key]
                if before != now:
                    raise UserError(
                        f"--resume: the run in {self.out} has {before:,} "
                        f"{key.replace('_', ' ')}, not {now:,}; its data were in "
                        f"{self.checkpoint['facts']['source']}"
                    )
            try:
                self.restore(self.checkpoint)
            except UNFIT as error:
                raise UserError(f"--resume: {self.out} does not fit: {error}") from None
            self.checkpoint = None
            steps = f" and {self.steps_within} steps" if self.steps_within else ""
            self.say(f"resumed after {self.epochs_done} epochs{steps}")
        else:
            self._exchange_weights()
        if world().size > 1:
            self.join_ranks(loss)
        if self.out:
            if not self.record.history:
                # Of an earlier run:
                for name in ("summary.json", "curves.png", *self.own_files):
                    (self.out / name).unlink(missing_ok=True)
            with replaced(self.out / "metrics.jsonl") as file:
                file.write("".join(map(as_line, self.record.history)).encode())
            self.save()

    def _exchange_weights(self) -> None:
        """Load the weights of --init-from, and save those for --save-init."""
        if path := self.args.init_from:
            require("safetensors.numpy", "--init-from")
            facts, arrays = read_safetensors(Path(path), "--init-from")
            if "epoch" in facts:  # a checkpoint
                arrays = {
                    name.removeprefix("model."): x
                    for name, x in arrays.items()
                    if name.startswith("model.")
                }
            try:
                self._load_weights(arrays)
            except ValueError as error:
                raise UserError(f"--init-from: {path} does not fit: {error}") from None
        if self.args.save_init and not self.run and self.is_first:
            require("safetensors.numpy", "--save-init")
            write_safetensors(Path(self.args.save_init), self.model_state())

    def _load_weights(self, state: dict[str, Array]) -> None:
        """Load the weights of `state`.

        Raises:
            ValueError: in few words, that names, shapes or dtypes are not this model's; another
                floating dtype is converted.
        """
        own = self.model_state()
        expected, found = ({name: tuple(x.shape) for name, x in of.items()} for of in (own, state))
        wrong = [n for n in expected | found if expected.get(n) != found.get(n)]
        if wrong:
            shapes = (str(of.get(wrong[0], "nothing")) for of in (expected, found))
            more = f" (and {len(wrong) - 1} more arrays differ)" if len(wrong) > 1 else ""
            raise ValueError("expected {} {}, found {}".format(wrong[0], *shapes) + more)
        for name, x in state.items():
            if (dtype := _dtype(x)).startswith("float") != _dtype(own[name]).startswith("float"):
                what = "another" if dtype.startswith("float") else "floating"
                raise ValueError(f"expected {name} of {what} dtype, found {dtype}")
        self.set_model_state(state)

    def epochs(self) -> Iterator[Epoch]:
        """Give the epochs that are still to do, each with its clock started."""
        for number in range(self.epochs_done, self.args.epochs):
            smaller = f"a smaller --lr than {self.args.lr:g}" if self.args.lr else "another --seed"
            half = "--mixed-precision in place of --dtype float16, which ends at 65504, or "
            advice = f"try {half if self.args.dtype == 'float16' else ''}{smaller}"
            self._epoch = Epoch(number, advice, self._position.get("epoch"))
            yield self._epoch

    @property
    def steps_within(self) -> int:
        """How many steps of the epoch have been done that is to be resumed."""
        return len(self._position["epoch"]["sums"]) if self._position else 0

    def progress(self, batches: Iterable[Any], whole: bool = False) -> Iterator[Any]:
        """Give the batches, with a progress bar on a terminal. With a `DataLoader`, checkpoints are
        written within the epoch, too, and a run goes on there.

        Args:
            whole: whether an epoch is to be resumed as a whole only.
        """
        loader = batches if isinstance(batches, DataLoader) and not whole else None
        if loader and self._position:
            try:
                loader.load_state_dict(self._position["loader"])
            except ValueError as error:
                raise UserError(f"--resume: {self.args.out} does not fit: {error}") from None
        self._saved = time.monotonic()
        for batch in self._shown(batches):
            yield batch
            # Rank 0 decides alone, by its clock: what it writes, all ranks have.
            is_due = time.monotonic() - self._saved >= self.args.save_every
            if loader and self.out and is_due and (epoch := self._epoch.position()):
                self._position = {"loader": loader.state_dict(), "epoch": epoch}
                self.save()

    def _shown(self, batches: Iterable[Any]) -> Iterable[Any]:
        try:
            from tqdm import tqdm
        except ModuleNotFoundError:
            return batches

        class Bar(tqdm):
            disable = True  # until __init__ says otherwise: __del__ reads it after an interrupt

        disable = self.args.quiet or not self.is_first or None  # None: unless on a terminal
        return Bar(batches, f"epoch {self.epochs_done}", leave=False, disable=disable)

    def end_epoch(
        self, epoch: Epoch, *, per_class: Iterable[float | None] = (), **values: float
    ) -> None:
        """Record and print an epoch, and write the checkpoint.

        Args:
            per_class: the accuracy of each class, `None` for one that the validation set lacks.
            values: of the session's metrics, by their names.

        Raises:
            UserError: a value is not finite, or a file can't be written.
        """
        line = self.record.add(self.run, epoch, values, per_class)
        self.epochs_done += 1
        self._position = {}
        measured = [
            f"{metric.name.replace('_', ' ')} {line[metric.name]:{metric.format}}   "
            for metric in self.metrics
        ]
        if self.out:
            try:
                with (self.out / "metrics.jsonl").open("a") as file:
                    file.write(as_line(line))
            except OSError as error:
                raise UserError(f"{self.out}: can't be written to ({error.strerror})") from None
            self.save()
        self.say(  # last: who reads it finds the epoch in the files
            f"epoch {line['epoch']:3}   train loss {line['train_loss']:.5f}   "
            + "".join(measured)
            + f"{line['seconds']:.1f} s, {line['instances_per_second']:,.0f} {self.unit}/s"
        )

    def save(self) -> None:
        """Write the checkpoint: parameters, optimizer, random numbers, and the record so far."""
        arrays, facts = self._state()
        loader = dict(self._position.get("loader", {}))
        if (order := loader.pop("order", None)) is not None:
            arrays[ORDER_OF_BATCHES] = order
        facts |= {
            "program": self.program,
            "settings": vars(self.args),
            "run": self.run,
            "facts": self.facts,
            "history": self.record.history,
            "curves": self.record.curves,
            "per_class": self.record.per_class,
            "position": {**self._position, "loader": loader} if self._position else {},
        }
        assert self.out
        write_safetensors(self.out / "checkpoint.safetensors", arrays, facts)
        self._saved = time.monotonic()

    def _state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Give what the next epochs depend on: arrays by name, and facts."""
        state = self.optimizer_state()
        arrays = {f"model.{name}": x for name, x in self.model_state().items()}
        numbers: list[dict[str, Any]] = []
        for i, memory in enumerate(state["state"]):
            named = {key: x for key, x in memory.items() if hasattr(x, "shape")}
            arrays |= {f"optimizer.{i}.{key}": x for key, x in named.items()}
            numbers.append({key: x for key, x in memory.items() if key not in named})
        optimizer = {"settings": state["settings"], "state": numbers}
        return arrays, {
            "epoch": self.epochs_done,
            "optimizer": optimizer,
            "random": random.get_state(),
        }

    def restore(self, checkpoint: dict[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises:
            One of UNFIT: it is of another model or optimizer, or what it holds can't be theirs.
        """
        self.epochs_done = checkpoint["epoch"]
        order = checkpoint["arrays"].pop(ORDER_OF_BATCHES, None)
        if position := checkpoint["position"]:
            check(position, POSITION, "checkpoint.position")
            self._position = {**position, "loader": {**position["loader"], "order": order}}
        model, state = {}, [dict(numbers) for numbers in checkpoint["optimizer"]["state"]]
        for name, x in checkpoint["arrays"].items():
            part, _, rest = name.partition(".")
            if part == "model":
                model[rest] = x
            else:
                i, _, key = rest.partition(".")
                state[int(i)][key] = x
        self._load_weights(model)
        settings = checkpoint["optimizer"]["settings"]
        self.set_optimizer_state({"settings": settings, "state": state})
        random.set_state(checkpoint["random"])
        # What was loaded must be what would be saved now, or something was ignored or converted.
        arrays, facts = self._state()
        for name in sorted(arrays.keys() | checkpoint["arrays"].keys()):
            expected, found = (_kind(of.get(name)) for of in (arrays, checkpoint["arrays"]))
            if expected != found:
                raise ValueError(f"expected {name} {expected}, found {found}")
        for name, x in json.loads(json.dumps(facts)).items():
            if checkpoint[name] != x:
                raise ValueError(f"its {name} can't be continued")

    def finish(self) -> None:
        """Print the result of all runs, also if they were interrupted; write summary and curves."""
        if not self.is_first:
            return
        runs = self.record.runs(self.run + 1, self.args.epochs)
        results = self.record.results(runs, self.args.seed)
        if runs:
            classes = self.facts.get("classes", ()), results.get("per_class_accuracy", ())
            for name, accuracy in zip(*classes, strict=False):
                self.say(f"{name:>12} {'-' if accuracy is None else f'{accuracy:.4f}'}")
            print("; ".join(self._results(results, len(runs))))
        if not self.out:
            return
        backend, device = self.describe_backend()
        summary = {
            "program": self.program,
            "settings": vars(self.args),
            "seed": self.args.seed,
            "backend": backend,
            "device": device,
            "versions": versions(self.packages),
            **self.facts,
            **results,
        }
        with replaced(self.out / "summary.json") as file:
            file.write((json.dumps(summary, indent=2) + "\n").encode())
        if runs:
            with replaced(self.out / "curves.png") as file:
                draw_curves(runs, self.facts["data"], file, self.metrics)

    def _results(self, results: dict[str, Any], runs: int) -> Iterator[str]:
        """Say for each metric that is a result what it is."""
        for metric in self.metrics:
            if not metric.best:
                continue
            name, how = metric.name.removeprefix("val_"), metric.format
            several = (
                f", mean of {runs} runs (standard deviation "
                f"{results[f'final_{name}_deviation']:{how}})"
            )
            yield (
                f"{metric.label} {results[f'final_{name}']:{how}} "
                f"(best epoch {results[f'best_{name}']:{how}})" + (several if runs > 1 else "")
            )

    # -- What the example itself writes to --out -----------------------------------------------

    def write(self, name: str, text: str) -> None:
        """Write a text to the file of this name in `--out`, if there is one."""
        if self.out:
            with replaced(self.out / name) as file:
                file.write(text.encode())

    def draw(self, name: str, figure: Any) -> None:
        """Write a figure of matplotlib to the file of this name, a PNG, in `--out`."""
        assert self.out
        with replaced(self.out / name) as file:
            figure.savefig(file, format="png", dpi=DPI)

    # -- The parts that depend on the library, here gradcore -----------------------------------

    def use_backend(self) -> None:
        """Choose the backend, and set it up, as the flags about the device say.

        Raises:
            UserError: it can't run here, or has no such --dtype.
        """
        try:
            name, device = self.args.backend, self.args.device
            if name or device:
                backends.use_backend(name or backends.default().name, device)
            backend = backends.default()
            backend.dtype(self.args.dtype)
            if self.args.memory_limit:
                backend.limit_memory(int(self.args.memory_limit * 1e9))
            if self.args.tf32 is not None:
                backend.allow_tf32(matmul=self.args.tf32, convolutions=self.args.tf32)
            if self.args.mixed_precision and self.args.dtype != "float32":
                raise ValueError(
                    f"--mixed-precision and --dtype {self.args.dtype} don't go together"
                )
        except (OverflowError, RuntimeError, RuntimeWarning, ValueError) as error:
            raise UserError(str(error)) from None

    def describe_backend(self) -> tuple[str, str]:
        """Name the backend and its device."""
        backend = backends.default()
        return backend.name, backend.describe_device()

    def describe_steps(self) -> str:
        """Say whether training steps are captured, unless one can't be."""
        if getattr(self.args, "capture", False) is False:
            return ""
        backend = backends.default()
        device = backend.asarray(0).device
        return "captured steps, " if backend.compiler(device) or backend.recorder(device) else ""

    def describe_ranks(self) -> str:
        """Say how many processes train the model together, if there are several."""
        return f"{world().size} processes, " if world().size > 1 else ""

    def join_ranks(self, loss: Literal["mean", "sum"]) -> None:
        """Have all ranks train this model together.

        Raises:
            UserError: the example is not for several processes.
            RanksDifferError: the ranks have other code, backends or models.
        """
        DataParallel(self.model, loss=loss)
        synchronize_norms(self.model, loss=loss)

    def seed(self, seed: int) -> None:
        """Seed the generator that draws the initial weights."""
        gradcore.manual_seed(seed)

    def count_parameters(self) -> int:
        return sum(p.size for p in self.model.parameters())

    def model_state(self) -> dict[str, Array]:
        """Give the weights, arrays by PyTorch's names."""
        return nn.torch_state_dict(self.model)

    def set_model_state(self, state: dict[str, Array]) -> None:
        """Load the weights from arrays of NumPy, whose names and shapes fit."""
        nn.load_torch_state_dict(self.model, state)
        if self.args.mixed_precision:
            self.optimizer.take_parameters()

    def optimizer_state(self) -> dict[str, Any]:
        """Give the optimizer's `settings`, and its `state`: a list with a dictionary of arrays and
        numbers for each parameter."""
        return self.optimizer.state_dict() if self.optimizer else {"settings": {}, "state": []}

    def set_optimizer_state(self, state: dict[str, Any]) -> None:
        """Load what `optimizer_state` gave, with arrays of NumPy.

        Raises:
            ValueError: it is of another kind of optimizer.
        """
        if self.optimizer:
            self.optimizer.load_state_dict(state)


def _kind(x: Array | None) -> str:
    """Name an array's dtype and shape."""
    return "nothing" if x is None else f"{_dtype(x)} {tuple(x.shape)}"


def _dtype(x: Array) -> str:
    """Name an array's dtype, without the name of its library."""
    return str(x.dtype).rpartition(".")[2]
