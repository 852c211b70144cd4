"""Kill a rank of a training again and again, and resume with another number of ranks: no run may
hang, and the end is that of a training that nobody disturbed.

    python tests/distributed/kills.py --kills 20
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "helpers"), str(Path(__file__).parent)]

from processes import done, started  # noqa: E402
from test_mpi import command, compare, position  # noqa: E402

FLAGS = ["--limit", 4000, "--epochs", 12, "--save-every", 0.05]
LONGEST = 15.0  # seconds from a kill to the end of the run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    args = parser.parse_args()
    choose = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        straight, killed = Path(folder, "straight"), Path(folder, "killed")
        assert done(1, *command("the MLP", *FLAGS, "--out", straight)).status == 0
        seconds = []
        while len(seconds) < args.kills:
            size = choose.choice([2, 4])
            before = position(killed)
            with started(size, *command("the MLP", *FLAGS, "--out", killed, "--resume")) as run:
                while run.process.poll() is None and position(killed) in (None, {}, before):
                    time.sleep(0.02)
                time.sleep(choose.uniform(0.0, 0.5))
                ranks = run.ranks()
                if run.process.poll() is not None:  # at its end before it was killed: begin anew
                    assert run.process.returncode == 0
                    (killed / "checkpoint.safetensors").unlink()
                    continue
                victim = choose.choice(sorted(ranks))
                os.kill(ranks[victim], signal.SIGKILL)
                start = time.monotonic()
                found = run.wait(LONGEST)
                seconds.append(time.monotonic() - start)
            assert found.status != 0
            where = (position(killed) or {}).get("loader", {}).get("given", 0)
            print(
                f"kill {len(seconds)}: rank {victim} of {size} at instance {where} of an epoch; "
                f"all ended after {seconds[-1]:.2f} s",
                flush=True,
            )
        found = done(2, *command("the MLP", *FLAGS, "--out", killed, "--resume"))
        assert found.status == 0, found
        difference = compare(killed, straight)
    print(
        f"{args.kills} kills, no hang: ended after {max(seconds):.2f} s at most; the end differs "
        f"by {difference:.1e} from that of a training that nobody disturbed"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
