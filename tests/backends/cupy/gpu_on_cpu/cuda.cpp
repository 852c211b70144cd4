// CUDA's runtime and driver, as far as CuPy calls them. A stream is a queue of work, done when
// somebody waits for it, or, with GPU_ON_CPU_SEED, at random moments before.
#include <cuda.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>
#include "launch.h"

static long env(const char* name, long otherwise) {
    const char* x = getenv(name);
    return x ? atol(x) : otherwise;
}
static const int DEVICES = env("GPU_ON_CPU_DEVICES", 1);
static const size_t MEMORY = (size_t)env("GPU_ON_CPU_MB", 8192) << 20;
static const bool EAGER = env("GPU_ON_CPU_EAGER", 0);
static const bool GUARD = env("GPU_ON_CPU_GUARD", 0);
static const bool NOOP = env("GPU_ON_CPU_NOOP", 0);
static const unsigned SEED = env("GPU_ON_CPU_SEED", 0);
static const size_t PAGE = 4096;
static const size_t SHARED = 232448;  // bytes of a block, as of an H100

static size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

// -- Errors

static thread_local int current = 0;  // the device
static thread_local cudaError_t last = cudaSuccess, explained = cudaSuccess;
static thread_local std::string explanation;

static cudaError_t fail(cudaError_t e, const std::string& why) {
    explained = e;
    explanation = why;
    return last = e;
}
static CUresult refuse(CUresult e, const std::string& why) {
    return (CUresult)fail((cudaError_t)e, why);
}
API const char* cudaGetErrorName(cudaError_t e) {
#define NAME(e) std::pair{int(e), #e}
    static const std::map<int, const char*> names = {
        NAME(cudaSuccess), NAME(cudaErrorInvalidValue), NAME(cudaErrorMemoryAllocation),
        NAME(cudaErrorNoDevice), NAME(cudaErrorInvalidDevice), NAME(cudaErrorIllegalState),
        NAME(cudaErrorInvalidResourceHandle), NAME(cudaErrorIllegalAddress),
        NAME(cudaErrorSymbolNotFound), NAME(cudaErrorNotReady), NAME(cudaErrorNotSupported),
        NAME(cudaErrorStreamCaptureUnsupported), NAME(cudaErrorStreamCaptureInvalidated),
        NAME(cudaErrorStreamCaptureIsolation), NAME(cudaErrorStreamCaptureImplicit),
        NAME(cudaErrorCapturedEvent), NAME(cudaErrorInvalidKernelImage)};
    auto found = names.find(e);
    return found == names.end() ? "an error that gpu_on_cpu has no name of" : found->second;
}
API const char* cudaGetErrorString(cudaError_t e) {
    return e == explained ? explanation.c_str() : cudaGetErrorName(e);
}
API cudaError_t cudaGetLastError() { return std::exchange(last, cudaSuccess); }
API CUresult cuGetErrorName(CUresult e, const char** s) {
    *s = cudaGetErrorName((cudaError_t)e);
    return CUDA_SUCCESS;
}
API CUresult cuGetErrorString(CUresult e, const char** s) {
    *s = cudaGetErrorString((cudaError_t)e);
    return CUDA_SUCCESS;
}

// -- The log, for launches.py: a line for each thing that is asked of the device or waited for

static std::string log_lines;
static bool is_logging = false;

struct Note {
    const char *kind, *name;
};
static void note(Note n, const char* node = "") {
    if (is_logging) log_lines += std::string(node) + n.kind + "\t" + n.name + "\n";
}
// Gives the lines since the last call, and says whether more are to be kept.
API const char* gpu_on_cpu_log(int on) {
    static std::string given;
    given = std::exchange(log_lines, "");
    is_logging = on;
    return given.c_str();
}

// -- Queues

using Work = std::function<void()>;
struct Graph {
    std::vector<Work> nodes;
    std::vector<Note> notes;
    bool broken = false;  // by what can't be captured
};
using Captured = std::shared_ptr<Graph>;
struct Stream {
    int device;
    unsigned flags;
    std::deque<Work> queue;
    Captured graph;  // while it captures
    bool is_origin = false;
    bool is_destroyed = false;
    bool blocking() const { return !(flags & cudaStreamNonBlocking); }
};
struct Marker {  // a place in a queue
    Stream* stream;
    bool done = false;
    double ms = 0;
};
struct Event {
    int device;
    unsigned flags;
    std::shared_ptr<Marker> marker;
    Captured graph;
};

