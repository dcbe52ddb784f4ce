"""What people and scripts see of one message: a light view, made when looked at, that reads on demand.

Texts are the traffic's own (bytes that are no UTF-8 as surrogate escapes); only escape.py makes them
fit for a terminal.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from sipstream.limits import COPY_WINDOW
from sipstream.sip import headers
from sipstream.sip.startline import is_request, kind_in, method_name
from sipstream.sip.uri import is_number, user_of
from sipstream.ways import CUT, TRANSPORTS

if TYPE_CHECKING:
    from sipstream.index import Index

_LENGTH = re.compile(r"\d{1,10}")
_COPY_REACH = 64
"""Messages looked back at for the one that a copy repeats."""


def party(value: str) -> str:
    """Return what lists show of a From or To value: its number, else the whole value."""
    user = user_of(value)
    return user if is_number(user) else value


class Sighting(NamedTuple):
    """A message as one tap saw it."""

    tap: str
    time: int
    """ns since the epoch, by the tap's clock unless clocks are corrected."""


class Message:
    """One SIP request or response."""

    def __init__(self, index: Index, number: int) -> None:
        self._index = index
        self.id = number
        """Its place in the index."""

    def __repr__(self) -> str:
        return f"<Message {self.id}: {self.start_line!r}>"

    @property
    def conversation(self) -> int:
        """The number of its conversation."""
        return self._index.m_conversation[self.id]

    @property
    def time(self) -> int:
        """When it was captured, ns since the epoch; by the first of several taps."""
        return self._index.time(self.id)

    @property
    def source(self) -> str:
        """Where it came from, `10.20.0.22.5060`."""
        return self._index.endpoints.text(self._index.ways.source[self._way])

    @property
    def destination(self) -> str:
        """Where it went, `10.11.12.13.5060`."""
        return self._index.endpoints.text(self._index.ways.destination[self._way])

    @property
    def source_address(self) -> str:
        """The source without its port."""
        return self._index.endpoints.address(self._index.ways.source[self._way])

    @property
    def destination_address(self) -> str:
        """The destination without its port."""
        return self._index.endpoints.address(self._index.ways.destination[self._way])

    @property
    def source_uri(self) -> str:
        """The source as URIs have it, `10.20.0.22:5060` or `[2001:db8::1]:5060`."""
        return self._index.endpoints.uri_text(self._index.ways.source[self._way])

    @property
    def destination_uri(self) -> str:
        """The destination as URIs have it."""
        return self._index.endpoints.uri_text(self._index.ways.destination[self._way])

    @property
    def origin(self) -> Index:
        """What its numbers count within."""
        return self._index

    @property
    def way(self) -> int:
        """The number of how it came (ways.py)."""
        return self._way

    @property
    def transport(self) -> str:
        """UDP, TCP, WS, SCTP, TLS or WSS."""
        return TRANSPORTS[self._index.ways.transport[self._way] & ~CUT]

    @property
    def tap(self) -> str:
        """The capture point's name; "" where the source names none."""
        return self._index.taps[self._index.ways.tap[self._way]]

    @property
    def is_of_network(self) -> bool:
        """A tap told of it, which others may have seen it beside."""
        return bool(self._index.ways.network[self._way])

    @property
    def sightings(self) -> list[Sighting]:
        """Which taps saw it, and when, in order of time; one where it is only known to one."""
        index = self._index
        seen = sorted((index.corrected(one), one.way) for one in index.seen(self.id))
        return [Sighting(index.taps[index.ways.tap[way]], time) for time, way in seen]

    @property
    def method(self) -> str | None:
        """A request's method, None for a response."""
        kind = self._kind
        return method_name(kind) if is_request(kind) else None

    @property
    def status(self) -> int | None:
        """A response's status code, None for a request."""
        kind = self._kind
        return None if is_request(kind) else kind

    @property
    def kind(self) -> int | str:
        """The status code of a response, the method of a request."""
        kind = self._kind
        return method_name(kind) if is_request(kind) else kind

    @cached_property
    def raw(self) -> bytes:
        """The message's bytes; b"" when its file has lost them."""
        return self._index.raw(self.id)

    @cached_property
    def _lines(self) -> bytes:
        """The message's bytes without a header line that the capture cut off: half a number is none."""
        if self.cut_off:
            return self.raw[: headers.lines_end(self.raw, 0, len(self.raw))]
        return self.raw

    @property
    def outer(self) -> str:
        """The tunnels it came in, or the HEP agent it came from; "" for none."""
        return self._index.endpoints.outers.text(self._index.ways.outer[self._way])

    @property
    def comment(self) -> str:
        """What the capture file says of its packet, in one line or several; "" for nothing."""
        return self._index.comments.get(self.id, "")

    @property
    def size(self) -> int:
        """Its bytes, as many as there were when it was captured."""
        return self._index.m_length[self.id]

    @property
    def start_line(self) -> str:
        """The first line."""
        return text_of(self.raw.partition(b"\n")[0].rstrip(b"\r"))

    @property
    def reason(self) -> str:
        """A response's reason phrase (RFC 3261 section 7.2), "" for a request."""
        if self.status is None:
            return ""
        parts = self.start_line.split(None, 2)
        return parts[2] if len(parts) > 2 else ""

    def header(self, name: str) -> str | None:
        """Return the first value of a header, any spelling of its name, None where it has none."""
        value = headers.first(self._lines, 0, len(self._lines), name)
        return None if value is None else text_of(value)

    def headers(self, name: str) -> list[str]:
        """Return the values of all header fields of a name, in their order, folds undone."""
        return [text_of(value) for value in headers.every(self._lines, 0, len(self._lines), name)]

    def headers_of(self, names: tuple[str, ...]) -> list[str]:
        """Return the values of all header fields of several names, in their order."""
        lines = self._lines
        return [text_of(value) for value in headers.every_of(lines, 0, len(lines), names)]

    @property
    def body(self) -> bytes:
        """What stands behind the headers."""
        return self.raw[headers.body_start(self.raw, 0, len(self.raw)) :]

    @property
    def cseq(self) -> str:
        """The CSeq header, "" where it has none."""
        return self.header("CSeq") or ""

    @property
    def src_num(self) -> str:
        """The From number, or the whole From value where there is none."""
        return party(self.header("From") or "")

    @property
    def dst_num(self) -> str:
        """The To number, or the whole To value where there is none."""
        return party(self.header("To") or "")

    @property
    def headline(self) -> str | None:
        """The line tcpdump printed above it, where it was loaded from such text."""
        index = self._index
        line = index.stores[index.m_store[self.id]].headline(index.m_offset[self.id])
        return None if line is None else text_of(line)

    @property
    def cut_off(self) -> bool:
        """Its packet wasn't captured whole, or the stream that it came in has a gap there."""
        return bool(self._index.ways.transport[self._way] & CUT)

    @property
    def cut(self) -> bool:
        """The capture holds less than the lengths of its datagram, its headers or its body say.

        Text has lost the CR of each line end, which is allowed for.
        """
        if self.cut_off:
            return True
        raw = self.raw
        body = headers.body_start(raw, 0, len(raw))
        if body == len(raw) and not raw.endswith((b"\r\n\r\n", b"\n\n")):
            return b"\r\n" in raw or not raw.endswith(b"\n")
        value = self.header("Content-Length")
        if value is None or not _LENGTH.fullmatch(value):
            return False
        content = raw[body:]
        return len(content) + (0 if b"\r\n" in raw else content.count(b"\n") + 1) < int(value)

    @cached_property
    def index(self) -> int:
        """Its place in its conversation, by time."""
        order, time = self._siblings, self._index.time
        place = bisect_left(order, time(self.id), key=time)
        return order.index(self.id, place)

    @property
    def copy_of(self) -> int | None:
        """The index of the same message seen shortly before at another capture point, or None.

        A retransmission isn't a copy: it comes at the earliest after timer T1 (RFC 3261 17.1.1.1).
        """
        index, me = self._index, self.id
        siblings = self._siblings
        place = self.index
        for other in range(place - 1, max(place - _COPY_REACH, 0) - 1, -1):
            earlier = siblings[other]
            if index.time(me) - index.time(earlier) > COPY_WINDOW:
                break
            if (
                index.m_length[earlier] == index.m_length[me]
                and index.m_code[earlier] == index.m_code[me]
                and index.ways.ends(index.m_way[earlier]) == index.ways.ends(index.m_way[me])
                and self.raw == index.raw(earlier)
            ):
                return other
        return None

    @property
    def _way(self) -> int:
        return self._index.m_way[self.id]

    @cached_property
    def _kind(self) -> int:
        return kind_in(self._index.m_code[self.id])

    @cached_property
    def _siblings(self) -> list[int]:
        return self._index.in_time_order(self.conversation)


def text_of(value: bytes) -> str:
    """Return bytes of traffic as text."""
    return value.decode("utf-8", "surrogateescape")
