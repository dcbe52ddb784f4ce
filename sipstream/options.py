"""What may be asked for on the command line, and what of it doesn't fit together."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from sipstream.escape import shield
from sipstream.limits import MEMORY
from sipstream.version import __version__

STDIN = "-"
LOOPBACK = "127.0.0.1"
_LAST_PORT = 65_535
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LEAST_MEMORY = 8 << 20
_WIDTH = 80
"""Columns of a line that shows where a filter is wrong."""


@dataclass
class Options:
    """What was asked for on the command line."""

    files: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    live: list[str] = field(default_factory=list)
    tail: list[Path] = field(default_factory=list)
    from_now: bool = False
    bpf: str | None = None
    narrow: bool = False
    rtp: bool = False
    write: Path | None = None
    format: str | None = None
    redact: bool | None = None
    user: str | None = None
    keylog: Path | None = None
    memory: int = MEMORY
    keep: list[tuple[str, int]] = field(default_factory=list)
    keep_calls: int | None = None
    spool_dir: Path | None = None
    spool_size: int | None = None
    filter: str | None = None
    follow: str | None = None
    messages: bool = False
    flow: bool = False
    json: bool = False
    quiet: bool = False
    prometheus: tuple[str, int] | None = None
    color: bool = True

    @property
    def extracts(self) -> bool:
        """Whether files are read to write what matches of them."""
        return self.write is not None and not self.live


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, and below it where, if that is within a filter."""

    def error(self, message: str) -> NoReturn:
        sentence, *below = message.split("\n")
        lines = [f"*** Error! {sentence}; see sipstream --help", *below]
        self.exit(2, shield("\n".join(lines)) + "\n")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = _Parser(
        prog="sipstream",
        description="Find one customer's SIP messages in the flood: captures, tcpdump's text, live.",
        epilog="With -c or --follow no shell is started. 'help' in the shell tells the commands.",
    )
    add = made.add_argument
    add(
        "files",
        nargs="*",
        metavar="FILE",
        help="pcap, pcapng, .gz, tcpdump text; - is standard input",
    )
    add("-c", dest="commands", action="append", default=[], metavar="COMMAND", help="run a command")
    add(
        "--live",
        action="append",
        default=[],
        metavar="IFACE",
        help="capture on an interface, or any",
    )
    add(
        "--tail",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="watch a growing file",
    )
    add("--from-now", action="store_true", help="with --tail: leave out what is there already")
    add("--bpf", metavar="EXPR", help="with --live: a kernel filter of your own (needs libpcap)")
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
    add(
        "--memory",
        type=_size,
        default=MEMORY,
        metavar="SIZE",
        help="for conversations (default: 256M); beyond, what is over and idle is given up",
    )
    add(
        "--keep",
        action="append",
        default=[],
        type=_keep,
        metavar="2h|500MB",
        help="give up what is over and older (s, m, h, d), or beyond so many bytes (KB, MB, GB)",
    )
    add(
        "--keep-calls",
        type=_count,
        metavar="N",
        help="give up the longest idle ones beyond N conversations",
    )
    add(
        "--spool-dir",
        type=Path,
        metavar="DIR",
        help="with --live: keep the newest packets in DIR; what is there is loaded again at the start",
    )
    add(
        "--spool-size",
        type=_size,
        metavar="SIZE",
        help="for spools (default: a quarter of what is free, at most 4G); beyond, the oldest go",
    )
    add(
        "--prometheus",
        type=_address,
        metavar="[ADDRESS]:PORT",
        help="serve figures to Prometheus at /metrics, on 127.0.0.1 unless an ADDRESS is given",
    )
    add("--user", metavar="NAME", help="started by root: become this user (default: nobody)")
    add("--keylog", type=Path, metavar="FILE", help="read TLS with this key log (SSLKEYLOGFILE)")
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
    wrong = _wrong(options)
    if wrong:
        made.error(wrong)
    return options


