"""How long a step of data-parallel training takes on N workers: a model, and measurements to hold
it against. `python -m benchmarks.scaling` measures, and writes docs/scaling.md."""
