"""NATs that let nothing in, keepalives and answers that nothing comes back to."""

from __future__ import annotations

from finding_cases.case import case
from finding_cases.talk import Dialog, Request, sdp
from finding_cases.wire import End, Wire

_PBX: End = ("203.0.113.20", 5060)
_CUSTOMER: End = ("198.51.100.77", 1042)
_INSIDE: End = ("192.168.1.20", 5060)
_TIMER_A = (0.5, 1, 2, 4, 8, 16)
_TIMER_E = (0.5, 1, 2, 4, 4, 4, 4, 4, 4, 4)


def _again(call: Dialog, request: Request, pauses: tuple[float, ...]) -> None:
    for pause in pauses:
        call.wire.wait(pause - call.pause)
        call.again(request)


def _inbound(
    wire: Wire, times: int = 6, target: End = _CUSTOMER, near: End = _PBX
) -> tuple[Dialog, Request]:
    """Call a customer, again and again."""
    call = Dialog(wire, near, target, call_id="inbound")
    invite = call.request("INVITE", body=sdp(near[0]))
    _again(call, invite, _TIMER_A[:times])
    return call, invite


@case("nat-timeout/yes-calls-out-itself")
def _(wire: Wire) -> None:
    for name in ("before", "after"):
        call = Dialog(wire, _CUSTOMER, _PBX, inside=_INSIDE, call_id=name)
        call.answered()
        call.hang_up()
        if name == "before":
            wire.wait(60)
            _inbound(wire)
            wire.wait(60)


@case("nat-timeout/yes-registered")
def _(wire: Wire) -> None:
    Dialog(wire, _CUSTOMER, _PBX, inside=_INSIDE, callee="5551234").asked("REGISTER")
    wire.wait(300)
    _inbound(wire, 4)


@case("nat-timeout/yes-contact-inside")
def _(wire: Wire) -> None:
    call = Dialog(wire, _PBX, _CUSTOMER)
    invite = call.request("INVITE", uri="sip:5556789@192.168.1.20:5060", body=sdp(_PBX[0]))
    _again(call, invite, _TIMER_A)


@case("nat-timeout/yes-marked-contact")
def _(wire: Wire) -> None:
    call = Dialog(wire, _PBX, _CUSTOMER)
    uri = "sip:5556789@198.51.100.77:1042;fs_nat=yes"
    _again(call, call.request("INVITE", uri=uri, body=sdp(_PBX[0])), _TIMER_A)


@case("nat-timeout/yes-notify")
def _(wire: Wire) -> None:
    lamp = Dialog(wire, _CUSTOMER, _PBX, inside=_INSIDE)
    subscribe = lamp.request("SUBSCRIBE", edit={"Event": "dialog"})
    lamp.reply(subscribe, 202)
    wire.wait(200)
    _again(lamp, lamp.request("NOTIFY", by_far=True), _TIMER_E[:6])


@case("nat-timeout/no-answered-late")
def _(wire: Wire) -> None:
    Dialog(wire, _CUSTOMER, _PBX, inside=_INSIDE, callee="5551234").asked("REGISTER")
    wire.wait(300)
    call, invite = _inbound(wire, 3)
    call.reply(invite, 486)
    call.ack(invite, failed=True)


@case("nat-timeout/no-way-in-is-open")
def _(wire: Wire) -> None:
    """The customer asks something while the INVITE isn't answered: the NAT isn't why."""
    Dialog(wire, _CUSTOMER, _PBX, inside=_INSIDE, callee="5551234").asked("REGISTER")
    wire.wait(30)
    call = Dialog(wire, _PBX, _CUSTOMER, call_id="inbound")
    invite = call.request("INVITE", body=sdp(_PBX[0]))
    _again(call, invite, _TIMER_A[:3])
    Dialog(wire, _CUSTOMER, _PBX, inside=_INSIDE).asked("OPTIONS")
    _again(call, invite, _TIMER_A[3:])


@case("nat-timeout/no-one-network")
def _(wire: Wire) -> None:
    phone, box = ("192.168.1.20", 5060), ("192.168.1.2", 5060)
    Dialog(wire, phone, box, callee="5551234").asked("REGISTER")
    wire.wait(100)
    _inbound(wire, 6, phone, box)


@case("nat-timeout/no-another-calls-out")
def _(wire: Wire) -> None:
    Dialog(wire, ("198.51.100.78", 1042), _PBX, callee="5551234").asked("REGISTER")
    wire.wait(100)
    _inbound(wire)


@case("unreachable/yes-all-of-timer-a")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    _again(call, call.request("INVITE", body=sdp(call.near.at[0])), _TIMER_A)


@case("unreachable/yes-given-up-early")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    _again(call, call.request("INVITE", body=sdp(call.near.at[0])), _TIMER_A[:3])


@case("unreachable/no-answered-late")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    invite = call.request("INVITE", body=sdp(call.near.at[0]))
    _again(call, invite, _TIMER_A[:3])
    call.reply(invite, 100)
    call.reply(invite, 486)
    call.ack(invite, failed=True)


