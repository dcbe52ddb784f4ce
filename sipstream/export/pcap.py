"""The packets of conversations, as a pcap or pcapng file: the records as they were captured, by time.

Pure but for reads of the stores that packets lie in: the file comes as pieces of bytes, whoever takes
them says when a turn is over. What was located is looked for again in its capture, record by record,
so that nothing has to be remembered for it while captures are read.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Iterator
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, TypeVar

from sipstream.errors import CommandError
from sipstream.export.chosen import Chosen, Origin, Piece
from sipstream.export.made import Maker
from sipstream.export.search import Search, Wanted
from sipstream.export.walk import walk
from sipstream.limits import MAX_PACKET
from sipstream.packets import Batch, Linktype, Store
from sipstream.render.sighted import at
from sipstream.sources.textstore import TextStore
from sipstream.spool import Spool
from sipstream.views import Message
from sipstream.ways import CUT, TRANSPORTS

if TYPE_CHECKING:
    from sipstream.conversations import Conversations
    from sipstream.export.media import Media
    from sipstream.redact import Redactor

_Value = TypeVar("_Value")
_BLOCK = 1 << 18
"""Bytes of packets given out together."""
_TOGETHER = 2048
"""Messages sorted together, in a millisecond."""
_NS = 10**9
_LONGEST_OPTION = 0xFFFF
"""Bytes that an option of pcapng holds at most."""


class Export:
    """Packets of conversations. `captures` are the stores of all sources, in their order.

    With a redactor packets are made of masked messages: in those captured too much stands that nobody
    knows, and what fragments and streams hold can't be masked where it lies. `media` are looked for in
    the captures, too.

    `pieces` gives the file; once it has ended the other attributes tell what is in it.
    """

    def __init__(
        self,
        conversations: Conversations,
        captures: Iterable[Store],
        redactor: Redactor | None = None,
        media: Media | None = None,
    ) -> None:
        self.packets = 0
        self.messages = 0
        self.conversations = 0
        self.made = 0
        """Messages of captures that got a packet made for them: theirs are gone."""
        self.enveloped = 0
        """Messages that came in envelopes (HEP): each gets a packet as it had where a tap saw it."""
        self.lost = 0
        """Messages of which nothing is left to be read."""
        self.left_out = 0
        """Messages that long conversations had given up before."""
        self.names = 0
        """Hosts for whose names addresses stand."""
        self._index = conversations.index
        self._redactor = redactor
        self._media = media
        self._captures = {id(store): store for store in captures}
        self._located: dict[int, list[tuple[int, int]]] = {}
        """Of a store: places of messages, and their numbers."""
        self._joined: list[Wanted] = []
        self._printed: list[int] = []
        self._chosen = Chosen()

    def pieces(
        self, numbers: Iterable[int], due: Callable[[], bool], *, pcapng: bool | None = False
    ) -> Iterator[bytes]:
        """Yield the file with the packets of conversations; b"" where only a turn is over.

        `pcapng` None takes that format where a pcap can't hold the packets.

        Raises:
            CommandError: packets of several link types don't fit a pcap; before the first byte.
        """
        for _ in self._find(numbers):
            if due():
                yield b""
        for _ in self._make() if self._printed else ():
            if due():
                yield b""
        linktypes = self._chosen.linktypes()
        if len(linktypes) > 1 and pcapng is False:
            raise CommandError(
                f"the packets have {len(linktypes)} link types"
                f" ({', '.join(map(str, sorted(linktypes)))}), and a pcap holds one:"
                " name the file so that it ends in .pcapng"
            )
        as_pcapng = len(linktypes) > 1 if pcapng is None else pcapng
        finer = yield from self._finer(due)
        writer = Pcapng(self._chosen, finer) if as_pcapng else Pcap(self._chosen, finer)
        block = bytearray(writer.head())
        for packet in self._chosen.in_order(due):
            if packet is not None:
                block += writer.record(packet, self._read(packet))
                self.packets += 1
            if packet is None or len(block) >= _BLOCK or due():
                yield bytes(block)
                block.clear()
        yield bytes(block)

    # Within

    def _finer(self, due: Callable[[], bool]) -> Generator[bytes, None, set[int]]:
        steps = self._chosen.finer_than_microseconds(due)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                finer: set[int] = end.value
                return finer
            yield b""

    def _find(self, numbers: Iterable[int]) -> Iterator[None]:
        """Choose the packets of messages, in steps."""
        for number in numbers:
            self.conversations += 1
            self.left_out += self._index.c_left_out.get(number, 0)
            for message in self._index.arrived(number):
                self._sort(message)
            yield
        if self._redactor is not None:
            return
        gone: list[int] = []
        for store in self._captures.values():
            located = yield from in_order(self._located.pop(id(store), []), itemgetter(0))
            if located or self._joined or self._media is not None:
                yield from self._look_through(store, located, gone)
        self.made = len(gone) + len(self._joined)
        # Of what was printed nothing is joined but in sources of text: there it is the rule.
        self._printed += [*gone, *(one.message for one in self._joined)]

    def _sort(self, message: int) -> None:
        """Put a message to those that are found in the same way."""
        index = self._index
        self.messages += 1
        if self._redactor is not None:
            self._printed.append(message)
            return
        if index.endpoints.outers.is_agent(index.ways.outer[index.m_way[message]]):
            self.enveloped += 1
            self._printed.append(message)
            return
        store = index.stores[index.m_store[message]]
        if id(store) in self._captures:
            place = index.m_offset[message]
            self._located.setdefault(id(store), []).append((place, message))
        elif isinstance(store, TextStore):
            self._printed.append(message)
        else:
            way = index.m_way[message]
            keys = tuple(map(index.endpoints.key, index.ways.ends(way)))
            transport = TRANSPORTS[index.ways.transport[way] & ~CUT]
            self._joined.append(
                Wanted(message, index.m_time[message], (keys[0], keys[1]), transport)
            )

    def _look_through(
        self, store: Store, located: list[tuple[int, int]], gone: list[int]
    ) -> Iterator[None]:
        """Choose the packets in a store; messages that no packet of it has are `gone`."""
        search = Search(self._joined, self._index.raw, self._chosen) if self._joined else None
        upto = 0
        for batch in walk(store):
            if batch.records:
                if batch.comments:
                    self._chosen.keep_comments(batch)
                upto = self._take_located(batch, located, upto, gone)
                if search is not None:
                    search.see(batch)
                if self._media is not None:
                    self._media.see(batch, self._chosen)
            elif upto == len(located) and search is None and self._media is None:
                break
            yield
        gone += [message for _, message in located[upto:]]
        if search is not None:
            yield from search.finish(store.read)
            self._joined = [one for one in self._joined if one.message not in search.found]

    def _take_located(
        self, batch: Batch, located: list[tuple[int, int]], upto: int, gone: list[int]
    ) -> int:
        """Choose the packets of a batch that messages lie in; return how many messages are done."""
        base, records = batch.base, batch.records
        end = base + records[-1][2]
        if upto == len(located) or located[upto][0] >= end:
            return upto
        origin = self._chosen.of_batch(batch)
        starts = [record[1] for record in records]
        before = -1
        while upto < len(located) and located[upto][0] < end:
            place, message = located[upto]
            number = bisect_right(starts, place - base) - 1
            if number < 0 or place - base >= records[number][2]:
                gone.append(message)
            elif number != before:
                time, start, stop, wire = records[number]
                self._chosen.add((origin, time, base + start, stop - start, wire))
                before = number
            upto += 1
        return upto

    def _make(self) -> Iterator[None]:
        """Make packets for messages that have none, in steps."""
        index = self._index
        linktypes = self._chosen.linktypes() or {Linktype.ETHERNET}
        maker = Maker(index.endpoints, min(linktypes))
        spool = Spool()
        for message in (yield from in_order(self._printed, index.m_time.__getitem__)):
            raw = index.raw(message)
            if len(raw) < index.m_length[message]:
                self.lost += 1
                continue
            if isinstance(index.stores[index.m_store[message]], TextStore):
                raw = with_line_ends(raw)
            if self._redactor is not None:
                raw = self._redactor.message(raw)
            way = index.m_way[message]
            origin = self._chosen.origin(spool, maker.linktype, index.taps[index.ways.tap[way]])
            transport = TRANSPORTS[index.ways.transport[way] & ~CUT]
            time = index.m_time[message]
            seen = Message(index, message).sightings if message in index.sightings else ()
            for packet in maker.packets(*index.ways.ends(way), transport, raw):
                size, place = len(packet), spool.append(packet)
                self._chosen.add((origin, time, place, size, size))
                if seen:
                    self._chosen.comment_on(origin, place, f"seen at {at(seen)}")
            yield
        self.names = len(maker.names)
        if self._redactor is not None or not self._captures_packets():
            self.made = 0

    def _captures_packets(self) -> bool:
        """Tell whether any source was a capture of packets, not of text."""
        return any(next(walk(store), None) is not None for store in self._captures.values())

    def _read(self, packet: Piece) -> bytes:
        """Return a packet's bytes; fewer where its file has become shorter since."""
        origin, _, place, size, _ = packet
        data = self._chosen.origins[origin].store.read(place, size)
        self.lost += len(data) < size
        return data


