"""Types in the signatures of backends: arrays, dtypes, numbers, and what captures steps."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

__all__ = [
    "Array",
    "Compiler",
    "DType",
    "Exchange",
    "Number",
    "Program",
    "Recorder",
    "Reduction",
    "Request",
    "Traced",
    "UntraceableError",
]

Array = Any  # an array of whichever library the backend wraps
DType = Any  # a dtype of that library
Number = Any  # one of Python's or, in a step being captured, an array of no dimensions

# A step as a pure function of three arguments: `state`, `numbers` and `inputs`, as in `Program`. It
# puts the state into the nodes and optimizers, runs the step, takes the state out again, and leaves
# everything as it was. So it can be called with whatever stands for arrays in the library.
Traced = Callable[
    [list[Array], dict[str, Array], list[Array]], tuple[list[Array | None], list[Array]]
]


class UntraceableError(RuntimeError):
    """A program can't do what the step does; the message says why, and what to do instead."""


class Program(Protocol):
    """Do what a step does, without its Python code."""

    def __call__(
        self, state: list[Array], numbers: dict[str, Any], inputs: list[Array]
    ) -> tuple[list[Array | None], list[Array]]:
        """Do one step.

        Args:
            state: what the step starts from: values and gradients of nodes, and the memory of
                optimizers. Each call has as many, of the same shapes and dtypes. The program may
                overwrite or delete an array that nobody else holds: that is, where
                `backends.ownership.holders(state, i, operator.getitem)` is 2, for the place that
                the array comes from, and the list.
            numbers: what changes on the host from step to step. A list of numbers, by the name of
                their dtype; or an array of NumPy, drawn at random. In place of each the traced step
                takes an array. What has not changed is the same object as in the call before.
            inputs: the arrays among the step's arguments, which belong to the caller.

        Returns:
            The state after the step: for each array of `state` what takes its place, the same array
            if the step does not change it, or `None` if there is none any more; then what has begun
            in the step. And the arrays among the step's results, which are the caller's own.
        """
        ...


# Makes a program of a traced step. It calls the first argument with what stands for the other
# three, which are examples of what the program will be given, and stay as they are.
Compiler = Callable[[Traced, list[Array], dict[str, Any], list[Array]], Program]


class Recorder(Protocol):
    """Record once what a device is asked to do, and replay the record any number of times.

    A record has fixed arrays: each replay reads and writes the memory that the arrays had while
    it was recorded.
    """

    def on_device(self) -> AbstractContextManager[object]:
        """Inside the block, make the recorder's device the library's current one, if it has one."""
        ...

    def warm_up(self) -> AbstractContextManager[None]:
        """Inside the block, do work as it will be recorded: kernels are compiled, and memory is
        allocated, before the recording starts."""
        ...

    def record(self) -> AbstractContextManager[None]:
        """Inside the block, record work without doing it.

        New arrays get memory that only replays write to, as long as this recorder lives. Reading
        an array on the host is a RuntimeError.
        """
        ...

    def replay(self) -> None:
        """Do once what was recorded."""
        ...


Reduction = Literal["sum", "max", "min"]


class Request(Protocol):
    """An exchange under way."""

    def wait(self) -> Array:
        """Wait for the exchange, and give its result."""
        ...


class Exchange(Protocol):
    """The processes of a run, and how they exchange arrays. `gradcore.distributed.Communicator`
    says what each method does."""

    rank: int
    size: int

    def __hash__(self) -> int: ...
    def allreduce(self, x: Array, op: Reduction = "sum") -> Array: ...
    def iallreduce(self, x: Array) -> Request: ...
    def reduce_scatter(self, x: Array) -> Array: ...
    def allgather(self, x: Array) -> Array: ...
    def broadcast(self, x: Array, root: int = 0) -> Array: ...
    def barrier(self) -> None: ...
    def allgather_object(self, x: Any) -> list[Any]: ...
    def abort(self, why: str, status: int = 1) -> None: ...
