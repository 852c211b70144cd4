"""Make a virtual environment in which CuPy, the one of PyPI, runs on the CPU: see README.md.

    python tests/backends/cupy/gpu_on_cpu/make.py [--cuda 13] FOLDER

It needs Linux on x86-64, g++ and PyPI. The sources beside this file become libraries with the names
of CUDA's, and are put where CuPy looks for NVIDIA's. CuPy's bindings to the CUDA runtime and to CUB
are compiled again, because those in CuPy's wheel contain NVIDIA's code.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path
from tempfile import TemporaryDirectory

CUPY = "14.2.0"
CYTHON = "3.2.4"
PACKAGES = {  # for each CUDA; nvcc, crt and runtime for their headers
    12: [
        f"cupy-cuda12x=={CUPY}",
        "nvidia-cuda-nvcc-cu12==12.9.86",
        "nvidia-cuda-nvrtc-cu12==12.9.86",
        "nvidia-cuda-runtime-cu12==12.9.79",
    ],
    13: [
        f"cupy-cuda13x=={CUPY}",
        "nvidia-cuda-crt==13.0.88",
        "nvidia-cuda-nvcc==13.0.88",
        "nvidia-cuda-nvrtc==13.0.88",
        "nvidia-cuda-runtime==13.0.96",
    ],
}
TOOLS = [f"Cython=={CYTHON}", "setuptools>=77"]  # which makes the metadata of CuPy's source
HEADERS = {12: ["cuda_runtime", "cuda_nvcc"], 13: ["cu13"]}  # folders of `nvidia`
# Of each library: its versions in CUDA 12 and 13, its sources, and the status that functions return
# which it does not have.
LIBRARIES = {
    "cuda": ((1, 1), ["cuda.cpp", "sort.cpp"], 801),
    "cublas": ((12, 13), ["linalg.cpp"], 15),
    "cublasLt": ((12, 13), [], 15),
    "cufft": ((11, 12), [], 16),
    "curand": ((10, 10), [], 999),
    "cusolver": ((11, 12), ["linalg.cpp"], 9),
    "cusparse": ((12, 12), [], 10),
    "nvJitLink": ((12, 13), [], 4),
}
CYTHON_OPTIONS = [  # as CuPy's own build has them
    *("-3", "--cplus", "-X", "binding=False,embedsignature=True,c_api_binop_methods=True", "-E"),
    "CUPY_USE_CUDA_PYTHON=False,CUPY_CUFFT_STATIC=False,CUPY_HIP_VERSION=0,CUPY_CUDA_VERSION={cuda},"
    f"CUPY_CYTHON_VERSION={CYTHON}",
]
BINDING, CUB = "cupy_backends/cuda/api/runtime", "cupy/cuda/cub"  # modules made again
PROFILER = """
extern "C" cudaError_t cudaProfilerStart(), cudaProfilerStop();
extern "C" cudaError_t cudaProfilerInitialize(const char*, const char*, int);
"""
STUB = 'API int %s() { return fputs("gpu_on_cpu: there is no %s\\n", stderr), %d; }\n'
COMPILER_END = """
import gpu_on_cpu

