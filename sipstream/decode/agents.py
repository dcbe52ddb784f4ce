"""What capture agents send, opened: whose messages HEP packets bring, from where to where. Sans-IO.

Packets of one agent and way differ in their time and payload only, and hardly take longer than a
datagram once one like them was read chunk by chunk.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from sipstream import reasons
from sipstream.decode import hep
from sipstream.decode.endpoints import Flow, Flows, key_of
from sipstream.limits import ENVELOPE_HEADS
from sipstream.sip.startline import NOT_SIP, kind_of

if TYPE_CHECKING:
    from sipstream.decode.streams import Datagram

_SECONDS = struct.pack("!HHH", 0, hep.SECONDS, 10)
_TIMES = struct.Struct("!6xI6xI")
"""Two chunks in a row: seconds, and microseconds."""
_MICROSECONDS = struct.pack("!HHH", 0, hep.MICROSECONDS, 10)
_PRECISE = struct.pack("!HH", hep.VENDOR, hep.PRECISE)
_PAYLOAD = struct.pack("!HH", 0, hep.PAYLOAD)
_HEAD = 6
"""Bytes before the first chunk, and of a chunk before its value."""
_ZLIB_OR_GZIP = 47
_LONGEST_PAYLOAD = 0xFFFF
"""Bytes that a compressed payload may have: no datagram has more."""
_LONGEST_HEAD = 1024
"""Bytes beside times and payload of packets that are remembered."""
_KINDS = {
    2: "XMPP", 3: "SDP", 4: "RTP", 5: "RTCP", 6: "MGCP", 7: "MEGACO", 8: "M2UA", 9: "M3UA",
    10: "IAX", 11: "H.323", 34: "RTP reports", 35: "RTP reports", 53: "DNS", 99: "reports", 100: "logs",
}  # fmt: skip
"""Protocol types as agents number them."""


_Key: TypeAlias = tuple[bytes, bytes, bytes, bytes]
"""What packets that look alike have in common, and between whom they came."""


class Opened(NamedTuple):
    """A packet's payload: data[start:end], when it was sent by whom to whom."""

    time: int
    """ns since the epoch; 0 where the agent doesn't say."""
    flow: Flow
    data: bytes
    start: int
    end: int

    def datagram(self, time: int, base: int) -> Datagram:
        """Return it as one that came at a time, unless the agent says when; data[0] lies at `base`."""
        begun, flow, data, start, end = self
        return begun or time, flow, data, start, end, base + start if base >= 0 else -1, 1


class _Parts(NamedTuple):
    """What packets that look alike have in common, and what is a packet's own."""

    common: tuple[bytes, bytes, bytes]
    """What stands before the times, between them and the payload, and behind the payload."""
    time: int
    start: int
    end: int


