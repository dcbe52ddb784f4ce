"""One of three nats-servers at a time is killed during calls: is anything lost, does a follow go on?

    python tests/trials/cluster.py [--seconds 60] [--rate 20] [--keep DIR] [--prefix NAME]

The hosts of `kills.py`; the stream has three replicas. A shell follows one number over the taps, another
one in the stream (`--bus`), while the server that leads the stream is killed and begun again, then the
others. Needs root. Ends with status 1 where the archive or a follow lacks a message or has one twice. The
one of the stream may show a message before all its sightings have come: each tap waits for an election.
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

from followed import NUMBER, Follow, compare
from killed import account
from nats_servers import nats_cluster
from site_of_taps import Site, archived
from tapped import BUS, Tapped, packets, sightings, tapped

_STREAM = "SIP"


def trial(hosts: Tapped, seconds: float, rate: int, kills: int = 3) -> bool:
    """Run it all, tell what came of it, return whether all is there once."""
    hosts.answer()
    hosts.dump()
    with ExitStack() as stack:
        cluster = stack.enter_context(
            nats_cluster(hosts.folder / "bus", prefix=hosts.command("n"), host=BUS["n"])
        )
        site = Site(hosts, cluster.servers, "--stream-replicas", "3")
        stack.callback(site.kill)
        site.begin()
        follow, streamed = Follow(hosts, cluster.url), Follow(hosts, cluster.url, stream=True)
        follow.until_begun()
        site.calling(seconds, rate)
        first = cluster.leader(_STREAM)
        # The one that leads the stream, and those that shell and agents are connected to.
        for gone in [first, *(one for one in cluster.servers if one is not first)][:kills]:
            time.sleep(seconds / kills / 2)
            killed = time.time_ns()
            gone.kill()
            print(f"{gone.name} killed")
            time.sleep(seconds / kills / 2)
            gone.start()
            print(f"{gone.name} is there again")
        time.sleep(3)
        site.until_archived()
        for writer in site.writers:
            writer.end()
        lines, of_stream = follow.end(), streamed.end()
        rows = archived(site.archive)
        accounts = [
            account(one.name, packets(hosts.folder / f"{one.name}.pcap"), rows.get(one.name, ()), [], 0)
            for one in site.agents
        ]  # fmt: skip
        result = compare(sightings(hosts.folder), lines, NUMBER)
        stream = compare(sightings(hosts.folder), of_stream, NUMBER)
        print("\n".join(map(str, accounts)))
        print(f"over the taps: {result}")
        print(f"after the last kill: {result.after(killed)}")
        print(f"of the stream: {stream}")
        whole = result.complete and not (stream.missing or stream.again)
        return whole and not any(one.doubled or one.lost for one in accounts)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=int, default=20, metavar="CALLS")
    parser.add_argument(
        "--keep", type=Path, help="a folder for dumps, archive and what programs say"
    )
    parser.add_argument("--prefix", default="cluster", help="of the namespaces' names")
    given = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        hosts = stack.enter_context(tapped(folder, given.prefix))
        return 0 if trial(hosts, given.seconds, given.rate) else 1


if __name__ == "__main__":
    raise SystemExit(main())
