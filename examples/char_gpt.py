"""Train a small GPT on Python's own source code, character by character, and let it write some.

    python examples/char_gpt.py --out runs/char_gpt

The text is that of the standard library's modules, which are wherever Python is. The network is a
transformer that looks at 64 characters and says which one follows
(https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf).
It takes 5 minutes on two cores.
"""

from __future__ import annotations

from harness.launch import launch  # before all else, for a Ctrl-C during the imports

# isort: split

import argparse
from functools import partial
from operator import mul
from typing import Any

from harness.command_line import Parser, add_device_flags, run, size
from harness.errors import UserError
from harness.ranks import gathered, shared_out
from harness.schema import Metric
from harness.session import Session
from harness.text import CHARACTERS, add_text_flags, decoded, draw, encoded, load_windows
from harness.training import captured, make_optimizer, one_cycle, read

from gradcore import (
    TensorNode,
    backends,
    cross_entropy,
    gelu,
    namespace,
    nn,
    no_grad,
    scaled_dot_product_attention,
)
from gradcore import array_api as xp
from gradcore.backends import Array
from gradcore.data import Batches

EVALUATION_BATCH = 100
METRICS = [Metric("val_loss", "validation loss (nats per character)", min, format=".4f")]
SAMPLES = "samples.txt"


# -- The model: (N, T) characters to (N, T, C) logits of the ones that follow ----------------------


class Attention(nn.Module):
    """Let each character look at those before it, in several ways ("heads") at once."""

    def __init__(self, width: int, heads: int, dtype: str) -> None:
        self.heads = heads
        self.look = nn.Linear(width, 3 * width, dtype=dtype)  # queries, keys and values
        self.project = nn.Linear(width, width, dtype=dtype)

    def forward(self, h: TensorNode) -> TensorNode:  # (N, T, width)
        N, T, width = h.shape
        parts = xp.reshape(self.look(h), (N, T, 3, self.heads, width // self.heads))
        q, k, v = xp.unstack(xp.permute_dims(parts, (2, 0, 3, 1, 4)))  # each (N, heads, T, D)
        y = scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.project(xp.reshape(xp.permute_dims(y, (0, 2, 1, 3)), (N, T, width)))


class Block(nn.Module):
    """Attention, then two layers for each character by itself; each adds to its input."""

    def __init__(self, width: int, heads: int, dtype: str) -> None:
        self.norm1 = nn.LayerNorm(width, dtype=dtype)
        self.attention = Attention(width, heads, dtype)
        self.norm2 = nn.LayerNorm(width, dtype=dtype)
        self.widen = nn.Linear(width, 4 * width, dtype=dtype)
        self.narrow = nn.Linear(4 * width, width, dtype=dtype)

    def forward(self, h: TensorNode) -> TensorNode:
        h = h + self.attention(self.norm1(h))
        return h + self.narrow(gelu(self.widen(self.norm2(h))))


class GPT(nn.Module):
    """A transformer of `layers` blocks."""

    def __init__(self, context: int, layers: int, heads: int, width: int, dtype: str) -> None:
        self.characters = nn.Embedding(len(CHARACTERS), width, dtype=dtype)
        self.places = nn.Embedding(context, width, dtype=dtype)
        self.blocks = [Block(width, heads, dtype) for _ in range(layers)]
        self.norm = nn.LayerNorm(width, dtype=dtype)
        self.out = nn.Linear(width, len(CHARACTERS), dtype=dtype)
        for embedding in (self.characters, self.places):
            embedding.w.value *= 0.1

    def forward(self, x: Array) -> TensorNode:
        places = namespace(x).arange(x.shape[1], device=x.device)
        h = self.characters(x) + self.places(places)  # (N, T, width)
        for block in self.blocks:
            h = block(h)
        return self.out(self.norm(h))


# -- The loss -------------------------------------------------------------------------------------


def loss_of(model: GPT, x: Array, y: Array) -> TensorNode:
    """Compute the mean loss of the characters y (N, T), which follow those of x."""
    logits = xp.reshape(model(x), (-1, len(CHARACTERS)))
    return cross_entropy(logits, namespace(y).reshape(y, (-1,)))


def evaluate(model: GPT, batches: Batches) -> float:
    """Compute the mean loss of the characters in `batches`, which the ranks share."""
    with no_grad():
        done = [(loss_of(model, x, y), x.shape[0]) for x, y in shared_out(batches)]
    losses, sizes = gathered(read([loss for loss, _ in done])), gathered([n for _, n in done])
    return sum(map(mul, losses, sizes)) / sum(sizes)


# -- The training ---------------------------------------------------------------------------------


def train(args: argparse.Namespace, data: Any, session: Session) -> None:
    (x, y), held_out, facts = data
    if args.width % args.heads:
        raise UserError(f"--width {args.width} is not a multiple of --heads {args.heads}")
    model = GPT(args.context, args.layers, args.heads, args.width, args.dtype)
    optimizer = make_optimizer(args, model)
    session.begin(model, optimizer, is_scheduled=True, **facts)
    batches = Batches(x, y, args.batch_size, **session.share)
    held_out = Batches(*held_out, EVALUATION_BATCH, shuffle=False)
    schedule = one_cycle(args, optimizer, len(batches), session)

    @captured(args)
    def training_step(x: Array, y: Array) -> Array:
        loss = loss_of(model, x, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.value

    for epoch in session.epochs():
        for x, y in session.progress(batches):
            loss = training_step(x, y)
            schedule.step()
            epoch.add(loss, x.shape[0], mean=True)
        epoch.stop()
        session.end_epoch(epoch, val_loss=evaluate(model, held_out))
    if session.out or not args.quiet:
        sample = written(model, "def ", args.sample, args.context)
        session.say(f"\n{sample}\n")
        session.write(SAMPLES, sample + "\n")


# -- The sample -----------------------------------------------------------------------------------


def written(model: GPT, start: str, n: int, context: int) -> str:
    """Let the model write n characters after `start`, one by one."""
    text = encoded(start)
    with no_grad():
        for _ in range(n):
            x = backends.default().asarray([text[-context:]], "int64")
            text.append(draw(model(x).value[0, -1, :]))
    return decoded(text)


def main() -> int:
    parser = Parser(
        "Train a GPT on Python's sources, character by character (5 minutes).",
        epochs=3,
        batch_size=32,
        limit=16_000,
        lr=0.003,
        optimizer="adamw",
        dtypes=("float32", "float64"),
        without=["--data-dir", "--mixed-precision"],
        first="--limit 1600: a little of the training, to see how it goes",
    )
    add_text_flags(parser)
    for name, default in (("layers", 3), ("heads", 4), ("width", 96)):
        parser.add_argument(
            f"--{name}", type=size, default=default, metavar="N", help="of the transformer"
        )
    add_device_flags(parser)
    new_session = partial(Session, metrics=METRICS, files=[SAMPLES])
    return run(parser.parse_args(), load_windows, train, new_session, several=True)


if __name__ == "__main__":
    launch(main)
