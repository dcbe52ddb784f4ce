"""Classic pcap files: a header, then records, walked with struct so that each packet has its place.

Sans-IO: bytes are fed in any cut, batches come back, an incomplete record waits for its rest. dpkt's
header classes say what a file is (byte order, precision, link type); the walk over the records is
ours because dpkt's reader gives no offsets.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from sipstream.limits import BATCH_PACKETS, MAX_PACKET
from sipstream.packets import Batch, Record, Store
from sipstream.sources.records import RecordReader

MAGICS = (
    b"\xa1\xb2\xc3\xd4",
    b"\xd4\xc3\xb2\xa1",
    b"\xa1\xb2\x3c\x4d",
    b"\x4d\x3c\xb2\xa1",
)
HEADER = 24
RECORD = 16
_PIECE = 1 << 18
"""Bytes of a range read at once: where several processes do, less is taken in all."""
_HEADS = 8
"""Heads of records that have to follow each other to be believed in."""
_YEAR = 366 * 86_400


class PcapReader(RecordReader):
    """Reads one pcap stream, file or part of a spool that begins with a pcap header."""

    what = "packet"

    def __init__(self, store: Store, offset: int = 0) -> None:
        super().__init__(store, offset)
        self._record: struct.Struct | None = None
        self._scale = 1000
        self._linktype = 0
        self._told_time = False

    def at(self, store: Store, offset: int) -> PcapReader:
        """Return a reader of the same file for the records from `offset` on, where one begins."""
        reader = PcapReader(store, offset)
        reader._start = self._start
        reader._record, reader._scale = self._record, self._scale
        reader._linktype, reader._told_time = self._linktype, self._told_time
        return reader

    @property
    def linktype(self) -> int:
        """The link type of all packets, once the header has come."""
        return self._linktype

    @property
    def position(self) -> int:
        """The place in the store of the first byte that belongs to no packet given out."""
        return self._base

    @property
    def reached(self) -> int:
        """The place in the store of the next byte to be fed."""
        return self._base + len(self._rest)

    def read_until(self, stop: int) -> Iterator[list[Batch]]:
        """Yield the packets of the file, which is the store, whose records begin before `stop`.

        Each chunk is read from the beginning of a record on: nothing has to be joined.
        """
        while self._base < stop and not self.broken:
            size = max(min(_PIECE, stop - self._base), self._need, RECORD)
            data = self._store.read(self._base, size)
            self._rest.clear()
            yield self.feed(data)
            if len(data) < size or not data:
                return

    def _read(self, data: bytes) -> tuple[list[Batch], int]:
        position = 0
        if self._record is None:
            if len(data) < HEADER:
                return [], 0
            self._read_header(data[:HEADER])
            position = HEADER
        batches: list[Batch] = []
        while True:
            records, position = self._walk(data, position)
            if records:
                batches.append(Batch(self._store, self._base, data, self._linktype, records))
            if len(records) < BATCH_PACKETS:
                return batches, position

    def _read_header(self, head: bytes) -> None:
        import dpkt.pcap

        magic = head[:4]
        little = magic in (MAGICS[1], MAGICS[3])
        header = (dpkt.pcap.LEFileHdr if little else dpkt.pcap.FileHdr)(head)
        self._record = struct.Struct("<IIII" if little else ">IIII")
        self._scale = 1 if magic in (MAGICS[2], MAGICS[3]) else 1000
        # The upper bits may hold the length of a frame check sequence (pcap-savefile(5)).
        self._linktype = header.linktype & 0x03FFFFFF

    def _walk(self, data: bytes, position: int) -> tuple[list[Record], int]:
        """Return up to BATCH_PACKETS records from `position`, and where the next one begins."""
        assert self._record is not None
        unpack = self._record.unpack_from
        scale = self._scale
        second = 1_000_000_000 // scale
        records: list[Record] = []
        append = records.append
        last_header, size = len(data) - RECORD, len(data)
        second_of, before = -1, 0
        """The second of the packet before, also in ns."""
        for _ in range(BATCH_PACKETS):
            if position > last_header:
                break
            seconds, fraction, length, wire_length = unpack(data, position)
            start = position + RECORD
            end = start + length
            if end > size or length > MAX_PACKET:
                if length > MAX_PACKET:
                    self._give_up(position, f"a packet of {length} bytes")
                else:
                    self._need = end - position
                break
            if fraction >= second:
                self._note_time(position, seconds, fraction)
            if seconds != second_of:
                second_of, before = seconds, seconds * 1_000_000_000
            append((before + fraction * scale, start, end, wire_length))
            position = end
        return records, position

    def seconds(self, head: bytes) -> int:
        """Return the time, in seconds since the epoch, of a record that begins with these bytes."""
        assert self._record is not None
        return int(self._record.unpack_from(head)[0])

    def find(self, data: bytes, around: int) -> int | None:
        """Return where in bytes out of the middle a record seems to begin, None where none does.

        That is where heads of records follow each other, of packets within a year of the second
        `around`. A packet may hold what looks like it: who relies on this has to see that the records
        before it lead there.
        """
        last_header = len(data) - RECORD
        for begin in range(max(min(MAX_PACKET + RECORD, last_header), 0)):
            place = begin
            for _ in range(_HEADS):
                length = self._believable(data, place, around) if place <= last_header else 0
                if not length:
                    break
                place += RECORD + length
            else:
                return begin
        return None

    def _believable(self, data: bytes, place: int, around: int) -> int:
        """Return the length of the packet whose record may begin at `place`, 0 where none does."""
        assert self._record is not None
        seconds, fraction, length, wire_length = self._record.unpack_from(data, place)
        if (
            length > min(wire_length, MAX_PACKET)
            or fraction * self._scale >= 1_000_000_000
            or abs(seconds - around) > _YEAR
        ):
            return 0
        return int(length)

    def _note_time(self, position: int, seconds: int, fraction: int) -> None:
        """Say, once, that a part of a second is a second or more: it is carried over."""
        if not self._told_time:
            self._told_time = True
            units = "ns" if self._scale == 1 else "µs"
            self.notes.append(
                f"times that no clock has, the first at byte {self._at(position)}: {fraction} {units} "
                f"behind second {seconds}; they are shown as the seconds that this makes"
            )
