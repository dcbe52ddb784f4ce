"""What several capture points, transports and phones make of a call."""

from __future__ import annotations

from finding_cases.case import case
from finding_cases.talk import Dialog, sdp
from finding_cases.wire import Wire

_LONG = "X" * 900
"""Makes an INVITE larger than 1300 bytes."""


def _call(wire: Wire, tap: str, ahead: float) -> None:
    """Make a call as a capture point sees it whose clock is so many seconds ahead."""
    begun = wire.now
    wire.now = begun + round(ahead * 1_000_000)
    call = Dialog(wire, tap=tap)
    call.answered()
    call.hang_up()
    wire.now = begun


# clock-skew


@case("clock-skew/yes-two-seconds")
def _(wire: Wire) -> None:
    _call(wire, "edge", 0)
    _call(wire, "core", 2)


@case("clock-skew/yes-behind")
def _(wire: Wire) -> None:
    _call(wire, "a", 0)
    _call(wire, "b", -0.25)


@case("clock-skew/yes-response-before-request")
def _(wire: Wire) -> None:
    """One capture point has what goes out only, the other what comes in."""
    out = Dialog(wire, tap="out")
    back = Dialog(wire, tap="in")
    invite = out.request("INVITE", body=sdp("198.51.100.10"))
    wire.wait(-0.5)
    back.reply(invite, 100)
    back.reply(invite, 486)
    wire.wait(0.5)
    out.ack(invite, failed=True)


@case("clock-skew/no-same-clock")
def _(wire: Wire) -> None:
    _call(wire, "edge", 0)
    _call(wire, "core", 0.0004)


@case("clock-skew/no-slow-link-between")
def _(wire: Wire) -> None:
    """A satellite link lies between the two: one sees requests later, the other responses."""
    call = Dialog(wire)
    for method in ("OPTIONS", "OPTIONS"):
        ping = Dialog(wire, call_id="ping")
        ping.tap, ping.pause = "ground", 0
        options = ping.request(method, number=len(call.call_id))
        wire.wait(0.28)
        ping.tap = "ship"
        ping.again(options)
        ping.reply(options, 200)
        wire.wait(0.28)
        ping.tap = "ground"
        ping.reply(options, 200)
        break


@case("clock-skew/no-mirror-lags")
def _(wire: Wire) -> None:
    _call(wire, "switch", 0)
    _call(wire, "mirror", 0.003)


@case("clock-skew/no-each-its-own-half")
def _(wire: Wire) -> None:
    """One has requests only, the other responses, and the clocks agree."""
    out, back = Dialog(wire, tap="out"), Dialog(wire, tap="in")
    invite = out.request("INVITE", body=sdp("198.51.100.10"))
    back.reply(invite, 100)
    back.reply(invite, 486)
    out.ack(invite, failed=True)


# transport-switch


def _large(call: Dialog, times: int = 4) -> None:
    invite = call.request("INVITE", body=sdp(call.near.at[0]), edit={"X-Policy": _LONG})
    for pause in (0.5, 1, 2, 4)[: times - 1]:
        call.wire.wait(pause - call.pause)
        call.again(invite)


@case("transport-switch/yes-large-lost-small-answered")
def _(wire: Wire) -> None:
    """With credentials the INVITE doesn't get through any more."""
    call = Dialog(wire)
    call.refused(407, reply_edit={"Proxy-Authenticate": 'Digest realm="a", nonce="b"'})
    _large(call)


@case("transport-switch/yes-then-tcp")
def _(wire: Wire) -> None:
    _large(Dialog(wire), 2)
    wire.wait(2)
    call = Dialog(wire, ("198.51.100.10", 41022), inside=("198.51.100.10", 5060), transport="TCP")
    call.near.number = 1
    call.answered(edit={"X-Policy": _LONG})
    call.hang_up()


@case("transport-switch/yes-refused-as-too-large")
def _(wire: Wire) -> None:
    Dialog(wire).refused(513, edit={"X-Policy": _LONG})


