"""Messages without what tells of people: numbers and names masked, secrets and texts made unreadable.

Sans-IO, bytes to bytes, and what isn't known to be harmless is masked. The same value has the same mask
as long as one `Redactor` is used, in whatever message it stands, so that a call can still be followed;
without its key nobody can tell what a mask stands for. Addresses, hosts, times, methods, status codes and
media stay. A masked message is as long as it was: Content-Length and framing hold.
"""

from __future__ import annotations

import secrets

from sipstream.redact.bodies import Bodies, fields_of
from sipstream.redact.fields import Fields
from sipstream.redact.masks import Masks
from sipstream.redact.uris import Uris
from sipstream.sip import headers

_KEY = 32
"""Bytes of a key."""


class Redactor:
    """Masks messages, and what is known of them beside; `key` is random where none is given."""

    def __init__(self, key: bytes | None = None, country_code: str = "") -> None:
        self._masks = Masks(secrets.token_bytes(_KEY) if key is None else key, country_code)
        self._fields = Fields(self._masks)
        self._uris = Uris(self._masks)
        self._bodies = Bodies(self._masks, self.message)

    def message(self, raw: bytes) -> bytes:
        """Return a message masked; whatever it holds, nothing is raised and it keeps its length."""
        body_at = headers.body_start(raw, 0, len(raw))
        line_end = raw.find(b"\n", 0, body_at) + 1 or body_at
        line = raw[:line_end].rstrip(b"\r\n")
        head = raw[line_end:body_at]
        return b"".join(
            (
                self._fields.start_line(line),
                raw[len(line) : line_end],
                fields_of(head, self._fields.field),
                self._bodies.body(b"\n" + head, raw[body_at:], self._fields.field),
            )
        )

    def user(self, user: str) -> str:
        """Return the mask of a number or of another user part."""
        return _text(self._uris.user(_bytes(user)))

    def call_id(self, call_id: str) -> str:
        """Return the mask of a Call-ID; what was drawn at random in it stays, so that it can be found."""
        return _text(self._uris.call_id(_bytes(call_id)))

    def words(self, text: str) -> str:
        """Return a text of which nothing is known, masked word by word."""
        return _text(self._masks.opaque(_bytes(text)))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
