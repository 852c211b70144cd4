"""Make a virtual environment in which CuPy, the one of PyPI, runs on the CPU: see README.md.

    python tests/gpu_on_cpu/make.py FOLDER

It needs Linux on x86-64, g++ and PyPI. In place of CUDA it builds libraries of the files beside this
one, where CuPy looks for NVIDIA's; CuPy's own binding to the CUDA runtime is compiled again, as in its
wheel NVIDIA's runtime is linked in.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

CUPY = "14.2.0"
CYTHON = "3.2.4"
PACKAGES = [
    f"cupy-cuda12x=={CUPY}",
    f"Cython=={CYTHON}",
    "nvidia-cuda-nvcc-cu12==12.9.86",  # headers
    "nvidia-cuda-nvrtc-cu12==12.9.86",
    "nvidia-cuda-runtime-cu12==12.9.79",  # headers
    "setuptools>=77",  # for the metadata of CuPy's source
]
CONSTANTS = {  # that CuPy's build gives to Cython
    "CUPY_CUDA_VERSION": 12090,
    "CUPY_CUFFT_STATIC": False,
    "CUPY_CYTHON_VERSION": CYTHON,
    "CUPY_HIP_VERSION": 0,
    "CUPY_USE_CUDA_PYTHON": False,
}
DIRECTIVES = "binding=False,embedsignature=True,c_api_binop_methods=True"

LIBRARIES = {  # by the folder in nvidia/ where CuPy looks, of which sources
    "cuda/lib/libcuda.so.1": ["cuda.cpp", "sort.cpp"],
    "cublas/lib/libcublas.so.12": ["linalg.cpp"],
    "cublas/lib/libcublasLt.so.12": [],
    "cusolver/lib/libcusolver.so.11": ["linalg.cpp"],
    "cusparse/lib/libcusparse.so.12": [],
    "curand/lib/libcurand.so.10": [],
    "cufft/lib/libcufft.so.11": [],
    "nvjitlink/lib/libnvJitLink.so.12": [],
}
STUB = """int %s() { fputs("gpu_on_cpu: %s is not here\\n", stderr); return %d; }\n"""
CUDA_NOT_SUPPORTED, OTHERS_NOT_SUPPORTED = 801, 15

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class Problem(Exception):
    """What people can mend."""


def run(*command: object, cwd: Path | None = None, **environment: str) -> str:
    """What the command prints.

    Raises:
        Problem: it fails; with the last line that it printed.
    """
    words = list(map(str, command))
    done = subprocess.run(
        words, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True
    )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "error" in line.lower()]
        last = [*done.stderr.strip().splitlines(), "it says nothing"][0]
        raise Problem(f"{' '.join(words[:5])} ... failed: {errors[0] if errors else last}")
    return done.stdout


def main(folder: Path) -> None:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise Problem(f"needs Linux on x86_64, not {platform.system()} on {platform.machine()}")
    if not shutil.which("g++"):
        raise Problem("there is no g++; install it (on Debian: apt install g++)")
    print(f"packages, into {folder}", flush=True)
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", *PACKAGES, "-e", f"{ROOT}[test]")
    packages = Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    )
    print("libraries", flush=True)
    shutil.copytree(HERE / "include", packages / "gpu_on_cpu" / "include", dirs_exist_ok=True)
    include = [packages / "gpu_on_cpu" / "include"]
    include += [packages / "nvidia" / name / "include" for name in ("cuda_runtime", "cuda_nvcc")]
    with TemporaryDirectory() as temporary:
        extension = bind(python, packages, include, Path(temporary))
        for name, sources in LIBRARIES.items():
            build(packages, name, sources, include, extension, Path(temporary))
        link(extension, packages, Path(temporary))
    install(packages)
    run(python, "-c", "import cupy; assert (cupy.ones(3) + 1).sum() == 6")
    print(f"done: {python} -m gradcore doctor --backend cupy")


def bind(python: Path, packages: Path, include: Iterable[Path], temporary: Path) -> Path:
    """CuPy's binding to the CUDA runtime, compiled."""
    run(
        *(python, "-m", "pip", "download", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--no-binary", "cupy", "--dest", temporary, f"cupy=={CUPY}"),
        CUPY_INSTALL_USE_STUB="1",
    )
    with tarfile.open(next(temporary.glob("cupy-*.tar.gz"))) as archive:
        archive.extractall(temporary, filter="data")
    source = next(temporary.glob("cupy-*/cupy_backends")).parent
    (temporary / "cuda_profiler_api.h").write_text(
        'extern "C" cudaError_t cudaProfilerStart(), cudaProfilerStop();\n'
        'extern "C" cudaError_t cudaProfilerInitialize(const char*, const char*, int);\n'
    )
    constants = ",".join(f"{name}={value}" for name, value in CONSTANTS.items())
    options = ["-3", "--cplus", "-X", DIRECTIVES, "-E", constants]
    binding = "cupy_backends/cuda/api/runtime"
    run(python, "-m", "cython", *options, f"{binding}.pyx", cwd=source)
    headers = [*include, temporary, sysconfig.get_path("include"), source]
    compiled = temporary / "runtime.o"
    run(
        *("g++", "-std=c++17", "-O1", "-fPIC", "-w", *(f"-I{folder}" for folder in headers)),
        *("-c", source / f"{binding}.cpp", "-o", compiled),
    )
    return compiled


def link(compiled: Path, packages: Path, temporary: Path) -> None:
    """Put the binding in the place of CuPy's own."""
    (old,) = (packages / "cupy_backends/cuda/api").glob("runtime.*.so")
    library = packages / "nvidia/cuda/lib/libcuda.so.1"
    run("g++", "-shared", compiled, library, f"-Wl,-rpath,{library.parent}", "-o", old)


def build(packages: Path, name: str, sources: list[str], include: Iterable[Path], runtime: Path, temporary: Path) -> None:
    """One of CUDA's libraries, in which what CuPy's extensions need and the sources don't have
    says so when it is called."""
    library = packages / "nvidia" / name
    library.parent.mkdir(parents=True, exist_ok=True)
    options = ["-std=c++17", "-O2", "-march=native", "-fPIC", "-fvisibility=hidden"]
    options += [f"-I{folder}" for folder in include]
    objects = []
    for source in sources:
        objects.append(temporary / f"{source}.o")
        run("g++", *options, "-c", HERE / source, "-o", objects[-1])
    is_cuda = name.startswith("cuda/")
    if is_cuda:
        wanted = set(re.findall(r" U (cuda\w+)", run("nm", runtime)))
    else:
        extensions = packages.glob("cupy*/**/*.so")
        symbols = (run("nm", "-D", "--undefined-only", file) for file in extensions)
        wanted = set(re.findall(rf" U (\w+)@{re.escape(library.name)}", "".join(symbols)))
    there = {symbol for o in objects for symbol in re.findall(r" T (cu\w+)", run("nm", o))}
    status = CUDA_NOT_SUPPORTED if is_cuda else OTHERS_NOT_SUPPORTED
    stubs = "".join(STUB % (symbol, symbol, status) for symbol in sorted(wanted - there))
    (temporary / "stubs.c").write_text("#include <stdio.h>\n" + stubs)
    (temporary / "versions").write_text(f"{library.name} {{ global: *; }};\n")
    run("gcc", "-fPIC", "-c", temporary / "stubs.c", "-o", temporary / "stubs.o")
    others = [] if is_cuda else [packages / "nvidia/cuda/lib/libcuda.so.1"]
    others += packages.glob("numpy.libs/libscipy_openblas64*.so") if sources else []
    run(
        *("g++", "-shared", *objects, temporary / "stubs.o", "-Wl,--no-as-needed", *others),
        *(f"-Wl,-rpath,{other.parent}" for other in others),
        *(f"-Wl,-soname,{library.name}", "-ldl", "-o", library),
        *([] if is_cuda else [f"-Wl,--version-script={temporary / 'versions'}"]),
    )


def install(packages: Path) -> None:
    """What Python, and CuPy, load."""
    shutil.copy(HERE / "site" / "gpu_on_cpu.py", packages / "gpu_on_cpu" / "__init__.py")
    (packages / "gpu_on_cpu.pth").write_text("import gpu_on_cpu\n")
    for old in (packages / "cupy/cuda").glob("thrust.*.so"):
        old.unlink()
    shutil.copy(HERE / "site" / "thrust.py", packages / "cupy/cuda/thrust.py")
    compiler = packages / "cupy/cuda/compiler.py"
    text = compiler.read_text()
    if "gpu_on_cpu" not in text:
        compiler.write_text(text + "\nimport gpu_on_cpu\n\n_compile_using_nvrtc_no_warning = gpu_on_cpu.compiler(_compile_using_nvrtc_no_warning)\n")


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: python tests/gpu_on_cpu/make.py FOLDER")
    try:
        main(Path(sys.argv[1]).resolve())
    except Problem as problem:
        sys.exit(f"make.py: {problem}")
