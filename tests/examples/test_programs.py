"""The examples beside mnist.py and cifar10.py: each runs, resumes, and does what PyTorch does."""

from __future__ import annotations

import importlib
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import session
from harness.files import FILES
from harness.record import Epoch
from runs import call, compare_losses, losses, metrics, refused, result, without_times
from safetensors.numpy import load_file

import gradcore

TEXT = ["--limit", 20, "--batch-size", 8, "--context", 8, "--layers", 2, "--sample", 9]
# Flags for runs of a fraction of a second, and what else is made smaller.
SMALL: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "char_gpt": ([*TEXT, "--heads", 2, "--width", 8], {}),
    "char_rnn": ([*TEXT, "--width", 6], {}),
    "gp": (["--limit", 40], {"ITERATIONS": 2}),
    "pinn": (["--limit", 60, "--batch-size", 20, "--width", 5], {"GRID": 9}),
    "reinforce": (["--batch-size", 3, "--hidden", 4], {"UPDATES": 2, "TESTS": 2, "LIMIT": 30}),
    "unet": (["--limit", 40, "--batch-size", 16, "--width", 2], {"VALIDATION": 10}),
    "vae": (["--limit", 90, "--batch-size", 40, "--hidden", 9, "--latent", 3], {}),
}
EPOCHS = ["--epochs", 2]