static std::recursive_mutex everything;
#define LOCKED std::lock_guard<std::recursive_mutex> lock(everything)
static std::vector<Stream*> streams;  // in order of their creation: a seed decides all
static std::vector<Stream*> legacy;  // of each device the default stream

static Stream* at(void* handle) {
    for (int d = legacy.size(); d < DEVICES; ++d) {
        legacy.push_back(new Stream{d, 0});
        streams.push_back(legacy.back());
    }
    return (size_t)handle <= (size_t)cudaStreamPerThread ? legacy[current] : (Stream*)handle;
}
static bool step(Stream* s) {
    if (s->queue.empty()) return false;
    Work work = std::move(s->queue.front());
    s->queue.pop_front();
    work();
    return true;
}
static void drain(Stream* s) {
    while (step(s)) continue;
}
static void drain_all() {
    for (Stream* s : streams) drain(s);
}
static void reach(const Marker& m) {
    while (!m.done && step(m.stream)) continue;
}
static std::shared_ptr<Marker> mark(Stream* s) {
    auto m = std::make_shared<Marker>(Marker{s});
    s->queue.push_back([m] {
        std::chrono::duration<double, std::milli> now =
            std::chrono::steady_clock::now().time_since_epoch();
        m->done = true;
        m->ms = now.count();
    });
    return m;
}
static void wait(Stream* s, std::shared_ptr<Marker> m) {
    s->queue.push_back([m] { reach(*m); });
}
static void progress() {
    static unsigned state = SEED;
    auto random = [] { return (state = state * 1664525u + 1013904223u) >> 16; };
    if (EAGER) return drain_all();
    if (!SEED) return;
    if (random() % 4) return;  // so that work piles up
    Stream* s = streams[random() % streams.size()];
    for (unsigned k = random() % 8; k; --k) step(s);
}
// What a stream that captures can't do makes its graph invalid.
static cudaError_t break_capture(Stream* s, cudaError_t e, const char* why) {
    s->graph->broken = true;
    return fail(e, why);
}
static Stream* captures_beside(Stream* s) {
    for (Stream* o : streams)
        if (o->device == s->device && o->blocking() && o->graph) return o;
    return nullptr;
}
// The default stream waits for all other blocking streams of its device, and they for it.
static cudaError_t take_turn(Stream* s) {
    if (s->is_destroyed) return fail(cudaErrorInvalidResourceHandle, "the stream is destroyed");
    Stream* first = legacy[s->device];
    if (s != first) {
        if (s->blocking() && !first->queue.empty()) wait(s, mark(first));
        return cudaSuccess;
    }
    if (Stream* o = captures_beside(s))
        return break_capture(o, cudaErrorStreamCaptureImplicit,
                             "the default stream waits for a stream that captures");
    for (Stream* o : streams)
        if (o != s && o->device == s->device && o->blocking() && !o->queue.empty())
            wait(s, mark(o));
    return cudaSuccess;
}
static cudaError_t enqueue(void* handle, Note n, Work work) {
    LOCKED;
    Stream* s = at(handle);
    if (s->graph) {
        s->graph->nodes.push_back(std::move(work));
        s->graph->notes.push_back(n);
        return cudaSuccess;
    }
    if (auto e = take_turn(s)) return e;
    note(n);
    s->queue.push_back(std::move(work));
    progress();
    return cudaSuccess;
}
int launch(void* stream, Work work, const char* name) {
    if (NOOP) work = [] {};
    return enqueue(stream, {"library", name}, std::move(work));
}
static cudaError_t synchronize(Stream* s, const char* name) {
    if (s->graph)
        return break_capture(s, cudaErrorStreamCaptureUnsupported,
                             "the host can't wait for a stream that captures");
    note({"wait", name});
    drain(s);
    return cudaSuccess;
}

// -- Devices

