"""Calls for ten minutes while servers, agents and archive writers are killed: what does the archive hold?

    python tests/trials/kills.py [--seconds 600] [--kills 50] [--rate 20] [--seed N] [--keep DIR]
        [--prefix NAME]

Three network namespaces on one path of calls, an agent with `--publish` and tcpdump at each tap, two
archive writers and nats-server in others. What is killed (kill -9) is started again after 0.1 to 6 s.
Afterwards each row of the archive is compared with the dumps. Needs root. Ends with status 1 where the
archive holds a message twice, or lacks one that an agent had captured.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from killed import Account, Killer, Server, account
from site_of_taps import Site, archived
from tapped import Tapped, packets, tapped

IN_HANDS = 0.5
"""Seconds before a kill within which a message may not yet lie where the agent's next run finds it."""


@dataclass(frozen=True)
class Wanted:
    """How long calls go on, how often something is killed, calls a second."""

    seconds: float
    kills: int
    rate: int
    seed: int


@dataclass(frozen=True)
class Outcome:
    """The accounts of the taps, and how often which kind of program was killed."""

    accounts: list[Account]
    killed: dict[str, int]

    @property
    def good(self) -> bool:
        return not any(one.doubled or one.foreign or one.lost for one in self.accounts)


def trial(hosts: Tapped, wanted: Wanted, *, soon: bool = False) -> Outcome:
    """Run it all, return what came of it.

    `soon`: what a killed writer had isn't waited for, instead all is given to the writers once more.
    """
    hosts.answer()
    hosts.dump()
    server = hosts.nats()
    with ExitStack() as stack:
        site = Site(hosts, [server])
        stack.callback(site.kill)
        site.begin()
        time.sleep(1)
        site.calling(wanted.seconds, wanted.rate)
        programs = [Server(server), *site.agents, *site.writers]
        killer = Killer(programs, wanted.kills, wanted.seconds, wanted.seed)
        killer.run()
        # Calls that were begun go to their end.
        time.sleep(3)
        server.until_ready()
        if soon:
            site.forget()
        site.until_archived()
        for one in site.writers:
            one.end()
        rows = archived(site.archive)
        files = len(list(site.archive.rglob("*.parquet")))
        print(f"{sum(map(len, rows.values()))} rows in {files} files")
        accounts = [
            account(name, packets(hosts.folder / f"{name}.pcap"), rows.get(name, ()), one.gone, IN_HANDS)
            for one in site.agents
            if (name := one.name)
        ]  # fmt: skip
        return Outcome(accounts, dict(killer.killed))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rate", type=int, default=20, metavar="CALLS")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument(
        "--keep", type=Path, help="a folder for dumps, archive and what programs say"
    )
    parser.add_argument("--prefix", default="kills", help="of the namespaces' names")
    given = parser.parse_args(arguments)
    print(f"seed {given.seed}")
    with ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        hosts = stack.enter_context(tapped(folder, given.prefix))
        outcome = trial(hosts, Wanted(given.seconds, given.kills, given.rate, given.seed))
    print(f"killed: {', '.join(f'{kind} {count} times' for kind, count in outcome.killed.items())}")
    print("\n".join(map(str, outcome.accounts)))
    return 0 if outcome.good else 1


if __name__ == "__main__":
    raise SystemExit(main())
