"""TCP segments on their way to datagrams: streams in order, TLS and WebSocket taken off, memory bounded.

Sans-IO. Knows flows and what hangs on them (`tcp.Stream`, `tls.Direction`, `websocket.Deframer`);
knows nothing of frames and IP headers.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import TYPE_CHECKING, TypeAlias

from sipstream.decode import tcp, websocket
from sipstream.decode.endpoints import Flow, Flows
from sipstream.decode.held import Held
from sipstream.decode.keylog import Secrets
from sipstream.limits import MAX_STREAMS, STREAMS_PENDING, TLS_HELD
from sipstream.reasons import NO_DATA, NOT_SIP, PART, RETRANSMISSION, TLS, WEBSOCKET

if TYPE_CHECKING:
    from sipstream.decode.tls import Connection, Direction, Outcome

Datagram: TypeAlias = tuple[int, Flow, bytes, int, int, int, int]
"""Time (ns), flow, data, start and end of the payload there, place of its first byte in the batch's
store (-1: not there as it is), packets it accounts for (0 when another datagram of the same packet
does). Of a stream, start == end says that bytes are missing before what comes next."""


class Streams:
    """The TCP directions of one source; packets that give no datagram are counted in `reasons`."""

    def __init__(self, flows: Flows, reasons: Counter[str], secrets: Secrets) -> None:
        self._flows = flows
        self._reasons = reasons
        self._secrets = secrets
        self._known: OrderedDict[Flow, None] = OrderedDict()
        """Flows with a stream, the longest idle one first."""
        self._held = Held()
        """Of flows that wait behind a hole."""
        self._held_tls = Held()
        """Of flows whose TLS records aren't whole or wait for keys."""

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
            self._end_tls(datagrams, flow)
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
        self._end_tls(datagrams, flow)

    def _account(self, flow: Flow) -> None:
        """Take note of how much a stream holds now."""
        self._held.note(flow, flow.stream.pending_bytes if flow.stream is not None else 0)

    def _remember(self, datagrams: list[Datagram], flow: Flow) -> None:
        """Keep the number of streams bounded: the longest idle one ends first."""
        self._known[flow] = None
        self._known.move_to_end(flow)
        if len(self._known) > MAX_STREAMS:
            oldest, _ = self._known.popitem(last=False)
            inner = self._within(oldest) if oldest.tls else oldest
            self._end(datagrams, oldest)
            for one in (oldest, inner):
                one.stream = one.websocket = None

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
            self._lost(datagrams, time, flow)
        if start == end:
            return False
        if flow.tls is None:
            flow.tls = self._look_for_tls(flow, data, start, end)
        if flow.tls:
            self._take_tls(datagrams, time, flow, data[start:end], packets)
        elif flow.websocket is None and not websocket.begins(data, start, end):
            datagrams.append((time, flow, data, start, end, offset, packets))
        else:
            self._take_websocket(datagrams, time, flow, data[start:end], packets)
        return True

    def _lost(self, datagrams: list[Datagram], time: int, flow: Flow) -> None:
        """Bytes of a stream are missing here, or another connection begins."""
        if not flow.tls:
            flow.tls = None
        elif flow.tls is not True:
            flow.tls.lost(time)
            flow = self._within(flow)
        flow.websocket = None
        datagrams.append((time, flow, b"", 0, 0, -1, 0))

    def _take_websocket(
        self, datagrams: list[Datagram], time: int, flow: Flow, data: bytes, packets: int
    ) -> None:
        """Append the messages that WebSocket carries."""
        if flow.websocket is None:
            flow.websocket = websocket.Deframer(
                in_handshake=websocket.may_begin(data, 0, len(data))
            )
        transport = "WS" if flow.transport == "TCP" else "WSS"
        inner = self._flows.between(flow.source_key, flow.destination_key, transport, flow.outer)
        for message in flow.websocket.feed(data):
            datagrams.append((time, inner, message, 0, len(message), -1, packets))
            packets = 0
        if packets:
            self._reasons[NOT_SIP if flow.websocket.is_http else WEBSOCKET] += packets

    # TLS

    def _look_for_tls(
        self, flow: Flow, data: bytes, start: int, end: int
    ) -> Direction | bool | None:
        """Return what reads a stream that begins as TLS does; True where there are no secrets.

        False where it begins with text; None where nothing can be said: the capture may have begun in
        the middle of a record.
        """
        if 32 <= data[start] < 127 or data[start] in b"\r\n":
            return False
        # Here and below: what most streams don't need isn't loaded for them.
        from sipstream.decode import tls_records

        if not tls_records.may_begin(data, start, end):
            return None
        if not self._secrets:
            return True
        from sipstream.decode.tls import Connection

        # So it is known as a stream's, and kept as long.
        self._within(flow).stream = flow.stream
        other = self._flows.reverse(flow).tls
        joins = other and other is not True and not other.connection.complete
        connection: Connection = other.connection if joins else Connection(self._secrets)
        return connection.direction(flow)

    def _take_tls(
        self, datagrams: list[Datagram], time: int, flow: Flow, data: bytes, packets: int
    ) -> None:
        """Append what TLS carries."""
        direction = flow.tls
        if direction is True:
            self._reasons[TLS] += packets
            return
        self._opened(datagrams, direction.connection, direction.feed(time, data, packets))
        while self._held_tls.total > TLS_HELD:
            waiting: Connection = self._held_tls.longest.tls.connection
            waiting.give_up(TLS)
            self._opened(datagrams, waiting, [])

    def _opened(
        self, datagrams: list[Datagram], connection: Connection, outcomes: list[Outcome]
    ) -> None:
        """Append what records carried, count those that carried nothing."""
        for flow, time, packets, data, reason in outcomes:
            inner = self._within(flow)
            if data is None:
                self._reasons[reason] += packets
            elif not data:
                inner.websocket = None
                datagrams.append((time, inner, b"", 0, 0, -1, 0))
            elif inner.websocket is None and not websocket.begins(data, 0, len(data)):
                datagrams.append((time, inner, data, 0, len(data), -1, packets))
            else:
                self._take_websocket(datagrams, time, inner, data, packets)
        for direction in connection.directions:
            self._held_tls.note(direction.flow, direction.held)

    def _end_tls(self, datagrams: list[Datagram], flow: Flow) -> None:
        """The connection is over: append what waiting records carry after all."""
        direction = flow.tls
        if direction and direction is not True:
            self._opened(datagrams, direction.connection, direction.connection.release())
            direction.connection.directions.remove(direction)
            self._held_tls.note(flow, 0)
            inner = self._within(flow)
            inner.websocket = None
            datagrams.append((flow.stream.time if flow.stream else 0, inner, b"", 0, 0, -1, 0))
        flow.tls = None

    def _within(self, flow: Flow) -> Flow:
        """Return the flow of what a flow's TLS carries."""
        return self._flows.between(flow.source_key, flow.destination_key, "TLS", flow.outer)