template <class X> static cudaError_t give(X* to, X value) {
    *to = value;
    return cudaSuccess;
}
API cudaError_t cudaDriverGetVersion(int* v) { return give(v, 13000); }
API cudaError_t cudaRuntimeGetVersion(int* v) { return give(v, CUDART_VERSION); }
API cudaError_t cudaGetDevice(int* d) { return give(d, current); }
API cudaError_t cudaGetDeviceCount(int* n) {
    *n = DEVICES;
    return DEVICES ? cudaSuccess : fail(cudaErrorNoDevice, "GPU_ON_CPU_DEVICES=0");
}
API cudaError_t cudaSetDevice(int d) {
    if (d < 0 || d >= DEVICES)
        return fail(cudaErrorInvalidDevice, "no device " + std::to_string(d));
    return give(&current, d);
}
API cudaError_t cudaDeviceSynchronize() {
    LOCKED;
    at(nullptr);
    for (Stream* s : streams)
        if (s->device == current)
            if (auto e = synchronize(s, "device")) return e;
    return cudaSuccess;
}
API cudaError_t cudaDeviceGetAttribute(int* v, cudaDeviceAttr a, int) {  // an H100's
    static const std::map<int, int> attributes = {
        {cudaDevAttrMaxThreadsPerBlock, 1024}, {cudaDevAttrMaxBlockDimX, 1024},
        {cudaDevAttrMaxBlockDimY, 1024}, {cudaDevAttrMaxBlockDimZ, 64},
        {cudaDevAttrMaxGridDimX, 0x7fffffff}, {cudaDevAttrMaxGridDimY, 65535},
        {cudaDevAttrMaxGridDimZ, 65535}, {cudaDevAttrMaxSharedMemoryPerBlock, 49152},
        {cudaDevAttrMaxSharedMemoryPerBlockOptin, SHARED},
        {cudaDevAttrMaxSharedMemoryPerMultiprocessor, 233472}, {cudaDevAttrWarpSize, 32},
        {cudaDevAttrMultiProcessorCount, 132}, {cudaDevAttrL2CacheSize, 50 << 20},
        {cudaDevAttrMaxThreadsPerMultiProcessor, 2048}, {cudaDevAttrComputeCapabilityMajor, 9}};
    auto found = attributes.find(a);
    return give(v, found == attributes.end() ? 0 : found->second);
}
API cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int) {
    memset(p, 0, sizeof *p);
    strcpy(p->name, "this CPU, as a GPU");
    p->totalGlobalMem = MEMORY;
    p->major = 9;
    p->multiProcessorCount = 132;
    p->warpSize = 32;
    p->maxThreadsPerBlock = 1024;
    p->maxThreadsPerMultiProcessor = 2048;
    p->sharedMemPerBlock = 49152;
    p->l2CacheSize = 50 << 20;
    return cudaSuccess;
}
API cudaError_t cudaDeviceCanAccessPeer(int* v, int, int) { return give(v, 1); }
API cudaError_t cudaDeviceEnablePeerAccess(int, unsigned) { return cudaSuccess; }

// -- Memory

struct Block {
    size_t size;
    int device;
};
using Blocks = std::map<char*, Block>;
static Blocks device_memory, pinned;
static std::map<int, size_t> used;

