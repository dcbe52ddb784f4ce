"""The packets that messages came in: found again in their capture.

Sans-IO. A message that stands whole in a packet is located there. One that was joined isn't: what it
was joined of is told by the same headers that joined it. Fragments belong to one datagram by their
identification (RFC 791, RFC 8200 section 4.5), TCP segments by their sequence numbers (RFC 9293),
SCTP chunks by theirs (RFC 9260). Of TLS and WebSocket the whole connection is taken: a reader needs
its beginning.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from sipstream.decode import ip, link, sctp, tunnels
from sipstream.decode.endpoints import Key, key_of
from sipstream.decode.plain import is_plain_udp
from sipstream.export.chosen import Chosen, Piece
from sipstream.limits import FRAGMENT_TRACKERS, MAX_LAYERS
from sipstream.packets import Batch, Record

_TCP, _SCTP = 6, 132
_BY_CONNECTION = frozenset({"TLS", "WS", "WSS"})
_NEAR, _FAR = 1 << 13, 1 << 18
"""Bytes of a stream looked at beside a message's own: as a rule few; else as many as 64 segments of
offloading (pieces held behind a hole, decode.tcp) have at least."""

Ends: TypeAlias = tuple[Key, Key]


class Wanted(NamedTuple):
    """A message that was joined of packets."""

    message: int
    time: int
    """When the last packet it needed came, ns since the epoch."""
    ends: Ends
    transport: str


class _Segment(NamedTuple):
    """A piece of a stream, and the packets it came in."""

    number: int
    """Of its first byte (TCP), or of itself (SCTP)."""
    place: int
    size: int
    data: bytes | None
    """Its bytes, where they don't lie in the store as they are."""
    packets: tuple[Piece, ...]


