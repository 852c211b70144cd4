"""Let cuDNN plan convolutions and their gradients for GPUs that are only described to it.

    python tests/backends/cupy/cudnn_plans.py sm_75 sm_80 sm_90

These are real plans, of kernels that cuDNN has chosen, but nothing runs. It takes gradcore, a C
compiler, nvidia-cudnn-frontend, and cuDNN 9.11 or newer with cuBLAS and NVRTC (2.2 GB); no CuPy, as
`cupy_on_cpu` stands in for it. What cuDNN refuses is printed, and the exit status is 1. Where
something is missing, the reason is printed, and the exit status is 77.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import re
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

import numpy as np

# What CUDA tells of a T4, an A100 and an H100 (SXM), by cuDNN's names for it.
COMMON = {
    "maxGridSize": [2**31 - 1, 65535, 65535],
    "maxBlockSize": [1024, 1024, 64],
    "maxThreadsPerBlock": 1024,
    "regsPerBlock": 65536,
    "maxRegistersPerSM": 65536,
    "warpSize": 32,
    "maxSharedMemoryPerBlock": 48 << 10,
    "supportCoopLaunch": 1,
    "isTccDriver": 0,
    "pciDeviceId": 0,
    "cudaDeviceId": 0,
    "driverVer": 12080,
}
LARGE = {"maxThreadsPerSM": 2048, "maxCtasPerSM": 32, "reservedSharedMemoryPerBlock": 1024}
DEVICES: dict[str, dict[str, Any]] = {
    "sm_75": {
        **{"deviceName": "Tesla T4", "deviceVer": 750, "multiProcessorCount": 40},
        **{"maxThreadsPerSM": 1024, "maxCtasPerSM": 16, "reservedSharedMemoryPerBlock": 0},
        **{"maxSharedMemoryPerBlockOptin": 64 << 10, "l2CacheSize": 4 << 20},
        **{"smClockRateKHz": 1590000, "memClockRateKHz": 5001000, "memoryBusWidth": 256},
        **{"totalGlobalMem": 15 << 30},
    },
    "sm_80": {
        **{"deviceName": "NVIDIA A100-SXM4-80GB", "deviceVer": 800, "multiProcessorCount": 108},
        **{**LARGE, "maxSharedMemoryPerBlockOptin": 163 << 10, "l2CacheSize": 40 << 20},
        **{"smClockRateKHz": 1410000, "memClockRateKHz": 1593000, "memoryBusWidth": 5120},
        **{"totalGlobalMem": 79 << 30},
    },
    "sm_90": {
        **{"deviceName": "NVIDIA H100 80GB HBM3", "deviceVer": 900, "multiProcessorCount": 132},
        **{**LARGE, "maxSharedMemoryPerBlockOptin": 227 << 10, "l2CacheSize": 50 << 20},
        **{"smClockRateKHz": 1980000, "memClockRateKHz": 2619000, "memoryBusWidth": 5120},
        **{"totalGlobalMem": 79 << 30},
    },
}

PLAIN: dict[str, Any] = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
SAME = {**PLAIN, "padding": ((1, 1), (1, 1))}
ODD = {"stride": (2, 1), "padding": ((1, 0), (1, 2)), "dilation": (1, 2)}
# x, w, groups and steps of ResNet-9 at batches of 512, and of airbench at 1,000.
NETWORKS = [
    *(
        ((512, c, size, size), (o, c, 3, 3), 1, SAME)
        for c, o, size in (
            *((3, 64, 32), (64, 128, 32), (128, 128, 16), (128, 256, 16)),
            *((256, 512, 8), (512, 512, 4)),
        )
    ),
    ((1000, 3, 32, 32), (24, 3, 2, 2), 1, PLAIN),
    *(
        ((1000, c, size, size), (o, c, 3, 3), 1, SAME)
        for c, o, size in (
            *((24, 64, 31), (64, 64, 15), (64, 256, 15), (256, 256, 7), (256, 256, 3)),
        )
    ),
]
CASES = [  # x, w, groups and steps
    ((4, 3, 32, 32), (6, 3, 5, 5), 1, PLAIN),
    ((128, 3, 32, 32), (64, 3, 3, 3), 1, SAME),
    ((128, 64, 32, 32), (128, 64, 3, 3), 1, SAME),
    ((8, 64, 33, 31), (48, 64, 1, 1), 1, {**PLAIN, "stride": (2, 2)}),
    ((2, 5, 17, 16), (7, 5, 3, 2), 1, ODD),
    ((8, 64, 32, 32), (128, 16, 3, 3), 4, SAME),
    ((8, 6, 17, 16), (12, 2, 3, 2), 3, ODD),
    ((8, 64, 32, 32), (64, 1, 3, 3), 64, {**SAME, "stride": (2, 2)}),
    ((16, 8, 1, 500), (16, 8, 1, 9), 1, {**PLAIN, "dilation": (1, 3)}),  # conv1d
]
KINDS = [("float16", False), ("float32", False), ("float32", True), ("float64", False)]


def channels_last(x: Any) -> Any:
    """Copy x into memory where its channels are last."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def driver() -> None:
    """Load NVIDIA's driver, which cuDNN needs. Where there is none, compile and load a library with
    its functions, each of which returns the error that there is no device."""
    try:
        ctypes.CDLL("libcuda.so.1", ctypes.RTLD_GLOBAL)
        return
    except OSError:
        pass
    wants = [f for f in installed() if "engines_runtime_compiled" in f.name]
    names = {n for f in wants for n in re.findall(rb"\bcu[A-Z]\w+(?=\0)", f.read_bytes())}
    with tempfile.TemporaryDirectory(prefix="gradcore-") as folder:
        target = Path(folder, "libcuda.so.1")
        source = "\n".join(f"int {n.decode()}(void) {{ return 100; }}" for n in sorted(names))
        command = ["gcc", "-shared", "-fPIC", f"-Wl,-soname,{target.name}", "-o", target]
        subprocess.run([*command, "-x", "c", "-"], input=source, text=True, check=True)
        ctypes.CDLL(str(target), ctypes.RTLD_GLOBAL)