_compile_using_nvrtc_no_warning = gpu_on_cpu.compiler(_compile_using_nvrtc_no_warning)
"""

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]


class MakeError(Exception):
    """Something that people can mend, said in one line."""


def run(*command: object, cwd: Path | None = None, **environment: str) -> str:
    """Run a command, and give what it prints.

    Raises:
        MakeError: it fails; the message has the first line of its errors.
    """
    words = list(map(str, command))
    environment = {**os.environ, **environment}
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it says nothing"]
        marked = [line for mark in ("ERROR: ", "error: ") for line in lines if mark in line]
        what = (marked or lines[-1:])[0].strip()
        raise MakeError(f"{' '.join(words[:4])} ... failed: {what}")
    return done.stdout


class Maker:
    """Makes the parts of the environment `folder` for this CUDA, with intermediate files in
    `temporary`."""

    def __init__(self, folder: Path, cuda: int, temporary: Path) -> None:
        venv.create(folder, with_pip=True)
        self.python, self.version, self.temporary = folder / "bin" / "python", cuda, temporary
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        self.packages = Path(run(self.python, "-c", code).strip())
        self.here = self.packages / "gpu_on_cpu"
        self.cuda = self.place("cuda")

    def place(self, name: str) -> Path:
        """Where a library of CUDA's belongs: where NVIDIA's wheels have it, or would have it."""
        folder = {"cublasLt": "cublas"}.get(name, name.lower())
        folder = "cu13" if self.version == 13 and name != "cuda" else folder
        version = LIBRARIES[name][0][self.version - 12]
        return self.packages / "nvidia" / folder / "lib" / f"lib{name}.so.{version}"

    def pip(self, command: str, *arguments: object, **environment: str) -> None:
        options = "--quiet", "--retries", "1"
        try:
            run(self.python, "-m", "pip", command, *options, *arguments, **environment)
        except MakeError as error:
            raise MakeError(f"{error} (pip needs the network)") from None

    def compiled(self, source: Path, *more: Path) -> Path:
        """Compile C++, with headers in the folders `more`, too, and give the object file."""
        headers = (self.packages / "nvidia" / name for name in HEADERS[self.version])
        folders = [HERE / "include", *(folder / "include" for folder in headers), *more]
        options = ["-std=c++17", "-O2", "-march=native", "-fPIC", "-fvisibility=hidden", "-w"]
        result = self.temporary / f"{source.parent.name}-{source.name}.o"
        run("g++", *options, *(f"-I{folder}" for folder in folders), "-c", source, "-o", result)
        return result

    def source(self) -> Path:
        """Load the source of CuPy."""
        self.pip(
            *("download", "--no-deps", "--no-build-isolation", "--no-binary", "cupy"),
            *("--dest", self.temporary, f"cupy=={CUPY}"),
            CUPY_INSTALL_USE_STUB="1",
        )
        with tarfile.open(next(self.temporary.glob("cupy-*.tar.gz"))) as archive:
            archive.extractall(self.temporary, filter="data")
        (self.temporary / "cuda_profiler_api.h").write_text(PROFILER)
        return next(self.temporary.glob("cupy-*/cupy_backends")).parent

    def module(self, source: Path, name: str) -> Path:
        """Compile one of CuPy's modules, such as "cupy/cuda/cub", and give the object file."""
        options = [option.format(cuda=1000 * self.version) for option in CYTHON_OPTIONS]
        run(self.python, "-m", "cython", *options, f"{name}.pyx", cwd=source)
        compiled = source / f"{name}.cpp"
        headers = source, compiled.parent, self.temporary, Path(sysconfig.get_path("include"))
        return self.compiled(compiled, *headers)

    def library(self, name: str, sources: list[str], status: int, binding: Path) -> None:
        """Make one of CUDA's libraries. A function that CuPy needs and the sources don't have says
        so when it is called."""
        library, is_cuda = self.place(name), name == "cuda"
        library.parent.mkdir(parents=True, exist_ok=True)
        objects = [self.compiled(HERE / source) for source in sources]
        there = {symbol for part in objects for symbol in re.findall(" T (cu.+)", run("nm", part))}
        options, others = ["-Wl,--no-as-needed", f"-Wl,-soname,{library.name}"], list[Path]()
        if is_cuda:
            needed = re.findall(" U (cuda.+)", run("nm", binding))
        else:  # the symbols have versions
            extensions = self.packages.glob("cupy*/**/*.so")
            symbols = "".join(run("nm", "-D", extension) for extension in extensions)
            needed = re.findall(rf" U (\w+)@{re.escape(library.name)}", symbols)
            (self.temporary / "versions").write_text(f"{library.name} {{ global: *; }};\n")
            options.append(f"-Wl,--version-script={self.temporary / 'versions'}")
            others = [self.cuda, *self.packages.glob("numpy.libs/libscipy_openblas64*")]
        stubs = [STUB % (symbol, symbol, status) for symbol in sorted({*needed} - there)]
        (self.temporary / "stubs.cpp").write_text(
            "".join(['#include "launch.h"\n#include <stdio.h>\n', *stubs])
        )
        objects.append(self.compiled(self.temporary / "stubs.cpp"))
        options += [f"-Wl,-rpath,{other.parent}" for other in others]
        run("g++", "-shared", *objects, *options, *others, "-o", library)

    def install(self, modules: dict[str, list[Path]]) -> None:
        """Put files in the places of CuPy's that Python and CuPy load."""
        shutil.copytree(HERE / "include", self.here / "include", dirs_exist_ok=True)
        shutil.copy(HERE / "site" / "gpu_on_cpu.py", self.here / "__init__.py")
        (self.packages / "gpu_on_cpu.pth").write_text("import gpu_on_cpu\n")
        cupy = self.packages / "cupy" / "cuda"
        for compiled in cupy.glob("thrust.*.so"):
            compiled.unlink()
        shutil.copy(HERE / "site" / "thrust.py", cupy)
        text = (cupy / "compiler.py").read_text().removesuffix(COMPILER_END)
        (cupy / "compiler.py").write_text(text + COMPILER_END)
        for name, objects in modules.items():
            (old,) = self.packages.glob(f"{name}.*.so")
            run("g++", "-shared", *objects, self.cuda, f"-Wl,-rpath,{self.cuda.parent}", "-o", old)
        run(self.python, "-c", "import gpu_on_cpu; gpu_on_cpu.precompile()")


def main(folder: Path, cuda: int) -> None:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise MakeError(f"needs Linux on x86_64, not {platform.system()} on {platform.machine()}")
    if not shutil.which("g++"):
        raise MakeError("there is no g++; install it (on Debian: apt install g++)")
    with TemporaryDirectory() as temporary:
        print(f"packages, into {folder}", flush=True)
        maker = Maker(folder, cuda, Path(temporary))
        maker.pip("install", *PACKAGES[cuda], *TOOLS, "--editable", f"{ROOT}[test]")
        print("libraries", flush=True)
        source = maker.source()
        binding = maker.module(source, BINDING)
        for name, (_, sources, status) in LIBRARIES.items():
            maker.library(name, sources, status, binding)
        cub = maker.compiled(HERE / "cub.cpp", source / "cupy" / "cuda")
        maker.install({BINDING: [binding], CUB: [maker.module(source, CUB), cub]})
    run(maker.python, "-c", "import cupy; assert (cupy.ones(3) + 1).sum() == 6")
    print(f"done: {maker.python} -m gradcore doctor")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--cuda", type=int, choices=PACKAGES, default=12, help="(default: 12)")
    args = parser.parse_args()
    try:
        main(args.folder.resolve(), args.cuda)
    except MakeError as error:
        sys.exit(f"make.py: {error}")
