"""What the examples share, so that each of them shows a model and its training, and little else.

command_line  flags, errors of one line, the exit status
session       a run: its seed, backend, checkpoints, and what it prints and writes
record        the measurements: losses, times, accuracies
training      optimizer, captured steps and validation, by the flags
files         checkpoints, metrics and curves on disk
report        tables, pictures and pages for assignment.py
"""
