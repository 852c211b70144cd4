// cuBLAS and cuSOLVER, as far as products of matrices and cupy.linalg call them with real numbers:
// by NumPy's OpenBLAS, in order of the stream. Matrices are stored by columns.
#include <dlfcn.h>
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <type_traits>
#include <vector>
#include "launch.h"

using Long = int64_t;
using Half = _Float16;
enum Type { FLOAT, DOUBLE, HALF };  // CUDA_R_32F, CUDA_R_64F, CUDA_R_16F
static const int COMPUTE_16F = 64, COMPUTE_TF32 = 77, INVALID_VALUE = 7, NOT_SUPPORTED = 15;

// -- OpenBLAS

static Long stored(int x) { return x; }
template <class V> static V stored(V x) { return x; }
template <class V> static V* address(V* x) { return x; }
template <class V> static V* address(V& x) { return &x; }

// Calls a function of Fortran's: of pointers, and at last the lengths of texts.
template <class X, class... A> static void call_stored(const char* name, A... a) {
    std::string symbol = std::string("scipy_") + (sizeof(X) == 4 ? "s" : "d") + name + "_64_";
    void* found = dlsym(RTLD_DEFAULT, symbol.c_str());
    if (!found) {
        fprintf(stderr, "gpu_on_cpu: NumPy's OpenBLAS has no %s\n", symbol.c_str());
        abort();
    }
    auto f = (void (*)(decltype(address(a))..., Long, Long, Long, Long))found;
    f(address(a)..., 1, 1, 1, 1);
}
template <class X, class... A> static void lapack(const char* name, A... a) {
    call_stored<X>(name, stored(a)...);
}
// The same where a workspace, its size and the status are last: asks first for the size.
template <class X, class... A> static int lapack_with_work(const char* name, A... a) {
    X size;
    Long info;
    lapack<X>(name, a..., &size, -1, &info);
    std::vector<X> work((size_t)size + 1);
    lapack<X>(name, a..., work.data(), (Long)size, &info);
    return info;
}

// -- Products

