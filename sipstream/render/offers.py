"""Offers and answers side by side, each stream with what was agreed on it (RFC 3264)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from sipstream.escape import cells, cut, escape
from sipstream.render.colours import PLAIN, Paint
from sipstream.render.lists import shown_kind
from sipstream.sip import offers
from sipstream.sip.offers import Agreed, Exchange, Said
from sipstream.sip.sdp import DIRECTIONS, Media

if TYPE_CHECKING:
    from sipstream.views import Message

_BETWEEN = " | "
_INDENT = "  "
_LEAST = 16
"""Cells of a side on the narrowest terminal."""
_WAYS = {
    "sendrecv": "media both ways",
    "sendonly": "media from offer to answer only",
    "recvonly": "media from answer to offer only",
    "inactive": "no media",
}
_OUTCOMES = {
    offers.REFUSED: "refused by the answer (port 0)",
    offers.OFF: "not wanted by the offer (port 0)",
    offers.UNANSWERED: "the answer says nothing of this stream",
}
_USUAL = "RTP/AVP"


def lines(
    exchange: Exchange, messages: Sequence[Message], width: int | None, paint: Paint = PLAIN
) -> Iterator[str]:
    """Yield an exchange: who offers and answers, then each stream of both with what came of it.

    `messages` are those of the conversation; nothing is cut where `width` is None.
    """
    offer, answer = exchange.offer, exchange.answer
    left = [_title(offer, messages)]
    right = [_title(answer, messages) if answer else _unanswered(exchange, messages)]
    others = answer.session.media if answer else ()
    streams = list(zip_longest(offer.session.media, others))
    blocks = [(_side(mine), _side(theirs)) for mine, theirs in streams]
    room, other_room = _rooms([*left, *(text for mine, _ in blocks for text in mine)], width)
    yield _row(left[0], right[0], room, other_room, paint.strong)
    for place, (mine, theirs) in enumerate(blocks):
        for text, other in zip_longest(mine, theirs, fillvalue=""):
            yield _row(_INDENT + text, _INDENT + other, room, other_room)
        if place < len(exchange.agreed):
            agreed = exchange.agreed[place]
            told = f"{_INDENT}= {sentence(agreed)}"
            told = told if width is None else cut(told, width)
            yield paint.status(told, 200 if agreed.outcome == offers.AGREED else 400)
        elif answer is not None:
            yield f"{_INDENT}= not offered"


def sentence(agreed: Agreed) -> str:
    """Return what became of a stream, in words."""
    if agreed.outcome in _OUTCOMES:
        return _OUTCOMES[agreed.outcome]
    codecs = escape(", ".join(agreed.codecs))
    if agreed.outcome == offers.NO_CODEC:
        return offers.NO_CODEC + (f", {codecs} only" if codecs else "")
    held = " and ".join(f"the {side}" for side in agreed.held_by)
    return f"agreed: {codecs}; {_WAYS[agreed.direction]}" + (f"; on hold by {held}" if held else "")


def as_object(exchange: Exchange, call_id: str) -> dict[str, object]:
    """Return an exchange as an object, for `--json`."""
    return {
        "call_id": call_id,
        "offer": _said(exchange.offer),
        "answer": _said(exchange.answer) if exchange.answer else None,
        "refused": exchange.refused,
        "agreed": [
            {
                "outcome": one.outcome,
                "codecs": one.codecs,
                "direction": one.direction,
                "held_by": one.held_by,
            }
            for one in exchange.agreed
        ],
    }


def _said(said: Said) -> dict[str, object]:
    media = [
        {
            "kind": one.kind,
            "protocol": one.protocol,
            "address": one.address,
            "port": one.port,
            "direction": one.direction,
            "codecs": one.codecs,
        }
        for one in said.session.media
    ]
    return {
        "index": said.place,
        "kind": said.kind,
        "source": said.source,
        "destination": said.destination,
        "media": media,
    }


def _title(said: Said, messages: Sequence[Message]) -> str:
    return f"[{said.place}] {shown_kind(messages[said.place])}  {escape(said.source)}"


def _unanswered(exchange: Exchange, messages: Sequence[Message]) -> str:
    if exchange.refusal is None:
        return "no answer seen"
    return f"[{exchange.refusal}] {shown_kind(messages[exchange.refusal])}: refused"


def _side(media: Media | None) -> list[str]:
    """Return the lines of a stream's description."""
    if media is None:
        return []
    where = f"{f'[{media.address}]' if ':' in media.address else media.address}:{media.port}"
    protocol = "" if media.protocol == _USUAL else f" {media.protocol}"
    way = "" if media.direction == DIRECTIONS[0] else f" {media.direction}"
    return [
        escape(f"{media.kind}{protocol} {where}{way}"),
        f"{_INDENT}{escape(', '.join(media.codecs))}",
    ]


def _rooms(texts: list[str], width: int | None) -> tuple[int, int | None]:
    """Return the cells of the left side and of the right one, None where that ends by itself."""
    wanted = max(map(cells, texts)) + len(_INDENT)
    if width is None:
        return wanted, None
    half = max((width - len(_BETWEEN)) // 2, _LEAST)
    left = min(wanted, half)
    return left, max(width - left - len(_BETWEEN), _LEAST)


def _row(
    left: str,
    right: str,
    room: int,
    other_room: int | None,
    around: Callable[[str], str] = str,
) -> str:
    """Return a line of both sides."""
    left = cut(left, room)
    right = right.rstrip() if other_room is None else cut(right.rstrip(), other_room)
    fill = " " * (room - cells(left))
    return f"{around(left)}{fill}{_BETWEEN}{around(right)}".rstrip()
