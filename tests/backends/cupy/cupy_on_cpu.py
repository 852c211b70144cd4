"""Play CuPy on a machine without it: NumPy's arrays with CuPy's semantics, and compiled kernels.

`register()` makes the backend "cupy-like": gradcore's own CuPy backend, all of it, on this
stand-in. As with CuPy, arrays have a type of their own, which does not mix with NumPy's arrays;
results without dimensions stay arrays; indices out of range count on from the other end; nothing
warns of overflow. New memory is full of UNWRITTEN.

`device` keeps the books: in `reads`, what would have made the host wait for the device, which is an
error inside `no_reads()`; in `launches` and `uploads`, how often CUDA would have been asked for
kernels, products, copies on the device and zero-fills, and for copies to the device: what CuPy
asks for, see test_counts.py. Tests of what a capture forbids set `is_capturing`.

The bodies of kernels are valid CUDA and valid C++. A C++ compiler compiles all kernels in all
types, in one go, with cuda_on_cpu.h; `device.ran` has the symbol of each that has run.

CuPy's own code, its memory pools, streams and graphs are not played: gpu_on_cpu/ runs these, where
CuPy's wheel can be installed.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib
import itertools
import math
import operator
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from gradcore.backends import get, registry

try:
    import fcntl
except ImportError:  # on Windows, which has no such locks
    fcntl = None  # type: ignore[assignment]

NAME = "cupy-like"  # of the backend
HEADER = Path(__file__).with_name("cuda_on_cpu.h")
BUILD = Path(__file__).parents[3] / "build" / "kernels"
C_TYPES = {
    **{f"{u}int{n}": f"{u}int{n}_t" for u in ("", "u") for n in (8, 16, 32)},
    **{"int64": "long long", "uint64": "unsigned long long", "bool": "bool"},
    **{"float16": "float16", "float32": "float", "float64": "double"},
}


class HostReadError(BaseException):
    """The host has waited for the device where it must not. Nothing may catch this."""


class Device:
    """What has happened on the device, for tests to ask."""

    def __init__(self) -> None:
        self.reads: list[str] = []
        self.launches = self.uploads = 0
        self.refuses = self.is_capturing = False
        self.ran: set[tuple[str, str]] = set()

    def read(self, what: str) -> None:
        self.reads.append(what)
        if self.refuses:
            raise HostReadError(f"{what} makes the host wait for the device")

    @contextmanager
    def no_reads(self) -> Iterator[None]:
        self.refuses = True
        try:
            yield
        finally:
            self.refuses = False

    @contextmanager
    def counted(self) -> Iterator[SimpleNamespace]:
        """Give an object that after the block has its `reads`, `launches` and `uploads`."""
        before = len(self.reads), self.launches, self.uploads
        counts = SimpleNamespace()
        yield counts
        counts.reads = self.reads[before[0] :]
        counts.launches, counts.uploads = self.launches - before[1], self.uploads - before[2]


device = Device()

# -- Arrays ---------------------------------------------------------------------------------------


class ndarray:  # noqa: N801 (CuPy's name)
    __slots__ = ("__weakref__", "array")
    __array_ufunc__ = None  # NumPy leaves all operators to this class
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, shape: Any, dtype: Any, memptr: Any) -> None:
        self.array = np.frombuffer(memptr.memory.owner, dtype, math.prod(shape))

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed; use `.get()`")

    def __array_namespace__(self, **_: Any) -> Any:
        """Give the namespace. CuPy's arrays lack this method: their class is enough for
        array_api_compat, which does not know this class."""
        return registry.BACKEND_OF_TYPE[ndarray].xp

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @shape.setter
    def shape(self, shape: Any) -> None:
        self.array = self.array.view()
        self.array.shape = shape

    dtype = property(lambda self: self.array.dtype)
    ndim = property(lambda self: self.array.ndim)
    size = property(lambda self: self.array.size)
    itemsize = property(lambda self: self.array.itemsize)
    nbytes = property(lambda self: self.array.nbytes)
    strides = property(lambda self: self.array.strides)
    flags = property(lambda self: self.array.flags)
    base = property(lambda self: self.array.base)
    data = property(lambda self: SimpleNamespace(ptr=self.array.ctypes.data))
    device = property(lambda _: CUDADevice(0))
    T = property(lambda self: called(operator.attrgetter("T"), self))
    mT = property(lambda self: called(operator.attrgetter("mT"), self))  # noqa: N815
    real = property(lambda self: called(operator.attrgetter("real"), self))
    imag = property(lambda self: called(operator.attrgetter("imag"), self))

    def __len__(self) -> int:
        return len(self.array)

    def __format__(self, spec: str) -> str:
        return format(self.array[()], spec)

    def __repr__(self) -> str:
        return f"on the device: {self.array!r}"

    def __iter__(self) -> Iterator[ndarray]:  # over arrays, which stay on the device
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> ndarray:
        entries = key if isinstance(key, tuple) else (key,)
        self._look_for_masks(entries)
        return called(operator.getitem, self, self._around(entries) if _has_arrays(key) else key)

    def __setitem__(self, key: Any, value: Any) -> None:
        entries = key if isinstance(key, tuple) else (key,)
        self._look_for_masks(entries)
        key = self._around(entries) if _has_arrays(key) else key
        device.launches += 1
        with np.errstate(all="ignore"):
            self.array[unwrap(key)] = unwrap(value)

    def _look_for_masks(self, entries: tuple[Any, ...]) -> None:
        if any(isinstance(k, ndarray) and k.dtype == bool for k in entries):
            device.read("indexing with a mask")

    def _around(self, entries: tuple[Any, ...]) -> tuple[Any, ...]:
        """Replace indices out of range by those that are counted on from the other end."""
        found, axis = [], 0
        for k in entries:
            if isinstance(k, ndarray) and k.dtype != bool:
                k = wrap(k.array % self.shape[axis])
            found.append(k)
            axis += k.ndim if isinstance(k, ndarray) and k.dtype == bool else k is not None
        return tuple(found)

    def get(self) -> np.ndarray:
        device.read("get")
        return self.array.copy()

    def __dlpack__(self, **_: Any) -> Any:
        raise BufferError("this array is on a GPU, where no other library of this process is")

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0


def _has_arrays(key: Any) -> bool:
    return any(isinstance(k, ndarray) for k in (key if isinstance(key, tuple) else (key,)))


def wrap(x: Any, given: Any = ()) -> Any:
    """Make arrays of the device of NumPy's results, in the same memory; a result that is one of the
    arrays `given` becomes that array again."""
    if isinstance(x, tuple | list):
        several = [wrap(y, given) for y in x]
        return type(x)(*several) if hasattr(x, "_fields") else type(x)(several)
    if not isinstance(x, np.ndarray | np.generic):
        return x
    for y in given:
        if y.array is x:
            return y
    is_new = x.base is None or not any(np.may_share_memory(x, y.array) for y in given)
    device.launches += bool(is_new and x.size)
    return made(x)


def made(x: Any) -> ndarray:
    """Make an array of the device, with no launch."""
    new = object.__new__(ndarray)
    new.array = np.asarray(x)
    return new


def unwrap(x: Any) -> Any:
    """Give NumPy's arrays in the place of arrays of the device, also in tuples and lists."""
    if isinstance(x, ndarray):
        return x.array
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")
    if isinstance(x, tuple | list):
        return type(x)(map(unwrap, x))
    return x


