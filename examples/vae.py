"""Train a variational autoencoder on MNIST, and draw digits that it makes up.

    python examples/vae.py --out runs/vae

An encoder gives each image a normal distribution over 20 numbers, a decoder makes an image of such
numbers (https://arxiv.org/abs/1312.6114). The loss is what a code of the images would cost: how
badly the decoder's image fits, and how far the distribution is from a standard normal one. It takes
2 minutes on two cores; the network and its settings are those of PyTorch's example of this name.
"""

from __future__ import annotations

from harness.launch import launch  # before all else, for a Ctrl-C during the imports

# isort: split

import argparse
from functools import partial
from typing import Any

from harness.command_line import Parser, add_device_flags, run, size
from harness.pictures import draw_images
from harness.schema import Metric
from harness.session import Session
from harness.training import captured, make_optimizer, read

from gradcore import (
    TensorNode,
    backends,
    binary_cross_entropy_with_logits,
    namespace,
    nn,
    no_grad,
    relu,
    sigmoid,
)
from gradcore import array_api as xp
from gradcore.backends import Array, random
from gradcore.data import Batches, find_mnist, load_mnist

PIXELS, SIDE = 784, 28
EVALUATION_BATCH = 500
METRICS = [Metric("val_loss", "validation loss (nats per image)", min, format=".2f")]
PICTURES = ["reconstructions.png", "samples.png", "interpolation.png"]


# -- The data: images (N, 784), pixels from 0 to 1 ------------------------------------------------


def load(args: argparse.Namespace) -> tuple[Array, Array, dict[str, Any]]:
    """Load the training images, the validation images, and the facts that `Session.begin` takes."""
    folder = find_mnist("mnist", args.data_dir)
    (x, _), (xval, _), _ = load_mnist(data_dir=folder)
    dtype = backends.default().dtype(args.dtype)
    x, xval = (namespace(x).astype(part, dtype) / 255 for part in (x[: args.limit, ...], xval))
    sizes = {"training_instances": x.shape[0], "validation_instances": xval.shape[0]}
    return x, xval, {"data": "MNIST", "source": str(folder), "unit": "images", **sizes}


def noise(n: int, latent: int, like: Array) -> Array:
    """Draw standard normal numbers (n, latent), the same on every backend."""
    return backends.default().asarray(random.generator().standard_normal((n, latent)), like.dtype)


# -- The model ------------------------------------------------------------------------------------


class VAE(nn.Module):
    """An encoder and a decoder of one hidden layer each."""

    def __init__(self, hidden: int, latent: int, dtype: str) -> None:
        linear = partial(nn.Linear, init="kaiming_uniform", dtype=dtype)  # as PyTorch does
        self.encode = linear(PIXELS, hidden)
        self.mean = linear(hidden, latent)
        self.log_variance = linear(hidden, latent)
        self.decode1 = linear(latent, hidden)
        self.decode2 = linear(hidden, PIXELS)

    def encoded(self, x: TensorNode | Array) -> tuple[TensorNode, TensorNode]:
        """Give the means and the logarithms of the variances, (N, latent), of images (N, 784)."""
        h = relu(self.encode(x))
        return self.mean(h), self.log_variance(h)

    def decoded(self, z: TensorNode | Array) -> TensorNode:
        """Give the logits of pixels (N, 784)."""
        return self.decode2(relu(self.decode1(z)))

    def forward(
        self, x: Array, eps: Array
    ) -> tuple[TensorNode, TensorNode, TensorNode]:  # logits, mean, log_variance
        mean, log_variance = self.encoded(x)
        # Not drawn from a normal distribution, but computed from a standard one, so that gradients
        # go to the mean and the variance: the "reparametrization trick".
        z = mean + xp.exp(0.5 * log_variance) * eps
        return self.decoded(z), mean, log_variance


# -- The loss -------------------------------------------------------------------------------------


def loss_of(model: VAE, x: Array, eps: Array) -> TensorNode:
    """Compute the negative evidence lower bound, summed over the images."""
    logits, mean, log_variance = model(x, eps)
    reconstruction = binary_cross_entropy_with_logits(logits, x, reduction="sum")
    divergence = -0.5 * xp.sum(1 + log_variance - mean * mean - xp.exp(log_variance))
    return reconstruction + divergence


def evaluate(model: VAE, batches: Batches, latent: int) -> float:
    """Compute the mean loss of the images in `batches`."""
    with no_grad():
        losses, sizes = zip(
            *[(loss_of(model, x, noise(x.shape[0], latent, x)), x.shape[0]) for x, _ in batches],
            strict=True,
        )
    return sum(read(losses)) / sum(sizes)


# -- The training ---------------------------------------------------------------------------------


def train(args: argparse.Namespace, data: Any, session: Session) -> None:
    x, xval, facts = data
    model = VAE(args.hidden, args.latent, args.dtype)
    optimizer = make_optimizer(args, model)
    session.begin(model, optimizer, **facts)
    batches = Batches(x, x, args.batch_size)
    held_out = Batches(xval, xval, EVALUATION_BATCH, shuffle=False)

    @captured(args)
    def training_step(images: Array, eps: Array) -> Array:
        loss = loss_of(model, images, eps)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.value

    for epoch in session.epochs():
        for images, _ in session.progress(batches):
            loss = training_step(images, noise(images.shape[0], args.latent, images))
            epoch.add(loss, images.shape[0])
        epoch.stop()
        session.end_epoch(epoch, val_loss=evaluate(model, held_out, args.latent))
    if session.out:
        draw(model, xval, args.latent, session)


# -- The pictures ---------------------------------------------------------------------------------


def draw(model: VAE, xval: Array, latent: int, session: Session) -> None:
    """Draw images beside their reconstructions, images of random codes, and on the way from one
    image's code to another's."""

    def images(logits: TensorNode) -> Any:
        return backends.default().to_numpy(sigmoid(logits).value).reshape(-1, SIDE, SIDE)

    with no_grad():
        originals = xval[:10, :]
        means = model.encoded(originals)[0].value
        rows = namespace(xval).concat([originals, sigmoid(model.decoded(means)).value])
        session.draw(
            PICTURES[0], draw_images(backends.default().to_numpy(rows).reshape(-1, SIDE, SIDE), 10)
        )
        session.draw(PICTURES[1], draw_images(images(model.decoded(noise(100, latent, xval))), 10))
        # In rows, from the image 2i to the image 2i + 1.
        steps = [i / 9 for i in range(10)]
        codes = [
            means[i, :] * (1 - s) + means[i + 1, :] * s for i in range(0, 10, 2) for s in steps
        ]
        between = namespace(xval).stack(codes)
        session.draw(PICTURES[2], draw_images(images(model.decoded(between)), 10))


def main() -> int:
    parser = Parser(
        "Train a variational autoencoder on MNIST (2 minutes).",
        epochs=20,
        batch_size=128,
        lr=0.001,
        optimizer="adam",
        dtypes=("float32", "float64"),
        without=["--mixed-precision"],
        first="--epochs 2: a little of the training, to see how it goes",
    )
    width = {"type": size, "metavar": "N"}
    parser.add_argument("--hidden", default=400, help="units", **width)
    parser.add_argument("--latent", default=20, help="size of a code", **width)
    add_device_flags(parser)
    new_session = partial(Session, metrics=METRICS, files=PICTURES)
    return run(parser.parse_args(), load, train, new_session)


if __name__ == "__main__":
    launch(main)
