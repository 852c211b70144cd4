// What CUB does for CuPy's compiled reductions, scans and histograms: the functions of cupy_cub.h.
// As CUB does, a sum of float16 adds up in float16, by threads and then by pairs.
#include <algorithm>
#include <complex>
#include <cstdint>
#include <stdexcept>
#include <type_traits>
#include <vector>
#include "cupy_cub.h"
#include "launch.h"

using Long = int64_t;
static const Long THREADS = 256, ITEMS = 16, MOST_BLOCKS = 1056;  // as a GPU may have them

template <class X> constexpr bool is_complex = false;
template <class F> constexpr bool is_complex<std::complex<F>> = true;

template <class X> static bool is_nan(X x) { return x != x; }
template <class X> static bool less(X a, X b) {
    if constexpr (is_complex<X>)
        return a.real() < b.real() || (a.real() == b.real() && a.imag() < b.imag());
    else
        return a < b;
}
// A NaN is taken whatever the other is.
struct Sum { template <class X> X operator()(X a, X b) const { return a + b; } };
struct Product { template <class X> X operator()(X a, X b) const { return a * b; } };
struct Min {
    template <class X> X operator()(X a, X b) const {
        return is_nan(a) ? a : is_nan(b) || less(b, a) ? b : a;
    }
};
struct Max {
    template <class X> X operator()(X a, X b) const {
        return is_nan(a) ? a : is_nan(b) || less(a, b) ? b : a;
    }
};
template <class X, class Op> static X by_pairs(std::vector<X> x, Op op) {
    for (size_t n = x.size(); n > 1; n = (n + 1) / 2)
        for (size_t i = 0; i < n / 2; ++i) x[i] = op(x[i], x[(n + 1) / 2 + i]);
    return x[0];
}
template <class X, class Op> static X reduced(const X* x, Long n, Op op) {
    Long blocks = std::clamp<Long>(n / (THREADS * ITEMS), 1, MOST_BLOCKS);
    std::vector<X> lanes(x, x + std::min(n, blocks * THREADS));
    for (Long i = lanes.size(); i < n; ++i) {
        X& lane = lanes[i % lanes.size()];
        lane = op(lane, x[i]);
    }
    return by_pairs(lanes, op);
}
// The place of the extreme that comes first, or of the first NaN.
template <class X, class Op> static int place(const X* x, Long n, Op extreme) {
    X found = reduced(x, n, extreme);
    auto is_found = [=](X y) { return is_nan(found) ? is_nan(y) : y == found; };
    return std::find_if(x, x + n, is_found) - x;
}

// Calls `f` with a number of the type that `id` names: see CuPy's type_dispatcher.cuh.
template <class F> static void with_type(int id, F f) {
    switch (id) {
        case 0: return f(int8_t());
        case 1: return f(uint8_t());
        case 2: return f(int16_t());
        case 3: return f(uint16_t());
        case 4: return f(int32_t());
        case 5: return f(uint32_t());
        case 6: return f(int64_t());
        case 7: return f(uint64_t());
        case 8: return f(_Float16());
        case 9: return f(float());
        case 10: return f(double());
        case 11: return f(std::complex<float>());
        case 12: return f(std::complex<double>());
        default: throw std::runtime_error("gpu_on_cpu: no reductions of this type");
    }
}
template <class F> static void with_op(int op, F f) {
    switch (op) {
        case CUPY_CUB_SUM: return f(Sum());
        case CUPY_CUB_PROD: return f(Product());
        case CUPY_CUB_MIN: case CUPY_CUB_ARGMIN: return f(Min());
        case CUPY_CUB_MAX: case CUPY_CUB_ARGMAX: return f(Max());
        default: throw std::runtime_error("gpu_on_cpu: no such operation");
    }
}
static size_t scratch(Long n) { return n > THREADS * ITEMS ? 8 * MOST_BLOCKS : 1; }
static void overwrite(void* scratch, size_t n) { std::fill_n((char*)scratch, n, 0xee); }