def arrays_in(x: Any) -> Iterator[ndarray]:
    """Yield the arrays of the device in x, also from tuples and lists."""
    if isinstance(x, ndarray):
        yield x
    elif isinstance(x, tuple | list):
        for y in x:
            yield from arrays_in(y)


def called(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call a function of NumPy's with arrays of the device."""
    plain = {name: unwrap(x) for name, x in options.items()}
    device.launches += options.get("out") is not None  # which `wrap` does not take for new
    given = list(arrays_in((*arguments, *options.values())))
    with np.errstate(all="ignore"):
        result = function(*unwrap(arguments), **plain)
        if isinstance(function, np.ufunc) or function in IN_C_ORDER:
            result = _in_c_order(result, [y.array for y in given])
    return wrap(result, given)


def _in_c_order(x: Any, given: list[np.ndarray]) -> Any:
    """Give new arrays in C order, as CuPy does; NumPy keeps the order of the operands."""
    if isinstance(x, tuple):
        return tuple([_in_c_order(y, given) for y in x])
    is_new = isinstance(x, np.ndarray) and x.ndim and all(x is not y for y in given)
    return np.ascontiguousarray(x) if is_new else x


# fmt: off
BINARY = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor",
          "lshift", "rshift"]
OTHERS = ["eq", "ne", "lt", "le", "gt", "ge", "neg", "pos", "abs", "invert"]
READERS = ["__bool__", "__int__", "__float__", "__complex__", "__index__", "item", "tolist",
              "tobytes"]
