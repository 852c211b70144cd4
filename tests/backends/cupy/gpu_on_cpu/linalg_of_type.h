// Included by linalg.cpp for each type X: what the libraries have of each. No workspace is needed.

API int CUBLAS(gemmBatched)(Handle* h, int ta, int tb, int m, int n, int k, const X* alpha,
                            const X** a, int lda, const X** b, int ldb, const X* beta, X** c,
                            int ldc, int count) {
    return launch(h->stream, [=, alpha = *alpha, beta = *beta] {
        for (int i = 0; i < count; ++i)
            gemm(ta, tb, m, n, k, alpha, a[i], lda, b[i], ldb, beta, c[i], ldc);
    });
}

// -- LU

API int CUBLAS(getrfBatched)(Handle* h, int n, X** a, int lda, int* pivots, int* info, int count) {
    return launch(h->stream, [=] {
        for (int i = 0; i < count; ++i) info[i] = lu(n, n, a[i], lda, pivots + i * n);
    });
}
API int CUBLAS(getrsBatched)(Handle* h, int transposed, int n, int k, const X* const* a, int lda,
                             const int* pivots, X* const* b, int ldb, int* host_info, int count) {
    *host_info = 0;
    return launch(h->stream, [=] {
        for (int i = 0; i < count; ++i)
            lu_solve(transposed, n, k, a[i], lda, pivots + i * n, b[i], ldb);
    });
}
API int CUBLAS(getriBatched)(Handle* h, int n, const X* const* a, int lda, const int* pivots,
                             X* const* c, int ldc, int* info, int count) {
    return launch(h->stream, [=] {
        for (int i = 0; i < count; ++i)
            info[i] = lu_inverse(n, a[i], lda, pivots + i * n, c[i], ldc);
    });
}
API int CUSOLVER(getrf_bufferSize)(Handle*, int, int, X*, int, int* size) { return give(size, 0); }
API int CUSOLVER(getrf)(Handle* h, int m, int n, X* a, int lda, X*, int* pivots, int* info) {
    return launch(h->stream, [=] { *info = lu(m, n, a, lda, pivots); });
}
API int CUSOLVER(getrs)(Handle* h, int transposed, int n, int k, const X* a, int lda,
                        const int* pivots, X* b, int ldb, int* info) {
    return launch(h->stream, [=] { *info = lu_solve(transposed, n, k, a, lda, pivots, b, ldb); });
}

// -- Cholesky and QR

API int CUSOLVER(potrf_bufferSize)(Handle*, int, int, X*, int, int* size) { return give(size, 0); }
API int CUSOLVER(potrf)(Handle* h, int upper, int n, X* a, int lda, X*, int, int* info) {
    return launch(h->stream, [=] { *info = cholesky(upper, n, a, lda); });
}
API int CUSOLVER(potrfBatched)(Handle* h, int upper, int n, X** a, int lda, int* info, int count) {
    return launch(h->stream, [=] {
        for (int i = 0; i < count; ++i) info[i] = cholesky(upper, n, a[i], lda);
    });
}
API int CUSOLVER(geqrf_bufferSize)(Handle*, int, int, X*, int, int* size) { return give(size, 0); }
API int CUSOLVER(geqrf)(Handle* h, int m, int n, X* a, int lda, X* tau, X*, int, int* info) {
    return launch(h->stream, [=] { *info = lapack_with_work<X>("geqrf", m, n, a, lda, tau); });
}
API int CUSOLVER(orgqr_bufferSize)(Handle*, int, int, int, X*, int, X*, int* size) {
    return give(size, 0);
}
API int CUSOLVER(orgqr)(Handle* h, int m, int n, int k, X* a, int lda, const X* tau, X*, int,
                        int* info) {
    return launch(h->stream, [=] { *info = lapack_with_work<X>("orgqr", m, n, k, a, lda, tau); });
}

// -- Singular values, and eigenvalues of symmetric matrices

API int CUSOLVER(gesvd_bufferSize)(Handle*, int, int, int* size) { return give(size, 0); }
API int CUSOLVER(gesvd)(Handle* h, signed char job_u, signed char job_vt, int m, int n, X* a,
                        int lda, X* s, X* u, int ldu, X* vt, int ldvt, X*, int, X*, int* info) {
    return launch(h->stream,
                  [=] { *info = svd(job_u, job_vt, m, n, a, lda, s, u, ldu, vt, ldvt); });
}
API int CUSOLVER(gesvdjBatched_bufferSize)(Handle*, int, int, int, X*, int, X*, X*, int, X*, int,
                                           int* size, void*, int) {
    return give(size, 0);
}
// Gives V, and not its transpose.
API int CUSOLVER(gesvdjBatched)(Handle* h, int vectors, int m, int n, X* a, int lda, X* s, X* u,
                                int ldu, X* v, int ldv, X*, int, int* info, void*, int count) {
    return launch(h->stream, [=] {
        char job = vectors ? 'A' : 'N';
        X *a_i = a, *s_i = s, *u_i = u, *v_i = v;
        for (int i = 0; i < count; ++i) {
            info[i] = svd(job, job, m, n, a_i, lda, s_i, u_i, ldu, v_i, ldv);
            for (int row = 0; vectors && row < n; ++row)
                for (int column = 0; column < row; ++column)
                    std::swap(v_i[row * ldv + column], v_i[column * ldv + row]);
            a_i += lda * n;
            s_i += std::min(m, n);
            u_i += ldu * m;
            v_i += ldv * n;
        }
    });
}
API int CUSOLVER(syevjBatched_bufferSize)(Handle*, int, int, int, X*, int, X*, int* size, void*,
                                          int) {
    return give(size, 0);
}
API int CUSOLVER(syevjBatched)(Handle* h, int vectors, int upper, int n, X* a, int lda, X* w, X*,
                               int, int* info, void*, int count) {
    return launch(h->stream, [=] {
        for (int i = 0; i < count; ++i)
            info[i] = eigh(vectors, upper, n, a + i * lda * n, lda, w + i * n);
    });
}
