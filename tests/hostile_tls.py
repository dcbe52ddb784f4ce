"""TLS under attack: connections whose packets, records or contents are damaged, and key logs."""

from __future__ import annotations

import struct

from hostile_inputs import INVITE, RESPONSE
from support import sip
from tls_made import (
    AES_128,
    ALERT,
    ALL,
    APPLICATION,
    CHACHA20_OF_12,
    CHANGE_CIPHER,
    HANDSHAKE,
    TLS12,
    TLS13,
    Made,
    handshake,
    made,
    packets,
    record,
)

from sipstream.decode.keylog import Secrets

_KINDS = (APPLICATION, HANDSHAKE, ALERT, CHANGE_CIPHER)
_SEALED, _CLIENT = 4, 8
_VERSIONS = ((TLS13, AES_128), (TLS12, CHACHA20_OF_12))


def secrets() -> Secrets:
    """The secrets of all connections made here."""
    known = Secrets()
    for version, suite in ALL:
        known.add(Made(version, suite).keylog())
    return known


def connections() -> list[list[bytes]]:
    """Packets of connections of every kind, in segments that cut records."""
    return [
        packets(made(version, suite, [(True, INVITE), (False, RESPONSE)]).parts, 300)
        for version, suite in ALL
    ]


# Contents, damaged before they are sealed


def script(version: int, *records: tuple[bool, bool, int, bytes]) -> bytes:
    """Records as one input: whether it is the client's, whether sealed, type, content."""
    return bytes([version]) + b"".join(
        bytes([_KINDS.index(kind) | sealed * _SEALED | client * _CLIENT])
        + struct.pack("!H", len(body))
        + body
        for client, sealed, kind, body in records
    )


def connection_of(data: bytes) -> list[bytes]:
    """The packets of a connection that carries the records of an input."""
    connection = Made(*_VERSIONS[(data or b"\0")[0] % len(_VERSIONS)]).hello().finish()
    place = 1
    while place + 3 <= len(data):
        flags, size = data[place], int.from_bytes(data[place + 1 : place + 3], "big")
        body = data[place + 3 : place + 3 + size][:16_000]
        client, kind = bool(flags & _CLIENT), _KINDS[flags & 3]
        if flags & _SEALED:
            connection.sealed(client, body, kind)
        else:
            connection.send(client, record(kind, body))
        place += 3 + size
    return packets(connection.parts, 700)


SCRIPTS = [
    script(
        version,
        (True, True, APPLICATION, INVITE[:200]),
        (False, True, HANDSHAKE, handshake(4, bytes(40)) + handshake(20, bytes(12))),
        (True, True, APPLICATION, INVITE[200:] + RESPONSE),
        (True, True, HANDSHAKE, handshake(24, b"\0")),
        (False, False, HANDSHAKE, handshake(2, bytes(70)) + handshake(1, bytes(50))),
        (False, True, CHANGE_CIPHER, b"\1"),
        (False, True, ALERT, b"\1\0"),
        (False, True, APPLICATION, sip(call_id="last")),
    )
    for version in range(len(_VERSIONS))
]
