"""The format html: a report of a call or of conversations in one file, to be handed on.

Ladders, findings with links to what proves them, messages, a search. It asks for nothing from
anywhere: style and script stand within it, and its Content-Security-Policy allows these two by their
digests and nothing else, whatever traffic says.
"""

from __future__ import annotations

from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from importlib.resources import files
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from sipstream.export.legs import MASKED, Laddered, leg_name, of_all
from sipstream.findings import diagnose
from sipstream.render import page, svg, times
from sipstream.render.facts import Facts
from sipstream.render.lists import users
from sipstream.version import __version__

if TYPE_CHECKING:
    from sipstream.export.selected import Selected
    from sipstream.findings import Finding
    from sipstream.ladder import Arrow, Leg
    from sipstream.views import Conversation, Message

MOST_CONVERSATIONS = 300
"""Conversations of one report: a reader who gets more has to look for what matters."""
MOST_MESSAGES = 10_000
"""Messages of one report: browsers get slow with more."""
MOST_BYTES = 32 << 20
"""Bytes of their texts, the same."""
_LINKED = 64
"""Sendings of a message that its arrow stands for when one searches."""


class _Part(NamedTuple):
    """A conversation of the report."""

    number: int
    name: str
    """A letter for a leg of a call, else the index in the list that was shown."""
    one: Conversation
    found: list[Finding]


class _Room:
    """What may still be written."""

    def __init__(self) -> None:
        self.messages, self.bytes = MOST_MESSAGES, MOST_BYTES
        self.left_out = 0

    def takes(self, message: Message) -> bool:
        """Tell whether there is room for a message, and use it up."""
        size = len(message.raw)
        if self.messages < 1 or self.bytes < size:
            self.left_out += 1
            return False
        self.messages -= 1
        self.bytes -= size
        return True


def pieces(selected: Selected, due: Callable[[], bool]) -> Iterator[bytes]:
    """Yield the report."""
    parts: list[_Part] = []
    for place, one in islice(selected.placed(), MOST_CONVERSATIONS):
        name = leg_name(len(parts)) if selected.is_call else f"[{place}]"
        parts.append(_Part(len(parts), name, one, diagnose(one)))
        if due():
            yield b""
    beyond = len(selected.numbers) - MOST_CONVERSATIONS
    if beyond > 0:
        selected.missing.append(f"{beyond} conversations have no room in one report")
    for text in _document(selected, parts, due):
        yield text.encode("utf-8") + b"\n" if text else b""


def _document(selected: Selected, parts: list[_Part], due: Callable[[], bool]) -> Iterator[str]:
    """Yield lines of the document, "" where a turn is over."""
    yield from _head(_title(selected, parts))
    if selected.missing:
        yield f'<p class="told">{page.text("; ".join(selected.missing))}.</p>'
    yield from _tools()
    if len(parts) > 1:
        yield from _list(parts)
    if selected.is_call and len(parts) > 1:
        yield from _call(selected, parts, due)
    room = _Room()
    for part in parts:
        yield from _conversation(selected, part, room, due, alone=len(parts) == 1)
    if not parts:
        yield '<p class="dim">No conversations.</p>'
    if room.left_out:
        selected.missing.append(f"{room.left_out} messages have no room in one report")
    yield from _foot(selected, parts)
    yield f"<script>{_resource('report.js')}</script>"
    yield "</body></html>"


def _head(title: str) -> Iterator[str]:
    style, script = _style(), _resource("report.js")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}';"
        " img-src data:; base-uri 'none'; form-action 'none'"
    )
    yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield '<meta name="referrer" content="no-referrer"><meta name="color-scheme" content="light dark">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    # A browser asks whom it got the page from for an icon otherwise.
    yield '<link rel="icon" href="data:,">'
    yield f"<title>{title}</title><style>{style}</style></head><body>"
    yield f"<h1>{title}</h1>"


def _title(selected: Selected, parts: list[_Part]) -> str:
    """Return what the report is about, fit for a page."""
    if not parts:
        return "Report of no conversation"
    first = parts[0].one
    numbers = " \N{RIGHTWARDS ARROW} ".join(users(first))
    if len(parts) == 1:
        return page.text(f"{first.first.kind} {numbers}")
    if selected.is_call:
        return page.text(f"Call {numbers} in {len(parts)} legs")
    return f"{len(parts)} conversations"


def _tools() -> Iterator[str]:
    yield '<div id="tools" hidden><input id="search" type="search" aria-label="Search in messages"'
    yield ' placeholder="Search in messages"><span id="found" role="status"></span>'
    yield '<button id="all" type="button">Open or close all</button></div>'