def installed() -> list[Path]:
    """The files of cuDNN."""
    for package in ("nvidia-cudnn-cu12", "nvidia-cudnn-cu13"):
        with suppress(PackageNotFoundError):
            return [Path(str(f.locate())) for f in files(package) or ()]
    raise PackageNotFoundError("nvidia-cudnn-cu12")


def main(architectures: list[str]) -> int:
    try:
        driver()
        import cudnn
        import cupy_on_cpu

        version = cudnn.backend_version_string()
    except (ImportError, OSError, RuntimeError) as error:  # OSError: no compiler
        print(f"something is missing: {error}")
        return 77
    cupy_on_cpu.register()
    ours = cupy_on_cpu.module("cudnn")
    ours.cupy.empty = lambda shape, dtype: cupy_on_cpu.wrap(np.empty(shape, dtype))  # not filled
    refused, times = list[str](), list[float]()

    class Planner(ours.Cudnn):
        """Plans for the device `where`. Without a handle, it can't run the plans."""

        where: dict[str, Any]

        def run(self, method: str, *given: Any, **options: Any) -> None:
            try:
                self.plan(method, *given, **options)(*given)
            except Exception as error:
                # Asking for the handle's stream is cuDNN's last step before it runs a plan: it has
                # the addresses of all arrays by then.
                if "get_stream(handle" not in str(error):
                    what = f"{[x is not None and (x.shape, x.dtype.name) for x in given]} {options}"
                    says = str(error).partition("\n")[0]
                    refused.append(f"{self.where['sm_version']} {method} {what}: {says}")

        def _graph(self, device: int, case: Any) -> tuple[Any, int]:  # noqa: ARG002
            start = time.perf_counter()
            graph = ours.planned(self.cudnn, case, **self.where)
            times.append(time.perf_counter() - start)
            return ours.call_of(graph), graph.get_workspace_size()

        def _handle(self, device: int) -> None:
            pass

    planner = Planner()
    for name in architectures:
        device = cudnn.create_device_properties(json.dumps({**COMMON, **DEVICES[name]}))
        planner.where = {"device_property": device, "sm_version": int(name.removeprefix("sm_"))}
        for (kind, is_tf32), order in itertools.product(KINDS, (np.asarray, channels_last)):
            ours.in_convolutions = lambda is_tf32=is_tf32: is_tf32
            for x, w, groups, steps in CASES + NETWORKS * (kind != "float64"):
                run(planner, kind, order, x, w, groups, steps)
    print(
        *refused,
        f"cuDNN {version}, front end {cudnn.__version__}: {len(times)} graphs for "
        f"{', '.join(architectures)} in {sum(times):.1f} s, {len(refused)} refused; "
        f"the median took {1000 * sorted(times)[len(times) // 2]:.0f} ms, the slowest "
        f"{1000 * max(times):.0f} ms",
        sep="\n",
    )
    return 1 if refused else 0


def run(how: Any, kind: str, order: Any, x: Any, w: Any, groups: int, steps: Any) -> None:
    """Compute a convolution without and with bias, and both gradients."""
    from cupy_on_cpu import wrap

    from gradcore.backends.definitions.convolution import output_size

    y = (x[0], w[0], *output_size(x[2:], w[2:], **steps))
    x, w, y, b = (np.empty(shape, kind) for shape in (x, w, y, w[:1]))
    x, w, y, b = map(wrap, (order(x), w, order(y), b))
    steps = {"groups": groups, **steps}
    how.run("conv2d", x, w, None, **steps)
    how.run("conv2d", x, w, b, **steps)
    how.run("conv2d_input_gradient", y, w, size=x.shape[2:], **steps)
    how.run("conv2d_weight_gradient", x, y, kernel=w.shape[2:], **steps)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
