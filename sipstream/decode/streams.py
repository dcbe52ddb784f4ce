"""TCP segments on their way to datagrams: streams in order, WebSocket taken off, memory bounded.

Sans-IO. Knows flows and what hangs on them (`tcp.Stream`, `websocket.Deframer`); knows nothing of
frames and IP headers.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import TypeAlias

from sipstream.decode import tcp, websocket
from sipstream.decode.endpoints import Flow, Flows
from sipstream.decode.held import Held
from sipstream.limits import MAX_STREAMS, STREAMS_PENDING
from sipstream.reasons import NO_DATA, NOT_SIP, PART, RETRANSMISSION, WEBSOCKET

Datagram: TypeAlias = tuple[int, Flow, bytes, int, int, int, int]
"""Time (ns), flow, data, start and end of the payload there, place of its first byte in the batch's
store (-1: not there as it is), packets it accounts for (0 when another datagram of the same packet
does). Of a stream, start == end says that bytes are missing before what comes next."""


class Streams:
    """The TCP directions of one source; packets that give no datagram are counted in `reasons`."""

    def __init__(self, flows: Flows, reasons: Counter[str]) -> None:
        self._flows = flows
        self._reasons = reasons
        self._known: OrderedDict[Flow, None] = OrderedDict()
        """Flows with a stream, the longest idle one first."""
        self._held = Held()
        """Of flows that wait behind a hole."""

    def segment(
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
        offset: int,
    ) -> None:
        """Hand one segment to its stream, and its acknowledgement to the other direction's.

        `offset` is the place of data[start] in the batch's store, -1 where it isn't there as it is.
        """
        back = self._flows.reverse(flow)
        if back.stream is not None and back.stream.waiting:
            self._emit(datagrams, time, back, back.stream.acknowledged(acknowledged), 0)
            self._account(back)
        stream = flow.stream
        if stream is None:
            if start == end and not flags & tcp.SYN:
                self._reasons[NO_DATA] += 1
                return
            stream = flow.stream = tcp.Stream()
        self._remember(datagrams, flow)
        if stream.begins_anew(sequence, flags):
            self._give_up_all(datagrams, flow)
        piece = stream.feed(time, sequence, flags, data, start, end, offset)
        if not self._emit(datagrams, time, flow, piece, 1):
            late = RETRANSMISSION if stream.retransmitted else PART
            self._reasons[NO_DATA if start == end else late] += 1
        # Only now: of this flow too, what is given up comes behind what was in turn.
        self._account(flow)
        while self._held.total > STREAMS_PENDING:
            self._give_up(datagrams, self._held.longest)

    def finish(self, datagrams: list[Datagram]) -> None:
        """The source ended: append what streams still hold, and that no more of any will come."""
        for flow in self._known:
            self._end(datagrams, flow)

    def _give_up(self, datagrams: list[Datagram], flow: Flow) -> None:
        """Append what a stream holds behind a hole that won't be filled."""
        if flow.stream is not None:
            self._emit(datagrams, flow.stream.time, flow, flow.stream.give_up(), 0)
        self._account(flow)

    def _give_up_all(self, datagrams: list[Datagram], flow: Flow) -> None:
        """Append all that a stream holds, hole after hole."""
        while flow.stream is not None and flow.stream.waiting:
            self._give_up(datagrams, flow)

    def _end(self, datagrams: list[Datagram], flow: Flow) -> None:
        """Append what a stream holds, and that no more of it will come."""
        self._give_up_all(datagrams, flow)
        if flow.stream is not None:
            datagrams.append((flow.stream.time, flow, b"", 0, 0, -1, 0))

    def _account(self, flow: Flow) -> None:
        """Take note of how much a stream holds now."""
        self._held.note(flow, flow.stream.pending_bytes if flow.stream is not None else 0)

    def _remember(self, datagrams: list[Datagram], flow: Flow) -> None:
        """Keep the number of streams bounded: the longest idle one ends first."""
        self._known[flow] = None
        self._known.move_to_end(flow)
        if len(self._known) > MAX_STREAMS:
            oldest, _ = self._known.popitem(last=False)
            self._end(datagrams, oldest)
            oldest.stream = oldest.websocket = None

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
            late = websocket.is_frame(data, start, end)
            if not late and not websocket.may_begin(data, start, end):
                datagrams.append((time, flow, data, start, end, offset, packets))
                return True
            flow.websocket = websocket.Deframer(in_handshake=not late)
        inner = self._flows.between(flow.source_key, flow.destination_key, "WS", flow.outer)
        for message in flow.websocket.feed(data[start:end]):
            datagrams.append((time, inner, message, 0, len(message), -1, packets))
            packets = 0
        if packets:
            self._reasons[NOT_SIP if flow.websocket.is_http else WEBSOCKET] += 1
        return True
