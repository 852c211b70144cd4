"""What there is: the device, its driver, its libraries, and the versions of packages."""

from __future__ import annotations

import contextlib
import io
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from importlib import metadata

from .cases import Case, Found, Given, NotHere

__all__ = ["cases"]

PACKAGES = ["numpy", "array-api-compat", "pytest", "torch", "cupy-cuda12x", "cupy-cuda13x"]
PACKAGES += ["cuda-pathfinder", "nvidia-cudnn-frontend", "nvidia-cudnn-cu12", "nvidia-cudnn-cu13"]
LIBRARIES = ("cublas", "cublasLt", "nvrtc", "cudnn", "curand", "cusolver", "cufft", "nvJitLink")


def cases(given: Given) -> Iterator[Case]:
    backend = given.backend
    yield "device", backend.describe_device
    yield "library", backend.describe_library
    yield "system", lambda: f"Python {platform.python_version()}; {platform.platform()}"
    yield "versions", versions
    yield "memory", backend.describe_memory
    yield "cores", lambda: f"{os.cpu_count()} cores"
    yield "nvidia-smi", nvidia_smi
    yield "CUDA libraries", lambda: cuda_libraries(given)
    yield "CuPy's configuration", lambda: configuration(given)


def versions() -> str:
    found = []
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found.append(f"{package} {metadata.version(package)}")
    return ", ".join(found)


def nvidia_smi() -> Found:
    if not shutil.which("nvidia-smi"):
        raise NotHere("there is no nvidia-smi")
    done = subprocess.run(["nvidia-smi"], capture_output=True, text=True, timeout=10, check=False)
    return Found(done.returncode == 0, f"exit status {done.returncode}", text=done.stdout)


def cuda_libraries(given: Given) -> Found:
    """Where CUDA's libraries are found. cuDNN may be missing; the others are needed."""
    given.only_on_cupy()
    from cuda import pathfinder

    lines, missing = [], []
    for name in LIBRARIES:
        try:
            lines.append(f"{name}: {pathfinder.load_nvidia_dynamic_lib(name).abs_path}")
        except Exception as error:
            missing.append(name)
            lines.append(f"{name}: missing ({str(error).splitlines()[0]})")
    needed = {"cublas", "nvrtc"} & {*missing}
    detail = f"missing: {', '.join(missing)}" if missing else "all there"
    return Found(not needed, detail, text="\n".join(lines))


def configuration(given: Given) -> Found:
    given.only_on_cupy()
    import cupy

    try:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            cupy.show_config()
    except Exception as error:  # it asks all libraries, those too that gradcore does without
        raise NotHere(f"cupy.show_config: {error}") from None
    return Found(True, f"CuPy {cupy.__version__}", text=said.getvalue())
