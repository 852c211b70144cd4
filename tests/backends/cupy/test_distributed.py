"""Exchanges between GPUs, on the stand-in for CuPy, with threads for processes and an NCCL written
in NumPy."""

from __future__ import annotations

import ctypes
import threading
import warnings
from types import SimpleNamespace
from typing import Any

import cupy_on_cpu
import numpy as np
import pytest
from exchanges import check_exchanges

from gradcore.backends import get
from gradcore.distributed import world
from gradcore.distributed.threads import run_threads

distributed = cupy_on_cpu.module("distributed")

KINDS = ["int8", "uint8", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64"]
OPERATIONS = {0: np.add, 2: np.maximum, 3: np.minimum}


class Nccl:
    """The module cupy.cuda.nccl, with the numbers of nccl.h and the signatures of CuPy 14."""

    available = True
    NCCL_SUM, NCCL_PROD, NCCL_MAX, NCCL_MIN = range(4)

    class NcclError(RuntimeError):
        pass

    def __init__(self) -> None:
        for number, kind in enumerate(KINDS):
            setattr(self, f"NCCL_{kind.upper()}", number)
        self.meetings: dict[bytes, SimpleNamespace] = {}
        self.names = 0

    def get_unique_id(self) -> bytes:
        self.names += 1
        return str(self.names).encode().ljust(128)

    def NcclCommunicator(self, ndev: int, commId: bytes, rank: int) -> Communicator:  # noqa: N802
        assert len(commId) == 128
        new = SimpleNamespace(barrier=threading.Barrier(ndev, timeout=30), left=[None] * ndev)
        return Communicator(self.meetings.setdefault(commId, new), rank)


class Communicator:
    """cupy.cuda.nccl.NcclCommunicator: each method reads and writes memory at addresses."""

    def __init__(self, meeting: Any, rank: int) -> None:
        self.meeting, self.rank = meeting, rank

    def met(self, address: int, count: int, kind: int) -> list[np.ndarray]:
        """Give the arrays of all ranks."""
        self.meeting.left[self.rank] = memory(address, count, kind).copy()
        self.meeting.barrier.wait()
        found = [*self.meeting.left]
        self.meeting.barrier.wait()
        return found

    def allReduce(self, sendbuf, recvbuf, count, datatype, op, stream):  # noqa: ARG002, N802
        arrays = self.met(sendbuf, count, datatype)
        memory(recvbuf, count, datatype)[:] = OPERATIONS[op].reduce(arrays)

    def reduceScatter(self, sendbuf, recvbuf, recvcount, datatype, op, stream):  # noqa: ARG002, N802
        arrays = self.met(sendbuf, recvcount * len(self.meeting.left), datatype)
        part = slice(self.rank * recvcount, (self.rank + 1) * recvcount)
        memory(recvbuf, recvcount, datatype)[:] = OPERATIONS[op].reduce(arrays)[part]

    def allGather(self, sendbuf, recvbuf, count, datatype, stream):  # noqa: ARG002, N802
        arrays = self.met(sendbuf, count, datatype)
        memory(recvbuf, count * len(arrays), datatype)[:] = np.concatenate(arrays)

    def broadcast(self, sendbuff, recvbuff, count, datatype, root, stream):  # noqa: ARG002
        memory(recvbuff, count, datatype)[:] = self.met(sendbuff, count, datatype)[root]


def memory(address: int, count: int, kind: int) -> np.ndarray:
    dtype = np.dtype(KINDS[kind])
    return np.frombuffer((ctypes.c_char * (count * dtype.itemsize)).from_address(address), dtype)


@pytest.fixture
def nccl(monkeypatch: pytest.MonkeyPatch) -> Nccl:
    fake = Nccl()
    monkeypatch.setattr(distributed, "load", lambda _: fake)
    monkeypatch.setattr(distributed, "check_places", lambda *_: None)  # threads have one GPU
    return fake


@pytest.mark.usefixtures("nccl")
@pytest.mark.parametrize("size", [2, 3])
def test_exchanges_are_those_of_numpy(size: int) -> None:
    def check() -> None:
        exchange = distributed.NcclExchange(world())
        check_exchanges(exchange, get("cupy-like"), [*KINDS, "complex64", "complex128"])
        nothing = get("cupy-like").asarray(np.zeros((0, 2)))
        assert exchange.allgather(nothing).shape == exchange.allreduce(nothing).shape == (0, 2)

    run_threads(size, check)


@pytest.mark.usefixtures("nccl")
def test_iallreduce_is_done_in_the_memory_that_it_is_given() -> None:
    def check() -> bool:
        x = get("cupy-like").asarray(np.ones(3, "float32"))
        y = distributed.NcclExchange(world()).iallreduce(x).wait()
        return np.shares_memory(x.array, y.array) and x.array.tolist() == [2.0] * 3

    assert run_threads(2, check) == [True, True]


def test_streams_wait_for_one_another_and_the_host_for_none(
    nccl: Nccl, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda, log = distributed.cupy.cuda, list[str]()

    class Stream:
        def __init__(self, name: str = "exchanges", non_blocking: bool = True) -> None:
            self.name, self.ptr = name, 7
            assert non_blocking

        def record(self) -> str:
            log.append(f"{self.name} records")
            return f"event of {self.name}"

        def wait_event(self, event: str) -> None:
            log.append(f"{self.name} waits for {event}")

    current = Stream("current")
    monkeypatch.setattr(cuda, "Stream", Stream)
    monkeypatch.setattr(cuda, "get_current_stream", lambda: current)
    x = get("cupy-like").asarray(np.ones(3, "float32"))
    exchange = distributed.NcclExchange(world())  # of one process
    reduce = exchange.group.allReduce

    def noted(*arguments: int) -> None:
        log.append(f"allReduce on {arguments[-1]}")
        reduce(*arguments)

    exchange.group.allReduce = noted
    with cupy_on_cpu.device.no_reads():
        request = exchange.iallreduce(x)
        log.append("backward goes on")
        request.wait()
    assert log == [
        "current records",
        "exchanges waits for event of current",
        "allReduce on 7",
        "exchanges records",
        "backward goes on",
        "current waits for event of exchanges",
    ]
    assert nccl.names == 1


def test_a_dtype_that_nccl_lacks_is_an_error_in_one_line(nccl: Nccl) -> None:
    exchange = distributed.NcclExchange(world())
    with pytest.raises(TypeError, match=r"^cupy: NCCL does not exchange bool; convert it: "):
        exchange.allreduce(get("cupy-like").asarray(np.ones(2, bool)))
    assert nccl.meetings


def test_two_ranks_on_one_gpu_are_an_error_of_all_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(distributed, "load", lambda _: Nccl())

    def message() -> str:
        with pytest.raises(RuntimeError) as caught:
            distributed.NcclExchange(world())
        return str(caught.value)

    expected = (
        "cupy: ranks 0 and 1 are on the same GPU, stand-in, and NCCL wants one for each; start no "
        "more ranks on a machine than it has GPUs, or set GRADCORE_BACKEND=numpy"
    )
    assert run_threads(3, message) == [expected] * 3


def test_nccl_missing_on_one_rank_is_an_error_of_all_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = "nccl library could not be loaded. Reason: it is not there"

    def message(is_there: bool, of_all: Any) -> str:
        def imported(name: str) -> Any:
            assert name == "cupy.cuda.nccl"
            if not is_there:
                text = "\nnccl library could not be loaded.\n\nReason: it is not there"
                warnings.warn(text, stacklevel=1)
            return SimpleNamespace(available=is_there)

        monkeypatch.setattr(distributed.importlib, "import_module", imported)
        with pytest.raises(RuntimeError) as caught:
            distributed.load(SimpleNamespace(allgather_object=of_all))
        return str(caught.value)

    expected = f"cupy: exchanges between GPUs go by NCCL: {told}"
    assert message(False, lambda x: [None, x]) == expected  # of rank 1
    assert message(True, lambda x: [x, told]) == expected  # of rank 0


def test_an_error_of_nccl_is_one_line(nccl: Nccl) -> None:
    def fails(*_: Any) -> None:
        raise nccl.NcclError("NCCL_ERROR_INVALID_USAGE: invalid usage")

    nccl.NcclCommunicator = fails  # type: ignore[method-assign]
    message = (
        "^cupy: NCCL can't connect the GPUs: NCCL_ERROR_INVALID_USAGE: invalid usage; set NCCL"
    )
    with pytest.raises(RuntimeError, match=message):
        distributed.NcclExchange(world())
