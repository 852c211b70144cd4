"""Several processes, which `mpirun` starts: equal to one, and ended where one of them fails.

Where mpi4py or `mpirun` is missing, these tests are skipped: `pip install 'gradcore[mpi]'`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import ROOT, done, environment, mpirun, started
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file

pytestmark = pytest.mark.skipif(mpirun() is None, reason="needs pip install 'gradcore[mpi]'")

EXAMPLES = ROOT / "examples"
SOON = 15.0  # seconds, in which a run ends whose rank has failed, on a busy machine
# 100 steps each, of batches that one process would have.
NETWORKS: dict[str, list[Any]] = {
    "the MLP": [
        *("mnist.py", "--data", "mnist", "--hidden", 1, "--limit", 800, "--batch-size", 32),
        *("--lr", 2e-5),  # with the course's, on raw pixels, rounding grows tenfold in a few steps
    ],
    "blitz": ["cifar10.py", "--data", "shapes", "--limit", 100],
    "resnet9": [
        *("cifar10.py", "--data", "shapes", "--model", "resnet9", "--width", 2),
        *("--limit", 200, "--batch-size", 8),
    ],
    "the GPT": [
        *("char_gpt.py", "--limit", 400, "--batch-size", 16, "--context", 16, "--width", 16),
        *("--layers", 1, "--sample", 5),
    ],
    "the LSTM": [
        *("char_rnn.py", "--limit", 400, "--batch-size", 16, "--context", 8, "--width", 12),
        *("--sample", 5),
    ],
}
COMMON = ["--dtype", "float64", "--epochs", 4, "--quiet"]
SYNTH = ["mnist.py", "--data", "synth", "--limit", 100, "--hidden", 4]  # to be refused


def command(name: str, *flags: Any) -> list[Any]:
    script, *own = NETWORKS.get(name, SYNTH)
    return [EXAMPLES / script, *own, *COMMON, *flags]


def state(out: Path) -> dict[str, np.ndarray]:
    return load_file(out / "checkpoint.safetensors")


def position(out: Path) -> Any:
    """Where in an epoch a run is, as its checkpoint says."""
    try:
        with safe_open(out / "checkpoint.safetensors", "np") as file:
            facts = json.loads(file.metadata()["gradcore"])
    except (OSError, SafetensorError):
        return None
    return facts.get("position")


def compare(one: Path, other: Path, rtol: float = 1e-6) -> float:
    """Compare the ends of two trainings; give how much they differ, relative to their sizes."""
    a, b = state(one), state(other)
    assert a.keys() == b.keys()
    differences = [np.linalg.norm(a[k] - b[k]) / (np.linalg.norm(b[k]) or 1.0) for k in a]
    assert max(differences) <= rtol
    for mine, yours in zip(lines(one), lines(other), strict=True):
        for name in mine.keys() - {"seconds", "instances_per_second"}:
            np.testing.assert_allclose(mine[name], yours[name], rtol=rtol, err_msg=name)
    return float(max(differences))


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


# -- Equality -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_two_processes_train_as_one_does(name: str, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for size, out in ((1, one), (2, two)):
        found = done(size, *command(name, "--out", out))
        assert found.status == 0, found
        assert found.out.count("\n") == 1  # rank 0 alone prints
        assert found.err.count("\n") <= 1, found.err  # as that images are generated
    print(f"{name}: {compare(two, one):.1e}")
    assert sorted(p.name for p in one.iterdir()) == sorted(p.name for p in two.iterdir())


def test_four_processes(tmp_path: Path) -> None:
    one, four = tmp_path / "one", tmp_path / "four"
    for size, out in ((1, one), (4, four)):
        assert done(size, *command("the MLP", "--epochs", 1, "--out", out)).status == 0
    compare(four, one)


def test_exchanges_of_all_dtypes(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("""
import numpy as np
from gradcore.distributed import world
here = world()
for name in ("float16", "float32", "float64", "complex128", "int64"):
    parts = [np.arange(12.0).reshape(6, 2).astype(name) + r for r in range(here.size)]
    x, total = parts[here.rank], sum(parts)
    found = [here.allreduce(x), here.iallreduce(x).wait(), here.allgather(x), here.broadcast(x, 1)]
    for y, expected in zip(found, [total, total, np.concatenate(parts), parts[1]]):
        assert y.dtype == x.dtype and np.array_equal(y, expected), name
    assert np.array_equal(here.reduce_scatter(x), np.split(total, here.size)[here.rank])
