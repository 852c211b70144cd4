"""Define what a backend is: one array library, on one device.

A subclass of `Backend` names its library, and overrides only what the library spells differently or
can do faster. The kernels come from `definitions/`, in plain array API standard code: these
definitions are the specification that every override is tested against.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from .definitions import (
    AttentionKernels,
    ConvolutionKernels,
    ElementwiseKernels,
    ImageKernels,
    LinalgKernels,
    LossKernels,
    NormalizationKernels,
    OptimizerUpdates,
    RandomBits,
    RecurrentKernels,
)
from .types import Array, Compiler, DType, Exchange, Recorder

__all__ = ["Backend"]

NARROW: dict[type, type] = {np.float64: np.float32, np.complex128: np.complex64}
DTYPES = re.compile("bool|u?int(8|16|32|64)|float(16|32|64)|complex(64|128)")


class Backend(
    AttentionKernels,
    RecurrentKernels,
    ConvolutionKernels,
    ImageKernels,
    LinalgKernels,
    LossKernels,
    NormalizationKernels,
    ElementwiseKernels,  # after those that inherit from it
    OptimizerUpdates,
    RandomBits,
):
    """One array library on one device: its namespace, the way in and out, and the kernels.

    Args:
        device: the library's name of a device (`1` for CuPy's second GPU, `"device1"` for the
            strict library); `None` is the library's default.

    Example:
        >>> backend = gradcore.backends.get("numpy")
        >>> x = backend.asarray([1.0, 2.0], "float64")
        >>> print(backend.xp.sqrt(x).round(3), backend.name)
        [1.    1.414] numpy
    """

    several_devices: ClassVar[bool] = True  # can two arrays of this library be on two devices?
    takes_subclasses: ClassVar[bool] = True  # or does `asarray` give a plain array of them?

    has_64_bits: ClassVar[bool] = True  # or does a switch of the library leave such dtypes out now?

    # Finds the backend of any array. The registry, which knows all backends, puts it here.
    _backend_of: ClassVar[Callable[[Array], Backend]]

    def __init__(self, device: Any = None) -> None:
        self.device = device

    def __repr__(self) -> str:
        return self.name if self.device is None else f"{self.name} ({self.device})"

    @classmethod
    def problem(cls) -> str | None:
        """Say why this backend can't run here and what to do about it; `None` if it can."""
        return None

    def make_current(self) -> Callable[[], object]:
        """Prepare the library for this being the default backend.

        A library that puts new arrays on a current device of its own, as CuPy does, changes its
        current device here.

        Returns:
            A function that undoes the change.
        """
        return lambda: None

    def environment(self) -> dict[str, str]:
        """Name the environment variables that make this device the default of a new process."""
        return {}

    def device_of(self, local_rank: int) -> Any:  # noqa: ARG002
        """Name the device for one of several processes on this machine, which a launcher such as
        mpirun has numbered; `None`, if processes share this backend's device."""
        return None

    def describe_device(self) -> str:
        """Name the device for people."""
        return "CPU" if self.device is None else str(self.device)

    def describe_library(self) -> str:
        """Name the library and its version."""
        library = self.array_types[0].__module__.partition(".")[0]
        return f"{library} {getattr(sys.modules[library], '__version__', '')}".strip()

    def dtype(self, dtype: DType | str | None) -> DType:
        """Find the library's dtype of that name; dtypes and `None` pass through."""
        if not isinstance(dtype, str):
            return dtype
        if not DTYPES.fullmatch(dtype) or not hasattr(self.xp, dtype):
            raise ValueError(f"{self.name} has no dtype {dtype!r}; try 'float32'")
        return getattr(self.xp, dtype)

    def asarray(self, x: Any, dtype: DType | str | None = None) -> Array:
        """Give `x` as an array on this backend's device, copied only if it must be.

        Args:
            x: an array of any backend, which keeps its dtype, or numbers in (nested) lists,
                where Python floats become float32, the default of parameters, and complex numbers
                complex64.
            dtype: the dtype wanted, as this library's object or by name.

        Raises:
            TypeError: `x` is neither array nor numbers.
        """
        dtype = self.dtype(dtype)
        if isinstance(x, (*self.array_types, *self.scalar_types)):
            return self.xp.asarray(x, dtype=dtype, device=self.device)
        if hasattr(x, "__array_namespace__") or hasattr(x, "__dlpack__"):
            x = Backend._backend_of(x).to_numpy(x)
        else:
            x = np.asarray(x)
            if x.dtype.kind not in "biufc":
                raise TypeError(f"{self.name}: expected an array or numbers, not {x.dtype}")
            if x.dtype.type in NARROW and dtype is None:
                x = x.astype(NARROW[x.dtype.type])
        return self.from_numpy(x, dtype)

    def accepted(self, x: Array) -> Array:
        """Give the array x of this library as it takes part in a graph.

        Raises:
            TypeError: it can't take part; the message says why, and what to give in its place.
        """
        return x

    def from_numpy(self, x: np.ndarray, dtype: DType | None = None) -> Array:
        """Give the NumPy array `x` as an array on this backend's device."""
        return self.xp.asarray(x, dtype=dtype, device=self.device)

    def to_numpy(self, x: Array) -> np.ndarray:
        """Give the array `x` of this library as a NumPy array, copied to the host where needed."""
        return np.from_dlpack(x)

    def host_call(self, function: Callable[[np.ndarray], Any], x: Array) -> Array | None:
        """Call a function of a NumPy array with `x`, on the host: to send it to another process,
        for example. Give its result on the device of `x`; `None` if there is none.

        A captured step whose program is a plan calls the function in each replay. Other programs
        can't: the error is that of a step which reads an array.
        """
        y = function(self.to_numpy(x))
        return None if y is None else self.xp.asarray(y, device=x.device)

    def alias(self, x: Array) -> Array:
        """Give another object of this library for the array x: a view, if the library has views."""
        return x[...]

    def error(self, error: Exception) -> Exception:
        """Give the error that NumPy would raise in the place of one of this library's: ValueError
        for shapes that do not fit, MemoryError; or the error itself."""
        return error

    def text(self, x: Array, prefix: str | None = None) -> str:
        """Print the elements of the array `x` as NumPy's `str` does. Of many elements, only those
        that are printed, at the corners, are copied to the host.

        Args:
            prefix: what stands before the text, which then is as NumPy's `repr` has it, and
                indented as far.
        """
        options = np.get_printoptions()
        edge, most = options["edgeitems"], options["threshold"]
        if math.prod(x.shape) > most:
            for axis in sorted(range(x.ndim), key=lambda a: -x.shape[a]):
                before, n = (slice(None),) * axis, x.shape[axis]
                if n > 2 * edge + 1:  # one element stays for the dots
                    ends = [(*before, part, ...) for part in (slice(edge + 1), slice(n - edge, n))]
                    x = self.xp.concat([x[key] for key in ends], axis=axis)
            most = 0
        host = self.to_numpy(x)
        if prefix is None and not host.ndim:  # `str` of a number has all its digits
            return str(host)
        separator = " " if prefix is None else ", "
        return np.array2string(host, separator=separator, prefix=prefix or "", threshold=most)

    def eig(self, a: Array) -> tuple[Array, Array]:
        """Compute the eigenvalues (..., M) and eigenvectors, the columns of (..., M, M), of square
        matrices, all as complex numbers, by NumPy on the host. LAPACK gives vectors of length 1, of
        which the largest element is real.

        The standard has `eig` since 2025.12, and most libraries have none for their devices.
        """
        w, v = np.linalg.eig(self.to_numpy(a))
        w, v = (y.astype(np.result_type(y, np.complex64), copy=False) for y in (w, v))
        return self.xp.asarray(w, device=a.device), self.xp.asarray(v, device=a.device)

    def eigvals(self, a: Array) -> Array:
        """Compute what `eig` does without the vectors, perhaps in another order."""
        w = np.linalg.eigvals(self.to_numpy(a))
        return self.xp.asarray(w.astype(np.result_type(w, np.complex64)), device=a.device)

    def store(self, x: Any, dtype: DType | str | None = None) -> Array:
        """Give a set of data as an array on this backend's device, as `asarray` does.

        A set that would fill the device becomes a NumPy array in the host's memory.
        """
        return self.asarray(x, dtype)

    def copies(self, batches: Iterable[Iterable[Any]]) -> Iterator[tuple[Array, ...]]:
        """Yield the arrays of each batch on this backend's device. A backend may copy the next
        batch while its device works on this one."""
        return (tuple(map(self.asarray, batch)) for batch in batches)

    def used_memory(self) -> int:
        """Count the bytes of the device's memory in arrays; 0 where nothing counts them."""
        return 0

    def describe_memory(self) -> str:
        """Say for people how much memory of the device is in use and free; empty where arrays lie
        in the host's memory."""
        return ""

    def limit_memory(self, size: int) -> None:
        """Let arrays on this backend's device take no more than `size` bytes together.

        Raises:
            ValueError: the library has no such limit.
        """
        raise ValueError(f"{self.name} can't limit its memory ({size / 1e9:g} GB); cupy can")

    def allow_tf32(self, matmul: bool | None = None, convolutions: bool | None = None) -> None:
        """Choose which products of float32 may be in TF32: tensor cores of GPUs then round the
        numbers that they multiply to 11 bits, and add up in float32.

        As in PyTorch, convolutions may at first, and `matmul` may not. Where a device has no TF32,
        nothing changes. A step that was captured stays as it was.

        Args:
            matmul: products of matrices; `None` leaves this as it is.
            convolutions: and their gradients, where cuDNN computes them; `None` likewise.
        """

    def choices(self) -> dict[str, str]:
        """Say for people what this process has chosen by measurement so far: for each case the name
        of the fastest, and the times of all."""
        return {}

    @contextmanager
    def host_reads(self) -> Iterator[list[str]]:
        """In the block, list each time that the host waits for the device, whoever asks for it.

        This definition is for libraries that don't tell: it lists the arrays that gradcore reads,
        all of which go through `to_numpy`, also those of `float(node)` and `bool(node)`.
        """
        kind, reads = type(self), list[str]()
        to_numpy, own = kind.to_numpy, vars(kind).get("to_numpy")

        def noting(self: Backend, x: Array) -> np.ndarray:
            if not isinstance(x, kind.scalar_types):  # which are on the host
                reads.append("to_numpy")
            return to_numpy(self, x)

        kind.to_numpy = noting  # type: ignore[method-assign]
        try:
            yield reads
        finally:
            if own:
                kind.to_numpy = own  # type: ignore[method-assign]
            else:
                del kind.to_numpy

    def recorder(self, device: Any = None) -> Recorder | None:  # noqa: ARG002
        """Give `gradcore.capture` a recorder of steps whose arrays are on `device`; `None` where
        the library can't record. Where it can't compile either, steps simply run."""
        return None

    def compiler(self, device: Any = None) -> Compiler | None:  # noqa: ARG002
        """Give `gradcore.capture` what makes programs of steps whose arrays are on `device`: the
        library traces the step as a function of arrays. `None` where the library can't."""
        return None

    def is_traced(self, x: Array) -> bool:  # noqa: ARG002
        """Say whether `x` stands for the arrays of later calls, while the library traces a step:
        nothing may keep it for longer."""
        return False

    def communicator(self, host: Exchange) -> Exchange | None:  # noqa: ARG002
        """Give what exchanges arrays of this library between the devices of the processes of a run.

        All of them call this, one after the other for each library.

        Args:
            host: exchanges what lies in the hosts' memory, between the same processes.

        Returns:
            A `gradcore.backends.types.Exchange`; `None` where `host` is what there is.

        Raises:
            RuntimeError: in all processes, if there should be one and it can't work.
        """
        return None

    def owns_memory(self, x: Array) -> bool:  # noqa: ARG002
        """Say whether `x` may be written to and no other array uses its memory; `False`, the safe
        answer, costs a copy."""
        return False