static const Block* of(const void* p, const Blocks& blocks) {
    auto it = blocks.upper_bound((char*)p);
    if (it == blocks.begin()) return nullptr;
    --it;
    return (char*)p < it->first + std::max<size_t>(it->second.size, 1) ? &it->second : nullptr;
}
// `size` bytes that end where no memory follows, but for up to 15 bytes.
static char* guarded(size_t size) {
    size_t whole = round_up(size + 16, PAGE);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    char* m = (char*)mmap(nullptr, whole + PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
    mprotect(m + whole, PAGE, PROT_NONE);
    return m + (whole - size) / 16 * 16;
}
API cudaError_t cudaMalloc(void** p, size_t size) {
    LOCKED;
    if (used[current] + size > MEMORY)
        return fail(cudaErrorMemoryAllocation, "out of memory (GPU_ON_CPU_MB sets how much is)");
    note({"malloc", "device"});
    *p = GUARD ? guarded(size) : aligned_alloc(512, round_up(size + 1, 512));
    if (!NOOP) memset(*p, 0xff, size);  // NaN, where it is read before it is written
    device_memory[(char*)*p] = {size, current};
    used[current] += size;
    return cudaSuccess;
}
API cudaError_t cudaFree(void* p) {
    LOCKED;
    if (!p) return cudaSuccess;
    auto it = device_memory.find((char*)p);
    if (it == device_memory.end()) return fail(cudaErrorInvalidValue, "free of no memory of a GPU");
    note({"wait", "free"});
    drain_all();
    auto [size, device] = it->second;
    if (!NOOP) memset(p, 0xee, size);
    used[device] -= size;
    device_memory.erase(it);
    if (GUARD)
        mprotect((void*)((size_t)p / PAGE * PAGE), round_up(size, PAGE), PROT_NONE);
    else
        free(p);
    return cudaSuccess;
}
API cudaError_t cudaHostAlloc(void** p, size_t size, unsigned) {
    LOCKED;
    note({"malloc", "pinned"});
    *p = aligned_alloc(PAGE, round_up(size + 1, PAGE));
    pinned[(char*)*p] = {size, 0};
    return cudaSuccess;
}
API cudaError_t cudaFreeHost(void* p) {
    LOCKED;
    drain_all();
    pinned.erase((char*)p);
    free(p);
    return cudaSuccess;
}
API cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
    LOCKED;
    *free = MEMORY - used[current];
    return give(total, MEMORY);
}
API cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* a, const void* p) {
    LOCKED;
    memset(a, 0, sizeof *a);
    a->device = cudaInvalidDeviceId;
    if (auto block = of(p, device_memory)) {
        a->type = cudaMemoryTypeDevice;
        a->device = block->device;
        a->devicePointer = (void*)p;
    } else if (of(p, pinned)) {
        a->type = cudaMemoryTypeHost;
        a->device = 0;
        a->devicePointer = a->hostPointer = (void*)p;
    }
    return cudaSuccess;
}
static cudaError_t copy(void* to, const void* from, size_t n, void* stream, bool must_wait) {
    LOCKED;
    auto pageable = [](const void* p) { return !of(p, device_memory) && !of(p, pinned); };
    Stream* s = at(stream);
    if (!n) return cudaSuccess;
    Work work = [=] { memmove(to, from, n); };
    if (pageable(from) && !s->graph) {  // copied before the call returns
        auto stage = std::make_shared<std::vector<char>>((char*)from, (char*)from + n);
        work = [=] { memcpy(to, stage->data(), n); };
    }
    must_wait |= pageable(to) && !s->graph;
    bool is_upload = !of(from, device_memory), is_copy = !is_upload && of(to, device_memory);
    const char* kind = is_upload ? "upload" : is_copy ? "copy" : "download";
    if (NOOP && is_copy) work = [] {};
    if (auto e = enqueue(stream, {kind, "memcpy"}, work)) return e;
    return must_wait ? synchronize(s, "memcpy") : cudaSuccess;
}
API cudaError_t cudaMemcpy(void* to, const void* from, size_t n, cudaMemcpyKind) {
    return copy(to, from, n, nullptr, true);
}
API cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t n, cudaMemcpyKind,
                                cudaStream_t s) {
    return copy(to, from, n, s, false);
}
API cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t n,
                                    cudaStream_t s) {
    return copy(to, from, n, s, false);
}
API cudaError_t cudaMemsetAsync(void* p, int v, size_t n, cudaStream_t s) {
    return enqueue(s, {"fill", "memset"}, [=] {
        if (!NOOP) memset(p, v, n);
    });
}

// -- Streams and events

