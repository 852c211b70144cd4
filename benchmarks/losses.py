"""Train the examples' networks on several backends, from the same seed, and compare all losses.

    python -m benchmarks.losses numpy torch jax --data-dir DIR
    python -m benchmarks.losses numpy torch jax --data-dir DIR --networks blitz --dtype float64

DIR has MNIST and CIFAR-10, as `python examples/mnist.py --help` says. Further flags go to the
examples: with `--no-capture`, no backend compiles the steps. Each backend has a process of its own.
The page has the losses of some steps; the largest relative difference from the first backend, over
all steps; and whether weights, batches and a mask of dropout have the same bits on all backends.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from .report import table

__all__ = ["NETWORKS", "STREAMS", "Run", "main", "page", "run"]

STREAMS = "weights", "batches", "masks"
EXAMPLES = Path(__file__).parents[1] / "examples"
NETWORKS: dict[str, tuple[str, list[str]]] = {  # the program, and its flags
    "mnist": ("mnist", []),
    "blitz": ("cifar10", []),
    "resnet9": ("cifar10", ["--model", "resnet9", "--batch-size", "16"]),
}


class Run(NamedTuple):
    """What a run leaves.

    Attributes:
        streams: a check sum of the bits of each random stream.
    """

    losses: list[float]
    streams: dict[str, int]


def run(backend: str, network: str, steps: int, flags: list[str]) -> Run:
    """Train a network for some steps, in this process."""
    if "float64" in flags:
        os.environ["JAX_ENABLE_X64"] = "1"
    sys.path.insert(0, str(EXAMPLES))
    from harness.session import Session

    import gradcore

    losses: list[float] = []
    streams = dict.fromkeys(STREAMS, 0)

    def note(stream: str, *arrays: Any) -> None:
        for x in arrays:
            if x is not None:
                host = place.to_numpy(x)
                host = host.astype("int64") if host.dtype.kind in "iu" else host  # JAX's have 32
                streams[stream] = crc32(host.tobytes(), streams[stream])

    def begin(self: Session, model: Any, *others: Any, **facts: Any) -> None:
        original(self, model, *others, **facts)
        note("weights", *[p.value for p in model.parameters()])

    def captured(args: Any) -> Callable[[Any], Any]:
        def decorate(step: Any) -> Any:
            step = made(args)(step)

            def noting(*arrays: Any) -> Any:
                if len(losses) == steps:
                    raise SystemExit
                note("batches", *arrays)
                loss = step(*arrays)
                losses.append(float(place.to_numpy(loss)))
                return loss

            return noting

        return decorate

    program, own = NETWORKS[network]
    example: Any = import_module(program)
    original, made = Session.begin, example.captured
    Session.begin, example.captured = begin, captured
    sys.argv = [f"{program}.py", "--quiet", "--backend", backend, *own, *flags]
    place = gradcore.backends.get(backend)
    with suppress(SystemExit):
        example.main()
    with gradcore.use_backend(backend):
        gradcore.manual_seed(0)
        ones = gradcore.ones(1000, dtype=place.dtype("float32"))
        note("masks", gradcore.dropout(ones, 0.5).value)
    return Run(losses, streams)


def page(network: str, runs: dict[str, Run]) -> str:
    """Write the losses of a network side by side."""
    first, *others = (r.losses for r in runs.values())
    shown = sorted({0, *range(9, len(first), 10), len(first) - 1})
    rows = [[f"step {i + 1}", *[f"{r.losses[i]:.6g}" for r in runs.values()]] for i in shown]
    far = [max(abs(a / b - 1) for a, b in zip(x, first, strict=True)) for x in others]
    rows.append([f"largest difference of {len(first)} steps", "", *[f"{x:.1e}" for x in far]])
    same = [s for s in STREAMS if len({r.streams[s] for r in runs.values()}) == 1]
    other = [s for s in STREAMS if s not in same]
    said = f"Bits that are the same: {', '.join(same) or 'none'}"
    said += f"; that differ: {', '.join(other)}" * bool(other)
    return f"{table([network, *runs], rows)}\n\n{said}.\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.losses",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("backends", nargs="+", help="perhaps with devices: torch:mps")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--steps", type=int, default=100, metavar="N", help="(default: 100)")
    args, flags = parser.parse_known_args()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, max_tasks_per_child=1) as pool:
        for network in args.networks:
            found = [pool.submit(run, b, network, args.steps, flags) for b in args.backends]
            runs = {b: x.result() for b, x in zip(args.backends, found, strict=True)}
            print(page(network, runs), flush=True)


if __name__ == "__main__":
    main()
