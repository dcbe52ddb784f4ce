"""What may be asked of `sipstream agent`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from sipstream.limits import MAX_NODE
from sipstream.options import groups, hep
from sipstream.options.values import STDIN


@dataclass
class AgentOptions(groups.Sourced, groups.Kept, groups.Bus, groups.Published):
    """What was asked for of an agent."""


def parser() -> groups.Parser:
    """Return the parser of `sipstream agent`."""
    made = groups.Parser(
        prog="sipstream agent",
        description="Capture on a SIP server, and answer over NATS what shells (sipstream --nats) ask.",
        epilog="It runs until SIGTERM, says what happens on standard error, and answers nothing but"
        " find, conversation, stats and follow.",
    )
    add = made.add_argument
    add(
        "files",
        nargs="*",
        metavar="FILE",
        help="pcap, pcapng, .gz, tcpdump text; - is standard input",
    )
    groups.add_sources(add)
    add("--tap", metavar="NAME", help="what shells call this agent (default: the host's name)")
    groups.add_kept(add)
    groups.add_bus(add, "--nats", "the server to answer on, such as tls://bus.example.net:4222")
    groups.add_published(add)
    return made


def parse(arguments: Sequence[str]) -> AgentOptions:
    """Return what the arguments ask for; what can't be is told, and the program ends with 2."""
    made = parser()
    options = AgentOptions(**vars(made.parse_args(arguments)))
    wrong = _wrong(options)
    if wrong:
        made.error(wrong)
    return options


def _wrong(options: AgentOptions) -> str | None:
    """Return what doesn't fit together, None where all does."""
    from sipstream.bus.connecting import Server, wrong

    if options.nats is None:
        return "--nats URL is missing: the server to answer on, such as nats://127.0.0.1:4222"
    if not (options.files or options.live or options.tail or options.hep):
        return "an agent needs a source: --live IFACE, --tail FILE, --hep or a FILE"
    if "" in options.files or options.files.count(STDIN) > 1:
        return "a FILE has an empty name, or standard input is named twice"
    if options.tap is not None and not 0 < len(os.fsencode(options.tap)) <= MAX_NODE:
        return f"--tap NAME has 1 to {MAX_NODE} bytes"
    if not options.publish:
        given = (
            ("--publish-size", options.publish_size),
            ("--partitions", options.partitions),
            ("--stream-age", options.stream_age),
            ("--stream-size", options.stream_size),
            ("--stream-replicas", options.stream_replicas),
        )
        for name, value in given:
            if value is not None:
                return f"{name} says how messages are published: add --publish"
    return hep.wrong_in(options) or wrong(Server(options.nats, options.nats_creds, options.nats_ca))
