"""Where the media of a conversation flow: what its session descriptions offer and answer."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from sipstream.sip import sdp

if TYPE_CHECKING:
    from sipstream.views import Conversation

Endpoint: TypeAlias = tuple[str, int]
"""Address as text (IPv6 as RFC 5952 writes it, a name where the description has one), and port."""

_MEDIA_LINE = b"m="
_SECURE = "SAVP"
"""RTP/SAVP, RTP/SAVPF, UDP/TLS/RTP/SAVPF (RFC 3711, RFC 5124, RFC 5764)."""


class Offered(NamedTuple):
    """What session descriptions say of the media at one endpoint, all of them taken together."""

    rtcp: bool
    """It is for RTCP alone."""
    formats: dict[int, tuple[str, int]]
    """Codec name and clock rate (Hz, 0: unknown) of RTP payload types; the last one said counts."""
    secure: bool
    """SRTP is offered there."""


def media_endpoints(conversation: Conversation) -> set[Endpoint]:
    """Return the endpoints at which a conversation's media are sent and received, RTCP's too.

    They are those that its session descriptions name, T.38 and others beside RTP among them: behind
    a NAT packets may come from elsewhere, but go to one of these or come from it.
    """
    return set(offered(conversation))


def offered(conversation: Conversation) -> dict[Endpoint, Offered]:
    """Return what a conversation's session descriptions say of each endpoint of its media."""
    found: dict[Endpoint, Offered] = {}
    for _ in offers_into(found, conversation):
        pass
    return found


def offers_into(found: dict[Endpoint, Offered], conversation: Conversation) -> Iterator[None]:
    """Enter the same into a table; yields wherever others may have their turn."""
    for media in _media(conversation):
        yield
        if media is None or not media.port or not media.address:
            continue
        address = _canonical(media.address)
        if address is None:
            continue
        formats = {
            int(one.payload_type): (one.name, one.rate)
            for one in media.formats
            if one.rate and one.payload_type.isascii() and one.payload_type.isdigit()
        }
        secure = _SECURE in media.protocol
        _add(found, (address, media.port), Offered(False, formats, secure))
        if media.rtcp_port and media.rtcp_port != media.port:
            _add(found, (address, media.rtcp_port), Offered(True, formats, secure))


def _add(found: dict[Endpoint, Offered], endpoint: Endpoint, new: Offered) -> None:
    """Add what a description says to what those before it said."""
    old = found.get(endpoint)
    if old is not None:
        new = Offered(old.rtcp and new.rtcp, old.formats | new.formats, old.secure or new.secure)
    found[endpoint] = new


def _media(conversation: Conversation) -> Iterator[sdp.Media | None]:
    """Yield the media of all messages' session descriptions, those said again once; None for nothing."""
    seen: set[bytes] = set()
    for message in conversation.messages:
        yield None
        raw = message.raw
        if _MEDIA_LINE in raw and (body := message.body) not in seen:
            seen.add(body)
            yield from sdp.media(raw)


def _canonical(address: str) -> str | None:
    """Return an address as other texts of ours have it; None for 0.0.0.0 and ::, which mean hold."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return None if parsed.is_unspecified else str(parsed)
