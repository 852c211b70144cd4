// CUB's way to give each thread of a block some neighbors.
#pragma once
namespace cub {
enum BlockLoadAlgorithm { BLOCK_LOAD_DIRECT };
template <class X, int THREADS, int ITEMS, BlockLoadAlgorithm> struct BlockLoad {
    struct TempStorage {};
    BlockLoad(TempStorage&) {}

    template <class Y> void Load(const Y* from, X (&items)[ITEMS], int count, X otherwise) {
        for (int j = 0, i = threadIdx.x * ITEMS; j < ITEMS; ++j, ++i)
            items[j] = i < count ? X(from[i]) : otherwise;
    }
};
}  // namespace cub
