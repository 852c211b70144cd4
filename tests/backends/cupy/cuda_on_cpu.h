// What the bodies of kernels use of CuPy and CUDA, for a C++ compiler, and run by one thread. It is
// portable C++; gpu_on_cpu/include/device.h does more, but only on x86-64 and with CuPy's headers.
#include <cmath>
#include <csetjmp>
#include <cstdint>
#include <ucontext.h>
#include <vector>


using std::erf; using std::erfc; using std::exp; using std::isfinite; using std::lgamma; using std::log;
using std::nan; using std::sqrt;

#define __global__
#define __launch_bounds__(threads)
#define __shared__ static  // one is enough, as blocks run one after the other
static struct { unsigned x; } gridDim, blockIdx, blockDim, threadIdx;

// Threads of a block that wait for one another, each with a stack of its own. Between two barriers
// they run one after the other: first to last, and after the next barrier last to first. So a thread
// that should have waited finds memory not yet written, or written over.
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

// Run a thread up to its next barrier, or to its end.
static inline void go_on(unsigned thread) {
    threadIdx.x = thread;
    if (_setjmp(running.back)) return;
    Fiber& fiber = running.fibers[thread];
    if (fiber.has_started) _longjmp(fiber.place, 1);
    fiber.has_started = true;
    setcontext(&fiber.start);
}

// Run all blocks. Gives whether all threads of each block have met the same number of barriers.
static inline bool run_blocks(void (*kernel)(const void*), const void* arguments) {
    const unsigned threads = blockDim.x;
    running.kernel = kernel, running.arguments = arguments;
    if (running.fibers.size() != threads) {
        running.fibers = std::vector<Fiber>(threads);
        for (Fiber& fiber : running.fibers) {
            getcontext(&fiber.start);
            fiber.start.uc_stack.ss_sp = fiber.stack.data();
            fiber.start.uc_stack.ss_size = fiber.stack.size();
            makecontext(&fiber.start, run_fiber, 0);
        }
    }
    for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x) {
        for (Fiber& fiber : running.fibers) fiber.has_started = fiber.has_ended = false;
        unsigned ended = 0;
        for (bool forward = true; !ended; forward = !forward) {
            for (unsigned i = 0; i < threads; ++i) go_on(forward ? i : threads - 1 - i);
            for (Fiber& fiber : running.fibers) ended += fiber.has_ended;
        }
        if (ended < threads) return false;
    }
    return true;
}

// CuPy's float16: 16 bits, computes as a float, and is made from a float implicitly.
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
