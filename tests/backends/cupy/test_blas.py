"""The arguments of cuBLAS, on the stand-in for CuPy, with a cuBLAS written in NumPy."""

from __future__ import annotations

import ctypes
import re
from types import SimpleNamespace
from typing import Any

import cupy_on_cpu
import numpy as np
import pytest
from cupy_on_cpu import wrap

from gradcore.backends import get

blas = cupy_on_cpu.module("blas")


REAL = {2: (np.float16, ctypes.c_float), 0: (np.float32, ctypes.c_float)}
REAL[1] = np.float64, ctypes.c_double


def columns(address: int, kind: int, rows: int, count: int, leading: int) -> np.ndarray:
    """A matrix by columns, `leading` elements from one to the next, at an address."""
    assert leading >= max(1, rows)
    dtype = np.dtype(REAL[kind][0])
    length = leading * (count - 1) + rows
    memory = np.ctypeslib.as_array(
        (ctypes.c_uint8 * (length * dtype.itemsize)).from_address(address)
    )
    steps = dtype.itemsize, leading * dtype.itemsize
    return np.lib.stride_tricks.as_strided(np.frombuffer(memory, dtype), (rows, count), steps)


class Library:
    """cublas_api.h's functions of the same names, by way of ctypes."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.computes: list[int] = []
        for name, arguments in blas.SIGNATURES.items():
            function = ctypes.CFUNCTYPE(ctypes.c_int, *arguments)(self.counted(name))
            setattr(self, name, function)

    def counted(self, name: str) -> Any:
        def call(*args: Any) -> int:
            self.calls.append(name)
            if name.startswith("cublasGemm"):
                (self.one if name == "cublasGemmEx" else self.several)(*args)
            return 0

        return call

    def one(
        self, handle, ta, tb, m, n, k, alpha, a, atype, lda, b, btype, ldb, beta, c, ctype, ldc,
        compute, algorithm,
    ):  # fmt: skip
        self.several(
            handle, ta, tb, m, n, k, alpha, a, atype, lda, 0, b, btype, ldb, 0, beta, c, ctype,
            ldc, 0, 1, compute, algorithm,
        )  # fmt: skip

    def several(
        self, _handle, ta, tb, m, n, k, alpha, a, atype, lda, sa, b, btype, ldb, sb, beta, c, ctype,
        ldc, sc, count, compute, algorithm,
    ):  # fmt: skip
        self.computes.append(compute)
        dtype, real = REAL[atype]
        assert atype == btype == ctype
        assert algorithm == -1
        one, zero = (ctypes.cast(p, ctypes.POINTER(real))[0] for p in (alpha, beta))
        assert (one, zero) == (1.0, 0.0)
        size = np.dtype(dtype).itemsize
        for i in range(count):
            at = columns(a + i * sa * size, atype, *((k, m) if ta else (m, k)), lda)
            bt = columns(b + i * sb * size, btype, *((n, k) if tb else (k, n)), ldb)
            y = columns(c + i * sc * size, ctype, m, n, ldc)
            y[...] = (at.T if ta else at).astype(real) @ (bt.T if tb else bt).astype(real)


@pytest.fixture
def cublas(monkeypatch):
    library = Library()
    monkeypatch.setattr(blas, "library", lambda: library)
    return blas.Cublas(SimpleNamespace(ptr=0))


def test_stream_before_workspace(cublas):
    created = ["cublasCreate_v2", "cublasSetStream_v2", "cublasSetWorkspace_v2"]
    assert cublas.library.calls == created


def layouts(x: np.ndarray) -> list[np.ndarray]:
    """The same numbers, lying in memory in several ways."""
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1] + 1), x.dtype)
    wide[..., : x.shape[-1]] = x
    gaps = np.repeat(x, 2, axis=-1)
    transposed = np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2) if x.ndim > 1 else x
    moved = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 0, -1)), -1, 0)
    return [x, wide[..., : x.shape[-1]], gaps[..., ::2], transposed, moved, x[..., ::-1][..., ::-1]]


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3, 4), (4, 5)), ((1, 4), (4, 5)), ((3, 4), (4, 1)), ((3, 1), (1, 5)), ((1, 1), (1, 1)),
        ((4,), (4, 5)), ((3, 4), (4,)), ((4,), (4,)), ((2, 3, 4), (2, 4, 5)),
        ((2, 3, 4), (4, 5)), ((3, 4), (2, 4, 5)), ((2, 6, 3, 4), (2, 6, 4, 5)),
        ((2, 1, 3, 4), (6, 4, 5)), ((1, 3, 4), (1, 4, 5)), ((2, 3, 4), (4,)), ((4,), (2, 4, 5)),
        ((3, 0), (0, 5)), ((0, 4), (4, 5)), ((2, 3, 1), (2, 1, 5)), ((2, 1, 4), (2, 4, 1)),
    ],
)  # fmt: skip
def test_products(cublas, kind, a, b):
    rng = np.random.default_rng(0)
    for left in layouts(rng.integers(-3, 4, a).astype(kind)):
        for right in layouts(rng.integers(-3, 4, b).astype(kind)):
            y = cublas.matmul(wrap(left), wrap(right))
            assert y.dtype == kind
            assert np.array_equal(y.get(), left @ right), (left.strides, right.strides)


def test_transposes_and_broadcasts_are_not_copied(cublas, monkeypatch):
    monkeypatch.setattr(blas.cupy, "ascontiguousarray", None)
    a, b = wrap(np.ones((3, 4), "f")), wrap(np.ones((5, 4), "f"))
    cublas.matmul(a, b.T)
    cublas.matmul(a.T, wrap(np.ones((2, 3, 4), "f")))
    cublas.matmul(wrap(np.ones((2, 3, 4), "f")), b.T)
    cublas.matmul(wrap(np.ones((2, 3, 7), "f"))[..., :4], b.T)
    assert cublas.library.calls[3:] == ["cublasGemmEx", *["cublasGemmStridedBatchedEx"] * 3]


def test_a_handle_that_gives_wrong_products_is_refused(cublas, monkeypatch):
    cublas.check()
    right = cublas.matmul
    monkeypatch.setattr(cublas, "matmul", lambda a, b: right(a, b) + 1)
    with pytest.raises(RuntimeError, match="gives wrong products of float"):
        cublas.check()


def test_other_dtypes_and_shapes(cublas):
    x = wrap(np.ones((2, 2), np.int32))
    assert (cublas.matmul(x, x).get() == 2).all()
    assert "cublasGemmEx" not in cublas.library.calls
    mixed = cublas.matmul(wrap(np.ones((2, 2), "f")), wrap(np.ones((2, 2), "d")))
    assert mixed.dtype == np.float64
    with pytest.raises(ValueError, match="does not fit"):
        cublas.matmul(x.astype("f"), wrap(np.ones((3, 2), "f")))


def test_tf32_is_for_float32_and_only_where_asked(cublas, monkeypatch):
    x = wrap(np.ones((2, 2), "f"))
    cublas.matmul(x, x)
    monkeypatch.setattr(blas, "in_matmul", lambda: True)
    for dtype in ("float32", "float64", "float16"):
        cublas.matmul(x.astype(dtype), x.astype(dtype))
    assert cublas.library.computes == [68, 77, 70, 68]


def test_a_failure_names_the_function(cublas):
    cublas.library.cublasGemmEx = lambda *_: 13
    x = wrap(np.ones((2, 2), "f"))
    with pytest.raises(RuntimeError, match="cublasGemmEx failed with status 13"):
        cublas.matmul(x, x)


def test_only_inside_active(cublas):
    x = wrap(np.ones((2, 2), "f"))
    blas.matmul(x, x)
    assert "cublasGemmEx" not in cublas.library.calls
    with cublas.active():
        blas.matmul(x, x)
    assert cublas.library.calls[-1] == "cublasGemmEx"


def test_the_backends_namespace_has_this_product():
    assert get("cupy-like").xp.matmul is blas.matmul
    pytest.importorskip("cupy")
    from gradcore.backends.cupy import CupyBackend
    from gradcore.backends.cupy import blas as of_cupy

    assert CupyBackend.xp.matmul is of_cupy.matmul
    assert CupyBackend.xp.__array_namespace_info__().capabilities()


def test_the_signatures_are_those_of_the_header():
    """With `pip install nvidia-cublas-cu12` (600 MB)."""
    header = header_of_cublas()
    kinds = {"int": ctypes.c_int, "size_t": ctypes.c_size_t, "long long int": ctypes.c_longlong}
    enums = ("cublasOperation_t", "cudaDataType", "cublasComputeType_t", "cublasGemmAlgo_t")
    kinds |= dict.fromkeys(enums, ctypes.c_int)
    kinds |= dict.fromkeys(("cublasHandle_t", "cudaStream_t"), ctypes.c_void_p)
    for name, arguments in blas.SIGNATURES.items():
        declared = re.search(rf"\b{name}\(([^;]*?)\);", header)
        parameters = [re.sub(r"\s*\w+$", "", p.strip()) for p in declared[1].split(",")]
        expected = [ctypes.c_void_p if "*" in p else kinds[p] for p in parameters]
        assert list(arguments) == expected, name
    for name, value in (
        ("CUBLAS_OP_T", blas.TRANSPOSED),
        ("CUBLAS_COMPUTE_32F", blas.COMPUTE_32F),
        ("CUBLAS_COMPUTE_64F", blas.COMPUTE_64F),
        ("CUBLAS_COMPUTE_32F_FAST_TF32", blas.COMPUTE_32F_FAST_TF32),
        ("CUBLAS_GEMM_DEFAULT", blas.DEFAULT_ALGORITHM),
    ):
        assert re.search(rf"\b{name} += {value},", header), name


def header_of_cublas() -> str:
    from importlib.metadata import PackageNotFoundError, files

    for package in ("nvidia-cublas-cu12", "nvidia-cublas"):
        try:
            found = [f for f in files(package) or () if f.name == "cublas_api.h"]
        except PackageNotFoundError:
            continue
        if found:
            return found[0].read_text("utf-8")
    pytest.skip("nvidia-cublas-cu12 is not installed")