class Search:
    """Looks through one capture for messages; `raw` returns the bytes of one."""

    def __init__(self, wanted: list[Wanted], raw: Callable[[int], bytes], chosen: Chosen) -> None:
        self._raw = raw
        self._chosen = chosen
        self._datagrams: dict[int, list[Wanted]] = {}
        self._streams: dict[Ends, list[Wanted]] = {}
        self._connections: dict[Ends, list[Wanted]] = {}
        for one in wanted:
            if one.transport in _BY_CONNECTION:
                for ends in (one.ends, one.ends[::-1]):
                    self._connections.setdefault(ends, []).append(one)
            else:
                self._datagrams.setdefault(one.time, []).append(one)
                if one.transport != "UDP":
                    self._streams.setdefault(one.ends, []).append(one)
        self._segments: dict[Ends, list[_Segment]] = {}
        self._fragments = ip.Fragments()
        self._trains: OrderedDict[bytes, list[Piece]] = OrderedDict()
        """The fragments of each datagram that isn't whole yet."""
        self.found: set[int] = set()
        """The messages whose packets were chosen."""

    def see(self, batch: Batch) -> None:
        """Take the next packets of the capture."""
        origin = self._chosen.of_batch(batch)
        for record in batch.records:
            if not is_plain_udp(batch, record):
                self._packet(batch, record, origin)

    def finish(self, read: Callable[[int, int], bytes]) -> Iterator[None]:
        """The capture was seen: choose the packets of streams, in steps; `read` reads in the store."""
        for ends, wanted in self._streams.items():
            segments = self._segments.pop(ends, [])
            segments.sort(key=lambda one: one.packets[-1][1])
            times = [one.packets[-1][1] for one in segments]
            for one in wanted:
                if one.message not in self.found and segments:
                    upto = segments[: bisect_right(times, one.time)]
                    self._choose(one, upto, read)
                    yield

    # Within

    def _packet(self, batch: Batch, record: Record, origin: int) -> None:
        """Follow a packet down to its transport, as the decoder does, and keep what may be wanted."""
        time, start, end, wire = record
        data = batch.data
        packets: tuple[Piece, ...] = ((origin, time, batch.base + start, end - start, wire),)
        place, whole = batch.base, True
        try:
            ethertype, at = link.network(batch.linktype, data, start, end)
        except KeyError:
            return
        for _ in range(MAX_LAYERS):
            header = ip.parse(data, at, end) if ethertype > 0 else ""
            if isinstance(header, str):
                return
            start, end = header.start, header.end
            if header.fragment is not None and not (header.cut and header.fragment[1] == 0):
                joined = self._fragment(time, header, data, packets)
                if joined is None:
                    return
                data, packets = joined
                start, end, whole = 0, len(data), False
            tunnel = tunnels.inside(header.protocol, data, start, end)
            if tunnel is None:
                self._transport(time, header, data, start, end, place if whole else None, packets)
                return
            ethertype, at = link.follow(tunnel.ethertype, data, tunnel.start, end)

    def _fragment(
        self, time: int, header: ip.Header, data: bytes, packets: tuple[Piece, ...]
    ) -> tuple[bytes, tuple[Piece, ...]] | None:
        """Take a fragment; return the datagram it makes whole, and its packets."""
        assert header.fragment is not None
        key = b"%b%b%d/%d" % (
            header.source, header.destination, header.protocol, header.fragment[0],
        )  # fmt: skip
        self._trains.setdefault(key, []).extend(packets)
        joined = self._fragments.feed(time, header, data)
        if joined is None:
            if len(self._trains) > FRAGMENT_TRACKERS:
                self._trains.popitem(last=False)
            return None
        return joined, tuple(self._trains.pop(key))

    def _transport(
        self,
        time: int,
        header: ip.Header,
        data: bytes,
        start: int,
        end: int,
        base: int | None,
        packets: tuple[Piece, ...],
    ) -> None:
        """Take what IP carries; `base` is the place of data[0] in the store, None where it was joined."""
        if base is None and time in self._datagrams:
            for one in self._datagrams[time]:
                raw = self._raw(one.message)
                if raw and raw in data:
                    self._take(one, packets)
        if header.protocol not in (_TCP, _SCTP) or end - start < 20:
            return
        ports = struct.unpack_from("!HH", data, start)
        ends = key_of(header.source, ports[0]), key_of(header.destination, ports[1])
        if ends in self._connections:
            for one in self._connections[ends]:
                self._take(one, packets)
        if ends not in self._streams:
            return
        if header.protocol == _SCTP:
            found = [(number, at, stop) for _, number, at, stop in sctp.chunks(data, start, end)]
        else:
            (number,) = struct.unpack_from("!I", data, start + 4)
            found = [
                (number + (data[start + 13] >> 1 & 1), start + (data[start + 12] >> 4) * 4, end)
            ]
        segments = self._segments.setdefault(ends, [])
        for number, at, stop in found:
            if at < stop:
                bytes_of = data[at:stop] if base is None else None
                segments.append(_Segment(number, (base or 0) + at, stop - at, bytes_of, packets))

    def _take(self, one: Wanted, packets: tuple[Piece, ...]) -> None:
        for packet in packets:
            self._chosen.add(packet)
        self.found.add(one.message)

    def _choose(
        self, one: Wanted, segments: list[_Segment], read: Callable[[int, int], bytes]
    ) -> None:
        """Choose the segments that a message's bytes came in, of those up to its time."""
        raw = self._raw(one.message)
        for reach in (_NEAR, _FAR) if raw else ():
            behind: list[_Segment] = []
            size = 0
            for segment in reversed(segments):
                behind.append(segment)
                size += segment.size
                if size >= len(raw) + reach:
                    break
            for packets in _within(behind[::-1], raw, read, by_byte=one.transport == "TCP"):
                self._take(one, packets)
            if one.message in self.found or len(behind) == len(segments):
                return


def _within(
    segments: list[_Segment], raw: bytes, read: Callable[[int, int], bytes], *, by_byte: bool
) -> Iterator[tuple[Piece, ...]]:
    """Yield the packets of the segments that together have a message's bytes; the latest such ones.

    Segments that follow each other are told by their numbers: of bytes (TCP) or of chunks (SCTP).
    """
    if not segments:
        return
    last = segments[-1].number
    # In the circle of 2**32 numbers.
    ranked = sorted(
        (
            ((one.number - last + 0x80000000) & 0xFFFFFFFF, place)
            for place, one in enumerate(segments)
        )
    )
    runs: list[tuple[bytearray, list[tuple[int, int, _Segment]]]] = []
    following = -1
    for number, place in ranked:
        segment = segments[place]
        data = segment.data if segment.data is not None else read(segment.place, segment.size)
        size = len(data) if by_byte else 1
        if not runs or number > following:
            runs.append((bytearray(), []))
            following = number
        joined, parts = runs[-1]
        ahead = following - number
        # What came again begins before the end of what is there.
        begin = len(joined) - (ahead if by_byte else len(data) * ahead)
        if ahead < size:
            joined += data[ahead if by_byte else 0 :]
            following = number + size
        parts.append((begin, begin + len(data), segment))
    for joined, parts in reversed(runs):
        found = joined.rfind(raw)
        if found >= 0:
            for begin, end, segment in parts:
                if begin < found + len(raw) and end > found:
                    yield segment.packets
            return
