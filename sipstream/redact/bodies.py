"""Bodies: session descriptions stay as far as their media is told, of all others only the length does.

Sans-IO. Text, DTMF, XML, JSON and whatever else a body may be is blotted out. Parts of a multipart body
(RFC 2046 section 5.1) are bodies of their own; a message in a body (RFC 3420) is masked as messages are.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sipstream.redact.masks import Masks, fill
from sipstream.redact.uris import Uris
from sipstream.sip import headers

_LINES = re.compile(rb"[^\r\n]+")
_BOUNDARY = re.compile(
    rb';\s{0,99}boundary\s{0,99}=\s{0,99}(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE
)
_DEEPEST = 3
"""Multipart bodies within one another that are looked into."""
_MEDIA = re.compile(
    rb"m=(?:audio|video|image|application|message|text) [0-9]{1,5}(?:/[0-9]{1,3})?"
    rb" [A-Za-z0-9/]{1,40}(?: (?:[0-9]{1,3}|t38|\*|webrtc-datachannel|[0-9]{1,5}))*"
)
_ORIGIN = re.compile(rb"o=([^ ]+)( [0-9]{1,20} [0-9]{1,20} IN IP[46] )([0-9A-Fa-f.:]{2,45})( *)")
_PLAIN = re.compile(
    rb"v=[0-9]|c=IN IP[46] [0-9A-Fa-f.:]{2,45}(?:/[0-9]{1,3}){0,2}|b=[A-Z]{2,5}:[0-9]{1,9}|s=[- ]"
    rb"|t=[0-9]{1,12} [0-9]{1,12}"
    rb"|a=(?:sendrecv|sendonly|recvonly|inactive|rtcp-mux|rtcp-mux-only|rtcp-rsize|ice-lite|end-of-candidates"
    rb"|extmap-allow-mixed|bundle-only|nortpproxy:yes|direction:(?:active|passive|both)"
    rb"|setup:(?:active|passive|actpass|holdconn)|connection:(?:new|existing))"
    rb"|a=(?:ptime|maxptime|sctp-port|max-message-size|framerate|rtcp-port):[0-9]{1,9}(?:\.[0-9]{1,3})?"
    rb"|a=rtcp:[0-9]{1,5}(?: IN IP[46] [0-9A-Fa-f.:]{2,45})?"
    rb"|a=rtpmap:[0-9]{1,3} [A-Za-z0-9._-]{1,30}/[0-9]{1,6}(?:/[0-9]{1,2})?"
    rb"|a=silenceSupp:(?:on|off)(?: -){0,4}"
    rb"|a=rtcp-fb:(?:[0-9]{1,3}|\*)(?: (?:nack|pli|ccm|fir|tmmbr|goog-remb|transport-cc|sli|rpsi|ack))+"
    rb"|a=T38[A-Za-z]{3,30}(?::(?:[0-9]{1,6}|transferredTCF|localTCF|t38UDP[A-Za-z]{2,12}))?"
    rb"|a=(?:curr|des|conf):qos(?: (?:local|remote|e2e|none|mandatory|optional|send|recv|sendrecv|failure"
    rb"|unknown))+"
)
"""Lines that stay as they are (RFC 8866, RFC 3264, RFC 5245, RFC 3312)."""
_FORMAT = re.compile(rb"a=fmtp:[0-9]{1,3} (?:[0-9]{1,3}(?:[-,][0-9]{1,3})*|(.+))")
_FORMAT_PARAMETER = re.compile(
    rb" *(?:annexb|bitrate|mode|mode-set|octet-align|mode-change-[a-z]{4,12}|maxptime|minptime"
    rb"|useinbandfec|stereo|sprop-stereo|cbr|usedtx|max(?:playback|average)[a-z]{4,7}|max-red|robust-sorting|interleaving"
    rb"|crc|channels|bit-rate|profile-level-id|packetization-mode|level-asymmetry-allowed|max-(?:fs|fr|mbps|br|dpb)"
    rb"|ptime|br|bw|hf-only|dtx|dtx-recv|ch-aw-recv|apt|events|vbr|profile-id)"
    rb"=[A-Za-z0-9,.-]{1,8} *"
)
_CANDIDATE = re.compile(
    rb"(a=candidate:)(\S{1,40})( [0-9]{1,3} (?:udp|tcp|tls) [0-9]{1,10} )(\S{1,100})"
    rb"( [0-9]{1,5} typ (?:host|srflx|prflx|relay))"
    rb"((?: raddr [0-9A-Fa-f.:]{2,45} rport [0-9]{1,5})?)(.*)",
    re.IGNORECASE,
)
_NAMED = re.compile(rb"(a=)([A-Za-z0-9-]{1,40})(:)(.*)")
_NAMES = frozenset(
    b"mid group msid msid-semantic ssrc ssrc-group cname ice-ufrag ice-pwd ice-options fingerprint crypto"
    b" key-mgmt extmap label rid simulcast identity tls-id path accept-types fmtp candidate x-nat"
    b" rtpmap curr des ptime".split()
)
"""Attributes whose names stay and whose values are masked."""
_KEYED = re.compile(
    rb"(a=(?:crypto:[0-9]{1,9} (?:AES|AEAD|F8)_[A-Z0-9_]{3,40}"
    rb"|fingerprint:sha-(?:1|224|256|384|512)) )(.*)",
    re.IGNORECASE,
)


class Bodies:
    """Masks bodies; `message` does so with a message."""

    def __init__(self, masks: Masks, message: Callable[[bytes], bytes]) -> None:
        self._masks = masks
        self._uris = Uris(masks)
        self._message = message

    def body(
        self, head: bytes, body: bytes, field: Callable[[bytes], bytes], depth: int = 0
    ) -> bytes:
        """Return a body; `head` are the header fields above it, `field` masks such a field."""
        kind = headers.first(head, 0, len(head), "Content-Type") or b""
        name = kind.partition(b";")[0].strip().lower()
        packed = headers.first(head, 0, len(head), "Content-Encoding")
        if packed is not None and packed.lower() != b"identity":
            return fill(body)
        if name == b"application/sdp" or (not name and body.startswith(b"v=")):
            return _LINES.sub(lambda hit: self._description_line(hit[0]), body)
        if name in (b"message/sipfrag", b"message/sip") and depth < _DEEPEST:
            return self._message(body)
        boundary = _BOUNDARY.search(kind)
        if name.startswith(b"multipart/") and boundary is not None and depth < _DEEPEST:
            return self._multipart(boundary[1] or boundary[2], body, field, depth)
        return fill(body)

    def _multipart(
        self, boundary: bytes, body: bytes, field: Callable[[bytes], bytes], depth: int
    ) -> bytes:
        """Return a body of several parts: delimiters stay such, what isn't within them is blotted out."""
        delimiter = re.compile(
            rb"(?:\A|(?<=\n))--" + re.escape(boundary) + rb"(?:--)?[ \t]{0,99}(?:\r?\n|\Z)"
        )
        pieces = []
        place, inside = 0, False
        for match in delimiter.finditer(body):
            between = body[place : match.start()]
            pieces.append(self._part(between, field, depth) if inside else fill(between))
            pieces.append(match[0].replace(boundary, self._masks.opaque(boundary), 1))
            place, inside = match.end(), not match[0].rstrip().endswith(boundary + b"--")
        rest = body[place:]
        pieces.append(self._part(rest, field, depth) if inside else fill(rest))
        return b"".join(pieces)

    def _part(self, part: bytes, field: Callable[[bytes], bytes], depth: int) -> bytes:
        """Return a part: header fields, of which there may be none, a blank line, a body."""
        # The line end of the delimiter may be the one before the blank line.
        begin = headers.body_start(b"\n" + part, 0, len(part) + 1) - 1
        head, body = part[:begin], part[begin:]
        return fields_of(head, field) + self.body(b"\n" + head, body, field, depth + 1)

    def _description_line(self, line: bytes) -> bytes:
        """Return a line of a session description (RFC 8866 section 5)."""
        if _PLAIN.fullmatch(line) or _MEDIA.fullmatch(line):
            return line
        origin = _ORIGIN.fullmatch(line)
        if origin is not None:
            return b"o=" + self._uris.user(origin[1]) + origin[2] + origin[3] + origin[4]
        fmtp = _FORMAT.fullmatch(line)
        if fmtp is not None and all(
            map(_FORMAT_PARAMETER.fullmatch, (fmtp[1] or b"br=1").split(b";"))
        ):
            return line
        candidate = _CANDIDATE.fullmatch(line)
        if candidate is not None:
            begin, foundation, middle, address, kind, related, rest = candidate.groups()
            masked = (
                self._masks.opaque(foundation),
                self._uris.host(address),
                self._masks.opaque(rest),
            )
            return begin + masked[0] + middle + masked[1] + kind + related + masked[2]
        keyed = _KEYED.fullmatch(line)
        if keyed is not None:
            return keyed[1] + self._masks.opaque(keyed[2])
        named = _NAMED.fullmatch(line)
        if named is not None and named[2] in _NAMES:
            return named[1] + named[2] + named[3] + self._masks.opaque(named[4])
        if line[1:2] == b"=" and line[:1] in b"vosiuepcbtrzkam":
            return line[:2] + self._masks.opaque(line[2:])
        return fill(line)


def fields_of(head: bytes, field: Callable[[bytes], bytes]) -> bytes:
    """Return header lines with each field masked; line ends and blank lines stay."""
    return _FIELDS.sub(lambda hit: field(hit[0]), head)


_FIELDS = re.compile(rb"[^\r\n](?:[^\r\n]|\r(?!\n)|\r?\n[ \t])*")
"""A field with its folds (RFC 3261 section 7.3.1)."""
