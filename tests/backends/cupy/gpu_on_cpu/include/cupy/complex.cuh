// In the place of CuPy's own, which only compilers of CUDA take.
#pragma once
#include <complex>
namespace thrust {
template <class T> struct complex : std::complex<T> {
    using std::complex<T>::complex;
    complex() = default;
    complex(const std::complex<T>& x) : std::complex<T>(x) {}
    template <class U> explicit complex(const std::complex<U>& x) : std::complex<T>(x) {}
    template <class X> complex& operator=(const X& x) {
        std::complex<T>::operator=(x);
        return *this;
    }
};
}  // namespace thrust
using thrust::complex;
