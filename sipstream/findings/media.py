"""What ends agree on of media, and what they don't (RFC 3264)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sipstream.findings.addresses import same
from sipstream.findings.rule import Proof, Severity, rule
from sipstream.findings.subject import Subject, tag
from sipstream.findings.telling import SECOND, answer
from sipstream.sip.offers import AGREED, NO_CODEC, REFUSED, UNANSWERED, Agreed, Exchange, Said
from sipstream.sip.sdp import DIRECTIONS, Media

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sipstream.views import Message

_NOT_ACCEPTABLE = (488, 606)
"""RFC 3261 21.4.26 and 21.6.4."""
_OF_MEDIA = ("304", "305", "399")
"""Warnings that may be about codecs (RFC 3261 20.43); of the rest each names another reason."""
_WARNING = re.compile(r"\s*(3\d\d)\b")
_NO_FAX = (415, *_NOT_ACCEPTABLE)
_SHOWN = 6
"""Codecs named in a sentence."""
_LASTING = 5 * SECOND
"""A call that lasts so long after what was agreed last was meant to be like that, or suffers from it."""
_HEARD = 50
"""Packets of RTP that are media, about a second of it."""
_BOTH = DIRECTIONS[0]
_NOBODY = ("0.0.0.0", "::")
"""RFC 2543's hold: media is to be sent nowhere."""


@rule(
    "codec-mismatch",
    Severity.PROBLEM,
    about="the two sides have no codec in common",
    source="RFC 3264 6",
    kinds=("INVITE", "UPDATE"),
)
def codec_mismatch(subject: Subject) -> Proof | None:
    """Find offers refused with 488 or 606, and answers without a codec that was offered."""
    exchanges = subject.exchanges
    agreed = [place for place, one in enumerate(exchanges) if _is_agreed(one)]
    # What was agreed on later leaves nothing wrong of what was before.
    for place in range(agreed[-1] if agreed else 0, len(exchanges)):
        one = exchanges[place]
        if not _rtp(one.offer):
            continue
        proof = _refused(subject, one, exchanges[:place]) or _nothing_common(subject, one)
        if proof is not None:
            return proof
    return None


def _refused(subject: Subject, one: Exchange, before: list[Exchange]) -> Proof | None:
    refusal = subject.at(one.refusal)
    if one.refused not in _NOT_ACCEPTABLE or refusal is None:
        return None
    warning = refusal.header("Warning") or ""
    code = _WARNING.match(warning)
    if code and code[1] not in _OF_MEDIA:
        return None
    known = next((found for found in map(_agreed_codecs, reversed(before)) if found), None)
    if known is None:
        offer = subject.at(one.offer.place)
        if not code and offer is not None and tag(offer, "To"):
            # Within a call whose beginning the capture lacks.
            return None
    elif known.intersection(_codecs(_rtp(one.offer))):
        # Within a call something else of the change was refused, such as a picture.
        return None
    return Proof(
        f"{one.offer.kind} offers {_named(one.offer)}, which {answer(refusal)} refuses",
        _messages(subject, one.offer.place, one.refusal),
    )


def _nothing_common(subject: Subject, one: Exchange) -> Proof | None:
    if one.answer is None or _is_agreed(one):
        return None
    told = f"{one.offer.kind} offers {_named(one.offer)}, {one.answer.kind} answers with"
    proof = _messages(subject, one.offer.place, one.answer.place)
    if any(stream.outcome == NO_CODEC for stream in one.agreed):
        return Proof(f"{told} {_named(one.answer)}: no codec is in both", proof)
    if all(stream.outcome in (REFUSED, UNANSWERED) for stream in one.agreed):
        return Proof(f"{told} none of it: all media is refused", proof)
    return None


@rule(
    "t38-failed",
    Severity.WARNING,
    about="a fax was to go by T.38, which the other side doesn't take",
    source="RFC 3264 6, T.38 annex D",
    kinds=("INVITE", "UPDATE"),
)
def t38_failed(subject: Subject) -> Proof | None:
    """Find offers of T.38 that are refused and not taken later."""
    exchanges = subject.exchanges
    taken = [place for place, one in enumerate(exchanges) if _takes_fax(one)]
    for one in exchanges[taken[-1] + 1 if taken else 0 :]:
        if not _fax(one.offer):
            continue
        place = one.refusal
        if one.answer is not None:
            if _is_agreed(one):
                continue
            place = one.answer.place
        elif one.refused not in _NO_FAX:
            continue
        message = subject.at(place)
        if message is not None:
            return Proof(
                f"{one.offer.kind} offers T.38 for a fax, which {answer(message)} doesn't take",
                _messages(subject, one.offer.place, place),
            )
    return None


