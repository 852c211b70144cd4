"""Compile every CUDA kernel of the CuPy backend, in all its types, with no GPU and no driver.

    python tests/backends/cupy/nvrtc.py sm_75 sm_80 sm_90

The source of each kernel is what CuPy itself makes of it, through functions of CuPy 14.2 that are
not public: in all types for arrays in C order, and in one for other orders. Errors of the compiler
are printed, with the kernel's name in the place of a file's, and the exit status is 1. Where CuPy
or NVRTC is missing, the reason is printed, and the exit status is 77. No kernel is loaded: without
a driver, loading one would hang.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    import cupy
    import numpy as np
    from cupy._core import _kernel, _reduction, core
    from cupy.cuda import nvrtc

    nvrtc.getVersion()
except Exception as error:  # CuPy raises its own, the loader's and the system's
    print(f"CuPy or NVRTC is missing: {error}")
    sys.exit(77)

sys.path.insert(0, str(Path(__file__).parent))
from cupy_on_cpu import instances

import gradcore.backends.cupy  # noqa: F401 (this makes all kernels)
from gradcore.backends.cupy.kernels import KERNELS
from gradcore.backends.cupy.launch import HEADERS, LETTERS, Raw

NDARRAY, INDEXER, SCALAR = 1, 2, 3  # CuPy's kinds of arguments


def sources(kernel: Any) -> Iterator[str]:
    """Yield CUDA of the kernel in all types."""
    if isinstance(kernel, Raw):
        yield from (kernel.source(types) for types in instances(kernel.letters, LETTERS))
        return
    parameters = [*kernel.in_params, *kernel.out_params]
    letters = sorted({p.ctype for p in parameters if p.dtype is None})
    for number, types in enumerate(instances(letters, LETTERS)):
        yield source(kernel, types, ndim=1)
        if number == 0:
            yield source(kernel, types, ndim=3)


def source(kernel: Any, types: dict[str, str], ndim: int) -> str:
    """Give CUDA of the kernel in these types: for arrays in C order if `ndim` is 1, else for arrays
    of so many dimensions in any order."""
    is_plain = ndim == 1

    def argument(p: Any) -> Any:
        if p.ctype is None:
            return _kernel._ArgInfo(INDEXER, object, None, ndim, True, is_plain)
        dtype = np.dtype(types[p.ctype] if p.dtype is None else p.dtype)
        if p.dtype is not None and not p.raw and p not in kernel.out_params:
            return _kernel._ArgInfo(SCALAR, object, dtype, 0, True, True)
        return _kernel._ArgInfo(NDARRAY, cupy.ndarray, dtype, ndim, is_plain, is_plain)

    pairs = tuple((letter, np.dtype(t).type) for letter, t in types.items())
    name = "__".join([kernel.name, *types.values(), str(ndim)])
    if isinstance(kernel, cupy.ElementwiseKernel):
        given = tuple(map(argument, kernel.params)), _kernel._TypeMap(pairs), kernel.params
        return _kernel._get_elementwise_kernel_code(*given, kernel.operation, name, kernel.preamble)
    inputs, outputs = kernel.in_params, kernel.out_params
    return _reduction._create_reduction_function_code(
        *(name, 512, kernel.reduce_type or types["W"], kernel._params),
        *(tuple(map(argument, kernel._params)), kernel.identity),
        *(kernel.map_expr, kernel.reduce_expr, kernel.post_map_expr),
        _kernel._TypeMap((*pairs, ("IndexT", np.int32))),
        "".join(f"const {p.ctype} {p.name} = _raw_{p.name}[_in_ind.get()];" for p in inputs),
        "".join(f"{p.ctype} &{p.name} = _raw_{p.name}[_out_ind.get()];" for p in outputs),
        *(kernel.preamble, ()),
    )


def problems(kernel: Any, architectures: list[str]) -> str:
    """Compile the kernel, and give what the compiler says of it: nothing if it is right."""
    includes, parts = [f"#include <{name}>" for name in core._cupy_header_list], list[str]()
    if isinstance(kernel, Raw):
        includes = [HEADERS]
    for number, text in enumerate(sources(kernel)):
        lines = [line.strip() for line in text.splitlines()]
        includes += [line for line in lines if line.startswith("#include")]
        lines = [line for line in lines if not line.startswith("#include")]
        macros = [f"#undef {name}" for name in ("REDUCE", "POST_MAP", "_REDUCE")]
        parts += [f"namespace of_{number} {{", f'#line 1 "{kernel.name}"', *lines, "}", *macros]
    program = "\n".join([*dict.fromkeys(includes), *parts])
    for architecture in architectures:
        handle = nvrtc.createProgram(program, "kernels.cu", (), ())
        options = (*core.assemble_cupy_compiler_options(()), f"--gpu-architecture={architecture}")
        try:
            nvrtc.compileProgram(handle, options)
        except nvrtc.NVRTCError:
            log = nvrtc.getProgramLog(handle)
            return f"{kernel.name} does not compile for {architecture}:\n{log}"
        assert len(nvrtc.getCUBIN(handle))
        nvrtc.destroyProgram(handle)
    return ""


def main(architectures: list[str]) -> int:
    found = [what for kernel in KERNELS.values() if (what := problems(kernel, architectures))]
    print("\n".join(found) or f"{', '.join(KERNELS)} compile for {', '.join(architectures)}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
