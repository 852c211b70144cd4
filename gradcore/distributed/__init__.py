"""Train in several processes, on one machine or on many."""

from .communicator import Communicator, Request
from .sharding import ShardedOptimizer
from .world import world

__all__ = ["Communicator", "Request", "ShardedOptimizer", "world"]