METHODS = ["all", "any", "argmax", "argmin", "astype", "conj", "copy", "cumsum", "diagonal", "dot",
           "fill", "flatten", "max", "mean", "min", "prod", "ravel", "repeat", "reshape", "round",
           "squeeze", "std", "sum", "swapaxes", "trace", "transpose", "var", "view"]
# fmt: on
NUMBERS = (bool, int, float, complex, np.generic)
IN_C_ORDER = {  # functions besides ufuncs whose results NumPy gives in the order of the operands
    *(getattr(operator, f"__{name}__") for name in [*BINARY, *OTHERS]),
    *(np.where, np.concatenate, np.stack, np.take, np.round, np.clip, np.real, np.imag),
    *(np.ndarray.copy, np.ndarray.round, np.ndarray.conj),
}


def _operator(name: str, is_reflected: bool = False) -> Callable[..., Any]:
    function = getattr(operator, name)

    def method(self: ndarray, *other: Any) -> Any:
        if other and not isinstance(other[0], (ndarray, np.ndarray, *NUMBERS)):
            return NotImplemented
        device.launches += name.startswith("__i") and name != "__invert__"  # gives self
        return called(function, *other, self) if is_reflected else called(function, self, *other)

    return method


def _method(name: str) -> Callable[..., Any]:
    return lambda *arguments, **options: called(getattr(np.ndarray, name), *arguments, **options)


def _reading(name: str) -> Callable[..., Any]:
    def method(self: ndarray, *arguments: Any) -> Any:
        device.read(name)
        return getattr(self.array, name)(*arguments)

    return method


for _name in BINARY:
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))
    setattr(ndarray, f"__i{_name}__", _operator(f"__i{_name}__"))
    setattr(ndarray, f"__r{_name}__", _operator(f"__{_name}__", is_reflected=True))
for _name in OTHERS:
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))
for _name in READERS:
    setattr(ndarray, _name, _reading(_name))
for _name in METHODS:
    setattr(ndarray, _name, _method(_name))


# -- Functions ------------------------------------------------------------------------------------

# fmt: off
LACKING = {  # functions of NumPy that CuPy 14 lacks
    "asmatrix", "block", "bmat", "busday_count", "busday_offset", "datetime_as_string",
    "datetime_data", "einsum_path", "frompyfunc", "fromregex", "geomspace", "get_include",
    "getbufsize", "geterr", "geterrcall", "histogram_bin_edges", "info", "insert", "is_busday",
    "isnat", "matvec", "nanpercentile", "nanquantile", "nested_iters", "polyder", "polydiv",
    "polyint", "setbufsize", "seterr", "seterrcall", "show_runtime", "spacing", "test", "unstack",
    "vecdot", "vecmat",
}
LACKING_LINALG = {
    "diagonal", "matrix_norm", "multi_dot", "outer", "svdvals", "tensordot", "trace", "vecdot",
    "vector_norm",
}
# fmt: on
SEVERAL = {
    "cumsum": 2,
    "eye": 2,
    "linspace": 2,
    "sort": 2,
    "std": 4,
    "tril": 2,
    "triu": 2,
    "var": 3,
}
UNWRITTEN = 99  # what new memory is full of
READING = ["allclose", "argwhere", "array_equal", "bincount", "flatnonzero", "nonzero", "unique"]


def _function(name: str) -> Callable[..., Any]:
    function = getattr(np, name)

    def call(*arguments: Any, **options: Any) -> Any:
        if name in READING:
            device.read(name)
        if name in ("empty", "empty_like"):  # they only take memory, and launch nothing
            arguments, options = unwrap(arguments), {k: unwrap(x) for k, x in options.items()}
            result = made(function(*arguments, **options))
            result.array.fill(UNWRITTEN)
            return result
        joined = len(arguments[0]) if name in ("concatenate", "stack") else 1
        device.launches += SEVERAL.get(name, joined) - 1
        return called(function, *arguments, **options)

    return call


