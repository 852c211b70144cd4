"""Convolutions by cuDNN, through NVIDIA's Python front end, where this is installed.

A graph of cuDNN computes one convolution, or one of its two gradients, for one set of shapes. It is
planned once, which takes some milliseconds, and then runs on the addresses it is given
(https://docs.nvidia.com/deeplearning/cudnn/frontend/latest/).
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, NamedTuple

import cupy
import numpy as np

from ..definitions.convolution import Padding, Pair
from ..types import Array
from .fastest import KEPT, Plan, Way
from .layouts import empty, in_order, is_channels_last, packed
from .private import call_of
from .tf32 import in_convolutions
from .windows import shapes_of

__all__ = ["Cudnn", "planned"]

LEAST = 75  # compute capability 7.5, as for gradcore's own kernels
PACKAGES = "'nvidia-cudnn-frontend>=1.27,<1.29' nvidia-cudnn-cu{cuda}"  # as in pyproject.toml
ALIGNMENT = 16  # bytes, of which the address of an array must be a multiple
Call = Callable[[dict[int, int], int, Any], None]  # runs a graph
TYPES = {np.dtype("float16"): "HALF", np.dtype("float32"): "FLOAT", np.dtype("float64"): "DOUBLE"}

X, W, Y, B = 1, 2, 3, 4  # numbers of the arrays of a graph: images, weights, results, bias
OPERATIONS = {  # by method: cuDNN's operation, the arrays that it is given, and the one it computes
    "conv2d": ("conv_fprop", (X, W, B), Y),
    "conv2d_input_gradient": ("conv_dgrad", (Y, W), X),
    "conv2d_weight_gradient": ("conv_wgrad", (X, Y), W),
}


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
    # TF32 is no DOWN_CONVERT_INPUTS, which is to 16 bits.
    unwanted = [notes.NONDETERMINISTIC, notes.FFT, notes.WINOGRAD]
    unwanted += [notes.REDUCED_PRECISION_REDUCTION, notes.DOWN_CONVERT_INPUTS]
    if case.dtype == np.float32 and not case.is_tf32:
        unwanted += [notes.TENSOR_CORE]
    graph.deselect_numeric_notes(unwanted)
    graph.check_support()
    graph.build_plans()
    return graph


class Cudnn(Way):
    """The way to compute convolutions by cuDNN.

    It takes floating arrays of one dtype that are not empty. Images lie in C order or channels last
    in memory, and resulting images as the first ones given. Gradients of weights are in C order.
    Where images are channels last and weights are not, cuDNN itself copies the weights.
    """

    name = "cudnn"

    def __init__(self) -> None:
        self.lock = threading.Lock()  # cuDNN wants no two threads to use a handle at a time
        self.handles: dict[int, tuple[Any, int | None]] = {}  # by device, with their streams
        # By device and case: what runs the graph, and the bytes of its workspace. Plans have
        # their own: what is forgotten here, no plan loses.
        self.graphs: dict[tuple[int, Case], tuple[Call, int]] = {}

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

    def version(self) -> str:
        """That of cuDNN, and that of its front end."""
        return f"{self.cudnn.backend_version_string()} (front end {self.cudnn.__version__})"

    def plan(self, method: str, *arrays: Array | None, **options: Any) -> Plan:
        operation, uids, made = OPERATIONS[method]
        given = {uid: x for uid, x in zip(uids, arrays, strict=True) if x is not None}
        dtypes = {x.dtype for x in given.values()}
        if len(dtypes) > 1 or not dtypes <= TYPES.keys():
            found = ", ".join(sorted(map(str, dtypes)))
            raise TypeError(f"cudnn: {operation} takes floating arrays of one dtype, not {found}")
        first, second = given[uids[0]], given[uids[1]]
        shapes = shapes_of(method, first.shape, second.shape, **options)
        shape = shapes[(X, W, Y).index(made)]
        if not all((*shape, *(x.size for x in given.values()))):
            raise ValueError(f"cudnn: {operation} takes no empty arrays")
        (dtype,), (_, is_last) = dtypes, packed(first)
        layouts = {uid: Layout(uid, x.shape, is_last) for uid, x in given.items()}
        if W in given:
            layouts[W] = Layout(W, given[W].shape, is_channels_last(given[W]))
        if B in given:
            layouts[B] = Layout(B, (1, len(given[B]), 1, 1), is_channels_last=False)
        result = Layout(made, shape, is_last and made != W)
        # cuDNN sees the groups by the numbers of channels.
        steps = {name: options[name] for name in ("stride", "padding", "dilation")}
        is_tf32 = dtype == np.float32 and in_convolutions()
        case = Case(operation, dtype, (*layouts.values(), result), **steps, is_tf32=is_tf32)
        device = cupy.cuda.runtime.getDevice()
        run, size = self._graph(device, case)
        readers = [(n, uid, _reader(x, layouts[uid])) for n, (uid, x) in enumerate(given.items())]

        def call(*arrays: Any) -> Array:
            y = empty(shape, dtype, result.is_channels_last)
            places, copies = {made: y.data.ptr}, []
            for n, uid, read in readers:
                x = arrays[n]
                if read or x.data.ptr % ALIGNMENT:
                    x = read(x) if read else x.copy(order="K")
                    copies.append(x)  # which keeps it until it is read
                places[uid] = x.data.ptr
            with self.lock:
                workspace = cupy.cuda.alloc(size) if size else None
                run(places, workspace.ptr if workspace else 0, self._handle(device))
            return y

        return call

    def _graph(self, device: int, case: Case) -> tuple[Call, int]:
        """The graph of a case on the current device, ready to run, and the bytes of its
        workspace."""
        key = device, case
        found = self.graphs.get(key)
        if found is None:
            if cupy.cuda.get_current_stream().is_capturing():
                raise RuntimeError(f"cudnn: can't plan a new {case.operation} during a capture")
            with self.lock:
                graph = planned(self.cudnn, case, handle=self._handle(device))
            if len(self.graphs) >= KEPT:
                self.graphs.clear()
            found = self.graphs[key] = call_of(graph), graph.get_workspace_size()
        return found

    def _handle(self, device: int) -> Any:
        """The handle of the current device, set to its current stream, which takes time where it
        changes."""
        stream = cupy.cuda.get_current_stream().ptr
        if device not in self.handles:
            self.handles[device] = self.cudnn.create_handle(), None
        handle, before = self.handles[device]
        if stream != before:
            self.cudnn.set_stream(handle, stream)
            self.handles[device] = handle, stream
        return handle


def _reader(x: Array, layout: Layout) -> Callable[[Array], Array] | None:
    """What copies x as a graph wants it; `None`: x lies so."""
    if x.ndim == 1:
        return None if x.flags.c_contiguous else cupy.ascontiguousarray
    is_last = layout.is_channels_last
    lies_so = is_channels_last(x) if is_last else x.flags.c_contiguous
    return None if lies_so else partial(in_order, channels_last=is_last)