template <class X> static void gemm(int ta, int tb, Long m, Long n, Long k, X alpha, const X* a,
                                    Long lda, const X* b, Long ldb, X beta, X* c, Long ldc) {
    lapack<X>("gemm", ta ? 'T' : 'N', tb ? 'T' : 'N', m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
// A float32 that tensor cores read as TF32: rounded to 10 bits after the point.
struct Tf32 {
    float x;
    operator float() const {
        unsigned bits = __builtin_bit_cast(unsigned, x);
        return x - x == 0 ? __builtin_bit_cast(float, (bits + 0x1000) & ~0x1fffu) : x;
    }
};
template <class X>
static std::vector<float> widened(const X* x, Long rows, Long columns, Long leading) {
    std::vector<float> wide;
    for (Long j = 0; j < columns; ++j)
        wide.insert(wide.end(), x + j * leading, x + j * leading + rows);
    return wide;
}
template <class X, class Y, class = std::enable_if_t<!std::is_floating_point_v<X>>>
static void gemm(int ta, int tb, Long m, Long n, Long k, float alpha, const X* a, Long lda,
                 const X* b, Long ldb, float beta, Y* c, Long ldc) {
    Long rows_a = ta ? k : m, rows_b = tb ? n : k;
    auto wide_a = widened(a, rows_a, ta ? m : k, lda), wide_b = widened(b, rows_b, tb ? k : n, ldb);
    auto wide_c = widened(c, m, n, ldc);
    gemm(ta, tb, m, n, k, alpha, wide_a.data(), rows_a, wide_b.data(), rows_b, beta, wide_c.data(),
         m);
    for (Long j = 0; j < n; ++j) std::copy_n(wide_c.data() + j * m, m, c + j * ldc);
}

// -- Decompositions of one matrix. Each gives the status that the libraries leave on the device.

template <class X> static int lu(Long m, Long n, X* a, Long lda, int* pivots) {
    Long info;
    std::vector<Long> wide(std::min(m, n));
    lapack<X>("getrf", m, n, a, lda, wide.data(), &info);
    std::copy(wide.begin(), wide.end(), pivots);
    return info;
}
template <class X> static int lu_solve(int transposed, Long n, Long k, const X* a, Long lda,
                                       const int* pivots, X* b, Long ldb) {
    Long info;
    std::vector<Long> wide(pivots, pivots + n);
    lapack<X>("getrs", transposed ? 'T' : 'N', n, k, a, lda, wide.data(), b, ldb, &info);
    return info;
}
template <class X>
static int lu_inverse(Long n, const X* a, Long lda, const int* pivots, X* c, Long ldc) {
    std::vector<Long> wide(pivots, pivots + n);
    for (Long j = 0; j < n; ++j) std::copy_n(a + j * lda, n, c + j * ldc);
    return lapack_with_work<X>("getri", n, c, ldc, wide.data());
}
template <class X> static int cholesky(int upper, Long n, X* a, Long lda) {
    Long info;
    lapack<X>("potrf", upper ? 'U' : 'L', n, a, lda, &info);
    return info;
}
template <class X> static int svd(char job_u, char job_vt, Long m, Long n, X* a, Long lda, X* s,
                                  X* u, Long ldu, X* vt, Long ldvt) {
    return lapack_with_work<X>("gesvd", job_u, job_vt, m, n, a, lda, s, u, ldu, vt, ldvt);
}
template <class X> static int eigh(int vectors, int upper, Long n, X* a, Long lda, X* w) {
    return lapack_with_work<X>("syev", vectors ? 'V' : 'N', upper ? 'U' : 'L', n, a, lda, w);
}

// -- What the libraries have once

struct Handle {
    void* stream = nullptr;
};
template <class V> static int give(V* to, V value) {
    *to = value;
    return 0;
}
static int give_new(Handle** h) { return give(h, new Handle); }
static int remove(Handle* h) {
    delete h;
    return 0;
}
API int cublasCreate_v2(Handle** h) { return give_new(h); }
API int cublasDestroy_v2(Handle* h) { return remove(h); }
API int cublasSetStream_v2(Handle* h, void* stream) { return give(&h->stream, stream); }
API int cublasSetWorkspace_v2(Handle*, void*, size_t) { return 0; }
API int cublasSetMathMode(Handle*, int) { return 0; }
API int cublasGetMathMode(Handle*, int* mode) { return give(mode, 0); }
API int cusolverDnCreate(Handle** h) { return give_new(h); }
API int cusolverDnDestroy(Handle* h) { return remove(h); }
API int cusolverDnSetStream(Handle* h, void* stream) { return give(&h->stream, stream); }
API int cusolverGetProperty(int, int* number) { return give(number, 11); }
API int cusolverDnCreateParams(Handle** p) { return give_new(p); }
API int cusolverDnDestroyParams(Handle* p) { return remove(p); }
API int cusolverDnCreateSyevjInfo(Handle** p) { return give_new(p); }
API int cusolverDnDestroySyevjInfo(Handle* p) { return remove(p); }
API int cusolverDnCreateGesvdjInfo(Handle** p) { return give_new(p); }
API int cusolverDnDestroyGesvdjInfo(Handle* p) { return remove(p); }

API int cublasGemmStridedBatchedEx(Handle* h, int ta, int tb, int m, int n, int k,
                                   const void* alpha, const void* a, int type_a, int lda,
                                   Long step_a, const void* b, int type_b, int ldb, Long step_b,
                                   const void* beta, void* c, int type_c, int ldc, Long step_c,
                                   int count, int compute, int) {
    if (type_a != type_b || type_a != type_c || type_a > HALF || compute == COMPUTE_16F) {
        fprintf(stderr, "gpu_on_cpu: no products of complex, mixed or whole numbers\n");
        return NOT_SUPPORTED;
    }
    if (lda < std::max(1, ta ? k : m) || ldb < std::max(1, tb ? n : k) || ldc < std::max(1, m))
        return INVALID_VALUE;
    auto products = [=](auto scalar, auto element, auto result) {
        using S = decltype(scalar);
        using X = decltype(element);
        using Y = decltype(result);
        return launch(h->stream, [=, alpha = *(S*)alpha, beta = *(S*)beta] {
            for (Long i = 0; i < count; ++i)
                gemm(ta, tb, m, n, k, alpha, (const X*)a + i * step_a, lda,
                     (const X*)b + i * step_b, ldb, beta, (Y*)c + i * step_c, ldc);
        }, "cublasGemm");
    };
    if (type_a == DOUBLE) return products(double(), double(), double());
    if (type_a == HALF) return products(float(), Half(), Half());
    if (compute == COMPUTE_TF32) return products(float(), Tf32(), float());
    return products(float(), float(), float());
}
API int cublasGemmEx(Handle* h, int ta, int tb, int m, int n, int k, const void* alpha,
                     const void* a, int type_a, int lda, const void* b, int type_b, int ldb,
                     const void* beta, void* c, int type_c, int ldc, int compute, int algorithm) {
    return cublasGemmStridedBatchedEx(h, ta, tb, m, n, k, alpha, a, type_a, lda, 0, b, type_b, ldb,
                                      0, beta, c, type_c, ldc, 0, 1, compute, algorithm);
}
API int cusolverDnXsyevd_bufferSize(Handle*, void*, int, int, Long, int, void*, Long, int, void*,
                                    int, size_t* on_device, size_t* on_host) {
    *on_device = *on_host = 0;
    return 0;
}
API int cusolverDnXsyevd(Handle* h, void*, int vectors, int upper, Long n, int type, void* a,
                         Long lda, int, void* w, int, void*, size_t, void*, size_t, int* info) {
    return launch(h->stream, [=] {
        *info = type == DOUBLE ? eigh(vectors, upper, n, (double*)a, lda, (double*)w)
                               : eigh(vectors, upper, n, (float*)a, lda, (float*)w);
    });
}

#define X float
#define CUBLAS(name) cublasS##name
#define CUSOLVER(name) cusolverDnS##name
#include "linalg_of_type.h"
#undef X
#undef CUBLAS
#undef CUSOLVER
#define X double
#define CUBLAS(name) cublasD##name
#define CUSOLVER(name) cusolverDnD##name
#include "linalg_of_type.h"
