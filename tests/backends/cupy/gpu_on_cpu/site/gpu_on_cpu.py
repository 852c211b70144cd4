"""Give CuPy a CUDA driver, and have g++ compile its kernels. Every Python of the environment that
make.py has made loads this module."""

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
NVRTC = os.environ.get("GPU_ON_CPU_NVRTC", "0") != "0"

BOUNDS = r"(?:__launch_bounds__\s*\([^)]*\)\s*)?"
KERNEL = re.compile(rf"__global__\s+{BOUNDS}void\s+{BOUNDS}(\w+)\s*\(")
DYNAMIC = re.compile(r"extern\s+__shared__\s+(?:__align__\(\d+\)\s+)?([\w:<> ]+?)\s+(\w+)\[\]\s*;")
WAITS = re.compile(r"__sync|__shfl|__any|__all|__ballot")

ctypes.CDLL(str(CUDA))  # so that the loader has it for whoever asks for libcuda.so.1
_sources = [*sorted(INCLUDE.rglob("*.*h")), Path(__file__)]
_sources = [file for file in _sources if file.suffix != ".gch"]
_key = hashlib.sha256(b"".join(file.read_bytes() for file in _sources)).hexdigest()[:16]
os.environ["CUPY_CACHE_DIR"] = str(HERE / "kernels" / (_key + "_nvrtc" * NVRTC))


def precompile():
    """Compile the header once: it takes longer than most kernels do."""
    header = INCLUDE / "device.h"
    subprocess.run(["g++", *FLAGS, "-x", "c++-header", header, "-o", f"{header}.gch"], check=True)


def compiler(nvrtc):
    """Make a function that CuPy calls as it calls `nvrtc`. In the place of machine code for a GPU,
    which CuPy keeps on disk, the function gives a shared object."""

    def on_cpu(source, options=(), arch=None, filename="", name_expressions=None, *others):
        if NVRTC:
            nvrtc(source, options, arch, filename, name_expressions, *others)
        if name_expressions:
            raise NotImplementedError("gpu_on_cpu: kernels that are templates")
        waits = "true" if WAITS.search(source) else "false"
        kernels = dict.fromkeys(KERNEL.findall(source))
        exports = [f"EXPORT({name}, {waits})" for name in kernels]
        source = DYNAMIC.sub(r"\1* \2 = (\1*)dynamic_shared;", source)
        with TemporaryDirectory() as temporary:
            code, library = Path(temporary, "kernel.cpp"), Path(temporary, "kernel.so")
            code.write_text(
                "\n".join(['#include "device.h"', '#line 1 "kernel"', source, *exports])
            )
            flags = [option for option in options if option.startswith(("-I", "-D"))]
            command = ["g++", *FLAGS, *flags, "-shared", "-Wl,-Bsymbolic", code, "-o", library]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                name = ", ".join(kernels)
                raise RuntimeError(f"gpu_on_cpu: g++ does not compile {name}: {done.stderr[:2000]}")
            return library.read_bytes(), {}

    return on_cpu
