"""NumPy, the backend of CPUs."""
