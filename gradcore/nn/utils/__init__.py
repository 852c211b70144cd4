"""What goes with modules: sequences of several lengths."""

from . import rnn

__all__ = ["rnn"]
