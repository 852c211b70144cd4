"""Run on NumPy alone."""
