"""What a message says of the call that it belongs to beyond its own Call-ID: identifiers, tags, branches.

Sans-IO: bytes in, facts out. A million messages are looked at, so headers are found in one pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from sipstream.sip import headers
from sipstream.sip.tags import tag_in
from sipstream.sip.uri import uri_in

CALL_HEADERS = (
    # what B2BUAs and session border controllers add, and what sngrep and Homer look at
    "X-Call-ID", "X-CID", "X-CallID", "X-Orig-Call-ID", "X-Original-Call-ID", "P-Call-ID",
    # BroadWorks, Cisco's gateways and CUBE, Genesys: one value for all legs
    "X-BroadWorks-Correlation-Info", "Cisco-Guid", "H323-conf-id", "X-Genesys-CallUUID",
)  # fmt: skip
"""Headers whose value is the Call-ID of another leg, or one that all legs share."""

LEAST_TEXT = 8
"""Characters of an identifier or a tag at least: what is shorter occurs by chance, and a tag has 32
random bits (RFC 3261 19.3)."""
LEAST_COMMON = 16
"""Characters that two Call-IDs have in common at least: a machine's counter has fewer."""
_LEAST_LETTERS = 5
"""Different characters in such texts at least: `00000000` and `--------` are nobody's."""
_MOST_TEXT = 512
"""Characters of a value that are looked at: no identifier is as long."""
_MOST_VIAS = 8
"""Hops of a request that are looked at, its sender's side first."""

_HASH = (1 << 55) - 1
_NIL = b"0" * 32
_UUID = re.compile(rb"\s*([0-9A-Fa-f]{32})(?:\s*;\s*remote\s*=\s*([0-9A-Fa-f]{32}))?")
_ICID = re.compile(rb'(?:^|[;,\s])icid-value\s*=\s*"?([^";,\s]+)', re.IGNORECASE)
_TOKEN = re.compile(rb'[\s"<]*([^\s";,<>]+)')
_HOP = re.compile(rb"\s*SIP\s*/\s*[^\s/]+\s*/\s*\S+\s+([^\s;]+)", re.IGNORECASE)
_BRANCH = re.compile(rb";\s*branch\s*=\s*z9hG4bK([^\s;]+)", re.IGNORECASE)
_REPLACES = re.compile(rb"[?&]replaces=([^&>\s]+)", re.IGNORECASE)
_B2B = re.compile(
    rb"(?:[-_.+]b2b(?:ua)?(?:[-_.]?\d{1,3})?)+$|^(?:b2b(?:ua)?[-_.+])+", re.IGNORECASE
)


class Kind(IntEnum):
    """What two conversations may have in common."""

    ID = 0
    """An identifier of the call: the same value in both, or in one the other's Call-ID."""
    BRANCH = 1
    """A hop: sent-by and branch of a Via (RFC 3261 17.2.3)."""
    TAG = 2
    """A tag of From or To."""
    CALL_ID = 3
    """The Call-ID before the @ without what a B2BUA put before or behind it."""
    REFER = 4
    """Whom a REFER sends on, and by whom it is (RFC 3515, RFC 3892)."""
    REFERRED = 5
    """The same of a request that came of it."""
    NUMBERS = 6
    """Caller, callee and about when."""
    PAIR = 7
    """What was found out for these two conversations alone."""


class Fact(NamedTuple):
    """One of them; `label` says where it stands."""

    kind: Kind
    label: str
    value: bytes

    @property
    def key(self) -> int:
        """A number for it, one that nobody who sends values can foresee (PEP 456)."""
        return key(self.kind, self.value)


def key(kind: Kind, value: bytes) -> int:
    """Return the number for a value; its low eight bits are the kind."""
    return (hash(value) & _HASH) << 8 | kind


def kind_of(number: int) -> Kind:
    """Return the kind of a key."""
    return Kind(number & 0xFF)


class Reader:
    """Reads the facts of messages; `more` are headers that hold identifiers of the user's network."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        labels = {name.lower(): name for name in (*CALL_HEADERS, *more)}
        self._labels = {
            name.encode("utf-8", "surrogateescape"): label for name, label in labels.items()
        }
        names = [*self._labels, *_NAMES]
        self._pattern = re.compile(
            rb"\n(" + b"|".join(map(re.escape, names)) + rb")[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)",
            re.IGNORECASE,
        )

    def facts(self, raw: bytes, *, request: bool) -> list[Fact]:
        """Return what a message says, the same thing once; of a response's Vias nothing new is."""
        found: dict[Fact, None] = {}
        stop = headers.head_end(raw, 0, len(raw))
        vias = 0
        ends: dict[bytes, bytes] = {}
        for match in self._pattern.finditer(raw, 0, stop):
            name, value = match[1].lower(), match[2][:_MOST_TEXT]
            label = self._labels.get(name)
            if label is not None:
                _add(found, label, _TOKEN.match(value))
                continue
            name = _LONG.get(name, name)
            if name == b"via":
                if request and vias < _MOST_VIAS:
                    vias += 1
                    _add_branches(found, value)
                continue
            if request:
                ends.setdefault(name, value)
            if name in _READERS:
                _READERS[name](found, value)
        if b"refer-to" in ends or b"referred-by" in ends:
            _add_transfer(found, raw, ends)
        return list(found)