@pytest.fixture(autouse=True)
def alone(data_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    for name in ("GRADCORE_DATA", "GRADCORE_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GRADCORE_OFFLINE", "1")
    monkeypatch.setattr(session, "draw_curves", lambda *_: None)  # which takes longer than a run


@pytest.fixture(params=SMALL)
def example(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    return smaller(request.param, monkeypatch)


def smaller(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, with less to do; those of its tests are skipped that lack what they need."""
    if name == "gp":
        pytest.importorskip("scipy")
    example = importlib.import_module(name)
    for constant, value in SMALL[name][1].items():
        monkeypatch.setattr(example, constant, value)
    return example


def flags(example: Any) -> list[Any]:
    return [*SMALL[example.__name__][0], *EPOCHS]


def own_files(example: Any) -> list[str]:
    return getattr(example, "PICTURES", None) or [example.SAMPLES]


def interrupted(example: Any, patch: pytest.MonkeyPatch, *more: Any) -> None:
    """Run it until Ctrl-C comes in the second epoch."""
    add = Epoch.add

    def interrupt(self: Epoch, *args: Any, **options: Any) -> None:
        if self.number == 1:
            raise KeyboardInterrupt
        add(self, *args, **options)

    with patch.context() as within:
        within.setattr(Epoch, "add", interrupt)
        within.setattr("signal.signal", lambda *_: None)
        assert call(example, *flags(example), *more) == 130


# -- Runs -----------------------------------------------------------------------------------------


def test_a_run_leaves_its_files_and_prints_its_results(
    example: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(example, *flags(example), "--out", tmp_path) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*FILES, *own_files(example)])
    for name in own_files(example):
        data = (tmp_path / name).read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n" or data.startswith(b"def ")
    lines, names = metrics(tmp_path), [metric.name for metric in example.METRICS]
    before, after = ["run", "epoch", "train_loss"], ["seconds", "instances_per_second"]
    assert [list(line) for line in lines] == 2 * [[*before, *names, *after]]
    summary = result(tmp_path)
    assert (summary["settings"]["epochs"], summary["seed"]) == (2, 0)
    for metric in example.METRICS:
        assert f"{metric.name.replace('_', ' ')} " in printed.out
        if metric.best:
            name, values = metric.name.removeprefix("val_"), [line[metric.name] for line in lines]
            assert summary[f"final_{name}"] == summary["runs"][0][f"final_{name}"] == values[-1]
            assert summary[f"best_{name}"] == metric.best(values)
            assert f"{metric.label} {values[-1]:{metric.format}} (best" in printed.out


def test_quiet_prints_the_result_only(example: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(example, *flags(example), "--quiet") == 0
    printed = capsys.readouterr()
    assert (printed.out.count("\n"), printed.err) == (1, "")


def test_an_interrupted_run_is_resumed_to_the_bit(
    example: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    assert call(example, *flags(example), "--out", straight) == 0
    interrupted(example, monkeypatch, "--out", stopped)
    assert len(metrics(stopped)) == 1
    assert not (stopped / own_files(example)[0]).exists()
    assert call(example, *flags(example), "--out", stopped, "--resume") == 0
    assert without_times(metrics(straight)) == without_times(metrics(stopped))
    a, b = (load_file(out / "checkpoint.safetensors") for out in (straight, stopped))
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name])
    for name in own_files(example):
        assert (straight / name).read_bytes() == (stopped / name).read_bytes()


def test_other_backends_give_the_same_losses(example: Any, on: Any) -> None:
    compare_losses(example, flags(example), on)


# -- Beside PyTorch -------------------------------------------------------------------------------

# The optimizer, and the model in PyTorch by the flags.
TWINS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "char_gpt": ("AdamW", lambda twins: twins.GPT(8, 2, 2, 8)),
    "char_rnn": ("Adam", lambda twins: twins.Reader(2, 6)),
    "pinn": ("Adam", lambda twins: twins.Solution(5, 0.01)),
    "reinforce": ("Adam", lambda twins: twins.Player(4)),
    "unet": ("Adam", lambda twins: twins.UNet(2)),
    "vae": ("Adam", lambda twins: twins.VAE(9, 3)),
}


@pytest.mark.parametrize("name", TWINS)
def test_the_losses_of_all_steps_are_those_of_pytorch(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the same weights and with the same batches, also where each step has another learning
    rate."""
    torch = pytest.importorskip("torch")
    import twins

    example, batches = smaller(name, monkeypatch), list[Any]()

    def noting(_: Any) -> Any:
        def decorate(step: Callable[..., Any]) -> Callable[..., Any]:
            return lambda *arrays: (batches.append(arrays), step(*arrays))[1]

        return decorate

    monkeypatch.setattr(example, "captured", noting)
    init = tmp_path / "init.safetensors"
    ours = losses(example, *flags(example), "--dtype", "float64", "--save-init", init)

    optimizer, new = TWINS[name]
    model = new(twins).double()
    model.load_state_dict({key: torch.from_numpy(x) for key, x in load_file(init).items()})
    lr = parsed(example).lr
    optimizer = getattr(torch.optim, optimizer)(model.parameters(), lr=lr)
    schedule = None
    if hasattr(example, "one_cycle"):
        cycle = torch.optim.lr_scheduler.OneCycleLR
        schedule = cycle(optimizer, lr, len(batches), cycle_momentum=False)
    expected = []
    for arrays in batches:
        loss = model.loss(*[torch.from_numpy(np.array(x)) for x in arrays])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if schedule:
            schedule.step()
        expected.append(loss.item())
    assert len(set(expected)) == len(ours) >= 4
    np.testing.assert_allclose(ours, expected, rtol=1e-8)


def parsed(example: Any) -> Any:
    """The command line of a run without flags."""
    seen: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(example, "run", lambda args, *_, **__: seen.append(args) or 0)
        assert call(example) == 0
    return seen[0]


def process() -> tuple[Any, Any, Any, Any]:
    """gp.py's process, with START as it stands, and all its data for training."""
    pytest.importorskip("scipy")
    import gp

    x, ppm, _, _ = gp.load(parsed(gp))
    return gp.Process("float64"), np.log(list(gp.START.values())), x, ppm - np.mean(ppm)


def test_the_likelihood_and_its_gradient_are_pytorchs() -> None:
    import gp

    torch = pytest.importorskip("torch")
    model, logs, x, y = process()
    value, slope = gradcore.value_and_grad(lambda logs: gp.loss_of(model, logs, x, y))(logs)
    theta, xs = torch.tensor(logs, requires_grad=True), torch.from_numpy(x)
    a, la, b, lb, s, c, lc, u, d, ld, noise = torch.exp(theta)
    r = abs(xs[:, None] - xs)
    k = a**2 * torch.exp(-0.5 * (r / la) ** 2)
    k = k + b**2 * torch.exp(-2 * (torch.sin(np.pi * r) / s) ** 2 - 0.5 * (r / lb) ** 2)
    k = k + c**2 * (1 + (r / lc) ** 2 / (2 * u)) ** -u + d**2 * torch.exp(-0.5 * (r / ld) ** 2)
    k = k + noise**2 * torch.eye(len(xs))
    zero = torch.zeros(len(xs), dtype=torch.float64)
    loss = -torch.distributions.MultivariateNormal(zero, k).log_prob(torch.from_numpy(y))
    loss.backward()
    np.testing.assert_allclose(float(value), loss.item(), rtol=1e-6)
    np.testing.assert_allclose(slope, theta.grad, rtol=1e-6)


def test_the_process_is_that_of_scikit_learn() -> None:
    kernels = pytest.importorskip("sklearn.gaussian_process.kernels")
    import gp
    from sklearn.gaussian_process import GaussianProcessRegressor

    model, logs, x, y = process()
    a, la, b, lb, s, c, lc, u, d, ld, noise = np.exp(logs)
    season = kernels.ExpSineSquared(s, 1.0, periodicity_bounds="fixed")
    kernel = a**2 * kernels.RBF(la) + b**2 * kernels.RBF(lb) * season
    kernel += c**2 * kernels.RationalQuadratic(lc, u) + d**2 * kernels.RBF(ld)
    kernel += kernels.WhiteKernel(noise**2)
    theirs = GaussianProcessRegressor(kernel, alpha=0, optimizer=None).fit(x[:, None], y)
    likelihood = theirs.log_marginal_likelihood()
    np.testing.assert_allclose(-float(gp.loss_of(model, logs, x, y)), likelihood, rtol=1e-6)
    model.logs.value = logs
    new = np.linspace(1990, 2010, 50)
    mean, variance = model.predict(x, y, new)
    found, deviation = theirs.predict(new[:, None], return_std=True)
    np.testing.assert_allclose(mean, found, rtol=1e-6)
    np.testing.assert_allclose(variance, deviation**2, rtol=1e-5)


# -- What they compute ----------------------------------------------------------------------------


def test_the_exact_solution_solves_the_equation() -> None:
    import pinn

    def u(x: Any, t: Any) -> Any:
        return pinn.exact(x, t, nu)

    nu, h = 0.05, 1e-3
    x, t = np.linspace(-0.9, 0.9, 25), np.linspace(0.2, 0.9, 25)
    u_t = (u(x, t + h) - u(x, t - h)) / (2 * h)
    u_x = (u(x + h, t) - u(x - h, t)) / (2 * h)
    u_xx = (u(x + h, t) - 2 * u(x, t) + u(x - h, t)) / h**2
    np.testing.assert_allclose(u_t + u(x, t) * u_x, nu * u_xx, atol=2e-4)
    np.testing.assert_allclose(u(x, np.zeros(25)), -np.sin(np.pi * x), atol=1e-12)
    model = pinn.Solution(4, "float64")  # which has the values at first and at the ends
    np.testing.assert_allclose(model(x, np.zeros(25)).value, -np.sin(np.pi * x), atol=1e-12)
    np.testing.assert_allclose(model(np.array([-1.0, 1.0]), t[:2]).value, 0, atol=1e-12)


def test_the_physics_are_those_of_gymnasium() -> None:
    import reinforce

    carts = reinforce.Carts(2, "float64")
    pushes, draw = [], np.random.default_rng(0)
    (x, speed, angle, turning), standing = carts.state.T.copy(), np.ones(2, bool)
    while standing.any() and len(pushes) < 200:
        pushes.append(draw.random(2) < 0.5)
        stands = carts.push(pushes[-1])
        # As in CartPoleEnv.step
        force = np.where(pushes[-1], 10.0, -10.0)
        temp = (force + 0.05 * np.square(turning) * np.sin(angle)) / 1.1
        theta_acc = (9.8 * np.sin(angle) - np.cos(angle) * temp) / (
            0.5 * (4.0 / 3.0 - 0.1 * np.square(np.cos(angle)) / 1.1)
        )
        x_acc = temp - 0.05 * theta_acc * np.cos(angle) / 1.1
        x, speed = x + 0.02 * speed, speed + 0.02 * x_acc
        angle, turning = angle + 0.02 * turning, turning + 0.02 * theta_acc
        fallen = (abs(x) > 2.4) | (abs(angle) > 12 * 2 * np.pi / 360)
        np.testing.assert_array_equal(stands, ~fallen)
        np.testing.assert_allclose(carts.state.T, [x, speed, angle, turning], rtol=1e-12)
        standing &= stands
    assert 5 < len(pushes) < 200


def test_returns_are_the_discounted_steps_that_follow() -> None:
    import reinforce

    going = [np.array([True, True]), np.array([True, False]), np.array([True, False])]
    states, actions = [np.zeros((2, 4))] * 3, [np.array([True, False])] * 3
    x, right, returns, weights = reinforce.gathered((states, actions, going), 0.5)
    assert x.shape == (6, 4)
    np.testing.assert_array_equal(right, [1, 0, 1, 0, 1, 0])
    np.testing.assert_allclose(100 * returns, [1.75, 1, 1.5, 0, 1, 0])
    np.testing.assert_array_equal(weights, [1, 1, 1, 0, 1, 0])


def test_text_is_read_in_windows_and_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import char_gpt
    from harness import text

    assert text.decoded(text.encoded("def f(x):\n\treturn 'Straße'")) == (
        "def f(x):\n    return 'Stra?e'"
    )
    file = tmp_path / "mine.txt"
    file.write_text("".join(chr(97 + i % 26) for i in range(1000)))
    args = parsed(char_gpt)
    monkeypatch.setattr(args, "text", str(file))
    monkeypatch.setattr(args, "context", 10)
    (x, y), (xval, _), facts = text.load_windows(args)
    assert (x.shape, xval.shape) == ((98, 10), (10, 10))  # of 90 and 10 parts, each with a line end
    np.testing.assert_array_equal(x.ravel()[1:], y.ravel()[:-1])
    assert text.decoded(list(x[0])) == "abcdefghij"
    assert facts["data"] == "mine.txt"
    monkeypatch.setattr(args, "text", None)
    assert text.load_windows(args)[2]["source"] == sysconfig.get_paths()["stdlib"]


# -- What they refuse -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("char_gpt", ["--width", 9], "--width 9 is not a multiple of --heads 2"),
        ("char_gpt", ["--context", 0], "--context: '0' is not a whole number from 1 to"),
        ("char_gpt", ["--text", "/nowhere"], "--text /nowhere: can't be read (No such file"),
        ("char_gpt", ["--text", __file__, "--context", 9999], "is too short, expected"),
        ("char_rnn", ["--cell", "rnn"], "invalid choice: 'rnn'"),
        ("gp", ["--lr", 1], "unrecognized arguments: --lr 1"),
        ("gp", ["--dtype", "float32"], "invalid choice: 'float32'"),
        ("pinn", ["--viscosity", -1], "--viscosity: -1 is not positive and finite"),
        ("pinn", ["--lr", 1e30], "at epoch 0, step 1; try a smaller --lr than 1e+30"),
        ("reinforce", ["--limit", 3], "unrecognized arguments: --limit 3"),
        ("reinforce", ["--discount", 0], "--discount: 0 is not positive"),
        ("unet", ["--width", "x"], "--width: 'x' is not a whole number"),
        ("vae", ["--latent", 0], "--latent: '0' is not a whole number"),
        ("vae", ["--data-dir", "/nowhere"], "--data-dir = /nowhere"),
        ("vae", ["--mixed-precision"], "unrecognized arguments: --mixed-precision"),
    ],
)
def test_bad_arguments(
    name: str,
    more: list[Any],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    example = smaller(name, monkeypatch)
    assert words in refused(capsys, call(example, *flags(example), "--quiet", *more))


def test_help_says_how_long_it_takes(example: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(example, "--help") == 0
    text = capsys.readouterr().out
    assert "minute" in text or "seconds)" in text