def _foot(selected: Selected, parts: Sequence[_Part]) -> Iterator[str]:
    yield f'<p class="foot dim">Made by sipstream {__version__}.'
    if parts:
        yield f" Times are those of the zone {times.iso(parts[0].one.time)[-6:]}."
    if selected.redactor is not None:
        yield f" {MASKED}"
    yield "</p>"


def _list(parts: Sequence[_Part]) -> Iterator[str]:
    """Yield the table of the conversations."""
    yield '<table class="list"><thead><tr><th>#</th><th>time</th><th>numbers</th><th>state</th>'
    yield "<th>messages</th><th>findings</th></tr></thead><tbody>"
    for part in parts:
        one = part.one
        worst = part.found[0] if part.found else None
        found = page.text(worst.name) if worst is not None else ""
        more = f" and {len(part.found) - 1} more" if len(part.found) > 1 else ""
        yield (
            f'<tr><td><a href="#c{part.number}">{part.name}</a></td>'
            f"<td>{times.clock(one.time)}</td><td>{_numbers(one)}</td><td>{page.text(one.state)}</td>"
            f"<td>{one.count}</td><td>{found}{more}</td></tr>"
        )
    yield "</tbody></table>"


def _call(selected: Selected, parts: list[_Part], due: Callable[[], bool]) -> Iterator[str]:
    """Yield the ladder of all legs."""
    yield "<h3>The call</h3>"
    laddered = Laddered(selected.name_of, svg.MOST_ARROWS, due)
    for _ in of_all((part.one for part in parts), laddered, due):
        yield ""
    yield from _picture(laddered, {part.one.id: part for part in parts})
    if selected.joined_by:
        yield f'<p class="dim">One call by: {page.text("; ".join(selected.joined_by))}.</p>'


def _conversation(
    selected: Selected, part: _Part, room: _Room, due: Callable[[], bool], *, alone: bool
) -> Iterator[str]:
    one = part.one
    yield f'<section class="conversation" id="c{part.number}">'
    if not alone:
        yield f"<h2>{part.name} {_numbers(one)}</h2>"
    if one.left_out:
        told = f"{one.left_out} messages behind the first ones are given up"
        yield f'<p class="told">{told}.</p>'
    messages = one.messages
    gathered = Facts(one)
    for message in messages:
        gathered.add(message)
        if due():
            yield ""
    yield "<h3>Findings</h3>"
    yield from page.findings(part.found, messages, part.number)
    yield "<h3>Figures</h3>"
    yield from page.facts(gathered.rows())
    if not (selected.is_call and not alone):
        yield "<h3>Ladder</h3>"
        laddered = Laddered(selected.name_of, svg.MOST_ARROWS, due)
        for _ in laddered.steps(messages):
            yield ""
        yield from _picture(laddered, {one.id: part})
    yield "<h3>Messages</h3>"
    yield from _messages(part, messages, room, due)
    yield "</section>"


def _picture(laddered: Laddered, parts: dict[int, _Part]) -> Iterator[str]:
    """Yield a ladder whose arrows lead to their messages."""
    ladder = laddered.ladder

    def part_of(leg: Leg) -> _Part:
        return parts[leg.conversation]

    def ids(arrow: Arrow) -> list[str]:
        number = part_of(ladder.legs[arrow.leg]).number
        return [page.identity(number, place) for place in arrow.messages[:_LINKED]]

    names = [part_of(leg).name for leg in ladder.legs] if len(ladder.legs) > 1 else ()
    yield '<div class="picture">'
    yield from svg.picture(ladder, names=names, ids=ids, left_out=laddered.left_out)
    yield "</div>"


def _messages(
    part: _Part, messages: list[Message], room: _Room, due: Callable[[], bool]
) -> Iterator[str]:
    proves: defaultdict[int, list[str]] = defaultdict(list)
    opened: set[int] = set()
    for finding in part.found:
        # The first message that proves it is unfolded from the beginning.
        opened.update(finding.evidence[:1])
        for place in finding.evidence:
            proves[place].append(finding.name)
    left_out = 0
    for message in messages:
        if not room.takes(message):
            left_out += 1
            continue
        place = message.index
        yield page.message(
            message, part.number, proves=proves.get(place, ()), is_open=place in opened
        )
        if due():
            yield ""
    if left_out:
        yield f'<p class="told">{left_out} more messages have no room in this report.</p>'


def _numbers(one: Conversation) -> str:
    return page.text(" \N{RIGHTWARDS ARROW} ".join(users(one)))


def _style() -> str:
    return _resource("report.css") + svg.style("svg.ladder ")


def _resource(name: str) -> str:
    return (files("sipstream.export") / name).read_text("utf-8")


def _digest(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode("utf-8")).digest()).decode("ascii")
