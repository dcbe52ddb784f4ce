"""What may be asked for on the command line, and what of it doesn't fit together."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sipstream.options import checks, groups
from sipstream.options.hep import Destination, add_send_hep
from sipstream.options.values import STDIN as STDIN
from sipstream.version import __version__


@dataclass
class Options(
    groups.Sourced, groups.Streamed, groups.Kept, groups.Bus, groups.Ringed, groups.Triggered
):
    """What was asked for of the shell, or of a run without one."""

    commands: list[str] = field(default_factory=list)
    narrow: bool = False
    rtp: bool = False
    write: Path | None = None
    format: str | None = None
    redact: bool | None = None
    send_hep: Destination | None = None
    filter: str | None = None
    follow: str | None = None
    messages: bool = False
    flow: bool = False
    json: bool = False
    quiet: bool = False
    color: bool = True

    @property
    def extracts(self) -> bool:
        """Whether files are read to write what matches of them."""
        return self.write is not None and not self.live

    @property
    def has_source(self) -> bool:
        """Whether messages come from anywhere."""
        return bool(self.files or self.live or self.tail or self.hep or self.nats or self.bus)

    @property
    def is_job(self) -> bool:
        """Whether there is something to do without commands, until the sources end."""
        jobs = self.write, self.write_ring, self.prometheus, self.send_hep, self.triggers
        return any(jobs)

    @property
    def sends_files(self) -> bool:
        """Whether files are read to send their messages on, and nothing else."""
        comes_live = self.live or self.tail or self.hep or self.nats or self.bus
        is_asked = self.commands or self.follow is not None
        return self.send_hep is not None and not comes_live and not is_asked


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = groups.Parser(
        prog="sipstream",
        description="Find one customer's SIP messages in the flood: captures, tcpdump's text, live.",
        epilog="With -c or --follow no shell is started. 'help' in the shell tells the commands."
        " 'sipstream agent' answers for a SIP server, 'sipstream archive' keeps messages for long:"
        " see their --help.",
    )
    add = made.add_argument
    add(
        "files",
        nargs="*",
        metavar="FILE",
        help="pcap, pcapng, .gz, tcpdump text; - is standard input",
    )
    add("-c", dest="commands", action="append", default=[], metavar="COMMAND", help="run a command")
    groups.add_sources(add)
    add_send_hep(add)
    add(
        "--tap",
        metavar="NAME",
        help="with --send-hep: where the messages were seen (default: the host's name)",
    )
    groups.add_bus(
        add, "--nats", "ask the taps whose agents answer on this NATS server, as nats://bus:4222"
    )
    groups.add_streamed(add)
    add(
        "--narrow",
        action="store_true",
        help="with --live and a filter: capture between its addresses and ports only (needs libpcap)",
    )
    add(
        "--rtp",
        action="store_true",
        help="look at RTP and RTCP of the calls too: loss, jitter, silence, DTMF (show rtp); slower",
    )
    add(
        "--write",
        type=Path,
        metavar="FILE.pcap",
        help="write matching calls of all FILEs, as its ending says; with --live all that is captured",
    )
    groups.add_ring(add)
    groups.add_triggers(add)
    add(
        "--format",
        metavar="NAME",
        help="with --write of FILEs: pcap, csv ... ('help export' lists them)",
    )
    add(
        "--redact",
        action=argparse.BooleanOptionalAction,
        help="in what --write and export write: mask numbers, names, credentials, texts"
        " (default: in what is made to be handed on, such as csv)",
    )
    groups.add_kept(add)
    add("--filter", metavar="EXPR", help="the active filter, such as 'dstnum 5660066'")
    add("--follow", metavar="EXPR", help="print matching messages until the sources end")
    add("--messages", action="store_true", help="with --follow: whole messages")
    add("--flow", action="store_true", help="with --follow: ladders, an arrow for each message")
    add("-q", "--quiet", action="store_true", help="say nothing of what is read; errors only")
    add("--json", action="store_true", help="one JSON object a line on standard output")
    add("--no-color", dest="color", action="store_false", help="no colours (also NO_COLOR)")
    add("--version", action="version", version=f"sipstream {__version__}")
    return made


def parse(arguments: Sequence[str]) -> Options:
    """Return what the arguments ask for; what can't be is told, and the program ends with 2."""
    made = parser()
    options = Options(**vars(made.parse_args(arguments)))
    wrong = checks.wrong(options)
    if wrong:
        made.error(wrong)
    return options
