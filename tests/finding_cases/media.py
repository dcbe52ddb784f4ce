"""What ends agree on of media, and what they don't."""

from __future__ import annotations

from finding_cases.case import case
from finding_cases.talk import Dialog, sdp
from finding_cases.wire import Wire

_NEAR, _FAR = "198.51.100.10", "203.0.113.20"
_VIDEO = "m=video 40002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
_NO_VIDEO = "m=video 0 RTP/AVP 96\r\n"
_IMAGE = "m=image {port} udptl t38\r\na=T38FaxVersion:0\r\n"


def _fax(address: str, port: int, version: int) -> bytes:
    """Return a session description of T.38 alone."""
    head = sdp(address, version=version).partition(b"m=")[0]
    return head + _IMAGE.format(port=port).encode()


def _refuse(call: Dialog, offer: bytes, status: int = 488, **edit: str) -> None:
    """Offer something else within a call, and have it refused."""
    invite = call.request("INVITE", body=offer)
    call.reply(invite, status, edit=edit)
    call.ack(invite, failed=True)


# codec-mismatch


@case("codec-mismatch/yes-refused")
def _(wire: Wire) -> None:
    warning = {"Warning": f'305 {_FAR} "Incompatible media format"'}
    Dialog(wire).refused(488, offer=sdp(_NEAR, codecs=("opus", "G722")), reply_edit=warning)


@case("codec-mismatch/yes-606-without-warning")
def _(wire: Wire) -> None:
    Dialog(wire).refused(606, offer=sdp(_NEAR, codecs=("GSM",)))


@case("codec-mismatch/yes-answer-with-another")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered(
        sdp(_NEAR, codecs=("PCMU", "telephone-event")),
        sdp(_FAR, 50000, ("G729", "telephone-event")),
    )
    call.hang_up(after=4)


@case("codec-mismatch/yes-all-refused-in-answer")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered(sdp(_NEAR, codecs=("opus",)), sdp(_FAR, 0, ("PCMA",)))
    call.hang_up(after=4)


@case("codec-mismatch/yes-late-offer")
def _(wire: Wire) -> None:
    """The offer stands in the 200, the answer in the ACK."""
    call = Dialog(wire)
    invite = call.request("INVITE")
    call.reply(invite, 100)
    call.reply(invite, 200, body=sdp(_FAR, 50000, ("G722", "PCMA")))
    call.ack(invite, body=sdp(_NEAR, codecs=("G729",)))
    call.hang_up(after=4)


@case("codec-mismatch/no-tried-again-with-others")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.refused(488, offer=sdp(_NEAR, codecs=("opus",)))
    call.answered(sdp(_NEAR, codecs=("PCMA",)))
    call.hang_up()


@case("codec-mismatch/no-picture-refused")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered(sdp(_NEAR, more=_VIDEO), sdp(_FAR, 50000, more=_NO_VIDEO))
    call.hang_up()


@case("codec-mismatch/no-bandwidth")
def _(wire: Wire) -> None:
    """The 488 says that it is about something else."""
    warning = {"Warning": f'370 {_FAR} "Insufficient bandwidth"'}
    Dialog(wire).refused(488, reply_edit=warning)


@case("codec-mismatch/no-change-refused")
def _(wire: Wire) -> None:
    """A picture is refused within a call, which goes on as it was."""
    call = Dialog(wire)
    call.answered()
    wire.wait(5)
    _refuse(call, sdp(_NEAR, version=2, more=_VIDEO))
    call.hang_up()


@case("codec-mismatch/no-other-payload-type")
def _(wire: Wire) -> None:
    """The same codec under another number (RFC 3264 6.1)."""
    dynamic = "m=audio 50000 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\n"
    head = sdp(_FAR).partition(b"m=")[0]
    call = Dialog(wire)
    call.answered(sdp(_NEAR, codecs=("opus",)), head + dynamic.encode())
    call.hang_up()


# t38-failed


@case("t38-failed/yes-refused")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered()
    wire.wait(4)
    _refuse(call, _fax(_NEAR, 40000, 2))
    call.hang_up()


@case("t38-failed/yes-port-zero")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered()
    wire.wait(4)
    call.reinvite(_fax(_NEAR, 40000, 2), _fax(_FAR, 0, 2))
    call.hang_up()


@case("t38-failed/yes-goes-on-with-sound")
def _(wire: Wire) -> None:
    """After that the fax is tried as sound."""
    call = Dialog(wire)
    call.answered()
    wire.wait(4)
    _refuse(call, _fax(_NEAR, 40000, 2), 415)
    call.reinvite(sdp(_NEAR, codecs=("PCMA",), version=3), sdp(_FAR, 50000, ("PCMA",), version=2))
    call.hang_up()


@case("t38-failed/no-taken")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered()
    wire.wait(4)
    call.reinvite(_fax(_NEAR, 40000, 2), _fax(_FAR, 50000, 2))
    call.hang_up()


@case("t38-failed/no-both-at-once")
def _(wire: Wire) -> None:
    """Both ends ask for it at the same time, and one tries again (RFC 3261 14.1)."""
    call = Dialog(wire)
    call.answered()
    wire.wait(4)
    _refuse(call, _fax(_NEAR, 40000, 2), 491)
    wire.wait(2.1)
    call.reinvite(_fax(_NEAR, 40000, 2), _fax(_FAR, 50000, 2))
    call.hang_up()


