"""TLS's record layer and handshake messages: a stream cut into both (RFC 8446 sections 4 and 5).

Sans-IO; knows nothing of keys. Lengths are believed up to a limit, and every step takes bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sipstream.limits import TLS_RECORD

CHANGE_CIPHER, ALERT, HANDSHAKE, APPLICATION, HEARTBEAT = range(20, 25)
CLIENT_HELLO, SERVER_HELLO, FINISHED, KEY_UPDATE = 1, 2, 20, 24
_HEADER = 5
_SEALED = b"\x17\x03\x03"
"""What a record of application data begins with, since TLS 1.2."""


class Record(NamedTuple):
    """One record, its header as it stood there: type, version, length."""

    header: bytes
    body: bytes

    @property
    def kind(self) -> int:
        """Its content type."""
        return self.header[0]


def may_begin(data: bytes, start: int, end: int) -> bool:
    """Tell whether a record may begin here, by as much of its header as there is."""
    head = data[start : min(end, start + _HEADER)]
    return (
        len(head) > 0
        and CHANGE_CIPHER <= head[0] <= HEARTBEAT
        and head[1:2] in (b"", b"\x03")
        and head[2:3] <= b"\x04"
        and (len(head) < _HEADER or head[3] << 8 | head[4] <= TLS_RECORD)
    )


class Records:
    """Cuts one direction into records."""

    __slots__ = ("_buffer", "_seeking")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._seeking = False

    @property
    def held(self) -> int:
        """Bytes kept of a record that isn't whole."""
        return len(self._buffer)

    def lost(self) -> None:
        """Bytes are missing here: the next record is to be looked for."""
        self._buffer.clear()
        self._seeking = True

    def feed(self, data: bytes) -> Iterator[Record | None]:
        """Take the next bytes, yield whole records; None where bytes were none and are left out."""
        # Immutable, so that slices are copied once; at most one record is copied with them.
        data = bytes(self._buffer) + data if self._buffer else data
        self._buffer.clear()
        place, end = 0, len(data)
        while end - place >= _HEADER:
            if self._seeking:
                place = self._seek(data, place)
                if self._seeking:
                    break
            elif not may_begin(data, place, end):
                self._seeking = True
                yield None
                continue
            stop = _end_of(data, place)
            if stop > end:
                break
            yield Record(data[place : place + _HEADER], data[place + _HEADER : stop])
            place = stop
        self._buffer += data[place:]

    def _seek(self, data: bytes, place: int) -> int:
        """Return where the next record of application data begins; while there is none, from where
        on to look again.

        The header behind it must look like one too, as far as it has come; the key has the last word.
        """
        end = len(data)
        while (place := data.find(_SEALED, place)) >= 0 and end - place >= _HEADER:
            stop = _end_of(data, place)
            if may_begin(data, place, end) and (stop + _HEADER > end or may_begin(data, stop, end)):
                self._seeking = False
                return place
            place += 1
        return place if place >= 0 else end - min(end, _HEADER - 1)


def _end_of(data: bytes, place: int) -> int:
    """Return where the record ends whose header stands at `place`."""
    return place + _HEADER + (data[place + 3] << 8 | data[place + 4])


class Handshakes:
    """Cuts what one direction's handshake records hold into messages."""

    __slots__ = ("_buffer", "_kind", "_skip")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._kind = 0
        self._skip = 0
        """Bytes to come of a message of which no more than its type is wanted."""

    @property
    def held(self) -> int:
        """Bytes kept of a hello message that isn't whole."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Return the type of each message that is whole now, and the body of hello messages."""
        data = bytes(self._buffer) + data if self._buffer else data
        found: list[tuple[int, bytes]] = []
        place, end = 0, len(data)
        while place < end:
            if self._skip:
                step = min(self._skip, end - place)
                place += step
                self._skip -= step
                if not self._skip:
                    found.append((self._kind, b""))
                continue
            if end - place < 4:
                break
            kind, length = data[place], int.from_bytes(data[place + 1 : place + 4], "big")
            stop = place + 4 + length
            if kind in (CLIENT_HELLO, SERVER_HELLO) and length <= TLS_RECORD:
                if stop > end:
                    break
                found.append((kind, data[place + 4 : stop]))
                place = stop
            elif length:
                self._kind, self._skip = kind, length
                place += 4
            else:
                found.append((kind, b""))
                place += 4
        self._buffer[:] = data[place:]
        return found


class ServerHello(NamedTuple):
    """What a server chose."""

    random: bytes
    version: int
    suite: int


def server_hello(body: bytes) -> ServerHello | None:
    """Read a ServerHello (RFC 8446 section 4.1.3), None where it is too short."""
    place = 35 + (body[34] if len(body) > 34 else 0)
    if place + 3 > len(body):
        return None
    version, suite = int.from_bytes(body[:2], "big"), int.from_bytes(body[place : place + 2], "big")
    place += 5
    while place + 4 <= len(body):
        kind = int.from_bytes(body[place : place + 2], "big")
        size = int.from_bytes(body[place + 2 : place + 4], "big")
        if kind == 43 and size == 2:
            # supported_versions says what the field of old no longer may.
            version = int.from_bytes(body[place + 4 : place + 6], "big")
        place += 4 + size
    return ServerHello(body[2:34], version, suite)
