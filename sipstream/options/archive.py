"""What may be asked for of `sipstream archive`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sipstream.options import groups


@dataclass
class ArchiveOptions(groups.Bus):
    """What was asked for."""

    names: list[str] = field(default_factory=list)
    keylog: Path | None = None
    user: str | None = None
    flush: int = 0

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
    if not options.files:
        return "what is to be archived is missing: name FILE... DIR"
    if "" in options.names:
        return "a FILE has an empty name"
    if "-" in options.files:
        return "standard input can't be archived twice without repeats: name a FILE"
    return None
