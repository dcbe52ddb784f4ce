"""What a session description says of media: addresses, ports, codecs, directions (RFC 8866, RFC 3551).

Sans-IO. Lines that make no sense are passed over: what is told here is for people who look for a call.
What is looked at of one message is bounded, so that its 64 KiB take a few milliseconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from sipstream.limits import DIAGNOSED
from sipstream.sip.bodies import bodies

MOST_LINES = 3_000
"""Lines looked at of the descriptions in one message, media and what is said of it: twenty streams of
WebRTC have 1,000. Of longer ones the first lines count."""
MOST_PARTS = 100
"""Parts of a body that are looked at: a message has five."""
MOST_FORMATS = 128
"""Formats of a stream: payload types have seven bits (RFC 3550 section 5.1)."""
MOST_NAMED = 1_500
"""Streams and formats in one message: browsers name 50 formats for each of their streams."""
_USUAL = 4096
"""Bytes of a message up to which its descriptions are remembered: who looks for what is wrong with a
conversation reads them several times."""
STATIC = {
    # RFC 3551 section 6, tables 4 and 5
    "0": "PCMU", "3": "GSM", "4": "G723", "5": "DVI4", "6": "DVI4", "7": "LPC", "8": "PCMA",
    "9": "G722", "10": "L16", "11": "L16", "12": "QCELP", "13": "CN", "14": "MPA", "15": "G728",
    "16": "DVI4", "17": "DVI4", "18": "G729", "25": "CelB", "26": "JPEG", "28": "nv", "31": "H261",
    "32": "MPV", "33": "MP2T", "34": "H263",
}  # fmt: skip
"""Codecs of payload types that need no rtpmap."""
_RATES = {"6": 16_000, "10": 44_100, "11": 44_100, "16": 11_025, "17": 22_050}
"""Clock rates of those that have no rate as most have."""
_AUDIO_RATE, _VIDEO_RATE = 8_000, 90_000
_VIDEO_FROM = 25
"""Static payload types from here on, and MPA, have the clock rate of video."""
_MPA = "14"
_ALIASES = {"G711U": "PCMU", "ULAW": "PCMU", "G711A": "PCMA", "ALAW": "PCMA"}
"""What people call some of them."""
_ORIGIN = re.compile(rb"o=(\S{1,255}) +(\d{1,32}) +(\d{1,32}) +IN +IP[46] +(\S{1,255})")
_CONNECTION = re.compile(rb"c=IN +IP[46] +([^\s/]{1,255})")
_LINE = re.compile(
    rb"[\r\n]"
    rb"((?:[moc]=|a=(?:rtpmap:|fmtp:|rtcp[:-]|send|recv|inactive))[^\r\n]*)"
)
"""Lines that may say something: others cost next to nothing."""
_MEDIA = re.compile(
    rb"m=(\S{1,64}) +(\d{1,5})(?:/\d{1,5})? +(\S{1,64})((?: +\S{1,64}){0,%d})" % MOST_FORMATS
)
_MAP = re.compile(rb"a=rtpmap:(\d{1,3}) +([^\s/]{1,64})(?:/(\d{1,9}))?")
_PARAMETERS = re.compile(rb"a=fmtp:(\S{1,64}) +(\S.*)")
_RTCP = re.compile(rb"a=rtcp:(\d{1,5})")
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
"""RFC 8866 section 6.7."""
_DIRECTIONS = {f"a={name}".encode(): name for name in DIRECTIONS}


class Format(NamedTuple):
    """A payload type, or what stands in its place where media isn't RTP (T.38)."""

    payload_type: str
    name: str
    """The codec as rtpmap has it, else RFC 3551; the payload type itself where nothing names it."""
    rate: int
    """Ticks of the RTP clock in a second, 0 where nothing says it."""
    parameters: str
    """What fmtp says, "" for nothing."""


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
    protocol: str = "RTP/AVP"
    direction: str = "sendrecv"
    """One of DIRECTIONS as it is written, for this stream or for all; sendrecv where nothing is said."""
    formats: tuple[Format, ...] = ()
    """The codecs with all that is said of them, in the same order."""
    rtcp_port: int = 0
    """Where RTCP is sent (RFC 3605; the same port with RFC 5761's rtcp-mux), 0 for no RTP."""


class Session(NamedTuple):
    """A session description."""

    origin_user: str
    """What o= names: the user, the session, its version and an address; "" where it makes no sense."""
    session_id: str
    version: str
    origin_address: str
    media: tuple[Media, ...]


