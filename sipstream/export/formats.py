"""The formats that conversations are exported in: one table, from which help and completion are made.

To add one, write a module whose function takes what was selected and yields the file in pieces of bytes,
and enter it here. A piece is worked out in a millisecond or two: between two of them others have their
turn, and b"" is one that only says so. What can't be exported raises CommandError before the first byte;
what was written is counted in `Selected`. `due` tells that a turn is over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from sipstream.export.selected import Selected

Due: TypeAlias = Callable[[], bool]
Pieces: TypeAlias = "Callable[[Selected, Due], Iterator[bytes]]"


class Format(NamedTuple):
    """A format: its name, what it is, how the names of its files end, what makes it."""

    name: str
    about: str
    ending: str
    pieces: Pieces
    shared: bool = False
    """Made to be handed on: what tells of people is masked in it unless that is asked otherwise."""
    media: bool = False
    """It can hold RTP."""


def _pcap(selected: Selected, due: Due) -> Iterator[bytes]:
    from sipstream.export.packets import pieces

    return pieces(selected, due, pcapng=False)


def _pcapng(selected: Selected, due: Due) -> Iterator[bytes]:
    from sipstream.export.packets import pieces

    return pieces(selected, due, pcapng=True)


def _packets(selected: Selected, due: Due) -> Iterator[bytes]:
    from sipstream.export.packets import pieces

    return pieces(selected, due, pcapng=None)


def _text(selected: Selected, due: Due) -> Iterator[bytes]:
    from sipstream.export.text import pieces

    return pieces(selected, due)


def _ndjson(selected: Selected, due: Due) -> Iterator[bytes]:
    from sipstream.export.ndjson import pieces

    return pieces(selected, due)


def _csv(selected: Selected, due: Due) -> Iterator[bytes]:
    from sipstream.export.csv import pieces

    return pieces(selected, due)


def _markdown(selected: Selected, due: Due) -> Iterator[bytes]:
    from sipstream.export.markdown import pieces

    return pieces(selected, due)


def _mermaid(selected: Selected, due: Due) -> Iterator[bytes]:
    from sipstream.export.pictures import mermaid_pieces

    return mermaid_pieces(selected, due)


def _svg(selected: Selected, due: Due) -> Iterator[bytes]:
    from sipstream.export.pictures import svg_pieces

    return svg_pieces(selected, due)


def _html(selected: Selected, due: Due) -> Iterator[bytes]:
    from sipstream.export.html import pieces

    return pieces(selected, due)


FORMATS = {
    one.name: one
    for one in (
        Format("pcap", "the packets as they were captured, of one link type", ".pcap", _pcap,
               media=True),
        Format("pcapng", "the packets with interfaces and comments", ".pcapng", _pcapng, media=True),
        Format("text", "messages as tcpdump prints them with -A", ".txt", _text),
        Format("ndjson", "a line for each message, with headers and body", ".ndjson", _ndjson,
               shared=True),
        Format("csv", "a row for each conversation, for spreadsheets", ".csv", _csv, shared=True),
        Format("markdown", "what was found and a ladder, for tickets", ".md", _markdown, shared=True),
        Format("mermaid", "a ladder that GitHub and GitLab draw", ".mmd", _mermaid, shared=True),
        Format("svg", "a ladder as a picture", ".svg", _svg, shared=True),
        Format("html", "a report with ladder, findings and messages, in one file", ".html", _html,
               shared=True),
    )
}  # fmt: skip
"""By name; the modules are imported when they are used."""


ON_STDOUT = Format("pcap", "a pcap, or a pcapng where that can't hold the packets", "", _packets)


def of_file(path: PurePath) -> Format | None:
    """Return the format that a file's name ends in, None where it is none's."""
    return next((one for one in FORMATS.values() if path.name.endswith(one.ending)), None)
