"""WebSocket frames (RFC 6455 section 5), for SIP over WebSocket (RFC 7118). Sans-IO.

A TCP direction that starts like the handshake's request or response is handed to a `Deframer`, which
returns the payload of each whole text or binary message. Where the capture began later, a frame that
holds the beginning of a SIP message does too.
"""

from __future__ import annotations

import re

from sipstream.limits import MAX_MESSAGE
from sipstream.sip.startline import KNOWN

_MAX_HANDSHAKE = 16_384
"""Bytes within which a handshake ends."""
_UPGRADE = re.compile(rb"\nupgrade[ \t]*:[ \t]*websocket", re.IGNORECASE)
_CONTINUATION, _TEXT, _BINARY, _CLOSE = 0, 1, 2, 8
_WHOLE = (0x80 | _TEXT, 0x80 | _BINARY)
"""The first byte of a frame that is a message by itself."""
_SIP = re.compile(rb"SIP/2\.0 [1-6]\d\d[ \r]|(?:" + b"|".join(KNOWN) + rb") [a-zA-Z]")
_LOOKED_AT = 16
"""Bytes of a payload that show whether SIP begins there."""


def may_begin(data: bytes, start: int, end: int) -> bool:
    """Tell whether a handshake's request or response (RFC 6455 section 4) may begin here."""
    return data[start : start + 4] in (b"GET ", b"HTTP")


def is_frame(data: bytes, start: int, end: int) -> bool:
    """Tell whether a frame with the beginning of a SIP message begins here, masked or not."""
    if end - start < 2 or data[start] not in _WHOLE:
        return False
    size = data[start + 1] & 0x7F
    place = start + 2
    if size >= 126:
        width = 2 if size == 126 else 8
        size = int.from_bytes(data[place : min(place + width, end)], "big")
        place += width
    if size > MAX_MESSAGE:
        return False
    masked = data[start + 1] & 0x80
    mask, place = (data[place : place + 4], place + 4) if masked else (b"", place)
    payload = data[place : min(place + _LOOKED_AT, place + size, end)]
    if masked and payload:
        payload = _unmask(payload, mask)
    return _SIP.match(payload) is not None


def begins(data: bytes, start: int, end: int) -> bool:
    """Tell whether WebSocket begins here: its handshake, or where the capture began later a frame."""
    return may_begin(data, start, end) or is_frame(data, start, end)


class Deframer:
    """One direction from its handshake on; `feed` returns the messages that became whole.

    `in_handshake` is False where the capture began behind it.
    """

    def __init__(self, *, in_handshake: bool = True) -> None:
        self._buffer = bytearray()
        self._message = bytearray()
        self._in_handshake = in_handshake
        self._searched = 0
        self.is_http = False
        """It was another request or response of HTTP."""
        self.broken = False
        """A frame could not be believed, or bytes before are missing: nothing more comes."""

    def feed(self, data: bytes) -> list[bytes]:
        """Take the stream's next bytes."""
        if self.broken:
            return []
        self._buffer += data
        if self._in_handshake and not self._handshake():
            return []
        messages: list[bytes] = []
        place = 0
        while (frame := self._frame(place)) is not None:
            final, opcode, payload, place = frame
            if opcode in (_CONTINUATION, _TEXT, _BINARY):
                self._message += payload
                if final:
                    messages.append(bytes(self._message))
                    self._message.clear()
            elif opcode == _CLOSE:
                self.broken = True
        del self._buffer[:place]
        return messages

    def _handshake(self) -> bool:
        """Take the handshake off the buffer, return whether it is there as a whole."""
        end = self._buffer.find(b"\r\n\r\n", max(self._searched - 3, 0))
        self._searched = len(self._buffer)
        if end < 0 and len(self._buffer) <= _MAX_HANDSHAKE:
            return False
        if end < 0 or not _UPGRADE.search(self._buffer, 0, end):
            self.broken = self.is_http = True
            self._buffer.clear()
            return False
        del self._buffer[: end + 4]
        self._in_handshake = False
        return True

    def _frame(self, place: int) -> tuple[bool, int, bytes, int] | None:
        """Return (final, opcode, payload, place of the next frame), or None for "need more"."""
        buffer = self._buffer
        if self.broken or len(buffer) < place + 2:
            return None
        first, second = buffer[place], buffer[place + 1]
        size = second & 0x7F
        place += 2
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(buffer) < place + width:
                return None
            size = int.from_bytes(buffer[place : place + width], "big")
            place += width
        if size + len(self._message) > MAX_MESSAGE or first & 0x70:
            # Compressed (RFC 7692) or nothing a SIP element sends.
            self.broken = True
            return None
        mask = b""
        if second & 0x80:
            mask = bytes(buffer[place : place + 4])
            place += 4
        if len(buffer) < place + size:
            return None
        payload = bytes(buffer[place : place + size])
        if mask:
            payload = _unmask(payload, mask)
        return bool(first & 0x80), first & 15, payload, place + size


def _unmask(payload: bytes, mask: bytes) -> bytes:
    """XOR with the repeated mask (RFC 6455 section 5.3), as one large integer, not in a loop."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
