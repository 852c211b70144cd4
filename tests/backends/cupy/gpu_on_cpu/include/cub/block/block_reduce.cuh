// CUB's reduction of what the threads of a block have: as in CUB, only thread 0 gets the result.
#pragma once
namespace cub {
template <class X, int THREADS> struct BlockReduce {
    struct TempStorage {
        X given[THREADS];
    };
    TempStorage& storage;
    BlockReduce(TempStorage& s) : storage(s) {}

    template <int ITEMS, class Op> X Reduce(X (&items)[ITEMS], Op op) {
        X result = items[0];
        for (int j = 1; j < ITEMS; ++j) result = op(result, items[j]);
        storage.given[threadIdx.x] = result;
        __syncthreads();
        if (threadIdx.x) return result;
        for (int n = THREADS / 2; n; n /= 2)
            for (int i = 0; i < n; ++i)
                storage.given[i] = op(storage.given[2 * i], storage.given[2 * i + 1]);
        return storage.given[0];
    }
};
}  // namespace cub