def in_order(
    values: list[_Value], key: Callable[[_Value], int]
) -> Generator[None, None, list[_Value]]:
    """Return values sorted, in steps: a million take a second."""
    runs: list[list[_Value]] = []
    for begin in range(0, len(values), _TOGETHER):
        runs.append(sorted(values[begin : begin + _TOGETHER], key=key))
        yield
    if len(runs) < 2:
        return runs[0] if runs else []
    found: list[_Value] = []
    merged = merge(*runs, key=key)
    while part := list(islice(merged, _TOGETHER // 4)):
        found += part
        yield
    return found


def with_line_ends(raw: bytes) -> bytes:
    """Return a message that was printed with the line ends it was sent with (RFC 3261 section 7)."""
    return raw if b"\r\n" in raw else raw.replace(b"\n", b"\r\n")


class Pcap:
    """A pcap file: of ns where a packet has a time that is no whole µs (`finer`), else of µs."""

    def __init__(self, chosen: Chosen, finer: set[int]) -> None:
        self._scale = 1 if finer else 1000
        self._linktype = min(chosen.linktypes(), default=Linktype.ETHERNET)

    def head(self) -> bytes:
        """Return what the file begins with."""
        magic = 0xA1B23C4D if self._scale == 1 else 0xA1B2C3D4
        return struct.pack("<IHHiIII", magic, 2, 4, 0, 0, MAX_PACKET, self._linktype)

    def record(self, packet: Piece, data: bytes) -> bytes:
        """Return a packet's record."""
        _, time, _, _, wire = packet
        seconds, rest = divmod(max(time, 0), _NS)
        fields = (seconds & 0xFFFFFFFF, rest // self._scale, len(data), max(wire, len(data)))
        return struct.pack("<IIII", *fields) + data


class Pcapng:
    """A pcapng file: an interface for each link type and capture point, with the packets' comments.

    Times are of ns on interfaces of `finer` origins, which have some that are no whole µs, else of µs.
    """

    def __init__(self, chosen: Chosen, finer: set[int]) -> None:
        self._chosen = chosen
        self._interfaces: dict[tuple[int, str], int] = {}
        self._numbers = [self._interface(origin) for origin in chosen.origins]
        self._finer = {self._numbers[origin] for origin in finer}

    def _interface(self, origin: Origin) -> int:
        key = (origin.linktype, origin.tap)
        return self._interfaces.setdefault(key, len(self._interfaces))

    def head(self) -> bytes:
        """Return what the file begins with: section and interfaces."""
        head = _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
        for (linktype, tap), number in self._interfaces.items():
            name = _option(2, tap.encode("utf-8", "surrogateescape")) if tap else b""
            # if_tsresol: the tenth power that parts of a second have.
            resolution = _option(9, b"\x09" if number in self._finer else b"\x06")
            options = name + resolution + _option(0, b"")
            head += _block(1, struct.pack("<HHI", linktype, 0, MAX_PACKET) + options)
        return head

    def record(self, packet: Piece, data: bytes) -> bytes:
        """Return a packet's block."""
        origin, time, _, _, wire = packet
        number = self._numbers[origin]
        units = max(time, 0) // (1 if number in self._finer else 1000)
        size = len(data)
        fields = (number, *divmod(units, 1 << 32), size, max(wire, size))
        comments = self._chosen.comment(packet)
        options = b""
        for line in comments.split("\n") if comments else ():
            options += _option(1, line.encode("utf-8", "surrogateescape")[:_LONGEST_OPTION])
        end = _option(0, b"") if options else b""
        return _block(6, struct.pack("<IIIII", *fields) + data + bytes(-size % 4) + options + end)


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)
