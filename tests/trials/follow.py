"""Calls through three taps, one number followed by a shell over NATS: what is shown, when, at what cost?

    python tests/trials/follow.py [--seconds 30] [--rate 20] [--proxy] [--keep DIR] [--prefix NAME]

The hosts of `kills.py`; m holds what it routes for 3 ms, or passes it on as a SIP proxy. What the follow
writes is compared with the dumps, and what the follow cost with the server's own counters: bytes of
payloads that clients sent to it and that it gave to clients. Needs root. Ends with status 1 where a
message isn't shown once with all its sightings.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from followed import NUMBER, Follow, compare, of_number
from site_of_taps import Site
from tapped import Tapped, proxied_sightings, sightings, tapped

LATE = 0.003


def trial(hosts: Tapped, seconds: float, rate: int, proxied: bool) -> bool:
    """Run it all, tell what came of it, return whether all was shown once."""
    if proxied:
        hosts.proxy(LATE)
    else:
        hosts.hold(LATE)
    hosts.answer()
    hosts.dump()
    server = hosts.nats()
    with ExitStack() as stack:
        site = Site(hosts, [server], publish=False, writers=0, proxied=proxied)
        stack.callback(site.kill)
        site.begin()
        time.sleep(2)
        follow = Follow(hosts, server.url)
        follow.until_begun()
        before = server.traffic()
        site.calling(seconds, rate, lasts=500)
        time.sleep(seconds + 2)
        after = server.traffic()
        lines = follow.end()
    seen = (proxied_sightings if proxied else sightings)(hosts.folder)
    result = compare(seen, lines, NUMBER)
    print(result)
    matching = of_number(seen, NUMBER)
    once = sum(len(packet[4]) for packet, _ in matching)
    each = sum(len(packet[4]) * len(at) for packet, at in matching)
    everything = sum(len(packet[4]) * len(at) for packet, at in seen)
    sent, given = (b - a for a, b in zip(before, after, strict=True))
    print(
        f"payloads of the bus meanwhile: {sent} B to the server, {given} B from it to clients;"
        f" the messages that match have {once} B, their sightings {each} B, all sightings"
        f" {everything} B"
    )
    return result.complete


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rate", type=int, default=20, metavar="CALLS")
    parser.add_argument("--proxy", action="store_true", help="m is a SIP proxy, not a router")
    parser.add_argument("--keep", type=Path, help="a folder for dumps and what programs say")
    parser.add_argument("--prefix", default="follow", help="of the namespaces' names")
    given = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        hosts = stack.enter_context(tapped(folder, given.prefix))
        return 0 if trial(hosts, given.seconds, given.rate, given.proxy) else 1


if __name__ == "__main__":
    raise SystemExit(main())
