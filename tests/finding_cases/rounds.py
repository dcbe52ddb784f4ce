"""Loops, storms and scanners, and what looks like them."""

from __future__ import annotations

from finding_cases.case import case
from finding_cases.talk import Dialog, Request, sdp
from finding_cases.wire import Wire

_TIMER_E = (0.5, 1, 2, 4, 4, 4, 4, 4, 4, 4)


@case("loop/yes-too-many-hops")
def _(wire: Wire) -> None:
    Dialog(wire).refused(483, edit={"Max-Forwards": "2"})


@case("loop/yes-detected")
def _(wire: Wire) -> None:
    Dialog(wire).refused(482)


def _round(wire: Wire, turn: int, uri: str = "", method: str = "INVITE") -> tuple[Dialog, Request]:
    call = Dialog(wire)
    via = f"SIP/2.0/UDP 198.51.100.10:5060;branch=z9hG4bKround{turn}"
    edit = {"Via": via, "Max-Forwards": str(70 - 2 * turn)}
    return call, call.request(method, number=1, uri=uri, edit=edit)


@case("loop/yes-max-forwards-run-down")
def _(wire: Wire) -> None:
    for turn in range(5):
        call, invite = _round(wire, turn)
        call.reply(invite, 100)


@case("loop/no-traced")
def _(wire: Wire) -> None:
    """OPTIONS ask hop by hop who is on the way (RFC 3261 11)."""
    ping = Dialog(wire)
    for hops in range(3):
        ping.asked("OPTIONS", 483, edit={"Max-Forwards": str(hops)})


@case("loop/no-merged")
def _(wire: Wire) -> None:
    """The same INVITE comes by two ways: one is served, the other refused (RFC 3261 8.2.2.2)."""
    call, invite = _round(wire, 0)
    other, merged = _round(wire, 1)
    other.reply(merged, 482)
    other.ack(merged, failed=True)
    call.reply(invite, 180)
    wire.wait(3)
    call.reply(invite, 200, body=sdp("203.0.113.20", 50000))
    call.ack(invite)
    call.hang_up()


@case("loop/no-spiral")
def _(wire: Wire) -> None:
    """It comes by the same way once more, for another number."""
    first, invite = _round(wire, 0)
    first.reply(invite, 100)
    second, again = _round(wire, 1, "sip:5550000@203.0.113.20")
    for call, request in ((second, again), (first, invite)):
        call.reply(request, 486)
        call.ack(request, failed=True)


@case("loop/no-sent-again")
def _(wire: Wire) -> None:
    call, invite = _round(wire, 0)
    for pause in (0.5, 1, 2):
        wire.wait(pause)
        call.again(invite)
    call.reply(invite, 486)
    call.ack(invite, failed=True)


def _many(call: Dialog, request: Request, times: int, pause: float) -> None:
    for _ in range(times - 1):
        call.wire.wait(pause - call.pause)
        call.again(request)


@case("retransmission-storm/yes-ten-a-second")
def _(wire: Wire) -> None:
    ping = Dialog(wire)
    options = ping.request("OPTIONS")
    _many(ping, options, 10, 0.1)
    ping.reply(options, 200)


@case("retransmission-storm/yes-twenty-times")
def _(wire: Wire) -> None:
    phone = Dialog(wire, callee="5551234")
    register = phone.request("REGISTER")
    _many(phone, register, 20, 1.5)
    phone.reply(register, 200)


@case("retransmission-storm/yes-response-gets-lost")
def _(wire: Wire) -> None:
    ping = Dialog(wire)
    options = ping.request("OPTIONS")
    ping.reply(options, 200)
    for pause in _TIMER_E[:6]:
        wire.wait(pause)
        ping.again(options)
        ping.reply(options, 200)


@case("retransmission-storm/no-answered-after-timer-e")
def _(wire: Wire) -> None:
    phone = Dialog(wire, callee="5551234")
    register = phone.request("REGISTER")
    for pause in _TIMER_E:
        wire.wait(pause - phone.pause)
        phone.again(register)
    phone.reply(register, 200)


@case("retransmission-storm/no-six-taps")
def _(wire: Wire) -> None:
    ping = Dialog(wire, pause=0.000_5)
    options = ping.request("OPTIONS")
    _many(ping, options, 6, 0.000_5)
    for _ in range(6):
        ping.reply(options, 200)


@case("retransmission-storm/no-one-response-lost")
def _(wire: Wire) -> None:
    ping = Dialog(wire)
    options = ping.request("OPTIONS")
    ping.reply(options, 200)
    wire.wait(0.6)
    ping.again(options)
    ping.reply(options, 200)


@case("retransmission-storm/no-short-timer")
def _(wire: Wire) -> None:
    """Who knows that the way is short may have a T1 of 100 ms (RFC 3261 17.1.1.1)."""
    ping = Dialog(wire)
    options = ping.request("OPTIONS")
    for pause in (0.1, 0.2, 0.4, 0.8):
        wire.wait(pause)
        ping.again(options)
    ping.reply(options, 200)


@case("retransmission-storm/no-ten-requests-a-second")
def _(wire: Wire) -> None:
    """Each is another one."""
    call = Dialog(wire)
    call.answered()
    for digit in "5556789#12":
        wire.wait(0.08)
        call.asked("INFO", edit={"Content-Type": "application/dtmf-relay", "X-Digit": digit})
    call.hang_up()


@case("scanner/yes-friendly")
def _(wire: Wire) -> None:
    scan = Dialog(wire, caller="100", callee="100")
    scan.asked("OPTIONS", edit={"User-Agent": "friendly-scanner"})


@case("scanner/yes-sipcli")
def _(wire: Wire) -> None:
    scan = Dialog(wire, caller="1001", callee="900442079460000")
    scan.refused(404, edit={"User-Agent": "sipcli/v1.8"})


@case("scanner/yes-writes-as-svmap-does")
def _(wire: Wire) -> None:
    party = '"sipvicious"<sip:100@1.1.1.1>'
    edit = {"From": f"{party};tag=3563", "To": party, "User-Agent": "Asterisk PBX"}
    Dialog(wire).asked("OPTIONS", edit=edit)


@case("scanner/yes-one-user-after-the-other")
def _(wire: Wire) -> None:
    for number in range(100, 108):
        scan = Dialog(wire, caller=str(number), callee=str(number))
        scan.near.number = number
        scan.asked("REGISTER", 404)


@case("scanner/no-friendly-phone")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered(edit={"User-Agent": "Friendly Phones 2.0 (scanner fax)"})
    call.hang_up()


@case("scanner/no-word-elsewhere")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered(edit={"Subject": "friendly-scanner, sipvicious", "User-Agent": "Yealink T42G"})
    call.hang_up()


@case("scanner/no-all-of-them-there")
def _(wire: Wire) -> None:
    for number in range(1500, 1506):
        line = Dialog(wire, caller=str(number), callee=str(number))
        line.near.number = number
        line.asked("REGISTER")


@case("scanner/no-three-not-found")
def _(wire: Wire) -> None:
    for number in range(1500, 1503):
        line = Dialog(wire, caller=str(number), callee=str(number))
        line.near.number = number
        line.asked("REGISTER", 404)
