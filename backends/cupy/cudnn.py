"""Convolutions by cuDNN, through NVIDIA's Python front end, where this is installed.

A graph of cuDNN computes one convolution, or one of its two gradients, for one set of shapes. It is
planned once, which takes some milliseconds, and then runs on the addresses it is given
(https://docs.nvidia.com/deeplearning/cudnn/frontend/latest/).
"""

from __future__ import annotations

import importlib
import threading
from functools import cached_property
from typing import Any, NamedTuple

import cupy
import numpy as np

from ..definitions.convolution import Padding, Pair, output_size
from ..types import Array
from .fastest import Way
from .private import is_tf32

__all__ = ["Cudnn", "planned"]

LEAST = 75  # compute capability 7.5, as for gradcore's own kernels
PACKAGES = "'nvidia-cudnn-frontend>=1.27,<1.29' nvidia-cudnn-cu{cuda}"  # as in pyproject.toml
ALIGNMENT = 16  # bytes, of which the address of an array must be a multiple
TYPES = {np.dtype("float16"): "HALF", np.dtype("float32"): "FLOAT", np.dtype("float64"): "DOUBLE"}

X, W, Y, B = 1, 2, 3, 4  # numbers of the arrays of a graph: images, weights, results, bias
RESULTS = {"conv_fprop": Y, "conv_dgrad": X, "conv_wgrad": W}  # what each operation computes


class Layout(NamedTuple):
    """How an array of a graph lies in memory: without gaps, in the order N C H W or N H W C.

    Args:
        uid: its number in the graph.
        shape: (N, C, H, W) in either order.
        is_channels_last: whether the order is N H W C.
    """

    uid: int
    shape: tuple[int, ...]
    is_channels_last: bool

    @property
    def strides(self) -> tuple[int, ...]:
        """In elements."""
        _, c, h, w = self.shape
        return (c * h * w, 1, w * c, c) if self.is_channels_last else (c * h * w, h * w, w, 1)

    def empty(self, dtype: np.dtype) -> Array:
        """Make an array that lies so."""
        n, c, h, w = self.shape
        if self.is_channels_last:
            return cupy.empty((n, h, w, c), dtype).transpose(0, 3, 1, 2)
        return cupy.empty(self.shape, dtype)


class Case(NamedTuple):
    """All that a graph depends on."""

    operation: str
    dtype: np.dtype
    arrays: tuple[Layout, ...]  # the two operands, the bias if there is one, and the result
    stride: Pair
    padding: Padding
    dilation: Pair
    is_tf32: bool


def planned(cudnn: Any, case: Case, **where: Any) -> Any:
    """Plan a graph, so that it is ready to run.

    Args:
        cudnn: the module.
        case: what the graph is to compute.
        where: `handle`, of a device; or `device_property` and `sm_version`, which describe a device
            that need not be there.

    Raises:
        cudnn.cudnnGraphNotSupportedError: cuDNN can't compute the case as gradcore wants it.
    """
    notes, modes = cudnn.numerical_note, cudnn.heur_mode
    dtype = getattr(cudnn.data_type, TYPES[case.dtype])
    wide = cudnn.data_type.DOUBLE if case.dtype == np.float64 else cudnn.data_type.FLOAT
    graph = cudnn.pygraph(
        io_data_type=dtype, intermediate_data_type=wide, compute_data_type=wide, **where
    )
    *given, result = case.arrays
    first, second, *bias = [
        graph.tensor(dim=a.shape, stride=a.strides, data_type=dtype, uid=a.uid) for a in given
    ]
    y = getattr(graph, case.operation)(
        first,
        second,
        pre_padding=[before for before, _ in case.padding],
        post_padding=[after for _, after in case.padding],
        stride=case.stride,
        dilation=case.dilation,
    )
    if bias:
        y = graph.bias(y, *bias)
    y.set_uid(result.uid).set_output(True).set_data_type(dtype)
    y.set_dim(result.shape).set_stride(result.strides)

    graph.validate()
    graph.build_operation_graph()
    graph.create_execution_plans([modes.A, modes.FALLBACK])
    # NONDETERMINISTIC gives other bits each time; the others are less exact than sums of products.
    unwanted = [notes.NONDETERMINISTIC, notes.FFT, notes.WINOGRAD]
    unwanted += [notes.REDUCED_PRECISION_REDUCTION]
    if case.dtype == np.float32 and not case.is_tf32:
        unwanted += [notes.TENSOR_CORE, notes.DOWN_CONVERT_INPUTS]
    graph.deselect_numeric_notes(unwanted)
    graph.check_support()
    graph.build_plans()
    return graph