def asarray(x: Any, dtype: Any = None, order: Any = None, *, copy: bool = False) -> ndarray:
    if isinstance(x, ndarray):
        return called(np.array, x, dtype=dtype, order=order or "K", copy=copy or None)
    new = made(np.array(x, dtype=dtype, order=order or "K"))
    device.uploads += bool(new.ndim)
    device.launches += not new.ndim  # CuPy writes a single number by a kernel
    return new


def array(x: Any, dtype: Any = None, copy: bool = True, order: Any = None) -> ndarray:
    return asarray(x, dtype, order, copy=copy)


def take(x: ndarray, indices: Any, axis: int | None = None) -> ndarray:
    return called(np.take, x, indices, axis, mode="wrap")


def take_along_axis(x: ndarray, indices: ndarray, axis: int) -> ndarray:
    return called(np.take_along_axis, x, indices % x.shape[axis], axis)


def searchsorted(x: ndarray, v: ndarray, side: str = "left", sorter: Any = None) -> ndarray:
    return called(np.searchsorted, x, v, side, sorter)


# -- Kernels --------------------------------------------------------------------------------------


class Parameter:
    """A parameter of a kernel, such as "raw T x"; `dtype` is `None` if its type is a letter."""

    def __init__(self, text: str) -> None:
        *raw, kind, self.name = text.split()
        self.raw = bool(raw)
        self.ctype, self.dtype = (kind, None) if len(kind) == 1 else (kind, np.dtype(kind))


class ElementwiseKernel:
    """CuPy's ElementwiseKernel, with its body in a loop over i in C++."""

    def __init__(self, inputs: str, outputs: str, body: str, name: str, preamble: str = "") -> None:
        self.inputs, self.outputs = (
            [Parameter(text) for text in several.split(",")] for several in (inputs, outputs)
        )
        self.parameters = [*self.inputs, *self.outputs]
        self.body, self.name, self.preamble = body, name, preamble

    @property
    def letters(self) -> list[str]:
        return sorted({p.ctype for p in self.parameters if p.dtype is None})

    def symbol(self, types: dict[str, str]) -> str:
        return "__".join([self.name, *(types[letter] for letter in self.letters)])

    def source(self, types: dict[str, str]) -> str:
        """C++ of a function of pointers. The step of a parameter is 1, or 0 for a number."""
        lines = [f"typedef {C_TYPES[types[letter]]} {letter};" for letter in self.letters]
        head = f"void {self.symbol(types)}(void** all, const long* steps, long n)"
        lines.append(f'extern "C" {head} {{')
        each = []
        for k, p in enumerate(self.parameters):
            const = "" if p in self.outputs else "const "
            kind = const + (p.ctype if p.dtype is None else C_TYPES[p.dtype.name])
            name = p.name if p.raw else f"all_{p.name}"
            lines.append(f"{kind}* {name} = ({kind}*)all[{k}];")
            if not p.raw:
                each.append(f"{kind}& {p.name} = {name}[i * steps[{k}]];")
        lines += ["for (long i = 0; i < n; ++i) {", *each, f'#line 1 "{self.name}"', self.body]
        return "\n".join([f"namespace of_{self.symbol(types)} {{", *lines, ";}}}"])

    def __call__(self, *given: Any, size: int | None = None) -> Any:
        assert len(given) in (len(self.inputs), len(self.parameters)), self.name
        types: dict[str, Any] = {}
        for p, x in zip(self.parameters, given, strict=False):
            if isinstance(x, ndarray):
                expected = types.setdefault(p.ctype, x.dtype) if p.dtype is None else p.dtype
                if x.dtype != expected:
                    raise TypeError(f"Type is mismatched. {p.name} {x.dtype} {expected}")
            elif not isinstance(x, NUMBERS):
                raise TypeError(f"Unsupported type {type(x)}")
        pairs = list(zip(self.parameters, given, strict=False))
        in_loop = [x for p, x in pairs if isinstance(x, ndarray) and not p.raw]
        assert bool(in_loop) != (size is not None), f"{self.name}: the loop's size is undecided"
        shape = np.broadcast_shapes(*[x.shape for x in in_loop]) if in_loop else (size,)
        outputs = list(given[len(self.inputs) :])
        if not outputs:
            kinds = [p.dtype or types[p.ctype] for p in self.outputs]
            outputs = [made(np.full(shape, UNWRITTEN, kind)) for kind in kinds]
        for p, x in zip(self.outputs, outputs, strict=True):
            assert p.raw or x.shape == shape, f"{self.name}: {p.name} is {x.shape}, not {shape}"

        device.launches += bool(math.prod(shape))
        kept, steps, late = [], [], []
        for p, x in zip(self.parameters, (*given[: len(self.inputs)], *outputs), strict=True):
            if not isinstance(x, ndarray):
                kept.append(np.array([x]).astype(p.dtype or types[p.ctype]))
                steps.append(0)
                continue
            new = np.ascontiguousarray(x.array if p.raw else np.broadcast_to(x.array, shape))
            if p in self.outputs and not np.may_share_memory(new, x.array):
                late.append((x.array, new))
            kept.append(new)
            steps.append(1)
        symbol = self.symbol({letter: str(t) for letter, t in types.items()})
        function = getattr(library(), symbol)
        function(
            (ctypes.c_void_p * len(kept))(*[x.ctypes.data for x in kept]),
            (ctypes.c_long * len(kept))(*steps),
            ctypes.c_long(math.prod(shape)),
        )
        for x, new in late:
            x[...] = new.reshape(x.shape)
        device.ran.add(symbol)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)


