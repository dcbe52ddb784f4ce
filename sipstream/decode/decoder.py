"""The decoder: batches of packets in, datagrams out, every packet counted.

Sans-IO; one decoder a source, because streams and fragments belong to one capture. The hot path
takes whole UDP over IPv4 in one step; all else goes through the layers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from sipstream import reasons
from sipstream.decode import hep, ip, link, sctp, tunnels
from sipstream.decode.agents import Agents
from sipstream.decode.endpoints import Endpoints, Flow, Flows, key_of
from sipstream.decode.keylog import Secrets
from sipstream.decode.streams import Datagram, Streams
from sipstream.limits import MAX_LAYERS
from sipstream.packets import Batch, Linktype, Record, Tally

if TYPE_CHECKING:
    from sipstream.decode.printed_packets import PrintedPackets

_IPV4 = 0x0800
_TCP, _UDP, _SCTP = 6, 17, 132
_TRANSPORTS = {_TCP: "TCP", _UDP: "UDP", _SCTP: "SCTP"}
_SHORTEST = {_TCP: 20, _UDP: 8, _SCTP: 12}
"""Bytes of the header each transport begins with."""
_NOWHERE = -(1 << 40)
"""Where data begins that stands in no store: whatever is in it has a place below 0."""


def _fast(network_offset: int, type_offset: int) -> tuple[int, Callable[[bytes, int], Any], int]:
    """Return for a link type where its IPv4 header stands, what unpacks that with UDP, the least size.

    It gives ethertype, version and length of the header, total length, fragment, protocol, the 12 bytes
    of addresses and ports, and the length of UDP.
    """
    if type_offset >= 0:
        gap = network_offset - type_offset - 2
        head = struct.Struct(f"!{type_offset}xH{gap}xBxH2xHxB2x12sH")
        return network_offset, head.unpack_from, network_offset + 28
    headless = struct.Struct("!BxH2xHxB2x12sH").unpack_from
    return network_offset, lambda data, start: (_IPV4, *headless(data, start)), network_offset + 28


_FAST = {linktype: _fast(*offsets) for linktype, offsets in link.FAST_OFFSETS.items()}


class _Span(NamedTuple):
    """A piece of data, and the place in the batch's store of data[0], -1 where it isn't there."""

    data: bytes
    start: int
    end: int
    base: int
    cut: bool = False
    """More of it was on the wire than the capture holds."""

    @property
    def offset(self) -> int:
        """The place in the store of the span's first byte, or -1."""
        return self.base + self.start if self.base >= 0 else -1

    def at(self, start: int) -> _Span:
        """Return what follows from `start`."""
        return self._replace(start=min(start, self.end))


