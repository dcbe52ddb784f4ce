"""Ranges of a large file, each taken through decode and SIP by itself, in a process of its own.

Whoever takes a range finds where its first packet seems to begin. A range in which packets need what
came before them (segments, fragments, tunnels), or about which anything has to be told, gives nothing:
it is left to who reads the file in its order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeAlias

from sipstream.decode.decoder import Decoder
from sipstream.decode.endpoints import Endpoints, Flow, Outers, Plain
from sipstream.limits import CHUNK, TEXT_CHUNK
from sipstream.packets import Batch, Tally
from sipstream.sip import startline
from sipstream.sip.found import Found, Packed
from sipstream.sip.scan import Scanner
from sipstream.sources.pcap import RECORD, PcapReader
from sipstream.spool import FileStore

if TYPE_CHECKING:
    from sipstream.sources.text import TextReader


_LOOK = 1 << 15
"""Bytes in which a packet is looked for first."""


class Range(NamedTuple):
    """What came of a range; plain values, to be sent."""

    start: int
    end: int
    """Places in the file: of the first packet, and behind the last one."""
    first: int
    last: int
    """The times of these (ns), of text only."""
    tally: Tally
    flows: list[Plain]
    """Those that its process hasn't told of before: their numbers follow on."""
    found: Packed


Scan: TypeAlias = Callable[[int, int], Range | None]
"""Takes the packets that begin between two places of the file; None where that isn't possible."""


def of_capture(reader: PcapReader, file: FileStore) -> Scan:
    """Return what takes ranges of a pcap file; `reader` stands behind its header."""
    around, stages = reader.seconds(file.read(reader.position, RECORD)), _Stages()

    def scan(start: int, stop: int) -> Range | None:
        offset = reader.find(file.read(start, _LOOK), around)
        if offset is None:
            # Packets may be large.
            offset = reader.find(file.read(start, CHUNK), around)
        if offset is None:
            return None
        own = reader.at(file, start + offset)
        found = stages.take(batch for part in own.read_until(stop) for batch in part)
        if found is None or own.notes or own.position < stop:
            return None
        return stages.range(found, start + offset, own.position)

    return scan


def of_text(reader: TextReader, file: FileStore) -> Scan:
    """Return what takes ranges of text; `reader` has seen its first packet."""
    stages = _Stages()

    def scan(start: int, stop: int) -> Range | None:
        offset = reader.find(file.read(start - 1, CHUNK))
        if offset is None:
            return None
        begin = start - 1 + offset
        own = reader.at(begin)
        packets = _TextUntil(own, file, begin, stop)
        found = stages.take(packets)
        if found is None or packets.end is None or packets.first is None:
            return None
        if own.notes or own.strange or not own.is_plain:
            return None
        return stages.range(found, begin, packets.end, packets.first, packets.last)

    return scan


class _TextUntil:
    """The packets of a text, to be drawn once, whose lines begin before a place."""

    def __init__(self, reader: TextReader, file: FileStore, begin: int, stop: int) -> None:
        self._reader, self._file, self._place, self._stop = reader, file, begin, stop
        self.end: int | None = None
        """Where the first packet behind them begins, once it has come."""
        self.first: int | None = None
        self.last = 0
        """Times of the first and the last packet (ns)."""

    def __iter__(self) -> Iterator[Batch]:
        while self.end is None and (data := self._file.read(self._place, TEXT_CHUNK)):
            self._place += len(data)
            for batch in self._reader.feed(data):
                inside = bisect_left(batch.records, self._stop - batch.base, key=itemgetter(1))
                if self.end is None and inside < len(batch.records):
                    self.end = batch.base + batch.records[inside][1]
                if inside:
                    part, _ = batch.parts(inside)
                    if self.first is None:
                        self.first = part.records[0][0]
                    self.last = part.records[-1][0]
                    yield part
            if self.end is None and self._reader.position >= self._stop:
                self.end = self._reader.position


class _Stages:
    """Decode and SIP of one process, which takes range after range."""

    def __init__(self) -> None:
        self._tally = Tally("")
        self._decoder, self._scanner = _RangeDecoder(self._tally), Scanner(self._tally)
        self._flows: dict[Flow, int] = {}
        self._methods = startline.methods_seen()

    def take(self, batches: Iterable[Batch]) -> Found | None:
        """Return the messages of a range's packets, None where these need others."""
        self._tally.clear()
        found = Found()
        try:
            for batch in batches:
                self._scanner.feed(self._decoder.feed(batch), found).settle()
        except _OutOfTurnError:
            return None
        # What a method's number means is known in this process only.
        strange = self._tally.suspects or startline.methods_seen() > self._methods
        return None if strange else found

    def range(self, found: Found, start: int, end: int, first: int = 0, last: int = 0) -> Range:
        """Return what came of a range."""
        packed, flows = found.packed(self._flows)
        plain = [self._decoder.flows.plain(flow) for flow in flows]
        return Range(start, end, first, last, self._tally, plain, packed)


class _OutOfTurnError(BaseException):
    """A packet needs what came before it. No fault: it passes by those who catch these."""


def _refuse(*arguments: Any) -> NoReturn:
    raise _OutOfTurnError


class _InOrder:
    """Stands where a decoder keeps what came before."""

    feed = segment = _refuse


class _Interfaces(Outers):
    """Knows interfaces; the numbers of tunnels and agents are another process's."""

    tunnel = agent = _refuse  # type: ignore[assignment]


class _RangeDecoder(Decoder):
    """Decodes packets that need no others."""

    def __init__(self, tally: Tally) -> None:
        super().__init__(tally, Endpoints(_Interfaces()))
        self._fragments = self._user_messages = self._streams = _InOrder()  # type: ignore[assignment]
