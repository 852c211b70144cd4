"""Errors that end a run."""

__all__ = ["UserError"]


class UserError(Exception):
    """An error that ends the run; its message is for the user."""