def sessions(raw: bytes) -> list[Session]:
    """Return all session descriptions in a message."""
    return list(_known_sessions(raw) if len(raw) <= _USUAL else _sessions(raw))


def media(raw: bytes) -> list[Media]:
    """Return the media of all session descriptions in a message."""
    return [one for session in sessions(raw) for one in session.media]


def codec_name(name: str) -> str:
    """Return what a codec is called in session descriptions, in capitals, of what people call it."""
    upper = name.upper()
    return _ALIASES.get(upper.replace(".", ""), upper.replace(".", "") if "." in upper else upper)


@dataclass(slots=True)
class _Part:
    """What is said of a stream, or before the first one of all."""

    kind: bytes = b""
    port: int = 0
    protocol: str = ""
    formats: list[bytes] = field(default_factory=list)
    address: str = ""
    direction: str = ""
    rtcp: int | None = None
    maps: dict[bytes, tuple[str, int]] = field(default_factory=dict)
    parameters: dict[bytes, str] = field(default_factory=dict)


def _sessions(raw: bytes) -> tuple[Session, ...]:
    room = _Room(MOST_LINES, MOST_NAMED)
    return tuple(
        _session(raw, body.start, body.end, room)
        for body in bodies(raw, MOST_PARTS)
        if body.type in ("application/sdp", "") and not body.encoding
    )


_known_sessions = lru_cache(maxsize=DIAGNOSED)(_sessions)


@dataclass(slots=True)
class _Room:
    """How much more is looked at of a message."""

    lines: int
    named: int


def _session(raw: bytes, start: int, end: int, room: _Room) -> Session:
    """Read one session description; before it a line ends."""
    origin = ("", "", "", "")
    whole = part = _Part()
    parts: list[_Part] = []
    for found in islice(_LINE.finditer(raw, start - 1, end), room.lines):
        room.lines -= 1
        line = found[1]
        if line.startswith(b"m="):
            match = _MEDIA.match(line)
            if match:
                if room.named <= 0:
                    break
                formats = match[4].split()[: room.named]
                room.named -= 1 + len(formats)
                part = _Part(match[1], int(match[2]), _text(match[3]), formats)
                parts.append(part)
        elif line.startswith(b"a="):
            _attribute(part, line)
        elif line.startswith(b"c="):
            match = _CONNECTION.match(line)
            if match:
                part.address = _text(match[1])
        elif line.startswith(b"o="):
            match = _ORIGIN.match(line)
            if match:
                origin = (_text(match[1]), _text(match[2]), _text(match[3]), _text(match[4]))
    return Session(*origin, tuple(_made(part, whole) for part in parts))


def _attribute(part: _Part, line: bytes) -> None:
    """Keep what an attribute says of a stream; the last one counts."""
    if line.startswith(b"a=rtpmap:"):
        match = _MAP.match(line)
        if match:
            part.maps[match[1]] = _text(match[2]), int(match[3] or 0)
    elif line.startswith(b"a=fmtp:"):
        match = _PARAMETERS.match(line)
        if match:
            part.parameters[match[1]] = _text(match[2]).strip()
    elif line.startswith(b"a=rtcp"):
        match = _RTCP.match(line)
        if match:
            part.rtcp = int(match[1])
        elif line.rstrip() == b"a=rtcp-mux":
            part.rtcp = part.port
    else:
        part.direction = _DIRECTIONS.get(line.rstrip(), part.direction)


def _made(part: _Part, whole: _Part) -> Media:
    formats = tuple(_format(part, one) for one in part.formats)
    rtcp = 0
    if part.port and "RTP" in part.protocol:
        rtcp = (part.port + 1) & 0xFFFF if part.rtcp is None else part.rtcp
    return Media(
        _text(part.kind),
        part.address or whole.address,
        part.port,
        tuple(one.name for one in formats),
        part.protocol,
        part.direction or whole.direction or DIRECTIONS[0],
        formats,
        rtcp,
    )


def _format(part: _Part, payload_type: bytes) -> Format:
    kind = _text(payload_type)
    parameters = part.parameters.get(payload_type, "")
    if payload_type in part.maps:
        return Format(kind, *part.maps[payload_type], parameters)
    name = STATIC.get(kind)
    if name is None:
        return Format(kind, kind, 0, parameters)
    video = kind == _MPA or int(kind) >= _VIDEO_FROM
    usual = _VIDEO_RATE if video else _AUDIO_RATE
    return Format(kind, name, _RATES.get(kind, usual), parameters)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
