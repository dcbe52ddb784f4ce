"""Packets that tcpdump printed, one by one into datagrams: what the decoder does with a batch of text.

Sans-IO. Most need next to nothing here: the cut into packets read them (`Usual`), or a hex dump gives the
packet itself.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from typing import TypeAlias

from sipstream.decode import hexdump
from sipstream.decode.endpoints import Flows
from sipstream.decode.printed import Printed, parse_printed
from sipstream.decode.printed_tcp import PrintedFlows
from sipstream.decode.printed_usual import is_sound
from sipstream.decode.streams import Datagram, Streams
from sipstream.packets import Batch, Linktype, Tally

Dumped: TypeAlias = Callable[[list[Datagram], int, int, bytes], None]
"""Decodes a packet: where its datagrams go, its time, link type and bytes."""


class PrintedPackets:
    """The printed packets of one source; `dumped` takes those of hex dumps."""

    def __init__(self, tally: Tally, flows: Flows, streams: Streams, dumped: Dumped) -> None:
        self._tally = tally
        self._flows = flows
        self._streams = streams
        self._dumped = dumped
        self._printed_flows = PrintedFlows(flows)

    def feed(self, datagrams: list[Datagram], batch: Batch) -> None:
        """Append the datagrams of a batch of text."""
        data, base, append = batch.data, batch.base, datagrams.append
        flow_of, flow_of_lines = self._printed_flows.usual, self._printed_flows.usual_lines
        for (time, start, end, _), usual in zip_longest(batch.records, batch.usual):
            if usual is not None:
                ends, begin, length, message = usual
                if message is not None:
                    flow = flow_of_lines(ends)
                    if flow is not None:
                        append((time, flow, message, 0, length, base + begin, 1))
                        continue
                else:
                    flow = flow_of(ends)
                    if flow is not None and is_sound(data, begin, end - 1, length):
                        append((time, flow, data, begin, end - 1, base + begin, 1))
                        continue
            self._one(datagrams, time, data, start, end, base)

    def _one(
        self, datagrams: list[Datagram], time: int, data: bytes, start: int, end: int, base: int
    ) -> None:
        """Decode a packet; whatever it makes us do wrong, the next one has its turn."""
        before = len(datagrams)
        try:
            dump = hexdump.below(data, start, end)
            if dump is not None:
                self._dumped(datagrams, time, hexdump.linktype(dump), dump)
            else:
                self._parsed(datagrams, time, parse_printed(data, start, end), base)
        except Exception as error:
            packets = int(not any(one[6] for one in datagrams[before:]))
            self._tally.suspect(error, packets, Linktype.TCPDUMP_TEXT, time, data[start:end])

    def _parsed(self, datagrams: list[Datagram], time: int, printed: Printed, base: int) -> None:
        """Decode a packet as far as its form kept it."""
        if printed.packet is not None:
            self._dumped(datagrams, time, printed.linktype, printed.packet)
            return
        if printed.reason:
            self._tally.reasons[printed.reason] += 1
            return
        flow = self._printed_flows.flow(printed)
        data, start, end = printed.data, printed.start, printed.end
        if printed.transport == "UDP":
            if printed.cut:
                flow = self._flows.cut(flow)
            # What stands behind a line end and a tab is taken for text of -v in the store.
            known = printed.offset_known and data[start - 2 : start] != b"\n\t"
            offset = base + start if known else -1
            datagrams.append((time, flow, data, start, end, offset, 1))
            return
        number = self._printed_flows.number(flow, printed)
        seen = self._printed_flows.acknowledged(self._flows.reverse(flow), printed)
        self._streams.segment(
            datagrams, time, flow, number, printed.flags, seen, data, start, end, -1
        )