assert here.allreduce(np.asarray(here.rank), "max") == here.size - 1
assert here.allgather_object("x" * here.rank) == ["x" * r for r in range(here.size)]
assert here.broadcast_object({"of": here.rank}, 1) == {"of": 1}
requests = [here.iallreduce(np.full(100_000, float(i))) for i in range(5)]
assert [r.wait()[0] for r in requests] == [here.size * i for i in range(5)]
here.barrier()
print("all right")
""")
    found = done(3, program)
    assert (found.status, found.err) == (0, "")
    assert found.out.count("all right") == 3  # their lines may be mixed


# -- Failures -------------------------------------------------------------------------------------

WORK = """
import sys, time
import numpy as np
from gradcore.distributed import world
here = world()
here.barrier()
print(f"begun {{here.rank}}")  # still in the buffer as the error comes
if here.rank == 1:
    {}
here.allreduce(np.ones(3))
"""


def failed(tmp_path: Path, what: str, **variables: str) -> tuple[int, str, float]:
    """Run a program whose rank 1 does this in place of an exchange: status, stderr, seconds."""
    program = tmp_path / "program.py"
    program.write_text(WORK.format(what))
    start = time.monotonic()
    found = done(2, program, PYTHONUNBUFFERED="", **variables)
    assert "begun 0" in found.out
    return found.status, found.err, time.monotonic() - start


def test_a_rank_that_raises_ends_all(tmp_path: Path) -> None:
    status, errors, seconds = failed(tmp_path, "1 / 0")
    assert status != 0
    assert "rank 1 of 2 failed:\nTraceback" in errors
    assert "ZeroDivisionError: division by zero" in errors
    assert seconds < SOON


def test_a_rank_that_can_print_nothing_ends_all(tmp_path: Path) -> None:
    status, _, seconds = failed(tmp_path, "import os; os.close(1); os.close(2); 1 / 0")
    assert status != 0
    assert seconds < SOON


def test_a_rank_that_exits_ends_all(tmp_path: Path) -> None:
    status, errors, seconds = failed(tmp_path, "sys.exit(0)")
    assert status != 0
    assert "program.py: rank 1 has ended, and rank 0 waits for it\n" in errors
    assert seconds < SOON


def test_a_rank_that_is_busy_for_too_long(tmp_path: Path) -> None:
    status, errors, seconds = failed(tmp_path, "time.sleep(60)", GRADCORE_STALL="2")
    assert status != 0
    assert "program.py: rank 1 did not come to an exchange within 2 seconds" in errors
    assert seconds < SOON


def ready(run: Any, out: Path) -> dict[int, int]:
    """Wait until a run has written a checkpoint within an epoch; give the processes by rank."""
    until = time.monotonic() + 60
    while not position(out):
        assert time.monotonic() < until
        assert run.process.poll() is None, run.wait()
        time.sleep(0.02)
    return run.ranks()


LONG = ["--epochs", 20, "--limit", 4000, "--save-every", 0.05]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_is_stopped_ends_all(rank: int, tmp_path: Path) -> None:
    flags = command("the MLP", *LONG, "--out", tmp_path)
    with started(2, *flags, GRADCORE_STALL="6") as run:
        os.kill(ready(run, tmp_path)[rank], signal.SIGSTOP)
        start = time.monotonic()
        found = run.wait(60)
    assert time.monotonic() - start < SOON
    assert found.status != 0
    assert f"mnist.py: rank {rank} did not come to an exchange within 6 seconds" in found.err


@pytest.mark.parametrize("rank", [0, 1])
def test_a_run_whose_rank_was_killed_is_resumed_in_another_number_of_ranks(
    rank: int, tmp_path: Path
) -> None:
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    flags = ["--limit", 2000, "--epochs", 3, "--save-every", 0.02]
    assert done(1, *command("the MLP", *flags, "--out", straight)).status == 0
    with started(2, *command("the MLP", *flags, "--out", killed)) as run:
        os.kill(ready(run, killed)[rank], signal.SIGKILL)
        start = time.monotonic()
        found = run.wait(60)
    assert time.monotonic() - start < SOON
    assert found.status != 0
    assert position(killed)["loader"]["given"] > 0
    found = done(4, *command("the MLP", *flags, "--out", killed, "--resume"))
    assert found.status == 0, found
    compare(killed, straight)


def test_an_interrupt_ends_all_and_is_one_line(tmp_path: Path) -> None:
    with started(2, *command("the MLP", *LONG, "--out", tmp_path)) as run:
        ready(run, tmp_path)
        run.process.send_signal(signal.SIGINT)
        found = run.wait(60)
    assert found.status != 0
    assert found.err.count("mnist.py: interrupted; --resume continues") == 1
    assert (tmp_path / "summary.json").exists()


# -- Bad input: one line, from rank 0 -------------------------------------------------------------


def refused(found: Any) -> str:
    assert found.status == 2, found
    assert found.err.count("\n") == 1, found.err
    return found.err


def test_a_batch_that_the_ranks_do_not_divide() -> None:
    message = refused(done(2, *command("synth", "--batch-size", 33)))
    assert "--batch-size 33 is no multiple of the 2 processes" in message


def test_what_all_ranks_refuse_is_said_once(tmp_path: Path) -> None:
    flags = ["--data", "mnist", "--data-dir", tmp_path / "nowhere"]
    message = refused(done(2, *command("synth", *flags)))
    assert "nowhere: expected a folder, found nothing" in message


def test_an_example_for_one_process() -> None:
    message = refused(done(2, EXAMPLES / "vae.py", "--epochs", 1, "--quiet"))
    assert message.startswith("vae.py: trains in one process; mpirun is for mnist.py")


def different(first: list[Any], second: list[Any]) -> str:
    """The refusal of a run whose ranks have these commands."""
    parts: list[Any] = [mpirun()]
    for one in (first, second):
        parts += ["-n", 1, *one, ":"]
    parts = [sys.executable if part == "python" else str(part) for part in parts[:-1]]
    found = subprocess.run(
        parts, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert found.returncode == 2, found
    assert found.stderr.count("\n") == 1, found.stderr
    return found.stderr


def test_ranks_with_different_settings() -> None:
    ranks = [["python", *command("synth", "--lr", lr)] for lr in (0.1, 0.2)]
    expected = "mnist.py: the ranks differ in --lr: rank 0 has 0.1, rank 1 has 0.2\n"
    assert different(*ranks) == expected


def test_ranks_with_different_data(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("""
import sys
import numpy as np
from harness.ranks import must_have_equal
from gradcore.distributed import RanksDifferError, world
try:
    must_have_equal({}, {"x": np.full(3, float(world().rank))})
