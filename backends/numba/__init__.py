"""NumPy with kernels that numba compiles. Importing this imports no numba."""
