// CUDA's device side, for g++. Where threads of a block wait for each other, each is a fiber.
#pragma once
#include <assert.h>
#include <float.h>
#include <limits.h>
#include <math.h>  // libstdc++'s, with the overloads for float
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <complex>
#include <initializer_list>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>
#include "launch.h"

#define __CUDACC_VER_MAJOR__ 12
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)
#define __shared__ static
#define __constant__ static

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};
static dim3 gridDim, blockIdx, blockDim, threadIdx;
static const int warpSize = 32;
static char* dynamic_shared;  // in the place of `extern __shared__`

// -- Numbers

#define CAST(name, To, From) \
    static inline To name(From x) { return __builtin_bit_cast(To, x); }
CAST(__int_as_float, float, int)
CAST(__float_as_int, int, float)
CAST(__uint_as_float, float, unsigned)
CAST(__float_as_uint, unsigned, float)
CAST(__longlong_as_double, double, long long)
CAST(__double_as_longlong, long long, double)

static inline unsigned short __float2half_rn(float x) {
    return __builtin_bit_cast(unsigned short, (_Float16)x);
}
static inline float __half2float(unsigned short x) { return __builtin_bit_cast(_Float16, x); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned __int128)a * b >> 64;
}
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline float rsqrt(float x) { return 1 / sqrt(x); }
static inline double rsqrt(double x) { return 1 / sqrt(x); }

template <class A, class B, class C = std::common_type_t<A, B>> static inline C max(A a, B b) {
    if constexpr (std::is_floating_point_v<C>)
        return fmax((C)a, (C)b);
    else
        return (C)a < (C)b ? (C)b : (C)a;
}
template <class A, class B, class C = std::common_type_t<A, B>> static inline C min(A a, B b) {
    if constexpr (std::is_floating_point_v<C>)
        return fmin((C)a, (C)b);
    else
        return (C)b < (C)a ? (C)b : (C)a;
}

// Only one thread runs at a time.
template <class X, class Y> static inline X atomicAdd(X* p, Y x) {
    return std::exchange(*p, *p + (X)x);
}
template <class X, class Y> static inline X atomicMax(X* p, Y x) {
    return std::exchange(*p, *p < (X)x ? (X)x : *p);
}
template <class X, class Y> static inline X atomicMin(X* p, Y x) {
    return std::exchange(*p, (X)x < *p ? (X)x : *p);
}
template <class X, class Y, class Z> static inline X atomicCAS(X* p, Y compared, Z x) {
    return std::exchange(*p, *p == (X)compared ? (X)x : *p);
}
static inline void __threadfence() {}
static inline void __threadfence_block() {}
static inline void __threadfence_system() {}

// -- Fibers