class ReductionKernel(ElementwiseKernel):
    """CuPy's ReductionKernel, for sums: an elementwise kernel gives the terms, NumPy adds them."""

    def __init__(self, inputs: str, output: str, term: str, *reduce: str) -> None:
        name = output.split()[1]
        assert reduce[:3] == ("a + b", f"{name} = a", "0"), "only sums"
        super().__init__(inputs, output, f"{name} = {term};", reduce[3])

    def __call__(self, *given: Any, axis: Any) -> Any:  # type: ignore[override]
        terms = super().__call__(*given).array
        return made(terms.sum(axis=axis))  # of the same launch


class RawKernel:
    """CuPy's RawKernel, with one argument. Blocks run one after the other, and so do threads,
    unless they wait for one another."""

    def __init__(self, code: str, name: str) -> None:
        self.code, self.name = code, name

    def __call__(self, grid: tuple[int], block: tuple[int], arguments: tuple[np.ndarray]) -> None:
        device.launches += 1
        [x] = arguments
        assert x.size == 1, "CuPy passes only arrays of one element by value"
        function = getattr(library(), f"run_{self.name}")
        met = function(ctypes.c_void_p(x.ctypes.data), *map(ctypes.c_uint, (*grid, *block)))
        assert met, (
            f"{self.name}: some threads of a block wait at a barrier that others do not reach"
        )
        device.ran.add(self.name)


RUN = """
extern "C" bool run_{symbol}(const Arguments* all, unsigned blocks, unsigned threads) {{
gridDim.x = blocks, blockDim.x = threads;
for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x)
for (threadIdx.x = 0; threadIdx.x < threads; ++threadIdx.x) {symbol}(*all);
return true;
}}
"""
RUN_BLOCKS = """
extern "C" bool run_{symbol}(const Arguments* all, unsigned blocks, unsigned threads) {{
gridDim.x = blocks, blockDim.x = threads;
return run_blocks([](const void* x) {{ {symbol}(*(const Arguments*)x); }}, all);
}}
"""


def source(kernel: Any, types: dict[str, str]) -> str:
    """C++ of a kernel, of any kind, in these types."""
    if isinstance(kernel, ElementwiseKernel):
        return kernel.source(types)
    symbol = kernel.symbol(types)
    lines = f"namespace of_{symbol} {{", f'#line 1 "{kernel.name}"', kernel.source(types)
    run = RUN_BLOCKS if "__syncthreads" in lines[-1] else RUN
    return "\n".join([*lines, run.format(symbol=symbol), "}"])


