"""The format NDJSON: a line for each message, with its conversation, all its headers and its body."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from sipstream.render import objects
from sipstream.sip import headers

if TYPE_CHECKING:
    from sipstream.export.selected import Selected
    from sipstream.views import Conversation, Message

_BLOCK = 1 << 16
"""Characters given out together."""


def pieces(selected: Selected, due: Callable[[], bool]) -> Iterator[bytes]:
    """Yield lines of JSON in printable ASCII; bytes that are no UTF-8 are lone surrogates in them."""
    block: list[str] = []
    size = 0
    for place, one in selected.placed():
        for message in one.messages:
            block.append(objects.dumps(_object(place, one, message)) + "\n")
            size += len(block[-1])
            if size >= _BLOCK or due():
                yield "".join(block).encode("ascii")
                block.clear()
                size = 0
    yield "".join(block).encode("ascii")


def _object(place: int, one: Conversation, message: Message) -> dict[str, object]:
    """Return a message as an object; `conversation` is its conversation's index in the list."""
    raw = message.raw
    end = headers.body_start(raw, 0, len(raw))
    found = {
        **objects.message(message, one.call_id),
        "conversation": place,
        "state": one.state,
        "src_num": message.src_num,
        "dst_num": message.dst_num,
        "time_ns": message.time,
        "tap": message.tap,
        "start_line": message.start_line,
        "headers": [[_text(name), _text(value)] for name, value in headers.fields(raw, 0, end)],
        "body": _text(raw[end:]),
    }
    # The types and sizes of bodies stand in the headers, and in the body itself.
    found.pop("bodies", None)
    return found


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
