"""The parts that gradcore/graph.py stands on. No file here imports graph.py.

Read arrays.py, inputs.py and gradients.py after graph.py; the others stand alone.
"""

__all__: list[str] = []
