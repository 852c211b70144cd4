"""Run on NumPy alone."""

__all__: list[str] = []