def instances(letters: list[str], table: Any) -> Iterator[dict[str, str]]:
    """Yield all types that a kernel is compiled for, where `table` has those of each letter. The
    type of W follows from that of T, if the kernel has one."""
    for types in itertools.product(*(table[letter] for letter in letters)):
        chosen = dict(zip(letters, types, strict=True))
        wide = {"float64": "float64"}.get(chosen.get("T", ""), "float32")
        if "T" not in chosen or chosen.get("W", wide) == wide:
            yield chosen


@cache
def library() -> ctypes.PyDLL:
    """Compile all kernels in all types, once for a process."""
    kernels, letters = get(NAME).kernels, get(NAME).letters
    return compiled(source(k, types) for k in kernels for types in instances(k.letters, letters))


def compiled(sources: Iterable[str]) -> ctypes.PyDLL:
    """Compile C++ into a library, unless this was done before: the compiler takes longer than many
    tests. An error says the kernel, and the line in its body."""
    program = compiler()
    options = ["-shared", "-fPIC", "-O1", "-ffp-contract=off", "-Wall", "-Wextra"]
    options += [
        f"-Wno-{what}" for what in ("unused-parameter", "unused-variable", "unknown-pragmas")
    ]
    text = "\n".join([f'#include "{HEADER}"', *sources])
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    key = "\n".join([version.stdout, *options, HEADER.read_text("utf-8"), text])
    target = BUILD / f"{hashlib.sha256(key.encode()).hexdigest()[:20]}.so"
    BUILD.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".lock").open("w") as lock:
        if fcntl:  # another process of the tests may be compiling the same
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            source, made = target.with_suffix(".cpp"), target.with_suffix(".new")
            source.write_text(text)
            command = [program, *options, "-o", made, source]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, ""), f"\n{done.stderr}"
            made.rename(target)
    return ctypes.PyDLL(str(target))  # one thread at a time: blockIdx is a variable of all


def compiler() -> str | None:
    return shutil.which("g++")


def problem() -> str | None:
    """Say why kernels can't be compiled here; `None`: they can."""
    return None if compiler() else "no C++ compiler g++"


# -- The library and the backend --------------------------------------------------------------


class CUDADevice:
    """The only device, with number 0."""

    compute_capability = "00"  # so that no library takes it for a real one
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, number: Any = None) -> None:
        self.id = 0 if number is None else int(number)

    def __int__(self) -> int:
        return self.id

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, CUDADevice) and self.id == other.id

    def __repr__(self) -> str:
        return f"<CUDA Device {self.id}>"

    def use(self) -> CUDADevice:
        return self

    def __enter__(self) -> CUDADevice:
        return self

    def __exit__(self, *error: Any) -> None:
        pass


class Event:
    """An event of a clock that moves on by a millisecond with each launch, and by nothing else."""

    def record(self) -> None:
        self.time = device.launches

    def synchronize(self) -> None:
        device.read("synchronize")


class Stream:
    """A stream whose work is done at once."""

    ptr = 0

    def __init__(self, non_blocking: bool = False) -> None:
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def record(self) -> Event:
        event = Event()
        event.record()
        return event

    def wait_event(self, event: Event) -> None:
        pass

    def synchronize(self) -> None:
        device.read("synchronize")

    def is_capturing(self) -> bool:
        return device.is_capturing


class PinnedMemory(bytearray):
    ptr = 0


