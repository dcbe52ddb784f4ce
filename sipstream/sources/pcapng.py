"""pcapng files: sections, interfaces, packet blocks, TLS secrets (draft-ietf-opsawg-pcapng).

Sans-IO like `pcap`: bytes in any cut, batches out. A batch holds packets of one interface; a new one
begins where the interface changes, because link type and capture point belong to the interface.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from sipstream.limits import (
    BATCH_PACKETS,
    FURTHEST,
    MAX_ABOUT,
    MAX_COMMENT,
    MAX_COMMENTS,
    MAX_PACKET,
)
from sipstream.packets import Batch, Record, Store
from sipstream.sources import Missing
from sipstream.sources.records import RecordReader

MAGIC = b"\x0a\x0d\x0d\x0a"
_SECTION = 0x0A0D0D0A
_INTERFACE = 1
_OLD_PACKET = 2
_SIMPLE_PACKET = 3
_ENHANCED_PACKET = 6
_DECRYPTION_SECRETS = 10
_TLS_KEY_LOG = 0x544C534B
_MAX_BLOCK = 16 << 20
"""Longest block believed; blocks of other kinds may be larger than a packet."""
_MAX_INTERFACES = 65_536
_SKIPS_TOLD = 3
_SHORTEST = {
    _INTERFACE: 20,
    _OLD_PACKET: 32,
    _SIMPLE_PACKET: 16,
    _ENHANCED_PACKET: 32,
    _DECRYPTION_SECRETS: 20,
}
"""Bytes of a block's fixed part, its head and end included."""
_NS = 1_000_000_000
_COMMENT = 1
_OF_SECTION = {_COMMENT: "comment", 2: "hardware", 3: "system", 4: "written by"}
_FILTER = 11
_OF_INTERFACE = {
    _COMMENT: "comment",
    3: "description",
    _FILTER: "filter",
    12: "system",
    15: "hardware",
}
"""Options that are shown, by their codes."""


@dataclass(slots=True, frozen=True)
class _Interface:
    linktype: int
    name: str
    units_per_second: int
    offset_ns: int
    snaplen: int

    def time(self, units: int) -> int:
        """Return ns since the epoch for a time stamp in the interface's units."""
        time = units * _NS // self.units_per_second + self.offset_ns
        return max(-FURTHEST, min(time, FURTHEST))


class _Packet(NamedTuple):
    """What a packet block says."""

    interface: int
    units: int
    start: int
    size: int
    wire: int