def _wrong(options: Options) -> str | None:
    """Return what doesn't fit together, None where all does."""
    if options.write is not None:
        wrong = _wrong_write(options)
        if wrong:
            return wrong
    elif options.format is not None:
        return "--format says how --write writes: add --write FILE"
    if len({what for what, _ in options.keep}) < len(options.keep):
        return "--keep takes one time and one size"
    if options.bpf and not options.live:
        return "--bpf filters what --live captures: add --live IFACE"
    if options.narrow and not (options.live and (options.filter or options.follow)):
        return "--narrow captures what a filter asks for: add --live IFACE and --filter or --follow"
    if options.narrow and options.rtp:
        return "--narrow keeps out media of other hosts: choose one of --narrow and --rtp"
    if options.from_now and not options.tail:
        return "--from-now is for files to watch: add --tail FILE"
    if options.messages and (options.follow is None or options.json):
        return "--messages goes with --follow, without --json"
    if options.flow and (options.follow is None or options.messages):
        return "--flow goes with --follow, without --messages"
    if options.follow is not None and options.commands:
        return "--follow prints until the sources end: it doesn't go with -c"
    if options.follow is not None and not (options.files or options.live or options.tail):
        return "--follow needs a source: a FILE, --tail or --live"
    if "" in options.files:
        return "a FILE has an empty name"
    if options.files.count(STDIN) > 1:
        return "standard input can be read once"
    for option, text in (("--filter", options.filter), ("--follow", options.follow)):
        if text is not None and (text or option == "--filter"):
            wrong = _wrong_filter(text)
            if wrong:
                return f"{option}: {wrong}"
    return None


def _wrong_write(options: Options) -> str | None:
    """Return what doesn't fit together with --write, None where all does."""
    if options.format is not None:
        from sipstream.export.formats import FORMATS
        from sipstream.wording import meant

        if options.format not in FORMATS:
            return f"--format: no format {options.format!r}: {meant(options.format, FORMATS)}"
    if options.live and (options.format is not None or options.redact is not None):
        return "--format and --redact are for files: --live is written as it is captured"
    if not options.live and options.tail:
        return "--write reads files to their end, --tail watches them: name them without --tail"
    if not options.live and not options.files:
        return "--write needs what is to be written: a FILE, or --live IFACE"
    if not options.live and (options.commands or options.follow is not None):
        return "--write of files stands alone: leave out -c and --follow"
    if options.live and str(options.write) == STDIN:
        return "--write - is for files: name a FILE.pcap for what --live captures"
    if options.spool_dir or (options.live and options.spool_size):
        return "--write keeps all in one file, --spool-dir and --spool-size the newest: choose one"
    return None


def _wrong_filter(text: str) -> str | None:
    """Return what is wrong with a filter, None where nothing is."""
    # It takes some time to be imported: not each start needs it before all else.
    from sipstream.filters import Filter, FilterTextError
    from sipstream.render import pointer

    try:
        Filter.parse(text)
    except FilterTextError as error:
        return "\n".join([str(error), *pointer.lines(error.text, error.column, _WIDTH)])
    return None


def _size(text: str) -> int:
    """Return bytes of a size such as 500M or 2G; argparse tells the user of a ValueError."""
    match = re.fullmatch(r"(\d{1,9})([KMG]?)B?", text, re.ASCII | re.IGNORECASE)
    size = int(match[1]) << _UNITS[match[2].upper()] if match else 0
    if size < _LEAST_MEMORY:
        raise argparse.ArgumentTypeError(f"{text!r} is no size of 8M or more, such as 500M or 2G")
    return size


def _keep(text: str) -> tuple[str, int]:
    """Return what `--keep` limits, and the limit: an age in ns, or bytes."""
    if match := re.fullmatch(r"(\d{1,9})([smhd])", text, re.ASCII):
        return "age", max(int(match[1]), 1) * _SECONDS[match[2]] * 10**9
    if match := re.fullmatch(r"(\d{1,9})([KMG])B", text, re.ASCII | re.IGNORECASE):
        return "size", int(match[1]) << _UNITS[match[2].upper()]
    raise argparse.ArgumentTypeError(
        f"{text!r} is no time such as 30m or 2h, nor a size such as 500MB"
    )


def _address(text: str) -> tuple[str, int]:
    """Return address and port of `:9100`, `10.0.0.1:9100` or `[::1]:9100`; no name is looked up."""
    import ipaddress

    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    host = {"": LOOPBACK, "localhost": LOOPBACK}.get(host, host)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        colon = ""
    if not colon or not re.fullmatch(r"[1-9]\d{0,4}", port, re.ASCII) or int(port) > _LAST_PORT:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no address with a port, such as :9100, 10.0.0.1:9100 or [::1]:9100"
        )
    return host, int(port)


def _count(text: str) -> int:
    """Return a number of conversations."""
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of conversations")
    return int(text)
