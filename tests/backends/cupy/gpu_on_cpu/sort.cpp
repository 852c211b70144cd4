// What Thrust does for CuPy: stable sorts, in order of the stream.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>
#include "launch.h"

using Long = int64_t;

// NaN is last. (Thrust's radix sort, of vectors of float and double, has negative NaN first: not
// so here, as a CPU's 0 / 0 is a negative NaN and a GPU's is not.)
template <class X> static bool less(X a, X b) {
    if constexpr (std::is_integral_v<X>)
        return a < b;
    else
        return a == a && (b != b || a < b);
}
// Sorts rows in place, and tells in `order`, unless that is null, where each element was.
template <class X> static void sort_rows(X* x, Long* order, Long rows, Long n) {
    std::vector<Long> places(n);
    for (; rows; --rows, x += n) {
        std::vector<X> row(x, x + n);
        std::iota(places.begin(), places.end(), 0);
        std::stable_sort(places.begin(), places.end(),
                         [&](Long i, Long j) { return less<X>(row[i], row[j]); });
        for (Long i = 0; i < n; ++i) x[i] = row[places[i]];
        if (order) order = std::copy(places.begin(), places.end(), order);
    }
}
// The order by the last of the rows, where these are the same by that before, and so on.
template <class X> static void sort_lexically(const X* keys, Long* order, Long rows, Long n) {
    std::iota(order, order + n, 0);
    for (; rows; --rows, keys += n)
        std::stable_sort(order, order + n,
                         [=](Long i, Long j) { return less<X>(keys[i], keys[j]); });
}
template <class X> static int sort(void* stream, bool lexically, X* data, Long* order, Long rows,
                                   Long n, Long* keys, void* scratch) {
    return launch(stream, [=] {
        memset(scratch, 0xee, rows * n * sizeof(X));
        for (Long i = 0; keys && i < rows * n; ++i) keys[i] = i / n;
        if (lexically)
            sort_lexically(data, order, rows, n);
        else
            sort_rows(data, order, rows, n);
    });
}
// `type` is a number of CuPy's; `keys` (or null) and `scratch` are memory that Thrust writes to.
API int gpu_on_cpu_sort(void* stream, int lexically, int type, void* data, Long* order, Long rows,
                        Long n, Long* keys, void* scratch) {
    auto with = [&](auto x) {
        return sort(stream, lexically, (decltype(x)*)data, order, rows, n, keys, scratch);
    };
    switch (type) {
        case 0: return with(int8_t());
        case 1: return with(uint8_t());
        case 2: return with(int16_t());
        case 3: return with(uint16_t());
        case 4: return with(int32_t());
        case 5: return with(uint32_t());
        case 6: return with(int64_t());
        case 7: return with(uint64_t());
        case 8: return with(_Float16());
        case 9: return with(float());
        case 10: return with(double());
        case 13: return with(bool());
        default: return 1;
    }
}
