"""A stand-in for torch.cuda's streams and graphs: PyTorch on the CPU with a tape.

gradcore's backend takes the tensors for a GPU's. While a graph is recorded, nothing is done, as far
as one can see afterwards: tensors that were there before are as they were. A replay calls the same
functions again on the same memory, with the numbers that they were given then. It begins with
garbage in all memory that was taken while recording, where a GPU's replays write, too. As on a
GPU, what runs on another stream meanwhile is not recorded, and a tensor can't be read on the host.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode

from gradcore.backends import BACKEND_OF_TYPE, registry
from gradcore.backends.torch import TorchBackend
from gradcore.backends.torch.compiler import TorchProgram
from gradcore.backends.torch.recorder import TorchRecorder

aten = torch.ops.aten
READS = {aten._local_scalar_dense.default, aten.nonzero.default, aten.equal.default}
UNFILLED = "empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"


class Stream:
    def __init__(self, device: Any = None, name: str = "side") -> None:  # noqa: ARG002
        self.name = name

    def wait_stream(self, other: Stream) -> None:
        Cuda.log.append(f"{self.name} waits for {other.name}")


class Cuda:
    """What torch.cuda is asked for, in order, and its current stream."""

    log: list[str] = []  # noqa: RUF012
    current = default = Stream(name="main")
    graph: Graph | None = None  # the one being recorded

    @classmethod
    def is_recording(cls) -> bool:
        return cls.graph is not None and cls.graph.stream is cls.current

    @classmethod
    @contextmanager
    def stream(cls, stream: Stream) -> Iterator[None]:
        before, cls.current = cls.current, stream
        try:
            yield
        finally:
            cls.current = before


class Graph(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, list[Any]]] = []
        self.before: list[tuple[Any, Any]] = []  # what is written to, and its contents
        self.own: list[Any] = []
        self.is_broken = False

    def capture_begin(self, pool: Any, capture_error_mode: str) -> None:
        assert Cuda.current is not Cuda.default
        Cuda.log.append(f"begin in pool {pool}, {capture_error_mode}")
        Cuda.graph, self.stream = self, Cuda.current
        self.__enter__()

    def capture_end(self) -> None:
        assert Cuda.is_recording()
        Cuda.log.append("end")
        self.__exit__(None, None, None)
        Cuda.graph = None
        for x, contents in reversed(self.before):
            x.copy_(contents)
        if self.is_broken:
            raise RuntimeError("CUDA error: operation failed due to a previous error\nCompile with")

    def refuse(self, why: str) -> None:
        self.is_broken = True
        raise RuntimeError(f"the device is recording, and {why}\nCUDA kernel errors might be ...")

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if not Cuda.is_recording():
            return function(*args, **kwargs)
        if function in READS:
            self.refuse("can't be read")
        if function is aten.lift_fresh.default and args[0].ndim:  # Python's numbers as a tensor
            self.refuse("nothing can be copied to it")
        written = set()
        for argument, x in zip(function._schema.arguments, args, strict=False):
            if argument.is_write:
                written.update(map(id, tensors(x)))
                self.before += [(y, y.clone()) for y in tensors(x)]
        results = function(*args, **kwargs)
        given = {x.untyped_storage()._cdata for x in tensors([args, *kwargs.values()])}
        new = [x for x in tensors(results) if x.untyped_storage()._cdata not in given]
        self.own += new
        if function._overloadpacket.__name__ not in UNFILLED:
            self.calls.append((function, args, kwargs, tensors(results)))
        return results

    def replay(self) -> None:
        Cuda.log.append("replay")
        for x in self.own:
            x.fill_(torch.nan if x.is_floating_point() else 77)
        for function, args, kwargs, results in self.calls:
            for old, new in zip(results, tensors(function(*args, **kwargs)), strict=True):
                if old.untyped_storage()._cdata != new.untyped_storage()._cdata:
                    old.copy_(new)


def tensors(x: Any) -> list[Any]:
    if isinstance(x, tuple | list):
        return [z for y in x for z in tensors(y)]
    return [x] if isinstance(x, torch.Tensor) else []


class Recorder(TorchRecorder):
    """gradcore's own, which counts."""

    warm_ups = replays = 0

    def warm_up(self) -> Any:
        self.warm_ups += 1
        return super().warm_up()

    def replay(self) -> None:
        self.replays += 1
        super().replay()


class Taped(TorchBackend):
    name = "taped"
    tapes: list[Any] = []  # noqa: RUF012


class OnGpu(Taped):
    array_types = torch.Tensor, Graph  # so frames in this file are not the user's

    def recorder(self, device: Any = None) -> Recorder:
        self.tapes.append(Recorder(device))
        return self.tapes[-1]

    def from_numpy(self, x: Any, dtype: Any = None) -> Any:
        if Cuda.is_recording():
            Cuda.graph.refuse("nothing can be copied to it")
        return super().from_numpy(x, dtype)

    def to_numpy(self, x: Any) -> Any:
        if Cuda.is_recording():
            Cuda.graph.refuse("can't be read")
        return super().to_numpy(x).copy()


class Traced(Taped):
    def recorder(self, device: Any = None) -> None: ...

    def compiler(self, device: Any = None) -> type[Program]:  # noqa: ARG002
        return Program


class Program(TorchProgram):
    """gradcore's own, which counts."""

    replays = warm_ups = 0

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        Taped.tapes.append(self)

    def __call__(self, *args: Any) -> Any:
        self.replays += 1
        return super().__call__(*args)


def register(monkeypatch: pytest.MonkeyPatch, kind: str = "recorded") -> TorchBackend:
    """Have PyTorch's tensors on the CPU taken for a GPU's, unless steps are to be traced; give
    their backend, with its `tapes`."""
    backend = OnGpu() if kind == "recorded" else Traced()
    monkeypatch.setattr(Taped, "tapes", [])
    monkeypatch.setitem(registry._loaded, "taped", type(backend))
    monkeypatch.setitem(registry._instances, ("taped", "None"), backend)
    monkeypatch.setitem(BACKEND_OF_TYPE, torch.Tensor, backend)
    monkeypatch.delitem(BACKEND_OF_TYPE, FakeTensor, raising=False)
    if kind == "traced":
        return backend
    monkeypatch.setattr(Cuda, "log", [])
    fakes = {
        "Stream": Stream,
        "CUDAGraph": Graph,
        "current_stream": lambda: Cuda.current,
        "stream": Cuda.stream,
        "device": nullcontext,
        "current_device": lambda: 0,
        "graph_pool_handle": lambda: (0, 1),
        "synchronize": lambda: Cuda.log.append("synchronize"),
        "empty_cache": lambda: Cuda.log.append("empty cache"),
        "is_current_stream_capturing": Cuda.is_recording,
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    fakes = {
        "_cuda_clearCublasWorkspaces": lambda: Cuda.log.append("clear workspaces"),
        "_cuda_endAllocateToPool": lambda _, pool: Cuda.log.append(f"leave pool {pool}"),
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(torch._C, name, fake, raising=False)
    monkeypatch.setattr(torch.Tensor, "is_cpu", property(lambda x: x.device.type == "meta"))
    monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda x: x.device.type == "cpu"))

    return backend
