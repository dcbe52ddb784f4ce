"""Conversations and messages as JSON objects, for `--json`.

Values are the traffic's own, not escaped for a terminal: JSON escapes what it must, and bytes that
are no UTF-8 stand as lone surrogates (`\\udc80` to `\\udcff`). Key order is part of the format.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sipstream.render import sighted, times
from sipstream.sip.bodies import bodies, is_text, readable
from sipstream.titles import title

if TYPE_CHECKING:
    from sipstream.ladder import Arrow, Column
    from sipstream.views import Conversation, Message


def conversation(place: int, view: Conversation) -> dict[str, object]:
    """Return a conversation as an object; `place` is its index in the list it is shown in.

    `left_out` is there only where messages were given up, because it has so many.
    """
    first = view.first
    found: dict[str, object] = {
        "call_id": view.call_id,
        "index": place,
        "time": times.iso(first.time),
        "method": title(first),
        "src_num": view.src_num,
        "dst_num": view.dst_num,
        "source": first.source_uri,
        "destination": first.destination_uri,
        "messages": view.count,
        "state": view.state,
    }
    if view.left_out:
        found["left_out"] = view.left_out
    return found


def listed(place: int, view: Conversation, *, with_findings: bool) -> dict[str, Any]:
    """Return a conversation as an object, with all that the columns of a table tell.

    `last_status` is None while no response came, `duration` in seconds; `findings` are the names of
    what is found wrong, the worst first, where that is asked for.
    """
    found = {
        **conversation(place, view),
        "last_status": view.last_status,
        "duration": view.duration / 1_000_000_000,
    }
    if with_findings:
        from sipstream.findings.known import known, rules

        found["findings"] = [rule.name for rule in rules(known(view.origin).of(view.id))]
    return found


def message(view: Message, call_id: str) -> dict[str, object]:
    """Return a message as an object.

    `sightings` are those of taps that told of it, `outer` and `comment` are there only if it has one,
    `copy_of` in a copy, `cut` where the capture
    lacks its end, `bodies` where there are several or one that isn't text.
    """
    response = view.status is not None
    found: dict[str, object] = {
        "call_id": call_id,
        "index": view.index,
        "time": times.iso(view.time),
        "source": view.source_uri,
        "destination": view.destination_uri,
        "transport": view.transport,
        "method": None if response else title(view),
        "status": view.status,
        "reason": view.reason if response else None,
        "cseq": view.cseq,
    }
    if view.outer:
        found["outer"] = view.outer
    if view.comment:
        found["comment"] = view.comment
    if view.is_of_network:
        found["sightings"] = sighted.as_objects(view.sightings)
    original = view.copy_of
    if original is not None:
        found["copy_of"] = original
    if view.cut:
        found["cut"] = True
    parts = bodies(view.raw)
    if len(parts) > 1 or not all(is_text(view.raw, part) for part in parts):
        found["bodies"] = [
            {"type": part.type, "encoding": part.encoding, "bytes": part.end - part.start}
            for part in parts
        ]
    return found


def whole(view: Message, call_id: str) -> dict[str, object]:
    """Return a message as an object with its `text`, what isn't text in it told by type and size."""
    text = readable(view.raw).decode("utf-8", "surrogateescape")
    return message(view, call_id) | {"text": text}


def arrow(one: Arrow, call_id: str, columns: Sequence[Column]) -> dict[str, object]:
    """Return an arrow of a ladder as an object; `delta` and `span` in seconds.

    `index` is that of its first message, `messages` are all that were folded into it.
    """
    return {
        "call_id": call_id,
        "leg": one.leg,
        "index": one.messages[0],
        "messages": list(one.messages),
        "time": times.iso(one.time),
        "delta": one.delta / 1_000_000_000,
        "source": one.source_endpoint,
        "destination": one.target_endpoint,
        "source_name": columns[one.source].shown,
        "destination_name": columns[one.target].shown,
        "transport": one.transport,
        "label": one.label,
        "answers": one.answers or None,
        "sendings": one.sendings,
        "span": one.span / 1_000_000_000,
        "copies": one.copies,
        "media": one.media or None,
        "cut": one.cut,
        **({"sightings": sighted.as_objects(one.sightings)} if one.sightings else {}),
    }


def dumps(value: object) -> str:
    """Return an object, or one of its values, as one line of printable ASCII."""
    return json.dumps(value, ensure_ascii=True)


_SOMETIMES = {
    # a key that every object of its kind has: those that only some have
    "legs": (),
    "src_num": ("left_out", "findings"),
    "cseq": ("outer", "comment", "sightings", "copy_of", "cut", "bodies"),
    "with_messages": ("about",),
    "follow": ("calls",),
}


def columns(first: Mapping[str, object]) -> list[str]:
    """Return the names of the columns of a table of objects of which this is one.

    They are the same for every table of the kind, in the order of the keys.
    """
    sometimes = next((keys for key, keys in _SOMETIMES.items() if key in first), ())
    return [*(key for key in first if key not in sometimes), *sometimes]
