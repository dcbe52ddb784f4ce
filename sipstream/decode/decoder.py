"""The decoder: batches of packets in, datagrams out, every packet counted.

Sans-IO; one decoder a source, because streams and fragments belong to one capture. The hot path
takes whole UDP over IPv4 in one step; all else goes through the layers.
"""

from __future__ import annotations

import struct
from typing import TypeAlias

from sipstream.decode import ip, link, sctp, tcp, websocket
from sipstream.decode.endpoints import Endpoints, Flow, Flows
from sipstream.decode.printed import Printed, PrintedFlows, parse_printed
from sipstream.limits import MAX_LAYERS, MAX_STREAMS
from sipstream.packets import Batch, Linktype, Tally

Datagram: TypeAlias = tuple[int, Flow, bytes, int, int, int, int]
"""Time (ns), flow, data, start and end of the payload there, place of its first byte in the batch's
store (-1: not there as it is), packets it accounts for (0 when another datagram of the same packet
does). Of a stream, start == end says that bytes are missing before what comes next."""

_UDP4 = struct.Struct("!BxH2xHxB14xH")
_ICMP, _TCP, _UDP, _SCTP, _UDPLITE = 1, 6, 17, 132, 136
_TUNNELS = (4, 41)
"""IPv4 and IPv6 inside IP (RFC 2003, RFC 4213)."""

NOT_IP = "not IP"
NOT_TRANSPORT = "neither UDP, TCP nor SCTP"
UNKNOWN_LINK = "unknown link type"
BAD_HEADER = "damaged header"
TOO_DEEP = "tunnel too deep"
FRAGMENT = "fragment of a datagram"
NO_DATA = "TCP without data"
RETRANSMISSION = "TCP retransmission"
PART = "part of a message"
WEBSOCKET = "WebSocket without a message"


