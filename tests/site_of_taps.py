"""Agents that publish at three hosts, archive writers at a fourth, and what their archive holds."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from killed import Agent, Program
from nats_servers import NatsServer
from tapped import ANSWERS, REFUSES, RINGS, TAPS, Packet, Tapped

SIPSTREAM = (sys.executable, "-m", "sipstream")
_DRAINED_SECONDS = 300.0
"""What may go by until the archive has what was published: batches of a killed writer go to another one
some 70 s after they were given to it."""
_FORGET = """
import asyncio, sys, nats
async def forget(url):
    client = await nats.connect(url)
    for one in await client.jetstream().consumers_info("SIP"):
        await client.jetstream().delete_consumer("SIP", one.name)
    await client.close()
asyncio.run(forget(sys.argv[1]))
"""
_QUIET_SECONDS = 5.0
_COLUMNS = "tap, time_ns, source, source_port, destination, destination_port, raw"


class Site:
    """What runs at the hosts; `servers` run in n already, `more` are further options of the agents.

    `proxied` says that m is a SIP proxy, whose agent captures on both sides.
    """

    def __init__(
        self,
        hosts: Tapped,
        servers: Sequence[NatsServer],
        *more: str,
        publish: bool = True,
        writers: int = 2,
        proxied: bool = False,
    ) -> None:
        self.hosts, self.servers = hosts, servers
        self.folder = hosts.folder
        self.archive = self.folder / "archive"
        self.archive.mkdir()
        self.url = ",".join(one.url for one in servers)
        self._publish = publish
        self._proxied = proxied
        self.agents = [
            self._agent(link, side, more) for link, side in zip(TAPS, "amb", strict=True)
        ]
        self.writers = [self._writer(number + 1) for number in range(writers)]

    def _agent(self, link: str, side: str, more: tuple[str, ...]) -> Agent:
        words = (*SIPSTREAM, "agent", "--live", link, "--tap", link, "--nats", self.url, *more)
        if self._proxied and side == "m":
            # What its proxy sends on is another message.
            words += ("--live", "mb")
        if self._publish:
            spool = self.folder / f"spool-{link}"
            spool.mkdir(mode=0o700)
            words += ("--publish", "--spool-dir", str(spool))
        return Agent(link, self.hosts.command(side, *words), self.folder)

    def _writer(self, number: int) -> Program:
        words = (*SIPSTREAM, "archive", "--bus", self.url, "--flush", "3s", str(self.archive))
        return Program("archive", f"archive-{number}", self.hosts.command("o", *words), self.folder)

    def begin(self) -> None:
        for one in (*self.agents, *self.writers):
            one.begin()

    def kill(self) -> None:
        """Take away whatever is left."""
        for one in (*self.agents, *self.writers, *self.servers):
            one.kill()

    def calling(self, seconds: float, rate: int, lasts: int = 1000) -> None:
        """Start to make calls of three kinds, `rate` a second, answered ones for `lasts` ms."""
        for number, kind, share in (
            ("5660066", ANSWERS, 0.5), ("5660067", REFUSES, 0.3), ("5660068", RINGS, 0.2),
        ):  # fmt: skip
            each = max(int(rate * share), 1)
            self.hosts.calling(number, kind, calls=int(each * seconds), rate=each, lasts=lasts)

    def until_archived(self) -> None:
        """Wait until nothing is on its way: for a while nothing was published, taken or confirmed."""
        quiet, before = time.monotonic(), None
        end = time.monotonic() + _DRAINED_SECONDS
        while time.monotonic() - quiet < _QUIET_SECONDS or not self._taken():
            assert time.monotonic() < end, f"not all is archived: {before}"
            time.sleep(0.5)
            if (now := self._state()) != before:
                quiet, before = time.monotonic(), now

    def forget(self) -> None:
        """Have the server forget what writers confirmed: they are given all of the stream once more."""
        words = (sys.executable, "-c", _FORGET, self.url)
        subprocess.run(self.hosts.command("n", *words), check=True, capture_output=True)

    def _state(self) -> tuple[tuple[int, int, int], ...]:
        """Return of each stream its last number, and what consumers wait for and didn't confirm."""
        found = []
        for server in self.servers:
            if server.process is None:
                continue
            told = server.told("jsz?streams=true&consumers=true&accounts=true")
            for account in told.get("account_details") or ():
                for stream in account.get("stream_detail") or ():
                    # A server that doesn't lead knows of a consumer what it was told last.
                    consumers = [
                        one
                        for one in stream.get("consumer_detail") or ()
                        if one.get("cluster", {}).get("leader") in (None, server.name)
                    ]
                    waits = sum(one["num_pending"] for one in consumers)
                    unconfirmed = sum(one["num_ack_pending"] for one in consumers)
                    found.append((stream["state"]["last_seq"], waits, unconfirmed))
        return tuple(found)

    def _taken(self) -> bool:
        state = self._state()
        return bool(state) and not any(waits or open_ for _, waits, open_ in state)


def archived(folder: Path) -> dict[str, list[tuple[int, Packet]]]:
    """Return the rows of an archive by tap, as tcpdump would have them."""
    import duckdb

    files = [str(one) for one in folder.rglob("*.parquet")]
    rows = duckdb.read_parquet(files).project(_COLUMNS).fetchall()
    found: dict[str, list[tuple[int, Packet]]] = {}
    for tap, moment, source, port, destination, other, payload in rows:
        packet = (_address(source), _address(destination), port, other, bytes(payload))
        found.setdefault(tap, []).append((moment, packet))
    return found


def _address(text: str) -> bytes:
    return bytes(map(int, text.split(".")))
