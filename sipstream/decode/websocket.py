"""WebSocket frames (RFC 6455 section 5), for SIP over WebSocket (RFC 7118). Sans-IO.

A TCP direction that starts with the upgrade's request or response is handed to a `Deframer`, which
returns the payload of each whole text or binary message.
"""

from __future__ import annotations

from sipstream.limits import MAX_MESSAGE

_CONTINUATION, _TEXT, _BINARY, _CLOSE = 0, 1, 2, 8


def upgrade_end(data: bytes, start: int, end: int) -> int:
    """Return the place behind the handshake that `data` begins with, or -1 when it is none."""
    if data[start : start + 4] not in (b"GET ", b"HTTP"):
        return -1
    head_end = data.find(b"\r\n\r\n", start, end)
    if head_end < 0 or b"upgrade: websocket" not in data[start:head_end].lower():
        return -1
    return head_end + 4


class Deframer:
    """One direction's frames; `feed` returns the messages that became whole."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._message = bytearray()
        self.broken = False
        """A frame could not be believed, or bytes before are missing: nothing more comes."""

    def feed(self, data: bytes) -> list[bytes]:
        """Take the stream's next bytes."""
        if self.broken:
            return []
        self._buffer += data
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
