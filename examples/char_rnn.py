"""Train an LSTM on Python's own source code, character by character, and let it write some.

    python examples/char_rnn.py --out runs/char_rnn

The text is that of the standard library's modules, which are wherever Python is. The network reads
one character after the other, keeps what it makes of them in a state of some hundred numbers
(https://doi.org/10.1162/neco.1997.9.8.1735), and says which character follows. Compare
`char_gpt.py`, which looks at the characters themselves again. It takes 2 minutes on two cores.
"""

from __future__ import annotations

from harness.launch import launch  # before all else, for a Ctrl-C during the imports

# isort: split

import argparse
from functools import partial
from operator import mul
from typing import Any

from harness.command_line import Parser, add_device_flags, run, size
from harness.ranks import gathered, shared_out
from harness.schema import Metric
from harness.session import Session
from harness.text import CHARACTERS, add_text_flags, decoded, draw, encoded, load_windows
from harness.training import captured, make_optimizer, one_cycle, read

from gradcore import TensorNode, backends, cross_entropy, namespace, nn, no_grad
from gradcore import array_api as xp
from gradcore.backends import Array
from gradcore.data import Batches

EVALUATION_BATCH = 100
METRICS = [Metric("val_loss", "validation loss (nats per character)", min, format=".4f")]
SAMPLES = "samples.txt"

State = Any  # what a layer has kept: (layers, N, H), or a pair of such, arrays or nodes


# -- The model: (N, T) characters to (N * T, C) logits of the ones that follow ---------------------


class Reader(nn.Module):
    """Recurrent layers, between vectors of characters and a linear layer."""

    def __init__(self, cell: str, layers: int, width: int, dtype: str) -> None:
        self.characters = nn.Embedding(len(CHARACTERS), width, dtype=dtype)
        kind = {"lstm": nn.LSTM, "gru": nn.GRU}[cell]
        self.layers = kind(width, width, layers, batch_first=True, dtype=dtype)
        self.out = nn.Linear(width, len(CHARACTERS), dtype=dtype)

    def read(self, x: Array, state: State = None) -> tuple[TensorNode, State]:
        """Go on from a state; give the logits, and the state after the characters."""
        h, state = self.layers(self.characters(x), state)  # (N, T, width)
        return self.out(xp.reshape(h, (-1, h.shape[2]))), state

    def forward(self, x: Array) -> TensorNode:
        return self.read(x)[0]


# -- The loss -------------------------------------------------------------------------------------


def loss_of(model: Reader, x: Array, y: Array) -> TensorNode:
    """Compute the mean loss of the characters y (N, T), which follow those of x."""
    return cross_entropy(model(x), namespace(y).reshape(y, (-1,)))


def evaluate(model: Reader, batches: Batches) -> float:
    """Compute the mean loss of the characters in `batches`, which the ranks share."""
    with no_grad():
        done = [(loss_of(model, x, y), x.shape[0]) for x, y in shared_out(batches)]
    losses, sizes = gathered(read([loss for loss, _ in done])), gathered([n for _, n in done])
    return sum(map(mul, losses, sizes)) / sum(sizes)


# -- The training ---------------------------------------------------------------------------------


def train(args: argparse.Namespace, data: Any, session: Session) -> None:
    (x, y), held_out, facts = data
    model = Reader(args.cell, args.layers, args.width, args.dtype)
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
        sample = written(model, "def ", args.sample)
        session.say(f"\n{sample}\n")
        session.write(SAMPLES, sample + "\n")


# -- The sample -----------------------------------------------------------------------------------


def written(model: Reader, start: str, n: int) -> str:
    """Let the model write n characters after `start`, one by one."""
    text, new, state = encoded(start), encoded(start), None
    with no_grad():
        for _ in range(n):
            logits, state = model.read(backends.default().asarray([new], "int64"), state)
            new = [draw(logits.value[-1, :])]
            text += new
    return decoded(text)


def main() -> int:
    parser = Parser(
        "Train an LSTM on Python's sources, character by character (2 minutes).",
        epochs=3,
        batch_size=32,
        limit=16_000,
        lr=0.005,
        optimizer="adam",
        dtypes=("float32", "float64"),
        without=["--data-dir", "--mixed-precision"],
        first="--limit 1600: a little of the training, to see how it goes",
    )
    add_text_flags(parser)
    parser.add_argument("--cell", choices=["lstm", "gru"], default="lstm", help="of the network")
    for name, default in (("layers", 1), ("width", 192)):
        parser.add_argument(
            f"--{name}", type=size, default=default, metavar="N", help="of the network"
        )
    add_device_flags(parser)
    new_session = partial(Session, metrics=METRICS, files=[SAMPLES])
    return run(parser.parse_args(), load_windows, train, new_session, several=True)


if __name__ == "__main__":
    launch(main)