@case("transport-switch/no-large-and-answered")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    call.answered(edit={"X-Policy": _LONG})
    call.hang_up()


@case("transport-switch/no-small-and-lost")
def _(wire: Wire) -> None:
    """Also a small one isn't answered: the size is no reason."""
    call = Dialog(wire)
    call.asked("OPTIONS")
    message = call.request("MESSAGE", body=b"hello", edit={"Content-Type": "text/plain"})
    wire.wait(0.5)
    call.again(message)


@case("transport-switch/no-large-by-tcp")
def _(wire: Wire) -> None:
    call = Dialog(wire, ("198.51.100.10", 41022), inside=("198.51.100.10", 5060), transport="TCP")
    call.answered(edit={"X-Policy": _LONG})
    call.hang_up()


@case("transport-switch/no-large-answered-late")
def _(wire: Wire) -> None:
    """It was sent three times, and got through."""
    call = Dialog(wire)
    call.refused(407, reply_edit={"Proxy-Authenticate": 'Digest realm="a", nonce="b"'})
    invite = call.request("INVITE", body=sdp("198.51.100.10"), edit={"X-Policy": _LONG})
    for pause in (0.5, 1):
        wire.wait(pause)
        call.again(invite)
    call.reply(invite, 100)
    call.reply(invite, 486)
    call.ack(invite, failed=True)


@case("transport-switch/no-nobody-there")
def _(wire: Wire) -> None:
    """A large request isn't answered, and nothing else is: its size needn't be the reason."""
    _large(Dialog(wire))


# forked


@case("forked/yes-two-answer")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    invite = call.request("INVITE", body=sdp("198.51.100.10"))
    call.reply(invite, 100)
    for tag in ("desk", "mobile"):
        call.reply(invite, 180, to_tag=tag)
    for tag in ("desk", "mobile"):
        call.reply(invite, 200, body=sdp("203.0.113.20", 50000), to_tag=tag)
        call.ack(invite, edit={"To": f"<sip:5556789@203.0.113.20>;tag={tag}"})
    call.far.tag = "mobile"
    call.asked("BYE")
    call.far.tag = "desk"
    call.hang_up()


@case("forked/yes-three-answer")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    invite = call.request("INVITE", body=sdp("198.51.100.10"))
    call.reply(invite, 100)
    for tag in ("one", "two", "three"):
        call.reply(invite, 200, body=sdp("203.0.113.20", 50000), to_tag=tag)
        call.ack(invite, edit={"To": f"<sip:5556789@203.0.113.20>;tag={tag}"})
    for tag in ("two", "three", "one"):
        call.far.tag = tag
        call.hang_up(after=5)


@case("forked/no-one-of-two-answers")
def _(wire: Wire) -> None:
    call = Dialog(wire)
    invite = call.request("INVITE", body=sdp("198.51.100.10"))
    call.reply(invite, 100)
    for tag in ("desk", "mobile"):
        call.reply(invite, 180, to_tag=tag)
    call.far.tag = "mobile"
    call.reply(invite, 200, body=sdp("203.0.113.20", 50000))
    call.ack(invite)
    call.hang_up()


@case("forked/no-answer-sent-again")
def _(wire: Wire) -> None:
    """The first ACK was lost."""
    call = Dialog(wire)
    invite = call.request("INVITE", body=sdp("198.51.100.10"))
    call.reply(invite, 100)
    call.reply(invite, 200, body=sdp("203.0.113.20", 50000))
    wire.wait(0.5)
    call.reply(invite, 200, body=sdp("203.0.113.20", 50000))
    call.ack(invite)
    call.hang_up()


@case("forked/no-called-again")
def _(wire: Wire) -> None:
    """Refused by one, answered by another when tried again."""
    call = Dialog(wire)
    invite = call.request("INVITE", body=sdp("198.51.100.10"))
    call.reply(invite, 100)
    call.reply(invite, 486, to_tag="desk")
    call.ack(invite, failed=True, edit={"To": "<sip:5556789@203.0.113.20>;tag=desk"})
    call.answered()
    call.hang_up()
