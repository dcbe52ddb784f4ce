"""Row R4: calls come for a long time, a part of them damaged; does anything grow?

    python tests/hostile/soak.py [SECONDS] [--rate N] [--keep 1m] [--spool-size 8M] [--prefix NAME]

Needs root, for two network namespaces. Prints each ten seconds what sipstream takes, and at the end how
fast its memory grew after the first minutes, in which what is kept fills up.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from namespaces import HERE, THERE, Pair, pair

EACH = 10
"""Seconds between two looks."""
DAMAGED = 0.02

_TALK = (
    ("INVITE", "INVITE sip:{to}@10.99.0.2 SIP/2.0"),
    ("INVITE", "SIP/2.0 100 Trying"),
    ("INVITE", "SIP/2.0 180 Ringing"),
    ("INVITE", "SIP/2.0 200 OK"),
    ("ACK", "ACK sip:{to}@10.99.0.2 SIP/2.0"),
    ("BYE", "BYE sip:{to}@10.99.0.2 SIP/2.0"),
    ("BYE", "SIP/2.0 200 OK"),
)


def message(number: int) -> bytes:
    """Return a message of an endless row of calls, seventy at a time."""
    call, step = number // 490 * 70 + number % 70, number // 70 % 7
    method, line = _TALK[step]
    user = f"5{call % 1_000_000:06}"
    lines = [
        line.format(to=user),
        f"Via: SIP/2.0/UDP {HERE};branch=z9hG4bK{number}",
        f"From: <sip:4{user}@{HERE}>;tag=a{call}",
        f"To: <sip:{user}@{THERE}>",
        f"Call-ID: soak-{call}@{HERE}",
        f"CSeq: {1 if method != 'BYE' else 2} {method}",
        "Max-Forwards: 70",
        "Content-Length: 0",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Return a message with some bytes changed, or cut."""
    broken = bytearray(data)
    for _ in range(chance.randint(1, 20)):
        broken[chance.randrange(len(broken))] = chance.randrange(256)
    return bytes(broken[: chance.randrange(len(broken))] if chance.random() < 0.3 else broken)


def send(seconds: float, rate: int) -> None:
    """Send messages for so long, so many a second."""
    import socket

    chance = random.Random(4)
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind((HERE, 5060))
    begun, number = time.monotonic(), 0
    while (passed := time.monotonic() - begun) < seconds:
        while number < passed * rate:
            data = message(number)
            if chance.random() < DAMAGED:
                data = damaged(data, chance)
            one.sendto(data, (THERE, 5060))
            number += 1
        time.sleep(0.01)
    print(f"sent {number} messages")


def look(pid: int, spool: Path) -> tuple[int, int, int, int, int]:
    """Return what a process takes: memory and anonymous memory (KiB), descriptors, threads, spool."""
    status = Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    size = sum(one.stat().st_size for one in spool.iterdir() if one.exists())
    descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    rss, anonymous = (int(fields[name].split()[0]) for name in ("VmRSS", "RssAnon"))
    return rss, anonymous, descriptors, int(fields["Threads"]), size >> 10


def child_of(pid: int) -> int:
    """Return the process that `ip netns exec` became, which is itself."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else pid


def soak(hosts: Pair, options: argparse.Namespace, spool: Path) -> int:
    """Let it run and print what it takes; return the exit status."""
    limits = ["--keep", options.keep, "--spool-dir", str(spool), "--spool-size", options.spool_size]
    program = hosts.sipstream(
        "b", "--live", "vb", "--user", "root", *limits, "--follow", "dstnum 5000001",
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(2)
    words = [sys.executable, __file__, str(options.seconds), "--rate", str(options.rate), "--send"]
    sender = hosts.start("a", *words)
    begun, looks = time.monotonic(), []
    print("seconds  RSS KiB  anonymous KiB  descriptors  threads  spool KiB", flush=True)
    while sender.poll() is None and program.poll() is None:
        time.sleep(EACH)
        seconds = time.monotonic() - begun
        found = look(child_of(program.pid), spool)
        looks.append((seconds, found[1]))
        print(f"{seconds:7.0f}  {found[0]:7}  {found[1]:13}  {found[2]:11}  {found[3]:7}  {found[4]:9}",
              flush=True)  # fmt: skip
    sender.wait()
    program.terminate()
    _, errors = program.communicate(timeout=30)
    print(errors.decode(errors="replace"))
    settled = [one for one in looks if one[0] > looks[-1][0] / 2]
    print(f"slope of anonymous memory in the second half: {slope(settled):.2f} MiB an hour")
    return 0 if program.returncode == 128 + 15 else 1


def slope(points: list[tuple[float, int]]) -> float:
    """Return how fast KiB grow over seconds, least squares, in MiB an hour."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points) or 1.0
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread * 3600 / 1024


def main() -> int:
    """Run the soak, or be its sender."""
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", nargs="?", type=float, default=300)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--keep", default="1m")
    parser.add_argument("--spool-size", default="8M")
    parser.add_argument("--prefix", default="ss")
    parser.add_argument("--send", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.send:
        send(options.seconds, options.rate)
        return 0
    with tempfile.TemporaryDirectory() as folder, pair(options.prefix) as hosts:
        return soak(hosts, options, Path(folder) / "spool")


if __name__ == "__main__":
    sys.exit(main())