class Agents:
    """Opens HEP packets, those that look like one before in a quick way."""

    def __init__(self, flows: Flows) -> None:
        self._flows = flows
        self._known: dict[_Key, Flow] = {}
        self._says: dict[_Key, bytes] = {}
        """What those of them say that name what belongs together."""
        self.correlations: list[tuple[int, Flow, bytes]] = []
        """What packets say belongs together, with their times; who asks for it clears the list."""

    def known(self, ends: bytes, data: bytes, start: int, end: int) -> Opened | None:
        """Open a whole packet of version 3; None where none like it was opened before.

        `ends` are the addresses and ports between which it came, as they stand in an IPv4 packet.
        Raises nothing, whatever the packet holds.
        """
        parts = _parts(data, start, end)
        if parts is None:
            return None
        key = ends, *parts.common
        flow = self._known.get(key)
        if flow is None:
            return None
        if self._says and key in self._says:
            self.correlations.append((parts.time, flow, self._says[key]))
        return Opened(parts.time, flow, data, parts.start, parts.end)

    def open(self, outer: Flow, data: bytes, start: int, end: int, cut: bool) -> Opened | str:
        """Open a packet that came by a flow, or return why there is no message in it.

        `cut`: the capture lacks its end.
        """
        ends = b"" if cut else _ends(outer)
        known = self.known(ends, data, start, end) if ends else None
        if known is not None:
            return known
        captured = hep.parse(data, start, end, cut)
        if captured is None:
            return reasons.CUT if cut else reasons.BAD_HEP
        if outer.source_key in self._flows.outers.own:
            return reasons.OWN_HEP
        first, last, plain = captured.start, captured.end, data
        if captured.packed:
            unpacked = _inflated(data[first:last])
            if unpacked is None:
                return reasons.PACKED_HEP
            plain, first, last = unpacked, 0, len(unpacked)
        if captured.kind != hep.SIP and kind_of(plain, first, last) == NOT_SIP:
            # What an agent calls something else is looked at all the same.
            return f"{reasons.OTHER_HEP}: {_KINDS.get(captured.kind, f'type {captured.kind}')}"
        flow = self._flow(captured, outer)
        if captured.cut or (cut and captured.end == end):
            flow = self._flows.cut(flow)
        if captured.correlation:
            self.correlations.append((captured.time, flow, captured.correlation))
        if ends and not captured.packed and captured.kind == hep.SIP:
            self._remember(ends, data, start, end, captured, flow)
        return Opened(captured.time, flow, plain, first, last)

    def _flow(self, captured: hep.Captured, outer: Flow) -> Flow:
        """Return between whom a message went, as the agent claims."""
        source, destination = outer.source_key, outer.destination_key
        if captured.source:
            source = key_of(captured.source, captured.source_port)
            destination = key_of(captured.destination, captured.destination_port)
        agent = self._flows.outers.agent(outer.source_key, captured.agent, captured.tap)
        return self._flows.between(source, destination, captured.transport, agent)

    def _remember(
        self, ends: bytes, data: bytes, start: int, end: int, captured: hep.Captured, flow: Flow
    ) -> None:
        """Remember a packet for those that look like it, if the quick way finds the same in it."""
        parts = _parts(data, start, end)
        if (
            parts is not None
            and (parts.time, parts.start, parts.end)
            == (captured.time, captured.start, captured.end)
            and sum(map(len, parts.common)) <= _LONGEST_HEAD
            and hep.has_chunks(data, start, start + _HEAD + len(parts.common[0]), parts.start)
        ):
            if len(self._known) >= ENVELOPE_HEADS:
                self._known.clear()
                self._says.clear()
            self._known[ends, *parts.common] = flow
            if captured.correlation:
                self._says[ends, *parts.common] = captured.correlation


def _ends(flow: Flow) -> bytes:
    """Return addresses and ports of a flow as an IPv4 packet has them, one behind the other for IPv6.

    b"" where they were printed as names.
    """
    source, destination = flow.source_key, flow.destination_key
    if isinstance(source, str) or isinstance(destination, str):
        return b""
    return source[:-2] + destination[:-2] + source[-2:] + destination[-2:]


def _parts(data: bytes, start: int, end: int) -> _Parts | None:
    """Take a packet of version 3 apart at its times and its payload, None where it hasn't got them.

    Nothing says yet that these are chunks: a packet of which the rest equals that of one where they are
    has the same chunks.
    """
    place = data.find(_SECONDS, start + _HEAD, end)
    if place < 0 or data[place + 10 : place + 16] != _MICROSECONDS:
        return None
    behind = data.find(_PAYLOAD, place + 20, end - 2)
    if behind < 0:
        return None
    total, stop = _sizes(data, start, behind)
    seconds, micro = _TIMES.unpack_from(data, place)
    time = seconds * 1_000_000_000 + micro * 1000
    if data[place + 20 : place + 24] == _PRECISE and behind >= place + 28:
        time += int.from_bytes(data[place + 26 : place + 28], "big") % 1000
        between = data[place + 20 : place + 26] + data[place + 28 : behind]
    else:
        between = data[place + 20 : behind]
    first = behind + _HEAD
    if total != end - start or not first <= stop <= end:
        return None
    return _Parts((data[start + _HEAD : place], between, data[stop:end]), time, first, stop)


def _sizes(data: bytes, start: int, payload: int) -> tuple[int, int]:
    """Return what a packet says of its size, and where its payload ends as its chunk says."""
    return (
        int.from_bytes(data[start + 4 : start + 6], "big"),
        payload + int.from_bytes(data[payload + 4 : payload + 6], "big"),
    )


def _inflated(data: bytes) -> bytes | None:
    """Return what a compressed payload holds, None where it can't be had or is too long."""
    inflating = zlib.decompressobj(_ZLIB_OR_GZIP)
    try:
        plain = inflating.decompress(data, _LONGEST_PAYLOAD)
    except zlib.error:
        return None
    return plain if inflating.eof else None
