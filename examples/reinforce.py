"""Teach a network to balance a pole on a cart, by trial and error.

    python examples/reinforce.py --out runs/reinforce

The physics are those of Gymnasium's CartPole-v1. In each state the network gives the probabilities
of pushing left and right. Pushes after which the pole stayed up for longer than was expected are
made more likely ("REINFORCE", https://doi.org/10.1007/BF00992696); what is expected, the baseline,
is learnt by a second network. In the end the pole stays up for all 500 steps. It takes
half a minute on two cores.
"""

from __future__ import annotations

from harness.launch import launch  # before all else, for a Ctrl-C during the imports

# isort: split

import argparse
from functools import partial
from typing import Any

from harness.command_line import Parser, add_device_flags, positive_float, run, size
from harness.pictures import new_figure
from harness.schema import Metric
from harness.session import Session
from harness.training import captured, make_optimizer

from gradcore import TensorNode, backends, logsoftmax, namespace, nn, no_grad, tanh
from gradcore import array_api as xp
from gradcore.backends import Array, random

LIMIT = 500  # steps of an episode
TESTS = 20  # episodes after each epoch
UPDATES = 10  # of an epoch, each after new episodes
METRICS = [Metric("val_steps", "mean steps of an episode", max, format=".1f")]
PICTURES = ["episode.png"]


# -- The data: what poles on carts do -------------------------------------------------------------


class Carts:
    """Carts with poles, which all take a step at once.

    Attributes:
        state: (N, 4): where the cart is, its speed, the pole's angle, and that one's speed.
    """

    gravity, cart_mass, pole_mass, half_length = 9.8, 1.0, 0.1, 0.5
    force, seconds = 10.0, 0.02
    far, steep = 2.4, 0.2095  # where an episode ends: metres, and radians, which are 12 degrees

    def __init__(self, n: int, dtype: str) -> None:
        start = random.generator().uniform(-0.05, 0.05, (n, 4))
        self.state = backends.default().asarray(start, dtype)

    def push(self, right: Array) -> Array:
        """Push each cart to the right or to the left, by booleans (N,), for 0.02 seconds; tell
        which poles still stand, booleans (N,)."""
        xp = namespace(self.state)
        x, speed, angle, turning = (self.state[:, i] for i in range(4))
        force = xp.where(right, xp.full_like(x, self.force), xp.full_like(x, -self.force))
        mass = self.cart_mass + self.pole_mass
        sin, cos = xp.sin(angle), xp.cos(angle)
        push = (force + self.pole_mass * self.half_length * turning**2 * sin) / mass
        resistance = self.half_length * (4 / 3 - self.pole_mass * cos**2 / mass)
        turn = (self.gravity * sin - cos * push) / resistance
        pull = push - self.pole_mass * self.half_length * turn * cos / mass
        x, speed = x + self.seconds * speed, speed + self.seconds * pull
        angle, turning = angle + self.seconds * turning, turning + self.seconds * turn
        self.state = xp.stack([x, speed, angle, turning], axis=1)
        return (abs(x) <= self.far) & (abs(angle) <= self.steep)


# -- The models -----------------------------------------------------------------------------------


class Player(nn.Module):
    """One network for what to do, and one for how many steps to expect."""

    def __init__(self, hidden: int, dtype: str) -> None:
        self.policy1 = nn.Linear(4, hidden, dtype=dtype)
        self.policy2 = nn.Linear(hidden, 2, dtype=dtype)
        self.value1 = nn.Linear(4, hidden, dtype=dtype)
        self.value2 = nn.Linear(hidden, 1, dtype=dtype)

    def forward(self, states: Array) -> TensorNode:  # (N, 4) to (N, 2)
        """Give the logarithms of the probabilities of pushing left and right."""
        return logsoftmax(self.policy2(tanh(self.policy1(states))))

    def expected(self, states: Array) -> TensorNode:  # (N, 4) to (N,)
        """Give the return that is expected, in units of 100."""
        return self.value2(tanh(self.value1(states)))[:, 0]


def play(
    player: Player, n: int, dtype: str, best: bool = False
) -> tuple[list[Array], list[Array], list[Array]]:
    """Play n episodes at once until all have ended.

    Args:
        best: always do what is more likely, and not at random.

    Returns:
        For each step the states (n, 4), the actions (n,), true where it is right, and which of the
        episodes were not over before it (n,).
    """
    carts, place = Carts(n, dtype), backends.default()
    stands = place.asarray([True] * n)
    states, actions, going = list[Array](), list[Array](), list[Array]()
    with no_grad():
        while len(states) < LIMIT and namespace(stands).any(stands):
            right = namespace(stands).exp(player(carts.state).value[:, 1])
            chance = 0.5 if best else place.asarray(random.generator().random(n), dtype)
            states.append(carts.state)
            actions.append(right > chance)
            going.append(stands)
            stands = carts.push(actions[-1]) & stands
    return states, actions, going


# -- The loss -------------------------------------------------------------------------------------


