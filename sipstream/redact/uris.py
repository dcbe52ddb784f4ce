"""URIs and the values of headers that hold them: whom they mean is masked, where they lead stays.

Sans-IO. Users, passwords and display names are masked, hosts aren't: without addresses nobody can say
what is wrong with a call. Of parameters those in a table stay, of others names and values are masked.
"""

from __future__ import annotations

import ipaddress
import re

from sipstream.redact.masks import Masks

_URI = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]{0,19}):", re.ASCII)
_HOST = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}))(?::[0-9]{1,5})?"
)
_DIGITS = re.compile(rb"[0-9]{5,}")
_NOBODY = frozenset(b"anonymous restricted unavailable unknown invalid nobody".split())
"""Users that are no one's name (RFC 3261 section 8.1.1.3, RFC 3323), in lower case."""
_SERVICE = re.compile(rb"urn:service:[a-z]+(?:\.[a-z]+)*", re.IGNORECASE)
"""RFC 5031: emergency calls."""
_UUID = re.compile(
    rb"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
    rb"|(?=[0-9]*[A-Fa-f])(?=[A-Fa-f]*[0-9])[0-9A-Fa-f]{16,128})(?![0-9A-Za-z])"
)
"""What a program drew at random: nobody puts a number there."""
_COOKIE = b"z9hG4bK"
"""What branches begin with (RFC 3261 section 8.1.1.7)."""
_METHODS = rb"[A-Z]{3,16}"

_PARAMETERS = {
    # name: what its value has to be for both to stay
    name: re.compile(pattern, re.IGNORECASE)
    for names, pattern in (
        (b"transport", rb"udp|tcp|tls|sctp|ws|wss|tls-sctp"),
        (b"lr ob isfocus audio video alias early-only npdi", rb"|on|true|yes"),
        (b"ttl expires counter limit cause reg-id refresh retry-after", rb"[0-9]{1,6}"),
        (b"rport keep", rb"[0-9]{0,5}"),
        (b"user", rb"phone|ip|dialstring"),
        (b"method", _METHODS),
        (b"methods", rb'"?%b(?:, ?%b)*"?' % (_METHODS, _METHODS)),
        (b"q", rb"[01](?:\.[0-9]{1,3})?"),
        (b"privacy", rb'"?(?:full|off|uri|name|id|header|session|user|none|critical|history|;)*"?'),
        (b"screen", rb'"?(?:yes|no)"?'),
        (b"party", rb'"?(?:calling|called)"?'),
        (b"id-type", rb'"?(?:subscriber|user|alias|return|term)"?'),
        (
            b"reason",
            rb'"?(?:unknown|user-busy|no-answer|unavailable|unconditional|time-of-day|do-not-disturb'
            rb'|deflection|follow-me|out-of-service|away|deactivated|timeout|noresource|rejected)"?',
        ),
        (b"index mp rc np", rb"[0-9]{1,3}(?:\.[0-9]{1,3}){0,8}"),
        (b"comp", rb"sigcomp"),
        (b"refresher", rb"uac|uas"),
        (b"purpose", rb"icon|info|card|call-completion|list-management"),
        (b"handling", rb"optional|required"),
        (b"charset", rb'"?(?:utf-8|us-ascii|iso-8859-1)"?'),
        (b"alg", rb'"?ES(?:256|384|512)"?'),
        (b"ppt", rb'"?(?:shaken|div|rph)"?'),
        (b"state", rb"active|pending|terminated"),
        (b"protocol", rb"tcp|udp"),
    )
    for name in names.split()
}  # fmt: skip
_HOSTS = frozenset((b"maddr", b"received"))
_IDENTIFIERS = frozenset((b"tag", b"branch", b"to-tag", b"from-tag"))