@case("unreachable/no-copies-at-taps")
def _(wire: Wire) -> None:
    """One sending that three taps have seen."""
    call = Dialog(wire, pause=0)
    invite = call.request("INVITE", body=sdp(call.near.at[0]))
    for _ in range(2):
        wire.wait(0.000_004)
        call.again(invite)


@case("unreachable/no-capture-ends-early")
def _(wire: Wire) -> None:
    Dialog(wire).request("INVITE", body=sdp("198.51.100.10"))


@case("unreachable/yes-register")
def _(wire: Wire) -> None:
    phone = Dialog(wire, callee="5551234")
    _again(phone, phone.request("REGISTER"), _TIMER_E)


@case("unreachable/yes-bye")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered()
    wire.wait(20)
    _again(call, call.request("BYE"), _TIMER_E)


@case("unreachable/no-responses-not-captured")
def _(wire: Wire) -> None:
    """The capture has what one side sends only: its ACK tells of the response."""
    call = Dialog(wire)
    invite = call.request("INVITE", body=sdp(call.near.at[0]))
    _again(call, invite, _TIMER_A[:3])
    call.ack(invite)


@case("unanswered-options/yes-timer-e")
def _(wire: Wire) -> None:
    ping = Dialog(wire)
    _again(ping, ping.request("OPTIONS"), _TIMER_E)


@case("unanswered-options/yes-each-half-minute")
def _(wire: Wire) -> None:
    """Another one answers: the capture has what comes to who asks."""
    Dialog(wire, far=("203.0.113.30", 5060), call_id="2").asked("OPTIONS")
    ping = Dialog(wire)
    for _ in range(4):
        ping.request("OPTIONS")
        wire.wait(30)


@case("unanswered-options/yes-one-of-several")
def _(wire: Wire) -> None:
    ping = Dialog(wire)
    ping.asked("OPTIONS")
    wire.wait(30)
    _again(ping, ping.request("OPTIONS"), _TIMER_E[:4])


@case("unanswered-options/no-lost-once")
def _(wire: Wire) -> None:
    ping = Dialog(wire)
    options = ping.request("OPTIONS")
    _again(ping, options, _TIMER_E[:2])
    ping.reply(options, 200)


@case("unanswered-options/no-not-found")
def _(wire: Wire) -> None:
    """Any response tells that somebody is there."""
    ping = Dialog(wire)
    for _ in range(3):
        ping.asked("OPTIONS", 404)
        wire.wait(30)


@case("unanswered-options/no-asked-once")
def _(wire: Wire) -> None:
    Dialog(wire).request("OPTIONS")


@case("unanswered-options/no-copies-at-taps")
def _(wire: Wire) -> None:
    ping = Dialog(wire, pause=0)
    _again(ping, ping.request("OPTIONS"), (0.000_004, 0.000_003, 0.000_005))


def _answer(call: Dialog, pauses: tuple[float, ...]) -> tuple[Request, bytes]:
    """Call, and answer again and again."""
    invite = call.request("INVITE", body=sdp(call.near.at[0]))
    call.reply(invite, 180)
    call.wire.wait(3)
    body = sdp(call.far.at[0], 50000)
    answer = call.reply(invite, 200, body=body)
    for pause in pauses:
        call.wire.wait(pause - call.pause)
        call.reply(invite, 200, body=body)
    return invite, answer


@case("no-ack/yes-until-bye")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    _answer(call, _TIMER_E)
    call.hang_up(by_far=True, after=1)


@case("no-ack/yes-capture-ends")
def _(wire: Wire) -> None:
    _answer(Dialog(wire), _TIMER_E[:3])


@case("no-ack/yes-ack-goes-elsewhere")
def _(wire: Wire) -> None:
    """The Contact of the answer names an address that the ACK gets lost on the way to."""
    call = Dialog(wire, pause=0.02)
    invite, _ = _answer(call, ())
    lost = Dialog(wire, call.near.at, ("192.168.7.7", 5060))
    for pause in (*_TIMER_E[:6],):
        lost.ack(invite)
        wire.wait(pause)
        call.reply(invite, 200, body=sdp(call.far.at[0], 50000))
    call.hang_up(by_far=True, after=1)


@case("no-ack/no-second-answer")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    invite, _ = _answer(call, _TIMER_E[:1])
    call.ack(invite)
    call.hang_up()


@case("no-ack/no-ack-comes-late")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    invite, _ = _answer(call, _TIMER_E[:3])
    call.ack(invite)
    call.hang_up()


@case("no-ack/no-copies-at-taps")
def _(wire: Wire) -> None:
    """One answer that three taps have seen; the capture ends before the ACK."""
    call = Dialog(wire)
    _, answer = _answer(call, ())
    for _ in range(2):
        wire.wait(0.000_004)
        wire.datagram(call.far.at, call.near.at, answer)


@case("no-ack/no-several-answer")
def _(wire: Wire) -> None:
    """Each of four phones has answered once; the caller takes the first."""
    call = Dialog(wire)
    invite, _ = _answer(call, ())
    call.ack(invite)
    for phone in ("two", "three", "four"):
        wire.wait(0.8)
        call.reply(invite, 200, body=sdp(call.far.at[0], 50000), to_tag=phone)
    call.hang_up()
