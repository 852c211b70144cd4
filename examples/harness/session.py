"""The training loop that the examples share, its steps, and the record that it keeps."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from operator import mul
from pathlib import Path
from typing import Any, ClassVar

from command_line import OPTIMIZERS, UserError, require
from files import (
    as_line,
    checkpoint_to_resume,
    draw_curves,
    mean_and_deviation,
    means_of_parts,
    read_safetensors,
    replaced,
    versions,
    write_safetensors,
)

import gradcore
from gradcore import TensorNode, backends, namespace, nn, no_grad, optim
from gradcore.backends import Array, backend_of, random

CHECK_EVERY = 50  # steps between looks at the loss, each of which waits for the device
ORDER = 2**63  # more than any seed


class Session:
    """Keeps the record of one or several runs: on the terminal, and in `--out` if that is given.

    `train` calls `begin`, then loops over `epochs`, in it over `progress`, and reports with
    `step` and `end_epoch`.
    """

    # Those whose versions a result may depend on.
    packages: ClassVar[tuple[str, ...]] = (
        "numpy",
        "array-api-compat",
        "cupy-cuda12x",
        "cupy-cuda13x",
    )

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.program = Path(sys.argv[0]).name
        self.use_backend()
        self.out = Path(args.out) if args.out else None
        self.index = 0  # of the run
        self.history: list[dict[str, Any]] = []  # what metrics.jsonl holds
        self.curves: list[list[float]] = []  # of the training loss in each of these epochs
        self.per_class: list[list[float | None]] = []  # of each run, after its last epoch
        self.facts: dict[str, Any] = {}
        self.checkpoint: dict[str, Any] | None = None
        self.losses: list[Any] = []  # of the steps of this epoch, on the device
        self.sizes: list[int] = []  # the instances in each
        self.weights: list[int] = []  # of each loss in the sum
        if args.resume and not self.out:
            raise UserError("--resume needs --out, the folder of the run to continue")
        if self.out:
            self._check_out(self.out)

    def _check_out(self, out: Path) -> None:
        """Find out before the training what would go wrong after it."""
        require("matplotlib.figure", "--out")
        require("safetensors.numpy", "--out")
        try:
            out.mkdir(parents=True, exist_ok=True)
            probe = out / f".probe.{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise UserError(f"--out {out}: can't write there ({error.strerror})") from None
        if not self.args.resume:
            return
        if not (out / "checkpoint.safetensors").exists():
            print(f"no checkpoint in {out}; starting anew", file=sys.stderr)
            return
        self.checkpoint = checkpoint_to_resume(out, self.program, self.args)
        self.index = self.checkpoint["run"]
        self.history, self.curves = self.checkpoint["history"], self.checkpoint["curves"]
        self.per_class = self.checkpoint["per_class"]

    def start(self, index: int) -> None:
        """A new run begins; its seed decides all random numbers."""
        self.index = index
        self.seed(self.args.seed + index)

    def say(self, text: str) -> None:
        if not self.args.quiet:
            print(text, flush=True)

    def begin(
        self, model: Any, optimizer: Any, *, is_scheduled: bool = False, **facts: Any
    ) -> None:
        """The model is made: write the first checkpoint, or go on from the one resumed.

        Args:
            is_scheduled: whether --epochs decides the learning rate of a step.
            facts: what else the summary should say: `data`, what is learnt, `source`, where that
                is from, and the numbers of `training_instances` and `validation_instances`. Of
                `classes`, if there are names, the accuracies are printed at the end.
        """
        self.model, self.optimizer = model, optimizer
        self.epoch = 0  # epochs that are done
        parameters = self.count_parameters()
        backend, device = self.describe_backend()
        self.facts = {**facts, "parameters": parameters}
        self.say(
            f"{facts['data']}: {facts['training_instances']:,} training and "
            f"{facts['validation_instances']:,} validation instances ({facts['source']})\n"
            f"{parameters:,} parameters, {self.args.dtype}, {backend} ({device}), "
            f"seed {self.args.seed + self.index}"
        )
        # Or the order of the batches were a matter of how many numbers the weights took.
        gradcore.manual_seed(ORDER + self.args.seed + self.index)
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
            except (KeyError, IndexError, ValueError) as error:
                raise UserError(f"--resume: {self.out} does not fit: {error}") from None
            self.checkpoint = None
            self.say(f"resumed after {self.epoch} epochs")
        else:
            self._exchange_weights()
        if self.out:
            if not self.history:
                for name in ("summary.json", "curves.png"):  # of an earlier run
                    (self.out / name).unlink(missing_ok=True)
            with replaced(self.out / "metrics.jsonl") as temporary:
                temporary.write_text("".join(map(as_line, self.history)))
            self.save()

    def _exchange_weights(self) -> None:
        """What --init-from and --save-init ask for."""
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
        if self.args.save_init and not self.index:
            require("safetensors.numpy", "--save-init")
            write_safetensors(Path(self.args.save_init), self.model_state())

    def _load_weights(self, state: dict[str, Array]) -> None:
        """Raise ValueError, in few words, if it is not this model's."""
        expected, found = (
            {name: tuple(x.shape) for name, x in of.items()} for of in (self.model_state(), state)
        )
        wrong = [n for n in expected | found if expected.get(n) != found.get(n)]
        if wrong:
            shapes = (str(of.get(wrong[0], "nothing")) for of in (expected, found))
            more = f" (and {len(wrong) - 1} more arrays differ)" if len(wrong) > 1 else ""
            raise ValueError("expected {} {}, found {}".format(wrong[0], *shapes) + more)
        self.set_model_state(state)

    def epochs(self) -> Iterator[int]:
        """The numbers of the epochs that are still to do."""
        for epoch in range(self.epoch, self.args.epochs):
            self.losses, self.sizes, self.weights = [], [], []
            self.started = time.perf_counter()
            yield epoch

    def progress(self, batches: Iterable[Any]) -> Iterator[Any]:
        """The batches, with a progress bar on a terminal. After the last the clock stops."""
        try:
            from tqdm import tqdm
        except ModuleNotFoundError:
            yield from batches
        else:
            disable = self.args.quiet or None  # None: unless on a terminal
            yield from tqdm(batches, f"epoch {self.epoch}", leave=False, disable=disable)
        self.sums = list(map(mul, self._check(self.losses, 0), self.weights))
        self.seconds = time.perf_counter() - self.started

    def step(self, loss: Array, instances: int, mean: bool = False) -> None:
        """A batch is done. Its loss stays on the device; now and then NaN is looked for.

        Args:
            loss: the sum of the instances' losses, or their mean if `mean`.

        Raises:
            UserError: the loss is no number any more.
        """
        self.losses.append(loss)
        self.sizes.append(instances)
        self.weights.append(instances if mean else 1)
        if len(self.losses) % CHECK_EVERY == 0:
            self._check(self.losses[-CHECK_EVERY:], len(self.losses) - CHECK_EVERY)

    def _check(self, losses: list[Any], first: int) -> list[float]:
        """The losses as numbers, read in one go."""
        if not losses:
            return []
        backend = backend_of(losses[0])
        numbers: list[float] = backend.to_numpy(backend.xp.stack(losses)).tolist()
        for step, loss in enumerate(numbers, first):
            if not math.isfinite(loss):
                raise UserError(
                    f"the loss is {loss} at epoch {self.epoch}, step {step}; "
                    f"try a smaller --lr than {self.args.lr:g}"
                )
        return numbers

    def end_epoch(self, val_loss: float, correct: list[int], counts: list[int]) -> None:
        """An epoch is done.

        Args:
            val_loss: on the validation set, per instance.
            correct: how many of each class were recognized.
            counts: how many of each class there are.
        """
        if not math.isfinite(val_loss):
            raise UserError(
                f"the validation loss is {val_loss} after epoch {self.epoch}, "
                f"step {len(self.losses) - 1}; try a smaller --lr than {self.args.lr:g}"
            )
        line = {
            "run": self.index,
            "epoch": self.epoch,
            "train_loss": math.fsum(self.sums) / sum(self.sizes),
            "val_loss": val_loss,
            "val_accuracy": sum(correct) / sum(counts),
            "seconds": self.seconds,
            "instances_per_second": sum(self.sizes) / self.seconds,
        }
        self.history.append(line)
        self.curves.append(means_of_parts(self.sums, self.sizes))
        self.epoch += 1
        per_class = [c / n if n else None for c, n in zip(correct, counts, strict=True)]
        self.per_class[self.index :] = [per_class]
        self.say(
            f"epoch {line['epoch']:3}   train loss {line['train_loss']:.5f}   "
            f"val loss {val_loss:.5f}   val accuracy {line['val_accuracy']:.4f}   "
            f"{self.seconds:.1f} s, {line['instances_per_second']:,.0f} instances/s"
        )
        if self.out:
            try:
                with (self.out / "metrics.jsonl").open("a") as file:
                    file.write(as_line(line))
            except OSError as error:
                raise UserError(f"{self.out}: can't be written to ({error.strerror})") from None
            self.save()

    def save(self) -> None:
        """Write the checkpoint: parameters, optimizer, random numbers, and the record so far."""
        state = self.optimizer_state()
        arrays = {f"model.{name}": x for name, x in self.model_state().items()}
        numbers: list[dict[str, Any]] = []
        for i, memory in enumerate(state["state"]):
            named = {key: x for key, x in memory.items() if hasattr(x, "shape")}
            arrays |= {f"optimizer.{i}.{key}": x for key, x in named.items()}
            numbers.append({key: x for key, x in memory.items() if key not in named})
        facts = {
            "program": self.program,
            "settings": vars(self.args),
            "run": self.index,
            "epoch": self.epoch,
            "optimizer": {"settings": state["settings"], "state": numbers},
            "random": random.get_state(),
            "facts": self.facts,
            "history": self.history,
            "curves": self.curves,
            "per_class": self.per_class,
        }
        assert self.out
        write_safetensors(self.out / "checkpoint.safetensors", arrays, facts)

    def restore(self, checkpoint: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.epoch = checkpoint["epoch"]
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

    def finish(self) -> None:
        """All runs are done, or were interrupted: print the result, write summary and curves."""
        lines = [{**x, "curve": c} for x, c in zip(self.history, self.curves, strict=True)]
        runs = [[line for line in lines if line["run"] == i] for i in range(self.index + 1)]
        # Of several runs, one that was interrupted doesn't count.
        runs = [lines for lines in runs if len(lines) == self.args.epochs] or runs[:1]
        runs = [lines for lines in runs if lines]
        accuracies = [[line["val_accuracy"] for line in lines] for lines in runs]
        final, spread = mean_and_deviation([a[-1] for a in accuracies])
        best, _ = mean_and_deviation([max(a) for a in accuracies])
        per_class = [
            mean_and_deviation([a for a in of_class if a is not None])[0]
            for of_class in zip(*self.per_class[: len(runs)], strict=True)
        ]
        if runs:
            for name, accuracy in zip(self.facts.get("classes", ()), per_class, strict=False):
                self.say(f"{name:>12} {'-' if accuracy is None else f'{accuracy:.4f}'}")
            several = f", mean of {len(runs)} runs (standard deviation {spread:.4f})"
            print(
                f"validation accuracy {final:.4f} (best epoch {best:.4f})"
                + (several if len(runs) > 1 else "")
            )
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
            "final_accuracy": final,
            "final_accuracy_deviation": spread,
            "best_accuracy": best,
            "per_class_accuracy": per_class,
            "runs": [
                {
                    "seed": self.args.seed + i,
                    "epochs": len(a),
                    "final_accuracy": a[-1],
                    "best_accuracy": max(a),
                    "per_class_accuracy": self.per_class[i],
                }
                for i, a in enumerate(accuracies)
            ],
        }
        with replaced(self.out / "summary.json") as temporary:
            temporary.write_text(json.dumps(summary, indent=2) + "\n")
        if runs:
            with replaced(self.out / "curves.png") as temporary:
                draw_curves(runs, self.facts["data"], temporary)

    # -- What depends on the library; here gradcore -----------------------------------------

    def use_backend(self) -> None:
        """Do what --backend asks for.

        Raises:
            UserError: it can't run here, or knows no such --dtype.
        """
        try:
            name, device = self.args.backend, self.args.device
            if name or device:
                backends.use_backend(name or backends.default().name, device)
            backend = backends.default()
            backend.dtype(self.args.dtype)
            if self.args.memory_limit:
                backend.limit_memory(int(self.args.memory_limit * 1e9))
            if self.args.tf32:
                backend.allow_tf32(True)
            if self.args.mixed_precision and self.args.dtype != "float32":
                raise ValueError(
                    f"--mixed-precision and --dtype {self.args.dtype} don't go together"
                )
        except (RuntimeError, RuntimeWarning, ValueError) as error:
            raise UserError(str(error)) from None

    def describe_backend(self) -> tuple[str, str]:
        """The names of the backend and its device."""
        backend = backends.default()
        return backend.name, backend.describe_device()

    def seed(self, seed: int) -> None:
        """Let this decide the initial weights."""
        gradcore.manual_seed(seed)

    def count_parameters(self) -> int:
        return sum(p.size for p in self.model.parameters())

    def model_state(self) -> dict[str, Array]:
        """Arrays by PyTorch's names."""
        return nn.torch_state_dict(self.model)

    def set_model_state(self, state: dict[str, Array]) -> None:
        """Take it from arrays of NumPy, which fit."""
        nn.load_torch_state_dict(self.model, state)
        if self.args.mixed_precision:
            self.optimizer.take_parameters()

    def optimizer_state(self) -> dict[str, Any]:
        """The `settings`; and the `state`, a list of what is known of each parameter by name."""
        return self.optimizer.state_dict()

    def set_optimizer_state(self, state: dict[str, Any]) -> None:
        """Take it from arrays of NumPy.

        Raises:
            ValueError: it is not this optimizer's.
        """
        self.optimizer.load_state_dict(state)