_PIECE = re.compile(
    rb"""
    (?P<quoted>"(?:[^"\\]|\\.)*(?:"|\\?\Z))
    | <(?P<angled>[^>]*)
    | ;[ \t\r\n]*(?P<name>[^\s=;,>"<]+)
      (?:(?P<equals>[ \t\r\n]*=[ \t\r\n]*)(?P<value>"(?:[^"\\]|\\.)*(?:"|\\?\Z)|<[^>]*>?|[^;,\s>"<]*))?
    | (?P<uri>(?:sips?|tel|urn):[^;,>\s"<]*)
    | (?P<other>[^"<;,\s]+)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
"""What a header's value is made of; together the alternatives take all but separators."""


class Uris:
    """Masks URIs and what stands around them."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks

    def uri(self, uri: bytes) -> bytes:
        """Return a URI with its user masked; of other kinds than sip and tel all but the scheme is."""
        match = _URI.match(uri)
        if match is None:
            return self._masks.opaque(uri)
        scheme, rest = match[1].lower(), uri[match.end() :]
        if scheme not in (b"sip", b"sips", b"tel"):
            known = _SERVICE.fullmatch(uri) is not None
            if known:
                return uri
            if scheme in (b"http", b"https", b"urn", b"mailto", b"cid", b"im", b"pres"):
                return uri[: match.end()] + self._masks.opaque(rest)
            return self._masks.opaque(uri)
        before, at, behind = rest.rpartition(b"@")
        if at:
            host = self._host_and_parameters(behind)
            return uri[: match.end()] + self._user(before) + at + host
        if scheme == b"tel":
            return uri[: match.end()] + self._user(rest)
        return uri[: match.end()] + self._host_and_parameters(rest, alone=True)

    def _user(self, user: bytes) -> bytes:
        """Return the part before the @: a number or name, parameters of it, a password."""
        name, colon, password = user.partition(b":")
        first, *parameters = name.split(b";")
        masked = [self.user(first), *map(self._parameter, parameters)]
        return b";".join(masked) + colon + self._masks.opaque(password)

    def user(self, user: bytes) -> bytes:
        """Return the mask of a user: of a number with separators, or of a name's words."""
        return (
            self._masks.unescaped(user, self._bare_user) if b"%" in user else self._bare_user(user)
        )

    def _bare_user(self, user: bytes) -> bytes:
        if user.lower() in _NOBODY:
            return user
        return self._masks.dialled(user) or self._masks.words(user)

    def _host_and_parameters(self, text: bytes, *, alone: bool = False) -> bytes:
        """Return what stands behind the @: a host, parameters, headers (RFC 3261 section 19.1.1)."""
        text, question, headers = text.partition(b"?")
        host, *parameters = text.split(b";")
        masked = self.host(host)
        if alone and not _is_place(host):
            # sip:5660066 and sip:alice mean somebody, although they lack the @.
            masked = self.user(host)
        masked = b";".join([masked, *map(self._parameter, parameters)])
        return masked + question + self._masks.opaque(headers)

    def host(self, host: bytes) -> bytes:
        """Return a host as it is, with a port or without; digits that may be a number are masked."""
        if not _HOST.fullmatch(host):
            return self._masks.opaque(host)
        name, colon, port = host.rpartition(b":") if host.count(b":") == 1 else (host, b"", b"")
        if name.startswith(b"["):
            return host
        return _DIGITS.sub(lambda hit: self._masks.token(hit[0]), name) + colon + port

    def _parameter(self, parameter: bytes) -> bytes:
        name, equals, value = parameter.partition(b"=")
        return self._masked(name, equals, value)

    def _masked(self, name: bytes, equals: bytes, value: bytes) -> bytes:
        """Return a parameter: as it is where the table says so, else masked."""
        lower = name.lower()
        pattern = _PARAMETERS.get(lower)
        if pattern is not None and pattern.fullmatch(value):
            return name + equals + value
        if lower in _HOSTS:
            return name + equals + self.host(value)
        if lower == b"phone-context":
            # The part of a number that isn't dialled, or a domain (RFC 3966 section 5.1.5).
            return name + equals + (self._masks.dialled(value) or self.host(value))
        if lower in _IDENTIFIERS:
            return name + equals + self.identifier(value)
        if pattern is not None or lower in _KNOWN:
            return name + equals + self._masks.opaque(value)
        return self._masks.opaque(name) + equals + self._masks.opaque(value)

    def parties(self, value: bytes) -> bytes:
        """Return the value of a header that names somebody: From, Contact, Route, Diversion …"""
        return _PIECE.sub(self._piece, value)

    def _piece(self, match: re.Match[bytes]) -> bytes:
        kind = match.lastgroup
        if match["angled"] is not None:
            return b"<" + self.uri(match["angled"])
        if match["name"] is not None:
            head = match[0][: match.start("name") - match.start()]
            return head + self._masked(match["name"], match["equals"] or b"", match["value"] or b"")
        if kind == "uri":
            return self.uri(match[0])
        if kind == "quoted":
            return self._display(match[0])
        return self._masks.opaque(match[0])

    def _display(self, quoted: bytes) -> bytes:
        inner = quoted.strip(b'"')
        if inner.lower() in _NOBODY:
            return quoted
        masked = self._masks.dialled(quoted[1:-1]) if quoted.endswith(b'"') else None
        return self._masks.opaque(quoted) if masked is None else b'"' + masked + b'"'

    def identifier(self, value: bytes) -> bytes:
        """Return what tells things apart, such as a tag, masked but for what was drawn at random."""
        pieces = []
        if value.startswith(_COOKIE):
            pieces, value = [_COOKIE], value[len(_COOKIE) :]
        place = 0
        for match in _UUID.finditer(value):
            pieces += [self._masks.opaque(value[place : match.start()]), match[0]]
            place = match.end()
        return b"".join([*pieces, self._masks.opaque(value[place:])])

    def call_id(self, value: bytes) -> bytes:
        """Return a Call-ID: an identifier, and behind an @ as a rule a host."""
        word, at, host = value.partition(b"@")
        if not at:
            return self.identifier(value)
        shown = self.host(host) if _is_place(host) else self._masks.opaque(host)
        return self.identifier(word) + at + shown


_KNOWN = frozenset(
    b"text id realm +sip.instance pub-gruu temp-gruu gr isub ext rn cpc icid-value icid-generated-at"
    b" orig-ioi term-ioi cic name filename boundary info duration".split()
)
"""Parameters whose names tell nothing of anybody; their values are masked."""


def _is_place(host: bytes) -> bool:
    """Tell whether a host without a user before it is one: an address or a name with a dot in it."""
    name = host.rpartition(b":")[0] if host.count(b":") == 1 else host
    text = name.decode("latin-1").strip("[]")
    try:
        ipaddress.ip_address(text)
    except ValueError:
        labels = text.rpartition(".")
        return bool(labels[1]) and labels[2].isalpha() and _HOST.fullmatch(host) is not None
    return True
