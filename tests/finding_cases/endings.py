"""Calls that end too early, too late or by a timer, and calls that end well."""

from __future__ import annotations

from finding_cases.case import case
from finding_cases.talk import Dialog, Request, sdp
from finding_cases.wire import Wire

_PHONE, _PBX = "198.51.100.10", "203.0.113.20"


@case("late-bye/yes-unknown")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered()
    wire.wait(62)
    call.asked("BYE", 481)


@case("late-bye/yes-timeout")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered()
    wire.wait(300)
    call.asked("BYE", 408, by_far=True)


@case("late-bye/yes-begun-before-the-capture")
def _(wire: Wire) -> None:
    Dialog(wire).asked("BYE", 481)


@case("late-bye/no-answered-after-3-s")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered()
    wire.wait(20)
    bye = call.request("BYE")
    for pause in (0.5, 1, 1.5):
        wire.wait(pause)
        call.again(bye)
    call.reply(bye, 200)


@case("late-bye/no-both-at-once")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered()
    wire.wait(20)
    one, other = call.request("BYE"), call.request("BYE", by_far=True)
    call.reply(one, 481)
    call.reply(other, 481)


@case("late-bye/no-said-twice")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered()
    call.hang_up()
    call.asked("BYE", 481)


@case("late-bye/no-hangs-up-what-never-was")
def _(wire: Wire) -> None:
    """481 for a CANCEL that comes after the answer is as it should be."""
    call = Dialog(wire)
    invite = call.answered()
    cancel = call.request("CANCEL", number=invite.number, uri=invite.uri, edit=_branch(invite))
    call.reply(cancel, 481)
    call.hang_up(after=2)


def _timer(seconds: int) -> dict[str, str]:
    return {"Supported": "timer", "Session-Expires": f"{seconds};refresher=uas"}


@case("session-timer/yes-a-third-before-the-end")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered(edit=_timer(90), reply_edit=_timer(90))
    call.hang_up(after=60)


@case("session-timer/yes-32-s-before-the-end")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered(edit=_timer(1800), reply_edit={"x": "1800;refresher=uac"})
    call.hang_up(after=1768, by_far=True)


@case("session-timer/yes-after-one-refresh")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered(edit=_timer(90), reply_edit=_timer(90))
    wire.wait(45)
    call.asked("UPDATE", by_far=True, edit=_timer(90), reply_edit=_timer(90))
    call.hang_up(after=90)


@case("session-timer/yes-refresh-refused")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered(edit=_timer(1800), reply_edit=_timer(1800))
    wire.wait(900)
    call.asked("UPDATE", 481, edit=_timer(1800))
    call.hang_up(after=0.1)


@case("session-timer/no-hung-up-before")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered(edit=_timer(1800), reply_edit=_timer(1800))
    call.hang_up(after=1700)


@case("session-timer/no-refreshed")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered(edit=_timer(90), reply_edit=_timer(90))
    wire.wait(45)
    call.asked("UPDATE", by_far=True, edit=_timer(90), reply_edit=_timer(90))
    call.hang_up(after=15)


@case("session-timer/no-timer-agreed-on")
def _(wire: Wire) -> None:
    """Only the caller would have had one."""
    call = Dialog(wire)
    call.answered(edit=_timer(1800))
    call.hang_up(after=1768)


@case("session-timer/no-interval-too-small")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.refused(422, edit=_timer(90), reply_edit={"Min-SE": "600"})
    call.answered(edit=_timer(600), reply_edit=_timer(600))
    call.hang_up(after=60)


def _branch(invite: Request) -> dict[str, str]:
    return {"Via": str(invite.headers["Via"])}


def _cancelled(
    wire: Wire, *, first: tuple[int, ...], after: float, reason: str = "", final: int = 487
) -> None:
    call = Dialog(wire)
    invite = call.request("INVITE", body=sdp(_PHONE))
    for status in first:
        call.reply(invite, status)
    wire.wait(after)
    edit = _branch(invite) | ({"Reason": reason} if reason else {})
    cancel = call.request("CANCEL", uri=invite.uri, number=invite.number, edit=edit)
    call.reply(cancel, 200)
    call.reply(invite, final)
    call.ack(invite, failed=True)


@case("cancelled-early/yes-after-trying")
def _(wire: Wire) -> None:
    _cancelled(wire, first=(100,), after=4.2)


@case("cancelled-early/yes-at-once")
def _(wire: Wire) -> None:
    _cancelled(wire, first=(100,), after=0.1)


@case("cancelled-early/yes-after-long-silence")
def _(wire: Wire) -> None:
    _cancelled(wire, first=(100,), after=20, final=408)


@case("cancelled-early/no-rang")
def _(wire: Wire) -> None:
    _cancelled(wire, first=(100, 180), after=4)


@case("cancelled-early/no-early-media")
def _(wire: Wire) -> None:
    _cancelled(wire, first=(100, 183), after=1)


@case("cancelled-early/no-answered-elsewhere")
def _(wire: Wire) -> None:
    reason = 'SIP;cause=200;text="Call completed elsewhere"'
    _cancelled(wire, first=(100,), after=4, reason=reason)


@case("cancelled-early/no-answer-crosses-it")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    invite = call.request("INVITE", body=sdp(_PHONE))
    call.reply(invite, 100)
    cancel = call.request("CANCEL", uri=invite.uri, number=invite.number, edit=_branch(invite))
    call.reply(invite, 200, body=sdp(_PBX, 50000))
    call.reply(cancel, 200)
    call.ack(invite)
    call.hang_up(after=1)


@case("short-call/yes-by-the-caller")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered()
    call.hang_up(after=0.2)


@case("short-call/yes-by-the-callee")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered()
    call.hang_up(after=0.7, by_far=True)


@case("short-call/yes-without-ringing")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered(ringing=False)
    call.hang_up(after=0)


@case("short-call/no-two-seconds")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered()
    call.hang_up(after=2)


@case("short-call/no-two-have-answered")
def _(wire: Wire) -> None:
    """The one that was a little later is hung up at once (RFC 3261 13.2.2.4)."""
    call = Dialog(wire)
    invite = call.answered()
    call.reply(invite, 200, body=sdp(_PBX, 50002), to_tag="later")
    call.ack(invite)
    call.asked("BYE", edit={"To": f"<sip:5556789@{_PBX}>;tag=later"})
    call.hang_up(after=30)


@case("short-call/no-takes-another-s-place")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered(edit={"Replaces": "7@case.example;to-tag=1;from-tag=2"})
    call.hang_up(after=0.3)


@case("short-call/no-transferred")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered()
    call.asked("REFER", 202, edit={"Refer-To": f"<sip:5550000@{_PBX}>"})
    call.hang_up(after=0.3)
