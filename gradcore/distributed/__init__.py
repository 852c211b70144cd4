"""Train in several processes at once: what `mpirun -n 4 python train.py` starts."""

from __future__ import annotations

from .communicator import Communicator, Request
from .failures import OtherRankError, RanksDifferError, from_rank_0, must_agree
from .norms import synchronize_norms
from .parallel import DataParallel
from .sharding import ShardedOptimizer
from .threads import run_threads
from .world import use_world, world

__all__ = [
    "Communicator",
    "DataParallel",
    "OtherRankError",
    "RanksDifferError",
    "Request",
    "ShardedOptimizer",
    "from_rank_0",
    "must_agree",
    "run_threads",
    "synchronize_norms",
    "use_world",
    "world",
]
