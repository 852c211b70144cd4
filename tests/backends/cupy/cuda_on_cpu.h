// What CuPy and CUDA give to the bodies of kernels, for a C++ compiler and one thread.
#include <cmath>
#include <csetjmp>
#include <cstdint>
#include <ucontext.h>
#include <vector>


using std::erf; using std::erfc; using std::exp; using std::isfinite; using std::lgamma; using std::log;
using std::nan; using std::sqrt;

#define __global__
#define __launch_bounds__(threads)
#define __shared__ static  // as blocks take turns
static struct { unsigned x; } gridDim, blockIdx, blockDim, threadIdx;

// Threads of a block that wait for one another, each with a stack of its own. Between two of their
// barriers one after another runs, first to last and then last to first, so that what should have
// waited finds what is not there yet, or no more.
struct Fiber {
    ucontext_t start;
    jmp_buf place;
    std::vector<char> stack = std::vector<char>(1 << 16);
    bool has_started, has_ended;
};
static struct {
    std::vector<Fiber> fibers;
    jmp_buf back;
    void (*kernel)(const void*);
    const void* arguments;
} running;

static inline void __syncthreads() {
    if (!_setjmp(running.fibers[threadIdx.x].place)) _longjmp(running.back, 1);
}

static inline void run_fiber() {
    running.kernel(running.arguments);
    running.fibers[threadIdx.x].has_ended = true;
    _longjmp(running.back, 1);
}

// Up to its next barrier, or its end.
static inline void go_on(unsigned thread) {
    threadIdx.x = thread;
    if (_setjmp(running.back)) return;
    Fiber& fiber = running.fibers[thread];
    if (fiber.has_started) _longjmp(fiber.place, 1);
    fiber.has_started = true;
    setcontext(&fiber.start);
}

// Whether all threads have come to the same barriers.
static inline bool run_together(void (*kernel)(const void*), const void* arguments) {
    const unsigned threads = blockDim.x;
    running.kernel = kernel, running.arguments = arguments;
    running.fibers.resize(threads);
    for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x) {
        for (Fiber& fiber : running.fibers) {
            fiber.has_started = fiber.has_ended = false;
            getcontext(&fiber.start);
            fiber.start.uc_stack.ss_sp = fiber.stack.data();
            fiber.start.uc_stack.ss_size = fiber.stack.size();
            makecontext(&fiber.start, run_fiber, 0);
        }
        unsigned ended = 0;
        for (bool forward = true; !ended; forward = !forward) {
            for (unsigned i = 0; i < threads; ++i) go_on(forward ? i : threads - 1 - i);
            for (Fiber& fiber : running.fibers) ended += fiber.has_ended;
        }
        if (ended < threads) return false;
    }
    return true;
}

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
