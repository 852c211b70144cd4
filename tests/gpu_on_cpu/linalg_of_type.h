// Included by linalg.cpp for each type X.

// -- cuBLAS

API int CUBLAS(gemmBatched)(Handle* h, int ta, int tb, int m, int n, int k, const X* alpha,
                        const X** a, int lda, const X** b, int ldb, const X* beta, X** c, int ldc,
                        int count) {
    return launch(h->stream, [=, alpha = *alpha, beta = *beta] {
        for (int i = 0; i < count; ++i)
            gemm<X>(ta, tb, m, n, k, alpha, {a[i], lda}, {b[i], ldb}, beta, {c[i], ldc});
    });
}

// -- cuSOLVER


API int CUBLAS(getrfBatched)(Handle* h, int n, X** a, int lda, int* pivots, int* info, int count) {
    if (n < 0 || lda < std::max(1, n)) return bad("cublas getrrf");
    return launch(h->stream, [=] {
        for (Long i = 0; i < count; ++i) info[i] = lu<X>(n, n, a[i], lda, pivots + i * n);
    });
}
API int CUBLAS(getrsBatched)(Handle* h, int trans, int n, int k, const X* const* a, int lda,
                         const int* pivots, X* const* b, int ldb, int* host_info, int count) {
    *host_info = 0;
    if (n < 0 || k < 0 || std::min(lda, ldb) < std::max(1, n)) return bad("cublas getrrs");
    return launch(h->stream, [=] {
        for (Long i = 0; i < count; ++i)
            lu_solve<X>(trans, n, k, a[i], lda, pivots + i * n, b[i], ldb);
    });
}
API int CUBLAS(getriBatched)(Handle* h, int n, const X* const* a, int lda, const int* pivots,
                         X* const* c, int ldc, int* info, int count) {
    if (n < 0 || std::min(lda, ldc) < std::max(1, n)) return bad("cublas getrri");
    return launch(h->stream, [=] {
        for (Long i = 0; i < count; ++i)
            info[i] = lu_inverse<X>(n, a[i], lda, pivots + i * n, c[i], ldc);
    });
}



API int CUSOLVER(getrf)(Handle* h, int m, int n, X* a, int lda, X* work, int* pivots, int* info) {
    if (m < 0 || n < 0 || lda < std::max(1, m)) return bad("getrf");
    return launch(h->stream, [=] {
        scribble(work, WORK);
        *info = lu<X>(m, n, a, lda, pivots);
    });
}
API int CUSOLVER(getrs)(Handle* h, int trans, int n, int k, const X* a, int lda, const int* pivots, X* b,
                 int ldb, int* info) {
    if (n < 0 || k < 0 || std::min(lda, ldb) < std::max(1, n)) return bad("getrs");
    return launch(h->stream, [=] { *info = lu_solve<X>(trans, n, k, a, lda, pivots, b, ldb); });
}
API int CUSOLVER(potrf)(Handle* h, int upper, int n, X* a, int lda, X* work, int size, int* info) {
    if (n < 0 || lda < std::max(1, n) || size < WORK) return bad("potrf");
    return launch(h->stream, [=] {
        scribble(work, size);
        *info = cholesky<X>(upper, n, a, lda);
    });
}
API int CUSOLVER(potrfBatched)(Handle* h, int upper, int n, X** a, int lda, int* info, int count) {
    if (n < 0 || lda < std::max(1, n)) return bad("potrfBatched");
    return launch(h->stream, [=] {
        for (Long i = 0; i < count; ++i) info[i] = cholesky<X>(upper, n, a[i], lda);
    });
}
API int CUSOLVER(geqrf)(Handle* h, int m, int n, X* a, int lda, X* tau, X* work, int size, int* info) {
    if (m < 0 || n < 0 || lda < std::max(1, m) || size < WORK) return bad("geqrf");
    return launch(h->stream, [=] {
        scribble(work, size);
        *info = lapack_with_work<X>("geqrf", m, n, a, lda, tau);
    });
}
API int CUSOLVER(orgqr)(Handle* h, int m, int n, int k, X* a, int lda, const X* tau, X* work, int size,
                 int* info) {
    if (n < 0 || n > m || k < 0 || k > n || lda < std::max(1, m) || size < WORK)
        return bad("orgqr");
    return launch(h->stream, [=] {
        scribble(work, size);
        *info = lapack_with_work<X>("orgqr", m, n, k, a, lda, tau);
    });
}
API int CUSOLVER(gesvd)(Handle* h, signed char job_u, signed char job_vt, int m, int n, X* a, int lda,
                 X* s, X* u, int ldu, X* vt, int ldvt, X* work, int size, X*, int* info) {
    if (m < n || n < 0 || lda < std::max(1, m) || size < WORK) return bad("gesvd");
    return launch(h->stream, [=] {
        scribble(work, size);
        *info = svd<X>(job_u, job_vt, m, n, a, lda, s, u, ldu, vt, ldvt);
    });
}
// By way of Jacobi rotations: gives V, and not its transpose.
API int CUSOLVER(gesvdjBatched)(Handle* h, int vectors, int m, int n, X* a, int lda, X* s, X* u, int ldu,
                          X* v, int ldv, X* work, int size, int* info, void*, int count) {
    if (std::min(m, n) < 0 || std::max(m, n) > 32 || lda < std::max(1, m) || ldu < m || ldv < n)
        return bad("gesvdjBatched");
    return launch(h->stream, [=] {
        scribble(work, size);
        char job = vectors ? 'A' : 'N';
        for (Long i = 0, k = std::min(m, n); i < count; ++i) {
            X *v_i = v + i * ldv * n, *u_i = u + i * ldu * m;
            info[i] = svd<X>(job, job, m, n, a + i * lda * n, lda, s + i * k, u_i, ldu, v_i, ldv);
            for (Long row = 0; vectors && row < n; ++row)
                for (Long column = 0; column < row; ++column)
                    std::swap(v_i[row * ldv + column], v_i[column * ldv + row]);
        }
    });
}
API int CUSOLVER(syevjBatched)(Handle* h, int vectors, int upper, int n, X* a, int lda, X* w, X* work,
                         int size, int* info, void*, int count) {
    if (n < 0 || lda < std::max(1, n) || size < WORK) return bad("syevjBatched");
    return launch(h->stream, [=] {
        scribble(work, size);
        for (Long i = 0; i < count; ++i)
            info[i] = eigh<X>(vectors, upper, n, a + i * lda * n, lda, w + i * n);
    });
}

// -- The sizes of workspaces

API int CUSOLVER(getrf_bufferSize)(Handle*, int, int, X*, int, int* size) {
    return give(size, WORK);
}
API int CUSOLVER(potrf_bufferSize)(Handle*, int, int, X*, int, int* size) {
    return give(size, WORK);
}
API int CUSOLVER(geqrf_bufferSize)(Handle*, int, int, X*, int, int* size) {
    return give(size, WORK);
}
API int CUSOLVER(orgqr_bufferSize)(Handle*, int, int, int, X*, int, X*, int* size) {
    return give(size, WORK);
}
API int CUSOLVER(gesvd_bufferSize)(Handle*, int m, int n, int* size) {
    return m < n ? bad("gesvd_bufferSize") : give(size, WORK);
}
API int CUSOLVER(gesvdjBatched_bufferSize)(Handle*, int, int, int, X*, int, X*, X*, int, X*, int, int* size, void*, int) {
    return give(size, WORK);
}
API int CUSOLVER(syevjBatched_bufferSize)(Handle*, int, int, int, X*, int, X*, int* size, void*, int) {
    return give(size, WORK);
}