class PcapngReader(RecordReader):
    """Reads one pcapng stream."""

    what = "block"

    def __init__(self, store: Store, offset: int = 0) -> None:
        super().__init__(store, offset)
        self._order = "<"
        self._interfaces: list[_Interface] = []
        self._skipped = 0
        self._comments = 0
        self._about: list[str] = []
        """What the file says of itself, not handed on yet."""
        self._told = 0

    def _read(self, data: bytes) -> tuple[list[Batch], int]:
        batches: list[Batch] = []
        position = 0
        while len(data) - position >= 12:
            kind, length = self._block_head(data, position)
            if not 12 <= length <= _MAX_BLOCK or length % 4:
                self._give_up(position, f"a block of {length} bytes")
                break
            if position + length > len(data):
                self._need = length
                break
            self._read_block(kind, data, position, length, batches)
            if self.broken:
                break
            position += length
        return batches, position

    def _block_head(self, data: bytes, position: int) -> tuple[int, int]:
        """Return the block's type and length; a section header sets the byte order first."""
        if data[position : position + 4] == MAGIC:
            self._order = ">" if data[position + 8 : position + 12] == b"\x1a\x2b\x3c\x4d" else "<"
        kind, length = struct.unpack_from(self._order + "II", data, position)
        return int(kind), int(length)

    def _read_block(
        self, kind: int, data: bytes, position: int, length: int, batches: list[Batch]
    ) -> None:
        if length < _SHORTEST.get(kind, 12):
            self._skip(position, f"a block of type {kind} with {length} bytes")
        elif kind == _ENHANCED_PACKET:
            number, high, low, size, wire = struct.unpack_from(
                self._order + "5I", data, position + 8
            )
            packet = _Packet(number, high << 32 | low, position + 28, size, wire)
            added = self._add(batches, data, position, length - 32, packet)
            options = packet.start + ((size + 3) & ~3)
            if added and options + 8 <= position + length:
                self._keep_comments(batches[-1], data, options, position + length - 4)
        elif kind == _INTERFACE:
            self._add_interface(data, position, length)
        elif kind == _SECTION:
            self._interfaces.clear()
            for code, value in self._options(data, position + 24, position + length - 4):
                if code in _OF_SECTION:
                    self._tell(f"section {_OF_SECTION[code]}: {_text(value)}")
        elif kind == _SIMPLE_PACKET:
            (wire,) = struct.unpack_from(self._order + "I", data, position + 8)
            snaplen = self._interfaces[0].snaplen if self._interfaces else 0
            size = min(wire, length - 16, snaplen or MAX_PACKET)
            self._add(
                batches, data, position, length - 16, _Packet(0, 0, position + 12, size, wire)
            )
        elif kind == _DECRYPTION_SECRETS:
            what, size = struct.unpack_from(self._order + "II", data, position + 8)
            if what == _TLS_KEY_LOG:
                secrets = data[position + 16 : position + 16 + min(size, length - 20)]
                batches.append(Batch(self._store, self._base, data, 0, [], secrets=secrets))
        elif kind == _OLD_PACKET:
            number, _, high, low, size, wire = struct.unpack_from(
                self._order + "HH4I", data, position + 8
            )
            packet = _Packet(number, high << 32 | low, position + 28, size, wire)
            self._add(batches, data, position, length - 32, packet)

    def _add(
        self, batches: list[Batch], data: bytes, position: int, room: int, packet: _Packet
    ) -> bool:
        """Append one packet to the last batch, or to a new one when its interface is another.

        Returns whether it could be believed.
        """
        number, units, start, size, wire = packet
        if number >= len(self._interfaces):
            self._skip(position, f"a packet of interface {number}, which was not declared")
            return False
        if size > room:
            self._skip(position, f"a packet of {size} bytes in a block with room for {room}")
            return False
        if size > MAX_PACKET:
            self._skip(position, f"a packet of {size} bytes")
            return False
        interface = self._interfaces[number]
        record: Record = (interface.time(units), start, start + size, wire)
        last = batches[-1] if batches else None
        if (
            last is None
            or last.tap != interface.name
            or last.linktype != interface.linktype
            or len(last.records) >= BATCH_PACKETS
        ):
            last = Batch(self._store, self._base, data, interface.linktype, [], interface.name)
            batches.append(last)
        if self._about:
            last.about += self._about
            self._about = []
        last.records.append(record)
        return True

    def _keep_comments(self, batch: Batch, data: bytes, position: int, end: int) -> None:
        """Keep what is said of the last packet of a batch."""
        options = self._options(data, position, end)
        texts = [_text(value) for code, value in options if code == _COMMENT]
        if not texts:
            return
        self._comments += 1
        if self._comments <= MAX_COMMENTS:
            batch.comments[len(batch.records) - 1] = "\n".join(texts)[:MAX_COMMENT]
        elif self._comments == MAX_COMMENTS + 1:
            self.notes.append(
                f"more than {MAX_COMMENTS} packets have comments: the rest is left out"
            )

    def _tell(self, line: str) -> None:
        """Keep a line of what the file says of itself."""
        self._told += 1
        if self._told <= MAX_ABOUT:
            self._about.append(line)
        elif self._told == MAX_ABOUT + 1:
            self._about.append("and more of the kind, which is left out")

    def _skip(self, position: int, what: str) -> None:
        """Pass over a block that can't be believed; its length says where the next one begins."""
        self._skipped += 1
        if self._skipped <= _SKIPS_TOLD:
            where = f"damaged at byte {self._at(position)}"
            self.notes.append(Missing(f"{where}: {what}; it is passed over"))
        elif self._skipped == _SKIPS_TOLD + 1:
            self.notes.append(Missing("more blocks are damaged and passed over"))

    def _add_interface(self, data: bytes, position: int, length: int) -> None:
        """Read an interface description block with its name, resolution and offset options."""
        if len(self._interfaces) >= _MAX_INTERFACES:
            self._give_up(position, f"more than {_MAX_INTERFACES} interfaces")
            return
        linktype, _, snaplen = struct.unpack_from(self._order + "HHI", data, position + 8)
        name, units, offset = "", 1_000_000, 0
        said: list[str] = []
        for code, value in self._options(data, position + 16, position + length - 4):
            if code == 2:
                name = value.decode("utf-8", "surrogateescape")
            elif code == 9 and value:
                units = _units_per_second(value[0])
            elif code == 14 and len(value) == 8:
                (seconds,) = struct.unpack(self._order + "q", value)
                offset = seconds * _NS
            elif code in _OF_INTERFACE:
                # A filter's text stands behind a byte that says it is one.
                said.append(f"{_OF_INTERFACE[code]}: {_text(value[code == _FILTER :])}")
        for line in said or ([""] if name else []):
            self._tell(f"interface {name or len(self._interfaces)}{', ' if line else ''}{line}")
        if not name and self._interfaces:
            # Two unnamed interfaces are two capture points all the same.
            name = f"interface {len(self._interfaces)}"
        self._interfaces.append(_Interface(linktype, name, units, offset, snaplen))

    def _options(self, data: bytes, position: int, end: int) -> list[tuple[int, bytes]]:
        """Return a block's options; a length that overruns the block ends them."""
        options: list[tuple[int, bytes]] = []
        while position + 4 <= end:
            code, length = struct.unpack_from(self._order + "HH", data, position)
            position += 4
            if code == 0 or position + length > end:
                break
            options.append((code, data[position : position + length]))
            position += (length + 3) & ~3
        return options


def _text(value: bytes) -> str:
    """Return an option's text, of bounded length."""
    return value[: 4 * MAX_COMMENT].decode("utf-8", "surrogateescape")[:MAX_COMMENT]


def _units_per_second(code: int) -> int:
    """Return the time units per second of an if_tsresol option: powers of 10, or of 2 above 0x7f."""
    power = code & 0x7F
    return int(1 << power) if code & 0x80 else int(10 ** min(power, 30))
