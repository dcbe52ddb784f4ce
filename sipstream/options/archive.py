"""What may be asked for of `sipstream archive`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sipstream.escape import escape
from sipstream.options import groups, values


@dataclass
class ArchiveOptions(groups.Bus):
    """What was asked for."""

    names: list[str] = field(default_factory=list)
    keylog: Path | None = None
    user: str | None = None
    flush: int | None = None

    @property
    def files(self) -> list[str]:
        """The captures."""
        return self.names[:-1]

    @property
    def folder(self) -> Path:
        """The archive."""
        return Path(self.names[-1])


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = groups.Parser(
        prog="sipstream archive",
        usage="sipstream archive FILE... DIR\n       sipstream archive --bus URL DIR",
        description="Keep messages in Parquet files by hour and partition, which DuckDB, ClickHouse"
        " and Spark read; sipstream archive://DIR finds calls in them.",
        epilog="To archive again what is there changes nothing.",
    )
    add = made.add_argument
    add(
        "names", nargs="+", metavar="FILE... DIR",
        help="pcap, pcapng, .gz, tcpdump text; and the archive's folder, which is made if need be",
    )  # fmt: skip
    groups.add_bus(
        add, "--bus", "keep what taps publish on this server, until ended (needs nats-py)"
    )
    add(
        "--flush", type=values.span, metavar="60s",
        help="with --bus: how often files become visible, at the latest (default: 60s)",
    )  # fmt: skip
    add("--keylog", type=Path, metavar="FILE", help="read TLS with this key log (SSLKEYLOGFILE)")
    add("--user", metavar="NAME", help="started by root: become this user (default: nobody)")
    return made


def parse(arguments: Sequence[str]) -> ArchiveOptions:
    """Return what the arguments ask for; what can't be is told, and the program ends with 2."""
    made = parser()
    options = ArchiveOptions(**vars(made.parse_args(arguments)))
    wrong = _wrong(options)
    if wrong:
        made.error(wrong)
    return options


def _wrong(options: ArchiveOptions) -> str | None:
    """Return what doesn't fit together, None where all does."""
    if options.nats is None and not options.files:
        return "what is to be archived is missing: name FILE... DIR, or --bus URL DIR"
    if _is_file(options.folder):
        name = escape(str(options.folder))
        return f"{name} is a file: the archive's folder DIR stands last"
    if options.nats is not None:
        from sipstream.bus.connecting import Server, wrong

        if options.files or options.keylog is not None:
            return "--bus brings messages, FILEs have theirs: archive one after the other"
        return wrong(Server(options.nats, options.nats_creds, options.nats_ca))
    if options.flush is not None:
        return "--flush says how often --bus writes: add --bus URL"
    if "" in options.names:
        return "a FILE has an empty name"
    if "-" in options.files:
        return "standard input can't be read twice, as a repeat has to: name a FILE"
    return None


def _is_file(path: Path) -> bool:
    """Tell whether a path is a file's; what can't be told is for whoever opens it to say."""
    try:
        return path.is_file()
    except OSError:
        return False
