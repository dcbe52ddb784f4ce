"""Header fields: which ones stay, and how the others are masked.

Sans-IO. What isn't in the table is masked whole: a secret in a header that nobody knows doesn't show.
Values that stay have to be what their header may hold, else they are masked as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sipstream.redact.masks import Masks, fill
from sipstream.redact.passports import Passports
from sipstream.redact.texts import Texts
from sipstream.redact.uris import Uris
from sipstream.sip.headers import COMPACT

_LONG = {short.encode(): long.encode() for long, short in COMPACT.items()}
_FIELD = re.compile(rb"([!-9;-~]+)([ \t]*:[ \t]*)(.*)", re.DOTALL)
"""A header field: name, colon, value with its folds."""
_NAME = re.compile(rb"[A-Za-z](?:[A-Za-z-]|[0-9](?![0-9]{3})){0,63}")
"""Names that stay, known or not: without a run of digits that may be a number."""
_TOKEN = re.compile(
    rb"[A-Za-z*](?:[A-Za-z.!*_+/-]|[0-9](?![0-9]{4})){0,63}|[0-9]\.[0-9]|100rel|199"
)
"""Of lists of tokens those that stay, and a version; a run of digits may be a number."""
_DATE = re.compile(rb"[A-Za-z]{3}, {1,2}[0-9]{1,2} [A-Za-z]{3} [0-9]{4} [0-9:]{8} (?:GMT|UTC)")
_DELAY = re.compile(rb"([0-9]{1,6}(?![0-9]))(.*)", re.DOTALL)
_FEW = re.compile(rb"[0-9]{1,6}")
"""Seconds, hops, bytes: too few digits for a subscriber's number in most plans."""
_NUMERIC = re.compile(rb"[0-9]{1,10}(?:\.[0-9]{1,9})?(?:[ \t]+[0-9.]{1,20})?")
_CSEQ = re.compile(rb"[0-9]{1,10}[ \t]+[A-Za-z]{1,20}")
_RACK = re.compile(rb"[0-9]{1,10}[ \t]+[0-9]{1,10}[ \t]+[A-Za-z]{1,20}")
_VIA = re.compile(
    rb"(SIP[ \t]*/[ \t]*2\.0[ \t]*/[ \t]*(?:UDP|TCP|TLS|SCTP|WSS?|TLS-SCTP)[ \t\r\n]+)"
    rb"([^;,\s]+)",
    re.IGNORECASE,
)
_CHALLENGE = re.compile(
    rb"""([A-Za-z][A-Za-z0-9_-]{0,39})([ \t\r\n]*=[ \t\r\n]*)("(?:[^"\\]|\\.)*(?:"|\\?\Z)|[^,\s"]*)""",
    re.DOTALL,
)
_SCHEMES = (b"digest", b"basic", b"bearer", b"ntlm", b"negotiate", b"kerberos")
_OPEN = {
    # parameters of Digest (RFC 7616) that tell no secret: what they have to be to stay
    b"algorithm": re.compile(rb'"?(?:MD5|SHA-256|SHA-512-256|AKAv[12]-MD5)(?:-sess)?"?', re.IGNORECASE),
    b"qop": re.compile(rb'"?auth(?:-int)?(?:, ?auth(?:-int)?)?"?', re.IGNORECASE),
    b"stale": re.compile(rb'"?(?:true|false)"?', re.IGNORECASE),
    b"nc": re.compile(rb'"?[0-9A-Fa-f]{8}"?'),
}  # fmt: skip
_REASON = re.compile(rb"(Q\.850|SIP|STIR|preemption)?(.*)", re.IGNORECASE | re.DOTALL)
_WARNING = re.compile(rb'([ \t]*[0-9]{3}[ \t]+)([^\s"]+)([ \t]*"?)(.*)', re.DOTALL)

