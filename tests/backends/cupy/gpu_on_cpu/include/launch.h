// What the parts of gpu_on_cpu share.
#pragma once
#include <cstddef>
#include <functional>

// What a compiled kernel tells of itself.
struct Kernel {
    const char* name;
    void (*run)(const Kernel& self, void** arguments, const unsigned* grid, const unsigned* block,
                size_t shared);
    int count;  // of the arguments
    const size_t* sizes;
};

#define API extern "C" __attribute__((visibility("default")))

// Puts work on a stream, to run in its turn, or in each replay of what the stream captures. Gives a
// cudaError_t. With GPU_ON_CPU_NOOP=1 the work is left out. `name` is for the log.
__attribute__((visibility("default"))) int launch(void* stream, std::function<void()> work,
                                                  const char* name = __builtin_FUNCTION());