@rule(
    "one-way-media",
    Severity.WARNING,
    about="media goes one way or none, and nobody has put the call on hold",
    source="RFC 3264 6.1, 8.4",
    kinds=(200,),
)
def one_way_media(subject: Subject) -> Proof | None:
    """Find calls that stay without media in a direction by what was agreed, or by RTP that was seen."""
    answered = [one for one in subject.exchanges if one.answer is not None and _audio(one)]
    if not answered:
        return None
    last = answered[-1]
    said = subject.at(last.answer.place) if last.answer is not None else None
    if said is None or subject.messages[-1].time - said.time < _LASTING:
        return None
    stream, offered, taken = next(_audio_of(last))
    if stream.direction == _BOTH:
        return _heard_one_way(subject, last, said, offered, taken)
    if not _begins(subject):
        # Who holds the call may have said so before the capture began.
        return None
    first = all(one.offer.place == last.offer.place for one in answered)
    if _limited(offered):
        nothing = offered.address in _NOBODY or offered.direction == "inactive"
        if not first or not nothing:
            # Who offers it means it: hold, or from the beginning an announcement or a page.
            return None
        return Proof(
            f"the call begins with an offer of {_direction(offered)} and gets no media after that",
            _messages(subject, last.offer.place, last.answer and last.answer.place),
        )
    if last.answer is None or last.answer.source in _holding(answered[:-1]):
        return None
    after = "" if first else ", though the call is taken off hold"
    return Proof(
        f"{last.offer.kind} offers sendrecv, {last.answer.kind} answers {_direction(taken)}{after},"
        " and it stays so",
        _messages(subject, last.offer.place, last.answer.place),
    )


def _heard_one_way(
    subject: Subject, last: Exchange, answer: Message, offered: Media, taken: Media
) -> Proof | None:
    """Find RTP that comes to one side and not to the other, where both should have it."""
    if subject.around.streams is None:
        return None
    near, far = (same(offered.address), offered.port), (same(taken.address), taken.port)
    packets = {near: 0, far: 0}
    for stream in subject.around.streams(subject.conversation):
        if stream.copy or stream.end < answer.time:
            continue
        if stream.destination in packets:
            packets[stream.destination] += stream.packets
        elif stream.source in packets:
            # Through a NAT it goes to where the other side sends from.
            packets[far if stream.source == near else near] += stream.packets
    (some, count), (none, other) = sorted(packets.items(), key=lambda item: -item[1])
    if other or count < _HEARD:
        return None
    return Proof(
        f"{count} packets of RTP go to {some[0]}:{some[1]}, none to {none[0]}:{none[1]}",
        _messages(subject, last.offer.place, answer.index),
    )


def _begins(subject: Subject) -> bool:
    """Tell whether the INVITE by which the call begins is there."""
    return any(not tag(one.first, "To") for one in subject.of_method("INVITE"))


def _holding(exchanges: list[Exchange]) -> set[str]:
    """Return the endpoints that have put the call on hold and have not taken it off again."""
    holding: set[str] = set()
    for one in exchanges:
        audio = next((media for media in one.offer.session.media if media.kind == "audio"), None)
        if audio is None:
            continue
        if _limited(audio):
            holding.add(one.offer.source)
        else:
            holding.discard(one.offer.source)
    return holding


def _audio(one: Exchange) -> bool:
    return next(_audio_of(one), None) is not None


def _audio_of(one: Exchange) -> Iterator[tuple[Agreed, Media, Media]]:
    """Yield the sound that both sides take, with its descriptions in offer and answer."""
    if one.answer is None:
        return
    for stream, offered, taken in zip(
        one.agreed, one.offer.session.media, one.answer.session.media, strict=False
    ):
        if stream.outcome == AGREED and offered.kind == "audio":
            yield stream, offered, taken


def _limited(media: Media) -> bool:
    return media.direction != _BOTH or media.address in _NOBODY


def _direction(media: Media) -> str:
    return media.address if media.address in _NOBODY else media.direction


def _rtp(said: Said) -> list[Media]:
    return [media for media in said.session.media if media.port and "RTP" in media.protocol]


def _fax(said: Said) -> bool:
    return any(
        media.port and media.kind == "image" and "t38" in " ".join(media.codecs).lower()
        for media in said.session.media
    )


def _takes_fax(one: Exchange) -> bool:
    return any(
        stream.outcome == AGREED and media.kind == "image"
        for stream, media in zip(one.agreed, one.offer.session.media, strict=False)
    )


def _is_agreed(one: Exchange) -> bool:
    return any(stream.outcome == AGREED for stream in one.agreed)


def _agreed_codecs(one: Exchange) -> set[str]:
    return {name.upper() for stream in one.agreed for name in stream.codecs}


def _codecs(media: list[Media]) -> set[str]:
    return {name.upper() for one in media for name in one.codecs}


def _named(said: Said) -> str:
    """Return the codecs of a description, the first ones of many."""
    names = list(dict.fromkeys(name for one in _rtp(said) for name in one.codecs))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) or "none") + more


def _messages(subject: Subject, *places: int | None) -> list[Message]:
    return [message for place in places if (message := subject.at(place)) is not None]
