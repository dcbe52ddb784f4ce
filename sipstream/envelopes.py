"""Envelopes: HEP version 3 packets with one SIP message each, as messages travel between programs.

Sans-IO. What goes to HOMER, what agents answer and what the stream holds are envelopes; `decode.hep`
reads them. HEP counts microseconds and knows no TLS: a chunk of ours, which others skip, adds that.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sipstream.decode import hep
from sipstream.decode.endpoints import NOBODY, Key
from sipstream.limits import MAX_NODE
from sipstream.ways import CUT, TRANSPORTS

if TYPE_CHECKING:
    from sipstream.index import Index

_LONGEST = 0xFFFF
"""Bytes of a HEP packet: its length has two."""
_IPV4, _IPV6 = 2, 10
"""Address families as HEP counts them (those of Linux)."""
_PROTOCOLS = {"UDP": 17, "SCTP": 132}
_TCP = 6
_NS = 1_000_000_000
_HEAD = struct.Struct("!4sH")
_CHUNK = struct.Struct("!HHH")
_TIME = struct.Struct("!HHHIHHHI")
"""Two chunks: seconds, and microseconds within the second."""
_OURS = struct.Struct("!HHHHB")
"""The head of our chunk: what stands before the transport's name."""


class Enveloper:
    """Puts messages of an index into envelopes.

    `node` is the tap's name, `agent` the capture id, `key` the authentication key (b"" for none);
    `keeps_taps`: messages that an agent told a tap of keep that instead.
    Ways are kept as they are coded: to pack a message takes a few µs.
    """

    def __init__(
        self, node: str, agent: int = 0, key: bytes = b"", *, keeps_taps: bool = False
    ) -> None:
        self.too_long = 0
        """Messages left out because no HEP packet holds them."""
        self._whose = node, agent, key
        self._keeps_taps = keeps_taps
        self._ways: dict[int, tuple[bytes, str, bool]] = {}
        self._generation: object = None

    def pack(self, index: Index, numbers: Iterable[int]) -> list[bytes]:
        """Return messages, by their numbers, in envelopes; without those whose bytes are gone.

        Where taps keep their names a message has one for each that saw it.
        """
        if index.ways.generation is not self._generation:
            self._ways.clear()
            self._generation = index.ways.generation
        packed: list[bytes] = []
        for number in numbers:
            raw = index.raw(number)
            if not raw:
                continue
            said = index.correlations.get(index.m_conversation[number])
            if self._keeps_taps and number in index.sightings:
                seen = index.sightings[number]
                packed += (self._one(index, one.time, one.way, raw, said) for one in seen)
            else:
                packed.append(
                    self._one(index, index.m_time[number], index.m_way[number], raw, said)
                )
        whole = list(filter(None, packed))
        self.too_long += len(packed) - len(whole)
        return whole

    def _one(self, index: Index, time: int, way: int, raw: bytes, said: bytes | None) -> bytes:
        """Return an envelope, b"" where that is too long."""
        known = self._ways.get(way)
        if known is None:
            known = self._ways[way] = self._way(index, way)
        head, transport, cut = known
        if said:
            head += _chunk(hep.CORRELATION, said)
        return _packed(time, head, transport, cut, raw) or b""

    def _way(self, index: Index, number: int) -> tuple[bytes, str, bool]:
        """Return what envelopes of a way have in common, its transport, and whether they are cut."""
        ways, key = index.ways, index.endpoints.key
        transport = ways.transport[number]
        name = TRANSPORTS[transport & ~CUT]
        ends = _ends(key(ways.source[number]), key(ways.destination[number]), name)
        node, agent, auth = self._whose
        if self._keeps_taps:
            node = index.endpoints.outers.tap(ways.outer[number]) or node
        return ends + _of_whom(node, agent, auth), name, bool(transport & CUT)


def envelope(
    time: int,
    source: Key,
    destination: Key,
    transport: str,
    payload: bytes,
    *,
    node: str = "",
    agent: int = 0,
    key: bytes = b"",
    correlation: bytes = b"",
    cut: bool = False,
) -> bytes | None:
    """Return an envelope around a message of a time (ns since the epoch); None: it is too long."""
    head = _ends(source, destination, transport) + _of_whom(node, agent, key)
    if correlation:
        head += _chunk(hep.CORRELATION, correlation)
    return _packed(time, head, transport, cut, payload)


def _packed(time: int, head: bytes, transport: str, cut: bool, payload: bytes) -> bytes | None:
    seconds, below = divmod(max(time, 0), _NS)
    micro, nano = divmod(below, 1000)
    name = transport.encode()
    chunks = b"".join((
        head,
        _TIME.pack(0, hep.SECONDS, 10, seconds & 0xFFFFFFFF, 0, hep.MICROSECONDS, 10, micro),
        _OURS.pack(hep.VENDOR, hep.PRECISE, 9 + len(name), nano, hep.CUT_OFF * cut),
        name,
        _CHUNK.pack(0, hep.PAYLOAD, (6 + len(payload)) & 0xFFFF),
        payload,
    ))  # fmt: skip
    length = _HEAD.size + len(chunks)
    return None if length > _LONGEST else _HEAD.pack(hep.MAGIC, length) + chunks


def _ends(source: Key, destination: Key, transport: str) -> bytes:
    """Return the chunks of endpoints and transport; a name where an address must be has none."""
    if isinstance(source, str) or isinstance(destination, str) or len(source) != len(destination):
        source = destination = NOBODY
    is_ipv4 = len(source) == len(NOBODY)
    first = hep.SOURCE4 if is_ipv4 else hep.SOURCE6
    return b"".join((
        _chunk(hep.FAMILY, bytes([_IPV4 if is_ipv4 else _IPV6])),
        _chunk(hep.PROTOCOL, bytes([_PROTOCOLS.get(transport, _TCP)])),
        _chunk(first, source[:-2]),
        _chunk(first + 1, destination[:-2]),
        _chunk(hep.SOURCE_PORT, source[-2:]),
        _chunk(hep.DESTINATION_PORT, destination[-2:]),
        _chunk(hep.KIND, bytes([hep.SIP])),
    ))  # fmt: skip


def _of_whom(node: str, agent: int, key: bytes) -> bytes:
    """Return the chunks that say who sends it."""
    chunks = _chunk(hep.AGENT, (agent & 0xFFFFFFFF).to_bytes(4, "big"))
    if key:
        chunks += _chunk(hep.KEY, key)
    if node:
        chunks += _chunk(hep.NODE, node.encode("utf-8", "surrogateescape")[:MAX_NODE])
    return chunks


def _chunk(kind: int, value: bytes) -> bytes:
    return _CHUNK.pack(0, kind, _CHUNK.size + len(value)) + value