def _modules() -> dict[str, ModuleType]:
    """Make the module cupy, and those imported with it."""
    cupy, linalg, fft = (ModuleType(name) for name in ("cupy", "cupy.linalg", "cupy.fft"))
    for name in set(np.__all__) - LACKING:
        x = getattr(np, name)
        is_function = callable(x) and not isinstance(x, type)
        setattr(cupy, name, _function(name) if is_function else x)
    for module, theirs, lacking in ((linalg, np.linalg, LACKING_LINALG), (fft, np.fft, set())):
        for name in set(theirs.__all__) - lacking:
            x = getattr(theirs, name)
            setattr(module, name, x if isinstance(x, type) else partial(called, x))
        module.__all__ = [name for name in vars(module) if not name.startswith("_")]
    runtime = SimpleNamespace(
        CUDARuntimeError=type("CUDARuntimeError", (RuntimeError,), {}),
        getDevice=lambda: 0,
        getDeviceCount=lambda: 1,
        getDeviceProperties=lambda _: {"name": b"stand-in", "uuid": b"1"},
        runtimeGetVersion=lambda: 12090,
        driverGetVersion=lambda: 13000,
        memGetInfo=lambda: (6 << 30, 8 << 30),  # bytes that are free, and all
    )
    stream = Stream()
    cuda = SimpleNamespace(
        Device=CUDADevice,
        MemoryPointer=lambda memory, _: SimpleNamespace(memory=memory),
        UnownedMemory=lambda *arguments: SimpleNamespace(owner=arguments[2]),
        Event=Event,
        Stream=Stream,
        alloc=lambda size: SimpleNamespace(ptr=4096, size=size),
        alloc_pinned_memory=PinnedMemory,
        get_elapsed_time=lambda begin, end: float(end.time - begin.time),
        get_current_stream=lambda: stream,
        driver=SimpleNamespace(CUDADriverError=type("CUDADriverError", (RuntimeError,), {})),
        runtime=runtime,
    )
    ours = [
        ElementwiseKernel,
        ReductionKernel,
        RawKernel,
        array,
        asarray,
        ndarray,
        searchsorted,
        take,
    ]
    vars(cupy).update({x.__name__: x for x in ours}, take_along_axis=take_along_axis)
    pool = SimpleNamespace(free_bytes=lambda: 0, used_bytes=lambda: 0, get_limit=lambda: 0)
    vars(cupy).update(get_default_memory_pool=lambda: pool)
    vars(cupy).update(__version__="14", cuda=cuda, linalg=linalg, fft=fft)
    cupy.__all__ = [n for n in vars(cupy) if not n.startswith("_") and n not in ("linalg", "fft")]
    modules = {m.__name__: m for m in (cupy, linalg, fft)}
    return {**modules, "cupy.cuda": cuda, "cupy.cuda.device": cuda}


PLAYED = ("cupy", "array_api_compat.cupy", "gradcore.backends.cupy")


def _played() -> dict[str, Any]:
    """The modules imported so far whose place the stand-in takes, or which import them."""
    return {name: m for name, m in sys.modules.items() if name.startswith(PLAYED)}


def _in_packages(modules: dict[str, Any]) -> Iterator[tuple[Any, str, Any]]:
    """Yield the packages that have some of these modules as attributes, with name and module."""
    for full, module in modules.items():
        package, _, name = full.rpartition(".")
        if package in sys.modules:
            yield sys.modules[package], name, module


def _forget(modules: dict[str, Any]) -> None:
    """Undo the imports of these modules."""
    for name in modules:
        del sys.modules[name]
    for package, name, _ in _in_packages(modules):
        vars(package).pop(name, None)


def module(name: str) -> Any:
    """Give a module of gradcore's CuPy backend, such as "blas", as imported on the stand-in."""
    backend: Any = registry._loaded[NAME]
    return backend.modules[f"gradcore.backends.cupy.{name}"]


def register() -> None:
    """Make the backend NAME known to gradcore. CuPy itself, if installed, stays as it is."""
    others = _played()
    _forget(others)
    sys.modules.update(_modules())
    try:
        cupy_backend = importlib.import_module("gradcore.backends.cupy").CupyBackend
        made = importlib.import_module("gradcore.backends.cupy.kernels").KERNELS
        launch = importlib.import_module("gradcore.backends.cupy.launch")
        ours = _played()
        ours["gradcore.backends.cupy.fastest"].REPEATS = 1  # enough, as the clock is exact
        # This setting is in a part of CuPy that is not played.
        ours["gradcore.backends.cupy.private"].is_tf32 = lambda: False

        class OnCPU(cupy_backend):  # type: ignore[misc]
            name = NAME
            kernels, letters = list(made.values()), launch.LETTERS
            modules = ours

            @classmethod
            def problem(cls) -> str | None:
                return problem()

            def recorder(self, device: Any = None) -> None:
                """There are no graphs here."""

            @contextmanager
            def host_reads(self) -> Iterator[list[str]]:
                before, device.reads = device.reads, []
                try:
                    yield device.reads
                finally:
                    device.reads = before + device.reads

        registry._loaded[NAME] = OnCPU
        registry.BACKEND_OF_TYPE[ndarray] = registry._instance(NAME)  # `get` wants its compiler
    finally:
        _forget(_played())
        sys.modules.update(others)
        for package, name, module in _in_packages(others):
            setattr(package, name, module)