class Decoder:
    """Decodes one source's packets; reasons and packets go into its tally.

    `secrets` are those of TLS that the user gave; what the source brings along is added to a table of
    its own.
    """

    def __init__(self, tally: Tally, endpoints: Endpoints, secrets: Secrets | None = None) -> None:
        self._tally = tally
        self._secrets = Secrets(around=secrets)
        self.flows = Flows(endpoints)
        self._agents = Agents(self.flows)
        self._printed: PrintedPackets | None = None
        self._fragments = ip.Fragments()
        self._user_messages = sctp.UserMessages()
        self._streams = Streams(self.flows, tally.reasons, self._secrets)

    @property
    def correlations(self) -> list[tuple[int, Flow, bytes]]:
        """What agents said belongs together, of messages by their times; who takes it clears the list."""
        return self._agents.correlations

    def feed(self, batch: Batch) -> list[Datagram]:
        """Return the datagrams of a batch in the order they became whole."""
        self._tally.packets += len(batch.records)
        datagrams: list[Datagram] = []
        if batch.secrets:
            self._secrets.add(batch.secrets)
        if batch.linktype == Linktype.TCPDUMP_TEXT:
            self._feed_printed(datagrams, batch)
        elif batch.linktype in link.FAST_OFFSETS:
            self._feed_fast(datagrams, batch.base, batch.data, batch.linktype, batch.records)
        else:
            for time, start, end, wire in batch.records:
                span = _Span(batch.data, start, end, batch.base, wire > end - start)
                self._frame(datagrams, batch.linktype, time, span)
        # A list: a generator takes twice as long.
        self._tally.bytes += sum([record[2] - record[1] for record in batch.records])
        return datagrams

    def finish(self) -> list[Datagram]:
        """The source ended: return what streams still hold behind holes."""
        datagrams: list[Datagram] = []
        self._streams.finish(datagrams)
        self._give_up_fragments(self._fragments.waiting())
        return datagrams

    def _feed_fast(
        self,
        datagrams: list[Datagram],
        base: int,
        data: bytes,
        linktype: int,
        records: list[Record],
    ) -> None:
        """Take whole UDP over IPv4 without options or fragments in one step, hand on the rest."""
        network_offset, unpack, shortest = _FAST[linktype]
        flows, append = self.flows.by_key, datagrams.append
        # The frames of `any` name their interface: each is a capture point.
        several = linktype == Linktype.LINUX_SLL2
        for time, start, end, wire in records:
            if end - start >= shortest:
                ethertype, version, total, fragment, protocol, key, length = unpack(data, start)
                if (
                    version == 0x45
                    and protocol == _UDP
                    and not fragment & 0x3FFF
                    and 8 <= length <= total - 20
                    and ethertype == _IPV4
                ):
                    place = start + network_offset
                    if several:
                        key += data[start + 4 : start + 8]
                    flow = flows.get(key)
                    if flow is None:
                        if not tunnels.may_be(data, place + 20, end):
                            flow = self.flows.udp4(key)
                        elif data[place + 28 : place + 32] == hep.MAGIC:
                            stop = place + 20 + length
                            known = self._agents.known(key[:12], data, place + 28, stop)
                            if known is not None and stop <= end:
                                append(known.datagram(time, base))
                                continue
                    elif not flow.brings_messages and data[place + 28 : place + 32] == hep.MAGIC:
                        # No message came of it so far: it may have turned out to be an agent's.
                        flow = None
                    stop = place + 20 + length
                    if flow is not None and stop <= end:
                        place += 28
                        append((time, flow, data, place, stop, base + place, 1))
                        continue
            self._frame(
                datagrams, linktype, time, _Span(data, start, end, base, wire > end - start)
            )

    def _frame(self, datagrams: list[Datagram], linktype: int, time: int, span: _Span) -> None:
        """Decode one frame; whatever it makes us do wrong, the next one has its turn."""
        before = len(datagrams)
        try:
            self._layers(datagrams, linktype, time, span)
        except Exception as error:
            packets = int(not any(one[6] for one in datagrams[before:]))
            self._tally.suspect(error, packets, linktype, time, span.data[span.start : span.end])

    def _layers(self, datagrams: list[Datagram], linktype: int, time: int, span: _Span) -> None:
        """Decode one frame."""
        try:
            ethertype, place = link.network(linktype, span.data, span.start, span.end)
        except KeyError:
            self._count(f"{reasons.UNKNOWN_LINK} {linktype}")
            return
        outer = 0
        if linktype == Linktype.LINUX_SLL2:
            outer = self.flows.outers.interface(span.data[span.start + 4 : span.start + 8])
        self._network(datagrams, time, ethertype, span.at(place), outer)

    def _network(
        self, datagrams: list[Datagram], time: int, ethertype: int, span: _Span, outer: int
    ) -> None:
        """Follow IP headers, tunnels included, down to the transport layer."""
        for _ in range(MAX_LAYERS):
            if ethertype <= 0:
                ended = span.cut and ethertype == link.ENDED
                other = reasons.TOO_DEEP if ethertype == link.TOO_DEEP else reasons.NOT_IP
                self._count(reasons.CUT if ended else other)
                return
            header = ip.parse(span.data, span.start, span.end)
            if isinstance(header, str):
                damaged = header == reasons.CUT and not span.cut
                self._count(reasons.BAD_HEADER if damaged else header)
                return
            span = span._replace(start=header.start, end=header.end, cut=header.cut)
            # A first fragment that was cut is all there will be of its datagram.
            if header.fragment is not None and not (header.cut and header.fragment[1] == 0):
                whole = self._fragments.feed(time, header, span.data)
                if whole is None:
                    self._count(reasons.FRAGMENT)
                self._give_up_fragments(self._fragments.take_dropped())
                if whole is None:
                    return
                span = _Span(whole, 0, len(whole), -1)
            tunnel = tunnels.inside(header.protocol, span.data, span.start, span.end)
            if tunnel is None:
                self._transport(datagrams, time, header, span, outer)
                return
            outer = self.flows.outers.tunnel(outer, tunnel.name, header.source, header.destination)
            ethertype, place = link.follow(tunnel.ethertype, span.data, tunnel.start, span.end)
            span = span.at(place)
        self._count(reasons.TOO_DEEP)

    def _transport(
        self, datagrams: list[Datagram], time: int, header: ip.Header, span: _Span, outer: int
    ) -> None:
        data, start, end, _, cut = span
        transport = _TRANSPORTS.get(header.protocol)
        if transport is None:
            self._count(reasons.NOT_TRANSPORT)
            return
        if end - start < _SHORTEST[header.protocol]:
            self._count(reasons.CUT if cut else reasons.BAD_HEADER)
            return
        source_port, destination_port = struct.unpack_from("!HH", data, start)
        flow = self.flows.between(
            key_of(header.source, source_port),
            key_of(header.destination, destination_port),
            transport,
            outer,
        )
        if transport == "UDP":
            length = int.from_bytes(data[start + 4 : start + 6], "big")
            stop = min(start + length, end) if length >= 8 else end
            payload = span._replace(start=start + 8, end=stop, cut=start + length > end)
            if hep.is_hep(data, start + 8, stop):
                self._hep(datagrams, time, flow, payload)
            else:
                if payload.cut:
                    flow = self.flows.cut(flow)
                datagrams.append((time, flow, data, start + 8, stop, payload.offset, 1))
        elif transport == "TCP":
            self._tcp(datagrams, time, flow, span)
        else:
            self._sctp(datagrams, time, flow, span)

    def _hep(self, datagrams: list[Datagram], time: int, flow: Flow, span: _Span) -> None:
        """Take a message out of what a capture agent sent: as it claims, the sender kept beside."""
        data, start, end, base, cut = span
        opened = self._agents.open(flow, data, start, end, cut)
        if isinstance(opened, str):
            self._count(opened)
        else:
            place = base if opened.data is data else _NOWHERE
            datagrams.append(opened.datagram(time, place))

    def _feed_printed(self, datagrams: list[Datagram], batch: Batch) -> None:
        """Take packets that tcpdump printed."""
        if self._printed is None:
            # The patterns of text take some time to be imported: captures needn't wait for that.
            from sipstream.decode.printed_packets import PrintedPackets

            self._printed = PrintedPackets(self._tally, self.flows, self._streams, self._dumped)
        self._printed.feed(datagrams, batch)

    def _dumped(self, datagrams: list[Datagram], time: int, linktype: int, packet: bytes) -> None:
        """Decode a packet from its hex dump: its link type is one of those with a fast way."""
        record = time, 0, len(packet), len(packet)
        self._feed_fast(datagrams, _NOWHERE, packet, linktype, [record])

    def _tcp(self, datagrams: list[Datagram], time: int, flow: Flow, span: _Span) -> None:
        data, start, end, _, cut = span
        if self.flows.outers.own and flow.source_key in self.flows.outers.own:
            # The messages in it would be found as if they came over TCP, and be sent again.
            self._count(reasons.OWN_HEP)
            return
        sequence, acknowledged = struct.unpack_from("!II", data, start + 4)
        place = start + (data[start + 12] >> 4) * 4
        if place < start + 20 or place > end:
            self._count(reasons.CUT if cut and place > end else reasons.BAD_HEADER)
            return
        if cut and place == end:
            self._count(reasons.CUT)
            return
        flags, offset = data[start + 13], span.at(place).offset
        self._streams.segment(
            datagrams, time, flow, sequence, flags, acknowledged, data, place, end, offset
        )

    def _sctp(self, datagrams: list[Datagram], time: int, flow: Flow, span: _Span) -> None:
        data, start, end, _, cut = span
        packets, reason = 1, reasons.CUT if cut else reasons.SCTP_CONTROL
        for flags, sequence, first, last in sctp.chunks(data, start, end):
            message = self._user_messages.feed(flow, flags, sequence, data[first:last])
            repeated = self._user_messages.repeated
            reason = reasons.SCTP_RETRANSMISSION if repeated else reasons.PART
            if message is not None:
                whose = self.flows.cut(flow) if cut and last == end else flow
                datagrams.append((time, whose, message, 0, len(message), -1, packets))
                packets = 0
        if packets:
            self._count(reason)

    def _give_up_fragments(self, count: int) -> None:
        """Count fragments, of which no datagram will come, under their own reason."""
        if count:
            self._tally.reasons[reasons.FRAGMENT] -= count
            self._tally.reasons[reasons.INCOMPLETE] += count

    def _count(self, reason: str) -> None:
        self._tally.reasons[reason] += 1