def of_call_id(call_id: bytes) -> Fact | None:
    """Return what a Call-ID has in common with those that B2BUAs make of it, None where that is short.

    They put `-b2bua`, `_b2b-1` and the like behind it or before it, or change the host behind the @.
    """
    common = _B2B.sub(b"", call_id.partition(b"@")[0])
    if len(common) < LEAST_COMMON or not _is_random(common):
        return None
    return Fact(Kind.CALL_ID, "Call-ID", common)


def of_correlation(value: bytes) -> Fact | None:
    """Return what an agent's correlation id says, None where it may have occurred by chance."""
    if len(value) < LEAST_TEXT or not _is_random(value):
        return None
    return Fact(Kind.ID, "HEP correlation id", value)


def _is_random(text: bytes) -> bool:
    return len(set(text)) >= _LEAST_LETTERS


def _add(found: dict[Fact, None], label: str, match: re.Match[bytes] | None) -> None:
    """Add an identifier, group 1 of a match."""
    if match and len(match[1]) >= LEAST_TEXT and _is_random(match[1]):
        found[Fact(Kind.ID, label, match[1])] = None


def _add_branches(found: dict[Fact, None], value: bytes) -> None:
    for part in value.split(b",", _MOST_VIAS)[:_MOST_VIAS]:
        hop, branch = _HOP.match(part), _BRANCH.search(part)
        # RFC 2543 had no branches that are unique.
        if hop and branch and len(branch[1]) >= LEAST_TEXT:
            found[Fact(Kind.BRANCH, "Via branch", hop[1].lower() + b" " + branch[1])] = None


def _add_transfer(found: dict[Fact, None], raw: bytes, ends: dict[bytes, bytes]) -> None:
    """Add whom a REFER sends on, or that a request came of one, with who asked for it.

    Who asks for it by REFER says so in Referred-By, which the new request has too; some are content with
    From, and who is sent on makes a Referred-By of that (RFC 3892 section 2).
    """
    target, referrer = ends.get(b"refer-to"), ends.get(b"referred-by")
    kind = Kind.REFERRED if target is None else Kind.REFER
    if target is None:
        target = raw.partition(b"\n")[0][:_MOST_TEXT]
    whom, by = (
        uri_in(one.decode("utf-8", "surrogateescape"))
        for one in (target, referrer or ends.get(b"from", b""))
    )
    if whom.user and by.text:
        text = f"{whom.user} {by.text.lower()}".encode("utf-8", "surrogateescape")
        found[Fact(kind, "Referred-By", text)] = None


def _add_tag(label: str, found: dict[Fact, None], value: bytes) -> None:
    tag = tag_in(value.decode("latin-1")).encode("latin-1")
    if len(tag) >= LEAST_TEXT and _is_random(tag):
        found[Fact(Kind.TAG, label, tag)] = None


def _add_from(found: dict[Fact, None], value: bytes) -> None:
    _add_tag("From tag", found, value)


def _add_to(found: dict[Fact, None], value: bytes) -> None:
    _add_tag("To tag", found, value)


def _add_session_id(found: dict[Fact, None], value: bytes) -> None:
    """RFC 7989 section 5: a UUID of each end; all zeros stand for the one that isn't known yet."""
    match = _UUID.match(value)
    for uuid in match.groups() if match else ():
        if uuid and uuid != _NIL:
            found[Fact(Kind.ID, "Session-ID", uuid.lower())] = None


def _add_charging(found: dict[Fact, None], value: bytes) -> None:
    """RFC 7315 section 5.6."""
    _add(found, "icid-value", _ICID.search(value))


def _add_replies(found: dict[Fact, None], value: bytes) -> None:
    """RFC 3261 section 20.21: Call-IDs apart by commas."""
    for one in value.split(b","):
        _add(found, "In-Reply-To", _TOKEN.match(one))


def _add_dialog(label: str, found: dict[Fact, None], value: bytes) -> None:
    """RFC 3891, RFC 3911, RFC 4538: the Call-ID of a dialog, then its tags."""
    _add(found, label, _TOKEN.match(value))


def _add_replaces(found: dict[Fact, None], value: bytes) -> None:
    _add_dialog("Replaces", found, value)


def _add_join(found: dict[Fact, None], value: bytes) -> None:
    _add_dialog("Join", found, value)


def _add_target(found: dict[Fact, None], value: bytes) -> None:
    _add_dialog("Target-Dialog", found, value)


def _add_refer_to(found: dict[Fact, None], value: bytes) -> None:
    """RFC 3891 section 4: the dialog to be replaced stands in the URI's headers."""
    match = _REPLACES.search(value)
    if match:
        _add(found, "Replaces in Refer-To", _TOKEN.match(unquote_to_bytes(match[1])))


_READERS = {
    b"from": _add_from, b"to": _add_to, b"session-id": _add_session_id,
    b"p-charging-vector": _add_charging, b"in-reply-to": _add_replies, b"replaces": _add_replaces,
    b"join": _add_join, b"target-dialog": _add_target, b"refer-to": _add_refer_to,
}  # fmt: skip
_LONG = {b"v": b"via", b"f": b"from", b"t": b"to", b"b": b"referred-by", b"r": b"refer-to"}
_NAMES = (*_READERS, *_LONG, b"via", b"referred-by")
