"""Time gradcore beside its peers: `python -m benchmarks --help`."""
