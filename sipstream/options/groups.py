"""Options that several programs have: `sipstream`, `sipstream agent`, `sipstream archive`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from sipstream.escape import shield
from sipstream.limits import MEMORY
from sipstream.options import values
from sipstream.options.hep import HepIn, add_hep


@dataclass
class Sourced(HepIn):
    """Where messages come from, and as whom they are read."""

    files: list[str] = field(default_factory=list)
    live: list[str] = field(default_factory=list)
    tail: list[Path] = field(default_factory=list)
    from_now: bool = False
    bpf: str | None = None
    keylog: Path | None = None
    user: str | None = None
    tap: str | None = None
    prometheus: tuple[str, int] | None = None


@dataclass
class Kept:
    """What is kept of it."""

    memory: int = MEMORY
    keep: list[tuple[str, int]] = field(default_factory=list)
    keep_calls: int | None = None
    spool_dir: Path | None = None
    spool_size: int | None = None


@dataclass
class Ringed:
    """What is kept of live captures for weeks."""

    write_ring: Path | None = None
    ring_size: int | None = None
    ring_time: int | None = None


@dataclass
class Wish:
    """What a trigger is asked for: a filter, and a file or a command."""

    expression: str
    append: Path | None = None
    run: str | None = None


@dataclass
class Triggered:
    """What is done when a conversation matches first."""

    triggers: list[Wish] = field(default_factory=list)


@dataclass
class Bus:
    """How a NATS server is reached."""

    nats: str | None = None
    nats_creds: Path | None = None
    nats_ca: Path | None = None


@dataclass
class Streamed:
    """What is read of the stream on a NATS server."""

    bus: str | None = None
    since: int | None = None
    """Seconds back from now, 0 for all that is there."""


@dataclass
class Published:
    """What is published to the stream, and how the stream is made."""

    publish: bool = False
    publish_size: int | None = None
    partitions: int | None = None
    stream_age: int | None = None
    """Seconds."""
    stream_size: int | None = None
    stream_replicas: int | None = None


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, and below it where, if that is within a filter."""

    def error(self, message: str) -> NoReturn:
        """Tell what is wrong, and end the program with 2."""
        sentence, *below = message.split("\n")
        lines = [f"*** Error! {sentence}; see {self.prog} --help", *below]
        self.exit(2, shield("\n".join(lines)) + "\n")


def add_sources(add: Any) -> None:
    """Add the options of `Sourced` but for FILEs; `add` is a parser's `add_argument`."""
    add(
        "--live", action="append", default=[], metavar="IFACE",
        help="capture on an interface, or any",
    )  # fmt: skip
    add(
        "--tail", action="append", default=[], type=Path, metavar="FILE",
        help="watch a growing file",
    )  # fmt: skip
    add("--from-now", action="store_true", help="with --tail: leave out what is there already")
    add("--bpf", metavar="EXPR", help="with --live: a kernel filter of your own (needs libpcap)")
    add_hep(add)
    add("--keylog", type=Path, metavar="FILE", help="read TLS with this key log (SSLKEYLOGFILE)")
    add("--user", metavar="NAME", help="started by root: become this user (default: nobody)")
    add(
        "--prometheus", type=values.address, metavar="[ADDRESS]:PORT",
        help="serve figures to Prometheus at /metrics, on 127.0.0.1 unless an ADDRESS is given",
    )  # fmt: skip


def add_published(add: Any) -> None:
    """Add the options of `Published`."""
    add(
        "--publish", action="store_true",
        help="publish all messages to the JetStream stream SIP (sip.TAP.PARTITION): HEP v3 packets;"
        " with --spool-dir what isn't published yet outlives a restart",
    )  # fmt: skip
    add(
        "--publish-size", type=values.size, metavar="SIZE",
        help="with --publish: what may wait on disk for the server (default: 1G); the oldest go",
    )  # fmt: skip
    add(
        "--partitions", type=values.partitions, metavar="N",
        help="with --publish: a call's messages go to one of N (default: 16), by its Call-ID",
    )  # fmt: skip
    add(
        "--stream-age", type=values.age, metavar="24h",
        help="with --publish: a stream that isn't there is made to keep messages so long (24h)",
    )  # fmt: skip
    add(
        "--stream-size", type=values.size, metavar="SIZE",
        help="with --publish: and so many bytes of them (10G)",
    )  # fmt: skip
    add(
        "--stream-replicas", type=values.replicas, metavar="N",
        help="with --publish: on so many servers of a cluster, 1 to 5 (1)",
    )  # fmt: skip