namespace fibers {
enum State { READY, AT_BLOCK, AT_WARP, DONE };
struct Fiber {
    void* stack_pointer;
    State state;
    dim3 index;
    unsigned mask;               // of the lanes that wait together
    alignas(16) char given[16];  // to the other lanes
};
static const int MOST = 1024;
static const size_t STACK = 128 << 10;
static Fiber all[MOST];
static int count, running;
static void* scheduler;
static void (*body)();

extern "C" void fiber_switch(void** save, void* to);
__asm__(R"(
.text
.local fiber_switch
.type fiber_switch,@function
fiber_switch:
    pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
    ret
)");
static void leave(State state) {
    all[running].state = state;
    fiber_switch(&all[running].stack_pointer, scheduler);
}
static void entry() {
    body();
    leave(DONE);
}
static void start() {
    static char* stacks = (char*)mmap(nullptr, MOST * STACK, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    for (unsigned t = 0; t < (unsigned)count; ++t) {
        void** top = (void**)(stacks + (t + 1) * STACK - 72);  // aligned as after a call
        *--top = (void*)entry;
        all[t].stack_pointer = top - 6;  // of which fiber_switch takes six registers
        all[t].state = READY;
        all[t].index = {t % blockDim.x, t / blockDim.x % blockDim.y, t / blockDim.x / blockDim.y};
    }
}
static bool run_ready() {
    static bool backwards = false;
    bool any = false;
    backwards = !backwards;
    for (int k = 0; k < count; ++k) {
        int t = backwards ? count - 1 - k : k;
        if (all[t].state != READY) continue;
        any = true;
        running = t;
        threadIdx = all[t].index;
        fiber_switch(&scheduler, all[t].stack_pointer);
    }
    return any;
}
static bool waits_with(int t, int other) {
    bool is_named = other < count && all[t].mask >> other % 32 & 1;
    return is_named && all[other].state == AT_WARP && all[other].mask == all[t].mask;
}
// Whether all lanes of its mask, but for those done, have come to where t waits.
static bool is_complete(int t) {
    for (int lane = 0, first = t / 32 * 32; lane < 32 && first + lane < count; ++lane) {
        bool is_named = all[t].mask >> lane & 1;
        if (is_named && all[first + lane].state != DONE && !waits_with(t, first + lane))
            return false;
    }
    return true;
}
static bool free_warps() {
    bool any = false;
    for (int t = 0; t < count; ++t) {
        if (all[t].state != AT_WARP || !is_complete(t)) continue;
        any = true;
        for (int lane = 31, first = t / 32 * 32; lane >= 0; --lane)
            if (first + lane != t && waits_with(t, first + lane)) all[first + lane].state = READY;
        all[t].state = READY;
    }
    return any;
}
static void run_block(const char* kernel) {
    start();
    for (;;) {
        while (run_ready() || free_warps()) continue;
        bool any = false;
        for (int t = 0; t < count; ++t) {
            any |= all[t].state != DONE;
            if (all[t].state != AT_WARP) continue;
            fprintf(stderr, "gpu_on_cpu: threads of a block of %s wait at different places\n",
                    kernel);
            abort();
        }
        if (!any) return;
        for (int t = 0; t < count; ++t)
            if (all[t].state == AT_BLOCK) all[t].state = READY;
    }
}
static inline int lane() { return running % 32; }
// Calls `read` with what each lane gives; a lane that is not in the mask gives nothing.
template <class X, class Read> static inline auto exchange(unsigned mask, X x, Read read) {
    static_assert(sizeof(X) <= sizeof all->given);
    memcpy(all[running].given, &x, sizeof x);
    all[running].mask = mask;
    leave(AT_WARP);
    auto result = read([](int lane) {
        X y;
        memcpy(&y, all[running / 32 * 32 + lane].given, sizeof y);
        return y;
    });
    all[running].mask = mask;
    leave(AT_WARP);
    return result;
}
}  // namespace fibers

static inline void __syncthreads() { fibers::leave(fibers::AT_BLOCK); }
static inline void __syncwarp(unsigned mask = ~0u) {
    fibers::all[fibers::running].mask = mask;
    fibers::leave(fibers::AT_WARP);
}
template <class X> static inline X fiber_read(unsigned mask, X x, int source) {
    return fibers::exchange(mask, x, [=](auto of) { return of(source); });
}
template <class X> static inline X __shfl_sync(unsigned m, X x, int source, int width = 32) {
    return fiber_read(m, x, fibers::lane() / width * width + source % width);
}
template <class X> static inline X __shfl_xor_sync(unsigned m, X x, int bits, int width = 32) {
    return fiber_read(m, x, fibers::lane() ^ bits);
}
template <class X> static inline X __shfl_down_sync(unsigned m, X x, unsigned d, int width = 32) {
    int lane = fibers::lane();
    return fiber_read(m, x, lane % width + d < (unsigned)width ? lane + d : lane);
}
static inline unsigned __ballot_sync(unsigned mask, bool predicate) {
    return fibers::exchange(mask, predicate, [=](auto of) {
        unsigned result = 0;
        for (int k = 0, first = fibers::running / 32 * 32; k < 32 && first + k < fibers::count; ++k)
            if ((mask >> k & 1) && fibers::all[first + k].state != fibers::DONE)
                result |= (unsigned)of(k) << k;
        return result;
    });
}
static inline bool __any_sync(unsigned mask, bool x) { return __ballot_sync(mask, x); }
static inline bool __all_sync(unsigned mask, bool x) { return !__ballot_sync(mask, !x); }

// -- Launches

template <bool WAITS, auto F> struct Launcher;
template <bool WAITS, class... A, void (*F)(A...)> struct Launcher<WAITS, F> {
    static constexpr size_t sizes[] = {sizeof(A)..., 0};
    static inline void** given;

    template <size_t... I> static void call(std::index_sequence<I...>) {
        F(*(std::remove_cv_t<std::remove_reference_t<A>>*)given[I]...);
    }
    static void thread() { call(std::index_sequence_for<A...>{}); }
    // Sets `index` to each in turn.
    template <class Function> static void each(dim3& index, const unsigned* size, Function f) {
        for (index.z = 0; index.z < size[2]; ++index.z)
            for (index.y = 0; index.y < size[1]; ++index.y)
                for (index.x = 0; index.x < size[0]; ++index.x) f();
    }
    static void run(const Kernel& self, void** arguments, const unsigned* grid,
                    const unsigned* block, size_t shared) {
        std::vector<char> memory(shared + 64);
        dynamic_shared = (char*)((size_t)(memory.data() + 63) / 64 * 64);
        given = arguments;
        gridDim = {grid[0], grid[1], grid[2]};
        blockDim = {block[0], block[1], block[2]};
        fibers::body = thread;
        fibers::count = block[0] * block[1] * block[2];
        each(blockIdx, grid, [&] {
            memset(dynamic_shared, 0xff, shared);  // NaN, where it is read before it is written
            if constexpr (WAITS)
                fibers::run_block(self.name);
            else
                each(threadIdx, block, thread);
        });
    }
};
#define EXPORT(name, waits)                                                                \
    extern "C" __attribute__((used, visibility("default"))) const Kernel kernel_##name = { \
        #name, Launcher<waits, name>::run, sizeof Launcher<waits, name>::sizes / 8 - 1,    \
        Launcher<waits, name>::sizes};