API cudaError_t cudaStreamCreateWithPriority(cudaStream_t* p, unsigned flags, int) {
    LOCKED;
    auto s = new Stream{current, flags};
    streams.push_back(s);
    return give(p, (cudaStream_t)s);
}
API cudaError_t cudaStreamDestroy(cudaStream_t p) {
    LOCKED;
    at(p)->is_destroyed = true;  // once its work is done; in memory it stays: markers name it
    auto is_over = [](Stream* s) { return s->is_destroyed && s->queue.empty(); };
    streams.erase(std::remove_if(streams.begin(), streams.end(), is_over), streams.end());
    return cudaSuccess;
}
API cudaError_t cudaStreamSynchronize(cudaStream_t p) {
    LOCKED;
    return synchronize(at(p), "stream");
}
API cudaError_t cudaStreamQuery(cudaStream_t p) {
    LOCKED;
    Stream* s = at(p);
    if (s->graph)
        return break_capture(s, cudaErrorStreamCaptureUnsupported,
                             "a stream that captures can't be asked whether it is done");
    return s->queue.empty() ? cudaSuccess : cudaErrorNotReady;
}
API cudaError_t cudaEventCreateWithFlags(cudaEvent_t* p, unsigned flags) {
    return give(p, (cudaEvent_t) new Event{current, flags});
}
API cudaError_t cudaEventDestroy(cudaEvent_t e) {
    LOCKED;
    delete (Event*)e;
    return cudaSuccess;
}
API cudaError_t cudaEventRecord(cudaEvent_t p, cudaStream_t q) {
    LOCKED;
    Event* e = (Event*)p;
    Stream* s = at(q);
    if (e->device != s->device)
        return fail(cudaErrorInvalidResourceHandle, "event and stream are of different devices");
    e->graph = s->graph;
    if (s->graph) return cudaSuccess;
    if (auto error = take_turn(s)) return error;
    e->marker = mark(s);
    progress();
    return cudaSuccess;
}
API cudaError_t cudaStreamWaitEvent(cudaStream_t q, cudaEvent_t p, unsigned) {
    LOCKED;
    Event* e = (Event*)p;
    Stream* s = at(q);
    if (e->graph) {  // the stream joins the capture, of which the order is that of the calls
        if (!s->graph) s->graph = e->graph;
        return cudaSuccess;
    }
    if (s->graph)
        return break_capture(s, cudaErrorStreamCaptureIsolation,
                             "a stream that captures can't wait for what is not captured");
    if (!e->marker) return cudaSuccess;
    return enqueue(q, {"order", "event"}, [m = e->marker] { reach(*m); });
}
static cudaError_t break_captured(Event* e) {
    e->graph->broken = true;
    return fail(cudaErrorCapturedEvent, "the host can't wait for an event that is captured");
}
API cudaError_t cudaEventQuery(cudaEvent_t p) {
    LOCKED;
    Event* e = (Event*)p;
    if (e->graph) return break_captured(e);
    return !e->marker || e->marker->done ? cudaSuccess : cudaErrorNotReady;
}
API cudaError_t cudaEventSynchronize(cudaEvent_t p) {
    LOCKED;
    Event* e = (Event*)p;
    if (e->graph) return break_captured(e);
    note({"wait", "event"});
    if (e->marker) reach(*e->marker);
    return cudaSuccess;
}
API cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t a, cudaEvent_t b) {
    LOCKED;
    auto [x, y] = std::pair(((Event*)a)->marker, ((Event*)b)->marker);
    if (!x || !y || (((Event*)a)->flags | ((Event*)b)->flags) & cudaEventDisableTiming)
        return fail(cudaErrorInvalidResourceHandle, "an event was not recorded, or without times");
    if (!x->done || !y->done) return cudaErrorNotReady;
    return give(ms, float(y->ms - x->ms));
}

// -- Graphs

API cudaError_t cudaStreamBeginCapture(cudaStream_t p, cudaStreamCaptureMode) {
    LOCKED;
    Stream* s = at(p);
    if (s == legacy[s->device] || s->graph)
        return fail(cudaErrorStreamCaptureUnsupported,
                    "the default stream, and one that captures, can't begin to capture");
    s->graph = std::make_shared<Graph>();
    s->is_origin = true;
    return cudaSuccess;
}
API cudaError_t cudaStreamEndCapture(cudaStream_t p, cudaGraph_t* g) {
    LOCKED;
    Stream* s = at(p);
    *g = nullptr;
    if (!s->graph || !s->is_origin)
        return fail(cudaErrorIllegalState, "a capture ends on the stream that began it");
    Captured graph = s->graph;
    s->is_origin = false;
    for (Stream* o : streams)
        if (o->graph == graph) o->graph = nullptr;
    if (graph->broken)
        return fail(cudaErrorStreamCaptureInvalidated, "a call before made the capture invalid");
    return give(g, (cudaGraph_t) new Captured(graph));
}
API cudaError_t cudaStreamIsCapturing(cudaStream_t p, cudaStreamCaptureStatus* v) {
    LOCKED;
    Stream* s = at(p);
    if (s == legacy[s->device] && captures_beside(s))
        return fail(cudaErrorStreamCaptureImplicit,
                    "the default stream can't be asked while another captures");
    if (!s->graph) return give(v, cudaStreamCaptureStatusNone);
    return give(
        v, s->graph->broken ? cudaStreamCaptureStatusInvalidated : cudaStreamCaptureStatusActive);
}
API cudaError_t cudaGraphInstantiate(cudaGraphExec_t* e, cudaGraph_t g, unsigned long long) {
    return give(e, (cudaGraphExec_t) new Captured(*(Captured*)g));
}
API cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return cudaSuccess; }
API cudaError_t cudaGraphLaunch(cudaGraphExec_t e, cudaStream_t s) {
    Captured graph = *(Captured*)e;
    cudaError_t error = enqueue(s, {"graph", "launch"}, [graph] {
        for (auto& work : graph->nodes) work();
    });
    for (Note n : graph->notes) note(n, "node ");
    return error;
}
API cudaError_t cudaGraphDestroy(cudaGraph_t g) {
    delete (Captured*)g;
    return cudaSuccess;
}
API cudaError_t cudaGraphExecDestroy(cudaGraphExec_t g) {
    LOCKED;
    delete (Captured*)g;
    return cudaSuccess;
}