class Cudnn(Way):
    """The way to compute convolutions by cuDNN.

    Its methods take floating arrays of one dtype that are not empty. Where the channels of the
    images given are last in memory, so are those of the result. All other results, and gradients of
    weights always, are in C order.
    """

    name = "cudnn"

    def __init__(self) -> None:
        self.lock = threading.Lock()  # cuDNN wants no two threads to use a handle at a time
        self.handles: dict[int, Any] = {}  # by the number of the device
        # By device and case: the graph, and the bytes of its workspace. All are kept, as captured
        # steps run them.
        self.plans: dict[tuple[int, Case], tuple[Any, int]] = {}

    @cached_property
    def cudnn(self) -> Any:
        """The module, imported when it is first needed."""
        return importlib.import_module("cudnn")

    def problem(self) -> str | None:
        packages = PACKAGES.format(cuda=cupy.cuda.runtime.runtimeGetVersion() // 1000)
        try:
            self.cudnn.backend_version()
        except ModuleNotFoundError as error:
            if error.name == "cudnn":
                return f"nvidia-cudnn-frontend is not installed; pip install {packages}"
            return f"nvidia-cudnn-frontend lacks {error.name}; pip install {packages}"
        except Exception as error:  # the loader's, or the system's
            return f"nvidia-cudnn-frontend finds no cuDNN ({error}); pip install {packages}"
        found = int(cupy.cuda.Device().compute_capability)
        if found < LEAST:
            return f"cuDNN is for compute capability {LEAST / 10} or more, not {found / 10}"
        return None

    # `steps` are stride, padding and dilation. cuDNN sees the groups by the numbers of channels.

    def conv2d(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        *,
        groups: int,  # noqa: ARG002
        **steps: Any,
    ) -> Array:
        shape = len(x), len(w), *output_size(x.shape[2:], w.shape[2:], **steps)
        bias = {} if b is None else {B: b.reshape(1, -1, 1, 1)}
        return self._run("conv_fprop", {X: x, W: w, **bias}, shape, **steps)

    def conv2d_input_gradient(
        self, go: Array, w: Array, *, size: Pair, groups: int, **steps: Any
    ) -> Array:
        shape = len(go), w.shape[1] * groups, *size
        return self._run("conv_dgrad", {Y: go, W: w}, shape, **steps)

    def conv2d_weight_gradient(
        self, x: Array, go: Array, *, kernel: Pair, groups: int, **steps: Any
    ) -> Array:
        shape = go.shape[1], x.shape[1] // groups, *kernel
        return self._run("conv_wgrad", {X: x, Y: go}, shape, **steps)

    def _run(
        self, operation: str, given: dict[int, Array], shape: tuple[int, ...], **steps: Any
    ) -> Array:
        """Run an operation on the arrays given, by their numbers; its result has this shape."""
        dtypes = {x.dtype for x in given.values()}
        if len(dtypes) > 1 or not dtypes <= TYPES.keys():
            found = ", ".join(sorted(map(str, dtypes)))
            raise TypeError(f"cudnn: {operation} takes floating arrays of one dtype, not {found}")
        if not all((*shape, *(x.size for x in given.values()))):
            raise ValueError(f"cudnn: {operation} takes no empty arrays")
        (dtype,), made = dtypes, RESULTS[operation]
        packed = {uid: _packed(x) for uid, x in given.items()}
        layouts = [Layout(uid, x.shape, is_last) for uid, (x, is_last) in packed.items()]
        result = Layout(made, shape, layouts[0].is_channels_last and made != W)
        case = Case(operation, dtype, (*layouts, result), **steps, is_tf32=is_tf32())
        y = result.empty(dtype)
        places = {uid: x.data.ptr for uid, (x, _) in packed.items()} | {made: y.data.ptr}
        with self.lock:
            graph, size = self._plan(case)
            workspace = cupy.cuda.alloc(size) if size else None
            graph.execute(places, workspace and workspace.ptr, handle=self._handle())
        return y

    def _plan(self, case: Case) -> tuple[Any, int]:
        """The graph of a case on the current device, and the bytes of its workspace."""
        key = cupy.cuda.runtime.getDevice(), case
        if key not in self.plans:
            if cupy.cuda.get_current_stream().is_capturing():
                raise RuntimeError(f"cudnn: can't plan a new {case.operation} during a capture")
            graph = planned(self.cudnn, case, handle=self._handle())
            self.plans[key] = graph, graph.get_workspace_size()
        return self.plans[key]

    def _handle(self) -> Any:
        """The handle of the current device, set to its current stream."""
        device = cupy.cuda.runtime.getDevice()
        if device not in self.handles:
            self.handles[device] = self.cudnn.create_handle()
        handle = self.handles[device]
        self.cudnn.set_stream(handle, cupy.cuda.get_current_stream().ptr)
        return handle


def _packed(x: Array) -> tuple[Array, bool]:
    """Give x, copied if cuDNN can't read it where it is, and whether its channels are last in
    memory."""
    if x.data.ptr % ALIGNMENT == 0:
        if x.flags.c_contiguous:
            return x, False
        if x.transpose(0, 2, 3, 1).flags.c_contiguous:
            return x, True
    return x.copy(), False
