"""The man page, in the mdoc language (mdoc(7)), made from options, commands, terms and pipes."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterable

from sipstream.filters import TERMS
from sipstream.manual.tables import contexts
from sipstream.options import agent, archive, parser
from sipstream.shell.pipes import PIPED, PIPES
from sipstream.version import __version__
from sipstream.wording import listed

_WIDTH = 72
"""Columns of a line of text, before what is special in it is spelt out."""
_SENTENCES = re.compile(r"(?<=[.!?]) (?=[A-Z])")
_DATE = "November 26, 2026"
"""When what stands here by itself was last changed."""
_DESCRIPTION = """\
finds the SIP messages of one customer in the flood: in captures (pcap, pcapng,
also packed by gzip), in text that tcpdump printed, and live.
It groups messages into conversations by their Call-ID, and filters choose among
these.
With a terminal it is a shell, in which
.Ic help
lists the commands; with
.Fl c
it runs commands, with
.Fl Fl follow
it prints matching messages as they come, and with
.Fl Fl write
it writes the packets of matching conversations.
"""
_WRITING = """\
With
.Fl Fl write
and without
.Fl Fl live
all files are read, in the order of their first packets, and the packets of
matching conversations are written by time: each as it was captured, with all
fragments and TCP segments that messages were joined of.
Of TLS and WebSocket the whole connection is written.
Where a message has no packet, as in text, one is made for it.
Packets of several link types, and the names of interfaces, take a file whose
name ends in
.Pa .pcapng .
Comments on packets and secrets of TLS are left out.
.Pp
The file is there whole or not at all; what was there under its name is replaced
in the end.
A
.Sq -
writes to standard output.
A capture without packets is written where nothing matches.
"""
_AGENT = """\
.Nm sipstream agent
captures on a SIP server without a terminal, keeps its own conversations within
.Fl Fl memory
and
.Fl Fl keep ,
and answers over NATS what shells ask that were started with
.Nm sipstream Fl Fl nats Ar URL .
It is a NATS service called
.Sq sipstream ,
which answers
.Ic find , conversation , stats
and
.Ic follow ,
and nothing else.
The filter goes to the agent: only what matches crosses the network.
.Pp
The SIP server comes first: the agent has a nice value of 10, is ended first when
memory runs out, and works on requests a quarter of the time at most while the
machine is busy.
It goes on without the NATS server, and is there again when that is.
What it has to say goes to standard error, a line each.
.Pp
The file of
.Fl Fl nats\\-creds
is read before root\\(aqs rights are given up; it has to be root\\(aqs or the
user\\(aqs, and nobody else may read it.
Credentials are sent over TLS, or to this machine.
A unit for systemd comes with it,
.Pa sipstream\\-agent@.service :
.Dl systemctl enable \\-\\-now sipstream\\-agent@eth0
.Pp
Its options are:
"""
_ARCHIVE = """\
.Nm sipstream archive
keeps messages in Parquet files in a folder, by hour and partition, a row a
message: of captures, or of what agents publish
.Pq Fl Fl bus .
DuckDB, ClickHouse and Spark read them, and
.Nm sipstream Pa archive://DIR
finds calls in them.
.Pp
Files become visible whole or not at all, and to archive again what is there
changes nothing.
Several may write to one archive at a time; those with
.Fl Fl bus
share what comes.
.Pp
Its options are:
"""
_STATUSES = (
    ("0", "All went well, also where nothing matched."),
    ("1", "A command failed, or a source or file."),
    ("2", "Bad usage."),
    ("3", "A source could be read in part only, or what is written lacks messages."),
    ("77", "--live may not capture."),
    ("128 + N", "Signal N ended it: 130 on Ctrl-C, 129 when the terminal is gone."),
)
_ENVIRONMENT = (
    ("SIPSTREAM_USER", "Who root becomes, where --user doesn't say."),
    ("NO_COLOR", "If it is set, nothing is coloured."),
    ("XDG_CONFIG_HOME", "Where settings, saved filters and aliases are kept."),
    ("XDG_STATE_HOME", "Where the history of the shell and reports of faults are kept."),
)
_EXAMPLES = (
    ("The calls of a number, in a shell:", "sipstream --live eth0 --filter 'dstnum 5660066'"),
    (
        "Its messages as they come, one object a line:",
        "sipstream --live any --json --follow 'dstnum 5660066'",
    ),
    (
        "Its packets out of many captures, by time:",
        "sipstream -q --filter 'dstnum 5660066' --write out.pcap ring*.pcap.gz",
    ),
    (
        "The same for another program:",
        "sipstream -q --filter 'status 5xx' --write - in.pcap | tshark -r -",
    ),
    (
        "On a SIP server, for shells elsewhere:",
        "sipstream agent --live eth0 --keep 2h --nats tls://bus:4222 --nats-creds agent.creds",
    ),
    ("Without any permission:", "tcpdump -U -w - port 5060 | sipstream -"),
)


def man_page() -> str:
    """Return the man page."""
    sections = (
        _head(),
        [".Sh DESCRIPTION", ".Nm", _DESCRIPTION.rstrip()],
        [".Pp", "The options are:", *_options(parser())],
        [".Sh WRITING PACKETS", _WRITING.rstrip()],
        [".Sh AGENT", _AGENT.rstrip(), *_options(agent.parser())],
        [".Sh ARCHIVE", _ARCHIVE.rstrip(), *_options(archive.parser())],
        [".Sh COMMANDS", "Words may be abbreviated as long as they are unique.", *_commands()],
        [".Sh FILTER TERMS", *_filters()],
        [".Sh ENVIRONMENT", *_list((f".It Ev {name}", about) for name, about in _ENVIRONMENT)],
        [".Sh EXIT STATUS", *_list((f'.It Li "{what}"', about) for what, about in _STATUSES)],
        [".Sh EXAMPLES", *_examples()],
        [".Sh SEE ALSO", *_see_also()],
    )
    return "\n".join(line for section in sections for line in section) + "\n"


def _head() -> list[str]:
    return [
        '.\\" Made by `python -m sipstream.manual` from options, commands and terms: change these.',
        f".Dd {_DATE}",
        ".Dt SIPSTREAM 1",
        f".Os sipstream {__version__}",
        ".Sh NAME",
        ".Nm sipstream",
        ".Nd find SIP messages in captures and live traffic",
        ".Sh SYNOPSIS",
        ".Nm",
        ".Op Ar option ...",
        ".Op Ar",
        ".Nm",
        ".Op Fl q",
        ".Op Fl Fl filter Ar EXPR",
        ".Fl Fl write Ar FILE.pcap",
        ".Ar",
        ".Nm",
        ".Cm agent",
        ".Fl Fl nats Ar URL",
        ".Fl Fl live Ar IFACE",
        ".Op Ar option ...",
        ".Nm",
        ".Cm archive",
        ".Op Ar option ...",
        ".Op Ar",
        ".Ar DIR",
    ]


def _options(of: argparse.ArgumentParser) -> list[str]:
    return _list((_option(action), action.help or "") for action in of._actions)


def _option(action: argparse.Action) -> str:
    """Return the line of an option, with its spellings and what stands for its value."""
    value = f" Ar {_word(str(action.metavar))}" if action.nargs != 0 else ""
    if not action.option_strings:
        return f".It{value}"
    names = (
        f"Fl Fl {name[2:]}" if name.startswith("--") else f"Fl {name[1:]}"
        for name in action.option_strings
    )
    return f".It {' , '.join(names)}{value}"


def _commands() -> list[str]:
    lines = []
    for context, commands in contexts().items():
        lines += [
            f".Ss Context {context}",
            *_list((_ic(one.syntax), one.summary) for one in commands),
        ]
    lines += [f".Ss Behind {listed(PIPED, 'and')}", "Their answers may be led through:"]
    return lines + _list((_ic(f"| {one.name}"), one.about) for one in PIPES.values())


def _filters() -> list[str]:
    lines = [
        "A filter chooses conversations.",
        "Terms are joined by",
        ".Ic and , or , not",
        "and parentheses; two terms side by side mean",
        ".Ic and ;",
        "several values of one term are alternatives.",
    ]
    return lines + _list((_ic(f"{term.name} {term.syntax}"), term.help) for term in TERMS.values())


def _examples() -> list[str]:
    lines: list[str] = []
    for what, command in _EXAMPLES:
        lines += [*([".Pp"] if lines else []), *_text(what), f".Dl {_word(command)}"]
    return lines


def _see_also() -> list[str]:
    return [".Xr tshark 1 ,", ".Xr pcap-filter 7 ,", ".Xr sngrep 8 ,", ".Xr tcpdump 8"]


def _list(items: Iterable[tuple[str, str]]) -> list[str]:
    """Return a list of items, each a line that begins it and a text."""
    rows = [line for head, about in items for line in (head, *_text(about))]
    return [".Bl -tag -width Ds", *rows, ".El"]


def _ic(text: str) -> str:
    """Return the line that begins an item with what is typed."""
    return f".It Ic {_word(text)}"


def _word(text: str) -> str:
    """Return a text as one argument of a macro, whatever is in it."""
    return '"' + _plain(text).replace('"', '""') + '"'


def _text(text: str) -> list[str]:
    """Return the lines of a text, each sentence on lines of its own, as mdoc wants it."""
    lines = [
        _plain(line)
        for sentence in _SENTENCES.split(text)
        for line in textwrap.wrap(sentence, _WIDTH, break_on_hyphens=False)
    ]
    # A line that began with one of these would be a request.
    return [f"\\&{line}" if line.startswith((".", "'")) else line for line in lines]


def _plain(text: str) -> str:
    """Return a text in which nothing but its characters is meant."""
    text = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    text = (
        text.replace("'", "\\(aq").replace("`", "\\(ga").replace("^", "\\(ha").replace("~", "\\(ti")
    )
    return "".join(one if ord(one) < 128 else f"\\[u{ord(one):04X}]" for one in text)