def add_streamed(add: Any) -> None:
    """Add the options of `Streamed`."""
    add(
        "--bus", metavar="URL",
        help="read what all taps publish to the stream on this NATS server, as nats://bus:4222",
    )  # fmt: skip
    add(
        "--since", type=values.since, metavar="10m|all",
        help="with --bus: begin so long ago (s, m, h, d), or with all that is there (default: now)",
    )  # fmt: skip


def add_kept(add: Any) -> None:
    """Add the options of `Kept`."""
    add(
        "--memory", type=values.size, default=MEMORY, metavar="SIZE",
        help="for conversations (default: 256M); beyond, what is over and idle is given up",
    )  # fmt: skip
    add(
        "--keep", action="append", default=[], type=values.keep, metavar="2h|500MB",
        help="give up what is over and older (s, m, h, d), or beyond so many bytes (KB, MB, GB)",
    )  # fmt: skip
    add(
        "--keep-calls", type=values.count, metavar="N",
        help="give up the longest idle ones beyond N conversations",
    )  # fmt: skip
    add(
        "--spool-dir", type=Path, metavar="DIR",
        help="with --live: keep the newest packets in DIR; what is there is loaded again at the start",
    )  # fmt: skip
    add(
        "--spool-size", type=values.size, metavar="SIZE",
        help="for spools (default: a quarter of what is free, at most 4G); beyond, the oldest go",
    )  # fmt: skip


def add_ring(add: Any) -> None:
    """Add the options of `Ringed`."""
    add(
        "--write-ring", type=Path, metavar="DIR",
        help="with --live: keep the newest packets in pcap files in DIR, with indexes: ring://DIR"
        " finds what is asked for there",
    )  # fmt: skip
    add(
        "--ring-size", type=values.size, metavar="SIZE",
        help="bytes of a ring, indexes included, such as 10GB; beyond, the oldest files go",
    )  # fmt: skip
    add(
        "--ring-time", type=values.age, metavar="24h",
        help="how long a ring keeps packets (s, m, h, d; default: as long as there is room)",
    )  # fmt: skip


class _On(argparse.Action):
    """Begins a trigger, or says what the last one does."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        triggers: list[Wish] = [*namespace.triggers]
        if option_string == "--on":
            triggers.append(Wish(values))
        elif not triggers or triggers[-1].append or triggers[-1].run is not None:
            parser.error(f"{option_string} says what --on EXPR does: put one before each")
        elif option_string == "--append":
            triggers[-1].append = Path(values)
        else:
            triggers[-1].run = values
        namespace.triggers = triggers


def add_triggers(add: Any) -> None:
    """Add the options of `Triggered`."""
    add(
        "--on", dest="triggers", action=_On, default=[], metavar="EXPR",
        help="once for each conversation that matches: do what the --append or --run behind it says",
    )  # fmt: skip
    add(
        "--append", dest="triggers", action=_On, default=[], metavar="FILE",
        help="with --on: append a line with a JSON object to FILE",
    )  # fmt: skip
    add(
        "--run", dest="triggers", action=_On, default=[], metavar="CMD",
        help="with --on: run a program with its arguments; it gets SIPSTREAM_CALL_ID and others in its"
        " environment and a JSON object on standard input",
    )  # fmt: skip


def add_bus(add: Any, name: str, about: str) -> None:
    """Add the options of `Bus`; the server's own one is called `name`, such as `--nats`."""
    add(name, dest="nats", metavar="URL", help=about)
    add_access(add)


def add_access(add: Any) -> None:
    """Add the options that say how we are let in by a server."""
    add(
        "--nats-creds", type=Path, metavar="FILE",
        help="what NATS lets us in by: a .creds file, a line user:password, or a token; mode 0600",
    )  # fmt: skip
    add("--nats-ca", type=Path, metavar="FILE", help="certificates to trust, for tls:// URLs")
