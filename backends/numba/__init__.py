"""Run on NumPy with kernels that numba compiles, where numba is installed (the extra `fast`).

Only compiling.py, vectors.py, and the loops import numba, and loading.py imports them when needed.
"""

__all__: list[str] = []