_PARTIES = (
    b"from to contact route record-route path service-route p-asserted-identity p-preferred-identity"
    b" remote-party-id diversion history-info refer-to referred-by reply-to p-called-party-id"
    b" p-associated-uri p-served-user p-profile-key p-asserted-service p-preferred-service"
    b" alert-info error-info call-info permission-missing trigger-consent accept-contact reject-contact"
).split()
_TOKEN_LISTS = (
    b"allow supported require proxy-require unsupported accept accept-encoding allow-events privacy"
    b" content-encoding priority event subscription-state content-disposition mime-version"
    b" p-early-media request-disposition answer-mode priv-answer-mode suppress-if-match recv-info"
    b" info-package refer-sub accept-language content-language content-type security-client"
).split()
_IDENTIFIERS = (
    b"call-id in-reply-to replaces join session-id x-call-id x-callid x-cid x-session-id"
    b" x-global-call-id x-original-call-id p-charging-vector target-dialog"
).split()
_CREDENTIALS = (
    b"authorization proxy-authorization www-authenticate proxy-authenticate authentication-info"
    b" proxy-authentication-info"
).split()


class Fields:
    """Masks header fields and start lines."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self._uris = Uris(masks)
        self._texts = Texts(masks)
        self._makers: dict[bytes, Callable[[bytes], bytes]] = {
            **dict.fromkeys(_PARTIES, self._uris.parties),
            **dict.fromkeys(_TOKEN_LISTS, self._token_list),
            **dict.fromkeys(_IDENTIFIERS, self._identifier),
            **dict.fromkeys(_CREDENTIALS, self._credentials),
            **dict.fromkeys(
                b"content-length max-forwards expires min-expires".split(), self._only(_FEW)
            ),
            **dict.fromkeys((b"rseq", b"timestamp"), self._only(_NUMERIC)),
            b"cseq": self._only(_CSEQ),
            b"rack": self._only(_RACK),
            b"date": self._only(_DATE),
            b"via": self._via,
            b"identity": Passports(masks).identity,
            b"user-agent": self._texts.product,
            b"server": self._texts.product,
            b"reason": self._reason,
            b"warning": self._warning,
            **dict.fromkeys(
                b"retry-after session-expires min-se flow-timer".split(), self._seconds
            ),
        }

    def start_line(self, line: bytes) -> bytes:
        """Return a message's first line: method and URI, or status and reason (RFC 3261 7.1, 7.2)."""
        status = _STATUS.match(line)
        if status is not None:
            return status[1] + self._texts.spoken(status[2])
        method, blank, rest = line.partition(b" ")
        uri, space, version = rest.rstrip(b" \t").rpartition(b" ")
        if not space or not _METHOD.fullmatch(method) or not _VERSION.fullmatch(version):
            return fill(line)
        behind = rest[len(uri) + len(space) + len(version) :]
        return method + blank + self._uris.uri(uri) + space + version + behind

    def field(self, field: bytes) -> bytes:
        """Return a header field, with its folds and without its line end; what is none is blotted out."""
        match = _FIELD.fullmatch(field)
        if match is None:
            return fill(field)
        name, colon, value = match.groups()
        lower = name.lower()
        maker = self._makers.get(_LONG.get(lower, lower), self._masks.opaque)
        shown = name if _NAME.fullmatch(name) else self._masks.opaque(name)
        return shown + colon + maker(value)

    def _only(self, pattern: re.Pattern[bytes]) -> Callable[[bytes], bytes]:
        def made(value: bytes) -> bytes:
            fits = pattern.fullmatch(value.strip()) is not None
            return value if fits else self._masks.opaque(value)

        return made

    def _token_list(self, value: bytes) -> bytes:
        """Return tokens, apart by commas, with parameters behind them (RFC 3261 section 25.1)."""
        tokens, semicolon, parameters = value.partition(b";")
        if not all(map(_TOKEN.fullmatch, tokens.replace(b",", b" ").split())):
            tokens = self._masks.opaque(tokens)
        return tokens + self._uris.parties(semicolon + parameters)

    def _identifier(self, value: bytes) -> bytes:
        """Return a Call-ID, with parameters behind it where the header has such."""
        call_id, semicolon, parameters = value.partition(b";")
        return self._uris.call_id(call_id) + self._uris.parties(semicolon + parameters)

    def _via(self, value: bytes) -> bytes:
        """Return Via: whence, with parameters (RFC 3261 section 20.42), perhaps several."""
        pieces = []
        place = 0
        for match in _VIA.finditer(value):
            pieces.append(self._uris.parties(value[place : match.start()]))
            pieces += [match[1], self._uris.host(match[2])]
            place = match.end()
        return b"".join([*pieces, self._uris.parties(value[place:])])

    def _credentials(self, value: bytes) -> bytes:
        """Return what proves who somebody is: of Digest the names of parameters stay (RFC 7616)."""
        scheme, blank, rest = value.partition(b" ")
        if scheme.lower() not in _SCHEMES:
            scheme, blank, rest = b"", b"", value
        pieces = []
        place = 0
        for match in _CHALLENGE.finditer(rest):
            pieces += [self._masks.opaque(rest[place : match.start()]), self._proof(match)]
            place = match.end()
        return b"".join([scheme, blank, *pieces, self._masks.opaque(rest[place:])])

    def _proof(self, match: re.Match[bytes]) -> bytes:
        """Return a parameter of a challenge or its answer."""
        name, equals, value = match.groups()
        lower = name.lower()
        pattern = _OPEN.get(lower)
        if pattern is not None and pattern.fullmatch(value):
            return match[0]
        if lower not in _PROOFS:
            name = self._masks.opaque(name)
        if lower in (b"uri", b"username"):
            quote = value[:1] == b'"'
            inner = value[1:] if quote else value
            end = inner[-1:] if inner.endswith(b'"') else b""
            inner = inner.removesuffix(b'"')
            shown = self._uris.uri(inner) if lower == b"uri" else self._who(inner)
            return name + equals + value[:quote] + shown + end
        if lower == b"realm" and _REALM.fullmatch(value):
            return name + equals + self._uris.host(value.strip(b'"')).join((value[:1], value[-1:]))
        return name + equals + self._masks.opaque(value)

    def _who(self, username: bytes) -> bytes:
        """Return who answers a challenge: a user, perhaps with the realm behind an @."""
        user, at, host = username.partition(b"@")
        return self._uris.user(user) + at + (self._uris.host(host) if at else b"")

    def _reason(self, value: bytes) -> bytes:
        """Return Reason (RFC 3326): protocol and cause; its text in words that tell nothing."""
        match = _REASON.fullmatch(value)
        assert match is not None
        return (match[1] or b"") + self._spoken_parameters(match[2])

    def _spoken_parameters(self, value: bytes) -> bytes:
        pieces = []
        place = 0
        for match in _TEXT.finditer(value):
            pieces += [self._uris.parties(value[place : match.start(1)])]
            pieces += [self._texts.spoken(match[1])]
            place = match.end(1)
        return b"".join([*pieces, self._uris.parties(value[place:])])

    def _warning(self, value: bytes) -> bytes:
        """Return Warning (RFC 3261 section 20.43): code, who says so, a text."""
        match = _WARNING.fullmatch(value)
        if match is None:
            return self._texts.spoken(value)
        return match[1] + self._uris.host(match[2]) + match[3] + self._texts.spoken(match[4])

    def _seconds(self, value: bytes) -> bytes:
        """Return a time with what stands behind it: parameters, a comment."""
        match = _DELAY.fullmatch(value)
        if match is None:
            return self._masks.opaque(value)
        return match[1] + self._uris.parties(match[2])


_STATUS = re.compile(rb"(SIP/[0-9]\.[0-9][ \t]+[0-9]{3}(?![0-9]))(.*)", re.IGNORECASE | re.DOTALL)
_VERSION = re.compile(rb"SIP/[0-9]\.[0-9][ \t]*", re.IGNORECASE)
_METHOD = re.compile(rb"[A-Za-z]{1,32}")
_REALM = re.compile(rb'"[A-Za-z0-9._-]+\.[A-Za-z0-9._-]+"|"[A-Za-z]{1,16}"')
_TEXT = re.compile(
    rb';[ \t]*text[ \t]*=[ \t]*("(?:[^"\\]|\\.)*(?:"|\\?\Z))', re.IGNORECASE | re.DOTALL
)
_PROOFS = frozenset(
    b"realm nonce opaque response cnonce username uri domain algorithm qop stale nc nextnonce rspauth"
    b" auts".split()
)