// -- The driver. A module is a shared object.

API CUresult cuModuleLoadData(CUmodule* m, const void* image) {
    auto header = (const Elf64_Ehdr*)image;
    if (memcmp(image, ELFMAG, SELFMAG))
        return refuse(CUDA_ERROR_INVALID_IMAGE, "code for a GPU, which only compiles: no kernel");
    size_t size = header->e_shoff + header->e_shnum * header->e_shentsize;
    char path[] = P_tmpdir "/gpu_on_cpu_XXXXXX";
    int file = mkstemp(path);
    bool is_written = write(file, image, size) == (ssize_t)size;
    close(file);
    *m = is_written ? (CUmodule)dlopen(path, RTLD_NOW) : nullptr;
    unlink(path);
    return *m ? CUDA_SUCCESS : refuse(CUDA_ERROR_INVALID_IMAGE, is_written ? dlerror() : path);
}
API CUresult cuModuleUnload(CUmodule) { return CUDA_SUCCESS; }
API CUresult cuModuleGetFunction(CUfunction* f, CUmodule m, const char* name) {
    *f = (CUfunction)dlsym(m, ("kernel_" + std::string(name)).c_str());
    return *f ? CUDA_SUCCESS : refuse(CUDA_ERROR_NOT_FOUND, dlerror());
}
using Values = std::vector<std::vector<char>>;
// The device of the memory that an argument points to, if that is not the current one.
static const Block* elsewhere(const Values& values) {
    for (auto& x : values) {
        // CuPy leaves the last words of its indexers uninitialized; tables of pointers are large.
        size_t words = x.size() > 1024 ? x.size() / 8 : std::min<size_t>(x.size() / 8, 1);
        for (size_t k = 0; k < words; ++k)
            if (auto block = of(((void**)x.data())[k], device_memory))
                if (block->device != current) return block;
    }
    return nullptr;
}
API CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                            unsigned by, unsigned bz, unsigned shared, CUstream stream,
                            void** given, void**) {
    LOCKED;
    auto kernel = (const Kernel*)f;
    auto refused = [&](CUresult e, const std::string& why) {
        return refuse(e, std::string(kernel->name) + ": " + why);
    };
    size_t threads = (size_t)bx * by * bz, total = 0;
    if (!gx || !gy || !gz || gx > 0x7fffffff || gy > 65535 || gz > 65535)
        return refused(CUDA_ERROR_INVALID_VALUE, "a grid that GPUs don't have");
    if (!threads || threads > 1024 || bz > 64 || shared > SHARED)
        return refused(CUDA_ERROR_INVALID_VALUE, "a block that GPUs don't have");
    if (at(stream)->device != current)
        return refused(CUDA_ERROR_INVALID_HANDLE, "a stream of another device");
    auto values = std::make_shared<Values>();
    for (int i = 0; i < kernel->count; ++i) {
        values->emplace_back((char*)given[i], (char*)given[i] + kernel->sizes[i]);
        total += kernel->sizes[i];
    }
    if (total > 4096)
        return refused(CUDA_ERROR_INVALID_VALUE, std::to_string(total) + " bytes of arguments");
    if (auto block = elsewhere(*values))
        return refused(CUDA_ERROR_ILLEGAL_ADDRESS, "runs on device " + std::to_string(current) +
                                                       ", with memory of device " +
                                                       std::to_string(block->device));
    return (CUresult)enqueue(stream, {"kernel", kernel->name}, [=] {
        if (NOOP) return;
        std::vector<void*> arguments;
        for (auto& x : *values) arguments.push_back(x.data());
        unsigned grid[] = {gx, gy, gz}, block[] = {bx, by, bz};
        kernel->run(*kernel, arguments.data(), grid, block, shared);
    });
}
