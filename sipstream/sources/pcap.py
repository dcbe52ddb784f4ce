"""Classic pcap files: a header, then records, walked with struct so that each packet has its place.

Sans-IO: bytes are fed in any cut, batches come back, an incomplete record waits for its rest. dpkt's
header classes say what a file is (byte order, precision, link type); the walk over the records is
ours because dpkt's reader gives no offsets.
"""

from __future__ import annotations

import struct

from sipstream.limits import BATCH_PACKETS, MAX_PACKET
from sipstream.packets import Batch, Record, Store
from sipstream.sources.records import RecordReader

MAGICS = (
    b"\xa1\xb2\xc3\xd4",
    b"\xd4\xc3\xb2\xa1",
    b"\xa1\xb2\x3c\x4d",
    b"\x4d\x3c\xb2\xa1",
)
_HEADER = 24
_RECORD = 16


class PcapReader(RecordReader):
    """Reads one pcap stream, file or part of a spool that begins with a pcap header."""

    what = "packet"

    def __init__(self, store: Store, offset: int = 0) -> None:
        super().__init__(store, offset)
        self._record: struct.Struct | None = None
        self._scale = 1000
        self._linktype = 0
        self._told_time = False

    def _read(self, data: bytes) -> tuple[list[Batch], int]:
        position = 0
        if self._record is None:
            if len(data) < _HEADER:
                return [], 0
            self._read_header(data[:_HEADER])
            position = _HEADER
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
        last_header = len(data) - _RECORD
        size = len(data)
        room = BATCH_PACKETS
        while room and position <= last_header:
            seconds, fraction, length, wire_length = unpack(data, position)
            if length > MAX_PACKET:
                self._give_up(position, f"a packet of {length} bytes")
                break
            start = position + _RECORD
            end = start + length
            if end > size:
                self._need = end - position
                break
            if fraction >= second:
                self._note_time(position, seconds, fraction)
            append((seconds * 1_000_000_000 + fraction * scale, start, end, wire_length))
            position = end
            room -= 1
        return records, position

    def _note_time(self, position: int, seconds: int, fraction: int) -> None:
        """Say, once, that a part of a second is a second or more: it is carried over."""
        if not self._told_time:
            self._told_time = True
            units = "ns" if self._scale == 1 else "µs"
            self.notes.append(
                f"times that no clock has, the first at byte {self._at(position)}: {fraction} {units} "
                f"behind second {seconds}; they are shown as the seconds that this makes"
            )
