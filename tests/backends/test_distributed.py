"""Exchanges between the devices of several processes: by PyTorch and by JAX in processes of their
own, and which device each process has. test_distributed.py in cupy/ has NCCL."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from exchanges import ROOT, free_port, in_processes
from fake_cupy import FAKE_CUPY

from gradcore.backends import get
from gradcore.backends.distributed import LOCAL_RANKS, local_rank, to_connect
from gradcore.distributed import world
from gradcore.distributed.threads import run_threads

KINDS = ["float32", "float64", "float16", "int32", "int64"]
needs_torch = pytest.mark.skipif(not find_spec("torch"), reason="torch is not installed")
needs_jax = pytest.mark.skipif(not find_spec("jax"), reason="jax is not installed")


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LOCAL_RANKS:
        monkeypatch.delenv(name, raising=False)


# -- Which device -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOCAL_RANKS)
def test_launchers_number_the_processes_of_a_machine(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert local_rank() is None
    monkeypatch.setenv(name, "3")
    assert local_rank() == 3
    monkeypatch.setenv(name, "")
    assert local_rank() is None


def test_each_process_of_a_launcher_has_its_own_gpu(python: Any) -> None:
    code = """
    import cupy, gradcore
    from gradcore import TensorNode
    from gradcore.backends import default, use_backend
    x = TensorNode([1.0, 2.0])
    print(default(), x.value.device.id, cupy.current, use_backend("cupy").backend, end=" ")
    print(use_backend("cupy", 0).backend, use_backend("numpy").backend)
    """
    for variables, expected in (
        ({}, "cupy 0 0 cupy cupy (0) numpy"),
        ({"MPI_LOCALRANKID": "0"}, "cupy (0) 0 0 cupy (0) cupy (0) numpy"),
        ({"MPI_LOCALRANKID": "1"}, "cupy (1) 1 1 cupy (1) cupy (0) numpy"),
        ({"SLURM_LOCALID": "3"}, "cupy (1) 1 1 cupy (1) cupy (0) numpy"),
        ({"LOCAL_RANK": "1", "FAKE_COUNT": "1"}, "cupy (0) 0 0 cupy (0) cupy (0) numpy"),
        ({"LOCAL_RANK": "1", "GRADCORE_BACKEND": "cupy:0"}, "cupy (0) 0 0 cupy (1) cupy (0) numpy"),
    ):
        assert python.printed(code, FAKE_CUPY, **variables) == expected, variables


@needs_torch
def test_torch_gives_each_process_its_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    backend = get("torch")
    assert backend.device_of(1) is None  # on the CPU
    monkeypatch.setattr(type(backend), "_place", torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert [backend.device_of(n) for n in (0, 3, 6)] == ["cuda:0", "cuda:3", "cuda:2"]
    monkeypatch.setattr(type(backend), "_place", torch.device("cuda:1"))
    assert backend.device_of(3) is None  # somebody has chosen


def test_threads_of_one_process_have_no_exchange_of_their_library() -> None:
    assert run_threads(2, lambda: to_connect(world())) == [False, False]
    assert not to_connect(world())  # a single one
    names = ["numpy", *[name for name in ("torch", "jax") if find_spec(name)]]
    for name in [*names, "cupy-like"]:
        assert run_threads(2, lambda name=name: get(name).communicator(world())) == [None, None]
        assert get(name).communicator(world()) is None


# -- In processes -------------------------------------------------------------------------------

ON_TORCH = f"""
import numpy, torch
from gradcore.backends import get
from gradcore.backends.torch.distributed import connected
backend = get("torch")
assert backend.communicator(host) is None  # on CPUs
type(backend)._place = torch.device("cuda")
exchange = backend.communicator(host)
assert exchange.size == connected(host).size == host.size
assert backend.communicator(exchange) is None  # which is for tensors, too
type(backend)._place = torch.device("cpu")
check_exchanges(exchange, get("torch"), {[*KINDS, "complex64"]})
check_exchanges(exchange, get("numpy"), ["float32", "int64"])
first, second = (exchange.iallreduce(torch.full((3,), x + exchange.rank)) for x in (1.0, 10.0))
assert (second.wait().tolist(), first.wait().tolist()) == ([21.0] * 3, [3.0] * 3)
print("done")
"""


@needs_torch
def test_exchanges_of_torch_that_a_host_transport_has_connected(tmp_path: Path) -> None:
    assert in_processes(tmp_path, ON_TORCH) == ["done\n"] * 2


ON_TORCHRUN = f"""
from gradcore.backends import get
from gradcore.backends.torch.distributed import world
from exchanges import check_exchanges
exchange = world()
assert exchange.size == 2 and world().rank == exchange.rank
check_exchanges(exchange, get("torch"), {KINDS})
if exchange.rank == 1:
    exchange.abort("train.py: rank 1 gives up")
exchange.barrier()
"""


@needs_torch
def test_torchrun_starts_processes_and_ends_all_if_one_aborts(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(ON_TORCHRUN, "utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--master-port", str(free_port()), str(tmp_path / "train.py")]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "helpers")])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "train.py: rank 1 gives up" in done.stderr
    assert "Error: " not in done.stderr.partition("rank 1 gives up")[0], done.stderr


ON_JAX = f"""
import os, jax
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize("127.0.0.1:" + os.environ["PORT"], host.size, host.rank)
from gradcore import TensorNode
from gradcore.backends import default, get
assert str(default()) == "jax" and default().describe_device() == "CPU"
from gradcore.backends.jax.distributed import JaxExchange
assert get("jax").communicator(host) is None  # on CPUs
exchange = JaxExchange(host, jax.local_devices()[0])
check_exchanges(exchange, get("jax"), {KINDS})
x = TensorNode([1.0, 2.0])
(x * x).sum().backward()
assert exchange.allreduce(x.grad).tolist() == [4.0, 8.0]
print("done")
"""


@needs_jax
def test_exchanges_of_jax(tmp_path: Path) -> None:
    variables = {"PORT": str(free_port()), "GRADCORE_BACKEND": "jax"}
    printed = in_processes(tmp_path, ON_JAX, **variables)  # Gloo prints, too
    assert [text.splitlines()[-1] for text in printed] == ["done"] * 2
