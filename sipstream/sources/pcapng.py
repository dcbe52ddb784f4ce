"""pcapng files: sections, interfaces, packet blocks (draft-ietf-opsawg-pcapng).

Sans-IO like `pcap`: bytes in any cut, batches out. A batch holds packets of one interface; a new one
begins where the interface changes, because link type and capture point belong to the interface.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from sipstream.limits import BATCH_PACKETS, MAX_PACKET
from sipstream.packets import Batch, Record, Store

MAGIC = b"\x0a\x0d\x0d\x0a"
_SECTION = 0x0A0D0D0A
_INTERFACE = 1
_OLD_PACKET = 2
_SIMPLE_PACKET = 3
_ENHANCED_PACKET = 6
_MAX_BLOCK = 16 << 20
"""Longest block believed; blocks of other kinds may be larger than a packet."""
_MAX_INTERFACES = 65_536
_NS = 1_000_000_000


@dataclass(slots=True, frozen=True)
class _Interface:
    linktype: int
    name: str
    units_per_second: int
    offset_ns: int
    snaplen: int

    def time(self, units: int) -> int:
        """Return ns since the epoch for a time stamp in the interface's units."""
        return units * _NS // self.units_per_second + self.offset_ns


class PcapngReader:
    """Reads one pcapng stream; `offset` is the place in `store` of the first byte fed."""

    def __init__(self, store: Store, offset: int = 0) -> None:
        self.notes: list[str] = []
        self._store = store
        self._base = offset
        self._start = offset
        self._rest = b""
        self._order = "<"
        self._interfaces: list[_Interface] = []
        self._broken = False

    def feed(self, data: bytes) -> list[Batch]:
        """Take the next bytes, return the whole packets they complete."""
        if self._broken:
            return []
        data = self._rest + data if self._rest else data
        batches: list[Batch] = []
        position = 0
        while len(data) - position >= 12:
            kind, length = self._block_head(data, position)
            if not 12 <= length <= _MAX_BLOCK or length % 4:
                self._give_up(position, f"a block of {length} bytes")
                break
            if position + length > len(data):
                break
            self._read_block(kind, data, position, length, batches)
            if self._broken:
                break
            position += length
        self._rest = b"" if self._broken else data[position:]
        self._base += position
        return batches

    def finish(self) -> list[Batch]:
        """Say where the file was cut, if it was; nothing more comes of it."""
        if self._rest:
            place = self._base - self._start
            self.notes.append(
                f"cut short at byte {place}: the last {len(self._rest)} bytes are no whole block"
            )
            self._rest = b""
        return []

    def _block_head(self, data: bytes, position: int) -> tuple[int, int]:
        """Return the block's type and length; a section header sets the byte order first."""
        if data[position : position + 4] == MAGIC:
            self._order = ">" if data[position + 8 : position + 12] == b"\x1a\x2b\x3c\x4d" else "<"
        kind, length = struct.unpack_from(self._order + "II", data, position)
        return int(kind), int(length)

    def _read_block(
        self, kind: int, data: bytes, position: int, length: int, batches: list[Batch]
    ) -> None:
        if kind == _ENHANCED_PACKET and length >= 32:
            number, high, low, size, wire = struct.unpack_from(
                self._order + "5I", data, position + 8
            )
            self._add(
                batches, data, position + 28, length - 32, number, (high << 32) | low, size, wire
            )
        elif kind == _INTERFACE and length >= 20:
            self._add_interface(data, position, length)
        elif kind == _SECTION:
            self._interfaces.clear()
        elif kind == _SIMPLE_PACKET and length >= 16:
            (wire,) = struct.unpack_from(self._order + "I", data, position + 8)
            snaplen = self._interfaces[0].snaplen if self._interfaces else 0
            size = min(wire, length - 16, snaplen or MAX_PACKET)
            self._add(batches, data, position + 12, length - 16, 0, 0, size, wire)
        elif kind == _OLD_PACKET and length >= 32:
            number, _, high, low, size, wire = struct.unpack_from(
                self._order + "HH4I", data, position + 8
            )
            self._add(
                batches, data, position + 28, length - 32, number, (high << 32) | low, size, wire
            )

    def _add(
        self,
        batches: list[Batch],
        data: bytes,
        start: int,
        room: int,
        number: int,
        units: int,
        size: int,
        wire: int,
    ) -> None:
        """Append one packet to the last batch, or to a new one when its interface is another."""
        if number >= len(self._interfaces):
            self._give_up(start - 28, f"a packet of interface {number}, which was not declared")
            return
        if size > min(room, MAX_PACKET):
            self._give_up(start - 28, f"a packet of {size} bytes in a block with room for {room}")
            return
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
        last.records.append(record)

    def _add_interface(self, data: bytes, position: int, length: int) -> None:
        """Read an interface description block with its name, resolution and offset options."""
        if len(self._interfaces) >= _MAX_INTERFACES:
            self._give_up(position, f"more than {_MAX_INTERFACES} interfaces")
            return
        linktype, _, snaplen = struct.unpack_from(self._order + "HHI", data, position + 8)
        name, units, offset = "", 1_000_000, 0
        for code, value in self._options(data, position + 16, position + length - 4):
            if code == 2:
                name = value.decode("utf-8", "surrogateescape")
            elif code == 9 and value:
                units = _units_per_second(value[0])
            elif code == 14 and len(value) == 8:
                (seconds,) = struct.unpack(self._order + "q", value)
                offset = seconds * _NS
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

    def _give_up(self, position: int, what: str) -> None:
        """Stop reading: nothing says where the next believable block begins."""
        place = self._base + position - self._start
        self.notes.append(f"damaged at byte {place}: {what}; what follows is not read")
        self._broken = True


def _units_per_second(code: int) -> int:
    """Return the time units per second of an if_tsresol option: powers of 10, or of 2 above 0x7f."""
    power = code & 0x7F
    return int(1 << power) if code & 0x80 else int(10 ** min(power, 30))
