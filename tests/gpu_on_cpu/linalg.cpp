// cuBLAS and cuSOLVER, as far as cupy.linalg and products of matrices call them with real numbers:
// by NumPy's OpenBLAS, in order of the stream. What it can't do is a line on stderr and a status.
#include <dlfcn.h>
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>
#include "launch.h"

using Long = int64_t;
using Half = _Float16;
enum Type { FLOAT, DOUBLE, HALF };  // CUDA_R_32F, CUDA_R_64F, CUDA_R_16F
enum Operation { NOT_TRANSPOSED, TRANSPOSED };
static const int COMPUTE_16F = 64, COMPUTE_64F = 70;
static const int BAD_ARGUMENT = 3, NOT_SUPPORTED = 15;
static const int WORK = 64;  // elements of each workspace that is asked for

struct Handle {
    void* stream;
};
static int bad(const char* function, int status = BAD_ARGUMENT) {
    fprintf(stderr, "gpu_on_cpu: %s is called as it can't be\n", function);
    return status;
}

// -- OpenBLAS

static Long stored(int x) { return x; }
template <class X> static X stored(X x) { return x; }
template <class X> static X* address(X* x) { return x; }
template <class X> static X* address(X& x) { return &x; }

// Calls a function of Fortran's, named without its type: of pointers, and the lengths of texts.
template <class X, class... A> static void call_stored(const char* name, A... a) {
    std::string symbol = std::string("scipy_") + (sizeof(X) == 4 ? "s" : "d") + name + "_64_";
    auto f = (void (*)(decltype(address(a))..., Long, Long, Long, Long))dlsym(RTLD_DEFAULT,
                                                                             symbol.c_str());
    if (!f) {
        fprintf(stderr, "gpu_on_cpu: NumPy's OpenBLAS has no %s\n", symbol.c_str());
        abort();
    }
    f(address(a)..., 1, 1, 1, 1);
}
template <class X, class... A> static void lapack(const char* name, A... a) {
    call_stored<X>(name, stored(a)...);
}
// The same, of a function that takes, before the status, a workspace, and tells of which size.
template <class X, class... A> static Long lapack_with_work(const char* name, A... a) {
    X best;
    Long info;
    lapack<X>(name, a..., &best, -1, &info);
    std::vector<X> work((size_t)best + 1);
    lapack<X>(name, a..., work.data(), (Long)best, &info);
    return info;
}
// A workspace is the function's to write to.
template <class X> static void scribble(X* work, Long n) { memset((void*)work, 0xee, n * sizeof(X)); }

// -- Both libraries' handles

static int create(Handle** h) {
    *h = new Handle{nullptr};
    return 0;
}
static int destroy(Handle* h) {
    delete h;
    return 0;
}
static int set_stream(Handle* h, void* stream) {
    h->stream = stream;
    return 0;
}
static int give(int* to, int value) {
    *to = value;
    return 0;
}
API int cublasCreate_v2(Handle** h) { return create(h); }
API int cublasDestroy_v2(Handle* h) { return destroy(h); }
API int cublasSetStream_v2(Handle* h, void* stream) { return set_stream(h, stream); }
API int cublasSetWorkspace_v2(Handle*, void*, size_t) { return 0; }
API int cublasSetMathMode(Handle*, int) { return 0; }
API int cublasGetVersion_v2(Handle*, int* v) { return give(v, 120900); }
API int cusolverDnCreate(Handle** h) { return create(h); }
API int cusolverDnDestroy(Handle* h) { return destroy(h); }
API int cusolverDnSetStream(Handle* h, void* stream) { return set_stream(h, stream); }
API int cusolverGetProperty(int which, int* v) { return give(v, which ? 7 : 11); }
API int cusolverDnCreateParams(void** p) { return create((Handle**)p); }
API int cusolverDnDestroyParams(void* p) { return destroy((Handle*)p); }
API int cusolverDnCreateSyevjInfo(void** p) { return create((Handle**)p); }
API int cusolverDnDestroySyevjInfo(void* p) { return destroy((Handle*)p); }
API int cusolverDnCreateGesvdjInfo(void** p) { return create((Handle**)p); }
API int cusolverDnDestroyGesvdjInfo(void* p) { return destroy((Handle*)p); }

// -- Products of matrices, by columns