size_t cub_device_reduce_get_workspace_size(void*, void*, int n, cudaStream_t, int, int) {
    return scratch(n);
}
void cub_device_reduce(void* workspace, size_t& size, void* x, void* y, int n, cudaStream_t stream,
                       int op, int type) {
    bool is_large = n > THREADS * ITEMS;
    if (is_large)  // a launch for the blocks' results, which the second one combines
        launch(stream, [=, size = size] { overwrite(workspace, size); }, "cub::DeviceReduce");
    with_type(type, [&](auto zero) {
        using X = decltype(zero);
        with_op(op, [&](auto f) {
            launch(stream, [=] {
                bool is_place = op == CUPY_CUB_ARGMIN || op == CUPY_CUB_ARGMAX;
                if constexpr (!std::is_same_v<decltype(f), Sum> &&
                              !std::is_same_v<decltype(f), Product>)
                    if (is_place) *(int*)y = place((const X*)x, n, f);
                if (!is_place) *(X*)y = reduced((const X*)x, n, f);
            }, is_large ? "cub::DeviceReduce, second" : "cub::DeviceReduce");
        });
    });
}
size_t cub_device_segmented_reduce_get_workspace_size(void*, void*, int, int, cudaStream_t, int,
                                                      int) {
    return 1;
}
void cub_device_segmented_reduce(void*, size_t&, void* x, void* y, int segments, int n,
                                 cudaStream_t stream, int op, int type) {
    with_type(type, [&](auto zero) {
        using X = decltype(zero);
        with_op(op, [&](auto f) {
            launch(stream, [=] {
                for (Long i = 0; i < segments; ++i)
                    ((X*)y)[i] = reduced((const X*)x + i * n, n, f);
            }, "cub::DeviceSegmentedReduce");
        });
    });
}
size_t cub_device_scan_get_workspace_size(void*, void*, int n, cudaStream_t, int, int) {
    return scratch(n) + 256;
}
void cub_device_scan(void* workspace, size_t& size, void* x, void* y, int n, cudaStream_t stream,
                     int op, int type) {
    launch(stream, [=, size = size] { overwrite(workspace, size); }, "cub::DeviceScan, first");
    with_type(type, [&](auto zero) {
        using X = decltype(zero);
        with_op(op == CUPY_CUB_CUMSUM ? CUPY_CUB_SUM : CUPY_CUB_PROD, [&](auto f) {
            launch(stream, [=] {
                X sum = *(X*)y = *(const X*)x;
                for (Long i = 1; i < n; ++i) sum = ((X*)y)[i] = f(sum, ((const X*)x)[i]);
            }, "cub::DeviceScan");
        });
    });
}
size_t cub_device_histogram_range_get_workspace_size(void*, void*, int, void*, size_t, cudaStream_t,
                                                     int) {
    return 1;
}
void cub_device_histogram_range(void*, size_t&, void* x, void* y, int edges, void* bins, size_t n,
                                cudaStream_t stream, int type) {
    with_type(type, [&](auto zero) {
        using X = decltype(zero);
        if constexpr (!is_complex<X>)
            launch(stream, [=] {
                using Bin = std::conditional_t<std::is_integral_v<X>, double, X>;
                auto first = (const Bin*)bins;
                std::fill_n((long long*)y, edges - 1, 0);
                for (size_t i = 0; i < n; ++i) {
                    Long bin = std::upper_bound(first, first + edges, (Bin)((X*)x)[i]) - first - 1;
                    if (bin >= 0 && bin < edges - 1) ++((long long*)y)[bin];
                }
            }, "cub::DeviceHistogram");
    });
}
size_t cub_device_histogram_even_get_workspace_size(void*, void*, int, int, int, size_t,
                                                    cudaStream_t, int) {
    return 1;
}
void cub_device_histogram_even(void*, size_t&, void* x, void* y, int edges, int lower, int upper,
                               size_t n, cudaStream_t stream, int type) {
    with_type(type, [&](auto zero) {
        using X = decltype(zero);
        if constexpr (std::is_integral_v<X>)
            launch(stream, [=] {
                std::fill_n((long long*)y, edges - 1, 0);
                for (size_t i = 0; i < n; ++i) {
                    Long at = (Long)((X*)x)[i] - lower, bin = at * (edges - 1) / (upper - lower);
                    if (at >= 0 && bin < edges - 1) ++((long long*)y)[bin];
                }
            }, "cub::DeviceHistogram");
    });
}
