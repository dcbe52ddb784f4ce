"""What a session description says of media: addresses, ports, codecs (RFC 8866, RFC 3551).

Sans-IO. Lines that make no sense are passed over: what is told here is for people who look for a call.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from sipstream.sip.bodies import bodies

STATIC = {
    # RFC 3551 section 6, tables 4 and 5
    "0": "PCMU", "3": "GSM", "4": "G723", "5": "DVI4", "6": "DVI4", "7": "LPC", "8": "PCMA",
    "9": "G722", "10": "L16", "11": "L16", "12": "QCELP", "13": "CN", "14": "MPA", "15": "G728",
    "16": "DVI4", "17": "DVI4", "18": "G729", "25": "CelB", "26": "JPEG", "28": "nv", "31": "H261",
    "32": "MPV", "33": "MP2T", "34": "H263",
}  # fmt: skip
"""Codecs of payload types that need no rtpmap."""
_ALIASES = {"G711U": "PCMU", "ULAW": "PCMU", "G711A": "PCMA", "ALAW": "PCMA"}
"""What people call some of them."""
_CONNECTION = re.compile(rb"c=IN +IP[46] +([^\s/]{1,255})")
_MEDIA = re.compile(rb"m=(\S{1,64}) +(\d{1,5})(?:/\d{1,5})? +(\S{1,64})((?: +\S{1,64})*)")
_MAP = re.compile(rb"a=rtpmap:(\d{1,3}) +([^\s/]{1,64})")


class Media(NamedTuple):
    """A stream that a session description offers or answers with."""

    kind: str
    """audio, video, image …"""
    address: str
    """Where it is to be sent, "" where nothing is said of it."""
    port: int
    """0: it is refused or ended (RFC 3264 6)."""
    codecs: tuple[str, ...]
    """In the order of preference; what isn't RTP (T.38) by its format's name."""


def media(raw: bytes) -> list[Media]:
    """Return the media of all session descriptions in a message."""
    found: list[Media] = []
    for body in bodies(raw):
        text = raw[body.start : body.end]
        if body.type in ("application/sdp", "") and not body.encoding:
            found += _media(text)
    return found


def codec_name(name: str) -> str:
    """Return what a codec is called in session descriptions, in capitals, of what people call it."""
    upper = name.upper()
    return _ALIASES.get(upper.replace(".", ""), upper.replace(".", "") if "." in upper else upper)


def _media(text: bytes) -> list[Media]:
    """Return the media of one session description."""
    found: list[tuple[bytes, int, list[bytes]]] = []
    addresses: list[str] = []
    session_address = ""
    names: dict[tuple[int, bytes], bytes] = {}
    for line in text.splitlines():
        if line.startswith(b"c="):
            match = _CONNECTION.match(line)
            if match and found:
                addresses[-1] = _text(match[1])
            elif match:
                session_address = _text(match[1])
        elif line.startswith(b"m="):
            match = _MEDIA.match(line)
            if match:
                found.append((match[1], int(match[2]), match[4].split()))
                addresses.append("")
        elif line.startswith(b"a=rtpmap:"):
            match = _MAP.match(line)
            if match:
                names[len(found) - 1, match[1]] = match[2]
    return [
        Media(
            _text(kind),
            addresses[place] or session_address,
            port,
            tuple(_codec(one, names.get((place, one))) for one in formats),
        )
        for place, (kind, port, formats) in enumerate(found)
    ]


def _codec(payload_type: bytes, mapped: bytes | None) -> str:
    if mapped is not None:
        return _text(mapped)
    kind = _text(payload_type)
    return STATIC.get(kind, kind)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
