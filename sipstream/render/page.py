"""Pieces of an HTML page: messages, findings, facts.

Text from traffic is escaped twice: what could deceive is spelt as on a terminal, what means something
in HTML is an entity. There are no attributes that hold such text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape as entities
from typing import TYPE_CHECKING

from sipstream.escape import beginning, escape, escape_lines
from sipstream.render import syntax, times
from sipstream.render.lists import shown_kind
from sipstream.render.message import CUT, LOST, comments, headline
from sipstream.render.svg import kind_class
from sipstream.sip.bodies import readable

if TYPE_CHECKING:
    from sipstream.findings import Finding
    from sipstream.views import Message

MOST_PROOFS = 12
"""Messages that a finding links to; the others are counted."""
_SENTENCE = 400
"""Cells of a finding's sentence: it quotes traffic."""
_FACT = 300
_CLASSES = {syntax.NAME: "hn", syntax.PARTY: "hp", syntax.MEDIA: "hm"}


def text(value: str, width: int = _FACT) -> str:
    """Return text from traffic as a page has it in a line."""
    return entities(beginning(value, width))


def facts(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield a list of facts."""
    yield "<dl>"
    for name, value in rows:
        yield f"<dt>{text(name)}</dt><dd>{text(value)}</dd>"
    yield "</dl>"


def findings(found: Sequence[Finding], messages: Sequence[Message], part: int) -> Iterator[str]:
    """Yield what was found of a conversation, each with links to the messages that prove it."""
    if not found:
        yield '<p class="dim">Nothing is found wrong.</p>'
        return
    yield '<ul class="findings">'
    for one in found:
        word = one.severity.word
        yield f'<li class="{word}"><p><span class="word">{word}: {text(one.name)}</span> '
        yield f'<span class="dim">{text(one.source)}</span></p>'
        yield f"<p>{text(one.sentence, _SENTENCE)}</p>"
        links = [
            f'<a href="#{identity(part, place)}">[{place}] {entities(shown_kind(messages[place]))}</a>'
            for place in one.evidence[:MOST_PROOFS]
            if place < len(messages)
        ]
        more = len(one.evidence) - MOST_PROOFS
        rest = f'<span class="dim">and {more} more</span>' if more > 0 else ""
        yield f'<p class="proof mono">{" ".join(links)} {rest}</p></li>'
    yield "</ul>"


def message(one: Message, part: int, *, proves: Sequence[str] = (), is_open: bool = False) -> str:
    """Return a message, folded up under its line; `proves` are the findings that it is a proof of."""
    kind = kind_class(one.kind)
    way = f"{escape(one.source_uri)} \N{RIGHTWARDS ARROW} {escape(one.destination_uri)}"
    tags = [f"proves {name}" for name in proves]
    original = one.copy_of
    if original is not None:
        tags.append(f"copy of {original}")
    shown = "".join(f'<span class="tag">{entities(tag)}</span>' for tag in tags)
    return (
        f'<details class="m" id="{identity(part, one.index)}"{" open" if is_open else ""}><summary>'
        f'<span class="dim">[{one.index}]</span><time>{times.clock(one.time)}</time>'
        f'<b class="{kind}">{entities(shown_kind(one))}</b><span class="dim">{entities(way)}</span>'
        f"{shown}</summary><pre>{_whole(one)}</pre></details>"
    )


def identity(part: int, place: int) -> str:
    """Return the id that a message has in a page."""
    return f"c{part}m{place}"


def _whole(one: Message) -> str:
    """Return a message's text in colours, as a terminal shows it."""
    first = "\n".join([headline(one), *comments(one)])
    above = f'<span class="dim">{entities(first)}</span>\n'
    if not one.raw:
        return f'{above}<span class="dim">{LOST}</span>'
    start, newline, rest = escape_lines(readable(one.raw)).rstrip("\n").partition("\n")
    body = "\n".join("".join(map(_piece, line)) for line in syntax.lines(rest)) if newline else ""
    end = f'\n<span class="dim">{CUT}</span>' if one.cut else ""
    return f'{above}<b class="{kind_class(one.kind)}">{entities(start)}</b>{newline}{body}{end}'


def _piece(piece: tuple[str, str]) -> str:
    what, shown = piece
    return f'<span class="{_CLASSES[what]}">{entities(shown)}</span>' if what else entities(shown)