@case("t38-failed/no-sound-taken-instead")
def _(wire: Wire) -> None:
    """Offered together with sound, of which the other side takes the sound."""
    both = sdp(_NEAR, more=_IMAGE.format(port=40002))
    call = Dialog(wire)
    call.answered(both, sdp(_FAR, 50000, more=_IMAGE.format(port=0)))
    call.hang_up()


@case("t38-failed/no-taken-when-tried-again")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered()
    wire.wait(4)
    _refuse(call, _fax(_NEAR, 40000, 2))
    call.reinvite(_fax(_NEAR, 40000, 3), _fax(_FAR, 50000, 2))
    call.hang_up()


# one-way-media


@case("one-way-media/yes-answered-sendonly")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered(answer=sdp(_FAR, 50000, direction="sendonly"))
    call.hang_up()


@case("one-way-media/yes-answered-with-nobody")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered(answer=sdp("0.0.0.0", 50000))
    call.hang_up()


@case("one-way-media/yes-offered-inactive-for-good")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered(sdp(_NEAR, direction="inactive"), sdp(_FAR, 50000, direction="inactive"))
    call.hang_up()


@case("one-way-media/yes-hold-does-not-end")
def _(wire: Wire) -> None:
    """Taken off hold, the other side still answers as it did to hold."""
    call = Dialog(wire)
    call.answered()
    wire.wait(10)
    held = sdp(_NEAR, direction="sendonly", version=2)
    call.reinvite(held, sdp(_FAR, 50000, direction="recvonly", version=2))
    wire.wait(10)
    call.reinvite(sdp(_NEAR, version=3), sdp(_FAR, 50000, direction="recvonly", version=2))
    call.hang_up()


@case("one-way-media/yes-rtp-one-way")
def _(wire: Wire) -> None:
    """Both agreed on sound, and the callee's goes to nobody."""
    codecs = ("G729", "telephone-event")
    call = Dialog(wire)
    call.answered(sdp(_NEAR, codecs=codecs), sdp(_FAR, 50000, codecs))
    wire.rtp((_NEAR, 40000), (_FAR, 50000), 1.5)
    call.hang_up(after=8)


@case("one-way-media/no-hold")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered()
    wire.wait(10)
    held = sdp(_NEAR, direction="inactive", version=2)
    call.reinvite(held, sdp(_FAR, 50000, direction="inactive", version=2))
    call.hang_up(after=60)


@case("one-way-media/no-both-hold")
def _(wire: Wire) -> None:
    """The callee has put the call on hold too, and leaves it so when the caller comes back."""
    call = Dialog(wire)
    call.answered()
    for by_far, version in ((True, 2), (False, 3)):
        wire.wait(5)
        own, other = (_FAR, _NEAR) if by_far else (_NEAR, _FAR)
        answered = "recvonly" if by_far else "inactive"
        call.reinvite(
            sdp(own, 50000 if by_far else 40000, direction="sendonly", version=version),
            sdp(other, 40000 if by_far else 50000, direction=answered, version=version),
            by_far=by_far,
        )
    wire.wait(5)
    call.reinvite(sdp(_NEAR, version=4), sdp(_FAR, 50000, direction="sendonly", version=4))
    call.hang_up()


@case("one-way-media/no-early-announcement")
def _(wire: Wire) -> None:
    """The announcement before the answer goes one way, the call both."""
    call = Dialog(wire)
    invite = call.request("INVITE", body=sdp(_NEAR))
    call.reply(invite, 100)
    call.reply(invite, 183, body=sdp(_FAR, 50000, direction="sendonly"))
    wire.wait(4)
    call.reply(invite, 200, body=sdp(_FAR, 50000))
    call.ack(invite)
    call.hang_up()


@case("one-way-media/no-page")
def _(wire: Wire) -> None:
    """An announcement to loudspeakers is meant to go one way."""
    call = Dialog(wire)
    call.answered(sdp(_NEAR, direction="sendonly"), sdp(_FAR, 50000, direction="recvonly"))
    call.hang_up()


@case("one-way-media/no-third-party-control")
def _(wire: Wire) -> None:
    """The call begins without media and gets some at once (RFC 3725 flow IV)."""
    call = Dialog(wire)
    call.answered(sdp("0.0.0.0"), sdp(_FAR, 50000))
    call.reinvite(sdp(_NEAR, version=2), sdp(_FAR, 50000))
    call.hang_up()


@case("one-way-media/no-rtp-through-nat")
def _(wire: Wire) -> None:
    """Sound comes from and goes to where the NAT has it, not where it was asked for."""
    codecs = ("G729", "telephone-event")
    call = Dialog(wire)
    call.answered(sdp(_NEAR, codecs=codecs), sdp(_FAR, 50000, codecs))
    wire.rtp((_NEAR, 61234), (_FAR, 50000), 1.2, ssrc=1)
    wire.rtp((_FAR, 50000), (_NEAR, 61234), 1.2, ssrc=2)
    call.hang_up(after=8)
