"""What of the options doesn't fit together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipstream.options import hep
from sipstream.options.values import STDIN

if TYPE_CHECKING:
    from sipstream.options import Options

_WIDTH = 80
"""Columns of a line that shows where a filter is wrong."""


def wrong(options: Options) -> str | None:
    """Return what doesn't fit together, None where all does."""
    if options.write is not None:
        found = _wrong_write(options)
        if found:
            return found
    elif options.format is not None:
        return "--format says how --write writes: add --write FILE"
    found = _wrong_ring(options)
    if found:
        return found
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
    if options.follow is not None and not options.has_source:
        return "--follow needs a source: a FILE, --tail, --live, --hep, --nats or --bus"
    found = _wrong_servers(options)
    if found:
        return found
    if "" in options.files:
        return "a FILE has an empty name"
    if options.files.count(STDIN) > 1:
        return "standard input can be read once"
    found = hep.wrong(options)
    if found:
        return found
    if any(one.append is None and one.run is None for one in options.triggers):
        return "--on needs to know what to do: put --append FILE or --run CMD behind it"
    wanted = [("--on", one.expression) for one in options.triggers]
    for option, text in (("--filter", options.filter), ("--follow", options.follow), *wanted):
        if text is not None and (text or option != "--follow"):
            found = wrong_filter(text)
            if found:
                return f"{option}: {found}"
    return None


def _wrong_servers(options: Options) -> str | None:
    """Return what doesn't fit together of NATS servers, None where all does."""
    if options.since is not None and options.bus is None:
        return "--since says where --bus begins: add --bus URL"
    if not (options.nats or options.bus):
        if options.nats_creds or options.nats_ca:
            return (
                "--nats-creds and --nats-ca say how a NATS server is reached: add --nats or --bus"
            )
        return None
    from sipstream.bus.connecting import Server, wrong

    for name, url in (("--nats", options.nats), ("--bus", options.bus)):
        found = url and wrong(Server(url, options.nats_creds, options.nats_ca))
        if found:
            return f"{name}: {found}"
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
    if not options.live and options.bus:
        return "--write reads files to their end, --bus goes on: export writes what came of it"
    if not options.live and not options.files:
        return "--write needs what is to be written: a FILE, or --live IFACE"
    if not options.live and (options.commands or options.follow is not None):
        return "--write of files stands alone: leave out -c and --follow"
    if options.live and str(options.write) == STDIN:
        return "--write - is for files: name a FILE.pcap for what --live captures"
    if options.spool_dir or (options.live and options.spool_size):
        return "--write keeps all in one file, --spool-dir and --spool-size the newest: choose one"
    return None


def _wrong_ring(options: Options) -> str | None:
    """Return what doesn't fit together with --write-ring, None where all does."""
    if options.write_ring is None:
        if options.ring_size is not None or options.ring_time is not None:
            return "--ring-size and --ring-time are of a ring: add --write-ring DIR"
        return None
    if not options.live:
        return "--write-ring keeps what --live captures: add --live IFACE"
    if options.ring_size is None:
        return "--write-ring needs to know how much it may take: add --ring-size, such as 10GB"
    if options.write is not None:
        return "--write keeps all in one file, --write-ring the newest: choose one"
    if options.spool_dir is not None:
        return "--spool-dir and --write-ring keep the same packets: choose one"
    return None


def wrong_filter(text: str) -> str | None:
    """Return what is wrong with a filter, None where nothing is."""
    # It takes some time to be imported: not each start needs it before all else.
    from sipstream.filters import Filter, FilterTextError
    from sipstream.render import pointer

    try:
        Filter.parse(text)
    except FilterTextError as error:
        return "\n".join([str(error), *pointer.lines(error.text, error.column, _WIDTH)])
    return None
