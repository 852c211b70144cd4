// What CuPy and CUDA give to the bodies of kernels, for a C++ compiler and one thread.
#include <cmath>
#include <cstdint>

using std::erf; using std::erfc; using std::exp; using std::isfinite; using std::lgamma; using std::log;
using std::nan; using std::sqrt;

#define __global__
static struct { unsigned x; } gridDim, blockIdx, blockDim, threadIdx;

// As CuPy's: a number of 16 bits that computes as a float, and is made of one by itself.
class float16 {
    _Float16 data;

public:
    float16() {}
    float16(float x) : data(x) {}
    explicit float16(double x) : data(x) {}
    explicit float16(int x) : data(x) {}
    operator float() const { return data; }
    template <typename X> float16& operator=(const X& x) { return *this = static_cast<float16>(x); }
    float16& operator=(const float16&) = default;
};

static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned __int128)a * b >> 64;
}

template <typename X> static inline X atomicAdd(X* place, X x) {
    X before = *place;
    *place = before + x;
    return before;
}