def loss_of(
    player: Player, states: Array, right: Array, returns: Array, going: Array
) -> TensorNode:
    """Compute the loss whose gradient is that of the expected return, and the loss of the baseline.

    Args:
        states: (N, 4), those of all episodes one after the other.
        right: (N,), the actions, 1 or 0.
        returns: (N,), the steps that followed, discounted, in units of 100.
        going: (N,), 1, or 0 where the episode was over.
    """
    expected = player.expected(states)
    advantage = returns - expected.value  # a constant: no gradient goes through the baseline here
    logs = player(states)
    taken = logs[:, 1] * right + logs[:, 0] * (1 - right)
    losses = (expected - returns) ** 2 - taken * advantage
    return xp.sum(losses * going) / xp.sum(going)


def gathered(episodes: tuple[list[Array], list[Array], list[Array]], discount: float) -> Any:
    """Put the steps of all episodes into the arrays that `loss_of` takes."""
    xp = namespace(episodes[0][0])
    states, actions, going = (xp.stack(part) for part in episodes)  # (T, n, ...)
    going = xp.astype(going, states.dtype)
    later, returns = xp.zeros_like(going[0, :]), list[Array]()
    for step in range(going.shape[0] - 1, -1, -1):
        later = going[step, :] * (1 + discount * later)
        returns.append(later)
    flat = xp.astype(actions, states.dtype), xp.stack(returns[::-1]) / 100, going
    return xp.reshape(states, (-1, 4)), *[xp.reshape(part, (-1,)) for part in flat]


# -- The training ---------------------------------------------------------------------------------


def train(args: argparse.Namespace, data: Any, session: Session) -> None:  # noqa: ARG001
    player = Player(args.hidden, args.dtype)
    optimizer = make_optimizer(args, player)
    session.begin(
        player,
        optimizer,
        data="a pole on a cart",
        source="generated",
        unit="episodes",
        training_instances=UPDATES * args.batch_size,
        validation_instances=TESTS,
    )

    @captured(args)
    def training_step(states: Array, right: Array, returns: Array, going: Array) -> Array:
        loss = loss_of(player, states, right, returns, going)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.value

    for epoch in session.epochs():
        for _ in session.progress(range(UPDATES)):
            episodes = play(player, args.batch_size, args.dtype)
            loss = training_step(*gathered(episodes, args.discount))
            epoch.add(loss, args.batch_size, mean=True)
        epoch.stop()
        _, _, going = play(player, TESTS, args.dtype)
        steps = sum(int(backends.default().to_numpy(alive).sum()) for alive in going)
        session.end_epoch(epoch, val_steps=steps / TESTS)
    if session.out:
        session.draw(PICTURES[0], draw(player, args.dtype))


# -- The picture ----------------------------------------------------------------------------------


def draw(player: Player, dtype: str) -> Any:
    """Draw an episode: where the cart is and how far the pole leans over time, and some moments."""
    states, _, going = play(player, 1, dtype, best=True)
    path = [backends.default().to_numpy(state)[0] for state in states[: len(going)]]
    time = [Carts.seconds * i for i in range(len(path))]
    figure = new_figure(9, 4)
    above, below = figure.subplots(2, 1, height_ratios=[3, 1])
    above.plot(time, [state[0] for state in path], label="cart (m)")
    above.plot(time, [state[2] * 57.3 / 10 for state in path], label="pole (tens of degrees)")
    above.set(xlabel="seconds", title=f"{len(path)} steps")
    above.legend(loc="upper right")
    above.grid(alpha=0.3)
    moments = [round(i * (len(path) - 1) / 9) for i in range(10)]
    for place, i in enumerate(moments):
        x, angle = 2.5 * place + path[i][0], path[i][2]
        top = x + xp.sin(angle), xp.cos(angle)
        below.plot([x, float(top[0])], [0, float(top[1])], color="C1", linewidth=3)
        below.plot([x - 0.3, x + 0.3], [0, 0], color="C0", linewidth=8, solid_capstyle="butt")
        below.text(x, -0.6, f"{time[i]:.1f} s", ha="center", fontsize="small")
    below.set(ylim=(-0.6, 1.2), aspect="equal")
    below.axis("off")
    return figure


def main() -> int:
    parser = Parser(
        "Balance a pole on a cart (half a minute).",
        epochs=20,
        batch_size=16,
        lr=0.01,
        optimizer="adam",
        dtypes=("float32", "float64"),
        without=["--data-dir", "--limit", "--capture", "--mixed-precision"],
    )
    parser.add_argument("--hidden", type=size, default=32, metavar="N", help="units")
    discount = "of later steps, for each step"
    parser.add_argument("--discount", type=positive_float, default=0.99, metavar="X", help=discount)
    add_device_flags(parser)
    new_session = partial(Session, metrics=METRICS, files=PICTURES)
    return run(parser.parse_args(), lambda _: None, train, new_session)


if __name__ == "__main__":
    launch(main)
