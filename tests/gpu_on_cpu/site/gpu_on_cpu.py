"""Loaded by every Python of the environment that make.py made: CuPy finds CUDA, which is here, and its
kernels are compiled by g++."""

import ctypes
import hashlib
import os
import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
INCLUDE = HERE / "include"
CUDA = HERE.parent / "nvidia" / "cuda" / "lib" / "libcuda.so.1"
FLAGS = ["-std=c++17", "-O2", "-march=native", "-ffp-contract=off", "-fno-strict-aliasing", "-w"]
FLAGS += ["-fPIC", "-fvisibility=hidden", "-fno-gnu-unique", f"-I{INCLUDE}"]

KERNEL = re.compile(
    r"__global__\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?void\s+"
    r"(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\("
)
DYNAMIC = re.compile(r"extern\s+__shared__\s+(?:__align__\(\d+\)\s+)?([\w:<> ]+?)\s+(\w+)\[\]\s*;")
WAITS = re.compile(r"__sync|__shfl|__any|__all|__ballot")

ctypes.CDLL(str(CUDA))  # so that it is there for whoever asks the loader for libcuda.so.1
_headers = b"".join(file.read_bytes() for file in sorted(INCLUDE.rglob("*.*")) if file.suffix != ".gch")
_key = hashlib.sha256(_headers + Path(__file__).read_bytes()).hexdigest()[:16]
os.environ["CUPY_ACCELERATORS"] = ""  # CUB's kernels are in CuPy's wheel, compiled for GPUs
os.environ["CUPY_CACHE_DIR"] = str(HERE / "kernels" / _key)


def compiler(nvrtc):
    """A function to be called as CuPy calls `nvrtc`; its machine code is a shared object."""

    def compile(source, options=(), arch=None, filename="", name_expressions=None, *others):
        if os.environ.get("GPU_ON_CPU_NVRTC", "0") != "0":
            nvrtc(source, options, arch, filename, name_expressions, *others)
        if name_expressions:
            raise NotImplementedError("gpu_on_cpu: kernels that are templates")
        waits = "true" if WAITS.search(source) else "false"
        kernels = dict.fromkeys(KERNEL.findall(source))
        exports = [f"EXPORT({name}, {waits})" for name in kernels]
        source = DYNAMIC.sub(r"\1* \2 = (\1*)dynamic_shared;", source)
        text = "\n".join(['#include "device.h"', '#line 1 "kernel"', source, *exports])
        flags = [option for option in options if option.startswith(("-I", "-D"))]
        with TemporaryDirectory() as temporary:
            code, library = Path(temporary, "kernel.cpp"), Path(temporary, "kernel.so")
            code.write_text(text)
            command = ["g++", *FLAGS, *flags, "-shared", "-Wl,-Bsymbolic", code, "-o", library]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                name = ", ".join(kernels)
                raise RuntimeError(f"gpu_on_cpu: g++ does not compile {name}: {done.stderr[:2000]}")
            return library.read_bytes(), {}

    return compile
