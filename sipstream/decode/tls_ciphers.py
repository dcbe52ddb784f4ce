"""TLS's key schedule and record protection: from a logged secret to what opens a record.

Sans-IO, and only what reading takes. Imported when a connection's keys were found, so that nobody
else waits for `cryptography`, which brings the ciphers.
"""

from __future__ import annotations

import hmac
from hashlib import new as new_hash
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

TLS12, TLS13 = 0x0303, 0x0304
_TAG = 16
_IV = 12


class Suite(NamedTuple):
    """How a cipher suite protects records; `digest` is the hash of its key schedule."""

    aead: type[AESGCM | ChaCha20Poly1305]
    key_length: int
    digest: str
    explicit: bool
    """In TLS 1.2 a record brings 8 bytes of its nonce along (RFC 5288 section 3)."""

    @property
    def secret_length(self) -> int:
        """Bytes of the hash, and so of a traffic secret of TLS 1.3."""
        return new_hash(self.digest).digest_size


_AES_128 = Suite(AESGCM, 16, "sha256", True)
_AES_256 = Suite(AESGCM, 32, "sha384", True)
_CHACHA20 = Suite(ChaCha20Poly1305, 32, "sha256", False)
SUITES: dict[int, Suite] = {
    0x1301: _AES_128,
    0x1302: _AES_256,
    0x1303: _CHACHA20,
    # RSA, DHE, DH, anonymous and PSK key exchanges by turns (RFC 5288, RFC 5487): even and odd.
    **dict.fromkeys(range(0x009C, 0x00AE, 2), _AES_128),
    **dict.fromkeys(range(0x009D, 0x00AE, 2), _AES_256),
    # ECDHE and ECDH (RFC 5289), with PSK (RFC 8442).
    **dict.fromkeys((0xC02B, 0xC02D, 0xC02F, 0xC031, 0xD001), _AES_128),
    **dict.fromkeys((0xC02C, 0xC02E, 0xC030, 0xC032, 0xD002), _AES_256),
    # RFC 7905.
    **dict.fromkeys(range(0xCCA8, 0xCCAF), _CHACHA20),
}

_OTHERS: dict[str, tuple[range, ...]] = {
    "AES-CBC": (
        range(0x2F, 0x3B), range(0x3C, 0x41), range(0x67, 0x6E), range(0x8C, 0x8E),
        range(0x90, 0x92), range(0x94, 0x96), range(0xAE, 0xB0), range(0xB2, 0xB4),
        range(0xB6, 0xB8), range(0xC004, 0xC006), range(0xC009, 0xC00B), range(0xC00E, 0xC010),
        range(0xC013, 0xC015), range(0xC018, 0xC01A), range(0xC01D, 0xC02B), range(0xC035, 0xC039),
    ),
    "AES-CCM": (range(0x1304, 0x1306), range(0xC09C, 0xC0B0)),
    "3DES": (range(0x0A, 0x0B), range(0x13, 0x14), range(0x16, 0x17), range(0xC012, 0xC013)),
    "RC4": (range(0x04, 0x06), range(0xC007, 0xC008), range(0xC011, 0xC012)),
    "ARIA": (range(0xC03C, 0xC072),),
    "Camellia": (range(0x41, 0x47), range(0x84, 0x8A), range(0xBA, 0xC6), range(0xC072, 0xC09C)),
}  # fmt: skip
"""Cipher suites that we don't decrypt, by the cipher (the IANA registry of TLS cipher suites)."""


def name_of(suite: int) -> str:
    """Return the cipher of a suite that we don't decrypt, in words of which there are few."""
    for name, ranges in _OTHERS.items():
        if any(suite in one for one in ranges):
            return name
    return "another one"


class Opener:
    """Opens one direction's records under one key."""

    def __init__(self, suite: Suite, version: int, key: bytes, iv: bytes) -> None:
        self.sequence = 0
        """The number that the next record should have."""
        self._aead = suite.aead(key)
        self._iv = iv
        self._in_13 = version == TLS13
        self._explicit = suite.explicit and not self._in_13

    def open(self, header: bytes, body: bytes, tries: int) -> bytes | None:
        """Return a record's content, None where it isn't authentic.

        `header` is its type, version and length; `tries` is how many sequence numbers may be its own.
        """
        place = 8 if self._explicit else 0
        size = len(body) - place - _TAG
        if size < 0:
            return None
        sealed = body[place:]
        for sequence in range(self.sequence, self.sequence + tries):
            number = sequence.to_bytes(8, "big")
            if self._explicit:
                nonce = self._iv + body[:8]
            else:
                mixed = int.from_bytes(self._iv, "big") ^ sequence
                nonce = mixed.to_bytes(_IV, "big")
            bound = header if self._in_13 else number + header[:3] + size.to_bytes(2, "big")
            try:
                plain = self._aead.decrypt(nonce, sealed, bound)
            except InvalidTag:
                continue
            self.sequence = sequence + 1
            return plain
        return None


def openers(suite: Suite, master: bytes, client: bytes, server: bytes) -> tuple[Opener, Opener]:
    """Return TLS 1.2's pair for what client and server send, from the master secret and randoms."""
    iv_length = 4 if suite.explicit else _IV
    key_length = suite.key_length
    block = _prf(
        suite.digest, master, b"key expansion", server + client, 2 * (key_length + iv_length)
    )
    ivs = block[2 * key_length :]
    return (
        Opener(suite, TLS12, block[:key_length], ivs[:iv_length]),
        Opener(suite, TLS12, block[key_length : 2 * key_length], ivs[iv_length:]),
    )


def opener(suite: Suite, secret: bytes) -> Opener:
    """Return what opens TLS 1.3's records of a traffic secret (RFC 8446 section 7.3)."""
    key = _expand_label(suite.digest, secret, b"key", suite.key_length)
    return Opener(suite, TLS13, key, _expand_label(suite.digest, secret, b"iv", _IV))


def updated(suite: Suite, secret: bytes) -> bytes:
    """Return the traffic secret behind a KeyUpdate (RFC 8446 section 7.2)."""
    return _expand_label(suite.digest, secret, b"traffic upd", suite.secret_length)


def _expand_label(digest: str, secret: bytes, label: bytes, length: int) -> bytes:
    """HKDF-Expand-Label without context, of at most one block (RFC 8446 section 7.1)."""
    label = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(label)]) + label + b"\0"
    return hmac.digest(secret, info + b"\1", digest)[:length]


def _prf(digest: str, secret: bytes, label: bytes, seed: bytes, length: int) -> bytes:
    """The pseudorandom function of TLS 1.2 (RFC 5246 section 5)."""
    seed = label + seed
    block, output = seed, b""
    while len(output) < length:
        block = hmac.digest(secret, block, digest)
        output += hmac.digest(secret, block + seed, digest)
    return output[:length]
