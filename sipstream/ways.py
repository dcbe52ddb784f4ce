"""How messages came: from where to where, over which transport, at which capture point.

A way is one small number in the index; a session has few ways and millions of messages.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from sipstream.decode.endpoints import Endpoints, Flow

TRANSPORTS = ("UDP", "TCP", "WS", "SCTP", "TLS", "WSS")
"""What the index numbers transports by."""
CUT = 0x80
"""Is added to the transport's number where the capture lacks the end of the message's datagram."""

_Way: TypeAlias = tuple[int, int, int, int, int]


class Ways:
    """The columns; one place a way."""

    def __init__(self) -> None:
        self.source = array("I")
        self.destination = array("I")
        self.transport = array("B")
        """A place in TRANSPORTS, with CUT added for messages that the capture cut."""
        self.outer = array("H")
        self.tap = array("H")
        self.network = bytearray()
        """1 for those whose tap was told by an agent, which sees what others see."""
        self._numbers: dict[_Way, int] = {}
        self._free: list[int] = []
        self._generation = object()
        """Is another one when numbers become others': a flow that has one of before asks anew."""

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def places(self) -> int:
        """Numbers of ways are below this."""
        return len(self.source)

    @property
    def generation(self) -> object:
        """Is another one, here and elsewhere, when a number may have become another way's."""
        return self._generation

    def numbers(
        self,
        flows: Iterable[Flow],
        endpoints: Endpoints,
        tap: int,
        tap_number: Callable[[str], int],
    ) -> list[int]:
        """Return the numbers of the flows' ways at a capture point, or at that which an agent told.

        `tap_number` returns the number of a capture point by its name.
        """
        generation = self._generation
        return [
            flow.way
            if flow.generation is generation and flow.tap == tap
            else self._enter(flow, endpoints, tap, tap_number)
            for flow in flows
        ]

    def _enter(
        self, flow: Flow, endpoints: Endpoints, tap: int, tap_number: Callable[[str], int]
    ) -> int:
        """Give a flow the number of its way, and return it."""
        told = endpoints.outers.tap(flow.outer) if flow.outer else ""
        flow.way = self._number(flow, endpoints, tap_number(told) if told else tap)
        self.network[flow.way] = bool(told)
        flow.tap, flow.generation = tap, self._generation
        return flow.way

    def _number(self, flow: Flow, endpoints: Endpoints, tap: int) -> int:
        flow.resolve(endpoints)
        transport = TRANSPORTS.index(flow.transport) | flow.cut * CUT
        way = (flow.source, flow.destination, transport, flow.outer, tap)
        number = self._numbers.get(way)
        if number is None:
            number = self._numbers[way] = self._place()
            self.source[number], self.destination[number] = flow.source, flow.destination
            self.transport[number], self.outer[number] = transport, flow.outer
            self.tap[number] = tap
        return number

    def ends(self, number: int) -> tuple[int, int]:
        """Return the endpoints, source and destination, of a way."""
        return self.source[number], self.destination[number]

    def forget_others(self, used: set[int]) -> set[int]:
        """Give up the ways that aren't used, return the endpoints of those that are left."""
        self._generation = object()
        left: set[int] = set()
        for way, number in list(self._numbers.items()):
            if number in used:
                left.update(way[:2])
            else:
                del self._numbers[way]
                self._free.append(number)
        return left

    def _place(self) -> int:
        if self._free:
            return self._free.pop()
        columns = self.source, self.destination, self.transport, self.outer, self.tap, self.network
        for column in columns:
            column.append(0)
        return len(self.source) - 1