except RanksDifferError as error:
    world().fail(f"program.py: {error}", 2)
    sys.exit(2)
""")
    message = different(["python", program], ["python", program])
    assert "the ranks differ in the data['x']: rank 0 has float64 (3,) with checksum" in message


def test_ranks_with_different_code(tmp_path: Path) -> None:
    other = tmp_path / "mnist.py"
    other.write_text((EXAMPLES / "mnist.py").read_text() + "# changed\n")
    flags = command("synth")[1:]
    message = different(["python", EXAMPLES / "mnist.py", *flags], ["python", other, *flags])
    assert message.startswith("mnist.py: the ranks differ in the program mnist.py: rank 0 has ")


def test_ranks_with_different_backends() -> None:
    pytest.importorskip("array_api_strict")
    flags = command("synth")
    ranks = [["-env", "GRADCORE_BACKEND", name, "python", *flags] for name in ("numpy", "strict")]
    message = different(*ranks)
    assert "of numpy, rank 1 has " in message
    assert "of strict" in message


@pytest.mark.parametrize("rank", [0, 1])
def test_without_mpi4py(rank: int, tmp_path: Path) -> None:
    (tmp_path / "mpi4py.py").write_text("raise ImportError('there is none')")
    path = os.pathsep.join([str(tmp_path), str(ROOT), str(EXAMPLES)])
    given = {"PYTHONPATH": path, "PMI_SIZE": "2", "PMI_RANK": str(rank)}
    found = done(1, *command("synth"), **given)
    said = "mnist.py: 2 processes need MPI: pip install 'gradcore[mpi]' (there is none)\n"
    assert (found.status, found.err) == (2, "" if rank else said)