template <class X> struct Matrix {
    X* at;
    Long leading;
};
template <class X>
static void gemm(int ta, int tb, Long m, Long n, Long k, X alpha, Matrix<const X> a,
                 Matrix<const X> b, X beta, Matrix<X> c) {
    lapack<X>("gemm", ta ? 'T' : 'N', tb ? 'T' : 'N', m, n, k, alpha, a.at, a.leading, b.at,
              b.leading, beta, c.at, c.leading);
}
static std::vector<float> widened(Matrix<const Half> x, Long rows, Long columns) {
    std::vector<float> wide;
    for (Long j = 0; j < columns; ++j)
        wide.insert(wide.end(), x.at + j * x.leading, x.at + j * x.leading + rows);
    return wide;
}
static void gemm(int ta, int tb, Long m, Long n, Long k, float alpha, Matrix<const Half> a,
                 Matrix<const Half> b, float beta, Matrix<Half> c) {
    auto wide_a = widened(a, ta ? k : m, ta ? m : k), wide_b = widened(b, tb ? n : k, tb ? k : n);
    auto wide_c = widened({c.at, c.leading}, m, n);
    gemm<float>(ta, tb, m, n, k, alpha, {wide_a.data(), ta ? k : m},
                {wide_b.data(), tb ? n : k}, beta, {wide_c.data(), m});
    for (Long j = 0; j < n; ++j)
        std::copy_n(wide_c.data() + j * m, m, c.at + j * c.leading);
}
template <class X, class S>
static int products(Handle* h, int ta, int tb, int m, int n, int k, S alpha, const void* a,
                    int lda, Long step_a, const void* b, int ldb, Long step_b, S beta, void* c,
                    int ldc, Long step_c, int count) {
    return launch(h->stream, [=] {
        for (Long i = 0; i < count; ++i) {
            Matrix<const X> x{(X*)a + i * step_a, lda}, y{(X*)b + i * step_b, ldb};
            gemm(ta, tb, m, n, k, alpha, x, y, beta, Matrix<X>{(X*)c + i * step_c, ldc});
        }
    });
}
API int cublasGemmStridedBatchedEx(Handle* h, int ta, int tb, int m, int n, int k,
                                   const void* alpha, const void* a, int type_a, int lda,
                                   Long step_a, const void* b, int type_b, int ldb, Long step_b,
                                   const void* beta, void* c, int type_c, int ldc, Long step_c,
                                   int count, int compute, int) {
    if (type_a != type_b || type_a != type_c || type_a > HALF || compute == COMPUTE_16F)
        return bad("cublasGemmStridedBatchedEx (of complex, mixed or short numbers)", NOT_SUPPORTED);
    if (lda < std::max(1, ta ? k : m) || ldb < std::max(1, tb ? n : k) || ldc < std::max(1, m))
        return bad("cublasGemmStridedBatchedEx");
    auto with = [&](auto f, auto scalar) {
        using S = decltype(scalar);
        return f(h, ta, tb, m, n, k, *(S*)alpha, a, lda, step_a, b, ldb, step_b, *(S*)beta, c, ldc,
                 step_c, count);
    };
    if (type_a == DOUBLE && compute == COMPUTE_64F) return with(products<double, double>, 0.0);
    return type_a == HALF ? with(products<Half, float>, 0.0f) : with(products<float, float>, 0.0f);
}
API int cublasGemmEx(Handle* h, int ta, int tb, int m, int n, int k, const void* alpha,
                     const void* a, int type_a, int lda, const void* b, int type_b, int ldb,
                     const void* beta, void* c, int type_c, int ldc, int compute, int algorithm) {
    return cublasGemmStridedBatchedEx(h, ta, tb, m, n, k, alpha, a, type_a, lda, 0, b, type_b, ldb,
                                      0, beta, c, type_c, ldc, 0, 1, compute, algorithm);
}
// -- Decompositions of one matrix. Each gives the status that the library leaves on the device.

template <class X> static int lu(Long m, Long n, X* a, Long lda, int* pivots) {
    Long info;
    std::vector<Long> p(std::min(m, n));
    lapack<X>("getrf", m, n, a, lda, p.data(), &info);
    std::copy(p.begin(), p.end(), pivots);
    return info;
}
template <class X>
static int lu_solve(int trans, Long n, Long k, const X* a, Long lda, const int* pivots, X* b,
                    Long ldb) {
    Long info;
    std::vector<Long> p(pivots, pivots + n);
    lapack<X>("getrs", trans ? 'T' : 'N', n, k, a, lda, p.data(), b, ldb, &info);
    return info;
}
template <class X>
static int lu_inverse(Long n, const X* a, Long lda, const int* pivots, X* c, Long ldc) {
    std::vector<Long> p(pivots, pivots + n);
    for (Long j = 0; j < n; ++j) std::copy_n(a + j * lda, n, c + j * ldc);
    return lapack_with_work<X>("getri", n, c, ldc, p.data());
}
template <class X> static int cholesky(int upper, Long n, X* a, Long lda) {
    Long info;
    lapack<X>("potrf", upper ? 'U' : 'L', n, a, lda, &info);
    return info;
}
template <class X>
static int svd(char job_u, char job_vt, Long m, Long n, X* a, Long lda, X* s, X* u, Long ldu, X* vt,
               Long ldvt) {
    X none;
    return lapack_with_work<X>("gesvd", job_u, job_vt, m, n, a, lda, s, u ? u : &none,
                               std::max<Long>(ldu, 1), vt ? vt : &none, std::max<Long>(ldvt, 1));
}
template <class X> static int eigh(int vectors, int upper, Long n, X* a, Long lda, X* w) {
    return lapack_with_work<X>("syev", vectors ? 'V' : 'N', upper ? 'U' : 'L', n, a, lda, w);
}

// -- cuSOLVER

API int cusolverDnXsyevd_bufferSize(Handle*, void*, int, int, Long, int, void*, Long, int, void*,
                                    int, size_t* on_device, size_t* on_host) {
    *on_device = *on_host = WORK;
    return 0;
}
API int cusolverDnXsyevd(Handle* h, void*, int vectors, int upper, Long n, int type_a, void* a,
                         Long lda, int type_w, void* w, int type, void* work, size_t size, void*,
                         size_t, int* info) {
    if (type_a != type_w || type_a != type || type > DOUBLE || n < 0 || lda < std::max<Long>(1, n))
        return bad("Xsyevd");
    return launch(h->stream, [=] {
        scribble((char*)work, size);
        *info = type == DOUBLE ? eigh(vectors, upper, n, (double*)a, lda, (double*)w)
                               : eigh(vectors, upper, n, (float*)a, lda, (float*)w);
    });
}

// -- Functions that there are of each type

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