class Decoder:
    """Decodes one source's packets; reasons and packets go into its tally."""

    def __init__(self, tally: Tally, endpoints: Endpoints) -> None:
        self._tally = tally
        self._flows = Flows(endpoints)
        self._printed_flows = PrintedFlows(self._flows)
        self._fragments = ip.Fragments()
        self._user_messages = sctp.UserMessages()
        self._streams: dict[Flow, None] = {}

    def feed(self, batch: Batch) -> list[Datagram]:
        """Return the datagrams of a batch in the order they became whole."""
        self._tally.packets += len(batch.records)
        datagrams: list[Datagram] = []
        if batch.linktype == Linktype.TCPDUMP_TEXT:
            for time, start, end, _ in batch.records:
                printed = parse_printed(batch.data, start, end)
                self._printed(datagrams, time, printed, batch.base)
        elif batch.linktype in link.FAST_OFFSETS:
            self._feed_fast(datagrams, batch)
        else:
            for time, start, end, _ in batch.records:
                self._frame(datagrams, batch.linktype, time, batch.data, start, end, batch.base)
        self._tally.bytes += sum(record[2] - record[1] for record in batch.records)
        return datagrams

    def finish(self) -> list[Datagram]:
        """The source ended: return what streams still hold behind holes."""
        datagrams: list[Datagram] = []
        for flow in self._streams:
            if flow.stream is not None:
                self._emit(datagrams, 0, flow, flow.stream.give_up(), 0)
        return datagrams

    def _feed_fast(self, datagrams: list[Datagram], batch: Batch) -> None:
        """Take UDP over IPv4 without options or fragments in one step, hand on the rest."""
        network_offset, type_offset = link.FAST_OFFSETS[batch.linktype]
        data, base, linktype = batch.data, batch.base, batch.linktype
        flows, unpack, append = self._flows.by_key, _UDP4.unpack_from, datagrams.append
        shortest = network_offset + 28
        for time, start, end, _ in batch.records:
            if end - start >= shortest:
                place = start + network_offset
                version, total, fragment, protocol, length = unpack(data, place)
                if (
                    version == 0x45
                    and protocol == _UDP
                    and not fragment & 0x3FFF
                    and total >= 28
                    and 8 <= length <= total - 20
                    and (
                        type_offset < 0
                        or data[start + type_offset : start + type_offset + 2] == b"\x08\x00"
                    )
                ):
                    key = data[place + 12 : place + 24]
                    flow = flows.get(key)
                    if flow is None:
                        flow = self._flows.udp4(key)
                    stop = place + 20 + length
                    place += 28
                    append((time, flow, data, place, end if stop > end else stop, base + place, 1))
                    continue
            self._frame(datagrams, linktype, time, data, start, end, base)

    def _frame(
        self,
        datagrams: list[Datagram],
        linktype: int,
        time: int,
        data: bytes,
        start: int,
        end: int,
        base: int,
    ) -> None:
        """Decode one frame; base is the store's place of data[0], or -1 for rebuilt data."""
        try:
            ethertype, place = link.network(linktype, data, start, end)
        except KeyError:
            self._count(f"{UNKNOWN_LINK} {linktype}")
            return
        if ethertype in (link.IPV4, link.IPV6):
            self._network(datagrams, time, data, place, end, base)
        else:
            self._count(NOT_IP)

    def _network(
        self, datagrams: list[Datagram], time: int, data: bytes, start: int, end: int, base: int
    ) -> None:
        """Follow IP headers, tunnels included, down to the transport layer."""
        for _ in range(MAX_LAYERS):
            header = ip.parse(data, start, end)
            if header is None:
                self._count(BAD_HEADER)
                return
            start, end = header.start, header.end
            if header.fragment is not None:
                whole = self._fragments.feed(time, header, data)
                if whole is None:
                    self._count(FRAGMENT)
                    return
                data, start, end, base = whole, 0, len(whole), -1
            if header.protocol not in _TUNNELS:
                self._transport(datagrams, time, header, data, start, end, base)
                return
        self._count(TOO_DEEP)

    def _transport(
        self,
        datagrams: list[Datagram],
        time: int,
        header: ip.Header,
        data: bytes,
        start: int,
        end: int,
        base: int,
    ) -> None:
        protocol = header.protocol
        if protocol not in (_UDP, _TCP, _SCTP):
            self._count(NOT_TRANSPORT)
            return
        if end - start < (8 if protocol == _UDP else 12 if protocol == _SCTP else 20):
            self._count(BAD_HEADER)
            return
        source_port, destination_port = struct.unpack_from("!HH", data, start)
        endpoints = self._flows.endpoints
        source = endpoints.intern_ip(header.source, source_port)
        destination = endpoints.intern_ip(header.destination, destination_port)
        if protocol == _UDP:
            flow = self._flows.between(source, destination, "UDP")
            length = int.from_bytes(data[start + 4 : start + 6], "big")
            stop = min(start + length, end) if length >= 8 else end
            datagrams.append((time, flow, data, start + 8, stop, _place(base, start + 8), 1))
        elif protocol == _TCP:
            flow = self._flows.between(source, destination, "TCP")
            self._tcp(datagrams, time, flow, data, start, end, base)
        else:
            flow = self._flows.between(source, destination, "SCTP")
            self._sctp(datagrams, time, flow, data, start, end)

    def _printed(self, datagrams: list[Datagram], time: int, printed: Printed, base: int) -> None:
        """Decode a packet that tcpdump printed, as far as its form kept it."""
        if printed.packet is not None:
            packet = printed.packet
            self._frame(datagrams, printed.linktype, time, packet, 0, len(packet), -1)
            return
        if printed.reason:
            self._count(printed.reason)
            return
        flow = self._printed_flows.flow(printed)
        data, start, end = printed.data, printed.start, printed.end
        if printed.transport == "UDP":
            offset = base + start if printed.offset_known else -1
            datagrams.append((time, flow, data, start, end, offset, 1))
            return
        number = self._printed_flows.number(flow, printed)
        seen = self._printed_flows.acknowledged(self._flows.reverse(flow), printed)
        self._segment(datagrams, time, flow, number, printed.flags, seen, data, start, end, -1)

    def _tcp(
        self,
        datagrams: list[Datagram],
        time: int,
        flow: Flow,
        data: bytes,
        start: int,
        end: int,
        base: int,
    ) -> None:
        sequence, acknowledged = struct.unpack_from("!II", data, start + 4)
        place = start + (data[start + 12] >> 4) * 4
        if place < start + 20 or place > end:
            self._count(BAD_HEADER)
            return
        flags = data[start + 13]
        self._segment(datagrams, time, flow, sequence, flags, acknowledged, data, place, end, base)

    def _segment(
        self,
        datagrams: list[Datagram],
        time: int,
        flow: Flow,
        sequence: int,
        flags: int,
        acknowledged: int,
        data: bytes,
        start: int,
        end: int,
        base: int,
    ) -> None:
        """Hand one segment to its stream, and its acknowledgement to the other direction's."""
        back = self._flows.reverse(flow)
        if back.stream is not None and back.stream.waiting:
            self._emit(datagrams, time, back, back.stream.acknowledged(acknowledged), 0)
        stream = flow.stream
        if stream is None:
            if start == end and not flags & tcp.SYN:
                self._count(NO_DATA)
                return
            stream = flow.stream = tcp.Stream()
            self._remember(flow)
        piece = stream.feed(time, sequence, flags, data, start, end, _place(base, start))
        if piece is not None and self._emit(datagrams, time, flow, piece, 1):
            return
        if start == end:
            self._count(NO_DATA)
        else:
            self._count(RETRANSMISSION if stream.retransmitted else PART)

    def _remember(self, flow: Flow) -> None:
        """Keep the number of streams bounded: the one begun first is forgotten first."""
        self._streams[flow] = None
        if len(self._streams) > MAX_STREAMS:
            oldest = next(iter(self._streams))
            del self._streams[oldest]
            oldest.stream = oldest.websocket = oldest.framer = None

    def _emit(
        self,
        datagrams: list[Datagram],
        time: int,
        flow: Flow,
        piece: tcp.Piece | None,
        packets: int,
    ) -> bool:
        """Append a stream's piece as datagrams; return whether one of them counts the packet."""
        if piece is None:
            return False
        data, start, end, offset, gap = piece
        if gap:
            flow.websocket = None
            datagrams.append((time, flow, b"", 0, 0, -1, 0))
        if start == end:
            return False
        if flow.websocket is None:
            behind = websocket.upgrade_end(data, start, end)
            if behind < 0:
                datagrams.append((time, flow, data, start, end, offset, packets))
                return True
            flow.websocket = websocket.Deframer()
            start = behind
        inner = self._flows.between(flow.source, flow.destination, "WS")
        for message in flow.websocket.feed(data[start:end]):
            datagrams.append((time, inner, message, 0, len(message), -1, packets))
            packets = 0
        if packets:
            self._count(WEBSOCKET)
        return True

    def _sctp(
        self, datagrams: list[Datagram], time: int, flow: Flow, data: bytes, start: int, end: int
    ) -> None:
        packets = 1
        for flags, sequence, first, last in sctp.chunks(data, start, end):
            message = self._user_messages.feed(flow, flags, sequence, data[first:last])
            if message is not None:
                datagrams.append((time, flow, message, 0, len(message), -1, packets))
                packets = 0
        if packets:
            self._count(PART)

    def _count(self, reason: str) -> None:
        self._tally.reasons[reason] += 1


def _place(base: int, start: int) -> int:
    """Return the place in the store of data[start], -1 when data isn't from there."""
    return base + start if base >= 0 else -1
