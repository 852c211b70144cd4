"""Links between the processes of this machine: its memory, its loopback, and networks of its own.

Such a network is a network namespace for each rank, and a switch, which is this file run as a
program. The switch forwards what a rank sends no faster than a bandwidth, and after a delay. (Where
Linux's kernel has the module netem, `tc` can do that too; many kernels lack it.)
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from heapq import heappop, heappush
from struct import pack
from typing import NamedTuple

__all__ = ["SETTINGS", "Setting", "network"]

SUBNET = "10.23.42"  # rank 0 has the address 10.23.42.1
PACKET = 65_000  # bytes at most: large ones, so that the switch has few to forward
SET_NAME, TUN, NO_HEADER = 0x400454CA, 0x0001, 0x1000  # of linux/if_tun.h


class Setting(NamedTuple):
    """How processes are connected.

    Attributes:
        delay, bandwidth: of a network of namespaces: seconds, and bytes a second; or `None`.
        variables: environment variables of the processes.
    """

    title: str
    delay: float | None
    bandwidth: float | None
    variables: dict[str, str]


# The MPI that `pip install 'gradcore[mpi]'` brings is MPICH. On one machine it sends by memory,
# unless it is told not to; then it takes the first device that is up.
BY_TCP = {"MPIR_CVAR_NOLOCAL": "1", "MPIR_CVAR_CH4_NETMOD": "ofi", "FI_PROVIDER": "tcp"}
SETTINGS = {
    "memory": Setting("shared memory", None, None, {}),
    "loopback": Setting("loopback", None, None, {**BY_TCP, "FI_TCP_IFACE": "lo"}),
    "near": Setting("1 Gbit/s, 0.2 ms", 0.2e-3, 125e6, BY_TCP),
    "far": Setting("1 Gbit/s, 5 ms", 5e-3, 125e6, BY_TCP),
    "slow": Setting("100 Mbit/s, 1 ms", 1e-3, 12.5e6, BY_TCP),
}


@contextmanager
def network(ranks: int, setting: Setting) -> Iterator[str]:
    """Set up a network, and take it away in the end.

    Yields:
        What the names of the namespaces begin with; the rank follows.

    Raises:
        OSError: this machine has not what it takes, or does not let us.
    """
    prefix = f"gc{os.getpid()}r"
    arguments = [prefix, str(ranks), str(setting.delay), str(setting.bandwidth)]
    switch = subprocess.Popen(
        [sys.executable, __file__, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert switch.stdout
    try:
        if (said := switch.stdout.readline().strip()) != "ready":
            raise OSError(said or "the switch ended without a word")
        yield prefix
    finally:
        switch.communicate()  # closes its standard input, at which it ends


# -- The switch --------------------------------------------------------------------------------


def ip(command: str) -> None:
    done = subprocess.run(["ip", *command.split()], capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"ip {command}: {done.stderr.strip()}")


def port(name: str, address: str) -> int:
    """Make a namespace with one device in it; return the file with the packets sent by it."""
    from fcntl import ioctl  # which Windows lacks

    file = os.open("/dev/net/tun", os.O_RDWR)
    ioctl(file, SET_NAME, pack("16sH22x", name.encode(), TUN | NO_HEADER))
    ip(f"netns add {name}")
    ip(f"link set {name} netns {name}")
    ip(f"-n {name} address add {address}/24 dev {name}")
    ip(f"-n {name} link set {name} mtu {PACKET} up")
    return file


def forward(ports: Sequence[int], delay: float, bandwidth: float) -> None:
    """Forward packets until standard input is closed."""
    free = dict.fromkeys(ports, 0.0)  # when each sender's line has sent what came before
    waiting: list[tuple[float, int, int, bytes]] = []  # by time, then in the order of arrival
    arrivals = 0
    while True:
        soon = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        ready, _, _ = select.select([sys.stdin, *ports], [], [], soon)
        if sys.stdin in ready:
            return
        for sender in ready:
            packet = os.read(sender, 1 << 16)
            to = packet[19] - 1  # the last number of the address, which is 1 for rank 0
            if packet[0] >> 4 == 4 and to < len(ports):  # not what IPv6 says to everybody
                arrivals += 1
                free[sender] = max(free[sender], time.monotonic()) + len(packet) / bandwidth
                heappush(waiting, (free[sender] + delay, arrivals, ports[to], packet))
        while waiting and waiting[0][0] <= time.monotonic():
            *_, receiver, packet = heappop(waiting)
            os.write(receiver, packet)


def main(prefix: str, ranks: str, delay: str, bandwidth: str) -> None:
    names = [f"{prefix}{rank}" for rank in range(int(ranks))]
    try:
        ports = [port(name, f"{SUBNET}.{rank + 1}") for rank, name in enumerate(names)]
        with suppress(PermissionError):  # the ranks keep the processors busy: be served before them
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        print("ready", flush=True)
        with suppress(KeyboardInterrupt):  # of the program that started this one, too
            forward(ports, float(delay), float(bandwidth))
    except OSError as error:
        print(error, flush=True)
    finally:
        for name in names:
            with suppress(OSError):  # which was not made
                ip(f"netns del {name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
