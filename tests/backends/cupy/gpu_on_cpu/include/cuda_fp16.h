// What CuPy's float16 takes from CUDA's header.
#pragma once
struct __half_raw {
    unsigned short x;
};
struct half {
    unsigned short bits;
    half() = default;
    half(const __half_raw& raw) : bits(raw.x) {}
    template <class X, class = std::enable_if_t<std::is_arithmetic_v<X>>> half(X x)
        : bits(__builtin_bit_cast(unsigned short, (_Float16)x)) {}
    operator float() const { return __half2float(bits); }
    operator __half_raw() const { return {bits}; }
};
static inline unsigned short __half_as_ushort(half h) { return h.bits; }
static inline half __ushort_as_half(unsigned short x) { return __half_raw{x}; }
