"""Captures that have a part only: one direction, or that begin within a call."""

from __future__ import annotations

from finding_cases.case import case
from finding_cases.talk import Dialog, sdp
from finding_cases.wire import Wire

_NEAR, _FAR = "198.51.100.10", "203.0.113.20"
_INSIDE = ("192.168.1.20", 5060)
_PICTURE = "m=video 40002 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\n"
_TIMED = {"Session-Expires": "90"}


@case("unanswered-options/no-responses-not-captured")
def _(wire: Wire) -> None:
    wire.unseen = _FAR
    ping = Dialog(wire)
    for _ in range(4):
        ping.asked("OPTIONS")
        wire.wait(30)


@case("unreachable/no-slow-answer-not-captured")
def _(wire: Wire) -> None:
    wire.unseen = _FAR
    phone = Dialog(wire)
    register = phone.request("REGISTER")
    for pause in (0.5, 1, 2):
        wire.wait(pause - phone.pause)
        phone.again(register)
    phone.reply(register, 200)


@case("unreachable/yes-all-of-timer-e-and-nothing-else")
def _(wire: Wire) -> None:
    """Whoever answers so late answers never, whatever the capture lacks."""
    phone = Dialog(wire)
    register = phone.request("REGISTER")
    for pause in (0.5, 1, 2, 4, 4, 4, 4):
        wire.wait(pause - phone.pause)
        phone.again(register)


@case("no-ack/no-ack-not-captured")
def _(wire: Wire) -> None:
    wire.unseen = _NEAR
    call = Dialog(wire)
    invite = call.request("INVITE", body=sdp(_NEAR))
    for pause in (0.5, 1, 2):
        call.reply(invite, 200, body=sdp(_FAR, 50000))
        wire.wait(pause - call.pause)
    call.ack(invite)
    call.hang_up(by_far=True)


@case("no-ack/no-other-side-s-number")
def _(wire: Wire) -> None:
    """Both sides' first INVITEs have the same number; the ACK of the second is slow."""
    call = Dialog(wire)
    call.answered()
    wire.wait(10)
    invite = call.request("INVITE", by_far=True, body=sdp(_FAR, 50000, version=2))
    for pause in (0.5, 1, 2):
        call.reply(invite, 200, body=sdp(_NEAR, version=2))
        wire.wait(pause - call.pause)
    call.ack(invite)
    call.hang_up()


@case("scanner/no-answers-not-captured")
def _(wire: Wire) -> None:
    wire.unseen = _FAR
    for number in range(1500, 1506):
        line = Dialog(wire, caller=str(number), callee=str(number))
        line.near.number = number
        line.asked("REGISTER")


@case("private-address/no-responses-not-captured")
def _(wire: Wire) -> None:
    """The registrar tells where the request comes from, but the capture lacks that."""
    wire.unseen = _FAR
    Dialog(wire, inside=_INSIDE, callee="5551234").asked("REGISTER")


@case("wrong-address/no-begins-within-a-subscription")
def _(wire: Wire) -> None:
    """The server sends to where the phone has sent from, before the capture began."""
    lamp = Dialog(wire, inside=_INSIDE)
    lamp.asked("SUBSCRIBE", edit={"Event": "dialog"})
    wire.begin()
    wire.unseen = _NEAR
    for _ in range(3):
        wire.wait(30)
        lamp.asked("NOTIFY", by_far=True)


@case("one-way-media/no-held-when-the-capture-begins")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered()
    wire.begin()
    wire.wait(10)
    held = (sdp(at, direction="inactive", version=2) for at in (_NEAR, _FAR))
    call.reinvite(*held)
    call.hang_up(after=60)


@case("one-way-media/no-held-before-the-capture-begins")
def _(wire: Wire) -> None:
    """The callee holds the call; the capture begins before the caller refreshes the session."""
    call = Dialog(wire)
    call.answered()
    wire.begin()
    wire.wait(10)
    call.reinvite(sdp(_NEAR), sdp(_FAR, direction="sendonly", version=2))
    call.hang_up(after=60)


@case("codec-mismatch/no-change-of-a-call-begun-before")
def _(wire: Wire) -> None:
    """A picture is refused within a call; the capture lacks what was agreed on before."""
    call = Dialog(wire)
    call.answered()
    wire.begin()
    wire.wait(5)
    call.refused(488, offer=sdp(_NEAR, version=2, more=_PICTURE))
    call.hang_up()


@case("session-timer/no-refresh-s-response-not-captured")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered(edit=_TIMED, reply_edit=_TIMED)
    wire.wait(45)
    update = call.request("UPDATE", edit=_TIMED)
    wire.unseen = _FAR
    call.reply(update, 200, edit=_TIMED)
    wire.unseen = ""
    call.hang_up(after=45)