def make_optimizer(args: argparse.Namespace, model: nn.Module) -> Any:
    """What --optimizer, --lr and --mixed-precision ask for."""

    def make(parameters: list[TensorNode]) -> optim.Optimizer:
        return OPTIMIZERS[args.optimizer](parameters, args.lr)

    if not args.mixed_precision:
        return make(model.parameters())
    xp = backends.default().xp
    # So the loss is computed in float32.
    model.register_forward_pre_hook(lambda _, inputs: (cast(inputs[0], xp.float16),))
    model.register_forward_hook(lambda *call: cast(call[-1], xp.float32))
    return optim.MixedPrecision(model.parameters(), make)


def cast(x: Any, dtype: Any) -> Any:
    return namespace(x).astype(x, dtype, copy=False)


def make_step(
    args: argparse.Namespace, optimizer: Any, loss: Callable[..., TensorNode]
) -> Callable[..., Array]:
    """One step of training, of the arrays of a batch, that gives the loss.

    Args:
        loss: of these arrays.
    """

    def step(*batch: Array) -> Array:
        y = loss(*batch)
        (optimizer.scaled(y) if args.mixed_precision else y).backward()
        optimizer.step()
        optimizer.zero_grad()
        return y.value

    if not args.capture:
        return step
    replayed = gradcore.capture(step)
    # The last batch may be smaller, and a captured step has fixed shapes.
    return lambda *batch: (replayed if batch[0].shape[0] == args.batch_size else step)(*batch)


def evaluate(
    model: nn.Module, batches: Iterable[Any], loss: Callable[..., TensorNode], classes: int
) -> tuple[float, list[int], list[int]]:
    """How good the model is, as `Session.end_epoch` takes it.

    Args:
        loss: gives the sum of the losses of outputs and labels.
    """
    total, correct, counts = 0.0, [0] * classes, [0] * classes
    to_numpy = backends.default().to_numpy
    model.eval()
    with no_grad():
        for images, labels in batches:
            output = model(images)
            total += float(loss(output, labels))
            predicted = namespace(output.value).argmax(output.value, axis=1)
            for p, label in zip(to_numpy(predicted), to_numpy(labels), strict=True):
                correct[label] += int(p == label)
                counts[label] += 1
    model.train()
    return total / sum(counts), correct, counts
